"""
Appends of many secrets at once: the store takes as long for fifty records as for one.

What is handed in while an append is under way goes with the next one, all of it together. Whoever handed it in
goes on when it is durable, so that no effect starts before its intent is.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from shared.chain import Chain, Stepped
from shared.entries import Entry
from shared.journal import MOST_AT_ONCE


class Commits:
    """The one that writes into a chain for many who work side by side."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._waiting: deque[tuple[Sequence[Stepped], asyncio.Future[None]]] = deque()
        self._writing: asyncio.Task[None] | None = None

    async def write(self, *entries: Entry, step: str | None = None) -> None:
        """As `Chain.write`: all or none, durable when this returns. Raises what the append raised."""
        await self.write_each([(entry, step) for entry in entries])

    async def write_each(self, entries: Sequence[Stepped]) -> None:
        """As `write`, each entry with its own step; at most 50."""
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((entries, durable))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        await durable

    async def settle(self) -> None:
        """Wait until nothing is being written any more."""
        if self._writing is not None:
            await asyncio.wait([self._writing])

    async def _write_all(self) -> None:
        while self._waiting:
            group = self._next_group()
            try:
                await self._chain.write_each([entry for entries, _ in group for entry in entries])
            except BaseException as error:  # noqa: BLE001 - whoever handed it in raises it
                _tell(group, error)
            else:
                _tell(group, None)

    def _next_group(self) -> list[tuple[Sequence[Stepped], asyncio.Future[None]]]:
        """As many as go into one append, in their order."""
        group, room = [self._waiting.popleft()], MOST_AT_ONCE
        room -= len(group[0][0])
        while self._waiting and len(self._waiting[0][0]) <= room:
            group.append(self._waiting.popleft())
            room -= len(group[-1][0])
        return group


def _tell(group: Sequence[tuple[Sequence[Stepped], "asyncio.Future[None]"]], error: BaseException | None) -> None:
    for _, durable in group:
        if durable.done():  # whoever handed it in was cancelled meanwhile
            continue
        if error is None:
            durable.set_result(None)
        else:
            durable.set_exception(error)
