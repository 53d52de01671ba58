"""Secrets that nobody tagged: what a connection string is for it says itself, and its source has to prove it."""

import pytest

from shared.case import CouldNotLook
from shared.errors import CannotBeRead, Unreachable
from shared.estate import SecretSeen, SecretValue
from shared.rotators import rotator_named
from shared.rotators.forms import read_form, source_named_in
from shared.rotators.interface import NeedsValue, ServesNot
from tests.rotators.estate import REF, World, begin, served
from tests.rotators.kinds import BUS, COSMOS, HUB, POSTGRES, REDIS, SQL, STORAGE

pytestmark = pytest.mark.anyio

RULE = "authorizationrules/send"
FORMS = {
    "storage-account-key": (STORAGE, "DefaultEndpointsProtocol=https;AccountName=shopdata;AccountKey={}", "key1"),
    "cosmos-key": (COSMOS, "AccountEndpoint=https://shop-db.documents.azure.com:443/;AccountKey={};", "primary"),
    "service-bus-key": (
        f"{BUS}/{RULE}",
        "Endpoint=sb://shop-bus.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey={}",
        "primary",
    ),
    "event-hub-key": (
        f"{HUB}/eventhubs/clicks/{RULE}",
        "Endpoint=sb://shop-hub.servicebus.windows.net/;SharedAccessKeyName=Send;SharedAccessKey={};EntityPath=clicks",
        "secondary",
    ),
    "redis-key": (REDIS, "shop-cache.redis.cache.windows.net:6380,password={},ssl=True", "primary"),
    "postgres-password": (
        POSTGRES,
        "postgresql://keeper:{}@shop-pg.postgres.database.azure.com:5432/shop",
        "administrator",
    ),
    "sql-password": (
        SQL,
        "Server=tcp:shop-sql.database.windows.net,1433;User ID=keeper;Password={}",
        "administrator",
    ),
}
OTHERS = {"key1": "key2", "primary": "secondary", "secondary": "primary"}


def untagged(world: World, name: str) -> SecretSeen:
    """A secret without tags that holds what opens its service."""
    address, form, key = FORMS[name]
    tags = {"cordon-secret": "shop/conn"}
    keys, login = ([key], "keeper") if key == "administrator" else ([key, OTHERS[key]], None)
    source = world.sources.has(address.lower(), *keys, tags=tags, login=login)
    value = "Pa55word-of-the-keeper" if login else source.keys[key][0]
    source.keys[key] = (value, source.keys[key][1])
    return world.vaults.store(REF, form.format(value))


@pytest.mark.parametrize("name", FORMS)
async def test_a_connection_string_without_tags_is_rotated_at_the_source_that_it_names(name: str) -> None:
    """The name in it finds the service, the service's keys (or its own tag) prove it."""
    world = World()
    secret = untagged(world, name)
    old = world.newest()[1]
    rounds = await begin(world, secret)
    proof = await rounds.whole()
    address, _, key = FORMS[name]
    live = [value for value, _ in world.sources.held[address.lower()].keys.values()]

    assert (rounds.rotator.name, rounds.job.serves.resource, rounds.job.serves.key) == (name, address.lower(), key)
    assert proof.answer == "held"
    assert not any(value in old for value in live)
    assert any(value in world.newest()[1] for value in live)
    assert "CredentialId" not in world.newest()[0].tags


@pytest.mark.parametrize("name", FORMS)
async def test_a_string_that_only_names_a_service_moves_nothing_there(name: str) -> None:
    """Whoever writes secrets can write any name; the key in it is not the service's, or the server names another."""
    world = World()
    untagged(world, name)
    address, form, _ = FORMS[name]
    world.sources.held[address.lower()].tags = {"cordon-secret": "shop/other"}
    liar = world.vaults.store(REF, form.format("bm90IGEga2V5IG9mIHRoaXMgYWNjb3VudA=="))

    assert (await served(world.means, liar))[0].name == "delegated"
    assert world.writes.done == []


async def test_where_nobody_can_look_for_services_nothing_is_guessed() -> None:
    """No answer is not "there is none"."""
    world = World()
    secret = untagged(world, "storage-account-key")
    value = SecretValue(world.newest()[1])
    rotator = rotator_named("storage-account-key")

    for later, error in ((True, Unreachable), (False, CannotBeRead)):
        world.sources.unseen = CouldNotLook("no right to read", may_help_later=later)
        with pytest.raises(error):
            await rotator.recognise(secret, value, world.means)


async def test_a_service_that_is_not_seen_is_nobodys() -> None:
    """It may be another tenant's."""
    world = World()
    secret = world.vaults.store(REF, FORMS["redis-key"][1].format("c29tZSBrZXkgb2YgYW5vdGhlciB0ZW5hbnQ="))

    assert (await served(world.means, secret))[0].name == "delegated"


async def test_a_key_alone_names_no_service() -> None:
    """Nothing is tried out on services at random."""
    world = World()
    source = world.sources.has(STORAGE.lower(), "key1", "key2")
    secret = world.vaults.store(REF, source.keys["key1"][0])

    assert (await served(world.means, secret))[0].name == "delegated"


async def test_what_somebody_tagged_otherwise_is_not_looked_into() -> None:
    """A value is read only where no tag says what it is."""
    world = World()
    rotator = rotator_named("redis-key")
    for tags in ({"cordon-rotate": "generated"}, {"cordon-rotator": "delegated"}, {"ProviderAddress": STORAGE}):
        assert rotator.serves(world.vaults.store(REF, "x", tags=tags)) == ServesNot()
    assert rotator.serves(world.vaults.store(REF, "x", managed=True)) == ServesNot()
    assert rotator.serves(world.vaults.store(REF, "x", tags={"team": "shop"})) == NeedsValue()


def test_names_are_found_where_each_form_has_them() -> None:
    """In lower case, without ports, suffixes and schemes."""
    kinds = ("storage", "cosmos", "service-bus", "event-hub", "redis", "postgres", "sql")
    found: list[str] = []
    for what, (_, text, _) in zip(kinds, FORMS.values(), strict=True):
        form = read_form(
            what, text.format("c29tZSBrZXkgb2YgdGhlIHNlcnZpY2U%3D" if "://" in text[:14] else "c29tZSBrZXk=")
        )
        assert form is not None, what
        found.append(source_named_in(form))

    assert found == ["shopdata", "shop-db", "shop-bus", "shop-hub", "shop-cache", "shop-pg", "shop-sql"]
