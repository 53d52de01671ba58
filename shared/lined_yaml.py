"""
YAML as a policy needs it: every value knows its line, and nothing clever is allowed.

Refused are duplicate keys, anchors and aliases (a small file can unfold into gigabytes), tags, several
documents, deep nesting, and scalars that YAML 1.1 reads in surprising ways (yes, on, 010, 1:30).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

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
        if not _is_plain(text, complain):
            return None
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        complain(mark.line + 1 if mark else 1, f"this is not YAML: {error.problem or error.context}")
        return None
    except yaml.YAMLError as error:
        position = getattr(error, "position", 0)
        line = text.count("\n", 0, position) + 1 if isinstance(position, int) else 1
        complain(line, "this is not YAML: a character that may not stand in a text file")
        return None
    if root is None:
        complain(1, "the file is empty")
        return None
    return _node(root, complain)


def _is_plain(text: str, complain: Complain) -> bool:
    """Look at the structure before it is built: depth, size, anchors, tags."""
    depth, plain = 0, True
    for number, event in enumerate(yaml.parse(text, yaml.SafeLoader)):
        line = event.start_mark.line + 1 if event.start_mark else 1
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST or number > _MOST_EVENTS:
            complain(line, "the file is nested too deeply or has too many parts")
            return False
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            complain(line, "anchors and aliases (& and *) are not allowed; write it out")
            plain = False
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
            complain(line, "tags (!) are not allowed")
            plain = False
    return plain


def _node(raw: yaml.Node, complain: Complain) -> Node:
    line = raw.start_mark.line + 1
    if isinstance(raw, yaml.MappingNode):
        return Node(line, _mapping(raw, complain))
    if isinstance(raw, yaml.SequenceNode):
        items = cast("list[yaml.Node]", raw.value)
        return Node(line, tuple(_node(item, complain) for item in items))
    return Node(line, _scalar(cast("yaml.ScalarNode", raw), line, complain))


def _mapping(raw: yaml.MappingNode, complain: Complain) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for key, value in cast("list[tuple[yaml.Node, yaml.Node]]", raw.value):
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            complain(line, "a key must be a plain word")
            continue
        name = str(key.value)
        if name in found:
            complain(line, f"“{name[:60]}” stands here for the second time; the first is on line {found[name].line}")
            continue
        found[name] = Entry(line, _node(value, complain))
    return found


def _scalar(raw: yaml.ScalarNode, line: int, complain: Complain) -> Scalar:
    text = str(raw.value)
    match str(raw.tag).removeprefix(_TAG):
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
