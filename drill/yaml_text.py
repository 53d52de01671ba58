"""
YAML that means one thing: JSON's types only, each key once, no anchors, and every value knows its line.

Times stay text, as they stand in a real export; `no` is the word "no"; `12:30` is text too.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import yaml

LARGEST = 32 * 1024 * 1024  # bytes
DEEPEST = 60  # levels

Plain: TypeAlias = "str | int | float | bool | list[Plain] | dict[str, Plain] | None"
Path: TypeAlias = tuple[str | int, ...]


class TextWrong(ValueError):
    """The text cannot be read; `line` counts from 1, 0 where no line is to blame."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line, self.what = line, what


@dataclass(frozen=True, slots=True)
class Read:
    """The value, and on which line each part of it begins."""

    value: Plain
    lines: Mapping[Path, int]

    def line_of(self, path: Path) -> int:
        """The line of this place, or of the nearest one around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """By first character: which plain words are not text."""
    found: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for kind, pattern, firsts in (
        ("bool", r"true|false", "tf"),
        ("null", r"null|~|", ("n", "~", "")),
        ("int", r"-?(?:0|[1-9][0-9]*)", "-0123456789"),
        ("float", r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", "-0123456789"),
    ):
        for first in firsts:
            found.setdefault(first, []).append((f"tag:yaml.org,2002:{kind}", re.compile(f"^(?:{pattern})$")))
    return found


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # the C one where it was built
    """Tells JSON's types apart and nothing else."""

    yaml_implicit_resolvers = _resolvers()


def read_yaml(text: bytes) -> Read:
    """Read one document. Raises TextWrong."""
    if len(text) > LARGEST:
        raise TextWrong(0, f"it has {len(text):,} bytes; {LARGEST:,} are allowed")
    try:
        node = yaml.compose(text.decode(), Loader=_Loader)  # type: ignore[reportUnknownMemberType]
    except UnicodeDecodeError as problem:
        raise TextWrong(0, "it is not UTF-8") from problem
    except yaml.YAMLError as problem:
        raise TextWrong(_line(getattr(problem, "problem_mark", None)), _what(problem)) from problem
    except RecursionError as problem:
        raise TextWrong(0, f"it is nested deeper than {DEEPEST} levels") from problem
    if node is None:
        raise TextWrong(0, "it is empty")
    reading = _Reading()
    return Read(reading.value(node, ()), reading.lines)


class _Reading:
    """Turns nodes into values. An alias shows as a node that is met twice: a small file could grow without bound."""

    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self._met: set[int] = set()

    def value(self, node: yaml.Node, path: Path) -> Plain:
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)  # a key's line, where there is one
        if id(node) in self._met:
            raise TextWrong(line, "aliases are not allowed: write the value out where it is needed")
        if len(path) > DEEPEST:
            raise TextWrong(line, f"it is nested deeper than {DEEPEST} levels")
        self._met.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(each, (*path, place)) for place, each in enumerate(node.value)]
        return _scalar(node, line)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> Plain:
        found: dict[str, Plain] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise TextWrong(line, "a key must be text")
            key = str(key_node.value)
            if key in found:
                raise TextWrong(line, f"{key} stands twice")
            self.lines[(*path, key)] = line
            found[key] = self.value(value_node, (*path, key))
        return found


_READERS: Mapping[str, Callable[[str], Plain]] = {
    "str": str,
    "null": lambda _: None,
    "bool": lambda text: {"true": True, "false": False}[text],
    "int": int,
    "float": lambda text: _finite(float(text)),
}


def _scalar(node: yaml.Node, line: int) -> Plain:
    text, kind = str(node.value), node.tag.removeprefix("tag:yaml.org,2002:")
    try:
        return _READERS[kind](text)
    except (KeyError, ValueError) as problem:
        raise TextWrong(line, f"{text[:40]} is no {kind} that JSON could hold") from problem


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number


def _line(mark: yaml.Mark | None) -> int:
    return mark.line + 1 if mark else 0


def _what(problem: yaml.YAMLError) -> str:
    return str(getattr(problem, "problem", None) or "it is not YAML")
