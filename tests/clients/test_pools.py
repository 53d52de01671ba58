"""The network in front of Graph, against a small server on this machine that answers as it is told."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from shared.clients.pools import Network, network

pytestmark = pytest.mark.anyio

Talk = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Counts its connections and keeps what it was sent."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self.connections = 0
        self.heads: list[bytes] = []

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                await self._talk(head, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


async def _greet(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nonetwo")


async def _hang_up(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def _point_elsewhere(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 302 Found\r\nLocation: /other\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n")


async def _pack(_: bytes, writer: asyncio.StreamWriter) -> None:
    body = gzip.compress(b"packed")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


async def _break_off(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\nhalf")
    await writer.drain()
    writer.transport.abort()


@asynccontextmanager
async def _talking(talk: Talk) -> AsyncGenerator[tuple[Server, Network, str]]:
    server, connections = Server(talk), network(ssl.create_default_context())
    listening = await asyncio.start_server(server.meet, "127.0.0.1", 0)
    try:
        yield server, connections, f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1.0/x?a=%27b%27"
    finally:
        await connections.aclose()
        listening.close()


async def _send(connections: Network, url: str, method: str = "GET") -> bytes:
    answer = await connections.handle_async_request(httpx.Request(method, url))
    try:
        return b"".join([part async for part in _parts(answer)])
    finally:
        await answer.aclose()


def _parts(answer: httpx.Response) -> httpx.AsyncByteStream:
    assert isinstance(answer.stream, httpx.AsyncByteStream)
    return answer.stream


async def test_a_connection_is_used_again_and_the_address_goes_out_as_it_was_made() -> None:
    """Nobody quotes a filter a second time on its way."""
    async with _talking(_greet) as (server, connections, url):
        bodies = [await _send(connections, url) for _ in range(3)]

    assert bodies == [b"onetwo"] * 3
    assert server.connections == 1
    assert server.heads[0].startswith(b"GET /v1.0/x?a=%27b%27 HTTP/1.1")


async def test_requests_at_once_have_connections_of_their_own() -> None:
    """Nobody waits behind another's answer."""

    async def slowly(head: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        await _greet(head, writer)

    async with _talking(slowly) as (server, connections, url):
        await asyncio.gather(*(_send(connections, url) for _ in range(5)))

    assert server.connections == 5


async def test_nobody_listening_is_told_from_an_answer_that_was_lost() -> None:
    """What was never sent may be tried again without a thought; what was lost may have been carried out."""
    async with _talking(_hang_up) as (_, connections, url):
        with pytest.raises(httpx.ReadError):
            await _send(connections, url, "PATCH")
    async with _talking(_greet) as (_, _, url):
        pass

    nobody = network(ssl.create_default_context())
    with pytest.raises(httpx.ConnectError):
        await _send(nobody, url, "PATCH")
    await nobody.aclose()


async def test_a_write_is_never_sent_twice_by_itself() -> None:
    """Also not where a kept connection breaks: whether to repeat is decided above."""
    answers = iter([_greet, _hang_up, _greet])

    async def talk(head: bytes, writer: asyncio.StreamWriter) -> None:
        await next(answers)(head, writer)

    async with _talking(talk) as (server, connections, url):
        await _send(connections, url)
        with pytest.raises(httpx.ReadError):
            await _send(connections, url, "PATCH")

    assert len(server.heads) == 2


async def test_an_answer_that_breaks_off_is_an_error_and_no_short_answer() -> None:
    """A list cut off in the middle must not look whole."""
    async with _talking(_break_off) as (_, connections, url):
        with pytest.raises(httpx.ReadError):
            await _send(connections, url)


async def test_redirects_and_cookies_are_left_alone_and_bodies_come_as_they_were_sent() -> None:
    """What an answer asks for is not done here, and unpacking is bounded elsewhere."""
    async with _talking(_point_elsewhere) as (server, connections, url):
        answer = await connections.handle_async_request(httpx.Request("GET", url))
        await answer.aclose()
        await _send(connections, url)
    async with _talking(_pack) as (_, connections, url):
        packed = await _send(connections, url)

    assert answer.status_code == 302
    assert not any(b"cookie" in head.lower() for head in server.heads)
    assert gzip.decompress(packed) == b"packed"
