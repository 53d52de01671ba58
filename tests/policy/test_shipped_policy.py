"""The policy that ships: contained is what is proven, a person decides on strong signs, the rest is noted."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from shared.actions import check_policy_action, policy_actions
from shared.actions.interface import Means
from shared.case import AuditActor, Case, CouldNotLook, Known, NotLooked, Owner, Owners, PartName, RiskState
from shared.decision import decide
from shared.identity import IdentityKind, IdentityRef
from shared.plan import make_plan
from shared.policy import Policy, Verdict, load_policy
from shared.signal import Signal
from tests.conditions.cases import added, audit, blocked, but, case, detection, holding
from tests.conditions.test_granted_recently import dated, given
from tests.fakes import ADDRESSES, PAYROLL, START, password, payroll
from tests.policy.test_audit_grants import USER, consent, entry, prop
from tests.policy.test_baseline import daily, log
from tests.sources.test_exposed_secret import read

FILE = Path(__file__).parents[2] / "policies" / "default.yaml"
SUSPICIOUS = detection("suspiciousSignins", "high")
RISKY = RiskState("high", "atRisk", "none", None)


def usual(of: Case) -> Case:
    """The same, and its sign-ins are as ever."""
    return but(of, sign_ins=Known(log(*daily(20))))


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy(FILE, policy_actions(), check_policy_action)


@pytest.mark.parametrize(
    ("of", "verdict", "rule"),
    [
        (case(detections=(detection(),)), Verdict.CONTAIN, "leaked-credential"),
        (case(detections=(detection(),), kind=IdentityKind.FOREIGN), Verdict.CONTAIN, "leaked-credential"),
        (blocked(case(detections=(detection(),))), Verdict.CONTAIN, "leaked-credential"),
        (case(detections=(detection(level="low"),)), Verdict.WATCH, "low-risk"),
        (case(detections=(detection(state="dismissed"),)), Verdict.WATCH, "no rule matched"),
        (case(detections=(detection(level="hidden"),)), Verdict.ASK, "leaked-credential"),
        (case(detections=(detection("generic", "hidden"),)), Verdict.ASK, "leaked-credential"),
        (case(detections=(SUSPICIOUS,), audits=(added(),)), Verdict.CONTAIN, "rogue-credential-in-use"),
        (usual(case(detections=(SUSPICIOUS,))), Verdict.ASK, "at-risk"),
        (case(detections=(SUSPICIOUS,)), Verdict.ASK, "suspicious-and-a-stranger"),
        (case(audits=(added(),)), Verdict.WATCH, "no rule matched"),
        (
            usual(case(detections=(SUSPICIOUS,), audits=(added(ago=timedelta(days=3)),))),
            Verdict.ASK,
            "at-risk",
        ),
        (case(detections=(detection("investigationsThreatIntelligence"),)), Verdict.CONTAIN, "seen-in-an-attack"),
        (case(detections=(detection("maliciousApplication"),)), Verdict.ASK, "malicious-application"),
        (case(risk=RISKY), Verdict.ASK, "at-risk"),
        (blocked(case(risk=RISKY)), Verdict.WATCH, "already-blocked"),
        (case(detections=(detection(),), kind=IdentityKind.MICROSOFT), Verdict.IGNORE, "microsoft-owned"),
        (case(detections=(detection(),), kind=IdentityKind.MANAGED_IDENTITY), Verdict.ASK, "managed-identity-at-risk"),
        (case(kind=IdentityKind.MANAGED_IDENTITY, audits=(added(),)), Verdict.ASK, "managed-identity-at-risk"),
        (case(detections=(detection(),), kind=IdentityKind.AGENT), Verdict.ASK, "at-risk"),
        (case(), Verdict.WATCH, "no rule matched"),
        (
            case(
                risk=RiskState("high", "confirmedCompromised", "none", None),
                audits=(audit("confirmServicePrincipalCompromised"),),
            ),
            Verdict.ASK,
            "confirmed-by-a-person",
        ),
    ],
)
def test_what_it_decides(policy: Policy, of: Case, verdict: Verdict, rule: str) -> None:
    """One case per line of thought."""
    decision = decide(policy, of)

    assert (decision.verdict, decision.rule) == (verdict, rule)


def test_mail_of_everybody_for_an_application_of_ones_own_is_asked_about(policy: Policy) -> None:
    """One consent in everybody's name, by a hand of whom the policy expects none; one user's own is left alone."""
    log = Signal("directory-audit", "Directory_1", IdentityRef(PAYROLL), START, "a change")
    wide = consent(f"[] => [{entry('Mail.ReadWrite')}]")
    own = consent(f"[] => [{entry('Mail.ReadWrite', 'Principal', USER)}]", for_all="False")
    state = replace(payroll(), addresses=ADDRESSES)

    found = [
        decide(policy, replace(case(audits=(each,)), signals=(log,), identity=Known(state))) for each in (wide, own)
    ]

    assert [each.verdict for each in found] == [Verdict.ASK, Verdict.WATCH]
    assert found[0].rule == "consent-for-everybody-from-an-unexpected-hand"


ADMINISTRATOR = "00000000-0000-0000-0000-0000000000a1"  # who may give power, as the shipped file names them
BY_THE_USUAL_HAND = replace(given(), actor=AuditActor(user_id=ADMINISTRATOR))
OWNER = "88888888-0000-4000-8000-000000000001"
OWNED = audit("Add owner to application", [prop("Application.ObjectID", OWNER)], on="Application", user=USER)
ITS_OWN = audit("Add owner to application", [prop("Application.ObjectID", PAYROLL)], on="Application", user=USER)
COLLEAGUE = audit("Add owner to application", [prop("Application.ObjectID", USER)], on="Application", user=USER)
BY_ITSELF = audit("Add owner to application", [prop("Application.ObjectID", OWNER)], on="Application", by=PAYROLL)
TURNED = audit("Update application", [prop("AvailableToOtherTenants", "true", "false")], on="Application", user=USER)
SWITCHED = audit("Update service principal", [prop("AccountEnabled", "true", "false")], user=USER)


def told(of: Case, *, of_kind: IdentityKind = IdentityKind.OWN_SINGLE_TENANT) -> Case:
    """The same, and the audit log opened the incident."""
    log = Signal("directory-audit", "Directory_1", IdentityRef(PAYROLL), START, "a change")
    return replace(usual(of), signals=(log,), identity=Known(replace(payroll(kind=of_kind), addresses=ADDRESSES)))


def owned_by(type_: str, of: Case, id_: str = OWNER) -> Case:
    owners = Owner(id_, type_, "somebody"), Owner(USER, "user", "a colleague")
    return but(of, owners=Known(Owners(Known(owners), Known(()))))


@pytest.mark.parametrize(
    ("of", "rule"),
    [
        (told(case(audits=(audit("Restore application", on="Application", user=USER),))), "brought-back"),
        (told(case(audits=(audit("Restore service principal", user=USER),))), "brought-back"),
        (owned_by("servicePrincipal", told(case(audits=(OWNED,)))), "workload-made-owner"),
        (owned_by("servicePrincipal", told(case(audits=(ITS_OWN,))), PAYROLL), "workload-made-owner"),
        (owned_by("user", told(case(audits=(BY_ITSELF,)))), "workload-made-owner"),
        (
            holding(
                told(case(audits=(added(ago=timedelta(days=3)),), given=(BY_THE_USUAL_HAND,))),
                dated(),
            ),
            "power-from-an-unexpected-hand",
        ),
        (
            told(case(audits=(consent(f"[] => [{entry('Mail.ReadWrite')}]"),)), of_kind=IdentityKind.MICROSOFT),
            "consent-for-everybody-from-an-unexpected-hand",
        ),
        (told(case(audits=(TURNED,)), of_kind=IdentityKind.OWN_MULTI_TENANT), "opened-to-other-tenants"),
        (told(case(audits=(SWITCHED,))), "sign-in-switched-on"),
    ],
    ids=[
        "application restored",
        "service principal restored",
        "workload an owner",
        "its own owner",
        "an owner by itself",
        "waited for power",
        "Microsoft's",
        "turned multi-tenant",
        "sign-in switched on",
    ],
)
def test_what_gives_an_intruder_a_way_back_is_asked_about(policy: Policy, of: Case, rule: str) -> None:
    """Each is one change in the audit log, and its sign-ins are as ever."""
    decision = decide(policy, of)

    assert (decision.verdict, decision.rule) == (Verdict.ASK, rule)


@pytest.mark.parametrize(
    ("of", "verdict"),
    [
        (told(case(audits=(audit("Restore application", on="Application", user=ADMINISTRATOR),))), Verdict.WATCH),
        (owned_by("user", told(case(audits=(OWNED,)))), Verdict.WATCH),
        (owned_by("servicePrincipal", told(case(audits=(COLLEAGUE,)))), Verdict.WATCH),
        (holding(told(case(given=(BY_THE_USUAL_HAND,))), dated()), Verdict.WATCH),
        (
            told(case(audits=(consent(f"[] => [{entry('User.Read')}]"),)), of_kind=IdentityKind.MICROSOFT),
            Verdict.IGNORE,
        ),
        (told(case(audits=(TURNED,))), Verdict.WATCH),
        (blocked(told(case(audits=(SWITCHED,)))), Verdict.WATCH),
    ],
    ids=[
        "restored by whoever may",
        "a new colleague",
        "a new colleague beside a workload",
        "power alone",
        "a name is all that Microsoft's client gets",
        "multi-tenant and taken back",
        "switched on and off again",
    ],
)
def test_what_looks_like_a_way_back_and_is_daily_work_is_left_alone(policy: Policy, of: Case, verdict: Verdict) -> None:
    """The twins of those above."""
    assert decide(policy, of).verdict is verdict


def test_cordons_own_confirmation_proves_nothing(policy: Policy) -> None:
    """It raises the level to high and adds a detection; neither is evidence."""
    echo = case(
        detections=(detection("adminConfirmedServicePrincipalCompromised", state="confirmedCompromised"),),
        risk=RiskState("high", "confirmedCompromised", "adminConfirmedServicePrincipalCompromised", None),
    )

    assert decide(policy, echo).verdict is Verdict.WATCH


def test_a_leak_is_decided_on_identity_and_detections_alone(policy: Policy) -> None:
    """The audit log and the risk list, which are slow, are not waited for."""
    leak = but(case(detections=(detection(),)), risk=NotLooked(), audits=NotLooked())

    decision = decide(policy, leak)

    assert (decision.verdict, decision.wants) == (Verdict.CONTAIN, frozenset())


def test_an_ordinary_identity_is_not_looked_up_in_the_audit_log(policy: Policy) -> None:
    """Where the cheap parts say no, the dear one is left alone."""
    quiet = but(case(), audits=NotLooked())

    assert decide(policy, quiet).wants == frozenset()
    assert decide(policy, but(quiet, risk=NotLooked())).wants >= {PartName.RISK}


@pytest.mark.parametrize("part", ["identity", "detections", "risk", "audits"])
def test_what_could_not_be_read_never_ends_in_silence(policy: Policy, part: str) -> None:
    """With suspicious sign-ins at hand, whatever is missing: a person is asked, or it is contained."""
    suspicious = but(case(detections=(SUSPICIOUS,), risk=RISKY), **{part: CouldNotLook("no answer")})

    assert decide(policy, suspicious).verdict in (Verdict.ASK, Verdict.CONTAIN)


def test_every_containment_starts_with_the_cut(policy: Policy) -> None:
    """
    Blocking sign-in is reversible and stops the bleeding; only a ladder, which weighs the case, may spare it, and the
    rules that only take an address away: one on one sign, and one that asks.
    """
    spared = [
        rule.name
        for rule in policy.rules
        if rule.verdict in (Verdict.CONTAIN, Verdict.ASK)
        and not rule.ladder
        and rule.actions[0].name != "block-sign-in"
    ]

    assert spared == ["sends-tokens-to-a-look-alike", "points-elsewhere"]


def test_a_ladder_is_for_credentials_and_contains_only_where_two_sources_speak(policy: Policy) -> None:
    """Proof needs no second witness, and no weighing."""
    climbing = [rule for rule in policy.rules if rule.ladder]

    assert {rule.name for rule in climbing} >= {"suspicious-and-a-stranger", "new-credential-and-a-stranger"}
    assert all(rule.independent == 2 for rule in climbing if rule.verdict is Verdict.CONTAIN)


def test_limits_are_written_out_as_they_are_without_the_file(policy: Policy) -> None:
    """What the file shows is what holds if the section is taken out."""
    assert (policy.limits.identities_per_hour, policy.limits.percent_of_enabled_per_hour) == (5, 2)
    assert policy.limits.secrets_per_hour == 200


def test_a_leak_cuts_vaults_and_rotates_what_was_read_and_asks_for_the_rest(policy: Policy) -> None:
    """What is merely within reach waits for a person; a credential that another incident exposed does as well."""
    rules = {rule.name: rule for rule in policy.rules}
    leaked = {choice.name: choice.options for choice in rules["leaked-credential"].actions}

    assert list(leaked)[:2] == ["block-sign-in", "cut-vault-access"]
    assert leaked["rotate-secrets"] == {"ask": [3]}
    assert rules["credential-exposed"].verdict is Verdict.ASK
    found = decide(policy, replace(case(), signals=(read(),)))
    assert (found.rule, found.verdict) == ("credential-exposed", Verdict.ASK)


def test_without_azure_the_plan_of_a_leak_goes_on_and_names_what_it_leaves_out(policy: Policy) -> None:
    """The same file serves a tenant whose vaults Cordon cannot reach."""
    choices = next(rule for rule in policy.rules if rule.name == "leaked-credential").actions
    plan = make_plan(
        choices, payroll(application=[password(1)]), Means("20260302-0123456789ab", handover_vault=False), START
    )

    done = list(dict.fromkeys(step.action for step in plan.steps))
    assert done == ["block-sign-in", "replace-credentials", "confirm-compromised"]
    named = {each.action: each.outcome for each in plan.not_done}
    assert named["cut-vault-access"] == named["rotate-secrets"] == "azure-not-configured"
