"""The audit records of a case, from both parts that hold some, and what is missing of them."""

from collections.abc import Iterator, Sequence

from shared.audit import subject_of
from shared.audit_changes import Change, changes
from shared.case import AuditRecord, Case, IdentityState, Known, PartName
from shared.conditions.interface import Unknown, unknown
from shared.conditions.judging import is_about, is_by_cordon
from shared.once import once

BOTH = (PartName.AUDITS, PartName.GRANT_AUDITS)


def records_about(case: Case, state: IdentityState) -> Sequence[AuditRecord]:
    """Every record of this identity that was read, each once. What Cordon did itself is no evidence."""
    return _records(case) if _is_of(case, state) else tuple(_found(case, state))


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
        if not isinstance(part, Known):
            continue
        for record in part.value:
            if record.id in seen or is_by_cordon(record.actor, case) or not is_about(subject_of(record), state):
                continue
            seen.add(record.id)
            yield record


def unread(case: Case, parts: Sequence[PartName]) -> Unknown | None:
    """The Unknown for the first of these parts that was not looked at, else for the first that could not be read."""
    found = [(name, part) for name in parts if not isinstance(part := getattr(case, name.value), Known)]
    missing = [unknown(name, part) for name, part in found]
    return next((each for each in missing if each.wants), missing[0] if missing else None)
