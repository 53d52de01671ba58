"""
Actions that only people order, and how many of them it takes. A policy file can never name one.

Whoever asks says who they are, and that is journaled; it is not verified yet. Where two people are needed, one
orders and another approves the very plan.
"""

import unicodedata
from collections.abc import Iterable, Mapping

UNNAMED = "a caller with a function key"  # who stands in the journal where nobody said who asks
FOR_DELETED = frozenset({"restore-application", "purge-application"})
PEOPLE: Mapping[str, int] = {"delete-application": 1, "restore-application": 1, "purge-application": 2}


def people_needed(actions: Iterable[str]) -> int:
    """How many people must want these actions; 0 if policy may."""
    return max((PEOPLE.get(name, 0) for name in actions), default=0)


def for_deleted(actions: Iterable[str]) -> bool:
    """Whether these actions are about what is among the deleted items."""
    return any(name in FOR_DELETED for name in actions)


def is_named(who: str | None) -> bool:
    """Whether somebody said who they are; what nobody can see is no name."""
    return _as_read(who or "") not in ("", _as_read(UNNAMED))


def same_person(one: str | None, other: str | None) -> bool:
    """Whether two names read the same, however they are written. Who gave none may be anybody."""
    return not is_named(one) or not is_named(other) or _as_read(one or "") == _as_read(other or "")


def _as_read(name: str) -> str:
    """Without what nobody sees: other forms of one letter, marks of no width, blanks, accents, case."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    return "".join(char for char in plain if char.isalnum() or char in "@.")
