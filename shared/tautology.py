"""
Whether a rule's condition depends on the case at all.

Conditions of the catalogue are taken as free: each may hold or not. One that occurs only plainly, or only
negated, can always be chosen against the whole, so only those that occur both ways must be tried out.
"""

from collections.abc import Iterator, Mapping
from enum import Enum, auto
from itertools import product

from shared.conditions.groups import All, AnyOf, Not
from shared.conditions.interface import Condition

_MOST_TRIED = 10  # conditions that occur both ways; 2 to this power combinations


class Truth(Enum):
    """What can be said of a condition before any case."""

    DEPENDS = auto()
    ALWAYS = auto()
    NEVER = auto()
    TANGLED = auto()


def truth_of(condition: Condition) -> Truth:
    """Whether it holds for every case, for none, or depends on it."""
    signs: dict[Condition, set[bool]] = {}
    for leaf, plain in _leaves(condition, plain=True):
        signs.setdefault(leaf, set()).add(plain)
    tried = [leaf for leaf, found in signs.items() if len(found) == 2]
    if len(tried) > _MOST_TRIED:
        return Truth.TANGLED
    worlds = [dict(zip(tried, values, strict=True)) for values in product((False, True), repeat=len(tried))]
    against = {leaf: not next(iter(found)) for leaf, found in signs.items() if len(found) == 1}
    in_favour = {leaf: not value for leaf, value in against.items()}
    if all(_holds(condition, {**against, **world}) for world in worlds):
        return Truth.ALWAYS
    if not any(_holds(condition, {**in_favour, **world}) for world in worlds):
        return Truth.NEVER
    return Truth.DEPENDS


def _leaves(condition: Condition, *, plain: bool) -> Iterator[tuple[Condition, bool]]:
    match condition:
        case All(members) | AnyOf(members):
            for member in members:
                yield from _leaves(member, plain=plain)
        case Not(member):
            yield from _leaves(member, plain=not plain)
        case _:
            yield condition, plain


def _holds(condition: Condition, world: Mapping[Condition, bool]) -> bool:
    match condition:
        case All(members):
            return all(_holds(member, world) for member in members)
        case AnyOf(members):
            return any(_holds(member, world) for member in members)
        case Not(member):
            return not _holds(member, world)
        case _:
            return world[condition]
