"""identity-kind: what sort of identity is it?"""

import pytest

from shared.case import NotLooked, PartName
from shared.conditions.identity_kind import IsOfKind
from shared.conditions.interface import Met, NotMet, Unknown
from shared.identity import IdentityKind
from tests.conditions.cases import UNREADABLE, case, unread


@pytest.mark.parametrize("kind", IdentityKind)
def test_every_kind_is_told_apart(kind: IdentityKind) -> None:
    """It is met by its kind and by no other."""
    met = [other for other in IdentityKind if isinstance(IsOfKind((kind,)).check(case(kind=other)), Met)]

    assert met == [kind]


def test_the_reason_is_the_kind_either_way() -> None:
    """So that a no can be checked as well."""
    foreign = IsOfKind((IdentityKind.FOREIGN,))

    assert foreign.check(case(kind=IdentityKind.FOREIGN)) == Met("its kind is foreign")
    assert foreign.check(case(kind=IdentityKind.AGENT)) == NotMet("its kind is agent")


def test_naming_every_kind_is_refused() -> None:
    """It would always hold, and hide that it does."""
    with pytest.raises(ValueError, match="names every kind"):
        IsOfKind(tuple(IdentityKind))


def test_an_unread_identity_is_of_unknown_kind() -> None:
    """Also if it seems to be gone."""
    kind = IsOfKind((IdentityKind.MICROSOFT,))

    assert kind.check(unread(NotLooked())) == Unknown("the identity was not looked at", frozenset({PartName.IDENTITY}))
    assert kind.check(unread(UNREADABLE)) == Unknown("the identity could not be read: the service did not answer")
