"""
Undoes an incident: its steps in reverse, each from what was there before its first write.

As with containing, a crash on any line can be resumed: what is put back is in the journal before the first
write, the answers after it, and what a fresh read shows after that. What somebody changed since is left as
it is and told. A resumed step looks again first, so that nothing is given back twice.
"""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import islice

from shared.actions import action_named
from shared.actions.custody import put_lock_on
from shared.actions.interface import Applied, Earlier, WayBack
from shared.case import CouldNotLook, Known
from shared.chain import Chain
from shared.clock import Clock
from shared.entries import Applied as AppliedEntry
from shared.entries import (
    Drifted,
    Entry,
    HeldBack,
    Intended,
    Investigated,
    Planned,
    PlannedStep,
    SignalJoined,
    UndoApplied,
    UndoIntended,
    UndoOrdered,
    UndoStopped,
    UndoVerified,
    WorkStarted,
    WriteOutcome,
)
from shared.errors import (
    CannotBeRead,
    CordonError,
    Deleted,
    OperatorMustAct,
    PlatformRefused,
    StoppedBySwitch,
    TimeMayHelp,
)
from shared.execution import Switch
from shared.fence import fenced
from shared.identity import IdentityRef
from shared.look import Look
from shared.refusals import refusal_name, todo_for
from shared.signal import JsonObject
from shared.standing import back_since, is_back
from shared.tenant import Check, Tenant

_SILENCE = timedelta(seconds=20)  # as with containing: who was silent for longer looks before its next effect
_WAITS = (0.0, 1.0, 2.0, 4.0, 8.0, 15.0)  # seconds before each round; replicas may lag that long
_LAG = timedelta(seconds=sum(_WAITS))
_LOOKS_AGAIN = (5.0, *_WAITS[1:])  # seconds before the look after the race window, and before each that repeats it
CHANGED_SINCE = "changed-since"
RESTORE, _CUSTODY = "restore-application", "custody"


# What is to be undone. Pure.


def undo_begins(chain: Chain) -> int:
    """The place behind which lies what the newest order undoes: an older order has undone what stands before."""
    begun = -1
    for line in chain.lines:
        if isinstance(line.entry, UndoOrdered) and _acts_between(chain, line.record.sequence):
            begun = line.record.sequence
    return begun


def _acts_between(chain: Chain, place: int) -> bool:
    """Whether a step was begun after this place and before the newest order."""
    return chain.place(Intended) > place


def steps_to_undo(chain: Chain) -> tuple[PlannedStep, ...]:
    """
    Every step that was begun, the newest first intent first: also those whose outcome nobody knows, and those that
    an older order left as they were.
    """
    begun, plans = undo_begins(chain), {step.id: step for plan in chain.all(Planned) for step in plan.steps}
    left = (id_ for id_ in plans if chain.place(Intended, id_) > begun or not is_back(chain, id_))
    since = {id_: back_since(chain, id_) for id_ in left}
    first: dict[str, int] = {}
    for line in chain.lines:
        if (
            isinstance(line.entry, Intended)
            and line.record.step in since
            and (line.record.sequence > since[line.record.step])
        ):
            first.setdefault(line.record.step, line.record.sequence)
    return tuple(plans[id_] for id_ in sorted(first, key=first.__getitem__, reverse=True) if id_ in plans)


def ordered_steps(chain: Chain, order: UndoOrdered) -> tuple[PlannedStep, ...]:
    """
    Those of the steps that the order is about. Undoing a restoration deletes once more: it stands while others are to
    be put back on what it restored, unless it is named.
    """
    steps = steps_to_undo(chain)
    if order.steps is not None:
        return tuple(step for step in steps if step.id in order.steps)
    return tuple(step for step in steps if step.action != RESTORE) or steps


def untouched_by(chain: Chain, order: UndoOrdered) -> tuple[str, ...]:
    """The steps of the newest order that nothing was done about yet: no write was begun, nothing seen or refused."""
    since = chain.lines[chain.place(UndoOrdered) + 1 :]
    touched = {line.record.step for line in since if _touches(line.entry)}
    return tuple(step.id for step in ordered_steps(chain, order) if step.id not in touched)


def _touches(entry: Entry) -> bool:
    """An intent to write may have come to something, whatever follows it. What could not be read tells nothing."""
    match entry:
        case UndoIntended(writes=writes):
            return bool(writes)
        case UndoVerified(answer=answer):
            return answer != "unknown"
        case UndoApplied() | UndoStopped():
            return True
        case _:
            return False


def only_restored(chain: Chain) -> bool:
    """Whether a restoration is all that an undo of this incident would find: it cut nothing off by itself."""
    steps = steps_to_undo(chain)
    return bool(steps) and all(step.action == RESTORE for step in steps)


def lets_sign_in(chain: Chain, order: UndoOrdered) -> bool:
    """Whether the order takes back what a restoration keeps: that sign-in is blocked."""
    return any(step.action == "block-sign-in" for step in ordered_steps(chain, order))


def earlier_of(chain: Chain, step: PlannedStep, order: UndoOrdered) -> Earlier:
    """What the journal holds for the way back of a step."""
    made: dict[str, object] = {}
    for applied in chain.all(AppliedEntry):
        made |= applied.made
    return Earlier(
        next(_images_of(chain, step)),
        made,
        accused=frozenset(_accused(chain)),
        give_back=frozenset(order.give_back),
        named=order.steps is not None,
        lock_goes=_lock_goes(chain, order),
    )


def _images_of(chain: Chain, step: PlannedStep) -> Iterator[JsonObject]:
    """What was there before each round of the step, oldest first, since it was put back."""
    begun = back_since(chain, step.id)
    return (dict(intent.before) for record, intent in chain.told(Intended, step.id) if record.sequence > begun)


def _lock_goes(chain: Chain, order: UndoOrdered) -> bool:
    """Whether the instance lock was put on by custody of this incident, and the order takes that back."""
    custodies = (step for step in ordered_steps(chain, order) if step.action == _CUSTODY)
    return any(put_lock_on(image) for step in custodies for image in islice(_images_of(chain, step), 1))


def _accused(chain: Chain) -> Iterator[str]:
    """Credentials that detections name, as signals told them and as they were read for a decision."""
    for signal in chain.all(SignalJoined):
        ids = signal.facts.get("keyIds")
        yield from (str(id_) for id_ in ids) if isinstance(ids, list) else ()
    for seen in chain.all(Investigated):
        yield from (each.id for each in seen.identity.credentials if each.accused) if seen.identity else ()


def _is_second_look(entry: Entry) -> bool:
    return isinstance(entry, UndoStopped) or (isinstance(entry, UndoVerified) and entry.again)


# Doing it


class Undoing:
    """One instance's work on one order to undo."""

    def __init__(self, tenant: Tenant, chain: Chain, switch: Switch, subject: IdentityRef, clock: Clock) -> None:
        self._tenant, self._chain, self._switch = tenant, chain, switch
        self._subject, self._clock = subject, clock

    async def carry_out(self, order: UndoOrdered) -> bool:
        """
        Put back step by step, newest first. True if each is proven or stopped; a stopped one does not keep the
        others from coming back. Raises SequenceTaken when a rival writes.
        """
        steps = ordered_steps(self._chain, order)
        for step in steps:
            await self._put_back(step, order)
        await self._look_again(steps, order)
        return all(self.is_settled(step) for step in steps)

    async def foresee(self, order: UndoOrdered) -> Sequence[tuple[PlannedStep, WayBack | CordonError]]:
        """What the order would come to now. Changes and writes nothing."""
        look = self._new_look()
        return [(step, await self._foresee(step, order, look)) for step in ordered_steps(self._chain, order)]

    async def _foresee(self, step: PlannedStep, order: UndoOrdered, look: Look) -> WayBack | CordonError:
        try:
            return await self._way_back(step, earlier_of(self._chain, step, order), look)
        except CordonError as error:
            return error

    async def _way_back(self, step: PlannedStep, earlier: Earlier, look: Look) -> WayBack:
        """As the action says. What could not be read because it was deleted is no fault that passes: that is said."""
        try:
            return await action_named(step.action).way_back(step, earlier, look)
        except (TimeMayHelp, CannotBeRead) as error:
            part = await look.identity()
            found = await look.deleted() if isinstance(part, CouldNotLook) and part.gone else None
            if isinstance(found, Known) and found.value is not None:
                raise Deleted(f"undoing {step.id}", found.value.deleted_at) from error
            raise

    def is_settled(self, step: PlannedStep) -> bool:
        """Proven back, also after the race window, or stopped for good, under the newest order."""
        return self._is_put_back(step) and not self._rests_on_one_look(step)

    def _is_put_back(self, step: PlannedStep) -> bool:
        """Proven back, or stopped for good, under the newest order."""
        chain = self._chain
        since = max(chain.place(UndoIntended, step.id), chain.place(UndoOrdered))
        if chain.place(UndoStopped, step.id) > since:
            return True
        verified = chain.last(UndoVerified, step.id)
        return verified is not None and verified.answer == "held" and chain.place(UndoVerified, step.id) > since

    def _rests_on_one_look(self, step: PlannedStep) -> bool:
        """
        Whether only the look of its last round has shown it. Also one that found nothing to put back may have asked
        a replica which does not know yet what Cordon took.
        """
        seen = -1
        for line in self._chain.lines[self._chain.place(UndoOrdered) + 1 :]:
            if line.record.step == step.id and _is_second_look(line.entry):
                seen = line.record.sequence
        return self._chain.place(UndoIntended, step.id) > seen

    async def _look_again(self, steps: Sequence[PlannedStep], order: UndoOrdered) -> None:
        """
        "Released" rests on two reads as "contained" does: one after the write, one after the race window. What is
        gone by then is not fought for, but told. A replica may be older than the one that answered first; so a look
        that finds it gone is taken again, and none of them is written down before it is sure.
        """
        for place, wait in enumerate(_LOOKS_AGAIN, start=1):
            due = [step for step in steps if self._is_put_back(step) and self._rests_on_one_look(step)]
            if not due:
                return
            await asyncio.sleep(wait)
            look = self._new_look()
            for step in due:
                if not await self._found_missing(step, order, look):
                    await self._see_again(step, order, look, is_last=place == len(_LOOKS_AGAIN))

    async def _found_missing(self, step: PlannedStep, order: UndoOrdered, look: Look) -> bool:
        """Puts back what an earlier look took for being there. False if nothing is missing now either."""
        intended = self._chain.last(UndoIntended, step.id)
        if intended is None or intended.writes:
            return False
        way = await self._foresee(step, order, look)
        if isinstance(way, WayBack):
            if not way.writes:
                return False
            await self._try_round(step, order)
        return True  # where it could not be told, the next look does

    def _is_fresh(self, step: PlannedStep) -> bool:
        """Whether Cordon took something so lately that a replica may still show it."""
        records = (line.record for line in self._chain.lines if isinstance(line.entry, Intended | AppliedEntry))
        newest = max((record.time for record in records if record.step == step.id), default=None)
        return newest is not None and self._clock() - newest < _LAG

    async def _see_again(self, step: PlannedStep, order: UndoOrdered, look: Look, *, is_last: bool) -> None:
        chain, intended = self._chain, self._chain.last(UndoIntended, step.id)
        if intended is None or (not intended.writes and not is_last and self._is_fresh(step)):
            return
        earlier = earlier_of(chain, step, order)
        proof = await action_named(step.action).verify_back(step, earlier, intended.image, look)
        found = UndoVerified(
            round=intended.round, answer=proof.answer, proof=proof.why, read_at=look.begun_at, again=True
        )
        if proof.answer == "held":
            await chain.write(found, step=step.id)
        elif proof.answer == "not-held" and is_last:
            reason = f"It was back, and is so no more: {proof.why}"
            stopped = UndoStopped(outcome=CHANGED_SINCE, reason=reason, todo=todo_for(CHANGED_SINCE))
            await chain.write(found, stopped, step=step.id)

    async def _put_back(self, step: PlannedStep, order: UndoOrdered) -> None:
        for wait in _WAITS:
            if self._is_put_back(step):
                return
            await asyncio.sleep(wait)
            if await self._is_stopped() or not await self._try_round(step, order):
                return

    async def _try_round(self, step: PlannedStep, order: UndoOrdered) -> bool:
        """False: the stop switch. The intent stands then, and whoever goes on looks afresh."""
        try:
            await self._one_round(step, order)
        except StoppedBySwitch:
            return False
        except (OperatorMustAct, PlatformRefused) as error:
            await self._chain.write(_stopped(error), step=step.id)
        return True

    async def _one_round(self, step: PlannedStep, order: UndoOrdered) -> None:
        """
        1. Look afresh, and write down what is put back, what has drifted and what is lost.
        2. Read the stop switch.
        3. Write to the tenant, and write down what it answered.
        4. Look again, and write down what is seen.
        """
        earlier, chain = earlier_of(self._chain, step, order), self._chain
        last = chain.last(UndoIntended, step.id)
        number = last.round + 1 if last else 1
        try:
            way = await self._way_back(step, earlier, self._new_look())
        except TimeMayHelp as error:
            await chain.write(UndoVerified(round=number, answer="unknown", proof=str(error)), step=step.id)
            return
        await chain.write(_intended(number, way), step=step.id)
        if await self._is_stopped():
            return
        applied = await self._apply(step, way) if way.writes else Applied(())
        await chain.write(UndoApplied(round=number, writes=applied.writes), step=step.id)
        await self._prove(step, earlier, way, number, applied)

    async def _apply(self, step: PlannedStep, way: WayBack) -> Applied:
        try:
            tenant = fenced(self._tenant, self._checking())
            return await action_named(step.action).put_back(step, way.image, tenant)
        except TimeMayHelp as error:
            return Applied((WriteOutcome(write=step.action, outcome="unknown", detail=str(error)),))

    def _checking(self) -> Check:
        """The fence before each effect of a step; from the second effect on, the stop switch as well."""
        begun = False

        async def check() -> None:
            nonlocal begun
            await self._chain.check(_SILENCE)
            if begun and await self._is_stopped():
                raise StoppedBySwitch
            begun = True

        return check

    async def _prove(self, step: PlannedStep, earlier: Earlier, way: WayBack, number: int, applied: Applied) -> None:
        look = self._new_look()
        proof = await action_named(step.action).verify_back(step, earlier, way.image, look)
        found = UndoVerified(round=number, answer=proof.answer, proof=proof.why, read_at=look.begun_at)
        await self._chain.write(found, step=step.id)
        refused = next((write for write in applied.writes if write.stop), None)
        if proof.answer != "held" and refused is not None and refused.stop is not None:
            reason = refused.detail or refused.write
            stopped = UndoStopped(outcome=refused.stop, reason=reason, todo=todo_for(refused.stop))
            await self._chain.write(stopped, step=step.id)

    def _new_look(self) -> Look:
        return Look(self._tenant.directory, self._subject, self._clock, self._tenant.estate)

    async def _is_stopped(self) -> bool:
        reason = await self._switch.why_stopped()
        if reason is None:
            return False
        held, chain = self._chain.last(HeldBack), self._chain
        if held is None or held.by != "switch" or chain.place(HeldBack) < chain.place(WorkStarted):
            todo = "Set the switch to running, then order the undo again."
            await chain.write(HeldBack(by="switch", reason=reason, todo=todo))
        return True


def _intended(number: int, way: WayBack) -> UndoIntended:
    drifted = tuple(Drifted(property=d.property, before=d.before, left=d.left, now=d.now) for d in way.drifted)
    return UndoIntended(round=number, image=way.image, writes=way.writes, drifted=drifted, lost=way.lost)


def _stopped(error: CordonError) -> UndoStopped:
    name = refusal_name(error) or "refused-by-platform"
    return UndoStopped(outcome=name, reason=str(error), todo=todo_for(name))
