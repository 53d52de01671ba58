"""
A day of a tenant's logs: mostly about people, groups and devices, three in a hundred about workload identities.

Same sizes, same texts, every time. Records are bytes of JSON, so that whoever serves them does no work.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from tests.benchmarks.stand_in import application_id, client_id, principal_id

JsonObject: TypeAlias = dict[str, Any]

DAY_ENDS = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
DAY_BEGINS = DAY_ENDS - timedelta(hours=24)
WORKLOADS = 500  # identities that the audits are about
RISKY = 1000  # identities that the detections are about
_FOLLOWED = 0.03
_PEOPLE = (
    ("Update user", "User", "UserManagement"),
    ("Add member to group", "Group", "GroupManagement"),
    ("Remove member from group", "Group", "GroupManagement"),
    ("Update group", "Group", "GroupManagement"),
    ("Add user", "User", "UserManagement"),
    ("Update device", "Device", "Device"),
    ("Reset password (self-service)", "User", "UserManagement"),
    ("User registered security info", "User", "UserManagement"),
)
_KEY = "[KeyIdentifier={0}0000001-0000-4000-8000-{1:012d},KeyType=Password,KeyUsage=Verify,DisplayName=deploy {0}]"


@dataclass(frozen=True, slots=True)
class Log:
    """The directory's audit records of the day that ends some minutes before DAY_ENDS, made when asked for."""

    count: int = 0

    def between(self, since: datetime, until: datetime) -> list[bytes]:
        """In order of their time; both ends included, as the service's `ge` and `le`."""
        if not self.count:
            return []
        step = timedelta(hours=23, minutes=55) / self.count
        first = max(0, -((DAY_BEGINS - since) // step))
        last = min(self.count - 1, (until - DAY_BEGINS) // step)
        return [_dumped(_audit(number, DAY_BEGINS + step * number)) for number in range(first, last + 1)]


def detections(count: int) -> list[bytes]:
    """Identity Protection's list: several detections for each of the risky identities."""
    types = ("suspiciousSignins", "anomalousServicePrincipalActivity", "leakedCredentials", "suspiciousAPITraffic")
    return [_dumped(_detection(number, types[number % len(types)])) for number in range(1, count + 1)]


def page(records: list[bytes], next_link: str | None) -> bytes:
    """One page of a list, as it goes over the wire."""
    link = f'"@odata.nextLink":{json.dumps(next_link)},'.encode() if next_link else b""
    return b'{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata",%b"value":[%b]}' % (
        link,
        b",".join(records),
    )


def audit(number: int, at: datetime) -> bytes:
    """The record with this number, as if it had been written at this moment."""
    return _dumped(_audit(number, at))


def _dumped(record: JsonObject) -> bytes:
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()


def _chance(number: int, purpose: int) -> float:
    """Evenly spread over 0 to 1, the same for the same number."""
    return (number * 2654435761 + purpose * 40503) % 2**32 / 2**32


def _audit(number: int, at: datetime) -> JsonObject:
    if _chance(number, 1) < _FOLLOWED:
        workload = int(_chance(number, 2) / _FOLLOWED * WORKLOADS * 7) % WORKLOADS + 1
        return {**_frame(number, at), **_about_workload(number, workload)}
    activity, kind, category = _PEOPLE[number % len(_PEOPLE)]
    target: JsonObject = {
        "id": f"a0000000-0000-4000-8000-{number:012d}",
        "displayName": f"somebody {number}",
        "type": kind,
        "userPrincipalName": f"somebody.{number}@contoso.example",
        "groupType": None,
        "modifiedProperties": [
            {"displayName": "Department", "oldValue": '["Sales"]', "newValue": f'["Sales {number}"]'},
            {"displayName": "Included Updated Properties", "oldValue": None, "newValue": '"Department"'},
            {"displayName": "TargetId.UserType", "oldValue": None, "newValue": '"Member"'},
        ],
    }
    return {
        **_frame(number, at),
        "category": category,
        "activityDisplayName": activity,
        "operationType": activity.split(" ", 1)[0],
        "targetResources": [target],
    }


def _frame(number: int, at: datetime) -> JsonObject:
    user: JsonObject = {
        "id": f"b0000000-0000-4000-8000-{number % 40:012d}",
        "displayName": None,
        "userPrincipalName": f"admin.{number % 40}@contoso.example",
        "ipAddress": "203.0.113.7",
        "userType": None,
        "homeTenantId": None,
        "homeTenantName": None,
    }
    return {
        "id": f"Directory_c0000000-0000-4000-8000-{number:012d}_BENCH_{number}",
        "correlationId": f"c0000000-0000-4000-8000-{number:012d}",
        "result": "success",
        "resultReason": "",
        "activityDateTime": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond:06d}1Z",
        "loggedByService": "Core Directory",
        "initiatedBy": {"app": None, "user": user},
        "additionalDetails": [{"key": "User-Agent", "value": "EvoSTS"}],
    }


def _about_workload(number: int, workload: int) -> JsonObject:
    """Credentials and owners; and, two times in five, an update that tells of nothing."""
    chance = number % 5 / 5
    if chance < 0.4:
        echoed: JsonObject = {
            "displayName": "Included Updated Properties",
            "oldValue": None,
            "newValue": '"KeyDescription"',
        }
        return _workload_record("Update service principal", "ServicePrincipal", principal_id(workload), [echoed])
    if chance < 0.8:
        keys = [_KEY.format(each, workload) for each in (1, number % 9 + 2)]
        change: JsonObject = {
            "displayName": "KeyDescription",
            "oldValue": json.dumps(keys[:1]),
            "newValue": json.dumps(keys),
        }
        activity = "Update application – Certificates and secrets management "
        return _workload_record(activity, "Application", application_id(workload), [change])
    owner: JsonObject = {"displayName": "Application.ObjectID", "oldValue": None, "newValue": '"x"'}
    return _workload_record("Add owner to application", "Application", application_id(workload), [owner])


def _workload_record(activity: str, kind: str, target: str, changes: list[JsonObject]) -> JsonObject:
    named: JsonObject = {"id": target, "displayName": "workload", "type": kind, "userPrincipalName": None}
    return {
        "category": "ApplicationManagement",
        "activityDisplayName": activity,
        "operationType": "Update",
        "targetResources": [{**named, "groupType": None, "modifiedProperties": changes}],
    }


def _detection(number: int, kind: str) -> JsonObject:
    workload = WORKLOADS + number % RISKY + 1
    at = f"2026-03-02T0{number % 3}:{number % 60:02d}:00.1234567Z"
    return {
        "id": f"{number:064x}",
        "requestId": None,
        "correlationId": None,
        "riskEventType": kind,
        "riskState": "atRisk",
        "riskLevel": ("low", "medium", "high")[number % 3],
        "riskDetail": "none",
        "source": "IdentityProtection",
        "detectionTimingType": "offline",
        "activity": "servicePrincipal",
        "tokenIssuerType": "AzureAD",
        "ipAddress": None,
        "location": None,
        "activityDateTime": at,
        "detectedDateTime": at,
        "lastUpdatedDateTime": at,
        "servicePrincipalId": principal_id(workload),
        "servicePrincipalDisplayName": f"workload {workload}",
        "appId": client_id(workload),
        "keyIds": [],
        "additionalInfo": '[{"Key":"alertUrl","Value":null},{"Key":"mitreTechniques","Value":"T1078"}]',
    }
