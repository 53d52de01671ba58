"""Who was made an owner of the identity lately, and by whom?"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import ClassVar

from pydantic import ConfigDict

from shared.audit import ADDS_OWNER, names_several, new_owner
from shared.case import AuditRecord, Case, IdentityState, Known, Owner, Owners, Part, PartName
from shared.conditions.interface import Finding, Met, NotMet, Unknown, unknown
from shared.conditions.judging import actor_text, doubt_of, was_done_lately
from shared.conditions.records import records_about
from shared.conditions.settings import SETTINGS, AuditDuration, Flag, Guid, Several, utc


class OwnerKind(StrEnum):
    """What a new owner is. Values are the policy's words."""

    USER = "user"
    WORKLOAD = "workload"  # another workload identity
    ITSELF = "itself"  # the identity's own service principal


@dataclass(frozen=True, slots=True)
class OwnerAdded:
    """
    Met when the audit log shows that an owner of one of these `kinds` was added to the application or its service
    principal `within` this time, by somebody who is not named in `by-other-than` and is not Cordon, and the directory
    still lists this owner. An owner can give it a credential at any time, and sign in as it. `by-itself: true` asks for
    those that the identity added itself. One that was taken away since does not count.
    """

    name: ClassVar[str] = "owner-added"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.IDENTITY, PartName.OWNERS, PartName.AUDITS)
    unknown_when: ClassVar[str] = (
        "the owners of the object cannot be read, or the log names no actor, or not the owner while one of these kinds "
        "is among them, or not which of two service principals is owned"
    )
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    kinds: Several[OwnerKind] | None = None
    """What the new owner is; left out: whoever it is."""
    within: AuditDuration = timedelta(hours=24)
    """How long ago at most."""
    by_other_than: Several[Guid] | None = None
    """Object or client ids of those who are expected to; left out: whoever it was."""
    by_itself: Flag = False
    """Only those that the identity added itself."""

    def check(self, case: Case) -> Finding:
        if not isinstance(case.identity, Known):
            return unknown(PartName.IDENTITY, case.identity)
        state = case.identity.value
        if not isinstance(case.owners, Known):
            return unknown(PartName.OWNERS, case.owners)
        owners = case.owners.value
        if not any(self._may_be_one(part, state) for part in _lists(owners, state)):
            return NotMet("no owner of this sort is listed")
        doubt: Unknown | None = None
        for record in records_about(case, state):
            if record.activity not in ADDS_OWNER or (counts := was_done_lately(record, self, case, state)) is False:
                continue
            found = self._added(record, owners, state)
            if isinstance(found, Met) and counts:
                return found
            if not isinstance(found, NotMet):
                doubt = doubt or (
                    found if isinstance(found, Unknown) else Unknown(f"it cannot be told: {found.reason}")
                )
        if not isinstance(case.audits, Known):
            return unknown(PartName.AUDITS, case.audits)
        return doubt or NotMet(f"no owner of this sort was added in {self.within.total_seconds() / 3600:g} h")

    def _added(self, record: AuditRecord, owners: Owners, state: IdentityState) -> Finding:
        """Whether the owner that a record tells of is of these kinds, by what the directory lists now."""
        listed = owners.application if record.activity.endswith("application") else owners.principal
        if not isinstance(listed, Known):
            return unknown(PartName.OWNERS, listed)
        if names_several(record):
            return self._perhaps_added(record, listed.value, state)
        id_ = new_owner(record)
        if id_ is None:
            fitting = next((each for each in listed.value if self._fits(each, state) is not False), None)
            return Unknown(f"{_at(record)} does not say whom, and {_who(fitting, state)}") if fitting else _NOT
        owner = next((each for each in listed.value if each.id == id_), None)
        fits = owner is not None and self._fits(owner, state)
        if owner is None or fits is False:
            return _NOT
        told = f"{_who(owner, state)}, by {actor_text(record.actor)} at {utc(record.at)} (record {record.id})"
        return Met(told) if fits else Unknown(f"of what kind it is is not told: {told}")

    def _perhaps_added(self, record: AuditRecord, listed: tuple[Owner, ...], state: IdentityState) -> Finding:
        """Nothing says which of its targets is owned: if none of them is listed as an owner of this one, not this."""
        named = {target.id for target in record.targets}
        owner = next((each for each in listed if each.id in named and self._fits(each, state) is not False), None)
        return Unknown(f"{_at(record)}: {doubt_of(record)}; {_who(owner, state)}") if owner else _NOT

    def _may_be_one(self, part: Part[tuple[Owner, ...]], state: IdentityState) -> bool:
        return not isinstance(part, Known) or any(self._fits(each, state) is not False for each in part.value)

    def _fits(self, owner: Owner, state: IdentityState) -> bool | None:
        if self.kinds is None:
            return True
        kind = _kind_of(owner, state)
        return None if kind is None else kind in self.kinds


_NOT = NotMet("the owner that was added is of another sort, or none any more")


def _lists(owners: Owners, state: IdentityState) -> Iterator[Part[tuple[Owner, ...]]]:
    if state.application is not None:
        yield owners.application
    yield owners.principal


def _kind_of(owner: Owner, state: IdentityState) -> OwnerKind | None:
    if owner.id in {each.object_id for each in state.principals}:
        return OwnerKind.ITSELF
    return {"user": OwnerKind.USER, "servicePrincipal": OwnerKind.WORKLOAD}.get(owner.type or "")


def _who(owner: Owner, state: IdentityState) -> str:
    kind = _kind_of(owner, state)
    what = {OwnerKind.ITSELF: "it owns itself", OwnerKind.WORKLOAD: "another workload identity owns it"}
    said = what.get(kind, "it has an owner") if kind else "it has an owner"
    return f"{said}: “{owner.name or owner.id}” ({owner.type or 'type not told'} {owner.id})"


def _at(record: AuditRecord) -> str:
    return f"“{record.activity_as_sent}” at {utc(record.at)}"
