"""
auditLogs/signIns: the documented filters, newest first (facts: graph 3).

Sign-ins of workloads are in beta only, and only where signInEventTypes is asked for: v1.0, and beta without
that filter, list those of people, of which there are none here.
"""

from datetime import datetime

from drill.practice.graph.lists import first_page, resumed
from drill.practice.graph.objects import denied
from drill.practice.graph.permissions import READ_AUDITS
from drill.practice.late_log import Kept
from drill.practice.odata import Documented, Filter, bad_request, read_filter
from drill.practice.shapes import JsonObject
from drill.practice.state import TenantState
from drill.practice.web import Answer, Refusal, Request, Route

_CONTEXT = "auditLogs/signIns"
_TYPES = "signInEventTypes/any"
_FILTERS = {
    "id": frozenset({"eq"}),
    "createdDateTime": frozenset({"eq", "ge", "le"}),
    "resourceId": frozenset({"eq"}),
    "status/errorCode": frozenset({"eq"}),
}
_BETA_FILTERS = {
    **_FILTERS,
    _TYPES: frozenset({"eq"}),
    "servicePrincipalId": frozenset({"eq", "startswith"}),
}
_OPTIONS = frozenset({"$filter", "$top", "$orderby", "$skiptoken"})
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
    rows = _matching(state, found) if found and _TYPES in text else []
    return first_page(state, request, rules, _CONTEXT, [_shown(kept, request) for kept in rows])


def _check_access(state: TenantState, request: Request) -> None:
    if state.behaviour.sign_ins_need_directory_read and "Directory.Read.All" not in request.roles:
        raise denied()
    if not state.has_sign_in_log:
        text = "Neither tenant is B2C or tenant doesn't have premium license"
        raise Refusal(403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant", text)


def _matching(state: TenantState, found: Filter) -> list[Kept]:
    times = {
        each.operator: each.value
        for each in found.all_of
        if each.path == "createdDateTime" and isinstance(each.value, datetime)
    }
    rows = state.sign_ins.published(state.now, times.get("ge"), times.get("le"))
    return [kept for kept in reversed(rows) if found.predicate(kept.record)]


def _shown(kept: Kept, request: Request) -> bytes:
    """Which policies applied is shown to who may read policies."""
    may = "Policy.Read.All" in request.roles
    return kept.content(variant=may, render=None if may else _without_policies)


def _without_policies(record: JsonObject) -> JsonObject:
    return {**record, _POLICIES: []}


ROUTES: tuple[Route[TenantState], ...] = (Route("GET", "/auditLogs/signIns", list_sign_ins, READ_AUDITS, ("reports",)),)
