"""
One attack, several identities: the incidents that a chain of changes ties together, as one case.

Each identity has an incident of its own, with its own plan, approval and undo; they are told together. Which belong to
a case is an index in the store, by the incident with which the chain began; how they hang together stands in their
journals.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.chain import Chain
from shared.clock import Clock
from shared.damage import read_noting
from shared.entries import Followed, RelatedTold
from shared.errors import JournalDamaged
from shared.history import History
from shared.incident import Status, status_in
from shared.journal import IncidentId
from shared.store import Documents, Store
from shared.suspicion import origin_of, told_in
from shared.untrusted import one_line
from shared.views import CaseView, LinkedView, MemberView

MOST_MEMBERS = 100  # incidents of one case: whatever is changed beyond them is left to a person
_MOST_ROOTS = 8


@dataclass(frozen=True, slots=True)
class Member:
    """One incident of a case, read."""

    history: History
    status: Status
    related: tuple[RelatedTold, ...]


async def note_member(documents: Documents, root: str, incident: str) -> None:
    """The incident belongs to this case. May run again."""
    if root != incident:
        await documents.insert(_partition(root), incident, {"incident": incident})


async def members_of(documents: Documents, root: str) -> tuple[IncidentId, ...]:
    """The incidents of a case, without the one with which it began; at most one more than are allowed."""
    listed = await documents.query(_partition(root), limit=MOST_MEMBERS + 1)
    return tuple(IncidentId(str(each.body["incident"])) for each in listed)


def _partition(root: str) -> str:
    return f"kin-{root}"


async def case_of(store: Store, clock: Clock, chain: Chain) -> CaseView | None:
    """The case that an incident belongs to, told from the journals of all; None where it stands alone."""
    history = History(chain.lines)
    ids, cut = await _all_of(store.documents, history)
    if len(ids) < 2 and not any(followed.left for followed in history.all(Followed)):
        return None
    members, damaged = list[Member](), list[str]()
    for each in ids:
        try:
            read = chain if each == chain.incident else await read_noting(store, each, clock)
        except JournalDamaged:
            damaged.append(each)
            continue
        if read and (member := _member(History(read.lines), clock())) is not None:
            members.append(member)
    if len(members) < 2 and not damaged and not any(followed.left for followed in history.all(Followed)):
        return None
    return _view(origin_of(history).root, members, damaged, more=cut)


async def _all_of(documents: Documents, history: History) -> tuple[list[IncidentId], bool]:
    """From this incident up to where it began, and from there down, each once."""
    roots = [IncidentId(each.root) for each in told_in(history)]
    found = dict.fromkeys([*roots, history.incident, *(IncidentId(e.incident) for e in told_in(history))])
    cut = False
    for root in list(dict.fromkeys([*roots, history.incident]))[:_MOST_ROOTS]:
        listed = await members_of(documents, root)
        cut = cut or len(listed) > MOST_MEMBERS
        found.update(dict.fromkeys(listed[:MOST_MEMBERS]))
    return list(found), cut


def _member(history: History, now: datetime) -> Member | None:
    """None for one that was merged with another of the same identity."""
    if history.closed is not None and history.closed.outcome == "joined":
        return None
    return Member(history, status_in(history, now), told_in(history))


def _view(root: str, members: Sequence[Member], damaged: Iterable[str], *, more: bool) -> CaseView:
    told = sorted(map(_told, members), key=lambda each: (each.incident != root, each.opened_at, each.incident))
    left = sum(followed.left for each in members for followed in each.history.all(Followed))
    return CaseView(
        root=root,
        members=tuple(told),
        left_to_a_person=left,
        not_known=tuple(_not_known(members, damaged, more=more)),
    )


def _not_known(members: Sequence[Member], damaged: Iterable[str], *, more: bool) -> Iterable[str]:
    yield from (f"the journal of incident {each} is damaged" for each in damaged)
    if more:
        yield f"more than {MOST_MEMBERS} incidents belong to it; these are the first"
    for each in members:
        for followed in each.history.all(Followed):
            yield from (f"what the identity of {each.history.incident} changed: {why}" for why in followed.not_known)


def _told(member: Member) -> MemberView:
    history, identity = member.history, member.history.identity
    return MemberView(
        incident=history.incident,
        opened_at=history.lines[0].record.time,
        principal_id=identity.principal_id if identity else None,
        name=one_line(identity.display_name) if identity else None,
        status=member.status,
        verdict=history.decided.verdict if history.decided else None,
        rule=history.decided.rule if history.decided else None,
        plan_hash=history.planned.hash if history.planned else None,
        changed_by=tuple(
            LinkedView(incident=e.incident, record=e.record_id, activity=one_line(e.activity), at=e.at)
            for e in member.related
            if e.incident != history.incident
        ),
    )
