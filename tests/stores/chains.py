"""Records, names and a clock for the tests of stores."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

from shared.journal import NO_RECORD, IncidentId, Record, seal
from shared.signal import JsonObject

START = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)


class Watch:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def moves(self, by: timedelta) -> None:
        self.now += by


_numbers = count(1)


def new_name(start: str) -> str:
    """A name that no other test of this run uses: Azurite is shared by all of them."""
    return f"{start}-{next(_numbers)}"


def new_incident() -> IncidentId:
    return IncidentId(new_name("incident"))


def chain(incident: IncidentId, length: int, data: Callable[[int], JsonObject] = lambda n: {"n": n}) -> list[Record]:
    """Records that follow each other from sequence 0; the second of them, and every other, belongs to a step."""
    records: list[Record] = []
    for n in range(length):
        records.append(after(records, incident, data(n), step=f"{n}-block-sign-in" if n % 2 else None))
    return records


def after(records: list[Record], incident: IncidentId, data: JsonObject, step: str | None = None) -> Record:
    """The record that follows these."""
    previous = records[-1].hash if records else NO_RECORD
    time = START + timedelta(seconds=len(records), microseconds=7)
    return seal(incident, len(records), time, "signal", step, data, previous)


def forged(record: Record, data: JsonObject) -> Record:
    """The same place and hash, but other data."""
    return replace(record, data=data)
