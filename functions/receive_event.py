"""
Event Grid: signals from the custom topic, and what Azure's own services publish.

Event Grid delivers at least once and in any order, takes an exception as "again, please", and gives up
after a day. So a record that nobody could ever read is set aside with success, and a store that does not
answer is an exception.
"""

# pyright: reportUnknownMemberType=false
# azure.functions leaves the **kwargs of its decorators untyped.

from datetime import datetime
from typing import TYPE_CHECKING, Any

import azure.functions as func

from functions.runtime import responder

if TYPE_CHECKING:
    from shared.signal import JsonObject

bp = func.Blueprint()


@bp.function_name("receive_event")
@bp.event_grid_trigger(arg_name="event")
async def receive_event(event: func.EventGridEvent) -> None:
    """Take in one event; the host splits a batch into single calls. Everything slow happens off the queue."""
    await responder().receive_events([plain(event)])


def plain(event: func.EventGridEvent) -> "JsonObject":
    """
    An event of either schema as {type, id, source, subject, time, data}; what is missing is null.

    The host hands out the class that the payload suits, whatever the annotation says, and older workers
    have no class for CloudEvents: so both are read by their attributes.
    """
    time = _first(event, "time", "event_time")
    return {
        "type": _first(event, "type", "event_type"),
        "id": _first(event, "id"),
        "source": _first(event, "source", "topic"),
        "subject": _first(event, "subject"),
        "time": time.isoformat() if isinstance(time, datetime) else time,
        "data": event.get_json(),
    }


def _first(event: object, *names: str) -> Any:  # noqa: ANN401 — whatever the sender put there
    return next((getattr(event, name) for name in names if hasattr(event, name)), None)
