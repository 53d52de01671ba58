"""
The inbox: every signal joins one incident, once, whatever route it came by and however often.

A signal is acknowledged only after it stands in an incident's journal and a message that works the
incident is in the queue. Each of the steps can be repeated, so a crash between any two of them is
mended by the redelivery of the same record.
"""

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeAlias

from shared.chain import Chain
from shared.clock import Clock
from shared.damage import read_noting
from shared.entries import Opened, SignalJoined, SubjectIds
from shared.errors import JournalDamaged, NotFound, RequestConflicts, SequenceTaken, Unreachable
from shared.identity import IdentityRef
from shared.journal import IncidentId
from shared.signal import JsonObject, PolicyTouched, Signal
from shared.standing import is_closed, known_ids, subject_of, takes_up
from shared.store import Document, Store
from shared.together import together
from shared.watch import send_news, send_policy_news

log = logging.getLogger("cordon")

_TRIES = 20
_AT_ONCE = 32  # store calls side by side in a sweep
_ASIDE_REMEMBERED = 10_000  # records that this instance knows to be set aside today
_REMEMBERED = 200_000  # keys of signals that this instance knows to have joined


Announce: TypeAlias = Callable[[Sequence[Signal]], Coroutine[Any, Any, None]]
AtOnce: TypeAlias = Callable[[Sequence[Chain]], Coroutine[Any, Any, None]]
_Seen: TypeAlias = dict[IncidentId, Chain]
"""Chains that one attempt to join a signal has read, or the one before it in its batch has written to."""


@dataclass(frozen=True, slots=True)
class _Sight:
    """What the store showed of a signal before anything was changed: who its ids point to, and its own incident."""

    pointers: tuple[Document | None, ...]
    own: Chain

    @property
    def is_new(self) -> bool:
        return not self.own and not any(self.pointers)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What an incident's first record says beside the subject. `addresses`: of `graph` and `arm`, if not the public."""

    tenant_id: str
    mode: str
    policy: str
    addresses: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a batch: the incidents that got something new, and how many signals were known already."""

    incidents: tuple[IncidentId, ...]
    accepted: int
    duplicates: int


class Inbox:
    """Takes signals in."""

    def __init__(self, store: Store, stamp: Stamp, clock: Clock, announce: Announce) -> None:
        """`announce` is told of new signals before any of them can be worked on."""
        self._store, self._stamp, self._clock, self._announce = store, stamp, clock, announce
        self._known: dict[str, None] = {}
        self._set_aside: dict[str, int] = {}  # how often each came

    async def take(
        self, signals: Sequence[Signal], delay: timedelta = timedelta(), at_once: AtOnce | None = None
    ) -> Taken:
        """
        Join each signal to its incident and send a message that works it after `delay`.

        When this returns, nothing of the batch can get lost any more. Signals of one identity are joined in
        the order given. `at_once` is given the incidents as soon as their messages are sent; that the signals are
        known is written down beside it, for without that they only come once more.
        """
        unique = {signal.key: signal for signal in signals}
        gate = asyncio.Semaphore(_AT_ONCE)
        fresh, sights = await self._sort_out(list(unique.values()), gate)
        by_subject: dict[str, list[Signal]] = {}
        for signal in fresh:
            by_subject.setdefault(_first_id(signal.subject), []).append(signal)
        groups = [self._join_or_set_aside(group, delay, gate, sights) for group in by_subject.values()]
        if len(groups) == 1:  # it is nobody's batch but its own: nothing has to wait
            joined = [(await together(self._announce(fresh), groups[0]))[1]]
        else:
            if fresh:
                await self._announce(fresh)
            joined = await asyncio.gather(*groups)
        by_key = {key: chain for group in joined for key, chain in group.items()}
        chains = {chain.incident: chain for chain in by_key.values()}
        noting = self._note_all([signal for signal in fresh if signal.key in by_key], by_key, gate)
        await _to_their_end(noting, at_once(list(chains.values())) if at_once and chains else _nothing())
        return Taken(tuple(chains), len(fresh), len(signals) - len(fresh))

    async def _sort_out(
        self, signals: Sequence[Signal], gate: asyncio.Semaphore
    ) -> tuple[list[Signal], dict[str, _Sight]]:
        """The signals that are new. Of a single one it is seen in the same moment where it belongs."""

        async def is_known(signal: Signal) -> bool:
            async with gate:
                return await self._is_known(signal)

        if len(signals) == 1 and signals[0].key not in self._known:
            known, sight = await together(is_known(signals[0]), self._sight(signals[0]))
            return ([], {}) if known else (list(signals), {signals[0].key: sight} if sight else {})
        known_ones = await together(*(is_known(signal) for signal in signals))
        return [signal for signal, known in zip(signals, known_ones, strict=True) if not known], {}

    async def _sight(self, signal: Signal) -> _Sight | None:
        """None if its journal is damaged: that is met again, and told, by whoever joins it."""
        ids = _ids(signal.subject)
        try:
            own, pointers = await together(
                self._read(self._name(signal)),
                together(*(self._pointer(id_) for id_ in ids)),
            )
        except JournalDamaged:
            return None
        return _Sight(pointers, own)

    async def _join_or_set_aside(
        self, signals: Sequence[Signal], delay: timedelta, gate: asyncio.Semaphore, sights: Mapping[str, _Sight]
    ) -> dict[str, Chain]:
        """A damaged journal holds up its own identity, and nobody else's."""
        try:
            return await self._join_all(signals, delay, gate, sights)
        except JournalDamaged as damage:
            log.error("%s signal(s) about %s were set aside: %s", len(signals), signals[0].subject, damage)  # noqa: TRY400
            for signal in signals:
                why = f"the journal of its incident is damaged ({signal.key})"
                await self.set_aside(signal.source, why, _short(f"damaged|{signal.key}"))
            return {}

    async def incident_of(self, signal: Signal) -> IncidentId:
        """
        The incident that a known signal joined.

        Raises RequestConflicts if another content was taken in under the same record id.
        """
        document = await self._store.documents.get(f"inbox-{signal.source}", _short(signal.record_id))
        if document is None:
            raise NotFound(f"Signal {signal.key} was never taken in.")
        if document.body.get("content") != _content(signal):
            raise RequestConflicts(
                "This request id was used for another order before. Nothing was ordered now; use a new id."
            )
        return IncidentId(str(document.body["incident"]))

    async def joined(self, source: str, record_id: str) -> IncidentId | None:
        """The incident that the signal with this record id joined; None if none was taken in."""
        document = await self._store.documents.get(f"inbox-{source}", _short(record_id))
        return IncidentId(str(document.body["incident"])) if document else None

    async def set_aside(self, source: str, why: str, digest: str) -> None:
        """
        Remember a record that could not be used: who sent it, why, and its SHA-256; never its content.

        One document for a content and a day, however often it comes: this instance asks the store once.
        """
        now = self._clock()
        key = f"{now:%Y%m%d}.{digest}"
        self._set_aside[key] = self._set_aside.pop(key, 0) + 1
        if self._set_aside[key] > 1:
            return
        if len(self._set_aside) > _ASIDE_REMEMBERED:
            self._set_aside.pop(next(iter(self._set_aside)))
        body: JsonObject = {"source": source, "why": why, "at": now.isoformat()}
        await self._store.documents.insert("set-aside", key, body)

    async def policy_touched(self, touched: PolicyTouched) -> None:
        """Send whoever relies on Cordon's policy to look again, if it is that one."""
        key = f"policy|{touched.record_id}"
        if key not in self._known:
            documents, queue = self._store.documents, self._store.queue
            await send_policy_news(documents, queue, touched.record_id, touched.policy_ids, named=touched.named)
            self._remember(key)

    async def release(self, incident: IncidentId, ids: Sequence[str]) -> None:
        """Let the next signal about these ids open an incident of its own."""
        for id_ in ids:
            pointer = await self._store.documents.get("subjects", id_)
            if pointer is not None and pointer.body.get("incident") == incident:
                await self._store.documents.remove("subjects", id_, pointer.etag)

    async def claim(self, incident: IncidentId, ids: Sequence[str]) -> IncidentId | None:
        """
        Point these ids, learned meanwhile, to the incident; or give another open incident that has the first.

        The first id alone settles which of several incidents goes on: two that looked at each other's would
        both hand over. Whoever had one of the other ids finds this incident when it asks for the first.
        """
        pointers = await together(*(self._pointer(id_) for id_ in ids))
        holder = await self._point(ids[0], incident, {}, pointers[0])
        if holder != incident and await self._is_born(holder):
            return holder
        seen = zip(ids, pointers, strict=True)
        await together(*(self._take(id_, incident, pointer) for id_, pointer in seen))
        return None

    async def holders(self, ids: Sequence[str]) -> tuple[IncidentId, ...]:
        """The incidents that these ids point to and that are open. Changes nothing."""
        pointers = [await self._store.documents.get("subjects", id_) for id_ in ids]
        named = dict.fromkeys(IncidentId(str(each.body["incident"])) for each in pointers if each)
        chains = [(incident, await self._read(incident)) for incident in named]
        return tuple(i for i, chain in chains if chain and not is_closed(chain))

    async def _is_known(self, signal: Signal) -> bool:
        if signal.key in self._known:
            return True
        if await self._store.documents.get(f"inbox-{signal.source}", _short(signal.record_id)) is None:
            return False
        self._remember(signal.key)
        return True

    def _remember(self, key: str) -> None:
        if len(self._known) >= _REMEMBERED:
            self._known.pop(next(iter(self._known)))
        self._known[key] = None

    async def _join_all(
        self, signals: Sequence[Signal], delay: timedelta, gate: asyncio.Semaphore, sights: Mapping[str, _Sight]
    ) -> dict[str, Chain]:
        """The chain of the incident that each signal joined, by the signal's key."""
        joined = dict[str, Chain]()
        async with gate:
            seen: _Seen = {}
            for signal in signals:
                chain = await self._join(signal, sights.get(signal.key), seen)
                joined[signal.key] = seen[chain.incident] = chain
            incidents = dict.fromkeys(chain.incident for chain in joined.values())  # in order: same seed, same trace
            for incident in incidents:
                await self._store.queue.send({"incident": incident, "because": "signal"}, delay)
            return joined

    async def _note_all(self, signals: Sequence[Signal], joined: Mapping[str, Chain], gate: asyncio.Semaphore) -> None:
        """Only once the message is sent: whoever was killed before is mended by the same record coming again."""
        by_incident: dict[IncidentId, list[Signal]] = {}
        for signal in signals:
            by_incident.setdefault(joined[signal.key].incident, []).append(signal)
        await together(*(self._note(incident, group, gate) for incident, group in by_incident.items()))

    async def _note(self, incident: IncidentId, signals: Sequence[Signal], gate: asyncio.Semaphore) -> None:
        async with gate:
            for signal in signals:
                await send_news(self._store.documents, self._store.queue, signal, incident)
                body: JsonObject = {
                    "at": self._clock().isoformat(),
                    "incident": incident,
                    "content": _content(signal),
                }
                await self._store.documents.insert(f"inbox-{signal.source}", _short(signal.record_id), body)
                self._remember(signal.key)

    async def _join(self, signal: Signal, sight: _Sight | None, known: _Seen) -> Chain:
        """
        `known`: chains that signals before it in its batch have joined. A rival's write shows when this one is
        appended; then everything is read afresh.

        1. Find the open incident of one of the subject's ids, or name a new one.
        2. Point every id of the subject to it.
        3. Append the signal, unless it stands there already.
        """
        if sight and sight.is_new and (chain := await self._open(signal, sight.own)):
            return chain
        for attempt in range(_TRIES):
            seen: _Seen = {} if attempt else dict(known)
            incident = await self._point_all(signal, self._name(signal), seen)
            try:
                if chain := await self._append(incident, signal, seen):
                    return chain
            except SequenceTaken:
                continue  # somebody else wrote; read the chain again
        raise Unreachable(f"taking in signal {signal.key}", "its incident was written to by others without pause")

    async def _open(self, signal: Signal, own: Chain) -> Chain | None:
        """
        Open an incident where nobody had one a moment ago, all ids side by side. None if somebody was faster.

        Then the ids that were pointed to ours, which nobody will open, follow the first one, which settles it.
        """
        ids, name, documents = _ids(signal.subject), own.incident, self._store.documents
        *pointed, _ = await together(
            *(documents.insert("subjects", id_, {"incident": name}) for id_ in ids),
            documents.insert("incidents", _listing(name, signal), {"incident": name}),
        )
        if all(pointed):
            try:
                await own.write(self._opened(signal.subject), _joined(signal), only_next=True)
            except SequenceTaken:
                return None
            return own
        first = await self._point(ids[0], name, {})
        if first != name and not await self._is_born(name):
            for id_, is_ours in zip(ids, pointed, strict=True):
                if is_ours:
                    await self._take(id_, first)
        return None

    def _name(self, signal: Signal) -> IncidentId:
        """The id follows from what is reported: the same signal can never open two incidents."""
        digest = _short(f"{self._stamp.tenant_id}|{_first_id(signal.subject)}|{signal.key}")
        return IncidentId(f"{signal.observed_at:%Y%m%d}-{digest[:12]}")

    async def _point_all(self, signal: Signal, name: IncidentId, seen: _Seen) -> IncidentId:
        """
        Point all ids to the incident that one of them points to and that takes it, or to a new one of this name. Of two
        service principals of one application, made one after the other, each has its own.
        """
        ids, pointed = _ids(signal.subject), [name]
        for id_ in ids:
            pointed.append(await self._point(id_, pointed[-1], seen, signal=signal))
        incident = pointed[-1]
        if incident != name and await self._is_about_another(incident, signal, seen):
            mine = name if await self._is_about_another(pointed[1], signal, seen) else pointed[1]
            await self._take(ids[0], mine)
            return mine
        if incident != name and name in pointed[1:] and not await self._is_born(name):
            for id_, holder in zip(ids, pointed[1:], strict=True):
                if holder == name:  # nobody will ever open it: the signal has its incident already
                    await self._take(id_, incident)
        return incident

    async def _is_about_another(self, incident: IncidentId, signal: Signal, seen: _Seen) -> bool:
        """
        Whether the incident is about another service principal than the one that the signal names: that is deleted,
        and can be read no more, while this one is there.
        """
        named = signal.subject.principal_id
        chain = seen.get(incident) or await self._read(incident)
        if named is None or not chain:
            return False
        return subject_of(chain).principal_id is not None and named not in known_ids(chain)

    async def _take(self, id_: str, incident: IncidentId, *known: Document | None) -> None:
        """Point an id to an incident, whatever it points to; `known` is its pointer, where it was read just now."""
        for attempt in range(_TRIES):
            pointer = known[attempt] if attempt < len(known) else await self._pointer(id_)
            if pointer is None:
                if await self._store.documents.insert("subjects", id_, {"incident": incident}):
                    return
            elif pointer.body.get("incident") == incident or await self._store.documents.replace(
                "subjects", id_, {"incident": incident}, pointer.etag
            ):
                return
        raise Unreachable(f"pointing {id_} to its incident", "its pointer was changed by others without pause")

    async def _pointer(self, id_: str) -> Document | None:
        return await self._store.documents.get("subjects", id_)

    async def _point(
        self, id_: str, incident: IncidentId, seen: _Seen, *known: Document | None, signal: Signal | None = None
    ) -> IncidentId:
        """
        Point an id to an incident, unless it points already to one that is open, or that takes up this signal. Gives
        where it points now.

        `known` is its pointer, where it was read just now.
        """
        for attempt in range(_TRIES):
            pointer = known[attempt] if attempt < len(known) else await self._pointer(id_)
            if pointer is None:
                if await self._store.documents.insert("subjects", id_, {"incident": incident}):
                    return incident
                continue
            holder = IncidentId(str(pointer.body["incident"]))
            if holder == incident or not await self._is_closed(holder, seen):
                return holder
            if signal is not None and takes_up(seen[holder], signal, self._stamp.mode):
                return holder
            if await self._store.documents.replace("subjects", id_, {"incident": incident}, pointer.etag):
                return incident
        raise Unreachable(f"finding the incident of {id_}", "its pointer was changed by others without pause")

    async def _is_closed(self, incident: IncidentId, seen: _Seen) -> bool:
        """Closed is only what shows as closed now; that it is open still is proven by writing to it."""
        if incident not in seen or is_closed(seen[incident]):
            seen[incident] = await self._read(incident)
        return is_closed(seen[incident])

    async def _is_born(self, incident: IncidentId) -> bool:
        """An id may point to an incident that nobody has opened yet, or never will."""
        return bool(await self._read(incident))

    async def _read(self, incident: IncidentId) -> Chain:
        return await read_noting(self._store, incident, self._clock)

    async def _append(self, incident: IncidentId, signal: Signal, seen: _Seen) -> Chain | None:
        """
        Append the signal, unless it stands there already. None if the incident was closed meanwhile.

        What was read to find the incident is good enough: whoever has written since has taken our place.
        """
        chain = seen[incident] if incident in seen else await self._read(incident)
        if any((s.source, s.record_id) == (signal.source, signal.record_id) for s in chain.all(SignalJoined)):
            return chain
        if is_closed(chain) and not takes_up(chain, signal, self._stamp.mode):
            return None
        joined = _joined(signal)
        if chain:  # only next: by another route the same signal may be the one that joins meanwhile
            await chain.write(joined, only_next=True)
            return chain
        await self._store.documents.insert("incidents", _listing(incident, signal), {"incident": incident})
        await chain.write(self._opened(signal.subject), joined, only_next=True)
        return chain

    def _opened(self, subject: IdentityRef) -> Opened:
        return Opened.model_validate(
            {
                "tenant_id": self._stamp.tenant_id,
                "subject": SubjectIds(
                    principal_id=subject.principal_id,
                    client_id=subject.client_id,
                    app_object_id=subject.app_object_id,
                ),
                "mode": self._stamp.mode,
                "policy": self._stamp.policy,
                **self._stamp.addresses,
            }
        )


async def _nothing() -> None:
    """Nobody works at once."""


async def _to_their_end(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Side by side; an error of one is raised only when the other has ended, for neither may be cut short."""
    for result in await asyncio.gather(*coroutines, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


def _joined(signal: Signal) -> SignalJoined:
    return SignalJoined(
        source=signal.source,
        record_id=signal.record_id,
        observed_at=signal.observed_at,
        summary=signal.summary,
        facts=dict(signal.facts),
    )


def _listing(incident: IncidentId, signal: Signal) -> str:
    """A key that sorts newest first; made from the signal, so that a repeated opening is listed once."""
    return f"{10**13 - int(signal.observed_at.timestamp() * 1000):014d}.{incident}"


def _ids(subject: IdentityRef) -> list[str]:
    return [id_ for id_ in (subject.principal_id, subject.client_id, subject.app_object_id) if id_]


def _first_id(subject: IdentityRef) -> str:
    return _ids(subject)[0]


def _content(signal: Signal) -> str:
    """What makes a record the same. An order names one id, which stands last; the others were looked up for it."""
    ids = _ids(signal.subject)
    return _short(json.dumps([ids[-1:] if signal.source == "manual" else ids, dict(signal.facts)], sort_keys=True))


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:40]
