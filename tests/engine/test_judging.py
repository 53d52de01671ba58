"""What a limit says when it is reached, and to whom a place in the hour belongs."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.actions.interface import Tier
from shared.entries import PlannedStep
from shared.limits import (
    BURST,
    MOST_KEPT,
    WINDOW,
    Allowed,
    Batch,
    Burst,
    Deed,
    Over,
    Spent,
    Window,
    deeds_of,
    judge,
    spend,
)
from shared.policy import ActionLimits, Limits
from tests.fakes import START

LIMITS = Limits(identities_per_hour=3, percent_of_enabled_per_hour=100)
BY_SHARE = Limits(identities_per_hour=100, percent_of_enabled_per_hour=2.5)
BY_DEED = Limits(identities_per_hour=100, percent_of_enabled_per_hour=100, actions_per_hour=ActionLimits(credentials=3))
ONE = Limits(identities_per_hour=1, percent_of_enabled_per_hour=100)
SECOND = timedelta(seconds=1)


def _spent(name: str, *deeds: Deed, ago: timedelta = timedelta(), known_as: str | None = None) -> Spent:
    return Spent(name, START - ago, frozenset(deeds), known_as)


def _cut(*names: str) -> tuple[Deed, ...]:
    return tuple(Deed(Tier.CREDENTIALS, name) for name in names)


def _window(*names: str) -> Window:
    return Window(tuple(_spent(name) for name in names))


def _judge(
    limits: Limits,
    window: Window,
    wanted: Spent,
    *others: str,
    enabled: int | None = 500,
    later: timedelta = timedelta(),
) -> Allowed | Over:
    return judge(limits, window, wanted, batch=Batch(frozenset(others)), enabled=enabled, now=START + later)


def _over(verdict: Allowed | Over) -> Over:
    assert isinstance(verdict, Over)
    return verdict


def _allowed(verdict: Allowed | Over) -> Window:
    assert isinstance(verdict, Allowed)
    return verdict.window


# Identities


def test_the_last_place_of_the_hour_is_given_and_the_next_one_is_not() -> None:
    """Three are allowed: the third is, the fourth is told how many there were and what the limit is."""
    third = _judge(LIMITS, _window("a", "b"), _spent("c"))
    fourth = _over(_judge(LIMITS, _window("a", "b", "c"), _spent("d")))

    assert {each.principal_id for each in _allowed(third).spent} == {"a", "b", "c"}
    assert fourth.reason == ("3 identities were contained in the last hour, and the limit is 3 identities an hour")
    assert (fourth.by_batch, fourth.window) == (False, None)


@pytest.mark.parametrize(("enabled", "spent", "allowed"), [(80, 1, True), (79, 1, False), (120, 2, True), (3, 0, True)])
def test_the_share_is_of_those_that_are_enabled_rounded_down_and_never_below_one(
    enabled: int, spent: int, allowed: bool
) -> None:
    """Two and a half percent of 80 are two, of 79 one, of 120 three, of three still one."""
    verdict = _judge(BY_SHARE, _window(*"abc"[:spent]), _spent("z"), enabled=enabled)

    assert isinstance(verdict, Allowed) is allowed


def test_a_share_that_is_used_up_says_of_how_many() -> None:
    """A responder reads the percentage and the count it was taken of."""
    over = _over(_judge(BY_SHARE, _window("a", "b"), _spent("c"), enabled=80))

    assert over.reason == (
        "2 identities were contained in the last hour, and the limit is 2 an hour "
        "(2.5 % of 80 enabled service principals)"
    )


def test_what_was_not_counted_is_no_yes_even_in_an_empty_hour() -> None:
    """The reason is the count, and not the number of identities."""
    over = _over(_judge(BY_SHARE, Window(), _spent("a"), enabled=None))

    assert "could not be counted" in over.reason
    assert not over.by_batch


def test_who_is_in_the_window_needs_no_count_and_no_place() -> None:
    """Its second half is let through in a full hour of a tenant that nobody could count."""
    verdict = _judge(LIMITS, _window("a", "b", "c"), _spent("b", *_cut("1")), "x", "y", enabled=None)

    assert {each.principal_id: each.deeds for each in _allowed(verdict).spent}["b"] == frozenset(_cut("1"))


def test_an_hour_is_over_to_the_second() -> None:
    """What is an hour old is forgotten, a second before that it counts."""
    aged = [Window((_spent("a", ago=ago), _spent("b"), _spent("c"))) for ago in (WINDOW, WINDOW - SECOND)]

    assert [each.principal_id for each in _allowed(_judge(LIMITS, aged[0], _spent("d"))).spent] == ["b", "c", "d"]
    assert isinstance(_judge(LIMITS, aged[1], _spent("d")), Over)


# Deeds


def test_the_limit_of_a_tier_is_reached_exactly() -> None:
    """Two were done and three are allowed: one more is let through, two more are not, and the reason counts them."""
    window = Window((_spent("a", *_cut("1"), Deed(Tier.REVERSIBLE, "r")), _spent("b", *_cut("2"))))
    one, two = (_judge(BY_DEED, window, _spent("c", *_cut(*names))) for names in ("3", "34"))

    assert isinstance(one, Allowed)
    assert _over(two).reason == (
        "2 actions of the tier “credentials” were let through in the last hour, "
        "this plan needs 2 more, and the limit is 3"
    )
    assert not _over(two).by_batch


def test_who_needs_nothing_of_a_tier_is_not_held_by_it() -> None:
    """All credentials of the hour are spent: a block is another tier's business."""
    window = Window((_spent("a", *_cut("1", "2", "3")),))

    assert isinstance(_judge(BY_DEED, window, _spent("b", Deed(Tier.REVERSIBLE, "r"))), Allowed)
    assert isinstance(_judge(BY_DEED, window, _spent("b", Deed(Tier.REVERSIBLE, "r"), *_cut("4"))), Over)


def test_of_who_is_in_the_window_only_new_deeds_count() -> None:
    """The same again is free, two new ones beside two old ones are one too many, whoever else waits."""
    window = Window((_spent("a", *_cut("1", "2")),))

    assert isinstance(_judge(BY_DEED, window, _spent("a", *_cut("1", "2"))), Allowed)
    assert isinstance(_judge(BY_DEED, window, _spent("a", *_cut("1", "2", "3")), "x", "y", "z"), Allowed)
    assert "needs 2 more, and" in _over(_judge(BY_DEED, window, _spent("a", *_cut("2", "3", "4")))).reason


def test_the_others_of_a_batch_are_taken_to_need_as_much() -> None:
    """Two deeds and one other that needs two: four, and three are allowed. The reason names both parts."""
    over = _over(_judge(BY_DEED, Window(), _spent("a", *_cut("1", "2")), "b"))

    assert "needs 2 more, the others of its batch would need 2, and the limit is 3" in over.reason
    assert over.by_batch
    assert isinstance(_judge(BY_DEED, Window(), _spent("a", *_cut("1")), "b", "c"), Allowed)
    assert "would need 4" in _over(_judge(BY_DEED, Window(), _spent("a", *_cut("1", "2")), "b", "c")).reason


def _step(id_: str, target: str = "t", action: str = "block-sign-in") -> PlannedStep:
    return PlannedStep(
        id=id_, action=action, target_kind="k", target_id=target, target_name="n", describe="d", reversible=True
    )


def test_the_same_step_at_another_place_of_another_plan_is_the_same_deed() -> None:
    """The number is no part of it; the object and the name are, and the action tells the tier."""
    (one,) = deeds_of([_step("1-cut")])

    assert deeds_of([_step("12-cut"), _step("cut")]) == {one}
    assert len(deeds_of([_step("1-cut"), _step("1-cut", "u"), _step("1-cut-2"), _step("1-1-cut")])) == 4
    assert one.tier is Tier.REVERSIBLE
    assert {deed.tier for deed in deeds_of([_step("1-x", action="replace-credentials")])} == {Tier.CREDENTIALS}


def test_the_mark_of_a_deed_is_short_and_stays_what_it_is_in_stored_windows() -> None:
    """Another mark for the same step would count twice what an earlier version let through."""
    (deed,) = deeds_of([_step("3-block-sign-in", "10000000-0000-4000-8000-000000000001")])

    assert deed.mark == "211ea841"


# Batches and bursts


def test_a_batch_that_just_fits_is_let_through_and_one_more_holds_it_up() -> None:
    """Three are allowed: with two undecided others it goes on, with three it waits, and the burst is marked."""
    fits, waits = (_judge(LIMITS, Window(), _spent("a"), *others) for others in ("bc", "bcd"))

    assert isinstance(fits, Allowed)
    over = _over(waits)
    assert over.reason == (
        "0 identities were contained in the last hour, 3 others are reported with this one and not decided yet, "
        "and the limit is 3 identities an hour"
    )
    assert over.by_batch
    assert over.window == Window((), Burst(START, START, over.reason))


def test_who_was_let_through_or_is_meant_itself_is_no_other_of_the_batch() -> None:
    """By whichever id it was reported."""
    window = Window((_spent("a", known_as="client-a"),))
    verdict = _judge(LIMITS, window, _spent("b", known_as="client-b"), "a", "client-a", "b", "client-b", "c")

    assert isinstance(verdict, Allowed)
    assert isinstance(_judge(LIMITS, window, _spent("b"), "a", "client-a", "client-b", "c"), Over)


def test_without_a_list_of_others_there_is_no_batch() -> None:
    """One identity in an empty hour."""
    assert isinstance(judge(LIMITS, Window(), _spent("a"), enabled=500, now=START), Allowed)


def test_a_limit_that_is_reached_without_the_batch_says_so() -> None:
    """It is nobody's waiting for others that would help."""
    over = _over(_judge(LIMITS, _window("a", "b", "c"), _spent("d"), "e"))

    assert not over.by_batch
    assert "others are reported" not in over.reason


BURSTING = Window((), Burst(START, START, "too many at once"))


@pytest.mark.parametrize(
    ("later", "renewed"),
    [(timedelta(seconds=59), False), (timedelta(minutes=1), True), (BURST - SECOND, True)],
)
def test_whoever_comes_into_a_burst_is_held_for_its_reason_and_keeps_it_going(later: timedelta, renewed: bool) -> None:
    """The mark is renewed once a minute at most; since when it lasts stays."""
    over = _over(_judge(LIMITS, BURSTING, _spent("a"), later=later))

    assert (over.reason, over.by_batch) == ("too many at once", True)
    expected = replace(BURSTING, burst=Burst(START, START + later, "too many at once")) if renewed else None
    assert over.window == expected


def test_after_five_quiet_minutes_a_burst_holds_nobody_and_is_still_told_for_an_hour() -> None:
    """The mark stays in the window, for people to see, and goes with the hour."""
    quiet = _allowed(_judge(LIMITS, BURSTING, _spent("a"), later=BURST))
    last = _allowed(_judge(LIMITS, BURSTING, _spent("a"), later=WINDOW - SECOND))
    gone = _allowed(_judge(LIMITS, BURSTING, _spent("a"), later=WINDOW))

    assert (quiet.burst, last.burst, gone.burst) == (BURSTING.burst, BURSTING.burst, None)


# What is stored


def test_what_a_person_confirmed_takes_a_place_whatever_the_limits_say() -> None:
    """It is added, with its deeds beside those that were there, at the time when the newest were let through."""
    window = Window((_spent("old", ago=WINDOW), _spent("a", *_cut("1"), ago=SECOND), _spent("b", ago=2 * SECOND)))
    stored = spend(window, _spent("a", *_cut("2")), START).window

    assert stored.spent == (_spent("b", ago=2 * SECOND), _spent("a", *_cut("1", "2")))


def test_what_was_let_through_a_minute_ago_counts_though_its_identity_came_first_an_hour_ago() -> None:
    """Two of three deeds were new at the end of the first hour: the next one finds them, and who did them, there."""
    late = START + WINDOW - SECOND
    window = spend(Window((_spent("a", *_cut("1")),)), replace(_spent("a", *_cut("1", "2", "3")), at=late), late).window
    again = spend(window, replace(_spent("a", *_cut("1")), at=late + SECOND), late + SECOND).window

    assert again == window  # nothing new keeps no place
    assert _over(_judge(BY_DEED, window, _spent("b", *_cut("4")), later=WINDOW)).reason.startswith("3 actions")
    assert isinstance(_judge(ONE, window, _spent("b"), later=WINDOW), Over)


def test_of_too_many_the_newest_are_kept() -> None:
    """As many as the largest limit."""
    many = Window(tuple(_spent(f"i{n}", ago=n * SECOND) for n in range(MOST_KEPT)))
    kept = spend(many, _spent("new"), START).window.spent

    assert len(kept) == MOST_KEPT
    assert kept[0] == _spent(f"i{MOST_KEPT - 2}", ago=(MOST_KEPT - 2) * SECOND)
    assert {"i0", "new"} <= {each.principal_id for each in kept}
