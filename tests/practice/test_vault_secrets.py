"""Secrets in vaults: versions, soft deletion, and who may do what. Sources: the project's notes on Azure, section 3."""

from datetime import timedelta
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from drill.practice import Behaviour, ScenarioMistake, cordon_object_id
from drill.virtual_time import virtual_clock
from tests.practice.desk import PRINCIPAL, Desk, at_the_desk, payroll

VAULT = "/subscriptions/s1/resourceGroups/practice/providers/Microsoft.KeyVault/vaults/shop"
ROTATOR = cordon_object_id("rotator")
EXECUTOR = cordon_object_id("executor")


def shop(*assignments: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A vault of two secrets; Cordon's rotator has its usual roles."""
    vault = {
        "name": "shop",
        "subscription": "s1",
        "secrets": [
            {"name": "db", "tags": {"owner": "shop"}, "contentType": "text/plain"},
            {"name": "db", "tags": {"owner": "shop"}},
            {"name": "api-key"},
            {"name": "tls", "managed": True},
        ],
        **more,
    }
    return {"vaults": [vault], "roleAssignments": list(assignments)}


def inner(refusal: pytest.ExceptionInfo[HttpResponseError]) -> object:
    """The code inside the error, which says why."""
    assert refusal.value.error is not None
    return (refusal.value.error.innererror or {}).get("code")


def test_a_list_tells_what_is_there_and_no_value() -> None:
    """Names, tags and whether a secret is managed; versions in no order that says which is newest (Azure 3.1)."""

    async def story(desk: Desk) -> None:
        client = desk.secrets("rotator", "shop")
        listed = {each.name: each async for each in client.list_properties_of_secrets()}
        versions = [each async for each in client.list_properties_of_secret_versions("db")]

        assert sorted(map(str, listed)) == ["api-key", "db", "tls"]
        assert [name for name, each in listed.items() if each.managed] == ["tls"]
        assert len(versions) == 2
        assert len({each.created_on for each in versions}) == 2

    at_the_desk(story, azure=shop())


def test_what_is_too_much_for_the_vault_is_refused() -> None:
    """15 tags of 256 characters, 255 for the content type, 25 KB for the value (Azure 3.2)."""

    async def story(desk: Desk) -> None:
        client = desk.secrets("rotator", "shop")
        for tries in (
            client.set_secret("db", "v", tags={str(n): "x" for n in range(16)}),
            client.set_secret("db", "v", tags={"x": "y" * 257}),
            client.set_secret("db", "v", content_type="x" * 256),
            client.set_secret("db", "x" * (25 * 1024 + 1)),
        ):
            with pytest.raises(HttpResponseError) as refusal:
                await tries
            assert refusal.value.status_code == 400

        assert len([each async for each in client.list_properties_of_secret_versions("db")]) == 2

    at_the_desk(story, azure=shop())


def test_a_deleted_secret_is_recoverable_and_its_name_is_taken() -> None:
    """Soft delete takes all versions (Azure 3.1)."""

    async def story(desk: Desk) -> None:
        client = desk.secrets("rotator", "shop")
        await client.delete_secret("db")
        with pytest.raises(ResourceNotFoundError):
            await client.get_secret("db")
        with pytest.raises(ResourceExistsError) as taken:
            await client.set_secret("db", "new")
        await client.recover_deleted_secret("db")

        assert inner(taken) == "ObjectIsDeletedButRecoverable"
        assert (await client.get_secret("db")).name == "db"

    at_the_desk(story, azure=shop())


def test_a_role_on_one_secret_opens_that_secret_only() -> None:
    """The scope may be a single secret; listing needs the vault (Azure 3.3)."""
    role = {
        "principalId": EXECUTOR,
        "roleDefinitionId": "4633458b-17de-408a-b874-0445c86b69e6",
        "scope": f"{VAULT}/secrets/db",
    }

    async def story(desk: Desk) -> None:
        client = desk.secrets("executor", "shop")
        assert (await client.get_secret("DB")).value
        with pytest.raises(HttpResponseError) as other:
            await client.get_secret("api-key")
        with pytest.raises(HttpResponseError) as listing:
            [each async for each in client.list_properties_of_secrets()]

        assert inner(other) == inner(listing) == "ForbiddenByRbac"

    at_the_desk(story, azure=shop(role))


def test_a_group_in_a_group_at_a_management_group_reaches_the_vault() -> None:
    """Nesting and inheritance count, and so does a custom role with a wildcard (Azure 3.3, 3.5)."""
    azure = shop(
        {
            "principalId": "outer",
            "roleDefinitionName": "Our Readers",
            "scope": "/providers/Microsoft.Management/managementGroups/Production",
        }
    )
    azure["subscriptions"] = [{"subscriptionId": "s1", "managementGroupAncestorsChain": [{"name": "production"}]}]
    azure["roleDefinitions"] = [
        {"roleName": "Our Readers", "permissions": [{"dataActions": ["Microsoft.KeyVault/vaults/secrets/get*"]}]}
    ]
    groups = [{"id": "inner", "members": [EXECUTOR]}, {"id": "outer", "members": ["inner"]}]

    async def story(desk: Desk) -> None:
        found = await desk.raw("GET", f"/servicePrincipals/{EXECUTOR}/transitiveMemberOf")

        assert (await desk.secrets("executor", "shop").get_secret("db")).value
        assert {each["id"] for each in found.body["value"]} == {"inner", "outer"}

    at_the_desk(story, payroll(groups=groups), azure=azure)


def test_where_access_policies_decide_roles_give_nothing() -> None:
    """And the other way round; an entry on behalf of users is not the app's own (Azure 3.5)."""
    role = {"principalId": EXECUTOR, "roleDefinitionName": "Key Vault Administrator", "scope": VAULT}
    policies = [
        {"objectId": EXECUTOR, "permissions": {"secrets": ["List"]}},
        {"objectId": EXECUTOR, "applicationId": "app", "permissions": {"secrets": ["all"]}},
    ]

    async def story(desk: Desk) -> None:
        client = desk.secrets("executor", "shop")
        listed = [each async for each in client.list_properties_of_secrets()]
        with pytest.raises(HttpResponseError) as refusal:
            await client.get_secret("db")

        assert len(listed) == 3
        assert inner(refusal) == "AccessDenied"
        assert (await desk.secrets("rotator", "shop").get_secret("db")).value

    at_the_desk(story, azure=shop(role, rbac=False, accessPolicies=policies))


def test_cordon_has_only_the_roles_that_a_scenario_lists_for_it() -> None:
    """`azure.permissions`, as `tenant.permissions` does for Graph."""

    async def story(desk: Desk) -> None:
        with pytest.raises(HttpResponseError) as refusal:
            await desk.secrets("rotator", "shop").get_secret("db")

        assert inner(refusal) == "ForbiddenByRbac"

    at_the_desk(story, azure={**shop(), "permissions": {"rotator": []}})


def test_an_unknown_role_is_a_mistake_of_the_scenario() -> None:
    """A typo must not silently give nobody anything."""
    with pytest.raises(ScenarioMistake, match="no role Key Vault Secret User"):
        at_the_desk(
            lambda _: virtual_clock().now(),  # type: ignore[arg-type, return-value]
            azure=shop({"principalId": PRINCIPAL, "roleDefinitionName": "Key Vault Secret User"}),
        )


def test_disabling_a_certificate_s_version_disables_its_secret() -> None:
    """A managed secret is reached through its certificate only (Azure 3.1)."""

    async def story(desk: Desk) -> None:
        certificates, secrets = desk.certificates("rotator", "shop"), desk.secrets("rotator", "shop")
        old = (await secrets.get_secret("tls")).properties.version
        certificate = await certificates.get_certificate("tls")
        await certificates.create_certificate("tls", certificate.policy)  # type: ignore[arg-type]
        new = (await secrets.get_secret("tls")).properties.version
        await certificates.update_certificate_properties("tls", old, enabled=False)
        with pytest.raises(HttpResponseError) as refusal:
            await secrets.get_secret("tls", old)
        with pytest.raises(HttpResponseError) as patching:
            await secrets.update_secret_properties("tls", old, enabled=True)

        assert new != old
        assert inner(refusal) == "SecretDisabled"
        assert inner(patching) == "SecretManagedByKeyVault"

    at_the_desk(story, azure=shop())


def test_all_vaults_of_a_subscription_share_five_times_one_vault_s_limit() -> None:
    """Five vaults may do at once what one may; the sixth finds nothing left (Azure 3.2)."""
    azure = {"vaults": [{"name": f"v{n}", "subscription": "s1"} for n in range(6)]}

    async def story(desk: Desk) -> None:
        started = desk.tenant.now()
        for number in range(5):
            client = desk.secrets("rotator", f"v{number}")
            for _ in range(3):
                await client.set_secret("x", "planted")
        with pytest.raises(HttpResponseError) as refusal:
            await desk.secrets("rotator", "v5").set_secret("x", "planted")

        assert desk.tenant.now() - started < timedelta(seconds=10)
        assert refusal.value.status_code == 429

    at_the_desk(story, behaviour=Behaviour.gentle(throttling=True, vault_creations_per_10_seconds=3), azure=azure)
