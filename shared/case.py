"""
A case: what is known about one identity, and what could not be learned.

Each part of a case is known, not looked at (yet), or could not be looked at,
with the reason. "Could not look" is never "nothing there": the three are types
of their own, so that no condition can mistake one for another.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, TypeAlias, TypeVar

from shared.identity import IdentityRef, WorkloadIdentity
from shared.signal import JsonObject, Signal

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Known(Generic[T]):
    """
    It was read; `value` may well be empty, and then it is known to be empty. `instead_of` is why Graph did not tell it,
    where a workspace did; a sign-in log says so itself.
    """

    value: T
    instead_of: str | None = None


@dataclass(frozen=True, slots=True)
class NotLooked:
    """Nobody has asked for it yet."""


NOT_LOOKED = NotLooked()


@dataclass(frozen=True, slots=True)
class CouldNotLook:
    """
    It was asked for in vain. `may_help_later` tells a passing fault from a refusal. `partly` is what could be read of
    an audit log in which a record could not: it may accuse, and excuses nobody.
    """

    why: str
    may_help_later: bool = False
    gone: bool = False  # the object is not there, after waiting out replication
    another: str | None = None  # the id of the service principal that its application has in its place
    partly: "tuple[AuditRecord, ...]" = field(default=(), compare=False, repr=False)


Part: TypeAlias = Known[T] | NotLooked | CouldNotLook


def records_in(part: "Part[tuple[AuditRecord, ...]]") -> "tuple[AuditRecord, ...]":
    """The audit records that are there to accuse; that there are no others is known of a Known alone."""
    match part:
        case Known(records):
            return records
        case CouldNotLook():
            return part.partly
        case NotLooked():
            return ()


class PartName(StrEnum):
    """The parts of a case, cheapest first: the investigation gathers them in this order."""

    IDENTITY = "identity"  # service principal + application + credentials: one $batch
    GRANTS = "grants"  # app roles, delegated permissions and directory roles that it holds: one $batch
    OWNERS = "owners"  # of application and service principal: the same
    DOMAINS = "domains"  # that the tenant has proven to be its own: one request
    DETECTIONS = "detections"  # identity protection: 1 request/s per tenant
    RISK = "risk"  # the same bucket
    AUDITS = "audits"  # reports: 5 requests per 10 s
    GRANT_AUDITS = "grant_audits"  # the same bucket; records whose target is the API that was opened up
    SUSPECTS = "suspects"  # Cordon's own journal about workloads that changed it: a few reads of the store for each
    ACTOR_RISK = "actor_risk"  # what Entra lists of those workloads: the bucket of identity protection, one for each
    USER_RISK = "user_risk"  # the same of the people who changed it
    KEY_USE = "key_use"  # the bucket of reports; one of beta: when each credential was last used
    SIGN_INS = "sign_ins"  # the same bucket, page after page: tokens that were issued, as far back as is kept
    ATTEMPTS = "attempts"  # the same; of the last day also what was refused
    OLDER_SIGN_INS = "older_sign_ins"  # Log Analytics: tokens that were issued, further back than Graph keeps or gives
    PEOPLE = "people"  # who stands behind it: their accounts and roles, and their risk at one request a second
    PEOPLE_DAY = "people_day"  # what the logs show of them in the last day: two reports for each of them
    PEOPLE_WEEK = "people_week"  # the same, from then back to seven days ago
    PEOPLE_FORTNIGHT = "people_fortnight"  # from then back to 14
    PEOPLE_MONTH = "people_month"  # from then back to 30
    GRAPH_ACTIVITY = "graph_activity"  # Log Analytics: the calls that it made to Graph, and with which tokens
    CA_POLICY = "ca_policy"  # Conditional Access: the bucket of identity protection
    VAULT_ACCESS = "vault_access"  # Azure around the directory: Resource Graph, and ARM for each vault
    PUBLIC_KEYS = "public_keys"  # of the application: 150 a minute; asked along with others, or not at all


# What a policy's conditions can ask for. The other parts are read for actions, when their turn comes.
CASE_PARTS = (
    PartName.IDENTITY,
    PartName.GRANTS,
    PartName.OWNERS,
    PartName.DOMAINS,
    PartName.DETECTIONS,
    PartName.RISK,
    PartName.AUDITS,
    PartName.GRANT_AUDITS,
    PartName.SUSPECTS,
    PartName.ACTOR_RISK,
    PartName.USER_RISK,
    PartName.KEY_USE,
    PartName.SIGN_INS,
    PartName.ATTEMPTS,
    PartName.OLDER_SIGN_INS,
    PartName.GRAPH_ACTIVITY,
    PartName.PEOPLE,
    PartName.PEOPLE_DAY,
    PartName.PEOPLE_WEEK,
    PartName.PEOPLE_FORTNIGHT,
    PartName.PEOPLE_MONTH,
)
# The rungs of the look-back at people, and how far back each begins.
PEOPLE_WINDOWS: Mapping[PartName, timedelta] = {
    PartName.PEOPLE_DAY: timedelta(days=1),
    PartName.PEOPLE_WEEK: timedelta(days=7),
    PartName.PEOPLE_FORTNIGHT: timedelta(days=14),
    PartName.PEOPLE_MONTH: timedelta(days=30),
}


class HolderKind(StrEnum):
    """The two objects that can hold credentials of one identity."""

    APPLICATION = "application"
    SERVICE_PRINCIPAL = "service-principal"


@dataclass(frozen=True, slots=True)
class Password:
    """
    A client secret, as Graph shows it: never its value. `hint` is how that begins (three characters), for comparing
    alone: it is shown to nobody. `start` is chosen by whoever made the secret, and says nothing of when that was.
    """

    key_id: str
    display_name: str | None
    custom_key_identifier: str | None
    start: datetime | None
    end: datetime | None
    hint: str | None = field(default=None, repr=False)


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
    single_sign_on: str | None = None  # preferredSingleSignOnMode, of service principals
    tags: tuple[str, ...] = ()
    answers: dict[object, Any] = field(default_factory=dict[object, Any], init=False, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Addresses:
    """
    Where an own application has tokens sent, and what it is called by. `platforms` holds web, spa and
    publicClient exactly as read, because a PATCH should send each whole (facts: Graph 5).
    """

    platforms: JsonObject
    identifier_uris: tuple[str, ...]

    def redirects(self, platform: str) -> tuple[str, ...]:
        """The redirect URIs of one platform; its shape was checked when it was read."""
        value = self.platforms.get(platform)
        uris = value.get("redirectUris") if isinstance(value, dict) else None
        return tuple(uri for uri in uris if isinstance(uri, str)) if isinstance(uris, list) else ()

    @property
    def logout_url(self) -> str | None:
        web = self.platforms.get("web")
        url = web.get("logoutUrl") if isinstance(web, dict) else None
        return url if isinstance(url, str) and url else None


@dataclass(frozen=True, slots=True)
class Provenance:
    """
    Where a service principal's application comes from. `reply_urls` and `logout_url` are the service principal's own
    copies, which for an application of another tenant are all that can be seen.
    """

    publisher_id: str | None  # verifiedPublisherId; None: nobody has verified who publishes it
    publisher_name: str | None  # the publisher's text, which Microsoft has verified if there is an id
    template_id: str | None  # applicationTemplateId: made from this entry of a gallery
    reply_urls: tuple[str, ...]
    logout_url: str | None


@dataclass(frozen=True, slots=True)
class IdentityState:
    """
    An identity as one fresh read showed it.

    `principals` holds every service principal of the application in this tenant, the one that the
    incident is about first. `application` is None where this tenant does not own it.
    `instance_lock` is servicePrincipalLockConfiguration as read, or None. `deactivated` is the
    application's isDisabled; None where there is no application, or the answer does not say. `addresses` are
    the application's; None where there is no application, or they cannot be read. `provenance` is None where Graph's
    answer does not tell it. `deleted_at` is set where both
    objects, or the service principal alone, were found among the deleted items and nowhere else.
    """

    identity: WorkloadIdentity
    enabled: bool
    disabled_by_microsoft: str | None
    owner_tenant: str | None
    principals: tuple[Holder, ...]
    application: Holder | None
    instance_lock: JsonObject | None
    read_at: datetime
    deactivated: bool | None = None
    addresses: Addresses | None = None
    provenance: Provenance | None = None
    deleted_at: datetime | None = None

    @property
    def holders(self) -> tuple[Holder, ...]:
        return (*((self.application,) if self.application else ()), *self.principals)


@dataclass(frozen=True, slots=True)
class AppRole:
    """An appRoleAssignment: a permission of the identity's own on a resource."""

    id: str
    role_id: str  # all zeros: access without any role
    resource_id: str
    resource_name: str  # the tenant's text
    created: datetime | None


@dataclass(frozen=True, slots=True)
class DelegatedGrant:
    """An oauth2PermissionGrant: what the identity may do in a user's name. Graph gives no date of it."""

    id: str
    consent_type: str  # AllPrincipals, or Principal: one user
    user_id: str | None
    resource_id: str
    scope: str  # names of permissions, separated by blanks


@dataclass(frozen=True, slots=True)
class DirectoryRole:
    """An active assignment of a directory role, to the identity itself or to a group. Graph gives no date of it."""

    id: str
    role_id: str
    role_name: str | None
    scope: str | None  # directoryScopeId: "/" is the whole tenant
    app_scope: str | None  # appScopeId, of roles that another application defines
    built_in: bool | None = None  # isBuiltIn of its definition; None where the answer does not tell
    actions: tuple[str, ...] | None = None  # allowedResourceActions of its definition; None where not told in full
    through: str | None = None  # the group that holds it; None: the identity itself


@dataclass(frozen=True, slots=True)
class Membership:
    """A group that an identity is in, at whatever depth. `assignable` is isAssignableToRole; None: not to be read."""

    id: str
    name: str | None  # the tenant's text
    assignable: bool | None


@dataclass(frozen=True, slots=True)
class Grants:
    """
    What the identity holds. Each list is read with a permission of its own, so each may be unread. `through_groups`
    are directory roles of groups that it is in, at whatever depth: no plan takes them, for they are others' as well.
    `groups` are those groups, whether they hold any role or none.
    """

    app_roles: Part[tuple[AppRole, ...]]
    delegated: Part[tuple[DelegatedGrant, ...]]
    directory_roles: Part[tuple[DirectoryRole, ...]]
    through_groups: Part[tuple[DirectoryRole, ...]] = Known(())
    groups: Part[tuple[Membership, ...]] = Known(())


@dataclass(frozen=True, slots=True)
class Owner:
    """Who may give an object new credentials. `type` is Graph's: user, servicePrincipal."""

    id: str
    type: str | None
    name: str | None  # the tenant's text


@dataclass(frozen=True, slots=True)
class Owners:
    """The owners of both objects; of the application only where this tenant has it."""

    application: Part[tuple[Owner, ...]]
    principal: Part[tuple[Owner, ...]]


@dataclass(frozen=True, slots=True)
class RiskPolicy:
    """
    A Conditional Access policy that carries the name of Cordon's own. `other` names what else limits it:
    conditions that Cordon never sets.
    """

    id: str
    state: str  # enabled, disabled, enabledForReportingButNotEnforced
    included: tuple[str, ...]  # object ids of service principals, or ServicePrincipalsInMyTenant
    excluded: tuple[str, ...]
    risk_levels: tuple[str, ...]
    resources: tuple[str, ...]  # includeApplications
    blocks: bool
    other: tuple[str, ...] = ()


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
    answers: dict[object, Any] = field(default_factory=dict[object, Any], init=False, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class SignIn:
    """
    One record of the sign-in log about a workload: a token was issued (`error_code` 0) or refused. Texts are
    as the log has them; `credential_id` is the key id, or the id of a federated credential. `network` is the number
    of the autonomous system, `token_id` what names the token that was issued. What the log leaves empty is None.
    """

    id: str
    at: datetime
    error_code: int
    address: str | None
    credential_id: str | None
    credential_type: str | None
    resource: str | None
    resource_id: str | None = None
    network: int | None = None
    country: str | None = None
    user_agent: str | None = None
    thumbprint: str | None = None  # of the certificate, in hex
    token_id: str | None = None


class LogSource(StrEnum):
    """Where a log was read. Values are told to people."""

    GRAPH = "Microsoft Graph"
    WORKSPACE = "Log Analytics"


@dataclass(frozen=True, slots=True, eq=False)
class SignInLog:
    """
    What the sign-in log shows of a workload, newest first, and from when on it was read whole: a budget of pages and
    of time may end the reading early, and a log holds what its licence keeps. `until` is set where it is whole up to
    then only, because nothing has come in since, for longer than is usual there: what is of later is not known.
    `hole` is when a silence began that `since` is the end of: older records may be there, and are not all. `unread`
    is how many records of the time could not be read. `instead_of` is why Graph did not answer, where another source
    did. One log is equal to itself alone, so that what is learned from it can be kept beside it.
    """

    records: tuple[SignIn, ...]
    since: datetime
    cut_short: bool = False
    source: LogSource = LogSource.GRAPH
    instead_of: str | None = None
    until: datetime | None = None
    hole: datetime | None = None
    unread: int = 0


class Way(StrEnum):
    """By what somebody stands behind an identity. Values are the policy's words."""

    OWNER = "owner"  # of either object
    CONSENTER = "consenter"  # consented to it, or granted it something
    CREDENTIAL_ADDER = "credential-adder"


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the directory. `enabled` is None where Graph does not tell; names and mail are the tenant's text."""

    name: str
    enabled: bool | None
    type: str | None  # Member or Guest
    mail: str | None = None


@dataclass(frozen=True, slots=True)
class HeldRoles:
    """
    The directory roles of a user, active right now. `through_groups` are groups that roles can be assigned to, and
    in which the user is, with those of which Graph does not tell whether they are such.
    """

    own: tuple[DirectoryRole, ...]
    through_groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody behind an identity. An account that is known to be None is not there (any more)."""

    id: str
    ways: frozenset[Way]
    account: Part[Account | None]
    risk: Part[RiskState | None]  # the riskyUser; None: Entra lists none
    detections: Part[tuple[RiskDetection, ...]]  # of the user, with no keys
    roles: Part[HeldRoles]


@dataclass(frozen=True, slots=True)
class People:
    """
    Who stands behind an identity, as far as it can be told. `unseen` says by which way there may be more, and why;
    `left_out` are the ids of those beyond the number that is looked at. `audits_reach` is how far back the audit log
    can be read, which the licence tells.
    """

    persons: tuple[Person, ...]
    unseen: tuple[tuple[Way, str], ...]
    left_out: tuple[str, ...]
    audits_reach: Part[timedelta]


@dataclass(frozen=True, slots=True)
class UserSignIn:
    """An interactive sign-in of a user. What the log leaves out is None; `protocol` deviceCode is a flow."""

    record: SignIn
    protocol: str | None = None  # authenticationProtocol
    risk_level: str | None = None  # during sign-in
    risk_state: str | None = None


@dataclass(frozen=True, slots=True)
class SeenOfPerson:
    """
    What the logs show of one person in one window, newest first. `doubts` says of lists that are known why they may
    still not be whole: what is in them is so, what is not in them may be.
    """

    user_id: str
    sign_ins: Part[tuple[UserSignIn, ...]]
    audits: Part[tuple[AuditRecord, ...]]  # whose target the user is
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class PeopleWindow:
    """One rung of the look-back: what was seen of everybody from `since` until `until`."""

    since: datetime
    until: datetime
    seen: tuple[SeenOfPerson, ...]


class Suspicion(StrEnum):
    """What an incident says about its identity. Values are the policy's words."""

    CONTAINED = "contained"  # it was cut off, by a read, and that stands
    ACCUSED = "accused"  # the verdict was to contain or to ask, and nothing is undone or dismissed
    WATCHED = "watched"  # noted, decided in mode watch, or asked about because a rule could not be judged
    CLEARED = "cleared"  # a person released it, or dismissed or declined what was to be done


@dataclass(frozen=True, slots=True)
class IncidentStanding:
    """
    What one of Cordon's own incidents says about its identity now. `root` is the incident that the chain of changes
    began with, `links` how many changes away from it this one is. `since`: where the identity is suspect only because
    it was changed, when that was; what it did before that is its own. `at`: when a person cleared it.
    """

    incident: str
    root: str
    suspicion: Suspicion
    links: int = 0
    since: datetime | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Suspects:
    """What Cordon's own journal says of each workload that made a change, by the id that the log names it by."""

    incidents: Mapping[str, Part[tuple[IncidentStanding, ...]]]


@dataclass(frozen=True, slots=True)
class ActorRisk:
    """What Entra lists of each actor, by the id that the log names it by; None: nothing."""

    listed: Mapping[str, Part[RiskState | None]]


@dataclass(frozen=True, slots=True)
class KeyUse:
    """
    Graph's report of when credentials were last used, by key id in lower case; None: never, as far as the report goes.
    It is made anew about once a day: it proves use, and disuse late. What is not in it may have been used.
    """

    last: Mapping[str, datetime | None]


@dataclass(frozen=True, slots=True)
class GraphCalls:
    """Calls of one method to one path of Graph: in lower case, without version and query, ids in it are `*`."""

    method: str
    path: str
    count: int
    last: datetime


@dataclass(frozen=True, slots=True)
class GraphToken:
    """One token with which Graph was called; `id` is what the sign-in log calls its unique token identifier."""

    id: str
    first: datetime
    last: datetime
    issued: datetime | None
    address: str | None


@dataclass(frozen=True, slots=True)
class GraphActivity:
    """
    What a workload asked of Graph in its own name, from `since` on: calls, and the tokens of the last days. A busy one
    makes more than is read: then what is not in a list may have been all the same. `until` and `hole` as in a sign-in
    log.
    """

    calls: tuple[GraphCalls, ...]
    tokens: tuple[GraphToken, ...]
    since: datetime
    all_calls: bool = True
    all_tokens: bool = True
    until: datetime | None = None
    hole: datetime | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """
    What is known about one identity at `now`, the moment of decision. Where its news came `late`, by hours, `now` lies
    by as much before the clock: what a rule asks of the last day is then the day before they should have come.
    """

    now: datetime
    tenant_id: str
    subject: IdentityRef
    signals: tuple[Signal, ...]
    own_principals: frozenset[str] = field(default_factory=frozenset[str])  # Cordon's own object and client ids
    identity: Part[IdentityState] = NOT_LOOKED
    detections: Part[tuple[RiskDetection, ...]] = NOT_LOOKED
    risk: Part[RiskState | None] = NOT_LOOKED
    audits: Part[tuple[AuditRecord, ...]] = NOT_LOOKED
    grants: Part[Grants] = NOT_LOOKED
    owners: Part[Owners] = NOT_LOOKED
    grant_audits: Part[tuple[AuditRecord, ...]] = NOT_LOOKED
    suspects: Part[Suspects] = NOT_LOOKED
    actor_risk: Part[ActorRisk] = NOT_LOOKED
    user_risk: Part[ActorRisk] = NOT_LOOKED
    domains: Part[frozenset[str]] = NOT_LOOKED
    key_use: Part[KeyUse] = NOT_LOOKED
    sign_ins: Part[SignInLog] = NOT_LOOKED
    attempts: Part[SignInLog] = NOT_LOOKED
    older_sign_ins: Part[SignInLog] = NOT_LOOKED
    graph_activity: Part[GraphActivity] = NOT_LOOKED
    people: Part[People] = NOT_LOOKED
    people_day: Part[PeopleWindow] = NOT_LOOKED
    people_week: Part[PeopleWindow] = NOT_LOOKED
    people_fortnight: Part[PeopleWindow] = NOT_LOOKED
    people_month: Part[PeopleWindow] = NOT_LOOKED
    late: timedelta = timedelta()
    answers: dict[object, Any] = field(default_factory=dict[object, Any], init=False, compare=False, repr=False)


def window_of(case: Case, name: PartName) -> Part[PeopleWindow]:
    """The part of a case that is this rung of the look-back at people."""
    return {
        PartName.PEOPLE_DAY: case.people_day,
        PartName.PEOPLE_WEEK: case.people_week,
        PartName.PEOPLE_FORTNIGHT: case.people_fortnight,
        PartName.PEOPLE_MONTH: case.people_month,
    }[name]
