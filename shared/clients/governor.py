"""
One book for each quota, shared by all instances through the store.

Every instance keeps its own pace (`Pacing`) and, before a request goes, writes it into the book, so that several
instances together stay within the quota, and all of them slow down when one is refused. Where there is plenty
(directory writes), containment does not wait for the book: it goes, and what it took is written down behind it, many
requests at a time. Where the store is slow or silent, containment goes at its own pace, and polling at a quarter of
it. So the book can save a 429, and can never hold up a cut.

Times in the book are seconds since 1970 by each instance's own clock; quotas are counted over a little more than
their documented span, which leaves room for clocks that differ.
"""

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import cast

from shared.clients.pacing import Pacing, Quota, Seconds, Window, loop_time, refuse, spend, wait_for
from shared.clock import Clock
from shared.errors import CordonError, Unreachable
from shared.signal import JsonObject
from shared.store import Documents

log = logging.getLogger("cordon")

_PARTITION = "quotas"
_TRIES = 20
_PLENTY = 100  # requests of a quota from which on containment goes first and writes it down afterwards
_UNWRITTEN = 10  # it may be this part of the quota ahead of the book: a tenth
_GATHERS: Seconds = 0.05  # for which what is written down afterwards waits for more
_PATIENCE: Seconds = 0.5  # for the store, if containment waits
_POLLS_PATIENCE: Seconds = 5.0
_REST: Seconds = 5.0  # for which a store that was too slow is not asked again
_ALONE = 4  # without the book, polls take this part of the quota: a quarter
_RESERVED: Seconds = 60.0  # after containment asked for a quota, polls leave it a fifth
_SAY_AGAIN: Seconds = 10.0
_AHEAD: Seconds = 5.0  # another instance's clock may be
_EXACT = 20  # requests up to which each is written down on its own


def wait_in_book(window: Window, quota: Quota, now: Seconds, cost: int, *, urgent: bool) -> Seconds:
    """How long `cost` more requests must wait by the book; polls leave a share while containment is under way."""
    called = window.urgent_at is not None and now - window.urgent_at < _RESERVED
    return wait_for(window, _less(quota) if called and not urgent else quota, now, cost)


def _less(quota: Quota) -> Quota:
    """What polls may use beside containment: four fifths; of a single request, after a longer span."""
    if quota.requests == 1:
        return replace(quota, seconds=quota.seconds * 1.25)
    return replace(quota, requests=quota.requests - max(1, quota.requests // 5))


def _share(quota: Quota) -> Quota:
    """What polls of one instance may use while it cannot see what the others do."""
    if quota.requests < _ALONE:
        return replace(quota, seconds=quota.seconds * _ALONE)
    return replace(quota, requests=quota.requests // _ALONE)


def as_body(window: Window, quota: Quota) -> JsonObject:
    """A page of the book; of large quotas the times are rounded up, so that it stays small."""
    tick = quota.seconds / 100 if quota.requests > _EXACT else 0.0
    times = (math.ceil(sent / tick) * tick if tick else sent for sent in window.sent)
    return {
        "sent": [[time, sum(1 for _ in same)] for time, same in groupby(times)],
        "stretch": window.stretch,
        "refusedAt": window.refused_at,
        "closedUntil": window.closed_until,
        "urgentAt": window.urgent_at,
    }


def read_page(body: JsonObject, now: Seconds) -> Window:
    """What `as_body` wrote. A clock far ahead of ours does not stop us: what lies in the future counts as now."""
    latest = now + _AHEAD
    sent = [
        min(float(time), latest)
        for time, count in cast("list[tuple[float, int]]", body["sent"])
        for _ in range(int(count))
    ]
    refused_at, urgent_at = (cast("float | None", body.get(name)) for name in ("refusedAt", "urgentAt"))
    return Window(
        tuple(sorted(sent)),
        float(cast("float", body["stretch"])),
        None if refused_at is None else min(refused_at, latest),
        min(float(cast("float", body["closedUntil"])), now + _LONGEST_CLOSED),
        None if urgent_at is None else min(urgent_at, latest),
    )


_LONGEST_CLOSED: Seconds = 300.0  # what a Retry-After may ask for (patience.py)


@dataclass(slots=True)
class _Page:
    """What this instance knows of one quota's page, and what it has not written there yet."""

    known: Window = field(default_factory=Window)
    cost: int = 0
    lesson: Seconds | None = None
    telling: asyncio.Task[None] | None = None


class Governor(Pacing):
    """Lets requests through at the pace of their quota, whoever else sends some. See the module's docstring."""

    def __init__(self, documents: Documents, clock: Clock, monotonic: Callable[[], Seconds] = loop_time) -> None:
        super().__init__(monotonic)
        self._documents, self._clock = documents, clock
        self._pages: dict[Quota, _Page] = {}
        self._blind_until = -math.inf

    def try_take(self, quota: Quota, cost: int = 1, *, spare: int = 0) -> bool:
        """By what is known of the book; it is written down afterwards."""
        if not super().try_take(quota, cost, spare=spare):
            return False
        self._tell(quota, cost=cost)
        return True

    def refused(self, quota: Quota, retry_after: Seconds) -> None:
        """A request of this quota was answered 429: a lesson for all instances."""
        super().refused(quota, retry_after)
        page = self._page(quota)
        page.known = refuse(page.known, quota, self._wall(), retry_after)
        self._tell(quota, lesson=retry_after)

    def _wait(self, quota: Quota, cost: int, *, urgent: bool) -> Seconds:
        if self._is_blind():
            return self._own_wait(quota, cost, None if urgent else _share(quota))
        by_book = wait_in_book(self._page(quota).known, quota, self._wall(), cost, urgent=urgent)
        return max(self._own_wait(quota, cost), by_book)

    async def _agree(self, quota: Quota, cost: int, *, urgent: bool) -> bool:
        """Write it into the book. False if the book says that it has to wait."""
        if urgent and self._has_plenty(quota, cost):
            self._tell(quota, cost=cost)
            return True
        if self._is_blind():
            return True
        try:
            async with asyncio.timeout(_PATIENCE if urgent else _POLLS_PATIENCE):
                return await self._charge(quota, cost, urgent=urgent)
        except (CordonError, TimeoutError) as problem:
            self._go_blind(quota, problem)
            return urgent

    def _has_plenty(self, quota: Quota, cost: int) -> bool:
        unwritten = self._page(quota).cost + cost
        return quota.requests >= _PLENTY and unwritten <= quota.requests // _UNWRITTEN

    async def _charge(self, quota: Quota, cost: int, *, urgent: bool) -> bool:
        """Spend in the book, or learn from it how long to wait; containment says that it waits."""
        room = False

        def change(window: Window, now: Seconds) -> Window:
            nonlocal room
            room = wait_in_book(window, quota, now, cost, urgent=urgent) == 0
            if urgent and (window.urgent_at is None or now - window.urgent_at > _SAY_AGAIN):
                window = replace(window, urgent_at=now)
            return spend(window, quota, now, cost) if room else window

        await self._change(quota, change)
        return room

    async def _change(self, quota: Quota, change: Callable[[Window, Seconds], Window]) -> None:
        """Change the page of a quota, whoever else does so at the same time."""
        key = quota.name.replace(" ", "-")
        for _ in range(_TRIES):
            document = await self._documents.get(_PARTITION, key)
            now = self._wall()
            window = read_page(document.body, now) if document else Window()
            changed = change(window, now)
            self._page(quota).known = changed
            if changed == window:
                return
            body = as_body(changed, quota)
            if document is None:
                if await self._documents.insert(_PARTITION, key, body):
                    return
            elif await self._documents.replace(_PARTITION, key, body, document.etag):
                return
        raise Unreachable(f"writing the book of {quota.name}", "others changed it without pause")

    def _tell(self, quota: Quota, *, cost: int = 0, lesson: Seconds | None = None) -> None:
        """Write it into the book behind what is under way; what comes meanwhile goes along."""
        page = self._page(quota)
        page.cost += cost
        page.lesson = lesson if page.lesson is None else max(page.lesson, lesson or 0.0)
        if page.telling is None:
            page.telling = asyncio.get_running_loop().create_task(self._write_down(quota, page))
            page.telling.add_done_callback(lambda task: self._told(page, task))

    async def _write_down(self, quota: Quota, page: _Page) -> None:
        """Where there is plenty, what is spent is gathered for a moment: of fifty at once many would else write it."""
        if page.lesson is None and quota.requests >= _PLENTY:
            await asyncio.sleep(_GATHERS)
        while page.cost or page.lesson is not None:
            cost, lesson = page.cost, page.lesson

            def change(window: Window, now: Seconds, cost: int = cost, lesson: Seconds | None = lesson) -> Window:
                if lesson is not None:
                    window = refuse(window, quota, now, lesson)
                return replace(spend(window, quota, now, cost), urgent_at=now) if cost else window

            try:
                async with asyncio.timeout(_POLLS_PATIENCE):
                    await self._change(quota, change)
            except (CordonError, TimeoutError) as problem:
                self._go_blind(quota, problem)
            page.cost -= cost
            page.lesson = page.lesson if page.lesson != lesson else None

    @staticmethod
    def _told(page: _Page, task: asyncio.Task[None]) -> None:
        page.telling = None
        if not task.cancelled() and isinstance(problem := task.exception(), Exception):
            log.error("the book of a quota could not be written", exc_info=problem)

    def _go_blind(self, quota: Quota, problem: Exception) -> None:
        if not self._is_blind():
            log.warning("the book of %s cannot be used for now: %s", quota.name, problem or "the store is slow")
        self._blind_until = self._now() + _REST

    def _is_blind(self) -> bool:
        return self._now() < self._blind_until

    def _page(self, quota: Quota) -> _Page:
        page = self._pages.get(quota)
        if page is None:
            page = self._pages[quota] = _Page()
        return page

    def _wall(self) -> Seconds:
        return self._clock().timestamp()
