"""
Queue triggers: batches, the wait after a failed attempt, and the poison queue.

As the platform's listener does it (facts: Functions docs, storage queue trigger): while at most
`newBatchThreshold` messages are under way, up to `batchSize` more are fetched; a message under way is
hidden for ten minutes, and that is renewed; after `maxDequeueCount` failures a copy with a new id goes to
`<queue>-poison`. An idle queue is asked ever more seldom, up to `maxPollingInterval`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Protocol

from drill.host.functions import Function
from drill.host.host_json import QueueSettings
from drill.host.invocation import Invoker, say_failed
from drill.host.payloads import QueueDelivery, queue_message
from shared.clock import Clock
from shared.errors import TimeMayHelp

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

HIDDEN_WHILE_WORKED_ON = timedelta(minutes=10)
SHORTEST_POLL = timedelta(milliseconds=100)

_log = logging.getLogger("cordon.host")


class ServedQueue(Protocol):
    """The host's side of a queue. A message is deleted or released by whoever received it last."""

    async def receive(self, most: int, hidden: timedelta) -> Sequence[QueueDelivery]:
        """Fetch visible messages, hiding them; each fetch counts as a dequeue."""
        ...

    async def renew(self, delivery: QueueDelivery, hidden: timedelta) -> None:
        """Keep it hidden for so long from now on."""
        ...

    async def release(self, delivery: QueueDelivery, delay: timedelta) -> None:
        """Let others see it again after `delay`."""
        ...

    async def delete(self, delivery: QueueDelivery) -> None:
        """It is done with."""
        ...

    async def put(self, body: bytes) -> None:
        """Add a message under a new id, visible at once."""
        ...


@dataclass(slots=True)
class QueueListener:
    """Feeds one queue's messages to one function."""

    function: Function
    queue: ServedQueue
    poison: ServedQueue | None  # None: this is a poison queue, whose messages are dropped in the end
    settings: QueueSettings
    invoker: Invoker
    clock: Clock
    random: Random

    async def keep_listening(self) -> None:
        """Fetch and work, for ever. Cancelling it cancels what is under way: those messages come back later."""
        wait = SHORTEST_POLL
        under_way: set[asyncio.Task[None]] = set()
        async with _cancelling(under_way):
            while True:
                await _room(under_way, self.settings.new_batch_threshold)
                found = await self._fetch()
                for delivery in found:
                    task = asyncio.create_task(self._work(delivery), name=f"{self.function.name} {delivery.id}")
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
                wait = SHORTEST_POLL if found else self._longer(wait)
                await asyncio.sleep(wait.total_seconds())

    async def _fetch(self) -> Sequence[QueueDelivery]:
        try:
            return await self.queue.receive(self.settings.batch_size, HIDDEN_WHILE_WORKED_ON)
        except TimeMayHelp as problem:
            _log.warning("The queue of %s could not be read: %s", self.function.name, problem)
            return ()

    def _longer(self, wait: timedelta) -> timedelta:
        """Twice as long, give or take a fifth, up to the limit."""
        return min(self.settings.max_polling_interval, wait * 2 * self.random.uniform(0.8, 1.2))

    async def _work(self, delivery: QueueDelivery) -> None:
        renewing = asyncio.create_task(self._keep_hidden(delivery), name=f"renew {delivery.id}")
        try:
            await self.invoker.call(self.function, queue_message(delivery))
        except Exception as problem:  # noqa: BLE001 - whatever it was, the queue decides about another try
            await self._after_failure(delivery, problem)
        else:
            await _as_far_as_possible(self.queue.delete(delivery), "a message that was worked on was not deleted")
        finally:
            renewing.cancel()

    async def _after_failure(self, delivery: QueueDelivery, problem: Exception) -> None:
        if delivery.dequeue_count < self.settings.max_dequeue_count:
            say_failed(self.function, problem, f"attempt {delivery.dequeue_count}, tried again later")
            await _as_far_as_possible(
                self.queue.release(delivery, self.settings.visibility_timeout), "a message was not released"
            )
            return
        say_failed(self.function, problem, "no attempt is left, its message goes to the poison queue")
        await _as_far_as_possible(self._set_aside(delivery), "a message was not moved to the poison queue")

    async def _set_aside(self, delivery: QueueDelivery) -> None:
        if self.poison:
            await self.poison.put(delivery.body)
        await self.queue.delete(delivery)

    async def _keep_hidden(self, delivery: QueueDelivery) -> None:
        while True:
            await asyncio.sleep(HIDDEN_WHILE_WORKED_ON.total_seconds() / 2)
            await _as_far_as_possible(
                self.queue.renew(delivery, HIDDEN_WHILE_WORKED_ON), "a message under way could not be kept hidden"
            )


async def _as_far_as_possible(change: Awaitable[None], what: str) -> None:
    """The queue may not answer: then the message shows up again by itself, which is what it is for."""
    try:
        await change
    except TimeMayHelp as problem:
        _log.warning("%s: %s", what, problem)


async def _room(under_way: set[asyncio.Task[None]], threshold: int) -> None:
    while len(under_way) > threshold:
        await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)


@asynccontextmanager
async def _cancelling(tasks: set[asyncio.Task[None]]) -> "AsyncGenerator[None]":
    try:
        yield
    finally:
        left = list(tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
