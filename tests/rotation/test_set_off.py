"""What sets a rotation off: its message, and who takes it before its sender has written that it was sent."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from shared.entries import RotationBegun, RotationEnded, SecretsBegun, SecretsEnded, UndoOrdered, WorkEnded
from shared.errors import Unreachable
from shared.estate import SecretRef
from shared.identity import IdentityRef, PrincipalId
from shared.journal import IncidentId, Journal, Record
from shared.orders import Order
from shared.policy import ActionChoice
from shared.responder import Responder
from shared.rotation_message import SetOff, rotation_message, set_off_by
from shared.signal import JsonObject
from shared.store import MemoryQueue
from tests.fakes import PAYROLL, START
from tests.rotation.test_told import told
from tests.rotation.world import RotationWorld, play, policy

CONN, MORE = SecretRef("shop", "conn"), SecretRef("shop", "more")
ALL = policy(ask="[]")
THEN_MORE = (ActionChoice("block-sign-in", {}), ActionChoice("rotate-secrets", {"ask": []}))


class QuickQueue(MemoryQueue):
    """A queue whose message about a rotation another instance has in hand before its sender goes on."""

    def __init__(self, world: RotationWorld) -> None:
        super().__init__(world.clock)
        self.quick: list[Responder] = []
        self.sent: list[JsonObject] = []

    async def send(self, message: JsonObject, delay: timedelta = timedelta()) -> None:
        self.sent.append(message)
        if self.quick and message["because"] == "rotation" and not delay:
            await self.quick.pop().work(message)
        else:
            await super().send(message, delay)


@dataclass
class JournalThatFails:
    """A journal that cannot be written to once, where it is to say that a rotation was set off."""

    inner: Journal
    fails: bool = False

    async def append(self, records: Sequence[Record]) -> None:
        if self.fails and records[0].kind == SecretsBegun.kind:
            self.fails = False
            raise Unreachable("writing to the journal", "503")
        await self.inner.append(records)

    async def read(self, incident: IncidentId) -> Sequence[Record]:
        return await self.inner.read(incident)


@dataclass
class JournalOfTwo:
    """A journal in which another rotation is set off at the very moment at which the first one ends."""

    inner: Journal
    world: RotationWorld

    async def append(self, records: Sequence[Record]) -> None:
        await self.inner.append(records)
        if records[0].kind == RotationEnded.kind:
            await (await self.world.chain()).write(SecretsBegun(plan_hash="ab" * 32))

    async def read(self, incident: IncidentId) -> Sequence[Record]:
        return await self.inner.read(incident)


async def until(world: RotationWorld, responder: Responder, minutes: float) -> None:
    """Do what is due until then."""
    end = START + timedelta(minutes=minutes)
    await world.work_queue(responder, end - world.clock())
    await asyncio.sleep(max(0.0, (end - world.clock()).total_seconds()))


async def order_more(world: RotationWorld, responder: Responder) -> None:
    """Another secret was read, and a person orders the rotation once more."""
    more = world.storage_secret(MORE, "acct02")
    world.read(MORE, more.version or "", world.clock() - timedelta(minutes=20))
    order = Order(IdentityRef(principal_id=PrincipalId(PAYROLL)), "again", "Ada", THEN_MORE, None, "order-1")
    await responder.order(order)
    await world.work_queue(responder, timedelta(seconds=2))


def value_of(world: RotationWorld, ref: SecretRef) -> str:
    """What was read of it first."""
    return world.vaults.held[ref][0][1]


async def assert_rotated_once(world: RotationWorld) -> None:
    set_off = [*(await world.chain()).all(SecretsBegun)][-1].plan_hash
    begun = [each.plan_hash for each in (await world.secrets_chain()).all(RotationBegun)]
    assert begun.count(set_off) == 1
    assert begun[-1] == set_off
    assert not world.is_alive(value_of(world, MORE))


async def end_first(world: RotationWorld, responder: Responder) -> None:
    """The first rotation is over, as where a person called it off, and the incident is not."""
    await until(world, responder, 20)
    await (await world.secrets_chain()).write(RotationEnded(whole=False, reason="called off"), WorkEnded())
    await (await world.chain()).write(SecretsEnded(whole=False, reason="called off"))


@pytest.mark.parametrize("first_is_over", [True, False])
def test_a_second_rotation_whose_message_is_taken_before_it_is_written_that_it_was_sent(first_is_over: bool) -> None:
    """By what was set off before it was not due and dropped; where that was over, no other message ever came."""

    async def story(world: RotationWorld) -> None:
        queue = QuickQueue(world)
        world = replace(world, store=replace(world.store, queue=queue))
        world.storage_secret(CONN, "acct01", read=True)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await (end_first(world, responder) if first_is_over else until(world, responder, 20))
        queue.quick.append(world.instance("two"))
        await order_more(world, responder)
        assert not queue.quick
        assert len([*(await world.secrets_chain()).all(RotationBegun)]) == 2
        await world.work_queue(responder, timedelta(hours=12))

        await assert_rotated_once(world)

    play(story, text=ALL)


def test_whoever_set_it_off_was_killed_before_it_was_written() -> None:
    """The message is there and its word is not: whoever takes it says the word, and nothing is begun twice."""

    async def story(world: RotationWorld) -> None:
        journal = JournalThatFails(world.store.journal)
        world = replace(world, store=replace(world.store, journal=journal))
        world.storage_secret(CONN, "acct01", read=True)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await until(world, responder, 20)
        journal.fails = True
        with pytest.raises(Unreachable):
            await order_more(world, responder)
        await until(world, world.instance("two"), 20.2)
        begun = [each.plan_hash for each in (await world.secrets_chain()).all(RotationBegun)]
        assert len(begun) == 2
        await world.work_queue(world.instance("three"), timedelta(hours=12))

        await assert_rotated_once(world)

    play(story, text=ALL)


def test_a_message_that_finds_another_in_hand_is_put_off_with_what_it_sets_off() -> None:
    """Sent on without that, it would be dropped by what was set off before."""

    async def story(world: RotationWorld) -> None:
        queue = QuickQueue(world)
        world = replace(world, store=replace(world.store, queue=queue))
        world.storage_secret(CONN, "acct01", read=True)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await until(world, responder, 14)
        await asyncio.sleep(120)  # a look is due
        incident = (await world.chain()).incident
        late = rotation_message(incident, sets_off=SetOff("ab" * 32, 7))
        await asyncio.gather(responder.work(rotation_message(incident)), responder.work(late))

        assert [set_off_by(each) for each in queue.sent if "plan" in each][-1] == SetOff("ab" * 32, 7)

    play(story, text=ALL)


def test_a_late_message_sets_off_nothing_that_was_undone_since() -> None:
    """A person has released the identity: what an older message was to set off is not begun any more."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(CONN, "acct01", read=True)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await until(world, responder, 20)
        chain = await world.chain()
        sets_off = SetOff([*chain.all(SecretsBegun)][-1].plan_hash, chain.records[-1].sequence)
        await responder.undo(chain.incident, UndoOrdered(by="ana", reason="a drill of ours"))
        await world.work_queue(responder, timedelta(hours=3))
        said = len([*(await world.chain()).all(SecretsBegun)])
        await responder.work(rotation_message(chain.incident, sets_off=sets_off))

        assert len([*(await world.chain()).all(SecretsBegun)]) == said
        assert len([*(await world.secrets_chain()).all(RotationBegun)]) == 1

    play(story, text=ALL)


def test_the_end_of_the_first_rotation_is_not_told_as_that_of_the_second() -> None:
    """Between the word that it is set off and its first slice the newest end is that of the one before."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(CONN, "acct01", read=True)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await end_first(world, responder)
        await (await world.chain()).write(SecretsBegun(plan_hash="ab" * 32))
        view, report = await told(world, responder)

        assert view.secrets is not None
        assert report.secrets is not None
        assert (view.secrets.state, report.secrets.state) == ("working", "working")

    play(story, text=ALL)


def test_the_end_of_the_first_rotation_is_not_said_of_one_that_was_set_off_meanwhile() -> None:
    """Both may be written beside each other; what ends it is said of the newest, and that has not begun."""

    async def story(world: RotationWorld) -> None:
        journal = JournalOfTwo(world.store.journal, world)
        world = replace(world, store=replace(world.store, journal=journal))
        world.storage_secret(CONN, "acct01", read=True)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await until(world, responder, 110)

        assert (await world.secrets_chain()).last(RotationEnded) is not None
        assert (await world.chain()).last(SecretsEnded) is None

    play(story, text=ALL)
