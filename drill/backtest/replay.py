"""
Second pass: the engine itself, asked at each moment at which something was reported.

What is reported within a minute is taken in together and decided at its end, as a sweep does; a look then shows what
was written until then. Investigation, decision, plan, protection and limits are the ones that run live. What differs is
told: nothing is changed, so the log goes on as if nobody had been contained; and vaults and their secrets are not
looked at.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias, cast, get_type_hints

from drill.backtest.hindsight import Left
from drill.backtest.memory import Memory
from drill.backtest.outcome import Decided, Tally, Undone
from drill.backtest.ruled_out import ruling_out
from drill.backtest.runs import Entry, to_moment, unpack_audit, unpack_sign_in
from drill.backtest.shapes import Sort
from drill.backtest.sieve import Say, Sifted
from shared.actions.interface import Means
from shared.audit import is_followed
from shared.case import Case, IncidentStanding, Known, NotLooked, PartName, Suspicion
from shared.conditions.groups import All, AnyOf
from shared.conditions.identity_kind import IsOfKind
from shared.conditions.interface import Condition, NotMet, Unknown
from shared.conditions.risk_detection import RiskDetected
from shared.conditions.risk_state import RiskListed
from shared.conditions.settings import asks_audit_log
from shared.decision import NO_RULE, Decision, Weighing, weigh
from shared.entries import NamedOutcome, Planned
from shared.errors import MalformedSignal
from shared.fight import RECHECKS
from shared.identity import ClientId, IdentityKind, IdentityRef
from shared.investigation import Investigation, choose_rung, investigate, with_case
from shared.limits import WINDOW, Batch, Over, Spent, Window, deeds_of, judge
from shared.muster import claimed, may_contain, reported_as
from shared.plan import lay_out
from shared.policy import ActionChoice, Policy, Verdict
from shared.preflight import why_nothing_contains
from shared.protection import Doubt, Question, synchronises, why_protected
from shared.risk import read_detection, read_risk_state
from shared.signal import JsonObject, NotASignal, Signal
from shared.sources import is_own_doing, source_named
from shared.sources.directory_audit import DirectoryAudit
from shared.tenant import Directory

TICK = timedelta(minutes=1)
_SIGN_INS = (Sort.SIGN_IN, Sort.MANAGED_SIGN_IN)
_HOUR = 3_600_000_000
_MOST_SIGNALS = 200  # of one open incident: more of the same would only be told again
_WATCHED = timedelta(seconds=RECHECKS[-1])  # so long a contained identity's incident stays open
_TOLD_EVERY = 20_000  # entries


@dataclass(slots=True)
class _Standing:
    """Where one identity stands under one policy."""

    signals: list[Signal] = field(default_factory=list[Signal])  # of its open incident
    contained_until: datetime | None = None
    contained: bool = False  # at any time before
    asked_by: set[str] = field(default_factory=set[str])  # rules that have asked about it
    accused: bool = False  # one of them knew of something, and did not only ask for want of it


_Reported: TypeAlias = Mapping[str, Sequence[Signal]]
_NO_RISK = Known(None)
_OPEN = Decision(Verdict.ASK, "nothing was looked at", (), (), frozenset({PartName.IDENTITY}))


class _Questions:
    """The rules of a policy that are in question, asked in order."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._ruling_out = tuple(ruling_out(rule.when) for rule in policy.rules)
        self._from: dict[int, Policy] = {}  # the policy from this rule on

    def weigh(self, case: Case) -> Weighing:
        """As `weigh`, without the findings of those rules in front that are known not to hold."""
        for place, is_out in enumerate(self._ruling_out):
            if not is_out(case):
                left = self._from.get(place)
                if left is None:
                    left = self._from[place] = replace(self._policy, rules=self._policy.rules[place:])
                return weigh(left, case)
        return Weighing(Verdict.WATCH, NO_RULE, None, ())


class Judge:
    """One policy at work: its decisions, its limits, and where each identity stands."""

    def __init__(self, policy: Policy, name: str, memory: Memory, own_ids: frozenset[str], *, vault: bool) -> None:
        self._policy, self._memory, self._own_ids, self._vault = policy, memory, own_ids, vault
        self._window = Window()
        self._standing: dict[str, _Standing] = {}
        self._enabled: tuple[datetime, int | None] | None = None  # when they were counted
        self._weighing: Weighing | None = None  # the newest
        self._all = _Questions(policy)
        self._left: dict[IdentityKind, _Questions] = {}  # for an identity of this kind that is not listed
        self.tally = Tally(name, policy.digest)

    async def decide(self, reported: _Reported, now: datetime) -> None:
        """Decide on all that was reported together, identity by identity; each of the others is its batch."""
        undecided = dict(reported)
        for key, signals in reported.items():
            del undecided[key]
            standing = self._standing.get(key)
            if standing is None:
                standing = self._standing[key] = _Standing()
            if standing.contained_until and now < standing.contained_until:
                self.tally.joined += len(signals)
                continue
            standing.signals = [*standing.signals, *signals][-_MOST_SIGNALS:]
            await self._decide_one(key, standing, signals, undecided, now)

    async def _decide_one(
        self, key: str, standing: _Standing, signals: Sequence[Signal], undecided: _Reported, now: datetime
    ) -> None:
        first = signals[0]
        found = await self._investigate(first.subject, standing.signals, now)
        asked_before = found.decision.verdict is Verdict.ASK and found.decision.rule in standing.asked_by
        if not asked_before:
            found = await choose_rung(found, self._policy, _nothing_left_out)
        decision = found.decision
        plan, held_by, held = None, None, None
        if decision.verdict in (Verdict.CONTAIN, Verdict.ASK) and not asked_before:
            plan, held_by, held = await self._plan(found, signals, undecided, now)
        hung_on = tuple(dict.fromkeys(_hung_on(self._weighing)))
        let_through = decision.verdict is Verdict.CONTAIN and plan is not None and held is None
        repeated = standing.contained if let_through else asked_before
        self.tally.add(_decided(found, key, first, now, plan, held_by, held, hung_on, repeated=repeated))
        standing.accused = standing.accused or _accuses(self._weighing)
        self._settle(standing, decision.verdict, decision.rule, now, let_through=let_through)

    async def _investigate(self, subject: IdentityRef, signals: Sequence[Signal], now: datetime) -> Investigation:
        """As live, by the same code; its words for the journal are not made, for nobody reads them here."""
        return await investigate(
            cast("Directory", self._memory),
            self._policy,
            subject,
            signals,
            self._own_ids,
            self._memory.tenant_id,
            lambda: now,
            self._weighed,
            suspicions=self,
        )

    async def of(self, actor: str) -> tuple[IncidentStanding, ...]:
        """
        As `Suspicions`, by where the actor stands in this replay. What it had changed before it was contained is not
        followed, nor how many links away from a root it is.
        """
        of_client = self._memory.snapshot.principal_id(IdentityRef(client_id=ClientId(actor)))
        found = (self._standing.get(each) for each in (of_client, actor) if each)
        standing = next((each for each in found if each is not None), None)
        if standing is None or not (standing.contained or standing.asked_by):
            return ()
        asked = Suspicion.ACCUSED if standing.accused else Suspicion.WATCHED
        suspicion = Suspicion.CONTAINED if standing.contained else asked
        return (IncidentStanding("of this replay", "of this replay", suspicion),)

    def _weighed(self, policy: Policy, case: Case) -> Decision:
        """
        `decide` without the words. What an identity holds comes with the first look; who asks without it asks what to
        look for first, or for whom to wait, and neither is a question here.
        """
        if isinstance(case.grants, NotLooked):
            return _OPEN
        self._weighing = self._weigh(policy, case)
        return in_short(self._weighing)

    def _weigh(self, policy: Policy, case: Case) -> Weighing:
        return self._in_question(case).weigh(case)

    def _in_question(self, case: Case) -> _Questions:
        """
        The policy without the rules that nothing in a log could make hold: those for other kinds of identity, and
        those that wait for a detection or a risk where Entra lists none. Most identities are of one kind, and unlisted.
        """
        unlisted = isinstance(case.detections, Known) and not case.detections.value
        if not unlisted or case.risk != _NO_RISK or not isinstance(case.identity, Known):
            return self._all
        kind = case.identity.value.identity.kind
        left = self._left.get(kind)
        if left is None:
            rules = tuple(rule for rule in self._policy.rules if not _is_out(rule.when, case))
            left = self._left[kind] = _Questions(replace(self._policy, rules=rules))
        return left

    def _settle(self, standing: _Standing, verdict: Verdict, rule: str, now: datetime, *, let_through: bool) -> None:
        if let_through:
            standing.contained, standing.contained_until, standing.signals = True, now + _WATCHED, []
        elif verdict in (Verdict.IGNORE, Verdict.WATCH):
            standing.signals = []
        else:
            standing.asked_by.add(rule)

    async def _plan(
        self, found: Investigation, signals: Sequence[Signal], undecided: _Reported, now: datetime
    ) -> tuple[Planned | None, str | None, str | None]:
        """The plan, and who or what would hold it back, as live: protection, then the verdict, then the limits."""
        state = found.state
        if state is None:
            return None, "unknown-identity", "the identity could not be read"
        bare = Means("backtest", self._vault, own_ids=self._own_ids)
        means = await with_case(bare, found.decision.actions, found.look)
        steps, not_done = lay_out(found.decision.actions, state, means, {})
        plan = Planned(hash="", fingerprint="", steps=steps, not_done=not_done)  # nobody is to approve it
        spared = why_protected(state, self._policy.protected, self._own_ids)
        synchronised = None if spared else await synchronises(state, found.look)
        if isinstance(synchronised, Question):
            return plan, "verdict", synchronised.why
        if spared or synchronised:
            why = synchronised.why if isinstance(synchronised, Doubt) else spared or synchronised
            return plan, "protected", str(why)
        if why := why_nothing_contains(plan):
            return plan, "preflight", why
        if not plan.steps:
            return plan, "preflight", "none of the actions is possible here"
        if found.decision.verdict is Verdict.ASK:
            return plan, "verdict", "the policy asks a person"
        return plan, *self._limited(state.identity.principal_id, plan, signals, undecided, now)

    def _limited(
        self, principal: str, plan: Planned, signals: Sequence[Signal], undecided: _Reported, now: datetime
    ) -> tuple[str | None, str | None]:
        known_as = self._claimed_as(signals, now)
        batch = Batch(frozenset(filter(None, (self._claimed_as(each, now) for each in undecided.values()))))
        wanted = Spent(principal, now, deeds_of(plan.steps), known_as if known_as != principal else None)
        answer = judge(
            self._policy.limits, self._window, wanted, batch=batch, enabled=self._count_enabled(now), now=now
        )
        if answer.window is not None:
            self._window = answer.window
        return ("limits", answer.reason) if isinstance(answer, Over) else (None, None)

    def _claimed_as(self, signals: Sequence[Signal], now: datetime) -> str | None:
        """The id that an identity is reported by, if by what was reported it may be contained."""
        may = any(may_contain(self._policy, claimed(signal, now)) for signal in signals)
        return reported_as(signals[0]) if may else None

    def _count_enabled(self, now: datetime) -> int | None:
        """At most an hour old, as live."""
        if self._enabled is None or now - self._enabled[0] >= WINDOW:
            self._enabled = (now, self._memory.enabled())
        return self._enabled[1]


def _is_out(condition: Condition, case: Case) -> bool:
    """Whether it is known not to hold by the identity's kind, and by the lists of risk, whatever else there is."""
    match condition:
        case All(members):
            return any(_is_out(each, case) for each in members)
        case AnyOf(members):
            return all(_is_out(each, case) for each in members)
        case IsOfKind() | RiskDetected() | RiskListed():
            return isinstance(condition.check(case), NotMet)
        case _:
            return False


def in_short(weighing: Weighing) -> Decision:
    """What `decide` makes of it, without the words."""
    return Decision(
        weighing.verdict, weighing.rule, weighing.actions, (), weighing.wants, weighing.ladder, weighing.settling
    )


async def _nothing_left_out(_: Sequence[ActionChoice]) -> Mapping[str, NamedOutcome]:
    """An export does not tell what Cordon's identities may do."""
    return {}


def _decided(
    found: Investigation,
    key: str,
    first: Signal,
    now: datetime,
    plan: Planned | None,
    held_by: str | None,
    held: str | None,
    hung_on: tuple[Undone, ...],
    *,
    repeated: bool,
) -> Decided:
    decision, state = found.decision, found.state
    return Decided(
        at=now,
        event_at=first.observed_at,
        identity=key,
        name=state.identity.display_name if state else "",
        verdict=decision.verdict.value,
        rule=decision.rule,
        plan=tuple(f"{step.action} on {step.target_kind} {step.target_id}" for step in plan.steps) if plan else (),
        not_done=tuple(f"{each.action}: {each.outcome}" for each in plan.not_done) if plan else (),
        held_by=held_by,
        held=held,
        because=first.summary,
        repeated=repeated,
        hung_on=hung_on,
    )


def _hung_on(weighing: Weighing | None) -> Iterator[Undone]:
    """What could not be checked, if that is why it was decided so: the rule that decided was not known to hold."""
    if weighing is None:
        return
    for looked in weighing.looked:
        if looked.rule.name == weighing.rule and isinstance(looked.finding, Unknown):
            yield from _unknown_in(looked.rule.when.name, looked.finding)


def _accuses(weighing: Weighing | None) -> bool:
    """As `shared.suspicion` reads it in a journal: who was asked only because nothing is known accuses nobody."""
    if weighing is None or weighing.verdict is not Verdict.ASK:
        return weighing is not None and weighing.verdict is Verdict.CONTAIN
    deciding = [looked.finding for looked in weighing.looked if looked.rule.name == weighing.rule]
    lacks_a_witness = any(name == "independent" for each in deciding for name, _ in each.members)
    return lacks_a_witness or not all(isinstance(each, Unknown) for each in deciding)


def _unknown_in(check: str, finding: Unknown) -> Iterator[Undone]:
    """The leaves that could not be judged."""
    inner = [(name, member) for name, member in finding.members if isinstance(member, Unknown)]
    if not inner:
        yield Undone(check, finding.reason)
    for name, member in inner:
        yield from _unknown_in(name, member)


@dataclass(slots=True)
class Replayed:
    """What the second pass counted, beside the judges' own tallies."""

    signals: int = 0
    own: int = 0
    duplicates: int = 0
    malformed: int = 0


class Replay:
    """Goes through what was kept, in the order of its time."""

    def __init__(
        self,
        sifted: Sifted,
        memory: Memory,
        judges: Sequence[Judge],
        own_ids: frozenset[str],
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        say: Say | None = None,
    ) -> None:
        self._sifted, self._memory, self._judges, self._own_ids = sifted, memory, judges, own_ids
        self._since, self._until, self._say = since, until, say
        self._audits = DirectoryAudit()
        self._seen = set[tuple[str, str]]()  # of the last hour
        self._seen_at = deque[tuple[int, tuple[str, str]]]()
        self._suspects = self._all_suspects()
        self._pending: dict[str, list[Signal]] = {}
        self._left_by_own: list[Left] = []  # since somebody else's last
        self._others_until: datetime | None = None
        self.counts = Replayed()

    async def run(self) -> None:
        tick = TICK // timedelta(microseconds=1)
        ends = 0
        for number, entry in enumerate(self._sifted.runs.in_order(), start=1):
            if entry[0] >= ends:
                if self._pending:
                    await self._decide(ends)
                ends = entry[0] // tick * tick + tick
                if self._until and to_moment(entry[0]) >= self._until:
                    return
            self._take(entry)
            if self._say and not number % _TOLD_EVERY:
                self._say(
                    f"{number / self._sifted.runs.count:.0%} replayed, at {to_moment(entry[0]):%Y-%m-%d %H:%M} UTC"
                )
        await self._decide(ends)

    async def _decide(self, ends: int) -> None:
        if not self._pending:
            return
        now, reported = to_moment(ends), self._pending
        if not self._left_by_own:
            self._others_until = now
        self._pending = {}
        self._memory.move_to(now, self._others_until)
        for each in self._judges:
            await each.decide(reported, now)
        self._pass_own()

    def _take(self, entry: Entry) -> None:
        ticks, sort, id_, content = entry
        if self._is_known(sort, id_, ticks):
            self.counts.duplicates += 1
            return
        if sort == Sort.AUDIT:
            self._audit(ticks, id_, content)
        elif sort in _SIGN_INS:
            if content[0] in self._suspects:
                self._memory.sign_in(content[0], unpack_sign_in(ticks, id_, content))
        else:
            self._risk(Sort(sort), cast("JsonObject", content))

    def _is_known(self, sort: str, id_: str, ticks: int) -> bool:
        """Two ways write one time with different fractions, so the same record is not far; an hour is plenty."""
        known = (sort, id_)
        if known in self._seen:
            return True
        self._seen.add(known)
        self._seen_at.append((ticks, known))
        while self._seen_at[0][0] < ticks - _HOUR:
            self._seen.remove(self._seen_at.popleft()[1])
        return False

    def _audit(self, ticks: int, id_: str, content: object) -> None:
        packed, left = cast("tuple[object, Left]", content)
        record = unpack_audit(ticks, id_, packed)
        self._memory.audit(record)
        if record.actor.principal_id in self._own_ids or record.actor.client_id in self._own_ids:
            self._left_by_own.append(left)
        else:
            self._pass_own()
            self._others_until = record.at
            self._memory.hindsight.pass_by(left)
        if is_followed(record.activity_as_sent):
            try:
                self._report(self._audits.judge(record))
            except MalformedSignal as problem:
                self._sifted.troubles.note(f"audit record {id_}", problem.why)

    def _pass_own(self) -> None:
        """What Cordon did within the minute of a signal came of it: it is not to be seen when that is decided."""
        for left in self._left_by_own:
            self._memory.hindsight.pass_by(left)
        self._left_by_own = []

    def _risk(self, sort: Sort, record: JsonObject) -> None:
        """A newer row takes an older one's place, as in the lists that are read live."""
        name = "risk-detection" if sort is Sort.DETECTION else "risky-service-principal"
        signal = source_named(name).read(record, self._memory.tenant_id)
        principal = None if isinstance(signal, NotASignal) else signal.subject.principal_id
        if principal and sort is Sort.DETECTION:
            self._memory.detection(principal, read_detection(record, name))
        elif principal:
            self._memory.risk(principal, read_risk_state(record, name))
        self._report(signal)

    def _report(self, signal: Signal | NotASignal) -> None:
        if isinstance(signal, NotASignal):
            return
        if is_own_doing(signal, self._own_ids):
            self.counts.own += 1
            return
        if self._since and signal.observed_at < self._since:
            return
        for each in (signal, *signal.others):
            self.counts.signals += 1
            self._pending.setdefault(self._key(each.subject), []).append(each)

    def _key(self, subject: IdentityRef) -> str:
        """One identity, by whichever of its ids it was reported."""
        known = self._memory.snapshot.principal_id(subject)
        return str(known or subject.client_id or subject.app_object_id)

    def _all_suspects(self) -> frozenset[str]:
        """The service principals of whom anything was reported: of nobody else is a sign-in ever looked at."""
        snapshot, named = self._sifted.snapshot, self._sifted.named
        return frozenset(each for each in snapshot.principals if snapshot.names_of(each) & named)


def longest_look_back(policies: Iterable[Policy]) -> timedelta:
    """How far back these policies ask of the audit log at most; what lies before needs not be in the export."""
    rules = [rule for policy in policies for rule in policy.rules]
    return max((length for rule in rules for length in _asked_of_audits(rule.when)), default=timedelta())


def _asked_of_audits(condition: object) -> Iterator[timedelta]:
    """Of every setting that says how far back the audit log is asked, those of members included."""
    if isinstance(condition, tuple):
        for each in cast("tuple[object, ...]", condition):
            yield from _asked_of_audits(each)
        return
    if not is_dataclass(condition):
        return
    hints = get_type_hints(type(condition), include_extras=True)
    for each in fields(condition):
        value = cast("object", getattr(condition, each.name))
        if isinstance(value, timedelta) and asks_audit_log(hints[each.name]):
            yield value
        yield from _asked_of_audits(value)
