"""
Judges what a history did to secrets, by what Azure was at each moment and what the journal says of it.

Knows nothing of how Cordon rotates: what was exposed must be dead where a rotation calls itself whole, nobody who
lives on a secret may be on a dead value, no lower tier may be touched before a higher one, nothing is made twice.
"""

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from itertools import pairwise
from typing import Any

from shared.entries import (
    RotationPlanned,
    SecretAwaits,
    SecretDone,
    SecretsEnded,
    SecretStopped,
    SecretYields,
    read_entry,
)
from shared.estate import OPERATION_TAG, SecretRef
from shared.incident import Status, status_of
from shared.journal import Record
from tests.faults.checker import AFTER_STOP, Violation
from tests.faults.chronicle import Appended, Chronicle, Happened
from tests.faults.estate import READ, REFRESH, STORAGE, TIERS, Azure, Moment

TOUCHED = "azure"  # as the chronicle calls a write that concerns a secret
CONSUMERS = (-60.0, 137.0, 401.0)  # when each reads its secret first, one before it all; then after every refresh


def check_secrets(chronicle: Chronicle, azure: Azure, evidence: Mapping[str, bytes]) -> Iterator[Violation]:
    """All of it. `evidence` is what the store keeps under its digests."""
    yield from _alive(chronicle, azure)
    yield from _on_a_dead_value(chronicle, azure)
    yield from _out_of_order(chronicle, azure, evidence)
    yield from _made_twice(azure)
    yield from _shown(chronicle, azure, evidence)
    yield from _after_stop(chronicle, azure)


def _alive(chronicle: Chronicle, azure: Azure) -> Iterator[Violation]:
    """Whole, or contained, means that nothing that was there or was stolen opens anything."""
    for incident, chain in chronicle.incidents.items():
        records = [record for _, record in chain]
        ended = [entry for record in records if isinstance(entry := read_entry(record), SecretsEnded)]
        says_so = bool(ended) and ended[-1].whole
        if says_so or status_of(records, records[-1].time) is Status.CONTAINED:
            for ref in TIERS:
                exposed = {azure.first[ref], *azure.stolen.get(ref, ())}
                if any(azure.opens(ref, value) for value in exposed):
                    yield Violation("exposed and alive", f"{incident}: what {ref.name} was opens its source still")


def _on_a_dead_value(chronicle: Chronicle, azure: Azure) -> Iterator[Violation]:
    """Consumers refresh within the grace, so that none of them ever uses what opens nothing."""
    for ref in TIERS:
        for first in CONSUMERS:
            broken = _broken(azure.moments, ref, first, chronicle.ended_at)
            if broken is not None:
                yield Violation(
                    "consumer on a dead value", f"who reads {ref.name} at {first:.0f} s, from {broken:.0f} s on"
                )


def _broken(moments: list[Moment], ref: SecretRef, first: float, until: float) -> float | None:
    """When a consumer that reads at `first` and after every refresh uses a value that is dead."""
    times = [moment.at for moment in moments]
    at, kept = first, moments[0].newest[ref]
    while at < until:
        now, end = max(0, bisect_right(times, at) - 1), at + REFRESH.total_seconds()
        kept = moments[now].newest[ref] or kept
        for moment in moments[now : bisect_right(times, end)]:
            if kept not in moment.living:
                return max(at, moment.at)
        at = end
    return None


def _out_of_order(chronicle: Chronicle, azure: Azure, evidence: Mapping[str, bytes]) -> Iterator[Violation]:
    """
    A secret is touched first when each of a higher tier is published, stopped, or waits: for somebody, or, where it was
    read again, for the grace of the round before.
    """
    tiers: dict[str, int] = {}
    passable, over, touched = set[str](), set[str](), set[str]()
    moments = iter(azure.moments[1:])
    for event in chronicle.events:
        if isinstance(event, Appended):
            for record in event.records:
                _follow(record, tiers, passable, over, evidence)
        elif isinstance(event, Happened) and event.what == TOUCHED:
            moment = next(moments)
            for step in (f"{ref.vault}/{ref.name}" for ref in moment.concerns):
                if step not in touched:
                    touched.add(step)
                    rests = {each for each in tiers if _rests_behind_a_round(each, over)}
                    yield from _first_touch(moment, step, tiers, passable | rests)


def _rests_behind_a_round(step: str, over: Set[str]) -> bool:
    """Whether it is a later round of a secret (`vault/name/2`), and the one before it is not over."""
    vault, name, *number = step.split("/")
    if not number:
        return False
    before = int(number[0]) - 1
    return (f"{vault}/{name}" if before == 1 else f"{vault}/{name}/{before}") not in over


def _follow(
    record: Record, tiers: dict[str, int], passable: set[str], over: set[str], evidence: Mapping[str, bytes]
) -> None:
    """What the journal says of the order: the tiers of the plan, and which secrets hold nobody up any more."""
    match read_entry(record):
        case RotationPlanned() as planned:
            listed: list[dict[str, Any]] = json.loads(evidence[planned.evidence])
            tiers |= {str(each["step"]): int(each["tier"]) for each in listed}
        case SecretDone(stage="published") | SecretStopped() | SecretAwaits() | SecretYields() as entry:
            passable.add(record.step or "")
            over |= {record.step or ""} if isinstance(entry, SecretStopped) else set()
        case SecretDone(stage="retired" | "disabled"):
            over.add(record.step or "")
        case _:
            pass


def _first_touch(moment: Moment, step: str, tiers: Mapping[str, int], passable: Set[str]) -> Iterator[Violation]:
    if step not in tiers:
        yield Violation("outside the plan", f"{moment.name} at {moment.at:.1f} s: no plan names {step}")
        return
    ahead = [each for each, tier in tiers.items() if tier < tiers[step] and each not in passable]
    if ahead:
        yield Violation("out of order", f"{moment.name} at {moment.at:.1f} s, before {ahead[0]}")


def _made_twice(azure: Azure) -> Iterator[Violation]:
    """One version for each operation, and between two of them the key that is published is made new once."""
    made = Counter(
        str(seen.tags[OPERATION_TAG])
        for held in azure.versions.values()
        for seen, _ in held
        if OPERATION_TAG in seen.tags
    )
    for operation, count in made.items():
        if count > 1:
            yield Violation("made twice", f"{count} versions of {operation}")
    stored = [place for place, moment in enumerate(azure.moments) if moment.name == f"publish {READ.name}"]
    for number, (begin, end) in enumerate(pairwise([0, *stored])):
        names = [moment.name for moment in azure.moments[begin:end] if moment.name.startswith("regenerate")]
        published = azure.moments[end].newest[READ]
        key = next((name for name, (value, _) in azure.keys[STORAGE].items() if value == published), None)
        most = 2 if number else 1  # after the first round it has just died as the exposed one of the round before
        if key and names.count(f"regenerate {key} of {STORAGE.rpartition('/')[2]}") > most:
            yield Violation("made twice", f"{key} was made new more than once before it was published")


def _shown(chronicle: Chronicle, azure: Azure, evidence: Mapping[str, bytes]) -> Iterator[Violation]:
    texts = [*chronicle.output, *(content.decode("utf-8", "replace") for content in evidence.values())]
    for value in azure.values:
        if any(value in text for text in texts):
            yield Violation("secret bytes", "the value of a secret stands in what left the process")


def _after_stop(chronicle: Chronicle, azure: Azure) -> Iterator[Violation]:
    spans = zip(chronicle.all("stopped"), [*chronicle.all("released"), None], strict=False)
    for stopped, released in spans:
        begin, end = stopped.at + AFTER_STOP, released.at if released else chronicle.ended_at
        for moment in azure.moments:
            if begin < moment.at < end:
                yield Violation(
                    "effect after stop", f"{moment.name} at {moment.at:.1f} s, stopped at {stopped.at:.1f} s"
                )
