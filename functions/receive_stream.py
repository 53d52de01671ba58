"""
Event Hub: Entra's diagnostic records, as `{"records": [...]}` bodies, duplicates included.

The checkpoint moves on after success only. A store that does not answer is tried again without end, since
going on would lose the batch; what nobody could ever read is set aside with success.
"""

from typing import List  # noqa: UP035 — the worker knows typing.List, not list[...]

import azure.functions as func

from functions.runtime import responder

bp = func.Blueprint()


@bp.function_name("receive_stream")
@bp.event_hub_message_trigger(
    arg_name="events",
    connection="CORDON_EVENTS",
    event_hub_name="%CORDON_EVENT_HUB%",
    cardinality=func.Cardinality.MANY,
)
@bp.retry(
    strategy="exponential_backoff", max_retry_count="-1", minimum_interval="00:00:05", maximum_interval="00:05:00"
)
async def receive_stream(events: List[func.EventHubEvent]) -> None:  # noqa: UP006
    """Take in one batch of one partition."""
    await responder().receive_stream([event.get_body() for event in events])
