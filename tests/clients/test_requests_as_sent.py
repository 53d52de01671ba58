"""Requests are put together without httpx's help, for speed: what leaves is what httpx would have sent."""

import json
from typing import cast

import httpx
import pytest
from azure.core.credentials_async import AsyncTokenCredential

from shared.clients.answers import Call, Method
from shared.clients.graph_http import GraphHttp
from shared.clients.pacing import Pacing
from shared.clock import system_clock
from shared.signal import JsonObject
from tests.benchmarks.stage import ReadyCredential

pytestmark = pytest.mark.anyio

GRAPH = "https://graph.microsoft.com"
PATH = "/servicePrincipals?$filter=displayName%20eq%20'a%26b'"


class Seen(httpx.AsyncBaseTransport):
    """Keeps the requests that arrive, and answers each with an empty object."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        return httpx.Response(200, content=b"{}")


@pytest.mark.parametrize(
    ("method", "body"), [("GET", None), ("POST", {"a": "é"}), ("POST", None), ("PATCH", {"a": [1]}), ("DELETE", None)]
)
async def test_address_headers_and_body_are_those_of_httpx(method: Method, body: JsonObject | None) -> None:
    """Host and length are there exactly where they belong, and no header comes twice."""
    seen = Seen()
    graph = GraphHttp(
        GRAPH,
        cast("AsyncTokenCredential", ReadyCredential()),
        "scope",
        transport=lambda: seen,
        pacing=Pacing(),
        clock=system_clock,
        random=lambda: 0.5,
    )

    await graph.send(Call(method, PATH, "asking", "", body=body))

    (sent,) = seen.requests
    given = {"authorization": "Bearer bench", "x-ms-throttle-priority": sent.headers["x-ms-throttle-priority"]}
    if body is not None:
        given["content-type"] = "application/json"
    expected = httpx.AsyncClient(headers={"Accept": "application/json", "Accept-Encoding": "gzip"}).build_request(
        method,
        f"{GRAPH}/v1.0{PATH}",
        headers={**given, "User-Agent": "Cordon"},
        content=None if body is None else json.dumps(body).encode(),
    )
    assert sent.url == expected.url
    assert sorted(sent.headers.multi_items()) == sorted(expected.headers.multi_items())
    assert sent.content == await expected.aread()
