"""
How often the store is called, one call after the other, before sign-in is blocked.

On this machine such a call costs next to nothing; in Azure each is a round trip to the storage account, so
that their number tells more about a deployment than the times measured here.
"""

import asyncio
from collections.abc import Awaitable, Callable

import httpx

from shared.clock import system_clock
from shared.store import Store, memory_store
from tests.benchmarks.in_process import URL, InProcessGraph
from tests.benchmarks.rows import Choices, Row
from tests.benchmarks.stage import BY_KIND, folder, responder, settings, write_policy
from tests.benchmarks.stand_in import event


class Counted:
    """One part of a store; every call is counted in `calls`, which all parts share."""

    def __init__(self, inner: object, calls: list[str]) -> None:
        self._inner, self._calls = inner, calls

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        self._calls.append(name)
        return getattr(self._inner, name)


class WatchedGraph(InProcessGraph):
    """Notes how many calls the store had when sign-in was blocked."""

    def __init__(self, calls: list[str]) -> None:
        super().__init__()
        self._calls = calls
        self.before_block = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "PATCH" and "/servicePrincipals/" in request.url.path:
            self.before_block = len(self._calls)
        return await super().handle_async_request(request)


def store_calls(_: Choices) -> list[Row]:
    """Of the second identity: what the first has learned for all is not counted."""
    return [Row("store calls before sign-in is blocked", asyncio.run(_count()), None, "")]


async def _count() -> int:
    calls: list[str] = []
    graph, real = WatchedGraph(calls), memory_store(system_clock)
    parts = [Counted(each, calls) for each in (real.journal, real.documents, real.evidence, real.queue)]
    store = Store(*parts)  # pyright: ignore[reportArgumentType]
    with folder() as place:
        acting = responder(settings(URL, write_policy(place, BY_KIND)), store, transport=graph)
        await acting.receive_events([event(1)])
        calls.clear()
        await acting.receive_events([event(2)])
    return graph.before_block
