"""credential-added: was a credential put on the identity lately?"""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.case import AuditRecord, CouldNotLook, HolderKind, Known, NotLooked, PartName, Password
from shared.conditions.credential_added import CredentialAdded
from shared.conditions.interface import Met, NotMet, Unknown
from shared.signal import JsonValue
from tests.conditions.cases import KEY, PIPELINE, STRANGER, UNREADABLE, added, audit, but, case, unread
from tests.fakes import CORDON_PRINCIPAL, START, certificate, payroll

ADDED = CredentialAdded()
ROGUE = CredentialAdded(by_other_than=(PIPELINE,), holders=(HolderKind.SERVICE_PRINCIPAL,))
APPLICATION_ACTIVITY = "Update application – Certificates and secrets management "


@pytest.mark.parametrize(
    ("record", "answer"),
    [
        (added(), Met),
        (added(on="Application", activity=APPLICATION_ACTIVITY), Met),
        (added(ago=timedelta(hours=25)), NotMet),
        (added(by=CORDON_PRINCIPAL), NotMet),
        (added(result="failure"), NotMet),
        (added(result="timeout"), Unknown),
        (added(by=None), Met),
        (added(id_="88888888-0000-4000-8000-000000000001"), NotMet),
        (audit("Remove service principal credentials"), NotMet),
    ],
)
def test_a_recent_addition_on_either_object_meets_it(record: AuditRecord, answer: type) -> None:
    """Failures, Cordon's own new certificate and other identities' records do not count."""
    finding = ADDED.check(case(audits=(record,)))

    assert isinstance(finding, answer)


def test_the_reason_names_the_credential_and_its_maker() -> None:
    """Which key, on which object, by whom and when."""
    assert ADDED.check(case(audits=(added(),))) == Met(
        f"Password {KEY} was added to the service principal by service principal {STRANGER} at 2026-03-02 02:00 UTC"
    )


def test_expected_makers_and_other_holders_are_left_out() -> None:
    """A pipeline that rotates is named in the policy; an actor the log does not name is unknown."""
    assert isinstance(ROGUE.check(case(audits=(added(by=PIPELINE),))), NotMet)
    assert isinstance(ROGUE.check(case(audits=(added(on="Application", activity=APPLICATION_ACTIVITY),))), NotMet)
    assert isinstance(ROGUE.check(case(audits=(added(by=STRANGER),))), Met)
    assert isinstance(ROGUE.check(case(audits=(added(by=None),))), Unknown)


@pytest.mark.parametrize("expected", [PIPELINE, CORDON_PRINCIPAL])
def test_a_person_is_not_excused_by_the_application_he_used(expected: str) -> None:
    """Where the log names both, the person did it: anybody may sign in to an application."""
    record = added(by=expected)
    both = replace(record, actor=replace(record.actor, user_id=STRANGER))

    assert isinstance(ROGUE.check(case(audits=(record,))), NotMet)
    assert isinstance(ROGUE.check(case(audits=(both,))), Met)


def test_a_federated_credential_is_a_credential() -> None:
    """It stands in a property of its own, under an ordinary update."""
    change = audit(
        "Update application",
        [{"displayName": "FederatedIdentityCredentials", "oldValue": "[]", "newValue": '[{"name":"ci"}]'}],
        on="Application",
    )

    assert isinstance(ADDED.check(case(audits=(change,))), Met)


def test_a_record_that_only_names_federated_credentials_is_unknown() -> None:
    """How the log tells of them is not documented; an echo beside the record that tells says nothing more."""
    names: JsonValue = {"displayName": "Included Updated Properties", "newValue": '"FederatedIdentityCredentials"'}
    tells: JsonValue = {"displayName": "FederatedIdentityCredentials", "oldValue": '["a"]', "newValue": "[]"}
    alone = audit("Update application", [names], on="Application", correlation="c-1")
    beside = audit("Update application", [tells], on="Application", correlation="c-1", record="Directory_2")
    ours = CredentialAdded(by_other_than=(STRANGER,))

    assert isinstance(CredentialAdded().check(case(audits=(alone,))), Unknown)
    assert isinstance(CredentialAdded().check(case(audits=(alone, beside))), NotMet)
    assert isinstance(CredentialAdded().check(case(audits=(replace(alone, correlation_id="c-2"), beside))), Unknown)
    assert isinstance(ours.check(case(audits=(alone,))), NotMet)


def test_beside_a_record_that_nobody_can_read_the_others_accuse_and_excuse_nobody() -> None:
    """An intruder who writes an odd record on purpose hides neither what he did nor anything else by it."""
    partly = CouldNotLook("1 of its 2 audit records could not be read", partly=(added(),))

    assert isinstance(ADDED.check(but(case(), audits=partly)), Met)
    assert isinstance(ADDED.check(but(case(), audits=replace(partly, partly=(added(by=CORDON_PRINCIPAL),)))), Unknown)
    assert isinstance(ADDED.check(but(case(), audits=UNREADABLE)), Unknown)


def test_a_list_in_an_unknown_form_is_unknown() -> None:
    """What cannot be read is not "nothing added"."""
    strange = audit(
        "Add service principal credentials",
        [{"displayName": "KeyDescription", "oldValue": "[]", "newValue": '["a form of tomorrow"]'}],
    )

    assert isinstance(ADDED.check(case(audits=(strange,))), Unknown)


@pytest.mark.parametrize(
    ("ago", "type_", "answer"),
    [
        (timedelta(days=3), "AsymmetricX509Cert", Unknown),
        (timedelta(hours=6), "AsymmetricX509Cert", Unknown),
        (timedelta(minutes=4), "AsymmetricX509Cert", NotMet),
        (timedelta(hours=6), "Password", Unknown),
    ],
)
def test_an_old_record_does_not_explain_a_key_that_took_its_id(ago: timedelta, type_: str, answer: type) -> None:
    """
    Whoever writes a key chooses its id, and may take that of one that the pipeline added before, or of a secret: what
    starts after the record is not what it told of, while the log is late.
    """
    fresh = replace(certificate(1), start=START - timedelta(minutes=5))
    before = added(fresh.key_id, type_=type_, by=PIPELINE, ago=ago)
    found = but(case(audits=(before,)), identity=Known(payroll(principal=[fresh])))
    rule = CredentialAdded(by_other_than=(PIPELINE,))

    assert isinstance(rule.check(found), answer)


def test_a_secret_that_was_made_for_next_week_is_no_riddle_when_it_begins() -> None:
    """Graph makes a secret's id, so that nobody can take one that was there."""
    planned = Password(KEY, None, None, START - timedelta(minutes=5), None)
    found = but(case(audits=(added(by=PIPELINE, ago=timedelta(days=3)),)), identity=Known(payroll(principal=[planned])))

    assert isinstance(CredentialAdded(by_other_than=(PIPELINE,)).check(found), NotMet)


def test_a_fresh_credential_that_the_log_does_not_explain_is_unknown() -> None:
    """The log is late, up to hours; the object shows that something is new."""
    fresh = Password(KEY, None, None, START - timedelta(minutes=5), None)
    unexplained = but(case(), identity=Known(payroll(principal=[fresh])))

    assert isinstance(ADDED.check(unexplained), Unknown)
    assert isinstance(CredentialAdded(holders=(HolderKind.APPLICATION,)).check(unexplained), NotMet)


def test_an_explained_fresh_credential_is_no_riddle() -> None:
    """Cordon's own certificate is on the object and in the log, under Cordon's name."""
    own = Password(KEY, None, None, START - timedelta(minutes=5), None)
    explained = but(case(audits=(added(by=CORDON_PRINCIPAL),)), identity=Known(payroll(principal=[own])))

    assert isinstance(ADDED.check(explained), NotMet)


@pytest.mark.parametrize(
    "other", [added(result="failure", by=PIPELINE), added(on="Application", activity=APPLICATION_ACTIVITY, by=PIPELINE)]
)
def test_a_record_of_the_same_id_that_added_another_one_explains_nothing(other: AuditRecord) -> None:
    """Whoever writes key credentials chooses their ids: a failed attempt, or the other object, gives one to hide by."""
    fresh = Password(KEY, None, None, START - timedelta(minutes=5), None)
    found = but(case(audits=(other,)), identity=Known(payroll(principal=[fresh])))

    assert isinstance(CredentialAdded(by_other_than=(PIPELINE,)).check(found), Unknown)


def test_saml_signing_keys_and_old_credentials_are_no_riddle() -> None:
    """Sign keys do not authenticate the workload; old ones are old."""
    old = Password(KEY, None, None, START - timedelta(days=30), None)
    quiet = but(case(), identity=Known(payroll(principal=[old, certificate(1, "Sign")])))

    assert isinstance(ADDED.check(quiet), NotMet)


def test_identity_and_log_are_asked_for_in_this_order() -> None:
    """The identity is the cheaper one."""
    assert ADDED.check(unread(NotLooked())) == Unknown("the identity was not looked at", frozenset({PartName.IDENTITY}))
    unlooked = ADDED.check(but(case(), audits=NotLooked()))
    assert isinstance(unlooked, Unknown)
    assert unlooked.wants == {PartName.AUDITS}
    assert isinstance(ADDED.check(but(case(), audits=UNREADABLE)), Unknown)


def test_what_its_maker_gives_a_new_application_is_a_part_of_making_it() -> None:
    """By the same one and soon after; a service principal that is made anew makes no application new."""
    asked = CredentialAdded(maker_has=timedelta(hours=24))

    def answer(activity: str, by: str = STRANGER, ago: float = 3, result: str = "success") -> type:
        on = "Application" if activity == "Add application" else "ServicePrincipal"
        made = audit(activity, on=on, by=by, ago=timedelta(hours=ago), result=result, record="made")
        return type(asked.check(case(audits=(made, added(ago=timedelta(hours=1))))))

    assert answer("Add application") is NotMet
    assert answer("Add application", ago=59.9 / 60) is NotMet, "its records are written at once, in any order"
    assert answer("Add application", by=PIPELINE) is Met
    assert answer("Add application", ago=26) is Met
    assert answer("Add application", ago=0.5) is Met
    assert answer("Add application", result="failure") is Met
    assert answer("Add service principal") is Met
    assert isinstance(CredentialAdded().check(case(audits=(added(),))), Met)
