"""odd-hour: changed when nobody works."""

from datetime import timedelta

import pytest

from shared.audit_changes import ChangeKind
from shared.case import Known, NotLooked, PartName, PeopleWindow, SeenOfPerson, UserSignIn
from shared.conditions.hours import Hours
from shared.conditions.interface import Met, NotMet, Unknown
from shared.conditions.odd_hour import ChangedAtOddHour
from tests.conditions.cases import PIPELINE, UNREADABLE, audit, between, but, case
from tests.conditions.people import ALICE, BOB, DAY, person, read_as, sign_in, tenant
from tests.fakes import PAYROLL, START
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


def test_an_owner_of_one_of_two_is_no_change_for_certain() -> None:
    """The log does not say which of them is owned."""
    night = ChangedAtOddHour(NIGHT, kinds=(ChangeKind.OWNERS,))

    assert isinstance(night.check(case(audits=(between(PAYROLL, PIPELINE),))), Unknown)
    assert isinstance(night.check(case(audits=(between(PAYROLL, PIPELINE, named=PAYROLL),))), Met)


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
    with pytest.raises(ValueError, match="hours, days"):
        ChangedAtOddHour()


OWN = ChangedAtOddHour(own_week=True)
BY_ALICE = case(audits=(audit("Update application", [EDIT], on="Application", user=ALICE),))  # Monday, 02:00


def office(days: int = 28, hour: int = 9) -> list[UserSignIn]:
    """Alice at work: a sign-in a day at this hour (UTC), weekends too, until the day before yesterday."""
    at_nine = timedelta(hours=27 - hour)  # from 03:00 back to that hour of the day before
    return [sign_in(at_nine + timedelta(days=day), day) for day in range(1, days)]


def test_a_persons_own_week_tells_what_is_odd_for_them() -> None:
    """Two in the night is odd for whoever works at nine, and not for whoever works at night."""
    day, night = tenant(sign_ins=office(), of=BY_ALICE), tenant(sign_ins=office(hour=2), of=BY_ALICE)
    found = OWN.check(day)

    assert isinstance(found, Met)
    assert "show none of theirs" in found.reason
    assert isinstance(OWN.check(night), NotMet)
    assert isinstance(ChangedAtOddHour(Hours(8 * 60, 18 * 60), own_week=True).check(day), Met)
    assert isinstance(ChangedAtOddHour(own_week=True, by_other_than=(ALICE,)).check(day), NotMet)


def test_what_led_to_the_act_is_no_habit() -> None:
    """Somebody who took the account over signs in first."""
    tonight = sign_in(timedelta(hours=1, minutes=5), 99)

    assert isinstance(OWN.check(tenant(sign_ins=[*office(), tonight], of=BY_ALICE)), Met)


def test_less_than_two_weeks_or_a_busy_week_tell_nothing() -> None:
    """The one is unknown, the other has no odd hours."""
    always = [sign_in(timedelta(days=2, hours=each), each) for each in range(600)]
    others = [each for each in always if each.record.at.hour not in (1, 2, 3)]

    assert isinstance(OWN.check(tenant(sign_ins=office(10), of=BY_ALICE)), Unknown)
    assert isinstance(OWN.check(tenant(sign_ins=others, of=BY_ALICE)), NotMet)
    assert isinstance(ChangedAtOddHour(own_week=True, busiest=168).check(tenant(sign_ins=others, of=BY_ALICE)), Met)


def test_a_week_that_cannot_be_read_is_unknown() -> None:
    """Also of whoever is no person, or was not among those who are looked at."""
    dark = but(tenant(sign_ins=office(), of=BY_ALICE), people_month=UNREADABLE)
    by_app = tenant(sign_ins=office(), of=CHANGED)
    by_bob = tenant(person(BOB), sign_ins=office(), of=BY_ALICE)
    lost = SeenOfPerson(ALICE, UNREADABLE, Known(()))
    unlicensed = but(tenant(of=BY_ALICE), people_day=read_as(PeopleWindow(START - DAY, START, (lost,))))

    assert all(isinstance(OWN.check(each), Unknown) for each in (dark, by_app, by_bob, unlicensed))


def test_people_are_read_only_for_their_own_week() -> None:
    """Fixed hours need nobody."""
    blind = but(BY_ALICE, people=NotLooked())
    asked = OWN.check(blind)

    assert isinstance(asked, Unknown)
    assert asked.wants == {PartName.PEOPLE}
    assert isinstance(ChangedAtOddHour(Hours(8 * 60, 18 * 60)).check(blind), NotMet)
    with pytest.raises(ValueError, match="own-week"):
        ChangedAtOddHour()
