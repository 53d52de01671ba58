"""
Which messages of ours are still to come, so that none is sent beside one that does the same.

A message that comes too early is sent on. Where it comes twice, or where a sending is reported as failed that took
place, there are two of it from then on, and more with each time that they are sent on: without this the queue would
fill for as long as the trouble lasts. Nothing depends on what is remembered here: an instance that knows of no message
sends one.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

_REMEMBERED = 10_000  # kinds of message of which an instance knows when its own is due


@dataclass(slots=True)
class Due:
    """When this instance's own messages are due, by what they are about."""

    _moments: dict[str, datetime] = field(default_factory=dict[str, datetime])

    async def send_once(
        self,
        about: str,
        delay: timedelta,
        send: Callable[[], Awaitable[None]],
        now: datetime,
        *,
        not_before: timedelta = timedelta(),
    ) -> None:
        """
        Send, unless a message about the same is due within that delay, and not before the other. A moment further off
        is one that a clock remembers which has been set back since.

        What raises is not remembered: the message may not be in the queue.
        """
        due = self._moments.get(about)
        if due is not None and not_before < due - now <= delay:
            return
        await send()
        self._moments.pop(about, None)
        if len(self._moments) >= _REMEMBERED:
            self._moments.pop(next(iter(self._moments)))
        self._moments[about] = now + delay
