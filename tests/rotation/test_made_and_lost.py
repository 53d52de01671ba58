"""Killed after a key was made new and before it was published: it is read again, and not made new once more."""

from contextlib import suppress

from shared.estate import SecretRef
from tests.fakes import Crash
from tests.rotation.world import RotationWorld, play
from tests.rotators.kinds import REDIS

CONN = SecretRef("shop", "conn")


def test_a_cache_s_key_that_was_made_before_a_crash_is_read_and_not_made_again() -> None:
    """A cache tells no times of its keys; the journal tells that this one is new."""

    async def story(world: RotationWorld) -> None:
        source = world.sources.has(REDIS, "primary", "secondary", tells_times=False)
        tags = {"ProviderAddress": REDIS, "CredentialId": "Primary"}
        world.secret(CONN, source.keys["primary"][0], read=True, tags=tags)
        deaths = iter([True])

        def die(name: str) -> None:
            if name == "publish" and next(deaths, False):
                raise Crash

        world.writes.before = die
        responder = world.instance()
        await world.hear_of_leak(responder)
        with suppress(Crash):
            await world.work_queue(responder)
        await world.work_queue(world.instance("two"))

        assert world.writes.done[:2] == ["regenerate secondary", "publish"]
        assert world.writes.done.count("regenerate secondary") == 1
        assert world.enabled(CONN) == [source.keys["secondary"][0]]

    play(story)
