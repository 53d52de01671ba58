"""
What a drill stands on: practice tenant, store, queues and settings; laid out once, whatever dies on it.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import httpx

from drill.host.host import Surroundings
from drill.host.routes import Keys
from drill.lifeline import Fate, Life, MortalAzure, MortalHttpx, TenantWrites, mortal_store
from drill.narrator import Narrator
from drill.practice import PracticeTenant
from drill.practice.asgi import AsgiApp
from drill.scenario import Scenario
from drill.store_faults import StoreTrouble, troubled_store
from drill.topic import ENDPOINT, OutgoingTopic, in_front_of
from drill.transports import PracticeAzureTransport, PracticeCredential, PracticeHttpxTransport, RedirectTransport
from shared.clock import Clock
from shared.journal import Journal, Record
from shared.settings import Settings
from shared.store import WORK_QUEUE, LocalStore, MemoryQueue, Store, memory_store
from shared.wiring import Outside, build

if TYPE_CHECKING:
    from azure.core.pipeline.transport import AsyncHttpTransport

    from shared.journal import IncidentId
    from shared.responder import Responder

_FILE = "cordon.db"
DEFAULT_POLICY = Path(__file__).resolve().parent.parent / "policies" / "default.yaml"


@dataclass(frozen=True, slots=True)
class Choices:
    """What may be chosen beside the scenario. None: as the scenario says."""

    policy: Path | None = None
    mode: str | None = None
    seed: int | None = None
    until: timedelta | None = None
    kill_at: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Ways:
    """How SDK clients reach the practice tenant: makers of transports, and settings that point to it."""

    to_graph: "Callable[[], httpx.AsyncBaseTransport]"
    to_azure: "Callable[[], AsyncHttpTransport[Any, Any]]"
    settings: Mapping[str, str]
    close: Callable[[], Awaitable[object]]

    @staticmethod
    def in_process(network: AsgiApp) -> "Ways":
        """No sockets: requests are handed to the application."""

        async def close() -> None:
            """Nothing is open."""

        return Ways(lambda: PracticeHttpxTransport(network), lambda: PracticeAzureTransport(network), {}, close)

    @staticmethod
    def over_loopback(base: str) -> "Ways":
        """Real sockets; `base` is the URL at which the tenant listens."""
        opened = AsyncExitStack()

        def to_graph() -> httpx.AsyncBaseTransport:
            transport = httpx.AsyncHTTPTransport()
            opened.push_async_callback(transport.aclose)
            return transport

        def to_azure() -> RedirectTransport:
            transport = RedirectTransport(base)
            opened.push_async_callback(transport.close)
            return transport

        return Ways(to_graph, to_azure, {"CORDON_GRAPH_URL": base}, opened.aclose)


@dataclass(frozen=True, slots=True)
class Grounds:
    """What every process of a drill stands on, and what outlives it."""

    settings: Settings
    environ: Mapping[str, str]
    tenant: PracticeTenant
    ways: Ways
    store: LocalStore
    surroundings: Surroundings
    keys: Keys
    clock: Clock
    seed: int
    narrator: Narrator
    topic: OutgoingTopic
    trouble: StoreTrouble
    fate: Fate
    writes: "OwnWrites"

    def responder(self, instance: str, life: Life) -> "Responder":
        """A Responder with nothing in memory. Raises PolicyWrong."""
        writes = TenantWrites(self.writes.count, life)
        return build(
            self.settings,
            Outside(
                clock=self.clock,
                instance=instance,
                random=Random(f"{self.seed}:{instance}").random,
                credential_for=lambda client_id: PracticeCredential(self.tenant, client_id),
                store=mortal_store(troubled_store(self._told(self.store), self.trouble), life),
                graph_transport=MortalHttpx(self.ways.to_graph(), writes),
                azure_transport=lambda: MortalAzure(self.ways.to_azure(), writes),
            ),
        )

    def immortal(self, instance: str) -> "Responder":
        """A Responder for questions beside the play: no write points, no store faults. Raises PolicyWrong."""
        calm = StoreTrouble.of((), self.clock, self.seed)
        return replace(self, trouble=calm).responder(instance, Life(Fate(), lambda: None))

    def _told(self, store: Store) -> Store:
        journal = ToldJournal(store.journal, self.narrator, self.tenant)
        return Store(journal, store.documents, store.evidence, store.queue, store.warm_up)


@dataclass(slots=True)
class OwnWrites:
    """Counts the writes of Cordon's that took effect in the tenant. `own`: the names under which they stand."""

    tenant: PracticeTenant
    own: frozenset[str]
    _seen: int = 0
    _counted: int = 0

    def count(self) -> int:
        fresh = self.tenant.effects[self._seen :]
        self._seen += len(fresh)
        self._counted += sum(1 for effect in fresh if effect["by"] in self.own and effect["applied"])
        return self._counted


@dataclass(frozen=True, slots=True)
class ToldJournal:
    """A journal whose records are told as they are appended."""

    inner: Journal
    narrator: Narrator
    tenant: PracticeTenant

    async def append(self, records: "Sequence[Record]") -> None:
        await self.inner.append(records)
        self.narrator.tell_attempts(self.tenant.attempts)
        self.narrator.tell_records(records)

    async def read(self, incident: "IncidentId") -> "Sequence[Record]":
        return await self.inner.read(incident)


def lay_grounds(
    scenario: Scenario,
    choices: Choices,
    folder: Path,
    *,
    clock: Clock,
    ways: Callable[[AsgiApp], Ways],
    say: Callable[[str], None],
    keys: Keys | None = None,
) -> Grounds:
    """
    Build everything but the process. `folder` is for files of this drill alone; `ways` leads to the network.

    Raises ScenarioMistake, SettingsWrong or PolicyWrong.
    """
    seed = scenario.file.seed if choices.seed is None else choices.seed
    tenant = PracticeTenant(**scenario.world(), clock=clock, seed=seed)
    topic = OutgoingTopic(tenant.hear)
    way = ways(in_front_of(topic, tenant.asgi))
    environ = {**_environ(scenario, choices, tenant, folder), **way.settings}
    store = _open_store(scenario.file.run.store, folder, clock)
    grounds = Grounds(
        settings=Settings.read(environ),
        environ=environ,
        tenant=tenant,
        ways=way,
        store=store,
        surroundings=Surroundings({WORK_QUEUE: store.queue, f"{WORK_QUEUE}-poison": _poison_queue(store, clock)}),
        keys=keys or make_keys(Random(f"{seed}:keys")),
        clock=clock,
        seed=seed,
        narrator=Narrator(say, clock, _names_in(tenant.snapshot()["tenant"])),
        topic=topic,
        trouble=StoreTrouble.of(scenario.world()["faults"], clock, seed),
        fate=Fate(choices.kill_at),
        writes=OwnWrites(tenant, frozenset(identity.client_id for identity in tenant.cordon.values())),
    )
    grounds.immortal("check")  # what is wrong with the policy must be said before anything begins
    return grounds


def _environ(scenario: Scenario, choices: Choices, tenant: PracticeTenant, folder: Path) -> Mapping[str, str]:
    """The app's settings as in Azure."""
    run = scenario.file.run
    return {
        "CORDON_MODE": choices.mode or run.mode,
        "CORDON_TENANT_ID": tenant.state.id,
        "CORDON_POLICY": str(_policy_file(scenario, choices, folder)),
        "CORDON_STORE": f"sqlite:{folder / _FILE}",
        "CORDON_TOPIC_ENDPOINT": ENDPOINT,
        "CORDON_EVENTS": "practice",
        "CORDON_EVENT_HUB": "entra-logs",
        "CORDON_LOG_WORKSPACES": ",".join(tenant.workspaces),
        **({"CORDON_HANDOVER_VAULT": run.handover_vault} if run.handover_vault else {}),
        **{f"CORDON_{role.upper()}_CLIENT_ID": each.client_id for role, each in tenant.cordon.items()},
    }


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

    return open_sqlite_store(folder / _FILE, clock)


def _poison_queue(store: LocalStore, clock: Callable[[], datetime]) -> Any:  # noqa: ANN401 - of the store's own kind
    beside = getattr(store.queue, "beside", None)
    return beside(f"{WORK_QUEUE}-poison") if beside else MemoryQueue(clock)


def make_keys(random: Random) -> Keys:
    """Keys as long as the platform's."""
    master, function, event_grid = (f"{random.getrandbits(256):064x}" for _ in range(3))
    return Keys(master, function, event_grid)


def _names_in(tenant: Mapping[str, Any]) -> dict[str, str]:
    """Display names by object id."""
    objects = (each for kind in ("users", "applications", "servicePrincipals") for each in tenant[kind])
    return {each["id"]: str(each["displayName"]) for each in objects if each.get("displayName")}
