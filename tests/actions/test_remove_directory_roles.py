"""Taking directory roles away: an identity that is Global Administrator is one no longer."""

from tests.actions.scene import GLOBAL_ADMIN, Scene, play, powerful

ACTION = "remove-directory-roles"


def test_the_roles_assigned_to_it_go_and_are_written_down() -> None:
    """Role and scope are what assigning it again needs."""

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION)

        assert scene.tenant()["roleAssignments"] == []
        assert scene.proof(step).startswith("held: no directory role is held")
        (image,) = scene.removed(step)
        assert (image["roleDefinitionId"], image["directoryScopeId"]) == (GLOBAL_ADMIN, "/")
        assert "group" in (step.breaks or "")

    play(story)


def test_nothing_to_remove_is_already_so() -> None:
    """No write is sent."""

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION)

        assert (scene.outcomes(step), scene.writes()) == (["already"], [])

    play(story, powerful(roleAssignments=[]))


def test_a_missing_permission_ends_the_step_by_name() -> None:
    """The shipped executor does not hold the one permission that could make anybody an administrator."""

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION)

        assert scene.stopped(step).outcome == "permission-missing"
        assert "RoleManagement.ReadWrite.Directory" in scene.stopped(step).reason
        assert len(scene.tenant()["roleAssignments"]) == 1

    play(story, powerful(permissions={"executor": ["Application.ReadWrite.All"]}))


def test_the_three_removals_are_proven_by_one_read() -> None:
    """Roles, app roles and grants share the part of the case that shows them."""

    async def story(scene: Scene) -> None:
        steps = await scene.do(ACTION, "remove-app-roles", "remove-delegated-grants")

        assert [scene.proof(step)[:4] for step in steps] == ["held"] * 3
        assert [step.action for step in steps] == [ACTION, "remove-app-roles", "remove-delegated-grants"]

    play(story)
