"""The store fails at any one of its calls: not answering, or answering too late; and nothing is lost or doubled."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from shared.errors import CordonError, OutcomeUnknown, Unreachable
from shared.incident import Status
from tests.fakes import certificate, password, payroll
from tests.faults.attacks import DEPTH, hooked, is_clean
from tests.faults.test_attacks_rechecks import sleep_until
from tests.faults.test_crash_points import WITH_CERTIFICATE
from tests.stories.world import World, leak, play, with_vault

STATE = payroll(application=[password(1), certificate(3)], principal=[password(5)])
FAULTS: dict[str, tuple[str, Callable[[str], CordonError]]] = {
    "no answer, nothing done": ("before", lambda name: Unreachable(name, "timeout")),
    "no answer, not done": ("before", lambda name: OutcomeUnknown(name, "timeout")),
    "no answer, done": ("after", lambda name: OutcomeUnknown(name, "timeout")),
}


def _is_store(name: str) -> bool:
    return name.startswith(("journal", "write", "get"))


def _is_write(name: str) -> bool:
    return name.startswith(("journal append", "write"))


async def _deliver(world: World, struck: World) -> None:
    """Deliver the event until it is acknowledged, and each message until its work returns."""
    responder, delivered = struck.instance(), False
    event = {"type": "Cordon.Signal.RiskDetection", "id": "e1", "source": "t", "data": leak()}
    while not delivered:
        try:
            await responder.receive_events([event])  # pyright: ignore[reportArgumentType]
            delivered = True
        except CordonError:
            continue
    end = world.clock() + timedelta(hours=3)
    while (due := await world.store.queue.next_due()) is not None and due <= end:
        await sleep_until(world, due)
        for received in await world.store.queue.receive(1, timedelta(seconds=20)):
            try:
                await responder.work(json.loads(received.body))
            except CordonError:
                continue
            await world.store.queue.delete(received)


async def _play(world: World, fault: str | None, at: int) -> tuple[World, list[str]]:
    world, names = with_vault(world), list[str]()
    when, error = FAULTS[fault or "no answer, nothing done"]

    async def strike(name: str, moment: str) -> None:
        if moment == "before" and _is_store(name):
            names.append(name)
        is_due = _is_store(name) and len(names) - 1 == at and when == moment
        if is_due and (_is_write(name) or fault == "no answer, nothing done"):
            raise error(name)

    struck = hooked(world, lambda name: strike(name, "before"), lambda name: strike(name, "after"))
    await _deliver(world, struck)
    return world, names


@pytest.mark.parametrize("fault", FAULTS)
def test_a_store_that_fails_once_anywhere_changes_nothing_about_the_end(fault: str) -> None:
    """Contained, one certificate, one incident, closed, wherever the call failed."""
    names: list[str] = []

    async def count(world: World) -> None:
        _, found = await _play(world, None, -1)
        names.extend(found)

    play(count, STATE, policy=WITH_CERTIFICATE)
    wrong: list[str] = []
    assert len(names) >= 60
    for at in range(0, len(names), max(1, 10 // DEPTH)):

        async def story(world: World, at: int = at) -> None:
            world, _ = await _play(world, fault, at)
            assert world.vault is not None
            chain = await world.chain()
            closed = [line.record.kind for line in chain.lines if line.record.kind == "closed"]
            ends = (await world.status(), is_clean(world, certificates=1), world.vault.made, len(closed))
            if ends != (Status.CONTAINED, True, 1, 1):
                wrong.append(f"{at} {names[at]}: {ends}")

        play(story, STATE, policy=WITH_CERTIFICATE)

    assert wrong == []
