"""How Log Analytics lets callers in, finds a workspace, throttles, and answers in tables (facts: azure 3.4)."""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import cast

from drill.practice.arm.access import is_allowed
from drill.practice.arm.state import Workspace
from drill.practice.logs import entra_tables, queries
from drill.practice.questions import NoTable, NotUnderstood, Question, columns, marker_of, projected
from drill.practice.shapes import JsonObject, read_time, seconds
from drill.practice.state import TenantState
from drill.practice.throttle import Bucket
from drill.practice.tokens import LOGS
from drill.practice.web import Answer, Refusal, Request, Route, RoutingTable

HOST = "api.loganalytics.io"
_UNKNOWN_NAME = "SEM0100"  # facts: public bug reports
_READ = "Microsoft.OperationalInsights/workspaces/query/read"
_LIMIT, _WINDOW = 200, 30.0  # per caller
_BODY = ("query", "timespan", "workspaces")
_RESOURCE = re.compile(
    r"/v1(/subscriptions/[^/]+/resourcegroups/[^/]+/providers/microsoft\.operationalinsights/workspaces/[^/]+)/query",
    re.IGNORECASE,
)


class LogsGate:
    """See service.Gate."""

    name = "logs"

    def __init__(self) -> None:
        self.routes = RoutingTable(ROUTES)
        self._buckets: dict[str, Bucket] = {}

    def authenticate(self, state: TenantState, request: Request) -> None:
        token = state.tokens.find(request.headers.get("authorization", "").removeprefix("Bearer "))
        if token is None or token.expires_at <= state.now:
            raise Refusal(401, "AuthenticationFailed", "Authentication failed. The token is missing or bad.")
        if token.audience not in (LOGS, request.base):
            message = "The access token has been obtained from wrong audience or resource."
            raise Refusal(403, "InvalidAuthenticationTokenAudience", message)
        request.by, request.principal_id, request.app_id = token.by, token.principal_id, token.app_id

    def find(self, state: TenantState, request: Request) -> tuple[Route[TenantState], dict[str, str]]:
        by_resource = _RESOURCE.fullmatch(request.path)
        if by_resource:
            request.path = f"/v1/workspaces/{_customer_id(state, by_resource[1])}/query"
        found = self.routes.find(request.method, request.path.rstrip("/"))
        if found is None:
            raise Refusal(404, "PathNotFoundError", "The requested path does not exist")
        return found

    def authorise(
        self, state: TenantState, request: Request, route: Route[TenantState], parameters: dict[str, str]
    ) -> None:
        workspace = state.azure.workspaces.get(parameters["workspace"].lower())
        _require(state, request, workspace)

    def throttle(self, state: TenantState, request: Request, route: Route[TenantState]) -> dict[str, str]:
        if not state.behaviour.throttling:
            return {}
        wait = self._buckets.setdefault(request.principal_id, Bucket(_LIMIT, _WINDOW)).spend(state.elapsed)
        if wait is not None:
            headers = {"retry-after": str(max(1, math.ceil(wait)))}
            raise Refusal(429, "ThrottledError", "Too many requests in the last 30 seconds.", headers=headers)
        return {}

    def observe(self, state: TenantState, request: Request, status: int | None) -> None:
        """Queries leave nothing behind here."""

    def refusal(self, state: TenantState, request: Request, refusal: Refusal) -> Answer:
        error: JsonObject = {"message": refusal.message, "code": refusal.code}
        if refusal.inner_code:
            inner: JsonObject = {"code": refusal.inner_code, "message": refusal.message}
            if refusal.inner_code == _UNKNOWN_NAME:
                inner = {"code": "SemanticError", "message": "A semantic error occurred.", "innererror": inner}
            error = {
                "message": "The request had some invalid properties",
                "code": refusal.code,
                "innererror": inner,
            }
        headers = {"content-type": "application/json; charset=utf-8"}
        return Answer(refusal.status, {"error": error}, {**headers, **refusal.headers})


def _customer_id(state: TenantState, resource_id: str) -> str:
    wanted = resource_id.lower()
    found = (each.customer_id for each in state.azure.workspaces.values() if each.resource_id.lower() == wanted)
    return next(found, "unknown")


def _require(state: TenantState, request: Request, workspace: Workspace | None) -> Workspace:
    """Who may not read a workspace cannot tell it from one that is not there."""
    if workspace is None or not is_allowed(state, request.principal_id, _READ, workspace.resource_id):
        message = "The provided credentials have insufficient access to perform the requested operation"
        raise Refusal(403, "InsufficientAccessError", message)
    return workspace


def run(state: TenantState, request: Request, workspace: str) -> Answer:
    """200 with tables; a result that is not whole has an error beside them."""
    body = request.json_object()
    for name in sorted({*body} - {*_BODY}):
        raise Refusal(400, "BadArgumentError", f"Unknown property {name}", inner_code="InvalidProperty")
    query = str(body.get("query", ""))
    try:
        known, answer = _question(query)
        wanted = columns(query, (*known,))
        found = answer(state, query, _workspaces(state, request, workspace, body), _span(state, body.get("timespan")))
    except NoTable as problem:
        message = f"'where' operator: Failed to resolve table or column expression named '{problem}'"
        raise Refusal(400, "BadArgumentError", message, inner_code=_UNKNOWN_NAME) from problem
    except NotUnderstood as problem:
        raise Refusal(400, "BadArgumentError", str(problem), inner_code="SyntaxError") from problem
    rows = projected(found, wanted)
    partial = state.behaviour.partial_logs or request.partial
    return Answer(200, _tables(known, wanted, rows[: len(rows) // 2] if partial else rows, partial=partial))


_QUESTIONS: Mapping[str, tuple[Mapping[str, str], Question]] = {**queries.QUESTIONS, **entra_tables.QUESTIONS}


def _question(query: str) -> tuple[Mapping[str, str], Question]:
    """The columns that it can give, and what answers it."""
    marker = marker_of(query)
    if marker not in _QUESTIONS:
        raise NotUnderstood(f"the stand-in does not know the question {marker}")
    return _QUESTIONS[marker]


def _workspaces(state: TenantState, request: Request, first: str, body: JsonObject) -> list[Workspace]:
    further = cast("list[str]", body.get("workspaces") or [])
    known = state.azure.workspaces
    return [_require(state, request, known.get(each.lower())) for each in (first, *further)]


def _span(state: TenantState, given: object) -> tuple[datetime | None, datetime | None]:
    """`PT1H`, or two times, or a time and a duration, with a slash between them."""
    if given is None:
        return None, None
    start, _, end = str(given).partition("/")
    try:
        if not end:
            return state.now - timedelta(seconds=seconds(start, "timespan")), None
        since = read_time(start)
        until = since + timedelta(seconds=seconds(end, "timespan")) if end[0] == "P" else read_time(end)
    except ValueError as problem:
        raise Refusal(400, "BadArgumentError", str(problem), inner_code="InvalidTimespan") from problem
    return since, until


def _tables(known: Mapping[str, str], wanted: Iterable[str], rows: list[JsonObject], *, partial: bool) -> JsonObject:
    described = [{"name": name, "type": known[name]} for name in wanted]
    table: JsonObject = {"name": "PrimaryResult", "columns": described, "rows": [[*row.values()] for row in rows]}
    if not partial:
        return {"tables": [table]}
    error: JsonObject = {
        "code": "PartialError",
        "message": "There were some errors when processing your query.",
        "details": [{"code": "EngineError", "message": "Something went wrong processing your query on the server."}],
    }
    return {"tables": [table], "error": error}


ROUTES: tuple[Route[TenantState], ...] = (Route("POST", "/v1/workspaces/{workspace}/query", run),)
