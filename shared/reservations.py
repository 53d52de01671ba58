"""
The limits' window in the store: a place is reserved before the first effect, and shared by all instances.

Window and burst are one document, changed only if nobody else changed it meanwhile: that is what makes the
limits exact. Who is undecided is read before it, so that whoever is taken off that list on account of a burst
has left the burst's mark in the document first. What one instance's workers ask for at the same time is judged one
after the other and stored at once: fifty that compete for one document would write it fifty times, and read it more
often.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter
from typing import cast

from shared.actions.interface import Tier
from shared.clock import Clock
from shared.errors import CordonError, TimeMayHelp
from shared.limits import Batch, Burst, Deed, Over, Spent, Window, judge, spend
from shared.muster import Muster
from shared.policy import Limits
from shared.signal import JsonObject, JsonValue
from shared.store import Document, Documents
from shared.tenant import Directory
from shared.together import together

log = logging.getLogger("cordon")

_PARTITION = "limits"
_COUNT_LIVES = timedelta(hours=1)
_COUNT_STANDS_IN = timedelta(hours=24)  # where it cannot be counted afresh; a tenant's size moves slower than that
_PAUSES = (1.0, 3.0)  # seconds between attempts to count
_PATIENCE = 20  # looks at the list, a second apart, for others to be decided before a batch is held back


_BY_TIER = attrgetter("tier", "mark")


class WindowUnreadable(ValueError):
    """The document of the window is not one that Cordon wrote."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """The tenant's enabled principals (None: not counted), and who else is undecided."""

    enabled: int | None
    batch: Batch


@dataclass(slots=True, eq=False)
class _Ask:
    """What one identity needs to be judged, and, once `is_answered`, its verdict or the store's error."""

    wanted: Spent
    batch: Batch
    enabled: int | None
    confirmed: bool
    named: bool
    last: bool
    is_answered: bool = False
    verdict: Over | None = None
    problem: CordonError | None = None

    def answer(self, verdict: Over | None = None, problem: CordonError | None = None) -> None:
        self.is_answered, self.verdict, self.problem = True, verdict, problem


@dataclass(slots=True)
class Turn:
    """Whose turn it is within this instance, what waits for it, and the window as it was understood last."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: list[_Ask] = field(default_factory=list[_Ask])
    known: tuple[JsonObject, Window] | None = None

    def read(self, body: JsonObject) -> Window:
        """As `read_window`, which takes its time with many identities."""
        if self.known is None or self.known[0] != body:
            self.known = body, read_window(body)
        return self.known[1]


@dataclass(frozen=True, slots=True)
class Reservations:
    """Reserves places for identities that effects are about to be let through on."""

    documents: Documents
    directory: Directory
    muster: Muster
    limits: Limits
    clock: Clock
    turn: Turn = field(default_factory=Turn)

    async def look_ahead(self, own: Sequence[str]) -> Ahead:
        """What `reserve` reads first; it may be read beside other things, a moment before."""
        enabled, batch = await together(self._count_enabled(), self.muster.others(own))
        return Ahead(enabled, batch)

    async def reserve(
        self,
        wanted: Spent,
        own: Sequence[str],
        *,
        confirmed: bool = False,
        named: bool = False,
        ahead: Ahead | None = None,
    ) -> Over | None:
        """
        Reserve a place, or say which limit is reached; then nothing was reserved.

        `own` are the identity's ids. A person who confirmed this very plan is who a limit asks: the place is
        taken and counted all the same.

        `named`: a person ordered this identity by name. Raises what the store raises: then nothing may be done.
        """
        if confirmed:
            ahead = Ahead(None, Batch())
        elif ahead is None:
            ahead = await self.look_ahead(own)
        enabled, batch, looks = ahead.enabled, Batch() if named else ahead.batch, 0
        while True:
            verdict = await self._settle(
                wanted, batch, enabled, confirmed=confirmed, named=named, last=looks >= _PATIENCE
            )
            if verdict is None or verdict.window is None:
                break
            looks += 1
            await asyncio.sleep(1.0)
            batch = Batch() if confirmed or named else await self.muster.others(own)
        if verdict:
            log.warning("limit reached, containment of %s waits for a person: %s", wanted.principal_id, verdict.reason)
        return verdict

    async def burst(self) -> Burst | None:
        """The burst that was held back in the last hour, if any. Raises WindowUnreadable."""
        document = await self.documents.get(_PARTITION, "identities")
        burst = read_window(document.body).burst if document else None
        return burst if burst and self.clock() - burst.last < timedelta(hours=1) else None

    async def _settle(
        self, wanted: Spent, batch: Batch, enabled: int | None, *, confirmed: bool, named: bool, last: bool
    ) -> Over | None:
        """Judge and store what follows, together with all that this instance is asked for meanwhile."""
        ask, turn = _Ask(wanted, batch, enabled, confirmed, named, last), self.turn
        turn.waiting.append(ask)
        try:
            async with turn.lock:
                if not ask.is_answered:
                    await asyncio.sleep(0)  # whoever is as far as we are joins
                    await self._settle_all(tuple(turn.waiting))
        finally:
            turn.waiting.remove(ask)
        if ask.problem:
            raise ask.problem
        return ask.verdict

    async def _settle_all(self, asks: Sequence[_Ask]) -> None:
        """Judge one after the other and store what follows, until no other instance was faster."""
        try:
            verdicts = await self._judged(asks)
            while verdicts is None:
                verdicts = await self._judged(asks)
        except CordonError as problem:
            for ask in asks:
                ask.answer(problem=problem)
        else:
            for ask, verdict in zip(asks, verdicts, strict=True):
                ask.answer(verdict)

    async def _judged(self, asks: Sequence[_Ask]) -> Sequence[Over | None] | None:
        """The verdicts, with the window stored that they leave; None if somebody else has changed it meanwhile."""
        now, document = self.clock(), await self.documents.get(_PARTITION, "identities")
        try:
            before = self.turn.read(document.body) if document else Window()
        except WindowUnreadable as problem:
            log.error("%s", problem)  # noqa: TRY400 - the text says it all
            return [Over(str(problem))] * len(asks)
        verdicts: list[Over | None] = []
        window = before
        for ask in asks:
            verdict, window = self._judge(ask, window, now)
            verdicts.append(verdict)
        return verdicts if window is before or await self._store(document, window) else None

    def _judge(self, ask: _Ask, window: Window, now: datetime) -> tuple[Over | None, Window]:
        """The verdict on one, and the window that the next one finds."""
        if ask.confirmed:
            return None, spend(window, ask.wanted, now).window
        verdict = judge(self.limits, window, ask.wanted, batch=ask.batch, named=ask.named, enabled=ask.enabled, now=now)
        if not isinstance(verdict, Over):
            return None, verdict.window
        is_known = window.burst is not None and verdict.reason == window.burst.reason
        if not verdict.by_batch or verdict.window is None or not (ask.last or is_known):
            return verdict, window
        return Over(verdict.reason, verdict.by_batch), verdict.window

    async def _store(self, document: Document | None, window: Window) -> bool:
        body = as_body(window)
        self.turn.known = body, window
        if document is None:
            return await self.documents.insert(_PARTITION, "identities", body)
        return await self.documents.replace(_PARTITION, "identities", body, document.etag)

    async def _count_enabled(self) -> int | None:
        """
        The tenant's enabled service principals, at most an hour old where they can be counted. Where they cannot, an
        older count stands in for a day, or whoever uses up Graph's quota would keep everybody from being contained;
        one that is older still says nothing about the tenant of now.
        """
        document, now = await self.documents.get(_PARTITION, "enabled"), self.clock()
        kept = _read_count(document.body) if document else None
        if kept and now - kept.at < _COUNT_LIVES:
            return kept.count
        try:
            count = await self._ask_count()
        except CordonError as error:
            stands_in = kept is not None and now - kept.at < _COUNT_STANDS_IN
            said = (
                f"the {kept.count} of {kept.at:%Y-%m-%d %H:%M} UTC stand in" if kept and stands_in else "nobody knows"
            )
            log.warning("the enabled service principals could not be counted (%s): %s", said, error)
            return kept.count if kept and stands_in else None
        body: JsonObject = {"at": now.isoformat(), "count": count}
        if document:
            await self.documents.replace(_PARTITION, "enabled", body, document.etag)
        else:
            await self.documents.insert(_PARTITION, "enabled", body)
        return count

    async def _ask_count(self) -> int:
        """A passing fault is outwaited for a moment: the alternative is to wait for a person."""
        for pause in _PAUSES:
            try:
                return await self.directory.count_enabled_principals()
            except TimeMayHelp:
                await asyncio.sleep(pause)
        return await self.directory.count_enabled_principals()


@dataclass(frozen=True, slots=True)
class _Count:
    at: datetime
    count: int


def _read_count(body: JsonObject) -> _Count | None:
    """The count as it was kept; None for what is none, which is counted afresh."""
    try:
        return _Count(datetime.fromisoformat(str(body["at"])), int(str(body["count"])))
    except (KeyError, ValueError) as problem:
        log.warning("the row limits/enabled holds no count and is written anew: %r", problem)
        return None


def read_window(body: JsonObject) -> Window:
    """The window as `as_body` wrote it, or an earlier version. Raises WindowUnreadable: never taken for empty."""
    try:
        spent = cast("list[JsonObject]", body["spent"])
        return Window(tuple(_spent(each) for each in spent), _burst(body.get("burst")))
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise WindowUnreadable(
            "the record of what was contained in the last hour cannot be understood, so no limit can be judged; "
            "look at the table's row limits/identities"
        ) from problem


def as_body(window: Window) -> JsonObject:
    body: JsonObject = {"spent": [_spent_body(each) for each in window.spent]}
    if window.burst:
        burst = window.burst
        body["burst"] = {"since": burst.since.isoformat(), "last": burst.last.isoformat(), "reason": burst.reason}
    return body


def _spent(entry: JsonObject) -> Spent:
    done = cast("dict[str, list[str]]", entry.get("did", {}))
    deeds = frozenset(Deed(Tier(tier), mark) for tier, marks in done.items() for mark in marks)
    known_as = entry.get("as")
    return Spent(str(entry["id"]), datetime.fromisoformat(str(entry["at"])), deeds, str(known_as) if known_as else None)


def _spent_body(spent: Spent) -> JsonObject:
    done: dict[str, list[str]] = {}
    for deed in sorted(spent.deeds, key=_BY_TIER):
        done.setdefault(deed.tier, []).append(deed.mark)
    body: dict[str, JsonValue] = {"id": spent.principal_id, "at": spent.at.isoformat()}
    if done:
        body["did"] = cast("JsonValue", done)
    if spent.known_as:
        body["as"] = spent.known_as
    return body


def _burst(value: JsonValue) -> Burst | None:
    if value is None:
        return None
    body = cast("JsonObject", value)
    since, last = (datetime.fromisoformat(str(body[name])) for name in ("since", "last"))
    return Burst(since, last, str(body["reason"]))
