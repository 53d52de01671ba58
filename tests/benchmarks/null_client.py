"""
A client that sends what Cordon sends, and does nothing else: no token, no reading, no journal, no decision.

It is told one identity's requests as Cordon sent them, and sends the same for others: the read, then the
blocking of sign-in beside the removal of credentials, then the read that proves it.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from shared.clients.pools import network

_HEADERS = {
    "Accept": "application/json",
    "Authorization": "Bearer bench",
    "Content-Type": "application/json",
    "x-ms-throttle-priority": "High",
}


@dataclass(frozen=True, slots=True)
class Sent:
    method: str
    path: str
    body: str

    def about(self, number: int, model: int) -> "Sent":
        """The same request about another identity."""
        old, new = f"{model:012d}", f"{number:012d}"
        return Sent(self.method, self.path.replace(old, new), self.body.replace(old, new))


def read_sent(kept: Sequence[str]) -> list[Sent]:
    return [Sent(*json.loads(each)) for each in kept]


def make_client(url: str) -> httpx.AsyncClient:
    """Over the same connections as Cordon: one large pool would be slower."""
    transport = network(httpx.create_ssl_context(trust_env=False))
    return httpx.AsyncClient(base_url=f"{url}/v1.0", headers=_HEADERS, trust_env=False, transport=transport, timeout=60)


async def contain(client: httpx.AsyncClient, requests: Sequence[Sent]) -> float:
    """Send one identity's requests in the order that is possible; gives when the last was answered."""
    first, *writes, last = requests
    await _send(client, first)
    await asyncio.gather(*(_send(client, each) for each in writes))
    await _send(client, last)
    return time.monotonic()


async def _send(client: httpx.AsyncClient, sent: Sent) -> None:
    answer = await client.request(sent.method, sent.path, content=sent.body or None)
    answer.raise_for_status()
