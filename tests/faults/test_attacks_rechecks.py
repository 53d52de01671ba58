"""Later looks under attack: a kill, a rival or an attacker at the wrong moment must not cost the next look."""

import asyncio
import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.case import CouldNotLook, PartName
from shared.entries import Applied, Closed, Escalated, Rechecked, RechecksSet, WorkStarted
from shared.errors import PermissionMissing
from shared.fight import FIGHT_ROUNDS
from shared.identity import IdentityRef
from shared.incident import Status
from shared.tenant import Gathered
from tests.fakes import Crash, FakeDirectory, password, payroll
from tests.faults.attacks import hooked, is_clean
from tests.stories.world import World, play

STATE = payroll(application=[password(1)])


async def die_hard(world: World, mortal: World, until: timedelta = timedelta(hours=3)) -> None:
    """Work the queue as the host does: a message whose worker died comes back, to another instance."""
    end, current = world.clock() + until, mortal
    while (due := await world.store.queue.next_due()) is not None and due <= end:
        await sleep_until(world, due)
        for received in await world.store.queue.receive(1, timedelta(seconds=20)):
            try:
                await current.instance(f"life {id(current)}").work(json.loads(received.body))
            except Crash:
                current = world
                continue
            await world.store.queue.delete(received)


async def sleep_until(world: World, due: datetime) -> None:
    await asyncio.sleep(max(0.0, (due - world.clock()).total_seconds()))


@pytest.mark.parametrize("place", [1, 2, 5])
def test_a_kill_after_a_look_found_it_undone_does_not_leave_it_undone(place: int) -> None:
    """The look is in the journal and nothing else is: whoever gets the message again contains again."""

    async def story(world: World) -> None:
        looks = 0

        async def die(name: str) -> None:
            nonlocal looks
            if name == "journal append rechecked":
                looks += 1
                if looks == place:
                    raise Crash(name)

        async def undo(name: str) -> None:
            if name == "look" and looks == place - 1:
                world.directory.state = replace(world.directory.state, enabled=True)

        await world.hear_of_leak(world.instance())
        await die_hard(world, hooked(world, undo, die))

        assert is_clean(world)
        assert await world.status() is Status.CONTAINED

    play(story, STATE)


def test_a_kill_after_the_last_look_does_not_leave_the_incident_open() -> None:
    """The last look held and its worker died: the incident is closed by whoever gets the message again."""

    async def story(world: World) -> None:
        looks = 0

        async def die(name: str) -> None:
            nonlocal looks
            looks += name == "journal append rechecked"
            if name == "journal append rechecked" and looks == 5:
                raise Crash(name)

        await world.hear_of_leak(world.instance())
        await die_hard(world, hooked(world, after=die))
        closed = (await world.chain()).last(Closed)

        assert closed is not None
        assert closed.outcome == "contained"

    play(story, STATE)


@pytest.mark.parametrize("place", [1, 5])
def test_a_look_that_lost_against_a_rival_is_taken_later(place: int) -> None:
    """A rival writes to the incident between this instance's look and its record: the look is not dropped."""

    async def story(world: World) -> None:
        rival, looked = world.instance("rival"), 0

        async def interfere(name: str) -> None:
            nonlocal looked
            if name == "look":
                looked += 1
                if looked == place:
                    chain = await world.chain()
                    await chain.write(WorkStarted(attempt=2, instance="rival", because="signal"))
                    await rival.work({"incident": chain.incident, "because": "resumed"})

        await world.hear_of_leak(world.instance("one"))
        await die_hard(world, hooked(world, before=interfere))
        chain = await world.chain()
        series = chain.last(RechecksSet)
        assert series is not None
        places = {look.number for look in chain.all(Rechecked) if look.series == series.series}

        assert places == {1, 2, 3, 4, 5}
        assert chain.last(Closed) is not None

    play(story, STATE)


def test_contained_is_not_the_word_for_half_a_plan() -> None:
    """Sign-in is blocked for good, and the secret could not be removed: closed, but not as contained."""

    async def story(world: World) -> None:
        def refuse(name: str) -> None:
            if name.startswith("removePassword"):
                raise PermissionMissing(doing="removing", needs="Application.ReadWrite.All", request_id="r")

        world.directory.before_write = refuse
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder)
        closed = (await world.chain()).last(Closed)

        assert await world.status() is Status.NEEDS_ATTENTION
        assert closed is not None
        assert closed.outcome == "needs-attention"

    play(story, STATE)


POLICY_OF_TWO = """
version: 1
rules:
  - name: leaked-credential
    when: {risk-detection: {types: [leakedCredentials]}}
    verdict: contain
    actions: [block-sign-in, confirm-compromised]
"""


class Flickering(FakeDirectory):
    """A directory whose list of risks can be read each second time only: for a proof, never for the look after."""

    read = 0

    async def look(self, subject: IdentityRef, parts: frozenset[PartName]) -> Gathered:
        seen = await super().look(subject, parts)
        if PartName.RISK not in parts:
            return seen
        self.read += 1
        return seen if self.read % 2 else replace(seen, risk=CouldNotLook("Graph answers 503", may_help_later=True))


def test_a_read_that_fails_at_every_later_look_is_not_written_against_for_ever() -> None:
    """Each look is blind and each new proof is not: the looks grow apart, and a person is called in the end."""

    async def story(world: World) -> None:
        directory = Flickering(world.directory.state, world.clock, detections=world.directory.detections)
        world = replace(world, directory=directory)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(hours=6))
        chain = await world.chain()
        call, closed = chain.last(Escalated), chain.last(Closed)

        assert sum(look.answer == "unknown" for look in chain.all(Rechecked)) == FIGHT_ROUNDS
        assert directory.effects.count("confirmCompromised") <= FIGHT_ROUNDS + 1
        assert call is not None
        assert "could not be read" in call.reason
        assert "by somebody" not in call.reason
        assert closed is not None
        assert closed.outcome == "needs-attention"
        assert not directory.state.enabled
        assert await world.store.queue.next_due() is None

    play(story, STATE, policy=POLICY_OF_TWO)


def test_a_look_that_news_called_for_and_that_could_not_see_is_taken_again() -> None:
    """It was switched on long after the last look, the log tells of it, and just then Graph does not answer."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder)
        world.directory.state = replace(world.directory.state, enabled=True)
        world.directory.unreadable = CouldNotLook("Graph answers 503", may_help_later=True)
        incident = (await world.chain()).incident
        await world.store.queue.send({"incident": incident, "because": "watch"})
        await world.work_queue(responder, timedelta(seconds=1))
        world.directory.unreadable = None
        await world.work_queue(responder, timedelta(minutes=5))

        assert is_clean(world)

    play(story, STATE)


def test_news_that_lost_against_a_rivals_older_look_is_looked_at_again() -> None:
    """
    Long after it was closed a rival looks at some other news; then the identity is switched on, and the look at that
    finds its place in the journal taken. Nobody else would look again.
    """

    async def story(world: World) -> None:
        await world.hear_of_leak(world.instance())
        await world.work_queue(world.instance())
        watch = {"incident": (await world.chain()).incident, "because": "watch"}
        has_seen_it, has_written = asyncio.Event(), asyncio.Event()
        tasks: list[asyncio.Task[None]] = []

        async def lose(name: str) -> None:
            if name == "journal append verified" and not has_written.is_set():
                has_seen_it.set()
                await has_written.wait()

        async def win(name: str) -> None:
            if name == "journal append verified" and not tasks:
                world.directory.state = replace(world.directory.state, enabled=True)
                tasks.append(
                    asyncio.ensure_future(hooked(world, lose).instance("two").work({**watch, "enabled": True}))
                )
                await has_seen_it.wait()

        await hooked(world, win).instance("one").work(watch)
        has_written.set()
        await asyncio.gather(*tasks)
        await world.work_queue(world.instance("two"), timedelta(minutes=30))

        assert is_clean(world)

    play(story, STATE)


@pytest.mark.parametrize(("back", "looks"), [(1, 0), (0, 1)], ids=["set before the write", "set after it"])
def test_a_look_that_was_set_before_the_newest_write_is_dropped_whatever_the_clock_says(back: int, looks: int) -> None:
    """
    An attempt that failed had set the same series; its look would come within seconds of the write, and by a clock that
    is four minutes ahead nobody can see that.
    """

    async def story(world: World) -> int:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(seconds=1))
        chain = await world.chain()
        newest = chain.last(RechecksSet)
        assert newest is not None
        ahead = replace(world, clock=lambda: world.clock() + timedelta(minutes=4)).instance("two")
        look = {"series": newest.series, "place": 1, "written": chain.place(Applied) - back}
        await ahead.work({"incident": chain.incident, "because": "recheck", **look})
        return sum(1 for _ in (await world.chain()).all(Rechecked))

    assert play(story, STATE) == looks
