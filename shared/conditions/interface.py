"""
What a condition is: a named test on a case, answering Met, NotMet or Unknown, with a reason.

A condition is a frozen dataclass whose fields are its settings in the policy file. It is pure: no
clock, no network. What it may not judge for want of knowledge is Unknown, never NotMet.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeAlias, TypeVar

from shared.case import Case, CouldNotLook, Known, NotLooked, Part, PartName

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Met:
    """The test holds; the reason names the fact that shows it. A group keeps the findings of its members."""

    reason: str
    members: "tuple[Member, ...]" = ()


@dataclass(frozen=True, slots=True)
class NotMet:
    """The test is known not to hold."""

    reason: str
    members: "tuple[Member, ...]" = ()


@dataclass(frozen=True, slots=True)
class Unknown:
    """
    The test could not be judged. `wants` names the parts of the case that would help and were not looked
    at yet; an empty set means that looking was tried, and a person must decide. `settles`: the same look some minutes
    later may tell, because a log lags.
    """

    reason: str
    wants: frozenset[PartName] = frozenset()
    members: "tuple[Member, ...]" = ()
    settles: bool = False


Finding: TypeAlias = Met | NotMet | Unknown
Member: TypeAlias = tuple[str, Finding]  # the condition's name and what it answered


class Condition(Protocol):
    """A test on a case: `name` is the word in the policy file."""

    name: ClassVar[str]

    def check(self, case: Case) -> Finding: ...


class Catalogued(Condition, Protocol):
    """
    One entry of the catalogue; its name is the file's, with dashes. `needs` are the parts of a case that it may ask
    for, `unknown_when` says in which cases it cannot judge although these were read ("" if in none). The text below
    each setting tells what it means: the schema and the reference are made of it.
    """

    needs: ClassVar[tuple[PartName, ...]]
    unknown_when: ClassVar[str]


def ask(condition: Condition, case: Case) -> Finding:
    """
    What a condition answers on a case, asked once of each case however many rules have this very condition: a policy
    holds conditions that are alike as one object. It is kept beside its answer, so that no other one gets its id.
    """
    kept = case.answers.get(id(condition))
    if kept is None:
        kept = case.answers[id(condition)] = (condition, condition.check(case))
    return kept[1]


def unknown(part: PartName, value: NotLooked | CouldNotLook) -> Unknown:
    """The Unknown for a part that is not there to be judged."""
    name = part.value.replace("_", " ")
    match value:
        case NotLooked():
            return Unknown(f"the {name} was not looked at", frozenset({part}))
        case CouldNotLook(why):
            return Unknown(f"the {name} could not be read: {why}")


def known(part: Part[T]) -> T | None:
    """The value of a known part, else None; for reports, not for judging."""
    return part.value if isinstance(part, Known) else None
