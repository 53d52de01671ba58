"""auditLogs/directoryAudits: exactly the documented filters, newest first unless asked otherwise (facts: graph 2)."""

from datetime import datetime

from drill.practice.graph.lists import first_page, resumed
from drill.practice.graph.objects import not_found
from drill.practice.graph.permissions import READ_AUDITS
from drill.practice.odata import Comparison, Documented, Filter, bad_request, check_options, read_filter
from drill.practice.state import TenantState
from drill.practice.web import Answer, Request, Route

_CONTEXT = "auditLogs/directoryAudits"
_FILTERS = {
    "activityDateTime": frozenset({"eq", "ge", "le"}),
    "activityDisplayName": frozenset({"eq", "startswith"}),
    "correlationId": frozenset({"eq"}),
    "id": frozenset({"eq"}),
    "loggedByService": frozenset({"eq"}),
    "initiatedBy/user/id": frozenset({"eq"}),
    "initiatedBy/user/displayName": frozenset({"eq"}),
    "initiatedBy/user/userPrincipalName": frozenset({"eq", "startswith"}),
    "initiatedBy/app/appId": frozenset({"eq"}),
    "initiatedBy/app/displayName": frozenset({"eq"}),
    "targetResources/any/id": frozenset({"eq"}),
    "targetResources/any/displayName": frozenset({"eq", "startswith"}),
}
_OPTIONS = frozenset({"$filter", "$top", "$orderby", "$skiptoken"})


def list_audits(state: TenantState, request: Request) -> Answer:
    rules = Documented(_FILTERS, frozenset(), state.behaviour.audit_page, _OPTIONS)
    if page := resumed(state, request, rules, _CONTEXT):
        return page
    descending = _descending(request)
    found = read_filter(request.query["$filter"], rules) if "$filter" in request.query else None
    kept = state.now - state.logs_kept
    records = state.audits.published(state.now, max(_bound(found, "ge") or kept, kept), _bound(found, "le"))
    if found and not _only_times(found):
        records = [kept for kept in records if found.predicate(kept.record)]
    ordered = reversed(records) if descending else records
    times = 2 if state.behaviour.repeated_records else 1
    rows = [kept.content(variant=False) for kept in ordered for _ in range(times)]
    return first_page(state, request, rules, _CONTEXT, rows)


def get_audit(state: TenantState, request: Request, audit: str) -> Answer:
    check_options(request.query, Documented({}, frozenset(), (1, 1), frozenset()))
    found = state.audits.find(audit, state.now)
    if found is None:
        raise not_found(audit)
    context = f"{request.base}/{request.version}/$metadata#{_CONTEXT}/$entity"
    return Answer(200, {"@odata.context": context, **found.record})


def _descending(request: Request) -> bool:
    name, _, direction = request.query.get("$orderby", "activityDateTime desc").partition(" ")
    if name != "activityDateTime" or direction not in ("", "asc", "desc"):
        raise bad_request("Sorting is supported by activityDateTime only.")
    return direction == "desc"


def _bound(found: Filter | None, operator: str) -> datetime | None:
    """The tightest bound in time that every matching record keeps, so that the log can be cut before it is searched."""
    times = [
        each.value
        for each in (found.all_of if found else [])
        if each.path == "activityDateTime" and each.operator in (operator, "eq") and isinstance(each.value, datetime)
    ]
    return (max(times) if operator == "ge" else min(times)) if times else None


def _only_times(found: Filter) -> bool:
    def bounded(each: Comparison) -> bool:
        return each.path == "activityDateTime" and isinstance(each.value, datetime)

    return bool(found.all_of) and all(bounded(each) for each in found.all_of)


ROUTES: tuple[Route[TenantState], ...] = (
    Route("GET", "/auditLogs/directoryAudits", list_audits, READ_AUDITS, ("reports",)),
    Route("GET", "/auditLogs/directoryAudits/{audit}", get_audit, READ_AUDITS, ("reports",)),
)
