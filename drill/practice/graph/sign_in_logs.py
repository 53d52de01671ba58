"""
auditLogs/signIns: the documented filters, newest first (facts: graph 3).

Sign-ins of workloads are in beta only, and only where signInEventTypes is asked for: v1.0, and beta without
that filter, list the interactive ones of people. What a risk is shows with Entra ID P2 only.
"""

from datetime import datetime, timedelta

from drill.practice.graph.lists import first_page, resumed
from drill.practice.graph.objects import denied
from drill.practice.graph.permissions import READ_AUDITS
from drill.practice.late_log import Kept
from drill.practice.odata import Documented, Filter, bad_request, read_filter
from drill.practice.shapes import JsonObject, dump
from drill.practice.state import TenantState
from drill.practice.web import Answer, Refusal, Request, Route

_CONTEXT = "auditLogs/signIns"
_TYPES = "signInEventTypes/any"
_FILTERS = {
    "id": frozenset({"eq"}),
    "createdDateTime": frozenset({"eq", "ge", "le"}),
    "resourceId": frozenset({"eq"}),
    "status/errorCode": frozenset({"eq"}),
    "userId": frozenset({"eq"}),
    "userPrincipalName": frozenset({"eq", "startswith"}),
    "appId": frozenset({"eq"}),
    "riskLevelDuringSignIn": frozenset({"eq"}),
}
_BETA_FILTERS = {
    **_FILTERS,
    _TYPES: frozenset({"eq"}),
    "servicePrincipalId": frozenset({"eq", "startswith"}),
}
_OPTIONS = frozenset({"$filter", "$top", "$orderby", "$skiptoken"})
_KEPT = timedelta(days=30)  # with the licence that the log takes (facts: graph 2)
_BETA_ONLY = frozenset({"signInEventTypes", "authenticationProtocol", "autonomousSystemNumber", "userAgent"})
_POLICIES = "appliedConditionalAccessPolicies"


def list_sign_ins(state: TenantState, request: Request) -> Answer:
    _check_access(state, request)
    filters = _BETA_FILTERS if request.version == "beta" else _FILTERS
    rules = Documented(filters, frozenset(), state.behaviour.sign_in_page, _OPTIONS)
    if page := resumed(state, request, rules, _CONTEXT):
        return page
    if request.query.get("$orderby", "createdDateTime desc") != "createdDateTime desc":
        raise bad_request("Sorting is supported by createdDateTime desc only.")
    text = request.query.get("$filter", "")
    found = read_filter(text, rules) if text else None
    rows = _matching(state, found, interactive_only=_TYPES not in text)
    times = 2 if state.behaviour.repeated_records else 1
    shown = [_shown(state, kept, request) for kept in rows for _ in range(times)]
    return first_page(state, request, rules, _CONTEXT, shown)


def _check_access(state: TenantState, request: Request) -> None:
    if state.behaviour.sign_ins_need_directory_read and "Directory.Read.All" not in request.roles:
        raise denied()
    require_log(state)


def require_log(state: TenantState) -> None:
    """It takes a licence to read the log, and what is made from it."""
    if not state.has_sign_in_log:
        text = "Neither tenant is B2C or tenant doesn't have premium license"
        raise Refusal(403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant", text)


def _matching(state: TenantState, found: Filter | None, *, interactive_only: bool) -> list[Kept]:
    times = {
        each.operator: each.value
        for each in (found.all_of if found else [])
        if each.path == "createdDateTime" and isinstance(each.value, datetime)
    }
    kept_since = state.now - _KEPT
    rows = state.sign_ins.published(state.now, max(times.get("ge") or kept_since, kept_since), times.get("le"))
    return [
        kept
        for kept in reversed(rows)
        if (found is None or found.predicate(kept.record))
        and (not interactive_only or "interactiveUser" in kept.record["signInEventTypes"])
    ]


def _shown(state: TenantState, kept: Kept, request: Request) -> bytes:
    """Which policies applied is shown to who may read policies."""
    may = "Policy.Read.All" in request.roles
    if kept.record.get("userId") is None:
        return kept.content(variant=may, render=None if may else _without_policies)
    record = kept.record if may else _without_policies(kept.record)
    if not state.has_p2:
        record = {**record, "riskLevelDuringSignIn": "hidden", "riskLevelAggregated": "hidden", "riskDetail": "hidden"}
    if request.version != "beta":
        record = {name: value for name, value in record.items() if name not in _BETA_ONLY}
    return dump(record)


def _without_policies(record: JsonObject) -> JsonObject:
    return {**record, _POLICIES: []}


ROUTES: tuple[Route[TenantState], ...] = (Route("GET", "/auditLogs/signIns", list_sign_ins, READ_AUDITS, ("reports",)),)
