"""
The report as Markdown. Every text goes through `plain` or `code`; the headings are the constants below.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain

from shared.entries import LookBackTold
from shared.report.markdown_decision import forecast_lines, ladder_lines, weighed_lines
from shared.report.markdown_secrets import secrets_section
from shared.report.model import (
    Altered,
    ConditionTold,
    Credential,
    MemberTold,
    Moment,
    NotDone,
    Report,
    RuleTold,
    StepAhead,
    StepTold,
    Undone,
    WayBack,
    WhoToCall,
)
from shared.report.plain import code, plain
from shared.report.words import duration, step_name, utc

TITLE = "# Incident report"
HEADINGS = {
    "todo": "## What a person must still do",
    "tokens": "## How long existing tokens live on",
    "not_done": "## What was not done, and why",
    "ahead": "## Planned, not carried out",
    "breaks": "## Who breaks",
    "who": "## Who",
    "call": "## Who to call",
    "done": "## What was done, with its proof",
    "secrets": "## Secrets",
    "credentials": "## Credentials",
    "why": "## Why",
    "timeline": "## Timeline (UTC)",
    "undo": "## How to undo it",
    "appendix": "## Appendix",
}

_ENDS = 150  # of a longer timeline, so many of its first and of its last lines are shown
_NAME = 120  # characters of a name


def as_markdown(report: Report) -> str:
    """The report for reading, in CommonMark with tables; inert whatever the tenant's names hold."""
    sections: Sequence[tuple[str, Iterator[str]]] = (
        ("todo", _todo(report)),
        ("tokens", (f"- {plain(line)}" for line in report.tokens.says)),
        ("not_done", _not_done(report)),
        ("ahead", _ahead(report)),
        ("breaks", forecast_lines(report.forecast)),
        ("who", _who(report)),
        ("call", _whom_to_call(report.call)),
        ("done", _done(report)),
        ("secrets", secrets_section(report.secrets)),
        ("credentials", _credentials(report.credentials)),
        ("why", _why(report)),
        ("timeline", _timeline(report.timeline)),
        ("undo", _undo(report)),
        ("appendix", _appendix(report)),
    )
    told = (("", HEADINGS[name], "", *lines) for name, lines in sections)
    return "\n".join((*_head(report), *chain.from_iterable(told))) + "\n"


def _head(report: Report) -> Iterator[str]:
    yield TITLE
    yield ""
    yield f"**{report.status.value.replace('-', ' ').upper()}**"
    if report.nothing_changed:
        yield ""
        yield "**Nothing was changed.**"
    yield ""
    yield plain(report.headline, 1500)
    yield ""
    looked = f"; the tenant was looked at last {utc(report.looked_at)}" if report.looked_at else ""
    yield f"Written {utc(report.written_at)} in mode {plain(report.mode)}{looked}. All times are UTC."


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def _who(report: Report) -> Iterator[str]:
    who = report.who
    facts = (
        ("Name", plain(who.display_name, _NAME) if who.display_name else "not known: it could not be read"),
        ("Kind", plain(who.kind) if who.kind else "not known"),
        ("Service principal", _id(who.principal_id)),
        ("Client id (appId)", _id(who.client_id)),
        ("Application object", _id(who.app_object_id)),
        ("Tenant", _id(who.tenant)),
        ("Owner's tenant", _id(who.owner_tenant)),
        ("Sign-in before", {None: "not known", True: "allowed", False: "blocked"}[who.enabled_before]),
        ("Disabled by Microsoft", plain(who.disabled_by_microsoft) if who.disabled_by_microsoft else "no"),
    )
    yield from _table(("Fact", "Value"), facts)
    if report.caused_by:
        yield ""
    yield from (f"- Follows from incident {code(each.incident)}: {plain(each.because)}" for each in report.caused_by)
    yield from _case(report)


def _case(report: Report) -> Iterator[str]:
    """The other identities of the same attack; each has an incident and a report of its own."""
    if report.case is None:
        return
    case = report.case
    yield ""
    told = f"One attack, {len(case.members)} identities, each with its own plan, approval and undo."
    yield f"{told} It began with the first:"
    yield ""
    yield from _table(
        ("Identity", "Incident", "State", "Changed by", "By which record"), [_of_case(e) for e in case.members]
    )
    if case.left_to_a_person or case.not_known:
        yield ""
    if case.left_to_a_person:
        yield f"- {case.left_to_a_person} more changed identities were left to a person."
    yield from (f"- Not known: {plain(why)}" for why in case.not_known)


def _of_case(member: MemberTold) -> tuple[str, ...]:
    by = "<br>".join(code(each.incident) for each in member.changed_by)
    records = "<br>".join(f"{plain(e.activity)} ({utc(e.at)}, {code(e.record)})" for e in member.changed_by)
    return (
        plain(member.name or member.principal_id or "not known", _NAME),
        code(member.incident),
        member.status.value.replace("-", " "),
        by or "it began here",
        records or "",
    )


def _whom_to_call(call: WhoToCall) -> Iterator[str]:
    for team in call.teams:
        yield f"- {plain(team.team, _NAME)}: {plain(team.reach, 200)} (your own list, by {plain(team.because, 200)})"
    if not call.teams:
        yield "- Your own list (CORDON_CONTACTS) names nobody for it."
    if call.owners is None:
        yield "- Owners were not read for the decision: `GET /api/incidents/{id}/contacts` reads them now."
    for owner in call.owners or ():
        name = plain(owner.name, _NAME) if owner.name else "no name"
        yield f"- Owner {code(owner.id, _NAME)}: {name} ({plain(owner.type or 'type not told')})"
    if call.owners == () and not call.owners_unread:
        yield "- It has no owner."
    yield from (f"- Owners could not be read: {plain(why, 400)}" for why in call.owners_unread)
    yield from (f"- {line}" for each in call.look_back for line in _looked_back(each))


def _looked_back(step: LookBackTold) -> Iterator[str]:
    if step.since is None or step.until is None:
        yield f"People, {plain(step.length)}: not covered: {plain(step.why_not or 'not known', 400)}"
        return
    doubts = "".join(f"; not whole: {plain(each, 300)}" for each in step.doubts)
    yield f"People, {plain(step.length)}: {step.people} looked at, {utc(step.since)} to {utc(step.until)}{doubts}"


def _id(value: str | None) -> str:
    return code(value, _NAME) if value else "none"


def _when(time: datetime | None) -> str:
    return utc(time).removesuffix(" UTC") if time else "not known"


def _todo(report: Report) -> Iterator[str]:
    if not report.todo:
        yield "Nothing is left for a person to do."
    yield from (f"{n}. {plain(task)}" for n, task in enumerate(report.todo, start=1))


# What was done, and what was not


def _done(report: Report) -> Iterator[str]:
    if not report.done:
        yield "Nothing was done: no step was begun."
    else:
        practice = report.seen_in_practice or "not checkable: no step stops every new token of the identity"
        yield f"Seen in practice (sign-in log): {plain(practice, 1500)}."
        yield ""
    for step in report.done:
        yield from _step(step)


def _step(step: StepTold) -> Iterator[str]:
    yield f"- **{plain(step_name(step.id))}: {_STATES[step.state]}.** {plain(step.describe)}"
    yield f"  - On {plain(step.target_kind)} {code(step.target_id, _NAME)}, named {plain(step.target_name, _NAME)}"
    yield from (f"  - {_change(change)}" for change in step.changes if change.before != change.after)
    yield from _answers(step)
    yield f"  - Proof: {_proof(step)}"
    yield from _evidence(step)
    if step.rounds > 1:
        yield f"  - Written in {step.rounds} rounds: the effect did not show, or somebody undid it"
    if _wrote(step):
        yield from _consequences(step)


def _wrote(step: StepTold) -> bool:
    """What a step breaks is said unless it is known to have written nothing."""
    return any(answer.outcome != "already" for answer in step.answers) or not step.answers


def _consequences(step: StepTold | StepAhead) -> Iterator[str]:
    if step.breaks:
        yield f"  - What stops working: {plain(step.breaks)}"
    if step.cannot_be_undone:
        yield f"  - Cannot be undone: {plain(step.cannot_be_undone)}"
    if step.cannot_be_proven:
        yield f"  - Cannot be proven: {plain(step.cannot_be_proven)}"


def _evidence(step: StepTold) -> Iterator[str]:
    """One line: which grade since when, and by which record of the journal."""
    if step.evidence:
        told = (f"{e.grade.replace('-', ' ')} {_when(e.at)} (record {e.record})" for e in step.evidence)
        yield f"  - Evidence: {'; '.join(told)}"


def _answers(step: StepTold) -> Iterator[str]:
    if step.answers:
        yield f"  - The service answered at {_when(step.answered_at)}:"
    for answer in step.answers:
        detail = f" ({plain(answer.detail)})" if answer.detail else ""
        yield f"    - {plain(answer.write)}: {plain(answer.outcome)}{detail}"


_STATES = {
    "planned": "to be proven again",
    "intended": "begun, outcome not known",
    "applied": "written, not proven",
    "held": "holds",
    "not-held": "DOES NOT HOLD",
    "unknown": "NOT PROVEN",
    "stopped": "STOPPED",
    "put-back": "PUT BACK, wholly or in part, by the undo below",
}

_GRADES = {
    "accepted": "the service accepted it, nobody has read it back",
    "read-back": "read back, not seen again yet",
    "held": "read back, and seen again after the race window",
    "seen-in-logs": "read back, seen again after the race window, and told by the audit log",
    "probed": "read back, seen again after the race window, and a sign-in was seen to be refused",
}


def _change(change: Altered) -> str:
    return f"{plain(change.name)}: {plain(change.before)} → {plain(change.after)}"


def _proof(step: StepTold) -> str:
    if step.proof is None:
        return "none: no fresh read has shown the effect"
    told = (_GRADES[step.grade] if step.grade else "", f"last {_when(step.read_at)}" if step.read_at else "")
    grade = f" ({', '.join(filter(None, told))})" if any(told) else ""
    first = ""
    if step.first_held_at and step.seconds_to_first_proof is not None:
        after = duration(step.seconds_to_first_proof)
        first = f"; first proven {_when(step.first_held_at)}, {after} after the signal was accepted"
    return f"{plain(step.proof)}{grade}{first}"


def _ahead(report: Report) -> Iterator[str]:
    if not report.ahead:
        yield "Nothing: every planned step was begun, or there is no plan."
        return
    why = _AHEAD.get(report.status, "These steps of the plan were not begun.")
    until = report.appendix.plan_expires_at
    waits = f", good until {utc(until)}" if until else ""
    yield f"{why} Plan {_id(report.appendix.plan_hash)}{waits}."
    yield ""
    for step in report.ahead:
        yield from _step_ahead(step)


_AHEAD = {
    "watched": "Nothing was changed. In mode act, this would have been done.",
    "awaiting-approval": "This waits until a person lets it go by its hash.",
}


def _step_ahead(step: StepAhead) -> Iterator[str]:
    yield f"- **{plain(step_name(step.id))}** on {plain(step.target)}: {plain(step.describe)}"
    yield from (f"  - {_change(change)}" for change in step.changes)
    yield from _consequences(step)


def _not_done(report: Report) -> Iterator[str]:
    if not report.not_done:
        yield "Nothing of what was planned or asked for is missing."
        return
    yield from _table(("What", "Outcome", "Why", "What to do about it"), [_missing(told) for told in report.not_done])


def _missing(told: NotDone) -> Sequence[str]:
    return (
        plain(step_name(told.what)),
        plain(told.outcome),
        plain(told.why),
        plain(told.todo) if told.todo else "nothing",
    )


def _credentials(credentials: Sequence[Credential]) -> Iterator[str]:
    if not credentials:
        yield "None was seen. If the identity could not be read (see Why), that does not mean that there is none."
        return
    head = ("Object", "Type", "Id", "Name", "Valid", "Accused", "What became of it")
    yield from _table(head, [_credential(credential) for credential in credentials])


def _credential(credential: Credential) -> Sequence[str]:
    valid = f"{_day(credential.start)} to {_day(credential.end)}"
    name = plain(credential.name, _NAME) if credential.name else "none"
    detail = f" ({plain(credential.detail, _NAME)})" if credential.detail else ""
    return (
        f"{plain(credential.holder)} {code(credential.object_id, _NAME)}",
        plain(credential.type),
        code(credential.id, _NAME),
        name + detail,
        valid,
        "**yes**" if credential.accused else "no",
        f"**{credential.fate}**: {plain(credential.why)}",
    )


def _day(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d}" if time else "?"


# Why and when


def _why(report: Report) -> Iterator[str]:
    why = report.why
    if why.verdict is None or why.rule is None:
        yield "No decision was made yet."
    else:
        person = f", by order of {plain(why.by_person, _NAME)} (as they gave their name)" if why.by_person else ""
        yield f"Verdict **{plain(why.verdict)}**, by rule {plain(why.rule, _NAME)}{person}."
    for rule in why.rules:
        yield from _rule(rule)
    if why.unknown:
        yield ""
        yield "What could not be learned (unknown never counts as met):"
        yield ""
    yield from (f"- {plain(line)}" for line in why.unknown)
    yield from ladder_lines(why.ladder)
    yield from weighed_lines(why.weighed)


def _rule(rule: RuleTold) -> Iterator[str]:
    yield ""
    is_open = any(condition.answer == "unknown" for condition in rule.conditions if condition.depth == 0)
    asked = "could not be judged, so that a person is asked" if is_open else "decided"
    decided = asked if rule.decided else "did not decide"
    yield f"- Rule **{plain(rule.rule, _NAME)}** (verdict {plain(rule.verdict)}) {decided}:"
    yield from (_condition(condition) for condition in rule.conditions)


def _condition(condition: ConditionTold) -> str:
    indent = "  " * min(condition.depth + 1, 12)
    answer = condition.answer.replace("-", " ")
    return f"{indent}- {plain(condition.condition, _NAME)}: **{answer}**, {plain(condition.reason)}"


def _timeline(moments: Sequence[Moment]) -> Iterator[str]:
    told = list(_worth_reading(moments))
    left_out = max(len(told) - 2 * _ENDS, 0)
    first, last = told[:_ENDS], told[max(_ENDS, len(told) - _ENDS) :]
    gap = [("…", "…", "…", f"{left_out} more; the report as JSON has them all")] if left_out else []
    rows = [*map(_moment, first), *gap, *map(_moment, last)]
    yield from _table(("Time", "Since accepted", "Step", "What happened"), rows)
    if routine := len(moments) - len(told):
        yield ""
        yield f"{routine} record(s) of routine are not shown; the report as JSON has them all."


_ROUTINE = ("work-started", "work-ended", "rechecks-set", "published")


def _worth_reading(moments: Sequence[Moment]) -> Iterator[Moment]:
    """All but the housekeeping, and but the single reads of a later look that found everything in place."""
    proven: set[str] = set()
    for moment in moments:
        if moment.kind in ("intended", "applied") and moment.step:
            proven.discard(moment.step)
        if moment.kind == "verified" and moment.step and moment.text.startswith("Fresh read: held"):
            if moment.step in proven:
                continue
            proven.add(moment.step)
        elif moment.kind == "verified" and moment.step:
            proven.discard(moment.step)
        if moment.kind not in _ROUTINE:
            yield moment


def _moment(moment: Moment) -> Sequence[str]:
    since = duration(moment.seconds) if moment.seconds is not None else ""
    return _when(moment.at), since, plain(step_name(moment.step)) if moment.step else "", plain(moment.text)


# The way back


def _undo(report: Report) -> Iterator[str]:
    if report.undone is not None:
        yield from _undone(report.undone)
    if not report.undo:
        yield "There is nothing to undo: no step was begun."
        return
    if report.undone is None:
        path = f"POST /api/incidents/{report.incident}/undo"
        yield f"Cordon does it with {code(path)}, and leaves alone what somebody changed since; with"
        yield "a preview it only shows what it would do. Check first that the identity is clean."
        yield ""
    left = [way for way in report.undo if way.calls or way.portal]
    if report.undone is not None and not left:
        yield "Nothing is left to be put back by hand."
        return
    yield "By hand, by a person with the role Application Administrator, in this order. Check first that what is there"
    yield "now is what Cordon left. Calls are Microsoft Graph v1.0."
    yield ""
    for way in left if report.undone is not None else report.undo:
        yield from _way(way)


def _undone(undone: Undone) -> Iterator[str]:
    end = {True: "Cordon has undone it", False: "Cordon has undone a part of it", None: "Cordon is undoing it"}
    yield (
        f"**{end[undone.whole]}**, by order of {plain(undone.by, _NAME)} (as they gave their name): "
        f"{plain(undone.reason)}. {plain(undone.outcome, 2000)}."
    )
    yield ""
    for step in undone.steps:
        word = "back" if step.back else "NOT back"
        yield f"- **{plain(step_name(step.step))}**: {word}; {plain(step.proof or 'no look yet')}"
        for drift in step.drifted:
            values = f"Before: {plain(drift.before)}; left by Cordon: {plain(drift.left)}; now: {plain(drift.now)}"
            yield f"  - Changed by somebody else, and left so: {plain(drift.name)}. {values}"
        yield from (f"  - Does not come back: {plain(text, 2000)}" for text in step.lost)
    yield ""


def _way(way: WayBack) -> Iterator[str]:
    yield f"- **{plain(step_name(way.step))}** gives back {plain(way.restores, 2000)}"
    yield from (f"  - {code(call, 2000)}" for call in way.calls)
    if way.portal:
        yield f"  - Or: {plain(way.portal)}"
    if way.cannot:
        yield f"  - Cannot come back: {plain(way.cannot, 2000)}"


def _appendix(report: Report) -> Iterator[str]:
    told = report.appendix
    yield f"- Incident: {code(told.incident)}"
    yield f"- Policy (SHA-256): {code(told.policy)}"
    yield f"- Plan: {_id(told.plan_hash)}"
    yield f"- Journal: {told.records} record(s), the last with hash {code(told.journal_head)}"
    yield "- What was there before each step is in the report as JSON (`before`), as the way back needs it"
    yield f"- Report version: {report.report_version}"
