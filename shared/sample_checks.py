"""
Whether a policy keeps to the samples in its rules. Pure.

A sample is judged as the engine judges an incident: what a rule asks for is read one part after the other, cheapest
first, until the decision is clear.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from enum import StrEnum

from shared.case import CASE_PARTS, Case, CouldNotLook, NotLooked, PartName
from shared.conditions.interface import Finding, Met, NotMet, Unknown
from shared.decision import NO_RULE, Weighing, weigh
from shared.policy import LinedSample, Policy, Rule, Verdict
from shared.sample_cases import case_of
from shared.samples import Sample

_UNTOLD = CouldNotLook("samples cannot tell this")


class Wanted(StrEnum):
    """What a sample wants of its rule. Values are the policy's words."""

    FIRE = "must-fire"  # it decides, with its verdict
    NOT_FIRE = "must-not-fire"  # another rule decides, or none
    ASK = "must-ask"  # it cannot be judged, so a person is asked


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of a sample under the whole policy, and which parts of the case that took."""

    weighing: Weighing
    read: tuple[PartName, ...]

    def finding_of(self, rule: Rule) -> Finding | None:
        """What this rule answered; None where an earlier one decided."""
        return next((each.finding for each in self.weighing.looked if each.rule.name == rule.name), None)


@dataclass(frozen=True, slots=True)
class Checked:
    """A sample of a rule, what came of it, and why that is not what it wants: None if it is."""

    rule: Rule
    wanted: Wanted
    sample: LinedSample
    judged: Judged
    problem: str | None

    @property
    def passes(self) -> bool:
        return self.problem is None


def check_samples(policy: Policy) -> tuple[Checked, ...]:
    """All samples of all rules, in the order of the file."""
    return tuple(each for rule in policy.rules for each in _of_rule(policy, rule))


def _of_rule(policy: Policy, rule: Rule) -> Iterator[Checked]:
    samples = rule.samples
    for wanted, given in (
        (Wanted.FIRE, samples.must_fire),
        (Wanted.NOT_FIRE, samples.must_not_fire),
        (Wanted.ASK, samples.must_ask),
    ):
        for sample in given:
            judged = judge(policy, sample.sample)
            yield Checked(rule, wanted, sample, judged, _problem(rule, wanted, judged))


def judge(policy: Policy, sample: Sample) -> Judged:
    """Decide on a sample. The identity and what it holds are read in any case, as in an investigation."""
    whole = case_of(sample)
    read = [PartName.IDENTITY, PartName.GRANTS]
    case = _with(_nothing_read(whole), whole, *read)
    weighing = weigh(policy, case)
    while (part := _next(case, weighing)) is not None:
        read.append(part)
        case = _with(case, whole, part)
        weighing = weigh(policy, case)
    return Judged(weighing, tuple(read))


def _nothing_read(whole: Case) -> Case:
    parts = {part.value: NotLooked() for part in PartName if part.value in {each.name for each in fields(Case)}}
    return replace(whole, **parts)  # pyright: ignore[reportArgumentType]


def _with(case: Case, whole: Case, *parts: PartName) -> Case:
    """A part that samples have no words for cannot be looked at either."""
    found = {part.value: getattr(whole, part.value) for part in parts}
    return replace(case, **{name: _UNTOLD if isinstance(part, NotLooked) else part for name, part in found.items()})


def _next(case: Case, weighing: Weighing) -> PartName | None:
    """The cheapest part that could still change the decision."""
    wanted = (part for part in CASE_PARTS if part in weighing.wants)
    return next((part for part in wanted if isinstance(getattr(case, part.value), NotLooked)), None)


def _problem(rule: Rule, wanted: Wanted, judged: Judged) -> str | None:
    weighing, finding = judged.weighing, judged.finding_of(rule)
    decides = weighing.rule == rule.name
    match wanted:
        case Wanted.FIRE if decides and isinstance(finding, Met) and weighing.verdict is rule.verdict:
            return None
        case Wanted.ASK if decides and isinstance(finding, Unknown) and weighing.verdict is Verdict.ASK:
            return None
        case Wanted.NOT_FIRE if not decides:
            return None
        case _:
            return _instead(rule, weighing, finding)


def _instead(rule: Rule, weighing: Weighing, finding: Finding | None) -> str:
    """What happens instead, and why this rule did not do what it should, or did."""
    if weighing.rule == rule.name:
        if isinstance(finding, Unknown):
            return f"it cannot be judged, so a person is asked: {finding.reason}"
        return f"it decides ({weighing.verdict}): {finding.reason if finding else 'its condition is met'}"
    if weighing.rule == NO_RULE:
        return f"no rule decides; this one does not hold: {finding.reason if finding else ''}"
    instead = f"rule {weighing.rule} decides ({weighing.verdict})"
    match finding:
        case None:
            return f"{instead}, and stands before this one"
        case NotMet(reason):
            return f"{instead}; this one does not hold: {reason}"
        case Unknown(reason):
            return f"{instead}; this one cannot be judged: {reason}"
        case Met(reason):
            return f"{instead}; this one holds as well: {reason}"
