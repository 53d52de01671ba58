"""What an identity exposed is rotated: each exposed credential dead, each new one published, in order."""

from shared.entries import RotationEnded
from shared.estate import SecretRef
from shared.incident import Status
from tests.rotation.world import RotationWorld, play

CONN, OTHER = SecretRef("shop", "conn"), SecretRef("shop", "other")


def test_a_storage_key_that_was_read_is_dead_in_the_end() -> None:
    """The idle key is made new and published; after the grace the exposed key is made new, the old version disabled."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(CONN, "acct01", read=True)
        exposed = world.enabled(CONN)[0]
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder)

        assert not world.is_alive(exposed)
        (value,) = world.enabled(CONN)
        assert world.is_alive(value)
        ended = (await world.secrets_chain()).last(RotationEnded)
        assert ended is not None
        assert (ended.whole, ended.counts) == (True, {"rotated": 1})
        assert await world.status() is Status.CONTAINED

    play(story)
