"""
The question to whoever answers for an identity: is this yours? Pure.

A rule that asks may name a time for the answer, and what follows without one. The question is an event on Cordon's own
topic; who is to be asked is read, and nobody is written to. The answer is the one that every waiting plan takes: to
approve it says that it is not ours, to decline it that it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, ConfigDict, WithJsonSchema

from shared.conditions.settings import DURATION_SCHEMA, SETTINGS, Duration
from shared.entries import Escalated, OwnerAsked, OwnerTold, RuleAnswer, TeamTold

SHORTEST, LONGEST = timedelta(minutes=5), timedelta(hours=24)
AGAIN = timedelta(minutes=5)  # what is left at the least for the answer to a plan that was made anew
BY_POLICY = "the policy"

Silence: TypeAlias = Literal["escalate", "contain"]


def _in_bounds(after: timedelta) -> timedelta:
    if not SHORTEST <= after <= LONGEST:
        raise ValueError("must be from 5m to 24h: shorter reaches nobody, and longer is no incident")
    return after


AnswerDuration = Annotated[Duration, AfterValidator(_in_bounds), WithJsonSchema(DURATION_SCHEMA)]


@dataclass(frozen=True, slots=True)
class AskOwners:
    """How long owners have to answer, and what is done if nobody does."""

    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    after: AnswerDuration
    """How long the answer is waited for, such as PT2H."""
    then: Silence = "escalate"
    """Without an answer: call responders; or contain, within the limits, in mode act, where the rule was met."""


def is_met(answers: Sequence[RuleAnswer], rule: str) -> bool:
    """Whether this rule holds, and does not only ask because something of it could not be known."""
    return any(each.rule == rule and each.finding.answer == "met" for each in answers)


def ask(
    choice: AskOwners,
    *,
    plan_hash: str,
    rule: str,
    met: bool,
    now: datetime,
    earlier: OwnerAsked | None,
    owners: tuple[OwnerTold, ...],
    unread: tuple[str, ...],
    teams: tuple[TeamTold, ...],
) -> OwnerAsked:
    """
    The question. Whoever makes new signals cannot put the answer off for ever: an open question's time goes on, but
    for a few minutes, once, to look at a plan that was made anew.
    """
    until, due = now + choice.after, None
    if earlier is not None:
        due = earlier.due or earlier.until
        until = max(now, min(until, due + AGAIN, max(earlier.until, now + AGAIN)))
    return OwnerAsked(
        plan_hash=plan_hash,
        rule=rule,
        until=until,
        then=choice.then if met else "escalate",
        owners=owners,
        owners_unread=unread,
        teams=teams,
        due=due,
    )


def silence_of(asked: OwnerAsked) -> str:
    """What is said when its time is over."""
    return f"Owners were asked until {asked.until:%Y-%m-%d %H:%M} UTC, and nobody has answered."


def is_call_about(call: Escalated, asked: OwnerAsked) -> bool:
    """Whether responders were called because nobody answered this question; other calls answer nothing."""
    return call.reason.startswith(silence_of(asked))


def text_of(asked: OwnerAsked, incident: str, principal: str | None, client: str | None) -> str:
    """The question in words: ids and the rule's name, no link, and nothing that somebody in the tenant wrote."""
    silent = "it is contained" if asked.then == "contain" else "responders are called"
    return (
        f"Incident {incident}: the workload with client id {client or 'unknown'} (service principal "
        f"{principal or 'unknown'}) does something that rule {asked.rule} asks about. Is it yours and expected? Tell "
        f"your responders by {asked.until:%Y-%m-%d %H:%M} UTC. Without an answer {silent}."
    )
