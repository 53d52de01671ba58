"""
Incidents: the open signals about one identity and all that was done; status derived on read, never stored.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from shared.entries import (
    Approved,
    Closed,
    Escalated,
    Foreseen,
    HeldBack,
    Intended,
    SecretsBegun,
    SecretsEnded,
    SecretsTurned,
    SignalJoined,
    SubjectIds,
    UndoOrdered,
    UndoStopped,
)
from shared.evidence import (
    evidence_of,
    grade_of,
    tell_sign_ins,
)
from shared.history import History, StepStory
from shared.journal import Record
from shared.residual import cut_since, is_cached, last_look, residual_of

if TYPE_CHECKING:
    from shared.views import IncidentView, LinkView, ResidualView, StepView


class Status(StrEnum):
    """
    Where an incident stands, computed from its journal (see `status_of`).

    CONTAINED needs two proofs: a fresh read after the writes, and another after the race window.
    """

    OPEN = "open"  # taken in; not decided yet
    IGNORED = "ignored"  # policy says so, with reasons
    WATCHED = "watched"  # noted, or `mode: watch` kept the plan from being carried out
    AWAITING_APPROVAL = "awaiting-approval"  # a person must decide
    CONTAINING = "containing"  # effects are under way
    PROVING = "proving"  # the cut was read back; the race window is still open
    CONTAINED = "contained"  # read back, and again after the race window
    NEEDS_ATTENTION = "needs-attention"  # something could not be done or proven: a person must act
    RELEASING = "releasing"  # an undo is under way
    RELEASED = "released"  # undone on a person's order


def status_of(records: Sequence[Record], now: datetime) -> Status:
    """
    Derive the status. The first row that fits, from the top; what fits none is NEEDS_ATTENTION.

    *Begun*: a step was intended and is not wholly undone, or the newest plan approved. A word *stands* until a
    newer decision, approval or write takes its place. *At work*: the newest record is not older than our patience,
    and no worker has put the incident down as finished.

    | begun | the journal says                                                     | status            |
    |-------|----------------------------------------------------------------------|-------------------|
    | any   | an escalation stands, or it was closed as needs-attention            | NEEDS_ATTENTION   |
    | no    | closed as declined: a person said no to the waiting plan             | IGNORED           |
    | yes   | closed as declined: what was begun before goes on as if that plan    | as below          |
    |       | had never waited                                                     |                   |
    | any   | closed as dismissed: a person found it harmless                      | IGNORED           |
    | yes   | an undo was ordered since the decision: at work on it / stopped      | RELEASING / NEEDS |
    | yes   | that undo ended: signal since / whole / something left               | OPEN / RELEASED / |
    |       |                                                                      | NEEDS_ATTENTION   |
    | any   | held back by ask, verdict or limits; the plan has steps and is alive | AWAITING_APPROVAL |
    | no    | held back by mode watch; no signal since the decision / at work      | WATCHED / OPEN    |
    | any   | held back by anything else                                           | NEEDS_ATTENTION   |
    | no    | no signal since it was closed as joined or not-in-tenant             | WATCHED           |
    | no    | no decision, or a signal since the last one; not closed, at work     | OPEN              |
    | no    | decided ignore: closed / at work                                     | IGNORED / OPEN    |
    | no    | decided watch                                                        | WATCHED           |
    | no    | decided ask or contain, not closed, plan not empty; at work          | OPEN              |
    | yes   | an undo left something, and a decision since made no plan of it       | NEEDS_ATTENTION   |
    | yes   | not all steps held, none given up; at work                           | CONTAINING        |
    | yes   | all held, no recheck since the last write; not abandoned             | PROVING           |
    | yes   | all held, and the newest recheck since the last write held           | CONTAINED         |
    | yes   | the same, but the plan left signing keys that may let somebody in,   | NEEDS_ATTENTION   |
    |       | or a look found open what a person must settle                       |                   |
    | yes   | all held, that recheck did not hold; at work                         | CONTAINING        |
    | yes   | all held at the look before, this one unknown; rechecks go on        | PROVING           |

    Where the plan asks for the rotation of exposed secrets, nothing is contained before that has ended whole: at
    work it is CONTAINING, in a grace or with an owner PROVING, waiting for a person AWAITING_APPROVAL; silent for
    too long, ended in part, or in need of a person it is NEEDS_ATTENTION.

    The steps are those of the newest plan and every other that was ever begun and that no undo has put back;
    unless one of them cuts something off, nothing is contained: a removal that found nothing held cuts nothing. A
    step holds if its newest record since the plan is a proof by a fresh read: that the service accepted a write is
    none. A step is given up when it stopped and no other is in motion, when the switch stopped this attempt, or when
    the incident was put down, rechecked or closed without it.

    Raises NotFound for no records, JournalDamaged for kinds that this version does not know.
    """
    return status_in(History.read(records), now)


def status_in(history: History, now: datetime) -> Status:
    """As `status_of`, of a journal that is decoded already."""
    status, told = _status_of_steps(history, now), history.secrets
    if told is None and not history.lasting:
        return status
    if status in (Status.CONTAINED, Status.PROVING, Status.CONTAINING) or _is_only_rotation(history):
        return _with_secrets(status, told, history, now)
    return status


def _is_only_rotation(history: History) -> bool:
    """Nothing but the rotation was asked for, it was set off, and nothing else was said since."""
    quiet = history.held_back is None and history.undo is None and history.escalated is None
    return not history.steps and history.secrets is not None and quiet and not history.has_undecided_signal


def _with_secrets(
    status: Status, told: SecretsBegun | SecretsTurned | SecretsEnded | None, history: History, now: datetime
) -> Status:
    match told:
        case None:
            return Status.PROVING if status is Status.CONTAINED else status
        case SecretsEnded(whole=whole):
            return status if whole else Status.NEEDS_ATTENTION
        case SecretsTurned(state="attention"):
            return Status.NEEDS_ATTENTION
        case SecretsTurned(state="approval"):  # however long it waits: nobody is at work, and nobody has to be
            return Status.AWAITING_APPROVAL
        case _ if history.is_rotation_abandoned(now):
            return Status.NEEDS_ATTENTION
        case SecretsTurned(state="waiting"):
            return status if status is Status.CONTAINING and history.steps else Status.PROVING
        case _:
            return Status.CONTAINING


def tell_so_far(history: History, now: datetime) -> str | None:
    """
    One line where nothing but the exposed secrets keeps the incident from being contained: what is proven of the
    identity itself, what is still awaited, and until when. None in all other cases.
    """
    own, whole = _status_of_steps(history, now), status_in(history, now)
    if own not in (Status.CONTAINED, Status.PROVING) or whole is Status.CONTAINED or not _has_secrets(history):
        return None
    proven = "is proven and seen again after that" if own is Status.CONTAINED else "the next look is to confirm"
    count = sum(step.state == "held" for step in history.steps)
    return f"The identity itself is cut off, which {proven} ({count} step(s) hold). {_secrets_so_far(history, now)}"


def _has_secrets(history: History) -> bool:
    return history.secrets is not None or bool(history.lasting)


def _secrets_so_far(history: History, now: datetime) -> str:
    told, begun_at = history.secrets, history.secrets_begun_at
    match told:
        case SecretsEnded():
            return f"The rotation of what it exposed has ended, and not whole: {told.reason}."
        case SecretsTurned(state="approval" | "attention"):
            said = f"Of what it exposed: {told.reason}; a person has to decide."
        case SecretsTurned(state="waiting"):
            said = f"Of what it exposed: {told.reason}."
        case SecretsTurned() | SecretsBegun():
            said = "What it exposed is being rotated."
        case None:
            return "Which secrets it exposed is not looked at yet."
    kind = history.identity.identity_kind if history.identity else None
    cut = cut_since(history)
    last = max(begun_at, cut or begun_at) + last_look(kind) if begun_at is not None else now
    if last <= now:
        return said
    token = "token, cached for a day," if is_cached(kind) else "ordinary token"
    return (
        f"{said} Not called contained before {last:%Y-%m-%d %H:%M} UTC: by then the last {token} is dead, and it is "
        "looked once more who read what."
    )


def _status_of_steps(history: History, now: datetime) -> Status:
    closed, held_back = history.closed, history.held_back
    if history.escalated or (closed and closed.outcome == "needs-attention"):
        return Status.NEEDS_ATTENTION
    if closed and closed.outcome == "dismissed":
        return Status.IGNORED
    if closed and closed.outcome == "declined" and not history.begun:
        return Status.IGNORED
    if history.undo:
        return _undone(history, now)
    if held_back:
        return _held_back(history, held_back, now)
    return _begun(history, now) if history.begun else _not_begun(history, now)


def _undone(history: History, now: datetime) -> Status:
    if history.undo_ended is None:
        return Status.NEEDS_ATTENTION if history.held_back else _at_work(Status.RELEASING, history, now)
    if history.has_undecided_signal and history.place(SignalJoined) > history.place(UndoOrdered):
        return _at_work(Status.OPEN, history, now)
    return Status.RELEASED if history.undo_ended.whole else Status.NEEDS_ATTENTION


def _held_back(history: History, held_back: HeldBack, now: datetime) -> Status:
    if _approval_helps(history, held_back, now):
        return Status.AWAITING_APPROVAL
    if history.begun or held_back.by != "mode" or history.mode != "watch":
        return Status.NEEDS_ATTENTION
    return _at_work(Status.OPEN, history, now) if history.has_undecided_signal else Status.WATCHED


def _approval_helps(history: History, held_back: HeldBack, now: datetime) -> bool:
    plan = history.planned
    if plan is None or not plan.steps or (plan.expires_at is not None and plan.expires_at <= now):
        return False
    return held_back.by in ("verdict", "limits") or (held_back.by == "mode" and history.mode == "ask")


def _not_begun(history: History, now: datetime) -> Status:
    decided = history.decided
    closed = history.closed if history.place(Closed) > history.place(SignalJoined) else None
    if closed and closed.outcome in ("joined", "not-in-tenant"):
        return Status.WATCHED
    if decided is None or history.has_undecided_signal:
        return Status.NEEDS_ATTENTION if closed else _at_work(Status.OPEN, history, now)
    match decided.verdict:
        case "ignore":
            return Status.IGNORED if history.closed else _at_work(Status.OPEN, history, now)
        case "watch":
            return Status.WATCHED
        case "ask" | "contain":
            hopeless = history.closed or (history.planned is not None and not history.planned.steps)
            return Status.NEEDS_ATTENTION if hopeless else _at_work(Status.OPEN, history, now)


def _begun(history: History, now: datetime) -> Status:
    if history.place(UndoOrdered) > history.planned_at:
        return Status.NEEDS_ATTENTION  # an undo left something standing, which the newest decision does not speak of
    steps = [step for step in history.steps if step.state != "put-back"]
    if not any(step.cuts for step in steps):
        return Status.NEEDS_ATTENTION
    if all(step.state == "held" for step in steps):
        return _all_held(history, now)
    if _is_only_in_doubt(history):
        return _unless_abandoned(Status.PROVING, history, now)
    return Status.NEEDS_ATTENTION if _is_a_step_given_up(history) else _at_work(Status.CONTAINING, history, now)


def _all_held(history: History, now: datetime) -> Status:
    recheck = history.recheck
    if recheck is not None and recheck.answer == "held" and recheck.number >= 1:
        return Status.NEEDS_ATTENTION if history.in_doubt or history.wanting else Status.CONTAINED
    if recheck is not None and recheck.answer == "not-held":
        return _at_work(Status.CONTAINING, history, now)
    over = recheck is not None and recheck.last
    return Status.NEEDS_ATTENTION if over else _unless_abandoned(Status.PROVING, history, now)


def _is_only_in_doubt(history: History) -> bool:
    """The last look could not tell what the one before it had proven, and another is to come."""
    recheck = history.recheck
    looks_go_on = recheck is not None and recheck.answer == "unknown" and not recheck.last
    return looks_go_on and all(step.held_at_the_look_before for step in history.steps)


def _is_a_step_given_up(history: History) -> bool:
    states = {step.state for step in history.steps}
    nothing_moves = "stopped" in states and states.isdisjoint(("planned", "intended", "applied"))
    return nothing_moves or history.stopped_by_switch or history.moved_past_the_steps


def _at_work(status: Status, history: History, now: datetime) -> Status:
    return Status.NEEDS_ATTENTION if history.put_down else _unless_abandoned(status, history, now)


def _unless_abandoned(status: Status, history: History, now: datetime) -> Status:
    return Status.NEEDS_ATTENTION if history.is_abandoned(now) else status


def view_of(records: Sequence[Record], now: datetime) -> "IncidentView":
    """The incident in short. Raises as `status_of` does."""
    from shared.views import IncidentView  # it imports Status from here

    history = History.read(records)
    return IncidentView(
        id=history.incident,
        status=status_in(history, now),
        opened_at=history.lines[0].record.time,
        updated_at=history.lines[-1].record.time,
        mode=history.mode,
        identity=history.identity,
        subject=subject_text(history.opened.subject),
        verdict=history.decided.verdict if history.decided else None,
        rule=history.decided.rule if history.decided else None,
        weighed=history.decided.weighed if history.decided else None,
        forecast=history.last(Foreseen),
        ladder=history.decided.ladder if history.decided else None,
        signals=sum(1 for _ in history.all(SignalJoined)),
        plan_hash=history.planned.hash if history.planned else None,
        so_far=tell_so_far(history, now),
        steps=tuple(_step_view(step, history) for step in history.steps),
        not_done=history.not_done,
        todo=tuple(open_tasks(history, now)),
        residual=_residual_view(history) if history.begun else None,
        seen_in_practice=tell_sign_ins(history),
        caused_by=tuple(tell_causes(history)),
    )


def tell_causes(history: History) -> "Iterator[LinkView]":
    """The incidents that exposed a credential of this identity, each once."""
    from shared.views import LinkView

    found = dict[str, str]()
    for signal in history.all(SignalJoined):
        incident = signal.facts.get("incident")
        if signal.source == "exposed-secret" and isinstance(incident, str) and incident != history.incident:
            found.setdefault(incident, f"{signal.facts.get('vault')}/{signal.facts.get('secret')}")
    yield from (
        LinkView(incident=incident, because=f"it exposed a credential of this identity, in secret {secret}")
        for incident, secret in found.items()
    )


_TELLING = ("confirm-compromised", "dismiss-risk")  # they tell Identity Protection, and change nothing else


def what_stands(records: Sequence[Record], now: datetime) -> tuple[str, ...]:
    """The actions of an incident that may have changed something in the tenant, and are not undone."""
    history = History.read(records)
    if status_in(history, now) is Status.RELEASED:
        return ()
    begun = (step.planned for step in history.steps if step.planned and not step.back and any(step.all(Intended)))
    return tuple(dict.fromkeys(planned.action for planned in begun if planned.action not in _TELLING))


def open_tasks(history: History, now: datetime) -> Iterator[str]:
    """What the journal itself asks a person to do, each thing once, most pressing first."""
    tasks = [
        *_asked_for_now(history, now),
        *_about_doubts(history),
        *(outcome.todo for outcome in history.wanting),
        *_left_by_undo(history),
        *(s.stopped.todo for s in history.steps if s.stopped),
        *_calls(history),
    ]
    told = dict.fromkeys(task for task in tasks if task)
    if not told and status_in(history, now) is Status.NEEDS_ATTENTION:
        yield _NOBODY_AT_WORK
    yield from told


def _about_doubts(history: History) -> Iterator[str]:
    if history.in_doubt and history.begun:
        yield (
            "Find out whose the signing keys in doubt are, then order replace-credentials again with signing-keys: "
            "keep or remove. Do not allow sign-in before that."
        )


def _asked_for_now(history: History, now: datetime) -> Iterator[str]:
    status, held_back, secrets = status_in(history, now), history.held_back, history.secrets
    if isinstance(secrets, SecretsTurned | SecretsEnded) and secrets.todo:
        yield secrets.todo
    if held_back is not None and held_back.todo:
        yield held_back.todo
    elif isinstance(secrets, SecretsTurned) and secrets.state == "approval":
        pass
    elif status is Status.AWAITING_APPROVAL and history.planned is not None:
        yield f"Look at the plan; let it go by approving its hash {history.planned.hash}."
    if status is Status.NEEDS_ATTENTION and _holds_and_cuts_nothing(history):
        yield _CUTS_NOTHING
    if status is Status.NEEDS_ATTENTION and history.is_abandoned(now) and history.undo_ended is None:
        yield (
            f"Nothing was written to this incident since {history.lines[-1].record.time:%Y-%m-%d %H:%M:%S} UTC, and it "
            "is not finished. Check that Cordon's workers run, look at the poison queue, order the incident again."
        )


_NOBODY_AT_WORK = (
    "Cordon is not at work on this incident, and not every step is proven: look at the report, then order the incident "
    "again, or do by hand what is missing."
)

_CUTS_NOTHING = (
    "What was asked for is done and holds, and nothing of it cuts the identity off: it can do what it could. Order "
    "block-sign-in or another action that contains, or undo this incident if that was all that was wanted."
)


_LETS_GO = ("dismiss-risk", "restore-application")  # who orders these wants nothing cut


def _holds_and_cuts_nothing(history: History) -> bool:
    standing = [step for step in history.steps if step.state != "put-back"]
    informs = not any(step.cuts for step in standing)
    if any(step.planned is not None and step.planned.action in _LETS_GO for step in standing):
        return False
    return bool(standing) and informs and all(step.state == "held" for step in standing)


def _left_by_undo(history: History) -> Iterator[str]:
    """What the newest order to undo left for a person."""
    if history.undo is None:
        return
    ordered = history.place(UndoOrdered)
    for line in history.lines:
        if isinstance(line.entry, UndoStopped) and line.record.sequence > ordered:
            yield f"Not put back: {line.record.step}. {line.entry.todo}"
    if history.undo_ended is not None and not history.undo_ended.whole:
        yield f"Look at what the undo left: {history.undo_ended.reason}."


def _calls(history: History) -> Iterator[str]:
    """Calls for a person since the last time that a person answered; that nobody did, and policy went on, is none."""
    answers = (line for line in history.lines if isinstance(line.entry, Approved) and not line.entry.by_policy)
    answered = max((line.record.sequence for line in answers), default=-1)
    answered = max(answered, history.place(UndoOrdered))
    for line in history.lines:
        if isinstance(line.entry, Escalated) and line.record.sequence > answered:
            yield line.entry.todo


def subject_text(subject: SubjectIds) -> str:
    """The ids by which the identity was named at first, as a person reads them."""
    known = (
        ("service principal", subject.principal_id),
        ("client", subject.client_id),
        ("application", subject.app_object_id),
    )
    return ", ".join(f"{name} {value}" for name, value in known if value) or "an identity without ids"


def _residual_view(history: History) -> "ResidualView":
    from shared.views import AccessView, ResidualView

    clock = residual_of(history)
    return ResidualView(
        proven_at=clock.proven_at,
        surely_over=clock.surely_over,
        not_known=clock.not_known,
        by_resource=tuple(
            AccessView(resource=a.resource, usually_until=a.usually, surely_until=a.surely, why=a.why)
            for a in clock.by_resource
        ),
    )


def _step_view(step: StepStory, history: History) -> "StepView":
    from shared.views import EvidenceView, StepView

    planned, evidence = step.planned, evidence_of(step, history)
    return StepView(
        id=step.id,
        action=planned.action if planned else step.id,
        target=f"{planned.target_kind} {planned.target_id}"
        if planned
        else "not known: the plan does not hold this step",
        describe=planned.describe if planned else "",
        state=step.state,
        proof=step.verified.proof if step.verified else None,
        changes=planned.changes if planned else (),
        breaks=planned.breaks if planned else None,
        cannot_be_undone=planned.cannot_be_undone if planned else None,
        cannot_be_proven=planned.cannot_be_proven if planned else None,
        grade=grade_of(evidence),
        evidence=tuple(EvidenceView(grade=e.grade, at=e.at, record=e.record, said=e.said) for e in evidence),
        todo=step.stopped.todo if step.stopped else None,
    )
