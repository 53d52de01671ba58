"""
One incident's journal as one instance knows it: decoded for reading, fenced for writing.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias, TypeVar, cast

from shared.clock import Clock
from shared.entries import BESIDE, Entry, read_entry
from shared.errors import OutcomeUnknown, SequenceTaken
from shared.journal import NO_RECORD, IncidentId, Journal, Record, seal

E = TypeVar("E", bound=Entry)

Stepped: TypeAlias = tuple[Entry, str | None]
"""An entry with the step that it belongs to."""

_TRIES = 20  # signals may join while we write; each takes one place


@dataclass(frozen=True, slots=True)
class Line:
    """A record with the entry that it holds."""

    record: Record
    entry: Entry


class Chain:
    """
    The chain of one incident.

    Writing appends at the next place. Where a signal joined meanwhile, the write moves behind it; where
    another worker wrote, SequenceTaken is raised and this instance has to stop before its next effect. From
    then on every write raises: what runs beside the one that noticed has to stop as well.
    """

    def __init__(self, journal: Journal, incident: IncidentId, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._lock = asyncio.Lock()
        self._lines: list[Line] = []
        self._places: dict[tuple[type[Entry], str | None], list[int]] = defaultdict(list)  # by kind, and by its step
        self._is_lost = False
        self._known_at = clock()
        self.incident = incident

    @classmethod
    async def read(cls, journal: Journal, incident: IncidentId, clock: Clock) -> "Chain":
        chain = cls(journal, incident, clock)
        await chain.refresh()
        return chain

    async def refresh(self) -> None:
        """Read what others have appended since."""
        self._known_at = self._clock()
        records = await self._journal.read(self.incident)
        self._lines = []
        self._places.clear()
        self._add(Line(record, read_entry(record)) for record in records)

    @property
    def records(self) -> tuple[Record, ...]:
        return tuple(line.record for line in self._lines)

    @property
    def lines(self) -> Sequence[Line]:
        return tuple(self._lines)

    def __bool__(self) -> bool:
        return bool(self._lines)

    def all(self, kind: type[E], step: str | None = None) -> Iterator[E]:
        """The entries of a kind, oldest first; of one step, if given."""
        for place in self._of(kind, step):
            yield cast("E", self._lines[place].entry)

    def told(self, kind: type[E], step: str | None = None) -> Iterator[tuple[Record, E]]:
        """The same, each with the record that holds it; what else the journal holds is not gone through."""
        for place in self._of(kind, step):
            yield self._lines[place].record, cast("E", self._lines[place].entry)

    def last(self, kind: type[E], step: str | None = None) -> E | None:
        """The newest entry of a kind; of one step, if given."""
        places = self._of(kind, step)
        return cast("E", self._lines[places[-1]].entry) if places else None

    def place(self, kind: type[Entry], step: str | None = None) -> int:
        """The sequence number of the newest entry of a kind, or -1."""
        places = self._of(kind, step)
        return places[-1] if places else -1

    def _of(self, kind: type[Entry], step: str | None) -> Sequence[int]:
        return self._places.get((kind, step), ())

    def _add(self, lines: Iterable[Line]) -> None:
        for line in lines:
            place, kind, step = len(self._lines), type(line.entry), line.record.step
            self._lines.append(line)
            self._places[kind, None].append(place)
            if step is not None:
                self._places[kind, step].append(place)

    async def write(self, *entries: Entry, step: str | None = None, only_next: bool = False) -> None:
        """
        Append the entries, all or none, durable when this returns.

        With `only_next` they follow what is known here or are not written: SequenceTaken, also where a signal joined.
        """
        await self.write_each([(entry, step) for entry in entries], only_next=only_next)

    async def write_each(self, entries: Sequence[Stepped], *, only_next: bool = False) -> None:
        """As `write`, each entry with its own step."""
        async with self._lock:
            for _ in range(0 if self._is_lost else _TRIES):
                sealed = self._seal(entries)
                try:
                    await self._journal.append(sealed)
                except SequenceTaken as taken:
                    await self._step_aside(taken, only_next=only_next)
                except OutcomeUnknown as unknown:
                    if await self._is_written(sealed, unknown):
                        return
                else:
                    self._add(Line(record, entry) for record, (entry, _) in zip(sealed, entries, strict=True))
                    self._known_at = self._clock()
                    return
            raise self._lost()

    async def check(self, silence: timedelta) -> None:
        """
        Before an effect: whoever neither wrote nor read for so long may have been taken for dead meanwhile.

        Raises SequenceTaken if another worker has written since.
        """
        if not self._is_lost and abs(self._clock() - self._known_at) <= silence:
            return  # without waiting for what others of ours write: it is too soon for anybody to take over
        async with self._lock:
            if self._is_lost:
                raise self._lost()
            if abs(self._clock() - self._known_at) > silence:
                known = len(self._lines)
                await self.refresh()
                if not all(isinstance(line.entry, BESIDE) for line in self._lines[known:]):
                    raise self._lost()

    def _lost(self) -> SequenceTaken:
        self._is_lost = True
        return SequenceTaken(self.incident, len(self._lines))

    def _seal(self, entries: Sequence[Stepped]) -> list[Record]:
        now, previous = self._clock(), self._lines[-1].record.hash if self._lines else NO_RECORD
        sealed: list[Record] = []
        for sequence, (entry, step) in enumerate(entries, start=len(self._lines)):
            record = seal(self.incident, sequence, now, entry.kind, step, entry.model_dump(mode="json"), previous)
            sealed.append(record)
            previous = record.hash
        return sealed

    async def _step_aside(self, taken: SequenceTaken, *, only_next: bool) -> None:
        known = len(self._lines)
        await self.refresh()
        newcomers = self._lines[known:]
        if only_next or not newcomers or not all(isinstance(line.entry, BESIDE) for line in newcomers):
            raise self._lost() from taken

    async def _is_written(self, sealed: Sequence[Record], unknown: OutcomeUnknown) -> bool:
        """After a lost answer: True if our records stand, False if their places are free, else stop."""
        known = len(self._lines)
        await self.refresh()
        if len(self._lines) == known:
            return False
        if [line.record.hash for line in self._lines[known : known + len(sealed)]] == [r.hash for r in sealed]:
            return True
        raise self._lost() from unknown
