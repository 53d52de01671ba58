"""Messages that come too early: however many copies there are, one is sent on, and none is lost."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from drill.virtual_time import run
from shared.due import Due
from shared.errors import OutcomeUnknown
from shared.incident import Status
from shared.signal import JsonObject
from shared.store import DrivenQueue
from tests.fakes import START, Crash, password, payroll
from tests.faults.attacks import hooked, no_hook
from tests.stories.world import World, play

pytestmark = pytest.mark.anyio

DELAY = timedelta(seconds=45)
STATE = payroll(application=[password(1)])


class Sender:
    """Counts what is sent; refuses while it is told to."""

    def __init__(self) -> None:
        self.sent, self.refuses = 0, False

    async def __call__(self) -> None:
        if self.refuses:
            raise OutcomeUnknown("sending a message", "no answer")
        self.sent += 1


async def _sent(*moments: datetime, about: tuple[str, ...] = ("one",), not_before: timedelta = timedelta()) -> int:
    """How many messages go out when one is to be sent at each of these moments."""
    due, sender = Due(), Sender()
    for moment in moments:
        for each in about:
            await due.send_once(each, DELAY, sender, moment, not_before=not_before)
    return sender.sent


async def test_a_second_message_is_not_sent_while_one_about_the_same_is_to_come() -> None:
    """It would do what the first one does."""
    assert await _sent(START, START + timedelta(seconds=1), START + timedelta(seconds=44)) == 1


async def test_once_it_has_come_another_is_sent() -> None:
    """What came is no longer to come."""
    assert await _sent(START, START + DELAY) == 2


async def test_messages_about_other_things_are_sent() -> None:
    """One incident's message says nothing of another's."""
    assert await _sent(START, about=("one", "another")) == 2


async def test_where_the_clock_was_set_back_a_message_is_sent() -> None:
    """By that clock the other one would come hours from now, and be too late for this."""
    assert await _sent(START, START - timedelta(hours=1)) == 2


def test_a_message_that_a_clock_set_back_makes_early_is_not_taken_for_another() -> None:
    """It came at its time, and by the clock of now it is still to come: dropped, nothing would go on."""

    async def story() -> int:
        due, sender = Due(), Sender()
        await due.send_once("one", DELAY, sender, START)
        await asyncio.sleep(DELAY.total_seconds() + 1)
        early = timedelta(seconds=5)
        await due.send_once("one", early, sender, START + DELAY - early)
        return sender.sent

    assert run(story, start=START) == 2


async def test_a_message_that_comes_too_soon_for_this_is_no_substitute() -> None:
    """The one that resumes a worker must not come while it is still taken to be at work."""
    assert await _sent(START, START + timedelta(seconds=30), not_before=timedelta(seconds=20)) == 2


async def test_a_sending_without_an_answer_is_not_taken_for_a_message() -> None:
    """It may not be in the queue; then only another one can be."""
    due, sender = Due(), Sender()
    sender.refuses = True
    with pytest.raises(OutcomeUnknown):
        await due.send_once("one", DELAY, sender, START)
    sender.refuses = False

    await due.send_once("one", DELAY, sender, START)

    assert sender.sent == 1


async def test_what_is_remembered_is_bounded_and_the_newest_stay() -> None:
    """A process that lives for weeks sees many incidents."""
    due, sender = Due(), Sender()
    for number in range(10_002):
        await due.send_once(str(number), DELAY, sender, START)
    before = sender.sent

    await due.send_once("10001", DELAY, sender, START)
    await due.send_once("0", DELAY, sender, START)

    assert sender.sent - before == 1


@dataclass
class Counted:
    """A queue that keeps what was sent."""

    inner: DrivenQueue
    sent: list[JsonObject]

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    async def send(self, message: JsonObject, delay: timedelta = timedelta()) -> None:
        self.sent.append(message)
        await self.inner.send(message, delay)


@pytest.mark.parametrize("because", ["resumed", "signal", "watch", "recheck"])
def test_copies_of_a_message_become_one_while_another_instance_is_at_work(because: str) -> None:
    """In constant trouble each copy used to be sent on, and the queue grew by an eighth a minute."""

    async def story(world: World) -> tuple[list[JsonObject], Status]:
        if because in ("watch", "recheck"):  # those are about what was contained before
            calm = world.instance("zero")
            await world.hear_of_leak(calm)
            await world.work_queue(calm, timedelta(seconds=30))
            world.directory.state = replace(world.directory.state, enabled=True)
        with suppress(Crash):
            await _begin(hooked(world, _dies, no_hook), because)
        sent = list[JsonObject]()
        store = replace(world.store, queue=Counted(world.store.queue, sent))  # pyright: ignore[reportArgumentType]
        second = replace(world, store=store).instance("two")
        incident = (await world.chain()).incident
        said = {"watch": {"enabled": False, "asked": False}, "recheck": {"series": 1, "place": 2}}.get(because, {})
        for _ in range(10):
            await second.work({"incident": incident, "because": because, **said})
        told = [json.loads(json.dumps(each)) for each in sent]
        await world.work_queue(world.instance("three"))
        return told, await world.status()

    async def _begin(world: World, because: str) -> None:
        responder = world.instance("one")
        if because in ("watch", "recheck"):
            await responder.work({"incident": (await world.chain()).incident, "because": "watch"})
        else:
            await world.hear_of_leak(responder)

    async def _dies(name: str) -> None:
        if name == "tenant block":
            raise Crash

    sent, status = play(story, STATE)
    assert len(sent) == 1
    assert sent[0]["because"] == because
    assert status is Status.CONTAINED
