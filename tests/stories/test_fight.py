"""After containment: what somebody undoes is done again, the one who did it is named, and every fight has an end."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from shared.audit import read_audit
from shared.case import Known
from shared.entries import Closed, CounterMove, Escalated, HeldBack, Planned, Rechecked, RechecksSet
from shared.fight import FIGHT_ROUNDS, STRIKES
from shared.identity import IdentityRef, PrincipalId
from shared.incident import Status
from shared.orders import Order
from shared.policy import ActionChoice
from shared.responder import Responder
from shared.signal import JsonObject
from tests.fakes import CORDON_CLIENT, PAYROLL, POLICY_ID, Crash, federated, password, payroll
from tests.faults.attacks import is_clean
from tests.faults.test_crash_points import Points, mortal
from tests.stories.world import World, play

MALLORY = "a0000000-0000-4000-8000-00000000000a"
STATE = payroll(application=[password(1)])
LOCK: JsonObject = {"isEnabled": True, "allProperties": True}
RISK_POLICY = "Cordon: block workload identities at high risk"


def record(
    number: int,
    at: datetime,
    activity: str = "Update service principal",
    *,
    by: JsonObject | None = None,
    name: str = "payroll-sync",
    target: str = PAYROLL,
    kind: str = "ServicePrincipal",
    changed: str = "AccountEnabled",
) -> JsonObject:
    """An audit record of somebody who switched sign-in on again, or of another move."""
    properties: list[JsonObject] = [{"displayName": changed, "oldValue": '"[false]"', "newValue": '"[true]"'}]
    return {
        "id": f"Directory_{number}",
        "category": "ApplicationManagement",
        "activityDisplayName": activity,
        "activityDateTime": at.isoformat(),
        "result": "success",
        "initiatedBy": by or {"user": {"id": MALLORY, "userPrincipalName": "mallory@x", "ipAddress": "203.0.113.9"}},
        "targetResources": [
            {"id": target, "type": kind, "displayName": name, "modifiedProperties": [*properties]},
        ],
    }


async def heard(world: World, responder: Responder, *records: JsonObject) -> None:
    """Records reach the audit log, and Cordon by Event Grid."""
    shown = tuple(read_audit(each) for each in records)
    world.directory.audits = (*world.directory.audits, *shown)
    await responder.receive_events(
        [{"type": "Cordon.Signal.DirectoryAudit", "id": str(r["id"]), "source": "t", "data": r} for r in records]
    )


def enable(world: World) -> None:
    world.directory.state = replace(world.directory.state, enabled=True)


async def contained(world: World, responder: Responder, until: timedelta = timedelta(hours=3)) -> None:
    await world.hear_of_leak(responder)
    await world.work_queue(responder, until)


@pytest.mark.parametrize("later", [timedelta(minutes=2), timedelta(hours=30)])
def test_what_is_switched_on_again_is_cut_at_once_when_the_log_tells(later: timedelta) -> None:
    """While looks are still set, and long after the incident was closed: the event points, the look decides."""

    async def story(world: World) -> None:
        responder = world.instance()
        await contained(world, responder, min(later, timedelta(hours=3)))
        world.directory.detections = ()  # settled meanwhile: no policy would contain it anew
        await asyncio.sleep(max(0.0, (later - timedelta(hours=3)).total_seconds()))
        enable(world)
        await heard(world, responder, record(1, world.clock()))
        await world.work_queue(responder, timedelta(seconds=1))
        (first, *_) = await world.store.documents.query("watched", limit=1)
        chain = await world.chain_of(str(first.body["incident"]))

        assert is_clean(world)
        assert [look.trigger for look in chain.all(Rechecked) if look.answer == "not-held"] == ["news"]
        assert [move.actor for move in chain.all(CounterMove)] == ["user mallory@x from 203.0.113.9"]

    play(story, STATE)


def test_an_odd_record_in_the_log_hides_nobody_whom_the_others_name() -> None:
    """It stays in the log for days: who undoes the block is named by what could be read, and the gap is told."""

    async def story(world: World) -> None:
        responder = world.instance()
        await contained(world, responder)
        world.directory.detections = ()
        world.directory.odd_record = "1 of its 2 audit records could not be read: id is missing"
        for number in range(STRIKES):
            enable(world)
            await heard(world, responder, record(number, world.clock()))
            await world.work_queue(responder, timedelta(minutes=30))
        (first, *_) = await world.store.documents.query("watched", limit=1)
        chain = await world.chain_of(str(first.body["incident"]))
        call = chain.last(Escalated)

        assert {move.actor for move in chain.all(CounterMove)} == {"user mallory@x from 203.0.113.9"}
        assert call is not None
        assert "by somebody else: user mallory@x from 203.0.113.9" in call.reason
        assert "and others may have: 1 of its 2 audit records could not be read: id is missing" in call.reason

    play(story, STATE)


@pytest.mark.parametrize("shown", [True, False], ids=["in the log already", "in the log a little later"])
def test_a_block_that_was_lifted_for_a_moment_starts_the_clock_anew(shown: bool) -> None:
    """A token of that moment outlives those of before, whoever blocked it again. It is no strike; nothing is done."""

    async def story(world: World) -> None:
        responder = world.instance()
        await contained(world, responder)
        id_ = (await world.chain()).incident
        world.directory.detections = ()
        await asyncio.sleep(3600)
        before, effects = (await responder.incident(id_)).residual, list(world.directory.effects)
        lifted = world.clock()
        await heard(world, responder, record(1, lifted))
        kept, world.directory.audits = world.directory.audits, world.directory.audits if shown else ()
        await world.work_queue(responder, timedelta(seconds=1))
        world.directory.audits = kept
        await world.work_queue(responder, timedelta(hours=1))
        after = (await responder.incident(id_)).residual

        assert before is not None
        assert after is not None
        assert before.surely_over is not None
        assert after.surely_over is not None
        assert before.surely_over < lifted + timedelta(hours=24) < after.surely_over
        assert world.directory.effects == effects
        assert all(look.answer == "held" for look in (await world.chain_of(id_)).all(Rechecked))

    play(story, STATE)


def test_an_event_about_nothing_that_is_so_counts_no_strike() -> None:
    """Somebody claims that the identity was switched on: the look shows that it was not."""

    async def story(world: World) -> None:
        responder = world.instance()
        await contained(world, responder)
        effects = list(world.directory.effects)
        await heard(world, responder, record(1, world.clock()))
        await world.work_queue(responder)
        (first, *_) = await world.store.documents.query("watched", limit=1)
        chain = await world.chain_of(str(first.body["incident"]))

        assert world.directory.effects == effects
        assert all(look.answer == "held" for look in chain.all(Rechecked))

    play(story, STATE)


POLICY = """
version: 1
rules:
  - name: leaked-credential
    when: {risk-detection: {types: [leakedCredentials]}}
    verdict: contain
    actions: [block-sign-in, {require-risk-policy: {state: enabled}}]
"""


SPELLINGS = ["Update Conditional Access policy", "Delete conditional access policy ", "Update policy"]


@pytest.mark.parametrize("activity", SPELLINGS)
def test_a_change_to_our_policy_reaches_the_incident_that_relies_on_it(activity: str) -> None:
    """The record names the policy and no identity; the incident looks again, once for each record."""

    async def story(world: World) -> None:
        responder = world.instance()
        await contained(world, responder)
        world.directory.policies = Known(())
        touched = record(1, world.clock(), activity, name=RISK_POLICY, target=POLICY_ID, kind="Policy")
        for _ in range(3):
            await heard(world, responder, touched)
        looks = world.directory.looks
        await world.work_queue(responder, timedelta(seconds=1))

        assert world.directory.effects.count("create policy") == 2
        assert world.directory.looks - looks <= 5

    play(story, STATE, policy=POLICY)


def test_a_policy_that_joins_an_open_incident_later_is_watched_as_well() -> None:
    """The first plan was made without it; a person orders it while the looks at the first are still set."""

    async def story(world: World) -> None:
        responder = world.instance()
        await contained(world, responder, timedelta(minutes=2))
        subject, enabled = IdentityRef(principal_id=PAYROLL), ActionChoice("require-risk-policy", {"state": "enabled"})
        await responder.order(Order(subject, "to be sure", "Ada", (enabled,), None, "order-1"))
        await world.work_queue(responder, timedelta(minutes=1))
        world.directory.policies = Known(())
        touched = record(1, world.clock(), name=RISK_POLICY, activity="Update policy", target=POLICY_ID, kind="Policy")
        await heard(world, responder, touched)
        await world.work_queue(responder, timedelta(seconds=1))

        assert world.directory.effects.count("create policy") == 2

    play(story, STATE)


def test_our_own_change_to_the_policy_and_other_policies_are_no_news() -> None:
    """Nobody looks again for them."""

    async def story(world: World) -> None:
        responder = world.instance()
        await contained(world, responder)
        by: JsonObject = {"app": {"appId": CORDON_CLIENT}}
        ours = record(1, world.clock(), "Update policy", name=RISK_POLICY, kind="Policy", by=by)
        other = record(2, world.clock(), "Update policy", name="Second factor", target=MALLORY, kind="Policy")
        await heard(world, responder, ours, other)

        assert await world.store.queue.next_due() is None

    play(story, STATE, policy=POLICY)


def _add_password(world: World, number: int) -> None:
    state = world.directory.state
    assert state.application is not None
    more = replace(state.application, passwords=(*state.application.passwords, password(number)))
    world.directory.state = replace(state, application=more)


def _add_federated(world: World, number: int) -> None:
    (holder,) = world.directory.state.principals
    more = replace(holder, federated=Known((federated(number),)))
    world.directory.state = replace(world.directory.state, principals=(more,))


@pytest.mark.parametrize("add", [_add_password, _add_federated])
def test_who_adds_a_credential_every_three_seconds_for_ten_minutes_loses(add: Callable[[World, int], None]) -> None:
    """Many moves are told to Cordon as well. At the end nothing of it is left, and the actor has a name."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)

        async def attack() -> None:
            for number in range(200):
                await asyncio.sleep(3)
                add(world, 1000 + number)
                move = record(number, world.clock(), "Add service principal credentials", changed="KeyDescription")
                if number % 4 == 0:  # the log lags: some moves are told at once, the rest is found by looking
                    await heard(world, responder, move)

        looks = world.directory.looks
        await asyncio.gather(attack(), world.work_queue(responder, timedelta(hours=4)))
        chain = await world.chain()
        calls = list(chain.all(Escalated))

        assert is_clean(world)
        assert await world.status() is Status.CONTAINED
        assert calls
        assert all("mallory@x" in call.reason for call in calls[1:])
        assert world.directory.looks - looks <= 3 * 200

    play(story, STATE)


def test_a_lock_that_somebody_took_off_is_put_on_again_and_lifted_for_nothing() -> None:
    """Nothing is left to remove: to lift it for that would open it once more, to whoever waits for it."""

    async def story(world: World) -> None:
        responder = world.instance()
        await contained(world, responder, timedelta(minutes=2))
        before = len(world.directory.effects)
        world.directory.state = replace(world.directory.state, instance_lock={**LOCK, "isEnabled": False})
        await world.work_queue(responder)

        assert "lock=False" in world.directory.effects[:before]
        assert world.directory.effects[before:] == ["lock=True"]
        assert world.directory.state.instance_lock == LOCK
        assert await world.status() is Status.CONTAINED

    play(story, payroll(principal=[password(1)], lock=LOCK))


def test_a_fight_that_never_ends_is_left_to_a_person_with_the_identity_contained() -> None:
    """Attempts are bounded; the last word names the actor, and the last state is cut off."""

    async def story(world: World) -> None:
        responder, over = world.instance(), False
        await world.hear_of_leak(responder)

        async def attack() -> None:
            number = 0
            while not over:
                await asyncio.sleep(3)
                number += 1
                enable(world)
                world.directory.audits = (*world.directory.audits[-50:], read_audit(record(number, world.clock())))

        attacker = asyncio.ensure_future(attack())
        chain = await world.chain()
        while chain.last(Closed) is None and chain.records[-1].time - chain.records[0].time < timedelta(hours=6):
            await world.work_queue(responder, timedelta(minutes=15))
            chain = await world.chain()
        over = True
        await attacker
        closed, call = chain.last(Closed), chain.last(Escalated)

        assert sum(look.answer == "not-held" for look in chain.all(Rechecked)) == FIGHT_ROUNDS
        assert closed is not None
        assert closed.outcome == "needs-attention"
        assert call is not None
        assert "mallory@x" in call.todo
        assert await world.status() is Status.NEEDS_ATTENTION
        assert await world.store.queue.next_due() is None or len(list(chain.all(RechecksSet))) <= FIGHT_ROUNDS + 1

    play(story, STATE)


def test_an_order_that_waits_for_a_person_does_not_end_the_looks_at_what_stands() -> None:
    """Over the contained identity a second plan is held back; what was undone meanwhile is contained again."""

    async def story(world: World) -> None:
        responder = world.instance()
        await contained(world, responder, timedelta(minutes=2))
        chain = await world.chain()
        plan = chain.last(Planned)
        assert plan is not None
        await chain.write(plan, HeldBack(by="limits", reason="over the limit", mode="act"))
        enable(world)
        await world.work_queue(responder, timedelta(minutes=4))

        assert not world.directory.state.enabled

    play(story, STATE)


def test_a_lookalike_is_pointed_at_and_not_touched() -> None:
    """A service principal of the contained one's name appears: a person is asked, and nothing is written to it."""

    async def story(world: World) -> None:
        responder = world.instance()
        await contained(world, responder)
        (first, *_) = await world.store.documents.query("watched", limit=1)
        other = PrincipalId("10000000-0000-4000-8000-0000000000bb")
        identity = replace(world.directory.state.identity, principal_id=other)
        effects = list(world.directory.effects)
        world.directory.detections = ()
        world.directory.state = replace(world.directory.state, identity=identity)
        await heard(world, responder, record(1, world.clock(), "Add service principal", target=other))
        await world.work_queue(responder, timedelta(seconds=1))
        call = (await world.chain_of(str(first.body["incident"]))).last(Escalated)

        assert call is not None
        assert other in call.reason
        assert world.directory.effects == effects

    play(story, STATE)


@dataclass
class AfterNewProof(Points):
    """Once armed, the process dies as soon as a new write is proven."""

    armed: bool = False

    def reach(self, name: str) -> None:
        self.passed.append(name)
        applied = any("applied" in passed for passed in self.passed)
        if self.armed and applied and name.startswith("after journal verified"):
            self.armed = False
            raise Crash(name)


def test_an_old_look_that_comes_late_proves_nothing_within_the_race_window_of_a_new_write() -> None:
    """A look finds it undone and contains it again, its process dies, and an older look comes two seconds later."""

    async def story(world: World) -> None:
        points = AfterNewProof()
        mortals = mortal(world, points)
        responder = mortals.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(seconds=2))
        incident = (await world.chain()).incident
        await asyncio.sleep(60)
        enable(world)
        points.passed.clear()
        points.armed = True
        with suppress(Crash):
            await responder.work(_look(incident, 2))
        await asyncio.sleep(2)
        await mortals.instance().work(_look(incident, 1))

        assert not points.armed
        assert not world.directory.state.enabled
        assert await world.status() is not Status.CONTAINED

        await world.work_queue(mortals.instance(), timedelta(minutes=10))

        assert await world.status() is Status.CONTAINED

    play(story, STATE)


def _look(incident: str, place: int) -> JsonObject:
    return {"incident": incident, "because": "recheck", "series": 1, "place": place}


def test_a_look_that_comes_before_its_time_waits_for_the_race_window_to_pass() -> None:
    """An attempt that failed has sent messages for its looks, and the next one wrote once more before they came."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await asyncio.sleep(2)
        await responder.work(_look((await world.chain()).incident, 1))
        early = await world.status()
        await world.work_queue(responder, timedelta(seconds=3.5))

        assert (early, await world.status()) == (Status.PROVING, Status.CONTAINED)
        assert [look.number for look in (await world.chain()).all(Rechecked)] == [1]

    play(story, payroll(application=[password(1)]))
