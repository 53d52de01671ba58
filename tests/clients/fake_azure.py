"""Azure services of a few lines, below the real azure-core pipelines: a function from request to answer."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from azure.core.exceptions import AzureError
from azure.core.rest import AsyncHttpResponse, HttpRequest

from drill.practice.asgi import AsgiApp
from drill.transports import PracticeAzureTransport
from drill.virtual_time import virtual_clock

Json: TypeAlias = dict[str, Any]
CHALLENGE = 'Bearer authorization="https://login.microsoftonline.com/11111111-2222-4333-8444-555555555555", resource="https://vault.azure.net"'


@dataclass(slots=True)
class Sent:
    """One request with a token, as it arrived."""

    at: float
    method: str
    url: str
    path: str
    body: Any
    headers: dict[str, str] = field(repr=False)


@dataclass(slots=True)
class Said:
    """An answer. Bytes are sent as they are."""

    status: int = 200
    body: object = None
    headers: dict[str, str] = field(default_factory=dict[str, str])

    def content(self) -> bytes:
        if self.body is None:
            return b""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


Answering: TypeAlias = Callable[[Sent], Said | Exception]


class FakeAzure(PracticeAzureTransport):
    """
    A transport that asks `answer`. Requests without a token get Key Vault's challenge. Exceptions are
    raised as the network would raise them.
    """

    def __init__(self, answer: Answering) -> None:
        super().__init__(self._serve)
        self._answer = answer
        self.sent: list[Sent] = []
        self.closed_to: AzureError | None = None  # raised before anything is sent

    async def send(self, request: HttpRequest, **kwargs: Any) -> AsyncHttpResponse:
        if self.closed_to is not None:
            raise self.closed_to
        headers = {name.lower(): value for name, value in request.headers.items()}
        if "authorization" in headers:
            content: Any = request.content if hasattr(request, "content") else getattr(request, "body", None)
            body = json.loads(content) if content else None
            path = request.url.partition("://")[2].partition("/")[2].partition("?")[0]
            sent = Sent(virtual_clock().elapsed, request.method, request.url, f"/{path}", body, headers)
            self.sent.append(sent)
            answer = self._answer(sent)
            if isinstance(answer, Exception):
                raise answer
            self._next = answer
        else:
            self._next = Said(401, {}, {"www-authenticate": CHALLENGE})
        return await super().send(request, **kwargs)

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {"content-type": "application/json", **self._next.headers}
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": self._next.status, "headers": pairs})
        await send({"type": "http.response.body", "body": self._next.content()})

    @property
    def app(self) -> AsgiApp:
        return self._serve
