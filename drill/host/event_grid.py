"""
The host's Event Grid webhook: `/runtime/webhooks/EventGrid?functionName=NAME`.

By the header `aeg-event-type`: SubscriptionValidation is answered with the code in both schemas;
Notification calls the function once for each event, side by side, and answers 202, or 500 if any
failed, so that Event Grid sends the whole batch again; Unsubscribe is 202; anything else is 400, which
ends delivery (facts: Functions host, EventGrid extension).
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

from drill.host.functions import Function
from drill.host.invocation import Invoker, say_failed
from drill.host.payloads import event_grid_event
from drill.host.routes import holds_key
from drill.host.web import Answer, Request

PATH = "/runtime/webhooks/EventGrid"

Event: TypeAlias = Mapping[str, object]


class _BadRequest(ValueError):
    """What was sent is not what Event Grid sends."""


@dataclass(frozen=True, slots=True)
class EventGridDoor:
    """All functions with an Event Grid trigger, by their names in lower case."""

    functions: Mapping[str, Function]
    accepted_keys: Sequence[str]
    invoker: Invoker

    async def answer(self, request: Request) -> Answer:
        """Answer one call of Event Grid."""
        if not holds_key(request, self.accepted_keys):
            return Answer(401)
        function = self.functions.get(request.query.get("functionName", "").lower())
        if function is None:
            return Answer(404, b"no such function")
        try:
            return await self._by_type(function, request)
        except _BadRequest as problem:
            return Answer(400, str(problem).encode())

    async def _by_type(self, function: Function, request: Request) -> Answer:
        match request.headers.get("aeg-event-type", "").lower():
            case "subscriptionvalidation":
                return _validated(_json(request.body))
            case "notification":
                return await self._notify(function, _events(_json(request.body)))
            case "unsubscribe":
                return Answer(202)
            case _:
                raise _BadRequest("the header aeg-event-type is none of those that Event Grid sends")

    async def _notify(self, function: Function, events: Sequence[Event]) -> Answer:
        calls = (self.invoker.call(function, event_grid_event(event)) for event in events)
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        for failure in failures:
            if not isinstance(failure, Exception):
                raise failure
            say_failed(function, failure, "Event Grid is told to send the batch again")
        if failures:
            return Answer(500, f"Exception while executing function: {function.name}".encode())
        return Answer(202)


def _validated(body: object) -> Answer:
    """The handshake: an array in the Event Grid schema; one object, whose data is JSON text, in CloudEvents."""
    events = _events(body)
    if not events:
        raise _BadRequest("a validation event was expected")
    data = events[0].get("data")
    details = _json(data.encode()) if isinstance(data, str) else data
    code = cast("Event", details).get("validationCode") if isinstance(details, dict) else None
    if not isinstance(code, str):
        raise _BadRequest("the validation event holds no validationCode")
    answer = json.dumps({"validationResponse": code}).encode()
    return Answer(200, answer, (("content-type", "application/json; charset=utf-8"),))


def _events(body: object) -> Sequence[Event]:
    events: list[object] = cast("list[object]", body) if isinstance(body, list) else [body]
    if not all(isinstance(event, dict) for event in events):
        raise _BadRequest("an event, or an array of events, was expected")
    return cast("list[Event]", events)


def _json(text: bytes) -> object:
    try:
        return cast("object", json.loads(text))
    except (ValueError, RecursionError) as problem:
        raise _BadRequest("the body is not JSON") from problem
