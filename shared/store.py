"""
What Cordon remembers between two invocations, as narrow Protocols, and the in-memory twins.

Each Protocol has three twins (memory here, sqlite and Azure Tables + Blob in `clients/`)
held to one contract suite. Nothing is shared between instances except through these.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from shared.signal import JsonObject


@dataclass(frozen=True, slots=True)
class Document:
    """A small JSON object under (partition, key); `etag` changes with every write."""

    key: str
    body: JsonObject
    etag: str


class Documents(Protocol):
    """
    Small JSON objects with optimistic concurrency.

    Partition and key: 1 to 200 characters of `[A-Za-z0-9._:-]`; a body is at most 200 kB of JSON.
    Every method raises `Unreachable` (reads) or `OutcomeUnknown` (writes) when the store does not answer.
    """

    async def insert(self, partition: str, key: str, body: JsonObject) -> bool:
        """Store it if nothing is there yet. False means that the key was taken, and nothing was changed."""
        ...

    async def insert_all(self, partition: str, bodies: Mapping[str, JsonObject]) -> frozenset[str]:
        """Insert many, each on its own; give the keys that were new."""
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
        """Documents of a partition in key order, with after < key < before, at most `limit`."""
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
        """Make a message visible after `delay` (at most 7 days). Raises OutcomeUnknown without an answer."""
        ...
