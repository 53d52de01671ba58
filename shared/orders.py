"""
A person's order: contain this identity, with these actions, for this reason.

It enters as a signal of the source `manual`, so that it is journaled and resumed like any other. Mode,
limits, the stop switch and the protected list hold for it as well.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from shared.actions.people import UNNAMED as UNNAMED
from shared.actions.people import people_needed
from shared.case import Case
from shared.chain import Chain
from shared.decision import Decision, decide
from shared.entries import Decided, Entry, Planned, SignalJoined
from shared.identity import IdentityRef
from shared.policy import ActionChoice, Policy, Verdict
from shared.rungs import NO_LADDER
from shared.signal import JsonObject, JsonValue
from shared.standing import active_plan, looked_until, standing_plan, subject_of

_USUAL = (ActionChoice("block-sign-in", {}), ActionChoice("replace-credentials", {}))


@dataclass(frozen=True, slots=True)
class Order:
    """
    What a responder asks for. `by` is what they gave as their name: a function key proves no identity.

    Without `actions` the policy's are taken, or the usual ones if policy has none. `plan_hash` confirms
    exactly the plan that was previewed.
    """

    subject: IdentityRef
    reason: str
    by: str
    actions: tuple[ActionChoice, ...] | None
    plan_hash: str | None
    request_id: str
    verdict: str | None = None  # compromised or dismissed, where the order is a person's verdict on an incident

    def record(self) -> JsonObject:
        """The order as the record that the source `manual` reads."""
        named = {
            "servicePrincipalId": self.subject.principal_id,
            "appId": self.subject.client_id,
            "applicationObjectId": self.subject.app_object_id,
        }
        record: JsonObject = {
            "identity": {name: value for name, value in named.items() if value},
            "reason": self.reason,
            "by": self.by,
            "requestId": self.request_id,
        }
        if self.actions is not None:
            record["actions"] = [{choice.name: choice.options} for choice in self.actions]
        if self.plan_hash is not None:
            record["planHash"] = self.plan_hash
        if self.verdict is not None:
            record["verdict"] = self.verdict
        return record

    def decision(self, policy: Policy, case: Case) -> Decision:
        """Contain, as ordered. What policy would have said stands beside it."""
        said = decide(policy, case)
        return Decision(
            verdict=Verdict.CONTAIN,
            rule="ordered by a responder",
            actions=self.actions or said.actions or (() if said.ladder else _USUAL),
            rules=said.rules,
            wants=frozenset() if self.actions else said.wants,
            ladder=NO_LADDER if self.actions else said.ladder,
        )


def order_in(chain: Chain, since: int) -> Order | None:
    """The newest order behind this place of the chain, or None."""
    newest = None
    for line in chain.lines:
        if isinstance(line.entry, SignalJoined) and line.entry.source == "manual" and line.record.sequence > since:
            newest = line.entry
    return _read(newest, chain) if newest else None


def chosen(chain: Chain) -> tuple[ActionChoice, ...]:
    """The actions of the newest decision, with their options."""
    decided = chain.last(Decided)
    return _choices(decided) if decided else ()


def standing_choices(chain: Chain) -> tuple[ActionChoice, ...]:
    """What the plan is made of that is carried out or stands, but for what only tells, and what takes people."""
    active = active_plan(chain)
    standing = (active, chain.place(Planned)) if active is not None else standing_plan(chain)
    if standing is None:
        return ()
    plan, place = standing
    decisions = [line.entry for line in chain.lines[:place] if isinstance(line.entry, Decided)]
    given_up = _actions(chain.lines[place].entry) - _actions(plan)
    return tuple(
        choice
        for choice in (_choices(decisions[-1]) if decisions else ())
        if choice.name not in given_up and choice.name != "dismiss-risk" and not people_needed((choice.name,))
    )


def _actions(plan: Entry) -> frozenset[str]:
    return frozenset(step.action for step in plan.steps) if isinstance(plan, Planned) else frozenset()


def with_standing(decision: Decision, standing: Sequence[ActionChoice]) -> Decision:
    """
    The decision with what stands already: a plan that left it out would end the looks at it. What is asked for
    anew goes before what stands under the same name; deleting and dismissing are orders of their own.
    """
    alone = any(choice.name == "dismiss-risk" or people_needed((choice.name,)) for choice in decision.actions)
    if alone or not standing or decision.verdict not in (Verdict.CONTAIN, Verdict.ASK):
        return decision
    actions = {choice.name: choice for choice in (*standing, *decision.actions)}
    return replace(decision, actions=tuple(actions.values()))


def _choices(decided: Decided) -> tuple[ActionChoice, ...]:
    options = decided.action_options
    return tuple(ActionChoice(name, dict(options.get(name, {}))) for name in decided.actions)


def dismissed_because(chain: Chain) -> str | None:
    """Why a person dismissed the incident, if that is the newest order and was decided on."""
    newest = order_in(chain, since=-1)
    if newest is None or newest.verdict != "dismissed" or order_in(chain, since=looked_until(chain)) is not None:
        return None
    return f"dismissed by {newest.by}: {newest.reason}"


def _read(signal: SignalJoined, chain: Chain) -> Order:
    facts = signal.facts
    hash_ = facts.get("planHash")
    return Order(
        subject=subject_of(chain),
        reason=str(facts.get("reason", "")),
        by=str(facts.get("by", "")),
        actions=tuple(read_choices(facts["actions"])) if facts.get("actions") else None,
        plan_hash=hash_ if isinstance(hash_, str) else None,
        request_id=signal.record_id,
        verdict=str(facts["verdict"]) if facts.get("verdict") else None,
    )


def read_choices(value: JsonValue) -> Iterator[ActionChoice]:
    """Actions as names, or as {name: options}. Raises ValueError for anything else."""
    if not isinstance(value, list):
        raise ValueError("actions is a list")  # noqa: TRY004 - bad input, not a wrong call
    for entry in value:
        match entry:
            case str():
                yield ActionChoice(entry, {})
            case dict() if len(entry) == 1:
                ((name, options),) = entry.items()
                yield ActionChoice(name, options if isinstance(options, dict) else {})
            case _:
                raise ValueError("an action is a name, or one name with its options")
