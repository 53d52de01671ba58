"""
Fifty identities at once against one, on the practice tenant and by its clock.

Each exchange takes the tenant's own 60 ms, and each request 40 ms more. CPU takes no time there, so that this tells
who waits for whom (a lock, a lane, a quota, one document of the store), on every machine the same; what CPU adds on
this one is told by `critical-path`.
"""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from drill.grounds import Choices as Chosen
from drill.grounds import Grounds, Ways, lay_grounds
from drill.scenario import read_scenario
from drill.virtual_time import run, virtual_clock
from drill.yaml_text import read_yaml
from shared.entries import Verified
from shared.journal import IncidentId
from shared.signal import JsonObject
from tests.benchmarks.rows import Choices, Row
from tests.benchmarks.stage import BY_KIND, POLICY, folder

_START = datetime(2026, 3, 2, 3, tzinfo=UTC)
_TENANT = "3f8e6a10-52c4-4c8f-9d3b-0a6f5be1c7d2"
_MANY, _GOAL = 50, 1.5
_CALM: JsonObject = {"readLagShare": 0, "permuteBatches": False}


def at_once(choices: Choices) -> list[Row]:
    """Once with replicas that never lag, as the goal is meant, and once as the tenant is by default."""
    many = choices.pick(3, _MANY)
    rows: list[Row] = []
    for kind in choices.pick(("memory",), ("memory", "sqlite")):
        one, all_of_them = _seconds(1, kind, _CALM), _seconds(many, kind, _CALM)
        name = f"{many} identities against one, practice tenant's clock, {kind} store"
        rows.append(Row(name, all_of_them, one, "s", all_of_them / one, _GOAL))
    if choices.quick:  # of three, which one meets a lagging replica is chance
        return rows
    in_turn, all_of_them = _seconds(many, "memory", {}, at_once=False), _seconds(many, "memory", {})
    note = "a read in seven shows what was up to three seconds ago, and what does not show is looked at once more"
    name = f"{many} identities against the slowest of {many} in turn, practice tenant's clock, lagging replicas"
    return [*rows, Row(name, all_of_them, in_turn, "s", all_of_them / in_turn, _GOAL, note=note)]


def _seconds(count: int, kind: str, behaviour: JsonObject, *, at_once: bool = True) -> float:
    """From the event to the proof of the slowest."""
    with folder() as place:
        text = _scenario(count, kind, behaviour)
        return run(lambda: _contain(text, place, count, at_once=at_once), start=_START)


async def _contain(text: bytes, place: Path, count: int, *, at_once: bool) -> float:
    scenario = read_scenario(text, place / "at-once.yaml")
    grounds = lay_grounds(scenario, Chosen(), place, clock=virtual_clock().now, ways=Ways.in_process, say=_silent)
    responder = grounds.immortal("bench")
    await responder.receive_events([_event(0)])  # what the first one learns for all
    begun: list[datetime] = []

    async def report(number: int) -> None:
        begun.append(grounds.clock())
        await responder.receive_events([_event(number)])

    if at_once:
        await asyncio.gather(*(report(number) for number in range(1, count + 1)))
    else:
        for number in range(1, count + 1):
            await report(number)
    proven = (await _proven(grounds, count))[1:]
    await grounds.store.close()
    return max((end - start).total_seconds() for start, end in zip(begun, proven, strict=True))


async def _proven(grounds: Grounds, count: int) -> list[datetime]:
    """When the last proof of each was written down, in their order. What is not contained cannot be compared."""
    responder = grounds.immortal("reader")
    views = (await responder.incidents(_MANY + 1, "")).incidents
    proofs: dict[str, datetime] = {}
    for view in views:
        records = await grounds.store.journal.read(IncidentId(view.id))
        held = [each.time for each in records if each.kind == Verified.kind and each.data["answer"] == "held"]
        proofs[str(view.identity.principal_id if view.identity else None)] = max(held)
    principals = grounds.tenant.snapshot()["tenant"]["servicePrincipals"]
    cut = [each for each in principals if each["displayName"].startswith("workload") and not each["accountEnabled"]]
    if len(cut) != count + 1:
        raise AssertionError(f"{len(cut)} of {count + 1} identities were cut off, so nothing can be compared")
    return [proofs[_id("5b0a11de", number)] for number in range(count + 1)]


def _scenario(count: int, kind: str, behaviour: JsonObject) -> bytes:
    numbers = range(count + 1)
    given: dict[str, Any] = {
        "name": "at-once",
        "about": "many identities are reported at the same moment",
        "clock": _START.isoformat(),
        "tenant": {
            "id": _TENANT,
            "licences": ["WorkloadIdentitiesPremium"],
            "behaviour": behaviour,
            "applications": [
                {
                    "id": _id("a0a7c1de", n),
                    "appId": _id("c1a7c1de", n),
                    "displayName": f"workload-{n}",
                    "signInAudience": "AzureADMyOrg",
                    "passwordCredentials": [{"keyId": _id("5ec7e701", n * 2 + each)} for each in range(2)],
                }
                for n in numbers
            ],
            "servicePrincipals": [
                {"id": _id("5b0a11de", n), "appId": _id("c1a7c1de", n), "displayName": f"workload-{n}"} for n in numbers
            ],
        },
        "run": {"store": kind, "policy": read_yaml(POLICY.replace("WHEN", BY_KIND).encode()).value},
    }
    return json.dumps(given).encode()


def _event(number: int) -> JsonObject:
    id_ = _id("de7ec7ed", number)
    detection: JsonObject = {
        "id": id_,
        "servicePrincipalId": _id("5b0a11de", number),
        "appId": _id("c1a7c1de", number),
        "riskEventType": "leakedCredentials",
        "riskLevel": "high",
        "riskState": "atRisk",
        "detectedDateTime": _START.isoformat(),
        "activityDateTime": _START.isoformat(),
        "lastUpdatedDateTime": _START.isoformat(),
    }
    return {"type": "Cordon.Signal.RiskDetection", "id": id_, "source": "bench", "data": detection}


def _id(prefix: str, number: int) -> str:
    return f"{prefix}-0000-4000-8000-{number:012d}"


def _silent(_: str) -> None:
    """Nobody listens."""
