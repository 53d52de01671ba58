"""What is there before a step, in one line for whoever is shown its plan. Pure."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from shared.case import CouldNotLook, Known, NotLooked, Part, RiskState
from shared.untrusted import one_line

T = TypeVar("T")

_MOST = 20  # things that a plan names


def before(part: Part[T], tell: Callable[[T], str]) -> str:
    """What was read in the words of `tell`. Whether nobody looked or nobody could is never told as nothing there."""
    match part:
        case Known(value):
            return tell(value)
        case NotLooked():
            return "as found"
        case CouldNotLook(why):
            return f"not known: {one_line(why, 200)}"


def listed(names: Sequence[str]) -> str:
    """The first of these, and how many more there are."""
    more = f"; and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return "; ".join(one_line(name, 400) for name in names[:_MOST]) + more or "none"


def risk_before(risk: Part[RiskState | None]) -> str:
    """What Identity Protection shows, in its own words."""

    def tell(shown: RiskState | None) -> str:
        return "none is listed" if shown is None else f"{one_line(shown.state, 60)}, level {one_line(shown.level, 60)}"

    return before(risk, tell)
