"""Microsoft's own worker library indexes function_app.py and calls every function in it."""

import json
import sys
from collections.abc import AsyncIterator

import pytest

from shared.errors import Throttled, Unreachable
from tests.doors.fake_responder import APP_ID, INCIDENT, FakeResponder
from tests.doors.http_host import functions_of_the_app
from tests.doors.worker_host import WorkerHost

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.version_info < (3, 13), reason="azure-functions-runtime needs Python 3.13"),
]
EVENT = {
    "id": "e-1",
    "topic": "/subscriptions/s",
    "subject": "detections/d-1",
    "eventType": "Cordon.Signal.RiskDetection",
    "eventTime": "2026-03-02T03:04:05.1234567Z",
    "dataVersion": "1",
    "data": {"id": "d-1"},
}
CLOUD_EVENT = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/subscriptions/s",
    "type": "Cordon.Signal.RiskDetection",
    "subject": "detections/d-1",
    "time": "2026-03-02T03:04:05Z",
    "data": {"id": "d-1"},
}
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
async def host(anyio_backend: str) -> AsyncIterator[WorkerHost]:
    functions_of_the_app()  # other tests keep theirs: the worker gets an app object of its own
    started = await WorkerHost.start()
    yield started
    started.stop()


async def test_the_worker_finds_every_function_with_its_trigger(host: WorkerHost) -> None:
    """What is listed here is what Azure runs."""
    assert {name: host.bindings(name)[0]["type"] for name in host.functions} == {
        "sweep_risk": "timerTrigger",
        "sweep_audits": "timerTrigger",
        "sweep_sign_ins": "timerTrigger",
        "reconcile": "timerTrigger",
        "receive_event": "eventGridTrigger",
        "receive_stream": "eventHubTrigger",
        "work_incident": "queueTrigger",
        "tell_poisoned": "queueTrigger",
        "preview_plan": "httpTrigger",
        "order_containment": "httpTrigger",
        "list_incidents": "httpTrigger",
        "list_owners": "httpTrigger",
        "hunt_consents": "httpTrigger",
        "show_incident": "httpTrigger",
        "show_contacts": "httpTrigger",
        "show_report": "httpTrigger",
        "answer_plan": "httpTrigger",
        "judge_incident": "httpTrigger",
        "undo_incident": "httpTrigger",
        "set_switch": "httpTrigger",
        "show_health": "httpTrigger",
        "show_openapi": "httpTrigger",
        "warmup": "warmupTrigger",
    }


async def test_no_endpoint_is_open_to_everybody(host: WorkerHost) -> None:
    """Each HTTP function asks for a function key."""
    levels = {each.get("authLevel") for name in host.functions for each in host.bindings(name)[:1]}

    assert {level.lower() for level in levels if level} == {"function"}


async def test_the_poison_queue_is_the_work_queues(host: WorkerHost) -> None:
    """The host moves what failed too often to <queue>-poison, and nobody else would read it."""
    work, poison = host.bindings("work_incident")[0], host.bindings("tell_poisoned")[0]

    assert work["queueName"] == "cordon-work"
    assert poison["queueName"] == f"{work['queueName']}-poison"
    assert work["connection"] == poison["connection"] == "AzureWebJobsStorage"


async def test_the_event_hub_batch_is_tried_again_without_end(host: WorkerHost) -> None:
    """The retry policy reaches the host: the checkpoint does not move past what is not stored."""
    retry = host.functions["receive_stream"].retry_options

    assert retry.max_retry_count == -1
    assert (retry.minimum_interval.total_seconds(), retry.maximum_interval.total_seconds()) == (5, 300)
    assert [name for name, each in host.functions.items() if each.retry_options] == ["receive_stream"]


@pytest.mark.parametrize("name", ["sweep_risk", "sweep_audits", "sweep_sign_ins", "reconcile"])
async def test_a_tick_reaches_the_responder(name: str, host: WorkerHost, responder: FakeResponder) -> None:
    """Timers run, and none of them on start-up."""
    assert (await host.timer(name)).succeeded
    assert responder.asked == [(name, None)]
    assert not host.bindings(name)[0].get("runOnStartup")


async def test_both_schemas_of_event_grid_reach_the_responder_as_one(
    host: WorkerHost, responder: FakeResponder
) -> None:
    """The worker decodes by payload, so that one function takes both."""
    assert (await host.event("receive_event", EVENT)).succeeded
    assert (await host.event("receive_event", CLOUD_EVENT)).succeeded

    (_, [first]), (_, [second]) = responder.asked
    assert first.pop("time") == "2026-03-02T03:04:05.123456+00:00"
    assert second.pop("time") == "2026-03-02T03:04:05+00:00"
    assert first == second


async def test_a_batch_of_the_event_hub_reaches_the_responder(host: WorkerHost, responder: FakeResponder) -> None:
    """Many bodies, one call."""
    assert (await host.stream("receive_stream", [b'{"records":[]}', b"\xff"])).succeeded
    assert responder.asked == [("receive_stream", [b'{"records":[]}', b"\xff"])]


async def test_a_queue_message_reaches_the_responder(host: WorkerHost, responder: FakeResponder) -> None:
    """The body is JSON text."""
    assert (await host.queue("work_incident", '{"incident":"i","because":"signal"}', attempt=2)).succeeded
    assert responder.asked == [("work", {"incident": "i", "because": "signal"})]


async def test_a_poisoned_message_reaches_the_responder(host: WorkerHost, responder: FakeResponder) -> None:
    """The poison queue has a reader."""
    assert (await host.queue("tell_poisoned", "{}")).succeeded
    assert responder.asked == [("tell_poisoned", b"{}")]


async def test_an_instance_is_warmed_up(host: WorkerHost, responder: FakeResponder) -> None:
    """The trigger's context decodes."""
    assert (await host.warm_up("warmup")).succeeded
    assert responder.asked == [("warm_up", None)]


async def test_a_failing_queue_message_is_a_failed_invocation(host: WorkerHost, responder: FakeResponder) -> None:
    """That is what makes the host count the attempt and try again."""
    responder.error = Unreachable("reading the journal", "no answer")

    outcome = await host.queue("work_incident", '{"incident":"i","because":"signal"}')

    assert not outcome.succeeded
    assert outcome.error is not None
    assert "Unreachable" in outcome.error


async def test_a_failing_event_is_a_failed_invocation(host: WorkerHost, responder: FakeResponder) -> None:
    """That is what makes Event Grid and the Event Hub deliver again."""
    responder.error = Unreachable("keeping the signal", "no answer")

    assert not (await host.event("receive_event", EVENT)).succeeded
    assert not (await host.stream("receive_stream", [b"{}"])).succeeded


@pytest.mark.parametrize(
    ("function", "path", "media"),
    [
        ("list_incidents", "incidents", "application/json"),
        ("show_incident", f"incidents/{INCIDENT}", "application/json"),
        ("show_report", f"incidents/{INCIDENT}/report", "application/json"),
        ("show_health", "health", "application/json"),
        ("show_openapi", "openapi.json", "application/json"),
    ],
)
async def test_reading_endpoints_answer_through_the_worker(
    function: str, path: str, media: str, host: WorkerHost, responder: FakeResponder
) -> None:
    """Status, media type and body survive the worker's encoding."""
    outcome = await host.http(function, "GET", f"https://h/api/{path}", route={"id": INCIDENT})

    answer = outcome.returned.http
    assert outcome.succeeded
    assert answer.status_code == "200"
    assert answer.headers["content-type"].startswith(media)
    assert json.loads(answer.body.bytes)


@pytest.mark.parametrize(
    ("function", "path", "status"), [("preview_plan", "plans", "200"), ("order_containment", "incidents", "202")]
)
async def test_writing_endpoints_answer_through_the_worker(
    function: str, path: str, status: str, host: WorkerHost, responder: FakeResponder
) -> None:
    """A body is read, an order is taken."""
    body = json.dumps({"identity": {"appId": APP_ID}, "reason": "a leaked secret"}).encode()

    outcome = await host.http(function, "POST", f"https://h/api/{path}", headers=JSON, body=body)

    assert outcome.returned.http.status_code == status


async def test_a_caller_mistake_is_no_failed_invocation(host: WorkerHost, responder: FakeResponder) -> None:
    """A 400 is an answer, as problem+json, and does not count as an error of ours."""
    outcome = await host.http("order_containment", "POST", "https://h/api/incidents", headers=JSON, body=b"{}")

    answer = outcome.returned.http
    assert outcome.succeeded
    assert answer.status_code == "400"
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert responder.asked == []


async def test_a_throttled_read_is_answered_with_retry_after(host: WorkerHost, responder: FakeResponder) -> None:
    """The header survives the worker's encoding."""
    responder.error = Throttled("reading")

    outcome = await host.http("show_health", "GET", "https://h/api/health")

    assert outcome.returned.http.status_code == "503"
    assert outcome.returned.http.headers["Retry-After"] == "30"


async def test_a_defect_is_a_failed_invocation(host: WorkerHost, responder: FakeResponder) -> None:
    """What was not foreseen counts as a failure in the host's metrics."""
    responder.error = RuntimeError("unforeseen")

    outcome = await host.http("show_health", "GET", "https://h/api/health")

    assert not outcome.succeeded
