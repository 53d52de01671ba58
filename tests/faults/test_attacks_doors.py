"""What a damaged journal, one bad incident among many, or rubbish at the doors must not take away from the others."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from shared.chain import Chain
from shared.clients.risk_policy import RiskPolicyWriter
from shared.errors import JournalDamaged, SequenceTaken
from shared.identity import PrincipalId
from shared.journal import IncidentId, Journal, Record
from shared.signal import JsonObject
from shared.store import LocalStore
from shared.windows import Coverage, due_blocks, due_windows
from tests.fakes import PAYROLL, PAYROLL_CLIENT, START, password, payroll
from tests.stories.world import World, leak, play

STATE = payroll(application=[password(1)])
OTHER = "10000000-0000-4000-8000-000000000077"


def other_leak() -> JsonObject:
    return {
        **leak(77),
        "servicePrincipalId": OTHER,
        "appId": PAYROLL_CLIENT.replace("0001", "0077"),
    }


def event(number: int, data: JsonObject) -> JsonObject:
    return {"type": "Cordon.Signal.RiskDetection", "id": f"e{number}", "source": "t", "data": data}


@dataclass
class DamagedJournal:
    """A journal in which somebody wrote to one incident."""

    inner: Journal
    damaged: IncidentId | None = None

    async def append(self, records: list[Record]) -> None:
        await self.inner.append(records)

    async def read(self, incident: IncidentId) -> list[Record]:
        if incident == self.damaged:
            raise JournalDamaged(f"Record 3 of incident {incident} is not what was written.")
        return list(await self.inner.read(incident))


def with_journal(world: World, journal: DamagedJournal) -> World:
    store = world.store
    world.store = LocalStore(journal, store.documents, store.evidence, store.queue)  # pyright: ignore[reportArgumentType]
    return world


def test_a_damaged_journal_is_shown_as_damaged_and_hides_no_other() -> None:
    """The page names what is wrong and what to do, shows the others as usual, and health tells until it is mended."""

    async def story(world: World) -> None:
        journal = DamagedJournal(world.store.journal)
        responder = with_journal(world, journal).instance()
        await responder.receive_events([event(1, leak())])
        (first,) = (await responder.incidents(10, "")).incidents
        await responder.receive_events([event(2, other_leak())])
        journal.damaged = IncidentId(first.id)
        page = await responder.incidents(10, "")
        ill = await responder.health()
        journal.damaged = None
        mended = await responder.health()

        assert [view.id for view in page.damaged] == [first.id]
        assert "by hand" in page.damaged[0].todo
        assert len(page.incidents) == 1
        assert any(first.id in problem for problem in ill.problems)
        assert not any(first.id in problem for problem in mended.problems)

    play(story, STATE)


def test_one_incident_that_fails_at_a_door_leaves_no_other_alone() -> None:
    """The first of two fails at once; the door waits for the second, and answers only then."""

    async def story(world: World) -> None:
        responder, finished = world.instance(), list[str]()
        advance = responder._advance  # pyright: ignore[reportPrivateUsage] # noqa: SLF001

        async def some_fail(incident: IncidentId, because: str, *, written: Chain | None = None) -> None:
            if not finished and not started:
                started.append(incident)
                raise RuntimeError("a fault of its own")
            await asyncio.sleep(3)
            await advance(incident, because, written=written)
            finished.append(incident)

        started: list[str] = []
        responder._advance = some_fail  # pyright: ignore[reportPrivateUsage] # noqa: SLF001
        await responder.receive_events([event(1, leak()), event(2, other_leak())])

        assert len(finished) == 1

    play(story, STATE)


def test_the_same_rubbish_all_day_is_one_document() -> None:
    """A sender that repeats a bad record costs one insertion a day, and the next day is told apart."""

    async def story(world: World) -> None:
        responder = world.instance()
        for _ in range(50):
            await responder.receive_events([{"type": "Cordon.Signal.RiskDetection", "id": "x", "data": None}])
        first = await world.store.documents.query("set-aside")
        await asyncio.sleep(timedelta(days=1).total_seconds())
        await responder.receive_events([{"type": "Cordon.Signal.RiskDetection", "id": "x", "data": None}])
        second = await world.store.documents.query("set-aside")

        assert (len(first), len(second)) == (1, 2)

    play(story, STATE)


@pytest.mark.parametrize("jump", [timedelta(hours=49), timedelta(days=30)])
def test_a_clock_that_ran_ahead_costs_no_window(jump: timedelta) -> None:
    """Marks that were set in the future are no proof: the log is read again as far back as tenants keep it."""
    ahead = START + jump
    coverage = Coverage(watermark=ahead, deep=ahead, reconciled=(ahead, ahead, ahead))
    windows, blocks = list(due_windows(coverage, START)), list(due_blocks(coverage, START))

    assert windows[0].start <= START - timedelta(days=6, hours=23)
    assert windows[-1].end >= START - timedelta(minutes=2)
    assert {number for number, _ in blocks} == {0, 1, 2}


def test_after_the_clock_was_set_right_the_sweep_goes_on_as_usual() -> None:
    """The mark is moved back by the first sweep, and the second one has one overlap to read."""

    async def story(world: World) -> None:
        responder = world.instance()
        ahead = world.clock() + timedelta(days=3)
        await world.store.documents.insert("coverage", "audits", Coverage(watermark=ahead).as_json())
        await responder.sweep_audits()
        asked = len(world.feeds.asked)
        await responder.sweep_audits()

        assert asked >= 7 * 48
        assert len(world.feeds.asked) - asked <= 3

    play(story, STATE)


@dataclass
class _Nobody:
    """A tenant without policies, to which nothing may be sent."""

    async def send(self, call: object) -> JsonObject:
        return {"value": []}

    async def pages(self, call: object, first: JsonObject) -> AsyncIterator[list[JsonObject]]:
        yield []


@pytest.mark.anyio
async def test_a_policy_is_not_made_by_an_instance_that_lost_its_place_while_it_looked() -> None:
    """The look takes its time; who was overtaken meanwhile sends nothing."""

    async def overtaken() -> None:
        raise SequenceTaken(IncidentId("20260302-1a2b3c4d5e6f"), 7)

    writer = RiskPolicyWriter(_Nobody(), _Nobody())  # pyright: ignore[reportArgumentType]
    with pytest.raises(SequenceTaken):
        await writer.cover(PrincipalId(PAYROLL), "enabled", sent_before=False, check=overtaken)
