"""Whether a version that Cordon published was read by the accused: then the secret goes another round."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.entries import RotationEnded, SecretAwaits
from shared.estate import SecretRead, SecretRef, SecretSeen
from shared.exposure import Exposed
from shared.identity import IdentityKind
from shared.incident import Status
from shared.rotation_plan import is_read_again
from tests.fakes import Crash, payroll
from tests.rotation.test_told import told
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


def test_what_a_managed_identity_reads_with_a_token_of_a_day_is_rotated_again() -> None:
    """Its tokens are cached for 24 hours, and nothing ends them: it is looked for so long, and not called contained."""

    async def story(world: RotationWorld) -> None:
        state = payroll()
        identity = replace(state.identity, kind=IdentityKind.MANAGED_IDENTITY, app_object_id=None)
        world.directory.state = replace(state, identity=identity, application=None)
        world.storage_secret(REF, "acct01", read=True)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(hours=5))
        view, _ = await told(world, responder)
        (first,) = world.made(REF)

        assert view.status is Status.PROVING
        assert view.so_far is not None
        assert "before 2026-03-03 03:15 UTC: by then the last token, cached for a day, is dead" in view.so_far

        world.read(REF, str(first.version), world.clock())
        await world.work_queue(responder, timedelta(hours=24))
        ended = (await world.secrets_chain()).last(RotationEnded)

        assert ended is not None
        assert (ended.whole, ended.counts) == (True, {"rotated": 2})
        assert not world.is_alive(world.vaults.held[REF][1][1])
        assert await world.status() is Status.CONTAINED

    play(story, text=policy(ask="[]"))
