"""
The work queue in Azure: a storage queue, which the Functions host listens to.
"""

import math
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from shared.clients.storage_account import StorageAccount, explaining, making_if_missing
from shared.signal import JsonObject
from shared.store import WORK_QUEUE, check_message, message_bytes

if TYPE_CHECKING:
    from azure.storage.queue.aio import QueueClient

T = TypeVar("T")

QUEUE_ROLE = "Storage Queue Data Contributor"

_NEVER = -1  # the time to live. The default is seven days: the end of a message that was delayed as long


class AzureQueue:
    """Sends; receiving is the host's. Twice the same message is harmless, so a lost answer is tried again."""

    def __init__(self, account: StorageAccount, name: str = WORK_QUEUE) -> None:
        self._account, self._name = account, name

    @cached_property
    def _client(self) -> "QueueClient":
        return self._account.queue(self._name)

    async def send(self, message: JsonObject, delay: timedelta = timedelta()) -> None:
        body = message_bytes(message)
        check_message(body, delay)
        hidden = math.ceil(delay.total_seconds())  # the service counts whole seconds; never too early
        with explaining(f"sending a message to queue {self._name}", QUEUE_ROLE, writes=True):
            await self._made(
                lambda: self._client.send_message(body.decode(), visibility_timeout=hidden, time_to_live=_NEVER)
            )

    async def warm_up(self) -> None:
        """Import the SDK, get a token and connect; make the queue if it is missing."""
        with explaining(f"looking for queue {self._name}", QUEUE_ROLE):
            await self._made(self._client.get_queue_properties)

    async def close(self) -> None:
        if "_client" in self.__dict__:
            await self._client.close()

    async def _made(self, call: Callable[[], Awaitable[T]]) -> T:
        return await making_if_missing(f"queue {self._name}", "QueueNotFound", self._client.create_queue, call)
