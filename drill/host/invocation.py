"""
One call of one function: with the host's time limit, and told to whoever listens.

What a function raises is the platform's signal to try again, so it is logged here and passed on. A
BaseException that is no cancellation means that the process is as good as dead: nothing is called again.
"""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from drill.host.functions import Function
from drill.host.host_json import read_time_span

_log = logging.getLogger("cordon.host")


class TimedOut(Exception):
    """The function ran longer than host.json allows, and was cancelled."""


@dataclass(frozen=True, slots=True)
class Invoker:
    """Calls functions. `before` runs in the same step of the loop as the function's first line."""

    timeout: timedelta
    before: Callable[[], None]
    died: Callable[[BaseException], None]

    async def call(self, function: Function, payload: object) -> object:
        """Call it once. Raises what the function raises, or TimedOut."""
        limit = asyncio.timeout(self.timeout.total_seconds())
        try:
            async with limit:
                return await self._run(function, payload)
        except TimeoutError as problem:
            if limit.expired():
                raise TimedOut(f"{function.name} ran longer than {self.timeout}") from problem
            raise
        except (Exception, asyncio.CancelledError):
            raise
        except BaseException as death:
            self.died(death)
            raise

    async def call_with_retry(self, function: Function, payload: object) -> object:
        """Call it as its `@retry` policy says: the platform heeds that for timers and Event Hubs only."""
        attempt = 0
        while True:
            try:
                return await self.call(function, payload)
            except Exception as problem:
                wait = _retry_wait(function, attempt)
                if wait is None:
                    raise
                say_failed(function, problem, f"tried again in {wait}")
                attempt += 1
                await asyncio.sleep(wait.total_seconds())

    async def _run(self, function: Function, payload: object) -> object:
        arguments = {function.argument: payload}
        self.before()
        if inspect.iscoroutinefunction(function.call):
            return await cast("Awaitable[object]", function.call(**arguments))
        return await asyncio.to_thread(function.call, **arguments)


def say_failed(function: Function, problem: Exception, what_next: str) -> None:
    """One line for each failed call; the error's text is Cordon's own or a library's, never a payload."""
    _log.warning("Function %s failed (%s: %s); %s.", function.name, type(problem).__name__, problem, what_next)


def _retry_wait(function: Function, attempt: int) -> timedelta | None:
    """How long to wait before attempt number `attempt` + 2; None when there is none."""
    policy = function.retry
    if policy is None or 0 <= int(policy["max_retry_count"]) <= attempt:
        return None
    if policy["strategy"] == "fixed_delay":
        return read_time_span(policy["delay_interval"], function.name)
    longest = read_time_span(policy["maximum_interval"], function.name)
    shortest = read_time_span(policy["minimum_interval"], function.name)
    return min(longest, shortest * 2 ** min(attempt, 30))
