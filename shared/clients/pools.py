"""
Connections to Graph: aiohttp's pool and parser, behind httpx's interface.

The SDK speaks httpx. Its own network layer is written in Python throughout, and looks at every connection for every
request that comes or goes: with fifty identities at once that cost more CPU than all else between an event and its
containment. aiohttp, which the Azure SDKs need anyway, takes a third of it.
"""

import ssl
from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    import aiohttp

_CONNECTIONS = 100
_IDLE_SECONDS = 60.0
_LONGEST_FIELD = 64 * 1024  # bytes of one header field


class Network(httpx.AsyncBaseTransport):
    """
    The real network: no proxies from the environment, no redirects, no cookies, bodies as they come.

    A GET, PUT or DELETE on a kept connection that turns out to be closed is sent once more on a new one. Anything
    else is never repeated here. Time for the whole exchange is bounded by whoever calls; connecting by httpx's
    `connect` timeout.
    """

    def __init__(self, verify: ssl.SSLContext) -> None:
        self._verify = verify
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        from yarl import URL

        body = await request.aread()
        session = self._ready(request)
        headers = [(name.decode("ascii"), value.decode("latin-1")) for name, value in request.headers.raw]
        with _IN_WORDS_OF_HTTPX:
            answer = await session.request(
                request.method,
                URL(str(request.url), encoded=True),
                data=body or None,
                headers=headers,
                allow_redirects=False,
            )
        return httpx.Response(answer.status, headers=answer.raw_headers, stream=_Body(answer))

    async def aclose(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _ready(self, request: httpx.Request) -> "aiohttp.ClientSession":
        """The session, made at first use because it belongs to the running event loop."""
        if self._session is None:
            import aiohttp

            timeouts = request.extensions.get("timeout", {})
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    ssl=self._verify,
                    limit=_CONNECTIONS,
                    keepalive_timeout=_IDLE_SECONDS,
                    resolver=aiohttp.ThreadedResolver(),
                ),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=timeouts.get("connect")),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("User-Agent", "Content-Type", "Accept", "Accept-Encoding"),
                auto_decompress=False,
                trust_env=False,
                max_line_size=_LONGEST_FIELD,
                max_field_size=_LONGEST_FIELD,
            )
        return self._session


class _Body(httpx.AsyncByteStream):
    """A body as it comes. Whoever does not read it to its end costs the connection."""

    def __init__(self, answer: "aiohttp.ClientResponse") -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _IN_WORDS_OF_HTTPX:
            async for part in self._answer.content.iter_any():
                yield part

    async def aclose(self) -> None:
        self._answer.close()


class _InWordsOfHttpx:
    """What was never sent must not look like what may have been carried out. Keeps nothing: one serves all."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if problem is None:
            return
        import aiohttp

        match problem:
            case aiohttp.ConnectionTimeoutError():
                raise httpx.ConnectTimeout("no connection in time") from problem
            case aiohttp.ClientConnectorError():
                raise httpx.ConnectError("no connection") from problem
            case aiohttp.ClientError() | OSError():
                raise httpx.ReadError(type(problem).__name__) from problem
            case _:
                return


_IN_WORDS_OF_HTTPX = _InWordsOfHttpx()


def network(verify: ssl.SSLContext) -> Network:
    """The real network, with certificates checked by `verify`."""
    return Network(verify)
