"""
Keeping within the platform's quotas, so that it does not have to tell us.

The core is pure: a `Window` says whether a request may go now, from the clock and what went before.
The shell around it (`Pacing`) waits, lets containment pass ahead of polling, and learns from refusals
where the real quota is smaller than the documented one. It serves one process; governor.py shares `Window`s
between instances through the store.
"""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

from shared.tenant import still_wanted

Seconds: TypeAlias = float


@dataclass(frozen=True, slots=True)
class Quota:
    """
    At most `requests` within any span of `seconds`.

    A span that slides is the strictest reading of a documented rate: who keeps to it also keeps to a
    fixed window or a token bucket of the same size.
    """

    name: str
    requests: int
    seconds: Seconds


# Facts: Graph throttling limits. The spans are a little longer than documented, because two requests
# can arrive closer together than they left.
IDENTITY_PROTECTION = Quota("identity protection", 1, 1.05)  # per tenant, all apps together, no Retry-After
REPORTS = Quota("audit and sign-in reports", 5, 10.1)  # per app and tenant
KEY_SELECTS = Quota("selecting keyCredentials", 150, 60.5)  # per tenant
DIRECTORY_WRITES = Quota("directory writes", 3000, 151.0)  # per app and tenant

_TICK: Seconds = 1e-6  # what is left over by floating point is no reason to wait
_PROMPT: Seconds = 1.0  # within which a write goes out on the check that came before it
_MOST_STRETCH = 16.0
_HALVED_EVERY: Seconds = 60.0  # how fast a learned stretch is forgotten


@dataclass(frozen=True, slots=True)
class Window:
    """What went through lately, and what was learned. `stretch` lengthens the quota's span."""

    sent: tuple[Seconds, ...] = ()
    stretch: float = 1.0
    refused_at: Seconds | None = None
    closed_until: Seconds = 0.0
    urgent_at: Seconds | None = None  # when containment last asked for it (kept by governor.py)


def stretch_now(window: Window, now: Seconds) -> float:
    """How much longer than documented the span is at this moment: a lesson fades."""
    if window.refused_at is None:
        return 1.0
    return max(1.0, window.stretch * 0.5 ** ((now - window.refused_at) / _HALVED_EVERY))


def wait_for(window: Window, quota: Quota, now: Seconds, cost: int = 1) -> Seconds:
    """How long `cost` more requests must wait; 0 if they may go now."""
    wait = max(_until_room(window, quota, now, cost), window.closed_until - now)
    return wait if wait > _TICK else 0.0


def _until_room(window: Window, quota: Quota, now: Seconds, cost: int) -> Seconds:
    room = quota.requests - min(cost, quota.requests)
    if len(window.sent) <= room:  # however recent they are: a burst would go through all of it for each of its own
        return 0.0
    span = quota.seconds * stretch_now(window, now)
    recent = [sent for sent in window.sent if sent > now - span]
    too_many = len(recent) - room
    return recent[too_many - 1] + span - now if too_many > 0 else 0.0


def spend(window: Window, quota: Quota, now: Seconds, cost: int = 1) -> Window:
    """The window after `cost` requests went out now."""
    kept = (*window.sent, *(now for _ in range(cost)))[-quota.requests :]
    return replace(window, sent=kept)


def refuse(window: Window, quota: Quota, now: Seconds, retry_after: Seconds) -> Window:
    """The window after a 429: slower, once for each span however many refusals it brought, and closed for a while."""
    known = window.refused_at is not None and now - window.refused_at < quota.seconds
    slower = window.stretch if known else min(_MOST_STRETCH, 2 * stretch_now(window, now))
    closed = max(window.closed_until, now + retry_after)
    return replace(window, stretch=slower, refused_at=window.refused_at if known else now, closed_until=closed)


class Pace(Protocol):
    """Lets requests through at the pace of their quota."""

    def try_take(self, quota: Quota, cost: int = 1, *, spare: int = 0) -> bool:
        """Spend if it may go now, with room for `spare` others, and nobody urgent waits; never waits."""
        ...

    async def take(self, quota: Quota, *, urgent: bool, cost: int = 1) -> None:
        """Wait until it may go, then spend. Urgent requests overtake those that are not."""
        ...

    def refused(self, quota: Quota, retry_after: Seconds) -> None:
        """A request of this quota was answered 429."""
        ...


class _Lane:
    """Those who wait for one quota: urgent ones first, then in order of arrival."""

    def __init__(self) -> None:
        self.window = Window()
        self.waiting: list[tuple[int, int]] = []
        self.moved = asyncio.Event()

    def leave(self, ticket: tuple[int, int]) -> None:
        self.waiting.remove(ticket)
        heapq.heapify(self.waiting)
        self.moved.set()
        self.moved = asyncio.Event()


def loop_time() -> Seconds:
    """The running event loop's own clock."""
    return asyncio.get_running_loop().time()


async def check_if_late(begun: Seconds) -> None:
    """Whether a write that should have gone out long ago is still wanted. Raises as the fence does."""
    if loop_time() - begun > _PROMPT:
        await still_wanted.get()()


class Pacing:
    """Lets requests of one process through. `monotonic` defaults to the event loop's own clock."""

    def __init__(self, monotonic: Callable[[], Seconds] = loop_time) -> None:
        self._now = monotonic
        self._lanes: dict[Quota, _Lane] = {}
        self._tickets = itertools.count()

    def try_take(self, quota: Quota, cost: int = 1, *, spare: int = 0) -> bool:
        """Spend if it may go now, with room for `spare` others, and nobody urgent waits; never waits."""
        lane = self._lane(quota)
        urgent_waits = bool(lane.waiting) and lane.waiting[0][0] == 0
        if urgent_waits or self._wait(quota, cost + spare, urgent=True) > 0:
            return False
        lane.window = spend(lane.window, quota, self._now(), cost)
        return True

    async def take(self, quota: Quota, *, urgent: bool, cost: int = 1) -> None:
        """Wait until it may go, then spend. Urgent requests overtake those that are not."""
        lane = self._lane(quota)
        ticket = (0 if urgent else 1, next(self._tickets))
        heapq.heappush(lane.waiting, ticket)
        try:
            while True:
                wait = self._wait(quota, cost, urgent=urgent) if lane.waiting[0] == ticket else None
                if wait == 0 and await self._agree(quota, cost, urgent=urgent):
                    break
                await _sleep_or_move(lane, wait)
            lane.window = spend(lane.window, quota, self._now(), cost)
        finally:
            lane.leave(ticket)

    def refused(self, quota: Quota, retry_after: Seconds) -> None:
        """A request of this quota was answered 429."""
        lane = self._lane(quota)
        lane.window = refuse(lane.window, quota, self._now(), retry_after)

    def _wait(self, quota: Quota, cost: int, *, urgent: bool) -> Seconds:
        """How long `cost` more requests must wait."""
        del urgent  # who is urgent goes first, and no sooner
        return self._own_wait(quota, cost)

    def _own_wait(self, quota: Quota, cost: int, measure: Quota | None = None) -> Seconds:
        """The same by what this process sent; measured by another quota than the lane's own, if given."""
        return wait_for(self._lane(quota).window, measure or quota, self._now(), cost)

    async def _agree(self, quota: Quota, cost: int, *, urgent: bool) -> bool:
        """The last word before it goes: there is nobody else to ask."""
        del quota, cost, urgent
        return True

    def _lane(self, quota: Quota) -> _Lane:
        lane = self._lanes.get(quota)
        if lane is None:
            lane = self._lanes[quota] = _Lane()
        return lane


async def _sleep_or_move(lane: _Lane, wait: Seconds | None) -> None:
    """Sleep for `wait`, or (None) until somebody leaves the lane; whoever slept looks again afterwards."""
    if wait is None:
        await lane.moved.wait()
    else:
        await asyncio.sleep(wait)
