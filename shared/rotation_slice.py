"""
Many secrets side by side, for a slice of bounded time: whoever's turn it is starts, what is through makes room.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.clock import Clock
from shared.errors import StoppedBySwitch
from shared.rotation_order import Board
from shared.rotation_stages import Stages

_LONGEST_IDLE = timedelta(seconds=30)  # whoever rests for longer ends the slice, and a message goes on
_PATIENCE = 90.0  # seconds after the slice's end for what is under way


@dataclass(slots=True)
class Slice:
    """
    One slice of work. `until`: nothing starts after that. `breaks_off` says that something has happened which the
    slice does not know yet, such as a person's approval.
    """

    stages: Stages
    clock: Clock
    until: datetime
    breaks_off: Callable[[], bool]
    board: Board
    stopped: bool = False  # by the switch
    broken_off: bool = False  # something was still under way at the end, and may have happened
    _tasks: dict[asyncio.Task[None], str] = field(default_factory=dict[asyncio.Task[None], str])
    _finished: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    async def work(self) -> None:
        """
        Work until nothing can go on within this slice. Raises what is everybody's: RivalActs, StoreFailed. What is
        under way then has ended before this returns.
        """
        self._place(self.stages.planned)
        try:
            while not self._is_over():
                if not self._start() and not await self._wait():
                    break
                self._take_in()
        finally:
            late = await self._finish()
        self._take_in()
        for step in late:
            await self.stages.broke_off(step)

    def next_due(self) -> datetime | None:
        """When something can go on; now, if anything could at once. None: nothing waits for a moment."""
        return self.clock() if self.board.may_start() else self.board.next_due()

    def _is_over(self) -> bool:
        return self.stopped or self.clock() >= self.until or self.breaks_off()

    def _start(self) -> bool:
        """Start whoever's turn it is. True if anything was started."""
        started = False
        for step in self.board.start(self.clock()):
            if not self.stages.claim(step):  # its source's other secrets have moved since
                self._place((step,))
                started = True
                continue
            task = asyncio.create_task(self.stages.run(step))
            self._tasks[task] = step
            task.add_done_callback(self._note_finished)
            started = True
        return started

    async def _wait(self) -> bool:
        """Until something is through or due. False if nothing is, within this slice."""
        due = self.board.next_due()
        if not self._tasks and not self._finished:
            if due is None or due >= self.until or due - self.clock() > _LONGEST_IDLE:
                return False
            await asyncio.sleep(max(0.0, (due - self.clock()).total_seconds()))
            return True
        until = min(due, self.until) if due is not None else self.until
        try:
            async with asyncio.timeout(max(0.0, (until - self.clock()).total_seconds())):
                await self._woken.wait()
        except TimeoutError:
            pass  # something is due, or the slice is over
        return True

    def _note_finished(self, task: "asyncio.Task[None]") -> None:
        self._finished.append(task)
        self._woken.set()

    def _take_in(self) -> None:
        """Say anew where everybody stands who was through, and whoever shares a source with them."""
        self._woken.clear()
        finished, self._finished = self._finished, []
        moved = dict[str, None]()
        for task in finished:
            step = self._tasks.pop(task)
            moved |= dict.fromkeys((step, *self.stages.beside(step)))
            self._judge(task)
        under_way = set(self._tasks.values())
        self._place(step for step in moved if step not in under_way)

    def _judge(self, task: "asyncio.Task[None]") -> None:
        if task.cancelled():
            self.broken_off = True
            return
        match task.exception():
            case None:
                pass
            case StoppedBySwitch():
                self.stopped = True
            case error:
                raise error

    def _place(self, steps: Iterable[str]) -> None:
        for step in steps:
            planned = self.stages.planned[step]
            standing, until = self.stages.stand(step)
            begins = self.stages.begins(step)
            self.board.put(step, planned.tier, planned.ref.vault, standing, until, begins=begins)

    async def _finish(self) -> Sequence[str]:
        """Let what is under way come to its end; what does not is broken off, and found again by the next slice."""
        if not self._tasks:
            return ()
        _, late = await asyncio.wait(self._tasks, timeout=_PATIENCE)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        await asyncio.sleep(0)  # the callbacks of what has ended
        for task in self._tasks:
            if not task.cancelled():
                task.exception()  # told by the first of them; nothing is to be said of the others
        return [self._tasks[task] for task in late if task.cancelled()]
