"""
The guard in front of the socket: one origin, no redirects, bounded bodies, bounded time.

It stands below every SDK, so that nothing in them can be talked into another host.
"""

import asyncio
import zlib
from collections.abc import AsyncIterable
from functools import lru_cache
from typing import cast
from urllib.parse import urlsplit

import httpx

from shared.clients.answers import Answer

LARGEST_BODY = 64 * 2**20
_DEFAULT_PORTS = {"https": 443, "http": 80}
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class ForeignHost(Exception):
    """A request was about to leave for somewhere else than the configured origin. It did not."""


class Failed(Exception):
    """The service answered with something else than a success. Passes through the SDK untouched."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(str(answer.status))
        self.answer = answer


class TooLarge(Exception):
    """The body is larger than we read."""


@lru_cache(maxsize=256)
def origin_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port. Raises ForeignHost for what may never be called: no host, a user, plain http elsewhere."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if not host or parts.username is not None or parts.password is not None:
        raise ForeignHost("not a plain URL")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        raise ForeignHost("plain http is for this machine only")
    return parts.scheme, host, parts.port or _DEFAULT_PORTS[parts.scheme]


class _Whole(httpx.Response):
    """A success whose body is there; httpx would look for its encoding, and go through it once more."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status, stream=httpx.ByteStream(body))
        self._content, self.is_closed, self.is_stream_consumed = body, True, True


class Guard(httpx.AsyncBaseTransport):
    """
    An httpx transport that lets requests to one origin through and reads their answers whole. Of a success only
    status and body are passed on: nothing of its headers is used, and no cookie is kept.
    """

    def __init__(
        self, inner: httpx.AsyncBaseTransport, url: str, *, seconds: float = 60.0, largest: int = LARGEST_BODY
    ) -> None:
        self._inner, self._origin = inner, origin_of(url)
        self._seconds, self._largest = seconds, largest

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if origin_of(str(request.url)) != self._origin or _all_named(b"host", request) != [request.url.netloc]:
            raise ForeignHost("not the configured host")
        async with asyncio.timeout(self._seconds):
            answer = await self._inner.handle_async_request(request)
            body = await self._read(answer)
        if not answer.is_success:
            headers = {name: value for name, value in answer.headers.items() if name != "content-encoding"}
            raise Failed(Answer(answer.status_code, headers, body))
        return _Whole(answer.status_code, body)

    async def _read(self, answer: httpx.Response) -> bytes:
        encoding = b", ".join(_all_named(b"content-encoding", answer)).decode("latin-1").lower() or "identity"
        if encoding not in {"identity", "gzip"}:
            raise httpx.DecodingError(f"an answer in an encoding that was not asked for: {encoding[:20]}")
        unpack = zlib.decompressobj(16 + zlib.MAX_WBITS) if encoding == "gzip" else None
        parts: list[bytes] = []
        room = self._largest
        stream = cast("AsyncIterable[bytes]", answer.stream)
        try:
            async for chunk in stream:
                part = unpack.decompress(chunk, room + 1) if unpack else chunk
                room -= len(part)
                if room < 0:
                    raise TooLarge(f"more than {self._largest} bytes")
                parts.append(part)
        except zlib.error:
            raise httpx.DecodingError("the answer is not the gzip that it says it is") from None
        finally:
            await answer.aclose()
        if unpack and not unpack.eof:
            raise httpx.DecodingError("the answer is cut off")
        return b"".join(parts)

    async def aclose(self) -> None:
        await self._inner.aclose()


def _all_named(name: bytes, message: httpx.Request | httpx.Response) -> list[bytes]:
    """The values of the headers of this name (in small letters), as they are; httpx would decode all headers first."""
    return [value for each, value in message.headers.raw if each.lower() == name]
