"""audit-activity: does the audit log show this activity on the identity?"""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from shared.case import AuditRecord, Known, NotLooked, PartName
from shared.conditions.audit_activity import AuditShows
from shared.conditions.interface import Met, NotMet, Unknown
from tests.conditions.cases import PIPELINE, STRANGER, UNREADABLE, audit, between, but, case, unread
from tests.fakes import CORDON_PRINCIPAL, PAYROLL

OWNER = AuditShows(activities=("add owner to service principal",), within=timedelta(hours=24))


owner_added = partial(audit, "Add owner to service principal")


@pytest.mark.parametrize(
    ("record", "answer"),
    [
        (owner_added(), Met),
        (audit(" ADD Owner to service principal. "), Met),
        (audit("Add owner to application", on="Application"), NotMet),
        (owner_added(ago=timedelta(hours=25)), NotMet),
        (owner_added(result="failure"), NotMet),
        (owner_added(result="timeout"), Unknown),
        (owner_added(result="unknownFutureValue"), Unknown),
        (owner_added(by=CORDON_PRINCIPAL), NotMet),
        (owner_added(by=None), Met),
        (owner_added(id_="88888888-0000-4000-8000-000000000001"), NotMet),
    ],
)
def test_activity_time_result_actor_and_object_must_fit(record: AuditRecord, answer: type) -> None:
    """Spelling does not matter; Cordon's own acts and other identities' records do not count."""
    finding = OWNER.check(case(audits=(record,)))

    assert isinstance(finding, answer)


def test_the_reason_says_what_by_whom_and_when() -> None:
    """And which record, so that it can be found."""
    assert OWNER.check(case(audits=(audit("Add owner to service principal"),))) == Met(
        f"“Add owner to service principal” by service principal {STRANGER} at 2026-03-02 02:00 UTC (record Directory_1)"
    )


def test_an_owner_of_one_of_two_counts_for_neither_for_certain() -> None:
    """Nothing in the record says which of them is owned; where it does, it is the owned one's alone."""
    unsaid, others = between(STRANGER, PAYROLL), between(PAYROLL, STRANGER, named=STRANGER)

    finding = OWNER.check(case(audits=(unsaid,)))

    assert isinstance(finding, Unknown)
    assert "which of them is owned" in finding.reason
    assert isinstance(OWNER.check(case(audits=(others,))), NotMet)


def test_a_grant_counts_for_the_client_and_not_for_the_resource() -> None:
    """The target of an app role assignment is the API that is opened up; who gains is in the properties."""
    granted = AuditShows(activities=("add app role assignment to service principal",))
    name = "Add app role assignment to service principal"
    gains = audit(
        name,
        [{"displayName": "ServicePrincipal.ObjectID", "oldValue": None, "newValue": f'"{PAYROLL}"'}],
        id_="88888888-0000-4000-8000-000000000001",
    )
    opened_up = audit(
        name, [{"displayName": "ServicePrincipal.ObjectID", "oldValue": None, "newValue": f'"{STRANGER}"'}]
    )

    assert isinstance(granted.check(case(audits=(gains,))), Met)
    assert isinstance(granted.check(case(audits=(opened_up,))), NotMet)


def test_results_may_be_asked_for() -> None:
    """A policy may look for attempts that failed."""
    attempts = replace(OWNER, results=("failure", "timeout"))

    assert isinstance(attempts.check(case(audits=(audit("Add owner to service principal", result="timeout"),))), Met)


def test_the_log_and_the_identity_are_both_needed() -> None:
    """Whose record it is can be told only of a known identity; an unread log shows nothing."""
    unlooked = OWNER.check(but(case(), audits=NotLooked()))

    assert isinstance(unlooked, Unknown)
    assert unlooked.wants == {PartName.AUDITS}
    assert OWNER.check(unread(NotLooked())) == Unknown("the identity was not looked at", frozenset({PartName.IDENTITY}))
    assert isinstance(OWNER.check(but(case(), audits=UNREADABLE)), Unknown)
    assert isinstance(OWNER.check(but(case(), audits=Known(()))), NotMet)


def test_grants_are_looked_for_where_they_stand() -> None:
    """They are records of the API: a list of their own. Removed ones are not read, and that is no "no"."""
    given = AuditShows(activities=("add app role assignment to service principal",))
    taken = AuditShows(activities=("remove delegated permission grant",))
    early = given.check(but(case(), audits=NotLooked(), grant_audits=NotLooked()))

    assert isinstance(early, Unknown)
    assert early.wants == {PartName.GRANT_AUDITS}
    assert isinstance(given.check(but(case(), audits=NotLooked())), NotMet)
    assert isinstance(taken.check(case()), Unknown)


def test_who_is_expected_to_do_it_is_named_by_id() -> None:
    """An actor that the log does not name may be anybody."""
    asked = AuditShows(("dismissserviceprincipal",), by_other_than=(PIPELINE,))

    assert isinstance(asked.check(case(audits=(audit("DismissServicePrincipal"),))), Met)
    assert isinstance(asked.check(case(audits=(audit("DismissServicePrincipal", by=PIPELINE),))), NotMet)
    assert isinstance(asked.check(case(audits=(audit("DismissServicePrincipal", by=None),))), Unknown)
