"""
One part of a case is taken away at a time, and one list within a part, from each sample in which a rule of the shipped
policies fires: the rule is then met all the same or cannot be judged, and never turns to "clean".
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.actions import choosable
from shared.case import CASE_PARTS, Case, CouldNotLook, Known, Part
from shared.conditions.interface import NotMet, ask
from shared.policy import Rule, load_policy
from shared.sample_cases import case_of
from shared.samples import Sample

SHIPPED = sorted((Path(__file__).parents[2] / "policies").glob("*.yaml"))
FIRING = [
    (rule, each.sample)
    for policy in SHIPPED
    for rule in load_policy(policy, choosable()).rules
    for each in rule.samples.must_fire
]
GONE = CouldNotLook("the service did not answer")


def lessened(case: Case) -> Iterator[tuple[str, Case]]:
    """The case without each of its parts, and without each list of a part that is read by itself."""
    for part in CASE_PARTS:
        known: Part[Any] = getattr(case, part.value)
        if isinstance(known, Known):
            yield part.value, _with(case, part.value, GONE)
            for name, less in _without_each(known.value):
                yield f"{part.value}.{name}", _with(case, part.value, Known(less))


def _with(case: Case, name: str, part: object) -> Case:
    changed: dict[str, Any] = {name: part}
    return replace(case, **changed)


def _without_each(part: Any) -> Iterator[tuple[str, Any]]:
    """Lists that are parts of their own, and answers about one actor each."""
    held: dict[str, Any] = {each: getattr(part, each) for each in getattr(part, "__slots__", ())}
    for name, inner in held.items():
        if isinstance(inner, Known):
            yield name, replace(part, **{name: GONE})
    for name in ("incidents", "listed"):
        if actors := held.get(name):
            yield name, replace(part, **{name: dict.fromkeys(actors, GONE)})


@pytest.mark.parametrize(("rule", "sample"), FIRING, ids=[f"{rule.name}-{n}" for n, (rule, _) in enumerate(FIRING)])
def test_what_cannot_be_read_makes_no_rule_clean(rule: Rule, sample: Sample) -> None:
    """Whatever it is: an answer that rested on it is gone, and one that did not stands."""
    clean = [name for name, case in lessened(case_of(sample)) if isinstance(ask(rule.when, case), NotMet)]

    assert clean == []


def test_every_part_of_a_case_is_taken_away_from_some_sample() -> None:
    """What no sample tells of, the test above would pass without."""
    taken = {name for _, sample in FIRING for name, _ in lessened(case_of(sample))}

    assert {part.value for part in CASE_PARTS} <= taken
    assert {"grants.through_groups", "owners.principal", "suspects.incidents", "user_risk.listed"} <= taken
