"""HTTP as this host speaks it: a request, an answer, and the ASGI application that turns one into the other."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

_LARGEST_BODY = 100 * 1024 * 1024  # facts: Functions docs, http trigger limits

Scope: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Mapping[str, Any]]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]

_log = logging.getLogger("cordon.host")


@dataclass(frozen=True, slots=True)
class Request:
    """Header names are in lower case; `path` is decoded; of a repeated query parameter the last counts."""

    method: str
    path: str
    url: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, headers and a body."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = field(default=())


Handler: TypeAlias = Callable[[Request], Awaitable[Answer]]


class _TooLarge(Exception):
    pass


def asgi(handle: Handler) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """An ASGI application that answers every request by `handle`; an exception becomes a bare 500."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _answer_lifespan(receive, send)
        elif scope["type"] == "http":
            await _send_answer(await _answered(scope, receive, handle), scope["method"] == "HEAD", send)

    return application


async def _answered(scope: Scope, receive: Receive, handle: Handler) -> Answer:
    try:
        return await handle(await _read_request(scope, receive))
    except _TooLarge:
        return Answer(413)
    except Exception:  # noqa: BLE001 - a server that falls over for one request is no host
        _log.exception("A request to %s failed in the host itself", scope["path"])
        return Answer(500)


async def _read_request(scope: Scope, receive: Receive) -> Request:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    query = scope.get("query_string", b"").decode("latin-1")
    url = f"{scope.get('scheme', 'http')}://{headers.get('host', 'localhost')}{scope['path']}"
    return Request(
        method=scope["method"],
        path=scope["path"],
        url=f"{url}?{query}" if query else url,
        query=dict(parse_qsl(query, keep_blank_values=True)),
        headers=headers,
        body=await _read_body(receive),
    )


async def _read_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > _LARGEST_BODY:
            raise _TooLarge
        if not message.get("more_body", False):
            return bytes(body)


async def _send_answer(answer: Answer, head: bool, send: Send) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else answer.body})


async def _answer_lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
