"""Many identities on one core: who is not cut off yet goes before the bookkeeping of who is."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from drill.virtual_time import run
from shared.entries import Applied
from shared.errors import Unreachable
from shared.journal import IncidentId
from shared.limits import Batch
from shared.muster import Muster
from shared.precedence import Precedence
from shared.responder import Responder
from tests.engine.bench import Bench
from tests.engine.bench import play as play_alone
from tests.fakes import START, password, payroll
from tests.stories.world import World, play

OTHER = IncidentId("20260302-ba9876543210")
STATE = payroll(application=[password(1)])


def test_the_bookkeeping_waits_until_whoever_is_about_to_be_cut_off_is() -> None:
    """However many turns of the event loop that takes, within bounds, and also if it shows in this very turn."""
    done: list[str] = []
    precedence = Precedence()

    async def keeps_books() -> None:
        await precedence.give_way()
        done.append("book")

    async def cuts_off() -> None:
        precedence.enter(OTHER)
        for _ in range(5):
            await asyncio.sleep(0)
        done.append("cut")
        precedence.leave(OTHER)

    async def both() -> None:
        await asyncio.gather(keeps_books(), cuts_off())

    run(both, start=START)

    assert done == ["cut", "book"]


def test_whoever_waits_for_the_store_holds_up_nobody_for_good() -> None:
    """No time passes, and the bookkeeping goes on although the other has not been cut off."""
    precedence = Precedence()
    precedence.enter(OTHER)

    async def gives_way() -> float:
        before = asyncio.get_running_loop().time()
        await precedence.give_way()
        return asyncio.get_running_loop().time() - before

    assert run(gives_way, start=START) == 0.0


def test_a_write_is_journaled_after_another_identity_was_cut_off_and_never_skipped() -> None:
    """The answer to the write stands in the journal once the other has left, and before the proof is read."""

    async def story(bench: Bench) -> None:
        await bench.start()
        plan = await bench.plan("block-sign-in")
        known: list[bool] = []

        async def other() -> None:
            bench.precedence.enter(OTHER)
            for _ in range(10):  # turns, in which alone it would all be done
                await asyncio.sleep(0)
            assert not bench.directory.state.enabled
            known.append(bench.chain.last(Applied) is not None)
            bench.precedence.leave(OTHER)

        done, _ = await asyncio.gather(bench.carry_out(plan), other())

        assert done
        assert known == [False]
        assert bench.kinds(plan.steps[0]) == ["intended", "applied", "verified"]

    play_alone(story, STATE)


class _UnreadableMuster(Muster):
    """A list that the store does not give."""

    async def others(self, own: Sequence[str]) -> Batch:
        raise Unreachable("reading who is undecided", "the store does not answer")


@pytest.mark.parametrize("what", ["contained", "held back", "the store fails meanwhile"])
def test_nobody_stays_ahead_of_the_others_for_good(what: str) -> None:
    """Whatever becomes of the work on an incident, it gives its place back."""

    async def story(world: World) -> None:
        desk = world.desk()
        if what == "the store fails meanwhile":
            desk = replace(desk, muster=_UnreadableMuster(world.store.documents, world.policy, world.clock))

        await world.hear_of_leak(Responder(desk))

        assert world.directory.state.enabled is (what != "contained")
        assert not desk.precedence.is_anybody_near

    play(story, STATE, mode="ask" if what == "held back" else "act")
