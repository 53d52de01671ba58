"""The host treats a queue as the platform does."""

import asyncio
import itertools
from datetime import timedelta
from typing import Any

from drill.virtual_time import virtual_clock
from shared.store import MemoryQueue
from tests.drill.play import listener, seconds_since_start, under_virtual_time


async def _listen(call: Any, queue: MemoryQueue, poison: MemoryQueue | None, until: float) -> None:
    task = asyncio.create_task(listener(call, queue, poison).keep_listening())
    await asyncio.sleep(until)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_a_message_that_is_worked_on_is_gone() -> None:
    """Success deletes the message, and the function saw its body and that it was the first attempt."""
    seen: list[tuple[bytes, int]] = []

    async def story() -> object:
        queue = MemoryQueue(virtual_clock().now)
        await queue.send({"incident": "one"})

        async def call(given: Any) -> None:
            seen.append((given.get_body(), given.dequeue_count))

        await _listen(call, queue, None, 60)
        return await queue.next_due()

    left = under_virtual_time(story)

    assert seen == [(b'{"incident":"one"}', 1)]
    assert left is None


def test_a_message_that_fails_every_time_is_copied_to_the_poison_queue() -> None:
    """After maxDequeueCount attempts, half a minute apart, a copy under a new id is left for a person."""
    attempts: list[tuple[int, float]] = []

    async def story() -> tuple[object, list[Any]]:
        queue, poison = MemoryQueue(virtual_clock().now), MemoryQueue(virtual_clock().now)
        await queue.put(b"other")  # so that the copy cannot have the original's number by chance
        await queue.put(b"bad")

        async def call(given: Any) -> None:
            if given.get_body() == b"bad":
                attempts.append((given.dequeue_count, round(seconds_since_start())))
                raise RuntimeError("cannot be done")

        await _listen(call, queue, poison, 300)
        return await queue.next_due(), list(await poison.receive(9, timedelta()))

    left, poisoned = under_virtual_time(story)

    assert [count for count, _ in attempts] == [1, 2, 3]
    assert all(30 <= later - earlier <= 36 for (_, earlier), (_, later) in itertools.pairwise(attempts))
    assert left is None
    assert [(message.body, message.dequeue_count) for message in poisoned] == [(b"bad", 1)]


def test_no_more_run_side_by_side_than_the_settings_allow() -> None:
    """Concurrency is at most batchSize + newBatchThreshold."""
    running, most = 0, 0

    async def story() -> object:
        queue = MemoryQueue(virtual_clock().now)
        for number in range(20):
            await queue.send({"incident": str(number)})

        async def call(given: Any) -> None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(10 * (1 + int(given.id) % 3))
            running -= 1

        await _listen(call, queue, None, 120)
        return await queue.next_due()

    left = under_virtual_time(story)

    assert most == 4 + 2
    assert left is None


def test_a_message_under_way_for_longer_than_its_hiding_is_not_handed_out_twice() -> None:
    """While a function runs, its message's hiding is renewed."""
    calls = 0

    async def story() -> None:
        queue = MemoryQueue(virtual_clock().now)
        await queue.send({"incident": "long"})

        async def call(given: Any) -> None:
            nonlocal calls
            calls += 1
            await asyncio.sleep(9 * 60)

        await _listen(call, queue, None, 30 * 60)

    under_virtual_time(story)

    assert calls == 1


def test_a_killed_host_leaves_its_message_to_the_next_one() -> None:
    """What was under way when the host ended comes back after ten minutes, as attempt two."""
    attempts: list[tuple[int, float]] = []

    async def story() -> None:
        queue = MemoryQueue(virtual_clock().now)
        await queue.send({"incident": "one"})

        async def call(given: Any) -> None:
            attempts.append((given.dequeue_count, seconds_since_start()))
            await asyncio.sleep(60)

        await _listen(call, queue, None, 30)
        await _listen(call, queue, None, 30 * 60)

    under_virtual_time(story)

    assert [count for count, _ in attempts] == [1, 2]
    assert 600 <= attempts[1][1] <= 610
