"""
How much may be done before a person must confirm. Pure: the window comes in, the answer goes out.

Counted over a sliding hour and all instances (the window lies in the store): distinct identities, their share
of the enabled ones, and actions per tier. Who was reported and is not decided yet counts as if it would be
contained: a mass is held back as a whole, before the first of it is touched, and not after the fifth.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from shared.actions import action_named
from shared.actions.interface import Tier
from shared.entries import PlannedStep
from shared.policy import Limits

WINDOW = timedelta(hours=1)
BURST = timedelta(minutes=5)  # a burst is over when for so long nothing more was held back by it
_RENEWED = timedelta(minutes=1)
MOST_KEPT = 800  # of the window's identities, the newest: as many as the largest limit, so that it still shows


@dataclass(frozen=True, slots=True)
class Deed:
    """One action on one of an identity's objects; the same one again in the same hour counts once."""

    tier: Tier
    mark: str  # short and equal for equal steps


@dataclass(frozen=True, slots=True)
class Spent:
    """
    One identity on which effects were let through, when, and which. `known_as` is an id by which it may have
    been reported, if that is not its principal id.
    """

    principal_id: str
    at: datetime
    deeds: frozenset[Deed] = frozenset()
    known_as: str | None = None


@dataclass(frozen=True, slots=True)
class Burst:
    """More qualified together than the limits allow: since when, until when nobody else was held, and why."""

    since: datetime
    last: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Window:
    """What was let through in the last hour, and the burst that is being held back, if any."""

    spent: tuple[Spent, ...] = ()
    burst: Burst | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Who else was reported and is not decided yet, by the ids they were reported under."""

    others: frozenset[str] = field(default_factory=frozenset[str])


@dataclass(frozen=True, slots=True)
class Allowed:
    """The containment may go on; `window` is what has to be stored before it does."""

    window: Window


@dataclass(frozen=True, slots=True)
class Over:
    """
    A limit is reached: nothing is done, a person is asked. `by_batch` says that it is the undecided others that
    make it so; then `window` marks the burst, where that has to be stored.
    """

    reason: str
    by_batch: bool = False
    window: Window | None = None


def deeds_of(steps: Iterable[PlannedStep]) -> frozenset[Deed]:
    """What a plan does, by tier. The number before a step's name follows from the plan and is no part of it."""
    return frozenset(Deed(action_named(step.action).tier, _mark(step)) for step in steps if not step.lasting)


def judge(
    limits: Limits,
    window: Window,
    wanted: Spent,
    *,
    batch: Batch | None = None,
    named: bool = False,
    enabled: int | None,
    now: datetime,
) -> Allowed | Over:
    """
    May these deeds on this identity go on now?

    An identity that is in the window already was let through: only deeds that are new count, and no batch holds
    it up. `enabled` is the number of enabled service principals, None if it could not be counted: then the
    share cannot be judged, and an unknown is never a yes. A small tenant may always contain one identity. `named`: a
    person named this very identity, so that it is nobody's batch, and no burst holds it up.
    """
    known = _recent(window, now)
    spent = {each.principal_id for each in known.spent}
    if wanted.principal_id in spent:
        over = _over_deeds(limits, known, wanted, 0)
        return Over(over) if over else spend(window, wanted, now)
    others = _undecided(batch or Batch(), known, wanted)
    alone = _over(limits, known, wanted, 0, enabled)
    if alone:
        return Over(alone)
    burst = known.burst
    if burst and not named and now - burst.last < BURST:
        renewed = replace(known, burst=replace(burst, last=now)) if now - burst.last >= _RENEWED else None
        return Over(burst.reason, True, renewed)
    together = _over(limits, known, wanted, len(others), enabled)
    if together:
        return Over(together, True, replace(known, burst=Burst(now, now, together)))
    return spend(window, wanted, now)


def spend(window: Window, wanted: Spent, now: datetime) -> Allowed:
    """The window with this identity in it, whatever the limits say: for what a person has confirmed."""
    known = _recent(window, now)
    held = {each.principal_id: each for each in known.spent}
    before = held.get(wanted.principal_id)
    if before is None:
        held[wanted.principal_id] = wanted
    elif wanted.deeds - before.deeds:  # what is new is let through now, and counts for an hour from now
        held[wanted.principal_id] = replace(before, at=max(before.at, wanted.at), deeds=before.deeds | wanted.deeds)
    newest = sorted(held.values(), key=lambda each: each.at)[-MOST_KEPT:]
    return Allowed(replace(known, spent=tuple(newest)))


def _over(limits: Limits, window: Window, wanted: Spent, others: int, enabled: int | None) -> str | None:
    """Why this identity, and so many others beside it, would be too much; None if it is not."""
    spent = len(window.spent)
    whole = spent + others + 1
    said = _counted(spent, others)
    if whole > limits.identities_per_hour:
        return f"{said}, and the limit is {limits.identities_per_hour} identities an hour"
    if enabled is None:
        return "the tenant's enabled service principals could not be counted, so the share cannot be judged"
    share = max(1, int(enabled * limits.percent_of_enabled_per_hour / 100))
    if whole > share:
        return (
            f"{said}, and the limit is {share} an hour "
            f"({limits.percent_of_enabled_per_hour} % of {enabled} enabled service principals)"
        )
    return _over_deeds(limits, window, wanted, others)


def _over_deeds(limits: Limits, window: Window, wanted: Spent, others: int) -> str | None:
    """The others of a batch are taken to need as many actions as this one."""
    before = next((each.deeds for each in window.spent if each.principal_id == wanted.principal_id), frozenset[Deed]())
    needs = Counter(deed.tier for deed in wanted.deeds - before)
    let_through = Counter([deed.tier for each in window.spent for deed in each.deeds])
    for tier, limit in limits.actions_per_hour.by_tier().items():
        new, done = needs[tier], let_through[tier]
        if not new:
            continue
        if done + new * (others + 1) > limit:
            beside = f", the others of its batch would need {new * others}" if others else ""
            return (
                f"{done} actions of the tier “{tier.value}” were let through in the last hour, this plan needs "
                f"{new} more{beside}, and the limit is {limit}"
            )
    return None


def _counted(spent: int, others: int) -> str:
    told = f"{spent} identities were contained in the last hour"
    return f"{told}, {others} others are reported with this one and not decided yet" if others else told


def _undecided(batch: Batch, window: Window, wanted: Spent) -> frozenset[str]:
    let_through = {id_ for each in (*window.spent, wanted) for id_ in (each.principal_id, each.known_as)}
    return batch.others - let_through


def _recent(window: Window, now: datetime) -> Window:
    burst = window.burst if window.burst and now - window.burst.last < WINDOW else None
    return Window(tuple(each for each in window.spent if now - each.at < WINDOW), burst)


def _mark(step: PlannedStep) -> str:
    name = re.sub(r"^\d+-", "", step.id)
    return hashlib.sha256(f"{name}|{step.target_id}".encode()).hexdigest()[:8]
