"""
One slice of one rotation, from taking it in hand to putting it down.
"""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Literal, cast

from shared.actions.rotate_secrets import RotationOptions
from shared.case import CouldNotLook, Known
from shared.chain import Chain, Stepped
from shared.dead_versions import known_dead, note_dead
from shared.desk import Desk
from shared.entries import (
    Closed,
    Entry,
    ExposureFound,
    IdentityAccused,
    Intended,
    Investigated,
    Opened,
    Planned,
    PlannedStep,
    RotationApproved,
    RotationBegun,
    RotationEnded,
    RotationHeld,
    RotationLetGo,
    RotationPlanned,
    RotationStage,
    SecretAwaits,
    SecretsBegun,
    SecretsEnded,
    SecretStopped,
    SecretsTurned,
    UndoOrdered,
    WorkEnded,
    WorkStarted,
)
from shared.errors import JournalDamaged, MalformedSignal, OutOfTurn, StoppedBySwitch, Unreachable
from shared.estate import SecretRef
from shared.exposing import Accused, look_for_exposure
from shared.exposure import Exposure
from shared.fence import fenced
from shared.history import LAST_LOOK, History
from shared.identity import ClientId, IdentityRef, PrincipalId
from shared.journal import MOST_AT_ONCE
from shared.look import Look
from shared.residual import cut_since, last_look
from shared.rotation_commit import Commits
from shared.rotation_limits import SecretLimits
from shared.rotation_looks import Additions, Planner
from shared.rotation_order import Board
from shared.rotation_plan import (
    PlannedSecret,
    as_bytes,
    as_json,
    counted_by_rotator,
    counted_by_tier,
    hash_of,
    in_order,
    read_planned,
    ref_of,
)
from shared.rotation_progress import Progress, in_other_hands, read_progress
from shared.rotation_slice import Slice
from shared.rotation_stages import Stages, stores_still
from shared.rotation_story import is_what_was_set_off, load_story
from shared.rotators import ROTATORS
from shared.rotators.entra_client_secret import EntraClientSecret
from shared.rotators.interface import RotatorMeans, Serves
from shared.secret_news import forget_news, wait_for_news
from shared.signal import NotASignal, Signal
from shared.source_leases import SourceLeases
from shared.sources import source_named
from shared.sources.exposed_secret import ExposedSecret, exposed
from shared.standing import subject_of
from shared.store import LONGEST_DELAY
from shared.tenant import Check
from shared.together import together

log = logging.getLogger("cordon")

LOOKS = (timedelta(), timedelta(minutes=15), timedelta(minutes=50), LAST_LOOK)
"""
When it is looked who read what, since it was begun, and anew since the identity was cut off again. Vault logs are up to
ten minutes late, and the last token of an identity that is cut off is dead after 95 minutes (facts: Azure 3.4). Where
tokens are cached for a day, once more then.
"""
_LONGEST_WAIT = timedelta(minutes=50)  # since the look before: cut off again and again, it puts none off for ever
_MORE_LOOKS, _LOOK_AGAIN = 3, timedelta(minutes=10)  # where the last one saw less than the one before
LOOK_BACK = timedelta(days=30)  # how old reads may be that count
_TIERS = (1, 2, 3)
SLICE = timedelta(minutes=4)
_TRY_AGAIN = timedelta(minutes=10)  # after a stop, or while nothing may be changed
_SPEAK = timedelta(minutes=20)  # so often whoever is at work says so in the incident
_SILENCE = timedelta(seconds=20)  # well below the time after which a silent instance is taken for dead
_ORDERS_HOLD = timedelta(seconds=5)  # so long before a stage a person's order may have been looked for
_SWITCH_HOLDS = timedelta(seconds=1)  # so long before an effect the switch may have been read


@dataclass(frozen=True, slots=True)
class Asked:
    """What the incident's plan asks for."""

    plan_hash: str
    step: PlannedStep
    options: RotationOptions


@dataclass(frozen=True, slots=True)
class _Taken:
    """A look at who read what: what it found, when the slice of it began, and when it was written down."""

    found: ExposureFound
    since: datetime
    at: datetime


def _again_at(chain: Chain) -> datetime | None:
    """When the work goes on of itself, by the word of whoever put it down; None if nobody did."""
    ended = chain.last(WorkEnded)
    return ended.again_at if ended and chain.place(WorkEnded) > chain.place(WorkStarted) else None


def called_off(incident: Chain) -> str | None:
    """Why nothing more is rotated: a person undoes what cuts the identity off, or dismisses the incident."""
    begun, closed = incident.place(SecretsBegun), incident.last(Closed)
    orders = [order for record, order in incident.told(UndoOrdered) if record.sequence > begun]
    if any(order.steps is None for order in orders):
        return "the incident is undone on a person's order"
    if lets_in := sorted({step for order in orders for step in order.steps or ()} - _beside_the_cut(incident)):
        return f"a person has ordered the undo of {', '.join(lets_in)}"
    if closed is not None and closed.outcome == "dismissed" and incident.place(Closed) > begun:
        return f"the incident was {closed.reason}"
    return None


def _beside_the_cut(incident: Chain) -> frozenset[str]:
    """Steps that may go without letting the identity in again. A step that no plan tells of is none of them."""
    steps = [step for plan in incident.all(Planned) for step in plan.steps]
    return frozenset(step.id for step in steps) - {step.id for step in steps if step.contains or step.lasting}


def is_news(chain: Chain, incident: Chain) -> bool:
    """Whether it is called off, and whoever had it in hand last did not know that yet."""
    started = chain.last(WorkStarted)
    return called_off(incident) is not None and (started is None or started.because != _CALLED_OFF)


def is_begun(chain: Chain, incident: Chain) -> bool:
    """Whether what was set off last is in the rotation's journal: once for each plan, however often it is said."""
    return is_what_was_set_off(chain.last(RotationBegun), incident.lines)


class Sitting:
    """One slice of one rotation, from taking it in hand to putting it down."""

    def __init__(
        self,
        desk: Desk,
        incident: Chain,
        chain: Chain,
        asked: Asked,
        *,
        told_of: frozenset[SecretRef] | None = None,
    ) -> None:
        """`told_of`: it was woken because of these secrets; None: it comes at its own time, or for any of them."""
        self._told_of, self._next = told_of, _again_at(chain)
        self._desk, self._incident, self._chain, self._asked = desk, incident, chain, asked
        self._switch, self._orders = _SwitchWatch(desk), _OrdersWatch(desk, incident)
        self._plans: dict[str, str] = {}  # the hash of the plan that holds a step, by step
        self._planned: dict[str, PlannedSecret] = {}

    async def work(self) -> None:
        """
        1. Take it in hand: a rival that wrote first wins.
        2. End it, if a person called it off and nothing that was made lies in no vault. Leave it, if nothing may be
           changed now.
        3. Look who read what, if a look is due, and plan what that adds.
        4. Carry out what may be, for a while.
        5. Say when it goes on, or how it ended.
        """
        why = called_off(self._incident)
        await self._begin("rotation" if why is None else _CALLED_OFF)
        if why is not None and not await self._may_still_store():
            await self._end(why, whole=False)
            return
        if held := await self._forbidden():
            await self._rest(held)
            return
        if why is not None:
            await self._store_what_was_made()
            return
        await self._load()
        if await self._look_if_due():
            await self._load()
        await self._accuse()
        await self._carry_out()

    async def _begin(self, because: str) -> None:
        chain, incident = self._chain, self._incident
        if incident.last(SecretsBegun) is None:
            await incident.write(SecretsBegun(plan_hash=self._asked.plan_hash))
        attempt = sum(1 for _ in chain.all(WorkStarted)) + 1
        entries: list[Entry] = [WorkStarted(attempt=attempt, instance=self._desk.instance, because=because)]
        if not is_begun(chain, incident):
            entries.insert(
                0,
                RotationBegun(
                    incident=incident.incident,
                    plan_hash=self._asked.plan_hash,
                    set_off=incident.place(SecretsBegun),
                    mode=self._mode,
                    policy=self._desk.policy.digest,
                    options=self._asked.step.options,
                ),
            )
        await chain.write(*entries)

    @property
    def _mode(self) -> Literal["watch", "ask", "act"]:
        """The more careful of the mode that the incident was opened in and the mode of now."""
        opened = self._incident.last(Opened)
        modes = (self._desk.mode, opened.mode if opened else "watch")
        if "watch" in modes:
            return "watch"
        return "ask" if "ask" in modes else "act"

    async def _forbidden(self) -> RotationHeld | None:
        """Why nothing at all may be changed now."""
        if self._desk.tenant.estate is None:
            return RotationHeld(by="no-estate", reason="Cordon has no way to the vaults any more.", todo=_NO_ESTATE)
        if self._mode == "watch":
            return RotationHeld(by="mode", reason="Mode watch: Cordon changes nothing.", todo=_BY_HAND)
        reason = await self._switch.why_stopped()
        return RotationHeld(by="switch", reason=reason, todo=_SWITCH) if reason else None

    async def _may_still_store(self) -> bool:
        """
        Whether something was made that lies in no vault, which may be all that there is. The stop switch only puts it
        off; where Cordon is not to change anything any more, it is left to a person with the rest.
        """
        begun = (each for each in read_progress(self._chain.lines).values() if each.before is not None)
        if not any(each.next_stage in ("made", "published") for each in begun):
            return False
        if self._desk.tenant.estate is None or self._mode == "watch":
            return False
        await self._load()
        progress, families = self._progress(), dict[object, list[Progress]]()
        for step, planned in self._planned.items():
            families.setdefault(planned.family or step, []).append(progress[step])
        return any(
            stores_still(planned, progress[step], families[planned.family or step])
            for step, planned in self._planned.items()
        )

    # What is planned

    async def _load(self) -> None:
        """The union of all plans: a step that a later one names again has that one's tier."""
        found: dict[str, PlannedSecret] = {}
        for entry in self._chain.all(RotationPlanned):
            content = await self._desk.store.evidence.fetch(entry.evidence)
            if content is None:
                raise JournalDamaged(
                    f"The list of what is rotated ({entry.evidence}) is not in the store any more. Nothing more is "
                    "rotated for this incident; order it again, so that another list is made."
                )
            for each in read_planned(content):
                found[each.step], self._plans[each.step] = each, entry.hash
        self._planned = {each.step: each for each in in_order(found.values())}

    def _progress(self) -> dict[str, Progress]:
        found = read_progress(self._chain.lines)
        return {step: found.get(step, Progress()) for step in {**found, **self._planned}}

    # Looking

    def _next_look(self) -> tuple[int, datetime] | None:
        """
        The number of the next look and when it is due; None after the last. One that could not see what the look
        before it saw is no last word: it is taken again a few times.
        """
        taken = self._looks_taken()
        number, moments = len(taken) + 1, list[datetime]()
        if number <= len(self._looks):
            moments.append(self._begun_at + self._looks[number - 1])
        if taken and (again := self._look_after_cut(taken[-1])) is not None:
            moments.append(again)
        if moments:
            return number, min(moments)
        (before, last), over = taken[-2:], [each for each in taken if each.since >= self._dead_by]
        if len(over) <= _MORE_LOOKS and set(last.found.unseen) - set(before.found.unseen):
            return number, last.at + _LOOK_AGAIN
        return None

    def _looks_taken(self) -> Sequence["_Taken"]:
        """Those of this rotation, oldest first. What is read while a look is taken it may not have seen."""
        taken, since = list[_Taken](), self._begun_at
        for line in self._chain.lines[self._chain.place(RotationBegun) :]:
            match line.entry:
                case WorkStarted():
                    since = line.record.time
                case ExposureFound() as found:
                    taken.append(_Taken(found, since, line.record.time))
                case _:
                    pass
        return taken

    def _look_after_cut(self, last: "_Taken") -> datetime | None:
        """
        Somebody let the identity sign in again since this was begun: with a token of then it reads what was rotated.
        So it is looked as long since it was cut off anew. At most one such look comes in a quarter of an hour, and as
        many as the rounds of the fight; when nobody works against the containment any more, three are left.
        """
        cut = self._counted_from
        if cut <= self._begun_at:
            return None
        due = next((cut + after for after in self._looks[1:] if cut + after > last.since), None)
        return min(due, last.at + _LONGEST_WAIT) if due is not None and cut > last.at else due

    @property
    def _begun_at(self) -> datetime:
        return self._chain.records[self._chain.place(RotationBegun)].time

    @property
    def _counted_from(self) -> datetime:
        """The newest moment since when the identity is cut off, or else since when this was begun."""
        cut = cut_since(History(self._incident.lines))
        return self._begun_at if cut is None else max(self._begun_at, cut)

    @property
    def _dead_by(self) -> datetime:
        """By then no token of the identity opens a vault any more, and the logs have told all."""
        return self._counted_from + self._last_look

    @property
    def _looks(self) -> tuple[timedelta, ...]:
        return tuple(dict.fromkeys((*LOOKS, self._last_look)))

    @property
    def _last_look(self) -> timedelta:
        """What is read until then is read with a token that lives on."""
        seen = self._incident.last(Investigated)
        return last_look(seen.identity.identity_kind if seen and seen.identity else None)

    async def _look_if_due(self) -> bool:
        """Look who read what, and write down what that adds to the plan. True if a look was taken."""
        look = self._next_look()
        if look is None or look[1] > self._desk.clock():
            return False
        last = look[0] >= len(self._looks) and self._dead_by <= self._desk.clock()
        exposure = await self._expose()
        additions = await self._planner().add(exposure)
        await self._write_down(look[0], exposure, additions, last=last)
        return True

    async def _expose(self) -> Exposure:
        desk, subject = self._desk, subject_of(self._incident)
        estate = desk.tenant.estate
        if estate is None or subject.principal_id is None or subject.client_id is None:
            raise JournalDamaged(f"Incident {self._incident.incident} rotates, and its identity was never read.")
        accused = Accused(PrincipalId(subject.principal_id), ClientId(subject.client_id), self._since)
        taken = [entry.before for entry in self._incident.all(Intended)]  # of them only cut access has grants in it
        declared = self._asked.options.subscriptions
        return await look_for_exposure(estate, desk.tenant.directory, accused, desk.own_ids, taken, declared)

    @property
    def _since(self) -> datetime:
        """The moment from which on reads count."""
        return self._chain.records[0].time - LOOK_BACK

    def _planner(self) -> Planner:
        return Planner(
            means=self._means(self._check),
            options=self._asked.options,
            rotators=ROTATORS,
            spare=self._why_spared,
            known=self._planned,
            progress=self._progress(),
            spared=self._spared(),
            since=self._since,
            dead_by=self._dead_by,
            dead=partial(known_dead, self._desk.store.documents),
        )

    def _spared(self) -> dict[str, str]:
        """What is never touched, and why; without what a later look found to be worth a plan after all."""
        told = {step: why for entry in self._chain.all(RotationPlanned) for step, why in entry.spared.items()}
        return {step: why for step, why in told.items() if step not in self._planned}

    async def _why_spared(self, ref: SecretRef, rotator: str, serves: Serves) -> str | None:
        """Cordon never changes what it stands on, nor what the policy protects."""
        desk = self._desk
        estate = desk.tenant.estate
        if estate is not None and ref.vault == estate.own_vault:
            return "it lies in the vault in which Cordon hands over what it makes"
        if serves.resource in {id_.lower() for id_ in desk.own_ids}:
            return "it is a credential of Cordon itself"
        if rotator != EntraClientSecret.name or not desk.policy.protected:
            return None
        reason = self._protection(await self._ids_of(ClientId(serves.resource)))
        return f"it is a credential of a protected identity: {reason}" if reason is not None else None

    async def _ids_of(self, client: ClientId) -> frozenset[str]:
        """All ids of the identity: a policy may name any of them. Raises Unreachable if they could not be read."""
        desk = self._desk
        part = await Look(desk.tenant.directory, IdentityRef(client_id=client), desk.clock).identity()
        if isinstance(part, Known):
            found = part.value.identity
            return frozenset(id_ for id_ in (found.principal_id, found.client_id, found.app_object_id) if id_)
        if isinstance(part, CouldNotLook) and not part.gone:
            raise Unreachable(f"reading whether the policy protects the identity of client {client}", part.why)
        return frozenset({str(client)})

    async def _write_down(self, number: int, exposure: Exposure, additions: Additions, *, last: bool) -> None:
        """
        What was found, then what is planned of it, in one piece. Where it takes several, the word that it was looked
        comes last: whoever was killed in between looks again.
        """
        evidence = self._desk.store.evidence
        gone = exposure.vaults_gone if self._asked.options.deleted == "accept" else ()
        unseen = [each for each in exposure.unseen if each not in gone]
        given_up = {**(additions.stopped or {}), **(additions.later or {} if last else {})}
        entries: list[Stepped] = [(_given_up(why), step) for step, why in given_up.items()]
        planned, spared = additions.planned, dict(additions.spared or {})
        if planned or spared:
            entries.append((await self._plan_entry(planned, spared), None))
        found = ExposureFound(
            number=number,
            evidence=await evidence.keep(json.dumps(as_json(exposure)).encode()),
            secrets=dict(sorted(Counter(str(each.tier) for each in exposure.secrets).items())),
            unseen=(*unseen, *(f"{step}: {why}" for step, why in (additions.later or {}).items())),
            read_again=additions.read_again,
            accepted=(*exposure.reach.accepted, *additions.accepted, *(f"{each} ({_WORD})" for each in gone)),
            last=last,
        )
        entries.insert(0 if len(entries) < MOST_AT_ONCE else len(entries), (found, None))
        for start in range(0, len(entries), MOST_AT_ONCE):
            await self._chain.write_each(entries[start : start + MOST_AT_ONCE])

    async def _plan_entry(self, planned: Sequence[PlannedSecret], spared: dict[str, str]) -> RotationPlanned:
        return RotationPlanned(
            hash=hash_of(planned),
            evidence=await self._desk.store.evidence.keep(as_bytes(planned)),
            secrets=counted_by_tier(planned),
            rotators=counted_by_rotator(planned),
            spared=spared,
            asks={each.step: each.asks for each in planned if each.asks},
        )

    async def _accuse(self) -> None:
        """
        Whose client secrets were exposed may be in other hands as well: that identity gets an incident of its own.
        The signal first, then the word of it: sent twice, it is one signal, so that circles of identities end. Tags
        alone accuse nobody: where the value does not show the same, the signal says so, and a person is asked.
        """
        own = subject_of(self._incident).client_id
        for step, planned in self._planned.items():
            client = planned.serves.resource
            accused = planned.rotator == EntraClientSecret.name and client != own
            if not accused or self._chain.last(IdentityAccused, step) is not None:
                continue
            job = planned.job(self._incident.incident, self._asked.options)
            unsure = await EntraClientSecret().why_unsure(job, self._means(self._check))
            signal = self._accusation(planned, client, unsure)
            await self._desk.inbox.take((signal,))
            await self._chain.write(IdentityAccused(client_id=client, record_id=signal.record_id), step=step)

    def _accusation(self, planned: PlannedSecret, client: str, unsure: str | None) -> Signal:
        record = exposed(
            client,
            planned.ref,
            planned.exposed,
            incident=self._incident.incident,
            tier=planned.tier,
            why=planned.why,
            at=self._desk.clock(),
            unsure=unsure,
        )
        found = source_named(ExposedSecret.name).read(record, self._desk.tenant_id)
        if isinstance(found, NotASignal):
            raise MalformedSignal(source=ExposedSecret.name, why=found.why)
        return found

    # Letting go

    async def _hold_back(self, progress: dict[str, Progress]) -> frozenset[str]:
        """The steps that wait for a person. What is let go is counted in the limits' window first."""
        held: set[str] = set()
        batches: dict[tuple[str, int], list[str]] = {}
        for step, planned in self._planned.items():
            if progress[step].next_stage is not None and progress[step].before is None:
                batches.setdefault((self._plans[step], planned.tier), []).append(step)
        for (plan_hash, tier), steps in batches.items():
            held |= await self._hold_batch(plan_hash, tier, steps)
        return frozenset(held)

    async def _hold_batch(self, plan_hash: str, tier: int, steps: Sequence[str]) -> set[str]:
        approved = any(tier in e.tiers and e.plan_hash == plan_hash for e in self._chain.all(RotationApproved))
        if not self._is_let_go(plan_hash, tier):
            held = await self._why_held(plan_hash, tier, len(steps), approved=approved)
            if held is not None:
                await self._note_held(held)
                return set(steps)
            let_go = RotationLetGo(plan_hash=plan_hash, tier=tier, secrets=len(steps), approved=approved)
            await self._chain.write(let_go)
        asking = {step for step in steps if self._planned[step].asks and not approved}
        for reason in sorted({str(self._planned[step].asks) for step in asking}):
            secrets = sum(1 for step in asking if self._planned[step].asks == reason)
            await self._note_held(_asks(reason, plan_hash, tier, secrets))
        return asking

    def _is_let_go(self, plan_hash: str, tier: int) -> bool:
        return any(e.plan_hash == plan_hash and e.tier == tier for e in self._chain.all(RotationLetGo))

    async def _why_held(self, plan_hash: str, tier: int, secrets: int, *, approved: bool) -> RotationHeld | None:
        if not approved and (self._mode == "ask" or tier in self._asked.options.ask):
            why = "Mode ask: every plan waits for a person." if self._mode == "ask" else "The policy asks a person."
            return _held("approval", why, plan_hash, tier, secrets)
        desk = self._desk
        limits = SecretLimits(desk.store.documents, desk.policy.limits.secrets_per_hour, desk.clock)
        batch = f"{self._incident.incident}:{tier}:{plan_hash[:16]}"
        over = await limits.reserve(batch, secrets, confirmed=approved)
        return _held("limits", f"Over the limit: {over}.", plan_hash, tier, secrets) if over else None

    async def _note_held(self, held: RotationHeld) -> None:
        """Once for each reason: a slice that finds the same again says nothing."""
        known = (held.by, held.plan_hash, held.tier, held.reason)
        if all((e.by, e.plan_hash, e.tier, e.reason) != known for e in self._chain.all(RotationHeld)):
            await self._chain.write(held)

    # Carrying out

    async def _leave_protected(self, progress: dict[str, Progress]) -> dict[str, Unreachable]:
        """
        The policy may protect a source by now that it did not when this was planned: it can stop, never widen. Of which
        steps that cannot be told now, and why: they are left alone.
        """
        known = await self._known_ids(progress)
        doubtful: dict[str, Unreachable] = {}
        for step, planned in self._planned.items():
            stage, ids = progress[step].next_stage, known.get(planned.serves.resource, frozenset())
            reason = None if isinstance(ids, Unreachable) else self._protection({planned.serves.resource, *ids})
            if stage is not None and reason is not None:
                stopped = _now_protected(reason, stage)
                await self._chain.write(stopped, step=step)
                progress[step].note(stopped, self._desk.clock())
            elif stage is not None and isinstance(ids, Unreachable):
                doubtful[step] = ids
        return doubtful

    async def _known_ids(self, progress: dict[str, Progress]) -> dict[str, frozenset[str] | Unreachable]:
        """All ids of identities whose client secrets are not through, by client id, where the policy protects any."""
        clients = {
            planned.serves.resource
            for step, planned in self._planned.items()
            if planned.rotator == EntraClientSecret.name and progress[step].next_stage is not None
        }
        asked = sorted(clients) if self._desk.policy.protected else []
        return dict(zip(asked, await together(*map(self._ids_unless_unreachable, asked)), strict=True))

    async def _ids_unless_unreachable(self, client: str) -> frozenset[str] | Unreachable:
        try:
            return await self._ids_of(ClientId(client))
        except Unreachable as error:
            return error

    def _protection(self, ids: Iterable[str]) -> str | None:
        """The policy's reason to protect whoever has one of these ids."""
        known = set(ids)
        return next((each.reason for each in self._desk.policy.protected if each.id in known), None)

    async def _carry_out(self) -> None:
        progress = self._progress()
        doubtful = await self._leave_protected(progress)
        held = await self._hold_back(progress)
        await self._tell_working(progress, held)
        await self._work_slice(progress, held, doubtful, self._next_look())

    async def _store_what_was_made(self) -> None:
        """It is called off: nothing begins, and nobody is asked for anything. No look bounds the slice."""
        progress = self._progress()
        await self._work_slice(progress, frozenset(), await self._leave_protected(progress), None, is_over=True)

    async def _work_slice(
        self,
        progress: dict[str, Progress],
        held: frozenset[str],
        doubtful: Mapping[str, Unreachable],
        look: tuple[int, datetime] | None,
        *,
        is_over: bool = False,
    ) -> None:
        commits, board = Commits(self._chain), Board()
        stages = Stages(
            incident=self._incident.incident,
            options=self._asked.options,
            means=self._means(self._check),
            in_turn={tier: self._means(self._in_turn(tier, board)) for tier in _TIERS},
            rotators={rotator.name: rotator for rotator in ROTATORS},
            commits=commits,
            planned=self._planned,
            progress=progress,
            held=held,
            other_hands=in_other_hands(self._chain.lines, self._desk.instance),
            rested=self._rested(progress),
            expect_news=partial(wait_for_news, self._desk.store.documents, self._incident.incident),
            note_dead=partial(note_dead, self._desk.store.documents, self._incident.incident),
            known_dead=partial(known_dead, self._desk.store.documents),
            leases=self._leases(),
            called_off=self._orders.called_off,
            is_over=is_over,
        )
        until, known = self._desk.clock() + SLICE, self._chain.place(RotationApproved)
        slice_ = Slice(
            stages=stages,
            board=board,
            clock=self._desk.clock,
            until=min(until, look[1]) if look else until,
            breaks_off=lambda: self._chain.place(RotationApproved) > known,
        )
        try:
            for step, why in doubtful.items():
                await stages.put_off(step, why, until)
            await slice_.work()
        finally:
            await commits.settle()
        await self._put_down(slice_, progress, held)

    def _rested(self, progress: dict[str, Progress]) -> dict[str, datetime]:
        """Whoever was woken for some secrets looks at no others before their time: each look asks their vault."""
        if self._told_of is None or self._next is None:
            return {}
        waiting = (
            step
            for step, planned in self._planned.items()
            if planned.ref not in self._told_of and (planned.keys == "owner" or progress[step].awaits is not None)
        )
        return dict.fromkeys(waiting, self._next)

    def _in_turn(self, tier: int, board: Board) -> Check:
        async def check() -> None:
            await self._check()
            if not board.is_turn_of(tier, self._desk.clock()):
                raise OutOfTurn(f"A secret of a higher tier than {tier} can go on.")

        return check

    def _means(self, check: Check) -> RotatorMeans:
        tenant = fenced(self._desk.tenant, check)
        if tenant.estate is None:
            raise JournalDamaged(f"Incident {self._incident.incident} rotates, and Cordon has no way to the vaults.")
        return RotatorMeans(tenant.estate, tenant, self._desk.clock, self._desk.token)

    async def _check(self) -> None:
        """Before each effect: no rival, and no stop."""
        await self._chain.check(_SILENCE)
        if await self._switch.why_stopped() is not None:
            raise StoppedBySwitch

    # Putting it down

    async def _put_down(self, slice_: Slice, progress: dict[str, Progress], held: frozenset[str]) -> None:
        if slice_.broken_off:
            return  # something may still be under way: the message that resumes it waits until it cannot live any more
        why = await self._orders.called_off() if slice_.stages.is_over else None
        store_at = slice_.stages.next_to_store() if why is not None else None
        if why is not None:
            await self._incident.refresh()
        if why is not None and store_at is None:
            await self._end(why, whole=False)
            return
        if slice_.stopped and (reason := await self._switch.why_stopped()):
            await self._rest(RotationHeld(by="switch", reason=reason, todo=_SWITCH))
            return
        if why is not None and store_at is not None:
            await self._go_on_storing(why, store_at)
            return
        look, due = self._next_look(), slice_.next_due()
        moments = [moment for moment in (due, look[1] if look else None) if moment is not None]
        waiting = [step for step in held if progress[step].next_stage is not None and progress[step].before is None]
        if not moments and not waiting:
            await self._incident.refresh()  # it may have been cut off again meanwhile
            if (look := self._next_look()) is None:
                await self._end_of_all(progress)
                return
            moments = [look[1]]
        again_at = min(moments, default=None)
        await self._tell(self._turn(progress, waiting, due, again_at))
        await self._put_down_until(again_at)

    async def _go_on_storing(self, why: str, at: datetime) -> None:
        until = at + _SPEAK
        reason = f"{why}; what was made before that is stored still, and nothing else is done"
        await self._tell(SecretsTurned(state="waiting", reason=reason, until=until))
        await self._put_down_until(at)

    def _turn(
        self, progress: dict[str, Progress], waiting: Sequence[str], due: datetime | None, again_at: datetime | None
    ) -> SecretsTurned:
        """Where it stands, in the words that the incident's status follows from."""
        now = self._desk.clock()
        counts = self._counted(progress, waiting)
        calls = [each for each in progress.values() if each.stopped or (each.escalated and each.next_stage)]
        if due is not None and due <= now:
            return SecretsTurned(state="working", reason=_told(counts), until=now + _SPEAK)
        if calls:
            stopped = next((each.stopped for each in calls if each.stopped), None)
            todo = stopped.todo if stopped else "Ask the owners who have not answered: the report names the secrets."
            return SecretsTurned(state="attention", reason=_told(counts), todo=todo, until=again_at)
        if waiting:
            return SecretsTurned(state="approval", reason=_told(counts), todo=self._approve(waiting))
        return SecretsTurned(state="waiting", reason=_told(counts), until=again_at)

    def _approve(self, waiting: Sequence[str]) -> str:
        hashes = {self._plans[step]: set[int]() for step in waiting}
        for step in waiting:
            hashes[self._plans[step]].add(self._planned[step].tier)
        said = "; ".join(f"plan {hash_}, tiers {', '.join(map(str, sorted(t)))}" for hash_, t in hashes.items())
        return f"Look at the secrets in the report; let them go by approving {said}."

    async def _end_of_all(self, progress: dict[str, Progress]) -> None:
        counts = self._counted(progress, ())
        found = self._chain.last(ExposureFound)
        unseen = [each for each in (found.unseen if found else ()) if not each.startswith(_READERS)]
        spared = self._spared()
        accepted = {"rotated", "on-owners-word"} if self._asked.options.owners_word == "accept" else {"rotated"}
        left = counts.keys() - accepted
        whole = not (left or unseen or spared)
        reason = _told(counts)
        if unseen:
            reason += f". Not seen: {'; '.join(unseen[:3])}{' and more' if len(unseen) > 3 else ''}"
        if left_out := await self._left_out():
            reason += f". Left as they are, for the policy does not name their tier: {left_out}"
        if spared:
            reason += f". Never touched: {', '.join(sorted(spared)[:3])}{' and more' if len(spared) > 3 else ''}"
        await self._end(reason, whole=whole, counts=counts)

    async def _left_out(self) -> str:
        """What is exposed and nobody asked to have rotated."""
        story = await load_story(self._chain, self._desk.store.evidence)
        left: Mapping[int, int] = story.left_by_policy if story is not None else {}
        return ", ".join(f"{count} of tier {tier}" for tier, count in sorted(left.items()))

    def _counted(self, progress: dict[str, Progress], waiting: Sequence[str]) -> dict[str, int]:
        """How many secrets stand where."""
        found = Counter(self._ending(step, each) for step, each in progress.items() if step not in waiting)
        found["held"] = len(waiting)
        return {name: count for name, count in sorted(found.items()) if count}

    def _ending(self, step: str, progress: Progress) -> str:
        ending = progress.ending or ("awaits-owner" if progress.awaits else "under-way")
        owners = progress.awaits is not None or (step in self._planned and self._planned[step].keys == "owner")
        return "on-owners-word" if ending == "rotated" and owners else ending

    async def _end(self, reason: str, *, whole: bool, counts: dict[str, int] | None = None) -> None:
        """In its own journal first: whoever is killed before the incident hears of it tells it once more."""
        counts = counts or {}
        await self._forget_news()
        await self._leave_sources()
        await self._chain.write(RotationEnded(whole=whole, reason=reason, counts=counts), WorkEnded())
        await self.tell_end()

    async def _forget_news(self) -> None:
        """Nobody has to be woken any more."""
        awaited = {line.record.step or "" for line in self._chain.lines if isinstance(line.entry, SecretAwaits)}
        refs = sorted({ref_of(step) for step in awaited})
        await forget_news(self._desk.store.documents, self._incident.incident, refs)

    def _leases(self) -> SourceLeases:
        return SourceLeases(self._desk.store.documents, self._incident.incident, self._desk.clock)

    async def _leave_sources(self) -> None:
        """What was begun and is not through keeps no other rotation from its source any more."""
        left = {each.source for each in read_progress(self._chain.lines).values() if each.ending != "rotated"}
        for source in sorted(each for each in left if each is not None):
            await self._leases().give_back(source)

    async def tell_end(self) -> None:
        """Say in the incident how it ended, unless it is said."""
        ended = self._chain.last(RotationEnded)
        await self._incident.refresh()  # another one may have been set off meanwhile, and this is not how that ended
        is_last = is_begun(self._chain, self._incident)
        if ended is not None and is_last and self._incident.place(SecretsEnded) < self._incident.place(SecretsBegun):
            todo = None if ended.whole else _todo_at_end(ended.counts)
            entry = SecretsEnded(whole=ended.whole, reason=ended.reason, counts=ended.counts, todo=todo)
            await self._incident.write(entry)
        await self._desk.outbox.publish_due(self._incident)

    async def _rest(self, held: RotationHeld) -> None:
        """Nothing may be changed now: say so, and look again in a while."""
        await self._note_held(held)
        again_at = self._desk.clock() + _TRY_AGAIN
        await self._tell(SecretsTurned(state="attention", reason=held.reason, todo=held.todo, until=again_at))
        await self._put_down_until(again_at)

    async def _put_down_until(self, again_at: datetime | None) -> None:
        """The message first, then the word that it was sent. Without a moment a person's answer goes on."""
        if again_at is None:
            await self._chain.write(WorkEnded())
        else:
            delay = max(timedelta(), again_at - self._desk.clock())
            message = {"incident": self._incident.incident, "because": "rotation", "at": again_at.isoformat()}
            await self._desk.store.queue.send(message, min(delay, LONGEST_DELAY))
            await self._chain.write(WorkEnded(more=True, again_at=again_at))
        await self._desk.outbox.publish_due(self._incident)

    async def _tell_working(self, progress: dict[str, Progress], held: frozenset[str]) -> None:
        if any(each.next_stage is not None and step not in held for step, each in progress.items()):
            until = self._desk.clock() + _SPEAK
            await self._tell(SecretsTurned(state="working", reason="secrets are rotated", until=until))

    async def _tell(self, turned: SecretsTurned) -> None:
        """What is told already is not told again before its moment is near."""
        last = self._incident.last(SecretsTurned)
        is_old = self._incident.place(SecretsTurned) < self._incident.place(SecretsBegun)
        is_late = self._incident.place(SecretsTurned) < max(map(self._incident.place, (UndoOrdered, Closed)))
        other = last is None or (last.state, last.todo) != (turned.state, turned.todo) or _moved(last, turned)
        if other or is_old or is_late:
            await self._incident.write(turned)


class _SwitchWatch:
    """The stop switch for many who ask side by side: one read serves all within a second."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._lock = desk, asyncio.Lock()
        self._asked_at: datetime | None = None
        self._reason: str | None = None

    async def why_stopped(self) -> str | None:
        if not self._is_fresh():
            async with self._lock:
                if not self._is_fresh():
                    asked_at = self._desk.clock()
                    self._reason = await self._desk.switch.why_stopped()
                    self._asked_at = asked_at
        return self._reason

    def _is_fresh(self) -> bool:
        return self._asked_at is not None and abs(self._desk.clock() - self._asked_at) <= _SWITCH_HOLDS


class _OrdersWatch:
    """A person's order that calls the rotation off in the middle, for many who ask: a read serves for a while."""

    def __init__(self, desk: Desk, incident: Chain) -> None:
        self._desk, self._incident, self._lock = desk, incident.incident, asyncio.Lock()
        self._asked_at, self._reason = desk.clock(), called_off(incident)

    async def called_off(self) -> str | None:
        """Why nothing more is rotated; None if it is. Raises what the store raises."""
        async with self._lock:
            if self._reason is None and self._desk.clock() - self._asked_at > _ORDERS_HOLD:
                asked_at = self._desk.clock()
                self._reason = called_off(await Chain.read(self._desk.store.journal, self._incident, self._desk.clock))
                self._asked_at = asked_at
        return self._reason


def _moved(last: SecretsTurned, turned: SecretsTurned) -> bool:
    """Whether the moment at which it is heard of again is another, by so much that somebody might wonder."""
    if last.until is None or turned.until is None:
        return last.until != turned.until
    return turned.until - last.until > _SPEAK / 2


def _now_protected(reason: str, stage: RotationStage) -> SecretStopped:
    return SecretStopped(
        stage=stage,
        outcome="protected",
        reason=f"The policy protects its source by now: {reason}. Nothing more was done; the exposed value may live.",
        todo="Rotate it by hand, or take the protection out of the policy and order the incident again.",
    )


def _given_up(why: str) -> SecretStopped:
    todo = "Find out what it opens, and let that credential die by hand; then order the incident again."
    return SecretStopped(outcome="cannot-be-read", reason=why, todo=todo)


def _held(by: Literal["approval", "limits"], reason: str, plan_hash: str, tier: int, secrets: int) -> RotationHeld:
    todo = f"Look at the secrets in the report; let them go by approving plan {plan_hash}, tier {tier}."
    return RotationHeld(by=by, tier=tier, plan_hash=plan_hash, secrets=secrets, reason=reason, todo=todo)


def _asks(reason: str, plan_hash: str, tier: int, secrets: int) -> RotationHeld:
    return RotationHeld(
        by=cast('Literal["single-credential", "unrecognised"]', reason),
        tier=tier,
        plan_hash=plan_hash,
        secrets=secrets,
        reason=_WHY_ASKED[reason],
        todo=f"Look at the secrets in the report; let them go by approving plan {plan_hash}, tier {tier}.",
    )


def _told(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "no secret was exposed"


def _todo_at_end(counts: Mapping[str, int]) -> str:
    todo = "Look at the secrets in the report: what it names is left to people."
    if "on-owners-word" not in counts:
        return todo
    return f"{todo} Where a tag is all that says that a value is dead, ask the owner whether it is he who wrote it."


_WHY_ASKED = {
    "single-credential": "Its source holds this credential only once: whoever uses it breaks when it is replaced.",
    "unrecognised": "No rotator recognises it: disabling it is all that can be done, and breaks whoever reads it.",
}
_CALLED_OFF = "called-off"
_WORD = "left on the policy's word, deleted: accept"
_READERS = "who else reads them"
_NO_ESTATE = "Set CORDON_ROTATOR_CLIENT_ID, and grant that identity what rotating needs."
_BY_HAND = "Rotate by hand what the report names, or let Cordon act again."
_SWITCH = "Set the switch to running: the rotation then goes on by itself within ten minutes."
