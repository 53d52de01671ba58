"""What happens in Azure without Cordon: roles come and go, people read and set secrets, vaults tell of it."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from drill.practice import Behaviour, ScenarioMistake
from tests.practice.desk import PRINCIPAL, Desk, JsonObject, at_the_desk

SUBSCRIPTION = "/subscriptions/s1"
SHOP = f"{SUBSCRIPTION}/resourceGroups/practice/providers/Microsoft.KeyVault/vaults/shop"
ACCOUNT = f"{SUBSCRIPTION}/resourceGroups/practice/providers/Microsoft.Storage/storageAccounts/shopdata"
FIRST = "0123456789abcdef0123456789abcdef"
READS = {"principalId": PRINCIPAL, "roleDefinitionName": "Key Vault Secrets User", "scope": SHOP}
READ = {"readSecrets": [{"vault": "shop", "secret": "partner", "by": PRINCIPAL}]}


def azure(**more: Any) -> JsonObject:
    secrets = [{"name": "partner", "value": "old", "version": FIRST}, {"name": "cert", "managed": True}]
    return {
        "storageAccounts": [{"name": "shopdata", "subscription": "s1"}],
        "vaults": [{"name": "shop", "subscription": "s1", "secrets": secrets, **more.pop("vault", {})}],
        **more,
    }


def statuses(desk: Desk) -> list[int | None]:
    return [each["status"] for each in desk.tenant.attempts if each["does"] == "read-secret"]


def version(desk: Desk, number: int, vault: str = "shop") -> Mapping[str, Any]:
    vaults = desk.tenant.snapshot()["azure"]["vaults"]
    secrets = next(each["secrets"] for each in vaults if each["name"] == vault)
    return [each for each in secrets if each["name"] == "partner"][number]


def test_a_role_lets_somebody_read_from_when_the_vault_follows_it() -> None:
    """ARM shows it at once, the vault hears of it later; and so when it goes."""

    async def story(desk: Desk) -> None:
        desk.tenant.happen({"azure": {"addRoleAssignments": [READS], **READ}})
        await asyncio.sleep(61)
        desk.tenant.happen({"azure": READ})
        desk.tenant.happen({"azure": {"removeRoleAssignments": [{"principalId": PRINCIPAL, "scope": SHOP}], **READ}})
        await asyncio.sleep(61)
        desk.tenant.happen({"azure": READ})

        assert statuses(desk) == [403, 200, 200, 403]
        assert [each["method"] for each in desk.tenant.effects] == ["PUT", "DELETE"]
        assert version(desk, 0)["readBy"] == [PRINCIPAL]

    at_the_desk(story, azure=azure(), behaviour=Behaviour.gentle(access_delay=(60.0, 60.0)))


def test_a_read_stands_in_the_log_as_any_other() -> None:
    """With the version that it named, the reader's object id and its client id."""

    async def story(desk: Desk) -> None:
        named = {"vault": "shop", "secret": "partner", "by": PRINCIPAL, "version": FIRST}
        desk.tenant.happen({"azure": {"readSecrets": [named]}})
        (record,) = (each.record for each in desk.tenant.state.vault_logs.published(desk.tenant.now()))

        assert record["operationName"] == "SecretGet"
        assert record["properties"]["id"].endswith(f"/secrets/partner/{FIRST}")
        assert record["identity"]["claim"]["oid"] == PRINCIPAL

    at_the_desk(story, azure=azure(roleAssignments=[READS]))


def test_who_read_before_the_drill_has_what_was_newest_then() -> None:
    """Unless the read names a version."""
    later = {"name": "partner", "createdDaysAgo": 1}
    claim = {"identity": {"claim": {"oid": PRINCIPAL}}, "operationName": "SecretGet", "time": "2026-02-20T10:00:00Z"}
    read = {**claim, "properties": {"id": "https://shop.vault.azure.net/secrets/partner"}}

    async def story(desk: Desk) -> None:
        assert [version(desk, n)["readBy"] for n in (0, 1)] == [[PRINCIPAL], []]

    vault = {"secrets": [{"name": "partner", "version": FIRST}, later]}
    at_the_desk(story, azure=azure(vault=vault), logs={"keyVaultAudits": [read]})


@pytest.mark.parametrize(("old", "lives"), [("dies", False), ("lives", True)])
def test_an_owner_sets_a_value_that_its_service_takes(old: str, lives: bool) -> None:
    """The old one is refused from then on, unless the owner lets it live."""

    async def story(desk: Desk) -> None:
        given = {"vault": "shop", "secret": "partner", "value": "new", "old": old, "tags": {"by": "hand"}}
        desk.tenant.happen({"azure": {"setSecrets": [given]}})

        assert (version(desk, 0)["works"], version(desk, 1)["works"]) == (lives, True)
        assert version(desk, 1)["tags"] == {"by": "hand"}
        assert "new" not in str(desk.tenant.effects)

    at_the_desk(story, azure=azure())


@pytest.mark.parametrize(
    "wrong",
    [
        {"readSecret": []},
        {"readSecrets": [{"vault": "shop", "secret": "partnr", "by": PRINCIPAL}]},
        {"setSecrets": [{"vault": "shop", "secret": "partner", "valeu": "x"}]},
        {"removeRoleAssignments": [{"principalId": PRINCIPAL}]},
        {"addRoleAssignments": [{"principalId": PRINCIPAL, "roleDefinitionName": "Key Vault Reeder", "scope": SHOP}]},
    ],
)
def test_a_change_that_cannot_be_is_a_mistake_of_the_scenario(wrong: JsonObject) -> None:
    """A typo must not make a story in which nothing happens."""

    async def story(desk: Desk) -> None:
        with pytest.raises(ScenarioMistake):
            desk.tenant.happen({"azure": wrong})

    at_the_desk(story, azure=azure())


# --- what vaults tell ---------------------------------------------------------------------------------------


def listening(desk: Desk) -> list[JsonObject]:
    heard: list[JsonObject] = []
    desk.tenant.subscribe(lambda event, delay: heard.append(event))
    return heard


def kinds(heard: list[JsonObject]) -> list[str]:
    return [str(each["eventType"]).removeprefix("Microsoft.KeyVault.") for each in heard]


def test_a_new_version_is_told_and_a_disabled_one_is_not() -> None:
    """Reading, disabling and deleting raise no event (Azure 2.3)."""

    async def story(desk: Desk) -> None:
        heard, client = listening(desk), desk.secrets("rotator", "shop")
        made = await client.set_secret("partner", "x")
        await client.get_secret("partner")
        await client.update_secret_properties("partner", FIRST, enabled=False)

        assert kinds(heard) == ["SecretNewVersionCreated"]
        assert heard[0]["topic"] == SHOP
        assert heard[0]["data"]["Id"] == made.id
        assert heard[0]["data"]["ObjectName "] == "partner"

    at_the_desk(story, azure=azure())


def test_near_expiry_is_told_once_for_the_newest_version() -> None:
    """Thirty days before (Azure 2.3): also when somebody brings the day nearer."""

    async def story(desk: Desk) -> None:
        heard, client = listening(desk), desk.secrets("rotator", "shop")
        for days in (400, 20, 10):
            await client.update_secret_properties("partner", expires_on=desk.tenant.now() + timedelta(days=days))

        assert kinds(heard) == ["SecretNearExpiry"]

    at_the_desk(story, azure=azure())


def test_a_certificate_tells_of_two_things_that_are_new() -> None:
    """The certificate, and the secret in which it stands."""

    async def story(desk: Desk) -> None:
        heard, client = listening(desk), desk.certificates("rotator", "shop")
        policy = await client.get_certificate_policy("cert")
        await client.create_certificate("cert", policy)

        assert kinds(heard) == ["CertificateNewVersionCreated", "SecretNewVersionCreated"]

    at_the_desk(story, azure=azure())


def test_a_vault_without_a_subscription_tells_nobody() -> None:
    """Events are something that somebody has to set up."""

    async def story(desk: Desk) -> None:
        heard = listening(desk)
        await desk.secrets("rotator", "shop").set_secret("partner", "x")

        assert heard == []

    at_the_desk(story, azure=azure(vault={"events": False}))


# --- locks --------------------------------------------------------------------------------------------------


async def _arm(desk: Desk, method: str, path: str, role: str = "rotator", body: object = None) -> tuple[int, str]:
    token = desk.token(role, "https://management.azure.com/.default")
    url = f"https://management.azure.com{path}?api-version=2022-04-01"
    reply = await desk.raw(method, url, body, token=token)
    return reply.status, reply.code if reply.status >= 400 else ""


@pytest.mark.parametrize(("level", "answer"), [("ReadOnly", (409, "ScopeLocked")), ("CanNotDelete", (200, ""))])
def test_a_read_only_lock_keeps_keys_from_being_listed_and_renewed(level: str, answer: tuple[int, str]) -> None:
    """Listing keys is a POST, so that a lock against changes refuses it too."""

    async def story(desk: Desk) -> None:
        assert await _arm(desk, "POST", f"{ACCOUNT}/listKeys") == answer
        assert await _arm(desk, "POST", f"{ACCOUNT}/regenerateKey", body={"keyName": "key1"}) == answer
        assert (await _arm(desk, "GET", ACCOUNT))[0] == 200

    at_the_desk(story, azure=azure(locks=[{"scope": SUBSCRIPTION, "level": level}]))


def test_a_lock_against_deletion_keeps_role_assignments_and_no_secrets() -> None:
    """Locks are of Resource Manager: what is inside a vault does not know of them."""
    name = "0c0c0c0c-0000-4000-8000-000000000001"
    path = f"{SHOP}/providers/Microsoft.Authorization/roleAssignments/{name}"

    async def story(desk: Desk) -> None:
        assert await _arm(desk, "DELETE", path, "executor") == (409, "ScopeLocked")
        assert (await desk.secrets("rotator", "shop").set_secret("partner", "x")).value == "x"

    locks = [{"scope": SHOP, "level": "CanNotDelete"}]
    at_the_desk(story, azure=azure(locks=locks, roleAssignments=[{**READS, "name": name}]))
