"""What is particular to the store in one file: it is killed, shared, damaged, or somebody else's."""

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest

from shared.clients import sqlite_store
from shared.clients.sqlite_store import open_sqlite_store
from shared.errors import JournalDamaged, OutcomeUnknown, SequenceTaken, SettingsWrong, Unreachable
from shared.journal import IncidentId
from tests.stores.chains import Watch, chain, new_incident
from tests.stores.write_until_killed import INCIDENT

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[2]


def _start(file: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.stores.write_until_killed", str(file)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own module


def _kill_after(process: "subprocess.Popen[str]", lines: int) -> set[int]:
    """Let it confirm so many writes, kill it at once, and give the numbers that it confirmed."""
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(lines)]
    process.kill()
    rest, _ = process.communicate()
    return {int(line) for line in said + rest.splitlines(keepends=True) if line.endswith("\n")}


async def test_what_was_confirmed_survives_kill_9(tmp_path: Path, watch: Watch) -> None:
    """After each of three kills the chain is whole, and nothing that was confirmed is missing."""
    file, confirmed = tmp_path / "cordon.db", set[int]()

    for lines in (1, 7, 20):
        confirmed |= _kill_after(_start(file), lines)
        store = open_sqlite_store(file, watch)
        records = await store.journal.read(INCIDENT)
        documents = await store.documents.query("killed")
        messages = await store.queue.receive(1_000, timedelta())
        await store.close()

        assert confirmed <= {record.sequence for record in records}
        assert confirmed <= {int(document.key) for document in documents}
        assert confirmed <= {json.loads(message.body)["n"] for message in messages}


async def test_two_processes_share_a_file_and_its_fence(tmp_path: Path, watch: Watch) -> None:
    """While another process writes as fast as it can, ours writes too, and meets what the other has written."""
    process, store = _start(tmp_path / "cordon.db"), open_sqlite_store(tmp_path / "cordon.db", watch)
    assert process.stdout is not None
    process.stdout.readline()
    ours = chain(new_incident(), 20)

    for record in ours:
        await store.journal.append([record])
    with pytest.raises(SequenceTaken):
        await store.journal.append(chain(INCIDENT, 1))
    confirmed = _kill_after(process, 1)

    assert list(await store.journal.read(ours[0].incident)) == ours
    assert confirmed <= {record.sequence for record in await store.journal.read(INCIDENT)}


async def test_processes_that_open_a_new_file_at_once_all_succeed(tmp_path: Path) -> None:
    """Making the tables is not a race."""
    file = tmp_path / "new" / "cordon.db"
    processes = [_start(file) for _ in range(3)]
    try:
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
    finally:
        ends = [_end(process) for process in processes]

    # Killed while writing, or ended because a rival's record stood there; never with an error.
    assert set(ends) <= {-signal.SIGKILL, 0}
    assert len(await open_sqlite_store(file, Watch()).journal.read(INCIDENT)) >= 1


def _end(process: "subprocess.Popen[str]") -> int:
    process.kill()
    process.communicate()
    return process.returncode


async def test_one_store_serves_many_threads(tmp_path: Path, watch: Watch) -> None:
    """Each thread has a loop of its own, and nothing is lost or mixed."""
    store = open_sqlite_store(tmp_path / "cordon.db", watch)
    incidents = [new_incident() for _ in range(8)]

    async def write(incident: IncidentId) -> None:
        for record in chain(incident, 20):
            await store.journal.append([record])
            await store.documents.insert("threads", f"{incident}-{record.sequence}", {})

    def run(incident: IncidentId) -> None:
        asyncio.run(write(incident))

    with ThreadPoolExecutor(len(incidents)) as threads:
        list(threads.map(run, incidents))

    for incident in incidents:
        assert len(await store.journal.read(incident)) == 20
    assert len(await store.documents.query("threads")) == 160


async def test_who_waits_too_long_for_another_writer_is_told_that_nothing_was_done(
    tmp_path: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that could not begin is no unknown outcome."""
    monkeypatch.setattr(sqlite_store, "_PATIENCE", 0.05)
    store, incident = open_sqlite_store(tmp_path / "cordon.db", watch), new_incident()

    with closing(sqlite3.connect(tmp_path / "cordon.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unreachable, match=incident):
            await store.journal.append(chain(incident, 1))
        assert list(await store.journal.read(incident)) == []  # reading goes on meanwhile
        other.execute("ROLLBACK")

    await store.journal.append(chain(incident, 1))
    assert len(await store.journal.read(incident)) == 1


async def test_an_error_in_the_middle_of_an_append_leaves_nothing_behind(tmp_path: Path, watch: Watch) -> None:
    """The disk is full after the first of three records: none of them stands, and later all can."""
    store, incident = open_sqlite_store(tmp_path / "cordon.db", watch), new_incident()
    with closing(sqlite3.connect(tmp_path / "cordon.db")) as other, other:
        other.execute(
            "CREATE TRIGGER full BEFORE INSERT ON journal WHEN NEW.sequence = 1 "
            "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        )

    with pytest.raises(JournalDamaged, match=incident):
        await store.journal.append(chain(incident, 3))
    with closing(sqlite3.connect(tmp_path / "cordon.db")) as other, other:
        other.execute("DROP TRIGGER full")

    assert list(await store.journal.read(incident)) == []
    await store.journal.append(chain(incident, 3))
    assert len(await store.journal.read(incident)) == 3


@dataclass(frozen=True, slots=True)
class SlowDisk:
    """A flush that says when it has begun, and ends when it may."""

    begun: threading.Event = field(default_factory=threading.Event)
    may_end: threading.Event = field(default_factory=threading.Event)

    def take_time(self) -> None:
        self.begun.set()
        assert self.may_end.wait(5), "the flush holds up the event loop"

    async def is_begun(self) -> None:
        assert await asyncio.to_thread(self.begun.wait, 5)


class Watched(sqlite3.Connection):
    """A connection that counts its commits, and whose disk may fail at one."""

    commits: ClassVar[int] = 0
    disk_fails: ClassVar[bool] = False
    slow: ClassVar["SlowDisk | None"] = None

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql == "COMMIT":
            Watched.commits += 1
            if Watched.slow is not None:
                Watched.slow.take_time()
            if Watched.disk_fails:
                raise sqlite3.OperationalError("disk I/O error")
        return super().execute(sql, *values)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> type[Watched]:
    """The connections that are opened from now on."""
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Watched))
    monkeypatch.setattr(Watched, "commits", 0)
    monkeypatch.setattr(Watched, "disk_fails", False)
    monkeypatch.setattr(Watched, "slow", None)
    return Watched


async def test_what_many_write_at_the_same_moment_is_flushed_once(
    tmp_path: Path, watch: Watch, watched: type[Watched]
) -> None:
    """Fifty identities at once wait for the disk once for each step that they take, and not fifty times."""
    store, incidents = open_sqlite_store(tmp_path / "cordon.db", watch), [new_incident() for _ in range(50)]

    for step in range(3):
        await asyncio.gather(*(store.journal.append(chain(incident, 3)[step : step + 1]) for incident in incidents))

    assert watched.commits == 3
    for incident in incidents:
        assert list(await store.journal.read(incident)) == chain(incident, 3)


@pytest.mark.parametrize(("writers", "flushes"), [(5, (1,)), (40, (2, 3, 4, 5))])
async def test_who_writes_a_moment_later_shares_the_flush_but_nobody_waits_for_good(
    tmp_path: Path, watch: Watch, watched: type[Watched], writers: int, flushes: Sequence[int]
) -> None:
    """
    One more writer in each turn of the event loop: they gather, and are written after eight turns at the latest, or
    when the disk has what was written before them.
    """
    store = open_sqlite_store(tmp_path / "cordon.db", watch)

    async def later(turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        await store.documents.insert("some", f"key-{turns}", {})

    await asyncio.gather(*(later(turns) for turns in range(writers)))

    assert watched.commits in flushes
    assert len(await store.documents.query("some")) == writers


async def test_while_the_disk_takes_its_time_everything_else_goes_on(
    tmp_path: Path, watch: Watch, watched: type[Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody reads what is not durable yet, and whoever comes meanwhile shares the next flush."""
    store, first, later = open_sqlite_store(tmp_path / "cordon.db", watch), new_incident(), new_incident()
    disk = SlowDisk()
    monkeypatch.setattr(watched, "slow", disk)

    writing = asyncio.ensure_future(store.journal.append(chain(first, 1)))
    await disk.is_begun()
    behind = [asyncio.ensure_future(store.journal.append(chain(later, 3)[n : n + 1])) for n in range(3)]
    behind += [asyncio.ensure_future(store.queue.send({"n": n})) for n in range(3)]
    await asyncio.sleep(0.01)
    shown, is_confirmed = list(await store.journal.read(first)), writing.done()
    disk.may_end.set()
    await asyncio.gather(writing, *behind)

    assert (shown, is_confirmed) == ([], False)
    assert watched.commits == 2
    assert len(await store.journal.read(first)) == 1
    assert len(await store.journal.read(later)) == 3


async def test_who_closes_the_store_waits_for_what_is_on_its_way_to_the_disk(
    tmp_path: Path, watch: Watch, watched: type[Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flush that was begun is ended, and whoever opens the file again finds what it confirmed."""
    store, incident, disk = open_sqlite_store(tmp_path / "cordon.db", watch), new_incident(), SlowDisk()
    monkeypatch.setattr(watched, "slow", disk)

    writing = asyncio.ensure_future(store.journal.append(chain(incident, 1)))
    await disk.is_begun()
    threading.Timer(0.05, disk.may_end.set).start()
    await store.close()
    await writing

    assert len(await open_sqlite_store(tmp_path / "cordon.db", watch).journal.read(incident)) == 1


async def test_one_that_cannot_be_written_takes_nobody_with_it(tmp_path: Path, watch: Watch) -> None:
    """Two rivals and a bystander in the same breath: one rival loses, whatever they share with whom."""
    store, ours, other = open_sqlite_store(tmp_path / "cordon.db", watch), new_incident(), new_incident()

    answers = await asyncio.gather(
        store.journal.append(chain(ours, 2)),
        store.journal.append(chain(ours, 1)),
        store.journal.append(chain(other, 2)),
        store.documents.insert("some", "key", {}),
        return_exceptions=True,
    )

    assert [type(answer) for answer in answers] == [type(None), SequenceTaken, type(None), bool]
    assert len(await store.journal.read(ours)) == len(await store.journal.read(other)) == 2
    assert await store.documents.get("some", "key")


async def test_a_flush_that_fails_leaves_every_outcome_unknown(
    tmp_path: Path, watch: Watch, watched: type[Watched]
) -> None:
    """Each is told about its own write: nobody may take it for done, nor for not done."""
    store, incidents = open_sqlite_store(tmp_path / "cordon.db", watch), [new_incident() for _ in range(3)]

    watched.disk_fails = True
    answers = await asyncio.gather(
        *(store.journal.append(chain(incident, 1)) for incident in incidents), return_exceptions=True
    )
    watched.disk_fails = False

    for incident, answer in zip(incidents, answers, strict=True):
        assert isinstance(answer, OutcomeUnknown)
        assert incident in str(answer)
    await asyncio.gather(*(store.journal.append(chain(incident, 1)) for incident in incidents))


async def test_where_no_thread_can_be_had_everybody_is_told_and_nothing_stands(tmp_path: Path, watch: Watch) -> None:
    """They waited for ever: what was begun had been taken back, and nobody said so."""
    store, incidents = open_sqlite_store(tmp_path / "cordon.db", watch), [new_incident() for _ in range(2)]
    threads = ThreadPoolExecutor(1)
    threads.shutdown()
    asyncio.get_running_loop().set_default_executor(threads)

    async with asyncio.timeout(5):
        answers = await asyncio.gather(
            *(store.journal.append(chain(incident, 1)) for incident in incidents), return_exceptions=True
        )
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    seen = [list(await store.journal.read(incident)) for incident in incidents]
    await store.journal.append(chain(incidents[0], 1))

    assert [type(answer) for answer in answers] == [OutcomeUnknown, OutcomeUnknown]
    assert seen == [[], []]


async def test_whoever_is_cancelled_before_its_turn_has_written_nothing(tmp_path: Path, watch: Watch) -> None:
    """The others of the same moment have."""
    store, gone, other = open_sqlite_store(tmp_path / "cordon.db", watch), new_incident(), new_incident()

    async def cancelled() -> None:
        task = asyncio.ensure_future(store.journal.append(chain(gone, 1)))
        asyncio.get_running_loop().call_soon(task.cancel)
        await task

    answers = await asyncio.gather(cancelled(), store.journal.append(chain(other, 1)), return_exceptions=True)

    assert isinstance(answers[0], asyncio.CancelledError)
    assert list(await store.journal.read(gone)) == []
    assert len(await store.journal.read(other)) == 1


async def test_a_damaged_file_is_named(tmp_path: Path, watch: Watch) -> None:
    """Overwritten pages are reported with the file's name, and never read as an empty journal."""
    file, incident = tmp_path / "cordon.db", new_incident()
    store = open_sqlite_store(file, watch)
    await store.journal.append(chain(incident, 40, lambda n: {"text": str(n) * 2_000}))
    await store.close()
    with file.open("r+b") as raw:
        raw.seek(4096)
        raw.write(b"\xff" * (file.stat().st_size - 4096))

    with pytest.raises((JournalDamaged, SettingsWrong), match=r"cordon\.db"):
        await open_sqlite_store(file, watch).journal.read(incident)


@pytest.mark.parametrize("content", [b"this is a text file, and not a short one" * 200, b"\x00" * 5000])
def test_a_file_that_is_something_else_is_refused(tmp_path: Path, watch: Watch, content: bytes) -> None:
    """It is left as it is."""
    file = tmp_path / "notes.txt"
    file.write_bytes(content)

    with pytest.raises(SettingsWrong, match=r"CORDON_STORE.*notes\.txt"):
        open_sqlite_store(file, watch)

    assert file.read_bytes() == content


def test_a_place_where_no_file_can_be_is_refused(tmp_path: Path, watch: Watch) -> None:
    """A folder of that name, or a file where the folder should be."""
    (tmp_path / "file").touch()

    for place in (tmp_path, tmp_path / "file" / "cordon.db"):
        with pytest.raises(SettingsWrong, match="cannot be opened"):
            open_sqlite_store(place, watch)


def test_a_file_of_another_version_is_refused(tmp_path: Path, watch: Watch) -> None:
    """Guessing at tables that we do not know would end in a wrong answer."""
    with closing(sqlite3.connect(tmp_path / "cordon.db")) as later, later:
        later.execute("PRAGMA user_version=99")

    with pytest.raises(SettingsWrong, match="another version"):
        open_sqlite_store(tmp_path / "cordon.db", watch)


@pytest.mark.parametrize(
    ("question", "values"),
    [
        (sqlite_store.CHAIN, ("a",)),
        (sqlite_store.RANGE, ("a", "", "b", 10)),
        (sqlite_store.DUE, ("q", 1, 10)),
        (sqlite_store.NEXT_DUE, ("q",)),
    ],
)
def test_no_question_reads_more_than_it_asks_for(
    tmp_path: Path, watch: Watch, question: str, values: tuple[object, ...]
) -> None:
    """Each is one range of an index, already in order: a journal of 100,000 records costs one incident's time."""
    open_sqlite_store(tmp_path / "cordon.db", watch)

    with closing(sqlite3.connect(tmp_path / "cordon.db")) as file:
        plan = [str(row[3]) for row in file.execute(f"EXPLAIN QUERY PLAN {question}", values)]

    assert len(plan) == 1
    assert plan[0].startswith("SEARCH ")


async def test_among_a_hundred_thousand_records_one_incident_is_read_alone(tmp_path: Path, watch: Watch) -> None:
    """After a restart, reading one incident takes as many steps of sqlite as in an empty file."""
    few, many = new_incident(), tmp_path / "many.db"
    store = open_sqlite_store(many, watch)
    await store.journal.append(chain(few, 5))
    alone = await _steps_to_read(many, few)
    with closing(sqlite3.connect(many)) as raw, raw:
        rows = ((f"other-{n // 10}", n % 10, "", "", None, "{}", "", "") for n in range(100_000))
        raw.executemany("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    await store.close()

    assert await _steps_to_read(many, few) <= alone + 10


async def _steps_to_read(path: Path, incident: IncidentId) -> int:
    """Virtual machine instructions that a fresh connection needs."""
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    with closing(sqlite3.connect(path)) as raw:
        raw.set_progress_handler(step, 1)
        rows = raw.execute(sqlite_store.CHAIN, (incident,)).fetchall()
        raw.set_progress_handler(None, 1)
    assert len(rows) == 5
    return steps
