"""Seams: what one part does to another's word. An undo, an order, a burst and a watch over the same identity."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.entries import Closed, Decided, HeldBack, Planned, Rechecked, UndoOrdered
from shared.errors import RequestConflicts
from shared.identity import IdentityRef, PrincipalId
from shared.incident import Status
from shared.orders import Order
from shared.policy import ActionChoice
from shared.signal import JsonObject
from tests.fakes import PAYROLL, password, payroll
from tests.stories.test_fight import enable, heard, record
from tests.stories.world import POLICY, World, play

STATE = payroll(application=[password(1)])
ORDER = UndoOrdered(by="Ada", reason="a false alarm")
SOON = timedelta(seconds=40)


def order(name: str, *, id_: str = "order-1", plan_hash: str | None = None) -> Order:
    subject = IdentityRef(principal_id=PrincipalId(PAYROLL))
    return Order(subject, "the owner asks", "Ada", (ActionChoice(name, {}),), plan_hash, id_)


async def contained(world: World, until: timedelta = timedelta(hours=3), number: int = 1) -> str:
    responder = world.instance()
    await world.hear_of_leak(responder, number)
    await world.work_queue(responder, until)
    listed = await world.store.documents.query("incidents")
    return str(listed[0].body["incident"])


async def undone(world: World, id_: str, wanted: UndoOrdered = ORDER) -> None:
    await world.instance().undo(id_, wanted)
    await world.work_queue(world.instance())


def test_what_was_undone_shows_no_proof_and_no_clock() -> None:
    """
    A released identity may sign in: no grade says that this is blocked, and no clock says when access ends. Removed
    secrets do not come back, so their removal goes on being held.
    """

    async def story(world: World) -> None:
        id_ = await contained(world)
        await undone(world, id_)
        view = await world.instance().incident(id_)

        assert view.status is Status.RELEASED
        assert [(step.state, step.grade) for step in view.steps if step.action == "block-sign-in"] == [
            ("put-back", None)
        ]
        assert view.residual is not None
        assert view.residual.proven_at is None
        assert view.residual.not_known
        assert view.residual.surely_over is None

    play(story, STATE)


@pytest.mark.parametrize("until", [SOON, timedelta(hours=3)])
def test_news_about_a_released_identity_contain_it_only_if_policy_says_so(until: timedelta) -> None:
    """It is a new signal in an incident of its own; nothing of the released incident comes back."""

    async def story(world: World) -> None:
        id_ = await contained(world, until)
        await undone(world, id_)
        world.directory.detections = ()
        effects = list(world.directory.effects)
        await heard(world, world.instance(), record(1, world.clock(), "Add service principal credentials"))
        await world.work_queue(world.instance())

        assert world.directory.state.enabled
        assert world.directory.effects == effects
        assert len(await world.store.documents.query("incidents")) == 2

    play(story, STATE)


def test_an_undo_is_refused_while_a_later_incident_holds_the_same_identity() -> None:
    """It would be contained again at the next news; the newest goes first, and then the older one."""

    async def story(world: World) -> None:
        first = await contained(world)
        second = await contained(world, number=2)
        with pytest.raises(RequestConflicts, match=second):
            await world.instance().undo(first, ORDER)
        await undone(world, second)
        await undone(world, first)
        world.directory.detections = ()
        await heard(world, world.instance(), record(1, world.clock(), "Add service principal credentials"))
        await world.work_queue(world.instance())

        assert first != second
        assert world.directory.state.enabled

    play(story, STATE)


@pytest.mark.parametrize("until", [SOON, timedelta(hours=3)])
def test_an_order_of_another_action_ends_no_look_at_what_stands(until: timedelta) -> None:
    """Open or closed: the plan is made of what stands and of what was ordered, and all of it is watched."""

    async def story(world: World) -> None:
        await contained(world, until)
        responder = world.instance()
        world.directory.detections = ()
        preview = await responder.preview(order("custody"))
        assert preview.plan is not None
        id_ = await responder.order(order("custody", plan_hash=preview.plan.hash))
        await world.work_queue(responder, SOON)
        plan = (await world.chain_of(id_)).last(Planned)
        enable(world)
        await heard(world, responder, record(1, world.clock()))
        await world.work_queue(responder, timedelta(minutes=4))

        assert plan is not None
        assert {"block-sign-in", "replace-credentials", "custody"} <= {step.action for step in plan.steps}
        assert not world.directory.state.enabled

    play(story, STATE)


def test_an_order_that_cuts_nothing_off_is_never_called_contained_and_says_what_to_do() -> None:
    """Custody alone holds at every look: the incident needs a person, tells them why, and is closed as that."""

    async def story(world: World) -> None:
        id_ = await world.instance().order(order("custody"))
        await world.work_queue(world.instance(), SOON)
        soon = await world.instance().incident(id_)
        await world.work_queue(world.instance())
        chain = await world.chain_of(id_)

        assert soon.status is Status.NEEDS_ATTENTION
        assert any("nothing of it cuts the identity off" in todo for todo in soon.todo)
        assert [closed.outcome for closed in chain.all(Closed)] == ["needs-attention"]

    play(story, STATE)


OTHER = (
    POLICY
    + """
  - name: new-owner
    when: {risk-detection: {types: [anomalousServicePrincipalActivity]}}
    verdict: contain
    actions: [custody]
"""
)


def test_a_signal_that_asks_for_less_takes_nothing_of_what_stands() -> None:
    """Another rule decides on the newer signal; what was contained goes on being watched."""

    async def story(world: World) -> None:
        await contained(world, SOON)
        world.directory.detections = tuple(
            replace(each, type="anomalousServicePrincipalActivity") for each in world.directory.detections
        )
        await contained(world, timedelta(seconds=20), number=2)
        enable(world)
        await world.work_queue(world.instance(), timedelta(minutes=4))

        assert not world.directory.state.enabled

    play(story, STATE, policy=OTHER)


def test_what_an_undo_left_keeps_its_way_back_when_it_is_contained_again() -> None:
    """Only the credentials were given back; then a new signal contains. The whole undo allows sign-in again."""

    async def story(world: World) -> None:
        id_ = await contained(world, SOON)
        steps = [step.id for step in (await world.instance().incident(id_)).steps]
        rest = tuple(step for step in steps if "block-sign-in" not in step)
        await world.instance().undo(id_, UndoOrdered(by="Ada", reason="the key is good", steps=rest))
        await world.hear_of_leak(world.instance(), 2)
        await world.work_queue(world.instance())
        chain = await world.chain()
        assert chain.place(Decided) > chain.place(UndoOrdered)
        await undone(world, id_)

        assert world.directory.state.enabled

    play(story, STATE)


def test_an_order_by_a_person_does_not_wait_behind_a_burst() -> None:
    """The batch is held back whole; who is ordered by name is no part of it."""

    async def story(world: World) -> None:
        responder = world.instance()
        others: dict[str, JsonObject] = {
            f"20000000-0000-4000-8000-{n:012d}": {"at": world.clock().isoformat()} for n in range(60)
        }
        await world.store.documents.insert_all("undecided", others)
        began = world.clock()
        id_ = await responder.order(order("block-sign-in"))
        await world.work_queue(responder, timedelta(seconds=15))

        assert not world.directory.state.enabled
        assert world.clock() - began < timedelta(seconds=15)
        assert (await world.chain_of(id_)).last(HeldBack) is None

    play(story, STATE)


def test_a_fight_before_the_undo_is_no_strike_after_it() -> None:
    """What was struck belongs to the containment that was given up."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        for _ in range(45):
            await world.work_queue(responder, timedelta(seconds=20))
            enable(world)
            await asyncio.sleep(900)
        id_ = (await world.chain()).incident
        await world.work_queue(responder, SOON)
        chain = await world.chain()
        strikes = sum(look.answer == "not-held" for look in chain.all(Rechecked))
        await responder.undo(id_, ORDER)
        await world.hear_of_leak(responder, 2)
        await world.work_queue(responder, timedelta(hours=3))
        chain = await world.chain_of(id_)
        looks = [line for line in chain.lines if isinstance(line.entry, Rechecked)]

        assert strikes >= 3
        assert chain.place(Decided) > chain.place(UndoOrdered)
        assert looks[-1].record.sequence > chain.place(Decided)
        assert await world.status() is Status.CONTAINED

    play(story, STATE)
