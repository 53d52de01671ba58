"""
What was kept of an export, in the order of its time, however much it is and in whatever order it came.

Entries are sorted in runs of some thousands and spilled to a temporary folder of this process alone; reading merges the
runs, a block of each in memory. An entry is a tuple (microsecond, sort, id, content) of plain values, as `marshal`
writes them. The files are written and read by one process tree within one backtest, and removed with it.
"""

import heapq
import marshal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import IO, Any, TypeAlias, cast

from shared.case import AuditActor, AuditProperty, AuditRecord, AuditTarget, SignIn
from shared.errors import OperatorMustAct

Plain: TypeAlias = Any
Entry: TypeAlias = tuple[int, str, str, Plain]
"""When, in microseconds; the sort's value; the record's id; its content, plain."""

RUN = 10_000  # entries; some ten megabytes
BLOCK = 250
MOST_RUNS = 48  # files that are open at once; more are merged first
_LENGTH = 4  # bytes before each block that tell its own

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)


def to_ticks(moment: datetime) -> int:
    return (moment - _EPOCH) // _TICK


def to_moment(ticks: int) -> datetime:
    return _EPOCH + timedelta(0, 0, ticks)


class RunTorn(OperatorMustAct):
    """A sorted run does not end as it was written; what is missing of it nobody could tell."""


@dataclass(slots=True)
class Runs:
    """Sorted runs below a folder. `name` keeps those of several processes apart."""

    folder: Path
    name: str
    size: int = field(default_factory=lambda: RUN)
    paths: list[Path] = field(default_factory=list[Path])
    count: int = 0
    _open: list[Entry] = field(default_factory=list[Entry])
    _made: int = 0

    def add(self, entry: Entry) -> None:
        self._open.append(entry)
        self.count += 1
        if len(self._open) >= self.size:
            self.spill()

    def spill(self) -> None:
        """Write down what is in memory."""
        if self._open:
            self._open.sort(key=_key)
            self.paths.append(self._write(self._open))
            self._open = []

    def take(self, paths: Iterable[Path], count: int) -> None:
        """Runs of another process. What lies open here is spilled first."""
        self.spill()
        self.paths += paths
        self.count += count

    def in_order(self) -> Iterator[Entry]:
        """All entries by time, then by sort and id. May be read several times."""
        self.spill()
        while len(self.paths) > MOST_RUNS:
            groups = [self.paths[at : at + MOST_RUNS] for at in range(0, len(self.paths), MOST_RUNS)]
            self.paths = [self._in_one(group) for group in groups]
        return _merged(self.paths)

    def _in_one(self, paths: list[Path]) -> Path:
        path = self._write(_merged(paths))
        for each in paths:
            each.unlink()
        return path

    def _write(self, entries: Iterable[Entry]) -> Path:
        self._made += 1
        path = self.folder / f"{self.name}-{self._made}.run"
        with path.open("wb") as file:
            for block in _blocks(entries):
                content = marshal.dumps(block)
                file.write(len(content).to_bytes(_LENGTH) + content)
            file.write(bytes(_LENGTH))  # the end: without it a run that was cut short would pass for whole
        return path


_key: Callable[[Entry], tuple[int, str, str]] = itemgetter(slice(3))


def _blocks(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    block: list[Entry] = []
    for entry in entries:
        block.append(entry)
        if len(block) == BLOCK:
            yield block
            block = []
    if block:
        yield block


def _merged(paths: list[Path]) -> Iterator[Entry]:
    if len(paths) == 1:
        return _one(paths[0])
    return heapq.merge(*(_one(path) for path in paths), key=_key)


def _one(path: Path) -> Iterator[Entry]:
    with path.open("rb") as file:
        while block := _block(file):
            yield from block


def _block(file: IO[bytes]) -> list[Entry]:
    """Read in one go: `marshal.load` would ask the file for every single value."""
    length = _read(file, _LENGTH)
    if not any(length):
        return []
    content = _read(file, int.from_bytes(length))
    return cast("list[Entry]", marshal.loads(content))  # noqa: S302 - written by ourselves, in our own folder


def _read(file: IO[bytes], size: int) -> bytes:
    found = file.read(size)
    if len(found) < size:
        raise RunTorn(
            f"The backtest has no result: {file.name}, into which records were sorted, was cut short. "
            "Make room in the folder for temporary files (TMPDIR), and run it again."
        )
    return found


# Records as plain values, and back


_APART = ("id", "at", "actor", "targets")
_OF_RECORD = tuple(each.name for each in fields(AuditRecord) if each.init and each.name not in _APART)
_OF_SIGN_IN = tuple(each.name for each in fields(SignIn))[2:]  # after id and time
_said_of_record, _said_of_sign_in = attrgetter(*_OF_RECORD), attrgetter(*_OF_SIGN_IN)
_said_of_actor = attrgetter(*(each.name for each in fields(AuditActor)))


def pack_audit(record: AuditRecord) -> Plain:
    targets = tuple(
        (
            target.id,
            target.type,
            target.display_name,
            tuple((each.name, each.old, each.new) for each in target.properties),
        )
        for target in record.targets
    )
    return _said_of_record(record), _said_of_actor(record.actor), targets


def unpack_audit(ticks: int, id_: str, content: Plain) -> AuditRecord:
    said, actor, targets = content
    return AuditRecord(
        id=id_,
        at=to_moment(ticks),
        actor=AuditActor(*actor),
        targets=tuple(
            [
                AuditTarget(target, type_, name, tuple([AuditProperty(*each) for each in properties]))
                for target, type_, name, properties in targets
            ]
        ),
        **dict(zip(_OF_RECORD, said, strict=True)),
    )


def pack_sign_in(principal: str, record: SignIn) -> Plain:
    return principal, _said_of_sign_in(record)


def unpack_sign_in(ticks: int, id_: str, content: Plain) -> SignIn:
    _, said = content
    return SignIn(id_, to_moment(ticks), *said)
