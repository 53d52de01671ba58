"""One book for each quota: several instances together keep within it, and containment waits for nobody's book."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import pairwise

from drill.practice.chance import Chance
from drill.practice.faults import Faults
from drill.store_faults import StoreTrouble, TroubledDocuments
from drill.virtual_time import virtual_clock
from shared.clients.governor import Governor, as_body, read_page, wait_in_book
from shared.clients.pacing import DIRECTORY_WRITES, IDENTITY_PROTECTION, REPORTS, Quota, Window, refuse, spend
from shared.clock import Clock
from shared.signal import JsonObject
from shared.store import Documents, MemoryDocuments
from tests.clients.fake_graph import play

PER_SECOND = IDENTITY_PROTECTION.seconds


def instances(count: int, documents: Documents, clock: Clock | None = None) -> list[Governor]:
    return [Governor(documents, clock or virtual_clock().now) for _ in range(count)]


class Sent:
    """Takes turns and notes when who had one."""

    def __init__(self) -> None:
        self.at: list[tuple[float, str]] = []

    async def go(self, governor: Governor, name: str, quota: Quota, *, urgent: bool) -> None:
        await governor.take(quota, urgent=urgent)
        self.at.append((round(asyncio.get_running_loop().time(), 3), name))

    @property
    def gaps(self) -> list[float]:
        times = [time for time, _ in self.at]
        return [later - earlier for earlier, later in pairwise(times)]


def test_two_instances_share_one_request_a_second() -> None:
    """Ten polls of each: never two within a second, and nearly the whole quota is used."""

    async def story() -> Sent:
        sent, both = Sent(), instances(2, MemoryDocuments())
        async with asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(sent.go(both[number % 2], f"{number}", IDENTITY_PROTECTION, urgent=False))
        return sent

    sent = play(story)

    assert min(sent.gaps) >= PER_SECOND - 0.01
    assert sent.at[-1][0] <= 20 * PER_SECOND


def test_containment_on_one_instance_goes_ahead_of_another_ones_polls() -> None:
    """It waits for the request before it, and not for the queue of polls that stands on the other instance."""

    async def story() -> Sent:
        sent, (poller, container) = Sent(), instances(2, MemoryDocuments())
        async with asyncio.TaskGroup() as group:
            for number in range(5):
                group.create_task(sent.go(poller, f"poll {number}", IDENTITY_PROTECTION, urgent=False))
            await asyncio.sleep(0.3)
            for number in range(3):
                group.create_task(sent.go(container, f"containment {number}", IDENTITY_PROTECTION, urgent=True))
        return sent

    sent = play(story)

    assert [name for _, name in sent.at][:4] == ["poll 0", "containment 0", "containment 1", "containment 2"]
    assert min(sent.gaps) >= PER_SECOND - 0.01


def test_beside_containment_polls_leave_a_share_and_without_it_they_use_all() -> None:
    """Four of five places while somebody contains; all of them a minute later."""
    window = spend(Window(urgent_at=0.0), REPORTS, 0.0, 4)

    assert wait_in_book(window, REPORTS, 1.0, 1, urgent=False) > 0
    assert wait_in_book(window, REPORTS, 1.0, 1, urgent=True) == 0
    assert wait_in_book(spend(window, REPORTS, 61.0, 4), REPORTS, 62.0, 1, urgent=False) == 0


def test_a_refusal_that_one_instance_meets_slows_the_other_down() -> None:
    """The other one has never sent anything, and waits out the Retry-After all the same."""

    async def story() -> float:
        refused, other = instances(2, MemoryDocuments())
        refused.refused(IDENTITY_PROTECTION, 7.0)
        await asyncio.sleep(0.1)
        await other.take(IDENTITY_PROTECTION, urgent=True)
        return asyncio.get_running_loop().time()

    assert 6.9 <= play(story) <= 7.2


class Silent(MemoryDocuments):
    """A store that takes its time for every call; calls are counted."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds, self.calls = seconds, 0

    async def get(self, partition: str, key: str):  # noqa: ANN201 - as inherited
        self.calls += 1
        await asyncio.sleep(self.seconds)
        return await super().get(partition, key)


def test_the_first_cut_does_not_wait_for_the_store() -> None:
    """Fifty writes at once go at the same moment, and are written down behind, many at a time."""

    async def story() -> tuple[float, int, int]:
        slow = Silent(0.2)
        (governor,) = instances(1, slow)
        await asyncio.gather(*(governor.take(DIRECTORY_WRITES, urgent=True, cost=2) for _ in range(50)))
        at = asyncio.get_running_loop().time()
        await asyncio.sleep(5)
        document = await slow.get("quotas", "directory-writes")
        assert document is not None
        return at, len(read_page(document.body, virtual_clock().now().timestamp()).sent), slow.calls - 1

    at, written, calls = play(story)

    assert at == 0.0
    assert written == 100
    assert calls <= 3


def test_where_there_is_plenty_the_cuts_of_a_moment_are_written_down_together() -> None:
    """Twenty at once take one line of the book, in a moment; none of them is left out."""

    class Counted(MemoryDocuments):
        writes = 0

        async def insert(self, partition: str, key: str, body: JsonObject) -> bool:
            self.writes += 1
            return await super().insert(partition, key, body)

        async def replace(self, partition: str, key: str, body: JsonObject, etag: str) -> bool:
            self.writes += 1
            return await super().replace(partition, key, body, etag)

    async def story() -> tuple[int, Window]:
        documents = Counted()
        (governor,) = instances(1, documents)
        for _ in range(20):  # one after the other, and without any pause
            await governor.take(DIRECTORY_WRITES, urgent=True)
            await asyncio.sleep(0)
        await asyncio.sleep(0.1)
        (page,) = await documents.query("quotas")
        return documents.writes, read_page(page.body, virtual_clock().now().timestamp())

    writes, page = play(story)

    assert writes == 1
    assert len(page.sent) == 20


def test_a_store_that_hangs_holds_up_containment_for_half_a_second_once_and_polls_fall_back_to_a_share() -> None:
    """Nobody can see what the others do, so polls become few; containment keeps its own pace."""

    async def story() -> Sent:
        sent, (governor,) = Sent(), instances(1, Silent(3600))
        for number in range(3):
            await sent.go(governor, f"containment {number}", IDENTITY_PROTECTION, urgent=True)
        await sent.go(governor, "poll", IDENTITY_PROTECTION, urgent=False)
        return sent

    sent = play(story)

    assert [at for at, _ in sent.at][:3] == [0.5, round(0.5 + PER_SECOND, 3), round(0.5 + 2 * PER_SECOND, 3)]
    assert sent.gaps[-1] >= 4 * PER_SECOND - 0.01


def test_a_store_that_fails_at_random_costs_pace_and_no_request() -> None:
    """Lost answers and refusals of the store are mended or borne; every request goes out once."""

    async def story() -> Sent:
        trouble = StoreTrouble(
            Faults(
                [
                    {"service": "store", "match": "replace documents/quotas", "kind": kind, "share": 0.2}
                    for kind in ("timeout-applied", "503")
                ],
                Chance(7),
            ),
            virtual_clock().now,
            0.0,
        )
        both = instances(2, TroubledDocuments(MemoryDocuments(), trouble))
        sent = Sent()
        async with asyncio.TaskGroup() as group:
            for number in range(12):
                group.create_task(sent.go(both[number % 2], f"{number}", REPORTS, urgent=number % 3 == 0))
        return sent

    assert len(play(story).at) == 12


def test_a_page_says_the_same_after_it_was_written_and_large_ones_stay_small() -> None:
    """Small quotas to the moment; of three thousand writes only how many in which second and a half."""
    exact = refuse(spend(Window(urgent_at=3.0), REPORTS, 5.25, 3), REPORTS, 6.0, 2.5)
    many = Window()
    for number in range(3000):
        many = spend(many, DIRECTORY_WRITES, number / 20)
    body = as_body(many, DIRECTORY_WRITES)

    assert read_page(as_body(exact, REPORTS), 10.0) == exact
    assert len(str(body)) < 4000
    read = read_page(body, 150.0)
    assert len(read.sent) == 3000
    assert all(0 <= rounded - sent < 1.6 for sent, rounded in zip(many.sent, read.sent, strict=True))


def test_a_clock_far_ahead_does_not_stop_the_others() -> None:
    """What is written an hour in the future counts as now."""

    async def story() -> float:
        documents, now = MemoryDocuments(), virtual_clock().now
        ahead: Callable[[], Awaitable[None]] = lambda: Governor(documents, lambda: now() + timedelta(hours=1)).take(  # noqa: E731
            IDENTITY_PROTECTION, urgent=False
        )
        await ahead()
        await instances(1, documents)[0].take(IDENTITY_PROTECTION, urgent=True)
        return asyncio.get_running_loop().time()

    assert play(story) < 7.0
