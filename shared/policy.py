"""
The policy: what operators decided beforehand. Reads and checks the file; a mistake loads nothing.

All mistakes are told at once, each as "file:line: what is wrong; did you mean …". Rules are asked in the
order of the file. Limits are on even where the file does not mention them.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter

from shared.actions import contradiction
from shared.actions.interface import Tier
from shared.conditions import CONDITIONS, condition_named
from shared.conditions.changed_by_suspect import ChangedBySuspect
from shared.conditions.groups import All, AnyOf, Not, leaves
from shared.conditions.interface import Catalogued, Condition
from shared.conditions.settings import SETTINGS, Guid
from shared.conditions.signalled import Signalled, SourceName
from shared.errors import PolicyWrong
from shared.lined_yaml import Entry, Node, read_yaml
from shared.mistakes import Mistakes
from shared.origins import Origin, sources_of
from shared.owner_question import AskOwners
from shared.rungs import ACTIONS_OF, CHOSEN_BY_LADDER, DEFAULT, NO_LADDER, Ladder, Rung
from shared.signal import JsonObject
from shared.tautology import Truth, truth_of

if TYPE_CHECKING:
    from shared.samples import Sample

CheckOptions = Callable[[str, JsonObject], None]


class Verdict(StrEnum):
    """What is to be done about a case."""

    IGNORE = "ignore"  # nothing, with the reason on record
    WATCH = "watch"  # nothing now; people can see it
    ASK = "ask"  # the plan waits for a person
    CONTAIN = "contain"  # the plan is carried out


@dataclass(frozen=True, slots=True)
class ActionChoice:
    """An action by its name in the catalogue, and its options as the file gives them."""

    name: str
    options: JsonObject


@dataclass(frozen=True, slots=True)
class LinedSample:
    """A sample, and the line on which it stands in its file."""

    line: int
    sample: "Sample"


@dataclass(frozen=True, slots=True)
class Samples:
    """
    What one rule must decide on, what it must leave to others, and what it must ask a person about because it
    cannot be judged.
    """

    must_fire: tuple[LinedSample, ...] = ()
    must_not_fire: tuple[LinedSample, ...] = ()
    must_ask: tuple[LinedSample, ...] = ()

    def __len__(self) -> int:
        return len(self.must_fire) + len(self.must_not_fire) + len(self.must_ask)


NO_SAMPLES = Samples()


@dataclass(frozen=True, slots=True)
class Rule:
    """
    If `when` is met, the verdict is this. `contain` and `ask` have at least one action, or a ladder of which the case
    decides how far it is climbed; then `actions` are done beside it. `independent` sources have to speak before the
    rule counts as met. `samples` and `line` (in the file) are for whoever checks the policy, and take no part in a
    decision. `ask_owners`: whoever answers for the identity is asked about the plan that waits.
    """

    name: str
    when: Condition
    verdict: Verdict
    actions: tuple[ActionChoice, ...]
    samples: Samples = field(default=NO_SAMPLES, compare=False)
    line: int = field(default=0, compare=False)
    ladder: Ladder = NO_LADDER
    independent: int = 1
    ask_owners: AskOwners | None = None

    @property
    def may_do(self) -> frozenset[str]:
        """The names of all actions that it may come to."""
        climbed = (name for rung in self.ladder.rungs for name in ACTIONS_OF[rung])
        return frozenset((*(choice.name for choice in self.actions), *climbed))


Count = Annotated[int, Field(ge=1, le=5_000, strict=True)]


@dataclass(frozen=True, slots=True)
class ActionLimits:
    """How many actions of each tier (shared/actions/interface.py) may be carried out within an hour."""

    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    reversible: Count = 30
    """Sign-in blocked, applications deactivated, what Identity Protection is told."""
    credentials: Count = 20
    """Credentials removed for good."""
    grants: Count = 20
    """Roles, permissions, access to vaults, custody."""
    irreversible: Count = 1
    """Deletions for ever."""

    def by_tier(self) -> Mapping[Tier, int]:
        return {tier: int(getattr(self, tier.value)) for tier in Tier}


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be done within an hour before a person must confirm. Never off."""

    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    identities_per_hour: Annotated[int, Field(ge=1, le=800, strict=True)] = 5
    """Distinct identities within an hour."""
    percent_of_enabled_per_hour: Annotated[float, Field(gt=0, le=100, strict=True)] = 2
    """The same, of the tenant's enabled service principals; one is always allowed."""
    secrets_per_hour: Annotated[int, Field(ge=1, le=100_000, strict=True)] = 200
    """Secrets that are rotated: one tier of one plan goes whole, or waits for a person."""
    actions_per_hour: ActionLimits = field(default_factory=ActionLimits)
    """Distinct actions on distinct objects within an hour, by tier."""


def _is_said(reason: str) -> str:
    if not reason.strip():
        raise ValueError("is blank; say why")
    return reason


@dataclass(frozen=True, slots=True)
class Protected:
    """An identity that is never touched, by object or client id."""

    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    id: Guid
    """Its object id or client id."""
    reason: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_is_said)]
    """Why it must never be touched; it stands in the incident."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What was read. `digest` is the SHA-256 of the file's text, which every decision names."""

    version: int
    limits: Limits
    protected: tuple[Protected, ...]
    rules: tuple[Rule, ...]
    digest: str
    answers: dict[object, Any] = field(default_factory=dict[object, Any], init=False, compare=False, repr=False)

    @property
    def follows_changes(self) -> timedelta | None:
        """
        How far back a rule asks by whom an identity was changed at most. None: no rule does, so that nobody has to be
        told of what a suspect changed.
        """
        asked = (leaf for rule in self.rules for leaf in leaves(rule.when) if isinstance(leaf, ChangedBySuspect))
        return max((leaf.within for leaf in asked), default=None)

    def waits_for(self, source: SourceName) -> bool:
        """Whether a rule asks for a signal of this source by its name: one that such a signal can wake."""
        return any(_waits_for(rule.when, source) for rule in self.rules)


def _waits_for(condition: Condition, source: SourceName) -> bool:
    match condition:
        case All(members) | AnyOf(members):
            return any(_waits_for(member, source) for member in members)
        case Signalled(sources=sources):
            return source in sources
        case _:  # a rule that holds without such a signal waits for none
            return False


def load_policy(
    path: Path, action_names: Sequence[str], check_options: CheckOptions | None = None, *, with_samples: bool = True
) -> Policy:
    """
    Read the policy file. Raises PolicyWrong, also if there is none. Whoever only decides can leave the rules' samples
    unread: they take no part in it, and their form takes longer to make than the rest of the file to read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PolicyWrong((f"{path}:1: the file cannot be read ({error.strerror})",)) from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PolicyWrong((f"{path}:{line}: the file is not UTF-8; save it as UTF-8",)) from error
    return read_policy(text, str(path), action_names, check_options, with_samples=with_samples)


def read_policy(
    text: str,
    name: str,
    action_names: Sequence[str],
    check_options: CheckOptions | None = None,
    *,
    with_samples: bool = True,
) -> Policy:
    """
    Read a policy from its text; `name` stands before the line numbers. Raises PolicyWrong with every mistake.

    `check_options` raises ValueError for options that an action does not know.
    """
    reading = _Reading(Mistakes(name), action_names, check_options, with_samples=with_samples)
    policy = reading.policy(text)
    if reading.mistakes or policy is None:
        raise PolicyWrong(reading.mistakes.lines())
    return policy


@lru_cache(maxsize=128)
def _form_of(condition: type[Catalogued]) -> "TypeAdapter[Condition]":
    """Made once of each: making it takes far longer than checking settings by it."""
    return TypeAdapter[Condition](condition)


@lru_cache(maxsize=1)
def _form_of_samples() -> "TypeAdapter[Sample]":
    """Made when a file has samples: it takes a while."""
    from shared.samples import Sample

    return TypeAdapter(Sample)


_ASK_OWNERS = TypeAdapter(AskOwners)
_LETS_GO = "dismiss-risk"
_TOP = ("version", "limits", "protected", "rules")
_RULE = ("name", "when", "verdict", "actions", "ladder", "independent", "ask-owners", "samples")
_SAMPLES = ("must-fire", "must-not-fire", "must-ask")
_GROUPS = ("all", "any", "not")
_MOST_RULES, _MOST_MEMBERS, _MOST_CONDITIONS, _MOST_SAMPLES = 200, 50, 200, 50
_NAME = re.compile(r"(?=.{1,80}\Z)[a-z0-9]+(-[a-z0-9]+)*")


# What people write who know other languages of this sort.
_MEANT = {
    "or": "any",
    "one-of": "any",
    "and": "all",
    "all-of": "all",
    "none": "not",
    "block": "contain",
    "deny": "contain",
    "allow": "ignore",
    "skip": "ignore",
    "alert": "watch",
    "log": "watch",
    "monitor": "watch",
    "notify": "ask",
    "approve": "ask",
}


def _found_instead(node: Node) -> str:
    if node.entries:
        return "are several; put them under all: or any:"
    if node.items:
        return "is a list; put it under all: or any:"
    return "are none" if node.value in (None, {}, ()) else "is a number or a switch; name a condition of the catalogue"


def _why_no_group(items: Sequence[Node] | None) -> str:
    if items is None:
        return "begin each with a dash, or put them into [ ]"
    return f"it has {len(items)}, and {_MOST_MEMBERS} are allowed" if items else "an empty one would decide nothing"


class _Reading:
    """Reads part after part; what is wrong is noted, so that the next part is looked at as well."""

    def __init__(
        self, mistakes: Mistakes, action_names: Sequence[str], check_options: CheckOptions | None, *, with_samples: bool
    ) -> None:
        self.mistakes, self._with_samples = mistakes, with_samples
        self._actions, self._check_options = tuple(action_names), check_options
        self._conditions, self._alike = 0, dict[Condition, Condition]()

    def policy(self, text: str) -> Policy | None:
        root = read_yaml(text, self.mistakes.note_unread)
        if root is None:
            return None
        entries = self._mapping(root, "the file", _TOP)
        if entries is None:
            return None
        version = self._version(root, entries.get("version"))
        limits = self._limits(entries.get("limits"))
        protected = self._protected(entries.get("protected"))
        rules = self._rules(root, entries.get("rules"))
        if self.mistakes or limits is None:
            return None
        return Policy(version, limits, protected, rules, hashlib.sha256(text.encode()).hexdigest())

    # Sections

    def _version(self, root: Node, entry: Entry | None) -> int:
        if entry is None:
            self.mistakes.note(root.line, "version is missing; write version: 1")
        elif entry.node.value != 1 or isinstance(entry.node.value, bool):
            self.mistakes.note(entry.line, "this version of Cordon reads policies of version 1")
        return 1

    def _limits(self, entry: Entry | None) -> Limits | None:
        if entry is None:
            return Limits()
        return self.mistakes.checked(TypeAdapter(Limits), entry.node, "limits")

    def _protected(self, entry: Entry | None) -> tuple[Protected, ...]:
        if entry is None:
            return ()
        items = entry.node.items
        if items is None:
            self.mistakes.note(entry.line, "protected must be a list of {id, reason}")
            return ()
        found = [(item, self.mistakes.checked(TypeAdapter(Protected), item, "protected")) for item in items]
        seen: dict[str, int] = {}
        for item, protected in found:
            if protected is None:
                continue
            if protected.id in seen:
                self.mistakes.note(item.line, f"this id is protected already, on line {seen[protected.id]}")
            seen.setdefault(protected.id, item.line)
        return tuple(protected for _, protected in found if protected is not None)

    def _rules(self, root: Node, entry: Entry | None) -> tuple[Rule, ...]:
        items = entry.node.items if entry else None
        if entry is not None and items is None and entry.node.value is not None:
            self.mistakes.note(entry.line, "rules must be a list; begin each rule with a dash")
            return ()
        if entry is None or not items:
            self.mistakes.note(entry.line if entry else root.line, "rules is missing or empty; a policy has rules")
            return ()
        if len(items) > _MOST_RULES:
            self.mistakes.note(entry.line, f"{len(items)} rules are too many; {_MOST_RULES} are allowed")
            return ()
        rules: list[Rule] = []
        lines: dict[str, int] = {}
        for item in items:
            rule = self._rule(item, lines)
            if rule is None:
                continue
            twin = next((other for other in rules if other.when == rule.when), None)
            if twin:
                self.mistakes.note(item.line, f"rule {rule.name} asks the same as {twin.name}, so it is never reached")
            rules.append(rule)
        return tuple(rules)

    # One rule

    def _rule(self, node: Node, lines: dict[str, int]) -> Rule | None:
        entries = self._mapping(node, "a rule", _RULE)
        if entries is None:
            return None
        name = self._name(node, entries.get("name"), lines)
        verdict = self._verdict(node, name, entries.get("verdict"))
        actions, ladder = self._action_choices(entries.get("actions")), self._ladder(entries.get("ladder"))
        self._actions_fit(node, name, verdict, entries)
        when = self._when(node, name, entries.get("when"))
        samples = self._samples(name, entries.get("samples"))
        if verdict is None or when is None:
            return None
        independent = self._independent(name, verdict, when, entries.get("independent"))
        owners = self._ask_owners(name, verdict, actions, entries.get("ask-owners"))
        return Rule(name, when, verdict, actions, samples, node.line, ladder, independent, owners)

    def _name(self, node: Node, entry: Entry | None, lines: dict[str, int]) -> str:
        name = entry.node.value if entry else None
        if entry is None or not isinstance(name, str) or not _NAME.fullmatch(name):
            what = "small letters, digits and dashes between them, 80 at most"
            told = f"a rule needs a name such as leaked-credential: {what}"
            self.mistakes.note(entry.line if entry else node.line, told)
            return "without a name"
        if name in lines:
            self.mistakes.note(entry.line, f"rule {name} is there already, on line {lines[name]}")
        lines.setdefault(name, entry.line)
        return name

    def _verdict(self, node: Node, name: str, entry: Entry | None) -> Verdict | None:
        verdicts = [verdict.value for verdict in Verdict]
        given = entry.node.value if entry else None
        if entry is None:
            self.mistakes.note(node.line, f"rule {name} has no verdict: {', '.join(verdicts)}")
        elif not isinstance(given, str) or given not in verdicts:
            self.mistakes.unknown(entry.line, "verdict", given, verdicts, _MEANT)
        else:
            return Verdict(given)
        return None

    def _when(self, node: Node, name: str, entry: Entry | None) -> Condition | None:
        if entry is None or entry.node.value is None:
            self.mistakes.note(entry.line if entry else node.line, f"rule {name} has no when, so it would always hold")
            return None
        when = self._condition(entry.node)
        if when is None:
            return None
        match truth_of(when):
            case Truth.ALWAYS:
                self.mistakes.note(entry.line, f"rule {name} would always hold, whatever the case")
            case Truth.NEVER:
                self.mistakes.note(entry.line, f"rule {name} can never hold, whatever the case")
            case Truth.TANGLED:
                self.mistakes.note(entry.line, f"rule {name} is too tangled to be checked; split it into several")
            case Truth.DEPENDS:
                pass
        return when

    # Conditions

    def _condition(self, node: Node) -> Condition | None:
        """Conditions that are alike are one object, so that a case is asked once for all rules (`interface.ask`)."""
        made = self._one_condition(node)
        return None if made is None else self._alike.setdefault(made, made)

    def _one_condition(self, node: Node) -> Condition | None:
        """`name`, or `{name: settings}`, or a group of conditions."""
        self._conditions += 1
        if self._conditions == _MOST_CONDITIONS + 1:
            self.mistakes.note(node.line, f"the policy has more than {_MOST_CONDITIONS} conditions")
        if self._conditions > _MOST_CONDITIONS:
            return None
        if isinstance(node.value, str):
            return self._catalogued(node.value, Node(node.line, {}), node.line)
        entries = node.entries
        if entries is None or len(entries) != 1:
            self.mistakes.note(node.line, f"one condition is expected here, and there {_found_instead(node)}")
            return None
        ((name, entry),) = entries.items()
        match name:
            case "all" | "any":
                return self._group(name, entry)
            case "not":
                member = self._condition(entry.node)
                return None if member is None else Not(member)
            case _:
                return self._catalogued(name, entry.node, entry.line)

    def _group(self, name: str, entry: Entry) -> Condition | None:
        items = entry.node.items
        if not items or len(items) > _MOST_MEMBERS:
            self.mistakes.note(entry.line, f"{name} needs a list of conditions; {_why_no_group(items)}")
            return None
        members = [self._condition(item) for item in items]
        known = tuple(member for member in members if member is not None)
        if len(known) != len(members):
            return None
        return All(known) if name == "all" else AnyOf(known)

    def _catalogued(self, name: str, settings: Node, line: int) -> Condition | None:
        condition = condition_named(name)
        if condition is None:
            names = [*(each.name for each in CONDITIONS), *_GROUPS]
            self.mistakes.unknown(line, "condition", name, names, _MEANT)
            return None
        given = Node(settings.line, {}) if settings.value is None else settings
        return self.mistakes.checked(_form_of(condition), given, name, line)

    # Actions

    def _action_choices(self, entry: Entry | None) -> tuple[ActionChoice, ...]:
        if entry is None:
            return ()
        items = entry.node.items
        if items is None:
            self.mistakes.note(entry.line, "actions must be a list")
            return ()
        choices: list[ActionChoice] = []
        for item in items:
            choice = self._action(item)
            if choice and choice.name in {other.name for other in choices}:
                self.mistakes.note(item.line, f"action {choice.name} is chosen twice")
            elif choice:
                choices.append(choice)
        return tuple(choices)

    def _action(self, node: Node) -> ActionChoice | None:
        """`name`, or `{name: options}`."""
        name, options, line = node.value, Node(node.line, {}), node.line
        if node.entries is not None and len(node.entries) == 1:
            ((name, entry),) = node.entries.items()
            options, line = entry.node, entry.line
        if node.entries is not None and len(node.entries) > 1:
            self.mistakes.note(line, "one action is expected here, and there are several; begin each with a dash")
            return None
        if not isinstance(name, str) or name not in self._actions:
            self.mistakes.unknown(line, "action", name, self._actions)
            return None
        plain = {} if options.value is None else options.plain()
        if not isinstance(plain, dict):
            self.mistakes.note(line, f"the options of {name} must be a mapping")
            return None
        self._check(name, plain, line)
        return ActionChoice(name, plain)

    def _check(self, name: str, options: JsonObject, line: int) -> None:
        if self._check_options is None:
            return
        try:
            self._check_options(name, options)
        except ValueError as problem:
            self.mistakes.note(line, str(problem))

    def _actions_fit(self, node: Node, name: str, verdict: Verdict | None, entries: Mapping[str, Entry]) -> None:
        actions, ladder = entries.get("actions"), entries.get("ladder")
        if actions and actions.node.items is None:
            return  # said already
        given = bool(actions and actions.node.items)
        if actions and (why := contradiction(named for item in actions.node.items or () if (named := _name_of(item)))):
            self.mistakes.note(actions.line, f"rule {name}: {why}")
        if verdict in (Verdict.CONTAIN, Verdict.ASK) and not given and ladder is None:
            self.mistakes.note(node.line, f"rule {name} says {verdict}, but names no action")
        elif verdict in (Verdict.IGNORE, Verdict.WATCH) and given:
            self.mistakes.note(node.line, f"rule {name} says {verdict}, so its actions would never be carried out")
        if ladder is None:
            return
        if verdict in (Verdict.IGNORE, Verdict.WATCH):
            self.mistakes.note(ladder.line, f"rule {name} says {verdict}, so its ladder would never be climbed")
        for item in (actions.node.items or ()) if actions else ():
            if (doubled := _name_of(item)) in CHOSEN_BY_LADDER:
                self.mistakes.note(item.line, f"{doubled} is for the ladder to choose; take it out, or the ladder")

    # How far, and on whose word

    def _ladder(self, entry: Entry | None) -> Ladder:
        """`default`, or a list of rungs from the mildest to the strongest."""
        if entry is None:
            return NO_LADDER
        if entry.node.value == "default":
            return DEFAULT
        items, known = entry.node.items, [rung.value for rung in Rung]
        if not items:
            self.mistakes.note(entry.line, f"ladder is default, or a list of rungs: {', '.join(known)}")
            return NO_LADDER
        rungs = list[Rung]()
        for item in items:
            if not isinstance(item.value, str) or item.value not in known:
                self.mistakes.unknown(item.line, "rung", item.value, known)
            elif rungs and known.index(item.value) <= known.index(rungs[-1]):
                self.mistakes.note(item.line, f"a ladder goes up: {item.value} stands before {rungs[-1]}, and once")
            else:
                rungs.append(Rung(item.value))
        return Ladder(tuple(rungs))

    def _independent(self, name: str, verdict: Verdict, when: Condition, entry: Entry | None) -> int:
        """How many sources have to speak; no more than there are among the rule's own conditions."""
        if entry is None:
            return 1
        asked, most = entry.node.value, len(sources_of(when))
        if isinstance(asked, bool) or not isinstance(asked, int) or not 2 <= asked <= len(Origin):
            self.mistakes.note(
                entry.line, f"independent is a number from 2 to {len(Origin)}: so many sources must speak"
            )
        elif verdict is not Verdict.CONTAIN:
            self.mistakes.note(entry.line, f"rule {name} says {verdict}; independent is for rules that contain")
        elif asked > most:
            self.mistakes.note(
                entry.line,
                f"rule {name} asks for {asked} independent sources, and its conditions come from {most}; add one of "
                f"another source, for example under any: ({', '.join(origin.value for origin in Origin)})",
            )
        else:
            return asked
        return 1

    def _ask_owners(
        self, name: str, verdict: Verdict, actions: Sequence[ActionChoice], entry: Entry | None
    ) -> AskOwners | None:
        if entry is None:
            return None
        if verdict is not Verdict.ASK:
            self.mistakes.note(entry.line, f"rule {name} says {verdict}; ask-owners is for rules that ask")
            return None
        found = self.mistakes.checked(_ASK_OWNERS, entry.node, f"ask-owners of rule {name}", entry.line)
        if found is not None and found.then == "contain" and any(each.name == _LETS_GO for each in actions):
            told = f"rule {name} would dismiss the risk if nobody answers: silence clears nobody; write then: escalate"
            self.mistakes.note(entry.line, told)
        return found

    # Samples

    def _samples(self, name: str, entry: Entry | None) -> Samples:
        if entry is None or not self._with_samples:
            return NO_SAMPLES
        entries = self._mapping(entry.node, f"samples of rule {name}", _SAMPLES)
        if entries is None:
            return NO_SAMPLES
        return Samples(*(self._samples_of(name, each, entries.get(each)) for each in _SAMPLES))

    def _samples_of(self, name: str, sort: str, entry: Entry | None) -> tuple[LinedSample, ...]:
        if entry is None:
            return ()
        items = entry.node.items
        if not items or len(items) > _MOST_SAMPLES:
            why = f"it has {len(items)}, and {_MOST_SAMPLES} are allowed" if items else "leave it out, or name one"
            self.mistakes.note(entry.line, f"{sort} of rule {name} must be a list of samples; {why}")
            return ()
        read = [(item.line, self.mistakes.checked(_form_of_samples(), item, sort)) for item in items]
        return tuple(LinedSample(line, sample) for line, sample in read if sample is not None)

    # Both

    def _mapping(self, node: Node, what: str, names: Sequence[str]) -> Mapping[str, Entry] | None:
        entries = node.entries
        if entries is None:
            self.mistakes.note(node.line, f"{what} must be a mapping with {', '.join(names)}")
            return None
        for name, entry in entries.items():
            if name not in names:
                self.mistakes.unknown(entry.line, "key", name, names)
        return entries


def _name_of(action: Node) -> str | None:
    """What an entry of actions names, rightly spelled or not."""
    named = next(iter(action.entries), None) if action.entries else action.value
    return named if isinstance(named, str) else None
