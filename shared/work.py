"""
One incident in hand: from its signals to a decision, to effects, to proof. `advance` and `recheck` can be
killed on any line; called again, they go on from what the journal says.
"""

import asyncio
import json
import logging
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from shared.actions import parts_to_plan
from shared.actions.interface import Means
from shared.actions.people import for_deleted, people_needed, same_person
from shared.audit import is_counter_move
from shared.azure_standing import AzureStanding
from shared.case import AuditRecord, Case, CouldNotLook, IdentityState, Known, Part, PartName
from shared.chain import Chain, Line
from shared.clock import Clock
from shared.conditions.changed_by_suspect import related
from shared.contacts import NOBODY, Contacts
from shared.counter_evidence import weigh_up
from shared.damage import read_noting
from shared.decision import Decision
from shared.due import Due
from shared.entries import (
    SIGNING_KEYS_IN_DOUBT,
    Applied,
    Approved,
    Change,
    Closed,
    CounterMove,
    Decided,
    Entry,
    Escalated,
    FollowSet,
    Foreseen,
    HeldBack,
    Intended,
    Investigated,
    NamedOutcome,
    Opened,
    OwnerAsked,
    Planned,
    PlannedStep,
    Rechecked,
    RechecksSet,
    RelatedTold,
    SecretsBegun,
    SecretsEnded,
    SignalJoined,
    SignInsSeen,
    StepStopped,
    UndoEnded,
    UndoIntended,
    UndoOrdered,
    UndoStopped,
    Verified,
    WorkEnded,
    WorkStarted,
)
from shared.errors import JournalDamaged, RivalActs, SequenceTaken, Unreachable
from shared.execution import Execution, Switch
from shared.forecast import LOG_WITHIN, foresee, not_asked
from shared.history import History
from shared.identity import IdentityRef, PrincipalId
from shared.inbox import Inbox
from shared.investigation import (
    SHOWN_IN_A_WAVE,
    SHOWN_WITHIN,
    Investigation,
    as_entry,
    choose_rung,
    investigate,
    owners_told,
    read_identity,
    with_case,
    with_shown,
)
from shared.journal import IncidentId
from shared.ladder import as_told
from shared.limits import Spent, deeds_of
from shared.liveness import Liveness
from shared.look import Look
from shared.muster import Muster
from shared.orders import Order, chosen, dismissed_because, order_in, standing_choices, with_standing
from shared.outbox import Outbox
from shared.owner_question import BY_POLICY, ask, is_call_about, is_met, silence_of
from shared.plan import LIFE, fingerprint, make_plan
from shared.policy import ActionChoice, Policy, Verdict
from shared.precedence import Precedence
from shared.preflight import outcomes, why_nothing_contains, why_nothing_is_done
from shared.protection import Doubt, Question, synchronises, why_ids_protected, why_protected
from shared.readiness import ReadinessCheck
from shared.relations import note_member
from shared.reservations import Ahead, Reservations, Turn
from shared.sign_ins import LOOKS, call_for, look_at_sign_ins, tell_token
from shared.signal import JsonObject
from shared.standing import (
    RETRIES,
    active_plan,
    attempts,
    attempts_left,
    due_at,
    evidence_at,
    hears_of_risk,
    is_back,
    is_closed,
    is_decided,
    is_undecided_since_undo,
    known_ids,
    lateness,
    looked_until,
    needs_work,
    signals_of,
    standing_plan,
    subject_of,
    undo_under_way,
    waiting_plan,
    waits_for_a_look,
)
from shared.store import Store
from shared.suspicion import JournalSuspicions, origin_of, remember
from shared.tenant import Tenant
from shared.together import together
from shared.undo import RESTORE, Undoing, ordered_steps, steps_to_undo
from shared.untrusted import one_line
from shared.watch import mark, unmark, watcher

RESUME_AFTER = timedelta(seconds=90)  # the hidden message that picks up whoever crashes
_ALL_ALIKE = frozenset({"signal", "resumed", "order", "undo"})  # why an incident is gone on with, for the journal
LEASE = timedelta(seconds=45)  # how long another instance's silence is taken for work; spares work, guards nothing
RECHECKS = (5.0, 60.0, 300.0, 900.0, 5700.0)  # seconds: race window … longest ordinary token + log delay
_UNTIL_RESUMED = timedelta(minutes=5)  # clocks may disagree by as much; then an old look is better than none
_LONGEST_FIRST_LOOK = 45.0
_FORESEEN_AT = 2  # the place of the later look that also reads who got tokens: the cut is proven twice by then
_CLOSE_ROUNDS = 30  # rounds of a fight at that distance; then it doubles with each
_LONGEST_DISTANCE = 900.0
_MOVES_A_LOOK = 20  # counter-moves that one look writes down
_LOG_LAG = timedelta(minutes=20)  # within which Graph's log usually shows a record
FIGHT_WINDOW = timedelta(hours=24)
FIGHT_ROUNDS = 40  # so many within the window, and it is left to a person; nearly three hours by the distances above
STRIKES = 3  # so many times undone by somebody else, and a person is called; containment goes on

log = logging.getLogger("cordon")


@dataclass(frozen=True, slots=True)
class Desk:
    """What every worker needs: the world, the store, the rules, and who this instance is."""

    tenant: Tenant
    store: Store
    inbox: Inbox
    muster: Muster
    outbox: Outbox
    switch: Switch
    policy: Policy
    tenant_id: str
    mode: str  # watch | ask | act, as set now
    handover_vault: bool
    own_ids: frozenset[str]
    instance: str
    clock: Clock
    warm_up: Callable[[], Awaitable[None]]
    due: Due = field(default_factory=Due)  # the messages of ours that are still to come
    turn: Turn = field(default_factory=Turn)  # at the limits' window
    precedence: Precedence = field(default_factory=Precedence)
    readiness: ReadinessCheck | None = None  # None: nobody looks ahead; refusals come from the tenant
    token: Callable[[int], bytes] = secrets.token_bytes  # that many random bytes
    liveness: Liveness | None = None  # None: nobody counts when rules match
    azure_standing: AzureStanding | None = None  # None: nobody looks what Cordon itself may do in Azure
    contacts: Contacts = NOBODY

    async def left_out(self, choices: Sequence[ActionChoice]) -> Mapping[str, NamedOutcome]:
        """Which of the actions are known not to be able to run here, and why."""
        if self.readiness is None or self.mode == "watch":  # a rehearsal takes no rights
            return {}
        return outcomes(await self.readiness.blocked([choice.name for choice in choices]))

    @property
    def suspicions(self) -> JournalSuspicions:
        """Cordon's own journal, to be asked about whoever changed an identity."""
        return JournalSuspicions(self.store, self.clock)

    async def recall_readiness(self) -> None:
        """Bring to mind what preflight found, so that nobody waits for it when a plan is made."""
        if self.readiness is not None:
            await self.readiness.known()


async def send_resume(desk: Desk, journal: IncidentId, send: Callable[[], Awaitable[None]]) -> None:
    """
    The message that picks up whoever crashes. While the store refuses to be written to, each message fails
    and comes back several times; if each of these sent another one, the queue would fill without bound.
    """
    await desk.due.send_once(f"{journal} resumed", RESUME_AFTER, send, desk.clock(), not_before=LEASE)


async def put_off(desk: Desk, message: JsonObject, delay: timedelta) -> None:
    """
    Send a message on that came too early. Those that only have the incident gone on with are all alike: the journal
    says what is to be done, and not the message.
    """
    because = message["because"]
    about = f"{message['incident']} on" if because in _ALL_ALIKE else json.dumps(message, sort_keys=True)
    await desk.due.send_once(about, delay, lambda: desk.store.queue.send(message, delay), desk.clock())


class Work:
    """One instance's work on one incident."""

    def __init__(self, desk: Desk, chain: Chain) -> None:
        self._desk, self._chain = desk, chain
        self._planned_at: int | None = None  # the place of the plan that is looked at, where it is not the newest
        self._puts_off = False  # what has to be known before a plan goes on could not be read just now

    @property
    def _incident(self) -> IncidentId:
        return self._chain.incident

    async def advance(self, because: str, *, resume_sent: bool = False) -> None:
        """
        1. Leave it alone if another instance is at it, or if nothing is to be done.
        2. Send the message that resumes this incident, hidden for a while, before any work.
        3. Decide, if there is something new to decide on.
        4. Carry out what was decided, if it may be.
        5. Say how it ended, and what follows.
        """
        if self._keeps_distance():
            return  # the look that is set sees what this message tells of; sent again, messages would heap up
        if self._is_busy():
            await self._put_off(self._message(because), LEASE)
            return
        if early := self._too_early():
            await self._put_off(self._message(because), early)
            return
        if needs_work(self._chain):
            if not resume_sent:
                await self._send_resume()
            await self._begin(because)
            if await self._undo_if_ordered():
                plan, done = await self._decide_and_do()
                await self._end(plan, done=done)
                await self._note_suspicion()
        await self._leave_the_muster()
        await self._desk.outbox.publish_due(self._chain)
        await self._count_matches()

    async def _decide_and_do(self) -> tuple[Planned | None, bool]:
        """The plan, if there was one to carry out, and whether nothing is left to try."""
        try:
            plan, look = await self._decide_if_due()
            return plan, await self._carry_out(plan, look) if plan else True
        finally:
            self._desk.precedence.leave(self._incident)

    async def _count_matches(self) -> None:
        """When all else is done: which rules decided."""
        liveness = self._desk.liveness
        if liveness is not None:
            for record, decided in self._chain.told(Decided):
                liveness.note(self._incident, record.sequence, record.time, decided)
            await liveness.keep()

    async def _note_suspicion(self) -> None:
        """Behind all else: where this incident is found again by whoever asks about its identity, and its case."""
        chain, desk = self._chain, self._desk
        decided = chain.last(Decided)
        if decided is None or decided.verdict not in ("contain", "ask") or desk.policy.follows_changes is None:
            return
        await remember(desk.store.documents, self._incident, known_ids(chain))
        await note_member(desk.store.documents, origin_of(History(chain.lines)).root, self._incident)

    async def _leave_the_muster(self) -> None:
        """Who is decided holds up nobody else any more. What joined another incident is decided there."""
        closed = self._chain.last(Closed) if is_closed(self._chain) else None
        if not waits_for_a_look(self._chain) if closed is None else closed.outcome != "joined":
            await self._desk.muster.settle(known_ids(self._chain), self._contained_by_silence_at())

    def _contained_by_silence_at(self) -> datetime | None:
        """When the plan goes on if nobody has answered by then; None where nothing follows from silence (any more)."""
        chain, plan, asked = self._chain, waiting_plan(self._chain), self._chain.last(OwnerAsked)
        if asked is None or plan is None or plan.hash != asked.plan_hash or self._mode != "act":
            return None
        answered = max(chain.place(Approved), chain.place(Decided)) > chain.place(OwnerAsked)
        waits = asked.then == "contain" and self._still_contains_on_silence(asked.rule) and not answered
        return asked.until if waits and not any(is_call_about(call, asked) for call in chain.all(Escalated)) else None

    async def recheck(self, series: int, place: int) -> None:
        """
        Look again at a contained identity, and contain again what was undone.

        A look that a rival kept from being taken is taken later: nobody else would.
        """
        standing, newest = standing_plan(self._chain), self._chain.last(RechecksSet)
        if standing is None or newest is None or newest.series != series or self._fight_is_over():
            return
        plan, self._planned_at = standing
        message = self._recheck_message(series, place)
        if self._is_busy() or (self._told(series, place) is None and self._is_written_since()):
            await self._put_off(message, LEASE)
            return
        early = self._left_of_race_window()
        if early and self._told(series, place) is None:
            await self._put_off(message, early)
            return
        if newest.chained and place < len(newest.after) and self._told(series, place) is None:
            gap = newest.after[place] - newest.after[place - 1]
            await self._put_off(self._recheck_message(series, place + 1), timedelta(seconds=gap))
        try:
            await self._look_again(plan, series, place)
        except RivalActs:
            await self._put_off(message, LEASE)
            raise
        await self._desk.outbox.publish_due(self._chain)

    def _is_written_since(self) -> bool:
        """
        Whether it was contained again after these looks were set, and whoever did it has not set newer ones (yet).
        An old look that comes late might see it within the race window of those writes.
        """
        place = max(self._chain.place(Intended), self._chain.place(Applied))
        if place < self._chain.place(RechecksSet):
            return False
        return self._desk.clock() - self._chain.records[place].time < _UNTIL_RESUMED

    def _left_of_race_window(self) -> timedelta:
        """
        How long the newest write may still lose a race. An attempt that failed once it had sent messages for its looks
        writes no series down, and the next one sends the same series anew: the older messages come too early.
        """
        place = self._chain.place(Applied)
        if place < 0:
            return timedelta()
        window = timedelta(seconds=RECHECKS[0])
        passed = self._desk.clock() - self._chain.records[place].time
        return min(max(window - passed, timedelta()), window)

    async def _look_again(self, plan: Planned, series: int, place: int) -> None:
        """Look, write down what was seen, and do what follows; whoever was killed in between goes on from there."""
        chain = self._chain
        if self._told(series, place) is None:
            undone = await self._undone(plan)
            calls, holes = await self._read_sign_ins(series, place)
            undone += [step for step in plan.steps if step.id in holes and step not in undone]
            await chain.write(*calls, self._rechecked(undone, series, place))
        told = self._told(series, place)
        if told is None:
            return
        if isinstance(told.entry, Rechecked) and told.entry.answer != "held":
            if chain.place(WorkStarted) < told.record.sequence:
                await self._contain_again(plan)
        elif active_plan(chain) is not None and place == len(RECHECKS) and chain.place(Closed) < told.record.sequence:
            await self._close_after_looks(plan)
        if isinstance(told.entry, Rechecked) and told.entry.answer == "held" and place == _FORESEEN_AT:
            await self._foresee_after(plan)

    async def _foresee_after(self, plan: Planned) -> None:
        """Who broke by what was carried out at once: read when it is contained, at an early look, and once."""
        foreseen = self._chain.last(Foreseen)
        if foreseen is not None and foreseen.plan_hash == plan.hash:
            return
        look = self._execution().new_look()
        identity, log = await look.identity(), await look.sign_ins(LOG_WITHIN)
        state = identity.value if isinstance(identity, Known) else None
        await self._chain.write(foresee(plan, log, state, self._desk.clock()))

    async def _undone(self, plan: Planned) -> list[PlannedStep]:
        """Look, and give the steps that were proven before and do not show now."""
        execution = self._execution()
        is_newest = self._planned_at is None or self._planned_at == self._chain.place(Planned)
        settled = [
            step for step in plan.steps if execution.is_settled(step) or self._was_just_lost(step) or not is_newest
        ]
        proven = [step for step in settled if step.watched and not self._is_stopped(step)]
        look = execution.new_look()
        await execution.verify(proven, look)
        await self._tell_of_another(look.gathered.identity)
        return [step for step in proven if not execution.is_settled(step)]

    async def _tell_of_another(self, identity: Part[IdentityState]) -> None:
        """
        Somebody deleted the contained one and made another for the same application. Nothing of what stands holds for
        that one, so that a person is called at once, and not when the attempts to see the old one are over.
        """
        another = identity.another if isinstance(identity, CouldNotLook) else None
        if another is None or any(another in call.reason for call in self._chain.all(Escalated)):
            return
        await self._chain.write(
            Escalated(
                reason=(
                    "The service principal that was contained is not there any more, and its application has another "
                    f"one: {another}. What was cut is not cut for that one; it was not touched."
                ),
                todo=(
                    "Order its containment, and find out in the audit log who made it: POST /api/incidents with "
                    f"servicePrincipalId {another}."
                ),
            )
        )

    async def look_at_news(self, *, enabled: bool = False, asked: bool = False) -> None:
        """
        Something happened that may have undone a containment, also one that was closed long ago: look, and
        contain again what was undone. In a fight the looks that are set keep the distance; news are no excuse.

        `enabled`: a record tells that sign-in was allowed. Where it is blocked again by now, the log is asked all the
        same: tokens may have been issued in between, and live longer than those of before. `asked`: it was asked
        before, and did not show the record yet.
        """
        chain, standing = self._chain, standing_plan(self._chain)
        if standing is None or chain.last(RechecksSet) is None or self._fight_is_over() or self._keeps_distance():
            return
        if self._is_busy():
            await self._put_off(self._watch_message(enabled=enabled, asked=asked), LEASE)
            return
        plan, self._planned_at = standing
        left_over = self._is_set_back() and chain.place(WorkStarted) < chain.place(Rechecked)
        if not left_over:
            undone = await self._undone(plan)
            if undone:
                await chain.write(self._rechecked(undone, 0, 0, trigger="news"))
            left_over = bool(undone)  # what could not be seen is tried for again, or nobody would look any more
            if enabled and not undone and not await self._name_actors() and not asked:
                await self._desk.store.queue.send(self._watch_message(enabled=True, asked=True), _LOG_LAG)
        if left_over:
            await self._contain_again(plan)
        await self._desk.outbox.publish_due(chain)

    def _is_struck(self) -> bool:
        newest = self._chain.last(Rechecked)
        return newest is not None and newest.answer == "not-held"

    def _is_set_back(self) -> bool:
        """Undone by somebody else, or not to be seen: either is contained again."""
        newest = self._chain.last(Rechecked)
        return newest is not None and newest.answer != "held"

    async def tell_of_lookalike(self, subject: IdentityRef) -> None:
        """
        Something of a contained identity's name was made again. It is read, pointed at, and left to a person:
        anybody may choose a name, so that a name alone contains nobody.
        """
        chain, standing = self._chain, standing_plan(self._chain)
        seen = chain.last(Investigated)
        if standing is None or seen is None or seen.identity is None:
            return
        part = await Look(self._desk.tenant.directory, subject, self._desk.clock).identity()
        if not isinstance(part, Known):
            if isinstance(part, CouldNotLook) and part.may_help_later:
                raise Unreachable("reading what was made under a contained identity's name", part.why)
            return
        found = part.value.identity
        same = found.display_name.strip().casefold() == seen.identity.display_name.strip().casefold()
        told = any(found.principal_id in call.reason for call in chain.all(Escalated))
        if same and not told and found.principal_id not in known_ids(chain):
            await chain.write(
                Escalated(
                    reason=(
                        f"Another identity has this one's name: service principal {found.principal_id}, "
                        f"client {found.client_id}, {found.kind.value.replace('-', ' ')}. It was not touched."
                    ),
                    todo=(
                        "Find out who made it. If it is the same actor's, order its containment: POST /api/incidents "
                        f"with servicePrincipalId {found.principal_id}."
                    ),
                )
            )
        await self._desk.outbox.publish_due(chain)

    async def _read_sign_ins(self, series: int, place: int) -> tuple[tuple[Escalated, ...], tuple[str, ...]]:
        """
        Ask the sign-in log about the cuts that this look found in place, once for a look. Where it tells of a
        token that was issued all the same, the cut does not hold, whatever a read shows: a person is called.
        """
        chain, desk = self._chain, self._desk
        if place not in LOOKS:
            return (), ()
        read = (each for each in chain.all(SignInsSeen) if (each.series, each.number) == (series, place))
        seen = next(read, None)
        if seen is None:
            seen = await look_at_sign_ins(desk.tenant.feeds, History(chain.lines), series, place, desk.clock())
            if seen is None:
                return (), ()
            await chain.write(seen)
        if not seen.tokens:
            return (), ()
        for step in seen.steps:
            intent = chain.last(Intended, step)
            proof = f"the sign-in log tells otherwise: {tell_token(seen.tokens[0])}"
            await chain.write(
                Verified(round=intent.round if intent else 1, answer="not-held", proof=proof, read_at=seen.read_at),
                step=step,
            )
        return (call_for(seen),), seen.steps

    async def _close_after_looks(self, plan: Planned) -> None:
        """Contained is only what was carried out whole: a step that was given up is a person's to do."""
        execution = self._execution()
        if any(outcome.outcome == SIGNING_KEYS_IN_DOUBT for outcome in plan.not_done):
            await self._close("needs-attention", "every step holds, but nobody settled whose the kept signing keys are")
        elif wanting := History(self._chain.lines).wanting:
            named = ", ".join(dict.fromkeys(outcome.outcome for outcome in wanting))
            whole = all(execution.is_settled(step) for step in plan.steps)
            holds = "every step holds" if whole else "what could be looked at holds"
            await self._close("needs-attention", f"{holds}, but a person has to settle what is left: {named}")
        elif not any(step.cuts for step in History(self._chain.lines).steps):
            await self._close(
                "needs-attention", "what was asked for is in place, and nothing of it cuts the identity off"
            )
        elif all(execution.is_settled(step) and not self._is_stopped(step) for step in plan.steps):
            rotating = self._chain.place(SecretsBegun) > self._chain.place(SecretsEnded)
            more = "; what it exposed is still worked on" if rotating else ""
            await self._close("contained", f"every later look found the containment in place{more}")
        else:
            await self._close("needs-attention", "what was done is in place, but not every step of the plan could be")

    # Deciding

    async def _decide_if_due(self) -> tuple[Planned | None, Look | None]:
        """The plan to carry out now, with the look it was made from; (None, None) if nothing is to be done."""
        chain, standing = self._chain, active_plan(self._chain)
        order = order_in(chain, since=looked_until(chain))
        if standing is not None and order is None and chain.place(Approved) > chain.place(Intended):
            return await self._begin_approved(standing)
        if is_decided(chain):
            return standing or self._left_standing(), None
        found, _ = await asyncio.gather(self._investigate(order), self._desk.recall_readiness())
        self._desk.precedence.enter(self._incident)
        found = await choose_rung(found, self._desk.policy, self._desk.left_out)
        if standing is not None and order is None and not self._asks_for_more(found):
            self._puts_off = self._waits_for_better_times(found)
            return standing, None
        joins, ahead, elsewhere = await together(
            self._joins_another(found), self._look_ahead(found), self._stands_elsewhere()
        )
        found = replace(found, decision=with_standing(found.decision, (*elsewhere, *standing_choices(chain))))
        if joins:
            return None, None
        if self._waits_for_better_times(found):
            return None, None
        return await self._conclude(found, order, ahead), found.look

    def _asks_for_more(self, found: Investigation) -> bool:
        """
        Whether a signal that joined what is contained leads to an action that does not stand yet. Otherwise it is
        answered by that, and leads to a fresh look at it. While a fault that passes keeps it from being judged, it is
        left for the next attempt.
        """
        if (
            self._waits_for_better_times(found)
            or found.state is None
            or found.decision.verdict not in (Verdict.CONTAIN, Verdict.ASK)
        ):
            return False
        standing = {choice.name for choice in standing_choices(self._chain)}
        new = {choice.name for choice in found.decision.actions} - standing
        return bool(new) and "dismiss-risk" not in new

    def _left_standing(self) -> Planned | None:
        """What stands beside the newest plan, or was left by an undo: a look found it undone, and it is tried again."""
        standing = standing_plan(self._chain) if self._is_set_back() else None
        if standing is None:
            return None
        plan, self._planned_at = standing
        return plan

    async def _stands_elsewhere(self) -> tuple[ActionChoice, ...]:
        """What a closed incident of the same identity has contained it with: from now on this one watches it."""
        other = await watched_by(self._desk, known_ids(self._chain))
        return standing_choices(other) if other is not None and other.incident != self._incident else ()

    async def _begin_approved(self, plan: Planned) -> tuple[Planned | None, Look | None]:
        """
        A person let this plan go. If the identity is no longer what it was made for, or nobody was at work for so long
        after the answer that it may not be meant any more, it is made anew and waits.
        """
        look, approved = self._execution().new_look(), self._chain.last(Approved)
        by_policy = approved is not None and approved.by_policy  # nobody has confirmed it, so that the limits hold
        part = await read_identity(look, deleted_first=for_deleted(step.action for step in plan.steps))
        if not isinstance(part, Known):
            self._puts_off = isinstance(part, CouldNotLook) and part.may_help_later and attempts_left(self._chain)
            if not self._puts_off:
                await self._chain.write(*self._unread(part))
            return None, None
        spared = self._spare_synchronisation
        refused = self._refuse(part.value, plan) or await spared(part.value, plan, look, confirmed=not by_policy)
        if self._puts_off:
            return None, None
        refused = refused or self._is_one_person(plan)
        if refused:
            await self._chain.write(refused)
            return None, None
        anew = await self._plan_of_drifted(part.value, plan, look)
        why = f"The identity has changed since the plan was made; it was made anew.{_if_it_goes_on(plan)}"
        if anew is None and self._desk.clock() - self._chain.records[self._chain.place(Approved)].time > LIFE:
            anew = await self._plan(chosen(self._chain), part.value, look, shown_within=SHOWN_WITHIN)
            why = "For an hour after the answer nobody carried the plan out. It was made anew, and nothing was changed."
        if anew is not None:
            called = (Escalated(reason=f"Nobody has answered. {why}", todo=_approve(anew)),) if by_policy else ()
            await self._chain.write(anew, self._held("verdict", why, _approve(anew)), *called)
            return None, None
        over = await self._over_limit(part.value, plan, confirmed=not by_policy)
        if over and by_policy:
            await self._chain.write(over)
            return None, None
        return plan, look

    async def _plan_of_drifted(self, state: IdentityState, plan: Planned, look: Look) -> Planned | None:
        """
        The plan made anew where the identity is no longer what this one shows, with its grants; None if it is, or if
        what has changed is nothing to this plan: whoever adds a credential does not keep a block from being approved.
        """
        drifted = fingerprint(state) != plan.fingerprint
        if not drifted and not _bound_beside(plan):
            return None
        choices = chosen(self._chain)
        anew = await self._plan(choices, state, look)
        if not drifted and _bound_beside(anew) == _bound_beside(plan):
            return None
        anew = await self._plan(choices, state, look, shown_within=SHOWN_WITHIN)
        return None if (anew.steps, anew.not_done) == (plan.steps, plan.not_done) else anew

    async def _plan(
        self, choices: Sequence[ActionChoice], state: IdentityState, look: Look, *, shown_within: float | None = None
    ) -> Planned:
        """
        `shown_within`: the seconds for which what only people look at is waited for, whoever held the plan back. What
        is carried out at once waits for no such read.
        """
        desk = self._desk
        bare = Means(
            self._incident,
            desk.handover_vault,
            own_ids=desk.own_ids,
            estate=desk.tenant.estate is not None,
            evidence_at=evidence_at(self._chain),
        )
        means = await with_case(bare, choices, look)
        means = means if shown_within is None else await with_shown(means, choices, look, shown_within)
        return make_plan(choices, state, means, self._desk.clock(), await self._desk.left_out(choices))

    async def _investigate(self, order: Order | None) -> Investigation:
        desk = self._desk
        judged: Callable[..., Decision] | None = order.decision if order else None
        extra = {"judge": judged} if judged else {}
        return await investigate(
            desk.tenant.directory,
            desk.policy,
            subject_of(self._chain),
            signals_of(self._chain),
            desk.own_ids,
            desk.tenant_id,
            desk.clock,
            deleted_first=order is not None and for_deleted(choice.name for choice in order.actions or ()),
            estate=desk.tenant.estate,
            suspicions=desk.suspicions,
            may_act=self._mode == "act",
            late=lateness(self._chain),
            **extra,
        )

    async def _joins_another(self, found: Investigation) -> bool:
        """Point all ids to this incident; where another open one has them, hand the signals over to it."""
        if found.state is None:
            return False
        identity = found.state.identity
        ids = [i for i in (identity.principal_id, identity.client_id, identity.app_object_id) if i]
        other = await self._desk.inbox.claim(self._incident, ids)
        if other is None:
            return False
        theirs = await Chain.read(self._desk.store.journal, other, self._desk.clock)
        if is_closed(theirs):
            raise RivalActs(
                f"Incident {other} was closed while {self._incident} was to join it; it is looked at again."
            )
        known = {(s.source, s.record_id) for s in theirs.all(SignalJoined)}
        await theirs.write(*(s for s in self._chain.all(SignalJoined) if (s.source, s.record_id) not in known))
        await self._desk.store.queue.send({"incident": other, "because": "signal"})
        await self._close("joined", f"the identity has an open incident already: {other}")
        return True

    def _waits_for_better_times(self, found: Investigation) -> bool:
        """A passing fault is not asked about: the next attempt looks again, as long as there is one."""
        undecided = found.decision.verdict is Verdict.ASK or found.state is None
        return undecided and bool(found.passing_faults) and attempts_left(self._chain)

    async def _look_ahead(self, found: Investigation) -> Ahead | None:
        """What the limits will ask first, while other things are read; only where they will be asked."""
        if found.state is None or found.decision.verdict is not Verdict.CONTAIN or self._mode != "act":
            return None
        return await reservations_of(self._desk).look_ahead(self._own_ids(found.state))

    async def _conclude(self, found: Investigation, order: Order | None, ahead: Ahead | None) -> Planned | None:
        """Write down case, decision and plan in one piece; give the plan if it may be carried out."""
        decided, entries = self._decided(found, order), (self._seen(found),)
        if found.decision.verdict in (Verdict.IGNORE, Verdict.WATCH):
            closing = "ignored" if found.decision.verdict is Verdict.IGNORE else "watched"
            await self._close(closing, f"rule “{found.decision.rule}” says so", *entries, decided)
            return None
        if found.state is None:
            await self._chain.write(*entries, decided, *self._unread(found.case.identity))
            return None
        if found.state.deleted_at is not None and order is None:
            why = f"It was deleted on {found.state.deleted_at:%Y-%m-%d %H:%M} UTC, so it gets no tokens."
            await self._close("not-in-tenant", f"{why} It can be restored for 30 days.", *entries, decided)
            return None
        plan = await self._plan(found.decision.actions, found.state, found.look)
        held = await self._hold_back(found.state, found, plan, order, ahead)
        if self._puts_off:
            return None
        if held:
            within = SHOWN_IN_A_WAVE if held.by == "limits" else SHOWN_WITHIN
            plan = await self._plan(found.decision.actions, found.state, found.look, shown_within=within)
        if held and held.by == "mode" and self._mode == "watch":
            await self._close("watched", "mode watch: decided, and nothing was changed", *entries, decided, plan, held)
            return None
        asked = await self._ask_owners(found, plan, held)
        if asked is not None:  # the plan waits as long as the question does, and an hour for who is called then
            plan = plan.model_copy(update={"expires_at": asked.until + LIFE})
        foreseen = await self._foresee(plan, found, held)
        questions = (asked,) if asked else ()
        await self._chain.write(*entries, decided, plan, *foreseen, *((held,) if held else ()), *questions)
        return None if held else plan

    async def _ask_owners(self, found: Investigation, plan: Planned, held: HeldBack | None) -> OwnerAsked | None:
        """The question to owners, where the rule has one and its plan waits. Who goes on without them is sent first."""
        decision = found.decision
        rule = next((each for each in self._desk.policy.rules if each.name == decision.rule), None)
        if rule is None or rule.ask_owners is None or held is None or held.by not in ("mode", "verdict"):
            return None
        owners, unread = owners_told(await found.look.owners())
        asked = ask(
            rule.ask_owners,
            plan_hash=plan.hash,
            rule=rule.name,
            met=is_met(decision.rules, rule.name),
            now=self._desk.clock(),
            earlier=self._open_question(rule.name),
            owners=owners or (),
            unread=unread,
            teams=self._seen(found).contacts,
        )
        await self._send(asked.until - self._desk.clock(), because="owners-silent")
        return asked

    def _open_question(self, rule: str) -> OwnerAsked | None:
        """
        The newest question of this rule, until somebody has answered it or it came to something. That its time is over
        alone does not end it: whoever makes news just then would be given the whole time once more.
        """
        calls = list[Escalated]()
        for line in reversed(self._chain.lines):
            match line.entry:
                case OwnerAsked() as asked if asked.rule == rule:
                    return None if any(is_call_about(call, asked) for call in calls) else asked
                case Approved(by_policy=False) | Intended() | Closed() | UndoOrdered():
                    return None
                case Escalated() as call:
                    calls.append(call)
                case _:
                    pass
        return None

    async def go_on_without_owners(self) -> None:
        """
        The time for the owners' answer is over. Where they, or anybody, have answered, nothing follows. Only mode act
        carries a plan out without a person, and then within the limits; otherwise responders are called, once.
        """
        chain, plan, now = self._chain, waiting_plan(self._chain), self._desk.clock()
        asked, approved = chain.last(OwnerAsked), chain.last(Approved)
        if approved is not None and approved.by_policy and chain.place(Approved) > chain.place(OwnerAsked):
            await self.advance("owners-silent")  # whoever wrote that may have been killed before it was carried out
            return
        if asked is None or plan is None or plan.hash != asked.plan_hash:
            return
        if chain.place(Decided) > chain.place(OwnerAsked) or not is_decided(chain):
            return  # another rule decided since, or there is news: whatever is decided on them asks, or does not
        called = any(is_call_about(call, asked) for call in chain.all(Escalated))
        if called or chain.place(Approved) > chain.place(OwnerAsked):
            await self._desk.outbox.publish_due(chain)
            return
        if now < asked.until:
            await self._put_off(self._message("owners-silent"), asked.until - now)
            return
        why = silence_of(asked)
        if asked.then == "contain" and self._mode == "act" and self._still_contains_on_silence(asked.rule):
            reason = f"{why} Rule {asked.rule} contains then."
            answer: Entry = Approved(plan_hash=plan.hash, by=BY_POLICY, reason=reason, by_policy=True)
        else:
            answer = Escalated(reason=f"{why} Nothing was changed.", todo=_approve(plan))
        try:
            await chain.write(answer, only_next=True)
        except SequenceTaken:
            await self._put_off(self._message("owners-silent"), LEASE)  # an answer may have come at this very moment
            return
        if isinstance(answer, Approved):
            await self.advance("owners-silent")
        else:
            await self._leave_the_muster()
            await self._desk.outbox.publish_due(chain)

    def _still_contains_on_silence(self, name: str) -> bool:
        """The policy may have changed since they were asked: it can stop what follows, and never widen it."""
        rule = next((each for each in self._desk.policy.rules if each.name == name), None)
        return rule is not None and rule.ask_owners is not None and rule.ask_owners.then == "contain"

    def _seen(self, found: Investigation) -> Investigated:
        """The case for the journal, with whom to call by the operator's list."""
        entry, state = as_entry(found.case), found.state
        if state is None:
            return entry
        tags = [tag for holder in state.holders for tag in holder.tags]
        teams = self._desk.contacts.of(state.identity.client_id, tags, state.owner_tenant)
        return entry.model_copy(update={"contacts": teams})

    async def _foresee(self, plan: Planned, found: Investigation, held: HeldBack | None) -> tuple[Foreseen, ...]:
        """Who breaks, beside a plan that waits for a person; what is carried out at once waits for no such read."""
        if held is None or held.by not in ("verdict", "mode", "limits") or not plan.steps:
            return ()
        if held.by == "limits":
            why = "many are reported at once, and the log's quota is not spent on them; ask for the plan's preview"
            return (not_asked(plan, why, self._desk.clock()),)
        return (foresee(plan, await found.look.sign_ins(LOG_WITHIN), found.state, self._desk.clock()),)

    def _decided(self, found: Investigation, order: Order | None) -> Decided:
        decision = found.decision
        return Decided(
            verdict=decision.verdict.value,
            rule=decision.rule,
            actions=tuple(choice.name for choice in decision.actions),
            action_options={choice.name: dict(choice.options) for choice in decision.actions if choice.options},
            rules=decision.rules,
            policy=self._desk.policy.digest,
            by_person=order.by if order else None,
            signals=sum(1 for _ in self._chain.all(SignalJoined)),
            ladder=as_told(found.climbed) if found.climbed else None,
            weighed=weigh_up(self._desk.policy, found.case, decision),
            related=self._related(found.case),
        )

    def _related(self, case: Case) -> tuple[RelatedTold, ...]:
        found = related(case, self._desk.policy.follows_changes or timedelta())
        return tuple(
            RelatedTold(
                incident=each.standing.incident,
                root=each.standing.root,
                links=each.standing.links,
                actor=each.actor.id,
                record_id=each.record.id,
                activity=each.record.activity_as_sent.strip(),
                at=each.record.at,
            )
            for each in found
            if each.standing.incident != self._incident
        )

    def _unread(self, part: Part[IdentityState]) -> tuple[Entry, ...]:
        why = part.why if isinstance(part, CouldNotLook) else "it was not read"
        if isinstance(part, CouldNotLook) and part.gone:
            return (Closed(outcome="not-in-tenant", reason=f"This tenant has no such identity: {why}"),)
        return (
            self._held(
                "unknown-identity",
                f"The identity could not be read: {why}",
                "Find out why, then order the incident again; nothing was changed.",
            ),
        )

    async def _hold_back(
        self, state: IdentityState, found: Investigation, plan: Planned, order: Order | None, ahead: Ahead | None
    ) -> HeldBack | None:
        """What keeps this plan from being carried out now, hardest first."""
        confirmed = order is not None and order.plan_hash == plan.hash
        spared = self._spare_synchronisation
        refused = self._refuse(state, plan) or await spared(state, plan, found.look, confirmed=confirmed)
        if refused:
            return refused
        if order and order.plan_hash and order.plan_hash != plan.hash:
            return self._held("verdict", "The plan that was ordered is not the plan of now.", _approve(plan))
        if people_needed(step.action for step in plan.steps) > 1:
            return self._held("verdict", "This takes two people.", _second_person(order.by if order else None, plan))
        if self._mode == "ask" and not confirmed:
            return self._held("mode", "Mode ask: every plan waits for a person.", _approve(plan))
        if found.decision.verdict is Verdict.ASK and not confirmed:
            return self._held("verdict", "The policy asks a person.", _approve(plan))
        return await self._over_limit(state, plan, confirmed=confirmed, named=order is not None, ahead=ahead)

    def _refuse(self, state: IdentityState, plan: Planned) -> HeldBack | None:
        """What no person's word can lift."""
        protected = why_protected(state, self._desk.policy.protected, self._desk.own_ids)
        if protected:
            return self._held("protected", f"This identity is never touched: {protected}.", _BY_HAND)
        cannot_run = why_nothing_contains(plan)
        if cannot_run:
            log.error("incident %s is not contained: %s", self._incident, cannot_run)
            return self._held("preflight", cannot_run, "Mend that, then order the incident again; nothing was changed.")
        if nothing := why_nothing_is_done(plan):
            return self._held("preflight", nothing, _OTHERWISE)
        if self._mode == "watch":
            return self._held("mode", "Mode watch: Cordon decides and changes nothing.")
        return None

    def _is_one_person(self, plan: Planned) -> HeldBack | None:
        """Checked where the answer is taken in, and once more before the effect."""
        decided, approved = self._chain.last(Decided), self._chain.last(Approved)
        ordered_by, approved_by = decided.by_person if decided else None, approved.by if approved else None
        if people_needed(step.action for step in plan.steps) < 2 or not same_person(ordered_by, approved_by):
            return None
        return self._held("verdict", "One person ordered and approved it.", _second_person(ordered_by, plan))

    async def _spare_synchronisation(
        self, state: IdentityState, plan: Planned, look: Look, *, confirmed: bool
    ) -> HeldBack | None:
        """
        Directory synchronisation is never touched; where it cannot be told, nothing is touched either. A passing
        fault is nobody's business yet: as with every other read, the next attempt looks again. `confirmed`: a person
        has decided on this very plan, which settles what only a person may, and nothing else.
        """
        match await synchronises(state, look):
            case None:
                return None
            case Doubt(why, may_help_later):
                self._puts_off = may_help_later and attempts_left(self._chain)
                return self._held("protected", f"Nothing was changed: {why}.", _MEND_AND_ORDER)
            case Question(why):
                return None if confirmed else self._held("verdict", f"{why}.", _approve(plan))
            case str(why):
                return self._held("protected", f"This identity is never touched: {why}.", _BY_HAND)

    async def _over_limit(
        self,
        state: IdentityState,
        plan: Planned,
        *,
        confirmed: bool,
        named: bool = False,
        ahead: Ahead | None = None,
    ) -> HeldBack | None:
        desk, principal = self._desk, state.identity.principal_id
        wanted = Spent(principal, desk.clock(), deeds_of(plan.steps), self._known_as(principal))
        own = self._own_ids(state)
        over = await reservations_of(desk).reserve(wanted, own, confirmed=confirmed, named=named, ahead=ahead)
        return self._held("limits", f"Over the limit: {over.reason}.", _approve(plan)) if over else None

    def _own_ids(self, state: IdentityState) -> list[str]:
        found = state.identity
        also = (found.client_id, found.app_object_id, found.principal_id)
        return [*known_ids(self._chain), *(id_ for id_ in also if id_)]

    def _known_as(self, principal: PrincipalId) -> str | None:
        """The id under which the first signal reported it, where that is another than the principal's."""
        opened = self._chain.last(Opened)
        subject = opened.subject if opened else None
        if subject is None or subject.principal_id == principal:
            return None
        return subject.client_id or subject.app_object_id

    def _held(self, by: str, reason: str, todo: str | None = None) -> HeldBack:
        return HeldBack.model_validate({"by": by, "reason": reason, "todo": todo, "mode": self._mode})

    # Doing

    async def _carry_out(self, plan: Planned, look: Look | None, *, looked: bool = False) -> bool:
        forbidden = self._forbidden_now(plan)
        if forbidden:
            await self._chain.write(forbidden)
            return True
        execution = self._execution()
        if look is None and not looked:  # resumed, or news about a contained identity: what was proven is proven afresh
            undone = await self._undone(plan)
            if undone and self._chain.last(RechecksSet) is not None:
                await self._chain.write(self._rechecked(undone, 0, 0, trigger="news"))
        return await execution.carry_out(plan, look)

    def _forbidden_now(self, plan: Planned) -> HeldBack | None:
        """Settings and policy may have changed since the plan was made; they can stop it, never widen it."""
        desk, todo = self._desk, "It was begun: look at what was done, and do or undo the rest by hand."
        ids = (*known_ids(self._chain), *(step.target_id for step in plan.steps))
        protected = why_ids_protected(ids, desk.policy.protected, desk.own_ids)
        if protected:
            return self._held("protected", f"This identity is not touched any more: {protected}.", todo)
        if self._mode == "watch":
            return self._held("mode", "Mode watch: Cordon changes nothing any more.", todo)
        return None

    def _execution(self) -> Execution:
        desk = self._desk
        subject, planned_at, precedence = subject_of(self._chain), self._planned_at, desk.precedence
        return Execution(desk.tenant, self._chain, desk.switch, subject, desk.clock, planned_at, precedence)

    async def _contain_again(self, plan: Planned) -> None:
        """Somebody undid it: do it again. The later look that saw it is in the journal, and counts as a strike."""
        await self._send_resume()
        await self._begin("recheck")
        done = await self._carry_out(plan, None, looked=True)
        await self._end(plan, done=done)

    async def _tell_of_fight(self) -> None:
        """Name who undid it, and call a person at the cap and each time it doubles."""
        strikes = self._strikes()
        calls = strikes in {STRIKES << doubled for doubled in range(32)}
        if strikes < STRIKES or calls or self._fight_is_over():
            await self._name_actors()
        if self._fight_is_over():
            await self._chain.write(
                Escalated(
                    reason=f"The fight goes on: undone {strikes} times, by {self._actors()}. Cordon contained it once "
                    "more and stops here.",
                    todo=f"Cut the actor: {self._actors()}. Then order this incident again.",
                )
            )
        elif calls:
            await self._chain.write(
                Escalated(
                    reason=f"The containment was undone {strikes} times by somebody else: {self._actors()}.",
                    todo=f"Contain the actor too: {self._actors()}; Cordon keeps containing this one.",
                )
            )

    async def _tell_of_blind_looks(self) -> None:
        """Each look that cannot see leads to another write: that has an end as well, and no actor."""
        look = self._chain.last(Rechecked)
        findings = "; ".join(look.findings) if look else ""
        await self._chain.write(
            Escalated(
                reason=f"Later looks found it undone or could not be read, {self._recent_setbacks()} times within a "
                f"day, the last time: {findings}. Cordon contained it once more and stops looking.",
                todo="Look at the identity yourself. When the read works again, order this incident again.",
            )
        )

    async def _name_actors(self) -> bool:
        """
        Read the audit log for who worked against the containment; whether that is told by now. It lags; what is not
        there yet is found later.
        """
        chain = self._chain
        gathered = await self._execution().new_look().gather(frozenset({PartName.AUDITS}))
        if not isinstance(gathered.audits, Known):
            log.info("incident %s: who undid it could not be read yet", self._incident)
            return False
        known, since = {move.record_id for move in chain.all(CounterMove)}, self._first_applied()
        moves = [
            _counter_move(record)
            for record in sorted(gathered.audits.value, key=lambda record: record.at)
            if record.at >= since and record.id not in known and is_counter_move(record) and not self._is_own(record)
        ]
        if moves:
            await chain.write(*moves[:_MOVES_A_LOOK])
        return bool(moves)

    def _first_applied(self) -> datetime:
        lines = (line.record.time for line in self._chain.lines if isinstance(line.entry, Applied))
        return next(lines, self._desk.clock())

    def _is_own(self, record: AuditRecord) -> bool:
        own = self._desk.own_ids
        return record.actor.principal_id in own or record.actor.client_id in own

    def _actors(self) -> str:
        """Who did it, most active first."""
        counted = Counter(move.actor for move in self._chain.all(CounterMove))
        return ", ".join(actor for actor, _ in counted.most_common(3)) or "somebody the audit log does not show yet"

    # Undoing

    async def _undo_if_ordered(self) -> bool:
        """Carry out an order to undo, before all else. True if the work goes on after it: there is something new."""
        chain, order = self._chain, undo_under_way(self._chain)
        if order is None:
            return True
        forbidden = self._undo_forbidden(order)
        undoing = Undoing(self._desk.tenant, chain, self._desk.switch, subject_of(chain), self._desk.clock)
        done = False if forbidden else await undoing.carry_out(order)
        held = chain.last(HeldBack)
        if held and held.by == "switch" and chain.place(HeldBack) > chain.place(WorkStarted):
            await chain.write(WorkEnded())
            return False
        if not done and not forbidden and attempts_left(chain):
            await self._try_later("not every step is proven back")
            return False
        return await self._end_undo(order, undoing, forbidden)

    async def _end_undo(self, order: UndoOrdered, undoing: Undoing, forbidden: HeldBack | None) -> bool:
        """Say how it ended, and close the incident; where a signal has come meanwhile, that is decided next."""
        chain = self._chain
        left = [forbidden.reason] if forbidden else list(_left_of_undo(chain, order, undoing))
        reason = "; ".join(left) or "everything that can come back is proven back"
        ended = UndoEnded(whole=not left, reason=reason)
        await self._watch_the_rest(order)
        if is_undecided_since_undo(chain):
            await chain.write(ended)
            return True
        await self._close("needs-attention" if left else "released", reason, ended)
        await chain.write(WorkEnded())
        return False

    async def _watch_the_rest(self, order: UndoOrdered) -> None:
        """What the order left is looked at from now on as before it; where it left nothing, news go elsewhere."""
        chain, chosen = self._chain, ordered_steps(self._chain, order)
        left = [step for step in steps_to_undo(chain) if step not in chosen and not is_back(chain, step.id)]
        if order.steps is not None and any(step.watched for step in left):
            await self._set_rechecks()
        else:
            await unmark(self._desk.store.documents, self._incident, known_ids(chain), name_seen(chain))

    def _undo_forbidden(self, order: UndoOrdered) -> HeldBack | None:
        desk = self._desk
        ids = (*known_ids(self._chain), *(step.target_id for step in ordered_steps(self._chain, order)))
        protected = why_ids_protected(ids, desk.policy.protected, desk.own_ids)
        if protected:
            return self._held("protected", f"This identity is not touched any more: {protected}.", _BY_HAND)
        return self._held("mode", "Mode watch: Cordon changes nothing.", _BY_HAND) if desk.mode == "watch" else None

    # Ending

    async def _end(self, plan: Planned | None, *, done: bool) -> None:
        """Set the later looks, or the next attempt; then put the incident down."""
        if self._chain.place(Closed) > self._chain.place(WorkStarted):
            await self._chain.write(WorkEnded())
            return
        if done and plan is not None and (why := dismissed_because(self._chain) or self._dismissed_by_rule(plan)):
            await self._chain.write(WorkEnded())
            await self._close("dismissed", why)
            return
        undecided = self._puts_off or (plan is None and not is_decided(self._chain))
        stopped = self._chain.last(HeldBack)
        switched_off = (
            stopped is not None
            and stopped.by == "switch"
            and self._chain.place(HeldBack) > self._chain.place(WorkStarted)
        )
        if self._chain.place(Rechecked) > self._put_down_before() and self._is_set_back():
            if self._is_struck():
                await self._tell_of_fight()
            elif self._fight_is_over():
                await self._tell_of_blind_looks()
            if self._fight_is_over():
                why = "a later look failed again and again; it was contained once more, and a person was called"
                await self._close("needs-attention", why)
                await self._chain.write(WorkEnded())
                return
        if plan is not None and self._has_proof(plan):
            await self._set_rechecks()
        if plan is not None and not switched_off:
            await self._set_off_rotation(plan)
            await self._set_off_following(plan)
        if (done and not undecided) or switched_off:
            await self._chain.write(WorkEnded())
        else:
            await self._go_on_later(None if undecided else plan)

    async def _go_on_later(self, plan: Planned | None) -> None:
        """`plan`: what is not proven yet; None: it is not decided yet."""
        if left := self._left_by_deletion(plan):
            await self._leave_to_a_person(left)
        else:
            await self._try_later(
                "not every step is proven" if plan else "what has to be known first could not be read"
            )

    def _dismissed_by_rule(self, plan: Planned) -> str | None:
        """Why the incident is over, if a rule asked for the dismissal of its risk alone, and that is proven."""
        decided, approved, execution = self._chain.last(Decided), self._chain.last(Approved), self._execution()
        proven = all(execution.is_settled(step) and not self._is_stopped(step) for step in plan.steps)
        if decided is None or decided.by_person or decided.actions != ("dismiss-risk",) or not plan.steps or not proven:
            return None
        if approved is not None and self._chain.place(Approved) > self._chain.place(Decided):
            return f"dismissed by {approved.by}: {approved.reason} (rule “{decided.rule}”)"
        return f"dismissed: rule “{decided.rule}” says so"

    def _left_by_deletion(self, plan: Planned | None) -> tuple[str, ...]:
        """The steps that can be neither done nor looked at, because somebody deleted what others of them rest on."""
        if plan is None or not self._execution().rests_on_what_is_deleted(plan.steps):
            return ()
        looks = [(step.id, self._chain.last(Verified, step.id)) for step in plan.steps]
        return tuple(id_ for id_, look in looks if look is not None and look.answer == "unknown")

    async def _leave_to_a_person(self, left: Sequence[str]) -> None:
        """To try again proves nothing more, and would be called containing for half an hour; told once."""
        reason = f"Somebody deleted the identity. What is left of the plan cannot be looked at: {', '.join(left)}."
        told = any(call.reason == reason for call in self._chain.all(Escalated))
        todo = (
            "Look in the Entra admin centre whether its application is still there: then its credentials are, too, and "
            "whoever makes another service principal for it can use them. Delete it, or take them away by hand."
        )
        calls = () if told else (Escalated(reason=reason, todo=todo),)
        await self._chain.write(*calls, WorkEnded(reason="what is left rests on what was deleted"))

    async def _try_later(self, why: str) -> None:
        tries = attempts(self._chain)
        if tries > len(RETRIES):
            await self._chain.write(
                Escalated(reason=f"After {tries} attempts {why}.", todo="Look at the report and do it by hand."),
                WorkEnded(reason=why),
            )
            return
        wait = timedelta(seconds=RETRIES[tries - 1])
        again_at = self._desk.clock() + wait
        await self._send(wait, because="resumed")
        await self._chain.write(WorkEnded(more=True, reason=why, again_at=again_at))

    async def _set_off_rotation(self, plan: Planned) -> None:
        """
        What the identity exposed is rotated once it is cut off: before that it would read the new values as well.
        The message first, then the word that it was sent: sent twice, it does nothing the second time.
        """
        asked = any(step.lasting for step in plan.steps)
        begun = self._chain.place(SecretsBegun) > self._chain.place(Planned)
        if not asked or begun or not self._is_cut_off(plan):
            return
        await self._send(timedelta(), because="rotation")
        await self._chain.write(SecretsBegun(plan_hash=plan.hash))

    async def _set_off_following(self, plan: Planned) -> None:
        """What it changed before it was cut off is looked for, if a rule asks for such changes. As with a rotation."""
        chain, cuts = self._chain, any(step.contains for step in plan.steps)
        begun = chain.place(FollowSet) > chain.place(Planned)
        if begun or not cuts or self._desk.policy.follows_changes is None or not self._is_cut_off(plan):
            return
        await self._send(timedelta(), because="follow")
        await chain.write(FollowSet(plan_hash=plan.hash))

    async def note(self, *entries: Entry) -> None:
        """What was found out beside the work."""
        await self._chain.write(*entries)
        await self._desk.outbox.publish_due(self._chain)

    def _is_cut_off(self, plan: Planned) -> bool:
        """Every containing step is proven or given up, and one of them holds, if there are any."""
        execution = self._execution()
        cuts = [step for step in plan.steps if step.contains]
        settled = [step for step in cuts if execution.is_settled(step)]
        over = len(settled) == len(cuts) or not attempts_left(self._chain)
        return over and (not cuts or any(not self._is_stopped(step) for step in settled))

    async def _set_rechecks(self) -> None:
        """Send the messages for the later looks, then write down that they were sent."""
        newest = self._chain.last(RechecksSet)
        written = max(self._chain.place(Applied), self._chain.place(UndoOrdered))
        if newest and self._chain.place(RechecksSet) > written and not self._is_blind_at_the_end(newest):
            return
        if newest is None or max(map(self._chain.place, (UndoOrdered, Planned))) > self._chain.place(RechecksSet):
            await self._watch()
        series = newest.series + 1 if newest else 1
        after = (self._first_look(), *(max(seconds, self._first_look()) for seconds in RECHECKS[1:]))
        chained = self._recent_setbacks() >= STRIKES
        for place, seconds in enumerate(after[:1] if chained else after, start=1):
            await self._desk.store.queue.send(self._recheck_message(series, place), timedelta(seconds=seconds))
        await self._chain.write(RechecksSet(series=series, after=after, chained=chained))

    def _is_blind_at_the_end(self, newest: RechecksSet) -> bool:
        """
        Whether a look could not see, nothing had to be written for it, and no other look of the series is to come:
        nobody would ever say how it ended.
        """
        blind = self._is_set_back() and self._chain.place(Rechecked) > self._chain.place(RechecksSet)
        return blind and self._told(newest.series, len(newest.after)) is not None

    async def _watch(self) -> None:
        """From now on every audit record about this identity, and about the policy that it relies on, is news."""
        chain = self._chain
        steps = [step for plan in chain.all(Planned) for step in plan.steps]
        made = (applied.made.get("policyId") for applied in chain.all(Applied))
        await mark(
            self._desk.store.documents,
            self._incident,
            known_ids(chain),
            name_seen(chain),
            policy=any(step.action == "require-risk-policy" for step in steps),
            policy_id=next((id_ for id_ in made if isinstance(id_, str)), None),
        )

    def _first_look(self) -> float:
        """Seconds; further apart in a fight that lasts, for each round costs quota that others need, and journal."""
        strikes = self._recent_setbacks()
        rounds = max(0, strikes - STRIKES + 1)
        near = min(RECHECKS[0] * 2 ** min(rounds, 10), _LONGEST_FIRST_LOOK)
        return min(near * 2 ** max(0, strikes - _CLOSE_ROUNDS), _LONGEST_DISTANCE)

    def _recent_setbacks(self) -> int:
        """Looks that found it undone, and those that could not see: both are contained again, so both keep distance."""
        since = self._desk.clock() - FIGHT_WINDOW
        undone = self._chain.place(UndoOrdered)  # what was struck before was given up with it
        looks = self._chain.told(Rechecked)
        counted = (look for record, look in looks if record.sequence > undone and record.time > since)
        return sum(1 for look in counted if look.answer != "held")

    def _fight_is_over(self) -> bool:
        return self._recent_setbacks() >= FIGHT_ROUNDS

    def _keeps_distance(self) -> bool:
        """In a fight: whether the next look is set already and not due yet, and no person asks for anything."""
        chain, struck = self._chain, self._recent_setbacks() >= STRIKES
        newest = chain.last(RechecksSet)
        behind = max(chain.place(kind) for kind in (Rechecked, Applied, Planned, Approved))
        if not struck or newest is None or chain.place(RechecksSet) < behind:
            return False
        if active_plan(chain) is None or order_in(chain, since=looked_until(chain)) is not None:
            return False
        due = chain.records[chain.place(RechecksSet)].time + timedelta(seconds=newest.after[0])
        return self._desk.clock() < due

    def _put_down_before(self) -> int:
        """The place where the attempt before this one was put down, or -1."""
        return self._chain.place(WorkEnded)

    def _strikes(self) -> int:
        lines = self._chain.lines[self._chain.place(UndoOrdered) + 1 :]
        return sum(1 for line in lines if isinstance(line.entry, Rechecked) and line.entry.answer == "not-held")

    async def _close(self, outcome: str, reason: str, *entries: Entry) -> None:
        """
        Write the end in one piece with what led to it; then let the next signal open another incident. Where a risk was
        only noted, the ids stay: the other list may tell of the same one, and takes the incident up again.

        Where a signal joined meanwhile, nothing is closed: SequenceTaken is raised, and its message sees to it.
        """
        closed = Closed.model_validate({"outcome": outcome, "reason": reason})
        await self._chain.write(*entries, closed, only_next=True)
        if closed.outcome not in ("watched", "ignored") or not hears_of_risk(self._chain):
            await self._desk.inbox.release(self._incident, known_ids(self._chain))

    # Small things

    @property
    def _mode(self) -> str:
        """The more careful of the mode the incident was opened in and the mode of now."""
        opened, careful = self._chain.last(Opened), ("watch", "ask", "act")
        return min(self._desk.mode, opened.mode if opened else "watch", key=careful.index)

    def _is_busy(self) -> bool:
        """Another instance wrote a moment ago and did not put the incident down."""
        chain, desk = self._chain, self._desk
        started = chain.last(WorkStarted)
        if started is None or chain.place(WorkEnded) > chain.place(WorkStarted) or started.instance == desk.instance:
            return False
        silence = desk.clock() - chain.records[-1].time
        return silence < LEASE

    def _too_early(self) -> timedelta | None:
        """
        How long until the next attempt is due. Any message may come meanwhile (that of a worker that did not
        crash, say), and each would burn an attempt.
        """
        due, longest = due_at(self._chain), timedelta(seconds=max(RETRIES))
        early = due - self._desk.clock() if due else timedelta()
        return min(early, longest) if early > timedelta() else None

    async def _begin(self, because: str) -> None:
        attempt = sum(1 for _ in self._chain.all(WorkStarted)) + 1
        await self._chain.write(WorkStarted(attempt=attempt, instance=self._desk.instance, because=because))

    async def _send(self, delay: timedelta, *, because: str) -> None:
        await self._desk.store.queue.send(self._message(because), delay)

    async def _put_off(self, message: JsonObject, delay: timedelta) -> None:
        await put_off(self._desk, message, delay)

    def _message(self, because: str) -> JsonObject:
        return {"incident": self._incident, "because": because}

    def _watch_message(self, *, enabled: bool, asked: bool) -> JsonObject:
        return {**self._message("watch"), "enabled": enabled, "asked": asked}

    async def _send_resume(self) -> None:
        await send_resume(self._desk, self._incident, lambda: self._send(RESUME_AFTER, because="resumed"))

    def _has_proof(self, plan: Planned) -> bool:
        execution = self._execution()
        return any(self._is_watched(step, execution) for step in plan.steps)

    def _is_watched(self, step: PlannedStep, execution: Execution) -> bool:
        return step.watched and execution.is_settled(step) and not self._is_stopped(step)

    def _was_just_lost(self, step: PlannedStep) -> bool:
        """A look found it undone, and was killed before it could say so: nothing was written down since."""
        answer, chain = self._chain.last(Verified, step.id), self._chain
        told = max(chain.place(Rechecked), chain.place(WorkStarted), chain.place(RechecksSet))
        return step.watched and answer is not None and answer.answer != "held" and chain.place(Verified, step.id) > told

    def _is_stopped(self, step: PlannedStep) -> bool:
        planned = self._chain.place(Planned) if self._planned_at is None else self._planned_at
        return self._chain.place(StepStopped, step.id) > planned

    def _recheck_message(self, series: int, place: int) -> JsonObject:
        return {**self._message("recheck"), "series": series, "place": place}

    def _told(self, series: int, place: int) -> Line | None:
        """What was written down of this look, if it was taken."""
        lines = (line for line in self._chain.lines if isinstance(line.entry, Rechecked))
        return next((line for line in lines if _place_of(line.entry) == (series, place)), None)

    def _rechecked(
        self, undone: list[PlannedStep], series: int, place: int, *, trigger: Literal["schedule", "news"] = "schedule"
    ) -> Rechecked:
        chain = self._chain
        answers = [chain.last(Verified, step.id) for step in undone]
        unknown = bool(undone) and all(v is not None and v.answer == "unknown" for v in answers)
        return Rechecked(
            number=place,
            series=series,
            after_seconds=(self._desk.clock() - chain.records[chain.place(RechecksSet)].time).total_seconds(),
            answer="held" if not undone else "unknown" if unknown else "not-held",
            findings=tuple(v.proof for v in answers if v is not None),
            last=place == len(RECHECKS) and not undone,
            trigger=trigger,
        )


async def watched_by(desk: Desk, ids: Sequence[str]) -> Chain | None:
    """
    The incident that watches an identity. One whose journal is damaged is told as such in health; it stops nothing
    that is decided now.
    """
    incident = await watcher(desk.store.documents, ids)
    if incident is None:
        return None
    try:
        return await read_noting(desk.store, incident, desk.clock)
    except JournalDamaged as damage:
        log.error("what stands of incident %s is not watched on: %s", incident, damage)  # noqa: TRY400 - says it all
        return None


def reservations_of(desk: Desk) -> Reservations:
    """The limits' window, by this desk's policy."""
    limits, documents = desk.policy.limits, desk.store.documents
    return Reservations(documents, desk.tenant.directory, desk.muster, limits, desk.clock, desk.turn)


def _place_of(entry: Entry) -> tuple[int, int] | None:
    return (entry.series, entry.number) if isinstance(entry, Rechecked) and entry.trigger == "schedule" else None


_MEND_AND_ORDER = (
    "Give Cordon's reader the permissions of docs/permissions.md, or wait until Graph answers, then order the incident "
    "again."
)


def name_seen(chain: Chain) -> str:
    """The name under which the identity is watched for, or nothing."""
    seen = chain.last(Investigated)
    return seen.identity.display_name if seen and seen.identity else ""


def _left_of_undo(chain: Chain, order: UndoOrdered, undoing: Undoing) -> Iterator[str]:
    """What keeps this undo from being whole, for a person to do."""
    chosen = ordered_steps(chain, order)
    for step in chosen:
        stopped = chain.last(UndoStopped, step.id)
        if stopped and chain.place(UndoStopped, step.id) > chain.place(UndoOrdered):
            yield f"{step.id} could not be put back: {stopped.reason}"
        elif not undoing.is_settled(step):
            yield f"{step.id} is not proven back"
        intended = chain.last(UndoIntended, step.id)
        fresh = chain.place(UndoIntended, step.id) > chain.place(UndoOrdered)
        for drift in intended.drifted if intended and fresh else ():
            yield (
                f"{drift.property} was changed by somebody else and left so: before {drift.before}, "
                f"left by Cordon {drift.left}, now {drift.now}"
            )
    for step in steps_to_undo(chain):
        stays = order.steps is None and step.action == RESTORE
        if step not in chosen and not stays and not is_back(chain, step.id):
            yield f"{step.id} was not part of the order, and stands"


def _counter_move(record: AuditRecord) -> CounterMove:
    actor = record.actor
    where = f" from {actor.ip_address}" if actor.ip_address else ""
    name = actor.user_name or actor.user_id
    who = f"user {name}" if name else f"application {actor.principal_id or actor.client_id or 'not named by the log'}"
    return CounterMove(
        record_id=record.id,
        activity=record.activity_as_sent.strip(),
        at=record.at,
        actor=one_line(who + where, 300),
        user_id=actor.user_id,
        principal_id=actor.principal_id,
        client_id=actor.client_id,
        ip_address=actor.ip_address,
    )


_BY_HAND = "Decide yourself and act in the Entra admin centre; Cordon will not."


_OTHERWISE = "Order another action, or do by hand in the Entra admin centre what is still wanted."


def _second_person(by: str | None, plan: Planned) -> str:
    return (
        f"Somebody other than {by or 'who ordered it'} looks at the plan and approves it: POST "
        f"/api/incidents/ID/approval with planHash {plan.hash}."
    )


def _if_it_goes_on(plan: Planned) -> str:
    """What wins against somebody who changes the identity faster than people answer: a plan that shows none of it."""
    if {step.action for step in plan.steps} == {"block-sign-in"} or not any(step.contains for step in plan.steps):
        return ""
    return " If it goes on changing, order block-sign-in alone and approve that: such a plan does not change with it."


_BESIDE = frozenset({PartName.GRANTS, PartName.RISK})


def _bound_beside(plan: Planned) -> list[tuple[str, tuple[Change, ...]]]:
    """
    What a plan tells that no fingerprint of the identity covers, and that is approved all the same: the grants that it
    takes, and the risk that it dismisses. What else is only shown keeps no cut waiting, and is left to its undo.
    """
    return [(s.id, s.changes) for s in plan.steps if parts_to_plan(s.action, s.options) & _BESIDE]


def _approve(plan: Planned) -> str:
    return f"Look at the plan and, if you agree, order it: POST /api/incidents with planHash {plan.hash}."
