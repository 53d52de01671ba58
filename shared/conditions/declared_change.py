"""Is all that was changed on the identity what somebody has declared beforehand?"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from shared.audit import NOT_TOLD_APART, names_several
from shared.audit_changes import Change, ChangeKind
from shared.case import Case, HolderKind, Known, PartName
from shared.conditions.addresses import KINDS, hidden
from shared.conditions.credential_added import explaining, unexplained
from shared.conditions.hours import Day, HoursOfDay, UtcOffset, is_in
from shared.conditions.interface import Finding, Met, NotMet, Unknown, unknown
from shared.conditions.judging import actor_text, is_unexpected
from shared.conditions.records import BOTH, changes_about, hidden_trust, unread
from shared.conditions.settings import SETTINGS, AuditDuration, Guid, Several, utc

_BOTH_OBJECTS = (HolderKind.APPLICATION, HolderKind.SERVICE_PRINCIPAL)


@dataclass(frozen=True, slots=True)
class ExplainedByDeclaration:
    """
    Met when the identity was changed `within` this time, and every one of those changes was declared: made by one of
    these deploy identities (object or client ids), of these kinds alone, at these `hours` and `days`, and no more
    than `at-most` of them. One change that was not declared, and it is not met; so where nothing was changed. Put it
    under `not`, beside the change that it may explain.
    """

    name: ClassVar[str] = "declared-change"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.IDENTITY, PartName.AUDITS, PartName.GRANT_AUDITS)
    unknown_when: ClassVar[str] = (
        "a credential starts within the time and the log does not show (yet) who added it, or a record only names "
        "addresses or federated credentials as touched"
    )
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    by: Several[Guid]
    """Object or client ids of the deploy identities."""
    kinds: Several[ChangeKind]
    """What they change."""
    hours: HoursOfDay | None = None
    """When they do; left out: at any hour."""
    days: Several[Day] | None = None
    """On which days; left out: on any."""
    utc_offset: UtcOffset = timedelta()
    """How far the clocks there are from UTC."""
    within: AuditDuration = timedelta(hours=24)
    """How far back changes must be explained."""
    at_most: Annotated[int, Field(ge=1, le=1000, strict=True)] | None = None
    """How many changes were declared; left out: any number."""

    def check(self, case: Case) -> Finding:
        if not isinstance(case.identity, Known):
            return unknown(PartName.IDENTITY, case.identity)
        state = case.identity.value
        recent = [change for change in changes_about(case, state) if case.now - change.at <= self.within]
        spoiled = self._spoiled(recent)
        if isinstance(spoiled, NotMet):
            return spoiled
        if self.at_most is not None and len(recent) > self.at_most:
            return NotMet(f"{len(recent)} changes were made, and {self.at_most} were declared")
        if missing := unread(case, BOTH):
            return missing
        explained = {explaining(key, change.at) for change in recent for key in change.credentials}
        if late := unexplained(state, _BOTH_OBJECTS, explained, case.now - self.within):
            return Unknown(late)
        untold = (hidden(case, state, kind, self.within, self.by) for kind in KINDS)
        if reason := hidden_trust(case, state, self.within, self.by) or next(filter(None, untold), None):
            return Unknown(reason)
        if spoiled:
            return spoiled
        if not recent:
            return NotMet(f"nothing was changed in {self.within.total_seconds() / 3600:g} h")
        return Met(f"all {len(recent)} changes were declared; the last is of {utc(recent[-1].at)}")

    def _spoiled(self, recent: Sequence[Change]) -> NotMet | Unknown | None:
        """By a change that was not declared; by one that may be another identity's it cannot be told."""
        doubt: Unknown | None = None
        for change in recent:
            if reason := self.undeclared(change):
                if not all(map(names_several, change.records)):
                    return NotMet(reason)
                doubt = doubt or Unknown(f"{reason}, and {NOT_TOLD_APART}")
        return doubt

    def undeclared(self, change: Change) -> str | None:
        """What about this change was not declared; None if all of it was."""
        if is_unexpected(change.actor, self.by) is not False:
            return f"{_told(change)} was not made by a declared identity"
        if more := change.kinds - set(self.kinds):
            return f"{_told(change)} is of a kind that was not declared: {', '.join(sorted(more))}"
        if not is_in(change.at, self.hours, self.days, self.utc_offset):
            return f"{_told(change)} is outside the declared window"
        return None


def _told(change: Change) -> str:
    return f"“{change.records[0].activity_as_sent}” by {actor_text(change.actor)} at {utc(change.at)}"
