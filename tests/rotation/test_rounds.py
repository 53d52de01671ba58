"""A secret that goes another round, and in which tier the rounds before it are."""

from shared.estate import SecretRef, SecretSeen
from shared.exposure import Tier
from shared.rotation_plan import PlannedSecret, in_order, step_of
from shared.rotators.interface import Serves
from tests.fakes import START


def _planned(tier: Tier, round_: int = 1, name: str = "cookie") -> PlannedSecret:
    ref = SecretRef("pay", name)
    seen = SecretSeen(ref, f"{round_:032x}", enabled=True, created=START, updated=START)
    step = step_of(ref, round_)
    return PlannedSecret(step, tier, "why", seen, (), "generated-value", "one", Serves("", "", "why"), round=round_)


def test_an_earlier_round_goes_with_the_later_one_that_waits_for_it() -> None:
    """What was beside a read secret is read itself: its second round must not wait for a first of a lower tier."""
    beside, again, other = _planned(2), _planned(1, round_=2), _planned(2, name="other")

    found = in_order([beside, other, again])

    assert [(each.step, each.tier) for each in found] == [("pay/cookie", 1), ("pay/cookie/2", 1), ("pay/other", 2)]
    assert "before it can be rotated again as pay/cookie/2" in found[0].why


def test_a_later_round_does_not_go_with_an_earlier_one() -> None:
    """It has a tier of its own."""
    assert [each.tier for each in in_order([_planned(1), _planned(3, round_=2)])] == [1, 3]
