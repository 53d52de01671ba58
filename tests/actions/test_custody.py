"""Custody: owners removed, instance lock on, tagged."""

import pytest

from shared.actions import action_named
from shared.case import Known, Owners
from shared.identity import IdentityKind
from tests.actions.scene import MEANS, USER, Scene, foreign, on_fakes, play, powerful
from tests.fakes import FakeDirectory, owner
from tests.fakes import payroll as identity
from tests.practice.desk import APPLICATION, PRINCIPAL

ACTION = "custody"
WHOLE = {"isEnabled": True, "allProperties": True}


def test_owners_go_the_lock_comes_and_a_tag_tells_people() -> None:
    """Both objects lose their owners; what was there is written down for the way back."""

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION)

        application = scene.place.truth("applications", APPLICATION)
        lock = application["servicePrincipalLockConfiguration"]
        assert not any(scene.tenant()["owners"].values())
        assert {name: lock[name] for name in WHOLE} == WHOLE
        assert application["tags"] == ["HideApp", "cordon-custody"]
        assert scene.proof(step).startswith("held: no owner is left")
        assert scene.image(step) == {
            "applicationOwners": [{"id": USER, "type": "user"}],
            "principalOwners": [{"id": USER, "type": "user"}],
            "instanceLock": None,
            "tags": ["HideApp"],
        }

    play(story, powerful(application={"tags": ["HideApp"]}))


def test_it_says_that_administrative_units_are_no_help() -> None:
    """Who looks for a restricted unit must read why there is none."""
    (step,) = action_named(ACTION).plan(identity(), {}, MEANS).steps

    assert "Administrative units do not take service principals" in step.describe
    assert not step.contains


def test_of_a_foreign_application_only_the_principal_is_taken() -> None:
    """The lock belongs to the application, which lies in another tenant."""

    async def story(scene: Scene) -> None:
        plan = await scene.plan(ACTION)
        (step,) = await scene.do(ACTION)

        assert [each.outcome for each in plan.not_done] == ["no-application-here"]
        assert scene.place.truth()["tags"] == ["cordon-custody"]
        assert not any(scene.tenant()["owners"].values())
        assert scene.proof(step).startswith("held: no owner is left, tagged")

    play(story, foreign())


def test_what_is_in_custody_stays_without_a_write() -> None:
    """Nothing is missing, so nothing is sent."""

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION)

        assert (scene.outcomes(step), scene.writes()) == (["already"], [])
        assert scene.proof(step).startswith("held")

    application = {"tags": ["cordon-custody"], "servicePrincipalLockConfiguration": WHOLE}
    play(story, powerful(owners={}, application=application))


def test_a_missing_permission_ends_the_step_by_name() -> None:
    """Each refused write is an outcome; the step stops with the permission's name."""

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION)

        assert scene.stopped(step).outcome == "permission-missing"
        assert scene.writes() == []

    play(story, powerful(permissions={"executor": ["IdentityRiskyServicePrincipal.ReadWrite.All"]}))


@pytest.mark.parametrize("lock", [None, WHOLE, {"isEnabled": True, "credentialsWithUsageVerify": True}])
def test_credentials_go_before_the_lock_closes(lock: dict[str, bool] | None) -> None:
    """Both steps write to the same objects: one after the other, and the lock does not shut Cordon out."""

    async def story(scene: Scene) -> None:
        steps = await scene.do(ACTION, "replace-credentials")

        application = scene.place.truth("applications", APPLICATION)
        assert {scene.proof(step)[:4] for step in steps} == {"held"}
        assert application["passwordCredentials"] == []
        assert {name: application["servicePrincipalLockConfiguration"][name] for name in WHOLE} == WHOLE

    given = powerful(
        principal={"passwordCredentials": [{"keyId": USER, "displayName": "sp"}]},
        application={"servicePrincipalLockConfiguration": lock},
    )
    play(story, given)


def test_an_owner_that_comes_back_during_the_step_goes_again() -> None:
    """The proof counts whoever is an owner now, not who was."""

    def act(directory: FakeDirectory) -> None:
        def come_back(name: str) -> None:
            if name.startswith("tags"):
                directory.owners = Known(Owners(Known((owner(2),)), Known(())))

        directory.owners = Known(Owners(Known((owner(1),)), Known(())))
        directory.after_write = come_back

    directory, proof = on_fakes(ACTION, act)

    assert [name for name in directory.effects if "owner" in name] == [
        f"remove owner {owner(1).id}",
        f"remove owner {owner(2).id}",
    ]
    assert proof.answer == "held"


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        (IdentityKind.MANAGED_IDENTITY, "managed-identity"),
        (IdentityKind.MICROSOFT, "owned-by-microsoft"),
        (IdentityKind.AGENT, "agent-identity"),
    ],
)
def test_what_cannot_be_taken_is_named(kind: IdentityKind, outcome: str) -> None:
    """Azure, Microsoft or a blueprint rules these."""
    planning = action_named(ACTION).plan(identity(kind=kind), {}, MEANS)

    assert not planning.steps
    assert [each.outcome for each in planning.not_done] == [outcome]


def test_its_writes_are_read_by_graph_as_documented() -> None:
    """Owners by $ref, lock and tags by PATCH of the application, owners first."""

    async def story(scene: Scene) -> None:
        await scene.do(ACTION)

        assert scene.writes() == [
            f"DELETE /applications/{APPLICATION}/owners/{USER}/$ref",
            f"DELETE /servicePrincipals/{PRINCIPAL}/owners/{USER}/$ref",
            f"PATCH /applications/{APPLICATION}",
            f"PATCH /applications/{APPLICATION}",
        ]

    play(story)
