"""
A sweep of a day: 10,000 detections and 100,000 audit records, against `json.loads` of the same bytes.

The clock is virtual, so quotas cost no time; Graph answers in this process, so the network costs none either.
CPU time is compared. Pages are made before the measurement.
"""

import asyncio
import json
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from drill.virtual_time import run, virtual_clock
from shared.clients.sqlite_store import open_sqlite_store
from shared.responder import Responder
from shared.store import LocalStore, memory_store
from tests.benchmarks import logs
from tests.benchmarks.in_process import URL, InProcessGraph
from tests.benchmarks.rows import Choices, Row, compared
from tests.benchmarks.stage import BY_KIND, ROOT, folder, responder, settings, write_policy

_GOAL = 2.0
_FLAT = 1.1
_TYPED_SAMPLE = 300  # objects that the typed script reads; it is too slow for all


@dataclass(frozen=True, slots=True)
class Sweep:
    """CPU seconds to the last signal taken in, and to the last decision; and how many there were."""

    taken_in: float
    decided: float
    records: int
    signals: int
    incidents: int


def sweep_day(graph: InProcessGraph, *, decide: bool, sqlite: bool = False) -> Sweep:
    """Sweep with a new Responder on an empty store, in mode watch; then, if asked to, work the queue."""
    with folder() as place:

        async def main() -> Sweep:
            clock = virtual_clock().now
            store = open_sqlite_store(place / "sweep.db", clock) if sqlite else memory_store(clock)
            chosen = settings(URL, write_policy(place, BY_KIND), mode="watch")
            acting = responder(chosen, store, transport=graph, clock=clock)
            await acting.warm_up()
            try:
                return await _measured(acting, store, graph, decide=decide)
            finally:
                await store.close()

        return run(main, start=logs.DAY_ENDS)


async def _measured(acting: Responder, store: LocalStore, graph: InProcessGraph, *, decide: bool) -> Sweep:
    graph.begin()
    begun = time.process_time()
    swept = await acting.sweep_risk()
    last = await acting.sweep_audits()
    swept = swept.plus(last)
    while not last.complete:
        last = await acting.sweep_audits()
        swept = swept.plus(last)
    taken_in = time.process_time() - begun - graph.spent
    incidents = await _work_queue(acting, store) if decide else 0
    decided = time.process_time() - begun - graph.spent
    return Sweep(taken_in, decided, swept.records, swept.accepted, incidents)


async def _work_queue(acting: Responder, store: LocalStore) -> int:
    """What the host would do with the messages, sixteen at a time; gives how many incidents there are."""
    while received := await store.queue.receive(16, timedelta(minutes=10)):
        await asyncio.gather(*(acting.work(json.loads(each.body)) for each in received))
        for each in received:
            await store.queue.delete(each)
    return len(await store.documents.query("incidents", limit=1_000_000))


def bare(graph: InProcessGraph) -> float:
    """CPU seconds for parsing what was served last, page by page."""
    begun = time.process_time()
    for body in graph.sent:
        json.loads(body)
    return time.process_time() - begun


def sweep(choices: Choices) -> list[Row]:
    risky, audits = choices.pick((100, 1000), (10_000, 100_000))
    graph = InProcessGraph(logs.detections(risky), audits)
    sweep_day(graph, decide=False)  # the pages are made now
    ours: list[Sweep] = []
    parsed: list[float] = []
    for turn in range(choices.pick(1, 2)):
        ours.append(sweep_day(graph, decide=turn == 0))
        parsed.append(bare(graph))
    seen = ours[0]
    megabytes = sum(map(len, graph.sent)) / 1e6
    told = f"{seen.records:,} records, {megabytes:.0f} MB, {seen.signals:,} signals"
    taken_in = [each.taken_in for each in ours]
    return [
        compared("sweep: signals taken in, CPU against json.loads", taken_in, parsed, "s", _GOAL, told),
        compared(
            "sweep: and every incident decided",
            [seen.decided],
            parsed[:1],
            "s",
            _GOAL,
            f"{seen.incidents:,} incidents, each read from the directory",
        ),
        _audits_alone(choices, graph),
        _typed(choices, min(taken_in), seen.records),
        _memory(choices),
    ]


def _audits_alone(choices: Choices, graph: InProcessGraph) -> Row:
    """What a sweep usually is: detections are few, and the log is mostly about others."""
    graph.forget_detections()
    ours: list[Sweep] = []
    parsed: list[float] = []
    for _ in range(choices.pick(1, 3)):
        ours.append(sweep_day(graph, decide=False))
        parsed.append(bare(graph))
    told = f"{ours[0].records:,} records, {ours[0].signals:,} signals"
    return compared("sweep of audits alone: signals taken in", [e.taken_in for e in ours], parsed, "s", _GOAL, told)


def _typed(choices: Choices, ours: float, records: int) -> Row:
    """The script that one would write in a day: the SDK's models, page by page, nothing decided or kept."""
    sample = choices.pick(20, _TYPED_SAMPLE)
    each = float(_child("typed", str(sample)))
    note = f"extrapolated from {sample} objects after the first; it decides and keeps nothing"
    return Row("sweep against typed SDK objects", ours, each * records, "s", ours / (each * records), 1.0, note=note)


def _memory(choices: Choices) -> Row:
    """A sweep of a long day needs no more memory than one of a short day: a page, not the sweep."""
    small, large = choices.pick((500, 1000), (4_000, 40_000))
    peaks = [float(_child("memory", str(count))) for count in (large, small)]
    note = f"peak resident memory, {large:,} audits against {small:,}; sqlite store"
    return Row("sweep: memory", peaks[0], peaks[1], "MB", peaks[0] / peaks[1], _FLAT, note=note)


def _child(*arguments: str) -> str:
    """A figure from a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.sweep", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout  # noqa: S603 - ours


async def read_typed(count: int) -> float:
    """CPU seconds for one object, after a first page that pays for the imports."""
    import httpx
    from kiota_abstractions.authentication import AnonymousAuthenticationProvider
    from msgraph.graph_request_adapter import GraphRequestAdapter
    from msgraph.graph_service_client import GraphServiceClient
    from msgraph_core import GraphClientFactory  # pyright: ignore[reportMissingTypeStubs]

    records = logs.Log(1000).between(logs.DAY_BEGINS, logs.DAY_ENDS)

    def serve(request: httpx.Request) -> httpx.Response:
        first = "typed" not in request.url.params
        body = logs.page(
            records[:10] if first else records[10 : 10 + count],
            f"{URL}/v1.0/auditLogs/directoryAudits?typed=1" if first else None,
        )
        return httpx.Response(200, content=body, headers={"content-type": "application/json"})

    http = GraphClientFactory.create_with_default_middleware(
        client=httpx.AsyncClient(transport=httpx.MockTransport(serve))
    )
    adapter = GraphRequestAdapter(AnonymousAuthenticationProvider(), client=http)
    adapter.base_url = f"{URL}/v1.0"
    builder = GraphServiceClient(request_adapter=adapter).audit_logs.directory_audits
    first = await builder.get()
    assert first is not None
    assert first.odata_next_link is not None
    begun = time.process_time()
    second = await builder.with_url(first.odata_next_link).get()
    spent = time.process_time() - begun
    assert second is not None
    assert len(second.value or ()) == count
    return spent / count


def peak(audits: int) -> float:
    """Megabytes at most, of a process that sweeps this many records."""
    sweep_day(InProcessGraph((), audits, remember=False), decide=False, sqlite=True)
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss also counts what our parent held when it started us
        (line,) = (each for each in status.read_text(encoding="utf-8").splitlines() if each.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    what, size = sys.argv[1], int(sys.argv[2])
    print(asyncio.run(read_typed(size)) if what == "typed" else peak(size))
