"""
What we need from Azure around the directory, as Protocols: who read which secret, who can, and the calls
that take the access away and make the exposed value worthless. `clients/` implements them.

All methods raise as those of `shared.tenant` do. Where an answer is a Part, what could not be looked at
says so: missing rights look like an empty list in Azure, and an empty list is a claim (facts: Azure 3.5).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from shared.case import Part
from shared.identity import ClientId, PrincipalId
from shared.signal import JsonObject


@dataclass(frozen=True, slots=True, order=True)
class SecretRef:
    """One secret by the names of vault and secret, both lower case. Hosts are built from the vault's name alone."""

    vault: str
    name: str


@dataclass(frozen=True, slots=True)
class VaultSeen:
    """One vault as Resource Graph shows it. `id` is its ARM id in lower case."""

    id: str
    name: str
    subscription: str
    rbac: bool  # False: access policies decide


NOBODY = "unknown"
"""The reader of a read of which the log does not say whose it was: anybody's who could."""


@dataclass(frozen=True, slots=True)
class SecretRead:
    """
    Reads of one secret by one reader, from the vault's log. `versions` are those that it names; `unnamed`: some
    reads name none, so they were of what was the newest then.
    """

    secret: SecretRef
    versions: tuple[str, ...]
    first: datetime
    last: datetime
    count: int
    addresses: tuple[str, ...]
    reader: str  # the reader's object id; the client id where the log gives no other; NOBODY where it gives none
    client: str | None = None  # the client id with which it was read, where the log gives one
    unnamed: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """
    One way by which the identity, or a group that it is in, gets at secrets.

    `id` is the role assignment's ARM id, or the vault's for an access policy. `image` is what making it
    again needs.
    """

    kind: Literal["role-assignment", "access-policy"]
    id: str
    holder: str  # object id: the identity's own, or that of the group
    scope: str  # ARM id in lower case: of a management group, subscription, group, vault or secret; "/" is all
    role: str  # the role's name or id; for access policies the permissions
    reads: bool  # it gives the values of secrets
    grants_itself: bool  # it does not, but whoever has it can give it to themselves, or take them another way
    image: JsonObject
    by_deployment: bool = False  # of those: not the right to read, but a deployment that reads for them
    until: datetime | None = None  # when it was taken away again; None: it is held


@dataclass(frozen=True, slots=True)
class Reached:
    """One vault and the ways to it. `secret` is set where a way opens one secret only."""

    vault: VaultSeen
    grants: tuple[Grant, ...]
    only: frozenset[str] = frozenset()  # names of secrets; empty: all of the vault


@dataclass(frozen=True, slots=True)
class Reach:
    """
    What the identity can get at. `unseen` names what could not be looked at, each with its reason; `passing` are
    those of them that a later look may see, `blind` those that say only that there may be more subscriptions than
    `subscriptions`, which the reader sees. `accepted` is what a policy declares instead of a look. `scopes` are
    those of the roles by which it could get at the secrets of whatever vault is there; None: not known.
    """

    vaults: tuple[Reached, ...]
    unseen: tuple[str, ...] = ()
    passing: tuple[str, ...] = ()
    blind: tuple[str, ...] = ()
    subscriptions: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()
    scopes: tuple[str, ...] | None = None


NO_LOG = "reads in this vault are not logged to a workspace that Cordon reads"
"""Why nobody can tell what was read in a vault that logs nowhere."""


@dataclass(frozen=True, slots=True)
class Logging:
    """
    Whether reads in a vault since some moment are all in a log that we read. `gap` says why they need not be; None:
    they are. `dark`: what is read from now on may be missing too.
    """

    gap: str | None = None
    dark: bool = False


@dataclass(frozen=True, slots=True)
class DeletedVault:
    """A vault that can be recovered only: nobody can say what is in it, or who could read it."""

    name: str
    subscription: str
    deleted: datetime
    id: str | None = None  # its ARM id in lower case; None: not told


@dataclass(frozen=True, slots=True)
class DeletedVaults:
    """What the subscriptions tell of their deleted vaults; `unseen` are those that do not, each with the reason."""

    vaults: tuple[DeletedVault, ...] = ()
    unseen: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class SecretSeen:
    """One version of a secret, without its value."""

    ref: SecretRef
    version: str | None  # None in a list of a vault's secrets: the newest
    enabled: bool
    created: datetime
    updated: datetime
    expires: datetime | None = None
    not_before: datetime | None = None
    content_type: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    managed: bool = False  # it belongs to a certificate or a managed storage account
    deleted: datetime | None = None  # since when it can be recovered only


class SecretValue:
    """
    The value of a secret on its one hop between two services. It shows itself to nobody but the client that
    sends it: no text, no equality, no pickle.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """The value. Only who sends it on may ask, or has to compare it, in memory, with what a source takes."""
        return self.__value

    def __repr__(self) -> str:
        return "SecretValue(…)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> str:
        raise TypeError("a secret's value is not written anywhere")


@dataclass(frozen=True, slots=True)
class DatedKey:
    """One key of a source as it is now, and when it was made: an ISO time, None where the service does not tell."""

    value: SecretValue
    created: str | None


class VaultLogs(Protocol):
    """What the vaults' logs tell. They are late: up to 10 minutes (facts: Azure 3.4)."""

    async def reads_by(self, principal: PrincipalId, client: ClientId, since: datetime) -> Part[tuple[SecretRead, ...]]:
        """
        Successful reads of values by this identity, in any vault that logs to the workspaces we know; and those of
        which the log does not say whose they were.
        """
        ...

    async def readers_of(self, secrets: Sequence[SecretRef], since: datetime) -> Part[tuple[SecretRead, ...]]:
        """Successful reads of these secrets by anybody."""
        ...


class Access(Protocol):
    """Who may what on the vaults: Resource Graph and ARM."""

    async def reach(
        self, principal: PrincipalId, groups: Part[tuple[str, ...]], since: datetime | None = None
    ) -> Reach:
        """
        Vaults whose secrets the identity or one of its groups can read, or can give itself to read. With `since` also
        those by a role that was taken away after that: each such grant says until when it was held.
        """
        ...

    async def logged(self, vault: VaultSeen, since: datetime) -> Part[Logging]:
        """Whether all reads in this vault since then are in a log that we read."""
        ...

    async def deleted_vaults(self, since: datetime) -> Part[DeletedVaults]:
        """Vaults that were deleted since then and can be recovered, in all subscriptions that the reader sees."""
        ...

    async def grants_on(self, vault: VaultSeen, holder: str) -> Part[tuple[Grant, ...]]:
        """The grants of this holder on this vault now, read from ARM and not from Resource Graph, which lags."""
        ...

    async def remove_grant(self, grant: Grant) -> None:
        """Take a role assignment or an access policy's entry away. Gone is no error."""
        ...

    async def restore_grant(self, grant: Grant) -> None:
        """Make it again from its image, under the same id. Already there is no error."""
        ...


OPERATION_TAG = "cordon-operation"
"""The tag by which a version that Cordon stored, or had made, is found again. Its value is the operation's id."""

MOST_TAGS = 15
"""That a version of a secret can have (facts: Azure 3.2)."""


class SecretVaults(Protocol):
    """The vaults' data plane."""

    async def secrets(self, vault: str) -> Part[tuple[SecretSeen, ...]]: ...

    async def deleted(self, vault: str) -> Part[tuple[SecretSeen, ...]]:
        """Secrets that were deleted and can be recovered, each with `deleted` set."""
        ...

    async def versions(self, ref: SecretRef) -> Part[tuple[SecretSeen, ...]]:
        """All versions, newest first."""
        ...

    async def value(self, ref: SecretRef, version: str) -> SecretValue:
        """Read one value; only for a rotator that has to compare it with what the source has."""
        ...

    async def publish(self, like: SecretSeen, value: SecretValue, *, operation: str, expires: datetime | None) -> str:
        """
        Store a new version with the tags, content type and start of `like` and the operation's tag. Sent once; the
        version. Raises OutcomeUnknown if it may have been stored: then look for the operation's tag.
        """
        ...

    async def set_enabled(self, ref: SecretRef, version: str, enabled: bool) -> None:
        """Repeatable. A managed secret refuses it, and is enabled and disabled through its certificate."""
        ...

    async def set_expiry(self, ref: SecretRef, version: str, expires: datetime) -> None:
        """Repeatable. Nothing but the expiry is changed."""
        ...

    async def renew_certificate(self, ref: SecretRef, operation: str) -> str:
        """
        Make a new version of the certificate behind a managed secret, by its own policy and with the operation's
        tag beside its own; the version of both. Waits for an operation that is under way, and gives what carries
        this operation's tag already instead of making another. The order is sent once.
        """
        ...


SOURCE_KEYS: Mapping[str, tuple[str, ...]] = {
    "storage": ("key1", "key2"),
    "cosmos": ("primary", "secondary", "primaryreadonly", "secondaryreadonly"),
    "service-bus": ("primary", "secondary"),
    "event-hub": ("primary", "secondary"),
    "redis": ("primary", "secondary"),
    "postgres": ("administrator",),
    "sql": ("administrator",),
}
"""The kinds of sources, which methods call `what`, and their keys by the words of these methods."""


class Sources(Protocol):
    """
    The management calls of the services whose credentials lie in vaults.

    `resource` is an ARM id in lower case: of the account, the cache or the server; of service-bus and event-hub
    that of the authorization rule (…/namespaces/NS/authorizationrules/RULE, or below a queue, topic or hub). Its
    shape is checked once more before a path is made of it. `what` and `key` are words of SOURCE_KEYS.
    """

    async def read(self, resource: str, what: str) -> JsonObject:
        """
        What is there of a source, without values: `keys` gives for each key an object whose `created` is an ISO
        time, or null where the service does not tell; `tags` are the resource's own (of a rule none); of a
        database server `login` is the administrator's name.
        """
        ...

    async def named(self, name: str, what: str) -> Part[tuple[str, ...]]:
        """
        The ARM ids (of namespaces, not of their rules) of sources of this kind with this name, which may be any text:
        for secrets that name an account, and not where it is. As Resource Graph shows them, which lags.
        """
        ...

    async def keys(self, resource: str, what: str) -> Mapping[str, SecretValue]:
        """All keys as they are now (listKeys), by name; of a database server none, for nobody can read a password."""
        ...

    async def dated_keys(self, resource: str, what: str) -> Mapping[str, DatedKey]:
        """
        The same with the times of one and the same moment, in as few calls as it takes. Times are compared with
        those of this method only: another call of the service may spell them otherwise.
        """
        ...

    async def regenerate(self, resource: str, what: str, key: str) -> SecretValue:
        """
        Make this key new, wait until it is, and give its value. Not idempotent: sent once. Raises OutcomeUnknown if
        it may have happened; `keys` then gives the value that is there.
        """
        ...

    async def set_password(self, resource: str, what: str, value: SecretValue) -> None:
        """
        Set the administrator's password of a database server, and wait until it counts. May be repeated with the
        same value. Raises OutcomeUnknown if it may have happened.
        """
        ...


NO_ESTATE = "CORDON_ROTATOR_CLIENT_ID is not set: nobody may look into the vaults"
"""Why there is no estate."""


@dataclass(frozen=True, slots=True)
class Estate:
    """
    Azure around the directory: four ways to it. `logs` is None where no workspace is configured. `own_vault` is the
    name of the vault in which Cordon hands certificates over.
    """

    access: Access
    vaults: SecretVaults
    sources: Sources
    logs: VaultLogs | None = None
    own_vault: str | None = None
