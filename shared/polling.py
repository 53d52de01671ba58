"""
Sweeps: read what must be polled, without gaps and without repeats.

A page's signals are taken in before the next page is asked for, and coverage moves only after the last
page of a window. Whatever interrupts a sweep, the next one goes on from there; what is read twice ends
in the inbox.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from shared.clock import Clock
from shared.errors import CordonError, MalformedSignal, NotCollected, PartLost, Throttled, raise_all
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
# Each is read on its own: what one of them lacks, the other does not wait for.
_SIGN_INS: Mapping[str, SignInType] = {
    "sign-ins": "servicePrincipal",
    "managed-identity-sign-ins": "managedIdentity",
}

IsOwnDoing = Callable[[Signal], Awaitable[bool]]
SeeOwn = Callable[[Sequence[Signal]], Awaitable[None]]
Choose = Callable[[Sequence[Signal]], Awaitable[Sequence[Signal]]]
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
        raise_all(problems)
        return swept

    async def sweep_audits(self) -> Swept:
        """Read the audit log from one overlap before the watermark up to one settling time before now."""
        return await self._sweep_log("audits", await self.coverage("audits"), self._read_audits)

    async def sweep_sign_ins(self) -> Swept:
        """
        Read all workloads' sign-ins on from where they were read to, in the same windows, and take in those that show
        something for the first time. Nothing is read where no rule waits for a sign-in.

        The first sweep learns: what the day before it holds is no news. So does the first in which a log comes that was
        not collected. What lies more than a week behind, because
        the poll was off, is left to whoever reads one identity's log. Where an older stretch cannot be read, the newest
        is all the same: one workload's flood, of more than one answer holds, would otherwise hide everybody's for days.
        """
        if not self._sign_ins_too:
            return Swept()
        swept, problems, reading = Swept(), list[CordonError](), await self._sign_in_reading()
        for feed in _SIGN_INS:
            try:
                swept = swept.plus(await self._sweep_sign_ins_of(feed, reading))
            except CordonError as error:
                problems.append(error)  # the other log is still read; the sweep fails at its end
        if len(reading.uncollected) == len(_SIGN_INS):
            problems += reading.uncollected  # a rule waits for sign-ins, and none of them can wake it
        raise_all(problems)
        return swept

    async def _sweep_sign_ins_of(self, feed: str, reading: "_SignInReading") -> Swept:
        now = self._clock()
        coverage = not_too_far(await self.coverage(feed), now)
        try:
            return await self._sweep_log(feed, coverage, lambda window: self._read_sign_ins(feed, window, reading))
        except CordonError as error:
            behind = await self.coverage(feed)
            if not isinstance(error, Throttled) and (newest := newest_behind(behind, now)) is not None:
                await self._read_sign_ins(feed, newest, reading)  # and nothing is marked as read
            raise

    async def _sign_in_reading(self) -> "_SignInReading":
        learned = await self._learned_until(self._clock())
        return _SignInReading(self._feeds, Familiar(self._documents, self._clock), learned)

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
        reading = await self._sign_in_reading()
        for feed in _SIGN_INS:
            again = await self._reconcile_log(
                feed, lambda window, feed=feed: self._read_sign_ins(feed, window, reading)
            )
            swept = swept.plus(again)
        return swept

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
        logs = ("audits", *_SIGN_INS) if self._sign_ins_too else ("audits",)
        for feed in (*logs, "risk-detections", "risky-principals"):
            coverage, now = await self.coverage(feed), self._clock()
            said = pending(coverage, now) if feed in logs else _pending_list(coverage)
            until = None if coverage.uncollected else coverage.watermark
            views.append(CoverageView(feed=feed, read_until=until, pending=said))
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

    async def _read_sign_ins(self, feed: str, window: Window, reading: "_SignInReading") -> Swept:
        """
        A window; incomplete where so much in it was news that the rest has to wait. So it is where the log is not
        collected, which is noted once and no failure: should it come, it is read from where it was read to.
        """
        try:
            return await self._read_collected(feed, window, reading)
        except NotCollected as none:
            reading.uncollected.append(none)
            now, why = self._clock(), str(none)
            await self._update(
                feed, lambda c: replace(c, uncollected=why, uncollected_since=c.uncollected_since or now, trouble=None)
            )
            return Swept(complete=False)
        except CordonError as error:
            await self._note_trouble(feed, error)
            raise

    async def _read_collected(self, feed: str, window: Window, reading: "_SignInReading") -> Swept:
        """What will never be read of it is noted and passed over: waiting for it would keep all that comes after."""
        swept, known = Swept(), await self.coverage(feed)
        since = known.news_from or (self._clock() - SETTLE if known.uncollected else reading.learned)
        try:
            async for page in reading.feeds.all_sign_ins(_SIGN_INS[feed], window.start, window.end):
                taken = await self._take(source_named("sign-in"), page, lambda found: reading.only_news(found, since))
                swept = swept.plus(taken)
                await reading.familiar.keep()
                if reading.news >= _MOST_NEWS:
                    return replace(swept, complete=False)
        except PartLost as lost:
            more, now = [Lost(start, end, lost.why) for start, end in lost.stretches], self._clock()
            await self._update(feed, lambda c: with_lost(c, more, now))
        if known.uncollected or not known.news_from:
            await self._update(feed, lambda c: _collected(c, since))
        return swept

    async def _take(self, source: Source, page: Sequence[JsonObject], choose: Choose | None = None) -> Swept:
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
            if not await self._is_own_doing(found):
                signals += (found, *found.others)
            elif not found.others:  # what may be about another one is no evidence of a step
                own.append(found)
        taken = await self._inbox.take(signals if choose is None else await choose(signals))
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
    """
    One sweep over all sign-ins: what is known of them, from when on they are news, how much was, and which of the
    logs there is not.
    """

    feeds: Feeds
    familiar: Familiar
    learned: datetime
    news: int = 0
    uncollected: list[NotCollected] = field(default_factory=list[NotCollected])

    async def only_news(self, signals: Sequence[Signal], since: datetime) -> list[Signal]:
        """What was before that is learned from only."""
        await self.familiar.learn(each for each in signals if each.observed_at < since)
        news = await self.familiar.sift(each for each in signals if each.observed_at >= since)
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


def _collected(coverage: Coverage, since: datetime) -> Coverage:
    """A log that begins to come does not make news of all that it shows at first."""
    return replace(coverage, uncollected=None, uncollected_since=None, news_from=coverage.news_from or since)


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
