"""
The rotation of what an identity exposed: found, planned, and made worthless in the order of the tiers.

It is worked in slices of bounded time, in a journal of its own beside the incident's. Each slice can be killed on
any line: the message that goes on was sent before it began, and the journal says what was meant and what was done.
"""

import logging
from datetime import datetime, timedelta

from shared.actions.rotate_secrets import NAME, RotationOptions
from shared.chain import Chain
from shared.desk import LEASE, RESUME_AFTER, Desk, put_off, send_resume
from shared.entries import (
    Closed,
    Planned,
    RotationApproved,
    RotationBegun,
    RotationEnded,
    SecretsBegun,
    SecretStopped,
    UndoOrdered,
    WorkEnded,
    WorkStarted,
)
from shared.history import History
from shared.journal import IncidentId
from shared.residual import cut_since
from shared.rotation_message import SetOff, rotation_message
from shared.rotation_sitting import Asked, Sitting, is_begun, is_news
from shared.rotation_stages import StoreFailed
from shared.secret_news import take_news
from shared.standing import active_plan, standing_plan
from shared.store import LONGEST_DELAY

log = logging.getLogger("cordon")

_SUFFIX = ".secrets"


def secrets_of(incident: IncidentId) -> IncidentId:
    """The id under which the journal of an incident's secrets lies."""
    return IncidentId(f"{incident}{_SUFFIX}")


class Rotation:
    """One instance's work on the exposed secrets of one incident."""

    def __init__(self, desk: Desk, incident: Chain) -> None:
        self._desk, self._incident = desk, incident

    async def advance(self, *, woken: bool = False, at: str | None = None, sets_off: SetOff | None = None) -> None:
        """
        Work for one slice: look who read what, plan, carry out what may be; then say when it goes on. `woken`: a vault
        told of a new version that may be the one that is waited for, so that it is looked at before its time. `at`:
        the moment at which the message was to come, by the clock of whoever sent it. `sets_off`: what it was sent to
        set off, where it was.

        Called again and again by its own messages until it has ended. Raises RivalActs where another instance is
        at it, and what the store raises when nothing can be written.
        """
        if sets_off is not None and self._is_unsaid(sets_off):
            await self._incident.write(SecretsBegun(plan_hash=sets_off.plan_hash))
        asked = self._asked()
        if asked is None:
            log.info("incident %s asks for no rotation; its message is dropped", self._incident.incident)
            return
        chain = await Chain.read(self._desk.store.journal, secrets_of(self._incident.incident), self._desk.clock)
        if self._is_busy(chain):
            await put_off(self._desk, rotation_message(self._incident.incident, woken=woken), LEASE)
        elif self._is_ended(chain):
            await Sitting(self._desk, self._incident, chain, asked).tell_end()
        elif woken or self._is_due(chain):
            journal = secrets_of(self._incident.incident)
            await send_resume(self._desk, journal, lambda: self._send(RESUME_AFTER))
            told_of = await take_news(self._desk.store.documents, self._incident.incident) if woken else None
            try:
                await Sitting(self._desk, self._incident, chain, asked, told_of=told_of).work()
            except StoreFailed as failed:
                raise failed.error from failed
        elif at is not None and at == _goes_on_at(chain):
            await put_off(self._desk, rotation_message(self._incident.incident, at=at), self._left(at))

    def _is_unsaid(self, sets_off: SetOff) -> bool:
        """
        Whether whoever sent the message has not written (yet) that it is set off, or was killed before. Then it is said
        here: by what was said before, an earlier rotation, the message would be dropped, and no other one comes.
        """
        incident, behind = self._incident, sets_off.behind
        said = any(r.sequence > behind and e.plan_hash == sets_off.plan_hash for r, e in incident.told(SecretsBegun))
        known = any(plan.hash == sets_off.plan_hash for plan in incident.all(Planned))
        return known and not said and max(map(incident.place, (UndoOrdered, Closed))) < behind

    def _asked(self) -> Asked | None:
        """What the plan that set it off asks for; or the plan that stands, if the word of that was lost."""
        begun, standing = self._incident.last(SecretsBegun), standing_plan(self._incident)
        left = standing[0] if standing else active_plan(self._incident)
        plans = {plan.hash: plan for plan in self._incident.all(Planned)}
        plan = plans.get(begun.plan_hash) if begun is not None else left
        step = next((step for step in plan.steps if step.action == NAME), None) if plan else None
        return Asked(plan.hash, step, RotationOptions.read(step.options)) if plan and step else None

    def _is_busy(self, chain: Chain) -> bool:
        """Another instance wrote a moment ago and did not put it down."""
        started = chain.last(WorkStarted)
        if started is None or chain.place(WorkEnded) > chain.place(WorkStarted):
            return False
        return started.instance != self._desk.instance and self._desk.clock() - chain.records[-1].time < LEASE

    def _is_ended(self, chain: Chain) -> bool:
        return is_begun(chain, self._incident) and chain.place(RotationEnded) > chain.place(RotationBegun)

    def _is_due(self, chain: Chain) -> bool:
        """
        Whether anything is to be done now. A message that comes early is dropped, for there is another one that goes
        on: all but that one itself.
        """
        ended = chain.last(WorkEnded)
        if not is_begun(chain, self._incident):
            return True
        if ended is None or chain.place(WorkStarted) > chain.place(WorkEnded):
            return True
        # A person lets secrets go, or declines them.
        answered = max(chain.place(RotationApproved), chain.place(SecretStopped)) > chain.place(WorkEnded)
        cut = cut_since(History(self._incident.lines))
        cut_again = cut is not None and cut > chain.records[chain.place(WorkStarted)].time  # the looks begin anew
        news = answered or cut_again or is_news(chain, self._incident)
        return news or (ended.more and (ended.again_at is None or ended.again_at <= self._desk.clock()))

    def _left(self, at: str) -> timedelta:
        """How long it is until then by our clock, which may be behind the one by which the message was sent."""
        return min(max(datetime.fromisoformat(at) - self._desk.clock(), timedelta()), LONGEST_DELAY)

    async def _send(self, delay: timedelta) -> None:
        await self._desk.store.queue.send(rotation_message(self._incident.incident), delay)


def _goes_on_at(chain: Chain) -> str | None:
    """The moment for which the message was sent that goes on with what was put down last."""
    ended = chain.last(WorkEnded)
    return ended.again_at.isoformat() if ended is not None and ended.again_at is not None else None
