"""Was a credential that was added lately used for the first time?"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from pydantic import ConfigDict

from shared.audit import AddedCredential, credential_change, subject_of
from shared.baseline import recent
from shared.case import AuditRecord, Case, HolderKind, IdentityState, Known, NotLooked, PartName, records_in
from shared.conditions.credential_added import Explained, explaining, unexplained
from shared.conditions.credential_use import Usable, usable_of
from shared.conditions.interface import Finding, Met, NotMet, Unknown, unknown
from shared.conditions.judging import actor_text, both, has_result, is_about, is_by_cordon, is_unexpected, is_within
from shared.conditions.learning import fell_silent
from shared.conditions.settings import SETTINGS, AuditDuration, Duration, Guid, Several, utc
from shared.credentials import sort_credentials

_BOTH = (HolderKind.APPLICATION, HolderKind.SERVICE_PRINCIPAL)
_CLOCKS = timedelta(minutes=5)  # by which two services' clocks may differ


@dataclass(frozen=True, slots=True)
class FirstUse:
    """
    Met when a secret, certificate or federated credential that was added `added-within` this time, by somebody who is
    not named in `by-other-than` (object or client ids) and is not Cordon, was used for the first time `used-within`
    this time. Who adds it tells the audit log, its use the sign-in log, or Graph's report on the use of credentials,
    which is a day late. A credential that is gone by now counts as well.
    """

    name: ClassVar[str] = "credential-first-use"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.IDENTITY, PartName.AUDITS, PartName.KEY_USE, PartName.SIGN_INS)
    unknown_when: ClassVar[str] = (
        "the audit log does not show (yet) who added a credential, or the sign-in log with which one a token was "
        "issued, or has fallen silent"
    )
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    added_within: AuditDuration = timedelta(days=7)
    """How long ago it was added at most."""
    used_within: Duration = timedelta(hours=24)
    """How long ago it was used for the first time at most."""
    by_other_than: Several[Guid] | None = None
    """Whose additions are expected, by object or client ids."""

    def check(self, case: Case) -> Finding:
        if not isinstance(case.identity, Known):
            return unknown(PartName.IDENTITY, case.identity)
        if isinstance(case.audits, NotLooked):
            return unknown(PartName.AUDITS, case.audits)
        state = case.identity.value
        doubt: str | None = None
        explained, added = set[Explained](), list[tuple[AddedCredential, AuditRecord]]()
        for record in records_in(case.audits):
            change = credential_change(record)
            if not (change.added or change.unread) or not is_about(subject_of(record), state):
                continue
            if record.result != "failure":
                explained.update(explaining(key, record.at) for key in change.added)
            answer = self._counts(record, case)
            if answer:
                added += [(key, record) for key in change.added]
            if answer is None or (answer and change.unread):
                why = change.unread or f"its result is {record.result}, its actor {actor_text(record.actor)}"
                doubt = doubt or f"“{record.activity_as_sent}” at {utc(record.at)} may have added a credential: {why}"
        found = self._used(case, state, added)
        if not isinstance(found, NotMet):
            return found
        if not isinstance(case.audits, Known):
            return unknown(PartName.AUDITS, case.audits)
        doubt = doubt or unexplained(state, _BOTH, explained, case.now - self.added_within)
        return Unknown(doubt) if doubt else found

    def _counts(self, record: AuditRecord, case: Case) -> bool | None:
        if is_by_cordon(record.actor, case):
            return False
        return both(
            is_within(record.at, self.added_within, case.now),
            has_result(record, ("success",)),
            is_unexpected(record.actor, self.by_other_than),
        )

    def _used(self, case: Case, state: IdentityState, added: list[tuple[AddedCredential, AuditRecord]]) -> Finding:
        if not added:
            return NotMet("no credential was added in this time")
        if isinstance(case.sign_ins, NotLooked):
            return unknown(PartName.SIGN_INS, case.sign_ins)
        if not isinstance(case.sign_ins, Known):
            return self._reported(case, added) or unknown(PartName.SIGN_INS, case.sign_ins)
        log, doubt = case.sign_ins.value, None
        for key, record in added:
            credential = _as_held(state, key)
            named = [(each, credential.is_named_by(each)) for each in recent(log, record.at - _CLOCKS)]
            uses = [each for each, is_it in named if is_it]
            untold = [each for each, is_it in named if is_it is None]
            first = min((each.at for each in uses), default=None)
            if first is not None and case.now - first <= self.used_within and log.since <= record.at:
                return Met(_told(key, record, first))
            if log.since > record.at:
                doubt = doubt or f"the sign-in log begins at {utc(log.since)}, after {key.key_id} was added"
            elif first is None and untold:
                doubt = (
                    doubt or f"the log does not tell with which credential the token at {utc(untold[0].at)} was issued"
                )
        doubt = doubt or fell_silent(log)
        if doubt and (reported := self._reported(case, added)):
            return reported
        return Unknown(doubt) if doubt else NotMet(f"{len(added)} were added, and none was used for the first time")

    def _reported(self, case: Case, added: list[tuple[AddedCredential, AuditRecord]]) -> Met | Unknown | None:
        """The report has the last use only: one that was used lately and added shortly before is met by it."""
        if isinstance(case.key_use, NotLooked):
            return unknown(PartName.KEY_USE, case.key_use)
        for key, record, used in self._last_uses(case, added):
            if case.now - record.at <= self.used_within and used >= record.at - _CLOCKS:
                return Met(_told(key, record, used))
        return None

    def _last_uses(
        self, case: Case, added: list[tuple[AddedCredential, AuditRecord]]
    ) -> Iterator[tuple[AddedCredential, AuditRecord, datetime]]:
        if isinstance(case.key_use, Known):
            for key, record in added:
                if used := case.key_use.value.last.get(key.key_id):
                    yield key, record, used


def _as_held(state: IdentityState, key: AddedCredential) -> Usable:
    """As a sign-in names it: a federated credential by its id, which the audit log does not tell; else by the key's."""
    held = [each for holder in state.holders for each in usable_of(sort_credentials(holder), state.read_at)]
    if key.type == "federated":
        trusts = [trust for holder in state.holders for trust in sort_credentials(holder).federated]
        id_ = next((trust.id.lower() for trust in trusts if trust.name == key.key_id), key.key_id.lower())
        return next((each for each in held if each.id == id_), Usable(id_, key.key_id, None, None))
    return next((each for each in held if each.id == key.key_id), Usable(key.key_id, key.key_id, None, None))


def _told(key: AddedCredential, record: AuditRecord, used: datetime) -> str:
    by = f"added by {actor_text(record.actor)} at {utc(record.at)} (record {record.id})"
    return f"{key.type} {key.key_id}, {by}, was used for the first time at {utc(used)}"
