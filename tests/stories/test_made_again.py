"""Whoever deletes a contained service principal and makes another for the same application has not got away."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.case import CouldNotLook, PartName
from shared.entries import Escalated
from shared.identity import IdentityRef, PrincipalId
from shared.responder import Responder
from shared.signal import JsonObject
from shared.tenant import Gathered
from tests.fakes import PAYROLL, PAYROLL_APP, PAYROLL_CLIENT, password, payroll
from tests.stories.test_people import order
from tests.stories.world import World, leak, play

STATE = payroll(application=[password(1)])
NEW = PrincipalId("10000000-0000-4000-8000-0000000000ff")


def make_again(world: World) -> None:
    """As Graph shows it then: the application has another service principal, enabled, and the old id leads nowhere."""
    directory, state = world.directory, world.directory.state
    look = directory.look
    directory.state = replace(
        state,
        enabled=True,
        identity=replace(state.identity, principal_id=NEW),
        principals=tuple(replace(each, object_id=NEW) for each in state.principals),
    )

    async def shown(subject: IdentityRef, parts: frozenset[PartName]) -> Gathered:
        found = await look(subject, parts)
        why = f"the service principal is not there, but its application has another one: {NEW}"
        return replace(found, identity=CouldNotLook(why, another=NEW)) if subject.principal_id == PAYROLL else found

    directory.look = shown  # pyright: ignore[reportAttributeAccessIssue]


async def a_leak_of_the_new_one(world: World, responder: Responder) -> None:
    data: JsonObject = {**leak(7), "servicePrincipalId": NEW}
    (found,) = world.directory.detections
    world.directory.detections = (replace(found, id=str(data["id"])),)
    await responder.receive_events([{"type": "Cordon.Signal.RiskDetection", "id": "e7", "source": "t", "data": data}])


@pytest.mark.parametrize("waits", [timedelta(minutes=2), timedelta(hours=4)])
@pytest.mark.parametrize("ordered", [False, True])
def test_the_one_that_was_made_again_is_contained_in_an_incident_of_its_own(waits: timedelta, ordered: bool) -> None:
    """Its signals name the same application, and must not end in the incident of what is there no more."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(seconds=30))
        make_again(world)
        await world.work_queue(responder, waits)
        await a_leak_of_the_new_one(world, responder)
        if ordered:
            await responder.order(replace(order(), subject=IdentityRef(principal_id=NEW)))
        await world.work_queue(responder, timedelta(minutes=1))
        views = (await responder.incidents(10, "")).incidents

        assert not world.directory.state.enabled
        assert [view.status.value for view in views if NEW in view.subject] == ["contained"]
        assert len(views) == 2

    play(story, STATE)


@pytest.mark.parametrize("subject", [IdentityRef(client_id=PAYROLL_CLIENT), IdentityRef(app_object_id=PAYROLL_APP)])
def test_an_order_by_an_applications_id_reaches_the_one_that_is_there_now(subject: IdentityRef) -> None:
    """The incident of what is gone is open, and nothing done in it touches the new one; sent twice, it is one order."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(seconds=30))
        make_again(world)
        first = await responder.order(replace(order(), subject=subject))
        await world.work_queue(responder, timedelta(minutes=1))
        again = await responder.order(replace(order(), subject=subject))
        view = await responder.incident(first)

        assert not world.directory.state.enabled
        assert view.status.value == "contained"
        assert view.identity is not None
        assert view.identity.principal_id == NEW
        assert again == first

    play(story, STATE)


def test_two_signals_of_the_new_one_share_an_incident() -> None:
    """Also where the old one is still open, and the application's id leads to it."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        make_again(world)
        events: list[JsonObject] = [
            {
                "type": "Cordon.Signal.RiskDetection",
                "id": f"e{n}",
                "source": "t",
                "data": {**leak(n), "servicePrincipalId": NEW},
            }
            for n in (7, 8)
        ]
        await responder.receive_events(events)
        views = (await responder.incidents(10, "")).incidents

        assert sorted(view.signals for view in views) == [1, 2]

    play(story, STATE)


def test_a_person_is_called_as_soon_as_a_look_shows_that_it_was_made_again() -> None:
    """Once, by the id of the new one; not after the half hour for which the old one is looked for in vain."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder)
        make_again(world)
        chain = await world.chain()
        await world.store.queue.send({"incident": chain.incident, "because": "watch"})
        await world.work_queue(responder, timedelta(minutes=1))
        view, told = await responder.incident(chain.incident), [type_ for type_, _ in world.topic.published]
        await world.work_queue(responder, timedelta(hours=1))
        calls = [call.reason for call in (await world.chain()).all(Escalated) if NEW in call.reason]

        assert any("Order its containment" in todo and NEW in todo for todo in view.todo)
        assert "Cordon.Incident.NeedsAttention" in told
        assert len(calls) == 1

    play(story, STATE)
