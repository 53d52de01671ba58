"""Applications and service principals on the practice tenant. Sources are the project's notes on Graph, by topic."""

import asyncio
from datetime import timedelta

import pytest

from drill.practice import Behaviour
from tests.practice.desk import APP_ID, APPLICATION, FEDERATED, PRINCIPAL, Desk, ODataError, at_the_desk, payroll

MICROSOFT = "f8cdef31-a31e-4b4a-93e4-5f571e91255a"


def test_the_real_sdk_disables_a_service_principal() -> None:
    """PATCH accountEnabled answers 204 with no body (Graph: serviceprincipal-update)."""

    async def story(desk: Desk) -> None:
        graph = desk.graph()
        found = await graph.get(graph.builders.service_principals_with_app_id(APP_ID))
        builder = graph.builders.service_principals.by_service_principal_id(found["id"])
        await graph.patch(builder, {"accountEnabled": False})

        assert found["accountEnabled"] is True
        assert (await graph.get(builder))["accountEnabled"] is False
        assert [effect["status"] for effect in desk.tenant.effects] == [204]

    at_the_desk(story)


def test_a_missing_permission_is_403_for_the_real_sdk() -> None:
    """The reader may look and not touch: Authorization_RequestDenied, and nothing changes (Graph: errors)."""

    async def story(desk: Desk) -> None:
        graph = desk.graph("reader")
        builder = graph.builders.service_principals.by_service_principal_id(PRINCIPAL)
        with pytest.raises(ODataError) as refusal:
            await graph.patch(builder, {"accountEnabled": False})

        assert refusal.value.response_status_code == 403
        assert refusal.value.error is not None
        assert refusal.value.error.code == "Authorization_RequestDenied"
        assert desk.principal()["accountEnabled"] is True
        assert [effect["applied"] for effect in desk.tenant.effects] == [False]

    at_the_desk(story, payroll(permissions={}))


def test_a_directory_wide_permission_writes_principals_but_not_applications() -> None:
    """PATCH /applications does not accept Directory.ReadWrite.All (Graph: permission map)."""

    async def story(desk: Desk) -> None:
        principal = await desk.raw("PATCH", f"/servicePrincipals/{PRINCIPAL}", {"accountEnabled": False})
        application = await desk.raw("PATCH", f"/applications/{APPLICATION}", {"tags": []})

        assert (principal.status, application.status) == (204, 403)

    at_the_desk(story, payroll(permissions={"executor": ["Directory.ReadWrite.All"]}))


@pytest.mark.parametrize("token", ["", "eyJ.not.ours"])
def test_a_foreign_token_is_401(token: str) -> None:
    """Graph answers 401 to what it has not issued."""

    async def story(desk: Desk) -> None:
        reply = await desk.raw("GET", f"/servicePrincipals/{PRINCIPAL}", token=token)

        assert (reply.status, reply.code) == (401, "Authentication_MissingOrMalformed")

    at_the_desk(story)


def test_a_token_for_another_audience_is_401() -> None:
    """Tokens are not interchangeable between services (Graph: clouds)."""

    async def story(desk: Desk) -> None:
        token = desk.token("executor", "https://vault.azure.net/.default")
        reply = await desk.raw("GET", f"/servicePrincipals/{PRINCIPAL}", token=token)

        assert reply.status == 401

    at_the_desk(story)


def test_a_token_dies_when_its_time_is_over() -> None:
    """A managed identity's token is good for a day and no longer (limits A.3)."""

    async def story(desk: Desk) -> None:
        token = desk.token("executor")
        await asyncio.sleep(timedelta(hours=23, minutes=59).total_seconds())
        before = await desk.raw("GET", f"/servicePrincipals/{PRINCIPAL}", token=token)
        await asyncio.sleep(120)
        after = await desk.raw("GET", f"/servicePrincipals/{PRINCIPAL}", token=token)

        assert (before.status, after.status) == (200, 401)

    at_the_desk(story)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"acountEnabled": False}, "Invalid property"),
        ({"accountEnabled": "false"}, "Edm.Boolean"),
        ({"appId": APP_ID}, "read-only"),
        ({"passwordCredentials": []}, "cannot be updated"),
        ({"tags": "one"}, "collection"),
    ],
)
def test_a_body_that_graph_would_not_understand_is_400_and_changes_nothing(body: dict[str, object], why: str) -> None:
    """Unknown and read-only properties are refused; passwordCredentials cannot be PATCHed (application-update)."""

    async def story(desk: Desk) -> None:
        before = desk.principal()
        reply = await desk.raw("PATCH", f"/servicePrincipals/{PRINCIPAL}", body)

        assert (reply.status, reply.code) == (400, "Request_BadRequest")
        assert why in reply.body["error"]["message"]
        assert desk.principal() == before

    at_the_desk(story)


@pytest.mark.parametrize(
    "query",
    [
        "$filter=publisherName eq 'x'",
        "$filter=appId gt 'x'",
        "$filter=appId eq",
        "$select=secretText",
        "$expand=owners",
        "$top=1000",
        "$top=0",
        "$orderby=displayName",
        "$skiptoken=made-up",
    ],
)
def test_undocumented_queries_are_400(query: str) -> None:
    """Only the documented options, properties and operators are answered."""

    async def story(desk: Desk) -> None:
        assert (await desk.raw("GET", f"/servicePrincipals?{query}")).status == 400

    at_the_desk(story)


def test_lists_come_in_pages_to_the_last_one() -> None:
    """Every page but the last has @odata.nextLink, and a page may be read twice (Graph: every call)."""
    many = [{"displayName": f"app {number:03d}"} for number in range(250)]

    async def story(desk: Desk) -> None:
        graph = desk.graph()
        pages = await graph.pages(graph.builders.service_principals)
        again = await desk.raw("GET", pages[0]["@odata.nextLink"])

        names = [each["displayName"] for page in pages for each in page["value"]]
        assert [len(page["value"]) for page in pages] == [100, 100, 55]
        assert len(set(names)) == 255  # 250, payroll-sync, Microsoft Graph and Cordon's own three
        assert again.body["value"] == pages[1]["value"]

    at_the_desk(story, payroll(principals=many))


def test_counting_needs_a_caller_that_accepts_eventual_consistency() -> None:
    """servicePrincipals/$count is plain text, with ConsistencyLevel: eventual."""

    async def story(desk: Desk) -> None:
        refused = await desk.raw("GET", "/servicePrincipals/$count")
        counted = await desk.raw(
            "GET", "/servicePrincipals/$count?$filter=accountEnabled eq true", ConsistencyLevel="eventual"
        )

        assert refused.status == 400
        assert counted.body == b"5"

    at_the_desk(story)


def test_alternate_keys_reach_the_object_and_what_hangs_on_it() -> None:
    """/applications(appId='…')/federatedIdentityCredentials works like the id (Graph: permission map)."""

    async def story(desk: Desk) -> None:
        listed = await desk.raw("GET", f"/applications(appId='{APP_ID}')/federatedIdentityCredentials")
        unknown = await desk.raw("GET", "/applications(appId='00000000-0000-4000-8000-000000000000')")

        assert [each["id"] for each in listed.body["value"]] == [FEDERATED]
        assert (unknown.status, unknown.code) == (404, "Request_ResourceNotFound")

    at_the_desk(story)


def test_an_error_body_is_graphs() -> None:
    """{"error": {"code", "message", "innerError": {"date", "request-id", "client-request-id"}}}."""

    async def story(desk: Desk) -> None:
        reply = await desk.raw("GET", "/servicePrincipals/nobody", client_request_id="mine")

        error = reply.body["error"]
        assert set(error) == {"code", "message", "innerError"}
        assert error["innerError"]["request-id"] == reply.headers["request-id"]
        assert error["innerError"]["client-request-id"] == "mine"

    at_the_desk(story)


def test_wrong_methods_and_unknown_paths_are_told_apart() -> None:
    """405 where the method does not exist, 400 for a segment that does not."""

    async def story(desk: Desk) -> None:
        method = await desk.raw("PUT", f"/servicePrincipals/{PRINCIPAL}", {})
        segment = await desk.raw("GET", f"/servicePrincipals/{PRINCIPAL}/passwords")
        doubled = await desk.raw("GET", "//servicePrincipals")

        assert (method.status, segment.status, doubled.status) == (405, 400, 400)

    at_the_desk(story)


def test_a_managed_identity_can_be_disabled_only_where_the_scenario_says_so() -> None:
    """Whether its accountEnabled can be PATCHed is unverified, so it is a switch (Graph: servicePrincipals)."""
    managed = {"id": "0c0c0c0c-0000-4000-8000-000000000002", "servicePrincipalType": "ManagedIdentity"}
    path = f"/servicePrincipals/{managed['id']}"

    async def story(desk: Desk) -> tuple[int, int]:
        disabled = await desk.raw("PATCH", path, {"accountEnabled": False})
        retagged = await desk.raw("PATCH", path, {"tags": ["x"]})
        return disabled.status, retagged.status

    refusing = Behaviour.gentle(managed_identity_patch=False)
    assert at_the_desk(story, payroll(principals=[dict(managed)])) == (204, 403)
    assert at_the_desk(story, payroll(principals=[dict(managed)]), behaviour=refusing) == (403, 403)


def test_what_microsoft_disabled_can_neither_be_enabled_nor_deleted() -> None:
    """Microsoft-disabled applications are not deletable (Graph: applications)."""
    principal = {"disabledByMicrosoftStatus": "DisabledDueToViolationOfServicesAgreement", "accountEnabled": False}

    async def story(desk: Desk) -> None:
        enabled = await desk.raw("PATCH", f"/servicePrincipals/{PRINCIPAL}", {"accountEnabled": True})
        deleted = await desk.raw("DELETE", f"/servicePrincipals/{PRINCIPAL}")

        assert (enabled.status, deleted.status) == (400, 400)

    at_the_desk(story, payroll(principal=principal))


def test_foreign_and_managed_identities_look_as_they_do_in_entra() -> None:
    """The owner tenant is ours, another one or null (Graph: servicePrincipals)."""
    foreign = {"id": "0c0c0c0c-0000-4000-8000-000000000003", "displayName": "saas", "appOwnerOrganizationId": MICROSOFT}

    async def story(desk: Desk) -> None:
        reply = await desk.raw("GET", "/servicePrincipals?$select=id,appOwnerOrganizationId")
        owner = {each["id"]: each["appOwnerOrganizationId"] for each in reply.body["value"]}

        assert owner[PRINCIPAL] == desk.tenant.state.id
        assert owner[foreign["id"]] == MICROSOFT
        assert owner[desk.tenant.cordon["reader"].object_id] is None

    at_the_desk(story, payroll(principals=[foreign]))


def test_deleting_an_application_takes_its_principal_along_and_restoring_brings_it_back() -> None:
    """Soft delete, a mandatory cast in lists, restore with companions (Graph: directory-deleteditems)."""

    async def story(desk: Desk) -> None:
        deleted = await desk.raw("DELETE", f"/applications/{APPLICATION}")
        gone = await desk.raw("GET", f"/servicePrincipals/{PRINCIPAL}")
        uncast = await desk.raw("GET", "/directory/deletedItems")
        listed = await desk.raw("GET", "/directory/deletedItems/microsoft.graph.servicePrincipal")
        restored = await desk.raw("POST", f"/directory/deletedItems/{APPLICATION}/restore")
        back = await desk.raw("GET", f"/servicePrincipals/{PRINCIPAL}")

        assert (deleted.status, gone.status, uncast.status) == (204, 404, 400)
        assert [each["id"] for each in listed.body["value"]] == [PRINCIPAL]
        assert (restored.status, restored.body["id"], back.status) == (200, APPLICATION, 200)

    at_the_desk(story)


def test_purging_is_for_ever() -> None:
    """DELETE of a deleted item is irreversible."""

    async def story(desk: Desk) -> None:
        await desk.raw("DELETE", f"/servicePrincipals/{PRINCIPAL}")
        purged = await desk.raw("DELETE", f"/directory/deletedItems/{PRINCIPAL}")
        restored = await desk.raw("POST", f"/directory/deletedItems/{PRINCIPAL}/restore")

        assert (purged.status, restored.status) == (204, 404)

    at_the_desk(story)


def test_owners_are_listed_and_removed_by_reference() -> None:
    """DELETE …/owners/{id}/$ref answers 204, and 404 for one who is none."""
    owner = "0a000000-0000-4000-8000-00000000000a"
    path = f"/applications/{APPLICATION}/owners"

    async def story(desk: Desk) -> None:
        before = await desk.raw("GET", path)
        removed = await desk.raw("DELETE", f"{path}/{owner}/$ref")
        again = await desk.raw("DELETE", f"{path}/{owner}/$ref")

        assert [each["id"] for each in before.body["value"]] == [owner]
        assert (removed.status, again.status) == (204, 404)
        assert (await desk.raw("GET", path)).body["value"] == []

    at_the_desk(story, payroll(owners={APPLICATION: [owner]}))


def test_a_replica_may_show_what_was_and_the_truth_comes_back() -> None:
    """Reads lag behind writes for a while (limits A.3: read-after-write in Entra has no promise)."""
    lagging = Behaviour.gentle(read_lag=60.0, read_lag_share=1.0)

    async def story(desk: Desk) -> None:
        await desk.raw("PATCH", f"/servicePrincipals/{PRINCIPAL}", {"accountEnabled": False})
        stale = (await desk.raw("GET", f"/servicePrincipals/{PRINCIPAL}")).body["accountEnabled"]
        await asyncio.sleep(61)
        fresh = (await desk.raw("GET", f"/servicePrincipals/{PRINCIPAL}")).body["accountEnabled"]

        assert (stale, fresh) == (True, False)

    at_the_desk(story, behaviour=lagging)


def test_a_write_to_a_newborn_object_is_404_for_a_while() -> None:
    """Dependent writes on a fresh service principal answer 404 for up to about 90 s (Graph: races)."""
    fresh = {"id": "0c0c0c0c-0000-4000-8000-000000000004", "displayName": "newborn"}
    path = f"/servicePrincipals/{fresh['id']}"

    async def story(desk: Desk) -> None:
        await desk.tenant.run_world()
        early = await desk.raw("PATCH", path, {"accountEnabled": False})
        await asyncio.sleep(31)
        late = await desk.raw("PATCH", path, {"accountEnabled": False})

        assert (early.status, late.status) == (404, 204)

    behaviour = Behaviour.gentle(fresh_for=(10.0, 30.0))
    timeline = [{"at": "PT1M", "add": {"servicePrincipals": [fresh]}}]
    at_the_desk(story, behaviour=behaviour, timeline=timeline)


def test_overlapping_writes_to_one_object_collide_and_to_two_do_not() -> None:
    """409 or 503 Directory_ConcurrencyViolation (limits A.3)."""
    slow = Behaviour.gentle(service=0.04)

    async def story(desk: Desk) -> None:
        paths = [f"/servicePrincipals/{PRINCIPAL}", f"/applications/{APPLICATION}"]
        apart = await asyncio.gather(*(desk.raw("PATCH", path, {"tags": ["a"]}) for path in paths))
        together = await asyncio.gather(*(desk.raw("PATCH", paths[0], {"tags": [str(n)]}) for n in range(2)))

        assert [reply.status for reply in apart] == [204, 204]
        assert together[0].status == 204
        assert together[1].status in (409, 503)
        assert together[1].code == "Directory_ConcurrencyViolation"
        assert desk.principal()["tags"] == ["0"]

    at_the_desk(story, behaviour=slow)


def test_federated_credentials_are_made_changed_and_deleted_by_id_or_name() -> None:
    """201, 204, 204; one audience; a second of the same name or trust is refused (Graph: applications)."""
    path = f"/applications/{APPLICATION}/federatedIdentityCredentials"
    body = {
        "name": "k8s",
        "issuer": "https://k8s.example",
        "subject": "sa",
        "audiences": ["api://AzureADTokenExchange"],
    }

    async def story(desk: Desk) -> None:
        made = await desk.raw("POST", path, body)
        twice = await desk.raw("POST", path, body)
        odd = await desk.raw("POST", path, {**body, "name": "x", "audience": "y"})
        changed = await desk.raw("PATCH", f"{path}/k8s", {"description": "cluster"})
        read = await desk.raw("GET", f"{path}/{made.body['id']}")
        gone = [(await desk.raw("DELETE", f"{path}/{key}")).status for key in ("k8s", FEDERATED, FEDERATED)]

        assert (made.status, twice.status, odd.status, changed.status) == (201, 400, 400, 204)
        assert read.body["description"] == "cluster"
        assert gone == [204, 204, 404]

    at_the_desk(story)


def test_a_patch_of_a_principal_brings_other_properties_up_to_date() -> None:
    """SP properties sync from the application lazily: verify only what you set (Graph: serviceprincipal-update)."""

    async def story(desk: Desk) -> None:
        await desk.raw("PATCH", f"/applications/{APPLICATION}", {"web": {"redirectUris": ["https://new.example"]}})
        before = desk.principal()["replyUrls"]
        await desk.raw("PATCH", f"/servicePrincipals/{PRINCIPAL}", {"accountEnabled": False})

        assert before == []
        assert desk.principal()["replyUrls"] == ["https://new.example"]

    at_the_desk(story)
