"""
How often the store is called before sign-in is blocked, and how many of these calls stand one after the other.

On this machine such a call costs next to nothing; in Azure each is a round trip to the storage account, so
that the longest chain of them tells more about a deployment than the times measured here.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from drill.virtual_time import run, virtual_clock
from shared.store import Store, memory_store
from tests.benchmarks.in_process import URL, InProcessGraph
from tests.benchmarks.rows import Choices, Row
from tests.benchmarks.stage import BY_KIND, folder, responder, settings, write_policy
from tests.benchmarks.stand_in import event

_ROUND_TRIP = 0.01  # seconds of virtual time that a call takes; all else takes none
_GOAL = 12
_START = datetime(2026, 3, 2, 3, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class StoreCalls:
    """Before sign-in is blocked: all calls, and the longest chain of which each waits for the one before."""

    count: int
    depth: int


class Counted:
    """One part of a store; every call takes a round trip and is counted in `calls`, which all parts share."""

    def __init__(self, inner: object, calls: list[str]) -> None:
        self._inner, self._calls = inner, calls

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        called = getattr(self._inner, name)

        async def slow(*args: object, **named: object) -> object:
            self._calls.append(name)
            await asyncio.sleep(_ROUND_TRIP)
            return await called(*args, **named)

        return slow


class WatchedGraph(InProcessGraph):
    """Notes how many calls the store had when sign-in was blocked, and when that was."""

    def __init__(self, calls: list[str]) -> None:
        super().__init__()
        self._calls = calls
        self.before_block, self.blocked_at = 0, 0.0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "PATCH" and "/servicePrincipals/" in request.url.path:
            self.before_block, self.blocked_at = len(self._calls), asyncio.get_running_loop().time()
        return await super().handle_async_request(request)


def store_calls(_: Choices) -> list[Row]:
    """Of the second identity: what the first has learned for all is not counted."""
    found = measure()
    return [
        Row("store calls before sign-in is blocked", found.count, None, ""),
        Row("of these one after the other", found.depth, None, "", note=f"at most {_GOAL}"),
    ]


def measure() -> StoreCalls:
    """Of an identity that is nobody's batch, with a policy that contains it after one read."""
    return run(_measure, start=_START)


async def _measure() -> StoreCalls:
    calls: list[str] = []
    clock = virtual_clock().now
    graph, real = WatchedGraph(calls), memory_store(clock)
    parts = [Counted(each, calls) for each in (real.journal, real.documents, real.evidence, real.queue)]
    store = Store(*parts)  # pyright: ignore[reportArgumentType]
    with folder() as place:
        acting = responder(settings(URL, write_policy(place, BY_KIND)), store, transport=graph, clock=clock)
        await acting.receive_events([event(1)])
        calls.clear()
        begun = asyncio.get_running_loop().time()
        await acting.receive_events([event(2)])
    return StoreCalls(graph.before_block, round((graph.blocked_at - begun) / _ROUND_TRIP))
