"""
The tenant's objects as they were exported, and which ids belong together.

A list of all (service principals, applications, delegated grants, role assignments, domains) is taken for whole. What
hangs on one object (owners, app roles, federated credentials) is known where it was expanded in the object or listed
with the object's id in `@odata.context`, and not known otherwise. `$expand` gives at most twenty (facts: Graph), so
twenty may be more.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from drill.backtest.shapes import Sort
from shared.clients.graph_shapes import Unreadable, guid_of
from shared.identity import IdentityRef
from shared.signal import JsonObject, JsonValue

_EXPANDED_AT_MOST = 20
_WHOSE = re.compile(r"#servicePrincipals\('([0-9a-fA-F-]{36})'\)/appRoleAssignments")


@dataclass(slots=True)
class Snapshot:
    """
    What was exported of the tenant itself. All ids are in lower case. Graph expands one thing at a time, so an object
    that comes more than once is put together.
    """

    principals: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    applications: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    principal_of: dict[str, str] = field(default_factory=dict[str, str])  # by client id
    application_of: dict[str, str] = field(default_factory=dict[str, str])  # by client id
    app_roles: dict[str, list[JsonObject]] = field(default_factory=dict[str, list[JsonObject]])
    delegated: dict[str, list[JsonObject]] = field(default_factory=dict[str, list[JsonObject]])
    roles: dict[str, list[JsonObject]] = field(default_factory=dict[str, list[JsonObject]])
    domains: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    lists: set[Sort] = field(default_factory=set[Sort])  # that the export holds

    def take(self, sort: Sort, record: JsonObject, context: str) -> None:
        """One object of this sort, or an empty record for an empty list. Raises Unreadable."""
        self.lists.add(sort)
        if whose := _WHOSE.search(context):
            self.app_roles.setdefault(whose[1].lower(), [])
        if not record:
            return
        match sort:
            case Sort.PRINCIPAL:
                id_, client = guid_of(record, "id"), guid_of(record, "appId")
                self.principals[id_], self.principal_of[client] = {**self.principals.get(id_, {}), **record}, id_
            case Sort.APPLICATION:
                id_, client = guid_of(record, "id"), guid_of(record, "appId")
                self.applications[id_], self.application_of[client] = {**self.applications.get(id_, {}), **record}, id_
            case Sort.APP_ROLE:
                _put(self.app_roles, guid_of(record, "principalId"), record)
            case Sort.DELEGATED:
                _put(self.delegated, guid_of(record, "clientId"), record)
            case Sort.DIRECTORY_ROLE:
                _put(self.roles, guid_of(record, "principalId"), record)
            case _:
                self.domains[str(record.get("id"))] = record

    def add(self, other: "Snapshot") -> None:
        for ours, theirs in ((self.principals, other.principals), (self.applications, other.applications)):
            ours.update((id_, {**ours.get(id_, {}), **record}) for id_, record in theirs.items())
        self.principal_of |= other.principal_of
        self.application_of |= other.application_of
        self.domains |= other.domains
        self.lists |= other.lists
        held = ((self.app_roles, other.app_roles), (self.delegated, other.delegated), (self.roles, other.roles))
        for lists, more in held:
            for id_, records in more.items():
                lists.setdefault(id_, [])
                for record in records:
                    _put(lists, id_, record)

    @property
    def is_empty(self) -> bool:
        return not self.principals

    def principal_id(self, subject: IdentityRef) -> str | None:
        """The service principal of this subject, as far as the ids are known to belong together."""
        if subject.principal_id:
            return subject.principal_id
        client: str | None = subject.client_id
        if client is None and subject.app_object_id in self.applications:
            client = str(self.applications[subject.app_object_id].get("appId")).lower()
        return self.principal_of.get(client) if client else None

    def application_id(self, principal_id: str) -> str | None:
        """The application object of a service principal, where this tenant has it."""
        record = self.principals.get(principal_id)
        return self.application_of.get(str(record.get("appId")).lower()) if record else None

    def names_of(self, principal_id: str) -> set[str]:
        """Every id under which this identity may be reported."""
        record, application = self.principals.get(principal_id), self.application_id(principal_id)
        client = str(record.get("appId")).lower() if record else None
        return {each for each in (principal_id, client, application) if each}

    def app_roles_of(self, principal_id: str) -> Sequence[JsonObject] | None:
        """None where they were not exported."""
        expanded = expanded_in(self.principals.get(principal_id, {}), "appRoleAssignments")
        return self.app_roles.get(principal_id) if expanded is None else expanded

    def home_tenant(self) -> str | None:
        """The tenant that owns the applications which are here; None if it cannot be told."""
        owners = {
            owner.lower()
            for client in self.application_of
            if (principal := self.principal_of.get(client))
            and isinstance(owner := self.principals[principal].get("appOwnerOrganizationId"), str)
        }
        return next(iter(owners)) if len(owners) == 1 else None


def expanded_in(record: JsonObject, name: str) -> Sequence[JsonObject] | None:
    """What was expanded under this name; None if it was not, or may have been cut short."""
    found = record.get(name)
    if not isinstance(found, list) or len(found) >= _EXPANDED_AT_MOST or f"{name}@odata.nextLink" in record:
        return None
    return [each for each in found if isinstance(each, dict)]


def _put(lists: dict[str, list[JsonObject]], id_: str, record: JsonObject) -> None:
    """Once, also where two files hold it."""
    known = lists.setdefault(id_, [])
    if not any(_id_of(each) == _id_of(record) for each in known):
        known.append(record)


def _id_of(record: JsonObject) -> JsonValue:
    if not isinstance(record.get("id"), str):
        raise Unreadable("an assignment without an id")
    return record["id"]
