"""What an order to undo has come to: what is back, what drifted, what cannot come back. From the journal alone."""

from shared.chain import Line
from shared.entries import UndoEnded, UndoIntended, UndoOrdered, UndoStopped, UndoVerified
from shared.history import History
from shared.report.model import DriftTold, StepUndone, Undone


def tell_undone(history: History) -> Undone | None:
    """The newest order and how it went; None if there never was one."""
    order = history.last(UndoOrdered)
    if order is None:
        return None
    lines = history.lines[history.place(UndoOrdered) :]
    ended = next((line.entry for line in lines if isinstance(line.entry, UndoEnded)), None)
    steps = dict.fromkeys(line.record.step for line in lines if isinstance(line.entry, UndoIntended | UndoStopped))
    return Undone(
        by=order.by,
        reason=order.reason,
        whole=ended.whole if ended else None,
        outcome=ended.reason if ended else "it is under way",
        steps=tuple(_step(step, [ln for ln in lines if ln.record.step == step]) for step in steps if step),
    )


def _step(name: str, lines: list[Line]) -> StepUndone:
    entries = [line.entry for line in lines]
    intended = [entry for entry in entries if isinstance(entry, UndoIntended)]
    last = intended[-1] if intended else UndoIntended()
    verified = next((entry for entry in reversed(entries) if isinstance(entry, UndoVerified)), None)
    stopped = next((entry for entry in entries if isinstance(entry, UndoStopped)), None)
    return StepUndone(
        step=name,
        back=verified is not None and verified.answer == "held" and stopped is None,
        writes=tuple(dict.fromkeys(write for each in intended for write in each.writes)),
        proof=stopped.reason if stopped else verified.proof if verified else None,
        drifted=tuple(DriftTold(name=d.property, before=d.before, left=d.left, now=d.now) for d in last.drifted),
        lost=last.lost,
    )
