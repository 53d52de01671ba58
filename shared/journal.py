"""
The journal: what was meant, what was there, what came of it.

Append-only, one chain of records per incident. Each record holds the hash of
the one before it. Appending inserts at the next sequence number and fails if
that is taken: the append is the fence between rival instances.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple, NewType, Protocol, cast

from shared.canonical import canonical
from shared.errors import JournalDamaged, SequenceTaken
from shared.keys import check_key
from shared.signal import JsonObject

IncidentId = NewType("IncidentId", str)

NO_RECORD = "0" * 64  # the "previous hash" of an incident's first record
REMEMBERED = 10_000  # records that an instance has read lately, with what it found out about them: some 30 MB at most
MOST_AT_ONCE = 50  # records of one append; Azure Tables takes 100 operations in a transaction


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the journal. `sequence` counts from 0; `time` is UTC; `data` belongs to `kind` (entries.py)."""

    incident: IncidentId
    sequence: int
    time: datetime
    kind: str
    step: str | None
    data: JsonObject = field(hash=False)
    previous: str
    hash: str


def seal(
    incident: IncidentId,
    sequence: int,
    time: datetime,
    kind: str,
    step: str | None,
    data: JsonObject,
    previous: str,
) -> Record:
    """Make a record whose hash covers all its fields and, through `previous`, all before it."""
    text = canonical([incident, sequence, time.isoformat(), kind, step, data, previous])
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Record(incident, sequence, time, kind, step, data, previous, digest)


def check_chain(records: Sequence[Record]) -> None:
    """Raise JournalDamaged unless the records are one unbroken chain from sequence 0."""
    _check(records, map(_digest, records))


def _check(records: Iterable[Record], digests: Iterable[str]) -> None:
    previous = NO_RECORD
    for expected, (record, digest) in enumerate(zip(records, digests, strict=True)):
        if record.sequence != expected or record.previous != previous:
            raise _damage(record.incident, record.sequence, "does not follow the record before it")
        if record.hash != digest:
            raise _damage(record.incident, record.sequence, "was changed after it was written")
        previous = record.hash


def _digest(record: Record) -> str:
    """What the hash of a record with these fields is."""
    fields = (record.incident, record.sequence, record.time, record.kind, record.step, record.data, record.previous)
    return seal(*fields).hash


def check_append(records: Sequence[Record]) -> None:
    """Raise ValueError unless the records may be appended together: see `Journal.append`."""
    if len(records) > MOST_AT_ONCE:
        raise ValueError(f"at most {MOST_AT_ONCE} records are appended at once")
    for record in records[:1]:
        check_key(record.incident, "an incident's id")
        if record.sequence < 0:
            raise ValueError("sequence numbers count from 0")
    for one, next_one in pairwise(records):
        if (next_one.incident, next_one.sequence, next_one.previous) != (one.incident, one.sequence + 1, one.hash):
            raise ValueError("records that are appended together must follow each other in one incident")


def _damage(incident: IncidentId, sequence: object, what: str) -> JournalDamaged:
    return JournalDamaged(
        f"Record {sequence} of incident {incident} {what}. Cordon changes nothing more for this "
        "incident. Keep the store as it is, find out who wrote to it, and contain by hand meanwhile."
    )


class Kept(NamedTuple):
    """
    A record as every twin keeps it: `time` in ISO 8601, exactly as it was hashed, and `data` as ASCII JSON,
    so that a character is a byte and no twin has an encoding of its own. The incident is the place.
    """

    sequence: int
    time: str
    kind: str
    step: str | None
    data: str
    previous: str
    hash: str


_as_text = json.JSONEncoder(separators=(",", ":")).encode


def to_kept(record: Record) -> Kept:
    """What a twin has to keep of a record."""
    return Kept(
        record.sequence,
        record.time.isoformat(),
        record.kind,
        record.step,
        _as_text(record.data),
        record.previous,
        record.hash,
    )


def read_chain(incident: IncidentId, kept: Iterable[Kept]) -> tuple[Record, ...]:
    """The records as they were appended, in order and checked. Raises JournalDamaged, whatever was done to them."""
    kept = tuple(kept)
    records = tuple(_from_kept(incident, one) for one in kept)
    _check(records, (_digest_of_kept(incident, one) for one in kept))
    return records


@lru_cache(maxsize=REMEMBERED)
def _digest_of_kept(incident: IncidentId, kept: Kept) -> str:
    """An instance reads the same records again and again; whatever was changed in one is another argument."""
    return _digest(_from_kept(incident, kept))


def _from_kept(incident: IncidentId, kept: Kept) -> Record:
    try:
        time, data = datetime.fromisoformat(kept.time), cast("object", json.loads(kept.data))
    except (ValueError, TypeError, RecursionError):
        raise _damage(incident, kept.sequence, "can no longer be read") from None
    if not isinstance(data, dict):
        raise _damage(incident, kept.sequence, "can no longer be read")
    fields = cast("JsonObject", data)
    return Record(incident, kept.sequence, time, kept.kind, kept.step, fields, kept.previous, kept.hash)


class Journal(Protocol):
    """
    The durable chains. Three twins, one contract suite.

    `append` is atomic over all given records (one incident, consecutive sequence numbers, at most 50).
    It raises SequenceTaken if any of the places is taken, and OutcomeUnknown if the store did not answer
    (read again before trying again). Throttled and Unreachable mean that nothing was appended.
    `read` gives the whole chain, checked; an unknown incident has none.
    """

    async def append(self, records: Sequence[Record]) -> None: ...

    async def read(self, incident: IncidentId) -> Sequence[Record]: ...


class MemoryJournal:
    """The twin that lives as long as its process. What was appended cannot be changed through what is read."""

    def __init__(self) -> None:
        self._chains: dict[IncidentId, dict[int, Kept]] = {}

    async def append(self, records: Sequence[Record]) -> None:
        check_append(records)
        if not records:
            return
        incident = records[0].incident
        chain = self._chains.get(incident, {})
        for record in records:
            if record.sequence in chain:
                raise SequenceTaken(incident, record.sequence)
        kept = {record.sequence: to_kept(record) for record in records}
        self._chains.setdefault(incident, chain).update(kept)

    async def read(self, incident: IncidentId) -> Sequence[Record]:
        check_key(incident, "an incident's id")
        chain = self._chains.get(incident, {})
        return read_chain(incident, (chain[sequence] for sequence in sorted(chain)))
