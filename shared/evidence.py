"""
How well the effect of a step is proven, told from the journal alone. Pure.

| grade          | what it means                                                                       |
|----------------|-------------------------------------------------------------------------------------|
| `accepted`     | the service accepted the writes; nobody has looked                                   |
| `read-back`    | a fresh read after the write showed the effect                                       |
| `held`         | another read after the race window showed it again                                   |
| `seen-in-logs` | the directory's audit log tells of Cordon's own write, as a success                  |
| `probed`       | the sign-in log tells of an attempt after the cut that was refused because of it, and of no success |

Nothing of it outlives the last proof: a later write, look or call that takes a proof away takes the grades
that rest on it as well.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from shared.entries import Applied, Intended, Rechecked, SeenInLogs, SignInsSeen, Verified
from shared.history import History, StepStory, is_proof

Grade: TypeAlias = Literal["accepted", "read-back", "held", "seen-in-logs", "probed"]

CUTS = ("block-sign-in", "deactivate-application")  # each alone stops every new token of the identity here


@dataclass(frozen=True, slots=True)
class Evidence:
    """One grade: since when it stands, and by which record of the journal."""

    grade: Grade
    at: datetime
    record: int
    said: str


def evidence_of(step: StepStory, history: History) -> tuple[Evidence, ...]:
    """The grades that stand for a step now, weakest first."""
    if step.state == "applied" or (step.verified is not None and step.verified.grade == "accepted"):
        return tuple(_accepted(step))
    if step.state != "held":
        return ()
    return (
        *_accepted(step),
        *_read_back(step),
        *_held(step, history),
        *_in_logs(step, history),
        *_probed(step, history),
    )


def grade_of(evidence: tuple[Evidence, ...]) -> Grade | None:
    """
    The best grade that has the ones below it: a log line does not stand in for a second look. A refused attempt
    needs no line of the audit log beside it; what was so already has none.
    """
    reached = {each.grade for each in evidence}
    best: Grade | None = "accepted" if "accepted" in reached else None
    for grade in ("read-back", "held"):
        if grade not in reached:
            return best
        best = grade
    return "probed" if "probed" in reached else "seen-in-logs" if "seen-in-logs" in reached else best


def tell_sign_ins(history: History) -> str | None:
    """What the sign-in log showed of the cut, as far as it was read; None where nothing was cut that it could show."""
    if not any(step.planned and step.planned.action in CUTS and step.lines for step in history.steps):
        return None
    seen = history.last(SignInsSeen)
    if seen is None:
        return "not looked at yet: the sign-in log is read 15 and 95 minutes after the cut, because it is late"
    between = f"between {seen.since:%H:%M:%S} and {seen.read_at:%Y-%m-%d %H:%M:%S} UTC, the last half hour not surely"
    grace = f"; {seen.issued_in_grace} succeeded in the minutes of grace" if seen.issued_in_grace else ""
    if seen.issued:
        return f"{seen.issued} sign-in(s) SUCCEEDED after the cut, {between}"
    if seen.not_checkable:
        return f"not checkable: {seen.not_checkable.rstrip('.')}"
    if seen.refused_at is None:
        return f"no attempt seen {between}{grace}; that nobody tried shows nothing"
    refused = (
        f"{seen.refused} attempt(s) refused with error {seen.error_code}, the newest at {seen.refused_at:%H:%M:%S}"
    )
    return f"{refused}, none succeeded; {between}{grace}"


def _accepted(step: StepStory) -> Iterator[Evidence]:
    if step.verified is not None and step.verified.grade == "accepted":
        record = step.lines[-1].record
        yield Evidence("accepted", record.time, record.sequence, step.verified.proof)
        return
    told = next(((record, entry) for record, entry in reversed([*step.all(Applied)])), None)
    if told is None or told[0].sequence < _written(step):
        return
    record, applied = told
    if all(write.outcome in ("accepted", "already") for write in applied.writes):
        yield Evidence("accepted", record.time, record.sequence, "every write was accepted, or not needed")


def _read_back(step: StepStory) -> Iterator[Evidence]:
    """The first of the unbroken row of proofs that ends with the newest look."""
    first: Evidence | None = None
    for record, look in step.all(Verified):
        if record.sequence < max(_written(step), step.since):
            continue
        if not is_proof(look):
            first = None
        elif first is None:
            first = Evidence("read-back", record.time, record.sequence, look.proof)
    if first:
        yield first


def _held(step: StepStory, history: History) -> Iterator[Evidence]:
    """
    The first later look since the unbroken row of proofs began. `History.recheck` is the newest one, if nothing
    after it takes its word away. Of what no later look asks for, none of them tells.
    """
    newest, is_watched = history.recheck, step.planned is None or step.planned.watched
    if newest is None or newest.answer != "held" or not is_watched:
        return
    begun = next((each.record for each in _read_back(step)), -1)
    for line in history.lines[begun + 1 :]:
        if isinstance(line.entry, Rechecked) and line.entry.answer == "held" and line.entry.number >= 1:
            said = f"later look {line.entry.number}, {line.entry.after_seconds:.0f} s after the looks were set"
            yield Evidence("held", line.record.time, line.record.sequence, said)
            return


def _in_logs(step: StepStory, history: History) -> Iterator[Evidence]:
    for line in history.lines:
        if isinstance(line.entry, SeenInLogs) and line.record.step == step.id and line.record.sequence > _written(step):
            said = f"audit record {line.entry.audit_id}: {line.entry.activity}"
            yield Evidence("seen-in-logs", line.record.time, line.record.sequence, said)
            return


def _probed(step: StepStory, history: History) -> Iterator[Evidence]:
    """The first reading of the log since the unbroken row of proofs began that tells of refusals and of no success."""
    begun = next((each.record for each in _read_back(step)), len(history.lines))
    for line in history.lines[begun + 1 :]:
        seen = line.entry
        if isinstance(seen, SignInsSeen) and step.id in seen.steps and seen.refused_at and not seen.issued:
            said = f"a sign-in at {seen.refused_at:%H:%M:%S} UTC was refused with error {seen.error_code}"
            yield Evidence("probed", line.record.time, line.record.sequence, said)
            return


def _written(step: StepStory) -> int:
    """The place of the newest intent: what is older tells of an earlier round."""
    return max((record.sequence for record, _ in step.all(Intended)), default=-1)
