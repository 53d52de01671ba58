"""The local host drives the real, untouched function_app.py."""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from random import Random
from typing import Any, cast

import httpx
import pytest

from drill.host.functions import PROJECT, load_functions
from drill.host.host import LocalHost, NothingToServe, Surroundings
from drill.host.host_json import HostJsonWrong, HostSettings
from drill.transports import PracticeHttpxTransport
from drill.virtual_time import virtual_clock
from shared.responder import Intake, Responder
from shared.signal import JsonObject
from shared.store import WORK_QUEUE, MemoryQueue
from tests.drill.play import KEYS, seconds_since_start, under_virtual_time

ENVIRON = {"CORDON_EVENTS": "practice", "CORDON_EVENT_HUB": "entra-logs"}


class Listening:
    """Stands for the Responder, and remembers what doors ask of it. `fail` counts down: that many calls fail."""

    def __init__(self, fail: int = 0) -> None:
        self.asked: list[tuple[str, object]] = []
        self.fail = fail

    def _note(self, what: str, of: object = None) -> None:
        self.asked.append((what, of))
        if self.fail:
            self.fail -= 1
            raise RuntimeError("not now")

    async def warm_up(self) -> None:
        self._note("warm up")

    async def sweep_risk(self) -> None:
        self._note("sweep risk", round(seconds_since_start()))

    async def sweep_sign_ins(self) -> None:
        """Nothing waits for one."""

    async def sweep_audits(self) -> None:
        self._note("sweep audits", round(seconds_since_start()))

    async def reconcile(self) -> None:
        self._note("reconcile", round(seconds_since_start()))

    async def work(self, message: JsonObject) -> None:
        self._note("work", message)

    async def tell_poisoned(self, body: bytes) -> None:
        self._note("poisoned", body)

    async def receive_events(self, events: Sequence[JsonObject]) -> Intake:
        self._note("events", [event["id"] for event in events])
        return Intake(1, 0, 0, ())

    async def receive_stream(self, bodies: Sequence[bytes]) -> Intake:
        self._note("stream", list(bodies))
        return Intake(1, 0, 0, ())

    def of(self, what: str) -> list[object]:
        return [of for name, of in self.asked if name == what]


def _surroundings() -> Surroundings:
    clock = virtual_clock().now
    return Surroundings({WORK_QUEUE: MemoryQueue(clock), f"{WORK_QUEUE}-poison": MemoryQueue(clock)})


def _host(listening: Listening, around: Surroundings, environ: dict[str, str] = ENVIRON) -> LocalHost:
    return LocalHost(
        cast("Responder", listening),
        around,
        keys=KEYS,
        clock=virtual_clock().now,
        random=Random(0),  # noqa: S311 - a fixed seed is the point
        environ=environ,
        died=_surprised,
    )


def _surprised(death: BaseException) -> None:
    raise AssertionError("nobody was to die here") from death


async def _call(host: LocalHost, method: str, path: str, key: str = "master", **more: Any) -> httpx.Response:
    transport = PracticeHttpxTransport(host.asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:7071") as client:
        return await client.request(method, path, headers={"x-functions-key": key, **more.pop("headers", {})}, **more)


def test_every_function_of_the_app_is_driven_by_its_own_trigger() -> None:
    """In one hour: warm-up once, timers by their schedules, a message, an event and a stream batch each handed over."""
    listening = Listening()

    async def story() -> set[str]:
        around = _surroundings()
        host = _host(listening, around)
        await host.start()
        await around.queues[WORK_QUEUE].send({"incident": "i1", "because": "signal"})
        await around.queues[f"{WORK_QUEUE}-poison"].put(b"lost")
        around.partition.send([b"{}", b"[]"], virtual_clock().now)
        event: JsonObject = {"id": "e1", "eventType": "T", "subject": "", "topic": "", "dataVersion": "1", "data": {}}
        answer = await _call(
            host,
            "POST",
            "/runtime/webhooks/EventGrid?functionName=receive_event",
            json=[event],
            headers={"aeg-event-type": "Notification"},
        )
        assert answer.status_code == 202
        await asyncio.sleep(3601)
        await host.stop()
        return {each.kind for each in host.functions}

    kinds = under_virtual_time(story)

    assert kinds == {
        "timerTrigger",
        "queueTrigger",
        "eventGridTrigger",
        "eventHubTrigger",
        "httpTrigger",
        "warmupTrigger",
    }
    assert listening.asked[0] == ("warm up", None)
    assert listening.of("sweep risk") == list(range(300, 3601, 300))
    assert listening.of("sweep audits") == list(range(30, 3600, 60))
    assert listening.of("reconcile") == [1035]
    assert listening.of("work") == [{"incident": "i1", "because": "signal"}]
    assert listening.of("poisoned") == [b"lost"]
    assert listening.of("events") == [["e1"]]
    assert listening.of("stream") == [[b"{}", b"[]"]]


def test_two_hosts_in_one_process_each_speak_to_their_own_responder() -> None:
    """Doors are shared, what stands behind them is not."""
    one, two = Listening(), Listening()

    async def story() -> None:
        hosts = [_host(one, _surroundings()), _host(two, _surroundings())]
        for host in hosts:
            await host.start()
        await asyncio.sleep(301)
        for host in hosts:
            await host.stop()

    under_virtual_time(story)

    assert one.of("sweep risk") == two.of("sweep risk") == [300]


def test_a_stream_batch_that_fails_is_held_back_by_the_retry_policy() -> None:
    """The same batch comes again, ever later, and what follows waits for it."""
    listening = Listening()

    async def story() -> int:
        around = _surroundings()
        host = _host(listening, around)
        await host.start()
        listening.fail = 2
        around.partition.send([b"first"], virtual_clock().now)
        await asyncio.sleep(3)
        around.partition.send([b"second"], virtual_clock().now)
        await asyncio.sleep(26)
        await host.stop()
        return around.partition.checkpoint

    checkpoint = under_virtual_time(story)

    assert listening.of("stream") == [[b"first"], [b"first"], [b"first"], [b"second"]]
    assert checkpoint == 2


def test_functions_can_be_called_by_hand_with_the_master_key_only() -> None:
    """`POST /admin/functions/NAME` is 202 at once, and the function runs."""
    listening = Listening()

    async def story() -> list[int]:
        host = _host(listening, _surroundings())
        await host.start()
        order = json.dumps({"incident": "i2", "because": "signal"})
        answers = [
            await _call(host, "POST", "/admin/functions/sweep_risk", json={}),
            await _call(host, "POST", "/admin/functions/work_incident", json={"input": order}),
            await _call(host, "POST", "/admin/functions/nobody", json={}),
            await _call(host, "POST", "/admin/functions/show_health", json={}),
            await _call(host, "POST", "/admin/functions/sweep_risk", key="function", json={}),
            await _call(host, "GET", "/admin/functions"),
            await _call(host, "GET", "/admin/host/status"),
        ]
        await asyncio.sleep(1)
        await host.stop()
        return [answer.status_code for answer in answers]

    statuses = under_virtual_time(story)

    assert statuses == [202, 202, 404, 400, 401, 200, 200]
    assert listening.of("sweep risk") == [0]
    assert listening.of("work") == [{"incident": "i2", "because": "signal"}]


def test_a_function_that_is_switched_off_is_not_there() -> None:
    """The setting AzureWebJobs.NAME.Disabled works as in Azure."""
    names = {each.name for each in load_functions({**ENVIRON, "AzureWebJobs.receive_stream.Disabled": "true"})}

    assert "receive_stream" not in names
    assert "sweep_risk" in names


def test_settings_in_percent_signs_are_resolved() -> None:
    """The Event Hub's name comes from the app's settings."""
    (stream,) = (each for each in load_functions(ENVIRON) if each.kind == "eventHubTrigger")

    assert stream.trigger["eventHubName"] == "entra-logs"


def test_a_queue_that_nobody_provides_is_told() -> None:
    """A host that cannot serve a function must not look as if it did."""

    async def story() -> None:
        await _host(Listening(), Surroundings({})).start()

    with pytest.raises(NothingToServe, match="cordon-work"):
        under_virtual_time(story)


def test_host_json_is_read_and_settings_override_it() -> None:
    """The shipped values, and what Azure calls AzureFunctionsJobHost__…."""
    shipped = HostSettings.read(PROJECT / "host.json", {})
    overridden = HostSettings.read(PROJECT / "host.json", {"AzureFunctionsJobHost__extensions__queues__batchSize": "9"})

    assert shipped.queues.batch_size == 4
    assert shipped.queues.visibility_timeout == timedelta(seconds=30)
    assert shipped.function_timeout == timedelta(minutes=10)
    assert overridden.queues.batch_size == 9


@pytest.mark.parametrize("value", ["0", "33", "four", "-1"])
def test_a_value_that_the_platform_would_refuse_is_refused(value: str) -> None:
    """A drill must not run with a batch size that Azure would not start with."""
    with pytest.raises(HostJsonWrong, match="batchSize"):
        HostSettings.read(PROJECT / "host.json", {"AzureFunctionsJobHost__extensions__queues__batchSize": value})
