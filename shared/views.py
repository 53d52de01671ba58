"""What a responder is shown through HTTP: plain frozen models, made from the journal and the case."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from shared.entries import (
    Change,
    Decided,
    Foreseen,
    IdentitySeen,
    LadderClimbed,
    NamedOutcome,
    PartRead,
    Planned,
    WeighedUp,
)
from shared.incident import Status
from shared.liveness import RuleLife
from shared.preflight import Preflight, Readiness


class View(BaseModel):
    """The base of all views."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True)


class EvidenceView(View):
    """One grade of proof: since when it stands, and by which record of the journal."""

    grade: Literal["accepted", "read-back", "held", "seen-in-logs", "probed"]
    at: datetime
    record: int
    said: str


class AccessView(View):
    """When access with tokens from before the cut usually ends at a resource, and when it has surely ended."""

    resource: str
    usually_until: datetime
    surely_until: datetime
    why: str


class ResidualView(View):
    """The residual-access clock. Without `proven_at` no bound can be given, and `not_known` says why."""

    proven_at: datetime | None
    surely_over: datetime | None
    not_known: str | None
    by_resource: tuple[AccessView, ...] = ()


class StepView(View):
    """One step and the last that is known of it."""

    id: str
    action: str
    target: str
    describe: str
    state: Literal["planned", "intended", "applied", "held", "not-held", "unknown", "stopped", "put-back"]
    proof: str | None = None
    grade: Literal["accepted", "read-back", "held", "seen-in-logs", "probed"] | None = None
    evidence: tuple[EvidenceView, ...] = ()
    changes: tuple[Change, ...] = ()
    breaks: str | None = None
    cannot_be_undone: str | None = None
    cannot_be_proven: str | None = None
    todo: str | None = None


class WaitingView(View):
    """Secrets that wait for a person: approve the plan's hash, for this tier."""

    plan_hash: str
    tier: int
    by: str  # approval | limits | single-credential | unrecognised
    reason: str
    secrets: int
    expires_at: datetime


class OpenSecretView(View):
    """One exposed secret whose value is not proven dead: why, and with whom it lies."""

    secret: str  # vault/name, in a later round vault/name/2
    tier: int | None
    state: str
    why: str
    todo: str | None = None


class SecretsView(View):
    """
    What the identity exposed and how far its rotation is, in short; the report tells each secret. `state`: not-begun,
    begun, working, waiting (for a grace or an owner), approval, attention, ended-whole or ended-in-part.
    """

    state: str
    said: str
    by_tier: dict[str, int]  # how many, by tier
    by_state: dict[str, int]  # rotated, in-grace, with-owner, waits-for-approval, stopped …
    unseen: tuple[str, ...]  # what could not be looked at: more may be exposed there
    missing: tuple[str, ...]  # was read, but its vault does not show it
    waiting: tuple[WaitingView, ...]
    open: tuple[OpenSecretView, ...]
    more_open: int = 0  # beyond those that are listed


class LinkView(View):
    """Another incident that this one follows from, or has led to, and by what."""

    incident: str
    because: str


class LinkedView(View):
    """By which incident's identity another one was changed, and by which record of the audit log."""

    incident: str
    record: str
    activity: str
    at: datetime


class MemberView(View):
    """
    One identity of a case, with its own incident: its plan, approval and undo are its own.
    """

    incident: str
    opened_at: datetime
    principal_id: str | None
    name: str | None
    status: Status
    verdict: str | None
    rule: str | None
    plan_hash: str | None
    changed_by: tuple[LinkedView, ...]


class CaseView(View):
    """One attack that went from identity to identity, the one with which it began first."""

    root: str
    members: tuple[MemberView, ...]
    left_to_a_person: int  # changed identities beyond what Cordon follows by itself
    not_known: tuple[str, ...]


class IncidentView(View):
    """One incident in short; `status` is derived from the journal at the moment of asking."""

    id: str
    status: Status
    opened_at: datetime
    updated_at: datetime
    mode: str
    identity: IdentitySeen | None
    subject: str
    verdict: str | None
    rule: str | None
    weighed: WeighedUp | None = None  # what speaks for and against the decision, and what would turn it
    forecast: Foreseen | None = None  # who breaks by the newest plan, or why that is not known; None: not read (yet)
    ladder: LadderClimbed | None = None  # how far the rule's ladder was climbed, and why no less far
    signals: int
    plan_hash: str | None
    so_far: str | None = None  # what is proven already and what is awaited until when, where only secrets are left
    steps: tuple[StepView, ...]
    not_done: tuple[NamedOutcome, ...]
    todo: tuple[str, ...]
    residual: ResidualView | None = None
    seen_in_practice: str | None = None  # what the sign-in log showed of the cut, or why it was not looked at
    secrets: SecretsView | None = None  # of one incident that is asked for; lists leave it out
    caused_by: tuple[LinkView, ...] = ()  # incidents that exposed a credential of this identity
    led_to: tuple[LinkView, ...] = ()  # incidents of identities whose credentials this one exposed; not in lists
    case: CaseView | None = None  # the chain of changes that it belongs to, with every identity in it; not in lists


class DamagedView(View):
    """An incident whose journal cannot be relied on: what is wrong, and what a person must do."""

    id: str
    damage: str
    todo: str


class IncidentPage(View):
    """A page of incidents, newest first; `next` is the `after` of the following page."""

    incidents: tuple[IncidentView, ...]
    next: str | None
    damaged: tuple[DamagedView, ...] = ()


class OwnerView(View):
    """An owner; null is what could not be read."""

    id: str
    type: str | None
    name: str | None
    enabled: bool | None
    guest: bool | None
    gone: bool


class OwnedView(View):
    """
    An application with its owners. Findings: orphan, nobody-who-can-act, owner-blocked, owner-gone, owner-guest,
    owner-workload. What stands under `unseen` could not be read, and may change them.
    """

    object_id: str
    client_id: str
    name: str
    origin: str  # own, foreign, microsoft, managed-identity, not-told
    enabled: bool | None
    owners: tuple[OwnerView, ...]
    findings: tuple[str, ...]
    unseen: tuple[str, ...]


class OwnersView(View):
    """A page of applications with their owners; `next` is the `after` of the following page."""

    applications: tuple[OwnedView, ...]
    next: str | None


class CandidateView(View):
    """A consent in everybody's name that is worth a look; nothing was done about it."""

    grant_id: str
    principal_id: str
    client_id: str | None
    name: str | None
    owner_tenant: str | None
    enabled: bool | None
    scope: str
    tier: str | None  # of the worst of its scopes in the catalogue of dangerous permissions
    reasons: tuple[str, ...]
    unseen: str | None
    people: int | None = None  # who consented for themselves; null: could not be counted
    alone_with: tuple[str, ...] | None = None  # scopes that no other application has for everybody; null: as above


class ConsentsView(View):
    """What is worth a look on a page of consents, and how many the page held."""

    candidates: tuple[CandidateView, ...]
    looked_at: int
    next: str | None
    uncounted: tuple[str, ...] = ()  # why rarity could not be told, of some or all


class ContactView(View):
    """An owner to call; null is what is not set, or could not be read."""

    id: str
    name: str | None
    mail: str | None
    manager: str | None
    manager_mail: str | None
    enabled: bool | None
    gone: bool


class TeamView(View):
    """Who answers for it by the operator's own list (CORDON_CONTACTS), and by what it matched."""

    team: str
    reach: str
    because: str


class ContactsView(View):
    """
    Whom to call about an incident's identity. Names and addresses are others' text, but for `teams`. `notice` is a
    draft for whoever publishes an application of another tenant; null where the application is the tenant's own.
    """

    incident: str
    name: str
    client_id: str
    origin: str  # own, foreign, microsoft, not-told
    owners: tuple[ContactView, ...]
    publisher: str | None
    tenant: str | None
    tenant_name: str | None
    tenant_domain: str | None
    addresses: dict[str, str]
    notice: str | None
    unseen: tuple[str, ...]
    teams: tuple[TeamView, ...] = ()


class Preview(View):
    """What would be done now, made by the same code that does it. Nothing was changed, nothing is stored."""

    identity: IdentitySeen | None
    parts: tuple[PartRead, ...]
    decision: Decided
    plan: Planned | None
    held_back: str | None  # why the plan would not be carried out at once, if so
    forecast: Foreseen | None = None  # who breaks by the plan; None: there is no plan


class DriftView(View):
    """A property that somebody changed after Cordon did; undo leaves it as it is."""

    property: str
    before: str
    left: str
    now: str


class StepBack(View):
    """What undoing one step comes to now: the writes, what drifted, what cannot come back; or why it is not known."""

    step: str
    action: str
    writes: tuple[str, ...] = ()
    drifted: tuple[DriftView, ...] = ()
    lost: tuple[str, ...] = ()
    not_known: str | None = None


class UndoPreview(View):
    """What an order to undo would do now. Nothing was changed, nothing is stored."""

    incident: str
    steps: tuple[StepBack, ...]  # in the order in which they would be put back
    refused: str | None = None  # why the order would not be taken, if so


class CoverageView(View):
    """How far one log has been read."""

    feed: str
    read_until: datetime | None
    pending: tuple[str, ...]  # windows that still have to be read (again), with the reason


class SwitchView(View):
    """The stop switch as it stands now."""

    stopped: bool
    reason: str | None


class ObstacleView(View):
    """One thing that keeps an action from running, by the name that plans and reports use, and what to do."""

    outcome: str
    reason: str
    todo: str


class ReadinessView(View):
    """Whether one action can run here. `unknown` blocks nothing, and is no promise."""

    action: str
    state: Literal["ready", "not-ready", "unknown"]
    contains: bool  # whether it takes access away, rather than informs or repairs
    armed_by: tuple[str, ...]  # the rules of the policy that name it
    obstacles: tuple[ObstacleView, ...]
    doubts: tuple[str, ...]  # what is not known
    notes: tuple[str, ...]  # what to know although it can run


class RightsView(View):
    """The Graph permissions of one of Cordon's identities, against what the policy needs."""

    identity: Literal["reader", "executor"]
    missing: tuple[str, ...]
    beyond: tuple[str, ...]  # held, and needed for nothing: take it away
    unread: str | None  # why they are not known


class PreflightView(View):
    """What can run here. `read_at` is when permissions and licences were read; null: they never were."""

    read_at: datetime | None
    actions: tuple[ReadinessView, ...]
    identities: tuple[RightsView, ...]
    hints: tuple[str, ...]

    @staticmethod
    def of(found: Preflight) -> "PreflightView":
        return PreflightView(
            read_at=found.read_at,
            actions=tuple(map(_readiness, found.actions)),
            identities=tuple(
                RightsView(identity=each.role, missing=each.missing, beyond=each.beyond, unread=each.unread)
                for each in found.identities
            ),
            hints=found.hints,
        )


def _readiness(each: Readiness) -> ReadinessView:
    return ReadinessView(
        action=each.action,
        state=each.state,
        contains=each.contains,
        armed_by=each.armed_by,
        obstacles=tuple(ObstacleView(outcome=o.outcome, reason=o.reason, todo=o.todo) for o in each.obstacles),
        doubts=each.doubts,
        notes=each.notes,
    )


class RuleView(View):
    """
    A rule of the policy, and when it last decided. `since` is when it was first there in this form; `unjudged` counts
    how often a person was asked because it could not be judged. Counts may lag by about a minute for each instance.
    """

    rule: str
    verdict: Literal["ignore", "watch", "ask", "contain"]
    since: datetime
    matches: int
    last_matched: datetime | None  # null: never since then
    unjudged: int
    last_unjudged: datetime | None
    told: str  # the same in words

    @staticmethod
    def of(life: RuleLife) -> "RuleView":
        return RuleView.model_validate(
            {
                "rule": life.name,
                "verdict": life.verdict,
                "since": life.since,
                "matches": life.matches,
                "last_matched": life.last,
                "unjudged": life.unjudged,
                "last_unjudged": life.last_unjudged,
                "told": life.told,
            }
        )


class Health(View):
    """Whether Cordon can do its work, and what stands in the way."""

    status: Literal["healthy", "degraded", "unhealthy"]
    mode: str
    stopped: bool
    policy: str
    coverage: tuple[CoverageView, ...]
    problems: tuple[str, ...]
    preflight: PreflightView | None = None  # null: nobody looks ahead in this process
    rules: tuple[RuleView, ...] | None = None  # in the order of the policy; null: nobody counts in this process
