"""Small honest stand-ins in Cordon's own words, for stories that need no HTTP."""

import hashlib
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

from shared.audit import read_audit
from shared.case import (
    PEOPLE_WINDOWS,
    Addresses,
    AppRole,
    AuditRecord,
    CouldNotLook,
    DelegatedGrant,
    DirectoryRole,
    FederatedCredential,
    Grants,
    GraphActivity,
    Holder,
    HolderKind,
    IdentityState,
    Key,
    KeyUse,
    Known,
    NotLooked,
    Owner,
    Owners,
    Part,
    PartName,
    Password,
    People,
    PeopleWindow,
    RiskDetection,
    RiskPolicy,
    RiskState,
    SignIn,
    SignInLog,
)
from shared.errors import CordonError, Gone
from shared.estate import (
    Access,
    DeletedVaults,
    Estate,
    Grant,
    Logging,
    Reach,
    Reached,
    SecretValue,
    SecretVaults,
    Sources,
    VaultSeen,
)
from shared.identity import AppObjectId, ClientId, IdentityKind, IdentityRef, PrincipalId, WorkloadIdentity
from shared.signal import JsonObject
from shared.tenant import (
    AccessWrite,
    Check,
    CredentialWrite,
    DeleteApplication,
    Gathered,
    GiveBack,
    NewCertificate,
    NewPassword,
    PolicyCovers,
    PurgeDeleted,
    RemoveAppRole,
    RemoveDelegatedGrant,
    RemoveDirectoryRole,
    RemoveFederated,
    RemoveOwner,
    RemovePassword,
    ReplaceKeys,
    RestoreDeleted,
    SetAddresses,
    SetInstanceLock,
    SetTags,
    SignInType,
    WriteDone,
    WriteRefused,
    WriteResult,
    unchecked,
)

START = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
TENANT_ID = "aaaaaaaa-0000-4000-8000-000000000001"
PAYROLL = PrincipalId("10000000-0000-4000-8000-000000000001")
PAYROLL_CLIENT = ClientId("20000000-0000-4000-8000-000000000001")
CORDON_CLIENT = ClientId("99999999-0000-4000-8000-00000000000a")
CORDON_PRINCIPAL = PrincipalId("99999999-0000-4000-8000-00000000000b")
PAYROLL_APP = AppObjectId("30000000-0000-4000-8000-000000000001")
POLICY_ID = "83000000-0000-4000-8000-000000000001"
GRAPH = "90000000-0000-4000-8000-000000000001"
NO_GRANTS = Known(Grants(Known(()), Known(()), Known(())))
ADDRESSES = Addresses(
    {"web": {"redirectUris": ["https://evil.example/cb"]}, "spa": {}, "publicClient": {}}, ("api://payroll",)
)
NO_OWNERS = Known(Owners(Known(()), Known(())))
NO_SIGN_INS = Known(SignInLog((), START - timedelta(days=30)))
NOBODY: Mapping[PartName, object] = {
    PartName.PEOPLE: Known(People((), (), (), Known(timedelta(days=30)))),
    **{name: Known(PeopleWindow(START - back, START, ())) for name, back in PEOPLE_WINDOWS.items()},
}
NO_ACTIVITY = Known(GraphActivity((), (), START - timedelta(days=90)))
NO_KEY_USE = Known(KeyUse({}))
DOMAINS = Known(frozenset({"contoso.example"}))
NO_POLICIES: Known[tuple[RiskPolicy, ...]] = Known(())

H = TypeVar("H", AppRole, DelegatedGrant, DirectoryRole, Owner)


class Crash(BaseException):
    """The process is gone: nothing catches this."""


class FakeClock:
    """A clock that moves when it is told to."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


def password(number: int) -> Password:
    key_id, hint = (
        f"40000000-0000-4000-8000-{number:012d}",
        f"{number % 1000:03d}" if number < 1000 else f"n{number % 100:02d}",
    )
    return Password(key_id, f"secret {number}", None, START, START, hint)


def value_of(password: Password) -> str:
    """What the secret that Graph shows in this way is."""
    return f"{password.hint}8Q~value-of-{password.key_id}"


def certificate(number: int, usage: str = "Verify", group: str | None = None) -> Key:
    key_id = f"50000000-0000-4000-8000-{number:012d}"
    raw: JsonObject = {"keyId": key_id, "usage": usage, "type": "AsymmetricX509Cert", "customKeyIdentifier": group}
    return Key(key_id, usage, "AsymmetricX509Cert", f"certificate {number}", group, START, START, raw)


def federated(number: int) -> FederatedCredential:
    id_ = f"60000000-0000-4000-8000-{number:012d}"
    raw: JsonObject = {"id": id_, "name": f"fic-{number}", "issuer": "https://token.example", "subject": "repo"}
    return FederatedCredential(id_, f"fic-{number}", "https://token.example", "repo", raw)


def payroll(
    *,
    application: Sequence[Password | Key | FederatedCredential] = (),
    principal: Sequence[Password | Key | FederatedCredential] = (),
    kind: IdentityKind = IdentityKind.OWN_SINGLE_TENANT,
    lock: JsonObject | None = None,
) -> IdentityState:
    """The identity of these stories, with the credentials given."""
    own = kind in (IdentityKind.OWN_SINGLE_TENANT, IdentityKind.OWN_MULTI_TENANT)
    app_id = PAYROLL_APP if own else None
    return IdentityState(
        identity=WorkloadIdentity(PAYROLL, PAYROLL_CLIENT, app_id, "payroll-sync", kind),
        enabled=True,
        disabled_by_microsoft=None,
        owner_tenant=TENANT_ID if own else "bbbbbbbb-0000-4000-8000-000000000002",
        principals=(_holder(HolderKind.SERVICE_PRINCIPAL, PAYROLL, principal),),
        application=_holder(HolderKind.APPLICATION, PAYROLL_APP, application) if own else None,
        instance_lock=lock,
        read_at=START,
    )


def _holder(kind: HolderKind, id_: str, credentials: Sequence[Password | Key | FederatedCredential]) -> Holder:
    return Holder(
        kind,
        id_,
        passwords=tuple(c for c in credentials if isinstance(c, Password)),
        keys=tuple(c for c in credentials if isinstance(c, Key)),
        federated=Known(tuple(c for c in credentials if isinstance(c, FederatedCredential))),
    )


def app_role(number: int, created: datetime | None = START) -> AppRole:
    return AppRole(f"role-{number}", f"80000000-0000-4000-8000-{number:012d}", GRAPH, "Microsoft Graph", created)


def delegated(number: int, user: str | None = None) -> DelegatedGrant:
    return DelegatedGrant(f"grant-{number}", "Principal" if user else "AllPrincipals", user, GRAPH, "User.Read")


def directory_role(number: int) -> DirectoryRole:
    role = f"81000000-0000-4000-8000-{number:012d}"
    return DirectoryRole(f"assignment-{number}", role, f"role {number}", "/", None)


def risk_policy(*included: str, state: str = "enabled", **more: Any) -> RiskPolicy:
    """Cordon's own policy, as it makes it, with these service principals."""
    whole: dict[str, Any] = {"excluded": (), "risk_levels": ("high",), "resources": ("All",), "blocks": True, **more}
    return RiskPolicy(POLICY_ID, state, included, **whole)


def address_added() -> AuditRecord:
    """The record of a redirect URI that was added to the application of these stories."""
    entry: JsonObject = {"Address": "https://evil.example/cb", "ReplyAddressClientType": 1}
    change: JsonObject = {"displayName": "AppAddress", "oldValue": "[]", "newValue": [entry]}
    target: JsonObject = {"id": PAYROLL_APP, "type": "Application", "modifiedProperties": [change]}
    return read_audit(
        {
            "id": "Directory_1",
            "activityDisplayName": "Update application",
            "activityDateTime": START.isoformat(),
            "targetResources": [target],
        }
    )


def owner(number: int) -> Owner:
    return Owner(f"82000000-0000-4000-8000-{number:012d}", "user", f"owner {number}")


@dataclass
class FakeDirectory:
    """
    One identity, changed by the writes that Cordon knows. `effects` holds what reached it, in order.

    `before_write` and `after_write` run around every write with its name and may raise: a Crash, or what
    the real client raises. `lag` holds how many looks still show the state before the last write.
    """

    state: IdentityState
    clock: Callable[[], datetime]
    risk: RiskState | None = None
    detections: tuple[RiskDetection, ...] = ()
    grants: Part[Grants] = NO_GRANTS
    owners: Part[Owners] = NO_OWNERS
    policies: Part[tuple[RiskPolicy, ...]] = NO_POLICIES
    audits: tuple[AuditRecord, ...] = ()
    grant_audits: tuple[AuditRecord, ...] = ()
    odd_record: str | None = None  # why one more audit record cannot be read
    domains: Part[frozenset[str]] = DOMAINS
    sign_ins: Part[SignInLog] = NO_SIGN_INS
    key_use: Part[KeyUse] = NO_KEY_USE
    attempts: Part[SignInLog] = NO_SIGN_INS
    older_sign_ins: Part[SignInLog] = NO_SIGN_INS
    graph_activity: Part[GraphActivity] = NO_ACTIVITY
    people: Mapping[PartName, object] = field(default_factory=lambda: dict(NOBODY))
    actor_risk: Mapping[str, Part[RiskState | None]] = field(default_factory=dict[str, Part[RiskState | None]])
    effects: list[str] = field(default_factory=list[str])
    looks: int = 0
    lag: int = 0
    unreadable: CouldNotLook | None = None
    before_write: Callable[[str], None] = lambda name: None
    after_write: Callable[[str], None] = lambda name: None
    groups: tuple[str, ...] = ()  # that the principal is in
    deleted: bool = False  # both objects are among the deleted items
    purged: bool = False  # and not there either
    made: dict[str, bytes] = field(default_factory=dict[str, bytes])  # public parts that Cordon put there
    others: Mapping[ClientId, IdentityState] = field(default_factory=dict[ClientId, IdentityState])
    unread_clients: frozenset[ClientId] = frozenset()  # whose reading fails, in passing
    _stale: IdentityState | None = None

    async def look(self, subject: IdentityRef, parts: frozenset[PartName]) -> Gathered:
        if subject.client_id == CORDON_CLIENT:
            return Gathered(identity=Known(_cordon_itself(self.state)))
        if parts == frozenset({PartName.RISK}) and (listed := self.actor_risk.get(subject.principal_id or "")):
            return Gathered(risk=listed)
        if subject.client_id in self.unread_clients:
            return Gathered(identity=CouldNotLook("Graph is throttling", may_help_later=True))
        other = self._other(subject)
        self.looks += other is None
        shown: dict[PartName, Callable[[], object]] = {
            PartName.IDENTITY: self._shown if other is None else lambda: Known(other),
            PartName.RISK: lambda: Known(self.risk),
            PartName.DETECTIONS: lambda: Known(self.detections),
            PartName.AUDITS: self._audits,
            PartName.GRANT_AUDITS: lambda: Known(self.grant_audits),
            PartName.DOMAINS: lambda: self.domains,
            PartName.SIGN_INS: lambda: self.sign_ins,
            PartName.KEY_USE: lambda: self.key_use,
            PartName.ATTEMPTS: lambda: self.attempts,
            PartName.OLDER_SIGN_INS: lambda: self.older_sign_ins,
            PartName.GRAPH_ACTIVITY: lambda: self.graph_activity,
            PartName.GRANTS: lambda: self.grants,
            PartName.OWNERS: lambda: self.owners,
            PartName.CA_POLICY: lambda: self.policies,
            PartName.PUBLIC_KEYS: NotLooked,  # no room along: whoever needs them asks
        }
        found: dict[str, Any] = {part.value: shown[part]() for part in parts}
        return Gathered(**found)

    def _other(self, subject: IdentityRef) -> IdentityState | None:
        if subject.client_id is not None:
            return self.others.get(subject.client_id)
        named = (each for each in self.others.values() if each.identity.principal_id == subject.principal_id)
        return next(named, None)

    async def look_at_people(self, gathered: Gathered, parts: frozenset[PartName], now: datetime) -> Gathered:
        found: dict[str, Any] = {part.value: self.people[part] for part in parts}
        return Gathered(**found)

    async def risk_of_users(self, users: Sequence[str]) -> Mapping[str, Part[RiskState | None]]:
        return {user: self.actor_risk.get(user, Known(None)) for user in users}

    async def find_deleted(self, subject: IdentityRef) -> IdentityState | None:
        return replace(self.state, deleted_at=START, read_at=self.clock()) if self.deleted else None

    def _audits(self) -> Part[tuple[AuditRecord, ...]]:
        return CouldNotLook(self.odd_record, partly=self.audits) if self.odd_record else Known(self.audits)

    def _shown(self) -> Part[IdentityState]:
        if self.deleted or self.purged:
            return CouldNotLook("there is no such service principal (any more)", gone=True)
        if self.unreadable is not None:
            return self.unreadable
        if self.lag and self._stale is not None:
            self.lag -= 1
            return Known(replace(self._stale, read_at=self.clock()))
        return Known(replace(self.state, read_at=self.clock()))

    async def key_digests(self, application: AppObjectId) -> Mapping[str, str]:
        """Ours are the ones that came through `write_credentials`; every other key is somebody else's."""
        held = self.state.application
        keys = held.keys if held and held.object_id == application else ()
        return {key.key_id: hashlib.sha256(self.made.get(key.key_id, key.key_id.encode())).hexdigest() for key in keys}

    async def set_account_enabled(self, principal: PrincipalId, enabled: bool) -> None:
        self._change(f"accountEnabled={enabled}", replace(self.state, enabled=enabled))

    async def confirm_compromised(self, principals: Sequence[PrincipalId]) -> None:
        self._change("confirmCompromised", self.state)
        self.risk = RiskState("high", "confirmedCompromised", "adminConfirmedServicePrincipalCompromised", self.clock())

    async def set_application_disabled(self, application: AppObjectId, disabled: bool) -> None:
        if self.state.application is None or self.state.application.object_id != application:
            raise Gone("deactivating")
        self._change(f"isDisabled={disabled}", replace(self.state, deactivated=disabled))

    async def dismiss_risk(self, principals: Sequence[PrincipalId]) -> None:
        self._change("dismiss", self.state)
        self.risk = RiskState("none", "dismissed", "adminDismissedAllRiskForServicePrincipal", self.clock())

    async def cover_by_risk_policy(
        self, principal: PrincipalId, state: str, *, sent_before: bool, check: Check = unchecked
    ) -> PolicyCovers:
        assert isinstance(self.policies, Known)
        await check()
        if not self.policies.value:
            self._change("create policy", self.state)
            self.policies = Known((risk_policy(principal, state=state),))
            return PolicyCovers(POLICY_ID, "created")
        (policy,) = self.policies.value
        if principal in policy.included:
            return PolicyCovers(policy.id, "already")
        self._change("extend policy", self.state)
        self.policies = Known((replace(policy, included=(*policy.included, principal)),))
        return PolicyCovers(policy.id, "extended")

    async def leave_risk_policy(
        self, principal: PrincipalId, policy_id: str, *, delete_if_ours: bool, check: Check = unchecked
    ) -> None:
        assert isinstance(self.policies, Known)
        left = [replace(p, included=tuple(i for i in p.included if i != principal)) for p in self.policies.value]
        self._change("delete policy" if delete_if_ours else "leave policy", self.state)
        self.policies = Known(() if delete_if_ours else tuple(left))

    async def public_keys(self, holder: HolderKind, object_id: str) -> Mapping[str, str]:
        found = next(each for each in self.state.holders if each.object_id == object_id)
        return {key.key_id: b64encode(b"0" + key.key_id.encode()).decode() for key in found.keys}

    async def add_password(
        self, holder: HolderKind, object_id: str, name: str, expires: datetime, check: Check = unchecked
    ) -> NewPassword:
        await check()
        made = replace(password(700_000 + len(self.effects)), display_name=name, start=self.clock(), end=expires)
        self._change_holder(
            f"addPassword {name}", object_id, lambda held: replace(held, passwords=(*held.passwords, made))
        )
        return NewPassword(made.key_id, SecretValue(value_of(made)), expires)

    async def write_access(self, writes: Sequence[AccessWrite]) -> Sequence[WriteResult]:
        return [self._write_access(write) for write in writes]

    async def write_credentials(self, writes: Sequence[CredentialWrite]) -> Sequence[WriteResult]:
        return [self._write(write) for write in writes]

    async def transitive_groups(self, principal: PrincipalId) -> tuple[str, ...]:
        return self.groups

    async def count_enabled_principals(self) -> int:
        return 500

    def _write(self, write: CredentialWrite) -> WriteResult:
        try:
            match write:
                case SetInstanceLock(_, lock):
                    self._change(f"lock={lock.get('isEnabled')}", replace(self.state, instance_lock=dict(lock)))
                case RemovePassword(_, id_, key_id):
                    self._change_holder(f"removePassword {key_id}", id_, _without_password(key_id))
                case ReplaceKeys(_, id_, keep, add):
                    if add is not None:
                        self.made[certificate(900_000 + int(add.version)).key_id] = add.cer
                    self._change_holder(f"keyCredentials={len(keep) + bool(add)}", id_, _only_keys(keep, add))
                case RemoveFederated(_, id_, credential_id):
                    self._change_holder(f"removeFederated {credential_id}", id_, _without_federated(credential_id))
                case GiveBack(_, _, id_, taken):
                    self._change_holder(f"give federated {taken['name']}", id_, _with_federated(taken))
        except CordonError as error:
            return WriteRefused(error)
        return WriteDone()

    def _write_access(self, write: AccessWrite) -> WriteResult:
        try:
            match write:
                case SetInstanceLock():
                    return self._write(write)
                case SetTags(_, id_, tags):
                    self._change_holder(f"tags={','.join(tags)}", id_, lambda holder: replace(holder, tags=tags))
                    return WriteDone()
                case DeleteApplication() | RestoreDeleted() | PurgeDeleted():
                    return self._end(write)
                case SetAddresses(_, properties):
                    self._change(f"PATCH {','.join(properties)}", replace(self.state, addresses=self._with(properties)))
                    return WriteDone()
                case RemoveOwner(_, _, id_):
                    self._change(f"remove owner {id_}", self.state)
                    return self._set_owners(self._without_owner(write))
                case RemoveAppRole() | RemoveDelegatedGrant() | RemoveDirectoryRole():
                    return self._take(write)
                case GiveBack():
                    return self._give(write)
        except CordonError as error:
            return WriteRefused(error)

    def _end(self, write: DeleteApplication | RestoreDeleted | PurgeDeleted) -> WriteDone:
        application = self.state.application
        assert application is not None
        if isinstance(write, RestoreDeleted) and not self.deleted:
            raise Gone("restoring")
        self._change(type(write).__name__, self.state)
        match write:
            case DeleteApplication(id_):
                assert id_ == application.object_id
                already, self.deleted = self.deleted or self.purged, not self.purged
            case RestoreDeleted():
                already, self.deleted = False, False
            case PurgeDeleted(id_):
                already = not self.deleted
                both = id_ == self.state.identity.principal_id
                self.deleted, self.purged = self.deleted and not both, self.purged or both
        return WriteDone(already)

    def _with(self, properties: JsonObject) -> Addresses:
        held = self.state.addresses
        assert held is not None
        identifiers = properties.get("identifierUris", [*held.identifier_uris])
        assert isinstance(identifiers, list)
        platforms = {name: properties.get(name, value) for name, value in held.platforms.items()}
        return Addresses(platforms, tuple(str(each) for each in identifiers))

    def _take(self, write: RemoveAppRole | RemoveDelegatedGrant | RemoveDirectoryRole) -> WriteDone:
        id_ = write.grant_id if isinstance(write, RemoveDelegatedGrant) else write.assignment_id
        self._change(f"remove {id_}", self.state)
        assert isinstance(self.grants, Known)
        held = self.grants.value
        match write:
            case RemoveAppRole(principal):
                assert principal in {holder.object_id for holder in self.state.principals}
                left = replace(held, app_roles=_without(held.app_roles, id_))
            case RemoveDelegatedGrant():
                left = replace(held, delegated=_without(held.delegated, id_))
            case RemoveDirectoryRole():
                left = replace(held, directory_roles=_without(held.directory_roles, id_))
        self.grants = Known(left)
        return WriteDone(already=left == held)

    def _give(self, write: GiveBack) -> WriteDone:
        """Under the same id, which the real service would not give again."""
        self._change(f"give {write.kind} {write.taken['id']}", self.state)
        assert isinstance(self.grants, Known)
        assert isinstance(self.owners, Known)
        taken, held, owners = {k: v or None for k, v in write.taken.items()}, self.grants.value, self.owners.value
        id_ = str(taken["id"])
        match write.kind:
            case "app-role":
                role = AppRole(id_, str(taken["appRoleId"]), str(taken["resourceId"]), "", self.clock())
                self.grants = Known(replace(held, app_roles=_with(held.app_roles, role)))
            case "delegated-grant":
                user = taken["principalId"]
                grant = DelegatedGrant(
                    id_,
                    str(taken["consentType"]),
                    str(user) if user else None,
                    str(taken["resourceId"]),
                    str(taken["scope"]),
                )
                self.grants = Known(replace(held, delegated=_with(held.delegated, grant)))
            case "directory-role":
                given = DirectoryRole(id_, str(taken["roleDefinitionId"]), None, str(taken["directoryScopeId"]), None)
                self.grants = Known(replace(held, directory_roles=_with(held.directory_roles, given)))
            case _:
                owner = Owner(id_, "user", None)
                if write.holder is HolderKind.APPLICATION:
                    self.owners = Known(replace(owners, application=_with(owners.application, owner)))
                else:
                    self.owners = Known(replace(owners, principal=_with(owners.principal, owner)))
        return WriteDone()

    def _without_owner(self, write: RemoveOwner) -> Owners:
        assert isinstance(self.owners, Known)
        owners = self.owners.value
        if write.holder is HolderKind.APPLICATION:
            return replace(owners, application=_without(owners.application, write.owner_id))
        return replace(owners, principal=_without(owners.principal, write.owner_id))

    def _set_owners(self, owners: Owners) -> WriteDone:
        already = self.owners == Known(owners)
        self.owners = Known(owners)
        return WriteDone(already)

    def _change_holder(self, name: str, id_: str, change: Callable[[Holder], Holder]) -> None:
        state = self.state
        if state.application and state.application.object_id == id_:
            self._change(name, replace(state, application=change(state.application)))
            return
        if id_ not in {holder.object_id for holder in state.principals}:
            raise Gone(name)
        principals = tuple(change(h) if h.object_id == id_ else h for h in state.principals)
        self._change(name, replace(state, principals=principals))

    def _change(self, name: str, state: IdentityState) -> None:
        self.before_write(name)
        self._stale, self.state = self.state, state
        self.effects.append(name)
        self.after_write(name)


def _cordon_itself(state: IdentityState) -> IdentityState:
    identity = WorkloadIdentity(CORDON_PRINCIPAL, CORDON_CLIENT, None, "cordon-executor", IdentityKind.MANAGED_IDENTITY)
    return replace(state, identity=identity, application=None, principals=())


def _without(part: Part[tuple[H, ...]], id_: str) -> Known[tuple[H, ...]]:
    assert isinstance(part, Known)
    return Known(tuple(each for each in part.value if each.id != id_))


def _with(part: Part[tuple[H, ...]], one: H) -> Known[tuple[H, ...]]:
    assert isinstance(part, Known)
    return Known((*part.value, one))


def _with_federated(taken: JsonObject) -> Callable[[Holder], Holder]:
    made = FederatedCredential(
        str(taken["id"]), str(taken["name"]), str(taken["issuer"]), str(taken.get("subject")), dict(taken)
    )

    def change(holder: Holder) -> Holder:
        assert isinstance(holder.federated, Known)
        return replace(holder, federated=Known((*holder.federated.value, made)))

    return change


def _without_password(key_id: str) -> Callable[[Holder], Holder]:
    return lambda holder: replace(holder, passwords=tuple(p for p in holder.passwords if p.key_id != key_id))


def _without_federated(id_: str) -> Callable[[Holder], Holder]:
    def change(holder: Holder) -> Holder:
        assert isinstance(holder.federated, Known)
        return replace(holder, federated=Known(tuple(c for c in holder.federated.value if c.id != id_)))

    return change


def _key_again(entry: JsonObject) -> Key:
    raw = {**entry, "key": None}
    return Key(str(entry["keyId"]), str(entry["usage"]), str(entry["type"]), None, None, None, None, raw)


def _only_keys(keep: Sequence[JsonObject], add: NewCertificate | None) -> Callable[[Holder], Holder]:
    kept = {str(entry["keyId"]) for entry in keep}

    def change(holder: Holder) -> Holder:
        keys = [key for key in holder.keys if key.key_id in kept]
        there = {key.key_id for key in keys}
        keys += [_key_again(entry) for entry in keep if entry.get("key") and entry["keyId"] not in there]
        if add is not None:
            number = 900_000 + int(add.version)
            keys.append(certificate(number, group=add.thumbprint))
        return replace(holder, keys=tuple(keys))

    return change


@dataclass
class FakeVault:
    """A hand-over vault; `made` counts the certificates, which is what must never be two."""

    clock: Callable[[], datetime]
    made: int = 0
    after_make: Callable[[], None] = lambda: None
    _certificates: dict[tuple[str, str], NewCertificate] = field(default_factory=dict[tuple[str, str], NewCertificate])

    async def find_certificate(self, name: str, operation: str) -> NewCertificate | None:
        return self._certificates.get((name, operation))

    async def make_certificate(self, name: str, subject: str, operation: str) -> NewCertificate:
        self.made += 1
        made = NewCertificate(
            name, str(self.made), b"der", f"{self.made:040X}", self.clock(), self.clock() + timedelta(days=365)
        )
        self._certificates[name, operation] = made
        self.after_make()
        return made


@dataclass
class FakeFeeds:
    """Pages per feed; an exception among the pages is raised when its turn comes."""

    detections: list[Sequence[JsonObject] | CordonError] = field(
        default_factory=list[Sequence[JsonObject] | CordonError]
    )
    risky: list[Sequence[JsonObject] | CordonError] = field(default_factory=list[Sequence[JsonObject] | CordonError])
    log: list[JsonObject] = field(default_factory=list[JsonObject])
    fail_audits_after: int | None = None  # pages
    page_size: int = 100
    asked: list[tuple[datetime, datetime]] = field(default_factory=list[tuple[datetime, datetime]])
    failure: Callable[[], CordonError] = lambda: Gone("reading")
    sign_in_log: list[SignIn] = field(default_factory=list[SignIn])  # what it shows now
    sign_ins_fail: Exception | None = None
    everybodys: list[JsonObject] = field(default_factory=list[JsonObject])  # all workloads' sign-ins, raw
    all_sign_ins_asked: list[tuple[str, datetime, datetime]] = field(
        default_factory=list[tuple[str, datetime, datetime]]
    )
    sign_ins_asked: list[tuple[str, str, int, datetime]] = field(default_factory=list[tuple[str, str, int, datetime]])

    def risky_principals(self) -> AsyncIterator[Sequence[JsonObject]]:
        return _pages(self.risky)

    def risk_detections(self) -> AsyncIterator[Sequence[JsonObject]]:
        return _pages(self.detections)

    async def audits(self, since: datetime, until: datetime) -> AsyncIterator[Sequence[JsonObject]]:
        self.asked.append((since, until))
        due = [r for r in self.log if since <= datetime.fromisoformat(str(r["activityDateTime"])) < until]
        for number, start in enumerate(range(0, max(1, len(due)), self.page_size)):
            if self.fail_audits_after is not None and number >= self.fail_audits_after:
                raise self.failure()
            yield due[start : start + self.page_size]

    async def sign_ins(
        self, principal: PrincipalId, type_: SignInType, error_code: int, since: datetime
    ) -> AsyncIterator[Sequence[SignIn]]:
        self.sign_ins_asked.append((principal, type_, error_code, since))
        if self.sign_ins_fail is not None:
            raise self.sign_ins_fail
        found = [each for each in self.sign_in_log if each.error_code == error_code and each.at >= since]
        yield sorted(found, key=lambda each: each.at, reverse=True)

    async def all_sign_ins(
        self, type_: SignInType, since: datetime, until: datetime
    ) -> AsyncIterator[Sequence[JsonObject]]:
        self.all_sign_ins_asked.append((type_, since, until))
        if self.sign_ins_fail is not None:
            raise self.sign_ins_fail
        managed = type_ == "managedIdentity"
        due = [
            each
            for each in self.everybodys
            if since <= datetime.fromisoformat(str(each["createdDateTime"])) < until
            and (each.get("signInEventTypes") == ["managedIdentity"]) is managed
        ]
        for start in range(0, len(due), self.page_size):
            yield due[start : start + self.page_size]


async def _pages(pages: Sequence[Sequence[JsonObject] | CordonError]) -> AsyncIterator[Sequence[JsonObject]]:
    for page in pages:
        if isinstance(page, CordonError):
            raise page
        yield page


@dataclass
class FakeTopic:
    """Remembers what was published."""

    published: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    data: list[Mapping[str, object]] = field(default_factory=list[Mapping[str, object]])  # of each, in order
    down: CordonError | None = None

    async def publish(self, type: str, subject: str, id: str, data: Mapping[str, object]) -> None:
        if self.down is not None:
            raise self.down
        self.published.append((type, id))
        self.data.append(data)


class FakeSwitch:
    """The stop switch in memory."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self.unreadable: CordonError | None = None
        self.reads = 0

    async def why_stopped(self) -> str | None:
        self.reads += 1
        if self.unreadable is not None:
            raise self.unreadable
        return self.reason

    async def set(self, *, stopped: bool, reason: str, by: str) -> None:
        self.reason = f"{reason} ({by})" if stopped else None


VAULT = VaultSeen("/subscriptions/s1/resourcegroups/g/providers/microsoft.keyvault/vaults/kv-pay", "kv-pay", "s1", True)
OTHER_VAULT = replace(VAULT, id=VAULT.id.replace("kv-pay", "kv-old"), name="kv-old", rbac=False)


def role_grant(
    number: int,
    scope: str = VAULT.id,
    role: str = "Key Vault Secrets User",
    holder: str = PAYROLL,
    *,
    reads: bool = True,
) -> Grant:
    """A role assignment: one that reads, or else one by whose holder it can give itself the right to."""
    id_ = f"{scope}/providers/microsoft.authorization/roleassignments/{number:08d}-0000-4000-8000-000000000000"
    image: JsonObject = {"principalId": holder, "roleDefinitionId": f"/roles/{role}"}
    return Grant("role-assignment", id_, holder, scope, role, reads, not reads, image)


def policy_grant(vault: VaultSeen = OTHER_VAULT, role: str = "get, list", holder: str = PAYROLL) -> Grant:
    image: JsonObject = {"objectId": holder, "permissions": {"secrets": [*role.split(", ")]}}
    return Grant("access-policy", vault.id, holder, vault.id, role, reads=True, grants_itself=False, image=image)


@dataclass
class FakeAccess:
    """
    Grants on vaults, changed at once. `lagging` is what Resource Graph shows, where that is another; `unread` are the
    vaults whose grants cannot be read. `before_write` may raise what the real client raises.
    """

    vaults: tuple[VaultSeen, ...]
    grants: tuple[Grant, ...]
    lagging: tuple[Grant, ...] | None = None
    unseen: tuple[str, ...] = ()
    blind: tuple[str, ...] = ()
    subscriptions: tuple[str, ...] = ()
    unread: dict[str, CouldNotLook] = field(default_factory=dict[str, CouldNotLook])
    effects: list[str] = field(default_factory=list[str])
    before_write: Callable[[Grant], None] = lambda grant: None

    async def reach(
        self, principal: PrincipalId, groups: Part[tuple[str, ...]], since: datetime | None = None
    ) -> Reach:
        holders = (principal, *(groups.value if isinstance(groups, Known) else ()))
        shown = self.grants if self.lagging is None else self.lagging
        found = [
            Reached(vault, tuple(each for each in shown if each.holder in holders and _covers(each, vault)))
            for vault in self.vaults
        ]
        reached = tuple(each for each in found if each.grants)
        return Reach(reached, self.unseen, blind=self.blind, subscriptions=self.subscriptions)

    async def logged(self, vault: VaultSeen, since: datetime) -> Part[Logging]:
        return Known(Logging())

    async def deleted_vaults(self, since: datetime) -> Part[DeletedVaults]:
        return Known(DeletedVaults())

    async def grants_on(self, vault: VaultSeen, holder: str) -> Part[tuple[Grant, ...]]:
        if vault.name in self.unread:
            return self.unread[vault.name]
        return Known(tuple(each for each in self.grants if each.holder == holder and _covers(each, vault)))

    async def remove_grant(self, grant: Grant) -> None:
        self.before_write(grant)
        self.effects.append(f"remove {grant.role} at {grant.scope}")
        self.grants = tuple(each for each in self.grants if (each.id, each.holder) != (grant.id, grant.holder))

    async def restore_grant(self, grant: Grant) -> None:
        self.before_write(grant)
        self.effects.append(f"restore {grant.role} at {grant.scope}")
        self.grants = (*self.grants, grant)


def estate_of(access: Access) -> Estate:
    """An estate of which only the access is asked for."""
    return Estate(access, cast("SecretVaults", None), cast("Sources", None))


def _covers(grant: Grant, vault: VaultSeen) -> bool:
    return grant.scope == "/" or f"{grant.scope}/".startswith(f"{vault.id}/") or vault.id.startswith(f"{grant.scope}/")
