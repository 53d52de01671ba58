"""
What a look would have shown at a moment of the past: a window of the logs, and the tenant's objects in hindsight.

It answers as the client of Graph does, part by part. What the export does not hold is `CouldNotLook` with the reason,
and so is a log that begins too late for what the policy asks of it: an export is no proof of what lies before it.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TypeAlias, cast

from drill.backtest.hindsight import (
    APP_ROLES,
    AUDIENCE,
    DEACTIVATED,
    DELEGATED,
    ENABLED,
    FEDERATED,
    GONE,
    IDENTIFIER,
    KEYS,
    OWNERS,
    PUBLISHER,
    REDIRECT,
    ROLES,
    SIGN_OUT,
    UNTOLD,
    Hindsight,
    Past,
)
from drill.backtest.runs import to_ticks
from drill.backtest.shapes import Sort
from drill.backtest.sieve import Cover
from drill.backtest.snapshot import Snapshot, expanded_in
from shared.audit import GRANTS, LOOK_BACK, subject_of
from shared.case import (
    AppRole,
    AuditRecord,
    CouldNotLook,
    DelegatedGrant,
    DirectoryRole,
    FederatedCredential,
    Grants,
    Holder,
    IdentityState,
    Key,
    Known,
    Owner,
    Owners,
    Part,
    PartName,
    Password,
    RiskDetection,
    RiskState,
    SignIn,
    SignInLog,
)
from shared.clients.graph_requests import ATTEMPTS_BACK, SIGN_INS_BACK
from shared.clients.graph_shapes import (
    Unreadable,
    app_role_of,
    credentials_of,
    delegated_of,
    directory_role_of,
    federated_all,
    is_managed_identity,
    optional_texts_of,
    owner_of,
    state_of,
)
from shared.clients.sign_in_pages import PAGES
from shared.errors import MalformedSignal
from shared.identity import IdentityRef
from shared.signal import JsonObject, JsonValue
from shared.tenant import Gathered

MOST_SIGN_INS = PAGES * 1000
"""Of one identity: a live look reads no more pages either."""

_MOST_STATES = 8  # of one identity that are kept: what was changed is often changed back, or to and fro
_NEVER = datetime.min.replace(tzinfo=UTC)
_READ_LIVE = ("add app role assignment", "add delegated permission grant")
_NO_SNAPSHOT = CouldNotLook("the export holds no service principals and applications")
_OF_OTHER_PARTS = frozenset({OWNERS, APP_ROLES, DELEGATED, ROLES})
_NO_GROUPS = CouldNotLook("an export holds no groups")
_Credentials: TypeAlias = tuple[tuple[Password, ...], tuple[Key, ...]]
_Reader: TypeAlias = Callable[[str | None], object]
"""Reads one part of a service principal by its id."""
_LOST = "is not certain: the log shows a later change, and not what was there before"


@dataclass(slots=True)
class _Kept:
    """The window of one identity."""

    audits: deque[AuditRecord] = field(default_factory=deque[AuditRecord])
    issued: deque[SignIn] = field(default_factory=lambda: deque[SignIn](maxlen=MOST_SIGN_INS))
    attempts: deque[SignIn] = field(default_factory=lambda: deque[SignIn](maxlen=MOST_SIGN_INS))


@dataclass(frozen=True, slots=True)
class _Stated:
    """
    An identity as it was read, by what the log told then of every change of it: of that alone it is made. `keys` are
    the pasts of its credentials, `pasts` those of all else, and `alike` tells for each state of that one that was read.
    `held` are the credentials of either object, by what the log told of them: a change is of one of the two.
    """

    pasts: tuple[Past, ...]
    keys: tuple[Past, ...]
    parts: dict[tuple[object, ...], Part[IdentityState]] = field(
        default_factory=dict[tuple[object, ...], Part[IdentityState]]
    )
    alike: dict[tuple[object, ...], IdentityState] = field(default_factory=dict[tuple[object, ...], IdentityState])
    held: dict[tuple[str, object], _Credentials] = field(default_factory=dict[tuple[str, object], _Credentials])


@dataclass(slots=True)
class Memory:
    """Everything that could be looked at now. `look_back`: how far back the policy asks of the audit log."""

    snapshot: Snapshot
    hindsight: Hindsight
    covers: Mapping[Sort, Cover]
    tenant_id: str
    look_back: timedelta
    complete_from: datetime | None = None  # from when on the logs are whole, if somebody says so
    now: datetime = _NEVER
    _kept: dict[str, _Kept] = field(default_factory=dict[str, _Kept])
    _grants: dict[str, deque[AuditRecord]] = field(default_factory=dict[str, deque[AuditRecord]])
    _detections: dict[str, dict[str, RiskDetection]] = field(default_factory=dict[str, dict[str, RiskDetection]])
    _risk: dict[str, RiskState] = field(default_factory=dict[str, RiskState])
    _swept: datetime = _NEVER
    _as_of: int = 0
    _asked: frozenset[PartName] = frozenset()
    _read: tuple[tuple[str, _Reader], ...] = ()  # of what was asked for
    _unread: dict[str, CouldNotLook] = field(default_factory=dict[str, CouldNotLook])
    _wholes: dict[Sort, datetime | None] = field(default_factory=dict[Sort, datetime | None])
    _granted: dict[str, Known[Grants]] = field(default_factory=dict[str, Known[Grants]])
    _proven: Part[frozenset[str]] | None = None
    _steady: int | None = None  # how many are enabled of those that were never switched
    _switched: list[str] = field(default_factory=list[str])
    _states: dict[str, _Stated] = field(default_factory=dict[str, _Stated])
    _pasts: tuple[dict[str, list[Past]], dict[str, list[Past]]] | None = None

    # Taking in, in the order of time

    def audit(self, record: AuditRecord) -> None:
        targets = {target.id.lower() for target in record.targets if target.id}
        for id_ in targets:
            self._of(id_).audits.append(record)
        if record.activity.startswith(_READ_LIVE) and record.activity in GRANTS:
            client = subject_of(record)
            ids = {each for each in (client.principal_id, client.client_id) if each} if client else set[str]()
            for id_ in ids:
                self._grants.setdefault(id_, deque()).append(record)

    def sign_in(self, principal: str, record: SignIn) -> None:
        kept = self._of(principal)
        kept.attempts.append(record)
        if record.error_code == 0:
            kept.issued.append(record)

    def detection(self, principal: str, found: RiskDetection) -> None:
        self._detections.setdefault(principal, {})[found.id] = found

    def risk(self, principal: str, found: RiskState) -> None:
        self._risk[principal] = found

    def _of(self, id_: str) -> _Kept:
        kept = self._kept.get(id_)
        if kept is None:
            kept = self._kept[id_] = _Kept()
        return kept

    def move_to(self, now: datetime, as_of: datetime | None = None) -> None:
        """
        Go on to this moment; once a day, forget what no look would show any more. `as_of`: whose objects are shown,
        where something was changed since that is not to count.
        """
        self.now, self._as_of = now, to_ticks(as_of or now)
        if now - self._swept < timedelta(days=1):
            return
        self._swept = now
        audits, issued, attempts = now - LOOK_BACK, now - SIGN_INS_BACK, now - ATTEMPTS_BACK
        for id_, kept in list(self._kept.items()):
            if kept.audits and kept.audits[0].at < audits:
                _forget(kept.audits, audits)
            if kept.attempts and kept.attempts[0].at < attempts:
                _forget(kept.attempts, attempts)
            if kept.issued and kept.issued[0].at < issued:
                _forget(kept.issued, issued)
            if not (kept.audits or kept.issued or kept.attempts):
                del self._kept[id_]
        for id_, records in list(self._grants.items()):
            _forget(records, now - LOOK_BACK)
            if not records:
                del self._grants[id_]

    def enabled(self) -> int | None:
        """How many service principals may sign in now; None if the export does not hold them."""
        if self.snapshot.is_empty:
            return None
        if self._steady is None:
            self._switched = [id_ for id_ in self.snapshot.principals if (id_, ENABLED, "") in self.hindsight.pasts]
            steady = self.snapshot.principals.keys() - set(self._switched)
            self._steady = sum(self._shown_enabled(id_) is True for id_ in steady)
        ticks, at = self._as_of, self.hindsight.at
        switched = (at((id_, ENABLED, ""), ticks, self._shown_enabled(id_)) for id_ in self._switched)
        return self._steady + sum(each is True for each in switched)

    def _shown_enabled(self, principal: str) -> JsonValue:
        return self.snapshot.principals[principal].get("accountEnabled")

    # Looking, as `shared.tenant.Directory` does

    async def look(self, subject: IdentityRef, parts: frozenset[PartName]) -> Gathered:
        """
        What is asked for, and whatever anybody has asked for before: a look costs nothing here, and the more it shows,
        the fewer times the rules are gone through. What they say in the end is the same.
        """
        principal = self.snapshot.principal_id(subject)
        if not parts <= self._asked:
            self._ask(self._asked | parts)
        found: dict[str, object] = {name: _part(read, principal) for name, read in self._read}
        return Gathered(**found, **self._unread)  # pyright: ignore[reportArgumentType]

    def _ask(self, parts: frozenset[PartName]) -> None:
        """Go on to read these, as far as an export tells them."""
        readers: Mapping[PartName, _Reader] = {
            PartName.IDENTITY: self._identity,
            PartName.GRANTS: self._grants_of,
            PartName.OWNERS: self._owners,
            PartName.DOMAINS: self._domains,
            PartName.DETECTIONS: self._detections_of,
            PartName.RISK: self._risk_of,
            PartName.AUDITS: self._audits,
            PartName.GRANT_AUDITS: self._grant_audits,
            PartName.SIGN_INS: self._issued,
            PartName.ATTEMPTS: self._attempts,
        }
        self._asked = parts
        self._read = tuple((part.value, read) for part, read in readers.items() if part in parts)
        self._unread = {part.value: _not_replayed(part) for part in parts - readers.keys()}

    async def look_at_people(self, gathered: Gathered, parts: frozenset[PartName], now: datetime) -> Gathered:
        """People, their risk and their sign-ins are in logs that are not read here."""
        return Gathered(**{part.value: _not_replayed(part) for part in parts})  # pyright: ignore[reportArgumentType]

    async def risk_of_users(self, users: Sequence[str]) -> Mapping[str, Part[RiskState | None]]:
        """The same."""
        return dict.fromkeys(users, CouldNotLook("a backtest does not replay the risk of users"))

    async def find_deleted(self, subject: IdentityRef) -> IdentityState | None:
        """What was deleted meanwhile is not in the export."""
        return None

    def _identity(self, principal: str | None) -> Part[IdentityState]:
        """Made once for as long as the log tells of no change: an identity is looked at far more often than that."""
        if self.snapshot.is_empty:
            return _NO_SNAPSHOT
        record = self.snapshot.principals.get(principal or "")
        if principal is None or record is None:
            return CouldNotLook("the exported service principals do not hold it: it was deleted since, or never there")
        application_id = self.snapshot.application_id(principal)
        known = self._states.get(principal)
        if known is None:
            known = self._states[principal] = _Stated(*self._pasts_of(principal, application_id))
        told = tuple([each.at(self._as_of, None) for each in known.pasts])
        whole = (told, *[each.at(self._as_of, None) for each in known.keys])
        part = known.parts.get(whole)
        if part is None:
            if len(known.parts) >= _MOST_STATES:
                known.parts.clear()
                known.alike.clear()
                known.held.clear()
            alike = known.alike.get(told)
            if alike is None:
                part = self._read_identity(record, principal, application_id)
            else:
                part = self._with_other_keys(known, alike, record, principal, application_id)
            if isinstance(part, Known):
                known.alike[told] = part.value
            known.parts[whole] = part
        if not isinstance(part, Known) or part.value.read_at == self.now:
            return part
        return Known(replace(part.value, read_at=self.now))

    def _pasts_of(self, *ids: str | None) -> tuple[tuple[Past, ...], tuple[Past, ...]]:
        """Of whatever the log tells of these objects, but for what is read as a part of its own; credentials apart."""
        if self._pasts is None:
            by_object = self.hindsight.by_object
            self._pasts = by_object(without=_OF_OTHER_PARTS | {KEYS}), by_object(only=frozenset({KEYS}))
        others, keys = (tuple(past for id_ in ids if id_ for past in each.get(id_, ())) for each in self._pasts)
        return others, keys

    def _with_other_keys(
        self,
        known: _Stated,
        alike: IdentityState,
        record: JsonObject,
        principal: str,
        application_id: str | None,
    ) -> Part[IdentityState]:
        """The same identity, of which nothing but credentials was changed: most changes are of those."""
        application = self.snapshot.applications.get(application_id) if application_id else None
        had = self._held(known, record, principal)
        had_application = self._held(known, application, application_id or "") if application else None
        if had is None or (application is not None and had_application is None):
            return CouldNotLook(f"which credentials it had {_LOST}")
        ours = alike.application
        return Known(
            replace(
                alike,
                read_at=self.now,
                principals=tuple([_holding(each, had) for each in alike.principals]),
                application=_holding(ours, had_application) if ours and had_application is not None else ours,
            )
        )

    def _held(self, known: _Stated, record: JsonObject, object_id: str) -> _Credentials | None:
        """The credentials that one object had; None if they are not certain."""
        told = self.hindsight.at((object_id, KEYS, ""), self._as_of, None)
        held = known.held.get((object_id, told))
        if held is None and (shown := self._keys(record, object_id, self._as_of)) is not None:
            held = known.held[object_id, told] = credentials_of(shown)
        return held

    def _read_identity(self, record: JsonObject, principal: str, application_id: str | None) -> Part[IdentityState]:
        application = self.snapshot.applications.get(application_id) if application_id else None
        ticks = self._as_of
        if application and application_id:
            audience = self.hindsight.at((application_id, AUDIENCE, ""), ticks, application.get("signInAudience"))
            if audience is UNTOLD:
                return CouldNotLook(f"whether other tenants could use it {_LOST}")
            application = {**application, "signInAudience": cast("JsonValue", audience)}
        enabled = self.hindsight.at((principal, ENABLED, ""), ticks, record.get("accountEnabled"))
        if not isinstance(enabled, bool):
            return CouldNotLook(f"whether sign-in was blocked {_LOST}")
        shown = self._with_keys({**record, "accountEnabled": enabled}, principal, ticks)
        shown_application = self._with_keys(application, application_id or "", ticks) if application else None
        if shown is None or (application is not None and shown_application is None):
            return CouldNotLook(f"which credentials it had {_LOST}")
        addressed = self._with_addresses(shown_application, application_id or "", ticks) if shown_application else None
        state = state_of(
            self._with_reply_urls(shown, principal, ticks),
            addressed or shown_application,
            federated_of_principal=self._federated(record, principal, ticks),
            federated_of_application=self._federated(application or {}, application_id or "", ticks),
            tenant_id=self.tenant_id,
            read_at=self.now,
        )
        return Known(self._blurred(state, principal, application_id or principal, ticks, addressed=bool(addressed)))

    def _blurred(
        self, state: IdentityState, principal: str, application: str, ticks: int, *, addressed: bool
    ) -> IdentityState:
        """What a state can say that it does not know."""
        certain = self.hindsight.is_certain
        told = (PUBLISHER, REDIRECT, SIGN_OUT)
        same = all(certain(principal, what, ticks) for what in told) and certain(application, PUBLISHER, ticks)
        return replace(
            state,
            addresses=state.addresses if addressed else None,
            provenance=state.provenance if same else None,
            deactivated=state.deactivated if certain(application, DEACTIVATED, ticks) else None,
        )

    def _with_addresses(self, record: JsonObject, object_id: str, ticks: int) -> JsonObject | None:
        """The application with the addresses that it had; None if they are not certain."""
        redirects, identifiers, sign_out = (
            self.hindsight.at((object_id, what, ""), ticks, None) for what in (REDIRECT, IDENTIFIER, SIGN_OUT)
        )
        if UNTOLD in (redirects, identifiers, sign_out):
            return None
        found: JsonObject = dict(record)
        if redirects is not None:
            platforms = _platforms(record, cast("frozenset[tuple[str, str]]", redirects))
            if platforms is None:
                return None
            found |= platforms
        if identifiers is not None:
            found["identifierUris"] = [*_plain(identifiers)]
        if sign_out is not None:
            found["web"] = {**_object(found.get("web")), "logoutUrl": next(iter(_plain(sign_out)), None)}
        return found

    def _with_reply_urls(self, record: JsonObject, object_id: str, ticks: int) -> JsonObject:
        """The service principal with its copies of the addresses, where the log tells them."""
        found: JsonObject = dict(record)
        replies, sign_out = (self.hindsight.at((object_id, what, ""), ticks, None) for what in (REDIRECT, SIGN_OUT))
        if _told(replies):
            found["replyUrls"] = [*_plain(replies)]
        if _told(sign_out):
            found["logoutUrl"] = next(iter(_plain(sign_out)), None)
        return found

    def _with_keys(self, record: JsonObject, object_id: str, ticks: int) -> JsonObject | None:
        """The object with the credentials that it had; None if they are not certain."""
        found = self._keys(record, object_id, ticks)
        return None if found is None else record if found is record else {**record, **found}

    def _keys(self, record: JsonObject, object_id: str, ticks: int) -> JsonObject | None:
        """An object's two lists of credentials as they were: the object itself where they are as it shows them."""
        told = self.hindsight.at((object_id, KEYS, ""), ticks, None)
        if told is None:
            return record
        if not isinstance(told, tuple):
            return None
        passwords, keys = _by_id(record.get("passwordCredentials")), _by_id(record.get("keyCredentials"))
        had = cast("Sequence[tuple[str, str, str, str]]", told)
        return {
            "passwordCredentials": [
                passwords.get(id_) or _password(id_, name) for id_, type_, _, name in had if type_ == "Password"
            ],
            "keyCredentials": [
                keys.get(id_) or _key(id_, type_, usage, name) for id_, type_, usage, name in had if type_ != "Password"
            ],
        }

    def _federated(self, record: JsonObject, object_id: str, ticks: int) -> Part[tuple[FederatedCredential, ...]]:
        if not self.hindsight.is_certain(object_id, FEDERATED, ticks):
            return CouldNotLook(f"which federated credentials it had {_LOST}")
        found = expanded_in(record, "federatedIdentityCredentials")
        if found is None:
            return CouldNotLook("the export does not show federated credentials ($expand=federatedIdentityCredentials)")
        return Known(federated_all(found))

    def _grants_of(self, principal: str | None) -> Part[Grants]:
        if self.snapshot.is_empty or principal is None:
            return _NO_SNAPSHOT
        known = self._granted.get(principal)
        if known is None:
            app_roles = self._app_roles(principal)
            known = Known(Grants(app_roles, self._delegated(principal), self._roles(principal), groups=_NO_GROUPS))
            if self._is_steady(principal, app_roles):
                self._granted[principal] = known
        return known

    def _is_steady(self, principal: str, app_roles: Part[tuple[AppRole, ...]]) -> bool:
        """Whether it holds the same all the time: the log tells of no change, and no role of the day it was given."""
        told = self.hindsight.items
        dated = isinstance(app_roles, Known) and any(each.created for each in app_roles.value)
        names = self._both_names(principal)
        return not dated and not any((name, what) in told for name in names for what in (APP_ROLES, DELEGATED, ROLES))

    def _app_roles(self, principal: str) -> Part[tuple[AppRole, ...]]:
        found, ticks = self.snapshot.app_roles_of(principal), self._as_of
        if found is None:
            return CouldNotLook("the export does not show its app roles ($expand=appRoleAssignments)")
        roles = {f"{each.resource_id}/{each.role_id}": each for each in (app_role_of(e, principal) for e in found)}
        names = self._both_names(principal)
        if not all(self.hindsight.is_certain(name, APP_ROLES, ticks) for name in names):
            return CouldNotLook(f"which app roles it had {_LOST}")
        for name in names:
            for item in self.hindsight.named(name, APP_ROLES):
                had = self.hindsight.at((name, APP_ROLES, item), ticks, roles.get(item, GONE))
                if had is GONE:
                    roles.pop(item, None)
                elif item not in roles:
                    resource, _, role = item.partition("/")
                    roles[item] = AppRole("taken back since", role, resource, "", None)
        return Known(tuple(each for each in roles.values() if each.created is None or each.created <= self.now))

    def _delegated(self, principal: str) -> Part[tuple[DelegatedGrant, ...]]:
        expanded = expanded_in(self.snapshot.principals.get(principal, {}), "oauth2PermissionGrants")
        if expanded is None and Sort.DELEGATED not in self.snapshot.lists:
            return CouldNotLook("the export does not hold the delegated grants (oauth2PermissionGrants)")
        if not all(self.hindsight.is_certain(n, DELEGATED, self._as_of) for n in self._both_names(principal)):
            return CouldNotLook(f"which delegated grants it had {_LOST}")
        found = self.snapshot.delegated.get(principal, ()) if expanded is None else expanded
        return Known(tuple(delegated_of(each, principal) for each in found))

    def _roles(self, principal: str) -> Part[tuple[DirectoryRole, ...]]:
        if Sort.DIRECTORY_ROLE not in self.snapshot.lists:
            return CouldNotLook("the export does not hold the role assignments (roleManagement/directory)")
        if not self.hindsight.is_certain(principal, ROLES, self._as_of):
            return CouldNotLook(f"which directory roles it had {_LOST}")
        return Known(tuple(directory_role_of(each, principal) for each in self.snapshot.roles.get(principal, ())))

    def _both_names(self, principal: str) -> tuple[str, ...]:
        record = self.snapshot.principals.get(principal)
        return (principal, str(record.get("appId")).lower()) if record else (principal,)

    def _owners(self, principal: str | None) -> Part[Owners]:
        record = self.snapshot.principals.get(principal or "")
        if principal is None or record is None:
            return _NO_SNAPSHOT
        application_id = self.snapshot.application_id(principal)
        application = self.snapshot.applications.get(application_id or "", {})
        return Known(Owners(self._owned(application, application_id or ""), self._owned(record, principal)))

    def _owned(self, record: JsonObject, object_id: str) -> Part[tuple[Owner, ...]]:
        found, ticks = expanded_in(record, "owners"), self._as_of
        if found is None:
            return CouldNotLook("the export does not show its owners ($expand=owners)")
        if not self.hindsight.is_certain(object_id, OWNERS, ticks):
            return CouldNotLook(f"who owned it {_LOST}")
        owners = {each.id: each for each in map(owner_of, found)}
        for id_ in self.hindsight.named(object_id, OWNERS):
            had = self.hindsight.at((object_id, OWNERS, id_), ticks, owners.get(id_, GONE))
            if had is GONE:
                owners.pop(id_, None)
            elif id_ not in owners:
                type_ = str(had)
                owners[id_] = Owner(id_, type_[:1].lower() + type_[1:] or None, None)
        return Known(tuple(owners.values()))

    def _domains(self, _: str | None) -> Part[frozenset[str]]:
        """As the export shows them: the log tells of no change of them that could be taken back."""
        if self._proven is None:
            self._proven = self._verified()
        return self._proven

    def _verified(self) -> Part[frozenset[str]]:
        verified = [name.casefold() for name, each in self.snapshot.domains.items() if each.get("isVerified") is True]
        return Known(frozenset(verified)) if verified else CouldNotLook("the export does not hold the tenant's domains")

    def _detections_of(self, principal: str | None) -> Part[tuple[RiskDetection, ...]]:
        if missing := self._missing(Sort.DETECTION):
            return missing
        return Known(tuple(self._detections.get(principal or "", {}).values()))

    def _risk_of(self, principal: str | None) -> Part[RiskState | None]:
        return self._missing(Sort.RISK) or Known(self._risk.get(principal or ""))

    def _audits(self, principal: str | None) -> Part[tuple[AuditRecord, ...]]:
        if missing := self._missing(Sort.AUDIT) or self._too_early(Sort.AUDIT, self.look_back):
            return missing
        if principal not in self.snapshot.principals:
            return _NO_SNAPSHOT
        since = self.now - LOOK_BACK
        found = dict[str, AuditRecord]()
        for id_ in (principal, self.snapshot.application_id(principal)):
            if id_ in self._kept:
                records = self._kept[id_].audits
                _forget(records, since)
                found.update((each.id, each) for each in records)
        return Known(tuple(found.values()))

    def _grant_audits(self, principal: str | None) -> Part[tuple[AuditRecord, ...]]:
        if missing := self._missing(Sort.AUDIT) or self._too_early(Sort.AUDIT, self.look_back):
            return missing
        if principal not in self.snapshot.principals:
            return _NO_SNAPSHOT
        found = dict[str, AuditRecord]()
        for id_ in self._both_names(principal):
            records = self._grants.get(id_, deque())
            _forget(records, self.now - LOOK_BACK)
            found.update((each.id, each) for each in records)
        return Known(tuple(found.values()))

    def _issued(self, principal: str | None) -> Part[SignInLog]:
        return self._sign_ins(principal, SIGN_INS_BACK)

    def _attempts(self, principal: str | None) -> Part[SignInLog]:
        return self._sign_ins(principal, ATTEMPTS_BACK)

    def _sign_ins(self, principal: str | None, back: timedelta) -> Part[SignInLog]:
        record = self.snapshot.principals.get(principal or "")
        if principal is None or record is None:
            return _NO_SNAPSHOT
        sort = Sort.MANAGED_SIGN_IN if is_managed_identity(record) else Sort.SIGN_IN
        if missing := self._missing(sort):
            return missing
        asked, kept = self.now - back, self._kept.get(principal)
        records = list[SignIn]()
        if kept:
            held = kept.issued if back is SIGN_INS_BACK else kept.attempts
            _forget(held, asked)
            records = [*reversed(held)]
        since = max(asked, self._begins(sort) or self.now)
        if len(records) >= MOST_SIGN_INS:
            since = max(since, records[-1].at)
        return Known(SignInLog(tuple(records), since, cut_short=since > asked))

    def _missing(self, sort: Sort) -> CouldNotLook | None:
        return None if sort in self.covers else CouldNotLook(f"the export holds no {sort.value}")

    def _too_early(self, sort: Sort, needed: timedelta) -> CouldNotLook | None:
        begins = self._begins(sort)
        if begins is not None and begins <= self.now - needed:
            return None
        return CouldNotLook(f"the export's {sort.value} begin less than {needed} before it")

    def _begins(self, sort: Sort) -> datetime | None:
        """From when on a log is whole."""
        if sort not in self._wholes:
            self._wholes[sort] = self._whole_from(sort)
        return self._wholes[sort]

    def _whole_from(self, sort: Sort) -> datetime | None:
        first = self.covers[sort].first if sort in self.covers else ""
        begins = datetime.fromisoformat(first).replace(tzinfo=UTC) if first else None
        if self.complete_from is None:
            return begins
        return min(begins, self.complete_from) if begins else self.complete_from


def _holding(holder: Holder, had: _Credentials) -> Holder:
    """The same object with these credentials."""
    passwords, keys = had
    same = passwords == holder.passwords and keys == holder.keys
    return holder if same else replace(holder, passwords=passwords, keys=keys)


def _part(read: _Reader, principal: str | None) -> object:
    try:
        return read(principal)
    except (Unreadable, MalformedSignal) as problem:
        return CouldNotLook(f"the export cannot be read here: {problem}")


@cache
def _not_replayed(part: PartName) -> CouldNotLook:
    return CouldNotLook(f"a backtest does not replay this part ({part.value.replace('_', ' ')})")


def _forget(records: "deque[AuditRecord] | deque[SignIn]", before: datetime) -> None:
    while records and records[0].at < before:
        records.popleft()


def _plain(told: object) -> list[str]:
    """The addresses of one side of a change."""
    return sorted(address for address, _ in cast("frozenset[tuple[str, str]]", told))


def _told(side: object) -> bool:
    return isinstance(side, frozenset)


_PLATFORMS = ("web", "spa", "publicClient")


def _platforms(record: JsonObject, told: frozenset[tuple[str, str]]) -> dict[str, JsonObject] | None:
    """
    An application's platforms with these redirect URIs. The log gives a platform by a number that is documented
    nowhere: of an address that is gone since, it is told by another of the same number that is still there. None if
    there is no such other, or they do not agree.
    """
    here = {uri: name for name in _PLATFORMS for uri in optional_texts_of(_object(record.get(name)), "redirectUris")}
    numbers: dict[str, set[str]] = {}
    for address, number in told:
        if address in here:
            numbers.setdefault(number, set()).add(here[address])
    found: dict[str, list[JsonValue]] = {name: [] for name in _PLATFORMS}
    for address, number in sorted(told):
        names = {here[address]} if address in here else numbers.get(number, set())
        if len(names) != 1:
            return None
        found[next(iter(names))].append(address)
    return {name: {**_object(record.get(name)), "redirectUris": uris} for name, uris in found.items()}


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _by_id(entries: JsonValue) -> dict[str, JsonObject]:
    found = [each for each in entries if isinstance(each, dict)] if isinstance(entries, list) else []
    return {str(each.get("keyId")).lower(): each for each in found}


def _password(id_: str, name: str) -> JsonObject:
    """A secret that is gone since: the log tells its id and its name, and no dates."""
    return {"keyId": id_, "displayName": name or None, "startDateTime": None, "endDateTime": None}


def _key(id_: str, type_: str, usage: str, name: str) -> JsonObject:
    return {**_password(id_, name), "type": type_, "usage": usage, "customKeyIdentifier": None, "key": None}
