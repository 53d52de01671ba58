"""The pools in front of Graph."""

import asyncio

import httpx
import pytest

from shared.clients.pools import Pools

pytestmark = pytest.mark.anyio


class Pool(httpx.AsyncBaseTransport):
    """A pool that answers, or breaks."""

    def __init__(self, *, broken: bool = False) -> None:
        self.sent = 0
        self._broken = broken

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.sent += 1
        if self._broken:
            raise httpx.ConnectError("no connection")
        return httpx.Response(200, stream=_Body())


class _Body(httpx.AsyncByteStream):
    async def __aiter__(self):  # noqa: ANN204 - an async generator
        yield b"one"
        yield b"two"


def _request() -> httpx.Request:
    return httpx.Request("GET", "https://graph.microsoft.com/v1.0/organization")


async def test_requests_under_way_are_spread_over_the_pools() -> None:
    """A pool is busy until the body of its answer has been read and closed."""
    first, second = Pool(), Pool()
    pools = Pools([first, second])

    answers = await asyncio.gather(*(pools.handle_async_request(_request()) for _ in range(4)))

    assert (first.sent, second.sent) == (2, 2)
    for answer in answers:
        assert await answer.aread() == b"onetwo"
        await answer.aclose()


async def test_a_lone_request_keeps_to_the_first_pool() -> None:
    """One request at a time finds its connection warm."""
    first, second = Pool(), Pool()
    client = httpx.AsyncClient(transport=Pools([first, second]))

    for _ in range(3):
        await client.send(_request())

    assert (first.sent, second.sent) == (3, 0)


async def test_a_pool_whose_connection_fails_is_free_again() -> None:
    """The error passes through, and the next request does not avoid the pool for ever."""
    first, second = Pool(broken=True), Pool()
    pools = Pools([first, second])

    for _ in range(2):
        with pytest.raises(httpx.ConnectError):
            await pools.handle_async_request(_request())

    assert (first.sent, second.sent) == (2, 0)
