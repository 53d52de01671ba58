"""property-changed: an application that was opened to other tenants, a sign-in that was switched on."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.audit_properties import Property
from shared.case import AuditRecord, Case, CouldNotLook, NotLooked, PartName
from shared.conditions.interface import Met, NotMet, Unknown
from shared.conditions.property_changed import PropertyChanged
from shared.identity import IdentityKind
from tests.conditions.cases import PIPELINE, UNREADABLE, audit, blocked, but, case, having
from tests.fakes import CORDON_PRINCIPAL, payroll
from tests.policy.test_audit_grants import prop

AUDIENCE, SWITCH = PropertyChanged((Property.SIGN_IN_AUDIENCE,)), PropertyChanged((Property.ACCOUNT_ENABLED,))
EITHER = PropertyChanged((Property.SIGN_IN_AUDIENCE, Property.ACCOUNT_ENABLED))


def edited(name: str, old: object, new: object, *, on: str = "Application", **more: object) -> AuditRecord:
    """As the log may write it: a list of one on either side."""
    activity = "Update application" if on == "Application" else "Update service principal"
    return audit(activity, [prop(name, new, old)], on=on, **more)  # pyright: ignore[reportArgumentType]


def turned(**more: object) -> AuditRecord:
    return edited("AvailableToOtherTenants", [False], [True], **more)  # pyright: ignore[reportArgumentType]


def switched(**more: object) -> AuditRecord:
    return edited("AccountEnabled", [False], [True], on="ServicePrincipal", **more)


def shared_with_others(*records: AuditRecord) -> Case:
    """The application is multi-tenant, as the directory shows it now."""
    return case(audits=records, kind=IdentityKind.OWN_MULTI_TENANT)


@pytest.mark.parametrize(
    ("record", "answer"),
    [
        (turned(), Met),
        (edited("AvailableToOtherTenants", "false", "true"), Met),
        (edited("SignInAudience", ["AzureADMyOrg"], ["AzureADMultipleOrgs"]), Met),
        (edited("SignInAudience", "AzureADMyOrg", "AzureADandPersonalMicrosoftAccount"), Met),
        (edited("AvailableToOtherTenants", [True], [False]), NotMet),
        (edited("SignInAudience", ["AzureADMultipleOrgs"], ["AzureADandPersonalMicrosoftAccount"]), NotMet),
        (edited("DisplayName", ["a"], ["b"]), NotMet),
        (turned(by=CORDON_PRINCIPAL), NotMet),
        (turned(result="failure"), NotMet),
        (turned(result="timeout"), Unknown),
        (turned(ago=timedelta(days=2)), NotMet),
        (edited("AvailableToOtherTenants", None, [True]), Unknown),
        (edited("AvailableToOtherTenants", [False], None), Unknown),
        (edited("Included Updated Properties", None, "AvailableToOtherTenants"), Unknown),
        (edited("Included Updated Properties", None, "DisplayName"), NotMet),
        (audit("Add application", [prop("AvailableToOtherTenants", [True], [])], on="Application"), NotMet),
    ],
)
def test_an_application_that_was_opened_to_other_tenants(record: AuditRecord, answer: type) -> None:
    """From this tenant alone to others, however the log spells it; one that was made so was not changed."""
    assert isinstance(AUDIENCE.check(shared_with_others(record)), answer)


@pytest.mark.parametrize(
    ("record", "answer"),
    [
        (switched(), Met),
        (switched(by=CORDON_PRINCIPAL), NotMet),
        (edited("AccountEnabled", [True], [False], on="ServicePrincipal"), NotMet),
        (edited("AccountEnabled", [True], [True], on="ServicePrincipal"), NotMet),
        (edited("AccountEnabled", [], [True], on="ServicePrincipal"), Unknown),
        (edited("Included Updated Properties", None, "AccountEnabled", on="ServicePrincipal"), Unknown),
        (audit("Add service principal", [prop("AccountEnabled", [True], [])]), NotMet),
        (audit("Restore service principal", [prop("AccountEnabled", [True], [False])]), Met),
    ],
)
def test_a_sign_in_that_was_switched_on(record: AuditRecord, answer: type) -> None:
    """By anybody but Cordon, whose own undo is no evidence."""
    assert isinstance(SWITCH.check(case(audits=(record,))), answer)


@pytest.mark.parametrize("nothing", [[None], ["null"], '"null"', "[]", ""])
def test_a_side_that_says_nothing_is_unknown(nothing: object) -> None:
    """It was taken for a switch that was on already."""
    assert isinstance(
        SWITCH.check(case(audits=(edited("AccountEnabled", nothing, [True], on="ServicePrincipal"),))), Unknown
    )


def test_what_the_directory_no_longer_shows_does_not_count() -> None:
    """A record alone proves nothing: the property is read again, and was taken back here."""
    assert isinstance(AUDIENCE.check(case(audits=(turned(),))), NotMet)
    assert isinstance(SWITCH.check(blocked(case(audits=(switched(),)))), NotMet)
    assert isinstance(EITHER.check(case(audits=(turned(), switched(record="Directory_2")))), Met)
    assert isinstance(AUDIENCE.check(having(case(audits=(turned(),)), payroll(kind=IdentityKind.FOREIGN))), NotMet)


def test_an_audience_that_the_directory_does_not_tell_is_unknown() -> None:
    """Of agents their sort alone is told."""
    agent = having(case(audits=(turned(on="ServicePrincipal"),)), payroll(kind=IdentityKind.AGENT))

    assert isinstance(AUDIENCE.check(agent), Unknown)
    assert isinstance(AUDIENCE.check(having(case(), payroll(kind=IdentityKind.AGENT))), NotMet)


def test_a_list_of_names_beside_the_record_that_tells_adds_no_doubt() -> None:
    """Every edit writes one; here the same change took the property back the other way."""
    listed = edited("Included Updated Properties", None, "AvailableToOtherTenants", record="Directory_2")
    closed = edited("AvailableToOtherTenants", [True], [False])
    both = tuple(replace(each, correlation_id="one") for each in (listed, closed))

    assert isinstance(AUDIENCE.check(shared_with_others(*both)), NotMet)
    assert isinstance(AUDIENCE.check(shared_with_others(listed, closed)), Unknown)


def test_whom_the_policy_expects() -> None:
    """By an id; of an actor that the log does not name nobody can tell."""
    expecting = replace(AUDIENCE, by_other_than=(PIPELINE,))

    assert isinstance(expecting.check(shared_with_others(turned(by=PIPELINE))), NotMet)
    assert isinstance(expecting.check(shared_with_others(turned())), Met)
    assert isinstance(expecting.check(shared_with_others(turned(by=None))), Unknown)


def test_the_reason_names_who_did_it_and_in_which_record() -> None:
    """For whoever has to ask them."""
    finding = AUDIENCE.check(shared_with_others(turned()))

    assert isinstance(finding, Met)
    assert finding.reason.startswith("the application was opened to other tenants by service principal")
    assert finding.reason.endswith("(record Directory_1)")


def test_without_the_log_nothing_is_known() -> None:
    """Asked for where the directory shows it open, and only there; one odd record leaves what the others show."""
    unread = but(shared_with_others(), audits=NotLooked())
    finding = AUDIENCE.check(unread)

    assert isinstance(finding, Unknown)
    assert finding.wants == {PartName.AUDITS}
    assert isinstance(AUDIENCE.check(but(unread, audits=UNREADABLE)), Unknown)
    assert isinstance(AUDIENCE.check(but(case(), audits=UNREADABLE)), NotMet)
    assert isinstance(AUDIENCE.check(but(unread, audits=CouldNotLook("an odd record", partly=(turned(),)))), Met)
    assert isinstance(AUDIENCE.check(but(unread, identity=UNREADABLE)), Unknown)
