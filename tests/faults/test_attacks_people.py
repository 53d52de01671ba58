"""People who change their mind in the middle: the mode, the protected list, the switch; and broken records."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from shared.actions import ACTIONS
from shared.entries import Escalated, HeldBack, SignalJoined
from shared.errors import JournalDamaged, MalformedSignal
from shared.incident import Status
from shared.journal import IncidentId, Journal, Record
from shared.policy import read_policy
from shared.signal import JsonObject
from shared.store import LocalStore
from tests.fakes import PAYROLL, Crash, password, payroll
from tests.faults.attacks import hooked
from tests.stories.test_people import PROTECTED
from tests.stories.world import World, leak, play

STATE = payroll(application=[password(1)], principal=[password(2)])
EFFECTS = ["tenant block", "tenant RemovePassword"]


async def die_after(world: World, effect: str) -> None:
    """Work until just after this effect; then the process is gone."""

    async def die(name: str) -> None:
        if name == effect:
            raise Crash(name)

    with pytest.raises(Crash):
        await world.hear_of_leak(hooked(world, after=die).instance("old"))


@pytest.mark.parametrize("effect", EFFECTS)
def test_mode_watch_stops_what_mode_act_began(effect: str) -> None:
    """An operator deploys again in mode watch: nothing more is changed, and a person is told."""

    async def story(world: World) -> None:
        await die_after(world, effect)
        before = list(world.directory.effects)
        watching = replace(world, mode="watch")
        await watching.work_queue(watching.instance("new"))

        assert world.directory.effects == before
        assert await world.status() is Status.NEEDS_ATTENTION

    play(story, STATE)


def test_mode_watch_contains_nothing_again() -> None:
    """A later look in mode watch finds sign-in switched on: it says so and leaves it."""

    async def story(world: World) -> None:
        await world.hear_of_leak(world.instance("old"))
        before = list(world.directory.effects)
        world.directory.state = replace(world.directory.state, enabled=True)
        watching = replace(world, mode="watch")
        await watching.work_queue(watching.instance("new"))

        assert world.directory.effects == before
        assert await world.status() is Status.NEEDS_ATTENTION

    play(story, STATE)


def test_an_identity_that_becomes_protected_is_not_touched_any_more() -> None:
    """The policy was changed and deployed in the middle of a containment."""

    async def story(world: World) -> None:
        await die_after(world, "tenant block")
        before = list(world.directory.effects)
        policy = read_policy(PROTECTED, "story.yaml", [action.name for action in ACTIONS])
        careful = replace(world, policy=policy)
        await careful.work_queue(careful.instance("new"))
        held = (await world.chain()).last(HeldBack)

        assert world.directory.effects == before
        assert held is not None
        assert held.by == "protected"

    play(story, STATE)


def test_a_switch_set_twice_stops_twice() -> None:
    """Released, ordered again and set again: that attempt is stopped too, and does not go on by itself."""

    async def story(world: World) -> None:
        responder = world.instance()
        world.switch.reason = "first"
        await world.hear_of_leak(responder)
        await world.work_queue(responder)
        world.directory.detections = (*world.directory.detections,)
        await world.hear_of_leak(responder, 2)
        await asyncio.sleep(60)
        world.switch.reason = None
        await world.work_queue(responder)

        assert world.directory.effects == []

    play(story, STATE)


@pytest.mark.parametrize("incident", ["", "a/b", "..", "x" * 300, "\ud800", "incident?#"])
def test_a_message_with_a_forged_incident_is_set_aside(incident: str) -> None:
    """It can be no key of the store: refused by name, and the poison queue's door does not fail on it for ever."""

    async def story(world: World) -> None:
        responder = world.instance()
        with pytest.raises(MalformedSignal):
            await responder.work({"incident": incident, "because": "signal"})
        await responder.tell_poisoned(json.dumps({"incident": incident, "because": "signal"}).encode())

    play(story, STATE)


def test_work_that_goes_on_failing_calls_a_person_once() -> None:
    """Each of its messages ends in the poison queue for hours; what comes after news is another call."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        incident = (await world.chain()).incident
        poison = json.dumps({"incident": incident, "because": "resumed"}).encode()
        calls = list[int]()
        for number in (1, 2):
            for _ in range(3):
                await responder.tell_poisoned(poison)
            calls.append(sum(1 for _ in (await world.chain()).all(Escalated)))
            await world.hear_of_leak(responder, number + 1)

        assert calls == [1, 2]

    play(story, STATE)


@dataclass
class DamagedJournal:
    """A journal in which one incident can no longer be read."""

    inner: Journal
    damaged: str | None = None

    async def append(self, records: Sequence[Record]) -> None:
        await self.inner.append(records)

    async def read(self, incident: IncidentId) -> Sequence[Record]:
        if incident == self.damaged:
            raise JournalDamaged(f"Record 1 of incident {incident} was changed after it was written.")
        return await self.inner.read(incident)


OTHER = "10000000-0000-4000-8000-000000000002"


def other_leak() -> JsonObject:
    return {**leak(7), "servicePrincipalId": OTHER, "appId": None}


async def _damage(world: World) -> tuple[World, DamagedJournal]:
    journal = DamagedJournal(world.store.journal)
    world = replace(world, store=LocalStore(journal, world.store.documents, world.store.evidence, world.store.queue))
    await world.hear_of_leak(world.instance())
    journal.damaged = (await world.chain()).incident
    return world, journal


def test_a_damaged_journal_does_not_keep_others_from_being_heard() -> None:
    """A sweep brings a record about the damaged incident's identity and one about another: that one is taken in."""

    async def story(world: World) -> None:
        world, _ = await _damage(world)
        world.feeds.detections = [[leak(2), other_leak()]]
        await world.instance("sweeper").sweep_risk()
        listed = await world.store.documents.query("incidents")
        aside = await world.store.documents.query("set-aside")
        heard = [await world.store.journal.read(IncidentId(str(d.body["incident"]))) for d in listed[:1]]

        assert len(listed) == 2
        assert any(record.kind == SignalJoined.kind for record in heard[0])
        assert any("damaged" in str(document.body["why"]) for document in aside)

    play(story, STATE)


def test_the_poison_queue_says_what_it_can_about_a_damaged_incident() -> None:
    """The message about it is set aside; its door does not fail for ever."""

    async def story(world: World) -> None:
        world, journal = await _damage(world)
        message = {"incident": journal.damaged, "because": "resumed"}
        with pytest.raises(JournalDamaged):
            await world.instance("two").work(message)  # pyright: ignore[reportArgumentType]
        await world.instance("two").tell_poisoned(json.dumps(message).encode())

        assert len(await world.store.documents.query("set-aside")) == 1
        assert world.directory.state.identity.principal_id == PAYROLL

    play(story, STATE)
