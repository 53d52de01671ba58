"""What the drill's tests share: functions made on the spot, and a host around them."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeVar

from drill.host.functions import Function
from drill.host.host_json import QueueSettings
from drill.host.invocation import Invoker
from drill.host.queues import QueueListener
from drill.host.routes import Keys
from drill.virtual_time import run, virtual_clock
from shared.store import MemoryQueue

T = TypeVar("T")
START = datetime(2026, 3, 2, 3, tzinfo=UTC)
KEYS = Keys(master="master", function="function", event_grid="grid")
SETTINGS = QueueSettings(
    batch_size=4,
    new_batch_threshold=2,
    max_dequeue_count=3,
    visibility_timeout=timedelta(seconds=30),
    max_polling_interval=timedelta(seconds=5),
)


def function(
    kind: str, call: Callable[..., Any], *, retry: dict[str, Any] | None = None, **trigger: object
) -> Function:
    """A function as if it had been indexed; it takes its payload as `given`."""
    return Function("probe", kind, "given", trigger, retry, call)


def invoker(timeout: timedelta = timedelta(minutes=10)) -> Invoker:
    return Invoker(timeout, before=lambda: None, died=lambda _: None)


def under_virtual_time(story: Callable[[], Awaitable[T]]) -> T:
    return run(story, start=START)


def seconds_since_start() -> float:
    return (virtual_clock().now() - START).total_seconds()


def listener(call: Callable[..., Any], queue: MemoryQueue, poison: MemoryQueue | None) -> QueueListener:
    """Feeds `queue` to `call`, under the running virtual clock."""
    return QueueListener(
        function=function("queueTrigger", call),
        queue=queue,
        poison=poison,
        settings=SETTINGS,
        invoker=invoker(),
        clock=virtual_clock().now,
        random=Random(0),  # noqa: S311 - a fixed seed is the point
    )
