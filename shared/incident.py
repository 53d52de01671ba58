"""
Incidents: the open signals about one identity and all that was done; status derived on read, never stored.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from shared.entries import (
    Applied,
    Approved,
    Closed,
    Decided,
    Entry,
    Escalated,
    HeldBack,
    IdentitySeen,
    Intended,
    Investigated,
    NamedOutcome,
    Opened,
    Planned,
    PlannedStep,
    Rechecked,
    SignalJoined,
    StepStopped,
    SubjectIds,
    Verified,
    WorkEnded,
    WorkStarted,
    read_entry,
)
from shared.errors import JournalDamaged, NotFound
from shared.journal import IncidentId, Record

if TYPE_CHECKING:
    from shared.views import IncidentView, StepView

E = TypeVar("E", bound=Entry)

StepState: TypeAlias = Literal["planned", "intended", "applied", "held", "not-held", "unknown", "stopped"]

# Work renews itself: a crashed worker's message comes back within 10 minutes, and the longest pause between
# two rechecks is 80. Who was silent for longer than this is not at work any more, and a person must look.
WORK_PATIENCE = timedelta(minutes=30)
RECHECK_PATIENCE = timedelta(hours=2)


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
    RELEASED = "released"  # undone on a person's order


def status_of(records: Sequence[Record], now: datetime) -> Status:
    """
    Derive the status. The first row that fits, from the top; what fits none is NEEDS_ATTENTION.

    *Begun*: a step was intended or the newest plan approved. A word *stands* until a newer decision,
    approval or write takes its place. *At work*: the newest record is not older than our patience, and
    no worker has put the incident down as finished.

    | begun | the journal says                                                      | status            |
    |-------|-----------------------------------------------------------------------|-------------------|
    | any   | an escalation stands, or it was closed as needs-attention             | NEEDS_ATTENTION   |
    | any   | held back by ask, verdict or limits; the plan has steps and is alive  | AWAITING_APPROVAL |
    | no    | held back by mode watch; no signal since the decision / at work       | WATCHED / OPEN    |
    | any   | held back by anything else                                            | NEEDS_ATTENTION   |
    | no    | closed as joined with another incident                                | IGNORED           |
    | no    | no decision, or a signal since the last one; at work                  | OPEN              |
    | no    | decided ignore: closed / at work                                      | IGNORED / OPEN    |
    | no    | decided watch                                                         | WATCHED           |
    | no    | decided ask or contain, not closed, plan not empty; at work           | OPEN              |
    | yes   | not all steps held, none given up; at work                            | CONTAINING        |
    | yes   | all held, no recheck since the last write; at work                    | PROVING           |
    | yes   | all held, and the newest recheck since the last write held            | CONTAINED         |
    | yes   | all held, that recheck did not hold; at work                          | CONTAINING        |
    | yes   | all held at the look before, this one unknown; rechecks go on         | PROVING           |

    The steps are those of the newest plan and every other that was ever begun; unless one of them cuts
    something off, nothing is contained.
    A step holds if its newest record since the plan is a proof by a fresh read: that the service accepted
    a write is none. A step is given up when it stopped and no other is in motion, when the switch stopped
    this attempt, or when the incident was put down, rechecked or closed without it.

    Raises NotFound for no records, JournalDamaged for kinds that this version does not know.
    """
    return History(records).status(now)


def view_of(records: Sequence[Record], now: datetime) -> "IncidentView":
    """The incident in short. Raises as `status_of` does."""
    from shared.views import IncidentView  # it imports Status from here

    history = History(records)
    return IncidentView(
        id=history.incident,
        status=history.status(now),
        opened_at=history.records[0].time,
        updated_at=history.records[-1].time,
        mode=history.mode,
        identity=history.identity,
        subject=subject_text(history.opened.subject),
        verdict=history.decided.verdict if history.decided else None,
        rule=history.decided.rule if history.decided else None,
        signals=sum(1 for _ in history.all(SignalJoined)),
        plan_hash=history.planned.hash if history.planned else None,
        steps=tuple(_step_view(step) for step in history.steps),
        not_done=history.not_done,
        todo=tuple(open_tasks(history, now)),
    )


def open_tasks(history: "History", now: datetime) -> Iterator[str]:
    """What the journal itself asks a person to do, each thing once, most pressing first."""
    tasks = [*_asked_for_now(history, now), *(s.stopped.todo for s in history.steps if s.stopped), *_calls(history)]
    yield from dict.fromkeys(task for task in tasks if task)


def _asked_for_now(history: "History", now: datetime) -> Iterator[str]:
    status, held_back = history.status(now), history.held_back
    if held_back is not None and held_back.todo:
        yield held_back.todo
    if status is Status.AWAITING_APPROVAL and history.planned is not None:
        yield f"Look at the plan; let it go by approving its hash {history.planned.hash}."
    if status is Status.NEEDS_ATTENTION and history.is_abandoned(now):
        yield (
            f"Nothing was written to this incident since {history.records[-1].time:%Y-%m-%d %H:%M:%S} UTC, and it "
            "is not finished. Check that Cordon's workers run, look at the poison queue, order the incident again."
        )


def _calls(history: "History") -> Iterator[str]:
    """Calls for a person since the last time that a person answered with an approval."""
    answered = history.place(Approved)
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


def _step_view(step: "StepStory") -> "StepView":
    from shared.views import StepView

    planned = step.planned
    return StepView(
        id=step.id,
        action=planned.action if planned else step.id,
        target=f"{planned.target_kind} {planned.target_id}"
        if planned
        else "not known: the plan does not hold this step",
        describe=planned.describe if planned else "",
        state=step.state,
        proof=step.verified.proof if step.verified else None,
        todo=step.stopped.todo if step.stopped else None,
    )


@dataclass(frozen=True, slots=True)
class Line:
    """A record with the entry that it holds."""

    record: Record
    entry: Entry


_OF_A_STEP = (Intended, Applied, Verified, StepStopped)
_WRITES = (Intended, Applied)
_IN_MOTION = ("planned", "intended", "applied")


@dataclass(frozen=True, slots=True)
class StepStory:
    """One step: as planned last, and all that the journal tells of it, oldest first."""

    id: str
    planned: PlannedStep | None
    lines: tuple[Line, ...] = ()
    since: int = -1  # the place of the plan that it has to be proven for

    @property
    def newest(self) -> Entry | None:
        """The newest that is known of it since it was planned."""
        fresh = self.lines and self.lines[-1].record.sequence > self.since
        return self.lines[-1].entry if fresh else None

    @property
    def state(self) -> StepState:
        match self.newest:
            case Intended():
                return "intended"
            case Applied():
                return "applied"
            case Verified() as verified:
                return _proven(verified)
            case StepStopped():
                return "stopped"
            case _:
                return "planned"

    @property
    def verified(self) -> Verified | None:
        """The answer of the newest look, if nothing happened since."""
        return self.newest if isinstance(self.newest, Verified) else None

    @property
    def stopped(self) -> StepStopped | None:
        """Why it stopped, if that is the newest that is known of it."""
        return self.newest if isinstance(self.newest, StepStopped) else None

    @property
    def held_at_the_look_before(self) -> bool:
        """True if only unknown answers stand between now and a proof, and no write."""
        for line in reversed(self.lines):
            if not isinstance(line.entry, Verified) or line.record.sequence < self.since:
                return False
            if _proven(line.entry) != "unknown":
                return _proven(line.entry) == "held"
        return False

    def all(self, kind: type[E]) -> Iterator[tuple[Record, E]]:
        """This step's entries of a kind with their records, oldest first."""
        for line in self.lines:
            if isinstance(line.entry, kind):
                yield line.record, line.entry


def _proven(verified: Verified) -> Literal["held", "not-held", "unknown"]:
    """What a look shows. Where nobody looked, the service's "accepted" shows nothing."""
    return "unknown" if verified.grade == "accepted" and verified.answer == "held" else verified.answer


class History:
    """A journal, decoded once, and the questions that status, view and report put to it."""

    def __init__(self, records: Sequence[Record]) -> None:
        if not records:
            raise NotFound("There is no such incident.")
        self.records = tuple(records)
        self.lines = tuple(Line(record, read_entry(record)) for record in records)
        self.incident: IncidentId = records[0].incident
        self._newest: dict[type[Entry], Line] = {type(line.entry): line for line in self.lines}

    # What was written

    def all(self, kind: type[E]) -> Iterator[E]:
        """The entries of a kind, oldest first."""
        for line in self.lines:
            if isinstance(line.entry, kind):
                yield line.entry

    def last(self, kind: type[E]) -> E | None:
        """The newest entry of a kind."""
        line = self._newest.get(kind)
        return line.entry if line is not None and isinstance(line.entry, kind) else None

    def place(self, *kinds: type[Entry]) -> int:
        """The sequence number of the newest entry of these kinds, or -1."""
        return max((self._newest[kind].record.sequence for kind in kinds if kind in self._newest), default=-1)

    @property
    def opened(self) -> Opened:
        if not isinstance(self.lines[0].entry, Opened):
            raise JournalDamaged(f"The journal of incident {self.incident} does not begin with its opening.")
        return self.lines[0].entry

    @property
    def mode(self) -> str:
        """The mode that the newest plan was held back in, or else that of the opening."""
        held_back = self.last(HeldBack)
        return held_back.mode if held_back and held_back.mode else self.opened.mode

    @property
    def decided(self) -> Decided | None:
        return self.last(Decided)

    @property
    def planned(self) -> Planned | None:
        return self.last(Planned)

    @property
    def identity(self) -> IdentitySeen | None:
        """The identity as last seen, if it ever could be read."""
        return next((e.identity for e in reversed(tuple(self.all(Investigated))) if e.identity), None)

    @property
    def not_done(self) -> tuple[NamedOutcome, ...]:
        return self.planned.not_done if self.planned else ()

    @cached_property
    def steps(self) -> tuple[StepStory, ...]:
        """The newest plan's steps in their order, then every other step that was ever begun."""
        plans = {step.id: step for plan in self.all(Planned) for step in plan.steps}
        current = {step.id: self.place(Planned) for step in (self.planned.steps if self.planned else ())}
        told: dict[str, list[Line]] = {name: [] for name in current}
        for line in self.lines:
            if isinstance(line.entry, _OF_A_STEP) and line.record.step is not None:
                told.setdefault(line.record.step, []).append(line)
        return tuple(
            StepStory(name, plans.get(name), tuple(lines), current.get(name, -1)) for name, lines in told.items()
        )

    # What follows from it

    @cached_property
    def _approved(self) -> int:
        """The place of the newest approval, if it is for the newest plan; else -1."""
        approved, plan = self.last(Approved), self.planned
        return self.place(Approved) if approved and plan and approved.plan_hash == plan.hash else -1

    @property
    def begun(self) -> bool:
        """True once a step was taken in hand, or a person let the plan go that now stands."""
        return self.place(*_OF_A_STEP) >= 0 or self._approved > self.place(HeldBack, Decided)

    @property
    def held_back(self) -> HeldBack | None:
        """What holds the plan back now."""
        stands = self.place(HeldBack) > max(self.place(Decided, *_WRITES), self._approved)
        return self.last(HeldBack) if stands else None

    @property
    def escalated(self) -> Escalated | None:
        """The call for a person, if it is the last word."""
        moved_on = max(self.place(*_OF_A_STEP, HeldBack, Rechecked, Decided), self._approved)
        return self.last(Escalated) if self.place(Escalated) > moved_on else None

    @property
    def closed(self) -> Closed | None:
        """How the incident was closed, if nothing was decided or done since."""
        moved_on = max(self.place(*_OF_A_STEP, HeldBack, Rechecked, Decided), self._approved)
        return self.last(Closed) if self.place(Closed) > moved_on else None

    @property
    def recheck(self) -> Rechecked | None:
        """The newest recheck, if nothing was written after it."""
        return self.last(Rechecked) if self.place(Rechecked) > self.place(*_WRITES) else None

    @property
    def has_undecided_signal(self) -> bool:
        decided = self.decided
        if decided is None or decided.signals is None:
            return self.place(SignalJoined) > self.place(Decided)
        return sum(1 for _ in self.all(SignalJoined)) > decided.signals

    @property
    def put_down(self) -> bool:
        """True if the last worker put the incident down as finished, and nothing has called one since."""
        ended = self.last(WorkEnded)
        called = self.place(WorkStarted, SignalJoined, Approved)
        return ended is not None and not ended.more and self.place(WorkEnded) > called

    @property
    def moved_past_the_steps(self) -> bool:
        """True if the incident was closed, put down, handed to a person or rechecked without these steps."""
        over = self.place(Closed, Escalated) > self.place(*_OF_A_STEP)
        return over or self.put_down or (self._was_rechecked_since() and not self._will_be_resumed)

    def _was_rechecked_since(self) -> bool:
        recheck = self.last(Rechecked)
        return recheck is not None and recheck.answer != "not-held" and self.place(Rechecked) > self.place(*_OF_A_STEP)

    @property
    def _will_be_resumed(self) -> bool:
        ended = self.last(WorkEnded)
        return ended is not None and ended.more and self.place(WorkEnded) > self.place(WorkStarted)

    @property
    def stopped_by_switch(self) -> bool:
        """True if the switch stopped the newest attempt. What was under way may have been written down after it."""
        held_back = self.last(HeldBack)
        return held_back is not None and held_back.by == "switch" and self.place(HeldBack) > self.place(WorkStarted)

    def is_abandoned(self, now: datetime) -> bool:
        """True if work on it should go on, and nobody has written to it for longer than that can take."""
        rechecking = self.recheck is not None and self.recheck.answer != "not-held"
        return now - self.records[-1].time > (RECHECK_PATIENCE if rechecking else WORK_PATIENCE)

    # The truth table of `status_of`, one function for each block of its rows

    def status(self, now: datetime) -> Status:
        if self.escalated or (self.closed and self.closed.outcome == "needs-attention"):
            return Status.NEEDS_ATTENTION
        if self.held_back:
            return self._status_held_back(self.held_back, now)
        return self._status_begun(now) if self.begun else self._status_before(now)

    def _status_held_back(self, held_back: HeldBack, now: datetime) -> Status:
        if self._approval_helps(held_back, now):
            return Status.AWAITING_APPROVAL
        if self.begun or held_back.by != "mode" or self.mode != "watch":
            return Status.NEEDS_ATTENTION
        return self._at_work(Status.OPEN, now) if self.has_undecided_signal else Status.WATCHED

    def _approval_helps(self, held_back: HeldBack, now: datetime) -> bool:
        plan = self.planned
        if plan is None or not plan.steps or (plan.expires_at is not None and plan.expires_at <= now):
            return False
        return held_back.by in ("verdict", "limits") or (held_back.by == "mode" and self.mode == "ask")

    def _status_before(self, now: datetime) -> Status:
        if self.closed and self.closed.outcome == "joined":
            return Status.IGNORED
        if self.decided is None or self.has_undecided_signal:
            return Status.NEEDS_ATTENTION if self.closed else self._at_work(Status.OPEN, now)
        match self.decided.verdict:
            case "ignore":
                return Status.IGNORED if self.closed else self._at_work(Status.OPEN, now)
            case "watch":
                return Status.WATCHED
            case "ask" | "contain":
                hopeless = self.closed or (self.planned is not None and not self.planned.steps)
                return Status.NEEDS_ATTENTION if hopeless else self._at_work(Status.OPEN, now)

    def _status_begun(self, now: datetime) -> Status:
        if not any(step.planned is None or step.planned.contains for step in self.steps):
            return Status.NEEDS_ATTENTION
        if all(step.state == "held" for step in self.steps):
            return self._status_held(now)
        if self._is_only_in_doubt():
            return Status.NEEDS_ATTENTION if self.is_abandoned(now) else Status.PROVING
        return Status.NEEDS_ATTENTION if self._given_up() else self._at_work(Status.CONTAINING, now)

    def _status_held(self, now: datetime) -> Status:
        recheck = self.recheck
        if recheck is not None and recheck.answer == "held" and recheck.number >= 1:
            return Status.CONTAINED
        if recheck is not None and recheck.answer == "not-held":
            return self._at_work(Status.CONTAINING, now)
        over = recheck is not None and recheck.last
        return Status.NEEDS_ATTENTION if over or self.is_abandoned(now) else Status.PROVING

    def _is_only_in_doubt(self) -> bool:
        """The last look could not tell what the one before it had proven, and another is to come."""
        recheck = self.recheck
        looks_go_on = recheck is not None and recheck.answer == "unknown" and not recheck.last
        return looks_go_on and all(step.held_at_the_look_before for step in self.steps)

    def _given_up(self) -> bool:
        states = {step.state for step in self.steps}
        nothing_moves = "stopped" in states and states.isdisjoint(_IN_MOTION)
        return nothing_moves or self.stopped_by_switch or self.moved_past_the_steps

    def _at_work(self, status: Status, now: datetime) -> Status:
        return Status.NEEDS_ATTENTION if self.put_down or self.is_abandoned(now) else status
