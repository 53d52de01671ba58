"""
The part of OData that Graph documents for our resources, and not a bit more.

A filter is read into a predicate, and every comparison in it must be one that the resource documents;
anything else is a 400, as it is with the real service on a strict day.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, TypeAlias, cast

from drill.practice.shapes import JsonObject, read_time
from drill.practice.web import Refusal

Predicate: TypeAlias = Callable[[JsonObject], bool]

_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^']|'')*')|(?P<punctuation>[(),:])"
    r"|(?P<word>[A-Za-z_@][\w./@]*)|(?P<literal>[\w+.:-]+))"
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One `path operator value`; the path of an any() is written `targetResources/any/id`."""

    path: str
    operator: str
    value: object

    def predicate(self) -> Predicate:
        """The comparison as a question to a record. The most frequent one, an id on top, is asked of thousands."""
        if self.operator == "eq" and isinstance(self.value, str) and "/" not in self.path:
            return partial(_is_same, self.path, self.value, self.value.casefold())
        return partial(_holds, self.path.split("/"), self.operator, self.value)


@dataclass(slots=True)
class Filter:
    """A filter that was read: its predicate, and its comparisons where all of them must hold (else empty)."""

    predicate: Predicate
    all_of: list[Comparison] = field(default_factory=list[Comparison])


@dataclass(frozen=True, slots=True)
class Documented:
    """What a list documents: operators by path, properties to select, page sizes, options."""

    filters: Mapping[str, frozenset[str]]
    properties: frozenset[str]
    page: tuple[int, int]
    options: frozenset[str]  # of $filter, $select, $top, $count, $orderby, $skiptoken, …
    order_by: frozenset[str] = frozenset()


def bad_request(message: str, code: str = "Request_BadRequest") -> Refusal:
    return Refusal(400, code, message)


def check_options(query: Mapping[str, str], documented: Documented) -> None:
    """Refuse options that the endpoint does not document; names without $ pass as unknown custom options do."""
    for name in query:
        if name.startswith("$") and name not in documented.options:
            raise bad_request(f"Query option '{name}' is not allowed.")


def read_filter(text: str, documented: Documented) -> Filter:
    parser = _Parser(text)
    found = parser.disjunction()
    parser.end()
    for comparison in parser.comparisons:
        if comparison.operator not in documented.filters.get(comparison.path, frozenset()):
            raise bad_request(
                f"Unsupported or invalid query filter clause specified for property '{comparison.path}' of resource."
            )
    return Filter(found, parser.comparisons if parser.plain else [])


def read_select(query: Mapping[str, str], documented: Documented, type_name: str) -> frozenset[str] | None:
    """The selected properties, or None for the default set."""
    if "$select" not in query:
        return None
    wanted = frozenset(part.strip() for part in query["$select"].split(",") if part.strip())
    for name in sorted(wanted - documented.properties):
        raise bad_request(f"Could not find a property named '{name}' on type 'microsoft.graph.{type_name}'.")
    return wanted


def read_top(query: Mapping[str, str], page: tuple[int, int]) -> int:
    default, maximum = page
    if "$top" not in query:
        return default
    text = query["$top"]
    if not text.isdecimal() or not 1 <= int(text) <= maximum:
        raise bad_request(f"Invalid page size specified: '{text}'. Must be between 1 and {maximum} inclusive.")
    return int(text)


def _is_same(name: str, value: str, folded: str, record: JsonObject) -> bool:
    found = record.get(name)
    return isinstance(found, str) and (found == value or found.casefold() == folded)


def _holds(path: Sequence[str], operator: str, value: object, record: JsonObject) -> bool:
    return any(_compare(found, operator, value) for found in _values(record, path))


def _values(record: object, path: Sequence[str]) -> Iterable[object]:
    """The values at a path; `any` goes into each element of a list. A missing part is null."""
    if not path:
        return (record,)
    head, *rest = path
    if head == "any":
        elements = cast("list[object]", record) if isinstance(record, list) else []
        return (value for element in elements for value in _values(element, rest))
    if isinstance(record, dict):
        return _values(cast("JsonObject", record).get(head), rest)
    return (None,)


def _compare(found: object, operator: str, value: object) -> bool:
    if operator == "startswith":
        return isinstance(found, str) and found.casefold().startswith(str(value).casefold())
    if isinstance(value, datetime):
        return isinstance(found, str) and _ordered(read_time(found), operator, value)
    if isinstance(found, str) and isinstance(value, str):
        return _ordered(found.casefold(), operator, value.casefold())
    return found == value if operator == "eq" else found != value if operator == "ne" else False


def _ordered(found: Any, operator: str, value: Any) -> bool:  # noqa: ANN401 - two of one comparable type
    match operator:
        case "eq":
            return bool(found == value)
        case "ge":
            return bool(found >= value)
        case "le":
            return bool(found <= value)
        case "ne":
            return bool(found != value)
        case _:
            return False


class _Parser:
    """Recursive descent over `or`, `and`, `not`, comparisons, startswith() and any()."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        self._at = 0
        self.comparisons: list[Comparison] = []
        self.plain = True  # only `and` between the comparisons
        position = 0
        while position < len(text.rstrip()):
            found = _TOKEN.match(text, position)
            if not found:
                raise self._wrong()
            self._tokens.append((str(found.lastgroup), found.group(str(found.lastgroup))))
            position = found.end()

    def end(self) -> None:
        if self._at != len(self._tokens):
            raise self._wrong()

    def disjunction(self) -> Predicate:
        parts = [self._conjunction()]
        while self._take("or"):
            self.plain = False
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else lambda record: any(part(record) for part in parts)

    def _conjunction(self) -> Predicate:
        parts = [self._negation()]
        while self._take("and"):
            parts.append(self._negation())
        return parts[0] if len(parts) == 1 else lambda record: all(part(record) for part in parts)

    def _negation(self) -> Predicate:
        if not self._take("not"):
            return self._primary()
        self.plain = False
        inner = self._negation()
        return lambda record: not inner(record)

    def _primary(self) -> Predicate:
        if self._take("("):
            inner = self.disjunction()
            self._expect(")")
            return inner
        word = self._next("word")
        if word == "startswith":
            return self._startswith()
        if word.endswith("/any"):
            return self._any(word)
        return self._comparison(word)

    def _startswith(self) -> Predicate:
        self._expect("(")
        path = self._next("word")
        self._expect(",")
        value = self._value()
        self._expect(")")
        return self._keep(Comparison(path, "startswith", value))

    def _any(self, collection: str) -> Predicate:
        """`targetResources/any(t:t/id eq '…')`; also `tags/any(t:t eq '…')`."""
        self._expect("(")
        variable, _, more = self._next("word").partition(":")
        if not more:
            self._expect(":")
        path = self._next("word")
        if path.split("/")[0] != variable:
            raise self._wrong()
        path = "/".join([collection, *path.split("/")[1:]])
        predicate = self._comparison(path)
        self._expect(")")
        return predicate

    def _comparison(self, path: str) -> Predicate:
        operator = self._next("word")
        if operator not in ("eq", "ne", "ge", "gt", "le", "lt"):
            raise self._wrong()
        return self._keep(Comparison(path, operator, self._value()))

    def _keep(self, comparison: Comparison) -> Predicate:
        self.comparisons.append(comparison)
        return comparison.predicate()

    def _value(self) -> object:
        kind, text = self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")
        self._at += 1
        if kind == "string":
            return text[1:-1].replace("''", "'")
        if text in ("true", "false", "null"):
            return json.loads(text)
        if kind != "literal":
            raise self._wrong()
        try:
            return int(text) if text.lstrip("-").isdecimal() else read_time(text)
        except ValueError:
            raise self._wrong() from None

    def _take(self, text: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at][1] == text and self._tokens[self._at][0] != "string":
            self._at += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise self._wrong()

    def _next(self, kind: str) -> str:
        if self._at >= len(self._tokens) or self._tokens[self._at][0] != kind:
            raise self._wrong()
        self._at += 1
        return self._tokens[self._at - 1][1]

    def _wrong(self) -> Refusal:
        return bad_request("Invalid filter clause", code="BadRequest")
