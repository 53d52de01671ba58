"""
Plays a scenario: the whole responder, its real doors, SDK clients and stores, against the practice tenant
in one process under virtual time.

    result = run_scenario(load_scenario(path), seed=7)
    assert not result.differences

Same scenario, policy and seed: same trace, byte for byte. For fault tests, `kill_at={n}` kills the process
right after the n-th write that took effect anywhere (journal, documents, queue, tenant); `result.points`
of a run without kills says which there are.
"""

import asyncio
import contextlib
import json
import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drill.app_process import AppProcess
from drill.expect import Outcome, Taken, differences
from drill.grounds import Choices, Grounds, Ways, lay_grounds
from drill.lifeline import Crash, WritePoint
from drill.narrator import LogHandler, Narrator
from drill.practice import ScenarioMistake
from drill.scenario import Scenario, ScenarioWrong
from drill.story import Story
from drill.virtual_time import run, virtual_clock
from shared.entries import Decided, read_entry
from shared.journal import IncidentId

if TYPE_CHECKING:
    from collections.abc import Generator

    from shared.report import Report

_PAGE = 100


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a drill. `differences` is empty if everything came as the scenario expects."""

    scenario: str
    seed: int
    ended_at: datetime
    incidents: Sequence[Mapping[str, Any]]
    reports: "Sequence[Report]" = field(repr=False)
    effects: Sequence[Mapping[str, Any]] = field(repr=False)
    attempts: Sequence[Mapping[str, Any]] = field(repr=False)
    tenant: Mapping[str, Any] = field(repr=False)
    azure: Mapping[str, Any] = field(repr=False)
    events_out: Sequence[Mapping[str, Any]] = field(repr=False)
    points: Sequence[WritePoint] = field(repr=False)
    differences: Sequence[str]
    canaries: frozenset[bytes] = field(repr=False)  # what must not be found in any output
    decisions: Mapping[str, Sequence[Taken]] = field(default_factory=dict[str, Sequence[Taken]])  # by incident
    logs: Mapping[str, Sequence[dict[str, Any]]] = field(  # of the directory, whole
        default_factory=dict[str, Sequence[dict[str, Any]]], repr=False
    )

    def as_json(self) -> str:
        """The result file's text: the same for the same trace."""
        content = {
            "scenario": self.scenario,
            "seed": self.seed,
            "endedAt": self.ended_at.isoformat(),
            "differences": list(self.differences),
            "incidents": list(self.incidents),
            "effects": list(self.effects),
            "attempts": list(self.attempts),
            "tenant": self.tenant,
            "azure": self.azure,
            "eventsOut": list(self.events_out),
        }
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"

    def as_markdown(self) -> str:
        """The reports of all incidents."""
        from shared.report import as_markdown

        if not self.reports:
            return "# No incident\n\nCordon opened no incident in this drill.\n"
        return "\n\n---\n\n".join(as_markdown(report).strip() for report in self.reports) + "\n"


def run_scenario(
    scenario: Scenario,
    *,
    policy: Path | None = None,
    mode: str | None = None,
    seed: int | None = None,
    until: timedelta | None = None,
    kill_at: frozenset[int] = frozenset(),
    say: Callable[[str], None] | None = None,
) -> Result:
    """
    Play it to its end. `say` gets each line of the narration.

    Raises ScenarioWrong, PolicyWrong or SettingsWrong if it cannot be played.
    """
    choices = Choices(policy, mode, seed, until, kill_at)
    with tempfile.TemporaryDirectory(prefix="cordon-drill-") as folder:
        try:
            return run(lambda: _play(scenario, choices, say, Path(folder)), start=scenario.file.clock)
        except ScenarioMistake as mistake:
            raise ScenarioWrong([f"{scenario.path.name}: {mistake}"]) from mistake


async def _play(scenario: Scenario, choices: Choices, say: Callable[[str], None] | None, folder: Path) -> Result:
    clock = virtual_clock().now
    grounds = lay_grounds(scenario, choices, folder, clock=clock, ways=Ways.in_process, say=say or _silent)
    before = grounds.tenant.snapshot()
    with heard(grounds.narrator) if say else contextlib.nullcontext():
        missed = await _run_until(grounds, scenario, choices.until or scenario.file.run.until)
    incidents, reports = await read_incidents(grounds)
    decisions = {str(view["id"]): await _decisions(grounds, str(view["id"]), scenario.file.clock) for view in incidents}
    await grounds.store.close()
    tenant, after, events = grounds.tenant, grounds.tenant.snapshot(), grounds.topic.events
    outcome = Outcome(incidents, tenant.effects, before, after, events, grounds.writes.own, decisions)
    return Result(
        scenario=scenario.name,
        seed=grounds.seed,
        ended_at=clock(),
        incidents=incidents,
        reports=reports,
        effects=tenant.effects,
        attempts=tenant.attempts,
        tenant=after["tenant"],
        azure=after["azure"],
        events_out=events,
        points=tuple(grounds.fate.points),
        differences=(*missed, *differences(scenario.file.expect, outcome)),
        canaries=tenant.canaries,
        decisions=decisions,
        logs=tenant.logs(),
    )


async def _run_until(grounds: Grounds, scenario: Scenario, until: timedelta) -> Sequence[str]:
    """Let world and app run side by side; gives what the story itself found wrong."""
    names = ["drill", *(f"drill-{chr(98 + n)}" for n in range(scenario.file.run.instances - 1))]
    apps = [AppProcess(grounds, name) for name in names]
    story = Story(scenario, grounds, apps)
    ignore_the_dead()
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(story.carry_events(), name="vaults' events"),
                *grounds.tenant.start(group),
                group.create_task(story.play(), name="story"),
                group.create_task(story.keep_watching(), name="watching attackers"),
                *(group.create_task(app.keep_alive(), name="app") for app in apps),
            ]
            await asyncio.sleep(until.total_seconds())
            for task in tasks:
                task.cancel()
    except* ScenarioMistake as mistakes:
        raise mistakes.exceptions[0] from None
    finally:
        for app in apps:
            await app.stop()
    return story.differences


def ignore_the_dead() -> None:
    """A killed process leaves tasks behind that end in Crash; everything else is still reported."""
    loop = asyncio.get_running_loop()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not isinstance(context.get("exception"), Crash):
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)


async def read_incidents(grounds: Grounds) -> "tuple[list[dict[str, Any]], list[Report]]":
    """All incidents as the API shows them, the oldest first, with their reports."""
    responder = grounds.immortal("reader")
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        page = await responder.incidents(_PAGE, after)
        found += [view.model_dump(mode="json") for view in page.incidents]
        if page.next is None:
            break
        after = page.next
    found.reverse()
    return found, [await responder.report(view["id"]) for view in found]


async def _decisions(grounds: Grounds, incident: str, began: datetime) -> list[Taken]:
    """What was decided about an incident, oldest first, with the time since the start."""
    records = await grounds.store.journal.read(IncidentId(incident))
    read = ((record.time - began, read_entry(record)) for record in records)
    return [
        Taken(after, entry.verdict, entry.rule, tuple(entry.actions))
        for after, entry in read
        if isinstance(entry, Decided)
    ]


@contextlib.contextmanager
def heard(narrator: Narrator) -> "Generator[None]":
    """Warnings of Cordon and its host are part of the narration while it lasts."""
    log, handler = logging.getLogger("cordon"), LogHandler(narrator)
    log.addHandler(handler)
    propagated, log.propagate = log.propagate, False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = propagated


def _silent(_: str) -> None:
    """Nobody listens."""
