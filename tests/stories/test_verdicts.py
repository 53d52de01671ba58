"""A person's verdict on an incident: compromised or harmless, carried out by the engine and on record."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.case import RiskState
from shared.entries import Closed, Decided, Planned, RechecksSet, UndoOrdered
from shared.errors import RequestConflicts
from shared.identity import IdentityKind
from shared.incident import Status
from shared.policy import ActionChoice
from shared.responder import Responder
from tests.fakes import START, password, payroll
from tests.stories.test_people import order
from tests.stories.world import POLICY, World, play

STATE = payroll(application=[password(1)])
ASKING = POLICY.replace("verdict: contain", "verdict: ask")
SOON = timedelta(seconds=40)


async def incident(world: World, responder: Responder) -> str:
    await world.hear_of_leak(responder)
    return (await world.chain()).incident


def test_compromised_is_told_to_identity_protection_and_what_stands_is_watched_on() -> None:
    """The plan is made of what stands and of the confirmation, so that no later look is lost."""

    async def story(world: World) -> None:
        responder = world.instance()
        id_ = await incident(world, responder)
        await responder.judge(id_, "compromised", reason="the owner says so", by="Ada")
        await world.work_queue(responder, SOON)
        plan, decided = (await world.chain()).last(Planned), (await world.chain()).last(Decided)

        assert plan is not None
        assert decided is not None
        assert {step.action for step in plan.steps} == {"block-sign-in", "replace-credentials", "confirm-compromised"}
        assert decided.by_person == "Ada"
        assert world.directory.effects.count("confirmCompromised") == 1
        assert await world.status() is Status.CONTAINED

    play(story, STATE)


def test_dismissed_takes_the_risk_back_and_closes_the_incident_with_the_reason() -> None:
    """The waiting plan is given up; no later look would dismiss a new risk."""

    async def story(world: World) -> None:
        responder = world.instance()
        id_ = await incident(world, responder)
        await responder.judge(id_, "dismissed", reason="a planned migration", by="Ada")
        await world.work_queue(responder)
        chain = await world.chain()
        closed = chain.last(Closed)

        assert closed is not None
        assert (closed.outcome, closed.reason) == ("dismissed", "dismissed by Ada: a planned migration")
        assert await world.status() is Status.IGNORED
        assert chain.last(RechecksSet) is None
        assert world.directory.state.enabled

    play(story, STATE, policy=ASKING)


def test_dismissing_does_not_undo() -> None:
    """While something stands, the answer is to order the undo first."""

    async def story(world: World) -> None:
        responder = world.instance()
        id_ = await incident(world, responder)
        with pytest.raises(RequestConflicts, match="Order the undo first"):
            await responder.judge(id_, "dismissed", reason="harmless", by="Ada")

        assert not world.directory.state.enabled

    play(story, STATE)


def test_dismissing_a_managed_identity_only_closes_the_incident() -> None:
    """Identity Protection does not cover it, so there is nothing to tell there."""

    async def story(world: World) -> None:
        responder = world.instance()
        id_ = await incident(world, responder)
        view = await responder.judge(id_, "dismissed", reason="harmless", by="Ada")

        assert view.status is Status.IGNORED
        assert world.directory.effects == []

    play(story, payroll(kind=IdentityKind.MANAGED_IDENTITY), policy=ASKING)


def test_what_identity_protection_does_not_cover_cannot_be_confirmed_there() -> None:
    """The refusal says why, and nothing is ordered."""

    async def story(world: World) -> None:
        responder = world.instance()
        id_ = await incident(world, responder)
        with pytest.raises(RequestConflicts, match="does not cover"):
            await responder.judge(id_, "compromised", reason="the owner says so", by="Ada")

    play(story, payroll(kind=IdentityKind.MANAGED_IDENTITY), policy=ASKING)


def test_mode_watch_confirms_nothing() -> None:
    """In clear words, and nothing changes."""

    async def story(world: World) -> None:
        responder = world.instance()
        id_ = await incident(world, responder)
        with pytest.raises(RequestConflicts, match="Mode watch"):
            await responder.judge(id_, "compromised", reason="the owner says so", by="Ada")

        assert world.directory.effects == []

    play(story, STATE, mode="watch")


def test_after_the_undo_the_incident_can_be_dismissed() -> None:
    """What the refusal told to do is what helps."""

    async def story(world: World) -> None:
        responder = world.instance()
        id_ = await incident(world, responder)
        await world.work_queue(responder, SOON)
        await responder.undo(id_, UndoOrdered(by="Ada", reason="harmless"))
        await world.work_queue(responder)
        view = await responder.judge(id_, "dismissed", reason="a planned migration", by="Ada")
        await world.work_queue(responder)

        assert world.directory.state.enabled
        assert (await responder.incident(view.id)).status is Status.IGNORED

    play(story, STATE)


HARMLESS = POLICY.replace("actions: [block-sign-in, replace-credentials]", "actions: [dismiss-risk]")
AT_RISK = RiskState("high", "atRisk", "none", START)


def test_a_rule_that_finds_it_harmless_dismisses_the_risk_and_closes_with_its_name() -> None:
    """Nothing is left open, and the journal holds who said so."""

    async def story(world: World) -> None:
        world.directory.risk = AT_RISK
        responder = world.instance()
        await incident(world, responder)
        await world.work_queue(responder, SOON)
        closed = (await world.chain()).last(Closed)

        assert world.directory.effects == ["dismiss"]
        assert closed is not None
        assert (closed.outcome, closed.reason) == ("dismissed", "dismissed: rule “leaked-credential” says so")
        assert await world.status() is Status.IGNORED

    play(story, STATE, policy=HARMLESS)


def test_a_person_who_agrees_that_it_is_harmless_is_on_record() -> None:
    """The plan waits, the risk stays until the answer, and the closing holds name and reason."""

    async def story(world: World) -> None:
        world.directory.risk = AT_RISK
        responder = world.instance()
        id_ = await incident(world, responder)
        plan = (await world.chain()).last(Planned)
        assert plan is not None
        assert world.directory.effects == []
        await responder.approve(id_, plan.hash, approved=True, reason="our own test", by="Ada")
        await world.work_queue(responder, SOON)
        closed = (await world.chain()).last(Closed)

        assert world.directory.effects == ["dismiss"]
        assert closed is not None
        assert closed.reason == "dismissed by Ada: our own test (rule “leaked-credential”)"
        assert await world.status() is Status.IGNORED

    play(story, STATE, policy=HARMLESS.replace("verdict: contain", "verdict: ask"))


def test_another_risk_than_the_one_that_was_looked_at_is_not_dismissed() -> None:
    """Somebody has confirmed the compromise meanwhile: the answer to what was there before dismisses nothing."""

    async def story(world: World) -> None:
        world.directory.risk = AT_RISK
        responder = world.instance()
        id_ = await incident(world, responder)
        plan = (await world.chain()).last(Planned)
        assert plan is not None
        world.directory.risk = RiskState("high", "confirmedCompromised", "none", START)
        await responder.approve(id_, plan.hash, approved=True, reason="our own test", by="Ada")
        await world.work_queue(responder, SOON)
        anew = (await world.chain()).last(Planned)

        assert world.directory.effects == []
        assert await world.status() is Status.AWAITING_APPROVAL
        assert anew is not None
        assert anew.hash != plan.hash
        assert anew.steps[0].changes[0].before == "confirmedCompromised, level high"

    play(story, STATE, policy=HARMLESS.replace("verdict: contain", "verdict: ask"))


def test_an_order_to_dismiss_is_bound_to_the_risk_of_its_preview() -> None:
    """What is dismissed does not come back: whoever ordered it looks once more."""

    async def story(world: World) -> None:
        world.directory.risk = AT_RISK
        responder = world.instance()
        wanted = replace(order(), actions=(ActionChoice("dismiss-risk", {}),))
        preview = await responder.preview(wanted)
        assert preview.plan is not None
        world.directory.risk = RiskState("high", "confirmedCompromised", "none", START)
        with pytest.raises(RequestConflicts, match="look at the plan again"):
            await responder.order(replace(wanted, plan_hash=preview.plan.hash))

        assert world.directory.effects == []

    play(story, STATE)
