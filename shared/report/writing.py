"""Writes the report from the journal, and from nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from shared.entries import (
    Applied,
    Change,
    ConditionAnswer,
    Followed,
    FollowSet,
    Foreseen,
    Intended,
    Investigated,
    PlannedStep,
    Published,
    Rechecked,
    RechecksSet,
    RuleAnswer,
    SeenInLogs,
    SignalJoined,
    SignInsSeen,
    Verified,
    WorkEnded,
    WorkStarted,
)
from shared.evidence import evidence_of, grade_of, tell_sign_ins
from shared.history import History, StepStory, is_proof
from shared.incident import Status, status_in, tell_causes, tell_so_far
from shared.journal import Record
from shared.report.credentials import tell_credentials
from shared.report.headline import tell_headline
from shared.report.images import first_image, shown
from shared.report.model import (
    Altered,
    Answer,
    Appendix,
    CaseTold,
    CauseTold,
    ConditionTold,
    EvidenceTold,
    Report,
    RuleTold,
    StepAhead,
    StepTold,
    Who,
    WhoToCall,
    Why,
)
from shared.report.secrets import tell_secrets
from shared.report.tasks import tell_not_done, tell_tasks
from shared.report.timeline import accepted_at, tell_timeline
from shared.report.tokens import tell_tokens
from shared.report.undoing import tell_undo
from shared.report.undone import tell_undone
from shared.rotation_story import RotationStory
from shared.views import CaseView

# Records that leave a contained incident as it is, however many of them there are.
_SAYS_NOTHING = (
    SignalJoined,
    FollowSet,
    Followed,
    SeenInLogs,
    SignInsSeen,
    Foreseen,
    Published,
    WorkStarted,
    WorkEnded,
    RechecksSet,
    Investigated,
)


def make_report(
    records: Sequence[Record],
    now: datetime,
    story: RotationStory | None = None,
    led_to: Mapping[str, str] | None = None,
    case: CaseView | None = None,
) -> Report:
    """
    Tell the incident as its journal stands. Pure; the same records and time give the same report. `story` is what the
    journal of its secrets tells, if it has one; `led_to` the incidents that its accusations opened, by record id;
    `case` what the journals of all identities tell that one attack went through.

    Raises NotFound for no records, JournalDamaged for kinds that this version does not know.
    """
    history = History.read(records)
    status = status_in(history, now)
    credentials, tokens = tuple(tell_credentials(history)), tell_tokens(history)
    not_done, since = tuple(tell_not_done(history)), contained_since(history)
    secrets = tell_secrets(history, story, led_to or {})
    todo = tuple(tell_tasks(history, now, credentials, tokens, not_done, secrets))
    return Report(
        incident=history.incident,
        written_at=now,
        status=status,
        headline=tell_headline(history, status, since, todo, tell_so_far(history, now)),
        nothing_changed=not any(isinstance(line.entry, Intended | Applied) for line in history.lines),
        contained_since=since,
        looked_at=_looked_at(history),
        mode=history.mode,
        who=_tell_who(history),
        call=_tell_whom_to_call(history),
        todo=todo,
        timeline=tuple(tell_timeline(history)),
        why=_tell_why(history),
        done=tuple(_tell_step(step, step.planned, history) for step in history.steps if step.planned and step.lines),
        seen_in_practice=tell_sign_ins(history),
        ahead=tuple(_tell_ahead(step.planned) for step in history.steps if step.planned and not step.newest),
        not_done=not_done,
        forecast=history.last(Foreseen),
        credentials=credentials,
        tokens=tokens,
        undo=tuple(tell_undo(history)),
        undone=tell_undone(history),
        secrets=secrets,
        caused_by=tuple(CauseTold(incident=e.incident, because=e.because) for e in tell_causes(history)),
        case=CaseTold.model_validate(case.model_dump()) if case else None,
        appendix=_tell_appendix(history),
    )


def contained_since(history: History) -> datetime | None:
    """The moment from which the incident has been contained without a break; None if it is not contained."""
    since = None
    for line in reversed(history.lines):
        if isinstance(line.entry, _SAYS_NOTHING):
            continue
        if status_in(history.until(line), line.record.time) is not Status.CONTAINED:
            break
        since = line.record.time
    return since


def _looked_at(history: History) -> datetime | None:
    looks = (
        line.record.time
        for line in reversed(history.lines)
        if isinstance(line.entry, Verified | Rechecked) and line.entry.answer != "unknown"
    )
    return next(looks, None)


def _tell_who(history: History) -> Who:
    seen, opened = history.identity, history.opened
    if seen is None:
        ids = opened.subject
        return Who(
            principal_id=ids.principal_id,
            client_id=ids.client_id,
            app_object_id=ids.app_object_id,
            tenant=opened.tenant_id,
        )
    return Who(
        principal_id=seen.principal_id,
        client_id=seen.client_id,
        app_object_id=seen.app_object_id,
        display_name=seen.display_name,
        kind=seen.identity_kind,
        enabled_before=_enabled_before(history),
        disabled_by_microsoft=seen.disabled_by_microsoft,
        owner_tenant=seen.owner_tenant,
        tenant=opened.tenant_id,
    )


def _tell_whom_to_call(history: History) -> WhoToCall:
    """By the newest look that read something of it: a later one may have asked for less."""
    looks = [*history.all(Investigated)]
    owners = next((look for look in reversed(looks) if look.owners is not None), None)
    return WhoToCall(
        teams=looks[-1].contacts if looks else (),
        owners=owners.owners if owners else None,
        owners_unread=owners.owners_unread if owners else (),
        look_back=next((look.look_back for look in reversed(looks) if look.look_back), ()),
    )


def _enabled_before(history: History) -> bool | None:
    return next((look.identity.enabled for look in history.all(Investigated) if look.identity), None)


# Why


def _tell_why(history: History) -> Why:
    decided = history.decided
    look = history.last(Investigated)
    unread = tuple(f"{part.name}: {part.why_not}" for part in (look.parts if look else ()) if not part.known)
    rules = decided.rules if decided else ()
    open_questions = (c for rule in rules for c in _conditions(rule.finding) if c.answer == "unknown")
    return Why(
        verdict=decided.verdict if decided else None,
        rule=decided.rule if decided else None,
        by_person=decided.by_person if decided else None,
        rules=tuple(_tell_rule(rule, rule.rule == (decided.rule if decided else None)) for rule in rules),
        unknown=(*unread, *dict.fromkeys(f"{c.condition}: {c.reason}" for c in open_questions)),
        ladder=decided.ladder if decided else None,
        weighed=decided.weighed if decided else None,
    )


def _tell_rule(rule: RuleAnswer, decided: bool) -> RuleTold:
    return RuleTold(rule=rule.rule, verdict=rule.verdict, decided=decided, conditions=tuple(_conditions(rule.finding)))


def _conditions(answer: ConditionAnswer, depth: int = 0) -> Iterator[ConditionTold]:
    yield ConditionTold(depth=depth, condition=answer.condition, answer=answer.answer, reason=answer.reason)
    for member in answer.members:
        yield from _conditions(member, depth + 1)


# What was done


def _tell_step(step: StepStory, planned: PlannedStep, history: History) -> StepTold:
    applied = next(reversed(list(step.all(Applied))), None)
    first = next((record.time for record, look in step.all(Verified) if is_proof(look)), None)
    accepted, evidence = accepted_at(history), evidence_of(step, history)
    return StepTold(
        id=step.id,
        action=planned.action,
        describe=planned.describe,
        target_kind=planned.target_kind,
        target_id=planned.target_id,
        target_name=planned.target_name,
        state=step.state,
        rounds=max((intended.round for _, intended in step.all(Intended)), default=0),
        changes=tuple(map(_altered, planned.changes)),
        before=shown(first_image(step) or {}),
        answers=tuple(
            Answer(write=w.write, outcome=w.outcome, detail=w.detail) for w in (applied[1].writes if applied else ())
        ),
        answered_at=applied[0].time if applied else None,
        proof=step.verified.proof if step.verified else None,
        grade=grade_of(evidence),
        evidence=tuple(EvidenceTold(grade=e.grade, at=e.at, record=e.record, said=e.said) for e in evidence),
        read_at=step.verified.read_at if step.verified else None,
        first_held_at=first,
        seconds_to_first_proof=(first - accepted).total_seconds() if first and accepted else None,
        breaks=planned.breaks,
        cannot_be_undone=planned.cannot_be_undone,
        cannot_be_proven=planned.cannot_be_proven,
    )


def _altered(change: Change) -> Altered:
    return Altered(name=change.property, before=change.before, after=change.after)


def _tell_ahead(planned: PlannedStep) -> StepAhead:
    return StepAhead(
        id=planned.id,
        describe=planned.describe,
        target=f"{planned.target_kind} {planned.target_id}",
        changes=tuple(map(_altered, planned.changes)),
        breaks=planned.breaks,
        cannot_be_undone=planned.cannot_be_undone,
        cannot_be_proven=planned.cannot_be_proven,
    )


def _tell_appendix(history: History) -> Appendix:
    decided = history.decided
    return Appendix(
        incident=history.incident,
        tenant=history.opened.tenant_id,
        policy=decided.policy if decided else history.opened.policy,
        plan_hash=history.planned.hash if history.planned else None,
        plan_expires_at=history.planned.expires_at if history.planned else None,
        journal_head=history.lines[-1].record.hash,
        records=len(history.lines),
    )
