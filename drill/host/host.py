"""
The local host: function_app.py's functions, each driven by its own trigger.

What must outlive a process (timer monitors, queues, the Event Hub partition) is handed in, so that a
drill can throw a host away in mid-run and start another one, as after a crash.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, cast

from drill.host.event_grid import PATH as EVENT_GRID
from drill.host.event_grid import EventGridDoor
from drill.host.functions import PROJECT, Function, load_functions
from drill.host.host_json import HostSettings
from drill.host.invocation import Invoker, say_failed
from drill.host.payloads import QueueDelivery, StreamEvent, event_hub_events, queue_message, warm_up_context
from drill.host.queues import HIDDEN_WHILE_WORKED_ON, QueueListener
from drill.host.routes import HttpDoors, Keys, holds_key
from drill.host.stream import Partition, StreamReader
from drill.host.timers import Timer, TimerMonitor
from drill.host.web import Answer, Receive, Request, Scope, Send, asgi
from drill.ncrontab import Schedule
from shared.clock import Clock
from shared.store import DrivenQueue

if TYPE_CHECKING:
    from shared.responder import Responder

_log = logging.getLogger("cordon.host")

_ADMIN = "/admin/functions/"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What outlives a host: the storage account's queues, the timers' monitor, the Event Hub."""

    queues: Mapping[str, DrivenQueue]  # by name, poison queues included
    monitor: TimerMonitor = field(default_factory=TimerMonitor)
    partition: Partition = field(default_factory=Partition)


class NothingToServe(RuntimeError):
    """A function listens to something that this host was not given."""


class LocalHost:
    """
    One process of the function app.

        host = LocalHost(responder, surroundings, keys=keys, clock=clock, random=random, environ=environ, died=…)
        await host.start()
        ...
        await host.stop()

    `died` is called when a function raised a BaseException, or the host itself failed: the process counts as
    dead, and whoever holds it stops it.
    """

    def __init__(
        self,
        responder: "Responder",
        surroundings: Surroundings,
        *,
        keys: Keys,
        clock: Clock,
        random: Random,
        environ: Mapping[str, str],
        died: Callable[[BaseException], None],
    ) -> None:
        self.keys = keys
        self.settings = HostSettings.read(PROJECT / "host.json", environ)
        self.functions = load_functions(environ)
        self._responder = responder
        self._around = surroundings
        self._clock, self._random, self._died = clock, random, died
        self._invoker = Invoker(self.settings.function_timeout, self._take_the_doors, died)
        self._timers = {each.name: self._timer(each) for each in self._of_kind("timerTrigger")}
        self._http = HttpDoors.of(self._of_kind("httpTrigger"), self.settings.route_prefix, keys, self._invoker)
        self._events = EventGridDoor(
            {each.name.lower(): each for each in self._of_kind("eventGridTrigger")},
            (keys.event_grid, keys.master),
            self._invoker,
        )
        self._asgi = asgi(self._answer)
        self._tasks: list[asyncio.Task[None]] = []

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The host's HTTP side, as an ASGI application."""
        await self._asgi(scope, receive, send)

    async def start(self) -> None:
        """Warm up, then let every trigger run."""
        for function in self._of_kind("warmupTrigger"):
            await self._warm_up(function)
        for timer in self._timers.values():
            self._keep(timer.keep_running(), timer.function.name)
        for function in self._of_kind("queueTrigger"):
            self._keep(self._listener(function).keep_listening(), function.name)
        for function in self._of_kind("eventHubTrigger"):
            self._keep(self._reader(function).keep_reading(), function.name)

    async def stop(self) -> None:
        """Cancel everything that is under way and wait until it has ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def _of_kind(self, kind: str) -> Sequence[Function]:
        return [function for function in self.functions if function.kind == kind]

    def _timer(self, function: Function) -> Timer:
        schedule = Schedule.parse(str(function.trigger["schedule"]))
        return Timer(function, schedule, self._around.monitor, self._invoker, self._clock)

    def _listener(self, function: Function) -> QueueListener:
        name = str(function.trigger["queueName"])
        return QueueListener(
            function=function,
            queue=self._queue(name),
            poison=None if name.endswith("-poison") else self._queue(f"{name}-poison"),
            settings=self.settings.queues,
            invoker=self._invoker,
            clock=self._clock,
            random=self._random,
        )

    def _queue(self, name: str) -> DrivenQueue:
        if name not in self._around.queues:
            raise NothingToServe(f"there is no queue {name}; known are {', '.join(sorted(self._around.queues))}")
        return self._around.queues[name]

    def _reader(self, function: Function) -> StreamReader:
        return StreamReader(function, self._around.partition, self.settings.max_event_batch_size, self._invoker)

    def _take_the_doors(self) -> None:
        """Doors are shared by all hosts of a process: before each call they are pointed at our Responder."""
        from functions import runtime

        runtime.use(self._responder)

    def _keep(self, trigger: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(trigger, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A trigger never ends by itself, so an error here is the host's own."""
        if not task.cancelled() and (problem := task.exception()):
            self._died(problem)

    async def _warm_up(self, function: Function) -> None:
        try:
            await self._invoker.call(function, warm_up_context())
        except Exception as problem:  # noqa: BLE001 - the platform goes on too: warming up is a courtesy
            say_failed(function, problem, "the instance starts cold")

    async def _answer(self, request: Request) -> Answer:
        if request.path.rstrip("/").lower() == EVENT_GRID.lower() and request.method == "POST":
            return await self._events.answer(request)
        if request.path.startswith("/admin/"):
            return await self._administer(request)
        if request.path == "/":
            return Answer(200, b"The practice host is running.", (("content-type", "text/plain; charset=utf-8"),))
        return await self._http.answer(request)

    async def _administer(self, request: Request) -> Answer:
        if not holds_key(request, (self.keys.master,)):
            return Answer(401)
        if request.path == "/admin/host/status":
            return _as_json({"state": "Running", "functions": [each.name for each in self.functions]})
        if request.path.rstrip("/") == _ADMIN.rstrip("/") and request.method == "GET":
            return _as_json([{"name": each.name, "trigger": each.kind} for each in self.functions])
        if request.path.startswith(_ADMIN) and request.method == "POST":
            return self._run_by_hand(request.path.removeprefix(_ADMIN), request.body)
        return Answer(404)

    def _run_by_hand(self, name: str, body: bytes) -> Answer:
        """`POST /admin/functions/NAME {"input": "…"}`: 202 at once, the function runs on its own."""
        function = next((each for each in self.functions if each.name.lower() == name.lower()), None)
        if function is None:
            return Answer(404)
        run = self._by_hand(function, _input(body))
        if run is None:
            return Answer(400, f"{function.kind} cannot be called this way".encode())
        self._tasks = [task for task in self._tasks if not task.done()]
        self._tasks.append(asyncio.create_task(run, name=f"{function.name} by hand"))
        return Answer(202)

    def _by_hand(self, function: Function, given: str) -> Coroutine[Any, Any, None] | None:
        match function.kind:
            case "timerTrigger":
                return self._timers[function.name].run_now()
            case "queueTrigger":
                now = self._clock()
                delivery = QueueDelivery("by-hand", given.encode(), 1, now, "", now + HIDDEN_WHILE_WORKED_ON)
                return self._call_by_hand(function, lambda: queue_message(delivery))
            case "eventHubTrigger":
                event = StreamEvent(given.encode(), 0, self._clock())
                return self._call_by_hand(function, lambda: event_hub_events([event]))
            case "warmupTrigger":
                return self._warm_up(function)
            case _:
                return None

    async def _call_by_hand(self, function: Function, payload: Callable[[], object]) -> None:
        try:
            await self._invoker.call(function, payload())
        except Exception as problem:  # noqa: BLE001 - there is nobody to tell but the log
            say_failed(function, problem, "it was called by hand and is not called again")


def _input(body: bytes) -> str:
    try:
        given: object = json.loads(body or b"{}")
    except ValueError:
        return ""
    return str(cast("dict[str, object]", given).get("input", "")) if isinstance(given, dict) else ""


def _as_json(value: object) -> Answer:
    return Answer(200, json.dumps(value).encode(), (("content-type", "application/json; charset=utf-8"),))
