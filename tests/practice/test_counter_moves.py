"""What attackers and colleagues do to the directory meanwhile. Sources are the project's notes on Graph, by topic."""

import pytest

from drill.practice import Behaviour, Credential, CredentialKind, ScenarioMistake
from tests.practice.desk import APPLICATION, FEDERATED, PRINCIPAL, SECRET, Desk, JsonObject, at_the_desk, payroll

SP = f"/servicePrincipals/{PRINCIPAL}"
APP = f"/applications/{APPLICATION}"
POLICIES = "/identity/conditionalAccess/policies"
POLICY = "ca000000-0000-4000-8000-000000000001"
GLOBAL_ADMIN = "62e90394-69f5-4237-9190-012177145e10"
CLOUD_APP_ADMIN = "158c047a-c907-4556-b7ef-446551a6b5f7"
MANAGE_ROLES = "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8"
USER = "0a000000-0000-4000-8000-00000000000a"
BLOCKING: JsonObject = {
    "id": POLICY,
    "displayName": "Workloads",
    "state": "enabled",
    "conditions": {
        "applications": {"includeApplications": ["All"]},
        "clientApplications": {"includeServicePrincipals": ["ServicePrincipalsInMyTenant"]},
        "servicePrincipalRiskLevels": ["high"],
    },
    "grantControls": {"operator": "OR", "builtInControls": ["block"]},
}


def move(does: str, **more: object) -> JsonObject:
    return {"identity": PRINCIPAL, "every": "PT3S", "from": "PT3S", "until": "PT3S", "does": does, **more}


def powerful(**more: object) -> JsonObject:
    """payroll-sync is Global Administrator, and so is whoever holds its secret."""
    return payroll(roleAssignments=[{"principalId": PRINCIPAL, "roleDefinitionId": GLOBAL_ADMIN}], **more)


def activities(desk: Desk) -> list[str]:
    return [each["activityDisplayName"] for each in desk.tenant.state.audits.everything()]


def statuses(desk: Desk) -> list[object]:
    return [each["status"] for each in desk.tenant.attempts if each["does"] != "sign-in"]


# --- attackers -------------------------------------------------------------------------------------


def test_an_attacker_makes_a_friend_the_owner() -> None:
    """Owners can re-add credentials: remove them too (Graph 5)."""

    async def story(desk: Desk) -> None:
        await desk.tenant.run_world()
        (owner,) = (await desk.raw("GET", f"{APP}/owners")).body["value"]

        assert owner["displayName"] == "Service Desk"
        assert activities(desk) == ["Add owner to application"]

    at_the_desk(story, powerful(), attackers=[move("add-owner")])


@pytest.mark.parametrize("power", ["identity", "admin"])
def test_an_attacker_gives_the_identity_the_role_to_give_roles(power: str) -> None:
    """AppRoleAssignment.ReadWrite.All lets its holder become whatever it likes (Graph 6)."""

    async def story(desk: Desk) -> None:
        await desk.tenant.run_world()
        held = (await desk.raw("GET", f"{SP}/appRoleAssignments")).body["value"]

        assert [each["appRoleId"] for each in held] == [MANAGE_ROLES]
        assert activities(desk) == ["Add app role assignment to service principal"]

    at_the_desk(story, powerful(), attackers=[move("add-role", power=power)])


@pytest.mark.parametrize("does", ["add-owner", "add-role", "edit-policy", "activate", "restore"])
def test_without_power_no_move_succeeds(does: str) -> None:
    """An attacker acts with the identity's own permissions, which here are none."""

    async def story(desk: Desk) -> None:
        await desk.tenant.run_world()

        assert statuses(desk) == [403]

    at_the_desk(story, payroll(conditionalAccessPolicies=[BLOCKING]), attackers=[move(does)])


def test_an_attacker_excludes_the_identity_from_the_policy() -> None:
    """Conditional Access changes are watched because they undo containment (Graph 2: reversal watch)."""

    async def story(desk: Desk) -> None:
        await desk.tenant.run_world()
        clients = (await desk.raw("GET", f"{POLICIES}/{POLICY}")).body["conditions"]["clientApplications"]

        assert clients["excludeServicePrincipals"] == [PRINCIPAL]
        assert "Update conditional access policy" in activities(desk)

    at_the_desk(story, powerful(conditionalAccessPolicies=[BLOCKING]), attackers=[move("edit-policy")])


def test_an_attacker_activates_and_restores_what_was_switched_off() -> None:
    """Owners can undo isDisabled; a soft-deleted application comes back with its principal (Graph 5)."""

    async def story(desk: Desk) -> None:
        await desk.raw("PATCH", APP, {"isDisabled": True})
        await desk.tenant.run_world()

        assert statuses(desk) == [204, 404]
        assert desk.application()["isDisabled"] is False

    moves = move(["activate", "restore"], until="PT6S", power="admin")  # type: ignore[reportArgumentType]
    at_the_desk(story, powerful(), attackers=[moves])

    async def deleted(desk: Desk) -> None:
        await desk.raw("DELETE", APP)
        await desk.tenant.run_world()

        assert statuses(desk) == [200]
        assert desk.principal()["accountEnabled"] is True

    at_the_desk(deleted, powerful(), attackers=[move("restore", power="admin")])


def test_a_directory_role_is_power_until_it_is_removed() -> None:
    """What a Cloud Application Administrator can do needs no app role (Graph 6: roles)."""
    role = {"principalId": PRINCIPAL, "roleDefinitionId": CLOUD_APP_ADMIN, "id": "role-1"}
    leaked = Credential(CredentialKind.SECRET, SECRET)

    async def story(desk: Desk) -> None:
        before = desk.tenant.sign_in(PRINCIPAL, leaked).token
        await desk.raw("DELETE", "/roleManagement/directory/roleAssignments/role-1")
        after = desk.tenant.sign_in(PRINCIPAL, leaked).token

        assert before is not None
        assert before.roles == {"Application.ReadWrite.All"}
        assert after is not None
        assert after.roles == set()

    at_the_desk(story, payroll(roleAssignments=[role]))


# --- the timeline ----------------------------------------------------------------------------------


def test_the_timeline_gives_by_graphs_own_calls() -> None:
    """Grants, roles, owners and policies that appear later leave the records that real ones leave (Graph 2)."""
    given = {
        "owners": {APPLICATION: [USER]},
        "appRoleAssignments": [{"principalId": PRINCIPAL, "appRoleId": MANAGE_ROLES}],
        "oauth2PermissionGrants": [{"clientId": PRINCIPAL, "consentType": "AllPrincipals", "scope": "Mail.Read"}],
        "roleAssignments": [{"principalId": PRINCIPAL, "roleDefinitionId": GLOBAL_ADMIN, "directoryScopeId": "/"}],
        "conditionalAccessPolicies": [{name: BLOCKING[name] for name in BLOCKING if name != "id"}],
        "federatedIdentityCredentials": {APPLICATION: [{"name": "late", "issuer": "https://late.example"}]},
    }

    async def story(desk: Desk) -> None:
        await desk.tenant.run_world()
        (policy,) = desk.tenant.snapshot()["tenant"]["conditionalAccessPolicies"]
        desk.tenant.happen({"patch": {"conditionalAccessPolicies": {policy["id"]: {"state": "disabled"}}}})

        assert activities(desk) == [
            "Add owner to application",
            "Add app role assignment to service principal",
            "Add delegated permission grant",
            "Add member to role",
            "Add conditional access policy",
            "Add policy",
            "Update application",
            "Update conditional access policy",
            "Update policy",
        ]
        assert {each["by"] for each in desk.tenant.effects} == {"timeline"}

    at_the_desk(story, timeline=[{"at": "PT1M", "add": given}])


def test_what_graph_would_refuse_does_not_happen_in_a_timeline_either() -> None:
    """A grant to nobody is a mistake in the scenario."""

    async def story(desk: Desk) -> None:
        mistakes: list[JsonObject] = [
            {"appRoleAssignments": [{"appRoleId": MANAGE_ROLES}]},
            {"weather": []},
            {"owners": {"x": ["y"]}},
        ]
        for wrong in mistakes:
            with pytest.raises(ScenarioMistake):
                desk.tenant.happen({"add": wrong})

        assert desk.tenant.effects == []

    at_the_desk(story)


def test_a_tenant_can_be_rebuilt_from_its_snapshot() -> None:
    """The final state of a drill has the shape of a scenario, grants, roles and policies included."""

    async def story(desk: Desk) -> JsonObject:
        return desk.tenant.snapshot()["tenant"]

    first = at_the_desk(
        story,
        powerful(
            appRoleAssignments=[{"principalId": PRINCIPAL, "appRoleId": MANAGE_ROLES}],
            oauth2PermissionGrants=[{"clientId": PRINCIPAL, "scope": "Mail.Read"}],
            owners={APPLICATION: [USER]},
            conditionalAccessPolicies=[BLOCKING],
        ),
    )
    names = ("appRoleAssignments", "oauth2PermissionGrants", "roleAssignments", "owners", "conditionalAccessPolicies")
    second = at_the_desk(story, {**first})

    assert all(first[name] for name in names)
    assert {name: second[name] for name in names} == {name: first[name] for name in names}
    assert len(second["servicePrincipals"]) == len(first["servicePrincipals"])


# --- memberships and deletion ----------------------------------------------------------------------


def test_memberships_are_groups_also_through_groups_and_roles() -> None:
    """memberOf and transitiveMemberOf bring groups and directory roles (Graph 4)."""
    groups = [
        {"id": "g-outer", "displayName": "All apps", "members": ["g-inner"]},
        {"id": "g-inner", "displayName": "Batch apps", "members": [PRINCIPAL]},
        {"id": "g-other", "displayName": "Others", "members": [USER]},
    ]

    async def story(desk: Desk) -> None:
        direct = (await desk.raw("GET", f"{SP}/memberOf")).body["value"]
        wide = (await desk.raw("GET", f"{SP}/transitiveMemberOf")).body["value"]

        assert [each["id"] for each in direct] == ["g-inner", GLOBAL_ADMIN]
        assert [each["id"] for each in wide] == ["g-outer", "g-inner", GLOBAL_ADMIN]
        assert "members" not in direct[0]

    at_the_desk(story, powerful(groups=groups))


def test_an_application_whose_principal_microsoft_disabled_cannot_be_deleted() -> None:
    """Microsoft-disabled applications are not deletable: they stay as tombstones (Graph 1, 5)."""
    hostile = {"disabledByMicrosoftStatus": "DisabledDueToViolationOfServicesAgreement"}

    async def story(desk: Desk) -> None:
        assert (await desk.raw("DELETE", APP)).status == 400
        assert desk.application()["id"] == APPLICATION

    at_the_desk(story, payroll(principal=hostile))


def test_an_application_for_personal_accounts_does_not_come_back() -> None:
    """Personal-account applications are not restorable (Graph 5)."""

    async def story(desk: Desk) -> None:
        deleted = await desk.raw("DELETE", APP)
        restored = await desk.raw("POST", f"/directory/deletedItems/{APPLICATION}/restore")

        assert (deleted.status, restored.status) == (204, 400)

    at_the_desk(story, payroll(application={"signInAudience": "AzureADandPersonalMicrosoftAccount"}))


def test_purging_an_application_leaves_its_principal_among_the_deleted() -> None:
    """The service principal stays soft-deleted until its own 30 days are over (Graph 5)."""

    async def story(desk: Desk) -> None:
        await desk.raw("DELETE", APP)
        await desk.raw("DELETE", f"/directory/deletedItems/{APPLICATION}")
        left = await desk.raw("GET", "/directory/deletedItems/microsoft.graph.servicePrincipal")

        assert [each["id"] for each in left.body["value"]] == [PRINCIPAL]

    at_the_desk(story)


def test_what_comes_back_still_has_its_roles_and_trusts() -> None:
    """Restoring brings consents and assignments back (Graph 5)."""

    async def story(desk: Desk) -> None:
        await desk.raw("DELETE", APP)
        await desk.raw("POST", f"/directory/deletedItems/{APPLICATION}/restore")
        roles = (await desk.raw("GET", f"{SP}/appRoleAssignments")).body["value"]
        trusts = (await desk.raw("GET", f"{APP}/federatedIdentityCredentials")).body["value"]

        assert [each["appRoleId"] for each in roles] == [MANAGE_ROLES]
        assert [each["id"] for each in trusts] == [FEDERATED]

    at_the_desk(story, payroll(appRoleAssignments=[{"principalId": PRINCIPAL, "appRoleId": MANAGE_ROLES}]))


def test_restoring_may_take_a_directory_role_as_well() -> None:
    """Older pages ask for one; whether that binds app-only callers is unverified, so it is a switch (Graph 5)."""

    async def story(desk: Desk) -> tuple[int, int]:
        await desk.raw("DELETE", APP)
        caller = {"principalId": desk.tenant.cordon["executor"].object_id, "roleDefinitionId": CLOUD_APP_ADMIN}
        refused = await desk.raw("POST", f"/directory/deletedItems/{APPLICATION}/restore")
        desk.tenant.happen({"add": {"roleAssignments": [{**caller, "directoryScopeId": "/"}]}})
        allowed = await desk.raw("POST", f"/directory/deletedItems/{APPLICATION}/restore")
        return refused.status, allowed.status

    assert at_the_desk(story, behaviour=Behaviour.gentle(deleted_items_need_role=True)) == (403, 200)
    assert at_the_desk(story) == (200, 404)  # back already
