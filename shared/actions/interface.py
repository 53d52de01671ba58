"""
What a containment action is: one change to the tenant, with its pre-image and its proof.

`plan` is pure: what would be done to this identity, or by name why not. `capture` tells what is there
before the first write, for the journal: that is the way back. `apply` may run again after a crash and
must not mind. `verify` judges a fresh read and nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal, Protocol, runtime_checkable

from shared.case import (
    NOT_LOOKED,
    AuditRecord,
    Grants,
    IdentityState,
    NotLooked,
    Owners,
    Part,
    PartName,
    RiskPolicy,
    RiskState,
)
from shared.entries import NamedOutcome, PlannedStep, WriteOutcome
from shared.estate import Reach
from shared.look import Look
from shared.signal import JsonObject, JsonValue
from shared.tenant import Tenant


class Tier(StrEnum):
    """How deep an action cuts: each tier has a limit of its own, and policy names them by these words."""

    REVERSIBLE = "reversible"  # undo brings back what was there
    CREDENTIALS = "credentials"  # secrets, certificates and trust that are gone: owners need new ones
    GRANTS = "grants"  # roles, permissions and owners: what an identity may do, and who rules it
    IRREVERSIBLE = "irreversible"  # deletion


@dataclass(frozen=True, slots=True)
class Means:
    """
    What the plan may count on: the incident it is for, and what is configured. `beside` names all actions of
    the same decision. What follows is read only for actions that plan by it (see `PlansByCase`).
    """

    incident: str
    handover_vault: bool
    beside: frozenset[str] = frozenset()
    own_ids: frozenset[str] = frozenset()  # Cordon's own object and client ids
    now: datetime | None = None  # the moment of the look
    evidence_at: datetime | None = None  # when the first of what the incident is about happened
    accused: Part[frozenset[str]] = field(default_factory=NotLooked)  # credential ids that detections name
    audits: Part[tuple[AuditRecord, ...]] = field(default_factory=NotLooked)
    domains: Part[frozenset[str]] = field(default_factory=NotLooked)  # the tenant's verified ones
    grants: Part[Grants] = field(default_factory=NotLooked)  # for the plan to show; what goes is read once more
    dismissed: Part[RiskState | None] = NOT_LOOKED  # the risk that a plan is to dismiss
    estate: bool = False  # whether Cordon can reach vaults and the services behind their secrets
    # What follows is read only where somebody is shown the plan (see `ShowsMore`); no step depends on it.
    owners: Part[Owners] = NOT_LOOKED
    risk: Part[RiskState | None] = NOT_LOOKED
    ca_policy: Part[tuple[RiskPolicy, ...]] = NOT_LOOKED
    vault_access: Part[Reach] = NOT_LOOKED

    @property
    def unshown(self) -> "Means":
        """Without what is only for whoever looks at the plan; the same, if nothing of that was read."""
        if all(isinstance(part, NotLooked) for part in (self.owners, self.risk, self.ca_policy, self.vault_access)):
            return self
        nothing = NotLooked()
        return replace(self, owners=nothing, risk=nothing, ca_policy=nothing, vault_access=nothing)


@dataclass(frozen=True, slots=True)
class Planning:
    """The steps of one action on one identity, and what of it is not done here, by name."""

    steps: tuple[PlannedStep, ...] = ()
    not_done: tuple[NamedOutcome, ...] = ()


@dataclass(frozen=True, slots=True)
class Before:
    """
    What was there, and which writes follow from it.

    `image` goes into the journal before the first write, and undo works from it: ids and public data
    only. `writes` names each write for people and auditors.
    """

    image: JsonObject
    writes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Applied:
    """What the service answered, and the ids of what was made."""

    writes: tuple[WriteOutcome, ...]
    made: JsonObject = field(default_factory=dict[str, JsonValue])


@dataclass(frozen=True, slots=True)
class Proof:
    """What a fresh read shows: the effect, its absence, or nothing (then `why` tells)."""

    answer: Literal["held", "not-held", "unknown"]
    why: str
    left: tuple[NamedOutcome, ...] = ()  # what stays open beside the effect that holds, by name


@dataclass(frozen=True, slots=True)
class Earlier:
    """What the journal holds of this incident: the step's first image, and what was made so far."""

    image: JsonObject | None = None
    made: Mapping[str, object] = field(default_factory=dict[str, object])
    accused: frozenset[str] = frozenset()  # credentials that detections name: undo keeps them away,
    give_back: frozenset[str] = frozenset()  # but for those that its order names
    named: bool = False  # the order to undo names this step
    lock_goes: bool = False  # the instance lock was put on by custody of this incident, which is undone as well
    evidence_at: datetime | None = None  # when the first of what the incident is about happened


@dataclass(frozen=True, slots=True)
class Drift:
    """
    A property that somebody changed after Cordon did, as text for people: what the pre-image holds, what Cordon
    left, what is there now. It is not overwritten.
    """

    property: str
    before: str
    left: str
    now: str


@dataclass(frozen=True, slots=True)
class WayBack:
    """
    What undoing a step comes to, as things stand now. Nothing in `writes`: nothing is left to put back.

    `image` goes into the journal before the first of these writes; `put_back` and `verify_back` work from it. It
    holds ids and public data only. `lost` says what cannot come back, and what is done instead.
    """

    writes: tuple[str, ...]
    image: JsonObject
    drifted: tuple[Drift, ...] = ()
    lost: tuple[str, ...] = ()


class Action(Protocol):
    """One entry of the catalogue; `name` is the word in the policy file and the file's name with dashes."""

    name: ClassVar[str]
    permissions: ClassVar[tuple[str, ...]]  # Graph application permissions that `apply` needs
    reads: ClassVar[tuple[str, ...]]  # and those that `capture` and `verify` need
    gives_back_with: ClassVar[tuple[str, ...]]  # and those that `put_back` needs beyond `permissions`
    licence: ClassVar[str | None]  # licence that the tenant needs, if any
    tier: ClassVar[Tier]  # which of the limits on actions counts it
    missing_in: ClassVar[tuple[str, ...]]  # clouds (as CORDON_CLOUD names them) that do not offer it
    contains: ClassVar[bool]  # whether it takes access away, rather than informs or repairs
    needs_vault: ClassVar[bool]  # whether part of it is left out without a hand-over vault
    rank: ClassVar[int]  # lower goes first: the reversible cut that stops the bleeding
    proof_part: ClassVar[PartName]  # the part of the case that shows the effect

    def check_options(self, options: JsonObject) -> None:
        """Raise ValueError, with the allowed options, for options that this action does not know."""
        ...

    def plan(self, state: IdentityState, options: JsonObject, means: Means) -> Planning: ...

    async def capture(self, step: PlannedStep, earlier: Earlier, look: Look) -> Before:
        """
        Raises TimeMayHelp, or CannotBeRead for good, if the object could not be read: no write without a
        pre-image.
        """
        ...

    async def apply(self, step: PlannedStep, before: JsonObject, tenant: Tenant) -> Applied:
        """
        Carry the writes out. Raises what the tenant raises when the step as a whole cannot go on;
        refusals of single writes are outcomes. `before` is this round's image.
        """
        ...

    async def verify(self, step: PlannedStep, earlier: Earlier, look: Look) -> Proof: ...

    # The way back

    async def way_back(self, step: PlannedStep, earlier: Earlier, look: Look) -> WayBack:
        """
        From the step's first image and a fresh look: what is put back, what has drifted, what is lost. It holds
        as well if the step only may have happened: an intent without an outcome. Raises as `capture` does.
        """
        ...

    async def put_back(self, step: PlannedStep, image: JsonObject, tenant: Tenant) -> Applied:
        """Carry the writes of a way back out. May run twice, and must not mind. Raises as `apply` does."""
        ...

    async def verify_back(self, step: PlannedStep, earlier: Earlier, image: JsonObject, look: Look) -> Proof:
        """Judge by a fresh read whether what `image` names is back."""
        ...


class FollowUp(Protocol):
    """
    What a policy may ask for beside the actions, and what takes hours or days: it stands in the plan as a step
    that is `lasting`, begins when the containing steps are proven, and is worked in a journal of its own.
    """

    name: ClassVar[str]
    rank: ClassVar[int]

    def check_options(self, options: JsonObject) -> None:
        """Raise ValueError, with the allowed options, for options that it does not know."""
        ...

    def plan(self, state: IdentityState, options: JsonObject, means: Means) -> Planning: ...


@runtime_checkable
class ChangesAzure(Protocol):
    """An action whose change lies in Azure around the directory, and not in Graph alone."""

    azure_permissions: ClassVar[tuple[str, ...]]  # operations that `apply` and `put_back` need, as Azure names them


@runtime_checkable
class CapturesMore(Protocol):
    """An action whose `capture` uses more than its proof part, where an earlier look read it along."""

    parts_to_capture: ClassVar[frozenset[PartName]]


@runtime_checkable
class DescribesOptions(Protocol):
    """An entry of a catalogue that has options: the JSON Schema of their object, for editors and the reference."""

    option_schema: ClassVar[JsonObject]


@runtime_checkable
class ShowsMore(Protocol):
    """
    An action whose plan shows what nobody reads before the first cut. The step takes what is there when it begins,
    so that none of it is bound by the plan's hash.
    """

    parts_to_show: ClassVar[frozenset[PartName]]


@runtime_checkable
class PlansByCase(Protocol):
    """An action whose plan needs more of the case than the identity."""

    def parts_to_plan(self, options: JsonObject) -> frozenset[PartName]:
        """The parts of the case to be read before `plan`, with these options."""
        ...
