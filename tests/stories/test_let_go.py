"""What a person has let go beside what stands: begun once, by its checks, and never at the cost of a signal."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.case import CouldNotLook, PartName, RiskState
from shared.chain import Chain
from shared.entries import Approved, Closed, Planned, RotationBegun, SecretsBegun, UndoOrdered
from shared.execution import Execution
from shared.identity import IdentityRef
from shared.journal import IncidentId
from shared.orders import Order
from shared.policy import ActionChoice
from shared.precedence import Precedence
from shared.responder import Responder
from shared.rotation_sitting import is_begun
from shared.signal import JsonObject
from shared.standing import is_decided, is_let_go, subject_of, waiting_plan
from shared.tenant import Gathered
from tests.fakes import START, Crash
from tests.faults.attacks import hooked
from tests.stories.test_more_asked import (
    ASKS,
    ODD,
    STATE,
    TWO_RULES,
    dies_as_it_begins,
    dies_as_it_blocks,
    drifts,
    enable,
    failing,
    first_plan,
    hear,
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


async def asked_again(world: World, responder: Responder, action: str, *, later: timedelta) -> tuple[str, Planned]:
    """What stands is ordered once more after that time, and looked at before anybody approves the plan of it."""
    incident, hash_ = await first_plan(world, responder)
    await responder.approve(incident, hash_, approved=True, reason="leaked", by="Ada")
    await world.work_queue(responder, timedelta(minutes=3))
    await world.work_queue(responder, later)
    await asyncio.sleep(max(0.0, (START + later - world.clock()).total_seconds()))
    subject = IdentityRef(principal_id=subject_of(await world.chain()).principal_id)
    await responder.order(Order(subject, "sure", "Bob", (ActionChoice(action, {}),), None, "r1"))
    await world.work_queue(responder, timedelta(minutes=40 if later else 4))
    plan = waiting_plan(await world.chain())
    assert plan is not None
    return incident, plan


@pytest.mark.parametrize("action", ["block-sign-in", "custody"])
def test_what_an_undo_in_part_leaves_is_watched_whichever_plan_did_it(action: str) -> None:
    """The approved plan found the block in place, and after the undo of something else nobody looked at that."""

    async def story(world: World) -> None:
        responder = world.instance()
        incident, plan = await asked_again(world, responder, action, later=timedelta())
        await responder.approve(incident, plan.hash, approved=True, reason="do it", by="Ada")
        await world.work_queue(responder, timedelta(minutes=1))
        what = "custody" if action == "custody" else "replace-credentials"
        steps = tuple(step.id for step in plan.steps if step.action == what)
        await responder.undo(incident, UndoOrdered(by="Ada", reason="not that", steps=steps))
        await world.work_queue(responder, timedelta(minutes=1))
        undone = world.directory.state.enabled
        enable(world)
        await responder.work({"incident": incident, "because": "watch"})
        await world.work_queue(responder, timedelta(minutes=5))

        assert steps
        assert not undone
        assert not world.directory.state.enabled

    play(story, STATE, policy=ASKS, mode="ask")


def test_an_approved_plan_that_was_found_in_place_after_the_last_look_has_looks_and_an_end_of_its_own() -> None:
    async def story(world: World) -> None:
        responder = world.instance()
        incident, plan = await asked_again(world, responder, "block-sign-in", later=timedelta(minutes=70))
        await responder.approve(incident, plan.hash, approved=True, reason="do it", by="Ada")
        await world.work_queue(responder, timedelta(hours=24))
        closed = (await world.chain()).last(Closed)

        assert closed is not None
        assert closed.outcome == "contained"

    play(story, STATE, policy=ASKS, mode="ask")


CONTAINED_OR_DISMISSED = f"""
version: 1
rules:
  - name: odd
    when: {{risk-detection: {{types: [{ODD}]}}}}
    verdict: contain
    actions: [block-sign-in]
  - name: harmless
    when: {{risk-detection: {{types: [leakedCredentials]}}}}
    verdict: ask
    actions: [dismiss-risk]
"""


def test_no_dismissal_closes_over_a_signal_that_could_not_be_judged_yet() -> None:
    """What was dismissed had an attack beside it, which the list did not show just then."""

    async def story(world: World) -> None:
        world.directory.risk = RiskState("high", "atRisk", "none", START)
        responder = world.instance()
        incident, hash_ = await first_plan(world, responder)
        failing(world, CouldNotLook("throttled", may_help_later=True))
        await responder.approve(incident, hash_, approved=True, reason="ours", by="Ada")
        with suppress(Crash):
            await hear(world, hooked(world, dies_as_it_begins).instance("two"), ODD)
        await world.work_queue(responder, timedelta(seconds=20))
        failing(world, None)
        await world.work_queue(responder, timedelta(hours=1))

        assert not world.directory.state.enabled

    play(story, STATE, policy=CONTAINED_OR_DISMISSED)


def test_what_stands_is_contained_again_after_a_crash_while_a_signal_cannot_be_judged() -> None:
    """Each attempt ended with that signal, until a look came that was set long before."""

    async def story(world: World) -> None:
        responder = world.instance()
        await waits_beside(world, responder)
        incident = (await world.chain()).incident
        failing(world, CouldNotLook("throttled", may_help_later=True))
        with suppress(Crash):
            await _hear_third(world, hooked(world, dies_as_it_begins).instance("two"))
        enable(world)
        with suppress(Crash):
            dying = hooked(world, dies_as_it_blocks).instance("three")
            await dying.work({"incident": incident, "because": "watch"})
        await world.work_queue(world.instance("four"), timedelta(minutes=2))

        assert not world.directory.state.enabled

    play(story, STATE, policy=ASK)


def test_whoever_contains_again_and_judges_behind_it_holds_up_nobody_afterwards() -> None:
    async def story(world: World) -> None:
        responder = world.instance()
        await waits_beside(world, responder)
        with suppress(Crash):
            await _hear_third(world, hooked(world, dies_as_it_begins).instance("two"))
        enable(world)
        entered, enter = list[Precedence](), Precedence.enter

        def noted(precedence: Precedence, incident: IncidentId) -> None:
            entered.append(precedence)
            enter(precedence, incident)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Precedence, "enter", noted)
            await world.instance("three").work({"incident": (await world.chain()).incident, "because": "watch"})

        assert not world.directory.state.enabled
        assert entered
        assert not any(each.is_anybody_near for each in entered)

    play(story, STATE, policy=ASK)


def test_the_rotation_of_one_plan_is_not_taken_for_the_begun_rotation_of_another() -> None:
    """The older plan's was set off behind the newer plan, which waited: the newer one's own was never carried out."""

    async def story(world: World) -> None:
        id_ = "20260302-aaaaaaaaaaaa"
        incident = await Chain.read(world.store.journal, IncidentId(id_), world.clock)
        rotation = await Chain.read(world.store.journal, IncidentId(f"{id_}-secrets"), world.clock)
        plans = [Planned(hash=each, fingerprint="f", steps=()) for each in ("1", "2")]
        await incident.write(*plans, SecretsBegun(plan_hash="1"))
        set_off = incident.place(SecretsBegun)
        begun = RotationBegun(incident=id_, plan_hash="1", set_off=set_off, mode="act", policy="x", options={})
        await rotation.write(begun)
        before = is_begun(rotation, incident)
        await incident.write(Approved(plan_hash="2", by="Ada", reason="x"), SecretsBegun(plan_hash="2"))

        assert before
        assert not is_begun(rotation, incident)

    play(story, STATE)
