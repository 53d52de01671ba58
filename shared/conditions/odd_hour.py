"""Was the identity changed at an hour when nobody works?"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from shared.audit import LOOK_BACK
from shared.audit_changes import Change, ChangeKind
from shared.baseline import WEEK_HOURS
from shared.case import PEOPLE_WINDOWS, Case, Known, PartName, PeopleWindow, window_of
from shared.conditions.hours import Day, HoursOfDay, UtcOffset, is_in, local_text
from shared.conditions.interface import Finding, Met, NotMet, Unknown, unknown
from shared.conditions.judging import actor_text, both, has_happened, is_unexpected, is_within
from shared.conditions.records import BOTH, changes_about, unread
from shared.conditions.settings import SETTINGS, AuditDuration, Guid, Several
from shared.own_week import is_odd

_KINDS = tuple(kind for kind in ChangeKind if kind is not ChangeKind.GRANTS)


@dataclass(frozen=True, slots=True)
class ChangedAtOddHour:
    """
    Met when the identity was changed at these `hours`, on these `days`, by the clocks of `utc-offset` (UTC where
    nothing is said; summer time is not known), or with `own-week` in an hour of the week in which the person who did it
    was never active before, nor in the hours beside it; either will do. Several records of one change are one change.
    `kinds` are otherwise all but grants, which take two more requests to read. A week is learned from a month of the
    person's own sign-ins and acts; of an application's it is unknown.
    """

    name: ClassVar[str] = "odd-hour"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.IDENTITY, PartName.AUDITS, PartName.GRANT_AUDITS)
    unknown_when: ClassVar[str] = (
        "the log names no actor, or does not say what came of it; with own-week also where less than two weeks can be "
        "learned from, or where no person did it"
    )
    may_read: ClassVar[tuple[str, ...]] = ("User.Read.All",)
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
    own_week: Annotated[bool, Field(strict=True)] = False
    """Whether hours count that are odd for the person who did it."""
    busiest: Annotated[int, Field(ge=1, le=WEEK_HOURS, strict=True)] = 84
    """With own-week: who is active in more hours of the week than this has no odd ones."""

    def __post_init__(self) -> None:
        if self.hours is None and self.days is None and not self.own_week:
            raise ValueError("needs hours, days or own-week, else no hour would be odd")

    def also_reads(self) -> tuple[str, ...]:
        """The permission that these settings take beyond."""
        return self.may_read if self.own_week else ()

    def also_needs(self) -> tuple[PartName, ...]:
        """The parts that these settings take beyond."""
        return (PartName.PEOPLE, *PEOPLE_WINDOWS) if self.own_week else ()

    def check(self, case: Case) -> Finding:
        if not isinstance(case.identity, Known):
            return unknown(PartName.IDENTITY, case.identity)
        doubtful: Change | None = None
        made = changes_about(case, case.identity.value)
        for change in made if self.hours is not None or self.days is not None else ():
            answer = self._counts(change, case)
            if answer:
                return Met(self._told(change))
            if answer is None:
                doubtful = doubtful or change
        if missing := unread(case, BOTH if ChangeKind.GRANTS in self.kinds else (PartName.AUDITS,)):
            return missing
        if doubtful:
            return Unknown(f"it cannot be told who did this, or whether it happened: {self._told(doubtful)}")
        if self.own_week and (found := self._in_own_week(made, case)):
            return found
        return NotMet("no change of this sort fell on such an hour")

    def _in_own_week(self, made: Sequence[Change], case: Case) -> Met | Unknown | None:
        """Whether one of these was done at an hour that is odd for who did it; None: none was."""
        doubt: Unknown | None = None
        for change in made:
            if (counts := self._is_meant(change, case)) is False:
                continue
            answer, why = _own_hour(change, made, case, self.busiest)
            if isinstance(answer, Unknown):
                return answer
            if answer and counts:
                return Met(f"{self._told(change)}, {why}")
            if answer is not False:
                doubt = doubt or Unknown(f"{self._told(change)}: {why or 'whether it counts cannot be told'}")
        return doubt

    def _counts(self, change: Change, case: Case) -> bool | None:
        if not is_in(change.at, self.hours, self.days, self.utc_offset):
            return False
        return self._is_meant(change, case)

    def _is_meant(self, change: Change, case: Case) -> bool | None:
        """Whether a change is of this sort, whenever it fell."""
        if change.kinds.isdisjoint(self.kinds):
            return False
        happened = True if any(map(has_happened, change.records)) else None
        return both(
            is_within(change.at, self.within, case.now), happened, is_unexpected(change.actor, self.by_other_than)
        )

    def _told(self, change: Change) -> str:
        record = change.records[0]
        when = local_text(change.at, self.utc_offset)
        return f"“{record.activity_as_sent}” by {actor_text(change.actor)} on {when} (record {record.id})"


def _own_hour(change: Change, made: Sequence[Change], case: Case, busiest: int) -> tuple[bool | Unknown | None, str]:
    """Whether it fell on an odd hour of who did it; an Unknown of its own while people are to be read."""
    user = change.actor.user_id
    if user is None:
        return None, "no person did it, so there is no week of theirs"
    if not isinstance(case.people, Known):
        return unknown(PartName.PEOPLE, case.people), ""
    windows = list[PeopleWindow]()
    for rung in PEOPLE_WINDOWS:
        part = window_of(case, rung)
        if not isinstance(part, Known):
            return unknown(rung, part), ""
        windows.append(part.value)
    seen = [each for window in windows for each in window.seen if each.user_id == user]
    acts = [other.at for other in made if other.actor.user_id == user]
    return is_odd(change.at, seen, acts, busiest)
