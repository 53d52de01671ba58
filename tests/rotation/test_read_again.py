"""Whether a version that Cordon published was read by the accused: then the secret goes another round."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from shared.entries import RotationEnded, SecretAwaits
from shared.estate import SecretRead, SecretRef, SecretSeen
from shared.exposure import Exposed
from shared.rotation_plan import is_read_again
from tests.fakes import Crash
from tests.rotation.world import RotationWorld, play, policy

PUBLISHED = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
REF = SecretRef("shop", "db")
BEFORE, AFTER = -timedelta(minutes=5), timedelta(minutes=5)


@pytest.mark.parametrize(
    ("versions", "unnamed", "last", "again"),
    [
        (("new",), False, AFTER, True),
        (("old",), False, AFTER, False),  # the old version, asked for by its id
        ((), False, AFTER, True),
        ((), False, BEFORE, False),
        (("old",), True, AFTER, True),  # some reads name no version: after the new one was there, they gave it
        (("old",), True, BEFORE, False),
    ],
)
def test_a_read_without_a_version_after_the_new_one_was_there_is_a_read_of_it(
    versions: tuple[str, ...], unnamed: bool, last: timedelta, again: bool
) -> None:
    """Versions that other reads name do not hide it."""
    at = PUBLISHED + last
    reads = SecretRead(REF, versions, at, at, 2, (), "who", unnamed=unnamed)
    exposed = Exposed(SecretSeen(REF, None, True, PUBLISHED, PUBLISHED), 1, "read", reads)

    assert is_read_again(exposed, "new", PUBLISHED) is again


def test_a_read_between_the_new_version_and_the_word_of_it_is_a_read_of_it() -> None:
    """Whoever published it was killed before he wrote it down; ten minutes later another one finds it."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(REF, "acct01", read=True)
        deaths = iter([True])

        def die(name: str) -> None:
            if name == "publish" and next(deaths, False):
                world.read(REF, "", world.clock() + timedelta(minutes=2))
                raise Crash

        world.writes.after = die
        await world.hear_of_leak(world.instance())
        with suppress(Crash):
            await world.work_queue(world.instance())
        await world.work_queue(world.instance("two"))
        first, second = world.made(REF)
        ended = (await world.secrets_chain()).last(RotationEnded)

        assert second.created - first.created > timedelta(minutes=10)
        assert not world.is_alive(world.vaults.held[REF][1][1])
        assert world.is_alive(world.vaults.held[REF][2][1])
        assert ended is not None
        assert (ended.whole, ended.counts) == (True, {"rotated": 2})

    play(story, text=policy(ask="[]"))


def test_what_is_read_before_anybody_looks_what_the_owner_stored_is_asked_of_him_again() -> None:
    """His version is looked for every five minutes; the thief may come in between."""

    async def story(world: RotationWorld) -> None:
        world.secret(REF, "who-knows-what-this-opens", read=True)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=6))
        now = world.clock()
        world.vaults.store(REF, "the-owners-new-one", created=now, updated=now)
        world.read(REF, "", now + timedelta(seconds=30))
        await world.work_queue(responder)
        chain = await world.secrets_chain()

        assert chain.last(SecretAwaits, "shop/db/2") is not None

    play(story, text=policy(ask="[]"))
