"""
App roles, which are application permissions: who holds them, taking them away, giving them (facts: graph 6).

Tokens that were issued keep their roles. In the audit log the target is the resource; the client that
gained or lost the role is only in the properties, of which only the new value is filled (facts: graph 2).
"""

from drill.practice.directory import SERVICE_PRINCIPAL, Entry
from drill.practice.graph.audit_trail import AuditTrail, quoted
from drill.practice.graph.lists import first_page, resumed
from drill.practice.graph.navigation import (
    APP_ROLES,
    CORDONS_APP_ROLES,
    PLAIN,
    list_navigation,
    members,
    put,
    seen_members,
    take,
)
from drill.practice.graph.objects import denied, not_found, to_read, to_write
from drill.practice.graph.permissions import GIVE_APP_ROLES, READ_APPLICATIONS, REMOVE_APP_ROLES
from drill.practice.odata import bad_request
from drill.practice.shapes import JsonObject, dump, fine_time
from drill.practice.state import TenantState
from drill.practice.web import NO_CONTENT, Answer, Request, Route

DEFAULT_ACCESS = "00000000-0000-0000-0000-000000000000"
_CONTEXT = "appRoleAssignments"
_FIELDS = {"principalId", "resourceId", "appRoleId"}


def list_held(state: TenantState, request: Request, object_id: str) -> Answer:
    name = CORDONS_APP_ROLES if object_id in {each.object_id for each in state.cordon.values()} else APP_ROLES
    return list_navigation(state, request, SERVICE_PRINCIPAL, object_id, name, _CONTEXT)


def list_given(state: TenantState, request: Request, object_id: str) -> Answer:
    if page := resumed(state, request, PLAIN, _CONTEXT):
        return page
    to_read(state, SERVICE_PRINCIPAL, object_id, request)
    held = [
        each
        for name in (APP_ROLES, CORDONS_APP_ROLES)
        for each in seen_members(state, request, SERVICE_PRINCIPAL, name)
    ]
    rows = [dump(each) for each in held if each["resourceId"] == object_id]
    return first_page(state, request, PLAIN, _CONTEXT, rows)


def delete_held(state: TenantState, request: Request, object_id: str, assignment: str) -> Answer:
    _check_removal(state, request)
    return _remove(state, request, to_write(state, SERVICE_PRINCIPAL, object_id), assignment)


def delete_given(state: TenantState, request: Request, object_id: str, assignment: str) -> Answer:
    _check_removal(state, request)
    to_write(state, SERVICE_PRINCIPAL, object_id)
    for entry in state.directory.all(SERVICE_PRINCIPAL):
        if any(each["id"] == assignment and each["resourceId"] == object_id for each in _held(entry)):
            return _remove(state, request, entry, assignment)
    raise not_found(assignment)


def give(state: TenantState, request: Request, object_id: str) -> Answer:
    """201 with the assignment. The role must be one that the resource has."""
    body = request.json_object()
    if {*body} - {"@odata.type"} != _FIELDS or not all(isinstance(body[name], str) for name in _FIELDS):
        raise bad_request("principalId, resourceId and appRoleId must be given, and nothing else.")
    client = to_write(state, SERVICE_PRINCIPAL, object_id)
    if body["principalId"] != object_id:
        raise bad_request("principalId is not the service principal of this request.")
    resource = state.directory.find(SERVICE_PRINCIPAL, body["resourceId"])
    if resource is None or not _has_role(resource, body["appRoleId"]):
        raise bad_request("Not a valid reference update: the resource or its app role does not exist.")
    if any((each["resourceId"], each["appRoleId"]) == (resource.id, body["appRoleId"]) for each in _held(client)):
        raise bad_request("Permission being assigned already exists on the object")
    made = new_assignment(state, client, resource, body["appRoleId"])
    put(state, client, APP_ROLES, made)
    _audit(state, request, "Add app role assignment to service principal", client, made)
    return Answer(201, made)


def new_assignment(state: TenantState, client: Entry, resource: Entry, app_role_id: str) -> JsonObject:
    return {
        "id": state.chance.opaque_id("assignment"),
        "deletedDateTime": None,
        "appRoleId": app_role_id,
        "createdDateTime": fine_time(state.now),
        "principalDisplayName": client.state.get("displayName"),
        "principalId": client.id,
        "principalType": "ServicePrincipal",
        "resourceDisplayName": resource.state.get("displayName"),
        "resourceId": resource.id,
    }


def _held(entry: Entry) -> list[JsonObject]:
    return members(entry.state, APP_ROLES)


def _roles(resource: Entry) -> list[JsonObject]:
    return resource.state["appRoles"]


def _has_role(resource: Entry, app_role_id: str) -> bool:
    return app_role_id == DEFAULT_ACCESS or any(each["id"] == app_role_id for each in _roles(resource))


def _check_removal(state: TenantState, request: Request) -> None:
    """Whether Application.ReadWrite.All suffices: the permission map says so, the call's page does not."""
    if not state.behaviour.application_write_removes_app_roles and not request.roles & set(GIVE_APP_ROLES):
        raise denied()


def _remove(state: TenantState, request: Request, client: Entry, assignment: str) -> Answer:
    removed = take(state, client, APP_ROLES, assignment)
    _audit(state, request, "Remove app role assignment from service principal", client, removed)
    return Answer(NO_CONTENT)


def _audit(state: TenantState, request: Request, activity: str, client: Entry, assignment: JsonObject) -> None:
    resource = state.directory.any_kind(assignment["resourceId"])
    if resource is None:  # purged since: there is nothing left to be the target
        return
    no_role: JsonObject = {}
    role = next((each for each in _roles(resource) if each["id"] == assignment["appRoleId"]), no_role)
    properties = [
        quoted("AppRole.Id", None, assignment["appRoleId"]),
        quoted("AppRole.Value", None, role.get("value")),
        quoted("AppRole.DisplayName", None, role.get("displayName")),
        *(
            [quoted("ServicePrincipal.ObjectID", None, client.id)]
            if state.behaviour.grant_records_name_both_ids
            else []
        ),
        quoted("ServicePrincipal.DisplayName", None, client.state.get("displayName")),
        quoted("ServicePrincipal.AppId", None, client.state.get("appId")),
    ]
    operation = "Assign" if activity.startswith("Add") else "Unassign"
    AuditTrail(state, request).write(activity, resource, properties, operation=operation)


_EACH = "/servicePrincipals/{object_id}"
_BUCKET = ("directory writes",)

ROUTES: tuple[Route[TenantState], ...] = (
    Route("GET", f"{_EACH}/appRoleAssignments", list_held, READ_APPLICATIONS, units=2),
    Route("GET", f"{_EACH}/appRoleAssignedTo", list_given, READ_APPLICATIONS),
    Route("DELETE", f"{_EACH}/appRoleAssignments/{{assignment}}", delete_held, REMOVE_APP_ROLES, _BUCKET, write=True),
    Route("DELETE", f"{_EACH}/appRoleAssignedTo/{{assignment}}", delete_given, REMOVE_APP_ROLES, _BUCKET, write=True),
    Route(
        "POST",
        f"{_EACH}/appRoleAssignments",
        give,
        GIVE_APP_ROLES,
        _BUCKET,
        write=True,
        also=(READ_APPLICATIONS,),
    ),
)
