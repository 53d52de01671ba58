"""Which credential is abused, and whether it alone explains everything that is suspicious."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.accusation import Named, accuse
from shared.case import AuditActor, AuditRecord, Case, CouldNotLook, HolderKind, Known, Password, RiskDetection, SignIn
from shared.signal import JsonObject, JsonValue, Signal
from tests.conditions.cases import (
    PIPELINE,
    STRANGER,
    UNREADABLE,
    added,
    audit,
    but,
    case,
    detection,
    having,
)
from tests.fakes import CORDON_PRINCIPAL, PAYROLL, START, certificate, federated, password, payroll
from tests.policy.test_baseline import HOUR, daily, log, sign_in

LONG_AGO = START - timedelta(days=200)
BUSY: Password = replace(password(1), start=LONG_AGO)
ROGUE: Password = replace(password(2), start=START - HOUR)
HOME = [replace(each, credential_id=BUSY.key_id) for each in daily(20)]
AWAY = replace(sign_in(HOUR / 2, address="198.51.100.66", network=64499), credential_id=ROGUE.key_id, resource_id="r-2")
STILL_BUSY = replace(sign_in(HOUR / 4), credential_id=BUSY.key_id)
NAMING = replace(detection("suspiciousSignins", ago=HOUR / 2), key_ids=(ROGUE.key_id,))
STATE = payroll(application=[BUSY], principal=[ROGUE])
EDITED = audit("Update service principal", [{"displayName": "Tags", "oldValue": "[]", "newValue": "[1]"}])


def abused(*sign_ins: SignIn, detections: tuple[RiskDetection, ...] = (NAMING,), by: str = STRANGER) -> Case:
    """A rogue secret beside a busy one: added an hour ago, used from elsewhere since."""
    records = (added(ROGUE.key_id, by=by),)
    told = log(*(sign_ins or (AWAY, STILL_BUSY)), *HOME)
    return but(having(case(detections=detections, audits=records), STATE), sign_ins=Known(told))


def test_one_rogue_credential_explains_everything() -> None:
    """The log tells who added it, the detection and the odd sign-in name it, and the busy one did as ever."""
    found = accuse(abused())

    (suspect,) = found.suspects
    assert found.named is Named.ONE
    assert found.one_explains_all is True
    assert found.because == ()
    assert (suspect.credential_id, suspect.holder, suspect.removable) == (
        ROGUE.key_id,
        HolderKind.SERVICE_PRINCIPAL,
        True,
    )
    assert [ground.source for ground in suspect.grounds] == ["audit", "detection", "sign-in"]


def test_a_detection_that_names_no_credential_is_traced_by_its_address() -> None:
    """The sign-ins from there tell which one it was."""
    bare = replace(detection("suspiciousSignins"), ip_address=AWAY.address)

    assert accuse(abused(detections=(bare,))).one_explains_all is True


def test_a_detection_that_nothing_traces_is_not_explained() -> None:
    """No credential, no address: it may be about another one."""
    found = accuse(abused(detections=(NAMING, detection("anomalousServicePrincipalActivity"))))

    assert found.one_explains_all is False
    assert "names no credential" in found.because[0]


def test_an_odd_sign_in_with_the_busy_secret_names_that_one_too() -> None:
    """Then both are abused, for all that is known."""
    found = accuse(abused(AWAY, replace(AWAY, id="s2", credential_id=BUSY.key_id)))

    assert found.named is Named.SEVERAL
    assert found.one_explains_all is False


@pytest.mark.parametrize("part", ["sign_ins", "audits", "grant_audits", "detections"])
def test_what_could_not_be_looked_at_leaves_it_open(part: str) -> None:
    """Never "nothing else is new": the answer names the source and why it did not answer."""
    found = accuse(but(abused(), **{part: UNREADABLE}))

    assert found.one_explains_all is None
    assert any("the service did not answer" in why for why in found.because)


def test_unread_federated_credentials_leave_it_open() -> None:
    """One of them may be the thief's."""
    holder = replace(STATE.principals[0], federated=CouldNotLook("refused"))
    found = accuse(having(abused(), replace(STATE, principals=(holder,))))

    assert found.one_explains_all is None


@pytest.mark.parametrize("hidden", [replace(NAMING, level="hidden"), replace(NAMING, type="generic")])
def test_a_hidden_detection_is_neither_harmless_nor_explained(hidden: RiskDetection) -> None:
    """Without the licence nobody knows what was seen, so no milder answer follows from it."""
    found = accuse(abused(detections=(hidden,)))

    assert found.one_explains_all is None
    assert any("withholds" in why for why in found.because)


def test_a_credential_that_the_identity_gave_itself_is_not_the_first_one() -> None:
    """Whoever added it was signed in with another, which is just as stolen."""
    found = accuse(abused(by=PAYROLL))

    assert found.one_explains_all is False
    assert any("by the identity itself" in why for why in found.because)


@pytest.mark.parametrize(
    "more",
    [
        audit("Add owner to service principal", record="more"),
        EDITED,
        added("40000000-0000-4000-8000-000000000007"),
    ],
)
def test_something_else_that_is_new_is_not_explained(more: AuditRecord) -> None:
    """An owner, an address, a second credential: removing one leaves the thief a way in."""
    of = abused()
    assert isinstance(of.audits, Known)
    found = accuse(but(of, audits=Known((*of.audits.value, replace(more, id="more")))))

    assert found.one_explains_all is False


def test_what_the_pipeline_and_cordon_did_is_nothing_new() -> None:
    """The policy expects the one, and the other is us."""
    of = abused()
    assert isinstance(of.audits, Known)
    theirs = (
        replace(EDITED, id="theirs", actor=AuditActor(principal_id=PIPELINE)),
        audit("Add owner to service principal", by=CORDON_PRINCIPAL, record="ours"),
    )
    with_theirs = but(of, audits=Known((*of.audits.value, *theirs)))

    assert accuse(with_theirs, lambda change: change.actor.principal_id == PIPELINE).one_explains_all is True
    assert accuse(with_theirs).one_explains_all is False


def test_a_new_credential_that_no_record_explains_leaves_it_open() -> None:
    """The audit log is late; who added the second one is not known yet."""
    fresh = replace(password(3), start=START - HOUR)
    found = accuse(having(abused(), payroll(application=[BUSY, fresh], principal=[ROGUE])))

    assert found.one_explains_all is None
    assert any(fresh.key_id in why for why in found.because)


def test_without_a_past_nobody_can_tell_odd_from_usual() -> None:
    """A young identity's sign-ins are neither suspicious nor harmless."""
    found = accuse(but(abused(), sign_ins=Known(log(AWAY, STILL_BUSY))))

    assert found.one_explains_all is None
    assert any("what is usual cannot be told" in why for why in found.because)


def test_a_log_that_was_cut_short_leaves_it_open() -> None:
    """What was not read may hold another credential."""
    told = log(AWAY, STILL_BUSY, cut_short=True)

    assert accuse(but(abused(), sign_ins=Known(told))).one_explains_all is None


def test_a_certificate_is_known_by_its_thumbprint() -> None:
    """Where the log gives no key id; and one that nobody holds any more is named all the same."""
    print_ = "0123456789ABCDEF0123456789ABCDEF01234567"
    key = replace(certificate(5, group=print_), start=LONG_AGO)
    by_certificate = replace(AWAY, credential_id=None, thumbprint=print_.lower())
    told = but(having(case(), payroll(application=[BUSY, key])), sign_ins=Known(log(by_certificate, *HOME)))

    assert [each.credential_id for each in accuse(told).suspects] == [key.key_id]
    gone = accuse(having(told, payroll(application=[BUSY]))).suspects
    assert [(each.credential_id, each.removable) for each in gone] == [(print_.lower(), False)]


def test_a_federated_credential_is_named_by_its_id() -> None:
    """The audit log tells its name, and the sign-in log Graph's id."""
    trust = federated(4)
    name: JsonValue = {
        "displayName": "FederatedIdentityCredentials",
        "oldValue": "[]",
        "newValue": f'[{{"Name":"{trust.name}"}}]',
    }
    record = audit("Update application", [name], on="Application")
    used = replace(AWAY, credential_id=trust.id)
    of = but(having(case(audits=(record,)), payroll(application=[BUSY, trust])), sign_ins=Known(log(used, *HOME)))
    found = accuse(of)

    assert [each.credential_id for each in found.suspects] == [trust.id]
    assert found.one_explains_all is True


def test_an_odd_sign_in_without_a_credential_leaves_it_open() -> None:
    """The log does not tell, so nobody may say which one it was."""
    found = accuse(abused(replace(AWAY, credential_id=None), STILL_BUSY))

    assert found.one_explains_all is None


def test_an_order_names_credentials() -> None:
    """What a person says by id stands beside what the logs say."""
    facts: JsonObject = {"actions": [{"replace-credentials": {"only": [ROGUE.key_id]}}]}
    signal = Signal("manual", "r-1", case().subject, START, "an order", facts)
    found = accuse(replace(having(but(case(), sign_ins=Known(log(*HOME))), STATE), signals=(signal,)))

    assert found.suspects[0].grounds[0].source == "order"


def test_settled_detections_and_confirmations_name_nothing() -> None:
    """They are verdicts, and no observations."""
    settled = replace(detection(), state="dismissed")
    confirmed = detection("adminConfirmedServicePrincipalCompromised", state="confirmedCompromised")
    of = having(case(detections=(settled, confirmed)), payroll(application=[BUSY]))
    found = accuse(but(of, sign_ins=Known(log(STILL_BUSY, *HOME))))

    assert found.named is Named.NONE
    assert found.one_explains_all is False


def test_only_grants_are_told_from_more() -> None:
    """What was given can be taken, if it is all."""
    consent = audit("Consent to application", record="consent")
    of = but(having(case(audits=(consent,)), payroll()), sign_ins=Known(log(*HOME)))

    assert accuse(of).only_grants is True
    assert accuse(but(of, sign_ins=UNREADABLE)).only_grants is None
    assert (
        accuse(but(of, audits=Known((consent, audit("Add owner to application", on="Application"))))).only_grants
        is False
    )


def test_a_thief_of_last_week_does_not_pass_for_usual() -> None:
    """No detection tells when he came: a week is held against the time before it, and the answer says so."""
    thief = replace(AWAY, at=START - timedelta(days=4))
    of = but(having(case(), STATE), sign_ins=Known(log(STILL_BUSY, thief, *HOME)))
    found = accuse(of)

    assert [each.credential_id for each in found.suspects] == [ROGUE.key_id]
    assert found.compared is not None
    assert "since 2026-02-23 03:00 UTC" in found.compared
    assert "against 14 over the 14 days before" in found.compared


def test_a_detection_of_last_month_reaches_as_far_back() -> None:
    """Whoever signed in then from elsewhere is not the past that he is held against."""
    old = replace(NAMING, activity_at=START - timedelta(days=12), detected_at=START, key_ids=(BUSY.key_id,))
    thief = replace(AWAY, at=START - timedelta(days=11))
    past = [replace(each, credential_id=BUSY.key_id) for each in daily(27)]
    found = accuse(but(having(case(detections=(old,)), STATE), sign_ins=Known(log(STILL_BUSY, thief, *past))))

    assert found.named is Named.SEVERAL


def test_of_a_young_workload_its_first_two_days_are_its_past() -> None:
    """There is nothing before the week: what came after its first days is held against them, and the answer says so."""
    young = [replace(sign_in(n * HOUR), credential_id=BUSY.key_id) for n in range(60, 140, 4)]
    thief = replace(AWAY, at=START - 70 * HOUR, credential_id=BUSY.key_id)
    found = accuse(but(abused(), sign_ins=Known(log(AWAY, STILL_BUSY, *young))))

    assert found.one_explains_all is True
    assert "over the 2 days before" in str(found.compared)
    assert accuse(but(abused(), sign_ins=Known(log(AWAY, STILL_BUSY, thief, *young)))).named is Named.SEVERAL


def test_what_a_young_log_learns_ends_before_what_is_suspicious_begins() -> None:
    """A log that begins with the thief has no past to hold him against."""
    young = [replace(sign_in(n * HOUR / 2), credential_id=BUSY.key_id) for n in range(2, 90)]
    found = accuse(but(abused(), sign_ins=Known(log(AWAY, STILL_BUSY, *young))))

    assert found.one_explains_all is None
    assert any("what is usual cannot be told" in why for why in found.because)


def test_a_log_that_has_fallen_silent_leaves_it_open() -> None:
    """Who took the export away may have signed in since."""
    told = replace(log(AWAY, STILL_BUSY, *HOME), until=START - 6 * HOUR)

    assert accuse(but(abused(), sign_ins=Known(told))).one_explains_all is None
