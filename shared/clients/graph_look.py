"""
One look at an identity: as few round trips as the known ids allow, and every answer judged alone.

    ids in the subject                  round trips
    client id (with or without others)  1, and 1 more where a principal id is needed for risk or audits
    principal id and application id     1
    principal id or application id      2: the first tells the client id

The ids that the subject claims are checked against what Graph says of each object; nothing else of a
signal is used. A 404 may come from a replica that lags, so a surprising one is asked again.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from shared.audit import LOOK_BACK, read_audit, subject_of
from shared.case import (
    AuditRecord,
    CouldNotLook,
    DirectoryRole,
    FederatedCredential,
    Grants,
    HolderKind,
    IdentityState,
    KeyUse,
    Known,
    Membership,
    NotLooked,
    Owner,
    Owners,
    Part,
    PartName,
    RiskDetection,
    RiskPolicy,
    RiskState,
    SignInLog,
    records_in,
)
from shared.clients.answers import NO_SUCH_SEGMENT, VERSION, Call
from shared.clients.batch import MOST
from shared.clients.graph_http import GraphHttp, Outcome, read_page
from shared.clients.graph_requests import (
    ATTEMPTS_BACK,
    SIGN_INS_BACK,
    Ask,
    Ids,
    call_for,
    federated_call,
    group_roles_call,
)
from shared.clients.graph_shapes import (
    Unreadable,
    app_role_of,
    delegated_of,
    directory_role_of,
    federated_all,
    flag_of,
    guid_of,
    holder_of,
    is_managed_identity,
    is_owned_elsewhere,
    key_use_of,
    may_give_roles,
    membership_of,
    own_policies,
    owner_of,
    public_keys_of,
    risk_policy_of,
    state_of,
    text_of,
)
from shared.clients.sign_in_pages import PagesRead, log_of, read_within_budget
from shared.errors import CordonError, Gone, MalformedSignal, PlatformRefused, TimeMayHelp, UnavailableInCloud
from shared.identity import IdentityRef
from shared.risk import read_detection, read_risk_state
from shared.signal import JsonObject
from shared.tenant import Gathered

T = TypeVar("T")

_PAUSES = (1.0, 3.0, 8.0, 20.0)  # before a surprising 404 is asked again
# How many of them are waited out. An identity that is not there ends its incident, so that is looked at longest.
_FOR_IDENTITY, _FOR_APPLICATION, _FOR_FEDERATED = 4, 2, 1


_LISTS = frozenset(Ask) - {Ask.PRINCIPAL, Ask.APPLICATION, Ask.RISK, Ask.PUBLIC_KEYS}
# Not worth a round trip of their own: Entra allows one service principal per application and tenant, and who needs
# the keys can ask for them.
_ALONG = frozenset({Ask.PRINCIPALS, Ask.PUBLIC_KEYS})
_BUDGETED = frozenset({Ask.SIGN_INS, Ask.ATTEMPTS})
# What is read of workloads and of managed identities in different places.
_OF_SIGN_INS = {PartName.SIGN_INS, PartName.ATTEMPTS, PartName.OLDER_SIGN_INS, PartName.GRAPH_ACTIVITY}
_BELOW = {Ask.PRINCIPAL: Ask.FEDERATED_PRINCIPAL, Ask.APPLICATION: Ask.FEDERATED_APPLICATION}
_PROTECTION_PARTS = {PartName.DETECTIONS, PartName.RISK, PartName.CA_POLICY}  # not in every cloud


class Contradiction(Exception):
    """The ids of the subject do not belong together."""


class Looking:
    """The state of one look. Make it, `run` it, throw it away."""

    def __init__(
        self, http: GraphHttp, subject: IdentityRef, parts: frozenset[PartName], tenant_id: str, cloud: str | None
    ) -> None:
        """`cloud` names a cloud without identity protection; None where it is there."""
        self._http, self._subject, self._tenant_id, self._cloud = http, subject, tenant_id, cloud
        self._parts = parts
        self._ids = Ids.of(subject)
        self._since = http.clock() - LOOK_BACK
        self._calls: dict[Ask, Call] = {}
        self._found: dict[Ask, Outcome] = {}
        self._pages: dict[Ask, PagesRead] = {}
        self._siblings: list[tuple[JsonObject, Outcome]] = []
        self._group_roles: Part[tuple[DirectoryRole, ...]] = Known(())

    async def run(self) -> Gathered:
        """Ask, and put together what came back. Never raises for a part."""
        read_at = self._http.clock()
        try:
            await self._ask_all()
            await self._ask_again()
            await self._ask_siblings()
            await self._ask_groups()
        except Contradiction as problem:
            self._ids = Ids(None, None, None)
            return _nothing(self._parts, CouldNotLook(str(problem)))
        except Unreadable as problem:
            self._ids = Ids(None, None, None)
            return _nothing(self._parts, CouldNotLook(f"an answer could not be read: {problem}"))
        return self._gathered(read_at)

    @property
    def ids(self) -> Ids:
        """What Graph has told of the identity's ids; none where its answers contradict the subject."""
        return self._ids

    # Asking

    async def _ask_all(self) -> None:
        """Round after round, until everything that is wanted and can be addressed has an answer."""
        while calls := self._due():
            now = {ask: call for ask, call in calls.items() if self._may_join(call)}
            if now:
                outcomes = await self._http.send_all(list(now.values()))
            else:
                ask, call = next(iter(calls.items()))
                now = {ask: call}
                outcomes = [await _caught(self._http.send(call))]
            self._calls |= now
            self._found |= dict(zip(now, outcomes, strict=True))
            for ask in now:
                await self._read_on(ask)
            self._learn()

    def _may_join(self, call: Call) -> bool:
        """Calls with a quota join the batch only if they need not wait: nothing slow holds up the rest."""
        if call.version != VERSION:  # what is only in beta is never sent in a batch
            return False
        if call.quota is None:
            return True
        spare = call.quota.requests // 2 if call.rides else 0  # for those who cannot do without
        return self._http.pacing.try_take(call.quota, spare=spare)

    async def _read_on(self, ask: Ask) -> None:
        """Fetch the further pages of a list, so that its outcome holds all records or is an error."""
        body = self._found[ask]
        if ask not in _LISTS or isinstance(body, CordonError):
            return
        try:
            if ask in _BUDGETED:
                self._pages[ask] = await read_within_budget(self._http, self._calls[ask], body)
                return
            if body.get("@odata.nextLink") is None:
                read_page(self._calls[ask], body)
                return
            records = [each async for page in self._http.pages(self._calls[ask], body) for each in page]
            self._found[ask] = {"value": list(records)}
        except CordonError as error:
            self._found[ask] = error.with_traceback(None)  # which holds us: all of the incident would be in one ring

    async def _ask_again(self) -> None:
        for number, pause in enumerate(_PAUSES):
            doubtful = {ask for ask, pauses in self._doubts() if number < pauses and self._is_gone(ask)}
            if not doubtful:
                return
            await asyncio.sleep(pause)
            for ask in (*doubtful, *(below for ask, below in _BELOW.items() if ask in doubtful)):
                self._found.pop(ask, None)
            await self._ask_all()

    async def _ask_siblings(self) -> None:
        """Further service principals of the application. Entra allows one, so this is for the day it does not."""
        if self._record(Ask.PRINCIPAL) is None:
            return
        others = [each for each in self._records(Ask.PRINCIPALS) if guid_of(each, "id") != self._ids.principal]
        if not others:
            return
        if len(others) > MOST:
            raise Unreadable(f"{len(others) + 1} service principals of one application")
        calls = [federated_call(f"/servicePrincipals/{guid_of(each, 'id')}") for each in others]
        self._siblings = list(zip(others, await self._http.send_all(calls), strict=True))

    async def _ask_groups(self) -> None:
        """The roles of the groups that may have any. Most identities are in none, and nothing is asked of them."""
        try:
            groups = [guid_of(each, "id") for each in self._records(Ask.GROUPS) if may_give_roles(each)]
            if len(groups) > MOST:
                why = f"it is in {len(groups)} groups that roles can be given to, and {MOST} at most are looked at"
                self._group_roles = CouldNotLook(why)
            elif groups:
                self._group_roles = Known(tuple(await self._roles_of(groups)))
        except CordonError as error:
            self._group_roles = _unread(error)
        except Unreadable as problem:
            self._group_roles = CouldNotLook(f"the directory roles of its groups could not be read: {problem}")

    async def _roles_of(self, groups: Sequence[str]) -> list[DirectoryRole]:
        calls, found = [group_roles_call(each) for each in groups], list[DirectoryRole]()
        for group, call, first in zip(groups, calls, await self._http.send_all(calls), strict=True):
            if isinstance(first, CordonError):
                raise first
            async for page in self._http.pages(call, first):
                found += [replace(directory_role_of(each, group), through=group) for each in page]
        return found

    def _due(self) -> dict[Ask, Call]:
        """What is wanted, can be addressed and was not asked yet."""
        open_asks = [ask for ask in self._wanted() if ask not in self._found]
        if self._found and _ALONG.issuperset(open_asks):
            return {}
        calls = ((ask, call_for(ask, self._ids, self._since)) for ask in open_asks)
        due = {ask: call for ask, call in calls if call is not None}
        if self._found and due.keys() <= _ALONG:
            return {}
        return due

    def _wanted(self) -> Iterator[Ask]:
        identity, audits = PartName.IDENTITY in self._parts, PartName.AUDITS in self._parts
        protection = bool({PartName.DETECTIONS, PartName.RISK} & self._parts) and self._cloud is None
        grants = PartName.GRANTS in self._parts
        given = PartName.GRANT_AUDITS in self._parts
        needs_principal = protection or grants or given
        sign_ins = bool(_OF_SIGN_INS & self._parts)
        no_principal = self._ids.principal is None
        no_application = self._ids.application is None
        app_unknown = audits and (no_application or Ask.APPLICATION in self._found)
        wanted = (
            (
                Ask.PRINCIPAL,
                identity
                or ((needs_principal or audits) and (no_principal or app_unknown))
                or ((given or PartName.KEY_USE in self._parts) and self._ids.client is None)
                or (sign_ins and self._ids.managed is None),
            ),
            (Ask.PRINCIPALS, identity),
            (Ask.APPLICATION, identity or app_unknown or (no_principal and self._ids.client is None)),
            (Ask.APPLICATIONS, self._application_is_missed()),
            (Ask.FEDERATED_PRINCIPAL, identity),
            (Ask.FEDERATED_APPLICATION, identity),
            (Ask.DETECTIONS, protection and PartName.DETECTIONS in self._parts),
            (Ask.RISK, protection and PartName.RISK in self._parts),
            (Ask.AUDITS_PRINCIPAL, audits),
            (Ask.AUDITS_APPLICATION, audits),
            (Ask.AUDITS_APP_ROLES, given),
            (Ask.AUDITS_DELEGATED, given),
            (Ask.APP_ROLES, grants),
            (Ask.DELEGATED, grants),
            (Ask.DIRECTORY_ROLES, grants),
            (Ask.GROUPS, grants),
            (Ask.OWNERS_PRINCIPAL, PartName.OWNERS in self._parts),
            (Ask.OWNERS_APPLICATION, PartName.OWNERS in self._parts),
            (Ask.DOMAINS, PartName.DOMAINS in self._parts),
            (Ask.KEY_USE, PartName.KEY_USE in self._parts),
            (Ask.SIGN_INS, PartName.SIGN_INS in self._parts),
            (Ask.ATTEMPTS, PartName.ATTEMPTS in self._parts),
            (Ask.CA_POLICIES, PartName.CA_POLICY in self._parts and self._cloud is None),
            (Ask.PUBLIC_KEYS, PartName.PUBLIC_KEYS in self._parts),
        )
        return (ask for ask, is_wanted in wanted if is_wanted)

    # Judging

    def _record(self, ask: Ask) -> JsonObject | None:
        found = self._found.get(ask)
        return found if isinstance(found, dict) else None

    def _records(self, ask: Ask) -> Sequence[JsonObject]:
        found = self._record(ask)
        return read_page(self._calls[ask], found) if found is not None else ()

    def _is_gone(self, ask: Ask) -> bool:
        return isinstance(self._found.get(ask), Gone)

    def _learn(self) -> None:
        """Take the ids that Graph tells, and hold them against those that are known."""
        principal, application = self._record(Ask.PRINCIPAL), self._record(Ask.APPLICATION)
        if principal is not None:
            self._confirm(principal=guid_of(principal, "id"), client=guid_of(principal, "appId"))
            self._ids = replace(self._ids, managed=is_managed_identity(principal))
        if application is not None:
            self._confirm(application=guid_of(application, "id"), client=guid_of(application, "appId"))

    def _confirm(self, **told: str) -> None:
        for name, value in told.items():
            known = getattr(self._ids, name)
            if known is not None and known != value:
                raise Contradiction(
                    f"the ids of this subject do not belong together ({self._subject}): "
                    f"Graph shows {name} {value}, not {known}"
                )
        self._ids = replace(self._ids, **told)

    def _application_is_missed(self) -> bool:
        """The application was not found although this tenant may own it: search before believing that."""
        principal = self._record(Ask.PRINCIPAL)
        return (
            self._is_gone(Ask.APPLICATION)
            and principal is not None
            and not is_managed_identity(principal)
            and not is_owned_elsewhere(principal, self._tenant_id)
        )

    def _doubts(self) -> Iterator[tuple[Ask, int]]:
        """Which answers of 404 may come from a lagging replica, and how many pauses it is worth to find out."""
        principal = self._record(Ask.PRINCIPAL)
        searched = self._record(Ask.APPLICATIONS) is not None
        yield Ask.PRINCIPAL, _FOR_IDENTITY
        yield Ask.PRINCIPALS, _FOR_APPLICATION  # a search that finds nothing is an empty list, not a 404
        yield Ask.APPLICATIONS, _FOR_APPLICATION
        if principal is not None:
            yield Ask.FEDERATED_PRINCIPAL, _FOR_FEDERATED
        elif self._ids.client is None:
            yield Ask.APPLICATION, _FOR_IDENTITY
        if self._records(Ask.APPLICATIONS) or (self._claims_application(principal) and not searched):
            yield Ask.APPLICATION, _FOR_APPLICATION
        if self._record(Ask.APPLICATION) is not None:
            yield Ask.FEDERATED_APPLICATION, _FOR_FEDERATED

    def _claims_application(self, principal: JsonObject | None) -> bool:
        """The subject names an application object, and Graph does not say that it lies in another tenant."""
        elsewhere = principal is not None and is_owned_elsewhere(principal, self._tenant_id)
        return self._subject.app_object_id is not None and not elsewhere

    # Putting together

    def _gathered(self, read_at: datetime) -> Gathered:
        return Gathered(
            identity=self._part(PartName.IDENTITY, lambda: self._identity(read_at)),
            grants=self._part(PartName.GRANTS, self._grants),
            owners=self._part(PartName.OWNERS, self._owners),
            detections=self._part(PartName.DETECTIONS, self._detections),
            risk=self._part(PartName.RISK, self._risk),
            audits=self._part(PartName.AUDITS, self._audits),
            key_use=self._part(PartName.KEY_USE, self._key_use),
            sign_ins=self._part(PartName.SIGN_INS, lambda: self._sign_ins(Ask.SIGN_INS, SIGN_INS_BACK)),
            attempts=self._part(PartName.ATTEMPTS, lambda: self._sign_ins(Ask.ATTEMPTS, ATTEMPTS_BACK)),
            older_sign_ins=self._part(PartName.OLDER_SIGN_INS, self._beyond_graph),
            graph_activity=self._part(PartName.GRAPH_ACTIVITY, self._beyond_graph),
            domains=self._part(PartName.DOMAINS, self._domains),
            grant_audits=self._part(PartName.GRANT_AUDITS, self._grant_audits),
            ca_policy=self._part(PartName.CA_POLICY, self._ca_policy),
            public_keys=self._part(PartName.PUBLIC_KEYS, self._public_keys),
        )

    def _part(self, name: PartName, read: Callable[[], Part[T]]) -> Part[T]:
        if name not in self._parts:
            return NotLooked()
        if self._cloud is not None and name in _PROTECTION_PARTS:
            return _unread(UnavailableInCloud(doing=f"reading {name.value}", cloud=self._cloud))
        try:
            return read()
        except (Unreadable, MalformedSignal) as problem:
            return CouldNotLook(f"an answer could not be read: {problem}")

    def _identity(self, read_at: datetime) -> Part[IdentityState]:
        if self._is_gone(Ask.PRINCIPAL):
            return self._not_here()
        if error := self._error_of(Ask.PRINCIPAL, Ask.PRINCIPALS):
            return _unread(error)
        if not self._is_gone(Ask.APPLICATION) and (error := self._error_of(Ask.APPLICATION)):
            return _unread(error)
        if self._is_gone(Ask.APPLICATION) and (error := self._error_of(Ask.APPLICATIONS)):
            return _unread(error)
        if self._is_gone(Ask.APPLICATION) and self._records(Ask.APPLICATIONS):
            return CouldNotLook("one answer shows the application and another does not", may_help_later=True)
        principal = self._record(Ask.PRINCIPAL)
        if principal is None:
            return CouldNotLook("the application that was named is not there", gone=True)
        return Known(self._state(principal, self._record(Ask.APPLICATION), read_at))

    def _not_here(self) -> CouldNotLook:
        """
        The service principal is not there, after waiting out replication. Who deletes one and makes another
        for the same application has not left: that is for a person to see.
        """
        if error := self._error_of(Ask.PRINCIPALS):
            return _unread(error)
        listed = [guid_of(each, "id") for each in self._records(Ask.PRINCIPALS)]
        if self._ids.principal in listed or (listed and self._ids.principal is None):
            return CouldNotLook("one answer shows the service principal and another does not", may_help_later=True)
        if listed:
            why = f"the service principal is not there, but its application has another one: {listed[0]}"
            return CouldNotLook(why, another=listed[0])
        return CouldNotLook("there is no such service principal (any more)", gone=True)

    def _state(self, principal: JsonObject, application: JsonObject | None, read_at: datetime) -> IdentityState:
        holder = HolderKind.SERVICE_PRINCIPAL
        return state_of(
            principal,
            application,
            federated_of_principal=_federated(self._found.get(Ask.FEDERATED_PRINCIPAL)),
            federated_of_application=_federated(self._found.get(Ask.FEDERATED_APPLICATION)),
            siblings=tuple(holder_of(holder, record, _federated(outcome)) for record, outcome in self._siblings),
            tenant_id=self._tenant_id,
            read_at=read_at,
        )

    def _detections(self) -> Part[tuple[RiskDetection, ...]]:
        if error := self._error_of(Ask.DETECTIONS, unless_found=Ask.PRINCIPAL):
            return _unread(error)
        return Known(tuple(read_detection(each) for each in self._records(Ask.DETECTIONS)))

    def _risk(self) -> Part[RiskState | None]:
        if self._is_gone(Ask.RISK):
            return Known(None)
        if error := self._error_of(Ask.RISK, unless_found=Ask.PRINCIPAL):
            return _unread(error)
        record = self._record(Ask.RISK)
        return Known(read_risk_state(record) if record is not None else None)

    def _audits(self) -> Part[tuple[AuditRecord, ...]]:
        if error := self._error_of(Ask.AUDITS_PRINCIPAL, unless_found=Ask.PRINCIPAL):
            return _unread(error)
        if not self._is_gone(Ask.APPLICATION) and (
            error := self._error_of(Ask.AUDITS_APPLICATION, unless_found=Ask.APPLICATION)
        ):
            return _unread(error)
        return _as_many([each for ask in _AUDITS for each in self._records(ask)])

    def _grant_audits(self) -> Part[tuple[AuditRecord, ...]]:
        """Of the tenant's grants those to this client, by either of its ids."""
        if error := self._error_of(Ask.PRINCIPAL, *_GRANT_AUDITS):
            return _unread(error)
        if self._ids.principal is None or self._ids.client is None:
            return CouldNotLook("the service principal is not known by both of its ids", may_help_later=True)
        found = [each for ask in _GRANT_AUDITS for each in self._records(ask)]
        return self._those_to_us(_as_many(found, self._names_us))

    def _those_to_us(self, part: Part[tuple[AuditRecord, ...]]) -> Part[tuple[AuditRecord, ...]]:
        ours = tuple(each for each in records_in(part) if self._is_to_us(subject_of(each)))
        return replace(part, partly=ours) if isinstance(part, CouldNotLook) else Known(ours)

    def _names_us(self, record: JsonObject) -> bool:
        """Whether a record that cannot be read holds one of our ids anywhere: no other can be a grant to us."""
        text = json.dumps(record).casefold()
        return any(each is not None and each in text for each in (self._ids.principal, self._ids.client))

    def _is_to_us(self, client: IdentityRef | None) -> bool:
        ids = self._ids
        return client is not None and (client.principal_id == ids.principal or client.client_id == ids.client)

    def _grants(self) -> Part[Grants]:
        return Known(
            Grants(
                self._held(Ask.APP_ROLES, app_role_of),
                self._held(Ask.DELEGATED, delegated_of),
                self._held(Ask.DIRECTORY_ROLES, directory_role_of),
                self._held_by_groups(),
                self._groups(),
            )
        )

    def _held_by_groups(self) -> Part[tuple[DirectoryRole, ...]]:
        if error := self._error_of(Ask.GROUPS, unless_found=Ask.PRINCIPAL):
            return _unread(error)
        if self._ids.principal is None:
            return CouldNotLook("the service principal is not known by its object id", may_help_later=True)
        return self._group_roles

    def _groups(self) -> Part[tuple[Membership, ...]]:
        if error := self._error_of(Ask.GROUPS, unless_found=Ask.PRINCIPAL):
            return _unread(error)
        if self._ids.principal is None:
            return CouldNotLook("the service principal is not known by its object id", may_help_later=True)
        try:
            return Known(tuple(each for each in map(membership_of, self._records(Ask.GROUPS)) if each is not None))
        except Unreadable as problem:
            return CouldNotLook(f"its groups could not be read: {problem}")

    def _held(self, ask: Ask, read: Callable[[JsonObject, str], T]) -> Part[tuple[T, ...]]:
        """What the identity holds of this sort. An entry that is somebody else's spoils the whole list."""
        principal = self._ids.principal
        if error := self._error_of(ask, unless_found=Ask.PRINCIPAL):
            return _unread(error)
        if principal is None:
            return CouldNotLook("the service principal is not known by its object id", may_help_later=True)
        return Known(tuple(read(each, principal) for each in self._records(ask)))

    def _owners(self) -> Part[Owners]:
        return Known(Owners(self._owned(Ask.OWNERS_APPLICATION), self._owned(Ask.OWNERS_PRINCIPAL)))

    def _owned(self, ask: Ask) -> Part[tuple[Owner, ...]]:
        waited_for = Ask.APPLICATION if ask is Ask.OWNERS_APPLICATION else Ask.PRINCIPAL
        if error := self._error_of(ask, unless_found=waited_for):
            return _unread(error)
        return Known(tuple(owner_of(each) for each in self._records(ask)))

    def _sign_ins(self, ask: Ask, back: timedelta) -> Part[SignInLog]:
        if error := self._error_of(ask, unless_found=Ask.PRINCIPAL):
            return _unread(error)
        if self._ids.principal is None or ask not in self._pages:
            return CouldNotLook("the service principal is not known by its object id", may_help_later=True)
        return log_of(self._pages[ask], self._ids.principal, self._since + LOOK_BACK - back)

    def _key_use(self) -> Part[KeyUse]:
        if error := self._error_of(Ask.KEY_USE, unless_found=Ask.PRINCIPAL):
            return _unread(error)
        if self._ids.client is None:
            return CouldNotLook("the client id is not known", may_help_later=True)
        return Known(key_use_of(self._records(Ask.KEY_USE), self._ids.client))

    def _beyond_graph(self) -> CouldNotLook:
        """What others have to give. The identity must be known all the same."""
        if error := self._error_of(Ask.PRINCIPAL):
            return _unread(error)
        return CouldNotLook("Graph does not give it")

    def _domains(self) -> Part[frozenset[str]]:
        """
        A tenant always has the domain that it was born with: a list without any was not understood.
        """
        if error := self._error_of(Ask.DOMAINS):
            return _unread(error)
        verified = [
            text_of(each, "id").casefold() for each in self._records(Ask.DOMAINS) if flag_of(each, "isVerified")
        ]
        return Known(frozenset(verified)) if verified else CouldNotLook("Graph shows no verified domain at all")

    def _ca_policy(self) -> Part[tuple[RiskPolicy, ...]]:
        if error := self._error_of(Ask.CA_POLICIES):
            return _unread(error)
        return Known(tuple(risk_policy_of(each) for each in own_policies(self._records(Ask.CA_POLICIES))))

    def _public_keys(self) -> Part[Mapping[str, Mapping[str, str]]]:
        if error := self._error_of(Ask.PUBLIC_KEYS):
            return _unread(error)
        record = self._record(Ask.PUBLIC_KEYS)
        if record is None:
            return NotLooked()
        if guid_of(record, "id") != self._ids.application:
            raise Unreadable("the keys of another application than was asked for")
        return Known({guid_of(record, "id"): public_keys_of(record)})

    def _error_of(self, *asks: Ask, unless_found: Ask | None = None) -> CordonError | None:
        """The first error among these answers. What was never asked counts as the error of what it waited for."""
        for ask in asks:
            found = self._found.get(ask)
            if isinstance(found, CordonError):
                return found
            waited_for = self._found.get(unless_found) if unless_found else None
            if found is None and isinstance(waited_for, CordonError):
                return waited_for
            if found is None and unless_found is not None:
                return Gone(f"reading {ask.value}")
        return None


_GRANT_AUDITS = (Ask.AUDITS_APP_ROLES, Ask.AUDITS_DELEGATED)
_AUDITS = (Ask.AUDITS_PRINCIPAL, Ask.AUDITS_APPLICATION)


def _everybodys(record: JsonObject) -> bool:
    return True


def _as_many(
    found: Sequence[JsonObject], may_be_ours: Callable[[JsonObject], bool] = _everybodys
) -> Part[tuple[AuditRecord, ...]]:
    """Each record once. One that cannot be read counts alone: what the others tell may accuse, and excuses nobody."""
    records, problems = list[AuditRecord](), list[str]()
    for each in {repr(each.get("id") or each): each for each in found}.values():
        try:
            records.append(read_audit(each))
        except MalformedSignal as problem:
            if may_be_ours(each):
                problems.append(problem.why)
    if not problems:
        return Known(tuple(records))
    many = f"{len(problems)} of its {len(records) + len(problems)} audit records could not be read"
    return CouldNotLook(f"{many}: {problems[0]}", partly=tuple(records))


def _nothing(parts: frozenset[PartName], why: CouldNotLook) -> Gathered:
    return Gathered(**{part.value: why for part in parts})


def _unread(error: CordonError) -> CouldNotLook:
    """A 404 counts as passing: the object may be too new for all replicas to show it."""
    return CouldNotLook(str(error), may_help_later=isinstance(error, TimeMayHelp | Gone))


def _federated(found: Outcome | None) -> Part[tuple[FederatedCredential, ...]]:
    """
    The federated credentials that an answer shows.

    Where Graph's model has no such list for an object ("segment"), the object can hold none that Graph
    would honour: that is a known "none". Any other error means that we could not look.
    """
    if isinstance(found, PlatformRefused) and NO_SUCH_SEGMENT in found.why.lower():
        return Known(())
    if isinstance(found, CordonError):
        return _unread(found)
    if found is None:
        return NotLooked()
    records = found.get("value")
    return Known(
        federated_all([each for each in records if isinstance(each, dict)] if isinstance(records, list) else [])
    )


async def _caught(sending: Awaitable[JsonObject]) -> Outcome:
    try:
        return await sending
    except CordonError as error:
        return error.with_traceback(None)
