"""The host's Event Grid webhook answers as the platform's does."""

import asyncio
import json
from typing import Any

import pytest

from drill.host.event_grid import EventGridDoor
from drill.host.web import Answer, Request
from tests.drill.play import KEYS, function, invoker

pytestmark = pytest.mark.anyio

CODE = "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"


def _event(number: int, **more: object) -> dict[str, object]:
    return {"id": str(number), "eventType": "T", "subject": "s", "topic": "t", "dataVersion": "1", "data": {}, **more}


async def _post(call: Any, body: object, kind: str = "Notification", name: str = "probe", key: str = "grid") -> Answer:
    door = EventGridDoor({"probe": function("eventGridTrigger", call)}, (KEYS.event_grid,), invoker())
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    query = {"functionName": name, "code": key}
    return await door.answer(Request("POST", "", "", query, {"aeg-event-type": kind}, content))


async def _nothing(given: object) -> None:
    """A function that is content with anything."""


async def test_the_handshake_of_the_event_grid_schema_is_answered() -> None:
    """An array with one validation event gets its code back."""
    body = [_event(1, eventType="Microsoft.EventGrid.SubscriptionValidationEvent", data={"validationCode": CODE})]

    answer = await _post(_nothing, body, "SubscriptionValidation")

    assert answer.status == 200
    assert json.loads(answer.body) == {"validationResponse": CODE}


async def test_the_handshake_of_cloud_events_carries_json_inside_a_string() -> None:
    """One object, whose data has to be parsed again, gets its code back."""
    body = {"specversion": "1.0", "data": json.dumps({"validationCode": CODE})}

    answer = await _post(_nothing, body, "subscriptionvalidation")

    assert answer.status == 200
    assert json.loads(answer.body) == {"validationResponse": CODE}


async def test_each_event_of_a_batch_is_a_call_of_its_own_side_by_side() -> None:
    """Three events are three invocations that run at the same time, answered by one 202."""
    running, most, seen = 0, 0, list[str]()

    async def call(given: Any) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        seen.append(given.id)
        running -= 1

    answer = await _post(call, [_event(1), _event(2), _event(3)])

    assert answer.status == 202
    assert sorted(seen) == ["1", "2", "3"]
    assert most == 3


async def test_the_payload_decides_about_the_class() -> None:
    """An object with specversion is handed over as a CloudEvent, whatever the function's annotation."""
    seen: list[Any] = []

    async def call(given: Any) -> None:
        seen.append(given)

    await _post(call, {"specversion": "1.0", "id": "9", "source": "/s", "type": "T", "data": {"a": 1}})
    await _post(call, _event(8))

    assert [(type(each).__name__, each.id) for each in seen] == [("CloudEvent", "9"), ("EventGridEvent", "8")]


async def test_one_failure_sends_the_whole_batch_again() -> None:
    """The others are worked on, and the answer is 500."""
    seen: list[str] = []

    async def call(given: Any) -> None:
        if given.id == "2":
            raise RuntimeError("not this one")
        seen.append(given.id)

    answer = await _post(call, [_event(1), _event(2), _event(3)])

    assert answer.status == 500
    assert sorted(seen) == ["1", "3"]


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"kind": "Unsubscribe"}, 202),
        ({"kind": "SomethingElse"}, 400),
        ({"kind": ""}, 400),
        ({"name": "nobody"}, 404),
        ({"key": "wrong"}, 401),
    ],
)
async def test_other_calls_are_answered_as_event_grid_expects(more: dict[str, str], status: int) -> None:
    """Unsubscribing is accepted; what Event Grid never sends ends its delivery; names and keys are checked."""
    assert (await _post(_nothing, [_event(1)], **more)).status == status


@pytest.mark.parametrize("body", [b"{", b"[1]", b"\xff", b"[" * 100_000])
async def test_a_body_that_is_no_event_is_refused_for_good(body: bytes) -> None:
    """400 is terminal for Event Grid: the same bytes would never become readable."""
    assert (await _post(_nothing, body)).status == 400
