"""All levers at once, on an ordinary bad day of the tenant."""

from dataclasses import replace

import pytest

from drill.practice import Behaviour
from shared.entries import Verified
from tests.actions.scene import Scene, play
from tests.practice.desk import APPLICATION

LEVERS = (
    "block-sign-in",
    "deactivate-application",
    "replace-credentials",
    "remove-directory-roles",
    "remove-app-roles",
    "remove-delegated-grants",
    "custody",
    "require-risk-policy",
    "confirm-compromised",
)
FAULTS = [
    {"service": "graph", "match": match, "kind": kind, "count": 1}
    for match, kind in (
        ("PATCH /applications/*", "timeout-applied"),
        ("DELETE /servicePrincipals/*", "503"),
        ("DELETE /oauth2PermissionGrants/*", "timeout"),
        ("POST /identity/conditionalAccess/policies", "429"),
    )
]


@pytest.mark.parametrize("faults", [[], FAULTS], ids=["lag", "lag-and-faults"])
def test_every_lever_holds_and_only_one_policy_is_made(faults: list[dict[str, object]]) -> None:
    """Replicas lag, quotas are small, answers are lost: the order is kept and each effect is proven."""

    async def story(scene: Scene) -> None:
        steps = await scene.do(*LEVERS)

        tenant = scene.tenant()
        assert {step.action: scene.proof(step)[:4] for step in steps} == dict.fromkeys(LEVERS, "held")
        assert scene.place.truth()["accountEnabled"] is False
        assert scene.place.truth("applications", APPLICATION)["isDisabled"] is True
        assert (tenant["appRoleAssignments"], tenant["oauth2PermissionGrants"], tenant["roleAssignments"]) == (
            [],
            [],
            [],
        )
        assert len(tenant["conditionalAccessPolicies"]) == 1
        cuts = {name for effect in list(scene.practice.effects)[:2] for name in dict(effect["body"])}
        assert cuts == {"accountEnabled", "isDisabled"}  # sent side by side, before all else

    play(story, behaviour=Behaviour(), faults=faults)


def test_nothing_that_waits_for_a_quota_holds_up_the_proof_of_the_block() -> None:
    """Conditional Access and identity protection allow one request a second; each group proves what is its own."""

    async def story(scene: Scene) -> None:
        (block, *_) = await scene.do(*LEVERS)

        begun = scene.chain.records[0].time
        proofs = [line for line in scene.chain.lines if isinstance(line.entry, Verified)]
        first = next(line.record.time for line in proofs if line.record.step == block.id)
        last = proofs[-1].record.time
        assert (first - begun).total_seconds() < 1.5
        assert (last - begun).total_seconds() > 2.0

    play(story, behaviour=replace(Behaviour(), read_lag_share=0.0))
