"""Growth: what twice the size costs. The slope is that of the steepest step on a log-log scale; 1 is linear."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from shared.chain import Chain
from shared.clock import system_clock
from shared.entries import SignalJoined
from shared.journal import IncidentId
from shared.store import memory_store
from tests.benchmarks.in_process import URL, InProcessGraph
from tests.benchmarks.rows import Choices, Row, slope
from tests.benchmarks.stage import BY_KIND, folder, responder, settings, write_policy
from tests.benchmarks.stand_in import JsonObject, event
from tests.benchmarks.sweep import sweep_day

_GOAL = 1.05
_AT_ONCE = 50


def growth(choices: Choices) -> list[Row]:
    """Audits of a sweep, records of the journal, signals about one identity, identities."""
    audits = choices.pick((500, 1000), (1000, 10_000, 100_000), (1000, 10_000, 100_000, 1_000_000))
    journal = choices.pick((100, 200), (1000, 10_000, 100_000))
    return [
        _row("audits of a sweep", audits, _sweep),
        _row("records of one journal, read", journal, _read_journal),
        _row("signals about one identity", choices.pick((10, 20), (100, 300, 1000)), _signals),
        _row("identities contained", choices.pick((1, 2), (10, 50, 200)), _identities),
    ]


def _row(name: str, sizes: Sequence[int], measure: Callable[[int], float]) -> Row:
    measure(sizes[0])  # warm
    points = {size: min(measure(size) for _ in range(2)) for size in sizes}
    found = slope(points)
    note = ", ".join(f"{size:,}: {points[size]:.3g} s" for size in sizes)
    return Row(f"growth: {name}", found, None, "", found, _GOAL, note=f"CPU of {note}")


def _sweep(count: int) -> float:
    return sweep_day(InProcessGraph((), count, remember=False), decide=False).taken_in


def _read_journal(count: int) -> float:
    async def main() -> float:
        store, incident = memory_store(system_clock), IncidentId("20260302-000000000000")
        chain = Chain(store.journal, incident, system_clock)
        for start in range(0, count, _AT_ONCE):
            await chain.write(*(_signal(number) for number in range(start, min(count, start + _AT_ONCE))))
        begun = time.process_time()
        await Chain.read(store.journal, incident, system_clock)
        return time.process_time() - begun

    return asyncio.run(main())


def _signal(number: int) -> SignalJoined:
    at = datetime(2026, 3, 2, 3, tzinfo=UTC)
    return SignalJoined(source="risk-detection", record_id=str(number), observed_at=at, summary="bench")


def _signals(count: int) -> float:
    """They come one by one, as an attacker who makes noise would send them; the incident is open all the while."""
    return _act("ask", lambda numbers: [_another(number) for number in numbers], count)


def _another(number: int) -> JsonObject:
    one = event(1)
    return {**one, "data": {**one["data"], "id": f"80000000-0000-4000-8000-{number:012d}"}}


def _identities(count: int) -> float:
    return _act("act", lambda numbers: [event(number) for number in numbers], count)


def _act(mode: str, events: Callable[[range], list[JsonObject]], count: int) -> float:
    async def main() -> float:
        with folder() as place:
            graph = InProcessGraph()
            chosen = settings(URL, write_policy(place, BY_KIND), mode=mode)
            acting = responder(chosen, memory_store(system_clock), transport=graph)
            await acting.warm_up()
            await acting.receive_events([event(0xFFFF)])
            due = events(range(1, count + 1))
            graph.begin()
            begun = time.process_time()
            for one in due:
                await acting.receive_events([one])
            return time.process_time() - begun - graph.spent

    return asyncio.run(main())
