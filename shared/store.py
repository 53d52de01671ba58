"""
What Cordon remembers between two invocations, as narrow Protocols, and the in-memory twins.

Each Protocol has three twins (memory here, sqlite and Azure Tables + Blob in `clients/`)
held to one contract suite. Nothing is shared between instances except through these.
"""

import hashlib
import heapq
import json
from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Protocol, cast

from shared.clock import Clock
from shared.errors import JournalDamaged
from shared.journal import Journal, MemoryJournal
from shared.keys import check_digest, check_key
from shared.signal import JsonObject

WORK_QUEUE = "cordon-work"  # the queue that `functions/` listens to
LARGEST_BODY = 200_000  # characters of a document as ASCII JSON
LARGEST_MESSAGE = 49_152  # bytes; in base64 they fill the 64 KiB of a storage queue's message
LONGEST_DELAY = timedelta(days=7)  # what a storage queue allows


@dataclass(frozen=True, slots=True)
class Document:
    """A small JSON object under (partition, key); `etag` changes with every write."""

    key: str
    body: JsonObject
    etag: str


class Documents(Protocol):
    """
    Small JSON objects with optimistic concurrency.

    Partition and key: 1 to 200 characters of `[A-Za-z0-9._:-]`; a body is at most 200,000 characters of ASCII
    JSON. ValueError for anything else. Every method raises `Unreachable` (reads) or `OutcomeUnknown` (writes)
    when the store does not answer; `Throttled` and `Unreachable` from a write mean that nothing was changed.
    """

    async def insert(self, partition: str, key: str, body: JsonObject) -> bool:
        """Store it if nothing is there yet. False means that the key was taken, and nothing was changed."""
        ...

    async def insert_all(self, partition: str, bodies: Mapping[str, JsonObject]) -> frozenset[str]:
        """
        Insert many, each on its own; give the keys that were new.

        If it raises, any of them may have been inserted: only a later `get` tells.
        """
        ...

    async def get(self, partition: str, key: str) -> Document | None:
        """The document, or None if it is not there (never because it could not be read)."""
        ...

    async def replace(self, partition: str, key: str, body: JsonObject, etag: str) -> bool:
        """Replace it if its etag is still this one. False means that somebody was faster."""
        ...

    async def remove(self, partition: str, key: str, etag: str) -> bool:
        """Remove it if its etag is still this one."""
        ...

    async def query(
        self, partition: str, *, after: str = "", before: str | None = None, limit: int = 1000
    ) -> Sequence[Document]:
        """
        Documents of a partition in key order, with after < key < before, at most `limit`.

        Keys are ordered by their characters' codes: digits, then capitals, then small letters.
        """
        ...


class Evidence(Protocol):
    """Large things, each under the SHA-256 of its bytes; written once, never changed."""

    async def keep(self, content: bytes) -> str:
        """Store the bytes and give their SHA-256 in hex. Storing the same bytes twice is fine."""
        ...

    async def fetch(self, digest: str) -> bytes | None:
        """The bytes, checked against the digest (JournalDamaged if they differ); None if not there."""
        ...


class WorkQueue(Protocol):
    """Messages that set off work, now or later. At least once, in any order."""

    async def send(self, message: JsonObject, delay: timedelta = timedelta()) -> None:
        """
        Make a message visible after `delay` (at most 7 days; a message is at most 48 KiB of ASCII JSON).

        Raises OutcomeUnknown without an answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class Received:
    """A message that was received, and is hidden from others for a while."""

    id: str
    body: bytes
    dequeue_count: int  # how often it was received, this time included
    receipt: str  # good until somebody else receives it
    inserted_at: datetime


class DrivenQueue(WorkQueue, Protocol):
    """A queue of this machine's own: the local host drives it as the platform drives a storage queue."""

    async def put(self, body: bytes, delay: timedelta = timedelta()) -> None:
        """Add a message of any bytes under a new id."""
        ...

    async def receive(self, most: int, hidden: timedelta) -> Sequence[Received]:
        """Take up to `most` due messages, those due first before others; they come back after `hidden`."""
        ...

    async def delete(self, received: Received) -> bool:
        """It is done with. False means that somebody else has received it since, or that it is gone."""
        ...

    async def release(self, received: Received, delay: timedelta) -> bool:
        """Let it come back `delay` from now, sooner or later than it would have. False as with `delete`."""
        ...

    async def next_due(self) -> datetime | None:
        """When the next message can be received, those that are hidden now included; None if there is none."""
        ...

    def beside(self, name: str) -> "DrivenQueue":
        """The queue of this name in the same store: where the host puts poisoned messages, say."""
        ...


async def _nothing() -> None:
    """Nothing has to be warmed up or closed."""


@dataclass(frozen=True, slots=True)
class Store:
    """All that Cordon remembers, in one place. `warm_up` makes the first use fast; `close` frees what is held."""

    journal: Journal
    documents: Documents
    evidence: Evidence
    queue: WorkQueue
    warm_up: Callable[[], Awaitable[None]] = _nothing
    close: Callable[[], Awaitable[None]] = _nothing


@dataclass(frozen=True, slots=True)
class LocalStore(Store):
    """A store whose queue has to be driven by this process."""

    queue: DrivenQueue


def memory_store(clock: Clock) -> LocalStore:
    """A store that lives as long as its process."""
    return LocalStore(MemoryJournal(), MemoryDocuments(), MemoryEvidence(), MemoryQueue(clock))


_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def body_text(body: JsonObject) -> str:
    """A document's body as ASCII JSON. Raises ValueError if it is too large, or holds what JSON cannot."""
    text = _encode(body)
    if len(text) > LARGEST_BODY:
        raise ValueError(f"a document is at most {LARGEST_BODY} characters of JSON, and this one has {len(text)}")
    return text


def read_body(text: str) -> JsonObject:
    """The body that `body_text` wrote."""
    return cast("JsonObject", json.loads(text))


def digest_of(content: bytes) -> str:
    """The name of a piece of evidence."""
    return hashlib.sha256(content).hexdigest()


def check_evidence(digest: str, content: bytes) -> bytes:
    """Give the content if it is what its name says; raise JournalDamaged otherwise."""
    if digest_of(content) != digest:
        raise JournalDamaged(
            f"Evidence {digest} is no longer what was stored under this name. Do not rely on it; keep the store "
            "as it is and find out who wrote to it."
        )
    return content


def message_bytes(message: JsonObject) -> bytes:
    """A message as it lies in the queue."""
    return _encode(message).encode()


def check_message(body: bytes, delay: timedelta) -> None:
    """Raise ValueError unless a storage queue would take it."""
    if len(body) > LARGEST_MESSAGE:
        raise ValueError(f"a message is at most {LARGEST_MESSAGE} bytes, and this one has {len(body)}")
    if not timedelta() <= delay <= LONGEST_DELAY:
        raise ValueError("a message is delayed by 0 to 7 days")


class MemoryDocuments:
    """The twin that lives as long as its process. Bodies are kept as text, so that nobody shares them."""

    def __init__(self) -> None:
        self._partitions: dict[str, dict[str, tuple[str, str]]] = {}  # key -> (body, etag)
        self._ordered: dict[str, list[str]] = {}  # keys in order, made when somebody asks
        self._etags = map(str, count(1))

    async def insert(self, partition: str, key: str, body: JsonObject) -> bool:
        check_place(partition, key)
        return self._insert(partition, key, body_text(body))

    async def insert_all(self, partition: str, bodies: Mapping[str, JsonObject]) -> frozenset[str]:
        texts = check_bodies(partition, bodies)
        return frozenset(key for key, text in texts.items() if self._insert(partition, key, text))

    async def get(self, partition: str, key: str) -> Document | None:
        check_place(partition, key)
        found = self._partitions.get(partition, {}).get(key)
        return Document(key, read_body(found[0]), found[1]) if found else None

    async def replace(self, partition: str, key: str, body: JsonObject, etag: str) -> bool:
        check_place(partition, key)
        text = body_text(body)
        if not self._is_current(partition, key, etag):
            return False
        self._partitions[partition][key] = text, next(self._etags)
        return True

    async def remove(self, partition: str, key: str, etag: str) -> bool:
        check_place(partition, key)
        if not self._is_current(partition, key, etag):
            return False
        del self._partitions[partition][key]
        self._ordered.pop(partition, None)
        return True

    async def query(
        self, partition: str, *, after: str = "", before: str | None = None, limit: int = 1000
    ) -> Sequence[Document]:
        check_range(partition, after, before)
        documents, keys = self._partitions.get(partition, {}), self._keys(partition)
        start = bisect_right(keys, after) if after else 0
        end = bisect_left(keys, before) if before is not None else len(keys)
        found = [(key, *documents[key]) for key in keys[start : min(end, start + max(limit, 0))]]
        return tuple(Document(key, read_body(text), etag) for key, text, etag in found)

    def _insert(self, partition: str, key: str, text: str) -> bool:
        documents = self._partitions.setdefault(partition, {})
        if key in documents:
            return False
        documents[key] = text, next(self._etags)
        self._ordered.pop(partition, None)
        return True

    def _is_current(self, partition: str, key: str, etag: str) -> bool:
        found = self._partitions.get(partition, {}).get(key)
        return found is not None and found[1] == etag

    def _keys(self, partition: str) -> list[str]:
        if partition not in self._ordered:
            self._ordered[partition] = sorted(self._partitions.get(partition, {}))
        return self._ordered[partition]


def check_place(partition: str, key: str) -> None:
    """Raise ValueError unless a document can lie there."""
    check_key(partition, "a partition")
    check_key(key, "a key")


def check_bodies(partition: str, bodies: Mapping[str, JsonObject]) -> dict[str, str]:
    """The bodies as text, all of them checked before the first is stored."""
    for key in bodies:
        check_place(partition, key)
    return {key: body_text(body) for key, body in bodies.items()}


def check_range(partition: str, after: str, before: str | None) -> None:
    """Raise ValueError unless it is a range of keys; bounds need not be keys, but printable ASCII."""
    check_key(partition, "a partition")
    for bound in (after, before or ""):
        if not (bound.isascii() and bound.isprintable()):
            raise ValueError("a bound of a query must be printable ASCII")


class MemoryEvidence:
    """The twin that lives as long as its process."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}

    async def keep(self, content: bytes) -> str:
        digest = digest_of(content)
        self._contents.setdefault(digest, bytes(content))
        return digest

    async def fetch(self, digest: str) -> bytes | None:
        check_digest(digest)
        content = self._contents.get(digest)
        return None if content is None else check_evidence(digest, content)


@dataclass(slots=True)
class _Message:
    number: int
    body: bytes
    due: datetime
    inserted_at: datetime
    dequeue_count: int = 0
    moves: int = 0  # how often `due` was set


class MemoryQueue:
    """
    The twin that lives as long as its process. Which message comes next depends on nothing but the calls
    and the clock: those due first, and of these the one that was sent first.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._messages: dict[str, _Message] = {}
        self._due: list[tuple[datetime, int, int]] = []  # a heap of due, number, moves; outdated entries are skipped
        self._numbers = count(1)
        self._others: dict[str, MemoryQueue] = {}

    def beside(self, name: str) -> "MemoryQueue":
        return self._others.setdefault(name, MemoryQueue(self._clock))

    async def send(self, message: JsonObject, delay: timedelta = timedelta()) -> None:
        await self.put(message_bytes(message), delay)

    async def put(self, body: bytes, delay: timedelta = timedelta()) -> None:
        check_message(body, delay)
        now, number = self._clock(), next(self._numbers)
        self._messages[str(number)] = _Message(number, body, now, now)
        self._hide(self._messages[str(number)], delay)

    async def receive(self, most: int, hidden: timedelta) -> Sequence[Received]:
        now, taken = self._clock(), list[_Message]()
        while len(taken) < most and (message := self._first()) and message.due <= now:
            heapq.heappop(self._due)
            message.dequeue_count += 1
            taken.append(message)
        for message in taken:
            self._hide(message, hidden)
        return [_received(message) for message in taken]

    async def delete(self, received: Received) -> bool:
        if self._held(received) is None:
            return False
        del self._messages[received.id]
        return True

    async def release(self, received: Received, delay: timedelta) -> bool:
        message = self._held(received)
        if message is None:
            return False
        self._hide(message, delay)
        return True

    async def next_due(self) -> datetime | None:
        first = self._first()
        return first.due if first else None

    def _hide(self, message: _Message, delay: timedelta) -> None:
        message.due, message.moves = self._clock() + delay, message.moves + 1
        heapq.heappush(self._due, (message.due, message.number, message.moves))

    def _held(self, received: Received) -> _Message | None:
        message = self._messages.get(received.id)
        return message if message and str(message.dequeue_count) == received.receipt else None

    def _first(self) -> _Message | None:
        while self._due:
            _, number, moves = self._due[0]
            message = self._messages.get(str(number))
            if message and message.moves == moves:
                return message
            heapq.heappop(self._due)
        return None


def _received(message: _Message) -> Received:
    count_ = message.dequeue_count
    return Received(str(message.number), message.body, count_, str(count_), message.inserted_at)
