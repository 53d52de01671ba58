"""
The store in Azure: Tables for journal and documents, blobs for evidence, a storage queue for work.

Partition = incident (or the documents' partition), row = sequence number (or key), so that every read is of
one partition and every append is one transaction. Limits (facts: Tables data model): a string property has
at most 32 K characters, an entity 1 MiB in UTF-16, a transaction 100 operations and 4 MiB. Long text is
therefore split over several properties, and what is longer still goes to the evidence.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

from shared.clients.azure_queue import AzureQueue
from shared.clients.storage_account import (
    Entity,
    Operation,
    StorageAccount,
    TableApi,
    code_of,
    explaining,
    making_if_missing,
    read_login,
)
from shared.errors import JournalDamaged, SequenceTaken
from shared.journal import IncidentId, Kept, Record, check_append, read_chain, to_kept
from shared.keys import check_digest, check_key
from shared.signal import JsonObject
from shared.store import (
    Document,
    Evidence,
    Store,
    body_text,
    check_bodies,
    check_evidence,
    check_place,
    check_range,
    digest_of,
    read_body,
)

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.pipeline.transport import AsyncHttpTransport
    from azure.storage.blob.aio import ContainerClient

JOURNAL_TABLE = "cordonjournal"
DOCUMENTS_TABLE = "cordondocuments"
EVIDENCE_CONTAINER = "cordon-evidence"

TABLE_ROLE = "Storage Table Data Contributor"
BLOB_ROLE = "Storage Blob Data Contributor"

_PIECE = 32_000  # characters in one property
# Characters of text in one entity (800 kB in UTF-16), and in one transaction: quotes and backslashes are sent
# as two, and a body above 1 MiB would hold up the event loop while it is written out (aiohttp warns of it).
_LARGEST_TRANSACTION = 400_000
_MOST_OPERATIONS = 100
_SIDE_BY_SIDE = 16
_ETAG = re.compile(r'W/"[^"]+"')  # anything else, "*" above all, must not reach the service

_GONE = {"ResourceNotFound", "EntityNotFound"}
_OUTDATED = {"UpdateConditionNotSatisfied", "ConditionNotMet"}

T = TypeVar("T")


def open_azure_store(
    environ: Mapping[str, str],
    credential_for: "Callable[[str], AsyncTokenCredential]",
    *,
    transport: "Callable[[], AsyncHttpTransport[Any, Any]] | None" = None,
) -> Store:
    """
    The store in the account that `AzureWebJobsStorage` names. Raises SettingsWrong if it names none.

    Nothing is imported or connected yet: `warm_up` does that ahead, or the first call when it must. It
    belongs to one event loop. Credentials are not closed with it; they belong to whoever gave them.
    """
    account = StorageAccount(read_login(environ), credential_for, transport=transport)
    evidence, queue = AzureEvidence(account), AzureQueue(account)
    journal, documents = AzureJournal(account, evidence), AzureDocuments(account)

    async def warm_up() -> None:
        await asyncio.gather(journal.read(IncidentId("warm-up")), documents.get("warm-up", "none"), queue.warm_up())

    async def close() -> None:
        await asyncio.gather(journal.close(), documents.close(), evidence.close(), queue.close())

    return Store(journal, documents, evidence, queue, warm_up=warm_up, close=close)


class Table:
    """One table, made if it is missing."""

    def __init__(self, account: StorageAccount, name: str) -> None:
        self._account, self._name = account, name

    @cached_property
    def _client(self) -> TableApi:
        return self._account.table(self._name)

    async def close(self) -> None:
        if "_client" in self.__dict__:
            await self._client.close()

    async def get(self, partition: str, row: str) -> "tuple[Entity, str] | None":
        """The entity with its etag."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            entity = await self._made(lambda: self._client.get_entity(partition, row))
        except ResourceNotFoundError as problem:
            if code_of(problem) not in _GONE:
                raise
            return None
        return cast("Entity", dict(entity)), str(entity.metadata["etag"])

    async def query(self, filter_: str, values: Mapping[str, str], limit: int | None) -> "list[tuple[Entity, str]]":
        """Entities in the order of their rows, at most `limit`."""

        async def collect() -> "list[tuple[Entity, str]]":
            page = None if limit is None else min(limit, 1000)
            found: list[tuple[Entity, str]] = []
            async for entity in self._client.query_entities(filter_, results_per_page=page, parameters=dict(values)):
                found.append((cast("Entity", dict(entity)), str(entity.metadata["etag"])))
                if len(found) == limit:
                    break
            return found

        return await self._made(collect)

    async def create(self, entity: Entity) -> bool:
        """False if there is one already."""
        from azure.core.exceptions import ResourceExistsError

        try:
            await self._made(lambda: self._client.create_entity(entity, retry_total=0))
        except ResourceExistsError as problem:
            if code_of(problem) != "EntityAlreadyExists":
                raise  # the table is being deleted, say
            return False
        return True

    async def submit(self, operations: Sequence[Operation]) -> None:
        """All or none. Raises what the SDK raises."""
        await self._made(lambda: self._client.submit_transaction(operations, retry_total=0))

    async def submit_one(self, operation: Operation) -> bool:
        """False if the entity is not there, or no longer has the etag."""
        from azure.data.tables import TableTransactionError

        try:
            await self.submit([operation])
        except TableTransactionError as problem:
            if code_of(problem) not in _GONE | _OUTDATED:
                raise
            return False
        return True

    async def create_all(self, entities: Sequence[Entity]) -> int | None:
        """All or none: None, or the place of the first that is there already."""
        from azure.data.tables import TableTransactionError

        if len(entities) == 1:
            return None if await self.create(entities[0]) else 0
        try:
            await self.submit([("create", entity) for entity in entities])
        except TableTransactionError as problem:
            if code_of(problem) != "EntityAlreadyExists":
                raise
            return problem.index
        return None

    async def _made(self, call: Callable[[], Awaitable[T]]) -> T:
        return await making_if_missing(f"table {self._name}", "TableNotFound", self._client.create_table, call)


class AzureJournal:
    """The journal. What does not fit into a record's entity lies in the evidence, under its digest."""

    def __init__(self, account: StorageAccount, evidence: Evidence) -> None:
        self._table, self._evidence = Table(account, JOURNAL_TABLE), evidence

    async def append(self, records: Sequence[Record]) -> None:
        check_append(records)
        if not records:
            return
        room = _LARGEST_TRANSACTION // len(records)
        entities = await asyncio.gather(*(self._entity(record, room) for record in records))
        incident = records[0].incident
        with explaining(f"appending to the journal of incident {incident}", TABLE_ROLE, writes=True):
            taken = await self._table.create_all(entities)
        if taken is not None:
            raise SequenceTaken(incident, records[taken].sequence)

    async def read(self, incident: IncidentId) -> Sequence[Record]:
        check_key(incident, "an incident's id")
        with explaining(f"reading the journal of incident {incident}", TABLE_ROLE):
            found = await self._table.query("PartitionKey eq @incident", {"incident": incident}, None)
        return read_chain(incident, await asyncio.gather(*(self._kept(incident, entity) for entity, _ in found)))

    async def stands(self, records: Sequence[Record]) -> bool:
        """
        After OutcomeUnknown from `append`: True if exactly these records stand in the journal, False if
        their places are free (the lost write may still arrive, and the fence then meets it).

        Raises SequenceTaken if somebody else's records stand there.
        """
        found = (await self.read(records[0].incident))[records[0].sequence :][: len(records)]
        if not found:
            return False
        for ours, theirs in zip(records, found, strict=False):
            if ours.hash != theirs.hash:
                raise SequenceTaken(ours.incident, ours.sequence)
        return True

    async def close(self) -> None:
        await self._table.close()

    async def _entity(self, record: Record, room: int) -> Entity:
        kept = to_kept(record)
        entity = {
            "PartitionKey": record.incident,
            "RowKey": f"{kept.sequence:010d}",
            "time": kept.time,
            "kind": kept.kind,
            "previous": kept.previous,
            "hash": kept.hash,
        }
        if kept.step is not None:
            entity["step"] = kept.step
        if len(kept.data) > room:
            return entity | {"evidence": await self._evidence.keep(kept.data.encode())}
        return entity | _split("data", kept.data)

    async def _kept(self, incident: IncidentId, entity: Entity) -> Kept:
        """A record as the chain's check takes it; a property that was removed is an empty one there."""
        return Kept(
            int(entity["RowKey"]) if entity["RowKey"].isdecimal() else -1,
            entity.get("time", ""),
            entity.get("kind", ""),
            entity.get("step"),
            await self._data(incident, entity),
            entity.get("previous", ""),
            entity.get("hash", ""),
        )

    async def _data(self, incident: IncidentId, entity: Entity) -> str:
        digest = entity.get("evidence")
        if digest is None:
            return _join("data", entity)
        content = await self._evidence.fetch(digest)
        if content is None:
            raise JournalDamaged(
                f"The data of record {entity['RowKey']} of incident {incident} is gone: blob {digest} is not in "
                f"container {EVIDENCE_CONTAINER}. Cordon changes nothing more for this incident. Find out who "
                "removed it, restore it if deleted blobs are kept, and contain by hand meanwhile."
            )
        return content.decode("ascii", errors="replace")


class AzureDocuments:
    """Documents; the etag is the service's own."""

    def __init__(self, account: StorageAccount) -> None:
        self._table = Table(account, DOCUMENTS_TABLE)

    async def insert(self, partition: str, key: str, body: JsonObject) -> bool:
        check_place(partition, key)
        entity = _document_entity(partition, key, body_text(body))
        with explaining(f"storing document {key} under {partition}", TABLE_ROLE, writes=True):
            return await self._table.create(entity)

    async def insert_all(self, partition: str, bodies: Mapping[str, JsonObject]) -> frozenset[str]:
        check_key(partition, "a partition")
        new: set[str] = set()
        with explaining(f"storing documents under {partition}", TABLE_ROLE, writes=True):
            for chunk in _chunks(check_bodies(partition, bodies)):
                new |= await self._insert_chunk(partition, chunk)
        return frozenset(new)

    async def get(self, partition: str, key: str) -> Document | None:
        check_place(partition, key)
        with explaining(f"reading document {key} under {partition}", TABLE_ROLE):
            found = await self._table.get(partition, key)
        return _document(*found) if found else None

    async def replace(self, partition: str, key: str, body: JsonObject, etag: str) -> bool:
        from azure.data.tables import UpdateMode

        check_place(partition, key)
        entity = _document_entity(partition, key, body_text(body))
        if not _ETAG.fullmatch(etag):
            return False
        with explaining(f"replacing document {key} under {partition}", TABLE_ROLE, writes=True):
            return await self._table.submit_one(("update", entity, {"mode": UpdateMode.REPLACE, **_only_if(etag)}))

    async def remove(self, partition: str, key: str, etag: str) -> bool:
        check_place(partition, key)
        if not _ETAG.fullmatch(etag):
            return False
        place = {"PartitionKey": partition, "RowKey": key}
        with explaining(f"removing document {key} under {partition}", TABLE_ROLE, writes=True):
            return await self._table.submit_one(("delete", place, _only_if(etag)))

    async def query(
        self, partition: str, *, after: str = "", before: str | None = None, limit: int = 1000
    ) -> Sequence[Document]:
        check_range(partition, after, before)
        if limit <= 0:
            return ()
        filter_ = "PartitionKey eq @partition and RowKey gt @after"
        values = {"partition": partition, "after": after}
        if before is not None:
            filter_ += " and RowKey lt @before"
            values["before"] = before
        with explaining(f"listing documents under {partition}", TABLE_ROLE):
            found = await self._table.query(filter_, values, limit)
        return tuple(_document(entity, etag) for entity, etag in found)

    async def close(self) -> None:
        await self._table.close()

    async def _insert_chunk(self, partition: str, texts: Mapping[str, str]) -> set[str]:
        """In one transaction if all are new, else one by one, side by side."""
        entities = {key: _document_entity(partition, key, text) for key, text in texts.items()}
        if await self._table.create_all(list(entities.values())) is None:
            return set(entities)
        gate = asyncio.Semaphore(_SIDE_BY_SIDE)

        async def insert(entity: Entity) -> bool:
            async with gate:
                return await self._table.create(entity)

        created = await asyncio.gather(*map(insert, entities.values()))
        return {key for key, is_new in zip(entities, created, strict=True) if is_new}


class AzureEvidence:
    """Evidence: one blob each, never overwritten. Storing the same bytes again is harmless, so it is retried."""

    def __init__(self, account: StorageAccount) -> None:
        self._account = account

    @cached_property
    def _container(self) -> "ContainerClient":
        return self._account.container(EVIDENCE_CONTAINER)

    async def keep(self, content: bytes) -> str:
        from azure.core.exceptions import ResourceExistsError

        digest = digest_of(content)
        with explaining(f"storing evidence {digest}", BLOB_ROLE, writes=True):
            try:
                await self._made(lambda: self._container.upload_blob(digest, content, overwrite=False))
            except ResourceExistsError as problem:
                if code_of(problem) != "BlobAlreadyExists":
                    raise
        return digest

    async def fetch(self, digest: str) -> bytes | None:
        check_digest(digest)
        with explaining(f"reading evidence {digest}", BLOB_ROLE):
            content = await self._made(lambda: self._download(digest))
        return None if content is None else check_evidence(digest, content)

    async def close(self) -> None:
        if "_container" in self.__dict__:
            await self._container.close()

    async def _download(self, digest: str) -> bytes | None:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            stream = await self._container.download_blob(digest)
            return await stream.readall()
        except ResourceNotFoundError as problem:
            if code_of(problem) != "BlobNotFound":
                raise
            return None

    async def _made(self, call: Callable[[], Awaitable[T]]) -> T:
        make = self._container.create_container
        return await making_if_missing(f"container {EVIDENCE_CONTAINER}", "ContainerNotFound", make, call)


def _document_entity(partition: str, key: str, text: str) -> Entity:
    return {"PartitionKey": partition, "RowKey": key, **_split("body", text)}


def _document(entity: Entity, etag: str) -> Document:
    return Document(entity["RowKey"], read_body(_join("body", entity)), etag)


def _only_if(etag: str) -> Mapping[str, object]:
    from azure.core import MatchConditions

    return {"etag": etag, "match_condition": MatchConditions.IfNotModified}


def _split(name: str, text: str) -> Entity:
    starts = range(0, len(text), _PIECE)
    return {f"{name}{number}": text[start : start + _PIECE] for number, start in enumerate(starts)}


def _join(name: str, entity: Entity) -> str:
    pieces: list[str] = []
    while (piece := entity.get(f"{name}{len(pieces)}")) is not None:
        pieces.append(piece)
    return "".join(pieces)


def _chunks(texts: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Parts that fit into a transaction each."""
    chunk: dict[str, str] = {}
    size = 0
    for key, text in texts.items():
        if len(chunk) == _MOST_OPERATIONS or size + len(text) > _LARGEST_TRANSACTION:
            yield chunk
            chunk, size = {}, 0
        chunk[key] = text
        size += len(text)
    if chunk:
        yield chunk
