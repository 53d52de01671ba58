"""A signal that joins what is contained is answered by that, unless the policy asks for more on it."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.case import CouldNotLook, PartName
from shared.entries import Closed, Decided, HeldBack, Intended, Planned, Rechecked, RechecksSet, UndoOrdered
from shared.errors import Throttled
from shared.fight import FIGHT_ROUNDS, RECHECKS, STRIKES, keeps_distance
from shared.identity import IdentityRef
from shared.incident import Status
from shared.plan import LIFE
from shared.responder import Responder
from shared.signal import JsonObject
from shared.standing import waiting_plan
from shared.tenant import Gathered
from tests.fakes import START, Crash, password, payroll
from tests.faults.attacks import hooked
from tests.stories.world import World, leak, play

STATE = payroll(application=[password(1)])
ODD = "anomalousServicePrincipalActivity"
TWO_RULES = f"""
version: 1
rules:
  - name: odd
    when: {{risk-detection: {{types: [{ODD}]}}}}
    verdict: VERDICT
    actions: [block-sign-in, custody]
  - name: leaked-credential
    when: {{risk-detection: {{types: [leakedCredentials]}}}}
    verdict: contain
    actions: [block-sign-in, replace-credentials]
"""
ASKS = TWO_RULES.replace("VERDICT", "ask").replace("verdict: contain", "verdict: ask")


async def hear(world: World, responder: Responder, type_: str) -> None:
    """Another detection, minutes after the containment."""
    data: JsonObject = {**leak(2), "riskEventType": type_}
    (found,) = world.directory.detections
    world.directory.detections = (found, replace(found, id=str(data["id"]), type=type_))
    await responder.receive_events([{"type": "Cordon.Signal.RiskDetection", "id": "e2", "source": "t", "data": data}])


@pytest.mark.parametrize(("verdict", "done"), [("contain", True), ("ask", False)])
def test_what_the_policy_asks_for_beyond_what_stands_is_done_or_asked_for(verdict: str, done: bool) -> None:
    """No signal is lost in a containment that some other rule has made; and what stands goes on being watched."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=2))
        await hear(world, responder, ODD)
        await world.work_queue(responder, timedelta(minutes=2))
        chain, status = await world.chain(), await world.status()
        world.directory.state = replace(world.directory.state, enabled=True)
        await world.work_queue(responder)

        assert ("tags=cordon-custody" in world.directory.effects) is done
        assert status is (Status.CONTAINED if done else Status.AWAITING_APPROVAL)
        assert (chain.last(HeldBack) is None) is done
        assert not world.directory.state.enabled

    play(story, STATE, policy=TWO_RULES.replace("VERDICT", verdict))


def failing(world: World, why: CouldNotLook | None) -> None:
    """Detections cannot be read for this reason; None: they can again."""
    look = type(world.directory).look.__get__(world.directory)

    async def shown(subject: IdentityRef, parts: frozenset[PartName]) -> Gathered:
        found = await look(subject, parts)
        return replace(found, detections=why) if why is not None and PartName.DETECTIONS in parts else found

    world.directory.look = shown  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(("verdict", "done"), [("contain", True), ("ask", False)])
def test_a_signal_that_could_not_be_judged_is_judged_once_the_fault_has_passed(verdict: str, done: bool) -> None:
    """It joined what is contained, and the list that tells what it is was throttled just then."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=2))
        failing(world, CouldNotLook("throttled", may_help_later=True))
        await hear(world, responder, ODD)
        await world.work_queue(responder, timedelta(seconds=20))
        early = (list(world.directory.effects), await world.status())
        failing(world, None)
        await world.work_queue(responder, timedelta(minutes=2))
        status = await world.status()

        assert "tags=cordon-custody" not in early[0]
        assert early[1] is Status.CONTAINED
        assert ("tags=cordon-custody" in world.directory.effects) is done
        assert status is (Status.CONTAINED if done else Status.AWAITING_APPROVAL)

    play(story, STATE, policy=TWO_RULES.replace("VERDICT", verdict))


def test_a_signal_that_waits_to_be_judged_is_not_forgotten_while_what_stands_is_contained_again() -> None:
    """Somebody let the identity sign in meanwhile: that attempt reads nothing of what the signal is about."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=2))
        failing(world, CouldNotLook("throttled", may_help_later=True))
        await hear(world, responder, ODD)
        await world.work_queue(responder, timedelta(seconds=5))
        world.directory.state = replace(world.directory.state, enabled=True)
        await responder.work({"incident": (await world.chain()).incident, "because": "watch"})
        failing(world, None)
        again = world.directory.state.enabled
        await world.work_queue(responder, timedelta(minutes=3))

        assert not again
        assert "tags=cordon-custody" in world.directory.effects

    play(story, STATE, policy=TWO_RULES.replace("VERDICT", "contain"))


def test_a_signal_that_can_never_be_judged_is_asked_about_beside_what_stands() -> None:
    """Attempts have an end; then a person decides on what the rules could not, and what stands is watched on."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=2))
        failing(world, CouldNotLook("throttled", may_help_later=True))
        await hear(world, responder, ODD)
        await world.work_queue(responder)
        held = (await world.chain()).last(HeldBack)

        assert held is not None
        assert held.by == "verdict"
        assert await world.status() is Status.AWAITING_APPROVAL
        assert not world.directory.state.enabled
        assert "tags=cordon-custody" not in world.directory.effects

    play(story, STATE, policy=TWO_RULES.replace("VERDICT", "contain"))


def test_a_signal_that_asks_for_nothing_more_leads_to_a_look_and_to_no_new_plan() -> None:
    """Otherwise whoever makes news would have everything planned and proven again."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=2))
        await hear(world, responder, "leakedCredentials")
        await world.work_queue(responder, timedelta(minutes=2))
        chain = await world.chain()

        assert len([*chain.all(Decided)]) == 1
        assert await world.status() is Status.CONTAINED

    play(story, STATE, policy=TWO_RULES.replace("VERDICT", "contain"))


def test_a_signal_that_an_undo_has_answered_is_not_decided_on_after_a_crash() -> None:
    """Whoever was killed between the release and its last word took the incident up again and contained it anew."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=2))
        failing(world, CouldNotLook("throttled", may_help_later=True))
        await hear(world, responder, ODD)
        await responder.undo((await world.chain()).incident, UndoOrdered(by="Ada", reason="a false alarm"))
        failing(world, None)
        with suppress(Crash):
            await world.work_queue(hooked(world, _dies_at_the_last_word).instance("two"), timedelta(minutes=1))
        await world.work_queue(world.instance("three"))

        assert await world.status() is Status.RELEASED
        assert world.directory.state.enabled
        assert "tags=cordon-custody" not in world.directory.effects

    play(story, STATE, policy=TWO_RULES.replace("VERDICT", "contain"))


async def _dies_at_the_last_word(name: str) -> None:
    if name == "journal append work-ended":
        raise Crash


async def dies_as_it_begins(name: str) -> None:
    if name == "journal append work-started":
        raise Crash


def enable(world: World) -> None:
    world.directory.state = replace(world.directory.state, enabled=True)


@pytest.mark.parametrize("goes_on", [True, False], ids=["the fight goes on", "the attacker gives up"])
@pytest.mark.parametrize(("verdict", "done"), [("contain", True), ("ask", False)])
def test_a_signal_that_comes_in_a_fight_is_judged_when_the_next_look_is_due(
    verdict: str, done: bool, goes_on: bool
) -> None:
    """In a fight its message keeps the distance of the looks; what it asks for is not what the fight is about."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        for _ in range(STRIKES):
            await world.work_queue(responder, timedelta(seconds=40))
            enable(world)
            await responder.work({"incident": (await world.chain()).incident, "because": "watch"})
        distant = keeps_distance(await world.chain(), world.clock())
        if goes_on:
            enable(world)
        await hear(world, responder, ODD)
        await world.work_queue(responder, timedelta(seconds=1))
        early = "tags=cordon-custody" in world.directory.effects
        await world.work_queue(responder, timedelta(minutes=4))
        asked = (await world.chain()).last(HeldBack)

        assert distant
        assert not early
        assert ("tags=cordon-custody" in world.directory.effects) is done
        assert (asked is None) is done
        assert not world.directory.state.enabled

    play(story, STATE, policy=TWO_RULES.replace("VERDICT", verdict))


@pytest.mark.parametrize("moment", ["journal append rechecked", "write send resumed"])
def test_a_signal_that_comes_between_a_look_and_its_containment_is_judged(moment: str) -> None:
    """The attempt that contains again begins behind it, and read nothing of what it is about."""

    async def story(world: World) -> None:
        responder, heard = world.instance(), False
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(seconds=30))
        enable(world)

        async def hears(name: str) -> None:
            nonlocal heard
            if name == moment and not heard:
                heard = True
                with suppress(Crash):
                    await hear(world, hooked(world, dies_as_it_begins).instance("two"), ODD)

        id_ = (await world.chain()).incident
        await hooked(world, hears).instance("three").work({"incident": id_, "because": "watch"})
        await world.work_queue(responder, timedelta(minutes=4))

        assert heard
        assert "tags=cordon-custody" in world.directory.effects
        assert not world.directory.state.enabled

    play(story, STATE, policy=TWO_RULES.replace("VERDICT", "contain"))


@pytest.mark.parametrize("changed", [False, True], ids=["carried out", "made anew, and held"])
def test_a_signal_that_comes_beside_an_approval_is_judged(changed: bool) -> None:
    """The attempt that carries out what was approved begins behind it, and read nothing of what it is about."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(seconds=30))
        chain = await world.chain()
        plan = chain.last(Planned)
        assert plan is not None
        if changed:
            world.directory.state = payroll(application=[password(1), password(2)])
        await responder.approve(chain.incident, plan.hash, approved=True, reason="leaked", by="Ada")
        await hear(world, responder, ODD)
        await world.work_queue(responder, timedelta(minutes=4))
        newest = (await world.chain()).last(Decided)

        assert newest is not None
        assert newest.rule == "odd"
        assert ("accountEnabled=False" in world.directory.effects) is not changed

    play(story, STATE, policy=ASKS)


async def waits_beside(world: World, responder: Responder) -> None:
    """What is contained stands, and a plan that asks for more waits for a person beside it."""
    await world.hear_of_leak(responder)
    await world.work_queue(responder, timedelta(minutes=2))
    await hear(world, responder, ODD)
    await world.work_queue(responder, timedelta(minutes=2))


@pytest.mark.parametrize("declined", [False, True], ids=["it waits", "a person said no to it"])
def test_what_waits_for_a_person_is_not_carried_out_because_what_stands_was_contained_again(declined: bool) -> None:
    """Whoever undid the block twice had Cordon take the owners away that nobody had agreed to."""

    async def story(world: World) -> None:
        responder = world.instance()
        await waits_beside(world, responder)
        chain = await world.chain()
        plan = chain.last(Planned)
        assert plan is not None
        if declined:
            await responder.approve(chain.incident, plan.hash, approved=False, reason="not needed", by="Ada")
        for _ in range(STRIKES - 1):
            enable(world)
            await responder.work({"incident": chain.incident, "because": "watch"})
            await world.work_queue(responder, timedelta(minutes=2))

        assert "tags=cordon-custody" not in world.directory.effects
        assert not world.directory.state.enabled
        if not declined:
            await responder.approve(chain.incident, plan.hash, approved=True, reason="do it", by="Ada")
            await world.work_queue(responder, timedelta(minutes=2))
            assert "tags=cordon-custody" in world.directory.effects

    play(story, STATE, policy=TWO_RULES.replace("VERDICT", "ask"))


def test_a_plan_that_waits_beside_a_fight_takes_nothing_of_its_distance() -> None:
    """Otherwise forty quick rounds end it, and whoever works against the containment has won within minutes."""

    async def story(world: World) -> None:
        responder = world.instance()
        await waits_beside(world, responder)
        for _ in range(FIGHT_ROUNDS):
            enable(world)
            await responder.work({"incident": (await world.chain()).incident, "because": "watch"})
            await world.work_queue(responder, timedelta(seconds=5))
        chain = await world.chain()
        rounds = sum(1 for look in chain.all(Rechecked) if look.answer == "not-held")

        assert STRIKES <= rounds <= FIGHT_ROUNDS // 4
        assert chain.last(Closed) is None

    play(story, STATE, policy=TWO_RULES.replace("VERDICT", "ask"))


def test_what_was_approved_is_looked_at_again_also_where_more_is_asked_beside_it() -> None:
    """The newest plan was the one that waits: no later look was set, and sign-in was allowed again unseen."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(seconds=30))
        chain = await world.chain()
        plan = chain.last(Planned)
        assert plan is not None
        await responder.approve(chain.incident, plan.hash, approved=True, reason="leaked", by="Ada")
        await hear(world, responder, ODD)
        await world.work_queue(responder, timedelta(seconds=2))
        blocked = not world.directory.state.enabled
        enable(world)
        await world.work_queue(responder)

        assert blocked
        assert not world.directory.state.enabled

    play(story, STATE, policy=ASKS)


def _refusing(world: World) -> World:
    """The same world for an instance whose blocks are throttled."""

    async def throttled(name: str) -> None:
        if name == "tenant block":
            raise Throttled("PATCH /servicePrincipals")

    return hooked(world, throttled)


@pytest.mark.parametrize("approved", [False, True], ids=["contained by a rule", "approved by a person"])
def test_what_was_begun_is_carried_to_its_end_also_where_a_plan_waits_beside_it(approved: bool) -> None:
    """The block was throttled when a signal came that asks a person: it was never tried again."""

    async def story(world: World) -> None:
        responder, throttled = world.instance(), _refusing(world).instance()
        await world.hear_of_leak(responder if approved else throttled)
        if approved:
            chain = await world.chain()
            plan = chain.last(Planned)
            assert plan is not None
            await responder.approve(chain.incident, plan.hash, approved=True, reason="leaked", by="Ada")
        await hear(world, throttled, ODD)
        asked, enabled = (await world.chain()).last(HeldBack), world.directory.state.enabled
        await world.work_queue(responder, timedelta(minutes=20))

        assert asked is not None
        assert enabled
        assert not world.directory.state.enabled
        assert "tags=cordon-custody" not in world.directory.effects

    play(story, STATE, policy=ASKS if approved else TWO_RULES.replace("VERDICT", "ask"))


@pytest.mark.parametrize("type_", [ODD, "leakedCredentials"], ids=["asks for more", "asks for nothing more"])
def test_nothing_is_called_contained_for_good_while_a_signal_waits_to_be_judged(type_: str) -> None:
    """It came seconds before the last look: the incident was closed over it, and nobody could agree to its plan."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=20))
        await asyncio.sleep(RECHECKS[-1] - 5 - (world.clock() - START).total_seconds())
        failing(world, CouldNotLook("throttled", may_help_later=True))
        await hear(world, responder, type_)
        await world.work_queue(responder, timedelta(seconds=25))
        early = (await world.chain()).last(Closed)
        failing(world, None)
        await world.work_queue(responder)
        chain = await world.chain()
        closed, plan = chain.last(Closed), chain.last(Planned)
        assert plan is not None

        assert early is None
        if type_ == ODD:
            assert closed is None
            assert await world.status() is Status.AWAITING_APPROVAL
            await responder.approve(chain.incident, plan.hash, approved=True, reason="do it", by="Ada")
            await world.work_queue(responder)
            assert "tags=cordon-custody" in world.directory.effects
            closed = (await world.chain()).last(Closed)
        assert closed is not None
        assert closed.outcome == "contained"

    play(story, STATE, policy=TWO_RULES.replace("VERDICT", "ask"))


def test_what_an_attempt_left_in_a_fight_is_tried_again_behind_the_next_look() -> None:
    """Its messages keep the distance of that look, which finds in place whatever was proven: minutes passed."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        for _ in range(STRIKES + 2):
            await world.work_queue(responder, timedelta(seconds=45))
            enable(world)
            await responder.work({"incident": (await world.chain()).incident, "because": "watch"})
        await world.work_queue(responder, timedelta(minutes=20))
        world.directory.state = payroll(application=[password(9)])

        async def throttled(name: str) -> None:
            if name == "tenant RemovePassword":
                raise Throttled("POST removePassword")

        id_ = (await world.chain()).incident
        await hooked(world, throttled).instance().work({"incident": id_, "because": "watch"})
        left = world.directory.state.holders[0].passwords
        await world.work_queue(responder, timedelta(seconds=46))

        assert left
        assert not world.directory.state.holders[0].passwords

    play(story, STATE, policy=TWO_RULES.replace("VERDICT", "ask"))


def drifts(world: World) -> None:
    """What was approved is not what is there any more: sign-in is allowed, and the application is locked."""
    world.directory.state = payroll(application=[password(7)], lock={"isEnabled": True, "allProperties": True})


async def _look_that_is_due(world: World) -> JsonObject:
    chain = await world.chain()
    newest = chain.last(RechecksSet)
    assert newest is not None
    return {"incident": chain.incident, "because": "recheck", "series": newest.series, "place": 3, "written": None}


@pytest.mark.parametrize("by", ["recheck", "watch"])
@pytest.mark.parametrize("late", [False, True], ids=["it drifted", "an hour has passed"])
@pytest.mark.parametrize("told", [True, False], ids=["a look was killed", "no look was taken yet"])
def test_what_was_approved_is_begun_by_no_look_without_being_checked(by: str, late: bool, told: bool) -> None:
    """A look was killed before it could contain again: the next one took what was approved since for what stands."""

    async def story(world: World) -> None:
        responder = world.instance()
        await waits_beside(world, responder)
        due, plan = await _look_that_is_due(world), (await world.chain()).last(Planned)
        assert plan is not None
        if told:
            enable(world)
            with suppress(Crash):
                await hooked(world, dies_as_it_begins).instance("two").work({**due, "because": by})
        found = (await world.chain()).last(Rechecked)
        await responder.approve(str(due["incident"]), plan.hash, approved=True, reason="do it", by="Ada")
        if late:
            await asyncio.sleep(LIFE.total_seconds() + 60)
        else:
            drifts(world)
        await world.instance("three").work({**due, "because": by})
        await world.work_queue(responder, timedelta(minutes=2))
        newest = (await world.chain()).last(Planned)

        assert told is (found is not None and found.answer == "not-held")
        assert not world.directory.state.enabled
        assert newest is not None
        assert newest.hash != plan.hash or late
        assert "tags=cordon-custody" not in world.directory.effects
        assert waiting_plan(await world.chain()) == newest
        assert await world.status() is Status.AWAITING_APPROVAL

    play(story, STATE, policy=TWO_RULES.replace("VERDICT", "ask"))


def test_what_waits_beside_what_was_contained_again_is_still_told_as_waiting() -> None:
    """It read as needing attention, with nothing to be done about it: that a person can agree was not told any more."""

    async def story(world: World) -> None:
        responder = world.instance()
        await waits_beside(world, responder)
        chain = await world.chain()
        plan = chain.last(Planned)
        assert plan is not None
        enable(world)
        await responder.work({"incident": chain.incident, "because": "watch"})
        await world.work_queue(responder, timedelta(minutes=2))
        status = await world.status()
        await responder.approve(chain.incident, plan.hash, approved=True, reason="do it", by="Ada")
        await world.work_queue(responder, timedelta(minutes=2))

        assert status is Status.AWAITING_APPROVAL
        assert await world.status() is Status.CONTAINED

    play(story, STATE, policy=TWO_RULES.replace("VERDICT", "ask"))


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "by the next look"])
def test_what_was_let_go_and_stopped_before_it_began_hides_nothing_that_is_undone(at_once: bool) -> None:
    """Looks took it for what stands, and found it held: the older block stayed undone, with the switch long lifted."""

    async def story(world: World) -> None:
        responder = world.instance()
        await waits_beside(world, responder)
        due, plan = await _look_that_is_due(world), (await world.chain()).last(Planned)
        assert plan is not None
        await world.switch.set(stopped=True, reason="a look at it first", by="Ada")
        await responder.approve(str(due["incident"]), plan.hash, approved=True, reason="do it", by="Ada")
        await world.work_queue(responder, timedelta(minutes=2))
        stopped = world.directory.effects[:]
        enable(world)
        await world.switch.set(stopped=False, reason="", by="Ada")
        if at_once:
            await responder.work({"incident": due["incident"], "because": "watch"})
        await world.work_queue(responder, timedelta(minutes=20))

        assert "tags=cordon-custody" not in stopped
        assert not world.directory.state.enabled

    play(story, STATE, policy=TWO_RULES.replace("VERDICT", "ask"))


def test_what_waits_can_still_be_approved_once_the_switch_stopped_what_stands_beside_it() -> None:
    """That somebody undid the block while effects were stopped took the answer to another question away."""

    async def story(world: World) -> None:
        responder = world.instance()
        await waits_beside(world, responder)
        chain = await world.chain()
        plan = chain.last(Planned)
        assert plan is not None
        await world.switch.set(stopped=True, reason="a look at it first", by="Ada")
        enable(world)
        await responder.work({"incident": chain.incident, "because": "watch"})
        await world.work_queue(responder, timedelta(minutes=2))
        held = (await world.chain()).last(HeldBack)
        await world.switch.set(stopped=False, reason="", by="Ada")
        for _ in range(3):  # it is made anew: sign-in was allowed when it is first approved, and is blocked afterwards
            await responder.approve(chain.incident, plan.hash, approved=True, reason="do it", by="Ada")
            await world.work_queue(responder, timedelta(minutes=2))
            plan = waiting_plan(await world.chain()) or plan

        assert held is not None
        assert held.by == "switch"
        assert not world.directory.state.enabled
        assert "tags=cordon-custody" in world.directory.effects

    play(story, STATE, policy=TWO_RULES.replace("VERDICT", "ask"))


async def first_plan(world: World, responder: Responder) -> tuple[str, str]:
    await world.hear_of_leak(responder)
    await world.work_queue(responder, timedelta(seconds=30))
    chain = await world.chain()
    plan = chain.last(Planned)
    assert plan is not None
    return chain.incident, plan.hash


async def _dies_before_it_means_to(name: str) -> None:
    if name == "journal append intended":
        raise Crash


def test_a_signal_alike_takes_no_answer_from_what_was_approved_and_stopped_before_it_began() -> None:
    """It counted as asking for more, was planned anew, and the answer was gone."""

    async def story(world: World) -> None:
        responder = world.instance()
        incident, hash_ = await first_plan(world, responder)
        await world.switch.set(stopped=True, reason="a look at it first", by="Ada")
        await responder.approve(incident, hash_, approved=True, reason="leaked", by="Ada")
        await world.work_queue(responder, timedelta(minutes=2))
        await hear(world, responder, "leakedCredentials")
        await world.work_queue(responder, timedelta(minutes=2))

        assert len([*(await world.chain()).all(Decided)]) == 1

    play(story, STATE, policy=ASKS)


def test_an_old_answer_to_another_plan_holds_up_no_containment_after_a_crash() -> None:
    """The answer to a plan that had drifted was taken for one to what a rule contains hours later."""

    async def story(world: World) -> None:
        responder = world.instance()
        incident, hash_ = await first_plan(world, responder)
        world.directory.state = payroll(application=[password(1), password(2)])
        await responder.approve(incident, hash_, approved=True, reason="leaked", by="Ada")
        await world.work_queue(responder, timedelta(minutes=2))
        await asyncio.sleep(2 * LIFE.total_seconds())
        with suppress(Crash):
            await hear(world, hooked(world, _dies_before_it_means_to).instance("two"), ODD)
        await world.work_queue(world.instance("three"), timedelta(minutes=5))

        assert not world.directory.state.enabled

    contains, last = TWO_RULES.replace("VERDICT", "contain").rsplit("verdict: contain", 1)
    play(story, STATE, policy=f"{contains}verdict: ask{last}")


def test_what_waits_is_told_as_waiting_once_the_switch_that_stopped_what_stands_is_lifted() -> None:
    """The switch's word had gone before that of the plan, and was outdated by the next write."""

    async def story(world: World) -> None:
        responder = world.instance()
        await waits_beside(world, responder)
        incident = (await world.chain()).incident
        await world.switch.set(stopped=True, reason="a look at it first", by="Ada")
        enable(world)
        await responder.work({"incident": incident, "because": "watch"})
        await world.work_queue(responder, timedelta(minutes=2))
        await world.switch.set(stopped=False, reason="", by="Ada")
        await responder.work({"incident": incident, "because": "watch"})
        await world.work_queue(responder, timedelta(minutes=2))

        assert waiting_plan(await world.chain()) is not None
        assert await world.status() is Status.AWAITING_APPROVAL

    play(story, STATE, policy=TWO_RULES.replace("VERDICT", "ask"))


def test_what_was_contained_again_after_a_no_is_told_as_contained() -> None:
    """The plan that nobody wanted was taken for the one that stands, and all of it for undone."""

    async def story(world: World) -> None:
        responder = world.instance()
        await waits_beside(world, responder)
        chain = await world.chain()
        plan = chain.last(Planned)
        assert plan is not None
        await responder.approve(chain.incident, plan.hash, approved=False, reason="no", by="Ada")
        enable(world)
        await responder.work({"incident": chain.incident, "because": "watch"})
        await world.work_queue(responder, timedelta(minutes=16))

        assert await world.status() is Status.CONTAINED

    play(story, STATE, policy=TWO_RULES.replace("VERDICT", "ask"))


@pytest.mark.parametrize("fault", ["it cannot be read", "none"])
def test_what_stands_is_contained_again_while_what_was_approved_cannot_be_checked(fault: str) -> None:
    """Whoever undid the block had half an hour, as long as grants that the approved plan shows could not be read."""

    async def story(world: World) -> None:
        responder = world.instance()
        await waits_beside(world, responder)
        chain, look = await world.chain(), type(world.directory).look.__get__(world.directory)
        asked, why = chain.last(Planned), CouldNotLook("throttled", may_help_later=True)
        assert asked is not None

        async def blind(subject: IdentityRef, parts: frozenset[PartName]) -> Gathered:
            found = await look(subject, parts)
            return replace(found, grants=why) if PartName.GRANTS in parts else found

        if fault != "none":
            world.directory.look = blind  # pyright: ignore[reportAttributeAccessIssue]
        await world.instance().approve(chain.incident, asked.hash, approved=True, reason="do it", by="Ada")
        if fault != "none":
            await world.work_queue(responder, timedelta(seconds=5))
        enable(world)
        await responder.work({"incident": chain.incident, "because": "watch"})
        blocked, taken = not world.directory.state.enabled, "tags=cordon-custody" in world.directory.effects
        world.directory.look = look  # pyright: ignore[reportAttributeAccessIssue]
        await world.work_queue(responder, timedelta(minutes=9))

        assert blocked
        assert taken is (fault == "none")
        assert "tags=cordon-custody" in world.directory.effects
        assert await world.status() is Status.CONTAINED

    play(story, STATE, policy=TWO_RULES.replace("VERDICT", "ask"))


def test_a_crash_while_what_stands_is_contained_again_leaves_the_approved_plan_to_be_checked() -> None:
    """What was begun of the one is not begun of the other, though their steps have one name."""

    async def story(world: World) -> None:
        responder = world.instance()
        await waits_beside(world, responder)
        due, plan = await _look_that_is_due(world), (await world.chain()).last(Planned)
        assert plan is not None
        await responder.approve(str(due["incident"]), plan.hash, approved=True, reason="do it", by="Ada")
        drifts(world)
        with suppress(Crash):
            await hooked(world, dies_as_it_blocks).instance("two").work({**due, "because": "watch"})
        begun = (await world.chain()).last(Intended)
        await world.work_queue(world.instance("three"), timedelta(minutes=3))
        newest = (await world.chain()).last(Planned)

        assert begun is not None
        assert begun.plan_hash != plan.hash
        assert not world.directory.state.enabled
        assert newest is not None
        assert newest.hash != plan.hash
        assert "tags=cordon-custody" not in world.directory.effects
        assert waiting_plan(await world.chain()) == newest

    play(story, STATE, policy=TWO_RULES.replace("VERDICT", "ask"))


async def dies_as_it_blocks(name: str) -> None:
    if name == "tenant block":
        raise Crash


def test_what_was_contained_again_while_another_plan_waited_is_contained_after_a_no_to_that() -> None:
    """The plan that nobody wanted counted as begun by what was done again beside it."""

    async def story(world: World) -> None:
        responder = world.instance()
        await waits_beside(world, responder)
        chain = await world.chain()
        asked = chain.last(Planned)
        assert asked is not None
        enable(world)
        await responder.work({"incident": chain.incident, "because": "watch"})
        await world.work_queue(responder, timedelta(minutes=2))
        await responder.approve(chain.incident, asked.hash, approved=False, reason="no", by="Ada")
        await world.work_queue(responder, timedelta(minutes=1))
        enable(world)
        await responder.work({"incident": chain.incident, "because": "watch"})
        await world.work_queue(responder, timedelta(minutes=16))

        assert not world.directory.state.enabled
        assert await world.status() is Status.CONTAINED

    play(story, STATE, policy=TWO_RULES.replace("VERDICT", "ask"))
