"""Did it sign in at an hour when it never does?"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from shared.baseline import WEEK_HOURS, hour_of_week, recent
from shared.case import Case, PartName
from shared.conditions.interface import Finding, Met, NotMet, Unknown
from shared.conditions.learning import (
    BASELINE,
    LEAST,
    BaselineDuration,
    LeastRecords,
    RecentDuration,
    fell_silent,
    learned,
)
from shared.conditions.settings import SETTINGS, utc

_TWO_WEEKS = timedelta(days=14)  # an hour of the week must have come by twice before its silence says anything


@dataclass(frozen=True, slots=True)
class SignsInAtOddHour:
    """
    Met when a token was issued `within` this time in an hour of the week that has seen none in its own baseline, nor
    have the hours beside it. An identity that is active in more than `busiest` hours of its week has no odd ones.
    Unknown while less than two weeks can be learned from.
    """

    name: ClassVar[str] = "sign-in-odd-hour"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.SIGN_INS, PartName.OLDER_SIGN_INS)
    unknown_when: ClassVar[str] = (
        "there are too few records or less than two weeks to learn from, or the log was cut short or has fallen silent"
    )
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    within: RecentDuration = timedelta(hours=24)
    """How long ago the sign-in was at most."""
    baseline: BaselineDuration = BASELINE
    """How far back is learned from."""
    least_records: LeastRecords = LEAST
    """How many sign-ins there must be to learn from."""
    busiest: Annotated[int, Field(ge=1, le=WEEK_HOURS, strict=True)] = 84
    """In more hours of its week than this nothing is odd."""

    def __post_init__(self) -> None:
        if self.baseline < _TWO_WEEKS:
            raise ValueError("needs a baseline of at least 14d: each hour of a week must have come by twice")

    def check(self, case: Case) -> Finding:
        found = learned(case, self.within, self.baseline, self.least_records, _TWO_WEEKS - timedelta(days=1))
        if isinstance(found, Unknown):
            return found
        log, usual = found
        if len(usual.hours) > self.busiest:
            return NotMet(f"it is active in {len(usual.hours)} hours of its week, so none is odd")
        for sign_in in recent(log, case.now - self.within):
            hour = hour_of_week(sign_in.at)
            if usual.hours.isdisjoint({(hour + beside) % WEEK_HOURS for beside in (-1, 0, 1)}):
                return Met(
                    f"a token was issued at {sign_in.at:%A} {utc(sign_in.at)}, where {usual.count} sign-ins over "
                    f"{usual.learned.days} days show none (record {sign_in.id})"
                )
        silent = fell_silent(log)
        return Unknown(silent) if silent else NotMet("it signed in at its usual hours only")
