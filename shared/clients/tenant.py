"""Puts the clients together into a Tenant: reads through one identity, writes through another, one set of quotas."""

import asyncio
import gc
import logging
import ssl
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import httpx

from shared.clients.estate import make_estate
from shared.clients.feeds import GraphFeeds
from shared.clients.graph import GraphDirectory
from shared.clients.graph_http import GraphHttp
from shared.clients.graph_inventory import GraphInventory
from shared.clients.graph_rights import GraphRights
from shared.clients.identity_logs import make_identity_logs
from shared.clients.pacing import Pace, Pacing
from shared.clients.pools import network
from shared.clients.topic import EventGridTopic
from shared.clients.vault import KeyVaultHandover
from shared.clock import Clock
from shared.settings import ENDPOINTS, Cloud, Settings
from shared.tenant import Tenant

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.pipeline.transport import AsyncHttpTransport

# What the SDKs would import at the first call.
_LAZY = (
    "aiohttp",
    "azure.core.messaging",
    "azure.core.pipeline.transport",
    "azure.eventgrid.aio",
    "azure.identity.aio",
    "azure.keyvault.certificates.aio",
    "kiota_abstractions.authentication",
    "kiota_http.middleware",
    "kiota_abstractions.request_information",
    "msgraph.graph_request_adapter",
    "msgraph_core",
)
_YOUNG = 50_000  # objects that are made before the collector looks at them
# These write down each request (addresses, headers) at INFO or DEBUG, whatever we do.
_TALKATIVE = ("azure", "httpcore", "httpx", "kiota_http", "msal", "msgraph_core")


def make_tenant(
    settings: Settings,
    *,
    credential_for: "Callable[[str], AsyncTokenCredential]",
    graph_transport: httpx.AsyncBaseTransport | None,
    azure_transport: "Callable[[], AsyncHttpTransport[Any, Any]] | None",
    clock: Clock,
    random: Callable[[], float],
    pace: Pace | None = None,
) -> Tenant:
    """
    The tenant of the settings. Nothing is sent and no SDK is imported before the first call.

    A transport of None means the real network; a pace of None, that no other instance uses the same quotas.
    """
    quiet_logs()
    collect_seldom()
    pacing, transport = pace or Pacing(), _shared(graph_transport)
    cloud = settings.cloud.value if settings.cloud is Cloud.CHINA else None

    def graph(client_id: str) -> GraphHttp:
        return GraphHttp(
            settings.graph_url,
            credential_for(client_id),
            f"{ENDPOINTS[settings.cloud].graph}/.default",
            transport=transport,
            pacing=pacing,
            clock=clock,
            random=random,
        )

    reader = graph(settings.reader_client_id)
    executor = settings.executor_client_id
    writer = reader if executor == settings.reader_client_id else graph(executor) if executor else None
    azure = azure_transport or _azure_network
    maker = settings.rotator_client_id or executor
    logs = make_identity_logs(
        settings,
        credential_for(settings.reader_client_id),
        transport=azure,
        pacing=pacing,
        clock=clock,
        random=random,
    )
    return Tenant(
        directory=GraphDirectory(reader, writer, settings.tenant_id, cloud=cloud, logs=logs),
        feeds=GraphFeeds(reader, cloud=cloud, logs=logs),
        handover=KeyVaultHandover(
            settings.handover_vault, credential_for(maker), transport=azure, clock=clock, random=random
        )
        if settings.handover_vault and maker
        else None,
        publisher=EventGridTopic(
            settings.topic_endpoint,
            credential_for(executor or settings.reader_client_id),
            transport=azure,
            clock=clock,
            random=random,
        )
        if settings.topic_endpoint
        else None,
        rights=GraphRights(reader),
        inventory=GraphInventory(reader, settings.tenant_id),
        estate=make_estate(
            settings, credential_for=credential_for, transport=azure, pacing=pacing, clock=clock, random=random
        ),
    )


async def warm_up() -> None:
    """Import what the first call would import, so that the first incident does not wait for it."""
    for name in _LAZY:
        import_module(name)
        await asyncio.sleep(0)
    _tls()


def quiet_logs() -> None:
    """Keep the SDKs' own loggers to warnings."""
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def collect_seldom() -> None:
    """
    Work in hand is no garbage. Each identity has some 700 objects that the collector would go through again and again
    until it is contained, which took a tenth of the CPU; whatever is in no ring is freed at once without it.
    """
    young, *older = gc.get_threshold()
    if 0 < young < _YOUNG:  # 0: whoever runs this process has turned it off
        gc.set_threshold(_YOUNG, *older)


def _shared(transport: httpx.AsyncBaseTransport | None) -> Callable[[], httpx.AsyncBaseTransport]:
    return (lambda: transport) if transport is not None else _graph_network


def _graph_network() -> httpx.AsyncBaseTransport:
    return network(_tls())


@cache
def _tls() -> ssl.SSLContext:
    """Reading the certificates of all authorities takes tens of milliseconds."""
    return httpx.create_ssl_context(trust_env=False)


def _azure_network() -> "AsyncHttpTransport[Any, Any]":
    from shared.clients.one_attempt import OneAttempt

    return OneAttempt()
