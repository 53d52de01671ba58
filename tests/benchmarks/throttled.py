"""
Time to proof while one request in ten is refused with 429 or 503, against the same with none refused.

Under virtual time, so that it is the same on every machine: what counts is which pauses are made, not CPU. What
the service asked for (Retry-After, or the second that a 429 without one is to be given) is taken off, because no client
may do without it: of the two lanes of writes, which run side by side, the longer one.
"""

import asyncio
import json
import random
from collections import defaultdict
from datetime import UTC, datetime

import httpx

from drill.virtual_time import run, virtual_clock
from shared.store import memory_store
from tests.benchmarks.in_process import URL, InProcessGraph
from tests.benchmarks.rows import Choices, Row
from tests.benchmarks.stage import BY_KIND, folder, responder, settings, timed, write_policy
from tests.benchmarks.stand_in import event

_SECONDS = 0.1  # that each request takes, refused or not
_SHARE = 0.1
_GOAL = 2.0
_UNNAMED_REST = 1.0  # seconds to rest after a 429 without Retry-After (facts: limits A.3)
_START = datetime(2026, 3, 2, 3, tzinfo=UTC)


class RefusingGraph(InProcessGraph):
    """Refuses a share of all requests, and remembers by lane what pauses it asked for."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share, self._dice = share, random.Random(1)  # noqa: S311 - nothing secret
        self._asked: dict[str, float] = defaultdict(float)

    def pauses(self) -> float:
        """Seconds that the last identity had to wait; then they are forgotten."""
        asked, self._asked = self._asked, defaultdict(float)
        return asked["read"] + max(asked["block"], asked["credentials"])

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        if self._dice.random() >= self.share:
            await asyncio.sleep(_SECONDS * (body.count(b'"dependsOn"') + 1))
            return await super().handle_async_request(request)
        await asyncio.sleep(_SECONDS)
        lane = "block" if request.method == "PATCH" else "credentials" if b"removePassword" in body else "read"
        status, headers, asked = self._dice.choice(
            [(429, {"retry-after": "1"}, 1.0), (429, {}, _UNNAMED_REST), (503, {}, 0.0), (503, {}, 0.0)]
        )
        self._asked[lane] += asked
        return httpx.Response(status, headers=headers, content=json.dumps({"error": {"code": "x"}}).encode())


def throttled(choices: Choices) -> list[Row]:
    """One identity after the other, so that each one's pauses are its own."""
    count = choices.pick(5, 200, 2000)
    calm, _ = _times(0.0, count)
    rough, pauses = _times(_SHARE, count)
    own = [took - asked for took, asked in zip(rough, pauses, strict=True)]
    return [
        Row(
            f"time to proof, {_SHARE:.0%} of requests refused: {name}",
            _percentile(own, share),
            _percentile(calm, share),
            "s",
            _percentile(own, share) / _percentile(calm, share),
            _GOAL if share > 0.9 else None,
            note=f"beside pauses that were asked for; with them {_percentile(rough, share):.2f} s; {count} identities",
        )
        for name, share in (("median", 0.5), ("99 of 100", 0.99))
    ]


def _times(share: float, count: int) -> tuple[list[float], list[float]]:
    """Seconds from the event to the proof in the journal of each identity, and the pauses it had to make."""
    with folder() as place:

        async def main() -> tuple[list[float], list[float]]:
            graph, loop = RefusingGraph(0.0), asyncio.get_running_loop()
            store, journal = timed(memory_store(virtual_clock().now), loop.time)
            acting = responder(
                settings(URL, write_policy(place, BY_KIND)), store, transport=graph, clock=virtual_clock().now
            )
            await acting.receive_events([event(1)])  # what the first one learns for all
            graph.share = share
            took: list[float] = []
            pauses: list[float] = []
            for number in range(2, count + 2):
                journal.proven.clear()
                graph.pauses()
                begun = loop.time()
                await acting.receive_events([event(number)])
                if not journal.proven:
                    raise AssertionError("an identity was not contained at the first attempt")
                took.append(max(journal.proven.values()) - begun)
                pauses.append(graph.pauses())
                await asyncio.sleep(60)
            return took, pauses

        return run(main, start=_START)


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
