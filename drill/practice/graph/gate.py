"""How Graph lets callers in, finds routes, throttles and words its refusals."""

import math
import re

from drill.practice.directory import APPLICATION, SERVICE_PRINCIPAL
from drill.practice.graph import (
    activity_log,
    app_roles,
    audit_logs,
    conditional_access,
    delegated_grants,
    deleted_items,
    directory_roles,
    groups,
    organization,
    owners,
    risk,
    sign_in_logs,
    usage_reports,
    user_risk,
    users,
    workloads,
)
from drill.practice.graph.objects import SETS, denied, not_found
from drill.practice.graph.permissions import OWNED_BY
from drill.practice.shapes import JsonObject, graph_time
from drill.practice.state import TenantState
from drill.practice.throttle import Bucket
from drill.practice.tokens import GRAPH
from drill.practice.web import Answer, Refusal, Request, Route, RoutingTable

ROUTES: tuple[Route[TenantState], ...] = (
    *workloads.ROUTES,
    *owners.ROUTES,
    *app_roles.ROUTES,
    *delegated_grants.ROUTES,
    *directory_roles.ROUTES,
    *groups.ROUTES,
    *conditional_access.ROUTES,
    *deleted_items.ROUTES,
    *risk.ROUTES,
    *audit_logs.ROUTES,
    *sign_in_logs.ROUTES,
    *usage_reports.ROUTES,
    *organization.ROUTES,
    *users.ROUTES,
    *user_risk.ROUTES,
)
JSON = "application/json"
_ALTERNATE_KEY = re.compile(
    r"^/(servicePrincipals|applications)\(appId=(?:'|%27)([^'%]*)(?:'|%27)\)(/.*)?$", re.IGNORECASE
)
_KINDS = {SETS[kind].casefold(): kind for kind in (SERVICE_PRINCIPAL, APPLICATION)}


class GraphGate:
    """See service.Gate."""

    name = "graph"

    def __init__(self, state: TenantState) -> None:
        behaviour = state.behaviour
        self.routes = RoutingTable(ROUTES)
        # facts: graph 9, limits A.3. Identity protection counts all callers of the tenant together.
        self._limits = {
            "identity protection": (behaviour.identity_protection_per_second, 1.0),
            "reports": (behaviour.reports_per_10_seconds, 10.0),
            "directory writes": (3000, 150.0),
            "units": (behaviour.resource_units_per_10_seconds, 10.0),
            "keyCredentials": (150, 60.0),
            "personal": (60, 60.0),
        }
        self._buckets: dict[tuple[str, str], Bucket] = {}

    def authenticate(self, state: TenantState, request: Request) -> None:
        text = request.headers.get("authorization", "").removeprefix("Bearer ")
        token = state.tokens.find(text)
        if token is None:
            raise _unauthenticated("Access token is missing or malformed.")
        if token.audience not in (GRAPH, request.base):
            raise _unauthenticated("Access token validation failure. Invalid audience.")
        if token.revoked:
            raise _revoked()
        if token.expires_at <= state.now:
            raise _unauthenticated("Lifetime validation failed, the token is expired.")
        request.by, request.principal_id, request.app_id = token.by, token.principal_id, token.app_id
        request.roles = token.roles
        request.sign_in, request.token_issued_at = token.unique_id, token.issued_at

    def find(self, state: TenantState, request: Request) -> tuple[Route[TenantState], dict[str, str]]:
        path = self._by_id(state, request.path)
        found = self.routes.find(request.method, path)
        if found and (not found[0].beta_only or request.version == "beta"):
            return found
        if not found and self.routes.matches(path):
            raise Refusal(405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.")
        segment = path.strip("/").split("/")[-1]
        raise Refusal(400, "BadRequest", f"Resource not found for the segment '{segment}'.")

    def authorise(
        self, state: TenantState, request: Request, route: Route[TenantState], parameters: dict[str, str]
    ) -> None:
        granted = request.roles & set(route.permissions)
        if not granted or not all(request.roles & set(each) for each in route.also):
            raise denied()
        if route.write and granted == frozenset({OWNED_BY}):
            _require_ownership(state, request, parameters.get("object_id", ""))

    def throttle(self, state: TenantState, request: Request, route: Route[TenantState]) -> dict[str, str]:
        if not state.behaviour.throttling:
            return {}
        directory = not {"identity protection", "reports"} & set(route.buckets)
        units = _units(request, route) if directory else 0
        names = [*route.buckets, *(["units"] if directory else []), *_extra_buckets(state, request, route)]
        for name in names:
            self._spend(state, request, name, units if name == "units" else 1)
        return {"x-ms-resource-unit": str(units)} if directory else {}

    def observe(self, state: TenantState, request: Request, status: int | None) -> None:
        """Graph's audit records are written by what is done, not by requests; its activity log is of requests."""
        if status is not None and any(activity_log.CATEGORY in each.categories for each in state.azure.entra_settings):
            activity_log.record(state, request, status)

    def refusal(self, state: TenantState, request: Request, refusal: Refusal) -> Answer:
        request_id = state.chance.guid("request-id")
        inner: JsonObject = {
            "date": graph_time(state.now).removesuffix("Z"),
            "request-id": request_id,
            "client-request-id": request.headers.get("client-request-id", request_id),
        }
        body = {"error": {"code": refusal.code, "message": refusal.message, "innerError": inner}}
        return Answer(refusal.status, body, {"content-type": JSON, "request-id": request_id, **refusal.headers})

    def _by_id(self, state: TenantState, path: str) -> str:
        """`/applications(appId='…')/…` becomes `/applications/<id>/…`."""
        found = _ALTERNATE_KEY.match(path)
        if not found:
            return path
        entry = state.directory.by_app_id(_KINDS[found[1].casefold()], found[2])
        if entry is None:
            raise not_found(found[2])
        return f"/{found[1]}/{entry.id}{found[3] or ''}"

    def _spend(self, state: TenantState, request: Request, name: str, units: int) -> None:
        whose = "tenant" if name in ("identity protection", "keyCredentials") else request.app_id
        if (name, whose) not in self._buckets:
            limit, window = self._limits[name]
            self._buckets[name, whose] = Bucket(limit, window)
        wait = self._buckets[name, whose].spend(state.elapsed, units)
        if wait is None:
            return
        scope = "Tenant" if whose == "tenant" else "Tenant_Application"
        headers = {"x-ms-throttle-scope": f"{scope}/ReadWrite/{request.app_id}/{state.id}"}
        if name != "identity protection":  # the one that does not say how long to wait
            headers["retry-after"] = str(max(1, math.ceil(wait)))
        raise Refusal(429, "TooManyRequests", f"Too many requests: {name}.", headers=headers)


def _units(request: Request, route: Route[TenantState]) -> int:
    """Resource units: base cost, less for $select and a small $top, at least 1 (facts: graph 9)."""
    units = route.units - ("$select" in request.query)
    top = request.query.get("$top", "")
    return max(1, units - (top.isdecimal() and int(top) < 20))


def _extra_buckets(state: TenantState, request: Request, route: Route[TenantState]) -> list[str]:
    if "keyCredentials" in request.query.get("$select", "").split(","):
        return ["keyCredentials"]
    if route.write and request.path.startswith("/applications/"):
        entry = state.directory.find(APPLICATION, request.path.split("/")[2])
        if entry and "Personal" in str(entry.state.get("signInAudience")):
            return ["personal"]
    return []


def _require_ownership(state: TenantState, request: Request, object_id: str) -> None:
    """Application.ReadWrite.OwnedBy reaches only what the caller owns (facts: graph 10)."""
    entry = state.directory.any_kind(object_id)
    owned_by: list[JsonObject] = entry.state.get("@owners", []) if entry else []
    owners = {owner["id"] for owner in owned_by}
    if request.principal_id not in owners:
        raise denied()


def _unauthenticated(why: str) -> Refusal:
    header = 'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize"'
    return Refusal(401, "Authentication_MissingOrMalformed", why, headers={"www-authenticate": header})


def _revoked() -> Refusal:
    """The challenge of continuous access evaluation: come back with a token that meets these claims."""
    claims = "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZX19fQ=="
    header = f'Bearer realm="", error="insufficient_claims", claims="{claims}"'
    return Refusal(
        401,
        "InvalidAuthenticationToken",
        "Continuous access evaluation refused the token.",
        headers={"www-authenticate": header},
    )
