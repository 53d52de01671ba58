"""
oauth2PermissionGrants: what a client may do on behalf of users (facts: graph 6).

`scope` is one string of names with blanks between them. AllPrincipals is for every user; Principal for one.
"""

from drill.practice.directory import SERVICE_PRINCIPAL, Entry
from drill.practice.graph.audit_trail import AuditTrail, quoted
from drill.practice.graph.lists import first_page, resumed
from drill.practice.graph.navigation import GRANTS, holder_of, list_navigation, members, put, seen_members, take
from drill.practice.graph.objects import not_found
from drill.practice.graph.permissions import READ_GRANTS, WRITE_GRANTS
from drill.practice.odata import Documented, bad_request, read_filter
from drill.practice.shapes import JsonObject, dump
from drill.practice.state import TenantState
from drill.practice.web import NO_CONTENT, Answer, Request, Route

_CONTEXT = "oauth2PermissionGrants"
_FIELDS = frozenset({"clientId", "consentType", "principalId", "resourceId", "scope"})
_WIDE = Documented(
    {name: frozenset({"eq"}) for name in ("clientId", "consentType", "principalId", "resourceId")},
    frozenset(),
    (100, 999),
    frozenset({"$filter", "$top", "$skiptoken"}),
)


def list_of_client(state: TenantState, request: Request, object_id: str) -> Answer:
    return list_navigation(state, request, SERVICE_PRINCIPAL, object_id, GRANTS, _CONTEXT)


def list_all(state: TenantState, request: Request) -> Answer:
    if page := resumed(state, request, _WIDE, _CONTEXT):
        return page
    found = seen_members(state, request, SERVICE_PRINCIPAL, GRANTS)
    if "$filter" in request.query:
        found = list(filter(read_filter(request.query["$filter"], _WIDE).predicate, found))
    return first_page(state, request, _WIDE, _CONTEXT, [dump(each) for each in found])


def get_grant(state: TenantState, request: Request, grant: str) -> Answer:
    for each in seen_members(state, request, SERVICE_PRINCIPAL, GRANTS):
        if each["id"] == grant:
            return Answer(200, each)
    raise not_found(grant)


def patch_grant(state: TenantState, request: Request, grant: str) -> Answer:
    """204. Only `scope` can be changed, and it replaces what was there."""
    body = request.json_object()
    if set(body) - {"@odata.type"} != {"scope"} or not isinstance(body["scope"], str):
        raise bad_request("Only the property 'scope' of a permission grant can be updated.")
    client = holder_of(state, SERVICE_PRINCIPAL, GRANTS, grant)
    held = members(client.state, GRANTS)
    before = next(each for each in held if each["id"] == grant)
    after = {**before, "scope": body["scope"]}
    state.directory.change(client, state.now, **{GRANTS: [after if each is before else each for each in held]})
    grew = set(after["scope"].split()) - set(before["scope"].split())
    _audit(state, request, "Add" if grew else "Remove", client, before, after)
    return Answer(NO_CONTENT)


def delete_grant(state: TenantState, request: Request, grant: str) -> Answer:
    client = holder_of(state, SERVICE_PRINCIPAL, GRANTS, grant)
    removed = take(state, client, GRANTS, grant)
    _audit(state, request, "Remove", client, removed, None)
    return Answer(NO_CONTENT)


def add_grant(state: TenantState, request: Request) -> Answer:
    """201. One grant for a client, resource, consent type and user: to widen it, its scope is changed."""
    body = request.json_object()
    for name in sorted(set(body) - _FIELDS - {"@odata.type", "id", "startTime", "expiryTime"}):
        raise bad_request(f"Invalid property '{name}'.")
    client = state.directory.find(SERVICE_PRINCIPAL, str(body.get("clientId")))
    resource = state.directory.find(SERVICE_PRINCIPAL, str(body.get("resourceId")))
    if client is None or resource is None:
        raise bad_request("clientId and resourceId must be service principals of this tenant.")
    if (body.get("consentType"), bool(body.get("principalId"))) not in (("AllPrincipals", False), ("Principal", True)):
        raise bad_request("consentType is AllPrincipals, or Principal with a principalId.")
    made = new_grant(state, body)
    if any(whose(each) == whose(made) for each in members(client.state, GRANTS)):
        raise bad_request("Permission entry already exists.", "Request_MultipleObjectsWithSameKeyValue")
    put(state, client, GRANTS, made)
    _audit(state, request, "Add", client, None, made)
    return Answer(201, made)


def new_grant(state: TenantState, given: JsonObject) -> JsonObject:
    return {
        "id": given.get("id") or state.chance.opaque_id("grant"),
        "clientId": given.get("clientId"),
        "consentType": given.get("consentType") or "AllPrincipals",
        "principalId": given.get("principalId"),
        "resourceId": given.get("resourceId"),
        "scope": given.get("scope") or "",
    }


def whose(grant: JsonObject) -> tuple[object, ...]:
    """Of these there is one: to widen it, its scope is changed."""
    return tuple(grant[name] for name in ("clientId", "resourceId", "consentType", "principalId"))


def _audit(
    state: TenantState,
    request: Request,
    verb: str,
    client: Entry,
    before: JsonObject | None,
    after: JsonObject | None,
) -> None:
    """As with app roles the target is the resource. Which activity a changed scope is logged as is unverified."""
    grant = after or before or {}
    resource = state.directory.any_kind(grant["resourceId"])
    if resource is None:
        return
    _write(AuditTrail(state, request), verb, client, resource, before, after)


def tell_grant(trail: AuditTrail, client: Entry, resource: Entry, made: JsonObject) -> None:
    """The record of a new grant, as one of several of a change."""
    _write(trail, "Add", client, resource, None, made)


def _write(
    trail: AuditTrail,
    verb: str,
    client: Entry,
    resource: Entry,
    before: JsonObject | None,
    after: JsonObject | None,
) -> None:
    state = trail.state
    scopes = [each["scope"] if each else None for each in (before, after)]
    both = state.behaviour.grant_records_name_both_ids
    consents = [each["consentType"] if each else None for each in (before, after)]
    properties = [
        quoted("DelegatedPermissionGrant.Scope", *scopes),
        quoted("DelegatedPermissionGrant.ConsentType", *consents),
        quoted("ServicePrincipal.ObjectID", None, client.id),
        quoted("ServicePrincipal.DisplayName", None, client.state.get("displayName") if both else None),
        quoted("ServicePrincipal.AppId", None, client.state.get("appId") if both else None),
    ]
    operation = {"Add": "Assign", "Remove": "Unassign"}[verb]
    trail.write(f"{verb} delegated permission grant", resource, properties, operation=operation)


_EACH = "/oauth2PermissionGrants/{grant}"
_BUCKET = ("directory writes",)

ROUTES: tuple[Route[TenantState], ...] = (
    Route("GET", "/servicePrincipals/{object_id}/oauth2PermissionGrants", list_of_client, READ_GRANTS),
    Route("GET", "/oauth2PermissionGrants", list_all, READ_GRANTS, units=2),
    Route("GET", _EACH, get_grant, READ_GRANTS),
    Route("POST", "/oauth2PermissionGrants", add_grant, WRITE_GRANTS, _BUCKET, write=True, lane=-1),
    Route("PATCH", _EACH, patch_grant, WRITE_GRANTS, _BUCKET, write=True),
    Route("DELETE", _EACH, delete_grant, WRITE_GRANTS, _BUCKET, write=True),
)
