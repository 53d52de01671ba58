"""Dismissing risk: never beside containing."""

from dataclasses import replace
from typing import Any

import pytest

from shared.actions import action_named
from shared.identity import IdentityKind
from tests.actions.scene import MEANS, Scene, play, powerful
from tests.fakes import payroll as identity
from tests.practice.desk import PRINCIPAL

ACTION = "dismiss-risk"


RISKY = {"id": PRINCIPAL, "riskLevel": "high", "riskState": "atRisk"}


def test_open_risk_is_dismissed_and_a_fresh_read_proves_it() -> None:
    """Identity Protection shows riskState dismissed afterwards."""

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION)

        assert scene.proof(step).startswith("held: Identity Protection shows risk state dismissed")
        assert scene.image(step) == {"riskState": "atRisk", "open": True}

    play(story, powerful(riskyServicePrincipals=[RISKY]))


def test_no_risk_is_already_so() -> None:
    """Where Identity Protection lists nothing, nothing is sent."""

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION)

        assert (scene.outcomes(step), scene.writes()) == (["already"], [])
        assert scene.proof(step).startswith("held")

    play(story)


def test_it_is_never_done_beside_another_action() -> None:
    """What one plan contains as compromised is not called harmless by the same plan."""

    async def story(scene: Scene) -> None:
        plan = await scene.plan("block-sign-in", ACTION)

        assert [step.action for step in plan.steps] == ["block-sign-in"]
        assert [(each.action, each.outcome) for each in plan.not_done] == [(ACTION, "contradicts-containment")]

    play(story)


@pytest.mark.parametrize("cut", [{"enabled": False}, {"deactivated": True}])
def test_who_is_cut_off_is_let_go_before_the_risk_is_dismissed(cut: dict[str, Any]) -> None:
    """Dismissing the risk of a contained identity would tell two stories at once."""
    planning = action_named(ACTION).plan(replace(identity(), **cut), {}, MEANS)

    assert [each.outcome for each in planning.not_done] == ["contradicts-containment"]


@pytest.mark.parametrize("kind", [IdentityKind.MANAGED_IDENTITY, IdentityKind.AGENT])
def test_what_identity_protection_does_not_cover_is_named(kind: IdentityKind) -> None:
    """Managed identities have no risk state there."""
    planning = action_named(ACTION).plan(identity(kind=kind), {}, MEANS)

    assert [each.outcome for each in planning.not_done] == ["outside-identity-protection"]
