"""Kills an instance at one exact moment: before or after one append to a journal, or one write to the world."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared.journal import IncidentId, Journal, Record
from tests.fakes import Crash
from tests.rotation.world import RotationWorld


@dataclass
class Killer:
    """
    Counts moments; at the chosen one the process is gone: nothing that it would still do happens, until another
    is started.
    """

    at: int | None = None
    seen: int = 0
    dead: bool = False
    died_at: str = ""

    def moment(self, name: str) -> None:
        if self.dead:
            raise Crash
        self.seen += 1
        if self.seen == self.at:
            self.dead, self.died_at = True, name
            raise Crash

    def revive(self) -> None:
        self.dead = False


@dataclass
class KillingJournal:
    """A journal around whose appends an instance may die."""

    inner: Journal
    killer: Killer

    async def append(self, records: Sequence[Record]) -> None:
        kinds = "+".join(record.kind for record in records)
        self.killer.moment(f"before {kinds}")
        await self.inner.append(records)
        self.killer.moment(f"after {kinds}")

    async def read(self, incident: IncidentId) -> Sequence[Record]:
        return await self.inner.read(incident)


def with_killer(world: RotationWorld, killer: Killer) -> RotationWorld:
    """The same world, in which that killer waits."""
    world.writes.before = lambda name: killer.moment(f"before {name}")
    world.writes.after = lambda name: killer.moment(f"after {name}")
    return replace(world, store=replace(world.store, journal=KillingJournal(world.store.journal, killer)))


async def play_with_deaths(world: RotationWorld, killer: Killer) -> None:
    """From the signal to the end; whoever dies is followed by another instance."""
    number = 0
    try:
        await world.hear_of_leak(world.instance("0"))
    except Crash:
        killer.revive()
        await world.hear_of_leak(world.instance("0"))  # Event Grid sends again what nobody took
    while number < 5:
        number += 1
        try:
            await world.work_queue(world.instance(str(number)))
        except Crash:
            killer.revive()
        else:
            return
    raise AssertionError("it died again and again")
