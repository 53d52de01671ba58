"""Values that are made quickly: the same in all but the time that it takes to make them."""

import pickle
from dataclasses import MISSING, FrozenInstanceError, dataclass, field, fields, replace
from inspect import signature
from typing import Any

import pytest

from shared.case import AuditRecord, Case, SignIn
from shared.conditions.interface import Met
from shared.frozen import made_quickly
from shared.identity import IdentityRef
from shared.signal import Signal
from shared.tenant import Gathered


@dataclass(frozen=True, slots=True)
class Plain:
    """Every kind of field that a value of ours has."""

    name: str
    count: int = 3
    marks: list[str] = field(default_factory=list[str])
    kept: dict[str, int] = field(default_factory=dict[str, int], init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a name is needed")


@made_quickly
@dataclass(frozen=True, slots=True)
class Quick(Plain):
    """The same."""


def shown(value: Plain) -> list[Any]:
    return [getattr(value, each.name) for each in fields(value)]


@pytest.mark.parametrize("given", [("a",), ("a", 5), ("a", 5, ["x"]), ("a", None, None)])
def test_a_value_holds_what_it_is_given_and_defaults_for_the_rest(given: tuple[Any, ...]) -> None:
    """By place and by name."""
    by_name = dict(zip(("name", "count", "marks"), given, strict=False))

    assert shown(Quick(*given)) == shown(Plain(*given)) == shown(Quick(**by_name))
    assert Quick(*given) == Quick(*given)


def test_no_two_values_share_what_is_made_for_each() -> None:
    assert Quick("a").marks is not Quick("a").marks
    assert Quick("a").kept is not Quick("a").kept


@pytest.mark.parametrize("given", [(), ("a", 1, [], {}), ("a", 1, [], {}, 5)])
def test_it_refuses_what_the_class_does_not_take(given: tuple[Any, ...]) -> None:
    """Also what may not be given."""
    for made in (Plain, Quick):
        with pytest.raises(TypeError):
            made(*given)


def test_it_is_checked_as_before() -> None:
    with pytest.raises(ValueError, match="a name is needed"):
        Quick("")


def test_it_stays_frozen() -> None:
    made = Quick("a")

    with pytest.raises(FrozenInstanceError):
        setattr(made, "name", "b")  # noqa: B010 - a type checker would not have it
    assert replace(made, name="b") == Quick("b")
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301 - our own


@pytest.mark.parametrize("made", [AuditRecord, Case, Gathered, IdentityRef, Met, Signal, SignIn])
def test_ours_are_made_of_the_fields_that_they_show(made: Any) -> None:
    """In their order, each with the default that it had."""
    given = [each for each in fields(made) if each.init]
    taken = signature(made).parameters
    needed = {name for name, each in taken.items() if each.default is each.empty}

    assert list(taken) == [each.name for each in given]
    assert needed == {each.name for each in given if each.default is MISSING and each.default_factory is MISSING}
