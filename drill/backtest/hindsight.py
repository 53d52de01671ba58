"""
The tenant's objects at an earlier moment: the snapshot, with what the audit log says was changed since taken back.

A change tells what was there before and after, in full, or only that something was changed. So three things are known
of each property of each object: what it was before its first change in the export, what the last change that the
replay has passed left, and when the last change of all was: from then on it is as the snapshot shows it. Memory is that
of the objects that were changed, however long the log is. What is not certain is not known, and never what the snapshot
happens to show.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import NamedTuple, TypeAlias, cast

from shared.audit import (
    address_changes,
    described_keys,
    gives_role,
    normalise_activity,
    subject_of,
    subjects_of,
    tells_addresses,
)
from shared.audit_grants import APP_ROLE_GIVEN, CONSENTED, DELEGATED_GIVEN
from shared.audit_properties import SPELLINGS, Property, is_open
from shared.case import AuditProperty, AuditRecord
from shared.identity import canonical_guid


class Mark(Enum):
    """What stands where no value can."""

    UNTOLD = "it is not certain what was there"
    GONE = "it was not there"


UNTOLD, GONE = Mark.UNTOLD, Mark.GONE

KEYS, ENABLED, FEDERATED, PUBLISHER = "keys", "enabled", "federated", "publisher"
REDIRECT, IDENTIFIER, SIGN_OUT = "redirect", "identifier", "sign-out"  # as `audit.AddressChange` names them
OWNERS, APP_ROLES, DELEGATED, ROLES, DEACTIVATED = "owners", "app-roles", "delegated", "roles", "deactivated"
AUDIENCE = "audience"

APP_ROLE_TAKEN = normalise_activity("Remove app role assignment from service principal")
_DELEGATED = frozenset(
    {DELEGATED_GIVEN, CONSENTED, *map(normalise_activity, ("Remove delegated permission grant", "Restore consent"))}
)
_ROLE_TAKEN = (
    "remove member from role",
    "remove scoped member from role",
    "remove role assignment from role definition",
)
_OWNERS = {
    normalise_activity(f"{verb} owner {way} {kind}"): verb == "Add"
    for verb, way in (("Add", "to"), ("Remove", "from"))
    for kind in ("application", "service principal")
}
_PUBLISHER = frozenset(map(normalise_activity, ("Set verified publisher", "Unset verified publisher")))

Key = tuple[str, str, str]
"""The object's id, what of it, and which one of several ("" where there is one)."""


Left: TypeAlias = tuple[tuple[Key, object], ...]
"""What a record left of each property, in plain values: None where it was not there, ... where that is not certain."""


class Change(NamedTuple):
    """What a record changed. A side that it does not tell in full is UNTOLD."""

    key: Key
    before: object
    after: object


def changes_in(record: AuditRecord) -> Iterator[Change]:
    """The changes of objects that a record tells of. An attempt that failed changed nothing."""
    if record.result == "failure":
        return
    for target in record.targets:
        if target.id is not None and target.type.casefold() in ("application", "serviceprincipal"):
            for each in target.properties:
                if each.name not in _TELLS_NOTHING:
                    yield from _of_property(target.id, each)
            yield from _of_target(record, target.id)
    if record.activity in _OWNERS:
        yield from _of_owner(record, added=_OWNERS[record.activity])
    elif record.activity in (APP_ROLE_GIVEN, APP_ROLE_TAKEN):
        yield from _of_app_role(record, given=record.activity == APP_ROLE_GIVEN)
    elif record.activity in _DELEGATED:
        yield from (Change((id_, DELEGATED, ""), UNTOLD, UNTOLD) for id_ in _clients(record))


def _of_target(record: AuditRecord, object_id: str) -> Iterator[Change]:
    for changed in address_changes(record, object_id) if tells_addresses(record) else ():
        sides = (UNTOLD if side is None else side for side in (changed.old, changed.new))
        yield Change((object_id, changed.kind, ""), *sides)
    if record.activity in _PUBLISHER:
        yield Change((object_id, PUBLISHER, ""), UNTOLD, UNTOLD)
    if _is_of_roles(record.activity):
        yield Change((object_id, ROLES, ""), UNTOLD, UNTOLD)


@lru_cache(maxsize=1024)
def _is_of_roles(activity: str) -> bool:
    return gives_role(activity) or activity.startswith(_ROLE_TAKEN)


_TELLS_NOTHING = frozenset({"Included Updated Properties", "TargetId.ServicePrincipalNames"})  # of what is read below


def _of_property(object_id: str, each: AuditProperty) -> Iterator[Change]:
    name = each.name.casefold()
    if name == "keydescription":
        old, new = described_keys(each.old), described_keys(each.new)
        yield Change((object_id, KEYS, ""), UNTOLD if old is None else old, UNTOLD if new is None else new)
    elif name == "accountenabled":
        yield Change((object_id, ENABLED, ""), _flag(each.old), _flag(each.new))
    elif name in SPELLINGS[Property.SIGN_IN_AUDIENCE]:
        yield Change((object_id, AUDIENCE, ""), *(_AUDIENCES[is_open(side)] for side in (each.old, each.new)))
    elif name == "federatedidentitycredentials":
        yield Change((object_id, FEDERATED, ""), UNTOLD, UNTOLD)
    elif name == "isdisabled":
        yield Change((object_id, DEACTIVATED, ""), UNTOLD, UNTOLD)


def _of_owner(record: AuditRecord, *, added: bool) -> Iterator[Change]:
    """The owner is the other target, or stands in a property; with neither, the list is not certain."""
    objects = [str(each.app_object_id or each.principal_id) for each in subjects_of(record)]
    if len(objects) != 1:
        yield from (Change((each, OWNERS, ""), UNTOLD, UNTOLD) for each in objects)
        return
    (owned,) = objects
    others = {(target.id.lower(), target.type) for target in record.targets if target.id and target.id != owned}
    named = [(found, "") for found in _guids(record, ".objectid") if found != owned]
    owners = sorted(others) or named
    if len(owners) != 1:
        yield Change((owned, OWNERS, ""), UNTOLD, UNTOLD)
        return
    ((owner, type_),) = owners
    there, not_there = type_, GONE
    yield Change((owned, OWNERS, owner), *((not_there, there) if added else (there, not_there)))


def _of_app_role(record: AuditRecord, *, given: bool) -> Iterator[Change]:
    role = next(iter(_guids(record, "approle.id")), None)
    resource = next((target.id.lower() for target in record.targets if target.id), None)
    for client in _clients(record):
        if role is None or resource is None:
            yield Change((client, APP_ROLES, ""), UNTOLD, UNTOLD)
        else:
            sides = (GONE, True) if given else (True, GONE)
            yield Change((client, APP_ROLES, f"{resource}/{role}"), *sides)


def _clients(record: AuditRecord) -> list[str]:
    """Every id under which the client is named."""
    subject = subject_of(record)
    return [id_ for id_ in (subject.principal_id, subject.client_id) if id_] if subject else []


def _guids(record: AuditRecord, ending: str) -> list[str]:
    found: list[str] = []
    for target in record.targets:
        for each in target.properties:
            if not each.name.casefold().endswith(ending):
                continue
            for value in (each.new, each.old):
                try:
                    found.append(canonical_guid(value))
                except ValueError:
                    continue
    return found


# Which of those for other tenants it is, nothing asks.
_AUDIENCES: Mapping[bool | None, object] = {True: "AzureADMultipleOrgs", False: "AzureADMyOrg", None: UNTOLD}


def _flag(value: object) -> object:
    """AccountEnabled is "[true]"; "[]" where the object was only made."""
    values = cast("list[object]", value) if isinstance(value, list) else [value]
    said = values[0] if len(values) == 1 else None
    return said if isinstance(said, bool) else UNTOLD


def _as_plain(after: object) -> object:
    return None if after is GONE else ... if after is UNTOLD else after


@dataclass(slots=True)
class Past:
    """One property of one object."""

    first: int
    before: object
    last: int
    passed: object = None  # what the last change left that the replay has passed; None: it has passed none

    def at(self, ticks: int, shown: object) -> object:
        """What was there at this moment, up to which the replay has come; `shown`: what the snapshot has."""
        if self.last <= ticks:
            return shown
        return self.before if self.passed is None else self.passed


@dataclass(slots=True)
class Hindsight:
    """What the export tells of the past of each object. All of it is noted first; then the replay passes it by."""

    pasts: dict[Key, Past] = field(default_factory=dict[Key, Past])
    items: dict[tuple[str, str], set[str]] = field(default_factory=dict[tuple[str, str], set[str]])

    def note(self, record: AuditRecord, ticks: int) -> Left:
        """In any order. What the record left is to be kept with it, for when it is passed by."""
        found = tuple(changes_in(record))
        for change in found:
            self._note(change.key, ticks, change.before, ticks)
        return tuple([(change.key, _as_plain(change.after)) for change in found])

    def add(self, other: "Hindsight") -> None:
        for key, past in other.pasts.items():
            self._note(key, past.first, past.before, past.last)

    def _note(self, key: Key, first: int, before: object, last: int) -> None:
        past = self.pasts.get(key)
        if past is None:
            self.pasts[key] = Past(first, before, last)
            self.items.setdefault(key[:2], set()).add(key[2])
            return
        if first < past.first:
            past.first, past.before = first, before
        past.last = max(past.last, last)

    def pass_by(self, left: Left) -> None:
        """In the order of time: what was told when the record was noted."""
        for key, after in left:
            self.pasts[key].passed = GONE if after is None else UNTOLD if after is ... else after

    def at(self, key: Key, ticks: int, shown: object) -> object:
        """What was there at this moment, up to which the replay has come; `shown`: what the snapshot has."""
        past = self.pasts.get(key)
        return shown if past is None else past.at(ticks, shown)

    def by_object(self, *, without: Collection[str] = (), only: Collection[str] | None = None) -> dict[str, list[Past]]:
        """Everything that the log tells of the past of each object, or of some of its properties."""
        found = dict[str, list[Past]]()
        for (id_, what, _), past in self.pasts.items():
            if what not in without and (only is None or what in only):
                found.setdefault(id_, []).append(past)
        return found

    def is_certain(self, object_id: str, what: str, ticks: int) -> bool:
        """Whether a property is as the snapshot shows it, where changes of it cannot be taken back."""
        return self.at((object_id, what, ""), ticks, None) is not UNTOLD

    def named(self, object_id: str, what: str) -> set[str]:
        """Which ones of several were changed at all."""
        return self.items.get((object_id, what), set()) - {""}
