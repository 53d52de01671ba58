"""all, any, not: what is known decides where it can."""

from dataclasses import dataclass
from itertools import permutations
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.case import Case, PartName
from shared.conditions.groups import All, AnyOf, Not
from shared.conditions.interface import Condition, Finding, Met, NotMet, Unknown
from tests.conditions.cases import case

CASE = case()


@dataclass(frozen=True, slots=True)
class Says:
    """A condition that answers what it was told to."""

    name: ClassVar[str] = "says"
    finding: Finding

    def check(self, case: Case) -> Finding:
        return self.finding


YES, NO = Says(Met("yes")), Says(NotMet("no"))
OPEN = Says(Unknown("not looked", frozenset({PartName.AUDITS})))
SHUT = Says(Unknown("could not look"))

leaves = st.sampled_from([YES, NO, OPEN, SHUT])


def _grown(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    several = st.lists(inner, min_size=1, max_size=3).map(tuple)
    return st.one_of(several.map(All), several.map(AnyOf), inner.map(Not))


trees: st.SearchStrategy[Condition] = st.recursive(leaves, _grown, max_leaves=12)


def worth(condition: Condition) -> float:
    """Kleene's logic as arithmetic: 1 yes, 0 no, 1/2 unknown; and is the least, or the greatest."""
    match condition:
        case All(members):
            return min(worth(member) for member in members)
        case AnyOf(members):
            return max(worth(member) for member in members)
        case Not(member):
            return 1 - worth(member)
        case _:
            return _value(condition.check(CASE))


def _value(finding: Finding) -> float:
    return 1 if isinstance(finding, Met) else 0 if isinstance(finding, NotMet) else 0.5


@settings(max_examples=150, deadline=None)
@given(trees)
def test_groups_follow_kleene(tree: Condition) -> None:
    """Every nesting answers what three-valued logic says."""
    assert _value(tree.check(CASE)) == worth(tree)


def _settled(tree: Condition, answer: Finding) -> Condition:
    """The same tree, had its unknown leaves turned out so."""
    match tree:
        case All(members):
            return All(tuple(_settled(member, answer) for member in members))
        case AnyOf(members):
            return AnyOf(tuple(_settled(member, answer) for member in members))
        case Not(member):
            return Not(_settled(member, answer))
        case _:
            return Says(answer) if isinstance(tree.check(CASE), Unknown) else tree


@settings(max_examples=150, deadline=None)
@given(trees, st.sampled_from([Met("it turned out so"), NotMet("it turned out otherwise")]))
def test_what_was_certain_stays_certain(tree: Condition, answer: Finding) -> None:
    """Learning more never turns a yes into a no, or a no into a yes."""
    before = tree.check(CASE)
    after = _settled(tree, answer).check(CASE)

    assert isinstance(before, Unknown) or type(after) is type(before)


@pytest.mark.parametrize("group", [All, AnyOf])
def test_the_order_of_members_does_not_change_the_answer(group: type[All] | type[AnyOf]) -> None:
    """Only which reasons are kept."""
    for members in ((YES, NO, SHUT), (YES, SHUT, OPEN), (NO, SHUT, OPEN)):
        answers = {type(group(order).check(CASE)) for order in permutations(members)}

        assert len(answers) == 1


@pytest.mark.parametrize("group", [All, AnyOf])
def test_an_empty_group_is_refused(group: type[All] | type[AnyOf]) -> None:
    """Its answer would follow from nothing."""
    with pytest.raises(ValueError, match="at least one"):
        group(())


def test_findings_of_members_are_kept_up_to_the_decisive_one() -> None:
    """The report can show why, not only that."""
    finding = All((YES, Not(YES), OPEN)).check(CASE)

    assert finding == NotMet("yes", (("says", Met("yes")), ("not", NotMet("yes", (("says", Met("yes")),)))))


def test_an_open_group_wants_what_its_members_want() -> None:
    """Any part that could settle one of them."""
    other = Says(Unknown("not looked either", frozenset({PartName.RISK})))
    finding = AnyOf((OPEN, other, SHUT)).check(CASE)

    assert isinstance(finding, Unknown)
    assert finding.wants == {PartName.AUDITS, PartName.RISK}
    assert finding.reason == "not looked; not looked either; could not look"


def test_what_is_decided_wants_nothing() -> None:
    """One known no ends the gathering for the whole group."""
    assert isinstance(All((OPEN, NO)).check(CASE), NotMet)
