"""
Whether a condition is known not to hold, without the words for it.

A backtest goes through every rule at every decision, and tells of the one that decided alone. A group's answer does not
hang on the order in which its members are asked, only its reason does: so a rule is passed by as soon as one member is
known not to hold, and no finding is put together. Leaves are asked as ever, each once of a case, and keep their answer.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from shared.case import Case
from shared.conditions.groups import All, AnyOf, Not
from shared.conditions.interface import Condition, Met, NotMet, ask

Question: TypeAlias = Callable[[Case], bool]


def ruling_out(condition: Condition) -> Question:
    """The question whether this condition is known not to hold: true exactly where its answer is NotMet."""
    match condition:
        case All(members):
            return _any_out(members)
        case AnyOf(members):
            return _all_out(tuple(map(ruling_out, members)))
        case Not(member):
            return _is_answered(member, Met)
        case _:
            return _is_answered(condition, NotMet)


def _any_out(members: Sequence[Condition]) -> Question:
    """Leaves are asked right here and before groups: of twenty rules, nearly all are passed by in this loop."""
    leaves = tuple((id(each), each) for each in members if not isinstance(each, All | AnyOf | Not))
    groups = tuple(ruling_out(each) for each in members if isinstance(each, All | AnyOf | Not))

    def is_out(case: Case) -> bool:
        answers = case.answers
        for key, condition in leaves:
            kept = answers.get(key)  # as `ask` keeps it; conditions live as long as this question
            if isinstance(ask(condition, case) if kept is None else kept[1], NotMet):
                return True
        for question in groups:  # noqa: SIM110 - a generator takes longer, and this is asked of each case
            if question(case):
                return True
        return False

    return is_out


def _all_out(questions: Sequence[Question]) -> Question:
    def is_out(case: Case) -> bool:
        for question in questions:  # noqa: SIM110 - as above
            if not question(case):
                return False
        return True

    return is_out


def _is_answered(condition: Condition, wanted: type[Met] | type[NotMet]) -> Question:
    key = id(condition)

    def is_out(case: Case) -> bool:
        kept = case.answers.get(key)
        return isinstance(ask(condition, case) if kept is None else kept[1], wanted)

    return is_out
