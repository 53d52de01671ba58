"""A small tenant as an export shows it: objects with what hangs on them, and records about one workload."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from drill.backtest.command import Asked, backtest
from drill.backtest.outcome import Outcome

JsonObject = dict[str, Any]

TENANT = "aaaaaaaa-0000-4000-8000-000000000001"
PAYROLL, CLIENT, APPLICATION = (f"{n}0000000-0000-4000-8000-000000000001" for n in (1, 2, 3))
SECRET, LATER = (f"{n}0000000-0000-4000-8000-00000000000{n}" for n in (4, 5))
EVE = "b0000000-0000-4000-8000-000000000666"
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
_METADATA = "https://graph.microsoft.com/v1.0/$metadata#"

POLICY: JsonObject = {
    "version": 1,
    "rules": [
        {
            "name": "leaked",
            "when": {"risk-detection": {"types": ["leakedCredentials"]}},
            "verdict": "contain",
            "actions": ["block-sign-in"],
        },
        {
            "name": "new-credential",
            "when": {"credential-added": {"within": "24h"}},
            "verdict": "ask",
            "actions": ["block-sign-in"],
        },
        {"name": "too-many", "when": {"credential-excess": {"more-than": 1}}, "verdict": "watch"},
    ],
}


def principal(number: int = 1, **more: object) -> JsonObject:
    return {
        "id": f"10000000-0000-4000-8000-{number:012d}",
        "appId": f"20000000-0000-4000-8000-{number:012d}",
        "displayName": f"workload {number}",
        "accountEnabled": True,
        "servicePrincipalType": "Application",
        "appOwnerOrganizationId": TENANT,
        "passwordCredentials": [],
        "keyCredentials": [],
        "replyUrls": [],
        "owners": [],
        "federatedIdentityCredentials": [],
        "appRoleAssignments": [],
        **more,
    }


def application(number: int = 1, **more: object) -> JsonObject:
    return {
        "id": f"30000000-0000-4000-8000-{number:012d}",
        "appId": f"20000000-0000-4000-8000-{number:012d}",
        "displayName": f"workload {number}",
        "signInAudience": "AzureADMyOrg",
        "publisherDomain": "contoso.example",
        "passwordCredentials": [secret(SECRET)],
        "keyCredentials": [],
        "identifierUris": [],
        "web": {"redirectUris": []},
        "spa": {"redirectUris": []},
        "publicClient": {"redirectUris": []},
        "owners": [],
        "federatedIdentityCredentials": [],
        **more,
    }


def secret(key_id: str) -> JsonObject:
    return {"keyId": key_id, "displayName": "x", "startDateTime": "2025-01-01T00:00:00Z", "endDateTime": None}


def described(*key_ids: str) -> str:
    """KeyDescription as the log writes it."""
    return json.dumps([f"[KeyIdentifier={each},KeyType=Password,KeyUsage=Verify,DisplayName=x]" for each in key_ids])


def audit(
    activity: str, at: datetime, target: str, kind: str, properties: Mapping[str, tuple[Any, Any]], **more: object
) -> JsonObject:
    return {
        "id": f"Directory_{activity.encode().hex()[-40:]}_{at:%d%H%M%S}",
        "category": "ApplicationManagement",
        "correlationId": f"c0000000-0000-4000-8000-{at:%d%H%M%S}0000",
        "result": "success",
        "activityDisplayName": activity,
        "activityDateTime": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "initiatedBy": {"user": {"id": EVE, "userPrincipalName": "eve@contoso.example"}, "app": None},
        "targetResources": [
            {
                "id": target,
                "displayName": "workload 1",
                "type": kind,
                "modifiedProperties": [
                    {"displayName": name, "oldValue": old, "newValue": new} for name, (old, new) in properties.items()
                ],
            }
        ],
        **more,
    }


def credential_added(at: datetime, old: str = "", new: str = "") -> JsonObject:
    sides = {"KeyDescription": (old or described(SECRET), new or described(SECRET, LATER))}
    name = "Update application – Certificates and secrets management "
    return audit(name, at, APPLICATION, "Application", sides)


def detection(at: datetime, number: int = 1, **more: object) -> JsonObject:
    moment = f"{at:%Y-%m-%dT%H:%M:%SZ}"
    return {
        "id": f"{number:064x}",
        "riskEventType": "leakedCredentials",
        "riskLevel": "high",
        "riskState": "atRisk",
        "riskDetail": "none",
        "activityDateTime": moment,
        "detectedDateTime": moment,
        "lastUpdatedDateTime": moment,
        "servicePrincipalId": f"10000000-0000-4000-8000-{number:012d}",
        "servicePrincipalDisplayName": f"workload {number}",
        "appId": f"20000000-0000-4000-8000-{number:012d}",
        "keyIds": [],
        **more,
    }


def put(folder: Path, name: str, records: Iterable[JsonObject]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content = {"@odata.context": f"{_METADATA}{name}", "value": list(records)}
    (folder / f"{name.rpartition('/')[2]}.json").write_text(json.dumps(content), encoding="utf-8")


def export(
    folder: Path,
    *,
    audits: Iterable[JsonObject] = (),
    detections: Iterable[JsonObject] = (),
    principals: Iterable[JsonObject] | None = None,
    applications: Iterable[JsonObject] | None = None,
) -> Path:
    """Objects, the two logs, and the short lists."""
    put(folder, "servicePrincipals", [principal()] if principals is None else principals)
    put(folder, "applications", [application()] if applications is None else applications)
    put(folder, "oauth2PermissionGrants", [])
    put(folder, "roleAssignments", [])
    put(folder, "domains", [{"id": "contoso.example", "isVerified": True}])
    put(folder, "auditLogs/directoryAudits", audits)
    put(folder, "identityProtection/servicePrincipalRiskDetections", detections)
    return folder


def replayed(folder: Path, policy: JsonObject | None = None, **more: Any) -> Outcome:
    file = folder.parent / "policy.yaml"
    file.write_text(json.dumps(policy or POLICY), encoding="utf-8")
    more.setdefault("complete_from", NOON - timedelta(days=30))
    return backtest(Asked(file, folder, **more))[0]
