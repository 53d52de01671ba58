"""A containment that somebody works against while, or after, what was exposed is rotated: who reads the new values."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from shared.audit import read_audit
from shared.entries import ExposureFound, RotationBegun, RotationEnded, SecretsBegun
from shared.estate import SecretRef
from shared.incident import Status
from shared.responder import Responder
from tests.fakes import START
from tests.rotation.test_set_off import until
from tests.rotation.test_told import told
from tests.rotation.world import RotationWorld, play, policy
from tests.stories.test_fight import record

CONN = SecretRef("shop", "conn")
ALL = policy(ask="[]")


async def allow_sign_in(world: RotationWorld, responder: Responder, *, heard: bool = True) -> None:
    """Somebody does; and the record of it is heard of, or is not."""
    world.directory.state = replace(world.directory.state, enabled=True)
    if heard:
        await responder.work({"incident": (await world.chain()).incident, "because": "watch", "enabled": True})


async def looks(world: RotationWorld) -> list[float]:
    """When it was looked who read what, in minutes."""
    lines = (await world.secrets_chain()).told(ExposureFound)
    return [round((record.time - START) / timedelta(minutes=1), 1) for record, _ in lines]


@pytest.mark.parametrize("allowed_at", [60, 120])
def test_what_is_read_with_a_token_of_a_moment_of_freedom_is_rotated_again(allowed_at: int) -> None:
    """
    Sign-in is allowed while the rotation goes on, and contained again by the look after 95 minutes; or after it has
    ended. A token of then reads the new value half an hour later, and no look was to come: the incident was contained.
    """

    async def story(world: RotationWorld) -> None:
        world.storage_secret(CONN, "acct01", read=True)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await until(world, responder, allowed_at)
        await allow_sign_in(world, responder, heard=allowed_at > 105)
        again = max(100, allowed_at + 2)
        await until(world, responder, again)
        assert not world.directory.state.enabled
        (first,) = world.made(CONN)
        value = world.enabled(CONN)[-1]
        await until(world, responder, again + 30)
        assert await world.status() is not Status.CONTAINED
        world.read(CONN, first.version or "", world.clock())
        await world.work_queue(responder, timedelta(hours=12))

        assert not world.is_alive(value)
        assert len(world.made(CONN)) == 2
        assert await world.status() is Status.CONTAINED

    play(story, text=ALL)


def test_the_looks_begin_anew_when_it_is_cut_off_again_and_then_they_end() -> None:
    """Nothing is rotated that nobody read, and it is not set off again."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(CONN, "acct01", read=True)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await until(world, responder, 60)
        await allow_sign_in(world, responder)
        await world.work_queue(responder, timedelta(hours=12))

        assert await looks(world) == [0.0, 15.0, 50.0, 75.0, 110.0, 165.0]
        assert len([*(await world.chain()).all(SecretsBegun)]) == 1
        assert len(world.made(CONN)) == 1
        assert await world.status() is Status.CONTAINED

    play(story, text=ALL)


def test_a_rotation_that_has_ended_is_set_off_again_once() -> None:
    """What was rotated stays so; it is only looked on."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(CONN, "acct01", read=True)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await until(world, responder, 120)
        await allow_sign_in(world, responder)
        await world.work_queue(responder, timedelta(hours=12))

        assert await looks(world) == [0.0, 15.0, 50.0, 105.0, 120.0, 135.0, 170.0, 225.0]
        assert len([*(await world.chain()).all(SecretsBegun)]) == 2
        assert len([*(await world.secrets_chain()).all(RotationBegun)]) == 2
        assert len(world.made(CONN)) == 1
        view, _ = await told(world, responder)
        assert view.secrets is not None
        assert view.secrets.state == "ended-whole"

    play(story, text=ALL)


def test_whoever_allows_sign_in_every_few_minutes_neither_ends_the_looks_nor_makes_them_without_end() -> None:
    """Each time the looks begin anew, and it is looked all the same; after he was left to people it ends."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(CONN, "acct01", read=True)
        responder = world.instance()
        await world.hear_of_leak(responder)
        for minute in range(10, 600, 10):
            await until(world, responder, minute)
            await allow_sign_in(world, responder)
        await world.work_queue(responder, timedelta(hours=48))

        taken, secrets = await looks(world), await world.secrets_chain()
        assert max(later - earlier for earlier, later in pairwise(taken)) <= 56
        assert len(taken) < 30
        assert len(secrets.lines) < 200
        assert secrets.last(RotationEnded) is not None
        assert len(world.made(CONN)) == 1

    play(story, text=ALL)


def test_a_rotation_that_waits_for_a_person_looks_on_when_it_is_cut_off_again() -> None:
    """Its looks were over and it rests without a moment at which it goes on; nobody would have looked any more."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(CONN, "acct01", read=True)
        world.storage_secret(SecretRef("depot", "far"), "acct02")
        responder = world.instance()
        await world.hear_of_leak(responder)
        await until(world, responder, 120)
        assert await world.status() is Status.AWAITING_APPROVAL
        await allow_sign_in(world, responder)
        await world.work_queue(responder, timedelta(hours=12))

        assert await looks(world) == [0.0, 15.0, 50.0, 105.0, 135.0, 170.0, 225.0]

    play(story, text=policy())


def test_what_the_log_tells_of_a_moment_of_freedom_counts_as_well() -> None:
    """Sign-in was allowed and blocked again before anybody looked: only the record tells, and that is enough."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(CONN, "acct01", read=True)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await until(world, responder, 120)
        world.directory.audits = (read_audit(record(7, world.clock())),)
        await responder.work({"incident": (await world.chain()).incident, "because": "watch", "enabled": True})
        await world.work_queue(responder, timedelta(hours=12))

        assert await looks(world) == [0.0, 15.0, 50.0, 105.0, 120.0, 135.0, 170.0, 225.0]

    play(story, text=ALL)
