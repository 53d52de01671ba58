"""
The parts of a scenario's timeline that reach Cordon directly: deliveries, calls of responders, power cuts.

What happens inside the tenant is played by the practice tenant itself; here it is only told.
"""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httpx

from drill.app_process import AppProcess
from drill.grounds import Grounds
from drill.host.event_grid import PATH
from drill.lifeline import Crash
from drill.practice.shapes import fine_time
from drill.scenario import HappeningPart, HttpCallPart, Scenario
from drill.transports import PracticeHttpxTransport

if TYPE_CHECKING:
    from drill.host.host import LocalHost

# How long Event Grid waits before each further attempt (facts: Event Grid docs, delivery and retry).
_RETRIES = (10.0, 30.0, 60.0, 300.0, 600.0, 1800.0)
_RECEIVER = "receive_event"
_WATCH_EVERY = 5.0  # seconds
_DOWN = 503
WAITING_PLAN = "{secrets that wait}"
_INCIDENT_OF = re.compile(r"\{incident ([0-9A-Za-z-]+)\}")
_HERE = "http://localhost:7071"
_WAITS_FOR_ANSWER = 30.0  # seconds, as Event Grid waits


class Story:
    """Plays and tells the timeline. `differences` collects answers that were not as expected."""

    def __init__(self, scenario: Scenario, grounds: Grounds, apps: Sequence[AppProcess]) -> None:
        given: Sequence[Mapping[str, Any]] = scenario.given.get("timeline", ())
        self._moments = sorted(zip(scenario.file.timeline, given, strict=True), key=lambda moment: moment[0].at)
        self._grounds, self._apps = grounds, apps
        self.differences: list[str] = []

    async def play(self) -> None:
        """Until the last moment, and everything that it set off, is over."""
        begun = self._grounds.clock()
        async with asyncio.TaskGroup() as group:
            for happening, given in self._moments:
                wait = (begun + happening.at - self._grounds.clock()).total_seconds()
                await asyncio.sleep(max(0.0, wait))
                self._grounds.narrator.tell_happening(given)
                self._happen(happening, group)

    async def carry_events(self) -> None:
        """Let what vaults tell reach the app, as long as the drill lasts."""
        async with asyncio.TaskGroup() as group:
            self._grounds.tenant.subscribe(lambda event, delay: self._pass_on(event, delay, group))
            await asyncio.Event().wait()

    async def keep_watching(self) -> None:
        """Tell what attackers do, also while Cordon is silent."""
        while True:
            await asyncio.sleep(_WATCH_EVERY)
            self._grounds.narrator.tell_attempts(self._grounds.tenant.attempts)

    def _happen(self, happening: HappeningPart, group: asyncio.TaskGroup) -> None:
        if happening.kill:
            self._apps[0].kill()
        if happening.event_hub:
            body = json.dumps({"records": happening.event_hub}).encode()
            self._grounds.surroundings.partition.send([body], self._grounds.clock)
        if happening.event_grid:
            for app in self._apps:  # at least once: with several instances, to each of them in the same moment
                group.create_task(self._deliver(happening.event_grid, app))
        if happening.http:
            group.create_task(self._call(happening.http))

    def _pass_on(self, event: Mapping[str, Any], delay: float, group: asyncio.TaskGroup) -> None:
        """A vault's event, on its way."""

        async def carry() -> None:
            await asyncio.sleep(delay)
            await asyncio.gather(*(self._deliver([event], app) for app in self._apps))

        group.create_task(carry())

    async def _deliver(self, given: Sequence[Mapping[str, Any]], app: AppProcess) -> None:
        """As Event Grid does: again and again, until it is accepted or refused for good."""
        events = [self._complete(event) for event in given]
        headers = {"aeg-event-type": "Notification", "x-functions-key": self._grounds.keys.event_grid}
        for wait in (*_RETRIES, None):
            status, _ = await self._send(app, "POST", f"{PATH}?functionName={_RECEIVER}", headers, events)
            if status < 300 or status in (400, 401, 413):
                return
            self._grounds.narrator.tell("World", f"Event Grid was answered {status}")
            if wait is not None:
                await asyncio.sleep(wait)

    def _complete(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """What Event Grid itself adds to an event."""
        now, id_ = fine_time(self._grounds.clock()), self._grounds.tenant.state.chance.guid("event")
        if "specversion" in event:
            return {"id": id_, "source": "/practice", "time": now, **event}
        return {"id": id_, "topic": "/practice", "subject": "", "eventTime": now, "dataVersion": "1", **event}

    async def _call(self, call: HttpCallPart) -> None:
        """A responder calls the API."""
        headers = {"x-functions-key": self._grounds.keys.function}
        path = await self._with_incident(call.path, headers)
        body = await self._with_plan(call.body, path, headers)
        status, text = await self._send(self._apps[0], call.method, path, headers, body)
        self._grounds.narrator.tell("Person", f"{call.method} {path}: {status} {text}")
        if call.status is not None and status != call.status:
            self.differences.append(f"{call.method} {path} was answered {status}, expected {call.status}: {text}")

    async def _with_incident(self, path: str, headers: Mapping[str, str]) -> str:
        """The path with the newest incident of an identity in it, as a person would look it up first."""
        named = _INCIDENT_OF.search(path)
        if named is None:
            return path
        status, text = await self._send(self._apps[0], "GET", "/api/incidents", headers, None)
        listed: list[dict[str, Any]] = json.loads(text)["incidents"] if status == HTTPStatus.OK else []
        id_: str = next((str(each["id"]) for each in listed if named[1] in (each["identity"] or {}).values()), "none")
        return path.replace(named[0], id_)

    async def _with_plan(
        self, body: dict[str, Any] | None, path: str, headers: Mapping[str, str]
    ) -> dict[str, Any] | None:
        """The body with the hash of the secrets that wait, as a person would read it in the incident."""
        if body is None or body.get("planHash") != WAITING_PLAN:
            return body
        about = "/".join(path.split("/")[:4])  # /api/incidents/ID
        status, text = await self._send(self._apps[0], "GET", about, headers, None)
        incident: dict[str, Any] = json.loads(text) if status == HTTPStatus.OK else {}
        secrets: dict[str, Any] = incident.get("secrets") or {}
        waiting: list[dict[str, Any]] = secrets.get("waiting", [])
        return {**body, "planHash": waiting[0]["planHash"] if waiting else "nothing-waits"}

    async def _send(
        self, app: AppProcess, method: str, path: str, headers: Mapping[str, str], body: object
    ) -> tuple[int, str]:
        host = app.host
        if host is None:
            return _DOWN, "the process is down"
        try:
            return await _exchange(host, method, path, headers, body)
        except Crash:
            return _DOWN, "the process died before it had answered"
        except httpx.TimeoutException:
            return _DOWN, f"no answer came within {_WAITS_FOR_ANSWER:g} s"


async def _exchange(
    host: "LocalHost", method: str, path: str, headers: Mapping[str, str], body: object
) -> tuple[int, str]:
    transport = PracticeHttpxTransport(host.asgi)
    async with httpx.AsyncClient(transport=transport, base_url=_HERE, timeout=_WAITS_FOR_ANSWER) as client:
        answer = await client.request(method, path, headers=dict(headers), json=body)
        return answer.status_code, answer.text
