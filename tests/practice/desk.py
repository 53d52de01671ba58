"""A desk to work at: the practice tenant under virtual time, and real SDK clients that talk to it."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlsplit

import httpx
from azure.keyvault.certificates.aio import CertificateClient
from azure.keyvault.secrets.aio import SecretClient
from kiota_abstractions.method import Method
from kiota_abstractions.request_information import RequestInformation
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from kiota_http.middleware.options import RetryHandlerOption
from msgraph.generated.models.o_data_errors.o_data_error import ODataError  # type: ignore[reportMissingTypeStubs]
from msgraph.graph_request_adapter import GraphRequestAdapter
from msgraph.graph_service_client import GraphServiceClient
from msgraph_core import GraphClientFactory  # type: ignore[reportMissingTypeStubs]

from drill.practice import Behaviour, PracticeTenant
from drill.transports import PracticeAzureTransport, PracticeCredential, PracticeHttpxTransport
from drill.virtual_time import run, virtual_clock

T = TypeVar("T")
JsonObject: TypeAlias = dict[str, Any]

START = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
GRAPH = "https://graph.microsoft.com"
APP_ID = "0a0a0a0a-0000-4000-8000-00000000aaaa"
APPLICATION = "0b0b0b0b-0000-4000-8000-00000000bbbb"
PRINCIPAL = "0c0c0c0c-0000-4000-8000-00000000cccc"
SECRET = "0d0d0d0d-0000-4000-8000-00000000dddd"
CERTIFICATE = "0e0e0e0e-0000-4000-8000-00000000eeee"
FEDERATED = "0f0f0f0f-0000-4000-8000-00000000ffff"


def payroll(**more: Any) -> JsonObject:
    """A tenant with one application of its own that has a secret, a certificate and a federated credential."""
    return {
        "id": "11111111-2222-4333-8444-555555555555",
        "applications": [
            {
                "id": APPLICATION,
                "appId": APP_ID,
                "displayName": "payroll-sync",
                "passwordCredentials": [{"keyId": SECRET, "displayName": "ci"}],
                "keyCredentials": [{"keyId": CERTIFICATE, "displayName": "old"}],
                **more.pop("application", {}),
            }
        ],
        "servicePrincipals": [
            {"id": PRINCIPAL, "appId": APP_ID, **more.pop("principal", {})},
            *more.pop("principals", []),
        ],
        "federatedIdentityCredentials": {
            APPLICATION: [
                {"id": FEDERATED, "name": "github", "issuer": "https://issuer.example", "subject": "repo:a/b"}
            ]
        },
        **more,
    }


@dataclass(frozen=True, slots=True)
class Reply:
    """What a client got: the status, the body, the headers (lower case names)."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])


class Desk:
    """The tenant, and ways to talk to it as one of Cordon's identities."""

    def __init__(self, tenant: PracticeTenant) -> None:
        self.tenant = tenant
        self._http = httpx.AsyncClient(transport=PracticeHttpxTransport(tenant.asgi))

    async def raw(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        role: str = "executor",
        token: str | None = None,
        **headers: str,
    ) -> Reply:
        """One plain request to Graph; a path without a version is v1.0. Headers in snake case."""
        text = token if token is not None else self.token(role)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        url = path if path.startswith("https:") else GRAPH + (path if path.startswith("/beta") else f"/v1.0{path}")
        answer = await self._http.request(
            method,
            url,
            content=None if body is None else json.dumps(body).encode(),
            headers={"authorization": f"Bearer {text}", "content-type": "application/json", **sent},
        )
        is_json = "json" in answer.headers.get("content-type", "")
        return Reply(answer.status_code, answer.json() if is_json else answer.content, answer.headers)

    def token(self, role: str, scope: str = f"{GRAPH}/.default") -> str:
        """A fresh token for one of Cordon's identities; all of them have every permission of the tests."""
        token = self.tenant.token_for(self.tenant.cordon[role].client_id, scope)
        assert not isinstance(token, int)
        return token.text

    async def batch(self, *requests: JsonObject, role: str = "executor") -> dict[str, JsonObject]:
        """The inner answers of a $batch by id."""
        reply = await self.raw("POST", "/$batch", {"requests": list(requests)}, role=role)
        assert reply.status == 200, reply
        return {each["id"]: each for each in reply.body["responses"]}

    def principal(self, object_id: str = PRINCIPAL) -> JsonObject:
        """The truth about a service principal, whatever replicas show."""
        found = self.tenant.snapshot()["tenant"]["servicePrincipals"]
        return next(each for each in found if each["id"] == object_id)

    def application(self, object_id: str = APPLICATION) -> JsonObject:
        found = self.tenant.snapshot()["tenant"]["applications"]
        return next(each for each in found if each["id"] == object_id)

    def graph(self, role: str = "executor") -> "RealGraph":
        return RealGraph(self.tenant, role)

    def certificates(self, role: str = "executor", vault: str = "handover") -> CertificateClient:
        credential = PracticeCredential(self.tenant, self.tenant.cordon[role].client_id)
        transport = PracticeAzureTransport(self.tenant.asgi)
        return CertificateClient(f"https://{vault}.vault.azure.net", credential, transport=transport, retry_total=0)

    def secrets(self, role: str = "executor", vault: str = "handover") -> SecretClient:
        credential = PracticeCredential(self.tenant, self.tenant.cordon[role].client_id)
        transport = PracticeAzureTransport(self.tenant.asgi)
        return SecretClient(f"https://{vault}.vault.azure.net", credential, transport=transport, retry_total=0)


class RealGraph:
    """msgraph-sdk as Cordon uses it: its builders and its transport, raw bytes, no retries."""

    def __init__(self, tenant: PracticeTenant, role: str) -> None:
        credential = PracticeCredential(tenant, tenant.cordon[role].client_id)
        provider = AzureIdentityAuthenticationProvider(
            credential, scopes=[f"{GRAPH}/.default"], allowed_hosts=[urlsplit(GRAPH).netloc]
        )
        http = GraphClientFactory.create_with_default_middleware(
            client=httpx.AsyncClient(transport=PracticeHttpxTransport(tenant.asgi), timeout=10.0),
            options={RetryHandlerOption.get_key(): RetryHandlerOption(max_retries=0)},
        )
        self._adapter = GraphRequestAdapter(provider, client=http)
        self._adapter.base_url = f"{GRAPH}/v1.0"
        self.builders = GraphServiceClient(request_adapter=self._adapter)

    async def get(self, builder: Any) -> JsonObject:
        """The JSON that the builder's GET brings."""
        return json.loads(await self._bytes(builder.to_get_request_information()))

    async def patch(self, builder: Any, body: object) -> None:
        request = RequestInformation(Method.PATCH, builder.url_template, builder.path_parameters)
        request.set_stream_content(json.dumps(body).encode(), "application/json")
        await self._adapter.send_no_response_content_async(request, {"XXX": ODataError})

    async def pages(self, builder: Any) -> list[JsonObject]:
        """All pages of a list, following @odata.nextLink as it comes."""
        pages = [await self.get(builder)]
        while "@odata.nextLink" in pages[-1]:
            pages.append(await self.get(builder.with_url(pages[-1]["@odata.nextLink"])))
        return pages

    async def _bytes(self, request: RequestInformation) -> bytes:
        return await self._adapter.send_primitive_async(request, "bytes", {"XXX": ODataError})  # type: ignore[return-value]


def at_the_desk(
    story: Callable[[Desk], Awaitable[T]],
    tenant: JsonObject | None = None,
    *,
    behaviour: Behaviour | None = None,
    seed: int = 1,
    **parts: Any,
) -> T:
    """Play a story at a desk, under virtual time. Unless told otherwise the tenant is on its best behaviour."""

    async def main() -> T:
        given = tenant or payroll()
        given.setdefault("permissions", {"executor": EVERYTHING, "reader": EVERYTHING})
        chosen = behaviour or Behaviour.gentle()
        return await story(Desk(PracticeTenant(given, behaviour=chosen, clock=virtual_clock().now, seed=seed, **parts)))

    return run(main, start=START)


EVERYTHING = [
    "AppRoleAssignment.ReadWrite.All",
    "Application.ReadWrite.All",
    "AuditLog.Read.All",
    "DelegatedPermissionGrant.ReadWrite.All",
    "Directory.Read.All",
    "IdentityRiskEvent.Read.All",
    "IdentityRiskyServicePrincipal.ReadWrite.All",
    "Organization.Read.All",
    "Policy.Read.All",
    "Policy.ReadWrite.ConditionalAccess",
    "RoleManagement.ReadWrite.Directory",
]
