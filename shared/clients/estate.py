"""
Azure around the directory, made when it is first asked for something: most processes never look into a vault, and
what that takes would be a tenth of their start.
"""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from shared.clients.later import later
from shared.clients.pacing import Pace
from shared.clock import Clock
from shared.estate import Access, Estate, SecretVaults, Sources, VaultLogs
from shared.settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.pipeline.transport import AsyncHttpTransport


def make_estate(
    settings: Settings,
    *,
    credential_for: "Callable[[str], AsyncTokenCredential]",
    transport: "Callable[[], AsyncHttpTransport[Any, Any]]",
    pacing: Pace,
    clock: Clock,
    random: Callable[[], float],
) -> Estate | None:
    """The estate of the settings; None without a rotator."""
    rotator = settings.rotator_client_id
    if rotator is None:
        return None

    @cache
    def whole() -> Estate:
        from shared.clients.estate_parts import build_estate

        return build_estate(
            settings,
            rotator,
            credential_for=credential_for,
            transport=transport,
            pacing=pacing,
            clock=clock,
            random=random,
        )

    access: Access = later(lambda: whole().access)
    vaults: SecretVaults = later(lambda: whole().vaults)
    sources: Sources = later(lambda: whole().sources)
    logs: VaultLogs | None = later(lambda: cast("VaultLogs", whole().logs)) if settings.log_workspaces else None
    return Estate(access, vaults, sources, logs, _name_of(settings.handover_vault))


def _name_of(vault_url: str | None) -> str | None:
    """NAME of https://NAME.DOMAIN."""
    return (urlsplit(vault_url).hostname or "").partition(".")[0] if vault_url else None
