"""What an identity may do and who rules it, on the wire: the requests as documented, each answer judged alone."""

from collections.abc import Sequence

import httpx
import pytest

from drill.virtual_time import virtual_clock
from shared.case import CouldNotLook, HolderKind, Known, PartName
from shared.clients.graph import GraphDirectory
from shared.errors import CordonError, Gone, LicenceMissing, OutcomeUnknown, PlatformRefused, UnavailableInCloud
from shared.identity import AppObjectId, PrincipalId
from shared.signal import JsonObject
from shared.tenant import (
    RISK_POLICY,
    AccessWrite,
    PolicyCovers,
    RemoveAppRole,
    RemoveDelegatedGrant,
    RemoveDirectoryRole,
    RemoveOwner,
    SetTags,
    WriteDone,
    WriteRefused,
    WriteResult,
)
from tests.clients.fake_graph import (
    APPLICATION,
    OTHER,
    PRINCIPAL,
    TENANT,
    Answering,
    Asked,
    FakeGraph,
    Json,
    application,
    directory_of,
    error,
    in_turn,
    names,
    ok,
    page,
    play,
    principal,
)
from tests.clients.test_look import BY_CLIENT, look

ASSIGNMENT = "41W1zT6z1U-kJxf62svfp1HFE8pMZhxDun-ThPczmJE"
POLICIES = "/identity/conditionalAccess/policies"
GRANTS = frozenset({PartName.GRANTS})
APP_ROLE: Json = {
    "id": ASSIGNMENT,
    "principalId": PRINCIPAL,
    "appRoleId": OTHER,
    "resourceId": APPLICATION,
    "resourceDisplayName": "Microsoft Graph",
    "createdDateTime": "2026-03-01T00:00:00.1234567Z",
}
GRANT: Json = {
    "id": "g" * 43,
    "clientId": PRINCIPAL,
    "consentType": "Principal",
    "principalId": OTHER,
    "resourceId": APPLICATION,
    "scope": "Mail.Read",
}
ROLE: Json = {
    "id": "r-1",
    "principalId": PRINCIPAL,
    "roleDefinitionId": OTHER,
    "directoryScopeId": "/",
    "roleDefinition": {"displayName": "Global Administrator", "rolePermissions": [{}]},
}


def holding(roles: httpx.Response | None = None, app_role: Json = APP_ROLE, **more: httpx.Response) -> Answering:
    """A directory with an identity that holds one of each; lists may answer otherwise."""
    base = directory_of(principal(), application())
    lists = {
        "/appRoleAssignments": page(app_role),
        "/oauth2PermissionGrants": page(GRANT),
        "/roleAssignments": roles or page(ROLE),
        "/owners": page({"@odata.type": "#microsoft.graph.user", "id": OTHER, "displayName": "Ada"}),
        **more,
    }

    def answer(asked: Asked) -> httpx.Response | Exception:
        path = asked.path.partition("?")[0]
        return next((found for end, found in lists.items() if path.endswith(end)), None) or base(asked)

    return answer


# --- reading ---------------------------------------------------------------------------------------


def test_all_that_an_identity_holds_is_read_in_one_round_trip() -> None:
    """App roles, delegated grants and directory roles with their names, in one batch."""
    gathered, graph, _ = look(holding(), parts=GRANTS)

    assert isinstance(gathered.grants, Known)
    held = gathered.grants.value
    assert len(graph.exchanges) == 1
    assert isinstance(held.app_roles, Known)
    assert isinstance(held.directory_roles, Known)
    (role,) = held.app_roles.value
    assert (role.id, role.role_id, role.resource_id) == (ASSIGNMENT, OTHER, APPLICATION)
    assert role.created is not None
    assert held.directory_roles.value[0].role_name == "Global Administrator"
    (asked,) = [each.path for each in graph.asked if "roleManagement" in each.path]
    assert asked == (
        f"/roleManagement/directory/roleAssignments?$filter=principalId eq '{PRINCIPAL}'&$expand=roleDefinition"
    )


def test_the_object_id_is_found_first_where_only_the_client_id_is_known() -> None:
    """Role assignments can be searched by object id only."""
    gathered, graph, _ = look(holding(), BY_CLIENT, GRANTS)

    assert isinstance(gathered.grants, Known)
    assert isinstance(gathered.grants.value.directory_roles, Known)
    assert len(graph.exchanges) == 2


def test_one_list_that_is_refused_does_not_spoil_the_others() -> None:
    """Each list is read with a permission of its own, and the missing one is named."""
    refused = error(403, "Authorization_RequestDenied", "Insufficient privileges.")
    gathered, _, _ = look(holding(refused), parts=GRANTS)

    assert isinstance(gathered.grants, Known)
    roles = gathered.grants.value.directory_roles
    assert isinstance(roles, CouldNotLook)
    assert "RoleManagement.Read.Directory" in roles.why
    assert not roles.may_help_later
    assert isinstance(gathered.grants.value.app_roles, Known)


def test_something_of_another_identity_in_a_list_is_never_taken_for_its_own() -> None:
    """What a list shows is about to be deleted, so an entry that names somebody else spoils it."""
    gathered, _, _ = look(holding(app_role={**APP_ROLE, "principalId": OTHER}), parts=GRANTS)

    assert isinstance(gathered.grants, CouldNotLook)
    assert "another identity" in gathered.grants.why


def test_owners_of_both_objects_are_read_with_the_identity_in_one_round_trip() -> None:
    """Custody judges owners, lock and tags by one moment."""
    gathered, graph, _ = look(holding(), parts=frozenset({PartName.IDENTITY, PartName.OWNERS}))

    assert isinstance(gathered.owners, Known)
    assert isinstance(gathered.owners.value.application, Known)
    assert isinstance(gathered.owners.value.principal, Known)
    assert gathered.owners.value.application.value[0].type == "user"
    assert len(graph.exchanges) == 1


@pytest.mark.parametrize(("shown", "known"), [({}, None), ({"isDisabled": None}, False), ({"isDisabled": True}, True)])
def test_whether_an_application_is_deactivated_is_unknown_where_the_answer_does_not_say(
    shown: Json, known: bool | None
) -> None:
    """Null means never set; a missing property means that this service does not know the word."""
    gathered, _, _ = look(directory_of(principal(), application(tags=["HideApp"], **shown)))

    assert isinstance(gathered.identity, Known)
    assert gathered.identity.value.deactivated is known
    assert gathered.identity.value.application is not None
    assert gathered.identity.value.application.tags == ("HideApp",)


# --- writing ---------------------------------------------------------------------------------------


def write(answer: Answering, *writes: AccessWrite) -> tuple[Sequence[WriteResult], FakeGraph]:
    graph = FakeGraph(answer)
    return play(lambda: graph.directory().write_access(writes)), graph


def test_each_write_becomes_the_request_that_graph_documents() -> None:
    """Assignments by their opaque ids, owners by $ref, tags as a whole list; one after the other."""
    results, graph = write(
        in_turn(ok()),
        RemoveOwner(HolderKind.APPLICATION, APPLICATION, OTHER),
        RemoveAppRole(PRINCIPAL, ASSIGNMENT),
        RemoveDelegatedGrant("g" * 43),
        RemoveDirectoryRole("lAPpYvVpN0KRkAEhdxReEJC2sEqbR_9Hr48lds9SGHI-1"),
        SetTags(HolderKind.SERVICE_PRINCIPAL, PRINCIPAL, ("HideApp", "cordon-custody")),
    )

    assert names(results) == ["WriteDone"] * 5
    assert graph.exchanges == ["/$batch"]
    assert [(asked.method, asked.path, asked.body) for asked in graph.asked] == [
        ("DELETE", f"/applications/{APPLICATION}/owners/{OTHER}/$ref", None),
        ("DELETE", f"/servicePrincipals/{PRINCIPAL}/appRoleAssignments/{ASSIGNMENT}", None),
        ("DELETE", f"/oauth2PermissionGrants/{'g' * 43}", None),
        ("DELETE", "/roleManagement/directory/roleAssignments/lAPpYvVpN0KRkAEhdxReEJC2sEqbR_9Hr48lds9SGHI-1", None),
        ("PATCH", f"/servicePrincipals/{PRINCIPAL}", {"tags": ["HideApp", "cordon-custody"]}),
    ]


@pytest.mark.parametrize(
    "removal",
    [
        RemoveAppRole(PRINCIPAL, ASSIGNMENT),
        RemoveDelegatedGrant("g1"),
        RemoveDirectoryRole("r1"),
        RemoveOwner(HolderKind.SERVICE_PRINCIPAL, PRINCIPAL, OTHER),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_is_gone_counts_as_removed(removal: AccessWrite) -> None:
    """404: somebody was faster, or an earlier answer was lost."""
    results, graph = write(in_turn(error(404, "Request_ResourceNotFound", "Resource does not exist.")), removal)

    assert results == [WriteDone(already=True)]
    assert len(graph.asked) == 1


@pytest.mark.parametrize("id_", ["", "a/b", "..", "x?y=1", "é", "a b", "x" * 201, "a%2fb"])
def test_an_id_that_is_none_never_gets_into_a_path(id_: str) -> None:
    """Ids come from answers; what could lead elsewhere is refused before anything is sent."""
    results, graph = write(in_turn(ok()), RemoveDelegatedGrant(id_), RemoveAppRole(PRINCIPAL, ASSIGNMENT))

    assert names(results) == ["WriteRefused", "WriteDone"]
    assert len(graph.asked) == 1


def test_a_refusal_names_the_permission_of_its_own_kind() -> None:
    """Each sort of grant is written with another permission."""
    refused = error(403, "Authorization_RequestDenied", "Insufficient privileges.")
    results, _ = write(in_turn(refused), RemoveDelegatedGrant("g1"))
    (result,) = results

    assert isinstance(result, WriteRefused)
    assert "DelegatedPermissionGrant.ReadWrite.All" in str(result.error)


def test_an_application_is_deactivated_by_one_urgent_request_of_its_own() -> None:
    """Like blocking sign-in: a batch is as slow as its slowest part."""
    graph = FakeGraph(in_turn(ok()))
    play(lambda: graph.directory().set_application_disabled(AppObjectId(APPLICATION), disabled=True))

    (asked,) = graph.asked
    assert (asked.method, asked.path, asked.body) == ("PATCH", f"/applications/{APPLICATION}", {"isDisabled": True})
    assert asked.headers["x-ms-throttle-priority"] == "High"
    assert not asked.in_batch


def test_risk_is_dismissed_for_sixty_at_a_time() -> None:
    """The same limit as for confirming; one request a second."""
    graph = FakeGraph(in_turn(ok()))
    ids = [PrincipalId(f"0c0c0c0c-0000-4000-8000-{number:012d}") for number in range(61)]
    play(lambda: graph.directory().dismiss_risk(ids))

    assert [asked.path for asked in graph.asked] == ["/identityProtection/riskyServicePrincipals/dismiss"] * 2
    assert [len(asked.body["servicePrincipalIds"]) for asked in graph.asked] == [60, 1]


# --- Conditional Access ----------------------------------------------------------------------------


def policy(*included: str, **more: object) -> Json:
    return {
        "id": OTHER,
        "displayName": RISK_POLICY,
        "state": "enabled",
        "createdDateTime": "2026-01-01T00:00:00Z",
        "conditions": {
            "clientAppTypes": ["all"],
            "applications": {"includeApplications": ["All"], "x@odata.context": "…"},
            "clientApplications": {"includeServicePrincipals": [*included], "excludeServicePrincipals": ["x"]},
            "servicePrincipalRiskLevels": ["high"],
            "locations": {"includeLocations": ["All"]},
        },
        "grantControls": {"operator": "OR", "builtInControls": ["block"]},
        **more,
    }


def cover(
    answer: Answering, *, sent_before: bool = False, **more: str
) -> tuple[PolicyCovers | CordonError, FakeGraph, float]:
    graph = FakeGraph(answer)

    async def story() -> tuple[PolicyCovers | CordonError, float]:
        try:
            covers: PolicyCovers | CordonError = await graph.directory(**more).cover_by_risk_policy(
                PrincipalId(PRINCIPAL), "enabled", sent_before=sent_before
            )
        except CordonError as problem:
            covers = problem
        return covers, virtual_clock().elapsed

    covers, elapsed = play(story)
    return covers, graph, elapsed


def tenant_with(*found: Json, made: httpx.Response | Exception | None = None) -> Answering:
    posted = made or ok({"id": APPLICATION}, 201)
    return lambda asked: page(*found) if asked.method == "GET" else posted if asked.method == "POST" else ok()


def sent(graph: FakeGraph, method: str) -> list[Asked]:
    return [asked for asked in graph.asked if asked.method == method]


def test_the_first_policy_is_made_with_the_state_that_was_asked_for() -> None:
    """Blocking at high risk, all resources, this one service principal."""
    covers, graph, _ = cover(tenant_with(policy(displayName="Somebody else's")))

    assert covers == PolicyCovers(APPLICATION, "created")
    (asked,) = sent(graph, "POST")
    body: JsonObject = asked.body
    assert (asked.path, body["displayName"], body["state"]) == (POLICIES, RISK_POLICY, "enabled")
    assert body["grantControls"] == {"operator": "OR", "builtInControls": ["block"]}


def test_a_policy_is_extended_by_sending_back_all_of_its_conditions_as_read() -> None:
    """A PATCH replaces what it names, so nothing that somebody set is left out; annotations are not sent back."""
    covers, graph, _ = cover(tenant_with(policy(APPLICATION)))

    assert covers == PolicyCovers(OTHER, "extended")
    (asked,) = sent(graph, "PATCH")
    conditions = policy(APPLICATION, PRINCIPAL)["conditions"]
    conditions["applications"] = {"includeApplications": ["All"]}
    assert (asked.path, asked.body) == (f"{POLICIES}/{OTHER}", {"conditions": conditions})


def test_who_is_covered_is_left_alone() -> None:
    """By its own id or by everyone's."""
    for who in (PRINCIPAL, "ServicePrincipalsInMyTenant"):
        covers, graph, _ = cover(tenant_with(policy(who)))

        assert covers == PolicyCovers(OTHER, "already")
        assert len(graph.asked) == 1


def test_a_policy_on_a_later_page_is_found() -> None:
    """A list that is taken for whole too early would make a second policy."""
    link = f"https://graph.microsoft.com/v1.0{POLICIES}?$skiptoken=2"

    def answer(asked: Asked) -> httpx.Response:
        if asked.method != "GET":
            return ok()
        return page(policy(PRINCIPAL)) if "skiptoken" in asked.path else page(next=link)

    covers, _, _ = cover(answer)

    assert covers == PolicyCovers(OTHER, "already")


@pytest.mark.parametrize(
    "answer", [httpx.ReadTimeout("lost"), error(503), error(429), error(500, "InternalServerError")], ids=str
)
def test_a_creation_whose_answer_is_lost_is_not_sent_again(answer: httpx.Response | Exception) -> None:
    """Two policies of one name would be two, so the caller has to look first."""
    covers, graph, _ = cover(tenant_with(made=answer))

    assert isinstance(covers, OutcomeUnknown)
    assert len(sent(graph, "POST")) == 1


def test_a_creation_that_never_left_is_sent_again() -> None:
    """No connection: nothing can have been made."""
    posts = in_turn(httpx.ConnectError("no way"), ok({"id": APPLICATION}, 201))
    covers, graph, _ = cover(lambda asked: page() if asked.method == "GET" else posts(asked))

    assert covers == PolicyCovers(APPLICATION, "created")
    assert len(sent(graph, "POST")) == 2


def test_after_a_lost_answer_it_is_looked_for_as_long_as_replicas_may_lag() -> None:
    """The policy shows at the third look, and no second one is made."""
    looks = in_turn(page(), page(), page(policy(PRINCIPAL)))
    covers, graph, elapsed = cover(lambda asked: looks(asked), sent_before=True)

    assert covers == PolicyCovers(OTHER, "already")
    assert not sent(graph, "POST")
    assert elapsed >= 10.0


def test_two_of_the_name_are_changed_by_nobody() -> None:
    """Which of them counts is for a person."""
    covers, graph, _ = cover(tenant_with(policy(), policy(id=APPLICATION)))

    assert isinstance(covers, PlatformRefused)
    assert covers.code == "several-policies"
    assert not sent(graph, "PATCH")


@pytest.mark.parametrize("status", [400, 403])
def test_a_missing_licence_is_told_from_a_missing_permission(status: int) -> None:
    """The text says 1150; its status is not documented."""
    text = "1150: Cannot create or update policies with workload identity premium features."
    covers, _, _ = cover(tenant_with(made=error(status, "BadRequest", text)))

    assert isinstance(covers, LicenceMissing)


def test_where_the_cloud_has_no_workload_risk_nothing_is_sent() -> None:
    """China's Graph knows no risk levels of service principals."""
    covers, graph, _ = cover(tenant_with(), cloud="china")

    assert isinstance(covers, UnavailableInCloud)
    assert not graph.asked


def test_only_policies_with_our_name_are_parsed_and_their_limits_are_told() -> None:
    """Somebody else's policy may look as it likes; ours tells what else limits it."""
    odd = {"id": "odd", "displayName": "x", "conditions": 7}
    gathered, _, _ = look(in_turn(page(odd, policy(PRINCIPAL))), parts=frozenset({PartName.CA_POLICY}))

    assert isinstance(gathered.ca_policy, Known)
    (found,) = gathered.ca_policy.value
    assert (found.included, found.excluded, found.blocks, found.other) == ((PRINCIPAL,), ("x",), True, ("locations",))


def test_without_an_executor_nothing_is_sent() -> None:
    """A reader alone changes nothing."""
    graph = FakeGraph(in_turn(ok()))

    def reader() -> GraphDirectory:
        return GraphDirectory(graph.http(), None, TENANT)

    results = play(lambda: reader().write_access([RemoveDelegatedGrant("g1")]))

    assert names(results) == ["WriteRefused"]
    with pytest.raises(PlatformRefused, match="CORDON_EXECUTOR_CLIENT_ID"):
        play(lambda: reader().cover_by_risk_policy(PrincipalId(PRINCIPAL), "enabled", sent_before=False))
    with pytest.raises(PlatformRefused, match="CORDON_EXECUTOR_CLIENT_ID"):
        play(lambda: reader().set_application_disabled(AppObjectId(APPLICATION), disabled=True))
    assert not graph.asked


def test_an_application_that_is_gone_is_named_after_waiting_it_out() -> None:
    """The object was seen a moment ago, so one 404 is a replica that lags."""
    graph = FakeGraph(in_turn(error(404, "Request_ResourceNotFound", "Resource does not exist.")))
    with pytest.raises(Gone):
        play(lambda: graph.directory().set_application_disabled(AppObjectId(APPLICATION), disabled=True))

    assert len(graph.asked) > 1
