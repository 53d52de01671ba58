"""An undo that the switch stops, that cannot be proven, or that lifts what an older incident holds."""

import asyncio
from datetime import timedelta

import pytest

from shared.case import CouldNotLook
from shared.entries import UndoApplied, UndoEnded
from shared.identity import IdentityRef, PrincipalId
from shared.incident import Status
from shared.orders import Order
from shared.policy import ActionChoice
from tests.fakes import PAYROLL, PAYROLL_APP, Crash, password, payroll
from tests.faults.attacks import hooked
from tests.stories.test_fight import enable, heard, record
from tests.stories.test_undo_of_several import ORDER, WATCHING, contained, undo, undo_only
from tests.stories.world import World, play

STATE = payroll(application=[password(1)])


async def undo_under_the_switch(world: World, incident: str) -> None:
    """It is ordered and stopped; then the switch is released, and nobody orders again."""
    await world.switch.set(stopped=True, reason="wait", by="Ada")
    await world.instance().undo(incident, ORDER)
    await world.work_queue(world.instance(), timedelta(minutes=30))
    await world.switch.set(stopped=False, reason="", by="Ada")


@pytest.mark.parametrize("by", ["a leak", "a change of its name"])
def test_an_undo_that_the_switch_stopped_is_begun_again_by_no_signal(by: str) -> None:
    """A day later a new leak, or whoever changed the name, had sign-in allowed by an order that was given up."""

    async def story(world: World) -> None:
        incident = await contained(world, 1)
        await undo_under_the_switch(world, incident)
        await world.work_queue(world.instance(), timedelta(hours=30))
        await asyncio.sleep(86400)
        if by == "a leak":
            await world.hear_of_leak(world.instance(), 2)
        else:
            world.directory.detections = ()
            at, kind, changed = world.clock(), "Application", "DisplayName"
            named = record(1, at, "Update application", target=PAYROLL_APP, kind=kind, changed=changed)
            await heard(world, world.instance(), named)
        await world.work_queue(world.instance(), timedelta(minutes=5))

        assert not list((await world.chain()).all(UndoApplied))
        assert not world.directory.state.enabled

    play(story, STATE)


def test_what_an_undo_never_came_to_is_watched_after_the_switch_stopped_it() -> None:
    """Sign-in was allowed again by somebody else, and no look and no news contained it."""

    async def story(world: World) -> None:
        incident = await contained(world, 1)
        await undo_under_the_switch(world, incident)
        ended = (await world.chain()).last(UndoEnded)
        status = await world.status()
        enable(world)
        await heard(world, world.instance(), record(1, world.clock()))
        await world.work_queue(world.instance(), timedelta(minutes=5))
        blocked = not world.directory.state.enabled
        await world.instance().undo(incident, ORDER)
        await world.work_queue(world.instance(), timedelta(minutes=30))

        assert ended is not None
        assert not ended.whole
        assert status is Status.NEEDS_ATTENTION
        assert blocked
        assert world.directory.state.enabled
        assert await world.status() is Status.RELEASED

    play(story, STATE)


def test_what_a_smaller_order_leaves_is_watched_after_the_switch_stopped_one_for_all() -> None:
    async def story(world: World) -> None:
        incident = await contained(world, 1)
        await undo_under_the_switch(world, incident)
        await undo_only(world, incident, "remove-app-roles")
        stands = not world.directory.state.enabled
        world.directory.detections = ()
        enable(world)
        await heard(world, world.instance(), record(1, world.clock()))
        await world.work_queue(world.instance(), timedelta(hours=3))

        assert stands
        assert not world.directory.state.enabled

    play(story, STATE, policy=WATCHING)


@pytest.mark.parametrize("by", ["a leak", "an order"])
def test_an_undo_that_cannot_be_proven_holds_up_no_new_containment(by: str) -> None:
    """Sign-in was allowed already, the owners could not be read, and a new leak waited for that for half an hour."""

    async def story(world: World) -> None:
        incident = await contained(world, 1)
        world.directory.owners = CouldNotLook("Graph is throttling", may_help_later=True)
        await world.instance().undo(incident, ORDER)
        await world.work_queue(world.instance(), timedelta(minutes=2))
        allowed = world.directory.state.enabled
        if by == "a leak":
            await world.hear_of_leak(world.instance(), 2)
        else:
            block = (ActionChoice("block-sign-in", {}),)
            order = Order(IdentityRef(PrincipalId(PAYROLL)), "now", "Ada", block, None, "r9")
            await world.instance().order(order)
        await world.work_queue(world.instance(), timedelta(minutes=5))

        assert allowed
        assert not world.directory.state.enabled

    play(story, STATE, policy=WATCHING.replace("remove-app-roles", "custody"))


def test_an_undo_of_a_newer_incident_leaves_no_older_one_that_says_contained_and_is_not() -> None:
    """The newer one had found sign-in allowed, and gave that back: what the older one stands for is blocked again."""

    async def story(world: World) -> None:
        older = await contained(world, 1)
        enable(world)
        newer = await contained(world, 2)
        await undo(world, newer)
        await world.work_queue(world.instance(), timedelta(minutes=10))
        shown = await world.instance().incident(older)

        assert older != newer
        assert shown.status is Status.CONTAINED
        assert not world.directory.state.enabled

    play(story, STATE)


BLOCK = WATCHING.replace(", remove-app-roles", "")


def test_what_may_have_been_put_back_is_not_told_as_standing() -> None:
    """The write was sent, its instance died, and the switch stopped the next: Cordon blocked what it had given back."""

    async def story(world: World) -> None:
        incident = await contained(world, 1)
        await world.instance().undo(incident, ORDER)

        async def dies(name: str) -> None:
            if name == "tenant block":
                raise Crash

        with pytest.raises(Crash):
            await world.work_queue(hooked(world, after=dies).instance(), timedelta(minutes=1))
        await world.switch.set(stopped=True, reason="wait", by="Ada")
        await world.work_queue(world.instance("two"), timedelta(minutes=5))
        ended = (await world.chain()).last(UndoEnded)
        await world.switch.set(stopped=False, reason="", by="Ada")
        await world.work_queue(world.instance("two"), timedelta(hours=3))

        assert ended is not None
        assert ended.untouched == ()
        assert "may be put back" in ended.reason
        assert world.directory.state.enabled

    play(story, STATE, policy=BLOCK)


def test_what_stands_is_contained_again_once_the_switch_lets_it_after_a_look_that_it_stopped() -> None:
    """The first look found it undone and might do nothing; those after it passed over what was not proven just then."""

    async def story(world: World) -> None:
        incident = await contained(world, 1)
        world.directory.detections = ()
        await world.switch.set(stopped=True, reason="wait", by="Ada")
        await world.instance().undo(incident, ORDER)
        await world.work_queue(world.instance(), timedelta(seconds=2))
        enable(world)
        await world.work_queue(world.instance(), timedelta(seconds=30))
        stopped = world.directory.state.enabled
        await world.switch.set(stopped=False, reason="", by="Ada")
        await heard(world, world.instance(), record(1, world.clock()))
        await world.work_queue(world.instance(), timedelta(minutes=5))

        assert stopped
        assert not world.directory.state.enabled

    play(story, STATE, policy=BLOCK)


def test_a_harmless_record_ends_no_undo_that_waits_for_a_fault_to_pass() -> None:
    """Somebody gave the application another name, and the owners were never given back."""

    async def story(world: World) -> None:
        incident = await contained(world, 1)
        world.directory.detections = ()
        world.directory.owners, owners = CouldNotLook("throttled", may_help_later=True), world.directory.owners
        await world.instance().undo(incident, ORDER)
        await world.work_queue(world.instance(), timedelta(minutes=2))
        at, kind, changed = world.clock(), "Application", "DisplayName"
        named = record(1, at, "Update application", target=PAYROLL_APP, kind=kind, changed=changed)
        await heard(world, world.instance(), named)
        await world.work_queue(world.instance(), timedelta(minutes=3))
        world.directory.owners = owners
        await world.work_queue(world.instance(), timedelta(hours=1))
        ended = (await world.chain()).last(UndoEnded)

        assert ended is not None
        assert ended.whole

    play(story, STATE, policy=WATCHING.replace("remove-app-roles", "custody"))


def test_a_crash_as_an_undo_is_put_down_leaves_what_stands_with_looks_to_come() -> None:
    async def story(world: World) -> None:
        incident = await contained(world, 1)
        await world.switch.set(stopped=True, reason="wait", by="Ada")
        await world.instance().undo(incident, ORDER)

        async def dies(name: str) -> None:
            if "undo-ended" in name:
                raise Crash

        with pytest.raises(Crash):
            await world.work_queue(hooked(world, after=dies).instance(), timedelta(minutes=1))
        await world.work_queue(world.instance("two"), timedelta(minutes=30))
        await world.switch.set(stopped=False, reason="", by="Ada")
        enable(world)
        await world.work_queue(world.instance("two"), timedelta(hours=3))

        assert not world.directory.state.enabled

    play(story, STATE, policy=WATCHING)


def test_the_older_incident_looks_also_where_the_switch_stopped_the_undo_of_the_newer_one() -> None:
    """Sign-in was allowed before the switch came, and the watch stayed with the one that had given it up."""

    async def story(world: World) -> None:
        older = await contained(world, 1)
        enable(world)
        await world.instance().undo(await contained(world, 2), ORDER)

        async def stops(name: str) -> None:
            if name == "tenant block":
                await world.switch.set(stopped=True, reason="wait", by="Ada")

        await world.work_queue(hooked(world, after=stops).instance(), timedelta(minutes=2))
        allowed = world.directory.state.enabled
        await world.switch.set(stopped=False, reason="", by="Ada")
        world.directory.detections = ()
        await heard(world, world.instance(), record(1, world.clock()))
        await world.work_queue(world.instance("two"), timedelta(hours=5))

        assert allowed
        assert (await world.instance().incident(older)).status is Status.CONTAINED
        assert not world.directory.state.enabled

    play(story, STATE)
