"""
A process that can be killed at any write: between two lines of Cordon's, as a power cut would do it.

Everything through which Cordon reaches the world goes through here: the store's parts and the transports.
After each write that took effect stands a write point, and points are numbered over the whole drill. A
`Life` ends at its point; from then on every call of that process raises `Crash`, which nothing in Cordon
catches, so that a dead process can do no more harm, whatever its `finally` blocks try.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest

from shared.journal import IncidentId, Journal, Record
from shared.signal import JsonObject
from shared.store import Document, Documents, Evidence, Store, WorkQueue


class Crash(BaseException):
    """The process is dead. No `except Exception` may see it."""


@dataclass(frozen=True, slots=True)
class WritePoint:
    """A write that took effect: `number` counts from 1 over the whole drill."""

    number: int
    kind: str  # journal, document, evidence, queue, tenant
    what: str


@dataclass(slots=True)
class Fate:
    """Which points kill, and the points that were passed. One for a drill, all its processes share it."""

    kill_at: frozenset[int] = frozenset()
    points: list[WritePoint] = field(default_factory=list[WritePoint])


@dataclass(slots=True)
class Life:
    """One process. `died` is called once, at its end."""

    fate: Fate
    died: Callable[[], None]
    dead: bool = False

    def check(self) -> None:
        """Raise Crash if this process is dead."""
        if self.dead:
            raise Crash("this process is dead")

    def wrote(self, kind: str, what: str) -> None:
        """A write took effect. Raises Crash if it was this process's last."""
        point = WritePoint(len(self.fate.points) + 1, kind, what)
        self.fate.points.append(point)
        if point.number in self.fate.kill_at:
            self.kill()
        self.check()

    def kill(self) -> None:
        """End it here and now."""
        if not self.dead:
            self.dead = True
            self.died()


@dataclass(frozen=True, slots=True)
class MortalJournal:
    """A journal in the hands of a mortal process."""

    inner: Journal
    life: Life

    async def append(self, records: Sequence[Record]) -> None:
        self.life.check()
        await self.inner.append(records)
        self.life.wrote("journal", " + ".join(record.kind for record in records))

    async def read(self, incident: IncidentId) -> Sequence[Record]:
        self.life.check()
        return await self.inner.read(incident)


@dataclass(frozen=True, slots=True)
class MortalDocuments:
    """Documents in the hands of a mortal process."""

    inner: Documents
    life: Life

    async def insert(self, partition: str, key: str, body: JsonObject) -> bool:
        self.life.check()
        return self._wrote(await self.inner.insert(partition, key, body), f"insert {partition}")

    async def insert_all(self, partition: str, bodies: Mapping[str, JsonObject]) -> frozenset[str]:
        self.life.check()
        new = await self.inner.insert_all(partition, bodies)
        self._wrote(bool(new), f"insert {partition}")
        return new

    async def get(self, partition: str, key: str) -> Document | None:
        self.life.check()
        return await self.inner.get(partition, key)

    async def replace(self, partition: str, key: str, body: JsonObject, etag: str) -> bool:
        self.life.check()
        return self._wrote(await self.inner.replace(partition, key, body, etag), f"replace {partition}")

    async def remove(self, partition: str, key: str, etag: str) -> bool:
        self.life.check()
        return self._wrote(await self.inner.remove(partition, key, etag), f"remove {partition}")

    async def query(
        self, partition: str, *, after: str = "", before: str | None = None, limit: int = 1000
    ) -> Sequence[Document]:
        self.life.check()
        return await self.inner.query(partition, after=after, before=before, limit=limit)

    def _wrote(self, happened: bool, what: str) -> bool:
        if happened:
            self.life.wrote("document", what)
        return happened


@dataclass(frozen=True, slots=True)
class MortalEvidence:
    """Evidence in the hands of a mortal process."""

    inner: Evidence
    life: Life

    async def keep(self, content: bytes) -> str:
        self.life.check()
        digest = await self.inner.keep(content)
        self.life.wrote("evidence", digest)
        return digest

    async def fetch(self, digest: str) -> bytes | None:
        self.life.check()
        return await self.inner.fetch(digest)


@dataclass(frozen=True, slots=True)
class MortalQueue:
    """The sender's side of the queue in the hands of a mortal process; the host's side is the platform's."""

    inner: WorkQueue
    life: Life

    async def send(self, message: JsonObject, delay: timedelta = timedelta()) -> None:
        self.life.check()
        await self.inner.send(message, delay)
        self.life.wrote("queue", f"because {message.get('because')}")


def mortal_store(store: Store, life: Life) -> Store:
    """The same store, in the hands of a mortal process."""
    return Store(
        journal=MortalJournal(store.journal, life),
        documents=MortalDocuments(store.documents, life),
        evidence=MortalEvidence(store.evidence, life),
        queue=MortalQueue(store.queue, life),
        warm_up=store.warm_up,
    )


@dataclass(frozen=True, slots=True)
class TenantWrites:
    """Finds out what an exchange changed: `count` gives how many of Cordon's writes have reached the tenant."""

    count: Callable[[], int]
    life: Life

    def begin(self) -> int:
        self.life.check()
        return self.count()

    def end(self, before: int, method: str, path: str) -> None:
        """The answer is there. A process that was killed meanwhile does not see it."""
        if method != "GET" and self.count() > before:
            self.life.wrote("tenant", f"{method} {path}")
        self.life.check()


class MortalHttpx(httpx.AsyncBaseTransport):
    """The way to Graph in the hands of a mortal process."""

    def __init__(self, inner: httpx.AsyncBaseTransport, writes: TenantWrites) -> None:
        self._inner, self._writes = inner, writes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        before = self._writes.begin()
        try:
            return await self._inner.handle_async_request(request)
        finally:
            self._writes.end(before, request.method, request.url.path)


class MortalAzure(AsyncHttpTransport[HttpRequest, AsyncHttpResponse]):
    """The way to every other service in the hands of a mortal process."""

    def __init__(self, inner: "AsyncHttpTransport[HttpRequest, AsyncHttpResponse]", writes: TenantWrites) -> None:
        self._inner, self._writes = inner, writes

    async def send(self, request: HttpRequest, **kwargs: Any) -> AsyncHttpResponse:  # noqa: ANN401 - azure-core's own
        before = self._writes.begin()
        try:
            return await self._inner.send(request, **kwargs)
        finally:
            self._writes.end(before, request.method, urlsplit(request.url).path)

    async def open(self) -> None:
        await self._inner.open()

    async def close(self) -> None:
        await self._inner.close()

    async def sleep(self, duration: float) -> None:
        await self._inner.sleep(duration)

    async def __aenter__(self) -> "MortalAzure":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
