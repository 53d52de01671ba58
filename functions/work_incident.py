"""
The queue: one message sets off work on one incident.

An exception hands the message back to the host, which tries it five times in all, half a minute apart,
and then moves it to the poison queue (host.json, docs/host.md).
"""

# pyright: reportUnknownMemberType=false
# azure.functions leaves the **kwargs of its decorators untyped.

import json
import logging
from typing import TYPE_CHECKING, cast

import azure.functions as func

from functions.runtime import responder
from functions.said import printable

if TYPE_CHECKING:
    from shared.signal import JsonObject

bp = func.Blueprint()
_log = logging.getLogger("cordon.doors")


@bp.function_name("work_incident")
@bp.queue_trigger(arg_name="message", queue_name="cordon-work", connection="AzureWebJobsStorage")
async def work_incident(message: func.QueueMessage) -> None:
    """Work on one incident, from decision to verified containment or recheck."""
    body = message.get_body()
    try:
        order = _order(body)
    except ValueError as problem:
        await _set_aside(body, str(problem))
    else:
        await responder().work(order)


@bp.function_name("tell_poisoned")
@bp.queue_trigger(arg_name="message", queue_name="cordon-work-poison", connection="AzureWebJobsStorage")
async def tell_poisoned(message: func.QueueMessage) -> None:
    """Say loudly that an incident is not being worked on. The log line comes first: it needs nothing to work."""
    await _set_aside(message.get_body(), "every attempt to work on it failed")


def _order(body: bytes) -> "JsonObject":
    """The message as Cordon sends it. Raises ValueError for what it would never send."""
    try:
        order: object = json.loads(body)
    except (ValueError, RecursionError) as problem:
        raise ValueError("it is not JSON") from problem
    fields = cast("JsonObject", order) if isinstance(order, dict) else {}
    if not isinstance(fields.get("incident"), str):
        raise ValueError("it names no incident")  # noqa: TRY004 — a wrong value, whatever its type
    return fields


async def _set_aside(body: bytes, why: str) -> None:
    """No further attempt will be made, so a person must hear of it."""
    shown = printable(body.decode(errors="replace"))
    _log.error("A work message was set aside, and its incident may stay open: %s. The message: %s", why, shown)
    await responder().tell_poisoned(body)
