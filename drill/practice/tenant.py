"""The practice tenant as others hold it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from drill.practice import login, snapshots
from drill.practice.arm.building import add_access, add_sources
from drill.practice.arm.gate import HOST as ARM_HOST
from drill.practice.arm.gate import ArmGate
from drill.practice.asgi import AsgiApp, PracticeApp
from drill.practice.attackers import Attacker, Plan
from drill.practice.azure_changes import AzureChanges
from drill.practice.behaviour import Behaviour
from drill.practice.building import build_state, cordon_client_id, cordon_object_id
from drill.practice.consumers import Consumer
from drill.practice.directory import SERVICE_PRINCIPAL
from drill.practice.faults import Faults
from drill.practice.graph.batch import run_batch
from drill.practice.graph.gate import GraphGate
from drill.practice.logs.gate import HOST as LOGS_HOST
from drill.practice.logs.gate import LogsGate
from drill.practice.owners import Owner
from drill.practice.service import Service
from drill.practice.shapes import JsonObject
from drill.practice.sign_ins import Credential, CredentialKind, SignIn, sign_in
from drill.practice.state import Seen
from drill.practice.timeline import Timeline
from drill.practice.tokens import CordonIdentity, Token, audience_of
from drill.practice.vault.building import add_vaults
from drill.practice.vault.gate import VaultGate
from drill.practice.web import Answer, ConnectionLost, Request
from drill.practice.workloads import Workload
from drill.practice.world import World

Sleep = Callable[[float], Awaitable[None]]
_VERSIONS = ("v1.0", "beta")


class PracticeTenant:
    """
    One tenant, built from the parts of a scenario (plain dicts, in the shape of the scenario file).

    `clock` gives UTC; `sleep` is the loop's. `behaviour` overrides `tenant["behaviour"]`. The same seed and
    the same requests at the same times leave the same trace.
    """

    def __init__(
        self,
        tenant: Mapping[str, Any],
        *,
        azure: Mapping[str, Any] | None = None,
        logs: Mapping[str, Any] | None = None,
        timeline: Iterable[Mapping[str, Any]] = (),
        attackers: Iterable[Mapping[str, Any]] = (),
        consumers: Iterable[Mapping[str, Any]] = (),
        owners: Iterable[Mapping[str, Any]] = (),
        workloads: Iterable[Mapping[str, Any]] = (),
        faults: Iterable[Mapping[str, Any]] = (),
        behaviour: Behaviour | None = None,
        clock: Callable[[], datetime],
        sleep: Sleep = asyncio.sleep,
        seed: int = 0,
    ) -> None:
        chosen = behaviour or Behaviour.from_scenario(tenant.get("behaviour", {}))
        self.state = build_state(tenant, logs or {}, chosen, clock, seed)
        add_access(self.state, azure or {})
        add_sources(self.state, azure or {})
        add_vaults(self.state, azure or {})
        self._sleep = sleep
        self._faults = Faults(faults, self.state.chance)
        self._graph = Service(self.state, GraphGate(self.state), self._faults, sleep)
        self._vault = Service(self.state, VaultGate(self.state), self._faults, sleep)
        self._arm = Service(self.state, ArmGate(), self._faults, sleep)
        self._logs = Service(self.state, LogsGate(), self._faults, sleep)
        self._world = World(
            Timeline(self.state, timeline, sleep, AzureChanges(self.state, self._vault, self._arm)),
            [
                Attacker(
                    self.state, Plan.from_scenario(each), sleep, self._graph.serve, self._vault.serve, self._arm.serve
                )
                for each in attackers
            ],
            [Consumer.begin(self.state, each, sleep, self._vault.serve) for each in consumers],
            [Owner.begin(self.state, each, sleep, self._vault.serve) for each in owners],
            [Workload.begin(self.state, each, sleep) for each in workloads],
        )
        self.asgi: AsgiApp = PracticeApp(self)

    def start(self, group: asyncio.TaskGroup) -> list["asyncio.Task[None]"]:
        """Set the world going: timeline and attackers become tasks of this group, which the caller may cancel."""
        return self._world.start(group)

    async def run_world(self) -> None:
        """The world alone, until nothing more happens."""
        async with asyncio.TaskGroup() as group:
            self.start(group)

    def hear(self, event: Mapping[str, Any]) -> None:
        """An event that Cordon published reaches whoever listens to the topic."""
        self.state.heard.append(event)

    def subscribe(self, listener: Callable[[JsonObject, float], None]) -> None:
        """Let the vaults' events go to this listener, each with the seconds until it is delivered."""
        self.state.listeners.append(listener)

    def happen(self, entry: Mapping[str, Any]) -> None:
        """Let what one entry of a timeline says happen now. Raises ScenarioMistake."""
        self._world.timeline.happen(entry)

    # --- what happened --------------------------------------------------------------------------

    @property
    def effects(self) -> list[JsonObject]:
        """Every write that reached the tenant, refused ones and those whose answer was lost too, in order."""
        return self.state.effects

    @property
    def requests(self) -> list[Seen]:
        """Every request, the inner ones of a batch too."""
        return self.state.requests

    @property
    def attempts(self) -> list[JsonObject]:
        """What sign-ins and attackers tried and how it ended, in order."""
        return self.state.attempts

    @property
    def canaries(self) -> frozenset[bytes]:
        """Every secret, token and private key the tenant ever made: none may be found outside process memory."""
        made = self.state.canaries
        return frozenset({*(text.encode() for text in made.texts), *made.raw})

    def snapshot(self) -> JsonObject:
        """`{"tenant": …, "azure": …}` in the scenario's own shape, with no secret in it."""
        return snapshots.snapshot(self.state)

    def logs(self) -> dict[str, list[JsonObject]]:
        """Every record of the directory's logs, those on their way too, by the names that scenarios give them."""
        return snapshots.logs(self.state)

    @property
    def workspaces(self) -> tuple[str, ...]:
        """Customer ids of the Log Analytics workspaces."""
        return tuple(self.state.azure.workspaces)

    def now(self) -> datetime:
        """The tenant's time, UTC."""
        return self.state.now

    # --- identities -----------------------------------------------------------------------------

    @property
    def cordon(self) -> dict[str, CordonIdentity]:
        """Cordon's own identities by role: reader, executor, rotator."""
        return self.state.cordon

    def sign_in(self, principal_id: str, credential: Credential, **options: Any) -> SignIn:  # noqa: ANN401 - see sign_ins
        """Whether this service principal gets a token with this credential, now."""
        return sign_in(self.state, principal_id, credential, **options)

    def token_for(self, client_id: str, scope: str) -> Token | int:
        """A token for one of the tenant's managed identities, or the error code that Entra gives instead."""
        entry = self.state.directory.by_app_id(SERVICE_PRINCIPAL, client_id)
        principal_id = entry.id if entry else client_id
        result = sign_in(
            self.state, principal_id, Credential(CredentialKind.MANAGED_IDENTITY), audience=audience_of(scope)
        )
        return result.token or result.error_code

    # --- answering ------------------------------------------------------------------------------

    async def answer(self, request: Request) -> Answer:
        """One exchange with any host, network time included."""
        network = self.state.behaviour.network
        if network:
            await self._sleep(network / 2)
        answer = await self._routed(request)
        if network:
            await self._sleep(network / 2)
        return answer

    async def _routed(self, request: Request) -> Answer:
        name, _, zone = request.host.partition(".")
        if zone == "vault.azure.net":
            if name not in self.state.vaults:
                raise ConnectionLost(f"no such host: {request.host}")
            return await self._vault.serve(request)
        if request.host == ARM_HOST:
            return await self._arm.serve(request)
        if request.host == LOGS_HOST:
            return await self._logs.serve(request)
        if request.host == login.HOST:
            return login.answer(self.state, request)
        if request.path == login.MANAGED_IDENTITY_PATH:
            return login.answer_managed_identity(self.state, request)
        _, version, rest = (*request.path.split("/", 2), "", "")[:3]
        if version in _VERSIONS:
            request.version, request.path = version, f"/{rest}"
            return await self._answer_graph(request)
        return Answer(404, {"error": {"code": "NotFound", "message": f"no service at {request.host}"}})

    async def _answer_graph(self, request: Request) -> Answer:
        if (request.method, request.path) == ("POST", "/$batch"):
            return await self._answer_batch(request)
        return await self._graph.serve(request)

    async def _answer_batch(self, request: Request) -> Answer:
        async def outer(each: Request) -> Answer:
            return await run_batch(self.state, each, self._graph.serve)

        return await self._graph.serve_whole(request, outer)


__all__ = ["PracticeTenant", "cordon_client_id", "cordon_object_id"]
