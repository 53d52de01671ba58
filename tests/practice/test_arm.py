"""Resource Manager on the practice tenant: roles, access policies, Resource Graph. Azure notes, sections 3.3-3.5."""

import asyncio
from typing import Any

from drill.practice import Behaviour, cordon_object_id
from tests.practice.desk import PRINCIPAL, Desk, Reply, at_the_desk

ARM = "https://management.azure.com"
VAULT = "/subscriptions/s1/resourceGroups/practice/providers/Microsoft.KeyVault/vaults/shop"
ASSIGNMENT = f"{VAULT}/providers/Microsoft.Authorization/roleAssignments/0a0a0a0a-1111-4222-8333-444444444444"
SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"
EXECUTOR = cordon_object_id("executor")
ROOT = "/providers/Microsoft.Management/managementGroups/11111111-2222-4333-8444-555555555555"


def azure(**vault: Any) -> dict[str, Any]:
    """A vault that the identity may read, in the subscription s1 of the group prod."""
    return {
        "subscriptions": [{"subscriptionId": "s1", "managementGroupAncestorsChain": [{"name": "prod"}]}],
        "vaults": [{"name": "shop", "subscription": "s1", "secrets": [{"name": "db"}], **vault}],
        "roleAssignments": [
            {
                "id": ASSIGNMENT,
                "principalId": PRINCIPAL,
                "roleDefinitionName": "Key Vault Secrets User",
                "scope": VAULT,
            },
            {
                "principalId": PRINCIPAL,
                "roleDefinitionName": "Contributor",
                "scope": "/providers/Microsoft.Management/managementGroups/prod",
            },
        ],
    }


async def arm(desk: Desk, method: str, path: str, body: object = None, role: str = "executor") -> Reply:
    """One call to ARM."""
    version = "" if "api-version" in path else f"{'&' if '?' in path else '?'}api-version=2022-04-01"
    token = desk.token(role, f"{ARM}/.default")
    return await desk.raw(method, f"{ARM}{path}{version}", body, token=token)


async def ask(desk: Desk, query: str, role: str = "reader", **body: Any) -> Reply:
    """One question to Resource Graph."""
    path = "/providers/Microsoft.ResourceGraph/resources?api-version=2021-03-01"
    return await arm(desk, "POST", path, {"query": query, **body}, role)


ASSIGNMENTS = f"""// cordon:assignments
authorizationresources | where type =~ 'microsoft.authorization/roleassignments'
| where tostring(properties.principalId) in~ ('{PRINCIPAL}')
| project id=tolower(id), scope=tolower(tostring(properties.scope)), roleId=tostring(split(tostring(x),'/')[-1])"""


def test_a_removed_assignment_is_gone_at_once_and_rules_for_a_while() -> None:
    """The list is the truth; the vault follows minutes later (Azure 3.3: roles lag)."""

    async def story(desk: Desk) -> None:
        rotator = {"principalId": cordon_object_id("rotator"), "roleDefinitionId": SECRETS_USER}
        made = await arm(desk, "PUT", ASSIGNMENT.replace("4444", "5555"), {"properties": rotator})
        removed = await arm(desk, "DELETE", ASSIGNMENT.replace("4444", "5555"))
        again = await arm(desk, "DELETE", ASSIGNMENT.replace("4444", "5555"))
        looked = await arm(desk, "GET", ASSIGNMENT.replace("4444", "5555"))

        assert (made.status, removed.status, again.status, looked.status) == (201, 200, 204, 404)
        assert looked.code == "RoleAssignmentNotFound"
        assert removed.body["properties"]["roleDefinitionId"].endswith(SECRETS_USER)

        await asyncio.sleep(1)
        assert [each["status"] for each in desk.tenant.effects] == [201, 200, 204]

    at_the_desk(story, azure=azure())


def test_an_attacker_s_token_reads_on_until_the_vault_has_heard_of_the_removal() -> None:
    """Cutting is not instant: the assignment is gone from ARM, and the token still works (Azure 8)."""
    attackers = [{"identity": PRINCIPAL, "does": "read-secret", "vault": "shop", "secret": "db", "every": "PT10S"}]

    async def story(desk: Desk) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = desk.tenant.start(group)
            await asyncio.sleep(1)
            await arm(desk, "DELETE", ASSIGNMENT)
            await asyncio.sleep(600)
            for task in tasks:
                task.cancel()
        tries = [each["status"] for each in desk.tenant.attempts if each["does"] == "read-secret"]

        assert tries[:9] == [200] * 9
        assert tries[-1] == 403

    nasty = Behaviour.gentle(access_delay=(90.0, 90.0))
    at_the_desk(story, behaviour=nasty, azure=azure(), attackers=[{**attackers[0], "until": "PT10M"}])


def test_putting_an_assignment_again_is_checked() -> None:
    """The same under the same name is fine; the same under another, or another under the same, is not."""

    async def story(desk: Desk) -> None:
        body = {"properties": {"principalId": PRINCIPAL, "roleDefinitionId": f"/x/roleDefinitions/{SECRETS_USER}"}}
        same = await arm(desk, "PUT", ASSIGNMENT, body)
        second = await arm(desk, "PUT", ASSIGNMENT.replace("4444", "5555"), body)
        other = await arm(desk, "PUT", ASSIGNMENT, {"properties": {**body["properties"], "principalId": EXECUTOR}})
        ghost = {"properties": {**body["properties"], "principalId": "0c0c0c0c-9999-4000-8000-00000000cccc"}}
        nobody = await arm(desk, "PUT", ASSIGNMENT.replace("4444", "6666"), ghost)

        assert same.status == 200
        assert (second.status, second.code) == (409, "RoleAssignmentExists")
        assert (other.status, other.code) == (400, "RoleAssignmentUpdateNotPermitted")
        assert (nobody.status, nobody.code) == (400, "PrincipalNotFound")

    at_the_desk(story, azure=azure())


def test_a_list_at_a_vault_shows_what_is_inherited_and_can_be_filtered() -> None:
    """At, above and below; atScope() leaves out what lies below (Azure 3.5)."""

    async def story(desk: Desk) -> None:
        base = f"{VAULT}/providers/Microsoft.Authorization/roleAssignments"
        all_of = await arm(desk, "GET", f"{base}?$filter=principalId eq '{PRINCIPAL}'", role="reader")
        at_group = await arm(
            desk,
            "GET",
            f"{ROOT}/providers/Microsoft.Authorization/roleAssignments?$filter=atScope() and assignedTo('{PRINCIPAL}')",
            role="reader",
        )
        odd = await arm(desk, "GET", f"{base}?$filter=scope eq 'x'", role="reader")

        assert {each["properties"]["scope"] for each in all_of.body["value"]} == {
            VAULT,
            "/providers/Microsoft.Management/managementGroups/prod",
        }
        assert at_group.body["value"] == []
        assert odd.status == 400

    at_the_desk(story, azure=azure())


def test_who_may_not_gets_authorization_failed() -> None:
    """The reader reads and does not write; a wrong audience is not let in at all."""

    async def story(desk: Desk) -> None:
        refused = await arm(desk, "DELETE", ASSIGNMENT, role="reader")
        foreign = await desk.raw("GET", f"{ARM}{VAULT}?api-version=2023-07-01")
        unversioned = await desk.raw("GET", f"{ARM}{VAULT}", token=desk.token("reader", f"{ARM}/.default"))

        assert (refused.status, refused.code) == (403, "AuthorizationFailed")
        assert foreign.status == 401
        assert unversioned.code == "MissingApiVersionParameter"

    at_the_desk(story, azure=azure())


def test_an_access_policy_loses_the_permissions_that_are_removed() -> None:
    """remove takes what it names and drops an entry with nothing left; add brings it back (Azure 3.3)."""
    entry = {"objectId": PRINCIPAL, "permissions": {"secrets": ["Get", "List"], "keys": ["Sign"]}}

    async def story(desk: Desk) -> None:
        def body(**permissions: Any) -> dict[str, Any]:
            one = {"tenantId": desk.tenant.state.id, "objectId": PRINCIPAL, "permissions": permissions}
            return {"properties": {"accessPolicies": [one]}}

        async def change(kind: str, **permissions: Any) -> list[dict[str, Any]]:
            reply = await arm(desk, "PUT", f"{VAULT}/accessPolicies/{kind}", body(**permissions))
            assert reply.status == 200, reply
            listed = reply.body["properties"]["accessPolicies"]
            return [each["permissions"] for each in listed if each["objectId"] == PRINCIPAL]

        less = await change("remove", secrets=["get"])
        none = await change("remove", secrets=["list"], keys=["sign"])
        back = await change("add", secrets=["get"])
        vault = await arm(desk, "GET", VAULT, role="reader")

        assert less == [{"keys": ["sign"], "secrets": ["list"], "certificates": [], "storage": []}]
        assert none == []
        assert back[0]["secrets"] == ["get"]
        assert vault.body["properties"]["enableRbacAuthorization"] is False
        assert len(vault.body["properties"]["accessPolicies"]) == 2

    at_the_desk(story, azure=azure(rbac=False, accessPolicies=[entry]))


def test_diagnostic_settings_say_where_a_vault_s_log_goes() -> None:
    """By the workspace's ARM id, whose customer id queries need (Azure 3.4)."""

    async def story(desk: Desk) -> None:
        found = await arm(desk, "GET", f"{VAULT}/providers/Microsoft.Insights/diagnosticSettings", role="reader")
        (setting,) = found.body["value"]
        workspace = await arm(desk, "GET", setting["properties"]["workspaceId"], role="reader")
        quiet = await arm(
            desk,
            "GET",
            VAULT.replace("shop", "quiet") + "/providers/Microsoft.Insights/diagnosticSettings",
            role="reader",
        )

        assert setting["properties"]["logs"] == [{"category": None, "categoryGroup": "audit", "enabled": True}]
        assert workspace.body["properties"]["customerId"] == desk.tenant.workspaces[0]
        assert quiet.body == {"value": []}

    given = azure()
    given["vaults"].append({"name": "quiet", "subscription": "s1", "diagnostics": False})
    at_the_desk(story, azure=given)


def test_resource_graph_leaves_out_what_is_inherited_unless_it_is_asked_for() -> None:
    """A question about a subscription shows what is at it and below, by default (Azure 3.5)."""

    async def story(desk: Desk) -> None:
        tenant = await ask(desk, ASSIGNMENTS)
        below = await ask(desk, ASSIGNMENTS, subscriptions=["s1"])
        above = await ask(
            desk, ASSIGNMENTS, subscriptions=["s1"], options={"authorizationScopeFilter": "AtScopeAboveAndBelow"}
        )

        assert len(tenant.body["data"]) == len(above.body["data"]) == 2
        assert below.body["data"] == [{"id": ASSIGNMENT.lower(), "scope": VAULT.lower(), "roleId": SECRETS_USER}]

    at_the_desk(story, azure=azure())


def test_without_the_right_to_read_a_subscription_there_seem_to_be_no_vaults() -> None:
    """An empty list is not "there are none" (Azure 3.5)."""
    given = azure()
    given["permissions"] = {"reader": [{"roleDefinitionName": "Reader", "scope": "/subscriptions/s2"}]}

    async def story(desk: Desk) -> None:
        vaults = await ask(desk, "// cordon:vaults\nresources | project id, rbac, chain")
        subscriptions = await arm(desk, "GET", "/subscriptions", role="reader")

        assert (vaults.status, vaults.body["data"]) == (200, [])
        assert subscriptions.body["value"] == []

    at_the_desk(story, azure=given)


def test_resource_graph_shows_what_was_minutes_ago() -> None:
    """It is eventually consistent (Azure 3.5)."""

    async def story(desk: Desk) -> None:
        await arm(desk, "DELETE", ASSIGNMENT)
        at_once = await ask(desk, ASSIGNMENTS)
        await asyncio.sleep(121)
        later = await ask(desk, ASSIGNMENTS)

        assert (len(at_once.body["data"]), len(later.body["data"])) == (2, 1)

    at_the_desk(story, behaviour=Behaviour.gentle(resource_graph_delay=120.0), azure=azure())


def test_only_results_with_an_id_can_be_paged() -> None:
    """Others are cut, and resultTruncated is the only sign (Azure 3.5)."""

    async def story(desk: Desk) -> None:
        first = await ask(desk, "// cordon:vaults\nresources | project id, name")
        rest = await ask(
            desk, "// cordon:vaults\nresources | project id, name", options={"$skipToken": first.body["$skipToken"]}
        )
        cut = await ask(desk, "// cordon:vaults\nresources | project name")

        assert len(first.body["data"]) == len(rest.body["data"]) == 1
        assert (first.body["resultTruncated"], cut.body["resultTruncated"]) == ("false", "true")
        assert "$skipToken" not in cut.body

    at_the_desk(story, behaviour=Behaviour.gentle(resource_graph_page=1), azure=azure())


def test_a_question_that_is_not_cordon_s_is_a_syntax_error() -> None:
    """The stand-in answers what it knows, and nothing else."""

    async def story(desk: Desk) -> None:
        queries = [
            "resources | project id",
            "// cordon:everything\nresources",
            "// cordon:vaults\nresources | project nonsense",
            ASSIGNMENTS.replace(PRINCIPAL, "' or 1==1 or '"),
        ]
        assert [(await ask(desk, query)).status for query in queries] == [400] * 4

    at_the_desk(story, azure=azure())


def test_writes_stand_in_the_activity_log_minutes_later() -> None:
    """Who did what, by object id."""

    async def story(desk: Desk) -> None:
        await arm(desk, "DELETE", ASSIGNMENT)
        log = desk.tenant.state.azure.activity
        assert len(log.published(desk.tenant.now())) == 0
        await asyncio.sleep(301)

        (record,) = [each.record for each in log.published(desk.tenant.now())]
        assert record["caller"] == EXECUTOR
        assert record["operationName"]["value"] == "Microsoft.Authorization/roleAssignments/delete"

    at_the_desk(story, behaviour=Behaviour.gentle(activity_delay=(300.0, 300.0)), azure=azure())


def test_arm_and_resource_graph_throttle_as_the_platform_does() -> None:
    """15 questions in 5 s; 250 reads a subscription, refilled by 25 a second (limits A.3, Azure 3.5)."""

    async def story(desk: Desk) -> None:
        asked = [(await ask(desk, "// cordon:vaults\nresources")) for _ in range(16)]
        read = [(await arm(desk, "GET", VAULT, role="reader")).status for _ in range(251)]
        await asyncio.sleep(1)
        later = await arm(desk, "GET", VAULT, role="reader")

        assert [each.status for each in asked].count(429) == 1
        assert asked[0].headers["x-ms-user-quota-remaining"] == "14"
        assert asked[-1].headers["retry-after"] == "5"
        assert read.index(429) == 250
        assert later.headers["x-ms-ratelimit-remaining-subscription-reads"] == "24"

    at_the_desk(story, behaviour=Behaviour.gentle(throttling=True), azure=azure())
