"""Does somebody try to sign in as it, and fail?"""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from shared.case import Case, Known, PartName, SignIn
from shared.conditions.interface import Finding, Met, NotMet, Unknown, unknown
from shared.conditions.learning import RecentDuration, begins_late, fell_silent
from shared.conditions.settings import SETTINGS, Several

ErrorCode = Annotated[int, Field(ge=1, le=99_999_999, strict=True)]


@dataclass(frozen=True, slots=True)
class SignInsFail:
    """
    Met when at least `at-least` sign-ins were refused `within` this time (24 h at most), with one of these error
    `codes` if any are named (7000215: wrong secret, 7000222: expired secret, 700027: bad assertion, 53003: blocked by
    a policy, 7000112: disabled), and at most `succeeded` tokens were issued beside them, if that is given. Anybody who
    knows the client id can make an identity fail, so this alone is no reason to cut it off.
    """

    name: ClassVar[str] = "sign-in-failures"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.ATTEMPTS,)
    unknown_when: ClassVar[str] = "the log was cut short, begins too late, or has fallen silent"
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    codes: Several[ErrorCode] | None = None
    """Error codes; left out: any."""
    at_least: Annotated[int, Field(ge=1, le=10_000, strict=True)] = 10
    """From how many on."""
    within: RecentDuration = timedelta(hours=1)
    """How long ago at most."""
    succeeded: Annotated[int, Field(ge=0, le=10_000, strict=True)] | None = None
    """How many tokens may have been issued beside them; left out: any number."""

    def check(self, case: Case) -> Finding:
        if not isinstance(case.attempts, Known):
            return unknown(PartName.ATTEMPTS, case.attempts)
        log, since = case.attempts.value, case.now - self.within
        tried = [each for each in log.records if each.at >= since]
        failed = [each for each in tried if each.error_code and (not self.codes or each.error_code in self.codes)]
        issued = sum(1 for each in tried if each.error_code == 0)
        missing = begins_late(log) if log.since > since else fell_silent(log)
        if len(failed) >= self.at_least and (self.succeeded is None or (issued <= self.succeeded and missing is None)):
            return Met(_told(failed, issued, "" if missing is None else "at least "))
        if missing is not None:
            return Unknown(missing)
        return NotMet(f"{len(failed)} sign-ins failed in this way, and {issued} tokens were issued")


def _told(failed: list[SignIn], issued: int, least: str) -> str:
    """By error code and by credential, the most frequent first."""
    codes = ", ".join(f"{count} x {code}" for code, count in Counter(each.error_code for each in failed).most_common(3))
    keys = Counter(each.credential_id for each in failed if each.credential_id).most_common(1)
    named = f", most with credential {keys[0][0]}" if keys else ""
    return f"{least}{len(failed)} sign-ins were refused ({codes}){named}; {issued} tokens were issued"
