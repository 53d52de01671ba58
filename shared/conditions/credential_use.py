"""When a credential was last used, as far as Graph's report and the sign-in log tell. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.baseline import joined, recent
from shared.case import (
    Case,
    CouldNotLook,
    FederatedCredential,
    Key,
    Known,
    NotLooked,
    PartName,
    Password,
    SignIn,
    SignInLog,
)
from shared.conditions.interface import Unknown, unknown
from shared.conditions.learning import fell_silent
from shared.conditions.settings import utc
from shared.credentials import Sorted, is_thumbprint, same_thumbprint

_REPORT_LATE = timedelta(days=2)  # it is made about once a day


@dataclass(frozen=True, slots=True)
class Usable:
    """A credential that authenticates: how it is told, since when it is there, and by what a sign-in names it."""

    id: str  # in lower case
    text: str
    start: datetime | None  # its maker's word; federated ones have none
    end: datetime | None  # None: it never ends, as federated ones
    thumbprint: str | None = None

    def is_named_by(self, sign_in: SignIn) -> bool | None:
        """Whether this one was shown; None where the log does not tell which one was."""
        if sign_in.credential_id:
            return sign_in.credential_id.lower() == self.id
        shown = (sign_in.thumbprint or "").replace(":", "")
        return same_thumbprint(self.thumbprint, shown) if is_thumbprint(shown) else None


def usable_of(found: Sorted, now: datetime) -> Iterator[Usable]:
    """What still lets somebody sign in as this workload."""

    def lasts(each: Password | Key) -> bool:
        return each.end is None or each.end > now

    for password in filter(lasts, found.passwords):
        yield Usable(password.key_id.lower(), f"secret {password.key_id}", password.start, password.end)
    for key in filter(lasts, found.keys):
        shown = key.custom_key_identifier
        yield Usable(key.key_id.lower(), f"certificate {key.key_id}", key.start, key.end, shown)
    yield from map(_trusting, found.federated)


def _trusting(trust: FederatedCredential) -> Usable:
    return Usable(trust.id.lower(), f"federated credential {trust.id}", None, None)


def why_unused(case: Case, credential: Usable, since: datetime) -> str | Unknown | None:
    """
    Why it is known that a credential was not used from `since` on; None: it was used. Graph's report proves use at
    once; disuse takes a log that is whole from then on, or, where there is none, the report, which is late.
    """
    if isinstance(case.key_use, NotLooked):
        return unknown(PartName.KEY_USE, case.key_use)
    reported = case.key_use.value.last if isinstance(case.key_use, Known) else dict[str, datetime | None]()
    last = reported.get(credential.id)
    if last is not None and last >= since:
        return None
    log = _log(case, since)
    if isinstance(log, Unknown):
        if log.wants or credential.id not in reported:
            return log
        told = f"was last used at {utc(last)}" if last else "was never used"
        return f"{told}, as Graph's report shows it, {_REPORT_LATE.days} days late"
    untold: SignIn | None = None
    for sign_in in recent(log, since):
        named = credential.is_named_by(sign_in)
        if named:
            return None
        untold = sign_in if named is None else untold
    if untold is not None:
        return Unknown(f"the log does not tell with which credential the token at {utc(untold.at)} was issued")
    if silent := fell_silent(log):
        return Unknown(silent)
    return f"is in no sign-in since {utc(since)}"


def _log(case: Case, since: datetime) -> SignInLog | Unknown:
    """The sign-ins, if they were read whole from then on."""
    if not isinstance(case.sign_ins, Known):
        return unknown(PartName.SIGN_INS, case.sign_ins)
    log = case.sign_ins.value
    if log.since <= since:
        return log
    match case.older_sign_ins:
        case Known(older):
            log = joined(log, older)
        case NotLooked() as unasked:
            return unknown(PartName.OLDER_SIGN_INS, unasked)
        case CouldNotLook(why):
            return Unknown(f"the sign-in log begins at {utc(log.since)}, and elsewhere: {why}")
    return log if log.since <= since else Unknown(f"the sign-in logs begin at {utc(log.since)}")
