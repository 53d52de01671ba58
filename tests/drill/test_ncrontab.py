"""Timer schedules fire when the platform's would."""

from datetime import UTC, datetime

import pytest
from croniter import croniter
from hypothesis import given
from hypothesis import strategies as st

from drill.ncrontab import Schedule, ScheduleWrong

_LIMITS = ((0, 59), (0, 59), (0, 23), (1, 28), (1, 12), (0, 6))
_SUNDAY = datetime(2026, 3, 1, 23, 59, 58, tzinfo=UTC)


def _parts(lowest: int, highest: int) -> st.SearchStrategy[str]:
    numbers = st.integers(lowest, highest)
    # The oracle takes a range of one weekday, such as 0-0, for the whole week; so ranges here span two values.
    ranges = st.tuples(numbers, numbers).filter(lambda pair: pair[0] < pair[1]).map(lambda pair: f"{pair[0]}-{pair[1]}")
    stepped = st.tuples(st.just("*") | ranges, st.integers(1, 20)).map(lambda pair: f"{pair[0]}/{pair[1]}")
    return st.just("*") | st.lists(numbers.map(str) | ranges | stepped, min_size=1, max_size=3).map(",".join)


_expressions = st.tuples(*(_parts(*limits) for limits in _LIMITS)).map(" ".join)
_moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(_expressions, _moments)
def test_it_agrees_with_an_independent_implementation(expression: str, moment: datetime) -> None:
    """A widely used cron library, told to demand day and weekday both, finds the same next second."""
    oracle = croniter(expression, moment, second_at_beginning=True, day_or=False)

    assert Schedule.parse(expression).next_after(moment) == oracle.get_next(datetime)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 */5 * * * *", datetime(2026, 3, 2, tzinfo=UTC)),
        ("*/30 * * * * *", datetime(2026, 3, 2, tzinfo=UTC)),
        ("59 59 23 * * *", datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC)),
        ("0 30 9 * * MON-FRI", datetime(2026, 3, 2, 9, 30, tzinfo=UTC)),
        ("0 0 0 1 Jan *", datetime(2027, 1, 1, tzinfo=UTC)),
        ("0 0 12 * * 0", datetime(2026, 3, 8, 12, tzinfo=UTC)),
        ("0 5/20 0 * * *", datetime(2026, 3, 2, 0, 5, tzinfo=UTC)),
        ("0 0 0 13 * 5", datetime(2026, 3, 13, tzinfo=UTC)),
        ("0 0 0 29 2 1", datetime(2044, 2, 29, tzinfo=UTC)),
    ],
)
def test_the_next_occurrence_is_in_utc_and_weekdays_count_from_sunday(expression: str, expected: datetime) -> None:
    """Names, lists, ranges and steps mean what the platform's documentation says."""
    assert Schedule.parse(expression).next_after(_SUNDAY) == expected


def test_a_date_that_never_comes_has_no_next_occurrence() -> None:
    """30 February is a valid expression and matches nothing."""
    assert Schedule.parse("0 0 0 30 2 *").next_after(_SUNDAY) is None


@pytest.mark.parametrize(
    "expression",
    [
        "*/5 * * * *",
        "0 0 0 L * *",
        "0 0 0 ? * *",
        "@daily",
        "0 0 0 * * 7",
        "60 * * * * *",
        "0 0 24 * * *",
        "0 0 0 0 * *",
        "0 0 0 * * fri-mon",
        "*/0 * * * * *",
        "0 0 0 * * ,",
        "0 0 0 * * ",
        "٠ 0 0 * * *",
    ],
)
def test_what_other_crons_accept_is_refused(expression: str) -> None:
    """A schedule is either strict NCRONTAB or an error."""
    with pytest.raises(ScheduleWrong):
        Schedule.parse(expression)
