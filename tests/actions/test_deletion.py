"""Deleting, restoring and purging on the practice tenant, with the calls that Graph has for it."""

from typing import Any

from shared.actions import action_named
from shared.actions.interface import Earlier
from shared.case import IdentityState, Known
from shared.entries import Planned
from shared.execution import Execution
from shared.look import Look
from shared.plan import make_plan
from shared.policy import ActionChoice
from tests.actions.scene import MEANS, REF, Scene, play, powerful
from tests.fakes import FakeSwitch
from tests.practice.desk import APPLICATION, PRINCIPAL, Desk


def look(scene: Scene) -> Look:
    return Look(scene.place.tenant.directory, REF, scene.place.clock.now)


async def deleted(scene: Scene) -> IdentityState | None:
    found = await look(scene).deleted()
    assert isinstance(found, Known), found
    return found.value


async def do(scene: Scene, name: str, **options: Any) -> Planned:
    """Plan and carry out one of these actions, from wherever the identity is."""
    state = await deleted(scene) or await scene.state()
    given = {key.replace("_", "-"): value for key, value in options.items()}
    plan = make_plan([ActionChoice(name, given)], state, MEANS, scene.place.clock.now())
    await scene.chain.write(plan)
    await Execution(scene.place.tenant, scene.chain, FakeSwitch(), REF, scene.place.clock.now).carry_out(plan)
    return plan


async def delete_by_hand(scene: Scene) -> None:
    reply = await Desk(scene.practice).raw("DELETE", f"/applications/{APPLICATION}")
    assert reply.status == 204, reply


def test_an_application_is_deleted_with_its_principal_and_undo_brings_both_back() -> None:
    """The deleted items show both; restoring gives back what was there."""

    async def story(scene: Scene) -> None:
        (step,) = (await do(scene, "delete-application")).steps
        gone = await deleted(scene)
        action, earlier = action_named(step.action), Earlier(scene.image(step))
        back = await action.way_back(step, earlier, look(scene))
        await action.put_back(step, back.image, scene.place.tenant)
        proof = await action.verify_back(step, earlier, back.image, look(scene))

        assert scene.proof(step).startswith("held: the application is among the deleted items")
        assert gone is not None
        assert gone.application is not None
        assert "Conditional Access" in back.lost[0]
        assert proof.answer == "held"
        assert scene.place.truth()["accountEnabled"] is True

    play(story)


def test_one_that_was_deleted_meanwhile_needs_no_write() -> None:
    """Between plan and step somebody else deleted it: already so, and undo has nothing to take back."""

    async def story(scene: Scene) -> None:
        plan = await scene.plan("delete-application")
        await delete_by_hand(scene)
        before = len(scene.writes())
        await scene.chain.write(plan)
        await Execution(scene.place.tenant, scene.chain, FakeSwitch(), REF, scene.place.clock.now).carry_out(plan)
        (step,) = plan.steps
        back = await action_named(step.action).way_back(step, Earlier(scene.image(step)), look(scene))

        assert scene.outcomes(step) == ["already"]
        assert len(scene.writes()) == before
        assert back.writes == ()

    play(story)


def test_a_refused_deletion_ends_the_step_by_name() -> None:
    """Directory.ReadWrite.All does not delete applications."""

    async def story(scene: Scene) -> None:
        (step,) = (await do(scene, "delete-application")).steps

        assert scene.stopped(step).outcome == "permission-missing"
        assert await deleted(scene) is None

    play(story, powerful(permissions={"executor": ["Directory.ReadWrite.All"]}))


def test_a_restored_application_is_blocked_and_undo_deletes_it_again() -> None:
    """Its principal was enabled when it was deleted, and is not let go by restoring it."""

    async def story(scene: Scene) -> None:
        await delete_by_hand(scene)
        (step,) = (await do(scene, "restore-application")).steps
        enabled = scene.place.truth()["accountEnabled"]
        action, earlier = action_named(step.action), Earlier(scene.image(step))
        back = await action.way_back(step, earlier, look(scene))
        await action.put_back(step, back.image, scene.place.tenant)
        proof = await action.verify_back(step, earlier, back.image, look(scene))

        assert scene.proof(step) == "held: it is there, accountEnabled is false"
        assert enabled is False
        assert proof.answer == "held"
        assert await deleted(scene) is not None

    play(story)


def test_what_is_not_deleted_is_not_restored() -> None:
    """Already so, by name."""

    async def story(scene: Scene) -> None:
        plan = await do(scene, "restore-application")

        assert [each.outcome for each in plan.not_done] == ["already-so"]

    play(story)


def test_a_restoration_that_the_platform_refuses_ends_by_name() -> None:
    """Applications for personal accounts cannot be restored."""

    async def story(scene: Scene) -> None:
        await delete_by_hand(scene)
        (step,) = (await do(scene, "restore-application")).steps

        assert scene.stopped(step).outcome == "refused-by-platform"
        assert await deleted(scene) is not None

    play(story, powerful(application={"signInAudience": "PersonalMicrosoftAccount"}))


def test_a_purged_application_is_nowhere_and_nothing_brings_it_back() -> None:
    """Application and principal both, for ever; the image and undo say that nothing comes back."""

    async def story(scene: Scene) -> None:
        await delete_by_hand(scene)
        (step,) = (await do(scene, "purge-application")).steps
        back = await action_named(step.action).way_back(step, Earlier(scene.image(step)), look(scene))

        assert scene.proof(step).startswith("held: it is neither there nor among the deleted items")
        assert await deleted(scene) is None
        assert scene.image(step)["comesBack"] == "nothing"
        assert back.writes == ()
        assert "purged" in back.lost[0]

    play(story)


def test_a_purge_that_is_refused_leaves_it_among_the_deleted_items() -> None:
    """The permission is missing, and the step says so."""

    async def story(scene: Scene) -> None:
        await Desk(scene.practice).raw("DELETE", f"/applications/{APPLICATION}", role="rotator")
        (step,) = (await do(scene, "purge-application")).steps

        assert scene.stopped(step).outcome == "permission-missing"
        assert await deleted(scene) is not None

    only = {"executor": ["Directory.ReadWrite.All"], "rotator": ["Application.ReadWrite.All"]}
    play(story, powerful(permissions=only))


def test_what_is_there_is_not_purged() -> None:
    """It has to be deleted first."""

    async def story(scene: Scene) -> None:
        plan = await do(scene, "purge-application")

        assert [each.outcome for each in plan.not_done] == ["not-deleted"]
        assert scene.place.truth()["id"] == PRINCIPAL

    play(story)
