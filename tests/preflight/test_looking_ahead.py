"""Preflight in whole stories: told in health, named in plans, refused where a person orders, corrected when wrong."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.entries import HeldBack, Planned
from shared.errors import RequestConflicts, RequestRefused
from shared.identity import IdentityRef
from shared.incident import Status
from shared.orders import Order
from shared.policy import ActionChoice
from shared.readiness import Asked, ReadinessCheck
from tests.fakes import PAYROLL, password, payroll
from tests.preflight.rights import ACT, EXECUTOR, FORBIDDEN, READER, TOO_OLD, FakeRights, check, instance
from tests.stories.world import POLICY, World, play

STATE = payroll(application=[password(1)])
WITH_CONFIRM = POLICY.replace("replace-credentials", "confirm-compromised")
ROLES = "RoleManagement.ReadWrite.Directory"


def order(action: str) -> Order:
    return Order(IdentityRef(PAYROLL), "leaked", "night shift", (ActionChoice(action, {}),), None, "r-1")


def test_health_tells_of_each_action_whether_it_can_run() -> None:
    """A right that was revoked makes health unhealthy, because the armed rule could not contain."""

    async def story(world: World) -> None:
        rights = FakeRights()
        ready = await instance(world, rights).health()
        rights.revoke(EXECUTOR, "Application.ReadWrite.All")
        await asyncio.sleep(3700)
        revoked = await instance(world, rights).health()

        assert not any("able to run" in problem or "cannot run" in problem for problem in ready.problems)
        assert ready.preflight is not None
        assert {each.action: each.state for each in ready.preflight.actions}["block-sign-in"] == "ready"
        assert revoked.status == "unhealthy"
        assert any("The executor lacks Application.ReadWrite.All" in problem for problem in revoked.problems)

    play(story, STATE)


def test_mode_watch_is_not_unhealthy_for_what_it_does_not_do() -> None:
    """The executor is granted before the mode changes: until then what it lacks is a hint."""

    async def story(world: World) -> None:
        rights = FakeRights()
        rights.revoke(EXECUTOR, "Application.ReadWrite.All")
        health = await instance(world, rights, replace(ACT, mode="watch")).health()

        assert health.status != "unhealthy"
        assert not any("able to run" in problem or "cannot run" in problem for problem in health.problems)
        assert health.preflight is not None
        assert any("before another mode: block-sign-in" in hint for hint in health.preflight.hints)

    play(story, STATE, mode="watch")


def test_an_action_without_licence_is_named_and_the_others_go_on() -> None:
    """Containment is not lost because a licence lapsed."""

    async def story(world: World) -> None:
        responder = instance(world, FakeRights(premium=False))
        await responder.warm_up()
        await world.hear_of_leak(responder)
        await world.work_queue(responder)
        plan = (await world.chain()).last(Planned)

        assert plan is not None
        assert [(each.action, each.outcome) for each in plan.not_done] == [("confirm-compromised", "licence-missing")]
        assert await world.status() is Status.CONTAINED
        assert not world.directory.state.enabled

    play(story, STATE, policy=WITH_CONFIRM)


def test_a_plan_that_cannot_contain_is_held_back_by_preflight(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is begun that would only inform, and a person is called."""

    async def story(world: World) -> None:
        rights = FakeRights()
        rights.revoke(EXECUTOR, "Application.ReadWrite.All")
        responder = instance(world, rights)
        await responder.warm_up()
        await world.hear_of_leak(responder)
        held = (await world.chain()).last(HeldBack)

        assert held is not None
        assert held.by == "preflight"
        assert "The executor lacks Application.ReadWrite.All" in held.reason
        assert world.directory.effects == []
        assert any("is not contained" in record.getMessage() for record in caplog.records)

    play(story, STATE, policy=WITH_CONFIRM)


def test_what_was_granted_meanwhile_is_seen_before_anything_is_left_out() -> None:
    """Preflight said no two minutes ago; the right was granted since; the identity is contained."""

    async def story(world: World) -> None:
        rights = FakeRights()
        rights.revoke(EXECUTOR, "Application.ReadWrite.All")
        responder = instance(world, rights)
        await responder.warm_up()
        rights.grant(EXECUTOR, "Application.ReadWrite.All")
        await asyncio.sleep(TOO_OLD.total_seconds())
        await world.hear_of_leak(responder)
        await world.work_queue(responder)

        assert await world.status() is Status.CONTAINED

    play(story, STATE)


def test_what_cannot_be_read_again_blocks_nothing() -> None:
    """An old no that nobody can confirm is no reason to leave an identity uncontained."""

    async def story(world: World) -> None:
        rights = FakeRights()
        rights.revoke(EXECUTOR, "Application.ReadWrite.All")
        responder = instance(world, rights)
        await responder.warm_up()
        rights.error = FORBIDDEN
        await asyncio.sleep(TOO_OLD.total_seconds())
        await world.hear_of_leak(responder)
        await world.work_queue(responder)

        assert await world.status() is Status.CONTAINED

    play(story, STATE)


def test_a_tenant_that_answers_slowly_holds_no_containment_up() -> None:
    """The old no is not confirmed within seconds, so it blocks nothing, and the block is not late by more."""

    async def story(world: World) -> None:
        rights = FakeRights()
        rights.revoke(EXECUTOR, "Application.ReadWrite.All")
        responder = instance(world, rights)
        await responder.warm_up()
        rights.seconds = 60.0
        await asyncio.sleep(TOO_OLD.total_seconds())
        begun = world.clock()
        await world.hear_of_leak(responder)

        assert not world.directory.state.enabled
        assert world.clock() - begun < timedelta(seconds=10)

    play(story, STATE)


def test_what_was_read_of_other_identities_is_no_answer() -> None:
    """After the executor was replaced in the settings, what the old one held counts for nothing."""

    async def story(world: World) -> None:
        rights = FakeRights()
        await check(world, rights).told()
        other = ReadinessCheck(
            world.policy, ACT, Asked(rights, {"reader": READER, "executor": "new"}), world.store.documents, world.clock
        )

        assert (await other.known()).of("block-sign-in").state == "unknown"

    play(story, STATE)


def test_unknown_stays_unknown_and_is_told() -> None:
    """Cordon could not look: that is degraded, not ready and not refused."""

    async def story(world: World) -> None:
        responder = instance(world, FakeRights(error=FORBIDDEN))
        health = await responder.health()
        await responder.order(order("block-sign-in"))

        assert health.status == "degraded"
        assert health.preflight is not None
        assert {each.state for each in health.preflight.actions} == {"unknown"}
        assert any("may not be able to run" in problem for problem in health.problems)

    play(story, STATE)


@pytest.mark.parametrize("ask", ["order", "preview"])
def test_ordering_what_cannot_run_is_refused_in_clear_words(ask: str) -> None:
    """Nothing was ordered, and what to grant to whom stands in the answer."""

    async def story(world: World) -> None:
        responder = instance(world, FakeRights())
        with pytest.raises(RequestRefused, match=rf"The executor lacks {ROLES}.*Nothing was ordered"):
            await getattr(responder, ask)(order("remove-directory-roles"))

        assert await world.store.documents.query("incidents") == ()

    play(story, STATE)


def test_an_order_is_taken_once_the_right_is_there() -> None:
    """A refusal is looked at again after a minute, not after an hour."""

    async def story(world: World) -> None:
        rights = FakeRights()
        responder = instance(world, rights)
        with pytest.raises(RequestRefused):
            await responder.order(order("remove-directory-roles"))
        rights.grant(EXECUTOR, ROLES)
        rights.grant(READER, "RoleManagement.Read.Directory")
        await asyncio.sleep(TOO_OLD.total_seconds())

        assert await responder.order(order("remove-directory-roles"))

    play(story, STATE)


def test_the_switch_is_not_released_into_a_cordon_that_cannot_contain() -> None:
    """Stopping always works; going on is refused while nothing that contains can run."""

    async def story(world: World) -> None:
        rights = FakeRights()
        rights.revoke(EXECUTOR, "Application.ReadWrite.All")
        responder = instance(world, rights)
        stopped = await responder.set_switch(stopped=True, reason="a test", by="night shift")
        with pytest.raises(RequestConflicts, match=r"stays as it is.*Application.ReadWrite.All"):
            await responder.set_switch(stopped=False, reason="go on", by="night shift")

        assert stopped.stopped

    play(story, STATE)


def test_what_one_instance_read_serves_the_others() -> None:
    """The store keeps it with its time; only after an hour somebody asks again."""

    async def story(world: World) -> None:
        rights = FakeRights()
        await check(world, rights).told()
        asked = rights.asked
        await check(world, rights).told()
        within_the_hour = rights.asked
        await asyncio.sleep(timedelta(minutes=61).total_seconds())
        await check(world, rights).told()

        assert (asked, within_the_hour, rights.asked) == (3, 3, 6)

    play(story, STATE)


def test_each_problem_is_one_line_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """At the start, and again only when it has changed."""

    async def story(world: World) -> None:
        rights = FakeRights()
        rights.revoke(EXECUTOR, "Application.ReadWrite.All")
        looking = check(world, rights)
        await looking.told()
        await looking.told()
        said = [record.getMessage() for record in caplog.records if "cannot run" in record.getMessage()]

        assert len(said) == 2  # block-sign-in and replace-credentials
        assert all("\n" not in line for line in said)

    play(story, STATE)


def test_a_lapsed_licence_is_a_line_of_health_and_mends_with_the_licence() -> None:
    """While every level reads hidden the rule asks people; health is degraded and says why, until it is bought."""

    async def story(world: World) -> None:
        rights = FakeRights(premium=False)
        lapsed = await instance(world, rights).health()
        rights.premium = True
        await asyncio.sleep(3700)
        bought = await instance(world, rights).health()
        (line,) = [problem for problem in lapsed.problems if "licence" in problem]

        assert lapsed.status == "degraded"
        assert "risk levels read hidden, which is unknown and not low" in line
        assert "rule leaked-credential asks a person instead of acting" in line
        assert not any("licence" in problem for problem in bought.problems)

    play(story, STATE)
