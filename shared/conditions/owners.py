"""Who may give the identity new credentials?"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from pydantic import ConfigDict

from shared.case import Case, CouldNotLook, IdentityState, Known, NotLooked, Owner, Owners, Part, PartName
from shared.conditions.interface import Finding, Met, NotMet, unknown
from shared.conditions.settings import SETTINGS, Guid, Several


class OwnerFlaw(StrEnum):
    """What is wrong with the owners. Values are the policy's words."""

    ORPHAN = "orphan"  # nobody owns either object
    WORKLOAD = "workload"  # another workload identity owns it, and could become it
    ITSELF = "itself"  # its own service principal: what signs in as it can make itself a new credential
    UNEXPECTED = "unexpected"  # somebody whom the policy does not name


@dataclass(frozen=True, slots=True)
class OwnersSuspect:
    """
    Met when the owners of the application and its service principal have one of these findings: there is none at all;
    one is a workload identity other than itself; one is its own service principal; one is not among `expected` (object
    ids). Of an application of another tenant the service principal's owners alone can be seen. Administrators need not
    be owners, and are not seen.
    """

    name: ClassVar[str] = "owners"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.IDENTITY, PartName.OWNERS)
    unknown_when: ClassVar[str] = "the owners of one of both objects could not be read"
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    findings: Several[OwnerFlaw] = (OwnerFlaw.WORKLOAD,)
    """What is wrong with them."""
    expected: Several[Guid] | None = None
    """Object ids of those who may own it."""

    def __post_init__(self) -> None:
        if OwnerFlaw.UNEXPECTED in self.findings and self.expected is None:
            raise ValueError("names unexpected without expected, so every owner would be")

    def check(self, case: Case) -> Finding:
        if not isinstance(case.identity, Known):
            return unknown(PartName.IDENTITY, case.identity)
        if not isinstance(case.owners, Known):
            return unknown(PartName.OWNERS, case.owners)
        state = case.identity.value
        lists = _lists(case.owners.value, state)
        owners = [owner for part in lists if isinstance(part, Known) for owner in part.value]
        for owner in owners:
            if reason := self._flaw(owner, state):
                return Met(reason)
        missing: list[CouldNotLook | NotLooked] = [part for part in lists if not isinstance(part, Known)]
        if missing and not (self.findings == (OwnerFlaw.ORPHAN,) and owners):
            return unknown(PartName.OWNERS, missing[0])
        if OwnerFlaw.ORPHAN in self.findings and not owners:
            return Met(f"nobody owns it ({OwnerFlaw.ORPHAN})")
        return NotMet(f"nothing of this sort is known of its {len({owner.id for owner in owners})} owners")

    def _flaw(self, owner: Owner, state: IdentityState) -> str | None:
        own = {holder.object_id for holder in state.holders}
        who = f"“{owner.name or owner.id}” ({owner.type or 'type not told'} {owner.id})"
        if OwnerFlaw.WORKLOAD in self.findings and owner.type == "servicePrincipal" and owner.id not in own:
            return f"another workload identity owns it: {who} ({OwnerFlaw.WORKLOAD})"
        if OwnerFlaw.ITSELF in self.findings and owner.id in own:
            return f"it owns itself: {who} ({OwnerFlaw.ITSELF})"
        if OwnerFlaw.UNEXPECTED in self.findings and owner.id not in (self.expected or ()):
            return f"{who} owns it and is not expected to ({OwnerFlaw.UNEXPECTED})"
        return None


def _lists(owners: Owners, state: IdentityState) -> Sequence[Part[tuple[Owner, ...]]]:
    return (owners.principal,) if state.application is None else (owners.application, owners.principal)
