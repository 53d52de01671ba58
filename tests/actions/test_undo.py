"""The way back on the practice tenant: contain, undo, and every reversible field is as it was."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.entries import UndoIntended, UndoOrdered, UndoVerified
from shared.tenant import Tenant
from shared.undo import Undoing, steps_to_undo
from tests.actions.scene import GLOBAL_ADMIN, MAIL, REF, USER, WRITE_ALL, Scene, play, powerful
from tests.actions.test_together import LEVERS
from tests.actions.test_way_back import shape
from tests.fakes import FakeSwitch
from tests.practice.desk import APPLICATION, PRINCIPAL, Desk

REVERSIBLE = tuple(name for name in LEVERS if name not in ("confirm-compromised", "dismiss-risk"))


async def undo(scene: Scene, **more: Any) -> bool:
    order = UndoOrdered(by="Ada", reason="a false alarm", **more)
    await scene.chain.write(order)
    tenant: Tenant = scene.place.tenant
    return await Undoing(tenant, scene.chain, FakeSwitch(), REF, scene.place.clock.now).carry_out(order)


def whole(scene: Scene) -> dict[str, Any]:
    """All that undo gives back, certificates and federated credentials too; made anew, they have new ids."""
    tenant = scene.tenant()
    holders = [*tenant["applications"], *tenant["servicePrincipals"]]
    trusts = tenant["federatedIdentityCredentials"]
    return {
        **shape(tenant),
        "certificates": [sorted(key["customKeyIdentifier"] for key in each["keyCredentials"]) for each in holders],
        "trusts": {k: sorted((t["name"], t["issuer"], t["subject"]) for t in v) for k, v in trusts.items() if v},
        "policies": len(tenant["conditionalAccessPolicies"]),
    }


@st.composite
def tenants(draw: st.DrawFn) -> dict[str, Any]:
    roles = draw(st.sets(st.sampled_from([MAIL, WRITE_ALL])))
    scopes = draw(st.sampled_from([None, "Mail.Read", "Mail.Read Files.Read.All"]))
    return powerful(
        appRoleAssignments=[{"principalId": PRINCIPAL, "appRoleId": each} for each in sorted(roles)],
        oauth2PermissionGrants=[{"clientId": PRINCIPAL, "scope": scopes}] if scopes else [],
        roleAssignments=draw(st.sampled_from([[], [{"principalId": PRINCIPAL, "roleDefinitionId": GLOBAL_ADMIN}]])),
        owners={APPLICATION: draw(st.sampled_from([[], [USER]])), PRINCIPAL: draw(st.sampled_from([[], [USER]]))},
        application={
            "tags": draw(st.sampled_from([[], ["HideApp"]])),
            "isDisabled": draw(st.sampled_from([None, True])),
            "servicePrincipalLockConfiguration": {"isEnabled": draw(st.booleans()), "allProperties": True},
        },
        principal={"accountEnabled": draw(st.booleans())},
    )


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(tenants(), st.lists(st.sampled_from(REVERSIBLE), min_size=1, unique=True))
def test_contain_then_undo_leaves_every_reversible_field_as_it_was(tenant: dict[str, Any], names: list[str]) -> None:
    """Over tenants and plans: only secrets, whose values nobody can show, do not come back."""

    async def story(scene: Scene) -> None:
        before = whole(scene)
        await scene.do(*names)
        assert await undo(scene), [f"{v.answer}: {v.proof}" for v in scene.chain.all(UndoVerified)]

        assert whole(scene) == before

    play(story, tenant)


def test_a_grant_that_somebody_gave_anew_is_left_and_shown() -> None:
    """The grant stands with another scope by now: both are named, it stays, and the rest comes back."""

    async def story(scene: Scene) -> None:
        steps = await scene.do("block-sign-in", "remove-delegated-grants")
        given = scene.removed(steps[1])[0]
        desk_grant = {
            "clientId": PRINCIPAL,
            "consentType": given["consentType"],
            "resourceId": given["resourceId"],
            "scope": "User.Read",
        }
        reply = await Desk(scene.practice).raw("POST", "/oauth2PermissionGrants", desk_grant, role="executor")
        assert reply.status == 201
        assert await undo(scene)
        (drift,) = [drift for entry in scene.chain.all(UndoIntended) for drift in entry.drifted]

        assert (drift.before, drift.now) == (given["scope"], "User.Read")
        assert [each["scope"] for each in scene.tenant()["oauth2PermissionGrants"]] == ["User.Read"]
        assert scene.tenant()["servicePrincipals"][0]["accountEnabled"]

    play(story)


def test_a_lock_that_somebody_set_otherwise_is_left_and_shown() -> None:
    """Cordon locked everything, and a person has opened a part since: that stays, and the rest comes back."""
    loosened = {"isEnabled": True, "allProperties": False, "credentialsWithUsageVerify": True}

    async def story(scene: Scene) -> None:
        await scene.do("block-sign-in", "custody")
        change = {"servicePrincipalLockConfiguration": loosened}
        reply = await Desk(scene.practice).raw("PATCH", f"/applications/{APPLICATION}", change, role="executor")
        assert reply.status == 204
        await undo(scene)
        (drift,) = [drift for entry in scene.chain.all(UndoIntended) for drift in entry.drifted]
        lock = scene.tenant()["applications"][0]["servicePrincipalLockConfiguration"]

        assert drift.property == "servicePrincipalLockConfiguration"
        assert json.loads(drift.now)["allProperties"] is False
        assert {name: lock[name] for name in loosened} == loosened
        assert scene.tenant()["servicePrincipals"][0]["accountEnabled"]

    play(story)


def test_an_undo_twice_writes_nothing_more() -> None:
    """The second look finds everything in its place."""

    async def story(scene: Scene) -> None:
        await scene.do(*REVERSIBLE)
        assert await undo(scene)
        written = len(scene.writes())
        assert await undo(scene)

        assert len(scene.writes()) == written
        assert steps_to_undo(scene.chain)

    play(story)
