"""The timeline: one line for each record, in the order of the journal."""

from collections.abc import Iterator
from datetime import datetime

from shared.chain import Line
from shared.entries import (
    Applied,
    Approved,
    Closed,
    CounterMove,
    Decided,
    Entry,
    Escalated,
    Followed,
    FollowSet,
    Foreseen,
    FoundInPlace,
    HeldBack,
    Intended,
    Investigated,
    Opened,
    OwnerAsked,
    PartRead,
    Planned,
    Published,
    Rechecked,
    RechecksSet,
    SecretsBegun,
    SecretsEnded,
    SecretsTurned,
    SeenInLogs,
    SignalJoined,
    SignInsSeen,
    StepStopped,
    UndoApplied,
    UndoEnded,
    UndoIntended,
    UndoOrdered,
    UndoStopped,
    UndoVerified,
    Verified,
    WorkEnded,
    WorkStarted,
    WriteOutcome,
)
from shared.history import History
from shared.incident import subject_text
from shared.report.model import Moment
from shared.report.words import duration, sentence, utc


def tell_timeline(history: History) -> Iterator[Moment]:
    accepted = accepted_at(history)
    for line in history.lines:
        record = line.record
        yield Moment(
            at=record.time,
            sequence=record.sequence,
            kind=record.kind,
            step=record.step,
            seconds=(record.time - accepted).total_seconds() if accepted else None,
            text=_tell(line),
        )


def accepted_at(history: History) -> datetime | None:
    """When the first signal was accepted: the moment from which durations count."""
    return next((line.record.time for line in history.lines if isinstance(line.entry, SignalJoined)), None)


def _tell(line: Line) -> str:
    told = _tell_way(line) or _tell_step(line.entry) or _tell_undo(line.entry)
    told = told or _tell_secrets(line.entry) or _tell_followed(line.entry) or _tell_end(line.entry)
    return told or line.entry.kind


def _tell_way(line: Line) -> str | None:
    match line.entry:
        case Opened() as opened:
            return f"Incident opened for {subject_text(opened.subject)}, in mode {opened.mode}."
        case SignalJoined() as signal:
            before = duration((line.record.time - signal.observed_at).total_seconds())
            return f"Signal from {signal.source} accepted, {before} after {utc(signal.observed_at)}: {signal.summary}"
        case WorkStarted() as started:
            return f"Taken in hand by {started.instance}, attempt {started.attempt}, because of: {started.because}."
        case WorkEnded(more=more, reason=reason):
            return ("Put down; a message will resume it." if more else "Put down.") + (f" {reason}." if reason else "")
        case Investigated() as seen:
            return _tell_look(seen)
        case Decided() as decided:
            rung = f", up to {decided.ladder.rung or 'no rung'}" if decided.ladder else ""
            by = ", ".join(each.incident for each in decided.related)
            changed = f" It was changed by the identity of {by}." if by else ""
            return f"Decided: {decided.verdict}, by rule “{decided.rule}”{rung}.{changed}"
        case Planned() as plan:
            return f"Planned {len(plan.steps)} step(s), {len(plan.not_done)} not possible or needed; hash {plan.hash}."
        case Foreseen() as foreseen:
            ending = sum(1 for use in foreseen.uses if use.stops)
            return foreseen.not_known or f"Who breaks was read: {ending} of {len(foreseen.uses)} uses end by the plan."
        case _:
            return None


def _tell_look(seen: Investigated) -> str:
    known = ", ".join(map(_tell_part, (part for part in seen.parts if part.known))) or "nothing"
    missing = "".join(f"; {part.name} not: {part.why_not}" for part in seen.parts if not part.known)
    return f"Looked at the tenant. Known: {known}{missing}."


def _tell_part(part: PartRead) -> str:
    until = f" until {utc(part.until)}" if part.until else ""
    if part.source is None:
        return f"{part.name}{until}"
    return f"{part.name}{until} (from {part.source}{f', because {part.instead_of}' if part.instead_of else ''})"


def _tell_step(entry: Entry) -> str | None:
    match entry:
        case Intended() as intended:
            again = f" (round {intended.round})" if intended.round > 1 else ""
            writes = "; ".join(intended.writes) or "nothing, as it is so already"
            return f"What is there was written down. To be written{again}: {writes}."
        case Applied() as applied:
            return "The service answered: " + ("; ".join(map(_tell_write, applied.writes)) or "nothing to write") + "."
        case Verified() as look:
            word = "accepted, not read back" if look.grade == "accepted" else look.answer
            return f"Fresh read: {word}. {sentence(look.proof)}"
        case SeenInLogs() as seen:
            return f"The audit log tells of our own write, {utc(seen.at)}: {seen.activity} ({seen.audit_id})."
        case SignInsSeen() as seen:
            return _tell_sign_ins(seen)
        case FoundInPlace():
            return "Everything that the approved plan asks for is in place already."
        case StepStopped() as stopped:
            return f"Stopped: {stopped.outcome}. {sentence(stopped.reason)}"
        case _:
            return None


def _tell_undo(entry: Entry) -> str | None:
    match entry:
        case UndoOrdered() as order:
            which = f" of {', '.join(order.steps)}" if order.steps else ""
            return f"Undo{which} ordered by {order.by}: {sentence(order.reason)}"
        case UndoIntended() as intended:
            drifted = "".join(f" {d.property} was changed by somebody else and stays." for d in intended.drifted)
            writes = "; ".join(intended.writes) or "nothing, as it is so already"
            lost = "".join(f" Does not come back: {sentence(text)}" for text in intended.lost)
            return f"To be put back: {writes}.{drifted}{lost}"
        case UndoApplied() as applied:
            return "The service answered: " + ("; ".join(map(_tell_write, applied.writes)) or "nothing to write") + "."
        case UndoVerified() as look:
            words = {"held": "back", "not-held": "not back", "unknown": "unknown"}
            return f"Fresh read: {words[look.answer]}. {sentence(look.proof)}"
        case UndoStopped() as stopped:
            return f"Not put back: {stopped.outcome}. {sentence(stopped.reason)}"
        case UndoEnded() as ended:
            return f"Undo ended, {'whole' if ended.whole else 'with something left'}. {sentence(ended.reason)}"
        case _:
            return None


def _tell_sign_ins(seen: SignInsSeen) -> str:
    told = f"The sign-in log since {utc(seen.since)}"
    if seen.not_checkable and not (seen.refused or seen.issued or seen.issued_in_grace):
        return f"{told}: not checkable. {sentence(seen.not_checkable)}"
    found = f"{seen.refused} refused with {seen.error_code}, {seen.issued} succeeded"
    grace = f", {seen.issued_in_grace} in the minutes of grace" if seen.issued_in_grace else ""
    missing = f" Not all was checkable: {sentence(seen.not_checkable)}" if seen.not_checkable else ""
    return f"{told}: {found}{grace}.{missing}"


def _tell_write(write: WriteOutcome) -> str:
    return f"{write.write}: {write.outcome}" + (f" ({write.detail})" if write.detail else "")


def _tell_secrets(entry: Entry) -> str | None:
    match entry:
        case SecretsBegun(plan_hash=hash_):
            return f"The rotation of exposed secrets was set off by plan {hash_}; it has a journal of its own."
        case SecretsTurned() as turned:
            until = f" It goes on by {utc(turned.until)}." if turned.until else ""
            return f"Secrets: {turned.state}. {sentence(turned.reason)}{until}"
        case SecretsEnded() as ended:
            return f"Secrets: ended, {'whole' if ended.whole else 'with something left'}. {sentence(ended.reason)}"
        case _:
            return None


def _tell_question(asked: OwnerAsked) -> str:
    whom = [*(each.team for each in asked.teams), *(f"owner {each.id}" for each in asked.owners)]
    unread = "".join(f" Owners could not be read: {why}" for why in asked.owners_unread)
    then = "contain" if asked.then == "contain" else "call responders"
    named = ", ".join(whom) or "nobody whom the list or the directory names"
    return f"Asked whoever answers for it ({named}) until {utc(asked.until)}; without an answer: {then}.{unread}"


def _tell_followed(entry: Entry) -> str | None:
    match entry:
        case FollowSet():
            return "What the identity changed before it was cut off is looked for."
        case Followed() as followed:
            told = f"{len(followed.changed)} identities that it changed since {utc(followed.since)} have incidents"
            left = f"; {followed.left} more are left to a person" if followed.left else ""
            missing = "".join(f" Not known: {sentence(why)}" for why in followed.not_known)
            return f"{told}{left}.{missing}"
        case _:
            return None


def _tell_end(entry: Entry) -> str | None:
    match entry:
        case HeldBack() as held:
            return f"Held back by {held.by}. {sentence(held.reason)}"
        case Approved() as approved:
            return f"Approved by {approved.by}: {approved.reason} (plan {approved.plan_hash})"
        case OwnerAsked() as asked:
            return _tell_question(asked)
        case RechecksSet(after=after):
            return "Later looks set after " + ", ".join(duration(seconds) for seconds in after) + "."
        case Rechecked() as look:
            found = "".join(f" {finding}." for finding in look.findings)
            return f"Later look {look.number}, after {duration(look.after_seconds)}: {look.answer}.{found}"
        case CounterMove() as move:
            return f"Against it: {move.activity} by {move.actor} at {utc(move.at)}."
        case Escalated() as call:
            return f"A person is called. {sentence(call.reason)}"
        case Closed() as closed:
            return f"Closed as {closed.outcome}: {sentence(closed.reason)}"
        case Published() as event:
            return f"Event {event.type} sent."
        case _:
            return None
