"""Services with two keys: which is exposed the values tell, and no tag makes Cordon hand out another service's key."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.errors import Gone, OutcomeUnknown, PermissionMissing, PlatformRefused
from shared.estate import SecretRef, SecretSeen, SecretValue
from shared.rotators import rotator_named
from shared.rotators.interface import Awaited, Minted, NeedsValue, ServesNot
from tests.fakes import START
from tests.rotators.estate import LONG_AGO, REF, Rounds, World, begin, served
from tests.rotators.kinds import BUS, STORAGE, kind

pytestmark = pytest.mark.anyio

ACCOUNT = STORAGE.lower()
FORM = "DefaultEndpointsProtocol=https;AccountName=shopdata;AccountKey={};EndpointSuffix=core.windows.net"
TAGS = {"ProviderAddress": STORAGE, "CredentialId": "key1"}


def key(world: World, name: str, resource: str = ACCOUNT) -> str:
    return world.sources.held[resource].keys[name][0]


def store(world: World, value: str, **more: object) -> SecretSeen:
    return world.vaults.store(REF, value, **{"tags": TAGS, **more})


async def test_a_tag_that_names_another_account_moves_no_key() -> None:
    """Whoever writes tags cannot have a key of any account made new and put where he reads it."""
    world = World()
    world.sources.has(ACCOUNT, "key1", "key2")
    secret = store(world, FORM.format("bXkgb3duIGtleSBvZiBhbm90aGVyIGFjY291bnQ="))
    rounds = await begin(world, secret)
    before = await rounds.before()
    awaited = await rounds.make()

    assert isinstance(awaited, Awaited)
    assert "none of whose keys" in str(before["delegated"])
    assert "none of whose keys" in awaited.why
    assert world.writes.done == []
    assert world.topic.events[0][0] == "Cordon.Secret.RotationRequested"


async def test_a_value_of_unknown_form_is_left_to_its_owner_and_still_watched() -> None:
    """The source tells whether the owner let the exposed key die."""
    world = World()
    source = world.sources.has(ACCOUNT, "key1", "key2")
    secret = store(world, f'{{"connection": "{key(world, "key1")}"}}')
    rounds = await begin(world, secret)
    awaited = await rounds.make()
    assert isinstance(awaited, Awaited)
    world.clock.forward(minutes=5)
    theirs = world.vaults.store(REF, '{"connection": "x"}', created=world.clock())
    versions = [version for version, _ in reversed(world.vaults.held[REF])]
    minted = await rounds.rotator.awaited(rounds.job, awaited.made, versions, world.means)
    assert isinstance(minted, Minted)
    assert minted.version == theirs.version
    await rounds.publish(minted)

    assert (await rounds.retire()).writes == ()
    assert (await rounds.verify()).answer == "not-held"
    source.keys["key1"] = (world.sources.new(), world.clock())
    assert (await rounds.verify()).answer == "unknown"
    assert not [value for value in world.sources.made if value in rounds.visible()]


async def test_the_exposed_key_is_the_one_in_the_value_whatever_the_tag_says() -> None:
    """A tag that was not kept up with would have the key in use made new."""
    world = World()
    world.sources.has(ACCOUNT, "key1", "key2")
    old = key(world, "key2")
    rounds = await begin(world, store(world, FORM.format(old)))
    assert (await rounds.before())["idle"] == "key1"
    minted = await rounds.make()
    assert isinstance(minted, Minted)
    await rounds.publish(minted)

    assert key(world, "key2") == old
    assert world.newest()[1] == FORM.format(key(world, "key1"))
    assert world.newest()[0].tags["CredentialId"] == "key1"
    await rounds.retire()
    assert key(world, "key2") != old
    assert (await rounds.verify()).answer == "held"


async def test_an_older_version_exposes_the_other_key() -> None:
    """What consumers use now is not exposed: nothing is published, and the key that leaked dies."""
    world = World()
    world.sources.has(ACCOUNT, "key1", "key2")
    leaked, used = key(world, "key1"), key(world, "key2")
    older = store(world, FORM.format(leaked))
    newest = store(world, FORM.format(used), tags={**TAGS, "CredentialId": "key2"}, created=START)
    rounds = await begin(world, newest, str(older.version))
    proof = await rounds.whole()

    assert proof.answer == "held"
    assert world.writes.done == ["regenerate key1"]
    assert rounds.journal.get("version") == newest.version
    assert key(world, "key2") == used


async def test_both_keys_are_exposed() -> None:
    """The one that is not in use is made new and published, then the other one."""
    world = World()
    world.sources.has(ACCOUNT, "key1", "key2")
    first, second = key(world, "key1"), key(world, "key2")
    older = store(world, FORM.format(first))
    newest = store(world, FORM.format(second), created=START)
    rounds = await begin(world, newest, str(newest.version), str(older.version))
    proof = await rounds.whole()

    assert proof.answer == "held"
    assert world.writes.done == ["regenerate key1", "publish", "regenerate key2"]
    assert {first, second}.isdisjoint({key(world, "key1"), key(world, "key2")})


@pytest.mark.parametrize("tagged", [True, False])
async def test_an_exposed_version_that_somebody_disabled_is_not_forgotten(tagged: bool) -> None:
    """The vault does not give its value out, and the source takes it; of which source it is, tags say."""
    world = World()
    world.sources.has(ACCOUNT, "key1", "key2")
    leaked = key(world, "key1")
    older = store(world, FORM.format(leaked), enabled=False, tags=TAGS if tagged else {})
    newest = store(world, FORM.format(key(world, "key2")), created=START)
    rounds = await begin(world, newest, str(older.version))
    proof = await rounds.whole()

    assert proof.answer == ("held" if tagged else "unknown")
    assert ("was made new since" if tagged else "not surely a key of") in proof.why
    assert key(world, "key1") != leaked


async def test_without_times_a_version_that_nobody_can_read_is_never_called_dead() -> None:
    """Unseen is unknown; the key is made new all the same."""
    world = World()
    secret = kind("redis-key").set_up(world)
    rounds = await begin(world, secret)
    await rounds.whole()
    await world.vaults.set_enabled(REF, str(secret.version), False)

    assert (await rounds.verify()).answer == "unknown"


async def test_a_value_with_both_keys_is_of_neither() -> None:
    """Which of them consumers use nobody can say, so that it is its owner's."""
    world = World()
    world.sources.has(ACCOUNT, "key1", "key2")
    both = f'{{"first": "{key(world, "key1")}", "second": "{key(world, "key2")}"}}'
    rotator, _ = await served(world.means, store(world, both, tags={"ProviderAddress": STORAGE}))

    assert rotator.name == "delegated"


async def test_a_disabled_versions_tags_alone_move_no_key() -> None:
    """Nothing that anybody can read is a key of the account that the tags name: it may be the wrong one."""
    world = World()
    world.sources.has(ACCOUNT, "key1", "key2")
    older = store(world, "whatever it was", enabled=False)
    newest = store(world, FORM.format("b2YgYW5vdGhlciBhY2NvdW50IQ=="), created=START)
    rounds = await begin(world, newest, str(newest.version), str(older.version))

    assert isinstance(await rounds.make(), Awaited)
    assert world.writes.done == []


async def test_what_consumers_use_stays_as_it_is_where_only_the_other_key_is_exposed() -> None:
    """In whatever form they have it: nothing is published, and only the exposed key is made new."""
    world = World()
    world.sources.has(ACCOUNT, "key1", "key2")
    leaked = store(world, FORM.format(key(world, "key1")))
    newest = store(world, f'{{"conn": "{key(world, "key2")}"}}', created=START)
    rounds = await begin(world, newest, str(leaked.version))

    assert (await rounds.whole()).answer == "held"
    assert world.writes.done == ["regenerate key1"]
    assert world.newest()[0].version == newest.version


async def test_a_source_that_tells_no_times_any_more_has_made_nothing() -> None:
    """A time that is missing is not another time: the idle key may be as old as the exposed one, and known."""
    world = World()
    source = world.sources.has(ACCOUNT, "key1", "key2")
    rounds = await begin(world, store(world, FORM.format(key(world, "key1"))))
    await rounds.before()
    source.tells_times = False
    await rounds.make()

    assert world.writes.done == ["regenerate key2"]


async def test_a_key_of_which_no_time_tells_any_more_is_taken_for_the_exposed_one() -> None:
    """Nobody can compare it with the disabled version, and what is not known to be new is made new."""
    world = World()
    source = world.sources.has(ACCOUNT, "key1", "key2")
    older = store(world, FORM.format(key(world, "key1")), enabled=False)
    rounds = await begin(world, store(world, FORM.format(key(world, "key2")), created=START), str(older.version))
    await rounds.before()
    source.tells_times = False

    assert (await rounds.whole()).answer == "unknown"
    assert world.writes.done == ["regenerate key1"]


async def test_an_older_value_of_unknown_form_is_not_dead_by_its_tags() -> None:
    """It may hold more than the key that the tags name."""
    world = World()
    world.sources.has(ACCOUNT, "key1", "key2")
    older = store(world, '{"key": "gone", "and": "another"}')
    newest = store(world, FORM.format(key(world, "key1")), created=START)
    rounds = await begin(world, newest, str(newest.version), str(older.version))

    assert (await rounds.whole()).answer == "unknown"


async def test_a_key_that_was_made_for_another_secret_of_the_account_is_not_given_to_who_may_only_read() -> None:
    """Of one account they are, and of two pairs."""
    world = World()
    rounds = await begin(world, kind("cosmos-key").set_up(world))
    rounds.job = replace(rounds.job, beside={"key": "secondary"})
    await rounds.make()

    assert world.writes.done == ["regenerate secondaryreadonly"]


async def test_a_key_that_the_newest_version_holds_is_not_made_new() -> None:
    """Somebody put the exposed key back: his consumers would break, so a person decides."""
    world = World()
    world.sources.has(ACCOUNT, "key1", "key2")
    old = FORM.format(key(world, "key1"))
    rounds = await begin(world, store(world, old))
    minted = await rounds.make()
    assert isinstance(minted, Minted)
    await rounds.publish(minted)
    store(world, old, created=START + timedelta(minutes=9))

    with pytest.raises(PlatformRefused, match="still holds the exposed key"):
        await rounds.retire()
    assert world.writes.done == ["regenerate key2", "publish"]


async def test_the_exposed_key_does_not_die_while_the_published_one_opens_nothing() -> None:
    """Somebody made it new meanwhile: with the exposed one gone nobody had any. A person stores the present one."""
    world = World()
    source = world.sources.has(ACCOUNT, "key1", "key2")
    rounds = await begin(world, store(world, FORM.format(key(world, "key1"))))
    await make_and_publish(rounds)
    source.keys["key2"] = (world.sources.new(), world.clock())

    with pytest.raises(PlatformRefused, match="none of its source's any more"):
        await rounds.retire()
    assert world.writes.done == ["regenerate key2", "publish"]

    store(world, FORM.format(key(world, "key2")), created=START + timedelta(minutes=9))
    assert (await rounds.whole()).answer == "held"
    assert world.writes.done == ["regenerate key2", "publish", "regenerate key1"]


@pytest.mark.parametrize("times", [True, False])
async def test_two_secrets_of_one_account_share_the_new_key(times: bool) -> None:
    """Making the idle key new once more would kill what the first secret's consumers just got."""
    world = World()
    world.sources.has(ACCOUNT, "key1", "key2", tells_times=times)
    old = key(world, "key1")
    other = SecretRef("shop", "conn-2")
    jobs = [
        await begin(world, store(world, FORM.format(old))),
        await begin(world, world.vaults.store(other, old, tags=TAGS)),
    ]
    for each in jobs:
        await each.before()
    await make_and_publish(jobs[0])
    jobs[1].job = replace(jobs[1].job, beside=jobs[0].journal.get("made"))
    await make_and_publish(jobs[1])
    for each in jobs:
        await each.retire()

    assert [(await each.verify()).answer for each in jobs] == ["held", "held"]
    assert world.writes.done == ["regenerate key2", "publish", "publish", "regenerate key1"]
    assert world.newest(other)[1] == key(world, "key2")
    assert world.newest()[1] == FORM.format(key(world, "key2"))


async def test_two_secrets_that_use_both_keys_end_on_the_new_one() -> None:
    """The second one's key was the first one's idle key; it gets the new value under the same name."""
    world = World()
    world.sources.has(ACCOUNT, "key1", "key2")
    other = SecretRef("shop", "conn-2")
    jobs = [
        await begin(world, store(world, key(world, "key1"))),
        await begin(world, world.vaults.store(other, key(world, "key2"), tags={**TAGS, "CredentialId": "key2"})),
    ]
    for each in jobs:
        await each.before()
    await make_and_publish(jobs[0])
    jobs[1].job = replace(jobs[1].job, beside=jobs[0].journal.get("made"))
    await make_and_publish(jobs[1])
    for each in jobs:
        await each.retire()

    assert [(await each.verify()).answer for each in jobs] == ["held", "held"]
    assert world.newest()[1] == world.newest(other)[1] == key(world, "key2")


async def make_and_publish(rounds: Rounds) -> None:
    minted = await rounds.make()
    assert isinstance(minted, Minted)
    await rounds.publish(minted)


async def test_an_order_that_was_lost_before_it_was_carried_out_is_given_again() -> None:
    """The idle key may be known as well: only one that is new is published."""
    world = World()
    world.sources.has(ACCOUNT, "key1", "key2", tells_times=False)
    idle = key(world, "key2")
    rounds = await begin(world, store(world, key(world, "key1")))
    lost = iter([True])

    def lose(name: str) -> None:
        if next(lost, False):
            raise OutcomeUnknown(name, "no answer")

    world.writes.before = lose
    with pytest.raises(OutcomeUnknown):
        await rounds.make()
    await make_and_publish(rounds)

    assert world.newest()[1] == key(world, "key2") != idle


async def test_without_the_name_of_a_key_the_value_is_asked() -> None:
    """Which of the two it is the source tells, compared in memory."""
    world = World()
    world.sources.has(ACCOUNT, "key1", "key2")
    secret = store(world, key(world, "key2"), tags={"provideraddress": STORAGE})

    assert rotator_named("storage-account-key").serves(secret) == NeedsValue()
    rotator, serves = await served(world.means, secret)
    assert (rotator.name, serves.resource, serves.key) == ("storage-account-key", ACCOUNT, "key2")


async def test_a_value_that_is_no_key_of_the_named_source_is_its_owners() -> None:
    """A doubt is no guess."""
    world = World()
    world.sources.has(ACCOUNT, "key1", "key2")
    secret = store(world, "something else", tags={"ProviderAddress": STORAGE})

    assert (await served(world.means, secret))[0].name == "delegated"


async def test_a_namespace_gets_its_rule_from_the_connection_string() -> None:
    """The value names the rule, and the rule's keys prove it."""
    world = World()
    rule = f"{BUS}/authorizationrules/send".lower()
    world.sources.has(rule, "primary", "secondary")
    primary = key(world, "primary", rule)
    text = f"Endpoint=sb://shop-bus.servicebus.windows.net/;SharedAccessKeyName=Send;SharedAccessKey={primary}"
    secret = store(world, text, tags={"ProviderAddress": BUS, "CredentialId": "Primary"})
    rotator, serves = await served(world.means, secret)

    assert (rotator.name, serves.resource, serves.key) == ("service-bus-key", rule, "primary")


async def test_a_rule_that_is_no_name_is_never_asked_for() -> None:
    """The connection string is anybody's text."""
    world = World()
    value = SecretValue("Endpoint=sb://a/;SharedAccessKeyName=../../x;SharedAccessKey=c29tZXRoaW5n")
    secret = store(world, "x", tags={"ProviderAddress": BUS})

    assert await rotator_named("service-bus-key").recognise(secret, value, world.means) == ServesNot()


async def test_two_tags_that_differ_only_in_their_spelling_count_for_nothing() -> None:
    """Which of them is meant nobody knows."""
    world = World()
    world.sources.has(ACCOUNT, "key1", "key2")
    secret = store(world, "x", tags={**TAGS, "provideraddress": STORAGE.replace("shopdata", "other")})

    assert (await served(world.means, secret))[0].name == "delegated"


async def test_an_account_that_is_gone_is_told_and_not_taken_for_a_dead_key() -> None:
    """A tag may name what never was."""
    world = World()
    rounds = await begin(world, store(world, "x"))

    with pytest.raises(Gone):
        await rounds.before()


async def test_a_new_version_lives_as_long_as_its_tag_or_its_owner_meant() -> None:
    """ValidityPeriodDays of Microsoft's samples counts; without it the old one's span from storing to expiry."""
    for tags, expires, wanted in (
        ({"ValidityPeriodDays": "60"}, LONG_AGO + timedelta(days=100), START + timedelta(days=60)),
        ({}, LONG_AGO + timedelta(days=100), START + timedelta(days=100)),
        ({"ValidityPeriodDays": "-1"}, None, None),
        ({"ValidityPeriodDays": "9999999999"}, None, None),
    ):
        world = World()
        world.sources.has(ACCOUNT, "key1", "key2")
        await make_and_publish(
            await begin(world, store(world, key(world, "key1"), tags={**TAGS, **tags}, expires=expires))
        )
        assert world.newest()[0].expires == wanted


async def test_a_missing_right_is_told_and_not_taken_for_an_answer() -> None:
    """Cordon may not list the keys: a person grants it."""
    world = World()
    world.sources.has(ACCOUNT, "key1", "key2")
    rounds = await begin(world, store(world, key(world, "key1")))

    async def refuse(resource: str, what: str) -> dict[str, SecretValue]:
        raise PermissionMissing(doing="reading the keys", needs="Storage Account Key Operator Service Role")

    world.sources.keys = refuse
    with pytest.raises(PermissionMissing):
        await rounds.before()


@pytest.mark.parametrize("tags", [TAGS, {**TAGS, "ProviderAddress": f"{STORAGE}old"}])
async def test_an_exposed_version_of_another_account_is_not_proven_dead_by_this_one(tags: dict[str, str]) -> None:
    """The secret was moved to another account: what its older version opened, nobody has let die."""
    world = World()
    world.sources.has(ACCOUNT, "key1", "key2")
    elsewhere = FORM.replace("shopdata", "shopdataold") if tags == TAGS else "{}"
    older = store(world, elsewhere.format("bXkgb3duIGtleSBvZiBhbm90aGVyIGFjY291bnQ="), tags=tags)
    newest = store(world, FORM.format(key(world, "key1")), created=START)
    rounds = await begin(world, newest, str(newest.version), str(older.version))
    proof = await rounds.whole()

    assert proof.answer == "unknown"
    assert "may open something else still" in proof.why


@pytest.mark.parametrize(
    "value", ["bXkgb3duIGtleSBvZiBhbm90aGVyIGFjY291bnQ=", '{"keys": ["KEY", "of something else"]}']
)
async def test_an_older_version_that_says_nothing_of_its_source_is_not_called_dead(value: str) -> None:
    """A key alone may be of any account; it is compared with this one's, and that proves nothing of another."""
    world = World()
    world.sources.has(ACCOUNT, "key1", "key2")
    older = store(world, value.replace("KEY", key(world, "key2")), tags={})
    newest = store(world, FORM.format(key(world, "key1")), created=START)
    rounds = await begin(world, newest, str(newest.version), str(older.version))
    proof = await rounds.whole()

    assert proof.answer == "unknown"
    assert str(older.version) in proof.why


@pytest.mark.parametrize("tags", [{}, TAGS])
async def test_an_older_version_that_was_seen_to_hold_a_key_of_the_source_is_dead_with_it(tags: dict[str, str]) -> None:
    """Before the first key was made new it was one of them: that is known, whatever is compared later."""
    world = World()
    world.sources.has(ACCOUNT, "key1", "key2")
    older = store(world, key(world, "key2"), tags=tags)
    newest = store(world, FORM.format(key(world, "key1")), created=START)
    rounds = await begin(world, newest, str(newest.version), str(older.version))

    assert (await rounds.whole()).answer == "held"


async def test_an_older_key_that_its_tags_say_is_of_the_source_is_dead_there() -> None:
    """It was made new before anybody looked, as rotators do; the owner's tags say whose it was."""
    world = World()
    source = world.sources.has(ACCOUNT, "key1", "key2")
    older = store(world, key(world, "key2"))
    source.keys["key2"] = (world.sources.new(), LONG_AGO)
    newest = store(world, FORM.format(key(world, "key1")), created=START)
    rounds = await begin(world, newest, str(newest.version), str(older.version))

    assert (await rounds.whole()).answer == "held"


@pytest.mark.parametrize(("days", "answer"), [(0, "unknown"), (29, "unknown"), (31, "held")])
@pytest.mark.parametrize("enabled", [True, False])
async def test_tags_that_were_written_after_the_version_was_stored_do_not_let_another_accounts_key_pass_for_dead(
    enabled: bool, days: int, answer: str
) -> None:
    """Whoever may store secrets can tag any version, and disable it: what was changed before his time counts."""
    world = World()
    source = world.sources.has(ACCOUNT, "key1", "key2")
    changed = START - timedelta(days=days)
    older = store(world, key(world, "key2"), updated=changed, enabled=enabled)
    source.keys["key2"] = (world.sources.new(), LONG_AGO)
    newest = store(world, FORM.format(key(world, "key1")), created=START)
    rounds = await begin(world, newest, str(newest.version), str(older.version))
    proof = await rounds.whole()

    assert proof.answer == answer
    assert (f"changed at {changed:%Y-%m-%d %H:%M} UTC" in proof.why) is (answer == "unknown")


async def test_what_its_value_shows_needs_no_tag() -> None:
    """Changed or not: it was a key of this account when the rotation began, or names the account itself."""
    world = World()
    world.sources.has(ACCOUNT, "key1", "key2")
    older = store(world, FORM.format("b2xkZXIga2V5IG9mIHRoZSBhY2NvdW50"), updated=START)
    newest = store(world, key(world, "key1"), updated=START)
    rounds = await begin(world, newest, str(newest.version), str(older.version))

    assert (await rounds.whole()).answer == "held"


async def test_an_owners_word_does_not_stand_against_a_key_that_its_source_still_has() -> None:
    """The newest version cannot be written anew, so its owner is asked; its key is the account's as before."""
    world = World()
    world.sources.has(ACCOUNT, "key1", "key2")
    rounds = await begin(world, store(world, f'{{"conn": "{key(world, "key1")}"}}'))
    awaited = await rounds.make()
    assert isinstance(awaited, Awaited)
    said = {"cordon-old-is-dead": rounds.job.exposed[0]}
    world.vaults.store(REF, "new", created=START + timedelta(minutes=9), tags=said)
    rounds.journal.keep("made", awaited.made)

    assert (await rounds.verify()).answer == "not-held"
    world.sources.held[ACCOUNT].keys["key1"] = (world.sources.new(), START)
    assert (await rounds.verify()).answer == "held"


@pytest.mark.parametrize(
    ("rule", "path", "answer"),
    [("sender", "orders", "held"), ("keeper", "orders", "unknown"), ("sender", "bills", "unknown")],
)
async def test_another_rule_of_the_same_namespace_has_keys_of_its_own(rule: str, path: str, answer: str) -> None:
    """The namespace is the same, the door is not: only the rule whose keys were made new is shut."""
    world = World()
    form = "Endpoint=sb://shop-bus.servicebus.windows.net/;SharedAccessKeyName={};SharedAccessKey={};EntityPath={}"
    address = f"{BUS}/AuthorizationRules/sender"
    world.sources.has(address, "primary", "secondary")
    tags = {"ProviderAddress": address}
    older = store(world, form.format(rule, "bXkgb3duIGtleSBvZiBhbm90aGVyIGFjY291bnQ=", path), tags={})
    used = key(world, "primary", address.lower())
    newest = store(world, form.format("sender", used, "orders"), tags=tags, created=START)
    rounds = await begin(world, newest, str(newest.version), str(older.version))

    assert (await rounds.whole()).answer == answer


async def test_tags_that_name_another_account_are_believed_against_the_name_in_the_value() -> None:
    """Where two words about an older version differ, nobody knows what it opens."""
    world = World()
    world.sources.has(ACCOUNT, "key1", "key2")
    elsewhere = {**TAGS, "ProviderAddress": f"{STORAGE}old"}
    older = store(world, FORM.format("bXkgb3duIGtleSBvZiBhbm90aGVyIGFjY291bnQ="), tags=elsewhere)
    newest = store(world, FORM.format(key(world, "key1")), created=START)
    rounds = await begin(world, newest, str(newest.version), str(older.version))

    assert (await rounds.whole()).answer == "unknown"


async def test_the_key_that_was_just_published_is_not_ended_where_no_times_tell() -> None:
    """Both were exposed, one in a version that nobody can read: the one that consumers use now stays."""
    world = World()
    address = f"{BUS}/AuthorizationRules/sender"
    world.sources.has(address, "primary", "secondary", tells_times=False)
    form = "Endpoint=sb://shop-bus.servicebus.windows.net/;SharedAccessKeyName=sender;SharedAccessKey={}"
    tags = {"ProviderAddress": address, "CredentialId": "Secondary"}
    older = store(world, "nobody can read it", tags=tags, enabled=False)
    used = key(world, "primary", address.lower())
    newest = store(world, form.format(used), tags={**tags, "CredentialId": "Primary"}, created=START)
    rounds = await begin(world, newest, str(newest.version), str(older.version))
    await rounds.whole()

    assert world.writes.done == ["regenerate secondary", "publish", "regenerate primary"]
    assert world.newest()[1] == form.format(key(world, "secondary", address.lower()))


async def test_one_of_two_exposed_keys_made_new_is_not_both() -> None:
    """Somebody disabled what could be compared; the times tell that one of the two lives still."""
    world = World()
    world.sources.has(ACCOUNT, "key1", "key2")
    older = store(world, FORM.format(key(world, "key1")))
    newest = store(world, FORM.format(key(world, "key2")), created=START)
    rounds = await begin(world, newest, str(newest.version), str(older.version))
    world.clock.forward(minutes=1)
    minted = await rounds.make()
    assert isinstance(minted, Minted)
    await rounds.publish(minted)
    for version in (older, newest):
        await world.vaults.set_enabled(REF, str(version.version), False)

    assert (await rounds.verify()).answer == "unknown"
    await rounds.retire()
    assert (await rounds.verify()).answer == "held"


async def test_a_version_that_nobody_can_read_any_more_is_not_dead_because_no_key_was_found_exposed() -> None:
    """It held none of the source's keys when it could be read; that no key had to be made new proves nothing of it."""
    world = World()
    world.sources.has(ACCOUNT, "key1", "key2")
    older = store(world, FORM.format("bXkgb3duIGtleSBvZiBhbm90aGVyIGFjY291bnQ="))
    newest = store(world, FORM.format(key(world, "key2")), created=START)
    rounds = await begin(world, newest, str(older.version))
    await rounds.before()
    await world.vaults.set_enabled(REF, str(older.version), False)

    assert (await rounds.whole()).answer == "unknown"


async def test_that_an_owners_word_could_not_be_held_against_its_source_is_said_beside_it() -> None:
    """His word stands, and whoever reads it is told which right would have shown whether it is true."""
    world = World()
    world.sources.has(ACCOUNT, "key1", "key2")
    rounds = await begin(world, store(world, f'{{"conn": "{key(world, "key1")}"}}'))
    awaited = await rounds.make()
    assert isinstance(awaited, Awaited)
    said = {"cordon-old-is-dead": rounds.job.exposed[0]}
    world.vaults.store(REF, "new", created=START + timedelta(minutes=9), tags=said)
    rounds.journal.keep("made", awaited.made)

    async def refuse(resource: str, what: str) -> dict[str, SecretValue]:
        raise PermissionMissing(doing="reading the keys", needs="Storage Account Key Operator Service Role")

    world.sources.keys = refuse
    proof = await rounds.verify()

    assert proof.answer == "held"
    assert "Storage Account Key Operator Service Role" in proof.why
