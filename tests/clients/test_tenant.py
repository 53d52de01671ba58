"""The clients put together: which identity does what, nothing before the first call, and everything warm when asked."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from azure.core.credentials_async import AsyncTokenCredential

from drill.virtual_time import virtual_clock
from shared.case import PartName
from shared.clients.credentials import credential_for
from shared.clients.tenant import make_tenant, warm_up
from shared.identity import ClientId, IdentityRef, PrincipalId
from shared.settings import Cloud, Mode, Settings
from shared.tenant import Tenant
from tests.clients.fake_azure import FakeAzure, Said
from tests.clients.fake_graph import (
    CLIENT,
    PRINCIPAL,
    Credential,
    FakeGraph,
    application,
    directory_of,
    play,
    principal,
    seeded,
)

READER = "aaaaaaaa-0000-4000-8000-000000000001"
EXECUTOR = "aaaaaaaa-0000-4000-8000-000000000002"
ROTATOR = "aaaaaaaa-0000-4000-8000-000000000003"
SETTINGS = Settings(
    mode=Mode.ACT,
    tenant_id="11111111-2222-4333-8444-555555555555",
    cloud=Cloud.PUBLIC,
    policy=Path("policy.yaml"),
    store="tables",
    reader_client_id=READER,
    executor_client_id=EXECUTOR,
    rotator_client_id=ROTATOR,
    topic_endpoint="https://cordon.westeurope-1.eventgrid.azure.net/api/events",
    log_workspaces=(),
    handover_vault="https://handover.vault.azure.net",
    graph_url="https://graph.microsoft.com",
    arm_url="https://management.azure.com",
    logs_url="https://api.loganalytics.io",
    vault_url="https://vault.azure.net",
    login_url="https://login.microsoftonline.com",
)


class Wallet:
    """Remembers whose credential was asked for a token."""

    def __init__(self) -> None:
        self.credentials: dict[str, Credential] = {}

    def __call__(self, client_id: str) -> AsyncTokenCredential:
        return self.credentials.setdefault(client_id, Credential())  # type: ignore[return-value]

    def used(self) -> set[str]:
        return {client_id for client_id, credential in self.credentials.items() if credential.asked}


def tenant_of(settings: Settings, wallet: Wallet, graph: FakeGraph) -> Tenant:
    return make_tenant(
        settings,
        credential_for=wallet,
        graph_transport=httpx.MockTransport(graph),
        azure_transport=lambda: FakeAzure(lambda _: Said(200, {"value": []})),
        clock=virtual_clock().now,
        random=seeded(),
    )


def test_reads_and_writes_go_through_identities_of_their_own() -> None:
    """The executor is not used for looking, and the rotator only for the vault."""
    graph = FakeGraph(directory_of(principal(), application()))

    async def story() -> list[set[str]]:
        wallet, used = Wallet(), list[set[str]]()
        tenant = tenant_of(SETTINGS, wallet, graph)
        used.append(wallet.used())
        await tenant.directory.look(IdentityRef(client_id=ClientId(CLIENT)), frozenset({PartName.IDENTITY}))
        used.append(wallet.used())
        await tenant.directory.set_account_enabled(PrincipalId(PRINCIPAL), False)
        used.append(wallet.used())
        assert tenant.publisher is not None
        await tenant.publisher.publish("Cordon.Heartbeat", "cordon", "1", {})
        used.append(wallet.used())
        assert tenant.handover is not None
        await tenant.handover.find_certificate("cordon-1", "op")
        used.append(wallet.used())
        return used

    assert play(story) == [set(), {READER}, {READER, EXECUTOR}, {READER, EXECUTOR}, {READER, EXECUTOR, ROTATOR}]


def test_what_is_not_configured_is_not_there() -> None:
    """No vault and no topic mean None, not a client that fails later."""

    async def story() -> Tenant:
        bare = replace(SETTINGS, topic_endpoint=None, handover_vault=None, executor_client_id=None)
        return tenant_of(bare, Wallet(), FakeGraph(directory_of()))

    tenant = play(story)
    assert tenant.handover is None
    assert tenant.publisher is None


def test_one_identity_may_serve_for_all() -> None:
    """A small set-up names the same identity three times; then one token serves for reading and writing."""
    graph = FakeGraph(directory_of(principal(), application()))

    async def story() -> tuple[Wallet, Tenant]:
        wallet = Wallet()
        tenant = tenant_of(replace(SETTINGS, executor_client_id=READER, rotator_client_id=READER), wallet, graph)
        await tenant.directory.look(IdentityRef(client_id=ClientId(CLIENT)), frozenset({PartName.IDENTITY}))
        await tenant.directory.set_account_enabled(PrincipalId(PRINCIPAL), False)
        return wallet, tenant

    wallet, _ = play(story)
    assert len(wallet.credentials[READER].asked) == 1


def test_identity_protection_is_left_out_where_the_cloud_has_none() -> None:
    """The setting alone decides; nothing is tried."""
    graph = FakeGraph(directory_of(principal(), application()))

    async def story() -> None:
        tenant = tenant_of(replace(SETTINGS, cloud=Cloud.CHINA), Wallet(), graph)
        async for _ in tenant.feeds.risky_principals():
            pass

    with pytest.raises(Exception, match="china cloud does not offer this"):
        play(story)
    assert not graph.asked


_FRESH = """
import asyncio, sys
from shared.clients import tenant
heavy = "msgraph msgraph_core kiota_http azure.identity azure.keyvault.certificates azure.eventgrid aiohttp".split()
print(sorted(name for name in heavy if name in sys.modules))
asyncio.run(tenant.warm_up())
print(sorted(name for name in heavy if name in sys.modules))
"""


def test_no_sdk_is_imported_before_it_is_needed_and_all_of_them_by_a_warm_up() -> None:
    """Indexing the functions must not pay for msgraph; the first incident must not either."""
    told = subprocess.run([sys.executable, "-c", _FRESH], capture_output=True, text=True, check=True)  # noqa: S603
    before, after = told.stdout.splitlines()

    assert before == "[]"
    assert "msgraph" in after
    assert "azure.keyvault.certificates" in after
    assert "azure.eventgrid" in after


def test_warming_up_twice_is_harmless() -> None:
    """Each instance may be warmed by a timer and by its start."""
    play(warm_up)
    play(warm_up)


def test_a_managed_identity_is_used_where_azure_offers_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Azure sets IDENTITY_ENDPOINT; elsewhere whoever is signed in on the machine counts."""
    for name in ("IDENTITY_ENDPOINT", "MSI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    assert type(credential_for(READER)).__name__ == "DefaultAzureCredential"

    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:1/token")
    monkeypatch.setenv("IDENTITY_HEADER", "x")
    assert type(credential_for(READER)).__name__ == "ManagedIdentityCredential"
