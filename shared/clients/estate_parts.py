"""Puts the clients of Azure around the directory together: the reader looks, the executor cuts, the rotator rotates."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from shared.clients.access import AzureAccess
from shared.clients.arm import Arm
from shared.clients.azure_http import AzureHttp
from shared.clients.buckets import Buckets
from shared.clients.pacing import Pace
from shared.clients.resource_graph import ResourceGraph
from shared.clients.secret_vaults import KeyVaultSecrets
from shared.clients.sources import AzureSources
from shared.clients.vault_logs import LogAnalytics
from shared.clients.workspaces import Workspaces
from shared.clock import Clock
from shared.estate import Estate
from shared.settings import ENDPOINTS, Settings

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.pipeline.transport import AsyncHttpTransport


def build_estate(
    settings: Settings,
    rotator: str,
    *,
    credential_for: "Callable[[str], AsyncTokenCredential]",
    transport: "Callable[[], AsyncHttpTransport[Any, Any]]",
    pacing: Pace,
    clock: Clock,
    random: Callable[[], float],
) -> Estate:
    """
    The estate of the settings, whose rotator is `rotator`. `pacing` is shared with other instances: it keeps the quotas
    that count for a whole identity or vault. Resource Manager's buckets are kept by each process for itself.
    """
    executor = settings.executor_client_id
    endpoints = ENDPOINTS[settings.cloud]

    def http(client_id: str, url: str, audience: str, pace: Pace) -> AzureHttp:
        return AzureHttp(
            url,
            credential_for(client_id),
            f"{audience}/.default",
            transport=transport,
            pacing=pace,
            clock=clock,
            random=random,
        )

    def arm(client_id: str) -> Arm:
        return Arm(http(client_id, settings.arm_url, endpoints.arm, Buckets()))

    reader = settings.reader_client_id
    graph = ResourceGraph(http(reader, settings.arm_url, endpoints.arm, pacing))
    ids = settings.log_workspaces
    workspaces = Workspaces(http(reader, settings.logs_url, endpoints.logs, pacing), ids) if ids else None
    return Estate(
        access=AzureAccess(graph, arm(reader), arm(executor) if executor else None, settings.tenant_id, workspaces),
        vaults=KeyVaultSecrets(
            settings.vault_domain,
            credential_for(rotator),
            transport=transport,
            pacing=pacing,
            clock=clock,
            random=random,
        ),
        sources=AzureSources(arm(rotator), graph, clock),
        logs=LogAnalytics(workspaces) if workspaces else None,
    )
