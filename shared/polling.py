"""
Sweeps: read what must be polled, without gaps and without repeats.

A page's signals are taken in before the next page is asked for, and coverage moves only after the last
page of a window. Whatever interrupts a sweep, the next one goes on from there; what is read twice ends
in the inbox.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.clock import Clock
from shared.errors import CordonError, MalformedSignal, PartLost, Throttled
from shared.familiar import Familiar
from shared.inbox import Inbox
from shared.signal import JsonObject, NotASignal, PolicyTouched, Signal
from shared.sources import source_named
from shared.sources.interface import Source
from shared.store import Documents
from shared.tenant import Feeds, SignInType
from shared.views import CoverageView
from shared.windows import (
    AGES,
    SETTLE,
    Coverage,
    Lost,
    Window,
    due_blocks,
    due_windows,
    is_ahead,
    is_deep,
    newest_behind,
    not_too_far,
    pending,
    with_lost,
)

_SWEEP = timedelta(minutes=4)  # a timer function may run ten minutes; what is left waits for the next

_MOST_NEWS = 100  # sign-ins that one sweep may make news of; the rest of the log waits for the next
_SIGN_IN_TYPES: tuple[SignInType, ...] = ("servicePrincipal", "managedIdentity")

IsOwnDoing = Callable[[Signal], Awaitable[bool]]
SeeOwn = Callable[[Sequence[Signal]], Awaitable[None]]
HearOfPolicy = Callable[[PolicyTouched], Awaitable[None]]
ReadWindow = Callable[[Window], Awaitable["Swept"]]


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep came to."""

    records: int = 0
    accepted: int = 0
    set_aside: int = 0
    complete: bool = True

    def plus(self, other: "Swept") -> "Swept":
        return Swept(
            self.records + other.records,
            self.accepted + other.accepted,
            self.set_aside + other.set_aside,
            self.complete and other.complete,
        )


class Polling:
    """Reads the feeds into the inbox and keeps the coverage record."""

    def __init__(
        self,
        feeds: Feeds,
        inbox: Inbox,
        documents: Documents,
        tenant_id: str,
        is_own_doing: IsOwnDoing,
        see_own: SeeOwn,
        policy_touched: HearOfPolicy,
        clock: Clock,
        *,
        sign_ins_too: bool = False,
    ) -> None:
        """`sign_ins_too`: the policy has a rule that a sign-in can wake, so that reading all of them is worth it."""
        self._policy_touched, self._sign_ins_too = policy_touched, sign_ins_too
        self._feeds, self._inbox, self._documents = feeds, inbox, documents
        self._tenant_id, self._is_own_doing, self._see_own, self._clock = tenant_id, is_own_doing, see_own, clock

    async def sweep_risk(self) -> Swept:
        """
        Read both risk lists whole. They have no filter by time that could be relied on, and rows stay until
        somebody settles them; what is known already ends in the inbox.
        """
        swept = Swept()
        feeds = (
            ("risk-detections", "risk-detection", self._feeds.risk_detections),
            ("risky-principals", "risky-service-principal", self._feeds.risky_principals),
        )
        problems: list[CordonError] = []
        for feed, source, pages in feeds:
            try:
                swept = swept.plus(await self._read(feed, source_named(source), pages()))
            except CordonError as error:
                problems.append(error)  # the other list is still read; the sweep fails at its end
                await self._note_trouble(feed, error)
        if problems:
            raise problems[0]
        return swept

    async def sweep_audits(self) -> Swept:
        """Read the audit log from one overlap before the watermark up to one settling time before now."""
        return await self._sweep_log("audits", await self.coverage("audits"), self._read_audits)

    async def sweep_sign_ins(self) -> Swept:
        """
        Read all workloads' sign-ins on from where they were read to, in the same windows, and take in those that show
        something for the first time. Nothing is read where no rule waits for a sign-in.

        The first sweep learns: what the day before it holds is no news. What lies more than a week behind, because
        the poll was off, is left to whoever reads one identity's log. Where an older stretch cannot be read, the newest
        is all the same: one workload's flood, of more than one answer holds, would otherwise hide everybody's for days.
        """
        if not self._sign_ins_too:
            return Swept()
        now = self._clock()
        coverage, learned = not_too_far(await self.coverage("sign-ins"), now), await self._learned_until(now)
        reading = _SignInReading(self._feeds, Familiar(self._documents, self._clock), learned)
        try:
            return await self._sweep_log("sign-ins", coverage, lambda window: self._read_sign_ins(window, reading))
        except CordonError as error:
            behind = await self.coverage("sign-ins")
            if not isinstance(error, Throttled) and (newest := newest_behind(behind, now)) is not None:
                await self._read_sign_ins(newest, reading)  # and nothing is marked as read
            raise

    async def _sweep_log(self, feed: str, coverage: Coverage, read: ReadWindow) -> Swept:
        swept, begun = Swept(), self._clock()
        for window in due_windows(coverage, begun):
            if self._clock() - begun > _SWEEP:
                return replace(swept, complete=False)
            swept = swept.plus(await read(window))
            if not swept.complete:
                return swept
            await self._update(feed, _moved_to(window, begun))
        if is_deep(coverage, begun):
            await self._update(feed, lambda c: replace(c, deep=begun))
        return swept

    async def reconcile(self) -> Swept:
        """Read older hours of the logs again: records arrive up to hours late."""
        swept = await self._reconcile_log("audits", self._read_audits)
        if not self._sign_ins_too:
            return swept
        learned = await self._learned_until(self._clock())
        reading = _SignInReading(self._feeds, Familiar(self._documents, self._clock), learned)
        again = await self._reconcile_log("sign-ins", lambda window: self._read_sign_ins(window, reading))
        return swept.plus(again)

    async def _reconcile_log(self, feed: str, read: ReadWindow) -> Swept:
        swept, begun = Swept(), self._clock()
        for number, block in due_blocks(await self.coverage(feed), begun):
            if self._clock() - begun > _SWEEP:
                return replace(swept, complete=False)
            swept = swept.plus(await read(block))
            if not swept.complete:
                return swept
            await self._update(feed, _reconciled(number, block, begun))
        return swept

    async def _learned_until(self, now: datetime) -> datetime:
        """The moment from which on a sign-in can be news: the first sweep's, noted before it reads."""
        document = await self._documents.get("coverage", "sign-ins-learned")
        if document is None:
            until = now - SETTLE
            await self._documents.insert("coverage", "sign-ins-learned", {"until": until.isoformat()})
            return until
        return datetime.fromisoformat(str(document.body["until"]))

    async def coverage(self, feed: str) -> Coverage:
        document = await self._documents.get("coverage", feed)
        return Coverage.read(document.body) if document else Coverage()

    async def coverage_views(self) -> tuple[CoverageView, ...]:
        """Which minutes have been read, which are pending."""
        views: list[CoverageView] = []
        logs = ("audits", "sign-ins") if self._sign_ins_too else ("audits",)
        for feed in (*logs, "risk-detections", "risky-principals"):
            coverage, now = await self.coverage(feed), self._clock()
            said = pending(coverage, now) if feed in logs else _pending_list(coverage)
            views.append(CoverageView(feed=feed, read_until=coverage.watermark, pending=said))
        return tuple(views)

    async def _read(self, feed: str, source: Source, pages: AsyncIterator[Sequence[JsonObject]]) -> Swept:
        begun, swept = self._clock(), Swept()
        async for page in pages:
            swept = swept.plus(await self._take(source, page))
        await self._update(
            feed, lambda c: replace(c, watermark=begun, trouble=None, trouble_since=None, records=swept.records)
        )
        return swept

    async def _read_audits(self, window: Window) -> Swept:
        swept = Swept()
        try:
            async for page in self._feeds.audits(window.start, window.end):
                swept = swept.plus(await self._take(source_named("directory-audit"), page))
        except CordonError as error:
            await self._note_trouble("audits", error)
            raise
        return swept

    async def _read_sign_ins(self, window: Window, reading: "_SignInReading") -> Swept:
        """A window; incomplete where so much in it was news that the rest has to wait."""
        swept = Swept()
        try:
            for type_ in _SIGN_IN_TYPES:
                swept = swept.plus(await self._read_sign_ins_of(type_, window, reading))
                if not swept.complete:
                    break
        except CordonError as error:
            await self._note_trouble("sign-ins", error)
            raise
        return swept

    async def _read_sign_ins_of(self, type_: SignInType, window: Window, reading: "_SignInReading") -> Swept:
        """What will never be read of it is noted and passed over: waiting for it would keep all that comes after."""
        swept = Swept()
        try:
            async for page in reading.feeds.all_sign_ins(type_, window.start, window.end):
                swept = swept.plus(await self._take(source_named("sign-in"), page, reading))
                await reading.familiar.keep()
                if reading.news >= _MOST_NEWS:
                    return replace(swept, complete=False)
        except PartLost as lost:
            more, now = [Lost(start, end, lost.why) for start, end in lost.stretches], self._clock()
            await self._update("sign-ins", lambda c: with_lost(c, more, now))
        return swept

    async def _take(self, source: Source, page: Sequence[JsonObject], reading: "_SignInReading | None" = None) -> Swept:
        signals: list[Signal] = []
        own: list[Signal] = []
        aside = 0
        for record in page:
            try:
                found = source.read(record, self._tenant_id)
            except MalformedSignal as problem:
                await self._inbox.set_aside(source.name, problem.why, digest_of(record))
                aside += 1
                continue
            if isinstance(found, PolicyTouched):
                await self._policy_touched(found)
            if isinstance(found, NotASignal):
                continue
            (own if await self._is_own_doing(found) else signals).append(found)
        taken = await self._inbox.take(signals if reading is None else await reading.only_news(signals))
        if own and source.name == "directory-audit":
            await self._see_own(own)
        return Swept(len(page), taken.accepted, aside)

    async def _note_trouble(self, feed: str, error: CordonError) -> None:
        now, why = self._clock(), str(error)
        await self._update(feed, lambda c: replace(c, trouble=why, trouble_since=c.trouble_since or now))

    async def _update(self, feed: str, change: Callable[[Coverage], Coverage]) -> None:
        """Write the coverage; where another sweep was faster, apply the change to what it wrote."""
        while True:
            document = await self._documents.get("coverage", feed)
            if document is None:
                if await self._documents.insert("coverage", feed, change(Coverage()).as_json()):
                    return
            elif await self._documents.replace(
                "coverage", feed, change(Coverage.read(document.body)).as_json(), document.etag
            ):
                return


@dataclass(slots=True)
class _SignInReading:
    """One sweep over all sign-ins: what is known of them, from when on they are news, and how much was."""

    feeds: Feeds
    familiar: Familiar
    learned: datetime
    news: int = 0

    async def only_news(self, signals: Sequence[Signal]) -> list[Signal]:
        """What was before the first sweep is learned from only."""
        await self.familiar.learn(each for each in signals if each.observed_at < self.learned)
        news = await self.familiar.sift(each for each in signals if each.observed_at >= self.learned)
        self.news += len(news)
        return news


def digest_of(record: object) -> str:
    """The SHA-256 of a record, for recognising it without keeping it."""
    try:
        text = json.dumps(record, sort_keys=True, default=str)
    except (ValueError, RecursionError, TypeError):
        text = f"{type(record).__name__} that is not JSON"
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def _moved_to(window: Window, now: datetime) -> Callable[[Coverage], Coverage]:
    def change(coverage: Coverage) -> Coverage:
        known = None if is_ahead(coverage.watermark, now) else coverage.watermark
        watermark = max(known, window.end) if known else window.end
        return replace(coverage, watermark=watermark, trouble=None, trouble_since=None)

    return change


def _reconciled(number: int, block: Window, now: datetime) -> Callable[[Coverage], Coverage]:
    def change(coverage: Coverage) -> Coverage:
        moments = list(coverage.reconciled)
        known = None if is_ahead(moments[number], now - AGES[number]) else moments[number]
        moments[number] = max(known, block.end) if known else block.end
        return replace(coverage, reconciled=tuple(moments))

    return change


def _pending_list(coverage: Coverage) -> tuple[str, ...]:
    if coverage.trouble:
        return (f"the list was not read to its end: {coverage.trouble}",)
    return () if coverage.watermark else ("nothing was read yet",)
