"""Answers that many ask for at once, and that need not be read for each of them anew."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from shared.clock import Clock

T = TypeVar("T")


@dataclass(slots=True)
class _Kept(Generic[T]):
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    read: tuple[datetime, T] | None = None  # when, and what


class Memo(Generic[T]):
    """Reads once for all who ask within `lasts`. An error is raised to whoever met it, and not kept."""

    def __init__(self, clock: Clock, lasts: timedelta) -> None:
        self._clock, self._lasts = clock, lasts
        self._kept: dict[Hashable, _Kept[T]] = {}

    async def get(self, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        kept = self._kept.setdefault(key, _Kept[T]())
        async with kept.lock:
            found = kept.read
            if found is None or self._is_old(found[0]):
                found = kept.read = self._clock(), await read()
            self._forget()
            return found[1]

    def _is_old(self, read_at: datetime) -> bool:
        return self._clock() - read_at > self._lasts

    def _forget(self) -> None:
        """What is old, and nobody is reading."""
        for key, each in tuple(self._kept.items()):
            if not each.lock.locked() and (each.read is None or self._is_old(each.read[0])):
                del self._kept[key]
