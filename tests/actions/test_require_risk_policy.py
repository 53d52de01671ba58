"""One Conditional Access policy of Cordon's own for the whole tenant."""

from typing import Any

import pytest

from drill.practice import Behaviour
from shared.actions import action_named
from shared.identity import IdentityKind
from shared.tenant import RISK_POLICY
from tests.actions.scene import MEANS, Scene, play, powerful
from tests.fakes import payroll as identity
from tests.practice.desk import PRINCIPAL

ACTION = "require-risk-policy"
POLICY = "ca000000-0000-4000-8000-000000000001"
OTHER = "0c0c0c0c-0000-4000-8000-000000000077"
REPORT_ONLY = "enabledForReportingButNotEnforced"


def standing(*included: str, state: str = "enabled", excluded: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """A tenant that has Cordon's policy already, as somebody may have changed it."""
    conditions: dict[str, Any] = {
        "clientAppTypes": ["all"],
        "applications": {"includeApplications": ["All"]},
        "clientApplications": {"includeServicePrincipals": [*included], "excludeServicePrincipals": [*excluded]},
        "servicePrincipalRiskLevels": ["high"],
        **more,
    }
    grant = {"operator": "OR", "builtInControls": ["block"]}
    policy = {
        "id": POLICY,
        "displayName": RISK_POLICY,
        "state": state,
        "conditions": conditions,
        "grantControls": grant,
    }
    other = {"id": OTHER, "appId": OTHER.replace("0c", "0a")}
    return powerful(conditionalAccessPolicies=[policy], principals=[other])


def policies(scene: Scene) -> list[dict[str, Any]]:
    return scene.tenant()["conditionalAccessPolicies"]


def included(policy: dict[str, Any]) -> list[str]:
    return policy["conditions"]["clientApplications"]["includeServicePrincipals"]


@pytest.mark.parametrize(("options", "state"), [({}, REPORT_ONLY), ({"state": "enabled"}, "enabled")])
def test_the_first_time_the_policy_is_made(options: dict[str, str], state: str) -> None:
    """It reports only, unless the policy file says that it blocks."""

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION, **options)

        (policy,) = policies(scene)
        assert (policy["displayName"], policy["state"]) == (RISK_POLICY, state)
        assert included(policy) == [PRINCIPAL]
        assert policy["conditions"]["servicePrincipalRiskLevels"] == ["high"]
        assert scene.proof(step).startswith("held")
        assert scene.image(step) == {"policy": None, "sentBefore": False}

    play(story)


def test_after_that_it_is_extended_and_what_people_added_stays() -> None:
    """One policy for all incidents: the identity joins those that are there, and their exclusion stays."""

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION)

        (policy,) = policies(scene)
        assert included(policy) == [OTHER, PRINCIPAL]
        assert policy["state"] == "enabled"
        assert policy["conditions"]["servicePrincipalRiskLevels"] == ["medium", "high"]
        assert scene.proof(step).startswith(f"held: policy {POLICY} blocks this identity at high risk")
        assert scene.writes() == [f"PATCH /identity/conditionalAccess/policies/{POLICY}"]

    play(story, standing(OTHER, servicePrincipalRiskLevels=["medium", "high"]))


@pytest.mark.parametrize("who", [PRINCIPAL, "ServicePrincipalsInMyTenant"])
def test_an_identity_that_is_covered_needs_no_write(who: str) -> None:
    """Also where somebody made the policy cover everyone."""

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION)

        assert scene.outcomes(step) == ["already"]
        assert scene.proof(step).startswith("held")
        assert scene.writes() == []

    play(story, standing(who))


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (standing(OTHER, state="disabled"), "its state is disabled"),
        (standing(OTHER, excluded=(PRINCIPAL,)), "excludes this identity"),
        (standing(OTHER, servicePrincipalRiskLevels=["low"]), "at risk low"),
        (standing(OTHER, applications={"includeApplications": [OTHER]}), "all resources"),
    ],
    ids=["disabled", "excluded", "other-risk", "one-resource"],
)
def test_what_people_weakened_is_kept_and_named(given: dict[str, Any], why: str) -> None:
    """Cordon adds the identity, overrules nobody, and does not call it done."""

    async def story(scene: Scene) -> None:
        (before,) = policies(scene)
        (step,) = await scene.do(ACTION)

        (after,) = policies(scene)
        assert scene.stopped(step).outcome == "kept-as-people-changed-it"
        assert why in scene.stopped(step).reason
        assert after["state"] == before["state"]
        assert PRINCIPAL in included(after)

    play(story, given)


def test_report_only_is_not_taken_for_blocking() -> None:
    """A plan that wants it enabled does not turn it on for everybody in it: that is for a person."""

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION, state="enabled")

        assert scene.stopped(step).outcome == "kept-as-people-changed-it"
        assert policies(scene)[0]["state"] == REPORT_ONLY

    play(story, standing(OTHER, state=REPORT_ONLY))


def test_a_lost_answer_to_the_creation_makes_no_second_policy() -> None:
    """Sent once; then it is looked for by name as long as replicas may lag."""
    lost = {"service": "graph", "match": "POST /identity/conditionalAccess/policies", "kind": "timeout-applied"}

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION)

        assert len(policies(scene)) == 1
        assert scene.proof(step).startswith("held")
        assert scene.outcomes(step)[0] == "unknown"

    nasty = Behaviour(read_lag=10.0, read_lag_share=0.9)
    play(story, faults=[{**lost, "count": 1}], behaviour=nasty)


def test_without_the_licence_the_step_ends_by_name() -> None:
    """The tenant says 1150; the other steps of a plan do not need it."""

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION)

        assert scene.stopped(step).outcome == "licence-missing"
        assert policies(scene) == []

    play(story, powerful(licences=[]))


def test_two_policies_of_the_name_are_for_a_person() -> None:
    """Somebody copied it; which one is right is not for Cordon to guess."""
    given = standing(OTHER)
    (policy,) = given["conditionalAccessPolicies"]
    twin = {**policy, "id": POLICY.replace("01", "02")}

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION)

        assert scene.stopped(step).outcome == "refused-by-platform"
        assert scene.writes() == []

    play(story, {**given, "conditionalAccessPolicies": [policy, twin]})


@pytest.mark.parametrize("kind", [each for each in IdentityKind if each is not IdentityKind.OWN_SINGLE_TENANT])
def test_only_own_single_tenant_applications_are_covered(kind: IdentityKind) -> None:
    """The platform would take others into the list and never apply the policy to them."""
    planning = action_named(ACTION).plan(identity(kind=kind), {}, MEANS)

    assert not planning.steps
    assert [each.outcome for each in planning.not_done] == ["outside-conditional-access"]
