"""Telling the world: CloudEvents on the topic, at least once, and an error that says who must act."""

from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError, ServiceResponseError

from drill.virtual_time import virtual_clock
from shared.clients.guard import ForeignHost
from shared.clients.topic import EventGridTopic
from shared.errors import OutcomeUnknown, PermissionMissing, PlatformRefused, Unreachable
from tests.clients.fake_azure import FakeAzure, Said
from tests.clients.fake_graph import Credential, play, seeded

TOPIC = "https://cordon.westeurope-1.eventgrid.azure.net/api/events"


def publish(*answers: Said | Exception, **more: Any) -> tuple[FakeAzure, float]:
    left = list(answers)
    transport = FakeAzure(lambda _: left.pop(0) if len(left) > 1 else left[0])
    transport.closed_to = more.get("closed_to")

    async def story() -> float:
        clock = virtual_clock()
        topic = EventGridTopic(TOPIC, Credential(), transport=lambda: transport, clock=clock.now, random=seeded())
        await topic.publish("Cordon.Incident.Opened", "incidents/1", "event-1", {"status": "open"})
        return clock.elapsed

    elapsed = play(story)
    return transport, elapsed


def test_an_event_is_a_cloud_event_with_our_id() -> None:
    """The id lets receivers recognise a repetition."""
    transport, _ = publish(Said(200))

    (sent,) = transport.sent
    (event,) = sent.body
    assert event["id"] == "event-1"
    assert (event["source"], event["type"], event["subject"]) == ("cordon", "Cordon.Incident.Opened", "incidents/1")
    assert event["data"] == {"status": "open"}
    assert event["time"].startswith("2026-03-02T03:00:00")
    assert sent.headers["content-type"].startswith("application/cloudevents-batch+json")


@pytest.mark.parametrize(
    "stumble", [Said(503), Said(500), Said(429), Said(408), ServiceResponseError("reset")], ids=str
)
def test_a_lost_answer_is_met_by_sending_the_same_event_again(stumble: Said | Exception) -> None:
    """At least once: better twice with one id than not at all."""
    transport, elapsed = publish(stumble, Said(200))

    assert [sent.body[0]["id"] for sent in transport.sent] == ["event-1", "event-1"]
    assert 1.0 <= elapsed <= 2.0


def test_a_topic_that_stays_away_is_for_later() -> None:
    """Containment does not wait for it: three tries, then the outbox keeps the event."""
    with pytest.raises(OutcomeUnknown):
        publish(Said(503))
    with pytest.raises(Unreachable):
        publish(Said(200), closed_to=ServiceRequestError("refused"))


@pytest.mark.parametrize("status", [401, 403])
def test_a_missing_role_is_named(status: int) -> None:
    """The operator reads which role on the topic."""
    with pytest.raises(PermissionMissing, match="EventGrid Data Sender"):
        publish(Said(status, {"error": {"code": "Unauthorized"}}))


@pytest.mark.parametrize("status", [400, 404, 413])
def test_an_event_that_is_refused_is_not_sent_for_ever(status: int) -> None:
    """The topic will say the same tomorrow."""
    with pytest.raises(PlatformRefused):
        publish(Said(status))


def test_a_redirect_of_the_topic_is_not_followed() -> None:
    """The event and the token stay here."""
    with pytest.raises(OutcomeUnknown):
        publish(Said(307, headers={"location": "https://evil.example/api/events"}))


def test_an_endpoint_that_may_never_be_called_is_refused_from_the_start() -> None:
    """Plain http elsewhere than on this machine."""
    with pytest.raises(ForeignHost):
        EventGridTopic("http://evil.example", Credential(), transport=FakeAzure, clock=lambda: None, random=float)  # type: ignore[arg-type]
