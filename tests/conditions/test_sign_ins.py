"""new-sign-in, sign-in-failures, sign-in-frequency, sign-in-odd-hour: against the identity's own past."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.baseline import Feature
from shared.case import Case, Known, NotLooked, PartName, SignIn, SignInLog
from shared.conditions.interface import Condition, Met, NotMet, Unknown
from shared.conditions.new_sign_in import SignedInAsNever
from shared.conditions.sign_in_failures import SignInsFail
from shared.conditions.sign_in_frequency import SignsInMoreOften
from shared.conditions.sign_in_odd_hour import SignsInAtOddHour
from tests.conditions.cases import UNREADABLE, but, case
from tests.fakes import START
from tests.policy.test_baseline import DAY, HOUR, daily, log, sign_in

USUAL = daily(20)
LEARNING: tuple[Condition, ...] = (SignedInAsNever(), SignsInMoreOften(), SignsInAtOddHour())
ONE_HOUR_AGO = sign_in(HOUR)


def with_log(*sign_ins: SignIn, cut_short: bool = False) -> Case:
    return but(case(), sign_ins=Known(log(*sign_ins, cut_short=cut_short)))


def tried(*sign_ins: SignIn, cut_short: bool = False) -> Case:
    return but(case(), attempts=Known(log(*sign_ins, cut_short=cut_short)))


@pytest.mark.parametrize(
    ("change", "feature"),
    [
        ({"network": 64499}, Feature.NETWORK),
        ({"country": "SC"}, Feature.COUNTRY),
        ({"resource_id": "r-2"}, Feature.RESOURCE),
        ({"credential_type": "certificate"}, Feature.CREDENTIAL_TYPE),
        ({"address": "203.0.113.8"}, Feature.ADDRESS),
        ({"user_agent": "curl/8.5.0"}, Feature.USER_AGENT),
        ({"credential_id": "KEY-2"}, Feature.CREDENTIAL),
    ],
)
def test_each_feature_that_is_new_is_told_and_only_if_it_is_asked_about(change: Any, feature: Feature) -> None:
    """The rest of the sign-in is as ever."""
    of = with_log(replace(ONE_HOUR_AGO, **change), *USUAL)
    others = tuple(each for each in Feature if each is not feature)
    found = SignedInAsNever((feature,)).check(of)

    assert isinstance(found, Met)
    assert f"new {feature}" in found.reason
    assert isinstance(SignedInAsNever(others).check(of), NotMet)


def test_a_sign_in_as_ever_is_no_finding() -> None:
    """An update of its library, another address of its network."""
    moved = replace(ONE_HOUR_AGO, address="203.0.113.99", user_agent="azsdk-python-identity/2.0.0 Python/3.13 (Linux)")
    features = tuple(each for each in Feature if each is not Feature.ADDRESS)

    assert isinstance(SignedInAsNever(features).check(with_log(moved, *USUAL)), NotMet)


def test_several_features_must_be_new_in_one_sign_in() -> None:
    """A fail-over changes the network, a new job the resource; a thief changes both at once."""
    two = SignedInAsNever((Feature.NETWORK, Feature.RESOURCE), at_least=2)
    apart = [replace(ONE_HOUR_AGO, network=64499), replace(sign_in(2 * HOUR), resource_id="r-2")]

    assert isinstance(two.check(with_log(*apart, *USUAL)), NotMet)
    assert isinstance(two.check(with_log(replace(apart[0], resource_id="r-2"), *USUAL)), Met)
    with pytest.raises(ValueError, match="more features than it names"):
        SignedInAsNever((Feature.NETWORK,), at_least=2)


def test_what_the_log_does_not_tell_leaves_it_unknown_where_it_could_matter() -> None:
    """Of managed identities addresses may be missing."""
    bare = replace(ONE_HOUR_AGO, network=None, address=None)
    never_told = [replace(each, network=None, address=None) for each in USUAL]

    assert isinstance(SignedInAsNever((Feature.NETWORK,)).check(with_log(bare, *USUAL)), Unknown)
    assert isinstance(SignedInAsNever((Feature.NETWORK,)).check(with_log(ONE_HOUR_AGO, *never_told)), Unknown)
    assert isinstance(SignedInAsNever((Feature.COUNTRY,)).check(with_log(bare, *USUAL)), NotMet)


@pytest.mark.parametrize("condition", LEARNING, ids=lambda each: each.name)
def test_without_enough_to_learn_from_nothing_is_judged(condition: Condition) -> None:
    """Unread, too short, too few, or too many to be read: unknown every time, with the reason."""
    unlooked = condition.check(but(case(), sign_ins=NotLooked()))
    flooded = with_log(*(sign_in(timedelta(minutes=n)) for n in range(60)), cut_short=True)

    assert isinstance(unlooked, Unknown)
    assert unlooked.wants == {PartName.SIGN_INS}
    for of in (but(case(), sign_ins=UNREADABLE), case(), with_log(ONE_HOUR_AGO, *daily(3)), flooded):
        finding = condition.check(of)
        assert isinstance(finding, Unknown)
        assert not finding.wants


@pytest.mark.parametrize(
    ("condition", "of", "answer"),
    [
        (SignInsFail(), [sign_in(timedelta(minutes=n), code=7000215) for n in range(10)], Met),
        (SignInsFail(), [sign_in(timedelta(minutes=n), code=7000215) for n in range(9)], NotMet),
        (SignInsFail(), [sign_in(HOUR + timedelta(minutes=n + 1), code=7000215) for n in range(10)], NotMet),
        (SignInsFail((7000222,)), [sign_in(timedelta(minutes=n), code=7000215) for n in range(10)], NotMet),
        (
            SignInsFail(succeeded=0),
            [sign_in(timedelta()), *(sign_in(timedelta(minutes=n), code=7000215) for n in range(1, 11))],
            NotMet,
        ),
    ],
)
def test_failures_are_counted_by_code_and_time(condition: SignInsFail, of: list[SignIn], answer: type) -> None:
    """Within the hour, and beside so many successes."""
    assert isinstance(condition.check(tried(*of)), answer)


def test_the_reason_tells_failures_by_code_and_credential() -> None:
    """Which key is tried is half of the story."""
    found = SignInsFail(at_least=3).check(
        tried(*(sign_in(timedelta(minutes=n), code=code) for n, code in enumerate([7000215, 7000215, 53003])))
    )

    assert found == Met(
        "3 sign-ins were refused (2 x 7000215, 1 x 53003), most with credential KEY-1; 0 tokens were issued"
    )


def test_a_log_that_was_cut_short_still_proves_what_it_shows() -> None:
    """Enough failures are enough; too few of the part that was read prove nothing."""
    many = [sign_in(timedelta(seconds=n), code=7000215) for n in range(12)]

    assert isinstance(SignInsFail().check(tried(*many, cut_short=True)), Met)
    assert isinstance(SignInsFail(at_least=20).check(tried(*many, cut_short=True)), Unknown)
    assert isinstance(SignInsFail(succeeded=0).check(tried(*many, cut_short=True)), Unknown)
    assert isinstance(SignInsFail().check(but(case(), attempts=UNREADABLE)), Unknown)


def _hourly(days: int) -> list[SignIn]:
    return [sign_in(n * HOUR + timedelta(minutes=90)) for n in range(days * 24)]


@pytest.mark.parametrize(
    ("now", "answer"),
    [(1, NotMet), (19, NotMet), (20, Met), (60, Met)],
)
def test_more_often_means_than_its_own_windows_hold(now: int, answer: type) -> None:
    """One an hour is usual here; twenty are not, and nineteen are too few to speak of."""
    burst = [sign_in(timedelta(seconds=n)) for n in range(now)]

    assert isinstance(SignsInMoreOften().check(with_log(*burst, *_hourly(10))), answer)


def test_a_busy_identity_may_be_busy() -> None:
    """Its own rate counts, and no fixed one."""
    busy = [sign_in(timedelta(minutes=2 * n + 61)) for n in range(3 * 24 * 30)]
    burst = [sign_in(timedelta(seconds=n)) for n in range(80)]

    assert isinstance(SignsInMoreOften().check(with_log(*burst, *busy)), NotMet)
    assert isinstance(SignsInMoreOften(times=2).check(with_log(*burst, *busy)), Met)


def _office_hours() -> list[SignIn]:
    """Every weekday at nine and ten in the morning, for four weeks before Monday, 03:00."""
    found = [sign_in(day * DAY - hour * HOUR) for day in range(2, 30) for hour in (6, 7)]
    return [each for each in found if each.at.weekday() < 5]


@pytest.mark.parametrize(
    ("ago", "answer"),
    [(HOUR, Met), (2 * DAY, NotMet), (timedelta(hours=17), Met)],
)
def test_an_hour_of_the_week_that_has_never_seen_it(ago: timedelta, answer: type) -> None:
    """Monday at two, Sunday at ten in the morning; Saturday is longer ago than is asked about."""
    assert isinstance(SignsInAtOddHour().check(with_log(sign_in(ago), *_office_hours())), answer)


def test_the_hours_beside_a_usual_one_are_not_odd() -> None:
    """A job that starts late one day is no stranger."""
    weekly = [sign_in(week * 7 * DAY + HOUR) for week in (1, 2, 3, 4)]
    late = sign_in(timedelta(minutes=10))

    assert isinstance(SignsInAtOddHour(least_records=4).check(with_log(late, *weekly)), NotMet)
    assert isinstance(SignsInAtOddHour(least_records=4).check(with_log(sign_in(5 * HOUR), *weekly)), Met)


def test_who_never_sleeps_has_no_odd_hour() -> None:
    """Active in most hours of its week."""
    assert isinstance(SignsInAtOddHour().check(with_log(ONE_HOUR_AGO, *_hourly(20))), NotMet)
    with pytest.raises(ValueError, match="14d"):
        SignsInAtOddHour(baseline=7 * DAY)


SIXTY = SignedInAsNever((Feature.NETWORK,), baseline=60 * DAY)


def test_a_baseline_longer_than_graph_keeps_is_asked_for_elsewhere() -> None:
    """What was usual fifty days ago is nothing new, once somebody tells of it."""
    back = replace(ONE_HOUR_AGO, network=64499)
    older = SignInLog((replace(sign_in(50 * DAY), network=64499),), START - 61 * DAY)
    short = but(with_log(back, *USUAL), older_sign_ins=NotLooked())

    found = SIXTY.check(short)

    assert isinstance(found, Unknown)
    assert found.wants == {PartName.OLDER_SIGN_INS}
    assert isinstance(SIXTY.check(but(short, older_sign_ins=Known(older))), NotMet)


def test_where_nobody_keeps_more_what_there_is_is_learned_from() -> None:
    """The finding says how much that was; nothing that is new to it is called usual."""
    back = with_log(replace(ONE_HOUR_AGO, network=64499), *USUAL)
    found = SIXTY.check(but(back, older_sign_ins=UNREADABLE))

    assert isinstance(found, Met)
    assert "20 sign-ins over 20 days" in found.reason


def test_a_month_is_not_asked_for_twice() -> None:
    """The usual baseline is as long as Graph's log."""
    usual = but(with_log(ONE_HOUR_AGO, *USUAL), older_sign_ins=NotLooked())

    assert isinstance(SignedInAsNever().check(usual), NotMet)


def test_a_log_that_is_too_long_for_graph_s_budget_is_asked_for_elsewhere() -> None:
    """Ten thousand records may be a day's; a workspace gives more at once."""
    busy = but(with_log(ONE_HOUR_AGO, *USUAL[:4], cut_short=True), older_sign_ins=NotLooked())
    found = SignedInAsNever().check(busy)

    assert isinstance(found, Unknown)
    assert found.wants == {PartName.OLDER_SIGN_INS}
    assert isinstance(SignedInAsNever().check(but(busy, older_sign_ins=Known(log(*USUAL)))), NotMet)


WHERE = (Feature.ADDRESS, Feature.NETWORK, Feature.COUNTRY)
MOVED = replace(ONE_HOUR_AGO, address="192.0.2.20", network=64498, country="IE")


@pytest.mark.parametrize("known", ["192.0.2.0/24", "AS64498"])
def test_nothing_is_new_about_where_a_sign_in_from_a_network_of_ones_own_came_from(known: str) -> None:
    """The region of a fail-over is named in the policy. What it is for still counts."""
    at_home = read_as(SignedInAsNever, {"features": list(WHERE), "known-networks": [known]})
    resource = read_as(SignedInAsNever, {"features": ["network", "resource"], "known-networks": [known]})

    assert isinstance(at_home.check(with_log(MOVED, *USUAL)), NotMet)
    assert isinstance(resource.check(with_log(replace(MOVED, resource_id="r-2"), *USUAL)), Met)
    assert isinstance(at_home.check(with_log(replace(MOVED, address="192.0.3.20", network=64499), *USUAL)), Met)


def test_a_sign_in_whose_address_is_not_told_came_from_no_network_of_ones_own() -> None:
    """Not known is not at home."""
    untold = replace(MOVED, address=None, network=None)
    at_home = read_as(SignedInAsNever, {"features": ["network"], "known-networks": ["192.0.2.0/24"]})

    assert isinstance(at_home.check(with_log(untold, *USUAL)), Unknown)


@pytest.mark.parametrize("network", ["0.0.0.0/0", "20.0.0.0/7", "2001::/16", "192.0.2.1/24", "AS0", "AS", "home", 7])
def test_half_of_the_internet_is_nobodys_own_network(network: object) -> None:
    """Nor is what is no network at all."""
    with pytest.raises(ValidationError):
        read_as(SignedInAsNever, {"known-networks": [network]})


def read_as(kind: type[SignedInAsNever], settings: dict[str, object]) -> SignedInAsNever:
    """A condition as the policy file spells it."""
    return TypeAdapter(kind).validate_python(settings)


SILENT: tuple[Condition, ...] = (*LEARNING, SignInsFail())


@pytest.mark.parametrize("condition", SILENT, ids=lambda each: each.name)
def test_a_log_that_has_fallen_silent_is_no_quiet_one(condition: Condition) -> None:
    """Whoever takes the export away goes on unseen: nothing is known of the time since."""
    told = log(ONE_HOUR_AGO, *USUAL)
    quiet = but(case(), sign_ins=Known(told), attempts=Known(told))
    gone = replace(told, until=START - 20 * HOUR)
    found = condition.check(but(quiet, sign_ins=Known(gone), attempts=Known(gone)))

    assert isinstance(condition.check(quiet), NotMet)
    assert isinstance(found, Unknown)
    assert "known until 2026-03-01 07:00 UTC only" in found.reason


def test_what_a_silent_log_shows_still_counts() -> None:
    """The stranger came before it ended."""
    odd = replace(ONE_HOUR_AGO, network=64499)
    told = replace(log(odd, *USUAL), until=START - HOUR / 2)

    assert isinstance(SignedInAsNever().check(but(case(), sign_ins=Known(told))), Met)


@pytest.mark.parametrize("condition", SILENT, ids=lambda each: each.name)
def test_a_log_that_begins_too_late_is_no_quiet_one(condition: Condition) -> None:
    """A workspace that gets records for half an hour knows nothing of the hour that is asked about."""
    told = replace(log(sign_in(HOUR / 4)), since=START - HOUR / 2)
    found = condition.check(but(case(), sign_ins=Known(told), attempts=Known(told)))

    assert isinstance(found, Unknown)
