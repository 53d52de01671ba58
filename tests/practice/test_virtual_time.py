"""The loop whose clock jumps."""

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from drill.virtual_time import Deadlock, NotUnderVirtualTime, run, virtual_clock

START = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)


def test_two_hours_of_sleep_take_no_time() -> None:
    """Sleeping moves the clock, not the tester."""

    async def story() -> datetime:
        await asyncio.sleep(7200)
        return virtual_clock().now()

    began = time.perf_counter()

    assert run(story, start=START) == START + timedelta(hours=2)
    assert time.perf_counter() - began < 1


def test_sleepers_wake_in_the_order_of_their_timers() -> None:
    """Concurrent tasks see each other's moments in the right order."""
    woken: list[str] = []

    async def sleeper(name: str, delay: float) -> None:
        await asyncio.sleep(delay)
        woken.append(name)

    async def story() -> None:
        await asyncio.gather(sleeper("late", 3.5), sleeper("early", 0.5), sleeper("middle", 2))

    run(story, start=START)

    assert woken == ["early", "middle", "late"]


def test_a_timeout_strikes_in_virtual_time() -> None:
    """asyncio.timeout counts the loop's seconds."""

    async def story() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(300):
                await asyncio.Event().wait()
        return virtual_clock().elapsed

    assert run(story, start=START) == pytest.approx(300)


def test_a_deadlock_is_an_error_that_names_who_waits() -> None:
    """What would hang for ever ends at once, and says which task it was."""

    async def story() -> None:
        await asyncio.create_task(asyncio.Event().wait(), name="the one that waits")

    with pytest.raises(Deadlock, match="the one that waits"):
        run(story, start=START)


def test_work_for_a_thread_runs_on_the_spot() -> None:
    """to_thread keeps the order of things, and its errors reach the one who awaits."""

    async def story() -> tuple[str, str]:
        name = await asyncio.to_thread(lambda: threading.current_thread().name)
        try:
            await asyncio.to_thread(lambda: 1 / 0)
        except ZeroDivisionError:
            return name, "caught"
        return name, "lost"

    assert run(story, start=START) == (threading.current_thread().name, "caught")


def test_a_socket_is_refused() -> None:
    """Real connections cannot live in bent time, and say so."""

    async def story() -> None:
        with pytest.raises(NotUnderVirtualTime):
            await asyncio.open_connection("127.0.0.1", 9)

    run(story, start=START)


def test_libraries_that_ask_the_wall_clock_get_virtual_time_too() -> None:
    """time.time() is virtual inside and real again outside."""

    async def story() -> float:
        await asyncio.sleep(60)
        return time.time()

    assert run(story, start=START) == pytest.approx((START + timedelta(seconds=60)).timestamp())
    assert abs(time.time() - datetime.now(UTC).timestamp()) < 5


def test_a_clock_needs_a_zone_and_a_virtual_loop() -> None:
    """A naive start, or a real loop, is a mistake rather than a guess."""
    with pytest.raises(ValueError, match="time zone"):
        run(_nothing, start=datetime(2026, 3, 2))  # noqa: DTZ001
    with pytest.raises(NotUnderVirtualTime):
        asyncio.run(_ask_for_the_clock())


async def _nothing() -> None:
    return


async def _ask_for_the_clock() -> None:
    virtual_clock()


def test_httpx_read_timeouts_belong_to_virtual_time() -> None:
    """A client that waits five seconds for an answer has waited five virtual seconds."""
    from drill.transports import PracticeHttpxTransport

    async def never(scope: object, receive: object, send: object) -> None:
        await asyncio.sleep(3600)

    async def story() -> float:
        async with httpx.AsyncClient(transport=PracticeHttpxTransport(never), timeout=5.0) as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.get("https://graph.microsoft.com/v1.0/organization")
        return virtual_clock().elapsed

    assert run(story, start=START) == pytest.approx(5.0)
