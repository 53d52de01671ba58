"""Was Graph called with a token that no sign-in explains?"""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from pydantic import ConfigDict

from shared.case import Case, GraphActivity, GraphToken, Known, PartName, SignInLog
from shared.conditions.interface import Finding, Met, NotMet, Unknown, unknown
from shared.conditions.learning import RecentDuration, fell_silent
from shared.conditions.settings import SETTINGS, utc
from shared.identity import IdentityKind

GRAPH = "00000003-0000-0000-c000-000000000000"  # resourceId of Microsoft Graph in the sign-in log
_NOT_ALL = "more tokens were used than were read, or the log does not name each"
_LATE = timedelta(hours=2)  # after which a sign-in is in the log; seen are 15 to 30 minutes (facts: latency of reports)


@dataclass(frozen=True, slots=True)
class TokenWithoutSignIn:
    """
    Met when Graph was called `within` this time, in the identity's own name, with a token that no record of the sign-in
    log tells of, although it was issued two hours ago or earlier and the log is whole from then on. So a token looks
    that was made elsewhere, or whose sign-in somebody took out of the log. Microsoft's own applications are not asked
    about: their sign-ins are not all in the log.
    """

    name: ClassVar[str] = "token-without-sign-in"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.IDENTITY, PartName.SIGN_INS, PartName.GRAPH_ACTIVITY)
    unknown_when: ClassVar[str] = (
        "the two logs do not name tokens alike, or one of them was not read whole or has fallen silent"
    )
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    within: RecentDuration = timedelta(hours=24)
    """How long ago Graph was called at most."""

    def check(self, case: Case) -> Finding:
        if not isinstance(case.identity, Known):
            return unknown(PartName.IDENTITY, case.identity)
        if case.identity.value.identity.kind is IdentityKind.MICROSOFT:
            return Unknown("sign-ins of Microsoft's own applications are not all in the log")
        if not isinstance(case.graph_activity, Known):
            return unknown(PartName.GRAPH_ACTIVITY, case.graph_activity)
        activity = case.graph_activity.value
        used = [each for each in activity.tokens if case.now - each.last <= self.within]
        if not used:
            told = "Graph was not called with any token in this time"
            doubt = self._missing_of(activity, case)
            return Unknown(doubt) if doubt else NotMet(told)
        if not isinstance(case.sign_ins, Known):
            return unknown(PartName.SIGN_INS, case.sign_ins)
        return self._compared(used, activity, case.sign_ins.value, case)

    def _missing_of(self, activity: GraphActivity, case: Case) -> str | None:
        """Why there may be more tokens than the log of calls tells."""
        if not activity.all_tokens:
            return _NOT_ALL
        if activity.since > case.now - self.within:
            return f"the log of calls to Graph begins at {utc(activity.since)} only"
        return fell_silent(activity)

    def _compared(self, used: list[GraphToken], activity: GraphActivity, log: SignInLog, case: Case) -> Finding:
        known = {each.token_id.rstrip("=") for each in log.records if each.token_id and each.error_code == 0}
        untold = any(not each.token_id for each in log.records if each.error_code == 0)
        doubt = self._missing_of(activity, case)
        for token in used:
            if token.id in known:
                continue
            reason = _why_not_judged(token, log, case)
            if reason is None and untold:
                reason = "the sign-in log does not name each token that was issued"
            if reason is None and _are_named_otherwise(activity, log):
                reason = "no token of the two logs is the same: they may name them otherwise"
            if reason is None:
                return Met(_told(token))
            doubt = doubt or reason
        return Unknown(doubt) if doubt else NotMet(f"each of {len(used)} tokens is in the sign-in log")


def _are_named_otherwise(activity: GraphActivity, log: SignInLog) -> bool:
    """
    Whether tokens for Graph were issued in the time that the calls are of, and none of them was used: where both logs
    work, a workload that fetches a token for Graph calls it.
    """
    begun = min(each.issued or each.first for each in activity.tokens)
    issued = {
        each.token_id.rstrip("=")
        for each in log.records
        if each.token_id and each.error_code == 0 and each.resource_id == GRAPH and each.at >= begun - _LATE
    }
    return bool(issued) and issued.isdisjoint({each.id for each in activity.tokens})


def _why_not_judged(token: GraphToken, log: SignInLog, case: Case) -> str | None:
    if token.issued is None:
        return f"Graph does not tell when the token of its call at {utc(token.first)} was issued"
    if case.now - token.issued < _LATE:
        return f"a token of {utc(token.issued)} is not in the sign-in log yet, which is late"
    if token.issued < log.since:
        return f"a token was issued at {utc(token.issued)}, before the sign-in log begins"
    if log.unread or (log.until is not None and token.issued > log.until - _LATE):
        return fell_silent(log)
    return None


def _told(token: GraphToken) -> str:
    issued = f"issued at {utc(token.issued)}, " if token.issued else ""
    where = f", from {token.address}" if token.address else ""
    return (
        f"Graph was called from {utc(token.first)} to {utc(token.last)}{where} with a token, {issued}that no sign-in "
        f"tells of (token {token.id})"
    )
