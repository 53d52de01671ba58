"""sign-in-blocked: is its sign-in blocked already?"""

from dataclasses import replace

import pytest

from shared.case import Known, NotLooked, PartName
from shared.conditions.interface import Met, NotMet, Unknown
from shared.conditions.sign_in_blocked import SignInBlocked
from shared.identity import IdentityKind
from tests.conditions.cases import UNREADABLE, blocked, case, having, unread


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


@pytest.mark.parametrize(
    ("kind", "deactivated", "answer"),
    [
        (IdentityKind.OWN_SINGLE_TENANT, False, Met),
        (IdentityKind.FOREIGN, None, Met),
        (IdentityKind.OWN_MULTI_TENANT, False, NotMet),
        (IdentityKind.OWN_MULTI_TENANT, True, Met),
        (IdentityKind.OWN_MULTI_TENANT, None, Unknown),
    ],
)
def test_everywhere_asks_about_other_tenants_too(kind: IdentityKind, deactivated: bool | None, answer: type) -> None:
    """Those go on issuing tokens to an application of ours that is blocked in this tenant alone."""
    of = blocked(case(kind=kind))
    assert isinstance(of.identity, Known)
    state = replace(of.identity.value, deactivated=deactivated)
    disabled = replace(state, disabled_by_microsoft="DisabledDueToViolationOfServicesAgreement")

    assert isinstance(SignInBlocked(everywhere=True).check(having(of, state)), answer)
    assert isinstance(SignInBlocked(everywhere=True).check(having(of, disabled)), Met)
    assert isinstance(SignInBlocked().check(having(of, state)), Met)
    assert isinstance(SignInBlocked(everywhere=True).check(case(kind=kind)), NotMet)
