"""
The limits' window in the store: a place is reserved before the first effect, and shared by all instances.

Window and burst are one document, changed only if nobody else changed it meanwhile: that is what makes the
limits exact. Who is undecided is read before it, so that whoever is taken off that list on account of a burst
has left the burst's mark in the document first.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Reservations:
    """Reserves places for identities that effects are about to be let through on."""

    documents: Documents
    directory: Directory
    muster: Muster
    limits: Limits
    clock: Clock

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
        """Judge and store what follows, until nobody else was faster."""
        while True:
            now, document = self.clock(), await self.documents.get(_PARTITION, "identities")
            try:
                window = read_window(document.body) if document else Window()
            except WindowUnreadable as problem:
                log.error("%s", problem)  # noqa: TRY400 - the text says it all
                return Over(str(problem))
            verdict = (
                spend(window, wanted, now)
                if confirmed
                else judge(self.limits, window, wanted, batch=batch, named=named, enabled=enabled, now=now)
            )
            if isinstance(verdict, Over):
                is_known = window.burst is not None and verdict.reason == window.burst.reason
                if not verdict.by_batch or verdict.window is None or not (last or is_known):
                    return verdict
                if await self._store(document, verdict.window):
                    return Over(verdict.reason, verdict.by_batch)
            elif await self._store(document, verdict.window):
                return None

    async def _store(self, document: Document | None, window: Window) -> bool:
        body = as_body(window)
        if document is None:
            return await self.documents.insert(_PARTITION, "identities", body)
        return await self.documents.replace(_PARTITION, "identities", body, document.etag)

    async def _count_enabled(self) -> int | None:
        """The tenant's enabled service principals, at most an hour old where they can be counted."""
        document, now = await self.documents.get(_PARTITION, "enabled"), self.clock()
        if document and now - datetime.fromisoformat(str(document.body["at"])) < _COUNT_LIVES:
            return int(str(document.body["count"]))
        try:
            count = await self._ask_count()
        except CordonError as error:
            log.warning("the enabled service principals could not be counted: %s", error)
            return int(str(document.body["count"])) if document else None
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
