"""odd-hour: changed when nobody works."""

from datetime import timedelta

import pytest

from shared.audit_changes import ChangeKind
from shared.case import NotLooked
from shared.conditions.hours import Hours
from shared.conditions.interface import Met, NotMet, Unknown
from shared.conditions.odd_hour import ChangedAtOddHour
from tests.conditions.cases import PIPELINE, UNREADABLE, audit, but, case
from tests.policy.test_audit_changes import EDIT

NIGHT = Hours(22 * 60, 6 * 60)
# The story's present is Monday, 2026-03-02, 03:00 UTC; the change is an hour old.
CHANGED = case(audits=(audit("Update application", [EDIT], on="Application"),))


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (ChangedAtOddHour(NIGHT), Met),
        (ChangedAtOddHour(Hours(8 * 60, 18 * 60)), NotMet),
        (ChangedAtOddHour(NIGHT, utc_offset=timedelta(hours=8)), NotMet),
        (ChangedAtOddHour(NIGHT, utc_offset=timedelta(hours=-4)), Met),
        (ChangedAtOddHour(Hours(2 * 60, 3 * 60)), Met),
        (ChangedAtOddHour(Hours(60, 2 * 60)), NotMet),
        (ChangedAtOddHour(NIGHT, ("sun",)), Met),
        (ChangedAtOddHour(NIGHT, ("mon",)), NotMet),
        (ChangedAtOddHour(days=("mon",)), Met),
        (ChangedAtOddHour(days=("sat", "sun")), NotMet),
        (ChangedAtOddHour(days=("sun",), utc_offset=timedelta(hours=-4)), Met),
        (ChangedAtOddHour(NIGHT, kinds=(ChangeKind.OWNERS,)), NotMet),
        (ChangedAtOddHour(NIGHT, by_other_than=(PIPELINE,)), Met),
        (ChangedAtOddHour(NIGHT, within=timedelta(minutes=30)), NotMet),
    ],
)
def test_hours_days_clocks_and_kinds_must_fit(asked: ChangedAtOddHour, answer: type) -> None:
    """Sunday's night lasts until Monday morning; the end of the hours is not in them."""
    assert isinstance(asked.check(CHANGED), answer)


def test_the_reason_tells_the_hour_by_the_clocks_of_the_place() -> None:
    """So that whoever knows the owner sees what is odd."""
    finding = ChangedAtOddHour(NIGHT, utc_offset=timedelta(hours=1)).check(CHANGED)

    assert isinstance(finding, Met)
    assert "on mon 2026-03-02 03:00 (record Directory_1)" in finding.reason


def test_without_the_log_nothing_is_known() -> None:
    """Unread is never a quiet night; grants take records of their own, where they are asked about."""
    night = ChangedAtOddHour(NIGHT, kinds=(ChangeKind.GRANTS,))

    assert isinstance(ChangedAtOddHour(NIGHT).check(but(case(), audits=UNREADABLE)), Unknown)
    assert isinstance(ChangedAtOddHour(NIGHT).check(but(case(), grant_audits=NotLooked())), NotMet)
    assert isinstance(night.check(but(case(), grant_audits=UNREADABLE)), Unknown)


def test_hours_or_days_must_be_given() -> None:
    """Else every hour would be as good as another."""
    with pytest.raises(ValueError, match="hours or days"):
        ChangedAtOddHour()
