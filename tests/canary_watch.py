"""
Fails every test that let a secret of a practice tenant out: a pytest plugin.

Each practice tenant that a test makes is known here to that test's end, and beyond as long as it lives. After each
test everything that it wrote is looked through: stdout, stderr, log records with their exceptions, journals, documents,
evidence and messages of its stores, the doors' HTTP answers, what drills gave out, and files under its tmp_path.
Nothing of this changes how anything behaves: constructors and writing methods are listened to.
"""

import functools
import logging
import sys
import traceback
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

import pytest

from shared import journal, store
from shared.clients.sqlite_store import SqliteFile
from tests.canary import Scanner

if TYPE_CHECKING:
    from drill.practice.chance import Canaries

_LARGEST_FILE = 8 * 2**20
_PUT_IN = (".yaml", ".py", ".pyc")  # scenarios, policies and copies of the code are what a test puts in
_PATCHED: list[tuple[type, str, object]] = []


class Heard:
    """What one test let out, by where."""

    def __init__(self) -> None:
        self.tenants: list[Canaries] = []  # also those that do not live to its end
        self.pieces: list[tuple[str, str | bytes]] = []
        self.stores: list[object] = []
        self.files: list[Path] = []

    def hear(self, where: str, piece: object) -> None:
        if isinstance(piece, str | bytes) and piece:
            self.pieces.append((where, piece))


class LogListener(logging.Handler):
    """Keeps what any log would show of a record, its exception with the text of each cause included."""

    def emit(self, record: logging.LogRecord) -> None:
        text = f"{record.getMessage()} {record.stack_info or ''} {record.exc_text or ''}"
        if record.exc_info and record.exc_info[0]:
            text += "".join(traceback.format_exception(*record.exc_info))
        _watch.heard.hear("a log record", text)


class Watch:
    """The tenants that are alive, and what the present test let out."""

    def __init__(self) -> None:
        self.tenants: WeakSet[Canaries] = WeakSet()
        self.heard = Heard()
        self.log = LogListener()
        self._scanner = Scanner()  # one for all tests: each secret is learned once, and forgotten with its tenant
        self._known: WeakKeyDictionary[Canaries, frozenset[bytes]] = WeakKeyDictionary()

    def begin(self) -> None:
        self.heard = Heard()
        _listen_to_late_modules()
        for name in ("", "cordon"):  # a drill keeps its narration from the root logger
            logging.getLogger(name).addHandler(self.log)

    def leaks(self) -> list[str]:
        """Where secrets were found; never what they are."""
        canaries = frozenset[bytes]().union(*map(self._secrets, {*self.tenants, *self.heard.tenants}))
        self._scanner.look_for(canaries)
        if not canaries:
            return []
        found = ((where, self._scanner.find(piece)) for where, piece in self._everything())
        return sorted({f"{where} ({how})" for where, how in found if how})

    def _secrets(self, tenant: "Canaries") -> frozenset[bytes]:
        """A tenant's secrets become more, and never fewer."""
        known = self._known.get(tenant, frozenset())
        if len(known) != len(tenant.texts) + len(tenant.raw):
            known = self._known[tenant] = frozenset((*(text.encode() for text in tenant.texts), *tenant.raw))
        return known

    def _everything(self) -> Generator[tuple[str, str | bytes]]:
        by_place: dict[str, list[bytes]] = {}
        for where, piece in [*self.heard.pieces, *_in_stores(self.heard.stores), *_in_files(self.heard.files)]:
            content = piece.encode("utf-8", "surrogatepass") if isinstance(piece, str) else piece
            by_place.setdefault(where, []).append(content)
        for where, pieces in by_place.items():
            yield where, b"\n".join(dict.fromkeys(pieces))


_watch = Watch()


def _in_stores(stores: list[object]) -> Generator[tuple[str, str | bytes]]:
    """What the memory twins hold, through the fields that hold it."""
    for one in stores:
        kind = type(one).__name__
        yield kind, repr(vars(one))
        yield from ((kind, message.body) for message in getattr(one, "_messages", {}).values())
        yield from ((kind, content) for content in getattr(one, "_contents", {}).values())


def _in_files(files: list[Path]) -> Generator[tuple[str, str | bytes]]:
    for file in files:
        if file.is_file() and file.suffix not in _PUT_IN and file.stat().st_size <= _LARGEST_FILE:
            yield "a file", file.read_bytes()


# --- listening -------------------------------------------------------------------------------------


def _listen(owner: type, name: str, told: Callable[..., None]) -> None:
    """Call `told` with the arguments after each call of a method."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def heard(self: object, *args: Any, **kwargs: Any) -> Any:
        answer = original(self, *args, **kwargs)
        told(self, answer, *args)
        return answer

    _PATCHED.append((owner, name, original))
    setattr(owner, name, heard)


def _listen_to_all() -> None:
    for kind in (journal.MemoryJournal, store.MemoryDocuments, store.MemoryEvidence, store.MemoryQueue):
        _listen(kind, "__init__", _hear_of_store)
    _listen(SqliteFile, "__init__", _hear_of_sqlite)
    _listen(SqliteFile, "aclose", _hear_sqlite)
    _listen(pytest.CaptureFixture, "readouterr", _hear_capture)


def _hear_of_tenant(canaries: "Canaries", *_: object) -> None:
    _watch.tenants.add(canaries)
    _watch.heard.tenants.append(canaries)


def _hear_of_store(one: object, *_: object) -> None:
    _watch.heard.stores.append(one)


def _hear_capture(_: object, answer: Any, *__: object) -> None:
    _watch.heard.hear("stdout", answer.out)
    _watch.heard.hear("stderr", answer.err)


def _listen_to_late_modules() -> None:
    """What is loaded only when a test needs it."""
    listeners: tuple[tuple[str, str, str, Callable[..., None]], ...] = (
        ("drill.practice.chance", "Canaries", "__init__", _hear_of_tenant),
        ("azure.functions", "HttpResponse", "__init__", _hear_answer),
        ("drill.runner", "Result", "as_json", _hear_result),
        ("drill.runner", "Result", "as_markdown", _hear_result),
        ("drill.narrator", "Narrator", "tell", _hear_told),
    )
    for module, kind, method, told in listeners:
        owner = getattr(sys.modules.get(module), kind, None)
        if owner is not None and not any(p[0] is owner and p[1] == method for p in _PATCHED):
            _listen(owner, method, told)


def _hear_answer(answer: Any, *_: object) -> None:
    _watch.heard.hear("an HTTP answer", answer.get_body())


def _hear_of_sqlite(file: SqliteFile, *_: object) -> None:
    _watch.heard.files += _files_of(file)


def _hear_sqlite(file: SqliteFile, *_: object) -> None:
    """Many files do not outlive their store: they are read just before it is closed."""
    for where, content in _in_files(_files_of(file)):
        _watch.heard.hear(where, content)


def _files_of(file: SqliteFile) -> list[Path]:
    return [file.path, file.path.with_name(f"{file.path.name}-wal")]


def _hear_result(_: object, answer: str, *__: object) -> None:
    _watch.heard.hear("what a drill gives out", answer)


def _hear_told(*args: object) -> None:
    for told in args[2:]:
        _watch.heard.hear("a drill's narration", told)


# --- pytest ----------------------------------------------------------------------------------------


def pytest_configure() -> None:
    _listen_to_all()


def pytest_unconfigure() -> None:
    while _PATCHED:
        owner, name, original = _PATCHED.pop()
        setattr(owner, name, original)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    _watch.begin()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """At the end of the last phase everything is there; what was found becomes an error of the test."""
    report = yield
    if report.when != "teardown":
        return report
    for name, text in report.sections:
        _watch.heard.hear(name, text)
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    if isinstance(folder, Path):
        _watch.heard.files += folder.rglob("*")
    if leaks := _watch.leaks():
        report.outcome = "failed"
        report.longrepr = f"A secret of the practice tenant was let out: {'; '.join(leaks)}"
        report.sections = []
    return report
