"""
The critical path: from an accepted event to sign-in blocked, credentials gone, effect proven.

The first two are taken where they happen, at the stand-in; the third is when the journal holds the proof
(for the null client: when the last answer is there). With several identities, the last one counts.
"""

import asyncio
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from shared.clients.pools import network
from shared.clients.sqlite_store import open_sqlite_store
from shared.clock import system_clock
from shared.responder import Responder
from shared.store import Store, memory_store
from tests.benchmarks import null_client
from tests.benchmarks.null_client import Sent
from tests.benchmarks.rows import Choices, Row, compared
from tests.benchmarks.stage import (
    BY_DETECTION,
    BY_KIND,
    StandIn,
    TimedJournal,
    folder,
    responder,
    settings,
    stand_in,
    timed,
    write_policy,
)
from tests.benchmarks.stand_in import event

SECONDS = 0.1  # that each request takes
MILESTONES = ("disabled", "credentials gone", "verified")
_GOAL, _GOAL_MANY, _CALLS = 1.10, 1.5, 4
_TIMES = {1: 7, 2: 7, 50: 5}
_FEW = 2
_WARM = 20  # identities of a warm-up: with 50 more, a tenant's quota of selecting keys is still far from used up
_QUOTA_REST = 1.1  # seconds after which Identity Protection may be asked again


@dataclass(frozen=True, slots=True)
class Times:
    """
    Seconds from the event to each milestone of the slowest identity, and for each identity its HTTP calls and the
    milliseconds of CPU that this process took (the stand-in has its own); unlike the rest, these hardly grow with the
    machine's load.
    """

    milestones: tuple[float, float, float]
    calls: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Acting:
    """A Responder with what has to be seen of its store."""

    responder: Responder
    store: Store
    journal: TimedJournal


class Stage:
    """One stand-in, and whoever acts on it; every run takes identities that nobody has touched."""

    def __init__(self, graph: StandIn) -> None:
        self._graph = graph
        self._next = 1

    def numbers(self, count: int) -> range:
        first, self._next = self._next, self._next + count
        return range(first, first + count)

    async def cordon(self, acting: Acting, count: int) -> Times:
        """One event for each identity, all at once; what earlier runs took of the hour's limits is forgotten."""
        numbers = self.numbers(count)
        proven, documents = acting.journal.proven, acting.store.documents
        proven.clear()
        if spent := await documents.get("limits", "identities"):
            await documents.remove("limits", "identities", spent.etag)
        begun, spent_before = time.monotonic(), time.process_time()
        await asyncio.gather(*(acting.responder.receive_events([event(number)]) for number in numbers))
        cpu = time.process_time() - spent_before
        return self._times(numbers, begun, max(proven.values()), cpu)

    async def null(self, client: httpx.AsyncClient, model: Sequence[Sent], of: int, count: int) -> Times:
        numbers = self.numbers(count)
        requests = [[sent.about(number, of) for sent in model] for number in numbers]
        begun, spent_before = time.monotonic(), time.process_time()
        ended = await asyncio.gather(*(null_client.contain(client, each) for each in requests))
        return self._times(numbers, begun, max(ended), time.process_time() - spent_before)

    async def model(self, acting: Responder) -> tuple[list[Sent], int]:
        """What Cordon sends about one identity, and its number."""
        (number,) = self.numbers(1)
        self._graph.keep(on=True)
        await acting.receive_events([event(number)])
        self._graph.keep(on=False)
        return null_client.read_sent(self._graph.told()["kept"][str(number)]), number

    def _times(self, numbers: range, begun: float, ended: float, cpu: float) -> Times:
        if any(each != [False, 0, 0] for each in self._graph.state(numbers)):
            raise AssertionError("not everything was contained, so nothing can be compared")
        told = self._graph.told()
        finished, calls = told["finished"], told["calls"]
        disabled, gone = (max(finished[f"{name} {number}"] for number in numbers) - begun for name in MILESTONES[:2])
        of_each = statistics.mean(calls[str(number)] for number in numbers)
        return Times((disabled, gone, ended - begun), of_each, cpu / len(numbers) * 1000)


async def _turns(
    stage: Stage, acting: Acting, url: str, count: int, times: int, rest: float
) -> tuple[list[Times], list[Times]]:
    """Cordon and the null client in turns, after a warm-up of both."""
    model, of = await stage.model(acting.responder)
    ours: list[Times] = []
    theirs: list[Times] = []
    async with null_client.make_client(url) as client:
        await stage.cordon(acting, min(count, _WARM))
        await stage.null(client, model, of, min(count, _WARM))
        for _ in range(times):
            await asyncio.sleep(rest)
            ours.append(await stage.cordon(acting, count))
            theirs.append(await stage.null(client, model, of, count))
    return ours, theirs


def _open(kind: str, place: Path) -> Store:
    return memory_store(system_clock) if kind == "memory" else open_sqlite_store(place / "bench.db", system_clock)


def _runs(kind: str, count: int, when: str, times: int) -> tuple[list[Times], list[Times]]:
    """Many at once begin each time in a tenant, and with a store, that nobody has asked for anything in this minute."""
    if count <= _FEW:
        return asyncio.run(_measure(kind, count, when, times))
    runs = [asyncio.run(_measure(kind, count, when, 1)) for _ in range(times)]
    return [one for ours, _ in runs for one in ours], [one for _, theirs in runs for one in theirs]


async def _measure(kind: str, count: int, when: str, times: int) -> tuple[list[Times], list[Times]]:
    async with stand_in(SECONDS) as graph:
        with folder() as place:
            store, journal = timed(_open(kind, place))
            connections = network(httpx.create_ssl_context(trust_env=False))
            acting = responder(settings(graph.url, write_policy(place, when)), store, transport=connections)
            await acting.warm_up()
            rest = _QUOTA_REST if when is BY_DETECTION else 0.0
            try:
                return await _turns(Stage(graph), Acting(acting, store, journal), graph.url, count, times, rest)
            finally:
                await connections.aclose()
                await store.close()


def _rows(name: str, ours: Sequence[Times], theirs: Sequence[Times], goal: float | None) -> list[Row]:
    rows = [
        compared(
            f"{name}: {milestone}",
            [each.milestones[place] for each in ours],
            [each.milestones[place] for each in theirs],
            "s",
            goal,
        )
        for place, milestone in enumerate(MILESTONES)
    ]
    calls = statistics.median(each.calls for each in ours)
    cpu = compared(f"{name}: CPU for each", [each.cpu for each in ours], [each.cpu for each in theirs], "ms")
    return [*rows, cpu, Row(f"{name}: HTTP calls for each", calls, _CALLS, "", ratio=calls / _CALLS, goal=1.0)]


def critical_path(choices: Choices) -> list[Row]:
    """1, 2 and 50 identities on both stores; the policy judges by what the first read shows anyway."""
    rows: list[Row] = []
    for kind in choices.pick(("memory",), ("memory", "sqlite")):
        single: float | None = None
        for count in choices.pick((1,), (1, 2, 50)):
            ours, theirs = _runs(kind, count, BY_KIND, _TIMES[count] if not choices.quick else 1)
            name = f"{count} {'identity' if count == 1 else 'identities'}, {kind} store"
            rows += _rows(name, ours, theirs, _GOAL if count <= _FEW else None)
            verified = statistics.median(each.milestones[2] for each in ours)
            single = single or verified
            if count > _FEW:
                ratio = verified / single
                name = f"{count} identities against one, {kind} store"
                rows.append(Row(name, verified, single, "s", ratio, _GOAL_MANY, note=_how_loaded()))
    return rows + _by_detection(choices)


def _how_loaded() -> str:
    """Fifty at once need all of one core, and the stand-in part of another: beside other loads both wait for them."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def _by_detection(choices: Choices) -> list[Row]:
    """A rule on detections: they ride along in the first read while Identity Protection's quota lets them."""
    if choices.quick:
        return []
    ours, theirs = asyncio.run(_measure("memory", 1, BY_DETECTION, 7))
    rows = _rows("1 identity, rule on detections", ours, theirs, _GOAL)
    several, _ = asyncio.run(_measure("memory", 5, BY_DETECTION, 1))
    note = "one request per second and tenant is what Identity Protection allows"
    return [*rows, Row("5 identities, rule on detections", several[0].milestones[2], None, "s", note=note)]
