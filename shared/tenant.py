"""
What we need from the outside world, as Protocols. `clients/` implements them; nothing else opens a socket.

Common to all methods: they raise PermissionMissing, LicenceMissing, UnavailableInCloud (a person must
act), Throttled, Unreachable (nothing was changed), OutcomeUnknown (a write may have happened), Gone
(404, after waiting out replication where the object was just written) and PlatformRefused (a named
refusal). Retrying what may be repeated, within bounds, is theirs; deciding what to do next is not.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

from shared.case import (
    NOT_LOOKED,
    ActorRisk,
    AuditRecord,
    Grants,
    GraphActivity,
    HolderKind,
    IdentityState,
    KeyUse,
    Owners,
    Part,
    PartName,
    People,
    PeopleWindow,
    RiskDetection,
    RiskPolicy,
    RiskState,
    SignIn,
    SignInLog,
    Suspects,
)
from shared.estate import Estate, Reach, SecretValue
from shared.identity import AppObjectId, IdentityRef, PrincipalId
from shared.inventory import Inventory
from shared.signal import JsonObject

Check = Callable[[], Awaitable[None]]  # raises RivalActs if another instance has gone on


async def unchecked() -> None:
    """Nobody else is at it."""


still_wanted: ContextVar[Check] = ContextVar("still_wanted", default=unchecked)
"""
What clients call before a write that had to wait, or that is sent again: by then a rival may have gone on, or a person
have set the stop switch. The fence around a tenant says what it is; it raises as the fence does.
"""


# The name by which Cordon's one policy is found again, in every tenant and by every version.
RISK_POLICY = "Cordon: block workload identities at high risk"


@dataclass(frozen=True, slots=True)
class Gathered:
    """The answer to one look: the parts that were asked for; a part that failed says why."""

    identity: Part[IdentityState] = NOT_LOOKED
    grants: Part[Grants] = NOT_LOOKED
    owners: Part[Owners] = NOT_LOOKED
    detections: Part[tuple[RiskDetection, ...]] = NOT_LOOKED
    risk: Part[RiskState | None] = NOT_LOOKED
    audits: Part[tuple[AuditRecord, ...]] = NOT_LOOKED
    grant_audits: Part[tuple[AuditRecord, ...]] = NOT_LOOKED
    suspects: Part[Suspects] = NOT_LOOKED  # from Cordon's own journal, and not by a directory
    actor_risk: Part[ActorRisk] = NOT_LOOKED  # by a look at each of them
    user_risk: Part[ActorRisk] = NOT_LOOKED  # by Directory.risk_of_users
    domains: Part[frozenset[str]] = NOT_LOOKED  # verified, folded
    key_use: Part[KeyUse] = NOT_LOOKED
    sign_ins: Part[SignInLog] = NOT_LOOKED
    attempts: Part[SignInLog] = NOT_LOOKED
    older_sign_ins: Part[SignInLog] = NOT_LOOKED  # from Log Analytics alone
    graph_activity: Part[GraphActivity] = NOT_LOOKED  # the same
    ca_policy: Part[tuple[RiskPolicy, ...]] = NOT_LOOKED  # those with Cordon's name
    vault_access: Part[Reach] = NOT_LOOKED  # from Azure, and not by Directory.look
    public_keys: Part[Mapping[str, Mapping[str, str]]] = NOT_LOOKED  # by object: see the method
    people: Part[People] = NOT_LOOKED  # these by Directory.look_at_people
    people_day: Part[PeopleWindow] = NOT_LOOKED
    people_week: Part[PeopleWindow] = NOT_LOOKED
    people_fortnight: Part[PeopleWindow] = NOT_LOOKED
    people_month: Part[PeopleWindow] = NOT_LOOKED


@dataclass(frozen=True, slots=True)
class NewCertificate:
    """A certificate whose private key was born in a vault and stays there. `cer` is DER, public."""

    name: str  # in the hand-over vault
    version: str
    cer: bytes
    thumbprint: str  # SHA-1 in upper-case hex, as Graph shows it in customKeyIdentifier
    not_before: datetime
    expires: datetime


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A client secret that was just made. Graph tells its value this once, and never again."""

    key_id: str
    value: SecretValue
    expires: datetime | None


@dataclass(frozen=True, slots=True)
class RemovePassword:
    """POST …/removePassword. Repeatable: a key id that is gone already counts as removed."""

    holder: HolderKind
    object_id: str
    key_id: str


@dataclass(frozen=True, slots=True)
class ReplaceKeys:
    """
    One PATCH of keyCredentials: exactly `keep` (entries as read) and `add`, everything else goes.

    There is no ETag, so the caller reads shortly before and compares after.
    """

    holder: HolderKind
    object_id: str
    keep: tuple[JsonObject, ...]
    add: NewCertificate | None = None


@dataclass(frozen=True, slots=True)
class RemoveFederated:
    """DELETE …/federatedIdentityCredentials/{id}. Repeatable: 404 counts as removed."""

    holder: HolderKind
    object_id: str
    credential_id: str


@dataclass(frozen=True, slots=True)
class SetInstanceLock:
    """PATCH servicePrincipalLockConfiguration of an own application (the whole complex value)."""

    app_object_id: str
    lock: JsonObject


@dataclass(frozen=True, slots=True)
class GiveBack:
    """
    What was taken, made again from its record; `taken` is a pre-image's entry. Graph gives a new id, and refuses a
    second one of the same: repeatable, what is there already counts as given back.

    `kind` says what it is; `object_id` is the object that it goes to.
    """

    kind: Literal["app-role", "delegated-grant", "directory-role", "owner", "federated"]
    holder: HolderKind
    object_id: str
    taken: JsonObject


CredentialWrite: TypeAlias = RemovePassword | ReplaceKeys | RemoveFederated | SetInstanceLock | GiveBack


@dataclass(frozen=True, slots=True)
class RemoveAppRole:
    """DELETE /servicePrincipals/{id}/appRoleAssignments/{id}. Repeatable: 404 counts as removed."""

    principal_id: str
    assignment_id: str


@dataclass(frozen=True, slots=True)
class RemoveDelegatedGrant:
    """DELETE /oauth2PermissionGrants/{id}, with all its scopes. Repeatable: 404 counts as removed."""

    grant_id: str


@dataclass(frozen=True, slots=True)
class RemoveDirectoryRole:
    """DELETE /roleManagement/directory/roleAssignments/{id}. Repeatable: 404 counts as removed."""

    assignment_id: str


@dataclass(frozen=True, slots=True)
class RemoveOwner:
    """DELETE …/owners/{id}/$ref. Repeatable: 404 counts as removed."""

    holder: HolderKind
    object_id: str
    owner_id: str


@dataclass(frozen=True, slots=True)
class SetTags:
    """PATCH tags: the whole list. There is no ETag, so the caller reads shortly before and compares after."""

    holder: HolderKind
    object_id: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SetAddresses:
    """
    PATCH web, spa, publicClient or identifierUris of an own application, each whole. There is no ETag, so the
    caller reads shortly before and compares after.
    """

    app_object_id: str
    properties: JsonObject


@dataclass(frozen=True, slots=True)
class DeleteApplication:
    """DELETE /applications/{id}: soft, and its service principal here goes with it. Repeatable: 404 is no error."""

    app_object_id: str


@dataclass(frozen=True, slots=True)
class RestoreDeleted:
    """POST /directory/deletedItems/{id}/restore. After a lost answer only a read tells."""

    object_id: str


@dataclass(frozen=True, slots=True)
class PurgeDeleted:
    """DELETE /directory/deletedItems/{id}: for ever. Repeatable: 404 counts as purged."""

    object_id: str


AccessWrite: TypeAlias = (
    RemoveAppRole
    | RemoveDelegatedGrant
    | RemoveDirectoryRole
    | RemoveOwner
    | SetTags
    | SetInstanceLock
    | SetAddresses
    | DeleteApplication
    | RestoreDeleted
    | PurgeDeleted
    | GiveBack
)


@dataclass(frozen=True, slots=True)
class PolicyCovers:
    """Cordon's Conditional Access policy includes the service principal, and how that came about."""

    policy_id: str
    how: Literal["created", "extended", "already"]


@dataclass(frozen=True, slots=True)
class WriteDone:
    """The service accepted the write (2xx), or the object was in the wished state already."""

    already: bool = False


@dataclass(frozen=True, slots=True)
class WriteRefused:
    """The service refused; `error` says who must act. Nothing was changed by this write."""

    error: Exception


@dataclass(frozen=True, slots=True)
class WriteUnknown:
    """The answer was lost, also after repeating: only a read tells."""

    why: str


WriteResult: TypeAlias = WriteDone | WriteRefused | WriteUnknown


class Directory(Protocol):
    """Microsoft Graph, as far as identities and their credentials go."""

    async def look(self, subject: IdentityRef, parts: frozenset[PartName]) -> Gathered:
        """
        Read parts of a case afresh, in as few round trips as possible (one `$batch` when the client id or
        both other ids are known). Never raises for a part that fails: that part says CouldNotLook. Ids that
        the subject claims are checked against each other by what Graph says. Public keys are read along where their
        quota has plenty of room; else they are not looked at, and nothing waits for them. Logs that Graph does not
        give are asked for in the workspaces of Log Analytics that the settings name.
        """
        ...

    async def look_at_people(self, gathered: Gathered, parts: frozenset[PartName], now: datetime) -> Gathered:
        """
        Read the parts about people, by what was gathered about their identity before: who owns it, and who changed it.
        A window of the look-back is of those who are known in `people`, and is counted back from `now`. Never raises
        for a part that fails. Reads within a budget of people, requests and time, and says what it left out.
        """
        ...

    async def risk_of_users(self, users: Sequence[str]) -> Mapping[str, Part[RiskState | None]]:
        """
        What Entra lists of each of these users, by object id; None: nothing. Never raises for one that fails. Reads
        within a budget of time, and says of those who were left out that it did not look.
        """
        ...

    async def set_account_enabled(self, principal: PrincipalId, enabled: bool) -> None:
        """PATCH accountEnabled, alone in its request. Repeatable."""
        ...

    async def leave_risk_policy(
        self, principal: PrincipalId, policy_id: str, *, delete_if_ours: bool, check: Check = unchecked
    ) -> None:
        """
        Take the service principal out of Cordon's Conditional Access policy; nothing else in it is changed. With
        `delete_if_ours` the policy goes when it covers nobody else and is still as Cordon makes it. Repeatable.
        """
        ...

    async def public_keys(self, holder: HolderKind, object_id: str) -> Mapping[str, str]:
        """
        The public part (base64 of DER) of each certificate of an object, by key id; of no other type of key.

        It needs `$select=keyCredentials`, which Graph limits to 150 a minute.
        """
        ...

    async def write_credentials(self, writes: Sequence[CredentialWrite]) -> Sequence[WriteResult]:
        """
        Carry out the writes in order, one after the other (sequential `$batch`es of at most 20); a refused
        write does not stop those after it. One result per write, in the same order.
        """
        ...

    async def add_password(
        self, holder: HolderKind, object_id: str, name: str, expires: datetime, check: Check = unchecked
    ) -> NewPassword:
        """
        POST …/addPassword, sent once; `name` becomes its displayName. Raises OutcomeUnknown if it may have been
        made: then a look tells by the name, and what was made is of no use, because its value is lost. `check` is
        called once more right before the write, whose quota may have been waited for.
        """
        ...

    async def set_application_disabled(self, application: AppObjectId, disabled: bool) -> None:
        """PATCH isDisabled of an own application, alone in its request: holds in every tenant. Repeatable."""
        ...

    async def write_access(self, writes: Sequence[AccessWrite]) -> Sequence[WriteResult]:
        """Change what an identity may do and who rules it, by the rules of `write_credentials`."""
        ...

    async def confirm_compromised(self, principals: Sequence[PrincipalId]) -> None:
        """Tell Identity Protection (at most 60 ids a call). Repeatable; contains nothing by itself."""
        ...

    async def dismiss_risk(self, principals: Sequence[PrincipalId]) -> None:
        """Take the risk back (at most 60 ids a call). Repeatable."""
        ...

    async def cover_by_risk_policy(
        self, principal: PrincipalId, state: str, *, sent_before: bool, check: Check = unchecked
    ) -> PolicyCovers:
        """
        Include the service principal in Cordon's one Conditional Access policy, and make that one with this
        state if the tenant has none. What others changed in it stays. The creation is sent once, never
        repeated by itself: after OutcomeUnknown call again with `sent_before`, and the policy is looked for
        as long as replicas may lag before another one is made. Looking takes its time, so `check` is called
        once more right before the write; what it raises is raised. Raises PlatformRefused if there are several.
        """
        ...

    async def find_deleted(self, subject: IdentityRef) -> IdentityState | None:
        """
        The identity as the deleted items show it, by any of its ids; None if its service principal is not among
        them. `application` is there if it is deleted as well. Federated credentials are not looked at.
        """
        ...

    async def key_digests(self, application: AppObjectId) -> Mapping[str, str]:
        """
        The SHA-256 of the public part (DER) of every key of an own application, by key id.

        It needs `$select=keyCredentials`, which Graph limits to 150 a minute: ask only where identity is in doubt.
        """
        ...

    async def transitive_groups(self, principal: PrincipalId) -> tuple[str, ...]:
        """The object ids of all groups that the service principal is in, also through other groups."""
        ...

    async def count_enabled_principals(self) -> int:
        """How many service principals of the tenant are enabled: the base of the percentage limit."""
        ...


SignInType: TypeAlias = Literal["servicePrincipal", "managedIdentity"]  # of signInEventTypes


class Feeds(Protocol):
    """
    What must be polled, and the sign-in log. Each gives pages of records (raw, but for sign-ins), all of them or
    an error: IncompleteAnswer when a next link is missing where one was due, repeats, or points to another
    host. The next page is fetched when the iterator is asked for it; memory holds one page.
    """

    def risky_principals(self) -> AsyncIterator[Sequence[JsonObject]]: ...

    def risk_detections(self) -> AsyncIterator[Sequence[JsonObject]]: ...

    def audits(self, since: datetime, until: datetime) -> AsyncIterator[Sequence[JsonObject]]:
        """Audit records with since <= activityDateTime < until (UTC), any activity."""
        ...

    def sign_ins(
        self, principal: PrincipalId, type_: SignInType, error_code: int, since: datetime
    ) -> AsyncIterator[Sequence[SignIn]]:
        """
        The identity's sign-ins from `since` on that ended with this code (0: a token was issued), newest first,
        as far as the log shows them by now: Graph's, or a workspace's where Graph refuses. It is 15 to 30 minutes late.
        """
        ...

    def all_sign_ins(self, type_: SignInType, since: datetime, until: datetime) -> AsyncIterator[Sequence[JsonObject]]:
        """
        All workloads' sign-ins of this type with since <= createdDateTime < until (UTC), issued and refused, newest
        first: Graph's, or a workspace's in Graph's shape where Graph refuses.
        """
        ...


class HandoverVault(Protocol):
    """The Key Vault in which replacement certificates are made for owners to fetch."""

    async def find_certificate(self, name: str, operation: str) -> NewCertificate | None:
        """
        The newest version that carries this operation's tag, waited for while it is still being made;
        None if the vault has none.
        """
        ...

    async def make_certificate(self, name: str, subject: str, operation: str) -> NewCertificate:
        """
        Create a self-signed RSA certificate with a non-exportable key, tagged with the operation, and wait
        for it. Sent once, never repeated by itself: after OutcomeUnknown, `find_certificate` tells.
        """
        ...


class Publisher(Protocol):
    """The outgoing Event Grid topic. At least once; `id` lets receivers recognise repetitions."""

    async def publish(self, type: str, subject: str, id: str, data: Mapping[str, object]) -> None: ...


DIRECTORY_ROLE = "directory role "


class Rights(Protocol):
    """What Cordon's own identities may do, and what the tenant is licensed for: read from Graph, not from a token."""

    async def granted(self, client_id: str) -> frozenset[str]:
        """
        Graph application permissions, by name, that this identity has been granted, and each directory role that is
        assigned to it, as DIRECTORY_ROLE and the role definition's id. A group that may bring a role counts as one.
        """
        ...

    async def has_premium(self) -> bool:
        """Whether the tenant has a usable Workload ID Premium licence."""
        ...


@dataclass(frozen=True, slots=True)
class Tenant:
    """Everything outside that an action or the investigation may touch."""

    directory: Directory
    feeds: Feeds
    handover: HandoverVault | None  # None: no hand-over vault is configured
    publisher: Publisher | None  # None: no topic is configured
    rights: Rights | None = None  # None: nobody can be asked, and nothing is known
    estate: Estate | None = None  # None: Azure around the directory is not configured
    inventory: Inventory | None = None  # None: the tenant at large cannot be looked through
