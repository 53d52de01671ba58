"""An identity that was contained, deleted by somebody and restored on an order can be let go like any other."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.entries import UndoOrdered
from shared.errors import RequestConflicts
from shared.identity import IdentityRef
from shared.incident import Status
from shared.orders import Order
from shared.policy import ActionChoice
from shared.responder import Responder
from tests.fakes import PAYROLL, password, payroll
from tests.stories.world import POLICY, World, play

STATE = payroll(application=[password(1)])
BLOCK_ALONE = POLICY.replace(", replace-credentials", "")
UNDO = UndoOrdered(by="duty", reason="it was a false alarm")
DAY = timedelta(days=1)


async def contain(world: World, responder: Responder, looks: timedelta) -> str:
    await world.hear_of_leak(responder)
    await world.work_queue(responder, looks)
    return (await world.chain()).incident


async def delete_and_restore(world: World, responder: Responder, looks: timedelta) -> str:
    """Somebody deletes it; a person orders that it comes back, blocked."""
    world.directory.deleted = True
    order = Order(IdentityRef(PAYROLL), "we need it", "Ada", (ActionChoice("restore-application", {}),), None, "r1")
    incident = await responder.order(order)
    await world.work_queue(responder, looks)
    return incident


async def undo(world: World, responder: Responder, incident: str, order: UndoOrdered = UNDO) -> Status:
    await responder.undo(incident, order)
    await world.work_queue(responder, timedelta(minutes=5))
    return (await responder.incident(incident)).status


def test_what_was_restored_by_a_later_incident_is_let_go_by_undoing_the_first() -> None:
    """It signs in again and stays there; the later incident keeps it blocked no more, and says so."""

    async def story(world: World) -> None:
        responder = world.instance()
        first = await contain(world, responder, DAY)
        later = await delete_and_restore(world, responder, DAY)
        status = await undo(world, responder, first)
        await world.store.queue.send({"incident": later, "because": "watch"})
        await world.work_queue(responder)
        view, report = await responder.incident(later), await responder.report(later)

        assert first != later
        assert status is Status.RELEASED
        assert world.directory.state.enabled
        assert not world.directory.deleted
        assert view.status is Status.RELEASED
        assert "What it restored stays" in str(report)
        assert "Cordon.Incident.Released" in [type_ for type_, _ in world.topic.published]

    play(story, STATE, policy=BLOCK_ALONE)


def test_the_later_incident_keeps_its_block_where_only_something_else_is_put_back() -> None:
    """What somebody allows then is blocked again."""

    async def story(world: World) -> None:
        responder = world.instance()
        first = await contain(world, responder, DAY)
        later = await delete_and_restore(world, responder, DAY)
        steps = [step.id for step in (await responder.incident(first)).steps if "service-principal" in step.id]
        await undo(world, responder, first, replace_steps(UNDO, *steps))
        world.directory.state = replace(world.directory.state, enabled=True)
        await world.store.queue.send({"incident": later, "because": "watch"})
        await world.work_queue(responder)

        assert not world.directory.state.enabled
        assert (await responder.incident(later)).status is Status.CONTAINED

    play(story, STATE)


def replace_steps(order: UndoOrdered, *steps: str) -> UndoOrdered:
    return order.model_copy(update={"steps": steps})


async def order(world: World, responder: Responder, action: str, id_: str) -> str:
    named = Order(IdentityRef(PAYROLL), "so decided", "Ada", (ActionChoice(action, {}),), None, id_)
    incident = await responder.order(named)
    await world.work_queue(responder, DAY)
    return incident


def test_what_was_restored_twice_is_let_go_by_undoing_the_first() -> None:
    """Neither restoration blocks it again at the next news."""

    async def story(world: World) -> None:
        responder = world.instance()
        first = await contain(world, responder, DAY)
        later = list[str]()
        for id_ in ("r1", "r2"):
            world.directory.deleted = True
            later.append(await order(world, responder, "restore-application", id_))
        await undo(world, responder, first)
        for each in later:
            await world.store.queue.send({"incident": each, "because": "watch"})
        await world.work_queue(responder)

        assert len({first, *later}) == 3
        assert world.directory.state.enabled

    play(story, STATE, policy=BLOCK_ALONE)


def test_a_deletion_that_was_ordered_before_the_restoration_is_undone_first() -> None:
    """It would have the watch again, and take the restoration for somebody's work against it: it deleted once more."""

    async def story(world: World) -> None:
        responder = world.instance()
        first = await contain(world, responder, DAY)
        deletion = await order(world, responder, "delete-application", "d1")
        await order(world, responder, "restore-application", "r1")
        with pytest.raises(RequestConflicts, match=f"{deletion} contained the same identity later, and stands"):
            await responder.undo(first, UNDO)
        undone = [await undo(world, responder, each) for each in (deletion, first)]
        for each in (deletion, first):
            await world.store.queue.send({"incident": each, "because": "watch"})
        await world.work_queue(responder)

        assert undone == [Status.RELEASED, Status.RELEASED]
        assert world.directory.state.enabled
        assert not world.directory.deleted
        assert world.directory.effects.count("DeleteApplication") == 1

    play(story, STATE, policy=BLOCK_ALONE)


def test_while_the_restoration_is_looked_at_it_is_said_that_undoing_it_would_delete() -> None:
    """Nobody is sent to undo that one first."""

    async def story(world: World) -> None:
        responder = world.instance()
        first = await contain(world, responder, DAY)
        await delete_and_restore(world, responder, timedelta(minutes=10))
        with pytest.raises(RequestConflicts, match="would delete the identity once more"):
            await responder.undo(first, UNDO)

    play(story, STATE, policy=BLOCK_ALONE)


@pytest.mark.parametrize("named", [False, True])
def test_an_incident_that_contained_and_restored_is_undone_without_deleting_again(named: bool) -> None:
    """The order to undo all of it, or its block by name, lets it sign in; nobody blocks it again."""

    async def story(world: World) -> None:
        responder = world.instance()
        first = await contain(world, responder, timedelta(seconds=30))
        same = await delete_and_restore(world, responder, DAY)
        status = await undo(world, responder, first, replace_steps(UNDO, "1-block-sign-in") if named else UNDO)
        await world.store.queue.send({"incident": first, "because": "watch"})
        await world.work_queue(responder)

        assert first == same
        assert world.directory.state.enabled
        assert not world.directory.deleted
        assert status is (Status.NEEDS_ATTENTION if named else Status.RELEASED)

    play(story, STATE, policy=BLOCK_ALONE)


def test_a_restoration_alone_is_still_undone_by_deleting_again() -> None:
    """That is what it was."""

    async def story(world: World) -> None:
        responder = world.instance()
        later = await delete_and_restore(world, responder, DAY)

        assert await undo(world, responder, later) is Status.RELEASED
        assert world.directory.deleted

    play(story, STATE)
