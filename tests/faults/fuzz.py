"""
Fuzzing of every entry point: real samples, changed at random from a seed. An input may be refused by name;
nothing may escape that is no answer of ours, take a second, or take a quarter of a gigabyte.
"""

import asyncio
import base64
import json
import logging
import math
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any, cast

import httpx

from drill.virtual_time import run
from shared.actions import ACTIONS
from shared.case import PartName
from shared.errors import CordonError
from shared.identity import IdentityRef
from shared.journal import IncidentId, Kept, read_chain
from shared.orders import Order
from shared.policy import read_policy
from shared.signal import JsonObject
from tests.clients.fake_azure import Said
from tests.clients.fake_graph import CLIENT, FakeGraph, application, ok, page, principal
from tests.clients.fake_graph import PRINCIPAL as LOOKED_AT
from tests.clients.test_vault import at as at_vault
from tests.clients.test_vault import item
from tests.doors.fake_responder import APP_ID, INCIDENT
from tests.fakes import PAYROLL, START
from tests.faults.ground import Ground, event, virtual_now
from tests.faults.matrix import policy
from tests.stories.world import POLICY, leak

if TYPE_CHECKING:
    from collections.abc import Generator

LONGEST = 1.0  # seconds of this process
LARGEST = 256 * 2**20  # bytes
WATCHED = 8

Try = Callable[[Random], None]
"""One input, made from this randomness and put through an entry point."""


@dataclass(frozen=True, slots=True)
class Found:
    """An input that was not borne: how to make it again, and what happened."""

    entry: str
    seed: int
    what: str


# Changing samples

# What can be sent at all: before 3.12 Python itself writes no JSON, and prints no list, that is deeper than its stack.
_LEVELS = 2000 if sys.version_info >= (3, 12) else 600
_PLAIN = frozenset({type(None), bool, int})
_DEEP = 50  # levels to which a value is looked through

_TEXTS = ("", "\x00", "\ud800", "../../etc", "' or 1 eq 1", "{{7*7}}", "\u202eevil", "a" * 70_000, "=cmd|' /C calc'!A0")
_NUMBERS = (0, -1, 2**63, 10**400, 1e308, float("inf"), float("nan"))
_ODD: tuple[Callable[[], object], ...] = (
    lambda: None,
    lambda: True,
    list,
    dict,
    lambda: _nested(_LEVELS),
    lambda: [None] * 2000,
    lambda: {"@odata.nextLink": "http://169.254.169.254/"},
)


def change(random: Random, value: object, odds: float = 0.15) -> object:
    """The same value with some of its parts changed, left out or doubled."""
    if random.random() < odds:
        return _something(random, value)
    if isinstance(value, dict):
        changed = {key: change(random, each, odds) for key, each in cast("dict[str, object]", value).items()}
        for key in list(changed):
            if random.random() < odds / 2:
                changed[random.choice((key + "X", key.upper(), ""))] = changed.pop(key)
        return changed
    if isinstance(value, list):
        members = [change(random, each, odds) for each in cast("list[object]", value)]
        return members * random.choice((1, 1, 1, 0, 2))
    return value


def _something(random: Random, value: object) -> object:
    choice = random.randrange(4)
    if choice == 0:
        return random.choice(_TEXTS)
    if choice == 1:
        return random.choice(_NUMBERS)
    if choice == 2 and isinstance(value, str) and value:
        place = random.randrange(len(value))
        return value[:place] + random.choice("\x00\n\r'\"{}é0Z") + value[place + 1 :]
    return random.choice(_ODD)()


@cache
def _nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


def torn(random: Random, content: bytes) -> bytes:
    """Bytes with a piece cut out, doubled or overwritten."""
    start = random.randrange(len(content) + 1)
    end = min(len(content), start + random.randrange(40))
    middle = random.choice((b"", content[start:end] * 2, random.randbytes(end - start)))
    return content[:start] + middle + content[end:]


def finite(value: object, depth: int = 0) -> object:
    """The same without what only Python calls JSON: the stand-ins could not send it."""
    if isinstance(value, float) and not math.isfinite(value):
        return 0
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {finite(key): finite(each, depth + 1) for key, each in cast("dict[str, object]", value).items()}
    if isinstance(value, list) and depth < _DEEP:
        members = cast("list[object]", value)
        return members if set(map(type, members)) <= _PLAIN else [finite(each, depth + 1) for each in members]
    return cast("object", value)


# Entry points


def _in_a_world(act: Callable[[Any], Awaitable[object]]) -> None:
    async def main() -> None:
        ground = Ground(lambda call: None, policy(), virtual_now())
        ground.mode = "watch"
        _, responder = ground.instance("one")
        await act(responder)

    run(main, start=START)


def events(random: Random) -> None:
    changed = change(random, event())
    given = [cast("JsonObject", changed)] if isinstance(changed, dict) else []
    _in_a_world(lambda responder: responder.receive_events([*given, event(2)]))


def stream(random: Random) -> None:
    record = {"category": random.choice(("AuditLogs", "ServicePrincipalRiskEvents", "x")), "properties": leak()}
    text = json.dumps(change(random, {"records": [record, record]})).encode("utf-8", "surrogatepass")
    _in_a_world(lambda responder: responder.receive_stream([torn(random, text) if random.random() < 0.5 else text]))


def message(random: Random) -> None:
    sample = {"incident": "20260302-0123456789ab", "because": "recheck", "series": 1, "place": 1}
    changed = change(random, sample, 0.3)
    given = cast("JsonObject", changed) if isinstance(changed, dict) else {}
    _in_a_world(lambda responder: responder.work(given))


def poison(random: Random) -> None:
    body = torn(random, b'{"incident":"20260302-0123456789ab","because":"signal"}')
    _in_a_world(lambda responder: responder.tell_poisoned(body))


def order(random: Random) -> None:
    """As a door that checks nothing would hand it over."""
    reason = str(change(random, "found in a repository", 0.5))
    subject = IdentityRef(principal_id=PAYROLL)
    given = Order(subject=subject, reason=reason, by="x", actions=None, plan_hash=None, request_id=reason[:200])
    _in_a_world(lambda responder: responder.preview(given))


def policy_text(random: Random) -> None:
    text = torn(random, POLICY.encode()).decode("utf-8", "replace")
    read_policy(text, "fuzzed.yaml", [action.name for action in ACTIONS])


def journal(random: Random) -> None:
    data = change(random, {"reason": "x", "todo": "y"})
    kept = Kept(0, "2026-03-02T03:00:00+00:00", "escalated", None, json.dumps(data), "0" * 64, "0" * 64)
    changed = [change(random, each, 0.2) for each in kept]  # columns hold texts and numbers
    fields = [each if isinstance(each, str | int | None) else repr(type(each)) for each in changed]
    read_chain(IncidentId("20260302-0123456789ab"), [Kept(*cast("Any", fields))])


def batch_answer(random: Random) -> None:
    """Every answer of the directory, alone and inside a batch, changed."""
    samples: tuple[object, ...] = (principal(), application(), {"value": [principal()]}, {"value": []})

    def answer(_: object) -> httpx.Response:
        changed = change(random, random.choice(samples), 0.05)
        text = json.dumps(finite(changed)).encode("utf-8", "surrogatepass")
        return httpx.Response(random.choice((200, 200, 200, 404, 429, 500)), content=text)

    def spoil(inner: list[JsonObject]) -> object:
        return finite(change(random, inner, 0.05))

    async def main() -> None:
        graph = FakeGraph(answer, cast("Any", spoil))
        parts = frozenset({PartName.IDENTITY, PartName.GRANTS, PartName.OWNERS, PartName.CA_POLICY})
        await graph.directory().look(IdentityRef(cast("Any", LOOKED_AT), cast("Any", CLIENT)), parts)

    run(main, start=START)


def poll_page(random: Random) -> None:
    links = (None, "https://evil.example/next", "https://graph.microsoft.com/v1.0/x?$skiptoken=a")

    def answer(_: object) -> httpx.Response:
        if random.random() < 0.5:
            return page(leak(), next=random.choice(links))
        return ok(finite(change(random, {"value": [leak()]}, 0.1))) if random.random() < 0.8 else ok([1])

    async def main() -> None:
        async for _ in FakeGraph(cast("Any", answer)).feeds().risk_detections():
            continue

    run(main, start=START)


def vault_answer(random: Random) -> None:
    sample = {"value": [item()], "nextLink": None, "cer": base64.b64encode(b"x").decode(), "attributes": {"exp": 1}}

    def answer(_: object) -> Said:
        changed = json.loads(json.dumps(change(random, sample, 0.1)))
        return Said(random.choice((200, 200, 202, 404, 500)), changed)

    at_vault(answer, lambda vault: vault.find_certificate("cordon-1", "op-1"))


def http(random: Random) -> None:
    """Bodies and headers at every door that takes one; a 500 is an uncaught exception."""
    from functions import runtime
    from tests.doors.fake_responder import FakeResponder
    from tests.doors.http_host import answer

    paths = ("/api/incidents", "/api/plans", f"/api/incidents/{INCIDENT}/approval", "/api/switch")
    body = {"identity": {"appId": APP_ID}, "reason": "x", "actions": ["block-sign-in"], "planHash": "e" * 64}
    text = json.dumps(change(random, {**body, "decision": "approved", "state": "stopped"}, 0.1))
    content = text.encode("utf-8", "replace")
    content = content if random.random() < 0.5 else torn(random, content)
    header = "".join(each for each in str(change(random, "ticket-1", 0.5)) if each.isprintable())[:3000]

    async def main() -> None:
        runtime.use(cast("Any", FakeResponder()))
        try:
            response = await answer("POST", random.choice(paths), {"Idempotency-Key": header}, content)
        finally:
            runtime.use(None)
        if response.status_code >= 500:
            raise AssertionError(f"{response.status_code}: {response.get_body()[:200]!r}")

    asyncio.run(main())


ENTRIES: dict[str, Try] = {
    "event": events,
    "stream record": stream,
    "poll page": poll_page,
    "batch answer": batch_answer,
    "vault answer": vault_answer,
    "policy file": policy_text,
    "order": order,
    "HTTP bodies and headers": http,
    "journal record": journal,
    "queue message": message,
    "poisoned message": poison,
}


def fuzz(entry: str, seeds: range) -> Iterator[Found | None]:
    """Try each seed; None for an input that was borne."""
    attempt = ENTRIES[entry]
    with _guarded():
        _warm(entry, attempt)
        for seed in seeds:
            yield _try(entry, attempt, seed)


@cache
def _warm(entry: str, attempt: Try) -> None:
    """What is imported at the first use is not the input's."""
    _try(entry, attempt, -1)


def _try(entry: str, attempt: Try, seed: int) -> Found | None:
    """Every eighth input is watched for memory instead of time: watching makes it several times slower."""
    watched = seed % WATCHED == 0
    if watched:
        tracemalloc.start(1)
    begun = time.process_time()
    try:
        attempt(Random(f"{entry} {seed}"))  # noqa: S311 - an input, no secret
    except CordonError:
        pass
    except Exception as problem:  # noqa: BLE001 - that is what is looked for
        return Found(entry, seed, f"{type(problem).__name__}: {str(problem)[:200]}")
    finally:
        took = time.process_time() - begun
        peak = tracemalloc.get_traced_memory()[1] if watched else 0
        tracemalloc.stop()
    if took > LONGEST and not watched:
        return Found(entry, seed, f"took {took:.1f} s")
    return Found(entry, seed, f"took {peak / 2**20:.0f} MB") if peak > LARGEST else None


@contextmanager
def _guarded() -> "Generator[None]":
    log = logging.getLogger("cordon")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before
