"""
Exported files: Graph's lists, diagnostic records, answers of Log Analytics; JSON, lines of JSON or CSV, packed or not.

One object after the other, so that a file may be larger than memory. What cannot be read is noted with file and line,
and what comes after it is read on: nothing is dropped in silence.
"""

import csv
import gzip
import json
import re
import zlib
from codecs import getincrementaldecoder
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, Any, TypeAlias, cast

from shared.signal import JsonObject

_fast_loads: Callable[[bytes], object]
try:
    from orjson import loads as _fast_loads
except ImportError:  # three times slower without it, and the same otherwise
    _fast_loads = json.loads

_LONGEST_LINE = 4_000_000  # bytes; a first line that is longer is taken for a document and read piece by piece
_LARGEST_VALUE = 64_000_000  # characters of one object within such a document
_CHUNK = 1_000_000
_EXAMPLES = 20
_GZIP = b"\x1f\x8b"
_AVRO = b"Obj\x01"
_LINK = "@odata.nextLink"
_MARK = b"\xef\xbb\xbf"

Numbered: TypeAlias = Iterable[tuple[int, bytes]]
"""Lines, each with its number in the file."""
Unsettled: TypeAlias = Callable[[Numbered], Numbered]
"""Those of the lines that must be read in full; of a line that is left out nothing more needs to be known."""


def _all(lines: Numbered) -> Numbered:
    return lines


@dataclass(slots=True)
class Troubles:
    """
    What could not be read: how often, why, and the first places as `file:line`. `pages` tells of each file with pages
    of Graph's of what its last one is a list, and whether that one links to a next.
    """

    counts: Counter[str] = field(default_factory=Counter[str])
    places: list[str] = field(default_factory=list[str])
    pages: dict[str, tuple[str, bool]] = field(default_factory=dict[str, tuple[str, bool]])

    def note(self, place: str, why: str) -> None:
        self.counts[why] += 1
        if len(self.places) < _EXAMPLES:
            self.places.append(f"{place}: {why}")

    def add(self, other: "Troubles") -> None:
        self.counts += other.counts
        self.places = [*self.places, *other.places][:_EXAMPLES]
        self.pages |= other.pages

    def missing_pages(self) -> None:
        """
        Note each export whose last page links to one that is not there. Pages of one list are those of one folder, in
        the order of their names. To be asked once, when every file was read.
        """
        last = {(name.rpartition("/")[0], self.pages[name][0]): name for name in sorted(self.pages)}
        for name in sorted(last.values()):
            if self.pages[name][1]:
                self.note(name, "its last page links to a next one, which is not there: the export broke off")


Found: TypeAlias = tuple[JsonObject, str, int]
"""One JSON object, what the list around it says it holds (@odata.context), and its line: bare, there are millions."""


def files_in(folder: Path) -> tuple[Path, ...]:
    """Every file below the folder, in the order of their names; hidden ones left out."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return tuple(sorted(path for path in found if not any(part[0] == "." for part in path.relative_to(folder).parts)))


def parse(text: bytes) -> object:
    """
    One value of JSON. A second opinion is asked of the standard library, which takes lone surrogates: whoever chose a
    display name must not choose whether the record is read. Raises ValueError.
    """
    try:
        return _fast_loads(text)
    except ValueError:
        return cast("object", json.loads(text))


class Export:
    """
    One file. `read` is how far into it, in bytes as they lie on disk, the reading has come. Of a file of lines only the
    `unsettled` ones are read in full.
    """

    def __init__(self, path: Path, name: str, troubles: Troubles, unsettled: Unsettled = _all) -> None:
        self.name, self._path, self._troubles, self._unsettled = name, path, troubles, unsettled
        self._raw: IO[bytes] | None = None

    @property
    def read(self) -> int:
        return self._raw.tell() if self._raw and not self._raw.closed else 0

    def objects(self) -> Iterator[Found]:
        """Its objects in the order of the file."""
        try:
            with self._path.open("rb") as self._raw:
                head = self._raw.read(4)
                self._raw.seek(0)
                if head.startswith(_AVRO):
                    self._note(1, "Avro is not read here: export the hub's messages as JSON")
                    return
                if head.startswith(_GZIP):
                    with gzip.open(self._raw) as opened:
                        yield from self._read(cast("IO[bytes]", opened))
                else:
                    yield from self._read(self._raw)
        except (EOFError, zlib.error, gzip.BadGzipFile) as problem:
            self._note(0, f"the archive is damaged, and what follows is lost ({problem})")
        except OSError as problem:
            self._note(0, f"it cannot be read ({problem.strerror or problem})")

    def _note(self, line: int, why: str) -> None:
        self._troubles.note(f"{self.name}:{line}" if line else self.name, why)

    def page(self, context: str, *, linked: bool) -> None:
        """A page of Graph's was read; the last one of a file counts."""
        self._troubles.pages[self.name] = context, linked

    def _read(self, file: IO[bytes]) -> Iterator[Found]:
        first, number = _first_line(file)
        if not first:
            return
        if first.lstrip()[:1] not in (b"{", b"["):
            yield from self._rows(file, first)
            return
        try:
            parse(first)
        except ValueError:
            file.seek(0)
            yield from _Document(self, file).objects()
            return
        yield from self._lines(file, first, number)

    def _lines(self, file: IO[bytes], first: bytes, number: int) -> Iterator[Found]:
        for place, line in self._unsettled(enumerate(chain((first,), file), start=number)):
            try:
                value: Any = parse(line)
                if isinstance(value, dict) and not ("value" in value or "records" in value or "tables" in value):
                    yield value, "", place
                else:
                    for page in cast("list[object]", value if isinstance(value, list) else [value]):
                        self._see_page(page)
                    yield from unwrapped(cast("object", value), place)
            except json.JSONDecodeError:
                if not line.isspace():
                    self._note(place, "a line that is not JSON")
            except ValueError as problem:
                self._note(place, f"a line that cannot be used: {problem}")

    def _see_page(self, value: object) -> None:
        page = cast("JsonObject", value) if isinstance(value, dict) else {}
        if isinstance(page.get("value"), list) and "id" not in page:
            self.page(str(page.get("@odata.context") or ""), linked=bool(page.get(_LINK)))

    def _rows(self, file: IO[bytes], first: bytes) -> Iterator[Found]:
        if b"," not in first:
            self._note(1, "neither JSON nor CSV")
            return
        csv.field_size_limit(_LONGEST_LINE)
        rows = csv.reader(line.decode(errors="replace") for line in chain((first,), file))
        names = [name.strip() for name in next(rows)]
        try:
            for row in rows:
                if len(row) != len(names):
                    if row:
                        self._note(rows.line_num, f"a row of {len(row)} columns, where the heading has {len(names)}")
                    continue
                record: JsonObject = {name: value for name, value in zip(names, row, strict=True) if value}
                yield record, "", rows.line_num
        except csv.Error as problem:
            self._note(rows.line_num, f"what follows cannot be read as CSV ({problem})")

    def trouble(self, line: int, why: str) -> None:
        self._note(line, why)


def _first_line(file: IO[bytes]) -> tuple[bytes, int]:
    """The first that is not blank, and its number; empty at the end of the file."""
    line, number = file.readline(_LONGEST_LINE).removeprefix(_MARK), 1
    while line and line.isspace():
        line, number = file.readline(_LONGEST_LINE), number + 1
    return line, number


def unwrapped(value: object, line: int, context: str = "") -> Iterator[Found]:
    """
    The records in a value: Graph's `value`, a hub's `records`, the tables of Log Analytics, a list, or itself.

    Raises ValueError for what is neither an object nor a list of them.
    """
    if isinstance(value, list):
        for each in cast("list[object]", value):
            yield from unwrapped(each, line, context)
        return
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - bad input, not a wrong call
    record = cast("JsonObject", value)
    for wrapper in ("value", "records"):
        inner = record.get(wrapper)
        if isinstance(inner, list) and "id" not in record:
            said = record.get("@odata.context")
            yield from unwrapped(inner, line, said if isinstance(said, str) else context)
            if not inner:
                yield {}, said if isinstance(said, str) else context, line
            return
    tables = record.get("tables")
    if isinstance(tables, list):
        for table in tables:
            yield from _table(table, line)
        if record.get("error") is not None:
            raise ValueError("the answer is not whole: an error stands beside its tables")
        return
    yield record, context, line


def _table(table: object, line: int) -> Iterator[Found]:
    """One table of a query's answer: names of columns, and rows as lists."""
    if not isinstance(table, dict):
        raise ValueError("a table that is no object")  # noqa: TRY004
    fields = cast("dict[str, Any]", table)
    columns, rows = fields.get("columns"), fields.get("rows")
    if not isinstance(columns, list) or not isinstance(rows, list):
        raise ValueError("a table without columns or rows")  # noqa: TRY004
    names = [_column(each) for each in cast("list[object]", columns)]
    for row in cast("list[object]", rows):
        if not isinstance(row, list):
            raise ValueError("a row that is no list")  # noqa: TRY004
        yield dict(zip(names, cast("list[Any]", row), strict=True)), "", line


def _column(column: object) -> str:
    if not isinstance(column, dict) or "name" not in column:
        raise ValueError("a column without a name")
    return str(cast("dict[str, Any]", column)["name"])


_HEAD = re.compile(
    r"""\{\s*(?:"[^"]+"\s*:\s*(?:"[^"]*"|\d+|null)\s*,\s*)*"(?:value|records)"\s*:\s*\[""",
)
_LONGEST_HEAD = 4096
_CONTEXT = re.compile(r'"@odata\.context"\s*:\s*"([^"]*)"')
_BLANKS = re.compile(r"[\s,]*")
_COLON = re.compile(r"\s*:\s*")
_NEXT_LINE = re.compile(r"\n[ \t]*(?=\{)")


class _Document:
    """A file that is one document, or several, over many lines: read through a window of text."""

    def __init__(self, export: Export, file: IO[bytes]) -> None:
        self._export = export
        self._file, self._text = file, getincrementaldecoder("utf-8-sig")(errors="replace")
        self._decoder = json.JSONDecoder()
        self._window, self._at, self._line, self._over = "", 0, 1, False
        self._context = ""
        self._deep = 0  # lists that are open

    def objects(self) -> Iterator[Found]:
        while char := self._next():
            line = self._line
            try:
                if char in "[]}":
                    self._deep += {"[": 1, "]": -1}.get(char, 0)
                    self._move(self._at + 1)
                elif char == '"':
                    self._skip_member()
                elif self._enters():
                    self._deep += 1
                    yield {}, self._context, line
                else:
                    yield from unwrapped(self._value(), line, self._context)
            except ValueError as problem:
                self._export.trouble(line, f"an object that is not JSON ({_said(problem)})")
                if not self._resume():
                    return
                self._deep = 0  # in which list it goes on nobody knows
        if self._deep > 0:
            self._export.trouble(self._line, "it breaks off within a list, and what follows is lost")

    def _next(self) -> str:
        """The first character of what comes next; empty at the end."""
        while True:
            blanks = _BLANKS.match(self._window, self._at)
            self._move(blanks.end() if blanks else self._at)
            if self._at < len(self._window):
                return self._window[self._at]
            if not self._more():
                return ""

    def _enters(self) -> bool:
        """Whether a list's head stood here: then what follows are its objects."""
        while len(self._window) - self._at < _LONGEST_HEAD and self._more():
            pass
        head = _HEAD.match(self._window, self._at)
        if head is None:
            return False
        said = _CONTEXT.search(head[0])
        self._context = said[1] if said else ""
        if head[0].rstrip("[ \t\r\n:").endswith('"value"'):
            self._export.page(self._context, linked=_LINK in head[0])
        self._move(head.end())
        return True

    def _skip_member(self) -> None:
        """A member behind a list, such as the link to the next page."""
        name = self._value()
        colon = _COLON.match(self._window, self._at)
        if colon is None:
            raise ValueError("a text where an object is expected")
        self._move(colon.end())
        if self._value() and name == _LINK:
            self._export.page(self._context, linked=True)

    def _value(self) -> object:
        """The value that begins here; where the window ends within it, more is read."""
        while True:
            try:
                value, end = self._decoder.raw_decode(self._window, self._at)
            except json.JSONDecodeError as problem:
                is_cut = problem.msg.startswith("Unterminated") or problem.pos > len(self._window) - 100
                if is_cut and len(self._window) - self._at < _LARGEST_VALUE and self._more():
                    continue
                raise
            except RecursionError:
                raise ValueError("it is nested too deeply") from None
            self._move(end)
            return cast("object", value)

    def _resume(self) -> bool:
        """After something damaged: go on with the next line that begins an object; False if there is none."""
        while True:
            found = _NEXT_LINE.search(self._window, self._at)
            if found:
                self._move(found.end())
                return True
            self._move(max(self._at, len(self._window) - 1))
            if not self._more():
                return False

    def _more(self) -> bool:
        """Read on, and let go of what lies behind. False at the end of the file."""
        if self._over:
            return False
        chunk = self._file.read(_CHUNK)
        self._over = not chunk
        self._window = self._window[self._at :] + self._text.decode(chunk, final=self._over)
        self._at = 0
        return True

    def _move(self, at: int) -> None:
        self._line += self._window.count("\n", self._at, at)
        self._at = at


def _said(problem: ValueError) -> str:
    return problem.msg if isinstance(problem, json.JSONDecodeError) else str(problem)
