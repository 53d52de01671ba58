"""
One identity's way to one Azure host: azure-core's pipeline with nothing in it but its transport, tokens and
retries of our own. Resource Manager and Log Analytics are reached through it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from shared.clients.azure_answers import Order, Reply, lost, not_sent, read_reply
from shared.clients.guard import ForeignHost, origin_of
from shared.clients.pacing import Pace
from shared.clients.patience import Patience, Trouble, persist
from shared.clients.tokens import Held, TokenSource
from shared.clock import Clock
from shared.errors import IncompleteAnswer

if TYPE_CHECKING:
    from azure.core import AsyncPipelineClient
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.pipeline.transport import AsyncHttpTransport
    from azure.core.rest import AsyncHttpResponse, HttpRequest

    Transport: TypeAlias = AsyncHttpTransport[Any, Any]
    Sending: TypeAlias = Callable[[HttpRequest], Awaitable[AsyncHttpResponse]]

_UNAUTHORIZED = 401
_TOO_MANY = 429
_SECONDS = 60.0  # for one exchange
_REST = 1.0  # seconds for which a quota rests after a 429 that does not say how long


class AzureHttp:
    """Sends orders and gives their replies, or raises our errors."""

    def __init__(
        self,
        url: str,
        credential: "AsyncTokenCredential",
        scope: str,
        *,
        transport: "Callable[[], Transport]",
        pacing: Pace,
        clock: Clock,
        random: Callable[[], float],
        patience: Patience | None = None,
    ) -> None:
        self._url, self._origin = url.rstrip("/"), origin_of(url)
        self._tokens = TokenSource(credential, scope, clock)
        self._transport = transport
        self._client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] | None = None
        self._pacing = pacing
        self.clock, self.random, self.patience = clock, random, patience or Patience()

    async def send(self, order: Order) -> Reply:
        """Read, or write what may be repeated: tried again within patience."""
        return await persist(lambda: self.attempt(order), self.patience, self.random, order.doing)

    async def send_once(self, order: Order) -> Reply:
        """Write what may not be repeated: sent once, whatever comes of it. Raises OutcomeUnknown."""
        try:
            return await self.attempt(order)
        except Trouble as trouble:
            raise trouble.error from None

    async def attempt(self, order: Order) -> Reply:
        """One attempt; raises Trouble."""
        await take_turns(self._pacing, order)
        token = await self._tokens.get()
        answer = await self._exchange(order, token)
        if answer.status_code == _UNAUTHORIZED:  # it was not carried out
            token = await self._tokens.replace(token, answer.headers.get("www-authenticate"))
            answer = await self._exchange(order, token)
        try:
            return read_reply(order, answer, self.clock)
        except Trouble as trouble:
            learn(self._pacing, order, trouble, answer.status_code)
            raise

    def path_of(self, link: object, doing: str) -> str:
        """Path and query of a link that the service gave: to the same host, or it is not followed."""
        try:
            if isinstance(link, str) and origin_of(link) == self._origin:
                parts = urlsplit(link)
                if parts.path.startswith("/") and ".." not in parts.path and not parts.fragment:
                    return f"{parts.path}?{parts.query}" if parts.query else parts.path
        except (ValueError, ForeignHost):
            pass
        raise IncompleteAnswer(f"Not done: {doing}. The service's link leads to somewhere else.")

    async def _exchange(self, order: Order, token: Held) -> "AsyncHttpResponse":
        from azure.core.rest import HttpRequest

        if not order.path.startswith("/") or origin_of(self._url + order.path) != self._origin:
            raise ForeignHost("not the configured host")
        headers = {"Authorization": f"Bearer {token.text}", "Accept": "application/json"}
        request = HttpRequest(order.method, self._url + order.path, json=order.body, headers=headers)
        return await exchange(order, request, self._ready().send_request)

    def _ready(self) -> "AsyncPipelineClient[HttpRequest, AsyncHttpResponse]":
        if self._client is None:
            from azure.core import AsyncPipelineClient

            self._client = AsyncPipelineClient(self._url, policies=[], transport=self._transport())
        return self._client


async def exchange(order: Order, request: "HttpRequest", sending: "Sending") -> "AsyncHttpResponse":
    """
    Send one request. The SDK's exceptions hold the request, so neither they nor their texts are passed on.
    """
    from azure.core.exceptions import AzureError

    try:
        async with asyncio.timeout(_SECONDS):
            return await sending(request)
    except (AzureError, TimeoutError, OSError) as problem:
        if never_left(problem):
            raise not_sent(order, f"no connection: {type(problem).__name__}") from None
        raise lost(order, type(problem).__name__) from None


def never_left(problem: Exception) -> bool:
    """
    Whether a request surely did not leave. azure-core's ServiceRequestError says so, but its transport raises it as
    well where a server took the request and hung up: what aiohttp met tells the two apart.
    """
    from aiohttp import ClientConnectorError, ClientError, InvalidURL
    from azure.core.exceptions import ServiceRequestError, ServiceRequestTimeoutError

    if not isinstance(problem, ServiceRequestError):
        return False
    met = problem.inner_exception
    hung_up = isinstance(met, ClientError) and not isinstance(met, ClientConnectorError | InvalidURL)
    return isinstance(problem, ServiceRequestTimeoutError) or not hung_up


async def take_turns(pacing: Pace, order: Order) -> None:
    """Wait until each of the order's quotas has room."""
    for quota in order.quotas:
        await pacing.take(quota, urgent=True)


def learn(pacing: Pace, order: Order, trouble: Trouble, status: int) -> None:
    """A 429 tells that the quota is smaller than thought, or that others use it as well."""
    if status == _TOO_MANY:
        for quota in order.quotas:
            pacing.refused(quota, trouble.wait or _REST)
