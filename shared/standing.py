"""
Where the work on an incident stands, read from its journal. Pure.
"""

from collections.abc import Set
from datetime import datetime, timedelta

from shared.audit import LOOK_BACK
from shared.begun import newest_begun
from shared.chain import Chain
from shared.entries import (
    WAITING,
    Approved,
    Closed,
    Decided,
    Entry,
    FoundInPlace,
    HeldBack,
    Intended,
    Investigated,
    Opened,
    Planned,
    SecretsBegun,
    SignalJoined,
    StepStopped,
    UndoEnded,
    UndoOrdered,
    UndoVerified,
    WorkEnded,
    WorkStarted,
)
from shared.errors import NotFound
from shared.identity import AppObjectId, ClientId, IdentityRef, PrincipalId
from shared.signal import Signal

RETRIES = (30.0, 60.0, 120.0, 240.0, 480.0, 600.0, 600.0)  # seconds between attempts; then a person is called


# A detection and the row of the risky list are changed by the same assessment; how far apart their times may lie is
# documented nowhere. Whatever joins is decided on afresh, so the bound swallows nothing.
_ONE_FACT = timedelta(hours=1)
_RISK = frozenset({"risk-detection", "risky-service-principal"})
_LOGS = frozenset({"directory-audit"})  # whose news tell when it happened, and are judged by how long ago that is
_USUAL_WAIT = timedelta(hours=6)


def is_closed(chain: Chain) -> bool:
    """No signal joins it any more, unless `takes_up` says so; an undo, or a signal that joined, took it up again."""
    return chain.place(Closed) > max(chain.place(UndoOrdered), chain.place(SignalJoined))


def hears_of_risk(chain: Chain) -> bool:
    """Whether another signal may tell of the same risk by another way."""
    return any(signal.source in _RISK for signal in chain.all(SignalJoined))


def takes_up(chain: Chain, signal: Signal, mode: str) -> bool:
    """
    Whether a closed incident that changed nothing is taken up again by this signal: it tells of a risk that the
    incident has heard of by the other way. One of another mode is left alone, for it would hold the signal back.
    """
    closed, opened = chain.last(Closed), chain.last(Opened)
    if closed is None or opened is None or closed.outcome not in ("watched", "ignored") or opened.mode != mode:
        return False
    return signal.source in _RISK and any(_is_one_fact(signal, heard) for heard in chain.all(SignalJoined))


def _is_one_fact(signal: Signal, heard: SignalJoined) -> bool:
    if heard.source not in _RISK or heard.source == signal.source:
        return False
    alike = all(signal.facts.get(name) == heard.facts.get(name) for name in ("riskLevel", "riskState"))
    return alike and abs(signal.observed_at - heard.observed_at) <= _ONE_FACT


def needs_work(chain: Chain) -> bool:
    """A new signal, an approval, a crash in the middle, or an attempt that left something to do."""
    started, ended = chain.place(WorkStarted), chain.place(WorkEnded)
    last = chain.last(WorkEnded)
    news = max(chain.place(SignalJoined), chain.place(Approved), chain.place(UndoOrdered))
    return bool(chain) and (news > started or started > ended or (last is not None and last.more))


def due_at(chain: Chain) -> datetime | None:
    """When the next attempt is due, if nothing but an earlier attempt calls for it; None means now."""
    started, ended = chain.place(WorkStarted), chain.last(WorkEnded)
    news = max(chain.place(SignalJoined), chain.place(Approved), chain.place(UndoOrdered))
    if ended is None or not ended.more or max(news, started) > chain.place(WorkEnded) or news > started:
        return None
    return ended.again_at


def looked_until(chain: Chain) -> int:
    """
    The place of the newest signal that the newest decision looked at, or -1.

    A signal may join between the look and the decision; it stands before the decision and was not looked at.
    """
    decided = chain.last(Decided)
    if decided is None or decided.signals is None:
        return chain.place(Decided)
    places = [line.record.sequence for line in chain.lines if isinstance(line.entry, SignalJoined)]
    return places[decided.signals - 1] if decided.signals else -1


def is_decided(chain: Chain) -> bool:
    """
    Whether the newest decision looked at every signal. Whoever ordered an undo has answered those that had come: to
    decide on them afterwards would contain again what a person has just released.
    """
    answered = max(looked_until(chain), chain.place(UndoOrdered))
    return chain.place(Decided) >= 0 and chain.place(SignalJoined) <= answered


def waits_for_a_look(chain: Chain) -> bool:
    """
    Whether a signal is neither decided on nor answered by what stands. One that joins a containment leads to a fresh
    look at that, and to no decision of its own.
    """
    looked_at = chain.place(WorkStarted) > chain.place(SignalJoined) and active_plan(chain) is not None
    return not is_decided(chain) and not looked_at


def back_since(chain: Chain, step: str) -> int:
    """
    The place at which an undo last proved this step back before its newest intent, or -1: what was there before
    that is no pre-image of what came after it. An undo that left the step alone takes nothing of its way back.
    """
    newest = chain.place(Intended, step)
    verified = chain.told(UndoVerified, step)
    places = (record.sequence for record, said in verified if said.answer == "held" and record.sequence < newest)
    return max(places, default=-1)


def is_back(chain: Chain, step: str) -> bool:
    """Whether an undo since the step's last write has put it back."""
    verified = chain.last(UndoVerified, step)
    proven = verified is not None and verified.answer == "held"
    return proven and chain.place(UndoVerified, step) > chain.place(Intended, step)


def undo_under_way(chain: Chain) -> UndoOrdered | None:
    """The order to undo that is not done with, if there is one."""
    return chain.last(UndoOrdered) if chain.place(UndoOrdered) > chain.place(UndoEnded) else None


def undo_was_given_up(chain: Chain) -> bool:
    """Whether the work on the newest order was put down without an end: the switch stopped an older version's."""
    ended = chain.last(WorkEnded)
    return ended is not None and not ended.more and chain.place(WorkEnded) > chain.place(UndoOrdered)


def active_plan(chain: Chain) -> Planned | None:
    """The plan that is being carried out or stands: the newest, unless something holds it back."""
    plan, planned = chain.last(Planned), chain.place(Planned)
    if plan is None or planned < max(chain.place(Decided), chain.place(UndoOrdered)):
        return None
    held = [
        line.record.sequence
        for line in chain.lines
        if isinstance(line.entry, HeldBack) and line.entry.by != "switch" and line.record.sequence > planned
    ]
    approved = chain.last(Approved)
    lifted = approved is not None and approved.plan_hash == plan.hash and chain.place(Approved) > max(held, default=-1)
    return plan if not held or lifted else None


def is_let_go(chain: Chain) -> bool:
    """
    Whether the plan that is to be carried out was let go by an answer to it and not begun yet: what has changed since
    is to be checked first. A step that lasts is begun by its rotation.
    """
    plan, approved, at = active_plan(chain), chain.last(Approved), chain.place(Approved)
    if plan is None or approved is None or not plan.steps or approved.plan_hash != plan.hash:
        return False
    return at > chain.place(Planned) and not any(_begins(line.entry, plan.hash) for line in chain.lines[at:])


def _begins(entry: Entry, hash_: str) -> bool:
    """Whether by this the plan with that hash, which was let go before, was begun. What stands may go on beside it."""
    match entry:
        case FoundInPlace(plan_hash=of) | Intended(plan_hash=of) | StepStopped(plan_hash=of):
            return of in (hash_, None)
        case SecretsBegun(plan_hash=of):
            return of == hash_
        case _:
            return False


def standing_plan(chain: Chain) -> tuple[Planned, int] | None:
    """
    The plan whose effects stand, with its place: the active one, or else the newest that was begun. A later plan
    that waits for a person, is held back, or was let go and stopped before it began, takes nothing of it away, also
    where this one is contained again beside it; only its undoing does. Of a plan that was undone in part the begun
    steps stand that no order named, once the undo has ended.
    """
    active = active_plan(chain)
    if active is not None and not is_let_go(chain):
        return active, chain.place(Planned)
    if undo_under_way(chain) is not None:
        return None
    newest, given_up, untouched, ordered = newest_begun(chain.lines), set[str](), set[str](), False
    for line in reversed(chain.lines):
        match line.entry:
            case UndoEnded() as ended:
                untouched = set(ended.untouched)
            case UndoOrdered(steps=None) if not untouched:
                return None
            case UndoOrdered(steps=steps):
                named = {step.id for plan in chain.all(Planned) for step in plan.steps} if steps is None else {*steps}
                given_up |= named - untouched
                untouched, ordered = set[str](), True
            case Planned() as plan if line.record.sequence == newest:
                standing = _without(chain, plan, _with_restorations(chain, given_up)) if ordered else plan
                return (standing, line.record.sequence) if standing.steps else None
            case _:
                pass
    return None


def _with_restorations(chain: Chain, given_up: Set[str]) -> Set[str]:
    """What a restoration keeps is that sign-in is blocked: whoever undid the block has given that up as well."""
    steps = [step for plan in chain.all(Planned) for step in plan.steps]
    if not any(step.id in given_up and step.action == "block-sign-in" for step in steps):
        return given_up
    return {*given_up, *(step.id for step in steps if step.action == "restore-application")}


def _without(chain: Chain, plan: Planned, given_up: Set[str]) -> Planned:
    """
    What an undo in part has left of it. What it never came to is not begun by a look at the rest; what an earlier plan
    did stands in this one, too, which found it in place.
    """
    begun = {step.id for step in plan.steps if chain.last(Intended, step.id) and not is_back(chain, step.id)}
    steps = tuple(step for step in plan.steps if step.id in begun - given_up)
    return plan.model_copy(update={"steps": steps})


def waiting_plan(chain: Chain) -> Planned | None:
    """
    The plan that a person's word can let go: the newest, held back by mode, verdict or a limit, and not closed. Where
    the switch stops what stands beside it, it goes on waiting.
    """
    plan, place = chain.last(Planned), chain.place(Planned)
    held = next((line for line in reversed([*chain.told(HeldBack)]) if line[1].by != "switch"), None)
    if chain.place(UndoOrdered) > chain.place(Decided):
        return None
    if plan is None or held is None or active_plan(chain) is not None or is_closed(chain):
        return None
    record, why = held
    behind = record.sequence > place > chain.place(Decided) - 1
    return plan if behind and why.by in WAITING else None


def attempts(chain: Chain) -> int:
    """How many attempts in a row have ended with work left, counting the present one."""
    count = 1
    for line in reversed(chain.lines):
        if isinstance(line.entry, UndoOrdered) or (isinstance(line.entry, WorkEnded) and not line.entry.more):
            break
        if not isinstance(line.entry, WorkEnded):
            continue
        count += 1
    return count


def attempts_left(chain: Chain) -> bool:
    return attempts(chain) <= len(RETRIES)


def subject_of(chain: Chain) -> IdentityRef:
    """The ids by which the identity is known: as read, or else as the first signal gave them."""
    seen = chain.last(Investigated)
    if seen and seen.identity:
        found = seen.identity
        return IdentityRef(
            PrincipalId(found.principal_id),
            ClientId(found.client_id),
            AppObjectId(found.app_object_id) if found.app_object_id else None,
        )
    opened = chain.last(Opened)
    if opened is None:
        raise NotFound("An incident without a first record has no identity.")
    given = opened.subject
    return IdentityRef(
        PrincipalId(given.principal_id) if given.principal_id else None,
        ClientId(given.client_id) if given.client_id else None,
        AppObjectId(given.app_object_id) if given.app_object_id else None,
    )


def known_ids(chain: Chain) -> list[str]:
    """Every id that may point to this incident."""
    opened, subject = chain.last(Opened), subject_of(chain)
    given = opened.subject if opened else None
    ids = [subject.principal_id, subject.client_id, subject.app_object_id]
    ids += [given.principal_id, given.client_id, given.app_object_id] if given else []
    return list(dict.fromkeys(i for i in ids if i))


def lateness(chain: Chain) -> timedelta:
    """
    By how much the log's news of this incident came too late, after an outage here or there; nothing for what a log
    takes at times. Without it, a rule about the last day would pass over what it was never asked about in time.
    """
    waits = (
        line.record.time - line.entry.observed_at
        for line in chain.lines
        if isinstance(line.entry, SignalJoined) and line.entry.source in _LOGS
    )
    longest = max(waits, default=timedelta())
    return min(longest, LOOK_BACK) if longest > _USUAL_WAIT else timedelta()


def evidence_at(chain: Chain) -> datetime | None:
    """
    When the first of what this incident is about happened, as its signals tell; None without any. What was done from
    shortly before that on belongs to it, however late the news came and however long its plan waited. A signal reaches
    no further back than the audit log does.
    """
    joined = ((line.record.time, line.entry) for line in chain.lines if isinstance(line.entry, SignalJoined))
    return min((max(entry.observed_at, time - LOOK_BACK) for time, entry in joined), default=None)


def signals_of(chain: Chain) -> tuple[Signal, ...]:
    subject = subject_of(chain)
    return tuple(
        Signal(s.source, s.record_id, subject, s.observed_at, s.summary, dict(s.facts)) for s in chain.all(SignalJoined)
    )
