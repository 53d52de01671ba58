"""
Journals to test with: entries in order become sealed records, and the usual entries have short names.

Times are seconds after `START`. Unless an entry says otherwise, each follows the one before it by 0.1 s.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.entries import (
    Applied,
    Approved,
    Change,
    Closed,
    ConditionAnswer,
    CredentialSeen,
    Decided,
    Entry,
    HeldBack,
    IdentitySeen,
    Intended,
    Investigated,
    NamedOutcome,
    Opened,
    PartRead,
    Planned,
    PlannedStep,
    Rechecked,
    RechecksSet,
    RuleAnswer,
    SignalJoined,
    StepStopped,
    SubjectIds,
    Verified,
    WorkEnded,
    WorkStarted,
    WriteOutcome,
)
from shared.journal import NO_RECORD, IncidentId, Record, seal

START = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
TENANT = "11111111-1111-1111-1111-111111111111"
PRINCIPAL = "22222222-2222-2222-2222-222222222222"
CLIENT = "33333333-3333-3333-3333-333333333333"
APPLICATION = "44444444-4444-4444-4444-444444444444"
LEAKED = "55555555-5555-5555-5555-555555555551"
CERTIFICATE = "55555555-5555-5555-5555-555555555552"
FEDERATED = "55555555-5555-5555-5555-555555555553"
SAML = "55555555-5555-5555-5555-555555555554"
POLICY = "a" * 64
PLAN = "b" * 64

BLOCK = "1-block-sign-in"
REMOVE = f"2-replace-credentials-application-{APPLICATION}"
RENEW = f"3-replace-credentials-new-certificate-{APPLICATION}"
CONFIRM = "4-confirm-compromised"


@dataclass(frozen=True, slots=True)
class At:
    """An entry of a step, or at a time of its own (seconds after START)."""

    entry: Entry
    step: str | None = None
    seconds: float | None = None


def journal(*entries: Entry | At | Sequence[Entry | At], incident: str = "inc-1") -> list[Record]:
    """Seal the entries in their order into one chain."""
    records: list[Record] = []
    time, previous = START - timedelta(seconds=0.1), NO_RECORD
    for sequence, told in enumerate(_flat(entries)):
        time = time + timedelta(seconds=0.1) if told.seconds is None else START + timedelta(seconds=told.seconds)
        data = told.entry.model_dump(mode="json")
        record = seal(IncidentId(incident), sequence, time, told.entry.kind, told.step, data, previous)
        records.append(record)
        previous = record.hash
    return records


def _flat(entries: Sequence[Entry | At | Sequence[Entry | At]]) -> Iterator[At]:
    for entry in entries:
        match entry:
            case At():
                yield entry
            case Entry():
                yield At(entry)
            case _:
                yield from _flat(entry)


def just_after(records: Sequence[Record]) -> datetime:
    """A moment after the newest record."""
    return records[-1].time + timedelta(seconds=1)


# What stands at the beginning


def opened(mode: str = "act") -> Opened:
    subject = SubjectIds(principal_id=PRINCIPAL, client_id=CLIENT)
    return Opened.model_validate({"tenant_id": TENANT, "subject": subject, "mode": mode, "policy": POLICY})


def signal(summary: str = "Entra found a leaked secret", record: str = "det-1") -> SignalJoined:
    return SignalJoined(
        source="risk-detection",
        record_id=record,
        observed_at=START - timedelta(minutes=2),
        summary=summary,
        facts={"riskLevel": "high"},
    )


def started(attempt: int = 1, because: str = "signal") -> WorkStarted:
    return WorkStarted(attempt=attempt, instance="worker-a", because=because)


def credential(type_: str, id_: str, name: str | None = None, *, accused: bool = False) -> CredentialSeen:
    return CredentialSeen.model_validate(
        {
            "holder": "application",
            "object_id": APPLICATION,
            "type": type_,
            "id": id_,
            "name": name,
            "usage": "Verify" if type_ == "certificate" else None,
            "detail": "https://issuer.example, repo:main" if type_ == "federated" else None,
            "start": START - timedelta(days=1),
            "end": START + timedelta(days=90),
            "accused": accused,
        }
    )


def identity(name: str = "payroll-sync", kind: str = "own-single-tenant", *, enabled: bool = True) -> IdentitySeen:
    return IdentitySeen(
        principal_id=PRINCIPAL,
        client_id=CLIENT,
        app_object_id=APPLICATION,
        display_name=name,
        identity_kind=kind,
        enabled=enabled,
        owner_tenant=TENANT,
        credentials=(
            credential("password", LEAKED, "ci pipeline", accused=True),
            credential("certificate", CERTIFICATE, "CN=payroll"),
            credential("federated", FEDERATED, "github"),
            credential("certificate", SAML, "CN=sso").model_copy(update={"usage": "Sign"}),
        ),
    )


def investigated(seen: IdentitySeen | None = None) -> Investigated:
    return Investigated(
        parts=(PartRead(name="identity", known=True), PartRead(name="detections", known=True)),
        identity=seen or identity(),
    )


def decided(verdict: str = "contain", rule: str = "leaked-credential") -> Decided:
    met = ConditionAnswer(condition="risk-detection", answer="met", reason="leakedCredentials at level high")
    not_met = ConditionAnswer(condition="identity-kind", answer="not-met", reason="it is own-single-tenant")
    return Decided.model_validate(
        {
            "verdict": verdict,
            "rule": rule,
            "actions": ("block-sign-in", "replace-credentials"),
            "rules": (
                RuleAnswer(
                    rule="agents-first",
                    verdict="ask",
                    finding=ConditionAnswer(
                        condition="all", answer="not-met", reason="one is not met", members=(not_met,)
                    ),
                ),
                RuleAnswer.model_validate({"rule": rule, "verdict": verdict, "finding": met}),
            ),
            "policy": POLICY,
        }
    )


# The plan


def step(id_: str, *, contains: bool = True) -> PlannedStep:
    """A planned step as the actions make it; the action is in the id."""
    name = id_.split("-", 1)[1]
    if name.startswith("replace-credentials-new-certificate"):
        return _renewal(id_)
    if name.startswith("replace-credentials"):
        return _removal(id_)
    return PlannedStep(
        id=id_,
        action=name,
        target_kind="service-principal",
        target_id=PRINCIPAL,
        target_name="payroll-sync",
        describe=f"{name}: as the action describes it.",
        changes=(Change(property="accountEnabled", before="true", after="false"),) if "block" in name else (),
        permissions=("Application.ReadWrite.All",),
        reversible=True,
        breaks="Everything that signs in as this identity stops.",
        touches=(PRINCIPAL,),
        contains=contains,
    )


def _removal(id_: str) -> PlannedStep:
    return PlannedStep(
        id=id_,
        action="replace-credentials",
        target_kind="application",
        target_id=APPLICATION,
        target_name="payroll-sync",
        describe="Remove 1 secret(s), 1 certificate(s) and 1 federated credential(s) from the application.",
        options={"part": "remove"},
        reversible=False,
        cannot_be_undone="Removed secrets cannot come back.",
        touches=(APPLICATION,),
    )


def _renewal(id_: str) -> PlannedStep:
    return PlannedStep(
        id=id_,
        action="replace-credentials",
        target_kind="application",
        target_id=APPLICATION,
        target_name="payroll-sync",
        describe="Make a new certificate in the hand-over vault.",
        options={"part": "new-certificate", "certificate": "cordon-inc-1", "vault": "handover-kv"},
        reversible=True,
        touches=(APPLICATION,),
        contains=False,
    )


def planned(
    *ids: str, hash_: str = PLAN, not_done: Sequence[NamedOutcome] = (), expires_in: float | None = None
) -> Planned:
    return Planned(
        hash=hash_,
        fingerprint="c" * 64,
        steps=tuple(step(name) for name in (ids or (BLOCK, REMOVE))),
        not_done=tuple(not_done),
        expires_at=None if expires_in is None else START + timedelta(seconds=expires_in),
    )


def held_back(by: str = "verdict", **more: object) -> HeldBack:
    return HeldBack.model_validate({"by": by, "reason": f"held back by {by}", **more})


def approved(hash_: str = PLAN) -> Approved:
    return Approved(plan_hash=hash_, by="the responder on call", reason="it is real")


# The steps


def pre_image(id_: str) -> dict[str, object]:
    """What the actions write down before they change anything."""
    if "replace-credentials" not in id_:
        return {"accountEnabled": True} if "block" in id_ else {"riskState": "atRisk"}
    return {
        "passwords": [LEAKED],
        "keys": [{"keyId": CERTIFICATE, "displayName": "CN=payroll", "usage": "Verify", "key": None}],
        "federated": [
            {
                "id": FEDERATED,
                "name": "github",
                "issuer": "https://issuer.example",
                "subject": "repo:main",
                "audiences": ["api://AzureADTokenExchange"],
            }
        ],
        "keptKeys": [{"keyId": SAML, "displayName": "CN=sso", "usage": "Sign", "key": None}],
        "keptPasswords": [],
        "holder": "application",
    }


def intended(id_: str, round_: int = 1, before: dict[str, object] | None = None, at: float | None = None) -> At:
    image = pre_image(id_) if before is None else before
    entry = Intended.model_validate({"round": round_, "before": image, "writes": (f"write of {id_}",)})
    return At(entry, id_, at)


def applied(id_: str, outcome: str = "accepted", round_: int = 1, at: float | None = None) -> At:
    write = WriteOutcome.model_validate({"write": f"write of {id_}", "outcome": outcome})
    made: dict[str, object] = {}
    if "new-certificate" in id_:
        made = {"certificateName": "cordon-inc-1", "certificateVersion": "v1", "thumbprint": "AB" * 20}
    return At(Applied.model_validate({"round": round_, "writes": (write,), "made": made}), id_, at)


def verified(id_: str, answer: str = "held", grade: str = "read-back", round_: int = 1, at: float | None = None) -> At:
    entry = Verified.model_validate(
        {"round": round_, "answer": answer, "grade": grade, "proof": f"a fresh read of {id_}: {answer}"}
    )
    return At(entry, id_, at)


def stopped(id_: str, outcome: str = "permission-missing", at: float | None = None) -> At:
    entry = StepStopped(outcome=outcome, reason=f"{id_} was refused", todo="Grant the permission, then order again.")
    return At(entry, id_, at)


def done(*ids: str, at: float | None = None) -> list[Entry | At]:
    """Steps that were intended, applied and read back; the first at its time."""
    last = len(ids) - 1
    return [
        *(intended(name, at=at if n == 0 else None) for n, name in enumerate(ids)),
        *(applied(name) for name in ids),
        *(verified(name) for n, name in enumerate(ids) if n <= last),
    ]


def rechecked(number: int, answer: str = "held", *, last: bool = False, at: float | None = None) -> At:
    after = (5.0, 60.0, 300.0, 900.0, 5700.0)[max(number, 1) - 1]
    entry = Rechecked.model_validate({"number": number, "after_seconds": after, "answer": answer, "last": last})
    return At(entry, seconds=at)


def rechecks_set(series: int = 1) -> RechecksSet:
    return RechecksSet(series=series, after=(5.0, 60.0, 300.0, 900.0, 5700.0))


def ended(*, more: bool = False) -> WorkEnded:
    return WorkEnded(more=more)


def closed(outcome: str) -> Closed:
    return Closed.model_validate({"outcome": outcome, "reason": f"closed as {outcome}"})


# Whole stories


def beginning(mode: str = "act") -> list[Entry | At]:
    """Up to the decision to contain."""
    return [opened(mode), signal(), started(), investigated(), decided()]


def contained(*ids: str, mode: str = "act") -> list[Entry | At]:
    """A contained incident up to its first recheck, in the order in which the engine writes it."""
    names = ids or (BLOCK, REMOVE)
    return [*beginning(mode), planned(*names), *done(*names), rechecks_set(), ended(), rechecked(1, at=7.0)]
