"""Answers in which one thing is not what it should be: an error of ours, or a part that says so; never a crash."""

import json
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, cast

import pytest
from azure.core.rest import AsyncHttpResponse, HttpRequest

from drill.practice.asgi import AsgiApp
from drill.transports import PracticeAzureTransport
from drill.virtual_time import virtual_clock
from shared.case import Known
from shared.errors import CordonError
from shared.estate import Estate, SecretRef, SecretSeen, SecretValue, VaultSeen
from shared.identity import ClientId, PrincipalId
from tests.estate.desk import SUBSCRIPTION, estate_of, vault_id, with_estate
from tests.estate.test_sources import PLACES, services
from tests.estate.test_vault_logs import SINCE, read
from tests.practice.desk import APP_ID, PRINCIPAL, Desk

ODD: tuple[Any, ...] = (None, 7, "odd", [], {}, [None], {"x": None}, True)
REF = SecretRef("shop", "db")
US, CLIENT = PrincipalId(PRINCIPAL), ClientId(APP_ID)
SHOP = VaultSeen(vault_id("shop"), "shop", SUBSCRIPTION, rbac=True)
Calling = Callable[[Estate], Awaitable[object]]


def like() -> SecretSeen:
    at = virtual_clock().now()
    return SecretSeen(REF, None, True, at, at)


CALLS: dict[str, Calling] = {
    "reach": lambda estate: estate.access.reach(US, Known(())),
    "logged": lambda estate: estate.access.logged(SHOP, SINCE),
    "grants_on": lambda estate: estate.access.grants_on(SHOP, PRINCIPAL),
    "secrets": lambda estate: estate.vaults.secrets("shop"),
    "versions": lambda estate: estate.vaults.versions(REF),
    "publish": lambda estate: estate.vaults.publish(like(), SecretValue("x"), operation="op", expires=None),
    "reads_by": lambda estate: logs_of(estate).reads_by(US, CLIENT, SINCE),
    "readers_of": lambda estate: logs_of(estate).readers_of([REF], SINCE),
    "read": lambda estate: estate.sources.read(PLACES["cosmos"], "cosmos"),
    "keys": lambda estate: estate.sources.keys(PLACES["storage"], "storage"),
    "named": lambda estate: estate.sources.named("shopdata", "storage"),
    "regenerate": lambda estate: estate.sources.regenerate(PLACES["redis"], "redis", "primary"),
    "set_password": lambda estate: estate.sources.set_password(PLACES["sql"], "sql", SecretValue("Abc-123-xyz")),
}


def logs_of(estate: Estate) -> Any:
    assert estate.logs is not None
    return estate.logs


def places(body: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in a body something stands: the whole, and everything in it; of long lists the beginning."""
    yield before
    inside: Iterable[tuple[Any, Any]] = ()
    if isinstance(body, dict):
        inside = cast("dict[str, Any]", body).items()
    elif isinstance(body, list):
        inside = enumerate(cast("list[Any]", body)[:2])
    for name, each in inside:
        yield from places(each, (*before, name))


def spoiled(body: Any, place: tuple[Any, ...], odd: object) -> Any:
    """The body with something odd in this place."""
    if not place:
        return odd
    copy: Any = body.copy()
    copy[place[0]] = spoiled(body[place[0]], place[1:], odd)
    return copy


class Spoiling(PracticeAzureTransport):
    """Counts answers, and spoils one of them."""

    def __init__(self, app: AsgiApp) -> None:
        super().__init__(app)
        self.bodies: list[Any] = []
        self.spoil: tuple[int, tuple[Any, ...], object] | None = None

    async def send(self, request: HttpRequest, **kwargs: Any) -> AsyncHttpResponse:
        answer = await super().send(request, **kwargs)
        content = answer.content
        if answer.status_code < 300 and content:
            body = json.loads(content)
            if self.spoil and self.spoil[0] == len(self.bodies):
                answer._content = json.dumps(spoiled(body, *self.spoil[1:])).encode()  # type: ignore[attr-defined] # noqa: SLF001
            self.bodies.append(body)
        return answer


@pytest.mark.parametrize("name", CALLS)
def test_whatever_is_odd_in_an_answer_is_told_and_not_stumbled_over(name: str) -> None:
    """Each place of each answer in turn holds something else."""
    call = CALLS[name]
    entry = {"objectId": PRINCIPAL, "permissions": {"secrets": ["get"]}}
    azure: dict[str, Any] = {
        **services(),
        "vaults": [
            {"name": "shop", "subscription": SUBSCRIPTION, "secrets": [{"name": "db"}]},
            {"name": "old", "subscription": SUBSCRIPTION, "rbac": False, "accessPolicies": [entry]},
        ],
        "roleAssignments": [
            {"principalId": PRINCIPAL, "roleDefinitionName": "Key Vault Secrets User", "scope": vault_id("shop")}
        ],
    }

    async def story(_: Estate, desk: Desk) -> int:
        transport = Spoiling(desk.tenant.asgi)

        async def attempt() -> None:
            made = estate_of(desk.tenant, transport=transport)
            transport.bodies.clear()
            await call(made)

        await attempt()
        tried = 0
        for number, body in enumerate([*transport.bodies]):
            for turn, place in enumerate(places(body)):
                for odd in (ODD[turn % len(ODD)], ODD[(turn + 3) % len(ODD)]):
                    transport.spoil = (number, place, odd)
                    tried += 1
                    with suppress(CordonError):
                        await attempt()
        return tried

    history = {"keyVaultAudits": [read("db", "2026-02-20T10:00:00Z")]}

    assert with_estate(story, azure, logs=history) > 0
