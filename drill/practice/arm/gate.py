"""
How Resource Manager lets callers in, finds what a path means, throttles and words refusals.

A path ends in `/providers/NAMESPACE/type/name/…`; what stands before it is the scope, which is whatever
the call is about: a management group, a subscription, a resource group, a resource.
"""

import json
import math
import re
from http import HTTPStatus

from drill.practice.arm import activity, assignments, keys, resource_graph, subscriptions, vaults
from drill.practice.arm.access import is_allowed
from drill.practice.arm.activity import event
from drill.practice.shapes import JsonObject
from drill.practice.state import TenantState
from drill.practice.throttle import Bucket, RefillingBucket
from drill.practice.tokens import ARM
from drill.practice.web import Answer, Refusal, Request, Route, RoutingTable

HOST = "management.azure.com"
ROUTES: tuple[Route[TenantState], ...] = (
    *activity.ROUTES,
    *subscriptions.ROUTES,
    *assignments.ROUTES,
    *vaults.ROUTES,
    *keys.ROUTES,
    *resource_graph.ROUTES,
)
_API_VERSION = re.compile(r"20\d\d-\d\d-\d\d(-preview)?")
_PROVIDERS = "/providers/"
_ABOUT_THE_SCOPE = ("/microsoft.authorization/", "/microsoft.insights/")  # what they rule is the scope itself
_LIMITS = {"reads": (250, 25.0), "writes": (200, 10.0)}  # facts: limits A.3
_GRAPH_LIMIT, _GRAPH_WINDOW = 15, 5.0  # facts: azure 3.5


class ArmGate:
    """See service.Gate."""

    name = "arm"

    def __init__(self) -> None:
        self.routes = RoutingTable(ROUTES)
        self._buckets: dict[tuple[str, str, str], RefillingBucket] = {}
        self._queries: dict[str, Bucket] = {}

    def authenticate(self, state: TenantState, request: Request) -> None:
        token = state.tokens.find(request.headers.get("authorization", "").removeprefix("Bearer "))
        if token is None:
            raise _unauthenticated(state, "AuthenticationFailed", "Authentication failed. The token is missing or bad.")
        if token.audience not in (ARM, "https://management.core.windows.net", request.base):
            raise _unauthenticated(state, "InvalidAuthenticationTokenAudience", "The token is for another audience.")
        if token.expires_at <= state.now:
            raise _unauthenticated(state, "ExpiredAuthenticationToken", "The access token has expired.")
        request.by, request.principal_id, request.app_id = token.by, token.principal_id, token.app_id

    def find(self, state: TenantState, request: Request) -> tuple[Route[TenantState], dict[str, str]]:
        del state
        version = request.query.get("api-version", "")
        if not _API_VERSION.fullmatch(version):
            raise Refusal(400, "MissingApiVersionParameter", "The api-version query parameter is required.")
        scope, tail = _parted(request.path.rstrip("/"))
        found = self.routes.find(request.method, tail)
        if found:
            return found[0], {**found[1], "scope": scope}
        if self.routes.matches(tail):
            raise Refusal(405, "MethodNotAllowed", f"The method {request.method} is not allowed here.")
        raise Refusal(404, "InvalidResourceType", f"The resource type of {tail} could not be found.")

    def authorise(
        self, state: TenantState, request: Request, route: Route[TenantState], parameters: dict[str, str]
    ) -> None:
        is_about_scope = route.template.lower().startswith(_ABOUT_THE_SCOPE)
        place = parameters["scope"] or "/" if is_about_scope else request.path
        for action in route.permissions:
            request.operation = action
            if not is_allowed(state, request.principal_id, action, place):
                message = (
                    f"The client '{request.app_id}' with object id '{request.principal_id}' does not have "
                    f"authorization to perform action '{action}' over scope '{place}' or the scope is invalid. "
                    "If access was recently granted, please refresh your credentials."
                )
                raise Refusal(403, "AuthorizationFailed", message)
        if request.operation != resource_graph.OPERATION:
            _refuse_locked(state, request)

    def throttle(self, state: TenantState, request: Request, route: Route[TenantState]) -> dict[str, str]:
        if not state.behaviour.throttling:
            return {}
        if "resource graph" in route.buckets:
            return self._spend_query(state, request)
        kind = "writes" if route.write else "reads"
        parts = request.path.lower().split("/")
        subscription = parts[2] if len(parts) > 2 and parts[1] == "subscriptions" else "tenant"
        bucket = self._buckets.setdefault((subscription, request.principal_id, kind), RefillingBucket(*_LIMITS[kind]))
        wait = bucket.take(state.elapsed)
        if wait is not None:
            raise _too_many("SubscriptionRequestsThrottled", wait)
        scope = "tenant" if subscription == "tenant" else "subscription"
        return {f"x-ms-ratelimit-remaining-{scope}-{kind}": str(bucket.left)}

    def _spend_query(self, state: TenantState, request: Request) -> dict[str, str]:
        bucket = self._queries.setdefault(request.principal_id, Bucket(_GRAPH_LIMIT, _GRAPH_WINDOW))
        wait = bucket.spend(state.elapsed)
        if wait is not None:
            raise _too_many("RateLimiting", wait)
        return {
            "x-ms-user-quota-remaining": str(bucket.left),
            "x-ms-user-quota-resets-after": f"00:00:{math.ceil(_GRAPH_WINDOW):02d}",
        }

    def observe(self, state: TenantState, request: Request, status: int | None) -> None:
        """Writes stand in the activity log, refused ones too: of roles when they began as well, with the order."""
        if request.method == "GET" or not request.operation or request.operation == resource_graph.OPERATION:
            return
        bodies = {name: json.dumps(body) for name, body in request.log_bodies.items()}
        if not state.behaviour.activity_bodies:
            bodies.clear()
        more: JsonObject = {
            "operationId": state.chance.guid("operation"),
            "subStatus": {"value": str(status)},
            "httpRequest": {"method": request.method, "clientIpAddress": request.address},
        }
        if (order := bodies.pop("requestbody", None)) is not None:
            begun: JsonObject = {"eventCategory": "Administrative", "requestbody": order}
            _log(state, request, "Started", {**more, "properties": begun})
        told = {"statusCode": _status_code(status), "eventCategory": "Administrative", **bodies}
        _log(state, request, "Succeeded" if request.applied else "Failed", {**more, "properties": told})

    def refusal(self, state: TenantState, request: Request, refusal: Refusal) -> Answer:
        headers = {
            "content-type": "application/json; charset=utf-8",
            "x-ms-request-id": state.chance.guid("request-id"),
        }
        error = {"code": refusal.code, "message": refusal.message}
        return Answer(refusal.status, {"error": error}, {**headers, **refusal.headers})


def _log(state: TenantState, request: Request, status: str, more: JsonObject) -> None:
    caller = (request.principal_id, request.app_id)
    made = event(state, state.now, request.operation, request.path, by=caller, status=status, more=more)
    state.azure.activity.add(made, state.now, state.chance.between("activity", state.behaviour.activity_delay))


def _status_code(status: int | None) -> str:
    """In .NET's word: OK, NoContent."""
    words = HTTPStatus(status).phrase.split() if status is not None else []
    return "".join(word[:1].upper() + word[1:] for word in words)


def _refuse_locked(state: TenantState, request: Request) -> None:
    """
    A lock refuses its level at its scope and below. A read-only one refuses listing keys too, which is a POST, and a
    lock against deletion keeps role assignments (facts: Azure Resource Manager, locks).
    """
    if request.method == "GET":
        return
    place = f"{request.path.lower()}/"
    is_delete = request.method == "DELETE"
    holding = [
        each.scope for each in state.azure.locks if (each.read_only or is_delete) and place.startswith(f"{each.scope}/")
    ]
    if holding:
        verb = "delete" if is_delete else "write"
        raise Refusal(
            409,
            "ScopeLocked",
            f"The scope '{request.path}' cannot perform {verb} operation because following scope(s) are locked: "
            f"'{holding[0]}'. Please remove the lock and try again.",
        )


def _parted(path: str) -> tuple[str, str]:
    """Scope and the rest, which begins with the namespace: ("/subscriptions/s", "/Microsoft.X/type/name")."""
    place = path.lower().rfind(_PROVIDERS)
    return (path[:place], path[place + len(_PROVIDERS) - 1 :]) if place >= 0 else ("", path)


def _unauthenticated(state: TenantState, code: str, message: str) -> Refusal:
    challenge = f'Bearer authorization_uri="https://login.windows.net/{state.id}", error="invalid_token"'
    return Refusal(401, code, message, headers={"www-authenticate": challenge})


def _too_many(code: str, wait: float) -> Refusal:
    return Refusal(
        429, code, "Too many requests. Please try again later.", headers={"retry-after": str(max(1, math.ceil(wait)))}
    )
