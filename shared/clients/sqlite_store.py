"""
The store in one sqlite file, for local runs: the same promises as in Azure, without Azure.

Write-ahead logging with `synchronous=FULL`: what a call has confirmed survives a crash of the process and
of the machine. Several processes may use one file; they wait for each other for a few seconds. Calls are
short, so they run where they are made; only the flush to disk, which is all waiting, runs in a thread, so that
other work goes on beside it. What several callers want to write meanwhile, or at the same time, shares one
transaction, and so one flush: with fifty identities at once the disk would else take as long as all our own work.
"""

import asyncio
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import starmap
from pathlib import Path
from typing import TypeAlias, TypeVar, cast

from shared.clock import Clock
from shared.errors import CordonError, JournalDamaged, OutcomeUnknown, SequenceTaken, SettingsWrong, Unreachable
from shared.journal import IncidentId, Kept, Record, check_append, read_chain, to_kept
from shared.keys import check_digest, check_key
from shared.signal import JsonObject
from shared.store import (
    WORK_QUEUE,
    Document,
    LocalStore,
    Received,
    body_text,
    check_bodies,
    check_evidence,
    check_message,
    check_place,
    check_range,
    digest_of,
    message_bytes,
    read_body,
)

T = TypeVar("T")
Change: TypeAlias = Callable[[sqlite3.Cursor], T]
"""What is done within a transaction. It may run twice, the first time without any effect."""

_PATIENCE = 5.0  # seconds to wait for another process that is writing
_MOST_TURNS = 8  # of the event loop, for which a write waits for others
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_LAST_KEY = "\x7f"  # sorts behind every key

_VERSION = 1  # of the tables; kept in the file as `user_version`
_MAKE_TABLES = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS journal (
    incident TEXT NOT NULL, sequence INTEGER NOT NULL, time TEXT NOT NULL, kind TEXT NOT NULL, step TEXT,
    data TEXT NOT NULL, previous TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (incident, sequence)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS documents (
    partition TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, revision INTEGER NOT NULL,
    PRIMARY KEY (partition, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS evidence (digest TEXT NOT NULL PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS messages (
    number INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, body BLOB NOT NULL,
    due INTEGER NOT NULL, inserted INTEGER NOT NULL, dequeued INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS messages_by_due ON messages (queue, due, number);
CREATE TABLE IF NOT EXISTS revisions (last INTEGER NOT NULL);
INSERT INTO revisions SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM revisions);
PRAGMA user_version=1;
COMMIT;
"""  # moments are microseconds since 1970, UTC; `revisions` holds one row, from which etags are taken


def open_sqlite_store(path: Path | str, clock: Clock) -> LocalStore:
    """
    Open the store in this file; the file and its folder are made if they are not there.

    Raises SettingsWrong if the file is something else, or cannot be opened.
    """
    file = SqliteFile(Path(path))
    parts = SqliteJournal(file), SqliteDocuments(file), SqliteEvidence(file), SqliteQueue(file, clock)
    return LocalStore(*parts, close=file.aclose)


@dataclass(frozen=True, slots=True)
class _Write:
    """What somebody waits for: what it is, in words; what it does; what came of it."""

    doing: str
    change: Change[object]
    answer: "asyncio.Future[object]"


def _refuse(writes: Sequence[_Write], problem: Exception, explained: Callable[[str, Exception], Exception]) -> None:
    """Tell everybody what became of what he wanted."""
    for write in writes:
        error = explained(write.doing, problem)
        if error is not problem:
            error.__cause__ = problem
        write.answer.set_exception(error)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)


class SqliteFile:
    """
    One connection that writes, for one caller at a time, whichever thread it comes from, and one that reads, also
    while what was written is on its way to the disk: it shows what is durable, and nothing else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writing, self._reading = threading.Lock(), threading.Lock()
        self._waiting: dict[asyncio.AbstractEventLoop, list[_Write]] = {}
        self._flushes = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = _connect(path)
        except (OSError, sqlite3.Error) as problem:
            raise _unusable(path, "cannot be opened") from problem
        # Whoever forgets to close the store must not be left with a warning about it at exit.
        self._close = weakref.finalize(self, self._connection.close)
        self._prepare()
        self._reader = _connect(path)
        self._reader.execute("PRAGMA query_only=1")
        self._close_reader = weakref.finalize(self, self._reader.close)

    async def aclose(self) -> None:
        """What is on its way to the disk gets there first."""
        with self._reading:
            self._close_reader()
        with self._writing:
            self._close()

    def read(self, doing: str, question: str, values: Sequence[object]) -> list[tuple[object, ...]]:
        """The rows that answer the question."""
        with self._reading:
            try:
                return self._reader.execute(question, values).fetchall()
            except sqlite3.Error as problem:
                raise self._explained(doing, problem) from problem

    async def write(self, doing: str, change: Change[T]) -> T:
        """All or nothing, durable when this returns. Whoever is cancelled while waiting may have written."""
        loop = asyncio.get_running_loop()
        write = _Write(doing, change, loop.create_future())
        if loop not in self._waiting:
            self._waiting[loop] = []
            loop.call_soon(self._write_soon, loop, 0, 1)
        self._waiting[loop].append(write)
        return cast("T", await write.answer)

    def _write_soon(self, loop: asyncio.AbstractEventLoop, known: int, turn: int) -> None:
        """Wait while every turn of the event loop brings more: the flush takes as long for fifty as for one."""
        waiting = len(self._waiting[loop])
        if waiting > known and turn < _MOST_TURNS:
            loop.call_soon(self._write_soon, loop, waiting, turn + 1)
        else:
            writes, self._waiting[loop] = self._waiting[loop], []
            self._write_next(loop, [writes])

    def _write_next(self, loop: asyncio.AbstractEventLoop, batches: list[list[_Write]]) -> None:
        """One transaction for each batch; where one of its writes cannot be carried out, one for each of them."""
        while batches:
            writes = [write for write in batches.pop(0) if not write.answer.done()]
            if writes and self._write_aside(loop, writes, batches):
                return
        if self._waiting[loop]:
            loop.call_soon(self._write_soon, loop, 0, 1)
        else:
            del self._waiting[loop]

    def _write_aside(self, loop: asyncio.AbstractEventLoop, writes: list[_Write], batches: list[list[_Write]]) -> bool:
        """True if it is on its way to the disk: then the rest follows when it has got there."""
        self._writing.acquire()  # and is held until the disk has it
        try:
            results = self._change(writes)
            if results is None:
                self._writing.release()
                batches[:0] = [[write] for write in writes if not write.answer.done()]
                return False
            self._flushes += 1
            flush = loop.run_in_executor(None, self._flush, self._flushes)
        except BaseException as problem:
            self._flushes += 1  # a flush that found no thread may stand in the pool's queue, and must not run any more
            with suppress(sqlite3.Error):  # whoever writes next is told by the file
                self._roll_back()
            self._writing.release()
            loop.call_soon(self._write_next, loop, batches)
            if not isinstance(problem, Exception):
                raise
            _refuse([write for write in writes if not write.answer.done()], problem, self._in_doubt)
            return True

        def flushed(done: "asyncio.Future[sqlite3.Error | None]") -> None:
            self._answer(writes, results, done.result())
            self._write_next(loop, batches)

        flush.add_done_callback(flushed)
        return True

    def _change(self, writes: Sequence[_Write]) -> list[object] | None:
        """What comes of each, not durable yet. None if one failed: then all is undone, and who was alone is told."""
        try:
            cursor = self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as problem:
            _refuse(writes, problem, self._explained)
            return None
        try:
            return [write.change(cursor) for write in writes]
        except Exception as problem:  # noqa: BLE001 - it belongs to whoever wanted this
            self._roll_back()
            if len(writes) == 1:
                _refuse(writes, problem, self._explained)
            return None

    def _flush(self, number: int) -> sqlite3.Error | None:
        """In a thread: make it durable. What went wrong, if anything did; then nobody knows what stands."""
        if number != self._flushes:
            return None
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error as problem:
            self._roll_back()
            return problem
        finally:
            self._writing.release()
        return None

    def _answer(self, writes: Sequence[_Write], results: Sequence[object], problem: sqlite3.Error | None) -> None:
        open_ones = [(write, each) for write, each in zip(writes, results, strict=True) if not write.answer.done()]
        if problem is not None:
            _refuse([write for write, _ in open_ones], problem, self._in_doubt)
            return
        for write, result in open_ones:
            write.answer.set_result(result)

    def _roll_back(self) -> None:
        if self._connection.in_transaction:  # a full disk, say, has ended it already
            self._connection.execute("ROLLBACK")

    def _prepare(self) -> None:
        try:
            _patiently(lambda: self._connection.execute("PRAGMA journal_mode=WAL"))
            self._connection.execute("PRAGMA synchronous=FULL")
            version = cast("tuple[int]", self._connection.execute("PRAGMA user_version").fetchone())[0]
            if version not in {0, _VERSION}:
                raise _unusable(self.path, "was written by another version of Cordon")
            if version == 0:
                _patiently(lambda: self._connection.executescript(_MAKE_TABLES))
        except sqlite3.Error as problem:
            self._close()
            raise _unusable(self.path, "cannot be used as a store") from problem

    def _in_doubt(self, doing: str, problem: Exception) -> CordonError:
        return OutcomeUnknown(doing, f"the file {self.path} answered {_name(problem)}")

    def _explained(self, doing: str, problem: Exception) -> Exception:
        """A failure before the commit: whatever it was, nothing was changed."""
        if not isinstance(problem, sqlite3.Error):
            return problem
        if isinstance(problem, sqlite3.OperationalError):
            return Unreachable(doing, f"the file {self.path} answered {_name(problem)}")
        return JournalDamaged(
            f"Not done: {doing}. The file {self.path} is damaged ({_name(problem)}). Keep it as it is, and find "
            "out who wrote to it or what became of the disk; contain by hand meanwhile."
        )


def _patiently(step: Callable[[], object]) -> None:
    """Two processes that open a new file at once get "locked" without the usual wait: try for a while."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            step()
        except sqlite3.OperationalError as problem:
            if "locked" not in str(problem) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _name(problem: Exception) -> str:
    return getattr(problem, "sqlite_errorname", type(problem).__name__)


def _unusable(path: Path, why: str) -> SettingsWrong:
    return SettingsWrong((f"CORDON_STORE: the file {path} {why}",))


class SqliteJournal:
    """The journal: one row a record, sorted by incident and sequence, so that reading one incident is one range."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def append(self, records: Sequence[Record]) -> None:
        check_append(records)
        if not records:
            return
        incident, first, last = records[0].incident, records[0].sequence, records[-1].sequence
        rows = [(incident, *to_kept(record)) for record in records]

        def append(cursor: sqlite3.Cursor) -> None:
            taken = _first_value(cursor.execute(_TAKEN, (incident, first, last)))
            if taken is not None:
                raise SequenceTaken(incident, taken)
            cursor.executemany("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

        await self._file.write(f"appending to the journal of incident {incident}", append)

    async def read(self, incident: IncidentId) -> Sequence[Record]:
        check_key(incident, "an incident's id")
        rows = self._file.read(f"reading the journal of incident {incident}", CHAIN, (incident,))
        return read_chain(incident, starmap(Kept, cast("list[tuple[int, str, str, str | None, str, str, str]]", rows)))


_TAKEN = "SELECT min(sequence) FROM journal WHERE incident = ? AND sequence BETWEEN ? AND ?"
CHAIN = "SELECT sequence, time, kind, step, data, previous, hash FROM journal WHERE incident = ? ORDER BY sequence"


class SqliteDocuments:
    """Documents. An etag is the number of a write, counted over the whole file, so that none comes twice."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def insert(self, partition: str, key: str, body: JsonObject) -> bool:
        return key in await self.insert_all(partition, {key: body})

    async def insert_all(self, partition: str, bodies: Mapping[str, JsonObject]) -> frozenset[str]:
        check_key(partition, "a partition")
        texts = check_bodies(partition, bodies)

        def insert(cursor: sqlite3.Cursor) -> frozenset[str]:
            revision = _next_revision(cursor)
            return frozenset(
                key
                for key, text in texts.items()
                if cursor.execute(
                    "INSERT OR IGNORE INTO documents VALUES (?, ?, ?, ?)", (partition, key, text, revision)
                ).rowcount
            )

        return await self._file.write(f"storing documents under {partition}", insert)

    async def get(self, partition: str, key: str) -> Document | None:
        check_place(partition, key)
        question = "SELECT key, body, revision FROM documents WHERE partition = ? AND key = ?"
        found = self._file.read(f"reading document {key} under {partition}", question, (partition, key))
        return _document(found[0]) if found else None

    async def replace(self, partition: str, key: str, body: JsonObject, etag: str) -> bool:
        check_place(partition, key)
        text = body_text(body)
        change = "UPDATE documents SET body = ?, revision = ? WHERE partition = ? AND key = ? AND revision = ?"

        def replace(cursor: sqlite3.Cursor) -> bool:
            return cursor.execute(change, (text, _next_revision(cursor), partition, key, etag)).rowcount == 1

        return await self._file.write(f"replacing document {key} under {partition}", replace)

    async def remove(self, partition: str, key: str, etag: str) -> bool:
        check_place(partition, key)
        change = "DELETE FROM documents WHERE partition = ? AND key = ? AND revision = ?"

        def remove(cursor: sqlite3.Cursor) -> bool:
            return cursor.execute(change, (partition, key, etag)).rowcount == 1

        return await self._file.write(f"removing document {key} under {partition}", remove)

    async def query(
        self, partition: str, *, after: str = "", before: str | None = None, limit: int = 1000
    ) -> Sequence[Document]:
        check_range(partition, after, before)
        values = partition, after, _LAST_KEY if before is None else before, max(limit, 0)
        return tuple(map(_document, self._file.read(f"listing documents under {partition}", RANGE, values)))


RANGE = "SELECT key, body, revision FROM documents WHERE partition = ? AND key > ? AND key < ? ORDER BY key LIMIT ?"


def _next_revision(cursor: sqlite3.Cursor) -> int:
    cursor.execute("UPDATE revisions SET last = last + 1")
    return cast("tuple[int]", cursor.execute("SELECT last FROM revisions").fetchone())[0]


def _document(row: tuple[object, ...]) -> Document:
    key, text, revision = cast("tuple[str, str, int]", row)
    return Document(key, read_body(text), str(revision))


class SqliteEvidence:
    """Evidence: one row each."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def keep(self, content: bytes) -> str:
        digest = digest_of(content)
        change = "INSERT OR IGNORE INTO evidence VALUES (?, ?)"
        await self._file.write(f"storing evidence {digest}", lambda cursor: cursor.execute(change, (digest, content)))
        return digest

    async def fetch(self, digest: str) -> bytes | None:
        check_digest(digest)
        question = "SELECT content FROM evidence WHERE digest = ?"
        found = self._file.read(f"reading evidence {digest}", question, (digest,))
        return check_evidence(digest, cast("bytes", found[0][0])) if found else None


class SqliteQueue:
    """A queue in the file; several of them may lie in it side by side, by name."""

    def __init__(self, file: SqliteFile, clock: Clock, name: str = WORK_QUEUE) -> None:
        self._file, self._clock, self._name = file, clock, name

    def beside(self, name: str) -> "SqliteQueue":
        return SqliteQueue(self._file, self._clock, name)

    async def send(self, message: JsonObject, delay: timedelta = timedelta()) -> None:
        await self.put(message_bytes(message), delay)

    async def put(self, body: bytes, delay: timedelta = timedelta()) -> None:
        check_message(body, delay)
        now = self._clock()
        change = "INSERT INTO messages (queue, body, due, inserted) VALUES (?, ?, ?, ?)"
        values = self._name, body, _ticks(now + delay), _ticks(now)
        await self._file.write(f"sending a message to {self._name}", lambda cursor: cursor.execute(change, values))

    async def receive(self, most: int, hidden: timedelta) -> Sequence[Received]:
        now, due = self._clock(), await self.next_due()
        if due is None or due > now:
            return []  # the common case, for which nobody else has to wait
        change = "UPDATE messages SET dequeued = dequeued + 1, due = ? WHERE number = ?"

        def receive(cursor: sqlite3.Cursor) -> list[tuple[int, bytes, int, int]]:
            rows = cursor.execute(DUE, (self._name, _ticks(now), most)).fetchall()
            cursor.executemany(change, [(_ticks(now + hidden), row[0]) for row in rows])
            return rows

        return [_received(row) for row in await self._file.write(f"receiving from {self._name}", receive)]

    async def delete(self, received: Received) -> bool:
        held = self._held(received)
        doing = f"deleting a message from {self._name}"
        return await self._file.write(doing, lambda cursor: cursor.execute(_DELETE, held).rowcount == 1)

    async def release(self, received: Received, delay: timedelta) -> bool:
        values = _ticks(self._clock() + delay), *self._held(received)
        doing = f"releasing a message of {self._name}"
        return await self._file.write(doing, lambda cursor: cursor.execute(_RELEASE, values).rowcount == 1)

    async def next_due(self) -> datetime | None:
        due = cast("int | None", self._file.read(f"looking into {self._name}", NEXT_DUE, (self._name,))[0][0])
        return None if due is None else _moment(due)

    def _held(self, received: Received) -> tuple[str, str, str]:
        return self._name, received.id, received.receipt


# A receipt is the count of receivings: it is good as long as nobody has received the message since.
_DELETE = "DELETE FROM messages WHERE queue = ? AND number = ? AND dequeued = ?"
_RELEASE = "UPDATE messages SET due = ? WHERE queue = ? AND number = ? AND dequeued = ?"
NEXT_DUE = "SELECT min(due) FROM messages WHERE queue = ?"
DUE = "SELECT number, body, dequeued, inserted FROM messages WHERE queue = ? AND due <= ? ORDER BY due, number LIMIT ?"


def _received(row: tuple[int, bytes, int, int]) -> Received:
    number, body, dequeued, inserted = row
    return Received(str(number), body, dequeued + 1, str(dequeued + 1), _moment(inserted))


def _ticks(moment: datetime) -> int:
    return (moment - _EPOCH) // _TICK


def _moment(ticks: int) -> datetime:
    return _EPOCH + ticks * _TICK


def _first_value(cursor: sqlite3.Cursor) -> int | None:
    return cast("tuple[int | None]", cursor.fetchone())[0]
