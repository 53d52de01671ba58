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
from shared.errors import MalformedSignal, SenderMustAct

if TYPE_CHECKING:
    from shared.signal import JsonObject

bp = func.Blueprint()
_log = logging.getLogger("cordon.doors")
_QUEUE = "the work queue"
_SHOWN = 500  # bytes; ours have less than 100


@bp.function_name("work_incident")
@bp.queue_trigger(arg_name="message", queue_name="cordon-work", connection="AzureWebJobsStorage")
async def work_incident(message: func.QueueMessage) -> None:
    """Work on one incident, from decision to verified containment or recheck."""
    body = message.get_body()
    try:
        await responder().work(_read(body))
    except SenderMustAct as problem:  # no later attempt can make it readable
        await _set_aside(body, str(problem))


@bp.function_name("tell_poisoned")
@bp.queue_trigger(arg_name="message", queue_name="cordon-work-poison", connection="AzureWebJobsStorage")
async def tell_poisoned(message: func.QueueMessage) -> None:
    """Say loudly that an incident is not being worked on. The log line comes first: it needs nothing to work."""
    await _set_aside(message.get_body(), "Every attempt to work on it failed.")


def _read(body: bytes) -> "JsonObject":
    """The message as Cordon sends it. Raises MalformedSignal for what it would never send."""
    try:
        message: object = json.loads(body)
    except (ValueError, RecursionError) as problem:
        raise MalformedSignal(source=_QUEUE, why="it is not JSON") from problem
    if not isinstance(message, dict):
        raise MalformedSignal(source=_QUEUE, why="it is no object")
    return cast("JsonObject", message)


async def _set_aside(body: bytes, why: str) -> None:
    """No further attempt will be made, so a person must hear of it."""
    shown = ascii(body[:_SHOWN])  # one line of visible characters, whatever somebody put into the queue
    _log.error("A work message was set aside, and its incident may stay open: %s The message: %s", why, shown)
    await responder().tell_poisoned(body)
