"""publisher: who stands behind an application of another tenant."""

from dataclasses import replace

import pytest

from shared.case import Case, Provenance
from shared.conditions.interface import Met, NotMet, Unknown
from shared.conditions.publisher import PublisherFlaw, PublisherSuspect
from shared.identity import IdentityKind
from tests.conditions.cases import case, having
from tests.fakes import payroll

GALLERY = "8b1025e4-1dd2-430b-a150-2ef79cd700f5"
NO_GALLERY = "8adf8e6e-67b2-4cf2-a259-e3dc5476c621"
VENDOR = "bbbbbbbb-0000-4000-8000-000000000002"
OTHER = "bbbbbbbb-0000-4000-8000-000000000003"


def app(
    *,
    kind: IdentityKind = IdentityKind.FOREIGN,
    publisher: str | None = None,
    template: str | None = None,
    name: str = "Expenses",
) -> Case:
    state = payroll(kind=kind)
    return having(
        case(),
        replace(
            state,
            identity=replace(state.identity, display_name=name),
            provenance=Provenance(publisher, "A vendor", template, (), None),
        ),
    )


NAME = PublisherSuspect((PublisherFlaw.LOOK_ALIKE_NAME,))
TENANT = PublisherSuspect((PublisherFlaw.UNKNOWN_TENANT,), trusted_tenants=(VENDOR,))
NO_TEMPLATE = PublisherSuspect((PublisherFlaw.NOT_FROM_GALLERY,))


@pytest.mark.parametrize(
    ("asked", "of", "answer"),
    [
        (PublisherSuspect(), app(), Met),
        (PublisherSuspect(), app(publisher="6482881"), NotMet),
        (PublisherSuspect(trusted_publishers=("6482881",)), app(), Met),
        (NO_TEMPLATE, app(publisher="1"), Met),
        (NO_TEMPLATE, app(template=NO_GALLERY), Met),
        (NO_TEMPLATE, app(template=GALLERY), NotMet),
        (TENANT, app(), NotMet),
        (replace(TENANT, trusted_tenants=(OTHER,)), app(), Met),
        (NAME, app(), NotMet),
        (NAME, app(name="Micros\u043eft Teams"), Met),
        (NAME, app(name="Rnicrosoft  Update"), Met),
        (NAME, app(name="Share-Point"), Met),
        (replace(NAME, names=("Contoso Pay",)), app(name="C0ntosopay"), Met),
        (PublisherSuspect(), app(kind=IdentityKind.OWN_SINGLE_TENANT), NotMet),
        (NAME, app(kind=IdentityKind.MICROSOFT, name="Microsoft Graph"), NotMet),
        (PublisherSuspect(), app(kind=IdentityKind.MANAGED_IDENTITY), NotMet),
    ],
)
def test_each_flaw_is_told_and_only_of_other_tenants_applications(
    asked: PublisherSuspect, of: Case, answer: type
) -> None:
    """Nobody verifies one's own; a name is read as people read it."""
    assert isinstance(asked.check(of), answer)


def test_a_publisher_that_is_trusted_may_name_its_application_as_it_likes() -> None:
    """By the id that Microsoft has verified, never by a name."""
    trusted = replace(NAME, trusted_publishers=("6482881",))

    assert isinstance(trusted.check(app(publisher="6482881", name="Outlook add-in")), NotMet)
    assert isinstance(trusted.check(app(publisher="1", name="Outlook add-in")), Met)


def test_an_answer_that_does_not_tell_is_unknown() -> None:
    """Not the same as "nobody"."""
    assert isinstance(PublisherSuspect().check(having(case(), payroll(kind=IdentityKind.FOREIGN))), Unknown)


def test_unknown_tenant_needs_tenants_that_are_known() -> None:
    """Else it would hold for every application of another tenant."""
    with pytest.raises(ValueError, match="trusted-tenants"):
        PublisherSuspect((PublisherFlaw.UNKNOWN_TENANT,))
