"""One or two sentences that a person understands at 3 a.m.: who, what was done, is it contained, what is left."""

from collections.abc import Sequence
from datetime import datetime

from shared.history import History
from shared.incident import Status, subject_text
from shared.report.words import sentence, step_name, utc

_NAME = 120  # characters of a name


def tell_headline(
    history: History, status: Status, since: datetime | None, tasks: Sequence[str], so_far: str | None = None
) -> str:
    """`so_far` is there where nothing but the exposed secrets keeps it from being contained."""
    what = _what(history, status, since) if so_far is None else f"{name_of(history)} {_but_secrets(status)} {so_far}"
    return f"{what} {_left(tasks)}"


def _but_secrets(status: Status) -> str:
    match status:
        case Status.AWAITING_APPROVAL:
            return "waits for a person, because of its secrets."
        case Status.NEEDS_ATTENTION:
            return "NEEDS ATTENTION, because of its secrets."
        case _:
            return "is not called contained yet, because of its secrets."


def name_of(history: History) -> str:
    seen = history.identity
    if seen is None:
        return subject_text(history.opened.subject)
    return f"“{_inside_quotes(seen.display_name)}” ({seen.identity_kind}, service principal {seen.principal_id})"


def _inside_quotes(name: str) -> str:
    """A name that cannot end its quotation and go on as if it were ours."""
    return name[:_NAME].replace("“", "'").replace("”", "'") + ("…" if len(name) > _NAME else "")


def _what(history: History, status: Status, since: datetime | None) -> str:
    name = name_of(history)
    match status:
        case Status.CONTAINED if since is not None:
            return f"{name} is contained since {utc(since)}: {_held(history)}, read back and seen again after that."
        case Status.PROVING:
            return f"{name} is cut off but not proven to stay so: {_held(history)}; the next look will tell."
        case Status.CONTAINING:
            return f"{name} is being contained and not contained yet: {_held(history)}."
        case Status.AWAITING_APPROVAL:
            return f"{_unchanged(history)} {name} waits for a person: {sentence(_reason(history))}"
        case Status.RELEASED | Status.RELEASING:
            return f"{name} {_released(history, status)}"
        case Status.WATCHED | Status.IGNORED:
            return f"Nothing was changed. {name} is {status.value}: {sentence(_reason(history))}"
        case Status.OPEN:
            return f"Nothing was changed yet. {name} was taken in and is not decided or not begun."
        case _ if history.undo is not None:
            ended = history.undo_ended
            left = ended.reason if ended else _reason(history)
            state = "is in part contained still" if ended and ended.untouched else "is not contained any more"
            return f"{name} NEEDS ATTENTION: it {state}, and not wholly released. {sentence(left)}"
        case _:
            why = sentence(_reason(history))
            return f"{name} NEEDS ATTENTION and is not known to be contained: {why} {_so_far(history)}"


def _released(history: History, status: Status) -> str:
    by = history.undo.by if history.undo else "a person"
    if status is Status.RELEASED:
        return f"is released: by order of {by}, everything that can come back was put back and read back."
    return f"is being released by order of {by}; not everything is proven back yet."


def _unchanged(history: History) -> str:
    return (
        f"Not carried out so far: the newest plan. {_so_far(history)}" if history.begun else "Nothing was changed yet."
    )


def _so_far(history: History) -> str:
    return f"So far: {_held(history)}." if history.begun else "Nothing was changed."


_STATES = {
    "planned": "not proven anew",
    "intended": "outcome not known",
    "applied": "written, not proven",
    "undone": "put back",
}


def _held(history: History) -> str:
    """Which steps hold by their newest look, and which do not."""
    held = [step_name(step.id) for step in history.steps if step.state == "held"]
    other = [
        f"{step_name(step.id)} ({_STATES.get(step.state, step.state)})"
        for step in history.steps
        if step.state != "held"
    ]
    count = f"{len(held)} of {len(history.steps)} step(s) hold"
    return count + (f" ({', '.join(held)})" if held else "") + (f"; not: {', '.join(other)}" if other else "")


def _reason(history: History) -> str:
    """The newest word on why it stands as it does."""
    if history.escalated:
        return history.escalated.reason
    if history.held_back:
        return history.held_back.reason
    stopped = next((step.stopped for step in history.steps if step.stopped), None)
    if stopped:
        return stopped.reason
    if history.begun:
        return "not every step is proven."
    return _reason_before(history)


def _reason_before(history: History) -> str:
    if history.closed and history.closed.outcome in ("joined", "not-in-tenant", "needs-attention"):
        return history.closed.reason
    if history.decided:
        return f"the verdict is {history.decided.verdict}, by rule “{history.decided.rule}”."
    return "no decision was made."


def _left(tasks: Sequence[str]) -> str:
    if not tasks:
        return "Nothing is left for a person to do."
    more = f" ({len(tasks) - 1} more below)" if len(tasks) > 1 else ""
    return f"A person must still: {tasks[0]}{more}"
