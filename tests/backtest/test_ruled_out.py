"""A rule that is passed by without words is one that would have answered that it does not hold, and no other."""

from dataclasses import dataclass
from random import Random
from typing import ClassVar

import pytest

from drill.backtest.ruled_out import ruling_out
from shared.case import Case
from shared.conditions.groups import All, AnyOf, Not
from shared.conditions.interface import Condition, Finding, Met, NotMet, Unknown
from shared.identity import IdentityRef, PrincipalId
from tests.backtest.exported import NOON, TENANT


@dataclass(frozen=True, slots=True, eq=False)
class Answering:
    """A leaf that answers this."""

    name: ClassVar[str] = "answering"
    finding: Finding

    def check(self, case: Case) -> Finding:
        return self.finding


def condition(chance: Random, depth: int) -> Condition:
    if depth == 0 or chance.random() < 0.2:
        return Answering(chance.choice((Met("it is"), NotMet("it is not"), Unknown("nobody knows"))))
    members = tuple(condition(chance, depth - 1) for _ in range(chance.randint(1, 3)))
    return chance.choice((All(members), AnyOf(members), Not(members[0])))


@pytest.mark.parametrize("asked_before", [False, True])
def test_exactly_what_does_not_hold_is_ruled_out(asked_before: bool) -> None:
    """Of groups within groups, whatever their members answer, and whether they have answered already."""
    chance, found = Random(5), list[bool]()  # noqa: S311 - it only has to be the same each time
    for _ in range(2000):
        asked = condition(chance, 3)
        case = Case(NOON, TENANT, IdentityRef(PrincipalId("10000000-0000-4000-8000-000000000001")), ())
        answer = asked.check(case) if asked_before else None
        is_out = ruling_out(asked)(case)
        found.append(is_out)

        assert is_out is isinstance(answer or asked.check(case), NotMet)
    assert 400 < sum(found) < 1600
