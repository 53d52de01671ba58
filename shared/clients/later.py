"""Clients that most processes never ask for anything are made when they are first asked."""

from collections.abc import Callable
from typing import Generic, TypeVar, cast

T = TypeVar("T")


def later(make: Callable[[], T]) -> T:
    """Something that is made when one of its methods is first asked for."""
    return cast("T", _Later(make))


class _Later(Generic[T]):
    """Stands in front of what it makes, and passes everything on."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make

    def __getattr__(self, name: str) -> object:
        return getattr(self._make(), name)
