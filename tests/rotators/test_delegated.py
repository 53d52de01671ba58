"""Secrets that only their owners can rotate: asked, reminded, watched, and never called dead without their word."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.errors import PermissionMissing, Unreachable
from shared.estate import OPERATION_TAG, SecretSeen, SecretValue
from shared.rotators import rotator_named
from shared.rotators.interface import Awaited, Minted
from tests.fakes import START
from tests.rotators.estate import REF, Rounds, World, begin
from tests.rotators.kinds import STORAGE

pytestmark = pytest.mark.anyio

DELEGATED = rotator_named("delegated")
NEAR = {"cordon-rotate": "near-expiry"}


async def asked(world: World, **more: Any) -> tuple[Rounds, Awaited]:
    rounds = await begin(world, world.vaults.store(REF, "only the owner knows what it opens", **more))
    awaited = await rounds.make()
    assert isinstance(awaited, Awaited)
    return rounds, awaited


async def answer(world: World, rounds: Rounds, awaited: Awaited) -> Minted | None:
    versions = [version for version, _ in reversed(world.vaults.held[REF])]
    return await rounds.rotator.awaited(rounds.job, awaited.made, versions, world.means)


def owner_stores(world: World, **more: Any) -> SecretSeen:
    world.clock.forward(minutes=1)
    return world.vaults.store(REF, "his new value", created=world.clock(), **more)


async def test_the_owner_is_asked_by_an_event_that_holds_pointers_and_no_value() -> None:
    """Vault, secret, version, incident, deadline: what his machinery needs, and nothing that opens a door."""
    world = World()
    rounds, awaited = await asked(world)
    ((type_, subject, id_, data),) = world.topic.events

    assert rounds.rotator is DELEGATED
    assert (type_, subject) == ("Cordon.Secret.RotationRequested", "vaults/shop/secrets/conn")
    assert id_ == f"{rounds.job.operation}-asked-0"
    assert (data["vault"], data["secret"], data["version"]) == ("shop", "conn", rounds.job.secret.version)
    assert data["incident"] == "20260302-0123456789ab"
    assert data["deadline"] == (START + timedelta(hours=4)).isoformat()
    assert "only the owner knows" not in f"{rounds.visible()} {world.topic.events}"
    assert awaited.escalate_after == timedelta(hours=4)
    assert world.writes.done == []


async def test_asking_again_after_a_crash_is_the_same_event_and_an_hour_later_a_reminder() -> None:
    """Receivers recognise a repetition by its id; a reminder is no repetition."""
    world = World()
    rounds, _ = await asked(world)
    await rounds.make()
    world.clock.forward(minutes=61)
    await rounds.make()
    ids = [id_ for _, _, id_, _ in world.topic.events]

    assert ids[0] == ids[1] != ids[2]
    deadlines = {data["deadline"] for _, _, _, data in world.topic.events}
    assert len(deadlines) == 1, "a reminder does not move the deadline"


async def test_without_a_topic_a_person_is_called_at_once() -> None:
    """Nobody was asked, and it says so."""
    world = World(topic=False)
    _, awaited = await asked(world)

    assert awaited.escalate_after == timedelta()
    assert "nobody could be asked" in awaited.why


async def test_a_topic_that_is_down_is_tried_again() -> None:
    """Not asked is not awaited."""
    world = World()

    async def down(*_: object, **__: object) -> None:
        raise Unreachable("publishing", "no connection")

    world.topic.publish = down
    with pytest.raises(Unreachable):
        await asked(world)


async def test_only_a_new_version_of_somebody_else_is_his_answer() -> None:
    """Neither what was there, nor an exposed, disabled or own version."""
    world = World()
    rounds, awaited = await asked(world)
    assert await answer(world, rounds, awaited) is None
    owner_stores(world, enabled=False)
    owner_stores(world, tags={OPERATION_TAG: rounds.job.operation})
    assert await answer(world, rounds, awaited) is None
    theirs = owner_stores(world)
    done = await answer(world, rounds, awaited)

    assert done is not None
    assert done.version == theirs.version
    assert done.value is None


async def test_what_was_there_when_he_was_asked_is_no_answer_of_his() -> None:
    """Nor is a version that was exposed since: it has to die itself."""
    world = World()
    rounds, awaited = await asked(world)
    world.vaults.store(REF, "stored in the same moment as the newest", created=rounds.job.secret.created)
    assert await answer(world, rounds, awaited) is None
    theirs = owner_stores(world)
    rounds.job = replace(rounds.job, exposed=(str(theirs.version), *rounds.job.exposed))

    assert await answer(world, rounds, awaited) is None


async def test_his_word_on_one_of_two_exposed_versions_is_none_on_the_other() -> None:
    """Each has to be named."""
    world = World()
    rounds, awaited = await asked(world)
    first = rounds.job.exposed[0]
    rounds.job = replace(rounds.job, exposed=("e" * 32, first))
    rounds.journal.keep("made", awaited.made)
    owner_stores(world, tags={"cordon-old-is-dead": first})
    assert (await rounds.verify()).answer == "unknown"
    owner_stores(world, tags={"cordon-old-is-dead": "e" * 32})

    assert (await rounds.verify()).answer == "held"


async def test_a_source_that_cordon_may_not_read_leaves_it_to_the_owner() -> None:
    """A tag may name any account: that Cordon has no right there is no reason to stop."""
    world = World()
    tags = {"ProviderAddress": STORAGE, "CredentialId": "key1", "cordon-rotator": "delegated"}
    rounds, awaited = await asked(world, tags=tags)
    owner_stores(world)
    rounds.journal.keep("made", awaited.made)

    async def refuse(resource: str, what: str) -> Mapping[str, SecretValue]:
        raise PermissionMissing(doing="reading keys", needs="a role")

    world.sources.keys = refuse

    assert (await rounds.verify()).answer == "unknown"


async def rotated_by_owner(world: World, **more: Any) -> Rounds:
    rounds, awaited = await asked(world)
    owner_stores(world, **more)
    done = await answer(world, rounds, awaited)
    assert done is not None
    await rounds.publish(done)
    return rounds


async def test_whether_the_old_value_is_dead_only_the_owner_can_say() -> None:
    """A new string in the vault proves nothing."""
    world = World()
    rounds = await rotated_by_owner(world)
    proof = await rounds.verify()

    assert (await rounds.retire()).writes == ()
    assert proof.answer == "unknown"
    assert "only he can tell" in proof.why
    assert world.writes.done == []


async def test_the_owner_says_so_by_a_tag_that_names_the_exposed_version() -> None:
    """And by no tag that was carried over from an earlier time."""
    world = World()
    rounds = await rotated_by_owner(world, tags={"cordon-old-is-dead": "f" * 32})
    assert (await rounds.verify()).answer == "unknown"
    owner_stores(world, tags={"cordon-old-is-dead": f"{'f' * 32}, {rounds.job.exposed[0].upper()}"})

    proof = await rounds.verify()
    assert proof.answer == "held"
    assert f"version {world.newest()[0].version}" in proof.why
    assert "the word of whoever wrote that tag" in proof.why


async def test_a_listener_for_near_expiry_is_set_off_as_well() -> None:
    """The newest version expires soon, and nothing else of it is changed. Set off once, it is left alone."""
    world = World()
    rounds, awaited = await asked(world, tags=NEAR)
    newest = world.newest()[0]

    assert newest.expires is not None
    assert newest.expires < START + timedelta(days=30)
    assert newest.tags == NEAR
    await rounds.make()
    assert world.writes.done == ["set expiry"]
    assert "near-expiry" in awaited.why
    assert len(world.topic.events) == 2


async def test_without_the_tag_no_expiry_is_moved() -> None:
    """An expiry means something to other machinery."""
    world = World()
    await asked(world, expires=START + timedelta(days=300))

    assert world.writes.done == []


async def test_a_sample_that_renews_only_the_idle_key_is_set_off_twice() -> None:
    """After its first round the exposed key lives on; the second one is due when the grace is over (Azure 4)."""
    world = World()
    tags = {**NEAR, "ProviderAddress": STORAGE, "CredentialId": "key1", "cordon-rotator": "delegated"}
    world.sources.has(STORAGE.lower(), "key1", "key2")
    rounds, awaited = await asked(world, tags=tags)
    owner_stores(world, tags={**tags, "CredentialId": "key2"})
    assert await answer(world, rounds, awaited) is None
    assert world.writes.done == ["set expiry"], "consumers have the grace"
    world.clock.forward(minutes=15)
    assert await answer(world, rounds, awaited) is None
    assert world.writes.done == ["set expiry", "set expiry"]
    assert await answer(world, rounds, awaited) is None
    assert world.writes.done == ["set expiry", "set expiry"]
    last = owner_stores(world, tags={**tags, "CredentialId": "key1"})
    done = await answer(world, rounds, awaited)

    assert done is not None
    assert done.version == last.version


@pytest.mark.parametrize("said", [False, True])
async def test_a_key_that_lives_on_at_its_source_is_seen_through_the_owners_word(said: bool) -> None:
    """Where the source's keys can be read, they are believed before any tag is, and before any is missed."""
    world = World()
    tags = {"ProviderAddress": STORAGE, "CredentialId": "key1", "cordon-rotator": "delegated"}
    source = world.sources.has(STORAGE.lower(), "key1", "key2")
    rounds = await begin(world, world.vaults.store(REF, source.keys["key1"][0], tags=tags))
    awaited = await rounds.make()
    assert isinstance(awaited, Awaited)
    owner_stores(world, tags={"cordon-old-is-dead": rounds.job.exposed[0]} if said else {})
    done = await answer(world, rounds, awaited)
    assert done is not None
    await rounds.publish(done)

    assert (await rounds.verify()).answer == "not-held"
