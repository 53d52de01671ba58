"""credential-first-use: what was added lately was used for the first time."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.case import AuditRecord, Case, CouldNotLook, KeyUse, Known, NotLooked, PartName, SignIn, SignInLog
from shared.conditions.credential_first_use import FirstUse
from shared.conditions.interface import Met, NotMet, Unknown
from tests.conditions.cases import KEY, PIPELINE, UNREADABLE, added, but, case
from tests.fakes import CORDON_PRINCIPAL, START, password, payroll
from tests.policy.test_baseline import DAY, HOUR, sign_in

FIRST = FirstUse()


def used(ago: timedelta, credential_id: str | None = KEY) -> SignIn:
    return replace(sign_in(ago), credential_id=credential_id)


def seen(*sign_ins: SignIn, record: AuditRecord | None = None, days: int = 30) -> Case:
    records = tuple(sorted(sign_ins, key=lambda each: each.at, reverse=True))
    log = SignInLog(records, START - timedelta(days=days))
    return but(case(audits=(record or added(ago=DAY),)), sign_ins=Known(log))


def test_a_new_credential_s_first_use_is_told_with_who_added_it() -> None:
    """The moment at which somebody who planted it came in."""
    found = FIRST.check(seen(used(HOUR), used(2 * DAY, "another")))

    assert isinstance(found, Met)
    assert KEY in found.reason
    assert "service principal 77777777" in found.reason
    assert "2026-03-02 02:00 UTC" in found.reason


@pytest.mark.parametrize(
    "of",
    [
        seen(),
        seen(used(HOUR, "another")),
        seen(used(HOUR), record=added(ago=8 * DAY)),
        seen(used(HOUR), record=added(by=CORDON_PRINCIPAL)),
        seen(used(HOUR), record=added(result="failure")),
        seen(used(HOUR), used(30 * HOUR), record=added(ago=2 * DAY)),
    ],
)
def test_what_was_not_used_or_not_for_the_first_time_is_no_finding(of: Case) -> None:
    """Never used; another was; long there; Cordon's own; never added; in use since yesterday."""
    assert isinstance(FIRST.check(of), NotMet)


def test_the_pipeline_s_own_rotation_is_expected() -> None:
    """By its id, never by a name."""
    rotated = seen(used(HOUR), record=added(by=PIPELINE))

    assert isinstance(FirstUse(by_other_than=(PIPELINE,)).check(rotated), NotMet)
    assert isinstance(FIRST.check(rotated), Met)


def test_where_the_log_is_away_the_report_may_tell() -> None:
    """Of one that was added within the day any use is the first."""
    blind = but(seen(record=added(ago=3 * HOUR)), sign_ins=UNREADABLE)
    told = but(blind, key_use=Known(KeyUse({KEY: START - HOUR})))

    assert isinstance(FIRST.check(told), Met)
    assert isinstance(FIRST.check(blind), Unknown)
    assert isinstance(FIRST.check(but(blind, key_use=UNREADABLE)), Unknown)


def test_parts_are_asked_for_only_if_a_credential_was_added() -> None:
    """The log of sign-ins costs most, and the report is asked where the log is away."""
    unasked = but(seen(), sign_ins=NotLooked(), key_use=NotLooked())
    away = FIRST.check(but(unasked, sign_ins=UNREADABLE))
    first = FIRST.check(unasked)

    assert isinstance(FIRST.check(but(case(), sign_ins=NotLooked())), NotMet)
    assert isinstance(away, Unknown)
    assert away.wants == {PartName.KEY_USE}
    assert isinstance(first, Unknown)
    assert first.wants == {PartName.SIGN_INS}


def test_what_the_logs_do_not_tell_is_unknown() -> None:
    """A sign-in without its credential; a log that begins after the credential; a record in a form not known."""
    assert isinstance(FIRST.check(seen(used(HOUR, None))), Unknown)
    assert isinstance(FIRST.check(seen(used(HOUR), days=0)), Unknown)
    assert isinstance(FIRST.check(but(seen(), audits=UNREADABLE)), Unknown)


def test_a_credential_that_no_record_explains_yet_leaves_it_open() -> None:
    """The audit log is late: who added it is not known, so neither is that it was nobody."""
    young = replace(password(5), start=START - HOUR, end=START + DAY)
    of = replace(case(), identity=Known(payroll(application=[young])))

    assert isinstance(FIRST.check(of), Unknown)


def test_a_log_that_has_fallen_silent_does_not_say_that_it_was_not_used() -> None:
    """It may be in use by now."""
    of = seen(used(2 * HOUR, "another"))
    assert isinstance(of.sign_ins, Known)

    assert isinstance(FIRST.check(but(of, sign_ins=Known(replace(of.sign_ins.value, until=START - HOUR)))), Unknown)


def test_one_odd_record_hides_no_first_use_that_the_others_show() -> None:
    """And what the odd one may have added is not known, so that nothing is clean by the rest."""

    def odd(of: Case, *records: AuditRecord) -> Case:
        return but(of, audits=CouldNotLook("1 of its 2 audit records could not be read", partly=records))

    met, clean = FIRST.check(odd(seen(used(HOUR)), added(ago=DAY))), FIRST.check(odd(seen(used(HOUR, "another"))))

    assert isinstance(met, Met)
    assert isinstance(clean, Unknown)
    assert "could not be read" in clean.reason
    assert isinstance(FIRST.check(odd(seen(used(HOUR)), added(by=CORDON_PRINCIPAL))), Unknown)
