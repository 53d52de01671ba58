"""What happened in one history, in true order and true time: what the checker judges, and nothing else."""

import hashlib
from dataclasses import dataclass, field
from typing import TypeAlias

from shared.journal import Record

STALE = 30.0  # seconds: what happened since, a replica does not know that a "stale-404" answers a look from


@dataclass(frozen=True, slots=True)
class Appended:
    """Records that stand in the journal from now on."""

    at: float  # seconds since the history began, by nobody's clock but the world's
    by: str
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Wrote:
    """
    A write of Cordon that reached the tenant. `opened` is what it left less contained than before; `on` the id of the
    object that it was aimed at, where the call names one.
    """

    at: float
    sent_at: float
    by: str
    what: str
    opened: frozenset[str] = frozenset()
    on: str | None = None


@dataclass(frozen=True, slots=True)
class Happened:
    """Anything else: an attack, a fault, a death, a signal that was acknowledged, the switch."""

    at: float
    what: str  # attack, struck, died, acknowledged, stopped, released
    detail: str


Event: TypeAlias = Appended | Wrote | Happened


@dataclass(slots=True)
class Chronicle:
    """
    One history. `truth` holds what stands open in the tenant, from each moment on; `lag` is how old an answer
    of the tenant may be; `made` counts what must never be two, by operation.
    """

    lag: float = 0.0
    events: list[Event] = field(default_factory=list[Event])
    truth: list[tuple[float, frozenset[str]]] = field(default_factory=list[tuple[float, frozenset[str]]])
    made: dict[str, int] = field(default_factory=dict[str, int])
    output: list[str] = field(default_factory=list[str])  # everything that left the process
    ended_at: float = 0.0
    unfinished: str | None = None  # why the history itself did not come to its end

    def happened(self, at: float, what: str, detail: str) -> None:
        self.events.append(Happened(at, what, detail))

    def stands_open(self, at: float, things: frozenset[str]) -> None:
        """Note the truth if it has changed."""
        if not self.truth or self.truth[-1][1] != things:
            self.truth.append((at, things))

    def all(self, what: str) -> list[Happened]:
        return [each for each in self.events if isinstance(each, Happened) and each.what == what]

    @property
    def incidents(self) -> dict[str, list[tuple[float, Record]]]:
        """The same without the journals that an incident has beside its own."""
        return {name: chain for name, chain in self.journals.items() if "." not in name}

    @property
    def journals(self) -> dict[str, list[tuple[float, Record]]]:
        """The records of each incident with the true time of each append."""
        chains: dict[str, list[tuple[float, Record]]] = {}
        for event in self.events:
            if isinstance(event, Appended):
                for record in event.records:
                    chains.setdefault(record.incident, []).append((event.at, record))
        return chains

    def open_between(self, begin: float, end: float) -> list[frozenset[str]]:
        """Every truth that held at some moment of this time."""
        spans = zip(self.truth, [*(at for at, _ in self.truth[1:]), float("inf")], strict=True)
        return [things for (since, things), until in spans if since <= end and until > begin]

    def digest(self) -> str:
        """The same for the same trace, and for no other."""
        digest = hashlib.sha256()
        for event in self.events:
            if isinstance(event, Appended):
                digest.update(f"{event.at:.6f} {event.by} {[record.hash for record in event.records]}".encode())
            else:
                text = sorted(event.opened) if isinstance(event, Wrote) else ""
                digest.update(f"{event.at:.6f} {event} {text}".encode() if not text else f"{event.at} {text}".encode())
        digest.update(repr([(at, sorted(things)) for at, things in self.truth]).encode())
        return digest.hexdigest()
