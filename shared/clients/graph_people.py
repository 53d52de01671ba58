"""
The people behind an identity, as Graph shows them: accounts, roles and risk now, and what the logs show of them.

Everything is read within a budget: of so many people, so many pages of a log, and so much time. What a permission or a
licence refuses once is not asked for again for the next one. Only interactive sign-ins are read: those that a client
makes by itself are a hundred times as many, and begin with one of these.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from shared.audit import LOOK_BACK, read_audit
from shared.case import (
    PEOPLE_WINDOWS,
    AuditRecord,
    CouldNotLook,
    HeldRoles,
    Known,
    Part,
    PartName,
    People,
    PeopleWindow,
    Person,
    RiskDetection,
    RiskState,
    SeenOfPerson,
)
from shared.clients.answers import Call
from shared.clients.batch import MOST
from shared.clients.graph_http import GraphHttp, Outcome, read_page
from shared.clients.graph_rights import keeps_logs_long
from shared.clients.graph_shapes import Unreadable, account_of, directory_role_of, role_group_of, user_sign_in_of
from shared.clients.people_requests import (
    account_call,
    audits_call,
    detections_call,
    licences_call,
    memberships_call,
    risk_call,
    roles_call,
    sign_ins_call,
)
from shared.errors import (
    CordonError,
    Gone,
    LicenceMissing,
    MalformedSignal,
    PermissionMissing,
    TimeMayHelp,
    UnavailableInCloud,
)
from shared.people import LONG_REACH, MOST_PEOPLE, SHORT_REACH, Named, people_behind, reach_of
from shared.risk import read_detection, read_risk_state
from shared.signal import JsonObject
from shared.tenant import Gathered

T = TypeVar("T")

_PAGES = 5  # of one list about one person in one window
_PATIENCE = timedelta(seconds=30)  # for one window, and for everybody's risk
_LASTING = (PermissionMissing, LicenceMissing, UnavailableInCloud)
_NO_TIME = CouldNotLook("the time for it was used up by those who were looked at before")
_KEPT_SHORT = CouldNotLook(f"the audit log keeps {SHORT_REACH.days} days without Microsoft Entra ID P1 or P2")


@dataclass(frozen=True, slots=True)
class Listed:
    """The records of a list as far as the budget allowed; `whole` unless there may be more."""

    records: tuple[JsonObject, ...]
    whole: bool = True


@dataclass(slots=True)
class PeopleLook:
    """One look at people. Make it, call it, throw it away; `refused` holds what need not be asked for again."""

    http: GraphHttp
    gathered: Gathered  # what was read of the identity before
    now: datetime
    cloud: str | None  # that has no identity protection; None where it is there
    refused: dict[str, CordonError] = field(default_factory=dict[str, CordonError])

    async def look(self, parts: frozenset[PartName]) -> Gathered:
        """These parts; a window is of those people whom `people` shows."""
        found: dict[str, object] = {}
        people = self.gathered.people
        if PartName.PEOPLE in parts:
            found[PartName.PEOPLE.value] = people = await self._people()
        begun = timedelta()
        for name, back in PEOPLE_WINDOWS.items():
            if name in parts:
                found[name.value] = await self._window(people, self.now - back, self.now - begun)
            begun = back
        return Gathered(**found)  # pyright: ignore[reportArgumentType] - each part under its own name

    # Who they are

    async def _people(self) -> Part[People]:
        identity = self.gathered.identity
        if not isinstance(identity, Known):
            return CouldNotLook("the identity could not be read, so nobody can tell who stands behind it")
        state = identity.value
        reach = await self._reach()
        older = await self._older([holder.object_id for holder in state.holders], reach)
        logs = [self.gathered.audits, self.gathered.grant_audits, *older]
        named = people_behind(self.gathered.owners, logs, registered_here=state.application is not None)
        ids = list(named.ways)
        persons = await self._persons(ids[:MOST_PEOPLE], named)
        return Known(People(persons, named.unseen, tuple(ids[MOST_PEOPLE:]), reach))

    async def _reach(self) -> Part[timedelta]:
        """How far back the audit log can be read, which the licences tell."""
        listed = await self._list(licences_call())
        if not isinstance(listed, Known):
            return listed
        try:
            return Known(reach_of(keeps_logs_long(listed.value.records)))
        except CordonError as error:
            return _unread(error)

    async def _older(self, objects: Sequence[str], reach: Part[timedelta]) -> list[Part[tuple[AuditRecord, ...]]]:
        """
        Records of the identity's objects from before those that its own parts hold, as far as the log reaches: who
        consented three weeks ago stands behind it as well. Where it may not reach that far, that stands beside them.
        """
        if reach == Known(SHORT_REACH):
            return [_KEPT_SHORT]
        since, until = self.now - LONG_REACH, self.now - LOOK_BACK
        found = [_audits(await self._list(audits_call(each, since, until))) for each in objects]
        return found if isinstance(reach, Known) else [*found, CouldNotLook(_unsure(reach))]

    async def _persons(self, ids: Sequence[str], named: Named) -> tuple[Person, ...]:
        accounts = await self._batch([account_call(each) for each in ids])
        roles = await self._batch([roles_call(each) for each in ids])
        groups = await self._batch([memberships_call(each) for each in ids])
        deadline = self.http.clock() + _PATIENCE
        persons = list[Person]()
        for id_, account, held, inside in zip(ids, accounts, roles, groups, strict=True):
            risk, detections = await self._risk(id_, deadline)
            persons.append(
                Person(
                    id=id_,
                    ways=named.ways[id_],
                    account=_one(account, account_of),
                    risk=risk,
                    detections=detections,
                    roles=await self._roles(id_, held, inside),
                )
            )
        return tuple(persons)

    async def _roles(self, id_: str, held: Outcome, inside: Outcome) -> Part[HeldRoles]:
        own = await self._list(roles_call(id_), held)
        groups = await self._list(memberships_call(id_), inside)
        if not isinstance(own, Known):
            return own
        if not isinstance(groups, Known):
            return groups
        if not (own.value.whole and groups.value.whole):
            return CouldNotLook("the user is in more groups than are read")
        try:
            assigned = tuple(directory_role_of(each, id_) for each in own.value.records)
            through = tuple(found for each in groups.value.records if (found := role_group_of(each)))
        except Unreadable as problem:
            return _unreadable(problem)
        return Known(HeldRoles(assigned, through))

    async def _risk(
        self, id_: str, deadline: datetime
    ) -> tuple[Part[RiskState | None], Part[tuple[RiskDetection, ...]]]:
        if self.cloud is not None:
            missing = _unread(UnavailableInCloud(doing="reading the risk of users", cloud=self.cloud))
            return missing, missing
        if self.http.clock() >= deadline:
            return _NO_TIME, _NO_TIME
        state = await self._listed_risk(id_, deadline)
        listed = await self._list(detections_call(id_))
        return state, _each(listed, lambda record: read_detection(_about(record, "userId", id_)))

    async def risks(self, ids: Sequence[str]) -> Mapping[str, Part[RiskState | None]]:
        """What Entra lists of each; at one request a second, so whoever comes too late is not looked at."""
        deadline = self.http.clock() + _PATIENCE
        return {each: await self._listed_risk(each, deadline) for each in ids}

    async def _listed_risk(self, id_: str, deadline: datetime) -> Part[RiskState | None]:
        if self.cloud is not None:
            return _unread(UnavailableInCloud(doing="reading the risk of users", cloud=self.cloud))
        if self.http.clock() >= deadline:
            return _NO_TIME
        return _one(await self._send(risk_call(id_)), lambda record: read_risk_state(_about(record, "id", id_)))

    # What the logs show of them

    async def _window(self, people: Part[People], since: datetime, until: datetime) -> Part[PeopleWindow]:
        if not isinstance(people, Known):
            return people
        deadline = self.http.clock() + _PATIENCE
        seen = [
            await self._seen(each.id, people.value.audits_reach, since, until, deadline)
            for each in people.value.persons
        ]
        return Known(PeopleWindow(since, until, tuple(seen)))

    async def _seen(
        self, id_: str, reach: Part[timedelta], since: datetime, until: datetime, deadline: datetime
    ) -> SeenOfPerson:
        if self.http.clock() >= deadline:
            return SeenOfPerson(id_, _NO_TIME, _NO_TIME)
        sign_ins = await self._list(sign_ins_call(id_, since, until))
        audits = _KEPT_SHORT if self._is_beyond(reach, until) else await self._list(audits_call(id_, since, until))
        read, odd_sign_ins = _as_many(sign_ins, lambda record: user_sign_in_of(record, id_), "sign-ins")
        acts, odd_audits = _as_many(audits, read_audit, "audit records")
        doubts = (*self._doubts(reach, since, sign_ins, audits), *odd_sign_ins, *odd_audits)
        return SeenOfPerson(id_, read, acts, doubts)

    def _is_beyond(self, reach: Part[timedelta], until: datetime) -> bool:
        return isinstance(reach, Known) and until <= self.now - reach.value

    def _doubts(
        self, reach: Part[timedelta], since: datetime, sign_ins: Part[Listed], audits: Part[Listed]
    ) -> Iterator[str]:
        for name, part in (("sign-ins", sign_ins), ("audit records", audits)):
            if isinstance(part, Known) and not part.value.whole:
                yield f"more {name} than are read"
        if isinstance(audits, Known) and not isinstance(reach, Known) and since < self.now - SHORT_REACH:
            yield _unsure(reach)

    # Asking

    async def _batch(self, calls: Sequence[Call]) -> list[Outcome]:
        """One answer each, in as few requests as possible."""
        found = list[Outcome]()
        for start in range(0, len(calls), MOST):
            found += await self.http.send_all(calls[start : start + MOST])
        return found

    async def _send(self, call: Call) -> Outcome:
        """One answer; a refusal for good is given again to whoever asks for the same of somebody else."""
        if known := self.refused.get(call.doing):
            return known
        try:
            return await self.http.send(call)
        except CordonError as error:
            if isinstance(error, _LASTING):
                self.refused[call.doing] = error
            return error

    async def _list(self, call: Call, first: Outcome | None = None) -> Part[Listed]:
        """Page after page of a list, as far as the budget goes."""
        body = await self._send(call) if first is None else first
        if isinstance(body, CordonError):
            return _unread(body)
        records, pages = list[JsonObject](), 0
        try:
            if body.get("@odata.nextLink") is None:
                return Known(Listed(tuple(read_page(call, body))))
            async for page in self.http.pages(call, body):
                records += page
                pages += 1
                if pages >= _PAGES:
                    return Known(Listed(tuple(records), whole=False))
        except CordonError as error:
            return _unread(error)
        return Known(Listed(tuple(records)))


def _one(outcome: Outcome, read: Callable[[JsonObject], T]) -> Part[T | None]:
    """What an answer shows; None if there is no such thing."""
    if isinstance(outcome, Gone):
        return Known(None)
    if isinstance(outcome, CordonError):
        return _unread(outcome)
    try:
        return Known(read(outcome))
    except (Unreadable, MalformedSignal) as problem:
        return _unreadable(problem)


def _each(part: Part[Listed], read: Callable[[JsonObject], T]) -> Part[tuple[T, ...]]:
    if not isinstance(part, Known):
        return part
    try:
        return Known(tuple(read(each) for each in part.value.records))
    except (Unreadable, MalformedSignal) as problem:
        return _unreadable(problem)


def _as_many(
    part: Part[Listed], read: Callable[[JsonObject], T], what: str
) -> tuple[Part[tuple[T, ...]], tuple[str, ...]]:
    """What can be read of a list, and the doubt that the rest leaves: one odd record takes nothing from the others."""
    if not isinstance(part, Known):
        return part, ()
    found, odd = list[T](), list[Exception]()
    for record in part.value.records:
        try:
            found.append(read(record))
        except (Unreadable, MalformedSignal) as problem:
            odd.append(problem)
    if odd and not found:
        return _unreadable(odd[0]), ()
    return Known(tuple(found)), (f"{len(odd)} of the {what} could not be read",) if odd else ()


def _audits(part: Part[Listed]) -> Part[tuple[AuditRecord, ...]]:
    """A list that ends before its end is a gap for who must know of everything; a window says so beside it."""
    return _each(part, read_audit)


def _about(record: JsonObject, name: str, id_: str) -> JsonObject:
    """The record, if it is about the user who was asked for."""
    if str(record.get(name)).lower() != id_:
        raise Unreadable("a record is about somebody else than was asked for")
    return record


def _unread(error: CordonError) -> CouldNotLook:
    return CouldNotLook(str(error), may_help_later=isinstance(error, TimeMayHelp))


def _unreadable(problem: Exception) -> CouldNotLook:
    return CouldNotLook(f"an answer could not be read: {problem}")


def _unsure(reach: Part[timedelta]) -> str:
    why = reach.why if isinstance(reach, CouldNotLook) else "it was not looked at"
    return f"whether the audit log reaches back that far is not known: {why}"
