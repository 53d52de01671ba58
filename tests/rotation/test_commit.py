"""Appends of many go together, and nobody goes on before what they wrote is durable."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from drill.virtual_time import run, virtual_clock
from shared.chain import Chain
from shared.entries import RotationStage, SecretDone, SecretIntended
from shared.errors import SequenceTaken, Throttled
from shared.journal import IncidentId, MemoryJournal, Record
from shared.rotation_commit import Commits
from tests.fakes import START

ID = IncidentId("20260302-0123456789ab.secrets")
MADE: RotationStage = "made"


@dataclass
class SlowJournal:
    """A journal whose appends take half a second each."""

    inner: MemoryJournal = field(default_factory=MemoryJournal)
    sizes: list[int] = field(default_factory=list[int])
    refuses: bool = False

    async def append(self, records: Sequence[Record]) -> None:
        await asyncio.sleep(0.5)
        if self.refuses:
            raise Throttled("appending")
        await self.inner.append(records)
        self.sizes.append(len(records))

    async def read(self, incident: IncidentId) -> Sequence[Record]:
        return await self.inner.read(incident)


def test_what_is_handed_in_meanwhile_goes_with_the_next_append() -> None:
    """A hundred secrets write two entries each, in five appends of at most fifty, each pair together."""

    async def story() -> tuple[list[int], float, Chain]:
        journal, clock = SlowJournal(), virtual_clock()
        chain = await Chain.read(journal, ID, clock.now)
        commits = Commits(chain)
        await asyncio.gather(
            *(
                commits.write(SecretDone(stage=MADE), SecretIntended(stage="published"), step=f"v/s{number}")
                for number in range(100)
            )
        )
        return journal.sizes, clock.elapsed, await Chain.read(journal, ID, clock.now)

    sizes, took, chain = run(story, start=START)

    assert sizes == [50, 50, 50, 50]
    assert took == pytest.approx(2.0)
    assert all(chain.place(SecretIntended, f"v/s{n}") == chain.place(SecretDone, f"v/s{n}") + 1 for n in range(100))


def test_a_refused_append_is_everybodys_who_handed_in_to_it_and_nobody_elses() -> None:
    """What was refused was not written, and the next one may be."""

    async def story() -> tuple[list[BaseException | None], int]:
        journal = SlowJournal(refuses=True)
        chain = await Chain.read(journal, ID, virtual_clock().now)
        commits = Commits(chain)
        writes = [asyncio.create_task(commits.write(SecretDone(stage=MADE), step=f"v/s{n}")) for n in range(3)]
        await asyncio.wait(writes)
        journal.refuses = False
        await commits.write(SecretDone(stage=MADE), step="v/again")
        return [write.exception() for write in writes], len(chain.records)

    errors, records = run(story, start=START)

    assert all(isinstance(error, Throttled) for error in errors)
    assert records == 1


def test_once_a_rival_has_written_nobody_writes_any_more() -> None:
    """Whoever waits for the append learns of it as well."""

    async def story() -> list[BaseException | None]:
        journal, clock = SlowJournal(), virtual_clock().now
        mine, rivals = await Chain.read(journal, ID, clock), await Chain.read(journal, ID, clock)
        await rivals.write(SecretDone(stage=MADE), step="v/theirs")
        commits = Commits(mine)
        writes = [asyncio.create_task(commits.write(SecretDone(stage=MADE), step=f"v/s{n}")) for n in range(60)]
        await asyncio.wait(writes)
        return [write.exception() for write in writes]

    assert all(isinstance(error, SequenceTaken) for error in run(story, start=START))
