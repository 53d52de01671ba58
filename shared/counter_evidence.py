"""
The decision weighed once more: what speaks for it, what speaks against it, what would turn it, and what nobody knows.
Pure.

It is for the person who reads it, and changes no verdict. What speaks against is only what is known: a level of risk
that is hidden, or a log that was not read, speaks for nobody. What would turn it is found by asking the policy again
with one condition's answer changed, bounded; a condition of which the other answer changes nothing is left out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import cast

from shared.baseline import Feature
from shared.case import CASE_PARTS, Case, CouldNotLook, IdentityState, Known
from shared.conditions.declared_change import ExplainedByDeclaration
from shared.conditions.groups import All, AnyOf, Not, leaves
from shared.conditions.interface import Condition, Finding, Met, NotMet, Unknown, ask
from shared.conditions.new_sign_in import SignedInAsNever
from shared.conditions.records import BOTH, changes_about, unread
from shared.conditions.settings import utc
from shared.decision import Decision, Weighing, weigh
from shared.entries import ConditionAnswer, Flip, WeighedUp
from shared.ladder import expectation
from shared.policy import Policy, Rule, Verdict
from shared.untrusted import one_line

_MOST_ASKED = 40  # conditions whose other answer is tried
_MOST_TOLD = 12
_LONGEST = 300
_LONG_STANDING = timedelta(days=90)
_GROUPS = ("all", "any", "not")
_LOW = "low"
_FIXED = frozenset({"identity-kind"})  # what it is will not turn out otherwise


def weigh_up(policy: Policy, case: Case, decision: Decision) -> WeighedUp | None:
    """The decision's reasons for and against, in the journal's words; None where nothing is to be done."""
    if decision.verdict not in (Verdict.CONTAIN, Verdict.ASK):
        return None
    deciding = [each.finding for each in decision.rules if each.rule == decision.rule]
    flips = list(_flips(policy, case, decision)) if _was_weighed(decision) else []
    return WeighedUp(
        reasons_for=_told(f"{each.condition}: {each.reason}" for each in _accusing(deciding) if each.answer == "met"),
        against=_told(_against(policy, case, decision)),
        flips=tuple(flips[:_MOST_TOLD]),
        unknown=_told(_unknown(case, decision)),
    )


def _was_weighed(decision: Decision) -> bool:
    """A person's order does not hang on what the policy says."""
    return decision.rule in {each.rule for each in decision.rules} or not decision.actions


def _told(texts: Iterator[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one_line(each, _LONGEST) for each in texts))[:_MOST_TOLD]


def _accusing(answers: Sequence[ConditionAnswer]) -> Iterator[ConditionAnswer]:
    """The answers of single conditions that stand under no `not`."""
    for answer in answers:
        if answer.condition not in _GROUPS:
            yield answer
        elif answer.condition != "not":
            yield from _accusing(answer.members)


# Against


def _against(policy: Policy, case: Case, decision: Decision) -> Iterator[str]:
    """Only what is known; whatever could not be read speaks for nobody."""
    deciding = [each.finding for each in decision.rules if each.rule == decision.rule]
    yield from (f"{each.condition}: {each.reason}" for each in _accusing(deciding) if each.answer == "not-met")
    if isinstance(case.identity, Known):
        state = case.identity.value
        yield from _by_changes(policy, case, state)
        yield from _by_origin(state)
        yield from _by_age(case, state)
        if not state.enabled:
            yield "its sign-in is blocked already"
    yield from _by_sign_ins(case)
    yield from _by_level(case)


def _by_changes(policy: Policy, case: Case, state: IdentityState) -> Iterator[str]:
    """Changes that were declared, or made by those of whom the policy expects them."""
    for rule in policy.rules:
        for leaf in leaves(rule.when):
            if isinstance(leaf, ExplainedByDeclaration) and isinstance(found := ask(leaf, case), Met):
                yield f"declared-change: {found.reason}"
    made = changes_about(case, state)
    is_expected = expectation(policy)
    if made and unread(case, BOTH) is None and all(map(is_expected, made)):
        yield f"all {len(made)} changes on it were made by those of whom the policy expects them"


def _by_origin(state: IdentityState) -> Iterator[str]:
    found = state.provenance
    if found is not None and found.publisher_id:
        yield f"its publisher is verified ({found.publisher_name or found.publisher_id})"
    if found is not None and found.template_id:
        yield "it comes from the gallery"


def _by_age(case: Case, state: IdentityState) -> Iterator[str]:
    """Credentials that are old by their start and that the log tells no addition of: a start alone proves nothing."""
    starts = [each.start for holder in state.holders for each in (*holder.passwords, *holder.keys)]
    known = [start for start in starts if start is not None]
    if not known or len(known) < len(starts) or not isinstance(case.audits, Known):
        return
    added = any(change.credentials for change in changes_about(case, state))
    if not added and case.now - max(known) > _LONG_STANDING:
        yield f"its credentials are long-standing: the newest is of {utc(max(known))}, and the log tells of none added"


def _by_sign_ins(case: Case) -> Iterator[str]:
    found = SignedInAsNever((Feature.NETWORK, Feature.COUNTRY)).check(case)
    if isinstance(found, NotMet) and not found.reason.startswith("none of 0 "):
        yield f"its sign-ins come from networks and countries known from its past ({found.reason})"


def _by_level(case: Case) -> Iterator[str]:
    """Low is a level that Entra gives; hidden, none of the known ones, or no answer is not."""
    found = case.detections.value if isinstance(case.detections, Known) else ()
    if found and all(each.level == _LOW for each in found):
        yield f"Identity Protection rates all {len(found)} detections as low"


# What would turn it


@dataclass(slots=True)
class _Book:
    """What each condition answers, asked once, by its place; one of the answers may be changed."""

    case: Case
    places: dict[Condition, int] = field(default_factory=dict[Condition, int])
    answers: list[Finding | None] = field(default_factory=list[Finding | None])

    def place(self, condition: Condition) -> int:
        found = self.places.setdefault(condition, len(self.places))
        if found == len(self.answers):
            self.answers.append(None)
        return found

    def answer(self, place: int, condition: Condition) -> Finding:
        found = self.answers[place]
        if found is None:
            found = self.answers[place] = ask(condition, self.case)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """A condition whose answer stands in the book; `asked` is the condition itself."""

    asked: Condition
    book: _Book
    place: int
    name: str

    def check(self, case: Case) -> Finding:
        return self.book.answer(self.place, self.asked)


def _flips(policy: Policy, case: Case, decision: Decision) -> Iterator[Flip]:
    """The conditions of the rules that were looked at of which another answer leads to another verdict."""
    looked = {each.rule for each in decision.rules}
    singles = dict.fromkeys(leaf for rule in policy.rules if rule.name in looked for leaf in leaves(rule.when))
    tried = [leaf for leaf in singles if leaf.name not in _FIXED][:_MOST_ASKED]
    if not tried:
        return
    book = _Book(case)
    asked = replace(policy, rules=tuple(_through(rule, book) for rule in policy.rules))
    before = _weighed_anew(asked, case).verdict
    for leaf in tried:
        place = book.place(leaf)
        answer = book.answer(place, leaf)
        for now, other, finding in _others(answer):
            book.answers[place] = finding
            found = _weighed_anew(asked, case)
            book.answers[place] = answer
            if found.verdict is not before or found.wants:
                verdict = "open" if found.wants else found.verdict.value
                yield Flip.model_validate(
                    {"condition": leaf.name, "now": now, "supposed": other, "verdict": verdict, "rule": found.rule}
                )


def _weighed_anew(policy: Policy, case: Case) -> Weighing:
    """By a case that nobody was asked about: what is supposed would otherwise be kept beside it."""
    return weigh(policy, replace(case))


def _others(finding: Finding) -> tuple[tuple[str, str, Finding], ...]:
    why = "supposed"
    match finding:
        case Met():
            return (("met", "not-met", NotMet(why)),)
        case NotMet():
            return (("not-met", "met", Met(why)),)
        case Unknown():
            return (("unknown", "met", Met(why)), ("unknown", "not-met", NotMet(why)))


def _through(rule: Rule, book: _Book) -> Rule:
    return replace(rule, when=_rebuilt(rule.when, book))


def _rebuilt(condition: Condition, book: _Book) -> Condition:
    match condition:
        case All(members):
            return All(tuple(_rebuilt(member, book) for member in members))
        case AnyOf(members):
            return AnyOf(tuple(_rebuilt(member, book) for member in members))
        case Not(member):
            return Not(_rebuilt(member, book))
        case _:
            return cast("Condition", _Asked(condition, book, book.place(condition), condition.name))


# What could not be known


def _unknown(case: Case, decision: Decision) -> Iterator[str]:
    for name in CASE_PARTS:
        part = getattr(case, name.value)
        if isinstance(part, CouldNotLook):
            yield f"the {name.value.replace('_', ' ')} could not be read: {part.why}"
    for rule in decision.rules:
        yield from _open(rule.finding)


def _open(answer: ConditionAnswer) -> Iterator[str]:
    if answer.condition in _GROUPS:
        for member in answer.members:
            yield from _open(member)
    elif answer.answer == "unknown":
        yield f"{answer.condition}: {answer.reason}"
