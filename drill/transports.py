"""
Ways for real SDK clients to reach the practice tenant, and the credential they sign in with.

In process (`drill run`): PracticeHttpxTransport for msgraph-sdk, PracticeAzureTransport for azure-core
clients; URLs stay the production ones. Over loopback (`drill serve`): RedirectTransport for azure-core
clients; msgraph-sdk only needs its base_url changed.

    http = httpx.AsyncClient(transport=PracticeHttpxTransport(tenant.asgi))
    CertificateClient("https://handover.vault.azure.net", credential, transport=PracticeAzureTransport(tenant.asgi))

The tenant carries out what it received even when the client has stopped waiting, as real services do.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import unquote, urlsplit

import httpx
from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
from azure.core.exceptions import (
    ClientAuthenticationError,
    IncompleteReadError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.core.pipeline.transport import AioHttpTransport, AsyncHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.core.rest._http_response_impl_async import AsyncHttpResponseImpl

from drill.practice.asgi import AsgiApp
from drill.practice.tokens import Token
from drill.practice.web import ConnectionLost


@dataclass(slots=True)
class _Exchange:
    """One request on its way through an ASGI application, and what has come back of its answer."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list[tuple[bytes, bytes]])
    body: bytes = b""
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def carry(self, app: AsgiApp, scope: dict[str, Any], content: bytes, patience: float | None) -> None:
        """Until the answer is whole. Raises TimeoutError, or ConnectionLost from the application."""
        unsent = [content]

        async def receive() -> Mapping[str, Any]:
            if unsent:
                return {"type": "http.request", "body": unsent.pop(), "more_body": False}
            await self.gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                self.status, self.headers = message["status"], list(message["headers"])
            else:
                self.body += message.get("body", b"")

        # A task of its own: the service goes on when its client is cancelled or killed.
        serving = asyncio.ensure_future(app(scope, receive, send))
        try:
            async with asyncio.timeout(patience):
                await asyncio.shield(serving)
        finally:
            self.gone.set()
            if not serving.done():
                serving.add_done_callback(_forget)


def _forget(serving: "asyncio.Future[None]") -> None:
    """Nobody waits for the outcome any more."""
    with contextlib.suppress(asyncio.CancelledError):
        serving.exception()


def _scope(method: str, url: str, headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    parts = urlsplit(url)
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": parts.scheme,
        "path": unquote(parts.path),
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": headers,
        "server": (parts.hostname, parts.port or 443),
        "client": ("127.0.0.1", 50000),
        "extensions": {"cordon.in-process": {}},
    }


class PracticeHttpxTransport(httpx.AsyncBaseTransport):
    """For msgraph-sdk and any other httpx client. Read timeouts are kept, in the loop's time."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        headers = [(name.lower(), value) for name, value in request.headers.raw]
        exchange = _Exchange()
        scope = _scope(request.method, str(request.url), headers)
        timeout = request.extensions.get("timeout", {}).get("read")
        try:
            await exchange.carry(self._app, scope, await request.aread(), timeout)
        except TimeoutError:
            raise httpx.ReadTimeout("the practice tenant did not answer", request=request) from None
        except ConnectionLost as lost:
            if exchange.body:
                raise httpx.RemoteProtocolError(
                    "peer closed connection without sending complete message body", request=request
                ) from lost
            raise httpx.ReadError("connection reset", request=request) from lost
        return httpx.Response(exchange.status, headers=exchange.headers, content=exchange.body, request=request)


class PracticeAzureTransport(AsyncHttpTransport[HttpRequest, AsyncHttpResponse]):
    """For azure-core clients with azure.core.rest requests: Key Vault, Event Grid and most newer ones."""

    def __init__(self, app: AsgiApp, *, read_timeout: float = 300.0) -> None:
        self._app = app
        self._read_timeout = read_timeout
        forget_vault_challenges()

    async def send(self, request: HttpRequest, **kwargs: Any) -> AsyncHttpResponse:  # noqa: ANN401 - azure-core's own
        content = _content(request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        headers.setdefault("host", urlsplit(request.url).netloc)
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        exchange = _Exchange()
        timeout = kwargs.get("read_timeout", self._read_timeout)
        try:
            await exchange.carry(self._app, _scope(request.method, request.url, raw), content, timeout)
        except TimeoutError as problem:
            raise ServiceResponseTimeoutError("the practice tenant did not answer", error=problem) from None
        except ConnectionLost as lost:
            if exchange.body:
                raise IncompleteReadError("the answer was cut short", error=lost) from lost
            raise ServiceResponseError("connection reset", error=lost) from lost
        return _azure_response(request, exchange)

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def sleep(self, duration: float) -> None:
        await asyncio.sleep(duration)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()


def _content(request: HttpRequest) -> bytes:
    # The Event Grid client still makes requests of azure-core's older kind, whose content is called data.
    content: object = getattr(request, "content", None) or getattr(request, "data", None)
    if content is None:
        return b""
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, bytes):
        return content
    raise TypeError("the practice transport carries whole bodies only, no streams")


def _azure_response(request: HttpRequest, exchange: _Exchange) -> AsyncHttpResponse:
    headers = httpx.Headers(exchange.headers)  # case-insensitive, as callers expect
    response = _PracticeResponse(
        request=request,
        internal_response=exchange,
        status_code=exchange.status,
        reason=HTTPStatus(exchange.status).phrase,
        headers=headers,
        content_type=headers.get("content-type"),
        stream_download_generator=_no_stream,
    )
    response.fill(exchange.body)
    return response


def _no_stream(*_: object, **__: object) -> AsyncIterator[bytes]:
    raise TypeError("the practice transport carries whole bodies only, no streams")


class _PracticeResponse(AsyncHttpResponseImpl):
    """A response that has been read already."""

    def fill(self, content: bytes) -> None:
        self._content = content
        self._is_closed = True
        self._is_stream_consumed = True


def forget_vault_challenges() -> None:
    """
    Key Vault clients remember for the whole process which vault asked for which tenant. A drill must not
    depend on the drill before it.
    """
    from azure.keyvault.certificates._shared import http_challenge_cache as of_certificates
    from azure.keyvault.secrets._shared import http_challenge_cache as of_secrets

    of_certificates.clear()
    of_secrets.clear()


class RedirectTransport(AioHttpTransport):
    """
    Points an azure-core client at a local stand-in while its URLs and policies stay those of production.

    request.url is put back after the send: Key Vault's challenge policy looks at it again before the
    second leg, and wants https there.
    """

    def __init__(self, base: str) -> None:
        super().__init__()  # type: ignore[reportUnknownMemberType] # azure-core leaves it untyped
        self._base = base  # such as http://127.0.0.1:8806

    async def send(self, request: Any, **kwargs: Any) -> Any:  # type: ignore[override] # noqa: ANN401 - both of azure-core's
        wanted = str(request.url)
        parts = urlsplit(wanted)
        request.headers["X-Original-Host"] = parts.netloc
        request.url = self._base + wanted.removeprefix(f"{parts.scheme}://{parts.netloc}")
        try:
            return await super().send(request, **kwargs)  # type: ignore[reportUnknownMemberType, reportUnknownVariableType]
        finally:
            request.url = wanted


class TokenSource(Protocol):
    """What a credential needs of the tenant."""

    def now(self) -> datetime: ...

    def token_for(self, client_id: str, scope: str) -> Token | int: ...


_REFRESH_BEFORE = 300.0  # seconds


class PracticeCredential:
    """
    A managed identity's credential: tokens for its client id, kept until five minutes before they expire.

    Async, for azure-core clients and for kiota's azure provider alike.
    """

    def __init__(self, tenant: TokenSource, client_id: str) -> None:
        self._tenant = tenant
        self._client_id = client_id
        self._kept: dict[str, Token] = {}

    async def get_token(
        self, *scopes: str, claims: str | None = None, tenant_id: str | None = None, **kwargs: object
    ) -> AccessToken:
        """One scope, such as https://graph.microsoft.com/.default. `claims` (a challenge) forces a new token."""
        token = self._token(scopes, fresh=claims is not None)
        return AccessToken(token.text, int(token.expires_at.timestamp()))

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        token = self._token(scopes, fresh=bool((options or {}).get("claims")))
        return AccessTokenInfo(token.text, int(token.expires_at.timestamp()))

    async def close(self) -> None:
        """Nothing to close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """Nothing to close."""

    def _token(self, scopes: tuple[str, ...], *, fresh: bool) -> Token:
        (scope,) = scopes
        kept = self._kept.get(scope)
        if kept and not fresh and self._still_good(kept):
            return kept
        answer = self._tenant.token_for(self._client_id, scope)
        if isinstance(answer, int):
            raise ClientAuthenticationError(f"AADSTS{answer}: no token for managed identity {self._client_id}.")
        self._kept[scope] = answer
        return answer

    def _still_good(self, token: Token) -> bool:
        return token.expires_at.timestamp() - self._tenant.now().timestamp() > _REFRESH_BEFORE
