"""
The function app's process in a drill: built as in Azure from settings, driven by the local host, and mortal.

Killed at a write point, it is started again some seconds later with nothing but what the store and the
tenant hold, as the platform would start it.
"""

import asyncio
import contextlib
from random import Random
from typing import cast

from drill.grounds import Grounds
from drill.host.host import LocalHost
from drill.lifeline import Crash, Life

RESTARTS_AFTER = 2.0  # seconds


class AppProcess:
    """Runs, dies, and is started again. `name` tells several of one drill apart."""

    def __init__(self, grounds: Grounds, name: str = "drill") -> None:
        self._grounds, self._name = grounds, name
        self._starts = 0
        self._died = asyncio.Event()
        self._life: Life | None = None
        self._defect: BaseException | None = None
        self.host: LocalHost | None = None  # None while it is down
        self.ready = asyncio.Event()  # it has been warm and running once

    async def keep_alive(self) -> None:
        """Start it, and start it again whenever it dies."""
        while True:
            await self._start()
            await self._died.wait()
            if self._defect:
                raise self._defect
            last = self._grounds.fate.points[-1] if self._grounds.fate.points else None
            where = f" after write {last.number} ({last.kind}: {last.what})" if last else ""
            self._grounds.narrator.tell("Host", f"the process was killed{where}; the platform starts another")
            await self.stop()
            await asyncio.sleep(RESTARTS_AFTER)

    def kill(self) -> None:
        """As a power cut would."""
        if self._life:
            self._life.kill()

    async def stop(self) -> None:
        """Cancel what it was doing."""
        host, self.host = self.host, None
        if host:
            with contextlib.suppress(Crash):
                await host.stop()

    async def _start(self) -> None:
        self._starts += 1
        self._died.clear()
        self._life = Life(self._grounds.fate, self._died.set)
        responder = self._grounds.responder(f"{self._name}-{self._starts}", self._life)
        self.host = LocalHost(
            responder,
            self._grounds.surroundings,
            keys=self._grounds.keys,
            clock=self._grounds.clock,
            random=Random(self._seed()),
            environ=self._grounds.environ,
            died=self._fall_over,
        )
        with contextlib.suppress(Crash):
            await self.host.start()
            self.ready.set()

    def _seed(self) -> str:
        name = "host" if self._name == "drill" else self._name
        return f"{self._grounds.seed}:{name}-{self._starts}"

    def _fall_over(self, death: BaseException) -> None:
        """The host met something that no host survives; only a Crash is part of the play."""
        if not _is_crash(death):
            self._defect = self._defect or death
        self.kill()


def _is_crash(death: BaseException) -> bool:
    if isinstance(death, BaseExceptionGroup):
        return all(map(_is_crash, cast("tuple[BaseException, ...]", death.exceptions)))
    return isinstance(death, Crash)
