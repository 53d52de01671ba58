"""directory/deletedItems: lists need a cast, restoring brings companions back, purging does not (facts: graph 5)."""

from datetime import datetime, timedelta

from drill.practice.directory import APPLICATION, SERVICE_PRINCIPAL, Entry
from drill.practice.graph.audit_trail import AuditTrail
from drill.practice.graph.lists import first_page, resumed
from drill.practice.graph.navigation import ROLES, members
from drill.practice.graph.objects import DEFAULTS, SETS, denied, not_found, one, rendered
from drill.practice.graph.permissions import APPLICATION_ADMINISTRATORS, READ_APPLICATIONS, WRITE_APPLICATIONS
from drill.practice.odata import Documented, bad_request, read_filter, read_select
from drill.practice.state import TenantState
from drill.practice.web import NO_CONTENT, Answer, Request, Route

_KEPT = timedelta(days=30)
_CASTS = {"microsoft.graph.application": APPLICATION, "microsoft.graph.serviceprincipal": SERVICE_PRINCIPAL}


def list_deleted(state: TenantState, request: Request, item: str) -> Answer:
    """`item` is the cast, or the id of one deleted object: they share a place in the path."""
    kind = _CASTS.get(item.casefold())
    if kind is None:
        return one(_deleted(state, item).kind, _deleted(state, item).state, request)
    rules = Documented(
        {"appId": frozenset({"eq"}), "id": frozenset({"eq"})},
        frozenset(DEFAULTS[kind]),
        (100, 999),
        frozenset({"$filter", "$select", "$top", "$count", "$orderby", "$skiptoken"}),
    )
    if page := resumed(state, request, rules, SETS[kind]):
        return page
    _check_order(request)
    selected = read_select(request.query, rules, kind)
    found = [entry.state for entry in state.directory.all(kind, deleted=True) if not _expired(state, entry)]
    if "$filter" in request.query:
        found = list(filter(read_filter(request.query["$filter"], rules).predicate, found))
    if "$orderby" in request.query:
        found.sort(
            key=lambda record: str(record["deletedDateTime"]), reverse=request.query["$orderby"].endswith("desc")
        )
    return first_page(state, request, rules, SETS[kind], [rendered(kind, record, selected) for record in found])


def list_uncast(state: TenantState, request: Request) -> Answer:
    del state, request
    raise bad_request("Listing deleted items needs a cast such as microsoft.graph.application.")


def restore(state: TenantState, request: Request, item: str) -> Answer:
    """200 with the object. An application brings its service principal at home back, with its consents."""
    _check_caller(state, request)
    return bring_back(state, request, item)


def bring_back(state: TenantState, request: Request, item: str) -> Answer:
    """The same by somebody who may."""
    entry = _deleted(state, item)
    if entry.state.get("servicePrincipalType") == "ManagedIdentity":
        raise bad_request("Managed identities cannot be restored.")
    if entry.kind == APPLICATION and "Personal" in str(entry.state.get("signInAudience")):
        raise bad_request("Applications for personal accounts cannot be restored.")
    trail = AuditTrail(state, request)
    _revive(state, trail, entry)
    if entry.kind == APPLICATION:
        for principal in list(state.directory.all(SERVICE_PRINCIPAL, deleted=True)):
            if principal.state["appId"] == entry.state["appId"]:
                _revive(state, trail, principal)
    return one(entry.kind, entry.state, request)


def purge(state: TenantState, request: Request, item: str) -> Answer:
    """204, for ever. A purged application leaves its service principal among the deleted items."""
    _check_caller(state, request)
    entry = _deleted(state, item)
    if entry.state.get("servicePrincipalType") == "ManagedIdentity":
        raise bad_request("Managed identities cannot be purged.")
    activity = "Hard Delete application" if entry.kind == APPLICATION else "Hard delete service principal"
    AuditTrail(state, request).write(activity, entry, [], operation="Delete")
    state.directory.purge(entry)
    return Answer(NO_CONTENT)


def _check_caller(state: TenantState, request: Request) -> None:
    """Older pages ask for a role that administers applications; whether app-only callers need it is unverified."""
    if state.behaviour.deleted_items_need_role:
        caller = state.directory.any_kind(request.principal_id)
        held = {each["roleDefinitionId"] for each in members(caller.state, ROLES)} if caller else set[str]()
        if not held & set(APPLICATION_ADMINISTRATORS):
            raise denied()


def _revive(state: TenantState, trail: AuditTrail, entry: Entry) -> None:
    state.directory.restore(entry, state.now)
    name = "application" if entry.kind == APPLICATION else "service principal"
    trail.write(f"Restore {name}", entry, [], operation="Update")


def _deleted(state: TenantState, item: str) -> Entry:
    entry = state.directory.find_deleted(item)
    if entry is None or _expired(state, entry):
        raise not_found(item)
    return entry


def _expired(state: TenantState, entry: Entry) -> bool:
    """After 30 days a deleted object is gone for ever (facts: graph 5)."""
    return state.now - datetime.fromisoformat(str(entry.state["deletedDateTime"])) > _KEPT


def _check_order(request: Request) -> None:
    if "$orderby" not in request.query:
        return
    eventual = request.headers.get("consistencylevel", "").casefold() == "eventual"
    if (
        request.query["$orderby"].split(" ")[0] != "deletedDateTime"
        or not eventual
        or request.query.get("$count") != "true"
    ):
        raise bad_request("Sorting deleted items needs deletedDateTime, ConsistencyLevel: eventual and $count=true.")


ROUTES: tuple[Route[TenantState], ...] = (
    Route("GET", "/directory/deletedItems", list_uncast, READ_APPLICATIONS),
    Route("GET", "/directory/deletedItems/{item}", list_deleted, READ_APPLICATIONS),
    Route(
        "POST",
        "/directory/deletedItems/{item}/restore",
        restore,
        WRITE_APPLICATIONS,
        ("directory writes",),
        write=True,
        lane=2,
    ),
    Route(
        "DELETE", "/directory/deletedItems/{item}", purge, WRITE_APPLICATIONS, ("directory writes",), write=True, lane=2
    ),
)
