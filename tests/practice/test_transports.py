"""How real clients reach the tenant: credentials, and loopback with production URLs."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import pytest
import uvicorn
from azure.core.exceptions import ClientAuthenticationError, IncompleteReadError, ServiceResponseError
from azure.keyvault.certificates import CertificatePolicy
from azure.keyvault.certificates.aio import CertificateClient

from drill.practice import Behaviour, PracticeTenant
from drill.transports import PracticeCredential, RedirectTransport
from tests.practice.desk import GRAPH, PRINCIPAL, Desk, at_the_desk, payroll

SCOPE = f"{GRAPH}/.default"


def test_a_credential_keeps_its_token_until_shortly_before_it_expires() -> None:
    """One token an audience and a day; a claims challenge makes a new one at once."""

    async def story(desk: Desk) -> None:
        credential = PracticeCredential(desk.tenant, desk.tenant.cordon["executor"].client_id)
        first = await credential.get_token(SCOPE)
        await asyncio.sleep(86400 - 301)
        same = await credential.get_token(SCOPE)
        await asyncio.sleep(2)
        second = await credential.get_token(SCOPE)
        third = await credential.get_token_info(SCOPE, options={"claims": "{}"})
        vault = await credential.get_token("https://vault.azure.net/.default")

        assert same.token == first.token
        assert len({first.token, second.token, third.token, vault.token}) == 4
        assert second.expires_on == int(desk.tenant.now().timestamp()) + 86400

    at_the_desk(story)


def test_a_disabled_responder_gets_no_new_token() -> None:
    """Cordon's own identity can be hit like any other (limits D, fault 45)."""

    async def story(desk: Desk) -> None:
        own = desk.tenant.cordon["executor"]
        await desk.raw("PATCH", f"/servicePrincipals/{own.object_id}", {"accountEnabled": False})
        with pytest.raises(ClientAuthenticationError, match="7000112"):
            await PracticeCredential(desk.tenant, own.client_id).get_token(SCOPE)

    at_the_desk(story)


def test_a_token_does_not_show_itself() -> None:
    """repr of what the tenant keeps holds no token text (invariant I8)."""

    async def story(desk: Desk) -> None:
        token = desk.tenant.token_for(desk.tenant.cordon["reader"].client_id, SCOPE)
        assert not isinstance(token, int)

        assert token.text not in repr(token)
        assert token.text.encode() in desk.tenant.canaries

    at_the_desk(story)


@pytest.mark.parametrize(("kind", "error"), [("reset", ServiceResponseError), ("cut-body", IncompleteReadError)])
def test_broken_connections_look_as_azure_core_shows_them(kind: str, error: type[Exception]) -> None:
    """What AioHttpTransport raises for them is raised in process too."""

    async def story(desk: Desk) -> None:
        with pytest.raises(error):
            [each async for each in desk.certificates().list_properties_of_certificates()]

    at_the_desk(story, faults=[{"service": "vault", "match": "GET /certificates", "kind": kind}])


def test_calls_over_the_wire_are_counted_apart_from_what_a_batch_holds() -> None:
    """HTTP calls are the requests with in_batch False."""

    async def story(desk: Desk) -> None:
        await desk.batch(*({"id": str(n), "method": "GET", "url": f"/servicePrincipals/{PRINCIPAL}"} for n in range(3)))

        assert [each.in_batch for each in desk.tenant.requests].count(True) == 3
        assert [each.path for each in desk.tenant.requests if not each.in_batch] == ["/$batch"]

    at_the_desk(story)


# --- loopback --------------------------------------------------------------------------------------


@asynccontextmanager
async def served(tenant: PracticeTenant) -> AsyncGenerator[str]:
    """The tenant on a port of this machine."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(tenant.asgi, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        listener.close()


def now() -> datetime:
    return datetime.now(UTC)


@pytest.mark.anyio
async def test_a_vault_client_keeps_its_https_url_over_loopback() -> None:
    """X-Original-Host says which vault is meant; challenge verification stays on (Azure 3.1)."""
    tenant = PracticeTenant(payroll(), behaviour=Behaviour.gentle(), clock=now)
    credential = PracticeCredential(tenant, tenant.cordon["executor"].client_id)
    policy = CertificatePolicy(issuer_name="Self", subject="CN=x")

    async with served(tenant) as base:
        client = CertificateClient("https://handover.vault.azure.net", credential, transport=RedirectTransport(base))
        async with client:
            made = await client.create_certificate("c", policy)

    assert made.name == "c"
    assert [each["host"] for each in tenant.effects] == ["handover.vault.azure.net"]


@pytest.mark.anyio
async def test_graph_over_loopback_gives_next_links_that_stay_on_loopback() -> None:
    """A client that was pointed at 127.0.0.1 is not sent to the real Graph for the next page."""
    tenant = PracticeTenant(payroll(), behaviour=Behaviour.gentle(), clock=now)
    token = tenant.token_for(tenant.cordon["reader"].client_id, SCOPE)
    assert not isinstance(token, int)

    async with served(tenant) as base, httpx.AsyncClient(headers={"authorization": f"Bearer {token.text}"}) as client:
        first = (await client.get(f"{base}/v1.0/servicePrincipals?$top=3")).json()
        second = (await client.get(first["@odata.nextLink"])).json()

    assert first["@odata.nextLink"].startswith(base)
    assert len(first["value"]) + len(second["value"]) == 5


@pytest.mark.anyio
async def test_tokens_can_be_fetched_over_loopback() -> None:
    """By a managed identity's endpoint, and with a client secret; a wrong one is told its code."""
    tenant = PracticeTenant(payroll(), behaviour=Behaviour.gentle(), clock=now)
    own = tenant.cordon["reader"].client_id
    form = {"grant_type": "client_credentials", "client_id": own, "client_secret": "a guess", "scope": SCOPE}

    async with served(tenant) as base, httpx.AsyncClient() as client:
        managed = await client.get(f"{base}/msi/token", params={"resource": GRAPH, "client_id": own})
        guessed = await client.post(
            f"{base}/t/oauth2/v2.0/token", data=form, headers={"X-Original-Host": "login.microsoftonline.com"}
        )

    assert managed.json()["access_token"].encode() in tenant.canaries
    assert (guessed.status_code, guessed.json()["error_codes"]) == (401, [7000215])


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
