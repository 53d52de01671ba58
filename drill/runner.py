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
from random import Random
from typing import TYPE_CHECKING, Any

from drill.app_process import AppProcess, Grounds, OwnWrites
from drill.expect import Outcome, differences
from drill.host.host import Surroundings
from drill.host.routes import Keys
from drill.lifeline import Crash, Fate, Life, WritePoint
from drill.narrator import LogHandler, Narrator
from drill.practice import PracticeTenant, ScenarioMistake
from drill.scenario import Scenario, ScenarioWrong
from drill.story import Story
from drill.topic import ENDPOINT, OutgoingTopic, in_front_of
from drill.virtual_time import run, virtual_clock
from shared.settings import Settings
from shared.store import WORK_QUEUE, LocalStore, MemoryQueue, memory_store

if TYPE_CHECKING:
    from collections.abc import Generator

    from shared.report import Report

DEFAULT_POLICY = Path(__file__).resolve().parent.parent / "policies" / "default.yaml"
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Choices:
    """What may be chosen beside the scenario. None: as the scenario says."""

    policy: Path | None = None
    mode: str | None = None
    seed: int | None = None
    until: timedelta | None = None
    kill_at: frozenset[int] = frozenset()


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
    clock, seed = virtual_clock().now, scenario.file.seed if choices.seed is None else choices.seed
    tenant = PracticeTenant(**scenario.world(), clock=clock, seed=seed)
    before = tenant.snapshot()
    topic, narrator = OutgoingTopic(), Narrator(say or _silent, clock, names_in(before["tenant"]))
    store = _open_store(scenario.file.run.store, folder, clock)
    settings, environ = read_settings(scenario, choices, tenant, folder)
    own = frozenset(identity.client_id for identity in tenant.cordon.values())
    grounds = Grounds(
        settings=settings,
        environ=environ,
        tenant=tenant,
        network=in_front_of(topic, tenant.asgi),
        store=store,
        surroundings=Surroundings({WORK_QUEUE: store.queue, f"{WORK_QUEUE}-poison": _poison_queue(store, clock)}),
        keys=make_keys(Random(f"{seed}:keys")),
        clock=clock,
        seed=seed,
        narrator=narrator,
        fate=Fate(choices.kill_at),
        writes=OwnWrites(tenant, own),
    )
    until = choices.until or scenario.file.run.until
    grounds.responder("check", Life(Fate(), _nothing))  # a wrong policy must stop the drill before it begins
    with _heard(narrator) if say else contextlib.nullcontext():
        missed = await _run_until(grounds, scenario, until)
    incidents, reports = await _read_incidents(grounds)
    after = tenant.snapshot()
    outcome = Outcome(incidents, tenant.effects, before, after, topic.events, own)
    await store.close()
    return Result(
        scenario=scenario.name,
        seed=seed,
        ended_at=clock(),
        incidents=incidents,
        reports=reports,
        effects=tenant.effects,
        attempts=tenant.attempts,
        tenant=after["tenant"],
        azure=after["azure"],
        events_out=topic.events,
        points=tuple(grounds.fate.points),
        differences=(*missed, *differences(scenario.file.expect, outcome)),
        canaries=tenant.canaries,
    )


async def _run_until(grounds: Grounds, scenario: Scenario, until: timedelta) -> Sequence[str]:
    """Let world and app run side by side; gives what the story itself found wrong."""
    app = AppProcess(grounds)
    story = Story(scenario, grounds, app)
    _ignore_the_dead()
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                *grounds.tenant.start(group),
                group.create_task(story.play(), name="story"),
                group.create_task(story.keep_watching(), name="watching attackers"),
                group.create_task(app.keep_alive(), name="app"),
            ]
            await asyncio.sleep(until.total_seconds())
            for task in tasks:
                task.cancel()
    except* ScenarioMistake as mistakes:
        raise mistakes.exceptions[0] from None
    finally:
        await app.stop()
    return story.differences


def _ignore_the_dead() -> None:
    """A killed process leaves tasks behind that end in Crash; everything else is still reported."""
    loop = asyncio.get_running_loop()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not isinstance(context.get("exception"), Crash):
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)


async def _read_incidents(grounds: Grounds) -> "tuple[list[dict[str, Any]], list[Report]]":
    """All incidents as the API shows them, the oldest first, with their reports."""
    responder = grounds.responder("reader", Life(Fate(), _nothing))
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


def read_settings(
    scenario: Scenario, choices: Choices, tenant: PracticeTenant, folder: Path
) -> tuple[Settings, Mapping[str, str]]:
    """The app's settings, read as in Azure from an environment. Raises SettingsWrong."""
    run_part = scenario.file.run
    environ = {
        "CORDON_MODE": choices.mode or run_part.mode,
        "CORDON_TENANT_ID": tenant.state.id,
        "CORDON_POLICY": str(_policy_file(scenario, choices, folder)),
        "CORDON_STORE": f"sqlite:{folder / 'cordon.db'}",
        "CORDON_TOPIC_ENDPOINT": ENDPOINT,
        "CORDON_EVENTS": "practice",
        "CORDON_EVENT_HUB": "entra-logs",
        **({"CORDON_HANDOVER_VAULT": run_part.handover_vault} if run_part.handover_vault else {}),
        **{f"CORDON_{role.upper()}_CLIENT_ID": each.client_id for role, each in tenant.cordon.items()},
    }
    return Settings.read(environ), environ


def _policy_file(scenario: Scenario, choices: Choices, folder: Path) -> Path:
    """The policy to load; one that the scenario writes out becomes a file first."""
    given = scenario.file.run.policy
    if choices.policy:
        return choices.policy.resolve()
    if isinstance(given, str):
        return (scenario.path.parent / given).resolve()
    if given is None:
        return DEFAULT_POLICY
    file = folder / f"{scenario.name}-policy.yaml"
    file.write_text(json.dumps(given, indent=2), encoding="utf-8")  # JSON is YAML
    return file


def _open_store(kind: str, folder: Path, clock: Callable[[], datetime]) -> LocalStore:
    if kind == "memory":
        return memory_store(clock)
    from shared.clients.sqlite_store import open_sqlite_store

    return open_sqlite_store(folder / "cordon.db", clock)


def _poison_queue(store: LocalStore, clock: Callable[[], datetime]) -> Any:  # noqa: ANN401 - of the store's own kind
    beside = getattr(store.queue, "beside", None)
    return beside(f"{WORK_QUEUE}-poison") if beside else MemoryQueue(clock)


def make_keys(random: Random) -> Keys:
    """Keys as long as the platform's."""
    master, function, event_grid = (f"{random.getrandbits(256):064x}" for _ in range(3))
    return Keys(master, function, event_grid)


def names_in(tenant: Mapping[str, Any]) -> dict[str, str]:
    """Display names by object id."""
    objects = (each for kind in ("applications", "servicePrincipals") for each in tenant[kind])
    return {each["id"]: str(each["displayName"]) for each in objects}


@contextlib.contextmanager
def _heard(narrator: Narrator) -> "Generator[None]":
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


def _nothing() -> None:
    """A life that is not meant to end."""
