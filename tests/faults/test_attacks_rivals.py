"""Two instances at one incident: one is paused wherever it waits, the other goes on, the first wakes up."""

import asyncio
from datetime import timedelta

import pytest

from shared.entries import Decided
from shared.incident import Status
from shared.responder import Responder
from tests.fakes import certificate, federated, password, payroll
from tests.faults.attacks import DEPTH, hooked, is_clean
from tests.faults.test_crash_points import WITH_CERTIFICATE
from tests.stories.world import World, leak, play, with_vault

STATE = payroll(application=[password(1), certificate(3), federated(4)], principal=[password(5)])
PAUSES = {
    "until it is taken for dead": timedelta(minutes=2),
    "as long as the platform lets a function live": timedelta(minutes=10),
}


def points() -> list[str]:
    """Every point where an instance waits, before and after, in the run that nobody disturbs."""
    names: list[str] = []

    async def story(world: World) -> None:
        async def before(name: str) -> None:
            names.append(f"before {name}")

        async def after(name: str) -> None:
            names.append(f"after {name}")

        paused = hooked(with_vault(world), before, after)
        await _first_minute(paused, paused.instance("one"))

    play(story, STATE, policy=WITH_CERTIFICATE)
    return names


async def _first_minute(world: World, responder: Responder) -> None:
    """It hears of the leak by polling, so that no door's patience cuts the work off."""
    world.feeds.detections = [[leak()]]
    await responder.sweep_risk()
    await world.work_queue(responder, timedelta(seconds=30))


async def _pause_and_go_on(world: World, point: int, others: timedelta) -> World:
    world = with_vault(world)
    reached, go_on, passed = asyncio.Event(), asyncio.Event(), 0

    async def pause(name: str) -> None:
        nonlocal passed
        passed += 1
        if passed - 1 == point:
            reached.set()
            await go_on.wait()

    slow = hooked(world, pause, pause)
    first = asyncio.ensure_future(_first_minute(slow, slow.instance("one")))
    await reached.wait()
    second = world.instance("two")
    await second.sweep_risk()
    await world.work_queue(second, others)
    if await world.status() is Status.CONTAINED:
        assert is_clean(world, certificates=1), "a false contained"
    go_on.set()
    await asyncio.gather(first, return_exceptions=True)
    await world.work_queue(second)
    return world


@pytest.mark.parametrize("others", PAUSES)
def test_whoever_sleeps_and_wakes_up_leaves_one_contained_incident(others: str) -> None:
    """Paused at any await of its run, however long: contained at the end, and one certificate was made."""
    names = points()
    assert len(names) >= 100
    wrong: list[str] = []
    for point in range(0, len(names), max(1, 7 // DEPTH)):

        async def story(world: World, point: int = point) -> None:
            world = await _pause_and_go_on(world, point, PAUSES[others])
            assert world.vault is not None
            status, chain = await world.status(), await world.chain()
            ends = (status.value, is_clean(world, certificates=1), world.vault.made, len(list(chain.all(Decided))))
            if ends != ("contained", True, 1, 1):
                wrong.append(f"{point} {names[point]}: {ends}")

        play(story, STATE, policy=WITH_CERTIFICATE)

    assert wrong == []
