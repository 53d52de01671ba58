"""Was the identity changed at an hour when nobody works?"""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from pydantic import ConfigDict

from shared.audit import LOOK_BACK
from shared.audit_changes import Change, ChangeKind, changes
from shared.case import Case, Known, PartName
from shared.conditions.hours import Day, HoursOfDay, UtcOffset, is_in, local_text
from shared.conditions.interface import Finding, Met, NotMet, Unknown, unknown
from shared.conditions.judging import actor_text, both, is_unexpected, is_within
from shared.conditions.records import BOTH, records_about, unread
from shared.conditions.settings import SETTINGS, AuditDuration, Guid, Several

_KINDS = tuple(kind for kind in ChangeKind if kind is not ChangeKind.GRANTS)


@dataclass(frozen=True, slots=True)
class ChangedAtOddHour:
    """
    Met when the identity was changed at these `hours`, on these `days`, by the clocks of `utc-offset` (UTC where
    nothing is said; summer time is not known). Several records of one change are one change. `kinds` are otherwise
    all but grants, which take two more requests to read.
    """

    name: ClassVar[str] = "odd-hour"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.IDENTITY, PartName.AUDITS, PartName.GRANT_AUDITS)
    unknown_when: ClassVar[str] = "the log names no actor, or does not say what came of it"
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    hours: HoursOfDay | None = None
    """Hours of the day, over midnight where the end comes first."""
    days: Several[Day] | None = None
    """Days of the week."""
    utc_offset: UtcOffset = timedelta()
    """How far the clocks there are from UTC."""
    within: AuditDuration = LOOK_BACK
    """How long ago at most."""
    kinds: Several[ChangeKind] = _KINDS
    """What the change was about."""
    by_other_than: Several[Guid] | None = None
    """Object or client ids of those who may; left out: whoever it was."""

    def __post_init__(self) -> None:
        if self.hours is None and self.days is None:
            raise ValueError("needs hours or days, else no hour would be odd")

    def check(self, case: Case) -> Finding:
        if not isinstance(case.identity, Known):
            return unknown(PartName.IDENTITY, case.identity)
        doubtful: Change | None = None
        for change in changes(records_about(case, case.identity.value)):
            answer = self._counts(change, case)
            if answer:
                return Met(self._told(change))
            if answer is None:
                doubtful = doubtful or change
        if missing := unread(case, BOTH if ChangeKind.GRANTS in self.kinds else (PartName.AUDITS,)):
            return missing
        if doubtful:
            return Unknown(f"it cannot be told who did this, or whether it happened: {self._told(doubtful)}")
        return NotMet("no change of this sort fell on such an hour")

    def _counts(self, change: Change, case: Case) -> bool | None:
        if change.kinds.isdisjoint(self.kinds) or not is_in(change.at, self.hours, self.days, self.utc_offset):
            return False
        happened = True if any(record.result == "success" for record in change.records) else None
        return both(
            is_within(change.at, self.within, case.now), happened, is_unexpected(change.actor, self.by_other_than)
        )

    def _told(self, change: Change) -> str:
        record = change.records[0]
        when = local_text(change.at, self.utc_offset)
        return f"“{record.activity_as_sent}” by {actor_text(change.actor)} on {when} (record {record.id})"
