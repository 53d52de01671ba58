"""
Frozen values that are made by the million: a month of logs makes some for each record and dozens for each decision.

A frozen dataclass sets each field by `object.__setattr__`, which looks its slot up by name. To put the value into the
slot itself takes less than half the time, and makes the same value.
"""

from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar, cast

T = TypeVar("T")


def made_quickly(cls: type[T]) -> type[T]:
    """The same frozen dataclass with slots, whose values are made in less than half the time."""
    params, lines = list[str](), list[str]()
    known: dict[str, object] = {"MISSING": MISSING}
    for each in fields(cast("Any", cls)):
        name = each.name
        known[f"_put_{name}"] = getattr(cls, name).__set__
        value = _value(each, known)
        if each.init:
            default = "" if _is_asked_for(each) else f"=_default_{name}"
            params.append(f"{name}{default}")
        lines.append(f"    _put_{name}(self, {value})")
    if hasattr(cls, "__post_init__"):
        lines.append("    self.__post_init__()")
    source = "\n".join([f"def __init__(self, {', '.join(params)}):", *lines])
    exec(source, known)  # noqa: S102 - as dataclasses make theirs, of names of fields alone
    made = cast("Callable[..., None]", known["__init__"])
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    made.__annotations__ = dict(cls.__init__.__annotations__)
    setattr(cls, "__init__", made)  # noqa: B010 - a type checker would not have it otherwise
    return cls


def _is_asked_for(each: "Field[Any]") -> bool:
    return each.default is MISSING and each.default_factory is MISSING


def _value(each: "Field[Any]", known: dict[str, object]) -> str:
    """What is put into the slot: the argument, or what stands for one that was not given."""
    if each.default_factory is MISSING:
        known[f"_default_{each.name}"] = each.default
        return each.name if each.init else f"_default_{each.name}"
    known[f"_default_{each.name}"], known[f"_make_{each.name}"] = MISSING, each.default_factory
    made = f"_make_{each.name}()"
    return f"{made} if {each.name} is MISSING else {each.name}" if each.init else made
