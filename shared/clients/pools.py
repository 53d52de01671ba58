"""
Connections to Graph, in several small pools.

One pool looks at each of its connections once for each other one whenever a request comes or goes: with
fifty requests at a time that costs more than everything else between an event and its containment. Small
pools keep it constant.
"""

import ssl
from collections.abc import AsyncIterator, Callable, Sequence

import httpx

_POOLS, _CONNECTIONS = 10, 10  # a hundred connections in all
_LIMITS = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS, keepalive_expiry=60.0)


class Pools(httpx.AsyncBaseTransport):
    """Sends each request through the pool that has the fewest under way; the first of them, so that it stays warm."""

    def __init__(self, pools: Sequence[httpx.AsyncBaseTransport]) -> None:
        self._pools = tuple(pools)
        self._under_way = [0] * len(self._pools)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        place = self._under_way.index(min(self._under_way))
        self._under_way[place] += 1
        try:
            answer = await self._pools[place].handle_async_request(request)
        except BaseException:
            self._under_way[place] -= 1
            raise
        stream = answer.stream
        if not isinstance(stream, httpx.AsyncByteStream):
            raise TypeError("an asynchronous answer was expected")
        answer.stream = _Counted(stream, lambda: self._done(place))
        return answer

    async def aclose(self) -> None:
        for pool in self._pools:
            await pool.aclose()

    def _done(self, place: int) -> None:
        self._under_way[place] -= 1


class _Counted(httpx.AsyncByteStream):
    """A body whose connection is free again once it is closed."""

    def __init__(self, inner: httpx.AsyncByteStream, done: Callable[[], None]) -> None:
        self._inner, self._done = inner, done
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._inner:
            yield part

    async def aclose(self) -> None:
        try:
            await self._inner.aclose()
        finally:
            if not self._closed:
                self._closed = True
                self._done()


def network(verify: ssl.SSLContext) -> Pools:
    """The real network: no proxies from the environment, no retries."""
    return Pools(
        [httpx.AsyncHTTPTransport(verify=verify, trust_env=False, limits=_LIMITS, retries=0) for _ in range(_POOLS)]
    )
