"""
The journal: what was meant, what was there, what came of it.

Append-only, one chain of records per incident. Each record holds the hash of
the one before it. Appending inserts at the next sequence number and fails if
that is taken: the append is the fence between rival instances.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NewType, Protocol

from shared.errors import JournalDamaged
from shared.signal import JsonObject

IncidentId = NewType("IncidentId", str)

NO_RECORD = "0" * 64  # the "previous hash" of an incident's first record


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the journal. `sequence` counts from 0; `time` is UTC; `data` belongs to `kind` (entries.py)."""

    incident: IncidentId
    sequence: int
    time: datetime
    kind: str
    step: str | None
    data: JsonObject
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
    text = json.dumps(
        [incident, sequence, time.isoformat(), kind, step, data, previous],
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=True,
    )
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Record(incident, sequence, time, kind, step, data, previous, digest)


def check_chain(records: Sequence[Record]) -> None:
    """Raise JournalDamaged unless the records are one unbroken chain from sequence 0."""
    previous = NO_RECORD
    for expected, record in enumerate(records):
        if record.sequence != expected or record.previous != previous:
            raise JournalDamaged(_damage(record, "does not follow the record before it"))
        fields = (record.incident, record.sequence, record.time, record.kind, record.step, record.data, previous)
        if record.hash != seal(*fields).hash:
            raise JournalDamaged(_damage(record, "was changed after it was written"))
        previous = record.hash


def _damage(record: Record, what: str) -> str:
    return (
        f"Record {record.sequence} of incident {record.incident} {what}. Cordon changes nothing more for this "
        "incident. Keep the store as it is, find out who wrote to it, and contain by hand meanwhile."
    )


class Journal(Protocol):
    """
    The durable chains. Three twins, one contract suite.

    `append` is atomic over all given records (one incident, consecutive sequence numbers, at most 50).
    It raises SequenceTaken if any of the places is taken, and OutcomeUnknown if the store did not answer
    (read again before trying again). `read` gives the whole chain, checked; an unknown incident has none.
    """

    async def append(self, records: Sequence[Record]) -> None: ...

    async def read(self, incident: IncidentId) -> Sequence[Record]: ...
