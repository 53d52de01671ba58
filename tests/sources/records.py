"""Records as the services send them, in the shapes of Graph and of the diagnostic log."""

import json
from collections.abc import Sequence

from shared.signal import JsonObject, JsonValue, Signal
from shared.sources import source_named
from tests.fakes import PAYROLL, PAYROLL_APP, PAYROLL_CLIENT, TENANT_ID

ADMIN = "77777777-0000-4000-8000-000000000003"


def read(source: str, record: JsonObject) -> Signal:
    """The signal; a record that is none fails the test."""
    found = source_named(source).read(record, TENANT_ID)
    assert isinstance(found, Signal)
    return found


def detection(**others: JsonValue) -> JsonObject:
    return {
        "id": "6a5874ca62e3c8a1a4b8a4a2a1b4a1b2c3d4e5f60718293a4b5c6d7e8f901234",
        "requestId": None,
        "correlationId": None,
        "riskEventType": "leakedCredentials",
        "riskState": "atRisk",
        "riskLevel": "high",
        "riskDetail": "none",
        "source": "IdentityProtection",
        "detectionTimingType": "offline",
        "activity": "servicePrincipal",
        "ipAddress": None,
        "activityDateTime": "2026-03-02T02:58:00.1234567Z",
        "detectedDateTime": "2026-03-02T03:00:00.1234567Z",
        "lastUpdatedDateTime": "2026-03-02T03:00:00.1234567Z",
        "servicePrincipalId": PAYROLL,
        "servicePrincipalDisplayName": "payroll-sync",
        "appId": PAYROLL_CLIENT,
        "keyIds": ["40000000-0000-4000-8000-000000000001"],
        "additionalInfo": "[]",
        **others,
    }


def sign_in(**others: JsonValue) -> JsonObject:
    return {
        "id": "7c1f8e11-0000-4000-8000-000000000001",
        "createdDateTime": "2026-03-02T02:58:00.1234567Z",
        "signInEventTypes": ["servicePrincipal"],
        "servicePrincipalId": PAYROLL,
        "servicePrincipalName": "payroll-sync",
        "appId": PAYROLL_CLIENT,
        "ipAddress": "198.51.100.66",
        "servicePrincipalCredentialKeyId": "40000000-0000-4000-8000-000000000001",
        "status": {"errorCode": 0, "failureReason": None, "additionalDetails": None},
        **others,
    }


def risky(**others: JsonValue) -> JsonObject:
    return {
        "id": PAYROLL,
        "appId": PAYROLL_CLIENT,
        "displayName": "payroll-sync",
        "isEnabled": True,
        "isProcessing": False,
        "riskLevel": "high",
        "riskState": "atRisk",
        "riskDetail": "none",
        "riskLastUpdatedDateTime": "2026-03-02T03:00:00.7654321Z",
        "servicePrincipalType": "Application",
        **others,
    }


def audit(
    activity: str = "Add service principal credentials",
    properties: Sequence[JsonValue] = (),
    *,
    target: JsonObject | None = None,
    more_targets: Sequence[JsonObject] = (),
    **others: JsonValue,
) -> JsonObject:
    first: JsonObject = target or service_principal()
    first["modifiedProperties"] = [*properties]
    return {
        "id": "Directory_9b2f7c3e-0000-4000-8000-000000000001_ABCDE_12345678",
        "category": "ApplicationManagement",
        "correlationId": "9b2f7c3e-0000-4000-8000-000000000002",
        "result": "success",
        "resultReason": "",
        "activityDisplayName": activity,
        "activityDateTime": "2026-03-02T02:59:30.1234567Z",
        "loggedByService": "Core Directory",
        "operationType": "Update",
        "initiatedBy": {
            "user": {"id": ADMIN, "displayName": None, "userPrincipalName": "admin@contoso.example", "ipAddress": ""},
            "app": None,
        },
        "targetResources": [first, *more_targets],
        "additionalDetails": [{"key": "User-Agent", "value": "x"}],
        **others,
    }


def service_principal(id_: str = PAYROLL, name: str = "payroll-sync") -> JsonObject:
    return {"id": id_, "displayName": name, "type": "ServicePrincipal", "userPrincipalName": None}


def application(id_: str = PAYROLL_APP) -> JsonObject:
    return {"id": id_, "displayName": "payroll-sync", "type": "Application", "userPrincipalName": None}


def user(id_: str = ADMIN) -> JsonObject:
    return {"id": id_, "displayName": "somebody", "type": "User", "userPrincipalName": "somebody@contoso.example"}


def changed(name: str, old: object, new: object) -> JsonValue:
    """A modified property: JSON inside strings, as the log writes it."""
    return {"displayName": name, "oldValue": json.dumps(old), "newValue": json.dumps(new)}


def diagnostic(category: str, body: JsonObject, **others: JsonValue) -> JsonObject:
    """The same record as it comes through the event hub."""
    return {
        "time": "2026-03-02T03:01:00.0000000Z",
        "resourceId": f"/tenants/{TENANT_ID}/providers/Microsoft.aadiam",
        "operationName": body.get("activityDisplayName", "Risk"),
        "category": category,
        "tenantId": TENANT_ID,
        "properties": body,
        **others,
    }
