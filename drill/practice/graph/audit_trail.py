"""
The audit records that the directory writes about each change, with their odd spellings (facts: graph 2).

One change makes several records with one correlationId. oldValue and newValue are JSON inside a string.
The credential event of an application has an en dash and ends in a space.
"""

import json
from dataclasses import dataclass, field

from drill.practice.directory import APPLICATION, Entry
from drill.practice.graph.objects import NAMES
from drill.practice.shapes import JsonObject, fine_time
from drill.practice.state import TenantState
from drill.practice.web import Request

APPLICATION_CREDENTIALS = "Update application – Certificates and secrets management "
UPDATE = {"application": "Update application", "servicePrincipal": "Update service principal"}
OWNERS = {"application": "application", "servicePrincipal": "service principal"}


def changed(name: str, old: object, new: object) -> JsonObject:
    """One modifiedProperty; values are wrapped in a list and written as JSON, "[]" being the empty set."""
    return {"displayName": name, "oldValue": _in_string(old), "newValue": _in_string(new)}


def quoted(name: str, old: str | None, new: str | None) -> JsonObject:
    """One modifiedProperty whose values are quoted scalars, as in records about grants and roles."""
    values = [None if value is None else json.dumps(value, ensure_ascii=False) for value in (old, new)]
    return {"displayName": name, "oldValue": values[0], "newValue": values[1]}


def included(*names: str) -> JsonObject:
    """The property that says which properties changed: a quoted scalar with nothing on the old side."""
    return {"displayName": "Included Updated Properties", "oldValue": None, "newValue": json.dumps(", ".join(names))}


def key_description(record: JsonObject) -> list[str]:
    """Both credential lists as the audit log writes them. DisplayName is whatever its maker typed."""
    keys = [
        _key_text(each["keyId"], "AsymmetricX509Cert", each["usage"], each.get("displayName"))
        for each in record["keyCredentials"]
    ]
    passwords = [
        _key_text(each["keyId"], "Password", "Verify", each.get("displayName"))
        for each in record["passwordCredentials"]
    ]
    return [*keys, *passwords]


@dataclass(slots=True)
class AuditTrail:
    """Collects the records of one change under one correlationId."""

    state: TenantState
    request: Request
    correlation_id: str = field(default="")

    def __post_init__(self) -> None:
        self.correlation_id = self.correlation_id or self.state.chance.guid("correlation")

    def credentials(self, entry: Entry, before: JsonObject, *, added: bool) -> None:
        """A credential was added or removed: the event itself, and the bare update that comes with it."""
        properties = [
            changed("KeyDescription", key_description(before), key_description(entry.state)),
            included("KeyDescription"),
        ]
        if entry.kind == APPLICATION:
            self.write(APPLICATION_CREDENTIALS, entry, properties)
            self.write("Update application", entry, [])
            self._principal_follows(entry)
        else:
            verb = "Add" if added else "Remove"
            self.write(f"{verb} service principal credentials", entry, properties, operation="Update")
            self.write("Update service principal", entry, [included("KeyDescription")])

    def update(self, entry: Entry, properties: list[JsonObject]) -> None:
        """Any other change of an object's own properties."""
        names = [each["displayName"] for each in properties]
        self.write(UPDATE[entry.kind], entry, [*properties, included(*names)])

    def write(
        self,
        activity: str,
        entry: Entry,
        properties: list[JsonObject],
        *,
        operation: str = "Update",
        category: str = "ApplicationManagement",
        service: str = "Core Directory",
        others: tuple[JsonObject, ...] = (),
    ) -> None:
        now = self.state.now
        target = {
            "id": entry.id,
            "displayName": entry.state.get("displayName"),
            "type": NAMES[entry.kind],
            "userPrincipalName": None,
            "groupType": None,
            "modifiedProperties": properties,
        }
        count = len(self.state.effects) % 1_000_000
        record: JsonObject = {
            "id": f"Directory_{self.state.chance.guid('audit')}_{self.state.chance.stream('shard').choice('ABCDEFGH')}"
            f"{self.state.chance.stream('shard').randrange(10)}_{count:07d}",
            "category": category,
            "correlationId": self.correlation_id,
            "result": "success",
            "resultReason": "",
            "activityDisplayName": activity,
            "activityDateTime": fine_time(now),
            "loggedByService": service,
            "operationType": operation,
            "initiatedBy": self._initiator(),
            "targetResources": [target, *others],
            "additionalDetails": self._details(entry),
        }
        self.state.audits.add(record, now, self.state.chance.between("audit delay", self.state.behaviour.audit_delay))

    def _initiator(self) -> JsonObject:
        """appId is null although servicePrincipalId is set: recognise callers by the latter (facts: graph 2)."""
        caller = self.state.directory.any_kind(self.request.principal_id)
        name = caller.state.get("displayName") if caller else None
        app: JsonObject = {
            "appId": None,
            "displayName": name,
            "servicePrincipalId": self.request.principal_id or None,
            "servicePrincipalName": None,
        }
        if self.request.principal_id:
            return {"user": None, "app": app}
        nobody: JsonObject = {}
        known = next((each for each in self.state.users if each["id"] == self.request.by), nobody)
        user = {
            "id": self.request.by,
            "displayName": known.get("displayName"),
            "userPrincipalName": known.get("userPrincipalName") or self.request.by,
            "ipAddress": "",
        }
        return {"user": user, "app": None}

    def _details(self, entry: Entry) -> list[JsonObject]:
        details: list[JsonObject] = []
        if agent := self.request.headers.get("user-agent"):
            details.append({"key": "User-Agent", "value": agent})
        if app_id := entry.state.get("appId"):
            details.append({"key": "AppId", "value": app_id})
        return details

    def _principal_follows(self, entry: Entry) -> None:
        """The service principal at home is refreshed from its application, which is noise (facts: graph 4)."""
        principal = self.state.directory.by_app_id("servicePrincipal", str(entry.state.get("appId")))
        if principal:
            self.write("Update service principal", principal, [included()])


def _in_string(value: object) -> str | None:
    if value is None:
        return None
    return json.dumps(value if isinstance(value, list) else [value], separators=(",", ":"), ensure_ascii=False)


def _key_text(key_id: str, key_type: str, usage: str, name: str | None) -> str:
    return f"[KeyIdentifier={key_id},KeyType={key_type},KeyUsage={usage},DisplayName={name or ''}]"
