"""people-at-risk: the look-back ladder of owners, consenters and who added credentials."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.case import (
    Account,
    CouldNotLook,
    Known,
    NotLooked,
    PartName,
    People,
    RiskState,
    UserSignIn,
    Way,
    window_of,
)
from shared.conditions.interface import Met, NotMet, Unknown
from shared.conditions.people_at_risk import PeopleAtRisk
from shared.people_signs import MAILBOXES, Sign
from tests.conditions.cases import UNREADABLE, but, case
from tests.conditions.people import (
    ALICE,
    BOB,
    DAY,
    HOUR,
    RUNGS,
    detected,
    only,
    person,
    read_as,
    registered,
    sign_in,
    tenant,
)
from tests.fakes import START


def asked(*signs: Sign, **more: object) -> PeopleAtRisk:
    return PeopleAtRisk(signs=signs or PeopleAtRisk().signs, **more)  # pyright: ignore[reportArgumentType]


RECORDS: list[tuple[Sign, dict[str, object]]] = [
    (Sign.RISKY_SIGN_IN, {"sign_ins": [sign_in(HOUR, level="high")]}),
    (Sign.DEVICE_CODE, {"sign_ins": [sign_in(HOUR, protocol="deviceCode")]}),
    (Sign.SECURITY_INFO, {"audits": [registered(HOUR)]}),
    (Sign.PASSWORD_RESET, {"audits": [registered(HOUR, "Reset user password")]}),
]


@pytest.mark.parametrize(("sign", "shown"), RECORDS)
def test_each_sign_is_told_with_its_record(sign: Sign, shown: dict[str, object]) -> None:
    """And it is no other sign."""
    phished = tenant(**shown)  # pyright: ignore[reportArgumentType]
    finding = asked(sign).check(phished)

    assert isinstance(finding, Met)
    assert "“alice@contoso.example” (owner)" in finding.reason
    assert "found within 24 h" in finding.reason
    others = [each for each, _ in RECORDS if each is not sign]
    assert isinstance(asked(*others).check(phished), NotMet)


def test_what_is_so_now_belongs_to_the_first_rung() -> None:
    """A user whom Entra lists as at risk is at risk today, since whenever."""
    at_risk = person(risk=Known(RiskState("high", "atRisk", "none", START - 40 * DAY)))

    assert isinstance(asked(Sign.AT_RISK).check(only(tenant(at_risk), RUNGS[0])), Met)
    assert isinstance(asked(Sign.AT_RISK).check(tenant()), NotMet)
    over = person(risk=Known(RiskState("high", "remediated", "none", None)))
    assert isinstance(asked(Sign.AT_RISK).check(tenant(over)), NotMet)


@pytest.mark.parametrize("level", ["hidden", "unknownFutureValue"])
def test_a_hidden_level_is_not_clean(level: str) -> None:
    """It is what a tenant without Entra ID P2 is shown."""
    risk = person(risk=Known(RiskState(level, "atRisk", "none", None)))
    found = person(detections=Known((detected(HOUR, level),)))

    assert isinstance(asked(Sign.AT_RISK).check(tenant(risk)), Unknown)
    assert isinstance(asked(Sign.RISK_DETECTION).check(tenant(found)), Unknown)
    assert isinstance(asked(Sign.RISKY_SIGN_IN).check(tenant(sign_ins=[sign_in(HOUR, level=level)])), Unknown)


def test_low_risk_is_none_that_was_asked_for() -> None:
    """Unless the policy asks for it; and what somebody dismissed is over."""
    low = person(detections=Known((detected(HOUR, "low"),)))
    dismissed = person(detections=Known((detected(HOUR, state="dismissed"),)))

    assert isinstance(asked(Sign.RISK_DETECTION).check(tenant(low)), NotMet)
    assert isinstance(asked(Sign.RISK_DETECTION, levels=("low",)).check(tenant(low)), Met)
    assert isinstance(asked(Sign.RISK_DETECTION).check(tenant(dismissed)), NotMet)


@pytest.mark.parametrize("sign", [Sign.NEW_COUNTRY, Sign.NEW_NETWORK])
def test_where_not_all_sign_ins_are_there_none_is_no_sign_that_nothing_is_new(sign: Sign) -> None:
    """One that could not be read may be the one from elsewhere."""
    usual = [sign_in(days * DAY, days) for days in (2, 8, 16, 20, 24, 25, 26)]
    whole = tenant(sign_ins=usual)
    day = whole.people_day
    assert isinstance(day, Known)
    (seen,) = day.value.seen
    odd = replace(seen, doubts=("1 of the sign-ins could not be read",))
    doubted = replace(whole, people_day=Known(replace(day.value, seen=(odd,))))
    week = replace(asked(sign), longest=7 * DAY)

    assert isinstance(week.check(whole), NotMet)
    assert isinstance(week.check(doubted), Unknown)


def test_the_ladder_asks_for_one_rung_after_the_other() -> None:
    """The next one only while nothing was found."""
    nothing = tenant()
    looked = list[PartName]()
    for _ in RUNGS:
        finding = asked().check(only(nothing, *looked))
        assert isinstance(finding, Unknown)
        (wanted,) = finding.wants
        looked.append(wanted)

    assert tuple(looked) == RUNGS
    assert isinstance(asked().check(nothing), NotMet)


def test_the_ladder_stops_at_the_first_rung_with_a_hit() -> None:
    """What it did not cover before does not matter, and the longer rungs are never asked for."""
    week = tenant(sign_ins=[sign_in(3 * DAY, protocol="deviceCode")])
    finding = asked().check(only(week, *RUNGS[:2]))

    assert isinstance(finding, Met)
    assert "found within 7 d; nothing within 24 h" in finding.reason
    dark = but(only(week, *RUNGS[:2]), people_day=UNREADABLE)
    assert isinstance(asked().check(dark), Met)


def test_the_policy_says_how_far_to_look() -> None:
    """A hit beyond that is none."""
    fortnight = tenant(sign_ins=[sign_in(10 * DAY, protocol="deviceCode")])

    assert isinstance(asked(longest=timedelta(days=7)).check(only(fortnight, *RUNGS[:2])), NotMet)
    assert isinstance(asked(longest=timedelta(days=14)).check(fortnight), Met)


@pytest.mark.parametrize("rung", RUNGS)
def test_a_rung_that_was_not_covered_is_never_clean(rung: PartName) -> None:
    """Whether all of it could not be read, or one log of one person."""
    nothing = tenant()
    window = window_of(nothing, rung)
    assert isinstance(window, Known)
    (seen,) = window.value.seen
    short = replace(window.value, seen=(replace(seen, audits=CouldNotLook("the audit log keeps 7 days")),))

    dark = asked().check(but(nothing, **{rung.value: UNREADABLE}))
    partly = asked().check(but(nothing, **{rung.value: read_as(short)}))

    assert isinstance(dark, Unknown)
    assert isinstance(partly, Unknown)
    assert dark.wants == partly.wants == frozenset()
    assert "keeps 7 days" in partly.reason


def test_signs_that_need_no_log_do_not_miss_it() -> None:
    """A policy may ask for what its licence shows."""
    nothing = tenant()
    window = window_of(nothing, RUNGS[0])
    assert isinstance(window, Known)
    blind = replace(window.value, seen=tuple(replace(each, sign_ins=UNREADABLE) for each in window.value.seen))

    assert isinstance(asked(Sign.SECURITY_INFO).check(but(nothing, people_day=read_as(blind))), NotMet)
    assert isinstance(asked(Sign.DEVICE_CODE).check(but(nothing, people_day=read_as(blind))), Unknown)


def test_a_flow_that_the_log_does_not_tell_is_not_clean() -> None:
    """v1.0 of the log leaves it out; refused sign-ins do not matter."""
    assert isinstance(asked(Sign.DEVICE_CODE).check(tenant(sign_ins=[sign_in(HOUR, protocol=None)])), Unknown)
    refused = tenant(sign_ins=[sign_in(HOUR, protocol="deviceCode", code=50126)])
    assert isinstance(asked(Sign.DEVICE_CODE).check(refused), NotMet)


def test_mailboxes_are_said_not_to_be_checkable() -> None:
    """A detection tells of a rule; its absence tells nothing."""
    ruled = person(detections=Known((detected(HOUR, "hidden", "mcasSuspiciousInboxManipulationRules"),)))

    assert isinstance(asked(Sign.INBOX_RULE).check(tenant(ruled)), Met)
    silent = asked(Sign.INBOX_RULE).check(tenant())
    assert isinstance(silent, Unknown)
    assert MAILBOXES in silent.reason
    assert MAILBOXES in asked().check(tenant()).reason


def usual() -> list[UserSignIn]:
    return [sign_in(day * DAY, day) for day in range(3, 25)]


def test_a_new_country_is_told_against_the_users_own_month() -> None:
    """It takes all rungs, and is found in the one where it lies."""
    abroad = sign_in(HOUR, 99, country="SC", network=64499)
    condition = asked(Sign.NEW_COUNTRY)

    wanting = condition.check(only(tenant(sign_ins=[*usual(), abroad]), RUNGS[0]))
    assert isinstance(wanting, Unknown)
    assert wanting.wants == {RUNGS[1]}
    found = condition.check(tenant(sign_ins=[*usual(), abroad]))
    assert isinstance(found, Met)
    assert "a new country, SC" in found.reason
    assert isinstance(asked(Sign.NEW_NETWORK).check(tenant(sign_ins=[*usual(), abroad])), Met)
    assert isinstance(condition.check(tenant(sign_ins=[*usual(), sign_in(HOUR, 99)])), NotMet)


def test_too_little_to_learn_from_is_not_clean() -> None:
    """A week without sign-ins makes everything new, and so nothing."""
    abroad = sign_in(HOUR, 99, country="SC")

    assert isinstance(asked(Sign.NEW_COUNTRY).check(tenant(sign_ins=[sign_in(9 * DAY, 1), abroad])), Unknown)
    untold = sign_in(HOUR, 99, country=None)
    assert isinstance(asked(Sign.NEW_COUNTRY).check(tenant(sign_ins=[*usual(), untold])), Unknown)


def test_only_those_who_are_asked_about_count() -> None:
    """And of others nothing is read."""
    phished = tenant(person(ALICE, Way.CONSENTER), sign_ins=[sign_in(HOUR, protocol="deviceCode")])

    assert isinstance(asked(who=(Way.CONSENTER,)).check(phished), Met)
    assert isinstance(asked(who=(Way.OWNER,)).check(only(phished)), NotMet)


def test_who_could_not_be_seen_leaves_it_unknown() -> None:
    """Owners that nobody could read may be the ones."""
    hidden = tenant(unseen=((Way.OWNER, "403"),))

    assert isinstance(asked().check(hidden), Unknown)
    assert isinstance(asked(who=(Way.CONSENTER,)).check(hidden), NotMet)
    many = but(hidden, people=Known(People((person(),), (), (BOB,), Known(30 * DAY))))
    assert isinstance(asked().check(many), Unknown)


def test_an_account_that_is_off_is_a_sign_where_it_is_asked_for() -> None:
    """Blocked, or gone; what Graph does not tell is unknown."""
    blocked = person(account=Known(Account("x", enabled=False, type=None)))
    untold = person(account=Known(Account("x", enabled=None, type=None)))

    assert isinstance(asked(Sign.ACCOUNT_OFF).check(tenant(blocked)), Met)
    assert isinstance(asked(Sign.ACCOUNT_OFF).check(tenant(person(account=Known(None)))), Met)
    assert isinstance(asked(Sign.ACCOUNT_OFF).check(tenant(untold)), Unknown)
    assert isinstance(asked(Sign.ACCOUNT_OFF).check(tenant()), NotMet)


def test_nothing_is_judged_before_people_were_looked_at() -> None:
    """The same words as for every part."""
    finding = asked().check(but(case(), people=NotLooked()))

    assert isinstance(finding, Unknown)
    assert finding.wants == {PartName.PEOPLE}
