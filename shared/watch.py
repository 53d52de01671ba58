"""
Which incidents are watched after containment: whose ids, whose name, and which rely on Cordon's policy.

An index in the store, written when an identity was first proven contained, and read for every audit record
that is news. Of several incidents the newest is told; the ones before it are remembered for when it is undone.
It only points: whoever is sent there looks again at the tenant before it does anything.
"""

import hashlib
from collections.abc import Container, Iterable, Sequence

from shared.errors import Unreachable
from shared.journal import IncidentId
from shared.signal import JsonObject, Signal
from shared.store import Documents, WorkQueue
from shared.together import together

_IDS, _NAMES, _POLICY, _POLICY_IDS = "watched", "watched-names", "watched-policy", "risk-policy"
_TRIES = 20
_PAGE = 200
_BEFORE = 20  # incidents before the newest that a mark remembers
_MADE = ("add application", "add service principal")


async def mark(
    documents: Documents, incident: IncidentId, ids: Iterable[str], name: str, *, policy: bool, policy_id: str | None
) -> None:
    """Watch these ids and this name for the incident. May run again."""
    for id_ in ids:
        await _point(documents, _IDS, id_, incident)
    if name:
        await _point(documents, _NAMES, _key(name), incident)
    if policy:
        await documents.insert(_POLICY, incident, {"incident": incident})
    if policy_id:
        await documents.insert(_POLICY_IDS, _key(policy_id), {})


async def unmark(documents: Documents, incident: IncidentId, ids: Iterable[str], name: str) -> None:
    """The incident is undone: whoever contained the identity before it is told of news again. May run again."""
    for id_ in ids:
        await _give_back(documents, _IDS, id_, incident)
    if name:
        await _give_back(documents, _NAMES, _key(name), incident)


async def watcher(documents: Documents, ids: Iterable[str], beside: Container[IncidentId] = ()) -> IncidentId | None:
    """
    The incident that watches the identity with these ids: the newest in which it was contained. All are marked.
    `beside`: who would watch it if these did not.
    """
    marks = await together(*(documents.get(_IDS, id_) for id_ in ids))
    marked = next(
        ([_incident(found.body), *_before(found.body)] for found in marks if found is not None), list[IncidentId]()
    )
    return next((each for each in marked if each not in beside), None)


async def send_news(documents: Documents, queue: WorkQueue, signal: Signal, joined: IncidentId) -> None:
    """Send the incidents that a signal is news for to look again; not the one that it joined, which looks anyway."""
    if signal.source != "directory-audit":
        return
    subject = signal.subject
    told = {joined}
    for id_ in (subject.principal_id, subject.client_id, subject.app_object_id):
        found = await documents.get(_IDS, id_) if id_ else None
        if found is not None and (incident := _incident(found.body)) not in told:
            told.add(incident)
            said: JsonObject = {"enabled": True} if signal.facts.get("accountEnabled") is True else {}
            await queue.send({"incident": incident, "because": "watch", **said})
    name = signal.facts.get("displayName")
    if signal.facts.get("activity") in _MADE and isinstance(name, str) and name:
        alike = await documents.get(_NAMES, _key(name))
        if alike is not None and (incident := _incident(alike.body)) not in told:
            ids: JsonObject = {
                "principal": subject.principal_id,
                "client": subject.client_id,
                "application": subject.app_object_id,
            }
            await queue.send({"incident": incident, "because": "lookalike", "ids": ids})


async def send_policy_news(
    documents: Documents, queue: WorkQueue, record_id: str, ids: Sequence[str], *, named: bool
) -> bool:
    """
    A Conditional Access policy was touched: if it is Cordon's, every incident that relies on it looks again.

    Once for each record. The policy is known by its name, or by its id once a record had both.
    """
    seen = f"policy-{hashlib.sha256(record_id.encode()).hexdigest()[:40]}"
    if await documents.get("inbox-policy", seen) is not None:
        return False
    if not named and not [id_ for id_ in ids if await documents.get(_POLICY_IDS, _key(id_)) is not None]:
        return False
    for id_ in ids:
        await documents.insert(_POLICY_IDS, _key(id_), {})
    after = ""
    while page := await documents.query(_POLICY, after=after, limit=_PAGE):
        for watched in page:
            await queue.send({"incident": _incident(watched.body), "because": "watch"})
        after = page[-1].key
    await documents.insert("inbox-policy", seen, {})
    return True


async def _point(documents: Documents, partition: str, key: str, incident: IncidentId) -> None:
    for _ in range(_TRIES):
        if await documents.insert(partition, key, {"incident": incident}):
            return
        found = await documents.get(partition, key)
        if found is None:
            continue
        if found.body.get("incident") == incident:
            return
        before = [_incident(found.body), *_before(found.body)]
        if await documents.replace(partition, key, _mark(incident, before), found.etag):
            return
    raise Unreachable("marking an identity as watched", "others changed the mark without pause")


async def _give_back(documents: Documents, partition: str, key: str, incident: IncidentId) -> None:
    for _ in range(_TRIES):
        found = await documents.get(partition, key)
        if found is None:
            return
        marked = [_incident(found.body), *_before(found.body)]
        left = [each for each in marked if each != incident]
        if left == marked:
            return
        if await _leave(documents, partition, key, left, found.etag):
            return
    raise Unreachable("giving back the watch over an identity", "others changed the mark without pause")


async def _leave(documents: Documents, partition: str, key: str, left: Sequence[IncidentId], etag: str) -> bool:
    if not left:
        return await documents.remove(partition, key, etag)
    return await documents.replace(partition, key, _mark(left[0], left[1:]), etag)


def _mark(incident: IncidentId, before: Sequence[IncidentId]) -> JsonObject:
    older = [each for each in before if each != incident][:_BEFORE]
    return {"incident": incident, "before": [*older]} if older else {"incident": incident}


def _before(body: JsonObject) -> list[IncidentId]:
    """The incidents that watched before the one that the mark names, newest first."""
    before = body.get("before")
    return [IncidentId(str(each)) for each in before] if isinstance(before, list) else []


def _incident(body: JsonObject) -> IncidentId:
    return IncidentId(str(body["incident"]))


def _key(text: str) -> str:
    """Any text of the tenant as a key that holds none of it."""
    return hashlib.sha256(text.strip().casefold().encode("utf-8", "backslashreplace")).hexdigest()[:40]
