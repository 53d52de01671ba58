"""How a vault lets callers in (challenge, then roles or policies), throttles, refuses and logs (facts: azure 3)."""

import math
import re

from drill.practice.shapes import JsonObject, fine_time
from drill.practice.state import TenantState
from drill.practice.throttle import Bucket
from drill.practice.tokens import VAULT
from drill.practice.vault import certificates, secrets
from drill.practice.vault.access import require
from drill.practice.vault.bundles import vault_at
from drill.practice.web import Answer, Refusal, Request, Route, RoutingTable

ROUTES: tuple[Route[TenantState], ...] = (*certificates.ROUTES, *secrets.ROUTES)
_API_VERSION = re.compile(r"7\.\d(-preview\.\d)?|20\d\d-\d\d-\d\d(-preview)?")
_WINDOW = 10.0  # seconds; facts: azure 3.2
_SUBSCRIPTION_TIMES = 5  # all vaults of a subscription and region together


class VaultGate:
    """See service.Gate."""

    name = "vault"

    def __init__(self, state: TenantState) -> None:
        behaviour = state.behaviour
        self._limits = {
            "creations": behaviour.vault_creations_per_10_seconds,
            "transactions": behaviour.vault_transactions_per_10_seconds,
        }
        self.routes = RoutingTable(ROUTES)
        self._buckets: dict[tuple[str, str], Bucket] = {}

    def authenticate(self, state: TenantState, request: Request) -> None:
        """Without a good token: 401 and the challenge that tells where to get one."""
        token = state.tokens.find(request.headers.get("authorization", "").removeprefix("Bearer "))
        if token is None or token.audience != VAULT or token.expires_at <= state.now:
            challenge = f'Bearer authorization="https://login.microsoftonline.com/{state.id}", resource="{VAULT}"'
            raise Refusal(
                401,
                "Unauthorized",
                "AKV10000: Request is missing a Bearer or PoP token.",
                headers={"www-authenticate": challenge},
            )
        request.by, request.principal_id, request.app_id = token.by, token.principal_id, token.app_id

    def find(self, state: TenantState, request: Request) -> tuple[Route[TenantState], dict[str, str]]:
        del state
        if not _API_VERSION.fullmatch(request.query.get("api-version", "")):
            raise Refusal(400, "BadParameter", "AKV10006: A valid api-version is required.")
        found = self.routes.find(request.method, request.path.rstrip("/"))
        if found:
            return found
        if self.routes.matches(request.path.rstrip("/")):
            raise Refusal(405, "MethodNotAllowed", "The method is not allowed here.")
        raise Refusal(404, "NotFound", "The path does not correspond to any resource.")

    def authorise(
        self, state: TenantState, request: Request, route: Route[TenantState], parameters: dict[str, str]
    ) -> None:
        vault = vault_at(state, request)
        if vault.firewalled:
            message = "Client address is not authorized and caller is not a trusted service."
            raise Refusal(403, "Forbidden", message, inner_code="ForbiddenByFirewall")
        kind, name = route.segments[0].removeprefix("deleted"), parameters.get("name")
        place = f"{vault.resource_id}/{kind}/{name}" if name else vault.resource_id
        for action in route.permissions:
            require(state, request, vault, action, place)

    def throttle(self, state: TenantState, request: Request, route: Route[TenantState]) -> dict[str, str]:
        if not state.behaviour.throttling:
            return {}
        subscription = vault_at(state, request).subscription
        for name in route.buckets:
            self._spend(state, (request.host, name), 1)
            self._spend(state, (subscription, name), _SUBSCRIPTION_TIMES)
        return {}

    def _spend(self, state: TenantState, key: tuple[str, str], times: int) -> None:
        if key not in self._buckets:
            self._buckets[key] = Bucket(self._limits[key[1]] * times, _WINDOW)
        wait = self._buckets[key].spend(state.elapsed)
        if wait is not None:
            message = "Request was not processed because too many requests were received."
            raise Refusal(429, "Throttled", message, headers={"retry-after": str(max(1, math.ceil(wait)))})

    def observe(self, state: TenantState, request: Request, status: int | None) -> None:
        """One AuditEvent a request, if this vault has diagnostics; requestUri carries port 8443 (facts: azure 3.4)."""
        vault = state.vaults.get(request.host.split(".")[0])
        if vault is None or not vault.workspaces(state.now):
            return
        record: JsonObject = {
            "id": state.chance.guid("vault log"),
            "time": fine_time(state.now),
            "category": "AuditEvent",
            "resourceId": vault.resource_id.upper(),
            "operationName": request.operation or "Authentication",
            "resultSignature": _SIGNATURES.get(status or 0, "OK"),
            "callerIpAddress": request.address,
            "identity": {"claim": {"appid": request.app_id, "oid": request.principal_id}},
            "properties": {
                "clientInfo": request.headers.get("user-agent", ""),
                "requestUri": f"https://{request.host}:8443{request.path}?{request.raw_query}",
                "id": f"{vault.url}{request.path}",
                "httpStatusCode": status,
            },
        }
        state.vault_logs.add(record, state.now, state.chance.between("vault log", state.behaviour.vault_log_delay))

    def refusal(self, state: TenantState, request: Request, refusal: Refusal) -> Answer:
        error: JsonObject = {"code": refusal.code, "message": refusal.message}
        if refusal.inner_code:
            error["innererror"] = {"code": refusal.inner_code}
        headers = {
            "content-type": "application/json; charset=utf-8",
            "x-ms-request-id": state.chance.guid("request-id"),
        }
        return Answer(refusal.status, {"error": error}, {**headers, **refusal.headers})


_SIGNATURES = {401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 409: "Conflict", 429: "Too Many Requests"}
