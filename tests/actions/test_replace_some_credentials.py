"""Removing only the credentials that are named or accused: the others go on working."""

from dataclasses import replace
from typing import Any

import pytest

from shared.actions import action_named
from shared.case import CouldNotLook, Known
from shared.investigation import with_case
from shared.look import Look
from shared.plan import make_plan
from shared.policy import ActionChoice
from tests.actions.scene import CALM, MEANS, REF, Scene, play, powerful
from tests.fakes import certificate, federated, password
from tests.fakes import payroll as identity
from tests.practice.desk import APPLICATION, CERTIFICATE, FEDERATED, PRINCIPAL, SECRET

ACTION = "replace-credentials"
UNKNOWN = "0d0d0d0d-0000-4000-8000-0000000000aa"
OTHER = "0d0d0d0d-0000-4000-8000-0000000000bb"
TWO = {"passwordCredentials": [{"keyId": SECRET, "displayName": "ci"}, {"keyId": OTHER, "displayName": "batch"}]}


def left(scene: Scene) -> set[str]:
    """The ids of the credentials that the application still holds."""
    tenant = scene.tenant()
    held = scene.place.truth("applications", APPLICATION)
    trusts = tenant["federatedIdentityCredentials"].get(APPLICATION, [])
    return {
        *(each["keyId"] for each in (*held["passwordCredentials"], *held["keyCredentials"])),
        *(each["id"] for each in trusts),
    }


def test_only_the_named_secret_goes() -> None:
    """One secret of two is removed; certificate, federated credential and the other secret stay."""

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION, only=[SECRET.upper()])

        assert left(scene) == {OTHER, CERTIFICATE, FEDERATED}
        assert scene.proof(step).startswith("held: none of the chosen credentials is left")
        assert scene.image(step)["passwords"] == [SECRET]

    play(story, powerful(application=TWO))


@pytest.mark.parametrize("which", [CERTIFICATE, FEDERATED])
def test_a_certificate_or_a_trust_can_be_named_as_well(which: str) -> None:
    """Every other credential is sent back as it was read."""

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION, only=[which])

        assert left(scene) == {SECRET, OTHER, CERTIFICATE, FEDERATED} - {which}
        assert scene.proof(step).startswith("held")

    play(story, powerful(application=TWO))


def test_the_other_certificate_goes_on_working() -> None:
    """The one PATCH of the list sends it back as it was read."""
    second = "0e0e0e0e-0000-4000-8000-0000000000cc"
    keys = [{"keyId": CERTIFICATE, "displayName": "old"}, {"keyId": second, "displayName": "in use"}]

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION, only=[CERTIFICATE])

        assert second in left(scene)
        assert CERTIFICATE not in left(scene)
        assert scene.proof(step).startswith("held")

    play(story, powerful(application={"keyCredentials": keys}))


def test_a_named_credential_that_is_gone_is_told_and_nothing_is_written() -> None:
    """It is so already, and later looks see that it stays so: it may have been removed a moment ago."""

    async def story(scene: Scene) -> None:
        plan = await scene.plan(ACTION, only=[UNKNOWN])
        before = left(scene)
        await scene.do(ACTION, only=[UNKNOWN])

        assert [step.options["part"] for step in plan.steps] == ["remove", "remove"]
        assert left(scene) == before
        assert [each.outcome for each in plan.not_done] == ["already-so"]
        assert UNKNOWN in plan.not_done[0].reason

    play(story)


def test_a_refused_removal_ends_the_step_by_name() -> None:
    """Directory.ReadWrite.All does not change applications."""

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION, only=[SECRET])

        assert scene.stopped(step).outcome == "permission-missing"
        assert SECRET in left(scene)

    play(story, powerful(permissions={"executor": ["Directory.ReadWrite.All"]}))


def test_a_named_signing_key_stays() -> None:
    """Single sign-on of people is not broken by a credential's id in an order."""
    signing = certificate(3, "Sign", "saml")
    state = identity(application=[password(1), signing])
    planning = action_named(ACTION).plan(state, {"only": [signing.key_id]}, MEANS)

    assert not planning.steps
    assert [each.outcome for each in planning.not_done] == ["signing-or-encryption-keys-kept"]


def test_the_accused_credential_goes_and_no_other() -> None:
    """A detection names the secret in its keyIds; it is read again before the plan is made."""
    detection = {"servicePrincipalId": PRINCIPAL, "riskEventType": "leakedCredentials", "keyIds": [SECRET]}

    async def story(scene: Scene) -> None:
        scene.practice.happen({"servicePrincipalRiskDetections": [detection]})
        choice = [ActionChoice(ACTION, {"only": "accused"})]
        look = Look(scene.place.tenant.directory, REF, scene.place.clock.now)
        means = await with_case(MEANS, choice, look)
        plan = make_plan(choice, await scene.state(), means, scene.place.clock.now())

        assert means.accused == Known(frozenset({SECRET}))
        assert [step.options.get("only") for step in plan.steps] == [[SECRET]]

    play(story, powerful(application=TWO), behaviour=CALM)


@pytest.mark.parametrize(
    ("accused", "outcome"),
    [
        (Known(frozenset[str]()), "no-accused-credential"),
        (CouldNotLook("no licence."), "cannot-be-read"),
    ],
)
def test_who_is_accused_is_never_guessed(accused: Any, outcome: str) -> None:
    """No detection that names one, and none that could be read, are different things; neither removes anything."""
    state = identity(application=[password(1), federated(2)])
    planning = action_named(ACTION).plan(state, {"only": "accused"}, replace(MEANS, accused=accused))

    assert not planning.steps
    assert [each.outcome for each in planning.not_done] == [outcome]


@pytest.mark.parametrize("only", ["everything", [], ["not-an-id"], [1], True])
def test_a_choice_that_names_nothing_is_refused(only: Any) -> None:
    """A typo never becomes "all of them"."""
    with pytest.raises(ValueError, match="option only"):
        action_named(ACTION).check_options({"only": only})
