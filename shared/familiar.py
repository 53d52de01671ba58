"""
What each workload's sign-ins have been like so far, so that a poll of all of them makes news of what is new alone.

A busy tenant has millions of sign-ins, nearly all as ever. Of each workload it is kept, as digests, from which networks
and countries, with which credentials and agents, to which resources its tokens were issued, and with which codes it was
refused. A sign-in that shows none of it for the first time is left out. What is new of one kind within an hour of such
a signal is owed: the first sign-in after that hour, however usual, is the signal for all of it. So a workload with
another user agent each time is one signal an hour, and nothing is passed over. Where it came from, and what refused it,
tells nothing about a refused one: whoever guesses secrets could make news without end.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.baseline import Feature, value_of
from shared.case import SignIn
from shared.clock import Clock
from shared.signal import JsonObject, Signal
from shared.store import Documents

PARTITION = "sign-in-marks"
_FEATURES = (Feature.NETWORK, Feature.COUNTRY, Feature.USER_AGENT, Feature.RESOURCE, Feature.CREDENTIAL)
_FORGOTTEN = timedelta(days=60).days  # as long as the longest baseline
_REFRESHED = timedelta(days=7).days  # how old a date may get before it is written again
_MOST = 1000  # marks of one workload; the oldest are forgotten first


_MOST_BY = 12  # records; more signals of one workload are not made in an hour, nor in the two that are read again
_WINDOW = timedelta(hours=1)  # in which one kind of news of a workload is told once


@dataclass(slots=True)
class _Known:
    """
    One workload's marks, each with the day (since 1970) on which it was seen last; when news of each kind was told, by
    which records of late; and of which kinds some since then was not.
    """

    marks: dict[str, int]
    etag: str | None  # None: nothing is stored yet
    told: dict[str, datetime] = field(default_factory=dict[str, datetime])
    by: tuple[str, ...] = ()
    owed: frozenset[str] = frozenset()
    changed: bool = False

    def is_news(self, record: str, kinds: frozenset[str], now: datetime) -> bool:
        """Whether a record that shows these kinds of something new is a signal now. What is none is owed."""
        if not (kinds or self.owed):
            return False  # as nearly all are
        lately = {kind for kind, at in self.told.items() if now - at < _WINDOW}
        pays = self.owed - lately and record not in self.by  # records are read more than once
        if not (kinds - lately or pays):
            self.owed |= kinds
            return False
        self.told |= dict.fromkeys(kinds | self.owed, now)
        self.by, self.owed, self.changed = (record, *self.by)[:_MOST_BY], frozenset(), True
        return True


class Familiar:
    """The marks of one sweep. `sift`, take the news in, then `keep`: after a crash between them they are news again."""

    def __init__(self, documents: Documents, clock: Clock) -> None:
        self._documents, self._clock = documents, clock
        self._known: dict[str, _Known] = {}
        self._told: set[str] = set()

    async def sift(self, signals: Iterable[Signal]) -> list[Signal]:
        """
        Those that show something for the first time, one a workload in this sweep: a signal only points, and whoever
        follows it reads the whole log.
        """
        news: list[Signal] = []
        for signal in signals:
            principal = str(signal.subject.principal_id)
            known = self._known.get(principal) or await self._load(principal)
            kinds = self._mark(known, marks_of(signal))
            if principal not in self._told and known.is_news(signal.record_id, kinds, self._clock()):
                self._told.add(principal)
                news.append(signal)
        return news

    async def learn(self, signals: Iterable[Signal]) -> None:
        """Take these for known."""
        for signal in signals:
            principal = str(signal.subject.principal_id)
            self._mark(self._known.get(principal) or await self._load(principal), marks_of(signal))

    async def keep(self) -> None:
        """Write down what was seen since; where another sweep was faster, together with what it saw."""
        for principal, known in self._known.items():
            while known.changed and not await self._write(principal, known):
                rival = await self._load(principal)
                rival.marks.update({mark: max(day, rival.marks.get(mark, 0)) for mark, day in known.marks.items()})
                known.marks, known.etag, known.owed = rival.marks, rival.etag, known.owed | rival.owed
            self._known[principal] = known

    def _mark(self, known: _Known, marks: Iterable[tuple[str, str]]) -> frozenset[str]:
        """The kinds of which one is new."""
        today, new = self._today(), set[str]()
        for kind, mark in marks:
            seen = known.marks.get(mark)
            if seen is None:
                new.add(kind)
            if seen is None or today - seen > _REFRESHED:
                known.marks[mark] = today
                known.changed = True
        return frozenset(new)

    async def _load(self, principal: str) -> _Known:
        document = await self._documents.get(PARTITION, principal)
        marks = _read(document.body) if document else {}
        recent = {mark: day for mark, day in marks.items() if self._today() - day <= _FORGOTTEN}
        body = document.body if document else {}
        by, owed = _texts(body, "by"), frozenset(_texts(body, "owed"))
        self._known[principal] = known = _Known(recent, document.etag if document else None, _told(body), by, owed)
        return known

    async def _write(self, principal: str, known: _Known) -> bool:
        newest = sorted(known.marks.items(), key=lambda each: each[1], reverse=True)[:_MOST]
        told: JsonObject = {kind: at.isoformat() for kind, at in known.told.items()}
        body: JsonObject = {"marks": dict(newest), "told": told, "by": list(known.by), "owed": list(known.owed)}
        if known.etag is None:
            written = await self._documents.insert(PARTITION, principal, body)
        else:
            written = await self._documents.replace(PARTITION, principal, body, known.etag)
        if written:
            stored = await self._documents.get(PARTITION, principal)
            known.changed, known.etag = False, stored.etag if stored else None
        return written

    def _today(self) -> int:
        return int(self._clock().timestamp() // 86_400)


def marks_of(signal: Signal) -> Sequence[tuple[str, str]]:
    """What a sign-in shows, by kind, as digests: nothing of it can be read back."""
    return [(kind, hashlib.sha256(f"{kind} {value}".encode()).hexdigest()[:16]) for kind, value in _shown(signal)]


def _shown(signal: Signal) -> Iterator[tuple[str, str]]:
    sign_in = _sign_in(signal)
    if sign_in.error_code:
        yield "refused", str(sign_in.error_code)
        return
    for feature in _FEATURES:
        if (value := value_of(sign_in, feature)) is not None:
            yield feature.value, value


def _sign_in(signal: Signal) -> SignIn:
    facts, network = signal.facts, signal.facts.get("network")
    code = facts.get("errorCode")
    return SignIn(
        id=signal.record_id,
        at=signal.observed_at,
        error_code=code if isinstance(code, int) else 0,
        address=_text(facts, "ipAddress"),
        credential_id=_text(facts, "keyId"),
        credential_type=None,
        resource=_text(facts, "resource"),
        network=network if isinstance(network, int) and network > 0 else None,
        country=_text(facts, "country"),
        user_agent=_text(facts, "userAgent"),
    )


def _text(facts: Mapping[str, object], name: str) -> str | None:
    found = facts.get(name)
    return found if isinstance(found, str) and found else None


def _read(body: JsonObject) -> dict[str, int]:
    marks = body.get("marks")
    return {mark: day for mark, day in marks.items() if isinstance(day, int)} if isinstance(marks, dict) else {}


def _texts(body: JsonObject, name: str) -> tuple[str, ...]:
    found = body.get(name)
    return tuple(map(str, found)) if isinstance(found, list) else ()


def _told(body: JsonObject) -> dict[str, datetime]:
    told = body.get("told")
    return {kind: datetime.fromisoformat(str(at)) for kind, at in told.items()} if isinstance(told, dict) else {}
