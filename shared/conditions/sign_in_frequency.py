"""Does it sign in more often than it does?"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from shared.baseline import recent, usual_count
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
from shared.conditions.settings import SETTINGS


@dataclass(frozen=True, slots=True)
class SignsInMoreOften:
    """
    Met when more tokens were issued `within` this time than `times` what a window as long holds in its own baseline,
    the busiest twentieth of the windows left out, and at least `at-least`. A job that runs once a month is rare by
    this measure: let `at-least` be more than it takes.
    """

    name: ClassVar[str] = "sign-in-frequency"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.SIGN_INS, PartName.OLDER_SIGN_INS)
    unknown_when: ClassVar[str] = (
        "there are too few records or days to learn from, or the log was cut short or has fallen silent"
    )
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    times: Annotated[float, Field(gt=1, le=1000, strict=True)] = 3
    """How many times what is usual."""
    at_least: Annotated[int, Field(ge=2, le=10_000, strict=True)] = 20
    """From how many tokens on."""
    within: RecentDuration = timedelta(hours=1)
    """The window, up to now."""
    baseline: BaselineDuration = BASELINE
    """How far back is learned from."""
    least_records: LeastRecords = LEAST
    """How many sign-ins there must be to learn from."""

    def check(self, case: Case) -> Finding:
        found = learned(case, self.within, self.baseline, self.least_records)
        if isinstance(found, Unknown):
            return found
        log, usual = found
        since = case.now - self.within
        count = len(recent(log, since))
        most = usual_count(usual.times, since, usual.learned, self.within)
        told = f"{count} tokens were issued in {self.within.total_seconds() / 3600:g} h, and {most} are usual at most"
        if count >= self.at_least and count > self.times * most:
            return Met(told)
        silent = fell_silent(log)
        return Unknown(silent) if silent else NotMet(told)
