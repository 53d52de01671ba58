"""
Timer triggers: NCRONTAB in UTC, one run at a time, and a run that was missed is caught up with once.

A monitored timer's last run is kept outside the process, as the platform keeps it in storage. Timers
more often than once a minute are never monitored (facts: Functions docs, timer trigger).
"""

import asyncio
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from drill.host.functions import Function
from drill.host.invocation import Invoker, say_failed
from drill.host.payloads import Timing, timer_request
from drill.ncrontab import Schedule
from shared.clock import Clock


@dataclass(slots=True)
class TimerMonitor:
    """When each monitored timer ran last: outlives the process."""

    last_runs: MutableMapping[str, datetime] = field(default_factory=dict[str, datetime])


@dataclass(frozen=True, slots=True)
class Timer:
    """One timer function and its schedule."""

    function: Function
    schedule: Schedule
    monitor: TimerMonitor
    invoker: Invoker
    clock: Clock

    async def keep_running(self) -> None:
        """Run it whenever it is due, for ever."""
        await self._catch_up()
        due = self.schedule.next_after(self.clock())
        while due is not None:
            await _sleep_until(due, self.clock)
            await self._run_once(past_due=False)
            # A sleep may end a rounding error early: what has just run is not due again.
            due = self.schedule.next_after(max(due, self.clock()))

    async def run_now(self) -> None:
        """An extra run, on a person's request."""
        await self._run_once(past_due=False)

    async def _catch_up(self) -> None:
        last = self.monitor.last_runs.get(self.function.name)
        missed = last and self._is_monitored() and (self.schedule.next_after(last) or self.clock()) < self.clock()
        if missed or self.function.trigger.get("runOnStartup") is True:
            await self._run_once(past_due=bool(missed))
        elif self._is_monitored():
            self.monitor.last_runs.setdefault(self.function.name, self.clock())

    async def _run_once(self, *, past_due: bool) -> None:
        now = self.clock()
        last = self.monitor.last_runs.get(self.function.name)
        payload = timer_request(Timing(last, self.schedule.next_after(now), past_due))
        try:
            await self.invoker.call_with_retry(self.function, payload)
        except Exception as problem:  # noqa: BLE001 - the platform too waits for the next tick
            say_failed(self.function, problem, "it runs again when it is next due")
        if self._is_monitored():
            self.monitor.last_runs[self.function.name] = now

    def _is_monitored(self) -> bool:
        if self.function.trigger.get("useMonitor") is False:
            return False
        now = self.clock()
        first = self.schedule.next_after(now)
        second = self.schedule.next_after(first) if first else None
        return first is None or second is None or second - first >= timedelta(minutes=1)


async def _sleep_until(due: datetime, clock: Clock) -> None:
    while (left := (due - clock()).total_seconds()) > 0:  # noqa: ASYNC110 - time passes, nobody sets it
        await asyncio.sleep(max(left, 0.001))  # an event loop rounds what is shorter down to nothing
