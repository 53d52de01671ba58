"""
Signs that somebody behind an identity was phished, or is not the one at the keyboard: what Entra's logs tell of it.

Pure, and the same whatever the order of records. Whatever could not be looked at is a gap that is told, never "no
sign". Rules of mailboxes are not in Entra's logs at all: only detections about them are.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

from shared.audit import normalise_activity
from shared.baseline import SHORTEST, Feature, value_of
from shared.case import (
    Account,
    AuditRecord,
    CouldNotLook,
    Known,
    NotLooked,
    Part,
    Person,
    RiskDetection,
    RiskState,
    SeenOfPerson,
    UserSignIn,
)


class Sign(StrEnum):
    """What is looked for. Values are the policy's words."""

    AT_RISK = "at-risk"  # Entra lists the user as at risk now
    RISK_DETECTION = "risk-detection"
    RISKY_SIGN_IN = "risky-sign-in"
    DEVICE_CODE = "device-code"  # a flow in which the phisher's device is signed in
    SECURITY_INFO = "security-info-registered"  # a new second factor, by whomever
    PASSWORD_RESET = "password-reset"  # noqa: S105 - an event, not a password
    NEW_COUNTRY = "new-country"  # against the user's own sign-ins before
    NEW_NETWORK = "new-network"
    INBOX_RULE = "inbox-rule"  # as far as Entra tells: see MAILBOXES
    ACCOUNT_OFF = "account-off"  # blocked, or not there any more


# What needs every rung to learn from, however early its own falls.
LEARNED = {Sign.NEW_COUNTRY: Feature.COUNTRY, Sign.NEW_NETWORK: Feature.NETWORK}
MAILBOXES = "rules of mailboxes are not checkable here (mailbox audit)"
_LEAST = 5  # sign-ins to learn from
_OVER = frozenset({"dismissed", "confirmedsafe"})  # somebody said that it was nothing
_ENDED = frozenset({"none", "remediated", *_OVER})  # of a user: no longer at risk
_LEVELS = frozenset({"none", "low", "medium", "high"})
_INBOX = frozenset({"mcassuspiciousinboxmanipulationrules", "suspiciousinboxforwarding"})
_REGISTERED = frozenset(
    normalise_activity(each)
    for each in (
        "User registered security info",
        "User registered all required security info",
        "User changed default security info",
        "User updated security info",
        "Admin registered security info",
        "Admin updated security info",
        "Add FIDO2 security key",
        "Add passwordless phone sign-in credential",
        "Add Windows Hello for Business credential",
        "Add users strong authentication phone app detail",
    )
)
_RESET = frozenset(
    normalise_activity(each)
    for each in (
        "Reset password",
        "Reset user password",
        "Reset password (by admin)",
        "Reset password (self-service)",
        "Admin started password reset",
    )
)

_Fits: TypeAlias = Callable[[UserSignIn], bool | None]


@dataclass(frozen=True, slots=True)
class Found:
    """What one look at one person showed: the first sign in the order of asking, and what was not to be seen."""

    hit: str | None
    gaps: tuple[str, ...]


def name_of(person: Person) -> str:
    """How a person is called in a reason: by the account's name, where it can be read."""
    account = person.account.value if isinstance(person.account, Known) else None
    return f"“{account.name}”" if account else f"user {person.id}"


def look_at_standing(person: Person, signs: Sequence[Sign], levels: Sequence[str]) -> Found:
    """What is so now, whenever it began: it belongs to the first rung."""
    found = [_at_risk(person, levels) if sign is Sign.AT_RISK else _account_off(person) for sign in _standing(signs)]
    return _first(found)


def look_in_window(
    person: Person,
    seen: SeenOfPerson,
    since: datetime,
    until: datetime,
    signs: Sequence[Sign],
    levels: Sequence[str],
) -> Found:
    """What happened in one rung. Signs that must be learned are left out: see `look_for_new`."""
    found = list[Found]()
    for sign in signs:
        match sign:
            case Sign.RISK_DETECTION:
                found.append(_detected(person, since, until, levels))
            case Sign.RISKY_SIGN_IN:
                found.append(_in_sign_ins(seen, lambda each: _is_risky(each, levels), "a risky sign-in"))
            case Sign.DEVICE_CODE:
                found.append(_in_sign_ins(seen, _is_device_code, "a sign-in by device code"))
            case Sign.SECURITY_INFO:
                found.append(_in_audits(seen, _REGISTERED))
            case Sign.PASSWORD_RESET:
                found.append(_in_audits(seen, _RESET))
            case Sign.INBOX_RULE:
                found.append(_inbox_rule(person, since, until))
            case _:
                pass
    return _first(found)


def look_for_new(windows: Sequence[SeenOfPerson], since: datetime, until: datetime, sign: Sign) -> Found:
    """
    A sign-in of this rung from where none came before it. `windows` are all rungs of one person; a rung that could
    not be read leaves nothing to be called new, because it may have been there.
    """
    if missing := next((each.sign_ins for each in windows if not isinstance(each.sign_ins, Known)), None):
        return Found(None, (f"sign-ins to learn from could not be read: {_why(missing)}",))
    feature = LEARNED[sign]
    issued = [each for seen in windows for each in _issued(seen)]
    recent = sorted((each for each in issued if since <= each.record.at <= until), key=_place, reverse=True)
    before = [each for each in issued if each.record.at < since]
    if not recent:
        return Found(None, ())
    begun = min((each.record.at for each in before), default=since)
    usual = {value for each in before if (value := value_of(each.record, feature)) is not None}
    if len(before) < _LEAST or since - begun < SHORTEST - timedelta(days=1) or not usual:
        return Found(None, (f"{len(before)} sign-ins before are too few to know the usual {feature}",))
    untold = 0
    for each in recent:
        value = value_of(each.record, feature)
        if value is None:
            untold += 1
        elif value not in usual:
            return Found(f"a sign-in from a new {feature}, {value}, {_at(each)}", ())
    return Found(None, (f"the log does not tell the {feature} of {untold} sign-ins",) if untold else ())


# What is so now


def _standing(signs: Sequence[Sign]) -> Iterator[Sign]:
    return (sign for sign in signs if sign in (Sign.AT_RISK, Sign.ACCOUNT_OFF))


def _at_risk(person: Person, levels: Sequence[str]) -> Found:
    return judge_risk(person.risk, levels, "user")


def judge_risk(part: Part[RiskState | None], levels: Sequence[str], whom: str) -> Found:
    """Whether Entra lists somebody, a user or a workload, as at risk of one of these levels now."""
    if not isinstance(part, Known):
        return Found(None, (f"the risk could not be read: {_why(part)}",))
    risk = part.value
    if risk is None or risk.state.casefold() in _ENDED:
        return Found(None, ())
    if (answer := _is_level(risk.level, levels)) is None:
        return Found(None, (f"Entra does not tell the level of the risk ({risk.level})",))
    since = f" since {_utc(risk.updated_at)}" if risk.updated_at else ""
    return Found(f"Entra lists the {whom} as {risk.state} ({risk.level}){since}" if answer else None, ())


def _account_off(person: Person) -> Found:
    if not isinstance(person.account, Known):
        return Found(None, (f"the account could not be read: {_why(person.account)}",))
    return _of_account(person.account.value)


def _of_account(account: Account | None) -> Found:
    if account is None:
        return Found("the account is not there (any more)", ())
    if account.enabled is None:
        return Found(None, ("Graph does not tell whether the account is blocked",))
    return Found(None if account.enabled else "the account is blocked", ())


# What happened


def _detected(person: Person, since: datetime, until: datetime, levels: Sequence[str]) -> Found:
    if not isinstance(person.detections, Known):
        return Found(None, (f"risk detections could not be read: {_why(person.detections)}",))
    gaps = list[str]()
    for each in _within(person.detections.value, since, until):
        answer = _is_level(each.level, levels)
        if answer:
            return Found(f"a risk detection, {_detection(each)}", ())
        if answer is None:
            gaps.append(f"Entra does not tell the level of a risk detection ({each.level})")
    return Found(None, tuple(gaps[:1]))


def _inbox_rule(person: Person, since: datetime, until: datetime) -> Found:
    """Without a detection nothing is known of the mailbox, so this is never clean."""
    known = person.detections.value if isinstance(person.detections, Known) else ()
    hits = (each for each in _within(known, since, until) if each.type.casefold() in _INBOX)
    hit = next((f"a suspicious rule in the mailbox, {_detection(each)}" for each in hits), None)
    return Found(hit, () if hit else (MAILBOXES,))


def _within(detections: Sequence[RiskDetection], since: datetime, until: datetime) -> Iterator[RiskDetection]:
    """Those of this rung that nobody has called nothing, newest first. One without a time is of every rung."""
    dated = [(each.activity_at or each.detected_at or until, each) for each in detections]
    for at, each in sorted(dated, key=lambda pair: (pair[0], pair[1].id), reverse=True):
        if since <= at <= until and each.state.casefold() not in _OVER:
            yield each


def _detection(each: RiskDetection) -> str:
    at = each.activity_at or each.detected_at
    return f"{each.type} ({each.level}) at {_utc(at) if at else 'a time not told'} (detection {each.id})"


def _in_sign_ins(seen: SeenOfPerson, fits: _Fits, what: str) -> Found:
    if not isinstance(seen.sign_ins, Known):
        return Found(None, (f"sign-ins could not be read: {_why(seen.sign_ins)}",))
    untold = 0
    for each in _issued(seen):
        answer = fits(each)
        if answer:
            return Found(f"{what} {_at(each)}", ())
        untold += answer is None
    told = (f"the log does not tell of {untold} sign-ins whether it was {what}",) if untold else ()
    return Found(None, (*told, *seen.doubts))


def _issued(seen: SeenOfPerson) -> list[UserSignIn]:
    """Those that succeeded, newest first."""
    known = seen.sign_ins.value if isinstance(seen.sign_ins, Known) else ()
    return sorted((each for each in known if each.record.error_code == 0), key=_place, reverse=True)


def _place(each: UserSignIn) -> tuple[datetime, str]:
    return each.record.at, each.record.id


def _is_risky(each: UserSignIn, levels: Sequence[str]) -> bool | None:
    if each.risk_state is not None and each.risk_state.casefold() in _OVER:
        return False
    return _is_level(each.risk_level or "hidden", levels)


def _is_device_code(each: UserSignIn) -> bool | None:
    """A protocol that is newer than this code may be told as unknownFutureValue."""
    if each.protocol is None or each.protocol.casefold() == "unknownfuturevalue":
        return None
    return each.protocol.casefold() == "devicecode"


def _in_audits(seen: SeenOfPerson, activities: frozenset[str]) -> Found:
    if not isinstance(seen.audits, Known):
        return Found(None, (f"audit records could not be read: {_why(seen.audits)}",))
    doubts = list(seen.doubts)
    for record in sorted(seen.audits.value, key=lambda each: (each.at, each.id), reverse=True):
        if record.activity not in activities or record.result == "failure":
            continue
        if record.result == "success":
            return Found(_audit(record), ())
        doubts.append(f"whether this happened cannot be told ({record.result}): {_audit(record)}")
    return Found(None, tuple(doubts))


def _audit(record: AuditRecord) -> str:
    return f"“{record.activity_as_sent}” at {_utc(record.at)} (record {record.id})"


# Small things


def _is_level(level: str, wanted: Sequence[str]) -> bool | None:
    """None where Entra hides it, or says something newer than this code."""
    if level in wanted:
        return True
    return False if level in _LEVELS else None


def _at(each: UserSignIn) -> str:
    where = f" from {each.record.address}" if each.record.address else ""
    return f"at {_utc(each.record.at)}{where} (record {each.record.id})"


def _first(found: Sequence[Found]) -> Found:
    hit = next((each.hit for each in found if each.hit), None)
    return Found(hit, tuple(dict.fromkeys(gap for each in found for gap in each.gaps)))


def _why(part: CouldNotLook | NotLooked) -> str:
    return part.why if isinstance(part, CouldNotLook) else "it was not looked at"


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
