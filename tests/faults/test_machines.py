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
from shared.case import Holder, IdentityState, Known
from shared.clients.sqlite_store import open_sqlite_store
from shared.entries import UndoOrdered
from shared.errors import RequestConflicts
from shared.identity import PrincipalId
from shared.incident import Status
from shared.limits import WINDOW, Spent
from shared.muster import Muster
from shared.policy import Limits, read_policy
from shared.reservations import Reservations
from shared.standing import waiting_plan
from shared.store import LocalStore, memory_store
from tests.fakes import START, FakeDirectory, certificate, federated, password, payroll
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


# Undo

UNDONE = payroll(application=[password(1), certificate(2), federated(3)])
TURNS = st.tuples(st.sampled_from(["undo", "undo", "a stranger's key", "enable", "leak", "work", "wait"]), INSTANCES)


@dataclass
class PutBack:
    """What the model knows: how it was before Cordon came, how many orders were taken, what strangers put there."""

    world: World
    before: IdentityState
    orders: int = 0
    leaks: int = 1
    strangers: int = 0

    async def move(self, name: str, instance: str) -> None:
        world, responder = self.world, self.world.instance(instance)
        match name:
            case "undo":
                await self._undo(instance)
            case "a stranger's key":
                self.strangers += 1
                held = self._holder()
                more = replace(held, keys=(*held.keys, certificate(100 + self.strangers)))
                world.directory.state = replace(world.directory.state, application=more)
            case "enable":
                world.directory.state = replace(world.directory.state, enabled=True)
            case "leak":
                self.leaks += 1
                await world.hear_of_leak(responder, self.leaks)
            case "work":
                await world.work_queue(responder, timedelta(minutes=2))
            case _:
                await asyncio.sleep(3 * 3600)
        effects = world.directory.effects
        assert effects.count("accountEnabled=True") <= self.orders, "sign-in was given back more often than ordered"
        assert effects.count("give federated fic-3") <= self.orders

    async def _undo(self, instance: str) -> None:
        """Ordered and worked off, or refused without any effect; the same order again does nothing more."""
        world = self.world
        if await self._is_refused(instance):
            return
        self.orders += 1
        held = {key.key_id for key in self._holder().keys}
        await world.work_queue(world.instance(instance), timedelta(minutes=1))
        self._judge(held)
        effects = list(world.directory.effects)
        assert await self._is_refused(instance), "the same order was taken twice"
        await world.work_queue(world.instance(instance), timedelta(hours=3))
        assert world.directory.effects == effects, "something was done after the undo"

    def _judge(self, held: set[str]) -> None:
        """As it was before, but for the secret; and what was there when it was ordered is there still."""
        state, keys = self.world.directory.state, {key.key_id for key in self._holder().keys}
        assert state.enabled
        assert keys >= held | {key.key_id for key in self._holder(self.before).keys}, "a stranger's key was overwritten"
        assert _trusts(self._holder()) == _trusts(self._holder(self.before))

    async def _is_refused(self, instance: str) -> bool:
        effects = list(self.world.directory.effects)
        listed = await self.world.store.documents.query("incidents")
        newest = await asyncio.gather(*(self.world.chain_of(str(each.body["incident"])) for each in listed))
        chain = max(newest, key=lambda chain: chain.records[0].time)
        try:
            await self.world.instance(instance).undo(chain.incident, UndoOrdered(by="a person", reason="a test"))
        except RequestConflicts:
            assert self.world.directory.effects == effects
            return True
        return False

    def _holder(self, state: IdentityState | None = None) -> Holder:
        held = (state or self.world.directory.state).application
        assert held is not None
        return held


def _trusts(holder: Holder) -> set[str]:
    assert isinstance(holder.federated, Known)
    return {trust.name for trust in holder.federated.value}


@CALM
@given(st.lists(TURNS, max_size=6))
def test_an_undo_leaves_it_as_it_was_once_and_only_when_ordered(moves: Sequence[Move]) -> None:
    """Whatever strangers do in between: contained, undone as it was, not undone again, theirs not overwritten."""

    async def story(world: World) -> None:
        await world.hear_of_leak(world.instance())
        model = PutBack(world, UNDONE)
        for name, instance in [*moves, ("undo", "one")]:
            await model.move(name, instance)

    play(story, UNDONE, policy=POLICY)


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
