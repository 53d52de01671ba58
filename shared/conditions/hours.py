"""Hours and days of a week, as a policy writes them: "22:00-06:00", [sat, sun], and how far from UTC."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, WithJsonSchema

from shared.conditions.settings import Several

Day: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]|24):([0-5]\d)")
_OFFSET = re.compile(r"([+-])(0\d|1[0-4]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Hours:
    """From one minute of the day until before another; over midnight where the end comes first."""

    begin: int
    end: int

    def holds(self, minute: int) -> bool:
        if self.begin < self.end:
            return self.begin <= minute < self.end
        return minute >= self.begin or minute < self.end


def _read_hours(value: object) -> Hours:
    if isinstance(value, Hours):
        return value
    found = _HOURS.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be hours of the day such as 22:00-06:00")
    begin, end = (int(found[n]) * 60 + int(found[n + 1]) for n in (1, 3))
    if begin == end or end > 24 * 60:
        raise ValueError("must begin and end at different minutes of a day, such as 22:00-06:00")
    return Hours(begin, end)


def _read_offset(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    found = _OFFSET.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be an offset from UTC such as +01:00")
    length = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return -length if found[1] == "-" else length


HoursOfDay = Annotated[
    Hours,
    BeforeValidator(_read_hours),
    WithJsonSchema({"type": "string", "pattern": f"^{_HOURS.pattern}$", "examples": ["22:00-06:00"]}),
]
UtcOffset = Annotated[
    timedelta,
    BeforeValidator(_read_offset),
    WithJsonSchema({"type": "string", "pattern": f"^{_OFFSET.pattern}$", "examples": ["+01:00"]}),
]
Days: TypeAlias = Several[Day]


def is_in(moment: datetime, hours: Hours | None, days: tuple[Day, ...] | None, offset: timedelta) -> bool:
    """
    Whether a moment lies in these hours of these days; what is None is not asked about. Hours over midnight belong
    to the day on which they begin.
    """
    local = moment + offset
    minute = local.hour * 60 + local.minute
    if hours is not None:
        if not hours.holds(minute):
            return False
        if hours.begin > hours.end and minute < hours.end:
            local -= timedelta(days=1)
    return days is None or DAYS[local.weekday()] in days


def local_text(moment: datetime, offset: timedelta) -> str:
    """A moment as clocks there show it, with its day."""
    local = moment + offset
    return f"{DAYS[local.weekday()]} {local:%Y-%m-%d %H:%M}"
