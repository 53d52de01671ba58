"""
The report as data. Field names in JSON are camelCase and stable; `reportVersion` grows if one must change.

Times are UTC. Texts are raw, also those that come from the tenant: whoever shows them escapes them, as
`as_markdown` does.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

from shared.entries import Foreseen, LadderClimbed, LookBackTold, OwnerTold, TeamTold, WeighedUp
from shared.history import StepState
from shared.incident import Status
from shared.rotation_story import State


class Told(BaseModel):
    """The base of all parts of a report."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, serialize_by_alias=True, validate_by_name=True, validate_by_alias=True
    )


class Who(Told):
    """The identity. Without `display_name` it could never be read, and the ids are the signal's claim."""

    principal_id: str | None
    client_id: str | None
    app_object_id: str | None
    display_name: str | None = None
    kind: str | None = None  # IdentityKind
    enabled_before: bool | None = None
    disabled_by_microsoft: str | None = None
    owner_tenant: str | None = None
    tenant: str


class WhoToCall(Told):
    """
    Who answers for it by the operator's list and by the directory, and how far back the people behind it were looked
    at. `owners` None: nobody asked for them.
    """

    teams: tuple[TeamTold, ...] = ()
    owners: tuple[OwnerTold, ...] | None = None
    owners_unread: tuple[str, ...] = ()
    look_back: tuple[LookBackTold, ...] = ()


class Moment(Told):
    """One line of the timeline. `seconds` counts from the acceptance of the first signal."""

    at: datetime
    sequence: int
    kind: str
    step: str | None
    seconds: float | None
    text: str


class ConditionTold(Told):
    """One condition's answer; `depth` tells how deep it lies in all, any and not."""

    depth: int
    condition: str
    answer: Literal["met", "not-met", "unknown"]
    reason: str


class RuleTold(Told):
    """One rule that was looked at, and whether it gave the verdict."""

    rule: str
    verdict: str
    decided: bool
    conditions: tuple[ConditionTold, ...]


class Why(Told):
    """The decision, every rule up to it, and what could not be learned."""

    verdict: str | None
    rule: str | None
    by_person: str | None
    rules: tuple[RuleTold, ...]
    unknown: tuple[str, ...]
    ladder: LadderClimbed | None = None  # None: the rule names its actions itself
    weighed: WeighedUp | None = None  # of what contains or asks; earlier versions did not weigh it up


class Altered(Told):
    """One property before and after."""

    name: str
    before: str
    after: str


class Answer(Told):
    """What the service answered to one write."""

    write: str
    outcome: str
    detail: str | None


class EvidenceTold(Told):
    """One grade of proof: since when it stands, and by which record of the journal."""

    grade: Literal["accepted", "read-back", "held", "seen-in-logs", "probed"]
    at: datetime
    record: int
    said: str


class AccessTold(Told):
    """When access with tokens from before the cut usually ends at a resource, and when it has surely ended."""

    resource: str
    usually_until: datetime
    surely_until: datetime
    why: str


class StepTold(Told):
    """
    One step that was begun, with its proof.

    `grade` says how good the proof is: accepted (the service's word), read-back (a fresh read), held (read
    again after the race window), seen-in-logs (the audit log tells of the write), probed (a sign-in was
    refused because of it); `evidence` holds each
    with its record. `before` is what was there before the first write.
    """

    id: str
    action: str
    describe: str
    target_kind: str
    target_id: str
    target_name: str
    state: StepState
    rounds: int
    changes: tuple[Altered, ...]
    before: dict[str, JsonValue]
    answers: tuple[Answer, ...]
    answered_at: datetime | None
    proof: str | None
    grade: Literal["accepted", "read-back", "held", "seen-in-logs", "probed"] | None
    evidence: tuple[EvidenceTold, ...] = ()
    read_at: datetime | None
    first_held_at: datetime | None
    seconds_to_first_proof: float | None
    breaks: str | None
    cannot_be_undone: str | None = None
    cannot_be_proven: str | None = None


class StepAhead(Told):
    """One step of the plan that was not begun."""

    id: str
    describe: str
    target: str
    changes: tuple[Altered, ...]
    breaks: str | None
    cannot_be_undone: str | None
    cannot_be_proven: str | None = None


class NotDone(Told):
    """Something that was not done, or not proven: why, and what to do about it."""

    what: str
    outcome: str
    why: str
    todo: str | None


class Credential(Told):
    """One credential and what became of it."""

    holder: str
    object_id: str
    type: str
    id: str
    name: str | None
    detail: str | None
    start: datetime | None
    end: datetime | None
    accused: bool
    fate: Literal["removed", "kept", "still-there", "added", "in-doubt"]
    why: str


class TokenLife(Told):
    """
    How long tokens that were issued before the block can work, computed from its proof and never early.

    All None with `not_known` set: no bound can be given.
    """

    block_proven_at: datetime | None
    ordinary_until: datetime | None
    graph_until: datetime | None  # Microsoft Graph, if continuous access evaluation applies
    longest_until: datetime | None  # should the revocation not reach Graph, or a managed identity's cached token
    not_known: str | None
    says: tuple[str, ...]
    surely_over: datetime | None = None  # no token from before the cut can work anywhere
    by_resource: tuple[AccessTold, ...] = ()


class WayBack(Told):
    """How a person undoes one step by hand. `calls` are Graph v1.0 calls."""

    step: str
    restores: str
    calls: tuple[str, ...]
    portal: str | None
    cannot: str | None


class DriftTold(Told):
    """A property that somebody changed after Cordon did: undo left it as it was then."""

    name: str
    before: str
    left: str
    now: str


class StepUndone(Told):
    """One step under an order to undo. `back`: a fresh read shows that what can come back is there."""

    step: str
    back: bool
    writes: tuple[str, ...]
    proof: str | None
    drifted: tuple[DriftTold, ...]
    lost: tuple[str, ...]


class Undone(Told):
    """The newest order to undo and how it went. `whole` is None while it is under way."""

    by: str
    reason: str
    whole: bool | None
    outcome: str
    steps: tuple[StepUndone, ...]


class ReaderTold(Told):
    """Reads of one secret by one reader, as the vaults' logs tell them."""

    reader: str  # object id; the client id where the log gives no other
    first: datetime
    last: datetime
    count: int
    addresses: tuple[str, ...]


class StageTold(Told):
    """One stage of a secret; not `done`: it was begun, and nobody knows yet what came of it."""

    stage: Literal["made", "published", "retired", "disabled"]
    at: datetime
    said: str
    note: str | None = None
    done: bool = True


class SecretTold(Told):
    """One exposed secret. `open` says what still stands open and with whom; None: proven dead, nothing is open."""

    step: str  # vault/name, in a later round vault/name/2
    secret: str
    tier: int | None
    why: str
    state: State
    rotator: str | None
    source: str | None
    key: str | None
    chosen_because: str | None
    exposed_versions: tuple[str, ...]
    new_version: str | None
    read_by_identity: ReaderTold | None
    other_readers: tuple[ReaderTold, ...]  # whom its rotation may break
    more_readers: str | None  # why there may be others; None: these are all
    stages: tuple[StageTold, ...]
    proof: str | None
    open: str | None
    todo: str | None


class WaitingTold(Told):
    """Secrets that wait for a person's word on this plan and tier."""

    plan_hash: str
    tier: int
    by: str
    reason: str
    secrets: int
    since: datetime
    expires: datetime


class IdentityTold(Told):
    """An identity whose credential lay in an exposed secret, and its own incident; None if that is not known yet."""

    secret: str
    client_id: str
    incident: str | None


class SecretsTold(Told):
    """What the identity exposed, and what became of it. `state` is as in the view of the incident."""

    state: str
    said: str
    by_tier: Mapping[str, int] = Field(default_factory=dict[str, int])
    by_state: Mapping[str, int] = Field(default_factory=dict[str, int])
    left_by_policy: Mapping[str, int] = Field(default_factory=dict[str, int])  # by tier: exposed, and not asked for
    looks: tuple[datetime, ...] = ()  # when it was looked who read what
    looks_over: bool = False  # no token of the identity lives any more, and the logs have told all
    unseen: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    waiting: tuple[WaitingTold, ...] = ()
    secrets: tuple[SecretTold, ...] = ()
    led_to: tuple[IdentityTold, ...] = ()


class CauseTold(Told):
    """An incident that exposed a credential of this identity."""

    incident: str
    because: str


class LinkedTold(Told):
    """By which incident's identity another one was changed, and by which record of the audit log."""

    incident: str
    record: str
    activity: str
    at: datetime


class MemberTold(Told):
    """One identity of a case, with its own incident: its plan, approval and undo are its own."""

    incident: str
    opened_at: datetime
    principal_id: str | None
    name: str | None
    status: Status
    verdict: str | None
    rule: str | None
    plan_hash: str | None
    changed_by: tuple[LinkedTold, ...]


class CaseTold(Told):
    """One attack that went from identity to identity, the one with which it began first."""

    root: str
    members: tuple[MemberTold, ...]
    left_to_a_person: int
    not_known: tuple[str, ...]


class Appendix(Told):
    """What identifies the evidence."""

    incident: str
    tenant: str
    policy: str
    plan_hash: str | None
    plan_expires_at: datetime | None
    journal_head: str
    records: int


class Report(Told):
    """One incident, told from its journal."""

    report_version: Literal[1] = 1
    incident: str
    written_at: datetime
    status: Status
    headline: str
    nothing_changed: bool
    contained_since: datetime | None
    looked_at: datetime | None  # the last look at the tenant that could tell
    mode: str
    who: Who
    call: WhoToCall = WhoToCall()
    todo: tuple[str, ...]
    timeline: tuple[Moment, ...]
    why: Why
    done: tuple[StepTold, ...]
    seen_in_practice: str | None = None  # what the sign-in log showed of the cut, or why it was not looked at
    ahead: tuple[StepAhead, ...]
    not_done: tuple[NotDone, ...]
    forecast: Foreseen | None = None  # who breaks by the newest plan; None: not read (yet)
    credentials: tuple[Credential, ...]
    tokens: TokenLife
    undo: tuple[WayBack, ...]
    undone: Undone | None = None
    secrets: SecretsTold | None = None  # None: nobody asked for their rotation
    caused_by: tuple[CauseTold, ...] = ()
    case: CaseTold | None = None  # None: no other identity is known to belong to it
    appendix: Appendix
