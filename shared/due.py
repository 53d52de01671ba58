"""
Which messages of ours are still to come, so that none is sent beside one that does the same.

A message that comes too early is sent on. Where it comes twice, or where a sending is reported as failed that took
place, there are two of it from then on, and more with each time that they are sent on: without this the queue would
fill for as long as the trouble lasts. Nothing depends on what is remembered here: an instance that knows of no message
sends one.

A message that comes before its time by a clock that was set back must not take itself for one that is still to come. So
the event loop's time, which is never set back, has to agree; it stands still where a machine is put to sleep, and there
the clock does not.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

_REMEMBERED = 10_000  # kinds of message of which an instance knows when its own is due


@dataclass(slots=True)
class Due:
    """When this instance's own messages are due, by the clock and by the event loop's time, by what they are about."""

    _moments: dict[str, tuple[datetime, float]] = field(default_factory=dict[str, tuple[datetime, float]])

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
        passed = asyncio.get_running_loop().time()
        due, due_by_loop = self._moments.get(about, (now, passed))
        if not_before < due - now <= delay and passed < due_by_loop:
            return
        await send()
        self._moments.pop(about, None)
        if len(self._moments) >= _REMEMBERED:
            self._moments.pop(next(iter(self._moments)))
        self._moments[about] = now + delay, passed + delay.total_seconds()
