"""A detection and the row of the risky list tell of one fact: one incident hears both, and nothing new is swallowed."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.entries import Decided, SignalJoined
from shared.incident import Status
from shared.signal import JsonObject
from tests.fakes import PAYROLL, PAYROLL_CLIENT, START, password, payroll
from tests.stories.world import World, detection, leak, play

STATE = payroll(application=[password(1)])
IGNORING = """
version: 1
rules:
  - name: low-is-noise
    when: {risk-detection: {levels: [low]}}
    verdict: ignore
"""
ASKING = """
version: 1
rules:
  - name: leaked-credential
    when: {risk-detection: {types: [leakedCredentials], levels: [medium, high]}}
    verdict: ask
    actions: [block-sign-in]
"""
CONTAINING = ASKING.replace("verdict: ask", "verdict: contain")


def seconds_later(seconds: float) -> str:
    return _graph_time(START + timedelta(seconds=seconds))


def _graph_time(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def row(after: float = 20, level: str = "low", state: str = "atRisk") -> JsonObject:
    """The riskyServicePrincipal, changed so many seconds after the start."""
    return {
        "id": PAYROLL,
        "appId": PAYROLL_CLIENT,
        "displayName": "payroll-sync",
        "riskLevel": level,
        "riskState": state,
        "riskDetail": "none",
        "riskLastUpdatedDateTime": seconds_later(after),
    }


def detected(number: int = 1, after: float = 0, level: str = "low") -> JsonObject:
    return {**leak(number), "riskLevel": level, "lastUpdatedDateTime": seconds_later(after)}


async def hear(world: World, record: JsonObject) -> None:
    """A record comes by Event Grid and is worked until nothing is left to do."""
    kind = "RiskyServicePrincipal" if "riskLastUpdatedDateTime" in record else "RiskDetection"
    await world.instance().receive_events(
        [{"type": f"Cordon.Signal.{kind}", "id": "e1", "source": "t", "data": record}]
    )
    await world.work_queue(world.instance(), timedelta(minutes=2))


def show(world: World, level: str) -> None:
    """What Graph shows when the detections are read again."""
    world.directory.detections = (replace(detection(), level=level),)


async def incidents(world: World) -> list[list[str]]:
    """The sources of the signals of each incident, oldest incident first."""
    listed = await world.store.documents.query("incidents")
    chains = [await world.chain_of(str(each.body["incident"])) for each in reversed(listed)]
    return [[signal.source for signal in chain.all(SignalJoined)] for chain in chains if chain]


BOTH = ["risk-detection", "risky-service-principal"]


@pytest.mark.parametrize(
    ("policy", "status"), [(CONTAINING, Status.WATCHED), (IGNORING, Status.IGNORED)], ids=["watched", "ignored"]
)
@pytest.mark.parametrize("order", [1, -1], ids=["detection first", "row first"])
def test_the_second_to_tell_of_a_fact_joins_the_first_though_that_one_is_closed(
    policy: str, status: Status, order: int
) -> None:
    """One incident, decided on twice, with one answer."""

    async def story(world: World) -> None:
        show(world, "low")
        for record in (detected(), row())[::order]:
            await hear(world, record)

        assert await incidents(world) == [BOTH[::order]]
        assert len(list((await world.chain()).all(Decided))) == 2
        assert await world.status() is status

    play(story, STATE, policy=policy)


@pytest.mark.parametrize(
    "second",
    [row(level="medium"), row(state="confirmedCompromised"), row(after=2 * 3600), detected(2, after=60)],
    ids=["another level", "another state", "hours later", "another detection"],
)
def test_another_fact_opens_an_incident_of_its_own(second: JsonObject) -> None:
    """Level, state and time have to be those of the first, and it has to come from the other list."""

    async def story(world: World) -> None:
        show(world, "low")
        await hear(world, detected())
        await hear(world, second)

        assert len(await incidents(world)) == 2

    play(story, STATE, policy=CONTAINING)


def test_what_joins_is_decided_on_afresh() -> None:
    """Between the two, Entra came to think worse of it: the second look contains, and goes on being told."""

    async def story(world: World) -> None:
        show(world, "low")
        await hear(world, detected())
        show(world, "high")
        await hear(world, row())
        await hear(world, detected(2, after=90, level="high"))

        assert not world.directory.state.enabled
        assert await incidents(world) == [[*BOTH, "risk-detection"]]
        assert await world.status() is Status.CONTAINED

    play(story, STATE, policy=CONTAINING)


def test_what_joins_may_be_asked_about_and_approved() -> None:
    """That the incident was closed once keeps nobody from letting its new plan go."""

    async def story(world: World) -> None:
        show(world, "low")
        await hear(world, detected())
        show(world, "high")
        await hear(world, row())
        waiting = await world.status()
        chain = await world.chain()
        view = await world.instance().incident(chain.incident)
        assert view.plan_hash is not None
        await world.instance().approve(chain.incident, view.plan_hash, approved=True, reason="a leak", by="Ada")
        await world.work_queue(world.instance(), timedelta(minutes=2))

        assert waiting is Status.AWAITING_APPROVAL
        assert await world.status() is Status.CONTAINED

    play(story, STATE, policy=ASKING)


def test_an_incident_of_a_rehearsal_holds_up_nothing_once_cordon_may_act() -> None:
    """An incident keeps the mode that it was opened in: what comes after the change has one of its own."""

    async def story(world: World) -> None:
        show(world, "high")
        await hear(world, detected(level="high"))
        world.mode = "act"
        await hear(world, row(level="high"))

        assert not world.directory.state.enabled
        assert await incidents(world) == [[BOTH[0]], [BOTH[1]]]

    play(story, STATE, policy=CONTAINING, mode="watch")


def test_both_at_once_through_two_instances_are_one_incident() -> None:
    """Neither waits for the other."""

    async def story(world: World) -> None:
        show(world, "low")
        await asyncio.gather(hear(world, detected()), hear(world, row()))

        assert len(await incidents(world)) == 1

    play(story, STATE, policy=CONTAINING)
