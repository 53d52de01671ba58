"""
Whether a condition is known not to hold, without the words for it.

A backtest goes through every rule at every decision, and tells of the one that decided alone. A group's answer does not
hang on the order in which its members are asked, only its reason does: so a rule is passed by as soon as one member is
known not to hold, and no finding is put together. Leaves are asked as ever, each once of a case, and keep their answer.
"""

from collections.abc import Callable
from typing import TypeAlias

from shared.case import Case
from shared.conditions.groups import All, AnyOf, Not
from shared.conditions.interface import Condition, Met, NotMet, ask

Question: TypeAlias = Callable[[Case], bool]


def ruling_out(condition: Condition) -> Question:
    """The question whether this condition is known not to hold: true exactly where its answer is NotMet."""
    match condition:
        case All(members):
            return _any(tuple(map(ruling_out, members)))
        case AnyOf(members):
            return _all(tuple(map(ruling_out, members)))
        case Not(member):
            return _answers(member, Met)
        case _:
            return _answers(condition, NotMet)


def _any(questions: tuple[Question, ...]) -> Question:
    """What ruled it out last is asked first: most cases are alike."""
    in_order = list(questions)

    def is_out(case: Case) -> bool:
        for place, question in enumerate(in_order):  # no generator: this is asked twenty times of each case
            if question(case):
                if place:
                    in_order.insert(0, in_order.pop(place))
                return True
        return False

    return is_out


def _all(questions: tuple[Question, ...]) -> Question:
    def is_out(case: Case) -> bool:
        for question in questions:  # noqa: SIM110 - as above
            if not question(case):
                return False
        return True

    return is_out


def _answers(condition: Condition, wanted: type[Met] | type[NotMet]) -> Question:
    key = id(condition)

    def is_out(case: Case) -> bool:
        kept = case.answers.get(key)  # as `ask` keeps it; the condition lives as long as this question
        return isinstance(ask(condition, case) if kept is None else kept[1], wanted)

    return is_out
