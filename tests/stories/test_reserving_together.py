"""Fifty identities that ask one instance for a place at the same time: judged one by one, read and stored once."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from drill.virtual_time import run, virtual_clock
from shared.errors import Unreachable
from shared.identity import PrincipalId
from shared.limits import Over, Spent, Window
from shared.muster import Muster
from shared.policy import Limits, read_policy
from shared.reservations import Reservations, read_window
from shared.signal import JsonObject
from shared.store import Document, MemoryDocuments
from tests.fakes import START, FakeDirectory, password, payroll
from tests.stories.world import POLICY

_STATE = payroll(application=[password(1)])
_MANY = 50
_READING = 0.025  # seconds until the window is being read


@dataclass
class FarDocuments(MemoryDocuments):
    """Documents a round trip away. `calls` holds what was done to the window; `broken` lets that fail."""

    calls: list[str] = field(default_factory=list[str])
    broken: bool = False
    lists: int = 0  # how often the list of the undecided was read
    no_lists: bool = False

    def __post_init__(self) -> None:
        super().__init__()

    async def get(self, partition: str, key: str) -> Document | None:
        await self._travel("get", key)
        return await super().get(partition, key)

    async def insert(self, partition: str, key: str, body: JsonObject) -> bool:
        await self._travel("insert", key)
        return await super().insert(partition, key, body)

    async def replace(self, partition: str, key: str, body: JsonObject, etag: str) -> bool:
        await self._travel("replace", key)
        return await super().replace(partition, key, body, etag)

    async def query(
        self, partition: str, *, after: str = "", before: str | None = None, limit: int = 1000
    ) -> Sequence[Document]:
        self.lists += 1
        await asyncio.sleep(0.01)
        if self.no_lists:
            raise Unreachable("reading the list", "the store does not answer")
        return await super().query(partition, after=after, before=before, limit=limit)

    async def _travel(self, call: str, key: str) -> None:
        if key == "identities":
            self.calls.append(call)
        await asyncio.sleep(0.01)
        if key == "identities" and self.broken:
            raise Unreachable("reading the limits", "the store does not answer")


def _reservations(documents: FarDocuments, limit: int = 100) -> Reservations:
    clock = virtual_clock().now
    muster = Muster(documents, read_policy(POLICY, "x", ["block-sign-in", "replace-credentials"]), clock)
    limits = Limits(identities_per_hour=limit, percent_of_enabled_per_hour=100)
    return Reservations(documents, FakeDirectory(_STATE, clock), muster, limits, clock)


def _reserve(reservations: Reservations, number: int) -> asyncio.Task[Over | None]:
    principal = _principal(number)
    wanted = Spent(principal, reservations.clock())
    return asyncio.ensure_future(reservations.reserve(wanted, [principal]))


def _principal(number: int) -> PrincipalId:
    return PrincipalId(f"10000000-0000-4000-8000-{number:012d}")


def _play(story: Callable[[FarDocuments], Awaitable[None]]) -> None:
    async def main() -> None:
        await story(FarDocuments())

    run(main, start=START)


async def _let_through(asking: Sequence[asyncio.Task[Over | None]]) -> list[int]:
    answers = await asyncio.gather(*asking)
    return [number for number, over in enumerate(answers) if over is None]


def test_many_that_ask_at_once_cost_as_many_round_trips_as_one() -> None:
    """Otherwise each of them would write the same document, and all but one would have to read it again."""

    async def story(documents: FarDocuments) -> None:
        reservations = _reservations(documents)
        passed = await _let_through([_reserve(reservations, number) for number in range(_MANY)])

        assert len(passed) == _MANY
        assert documents.calls == ["get", "insert"]

    _play(story)


def test_the_limit_is_exact_among_those_that_ask_together() -> None:
    """As many as there is room for are let through, and the window holds them and nobody else."""

    async def story(documents: FarDocuments) -> None:
        reservations = _reservations(documents, limit=7)
        passed = await _let_through([_reserve(reservations, number) for number in range(_MANY)])
        document = await documents.get("limits", "identities")
        window = read_window(document.body) if document else Window()

        assert len(passed) == 7
        assert {each.principal_id for each in window.spent} == {_principal(number) for number in passed}

    _play(story)


def test_two_instances_at_once_still_share_one_limit() -> None:
    """Each writes for its own fifty; whoever was slower reads what the other has stored and judges again."""

    async def story(documents: FarDocuments) -> None:
        two = _reservations(documents, limit=60), _reservations(documents, limit=60)
        passed = await _let_through([_reserve(two[n % 2], n) for n in range(2 * _MANY)])

        assert len(passed) == 60

    _play(story)


def test_a_store_that_does_not_answer_is_told_to_all_who_waited() -> None:
    """Nobody is let through, and nobody has to wait for the others to fail one after the other."""

    async def story(documents: FarDocuments) -> None:
        reservations = _reservations(documents)
        documents.broken = True
        answers = await asyncio.gather(*(_reserve(reservations, n) for n in range(_MANY)), return_exceptions=True)
        documents.broken = False

        assert all(isinstance(answer, Unreachable) for answer in answers)
        assert documents.calls == ["get"]
        assert await _let_through([_reserve(reservations, 1)]) == [0]

    _play(story)


def test_whoever_is_cancelled_in_the_middle_leaves_the_others_their_answer() -> None:
    """The one that reads for all is ended: another one reads."""

    async def story(documents: FarDocuments) -> None:
        reservations = _reservations(documents)
        asking = [_reserve(reservations, number) for number in range(3)]
        await asyncio.sleep(_READING)
        calls = list(documents.calls)
        asking[0].cancel()
        with suppress(asyncio.CancelledError):
            await asking[0]

        assert calls == ["get"]
        assert await _let_through(asking[1:]) == [0, 1]

    _play(story)


def test_who_comes_while_the_window_is_read_goes_next() -> None:
    """It is judged by the window that the others leave, and not by the one that they found."""

    async def story(documents: FarDocuments) -> None:
        reservations = _reservations(documents, limit=1)
        first = _reserve(reservations, 1)
        await asyncio.sleep(_READING)
        calls, second = list(documents.calls), _reserve(reservations, 2)

        assert calls == ["get"]
        assert await first is None
        assert isinstance(await second, Over)

    _play(story)


async def _report(documents: FarDocuments, number: int) -> None:
    await documents.insert("undecided", _principal(number), {"at": START.isoformat()})


def test_many_that_ask_at_once_read_the_list_of_the_undecided_once() -> None:
    """Each gets everybody but himself; whoever asks a moment later reads it again, and sees who was reported since."""

    async def story(documents: FarDocuments) -> None:
        muster = _reservations(documents).muster
        for number in range(_MANY):
            await _report(documents, number)
        batches = await asyncio.gather(*(muster.others([_principal(number)]) for number in range(_MANY)))
        late = asyncio.ensure_future(muster.others([]))
        await asyncio.sleep(0.005)  # it is under way
        await _report(documents, _MANY)
        latest = await muster.others([])

        everybody = frozenset(map(_principal, range(_MANY)))
        assert [batch.others for batch in batches] == [everybody - {_principal(number)} for number in range(_MANY)]
        assert (await late).others == everybody
        assert latest.others == everybody | {_principal(_MANY)}
        assert documents.lists == 3

    _play(story)


def test_a_list_that_cannot_be_read_is_told_to_all_who_asked_and_read_afresh_afterwards() -> None:
    """Also where the one that asked first is gone meanwhile."""

    async def story(documents: FarDocuments) -> None:
        muster = _reservations(documents).muster
        documents.no_lists = True
        asking = [asyncio.ensure_future(muster.others([])) for _ in range(3)]
        await asyncio.sleep(0)
        asking[0].cancel()
        answers = await asyncio.gather(*asking, return_exceptions=True)
        documents.no_lists = False

        assert [type(answer) for answer in answers] == [asyncio.CancelledError, Unreachable, Unreachable]
        assert (await muster.others([])).others == frozenset()
        assert documents.lists == 2

    _play(story)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Limits are reached on purpose here, and said loudly."""
    caplog.set_level("ERROR", logger="cordon")


def test_a_list_that_nobody_waits_for_any_more_fails_in_silence() -> None:
    """Whoever asked was ended; what the store answers after that is no error that anybody has to see to."""

    async def story(documents: FarDocuments) -> None:
        loop, complaints = asyncio.get_running_loop(), list[object]()
        loop.set_exception_handler(lambda loop, context: complaints.append(context["message"]))
        documents.no_lists = True
        asker = asyncio.ensure_future(_reservations(documents).muster.others([]))
        await asyncio.sleep(0.005)  # it is under way
        asker.cancel()
        await asyncio.sleep(1)
        gc.collect()

        assert documents.lists == 1
        assert complaints == []

    _play(story)
