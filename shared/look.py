"""
A look: what the tenant shows at one moment, each part read at most once.

Steps that are captured or verified together share a look, so that one round trip serves them all.
"""

import asyncio
from datetime import datetime, timedelta

from shared.case import CouldNotLook, IdentityState, NotLooked, Part, PartName, RiskState
from shared.clock import Clock
from shared.identity import IdentityRef
from shared.tenant import Directory, Gathered


class Look:
    """Reads parts of one identity on demand and remembers them; make a new one for a fresh read."""

    def __init__(self, directory: Directory, subject: IdentityRef, clock: Clock) -> None:
        self._directory, self._clock = directory, clock
        self._lock = asyncio.Lock()
        self.subject = subject
        self.gathered = Gathered()
        self.begun_at: datetime = clock()

    @classmethod
    def showing(cls, gathered: Gathered, directory: Directory, subject: IdentityRef, clock: Clock) -> "Look":
        """A look that already holds what was just gathered."""
        look = cls(directory, subject, clock)
        look.gathered = gathered
        return look

    def is_fresh(self, limit: timedelta) -> bool:
        return self._clock() - self.begun_at <= limit

    async def gather(self, parts: frozenset[PartName]) -> Gathered:
        """Make sure that these parts were asked for, in one go."""
        async with self._lock:
            missing = frozenset(p for p in parts if isinstance(getattr(self.gathered, p.value), NotLooked))
            if missing:
                self.gathered = merge(self.gathered, await self._directory.look(self.subject, missing))
        return self.gathered

    async def identity(self) -> Part[IdentityState]:
        return (await self.gather(frozenset({PartName.IDENTITY}))).identity

    async def risk(self) -> Part[RiskState | None]:
        return (await self.gather(frozenset({PartName.RISK}))).risk


def merge(older: Gathered, newer: Gathered) -> Gathered:
    """Take each part from the newer one, unless it was not asked for there."""
    return Gathered(
        identity=older.identity if isinstance(newer.identity, NotLooked) else newer.identity,
        detections=older.detections if isinstance(newer.detections, NotLooked) else newer.detections,
        risk=older.risk if isinstance(newer.risk, NotLooked) else newer.risk,
        audits=older.audits if isinstance(newer.audits, NotLooked) else newer.audits,
    )


def why_unread(part: CouldNotLook | NotLooked) -> str:
    """The reason why a part is not known, as text."""
    return part.why if isinstance(part, CouldNotLook) else "it was not looked at"
