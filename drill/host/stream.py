"""
An Event Hub trigger on one partition: bodies in order, in batches, with a checkpoint after each.

As in Azure, the checkpoint moves on when the function has returned, and also when it failed for good:
only a `@retry` policy holds a batch back (facts: Functions docs, Event Hubs trigger). The partition
outlives the process; after a crash it is read again from its checkpoint.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from drill.host.functions import Function
from drill.host.invocation import Invoker, say_failed
from drill.host.payloads import StreamEvent, event_hub_events
from shared.clock import Clock


@dataclass(slots=True)
class Partition:
    """What was sent, and how far it has been read."""

    events: list[StreamEvent] = field(default_factory=list[StreamEvent])
    checkpoint: int = 0  # the sequence number to read next
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def send(self, bodies: Iterable[bytes], clock: Clock) -> None:
        """Add events at the end."""
        for body in bodies:
            self.events.append(StreamEvent(body, len(self.events), clock()))
        self.news.set()


@dataclass(frozen=True, slots=True)
class StreamReader:
    """Feeds the partition to the function."""

    function: Function
    partition: Partition
    batch_size: int
    invoker: Invoker

    async def keep_reading(self) -> None:
        """Read whatever comes, for ever."""
        while True:
            batch = self.partition.events[self.partition.checkpoint :][: self.batch_size]
            if batch:
                await self._hand_over(batch)
                self.partition.checkpoint = batch[-1].sequence + 1
            else:
                self.partition.news.clear()
                await self.partition.news.wait()

    async def _hand_over(self, batch: list[StreamEvent]) -> None:
        try:
            await self.invoker.call_with_retry(self.function, event_hub_events(batch))
        except Exception as problem:  # noqa: BLE001 - the platform goes on to the next batch as well
            say_failed(self.function, problem, "its batch is skipped")
