"""What benchmarks of the whole responder share: settings, a credential that is always ready, the stand-in."""

import asyncio
import json
import os
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx
from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
from azure.core.credentials_async import AsyncTokenCredential

from shared.clock import Clock, system_clock
from shared.entries import Verified
from shared.journal import IncidentId, Journal, Record
from shared.responder import Responder
from shared.settings import Settings
from shared.store import Store
from shared.wiring import Outside, build
from tests.benchmarks.stand_in import TENANT_ID, client_id

ROOT = Path(__file__).resolve().parents[2]

POLICY = """
version: 1
limits:
  identities-per-hour: 800
  percent-of-enabled-per-hour: 100
  secrets-per-hour: 100000
  actions-per-hour: {reversible: 5000, credentials: 5000, grants: 5000, irreversible: 5000}
rules:
  - name: bench
    when: {WHEN}
    verdict: contain
    actions: [block-sign-in, replace-credentials]
"""
BY_KIND = "identity-kind: {kinds: [own-single-tenant]}"
BY_DETECTION = "risk-detection: {types: [leakedCredentials], levels: [medium, high]}"


def compiled() -> dict[str, str]:
    """The environment of a fresh process that finds its modules compiled, as after a deployment's first start."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(ROOT / "build" / "pycache")}


class ReadyCredential:
    """A token that is there already: where tokens come from is not what is measured."""

    async def get_token(self, *scopes: str, **_: object) -> AccessToken:
        return AccessToken("bench", int(time.time()) + 3600)

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        return AccessTokenInfo("bench", int(time.time()) + 3600)

    async def close(self) -> None:
        """Nothing to close."""

    async def __aenter__(self) -> "ReadyCredential":
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to close."""


class StandIn:
    """The stand-in in its own process, from here."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def told(self) -> dict[str, Any]:
        return cast("dict[str, Any]", json.loads(self._ask("GET", "/told")))

    def state(self, numbers: Sequence[int]) -> list[object]:
        return cast("list[object]", json.loads(self._ask("GET", f"/state/{numbers[0]}/{len(numbers)}")))

    def keep(self, *, on: bool) -> None:
        self._ask("POST", f"/keep/{'on' if on else 'off'}")

    def _ask(self, method: str, path: str) -> bytes:
        request = urllib.request.Request(self.url + path, method=method)  # noqa: S310 - 127.0.0.1
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return answer.read()


@asynccontextmanager
async def stand_in(seconds: float) -> AsyncGenerator[StandIn]:
    """Serve for the time of the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.benchmarks.stand_in",
        str(seconds),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield StandIn(int(await process.stdout.readline()))
    finally:
        process.stdin.close()
        await process.wait()


class TimedJournal:
    """A journal that notes when the proof of each incident's last step became durable."""

    def __init__(self, inner: Journal, now: Callable[[], float] = time.monotonic) -> None:
        self._inner, self._now = inner, now
        self.proven: dict[str, float] = {}

    async def append(self, records: Sequence[Record]) -> None:
        await self._inner.append(records)
        if any(record.kind == Verified.kind and record.data["answer"] == "held" for record in records):
            self.proven[records[0].incident] = self._now()

    async def read(self, incident: IncidentId) -> Sequence[Record]:
        return await self._inner.read(incident)


def settings(graph_url: str, policy: Path, mode: str = "act") -> Settings:
    return Settings.read(
        {
            "CORDON_MODE": mode,
            "CORDON_TENANT_ID": TENANT_ID,
            "CORDON_POLICY": str(policy),
            "CORDON_STORE": "sqlite:unused",
            "CORDON_READER_CLIENT_ID": client_id(0),
            "CORDON_EXECUTOR_CLIENT_ID": client_id(0),
            "CORDON_GRAPH_URL": graph_url,
        }
    )


def responder(
    chosen: Settings,
    store: Store,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    clock: Clock = system_clock,
) -> Responder:
    return build(
        chosen,
        Outside(
            clock=clock,
            instance="bench",
            random=lambda: 0.5,
            credential_for=lambda _: cast("AsyncTokenCredential", ReadyCredential()),
            store=store,
            graph_transport=transport,
        ),
    )


def timed(store: Store, now: Callable[[], float] = time.monotonic) -> tuple[Store, TimedJournal]:
    journal = TimedJournal(store.journal, now)
    return replace(store, journal=journal), journal


@contextmanager
def folder() -> Generator[Path]:
    """A folder for stores and policies, on the disk that holds build/."""
    place = ROOT / "build"
    place.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=place) as name:
        yield Path(name)


def write_policy(place: Path, when: str) -> Path:
    file = place / "policy.yaml"
    file.write_text(POLICY.replace("WHEN", when), encoding="utf-8")
    return file
