"""The rotators with the real clients at the practice tenant: what dies, who breaks, what a lost answer does."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, TypeVar

import pytest

from drill.practice import Behaviour
from drill.practice.arm.sources import works
from drill.transports import PracticeAzureTransport, PracticeCredential, PracticeHttpxTransport
from drill.virtual_time import virtual_clock
from shared.case import Known
from shared.clients.tenant import make_tenant
from shared.errors import TimeMayHelp
from shared.estate import SecretRef
from shared.rotators.interface import Awaited, Minted, RotatorMeans
from tests.canary import Scanner
from tests.clients.fake_graph import seeded
from tests.estate.desk import SUBSCRIPTION, settings_for
from tests.practice.desk import APP_ID, APPLICATION, SECRET, Desk, at_the_desk, payroll
from tests.rotators.estate import Rounds, begin_with
from tests.rotators.kinds import best_proof

T = TypeVar("T")
Json = dict[str, Any]

BASE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/practice/providers"
CONN = SecretRef("shop", "conn")
CONSENT = {"cordon-secret": "shop/conn"}
RULE = "RootManageSharedAccessKey"
# kind of service, its name and type, which key is exposed by which words, what the secret holds
SERVICES = {
    "storage-account-key": ("storageAccounts", "shopdata", "Microsoft.Storage/storageAccounts", "key1", "key1"),
    "cosmos-key": ("databaseAccounts", "shop-db", "Microsoft.DocumentDB/databaseAccounts", "secondary", "secondary"),
    "service-bus-key": ("serviceBusNamespaces", "shop-bus", "Microsoft.ServiceBus/namespaces", "PrimaryKey", "Primary"),
    "event-hub-key": ("eventHubNamespaces", "shop-hub", "Microsoft.EventHub/namespaces", "SecondaryKey", "secondary"),
    "redis-key": ("redisCaches", "shop-cache", "Microsoft.Cache/redis", "Primary", "primary"),
    "postgres-password": (
        "postgresServers",
        "shop-pg",
        "Microsoft.DBforPostgreSQL/flexibleServers",
        "administrator",
        "keeper",
    ),
    "sql-password": ("sqlServers", "shop-sql", "Microsoft.Sql/servers", "administrator", ""),
}


def azure_with(name: str) -> Json:
    """One service and the secret that holds its connection string."""
    list_, service, type_, key, credential = SERVICES[name]
    address, held = f"{BASE}/{type_}/{service}", key
    if "/namespaces" in type_:
        address, held = f"{address}/authorizationRules/{RULE}", f"{RULE}/{key}"
    value_of = {"resource": service, "key": held, "as": "connectionString"}
    return {
        list_: [{"name": service, "subscription": SUBSCRIPTION, "tags": CONSENT}],
        **vault({"ProviderAddress": address, "CredentialId": credential}, valueOf=value_of),
    }


def vault(tags: Json, **secret: Any) -> Json:
    secrets = [{"name": "conn", "tags": tags, **secret}]
    return {"vaults": [{"name": "shop", "subscription": SUBSCRIPTION, "secrets": secrets}]}


AZURE = {
    **{name: azure_with(name) for name in SERVICES},
    "entra-client-secret": vault({"ProviderAddress": APP_ID, "CredentialId": SECRET}, valueOf={"keyId": SECRET}),
    "key-vault-certificate": vault({}, managed=True),
    "generated-value": vault({"cordon-rotate": "generated"}, countsAt="vault"),
}


class Stand:
    """The desk, the means of a rotator at it, and the job of the one secret."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        practice = desk.tenant
        tenant = make_tenant(
            settings_for(practice),
            credential_for=lambda client_id: PracticeCredential(practice, client_id),
            graph_transport=PracticeHttpxTransport(practice.asgi),
            azure_transport=lambda: PracticeAzureTransport(practice.asgi),
            clock=virtual_clock().now,
            random=seeded(),
        )
        assert tenant.estate is not None
        self.means = RotatorMeans(tenant.estate, tenant, virtual_clock().now, Random(5).randbytes)  # noqa: S311
        self.old = self.values()[-1]

    async def job(self) -> Rounds:
        versions = await self.means.estate.vaults.versions(CONN)
        assert isinstance(versions, Known), versions
        return await begin_with(self.means, versions.value[0])

    def values(self) -> list[str]:
        return [each.value for each in self.desk.tenant.state.vaults["shop"].secrets["conn"]]

    def opens(self, value: str) -> bool:
        """Whether this value opens what it once opened, as the practice tenant judges."""
        return works(self.desk.tenant.state, "shop", "conn", value)

    def writes(self, *parts: str) -> list[Json]:
        """The writes that the tenant carried out whose path holds one of these."""
        done = [each for each in self.desk.tenant.effects if int(each["status"]) < 300]
        return [each for each in done if any(part in str(each["path"]) for part in parts)]


def at_the_stand(
    story: Callable[[Stand], Awaitable[T]], azure: Json, *, behaviour: Behaviour | None = None, **parts: Any
) -> T:
    async def play(desk: Desk) -> T:
        return await story(Stand(desk))

    given = payroll(application={"tags": ["cordon-secret:shop/conn"]})
    return at_the_desk(play, given, behaviour=behaviour or Behaviour.gentle(), azure=azure, **parts)


async def persistently(run: Callable[[], Awaitable[T]]) -> T:
    """As the engine does: later again, as long as time may help."""
    for _ in range(6):
        try:
            return await run()
        except TimeMayHelp:
            await asyncio.sleep(30)
    raise AssertionError("it does not come to an end")


NASTY = Behaviour(read_lag_share=0.5)


@pytest.mark.parametrize("behaviour", [Behaviour.gentle(), NASTY], ids=["gentle", "nasty"])
@pytest.mark.parametrize("name", AZURE)
def test_the_exposed_value_opens_nothing_any_more(
    name: str, behaviour: Behaviour, caplog: pytest.LogCaptureFixture
) -> None:
    """One credential more and one less, by the service's own account; no value in journal, reports and logs."""
    caplog.set_level(logging.DEBUG)

    async def story(stand: Stand) -> None:
        rounds = await stand.job()
        assert rounds.rotator.name == name
        proof = await persistently(rounds.whole)
        if proof.answer == "not-held":  # a replica may lag
            await asyncio.sleep(10)
            proof = await persistently(rounds.verify)

        assert proof.answer == best_proof(name), proof
        assert not stand.opens(stand.old)
        assert len(stand.values()) == 2
        assert stand.opens(stand.values()[-1])
        scan = Scanner(stand.desk.tenant.canaries)
        assert scan.find(rounds.visible()) is None
        assert scan.find(caplog.text) is None

    at_the_stand(story, AZURE[name], behaviour=behaviour)


LOST = ["timeout-applied", "reset-applied", "503-applied", "cut-body", "429-applied", "503", "timeout", "reset"]


@pytest.mark.parametrize("kind", LOST)
@pytest.mark.parametrize("name", AZURE)
def test_one_lost_answer_to_any_write_is_survived(name: str, kind: str) -> None:
    """Never two credentials, never an exposed one alive, whatever was carried out of the write."""
    faults = [
        {"service": "arm", "match": "POST */regenerate*", "kind": kind, "count": 1},
        {"service": "arm", "match": "PATCH *", "kind": kind, "count": 1},
        {"service": "graph", "match": "POST /applications/*/addPassword", "kind": kind, "count": 1},
        {"service": "vault", "match": "POST /certificates/*/create", "kind": kind, "count": 1},
        {"service": "vault", "match": "PUT /secrets/*", "kind": kind, "count": 1},
    ]

    async def story(stand: Stand) -> None:
        rounds = await stand.job()
        proof = await persistently(rounds.whole)

        assert proof.answer == best_proof(name), proof
        assert not stand.opens(stand.old)
        assert stand.opens(stand.values()[-1])
        ours = [each for each in stand.desk.application(APPLICATION)["passwordCredentials"] if each["keyId"] != SECRET]
        assert len(ours) == (name == "entra-client-secret")
        regenerated = [str(each["body"]) for each in stand.writes("/regenerate")]
        assert len(regenerated) == len(set(regenerated)), "no key was made new twice"
        assert len(stand.values()) == 2

    at_the_stand(story, AZURE[name], faults=faults)


def test_a_consumer_that_caches_is_never_on_a_dead_key() -> None:
    """The idle key first, its grace, then the exposed one (Azure 4)."""
    web = {"name": "web", "vault": "shop", "secret": "conn", "every": "PT1M", "refresh": "PT10M"}

    async def story(stand: Stand) -> None:
        async with asyncio.TaskGroup() as group:
            world = stand.desk.tenant.start(group)
            await asyncio.sleep(65)
            rounds = await stand.job()
            minted = await rounds.make()
            assert isinstance(minted, Minted)
            await rounds.publish(minted)
            await asyncio.sleep(15 * 60)
            await rounds.retire()
            await asyncio.sleep(15 * 60)
            for task in world:
                task.cancel()
        (seen,) = stand.desk.tenant.snapshot()["azure"]["consumers"]

        assert (await rounds.verify()).answer == "held"
        assert seen["uses"] > 25
        assert (seen["failed"], seen["works"]) == (0, True)

    at_the_stand(story, AZURE["storage-account-key"], consumers=[web])


@pytest.mark.parametrize("name", SERVICES)
def test_a_connection_string_without_tags_finds_its_service(name: str) -> None:
    """By the name in it, through Resource Graph; and what lives there proves it."""
    given = azure_with(name)
    given["vaults"][0]["secrets"][0]["tags"] = {}

    async def story(stand: Stand) -> None:
        rounds = await stand.job()
        proof = await persistently(rounds.whole)

        assert rounds.rotator.name == name
        assert proof.answer == best_proof(name), proof
        assert not stand.opens(stand.old)
        assert stand.opens(stand.values()[-1])

    at_the_stand(story, given)


def test_a_secret_that_claims_another_account_moves_nothing() -> None:
    """The keys of the account that its tags name stay as they are, and its owner is asked."""
    given = azure_with("storage-account-key")
    given["vaults"][0]["secrets"][0].pop("valueOf")

    async def story(stand: Stand) -> None:
        rounds = await stand.job()

        assert isinstance(await rounds.make(), Awaited)
        assert stand.desk.tenant.effects == []

    at_the_stand(story, given)


def test_a_server_that_does_not_name_the_secret_keeps_its_password() -> None:
    """Tags on a secret are not enough, where nobody can read a credential back."""
    server = azure_with("sql-password")
    server["sqlServers"][0]["tags"] = {}

    async def story(stand: Stand) -> None:
        rounds = await stand.job()

        assert isinstance(await rounds.make(), Awaited)
        assert stand.desk.tenant.effects == []

    at_the_stand(story, server)


def test_an_owner_s_machinery_is_set_off_twice_and_the_exposed_key_dies() -> None:
    """A rotator like Microsoft's sample listens for near-expiry, and renews one key a time."""
    given = azure_with("storage-account-key")
    secret = given["vaults"][0]["secrets"][0]
    secret["tags"] |= {"cordon-rotator": "delegated", "cordon-rotate": "near-expiry"}
    owner = {"name": "sample", "vault": "shop", "secret": "conn", "hears": "near-expiry", "after": "PT1M"}

    async def story(stand: Stand) -> None:
        async with asyncio.TaskGroup() as group:
            world = stand.desk.tenant.start(group)
            rounds = await stand.job()
            awaited = await rounds.make()
            assert isinstance(awaited, Awaited)
            minted: Minted | None = None
            for _ in range(24):
                await asyncio.sleep(awaited.look_again.total_seconds())
                versions = await stand.means.estate.vaults.versions(CONN)
                assert isinstance(versions, Known)
                minted = await rounds.rotator.awaited(rounds.job, awaited.made, versions.value, stand.means)
                if minted is not None:
                    break
            for task in world:
                task.cancel()

        assert minted is not None
        assert len(stand.values()) == 3
        assert not stand.opens(stand.old)
        await rounds.publish(minted)
        assert (await rounds.verify()).answer == "unknown"

    at_the_stand(story, given, owners=[owner])
