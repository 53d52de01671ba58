"""
What is wrong with a file that people write: gathered with its lines, told all at once.

Values from the file are quoted shortly and on one line; the nearest name that would have been right is given.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from shared.conditions.settings import NotAmong
from shared.lined_yaml import Node
from shared.signal import JsonObject
from shared.untrusted import one_line

T = TypeVar("T")


class Mistakes:
    """Collects mistakes of one file."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._found: dict[tuple[int, str], None] = {}
        self._unread: set[int] = set()  # lines with a value that YAML reads in two ways: said once is enough

    def __bool__(self) -> bool:
        return bool(self._found)

    def note(self, line: int, what: str) -> None:
        self._found[(line, what)] = None

    def note_unread(self, line: int, what: str) -> None:
        """As `note`, of a value that was left out because it could not be read."""
        self._unread.add(line)
        self.note(line, what)

    def unknown(
        self, line: int, what: str, given: object, known: Iterable[str], meant: Mapping[str, str] | None = None
    ) -> None:
        """A name that is none of those known; `meant` holds what stands for some of them elsewhere."""
        if given is None and line in self._unread:
            return
        word = (meant or {}).get(given.casefold().replace("_", "-")) if isinstance(given, str) else None
        near = f"; did you mean {word}?" if word in (names := [*known]) else nearest(given, names)
        self.note(line, f"unknown {what} {_quoted(given)}{near}")

    def lines(self) -> tuple[str, ...]:
        """Each as "file:line: what is wrong", in the order of the file."""
        return tuple(f"{self._name}:{line}: {what}" for line, what in sorted(self._found, key=lambda each: each[0]))

    def checked(self, type_: TypeAdapter[T], node: Node, where: str, line: int | None = None) -> T | None:
        """What pydantic makes of the node, or None with its objections noted at their lines."""
        if self._has_gaps(node, where):
            return None
        try:
            return type_.validate_python(node.plain())
        except ValidationError as problems:
            schema = cast("JsonObject", type_.json_schema(by_alias=True))
            found = problems.errors(include_url=False)
            for problem in found:
                path = problem["loc"]
                if problem["type"] == "too_short" and any(_lies_in(other["loc"], path) for other in found):
                    continue  # pydantic does not count the items that it refused
                at = node.line_of(path) if path or line is None else line
                self.note(at, f"{where}: {_told(problem, schema)}")
            return None

    def _has_gaps(self, node: Node, where: str) -> bool:
        """A setting without a value is nothing that its author meant, whatever is meant where it is left out."""
        gaps = [*_gaps(node)]
        for name, line in gaps:
            if line not in self._unread:
                self.note(line, f"{where}: {name} has no value; write one, or leave it out")
        return bool(gaps)


def _gaps(node: Node) -> Iterator[tuple[str, int]]:
    for name, entry in (node.entries or {}).items():
        if entry.node.value is None:
            yield name, entry.line
        yield from _gaps(entry.node)
    for item in node.items or ():
        yield from _gaps(item)


def nearest(given: object, known: Iterable[str]) -> str:
    """The end of a message: which name was probably meant, or what there is to choose from if nothing is near."""
    names = [*known]
    text = str(given) if isinstance(given, str) else ""
    folded = {name.casefold(): name for name in names}
    if near := difflib.get_close_matches(text.casefold(), [*folded], n=1, cutoff=0.6):
        return f"; did you mean {folded[near[0]]}?"
    return f"; there is {_listed(names)}" if names else ""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) < 2 else f"{', '.join(names[:-1])} and {names[-1]}"


def _quoted(given: object) -> str:
    if isinstance(given, str):
        shown = one_line(given, 60)
        return f"“{''.join(each if each.isprintable() else chr(0xFFFD) for each in shown)}”"
    if given is None:
        return "(nothing)"
    if isinstance(given, bool | int | float):
        return f"{given}".lower()
    return "(a list)" if isinstance(given, list | tuple) else "(a mapping)"


def _names(schema: JsonObject, path: Sequence[str | int]) -> tuple[str, ...]:
    """The settings that may stand at the end of a path."""
    at: Iterable[JsonObject] = _plain(schema, schema)
    for part in path:
        at = [inner for each in at for inner in _within(each, part, schema)]
    return tuple(dict.fromkeys(name for each in at for name in _properties(each)))


def _within(schema: JsonObject, part: str | int, root: JsonObject) -> Iterator[JsonObject]:
    inner = schema.get("items") if isinstance(part, int) else _properties(schema).get(part)
    inner = schema.get("additionalProperties") if inner is None else inner
    if isinstance(inner, dict):
        yield from _plain(inner, root)


def _properties(schema: JsonObject) -> JsonObject:
    found = schema.get("properties")
    return found if isinstance(found, dict) else {}


def _plain(schema: JsonObject, root: JsonObject) -> Iterator[JsonObject]:
    """A schema without references and alternatives: each of those that it stands for."""
    match schema:
        case {"$ref": str(path)}:
            definitions = root.get("$defs")
            found = definitions.get(path.rsplit("/", 1)[1]) if isinstance(definitions, dict) else None
            yield from _plain(found, root) if isinstance(found, dict) else ()
        case {"anyOf": list(several)}:
            for each in several:
                yield from _plain(each, root) if isinstance(each, dict) else ()
        case _:
            yield schema


def _lies_in(inner: tuple[int | str, ...], outer: tuple[int | str, ...]) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def _told(problem: ErrorDetails, schema: JsonObject) -> str:
    path, given, context = problem["loc"], problem["input"], problem.get("ctx", {})
    place = ".".join(str(part) for part in path if isinstance(part, str)) or "this"
    match problem["type"]:
        case "extra_forbidden" | "unexpected_keyword_argument":
            return f"unknown setting {_quoted(path[-1])}{nearest(path[-1], _names(schema, path[:-1]))}"
        case "literal_error" | "enum":
            return f"{_quoted(given)} is not one of {place}{_near_choice(given, str(context.get('expected')))}"
        case "value_error":
            return _refused(place, given, context.get("error"))
        case "dataclass_type" | "dict_type":
            return "the settings must be a mapping" if place == "this" else f"{place} must be a mapping"
        case "string_type" if isinstance(given, int | float):
            return f"{place} must be a text; put it in quotes"
        case kind if kind in _BOUNDS:
            return f"{place} must be {_BOUNDS[kind]} {next(iter(context.values())):g}"
        case kind if kind in _PLAINLY:
            return f"{place} {_PLAINLY[kind]}"
        case _:
            message = problem["msg"]
            return f"{place}: {message[:1].lower()}{message[1:]}"


_BOUNDS = {
    "greater_than": "more than",
    "greater_than_equal": "at least",
    "less_than": "less than",
    "less_than_equal": "at most",
}
_PLAINLY = {
    "missing": "is missing",
    "missing_argument": "is missing",
    "too_short": "is empty; leave it out, or name at least one",
    "string_too_short": "is empty",
    "string_pattern_mismatch": "is not in the form that is expected here",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be a text",
}


def _near_choice(given: object, expected: str) -> str:
    choices = _choices(expected)
    return f"; write {given} without quotes" if given in choices and isinstance(given, str) else nearest(given, choices)


def _refused(place: str, given: object, error: object) -> str:
    near = nearest(given, error.choices) if isinstance(error, NotAmong) else ""
    return f"{place}: {_quoted(given)} {error}{near}" if isinstance(given, str) else f"{place} {error}"


def _choices(expected: str) -> list[str]:
    """Pydantic lists what it expects as "'a', 'b' or 'c'"."""
    return [part.strip().strip("'") for part in expected.replace(" or ", ",").split(",") if part.strip()]
