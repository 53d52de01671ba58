"""
Who changed an identity: the workloads and people that its audit records name as actors. Pure.

An actor is known by an id and never by a name. Graph may leave an application's client id empty, so that the object id
of its service principal comes first; an id that is none names nobody.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Protocol

from shared.case import AuditActor, AuditRecord, IncidentStanding, Known, records_in
from shared.identity import ClientId, IdentityRef, PrincipalId, canonical_guid
from shared.tenant import Gathered

MOST_ACTORS = 8  # of whom Entra is asked, for one identity; of workloads and of people
MOST_JOURNALED = 32  # workloads of which Cordon's own journal is asked, which costs no quota

_POWER = ("secret", "credential", "owner", "role", "group", "grant", "consent")  # words of activities that give some
_KEYS = frozenset({"keydescription", "federatedidentitycredentials"})  # properties of an edit that may be a credential
_TAKING = ("remove ", "delete ", "hard delete ")


class ActorKind(StrEnum):
    """By which id the log names an actor."""

    PRINCIPAL = "principal"
    CLIENT = "client"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody whom the log names by an id."""

    id: str
    kind: ActorKind

    @property
    def subject(self) -> IdentityRef:
        """Of a workload: how it is looked at."""
        if self.kind is ActorKind.CLIENT:
            return IdentityRef(client_id=ClientId(self.id))
        return IdentityRef(principal_id=PrincipalId(self.id))


class Suspicions(Protocol):
    """Cordon's own journal, asked about one workload."""

    async def of(self, actor: str) -> tuple[IncidentStanding, ...]:
        """
        What its incidents say of it now, by its object id or its client id. Raises Unreachable where the store does not
        answer, JournalDamaged where an incident cannot be relied on: that is not known, and never "nothing".
        """
        ...


@lru_cache(maxsize=1024)  # the same few change most of what is changed
def actor_of(actor: AuditActor) -> Actor | None:
    """None where the log names nobody, or by what is no id."""
    named = (
        (actor.user_id, ActorKind.USER),
        (actor.principal_id, ActorKind.PRINCIPAL),
        (actor.client_id, ActorKind.CLIENT),
    )
    for id_, kind in named:
        if id_:
            try:
                return Actor(canonical_guid(id_), kind)
            except ValueError:
                return None
    return None


def actors_in(gathered: Gathered) -> tuple[Actor, ...]:
    """
    Those who changed it by the records that were read, each once, without the identity itself. Whoever may have given
    it a credential, an owner, a role or a consent comes first, so that nobody pushes him out with small changes;
    among those that weigh alike, whoever acted last.
    """
    records = sorted(_records(gathered), key=lambda r: (r.at, r.id), reverse=True)
    own, other_ids = frozenset(_own_ids(gathered)), client_ids_in(gathered)
    found: dict[Actor, int] = {}
    for record in records:
        actor = actor_of(record.actor)
        if actor is None or actor.id in own:
            continue
        if actor.kind is ActorKind.CLIENT and actor.id in other_ids:
            actor = Actor(other_ids[actor.id], ActorKind.PRINCIPAL)
        found[actor] = min(found.get(actor, _LEAST), _weight(record))
    return tuple(sorted(found, key=lambda actor: found[actor]))


def client_ids_in(gathered: Gathered) -> Mapping[str, str]:
    """The client ids of actors whose object id the log tells as well, with that."""
    named = ((r.actor.client_id, r.actor.principal_id) for r in _records(gathered) if r.actor.user_id is None)
    pairs = ((_guid(client), _guid(principal)) for client, principal in named)
    return {client: principal for client, principal in pairs if client and principal}


def takes_away(record: AuditRecord) -> bool:
    """Whether by its activity something was removed: that made nobody stronger."""
    return record.activity.startswith(_TAKING)


_LEAST = 2


def _weight(record: AuditRecord) -> int:
    if takes_away(record):
        return _LEAST
    names = {each.name.casefold() for target in record.targets for each in target.properties}
    return 0 if any(word in record.activity for word in _POWER) or names & _KEYS else 1


def _records(gathered: Gathered) -> Iterator[AuditRecord]:
    for part in (gathered.audits, gathered.grant_audits):
        yield from (record for record in records_in(part) if _may_have_happened(record))


def _guid(id_: str | None) -> str | None:
    try:
        return canonical_guid(id_) if id_ else None
    except ValueError:
        return None


def _own_ids(gathered: Gathered) -> Iterator[str]:
    if isinstance(gathered.identity, Known):
        state = gathered.identity.value
        yield state.identity.client_id
        yield from (holder.object_id for holder in state.principals)


def _may_have_happened(record: AuditRecord) -> bool:
    return record.result != "failure"
