"""
The directory of the benchmarks: as little work per request as possible, so that what is measured is the client.

The practice tenant is too careful for this: it checks every request. Here each identity is made when somebody
first asks for it: a service principal and its application, with two secrets and one certificate. All its ids end
in the same twelve digits, its number.

    python -m tests.benchmarks.stand_in SECONDS      serves on a free port of 127.0.0.1 and prints it

Each request takes SECONDS; the requests of a chained `$batch` are carried out one after the other and take
SECONDS each, those of any other `$batch` are carried out side by side.
"""

import asyncio
import base64
import json
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from aiohttp import web

JsonObject: TypeAlias = dict[str, Any]

TENANT_ID = "aaaaaaaa-0000-4000-8000-000000000001"
_START, _END = "2025-06-01T08:00:00Z", "2027-06-01T08:00:00Z"
_PUBLIC_PART = base64.b64encode(b"\x30" * 800).decode()  # DER begins with a sequence
_NUMBER = re.compile(r"([0-9a-f]{8})-0000-4000-8000-(\d{12})")
_CORDON = 0  # the number of Cordon's own identity: it is read once per deployment, and never changed


def principal_id(number: int) -> str:
    return f"10000000-0000-4000-8000-{number:012d}"


def client_id(number: int) -> str:
    return f"20000000-0000-4000-8000-{number:012d}"


def application_id(number: int) -> str:
    return f"30000000-0000-4000-8000-{number:012d}"


@dataclass(slots=True)
class Identity:
    """One workload: whether it may sign in, and the ids of what its application signs in with."""

    number: int
    enabled: bool = True
    secrets: list[str] = field(default_factory=list[str])
    certificates: list[JsonObject] = field(default_factory=list[JsonObject])

    def principal(self) -> JsonObject:
        """The service principal as Graph gives it, with all the properties that nobody asked for."""
        return {
            "id": principal_id(self.number),
            "appId": client_id(self.number),
            "accountEnabled": self.enabled,
            "alternativeNames": [],
            "appDescription": None,
            "appDisplayName": f"workload {self.number}",
            "appOwnerOrganizationId": TENANT_ID,
            "appRoleAssignmentRequired": False,
            "appRoles": [],
            "applicationTemplateId": None,
            "createdDateTime": _START,
            "deletedDateTime": None,
            "description": None,
            "disabledByMicrosoftStatus": None,
            "displayName": f"workload {self.number}",
            "homepage": None,
            "info": {"logoUrl": None, "marketingUrl": None, "privacyStatementUrl": None, "termsOfServiceUrl": None},
            "keyCredentials": [],
            "loginUrl": None,
            "logoutUrl": None,
            "notes": None,
            "notificationEmailAddresses": [],
            "oauth2PermissionScopes": [],
            "passwordCredentials": [],
            "preferredSingleSignOnMode": None,
            "preferredTokenSigningKeyThumbprint": None,
            "replyUrls": [],
            "resourceSpecificApplicationPermissions": [],
            "samlSingleSignOnSettings": None,
            "servicePrincipalNames": [client_id(self.number)],
            "servicePrincipalType": "Application",
            "signInAudience": "AzureADMyOrg",
            "tags": [],
            "tokenEncryptionKeyId": None,
            "verifiedPublisher": {"displayName": None, "verifiedPublisherId": None, "addedDateTime": None},
        }

    def application(self) -> JsonObject:
        return {
            "id": application_id(self.number),
            "appId": client_id(self.number),
            "displayName": f"workload {self.number}",
            "signInAudience": "AzureADMyOrg",
            "identifierUris": [],
            "createdDateTime": _START,
            "passwordCredentials": [_secret(key_id) for key_id in self.secrets],
            "keyCredentials": self.certificates,
            "requiredResourceAccess": [],
            "servicePrincipalLockConfiguration": None,
            "tokenEncryptionKeyId": None,
            "web": {"redirectUris": [], "homePageUrl": None, "logoutUrl": None},
        }


def _fresh(number: int) -> Identity:
    own = number == _CORDON
    secrets = [] if own else [f"4000000{n}-0000-4000-8000-{number:012d}" for n in (1, 2)]
    return Identity(number, secrets=secrets, certificates=[] if own else [_certificate(number)])


def _secret(key_id: str) -> JsonObject:
    named = {"displayName": "deploy", "hint": "abc", "secretText": None, "customKeyIdentifier": None}
    return {"keyId": key_id, "startDateTime": _START, "endDateTime": _END, **named}


def _certificate(number: int) -> JsonObject:
    return {
        "keyId": f"50000000-0000-4000-8000-{number:012d}",
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
        "displayName": "CN=deploy",
        "customKeyIdentifier": f"{number:040X}",
        "startDateTime": _START,
        "endDateTime": _END,
        "key": None,
    }


def _with_keys(application: JsonObject) -> JsonObject:
    """As `$select=id,keyCredentials` shows it: with the public part of each certificate, as large as a real one."""
    shown = [{**each, "key": _PUBLIC_PART} for each in application["keyCredentials"]]
    return {"id": application["id"], "keyCredentials": shown}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request, and how many of them had to wait for each other."""

    status: int
    body: JsonObject | None = None
    in_turn: int = 1


class Workloads:
    """The identities, and what was asked about them."""

    def __init__(self) -> None:
        self._known: dict[int, Identity] = {}
        self.calls: Counter[int] = Counter()  # HTTP calls by identity; a batch belongs to whom its first names
        self.finished: dict[str, float] = {}  # "disabled 7" -> when it was answered, by the monotonic clock
        self.kept: dict[str, list[str]] = {}  # identity -> its requests as they came, while `keeping`
        self.keeping = False

    def answer(self, method: str, path: str, body: bytes) -> tuple[Answer, list[str]]:
        """The answer, and which milestones it brings: to be told to `finish` when it goes out."""
        if "/$count" in path:
            return Answer(200, {"text": "100000"}), []
        content: JsonObject = json.loads(body) if body else {}
        number = _number_in(f"{path} {body.decode()}")
        self.calls[number] += 1
        if self.keeping:
            self.kept.setdefault(str(number), []).append(json.dumps([method, path, body.decode()]))
        if path != "/$batch":
            status, found = self._single(method, path, content)
            return Answer(status, found), _milestones(method, path, number)
        requests = cast("list[JsonObject]", content["requests"])
        chained = any("dependsOn" in each for each in requests)
        responses = [self._inner(each) for each in requests]
        milestones = [one for each in requests for one in _milestones(each["method"], each["url"], number)]
        return Answer(200, {"responses": responses}, len(requests) if chained else 1), milestones

    def finish(self, milestones: list[str]) -> None:
        for milestone in milestones:
            self.finished[milestone] = time.monotonic()

    def state(self, numbers: range) -> list[tuple[bool, int, int]]:
        """What is left of these identities: may it sign in, secrets, certificates."""
        found = [self._identity(number) for number in numbers]
        return [(each.enabled, len(each.secrets), len(each.certificates)) for each in found]

    def _inner(self, request: JsonObject) -> JsonObject:
        status, body = self._single(request["method"], request["url"], request.get("body", {}))
        return {"id": request["id"], "status": status, "headers": {"Content-Type": "application/json"}, "body": body}

    def _single(self, method: str, path: str, body: JsonObject) -> tuple[int, JsonObject | None]:
        identity = self._identity(_number_in(path))
        if method == "GET":
            return _read(identity, path)
        if "accountEnabled" in body:
            identity.enabled = body["accountEnabled"]
        if "keyCredentials" in body:
            identity.certificates = body["keyCredentials"]
        if path.endswith("/removePassword"):
            identity.secrets.remove(body["keyId"])
        return 204, None

    def _identity(self, number: int) -> Identity:
        if number not in self._known:
            self._known[number] = _fresh(number)
        return self._known[number]


_EMPTY_LISTS = (
    "/federatedIdentityCredentials",
    "/appRoleAssignments",
    "/oauth2PermissionGrants",
    "/roleAssignments",
    "/transitiveMemberOf",
)


# Graph's own principal, and what Cordon has been granted on it: what preflight reads before anything begins.
_GRAPH = "00000003-0000-0000-c000-000000000000"
_APP_ROLES: list[JsonObject] = [
    {"id": "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30", "value": "Application.Read.All"},
    {"id": "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9", "value": "Application.ReadWrite.All"},
]


def _granted() -> list[JsonObject]:
    return [{"appRoleId": role["id"], "resourceId": _GRAPH} for role in _APP_ROLES]


def _read(identity: Identity, path: str) -> tuple[int, JsonObject]:
    if _GRAPH in path:
        return 200, {"id": _GRAPH, "appRoles": _APP_ROLES}
    if "/appRoleAssignments" in path and identity.number == _CORDON:
        return 200, {"value": _granted()}
    if any(part in path for part in _EMPTY_LISTS):
        return 200, {"value": []}
    if path.startswith("/identityProtection/"):
        return 200, {"value": [_detection(identity.number)]}
    found = identity.application() if path.startswith("/applications") else identity.principal()
    if "$select=id,keyCredentials" in path:
        found = _with_keys(found)
    return 200, {"value": [found]} if "$filter" in path else found


def _detection(number: int) -> JsonObject:
    return {
        "id": f"70000000-0000-4000-8000-{number:012d}",
        "riskEventType": "leakedCredentials",
        "riskLevel": "high",
        "riskState": "atRisk",
        "riskDetail": "none",
        "servicePrincipalId": principal_id(number),
        "appId": client_id(number),
        "servicePrincipalDisplayName": f"workload {number}",
        "keyIds": [],
        "activityDateTime": "2026-03-02T02:58:00Z",
        "detectedDateTime": "2026-03-02T02:59:00Z",
        "lastUpdatedDateTime": "2026-03-02T02:59:00Z",
    }


def event(number: int) -> JsonObject:
    """An Event Grid event that brings the detection of this identity."""
    detection = _detection(number)
    return {"type": "Cordon.Signal.RiskDetection", "id": detection["id"], "source": "bench", "data": detection}


def _number_in(text: str) -> int:
    found = _NUMBER.search(text)
    return int(found.group(2)) if found else _CORDON


def _milestones(method: str, path: str, number: int) -> list[str]:
    if method == "PATCH" and path.startswith("/servicePrincipals/"):
        return [f"disabled {number}"]
    return [f"credentials gone {number}"] if method != "GET" and path.startswith("/applications/") else []


# --- its own process -------------------------------------------------------------------------------


class Server:
    """The same over HTTP/1.1 on this machine, with the time that a request takes."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._workloads = Workloads()

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/v1.0/{rest:.*}", self._graph)
        app.router.add_get("/told", self._told)
        app.router.add_get("/state/{first}/{count}", self._state)
        app.router.add_post("/keep/{on}", self._keep)
        return app

    async def _graph(self, request: web.Request) -> web.Response:
        body = await request.read()
        answer, milestones = self._workloads.answer(request.method, request.raw_path.removeprefix("/v1.0"), body)
        await asyncio.sleep(self._seconds * answer.in_turn)
        self._workloads.finish(milestones)
        if answer.body is None:
            return web.Response(status=answer.status)
        if "text" in answer.body:
            return web.Response(text=answer.body["text"])
        return web.Response(
            status=answer.status, body=json.dumps(answer.body).encode(), content_type="application/json"
        )

    async def _told(self, _: web.Request) -> web.Response:
        """What was counted and when what was done; then everything is forgotten but the identities."""
        told = self._workloads
        answer = {"calls": dict(told.calls), "finished": told.finished, "kept": told.kept}
        told.calls, told.finished, told.kept = Counter(), {}, {}
        return web.json_response(answer)

    async def _state(self, request: web.Request) -> web.Response:
        first, count = int(request.match_info["first"]), int(request.match_info["count"])
        return web.json_response(self._workloads.state(range(first, first + count)))

    async def _keep(self, request: web.Request) -> web.Response:
        self._workloads.keeping = request.match_info["on"] == "on"
        return web.Response(status=204)


async def serve(seconds: float) -> None:
    """Until nobody holds our standard input open any more."""
    runner = web.AppRunner(Server(seconds).application(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.buffer.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1])))
