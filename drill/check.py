"""
Checks a policy for whoever writes it: its samples, rules that never decide, and what it takes to read.

Exit codes: 0 where all samples pass and every rule can decide as far as is known, 1 where one does not, 2 where the
file cannot be read as a policy.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shared.actions import check_policy_action, choosable
from shared.case import PartName
from shared.conditions.interface import Finding, Member, Met, NotMet, Unknown
from shared.errors import PolicyWrong
from shared.part_needs import PART_NEEDS
from shared.policy import load_policy
from shared.policy_check import PolicyChecked, RuleChecked, check_policy
from shared.reach import Shadowed
from shared.sample_checks import Checked
from shared.untrusted import one_line

GOOD, OTHERWISE, UNUSABLE = 0, 1, 2
_REASON = 300
_WORDS = {Met: "met", NotMet: "not met", Unknown: "unknown"}


def check(file: Path, *, as_json: bool) -> int:
    """Print what there is to say, and give the exit code."""
    try:
        policy = load_policy(file, choosable(), check_policy_action)
    except PolicyWrong as wrong:
        if as_json:
            print(
                json.dumps(
                    {"file": str(file), "holds": False, "mistakes": [*wrong.problems]}, indent=2, ensure_ascii=False
                )
            )
        else:
            print(wrong, file=sys.stderr)
        return UNUSABLE
    checked = check_policy(policy)
    print(json.dumps(as_data(file, checked), indent=2, ensure_ascii=False) if as_json else as_text(file, checked))
    return GOOD if checked.holds else OTHERWISE


# As a text


def as_text(file: Path, checked: PolicyChecked) -> str:
    """The report that people read."""
    return "\n".join([*_head(file, checked), "", *_rules(file, checked), "", *_needs(checked), "", *_end(checked)])


def _head(file: Path, checked: PolicyChecked) -> Iterator[str]:
    count = sum(len(rule.samples) for rule in checked.rules)
    yield f"{file}: {len(checked.rules)} rules, {count} samples"


def _rules(file: Path, checked: PolicyChecked) -> Iterator[str]:
    for rule in checked.rules:
        yield f"  {rule.rule.name} ({rule.rule.verdict}, line {rule.rule.line}): {_state(rule)}"
        if rule.shadow is not None:
            yield f"    {file}:{rule.rule.line}: {never(rule.shadow)}"
        for each in rule.failed:
            yield from _failure(file, each)


def _state(rule: RuleChecked) -> str:
    if not rule.samples:
        return "no samples"
    count = len(rule.samples)
    return f"{count} samples pass" if not rule.failed else f"{len(rule.failed)} of {count} samples fail"


def never(shadow: Shadowed) -> str:
    """Why a rule never decides, and what to do about it."""
    if not shadow.by:
        return "this rule can never hold, whatever the case: its conditions exclude each other"
    if len(shadow.by) == 1:
        return f"this rule never decides: {shadow.by[0]} stands before it and holds whenever it does; put it before"
    return "this rule never decides: whenever it holds, one of the rules before it does; put it before them"


def _failure(file: Path, checked: Checked) -> Iterator[str]:
    about = f" “{checked.sample.sample.about}”" if checked.sample.sample.about else ""
    yield f"    {file}:{checked.sample.line}: {checked.wanted}{about}: {one_line(checked.problem or '', _REASON)}"
    shown = {checked.rule.name, checked.judged.weighing.rule}
    for looked in checked.judged.weighing.looked:
        if looked.rule.name in shown:
            yield from _answers(f"{looked.rule.name}: {looked.rule.when.name}", looked.finding, "      ")


def _answers(name: str, finding: Finding, indent: str) -> Iterator[str]:
    """What each condition answered, groups before their members."""
    reason = "" if finding.members else f": {one_line(finding.reason, _REASON)}"
    yield f"{indent}{name} {_WORDS[type(finding)]}{reason}"
    for inner, found in finding.members:
        yield from _answers(inner, found, f"{indent}  ")


def _needs(checked: PolicyChecked) -> Iterator[str]:
    yield "What its conditions read:"
    for part in checked.parts:
        needs = PART_NEEDS[part]
        yield f"  {_name(part)}: {needs.what}{f' ({needs.late} late)' if needs.late else ''}"
        if needs.licence:
            yield f"    licence: {needs.licence}; without it {needs.without}"
    yield f"Permissions of the reader: {', '.join(checked.permissions)}"
    doubts = [(rule, doubt) for rule in checked.rules for doubt in rule.doubts]
    if doubts:
        yield "A person is asked although all of it was read, where"
    for when in dict.fromkeys(doubt.when for _, doubt in doubts):
        rules = dict.fromkeys(rule.rule.name for rule, doubt in doubts if doubt.when == when)
        yield f"  {when} ({', '.join(rules)})"


def _end(checked: PolicyChecked) -> Iterator[str]:
    if checked.bare:
        names = ", ".join(rule.rule.name for rule in checked.bare)
        yield f"Without samples: {names}. Say what they are for (docs/policy.md)."
    if checked.holds:
        yield "All samples pass, and every rule can decide."
        return
    failed, stuck = len(checked.failed), len(checked.never)
    yield f"{failed} sample{'' if failed == 1 else 's'} failed, {stuck} rule{'' if stuck == 1 else 's'} never decided."


def _name(part: PartName) -> str:
    return part.value.replace("_", " ")


# As data


def as_data(file: Path, checked: PolicyChecked) -> dict[str, Any]:
    """The same for programs."""
    return {
        "file": str(file),
        "digest": checked.policy.digest,
        "holds": checked.holds,
        "rules": [_rule_data(rule) for rule in checked.rules],
        "needs": {
            "permissions": [*checked.permissions],
            "licences": [*checked.licences],
            "parts": [_part_data(part) for part in checked.parts],
        },
    }


def _rule_data(rule: RuleChecked) -> dict[str, Any]:
    return {
        "name": rule.rule.name,
        "line": rule.rule.line,
        "verdict": rule.rule.verdict.value,
        "neverDecides": None if rule.shadow is None else {"because": never(rule.shadow), "rules": [*rule.shadow.by]},
        "reads": [_name(part) for part in rule.parts],
        "unknownWhen": [{"condition": doubt.condition, "when": doubt.when} for doubt in rule.doubts],
        "samples": [_sample_data(each) for each in rule.samples],
    }


def _sample_data(checked: Checked) -> dict[str, Any]:
    weighing = checked.judged.weighing
    return {
        "wanted": checked.wanted.value,
        "line": checked.sample.line,
        "about": checked.sample.sample.about,
        "passes": checked.passes,
        "problem": checked.problem,
        "decidedBy": weighing.rule,
        "verdict": weighing.verdict.value,
        "read": [_name(part) for part in checked.judged.read],
        "answers": [{"rule": e.rule.name, **_finding_data((e.rule.when.name, e.finding))} for e in weighing.looked],
    }


def _finding_data(member: Member) -> dict[str, Any]:
    name, finding = member
    return {
        "condition": name,
        "answer": _WORDS[type(finding)],
        "reason": one_line(finding.reason, _REASON),
        "members": [_finding_data(each) for each in finding.members],
    }


def _part_data(part: PartName) -> dict[str, Any]:
    needs = PART_NEEDS[part]
    return {
        "part": _name(part),
        "what": needs.what,
        "permissions": [*needs.permissions],
        "licence": needs.licence,
        "without": needs.without,
        "late": needs.late,
    }
