"""sign-in-blocked: is its sign-in blocked already?"""

from shared.case import NotLooked, PartName
from shared.conditions.interface import Met, NotMet, Unknown
from shared.conditions.sign_in_blocked import SignInBlocked
from tests.conditions.cases import UNREADABLE, blocked, case, unread


def test_account_enabled_decides() -> None:
    """It is met exactly where a fresh read shows accountEnabled false."""
    assert SignInBlocked().check(blocked(case())) == Met("sign-in is blocked")
    assert SignInBlocked().check(case()) == NotMet("sign-in is not blocked")


def test_an_unread_identity_is_not_taken_for_blocked_nor_for_open() -> None:
    """Unknown, with or without a wish."""
    unlooked = SignInBlocked().check(unread(NotLooked()))

    assert isinstance(unlooked, Unknown)
    assert unlooked.wants == {PartName.IDENTITY}
    assert isinstance(SignInBlocked().check(unread(UNREADABLE)), Unknown)
