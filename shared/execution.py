"""
Carries out a plan so that a crash on any line can be resumed.

What was there is in the journal before the first write, what the service answered after it, and what a
fresh read shows after that. `apply` may therefore run twice, and must not mind.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from shared.actions import action_named
from shared.actions.interface import Applied, Earlier, Proof
from shared.actions.people import people_needed
from shared.chain import Chain
from shared.clock import Clock
from shared.entries import Applied as AppliedEntry
from shared.entries import (
    HeldBack,
    Intended,
    NamedOutcome,
    Planned,
    PlannedStep,
    StepStopped,
    UndoVerified,
    Verified,
    WorkStarted,
    WriteOutcome,
)
from shared.errors import (
    OperatorMustAct,
    PlatformRefused,
    StoppedBySwitch,
    TimeMayHelp,
)
from shared.fence import fenced
from shared.identity import IdentityRef
from shared.look import Look
from shared.precedence import Precedence
from shared.refusals import refusal_name, todo_for
from shared.signal import JsonObject
from shared.standing import back_since, evidence_at, is_back
from shared.tenant import Check, Tenant
from shared.together import together

SOFT_DELETED = "soft-deleted"
_SWITCH_HOLDS = timedelta(seconds=1)  # so long before an effect the switch may have been read
_FRESH = timedelta(seconds=20)  # a look older than this is no pre-image
_SILENCE = timedelta(seconds=20)  # well below the time after which a silent instance is taken for dead
_LONGEST_LIFE = timedelta(minutes=11)  # the platform ends a function after ten (host.json)
_WAITS = (0.0, 1.0, 2.0, 4.0, 8.0, 15.0)  # seconds before each round; replicas may lag that long
_SECOND_LOOK = 1.0  # seconds after which a look that shows no effect is repeated before writing again


class Switch(Protocol):
    """The stop switch. `why_stopped` gives the reason, or None to go on; it raises when it cannot be read."""

    async def why_stopped(self) -> str | None: ...

    async def set(self, *, stopped: bool, reason: str, by: str) -> None:
        """Stop or release every further effect, for all instances at once."""
        ...


class Execution:
    """One instance's work on one plan."""

    def __init__(
        self,
        tenant: Tenant,
        chain: Chain,
        switch: Switch,
        subject: IdentityRef,
        clock: Clock,
        planned_at: int | None = None,
        precedence: Precedence | None = None,
    ) -> None:
        self._tenant, self._chain, self._switch = tenant, chain, switch
        self._precedence = precedence or Precedence()  # None: nobody else is at work here
        self._subject, self._clock, self._planned_at = subject, clock, planned_at
        self._steps: Sequence[PlannedStep] = ()  # of the plan that is carried out

    def _planned(self) -> int:
        """The place of the plan that is worked on: the newest, unless it was said which."""
        return self._chain.place(Planned) if self._planned_at is None else self._planned_at

    def _plan_hash(self) -> str | None:
        """Of the plan that is worked on: a step of another one may have the same id."""
        plans = self._chain.told(Planned)
        return next((plan.hash for record, plan in plans if record.sequence == self._planned()), None)

    async def carry_out(self, plan: Planned, look: Look | None = None) -> bool:
        """
        Work until every step is proven or stopped, within bounds. True if nothing is left to try.

        Steps that share no object run side by side; steps on one object one after the other; a later stage
        waits for the proof of the one before it. Raises SequenceTaken when a rival writes: then this instance
        has stopped before its next effect.
        """
        self._steps = plan.steps
        groups: dict[str, list[PlannedStep]] = {}
        for step in (step for step in plan.steps if not step.lasting):
            groups.setdefault(action_named(step.action).proof_part.value, []).append(step)
        await together(*(self._work_stages(steps, look) for steps in groups.values()))
        return all(self.is_settled(step) for step in plan.steps)

    async def verify(self, steps: Sequence[PlannedStep], look: Look) -> None:
        """Judge these steps by one look and write down the answers."""
        await together(*(self._verify_step(step, look) for step in steps))

    def is_settled(self, step: PlannedStep) -> bool:
        """Proven by a read after its last write, or stopped for good, since the plan was made; or it lasts."""
        chain = self._chain
        if step.lasting:
            return True
        since = max(chain.place(Intended, step.id), self._planned())
        if self.given_up_at(step) > since:
            return True
        verified = chain.last(Verified, step.id)
        return verified is not None and verified.answer == "held" and chain.place(Verified, step.id) > since

    def given_up_at(self, step: PlannedStep) -> int:
        """The place at which the plan that is worked on gave this step up, or -1; another's step may have its id."""
        stops, plan = self._chain.told(StepStopped, step.id), self._plan_hash()
        return max((record.sequence for record, stop in stops if stop.plan_hash in (plan, None)), default=-1)

    def new_look(self) -> Look:
        return Look(self._tenant.directory, self._subject, self._clock, self._tenant.estate)

    async def _work_stages(self, steps: Sequence[PlannedStep], look: Look | None) -> None:
        for stage in sorted({step.stage for step in steps}):
            group = [step for step in steps if step.stage == stage]
            await self._work_group(group, look)
            if not all(self.is_settled(step) for step in group):
                return
            look = None

    async def _work_group(self, steps: Sequence[PlannedStep], look: Look | None) -> None:
        """Steps that are proven by the same read: write, look, and once more where it did not hold."""
        for wait in _WAITS:
            pending = [step for step in steps if not self.is_settled(step)]
            if not pending or (look is None and self.rests_on_what_is_deleted(self._steps)):
                return
            await asyncio.sleep(wait)
            if await self._is_stopped():
                return
            await self._write(pending, look)
            await self._precedence.give_way()
            await self._prove(pending)
            look = None

    async def _write(self, steps: Sequence[PlannedStep], look: Look | None) -> None:
        """Start each step once the earlier ones that touch one of its objects are done."""
        if look is None or not look.is_fresh(_FRESH):
            look = self.new_look()
        done: dict[str, asyncio.Event] = {step.id: asyncio.Event() for step in steps}

        async def run(step: PlannedStep, before: Sequence[PlannedStep]) -> None:
            try:
                for earlier in before:
                    await done[earlier.id].wait()
                await self._run_step(step, look)
            finally:
                done[step.id].set()

        await together(*(run(step, _overlapping(step, steps[:n])) for n, step in enumerate(steps)))

    async def _run_step(self, step: PlannedStep, look: Look) -> None:
        """
        1. Write down what is there, unless a crash left an intent behind: then that one is carried out.
        2. Read the stop switch.
        3. Write to the tenant.
        4. Write down what it answered.
        """
        try:
            intent = await self._intend(step, look)
            if intent is None:
                return
            self._precedence.leave(self._chain.incident)
            applied = await self._apply(step, dict(intent.before))
            await self._precedence.give_way()
            await self._chain.write(
                AppliedEntry(round=intent.round, writes=applied.writes, made=applied.made), step=step.id
            )
        except StoppedBySwitch:
            return  # the intent stands and the stop is written down: whoever goes on reads what is there first
        except (OperatorMustAct, PlatformRefused) as error:
            name = refusal_name(error) or "refused-by-platform"
            await self._stop(step, name, str(error))

    async def _intend(self, step: PlannedStep, look: Look) -> Intended | None:
        """
        The durable intent to carry out now, by a switch that was read since what is there was.

        None if what is there could not be written down, or if effects are stopped (that is recorded).
        """
        chain = self._chain
        last = chain.last(Intended, step.id)
        if last and chain.place(Intended, step.id) > max(chain.place(AppliedEntry, step.id), self._planned()):
            return None if await self._may_be_in_other_hands(step) or await self._is_stopped() else last
        number = last.round + 1 if last else 1
        try:
            before = await action_named(step.action).capture(step, self._earlier(step), look)
        except TimeMayHelp as error:
            proof = await self._seen_deleted(step, look) or Proof("unknown", str(error))
            await chain.write(_verified(number, proof, look), step=step.id)
            return None
        intent = Intended(plan_hash=self._plan_hash(), round=number, before=before.image, writes=before.writes)
        asked_at = self._clock()
        reason, _ = await together(self._switch.why_stopped(), chain.write(intent, step=step.id))
        if self._clock() - asked_at > _SWITCH_HOLDS:  # the write took its time, and somebody may have used it
            reason = await self._switch.why_stopped()
        return None if await self._note_stop(reason) else intent

    async def _may_be_in_other_hands(self, step: PlannedStep) -> bool:
        """
        Whether the instance that meant to do this may still be about to: what must not be done twice waits
        until it cannot live any more.
        """
        chain, place = self._chain, self._chain.place(Intended, step.id)
        until = chain.records[place].time + _LONGEST_LIFE
        if not step.once or place > chain.place(WorkStarted) or self._clock() >= until:
            return False
        if chain.place(Verified, step.id) < chain.place(WorkStarted):
            why = f"another instance may still be at it; it is taken over after {until:%H:%M:%S} UTC"
            await chain.write(Verified(answer="unknown", proof=why), step=step.id)
        return True

    async def _apply(self, step: PlannedStep, image: JsonObject) -> Applied:
        try:
            return await action_named(step.action).apply(step, image, fenced(self._tenant, self._checks()))
        except TimeMayHelp as error:
            return Applied((WriteOutcome(write=step.action, outcome="unknown", detail=str(error)),))

    def _checks(self) -> Check:
        """
        The check before each effect of one step: no rival, and, from the second effect on, no stop. Before the
        first one the switch was read just now.
        """
        begun = False

        async def check() -> None:
            nonlocal begun
            await self._chain.check(_SILENCE)
            if begun and await self._is_stopped():
                raise StoppedBySwitch
            begun = True

        return check

    async def _prove(self, steps: Sequence[PlannedStep]) -> None:
        """Look; where the effect does not show, look once more, for a replica may lag."""
        await self.verify([step for step in steps if self._is_written(step)], self.new_look())
        pending = [step for step in steps if self._is_written(step) and not self.is_settled(step)]
        if pending:
            await asyncio.sleep(_SECOND_LOOK)
            await self.verify(pending, self.new_look())
        for step in pending:
            if not self.is_settled(step):
                await self._stop_if_refused(step)

    def _is_written(self, step: PlannedStep) -> bool:
        chain = self._chain
        return chain.place(AppliedEntry, step.id) > max(chain.place(StepStopped, step.id), self._planned())

    async def _stop_if_refused(self, step: PlannedStep) -> None:
        """A write that was refused for good and whose effect does not show will not come by repeating."""
        applied = self._chain.last(AppliedEntry, step.id)
        refused = next((write for write in applied.writes if write.stop), None) if applied else None
        if refused is not None and refused.stop is not None:
            await self._stop(step, refused.stop, refused.detail or refused.write)

    async def _stop(self, step: PlannedStep, outcome: str, reason: str) -> None:
        """Give the step up, by a named outcome."""
        plan, todo = self._plan_hash(), todo_for(outcome)
        await self._chain.write(StepStopped(plan_hash=plan, outcome=outcome, reason=reason, todo=todo), step=step.id)

    async def _verify_step(self, step: PlannedStep, look: Look) -> None:
        proof = await action_named(step.action).verify(step, self._earlier(step), look)
        if proof.answer == "unknown":
            proof = await self._seen_deleted(step, look) or proof
        intent = self._chain.last(Intended, step.id)
        await self._chain.write(_verified(intent.round if intent else 1, proof, look), step=step.id)

    async def _seen_deleted(self, step: PlannedStep, look: Look) -> Proof | None:
        """
        What somebody deleted is cut off by that, and nothing of it can be looked at or changed. It is no end: whoever
        restores it has it back, and a person has to know. What cuts nothing off is told so only if it was proven.
        """
        if people_needed((step.action,)) or not (step.contains or self._was_proven(step)):
            return None
        gone = await look.deletion()
        objects = (gone.application, *gone.principals) if gone is not None else ()
        if gone is None or gone.deleted_at is None or step.target_id not in {o.object_id for o in objects if o}:
            return None
        said = f"deleted on {gone.deleted_at:%Y-%m-%d %H:%M} UTC"
        left = NamedOutcome(
            action=step.action,
            outcome=SOFT_DELETED,
            reason=f"The identity was {said}, and not by this plan: it can be restored for 30 days.",
            todo=(
                "Find out in the audit log who deleted it, and let it stay deleted while nobody needs it. Restore it "
                "only with sign-in blocked (order restore-application); what is restored otherwise is looked at again."
            ),
        )
        return Proof("held", f"it is among the deleted items, {said}, and gets no tokens", (left,))

    def rests_on_what_is_deleted(self, steps: Sequence[PlannedStep]) -> bool:
        """
        A look of this attempt, or the one that led to it, found a part deleted: each further one would wait for
        replicas, and show no more. An older look tells nothing: what was deleted then may be back.
        """
        chain, started = self._chain, self._chain.place(WorkStarted)
        if started < 0:
            return False
        since = chain.records[started].time - _FRESH
        for step in steps:
            place, look = chain.place(Verified, step.id), chain.last(Verified, step.id)
            fresh = place > self._planned() and chain.records[place].time >= since
            if fresh and look is not None and any(outcome.outcome == SOFT_DELETED for outcome in look.left):
                return True
        return False

    def _was_proven(self, step: PlannedStep) -> bool:
        looks = (look for look in reversed([*self._chain.all(Verified, step.id)]) if look.answer != "unknown")
        newest = next(looks, None)
        return newest is not None and newest.answer == "held"

    def _earlier(self, step: PlannedStep) -> Earlier:
        undone = self._undone_until(step)
        intents = self._chain.told(Intended, step.id)
        first = next((intent for record, intent in intents if record.sequence > undone), None)
        made: dict[str, object] = {}
        for applied in self._chain.all(AppliedEntry):
            made |= applied.made
        return Earlier(dict(first.before) if first else None, made, evidence_at=evidence_at(self._chain))

    def _undone_until(self, step: PlannedStep) -> int:
        """The place up to which what the journal holds of a step is no pre-image any more."""
        place = self._chain.place(UndoVerified, step.id)
        return place if is_back(self._chain, step.id) else back_since(self._chain, step.id)

    async def _is_stopped(self) -> bool:
        return await self._note_stop(await self._switch.why_stopped())

    async def _note_stop(self, reason: str | None) -> bool:
        if reason is None:
            return False
        held, chain = self._chain.last(HeldBack), self._chain
        if held is None or held.by != "switch" or chain.place(HeldBack) < chain.place(WorkStarted):
            await self._chain.write(
                HeldBack(by="switch", reason=reason, todo="Set the switch to running, then order the incident again.")
            )
        return True


def _verified(number: int, proof: Proof, look: Look) -> Verified:
    return Verified(round=number, answer=proof.answer, proof=proof.why, read_at=look.begun_at, left=proof.left)


def _overlapping(step: PlannedStep, earlier: Sequence[PlannedStep]) -> list[PlannedStep]:
    return [other for other in earlier if set(other.touches) & set(step.touches)]
