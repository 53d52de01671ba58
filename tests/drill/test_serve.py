"""`serve` is the same drill over real sockets in real time."""

import asyncio
import re
import socket

import httpx
import pytest

from drill.grounds import Choices
from drill.scenario import SHIPPED, ScenarioWrong, load_scenario
from drill.serve import serve

pytestmark = pytest.mark.anyio

PRICE_FEED = "5b0a11de-9222-4e2b-9c55-6f0d3b8e2a03"


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


async def test_a_rehearsal_can_be_steered_and_watched_from_outside() -> None:
    """Keys are asked for, a happening is swept in by hand, and the incident shows up in the API."""
    port, tenant_port = _free_ports()
    said: asyncio.Queue[str] = asyncio.Queue()
    serving = asyncio.create_task(
        serve(load_scenario(SHIPPED / "false-alarm.yaml"), Choices(mode="watch"), port, tenant_port, said.put_nowait)
    )
    try:
        async with asyncio.timeout(30), httpx.AsyncClient() as client:
            welcome = await said.get()
            while "Function key" not in welcome:
                welcome = await said.get()
            function, master = (re.search(rf"{name} key +(\w+)", welcome) for name in ("Function", "Master"))
            assert function
            assert master
            host, tenant, key = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{tenant_port}", function[1]
            assert (await client.get(f"{host}/api/health")).status_code == 401
            assert (await client.get(f"{host}/api/health", headers={"x-functions-key": key})).status_code == 200
            wrong = await client.post(f"{tenant}/practice/happen", json={"nonsense": 1})
            assert wrong.status_code == 400
            happening = {
                "riskyServicePrincipals": [{"id": "5b0a11de-9222-4e2b-9c55-6f0d3b8e2a03", "riskLevel": "high"}]
            }
            assert (await client.post(f"{tenant}/practice/happen", json=happening)).status_code == 204
            swept = await client.post(
                f"{host}/admin/functions/sweep_risk", json={}, headers={"x-functions-key": master[1]}
            )
            assert swept.status_code == 202
            while "decides: " not in await said.get():
                pass
            listed = (await client.get(f"{host}/api/incidents", headers={"x-functions-key": key})).json()
            assert listed["incidents"]
            assert (await client.get(f"{tenant}/practice/effects")).json() == []
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def test_a_port_that_is_taken_is_told_before_anything_starts() -> None:
    """The message says which port, and what to do."""
    scenario = load_scenario(SHIPPED / "false-alarm.yaml")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(ScenarioWrong, match=rf"port {port} .* choose another with --port"):
            await serve(scenario, Choices(), port, port + 1, lambda _: None)
