"""
Who changed an identity: the workloads and people that its audit records name as actors. Pure.

An actor is known by an id and never by a name. Graph may leave an application's client id empty, so that the object id
of its service principal comes first; an id that is none names nobody.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from shared.case import AuditActor, AuditRecord, IncidentStanding, Known
from shared.identity import ClientId, IdentityRef, PrincipalId, canonical_guid
from shared.tenant import Gathered

MOST_ACTORS = 8  # looked at for one identity; of workloads and of people


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
    """Those who changed it by the records that were read, the latest first, each once, without the identity itself."""
    known = (part.value for part in (gathered.audits, gathered.grant_audits) if isinstance(part, Known))
    records = sorted((r for part in known for r in part), key=lambda r: (r.at, r.id), reverse=True)
    own = frozenset(_own_ids(gathered))
    found = (actor_of(record.actor) for record in records if _may_have_happened(record))
    return tuple(dict.fromkeys(each for each in found if each is not None and each.id not in own))


def _own_ids(gathered: Gathered) -> Iterator[str]:
    if isinstance(gathered.identity, Known):
        state = gathered.identity.value
        yield state.identity.client_id
        yield from (holder.object_id for holder in state.principals)


def _may_have_happened(record: AuditRecord) -> bool:
    return record.result != "failure"
