"""
One incident in hand: from its signals to a decision, to effects, to proof. `advance` and `recheck` can be
killed on any line; called again, they go on from what the journal says.
"""

import logging
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta

from shared.chain import Chain
from shared.deciding import BY_HAND, Deciding, approve
from shared.desk import (
    LEASE,
    RESUME_AFTER,
    Desk,
    close,
    hold,
    mode_of,
    put_off,
    send_resume,
    watched_by,
)
from shared.entries import (
    SIGNING_KEYS_IN_DOUBT,
    Applied,
    Approved,
    Closed,
    Decided,
    Entry,
    Escalated,
    FollowSet,
    FoundInPlace,
    HeldBack,
    Investigated,
    OwnerAsked,
    Planned,
    Rechecked,
    RechecksSet,
    SecretsBegun,
    SecretsEnded,
    SignalJoined,
    UndoEnded,
    UndoIntended,
    UndoOrdered,
    UndoStopped,
    Verified,
    WorkEnded,
    WorkStarted,
)
from shared.errors import RivalActs, SequenceTaken
from shared.fight import (
    RECHECKS,
    STRIKES,
    fight_is_over,
    first_look,
    is_blind_at_the_end,
    is_set_back,
    is_struck,
    is_written_since,
    keeps_distance,
    left_of_race_window,
    recent_setbacks,
    told_look,
)
from shared.history import History
from shared.identity import IdentityRef
from shared.journal import IncidentId
from shared.later_looks import LaterLooks
from shared.look import Look
from shared.orders import dismissed_because
from shared.owner_question import BY_POLICY, is_call_about, silence_of
from shared.protection import why_ids_protected
from shared.relations import note_member
from shared.residual import cut_since, last_look
from shared.rotation_message import SetOff, rotation_message
from shared.signal import JsonObject
from shared.standing import (
    RETRIES,
    active_plan,
    attempts,
    attempts_left,
    due_at,
    is_back,
    is_closed,
    is_decided,
    is_let_go,
    known_ids,
    needs_work,
    standing_plan,
    subject_of,
    undo_under_way,
    undo_was_given_up,
    waiting_plan,
    waits_for_a_look,
)
from shared.suspicion import origin_of, remember
from shared.undo import RESTORE, Undoing, ordered_steps, steps_to_undo, untouched_by
from shared.watch import mark, unmark

_FORESEEN_AT = 2  # the place of the later look that also reads who got tokens: the cut is proven twice by then
_UNKNOWN = "what has to be known first could not be read"  # why an attempt was put off that had to decide
_LOG_LAG = timedelta(minutes=20)  # within which Graph's log usually shows a record

log = logging.getLogger("cordon")


class Work:
    """One instance's work on one incident."""

    def __init__(self, desk: Desk, chain: Chain) -> None:
        self._desk, self._chain = desk, chain
        self._looks = LaterLooks(desk, chain)
        self._deciding = Deciding(desk, chain, self._looks)

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
        if keeps_distance(self._chain, self._desk.clock()):
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
        self._looks.planned_at = None  # a look that this follows may have been at an older plan
        try:
            plan, look = await self._deciding.decide_if_due()
            done = await self._carry_out(plan, look) if plan else True
            if not self._deciding.judged and not self._deciding.puts_off:
                return await self._judge_too(plan, done=done)
            return plan, done
        finally:
            self._desk.precedence.leave(self._incident)

    async def _judge_too(self, plan: Planned | None, *, done: bool) -> tuple[Planned | None, bool]:
        """
        Behind what could not wait for it: decide on what joined before this attempt began, for it answers that.
        """
        if is_closed(self._chain) or (plan is not None and is_decided(self._chain)):
            return plan, done
        return await self._decide_behind(plan, done=done, approved=False)

    async def _decide_behind(self, plan: Planned | None, *, done: bool, approved: bool) -> tuple[Planned | None, bool]:
        """
        The plan that deciding leads to, where it asks for more and may be carried out, or else the one that was carried
        out: that is watched on beside one that waits.
        """
        at = self._looks.place_of_plan
        more, look = await self._deciding.decide_if_due(approved=approved)
        if more is not None and look is not None:
            self._looks.planned_at = None
        elif plan is not None:
            self._looks.planned_at = at
            return plan, done
        return more, await self._carry_out(more, look) if more else done

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
        if asked is None or plan is None or plan.hash != asked.plan_hash or mode_of(self._desk, self._chain) != "act":
            return None
        answered = max(chain.place(Approved), chain.place(Decided)) > chain.place(OwnerAsked)
        waits = asked.then == "contain" and self._deciding.still_contains_on_silence(asked.rule) and not answered
        return asked.until if waits and not any(is_call_about(call, asked) for call in chain.all(Escalated)) else None

    async def recheck(self, series: int, place: int, written: int | None = None) -> None:
        """
        Look again at a contained identity, and contain again what was undone. `written` is the place of the newest
        write when the look was set; None: its message does not tell.

        A look that a rival kept from being taken is taken later: nobody else would.
        """
        standing, newest = standing_plan(self._chain), self._chain.last(RechecksSet)
        if (
            standing is None
            or newest is None
            or newest.series != series
            or fight_is_over(self._chain, self._desk.clock())
        ):
            return
        if written is not None and written < self._chain.place(Applied) < self._chain.place(RechecksSet):
            return  # of an attempt that failed before it wrote the series down: the next one has set these looks anew
        plan, self._looks.planned_at = standing
        message = self._recheck_message(series, place, written)
        if self._is_busy() or (
            told_look(self._chain, series, place) is None and is_written_since(self._chain, self._desk.clock())
        ):
            await self._put_off(message, LEASE)
            return
        early = left_of_race_window(self._chain, self._desk.clock())
        if early and told_look(self._chain, series, place) is None:
            await self._put_off(message, early)
            return
        if newest.chained and place < len(newest.after) and told_look(self._chain, series, place) is None:
            gap = newest.after[place] - newest.after[place - 1]
            await self._put_off(self._recheck_message(series, place + 1, written), timedelta(seconds=gap))
        try:
            await self._look_again(plan, series, place)
        except RivalActs:
            await self._put_off(message, LEASE)
            raise
        await self._desk.outbox.publish_due(self._chain)

    async def _look_again(self, plan: Planned, series: int, place: int) -> None:
        """Look, write down what was seen, and do what follows; whoever was killed in between goes on from there."""
        chain, standing = self._chain, standing_plan(self._chain)
        if told_look(self._chain, series, place) is None:
            undone = await self._looks.undone(plan)
            calls, holes = await self._looks.read_sign_ins(series, place)
            undone += [step for step in plan.steps if step.id in holes and step not in undone]
            await chain.write(*calls, self._looks.rechecked(undone, series, place))
        told = told_look(self._chain, series, place)
        if told is None:
            return
        if isinstance(told.entry, Rechecked) and told.entry.answer != "held":
            if chain.place(WorkStarted) < told.record.sequence:
                await self._contain_again(plan)
        else:
            if needs_work(chain):  # in a fight, the message that calls for it kept the distance of this look
                await self.advance("signal" if _waits_to_be_judged(chain) else "resumed")
            if chain.place(SecretsEnded) > chain.place(SecretsBegun) and not self._is_switched_off():
                await self._set_off_again(plan)  # it may have ended while the identity was contained again
            newest = max(chain.place(Closed), chain.place(RechecksSet)) < told.record.sequence
            if newest and active_plan(chain) is not None and not is_let_go(chain) and place == len(RECHECKS):
                if needs_work(chain) or standing_plan(chain) != standing:  # how it ends is not known before that
                    await self._put_off(self._recheck_message(series, place, None), LEASE)
                else:
                    await self._close_after_looks(plan)
        if isinstance(told.entry, Rechecked) and told.entry.answer == "held" and place == _FORESEEN_AT:
            await self._looks.foresee_after(plan)

    async def look_at_news(self, *, enabled: bool = False, asked: bool = False) -> None:
        """
        Something happened that may have undone a containment, also one that was closed long ago: look, and
        contain again what was undone. In a fight the looks that are set keep the distance; news are no excuse.

        `enabled`: a record tells that sign-in was allowed. Where it is blocked again by now, the log is asked all the
        same: tokens may have been issued in between, and live longer than those of before. `asked`: it was asked
        before, and did not show the record yet.
        """
        chain, standing = self._chain, standing_plan(self._chain)
        if (
            standing is None
            or chain.last(RechecksSet) is None
            or fight_is_over(self._chain, self._desk.clock())
            or keeps_distance(self._chain, self._desk.clock())
        ):
            return
        if self._is_busy():
            await self._put_off(self._watch_message(enabled=enabled, asked=asked), LEASE)
            return
        plan, self._looks.planned_at = standing
        left_over = is_set_back(self._chain) and chain.place(WorkStarted) < chain.place(Rechecked)
        if not left_over:
            undone = await self._looks.undone(plan)
            if undone:
                await chain.write(self._looks.rechecked(undone, 0, 0, trigger="news"))
            left_over = bool(undone)  # what could not be seen is tried for again, or nobody would look any more
            if enabled and not undone:
                if not await self._looks.name_actors() and not asked:
                    await self._desk.store.queue.send(self._watch_message(enabled=True, asked=True), _LOG_LAG)
                await self._tell_rotation()
                await self._set_off_again(plan)
        if left_over:
            await self._contain_again(plan)
        await self._desk.outbox.publish_due(chain)

    async def _close_after_looks(self, plan: Planned) -> None:
        """Contained is only what was carried out whole: a step that was given up is a person's to do."""
        execution = self._looks.execution()
        if any(outcome.outcome == SIGNING_KEYS_IN_DOUBT for outcome in plan.not_done):
            await close(
                self._desk,
                self._chain,
                "needs-attention",
                "every step holds, but nobody settled whose the kept signing keys are",
            )
        elif wanting := History(self._chain.lines).wanting:
            named = ", ".join(dict.fromkeys(outcome.outcome for outcome in wanting))
            whole = all(execution.is_settled(step) for step in plan.steps)
            holds = "every step holds" if whole else "what could be looked at holds"
            await close(
                self._desk, self._chain, "needs-attention", f"{holds}, but a person has to settle what is left: {named}"
            )
        elif not any(step.cuts for step in History(self._chain.lines).steps):
            await close(
                self._desk,
                self._chain,
                "needs-attention",
                "what was asked for is in place, and nothing of it cuts the identity off",
            )
        elif all(execution.is_settled(step) and not self._looks.is_stopped(step) for step in plan.steps):
            rotating = self._chain.place(SecretsBegun) > self._chain.place(SecretsEnded)
            more = "; what it exposed is still worked on" if rotating else ""
            await close(self._desk, self._chain, "contained", f"every later look found the containment in place{more}")
        else:
            await close(
                self._desk,
                self._chain,
                "needs-attention",
                "what was done is in place, but not every step of the plan could be",
            )

    # Owners

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
        if (
            asked.then == "contain"
            and mode_of(self._desk, self._chain) == "act"
            and self._deciding.still_contains_on_silence(asked.rule)
        ):
            reason = f"{why} Rule {asked.rule} contains then."
            answer: Entry = Approved(plan_hash=plan.hash, by=BY_POLICY, reason=reason, by_policy=True)
        else:
            answer = Escalated(reason=f"{why} Nothing was changed.", todo=approve(plan))
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

    def _held(self, by: str, reason: str, todo: str | None = None) -> HeldBack:
        return hold(self._desk, self._chain, by, reason, todo)

    # Doing

    async def _carry_out(self, plan: Planned, look: Look | None, *, looked: bool = False) -> bool:
        forbidden = self._forbidden_now(plan)
        if forbidden:
            await self._chain.write(forbidden)
            return True
        execution = self._looks.execution()
        if look is None and not looked:  # resumed, or news about a contained identity: what was proven is proven afresh
            undone = await self._looks.undone(plan)
            if undone and self._chain.last(RechecksSet) is not None:
                await self._chain.write(self._looks.rechecked(undone, 0, 0, trigger="news"))
        done = await execution.carry_out(plan, look)
        lasts = any(step.lasting for step in plan.steps)
        if done and not lasts and is_let_go(self._chain) and plan == active_plan(self._chain):
            await self._chain.write(FoundInPlace(plan_hash=plan.hash))
        return done

    def _forbidden_now(self, plan: Planned) -> HeldBack | None:
        """Settings and policy may have changed since the plan was made; they can stop it, never widen it."""
        desk, todo = self._desk, "It was begun: look at what was done, and do or undo the rest by hand."
        ids = (*known_ids(self._chain), *(step.target_id for step in plan.steps))
        protected = why_ids_protected(ids, desk.policy.protected, desk.own_ids)
        if protected:
            return self._held("protected", f"This identity is not touched any more: {protected}.", todo)
        if mode_of(self._desk, self._chain) == "watch":
            return self._held("mode", "Mode watch: Cordon changes nothing any more.", todo)
        return None

    async def _contain_again(self, plan: Planned) -> None:
        """
        Somebody undid it: do it again. The later look that saw it is in the journal, and counts as a strike. What was
        let go and not begun is begun behind that, by the checks of that alone, and a signal that waits is judged.
        """
        await self._send_resume()
        await self._begin("recheck")
        done, doing = await self._carry_out(plan, None, looked=True), plan
        try:
            if is_let_go(self._chain) and not self._is_switched_off():
                doing, done = await self._decide_behind(doing, done=done, approved=True)
            if _waits_to_be_judged(self._chain) and not self._deciding.puts_off:
                doing, done = await self._judge_too(doing, done=done)
        finally:
            self._desk.precedence.leave(self._incident)
        await self._tell_rotation()
        await self._end(doing, done=done)

    # Undoing

    async def _undo_if_ordered(self) -> bool:
        """Carry out an order to undo, before all else. True if the work goes on after it: there is something new."""
        chain, order = self._chain, undo_under_way(self._chain)
        if order is None:
            return True
        if undo_was_given_up(chain):
            return await self._put_undo_down(order)
        forbidden = self._undo_forbidden(order)
        undoing = Undoing(self._desk.tenant, chain, self._desk.switch, subject_of(chain), self._desk.clock)
        done = False if forbidden else await undoing.carry_out(order)
        if self._is_switched_off():
            return await self._put_undo_down(order)
        goes_on = not done and not forbidden and attempts_left(chain)
        if goes_on and not await self._deciding.calls_for_more():
            await self._try_later("not every step is proven back")
            return False
        return await self._end_undo(order, undoing, forbidden)

    async def _put_undo_down(self, order: UndoOrdered) -> bool:
        """
        The stop switch stopped it: nobody but a person lets it go on, and until then what it never came to stands, and
        is watched. True if there is something new to be decided.
        """
        chain, untouched = self._chain, untouched_by(self._chain, order)
        begun = [step.id for step in ordered_steps(chain, order) if step.id not in untouched]
        told = [
            *(f"{id_} stands as before" for id_ in untouched),
            *(f"{id_} is or may be put back, and is watched no more" for id_ in begun),
        ]
        reason = f"the stop switch stopped it: {'; '.join(told)}. Set the switch to running, then order the undo again"
        await self._watch_the_rest(order, untouched)  # before the end: whoever is killed behind that comes back here
        await chain.write(UndoEnded(whole=False, reason=reason, untouched=untouched))
        if not is_decided(chain):
            return True
        await chain.write(WorkEnded())
        return False

    async def _end_undo(self, order: UndoOrdered, undoing: Undoing, forbidden: HeldBack | None) -> bool:
        """Say how it ended, and close the incident; where a signal has come meanwhile, that is decided next."""
        chain, untouched = self._chain, () if forbidden else untouched_by(self._chain, order)
        left = [forbidden.reason] if forbidden else list(_left_of_undo(chain, order, undoing))
        reason = "; ".join(left) or "everything that can come back is proven back"
        ended = UndoEnded(whole=not left, reason=reason, untouched=untouched)
        await self._watch_the_rest(order, untouched)
        if not is_decided(chain):
            await chain.write(ended)
            return True
        await close(self._desk, self._chain, "needs-attention" if left else "released", reason, ended)
        await chain.write(WorkEnded())
        return False

    async def _watch_the_rest(self, order: UndoOrdered, untouched: Collection[str]) -> None:
        """
        What the order left is looked at from now on as before it; where it left nothing, news go elsewhere. What an
        older incident contained may have been lifted by it: that one looks at once.
        """
        chain, desk, chosen = self._chain, self._desk, ordered_steps(self._chain, order)
        left = [step for step in steps_to_undo(chain) if step not in chosen and not is_back(chain, step.id)]
        left = [step for step in left if order.steps is not None] + [step for step in chosen if step.id in untouched]
        if any(step.watched for step in left):
            await self._set_rechecks()
        else:
            await unmark(desk.store.documents, self._incident, known_ids(chain), name_seen(chain))
        older = await watched_by(desk, known_ids(chain), (self._incident,))
        if older is not None:
            await desk.store.queue.send({"incident": older.incident, "because": "watch"})

    def _undo_forbidden(self, order: UndoOrdered) -> HeldBack | None:
        desk = self._desk
        ids = (*known_ids(self._chain), *(step.target_id for step in ordered_steps(self._chain, order)))
        protected = why_ids_protected(ids, desk.policy.protected, desk.own_ids)
        if protected:
            return self._held("protected", f"This identity is not touched any more: {protected}.", BY_HAND)
        return self._held("mode", "Mode watch: Cordon changes nothing.", BY_HAND) if desk.mode == "watch" else None

    # Ending

    async def _end(self, plan: Planned | None, *, done: bool) -> None:
        """Set the later looks, or the next attempt; then put the incident down."""
        if self._chain.place(Closed) > self._chain.place(WorkStarted):
            await self._chain.write(WorkEnded())
            return
        undecided = self._deciding.puts_off or (plan is None and not is_decided(self._chain))
        over = plan if done and not undecided else None
        if over is not None and (why := dismissed_because(self._chain) or self._dismissed_by_rule(over)):
            await self._chain.write(WorkEnded())
            await close(self._desk, self._chain, "dismissed", why)
            return
        switched_off = self._is_switched_off()
        if self._chain.place(Rechecked) > self._put_down_before() and is_set_back(self._chain):
            if is_struck(self._chain):
                await self._looks.tell_of_fight()
            elif fight_is_over(self._chain, self._desk.clock()):
                await self._looks.tell_of_blind_looks()
            if fight_is_over(self._chain, self._desk.clock()):
                why = "a later look failed again and again; it was contained once more, and a person was called"
                await close(self._desk, self._chain, "needs-attention", why)
                await self._chain.write(WorkEnded())
                return
        if plan is not None and self._looks.has_proof(plan):
            await self._set_rechecks()
        if plan is not None and not switched_off:
            await self._set_off_rotation(plan)
            await self._set_off_following(plan)
        if (done and not undecided) or switched_off:
            await self._chain.write(WorkEnded())
        else:
            await self._go_on_later(None if undecided else plan)

    def _is_switched_off(self) -> bool:
        """Whether the stop switch was what held this attempt back last."""
        stopped, chain = self._chain.last(HeldBack), self._chain
        since = max(chain.place(WorkStarted), chain.place(UndoEnded))
        return stopped is not None and stopped.by == "switch" and chain.place(HeldBack) > since

    async def _go_on_later(self, plan: Planned | None) -> None:
        """`plan`: what is not proven yet; None: it is not decided yet."""
        if left := self._left_by_deletion(plan):
            await self._leave_to_a_person(left)
        else:
            await self._try_later("not every step is proven" if plan else _UNKNOWN)

    def _dismissed_by_rule(self, plan: Planned) -> str | None:
        """Why the incident is over, if a rule asked for the dismissal of its risk alone, and that is proven."""
        decided, approved, execution = self._chain.last(Decided), self._chain.last(Approved), self._looks.execution()
        proven = all(execution.is_settled(step) and not self._looks.is_stopped(step) for step in plan.steps)
        if decided is None or decided.by_person or decided.actions != ("dismiss-risk",) or not plan.steps or not proven:
            return None
        if approved is not None and self._chain.place(Approved) > self._chain.place(Decided):
            return f"dismissed by {approved.by}: {approved.reason} (rule “{decided.rule}”)"
        return f"dismissed: rule “{decided.rule}” says so"

    def _left_by_deletion(self, plan: Planned | None) -> tuple[str, ...]:
        """The steps that can be neither done nor looked at, because somebody deleted what others of them rest on."""
        if plan is None or not self._looks.execution().rests_on_what_is_deleted(plan.steps):
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
        The message first, then the word that it was sent: sent twice, it does nothing the second time. Whoever takes
        it before the word is written writes that.
        """
        asked = any(step.lasting for step in plan.steps)
        if not asked or not self._is_cut_off(plan) or (self._is_set_off(plan) and not self._is_cut_off_again()):
            return
        sets_off = SetOff(plan.hash, behind=self._chain.records[-1].sequence)
        await self._desk.store.queue.send(rotation_message(self._incident, sets_off=sets_off))
        await self._chain.write(SecretsBegun(plan_hash=plan.hash))

    async def _tell_rotation(self) -> None:
        """
        Somebody had undone it, if only for a moment: with a token of then the identity reads what was rotated. So the
        looks of a rotation under way begin anew; it may rest for long, or wait for a person.
        """
        if self._chain.place(SecretsEnded) < self._chain.place(SecretsBegun):
            await self._desk.store.queue.send(rotation_message(self._incident))

    async def _set_off_again(self, plan: Planned) -> None:
        """As where it is contained again: a rotation that has ended looks no more who reads what it has made."""
        if self._is_set_off(plan):
            await self._set_off_rotation(plan)

    def _is_set_off(self, plan: Planned) -> bool:
        told = self._chain.told(SecretsBegun)
        return any(r.sequence > self._looks.place_of_plan and each.plan_hash == plan.hash for r, each in told)

    def _is_cut_off_again(self) -> bool:
        """
        Whether it is cut off anew since its rotation was set off, and that ended before a token of before was dead.
        One that takes until then counts its looks from there itself: so it is once in that time, whoever fights.
        """
        chain, begun, ended = self._chain, self._chain.place(SecretsBegun), self._chain.place(SecretsEnded)
        cut, seen = cut_since(History(chain.lines)), chain.last(Investigated)
        if cut is None or ended < begun:
            return False
        dead_by = cut + last_look(seen.identity.identity_kind if seen and seen.identity else None)
        return chain.records[begun].time < cut and chain.records[ended].time < dead_by

    async def _set_off_following(self, plan: Planned) -> None:
        """What it changed before it was cut off is looked for, if a rule asks for such changes. As with a rotation."""
        chain, cuts = self._chain, any(step.contains for step in plan.steps)
        begun = chain.place(FollowSet) > self._looks.place_of_plan
        if begun or not cuts or self._desk.policy.follows_changes is None or not self._is_cut_off(plan):
            return
        await self._send(timedelta(), because="follow")
        await chain.write(FollowSet(plan_hash=plan.hash))

    async def tell_of_lookalike(self, subject: IdentityRef) -> None:
        """Something of a contained identity's name was made again."""
        await self._looks.tell_of_lookalike(subject)

    async def note(self, *entries: Entry) -> None:
        """What was found out beside the work."""
        await self._chain.write(*entries)
        await self._desk.outbox.publish_due(self._chain)

    def _is_cut_off(self, plan: Planned) -> bool:
        """Every containing step is proven or given up, and one of them holds, if there are any."""
        execution = self._looks.execution()
        cuts = [step for step in plan.steps if step.contains]
        settled = [step for step in cuts if execution.is_settled(step)]
        over = len(settled) == len(cuts) or not attempts_left(self._chain)
        return over and (not cuts or any(not self._looks.is_stopped(step) for step in settled))

    async def _set_rechecks(self) -> None:
        """Send the messages for the later looks, then write down that they were sent."""
        newest = self._chain.last(RechecksSet)
        written = max(self._looks.place_of_plan, *map(self._chain.place, (Applied, UndoOrdered, FoundInPlace)))
        if newest and self._chain.place(RechecksSet) > written and not is_blind_at_the_end(self._chain, newest):
            return
        if newest is None or max(map(self._chain.place, (UndoOrdered, Planned))) > self._chain.place(RechecksSet):
            await self._watch()
        series = newest.series + 1 if newest else 1
        after = (
            first_look(self._chain, self._desk.clock()),
            *(max(seconds, first_look(self._chain, self._desk.clock())) for seconds in RECHECKS[1:]),
        )
        chained = recent_setbacks(self._chain, self._desk.clock()) >= STRIKES
        for place, seconds in enumerate(after[:1] if chained else after, start=1):
            await self._desk.store.queue.send(
                self._recheck_message(series, place, self._chain.place(Applied)), timedelta(seconds=seconds)
            )
        await self._chain.write(RechecksSet(series=series, after=after, chained=chained))

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

    def _put_down_before(self) -> int:
        """The place where the attempt before this one was put down, or -1."""
        return self._chain.place(WorkEnded)

    # Small things

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

    def _recheck_message(self, series: int, place: int, written: int | None) -> JsonObject:
        return {**self._message("recheck"), "series": series, "place": place, "written": written}


def _waits_to_be_judged(chain: Chain) -> bool:
    """Whether a signal joined since the newest attempt began that was carried to its end and put no decision off."""
    judged = begun = -1
    for line in chain.lines:
        match line.entry:
            case WorkStarted():
                begun = line.record.sequence
            case WorkEnded(more=more, reason=reason):
                judged = judged if more and reason == _UNKNOWN else begun
            case _:
                pass
    return chain.place(SignalJoined) > judged and not is_decided(chain)


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


def name_seen(chain: Chain) -> str:
    """The name under which the identity is watched for, or nothing."""
    seen = chain.last(Investigated)
    return seen.identity.display_name if seen and seen.identity else ""
