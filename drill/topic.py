"""
A stand-in for the Event Grid topic that Cordon publishes to: it takes what the real SDK client sends.

Events are kept in the order of their arrival, repetitions too: Event Grid delivers at least once.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from drill.host.web import Answer, Receive, Request, Scope, Send, asgi

HOST = "cordon-practice.westeurope-1.eventgrid.azure.net"
ENDPOINT = f"https://{HOST}/api/events"

App: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]


@dataclass(slots=True)
class OutgoingTopic:
    """The topic, and what was published to it."""

    hear: Callable[[Mapping[str, Any]], None] | None = None  # who listens to it
    events: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])

    async def answer(self, request: Request) -> Answer:
        """Accept CloudEvents, one or many, from anybody who brings a token."""
        if request.method != "POST" or request.path != "/api/events":
            return Answer(404)
        if not request.headers.get("authorization", "").startswith("Bearer "):
            return Answer(401)
        body: object = json.loads(request.body)
        events = cast("list[object]", body) if isinstance(body, list) else [body]
        if not all(isinstance(event, dict) and "specversion" in event for event in events):
            return Answer(400)
        for event in cast("list[Mapping[str, Any]]", events):
            self.events.append(event)
            if self.hear:
                self.hear(event)
        return Answer(200)


def in_front_of(topic: OutgoingTopic, tenant: App) -> App:
    """One application for all hosts: the topic's own, and everything else is the tenant's."""
    answer = asgi(topic.answer)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await (answer if _is_for_the_topic(scope) else tenant)(scope, receive, send)

    return application


def _is_for_the_topic(scope: Scope) -> bool:
    headers = dict(scope.get("headers", ()))
    host = headers.get(b"x-original-host") or headers.get(b"host", b"")
    return host.decode("latin-1").lower() == HOST
