"""
What the settings of a condition or a sample mean: the text that stands below each field in its source. Read for the
schema and the reference alone; nothing that decides needs it.
"""

import ast
import inspect
import textwrap
import typing
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from itertools import pairwise


def settings_described(owner: type) -> Mapping[str, str]:
    """The text below each field, by the field's name; also of classes that it is made from."""
    found: dict[str, str] = {}
    for each in reversed(owner.__mro__):
        if is_dataclass(each):
            found |= _texts(each)
    return found


def parts_of(owner: type) -> Mapping[str, type]:
    """The dataclasses that the fields of this one are made of, itself among them, by their names."""
    found: dict[str, type] = {}
    open_ = [owner]
    while open_:
        each = open_.pop()
        if each.__name__ not in found:
            found[each.__name__] = each
            hints = typing.get_type_hints(each, include_extras=True)
            open_ += [inner for hint in hints.values() for inner in _dataclasses(hint)]
    return found


def one_line_of(text: str | None) -> str:
    return " ".join((text or "").split())


def _dataclasses(hint: object) -> Iterator[type]:
    if isinstance(hint, type) and is_dataclass(hint):
        yield hint
    for inner in typing.get_args(hint):
        yield from _dataclasses(inner)


def _texts(owner: type) -> Iterator[tuple[str, str]]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(owner)))
    (body,) = [node.body for node in tree.body if isinstance(node, ast.ClassDef)]
    for field, below in pairwise(body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, one_line_of(text)
            case _:
                pass
