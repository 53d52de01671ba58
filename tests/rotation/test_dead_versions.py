"""What one incident has proven dead, another one that is about the same secret need not prove again."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.dead_versions import known_dead, note_dead
from shared.entries import RotationEnded
from shared.estate import SecretRef
from shared.incident import Status
from shared.journal import IncidentId
from shared.store import memory_store
from tests.fakes import START
from tests.rotation.world import RotationWorld, play, policy

CONN = SecretRef("shop", "conn")
ALL = policy(ask="[]")
EARLIER = IncidentId("20260301-000000000001")


async def play_out(world: RotationWorld) -> RotationEnded:
    responder = world.instance()
    await world.hear_of_leak(responder)
    await world.work_queue(responder)
    ended = (await world.secrets_chain()).last(RotationEnded)
    assert ended is not None
    return ended


def disabled_yesterday(world: RotationWorld) -> str:
    """A secret whose version that the identity read was replaced and disabled, as another incident leaves it."""
    first = world.storage_secret(CONN, "acct01", read=True)
    world.vaults.held[CONN] = [(replace(first, enabled=False, updated=START - timedelta(days=1)), "a-key-of-once")]
    world.storage_secret(CONN, "acct01", "key2")
    return str(first.version)


@pytest.mark.parametrize("proven", [True, False])
def test_a_disabled_version_that_another_incident_has_proven_dead_needs_no_second_proof(proven: bool) -> None:
    """Two identities read it: without that word the second one's rotation ended as not proven each time."""

    async def story(world: RotationWorld) -> None:
        version = disabled_yesterday(world)
        if proven:
            await note_dead(world.store.documents, EARLIER, CONN, [version])
        ended = await play_out(world)

        assert (ended.whole, ended.counts) == ((True, {"rotated": 1}) if proven else (False, {"not-proven": 1}))

    play(story, text=ALL)


def test_what_a_vault_gives_out_again_is_looked_at_afresh() -> None:
    """Whoever enabled it since may have made its value count again."""

    async def story(world: RotationWorld) -> None:
        seen = world.storage_secret(CONN, "acct01", read=True)
        exposed = world.enabled(CONN)[0]
        await note_dead(world.store.documents, EARLIER, CONN, [str(seen.version)])
        await play_out(world)

        assert not world.is_alive(exposed)

    play(story, text=ALL)


@pytest.mark.parametrize("disable_old", ["after-grace", "never"])
def test_what_a_read_has_proven_dead_is_kept_for_others(disable_old: str) -> None:
    """Its value is not."""

    async def story(world: RotationWorld) -> None:
        seen = world.storage_secret(CONN, "acct01", read=True)
        await play_out(world)
        incident = (await world.chain()).incident

        assert await known_dead(world.store.documents, CONN) == {str(seen.version): incident}

    play(story, text=policy(ask="[]", disable_old=disable_old))


def test_what_another_incident_has_just_published_has_its_grace_first() -> None:
    """Who still holds the key of before would lose it under his hands: it is the idle one now."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(CONN, "acct01", "key1", read=True)
        before = world.enabled(CONN)[0]
        second = world.storage_secret(CONN, "acct01", "key2", read=True)
        published = world.clock()
        tags = {**second.tags, "cordon-operation": "0" * 32}
        held = world.vaults.held[CONN]
        at = held.index(next(each for each in held if each[0].version == second.version))
        held[at] = (replace(second, created=published, updated=published, tags=tags), held[at][1])
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=14))
        alive_in_grace = world.is_alive(before)
        await world.work_queue(responder)

        assert alive_in_grace
        assert not world.is_alive(before)
        assert await world.status() is Status.CONTAINED

    play(story, text=ALL)


def test_an_owners_word_is_no_proof_for_others() -> None:
    """It is that of whoever may write in the vault."""

    async def story(world: RotationWorld) -> None:
        seen = world.secret(CONN, "who-knows-what-this-opens", read=True)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=90))
        tags = {"cordon-old-is-dead": str(seen.version)}
        world.vaults.store(CONN, "the-owners-new-value", created=world.clock(), updated=world.clock(), tags=tags)
        await world.work_queue(responder)

        assert len(world.enabled(CONN)) == 1
        assert await known_dead(world.store.documents, CONN) == {}

    play(story, text=ALL)


@pytest.mark.anyio
async def test_several_incidents_keep_what_each_has_proven() -> None:
    """The first one's word stands."""
    documents, later = memory_store(lambda: START).documents, IncidentId("20260302-000000000002")
    await note_dead(documents, EARLIER, CONN, ["one"])
    await note_dead(documents, later, CONN, ["two"])
    await note_dead(documents, later, CONN, ["one", "two"])

    assert await known_dead(documents, CONN) == {"one": EARLIER, "two": later}
    assert await known_dead(documents, SecretRef("shop", "other")) == {}


@pytest.mark.anyio
async def test_of_thousands_of_versions_the_newest_are_kept() -> None:
    """Whoever may store secrets can make so many; what is not kept is proven anew."""
    documents = memory_store(lambda: START).documents
    versions = [f"{number:032x}" for number in range(5_000)]
    await note_dead(documents, EARLIER, CONN, versions)

    assert [*await known_dead(documents, CONN)] == versions[:500]
