"""
How much may be contained before a person must confirm. Pure: the window comes in, the answer goes out.

Counted are distinct identities in a sliding hour, over all instances (the window lies in the store).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.policy import Limits

WINDOW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Spent:
    """One identity on which effects were let through, and when."""

    principal_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Allowed:
    """The containment may go on; `window` is what has to be stored before it does."""

    window: tuple[Spent, ...]


@dataclass(frozen=True, slots=True)
class Over:
    """A limit is reached: nothing is done, a person is asked."""

    reason: str


def judge(
    limits: Limits, window: Sequence[Spent], principal_id: str, enabled: int | None, now: datetime
) -> Allowed | Over:
    """
    May effects on this identity go on now?

    An identity that is in the window already costs nothing more. `enabled` is the number of enabled
    service principals, None if it could not be counted: then the percentage cannot be judged, and an
    unknown is never a yes. A small tenant may always contain one identity.
    """
    recent = _recent(window, now)
    others = {spent.principal_id for spent in recent} - {principal_id}
    if len(others) + 1 > limits.identities_per_hour:
        return Over(
            f"{len(others)} identities were contained in the last hour, and the limit is {limits.identities_per_hour}"
        )
    if enabled is None:
        return Over("the tenant's enabled service principals could not be counted, so the share cannot be judged")
    share = max(1, int(enabled * limits.percent_of_enabled_per_hour / 100))
    if len(others) + 1 > share:
        return Over(
            f"{len(others)} identities were contained in the last hour, and the limit is {share} "
            f"({limits.percent_of_enabled_per_hour} % of {enabled} enabled service principals)"
        )
    return spend(window, principal_id, now)


def spend(window: Sequence[Spent], principal_id: str, now: datetime) -> Allowed:
    """The window with this identity in it, whatever the limits say: for what a person has confirmed."""
    recent = _recent(window, now)
    if principal_id in {spent.principal_id for spent in recent}:
        return Allowed(recent)
    return Allowed((*recent, Spent(principal_id, now)))


def _recent(window: Sequence[Spent], now: datetime) -> tuple[Spent, ...]:
    return tuple(spent for spent in window if now - spent.at < WINDOW)
