"""
identity/conditionalAccess/policies (facts: graph 7): no ETag, at most 195 in any state, lists are replaced.

Policies about workloads can be made and changed only with the licence; those of a lapsed tenant go on
working. All calls draw on the one request per second that identity protection has too.
"""

import json

from drill.practice.directory import Entry
from drill.practice.graph.audit_trail import AuditTrail
from drill.practice.graph.lists import first_page, resumed
from drill.practice.graph.objects import not_found
from drill.practice.graph.permissions import READ_APPLICATIONS, READ_POLICIES, WRITE_POLICIES
from drill.practice.graph.policy_shape import (
    CHANGEABLE,
    PROPERTIES,
    check,
    clients_of,
    completed_conditions,
    completed_grant,
    is_about_workloads,
    new_policy,
)
from drill.practice.odata import Documented, bad_request, check_options, read_filter, read_select
from drill.practice.shapes import JsonObject, dump, fine_time
from drill.practice.state import TenantState
from drill.practice.web import NO_CONTENT, Answer, Refusal, Request, Route

_CONTEXT = "identity/conditionalAccess/policies"
_MOST = 195
_RULES = Documented(
    {name: frozenset({"eq"}) for name in ("id", "displayName", "state")},
    PROPERTIES,
    (100, 999),
    frozenset({"$filter", "$select", "$top", "$count", "$skiptoken"}),
)
_ONE = Documented({}, PROPERTIES, (1, 1), frozenset({"$select"}))


# --- reading ---------------------------------------------------------------------------------------


def list_policies(state: TenantState, request: Request) -> Answer:
    if page := resumed(state, request, _RULES, _CONTEXT):
        return page
    selected = read_select(request.query, _RULES, "conditionalAccessPolicy")
    seen = [state.directory.read(entry, state.now, request.staleness) for entry in state.policies.values()]
    found = [record for record in seen if record]
    if "$filter" in request.query:
        found = list(filter(read_filter(request.query["$filter"], _RULES).predicate, found))
    return first_page(state, request, _RULES, _CONTEXT, [dump(_picked(each, selected)) for each in found])


def get_policy(state: TenantState, request: Request, policy: str) -> Answer:
    check_options(request.query, _ONE)
    selected = read_select(request.query, _ONE, "conditionalAccessPolicy")
    entry = state.policies.get(policy)
    record = state.directory.read(entry, state.now, request.staleness) if entry else None
    if record is None:
        raise _unknown(policy)
    return Answer(200, _entity(request, _picked(record, selected)))


# --- writing ---------------------------------------------------------------------------------------


def add_policy(state: TenantState, request: Request) -> Answer:
    """201 with the policy. Nothing keeps anybody from making a second one of the same name."""
    body = _changes(request.json_object())
    made = new_policy(state, body)
    check(state, made)
    _require_licence(state, made)
    if sum(entry.exists for entry in state.policies.values()) >= _MOST:
        raise bad_request(f"The tenant has reached the limit of {_MOST} policies.", "BadRequest")
    entry = state.add_policy(made, fresh=True)
    _audit(state, request, "Add", entry, None, made)
    return Answer(201, _entity(request, made))


def patch_policy(state: TenantState, request: Request, policy: str) -> Answer:
    """204. What is given replaces what was there, lists too."""
    entry = _living(state, policy)
    before = entry.state
    changed = _changed(state, before, _changes(request.json_object()))
    check(state, changed)
    _require_licence(state, before, changed)
    state.directory.change(entry, state.now, **changed)
    _audit(state, request, "Update", entry, before, changed)
    return Answer(NO_CONTENT)


def delete_policy(state: TenantState, request: Request, policy: str) -> Answer:
    """204. Whether it takes the licence is unverified; here it does not."""
    entry = _living(state, policy)
    _audit(state, request, "Delete", entry, entry.state, None)
    state.directory.vanish(entry, state.now)
    return Answer(NO_CONTENT)


def forget(state: TenantState, principal_id: str) -> None:
    """A deleted service principal falls out of all policies, and restoring does not bring it back (facts: graph 5)."""
    for entry in state.policies.values():
        if entry.exists and is_about_workloads(entry.state):
            _drop(state, entry, principal_id)


def _drop(state: TenantState, entry: Entry, principal_id: str) -> None:
    clients = clients_of(entry.state)
    names = ("includeServicePrincipals", "excludeServicePrincipals")
    if not any(principal_id in clients[name] for name in names):
        return
    kept = {name: [each for each in clients[name] if each != principal_id] for name in names}
    conditions = {**entry.state["conditions"], "clientApplications": {**clients, **kept}}
    state.directory.change(entry, state.now, conditions=conditions)


# --- parts -----------------------------------------------------------------------------------------


def _changes(body: JsonObject) -> JsonObject:
    given = {name: value for name, value in body.items() if "@odata" not in name}
    for name in sorted(set(given) - CHANGEABLE):
        raise bad_request(f"Property '{name}' is unknown or read-only.", "BadRequest")
    return given


def _changed(state: TenantState, before: JsonObject, given: JsonObject) -> JsonObject:
    """Whether conditions that are not named in `conditions` survive a PATCH is unverified."""
    changed = {**before, **given, "modifiedDateTime": fine_time(state.now)}
    if "conditions" in given:
        changed["conditions"] = completed_conditions(given["conditions"])
        if state.behaviour.policy_conditions_merge:
            changed["conditions"] = {**before["conditions"], **given["conditions"]}
            changed["conditions"] = completed_conditions(changed["conditions"])
    if "grantControls" in given:
        changed["grantControls"] = completed_grant(given["grantControls"])
    return changed


def _require_licence(state: TenantState, *policies: JsonObject) -> None:
    """The text is what tenants have seen; its status is unverified."""
    if not state.has_premium and any(map(is_about_workloads, policies)):
        status = state.behaviour.policies_unlicensed
        code = "Forbidden" if status == 403 else "BadRequest"
        raise Refusal(status, code, "1150: Cannot create or update policies with workload identity premium features.")


def _living(state: TenantState, policy: str) -> Entry:
    entry = state.policies.get(policy)
    if entry is None or not entry.exists:
        raise _unknown(policy)
    return entry


def _unknown(policy: str) -> Refusal:
    """404; its code is unverified."""
    return not_found(policy)


def _picked(record: JsonObject, selected: frozenset[str] | None) -> JsonObject:
    return record if selected is None else {name: record[name] for name in sorted(selected)}


def _entity(request: Request, record: JsonObject) -> JsonObject:
    return {"@odata.context": f"{request.base}/{request.version}/$metadata#{_CONTEXT}/$entity", **record}


def _audit(
    state: TenantState, request: Request, verb: str, entry: Entry, before: JsonObject | None, after: JsonObject | None
) -> None:
    """Two services write about it; the spelling is that of rules which work on live tenants (facts: graph 2)."""
    values = [None if each is None else json.dumps(each, separators=(",", ":")) for each in (before, after)]
    whole = {"displayName": "ConditionalAccessPolicy", "oldValue": values[0], "newValue": values[1]}
    trail = AuditTrail(state, request)
    trail.write(
        f"{verb} conditional access policy",
        entry,
        [whole],
        operation=verb,
        category="Policy",
        service="Conditional Access",
    )
    trail.write(f"{verb} policy", entry, [], operation=verb, category="Policy")


_ALL = "/identity/conditionalAccess/policies"
_EACH = f"{_ALL}/{{policy}}"
_BUCKET = ("identity protection",)
_ALSO = (READ_POLICIES, READ_APPLICATIONS)

ROUTES: tuple[Route[TenantState], ...] = (
    Route("GET", _ALL, list_policies, READ_POLICIES, _BUCKET),
    Route("GET", _EACH, get_policy, READ_POLICIES, _BUCKET),
    Route("POST", _ALL, add_policy, WRITE_POLICIES, _BUCKET, write=True, lane=-1, also=_ALSO),
    Route("PATCH", _EACH, patch_policy, WRITE_POLICIES, _BUCKET, write=True, lane=3, also=_ALSO),
    Route("DELETE", _EACH, delete_policy, WRITE_POLICIES, _BUCKET, write=True, lane=3, also=_ALSO),
)
