"""
Whose turn it is among many secrets. Pure: what each waits for comes in, who may start now goes out.

The order is an invariant: nothing of a lower tier starts while anything of a higher one could proceed. What is
ready, under way, to be tried again soon, or stands behind another secret of its source could proceed; what is
over, or waits for its grace, for an owner or for a person, could not.
"""

import heapq
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import count
from typing import TypeAlias

_AHEAD = timedelta(seconds=15)  # a grace of a higher tier that ends so soon is waited for, before anything begins


class Standing(StrEnum):
    """What a secret waits for."""

    READY = "ready"  # for its turn
    UNDER_WAY = "under-way"
    SOON = "soon"  # to be tried again at a moment
    BEHIND = "behind"  # for another secret of its source
    RESTS = "rests"  # for a moment: the end of its grace, the next look at an owner
    HELD = "held"  # for a person
    OVER = "over"  # nothing is done any more: rotated, stopped or spared


_COULD_PROCEED = frozenset({Standing.READY, Standing.UNDER_WAY, Standing.SOON, Standing.BEHIND})
_TIMED = frozenset({Standing.SOON, Standing.RESTS})


@dataclass(slots=True)
class _Place:
    tier: int
    lane: str
    begins: bool  # its next stage is the first that changes anything
    standing: Standing = Standing.OVER
    until: datetime | None = None
    moves: int = 0


_Due: TypeAlias = tuple[datetime, int, str, int]  # when, in which order of entering, which secret, at which move


@dataclass(slots=True)
class Board:
    """
    Where every secret stands. A lane is a vault: so many of its secrets at once are under way, and no more.
    """

    at_once_a_lane: int = 8
    at_once: int = 128
    _places: dict[str, _Place] = field(default_factory=dict[str, _Place])
    _ready: dict[int, dict[str, deque[tuple[str, int]]]] = field(
        default_factory=dict[int, dict[str, deque[tuple[str, int]]]]
    )
    _due: dict[int, list[_Due]] = field(default_factory=dict[int, list["_Due"]])  # heaps by tier
    _could: dict[int, int] = field(default_factory=dict[int, int])  # how many of a tier could proceed
    _busy: dict[str, int] = field(default_factory=dict[str, int])  # how many of a lane are under way
    _numbers: Iterator[int] = field(default_factory=count)

    def put(
        self,
        step: str,
        tier: int,
        lane: str,
        standing: Standing,
        until: datetime | None = None,
        *,
        begins: bool = False,
    ) -> None:
        """Say where a secret stands now. What is timed is ready when its moment has come."""
        place = self._places.setdefault(step, _Place(tier, lane, begins))
        self._leave(place)
        place.tier, place.lane, place.begins = tier, lane, begins
        place.standing, place.until, place.moves = standing, until, place.moves + 1
        self._enter(step, place)

    def standing(self, step: str) -> Standing:
        return self._places[step].standing

    def start(self, now: datetime) -> Iterator[str]:
        """The secrets that may start now, each of them taken to be under way from here on."""
        self._wake(now)
        tier = next((tier for tier in sorted(self._could) if self._could[tier]), None)
        if tier is None:
            return
        waits = self._is_higher_due(tier, now + _AHEAD)
        for lane in tuple(self._ready.get(tier, {})):
            yield from self._start_in(tier, lane, may_begin=not waits)

    def is_turn_of(self, tier: int, now: datetime) -> bool:
        """Whether nothing of a higher tier could proceed now."""
        self._wake(now)
        return not any(self._could[other] for other in self._could if other < tier)

    def may_start(self) -> bool:
        """Whether anybody is ready in the tier whose turn it is; who waits behind a higher tier is not."""
        tier = min((tier for tier, could in self._could.items() if could), default=None)
        return any(each.tier == tier and each.standing is Standing.READY for each in self._places.values())

    def next_due(self) -> datetime | None:
        """When the next secret that waits for a moment is ready."""
        return min((due for tier in self._due if (due := self._next_due(tier))), default=None)

    def counts(self) -> Mapping[Standing, int]:
        found = dict.fromkeys(Standing, 0)
        for place in self._places.values():
            found[place.standing] += 1
        return found

    def _start_in(self, tier: int, lane: str, *, may_begin: bool) -> Iterator[str]:
        queue, kept = self._ready[tier][lane], list[tuple[str, int]]()
        while queue and self._busy.get(lane, 0) < self.at_once_a_lane and sum(self._busy.values()) < self.at_once:
            step, moves = queue.popleft()
            place = self._places[step]
            if place.moves != moves or place.standing is not Standing.READY:
                continue
            if place.begins and not may_begin:
                kept.append((step, moves))
                continue
            self.put(step, tier, lane, Standing.UNDER_WAY, begins=place.begins)
            yield step
        queue.extendleft(reversed(kept))

    def _is_higher_due(self, tier: int, until: datetime) -> bool:
        """Whether a rest of a higher tier ends before then."""
        return any(due <= until for other in self._due if other < tier and (due := self._next_due(other)))

    def _next_due(self, tier: int) -> datetime | None:
        heap = self._due[tier]
        while heap and self._places[heap[0][2]].moves != heap[0][3]:  # it was put elsewhere since
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def _wake(self, now: datetime) -> None:
        for tier, heap in self._due.items():
            while (due := self._next_due(tier)) is not None and due <= now:
                step = heapq.heappop(heap)[2]
                place = self._places[step]
                self.put(step, place.tier, place.lane, Standing.READY, begins=place.begins)

    def _leave(self, place: _Place) -> None:
        if place.standing in _COULD_PROCEED:
            self._could[place.tier] -= 1
        if place.standing is Standing.UNDER_WAY:
            self._busy[place.lane] -= 1

    def _enter(self, step: str, place: _Place) -> None:
        if place.standing in _COULD_PROCEED:
            self._could[place.tier] = self._could.get(place.tier, 0) + 1
        if place.standing is Standing.UNDER_WAY:
            self._busy[place.lane] = self._busy.get(place.lane, 0) + 1
        if place.standing is Standing.READY:
            self._ready.setdefault(place.tier, {}).setdefault(place.lane, deque()).append((step, place.moves))
        if place.standing in _TIMED and place.until is not None:
            due = (place.until, next(self._numbers), step, place.moves)
            heapq.heappush(self._due.setdefault(place.tier, []), due)
