"""
What can be said of a policy before it decides: whether it keeps to its samples, which rules never decide, and what its
conditions take to read. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from shared.case import CASE_PARTS, PartName
from shared.conditions import condition_named, needs_for, reads_for
from shared.conditions.groups import leaves
from shared.conditions.interface import Condition
from shared.part_needs import PART_NEEDS
from shared.policy import Policy, Rule
from shared.reach import Shadowed, shadowed
from shared.sample_checks import Checked, check_samples

_ALWAYS_READ = frozenset({PartName.IDENTITY, PartName.GRANTS})


@dataclass(frozen=True, slots=True)
class Doubt:
    """When a condition of a rule cannot be judged, so that a person is asked."""

    condition: str
    when: str


@dataclass(frozen=True, slots=True)
class RuleChecked:
    """One rule. `parts` are those of a case that its conditions may ask for."""

    rule: Rule
    samples: tuple[Checked, ...]
    shadow: Shadowed | None
    parts: tuple[PartName, ...]
    doubts: tuple[Doubt, ...]

    @property
    def failed(self) -> tuple[Checked, ...]:
        return tuple(each for each in self.samples if not each.passes)


@dataclass(frozen=True, slots=True)
class PolicyChecked:
    """The whole policy. `permissions` are the reader's, `licences` the tenant's."""

    policy: Policy
    rules: tuple[RuleChecked, ...]
    parts: tuple[PartName, ...]
    permissions: tuple[str, ...]
    licences: tuple[str, ...]

    @property
    def failed(self) -> tuple[Checked, ...]:
        return tuple(each for rule in self.rules for each in rule.failed)

    @property
    def never(self) -> tuple[Shadowed, ...]:
        return tuple(rule.shadow for rule in self.rules if rule.shadow is not None)

    @property
    def bare(self) -> tuple[RuleChecked, ...]:
        """Rules that nobody has said anything about."""
        return tuple(rule for rule in self.rules if not rule.samples)

    @property
    def holds(self) -> bool:
        """All samples pass, and every rule can decide as far as is known."""
        return not self.failed and not self.never


def check_policy(policy: Policy) -> PolicyChecked:
    """Try all samples, and look at every rule."""
    samples, shadows = check_samples(policy), {each.rule.name: each for each in shadowed(policy)}
    rules = tuple(
        RuleChecked(
            rule,
            tuple(each for each in samples if each.rule.name == rule.name),
            shadows.get(rule.name),
            _parts(rule.when),
            tuple(_doubts(rule.when)),
        )
        for rule in policy.rules
    )
    parts = _ordered(_ALWAYS_READ.union(*(rule.parts for rule in rules)))
    return PolicyChecked(policy, rules, parts, _permissions(policy, parts), _licences(parts))


def _ordered(parts: frozenset[PartName]) -> tuple[PartName, ...]:
    return tuple(part for part in CASE_PARTS if part in parts)


def _parts(when: Condition) -> tuple[PartName, ...]:
    return _ordered(frozenset(part for leaf in leaves(when) for part in needs_for(leaf)))


def _doubts(when: Condition) -> Iterator[Doubt]:
    names = dict.fromkeys(leaf.name for leaf in leaves(when))
    for name in names:
        entry = condition_named(name)
        if entry is not None and entry.unknown_when:
            yield Doubt(name, entry.unknown_when)


def _permissions(policy: Policy, parts: tuple[PartName, ...]) -> tuple[str, ...]:
    beyond = {name for rule in policy.rules for leaf in leaves(rule.when) for name in reads_for(leaf)}
    return tuple(sorted(beyond.union(*(PART_NEEDS[part].permissions for part in parts))))


def _licences(parts: tuple[PartName, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(licence for part in parts if (licence := PART_NEEDS[part].licence)))
