"""Who changed an identity, and what is known against them: by ids, from Cordon's journal and from Entra."""

from datetime import timedelta

import pytest

from shared.audit_changes import ChangeKind
from shared.case import (
    ActorRisk,
    AuditRecord,
    Case,
    IncidentStanding,
    Known,
    NotLooked,
    Part,
    PartName,
    RiskState,
    Suspects,
    Suspicion,
)
from shared.conditions.changed_by_suspect import ChangedBySuspect, related
from shared.conditions.interface import Finding, Met, NotMet, Unknown
from tests.conditions.cases import PIPELINE, STRANGER, UNREADABLE, added, audit, between, but, case
from tests.fakes import CORDON_PRINCIPAL, PAYROLL, PAYROLL_CLIENT, START

USER = "7a1c3e55-0b0f-4d7e-8f51-2f4f6f1f8a21"
INCIDENT = "20260302-0123456789ab"
ASKED = ChangedBySuspect()
HOUR = timedelta(hours=1)
HIGH = RiskState("high", "atRisk", "none", START - HOUR)


def standing(suspicion: Suspicion = Suspicion.CONTAINED, **more: object) -> IncidentStanding:
    return IncidentStanding(INCIDENT, INCIDENT, suspicion, **more)  # pyright: ignore[reportArgumentType]


def knowing(of: Case, *standings: IncidentStanding, risk: Part[RiskState | None] | None = None) -> Case:
    """The same case, and this is what is known of whoever changed it; the risk stands for workloads and people."""
    known = {each: risk or Known(None) for each in (STRANGER, USER)}
    return but(
        of,
        suspects=Known(Suspects({STRANGER: Known(standings)})),
        actor_risk=Known(ActorRisk(known)),
        user_risk=Known(ActorRisk(known)),
    )


def given(by: str = STRANGER, **more: object) -> Case:
    return case(audits=(added(by=by, **more),))  # pyright: ignore[reportArgumentType]


def test_a_contained_identity_that_gave_it_a_credential_makes_it_met() -> None:
    """The reason names the record, the actor by its id, and the incident."""
    found = ASKED.check(knowing(given(), standing()))

    assert isinstance(found, Met)
    assert all(word in found.reason for word in ("Directory_1", STRANGER, INCIDENT, "contained"))


@pytest.mark.parametrize(
    ("activity", "kind"),
    [
        ("Add service principal credentials", ChangeKind.CREDENTIALS),
        ("Add owner to service principal", ChangeKind.OWNERS),
        ("Add service principal", ChangeKind.LIFECYCLE),
        ("Consent to application", ChangeKind.CONSENT),
        ("Add member to role", ChangeKind.GRANTS),
    ],
)
def test_each_kind_of_change_counts_and_can_be_asked_for_alone(activity: str, kind: ChangeKind) -> None:
    """Made, given a credential, an owner, a consent or a role."""
    made = knowing(case(audits=(audit(activity),)), standing())
    others = tuple(each for each in ChangeKind if each not in (kind, ChangeKind.RISK))

    assert isinstance(ChangedBySuspect(kinds=(kind,)).check(made), Met)
    assert isinstance(ChangedBySuspect(kinds=others).check(made), NotMet)


@pytest.mark.parametrize(
    "of",
    [
        given(CORDON_PRINCIPAL),
        given(PAYROLL),
        given(ago=timedelta(hours=25)),
        given(result="failure"),
        case(audits=(audit("Remove owner from service principal"),)),
        case(),
    ],
    ids=["cordon", "itself", "long ago", "failed", "took away", "nothing"],
)
def test_what_counts_for_nobody_is_not_met(of: Case) -> None:
    """Cordon's own acts make nobody suspect, even if its journal said so."""
    accused = Suspects({each: Known((standing(),)) for each in (STRANGER, CORDON_PRINCIPAL, PAYROLL, PAYROLL_CLIENT)})

    assert isinstance(ASKED.check(but(knowing(of), suspects=Known(accused))), NotMet)


@pytest.mark.parametrize("suspicion", [Suspicion.WATCHED, Suspicion.CLEARED])
def test_what_was_only_noted_or_was_released_does_not_count(suspicion: Suspicion) -> None:
    """Incidents that were watched are told beside it, and count only where a rule names them."""
    made = knowing(given(), standing(suspicion, at=START))
    found = ASKED.check(made)

    assert isinstance(found, NotMet)
    assert ("watched" in found.reason) == (suspicion is Suspicion.WATCHED)
    assert isinstance(ChangedBySuspect(suspicion=("watched",)).check(made), Met) == (suspicion is Suspicion.WATCHED)


def test_what_an_identity_did_before_it_was_changed_itself_is_its_own() -> None:
    """Else whoever provisions many would drag them all along."""
    before = knowing(given(ago=2 * HOUR), standing(links=1, since=START - HOUR))
    after = knowing(given(ago=HOUR), standing(links=1, since=START - HOUR))

    assert isinstance(ASKED.check(before), NotMet)
    assert related(before, timedelta(days=1)) == ()
    assert isinstance(ASKED.check(after), Met)
    assert isinstance(ChangedBySuspect(most_links=0).check(after), NotMet)
    assert [each.standing.incident for each in related(after, timedelta(days=1))] == [INCIDENT]


@pytest.mark.parametrize(
    ("risk", "answer"),
    [
        (HIGH, Met),
        (RiskState("low", "atRisk", "none", None), NotMet),
        (RiskState("high", "dismissed", "none", None), NotMet),
        (RiskState("hidden", "atRisk", "hidden", None), Unknown),
        (None, NotMet),
    ],
)
@pytest.mark.parametrize("who", ["identity", "person"])
def test_entra_s_word_about_an_actor_counts(risk: RiskState | None, answer: type[Finding], who: str) -> None:
    """Of workloads and of people alike; what is hidden for want of a licence is unknown."""
    made = given() if who == "identity" else case(audits=(added_by_user(),))

    assert isinstance(ASKED.check(knowing(made, risk=Known(risk))), answer)


def test_an_owner_of_one_of_two_by_a_suspect_leaves_it_unknown() -> None:
    """The suspect made one of them the other's owner, and the log does not say which: it is no link of a chain."""
    made = knowing(case(audits=(between(PAYROLL, PIPELINE),)), standing())

    finding = ASKED.check(made)

    assert isinstance(finding, Unknown)
    assert "which of them is owned" in finding.reason
    assert related(made, timedelta(days=1)) == ()


def added_by_user() -> AuditRecord:
    return audit("Add owner to service principal", user=USER)


def test_a_risk_that_a_person_has_cleared_since_is_over() -> None:
    """Cordon itself may have confirmed the compromise of what was released; a newer word of Entra's counts again."""
    confirmed = RiskState("high", "confirmedCompromised", "adminConfirmedServicePrincipalCompromised", START - HOUR)
    cleared = standing(Suspicion.CLEARED, at=START)
    earlier = standing(Suspicion.CLEARED, at=START - 2 * HOUR)

    assert isinstance(ASKED.check(knowing(given(), cleared, risk=Known(confirmed))), NotMet)
    assert isinstance(ASKED.check(knowing(given(), earlier, risk=Known(confirmed))), Met)


@pytest.mark.parametrize(
    "of",
    [
        case(audits=(added(by=None),)),
        given("payroll"),
        given(result="timeout"),
        but(knowing(given()), suspects=UNREADABLE),
        but(knowing(given()), suspects=Known(Suspects({STRANGER: UNREADABLE}))),
        but(knowing(given()), suspects=Known(Suspects({}))),
        but(knowing(given()), actor_risk=UNREADABLE),
        but(knowing(case()), audits=UNREADABLE),
        but(knowing(case()), grant_audits=UNREADABLE),
    ],
    ids=["unnamed", "no id", "timeout", "journal", "one of it", "left out", "risk", "log", "other log"],
)
def test_what_could_not_be_looked_at_is_unknown(of: Case) -> None:
    """An actor without an id, an outcome that nobody knows, a journal or a list that does not answer."""
    whole = knowing(of, standing()) if isinstance(of.suspects, NotLooked) else of

    assert isinstance(ASKED.check(whole), Unknown)


def test_only_what_could_decide_is_asked_for() -> None:
    """The log first, then the journal, then Entra; of people only where they did something and are asked about."""
    of = given()

    assert unknown(but(case(), audits=NotLooked())).wants == {PartName.AUDITS}
    assert unknown(of).wants == {PartName.SUSPECTS}
    assert unknown(but(knowing(of), actor_risk=NotLooked())).wants == {PartName.ACTOR_RISK}
    assert unknown(but(knowing(case(audits=(added_by_user(),))), user_risk=NotLooked())).wants == {PartName.USER_RISK}
    assert isinstance(ChangedBySuspect(who=("identity",)).check(case(audits=(added_by_user(),))), NotMet)
    assert isinstance(ASKED.check(case()), NotMet)


def unknown(of: Case) -> Unknown:
    found = ASKED.check(of)
    assert isinstance(found, Unknown)
    return found


def test_expected_hands_are_left_out_by_id() -> None:
    """Never by a name."""
    made = knowing(given(), standing())

    assert isinstance(ChangedBySuspect(by_other_than=(STRANGER,)).check(made), NotMet)
    assert isinstance(ChangedBySuspect(by_other_than=(USER,)).check(made), Met)
