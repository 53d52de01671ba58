"""
The investigation makes a case of an incident: what is known, and what could not be learned.

It gathers what the policy's conditions ask for, cheapest part first, and stops as soon as the decision
can no longer change: fast rules decide after one round trip.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeAlias

from shared.accusation import accuse
from shared.actions import parts_to_capture, parts_to_plan, parts_to_show
from shared.actions.interface import Means
from shared.actors import Suspicions
from shared.audit import GRANTS
from shared.case import (
    CASE_PARTS,
    PEOPLE_WINDOWS,
    AuditRecord,
    Case,
    CouldNotLook,
    GraphActivity,
    Holder,
    IdentityState,
    Known,
    LogSource,
    NotLooked,
    Owners,
    Part,
    PartName,
    RiskDetection,
    SeenOfPerson,
    SignInLog,
    window_of,
)
from shared.clock import Clock
from shared.conditions.interface import known
from shared.decision import Decision, decide
from shared.entries import (
    CredentialSeen,
    IdentitySeen,
    Investigated,
    LookBackTold,
    NamedOutcome,
    OwnerTold,
    PartRead,
)
from shared.estate import Estate
from shared.identity import IdentityRef
from shared.ladder import Climbed, Footing, climb, expectation, verdict_after
from shared.look import Look
from shared.policy import ActionChoice, Policy, Verdict
from shared.rungs import ACTIONS_OF
from shared.signal import Signal
from shared.tenant import Directory, Gathered
from shared.together import together

Judge: TypeAlias = Callable[[Policy, Case], Decision]
LeftOut: TypeAlias = Callable[[Sequence[ActionChoice]], Awaitable[Mapping[str, NamedOutcome]]]
"""Which of these actions cannot run here, by name."""

SHOWN_WITHIN = 10.0  # seconds
SHOWN_IN_A_WAVE = 2.0  # where a limit holds many back at once: a worker each, and one small quota for all
_ORDER = CASE_PARTS  # cheapest first
_ALWAYS_TOLD = frozenset({PartName.IDENTITY, PartName.DETECTIONS, PartName.RISK, PartName.AUDITS})
_SILENCE = CouldNotLook("it was asked for, and neither it nor a reason came back")
_LAG = timedelta(minutes=30)  # how far a list may lag behind a pushed record; seen are 15 (facts: audit latency)


@dataclass(frozen=True, slots=True)
class Investigation:
    """The case as far as it was needed, the decision on it, and the look that showed it."""

    case: Case
    decision: Decision
    look: Look
    hangs_on_grants: bool = False  # they are read in any case; what could not be read of them may not matter
    climbed: Climbed | None = None  # how far the rule's ladder was climbed, if it has one

    @property
    def state(self) -> IdentityState | None:
        return self.case.identity.value if isinstance(self.case.identity, Known) else None

    @property
    def passing_faults(self) -> tuple[str, ...]:
        """Why parts could not be read that may be readable later."""
        names = [name for name in _ORDER if name is not PartName.GRANTS or self.hangs_on_grants]
        parts = [each for name in names for each in _read_for(self.case, name)]
        faults = (part.why for part in parts if isinstance(part, CouldNotLook) and part.may_help_later)
        return (*faults, *((self.decision.settling,) if self.decision.settling else ()))


async def investigate(
    directory: Directory,
    policy: Policy,
    subject: IdentityRef,
    signals: Sequence[Signal],
    own_ids: frozenset[str],
    tenant_id: str,
    clock: Clock,
    judge: Judge = decide,
    *,
    deleted_first: bool = False,
    estate: Estate | None = None,
    suspicions: Suspicions | None = None,
    may_act: bool = False,
    late: timedelta = timedelta(),
) -> Investigation:
    """
    Gather and decide in turns. The identity itself is always read: nothing is contained unseen. One that is not
    there is looked for among the deleted items, and one that is ordered from there, only there. `estate` and
    `suspicions` go with the look to whoever acts by it. Where the plan may be carried out by this very look, what its
    pre-images need is read along. `late` is by how much the news of it came too late.
    """
    look = Look(directory, subject, clock, estate, suspicions)
    case = Case(clock() - late, tenant_id, subject, tuple(signals), own_ids, late=late)
    decision = judge(policy, case)
    if deleted_first and (part := await _among_deleted(look)) is not None:
        return Investigation(replace(case, identity=part), decision, look)
    along = parts_to_capture(choice.name for choice in decision.actions) if may_act else frozenset[PartName]()
    wanted = frozenset({PartName.IDENTITY, *_cheapest(decision.wants - {PartName.IDENTITY})})
    asked_for = frozenset[PartName]()
    while wanted:
        asked_for |= wanted
        # What it holds tells whether it is protected; asked for along with the identity, it takes no time of its own.
        also = {PartName.GRANTS} | along if PartName.IDENTITY in wanted else frozenset[PartName]()
        case = _answered(_doubted(_with(case, await look.gather(wanted | also))), asked_for)
        decision = judge(policy, case)
        wanted = _cheapest(_unlooked(case, decision.wants))
    if isinstance(case.identity, CouldNotLook) and case.identity.gone and not deleted_first:
        found = await _among_deleted(look)
        case = replace(case, identity=found) if isinstance(found, Known) else case
    return Investigation(case, decision, look, _hangs_on_grants(judge, policy, case, decision))


async def choose_rung(found: Investigation, policy: Policy, left_out: LeftOut) -> Investigation:
    """
    Climb the ladder of the rule that decided, if it has one: read what the rungs hang on, and put the actions of the
    rung that is taken before the rule's own. A rule without a ladder costs nothing here.
    """
    ladder, verdict = found.decision.ladder, found.decision.verdict
    if not ladder or found.state is None or verdict not in (Verdict.CONTAIN, Verdict.ASK):
        return found
    names = dict.fromkeys(name for rung in ladder.rungs for name in ACTIONS_OF[rung])
    blocked = await left_out([ActionChoice(name, {}) for name in names])
    cannot = {name: outcome.reason for name, outcome in blocked.items()}
    case, is_expected, asked = found.case, expectation(policy), frozenset[PartName]()
    while True:
        accusation = accuse(case, is_expected)
        climbed = climb(Footing(case, found.state, accusation, found.look.gathered.ca_policy, cannot, ladder))
        if climbed.wants <= asked:
            break
        asked |= climbed.wants
        case = _doubted(_with(case, await found.look.gather(asked)))
    actions = (*climbed.actions, *(each for each in found.decision.actions))
    decision = replace(found.decision, verdict=verdict_after(verdict, climbed), actions=actions)
    return replace(found, case=case, decision=decision, climbed=climbed)


async def read_identity(look: Look, *, deleted_first: bool) -> Part[IdentityState]:
    """The identity as it is now; where a plan is about a deleted one, as the deleted items show it."""
    found = await _among_deleted(look) if deleted_first else None
    return await look.identity() if found is None else found


async def _among_deleted(look: Look) -> Part[IdentityState] | None:
    """None if it is surely not among the deleted items."""
    found = await look.deleted()
    if isinstance(found, Known):
        return None if found.value is None else Known(found.value)
    return found


async def with_case(means: Means, choices: Iterable[ActionChoice], look: Look) -> Means:
    """The same means with the parts of the case that these actions plan by. Nothing is read if none does."""
    wanted = frozenset(part for choice in choices for part in parts_to_plan(choice.name, choice.options))
    gathered = await look.gather(wanted)
    return replace(
        means,
        now=look.begun_at,
        accused=_named(gathered.detections),
        audits=gathered.audits,
        domains=gathered.domains,
        grants=gathered.grants,
        dismissed=gathered.risk,
    )


async def with_shown(means: Means, choices: Iterable[ActionChoice], look: Look, within: float = SHOWN_WITHIN) -> Means:
    """
    The same means with what is read only for whoever looks at the plan. These lists have small quotas, which those
    need who contain: each is waited for so many seconds, and told as not known after that.
    """
    parts = sorted(parts_to_show(choice.name for choice in choices))
    found = await together(*(_in_time(look, part, within) for part in parts))
    return replace(means, **{part.value: shown for part, shown in zip(parts, found, strict=True)})


async def _in_time(look: Look, part: PartName, within: float) -> Part[Any]:
    try:
        async with asyncio.timeout(within):
            return getattr(await look.gather(frozenset({part})), part.value)
    except TimeoutError:
        return CouldNotLook(f"it did not come within {within:.0f} s, as many ask for it", may_help_later=True)


def _named(detections: Part[tuple[RiskDetection, ...]]) -> Part[frozenset[str]]:
    """The credentials that these detections accuse."""
    if isinstance(detections, Known):
        return Known(frozenset(key_id for detection in detections.value for key_id in detection.key_ids))
    return detections


def _cheapest(wants: frozenset[PartName]) -> frozenset[PartName]:
    return frozenset([part for part in _ORDER if part in wants][:1]) if wants else wants


def _unlooked(case: Case, wants: frozenset[PartName]) -> frozenset[PartName]:
    return frozenset(part for part in wants if isinstance(getattr(case, part), NotLooked))


def _answered(case: Case, asked: frozenset[PartName]) -> Case:
    """What was asked for is known or could not be read; anything else would be asked for without end."""
    silent = _unlooked(case, asked)
    return replace(case, **dict.fromkeys((part.value for part in silent), _SILENCE)) if silent else case


def _with(case: Case, gathered: Gathered) -> Case:
    """Made in one go: `replace` would ask each of two dozen parts for what it was."""
    return Case(
        case.now,
        case.tenant_id,
        case.subject,
        case.signals,
        case.own_principals,
        late=case.late,
        identity=gathered.identity,
        detections=gathered.detections,
        risk=gathered.risk,
        audits=gathered.audits,
        grants=gathered.grants,
        owners=gathered.owners,
        grant_audits=gathered.grant_audits,
        suspects=gathered.suspects,
        actor_risk=gathered.actor_risk,
        user_risk=gathered.user_risk,
        domains=gathered.domains,
        key_use=gathered.key_use,
        sign_ins=gathered.sign_ins,
        attempts=gathered.attempts,
        older_sign_ins=gathered.older_sign_ins,
        graph_activity=gathered.graph_activity,
        people=gathered.people,
        people_day=gathered.people_day,
        people_week=gathered.people_week,
        people_fortnight=gathered.people_fortnight,
        people_month=gathered.people_month,
    )


def _read_for(case: Case, name: PartName) -> tuple[object, ...]:
    """The part, and the lists within it: each of those is read with a permission of its own."""
    grants, owners = known(case.grants), known(case.owners)
    if name is PartName.GRANTS and grants is not None:
        return grants.app_roles, grants.delegated, grants.directory_roles
    if name is PartName.OWNERS and owners is not None:
        state = known(case.identity)  # registered elsewhere, its application has no owners to be read here
        return (owners.principal,) if state and state.application is None else (owners.application, owners.principal)
    if name is PartName.SUSPECTS and (suspects := known(case.suspects)) is not None:
        return tuple(suspects.incidents.values())
    if name in (PartName.ACTOR_RISK, PartName.USER_RISK):
        risk = known(case.actor_risk if name is PartName.ACTOR_RISK else case.user_risk)
        return (getattr(case, name.value),) if risk is None else tuple(risk.listed.values())
    if name is PartName.PEOPLE and (people := known(case.people)) is not None:
        each_of = ((each.account, each.risk, each.detections, each.roles) for each in people.persons)
        return tuple(part for parts in each_of for part in parts)
    if name in PEOPLE_WINDOWS and (window := known(window_of(case, name))) is not None:
        return tuple(part for seen in window.seen for part in (seen.sign_ins, seen.audits))
    return (getattr(case, name.value),)


def _hangs_on_grants(judge: Judge, policy: Policy, case: Case, decision: Decision) -> bool:
    """
    Whether an open decision would have asked for what it holds, had that not been read anyway. It matters only where
    some of that could not be read, and may be readable later.
    """
    lost = (part for part in _read_for(case, PartName.GRANTS) if isinstance(part, CouldNotLook))
    if decision.verdict is not Verdict.ASK or not any(part.may_help_later for part in lost):
        return False
    return PartName.GRANTS in judge(policy, replace(case, grants=NotLooked())).wants


def _doubted(case: Case) -> Case:
    """
    A list that does not show yet what a recent signal names lags behind, and proves nothing.

    Pushed records may be faster than the lists they are read again from.
    """
    named = [signal for signal in case.signals if case.now - signal.observed_at < _LAG]
    detections, audits = case.detections, case.audits
    if isinstance(detections, Known):
        shown = {detection.id for detection in detections.value}
        pointed = {str(s.facts.get("detectionId")) for s in named if s.source == "risk-detection"}
        if pointed - shown:
            case = replace(case, detections=_lagging("detection"))
    signed = {s.record_id for s in named if s.source == "sign-in" and s.facts.get("errorCode") == 0}
    if isinstance(case.sign_ins, Known) and signed - {each.id for each in case.sign_ins.value.records}:
        case = replace(case, sign_ins=_lagging("sign-in"))
    told = [signal for signal in named if signal.source == "directory-audit"]
    if isinstance(audits, Known) and _lacks(audits.value, (s for s in told if not _is_grant(s))):
        case = replace(case, audits=_lagging("audit record"))
    if isinstance(case.grant_audits, Known) and _lacks(case.grant_audits.value, filter(_is_grant, told)):
        case = replace(case, grant_audits=_lagging("grant"))
    return case


def _lacks(records: Iterable[AuditRecord], told: Iterable[Signal]) -> bool:
    return bool({_record_of(signal) for signal in told} - {record.id for record in records})


def _record_of(signal: Signal) -> str:
    """The log's own id: a record that may be about several identities is a signal for each."""
    return str(signal.facts.get("record", signal.record_id))


def _is_grant(signal: Signal) -> bool:
    """Grants are records of the API that is opened up: they are in a list of their own."""
    return signal.facts.get("activity") in GRANTS


def _lagging(what: str) -> CouldNotLook:
    return CouldNotLook(f"the list does not show yet a {what} that a signal names", may_help_later=True)


def as_entry(case: Case) -> Investigated:
    """The case as the journal keeps it: what was read, what not and why, and the identity as it was."""
    owners, unread = owners_told(case.owners)
    return Investigated(
        parts=_parts(case), identity=_seen(case), owners=owners, owners_unread=unread, look_back=tuple(_look_back(case))
    )


def owners_told(owners: Part[Owners]) -> tuple[tuple[OwnerTold, ...] | None, tuple[str, ...]]:
    """The owners of both objects, each once, and why some could not be read."""
    if isinstance(owners, NotLooked):
        return None, ()
    if isinstance(owners, CouldNotLook):
        return (), (owners.why,)
    parts = (owners.value.application, owners.value.principal)
    found = {owner.id: owner for part in parts if isinstance(part, Known) for owner in part.value}
    told = tuple(OwnerTold(id=each.id, type=each.type, name=each.name) for each in found.values())
    return told, tuple(dict.fromkeys(part.why for part in parts if isinstance(part, CouldNotLook)))


def _look_back(case: Case) -> Iterator[LookBackTold]:
    for name, length in PEOPLE_WINDOWS.items():
        days = f"{length.days} days" if length.days > 1 else "24 hours"
        match window_of(case, name):
            case Known(window):
                doubts = dict.fromkeys(doubt for seen in window.seen for doubt in _gaps_of(seen))
                yield LookBackTold(
                    length=days,
                    since=window.since,
                    until=window.until,
                    people=len(window.seen),
                    doubts=tuple(doubts),
                )
            case CouldNotLook(why):
                yield LookBackTold(length=days, why_not=why)
            case NotLooked():
                pass


def _gaps_of(seen: SeenOfPerson) -> Iterator[str]:
    yield from (part.why for part in (seen.sign_ins, seen.audits) if isinstance(part, CouldNotLook))
    yield from seen.doubts


def _parts(case: Case) -> tuple[PartRead, ...]:
    read: list[PartRead] = []
    for name in _ORDER:
        match getattr(case, name.value):
            case Known(SignInLog(source=source, instead_of=why, until=until)) if source is not LogSource.GRAPH:
                read.append(PartRead(name=name.value, known=True, source=source.value, instead_of=why, until=until))
            case Known(GraphActivity(until=until)):
                read.append(PartRead(name=name.value, known=True, until=until))
            case Known(instead_of=str(why)):
                source = LogSource.WORKSPACE.value
                read.append(PartRead(name=name.value, known=True, source=source, instead_of=why))
            case Known():
                read.append(PartRead(name=name.value, known=True))
            case CouldNotLook(why):
                read.append(PartRead(name=name.value, known=False, why_not=why))
            case _ if name in _ALWAYS_TOLD:
                read.append(PartRead(name=name.value, known=False, why_not="not needed for the decision"))
            case _:
                pass
    return tuple(read)


def _seen(case: Case) -> IdentitySeen | None:
    if not isinstance(case.identity, Known):
        return None
    state = case.identity.value
    accused = _accused(case)
    return IdentitySeen(
        principal_id=state.identity.principal_id,
        client_id=state.identity.client_id,
        app_object_id=state.identity.app_object_id,
        display_name=state.identity.display_name,
        identity_kind=state.identity.kind.value,
        enabled=state.enabled,
        disabled_by_microsoft=state.disabled_by_microsoft,
        owner_tenant=state.owner_tenant,
        credentials=tuple(seen for holder in state.holders for seen in _credentials(holder, accused)),
    )


def _accused(case: Case) -> frozenset[str]:
    named = _named(case.detections)
    return named.value if isinstance(named, Known) else frozenset()


def _credentials(holder: Holder, accused: frozenset[str]) -> list[CredentialSeen]:
    where = {"holder": holder.kind.value, "object_id": holder.object_id}
    seen = [
        CredentialSeen.model_validate(
            {
                **where,
                "type": "password",
                "id": password.key_id,
                "name": password.display_name,
                "start": password.start,
                "end": password.end,
                "accused": password.key_id in accused,
            }
        )
        for password in holder.passwords
    ]
    seen += [
        CredentialSeen.model_validate(
            {
                **where,
                "type": "certificate",
                "id": key.key_id,
                "name": key.display_name,
                "usage": key.usage,
                "start": key.start,
                "end": key.end,
                "accused": key.key_id in accused,
            }
        )
        for key in holder.keys
    ]
    federated = holder.federated.value if isinstance(holder.federated, Known) else ()
    seen += [
        CredentialSeen.model_validate(
            {
                **where,
                "type": "federated",
                "id": credential.id,
                "name": credential.name,
                "detail": f"issuer {credential.issuer}, subject {credential.subject}",
                "accused": credential.id in accused,
            }
        )
        for credential in federated
    ]
    return seen
