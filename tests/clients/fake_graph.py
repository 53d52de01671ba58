"""A Microsoft Graph of a few lines: a function from request to answer, below the real SDK and the real retries."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from types import TracebackType
from typing import Any, TypeAlias, TypeVar

import httpx
from azure.core.credentials import AccessToken

from drill.virtual_time import run, virtual_clock
from shared.clients.feeds import GraphFeeds
from shared.clients.graph import GraphDirectory
from shared.clients.graph_http import GraphHttp
from shared.clients.pacing import Pacing
from shared.tenant import WriteResult

T = TypeVar("T")
Json: TypeAlias = dict[str, Any]

START = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
GRAPH = "https://graph.microsoft.com"
TENANT = "11111111-2222-4333-8444-555555555555"
CLIENT = "0a0a0a0a-0000-4000-8000-00000000aaaa"
APPLICATION = "0b0b0b0b-0000-4000-8000-00000000bbbb"
PRINCIPAL = "0c0c0c0c-0000-4000-8000-00000000cccc"
SECRET = "0d0d0d0d-0000-4000-8000-00000000dddd"
OTHER = "0e0e0e0e-0000-4000-8000-00000000eeee"
TOKEN = "eyJhbGciOi1.canary0f7a3c9e4b2d8615canary.signature9f"


@dataclass(slots=True)
class Asked:
    """One request as it arrived, an inner one of a batch too."""

    at: float
    method: str
    path: str  # with query, without the version
    headers: Mapping[str, str]
    body: Any
    in_batch: bool = False


@dataclass(slots=True)
class Credential:
    """Hands out numbered tokens and remembers what it was asked for."""

    lifetime: float = 3600.0
    asked: list[str | None] = field(default_factory=list[str | None])  # the claims of each request

    async def get_token(self, *_: str, claims: str | None = None, **__: object) -> AccessToken:
        self.asked.append(claims)
        return AccessToken(f"{TOKEN}{len(self.asked)}", int(virtual_clock().now().timestamp() + self.lifetime))

    async def close(self) -> None: ...

    async def __aenter__(self) -> "Credential":
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None: ...


Answering: TypeAlias = Callable[[Asked], httpx.Response | Exception]


class FakeGraph:
    """
    Answers each request by `answer`, and each `$batch` by asking `answer` for its parts.

    In a chain, what follows a failed request is 424, as with the real one. `spoil` may rewrite the list of
    inner answers.
    """

    def __init__(self, answer: Answering, spoil: Callable[[list[Json]], object] | None = None) -> None:
        self._answer, self._spoil = answer, spoil
        self.asked: list[Asked] = []  # inner requests of batches instead of the batches
        self.exchanges: list[str] = []  # paths of what was sent, batches as one
        self.chains: list[list[object]] = []  # of each batch, what its requests depend on
        self.credential = Credential()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else None
        path = request.url.raw_path.decode().removeprefix("/v1.0").replace("%20", " ")
        self.exchanges.append(path)
        headers = dict(request.headers)
        asked = Asked(virtual_clock().elapsed, request.method, path, headers, body)
        if path == "/$batch":
            return self._batch(asked)
        return self._one(asked)

    def _one(self, asked: Asked) -> httpx.Response:
        self.asked.append(asked)
        answer = self._answer(asked)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _batch(self, outer: Asked) -> httpx.Response:
        self.chains.append([each.get("dependsOn") for each in outer.body["requests"]])
        failed: set[str] = set()
        inner: list[Json] = []
        for each in outer.body["requests"]:
            if failed & set(each.get("dependsOn", ())):
                answer = error(424, "FailedDependency")
            else:
                path = each["url"].replace("%20", " ")
                headers = {name.lower(): value for name, value in each.get("headers", {}).items()}
                answer = self._one(Asked(outer.at, each["method"], path, headers, each.get("body"), in_batch=True))
            if answer.status_code >= 400:
                failed.add(each["id"])
            content = answer.json() if answer.content else None
            inner.append(
                {"id": each["id"], "status": answer.status_code, "headers": dict(answer.headers), "body": content}
            )
        responses = self._spoil(inner) if self._spoil else inner
        return httpx.Response(200, json={"responses": responses})

    def http(self, url: str = GRAPH, **more: Any) -> GraphHttp:
        return GraphHttp(
            url,
            self.credential,
            "https://graph.microsoft.com/.default",
            transport=lambda: httpx.MockTransport(self),
            pacing=Pacing(),
            clock=virtual_clock().now,
            random=seeded(),
            **more,
        )

    def directory(self, **more: Any) -> GraphDirectory:
        http = self.http()
        return GraphDirectory(http, http, TENANT, **more)

    def feeds(self, **more: Any) -> GraphFeeds:
        return GraphFeeds(self.http(), **more)


def seeded() -> Callable[[], float]:
    """The randomness of a test: the same each time."""
    return Random(1).random  # noqa: S311


def play(story: Callable[[], Awaitable[T]]) -> T:
    """Play a story under virtual time: waiting costs nothing."""
    return run(story, start=START)


def ok(body: object = None, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=body) if body is not None else httpx.Response(204)


def page(*records: object, next: str | None = None, **more: object) -> httpx.Response:
    link = {"@odata.nextLink": next} if next else {}
    return ok({"value": list(records), **link, **more})


def error(status: int, code: str = "", message: str = "", **headers: str) -> httpx.Response:
    body = {
        "error": {
            "code": code,
            "message": message,
            "innerError": {"request-id": "5afe5afe-0000-4000-8000-000000000001"},
        }
    }
    return httpx.Response(status, json=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


def in_turn(*answers: httpx.Response | Exception) -> Answering:
    """One answer after the other; the last one again and again."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def principal(**more: object) -> Json:
    return {
        "id": PRINCIPAL,
        "appId": CLIENT,
        "displayName": "payroll-sync",
        "accountEnabled": True,
        "servicePrincipalType": "Application",
        "appOwnerOrganizationId": TENANT,
        "signInAudience": "AzureADMyOrg",
        "passwordCredentials": [],
        "keyCredentials": [],
        **more,
    }


def application(**more: object) -> Json:
    return {
        "id": APPLICATION,
        "appId": CLIENT,
        "displayName": "payroll-sync",
        "signInAudience": "AzureADMyOrg",
        "passwordCredentials": [{"keyId": SECRET, "displayName": "ci", "endDateTime": "2027-01-01T00:00:00.1234567Z"}],
        "keyCredentials": [],
        **more,
    }


def directory_of(
    sp: Json | None = None, app: Json | None = None, federated: Sequence[Json] = (), others: Sequence[Json] = ()
) -> Answering:
    """A directory with one service principal and its application, either of which may be missing."""

    def answer(asked: Asked) -> httpx.Response:
        path, _, query = asked.path.partition("?")
        if path.endswith("/federatedIdentityCredentials"):
            return page(*(federated if path.startswith("/applications") else ()))
        shown = sp if path.startswith("/servicePrincipals") else app if path.startswith("/applications") else None
        if query:
            return page(*((shown,) if shown else ()), *(others if shown is sp else ()))
        return ok(shown) if shown else error(404, "Request_ResourceNotFound", "Resource does not exist.")

    return answer


def names(results: Sequence[WriteResult]) -> list[str]:
    return [type(each).__name__ for each in results]
