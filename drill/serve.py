"""
A drill in real time over loopback: the functions host on one port, the practice tenant on another.

The tenant's port also takes `POST /practice/happen` with one entry of a timeline (what happens now), and
shows `GET /practice/state`, `/practice/effects` and `/practice/events`, so that a rehearsal can be steered
and watched from a second terminal. None of it shows a secret.
"""

import asyncio
import contextlib
import json
import secrets
import socket
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from drill.app_process import AppProcess
from drill.grounds import Choices, Grounds, Ways, lay_grounds
from drill.host.routes import Keys
from drill.host.web import Answer, Receive, Request, Scope, Send, asgi
from drill.practice import ScenarioMistake
from drill.runner import heard, ignore_the_dead
from drill.scenario import Scenario, ScenarioWrong
from drill.story import Story
from drill.topic import App
from shared.clock import system_clock

if TYPE_CHECKING:
    from collections.abc import Generator

LOOPBACK = "127.0.0.1"
_STEER = "/practice/"


async def serve(scenario: Scenario, choices: Choices, port: int, tenant_port: int, say: Callable[[str], None]) -> None:
    """Serve until cancelled (Ctrl-C). Raises ScenarioWrong if a port is taken or the scenario cannot be played."""
    with tempfile.TemporaryDirectory(prefix="cordon-drill-") as folder, _listening(port, tenant_port) as sockets:
        network: list[App] = []

        def over_loopback(app: App) -> Ways:
            network.append(app)
            return Ways.over_loopback(f"http://{LOOPBACK}:{tenant_port}")

        try:
            grounds = lay_grounds(
                scenario, choices, Path(folder), clock=system_clock, ways=over_loopback, say=say, keys=_fresh_keys()
            )
        except ScenarioMistake as mistake:
            raise ScenarioWrong([f"{scenario.path.name}: {mistake}"]) from mistake
        app = AppProcess(grounds)
        both = _by_port(tenant_port, Steering(grounds, network[0]).asgi, _to_host(app))
        with heard(grounds.narrator):
            await _serve_all(scenario, grounds, app, both, sockets, say)


async def _serve_all(
    scenario: Scenario,
    grounds: Grounds,
    app: AppProcess,
    both: App,
    sockets: list[socket.socket],
    say: Callable[[str], None],
) -> None:
    import uvicorn

    config = uvicorn.Config(both, log_level="warning", access_log=False, lifespan="off", ws="none", server_header=False)
    server, story = uvicorn.Server(config), Story(scenario, grounds, [app])
    ignore_the_dead()
    host_port, tenant_port = (each.getsockname()[1] for each in sockets)
    try:
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(server.serve(sockets=sockets), name="server")
            tasks = [
                group.create_task(story.carry_events(), name="vaults' events"),
                *grounds.tenant.start(group),
                group.create_task(story.play(), name="story"),
                group.create_task(story.keep_watching(), name="watching attackers"),
                group.create_task(app.keep_alive(), name="app"),
            ]
            welcoming = group.create_task(
                _welcome(app, lambda: say(welcome(scenario, grounds, host_port, tenant_port))), name="welcome"
            )
            await serving
            for task in (*tasks, welcoming):
                task.cancel()
    finally:
        await app.stop()
        await grounds.ways.close()
        await grounds.store.close()


async def _welcome(app: AppProcess, say: Callable[[], None]) -> None:
    """Once everything runs: what a stranger pastes must work at once."""
    await app.ready.wait()
    say()


@contextlib.contextmanager
def _listening(*ports: int) -> "Generator[list[socket.socket]]":
    """Bound sockets, before anything else is built: a taken port is the commonest mistake."""
    with contextlib.ExitStack() as stack:
        sockets: list[socket.socket] = []
        for port in ports:
            bound = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                bound.bind((LOOPBACK, port))
            except OSError as problem:
                raise ScenarioWrong(
                    [f"port {port} on {LOOPBACK} cannot be used ({problem.strerror}); choose another with --port"]
                ) from problem
            bound.listen()
            sockets.append(bound)
        yield sockets


def _fresh_keys() -> Keys:
    """In real time anybody on this machine can call, so keys are not to be guessed from the seed."""
    return Keys(secrets.token_hex(32), secrets.token_hex(32), secrets.token_hex(32))


def _by_port(tenant_port: int, tenant: App, host: App) -> App:
    """One application for both sockets."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        port = (scope.get("server") or (None, None))[1]
        await (tenant if port == tenant_port else host)(scope, receive, send)

    return application


def _to_host(app: AppProcess) -> App:
    """The host that is running at the moment."""
    down = asgi(_answer_down)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await (app.host.asgi if app.host else down)(scope, receive, send)

    return application


async def _answer_down(_: Request) -> Answer:
    return Answer(503, b"the process is down and is being started again")


class Steering:
    """The practice tenant with a few paths in front for whoever rehearses."""

    def __init__(self, grounds: Grounds, tenant: App) -> None:
        self._grounds, self._tenant, self._steer = grounds, tenant, asgi(self._answer)

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        await (self._steer if str(scope.get("path", "")).startswith(_STEER) else self._tenant)(scope, receive, send)

    async def _answer(self, request: Request) -> Answer:
        what = request.path.removeprefix(_STEER)
        if request.method == "POST" and what == "happen":
            return self._happen(request.body)
        shown: Mapping[str, Callable[[], object]] = {
            "state": self._grounds.tenant.snapshot,
            "effects": lambda: self._grounds.tenant.effects,
            "events": lambda: self._grounds.topic.events,
        }
        if request.method != "GET" or what not in shown:
            return Answer(404)
        return _json(200, shown[what]())

    def _happen(self, body: bytes) -> Answer:
        try:
            entry: object = json.loads(body)
            if not isinstance(entry, dict):
                raise ScenarioMistake("one entry of a timeline was expected")
            self._grounds.tenant.happen(cast("dict[str, Any]", entry))
        except (ValueError, KeyError) as mistake:
            return _json(400, {"mistake": str(mistake)})
        self._grounds.narrator.tell_happening(cast("dict[str, Any]", entry))
        return Answer(204)


def _json(status: int, value: object) -> Answer:
    return Answer(status, json.dumps(value, indent=2).encode(), (("content-type", "application/json; charset=utf-8"),))


def welcome(scenario: Scenario, grounds: Grounds, port: int, tenant_port: int) -> str:
    """What a stranger needs: where things are, keys, and lines that work when pasted."""
    host, tenant = f"http://{LOOPBACK}:{port}", f"http://{LOOPBACK}:{tenant_port}"
    principal = _an_identity(scenario)
    detection = {
        "servicePrincipalRiskDetections": [
            {
                "servicePrincipalId": principal,
                "riskEventType": "leakedCredentials",
                "riskLevel": "high",
                "riskState": "atRisk",
            }
        ]
    }
    order = {"identity": {"servicePrincipalId": principal}, "reason": "rehearsal", "by": "me"}
    settings = grounds.settings
    return f"""
Scenario “{scenario.name}” in real time, mode {settings.mode.value}. Ctrl-C stops it; nothing is left behind.

  Functions host    {host}        API under /api, its description at /api/openapi.json
  Practice tenant   {tenant}        Microsoft Graph, Key Vault and login, as Cordon's SDK clients see them
  Function key      {grounds.keys.function}
  Master key        {grounds.keys.master}
  Event Grid key    {grounds.keys.event_grid}

In a second terminal:

  KEY={grounds.keys.function}
  MASTER={grounds.keys.master}
  # is it well?
  curl -s -H "x-functions-key: $KEY" {host}/api/health
  # let Entra detect a leaked secret now, and do not wait for the next sweep
  curl -s -X POST {tenant}/practice/happen -d '{json.dumps(detection)}'
  curl -s -X POST -H "x-functions-key: $MASTER" {host}/admin/functions/sweep_risk -d '{{}}'
  # see what came of it
  curl -s -H "x-functions-key: $KEY" {host}/api/incidents
  curl -s {tenant}/practice/effects
  # order a containment yourself
  curl -s -X POST -H "x-functions-key: $KEY" -H "content-type: application/json" \\
    {host}/api/incidents -d '{json.dumps(order)}'
"""


def _an_identity(scenario: Scenario) -> str:
    """The service principal that the scenario is about, or its first."""
    for happening in scenario.file.timeline:
        for detection in happening.service_principal_risk_detections:
            return str(detection.get("servicePrincipalId"))
    principals = scenario.file.tenant.service_principals
    return str(principals[0].get("id")) if principals else "00000000-0000-0000-0000-000000000000"
