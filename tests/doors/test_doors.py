"""Timers, Event Grid, Event Hub, queue: a door hands over what it was given, and lets failures through."""

import inspect
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import azure.functions as func
import pytest
from azure.functions.queue import QueueMessage

from shared.errors import MalformedSignal, Unreachable
from shared.responder import Intake, Responder
from tests.doors.fake_responder import FakeResponder
from tests.doors.http_host import functions_of_the_app

pytestmark = pytest.mark.anyio
WORK = {"incident": "20260302-030405-1f2e", "because": "signal"}
STORE_IS_DOWN = Unreachable("keeping the signal", "no answer")


async def run(function: str, **arguments: object) -> None:
    await functions_of_the_app()[function][0](**arguments)


def queued(body: bytes) -> func.QueueMessage:
    return QueueMessage(id="1", body=body)


def event_grid(**changes: Any) -> func.EventGridEvent:
    fields: dict[str, Any] = {
        "id": "e-1",
        "topic": "/subscriptions/s/topics/cordon",
        "subject": "detections/d-1",
        "event_type": "Cordon.Signal.RiskDetection",
        "event_time": datetime(2026, 3, 2, 3, 4, 5, tzinfo=UTC),
        "data": {"id": "d-1"},
        "data_version": "1",
    }
    return func.EventGridEvent(**{**fields, **changes})


def test_the_fake_responder_is_asked_as_the_real_one_is() -> None:
    """The same methods with the same parameters, so that these tests say something about the real one."""
    methods = {name: each for name, each in vars(FakeResponder).items() if not name.startswith("_")}
    parameters = {name: list(inspect.signature(each).parameters) for name, each in methods.items()}

    assert parameters == {name: list(inspect.signature(getattr(Responder, name)).parameters) for name in methods}
    assert all(inspect.iscoroutinefunction(getattr(Responder, name)) for name in methods)


@pytest.mark.parametrize("name", ["sweep_risk", "sweep_audits", "sweep_sign_ins", "reconcile"])
async def test_each_timer_starts_its_own_sweep(name: str, responder: FakeResponder) -> None:
    """A tick asks the Responder for exactly one sweep."""
    await run(name, timer=None)

    assert responder.asked == [(name, None)]


async def test_a_sweep_that_fails_is_a_failed_run(responder: FakeResponder) -> None:
    """A timer hides no error: the host counts and shows failed runs."""
    responder.error = Unreachable("reading detections", "no answer")

    with pytest.raises(Unreachable):
        await run("sweep_risk", timer=None)


async def test_an_event_grid_event_is_handed_over_as_plain_data(responder: FakeResponder) -> None:
    """The Responder never sees a class of the platform."""
    await run("receive_event", event=event_grid())

    assert responder.asked == [
        (
            "receive_events",
            [
                {
                    "type": "Cordon.Signal.RiskDetection",
                    "id": "e-1",
                    "source": "/subscriptions/s/topics/cordon",
                    "subject": "detections/d-1",
                    "time": "2026-03-02T03:04:05+00:00",
                    "data": {"id": "d-1"},
                }
            ],
        )
    ]


async def test_a_cloud_event_looks_the_same_as_an_event_grid_event(responder: FakeResponder) -> None:
    """The two schemas differ in names only, and end as the same fields."""
    event = func.CloudEvent(
        id="e-1",
        source="/subscriptions/s/topics/cordon",
        type="Cordon.Signal.RiskDetection",
        specversion="1.0",
        subject="detections/d-1",
        time=datetime(2026, 3, 2, 3, 4, 5, tzinfo=UTC),
        data={"id": "d-1"},
    )

    await run("receive_event", event=event)
    await run("receive_event", event=event_grid())

    assert responder.asked[0] == responder.asked[1]


async def test_a_cloud_event_of_an_older_worker_is_read_by_its_attributes(responder: FakeResponder) -> None:
    """Whatever class the worker has for it, its attributes are the schema's."""

    class Event:
        id, source, type, time, subject = "e-1", "/s", "T", None, None

        def get_json(self) -> Mapping[str, str]:
            return {"id": "d-1"}

    await run("receive_event", event=Event())

    assert responder.asked == [
        (
            "receive_events",
            [{"type": "T", "id": "e-1", "source": "/s", "subject": None, "time": None, "data": {"id": "d-1"}}],
        )
    ]


async def test_an_event_without_a_time_is_still_handed_over(responder: FakeResponder) -> None:
    """Whether a field may be missing is for the source to say."""
    await run("receive_event", event=event_grid(event_time=None, data=None))

    [(_, [event])] = responder.asked
    assert event["time"] is None
    assert event["data"] is None


async def test_an_unreadable_event_is_answered_with_success(responder: FakeResponder) -> None:
    """Event Grid would send it again for a day, and it would never become readable."""
    responder.intake = Intake(set_aside=("a record from Event Grid was set aside: no id",))

    await run("receive_event", event=event_grid(data={}))

    assert len(responder.asked) == 1


async def test_a_store_that_does_not_answer_makes_event_grid_send_again(responder: FakeResponder) -> None:
    """Success is only said for what is stored."""
    responder.error = STORE_IS_DOWN

    with pytest.raises(Unreachable):
        await run("receive_event", event=event_grid())


async def test_a_batch_of_the_event_hub_is_handed_over_as_bytes(responder: FakeResponder) -> None:
    """The door does not open the bodies: the sources know what is in them."""
    bodies = [b'{"records":[]}', b"not json"]

    await run("receive_stream", events=[func.EventHubEvent(body=body) for body in bodies])

    assert responder.asked == [("receive_stream", bodies)]


async def test_a_store_that_does_not_answer_holds_the_event_hubs_checkpoint(responder: FakeResponder) -> None:
    """An exception is what the retry policy waits for."""
    responder.error = STORE_IS_DOWN

    with pytest.raises(Unreachable):
        await run("receive_stream", events=[func.EventHubEvent(body=b"{}")])


async def test_a_work_message_is_handed_over(responder: FakeResponder) -> None:
    """What Cordon sent is what it gets back."""
    await run("work_incident", message=queued(b'{"incident":"20260302-030405-1f2e","because":"signal"}'))

    assert responder.asked == [("work", WORK)]


async def test_work_that_fails_goes_back_to_the_queue(responder: FakeResponder) -> None:
    """The host counts the attempts, and keeps the message hidden between them."""
    responder.error = Unreachable("reading the journal", "no answer")

    with pytest.raises(Unreachable):
        await run("work_incident", message=queued(b'{"incident":"i","because":"signal"}'))


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"not json", b"[]", b"null", b"[" * 100_000], ids=lambda body: str(body[:9])
)
async def test_a_message_that_is_not_cordons_is_set_aside_at_once(
    body: bytes, responder: FakeResponder, caplog: pytest.LogCaptureFixture
) -> None:
    """No attempt can make it readable, so it is told loudly instead of being tried five times."""
    await run("work_incident", message=queued(body))

    assert responder.asked == [("tell_poisoned", body)]
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_a_message_that_the_responder_cannot_read_is_set_aside_too(
    responder: FakeResponder, caplog: pytest.LogCaptureFixture
) -> None:
    """Which fields a message needs is the Responder's to say; that nobody tries it again is the door's."""
    responder.error = MalformedSignal(source="work queue", why="a message names an incident")

    with pytest.raises(MalformedSignal):  # the fake fails at telling as well, which is not hidden either
        await run("work_incident", message=queued(b"{}"))

    assert responder.asked == [("work", {}), ("tell_poisoned", b"{}")]
    assert "a message names an incident" in caplog.text


async def test_a_poisoned_message_is_told_even_if_the_responder_cannot_be_built(
    responder: FakeResponder, caplog: pytest.LogCaptureFixture
) -> None:
    """The error line is written first, because it needs nothing to work; the queue then tries again."""
    responder.error = Unreachable("writing the journal", "no answer")

    with pytest.raises(Unreachable):
        await run("tell_poisoned", message=queued(b'{"incident":"i","because":"signal"}'))

    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "Every attempt to work on it failed" in caplog.text


async def test_text_from_the_queue_cannot_fake_a_line_of_the_log(
    responder: FakeResponder, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever can write to the queue can write neither log lines nor terminal commands."""
    await run("tell_poisoned", message=queued("x\nERROR all is well\x1b[2J\u2028".encode() + b"y" * 10_000))

    [record] = caplog.records
    assert record.getMessage().isprintable()
    assert len(record.getMessage()) < 1_000


async def test_a_new_instance_is_warmed_up(responder: FakeResponder) -> None:
    """The host calls a function named warmup before an added instance takes its first call."""
    await run("warmup", warming=None)

    assert responder.asked == [("warm_up", None)]
