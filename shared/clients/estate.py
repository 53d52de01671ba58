"""
Azure around the directory, made when it is first asked for something: most processes never look into a vault, and
what that takes would be a tenth of their start.
"""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast
from urllib.parse import urlsplit

from shared.clients.pacing import Pace
from shared.clock import Clock
from shared.estate import Access, Estate, SecretVaults, Sources, VaultLogs
from shared.settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.pipeline.transport import AsyncHttpTransport

T = TypeVar("T")


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

    access: Access = _later(lambda: whole().access)
    vaults: SecretVaults = _later(lambda: whole().vaults)
    sources: Sources = _later(lambda: whole().sources)
    logs: VaultLogs | None = _later(lambda: cast("VaultLogs", whole().logs)) if settings.log_workspaces else None
    return Estate(access, vaults, sources, logs, _name_of(settings.handover_vault))


def _later(make: Callable[[], T]) -> T:
    """Something that is made when one of its methods is first asked for."""
    return cast("T", _Later(make))


class _Later(Generic[T]):
    """Stands in front of what it makes, and passes everything on."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make

    def __getattr__(self, name: str) -> object:
        return getattr(self._make(), name)


def _name_of(vault_url: str | None) -> str | None:
    """NAME of https://NAME.DOMAIN."""
    return (urlsplit(vault_url).hostname or "").partition(".")[0] if vault_url else None
