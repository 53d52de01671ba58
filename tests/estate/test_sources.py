"""The services behind the secrets: keys made new once, waited for, and read after a lost answer. Azure notes 4."""

import asyncio
from typing import Any

import pytest

from drill.practice import Behaviour
from shared.errors import Gone, OutcomeUnknown, PermissionMissing, PlatformRefused, Throttled, Unreachable
from shared.estate import SOURCE_KEYS, Estate, SecretValue
from tests.estate.desk import SUBSCRIPTION, known, source_id, with_estate
from tests.practice.desk import Desk

RULE = "/authorizationrules/rootmanagesharedaccesskey"
PLACES = {
    "storage": source_id("microsoft.storage/storageaccounts", "shopdata"),
    "cosmos": source_id("microsoft.documentdb/databaseaccounts", "shopdb"),
    "service-bus": source_id("microsoft.servicebus/namespaces", "shopbus") + RULE,
    "event-hub": source_id("microsoft.eventhub/namespaces", "shophub") + RULE,
    "redis": source_id("microsoft.cache/redis", "shopcache"),
    "postgres": source_id("microsoft.dbforpostgresql/flexibleservers", "shoppg"),
    "sql": source_id("microsoft.sql/servers", "shopsql"),
}
KEYED = [what for what in PLACES if what not in {"postgres", "sql"}]
PASSWORD = "Canary-7f3a9c1e-Password"
LOSING = ["timeout-applied", "reset-applied", "503-applied", "429-applied", "cut-body", "reset"]


def services(**more: Any) -> dict[str, Any]:
    """One service of each kind."""
    names = {
        "storageAccounts": "shopdata",
        "databaseAccounts": "shopdb",
        "serviceBusNamespaces": "shopbus",
        "eventHubNamespaces": "shophub",
        "redisCaches": "shopcache",
        "postgresServers": "shoppg",
        "sqlServers": "shopsql",
    }
    return {kind: [{"name": name, "subscription": SUBSCRIPTION}] for kind, name in names.items()} | more


def live(desk: Desk, what: str) -> dict[str, str]:
    """What the service takes today, by its own names of the keys."""
    place = PLACES[what].partition("/authorizationrules")[0]
    return {name.lower(): key.value for name, key in desk.tenant.state.azure.sources[place].keys.items()}


@pytest.mark.parametrize("what", KEYED)
def test_a_key_is_made_new_and_the_others_stay(what: str) -> None:
    """The value that comes back is the one that the service takes from now on."""
    key = SOURCE_KEYS[what][1]

    async def story(estate: Estate, desk: Desk) -> None:
        before = await estate.sources.keys(PLACES[what], what)
        old = live(desk, what)
        made = await estate.sources.regenerate(PLACES[what], what, key)
        after = await estate.sources.keys(PLACES[what], what)

        assert set(before) == set(SOURCE_KEYS[what])
        assert made.reveal() == after[key].reveal() != before[key].reveal()
        assert len([name for name, value in live(desk, what).items() if value != old[name]]) == 1
        assert made.reveal() in live(desk, what).values()
        assert after[SOURCE_KEYS[what][0]].reveal() == before[SOURCE_KEYS[what][0]].reveal()

    with_estate(story, services(), behaviour=Behaviour.gentle(operation=(20.0, 20.0)))


@pytest.mark.parametrize("what", ["storage", "cosmos"])
def test_when_a_key_was_made_is_told_where_the_service_tells_it(what: str) -> None:
    """After a crash it says whether the key is new; it never holds the key."""
    key = SOURCE_KEYS[what][0]

    async def story(estate: Estate, desk: Desk) -> None:
        before = await estate.sources.read(PLACES[what], what)
        await asyncio.sleep(5)
        await estate.sources.regenerate(PLACES[what], what, key)
        after = await estate.sources.read(PLACES[what], what)

        assert before["keys"][key]["created"] != after["keys"][key]["created"]  # type: ignore[index,call-overload]
        assert not any(value in str(after) for value in live(desk, what).values())

    with_estate(story, services())


@pytest.mark.parametrize(("what", "calls"), [("storage", 1), ("cosmos", 2), ("service-bus", 1), ("redis", 1)])
def test_keys_and_their_times_are_of_one_moment(what: str, calls: int) -> None:
    """In as few calls as it takes: a subscription has 25 reads a second for all who ask."""
    key = SOURCE_KEYS[what][0]

    async def story(estate: Estate, desk: Desk) -> None:
        before = await estate.sources.dated_keys(PLACES[what], what)
        assert len(desk.tenant.requests) == calls

        await asyncio.sleep(5)
        made = await estate.sources.regenerate(PLACES[what], what, key)
        after = await estate.sources.dated_keys(PLACES[what], what)

        assert after[key].value.reveal() == made.reveal()
        assert {name: each.value.reveal() for name, each in after.items() if name != key} == {
            name: each.value.reveal() for name, each in before.items() if name != key
        }
        tells = what in {"storage", "cosmos"}
        assert (before[key].created != after[key].created) is tells
        assert all((each.created is not None) is tells for each in after.values())

    with_estate(story, services())


@pytest.mark.parametrize("what", [what for what in PLACES if what not in {"storage", "cosmos"}])
def test_what_tells_no_times_says_so(what: str) -> None:
    """No time is made up."""

    async def story(estate: Estate, _: Desk) -> None:
        shown = await estate.sources.read(PLACES[what], what)

        assert shown["keys"] == {name: {"created": None} for name in SOURCE_KEYS[what]}
        assert shown["tags"] == {}

    with_estate(story, services())


@pytest.mark.parametrize("what", PLACES)
def test_a_service_is_found_by_its_name_and_one_list_serves_all_who_ask(what: str) -> None:
    """Secrets name accounts, and not where they are; names are text, and get into no question."""
    place = PLACES[what].partition("/authorizationrules")[0]
    name = place.rpartition("/")[2]

    async def story(estate: Estate, desk: Desk) -> None:
        await asyncio.sleep(200)
        found = [known(await estate.sources.named(each, what)) for each in (name, name.upper(), "other", "' or 1==1")]
        asked = [each for each in desk.tenant.requests if "ResourceGraph" in each.path]

        assert found == [(place,), (place,), (), ()]
        assert len(asked) == 1

    with_estate(story, services())


@pytest.mark.parametrize("what", ["postgres", "sql"])
def test_a_server_names_its_administrator_and_shows_its_own_tags(what: str) -> None:
    """So that another user's password is not taken for his, and a server can say which secret holds it."""
    given = {f"{what}Servers": [{"name": f"shop{'pg' if what == 'postgres' else what}", "subscription": SUBSCRIPTION}]}
    given[f"{what}Servers"][0]["tags"] = {"cordon-secret": "shop/db"}  # type: ignore[assignment]

    async def story(estate: Estate, _: Desk) -> None:
        shown = await estate.sources.read(PLACES[what], what)

        assert shown["login"] == "keeper"
        assert shown["tags"] == {"cordon-secret": "shop/db"}

    with_estate(story, services(**given))


@pytest.mark.parametrize("what", ["postgres", "sql"])
def test_a_server_s_password_is_set_and_waited_for(what: str) -> None:
    """When the call is over, the new one counts; there are no keys to read."""

    async def story(estate: Estate, desk: Desk) -> None:
        assert await estate.sources.keys(PLACES[what], what) == {}
        await estate.sources.set_password(PLACES[what], what, SecretValue(PASSWORD))

        assert live(desk, what) == {"administrator": PASSWORD}

    with_estate(story, services(), behaviour=Behaviour.gentle(operation=(30.0, 30.0)))


def test_a_password_is_set_again_after_a_lost_answer_and_past_an_operation_under_way() -> None:
    """The same password twice is one password; one operation at a time."""
    fault = {"service": "arm", "match": "PATCH *", "kind": "timeout-applied", "count": 1}

    async def story(estate: Estate, desk: Desk) -> None:
        await estate.sources.set_password(PLACES["sql"], "sql", SecretValue(PASSWORD))

        assert live(desk, "sql") == {"administrator": PASSWORD}

    with_estate(story, services(), behaviour=Behaviour.gentle(operation=(8.0, 8.0)), faults=[fault])


@pytest.mark.parametrize(
    "kind", ["timeout-applied", "reset-applied", "503-applied", "429-applied", "cut-body", "reset"]
)
@pytest.mark.parametrize("what", ["storage", "cosmos", "service-bus"])
def test_a_new_key_whose_answer_was_lost_is_not_made_again(what: str, kind: str) -> None:
    """It may have happened: the keys that are there tell, and a third key would cut off whoever has the second."""
    fault = {"service": "arm", "match": "POST *regenerate*", "kind": kind, "count": 1}

    async def story(estate: Estate, desk: Desk) -> None:
        with pytest.raises(OutcomeUnknown):
            await estate.sources.regenerate(PLACES[what], what, SOURCE_KEYS[what][0])

        sent = [each for each in desk.tenant.requests if "regenerate" in each.path]
        assert len(sent) == 1

    with_estate(story, services(), faults=[fault])


def test_an_operation_that_nobody_could_ask_about_is_of_unknown_outcome() -> None:
    """It was accepted; how it ended is not known, and not taken for an end."""
    fault = {"service": "arm", "match": "GET *operationsStatus*", "kind": "404"}

    async def story(estate: Estate, _: Desk) -> None:
        with pytest.raises(OutcomeUnknown, match="accepted"):
            await estate.sources.regenerate(PLACES["cosmos"], "cosmos", "primary")

    with_estate(story, services(), behaviour=Behaviour.gentle(operation=(20.0, 20.0)), faults=[fault])


def test_an_operation_without_end_is_waited_for_within_bounds() -> None:
    """A function's run is bounded, and so is this."""

    async def story(estate: Estate, desk: Desk) -> None:
        with pytest.raises(OutcomeUnknown, match="still goes on"):
            await estate.sources.set_password(PLACES["postgres"], "postgres", SecretValue(PASSWORD))

        assert desk.tenant.state.elapsed < 300

    with_estate(story, services(), behaviour=Behaviour.gentle(operation=(9999.0, 9999.0)))


def test_a_storm_of_refusals_of_reads_is_waited_out() -> None:
    """429 on a read changes nothing: it is asked again when the service says."""
    fault = {"service": "arm", "match": "POST *listKeys", "kind": "429", "count": 3, "retryAfter": 4}

    async def story(estate: Estate, desk: Desk) -> None:
        assert await estate.sources.keys(PLACES["redis"], "redis")
        assert desk.tenant.state.elapsed >= 12

    with_estate(story, services(), faults=[fault])


def test_a_storm_without_end_ends_in_an_error() -> None:
    """Nobody waits for ever."""
    fault = {"service": "arm", "match": "POST *listKeys", "kind": "429"}

    async def story(estate: Estate, _: Desk) -> None:
        with pytest.raises(Throttled):
            await estate.sources.keys(PLACES["redis"], "redis")

    with_estate(story, services(), faults=[fault])


def test_a_right_that_is_missing_is_named() -> None:
    """By the role that gives it."""

    async def story(estate: Estate, _: Desk) -> None:
        with pytest.raises(PermissionMissing, match="Storage Account Key Operator"):
            await estate.sources.keys(PLACES["storage"], "storage")
        with pytest.raises(PermissionMissing, match="SQL Server Contributor"):
            await estate.sources.set_password(PLACES["sql"], "sql", SecretValue(PASSWORD))

    with_estate(story, services(permissions={"rotator": []}))


@pytest.mark.parametrize(
    "resource",
    [
        "",
        "/",
        "https://evil.example/subscriptions/x",
        PLACES["storage"] + "/../other",
        PLACES["storage"] + "?x=1",
        PLACES["storage"] + "#",
        PLACES["storage"] + "/listkeys",
        PLACES["storage"].replace("practice", "..%2f"),
        PLACES["storage"].replace("practice", "a/b"),
        PLACES["redis"],
        f"//evil.example{PLACES['storage']}",
        PLACES["storage"] + "\n",
    ],
)
def test_no_path_is_made_of_what_is_not_such_a_service_s_id(resource: str) -> None:
    """The id comes from a tag, which whoever may write secrets can write."""

    async def story(estate: Estate, desk: Desk) -> None:
        with pytest.raises(PlatformRefused):
            await estate.sources.regenerate(resource, "storage", "key1")
        with pytest.raises(PlatformRefused):
            await estate.sources.read(resource, "storage")

        assert not desk.tenant.requests

    with_estate(story, services())


def test_what_a_kind_does_not_have_is_refused_before_it_is_sent() -> None:
    """Keys of other services, passwords of what has keys, kinds that nobody knows."""

    async def story(estate: Estate, desk: Desk) -> None:
        for what, key in (("storage", "primary"), ("redis", "key1"), ("sql", "administrator"), ("oracle", "key1")):
            with pytest.raises(PlatformRefused):
                await estate.sources.regenerate(PLACES.get(what, PLACES["sql"]), what, key)
        with pytest.raises(PlatformRefused, match="no-password"):
            await estate.sources.set_password(PLACES["redis"], "redis", SecretValue(PASSWORD))

        assert not desk.tenant.requests

    with_estate(story, services())


def test_a_service_that_is_gone_says_so() -> None:
    """Whatever the tag says."""

    async def story(estate: Estate, _: Desk) -> None:
        with pytest.raises(Gone):
            await estate.sources.regenerate(PLACES["storage"].replace("shopdata", "gone"), "storage", "key1")

    with_estate(story, services())


def test_a_key_that_is_being_made_new_already_is_not_begun_again() -> None:
    """Nothing was changed by this call, so it may be tried later."""

    async def story(estate: Estate, _: Desk) -> None:
        first = asyncio.ensure_future(estate.sources.regenerate(PLACES["cosmos"], "cosmos", "primary"))
        await asyncio.sleep(1)
        with pytest.raises(Unreachable, match="under way"):
            await estate.sources.regenerate(PLACES["cosmos"], "cosmos", "secondary")
        await first

    with_estate(story, services(), behaviour=Behaviour.gentle(operation=(20.0, 20.0)))


def test_hundreds_of_new_keys_keep_to_the_subscription_s_bucket() -> None:
    """Two hundred writes at once and ten a second: in nearly the shortest time, next to nothing refused."""
    many = {"storageAccounts": [{"name": f"data{n}", "subscription": SUBSCRIPTION} for n in range(250)]}

    async def story(estate: Estate, desk: Desk) -> None:
        places = [source_id("microsoft.storage/storageaccounts", f"data{n}") for n in range(250)]
        await asyncio.gather(
            *(estate.sources.regenerate(place, "storage", key) for place in places for key in ("key1", "key2"))
        )
        refused = [each for each in desk.tenant.requests if each.status == 429]

        assert desk.tenant.state.elapsed < 1.15 * 30.0
        assert refused == []

    with_estate(story, many, behaviour=Behaviour.gentle(throttling=True, network=0.06, service=0.04))
