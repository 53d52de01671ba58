"""Any sequence of a few moves, by two instances, against what a plain model says: approvals and the limits' window."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from drill.virtual_time import run, virtual_clock
from shared.clients.sqlite_store import open_sqlite_store
from shared.errors import RequestConflicts
from shared.identity import PrincipalId
from shared.incident import Status
from shared.limits import WINDOW, Spent
from shared.muster import Muster
from shared.policy import Limits, read_policy
from shared.reservations import Reservations
from shared.standing import waiting_plan
from shared.store import LocalStore, memory_store
from tests.fakes import START, FakeDirectory, password, payroll
from tests.stories.world import POLICY, World, play

CALM = settings(max_examples=25, deadline=None, database=None, derandomize=True)
INSTANCES = st.sampled_from(["one", "two"])
STATE = payroll(application=[password(1)])

# Approvals

Move: TypeAlias = tuple[str, str]
MOVES = st.tuples(st.sampled_from(["approve", "approve another", "decline", "wait", "drift", "work"]), INSTANCES)


@dataclass
class Asked:
    """What the model knows: which plan waits, and whether it may go."""

    world: World
    approved: int = 0
    declined: bool = False

    async def move(self, name: str, instance: str) -> None:
        world, responder = self.world, self.world.instance(instance)
        chain = await world.chain()
        waiting = waiting_plan(chain)
        before = len(world.directory.effects)
        match name:
            case "approve" | "decline":
                hash_ = waiting.hash if waiting else "1" * 64
                alive = waiting is not None and (waiting.expires_at is None or world.clock() < waiting.expires_at)
                accepted = await self._answers(responder.approve, chain.incident, hash_, approved=name == "approve")
                assert accepted == alive
                self.approved += accepted and name == "approve"
                self.declined |= accepted and name == "decline"
            case "approve another":
                assert not await self._answers(responder.approve, chain.incident, "0" * 64, approved=True)
            case "wait":
                await asyncio.sleep(3 * 3600)
            case "drift":
                number = 10 + len((world.directory.state.application or world.directory.state.principals[0]).passwords)
                added = payroll(application=[password(1), password(number)])
                world.directory.state = replace(added, enabled=world.directory.state.enabled)
            case _:
                await world.work_queue(responder, timedelta(minutes=1))
        assert self.approved or len(world.directory.effects) == before, "an effect that nobody approved"

    async def _answers(self, approve: Callable[..., Awaitable[object]], *given: str, approved: bool) -> bool:
        try:
            await approve(*given, approved=approved, reason="a test", by="somebody")
        except RequestConflicts:
            return False
        return True


@CALM
@given(st.lists(MOVES, max_size=8))
def test_nothing_happens_that_nobody_approved(moves: Sequence[Move]) -> None:
    """Each word of a person lets one plan go, once, in time, and unchanged."""

    async def story(world: World) -> None:
        await world.hear_of_leak(world.instance())
        asked = Asked(world)
        for name, instance in moves:
            await asked.move(name, instance)
        await world.work_queue(world.instance(), timedelta(hours=3))

        if not asked.approved:
            assert world.directory.effects == []
            assert await world.status() is not Status.CONTAINED

    play(story, STATE, policy=POLICY, mode="ask")


# Limits

LIMIT = 3
AT_ONCE = st.lists(st.integers(1, 6), min_size=1, max_size=4)
ROUND = st.tuples(AT_ONCE, st.integers(0, 50), st.sampled_from([False, False, True]))  # who, minutes, confirmed
RESERVING = st.lists(ROUND, max_size=8)


@CALM
@given(RESERVING)
def test_the_window_is_never_overdrawn_whoever_asks_at_the_same_moment(
    rounds: Sequence[tuple[list[int], int, bool]],
) -> None:
    """In memory and in sqlite, by two instances at once: never more identities in an hour than the limit."""
    assert _reserve(rounds, on_disk=False) == _reserve(rounds, on_disk=True)


def _reserve(rounds: Sequence[tuple[list[int], int, bool]], *, on_disk: bool) -> list[list[bool]]:
    async def main() -> list[list[bool]]:
        clock = virtual_clock().now
        with tempfile.TemporaryDirectory() as folder:
            store = open_sqlite_store(Path(folder) / "cordon.db", clock) if on_disk else memory_store(clock)
            try:
                return await _rounds(store, rounds)
            finally:
                with suppress(ValueError):
                    await store.close()

    return run(main, start=START)


async def _rounds(store: LocalStore, rounds: Sequence[tuple[list[int], int, bool]]) -> list[list[bool]]:
    clock = virtual_clock().now
    limits = Limits(identities_per_hour=LIMIT, percent_of_enabled_per_hour=50)
    muster = Muster(store.documents, read_policy(POLICY, "x", ["block-sign-in", "replace-credentials"]), clock)
    two = [Reservations(store.documents, FakeDirectory(STATE, clock), muster, limits, clock) for _ in range(2)]
    model: list[tuple[datetime, int, bool]] = []
    answers: list[list[bool]] = []
    for identities, minutes, confirmed in rounds:
        await asyncio.sleep(60 * minutes)
        asking = [
            two[place % 2].reserve(Spent(_principal(number), clock()), [_principal(number)], confirmed=confirmed)
            for place, number in enumerate(identities)
        ]
        answers.append([over is None for over in await asyncio.gather(*asking)])
        _judge(model, clock(), identities, answers[-1], confirmed=confirmed)
    return answers


def _judge(
    model: list[tuple[datetime, int, bool]], now: datetime, asked: list[int], let: list[bool], *, confirmed: bool
) -> None:
    """The window as a plain list: who was let through in the last hour."""
    recent = {number for at, number, _ in model if now - at < WINDOW}
    if confirmed:
        assert all(let)
    else:
        passed = {number for number, through in zip(asked, let, strict=True) if through}
        assert recent & set(asked) <= passed, "who was let through already is let through again"
        assert len(recent | passed) <= max(LIMIT, len(recent)), "the window was overdrawn"
        full = len(recent | passed) >= LIMIT
        assert full or passed == set(asked), "somebody was held back while there was room"
    model += [(now, n, confirmed) for n, through in zip(asked, let, strict=True) if through and n not in recent]


def _principal(number: int) -> PrincipalId:
    return PrincipalId(f"10000000-0000-4000-8000-{number:012d}")
