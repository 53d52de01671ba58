"""Three-valued answers to small questions, True, False or None for unknown, which conditions are made of."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Protocol

from shared.audit import NOT_TOLD_APART, names_several
from shared.case import AuditActor, AuditRecord, Case, IdentityState
from shared.identity import IdentityRef

_RESULTS = frozenset({"success", "failure"})  # of a timeout nobody knows whether it happened


def is_one_of(value: str, wanted: Collection[str] | None, known: frozenset[str]) -> bool | None:
    """
    Whether an enum member is among the wanted ones (None: any will do). One that is not `known`, `hidden` for
    want of a licence or newer than this code, could mean anything.
    """
    if wanted is None or value in wanted:
        return True
    if value in known:
        return False
    folded = value.casefold()
    if any(folded == each.casefold() for each in wanted):
        return True
    return False if any(folded == each.casefold() for each in known) else None


def is_within(moment: datetime | None, length: timedelta | None, now: datetime) -> bool | None:
    """Whether a moment lies in the time before now. One that lies ahead of our clock is as recent as can be."""
    if length is None:
        return True
    return None if moment is None else now - moment <= length


def both(*answers: bool | None) -> bool | None:
    """Kleene's and: a single no decides, whatever is unknown."""
    return False if False in answers else None if None in answers else True


def has_result(record: AuditRecord, wanted: Collection[str]) -> bool | None:
    """Whether this came of it; None also where it may have come to another identity."""
    answer = is_one_of(record.result, wanted, _RESULTS)
    return None if answer and names_several(record) else answer


def has_happened(record: AuditRecord) -> bool:
    """Whether the log says for certain that it happened, and to this identity."""
    return record.result == "success" and not names_several(record)


def doubt_of(record: AuditRecord) -> str:
    """Why nobody can tell whether it happened to this identity."""
    return NOT_TOLD_APART if names_several(record) else f"its result is {record.result}"


def is_by_cordon(actor: AuditActor, case: Case) -> bool:
    """Cordon's own acts are no evidence against anybody. It signs in as itself and never for a person."""
    own = case.own_principals
    return bool(own) and not actor.user_id and (actor.principal_id in own or actor.client_id in own)


def doer_ids(actor: AuditActor) -> frozenset[str]:
    """
    By which ids somebody did it. Where the log names a person and an application, the person did it by means of that,
    and anybody may sign in to an application.
    """
    ids = (actor.user_id,) if actor.user_id else (actor.principal_id, actor.client_id)
    return frozenset(each for each in ids if each)


def is_unexpected(actor: AuditActor, expected: Collection[str] | None) -> bool | None:
    """
    Whether somebody else than these did it, by object or client ids and never by a name; None expected: whoever it
    was. Of an actor that the log does not name nobody can tell.
    """
    if expected is None:
        return True
    if actor.user_id:
        return actor.user_id not in expected
    ids = doer_ids(actor)
    return ids.isdisjoint(expected) if ids else None


def is_itself(actor: AuditActor, state: IdentityState) -> bool | None:
    """Whether the identity did it; None for somebody whom the log does not name."""
    if actor.user_id:
        return False
    if actor.principal_id:
        return actor.principal_id in {each.object_id for each in state.principals}
    return actor.client_id == state.identity.client_id if actor.client_id else None


class AskedOfADoing(Protocol):
    """What a condition asks of whoever did something to the identity, and when."""

    @property
    def within(self) -> timedelta: ...
    @property
    def by_other_than(self) -> Collection[str] | None: ...
    @property
    def by_itself(self) -> bool: ...


def was_done_lately(record: AuditRecord, asked: AskedOfADoing, case: Case, state: IdentityState) -> bool | None:
    """Whether what a record tells was done in this time, with success, and by somebody who is asked about."""
    return both(
        is_itself(record.actor, state) if asked.by_itself else True,
        is_within(record.at, asked.within, case.now),
        has_result(record, ("success",)),
        is_unexpected(record.actor, asked.by_other_than),
    )


def is_about(subject: IdentityRef | None, state: IdentityState) -> bool:
    """Whether a record's subject is this identity, by any of its objects here."""
    if subject is None:
        return False
    identity = state.identity
    return (
        (subject.client_id is not None and subject.client_id == identity.client_id)
        or (subject.app_object_id is not None and subject.app_object_id == identity.app_object_id)
        or subject.principal_id == identity.principal_id
        or (subject.principal_id is not None and subject.principal_id in {each.object_id for each in state.principals})
    )


def actor_text(actor: AuditActor) -> str:
    """Who it was, for a reason."""
    if actor.user_name or actor.user_id:
        return actor.user_name or str(actor.user_id)
    known = actor.principal_id or actor.client_id
    return f"service principal {known}" if known else "somebody the log does not name"
