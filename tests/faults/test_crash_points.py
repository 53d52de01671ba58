"""
Kill the process at every point where something becomes durable, start it again, and compare the end.

The points are found by a recording run, so a new step joins by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from shared.entries import Decided
from shared.incident import Status
from shared.journal import IncidentId, Journal, Record
from shared.signal import JsonObject
from shared.store import DrivenQueue, LocalStore, Received
from tests.fakes import Crash, certificate, federated, password, payroll
from tests.stories.world import POLICY, World, play, with_vault

WITH_CERTIFICATE = POLICY.replace("replace-credentials]", "{replace-credentials: {new-certificate: true}}]")
STATE = payroll(application=[password(1), password(2), certificate(3), federated(4)], principal=[password(5)])


@dataclass
class Points:
    """Counts the points that a run passes, and crashes at one of them."""

    crash_at: int | None = None
    passed: list[str] = field(default_factory=list[str])

    def reach(self, name: str) -> None:
        self.passed.append(name)
        if len(self.passed) - 1 == self.crash_at:
            raise Crash(name)


@dataclass
class CrashingJournal:
    """A journal whose process may die just before or just after an append."""

    inner: Journal
    points: Points

    async def append(self, records: Sequence[Record]) -> None:
        kinds = "+".join(record.kind for record in records)
        self.points.reach(f"before journal {kinds}")
        await self.inner.append(records)
        self.points.reach(f"after journal {kinds}")

    async def read(self, incident: IncidentId) -> Sequence[Record]:
        return await self.inner.read(incident)


@dataclass
class CrashingQueue:
    """A queue whose sender may die just before or just after sending."""

    inner: DrivenQueue
    points: Points

    async def send(self, message: JsonObject, delay: timedelta = timedelta()) -> None:
        self.points.reach(f"before message {message['because']}")
        await self.inner.send(message, delay)
        self.points.reach(f"after message {message['because']}")

    async def put(self, body: bytes, delay: timedelta = timedelta()) -> None:
        await self.inner.put(body, delay)

    async def receive(self, most: int, hidden: timedelta) -> Sequence[Received]:
        return await self.inner.receive(most, hidden)

    async def delete(self, received: Received) -> bool:
        return await self.inner.delete(received)

    async def release(self, received: Received, delay: timedelta) -> bool:
        return await self.inner.release(received, delay)

    async def next_due(self) -> object:
        return await self.inner.next_due()


@dataclass(frozen=True)
class End:
    """What must be the same, wherever the process was killed."""

    status: Status
    enabled: bool
    credentials: tuple[int, ...]
    certificates_made: int
    decisions: int


def mortal(world: World, points: Points) -> World:
    """The world with a crash point at everything that becomes durable outside the process."""
    store = world.store
    crashing = LocalStore(
        CrashingJournal(store.journal, points),
        store.documents,
        store.evidence,
        CrashingQueue(store.queue, points),  # pyright: ignore[reportArgumentType]
    )
    world.directory.before_write = lambda name: points.reach(f"before {name}")
    world.directory.after_write = lambda name: points.reach(f"after {name}")
    world = replace(with_vault(world), store=crashing)
    assert world.vault is not None
    world.vault.after_make = lambda: points.reach("after making the certificate")
    return world


async def survive(world: World, points: Points) -> End:
    """Deliver the event and work the queue; whenever the process dies, start another and go on."""
    world = mortal(world, points)
    life = 1
    delivered = False
    while True:
        responder = world.instance(f"life {life}")
        try:
            if not delivered:
                await world.hear_of_leak(responder)
                delivered = True
            await world.work_queue(responder)
            break
        except Crash:
            life += 1
    assert life <= 2
    return await _end(world)


async def _end(world: World) -> End:
    assert world.vault is not None
    state = world.directory.state
    return End(
        await world.status(),
        state.enabled,
        tuple(len(holder.passwords) + len(holder.keys) for holder in state.holders),
        world.vault.made,
        len(list((await world.chain()).all(Decided))),
    )


def _run(crash_at: int | None) -> tuple[End, list[str]]:
    points = Points(crash_at)

    async def story(world: World) -> End:
        return await survive(world, points)

    return play(story, STATE, policy=WITH_CERTIFICATE), points.passed


def test_the_run_that_nobody_kills_ends_contained() -> None:
    """One certificate, nothing else left, sign-in blocked, and enough points to be worth killing at."""
    end, points = _run(None)

    assert end == End(Status.CONTAINED, enabled=False, credentials=(1, 0), certificates_made=1, decisions=1)
    assert len(points) >= 60


def test_wherever_the_process_is_killed_the_end_is_the_same() -> None:
    """Every crash point of the whole run, from the first append to the last recheck."""
    unhurt, points = _run(None)

    for crash_at, name in enumerate(points):
        end, _ = _run(crash_at)
        assert replace(end, decisions=1) == unhurt, f"killed at point {crash_at}, {name}"


@pytest.mark.parametrize("crash_at", [0, 1, 2, 3])
def test_a_killed_receiver_is_mended_by_redelivery(crash_at: int) -> None:
    """An event whose receiver died was never acknowledged; delivered again, it opens one incident."""
    end, _ = _run(crash_at)

    assert end.status is Status.CONTAINED
