"""Deactivating the application: no new tokens in any tenant."""

import pytest

from drill.practice import Credential, CredentialKind
from shared.actions import action_named
from shared.identity import IdentityKind
from tests.actions.scene import MEANS, Scene, play, powerful
from tests.fakes import payroll as identity
from tests.practice.desk import APPLICATION, PRINCIPAL, SECRET

ACTION = "deactivate-application"
DENIED = {
    "service": "graph",
    "match": f"PATCH /applications/{APPLICATION}",
    "kind": "timeout-applied",
    "count": 1,
}


def test_no_new_token_is_issued_and_a_fresh_read_proves_it() -> None:
    """isDisabled on the application; the service principal stays enabled."""

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION)

        assert scene.place.truth("applications", APPLICATION)["isDisabled"] is True
        assert scene.place.truth()["accountEnabled"] is True
        assert scene.practice.sign_in(PRINCIPAL, Credential(CredentialKind.SECRET, SECRET)).token is None
        assert scene.proof(step).startswith("held: isDisabled is true")
        assert scene.image(step) == {"isDisabled": False}

    play(story)


def test_an_application_that_is_deactivated_stays_so_without_a_write() -> None:
    """The journal says that it was so before, so undo has nothing to take back."""

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION)

        assert scene.outcomes(step) == ["already"]
        assert (scene.image(step), scene.writes()) == ({"isDisabled": True}, [])

    play(story, powerful(application={"isDisabled": True}))


def test_a_lost_answer_is_settled_by_reading() -> None:
    """The PATCH may have been carried out; repeating it does no harm."""

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION)

        assert scene.proof(step).startswith("held")

    play(story, faults=[DENIED])


def test_a_missing_permission_ends_the_step_by_name() -> None:
    """Directory.ReadWrite.All writes service principals and not applications."""

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION)

        assert scene.stopped(step).outcome == "permission-missing"
        assert not scene.place.truth("applications", APPLICATION).get("isDisabled")

    play(story, powerful(permissions={"executor": ["Directory.ReadWrite.All"]}))


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        (IdentityKind.FOREIGN, "no-application-here"),
        (IdentityKind.MANAGED_IDENTITY, "managed-identity"),
        (IdentityKind.MICROSOFT, "owned-by-microsoft"),
        (IdentityKind.AGENT, "agent-identity"),
    ],
)
def test_what_this_tenant_does_not_rule_is_named(kind: IdentityKind, outcome: str) -> None:
    """isDisabled can be set by the owning tenant only."""
    planning = action_named(ACTION).plan(identity(kind=kind), {}, MEANS)

    assert not planning.steps
    assert [each.outcome for each in planning.not_done] == [outcome]


def test_the_plan_says_that_owners_can_undo_it() -> None:
    """Whoever owns the application can activate it again: that is what custody is for."""
    (step,) = action_named(ACTION).plan(identity(), {}, MEANS).steps

    assert "custody" in step.describe
    assert step.changes[0].before == "not said"
