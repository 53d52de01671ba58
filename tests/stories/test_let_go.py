"""What a person has let go beside what stands: begun once, by its checks, and never at the cost of a signal."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.case import CouldNotLook, PartName
from shared.entries import Closed, Planned
from shared.execution import Execution
from shared.identity import IdentityRef
from shared.orders import Order
from shared.policy import ActionChoice
from shared.responder import Responder
from shared.signal import JsonObject
from shared.standing import is_decided, is_let_go, subject_of, waiting_plan
from shared.tenant import Gathered
from tests.fakes import Crash
from tests.faults.attacks import hooked
from tests.stories.test_more_asked import (
    ASKS,
    STATE,
    TWO_RULES,
    dies_as_it_begins,
    drifts,
    enable,
    failing,
    first_plan,
    waits_beside,
)
from tests.stories.world import World, leak, play

ASK = TWO_RULES.replace("VERDICT", "ask")


def _not_told(_: Execution) -> None:
    """Older versions did not tell of which plan a step's intent is."""


def _drifts_blocked(world: World) -> None:
    drifts(world)
    world.directory.state = replace(world.directory.state, enabled=False)


async def _hear_third(world: World, responder: Responder) -> None:
    data: JsonObject = {**leak(3), "riskEventType": "suspiciousSignins"}
    found = world.directory.detections
    world.directory.detections = (*found, replace(found[0], id=str(data["id"]), type="suspiciousSignins"))
    await responder.receive_events([{"type": "Cordon.Signal.RiskDetection", "id": "e3", "source": "t", "data": data}])


def test_what_an_older_version_did_again_begins_no_plan_that_waited_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(world: World) -> None:
        responder = world.instance()
        with monkeypatch.context() as old:
            old.setattr(Execution, "_plan_hash", _not_told)
            await waits_beside(world, responder)
            chain = await world.chain()
            plan = waiting_plan(chain)
            assert plan is not None
            enable(world)
            await responder.work({"incident": chain.incident, "because": "watch"})
            await world.work_queue(responder, timedelta(minutes=2))
        _drifts_blocked(world)
        await responder.approve(chain.incident, plan.hash, approved=True, reason="do it", by="Ada")
        await world.work_queue(responder, timedelta(minutes=2))
        newest = (await world.chain()).last(Planned)

        assert newest is not None
        assert newest.hash != plan.hash
        assert "tags=cordon-custody" not in world.directory.effects

    play(story, STATE, policy=ASK)


@pytest.mark.parametrize("approved", [True, False])
def test_a_signal_that_could_not_be_judged_is_not_forgotten_behind_what_was_contained_again(approved: bool) -> None:
    async def story(world: World) -> None:
        responder = world.instance()
        await waits_beside(world, responder)
        chain = await world.chain()
        plan = waiting_plan(chain)
        assert plan is not None
        failing(world, CouldNotLook("throttled", may_help_later=True))
        if approved:
            await responder.approve(chain.incident, plan.hash, approved=True, reason="do it", by="Ada")
            drifts(world)
        with suppress(Crash):  # it joins, and whoever took it in dies
            await _hear_third(world, hooked(world, dies_as_it_begins).instance("two"))
        enable(world)
        await responder.work({"incident": chain.incident, "because": "watch"})
        failing(world, None)
        await world.work_queue(responder, timedelta(hours=1))

        assert is_decided(await world.chain())

    play(story, STATE, policy=ASK)


def test_an_approved_plan_whose_identity_was_not_there_to_be_checked_is_not_carried_out() -> None:
    async def story(world: World) -> None:
        responder = world.instance()
        await waits_beside(world, responder)
        chain, look, reads = await world.chain(), type(world.directory).look.__get__(world.directory), list[object]()
        plan, gone = waiting_plan(chain), CouldNotLook("there is no such service principal", gone=True)
        assert plan is not None

        async def once_gone(subject: IdentityRef, parts: frozenset[PartName]) -> Gathered:
            found = await look(subject, parts)
            reads.append(parts)
            return replace(found, identity=gone) if len(reads) == 1 else found

        world.directory.look = once_gone  # pyright: ignore[reportAttributeAccessIssue]
        _drifts_blocked(world)
        await responder.approve(chain.incident, plan.hash, approved=True, reason="do it", by="Ada")
        await world.work_queue(responder, timedelta(minutes=1))

        assert "tags=cordon-custody" not in world.directory.effects

    play(story, STATE, policy=ASK)


def test_an_approved_plan_that_has_nothing_left_to_write_is_begun_and_its_incident_ends() -> None:
    async def story(world: World) -> None:
        responder = world.instance()
        incident, hash_ = await first_plan(world, responder)
        await responder.approve(incident, hash_, approved=True, reason="leaked", by="Ada")
        await world.work_queue(responder, timedelta(minutes=3))
        subject = IdentityRef(principal_id=subject_of(await world.chain()).principal_id)
        await responder.order(Order(subject, "sure", "Bob", (ActionChoice("block-sign-in", {}),), None, "r1"))
        await world.work_queue(responder, timedelta(minutes=4))  # a look in between proves it all once more
        plan = waiting_plan(await world.chain())
        assert plan is not None
        await responder.approve(incident, plan.hash, approved=True, reason="do it", by="Ada")
        await world.work_queue(responder, timedelta(hours=3))
        chain = await world.chain()
        closed = chain.last(Closed)

        assert not is_let_go(chain)
        assert closed is not None
        assert closed.outcome == "contained"

    play(story, STATE, policy=ASKS, mode="ask")


def test_an_answer_is_not_used_up_while_the_switch_keeps_what_stands_from_being_contained_again() -> None:
    """The block could not be done again, so that the identity seemed to have changed since the plan was made."""

    async def story(world: World) -> None:
        responder = world.instance()
        await waits_beside(world, responder)
        chain = await world.chain()
        plan = waiting_plan(chain)
        assert plan is not None
        await world.switch.set(stopped=True, reason="a test", by="Ada")
        await responder.approve(chain.incident, plan.hash, approved=True, reason="do it", by="Ada")
        await world.work_queue(responder, timedelta(seconds=30))
        enable(world)
        before = list(world.directory.effects)
        await responder.work({"incident": chain.incident, "because": "watch"})
        newest, stopped = (await world.chain()).last(Planned), list(world.directory.effects)
        await world.switch.set(stopped=False, reason="", by="Ada")
        await responder.work({"incident": chain.incident, "because": "watch"})
        await world.work_queue(responder, timedelta(minutes=2))

        assert newest == plan
        assert stopped == before
        assert not world.directory.state.enabled
        assert "tags=cordon-custody" in world.directory.effects

    play(story, STATE, policy=ASK)
