"""owners: who may give the identity new credentials."""

from dataclasses import replace

import pytest

from shared.case import Case, Known, NotLooked, Owner, Owners, Part, PartName
from shared.conditions.interface import Met, NotMet, Unknown
from shared.conditions.owners import OwnerFlaw, OwnersSuspect
from shared.identity import IdentityKind
from tests.conditions.cases import UNREADABLE, but, case, having
from tests.fakes import PAYROLL, owner, payroll

ANN, ROBOT = owner(1), replace(owner(9), type="servicePrincipal")
ITSELF = Owner(PAYROLL, "servicePrincipal", "payroll-sync")


def owned(application: tuple[Owner, ...] = (), principal: tuple[Owner, ...] = (), of: Case | None = None) -> Case:
    return but(of or case(), owners=Known(Owners(Known(application), Known(principal))))


@pytest.mark.parametrize(
    ("findings", "of", "answer"),
    [
        ((OwnerFlaw.ORPHAN,), owned(), Met),
        ((OwnerFlaw.ORPHAN,), owned((), (ANN,)), NotMet),
        ((OwnerFlaw.WORKLOAD,), owned((ANN, ROBOT)), Met),
        ((OwnerFlaw.WORKLOAD,), owned((ANN,), (ROBOT,)), Met),
        ((OwnerFlaw.WORKLOAD,), owned((ANN,), (ITSELF,)), NotMet),
        ((OwnerFlaw.WORKLOAD,), owned(), NotMet),
        ((OwnerFlaw.ITSELF,), owned((ANN,), (ITSELF,)), Met),
        ((OwnerFlaw.ITSELF,), owned((ANN, ROBOT)), NotMet),
        ((OwnerFlaw.UNEXPECTED,), owned((ANN,)), NotMet),
        ((OwnerFlaw.UNEXPECTED,), owned((ANN, owner(2))), Met),
    ],
)
def test_owners_of_both_objects_are_judged(findings: tuple[OwnerFlaw, ...], of: Case, answer: type) -> None:
    """An identity that owns itself is no stranger to it."""
    assert isinstance(OwnersSuspect(findings, expected=(ANN.id,)).check(of), answer)


def test_a_list_that_could_not_be_read_is_never_an_empty_one() -> None:
    """Unless what was read of the other decides already."""

    def half(principal: tuple[Owner, ...]) -> Case:
        unread: Part[tuple[Owner, ...]] = UNREADABLE
        return but(case(), owners=Known(Owners(unread, Known(principal))))

    assert isinstance(OwnersSuspect((OwnerFlaw.ORPHAN,)).check(half(())), Unknown)
    assert isinstance(OwnersSuspect((OwnerFlaw.ORPHAN,)).check(half((ANN,))), NotMet)
    assert isinstance(OwnersSuspect().check(half((ANN,))), Unknown)
    assert isinstance(OwnersSuspect().check(half((ROBOT,))), Met)


def test_of_an_application_of_another_tenant_only_one_list_is_there() -> None:
    """Its own cannot be seen from here, and are not waited for."""
    foreign = having(case(), payroll(kind=IdentityKind.FOREIGN))
    seen = but(foreign, owners=Known(Owners(UNREADABLE, Known(()))))

    assert isinstance(OwnersSuspect((OwnerFlaw.ORPHAN,)).check(seen), Met)


def test_owners_are_asked_for_and_unexpected_needs_names() -> None:
    """A part of its own; and without names nobody could be unexpected."""
    finding = OwnersSuspect().check(but(case(), owners=NotLooked()))

    assert isinstance(finding, Unknown)
    assert finding.wants == {PartName.OWNERS}
    with pytest.raises(ValueError, match="expected"):
        OwnersSuspect((OwnerFlaw.UNEXPECTED,))
