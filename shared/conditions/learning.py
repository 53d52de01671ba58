"""The settings of conditions that learn from an identity's own sign-ins."""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from shared.baseline import LONGEST, SHORTEST, Baseline, TooShort, baseline_of, joined
from shared.case import Case, CouldNotLook, GraphActivity, Known, NotLooked, PartName, SignInLog
from shared.conditions.interface import Unknown, unknown
from shared.conditions.settings import DURATION_SCHEMA, Duration, utc


def _is_long_enough(length: timedelta) -> timedelta:
    if not SHORTEST <= length <= LONGEST:
        raise ValueError(f"must be {SHORTEST.days}d to {LONGEST.days}d")
    return length


def _is_recent(length: timedelta) -> timedelta:
    if length > timedelta(days=1):
        raise ValueError("must be at most 24h: what is older is what is learned from")
    return length


BaselineDuration = Annotated[Duration, AfterValidator(_is_long_enough), WithJsonSchema(DURATION_SCHEMA)]
RecentDuration = Annotated[Duration, AfterValidator(_is_recent), WithJsonSchema(DURATION_SCHEMA)]
LeastRecords = Annotated[int, Field(ge=1, le=10_000, strict=True)]

BASELINE, LEAST = timedelta(days=30), 10
_WORTH_ASKING = timedelta(days=2)  # that is missing of a baseline: then another source is asked for more


def learned(
    case: Case, within: timedelta, length: timedelta, least: int, shortest: timedelta = SHORTEST
) -> tuple[SignInLog, Baseline] | Unknown:
    """The log of a case and what is usual in it before this time; or why neither can be had."""
    if not isinstance(case.sign_ins, Known):
        return unknown(PartName.SIGN_INS, case.sign_ins)
    log = case.sign_ins.value
    if log.since - (case.now - within - length) > _WORTH_ASKING:
        match case.older_sign_ins:
            case Known(older):
                log = joined(log, older)
            case NotLooked() as unasked:
                return unknown(PartName.OLDER_SIGN_INS, unasked)
            case CouldNotLook():
                pass  # what there is is learned from, and the answer says how much that is
    if log.since > case.now - within:
        return Unknown(begins_late(log))
    found = baseline_of(log, case.now - within, length, least, shortest)
    return Unknown(found.why) if isinstance(found, TooShort) else (log, found)


def begins_late(log: SignInLog | GraphActivity) -> str:
    """Why a log does not tell of all the time that is asked about."""
    what = "sign-in log" if isinstance(log, SignInLog) else "log of calls to Graph"
    if isinstance(log, SignInLog) and log.cut_short:
        return "the sign-in log could not be read far enough back: there are too many records in it"
    if log.hole is not None:
        return (
            f"the {what} has a hole from {utc(log.hole)} to {utc(log.since)}: nothing of anybody came in then, which "
            "is unusual there, and it is whole since then only"
        )
    return f"the {what} begins at {utc(log.since)} only"


def fell_silent(log: SignInLog | GraphActivity) -> str | None:
    """
    Why what a log does not show may have happened all the same: its records have stopped, or one of them cannot be
    read; None if they go on.
    """
    if log.until is not None:
        stopped = "nothing of anybody has come in since, which is unusual there"
        return f"the log is known until {utc(log.until)} only: {stopped}"
    if isinstance(log, SignInLog) and log.unread:
        return f"{log.unread} record(s) of the sign-in log could not be read"
    return None
