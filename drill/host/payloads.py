"""
What a function is handed: made by the same decoders, from the same wire values, that Microsoft's worker uses.

So the class follows the payload and not the annotation, exactly as in Azure: an event with `specversion`
becomes a CloudEvent (facts: azure-functions, eventgrid.py).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import azure.functions as func
from azure.functions import eventgrid, eventhub, meta, queue, timer, warmup

_LIVES = timedelta(days=7)  # how long a queue message lives


@dataclass(frozen=True, slots=True)
class Timing:
    """When a timer ran last, and when it will run next."""

    last: datetime | None
    next: datetime | None
    past_due: bool


@dataclass(frozen=True, slots=True)
class QueueDelivery:
    """One attempt at a queue message."""

    id: str
    body: bytes
    dequeue_count: int
    inserted_at: datetime
    pop_receipt: str
    hidden_until: datetime


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event of an Event Hub partition."""

    body: bytes
    sequence: int
    enqueued_at: datetime


@dataclass(frozen=True, slots=True)
class HttpCall:
    """A request to a route, after routing."""

    method: str
    url: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    route: Mapping[str, str]
    body: bytes


def timer_request(timing: Timing) -> object:
    """An azure.functions.TimerRequest."""
    status = {
        name: _iso(at) for name, at in (("Last", timing.last), ("Next", timing.next), ("LastUpdated", timing.last))
    }
    info = {"IsPastDue": timing.past_due, "Schedule": {"AdjustForDST": True}, "ScheduleStatus": status}
    return _decode(timer.TimerRequestConverter, "json", json.dumps(info), {})


def queue_message(delivery: QueueDelivery) -> object:
    """An azure.functions.QueueMessage, with its dequeue count."""
    metadata = {
        "Id": _datum("string", delivery.id),
        "DequeueCount": _datum("json", str(delivery.dequeue_count)),
        "PopReceipt": _datum("string", delivery.pop_receipt),
        "InsertionTime": _datum("json", json.dumps(_iso(delivery.inserted_at))),
        "ExpirationTime": _datum("json", json.dumps(_iso(delivery.inserted_at + _LIVES))),
        "NextVisibleTime": _datum("json", json.dumps(_iso(delivery.hidden_until))),
    }
    return _decode(queue.QueueMessageInConverter, "bytes", delivery.body, metadata)


def event_grid_event(event: Mapping[str, object]) -> object:
    """An azure.functions.EventGridEvent or CloudEvent, whichever the payload suits."""
    return _decode(eventgrid.EventGridEventInConverter, "json", json.dumps(event), {})


def event_hub_events(events: Sequence[StreamEvent]) -> object:
    """A list of azure.functions.EventHubEvent: one batch of one partition."""
    properties = [
        {"SequenceNumber": event.sequence, "Offset": str(event.sequence), "EnqueuedTimeUtc": _iso(event.enqueued_at)}
        for event in events
    ]
    metadata = {"SystemPropertiesArray": _datum("json", json.dumps(properties))}
    bodies = _Collection([event.body for event in events])
    return _decode(eventhub.EventHubTriggerConverter, "collection_bytes", bodies, metadata)


def http_request(call: HttpCall) -> object:
    """An azure.functions.HttpRequest."""
    return func.HttpRequest(
        method=call.method,
        url=call.url,
        headers=call.headers,
        params=call.query,
        route_params=call.route,
        body=call.body,
    )


def warm_up_context() -> object:
    """An azure.functions.WarmUpContext."""
    return _decode(warmup.WarmUpTriggerConverter, "json", "{}", {})


@dataclass(frozen=True, slots=True)
class _Collection:
    """What the worker's protocol calls CollectionBytes."""

    bytes: Sequence[bytes]


def _decode(converter: Any, kind: str, value: object, metadata: Mapping[str, Any]) -> object:  # noqa: ANN401
    return cast("object", converter.decode(_datum(kind, value), trigger_metadata=metadata))


def _datum(kind: str, value: object) -> Any:  # noqa: ANN401 - untyped in the SDK
    return meta.Datum(value, kind)


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
