"""Time comes in from outside: a clock is a function, and sleeping is the event loop's."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

Clock: TypeAlias = Callable[[], datetime]

_LONGEST = timedelta(days=366)
_SHORT = re.compile(r"(?P<number>\d{1,6})(?P<unit>[smhd])")
_ISO = re.compile(r"P(?:(?P<d>\d{1,6})D)?(?:T(?=\d)(?:(?P<h>\d{1,6})H)?(?:(?P<m>\d{1,6})M)?(?:(?P<s>\d{1,6})S)?)?")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def system_clock() -> datetime:
    """The machine's time, UTC."""
    return datetime.now(UTC)


def read_duration(value: object) -> timedelta:
    """A length of time as policy files write it: 90m, 24h, 7d, or ISO 8601 such as PT24H."""
    if not isinstance(value, str):
        raise ValueError("must be a duration such as 90m, 24h or 7d")  # noqa: TRY004 - bad input, not a wrong call
    length = timedelta()
    if short := _SHORT.fullmatch(value):
        length = timedelta(**{_UNITS[short["unit"]]: int(short["number"])})
    elif iso := _ISO.fullmatch(value):
        length = timedelta(**{_UNITS[unit]: int(number) for unit, number in iso.groupdict("0").items()})
    if not timedelta() < length <= _LONGEST:
        raise ValueError("must be a duration such as 90m, 24h or 7d, longer than nothing and at most 366d")
    return length
