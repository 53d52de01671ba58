"""
Cold starts: from the start of a process to indexed functions, and the first containment of a fresh process.

Every figure comes from a process of its own; its imports are compiled by a run before.
"""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import httpx

from shared.clients.pools import network
from shared.clients.sqlite_store import open_sqlite_store
from shared.clock import system_clock
from tests.benchmarks.containment import MILESTONES, SECONDS, Stage
from tests.benchmarks.rows import Choices, Row, compared
from tests.benchmarks.stage import (
    BY_KIND,
    ROOT,
    StandIn,
    compiled,
    folder,
    responder,
    settings,
    stand_in,
    write_policy,
)

_GOAL_INDEXED, _GOAL_FRESH = 1.3, 1.25
_INDEX = "import function_app; assert function_app.app.get_functions()"
_BARE = "import azure.functions"
_SDK = "import msgraph.graph_service_client, azure.identity.aio, azure.keyvault.secrets.aio"


def cold_start(choices: Choices) -> list[Row]:
    """Wall time from the start of the interpreter; what was indexed has imported no SDK and read no setting."""
    times = choices.pick(1, 7)
    for code in (_INDEX, _BARE, _SDK):
        _run(code)
    turns = [(_run(_INDEX), _run(_BARE), _run(_SDK)) for _ in range(times)]
    indexed, bare, sdk = ([turn[place] for turn in turns] for place in range(3))
    return [
        compared("cold: functions indexed, against import azure.functions", indexed, bare, "s", _GOAL_INDEXED),
        compared("cold: functions indexed, against importing the SDKs", indexed, sdk, "s"),
    ]


def _run(code: str) -> float:
    begun = time.monotonic()
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, env=compiled(), check=True)  # noqa: S603
    return time.monotonic() - begun


def first_containment(choices: Choices) -> list[Row]:
    """A fresh process on the store of an earlier one: with the warm-up that the host calls, and without."""
    return asyncio.run(_first_containment(choices.pick(1, 5)))


async def _first_containment(times: int) -> list[Row]:
    async with stand_in(SECONDS) as graph:
        with folder() as place:
            model, of = await _earlier_process(graph, place)
            ours: dict[str, list[list[float]]] = {"warmed": [], "unwarmed": []}
            theirs: list[list[float]] = []
            stage = Stage(graph)
            stage.numbers(10)  # the earlier process's
            for how in ("null", "unwarmed"):  # modules are compiled now
                _contain(graph, place, stage, how, json.dumps([model, of]))
            for _ in range(times):
                for how, found in ours.items():
                    found.append(_contain(graph, place, stage, how))
                theirs.append(_contain(graph, place, stage, "null", json.dumps([model, of])))
    return [
        compared(
            f"fresh process, {how}: {milestone}",
            [each[number] for each in ours[how]],
            [each[number] for each in theirs],
            "s",
            _GOAL_FRESH if how == "warmed" else None,
        )
        for how in ours
        for number, milestone in enumerate(MILESTONES)
    ]


async def _earlier_process(graph: StandIn, place: Path) -> tuple[list[list[str]], int]:
    """What a deployment knows already: Cordon's own ids, the count of identities. Gives the requests it sent."""
    store = open_sqlite_store(place / "fresh.db", system_clock)
    connections = network(httpx.create_ssl_context(trust_env=False))
    acting = responder(settings(graph.url, write_policy(place, BY_KIND)), store, transport=connections)
    model, of = await Stage(graph).model(acting)
    await connections.aclose()
    await store.close()
    return [[sent.method, sent.path, sent.body] for sent in model], of


def _contain(graph: StandIn, place: Path, stage: Stage, how: str, model: str = "") -> list[float]:
    """Let a fresh process contain one identity; seconds to each milestone."""
    (number,) = stage.numbers(1)
    command = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.fresh_process", how, graph.url, str(place)]
    done = subprocess.run(  # noqa: S603 - ours
        [*command, str(number)], cwd=ROOT, env=compiled(), check=True, capture_output=True, text=True, input=model
    )
    begun, ended = json.loads(done.stdout)
    told = graph.told()["finished"]
    if graph.state(range(number, number + 1)) != [[False, 0, 0]]:
        raise AssertionError("the fresh process did not contain")
    return [*(told[f"{name} {number}"] - begun for name in MILESTONES[:2]), ended - begun]
