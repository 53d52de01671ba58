"""
What was not done, and what a person must still do.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from shared.entries import NamedOutcome, SignalJoined
from shared.history import History, StepStory
from shared.incident import open_tasks
from shared.report.credentials import NewCertificate, new_certificates, where
from shared.report.model import Credential, NotDone, SecretsTold, TokenLife
from shared.report.words import utc, utc_at_latest

_YOUNG = timedelta(days=7)  # a credential made so shortly before the first signal may be the attacker's own

_NAMED = 5  # secrets that a task names

_ABOUT = {
    "no-application-here": "Tell the publisher of the application; only they rule it and its credentials.",
    "no-handover-vault": "Give the owner a new credential by hand, or configure CORDON_HANDOVER_VAULT.",
    "signing-or-encryption-keys-kept": "Check that these keys are yours; one that is not must be removed by hand.",
    "platform-held-credentials": "Detach the managed identity from its resource, or remove its role assignments.",
    "agent-identity": "Block the agent and its blueprint in the Entra admin centre.",
    "managed-identity": "Detach the managed identity from its resource, or remove its role assignments.",
    "owned-by-microsoft": "Report the identity to Microsoft.",
    "azure-not-configured": "Look in Azure yourself for what the identity can read, and take it away.",
    "can-grant-itself": "Take the role away, if the identity does not need it: policy can (self-granting: remove).",
    "contradicts-containment": "Undo the containment first if the identity is harmless, then dismiss its risk.",
}


# What was not done


def tell_not_done(history: History) -> Iterator[NotDone]:
    held_back = history.held_back
    if held_back is not None:
        what = "the plan" if history.planned else "any plan"
        yield NotDone(what=what, outcome=f"held-back-by-{held_back.by}", why=held_back.reason, todo=held_back.todo)
    yield from (_told(outcome) for outcome in history.not_done)
    for step in history.steps:
        told = _unproven(step)
        if told is not None:
            yield told
    closed = history.closed
    if closed is not None and closed.outcome in ("not-in-tenant", "joined") and not history.begun:
        yield NotDone(what="everything", outcome=closed.outcome, why=closed.reason, todo=_about_closing(closed.outcome))


def _told(outcome: NamedOutcome) -> NotDone:
    todo = outcome.todo or _ABOUT.get(outcome.outcome)
    return NotDone(what=outcome.action, outcome=outcome.outcome, why=outcome.reason, todo=todo)


def _about_closing(outcome: str) -> str:
    if outcome == "joined":
        return "Read the report of the other incident."
    return "Check the deleted items: a deleted application or service principal can be restored for 30 days."


def _unproven(step: StepStory) -> NotDone | None:
    """A step that was begun and does not hold. One that was not begun is told with the plan."""
    if step.stopped is not None:
        stopped = step.stopped
        return NotDone(what=step.id, outcome=stopped.outcome, why=stopped.reason, todo=stopped.todo)
    if step.state in ("held", "planned", "put-back"):
        return None
    why = step.verified.proof if step.verified else "no fresh read has shown its effect yet"
    return NotDone(what=step.id, outcome=step.state, why=why, todo="Look at the object in the Entra admin centre.")


# What a person must do


def tell_tasks(
    history: History,
    now: datetime,
    credentials: Sequence[Credential],
    tokens: TokenLife,
    not_done: Sequence[NotDone],
    secrets: SecretsTold | None = None,
) -> Iterator[str]:
    """Most pressing first, each once: calls of the journal, what was not done, then the cleaning up."""
    tasks = [*open_tasks(history, now), *(told.todo for told in not_done if told.todo), *_about_secrets(secrets)]
    if history.undo:
        tasks += [_LOST] if any(credential.fate == "removed" for credential in credentials) else []
    elif history.begun:
        tasks += _after_containment(history, now, credentials, tokens, rotated=secrets is not None)
    elif history.held_back and history.held_back.by == "mode" and history.mode == "watch":
        tasks.append("Read what would have been done and decide yourself: the identity is as free as it was before.")
    yield from dict.fromkeys(tasks)


_LOST = "Tell the owners that their credentials are gone; they need new ones once the identity is clean."


def _about_secrets(secrets: SecretsTold | None) -> Iterator[str]:
    """What people do about exposed secrets: one line for each kind of thing, naming a few."""
    if secrets is None:
        return
    for missing in secrets.missing:
        yield f"Find out what secret {missing} opened, and close it there: it was read, and its vault does not show it."
    by_task: dict[str, list[str]] = {}
    for each in secrets.secrets:
        if each.todo:
            by_task.setdefault(each.todo, []).append(each.step)
    for task, steps in by_task.items():
        more = f" and {len(steps) - _NAMED} more" if len(steps) > _NAMED else ""
        yield f"{task} Secret(s): {', '.join(steps[:_NAMED])}{more}."


def _after_containment(
    history: History, now: datetime, credentials: Sequence[Credential], tokens: TokenLife, *, rotated: bool
) -> Iterator[str]:
    if tokens.ordinary_until is None or now <= tokens.ordinary_until:
        yield _about_tokens(tokens)
    yield from (_in_doubt(credential) for credential in credentials if credential.fate == "in-doubt")
    yield from (_still_there(credential) for credential in credentials if credential.fate == "still-there")
    yield from (_fetch(certificate) for certificate in new_certificates(history) if certificate.held)
    accused = [credential for credential in credentials if credential.accused]
    if accused:
        yield f"Find out how these leaked, as Entra accuses them: {', '.join(map(_short, accused))}."
    young = list(_made_shortly_before(history, credentials))
    if young:
        yield f"Check in the audit log who added these shortly before the signal: {', '.join(map(_dated, young))}."
    if any(credential.fate == "removed" for credential in credentials):
        yield _LOST
    if tokens.ordinary_until is not None and now > tokens.ordinary_until:
        until = utc_at_latest(tokens.ordinary_until)
        yield f"Look at what the identity did until {until}, when its last ordinary token ended."
    if not rotated:
        yield "Rotate every secret that this identity could read: whoever held its credentials may have read them."
    yield "When the identity is clean, take the way back below, sign-in last."


def _about_tokens(tokens: TokenLife) -> str:
    if tokens.ordinary_until is None:
        return f"Take it that access goes on ({tokens.not_known}): block sign-in by hand if it must stop now."
    until = utc_at_latest(tokens.ordinary_until)
    return f"Watch what the identity does until {until}: tokens issued before the block may work until then."


def _in_doubt(credential: Credential) -> str:
    return f"Check {_short(credential)} on {credential.holder} {credential.object_id}: {credential.why}."


def _still_there(credential: Credential) -> str:
    return f"Remove {_short(credential)} on {credential.holder} {credential.object_id}: {credential.why}."


def _made_shortly_before(history: History, credentials: Sequence[Credential]) -> Iterator[Credential]:
    first = next((signal.observed_at for signal in history.all(SignalJoined)), None)
    for credential in credentials:
        if first and credential.start and credential.fate != "added" and first - credential.start < _YOUNG:
            yield credential


def _short(credential: Credential) -> str:
    return f"{credential.type} {credential.id}"


def _dated(credential: Credential) -> str:
    return f"{_short(credential)} ({utc(credential.start)})" if credential.start else _short(credential)


def _fetch(certificate: NewCertificate) -> str:
    return (
        f"The owner must fetch the new certificate from {where(certificate)} (thumbprint {certificate.thumbprint}), "
        "and use it once sign-in is allowed again."
    )
