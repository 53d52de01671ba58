"""
The decision: policy and case in, verdict with reasons out. Pure: no clock, no network, no tenant.

The first rule whose condition is met decides. Unknown is never "met" and never "not met": it asks for more of
the case, and when there is no more to be had, it asks a person.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from shared.case import Case, PartName
from shared.conditions.interface import Finding, Met, NotMet, Unknown, ask
from shared.entries import ConditionAnswer, RuleAnswer
from shared.origins import lacking
from shared.policy import ActionChoice, Policy, Rule, Verdict
from shared.rungs import NO_LADDER, Ladder
from shared.untrusted import one_line

NO_RULE = "no rule matched"
_LONGEST_REASON = 500


class Looked(NamedTuple):
    """A rule that was looked at, and what its condition answered."""

    rule: Rule
    finding: Finding


@dataclass(frozen=True, slots=True)
class Weighing:
    """
    A decision with the findings as they were made; `decide` puts it into the journal's words. `does` is the rule that
    says what is to be done, which is another one where an exception in front of it could not be judged.
    """

    verdict: Verdict
    rule: str
    does: Rule | None
    looked: tuple[Looked, ...]
    wants: frozenset[PartName] = frozenset()

    @property
    def settling(self) -> str | None:
        """Why it is open, where the same look some minutes later may tell; None if it is made, or nothing helps."""
        if self.verdict is not Verdict.ASK or self.wants:
            return None
        unjudged = (looked.finding for looked in self.looked if isinstance(looked.finding, Unknown))
        return next((why for finding in unjudged for why in _settles(finding)), None)

    @property
    def actions(self) -> tuple[ActionChoice, ...]:
        return self.does.actions if self.does else ()

    @property
    def ladder(self) -> Ladder:
        return self.does.ladder if self.does else NO_LADDER


@dataclass(frozen=True, slots=True)
class Decision:
    """
    What to do about a case, which rule says so, and what every rule up to it answered.

    If `wants` names parts of the case, the decision is open: with them it may turn out otherwise. Until then
    the verdict is to ask. `ladder`: beside the actions, the case decides how far it is climbed. `settling` is what an
    open decision hangs on that a log may tell some minutes later.
    """

    verdict: Verdict
    rule: str
    actions: tuple[ActionChoice, ...]
    rules: tuple[RuleAnswer, ...]
    wants: frozenset[PartName] = frozenset()
    ladder: Ladder = NO_LADDER
    settling: str | None = None

    @property
    def why_asked(self) -> str:
        """Why a person is asked: the policy says so, or whether its rule holds cannot be known."""
        finding = next((each.finding for each in self.rules if each.rule == self.rule), None)
        unknown = dict.fromkeys(_unknown_in(finding)) if finding else {}
        if not unknown:
            return "The policy asks a person."
        told = "; ".join(reason.rstrip(".") for _, reason in unknown)
        if all(condition == "independent" for condition, _ in unknown):
            return one_line(f"Rule “{self.rule}” asks a person: {told}.", _LONGEST_REASON)
        return one_line(f"Rule “{self.rule}” is not checkable, because {told}.", _LONGEST_REASON)


def _unknown_in(answer: ConditionAnswer) -> Iterator[tuple[str, str]]:
    """The conditions that cannot be judged, innermost, with the reasons."""
    if answer.answer != "unknown":
        return
    inner = [each for member in answer.members for each in _unknown_in(member)]
    yield from inner or [(answer.condition, answer.reason)]


def decide(policy: Policy, case: Case) -> Decision:
    """Choose what to do about one case, with reasons for the journal."""
    weighing = weigh(policy, case)
    return Decision(
        weighing.verdict,
        weighing.rule,
        weighing.actions,
        tuple(_rule_answer(looked) for looked in weighing.looked),
        weighing.wants,
        weighing.ladder,
        weighing.settling,
    )


def weigh(policy: Policy, case: Case) -> Weighing:
    """Ask the rules in order. The first that is met decides; the first that is unknown leads to a person."""
    looked: list[Looked] = []
    for place, rule in enumerate(policy.rules):
        finding = answer_of(rule, case)
        looked.append(Looked(rule, finding))
        if isinstance(finding, NotMet):
            continue
        if isinstance(finding, Met):
            return Weighing(rule.verdict, rule.name, rule, tuple(looked))
        return _unjudged(rule, finding, policy.rules[place + 1 :], looked, case)
    return Weighing(Verdict.WATCH, NO_RULE, None, tuple(looked))


def _corroborated(rule: Rule, finding: Finding, case: Case) -> Finding:
    """Met only if as many independent sources speak as the rule asks for; else a person is asked, and told which."""
    missing = lacking(rule.when, rule.independent, case) if isinstance(finding, Met) else None
    if missing is None:
        return finding
    return Unknown(missing.reason, missing.wants, (*finding.members, ("independent", missing)))


def _settles(finding: Finding) -> Iterator[str]:
    if isinstance(finding, Unknown):
        if finding.settles:
            yield finding.reason
        yield from (why for _, member in finding.members for why in _settles(member))


def answer_of(rule: Rule, case: Case) -> Finding:
    """What a rule answers on a case."""
    finding = ask(rule.when, case)
    return _corroborated(rule, finding, case) if rule.independent > 1 else finding


def _unjudged(rule: Rule, finding: Unknown, later: Sequence[Rule], looked: list[Looked], case: Case) -> Weighing:
    """
    A rule could not be judged (yet). Containment is still certain if this rule contains and, should it not
    hold, a later one is met that contains too. Otherwise a person is asked, about this rule's actions.
    """
    wants = finding.wants
    if not wants and rule.verdict is Verdict.CONTAIN:
        certain, wants = _certain_containment(later, looked, case)
        if certain:
            return Weighing(certain.verdict, certain.name, certain, tuple(looked))
    does = rule if _does_anything(rule) else _next_that_acts(later, case)
    return Weighing(Verdict.ASK, rule.name, does, tuple(looked), wants)


def _certain_containment(
    later: Iterable[Rule], looked: list[Looked], case: Case
) -> tuple[Rule | None, frozenset[PartName]]:
    """
    The rule that contains in every way the open ones may turn out; or what would help to find it.

    Only rules that contain, or are known not to hold, may lie in between: any other could come first.
    """
    for rule in later:
        finding = answer_of(rule, case)
        looked.append(Looked(rule, finding))
        match finding:
            case NotMet():
                continue
            case Met():
                return (rule if rule.verdict is Verdict.CONTAIN else None), frozenset()
            case Unknown(_, wants) if wants or rule.verdict is not Verdict.CONTAIN:
                return None, wants
            case Unknown():
                continue
    return None, frozenset()


def _next_that_acts(later: Iterable[Rule], case: Case) -> Rule | None:
    """What a person may approve where an unknown ignore or watch stands before the rule that would act."""
    for rule in later:
        if _does_anything(rule) and not isinstance(ask(rule.when, case), NotMet):
            return rule
    return None


def _does_anything(rule: Rule) -> bool:
    return bool(rule.actions or rule.ladder)


def _rule_answer(looked: Looked) -> RuleAnswer:
    rule = looked.rule
    return RuleAnswer(rule=rule.name, verdict=rule.verdict.value, finding=_answer(rule.when.name, looked.finding))


def _answer(condition: str, finding: Finding) -> ConditionAnswer:
    match finding:
        case Met():
            answer = "met"
        case NotMet():
            answer = "not-met"
        case Unknown():
            answer = "unknown"
    return ConditionAnswer(
        condition=condition,
        answer=answer,
        reason=one_line(finding.reason, _LONGEST_REASON),
        members=tuple(_answer(name, member) for name, member in finding.members),
    )
