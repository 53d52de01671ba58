"""What people decide: modes, orders, protected identities, limits and the stop switch."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.case import Known
from shared.entries import Closed, Decided, HeldBack, Intended, Planned
from shared.errors import PermissionMissing, RequestConflicts, RequestRefused, Unreachable
from shared.identity import IdentityKind, IdentityRef
from shared.incident import Status
from shared.orders import Order
from shared.policy import ActionChoice
from tests.fakes import NO_GRANTS, PAYROLL, PAYROLL_APP, START, FakeVault, app_role, certificate, password, payroll
from tests.stories.world import POLICY, World, play

STATE = payroll(application=[password(1)])
PROTECTED = POLICY.replace("rules:", f"protected:\n  - {{id: {PAYROLL_APP}, reason: break-glass}}\nrules:")
RENEWING = POLICY.replace("replace-credentials]", "{replace-credentials: {new-certificate: true}}]")
ASKING = POLICY.replace("verdict: contain", "verdict: ask")


def order(**changes: object) -> Order:
    usual = Order(IdentityRef(PAYROLL), "its secret is on a paste site", "night shift", None, None, "r-1")
    return replace(usual, **changes)  # pyright: ignore[reportArgumentType]


def test_mode_watch_changes_nothing_and_says_what_it_would_have_done() -> None:
    """The plan is made and journaled, and not a single write is sent."""

    async def story(world: World) -> None:
        await world.hear_of_leak(world.instance())
        chain = await world.chain()

        assert world.directory.effects == []
        assert chain.last(Planned) is not None
        assert await world.status() is Status.WATCHED

    play(story, STATE, mode="watch")


def test_mode_ask_waits_for_a_person() -> None:
    """The plan waits; the order that names its hash lets it go."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        plan = (await world.chain()).last(Planned)
        assert plan is not None
        waiting = await world.status()
        await responder.order(order(plan_hash=plan.hash))
        await world.work_queue(responder, timedelta(seconds=30))

        assert waiting is Status.AWAITING_APPROVAL
        assert await world.status() is Status.CONTAINED
        assert not world.directory.state.enabled

    play(story, STATE, mode="ask")


def test_an_order_for_another_plan_is_refused() -> None:
    """What is ordered is exactly one plan: if things are different now, a person looks again."""

    async def story(world: World) -> None:
        with pytest.raises(RequestConflicts, match="look at the plan again"):
            await world.instance().order(order(plan_hash="0" * 64))

        assert await world.store.documents.query("incidents") == ()

    play(story, STATE)


def test_an_ordered_plan_that_has_drifted_waits_again() -> None:
    """A secret is added between the order and the work: what was ordered is no longer the plan."""

    async def story(world: World) -> None:
        responder = world.instance()
        preview = await responder.preview(order())
        assert preview.plan is not None
        await responder.order(order(plan_hash=preview.plan.hash))
        world.directory.state = payroll(application=[password(1), password(2)])
        await world.work_queue(responder, timedelta(seconds=30))

        assert world.directory.effects == []
        assert await world.status() is Status.AWAITING_APPROVAL

    play(story, STATE)


def test_a_request_id_belongs_to_one_order() -> None:
    """Used for something else it is refused: a second order is never dropped in silence."""

    async def story(world: World) -> None:
        responder = world.instance()
        await responder.order(order())

        with pytest.raises(RequestConflicts, match="new id"):
            await responder.order(order(reason="another reason"))

    play(story, STATE)


def test_a_preview_is_the_plan_that_an_order_carries_out() -> None:
    """The previewed hash is the incident's, and previewing changes and stores nothing."""

    async def story(world: World) -> None:
        responder = world.instance()
        preview = await responder.preview(order())
        listed = await world.store.documents.query("incidents")
        assert preview.plan is not None
        await responder.order(order(plan_hash=preview.plan.hash))
        await world.work_queue(responder, timedelta(seconds=30))
        plan = (await world.chain()).last(Planned)

        assert listed == ()
        assert plan is not None
        assert plan.hash == preview.plan.hash
        assert await world.status() is Status.CONTAINED

    play(story, STATE)


def test_an_order_needs_no_rule() -> None:
    """A responder contains what no rule covers; the decision says who ordered it."""

    async def story(world: World) -> None:
        world.directory.detections = ()
        responder = world.instance()
        await responder.order(order(actions=(ActionChoice("block-sign-in", {}),)))
        await world.work_queue(responder, timedelta(seconds=30))
        decided = (await world.chain()).last(Decided)

        assert world.directory.effects == ["accountEnabled=False"]
        assert decided is not None
        assert decided.by_person == "night shift"

    play(story, STATE)


def test_the_same_order_twice_is_one_order() -> None:
    """A repeated request id gives the same incident and nothing new."""

    async def story(world: World) -> None:
        responder = world.instance()
        first = await responder.order(order())
        second = await responder.order(order())

        assert first == second
        assert len(await world.store.documents.query("incidents")) == 1

    play(story, STATE)


def test_an_unknown_action_is_refused_with_the_nearest_name() -> None:
    """A typo in an order stops it at the door."""

    async def story(world: World) -> None:
        with pytest.raises(RequestRefused, match="Did you mean block-sign-in"):
            await world.instance().order(order(actions=(ActionChoice("block-signin", {}),)))

        assert await world.store.documents.query("incidents") == ()

    play(story, STATE)


@pytest.mark.parametrize("mode", ["ask", "act"])
def test_a_protected_identity_is_never_touched(mode: str) -> None:
    """Not by policy, and not by a person's order either."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await responder.order(order())
        await world.work_queue(responder)
        held = (await world.chain()).last(HeldBack)

        assert world.directory.effects == []
        assert held is not None
        assert held.by == "protected"

    play(story, STATE, policy=PROTECTED, mode=mode)


def test_microsofts_own_identities_are_never_touched() -> None:
    """That holds below policy, whatever the rules say."""

    async def story(world: World) -> None:
        await world.hear_of_leak(world.instance())

        assert world.directory.effects == []
        assert await world.status() is Status.NEEDS_ATTENTION

    play(story, payroll(kind=IdentityKind.MICROSOFT))


def test_a_verdict_to_ask_waits_for_a_person() -> None:
    """In mode act too."""

    async def story(world: World) -> None:
        await world.hear_of_leak(world.instance())

        assert world.directory.effects == []
        assert await world.status() is Status.AWAITING_APPROVAL

    play(story, STATE, policy=ASKING)


def test_the_stop_switch_stops_the_next_effect() -> None:
    """It is set while the first write is under way: no second one is sent."""

    async def story(world: World) -> None:
        def stop(name: str) -> None:
            world.switch.reason = "set by the night shift"

        world.directory.after_write = stop
        await world.hear_of_leak(world.instance())
        held = (await world.chain()).last(HeldBack)

        assert len(world.directory.effects) <= 2  # the other lane may have passed the switch already
        assert held is not None
        assert held.by == "switch"
        assert await world.status() is not Status.CONTAINED

    play(story, payroll(application=[password(1)], principal=[password(2)]))


def test_the_stop_switch_stops_between_two_effects_of_one_step() -> None:
    """It is set when the new certificate is made: nobody gets to use it, and what stopped it is written down."""

    async def story(world: World) -> None:
        vault = FakeVault(world.clock, after_make=lambda: setattr(world.switch, "reason", "wrong application"))
        world = replace(world, vault=vault)
        responder = world.instance()
        await world.hear_of_leak(responder)
        application = world.directory.state.application
        held = (await world.chain()).last(HeldBack)
        halted = await world.status()
        world.switch.reason = None
        await responder.order(order())
        await world.work_queue(responder, timedelta(minutes=10))

        assert application is not None
        assert application.keys == ()
        assert held is not None
        assert held.reason == "wrong application"
        assert halted is Status.NEEDS_ATTENTION
        assert vault.made == 1
        assert await world.status() is Status.CONTAINED

    play(story, payroll(application=[certificate(1)]), policy=RENEWING)


def test_a_switch_that_cannot_be_read_stops_effects() -> None:
    """Not knowing is not running."""

    async def story(world: World) -> None:
        world.switch.unreadable = Unreachable("reading the switch", "timeout")
        await world.hear_of_leak(world.instance())

        assert world.directory.effects == []

    play(story, STATE)


def test_after_the_switch_is_released_an_order_goes_on() -> None:
    """What was stopped is taken up by a person's order, not by itself."""

    async def story(world: World) -> None:
        world.switch.reason = "maintenance"
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=10))
        stopped = list(world.directory.effects)
        world.switch.reason = None
        await responder.order(order())
        await world.work_queue(responder, timedelta(minutes=10))

        assert stopped == []
        assert await world.status() is Status.CONTAINED

    play(story, STATE)


def test_a_missing_permission_is_named_and_not_tried_again() -> None:
    """The report's todo names the permission; the other lanes go on."""

    async def story(world: World) -> None:
        def refuse(name: str) -> None:
            if name.startswith("accountEnabled"):
                raise PermissionMissing(doing="blocking sign-in", needs="Application.ReadWrite.All", request_id="r")

        world.directory.before_write = refuse
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder)
        chain = await world.chain()
        view = await responder.incident(chain.incident)
        blocked = next(step for step in view.steps if step.action == "block-sign-in")

        assert blocked.state == "stopped"
        assert len(list(chain.all(Intended, "1-block-sign-in"))) == 1
        assert world.directory.effects == [f"removePassword {password(1).key_id}"]
        assert await world.status() is Status.NEEDS_ATTENTION

    play(story, STATE)


def test_over_the_limit_nothing_is_done_and_a_person_is_asked() -> None:
    """The window counts distinct identities of the last hour over all instances."""

    async def story(world: World) -> None:
        spent = [{"id": f"other-{n}", "at": START.isoformat()} for n in range(5)]
        await world.store.documents.insert("limits", "identities", {"spent": spent})  # pyright: ignore[reportArgumentType]
        await world.hear_of_leak(world.instance())
        held = (await world.chain()).last(HeldBack)

        assert world.directory.effects == []
        assert held is not None
        assert held.by == "limits"
        assert await world.status() is Status.AWAITING_APPROVAL

    play(story, STATE)


def test_an_identity_that_the_tenant_does_not_have_is_closed_as_such() -> None:
    """A signal about an object that is not here changes nothing."""
    from shared.case import CouldNotLook

    async def story(world: World) -> None:
        world.directory.unreadable = CouldNotLook("the object was not found", gone=True)
        await world.hear_of_leak(world.instance())
        closed = (await world.chain()).last(Closed)

        assert closed is not None
        assert closed.outcome == "not-in-tenant"

    play(story, STATE)


def test_an_approval_lets_exactly_the_waiting_plan_go_and_once() -> None:
    """It is bound to the hash; the same answer a second time meets no waiting plan."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        chain = await world.chain()
        plan = chain.last(Planned)
        assert plan is not None
        with pytest.raises(RequestConflicts):
            await responder.approve(chain.incident, "0" * 64, approved=True, reason="checked", by="owner")
        await responder.approve(chain.incident, plan.hash, approved=True, reason="checked", by="owner")
        with pytest.raises(RequestConflicts):
            await responder.approve(chain.incident, plan.hash, approved=True, reason="checked", by="owner")
        await world.work_queue(responder, timedelta(seconds=30))

        assert await world.status() is Status.CONTAINED

    play(story, STATE, policy=ASKING)


def test_a_declined_plan_is_never_carried_out() -> None:
    """The incident ends as ignored, with the person's reason."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        chain = await world.chain()
        plan = chain.last(Planned)
        assert plan is not None
        await responder.approve(chain.incident, plan.hash, approved=False, reason="a test of ours", by="owner")
        await world.work_queue(responder, timedelta(hours=1))
        closed = (await world.chain()).last(Closed)

        assert world.directory.effects == []
        assert closed is not None
        assert "a test of ours" in closed.reason
        assert await world.status() is Status.IGNORED

    play(story, STATE, policy=ASKING)


def test_an_approved_plan_that_has_drifted_is_made_anew_and_waits() -> None:
    """The approval was for another state: nothing is written on the strength of it."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        chain = await world.chain()
        first = chain.last(Planned)
        assert first is not None
        world.directory.state = payroll(application=[password(1), password(2)])
        await responder.approve(chain.incident, first.hash, approved=True, reason="checked", by="owner")
        await world.work_queue(responder, timedelta(minutes=1))
        second = (await world.chain()).last(Planned)

        assert world.directory.effects == []
        assert second is not None
        assert second.hash != first.hash
        assert await world.status() is Status.AWAITING_APPROVAL

    play(story, STATE, policy=ASKING)


def test_a_grant_that_comes_while_the_plan_waits_is_shown_before_it_is_taken() -> None:
    """The plan names what it takes; whoever approved one role has not approved two."""
    taking = ASKING.replace("replace-credentials]", "remove-app-roles]")

    async def story(world: World) -> None:
        responder = world.instance()
        world.directory.grants = Known(replace(NO_GRANTS.value, app_roles=Known((app_role(1), app_role(2)))))
        await world.hear_of_leak(responder)
        first = (await world.chain()).last(Planned)
        assert first is not None
        more = (app_role(3), app_role(2), app_role(1))
        world.directory.grants = Known(replace(NO_GRANTS.value, app_roles=Known(more)))
        await responder.approve((await world.chain()).incident, first.hash, approved=True, reason="seen", by="owner")
        await world.work_queue(responder, timedelta(minutes=1))
        second = (await world.chain()).last(Planned)
        effects, waiting = [*world.directory.effects], await world.status()
        assert second is not None
        world.directory.grants = Known(replace(NO_GRANTS.value, app_roles=Known(more[::-1])))  # no order is promised
        await responder.approve((await world.chain()).incident, second.hash, approved=True, reason="seen", by="owner")
        await world.work_queue(responder, timedelta(minutes=1))

        assert (effects, waiting) == ([], Status.AWAITING_APPROVAL)
        assert "role-3" not in str(first)
        assert [effect for effect in world.directory.effects if "role" in effect] != []
        assert await world.status() is Status.CONTAINED

    play(story, STATE, policy=taking)


def test_an_expired_plan_cannot_be_approved() -> None:
    """After an hour it is no longer what anybody looked at."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        chain = await world.chain()
        plan = chain.last(Planned)
        assert plan is not None
        await asyncio.sleep(3601)

        with pytest.raises(RequestConflicts, match="expired"):
            await responder.approve(chain.incident, plan.hash, approved=True, reason="checked", by="owner")

    play(story, STATE, policy=ASKING)


def test_a_person_may_go_over_the_limit() -> None:
    """The limit asks; the approval of the very plan is the answer, and it is counted all the same."""

    async def story(world: World) -> None:
        spent = [{"id": f"other-{n}", "at": START.isoformat()} for n in range(5)]
        await world.store.documents.insert("limits", "identities", {"spent": spent})  # pyright: ignore[reportArgumentType]
        responder = world.instance()
        await world.hear_of_leak(responder)
        chain = await world.chain()
        plan = chain.last(Planned)
        assert plan is not None
        await responder.approve(chain.incident, plan.hash, approved=True, reason="mass leak", by="owner")
        await world.work_queue(responder, timedelta(seconds=30))
        window = await world.store.documents.get("limits", "identities")

        assert await world.status() is Status.CONTAINED
        assert window is not None
        assert PAYROLL in str(window.body)

    play(story, STATE)


def test_mode_watch_is_not_lifted_by_an_approval() -> None:
    """What is only watched has no waiting plan."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        chain = await world.chain()
        plan = chain.last(Planned)
        assert plan is not None

        with pytest.raises(RequestConflicts):
            await responder.approve(chain.incident, plan.hash, approved=True, reason="checked", by="owner")

    play(story, STATE, mode="watch")


def test_a_refusal_of_more_leaves_what_stands_contained_and_asks_for_nothing() -> None:
    """Who says no to custody has not let the identity go; nobody is asked again for what was just refused."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        incident = (await world.chain()).incident
        await responder.approve(incident, await _waiting(world), approved=True, reason="leaked", by="duty")
        await world.work_queue(responder, timedelta(seconds=30))
        await responder.order(order(actions=(ActionChoice("custody", {}),)))
        await world.work_queue(responder, timedelta(seconds=20))
        refused = await responder.approve(incident, await _waiting(world), approved=False, reason="ours", by="duty")
        await world.work_queue(responder)
        later = await responder.incident(incident)

        assert (refused.status, refused.todo) == (Status.CONTAINED, ())
        assert (later.status, later.todo) == (Status.CONTAINED, ())
        assert "custody" not in {step.action for step in later.steps}
        assert not world.directory.state.enabled

    play(story, STATE, mode="ask")


async def _waiting(world: World) -> str:
    plan = (await world.chain()).last(Planned)
    assert plan is not None
    return plan.hash


def test_whoever_changes_an_identity_without_end_does_not_keep_its_sign_in_from_being_blocked() -> None:
    """A plan of its credentials is never the one that was approved; a block alone is, whatever is added meanwhile."""

    async def story(world: World) -> None:
        responder, held = world.instance(), list[HeldBack | None]()
        await world.hear_of_leak(responder)
        incident = (await world.chain()).incident

        async def approve_late(secrets: int) -> None:
            seen = await _waiting(world)
            world.directory.state = payroll(application=[password(each) for each in range(secrets)])
            await responder.approve(incident, seen, approved=True, reason="leaked", by="duty")
            await world.work_queue(responder, timedelta(seconds=20))
            held.append((await world.chain()).last(HeldBack))

        await approve_late(2)
        await approve_late(3)
        never = list(world.directory.effects)
        await responder.order(order(actions=(ActionChoice("block-sign-in", {}),)))
        await world.work_queue(responder, timedelta(seconds=20))
        await approve_late(4)

        assert never == []
        assert held[1] is not None
        assert "order block-sign-in alone" in held[1].reason
        assert world.directory.effects == ["accountEnabled=False"]

    play(story, STATE, mode="ask")


@pytest.mark.parametrize(("late", "done"), [(3600, True), (3601, False)])
def test_an_approval_that_nobody_carries_out_for_an_hour_is_asked_for_again(late: int, done: bool) -> None:
    """Cordon was down all night: what somebody meant in the evening is not done to people in the morning."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        incident = (await world.chain()).incident
        await responder.approve(incident, await _waiting(world), approved=True, reason="leaked", by="duty")
        await asyncio.sleep(late)
        await world.work_queue(responder, timedelta(seconds=20))
        enabled, status = world.directory.state.enabled, await world.status()
        if not done:
            await responder.approve(incident, await _waiting(world), approved=True, reason="still", by="duty")
            await world.work_queue(responder, timedelta(seconds=20))

        assert (enabled, status) == ((False, Status.CONTAINED) if done else (True, Status.AWAITING_APPROVAL))
        assert not world.directory.state.enabled

    play(story, STATE, mode="ask")
