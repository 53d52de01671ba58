"""
A look: what the tenant shows at one moment, each part read at most once.

Steps that are captured or verified together share a look, so that one round trip serves them all.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from shared.actors import MOST_ACTORS, MOST_JOURNALED, Actor, ActorKind, Suspicions, actors_in, client_ids_in
from shared.case import (
    PEOPLE_WINDOWS,
    ActorRisk,
    CouldNotLook,
    Grants,
    HolderKind,
    IdentityState,
    IncidentStanding,
    Known,
    NotLooked,
    Owners,
    Part,
    PartName,
    RiskPolicy,
    RiskState,
    SignInLog,
    Suspects,
    records_in,
)
from shared.clock import Clock
from shared.errors import CannotBeRead, CordonError, TimeMayHelp, Unreachable
from shared.estate import Estate, Grant, Reach, VaultSeen
from shared.identity import AppObjectId, IdentityRef, PrincipalId
from shared.tenant import Directory, Gathered

T = TypeVar("T")

_PLACE = {part: place for place, part in enumerate(PartName)}
_PEOPLE = frozenset({PartName.PEOPLE, *PEOPLE_WINDOWS})
# Who stands behind an identity is told by these; they are read along with people, if nobody has asked for them yet.
_TELL_PEOPLE = frozenset({PartName.IDENTITY, PartName.OWNERS, PartName.AUDITS, PartName.GRANT_AUDITS})
_OF_ACTORS = frozenset({PartName.SUSPECTS, PartName.ACTOR_RISK, PartName.USER_RISK})
# Who changed it is told by these.
_TELL_ACTORS = frozenset({PartName.IDENTITY, PartName.AUDITS, PartName.GRANT_AUDITS})
_NOT_OF_DIRECTORY = _PEOPLE | _OF_ACTORS | {PartName.VAULT_ACCESS}
_NO_JOURNAL = CouldNotLook("this look cannot ask Cordon's journal")
_MOST_NAMED = 10  # of those whom nobody looked at
_NOTHING = Gathered()
_PUBLIC_KEYS_WITHIN = 2.0  # seconds
_NO_AZURE = CouldNotLook("Azure around the directory is not configured (CORDON_ROTATOR_CLIENT_ID)")
_NO_PRINCIPAL = CouldNotLook("the identity's object id is not known", may_help_later=True)


class Look:
    """
    Reads parts of one identity on demand and remembers them; make a new one for a fresh read. Who asks for one
    part does not wait for another, which may have a quota to wait for.
    """

    def __init__(
        self,
        directory: Directory,
        subject: IdentityRef,
        clock: Clock,
        estate: Estate | None = None,
        suspicions: Suspicions | None = None,
    ) -> None:
        self._directory, self._clock, self._estate, self._suspicions = directory, clock, estate, suspicions
        self._locks: dict[PartName, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.subject = subject
        self.gathered = _NOTHING
        self.begun_at: datetime = clock()
        self._asks_deleted = asyncio.Lock()
        self._deletion: Part[IdentityState | None] | None = None

    @classmethod
    def showing(cls, gathered: Gathered, directory: Directory, subject: IdentityRef, clock: Clock) -> "Look":
        """A look that already holds what was just gathered."""
        look = cls(directory, subject, clock)
        look.gathered = gathered
        return look

    def is_fresh(self, limit: timedelta) -> bool:
        return self._clock() - self.begun_at <= limit

    async def gather(self, parts: frozenset[PartName]) -> Gathered:
        """
        Make sure that these parts were asked for, in one go. People and actors are asked for after what tells who they
        are.
        """
        if parts & _PEOPLE:
            parts = parts | _TELL_PEOPLE | {PartName.PEOPLE}
        if parts & _OF_ACTORS:
            parts = parts | _TELL_ACTORS
        if not (missing := self._missing(parts)):
            return self.gathered
        async with self._held(missing):
            missing = self._missing(parts)
            if of_directory := missing - _NOT_OF_DIRECTORY:
                found = await self._directory.look(self._subject_now(), of_directory)
                self.gathered = merge(self.gathered, found)
            if of_people := missing & _PEOPLE:
                found = await self._directory.look_at_people(self.gathered, of_people, self.begun_at)
                self.gathered = merge(self.gathered, found)
            if of_actors := missing & _OF_ACTORS:
                self.gathered = await self._with_actors(of_actors)
            if PartName.VAULT_ACCESS in missing:
                self.gathered = replace(self.gathered, vault_access=await self._read_vault_access())
        return self.gathered

    @asynccontextmanager
    async def _held(self, parts: frozenset[PartName]) -> AsyncGenerator[None]:
        """Nobody else reads these meanwhile."""
        in_order = sorted(parts, key=_PLACE.__getitem__)  # everywhere the same, so that nobody waits in a ring
        locks = [self._locks[part] for part in in_order]
        held = 0
        try:
            for lock in locks:
                await lock.acquire()
                held += 1
            yield
        finally:
            for lock in locks[:held]:
                lock.release()

    def _subject_now(self) -> IdentityRef:
        """With the ids that were read: a signal may name one of the two objects only, and parts are of both."""
        known = self.gathered.identity
        if not isinstance(known, Known) or known.value.deleted_at is not None:
            return self.subject
        found = known.value.identity
        return IdentityRef(found.principal_id, found.client_id, found.app_object_id)

    def _missing(self, parts: frozenset[PartName]) -> frozenset[PartName]:
        gathered = self.gathered
        return frozenset([part for part in parts if isinstance(getattr(gathered, part), NotLooked)])

    async def identity(self) -> Part[IdentityState]:
        return (await self.gather(frozenset({PartName.IDENTITY}))).identity

    async def key_digests(self, application: AppObjectId) -> Part[Mapping[str, str]]:
        """The SHA-256 of the public part of each key of an application, by key id; read each time it is asked for."""
        return await _part(self._directory.key_digests(application))

    async def other(self, subject: IdentityRef) -> Part[IdentityState]:
        """Another identity of the tenant; read each time it is asked for."""
        return (await self._directory.look(subject, frozenset({PartName.IDENTITY}))).identity

    async def deleted(self) -> Part[IdentityState | None]:
        """The identity among the deleted items, or None; read each time it is asked for."""
        return await _part(self._directory.find_deleted(self.subject))

    async def deletion(self) -> IdentityState | None:
        """What is not there any more, as the deleted items show it; None where it is there, or nobody can tell."""
        part = await self.identity()
        if not isinstance(part, CouldNotLook) or not part.gone:
            return None
        async with self._asks_deleted:
            if self._deletion is None:
                self._deletion = await self.deleted()
        return self._deletion.value if isinstance(self._deletion, Known) else None

    async def public_keys(self, holder: HolderKind, object_id: str, wanted: frozenset[str]) -> Part[Mapping[str, str]]:
        """
        The public part of each certificate of an object, by key id; read now, unless the look shows all that are
        wanted. Its quota is small (facts: Graph 4), and only undo needs it: whoever removes credentials waits no
        longer than two seconds.
        """
        along = self.gathered.public_keys
        shown = along.value.get(object_id) if isinstance(along, Known) else None
        if shown is not None and wanted <= shown.keys():
            return Known(shown)
        try:
            async with asyncio.timeout(_PUBLIC_KEYS_WITHIN):
                return await _part(self._directory.public_keys(holder, object_id))
        except TimeoutError:
            return CouldNotLook(f"the public keys of {object_id} did not come within {_PUBLIC_KEYS_WITHIN:.0f} s", True)

    async def risk(self) -> Part[RiskState | None]:
        return (await self.gather(frozenset({PartName.RISK}))).risk

    async def grants(self) -> Part[Grants]:
        return (await self.gather(frozenset({PartName.GRANTS}))).grants

    async def owners(self) -> Part[Owners]:
        return (await self.gather(frozenset({PartName.OWNERS}))).owners

    async def ca_policy(self) -> Part[tuple[RiskPolicy, ...]]:
        return (await self.gather(frozenset({PartName.CA_POLICY}))).ca_policy

    async def sign_ins(self, within: float) -> Part[SignInLog]:
        """The sign-in log, which has a quota to wait for: whoever only wants to tell of it waits so many seconds."""
        try:
            async with asyncio.timeout(within):
                return (await self.gather(frozenset({PartName.SIGN_INS}))).sign_ins
        except TimeoutError:
            return CouldNotLook(f"it did not come within {within:.0f} s, as many ask for it", may_help_later=True)

    async def vault_access(self) -> Part[Reach]:
        """
        The vaults at whose secrets the identity gets, by itself or by a group. Resource Graph lags: what it holds
        of its own on a vault right now, `own_grants_on` tells.
        """
        if self.subject.principal_id is None:
            await self.identity()  # it tells the id; not behind the lock, for who asks for both would wait in a ring
        return (await self.gather(frozenset({PartName.VAULT_ACCESS}))).vault_access

    async def own_grants_on(self, vault: VaultSeen) -> Part[tuple[Grant, ...]]:
        """The identity's own grants on a vault, read from ARM each time it is asked for."""
        principal = self._principal()
        if self._estate is None:
            return _NO_AZURE
        if principal is None:
            return _NO_PRINCIPAL
        try:
            return await self._estate.access.grants_on(vault, principal)
        except CordonError as error:
            return _unread(error)

    async def _with_actors(self, parts: frozenset[PartName]) -> Gathered:
        """
        What is known of those who changed it: the journal's word, and Entra's. Of more than so many it is not looked
        at, and they are named; where a list that tells of them is missing, that is its own gap.
        """
        logs, found = (self.gathered.audits, self.gathered.grant_audits), self.gathered
        if not any(isinstance(log, Known) or records_in(log) for log in logs):
            later = any(isinstance(log, CouldNotLook) and log.may_help_later for log in logs)
            why = CouldNotLook("the audit log could not be read, so nobody can tell who changed it", later)
            return replace(found, **{part.value: why for part in parts})  # pyright: ignore[reportArgumentType]
        actors = actors_in(found)
        workloads = [each for each in actors if each.kind is not ActorKind.USER]
        people = [each.id for each in actors if each.kind is ActorKind.USER]
        if PartName.SUSPECTS in parts:
            standings = {each.id: await self._standings(each.id) for each in workloads[:MOST_JOURNALED]}
            told = {**standings, **_beyond([each.id for each in workloads], MOST_JOURNALED)}
            found = replace(found, suspects=Known(Suspects(_by_each_id(told, found))))
        if PartName.ACTOR_RISK in parts:
            listed = {each.id: await self._risk_of(each) for each in workloads[:MOST_ACTORS]}
            risks = {**listed, **_beyond([each.id for each in workloads], MOST_ACTORS)}
            found = replace(found, actor_risk=Known(ActorRisk(_by_each_id(risks, found))))
        if PartName.USER_RISK in parts:
            asked = await self._directory.risk_of_users(people[:MOST_ACTORS])
            found = replace(found, user_risk=Known(ActorRisk({**asked, **_beyond(people, MOST_ACTORS)})))
        return found

    async def _standings(self, actor: str) -> Part[tuple[IncidentStanding, ...]]:
        return await _part(self._suspicions.of(actor)) if self._suspicions is not None else _NO_JOURNAL

    async def _risk_of(self, actor: Actor) -> Part[RiskState | None]:
        return (await self._directory.look(actor.subject, frozenset({PartName.RISK}))).risk

    async def _read_vault_access(self) -> Part[Reach]:
        principal = self._principal()
        if self._estate is None:
            return _NO_AZURE
        if principal is None:
            return _NO_PRINCIPAL
        groups = await _part(self._directory.transitive_groups(principal))
        return await _part(self._estate.access.reach(principal, groups))

    def _principal(self) -> PrincipalId | None:
        known = self.gathered.identity
        return known.value.identity.principal_id if isinstance(known, Known) else self.subject.principal_id


def _beyond(actors: Sequence[str], most: int) -> dict[str, CouldNotLook]:
    """Those who are not looked at; each is named, because he is not known to be clean."""
    left = actors[most:]
    more = f" and {len(left) - _MOST_NAMED} more" if len(left) > _MOST_NAMED else ""
    why = f"{len(actors)} changed it, and {most} of them were looked at, but not {', '.join(left[:_MOST_NAMED])}{more}"
    return dict.fromkeys(left, CouldNotLook(why))


def _by_each_id(told: Mapping[str, T], gathered: Gathered) -> dict[str, T]:
    """The same, also by the client ids under which the log names some of them elsewhere."""
    also = {client: told[id_] for client, id_ in client_ids_in(gathered).items() if id_ in told}
    return {**also, **told}


async def _part(asking: Awaitable[T]) -> Part[T]:
    try:
        return Known(await asking)
    except CordonError as error:
        return _unread(error)


def _unread(error: CordonError) -> CouldNotLook:
    return CouldNotLook(str(error), may_help_later=isinstance(error, TimeMayHelp))


def merge(older: Gathered, newer: Gathered) -> Gathered:
    """Take each part from the newer one, unless it was not asked for there."""
    if older is _NOTHING:
        return newer
    asked = {part: getattr(newer, part) for part in PartName}
    return replace(older, **{name: part for name, part in asked.items() if not isinstance(part, NotLooked)})


def no_image(doing: str, part: CouldNotLook | NotLooked) -> CordonError:
    """The error of a capture whose part is not known: passing, or for good."""
    if isinstance(part, CouldNotLook) and not part.may_help_later:
        return CannotBeRead(doing, part.why)
    return Unreachable(doing, why_unread(part))


def why_unread(part: CouldNotLook | NotLooked) -> str:
    """The reason why a part is not known, as text."""
    return part.why if isinstance(part, CouldNotLook) else "it was not looked at"
