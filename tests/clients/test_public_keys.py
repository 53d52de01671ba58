"""What undo needs of certificates rides along with the first look: no round trip of its own, and nobody waits."""

from base64 import b64encode
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx
import pytest

from drill.virtual_time import virtual_clock
from shared.case import CouldNotLook, HolderKind, Known, NotLooked, PartName
from shared.identity import AppObjectId, ClientId, IdentityRef, PrincipalId
from shared.look import Look
from tests.clients.fake_graph import (
    APPLICATION,
    CLIENT,
    OTHER,
    PRINCIPAL,
    Answering,
    Asked,
    FakeGraph,
    Json,
    application,
    directory_of,
    error,
    ok,
    play,
    principal,
)

T = TypeVar("T")

PARTS = frozenset({PartName.IDENTITY, PartName.PUBLIC_KEYS})
KNOWN = IdentityRef(PrincipalId(PRINCIPAL), ClientId(CLIENT), AppObjectId(APPLICATION))
PUBLIC = b64encode(b"\x30 a certificate").decode()


def key(**more: object) -> Json:
    return {"keyId": OTHER, "usage": "Verify", "type": "AsymmetricX509Cert", "key": None, **more}


def with_keys(keys: httpx.Response | None = None) -> Answering:
    """A directory that shows the public part only where it is selected, or answers that with `keys`."""
    plain = directory_of(principal(), application(keyCredentials=[key()]))

    def answer(asked: Asked) -> httpx.Response | Exception:
        if "$select=id,keyCredentials" not in asked.path:
            return plain(asked)
        return keys or ok({"id": APPLICATION, "keyCredentials": [key(key=PUBLIC)]})

    return answer


def looking(graph: FakeGraph, story: Callable[[Look], Awaitable[T]]) -> T:
    return play(lambda: story(Look(graph.directory(), KNOWN, virtual_clock().now)))


def selects(graph: FakeGraph) -> list[Asked]:
    return [asked for asked in graph.asked if "keyCredentials" in asked.path]


def test_they_come_in_the_batch_that_shows_the_identity() -> None:
    """Whoever writes down what is there asks for nothing more."""
    graph = FakeGraph(with_keys())

    async def story(look: Look) -> object:
        await look.gather(PARTS)
        return await look.public_keys(HolderKind.APPLICATION, APPLICATION, frozenset({OTHER}))

    assert looking(graph, story) == Known({OTHER: PUBLIC})
    assert graph.exchanges == ["/$batch"]


def test_what_the_look_does_not_show_is_read_on_its_own() -> None:
    """A replica may lag behind the one that showed the certificate; another object was not asked about."""
    graph = FakeGraph(with_keys())

    async def story(look: Look) -> None:
        await look.gather(PARTS)
        await look.public_keys(HolderKind.APPLICATION, APPLICATION, frozenset({OTHER, CLIENT}))
        await look.public_keys(HolderKind.SERVICE_PRINCIPAL, PRINCIPAL, frozenset({OTHER}))

    looking(graph, story)

    assert [asked.path.split("?")[0] for asked in selects(graph)] == [
        f"/applications/{APPLICATION}",
        f"/applications/{APPLICATION}",
        f"/servicePrincipals/{PRINCIPAL}",
    ]


@pytest.mark.parametrize("refusal", [error(429), error(429, retry_after="30"), error(503), error(404)])
def test_nobody_waits_for_them(refusal: httpx.Response) -> None:
    """Refused within the batch, they are not asked for again by this look, which shows the identity at once."""
    graph = FakeGraph(with_keys(refusal))

    async def story(look: Look) -> tuple[Any, float]:
        return await look.gather(PARTS), virtual_clock().elapsed

    gathered, elapsed = looking(graph, story)

    assert isinstance(gathered.identity, Known)
    assert isinstance(gathered.public_keys, CouldNotLook)
    assert elapsed == 0.0
    assert len(graph.exchanges) == 1


def test_looks_leave_half_of_the_quota_to_those_who_cannot_do_without() -> None:
    """Of 150 in a minute, 75 ride along; then looks go without, and at once."""
    graph = FakeGraph(with_keys())

    async def story() -> tuple[list[Any], float]:
        directory = graph.directory()
        found = [(await directory.look(KNOWN, PARTS)).public_keys for _ in range(100)]
        elapsed = virtual_clock().elapsed
        await directory.public_keys(HolderKind.APPLICATION, APPLICATION)
        return found, elapsed

    found, elapsed = play(story)

    assert [type(part) for part in found] == [Known] * 75 + [NotLooked] * 25
    assert elapsed == 0.0
    assert len(selects(graph)) == 76


def test_a_look_by_one_id_asks_for_them_once_the_application_is_known() -> None:
    """They join the second round, and make no third one."""
    graph = FakeGraph(with_keys())

    async def story() -> Any:
        return await graph.directory().look(IdentityRef(principal_id=PrincipalId(PRINCIPAL)), PARTS)

    gathered = play(story)

    assert gathered.public_keys == Known({APPLICATION: {OTHER: PUBLIC}})
    assert len(graph.exchanges) == 2


def test_keys_of_another_application_are_nobodys() -> None:
    """What answers with another id than was asked for is not believed."""
    graph = FakeGraph(with_keys(ok({"id": OTHER, "keyCredentials": [key(key=PUBLIC)]})))

    async def story(look: Look) -> Any:
        return await look.gather(PARTS)

    assert isinstance(looking(graph, story).public_keys, CouldNotLook)
