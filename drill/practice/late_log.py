"""Logs as the platform keeps them: records appear late, and are asked for by their own time."""

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from drill.practice.shapes import JsonObject, dump, read_time


@dataclass(slots=True)
class Kept:
    """A record that no longer changes, and its bytes once somebody has asked for them."""

    at: datetime
    record: JsonObject
    _bytes: dict[bool, bytes] = field(default_factory=dict[bool, bytes])

    def content(self, variant: bool, render: Callable[[JsonObject], JsonObject] | None = None) -> bytes:
        """JSON bytes; `variant` is which rendering, so that each is made only once."""
        if variant not in self._bytes:
            self._bytes[variant] = dump(render(self.record) if render else self.record)
        return self._bytes[variant]


class LateLog:
    """Records ordered by the time they speak of; each is invisible until it is published."""

    def __init__(self, time_property: str) -> None:
        self.time_property = time_property
        self._times: list[datetime] = []
        self._kept: list[Kept] = []
        self._by_id: dict[str, Kept] = {}
        self._pending: list[tuple[datetime, int, Kept]] = []
        self._count = 0

    def load(self, records: Iterable[JsonObject]) -> None:
        """Records from before the drill: published all at once."""
        loaded = [Kept(read_time(record[self.time_property]), record) for record in records]
        self._kept = sorted([*self._kept, *loaded], key=lambda kept: kept.at)
        self._times = [kept.at for kept in self._kept]
        self._by_id.update((str(kept.record["id"]), kept) for kept in loaded)

    def add(self, record: JsonObject, now: datetime, delay: float) -> None:
        kept = Kept(read_time(record[self.time_property]), record)
        if delay <= 0:
            self._publish(kept)
            return
        self._count += 1
        heapq.heappush(self._pending, (now + timedelta(seconds=delay), self._count, kept))

    def published(
        self, now: datetime, earliest: datetime | None = None, latest: datetime | None = None
    ) -> Sequence[Kept]:
        """What can be read at `now`, oldest first, between two times (both included)."""
        self._catch_up(now)
        start = bisect_left(self._times, earliest) if earliest else 0
        end = bisect_right(self._times, latest) if latest else len(self._times)
        return self._kept[start:end]

    def find(self, record_id: str, now: datetime) -> Kept | None:
        self._catch_up(now)
        return self._by_id.get(record_id)

    def everything(self) -> list[JsonObject]:
        """All records, unpublished ones too, in the order of their own time."""
        pending = [kept for _, _, kept in self._pending]
        return [kept.record for kept in sorted([*self._kept, *pending], key=lambda kept: kept.at)]

    def _catch_up(self, now: datetime) -> None:
        while self._pending and self._pending[0][0] <= now:
            self._publish(heapq.heappop(self._pending)[2])

    def _publish(self, kept: Kept) -> None:
        place = bisect_right(self._times, kept.at)
        self._times.insert(place, kept.at)
        self._kept.insert(place, kept)
        self._by_id[str(kept.record["id"])] = kept
