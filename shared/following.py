"""
What a contained identity had changed: the audit log is gone through once, and each identity that it strengthened gets
an incident of its own.

The reading is bounded in pages, identities, links and incidents of a case; whatever lies beyond is told and left to a
person. A signal for each identity comes first, the word of it last: whoever was killed in between does it again, and a
signal that was sent is known.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.actors import actor_of, takes_away
from shared.audit import LOOK_BACK, NOT_TOLD_APART, concerns_workloads, is_echo, names_several, read_audit, subjects_of
from shared.audit_changes import ChangeKind, kinds_of
from shared.case import AuditRecord, Known, PartName
from shared.chain import Chain
from shared.desk import Desk
from shared.entries import ChangedTold, Entry, Escalated, Followed, FollowSet, SignalJoined
from shared.errors import CordonError, MalformedSignal, TimeMayHelp
from shared.history import History
from shared.identity import IdentityRef
from shared.relations import MOST_MEMBERS, members_of, note_member
from shared.signal import JsonObject, NotASignal, Signal
from shared.sources import source_named
from shared.sources.suspect_change import SuspectChange, changed_by
from shared.standing import known_ids
from shared.standing import subject_of as identity_of
from shared.suspicion import Origin, origin_of
from shared.together import together
from shared.untrusted import one_line

MOST_TOLD = 25  # identities that one incident tells of by itself
MOST_LINKS = 4  # changes away from where it began; the next is a person's to follow
MOST_PAGES = 100  # of the audit log: some minutes at its quota
_MOST_ASKED = 4 * MOST_TOLD  # identities of which the inbox is asked whether they were told of before
_MOST_GAPS = 20  # kinds of what could not be read that the journal names
BEFORE = timedelta(hours=24)  # so long before the first signal it may have been in other hands
_SLICE = timedelta(hours=1)  # the newest; each one before it is twice as long

_GRAVEST = (
    ChangeKind.CREDENTIALS,
    ChangeKind.OWNERS,
    ChangeKind.GRANTS,
    ChangeKind.CONSENT,
    ChangeKind.LIFECYCLE,
    ChangeKind.CONFIGURATION,
    ChangeKind.RISK,
)


@dataclass(slots=True)
class _Read:
    """What the audit log shows, and what it does not."""

    changed: dict[IdentityRef, list[AuditRecord]] = field(default_factory=dict[IdentityRef, list[AuditRecord]])
    not_known: list[str] = field(default_factory=list[str])
    pages: int = 0


async def follow(desk: Desk, chain: Chain) -> tuple[Entry, ...]:
    """
    Tell the incidents of those whom this one's identity changed; give the entries that say so, for whoever writes to
    its journal. None of them if there is nothing to be followed (any more).

    Raises TimeMayHelp errors where the log or the store may answer later.
    """
    asked = chain.last(FollowSet)
    if asked is None or chain.place(Followed) > chain.place(FollowSet):
        return ()
    history, now = History(chain.lines), desk.clock()
    origin = origin_of(history)
    since = _since(chain, origin, now)
    read = await _read_log(desk, frozenset(known_ids(chain)), since, now)
    each_once = await _each_once(desk, read.changed)
    found = sorted((_of(each, records) for each, records in each_once), key=_gravity)
    told, left = await _tell(desk, chain, origin, found)
    listed = [each.told.model_dump(mode="json") for each in found]
    evidence = await desk.store.evidence.keep(json.dumps(listed).encode()) if left else None
    entry = Followed(
        plan_hash=asked.plan_hash,
        root=origin.root,
        links=origin.links,
        since=since,
        until=now,
        changed=tuple(told),
        left=len(left),
        evidence=evidence,
        not_known=tuple(_gaps(read.not_known)),
    )
    return (entry, *_call(entry, left, origin))


def _gaps(not_known: Sequence[str]) -> Iterator[str]:
    """Each once, and no more than a journal's entry has room for."""
    unique = list(dict.fromkeys(not_known))
    yield from unique[:_MOST_GAPS]
    if len(unique) > _MOST_GAPS:
        yield f"and {len(unique) - _MOST_GAPS} more of the sort"


def _since(chain: Chain, origin: Origin, now: datetime) -> datetime:
    """Where it was changed by a suspect first, from then on; else from a day before the first word of it."""
    first = min((signal.observed_at for signal in chain.all(SignalJoined)), default=now)
    return max(origin.since or min(first, now) - BEFORE, now - LOOK_BACK)


# Reading


async def _read_log(desk: Desk, own: frozenset[str], since: datetime, until: datetime) -> _Read:
    """Backwards from now: if the budget ends first, what is missing is the oldest."""
    read, end, length = _Read(), until, _SLICE
    while end > since:
        begin = max(end - length, since)
        try:
            async for page in desk.tenant.feeds.audits(begin, end):
                read.pages += 1
                _take(read, page, own)
                if read.pages >= MOST_PAGES:
                    whole = f"{end:%Y-%m-%d %H:%M} UTC"
                    read.not_known.append(f"the audit log holds so much that before {whole} it was not read whole")
                    return read
        except CordonError as error:
            if isinstance(error, TimeMayHelp):
                raise
            read.not_known.append(f"the audit log could not be read: {error}")
            return read
        end, length = begin, length * 2
    return read


def _take(read: _Read, page: Sequence[JsonObject], own: frozenset[str]) -> None:
    for raw in page:
        if not concerns_workloads(raw):
            continue
        try:
            record = read_audit(raw)
        except MalformedSignal as problem:
            read.not_known.append(one_line(f"a record of the audit log could not be read: {problem.why}", 200))
            continue
        actor = actor_of(record.actor)
        if actor is None or actor.id not in own or not _strengthens(record):
            continue
        subjects = [subject for subject in subjects_of(record) if own.isdisjoint(_ids(subject))]
        for subject in subjects:
            read.changed.setdefault(subject, []).append(record)
        if subjects and names_several(record):
            read.not_known.append(f"“{record.activity_as_sent.strip()}” (record {record.id}): {NOT_TOLD_APART}")


async def _each_once(
    desk: Desk, changed: Mapping[IdentityRef, list[AuditRecord]]
) -> list[tuple[IdentityRef, list[AuditRecord]]]:
    """
    One identity is told of by its service principal here and by its application there, and would take the room of two.
    Those of which the log has no object id of the service principal are asked of the directory, some of them; one that
    it cannot tell stands for itself.
    """
    asked = [each for each in changed if each.principal_id is None][:_MOST_ASKED] if len(changed) > 1 else []
    named = dict(zip(asked, await together(*(_named(desk, each) for each in asked)), strict=True)) if asked else {}
    found, places = list[tuple[IdentityRef, list[AuditRecord]]](), dict[str, int]()
    for subject, records in changed.items():
        whole, told = named.get(subject, subject), list[AuditRecord]()
        place = next((places[id_] for id_ in _ids(whole) if id_ in places), len(found))
        if place < len(found):
            known, told = found[place]
            whole = _joined(known, whole)
        found[place : place + 1] = [(whole, told + records)]
        places.update(dict.fromkeys(_ids(whole), place))
    return found


async def _named(desk: Desk, subject: IdentityRef) -> IdentityRef:
    try:
        known = (await desk.tenant.directory.look(subject, frozenset({PartName.IDENTITY}))).identity
    except CordonError:
        return subject
    if not isinstance(known, Known):
        return subject
    return known.value.identity.ref


def _ids(subject: IdentityRef) -> tuple[str, ...]:
    return tuple(each for each in (subject.principal_id, subject.client_id, subject.app_object_id) if each)


def _joined(one: IdentityRef, other: IdentityRef) -> IdentityRef:
    return IdentityRef(
        one.principal_id or other.principal_id,
        one.client_id or other.client_id,
        one.app_object_id or other.app_object_id,
    )


def _strengthens(record: AuditRecord) -> bool:
    return record.result != "failure" and not takes_away(record) and not is_echo(record)


@dataclass(frozen=True, slots=True)
class _Changed:
    """One identity, with the record that is told of it: the gravest, and of several the first."""

    subject: IdentityRef
    record: AuditRecord
    told: ChangedTold


def _of(subject: IdentityRef, records: Sequence[AuditRecord]) -> _Changed:
    unique = {record.id: record for record in records}
    record = min(unique.values(), key=lambda each: (_rank(each), each.at, each.id))
    name = next((target.display_name for target in record.targets if target.id in _ids(subject)), None)
    told = ChangedTold(
        principal_id=subject.principal_id,
        client_id=subject.client_id,
        app_object_id=subject.app_object_id,
        name=name,
        record_id=record.id,
        activity=record.activity_as_sent.strip(),
        at=record.at,
        records=len(unique),
    )
    return _Changed(subject, record, told)


def _rank(record: AuditRecord) -> int:
    return min(_GRAVEST.index(kind) for kind in kinds_of(record))


def _gravity(changed: _Changed) -> tuple[int, float, str]:
    return _rank(changed.record), -changed.record.at.timestamp(), changed.record.id


# Telling


async def _tell(
    desk: Desk, chain: Chain, origin: Origin, found: Sequence[_Changed]
) -> tuple[list[ChangedTold], list[_Changed]]:
    """The incidents are told all together, so that the limits see them as one batch."""
    room = MOST_MEMBERS - len(await members_of(desk.store.documents, origin.root))
    signals: list[Signal] = []
    told, left = list[ChangedTold](), list[_Changed]()
    for place, each in enumerate(found):
        is_over = origin.links >= MOST_LINKS or len(told) >= MOST_TOLD or len(signals) >= room
        if is_over and place >= _MOST_ASKED:  # whoever changed ten thousands must not keep the worst from being told
            left.append(each)
            continue
        signal = _signal(desk, chain, origin, each)
        known = await desk.inbox.joined(SuspectChange.name, signal.record_id)
        if known is None and is_over:
            left.append(each)
            continue
        if known is None:
            signals.append(signal)
        told.append(each.told.model_copy(update={"signal": signal.record_id}))
    if signals:
        await desk.inbox.take(signals)
    await _note(desk, origin, told)
    return told, left


async def _note(desk: Desk, origin: Origin, told: Sequence[ChangedTold]) -> None:
    for each in told:
        incident = await desk.inbox.joined(SuspectChange.name, str(each.signal))
        if incident is not None:
            await note_member(desk.store.documents, origin.root, incident)


def _signal(desk: Desk, chain: Chain, origin: Origin, changed: _Changed) -> Signal:
    record, identity = changed.record, identity_of(chain)
    made = changed_by(
        changed.subject,
        incident=chain.incident,
        root=origin.root,
        links=origin.links,
        actor=str(identity.principal_id or identity.client_id),
        record=record.id,
        activity=record.activity_as_sent,
        at=record.at,
    )
    found = source_named(SuspectChange.name).read(made, desk.tenant_id)
    if isinstance(found, NotASignal):
        raise MalformedSignal(source=SuspectChange.name, why=found.why)
    return found


def _call(entry: Followed, left: Sequence[_Changed], origin: Origin) -> Iterator[Escalated]:
    """One call for all that is left."""
    if left:
        named = ", ".join(_name(each.told) for each in left[:5])
        bound = (
            f"it is {origin.links} changes away from incident {origin.root}"
            if origin.links >= MOST_LINKS
            else f"Cordon follows {MOST_TOLD} of one identity and {MOST_MEMBERS} of one case"
        )
        yield Escalated(
            reason=(
                f"Since {entry.since:%Y-%m-%d %H:%M} UTC it changed {len(entry.changed) + len(left)} identities. "
                f"{len(entry.changed)} have incidents of their own; {len(left)} were not followed: {bound}."
            ),
            todo=(
                f"Look at the {len(left)} others, {named} first: evidence {entry.evidence} lists all. Order what has "
                "to be contained by hand: POST /api/incidents."
            ),
        )
    elif entry.not_known:
        yield Escalated(
            reason=f"What this identity changed is not known whole: {'; '.join(entry.not_known[:3])}.",
            todo="Look in the audit log for what it changed before it was cut off, and order what has to be contained.",
        )


def _name(told: ChangedTold) -> str:
    ids: Mapping[str, str | None] = {
        "service principal": told.principal_id,
        "client": told.client_id,
        "application": told.app_object_id,
    }
    return next(f"{kind} {id_}" for kind, id_ in ids.items() if id_)
