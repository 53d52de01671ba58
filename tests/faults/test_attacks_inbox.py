"""Signals of one identity under different ids, twice, at the wrong moment: one incident, and none is lost."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from shared.chain import Chain
from shared.entries import Closed, Decided, Opened, SignalJoined
from shared.identity import AppObjectId, ClientId, IdentityRef, PrincipalId
from shared.incident import Status, status_of
from shared.journal import IncidentId
from shared.orders import Order
from shared.responder import Responder
from shared.signal import JsonObject
from tests.fakes import PAYROLL, PAYROLL_APP, PAYROLL_CLIENT, TENANT_ID, password, payroll
from tests.faults.attacks import DEPTH, hooked, is_clean
from tests.stories.world import POLICY, World, detection, leak, play

STATE = payroll(application=[password(1)], principal=[password(2)])
BY_PRINCIPAL = IdentityRef(principal_id=PrincipalId(PAYROLL))
BY_CLIENT = IdentityRef(client_id=ClientId(PAYROLL_CLIENT))
BY_APPLICATION = IdentityRef(app_object_id=AppObjectId(PAYROLL_APP))


def order(subject: IdentityRef, number: int = 1) -> Order:
    return Order(subject, "seen on a paste site", "night shift", None, None, f"order-{number}")


async def chains(world: World) -> list[Chain]:
    """All journals, also those that nobody opened properly."""
    listed = await world.store.documents.query("incidents")
    ids = {IncidentId(str(document.body["incident"])) for document in listed}
    return [await Chain.read(world.store.journal, id_, world.clock) for id_ in sorted(ids)]


def working(found: list[Chain]) -> list[Chain]:
    """The incidents that did not hand over to another one."""
    return [c for c in found if (closed := c.last(Closed)) is None or closed.outcome != "joined"]


async def assert_one_incident(world: World, signals: int) -> None:
    found = await chains(world)
    (chain,) = working(found)
    joined = {(s.source, s.record_id) for s in chain.all(SignalJoined)}

    assert all(isinstance(c.lines[0].entry, Opened) for c in found)
    assert len(joined) == signals
    assert len(list(chain.all(SignalJoined))) == signals
    assert status_of(chain.records, world.clock()) is Status.CONTAINED
    assert is_clean(world)


def test_a_signal_with_two_ids_joins_the_incident_that_one_of_them_opened() -> None:
    """The client id opened an incident; a detection with both ids comes before anybody worked it."""

    async def story(world: World) -> None:
        responder = world.instance()
        await responder.order(order(BY_CLIENT))
        await world.hear_of_leak(responder)
        await world.work_queue(responder)

        await assert_one_incident(world, signals=2)

    play(story, STATE)


@pytest.mark.parametrize("seed", range(4 * DEPTH))
def test_three_ids_at_once_are_one_incident(seed: int) -> None:
    """Two instances hear of one identity by its three ids at the same moment, in every order of answers."""

    async def story(world: World) -> None:
        chance = random.Random(seed)  # noqa: S311 - a test's dice

        async def jitter(name: str) -> None:
            await asyncio.sleep(chance.random() * 0.2)

        here, there = (hooked(world, jitter, jitter) for _ in range(2))
        one, two = here.instance("one"), there.instance("two")
        await asyncio.gather(
            one.order(order(BY_PRINCIPAL, 1)), two.order(order(BY_CLIENT, 2)), one.order(order(BY_APPLICATION, 3))
        )
        await asyncio.gather(here.work_queue(one), there.work_queue(two))
        await world.work_queue(world.instance("three"))

        await assert_one_incident(world, signals=3)

    play(story, STATE)


@pytest.mark.parametrize("seed", range(3 * DEPTH))
def test_duplicates_by_every_route_at_once_are_one_signal(seed: int) -> None:
    """A detection comes by event, by stream and by poll, to two instances, again and again."""

    async def story(world: World) -> None:
        chance = random.Random(seed)  # noqa: S311 - a test's dice

        async def jitter(name: str) -> None:
            await asyncio.sleep(chance.random() * 0.05)

        world.feeds.detections = [[leak()]]
        await world.instance("door").order(order(BY_PRINCIPAL))
        here, there = (hooked(world, jitter, jitter) for _ in range(2))
        instances = [here.instance("one"), there.instance("two")]
        body = json.dumps({"records": [stream_record(leak())]}).encode()
        routes: list[Callable[[Responder], Awaitable[object]]] = [
            world.hear_of_leak,
            lambda responder: responder.receive_stream([body]),
            lambda responder: responder.sweep_risk(),
        ]
        deliveries = [(route, chance.choice(instances)) for route in routes for _ in range(33)]
        chance.shuffle(deliveries)
        await asyncio.gather(*(route(instance) for route, instance in deliveries))
        await world.work_queue(world.instance("three"))

        await assert_one_incident(world, signals=2)
        (chain,) = await chains(world)
        assert len(list(chain.all(Decided))) <= 2

    play(story, STATE)


def stream_record(record: JsonObject) -> JsonObject:
    return {
        "category": "ServicePrincipalRiskEvents",
        "tenantId": TENANT_ID,
        "time": record["detectedDateTime"],
        "properties": record,
    }


IGNORING = POLICY.replace("verdict: contain", "verdict: ignore").replace(
    "    actions: [block-sign-in, replace-credentials]\n", ""
)


def test_a_signal_that_comes_during_the_investigation_is_decided_on() -> None:
    """The first is noise and closes as ignored; an order comes in while that is being looked into."""

    async def story(world: World) -> None:
        second = world.instance("door")
        done = asyncio.Event()

        started = asyncio.Event()

        async def hear_more(name: str) -> None:
            if name == "journal append work-started":
                started.set()
            if name == "look" and started.is_set() and not done.is_set():
                done.set()
                await second.order(order(BY_PRINCIPAL, 9))

        await world.hear_of_leak(hooked(world, hear_more).instance())
        await world.work_queue(world.instance())

        found = working(await chains(world))
        assert done.is_set()
        assert is_clean(world)
        assert any(status_of(c.records, world.clock()) is Status.CONTAINED for c in found)

    play(story, STATE, policy=IGNORING)


def _points() -> list[str]:
    names: list[str] = []

    async def story(world: World) -> None:
        async def note(name: str) -> None:
            names.append(name)

        await run_to_the_end(hooked(world, note, note))

    play(story, STATE)
    return names


async def run_to_the_end(world: World) -> None:
    responder = world.instance()
    await world.hear_of_leak(responder)
    await world.work_queue(responder)


@pytest.mark.parametrize("what", ["order", "leak"])
def test_a_signal_at_any_moment_of_a_containment_is_answered(what: str) -> None:
    """Whatever was being done when it came: it stands in an incident that is contained, with nothing left."""
    points = _points()
    for point in range(0, len(points), max(1, 13 // DEPTH)):

        async def story(world: World, point: int = point) -> None:
            passed, door = 0, world.instance("door")

            async def hear_more(name: str) -> None:
                nonlocal passed
                passed += 1
                if passed - 1 == point:
                    world.directory.state = replace(
                        world.directory.state, principals=payroll(principal=[password(77)]).principals
                    )
                    if what == "order":
                        await door.order(order(BY_CLIENT, 9))
                    else:
                        again = replace(detection(), id=str(leak(2)["id"]))
                        world.directory.detections = (*world.directory.detections, again)
                        await world.hear_of_leak(door, 2)

            await run_to_the_end(hooked(world, hear_more, hear_more))
            await world.work_queue(world.instance("last"))
            found = await chains(world)
            answered = [c for c in found if len(list(c.all(SignalJoined)))]
            assert is_clean(world), points[point]
            for chain in answered:
                status = status_of(chain.records, world.clock())
                assert status in (Status.CONTAINED, Status.WATCHED), (point, points[point], status)
            assert len(working(found)) <= 2

        play(story, STATE)


def _leaks(count: int) -> list[JsonObject]:
    made = ((f"leak-{n}", leak(n)) for n in range(1, count + 1))
    return [{"type": "Cordon.Signal.RiskDetection", "id": id_, "source": "test", "data": data} for id_, data in made]


def _with_detections(world: World, count: int) -> None:
    world.directory.detections = tuple(replace(detection(), id=str(leak(n)["id"])) for n in range(1, count + 1))


async def _reads(world: World, count: int) -> int:
    """How often a journal is read while a batch of so many signals of one identity is taken in and contained."""
    read = 0
    _with_detections(world, count)

    async def note(name: str) -> None:
        nonlocal read
        read += name == "journal read"

    await hooked(world, note).instance().receive_events(_leaks(count))
    return read


def test_a_batch_about_one_identity_reads_its_journal_as_often_as_a_small_one() -> None:
    """Each of two hundred changes of one identity read the journal that the ones before it had made longer."""
    reads: list[int] = []
    for count in (2, 12):

        async def story(world: World, count: int = count) -> None:
            reads.append(await _reads(world, count))
            await world.work_queue(world.instance())
            await assert_one_incident(world, count)

        play(story, STATE)
    assert reads[0] == reads[1]


@pytest.mark.parametrize("place", range(1, 6))
def test_a_batch_that_a_rival_writes_into_is_taken_in_whole(place: int) -> None:
    """What one instance knows of the journal, from the signal before, is not true any more."""

    async def story(world: World) -> None:
        joins = 0
        door = world.instance("door")
        _with_detections(world, 6)

        async def write_too(name: str) -> None:
            nonlocal joins
            joins += name == "journal append signal"
            if name == "journal append signal" and joins == place:
                await door.order(order(BY_CLIENT, 9))

        await hooked(world, write_too).instance().receive_events(_leaks(6))
        await world.work_queue(world.instance("last"))
        found = working(await chains(world))

        assert joins > 5
        assert sum(len({s.record_id for s in chain.all(SignalJoined)}) for chain in found) == 7
        assert all(status_of(chain.records, world.clock()) is Status.CONTAINED for chain in found)
        assert is_clean(world)

    play(story, STATE)
