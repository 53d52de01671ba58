"""
Who is not cut off yet goes before the bookkeeping of who is.

Many identities at once share one core. Between the answer that an identity is decided on and its first write there is
work of some milliseconds; without precedence, each of them would wait for the records and the proofs of all that were
faster.
"""

import asyncio

from shared.journal import IncidentId

_MOST_TURNS = (
    25  # of the event loop, some three times what a cut takes: who waits for the store holds up nobody for long
)


class Precedence:
    """The incidents of this instance that are about to be cut off."""

    def __init__(self) -> None:
        self._near: set[IncidentId] = set()
        self._passing: asyncio.Task[None] | None = None

    @property
    def is_anybody_near(self) -> bool:
        return bool(self._near)

    def enter(self, incident: IncidentId) -> None:
        """All that it is decided on is there; from now on it waits for nobody but us."""
        self._near.add(incident)

    def leave(self, incident: IncidentId) -> None:
        """Its first write is on its way, or there will be none."""
        self._near.discard(incident)

    async def give_way(self) -> None:
        """Let those go first who are about to be cut off, also those of whom it shows in this very turn."""
        await asyncio.sleep(0)
        if not self._near:
            return
        if self._passing is None or self._passing.done():
            self._passing = asyncio.ensure_future(self._pass())
        await asyncio.shield(self._passing)

    async def _pass(self) -> None:
        """One waits for all who give way: that fifty of them wake in each turn would itself hold up the cuts."""
        for _ in range(_MOST_TURNS):
            await asyncio.sleep(0)
            if not self._near:
                return
