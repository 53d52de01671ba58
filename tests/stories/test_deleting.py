"""Deleting, restoring and purging: people order it, by name, and what cannot come back takes two of them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.actions import ACTIONS, check_policy_action
from shared.case import CouldNotLook, IdentityState
from shared.entries import Approved, Closed, Decided, Escalated, HeldBack, Intended, Planned, Verified, WorkStarted
from shared.errors import PolicyWrong, RequestConflicts, RequestRefused
from shared.identity import IdentityRef
from shared.incident import Status
from shared.orders import UNNAMED, Order
from shared.policy import ActionChoice, read_policy
from shared.responder import Responder
from tests.fakes import PAYROLL, password, payroll
from tests.stories.world import POLICY, World, play

STATE = payroll(application=[password(1)])
SOON = timedelta(minutes=5)


def order(action: str, by: str = "Ada", **options: str) -> Order:
    choice = ActionChoice(action, {name.replace("_", "-"): value for name, value in options.items()})
    return Order(IdentityRef(PAYROLL), "it is malicious", by, (choice,), None, f"r-{action}")


async def done(world: World, responder: Responder, action: str, by: str = "Ada", **options: str) -> None:
    await responder.order(order(action, by, **options))
    await world.work_queue(responder, SOON)


async def waiting(world: World, responder: Responder) -> tuple[str, str]:
    """The incident of an ordered purge and the hash of its plan, which waits for somebody else."""
    world.directory.deleted = True
    await done(world, responder, "purge-application")
    plan = (await world.chain()).last(Planned)
    assert plan is not None
    return (await world.chain()).incident, plan.hash


def test_a_person_deletes_an_application_and_it_is_found_among_the_deleted_items() -> None:
    """Who asked stands in the decision; the proof is a read of the deleted items."""

    async def story(world: World) -> None:
        await done(world, world.instance(), "delete-application")
        chain = await world.chain()
        decided = chain.last(Decided)

        assert world.directory.effects == ["DeleteApplication"]
        assert decided is not None
        assert decided.by_person == "Ada"
        assert await world.status() is Status.CONTAINED

    play(story, STATE)


def test_who_restores_a_deleted_application_is_answered_by_deleting_it_again() -> None:
    """The later looks find it there, and contain it again."""

    async def story(world: World) -> None:
        responder = world.instance()
        await done(world, responder, "delete-application")
        world.directory.deleted = False
        await world.work_queue(responder)

        assert world.directory.deleted
        assert world.directory.effects == ["DeleteApplication", "DeleteApplication"]

    play(story, STATE)


def test_what_microsoft_disabled_is_never_deleted() -> None:
    """It is evidence, and Entra refuses it as well."""

    async def story(world: World) -> None:
        await done(world, world.instance(), "delete-application")
        plan = (await world.chain()).last(Planned)

        assert plan is not None
        assert [each.outcome for each in plan.not_done] == ["disabled-by-microsoft"]
        assert world.directory.effects == []

    play(story, replace(STATE, disabled_by_microsoft="DisabledDueToViolationOfServicesAgreement"))


def test_a_restored_application_stays_blocked() -> None:
    """Restoring is not letting go."""

    async def story(world: World) -> None:
        world.directory.deleted = True
        await done(world, world.instance(), "restore-application")

        assert world.directory.effects == ["RestoreDeleted", "accountEnabled=False"]
        assert not world.directory.state.enabled
        assert await world.status() is Status.CONTAINED

    play(story, STATE)


def test_the_preview_of_a_restoration_is_held_back_by_nothing_that_the_order_is_not() -> None:
    """What is deleted holds nothing that could be read: that is no reason to say that it is spared."""

    async def story(world: World) -> None:
        world.directory.deleted = True
        world.directory.grants = CouldNotLook("404", gone=True)
        preview = await world.instance().preview(order("restore-application"))

        assert preview.plan is not None
        assert preview.plan.steps
        assert preview.held_back is None

    play(story, STATE)


def test_what_comes_to_nothing_says_why_in_the_preview_and_in_the_incident() -> None:
    """It is not deleted, so there is nothing to restore: that is no reason to send anybody to do it by hand."""

    async def story(world: World) -> None:
        preview = await world.instance().preview(order("restore-application"))
        await done(world, world.instance(), "restore-application")
        held = (await world.chain()).last(HeldBack)

        assert preview.held_back is not None
        assert held is not None
        assert "It is not deleted" in preview.held_back
        assert "It is not deleted" in held.reason

    play(story, STATE)


def test_it_signs_in_again_only_if_that_was_ordered() -> None:
    """The order says so in words."""

    async def story(world: World) -> None:
        world.directory.deleted = True
        await done(world, world.instance(), "restore-application", sign_in="as-it-was")

        assert world.directory.effects == ["RestoreDeleted"]
        assert world.directory.state.enabled

    play(story, STATE)


def test_a_purge_waits_for_somebody_else_in_every_mode() -> None:
    """Mode act, and the plan waits; the second person lets it go, and nothing is left."""

    async def story(world: World) -> None:
        responder = world.instance()
        incident, hash_ = await waiting(world, responder)
        before = (await world.status(), list(world.directory.effects))
        await responder.approve(incident, hash_, approved=True, reason="not needed as evidence", by="Grace")
        await world.work_queue(responder, SOON)

        assert before == (Status.AWAITING_APPROVAL, [])
        assert world.directory.effects == ["PurgeDeleted", "PurgeDeleted"]
        verified = (await world.chain()).last(Verified)
        assert verified is not None
        assert verified.proof.startswith("it is neither there nor among the deleted items")

    play(story, STATE)


def test_an_approval_that_slipped_in_under_the_same_name_purges_nothing() -> None:
    """Whoever wrote it into the journal, and past the door: it is looked at once more before the effect."""

    async def story(world: World) -> None:
        responder = world.instance()
        incident, hash_ = await waiting(world, responder)
        await (await world.chain()).write(Approved(plan_hash=hash_, by="Ada", reason="go"))
        await world.store.queue.send({"incident": incident, "because": "approval"})
        await world.work_queue(responder, SOON)

        assert world.directory.effects == []
        assert world.directory.deleted
        assert await world.status() is not Status.CONTAINED

    play(story, STATE)


@pytest.mark.parametrize(
    "by", ["Ada", " ada ", "ADA", "A\u200bda", "\uff21\uff44\uff41", "A d\u0301a", "\u2060", UNNAMED]
)
def test_one_person_alone_purges_nothing(by: str) -> None:
    """The same name in another spelling is the same person, and no name may be anybody's."""

    async def story(world: World) -> None:
        responder = world.instance()
        incident, hash_ = await waiting(world, responder)
        with pytest.raises(RequestConflicts, match="two people"):
            await responder.approve(incident, hash_, approved=True, reason="go", by=by)
        await responder.order(replace(order("purge-application"), request_id="r-2", plan_hash=hash_))
        await world.work_queue(responder, SOON)

        assert world.directory.effects == []
        assert world.directory.deleted

    play(story, STATE)


@pytest.mark.parametrize("by", [UNNAMED, "A Caller with a function key", "\u200b", "\u2060-"])
@pytest.mark.parametrize("action", ["delete-application", "restore-application", "purge-application"])
def test_nobody_without_a_name_orders_it(action: str, by: str) -> None:
    """Who asked is no guesswork, and a name that nobody can see is none."""

    async def story(world: World) -> None:
        with pytest.raises(RequestRefused, match="needs `by`"):
            await world.instance().order(order(action, by))

        assert await world.store.documents.query("incidents") == ()

    play(story, STATE)


def test_it_is_ordered_alone() -> None:
    """What is deleted cannot be proven to be blocked."""

    async def story(world: World) -> None:
        both = (ActionChoice("block-sign-in", {}), ActionChoice("delete-application", {}))
        with pytest.raises(RequestRefused, match="ordered alone"):
            await world.instance().order(replace(order("delete-application"), actions=both))

    play(story, STATE)


@pytest.mark.parametrize("action", ["delete-application", "restore-application", "purge-application"])
def test_no_policy_file_may_hold_it(action: str) -> None:
    """The loader says so in words, with the line."""
    policy = POLICY.replace("replace-credentials", action)
    names = [each.name for each in ACTIONS]

    with pytest.raises(PolicyWrong, match="only on a person's order"):
        read_policy(policy, "policy.yaml", names, check_policy_action)


def test_an_order_for_what_is_deleted_is_answered_by_name() -> None:
    """Every other action says that the identity is deleted, and since when."""

    async def story(world: World) -> None:
        world.directory.deleted = True
        preview = await world.instance().preview(order("block-sign-in"))

        assert preview.plan is not None
        assert [each.outcome for each in preview.plan.not_done] == ["soft-deleted"]

    play(story, STATE)


def test_a_signal_about_what_is_deleted_is_closed_with_the_reason() -> None:
    """It gets no tokens; that it can be restored is said."""

    async def story(world: World) -> None:
        world.directory.deleted = True
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, SOON)
        closed = (await world.chain()).last(Closed)

        assert closed is not None
        assert (closed.outcome, "deleted on" in closed.reason) == ("not-in-tenant", True)
        assert world.directory.effects == []

    play(story, STATE)


def test_what_needs_attention_always_says_what_is_to_be_done() -> None:
    """Restored within the incident that contained it, it leaves steps behind that nobody looks at any more."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(seconds=30))
        world.directory.deleted = True
        await world.work_queue(responder, timedelta(minutes=20))
        await responder.order(order("restore-application"))
        await world.work_queue(responder, timedelta(minutes=20))
        view = await responder.incident((await world.chain()).incident)

        assert view.status is Status.NEEDS_ATTENTION
        assert view.todo

    play(story, STATE)


@pytest.mark.parametrize("contained_for", [timedelta(seconds=30), timedelta(hours=3)])
def test_what_somebody_deletes_after_its_containment_is_told_at_the_next_look_and_not_fought_over(
    contained_for: timedelta,
) -> None:
    """It gets no tokens, and nothing is left to do but for a person: nobody has to wait half an hour for that."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, contained_for)
        world.directory.deleted = True
        incident = (await world.chain()).incident
        await world.store.queue.send({"incident": incident, "because": "watch"})
        await world.work_queue(responder, timedelta(seconds=10))
        view, effects = await responder.incident(incident), list(world.directory.effects)
        await world.work_queue(responder)
        chain = await world.chain()

        assert view.status is Status.NEEDS_ATTENTION
        assert any("who deleted it" in todo for todo in view.todo)
        assert all("among the deleted items" in (step.proof or "") for step in view.steps)
        assert world.directory.effects == effects
        assert len([*chain.all(WorkStarted)]) == 1
        assert await world.status() is Status.NEEDS_ATTENTION

    play(story, STATE)


def test_what_was_deleted_and_comes_back_with_sign_in_allowed_is_contained_again() -> None:
    """The proof by its deletion ends with the deletion."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        world.directory.deleted = True
        await world.work_queue(responder)
        world.directory.deleted = False
        world.directory.state = replace(world.directory.state, enabled=True)
        await world.store.queue.send({"incident": (await world.chain()).incident, "because": "watch"})
        await world.work_queue(responder, timedelta(minutes=2))

        assert not world.directory.state.enabled
        assert await world.status() is Status.CONTAINED

    play(story, STATE)


def test_an_application_that_outlives_its_service_principal_is_not_proven_by_that_deletion() -> None:
    """It keeps its credentials, and anybody may make another service principal for it."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(seconds=30))
        find = world.directory.find_deleted

        async def principal_alone(subject: IdentityRef) -> IdentityState | None:
            found = await find(subject)
            return replace(found, application=None) if found else None

        world.directory.find_deleted = principal_alone  # pyright: ignore[reportAttributeAccessIssue]
        world.directory.deleted = True
        await world.work_queue(responder, timedelta(minutes=2))
        early = await world.status()
        await world.work_queue(responder)
        chain = await world.chain()
        calls, closed = [*chain.all(Escalated)], chain.last(Closed)
        steps = {step.id: step.state for step in (await responder.incident((await world.chain()).incident)).steps}

        assert steps["1-block-sign-in"] == "held"
        assert next(state for id_, state in steps.items() if "-application-" in id_) == "unknown"
        assert early is Status.NEEDS_ATTENTION
        assert len([*chain.all(Intended)]) == len(steps)
        assert closed is not None
        assert closed.reason.startswith("what could be looked at holds")
        assert len([call for call in calls if "Somebody deleted the identity" in call.reason]) == 1
        assert await world.status() is Status.NEEDS_ATTENTION

    play(story, STATE)


def test_what_was_deleted_and_is_back_is_contained_anew_on_an_order() -> None:
    """An old look that found it deleted keeps nobody from cutting it off, though the steps have the same names."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(seconds=30))
        world.directory.deleted = True
        await world.work_queue(responder, timedelta(minutes=2))
        world.directory.deleted = False
        world.directory.state = replace(STATE, enabled=True)
        both = (ActionChoice("block-sign-in", {}), ActionChoice("replace-credentials", {}))
        await responder.order(replace(order("block-sign-in"), actions=both))
        await world.work_queue(responder, timedelta(minutes=1))
        state = world.directory.state

        assert not state.enabled
        assert state.application is not None
        assert state.application.passwords == ()
        assert await world.status() is Status.CONTAINED

    play(story, STATE)
