"""Who lives on secrets, who steals them and who owns them: what a rotation does to each of them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from drill.practice import ScenarioMistake
from tests.practice.desk import PRINCIPAL, Desk, at_the_desk

ARM = "https://management.azure.com"
STORAGE = "/subscriptions/s1/resourceGroups/practice/providers/Microsoft.Storage/storageAccounts/shopdata"
VAULT = "/subscriptions/s1/resourceGroups/practice/providers/Microsoft.KeyVault/vaults/shop"
WEB = {"name": "web", "vault": "shop", "secret": "conn", "every": "PT1M", "refresh": "PT10M"}


def azure(*assignments: dict[str, Any], **vault: Any) -> dict[str, Any]:
    """A storage account whose first key is in use, and a secret that only its owner's service knows."""
    tags = {"ProviderAddress": STORAGE, "CredentialId": "key1"}
    secrets = [
        {"name": "conn", "tags": tags, "valueOf": {"resource": "shopdata", "key": "key1", "as": "connectionString"}},
        {"name": "partner", "attributes": {"exp": 4102444800}},
    ]
    return {
        "storageAccounts": [{"name": "shopdata", "subscription": "s1"}],
        "vaults": [{"name": "shop", "subscription": "s1", "secrets": secrets, **vault}],
        "roleAssignments": [*assignments],
    }


async def arm(desk: Desk, path: str, body: object = None) -> Any:
    """One POST as the rotator; the body of its answer."""
    token = desk.token("rotator", f"{ARM}/.default")
    return (await desk.raw("POST", f"{ARM}{path}?api-version=2024-01-01", body, token=token)).body


def live(story: Callable[[Desk], Awaitable[None]]) -> Callable[[Desk], Awaitable[None]]:
    """The story, with the world going on beside it."""

    async def whole(desk: Desk) -> None:
        async with asyncio.TaskGroup() as group:
            world = desk.tenant.start(group)
            await story(desk)
            for task in world:
                task.cancel()

    return whole


def seen(desk: Desk, name: str = "web") -> dict[str, Any]:
    """What the tenant's state says of a consumer."""
    return next(each for each in desk.tenant.snapshot()["azure"]["consumers"] if each["name"] == name)


async def publish(desk: Desk, key: str) -> None:
    """Store the connection string with this key as a new version, as a rotation does."""
    (value,) = [each["value"] for each in (await arm(desk, f"{STORAGE}/listKeys"))["keys"] if each["keyName"] == key]
    text = f"DefaultEndpointsProtocol=https;AccountName=shopdata;AccountKey={value};EndpointSuffix=core.windows.net"
    await desk.secrets("rotator", "shop").set_secret("conn", text)


def test_whoever_waits_for_the_refresh_breaks_nobody() -> None:
    """The idle key first, then the grace, then the exposed key (Azure 4)."""

    async def story(desk: Desk) -> None:
        await asyncio.sleep(65)
        await arm(desk, f"{STORAGE}/regenerateKey", {"keyName": "key2"})
        await publish(desk, "key2")
        await asyncio.sleep(660)
        await arm(desk, f"{STORAGE}/regenerateKey", {"keyName": "key1"})
        await asyncio.sleep(660)

        assert seen(desk)["uses"] > 20
        assert (seen(desk)["failed"], seen(desk)["works"]) == (0, True)

    at_the_desk(live(story), azure=azure(), consumers=[WEB])


def test_a_key_that_dies_too_early_breaks_its_consumer_until_it_reads_again() -> None:
    """Failures are counted, and nobody is stranded who reads a good value at the next refresh."""

    async def story(desk: Desk) -> None:
        await asyncio.sleep(65)
        await arm(desk, f"{STORAGE}/regenerateKey", {"keyName": "key2"})
        await publish(desk, "key2")
        await arm(desk, f"{STORAGE}/regenerateKey", {"keyName": "key1"})
        await asyncio.sleep(900)

        assert (seen(desk)["failed"], seen(desk)["stranded"], seen(desk)["works"]) == (8, 0, True)
        assert {each["by"] for each in desk.tenant.attempts if each["does"] == "use-secret"} == {"consumer:web"}

    at_the_desk(live(story), azure=azure(), consumers=[WEB])


def test_a_consumer_of_one_version_is_stranded_when_that_one_dies() -> None:
    """Nothing ever makes it read another (Azure 4)."""
    version = "0123456789abcdef0123456789abcdef"

    async def story(desk: Desk) -> None:
        versions = desk.tenant.state.vaults["shop"].secrets["conn"]
        versions[0].version = version
        await asyncio.sleep(65)
        await arm(desk, f"{STORAGE}/regenerateKey", {"keyName": "key1"})
        await publish(desk, "key1")
        await asyncio.sleep(1200)

        assert seen(desk)["version"] == version
        assert seen(desk)["works"] is False
        assert seen(desk)["stranded"] > 0

    at_the_desk(live(story), azure=azure(), consumers=[{**WEB, "version": version, "from": "PT1S"}])


def test_an_owner_who_is_asked_makes_a_value_that_its_service_takes() -> None:
    """And takes the old one until the grace is over (Azure 4, delegating)."""
    owner = {"name": "billing", "vault": "shop", "secret": "partner", "after": "PT10M", "grace": "PT15M"}
    web = {**WEB, "secret": "partner"}

    async def story(desk: Desk) -> None:
        old = desk.tenant.state.vaults["shop"].secrets["partner"][0].value
        request = {"type": "Cordon.Secret.RotationRequested", "data": {"vault": "shop", "secret": "partner"}}
        desk.tenant.hear({**request, "data": {"vault": "shop", "secret": "another"}})
        await asyncio.sleep(1200)
        assert len(desk.tenant.state.vaults["shop"].secrets["partner"]) == 1
        desk.tenant.hear(request)
        await asyncio.sleep(3600)

        assert len(desk.tenant.state.vaults["shop"].secrets["partner"]) == 2
        assert old not in desk.tenant.state.azure.accepted["shop", "partner"]
        assert (seen(desk)["failed"], seen(desk)["works"]) == (0, True)
        assert [each["by"] for each in desk.tenant.effects] == ["owner:billing"]

    at_the_desk(live(story), azure=azure(), owners=[owner], consumers=[web])


def test_an_owner_who_confirms_says_so_by_the_tag_that_was_asked_for() -> None:
    """Only when the old value opens nothing any more, and on the new version (Azure 4, delegating)."""
    owner = {"name": "billing", "vault": "shop", "secret": "partner", "after": "PT1M", "grace": "PT15M"}

    async def story(desk: Desk) -> None:
        versions = desk.tenant.state.vaults["shop"].secrets["partner"]
        asked = {"vault": "shop", "secret": "partner", "confirmByTag": "cordon-old-is-dead"}
        desk.tenant.hear({"type": "Cordon.Secret.RotationRequested", "data": asked})
        await asyncio.sleep(600)
        before_grace_is_over = {**versions[-1].tags}
        await asyncio.sleep(900)

        assert before_grace_is_over == {}
        assert versions[-1].tags == {"cordon-old-is-dead": versions[0].version}

    at_the_desk(live(story), azure=azure(), owners=[{**owner, "confirms": True}])


def test_the_usual_sample_rotates_the_other_key_and_leaves_the_exposed_one() -> None:
    """Near expiry sets it off; the leaked key lives until the next round (Azure 4)."""
    owner = {"name": "sample", "vault": "shop", "secret": "conn", "hears": "near-expiry", "after": "PT1M"}

    async def story(desk: Desk) -> None:
        account = desk.tenant.state.azure.sources[STORAGE.lower()]
        first = {name: key.value for name, key in account.keys.items()}
        await asyncio.sleep(600)
        assert len(desk.tenant.state.vaults["shop"].secrets["conn"]) == 1
        await desk.secrets("rotator", "shop").update_secret_properties("conn", expires_on=desk.tenant.now())
        await asyncio.sleep(600)

        newest = desk.tenant.state.vaults["shop"].secrets["conn"][-1]
        assert newest.tags["CredentialId"] == "key2"
        assert newest.value == account.keys["key2"].value != first["key2"]
        assert account.keys["key1"].value == first["key1"]

    at_the_desk(live(story), azure=azure(), owners=[owner])


@pytest.mark.parametrize("rbac", [True, False])
def test_an_attacker_with_a_role_over_the_vault_gives_itself_its_secrets(rbac: bool) -> None:
    """Who can grant itself access reaches it (Azure 3.3); what it stole works until the source refuses it."""
    role = {"principalId": PRINCIPAL, "roleDefinitionName": "Owner", "scope": VAULT}
    thief = {
        "identity": PRINCIPAL,
        "vault": "shop",
        "secret": "conn",
        "does": ["read-secret", "use-secret", "grant-access"],
        "every": "PT10S",
    }

    async def story(desk: Desk) -> None:
        await asyncio.sleep(65)
        await arm(desk, f"{STORAGE}/regenerateKey", {"keyName": "key1"})
        await asyncio.sleep(60)
        tries = [(each["does"], each["status"]) for each in desk.tenant.attempts if each["does"] != "sign-in"]

        assert tries[0] == ("read-secret", 403)
        assert tries[2][1] in (200, 201)
        assert tries[3:5] == [("read-secret", 200), ("use-secret", 200)]
        assert ("use-secret", 401) in tries[7:]

    at_the_desk(live(story), azure=azure(role, rbac=rbac), attackers=[thief])


@pytest.mark.parametrize("who", ["consumers", "owners"])
def test_an_unknown_secret_is_a_mistake_of_the_scenario(who: str) -> None:
    """A typo must not make a consumer that never breaks."""
    parts: dict[str, Any] = {who: [{"name": "web", "vault": "shop", "secret": "con"}]}
    with pytest.raises(ScenarioMistake, match="there is no secret shop/con"):
        at_the_desk(live(lambda _: asyncio.sleep(1)), azure=azure(), **parts)
