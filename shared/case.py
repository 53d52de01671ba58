"""
A case: what is known about one identity, and what could not be learned.

Each part of a case is known, not looked at (yet), or could not be looked at,
with the reason. "Could not look" is never "nothing there": the three are types
of their own, so that no condition can mistake one for another.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeAlias, TypeVar

from shared.identity import IdentityRef, WorkloadIdentity
from shared.signal import JsonObject, Signal

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Known(Generic[T]):
    """It was read; `value` may well be empty, and then it is known to be empty."""

    value: T


@dataclass(frozen=True, slots=True)
class NotLooked:
    """Nobody has asked for it yet."""


@dataclass(frozen=True, slots=True)
class CouldNotLook:
    """It was asked for in vain. `may_help_later` tells a passing fault from a refusal."""

    why: str
    may_help_later: bool = False
    gone: bool = False  # the object is not there, after waiting out replication


Part: TypeAlias = Known[T] | NotLooked | CouldNotLook


class PartName(StrEnum):
    """The parts of a case, cheapest first: the investigation gathers them in this order."""

    IDENTITY = "identity"  # service principal + application + credentials: one $batch
    DETECTIONS = "detections"  # identity protection: 1 request/s per tenant
    RISK = "risk"  # the same bucket
    AUDITS = "audits"  # reports: 5 requests per 10 s


class HolderKind(StrEnum):
    """The two objects that can hold credentials of one identity."""

    APPLICATION = "application"
    SERVICE_PRINCIPAL = "service-principal"


@dataclass(frozen=True, slots=True)
class Password:
    """A client secret, as Graph shows it: never its value."""

    key_id: str
    display_name: str | None
    custom_key_identifier: str | None
    start: datetime | None
    end: datetime | None


@dataclass(frozen=True, slots=True)
class Key:
    """
    An entry of keyCredentials. `raw` is the entry exactly as read (with `key` null), because a PATCH
    that replaces the list must send kept entries back unaltered (facts: Graph refuses altered ones).
    """

    key_id: str
    usage: str  # Verify: authenticates the workload. Sign, Encrypt: SAML and token encryption
    type: str
    display_name: str | None
    custom_key_identifier: str | None  # hex or base64 thumbprint of the certificate, or a group's id
    start: datetime | None
    end: datetime | None
    raw: JsonObject


@dataclass(frozen=True, slots=True)
class FederatedCredential:
    """Trust in another issuer's tokens; survives the removal of every secret and certificate."""

    id: str
    name: str
    issuer: str
    subject: str | None
    raw: JsonObject


@dataclass(frozen=True, slots=True)
class Holder:
    """One object and the credentials on it."""

    kind: HolderKind
    object_id: str
    passwords: tuple[Password, ...]
    keys: tuple[Key, ...]
    federated: Part[tuple[FederatedCredential, ...]]
    token_encryption_key_id: str | None = None
    signing_thumbprint: str | None = None  # preferredTokenSigningKeyThumbprint


@dataclass(frozen=True, slots=True)
class IdentityState:
    """
    An identity as one fresh read showed it.

    `principals` holds every service principal of the application in this tenant, the one that the
    incident is about first. `application` is None where this tenant does not own it.
    `instance_lock` is servicePrincipalLockConfiguration as read, or None.
    """

    identity: WorkloadIdentity
    enabled: bool
    disabled_by_microsoft: str | None
    owner_tenant: str | None
    principals: tuple[Holder, ...]
    application: Holder | None
    instance_lock: JsonObject | None
    read_at: datetime

    @property
    def holders(self) -> tuple[Holder, ...]:
        return (*((self.application,) if self.application else ()), *self.principals)


@dataclass(frozen=True, slots=True)
class RiskDetection:
    """
    One servicePrincipalRiskDetection. Enum texts are Graph's, unknown ones included; `level` may be
    "hidden" (no licence), which is unknown and neither low nor none.
    """

    id: str
    type: str  # riskEventType
    level: str
    state: str
    detail: str
    key_ids: tuple[str, ...]  # the credentials that Entra suspects
    activity_at: datetime | None
    detected_at: datetime | None
    updated_at: datetime | None
    ip_address: str | None


@dataclass(frozen=True, slots=True)
class RiskState:
    """The riskyServicePrincipal of an identity; None as a part's value means that Entra lists none."""

    level: str
    state: str
    detail: str
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class AuditActor:
    """Who did it. For an app, `principal_id` is the sure one: Graph may leave `client_id` null."""

    user_id: str | None = None
    user_name: str | None = None  # userPrincipalName: text for the report, never for matching
    principal_id: str | None = None
    client_id: str | None = None
    ip_address: str | None = None


@dataclass(frozen=True, slots=True)
class AuditProperty:
    """A modified property. Values were JSON inside a string; they are parsed where they could be."""

    name: str
    old: object
    new: object


@dataclass(frozen=True, slots=True)
class AuditTarget:
    """A target resource. `type` is Graph's: ServicePrincipal, Application, User, …"""

    id: str | None
    type: str
    display_name: str | None
    properties: tuple[AuditProperty, ...]


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """
    A directoryAudit record. `activity` is normalised (dashes, blanks, case, trailing dot), because the
    service spells one activity in several ways; `activity_as_sent` is what the record said.
    """

    id: str
    activity: str
    activity_as_sent: str
    category: str | None
    at: datetime
    result: str
    correlation_id: str | None
    actor: AuditActor
    targets: tuple[AuditTarget, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """What is known about one identity at `now`, the moment of decision."""

    now: datetime
    tenant_id: str
    subject: IdentityRef
    signals: tuple[Signal, ...]
    own_principals: frozenset[str] = field(default_factory=frozenset[str])  # Cordon's own object and client ids
    identity: Part[IdentityState] = field(default_factory=NotLooked)
    detections: Part[tuple[RiskDetection, ...]] = field(default_factory=NotLooked)
    risk: Part[RiskState | None] = field(default_factory=NotLooked)
    audits: Part[tuple[AuditRecord, ...]] = field(default_factory=NotLooked)
