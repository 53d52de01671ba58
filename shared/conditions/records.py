"""The audit records of a case, from both parts that hold some, and what is missing of them."""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import timedelta

from shared.audit import names_trust_only, subjects_of, tells_trust
from shared.audit_changes import AT_ONCE, Change, changes
from shared.case import AuditRecord, Case, IdentityState, Known, PartName, records_in
from shared.conditions.interface import Unknown, unknown
from shared.conditions.judging import is_about, is_by_cordon, is_unexpected
from shared.conditions.settings import utc
from shared.once import once

BOTH = (PartName.AUDITS, PartName.GRANT_AUDITS)


def records_about(case: Case, state: IdentityState) -> Sequence[AuditRecord]:
    """Every record of this identity that was read, each once. What Cordon did itself is no evidence."""
    return _records(case) if _is_of(case, state) else tuple(_found(case, state))


def those_about(case: Case, state: IdentityState, question: Callable[[AuditRecord], bool]) -> Sequence[AuditRecord]:
    """
    Those of the same records of which this is true. Many conditions ask the few things that hardly any record says, so
    each is asked once of a case: a question is one function, the same each time, and hangs on the record alone.
    """
    if not _is_of(case, state):
        return tuple(filter(question, _found(case, state)))
    kept = case.answers.get(question)
    if kept is None:
        kept = case.answers[question] = tuple(filter(question, _records(case)))
    return kept


def changes_about(case: Case, state: IdentityState) -> Sequence[Change]:
    """The changes that those records tell of, oldest first."""
    return _changes(case) if _is_of(case, state) else changes(_found(case, state))


def _is_of(case: Case, state: IdentityState) -> bool:
    return isinstance(case.identity, Known) and case.identity.value is state


@once
def _records(case: Case) -> Sequence[AuditRecord]:
    return tuple(_found(case, case.identity.value)) if isinstance(case.identity, Known) else ()


@once
def _changes(case: Case) -> Sequence[Change]:
    return changes(_records(case))


def _found(case: Case, state: IdentityState) -> Iterator[AuditRecord]:
    seen = set[str]()
    for part in (case.audits, case.grant_audits):
        for record in records_in(part):
            if record.id in seen or is_by_cordon(record.actor, case):
                continue
            if not any(is_about(each, state) for each in subjects_of(record)):
                continue
            seen.add(record.id)
            yield record


def hidden_trust(
    case: Case, state: IdentityState, within: timedelta, expected: Collection[str] | None = None
) -> str | None:
    """
    A record by somebody else than these that says only that federated credentials were touched, where none of the same
    change says how: what was added, or which trust was turned to whom, is not known.
    """
    for record in those_about(case, state, names_trust_only):
        happened = record.result != "failure" and case.now - record.at <= within
        if not happened or is_unexpected(record.actor, expected) is False:
            continue
        if not any(is_one_change(record, each) for each in those_about(case, state, tells_trust)):
            return (
                f"“{record.activity_as_sent}” at {utc(record.at)} names federated credentials, and not how they changed"
            )
    return None


def is_one_change(record: AuditRecord, other: AuditRecord) -> bool:
    """Whether two records tell of what was done at once: a correlation id is its sender's to choose, a time is not."""
    alike = record.correlation_id is not None and record.correlation_id == other.correlation_id
    return record.id == other.id or (alike and abs(record.at - other.at) <= AT_ONCE)


def unread(case: Case, parts: Sequence[PartName]) -> Unknown | None:
    """The Unknown for the first of these parts that was not looked at, else for the first that could not be read."""
    found = [(name, part) for name in parts if not isinstance(part := getattr(case, name), Known)]
    if not found:
        return None
    missing = [unknown(name, part) for name, part in found]
    return next((each for each in missing if each.wants), missing[0] if missing else None)
