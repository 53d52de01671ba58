"""A backtest as Markdown for people and as JSON for programs. Text from the export is inert in either."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from drill.backtest.outcome import Decided, Difference, LogSeen, Outcome, Tally, differences, hours_of
from shared.policy import Limits
from shared.report.plain import code, plain

_MOST_ROWS = 200

_LIMITS_OF_IT = (
    "Nothing was changed, so the log goes on as if nobody had been contained, with all that an attacker did later.",
    "Signals are decided at the end of their minute. Live, records come minutes to hours late, and so does a decision.",
    "Vaults, what lay in them, and who else is exposed by it are not in these logs; steps for that are planned live.",
    "Detections that were raised before the export begins are not seen.",
    "Nobody is asked: a rule that contains when owners stay silent is told as one that asks. No sign-in wakes a rule.",
)


def as_json(outcome: Outcome) -> str:
    """Everything that the Markdown tells, and every decision that acts, with times in ISO 8601."""
    whole = {
        "export": {
            "folder": outcome.folder,
            "files": outcome.files,
            "records": outcome.records,
            "kept": outcome.kept,
            "signals": outcome.signals,
            "duplicates": outcome.duplicates,
            "ownDoing": outcome.own,
            "logs": [asdict(each) for each in outcome.logs],
            "missing": list(outcome.missing),
            "servicePrincipals": outcome.objects,
            "tenant": outcome.tenant_id,
            "unknown": dict(outcome.unknown),
            "damaged": dict(outcome.damaged),
            "places": list(outcome.places),
            "detectionsInALaterState": outcome.late_states,
        },
        "tick": outcome.tick.total_seconds(),
        "lookBack": outcome.look_back.total_seconds(),
        "policy": _tally(outcome.tally),
        "against": _tally(outcome.against) if outcome.against else None,
        "differences": [asdict(each) for each in _differences(outcome)],
    }
    return json.dumps(whole, indent=2, ensure_ascii=False, default=_plain) + "\n"


def _differences(outcome: Outcome) -> list[Difference]:
    return differences(outcome.tally, outcome.against) if outcome.against else []


def _tally(tally: Tally) -> dict[str, Any]:
    return {
        "policy": tally.policy,
        "digest": tally.digest,
        "decisions": tally.decisions,
        "byVerdict": dict(tally.by_verdict),
        "byRule": [
            {"rule": rule, "verdict": verdict, "decisions": count}
            for (rule, verdict), count in tally.by_rule.most_common()
        ],
        "joinedWhileContained": tally.joined,
        "identities": len(tally.identities),
        "hours": [asdict(each) for each in hours_of(tally.acting)],
        "notCheckable": [
            {"check": each.check, "why": each.why, "decisions": count} for each, count in tally.hung_on.most_common()
        ],
        "hungOnThat": tally.hung,
        "leftOut": tally.left_out,
        "lastVerdicts": {
            identity: {"verdict": verdict, "rule": rule, "at": at}
            for identity, (verdict, rule, at) in tally.last.items()
        },
        "acting": [asdict(each) for each in tally.acting],
    }


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def as_markdown(outcome: Outcome, limits: Limits) -> str:
    """`limits` are those of the policy that is tried."""
    parts = [
        _head(outcome),
        *_tried(outcome.tally, limits),
        *(_compared(outcome, outcome.against) if outcome.against else ()),
        "## The export",
        *_export(outcome),
        "## What a backtest cannot tell",
        "\n".join(f"- {line}" for line in _LIMITS_OF_IT),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(outcome: Outcome) -> str:
    tally = outcome.tally
    contained = _contained(tally)
    asked = len({each.identity for each in tally.acting} - contained)
    audits = next((each for each in outcome.logs if each.first), None)
    when = f" from {_moment(audits.first)} to {_moment(audits.last)} UTC" if audits else ""
    return (
        f"# Backtest of {code(tally.policy)}\n\n"
        f"{outcome.records:,} records{when}, {outcome.signals:,} signals, {tally.decisions:,} decisions. "
        f"**{len(contained)} identities would have been contained, and a person asked about {asked} more.**"
    )


def _moment(text: str) -> str:
    return text[:16].replace("T", " ")


def _contained(tally: Tally) -> set[str]:
    return {each.identity for each in tally.acting if each.verdict == "contain" and each.held is None}


def _tried(tally: Tally, limits: Limits) -> Iterator[str]:
    yield "## What fired"
    rows = [[code(rule), verdict, f"{count:,}"] for (rule, verdict), count in tally.by_rule.most_common()]
    yield _table(("Rule", "Verdict", "Decisions"), rows) if rows else "Nothing was reported about any identity."
    if tally.joined:
        yield f"{tally.joined:,} more signals came about identities that were being contained already."
    if tally.acting:
        yield "## When, on whom, with which plan"
        yield _table(("Decided (UTC)", "Identity", "Verdict", "Plan", "Held back", "Because"), _rows(tally.acting))
        more = len(tally.acting) - _MOST_ROWS + tally.left_out
        if more > 0:
            yield f"{more:,} more are not shown here; the first {len(tally.acting):,} of all are in the JSON file."
        yield "## Actions per hour, against the limits"
        yield from _hours(tally, limits)
    yield "## What could not be checked"
    yield from _unchecked(tally)


def _rows(acting: Sequence[Decided]) -> list[list[str]]:
    return [
        [
            f"{each.at:%Y-%m-%d %H:%M}",
            f"{plain(each.name, 60) or 'name not known'} {code(each.identity)}",
            f"{each.verdict} by {code(each.rule)}",
            "<br>".join(plain(step) for step in (*each.plan, *(f"not done: {left}" for left in each.not_done)))
            or "none",
            f"{each.held_by}: {plain(each.held, 200)}" if each.held_by and each.held else "no",
            plain(each.because, 200),
        ]
        for each in acting[:_MOST_ROWS]
    ]


def _hours(tally: Tally, limits: Limits) -> Iterator[str]:
    hours = hours_of(tally.acting)
    held = sum(each.held_by_limits for each in hours)
    tiers = ", ".join(f"{count} {tier}" for tier, count in limits.actions_per_hour.by_tier().items())
    yield (
        f"The limits: {limits.identities_per_hour} identities and {limits.percent_of_enabled_per_hour:g} % of the "
        f"enabled ones in any hour; actions: {tiers}. "
        + (f"**{held} containments would have been held for a person by them.**" if held else "They held nothing back.")
    )
    busiest = sorted(hours, key=lambda each: (each.contained, each.held_by_limits, each.asked), reverse=True)[:24]
    rows = [
        [
            f"{each.begins:%Y-%m-%d %H:00}",
            str(each.contained),
            str(each.actions),
            str(each.asked),
            str(each.held_by_limits),
        ]
        for each in sorted(busiest, key=lambda each: each.begins)
    ]
    yield _table(("Hour (UTC)", "Contained", "Actions", "Asked or held", "Of these by limits"), rows)


def _unchecked(tally: Tally) -> Iterator[str]:
    if not tally.hung_on:
        yield "No decision hung on a check that could not be made."
        return
    yield (
        f"{tally.hung:,} of {tally.decisions:,} decisions hung on a check that the export does not allow. Live, with "
        "what these logs lack, they may turn out otherwise."
    )
    rows = [[code(each.check), plain(each.why, 300), f"{count:,}"] for each, count in tally.hung_on.most_common(40)]
    yield _table(("Check", "Not checkable, because", "Decisions"), rows)


def _compared(outcome: Outcome, against: Tally) -> Iterator[str]:
    yield f"## Against {code(against.policy)}"
    found = _differences(outcome)
    if not found:
        yield "Both policies would have done the same to the same identities."
        return
    yield f"{len(found)} identities would fare otherwise; told is the strongest verdict on each."
    rows = [
        [f"{plain(each.name, 60)} {code(each.identity)}", _side(each.ours), _side(each.theirs)]
        for each in found[:_MOST_ROWS]
    ]
    yield _table(("Identity", plain(outcome.tally.policy), plain(against.policy)), rows)


def _side(side: tuple[str, str, datetime] | None) -> str:
    return f"{side[0]} by {code(side[1])}, {side[2]:%Y-%m-%d %H:%M}" if side else "nothing"


def _export(outcome: Outcome) -> Iterator[str]:
    yield _table(("Log", "Records", "From (UTC)", "To (UTC)"), [_log(each) for each in outcome.logs])
    for name in outcome.missing:
        yield f"- **No {name}.** Checks that need them are not checkable, and so told above."
    if not outcome.objects:
        yield (
            "- **No service principals and applications.** What sort of identity it is, its credentials, owners and "
            "grants are not known, so most rules become questions. docs/backtest.md tells how to export them."
        )
    else:
        yield (
            f"{outcome.objects:,} service principals, taken for the state at the end of the log and rolled back by its "
            "records; what is not certain is not known."
        )
    if outcome.late_states:
        yield (
            f"{outcome.late_states:,} detections were exported in a later state than their first: Graph keeps the last "
            "one only. They are replayed when that state came; live, the first would have been seen earlier."
        )
    rows = [[plain(what), f"{count:,}"] for what, count in outcome.unknown.items()]
    if rows:
        yield _table(("Not used", "Records"), rows)
    if outcome.damaged:
        yield _table(("Damaged", "Times"), [[plain(why), f"{count:,}"] for why, count in outcome.damaged.items()])
        yield "\n".join(["The first of them:", "", *(f"- {code(place, 300)}" for place in outcome.places)])
    yield (
        f"{outcome.kept:,} of {outcome.records:,} records concern workload identities; {outcome.duplicates:,} came "
        f"more than once, {outcome.own:,} signals were Cordon's own doing."
    )


def _log(each: LogSeen) -> list[str]:
    return [each.log, f"{each.records:,}", each.first.replace("T", " "), each.last.replace("T", " ")]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines)
