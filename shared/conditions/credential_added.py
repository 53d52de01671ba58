"""Was a credential put on the identity lately?"""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, NamedTuple, TypeAlias

from pydantic import ConfigDict

from shared.audit import AddedCredential, CredentialChange, credential_change, normalise_activity, subject_of
from shared.case import AuditRecord, Case, Holder, HolderKind, IdentityState, Known, PartName, records_in
from shared.conditions.interface import Finding, Met, NotMet, Unknown, unknown
from shared.conditions.judging import (
    actor_text,
    both,
    doer_ids,
    has_result,
    is_about,
    is_by_cordon,
    is_unexpected,
    is_within,
)
from shared.conditions.records import hidden_trust, records_about
from shared.conditions.settings import SETTINGS, AuditDuration, Guid, Several, utc
from shared.once import once


@dataclass(frozen=True, slots=True)
class CredentialAdded:
    """
    Met when the audit log shows that a secret, certificate or federated credential was added to one of these
    holders (application, service-principal; both where nothing is said), by somebody who is not named in
    `by-other-than` (object or client ids of those who are expected to do so) and is not Cordon. `maker-has` leaves out
    what whoever made the application gives it within this time of making it. A service principal that is made anew for
    an application that is there is no such making: anybody who may can do that.

    The start date of a credential is its maker's choice, so it proves nothing. But the log is late, up to
    hours: a credential that starts in this time, or ahead of it, and that the log does not explain, leaves it unknown.
    A record explains no key that starts more than five minutes after it, clocks differ by less: the id of a key is
    chosen by whoever writes it, and another may have taken its place since. So a certificate that was made for a later
    rollover is asked about until it starts longer ago than `within`.
    """

    name: ClassVar[str] = "credential-added"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.IDENTITY, PartName.AUDITS)
    unknown_when: ClassVar[str] = (
        "a credential starts within the time and the log does not show (yet) who added it, the log names no "
        "actor, or it tells of credentials in an unknown form"
    )
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    within: AuditDuration = timedelta(hours=24)
    """How long ago it was added at most."""
    by_other_than: Several[Guid] | None = None
    """Object or client ids of those who are expected to; left out: whoever it was."""
    holders: Several[HolderKind] = (HolderKind.APPLICATION, HolderKind.SERVICE_PRINCIPAL)
    """The object that it was put on."""
    maker_has: AuditDuration | None = None
    """How long after making the application its maker's own additions are a part of that; left out: not at all."""

    def check(self, case: Case) -> Finding:
        if not isinstance(case.identity, Known):
            return unknown(PartName.IDENTITY, case.identity)
        state = case.identity.value
        doubt: str | None = None
        explained = set[Explained]()
        made = self._made(case, state)
        for record, change in _telling(case):
            if record.result != "failure":
                explained.update(explaining(key, record.at) for key in change.added)
            concerned = [key for key in change.added if key.holder in self.holders]
            if not concerned and not change.unread:
                continue
            answer = self._counts(record, case, made)
            if answer and concerned:
                return Met(_told(concerned[0], record))
            if answer is not False:
                doubt = doubt or _doubt(record, change.unread)
        if not isinstance(case.audits, Known):
            return unknown(PartName.AUDITS, case.audits)
        doubt = doubt or unexplained(state, self.holders, explained, case.now - self.within)
        doubt = doubt or hidden_trust(case, state, self.within, self.by_other_than)
        if doubt:
            return Unknown(doubt)
        return NotMet(f"the audit log shows no such credential in {self.within.total_seconds() / 3600:g} h")

    def _made(self, case: Case, state: IdentityState) -> Sequence[AuditRecord]:
        if self.maker_has is None:
            return ()
        records = (each for each in records_about(case, state) if each.activity == _MAKING)
        return [each for each in records if each.result == "success"]

    def _counts(self, record: AuditRecord, case: Case, made: Sequence[AuditRecord]) -> bool | None:
        if is_within(record.at, self.within, case.now) is False or is_by_cordon(record.actor, case):
            return False
        if made and any(_is_part_of(record, each, self.maker_has or timedelta()) for each in made):
            return False
        return both(
            has_result(record, ("success",)),
            is_unexpected(record.actor, self.by_other_than),
        )


@once
def _telling(case: Case) -> Sequence[tuple[AuditRecord, CredentialChange]]:
    """The records of the identity that tell of credentials, and what they tell. Every such condition asks for them."""
    if not isinstance(case.identity, Known):
        return ()
    told = ((record, credential_change(record)) for record in records_in(case.audits))
    state = case.identity.value
    return [
        (record, change)
        for record, change in told
        if (change.added or change.unread) and is_about(subject_of(record), state)
    ]


_MAKING = normalise_activity("Add application")
_AT_ONCE = timedelta(minutes=1)


def _is_part_of(record: AuditRecord, making: AuditRecord, within: timedelta) -> bool:
    """Whether the same one did it, and soon after, or at once: records of one change may be in any order."""
    soon = -_AT_ONCE <= record.at - making.at <= within
    return soon and is_unexpected(record.actor, doer_ids(making.actor)) is False


def _told(key: AddedCredential, record: AuditRecord) -> str:
    where = key.holder.value.replace("-", " ")
    return f"{key.type} {key.key_id} was added to the {where} by {actor_text(record.actor)} at {utc(record.at)}"


def _doubt(record: AuditRecord, unread: str | None) -> str:
    why = unread or f"its result is {record.result}, its actor {actor_text(record.actor)}"
    return f"“{record.activity_as_sent}” at {utc(record.at)} may have added a credential: {why}"


Explained: TypeAlias = tuple[HolderKind, str, bool, datetime]
"""On which object a credential was added, its id, whether it is a secret, and when it was added."""
_SKEW = timedelta(minutes=5)  # between the clock of whoever dates a certificate and the log's


def explaining(key: AddedCredential, at: datetime) -> Explained:
    return key.holder, key.key_id, key.type == "Password", at


def _is_explained(kind: HolderKind, credential: "_Start", explained: Set[Explained]) -> bool:
    """
    A secret's id is Graph's, so that no other can have it. A key's is chosen by whoever writes it, and may be one that
    was there before: a record from before it starts told of another.
    """
    return any(
        (holder, id_, is_secret) == (kind, credential.key_id.lower(), credential.is_secret)
        and (is_secret or credential.at - at <= _SKEW)
        for holder, id_, is_secret, at in explained
    )


def unexplained(
    state: IdentityState, holders: tuple[HolderKind, ...], explained: Set[Explained], since: datetime
) -> str | None:
    """A credential that starts in this time and that no record explains, in words; None if there is none."""
    for holder in state.holders:
        if holder.kind not in holders:
            continue
        for each in _starts(holder):
            if each.at >= since and not _is_explained(holder.kind, each, explained):
                began = f"credential {each.key_id} starts at {utc(each.at)}"
                return f"{began}, and the audit log does not show (yet) who added it"
    return None


class _Start(NamedTuple):
    """From when on a credential can be used, as it says itself."""

    key_id: str
    is_secret: bool
    at: datetime


def _starts(holder: Holder) -> Iterator[_Start]:
    """What can authenticate and says when it starts: not federated credentials, and not SAML's key pairs."""
    signing = {key.key_id for key in holder.keys if key.usage == "Sign"}
    for password in holder.passwords:
        if password.start and password.key_id not in signing:
            yield _Start(password.key_id, True, password.start)
    for key in holder.keys:
        if key.start and key.usage == "Verify":
            yield _Start(key.key_id, False, key.start)
