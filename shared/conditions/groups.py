"""
all, any, not: conditions made of conditions, in Kleene's three-valued logic.

What is known decides where it can: a group is unknown only if its unknown members could still turn it.
Members are asked in order until one decides; the findings of those that were asked are kept. An empty
group is refused, because its answer would follow from nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from shared.case import Case
from shared.conditions.interface import Condition, Finding, Member, Met, NotMet, Unknown, ask


@dataclass(frozen=True, slots=True)
class All:
    """Met when every member is; one that is known not to hold decides alone."""

    name: ClassVar[str] = "all"
    members: tuple[Condition, ...]

    def __post_init__(self) -> None:
        _refuse_empty(self.members)

    def check(self, case: Case) -> Finding:
        found: list[Member] = []
        open_: list[Unknown] = []
        answers = case.answers
        for member in self.members:
            kept = answers.get(id(member))  # as `ask` keeps it: a policy asks the same thing in many rules
            finding = ask(member, case) if kept is None else kept[1]
            found.append((member.name, finding))
            if isinstance(finding, NotMet):
                return NotMet(finding.reason, tuple(found))
            if isinstance(finding, Unknown):
                open_.append(finding)
        return _unknown(open_, found) if open_ else Met("all of it holds", tuple(found))


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Met when one member is, whatever the others are."""

    name: ClassVar[str] = "any"
    members: tuple[Condition, ...]

    def __post_init__(self) -> None:
        _refuse_empty(self.members)

    def check(self, case: Case) -> Finding:
        found: list[Member] = []
        open_: list[Unknown] = []
        answers = case.answers
        for member in self.members:
            kept = answers.get(id(member))  # as `ask` keeps it: a policy asks the same thing in many rules
            finding = ask(member, case) if kept is None else kept[1]
            found.append((member.name, finding))
            if isinstance(finding, Met):
                return Met(finding.reason, tuple(found))
            if isinstance(finding, Unknown):
                open_.append(finding)
        return _unknown(open_, found) if open_ else NotMet("none of it holds", tuple(found))


@dataclass(frozen=True, slots=True)
class Not:
    """Met when its member is known not to hold. The reason stays the same: it is the fact."""

    name: ClassVar[str] = "not"
    member: Condition

    def check(self, case: Case) -> Finding:
        finding = ask(self.member, case)
        members: tuple[Member, ...] = ((self.member.name, finding),)
        if isinstance(finding, Met):
            return NotMet(finding.reason, members)
        if isinstance(finding, NotMet):
            return Met(finding.reason, members)
        return Unknown(finding.reason, finding.wants, members)


def leaves(condition: Condition) -> Iterator[Condition]:
    """The conditions of the catalogue that it is made of."""
    match condition:
        case All(members) | AnyOf(members):
            for member in members:
                yield from leaves(member)
        case Not(member):
            yield from leaves(member)
        case _:
            yield condition


def _refuse_empty(members: Sequence[Condition]) -> None:
    if not members:
        raise ValueError("a group needs at least one member")


def _unknown(open_: Sequence[Unknown], found: Sequence[Member]) -> Unknown:
    """Whatever any of the open members wants may settle it."""
    wants = open_[0].wants.union(*(each.wants for each in open_[1:]))
    return Unknown("; ".join(each.reason for each in open_), wants, tuple(found))
