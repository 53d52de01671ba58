"""Trying again: bounded, at the service's pace where that is sane, and honest about lost answers."""

from datetime import UTC, datetime

import pytest

from drill.virtual_time import virtual_clock
from shared.clients.patience import Patience, Trouble, persist, read_retry_after
from shared.errors import CordonError, Gone, OutcomeUnknown, Unreachable
from tests.clients.fake_graph import play, seeded


def now() -> datetime:
    return datetime(2026, 3, 2, 3, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("Mon, 02 Mar 2026 03:00:20 GMT", 20.0),
        ("1000000000", 300.0),
        ("inf", 300.0),
        ("Mon, 02 Mar 2099 03:00:00 GMT", 300.0),
        ("0", None),
        ("-1", None),
        ("nan", None),
        ("Mon, 02 Mar 1999 03:00:00 GMT", None),
        ("soon", None),
        ("Mon, 01 Jan 2026 00:00:00 +99999999999999", None),
        ("Mon, 02 Mar 20264035270:10 G 49", None),
        ("", None),
        (None, None),
        ("9" * 5000, 300.0),
    ],
)
def test_a_retry_after_is_followed_only_if_it_makes_sense(header: str | None, seconds: float | None) -> None:
    """Zero, negative, past and unreadable values mean our own back-off; absurdly long ones are cut."""
    assert read_retry_after(header, now) == seconds


def tell(*troubles: Trouble, patience: Patience | None = None) -> tuple[CordonError | None, float, int]:
    """What comes of attempts that fail like this and then work; how long it took, how many there were."""
    left, attempts = list(troubles), 0

    async def attempt() -> None:
        nonlocal attempts
        attempts += 1
        if left:
            raise left.pop(0)

    async def story() -> tuple[CordonError | None, float]:
        try:
            await persist(attempt, patience or Patience(), seeded(), "this")
        except CordonError as found:
            return found, virtual_clock().elapsed
        return None, virtual_clock().elapsed

    found, elapsed = play(story)
    return found, elapsed, attempts


def passing(*, wait: float | None = None, lost: bool = False, soon: bool = False) -> Trouble:
    error = OutcomeUnknown("this", "cut") if lost else Unreachable("this", "down")
    return Trouble(error, again=True, wait=wait, lost=lost, soon=soon)


def test_a_passing_fault_is_waited_out_with_growing_pauses() -> None:
    """Between attempts lie 1, 2 and 4 seconds, and up to a quarter more."""
    found, elapsed, attempts = tell(passing(), passing(), passing())

    assert (found, attempts) == (None, 4)
    assert 7.0 <= elapsed <= 8.75


def test_two_hiccups_cost_next_to_nothing_and_a_third_is_given_time() -> None:
    """A containment is not late because a gateway stumbled; an outage is waited out as long as ever."""
    assert tell(passing(soon=True), passing(soon=True))[1] <= 0.25
    assert 1.0 <= tell(*[passing(soon=True)] * 3)[1] <= 1.5

    found, elapsed, attempts = tell(*[passing(soon=True)] * 20)

    assert isinstance(found, Unreachable)
    assert attempts == Patience().attempts + 2
    assert elapsed >= 15.0


def test_hiccups_do_not_lengthen_the_pause_after_a_refusal() -> None:
    """The first 429 rests for a second, whatever came before it."""
    assert 1.0 <= tell(passing(soon=True), passing(soon=True), passing())[1] <= 1.5


def test_the_services_own_wait_is_kept_to_the_second() -> None:
    """Whoever is told to wait for seven seconds waits for seven seconds."""
    assert tell(passing(wait=7.0)) == (None, 7.0, 2)


def test_a_wait_beyond_our_patience_is_not_begun() -> None:
    """Five minutes are for the queue to wait, not for a running function: the error comes at once."""
    found, elapsed, attempts = tell(passing(wait=300.0))

    assert isinstance(found, Unreachable)
    assert (elapsed, attempts) == (0.0, 1)


def test_attempts_end() -> None:
    """A service that is down for good costs five attempts and less than a minute."""
    found, elapsed, attempts = tell(*[passing() for _ in range(99)])

    assert isinstance(found, Unreachable)
    assert attempts == 5
    assert elapsed <= 60.0


def test_a_refusal_is_not_tried_again() -> None:
    """What will be refused again is asked once."""
    found, elapsed, attempts = tell(Trouble(Gone("this")))

    assert isinstance(found, Gone)
    assert (elapsed, attempts) == (0.0, 1)


def test_after_a_lost_answer_no_refusal_is_believed() -> None:
    """The lost attempt may have been carried out, so "refused, nothing was changed" would be a guess."""
    found, _, attempts = tell(passing(lost=True), Trouble(Gone("this")))

    assert isinstance(found, OutcomeUnknown)
    assert attempts == 2


def test_an_error_of_another_kind_comes_through_untouched() -> None:
    """A mistake in our own code is not mistaken for the network's."""

    async def attempt() -> None:
        raise ZeroDivisionError

    async def story() -> None:
        await persist(attempt, Patience(), seeded(), "this")

    with pytest.raises(ZeroDivisionError):
        play(story)
