"""
Azure Resource Graph: what is where, as it was a while ago, and only what the caller may read (facts: azure 3.5).

Questions and their columns:

    // cordon:vaults            id, name, subscriptionId, resourceGroup, uri, rbac, ap, chain, templates, machines,
                                disks
    // cordon:assignments       id, principalId, principalType, scope, roleId, cond
    // cordon:role-definitions  roleId, roleName, custom, permissions
    // cordon:services          id, name

`ap` are the access policies, `chain` the subscription's managementGroupAncestorsChain, the nearest first.
Services say which type they are of: `… type =~ '…'`.
Assignments name the principals they want: `… properties.principalId … in~ ('…','…')`. Which scopes count is
said by `subscriptions` or `managementGroups` and by options.authorizationScopeFilter, and the default,
AtScopeAndBelow, leaves out what is inherited from above a subscription. Only results with an `id` column can
be paged; others are cut after the first page, and resultTruncated says so.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeAlias, cast

from drill.practice.arm.access import covers, is_allowed
from drill.practice.arm.state import MANAGEMENT_GROUPS, Assignment
from drill.practice.questions import NotUnderstood, Row, columns, guids_in, marker_of, projected, text_of
from drill.practice.shapes import JsonObject, dump
from drill.practice.state import TenantState
from drill.practice.vault.state import OPENED, Vault
from drill.practice.web import Answer, Refusal, Request, Route

OPERATION = "Microsoft.ResourceGraph/resources/read"
_OPENED = ("templates", "machines", "disks")
_FILTERS = ("AtScopeAndBelow", "AtScopeAndAbove", "AtScopeExact", "AtScopeAboveAndBelow")
_READ_ASSIGNMENTS = "Microsoft.Authorization/roleAssignments/read"
_READ_VAULTS = "Microsoft.KeyVault/vaults/read"
_BODY = ("query", "subscriptions", "managementGroups", "options", "facets")
_OPTIONS = ("$top", "$skip", "$skipToken", "resultFormat", "authorizationScopeFilter", "allowPartialScopes")


def ask(state: TenantState, request: Request, scope: str) -> Answer:
    del scope
    body = request.json_object()
    options = cast("JsonObject", body.get("options") or {})
    _check(body, options)
    query = str(body.get("query", ""))
    try:
        wanted, rows = _answered(state, request, query, body)
    except NotUnderstood as problem:
        raise _bad_query(str(problem)) from problem
    return _page(state, request, options, rows, pageable="id" in wanted)


def _answered(
    state: TenantState, request: Request, query: str, body: JsonObject
) -> tuple[tuple[str, ...], list[JsonObject]]:
    marker = marker_of(query)
    if marker not in _QUESTIONS:
        raise NotUnderstood(f"the stand-in does not know the question {marker}")
    known, find = _QUESTIONS[marker]
    wanted = columns(query, known)
    return wanted, projected(find(state, request, query, body), wanted)


def _check(body: JsonObject, options: JsonObject) -> None:
    for name in sorted({*body} - {*_BODY}) + sorted({*options} - {*_OPTIONS}):
        raise Refusal(400, "BadRequest", f"Unknown property {name}.")
    if options.get("resultFormat", "objectArray") != "objectArray":
        raise Refusal(400, "BadRequest", "The stand-in answers with objectArray only.")
    if options.get("authorizationScopeFilter", _FILTERS[0]) not in _FILTERS:
        raise Refusal(400, "BadRequest", "The authorizationScopeFilter is not a known one.")


# --- the questions ----------------------------------------------------------------------------------------


def _vaults(state: TenantState, request: Request, query: str, body: JsonObject) -> Sequence[Row]:
    del query
    seen_at = _seen_at(state)
    return [
        _vault(state, each, seen_at)
        for each in state.vaults.values()
        if _is_in_scope(state, each.resource_id, body)
        and is_allowed(state, request.principal_id, _READ_VAULTS, each.resource_id)
    ]


def _vault(state: TenantState, vault: Vault, seen_at: datetime) -> Row:
    chain = state.azure.subscriptions[vault.subscription].ancestors
    return {
        "id": vault.resource_id.lower(),
        "name": vault.name,
        "subscriptionId": vault.subscription,
        "resourceGroup": vault.resource_id.split("/")[4].lower(),
        "uri": f"{vault.url}/",
        "rbac": vault.rbac,
        "ap": list(vault.policies.as_of(seen_at)),
        "chain": [{"name": name, "displayName": name} for name in chain],
        **{column: name in vault.opened for column, name in zip(_OPENED, OPENED, strict=True)},
    }


def _assignments(state: TenantState, request: Request, query: str, body: JsonObject) -> Sequence[Row]:
    wanted, seen_at = guids_in(query, "principalId"), _seen_at(state)
    return [
        {
            "id": each.id.lower(),
            "principalId": each.principal_id,
            "principalType": each.principal_type,
            "scope": each.scope.lower(),
            "roleId": each.role,
            "cond": each.condition or "",
        }
        for each in state.azure.assignments
        if each.principal_id in wanted and each.was_listed(seen_at) and _is_shown(state, request, each, body)
    ]


def _is_shown(state: TenantState, request: Request, assignment: Assignment, body: JsonObject) -> bool:
    """Whether the caller may see it, and it lies where the question looks."""
    places = _places(body)
    options = cast("JsonObject", body.get("options") or {})
    asked = str(options.get("authorizationScopeFilter", _FILTERS[0]))
    inherited = [
        place
        for place in places or _subscriptions_of(state)
        if asked in ("AtScopeAndAbove", "AtScopeAboveAndBelow") and covers(state.azure, assignment.scope, place)
    ]
    if any(is_allowed(state, request.principal_id, _READ_ASSIGNMENTS, place) for place in inherited):
        return True
    return _is_below(state, assignment.scope, places, asked) and is_allowed(
        state, request.principal_id, _READ_ASSIGNMENTS, assignment.scope
    )


def _is_below(state: TenantState, scope: str, places: list[str], asked: str) -> bool:
    if asked == "AtScopeAndAbove":
        return False
    if not places:
        return True
    place = scope.lower()
    return any(place == each if asked == "AtScopeExact" else covers(state.azure, each, place) for each in places)


def _definitions(state: TenantState, request: Request, query: str, body: JsonObject) -> Sequence[Row]:
    del query, body
    may_read = any(
        is_allowed(state, request.principal_id, "Microsoft.Authorization/roleDefinitions/read", place)
        for place in _subscriptions_of(state)
    )
    return [
        {
            "roleId": each.id,
            "roleName": each.name,
            "custom": each.custom,
            "permissions": each.shown()["properties"]["permissions"],
        }
        for each in state.azure.definitions.values()
        if may_read
    ]


def _services(state: TenantState, request: Request, query: str, body: JsonObject) -> Sequence[Row]:
    wanted = text_of(query, "type", r"[a-z.]+/[a-z]+").lower()
    return [
        {"id": each.resource_id.lower(), "name": each.name}
        for each in state.azure.sources.values()
        if each.kind.type.lower() == wanted
        and _is_in_scope(state, each.resource_id, body)
        and is_allowed(state, request.principal_id, f"{each.kind.type}/read", each.resource_id)
    ]


_Find: TypeAlias = Callable[[TenantState, Request, str, JsonObject], Sequence[Row]]
_QUESTIONS: dict[str, tuple[tuple[str, ...], _Find]] = {
    "vaults": (("id", "name", "subscriptionId", "resourceGroup", "uri", "rbac", "ap", "chain", *_OPENED), _vaults),
    "assignments": (("id", "principalId", "principalType", "scope", "roleId", "cond"), _assignments),
    "role-definitions": (("roleId", "roleName", "custom", "permissions"), _definitions),
    "services": (("id", "name"), _services),
}


# --- where, when, how many ----------------------------------------------------------------------------------


def _seen_at(state: TenantState) -> datetime:
    return state.now - timedelta(seconds=state.behaviour.resource_graph_delay)


def _subscriptions_of(state: TenantState) -> list[str]:
    return [f"/subscriptions/{each}" for each in state.azure.subscriptions]


def _places(body: JsonObject) -> list[str]:
    """The scopes that the question names, in lower case; none means the whole tenant."""
    subscriptions = [f"/subscriptions/{each}".lower() for each in body.get("subscriptions") or ()]
    return subscriptions + [f"{MANAGEMENT_GROUPS}{each}".lower() for each in body.get("managementGroups") or ()]


def _is_in_scope(state: TenantState, resource_id: str, body: JsonObject) -> bool:
    places = _places(body)
    return not places or any(covers(state.azure, each, resource_id.lower()) for each in places)


def _page(
    state: TenantState, request: Request, options: JsonObject, rows: list[JsonObject], *, pageable: bool
) -> Answer:
    most = state.behaviour.resource_graph_page
    top = min(int(options.get("$top") or most), most)
    start = _start(state, options)
    shown = rows[start : start + top]
    more = start + top < len(rows)
    if state.behaviour.truncated_graph or request.partial:
        shown, more, pageable = shown[: len(shown) // 2], True, False
    body: JsonObject = {
        "totalRecords": len(rows),
        "count": len(shown),
        "data": shown,
        "facets": [],
        "resultTruncated": "true" if more and not pageable else "false",
    }
    if more and pageable:
        body["$skipToken"] = state.cursors.open([dump(each) for each in rows], start + top)
    return Answer(200, body)


def _start(state: TenantState, options: JsonObject) -> int:
    token = options.get("$skipToken")
    if token is None:
        return int(options.get("$skip") or 0)
    found = state.cursors.find(str(token))
    if found is None:
        raise Refusal(400, "BadRequest", "The skip token is not valid.")
    return found[1]


def _bad_query(why: str) -> Refusal:
    return Refusal(400, "BadRequest", f"Please provide below info when asking for support. InvalidQuery: {why}")


ROUTES: tuple[Route[TenantState], ...] = (
    Route("POST", "/Microsoft.ResourceGraph/resources", ask, buckets=("resource graph",), operation=OPERATION),
)
