"""
NCRONTAB, as timer triggers use it: six fields, `second minute hour day month weekday`, in UTC.

Each field is a list of `*`, a number, a range `a-b`, or one of them with a step `/n` (`5/10` is from 5
to the field's end). Months and weekdays may be named by three letters; weekdays count from Sunday = 0.
A time matches when all six fields do. Strict on purpose: what is neither of this (five fields, `L`,
`?`, `@daily`, weekday 7, a backward range) is refused, because a schedule that is guessed at never fires
when somebody thinks it does.
"""

import re
from calendar import monthrange
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART = re.compile(r"(?:(?P<all>\*)|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d{1,3}))?")

# 29 February on a given weekday comes back after 40 years at most (across 2100, which is no leap year).
_HORIZON_YEARS = 41


class ScheduleWrong(ValueError):
    """The text is no NCRONTAB expression."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    lowest: int
    highest: int
    words: tuple[str, ...] = ()

    def read(self, text: str) -> tuple[int, ...]:
        """All values that the field's text allows, in order."""
        return tuple(sorted({value for part in text.split(",") for value in self._part(part)}))

    def _part(self, text: str) -> range:
        found = _PART.fullmatch(text)
        if not found:
            raise ScheduleWrong(f"{text!r} is not a valid {self.name}")
        step = int(found["step"] or 1)
        if found["all"]:
            first, last = self.lowest, self.highest
        else:
            first = self._value(found["first"])
            last = self._last(found, first)
        if step < 1 or last < first:
            raise ScheduleWrong(f"{text!r} holds no {self.name}: ranges run upwards and steps are at least 1")
        return range(first, last + 1, step)

    def _last(self, found: re.Match[str], first: int) -> int:
        if found["last"]:
            return self._value(found["last"])
        return self.highest if found["step"] else first

    def _value(self, text: str) -> int:
        if text.lower() in self.words:
            return self.words.index(text.lower()) + self.lowest
        if not text.isascii() or not text.isdigit() or not self.lowest <= int(text) <= self.highest:
            raise ScheduleWrong(f"{text!r} is not a {self.name} from {self.lowest} to {self.highest}")
        return int(text)


_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("weekday", 0, 6, _WEEKDAYS),
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A parsed expression: for each field, the values that match."""

    text: str
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> "Schedule":
        """Read an expression. Raises ScheduleWrong, which says what is wrong with which field."""
        parts = text.split()
        if len(parts) != len(_FIELDS):
            raise ScheduleWrong(
                f"{text!r} has {len(parts)} fields; NCRONTAB has six: second minute hour day month weekday"
            )
        return cls(text, *(field.read(part) for field, part in zip(_FIELDS, parts, strict=True)))

    def next_after(self, moment: datetime) -> datetime | None:
        """The first matching second that is later than `moment`; None if there is none within 41 years."""
        start = moment.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        for year, month in self._months_from(start):
            for day in self._days_of(year, month):
                midnight = datetime(year, month, day, tzinfo=UTC)
                if found := self._first_of_day(midnight, start):
                    return found
        return None

    def _months_from(self, start: datetime) -> Iterator[tuple[int, int]]:
        for year in range(start.year, start.year + _HORIZON_YEARS):
            yield from ((year, month) for month in self.months if (year, month) >= (start.year, start.month))

    def _days_of(self, year: int, month: int) -> Iterator[int]:
        weekday_of_first, length = monthrange(year, month)  # Monday is 0 here
        for day in self.days:
            if day <= length and (weekday_of_first + day) % 7 in self.weekdays:
                yield day

    def _first_of_day(self, midnight: datetime, start: datetime) -> datetime | None:
        if midnight.date() < start.date():
            return None
        floor = (start.hour, start.minute, start.second) if midnight.date() == start.date() else (0, 0, 0)
        found = _first_time((self.hours, self.minutes, self.seconds), floor)
        return midnight.replace(hour=found[0], minute=found[1], second=found[2]) if found else None


def _first_time(fields: Sequence[tuple[int, ...]], floor: Sequence[int]) -> tuple[int, ...] | None:
    """The lowest combination of one value from each field that is not below `floor`."""
    if not fields:
        return ()
    for value in fields[0]:
        if value < floor[0]:
            continue
        rest = _first_time(fields[1:], floor[1:] if value == floor[0] else (0,) * len(floor[1:]))
        if rest is not None:
            return (value, *rest)
    return None
