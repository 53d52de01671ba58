"""The estate's real clients at the practice tenant, under virtual time."""

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, TypeVar

from drill.practice import Behaviour, PracticeTenant
from drill.practice.asgi import AsgiApp
from drill.transports import PracticeAzureTransport, PracticeCredential
from drill.virtual_time import virtual_clock
from shared.case import CouldNotLook, Known, Part
from shared.clients.estate import make_estate
from shared.clients.pacing import Pacing
from shared.estate import Estate
from shared.settings import Settings
from tests.practice.desk import Desk, at_the_desk

T = TypeVar("T")
SUBSCRIPTION = "33333333-2222-4333-8444-555555555555"
OTHER_SUBSCRIPTION = "33333333-3333-4333-8444-555555555555"
GROUP = "0a0a0a0a-2222-4333-8444-555555555555"
OUTER = "0a0a0a0a-3333-4333-8444-555555555555"


def vault_id(name: str, subscription: str = SUBSCRIPTION) -> str:
    return f"/subscriptions/{subscription}/resourcegroups/practice/providers/microsoft.keyvault/vaults/{name}"


def source_id(kind: str, name: str) -> str:
    return f"/subscriptions/{SUBSCRIPTION}/resourcegroups/practice/providers/{kind}/{name}"


def settings_for(tenant: PracticeTenant, **more: str) -> Settings:
    environ = {
        "CORDON_MODE": "act",
        "CORDON_TENANT_ID": tenant.state.id,
        "CORDON_POLICY": "policies/default.yaml",
        "CORDON_STORE": "sqlite:unused.db",
        "CORDON_LOG_WORKSPACES": ",".join(tenant.workspaces),
        **{f"CORDON_{role.upper()}_CLIENT_ID": each.client_id for role, each in tenant.cordon.items()},
        **more,
    }
    return Settings.read({name: value for name, value in environ.items() if value})


def estate_of(
    tenant: PracticeTenant,
    app: AsgiApp | None = None,
    transport: PracticeAzureTransport | None = None,
    **settings: str,
) -> Estate:
    """Everything as it is wired in Azure, but for the network; all clients share `transport`, if it is given."""
    made = make_estate(
        settings_for(tenant, **settings),
        credential_for=lambda client_id: PracticeCredential(tenant, client_id),
        transport=lambda: transport or PracticeAzureTransport(app or tenant.asgi),
        pacing=Pacing(),
        clock=virtual_clock().now,
        random=Random(1).random,  # noqa: S311 - a test's dice
    )
    assert made is not None
    return made


def with_estate(
    story: Callable[[Estate, Desk], Awaitable[T]],
    azure: dict[str, Any],
    *,
    behaviour: Behaviour | None = None,
    tenant: dict[str, Any] | None = None,
    **parts: Any,
) -> T:
    """Play a story with the estate, on the practice tenant's best behaviour unless told otherwise."""

    async def play(desk: Desk) -> T:
        return await story(estate_of(desk.tenant), desk)

    return at_the_desk(play, tenant, behaviour=behaviour, azure=azure, **parts)


def known(part: Part[T]) -> T:
    assert isinstance(part, Known), part
    return part.value


def why_not(part: Part[T]) -> str:
    assert isinstance(part, CouldNotLook), part
    return part.why
