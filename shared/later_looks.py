"""
Looks at what is contained: what was undone, by whom, and who still gets tokens; and what people are told of it.
"""

import logging
from datetime import datetime
from typing import Literal

from shared.audit import is_counter_move
from shared.case import AuditRecord, CouldNotLook, IdentityState, Known, Part, PartName, records_in
from shared.chain import Chain
from shared.desk import (
    Desk,
)
from shared.entries import (
    Applied,
    CounterMove,
    Escalated,
    Foreseen,
    Intended,
    Investigated,
    Planned,
    PlannedStep,
    Rechecked,
    RechecksSet,
    SignInsSeen,
    Verified,
    WorkStarted,
)
from shared.errors import Unreachable
from shared.execution import Execution
from shared.fight import (
    RECHECKS,
    STRIKES,
    actors_of,
    counter_move,
    fight_is_over,
    recent_setbacks,
    strikes,
)
from shared.forecast import LOG_WITHIN, foresee
from shared.history import History
from shared.identity import IdentityRef
from shared.look import Look
from shared.sign_ins import LOOKS, call_for, look_at_sign_ins, tell_token
from shared.standing import (
    known_ids,
    standing_plan,
    subject_of,
)

_MOVES_A_LOOK = 20  # counter-moves that one look writes down

log = logging.getLogger("cordon")


class LaterLooks:
    """
    One instance's looks at one incident. `planned_at` is the place of the plan that is looked at, where that is not the
    newest.
    """

    def __init__(self, desk: Desk, chain: Chain) -> None:
        self._desk, self._chain = desk, chain
        self.planned_at: int | None = None
        self._unread: str | None = None  # why the audit log may hold others who undid it

    @property
    def place_of_plan(self) -> int:
        """The place of the plan that is looked at."""
        return self._chain.place(Planned) if self.planned_at is None else self.planned_at

    def execution(self) -> Execution:
        """What carries out and proves the plan that is looked at."""
        desk = self._desk
        subject, planned_at, precedence = subject_of(self._chain), self.planned_at, desk.precedence
        return Execution(desk.tenant, self._chain, desk.switch, subject, desk.clock, planned_at, precedence)

    async def undone(self, plan: Planned) -> list[PlannedStep]:
        """Look, and give the steps that were proven before and do not show now."""
        execution = self.execution()
        is_newest = self.place_of_plan == self._chain.place(Planned)
        settled = [
            step
            for step in plan.steps
            if execution.is_settled(step) or self._was_just_lost(step) or self._is_undone(step) or not is_newest
        ]
        proven = [step for step in settled if step.watched and not self.is_stopped(step)]
        look = execution.new_look()
        await execution.verify(proven, look)
        await self._tell_of_another(look.gathered.identity)
        return [step for step in proven if not execution.is_settled(step)]

    def rechecked(
        self, undone: list[PlannedStep], series: int, place: int, *, trigger: Literal["schedule", "news"] = "schedule"
    ) -> Rechecked:
        """What a look found, for the journal."""
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

    async def foresee_after(self, plan: Planned) -> None:
        """Who broke by what was carried out at once: read when it is contained, at an early look, and once."""
        foreseen = self._chain.last(Foreseen)
        if foreseen is not None and foreseen.plan_hash == plan.hash:
            return
        look = self.execution().new_look()
        identity, log = await look.identity(), await look.sign_ins(LOG_WITHIN)
        state = identity.value if isinstance(identity, Known) else None
        await self._chain.write(foresee(plan, log, state, self._desk.clock()))

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

    async def read_sign_ins(self, series: int, place: int) -> tuple[tuple[Escalated, ...], tuple[str, ...]]:
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

    async def name_actors(self) -> bool:
        """
        Read the audit log for who worked against the containment; whether that is told by now. It lags; what is not
        there yet is found later. One record that cannot be read hides nobody whom the others name, and may name more.
        """
        chain = self._chain
        audits = (await self.execution().new_look().gather(frozenset({PartName.AUDITS}))).audits
        if isinstance(audits, CouldNotLook):
            self._unread = audits.why
            log.info("incident %s: who undid it could not be read whole: %s", self._chain.incident, audits.why)
        known, since = {move.record_id for move in chain.all(CounterMove)}, self._first_applied()
        moves = [
            counter_move(record)
            for record in sorted(records_in(audits), key=lambda record: record.at)
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

    async def tell_of_fight(self) -> None:
        """Name who undid it, and call a person at the cap and each time it doubles."""
        times = strikes(self._chain)
        calls = times in {STRIKES << doubled for doubled in range(32)}
        if times < STRIKES or calls or fight_is_over(self._chain, self._desk.clock()):
            await self.name_actors()
        actors, others = actors_of(self._chain), f", and others may have: {self._unread}" if self._unread else ""
        if fight_is_over(self._chain, self._desk.clock()):
            await self._chain.write(
                Escalated(
                    reason=f"The fight goes on: undone {times} times, by {actors}{others}. Cordon contained it once "
                    "more and stops here.",
                    todo=f"Cut the actor: {actors}. Then order this incident again.",
                )
            )
        elif calls:
            await self._chain.write(
                Escalated(
                    reason=f"The containment was undone {times} times by somebody else: {actors}{others}.",
                    todo=f"Contain the actor too: {actors}; Cordon keeps containing this one.",
                )
            )

    async def tell_of_blind_looks(self) -> None:
        """Each look that cannot see leads to another write: that has an end as well, and no actor."""
        look, setbacks = self._chain.last(Rechecked), recent_setbacks(self._chain, self._desk.clock())
        findings = "; ".join(look.findings) if look else ""
        await self._chain.write(
            Escalated(
                reason=f"Later looks found it undone or could not be read, {setbacks} times within a "
                f"day, the last time: {findings}. Cordon contained it once more and stops looking.",
                todo="Look at the identity yourself. When the read works again, order this incident again.",
            )
        )

    def is_stopped(self, step: PlannedStep) -> bool:
        """Whether the plan that is looked at has given this step up."""
        return self.execution().given_up_at(step) > self.place_of_plan

    def _was_just_lost(self, step: PlannedStep) -> bool:
        """A look found it undone, and was killed before it could say so: nothing was written down since."""
        answer, chain = self._chain.last(Verified, step.id), self._chain
        told = max(chain.place(Rechecked), chain.place(WorkStarted), chain.place(RechecksSet))
        return step.watched and answer is not None and answer.answer != "held" and chain.place(Verified, step.id) > told

    def _is_undone(self, step: PlannedStep) -> bool:
        """It was in place once, under the plan that is looked at, and a look has seen that it is not any more."""
        looks = [look for record, look in self._chain.told(Verified, step.id) if record.sequence > self.place_of_plan]
        return bool(looks) and looks[-1].answer == "not-held" and any(look.answer == "held" for look in looks)

    def is_unfinished(self, plan: Planned) -> bool:
        """Whether a step of it is neither proven nor given up, or no later looks were set since it was written."""
        execution = self.execution()
        settled = all(execution.is_settled(step) for step in plan.steps)
        unwatched = self._chain.place(RechecksSet) < self._chain.place(Applied) and self.has_proof(plan)
        return not settled or unwatched

    def has_proof(self, plan: Planned) -> bool:
        """Whether anything of it is in place and is looked at again."""
        execution = self.execution()
        return any(self._is_watched(step, execution) for step in plan.steps)

    def _is_watched(self, step: PlannedStep, execution: Execution) -> bool:
        return step.watched and execution.is_settled(step) and not self.is_stopped(step)
