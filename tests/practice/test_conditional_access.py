"""Conditional Access for workloads. Sources are the project's notes on Graph, section 7 unless another is named."""

import asyncio
import json

import pytest

from drill.practice import Behaviour, Credential, CredentialKind, ScenarioMistake
from tests.practice.desk import APP_ID, PRINCIPAL, SECRET, Desk, JsonObject, at_the_desk, payroll

ALL = "/identity/conditionalAccess/policies"
POLICY = "ca000000-0000-4000-8000-000000000001"
MANAGED = "0c0c0c0c-0000-4000-8000-000000000002"
LEAKED = Credential(CredentialKind.SECRET, SECRET)
BLOCKED = 53003


def body(**changes: object) -> JsonObject:
    """A policy that blocks payroll-sync at high risk; changes replace its properties, or conditions by name."""
    conditions: JsonObject = {
        "clientAppTypes": ["all"],
        "applications": {"includeApplications": ["All"]},
        "clientApplications": {"includeServicePrincipals": [PRINCIPAL], "excludeServicePrincipals": []},
        "servicePrincipalRiskLevels": ["high"],
    }
    whole: JsonObject = {
        "displayName": "Workloads at risk",
        "state": "enabled",
        "conditions": conditions,
        "grantControls": {"operator": "OR", "builtInControls": ["block"]},
    }
    for name, value in changes.items():
        (conditions if name not in whole else whole)[name] = value
    return {**whole, "conditions": {name: value for name, value in conditions.items() if value is not None}}


def clients(*included: str, excluded: tuple[str, ...] = ()) -> JsonObject:
    return {"includeServicePrincipals": list(included), "excludeServicePrincipals": list(excluded)}


def standing(**changes: object) -> JsonObject:
    return payroll(conditionalAccessPolicies=[{"id": POLICY, **body(**changes)}])


async def confirm(desk: Desk) -> None:
    path = "/identityProtection/riskyServicePrincipals/confirmCompromised"
    assert (await desk.raw("POST", path, {"servicePrincipalIds": [PRINCIPAL]})).status == 204


def tried(desk: Desk) -> int:
    return desk.tenant.sign_in(PRINCIPAL, LEAKED).error_code


# --- the calls -------------------------------------------------------------------------------------


def test_a_policy_is_made_read_changed_and_deleted() -> None:
    """201 with the policy, 200, 204, 204, and 404 afterwards."""

    async def story(desk: Desk) -> None:
        made = await desk.raw("POST", ALL, body())
        path = f"{ALL}/{made.body['id']}"
        read = await desk.raw("GET", path)
        listed = await desk.raw("GET", f"{ALL}?$filter=displayName eq 'Workloads at risk'")
        changed = await desk.raw("PATCH", path, {"state": "disabled"})
        after = await desk.raw("GET", f"{path}?$select=state")
        gone = [(await desk.raw("DELETE", path)).status for _ in range(2)]

        assert (made.status, read.status, changed.status) == (201, 200, 204)
        assert read.body == made.body
        assert [each["id"] for each in listed.body["value"]] == [made.body["id"]]
        assert after.body["state"] == "disabled"
        assert gone == [204, 404]
        assert (await desk.raw("GET", ALL)).body["value"] == []

    at_the_desk(story)


@pytest.mark.parametrize(
    "wrong",
    [
        body(displayName=""),
        body(state="on"),
        body(users={"includeUsers": ["All"]}),
        body(clientApplications=None),
        body(grantControls={"operator": "OR", "builtInControls": ["mfa"]}),
        body(grantControls={"operator": "OR", "builtInControls": ["block", "mfa"]}),
        body(servicePrincipalRiskLevels=["severe"]),
        body(clientAppTypes=[]),
        body(applications={"includeApplications": []}),
        body(clientApplications=clients()),
        body(clientApplications=clients(APP_ID)),
        body(clientApplications=clients("ServicePrincipalsInMyTenant", excluded=(APP_ID,))),
        body(clientApplications={"includeServicePrincipals": PRINCIPAL}),
        body(weather="fine"),
        body(clientApplications=None, users={"includeUsers": ["All"]}),
        {**body(), "id": POLICY},
        {**body(), "sessionControls": {"signInFrequency": None}},
    ],
)
def test_a_policy_of_the_wrong_shape_is_400(wrong: JsonObject) -> None:
    """One of users and clientApplications, block alone, known levels and states, object ids and not client ids."""

    async def story(desk: Desk) -> None:
        reply = await desk.raw("POST", ALL, wrong)

        assert reply.status == 400
        assert desk.tenant.snapshot()["tenant"]["conditionalAccessPolicies"] == []

    at_the_desk(story)


def test_a_policy_as_it_was_read_is_taken_back() -> None:
    """Whoever changes one condition sends the full conditions as last read."""

    async def story(desk: Desk) -> None:
        read = (await desk.raw("GET", f"{ALL}/{POLICY}")).body
        conditions = {**read["conditions"], "servicePrincipalRiskLevels": ["high", "medium"]}
        reply = await desk.raw("PATCH", f"{ALL}/{POLICY}", {"conditions": conditions})

        assert reply.status == 204
        assert (await desk.raw("GET", f"{ALL}/{POLICY}")).body["conditions"] == conditions

    at_the_desk(story, standing())


@pytest.mark.parametrize(("merge", "status"), [(False, 400), (True, 204)])
def test_whether_unnamed_conditions_survive_is_a_switch(merge: bool, status: int) -> None:
    """How deep a PATCH merges is unverified; where it does not, half of the conditions are no policy."""

    async def story(desk: Desk) -> None:
        patch = {"conditions": {"servicePrincipalRiskLevels": ["high", "medium"]}}

        assert (await desk.raw("PATCH", f"{ALL}/{POLICY}", patch)).status == status

    at_the_desk(story, standing(), behaviour=Behaviour.gentle(policy_conditions_merge=merge))


def test_a_patch_replaces_lists() -> None:
    """Who includes one service principal more sends all of them."""
    other = {"id": MANAGED, "displayName": "other"}

    async def story(desk: Desk) -> None:
        read = (await desk.raw("GET", f"{ALL}/{POLICY}")).body["conditions"]
        await desk.raw("PATCH", f"{ALL}/{POLICY}", {"conditions": {**read, "clientApplications": clients(MANAGED)}})
        after = (await desk.raw("GET", f"{ALL}/{POLICY}")).body["conditions"]["clientApplications"]

        assert after["includeServicePrincipals"] == [MANAGED]

    at_the_desk(story, payroll(principals=[other], conditionalAccessPolicies=[{"id": POLICY, **body()}]))


@pytest.mark.parametrize("missing", ["Policy.Read.All", "Policy.ReadWrite.ConditionalAccess", "Application.Read.All"])
def test_writing_takes_three_permissions_together(missing: str) -> None:
    """Policy.Read.All, Policy.ReadWrite.ConditionalAccess and Application.Read.All."""
    three = {"Policy.Read.All", "Policy.ReadWrite.ConditionalAccess", "Application.Read.All"}

    async def story(desk: Desk) -> int:
        return (await desk.raw("POST", ALL, body())).status

    assert at_the_desk(story, payroll(permissions={"executor": sorted(three)})) == 201
    assert at_the_desk(story, payroll(permissions={"executor": sorted(three - {missing})})) == 403


@pytest.mark.parametrize("status", [403, 400])
def test_without_the_licence_policies_can_be_neither_made_nor_changed_but_go_on_working(status: int) -> None:
    """Text 1150; lapsed tenants' policies keep running and cannot be edited."""
    lapsed = standing(servicePrincipalRiskLevels=["none"])
    lapsed["licences"] = []

    async def story(desk: Desk) -> None:
        made = await desk.raw("POST", ALL, body())
        changed = await desk.raw("PATCH", f"{ALL}/{POLICY}", {"state": "disabled"})

        assert (made.status, changed.status) == (status, status)
        assert "1150" in made.body["error"]["message"]
        assert tried(desk) == BLOCKED

    at_the_desk(story, lapsed, behaviour=Behaviour.gentle(policies_unlicensed=status))


def test_there_is_room_for_195_policies_in_any_state() -> None:
    """195 per tenant."""
    many = [body(displayName=f"policy {number}", state="disabled") for number in range(194)]

    async def story(desk: Desk) -> None:
        statuses = [(await desk.raw("POST", ALL, body())).status for _ in range(2)]

        assert statuses == [201, 400]

    at_the_desk(story, payroll(conditionalAccessPolicies=many))


def test_policies_and_risk_share_one_request_per_second_without_retry_after() -> None:
    """Identity protection and Conditional Access: 1 request/s per tenant, all apps together (Graph 9)."""

    async def story(desk: Desk) -> None:
        first = await desk.raw("GET", ALL)
        second = await desk.raw("GET", "/identityProtection/riskyServicePrincipals", role="reader")
        await asyncio.sleep(1.1)
        third = await desk.raw("GET", ALL)

        assert (first.status, second.status, third.status) == (200, 429, 200)
        assert "retry-after" not in second.headers

    at_the_desk(story, behaviour=Behaviour.gentle(throttling=True))


def test_a_change_is_logged_by_two_services_under_one_correlation() -> None:
    """`Update conditional access policy` and Core Directory's `Update policy` (Graph 2)."""

    async def story(desk: Desk) -> None:
        await desk.raw("PATCH", f"{ALL}/{POLICY}", {"state": "disabled"})
        ours, theirs = desk.tenant.state.audits.everything()
        (whole,) = ours["targetResources"][0]["modifiedProperties"]

        assert (ours["activityDisplayName"], ours["loggedByService"], ours["category"]) == (
            "Update conditional access policy",
            "Conditional Access",
            "Policy",
        )
        assert (theirs["activityDisplayName"], theirs["loggedByService"]) == ("Update policy", "Core Directory")
        assert ours["correlationId"] == theirs["correlationId"]
        assert ours["targetResources"][0]["id"] == POLICY
        assert [json.loads(whole[side])["state"] for side in ("oldValue", "newValue")] == ["enabled", "disabled"]

    at_the_desk(story, standing())


def test_a_replica_may_not_show_a_new_policy_and_still_show_a_deleted_one() -> None:
    """Reads lag behind writes (limits A.3); hence look for the policy by name before making it a second time."""
    lagging = Behaviour.gentle(read_lag=60.0, read_lag_share=1.0)

    async def story(desk: Desk) -> None:
        await desk.raw("POST", ALL, body(displayName="new"))
        await desk.raw("DELETE", f"{ALL}/{POLICY}")
        shown = (await desk.raw("GET", ALL)).body["value"]
        await asyncio.sleep(61)
        later = (await desk.raw("GET", ALL)).body["value"]

        assert [each["displayName"] for each in shown] == ["Workloads at risk"]
        assert [each["displayName"] for each in later] == ["new"]

    at_the_desk(story, standing(), behaviour=lagging)


# --- what a policy does ----------------------------------------------------------------------------


def test_an_enabled_policy_blocks_at_its_risk_and_not_before() -> None:
    """confirmCompromised trips a standing policy: the next sign-in is 53003, issued tokens go on."""

    async def story(desk: Desk) -> None:
        token = desk.tenant.sign_in(PRINCIPAL, LEAKED).token
        await confirm(desk)

        assert token is not None
        assert tried(desk) == BLOCKED
        assert not token.revoked
        record = desk.tenant.state.sign_ins.everything()[-1]
        assert record["conditionalAccessStatus"] == "failure"
        assert [each["id"] for each in record["appliedConditionalAccessPolicies"]] == [POLICY]

    at_the_desk(story, standing())


@pytest.mark.parametrize(
    ("policy", "code"),
    [
        (standing(clientApplications=clients("ServicePrincipalsInMyTenant")), BLOCKED),
        (standing(clientApplications=clients("ServicePrincipalsInMyTenant", excluded=(PRINCIPAL,))), 0),
        (standing(servicePrincipalRiskLevels=["low", "medium"]), 0),
        (standing(servicePrincipalRiskLevels=[]), BLOCKED),
        (standing(state="disabled"), 0),
        (standing(state="enabledForReportingButNotEnforced"), 0),
        (standing(applications={"includeApplications": ["00000003-0000-0000-c000-000000000000"]}), BLOCKED),
        (standing(applications={"includeApplications": [APP_ID]}), 0),
    ],
)
def test_whom_a_policy_blocks(policy: JsonObject, code: int) -> None:
    """Included, not excluded, at one of the levels, for the resource asked, and enabled."""

    async def story(desk: Desk) -> None:
        await confirm(desk)

        assert tried(desk) == code

    at_the_desk(story, policy)


def test_a_report_only_policy_is_seen_in_the_sign_in_alone() -> None:
    """enabledForReportingButNotEnforced lets everybody in and says what it would have done."""

    async def story(desk: Desk) -> None:
        await confirm(desk)

        assert tried(desk) == 0
        (applied,) = desk.tenant.state.sign_ins.everything()[-1]["appliedConditionalAccessPolicies"]
        assert applied["result"] == "reportOnlyFailure"

    at_the_desk(story, standing(state="enabledForReportingButNotEnforced"))


@pytest.mark.parametrize(("beyond", "status"), [("ineffective", 201), ("refused", 400)])
@pytest.mark.parametrize(
    "more",
    [
        {"application": {"signInAudience": "AzureADMultipleOrgs"}},
        {"application": {"appId": MANAGED}},
        {"principal": {"servicePrincipalType": "ManagedIdentity"}},
    ],
)
def test_what_is_not_a_single_tenant_application_of_ours_is_out_of_reach(
    more: JsonObject, beyond: str, status: int
) -> None:
    """No multi-tenant, foreign or managed identities; whether Graph refuses or ignores them is a switch."""

    async def story(desk: Desk) -> None:
        made = await desk.raw("POST", ALL, body(servicePrincipalRiskLevels=[]))
        entry = desk.tenant.state.directory.any_kind(PRINCIPAL)
        managed = entry is not None and entry.state["servicePrincipalType"] == "ManagedIdentity"
        codes = {tried(desk), desk.tenant.sign_in(PRINCIPAL, Credential(CredentialKind.MANAGED_IDENTITY)).error_code}

        assert made.status == status
        assert BLOCKED not in codes
        assert not managed or 0 in codes

    at_the_desk(story, payroll(**more), behaviour=Behaviour.gentle(policies_beyond_scope=beyond))


def test_sign_ins_see_a_new_policy_only_after_a_while() -> None:
    """How long propagation takes is unverified; the vendor speaks of up to a day (limits A.3)."""

    async def story(desk: Desk) -> None:
        await desk.raw("POST", ALL, body(servicePrincipalRiskLevels=[]))
        at_once = tried(desk)
        await asyncio.sleep(301)

        assert (at_once, tried(desk)) == (0, BLOCKED)

    at_the_desk(story, behaviour=Behaviour.gentle(policy_delay=300.0))


def test_a_deleted_and_restored_principal_has_fallen_out_of_the_policies() -> None:
    """Restoring an application does not bring its membership in policies back (Graph 5)."""

    async def story(desk: Desk) -> None:
        await desk.raw("DELETE", f"/servicePrincipals/{PRINCIPAL}")
        await desk.raw("POST", f"/directory/deletedItems/{PRINCIPAL}/restore")
        policy = (await desk.raw("GET", f"{ALL}/{POLICY}")).body

        assert policy["conditions"]["clientApplications"]["includeServicePrincipals"] == []
        assert tried(desk) == 0

    at_the_desk(story, standing(servicePrincipalRiskLevels=["none"]))


def test_a_scenario_cannot_start_with_a_policy_that_graph_would_refuse() -> None:
    """What could not have been made cannot be there."""

    async def story(desk: Desk) -> None:
        assert desk

    with pytest.raises(ScenarioMistake, match="block is the only grant"):
        at_the_desk(story, standing(grantControls={"operator": "OR", "builtInControls": ["mfa"]}))
