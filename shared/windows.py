"""
Which stretches of a log have been read, and which are still to be read. Pure.

A window is closed on the left and open on the right, in the log's own time (UTC). The watermark only
moves over windows that were read to their last page.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from shared.signal import JsonObject, JsonValue

OVERLAP = timedelta(minutes=5)  # what every sweep reads again: the published latency of audit records
DEEP_OVERLAP = timedelta(minutes=60)  # what a sweep reads again now and then: latencies that were seen
DEEP_EVERY = timedelta(minutes=10)
SETTLE = timedelta(seconds=60)  # the newest minute is still being written
CHUNK = timedelta(minutes=30)  # read at a time, so that an interrupted sweep keeps what it has
FIRST_LOOK_BACK = timedelta(hours=24)  # how far the very first sweep reaches
BLOCK = timedelta(hours=1)  # what the reconciliation reads again
AGES = (timedelta(hours=3), timedelta(hours=12), timedelta(hours=36))  # and how old the block is then
SKEW = timedelta(minutes=2)  # how far the clocks of two instances may differ
LOOK_BACK = timedelta(days=7)  # after a clock that was wrong: as far as every tenant keeps its log
_MOST_LOST = 50  # stretches that are remembered, the newest
MARKS_BACK = timedelta(days=2)  # and so far with the blocks that are read again: more than the oldest age


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time: start <= t < end."""

    start: datetime
    end: datetime

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True, slots=True)
class Lost:
    """A stretch of a log that was passed over, because no later try will tell of it."""

    start: datetime
    end: datetime
    why: str

    def __str__(self) -> str:
        return f"{Window(self.start, self.end)} was not read whole, and will not be: {self.why}"


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far a log is read. `reconciled` holds, for each age, up to where blocks were read again at that age."""

    watermark: datetime | None = None
    deep: datetime | None = None  # when the longer overlap was read last
    reconciled: tuple[datetime | None, ...] = (None,) * len(AGES)
    trouble: str | None = None  # why the last sweep stopped early
    trouble_since: datetime | None = None
    records: int = field(default=0)
    lost: tuple["Lost", ...] = ()  # oldest first, no two of them meet
    uncollected: str | None = None  # why there is no such log here
    uncollected_since: datetime | None = None
    news_from: datetime | None = None  # what the log showed before that is learned from, and no signal

    def as_json(self) -> JsonObject:
        return {
            "watermark": _text(self.watermark),
            "deep": _text(self.deep),
            "reconciled": [_text(moment) for moment in self.reconciled],
            "trouble": self.trouble,
            "troubleSince": _text(self.trouble_since),
            "records": self.records,
            "uncollected": self.uncollected,
            "uncollectedSince": _text(self.uncollected_since),
            "newsFrom": _text(self.news_from),
            "lost": [[each.start.isoformat(), each.end.isoformat(), each.why] for each in self.lost],
        }

    @staticmethod
    def read(body: JsonObject) -> "Coverage":
        reconciled = body.get("reconciled")
        moments = [_time(moment) for moment in reconciled] if isinstance(reconciled, list) else []
        trouble, records, uncollected = body.get("trouble"), body.get("records"), body.get("uncollected")
        return Coverage(
            watermark=_time(body.get("watermark")),
            deep=_time(body.get("deep")),
            reconciled=tuple((moments + [None] * len(AGES))[: len(AGES)]),
            trouble=trouble if isinstance(trouble, str) else None,
            trouble_since=_time(body.get("troubleSince")),
            records=records if isinstance(records, int) else 0,
            lost=tuple(_lost(body.get("lost"))),
            uncollected=uncollected if isinstance(uncollected, str) else None,
            uncollected_since=_time(body.get("uncollectedSince")),
            news_from=_time(body.get("newsFrom")),
        )


def with_lost(coverage: Coverage, more: Iterable[Lost], now: datetime) -> Coverage:
    """The same, passing over these too. Stretches that meet are one; those of more than a week ago are forgotten."""
    merged: list[Lost] = []
    for each in sorted((*coverage.lost, *more), key=lambda each: (each.start, each.end)):
        if merged and each.start <= merged[-1].end:
            merged[-1] = replace(merged[-1], end=max(merged[-1].end, each.end), why=each.why)
        elif each.end > now - LOOK_BACK:
            merged.append(each)
    return replace(coverage, lost=tuple(merged[-_MOST_LOST:]))


def due_windows(coverage: Coverage, now: datetime) -> Iterator[Window]:
    """
    What a sweep has to read now, oldest first.

    It starts one overlap before the watermark and ends one settling time before now. After an outage
    that may be many chunks; each moves the watermark on its own. A watermark that lies ahead of the clock was
    set while a clock was wrong, and says nothing of what was read before it.
    """
    end = now - SETTLE
    overlap = DEEP_OVERLAP if is_deep(coverage, now) else OVERLAP
    if coverage.watermark is None:
        start = end - FIRST_LOOK_BACK
    elif is_ahead(coverage.watermark, now):
        start = end - LOOK_BACK
    else:
        start = coverage.watermark - overlap
    yield from _chunks(start, end)


def not_too_far(coverage: Coverage, now: datetime) -> Coverage:
    """The same; but a watermark so old that reading on from it would take hours is moved to the longest look-back."""
    oldest = now - LOOK_BACK
    if coverage.watermark is None or coverage.watermark >= oldest:
        return coverage
    return replace(coverage, watermark=oldest)


def newest_behind(coverage: Coverage, now: datetime) -> Window | None:
    """The newest stretch, where what is not read yet begins before it."""
    end = now - SETTLE
    start = end - CHUNK
    return Window(start, end) if coverage.watermark is not None and coverage.watermark < start else None


def is_ahead(moment: datetime | None, now: datetime) -> bool:
    """Whether a mark lies so far ahead of the clock that one of two clocks must have been wrong."""
    return moment is not None and moment > now + SKEW


def is_deep(coverage: Coverage, now: datetime) -> bool:
    """Whether this sweep reads the longer overlap."""
    return coverage.deep is None or is_ahead(coverage.deep, now) or now - coverage.deep >= DEEP_EVERY


def due_blocks(coverage: Coverage, now: datetime) -> Iterator[tuple[int, Window]]:
    """Whole hours that have reached one of the ages and were not read again at it yet, with the age's number."""
    if coverage.watermark is None:
        return
    for number, age in enumerate(AGES):
        end = _hour(min(now - age, coverage.watermark))
        known = coverage.reconciled[number]
        if is_ahead(known, now - age):  # marked while a clock was wrong
            known = end - MARKS_BACK
        start = known or end - BLOCK
        while start < end:
            yield number, Window(start, start + BLOCK)
            start += BLOCK


def pending(coverage: Coverage, now: datetime) -> tuple[str, ...]:
    """The stretches that are not read yet, in words."""
    if coverage.uncollected:
        known = f" (known since {coverage.uncollected_since:%Y-%m-%d %H:%M} UTC)" if coverage.uncollected_since else ""
        return (f"not collected here{known}: {coverage.uncollected}", *map(str, coverage.lost))
    said: list[str] = []
    if coverage.watermark is None:
        said.append("nothing was read yet")
    elif is_ahead(coverage.watermark, now):
        said.append(f"the log is marked as read until {coverage.watermark:%Y-%m-%d %H:%M} UTC, which is to come")
    elif now - coverage.watermark > SETTLE + timedelta(minutes=10):
        said.append(f"{Window(coverage.watermark, now)} is not read yet")
    said += map(str, coverage.lost)
    said += [f"{window} is due to be read again" for _, window in due_blocks(coverage, now)]
    if coverage.trouble:
        said.append(f"the last sweep stopped early: {coverage.trouble}")
    return tuple(said)


def _chunks(start: datetime, end: datetime) -> Iterator[Window]:
    while start < end:
        stop = min(start + CHUNK, end)
        yield Window(start, stop)
        start = stop


def _lost(given: JsonValue) -> Iterator[Lost]:
    for each in given if isinstance(given, list) else ():
        if isinstance(each, list):
            start, end, why = map(str, each)
            yield Lost(datetime.fromisoformat(start), datetime.fromisoformat(end), why)


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _time(value: object) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else None
