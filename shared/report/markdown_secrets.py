"""The section about exposed secrets, as Markdown: totals first, then each secret by tier."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from shared.report.model import ReaderTold, SecretsTold, SecretTold
from shared.report.plain import code, plain
from shared.report.words import utc

_NAME = 150  # characters of a secret's name, which can have 127
_READERS = 5  # other readers that a line names
_TIERS = {
    1: "read, or nobody can say that it was not",
    2: "beside what was read, in the same vault",
    3: "within reach",
}
_STATES = {
    "rotated": "the exposed credential is proven dead",
    "on-owners-word": "SAID TO BE DEAD by a tag on its owner's new version, and not proven",
    "not-proven": "NOT PROVEN dead",
    "waits-its-turn": "waits until another incident's rotation is through at its source",
    "in-grace": "published; the exposed credential lives until the grace is over",
    "under-way": "under way",
    "planned": "not begun",
    "waits-for-approval": "WAITS FOR A PERSON",
    "with-owner": "WITH ITS OWNER",
    "stopped": "STOPPED",
    "spared": "NEVER TOUCHED by Cordon",
    "left": "LEFT as it was when the rotation ended",
}
_WORDS = {
    "not-begun": "Not begun.",
    "begun": "Begun.",
    "working": "At work.",
    "waiting": "Waits for a grace or for owners.",
    "approval": "Waits for a person's approval.",
    "attention": "Needs a person.",
    "ended-whole": "Ended: every exposed credential is proven dead.",
    "ended-in-part": "Ended, and NOT everything is dead.",
}


def secrets_section(told: SecretsTold | None) -> Iterator[str]:
    if told is None:
        yield "Their rotation was not asked for: what the identity read was not looked up."
        return
    yield f"**{_headline(told)}** {plain(told.said)}"
    yield ""
    yield from _totals(told)
    yield from _unseen(told)
    yield from _waiting(told)
    for tier in sorted({each.tier or 0 for each in told.secrets}):
        yield ""
        yield f"**Tier {tier}: {_TIERS.get(tier, 'not known')}**" if tier else "**Of no known tier**"
        yield ""
        for each in told.secrets:
            if (each.tier or 0) == tier:
                yield from _secret(each)
    if told.led_to:
        yield ""
    for each in told.led_to:
        where = f"incident {code(each.incident)}" if each.incident else "its incident is not known yet"
        yield f"- {code(each.secret, _NAME)} holds a credential of client {code(each.client_id)}: {where}"


def _headline(told: SecretsTold) -> str:
    """An owner's word is no proof, and what the policy leaves alone is not dead."""
    words, left = told.by_state.get("on-owners-word", 0), sum(told.left_by_policy.values())
    if told.state != "ended-whole" or not (words or left):
        return _WORDS.get(told.state, told.state)
    which = "every exposed credential of the policy's tiers" if left else "every exposed credential"
    dead = "is dead" if words else "is proven dead"
    by_word = f", {words} of them by their owners' word alone, which the policy accepts" if words else ""
    return f"Ended: {which} {dead}{by_word}{f'; {left} more were left as they are' if left else ''}."


def _totals(told: SecretsTold) -> Iterator[str]:
    tiers = ", ".join(f"{count} of tier {tier}" for tier, count in told.by_tier.items()) or "none"
    states = ", ".join(f"{count} {state}" for state, count in told.by_state.items())
    still = sum(1 for each in told.secrets if each.open is not None)
    yield f"- Exposed: {len(told.secrets)} ({tiers}). {still} still open{': ' + states if states else ''}"
    left = ", ".join(f"{count} of tier {tier}" for tier, count in told.left_by_policy.items())
    if left:
        yield f"- Exposed too, and left as they are: {left}. The policy does not name their tier"
    looks = ", ".join(_when(at) for at in told.looks) or "not yet"
    more = "" if told.looks_over or not told.looks else "; more looks follow, until the last token is dead"
    yield f"- It was looked who read what: {looks}{more}"


def _unseen(told: SecretsTold) -> Iterator[str]:
    yield from (f"- Could not be looked at, more may be exposed there: {plain(each)}" for each in told.unseen)
    yield from (f"- Not looked at, on the policy's word: {plain(each)}" for each in told.accepted)
    yield from (
        f"- Was read, and its vault does not show it: {code(each, _NAME)}. What it opens may still be open"
        for each in told.missing
    )


def _waiting(told: SecretsTold) -> Iterator[str]:
    for each in told.waiting:
        batch = f"{each.secrets} secret(s) of tier {each.tier}, plan {code(each.plan_hash)}"
        yield f"- Waits for a person: {batch}, good until {utc(each.expires)}: {plain(each.reason)}"


def _secret(each: SecretTold) -> Iterator[str]:
    yield f"- **{code(each.step, _NAME)}: {_STATES[each.state]}.** {plain(each.why)}"
    if each.read_by_identity is not None:
        yield f"  - Read by the identity: {_read(each.read_by_identity)}"
    yield from _others(each)
    if each.rotator:
        source = f" at {code(each.source, _NAME)}" if each.source else ""
        key = f", key {code(each.key)}" if each.key else ""
        yield f"  - Rotated by {plain(each.rotator)}{source}{key}: {plain(each.chosen_because or '')}"
    for stage in each.stages:
        note = f" ({plain(stage.note)})" if stage.note else ""
        yield f"  - {_when(stage.at)} {stage.stage}: {plain(stage.said)}{note}"
    if each.proof:
        yield f"  - Proof: {plain(each.proof)}"
    if each.open:
        yield f"  - Still open: {plain(each.open)}"
    if each.todo:
        yield f"  - To do: {plain(each.todo)}"


def _others(each: SecretTold) -> Iterator[str]:
    """Who else reads it: they break if they keep the old value."""
    readers: Sequence[ReaderTold] = each.other_readers
    if readers:
        shown = "; ".join(f"{code(one.reader)} {_read(one)}" for one in readers[:_READERS])
        more = f" and {len(readers) - _READERS} more" if len(readers) > _READERS else ""
        yield f"  - Other readers, who may break: {shown}{more}"
    if each.more_readers:
        yield f"  - There may be other readers: {plain(each.more_readers)}"


def _read(read: ReaderTold) -> str:
    span = _when(read.first) if read.first == read.last else f"{_when(read.first)} to {_when(read.last)}"
    where = f", from {', '.join(map(code, read.addresses))}" if read.addresses else ""
    return f"{read.count} time(s), {span}{where}"


def _when(time: datetime) -> str:
    return utc(time).removesuffix(" UTC")
