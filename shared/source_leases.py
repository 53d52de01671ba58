"""
Whose turn it is at a source: one rotation at a time makes its credentials new, whatever incident it is of.

Two incidents about one source, side by side, would each make the same idle key new, and the one that is published first
would be dead. So a rotation has the source from its first look there until the exposed credential is dead, with the
grace in between; another one waits. Whoever had it says so when it is through. Who is never heard of again loses it
when its time is over: nobody begins an effect at a source without as much time left as a process can live.
"""

import hashlib
import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.clock import Clock
from shared.errors import CannotBeRead, OutcomeUnknown, Unreachable
from shared.signal import JsonObject
from shared.store import Document, Documents

log = logging.getLogger("cordon")

_PARTITION = "source-leases"
_TRIES = 20
_SLACK = timedelta(minutes=4)  # so long one that was taken serves without being written again


@dataclass(frozen=True, slots=True)
class Lease:
    """
    Who has a source, and until when. `turn` grows each time that another rotation gets it: what was seen at the source
    in an earlier turn is old.
    """

    holder: str
    turn: int
    until: datetime


@dataclass(slots=True)
class SourceLeases:
    """One rotation's turns at sources, for one slice. `source` may be any text: no key is made of it as it stands."""

    documents: Documents
    incident: str
    clock: Clock
    _held: dict[str, Lease] = field(default_factory=dict[str, Lease])

    async def take(self, source: str, lasts: timedelta) -> Lease:
        """
        Ours for so long at least, or that of the other rotation that has the source. Raises CannotBeRead where nobody
        can say whose it is, and what the store raises.
        """
        known, now = self._held.get(source), self.clock()
        if known is not None and known.until >= now + lasts:
            return known
        for _ in range(_TRIES):
            found = await self.documents.get(_PARTITION, _key(source))
            held, now = _read(found, source), self.clock()
            if held is not None and held.holder != self.incident and held.until > now:
                self._held.pop(source, None)
                return held
            if held is not None and held.holder == self.incident and held.until >= now + lasts:
                self._held[source] = held
                return held
            ours = Lease(self.incident, _turn(held, self.incident), now + lasts + _SLACK)
            if await self._write(source, found, ours):
                self._held[source] = ours
                return ours
        raise Unreachable(f"waiting for the turn at {source}", "others changed the note of it without pause")

    def has(self, source: str) -> bool:
        """Whether it was taken in this slice."""
        return source in self._held

    async def give_back(self, source: str) -> None:
        """Let the next one have it. May run again; what another rotation has by now is its own."""
        self._held.pop(source, None)
        for _ in range(_TRIES):
            found, now = await self.documents.get(_PARTITION, _key(source)), self.clock()
            try:
                held = _read(found, source)
            except CannotBeRead as error:  # so that nobody gets it, and a person is told
                log.warning("%s", error)
                return
            if held is None or held.holder != self.incident or held.until <= now:
                return
            if await self._write(source, found, Lease(held.holder, held.turn, now)):
                return
        raise Unreachable(f"giving back the turn at {source}", "others changed the note of it without pause")

    async def _write(self, source: str, found: Document | None, lease: Lease) -> bool:
        """False where somebody was faster, or where only another read tells whether it is written."""
        body: JsonObject = {"holder": lease.holder, "turn": lease.turn, "until": lease.until.isoformat()}
        try:
            if found is None:
                return await self.documents.insert(_PARTITION, _key(source), body)
            return await self.documents.replace(_PARTITION, _key(source), body, found.etag)
        except OutcomeUnknown:
            return False


def _turn(held: Lease | None, incident: str) -> int:
    if held is None:
        return 1
    return held.turn if held.holder == incident else held.turn + 1


def _read(found: Document | None, source: str) -> Lease | None:
    """What no version of Cordon wrote is never taken for a free source."""
    if found is None:
        return None
    try:
        holder, turn, until = found.body["holder"], found.body["turn"], datetime.fromisoformat(str(found.body["until"]))
        if isinstance(holder, str) and isinstance(turn, int) and until.tzinfo is not None:
            return Lease(holder, turn, until)
        problem = None
    except (KeyError, ValueError) as error:
        problem = error
    row = f"the table's row {_PARTITION}/{found.key}"
    raise CannotBeRead(
        f"making a credential of {source} new", f"{row} does not say which rotation is at it; look at it, or remove it"
    ) from problem


def _key(source: str) -> str:
    """Any text as a key that holds none of it."""
    return hashlib.sha256(source.encode()).hexdigest()[:40]
