"""What is usual, learned from an identity's own sign-ins."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.baseline import Baseline, Feature, TooShort, baseline_of, joined, plain_agent, recent, usual_count, value_of
from shared.case import SignIn, SignInLog
from tests.fakes import START

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOME = "203.0.113.7"


def sign_in(ago: timedelta, *, code: int = 0, address: str | None = HOME, network: int | None = 64496) -> SignIn:
    """A token for the usual resource from the usual place, so long ago."""
    return SignIn(
        id=f"s{ago.total_seconds()}",
        at=START - ago,
        error_code=code,
        address=address,
        credential_id="KEY-1",
        credential_type="clientSecret",
        resource="Microsoft Graph",
        resource_id="r-1",
        network=network,
        country="NL",
        user_agent="azsdk-python-identity/1.17.1 Python/3.11.4 (Linux)",
    )


def log(*sign_ins: SignIn, cut_short: bool = False) -> SignInLog:
    records = tuple(sorted(sign_ins, key=lambda each: each.at, reverse=True))
    return SignInLog(records, records[-1].at if cut_short else START - 30 * DAY, cut_short)


def daily(days: int, **more: object) -> list[SignIn]:
    return [sign_in(day * DAY, **more) for day in range(2, days + 2)]  # pyright: ignore[reportArgumentType]


def test_a_baseline_holds_what_was_seen_and_when() -> None:
    """Of tokens that were issued before the end; refusals teach nothing, because anybody can cause them."""
    learned = baseline_of(
        log(*daily(20), sign_in(HOUR), sign_in(3 * DAY, code=7000215, address="198.51.100.1")),
        START - DAY,
        30 * DAY,
        10,
        2 * DAY,
    )

    assert isinstance(learned, Baseline)
    assert (learned.count, learned.learned) == (20, 20 * DAY)
    assert learned.seen(Feature.ADDRESS) == {HOME}
    assert learned.seen(Feature.CREDENTIAL) == {"key-1"}
    assert len(learned.hours) == 7


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (log(*daily(9)), "9 sign-ins over 9.0 days are too few"),
        (log(*(sign_in(DAY + n * HOUR) for n in range(1, 30))), "29 sign-ins over 1.2 days are too few"),
        (log(), "0 sign-ins over 0.0 days are too few"),
        (log(*daily(5), cut_short=True), "the log was read back to"),
    ],
)
def test_too_little_teaches_nothing(held: SignInLog, words: str) -> None:
    """And the reason says how little it was, and whether more could not be read."""
    learned = baseline_of(held, START - DAY, 30 * DAY, 10, 2 * DAY)

    assert isinstance(learned, TooShort)
    assert words in learned.why


def test_what_is_older_than_the_baseline_is_forgotten() -> None:
    """A place that was left a month ago is new again."""
    held = log(*daily(10), sign_in(20 * DAY, address="192.0.2.1"))
    learned = baseline_of(held, START - DAY, 14 * DAY, 10, 2 * DAY)

    assert isinstance(learned, Baseline)
    assert learned.seen(Feature.ADDRESS) == {HOME}


@pytest.mark.parametrize("asked_first", [HOME, "192.0.2.1", "192.0.2.9", ""])
def test_whether_a_value_is_usual_hangs_on_no_question_before_it(asked_first: str) -> None:
    """A baseline is learned as far as it is asked for, and afterwards knows no less, and nothing else."""
    learned = baseline_of(
        log(*daily(10), sign_in(13 * DAY, address="192.0.2.1"), sign_in(14 * DAY, address="")), START, 30 * DAY, 10, DAY
    )

    assert isinstance(learned, Baseline)
    assert learned.has(Feature.ADDRESS, asked_first) is (asked_first != "192.0.2.9")
    assert learned.seen(Feature.ADDRESS) == {HOME, "192.0.2.1", ""}
    assert learned.has(Feature.ADDRESS, "192.0.2.1")
    assert not learned.has(Feature.ADDRESS, "192.0.2.9")


def test_recent_are_the_tokens_of_the_time_after() -> None:
    """Newest first, refusals left out."""
    held = log(sign_in(HOUR), sign_in(2 * HOUR, code=7000215), sign_in(3 * HOUR), sign_in(2 * DAY))

    assert [START - each.at for each in recent(held, START - DAY)] == [HOUR, 3 * HOUR]


def test_a_network_is_its_number_or_the_addresses_around() -> None:
    """A cloud hands out another address every day."""
    assert value_of(sign_in(DAY), Feature.NETWORK) == "AS64496"
    assert value_of(sign_in(DAY, network=None), Feature.NETWORK) == "203.0.113.0/24"
    assert value_of(sign_in(DAY, network=None, address="2001:db8:1:2::9"), Feature.NETWORK) == "2001:db8:1::/48"
    assert value_of(sign_in(DAY, network=None, address="nowhere"), Feature.NETWORK) is None
    assert value_of(sign_in(DAY, network=None, address=None), Feature.NETWORK) is None


def test_an_update_of_a_library_is_nobody_new() -> None:
    """Versions are no part of who it is."""
    before, after = "azsdk-python-identity/1.15.0 Python/3.11", "azsdk-python-identity/1.17.1b2 Python/3.13"

    assert plain_agent(before) == plain_agent(after)
    assert plain_agent(before) != plain_agent("curl/8.5.0")


def test_what_is_usual_is_not_set_by_a_single_odd_day() -> None:
    """One window in twenty may be as busy as it likes; quiet ones count as well."""
    steady = [START - n * HOUR - timedelta(minutes=5) for n in range(48)]
    burst = [START - timedelta(hours=30, minutes=10)] * 50

    assert usual_count(steady, START, 2 * DAY, HOUR) == 1
    assert usual_count([*steady, *burst], START, 2 * DAY, HOUR) == 1
    assert usual_count(steady[:1], START, 2 * DAY, HOUR) == 0


def test_a_sign_in_that_two_sources_tell_counts_once() -> None:
    """By its id, or by the token that was issued; what failed has no token, and stands for itself."""
    told = [replace(sign_in(DAY), token_id="T-1"), sign_in(2 * DAY)]
    again = [replace(told[0], id="another id"), told[1], sign_in(40 * DAY), sign_in(3 * DAY, code=7000215)]
    older = SignInLog(tuple(again), START - 60 * DAY)

    both = joined(log(*told), older)

    assert [each.at for each in both.records] == [START - DAY, START - 2 * DAY, START - 3 * DAY, START - 40 * DAY]
    assert both.since == START - 60 * DAY


def test_two_logs_with_a_gap_between_them_are_whole_only_after_it() -> None:
    """The older one ended before the newer begins: nobody knows who came in between."""
    newer = replace(log(sign_in(HOUR), cut_short=True), since=START - 5 * HOUR)
    older = SignInLog((sign_in(2 * DAY),), START - 60 * DAY, until=START - DAY)
    meeting = replace(older, until=START - 4 * HOUR)

    apart, together = joined(newer, older), joined(newer, meeting)

    assert (apart.since, apart.cut_short, len(apart.records)) == (newer.since, True, 2)
    assert (together.since, together.cut_short, together.until) == (older.since, False, None)
