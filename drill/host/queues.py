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
from typing import TYPE_CHECKING

from drill.host.functions import Function
from drill.host.host_json import QueueSettings
from drill.host.invocation import Invoker, say_failed
from drill.host.payloads import QueueDelivery, queue_message
from shared.clock import Clock
from shared.errors import TimeMayHelp
from shared.store import DrivenQueue, Received

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

HIDDEN_WHILE_WORKED_ON = timedelta(minutes=10)
SHORTEST_POLL = timedelta(milliseconds=100)

_log = logging.getLogger("cordon.host")


@dataclass(slots=True)
class QueueListener:
    """Feeds one queue's messages to one function."""

    function: Function
    queue: DrivenQueue
    poison: DrivenQueue | None  # None: this is a poison queue, whose messages are dropped in the end
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
                for message in found:
                    task = asyncio.create_task(self._work(message), name=f"{self.function.name} {message.id}")
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
                wait = SHORTEST_POLL if found else self._longer(wait)
                await asyncio.sleep(wait.total_seconds())

    async def _fetch(self) -> Sequence[Received]:
        try:
            return await self.queue.receive(self.settings.batch_size, HIDDEN_WHILE_WORKED_ON)
        except TimeMayHelp as problem:
            _log.warning("The queue of %s could not be read: %s", self.function.name, problem)
            return ()

    def _longer(self, wait: timedelta) -> timedelta:
        """Twice as long, give or take a fifth, up to the limit."""
        return min(self.settings.max_polling_interval, wait * 2 * self.random.uniform(0.8, 1.2))

    async def _work(self, message: Received) -> None:
        renewing = asyncio.create_task(self._keep_hidden(message), name=f"renew {message.id}")
        try:
            await self.invoker.call(self.function, queue_message(self._delivery(message)))
        except Exception as problem:  # noqa: BLE001 - whatever it was, the queue decides about another try
            await self._after_failure(message, problem)
        else:
            await _as_far_as_possible(self.queue.delete(message), "a message that was worked on was not deleted")
        finally:
            renewing.cancel()

    def _delivery(self, message: Received) -> QueueDelivery:
        return QueueDelivery(
            id=message.id,
            body=message.body,
            dequeue_count=message.dequeue_count,
            inserted_at=message.inserted_at,
            pop_receipt=message.receipt,
            hidden_until=self.clock() + HIDDEN_WHILE_WORKED_ON,
        )

    async def _after_failure(self, message: Received, problem: Exception) -> None:
        if message.dequeue_count < self.settings.max_dequeue_count:
            say_failed(self.function, problem, f"attempt {message.dequeue_count}, tried again later")
            await _as_far_as_possible(
                self.queue.release(message, self.settings.visibility_timeout), "a message was not released"
            )
            return
        say_failed(self.function, problem, "no attempt is left, its message goes to the poison queue")
        await _as_far_as_possible(self._set_aside(message), "a message was not moved to the poison queue")

    async def _set_aside(self, message: Received) -> bool:
        if self.poison:
            await self.poison.put(message.body)
        return await self.queue.delete(message)

    async def _keep_hidden(self, message: Received) -> None:
        while True:
            await asyncio.sleep(HIDDEN_WHILE_WORKED_ON.total_seconds() / 2)
            await _as_far_as_possible(
                self.queue.release(message, HIDDEN_WHILE_WORKED_ON), "a message under way could not be kept hidden"
            )


async def _as_far_as_possible(change: Awaitable[object], what: str) -> None:
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
