"""What came of a backtest: plain values, as the JSON file holds them and the Markdown tells them. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.policy import Verdict

ACTING = (Verdict.CONTAIN.value, Verdict.ASK.value)


@dataclass(frozen=True, slots=True)
class Undone:
    """A check that could not be made, and why."""

    check: str
    why: str


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision. `held`: why the plan would not have been carried out at once; None: it would have been."""

    at: datetime
    event_at: datetime  # of the first signal that it was made on
    identity: str
    name: str
    verdict: str
    rule: str
    plan: tuple[str, ...]
    not_done: tuple[str, ...]
    held_by: str | None
    held: str | None
    because: str  # what was reported, in one line
    repeated: bool  # the identity was contained, or asked about by the same rule, before
    hung_on: tuple[Undone, ...]  # checks that could not be made and on which the decision hung

    @property
    def acts(self) -> bool:
        return self.verdict in ACTING


@dataclass(slots=True)
class Tally:
    """
    What one policy decided. Decisions that act are kept one by one, the others are counted: a log holds many of them.
    `last`: the last verdict on each identity, by which rule and when.
    """

    policy: str
    digest: str
    decisions: int = 0
    by_verdict: Counter[str] = field(default_factory=Counter[str])
    by_rule: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    acting: list[Decided] = field(default_factory=list[Decided])
    hung: int = 0
    hung_on: Counter[Undone] = field(default_factory=Counter[Undone])
    joined: int = 0  # signals about an identity that was being contained
    last: dict[str, tuple[str, str, datetime]] = field(default_factory=dict[str, tuple[str, str, datetime]])
    left_out: int = 0  # decisions that act and are only counted, beyond the most that are kept

    def add(self, decided: Decided) -> None:
        self.decisions += 1
        self.by_verdict[decided.verdict] += 1
        self.by_rule[decided.rule, decided.verdict] += 1
        self.last[decided.identity] = (decided.verdict, decided.rule, decided.at)
        if decided.hung_on:
            self.hung += 1
            self.hung_on.update(each if self._is_kept(each) else Undone(each.check, _OTHER) for each in decided.hung_on)
        if decided.acts and not decided.repeated:
            if len(self.acting) < MOST_KEPT:
                self.acting.append(decided)
            else:
                self.left_out += 1

    def _is_kept(self, undone: Undone) -> bool:
        """Reasons may name a record each; those beyond the most that are kept are counted together."""
        return len(self.hung_on) < _MOST_REASONS or undone in self.hung_on

    @property
    def identities(self) -> set[str]:
        return {each.identity for each in self.acting}


MOST_KEPT = 20_000
_MOST_REASONS, _OTHER = 500, "for other reasons"


@dataclass(frozen=True, slots=True)
class Hour:
    """An hour in which something would have been done."""

    begins: datetime
    contained: int
    asked: int
    held_by_limits: int
    actions: int


def hours_of(acting: Iterable[Decided]) -> list[Hour]:
    """By the clock's hours; limits slide, so an hour may hold more than one of theirs."""
    found: dict[datetime, list[Decided]] = {}
    for each in acting:
        found.setdefault(each.at.replace(minute=0, second=0, microsecond=0), []).append(each)
    return [_hour(begins, decided) for begins, decided in sorted(found.items())]


def _hour(begins: datetime, decided: Sequence[Decided]) -> Hour:
    done = [each for each in decided if each.verdict == Verdict.CONTAIN.value and each.held is None]
    return Hour(
        begins=begins,
        contained=len(done),
        asked=len(decided) - len(done),
        held_by_limits=sum(each.held_by == "limits" for each in decided),
        actions=sum(len(each.plan) for each in done),
    )


@dataclass(frozen=True, slots=True)
class LogSeen:
    """One log of the export."""

    log: str
    records: int
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One identity about which two policies do not say the same. A side is (verdict, rule, when), or None: nothing."""

    identity: str
    name: str
    ours: tuple[str, str, datetime] | None
    theirs: tuple[str, str, datetime] | None


def differences(ours: Tally, theirs: Tally) -> list[Difference]:
    """Compared is what each would have done to an identity first; for whom that is the same is left out."""
    mine, other = _first_by_identity(ours), _first_by_identity(theirs)
    found: list[Difference] = []
    for identity in dict.fromkeys([*mine, *other]):
        one, two = mine.get(identity), other.get(identity)
        if (
            one
            and two
            and (one.verdict, one.rule, one.plan, one.held_by)
            == (
                two.verdict,
                two.rule,
                two.plan,
                two.held_by,
            )
        ):
            continue
        known = one or two
        found.append(Difference(identity, known.name if known else "", _side(one), _side(two)))
    return found


def _first_by_identity(tally: Tally) -> Mapping[str, Decided]:
    """The strongest of what was decided about each identity, the earliest of it."""
    found: dict[str, Decided] = {}
    for each in tally.acting:
        known = found.get(each.identity)
        if known is None or (each.verdict == Verdict.CONTAIN.value and known.verdict != Verdict.CONTAIN.value):
            found[each.identity] = each
    return found


def _side(decided: Decided | None) -> tuple[str, str, datetime] | None:
    return (decided.verdict, decided.rule, decided.at) if decided else None


@dataclass(frozen=True, slots=True)
class Outcome:
    """All of it."""

    folder: str
    files: int
    records: int
    kept: int
    signals: int
    duplicates: int
    own: int  # signals about Cordon's own doing
    logs: Sequence[LogSeen]
    missing: Sequence[str]  # logs that the export does not hold
    objects: int  # service principals in the export
    tenant_id: str
    since: datetime | None
    until: datetime | None
    tick: timedelta
    unknown: Mapping[str, int]
    damaged: Mapping[str, int]
    places: Sequence[str]
    late_states: int
    look_back: timedelta
    tally: Tally
    against: Tally | None
