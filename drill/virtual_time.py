"""
An event loop whose clock jumps: a drill of two hours takes seconds and leaves the same trace each time.

    def test_something():
        run(story, start=datetime(2026, 3, 2, 3, tzinfo=UTC))

    async def story() -> None:
        clock = virtual_clock()      # clock.now() is UTC and moves with every sleep and timeout
        await asyncio.sleep(3600)    # takes no time at all

When no task can go on, the clock jumps to the next timer. Work handed to a thread runs inline, on the
spot. Real sockets, subprocesses and other descriptors are refused: their time is not ours to bend.
While `run` is active `time.time()` gives virtual time too, because libraries judge the age of tokens
by it (azure-core does); `time.monotonic()` stays real.
"""

import asyncio
import selectors
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import Generator

    from _typeshed import FileDescriptorLike

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Deadlock(RuntimeError):
    """Every task waits for something that no timer will ever bring."""


class NotUnderVirtualTime(RuntimeError):
    """Something wanted the real world (a socket, a subprocess), whose time cannot jump."""


class VirtualClock:
    """Tells the time of a virtual loop, also after it has ended."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("start needs a time zone")
        self._start = start.astimezone(UTC)
        self._told = 0.0, self._start  # it is asked far more often than it moves
        self.elapsed = 0.0  # seconds since start: the loop's time()

    def now(self) -> datetime:
        """UTC, to the microsecond."""
        at, told = self._told
        if at != self.elapsed:
            told = self._start + timedelta(seconds=self.elapsed)
            self._told = self.elapsed, told
        return told


class _JumpingSelector(selectors.BaseSelector):
    """Waits by moving the clock. Knows only the loop's own wake-up pipe, on which nothing ever comes."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._keys: dict[FileDescriptorLike, selectors.SelectorKey] = {}

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock(f"nothing is ready, no timer is set, and these tasks still wait: {_waiting_tasks()}")
        if timeout > 0:
            self._clock.elapsed += timeout
        return []

    def register(self, fileobj: "FileDescriptorLike", events: int, data: object = None) -> selectors.SelectorKey:
        if self._keys:
            raise NotUnderVirtualTime(
                "a descriptor was to be watched: sockets and pipes do not exist under virtual time"
            )
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        return self._keys.setdefault(fileobj, selectors.SelectorKey(fileobj, fd, events, data))

    def unregister(self, fileobj: "FileDescriptorLike") -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def get_map(self) -> Mapping["FileDescriptorLike", selectors.SelectorKey]:
        return self._keys


class VirtualLoop(asyncio.SelectorEventLoop):
    """See the module's docstring."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        super().__init__(_JumpingSelector(self.clock))
        # Adding a timeout to the clock may fall short of the timer by a rounding error of this size.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self.clock.elapsed

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Runs at once in this thread, so that the order of things stays the same on every run."""
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except StopIteration as problem:  # a future refuses to carry it
            done.set_exception(RuntimeError(repr(problem)))
        except Exception as problem:  # noqa: BLE001 - it belongs to whoever awaits, like a thread's
            done.set_exception(problem)
        return done

    def call_soon_threadsafe(  # type: ignore[override] # the stub's TypeVarTuple, spelt for 3.11
        self, callback: Callable[..., object], *args: object, context: object = None
    ) -> asyncio.Handle:
        """Threads do not exist here, so nobody has to be woken."""
        return self.call_soon(callback, *args, context=context)  # type: ignore[arg-type]


def run(main: Callable[[], Awaitable[T]], *, start: datetime) -> T:
    """
    Run `main` to its end under virtual time that begins at `start`, and return what it returns.

    Tasks still running then are cancelled, as asyncio.run does. Raises Deadlock instead of hanging.
    """

    async def entered() -> T:
        return await main()

    clock = VirtualClock(start)
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner, _wall_clock_of(clock):
        return runner.run(entered())


def virtual_clock() -> VirtualClock:
    """The clock of the running virtual loop."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        raise NotUnderVirtualTime("the running loop keeps real time")
    return loop.clock


@contextmanager
def _wall_clock_of(clock: VirtualClock) -> "Generator[None]":
    real = time.time
    time.time = lambda: clock.now().timestamp()
    try:
        yield
    finally:
        time.time = real


def _waiting_tasks() -> str:
    names = sorted(task.get_name() for task in asyncio.all_tasks(asyncio.get_running_loop()) if not task.done())
    return ", ".join(names) or "none"
