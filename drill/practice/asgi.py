"""The ASGI face: every host of the practice tenant behind one application."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias

from drill.practice.service import CUT, NoAnswer
from drill.practice.web import Answer, ConnectionLost, Request, read_query

Message: TypeAlias = Mapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]


class Front(Protocol):
    """Answers requests for any host; raises NoAnswer or ConnectionLost where there is no answer."""

    async def answer(self, request: Request) -> Answer: ...


class PracticeApp:
    """
    An ASGI application. The host is X-Original-Host if given (loopback), else Host.

    A request that must not be answered waits until its client has gone; one whose connection must break
    raises ConnectionLost, which in-process transports translate and servers turn into a broken answer.
    """

    def __init__(self, front: Front) -> None:
        self._front = front

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        request = await _read(scope, receive)
        try:
            answer = await self._front.answer(request)
        except NoAnswer:
            await _until_gone(receive)
            return
        except ConnectionLost:
            await _break(send, scope)
            raise
        await _send(send, answer)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _read(scope: dict[str, Any], receive: Receive) -> Request:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    host = headers.get("x-original-host") or headers.get("host", "")
    raw_query = scope["query_string"].decode("latin-1")
    base = f"{scope.get('scheme', 'https')}://{headers.get('host', '')}"
    return Request(
        method=scope["method"],
        host=host.lower(),
        path=scope["path"],
        query=read_query(raw_query),
        headers=headers,
        body=body,
        base=f"https://{host.lower()}" if "x-original-host" in headers else base,
        raw_query=raw_query,
    )


async def _send(send: Send, answer: Answer) -> None:
    content = answer.content()
    cut = answer.headers.pop(CUT, None)
    headers = {"content-type": "application/json", **answer.headers, "content-length": str(len(content))}
    if not content:
        headers.pop("content-type")
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
    if cut and content:
        await send({"type": "http.response.body", "body": content[: len(content) // 2], "more_body": True})
        raise ConnectionLost("the answer was cut short by the practice tenant")
    await send({"type": "http.response.body", "body": content})


async def _break(send: Send, scope: dict[str, Any]) -> None:
    """A real server cannot reset a connection from here, but a promised body that never comes ends the same way."""
    if "cordon.in-process" in scope.get("extensions", {}):
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
    await send({"type": "http.response.body", "body": b"", "more_body": True})


async def _until_gone(receive: Receive) -> None:
    message = await receive()
    while message["type"] != "http.disconnect":
        message = await receive()
