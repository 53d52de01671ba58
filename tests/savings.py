"""
Saves work that no test looks at: a pytest plugin.

A policy's text is read as YAML once, and not by every process of every drill again: the tree that comes of it cannot
be changed. And the collector goes through what is young a quarter as often: nearly all of it is in use, or freed
without it.
"""

import gc
from functools import lru_cache, wraps

from shared import contacts, lined_yaml, policy
from shared.lined_yaml import Complain, Node

_YOUNG = 200_000  # objects, at which what is young is gone through; Cordon itself has set 50,000


@lru_cache(maxsize=256)
def _read(text: str) -> tuple[Node | None, tuple[tuple[int, str], ...]]:
    """The tree, and what there was to complain about."""
    complaints: list[tuple[int, str]] = []
    return lined_yaml.read_yaml(text, lambda line, said: complaints.append((line, said))), tuple(complaints)


@wraps(lined_yaml.read_yaml)
def read_once(text: str, complain: Complain) -> Node | None:
    """As it is read each time."""
    node, complaints = _read(text)
    for line, said in complaints:
        complain(line, said)
    return node


def pytest_configure() -> None:
    for module in (policy, contacts):
        vars(module)["read_yaml"] = read_once


def pytest_unconfigure() -> None:
    for module in (policy, contacts):
        vars(module)["read_yaml"] = lined_yaml.read_yaml


def pytest_collection_finish() -> None:
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])
