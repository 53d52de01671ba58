"""Services whose keys lie in vaults, and what regenerating them does. Sources: the notes on Azure, section 4."""

import asyncio
from typing import Any

import pytest

from drill.practice import Behaviour, ScenarioMistake
from drill.practice.arm.sources import works
from tests.practice.desk import SECRET, Desk, Reply, at_the_desk

ARM = "https://management.azure.com"
GROUP = "/subscriptions/s1/resourceGroups/practice/providers"
STORAGE = f"{GROUP}/Microsoft.Storage/storageAccounts/shopdata"
COSMOS = f"{GROUP}/Microsoft.DocumentDB/databaseAccounts/shopdocs"
BUS = f"{GROUP}/Microsoft.ServiceBus/namespaces/shopbus"
HUB = f"{GROUP}/Microsoft.EventHub/namespaces/shophub"
REDIS = f"{GROUP}/Microsoft.Cache/redis/shopcache"
POSTGRES = f"{GROUP}/Microsoft.DBforPostgreSQL/flexibleServers/shoppg"
SQL = f"{GROUP}/Microsoft.Sql/servers/shopsql"
PASSWORD = "Planted-passw0rd"


def azure(*secrets: dict[str, Any]) -> dict[str, Any]:
    """One service of each kind, and a vault."""
    named: dict[str, str] = {
        "storageAccounts": "shopdata",
        "databaseAccounts": "shopdocs",
        "serviceBusNamespaces": "shopbus",
        "eventHubNamespaces": "shophub",
        "redisCaches": "shopcache",
        "postgresServers": "shoppg",
        "sqlServers": "shopsql",
    }
    rules = {"serviceBusNamespaces": "queues/orders/send", "eventHubNamespaces": "eventhubs/clicks/send"}
    services: dict[str, list[dict[str, Any]]] = {
        kind: [{"name": name, "subscription": "s1"}] for kind, name in named.items()
    }
    for kind, rule in rules.items():
        services[kind][0] |= {"authorizationRules": ["RootManageSharedAccessKey", rule]}
    return {**services, "vaults": [{"name": "shop", "subscription": "s1", "secrets": [*secrets]}]}


async def arm(desk: Desk, method: str, path: str, body: object = None, role: str = "rotator") -> Reply:
    """One call to ARM."""
    url = path if path.startswith("https:") else f"{ARM}{path}?api-version=2024-01-01"
    return await desk.raw(method, url, body, token=desk.token(role, f"{ARM}/.default"))


@pytest.mark.parametrize(
    ("call", "listing", "body", "renewed", "kept"),
    [
        (f"{STORAGE}/regenerateKey", f"{STORAGE}/listKeys", {"keyName": "key2"}, "key2", "key1"),
        (
            f"{COSMOS}/regenerateKey",
            f"{COSMOS}/listKeys",
            {"keyKind": "secondary"},
            "secondaryMasterKey",
            "primaryMasterKey",
        ),
        (f"{REDIS}/regenerateKey", f"{REDIS}/listKeys", {"keyType": "Secondary"}, "secondaryKey", "primaryKey"),
        *(
            (f"{rule}/regenerateKeys", f"{rule}/listKeys", {"keyType": "SecondaryKey"}, "secondaryKey", "primaryKey")
            for rule in (
                *(f"{each}/authorizationRules/RootManageSharedAccessKey" for each in (BUS, HUB)),
                f"{BUS}/queues/orders/authorizationRules/send",
                f"{HUB}/eventhubs/clicks/authorizationRules/send",
            )
        ),
    ],
)
def test_regenerating_changes_one_key_and_leaves_the_other(
    call: str, listing: str, body: dict[str, str], renewed: str, kept: str
) -> None:
    """Twice is two new keys: it is not idempotent (Azure 4)."""

    def keys(reply: Reply) -> dict[str, str]:
        assert reply.status == 200, reply
        found = reply.body.get("keys")
        return {each["keyName"]: each["value"] for each in found} if found else dict(reply.body)

    async def story(desk: Desk) -> None:
        before = keys(await arm(desk, "POST", listing))
        first = await arm(desk, "POST", call, body)
        once = keys(await arm(desk, "POST", listing))
        await arm(desk, "POST", call, body)
        twice = keys(await arm(desk, "POST", listing))

        assert first.status in (200, 202)
        assert len({each[renewed] for each in (before, once, twice)}) == 3
        assert before[kept] == once[kept] == twice[kept]
        assert once[renewed].encode() in desk.tenant.canaries
        assert [each["body"] for each in desk.tenant.effects] == [body, body]

    at_the_desk(story, azure=azure())


def test_a_queues_rule_has_keys_of_its_own() -> None:
    """Its connection string names the queue; the namespace's list of rules does not know it, and its keys stay."""

    async def story(desk: Desk) -> None:
        root, own = (f"{BUS}{each}/authorizationRules" for each in ("", "/queues/orders"))
        before = (await arm(desk, "POST", f"{root}/RootManageSharedAccessKey/listKeys")).body
        renewed = (await arm(desk, "POST", f"{own}/send/regenerateKeys", {"keyType": "PrimaryKey"})).body
        listed = (await arm(desk, "GET", root)).body["value"]

        assert renewed["keyName"] == "send"
        assert renewed["primaryConnectionString"].endswith(f"Key={renewed['primaryKey']};EntityPath=orders")
        assert [each["name"] for each in listed] == ["RootManageSharedAccessKey"]
        assert (await arm(desk, "POST", f"{root}/RootManageSharedAccessKey/listKeys")).body == before
        assert (await arm(desk, "POST", f"{BUS}/queues/other/authorizationRules/send/listKeys")).status == 404

    at_the_desk(story, azure=azure())


def test_storage_tells_when_a_key_was_made() -> None:
    """So that a lost answer can be told from one that never was (Azure 4)."""

    async def story(desk: Desk) -> None:
        await arm(desk, "POST", f"{STORAGE}/regenerateKey", {"keyName": "key1"})
        account = await arm(desk, "GET", STORAGE)
        cosmos = await arm(desk, "GET", COSMOS)

        times = account.body["properties"]["keyCreationTime"]
        assert times["key1"].startswith("2026-03-02T03:00")
        assert times["key2"].startswith("2025")
        assert set(cosmos.body["properties"]["keysMetadata"]) >= {"primaryMasterKey", "secondaryReadonlyMasterKey"}

    at_the_desk(story, azure=azure())


@pytest.mark.parametrize("server", [POSTGRES, SQL])
def test_a_server_s_password_changes_when_the_operation_is_done(server: str) -> None:
    """202 and a place to ask; the only credential, so the old one breaks at once (Azure 4)."""
    old = {"name": "db", "valueOf": {"resource": server, "key": "administrator", "as": "connectionString"}}

    async def story(desk: Desk) -> None:
        body = {"properties": {"administratorLoginPassword": PASSWORD}}
        before = desk.tenant.state.vaults["shop"].secrets["db"][0].value
        accepted = await arm(desk, "PATCH", server, body)
        second = await arm(desk, "PATCH", server, body)
        url = accepted.headers["azure-asyncoperation"]
        under_way = await arm(desk, "GET", url)
        still = works(desk.tenant.state, "shop", "db", before)
        await asyncio.sleep(21)
        done = await arm(desk, "GET", url)

        assert (accepted.status, second.status) == (202, 409)
        assert (under_way.body["status"], done.body["status"]) == ("InProgress", "Succeeded")
        assert still
        assert not works(desk.tenant.state, "shop", "db", before)
        assert works(desk.tenant.state, "shop", "db", f"…Password={PASSWORD};")
        assert PASSWORD not in str(desk.tenant.effects)
        assert PASSWORD.encode() in desk.tenant.canaries

    at_the_desk(story, behaviour=Behaviour.gentle(operation=(20.0, 20.0)), azure=azure(old))


def test_a_weak_password_is_refused() -> None:
    """Three kinds of characters, eight of them."""

    async def story(desk: Desk) -> None:
        for weak in ("Short1!", "onlylowerletters", ""):
            reply = await arm(desk, "PATCH", SQL, {"properties": {"administratorLoginPassword": weak}})
            assert (reply.status, reply.code) == (400, "PasswordNotComplex")

    at_the_desk(story, azure=azure())


def test_nobody_gets_keys_without_a_role_for_it() -> None:
    """The reader reads properties, and no keys; what does not exist is 404."""

    async def story(desk: Desk) -> None:
        account = await arm(desk, "GET", STORAGE, role="reader")
        keys = await arm(desk, "POST", f"{STORAGE}/listKeys", role="reader")
        missing = await arm(desk, "POST", f"{STORAGE}x/listKeys")
        unknown = await arm(desk, "POST", f"{STORAGE}/regenerateKey", {"keyName": "key3"})

        assert account.status == 200
        assert (keys.status, keys.code) == (403, "AuthorizationFailed")
        assert (missing.status, missing.code) == (404, "ResourceNotFound")
        assert unknown.status == 400

    at_the_desk(story, azure=azure())


def test_a_value_works_as_long_as_its_source_takes_it() -> None:
    """Storing another string in the vault changes nothing at the source (Azure 4)."""
    secrets = (
        {"name": "conn", "valueOf": {"resource": "shopdata", "key": "key1", "as": "connectionString"}},
        {"name": "client", "valueOf": {"keyId": SECRET}},
        {"name": "opaque"},
        {"name": "shared", "countsAt": "vault"},
    )

    async def story(desk: Desk) -> None:
        state, vault = desk.tenant.state, desk.secrets("rotator", "shop")
        old = {name: versions[0] for name, versions in state.vaults["shop"].secrets.items()}
        for name in old:
            await vault.set_secret(name, "another value")
        before = {name: works(state, "shop", name, each.value) for name, each in old.items()}
        await arm(desk, "POST", f"{STORAGE}/regenerateKey", {"keyName": "key1"})
        application = desk.application()["id"]
        await desk.raw("POST", f"/applications/{application}/removePassword", {"keyId": SECRET})
        for name, each in old.items():
            await vault.update_secret_properties(name, each.version, enabled=False)
        after = {name: works(state, "shop", name, each.value) for name, each in old.items()}

        assert before == dict.fromkeys(old, True)
        assert after == {"conn": False, "client": False, "opaque": True, "shared": False}
        assert works(state, "shop", "shared", "another value")

    at_the_desk(story, azure=azure(*secrets))


def test_a_renewed_certificate_works_and_a_disabled_version_does_not() -> None:
    """The secret of a certificate counts as long as the vault gives it out (Azure 3.1)."""

    async def story(desk: Desk) -> None:
        state, certificates = desk.tenant.state, desk.certificates("rotator", "shop")
        old = state.vaults["shop"].secrets["tls"][0]
        policy = await certificates.get_certificate_policy("tls")
        await certificates.create_certificate("tls", policy)
        new = await desk.secrets("rotator", "shop").get_secret("tls")
        before = works(state, "shop", "tls", old.value)
        await certificates.update_certificate_properties("tls", old.version, enabled=False)

        assert before
        assert works(state, "shop", "tls", str(new.value))
        assert not works(state, "shop", "tls", old.value)

    at_the_desk(story, azure=azure({"name": "tls", "managed": True}))


def test_a_value_of_a_service_that_is_not_there_is_a_mistake() -> None:
    """A typo must not make a secret opaque."""
    with pytest.raises(ScenarioMistake, match="services are called shopdate"):
        at_the_desk(_nothing, azure=azure({"name": "x", "valueOf": {"resource": "shopdate", "key": "key1"}}))
    with pytest.raises(ScenarioMistake, match="has the keys key1, key2"):
        at_the_desk(_nothing, azure=azure({"name": "x", "valueOf": {"resource": "shopdata", "key": "key3"}}))


async def _nothing(_: Desk) -> None:
    """A story in which nothing happens."""
