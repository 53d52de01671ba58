"""
The three twins behind one face, and the back door that a test uses to play somebody who tampers.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol, cast

from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient
from azure.storage.blob.aio import ContainerClient
from azure.storage.queue.aio import QueueClient

from shared.clients.azure_store import DOCUMENTS_TABLE, EVIDENCE_CONTAINER, JOURNAL_TABLE, open_azure_store
from shared.clients.sqlite_store import open_sqlite_store
from shared.journal import IncidentId, MemoryJournal
from shared.store import LocalStore, MemoryEvidence, Store, memory_store
from tests.stores.chains import Watch


class Twin(Protocol):
    """A store, a way to open it once more, and a back door."""

    @property
    def store(self) -> Store: ...

    async def another(self) -> Store:
        """The same content, as another instance sees it."""
        ...

    async def rewrite_record(self, incident: IncidentId, sequence: int, field: str, text: str) -> None:
        """Change what is stored of a record; `field` is one of time, kind, data, previous, hash."""
        ...

    async def drop_record(self, incident: IncidentId, sequence: int) -> None: ...

    async def overwrite_evidence(self, digest: str, content: bytes) -> None: ...

    async def close(self) -> None: ...


class MemoryTwin:
    def __init__(self, clock: Watch) -> None:
        self.store = memory_store(clock)

    async def another(self) -> Store:
        return self.store

    async def rewrite_record(self, incident: IncidentId, sequence: int, field: str, text: str) -> None:
        chain = self._chains[incident]
        chain[sequence] = chain[sequence]._replace(**{field: text})

    async def drop_record(self, incident: IncidentId, sequence: int) -> None:
        del self._chains[incident][sequence]

    async def overwrite_evidence(self, digest: str, content: bytes) -> None:
        cast("MemoryEvidence", self.store.evidence)._contents[digest] = content  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

    async def close(self) -> None:
        await self.store.close()

    @property
    def _chains(self) -> dict[IncidentId, dict[int, Any]]:
        return cast("MemoryJournal", self.store.journal)._chains  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


class SqliteTwin:
    def __init__(self, path: Path, clock: Watch) -> None:
        self._path, self._clock = path, clock
        self.store = open_sqlite_store(path, clock)
        self._others: list[LocalStore] = []

    async def another(self) -> Store:
        self._others.append(open_sqlite_store(self._path, self._clock))
        return self._others[-1]

    async def rewrite_record(self, incident: IncidentId, sequence: int, field: str, text: str) -> None:
        self._change(f"UPDATE journal SET {field} = ? WHERE incident = ? AND sequence = ?", text, incident, sequence)  # noqa: S608

    async def drop_record(self, incident: IncidentId, sequence: int) -> None:
        self._change("DELETE FROM journal WHERE incident = ? AND sequence = ?", incident, sequence)

    async def overwrite_evidence(self, digest: str, content: bytes) -> None:
        self._change("UPDATE evidence SET content = ? WHERE digest = ?", content, digest)

    async def close(self) -> None:
        for store in (self.store, *self._others):
            await store.close()

    def _change(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self._path)) as connection, connection:
            assert connection.execute(statement, values).rowcount == 1


class AzureTwin:
    def __init__(self, connection_string: str) -> None:
        self.connection_string = connection_string
        self.store = self._open()
        self._others: list[Store] = []

    async def another(self) -> Store:
        self._others.append(self._open())
        return self._others[-1]

    async def rewrite_record(self, incident: IncidentId, sequence: int, field: str, text: str) -> None:
        async with self.table(JOURNAL_TABLE) as table:
            entity = {"PartitionKey": incident, "RowKey": f"{sequence:010d}", _PROPERTIES.get(field, field): text}
            await table.update_entity(entity, mode=UpdateMode.MERGE)

    async def drop_record(self, incident: IncidentId, sequence: int) -> None:
        async with self.table(JOURNAL_TABLE) as table:
            await table.delete_entity(incident, f"{sequence:010d}")

    async def overwrite_evidence(self, digest: str, content: bytes) -> None:
        async with self.container() as container:
            await container.upload_blob(digest, content, overwrite=True)

    async def close(self) -> None:
        for store in (self.store, *self._others):
            await store.close()

    def table(self, name: str = DOCUMENTS_TABLE) -> Any:
        return TableClient.from_connection_string(self.connection_string, name)

    def container(self) -> ContainerClient:
        return ContainerClient.from_connection_string(self.connection_string, EVIDENCE_CONTAINER)

    def queue(self, name: str) -> QueueClient:
        return QueueClient.from_connection_string(self.connection_string, name)

    def _open(self) -> Store:
        return open_azure_store({"AzureWebJobsStorage": self.connection_string}, no_credential)


_PROPERTIES = {"data": "data0"}


def no_credential(client_id: str) -> Any:
    raise AssertionError(f"a connection string needs no token, and none for {client_id}")
