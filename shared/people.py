"""
Who stands behind an identity: its owners, and whoever consented to it, granted it something or gave it a credential.
Pure. People only; workload identities among the owners and actors are what `owners` and `granted-recently` ask about.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.audit import credential_change
from shared.audit_grants import CONSENTED, NOTHING, giving
from shared.case import AuditRecord, CouldNotLook, Known, Owner, Owners, Part, Way
from shared.identity import canonical_guid

MOST_PEOPLE = 8  # looked at for one identity; each takes two reports a window, and identity protection twice
SHORT_REACH, LONG_REACH = timedelta(days=7), timedelta(days=30)  # of the audit log, by licence (facts: Graph 2)
_ACTED = (Way.CONSENTER, Way.CREDENTIAL_ADDER)


@dataclass(frozen=True, slots=True)
class Named:
    """Ids of users with the ways by which they stand behind it, in the order of looking; and what is missing."""

    ways: Mapping[str, frozenset[Way]]
    unseen: tuple[tuple[Way, str], ...]


def people_behind(
    owners: Part[Owners], logs: Sequence[Part[tuple[AuditRecord, ...]]], *, registered_here: bool
) -> Named:
    """
    Whom these owners and audit records name. Those who acted come first, the latest of them first. Of an application
    that is registered in another tenant there is no list of owners here, and that is no gap.
    """
    acted, strange = _actors(record for part in logs if isinstance(part, Known) for record in part.value)
    found: dict[str, set[Way]] = {}
    for id_ in sorted(acted, key=lambda each: (-acted[each][0].timestamp(), each)):
        found.setdefault(id_, set()).update(acted[id_][1])
    listed, unseen = _owners(owners, registered_here=registered_here)
    for owner in sorted(listed, key=lambda each: each.id):
        found.setdefault(owner.id, set()).add(Way.OWNER)
    unseen += [gap for part in logs for gap in _gaps(part)]
    unseen += [(way, "the audit log names an actor whose id is none") for way in sorted(strange)]
    return Named({id_: frozenset(ways) for id_, ways in found.items()}, tuple(dict.fromkeys(unseen)))


def ways_of(record: AuditRecord) -> frozenset[Way]:
    """What whoever made this record has done, if it happened. What cannot be read may be a credential."""
    if record.result == "failure":
        return frozenset()
    change, given = credential_change(record), giving(record)
    ways = {Way.CREDENTIAL_ADDER} if change.added or change.unread else set[Way]()
    if record.activity == CONSENTED or given != NOTHING:
        ways.add(Way.CONSENTER)
    return frozenset(ways)


def reach_of(has_licence: bool) -> timedelta:
    """How far back the audit log can be read: with Entra ID P1 or P2, or without (facts: Graph 2)."""
    return LONG_REACH if has_licence else SHORT_REACH


def _actors(records: Iterable[AuditRecord]) -> tuple[dict[str, tuple[datetime, set[Way]]], set[Way]]:
    """Users by id, with when they acted last and by which ways; and the ways of those whose id is none."""
    found: dict[str, tuple[datetime, set[Way]]] = {}
    strange = set[Way]()
    for record in records:
        ways = ways_of(record) if record.actor.user_id else frozenset[Way]()
        if not ways or record.actor.user_id is None:
            continue
        try:
            id_ = canonical_guid(record.actor.user_id)
        except ValueError:
            strange |= ways
            continue
        last, known = found.get(id_, (record.at, set[Way]()))
        found[id_] = (max(last, record.at), known | ways)
    return found, strange


def _owners(owners: Part[Owners], *, registered_here: bool) -> tuple[list[Owner], list[tuple[Way, str]]]:
    if not isinstance(owners, Known):
        why = owners.why if isinstance(owners, CouldNotLook) else "they were not looked at"
        return [], [(Way.OWNER, f"the owners could not be read: {why}")]
    lists = (*((owners.value.application,) if registered_here else ()), owners.value.principal)
    known = [owner for part in lists if isinstance(part, Known) for owner in part.value]
    gaps = [part.why for part in lists if isinstance(part, CouldNotLook)]
    people = [owner for owner in known if owner.type != "servicePrincipal"]
    return people, [(Way.OWNER, f"owners could not be read: {why}") for why in gaps]


def _gaps(part: Part[tuple[AuditRecord, ...]]) -> Iterator[tuple[Way, str]]:
    if not isinstance(part, Known):
        why = part.why if isinstance(part, CouldNotLook) else "it was not looked at"
        yield from ((way, f"the audit log could not be read whole: {why}") for way in _ACTED)
