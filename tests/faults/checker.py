"""
Judges a history by what was recorded of it, knowing nothing of how Cordon works inside.

    violations = check(chronicle, Expected())

Each violation has a kind of `KINDS`, so that a table can show how many of each there were: none.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import accumulate
from math import nextafter

from shared.entries import (
    Approved,
    Closed,
    Entry,
    Escalated,
    HeldBack,
    Intended,
    Planned,
    PlannedStep,
    Rechecked,
    RechecksSet,
    SecretsTurned,
    SignalJoined,
    StepStopped,
    UndoEnded,
    UndoIntended,
    UndoOrdered,
    UndoVerified,
    Verified,
    WorkEnded,
    WorkStarted,
    read_entry,
)
from shared.history import History, Line
from shared.incident import Status, status_in, status_of
from shared.journal import Record, check_chain
from tests.faults.chronicle import STALE, Appended, Chronicle, Happened, Wrote
from tests.faults.realm import CLOSES

KINDS = (
    "lost",
    "made twice",
    "outside the plan",
    "false contained",
    "less contained",
    "not put back",
    "secret bytes",
    "too many restarts",
    "effect after stop",
    "exposed and alive",
    "consumer on a dead value",
    "out of order",
    "does not reproduce",
)
RACE_WINDOW = 5.0  # seconds between the proof of a write and the look that makes it "contained"
AFTER_STOP = 25.0  # seconds in which what was already let through may still arrive
_PIECE = 8  # characters of a secret that nothing else may happen to hold
OURS = frozenset({"unlocked"})  # what Cordon itself opens for a moment, and must have closed at the end
RESTING = frozenset(
    {
        Status.CONTAINED,
        Status.NEEDS_ATTENTION,
        Status.IGNORED,
        Status.WATCHED,
        Status.AWAITING_APPROVAL,
        Status.RELEASED,
    }
)

# Which write belongs to which action, by the first word of its name.
_LEVERS = {
    "accountEnabled": "block-sign-in",
    "isDisabled": "deactivate-application",
    "keyCredentials": "replace-credentials",
    "make": "replace-credentials",
    "removePassword": "replace-credentials",
    "removeFederated": "replace-credentials",
    "confirmCompromised": "confirm-compromised",
    "create": "require-risk-policy",
    "extend": "require-risk-policy",
}

_WAYS_BACK = {
    "accountEnabled=True": "block-sign-in",
    "isDisabled=False": "deactivate-application",
    "keyCredentials": "replace-credentials",
    "delete policy": "require-risk-policy",
    "leave policy": "require-risk-policy",
}
_ENDED = ("joined", "not-in-tenant", "watched", "ignored", "dismissed", "declined")  # without a step of a plan
_WORKED = (Escalated.kind, WorkStarted.kind, WorkEnded.kind, RechecksSet.kind, SecretsTurned.kind)
LOST_FOR_GOOD = ("password", "unconfirmed")  # no undo brings these back (a secret's value, a word to Microsoft)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a history may end with, and how many processes it may have needed."""

    ends: frozenset[Status] = frozenset({Status.CONTAINED})
    most_lives: int = 3


@dataclass(frozen=True, slots=True)
class Violation:
    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


def check(chronicle: Chronicle, expected: Expected, *, lives: int = 1, canary: str | None = None) -> list[Violation]:
    """Everything that is wrong with this history."""
    return [
        *_lost(chronicle, expected),
        *_made_twice(chronicle),
        *_outside_the_plan(chronicle),
        *_unasked(chronicle),
        *_false_contained(chronicle),
        *_less_contained(chronicle),
        *_not_put_back(chronicle),
        *_secrets(chronicle, canary),
        *_restarts(lives, expected),
        *_after_stop(chronicle),
    ]


def _lost(chronicle: Chronicle, expected: Expected) -> Iterator[Violation]:
    if chronicle.unfinished:
        yield Violation("lost", chronicle.unfinished)
    joined: set[str] = set()
    for chain in chronicle.journals.values():
        check_chain([record for _, record in chain])
    for incident, chain in chronicle.incidents.items():
        records = [record for _, record in chain]
        joined |= {entry.record_id for entry in map(read_entry, records) if isinstance(entry, SignalJoined)}
        end = status_of(records, records[-1].time + timedelta(hours=6))
        if _is_joined(records):
            continue
        word = status_of(records, records[0].time)  # while nobody can be late yet: what it says of itself
        if left := _left_unbegun(records):
            yield Violation("lost", f"incident {incident} decided on {left}, and nobody began it or said why")
        if word not in RESTING and not _is_called_since(records):
            yield Violation("lost", f"incident {incident} is left by everybody while it is {word.value}")
        if end not in RESTING or end not in expected.ends:
            last = ", ".join(record.kind for record in records[-4:])
            yield Violation("lost", f"incident {incident} ends {end.value} after {last}")
    for acknowledged in chronicle.all("acknowledged"):
        if not any(acknowledged.detail in record_id for record_id in joined):
            yield Violation("lost", f"signal {acknowledged.detail} was acknowledged and stands in no incident")


_ANSWERS = (Escalated, HeldBack, UndoOrdered)


def _left_unbegun(records: list[Record]) -> str | None:
    """A step of the newest plan, which nothing holds back, that was neither begun nor given up."""
    left: list[str | None] = []
    for entry, step in ((read_entry(record), record.step) for record in records):
        if isinstance(entry, Planned):
            left = [each.id for each in entry.steps if not each.lasting]  # a rotation has a journal of its own
        elif isinstance(entry, _ANSWERS) or (isinstance(entry, Closed) and entry.outcome in _ENDED):
            left = []
        elif step in left and isinstance(entry, Intended | StepStopped):
            left.remove(step)
    return left[0] if left else None


def _is_called_since(records: list[Record]) -> bool:
    """Whether a person was called when the work that was under way ended."""
    last = next((record.kind for record in reversed(records) if record.kind in _WORKED), None)
    return last == Escalated.kind


def _is_joined(records: list[Record]) -> bool:
    return records[-1].kind in ("closed", "published", "work-ended") and any(
        record.kind == "closed" and record.data.get("outcome") == "joined" for record in records
    )


def _made_twice(chronicle: Chronicle) -> Iterator[Violation]:
    for operation, count in chronicle.made.items():
        if count > 1:
            yield Violation("made twice", f"{count} certificates for operation {operation}")
    writes = [event.what for event in chronicle.events if isinstance(event, Wrote)]
    policies = accumulate({"create policy": 1, "delete policy": -1}.get(what, 0) for what in writes)
    if max(policies, default=0) > 1:
        yield Violation("made twice", "there were two Conditional Access policies of Cordon's at once")


def _outside_the_plan(chronicle: Chronicle) -> Iterator[Violation]:
    """Each write must be named by an intent that stood in the journal when it was sent; so must each way back."""
    intents: list[tuple[PlannedStep, str]] = []
    ways_back: list[tuple[PlannedStep, UndoIntended]] = []
    steps: dict[tuple[str, str], PlannedStep] = {}
    for event in _as_sent(chronicle):
        if isinstance(event, Appended):
            for record in event.records:
                entry, id_ = read_entry(record), (record.incident, record.step or "")
                if isinstance(entry, Planned):
                    steps |= {(record.incident, step.id): step for step in entry.steps}
                if isinstance(entry, Intended):
                    intents.append((steps[id_], json.dumps(record.data) + steps[id_].model_dump_json()))
                if isinstance(entry, UndoIntended):
                    ways_back.append((steps[id_], entry))
            continue
        named = any(_is_about(step, event) and _allows(step, text, event.what) for step, text in intents)
        back = (_is_about(step, event) and _allows_back(step, way, event.what) for step, way in ways_back)
        if not named and not any(back):
            yield Violation("outside the plan", f"{event.what} at {event.at:.1f} s, named by no intent before it")


def _unasked(chronicle: Chronicle) -> Iterator[Violation]:
    """No step is begun of plans alone that wait for a person's word."""
    for incident, chain in chronicle.incidents.items():
        plans: list[_Waiting] = []
        for at, record in chain:
            match read_entry(record):
                case Planned() as plan:
                    plans.append(_Waiting(plan.hash, frozenset(step.id for step in plan.steps)))
                case HeldBack(by=by) if by != "switch" and plans:
                    plans[-1].held = True
                case Approved(plan_hash=hash_):
                    for plan in plans:
                        plan.held = plan.held and plan.hash != hash_
                case Intended(plan_hash=of) if not any(plan.may_begin(record.step, of) for plan in plans):
                    yield Violation("outside the plan", f"{incident} began {record.step} at {at:.1f} s, which waits")
                case _:
                    pass


@dataclass(slots=True)
class _Waiting:
    """A plan, and whether it waits for a person."""

    hash: str
    steps: frozenset[str]
    held: bool = False

    def may_begin(self, step: str | None, of: str | None) -> bool:
        return step in self.steps and not self.held and of in (self.hash, None)


def _is_about(step: PlannedStep, wrote: Wrote) -> bool:
    """Whether the object that was written to is one of the step's."""
    return wrote.on is None or wrote.on in (step.target_id, *step.touches)


def _as_sent(chronicle: Chronicle) -> list[Appended | Wrote]:
    """Records and writes, in the order in which they left their instance."""
    events = [event for event in chronicle.events if isinstance(event, Appended | Wrote)]
    return sorted(events, key=lambda each: each.sent_at if isinstance(each, Wrote) else each.at)


def _allows(step: PlannedStep, text: str, what: str) -> bool:
    first, _, rest = what.partition(" ")
    name = first.partition("=")[0]
    if what in ("accountEnabled=True", "isDisabled=False"):
        return False
    if name in ("lock", "tags"):
        return step.action in ("custody", "replace-credentials")
    if name == "remove":  # the id of what is taken away stands in the image
        return rest.rpartition(" ")[2] in text
    if name in ("removePassword", "removeFederated"):
        return rest in text and step.action == _LEVERS[name]
    return step.action == _LEVERS.get(name)


def _allows_back(step: PlannedStep, way: UndoIntended, what: str) -> bool:
    """Whether what is written back stands in the way back that was written down, and not only its action."""
    first, _, rest = what.partition(" ")
    name, text = first.partition("=")[0], json.dumps(way.image)
    if not way.writes:
        return False
    if name == "give":  # kind and id (or name) of what is given back
        return rest.rpartition(" ")[2] in text
    if name in ("lock", "tags"):
        return step.action in ("custody", "replace-credentials")
    return step.action == _WAYS_BACK.get(what, _WAYS_BACK.get(name))


def _false_contained(chronicle: Chronicle) -> Iterator[Violation]:
    """What was said is computed from the journal as it stood; what was true, from the tenant as it was."""
    attacks = [attack.at for attack in chronicle.all("attack")]
    stale = [each.at for each in chronicle.all("struck") if _is_stale(each)]
    for incident, chain in chronicle.incidents.items():
        lines = [(at, Line(record, read_entry(record))) for at, record in chain]
        first = next((n for n, (_, line) in enumerate(lines, start=1) if isinstance(line.entry, Rechecked)), None)
        for number in _batches(chain):
            if first is None or number < first:
                continue
            history = History([line for _, line in lines[:number]])
            if status_in(history, chain[number - 1][1].time) is not Status.CONTAINED:
                continue
            # What happens in the very moment of the next record may have followed from it.
            until = nextafter(chain[number][0], 0.0) if number < len(chain) else chronicle.ended_at
            yield from _judge(chronicle, incident, lines[:number], until, attacks, stale)


def _batches(chain: Sequence[tuple[float, Record]]) -> list[int]:
    """How many records there were after each append."""
    return [n for n in range(1, len(chain) + 1) if n == len(chain) or chain[n][0] > chain[n - 1][0]]


def _judge(
    chronicle: Chronicle,
    incident: str,
    lines: list[tuple[float, Line]],
    until: float,
    attacks: list[float],
    stale: list[float],
) -> Iterator[Violation]:
    said_at = lines[-1][0]
    rests_on = max(n for n, (_, line) in enumerate(lines) if isinstance(line.entry, Rechecked))
    plan = next(line.entry for _, line in reversed(lines) if isinstance(line.entry, Planned))
    written = [at for at, line in lines if line.record.kind == "applied"]
    looked_at, _ = lines[rests_on]
    if written and looked_at < max(written) + RACE_WINDOW - 0.5:
        yield Violation("false contained", f"{incident}: no look after the race window, at {said_at:.1f} s")
    for step in plan.steps:
        read_at = _read_at(lines[: rests_on + 1], step.id, looked_at)
        lag = max(chronicle.lag, STALE if any(read_at <= at <= looked_at for at in stale) else 0.0)
        since = read_at - lag
        disturbed = lag > 0 or any(since <= at <= until for at in attacks)
        truths = chronicle.open_between(since, looked_at if disturbed else until)
        closed = _closed_by(step)
        left = [sorted(thing for thing in truth if thing.startswith(closed)) for truth in truths]
        if closed and (all(left) if disturbed else any(left)):
            shown = next(each for each in left if each)
            yield Violation("false contained", f"{incident} at {said_at:.1f} s, {step.id}: {shown} stood open")


def _is_stale(struck: Happened) -> bool:
    """Whether a replica answered a look that knew nothing of the last half minute."""
    return struck.detail.startswith("stale-404") and "tenant look" in struck.detail


def _read_at(lines: list[tuple[float, Line]], step: str, otherwise: float) -> float:
    """The true time of the read on which the step's newest proof rests."""
    for at, line in reversed(lines):
        entry = line.entry
        if isinstance(entry, Verified) and line.record.step == step and entry.answer == "held" and entry.read_at:
            return at - (line.record.time - entry.read_at).total_seconds()
    return otherwise


def _closed_by(step: PlannedStep) -> tuple[str, ...]:
    if step.action == "replace-credentials":
        return ("password", "key", "federated") if step.options.get("part") != "new-certificate" else ()
    if step.action == "custody" and step.target_kind != "application":
        return ("owner", "untagged")
    return CLOSES.get(step.action, ())


@dataclass(slots=True)
class Before:
    """
    What stood open before Cordon came, by the pre-images of each step. What an undo has proven back is behind it; what
    it left is still to be given back by the next one.
    """

    actions: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    images: dict[tuple[str, str], tuple[str, Intended]] = field(
        default_factory=dict[tuple[str, str], tuple[str, Intended]]
    )
    ordered: set[str] = field(default_factory=set[str])  # incidents of which a person has ordered the undo
    back: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    old: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])

    def follow(self, record: Record) -> None:
        """Take in what the journal says next."""
        id_ = record.incident, record.step or ""
        match read_entry(record):
            case Planned() as plan:
                self.actions |= {(record.incident, step.id): step.action for step in plan.steps}
            case Intended() as intent:
                self._begin(id_, intent)
            case UndoVerified() as look:
                (self.back.add if look.answer == "held" else self.back.discard)(id_)
            case UndoOrdered():
                self.ordered.add(record.incident)
            case UndoEnded():
                self.old |= {known for known in self.back if known[0] == record.incident}
                self.ordered.discard(record.incident)
            case _:
                pass

    def _begin(self, id_: tuple[str, str], intent: Intended) -> None:
        if id_ not in self.images or id_ in self.old:
            self.images[id_] = self.actions[id_], intent
        self.old.discard(id_)
        self.back.discard(id_)

    def was_open(self, thing: str) -> bool:
        """Whether an undo that is under way may open it."""
        images = [image for (incident, _), image in self.images.items() if incident in self.ordered]
        return any(_was_open(thing, *image) for image in images)


def _less_contained(chronicle: Chronicle) -> Iterator[Violation]:
    """Only an undo that a person ordered may open anything, and of that only what stood open before Cordon came."""
    before = Before()
    for event in _as_sent(chronicle):
        if isinstance(event, Wrote):
            wrong = {thing for thing in event.opened - OURS if not before.was_open(thing)}
            if wrong:
                yield Violation("less contained", f"{event.what} at {event.at:.1f} s opened {sorted(wrong)}")
            continue
        for record in event.records:
            before.follow(record)
    lifted = any("unlocked" in event.opened for event in chronicle.events if isinstance(event, Wrote))
    undone = any(record.kind == UndoOrdered.kind for chain in chronicle.incidents.values() for _, record in chain)
    if lifted and not undone and "unlocked" in chronicle.truth[-1][1]:
        yield Violation("less contained", "the instance lock was lifted and is not back")


def _was_open(thing: str, action: str, image: Intended) -> bool:
    """Whether the pre-image of a step of this action says that this stood open."""
    name, _, id_ = thing.partition(" ")
    if name not in CLOSES[action]:
        return False
    match name:
        case "enabled":
            return image.before.get("accountEnabled") is True
        case "active":
            return image.before.get("isDisabled") is False
        case "uncovered" | "untagged":
            return True
        case _:
            return bool(id_) and id_ in json.dumps(image.before)


def _not_put_back(chronicle: Chronicle) -> Iterator[Violation]:
    """What is called released is as it was before Cordon came, but for what no undo can bring back."""
    if len(chronicle.incidents) != 1 or chronicle.all("attack"):
        return
    ((incident, chain),) = chronicle.incidents.items()
    records = [record for _, record in chain]
    if status_of(records, records[-1].time) is Status.RELEASED:
        gone = chronicle.truth[0][1] - chronicle.truth[-1][1]
        entries = [read_entry(record) for record in records]
        left = sorted(t for t in gone if not t.startswith(LOST_FOR_GOOD) and not _has_no_copy(t, entries))
        if left:
            yield Violation("not put back", f"{incident} is called released, and {left} did not come back")


def _has_no_copy(thing: str, entries: Sequence[Entry]) -> bool:
    """A certificate whose public part nobody could read before it went; it was told as lost, too."""
    name, _, id_ = thing.partition(" ")
    images = [entry.before for entry in entries if isinstance(entry, Intended) and id_ in json.dumps(entry.before)]
    told = any(id_ in text for entry in entries if isinstance(entry, UndoIntended) for text in entry.lost)
    return name == "key" and told and not any(id_ in json.dumps(image.get("publicKeys")) for image in images)


def _secrets(chronicle: Chronicle, canary: str | None) -> Iterator[Violation]:
    """Any piece of it: what is cut to a line's length shows the most of it."""
    output, pieces = "\n".join(chronicle.output), range(len(canary) - _PIECE + 1) if canary else range(0)
    if canary and any(canary[begin : begin + _PIECE] in output for begin in pieces):
        yield Violation("secret bytes", "the canary of an event stands in what left the process")


def _restarts(lives: int, expected: Expected) -> Iterator[Violation]:
    if lives > expected.most_lives:
        yield Violation("too many restarts", f"{lives} processes, {expected.most_lives} may be needed")


def _after_stop(chronicle: Chronicle) -> Iterator[Violation]:
    stopped: float | None = None
    for event in chronicle.events:
        if isinstance(event, Wrote):
            if stopped is not None and event.sent_at > stopped + AFTER_STOP:
                yield Violation("effect after stop", f"{event.what} at {event.at:.1f} s, stopped at {stopped:.1f} s")
        elif not isinstance(event, Appended) and event.what in ("stopped", "released"):
            stopped = event.at if event.what == "stopped" else None
