"""
Whether there is something to decide, what is decided, and whether the plan of that may be carried out now.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from shared.actions import parts_to_plan
from shared.actions.interface import Means
from shared.actions.people import for_deleted, people_needed, same_person
from shared.case import Case, CouldNotLook, IdentityState, Known, Part, PartName
from shared.chain import Chain
from shared.conditions.changed_by_suspect import related
from shared.counter_evidence import weigh_up
from shared.decision import Decision
from shared.desk import (
    Desk,
    close,
    hold,
    mode_of,
    reservations_of,
    watched_by,
)
from shared.entries import (
    Approved,
    Change,
    Closed,
    Decided,
    Entry,
    Escalated,
    Foreseen,
    HeldBack,
    Intended,
    Investigated,
    Opened,
    OwnerAsked,
    Planned,
    RelatedTold,
    SignalJoined,
    UndoOrdered,
)
from shared.errors import RivalActs
from shared.fight import (
    is_set_back,
)
from shared.forecast import LOG_WITHIN, foresee, not_asked
from shared.identity import PrincipalId
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
from shared.journal import MOST_AT_ONCE
from shared.ladder import as_told
from shared.later_looks import LaterLooks
from shared.limits import Spent, deeds_of
from shared.look import Look
from shared.orders import Order, chosen, order_in, standing_choices, with_standing
from shared.owner_question import ask, is_call_about, is_met
from shared.plan import LIFE, fingerprint, make_plan
from shared.policy import ActionChoice, Verdict
from shared.preflight import why_nothing_contains, why_nothing_is_done
from shared.protection import Doubt, Question, synchronises, why_protected
from shared.reservations import Ahead
from shared.standing import (
    active_plan,
    attempts_left,
    evidence_at,
    is_closed,
    is_decided,
    is_let_go,
    known_ids,
    lateness,
    looked_until,
    signals_of,
    standing_plan,
    subject_of,
)
from shared.together import together

log = logging.getLogger("cordon")


class Deciding:
    """
    One instance's decisions about one incident. `puts_off`: what has to be known before a plan goes on could not be
    read just now. `judged`: whatever had joined was decided on already, or was looked at.
    """

    def __init__(self, desk: Desk, chain: Chain, looks: LaterLooks) -> None:
        self._desk, self._chain, self._looks = desk, chain, looks
        self.puts_off = self.judged = False

    async def decide_if_due(self, *, approved: bool = True) -> tuple[Planned | None, Look | None]:
        """
        The plan to carry out now, with the look it was made from; (None, None) if nothing is to be done. Unless
        `approved` is false, what a person has let go goes before what is to be decided.
        """
        chain, standing = self._chain, active_plan(self._chain)
        order = order_in(chain, since=looked_until(chain))
        if approved and standing is not None and order is None and is_let_go(chain):
            plan, look = await self._begin_approved(standing)
            return (self._left_standing(), None) if plan is None and self.puts_off else (plan, look)
        self.judged = True
        if is_decided(chain):
            begun = standing if standing is not None and not is_let_go(chain) else None
            return begun or self._left_standing(), None
        found, _ = await asyncio.gather(self._investigate(order), self._desk.recall_readiness())
        self._desk.precedence.enter(self._chain.incident)
        found = await choose_rung(found, self._desk.policy, self._desk.left_out)
        if standing is not None and order is None and not self._asks_for_more(found):
            self.puts_off = self._waits_for_better_times(found)
            return standing, None
        joins, ahead, elsewhere = await together(
            self._joins_another(found), self._look_ahead(found), self._stands_elsewhere()
        )
        found = replace(found, decision=with_standing(found.decision, (*elsewhere, *standing_choices(chain))))
        if joins:
            return None, None
        if self._waits_for_better_times(found):
            self.puts_off = True
            return self._left_standing(), None
        plan = await self._conclude(found, order, ahead)
        if plan is None and not is_closed(chain):
            return self._left_standing(), None
        return plan, found.look

    async def calls_for_more(self) -> bool:
        """Whether a signal that is not decided on yet calls for containment or a person, as far as can be told now."""
        chain = self._chain
        if is_decided(chain):
            return False
        found = await self._investigate(order_in(chain, since=looked_until(chain)))
        return not self._waits_for_better_times(found) and found.decision.verdict in (Verdict.CONTAIN, Verdict.ASK)

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
        """
        What stands beside the newest plan, or was left by an undo: a look found it undone, or it was not carried to
        its end when that plan came to wait beside it, and it is gone on with.
        """
        standing, before = standing_plan(self._chain), self._looks.planned_at
        if standing is None:
            return None
        plan, self._looks.planned_at = standing
        if is_set_back(self._chain) or self._looks.is_unfinished(plan):
            return plan
        self._looks.planned_at = before
        return None

    async def _stands_elsewhere(self) -> tuple[ActionChoice, ...]:
        """What a closed incident of the same identity has contained it with: from now on this one watches it."""
        other = await watched_by(self._desk, known_ids(self._chain))
        return standing_choices(other) if other is not None and other.incident != self._chain.incident else ()

    async def _begin_approved(self, plan: Planned) -> tuple[Planned | None, Look | None]:
        """
        A person let this plan go. If the identity is no longer what it was made for, or nobody was at work for so long
        after the answer that it may not be meant any more, it is made anew and waits.
        """
        look, approved = self._looks.execution().new_look(), self._chain.last(Approved)
        by_policy = approved is not None and approved.by_policy  # nobody has confirmed it, so that the limits hold
        part = await read_identity(look, deleted_first=for_deleted(step.action for step in plan.steps))
        if not isinstance(part, Known):
            self.puts_off = isinstance(part, CouldNotLook) and part.may_help_later and attempts_left(self._chain)
            if not self.puts_off:
                await self._chain.write(*self._unread(part))
            return None, None
        spared = self._spare_synchronisation
        refused = self._refuse(part.value, plan) or await spared(part.value, plan, look, confirmed=not by_policy)
        if self.puts_off:
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
            called = (Escalated(reason=f"Nobody has answered. {why}", todo=approve(anew)),) if by_policy else ()
            await self._chain.write(anew, self._held("verdict", why, approve(anew)), *called)
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
            self._chain.incident,
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
            may_act=mode_of(self._desk, self._chain) == "act",
            late=lateness(self._chain),
            **extra,
        )

    async def _joins_another(self, found: Investigation) -> bool:
        """Point all ids to this incident; where another open one has them, hand the signals over to it."""
        if found.state is None:
            return False
        identity = found.state.identity
        ids = [i for i in (identity.principal_id, identity.client_id, identity.app_object_id) if i]
        other = await self._desk.inbox.claim(self._chain.incident, ids)
        if other is None:
            return False
        theirs = await Chain.read(self._desk.store.journal, other, self._desk.clock)
        if is_closed(theirs):
            raise RivalActs(
                f"Incident {other} was closed while {self._chain.incident} was to join it; it is looked at again."
            )
        known = {(s.source, s.record_id) for s in theirs.all(SignalJoined)}
        ours = [s for s in self._chain.all(SignalJoined) if (s.source, s.record_id) not in known]
        for start in range(0, len(ours), MOST_AT_ONCE):
            await theirs.write(*ours[start : start + MOST_AT_ONCE])
        await self._desk.store.queue.send({"incident": other, "because": "signal"})
        await close(self._desk, self._chain, "joined", f"the identity has an open incident already: {other}")
        return True

    def _waits_for_better_times(self, found: Investigation) -> bool:
        """A passing fault is not asked about: the next attempt looks again, as long as there is one."""
        undecided = found.decision.verdict is Verdict.ASK or found.state is None
        return undecided and bool(found.passing_faults) and attempts_left(self._chain)

    async def _look_ahead(self, found: Investigation) -> Ahead | None:
        """What the limits will ask first, while other things are read; only where they will be asked."""
        if (
            found.state is None
            or found.decision.verdict is not Verdict.CONTAIN
            or mode_of(self._desk, self._chain) != "act"
        ):
            return None
        return await reservations_of(self._desk).look_ahead(self._own_ids(found.state))

    async def _conclude(self, found: Investigation, order: Order | None, ahead: Ahead | None) -> Planned | None:
        """Write down case, decision and plan in one piece; give the plan if it may be carried out."""
        decided, entries = self._decided(found, order), (self._seen(found),)
        if found.decision.verdict in (Verdict.IGNORE, Verdict.WATCH):
            closing = "ignored" if found.decision.verdict is Verdict.IGNORE else "watched"
            await close(self._desk, self._chain, closing, f"rule “{found.decision.rule}” says so", *entries, decided)
            return None
        if found.state is None:
            await self._chain.write(*entries, decided, *self._unread(found.case.identity))
            return None
        if found.state.deleted_at is not None and order is None:
            why = f"It was deleted on {found.state.deleted_at:%Y-%m-%d %H:%M} UTC, so it gets no tokens."
            await close(
                self._desk, self._chain, "not-in-tenant", f"{why} It can be restored for 30 days.", *entries, decided
            )
            return None
        plan = await self._plan(found.decision.actions, found.state, found.look)
        held = await self._hold_back(found.state, found, plan, order, ahead)
        if self.puts_off:
            return None
        if held:
            within = SHOWN_IN_A_WAVE if held.by == "limits" else SHOWN_WITHIN
            plan = await self._plan(found.decision.actions, found.state, found.look, shown_within=within)
        if held and held.by == "mode" and mode_of(self._desk, self._chain) == "watch":
            await close(
                self._desk,
                self._chain,
                "watched",
                "mode watch: decided, and nothing was changed",
                *entries,
                decided,
                plan,
                held,
            )
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
        await self._desk.store.queue.send(
            {"incident": self._chain.incident, "because": "owners-silent"}, asked.until - self._desk.clock()
        )
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

    def still_contains_on_silence(self, name: str) -> bool:
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
            if each.standing.incident != self._chain.incident
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
            return self._held("verdict", "The plan that was ordered is not the plan of now.", approve(plan))
        if people_needed(step.action for step in plan.steps) > 1:
            return self._held("verdict", "This takes two people.", _second_person(order.by if order else None, plan))
        if mode_of(self._desk, self._chain) == "ask" and not confirmed:
            return self._held("mode", "Mode ask: every plan waits for a person.", approve(plan))
        if found.decision.verdict is Verdict.ASK and not confirmed:
            return self._held("verdict", found.decision.why_asked, approve(plan))
        return await self._over_limit(state, plan, confirmed=confirmed, named=order is not None, ahead=ahead)

    def _refuse(self, state: IdentityState, plan: Planned) -> HeldBack | None:
        """What no person's word can lift."""
        protected = why_protected(state, self._desk.policy.protected, self._desk.own_ids)
        if protected:
            return self._held("protected", f"This identity is never touched: {protected}.", BY_HAND)
        cannot_run = why_nothing_contains(plan)
        if cannot_run:
            log.error("incident %s is not contained: %s", self._chain.incident, cannot_run)
            return self._held("preflight", cannot_run, "Mend that, then order the incident again; nothing was changed.")
        if nothing := why_nothing_is_done(plan):
            return self._held("preflight", nothing, _OTHERWISE)
        if mode_of(self._desk, self._chain) == "watch":
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
                self.puts_off = may_help_later and attempts_left(self._chain)
                return self._held("protected", f"Nothing was changed: {why}.", _MEND_AND_ORDER)
            case Question(why):
                return None if confirmed else self._held("verdict", f"{why}.", approve(plan))
            case str(why):
                return self._held("protected", f"This identity is never touched: {why}.", BY_HAND)

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
        return self._held("limits", f"Over the limit: {over.reason}.", approve(plan)) if over else None

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
        return hold(self._desk, self._chain, by, reason, todo)


_MEND_AND_ORDER = (
    "Give Cordon's reader the permissions of docs/permissions.md, or wait until Graph answers, then order the incident "
    "again."
)

BY_HAND = "Decide yourself and act in the Entra admin centre; Cordon will not."

_OTHERWISE = "Order another action, or do by hand in the Entra admin centre what is still wanted."


def approve(plan: Planned) -> str:
    """What a person does with a plan that waits."""
    return f"Look at the plan and, if you agree, order it: POST /api/incidents with planHash {plan.hash}."


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
