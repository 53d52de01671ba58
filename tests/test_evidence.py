"""Grades of proof: what each rests on, and what takes it away."""

from datetime import timedelta

from shared.entries import SeenInLogs
from shared.evidence import Evidence, evidence_of, grade_of
from shared.history import History
from tests.fakes import START
from tests.report.journals import At, applied, beginning, done, intended, journal, planned, rechecked, verified

BLOCK, DISMISS = "1-block-sign-in", "2-dismiss-risk"


def _seen(at: float) -> At:
    entry = SeenInLogs(audit_id="Directory_1", at=START + timedelta(seconds=at), activity="update service principal")
    return At(entry, BLOCK, at)


def _evidence(*entries: object) -> tuple[Evidence, ...]:
    history = History.read(journal([*beginning(), planned(BLOCK)], *entries))  # pyright: ignore[reportArgumentType]
    (step,) = history.steps
    return evidence_of(step, history)


def _grades(*entries: object) -> list[str]:
    return [each.grade for each in _evidence(*entries)]


def test_grades_rise_one_after_the_other() -> None:
    """Accepted, read back, held, seen in the logs: each with its own record."""
    whole = (*done(BLOCK), rechecked(1, at=7), _seen(200))

    assert _grades(intended(BLOCK), applied(BLOCK)) == ["accepted"]
    assert _grades(*done(BLOCK)) == ["accepted", "read-back"]
    assert _grades(*whole) == ["accepted", "read-back", "held", "seen-in-logs"]
    assert len({each.record for each in _evidence(*whole)}) == 4
    assert "Directory_1" in _evidence(*whole)[-1].said


def test_held_stands_since_the_first_later_look() -> None:
    """Each look after that confirms it; the moment that is told is the first."""
    first = _evidence(*done(BLOCK), rechecked(1, at=7))[-1]

    assert _evidence(*done(BLOCK), rechecked(1, at=7), verified(BLOCK, at=62), rechecked(2, at=63))[-1] == first


def test_a_failed_look_takes_every_grade_away() -> None:
    """The log still tells of the write; somebody undid it, and no grade survives that."""
    undone = (*done(BLOCK), rechecked(1, at=7), _seen(200), verified(BLOCK, "not-held", at=300))

    assert _grades(*undone) == []


def test_a_second_round_needs_its_own_log_record() -> None:
    """What the log told of the first write proves nothing about the next one."""
    again = (intended(BLOCK, 2, at=400), applied(BLOCK, round_=2, at=401), verified(BLOCK, round_=2, at=402))

    assert _grades(*done(BLOCK), _seen(200), *again) == ["accepted", "read-back"]


def test_a_log_record_does_not_stand_in_for_a_second_look() -> None:
    """Seen in the logs before the race window has closed: the grade shown is still that of the read."""
    early = _evidence(*done(BLOCK), _seen(4))

    assert [each.grade for each in early] == ["accepted", "read-back", "seen-in-logs"]
    assert grade_of(early) == "read-back"


def test_a_refused_write_is_not_accepted() -> None:
    """The grade is the service's word, and its word was no."""
    assert _grades(intended(BLOCK), applied(BLOCK, "refused")) == []


def test_what_no_later_look_asks_for_is_not_called_held() -> None:
    """A dismissal is read once, for news after it are news: the look that found the block in place did not see it."""
    plan = planned(BLOCK, DISMISS)
    block, dismissal = plan.steps
    plan = plan.model_copy(update={"steps": (block, dismissal.model_copy(update={"watched": False}))})
    looked = [verified(BLOCK, at=6), rechecked(1, at=7)]
    history = History.read(journal([*beginning(), plan], *done(BLOCK), *done(DISMISS), *looked))

    assert {step.id: grade_of(evidence_of(step, history)) for step in history.steps} == {
        BLOCK: "held",
        DISMISS: "read-back",
    }
