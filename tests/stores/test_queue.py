"""What every work queue promises, and how the two that live on this machine are driven."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from shared.clients.sqlite_store import open_sqlite_store
from shared.store import DrivenQueue, Received, memory_store
from tests.stores.chains import START, Watch, new_name
from tests.stores.twins import Twin

pytestmark = pytest.mark.anyio

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture(params=["memory", "sqlite"])
def queue(request: pytest.FixtureRequest, tmp_path: Path, watch: Watch) -> DrivenQueue:
    """A queue that the local host drives."""
    if request.param == "memory":
        return memory_store(watch).queue
    return open_sqlite_store(tmp_path / "cordon.db", watch).queue


def bodies(received: Sequence[Received]) -> list[bytes]:
    return [message.body for message in received]


async def test_a_message_is_received_as_it_was_sent(queue: DrivenQueue) -> None:
    """Bodies are compact ASCII JSON."""
    await queue.send({"incident": "20260302-é", "because": "signal"})

    (received,) = await queue.receive(32, MINUTE)

    assert received.body == b'{"incident":"20260302-\\u00e9","because":"signal"}'
    assert received.dequeue_count == 1
    assert received.inserted_at == START


async def test_a_delayed_message_waits(queue: DrivenQueue, watch: Watch) -> None:
    """It is not seen before its time, and its time can be asked for."""
    await queue.send({"n": 1}, 5 * SECOND)

    assert await queue.next_due() == START + 5 * SECOND
    assert list(await queue.receive(32, MINUTE)) == []
    watch.moves(4.999999 * SECOND)
    assert list(await queue.receive(32, MINUTE)) == []
    watch.moves(timedelta(microseconds=1))
    assert bodies(await queue.receive(32, MINUTE)) == [b'{"n":1}']


async def test_a_received_message_is_hidden_and_comes_back(queue: DrivenQueue, watch: Watch) -> None:
    """Whoever received it and died is replaced; every receiving is counted."""
    await queue.send({"n": 1})
    await queue.receive(32, MINUTE)

    assert list(await queue.receive(32, MINUTE)) == []
    assert await queue.next_due() == START + MINUTE
    watch.moves(MINUTE)

    (again,) = await queue.receive(32, MINUTE)
    assert again.dequeue_count == 2


async def test_a_deleted_message_is_gone(queue: DrivenQueue, watch: Watch) -> None:
    """It does not come back, and cannot be deleted or released again."""
    await queue.send({"n": 1})
    (received,) = await queue.receive(32, MINUTE)

    assert await queue.delete(received)

    watch.moves(2 * MINUTE)
    assert list(await queue.receive(32, MINUTE)) == []
    assert await queue.next_due() is None
    assert not await queue.delete(received)
    assert not await queue.release(received, SECOND)


async def test_only_the_last_receiver_may_delete_or_release(queue: DrivenQueue, watch: Watch) -> None:
    """Who was too slow finds that somebody else has the message."""
    await queue.send({"n": 1})
    (slow,) = await queue.receive(32, MINUTE)
    watch.moves(MINUTE)
    (other,) = await queue.receive(32, MINUTE)

    assert not await queue.delete(slow)
    assert not await queue.release(slow, timedelta())
    assert await queue.delete(other)


async def test_a_released_message_comes_back_after_the_delay(queue: DrivenQueue, watch: Watch) -> None:
    """Sooner than it would have, or later; its holder keeps it until somebody else receives it."""
    await queue.send({"n": 1})
    (received,) = await queue.receive(32, MINUTE)

    assert await queue.release(received, 5 * MINUTE)
    assert await queue.release(received, 5 * SECOND)

    assert await queue.next_due() == START + 5 * SECOND
    assert list(await queue.receive(32, MINUTE)) == []
    watch.moves(5 * SECOND)
    assert len(await queue.receive(32, MINUTE)) == 1


async def test_messages_are_received_by_due_time_then_by_age(queue: DrivenQueue, watch: Watch) -> None:
    """The order is the same on every run."""
    for n, delay in enumerate((3, 0, 2, 0)):
        await queue.send({"n": n}, delay * SECOND)
    watch.moves(MINUTE)

    assert bodies(await queue.receive(3, MINUTE)) == [b'{"n":1}', b'{"n":3}', b'{"n":2}']
    assert bodies(await queue.receive(3, MINUTE)) == [b'{"n":0}']


async def test_one_receive_never_gives_a_message_twice(queue: DrivenQueue) -> None:
    """Not even if it was released several times, or is hidden for no time at all."""
    await queue.send({"n": 1})
    (received,) = await queue.receive(32, timedelta())
    for _ in range(3):
        await queue.release(received, timedelta())

    assert len(await queue.receive(32, timedelta())) == 1


async def test_queues_beside_each_other_do_not_mix(queue: DrivenQueue) -> None:
    """The poison queue is another queue of the same store, and the same one each time it is asked for."""
    await queue.beside("cordon-work-poison").put(b"\x00 any bytes", SECOND * 0)

    assert list(await queue.receive(32, MINUTE)) == []
    assert bodies(await queue.beside("cordon-work-poison").receive(32, MINUTE)) == [b"\x00 any bytes"]


async def test_messages_in_a_file_outlive_the_process_that_sent_them(tmp_path: Path, watch: Watch) -> None:
    """Another process receives them, and a receipt is good for it too."""
    first = open_sqlite_store(tmp_path / "cordon.db", watch)
    await first.queue.send({"n": 1})
    (received,) = await first.queue.receive(1, MINUTE)
    await first.close()
    second = open_sqlite_store(tmp_path / "cordon.db", watch)

    assert await second.queue.next_due() == START + MINUTE
    assert await second.queue.delete(received)


@pytest.mark.parametrize("delay", [timedelta(microseconds=-1), timedelta(days=7, microseconds=1)])
async def test_a_delay_that_the_service_would_refuse_is_refused(twin: Twin, delay: timedelta) -> None:
    """From nothing to seven days."""
    with pytest.raises(ValueError, match="0 to 7 days"):
        await twin.store.queue.send({}, delay)


async def test_the_longest_delay_is_taken(twin: Twin) -> None:
    """Seven days to the second."""
    await twin.store.queue.send({"incident": new_name("later")}, timedelta(days=7))


async def test_the_largest_message_fits_and_one_more_byte_is_refused(twin: Twin) -> None:
    """48 KiB, of which base64 makes the 64 KiB of a storage queue."""
    room = 49_152 - len('{"t":""}')

    await twin.store.queue.send({"t": "x" * room}, timedelta(days=7))
    with pytest.raises(ValueError, match="at most 49152 bytes"):
        await twin.store.queue.send({"t": "x" * (room + 1)})
