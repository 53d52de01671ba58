"""Taking delegated permissions away: what the identity may do in users' names."""

import pytest

from tests.actions.scene import Scene, foreign, play, powerful
from tests.practice.desk import PRINCIPAL

ACTION = "remove-delegated-grants"


@pytest.mark.parametrize("tenant", [powerful(), foreign()], ids=["own", "foreign"])
def test_all_delegated_grants_go_and_their_scopes_are_written_down(tenant: dict[str, object]) -> None:
    """Consent phishing leaves grants to a foreign application; they lie in this tenant and can go."""

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION)

        assert scene.tenant()["oauth2PermissionGrants"] == []
        assert scene.proof(step).startswith("held: no delegated permission grant is held")
        (image,) = scene.removed(step)
        assert image["scope"] == "Mail.Read Files.Read.All"
        assert image["consentType"] == "AllPrincipals"

    play(story, tenant)


def test_grants_have_no_date_so_all_count_as_added_lately() -> None:
    """Graph does not say since when; keeping one that may be the intruder's would be the wrong guess."""

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION, added_since="1h")

        assert "Graph gives no date" in step.describe
        assert scene.tenant()["oauth2PermissionGrants"] == []

    play(story)


def test_nothing_to_remove_is_already_so() -> None:
    """No write is sent."""

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION)

        assert (scene.outcomes(step), scene.writes()) == (["already"], [])

    play(story, powerful(oauth2PermissionGrants=[]))


def test_a_missing_permission_ends_the_step_by_name() -> None:
    """Application.ReadWrite.All does not cover delegated grants."""

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION)

        assert scene.stopped(step).outcome == "permission-missing"
        assert "DelegatedPermissionGrant.ReadWrite.All" in scene.stopped(step).reason
        assert [each["clientId"] for each in scene.tenant()["oauth2PermissionGrants"]] == [PRINCIPAL]

    play(story, powerful(permissions={"executor": ["Application.ReadWrite.All"]}))
