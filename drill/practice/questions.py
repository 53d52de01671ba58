"""
The questions in query language that the stand-in understands: those that Cordon asks, told by the first line.

    // cordon:reads-by
    let oid='…'; …

Nothing of the language is understood but what these questions need: values set with `let` or named in a
list, and the last `project`, whose names choose the columns and their order. Whatever else a query says it
does not do; a first line that is none of the known ones, a value that is not what it should be or a column
that does not exist is an error, as bad syntax is to the real service.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from drill.practice.shapes import JsonObject, read_time

Row: TypeAlias = Mapping[str, Any]
_GUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"

_ONLY_LETS = re.compile(r"(?:let\s+\w+\s*=[^;]*;\s*)+")


class NotUnderstood(Exception):
    """The query is none that the stand-in knows. The text says what is wrong with it."""


class NoTable(Exception):
    """The query is about a table that the workspace does not have; the text is its name."""


def marker_of(query: str) -> str:
    """What the first line asks: `reads-by` of `// cordon:reads-by`."""
    first = query.lstrip().partition("\n")[0].strip()
    found = re.fullmatch(r"// cordon:([a-z-]+)", first)
    if found is None:
        raise NotUnderstood("the stand-in knows only queries whose first line is a marker such as // cordon:vaults")
    return found[1]


def guid(query: str, name: str) -> str:
    """`let NAME='…';`"""
    return _let(query, name, rf"'({_GUID})'").lower()


def text(query: str, name: str, shape: str) -> str:
    """`let NAME='…';`, as the pattern `shape` says."""
    return _let(query, name, rf"'({shape})'")


def moment(query: str, name: str) -> datetime:
    """`let NAME=datetime(…);`"""
    given = _let(query, name, r"datetime\(\s*([0-9TZ:.+-]+)\s*\)")
    try:
        return read_time(given)
    except ValueError:
        raise NotUnderstood(f"{given} is no time") from None


def words(query: str, name: str, shape: str) -> tuple[str, ...]:
    """`let NAME=dynamic(["…",…]);`, each as the pattern `shape` says."""
    inside = _let(query, name, r"dynamic\(\s*\[([^\]]*)\]\s*\)")
    return _members(inside, shape, name)


def guids_in(query: str, column: str) -> tuple[str, ...]:
    """`… COLUMN … in~ ('…','…')`: the first list that follows the column's name."""
    found = re.search(rf"{re.escape(column)}\b[^\n(]*\)?\s+in~\s*\(([^)]*)\)", query)
    if found is None:
        raise NotUnderstood(f"the query does not say which {column} it wants, as in {column} in~ ('…')")
    return tuple(each.lower() for each in _members(found[1], _GUID, column))


def text_of(query: str, column: str, shape: str) -> str:
    """`… COLUMN =~ '…'`, as the pattern `shape` says."""
    found = re.findall(rf"\b{re.escape(column)}\s+=~\s+'([^'\n]*)'", query)
    if len(found) != 1 or not re.fullmatch(shape, found[0]):
        raise NotUnderstood(f"the query must say once which {column} it wants, as in {column} =~ '…'")
    return str(found[0])


def _members(inside: str, shape: str, name: str) -> tuple[str, ...]:
    parts = [part.strip() for part in inside.split(",")] if inside.strip() else []
    found = [re.fullmatch(rf"""(['"])({shape})\1""", part) for part in parts]
    if not all(found):
        raise NotUnderstood(f"a member of {name} is not what it should be")
    return tuple(each[2] for each in found if each)


def _let(query: str, name: str, value: str) -> str:
    lines = [line.strip() for line in query.splitlines() if line.lstrip().startswith("let ")]
    if not all(_ONLY_LETS.fullmatch(line) for line in lines):
        raise NotUnderstood("a line with `let` may hold nothing else")
    found = re.findall(rf"(?:^|;\s*|\n)let\s+{name}\s*=\s*{value}\s*;", "\n".join(lines))
    if len(found) != 1:
        raise NotUnderstood(f"the query must set {name} once, and to a value of the right kind")
    return str(found[0])


def table_of(query: str, known: Collection[str]) -> str:
    """The table that the query begins with: a line that is its name."""
    found = [line.strip() for line in query.splitlines() if re.fullmatch(r"\s*\w+\s*", line)]
    if len(found) != 1 or found[0] not in known:
        raise NotUnderstood("'where' operator: failed to resolve table or column expression")
    return found[0]


def most(query: str, by: str = "TimeGenerated") -> int:
    """`| top N by COLUMN desc`: how many rows are wanted, the newest or largest first."""
    found = re.findall(rf"\| top (\d{{1,6}}) by {by} desc\s*$", query, re.MULTILINE)
    if len(found) != 1:
        raise NotUnderstood(f"the query must say once how many rows it wants, as in | top 100 by {by} desc")
    return int(found[0])


def columns(query: str, known: Sequence[str]) -> tuple[str, ...]:
    """The names of the last `project`; without one, all that the question can give."""
    last = query.rpartition("| project ")
    if not last[1]:
        return (*known,)
    wanted = tuple(part.split("=")[0].strip() for part in _parts(last[2]))
    for each in wanted:
        if each not in known:
            raise NotUnderstood(f"'project' operator: failed to resolve column named '{each}'")
    return wanted


def _parts(text: str) -> Iterable[str]:
    """Between the commas that stand in no brackets."""
    depth, start = 0, 0
    for place, each in enumerate(text):
        depth += (each in "([") - (each in ")]")
        if each == "," and depth == 0:
            yield text[start:place]
            start = place + 1
    yield text[start:]


def projected(rows: Iterable[Row], wanted: Sequence[str]) -> list[JsonObject]:
    return [{name: row[name] for name in wanted} for row in rows]


Question: TypeAlias = Callable[..., Sequence[Row]]
