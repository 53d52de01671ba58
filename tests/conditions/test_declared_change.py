"""declared-change: what was declared explains a change, and never more."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.audit_changes import ChangeKind
from shared.case import AuditRecord, Case, Known, NotLooked
from shared.conditions.credential_added import CredentialAdded
from shared.conditions.declared_change import ExplainedByDeclaration
from shared.conditions.groups import All, Not
from shared.conditions.hours import Hours
from shared.conditions.interface import Met, NotMet, Unknown
from shared.signal import JsonValue
from tests.conditions.cases import KEY, PIPELINE, STRANGER, UNREADABLE, added, audit, between, but, case, having
from tests.conditions.test_granted_recently import given
from tests.fakes import PAYROLL, START, password, payroll
from tests.policy.test_audit_changes import EDIT

ROTATION = ExplainedByDeclaration(by=(PIPELINE,), kinds=(ChangeKind.CREDENTIALS,), hours=Hours(60, 3 * 60))
ROTATED = added(by=PIPELINE)


def log(*records: AuditRecord) -> Case:
    return case(audits=tuple(replace(record, id=f"Directory_{n}") for n, record in enumerate(records)))


@pytest.mark.parametrize(
    ("of", "answer"),
    [
        (log(ROTATED), Met),
        (log(), NotMet),
        (log(added(by=STRANGER)), NotMet),
        (log(ROTATED, added(by=STRANGER)), NotMet),
        (log(ROTATED, audit("Add owner to application", on="Application", by=PIPELINE)), NotMet),
        (log(added(by=PIPELINE, ago=timedelta(hours=5))), NotMet),
        (log(ROTATED, added(by=STRANGER, result="failure")), Met),
        (log(ROTATED, added(by=STRANGER, result="timeout")), NotMet),
        (log(ROTATED, added(by=STRANGER, ago=timedelta(days=2))), Met),
        (log(added(by=None)), NotMet),
        (but(log(ROTATED), grant_audits=Known((given(by=PIPELINE),))), NotMet),
    ],
)
def test_one_change_that_was_not_declared_spoils_it(of: Case, answer: type) -> None:
    """Another hand, another kind, another hour, a grant on the side: the declaration covers nothing then."""
    assert isinstance(ROTATION.check(of), answer)


@pytest.mark.parametrize("named", ["FederatedIdentityCredentials", "AppAddress", "LogoutUrl", "IdentifierUris"])
def test_an_edit_that_the_log_only_names_is_not_explained(named: str) -> None:
    """By another hand, beside a declared rotation: it would be excused, and is what nobody can see into."""
    names: JsonValue = {"displayName": "Included Updated Properties", "newValue": f'"{named}"'}
    edit = audit("Update application", [names], on="Application", correlation="c-9")

    assert isinstance(ROTATION.check(log(ROTATED, edit)), Unknown)
    assert isinstance(ROTATION.check(log(ROTATED, replace(edit, actor=ROTATED.actor))), Met)


def test_an_owner_of_one_of_two_is_not_explained_and_does_not_spoil_it_for_certain() -> None:
    """By an undeclared hand, on this identity or on the other one: the log does not say which of them is owned."""
    assert isinstance(ROTATION.check(log(ROTATED, between(PAYROLL, STRANGER))), Unknown)
    assert isinstance(ROTATION.check(log(ROTATED, between(PAYROLL, STRANGER, named=PAYROLL))), NotMet)
    assert isinstance(ROTATION.check(log(ROTATED, between(PAYROLL, STRANGER, named=STRANGER))), Met)


def test_no_more_changes_than_were_declared() -> None:
    """Records of one change count once."""
    once = replace(ROTATION, at_most=1)
    echoed = replace(ROTATED, correlation_id="c-1")
    edit = replace(added(by=PIPELINE, key_id="40000000-0000-4000-8000-000000000008"), correlation_id="c-2")

    assert isinstance(once.check(log(echoed, echoed)), Met)
    assert isinstance(once.check(log(echoed, edit)), NotMet)


def test_a_credential_that_the_log_does_not_show_yet_is_not_explained() -> None:
    """The log is late: who knows whose it is."""
    new = replace(password(1), start=START - timedelta(minutes=5))
    known = replace(password(1), key_id=KEY, start=START - timedelta(hours=1))

    assert isinstance(ROTATION.check(having(log(ROTATED), payroll(application=[new]))), Unknown)
    assert isinstance(ROTATION.check(having(log(ROTATED), payroll(principal=[known]))), Met)
    assert isinstance(ROTATION.check(having(log(ROTATED), payroll(application=[known]))), Unknown), "another object's"


def test_what_was_not_read_may_hold_an_undeclared_change() -> None:
    """Both parts of the log are needed to explain; one change in either is enough to refuse."""
    assert isinstance(ROTATION.check(but(log(ROTATED), grant_audits=NotLooked())), Unknown)
    assert isinstance(ROTATION.check(but(log(ROTATED), grant_audits=UNREADABLE)), Unknown)
    assert isinstance(ROTATION.check(but(log(added(by=STRANGER)), grant_audits=UNREADABLE)), NotMet)


def test_beside_the_change_that_it_may_explain_it_leaves_a_rotation_alone() -> None:
    """The pipeline's rotation is no intrusion; the same with an owner on the side is."""
    rule = All((CredentialAdded(), Not(ROTATION)))
    edited = audit("Update application", [EDIT], on="Application", by=PIPELINE)

    assert isinstance(rule.check(log(ROTATED)), NotMet)
    assert isinstance(rule.check(log(ROTATED, edited)), Met)
