"""
A journal, decoded once, and the questions that status, view and report put to it. Pure.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal, TypeAlias, TypeVar

from shared.begun import newest_begun
from shared.chain import Line
from shared.entries import (
    SIGNING_KEYS_IN_DOUBT,
    WAITING,
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
    SecretsBegun,
    SecretsEnded,
    SecretsTurned,
    SignalJoined,
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
    read_entry,
)
from shared.errors import JournalDamaged, NotFound
from shared.journal import IncidentId, Record

E = TypeVar("E", bound=Entry)

StepState: TypeAlias = Literal["planned", "intended", "applied", "held", "not-held", "unknown", "stopped", "put-back"]

# Work renews itself: a crashed worker's message comes back within minutes, attempts are at most 10 minutes
# apart, and the longest pause between two rechecks is 80. Who was silent for longer than this is not at
# work any more, and a person must look.
WORK_PATIENCE = timedelta(minutes=30)
RECHECK_PATIENCE = timedelta(hours=2)
LAST_LOOK = timedelta(minutes=105)
"""
So long after a rotation was set off it is looked for the last time who read what: the last ordinary token is dead after
95 minutes, and vaults' logs are ten minutes late (facts: Azure 3.4). Of who has other tokens: `residual.last_look`.
"""

_OF_A_STEP = (Intended, Applied, Verified, StepStopped)
_WRITES = (Intended, Applied)
_OF_UNDO = (UndoOrdered, UndoIntended, UndoApplied, UndoVerified, UndoStopped)


@dataclass(frozen=True, slots=True)
class StepStory:
    """One step: as planned last, and all that the journal tells of it, oldest first."""

    id: str
    planned: PlannedStep | None
    lines: tuple[Line, ...] = ()
    since: int = -1  # the place of the plan that it has to be proven for
    undone: bool = False  # an undo wrote to it, or may have, since the last that is told of it
    back: bool = False  # an undo has proven it back since it was last begun: nothing of it stands

    @property
    def newest(self) -> Entry | None:
        """The newest that is known of it since it was planned."""
        fresh = self.lines and self.lines[-1].record.sequence > self.since
        return self.lines[-1].entry if fresh else None

    @property
    def state(self) -> StepState:
        if self.undone:
            return "put-back"
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
    def cuts(self) -> bool:
        """
        Whether it takes something away. One that takes what is held, and found nothing held, takes nothing; unless a
        person was asked to settle what it had to leave.
        """
        if self.planned is not None and not self.planned.contains:
            return False
        found = [intent.before["removing"] for _, intent in self.all(Intended) if "removing" in intent.before]
        asked = any(outcome.todo for _, look in self.all(Verified) for outcome in look.left)
        return not found or any(found) or asked

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


def is_proof(verified: Verified) -> bool:
    """True if a fresh read showed the effect."""
    return _proven(verified) == "held"


def _is_failed_look(entry: Entry) -> bool:
    return isinstance(entry, Verified) and not is_proof(entry)


class History:
    """A journal, decoded once, and the questions that status, view and report put to it."""

    def __init__(self, lines: Sequence[Line]) -> None:
        if not lines:
            raise NotFound("There is no such incident.")
        self.lines = tuple(lines)
        self.incident: IncidentId = lines[0].record.incident
        self._newest: dict[type[Entry], Line] = {type(line.entry): line for line in self.lines}

    @classmethod
    def read(cls, records: Sequence[Record]) -> "History":
        """Raises NotFound for no records, JournalDamaged for kinds that this version does not know."""
        return cls([Line(record, read_entry(record)) for record in records])

    def until(self, line: Line) -> "History":
        """The history as it was when this line had just been written."""
        return History(self.lines[: line.record.sequence + 1])

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
        """The newest plan, unless a person said no to it and another one stands."""
        return self._plans[-1][1] if self._plans else None

    @property
    def planned_at(self) -> int:
        """The place of that plan, or -1."""
        return self._plans[-1][0] if self._plans else -1

    @cached_property
    def _plans(self) -> tuple[tuple[int, Planned], ...]:
        """
        The plans with their places, oldest first. What a person said no to was never begun: where another plan was, it
        is that one which stands.
        """
        begun = newest_begun(self.lines[: max(self._declined, 0)])
        declined = begun >= 0 and self._declined > self.place(Planned)
        plans = ((line.record.sequence, line.entry) for line in self.lines if isinstance(line.entry, Planned))
        return tuple(each for each in plans if not declined or each[0] <= begun)

    @cached_property
    def _declined(self) -> int:
        """The place at which a person said no to the plan that waited, if that is how it was closed last; else -1."""
        closed = self.last(Closed)
        return self.place(Closed) if closed is not None and closed.outcome == "declined" else -1

    @property
    def identity(self) -> IdentitySeen | None:
        """The identity as last seen, if it ever could be read."""
        return next((e.identity for e in reversed(tuple(self.all(Investigated))) if e.identity), None)

    @property
    def not_done(self) -> tuple[NamedOutcome, ...]:
        """What the newest plan leaves out, and what the newest look at each step found open beside what it proves."""
        return (*(self.planned.not_done if self.planned else ()), *self._left)

    @property
    def wanting(self) -> tuple[NamedOutcome, ...]:
        """What looks found open and a person must settle: until then nothing counts as contained."""
        return tuple(outcome for outcome in self._left if outcome.todo)

    @cached_property
    def _left(self) -> tuple[NamedOutcome, ...]:
        looks = (step.verified for step in self.steps)
        return tuple(outcome for look in looks if look and is_proof(look) for outcome in look.left)

    @property
    def in_doubt(self) -> tuple[NamedOutcome, ...]:
        """What the newest plan left where it may let somebody in again, until a person settles it."""
        return tuple(outcome for outcome in self.not_done if outcome.outcome == SIGNING_KEYS_IN_DOUBT)

    @cached_property
    def steps(self) -> tuple[StepStory, ...]:
        """
        The newest plan's steps in their order, unless an undo gave it up, then every other that was ever begun; none
        that lasts.
        """
        plans = {step.id: step for _, plan in self._plans for step in plan.steps}
        # A step that was planned again has to be proven again, also where a later plan leaves it out.
        placed = {step.id: place for place, plan in self._plans for step in plan.steps}
        backs, given_up = self._backs, self.place(Decided) > self.place(UndoOrdered) > self.planned_at
        ahead = self.planned.steps if self.planned and not given_up else ()
        told: dict[str, list[Line]] = {step.id: [] for step in ahead if not step.lasting}
        over = backs if self.place(Decided) > self.place(UndoOrdered) else {}
        for line in self.lines:  # what came back before the newest decision is another story; what was left, stands
            step, place = line.record.step, line.record.sequence
            if isinstance(line.entry, _OF_A_STEP) and step is not None and place > over.get(step, -1):
                told.setdefault(step, []).append(line)
        undoing = {
            line.record.step: line.record.sequence
            for line in self.lines
            if isinstance(line.entry, UndoIntended) and line.entry.writes
        }

        def story(name: str, lines: list[Line]) -> StepStory:
            last = max(lines[-1].record.sequence if lines else -1, placed.get(name, -1))
            undone = undoing.get(name, -1) > last
            begun = max((line.record.sequence for line in lines if isinstance(line.entry, Intended)), default=-1)
            back = backs.get(name, -1) > begun
            return StepStory(name, plans.get(name), tuple(lines), placed.get(name, -1), undone, back)

        return tuple(story(name, lines) for name, lines in told.items())

    @property
    def lasting(self) -> tuple[PlannedStep, ...]:
        """The steps of the newest plan that last longer than it, each with a journal of its own."""
        return tuple(step for step in self.planned.steps if step.lasting) if self.planned else ()

    @property
    def secrets_begun_at(self) -> datetime | None:
        """When the rotation of the exposed secrets was set off last."""
        begun = (line.record.time for line in reversed(self.lines) if isinstance(line.entry, SecretsBegun))
        return next(begun, None)

    @property
    def secrets(self) -> SecretsBegun | SecretsTurned | SecretsEnded | None:
        """The newest that is told of the exposed secrets, if their rotation was ever set off."""
        newest = self.place(SecretsBegun, SecretsTurned, SecretsEnded)
        entry = self.lines[newest].entry if newest >= 0 else None
        return entry if isinstance(entry, SecretsBegun | SecretsTurned | SecretsEnded) else None

    @property
    def _backs(self) -> dict[str, int]:
        """The place at which an undo last proved a step back, if no later look of it has shown otherwise."""
        backs: dict[str, int] = {}
        before: dict[str, int] = {}  # as it was when the step was last begun
        for line in self.lines:
            step = line.record.step or ""
            match line.entry:
                case Intended():
                    before[step] = backs.get(step, -1)
                case UndoVerified(answer="held"):
                    backs[step] = line.record.sequence
                case UndoVerified():
                    backs[step] = before.get(step, -1)
                case _:
                    pass
        return backs

    # What follows from it

    @cached_property
    def _approved(self) -> int:
        """The place of the newest approval, if it is for the newest plan; else -1."""
        approved, plan = self.last(Approved), self.planned
        return self.place(Approved) if approved and plan and approved.plan_hash == plan.hash else -1

    @property
    def begun(self) -> bool:
        """True once a step was taken in hand that is not wholly undone, or a person let the plan go that now stands."""
        return any(step.lines for step in self.steps) or self._approved > self.place(HeldBack, Decided)

    def _holds(self) -> Iterator[tuple[int, HeldBack]]:
        """What has held a plan back, with its place, newest first."""
        for line in reversed(self.lines):
            if isinstance(line.entry, HeldBack):
                yield line.record.sequence, line.entry

    @property
    def held_back(self) -> HeldBack | None:
        """
        What holds the plan back now. What waits for a person is carried out by no write: until it is answered, each is
        of what stands beside it and was contained again.
        """
        settled = max(self.place(Decided, UndoOrdered, UndoIntended), self._approved, self._declined)
        for at, held_back in self._holds():
            if at <= settled:
                return None
            waits = held_back.by in WAITING and held_back.mode != "watch" and at > self.planned_at
            if waits or at > self.place(*_WRITES):
                return held_back
        return None

    @property
    def escalated(self) -> Escalated | None:
        """The call for a person, if it is the last word."""
        moved_on = max(self.place(*_OF_A_STEP, *_OF_UNDO, HeldBack, Rechecked, Decided), self._approved)
        return self.last(Escalated) if self.place(Escalated) > moved_on else None

    @property
    def closed(self) -> Closed | None:
        """How the incident was closed, if nothing was decided or done since."""
        moved_on = max(self.place(*_OF_A_STEP, *_OF_UNDO, HeldBack, Rechecked, Decided), self._approved)
        return self.last(Closed) if self.place(Closed) > moved_on else None

    @property
    def undo(self) -> UndoOrdered | None:
        """The newest order to undo, if nothing was decided since."""
        return self.last(UndoOrdered) if self.place(UndoOrdered) > self.place(Decided) else None

    @property
    def undo_ended(self) -> UndoEnded | None:
        """How that order ended, if it has."""
        return self.last(UndoEnded) if self.place(UndoEnded) > self.place(UndoOrdered) else None

    @property
    def recheck(self) -> Rechecked | None:
        """The newest recheck, if nothing after it takes its word away: no write, failed look, new plan or call."""
        return self.last(Rechecked) if self.place(Rechecked) > self._setback else None

    @cached_property
    def _setback(self) -> int:
        """The place of the newest record after which everything has to be looked at once more."""
        failed = (line.record.sequence for line in reversed(self.lines) if _is_failed_look(line.entry))
        return max(self.place(*_WRITES, StepStopped, Escalated), self.planned_at, next(failed, -1))

    @property
    def has_undecided_signal(self) -> bool:
        decided = self.decided
        if decided is None or decided.signals is None:
            return self.place(SignalJoined) > self.place(Decided)
        return sum(1 for _ in self.all(SignalJoined)) > decided.signals

    @property
    def put_down(self) -> bool:
        """True if the last worker put the incident down as finished, and nothing happened since."""
        ended = self.last(WorkEnded)
        called = self.place(WorkStarted, SignalJoined, Approved, Rechecked, *_OF_A_STEP, *_OF_UNDO)
        return ended is not None and not ended.more and self.place(WorkEnded) > called

    @property
    def moved_past_the_steps(self) -> bool:
        """True if the incident was closed, put down, handed to a person or rechecked without these steps."""
        since = max(self.place(*_OF_A_STEP), self.planned_at)
        recheck = self.last(Rechecked)
        rechecked = recheck is not None and recheck.answer != "not-held" and self.place(Rechecked) > since
        over = self.put_down or self.place(Closed, Escalated) > since
        return over or (rechecked and not self._will_be_resumed)

    @property
    def _will_be_resumed(self) -> bool:
        ended = self.last(WorkEnded)
        return ended is not None and ended.more and self.place(WorkEnded) > self.place(WorkStarted)

    @property
    def stopped_by_switch(self) -> bool:
        """True if the switch stopped the newest attempt. What was under way may have been written down after it."""
        held_back = self.last(HeldBack)
        return held_back is not None and held_back.by == "switch" and self.place(HeldBack) > self.place(WorkStarted)

    def is_rotation_abandoned(self, now: datetime) -> bool:
        """True if the rotation should have been heard of again by now."""
        told = self.lines[self.place(SecretsBegun, SecretsTurned)]
        due = told.entry.until if isinstance(told.entry, SecretsTurned) else None
        return now - (due or told.record.time) > WORK_PATIENCE

    def is_abandoned(self, now: datetime) -> bool:
        """True if work on it should go on, and nobody has written to it for longer than that can take."""
        rechecking = self.recheck is not None and self.recheck.answer != "not-held"
        return now - self.lines[-1].record.time > (RECHECK_PATIENCE if rechecking else WORK_PATIENCE)
