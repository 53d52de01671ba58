"""
Trying again, within bounds.

An attempt that fails raises `Trouble`, which says what went wrong in our words and whether another try
makes sense. tenacity repeats; the waits are the service's own where it names sane ones, and random
back-off otherwise. What comes out in the end is a CordonError.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from shared.clock import Clock
from shared.errors import CordonError, OutcomeUnknown

T = TypeVar("T")

LONGEST_RETRY_AFTER = 300.0  # seconds; more than that is taken for a mistake and cut to this


class Trouble(Exception):
    """
    One attempt failed. `again`: another try may help; `wait`: seconds that the service asked for, if it
    did; `lost`: the request may have been carried out all the same; `soon`: no pause is called for, a hiccup of
    the service or of the way to it is often over at once.
    """

    def __init__(
        self,
        error: CordonError,
        *,
        again: bool = False,
        wait: float | None = None,
        lost: bool = False,
        soon: bool = False,
    ) -> None:
        super().__init__(str(error))
        self.error, self.again, self.wait, self.lost, self.soon = error, again, wait, lost, soon


@dataclass(frozen=True, slots=True)
class Patience:
    """How many attempts, and how many seconds of waiting between them in all."""

    attempts: int = 5
    waiting: float = 60.0
    first: float = 1.0  # back-off: `first` to 1.25 × `first` seconds, doubling, at most `longest`
    longest: float = 16.0

    def pause(self, rest: int, random: Callable[[], float]) -> float:
        """The given back-off (1, 2, …), never under a second (facts: 429 without Retry-After)."""
        return min(self.first * 2 ** (rest - 1), self.longest) * (1.0 + random() / 4)


_AT_ONCE = (0.02, 0.1)  # seconds to twice as many


class Pauses:
    """
    The pauses of one operation, one after each attempt that failed.

    The first two hiccups are tried again at once, nearly, for a containment must not be late for them. These attempts
    come on top of the others, so that an outage is waited out as long as ever.
    """

    def __init__(self, patience: Patience, random: Callable[[], float]) -> None:
        self._patience, self._random = patience, random
        self._at_once = self._rests = 0

    def next(self, trouble: Trouble) -> float | None:
        """Seconds before the next attempt; None if there have been enough."""
        if trouble.wait is None and trouble.soon and self._at_once < len(_AT_ONCE):
            self._at_once += 1
            return _AT_ONCE[self._at_once - 1] * (1.0 + self._random())
        self._rests += 1
        if self._rests >= self._patience.attempts:
            return None
        return self._patience.pause(self._rests, self._random) if trouble.wait is None else trouble.wait


async def persist(
    attempt: Callable[[], Awaitable[T]], patience: Patience, random: Callable[[], float], doing: str
) -> T:
    """
    Attempt until it works, it is pointless, or patience ends; then raise the last attempt's error.

    If any attempt was lost and the last one did not succeed, the outcome is unknown, whatever the last
    refusal says: the lost one may have been carried out.
    """
    try:
        return await attempt()  # nearly always that is all, and setting up what repeats costs more CPU than it
    except Trouble as trouble:
        first: Trouble | None = trouble
    lost = first.lost

    async def watched() -> T:
        nonlocal first, lost
        if first is not None:
            failed, first = first, None
            raise failed
        try:
            return await attempt()
        except Trouble as trouble:
            lost = lost or trouble.lost
            raise

    try:
        return await _retrying(patience, random)(watched)
    except Trouble as trouble:
        if lost and not isinstance(trouble.error, OutcomeUnknown):
            raise OutcomeUnknown(doing, f"an earlier answer was lost; then: {trouble.error}") from None
        raise trouble.error from trouble.__cause__


def _retrying(patience: Patience, random: Callable[[], float]) -> AsyncRetrying:
    pauses, over = Pauses(patience, random), False

    def wait(state: RetryCallState) -> float:
        nonlocal over
        trouble = state.outcome.exception() if state.outcome else None
        pause = pauses.next(trouble) if isinstance(trouble, Trouble) else None
        over = pause is None
        return pause or 0.0

    def stop(state: RetryCallState) -> bool:
        return over or state.idle_for + state.upcoming_sleep > patience.waiting

    return AsyncRetrying(sleep=asyncio.sleep, wait=wait, stop=stop, retry=retry_if_exception(_may_help), reraise=True)


def _may_help(problem: BaseException) -> bool:
    return isinstance(problem, Trouble) and problem.again


def read_retry_after(text: str | None, clock: Clock) -> float | None:
    """
    Seconds from a Retry-After header: a number or an HTTP date. None if it is missing, is not readable or
    is not in the future (0, -1): then our own back-off counts. More than five minutes are cut to that.
    """
    seconds = _seconds(text.strip(), clock) if text else None
    if seconds is None or not seconds > 0:
        return None
    return min(seconds, LONGEST_RETRY_AFTER)


def _seconds(text: str, clock: Clock) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return _until(text, clock)
    return number if not math.isnan(number) else None


def _until(text: str, clock: Clock) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # the second for numbers that no date can hold
        return None
    aware: datetime = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - clock()).total_seconds()
