"""
Faults of the store, as a scenario orders them: `service: store`.

    {service: store, match: "append journal", kind: timeout-applied, count: 1}

`match` is what is done and where: `append|read journal`, `insert|get|replace|remove|query documents/PARTITION`,
`keep|fetch evidence`, `send queue`; both may be globs. Kinds: `503` (not reached, nothing was changed), `429`,
`timeout` (a write that did not happen, a read without an answer), `timeout-applied` (a write that did, and
its answer was lost) and `slow`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from drill.practice.chance import Chance
from drill.practice.faults import Faults
from drill.practice.shapes import ScenarioMistake
from shared.clock import Clock
from shared.errors import OutcomeUnknown, Throttled, Unreachable
from shared.journal import IncidentId, Journal, Record
from shared.signal import JsonObject
from shared.store import Document, Documents, Evidence, Store, WorkQueue

T = TypeVar("T")

SERVICE = "store"
KINDS = frozenset({"429", "503", "timeout", "timeout-applied", "slow"})
_READS = frozenset({"read", "get", "query", "fetch"})


@dataclass(frozen=True, slots=True)
class StoreTrouble:
    """Decides, for each call, whether a fault strikes."""

    faults: Faults
    clock: Clock
    started_at: float

    @classmethod
    def of(cls, given: Iterable[Mapping[str, Any]], clock: Clock, seed: int) -> "StoreTrouble":
        """The scenario's faults of this service. Raises ScenarioMistake for a kind that a store does not have."""
        ours = [each for each in given if each.get("service") == SERVICE]
        if unknown := sorted({str(each.get("kind")) for each in ours} - KINDS):
            raise ScenarioMistake(
                f"faults: a store knows no {', '.join(unknown)}; its kinds are {', '.join(sorted(KINDS))}"
            )
        return cls(Faults(ours, Chance(seed)), clock, clock().timestamp())

    async def call(self, what: str, where: str, act: Callable[[], Awaitable[T]]) -> T:
        """Do it, unless a fault is in the way."""
        fault = self.faults.strike(SERVICE, what, where, self.clock().timestamp() - self.started_at)
        if fault is None:
            return await act()
        doing = f"{what} {where}"
        match fault.kind:
            case "slow":
                await asyncio.sleep(fault.delay)
                return await act()
            case "429":
                raise Throttled(doing, timedelta(seconds=float(fault.retry_after)) if fault.retry_after else None)
            case "timeout-applied" if what not in _READS:
                await act()
                raise OutcomeUnknown(doing, "no answer from the practice store")
            case "timeout" if what not in _READS:
                raise OutcomeUnknown(doing, "no answer from the practice store")
            case _:
                raise Unreachable(doing, "the practice store is out of reach")


@dataclass(frozen=True, slots=True)
class TroubledJournal:
    """A journal that faults strike."""

    inner: Journal
    trouble: StoreTrouble

    async def append(self, records: Sequence[Record]) -> None:
        await self.trouble.call("append", "journal", lambda: self.inner.append(records))

    async def read(self, incident: IncidentId) -> Sequence[Record]:
        return await self.trouble.call("read", "journal", lambda: self.inner.read(incident))


@dataclass(frozen=True, slots=True)
class TroubledDocuments:
    """Documents that faults strike."""

    inner: Documents
    trouble: StoreTrouble

    async def insert(self, partition: str, key: str, body: JsonObject) -> bool:
        return await self._call("insert", partition, lambda: self.inner.insert(partition, key, body))

    async def insert_all(self, partition: str, bodies: Mapping[str, JsonObject]) -> frozenset[str]:
        return await self._call("insert", partition, lambda: self.inner.insert_all(partition, bodies))

    async def get(self, partition: str, key: str) -> Document | None:
        return await self._call("get", partition, lambda: self.inner.get(partition, key))

    async def replace(self, partition: str, key: str, body: JsonObject, etag: str) -> bool:
        return await self._call("replace", partition, lambda: self.inner.replace(partition, key, body, etag))

    async def remove(self, partition: str, key: str, etag: str) -> bool:
        return await self._call("remove", partition, lambda: self.inner.remove(partition, key, etag))

    async def query(
        self, partition: str, *, after: str = "", before: str | None = None, limit: int = 1000
    ) -> Sequence[Document]:
        return await self._call(
            "query", partition, lambda: self.inner.query(partition, after=after, before=before, limit=limit)
        )

    async def _call(self, what: str, partition: str, act: Callable[[], Awaitable[T]]) -> T:
        return await self.trouble.call(what, f"documents/{partition}", act)


@dataclass(frozen=True, slots=True)
class TroubledEvidence:
    """Evidence that faults strike."""

    inner: Evidence
    trouble: StoreTrouble

    async def keep(self, content: bytes) -> str:
        return await self.trouble.call("keep", "evidence", lambda: self.inner.keep(content))

    async def fetch(self, digest: str) -> bytes | None:
        return await self.trouble.call("fetch", "evidence", lambda: self.inner.fetch(digest))


@dataclass(frozen=True, slots=True)
class TroubledQueue:
    """The sender's side of a queue that faults strike."""

    inner: WorkQueue
    trouble: StoreTrouble

    async def send(self, message: JsonObject, delay: timedelta = timedelta()) -> None:
        await self.trouble.call("send", "queue", lambda: self.inner.send(message, delay))


def troubled_store(store: Store, trouble: StoreTrouble) -> Store:
    """The same store, struck by faults."""
    return Store(
        journal=TroubledJournal(store.journal, trouble),
        documents=TroubledDocuments(store.documents, trouble),
        evidence=TroubledEvidence(store.evidence, trouble),
        queue=TroubledQueue(store.queue, trouble),
        warm_up=store.warm_up,
    )
