"""
Pure questions about a frozen value, each answered once. The answer stays with the value and goes with it: many rules
ask one case, and many cases one record, the same thing.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Keeping(Protocol):
    """A frozen value beside which answers are kept. They are no part of it: not compared, not shown, not copied."""

    @property
    def answers(self) -> dict[object, Any]: ...


V = TypeVar("V", bound=Keeping)


def once(question: Callable[[V], T]) -> Callable[[V], T]:
    """The same question, which may hang on nothing but the value. One that is answered by an error is asked again."""

    @wraps(question)
    def asked(value: V) -> T:
        answers = value.answers
        try:
            return answers[question]
        except KeyError:
            found = answers[question] = question(value)
            return found

    return asked
