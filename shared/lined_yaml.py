"""
YAML as a policy needs it: every value knows its line, and nothing clever is allowed.

Refused are duplicate keys, anchors and aliases (a small file can unfold into gigabytes), tags, several
documents, deep nesting, and scalars that YAML 1.1 reads in surprising ways (yes, on, 010, 1:30).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, cast

import yaml

from shared.signal import JsonValue

LARGEST = 256_000  # characters
_DEEPEST = 40
_MOST_EVENTS = 50_000
_TAG = "tag:yaml.org,2002:"
_INT = re.compile(r"-?(0|[1-9][0-9]{0,8})")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]{0,8})\.[0-9]{1,9}")

Complain: TypeAlias = Callable[[int, str], None]
Scalar: TypeAlias = "str | int | float | bool | None"


@dataclass(frozen=True, slots=True)
class Node:
    """A value and the line on which it begins, counted from 1."""

    line: int
    value: "Scalar | tuple[Node, ...] | Mapping[str, Entry]"

    @property
    def entries(self) -> "Mapping[str, Entry] | None":
        return self.value if isinstance(self.value, Mapping) else None

    @property
    def items(self) -> "tuple[Node, ...] | None":
        return self.value if isinstance(self.value, tuple) else None

    def plain(self) -> JsonValue:
        """The value without its lines."""
        if isinstance(self.value, Mapping):
            return {key: entry.node.plain() for key, entry in self.value.items()}
        if isinstance(self.value, tuple):
            return [item.plain() for item in self.value]
        return self.value

    def line_of(self, path: Sequence[str | int]) -> int:
        """The line of what lies at the end of the path, or of the last on the way that is there."""
        node, line = self, self.line
        for part in path:
            if isinstance(part, str) and node.entries is not None and part in node.entries:
                entry = node.entries[part]
                node, line = entry.node, entry.line
            elif isinstance(part, int) and node.items is not None and part < len(node.items):
                node = node.items[part]
                line = node.line
            else:
                break
        return line


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a mapping: the line of the key, and its value."""

    line: int
    node: Node


def read_yaml(text: str, complain: Complain) -> Node | None:
    """Read one document. What is wrong is told by line; None if nothing can be made of it."""
    if len(text) > LARGEST:
        complain(1, f"the file has {len(text)} characters, {LARGEST} are allowed")
        return None
    try:
        return _Builder(text, complain).root()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        complain(_place_of(text, mark.line + 1 if mark else 1), f"this is not YAML: {_said(error)}")
        return None
    except yaml.YAMLError as error:
        position = getattr(error, "position", 0)
        line = text.count("\n", 0, position) + 1 if isinstance(position, int) else 1
        complain(line, "this is not YAML: a character that may not stand in a text file")
        return None


# What the library says, and what it means to whoever wrote the line.
_REMEDIES = (
    ("cannot start any token", "\\t", "a tab stands here; indent with blanks"),
    ("cannot start any token", "", "a character stands here that begins nothing; put the text in quotes"),
    ("mapping values are not allowed", "", "a colon is not expected here; look at the indentation, or use quotes"),
    ("could not find expected ':'", "", "a key without a colon; look at the line before as well"),
    ("expected <block end>", "", "the indentation does not fit the lines before"),
)


def _said(error: yaml.MarkedYAMLError) -> str:
    said = str(error.problem or error.context)
    return next((told for words, also, told in _REMEDIES if words in said and also in said), said)


def _place_of(text: str, line: int) -> int:
    """Where a no-break space stands in the line before, that is the one to look at: nobody can see it."""
    before = text.splitlines()[max(0, line - 2) : line - 1]
    return line - 1 if before and "\u00a0" in before[0] else line


class _Loader(Protocol):
    """What of the library's loader is used; its own words carry no types."""

    def peek_event(self) -> yaml.Event: ...
    def get_event(self) -> yaml.Event: ...
    def resolve(self, kind: type[yaml.Node], value: str, implicit: object) -> str: ...


class _Refused(Exception):
    """The rest of the file is not worth a look."""


class _Builder:
    """Builds the tree from the events of the text, one after the other, so that nothing unfolds before it is seen."""

    def __init__(self, text: str, complain: Complain) -> None:
        self._loader = cast("_Loader", yaml.SafeLoader(text))
        self._complain, self._depth, self._count = complain, 0, 0
        self._plain = True

    def root(self) -> Node | None:
        try:
            self._next()  # the stream begins
            if isinstance(self._loader.peek_event(), yaml.StreamEndEvent):
                self._complain(1, "the file is empty")
                return None
            self._next()  # the document begins
            root = self._node(self._next())
            self._next()  # it ends
            self._expect_end()
        except _Refused:
            return None
        return root if self._plain else None

    def _expect_end(self) -> None:
        event = self._loader.peek_event()
        if not isinstance(event, yaml.StreamEndEvent):
            self._complain(_line(event), "another document begins here (---); a policy is one")
            raise _Refused

    def _next(self) -> yaml.Event:
        event = self._loader.get_event()
        self._count += 1
        self._depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if self._depth > _DEEPEST or self._count > _MOST_EVENTS:
            self._complain(_line(event), "the file is nested too deeply or has too many parts")
            raise _Refused
        return event

    def _node(self, event: yaml.Event) -> Node:
        self._look_at(event)
        line = _line(event)
        match event:
            case yaml.MappingStartEvent():
                return Node(line, self._mapping())
            case yaml.SequenceStartEvent():
                return Node(line, tuple(self._items()))
            case yaml.ScalarEvent():
                return Node(line, self._scalar(event, line))
            case _:  # an alias, which is refused
                return Node(line, None)

    def _look_at(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            self._complain(_line(event), "anchors and aliases (& and *) are not allowed; write it out")
            self._plain = False
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
            self._complain(_line(event), "tags (!) are not allowed; leave it out")
            self._plain = False

    def _items(self) -> Iterator[Node]:
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            yield self._node(event)

    def _mapping(self) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            self._entry(event, found)
        return found

    def _entry(self, key: yaml.Event, found: dict[str, Entry]) -> None:
        line = _line(key)
        if not isinstance(key, yaml.ScalarEvent):
            self._node(key)
            self._node(self._next())
            self._complain(line, "a key must be a plain word")
            return
        self._look_at(key)
        name, node = str(key.value), self._node(self._next())
        if name in found:
            first = found[name].line
            self._complain(line, f"“{name[:60]}” stands here for the second time; the first is on line {first}")
            return
        found[name] = Entry(line, node)

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> Scalar:
        tag = self._loader.resolve(yaml.ScalarNode, event.value, event.implicit)
        return _scalar(str(event.value), tag.removeprefix(_TAG), line, self._complain)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _scalar(text: str, kind: str, line: int, complain: Complain) -> Scalar:
    match kind:
        case "null":
            return None
        case "bool" if text.lower() in ("true", "false"):
            return text.lower() == "true"
        case "bool":
            complain(line, f"“{text}” may mean true or false; write which, or put it in quotes")
            return None
        case "int" if _INT.fullmatch(text):
            return int(text)
        case "float" if _FLOAT.fullmatch(text):
            return float(text)
        case "int" | "float":
            complain(line, f"“{text[:60]}” is no plain decimal number; put it in quotes if it is a text")
            return None
        case _:
            return text
