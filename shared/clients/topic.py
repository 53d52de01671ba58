"""The outgoing topic: what happened to an incident, as CloudEvents on Azure Event Grid."""

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from shared.clients.azure_http import never_left
from shared.clients.guard import origin_of
from shared.clients.patience import Patience, Trouble, persist
from shared.clock import Clock
from shared.errors import OutcomeUnknown, PermissionMissing, PlatformRefused, Unreachable

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.exceptions import AzureError
    from azure.core.pipeline.transport import AsyncHttpTransport
    from azure.eventgrid.aio import EventGridPublisherClient

SOURCE = "cordon"
SENDER = "the role EventGrid Data Sender on the outgoing topic"
_SECONDS = 30.0
_TOO_LARGE = 413


class EventGridTopic:
    """
    See `shared.tenant.Publisher`. An event may be sent again with the same id, so a lost answer is met by
    sending it once more.
    """

    def __init__(
        self,
        endpoint: str,
        credential: "AsyncTokenCredential",
        *,
        transport: "Callable[[], AsyncHttpTransport[Any, Any]]",
        clock: Clock,
        random: Callable[[], float],
        patience: Patience | None = None,
    ) -> None:
        origin_of(endpoint)  # refuses what may never be called
        self._endpoint, self._credential, self._transport = endpoint, credential, transport
        self._clock, self._random = clock, random
        self._patience = patience or Patience(attempts=3, waiting=20.0)
        self._client: EventGridPublisherClient | None = None

    async def publish(self, type: str, subject: str, id: str, data: Mapping[str, object]) -> None:
        """See `Publisher`. Raises TimeMayHelp errors, or PermissionMissing."""
        from azure.core.messaging import CloudEvent

        doing = f"publishing {type}"
        event = CloudEvent(source=SOURCE, type=type, subject=subject, id=id, time=self._clock(), data=dict(data))

        async def attempt() -> None:
            await self._send(event, doing)

        await persist(attempt, self._patience, self._random, doing)

    async def _send(self, event: object, doing: str) -> None:
        from azure.core.exceptions import AzureError

        try:
            async with asyncio.timeout(_SECONDS):
                await self._ready().send(event)  # type: ignore[arg-type]
        except AzureError as problem:
            raise _trouble(problem, doing) from None
        except (TimeoutError, OSError) as problem:
            raise Trouble(OutcomeUnknown(doing, type(problem).__name__), again=True, lost=True) from None

    def _ready(self) -> "EventGridPublisherClient":
        if self._client is None:
            from azure.eventgrid.aio import EventGridPublisherClient

            self._client = EventGridPublisherClient(
                self._endpoint,
                self._credential,
                transport=self._transport(),
                retry_total=0,
                permit_redirects=False,
                logging_enable=False,
            )
        return self._client


def _trouble(problem: "AzureError", doing: str) -> Trouble:
    """The texts of these exceptions are not passed on: they may hold what was sent."""
    from azure.core.exceptions import (
        ClientAuthenticationError,
        HttpResponseError,
        ResourceNotFoundError,
    )

    if never_left(problem):
        return Trouble(Unreachable(doing, f"no connection: {type(problem).__name__}"), again=True)
    if isinstance(problem, ResourceNotFoundError):  # the SDK makes a new one, without its status
        return Trouble(PlatformRefused(doing=doing, code="404", why="there is no such topic."))
    status = problem.status_code if isinstance(problem, HttpResponseError) else None
    if status in {401, 403}:
        return Trouble(PermissionMissing(doing=doing, needs=SENDER))
    if isinstance(problem, ClientAuthenticationError):
        return Trouble(Unreachable(doing, "the identity gives no token"), again=True)
    if status is not None and 400 <= status < 500 and status not in {408, 429}:
        why = "the event is too large." if status == _TOO_LARGE else "the topic does not take this event."
        return Trouble(PlatformRefused(doing=doing, code=str(status), why=why))
    return Trouble(OutcomeUnknown(doing, str(status or type(problem).__name__)), again=True, lost=True)
