"""
The whole story, one short method for each door.
"""

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import TypeGuard, cast
from weakref import WeakValueDictionary

from shared.actions import check_options, choosable
from shared.actions.interface import (
    Means,
    WayBack,
)
from shared.actions.people import (
    for_deleted,
    is_named,
    people_needed,
    same_person,
)
from shared.case import IdentityState, Known
from shared.chain import Chain
from shared.counter_evidence import weigh_up
from shared.damage import TODO, damaged_now, read_noting
from shared.desk import LEASE, RESUME_AFTER, Desk, put_off, reservations_of, watched_by
from shared.entries import (
    Approved,
    Closed,
    Decided,
    Entry,
    Escalated,
    Foreseen,
    Intended,
    Planned,
    PlannedStep,
    SecretsBegun,
    SignalJoined,
    UndoEnded,
    UndoOrdered,
)
from shared.errors import (
    CordonError,
    JournalDamaged,
    MalformedSignal,
    NotFound,
    RequestConflicts,
    RequestRefused,
    RivalActs,
    SequenceTaken,
)
from shared.following import follow
from shared.forecast import LOG_WITHIN, foresee
from shared.history import History
from shared.hunting import consents_view, contacts_view, owners_view
from shared.identity import AppObjectId, ClientId, IdentityRef, PrincipalId, canonical_guid
from shared.incident import view_of, what_stands
from shared.inventory import Inventory, Listing
from shared.investigation import Investigation, as_entry, choose_rung, investigate, with_case, with_shown
from shared.journal import IncidentId
from shared.ladder import as_told
from shared.look import Look
from shared.orders import Order, standing_choices, with_standing
from shared.plan import make_plan
from shared.policy import ActionChoice
from shared.polling import Polling, Swept, digest_of
from shared.preflight import why_nothing_contains, why_nothing_is_done
from shared.protection import Doubt, Question, synchronises, why_protected
from shared.relations import case_of
from shared.report import Report, make_report
from shared.report.secrets import links_to, tell_secrets, view_of_secrets
from shared.reservations import WindowUnreadable
from shared.rotation import Rotation, secrets_of
from shared.rotation_answers import Answer, answer_rotation
from shared.rotation_message import SetOff, rotation_message, set_off_by
from shared.rotation_story import RotationStory, load_story
from shared.secret_news import read_touched, send_secret_news
from shared.signal import JsonObject, NotASignal, PolicyTouched, SecretTouched, Signal
from shared.sources import is_own_doing, source_for_category, source_for_event, source_named
from shared.sources.interface import Source
from shared.standing import (
    known_ids,
    standing_plan,
    subject_of,
    undo_under_way,
    undo_was_given_up,
    waiting_plan,
    waits_for_a_look,
)
from shared.undo import Undoing, lets_sign_in, only_restored, steps_to_undo
from shared.untrusted import one_line
from shared.views import (
    ConsentsView,
    ContactsView,
    DamagedView,
    DriftView,
    Health,
    IncidentPage,
    IncidentView,
    OwnersView,
    PreflightView,
    Preview,
    RuleView,
    StepBack,
    SwitchView,
    UndoPreview,
)
from shared.watch import unmark
from shared.witness import Witness
from shared.work import Work, name_seen

log = logging.getLogger("cordon")

_AT_ONCE = 10  # incidents that a pushing door works on itself; the rest is left to the queue
_DOOR_TIME = 25.0  # seconds; Event Grid waits 30 for an answer, and the resume message goes on
_BLIND = timedelta(hours=1)  # a feed that was not read to its end for so long
_LARGEST = 1_048_576  # bytes of one pushed body; the platform's own limit is the same


@dataclass(frozen=True, slots=True)
class Intake:
    """What came of pushed records: taken in, known already, not about workload identities, unusable (why)."""

    accepted: int = 0
    duplicates: int = 0
    not_ours: int = 0
    set_aside: tuple[str, ...] = ()


class Responder:
    """Everything a door may ask for."""

    def __init__(self, desk: Desk) -> None:
        self._desk = self._desk_at_work = desk
        self._own: frozenset[str] | None = None
        self._in_hand: WeakValueDictionary[IncidentId, asyncio.Lock] = WeakValueDictionary()
        witness = Witness(desk.store, desk.clock)
        self._polling = Polling(
            desk.tenant.feeds,
            desk.inbox,
            desk.store.documents,
            desk.tenant_id,
            self._is_own_in_a_poll,
            witness.see,
            self._policy_touched,
            desk.clock,
            sign_ins_too=desk.policy.waits_for("sign-in"),
        )

    # Timers

    async def sweep_risk(self) -> Swept:
        """Read both risk lists whole; new signals are worked off the queue."""
        await self._look_ahead()
        swept = await self._polling.sweep_risk()
        if self._desk.liveness is not None:
            await self._desk.liveness.keep()
        return swept

    async def sweep_audits(self) -> Swept:
        """Read the audit log on from where it was read to."""
        return await self._polling.sweep_audits()

    async def sweep_sign_ins(self) -> Swept:
        """Read all workloads' sign-ins on from where they were read to, if a rule waits for one."""
        return await self._polling.sweep_sign_ins()

    async def reconcile(self) -> Swept:
        """Read older hours of the logs again, for records that arrived late."""
        return await self._polling.reconcile()

    # Pushed records

    async def receive_events(self, events: Sequence[JsonObject]) -> Intake:
        """Take in Event Grid events ({type, id, source, subject, time, data}); the type picks the source."""
        return await self._receive(
            [(source_for_event(_word(event, "type")), event.get("data"), event) for event in events]
        )

    async def receive_stream(self, bodies: Sequence[bytes]) -> Intake:
        """Take in diagnostic records ({"records": […]} per body); the category picks the source."""
        records = [record for body in bodies for record in self._records(body)]
        return await self._receive(
            [(source_for_category(_word(record, "category")), record, record) for record in records]
        )

    def _records(self, body: bytes) -> list[object]:
        """The records of one body; a body that cannot be read becomes one record that will be set aside."""
        if len(body) > _LARGEST:
            return [f"a body of {len(body)} bytes, {_LARGEST} are allowed"]
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            return ["a body that is not JSON, or too deeply nested"]
        records = _member(content, "records")
        return cast("list[object]", records) if isinstance(records, list) else ["a body without a list of records"]

    async def _receive(self, records: Sequence[tuple[Source | None, object, object]]) -> Intake:
        signals: list[Signal] = []
        aside: list[str] = []
        not_ours = 0
        for source, record, envelope in records:
            try:
                found = _read(source, record, envelope, self._desk.tenant_id)
            except MalformedSignal as problem:
                log.warning("%s", problem)
                aside.append(str(problem))
                await self._desk.inbox.set_aside(problem.source, problem.why, digest_of(envelope))
                continue
            if isinstance(found, PolicyTouched):
                await self._policy_touched(found)
            if isinstance(found, SecretTouched):
                store = self._desk.store
                await send_secret_news(store.documents, store.queue, found, self._desk.clock())
            if isinstance(found, NotASignal) or await self._is_own_doing(found):
                not_ours += 1
            else:
                signals += (found, *found.others)
        return await self._take_in(signals, Intake(not_ours=not_ours, set_aside=tuple(aside)))

    async def _take_in(self, signals: Sequence[Signal], intake: Intake) -> Intake:
        """A few incidents are worked on at once; the message that resumes them is in the queue before that."""
        few = len(signals) <= _AT_ONCE
        if few:
            taken = await self._desk.inbox.take(signals, RESUME_AFTER, self._work_at_once)
        else:
            taken = await self._desk.inbox.take(signals)
        return replace(intake, accepted=taken.accepted, duplicates=taken.duplicates)

    async def _work_at_once(self, chains: Sequence[Chain]) -> None:
        """What goes wrong or takes too long here is taken up by the resume message; the signals are safe."""
        try:
            async with asyncio.timeout(_DOOR_TIME):
                await asyncio.gather(*(self._work_now(chain) for chain in chains))
        except TimeoutError:
            log.warning("work on %s goes on off the queue", ", ".join(chain.incident for chain in chains))

    async def _work_now(self, chain: Chain) -> None:
        """What goes wrong with one incident is dealt with here, so that the others are not left alone."""
        try:
            await self._advance(chain.incident, "signal", written=chain)
        except CordonError as error:
            log.warning("work on %s goes on off the queue: %s", chain.incident, error)
        except Exception:
            log.exception("work on %s failed by a fault of Cordon's own; it goes on off the queue", chain.incident)

    # The queue

    async def work(self, message: JsonObject) -> None:
        """Work the incident that a message names. Raises what a later delivery of the message may mend."""
        incident, because = message.get("incident"), message.get("because")
        if not _is_incident(incident) or not isinstance(because, str):
            raise MalformedSignal(source="work queue", why="a message names an incident and why it is sent")
        if because == "watch":
            enabled, asked = message.get("enabled") is True, message.get("asked") is True
            await self._with_chain(
                IncidentId(incident), lambda work: work.look_at_news(enabled=enabled, asked=asked), again=message
            )
            return
        if because == "lookalike":
            subject = _named_in(message.get("ids"))
            await self._with_chain(IncidentId(incident), lambda work: work.tell_of_lookalike(subject), again=message)
            return
        if because == "owners-silent":
            await self._with_chain(IncidentId(incident), lambda work: work.go_on_without_owners())
            return
        if because == "follow":
            await self._follow(IncidentId(incident))
            return
        if because == "rotation":
            woken, at = message.get("woken") is True, message.get("at")
            moment, sets_off = at if isinstance(at, str) else None, set_off_by(message)
            await self._rotate(IncidentId(incident), woken=woken, at=moment, sets_off=sets_off)
            return
        if because != "recheck":
            await self._advance(IncidentId(incident), because)
            return
        series, place, written = message.get("series"), message.get("place"), message.get("written")
        if not isinstance(series, int) or not isinstance(place, int):
            raise MalformedSignal(source="work queue", why="a recheck names its series and its place")
        since = written if isinstance(written, int) else None
        await self._with_chain(IncidentId(incident), lambda work: work.recheck(series, place, since))

    async def tell_poisoned(self, body: bytes) -> None:
        """A message that failed every time: say so in the incident it names, if it names one."""
        log.error("a work message failed every time and was set aside: %s bytes", len(body))
        await self._desk.inbox.set_aside("work queue", "failed every time", digest_of(body.decode("utf-8", "replace")))
        try:
            message = json.loads(body)
        except (ValueError, RecursionError):
            return
        incident = _member(message, "incident")
        if not _is_incident(incident):
            return
        try:
            await self._call_for_a_person(IncidentId(incident))
        except JournalDamaged as damage:
            log.error("%s", damage)  # noqa: TRY400 - the text says it all

    async def _call_for_a_person(self, incident: IncidentId) -> None:
        """Once: while it goes on failing, every message that is tried for it ends here."""
        chain = await self._chain(incident)
        if chain:
            if not _is_called_because_it_fails(chain):
                await chain.write(Escalated(reason=_FAILS, todo=_MEND))
            await self._desk.outbox.publish_due(chain)

    # People

    async def preview(self, order: Order, *, with_forecast: bool = True) -> Preview:
        """
        What would be done now, made by the code that does it, and who would break by it. Nothing is changed. Without
        the forecast nothing is read either that is only for whoever looks at it; the plan and its hash are the same.

        Raises RequestRefused, as `order` does, for an action that is asked for and cannot run here.
        """
        _check(order)
        await self._refuse_what_cannot_run(order)
        desk = self._desk
        found = await investigate(
            desk.tenant.directory,
            desk.policy,
            order.subject,
            (),
            desk.own_ids,
            desk.tenant_id,
            desk.clock,
            judge=order.decision,
            deleted_first=for_deleted(choice.name for choice in order.actions or ()),
            estate=desk.tenant.estate,
            suspicions=desk.suspicions,
        )
        found = await choose_rung(found, desk.policy, desk.left_out)
        found = replace(found, decision=with_standing(found.decision, await self._what_stands(found)))
        entry = as_entry(found.case)
        plan: Planned | None = None
        held: str | None = None
        if found.state is None:
            held = "the identity could not be read"
        else:
            own, has_estate = await self._own_ids(), desk.tenant.estate is not None
            bare = Means("00000000-preview", desk.handover_vault, own_ids=own, estate=has_estate)
            means = await with_case(bare, found.decision.actions, found.look)
            if with_forecast:
                means = await with_shown(means, found.decision.actions, found.look)
            left_out = await desk.left_out(found.decision.actions)
            plan = make_plan(found.decision.actions, found.state, means, desk.clock(), left_out)
            protected = why_protected(found.state, desk.policy.protected, await self._own_ids())
            spared = protected or await self._synchronises(found.state, found.look)
            held = (
                spared
                or why_nothing_contains(plan)
                or why_nothing_is_done(plan)
                or ("mode watch: Cordon changes nothing" if desk.mode == "watch" else None)
            )
        return Preview(
            identity=entry.identity,
            parts=entry.parts,
            decision=Decided(
                verdict=found.decision.verdict.value,
                rule=found.decision.rule,
                actions=tuple(choice.name for choice in found.decision.actions),
                rules=found.decision.rules,
                policy=desk.policy.digest,
                by_person=order.by,
                ladder=as_told(found.climbed) if found.climbed else None,
                weighed=weigh_up(desk.policy, found.case, found.decision),
            ),
            plan=plan,
            held_back=held,
            forecast=await self._foresee(plan, found) if with_forecast else None,
        )

    async def _synchronises(self, state: IdentityState, look: Look) -> str | None:
        """As when it is carried out."""
        found = await synchronises(state, look)
        return found.why if isinstance(found, Doubt | Question) else found

    async def _foresee(self, plan: Planned | None, found: Investigation) -> Foreseen | None:
        if plan is None or not plan.steps:
            return None
        return foresee(plan, await found.look.sign_ins(LOG_WITHIN), found.state, self._desk.clock())

    async def _what_stands(self, found: Investigation) -> tuple[ActionChoice, ...]:
        """What the identity is contained with already, in its open incident and in the one that watches it."""
        if found.state is None:
            return ()
        identity = found.state.identity
        ids = [id_ for id_ in (identity.principal_id, identity.client_id, identity.app_object_id) if id_]
        watching, holders = await asyncio.gather(watched_by(self._desk, ids), self._desk.inbox.holders(ids))
        chains = [await self._chain(holder) for holder in holders]
        return tuple(choice for chain in (watching, *chains) if chain for choice in standing_choices(chain))

    async def order(self, order: Order) -> IncidentId:
        """
        Take a person's order in; it is worked off the queue. The same request id is the same order.

        Raises RequestRefused for an action, or an option of one, that the catalogue does not have, and for an
        action that is asked for by name and cannot run here; RequestConflicts if the plan that was seen is not
        the plan of now, or the request id was used before.
        """
        _check(order)
        _check_name(order)
        await self._refuse_what_cannot_run(order)
        await self._refuse_to_dismiss_what_stands(order)
        if order.plan_hash is not None:
            _compare(order.plan_hash, await self.preview(order, with_forecast=False))
        found = source_named("manual").read(order.record(), self._desk.tenant_id)
        if isinstance(found, NotASignal):
            raise MalformedSignal(source="manual", why=found.why)
        signal = replace(found, observed_at=self._desk.clock(), subject=await self._of_the_living(found.subject))
        await self._desk.inbox.take((signal,))
        return await self._desk.inbox.incident_of(signal)

    async def _of_the_living(self, subject: IdentityRef) -> IdentityRef:
        """
        An application's id leads to the open incident about it. Where that is about a service principal that is gone,
        and the application has another one now, the order is about the latter.
        """
        ids = [id_ for id_ in (subject.client_id, subject.app_object_id) if id_]
        holders = () if subject.principal_id else await self._desk.inbox.holders(ids)
        known = {id_ for holder in holders for id_ in known_ids(await self._chain(holder))}
        if not known:
            return subject
        part = await Look(self._desk.tenant.directory, subject, self._desk.clock).identity()
        if not isinstance(part, Known) or part.value.identity.principal_id in known:
            return subject
        return replace(subject, principal_id=part.value.identity.principal_id)

    async def _refuse_to_dismiss_what_stands(self, order: Order) -> None:
        """As with a verdict: a plan of the dismissal alone would end the looks at it."""
        if [choice.name for choice in order.actions or ()] != ["dismiss-risk"]:
            return
        ids = [id_ for id_ in (order.subject.principal_id, order.subject.client_id, order.subject.app_object_id) if id_]
        watching, holders = await asyncio.gather(watched_by(self._desk, ids), self._desk.inbox.holders(ids))
        for chain in (watching, *[await self._chain(holder) for holder in holders]):
            if chain:
                _check_nothing_stands(chain, self._desk.clock())

    async def approve(
        self,
        id_: str,
        plan_hash: str,
        *,
        approved: bool,
        reason: str,
        by: str,
        tiers: tuple[int, ...] | None = None,
    ) -> IncidentView:
        """
        A person lets the waiting plan with this hash go, or declines it. Once: the answer is journaled. Where it is
        the plan of a rotation, `tiers` names some of those that wait; None means all of them.

        Raises RequestConflicts if no such plan waits (any more), or if it has expired.
        """
        chain = await self._known_chain(id_)
        plan, now = waiting_plan(chain), self._desk.clock()
        if plan is None or plan.hash != plan_hash:
            return await self._answer_rotation(chain, plan_hash, Answer(approved, tiers, reason, by))
        if plan.expires_at is not None and now >= plan.expires_at:
            raise RequestConflicts("The plan has expired. Order the incident again; a new plan will be made.")
        message: JsonObject = {"incident": chain.incident, "because": "order"}
        if approved:
            _check_second_person(chain, plan, by)
            answer: Entry = Approved(plan_hash=plan_hash, by=by, reason=reason)
            await self._desk.store.queue.send(message, RESUME_AFTER)  # before the answer, as with an undo
        else:
            answer = Closed(outcome="declined", reason=f"declined by {by}: {reason}")
        try:
            await chain.write(answer, only_next=True)
        except SequenceTaken as taken:
            raise RequestConflicts("The incident has gone on meanwhile. Look at it again.") from taken
        if approved:
            await self._desk.store.queue.send(message)
        else:
            await self._desk.inbox.release(chain.incident, known_ids(chain))
        return view_of(chain.records, now)

    async def _answer_rotation(self, chain: Chain, plan_hash: str, answer: Answer) -> IncidentView:
        store, clock = self._desk.store, self._desk.clock
        secrets = await Chain.read(store.journal, secrets_of(chain.incident), clock)
        message: JsonObject = {"incident": chain.incident, "because": "rotation"}
        await store.queue.send(message, RESUME_AFTER)  # as above
        await answer_rotation(secrets, await load_story(secrets, store.evidence), plan_hash, answer, clock())
        await store.queue.send(message)
        return await self._view(chain)

    async def judge(self, id_: str, verdict: str, *, reason: str, by: str) -> IncidentView:
        """
        A person's verdict on an incident, carried out by the engine as an order: compromised is told to Identity
        Protection beside what stands already; dismissed takes the risk back and closes the incident.

        Gives the incident that does it: another one, if this one was closed. Raises RequestConflicts where
        something stands in the way; then nothing was changed.
        """
        chain = await self._known_chain(id_)
        if verdict == "compromised":
            return await self._confirm(chain, reason, by)
        _check_nothing_stands(chain, self._desk.clock())
        return await self._dismiss(chain, reason, by)

    async def _confirm(self, chain: Chain, reason: str, by: str) -> IncidentView:
        """What stands goes on being watched, as with every order."""
        if self._desk.mode == "watch":
            raise RequestConflicts("Mode watch: Cordon changes nothing. Confirm it in the Entra admin centre.")
        order = _verdict(chain, "compromised", (ActionChoice("confirm-compromised", {}),), reason, by)
        preview = await self.preview(order, with_forecast=False)
        plan = preview.plan
        if plan is None or not any(step.action == "confirm-compromised" for step in plan.steps):
            raise RequestConflicts(f"Nothing was changed. {_why_not(preview, 'confirm-compromised')}")
        return await self.incident(await self.order(replace(order, plan_hash=plan.hash)))

    async def _dismiss(self, chain: Chain, reason: str, by: str) -> IncidentView:
        """Where Identity Protection has nothing to be told, the verdict alone closes the incident."""
        order = _verdict(chain, "dismissed", (ActionChoice("dismiss-risk", {}),), reason, by)
        preview = await self.preview(order, with_forecast=False)
        plan = preview.plan
        if plan is None or any(each.outcome == "contradicts-containment" for each in plan.not_done):
            raise RequestConflicts(f"Nothing was changed. {_why_not(preview, 'dismiss-risk')}")
        if plan.steps and self._desk.mode != "watch":
            return await self.incident(await self.order(replace(order, plan_hash=plan.hash)))
        if chain.place(Closed) > chain.place(SignalJoined):
            raise RequestConflicts("The incident is closed already, and there is no risk to be dismissed here.")
        try:
            await chain.write(Closed(outcome="dismissed", reason=f"dismissed by {by}: {reason}"), only_next=True)
        except SequenceTaken as taken:
            raise RequestConflicts("The incident has gone on meanwhile. Look at it again.") from taken
        await self._desk.inbox.release(chain.incident, known_ids(chain))
        return view_of(chain.records, self._desk.clock())

    async def preview_undo(self, id_: str, wanted: UndoOrdered) -> UndoPreview:
        """What this order would put back now, what has drifted, what is lost. Nothing is changed or stored."""
        chain = await self._known_chain(id_)
        refused = await self._why_no_undo_now(chain, wanted)
        desk = self._desk
        undoing = Undoing(desk.tenant, chain, desk.switch, subject_of(chain), desk.clock)
        steps = tuple(_step_back(step, way) for step, way in await undoing.foresee(wanted))
        return UndoPreview(incident=chain.incident, steps=steps, refused=refused)

    async def undo(self, id_: str, wanted: UndoOrdered) -> IncidentView:
        """
        Take an order to undo an incident in; it is worked off the queue. What was still to be done ends with it, and
        so does every later look at what the order names.

        A closed incident has let its ids go; they come back to it, so that signals meanwhile join it. Raises
        RequestConflicts in clear words where it cannot be, NotFound if there is no such incident.
        """
        chain = await self._known_chain(id_)
        desk, ids = self._desk, known_ids(chain)
        why = await self._why_no_undo_now(chain, wanted)
        if why is None:
            other = await desk.inbox.claim(chain.incident, ids)
            why = _is_open(other) if other is not None and other != chain.incident else None
        if why is not None:
            raise RequestConflicts(f"Nothing was undone. {why}")
        message: JsonObject = {"incident": chain.incident, "because": "undo"}
        await desk.store.queue.send(message, RESUME_AFTER)  # before the order: whoever crashes is picked up
        try:
            await self._let_go_of_restorations(chain, wanted)
            await chain.write(wanted, only_next=True)
        except SequenceTaken as taken:
            raise RequestConflicts("Nothing was undone: the incident has gone on meanwhile. Look again.") from taken
        await desk.store.queue.send(message)
        return view_of(chain.records, desk.clock())

    async def _let_go_of_restorations(self, chain: Chain, wanted: UndoOrdered) -> None:
        """
        Later incidents that only restored the identity keep its sign-in blocked. Where that is to be undone, they end
        with it; what was restored stays. The watch goes first: until the order stands, this incident has it.
        """
        desk = self._desk
        restored, _ = await self._watching(chain, wanted)
        for later in restored:
            await unmark(desk.store.documents, later.incident, known_ids(later), name_seen(later))
            steps = tuple(step.id for step in steps_to_undo(later))
            why = f"with the undo of incident {chain.incident}"
            stays = f"What it restored stays; that its sign-in is blocked is not kept any more, {why}."
            ended = UndoEnded(whole=True, reason=stays)
            order = UndoOrdered(by=wanted.by, reason=f"{why}: {wanted.reason}", steps=steps)
            await later.write(order, ended, Closed(outcome="released", reason=stays), only_next=True)
            await desk.outbox.publish_due(later)

    async def _watching(self, chain: Chain, wanted: UndoOrdered) -> tuple[list[Chain], Chain | None]:
        """The restorations that end with this order, newest first, and the incident that has the watch behind them."""
        restored, ends = list[Chain](), lets_sign_in(chain, wanted)
        while True:
            beside = [each.incident for each in restored]
            found = await watched_by(self._desk, known_ids(chain), beside)
            if not found or found.incident == chain.incident or not ends or not only_restored(found):
                return restored, found
            restored.append(found)

    async def _why_no_undo_now(self, chain: Chain, wanted: UndoOrdered) -> str | None:
        """Why this order cannot be taken, or None; also where a newer incident stands on the same identity."""
        ids = known_ids(chain)
        why = self._why_no_undo(chain, wanted)
        if why is None and (other := _another(chain, await self._desk.inbox.holders(ids))):
            why = _is_open(other, restored=only_restored(await self._chain(other)))
        return why or _stands_on_it(chain, (await self._watching(chain, wanted))[1])

    def _why_no_undo(self, chain: Chain, wanted: UndoOrdered) -> str | None:
        """Why this order cannot be taken as things stand in the journal, or None."""
        steps = [step.id for step in steps_to_undo(chain)]
        if self._desk.mode == "watch":
            return "Mode watch: Cordon changes nothing. Do it by hand; the report tells how."
        if not steps:
            return "No step of this incident was begun, so there is nothing to undo."
        if unknown := sorted(set(wanted.steps or ()) - set(steps)):
            return f"No step {one_line(unknown[0])[:80]} was begun. There are: {', '.join(steps)}."
        ended, order = chain.last(UndoEnded), undo_under_way(chain)
        if order is not None and not undo_was_given_up(chain):
            return f"An undo ordered by {one_line(order.by)} is under way. Look at the incident."
        if waits_for_a_look(chain):
            return "A signal has come that is not decided on yet. Look at the incident once it is, then order again."
        nothing_new = chain.place(Intended) < chain.place(UndoOrdered)
        if ended and ended.whole and nothing_new and not wanted.steps and not wanted.give_back:
            return "Everything that can come back is back already; nothing was done since."
        return None

    async def incidents(self, limit: int, after: str) -> IncidentPage:
        """Incidents, newest first; `after` is the previous page's `next`."""
        listed = await self._desk.store.documents.query("incidents", after=after, limit=limit)
        shown = await asyncio.gather(*(self._shown(IncidentId(str(d.body["incident"]))) for d in listed))
        return IncidentPage(
            incidents=tuple(view for view in shown if isinstance(view, IncidentView)),
            next=listed[-1].key if len(listed) == limit else None,
            damaged=tuple(view for view in shown if isinstance(view, DamagedView)),
        )

    async def owners(self, listing: Listing, limit: int, after: str | None) -> OwnersView:
        """A page of the tenant's applications with their owners, read now."""
        return owners_view(await self._inventory.owned(listing, limit, after), self._desk.tenant_id)

    async def consents(self, limit: int, after: str | None) -> ConsentsView:
        """What is worth a look on a page of the tenant's consents, read now. Nothing is done about any of it."""
        return consents_view(await self._inventory.consents(limit, after), self._desk.tenant_id)

    async def contacts(self, id_: str) -> ContactsView:
        """Whom to call about an incident's identity, read now."""
        view = view_of((await self._known_chain(id_)).records, self._desk.clock())
        if view.identity is None:
            raise NotFound(
                f"Incident {id_} is about an identity that could not be read, so nobody can be named for it."
            )
        found = await self._inventory.reach(view.identity.principal_id)
        teams = self._desk.contacts.of(found.client_id, found.tags, found.owner_tenant)
        return contacts_view(id_, found, self._desk.tenant_id, view.status.value.replace("-", " "), teams)

    @property
    def _inventory(self) -> Inventory:
        inventory = self._desk.tenant.inventory
        if inventory is None:
            raise NotFound("The tenant at large cannot be looked through here: no directory is configured for it.")
        return inventory

    async def _shown(self, incident: IncidentId) -> IncidentView | DamagedView | None:
        """One that is damaged is shown as such and hides no other; None if it was listed and never opened."""
        try:
            chain = await self._chain(incident)
            return view_of(chain.records, self._desk.clock()) if chain else None
        except JournalDamaged as damage:
            return DamagedView(id=incident, damage=str(damage), todo=TODO)

    async def incident(self, id_: str) -> IncidentView:
        """The incident in short, with what became of the secrets that it exposed."""
        return await self._view(await self._known_chain(id_))

    async def _view(self, chain: Chain) -> IncidentView:
        view, story = view_of(chain.records, self._desk.clock()), await self._story(chain)
        told = tell_secrets(History(chain.lines), story, await self._led_to(story))
        case = await case_of(self._desk.store, self._desk.clock, chain)
        if told is None:
            return view.model_copy(update={"case": case})
        return view.model_copy(update={"secrets": view_of_secrets(told), "led_to": links_to(told), "case": case})

    async def report(self, id_: str) -> Report:
        chain = await self._known_chain(id_)
        story = await self._story(chain)
        case = await case_of(self._desk.store, self._desk.clock, chain)
        return make_report(chain.records, self._desk.clock(), story, await self._led_to(story), case)

    async def _story(self, chain: Chain) -> RotationStory | None:
        """What the journal of the incident's secrets tells; None if there is none."""
        if chain.place(SecretsBegun) < 0:
            return None
        store = self._desk.store
        return await load_story(
            await Chain.read(store.journal, secrets_of(chain.incident), self._desk.clock), store.evidence
        )

    async def _led_to(self, story: RotationStory | None) -> dict[str, str]:
        """The incidents that its accusations joined, by record id."""
        records = {accused.record_id for _, accused in (story.accused if story else ())}
        found = {each: await self._desk.inbox.joined("exposed-secret", each) for each in sorted(records)}
        return {record: incident for record, incident in found.items() if incident is not None}

    async def set_switch(self, *, stopped: bool, reason: str, by: str) -> SwitchView:
        """
        Stop every further effect of all instances, or let effects go on. Deciding and reporting go on.

        What was stopped does not start again by itself: a person orders the incident again. Raises
        RequestConflicts if effects are to go on in mode act, and nothing that contains can run.
        """
        if not stopped and self._desk.readiness is not None:
            await self._desk.readiness.refuse_arming()
        await self._desk.switch.set(stopped=stopped, reason=reason, by=by)
        log.warning("the stop switch is %s by %s: %s", "set" if stopped else "released", by, reason)
        why = await self._desk.switch.why_stopped()
        return SwitchView(stopped=why is not None, reason=why)

    async def health(self) -> Health:
        """Whether Cordon can do its work. Reads the store, and what it may do here if that is old."""
        problems, now = list[str](), self._desk.clock()
        stopped = await self._desk.switch.why_stopped()
        coverage = await self._polling.coverage_views()
        problems += [f"{view.feed}: {said}" for view in coverage for said in view.pending]
        problems += await self._burst()
        problems += await damaged_now(self._desk.store, self._desk.clock)
        found = await self._desk.readiness.told() if self._desk.readiness else None
        problems += found.problems if found else ()
        problems += await self._desk.azure_standing.told() if self._desk.azure_standing else ()
        disarmed = found is not None and bool(found.cannot_contain) and self._desk.mode != "watch"
        blind = any(view.read_until is not None and now - view.read_until > _BLIND for view in coverage)
        return Health(
            status="unhealthy" if blind or disarmed else "degraded" if problems or stopped else "healthy",
            mode=self._desk.mode,
            stopped=stopped is not None,
            policy=self._desk.policy.digest,
            coverage=coverage,
            problems=tuple(problems),
            preflight=PreflightView.of(found) if found else None,
            rules=await self._rules(),
        )

    async def _rules(self) -> tuple[RuleView, ...] | None:
        liveness = self._desk.liveness
        return None if liveness is None else tuple(RuleView.of(life) for life in await liveness.told())

    async def _burst(self) -> list[str]:
        """What the limits hold back as a whole, in words."""
        desk = self._desk
        try:
            burst = await reservations_of(desk).burst()
        except WindowUnreadable as problem:
            return [str(problem)]
        if burst is None:
            return []
        return [
            f"since {burst.since:%Y-%m-%d %H:%M} UTC a batch is held back whole, people must decide: {burst.reason}"
        ]

    async def warm_up(self) -> None:
        """Import and build what the first incident would otherwise wait for."""
        await asyncio.gather(self._desk.warm_up(), self._desk.store.warm_up())
        await self._own_ids()
        await self._look_ahead()
        if self._desk.azure_standing is not None:
            await self._desk.azure_standing.told()

    # Inside

    async def _look_ahead(self) -> None:
        """Find out what can run here, and say what cannot: at the start, and again when an hour has gone by."""
        if self._desk.readiness is not None:
            await self._desk.readiness.told()

    async def _refuse_what_cannot_run(self, order: Order) -> None:
        if self._desk.readiness is not None:
            await self._desk.readiness.refuse([choice.name for choice in order.actions or ()])

    async def _advance(self, incident: IncidentId, because: str, *, written: Chain | None = None) -> None:
        """`written` is the chain that a signal has just joined; then the message that resumes it is sent, too."""
        await self._with_chain(incident, lambda work: work.advance(because, resume_sent=written is not None), written)

    async def _with_chain(
        self,
        incident: IncidentId,
        do: Callable[[Work], Awaitable[None]],
        written: Chain | None = None,
        *,
        again: JsonObject | None = None,
    ) -> None:
        """
        Work on an incident. Messages about one incident are worked one after the other in this process;
        where a rival instance was faster, it is left to that one; or to `again`, a message about what that one need
        not have seen.

        `written` is the chain as a moment ago; it is read again if others worked on it here meanwhile. Of others
        elsewhere its next write will tell.
        """
        lock = self._in_hand.setdefault(incident, asyncio.Lock())
        is_newest = written is not None and not lock.locked()
        async with lock:
            chain = written if written is not None and is_newest else await self._chain(incident)
            if not chain:
                log.warning("a message names incident %s, which has no journal; it is dropped", incident)
                return
            try:
                await do(Work(await self._desk_now(), chain))
            except RivalActs as rival:
                log.info("%s", rival)
                if again is not None:
                    await put_off(self._desk, again, LEASE)

    async def _rotate(
        self, incident: IncidentId, *, woken: bool, at: str | None, sets_off: SetOff | None = None
    ) -> None:
        """
        Work on an incident's secrets for a while. It has a journal of its own, so that the incident itself stays
        free for its looks. While it is in hand here, a message is put off: if this process dies, that one goes on.
        `woken`: a vault told of a new version that it waits for; `at`: when the message was to come; `sets_off`: what
        it was sent to set off.
        """
        lock = self._in_hand.setdefault(secrets_of(incident), asyncio.Lock())
        if lock.locked():
            await put_off(self._desk, rotation_message(incident, woken=woken, sets_off=sets_off), RESUME_AFTER)
            return
        async with lock:
            chain = await self._chain(incident)
            if not chain:
                log.warning("a message names incident %s, which has no journal; it is dropped", incident)
                return
            try:
                await Rotation(await self._desk_now(), chain).advance(woken=woken, at=at, sets_off=sets_off)
            except RivalActs as rival:
                log.info("%s", rival)

    async def _follow(self, incident: IncidentId) -> None:
        """
        Look for what a contained identity had changed. It takes minutes, so that the incident stays free for its looks
        meanwhile. While it is in hand here, a message is put off: if this process dies, that one goes on.
        """
        lock = self._in_hand.setdefault(IncidentId(f"{incident}.follow"), asyncio.Lock())
        if lock.locked():
            await put_off(self._desk, {"incident": incident, "because": "follow"}, RESUME_AFTER)
            return
        async with lock:
            chain = await self._chain(incident)
            found = await follow(replace(self._desk, own_ids=await self._own_ids()), chain)
            if found:
                again: JsonObject = {"incident": incident, "because": "follow"}
                await self._with_chain(incident, lambda work: work.note(*found), again=again)

    async def _chain(self, incident: IncidentId) -> Chain:
        return await read_noting(self._desk.store, incident, self._desk.clock)

    async def _known_chain(self, id_: str) -> Chain:
        if not _INCIDENT.fullmatch(id_):
            raise NotFound("An incident's id looks like 20260302-1a2b3c4d5e6f.")
        chain = await self._chain(IncidentId(id_))
        if not chain:
            raise NotFound(f"There is no incident {id_}.")
        return chain

    async def _is_own_doing(self, signal: Signal) -> bool:
        """Cordon's own writes come back as audit records and detections; they are no news."""
        return is_own_doing(signal, await self._own_ids())

    async def _is_own_in_a_poll(self, signal: Signal) -> bool:
        """The same; and Cordon's own sign-ins are no news either, unless somebody points at one."""
        if signal.source != "sign-in":
            return await self._is_own_doing(signal)
        return not (await self._own_ids()).isdisjoint((signal.subject.principal_id, signal.subject.client_id))

    async def _policy_touched(self, touched: PolicyTouched) -> None:
        if not (await self._own_ids()).intersection(touched.by):
            await self._desk.inbox.policy_touched(touched)

    async def _desk_now(self) -> Desk:
        """The desk with all ids of Cordon's own identities, as far as they are known."""
        own = await self._own_ids()
        if self._desk_at_work.own_ids != own:
            self._desk_at_work = replace(self._desk, own_ids=own)
        return self._desk_at_work

    async def _own_ids(self) -> frozenset[str]:
        """Client and object ids of Cordon's own identities: the audit log names them by object id."""
        if self._own is None:
            principals = [await self._own_principal(client_id) for client_id in sorted(self._desk.own_ids)]
            found = self._desk.own_ids | {principal for principal in principals if principal}
            if None in principals:
                return found  # not remembered: the next call tries again
            self._own = found
        return self._own

    async def _own_principal(self, client_id: str) -> str | None:
        documents = self._desk.store.documents
        kept = await documents.get("own-identities", client_id)
        if kept is not None:
            return str(kept.body["principalId"])
        subject = IdentityRef(client_id=ClientId(client_id))
        part = await Look(self._desk.tenant.directory, subject, self._desk.clock).identity()
        if not isinstance(part, Known):
            log.warning(
                "Cordon's own identity %s could not be read; its own writes may come back as signals", client_id
            )
            return None
        principal = part.value.identity.principal_id
        await documents.insert("own-identities", client_id, {"principalId": principal})
        return principal


_INCIDENT = re.compile(r"[0-9]{8}-[0-9a-f]{12}")


_FAILS = "Work on this incident failed every time it was tried."
_MEND = "Read the errors in the log, mend the cause, then order the incident again."


def _is_called_because_it_fails(chain: Chain) -> bool:
    """Whether that is still the last word of the incident."""
    called = History(chain.lines).escalated
    return called is not None and called.reason == _FAILS


def _is_incident(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and _INCIDENT.fullmatch(value) is not None


def _named_in(ids: object) -> IdentityRef:
    """The ids of a message. Raises MalformedSignal for anything else."""
    try:
        principal, client, application = (_member(ids, name) for name in ("principal", "client", "application"))
        return IdentityRef(
            PrincipalId(canonical_guid(str(principal))) if principal else None,
            ClientId(canonical_guid(str(client))) if client else None,
            AppObjectId(canonical_guid(str(application))) if application else None,
        )
    except ValueError as problem:
        raise MalformedSignal(source="work queue", why=str(problem)) from problem


def _check(order: Order) -> None:
    known = choosable()
    for choice in order.actions or ():
        if choice.name not in known:
            near = get_close_matches(choice.name, known, 1)
            hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(known)}."
            raise RequestRefused(f"There is no action {one_line(choice.name)[:80]}. {hint} Nothing was ordered.")
        try:
            check_options(choice.name, choice.options)
        except ValueError as problem:
            raise RequestRefused(f"{problem}. Nothing was ordered.") from problem
    alone = [choice.name for choice in order.actions or () if people_needed((choice.name,))]
    if alone and len(order.actions or ()) > 1:
        raise RequestRefused(f"{alone[0]} is ordered alone, without other actions. Nothing was ordered.")


def _check_name(order: Order) -> None:
    """Deleting, restoring and purging are never done for a caller without a name."""
    for choice in order.actions or ():
        if people_needed((choice.name,)) and not is_named(order.by):
            raise RequestRefused(f"{choice.name} needs `by`: who asks for it is journaled. Nothing was ordered.")


def _check_nothing_stands(chain: Chain, now: datetime) -> None:
    if standing := what_stands(chain.records, now):
        raise RequestConflicts(
            f"Dismissing does not undo, and {', '.join(standing)} stands. Order the undo first (POST "
            f"/api/incidents/{chain.incident}/undo), then dismiss. Nothing was changed."
        )


def _check_second_person(chain: Chain, plan: Planned, by: str) -> None:
    decided = chain.last(Decided)
    ordered_by = decided.by_person if decided else None
    if people_needed(step.action for step in plan.steps) > 1 and same_person(ordered_by, by):
        raise RequestConflicts(
            f"This takes two people: {ordered_by or 'somebody'} ordered it, so somebody else has to approve it, and "
            "say who (`by`). Nothing was approved."
        )


def _verdict(chain: Chain, verdict: str, actions: Sequence[ActionChoice], reason: str, by: str) -> Order:
    """The same verdict sent twice before it was worked on is one order."""
    decisions = sum(1 for _ in chain.all(Decided))
    subject, unique = subject_of(chain), {choice.name: choice for choice in actions}
    id_ = f"verdict.{chain.incident}.{verdict}.{decisions}"
    return Order(_one_id(subject), reason, by, tuple(unique.values()), None, id_, verdict)


def _one_id(subject: IdentityRef) -> IdentityRef:
    """An order names an identity by exactly one id."""
    if subject.principal_id:
        return IdentityRef(principal_id=subject.principal_id)
    return IdentityRef(client_id=subject.client_id) if subject.client_id else subject


def _why_not(preview: Preview, action: str) -> str:
    outcomes = preview.plan.not_done if preview.plan else ()
    reason = next((each.reason for each in outcomes if each.action == action), None)
    return reason or f"It is not possible now: {preview.held_back or 'the identity could not be read'}."


def _compare(plan_hash: str, preview: Preview) -> None:
    """An identity that cannot be read now is no conflict: the order waits for better times in its incident."""
    if preview.plan is not None and preview.plan.hash != plan_hash:
        raise RequestConflicts(
            f"The plan of now is {preview.plan.hash}, not the one that was ordered: the identity or the policy has "
            "changed since. Nothing was ordered; look at the plan again."
        )


def _another(chain: Chain, holders: Iterable[IncidentId]) -> IncidentId | None:
    """The incident that has the identity in hand, if that is another."""
    return next((holder for holder in holders if holder != chain.incident), None)


def _is_open(other: IncidentId, *, restored: bool = False) -> str:
    if restored:
        return (
            f"Incident {other} restored the identity, and looks for 95 minutes whether it stays blocked. Order the "
            "undo again when that one is closed; undoing that one would delete the identity once more."
        )
    return f"Incident {other} is open on the same identity. Undo or close that one first."


def _stands_on_it(chain: Chain, watching: Chain | None) -> str | None:
    """Why the identity would be contained again at the next news, or None."""
    if not watching or watching.incident == chain.incident or standing_plan(watching) is None:
        return None
    if watching.records[0].time < chain.records[0].time or only_restored(watching):
        return None
    return f"Incident {watching.incident} contained the same identity later, and stands. Undo that one first."


def _step_back(step: PlannedStep, way: WayBack | CordonError) -> StepBack:
    if isinstance(way, CordonError):
        return StepBack(step=step.id, action=step.action, not_known=str(way))
    drifted = tuple(DriftView(property=d.property, before=d.before, left=d.left, now=d.now) for d in way.drifted)
    return StepBack(step=step.id, action=step.action, writes=way.writes, drifted=drifted, lost=way.lost)


def _member(value: object, name: str) -> object:
    """A member of what may or may not be an object; None if it is not there."""
    return cast("dict[str, object]", value).get(name) if isinstance(value, dict) else None


def _word(value: object, name: str) -> str:
    """A member that is text, or nothing: to print anything else can go deeper than Python does."""
    member = _member(value, name)
    return member if isinstance(member, str) else ""


_OF_VAULTS = "Microsoft.KeyVault."  # of Event Grid's types (facts: Azure 2.3)


def _read(source: Source | None, record: object, envelope: object, tenant_id: str) -> Signal | NotASignal:
    if source is None and _word(envelope, "type").startswith(_OF_VAULTS):
        what = "a vault tells of its versions, our own among them; who rotates reads them there"
        return read_touched(_word(envelope, "type"), record) or NotASignal(what)
    if source is None:
        kind = one_line(_word(envelope, "type") or _word(envelope, "category") or "an unknown sender")[:80]
        raise MalformedSignal(source=kind, why=record if isinstance(record, str) else "no source reads this type")
    if not isinstance(record, dict):
        raise MalformedSignal(source=source.name, why="the record is not an object")
    return source.read(cast("JsonObject", record), tenant_id)
