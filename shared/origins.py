"""
Where a finding comes from, and whether several of them are independent. Pure.

Two findings of one source are one witness, and so is a change together with the state that it left: a new redirect
address and the audit record that tells of it. What only says of what sort an identity is, or excuses it, is no witness
at all, nor is what Cordon did itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from shared.audit import normalise_activity
from shared.audit_changes import ChangeKind
from shared.case import Case, Known, PartName
from shared.conditions.audit_activity import AuditShows
from shared.conditions.groups import All, AnyOf, Not
from shared.conditions.interface import Condition, Finding, Met, NotMet, Unknown, ask
from shared.conditions.records import BOTH, changes_about, records_about, unread
from shared.conditions.risk_detection import RiskDetected
from shared.risk import CONFIRMED


class Origin(StrEnum):
    """A source that can speak against an identity. Values are words for people."""

    PROTECTION = "Identity Protection"
    AUDIT = "the audit log"
    SIGN_INS = "the sign-in log"
    EXPOSED = "an exposed secret"
    INCIDENT = "another identity's incident"
    PERSON = "a person"
    STATE = "its configuration"


ORIGINS: Mapping[str, Origin | None] = {
    "risk-detection": Origin.PROTECTION,
    "risk-state": Origin.PROTECTION,
    "people-at-risk": Origin.PROTECTION,
    "credential-added": Origin.AUDIT,
    "credential-first-use": Origin.AUDIT,  # that it is new; the sign-in that uses it may be its owner's
    "audit-activity": Origin.AUDIT,
    "granted-recently": Origin.AUDIT,
    "consent": Origin.AUDIT,
    "odd-hour": Origin.AUDIT,
    "sign-out-url-changed": Origin.AUDIT,
    "property-changed": Origin.AUDIT,
    "owner-added": Origin.AUDIT,
    "group-joined": Origin.AUDIT,
    "new-sign-in": Origin.SIGN_INS,
    "sign-in-failures": Origin.SIGN_INS,
    "sign-in-frequency": Origin.SIGN_INS,
    "sign-in-odd-hour": Origin.SIGN_INS,
    "token-without-sign-in": Origin.SIGN_INS,
    "rogue-application": Origin.PERSON,  # who keeps the list
    "credential-exposed": Origin.EXPOSED,
    # It rests on what was seen of another identity; that somebody changed this one is the audit log's word.
    "changed-by-suspect": Origin.INCIDENT,
    "redirect-uri": Origin.STATE,
    "identifier-uri": Origin.STATE,
    "credential-excess": Origin.STATE,
    "federated-trust-breadth": Origin.STATE,
    "dangerous-permission": Origin.STATE,
    "owners": Origin.STATE,
    "publisher": Origin.STATE,
    "identity-kind": None,  # says what it is, and nothing against it
    "unnecessary-role": None,
    "sign-in-blocked": None,
    "signalled": None,  # a claim, and no fact
    "declared-change": None,  # excuses
}
"""By a condition's name. One that is not here counts as no witness: better to ask a person once too often."""

_LEFT_BY: Mapping[str, frozenset[ChangeKind]] = {
    "redirect-uri": frozenset({ChangeKind.CONFIGURATION}),
    "identifier-uri": frozenset({ChangeKind.CONFIGURATION}),
    "credential-excess": frozenset({ChangeKind.CREDENTIALS}),
    "federated-trust-breadth": frozenset({ChangeKind.CREDENTIALS}),
    "dangerous-permission": frozenset({ChangeKind.GRANTS, ChangeKind.CONSENT}),
    "owners": frozenset({ChangeKind.OWNERS}),
    "publisher": frozenset({ChangeKind.CONFIGURATION, ChangeKind.CONSENT, ChangeKind.LIFECYCLE}),
}
"""The kinds of changes that leave the state which a condition looks at."""

_JUDGEMENTS = frozenset(map(normalise_activity, ("confirmServicePrincipalCompromised", "DismissServicePrincipal")))


def accusing(when: Condition) -> Iterator[Condition]:
    """The conditions that speak against the identity if they are met: those under no `not`."""
    match when:
        case All(members) | AnyOf(members):
            for member in members:
                yield from accusing(member)
        case Not():
            return
        case _:
            yield when


def sources_of(when: Condition) -> frozenset[Origin]:
    """The sources that a rule's conditions could come from."""
    return frozenset(origin for each in accusing(when) if (origin := _usual_origin(each)) is not None)


def lacking(when: Condition, least: int, case: Case) -> Unknown | None:
    """
    What is missing until so many independent sources speak; None if they do. Every condition of the rule is asked,
    also those that its groups did not need.
    """
    heard = _listen(when, case)
    if len(heard.met) >= least:
        return None
    wants = frozenset[PartName]().union(*(each.wants for each in heard.open))
    told = [f"{origin} speaks ({reason})" for origin, reason in heard.met.items()]
    told += [f"{origin} does not ({reason})" for origin, reason in heard.silent.items() if origin not in heard.met]
    told += [f"not known: {each.reason}" for each in heard.open]
    return Unknown(f"{least} independent sources are needed: {'; '.join(told) or 'none speaks'}", wants)


@dataclass(slots=True)
class _Heard:
    met: dict[Origin, str] = field(default_factory=dict[Origin, str])
    silent: dict[Origin, str] = field(default_factory=dict[Origin, str])
    open: list[Unknown] = field(default_factory=list[Unknown])


def _listen(when: Condition, case: Case) -> _Heard:
    heard = _Heard()
    for signal in case.signals:
        if signal.source == "manual":
            heard.met.setdefault(Origin.PERSON, "an order")
        elif signal.source == "exposed-secret":
            heard.met.setdefault(Origin.EXPOSED, signal.summary)
    for each in accusing(when):
        finding = ask(each, case)
        origin = _origin(each, finding, case)
        match finding, origin:
            case _, None:
                continue
            case _, Unknown():
                heard.open.append(origin)
            case Met(reason), _:
                heard.met.setdefault(origin, reason)
            case NotMet(reason), _:
                heard.silent.setdefault(origin, reason)
            case Unknown(), _:
                heard.open.append(finding)
    return heard


def _usual_origin(condition: Condition) -> Origin | None:
    """Who confirms or dismisses a risk is a person, whichever log tells of it."""
    condition = getattr(condition, "asked", condition)  # of one whose answer is supposed
    if isinstance(condition, AuditShows) and _JUDGEMENTS.issuperset(map(normalise_activity, condition.activities)):
        return Origin.PERSON
    if isinstance(condition, RiskDetected) and condition.types and set(condition.types) == {CONFIRMED}:
        return Origin.PERSON
    return ORIGINS.get(condition.name)


def _origin(condition: Condition, finding: Finding, case: Case) -> Origin | Unknown | None:
    """The source of this finding; None if it is no witness, Unknown if that hangs on what is not known."""
    usual = _usual_origin(condition)
    if not isinstance(finding, Met):
        return usual
    if usual is Origin.STATE:
        return _state_or_change(condition, case)
    confirmed = usual is Origin.PROTECTION and condition.name == "risk-state" and _is_confirmed(case)
    judged = usual is Origin.PERSON and ORIGINS.get(condition.name) is not Origin.PERSON
    return _who_confirmed(case) if confirmed or judged else usual


def _state_or_change(condition: Condition, case: Case) -> Origin | Unknown | None:
    """A state that a recent change left is told by the audit log already."""
    if not isinstance(case.identity, Known):
        return None
    kinds = _LEFT_BY.get(condition.name, frozenset(ChangeKind))
    made = changes_about(case, case.identity.value)
    if any(change.kinds & kinds for change in made):
        return Origin.AUDIT
    return unread(case, BOTH) or Origin.STATE


def _is_confirmed(case: Case) -> bool:
    risk = case.risk.value if isinstance(case.risk, Known) else None
    return risk is not None and (risk.state.casefold() == "confirmedcompromised" or risk.detail == CONFIRMED)


def _who_confirmed(case: Case) -> Origin | Unknown | None:
    """A confirmation may be Cordon's own: a person's is one that the audit log tells of, by somebody else."""
    if not isinstance(case.identity, Known):
        return None
    if any(each.activity in _JUDGEMENTS for each in records_about(case, case.identity.value)):
        return Origin.PERSON
    return unread(case, BOTH[:1])
