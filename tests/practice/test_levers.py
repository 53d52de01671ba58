"""What can be taken from an identity beside its sign-in: roles, grants, owners. Sources are the notes on Graph."""

import pytest

from drill.practice import Behaviour, Credential, CredentialKind
from tests.practice.desk import (
    APP_ID,
    APPLICATION,
    GRAPH,
    PRINCIPAL,
    SECRET,
    Desk,
    JsonObject,
    Reply,
    at_the_desk,
    payroll,
)

SP = f"/servicePrincipals/{PRINCIPAL}"
MAIL = "e2a3a72e-5f79-4c64-b1b1-878b674786c9"  # Mail.ReadWrite
WRITE_ALL = "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9"  # Application.ReadWrite.All
GLOBAL_READER = "f2ef992c-3afb-46b9-b7cf-a126ee74c451"
USER = "0a000000-0000-4000-8000-00000000000a"
ROLES_ASKED = f"/roleManagement/directory/roleAssignments?$filter=principalId eq '{PRINCIPAL}'"
REMOVED = "Remove app role assignment from service principal"


def holder(**more: object) -> JsonObject:
    """A tenant whose payroll-sync holds two app roles, one grant, one directory role and has one owner."""
    return payroll(
        appRoleAssignments=[{"principalId": PRINCIPAL, "appRoleId": each} for each in (MAIL, WRITE_ALL)],
        oauth2PermissionGrants=[{"clientId": PRINCIPAL, "scope": "Mail.Read Files.Read.All"}],
        roleAssignments=[{"principalId": PRINCIPAL, "roleDefinitionId": GLOBAL_READER}],
        owners={APPLICATION: [USER], PRINCIPAL: [USER]},
        **more,
    )


def audit(desk: Desk, activity: str) -> JsonObject:
    """The one record of this activity."""
    found = [each for each in desk.tenant.state.audits.everything() if each["activityDisplayName"] == activity]
    assert len(found) == 1, activity
    return found[0]


def new_values(record: JsonObject) -> JsonObject:
    return {each["displayName"]: each["newValue"] for each in record["targetResources"][0]["modifiedProperties"]}


async def listed(desk: Desk, path: str) -> list[JsonObject]:
    reply = await desk.raw("GET", path)
    assert reply.status == 200, reply
    return reply.body["value"]


# --- app roles -------------------------------------------------------------------------------------


def test_a_removed_app_role_is_gone_from_both_sides_and_from_the_next_token() -> None:
    """DELETE …/appRoleAssignments/{id} answers 204, then 404; issued tokens keep their roles (Graph 6)."""
    leaked = Credential(CredentialKind.SECRET, SECRET)

    async def story(desk: Desk) -> None:
        old = desk.tenant.sign_in(PRINCIPAL, leaked).token
        held = await listed(desk, f"{SP}/appRoleAssignments")
        resource = f"/servicePrincipals/{held[0]['resourceId']}"
        given = await listed(desk, f"{resource}/appRoleAssignedTo")
        write_all = next(each for each in held if each["appRoleId"] == WRITE_ALL)
        path = f"{SP}/appRoleAssignments/{write_all['id']}"
        statuses = [(await desk.raw("DELETE", path)).status for _ in range(2)]
        new = desk.tenant.sign_in(PRINCIPAL, leaked).token

        assert [each for each in given if each["principalId"] == PRINCIPAL] == held
        assert statuses == [204, 404]
        assert [each["appRoleId"] for each in await listed(desk, f"{SP}/appRoleAssignments")] == [MAIL]
        left = await listed(desk, f"{resource}/appRoleAssignedTo")
        assert [each["appRoleId"] for each in left if each["principalId"] == PRINCIPAL] == [MAIL]
        assert old is not None
        assert new is not None
        assert old.roles == {"Mail.ReadWrite", "Application.ReadWrite.All"}
        assert new.roles == {"Mail.ReadWrite"}

    at_the_desk(story, holder())


def test_the_resource_names_its_app_roles() -> None:
    """appRoleId is resolved through the resource's appRoles; Graph has a well-known appId (Graph 6)."""

    async def story(desk: Desk) -> None:
        held = await listed(desk, f"{SP}/appRoleAssignments")
        graph = await desk.raw("GET", "/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')")
        names = {each["id"]: each["value"] for each in graph.body["appRoles"]}

        assert graph.body["id"] == held[0]["resourceId"]
        assert [names[each["appRoleId"]] for each in held] == ["Mail.ReadWrite", "Application.ReadWrite.All"]

    at_the_desk(story, holder())


def test_cordon_can_look_up_what_it_may_do() -> None:
    """An identity's permissions are the app roles of Graph that it holds (Graph 6, 10)."""
    given = {"reader": ["Application.Read.All", "Policy.Read.All"], "executor": []}

    async def story(desk: Desk) -> None:
        reader, executor = (desk.tenant.cordon[role].object_id for role in ("reader", "executor"))
        graph = await desk.raw("GET", "/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')", role="reader")
        names = {each["id"]: each["value"] for each in graph.body["appRoles"]}
        reply = await desk.raw("GET", f"/servicePrincipals/{reader}/appRoleAssignments", role="reader")
        nothing = await desk.raw("GET", f"/servicePrincipals/{executor}/appRoleAssignments", role="reader")

        assert {names[each["appRoleId"]] for each in reply.body["value"]} == set(given["reader"])
        assert nothing.body["value"] == []
        assert len(desk.tenant.snapshot()["tenant"]["appRoleAssignments"]) == 2  # the permissions are told elsewhere

    at_the_desk(story, holder(permissions=given))


def test_a_pasted_export_keeps_the_ids_of_its_resources() -> None:
    """Grants name their resources by object id; those that the scenario does not list are made up."""
    graph, sharepoint = "9a000000-0000-4000-8000-000000000001", "9a000000-0000-4000-8000-000000000002"
    pasted = [
        {"principalId": PRINCIPAL, "appRoleId": MAIL, "resourceId": graph, "resourceDisplayName": "Microsoft Graph"},
        {"principalId": PRINCIPAL, "resourceId": sharepoint, "resourceDisplayName": "SharePoint"},
    ]

    async def story(desk: Desk) -> None:
        names = [
            (await desk.raw("GET", f"/servicePrincipals/{each}")).body["displayName"] for each in (graph, sharepoint)
        ]
        held = await listed(desk, f"{SP}/appRoleAssignments")

        assert names == ["Microsoft Graph", "SharePoint"]
        assert [each["resourceId"] for each in held] == [graph, sharepoint]

    at_the_desk(story, payroll(appRoleAssignments=pasted))


def test_an_app_role_is_removed_from_the_resource_too() -> None:
    """DELETE …/appRoleAssignedTo/{id} is the same removal, and only of what that resource gave (Graph 6)."""

    async def story(desk: Desk) -> None:
        held = await listed(desk, f"{SP}/appRoleAssignments")
        wrong = await desk.raw("DELETE", f"{SP}/appRoleAssignedTo/{held[0]['id']}")
        right = await desk.raw(
            "DELETE", f"/servicePrincipals/{held[0]['resourceId']}/appRoleAssignedTo/{held[0]['id']}"
        )

        assert (wrong.status, right.status) == (404, 204)
        assert len(await listed(desk, f"{SP}/appRoleAssignments")) == 1

    at_the_desk(story, holder())


@pytest.mark.parametrize(
    ("permission", "map_is_right", "status"),
    [
        ("AppRoleAssignment.ReadWrite.All", True, 204),
        ("Application.ReadWrite.All", True, 204),
        ("Application.ReadWrite.All", False, 403),
        ("AppRoleAssignment.ReadWrite.All", False, 204),
        ("Application.ReadWrite.OwnedBy", True, 403),
        ("Directory.ReadWrite.All", True, 403),
    ],
)
def test_which_permission_removes_app_roles_is_a_switch(permission: str, map_is_right: bool, status: int) -> None:
    """The permission map lists Application.ReadWrite.All as well, the call's page does not (Graph 6, 13)."""
    behaviour = Behaviour.gentle(application_write_removes_app_roles=map_is_right)

    async def story(desk: Desk) -> None:
        held = (await desk.raw("GET", f"{SP}/appRoleAssignments", role="reader")).body["value"]
        reply = await desk.raw("DELETE", f"{SP}/appRoleAssignments/{held[0]['id']}")

        assert reply.status == status

    only = {"executor": [permission], "reader": ["Application.Read.All"]}
    at_the_desk(story, holder(permissions=only), behaviour=behaviour)


def test_an_app_role_removal_is_logged_on_the_resource() -> None:
    """The target is the resource; client and role stand in the properties, as new values only (Graph 2)."""

    async def story(desk: Desk) -> None:
        held = await listed(desk, f"{SP}/appRoleAssignments")
        await desk.raw("DELETE", f"{SP}/appRoleAssignments/{held[0]['id']}")
        record = audit(desk, REMOVED)

        assert [each["id"] for each in record["targetResources"]] == [held[0]["resourceId"]]
        assert new_values(record)["AppRole.Value"] == '"Mail.ReadWrite"'
        assert new_values(record)["ServicePrincipal.AppId"] == f'"{APP_ID}"'
        assert "ServicePrincipal.ObjectID" not in new_values(record)
        assert record["category"] == "ApplicationManagement"

    at_the_desk(story, holder())


def test_an_app_role_is_given_back_once() -> None:
    """POST …/appRoleAssignments answers 201; a second time, or for a role that is none, it is 400 (Graph 10)."""

    async def story(desk: Desk) -> None:
        held = await listed(desk, f"{SP}/appRoleAssignments")
        await desk.raw("DELETE", f"{SP}/appRoleAssignments/{held[0]['id']}")
        body = {name: held[0][name] for name in ("principalId", "resourceId", "appRoleId")}
        replies = [await desk.raw("POST", f"{SP}/appRoleAssignments", body) for _ in range(2)]
        odd = await desk.raw("POST", f"{SP}/appRoleAssignments", {**body, "appRoleId": PRINCIPAL})

        assert [each.status for each in replies] == [201, 400]
        assert odd.status == 400
        assert replies[0].body["id"] != held[0]["id"]
        assert {each["appRoleId"] for each in await listed(desk, f"{SP}/appRoleAssignments")} == {MAIL, WRITE_ALL}

    at_the_desk(story, holder())


def test_a_replica_may_still_show_a_role_that_was_removed() -> None:
    """Lists of assignments may lag behind what was just granted or removed (Graph docs: list-approleassignments)."""
    lagging = Behaviour.gentle(read_lag=60.0, read_lag_share=1.0)

    async def story(desk: Desk) -> None:
        held = await listed(desk, f"{SP}/appRoleAssignments")
        await desk.raw("DELETE", f"{SP}/appRoleAssignments/{held[0]['id']}")

        assert len(await listed(desk, f"{SP}/appRoleAssignments")) == 2
        assert len(desk.tenant.snapshot()["tenant"]["appRoleAssignments"]) == 1

    at_the_desk(story, holder(), behaviour=lagging)


# --- delegated grants ------------------------------------------------------------------------------


def test_a_delegated_grant_is_narrowed_and_deleted() -> None:
    """PATCH replaces the scope and answers 204; DELETE answers 204, then 404 (Graph 6)."""

    async def story(desk: Desk) -> None:
        (grant,) = await listed(desk, f"{SP}/oauth2PermissionGrants")
        wide = await listed(desk, f"/oauth2PermissionGrants?$filter=clientId eq '{PRINCIPAL}'")
        path = f"/oauth2PermissionGrants/{grant['id']}"
        narrowed = await desk.raw("PATCH", path, {"scope": "Files.Read.All"})
        (after,) = await listed(desk, f"{SP}/oauth2PermissionGrants")
        gone = [(await desk.raw("DELETE", path)).status for _ in range(2)]

        assert wide == [grant]
        assert set(grant) == {"id", "clientId", "consentType", "principalId", "resourceId", "scope"}
        assert narrowed.status == 204
        assert after == {**grant, "scope": "Files.Read.All"}
        assert gone == [204, 404]
        assert await listed(desk, "/oauth2PermissionGrants") == []

    at_the_desk(story, holder())


@pytest.mark.parametrize(
    ("permission", "statuses"),
    [
        ("DelegatedPermissionGrant.ReadWrite.All", (200, 204)),
        ("Directory.Read.All", (200, 403)),
        ("Application.ReadWrite.All", (403, 403)),
    ],
)
def test_grants_have_their_own_permission(permission: str, statuses: tuple[int, int]) -> None:
    """Reading takes Directory.Read.All or DelegatedPermissionGrant.ReadWrite.All, deleting the latter (Graph 6)."""

    async def story(desk: Desk) -> None:
        grant = desk.tenant.snapshot()["tenant"]["oauth2PermissionGrants"][0]["id"]
        read = await desk.raw("GET", f"{SP}/oauth2PermissionGrants")
        deleted = await desk.raw("DELETE", f"/oauth2PermissionGrants/{grant}")

        assert (read.status, deleted.status) == statuses

    at_the_desk(story, holder(permissions={"executor": [permission]}))


def test_nothing_but_the_scope_of_a_grant_can_be_changed() -> None:
    """PATCH {"scope"} is all that is documented (Graph 6)."""

    async def story(desk: Desk) -> None:
        (grant,) = await listed(desk, f"{SP}/oauth2PermissionGrants")
        reply = await desk.raw("PATCH", f"/oauth2PermissionGrants/{grant['id']}", {"consentType": "Principal"})

        assert reply.status == 400
        assert await listed(desk, f"{SP}/oauth2PermissionGrants") == [grant]

    at_the_desk(story, holder())


def test_a_deleted_grant_is_logged_and_can_be_made_again() -> None:
    """`Remove delegated permission grant` with DelegatedPermissionGrant.Scope (Graph 2); POST answers 201."""

    async def story(desk: Desk) -> None:
        (grant,) = await listed(desk, f"{SP}/oauth2PermissionGrants")
        await desk.raw("DELETE", f"/oauth2PermissionGrants/{grant['id']}")
        body = {name: value for name, value in grant.items() if name != "id"}
        replies = [await desk.raw("POST", "/oauth2PermissionGrants", body) for _ in range(2)]
        removal = audit(desk, "Remove delegated permission grant")

        assert removal["targetResources"][0]["modifiedProperties"][0]["oldValue"] == '"Mail.Read Files.Read.All"'
        assert new_values(removal)["ServicePrincipal.ObjectID"] == f'"{PRINCIPAL}"'
        assert [each.status for each in replies] == [201, 400]
        assert audit(desk, "Add delegated permission grant")["correlationId"] != removal["correlationId"]

    at_the_desk(story, holder())


# --- directory roles -------------------------------------------------------------------------------


def test_directory_roles_are_asked_for_by_principal_and_removed() -> None:
    """$filter=principalId eq '…', $expand=roleDefinition; DELETE answers 204 (Graph 6)."""

    async def story(desk: Desk) -> None:
        (held,) = await listed(desk, f"{ROLES_ASKED}&$expand=roleDefinition")
        (plain,) = await listed(desk, ROLES_ASKED)
        path = f"/roleManagement/directory/roleAssignments/{held['id']}"
        gone = [(await desk.raw("DELETE", path)).status for _ in range(2)]

        assert held["roleDefinition"]["displayName"] == "Global Reader"
        assert held["directoryScopeId"] == "/"
        assert "roleDefinition" not in plain
        assert gone == [204, 404]
        assert await listed(desk, ROLES_ASKED) == []
        assert audit(desk, "Remove member from role")["category"] == "RoleManagement"

    at_the_desk(story, holder())


@pytest.mark.parametrize(
    "query",
    ["", "?$filter=roleDefinitionId ne 'x'", "?$filter=principalId ne 'x'", "?$expand=roleDefinition"],
)
def test_role_assignments_are_not_listed_without_a_principal(query: str) -> None:
    """Nothing but the filter by principal is used here (Graph 6)."""

    async def story(desk: Desk) -> None:
        assert (await desk.raw("GET", f"/roleManagement/directory/roleAssignments{query}")).status == 400

    at_the_desk(story, holder())


def test_directory_roles_have_their_own_permissions() -> None:
    """RoleManagement.Read.Directory reads, RoleManagement.ReadWrite.Directory deletes (Graph 6)."""

    async def story(desk: Desk) -> None:
        held = desk.tenant.snapshot()["tenant"]["roleAssignments"][0]["id"]
        path = f"/roleManagement/directory/roleAssignments/{held}"
        asked = [(await desk.raw("GET", ROLES_ASKED, role=role)).status for role in ("reader", "executor")]
        gone = [(await desk.raw("DELETE", path, role=role)).status for role in ("executor", "reader")]

        assert (asked, gone) == ([200, 403], [403, 403])

    given = {"reader": ["RoleManagement.Read.Directory"], "executor": ["Application.ReadWrite.All"]}
    at_the_desk(story, holder(permissions=given))


def test_a_directory_role_is_given_back_once() -> None:
    """POST answers 201; the same role, principal and scope again is refused."""

    async def story(desk: Desk) -> None:
        (held,) = await listed(desk, ROLES_ASKED)
        await desk.raw("DELETE", f"/roleManagement/directory/roleAssignments/{held['id']}")
        body = {name: value for name, value in held.items() if name != "id"}
        replies = [await desk.raw("POST", "/roleManagement/directory/roleAssignments", body) for _ in range(2)]

        assert [each.status for each in replies] == [201, 400]
        assert audit(desk, "Add member to role")["targetResources"][1]["displayName"] == "Global Reader"

    at_the_desk(story, holder())


# --- owners ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "thing"), [(f"/applications/{APPLICATION}", "application"), (SP, "service principal")]
)
def test_an_owner_is_removed_and_put_back_by_reference(path: str, thing: str) -> None:
    """DELETE …/owners/{id}/$ref and POST …/owners/$ref answer 204; one who is owner already is 400 (Graph 4)."""
    reference = {"@odata.id": f"{GRAPH}/v1.0/directoryObjects/{USER}"}

    async def story(desk: Desk) -> None:
        async def put_back() -> Reply:
            return await desk.raw("POST", f"{path}/owners/$ref", reference)

        already = await put_back()
        removed = await desk.raw("DELETE", f"{path}/owners/{USER}/$ref")
        back = await put_back()
        stranger = await desk.raw("POST", f"{path}/owners/$ref", {"@odata.id": f"{GRAPH}/v1.0/directoryObjects/x"})

        assert (already.status, removed.status, back.status, stranger.status) == (400, 204, 204, 404)
        assert [each["id"] for each in await listed(desk, f"{path}/owners")] == [USER]
        assert audit(desk, f"Remove owner from {thing}")["operationType"] == "Unassign"
        assert audit(desk, f"Add owner to {thing}")["operationType"] == "Assign"

    at_the_desk(story, holder())


@pytest.mark.parametrize("host", ["https://graph.microsoft.us", "http://graph.microsoft.com", "https://evil.example"])
def test_an_owner_is_not_added_by_a_reference_into_another_service(host: str) -> None:
    """The Graphs of national clouds are apart from each other (facts: national clouds): such a link is 400 here."""
    reference = {"@odata.id": f"{host}/v1.0/directoryObjects/{USER}"}

    async def story(desk: Desk) -> None:
        removed = await desk.raw("DELETE", f"{SP}/owners/{USER}/$ref")
        added = await desk.raw("POST", f"{SP}/owners/$ref", reference)

        assert (removed.status, added.status) == (204, 400)

    at_the_desk(story, holder())


def test_adding_an_owner_also_takes_reading_the_directory() -> None:
    """Removing takes Application.ReadWrite.All alone; adding needs Directory.Read.All as well (Graph 4)."""
    reference = {"@odata.id": f"{GRAPH}/v1.0/directoryObjects/{USER}"}

    async def story(desk: Desk) -> None:
        removed = await desk.raw("DELETE", f"{SP}/owners/{USER}/$ref")
        added = await desk.raw("POST", f"{SP}/owners/$ref", reference)

        assert (removed.status, added.status) == (204, 403)

    at_the_desk(story, holder(permissions={"executor": ["Application.ReadWrite.All"]}))
