"""The host runs timers as the platform does."""

import asyncio
from datetime import timedelta
from typing import Any

from drill.host.timers import Timer, TimerMonitor
from drill.ncrontab import Schedule
from drill.virtual_time import virtual_clock
from tests.drill.play import function, invoker, seconds_since_start, under_virtual_time


async def _run(call: Any, schedule: str, until: float, monitor: TimerMonitor | None = None, **trigger: Any) -> None:
    probe = function("timerTrigger", call, schedule=schedule, **trigger)
    timer = Timer(probe, Schedule.parse(schedule), monitor or TimerMonitor(), invoker(), virtual_clock().now)
    task = asyncio.create_task(timer.keep_running())
    await asyncio.sleep(until)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_a_timer_runs_exactly_when_it_is_due() -> None:
    """Every five minutes means at 5, 10 and 15 minutes past, once each."""
    at: list[float] = []

    async def call(given: Any) -> None:
        assert not given.past_due
        at.append(round(seconds_since_start(), 3))

    under_virtual_time(lambda: _run(call, "0 */5 * * * *", 901))

    assert at == [300, 600, 900]


def test_a_run_that_takes_longer_than_the_interval_is_not_joined_by_another() -> None:
    """One run at a time; ticks that pass meanwhile are skipped."""
    at: list[float] = []

    async def call(given: Any) -> None:
        at.append(round(seconds_since_start()))
        await asyncio.sleep(100)

    under_virtual_time(lambda: _run(call, "0 * * * * *", 400))

    assert at == [60, 180, 300]


def test_a_failure_waits_for_the_next_tick() -> None:
    """Nobody repeats a failed run before it is due again."""
    at: list[float] = []

    async def call(given: Any) -> None:
        at.append(round(seconds_since_start()))
        raise RuntimeError("not today")

    under_virtual_time(lambda: _run(call, "0 * * * * *", 130))

    assert at == [60, 120]


def test_a_missed_run_of_a_monitored_timer_is_caught_up_with_once() -> None:
    """After the host was down over two ticks, one run says that it is past due."""
    runs: list[tuple[float, bool]] = []

    async def call(given: Any) -> None:
        runs.append((round(seconds_since_start()), given.past_due))

    async def story() -> None:
        monitor = TimerMonitor()
        await _run(call, "0 0 * * * *", 3700, monitor, useMonitor=True)
        await asyncio.sleep(timedelta(hours=2, minutes=30).total_seconds())
        await _run(call, "0 0 * * * *", 60, monitor, useMonitor=True)

    under_virtual_time(story)

    assert runs == [(3600, False), (12700, True)]


def test_an_unmonitored_timer_forgets_what_it_missed() -> None:
    """Without a monitor, a host that comes back waits for the next tick."""
    runs: list[float] = []

    async def call(given: Any) -> None:
        runs.append(round(seconds_since_start()))

    async def story() -> None:
        monitor = TimerMonitor()
        await _run(call, "0 0 * * * *", 3700, monitor, useMonitor=False)
        await asyncio.sleep(9000)
        await _run(call, "0 0 * * * *", 60, monitor, useMonitor=False)

    under_virtual_time(story)

    assert runs == [3600]
