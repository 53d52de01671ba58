"""
What a workload's sign-ins are usually like: learned from its own log before a moment, and compared with what came
after. Pure. Documents of Microsoft's describe a baseline of 2 to 60 days over address and network, resource, user
agent, country and kind of credential; this is the same, re-derived, so that it can be read.

Only tokens that were issued are learned from: whoever guesses secrets can fill the log with refusals, not with these.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_address, ip_network
from operator import attrgetter

from shared.case import SignIn, SignInLog

SHORTEST, LONGEST = timedelta(days=2), timedelta(days=60)
WEEK_HOURS = 168


class Feature(StrEnum):
    """What can be new about a sign-in. Values are the policy's words."""

    ADDRESS = "address"
    NETWORK = "network"  # the autonomous system; where the log does not tell it, the addresses around
    COUNTRY = "country"
    USER_AGENT = "user-agent"  # without its versions
    RESOURCE = "resource"
    CREDENTIAL_TYPE = "credential-type"
    CREDENTIAL = "credential"  # the key, or the federated credential


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """What is usual, as its sign-ins tell it, newest first; each part is learned as far as it is asked for."""

    records: tuple[SignIn, ...]
    learned: timedelta  # from the oldest sign-in to the end
    _seen: dict[Feature, set[str]] = field(default_factory=dict[Feature, set[str]], init=False, repr=False)
    _unseen: dict[Feature, Iterator[SignIn]] = field(
        default_factory=dict[Feature, Iterator[SignIn]], init=False, repr=False
    )

    @property
    def count(self) -> int:
        return len(self.records)

    def seen(self, feature: Feature) -> Set[str]:
        """Every value of a feature that its sign-ins had."""
        self._learn(feature, None)
        return self._seen[feature]

    def has(self, feature: Feature, value: str) -> bool:
        """Whether one of its sign-ins had this value of a feature. What is usual the newest ones show already."""
        return value in self._seen.get(feature, ()) or self._learn(feature, value)

    def _learn(self, feature: Feature, until: str | None) -> bool:
        """Read on until this value is found, if it is; None: to the end."""
        seen = self._seen.setdefault(feature, set())
        for each in self._unseen.setdefault(feature, iter(self.records)):
            found = value_of(each, feature)
            if found is not None:
                seen.add(found)
                if found == until:
                    return True
        return False

    @property
    def hours(self) -> frozenset[int]:
        """The hours of the week in which it was active, in UTC: 0 is Monday's first."""
        return frozenset(hour_of_week(each.at) for each in self.records)

    @property
    def times(self) -> tuple[datetime, ...]:
        return tuple(each.at for each in self.records)


@dataclass(frozen=True, slots=True)
class TooShort:
    """Nothing can be judged by it, because it holds too little."""

    why: str


@lru_cache(maxsize=4)
def joined(newer: SignInLog, older: SignInLog) -> SignInLog:
    """
    Two sources' logs of one identity as one: a record that both tell counts once, by its id or by the token that was
    issued. Where the older one ends before the newer begins, there is a gap, and only the newer counts as whole.
    """
    ids = {each.id for each in newer.records}
    tokens = {each.token_id for each in newer.records if each.token_id and each.error_code == 0}
    more = (each for each in older.records if each.id not in ids and not (each.token_id and each.token_id in tokens))
    records = sorted((*newer.records, *more), key=lambda each: each.at, reverse=True)
    meet = older.until is None or older.until >= newer.since
    longer = older if meet and older.since < newer.since else newer
    return replace(longer, records=tuple(records), until=newer.until, unread=newer.unread + older.unread)


@lru_cache(maxsize=4)  # several conditions of a policy ask the same log the same thing
def baseline_of(
    log: SignInLog, until: datetime, length: timedelta, least: int, shortest: timedelta
) -> Baseline | TooShort:
    """The baseline of the time before `until`, as long as `length` at most, or why there is none to judge by."""
    begin = until - length
    records = [each for each in log.records if begin <= each.at < until and each.error_code == 0]
    learned = until - min(map(_when, records), default=until)
    if len(records) < least or learned < shortest:
        cut = f"; the log was read back to {log.since:%Y-%m-%d %H:%M} UTC only" if log.cut_short else ""
        needed = f"{least} over {_days(shortest)}"
        return TooShort(f"{len(records)} sign-ins over {_days(learned)} are too few to learn from ({needed}){cut}")
    return Baseline(tuple(records), learned)


def recent(log: SignInLog, since: datetime) -> Sequence[SignIn]:
    """The tokens that were issued from this moment on, newest first."""
    found = list[SignIn]()
    for each in log.records:
        if each.at < since:
            break
        if each.error_code == 0:
            found.append(each)
    return found


def value_of(sign_in: SignIn, feature: Feature) -> str | None:
    """A feature of a sign-in as it is compared; None where the log does not tell it."""
    return _READ[feature](sign_in)


def _network_of(sign_in: SignIn) -> str | None:
    return f"AS{sign_in.network}" if sign_in.network is not None else _around(sign_in.address)


_READ: Mapping[Feature, Callable[[SignIn], str | None]] = {
    Feature.ADDRESS: lambda each: each.address,
    Feature.NETWORK: _network_of,
    Feature.COUNTRY: lambda each: each.country,
    Feature.USER_AGENT: lambda each: plain_agent(each.user_agent) if each.user_agent else None,
    Feature.RESOURCE: lambda each: each.resource_id or each.resource,
    Feature.CREDENTIAL_TYPE: lambda each: each.credential_type,
    Feature.CREDENTIAL: lambda each: each.credential_id.lower() if each.credential_id else None,
}


def hour_of_week(moment: datetime) -> int:
    return moment.weekday() * 24 + moment.hour


def usual_count(times: Sequence[datetime], until: datetime, learned: timedelta, window: timedelta) -> int:
    """
    How many sign-ins a window of its own time holds at the most, but for the busiest twentieth of them. Windows
    without any count as well; so a single odd day does not set what is usual.
    """
    windows = max(1, int(learned / window))
    counts = [0] * windows
    for at in times:
        place = int((until - at) / window)
        if 0 <= place < windows:
            counts[place] += 1
    return sorted(counts)[min(windows - 1, int(windows * 0.95))]


@lru_cache(maxsize=4096)
def plain_agent(text: str) -> str:
    """A user agent without its versions: an update of a library is nobody new."""
    return _BLANKS.sub(" ", _VERSIONS.sub("", text[:400].casefold())).strip()


_when = attrgetter("at")
_VERSIONS = re.compile(r"(?:/|\b)v?\d[0-9a-z]*(?:[._+-][0-9a-z]+)*")
_BLANKS = re.compile(r"\s+")


@lru_cache(maxsize=4096)
def _around(address: str | None) -> str | None:
    """The /24 or /48 that an address lies in."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return None
    return str(ip_network(f"{found}/{24 if found.version == 4 else 48}", strict=False))


def _days(length: timedelta) -> str:
    return f"{length.total_seconds() / 86_400:.1f} days"
