"""Did it sign in as it never does?"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from shared.baseline import Baseline, Feature, recent, value_of
from shared.case import Case, PartName, SignIn
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
from shared.conditions.networks import KnownNetwork
from shared.conditions.settings import SETTINGS, Several, utc

_WHERE = frozenset({Feature.ADDRESS, Feature.NETWORK, Feature.COUNTRY})
_ASKED = (Feature.NETWORK, Feature.COUNTRY, Feature.RESOURCE, Feature.CREDENTIAL_TYPE)


@dataclass(frozen=True, slots=True)
class SignedInAsNever:
    """
    Met when a token was issued `within` this time to a sign-in that differs from all of the `baseline` before it (2 to
    60 days) in at least `at-least` of these features at once. A new region of a cloud, a new library, a new pipeline
    differ in one; ask for two or three. What the log does not tell of a sign-in leaves it unknown where it could
    matter: name the features that your log tells. What comes from one of `known-networks`, addresses such as
    20.50.0.0/16 or systems such as AS64500 that are yours, is new neither by address nor by network nor by country.
    Unknown also while fewer than `least-records` sign-ins, or less than two days, can be learned from.
    """

    name: ClassVar[str] = "new-sign-in"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.SIGN_INS, PartName.OLDER_SIGN_INS)
    unknown_when: ClassVar[str] = (
        "there are too few records or days to learn from, the log was cut short or has fallen silent, or does not tell "
        "a feature"
    )
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    features: Several[Feature] = _ASKED
    """What may be new about a sign-in."""
    at_least: Annotated[int, Field(ge=1, le=7, strict=True)] = 1
    """How many of them must be new at once."""
    within: RecentDuration = timedelta(hours=24)
    """How long ago the sign-in was at most."""
    baseline: BaselineDuration = BASELINE
    """How far back is learned from."""
    least_records: LeastRecords = LEAST
    """How many sign-ins there must be to learn from."""
    known_networks: Several[KnownNetwork] | None = None
    """Addresses or systems that are yours: nothing is new about where such a sign-in came from."""

    def __post_init__(self) -> None:
        if self.at_least > len(set(self.features)):
            raise ValueError("asks for more features than it names, so it could never be met")

    def check(self, case: Case) -> Finding:
        found = learned(case, self.within, self.baseline, self.least_records)
        if isinstance(found, Unknown):
            return found
        log, usual = found
        doubt: str | None = None
        count = 0
        for sign_in in recent(log, case.now - self.within):
            count += 1
            new, untold = self._compared(sign_in, usual)
            if len(new) >= self.at_least:
                return Met(_told(sign_in, new, usual))
            if len(new) + len(untold) >= self.at_least:
                doubt = doubt or f"the log does not tell {', '.join(untold)} of the sign-in at {utc(sign_in.at)}"
        doubt = doubt or fell_silent(log)
        return Unknown(doubt) if doubt else NotMet(f"none of {count} sign-ins differs from {usual.count} before them")

    def _compared(self, sign_in: SignIn, usual: Baseline) -> tuple[list[Feature], list[Feature]]:
        """What is new about a sign-in; and what is not told of it although it is told of earlier ones."""
        new, untold = list[Feature](), list[Feature]()
        for feature in self.features:
            value = value_of(sign_in, feature)
            if value is not None and usual.has(feature, value):
                continue
            if feature in _WHERE and self._is_at_home(sign_in):
                continue
            (untold if value is None or not usual.seen(feature) else new).append(feature)
        return new, untold

    def _is_at_home(self, sign_in: SignIn) -> bool:
        return self.known_networks is not None and any(each.holds(sign_in) for each in self.known_networks)


def _told(sign_in: SignIn, new: list[Feature], usual: Baseline) -> str:
    what = ", ".join(f"{feature} {value_of(sign_in, feature)}" for feature in new)
    return (
        f"a token was issued at {utc(sign_in.at)} to a sign-in with new {what} (record {sign_in.id}; "
        f"{usual.count} sign-ins over {usual.learned.days} days before)"
    )
