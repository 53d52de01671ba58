"""
What the journal says: one frozen model per kind of record, and nothing else is ever written into it.

Old journals must stay readable: a field may be added with a default, never renamed or removed, and
unknown fields are ignored. No field may ever hold a secret: there is none that could (ids, names of
things, times, reasons). Models serialise to plain JSON with the field names below.
"""

from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue, PlainSerializer
from pydantic.alias_generators import to_camel

from shared.errors import JournalDamaged
from shared.journal import REMEMBERED, Record


def _as_it_is(fields: dict[str, JsonValue]) -> dict[str, Any]:
    return fields


# It was checked to be JSON when the model was made; to write it down, pydantic would ask Python for the type of each
# value once more.
JsonFields: TypeAlias = Annotated[dict[str, JsonValue], PlainSerializer(_as_it_is)]


class Detail(BaseModel):
    """The base of what entries are made of. In the journal names are snake_case, over HTTP camelCase."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )


class Entry(Detail):
    """The base of all entries; `kind` is what stands in the record."""

    kind: ClassVar[str]


class SubjectIds(Detail):
    """The ids by which the incident's identity is known so far."""

    principal_id: str | None = None
    client_id: str | None = None
    app_object_id: str | None = None


class Opened(Entry):
    """The first record: whose incident, in which tenant and mode, under which policy."""

    kind = "opened"
    tenant_id: str
    subject: SubjectIds
    mode: Literal["watch", "ask", "act"]
    policy: str  # SHA-256 of the policy file
    graph: str = "https://graph.microsoft.com"  # where the tenant's cloud has them: by hand, links have to lead there
    arm: str = "https://management.azure.com"


class SignalJoined(Entry):
    """A signal that opened or joined the incident: the sender's claim, kept for the report."""

    kind = "signal"
    source: str
    record_id: str
    observed_at: datetime
    summary: str
    facts: JsonFields = Field(default_factory=dict)


class WorkStarted(Entry):
    """An instance takes the incident in hand; `attempt` counts from 1. A rival that appended first wins."""

    kind = "work-started"
    attempt: int
    instance: str
    because: str  # "signal", "resumed", "recheck", "order"


class WorkEnded(Entry):
    """An instance puts the incident down. `more` says that work is left, and a message will resume it."""

    kind = "work-ended"
    more: bool = False
    reason: str | None = None
    again_at: datetime | None = None  # when the next attempt is due, if work is left


class PartRead(Detail):
    """
    One part of the case: known, or why not. `source` is told where it is another than the usual one, and
    `instead_of` why the usual one did not answer; `until`, where nothing of later is known.
    """

    name: str
    known: bool
    why_not: str | None = None
    source: str | None = None
    instead_of: str | None = None
    until: datetime | None = None


class CredentialSeen(Detail):
    """One credential of one object, as it was before anything was changed. Ids and dates, never a value."""

    holder: Literal["application", "service-principal"]
    object_id: str
    type: Literal["password", "certificate", "federated"]
    id: str
    name: str | None = None
    usage: str | None = None  # Verify | Sign | … for certificates
    detail: str | None = None  # issuer and subject of a federated credential
    start: datetime | None = None
    end: datetime | None = None
    accused: bool = False  # named in a detection's keyIds


class IdentitySeen(Detail):
    """The identity as read for the decision."""

    principal_id: str
    client_id: str
    app_object_id: str | None = None
    display_name: str
    identity_kind: str  # IdentityKind
    enabled: bool
    disabled_by_microsoft: str | None = None
    owner_tenant: str | None = None
    credentials: tuple[CredentialSeen, ...] = ()


class TeamTold(Detail):
    """Who answers for an application by the operator's own list, how to reach them, and by what it matched."""

    team: str
    reach: str
    because: str


class OwnerTold(Detail):
    """An owner as the directory names it; the name is others' text."""

    id: str
    type: str | None = None
    name: str | None = None


class LookBackTold(Detail):
    """One step of the look-back at people: which time it covered of how many, or why it could not be read."""

    length: str
    since: datetime | None = None
    until: datetime | None = None
    people: int = 0
    why_not: str | None = None
    doubts: tuple[str, ...] = ()


class Investigated(Entry):
    """
    What was gathered for the decision. `evidence` is the digest of the full case, if it was kept. `owners` are None
    where nobody asked for them; `owners_unread` says of which object they could not be read, and why.
    """

    kind = "investigated"
    parts: tuple[PartRead, ...]
    identity: IdentitySeen | None = None
    evidence: str | None = None
    contacts: tuple[TeamTold, ...] = ()
    owners: tuple[OwnerTold, ...] | None = None
    owners_unread: tuple[str, ...] = ()
    look_back: tuple[LookBackTold, ...] = ()


class ConditionAnswer(Detail):
    """One condition's answer; all/any/not carry the answers of their members."""

    condition: str
    answer: Literal["met", "not-met", "unknown"]
    reason: str
    members: tuple["ConditionAnswer", ...] = ()


class RuleAnswer(Detail):
    """One rule that was looked at, up to the deciding one."""

    rule: str
    verdict: Literal["ignore", "watch", "ask", "contain"]
    finding: ConditionAnswer


class GroundTold(Detail):
    """One record that names a credential: of which source, its id there, and what it says."""

    source: Literal["detection", "sign-in", "audit", "order"]
    record: str
    said: str


class SuspectTold(Detail):
    """A credential that is named as the abused one. `holder` None: no object of the identity holds it (any more)."""

    credential_id: str
    type: Literal["password", "certificate", "federated"] | None = None
    holder: Literal["application", "service-principal"] | None = None
    object_id: str | None = None
    start: datetime | None = None
    grounds: tuple[GroundTold, ...] = ()


class AccusationTold(Detail):
    """
    Which credential is abused, for all that is known. `one_explains_all`: a single one explains everything that is
    suspicious; None: it cannot be told. `because`: why it does not, or why that is not known. `compared`: which
    sign-ins were held against which past.
    """

    named: Literal["one", "several", "none", "unknown"]
    one_explains_all: bool | None = None
    suspects: tuple[SuspectTold, ...] = ()
    because: tuple[str, ...] = ()
    compared: str | None = None


class RungPassed(Detail):
    """A rung that was passed over: not possible here, not enough, or not known to be enough."""

    rung: str
    kind: Literal["not-applicable", "not-enough", "unknown"]
    why: str


class LadderClimbed(Detail):
    """How far the rule's ladder was climbed, and why no less far. `ends`: the rung is known to end the attack."""

    rungs: tuple[str, ...]
    rung: str | None = None  # None: none is possible here
    ends: bool
    because: str
    passed: tuple[RungPassed, ...] = ()
    accusation: AccusationTold


class Flip(Detail):
    """
    A condition whose other answer would have led to another verdict; `open`: more of the case would be read then.
    """

    condition: str
    now: Literal["met", "not-met", "unknown"]
    supposed: Literal["met", "not-met"]
    verdict: Literal["ignore", "watch", "ask", "contain", "open"]
    rule: str


class WeighedUp(Detail):
    """What speaks for the decision and against it, what would turn it, and what could not be known."""

    reasons_for: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    flips: tuple[Flip, ...] = ()
    unknown: tuple[str, ...] = ()


class UseSeen(Detail):
    """
    Who gets tokens as the identity: with which credential, for which resource, how often, last when and from where.
    `stops`: the plan takes it away; None: that cannot be told.
    """

    credential_id: str | None = None
    credential_type: str | None = None
    resource: str | None = None
    count: int
    share: float  # of all that were seen, 0 to 1
    last: datetime
    addresses: tuple[str, ...] = ()  # the newest of them
    stops: bool | None = None


class Foreseen(Entry):
    """
    Who breaks by this plan, for all that the sign-in log shows. `not_known` says why it does not; an empty list of uses
    is never a promise that nobody does.
    """

    kind = "foreseen"
    plan_hash: str
    read_at: datetime
    since: datetime | None = None  # from when on the log was read whole
    total: int = 0
    uses: tuple[UseSeen, ...] = ()
    more: int = 0  # uses beyond those that are listed
    not_known: str | None = None
    notes: tuple[str, ...] = ()


class RelatedTold(Detail):
    """
    A change of this identity by another one, of which an incident says that it is suspect. `root`: the incident with
    which the chain of changes began; `links`: how many changes away from it `incident` is.
    """

    incident: str
    root: str
    links: int = 0
    actor: str  # by the id that the audit log names it by
    record_id: str
    activity: str
    at: datetime


class Decided(Entry):
    """The verdict, which rule gave it, and what every rule before it answered."""

    kind = "decided"
    verdict: Literal["ignore", "watch", "ask", "contain"]
    rule: str
    actions: tuple[str, ...] = ()
    action_options: dict[str, JsonFields] = Field(default_factory=dict)  # of those that have any
    rules: tuple[RuleAnswer, ...] = ()
    policy: str  # SHA-256 of the policy it was decided by
    by_person: str | None = None  # a responder's order: what they gave as their name, unauthenticated
    signals: int | None = None  # how many of the incident's signals were looked at, oldest first; None: not said
    ladder: LadderClimbed | None = None  # None: the rule names its actions itself
    weighed: WeighedUp | None = None  # of what contains or asks; earlier versions did not weigh it up
    related: tuple[RelatedTold, ...] = ()  # by which suspects it was changed, nearest to where it began first


class Change(Detail):
    """One property before and after a step, as text for people."""

    property: str
    before: str
    after: str


class PlannedStep(Detail):
    """One action on one object."""

    id: str  # stable within the incident: "1-block-sign-in", "2-replace-credentials-application"
    action: str
    target_kind: str  # application | service-principal | tenant
    target_id: str
    target_name: str
    describe: str
    changes: tuple[Change, ...] = ()
    options: JsonFields = Field(default_factory=dict)
    permissions: tuple[str, ...] = ()
    reversible: bool
    cannot_be_undone: str | None = None
    breaks: str | None = None
    cannot_be_proven: str | None = None  # of the effect: what no read of the tenant can show
    touches: tuple[str, ...] = ()  # object ids whose writes must not overlap
    stage: int = 0  # a later stage begins when the one before it is proven or stopped
    once: bool = False  # True: applied by two instances at the same moment, it would make two of what must be one
    watched: bool = True  # False: later looks would take news for its undoing, so there are none
    contains: bool = True  # False: it only informs or repairs, so that a plan of such steps contains nothing
    lasting: bool = False  # True: it takes hours or days, and is worked beside the plan, in a journal of its own


# The outcome of signing keys that could let their maker sign in again: nothing is contained before a person settled it.
SIGNING_KEYS_IN_DOUBT = "signing-keys-in-doubt"


class NamedOutcome(Detail):
    """An action of the decision that is not possible or not needed here, by name."""

    action: str
    outcome: str  # e.g. no-application-here, platform-held-credentials, already-so, no-handover-vault
    reason: str
    todo: str | None = None  # what a person must do before this counts as contained; None: it is only told


class Planned(Entry):
    """The plan. `hash` covers steps and fingerprint: what a person approves is exactly this."""

    kind = "planned"
    hash: str
    fingerprint: str  # of the state that the plan was made from
    steps: tuple[PlannedStep, ...]
    not_done: tuple[NamedOutcome, ...] = ()
    expires_at: datetime | None = None


WAITING = frozenset({"mode", "verdict", "limits"})  # what holds a plan back that a person's word can let go


class HeldBack(Entry):
    """The plan is not carried out (now), and what keeps it."""

    kind = "held-back"
    by: Literal["mode", "verdict", "protected", "limits", "switch", "unknown-identity", "preflight"]
    reason: str
    todo: str | None = None
    mode: Literal["watch", "ask", "act"] | None = None  # the mode at this moment, which may differ from the opening's


class Approved(Entry):
    """A person let the plan with this hash go, or the policy did after nobody had answered."""

    kind = "approved"
    plan_hash: str
    by: str
    reason: str
    by_policy: bool = False  # True: nobody answered in time, and the rule says what follows; limits hold


class OwnerAsked(Entry):
    """
    Whoever answers for the identity is asked about the waiting plan with this hash, until then; `then` is what follows
    without an answer. Owners by the directory, teams by the operator's list. `due`: until when they were asked at
    first, before the plan was made anew; None: it is the first question, or an older version wrote it.
    """

    kind = "owner-asked"
    plan_hash: str
    rule: str
    until: datetime
    then: Literal["escalate", "contain"]
    owners: tuple[OwnerTold, ...] = ()
    owners_unread: tuple[str, ...] = ()
    teams: tuple[TeamTold, ...] = ()
    due: datetime | None = None


class FoundInPlace(Entry):
    """The plan with this hash was let go and checked, and is proven; none of its steps had to be begun for it."""

    kind = "found-in-place"
    plan_hash: str


class Intended(Entry):
    """
    Before the first write of a step: what was there (`before`) and what will be written (`writes`). `plan_hash`: of the
    plan that is carried out, which need not be the newest; older journals do not tell.
    """

    kind = "intended"
    plan_hash: str | None = None
    round: int = 1
    before: JsonFields
    writes: tuple[str, ...]


class WriteOutcome(Detail):
    """What came of one write."""

    write: str
    outcome: Literal["accepted", "already", "refused", "unknown"]
    detail: str | None = None
    stop: str | None = None  # the refusal's name, if no retry can help


class Applied(Entry):
    """After the writes of a step, before the proof: what the service answered to each."""

    kind = "applied"
    round: int = 1
    writes: tuple[WriteOutcome, ...]
    made: JsonFields = Field(default_factory=dict)  # ids of what was made: certificate name, thumbprint


class Verified(Entry):
    """A fresh read after the writes: does the tenant show the effect?"""

    kind = "verified"
    round: int = 1
    answer: Literal["held", "not-held", "unknown"]
    grade: Literal["accepted", "read-back", "held"] = "read-back"
    proof: str
    read_at: datetime | None = None
    left: tuple[NamedOutcome, ...] = ()  # what the look found open beside the effect that it proves


class StepStopped(Entry):
    """A step that cannot go on: a named outcome, why, what state things are in, what a person must do."""

    kind = "step-stopped"
    plan_hash: str | None = None  # as for `Intended`
    outcome: str  # permission-missing, instance-locked, gone, refused, budget-spent, …
    reason: str
    todo: str


class SeenInLogs(Entry):
    """The directory's audit log tells of Cordon's own write for a step. Evidence, and no step of the work."""

    kind = "seen-in-logs"
    audit_id: str
    at: datetime  # activityDateTime
    activity: str


class UndoOrdered(Entry):
    """
    A person orders the way back. `steps` names some of the steps, None means all; `give_back` names accused
    credentials that come back all the same.
    """

    kind = "undo-ordered"
    by: str
    reason: str
    steps: tuple[str, ...] | None = None
    give_back: tuple[str, ...] = ()


class Drifted(Detail):
    """A property that somebody changed after Cordon did: not overwritten. Text for people."""

    property: str
    before: str
    left: str
    now: str


class UndoIntended(Entry):
    """Before a step is put back: what that needs (`image`), the writes, what has drifted, what cannot come back."""

    kind = "undo-intended"
    round: int = 1
    image: JsonFields = Field(default_factory=dict)
    writes: tuple[str, ...] = ()
    drifted: tuple[Drifted, ...] = ()
    lost: tuple[str, ...] = ()


class UndoApplied(Entry):
    """After the writes that put a step back, before the proof."""

    kind = "undo-applied"
    round: int = 1
    writes: tuple[WriteOutcome, ...]


class UndoVerified(Entry):
    """A fresh read: is what was taken back? `again`: the one after somebody had the time to take it away once more."""

    kind = "undo-verified"
    round: int = 1
    answer: Literal["held", "not-held", "unknown"]
    proof: str
    read_at: datetime | None = None
    again: bool = False


class UndoStopped(Entry):
    """A step that cannot be put back: why, and what a person must do."""

    kind = "undo-stopped"
    outcome: str
    reason: str
    todo: str


class UndoEnded(Entry):
    """
    The order is done with: whole, or with something that a person must do. `untouched` are the steps of the order that
    nothing was done about: they stand as before it.
    """

    kind = "undo-ended"
    whole: bool
    reason: str
    untouched: tuple[str, ...] = ()


class TokenIssued(Detail):
    """A sign-in that succeeded after the cut. Texts are the log's, each as one short line."""

    at: datetime
    address: str | None = None
    credential_id: str | None = None
    credential_type: str | None = None
    resource: str | None = None


class SignInsSeen(Entry):
    """
    The sign-in log as a later look found it: which attempts to get a token were refused because of the cut, and
    which succeeded in spite of it. It tells of `since` to `read_at`; the newest half hour may not be in it yet.
    """

    kind = "sign-ins-seen"
    series: int
    number: int  # the later look that it belongs to
    steps: tuple[str, ...]  # the cuts that were proven, and that it tells of
    since: datetime  # the first proof of the cut
    grace_until: datetime  # a token issued up to here may still be one that Entra's replicas let through
    read_at: datetime
    refused: int = 0  # with the error code that shows the cut; of a long list only those of its first page
    refused_at: datetime | None = None  # the newest of them
    error_code: int = 0
    issued: int = 0  # after the grace
    tokens: tuple[TokenIssued, ...] = ()  # the newest of them
    issued_in_grace: int = 0
    not_checkable: str | None = None  # what could not be looked at, and why; nothing follows from it


class RechecksSet(Entry):
    """Messages for later looks were sent: `after` holds their delays in seconds. A new series replaces the last."""

    kind = "rechecks-set"
    series: int
    after: tuple[float, ...]
    chained: bool = False  # only the first was sent; each look sends the next, so that a fight leaves no heap behind


class Rechecked(Entry):
    """A later look at a contained identity; `number` counts the schedule's places from 1."""

    kind = "rechecked"
    number: int
    series: int = 1
    after_seconds: float  # since the first proof
    answer: Literal["held", "not-held", "unknown"]
    findings: tuple[str, ...] = ()
    last: bool = False  # no further recheck is scheduled
    trigger: Literal["schedule", "news"] = "schedule"  # news: a record or message, not the timetable, called for it


class CounterMove(Entry):
    """Somebody worked against the containment: an audit record, read again. All of it is the log's text."""

    kind = "counter-move"
    record_id: str
    activity: str
    at: datetime
    actor: str  # for people
    user_id: str | None = None
    principal_id: str | None = None
    client_id: str | None = None
    ip_address: str | None = None


class Escalated(Entry):
    """A person is called."""

    kind = "escalated"
    reason: str
    todo: str


class Closed(Entry):
    """No more work is scheduled for this incident by itself."""

    kind = "closed"
    outcome: Literal[
        "ignored",
        "watched",
        "contained",
        "needs-attention",
        "not-in-tenant",
        "joined",
        "declined",
        "dismissed",
        "released",
    ]
    reason: str


class Published(Entry):
    """An outgoing event was handed to the topic."""

    kind = "published"
    type: str
    id: str


# What an incident's journal tells of the other identities that its own one changed


class ChangedTold(Detail):
    """An identity that was changed: by which record first, and the signal by which its own incident was told."""

    principal_id: str | None = None
    client_id: str | None = None
    app_object_id: str | None = None
    name: str | None = None  # the log's text
    record_id: str
    activity: str
    at: datetime
    records: int = 1  # how many of them
    signal: str | None = None  # its record id; None: it was left to a person


class FollowSet(Entry):
    """What the identity changed is to be looked for: the plan with this hash cut it off."""

    kind = "follow-set"
    plan_hash: str


class Followed(Entry):
    """
    What the identity changed from `since` until `until`, as the audit log showed it. `changed` are those whose
    incidents were told; `left` more were left to a person, and `evidence` is the digest of the whole list. `not_known`
    says what could not be looked at: an empty list is never a promise that it changed nobody.
    """

    kind = "followed"
    plan_hash: str
    root: str
    links: int = 0  # from the root to this incident
    since: datetime
    until: datetime
    changed: tuple[ChangedTold, ...] = ()
    left: int = 0
    evidence: str | None = None
    not_known: tuple[str, ...] = ()


# What an incident's journal tells of its exposed secrets; the rest is in a journal of their own


class SecretsBegun(Entry):
    """The rotation of the exposed secrets was set off: what the plan with this hash asks for, once for each plan."""

    kind = "secrets-begun"
    plan_hash: str


class SecretsTurned(Entry):
    """
    Where the rotation stands, as far as the incident's status follows from it. `until`: when its next message is
    due, if it rests; who was silent for long after that is not at work any more.
    """

    kind = "secrets-turned"
    state: Literal["working", "waiting", "approval", "attention"]
    reason: str
    todo: str | None = None
    until: datetime | None = None


class SecretsEnded(Entry):
    """Nothing more is done about the secrets by itself. `counts` holds how many ended how."""

    kind = "secrets-ended"
    whole: bool
    reason: str
    counts: dict[str, int] = Field(default_factory=dict)
    todo: str | None = None


# The journal of an incident's secrets: `<incident>.secrets`. A secret's step is "vault/name", in a later round of
# the same secret "vault/name/2".


class RotationBegun(Entry):
    """The first record: which plan of which incident asks for it, with which options and under which policy."""

    kind = "rotation-begun"
    incident: str
    plan_hash: str
    set_off: int = -1  # the place of the word in the incident's journal that set it off
    mode: Literal["watch", "ask", "act"]
    policy: str  # SHA-256 of the policy file
    options: JsonFields = Field(default_factory=dict)


class ExposureFound(Entry):
    """A look at who read and can read what. `evidence` is the digest of all that was found, without values."""

    kind = "exposure-found"
    number: int  # of the look, from 1
    evidence: str
    secrets: dict[str, int] = Field(default_factory=dict)  # how many, by tier: "1", "2", "3"
    unseen: tuple[str, ...] = ()  # what could not be looked at; more may be exposed there
    accepted: tuple[str, ...] = ()  # what the policy declares instead of a look
    read_again: tuple[str, ...] = ()  # steps whose new version the identity has read: they go another round
    last: bool = False  # no token of the identity lives any more, and the logs have told all


class RotationPlanned(Entry):
    """
    What a look adds to the ordered list of what is rotated how. `evidence` is the digest of the list: for each the
    step, tier, why, rotator, resource, key and the exposed versions. `hash` covers it: what a person approves is
    exactly this. A step that a later plan names again has that plan's tier.
    """

    kind = "rotation-planned"
    hash: str
    evidence: str
    secrets: dict[str, int] = Field(default_factory=dict)  # how many, by tier
    rotators: dict[str, int] = Field(default_factory=dict)  # how many, by rotator
    spared: dict[str, str] = Field(default_factory=dict)  # steps that are never touched, and why
    asks: dict[str, str] = Field(default_factory=dict)  # what waits for a person: "tier-3", "single-credential", why


class RotationHeld(Entry):
    """Part of the plan is not carried out (now), and what keeps it. `tier` None: all of it."""

    kind = "rotation-held"
    by: Literal["approval", "single-credential", "unrecognised", "limits", "mode", "switch", "no-estate"]
    tier: int | None = None
    plan_hash: str | None = None
    secrets: int = 0  # how many it keeps
    reason: str
    todo: str | None = None


class RotationLetGo(Entry):
    """From now on these secrets may be touched: the tier of this plan is counted in the limits' window."""

    kind = "rotation-let-go"
    plan_hash: str
    tier: int
    secrets: int
    approved: bool = False  # a person said so


class RotationApproved(Entry):
    """A person let these tiers of the plan with this hash go, limits and single credentials included."""

    kind = "rotation-approved"
    plan_hash: str
    tiers: tuple[int, ...]
    by: str
    reason: str


RotationStage = Literal["made", "published", "retired", "disabled"]


class SecretIntended(Entry):
    """Before the effect of a stage: what was there (`before`: ids and times, never a value)."""

    kind = "secret-intended"
    stage: RotationStage
    before: JsonFields = Field(default_factory=dict)
    versions: tuple[str, ...] = ()  # those to be disabled
    source: str | None = None  # where it was this rotation's turn, when it was looked what was there
    turn: int | None = None  # which of the turns there; in another one that image is old


class SecretDone(Entry):
    """A stage is done: what was made (`made`: ids, names of keys, times), and the version that holds it."""

    kind = "secret-done"
    stage: RotationStage
    made: JsonFields = Field(default_factory=dict)
    version: str | None = None
    expires: datetime | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    writes: tuple[WriteOutcome, ...] = ()
    note: str | None = None  # e.g. that it was done with another secret that holds the same credential


class SecretRepeated(Entry):
    """A stage that was done was carried out once more: a fresh read had shown that it did not hold."""

    kind = "secret-repeated"
    stage: RotationStage
    writes: tuple[WriteOutcome, ...] = ()


class SecretAwaits(Entry):
    """Somebody else has to do it: who was asked and how, when it is looked at again, when a person is called."""

    kind = "secret-awaits"
    why: str
    made: JsonFields = Field(default_factory=dict)
    look_again: float  # seconds between two looks
    remind_at: datetime
    escalate_at: datetime


class SecretYields(Entry):
    """Another incident's rotation (`to`) is at the source of this secret: it goes on when that one is through."""

    kind = "secret-yields"
    to: str
    reason: str


class SecretReminded(Entry):
    """Whom we wait for was reminded, or (`escalated`) a person was called because nothing came of it."""

    kind = "secret-reminded"
    escalated: bool = False
    reason: str


class SecretFailed(Entry):
    """A stage did not come through, and is tried again. Only the first failure since the last progress is told."""

    kind = "secret-failed"
    stage: RotationStage
    reason: str


class SecretVerified(Entry):
    """Is the exposed credential dead: by a fresh read of the source, or (`by`) by no more than its owner's word?"""

    kind = "secret-verified"
    answer: Literal["held", "not-held", "unknown"]
    proof: str
    by: Literal["read", "owner"] = "read"


class SecretStopped(Entry):
    """A secret that cannot go on: a named outcome, why, what state things are in, what a person must do."""

    kind = "secret-stopped"
    stage: RotationStage | None = None
    outcome: str
    reason: str
    todo: str


class IdentityAccused(Entry):
    """The secret is another identity's credential, and was exposed: that identity's own incident was opened."""

    kind = "identity-accused"
    client_id: str
    record_id: str  # of the signal


class RotationEnded(Entry):
    """No more is done by itself. `whole`: every exposed credential is proven dead, and nothing was left out."""

    kind = "rotation-ended"
    whole: bool
    reason: str
    counts: dict[str, int] = Field(default_factory=dict)  # rotated, stopped, spared, awaited, held


KINDS: tuple[type[Entry], ...] = (
    Opened,
    SignalJoined,
    WorkStarted,
    WorkEnded,
    Investigated,
    Decided,
    Planned,
    HeldBack,
    Foreseen,
    Approved,
    OwnerAsked,
    FoundInPlace,
    Intended,
    Applied,
    Verified,
    StepStopped,
    SeenInLogs,
    UndoOrdered,
    UndoIntended,
    UndoApplied,
    UndoVerified,
    UndoStopped,
    UndoEnded,
    SignInsSeen,
    RechecksSet,
    Rechecked,
    CounterMove,
    Escalated,
    Closed,
    Published,
    FollowSet,
    Followed,
    SecretsBegun,
    SecretsTurned,
    SecretsEnded,
    RotationBegun,
    ExposureFound,
    RotationPlanned,
    RotationHeld,
    RotationLetGo,
    RotationApproved,
    SecretIntended,
    SecretDone,
    SecretRepeated,
    SecretAwaits,
    SecretYields,
    SecretReminded,
    SecretFailed,
    SecretVerified,
    SecretStopped,
    IdentityAccused,
    RotationEnded,
)

BESIDE: tuple[type[Entry], ...] = (
    SignalJoined,
    SeenInLogs,
    FollowSet,
    Followed,
    SecretsBegun,
    SecretsTurned,
    SecretsEnded,
    RotationApproved,
)
"""What may be appended beside whoever works the incident: it takes nobody's place."""

_BY_KIND = {model.kind: model for model in KINDS}


@lru_cache(maxsize=REMEMBERED)
def read_entry(record: Record) -> Entry:
    """The entry that a record holds. Raises JournalDamaged for a kind that this version does not know."""
    model = _BY_KIND.get(record.kind)
    if model is None:
        raise JournalDamaged(
            f"Record {record.sequence} of incident {record.incident} is a “{record.kind}”, which this version of "
            "Cordon does not know. It changes nothing for this incident; deploy the version that wrote it."
        )
    return model.model_validate(record.data)
