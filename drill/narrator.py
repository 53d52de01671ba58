"""
Tells a drill as it happens: one line for each noteworthy thing, in words that need no knowledge of Cordon.

It hears of Cordon's doings from the journal, as each record is appended, and of the world's from the
practice tenant. Text from the tenant is data: what could move a cursor or fake a line is escaped.
"""

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from drill.narrating_secrets import TELLERS as ABOUT_SECRETS
from shared.clock import Clock
from shared.entries import (
    Applied,
    Approved,
    Closed,
    Decided,
    Entry,
    Escalated,
    Foreseen,
    HeldBack,
    Intended,
    Investigated,
    OwnerAsked,
    Planned,
    Published,
    Rechecked,
    SignalJoined,
    StepStopped,
    UndoEnded,
    UndoIntended,
    UndoOrdered,
    UndoStopped,
    UndoVerified,
    Verified,
    WorkStarted,
    read_entry,
)
from shared.journal import Record

_LONGEST = 240  # characters of a line's text
_ID_AT_END = re.compile(r"-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


@dataclass(slots=True)
class Narrator:
    """`say` takes one finished line. `names` gives a display name for an object id, where one is known."""

    say: Callable[[str], None]
    clock: Clock
    names: Mapping[str, str]
    _worked: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    _proofs: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    _attempts_told: int = 0

    def tell(self, who: str, text: str, at: datetime | None = None) -> None:
        """One line."""
        when = (at or self.clock()).astimezone(UTC)
        self.say(f"{when:%H:%M:%S}Z  {who:<9}{printable(text)}")

    def tell_records(self, records: Sequence[Record]) -> None:
        """What Cordon has just written into its journal."""
        for record in records:
            entry, step = read_entry(record), _short_step(record.step)
            if not self._was_told(record, entry):
                for text in _lines_of(entry, step):
                    self.tell("Cordon", text)

    def _was_told(self, record: Record, entry: Entry) -> bool:
        """Each later look proves every step again: the line about the look itself is enough, unless one fell."""
        if not isinstance(entry, Verified):
            return False
        key = (record.incident, str(record.step))
        told, self._proofs[key] = self._proofs.get(key), entry.answer
        return told == entry.answer

    def tell_attempts(self, attempts: Sequence[Mapping[str, Any]]) -> None:
        """What attackers have tried since the last time; a line only where the outcome is another than before."""
        fresh = attempts[self._attempts_told :]
        self._attempts_told = len(attempts)
        for each in fresh:
            if str(each["by"]).startswith("attacker:"):
                self._tell_attempt(each)

    def tell_happening(self, given: Mapping[str, Any]) -> None:
        """One moment of the scenario's timeline."""
        for text in self._happenings(given):
            self.tell("World", text)

    def name_of(self, object_id: object) -> str:
        return self.names.get(str(object_id), str(object_id))

    def _tell_attempt(self, attempt: Mapping[str, Any]) -> None:
        does, outcome = str(attempt["does"]), _outcome(attempt)
        key = (str(attempt["by"]), does)
        if self._worked.get(key) == outcome:
            return
        self._worked[key] = outcome
        at = datetime.fromisoformat(str(attempt["at"])[:26].rstrip("Z") + "+00:00")
        self.tell("Attacker", f"{does} as {self.name_of(attempt['identity'])}: {outcome}", at)

    def _happenings(self, given: Mapping[str, Any]) -> Iterable[str]:
        for each in given.get("servicePrincipalRiskDetections", ()):
            what = f"{each.get('riskEventType', 'risk')} ({each.get('riskLevel', 'level unknown')})"
            yield f"Entra detects {what} on {self.name_of(each.get('servicePrincipalId'))}"
        for each in given.get("riskyServicePrincipals", ()):
            risk = f"{each.get('riskLevel')}, {each.get('riskState')}"
            yield f"Entra lists {self.name_of(each.get('id'))} as risky: {risk}"
        for each in given.get("directoryAudits", ()):
            yield f"the audit log gets a record: {str(each.get('activityDisplayName')).strip()}"
        who = self.name_of(given["by"]) if given.get("by") else "somebody"
        for each in given.get("consents", ()):
            yield f"{who} consents to {each.get('scope')} for {self.name_of(each.get('clientId'))}"
        for kind in ("patch", "add"):
            for name, objects in given.get(kind, {}).items():
                yield f"{who} changes {name}: {', '.join(map(self.name_of, objects)) if kind == 'patch' else 'new'}"
        for object_id in given.get("delete", ()):
            yield f"{who} deletes {self.name_of(object_id)}"
        yield from self._azure_happenings(given.get("azure", {}))
        if given.get("eventGrid"):
            yield f"Event Grid delivers {len(given['eventGrid'])} event(s)"
        if given.get("eventHub"):
            yield f"the Event Hub gets {len(given['eventHub'])} diagnostic record(s)"

    def _azure_happenings(self, given: Mapping[str, Any]) -> Iterable[str]:
        for name, does in (("addRoleAssignments", "gets"), ("removeRoleAssignments", "loses")):
            for each in given.get(name, ()):
                role = each.get("roleDefinitionName") or each.get("roleDefinitionId") or "every role"
                yield f"{self.name_of(each.get('principalId'))} {does} {role} on {each.get('scope', 'every scope')}"
        for each in given.get("readSecrets", ()):
            yield f"{self.name_of(each.get('by'))} reads {each.get('vault')}/{each.get('secret')}"
        for each in given.get("setSecrets", ()):
            yield f"somebody sets {each.get('vault')}/{each.get('secret')}"


def printable(text: str) -> str:
    """One line of visible characters, cut where it gets long."""
    shown = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"


class LogHandler(logging.Handler):
    """Lets warnings from Cordon and its host appear between the other lines."""

    def __init__(self, narrator: Narrator) -> None:
        super().__init__(logging.WARNING)
        self._narrator = narrator

    def emit(self, record: logging.LogRecord) -> None:
        who = "Host" if record.name == "cordon.host" else "Cordon"
        self._narrator.tell(who, f"{record.levelname.lower()}: {record.getMessage()}")


def _outcome(attempt: Mapping[str, Any]) -> str:
    if "errorCode" in attempt:
        return "gets a token" if attempt["errorCode"] == 0 else f"refused (AADSTS{attempt['errorCode']})"
    if not attempt["hadToken"]:
        return "has no token any more"
    status = attempt["status"]
    return "no answer" if status is None else f"{'works' if status < 400 else 'refused'} ({status})"


def _short_step(step: str | None) -> str | None:
    """Without the object's id, which the plan's line and the report say."""
    return _ID_AT_END.sub("", step) if step else None


def _lines_of(entry: Entry, step: str | None) -> Iterable[str]:
    """The lines for one record; most records have one, some none."""
    teller = _TELLERS.get(type(entry))
    return teller(entry, step) if teller else ()


def _tell_signal(entry: SignalJoined, _: str | None) -> Iterable[str]:
    yield f"signal accepted: {entry.summary} [{entry.source}]"


def _tell_start(entry: WorkStarted, _: str | None) -> Iterable[str]:
    if entry.because == "resumed":
        yield f"takes the incident up again where it was left (attempt {entry.attempt})"


def _tell_look(entry: Investigated, _: str | None) -> Iterable[str]:
    seen = entry.identity
    if seen:
        state = "sign-in allowed" if seen.enabled else "sign-in blocked"
        yield f"reads {seen.display_name}: {seen.identity_kind}, {state}, {len(seen.credentials)} credentials"
    for part in entry.parts:
        if not part.known and part.why_not and not part.why_not.startswith("not needed"):
            yield f"could not learn {part.name}: {part.why_not}"


def _tell_decision(entry: Decided, _: str | None) -> Iterable[str]:
    yield f"decides: {entry.verdict}, by rule “{entry.rule}”"
    if entry.ladder:
        for each in entry.ladder.passed:
            yield f"passes over {each.rung} ({each.kind.replace('-', ' ')}): {each.why}"
        yield f"climbs to {entry.ladder.rung or 'no rung'}: {entry.ladder.because}"


def _tell_plan(entry: Planned, _: str | None) -> Iterable[str]:
    if entry.steps:
        yield f"plans {', '.join(str(_short_step(step.id)) for step in entry.steps)}"
    for each in entry.not_done:
        yield f"not in the plan: {each.action} ({each.outcome}: {each.reason})"


def _tell_forecast(entry: Foreseen, _: str | None) -> Iterable[str]:
    if entry.not_known:
        yield entry.not_known
    ending = [use for use in entry.uses if use.stops]
    if entry.uses:
        yield f"foresees that {len(ending)} of {len(entry.uses)} uses of the identity end by this plan"


def _tell_held(entry: HeldBack, _: str | None) -> Iterable[str]:
    yield f"holds back, by {entry.by}: {entry.reason}"


def _tell_approval(entry: Approved, _: str | None) -> Iterable[str]:
    yield f"the plan {entry.plan_hash[:12]} is let go by {entry.by}: {entry.reason}"


def _tell_question(entry: OwnerAsked, _: str | None) -> Iterable[str]:
    yield f"asks the owners until {entry.until:%H:%M:%S}Z; without an answer: {entry.then}"


def _tell_intent(entry: Intended, step: str | None) -> Iterable[str]:
    yield f"{step}: the way back is written down; now: {'; '.join(entry.writes) or 'nothing to change'}"


def _tell_writes(entry: Applied, step: str | None) -> Iterable[str]:
    for write in entry.writes:
        yield f"{step}: {write.write}: {write.outcome}{f' ({write.detail})' if write.detail else ''}"


def _tell_proof(entry: Verified, step: str | None) -> Iterable[str]:
    words = {"held": "read back", "not-held": "did not hold", "unknown": "could not be read back"}
    yield f"{step}: {words[entry.answer]}: {entry.proof}"


def _tell_stop(entry: StepStopped, step: str | None) -> Iterable[str]:
    yield f"{step} stops, {entry.outcome}: {entry.reason} To do: {entry.todo}"


def _tell_undo_order(entry: UndoOrdered, _: str | None) -> Iterable[str]:
    yield f"{entry.by} orders the undo: {entry.reason}"


def _tell_undo_intent(entry: UndoIntended, step: str | None) -> Iterable[str]:
    yield f"{step}: to be put back: {'; '.join(entry.writes) or 'nothing'}"
    for drift in entry.drifted:
        yield f"{step}: {drift.property} was changed meanwhile and stays: {drift.before} / {drift.left} / {drift.now}"
    for lost in entry.lost:
        yield f"{step}: does not come back: {lost}"


def _tell_undo_proof(entry: UndoVerified, step: str | None) -> Iterable[str]:
    words = {"held": "is back", "not-held": "is not back", "unknown": "could not be read back"}
    yield f"{step} {words[entry.answer]}: {entry.proof}"


def _tell_undo_stop(entry: UndoStopped, step: str | None) -> Iterable[str]:
    yield f"{step} is not put back, {entry.outcome}: {entry.reason} To do: {entry.todo}"


def _tell_undo_end(entry: UndoEnded, _: str | None) -> Iterable[str]:
    yield f"the undo ends, {'whole' if entry.whole else 'with something left'}: {entry.reason}"


def _tell_recheck(entry: Rechecked, _: str | None) -> Iterable[str]:
    words = {"held": "still in place", "not-held": "was undone", "unknown": "could not be read"}
    yield f"looks again after {entry.after_seconds:.0f} s: {words[entry.answer]}"


def _tell_escalation(entry: Escalated, _: str | None) -> Iterable[str]:
    yield f"calls a person: {entry.reason} To do: {entry.todo}"


def _tell_closing(entry: Closed, _: str | None) -> Iterable[str]:
    yield f"closes the incident as {entry.outcome}: {entry.reason}"


def _tell_publishing(entry: Published, _: str | None) -> Iterable[str]:
    yield f"tells the topic: {entry.type}"


_TELLERS: Mapping[type[Entry], Callable[[Any, str | None], Iterable[str]]] = {
    SignalJoined: _tell_signal,
    WorkStarted: _tell_start,
    Investigated: _tell_look,
    Decided: _tell_decision,
    Planned: _tell_plan,
    Foreseen: _tell_forecast,
    HeldBack: _tell_held,
    Approved: _tell_approval,
    OwnerAsked: _tell_question,
    Intended: _tell_intent,
    Applied: _tell_writes,
    Verified: _tell_proof,
    StepStopped: _tell_stop,
    UndoOrdered: _tell_undo_order,
    UndoIntended: _tell_undo_intent,
    UndoVerified: _tell_undo_proof,
    UndoStopped: _tell_undo_stop,
    UndoEnded: _tell_undo_end,
    Rechecked: _tell_recheck,
    Escalated: _tell_escalation,
    Closed: _tell_closing,
    Published: _tell_publishing,
    **ABOUT_SECRETS,
}
