"""The first rule that is met decides; what is unknown leads to a person."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import ClassVar

from shared.case import Case, PartName
from shared.conditions.groups import All
from shared.conditions.interface import Finding, Met, NotMet, Unknown
from shared.decision import NO_RULE, Decision, decide, weigh
from shared.entries import Decided
from shared.policy import ActionChoice, Limits, Policy, Rule, Verdict
from tests.conditions.cases import case

BLOCK = (ActionChoice("block-sign-in", {}),)
REPLACE = (ActionChoice("replace-credentials", {}),)
CASE = case()
IGNORE, WATCH, ASK, CONTAIN = Verdict.IGNORE, Verdict.WATCH, Verdict.ASK, Verdict.CONTAIN
YES, NO, SHUT = Met("yes"), NotMet("no"), Unknown("could not look")
OPEN = Unknown("not looked", frozenset({PartName.AUDITS}))


@dataclass(frozen=True, slots=True)
class Says:
    """A condition that answers what it was told to."""

    name: ClassVar[str] = "says"
    finding: Finding

    def check(self, case: Case) -> Finding:
        return self.finding


def rule(name: str, finding: Finding, verdict: Verdict, actions: tuple[ActionChoice, ...] | None = None) -> Rule:
    usual = BLOCK if verdict in (ASK, CONTAIN) else ()
    return Rule(name, Says(finding), verdict, usual if actions is None else actions)


def decided(*rules: Rule) -> Decision:
    return decide(Policy(1, Limits(), (), rules, "digest"), CASE)


def test_the_first_rule_that_is_met_decides() -> None:
    """Those before it are known not to hold; those behind it are not asked."""
    decision = decided(rule("a", NO, IGNORE), rule("b", YES, CONTAIN), rule("c", YES, IGNORE))

    assert (decision.verdict, decision.rule, decision.actions) == (CONTAIN, "b", BLOCK)
    assert [(answer.rule, answer.finding.answer) for answer in decision.rules] == [("a", "not-met"), ("b", "met")]


def test_without_a_rule_that_holds_the_case_is_watched() -> None:
    """Every rule's no is kept."""
    decision = decided(rule("a", NO, CONTAIN), rule("b", NO, IGNORE))

    assert (decision.verdict, decision.rule, decision.actions) == (WATCH, NO_RULE, ())
    assert len(decision.rules) == 2


def test_an_open_rule_asks_for_what_it_wants() -> None:
    """Rules behind it wait: with the part read, this one may decide."""
    decision = decided(rule("a", OPEN, CONTAIN), rule("b", YES, CONTAIN))

    assert decision.wants == {PartName.AUDITS}
    assert (decision.verdict, decision.rule) == (ASK, "a")


def test_an_unknown_containment_asks_a_person_about_its_actions() -> None:
    """Unknown is never met, and it is not skipped either."""
    decision = decided(rule("a", SHUT, CONTAIN), rule("b", YES, WATCH))

    assert (decision.verdict, decision.rule, decision.actions, decision.wants) == (ASK, "a", BLOCK, frozenset())


def test_a_later_containment_that_is_certain_is_not_held_up() -> None:
    """Both ways it is contained; the unknown stands beside it with its reason."""
    decision = decided(
        rule("a", SHUT, CONTAIN), rule("b", NO, IGNORE), rule("c", SHUT, CONTAIN), rule("d", YES, CONTAIN, REPLACE)
    )

    assert (decision.verdict, decision.rule, decision.actions) == (CONTAIN, "d", REPLACE)
    assert decision.rules[0].finding.reason == "could not look"


def test_a_later_containment_is_gathered_for() -> None:
    """If a part would show that it is certain, the part is asked for."""
    decision = decided(rule("a", SHUT, CONTAIN), rule("b", OPEN, CONTAIN))

    assert (decision.verdict, decision.wants) == (ASK, {PartName.AUDITS})


def test_an_unknown_exception_is_neither_yes_nor_no() -> None:
    """It may be the exception that somebody made on purpose; what would be done without it is what is asked."""
    decision = decided(rule("ours", SHUT, IGNORE), rule("b", YES, CONTAIN))

    assert (decision.verdict, decision.rule, decision.actions) == (ASK, "ours", BLOCK)


def test_nested_reasons_reach_the_journal() -> None:
    """A group's answer carries those of its members, in a form that the journal's models take."""
    when = All((Says(YES), Says(SHUT)))
    decision = decided(Rule("a", when, CONTAIN, BLOCK))
    entry = Decided(verdict=decision.verdict.value, rule=decision.rule, rules=decision.rules, policy="digest")

    (answer,) = entry.rules
    assert answer.finding.condition == "all"
    assert [(member.answer, member.reason) for member in answer.finding.members] == [
        ("met", "yes"),
        ("unknown", "could not look"),
    ]


def test_an_unknown_exception_in_between_makes_a_later_containment_uncertain() -> None:
    """Should the first not hold, the exception may; only rules that contain may be unknown on the way."""
    decision = decided(rule("a", SHUT, CONTAIN), rule("ours", SHUT, IGNORE), rule("c", YES, CONTAIN))

    assert (decision.verdict, decision.rule) == (ASK, "a")


def test_nothing_is_decided_that_could_turn_out_otherwise() -> None:
    """
    For every policy of up to three rules: a decision to contain, watch or ignore is what the rules say
    however the unknown turns out. Where they could disagree, or more can be learned, a person is asked.
    """
    kinds = list(product([YES, NO, SHUT, OPEN], Verdict))
    for length in range(4):
        for made in product(kinds, repeat=length):
            policy = Policy(1, Limits(), (), tuple(rule("r", *kind) for kind in made), "digest")
            weighed = weigh(policy, CASE)
            possible = set(_worlds(made))

            assert (
                possible == {weighed.verdict} if weighed.verdict is not ASK else possible != {CONTAIN} or weighed.wants
            )


def _worlds(made: Sequence[tuple[Finding, Verdict]]) -> list[Verdict]:
    """What the rules say in every world that is possible."""
    choices = [(True, False) if isinstance(f, Unknown) else (isinstance(f, Met),) for f, _ in made]
    return [
        next((verdict for holds, (_, verdict) in zip(world, made, strict=True) if holds), WATCH)
        for world in product(*choices)
    ]


def test_a_person_is_told_whether_the_policy_asks_or_something_is_not_known() -> None:
    """The innermost of what is not known, each once; what was met or not is no reason to ask."""
    members = (("says", YES), ("not", Unknown("it all", members=(("says", SHUT),))), ("says", SHUT))
    open_ = decided(rule("a", Unknown("it all", members=members), WATCH), rule("b", YES, CONTAIN))

    assert open_.verdict is ASK
    assert open_.why_asked == "Rule “a” is not checkable, because could not look."
    assert decided(rule("a", YES, ASK)).why_asked == "The policy asks a person."
