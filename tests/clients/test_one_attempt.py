"""What may not be sent twice goes out once, also below the SDK, against a server on this machine that hangs up."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import HttpRequest

from shared.clients.azure_http import never_left
from shared.clients.one_attempt import OneAttempt

pytestmark = pytest.mark.anyio


async def sent_to_a_server_that_hangs_up(transport: Callable[[], AioHttpTransport]) -> tuple[int, Exception]:
    """How often a PUT reached it, whole, and what its sender met."""
    arrived = 0

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal arrived
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(len(b'{"value": "x"}'))
        arrived += 1
        writer.transport.abort()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/secrets/db"
    async with server, transport() as sender:
        with pytest.raises(ServiceRequestError) as met:
            await sender.send(HttpRequest("PUT", url, json={"value": "x"}))
    return arrived, met.value


async def test_a_put_is_sent_once_although_the_server_hangs_up() -> None:
    """It may have been carried out: a second one would store a second version of the secret."""
    arrived, met = await sent_to_a_server_that_hangs_up(OneAttempt)

    assert arrived == 1
    assert not never_left(met)


async def test_azure_cores_own_transport_sends_it_twice() -> None:
    """Why there is another one. Where this fails, aiohttp does so no more."""
    arrived, _ = await sent_to_a_server_that_hangs_up(AioHttpTransport)

    assert arrived == 2


async def test_the_network_to_azure_is_of_that_kind() -> None:
    """Whoever names no transport of his own gets this one."""
    from shared.clients import tenant

    made: Any = tenant._azure_network()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

    assert isinstance(made, OneAttempt)
