"""Role assignments and definitions in ARM: true at once here, followed late by what they rule."""

import re
from datetime import timedelta
from typing import cast

from drill.practice.arm.access import covers, holders_of
from drill.practice.arm.building import type_of
from drill.practice.arm.roles import GIVE_ROLES, TAKE_ROLES, RoleDefinition
from drill.practice.arm.shapes import GUID, bad_body, follows_at, listed, properties_of
from drill.practice.arm.state import Assignment
from drill.practice.directory import SERVICE_PRINCIPAL
from drill.practice.shapes import JsonObject
from drill.practice.state import TenantState
from drill.practice.web import NO_CONTENT, Answer, Refusal, Request, Route

_FILTER = re.compile(r"(?P<at>atScope\(\))?(?: and )?(?:principalId eq '(?P<of>[^']+)'|assignedTo\('(?P<to>[^']+)'\))?")


def list_assignments(state: TenantState, request: Request, scope: str) -> Answer:
    """At this scope, above it and below it, unless a filter says otherwise."""
    given = request.query.get("$filter", "")
    found = _FILTER.fullmatch(given)
    if found is None:
        raise Refusal(400, "UnsupportedQuery", f"The filter '{given}' is not supported.")
    rows = [each for each in state.azure.assignments if each.removed_at is None and _is_near(state, each, scope)]
    if found["at"]:
        rows = [each for each in rows if covers(state.azure, each.scope, _lower(scope))]
    if found["of"]:
        rows = [each for each in rows if each.principal_id == found["of"]]
    if found["to"]:
        holders = holders_of(state, found["to"])
        rows = [each for each in rows if each.principal_id in holders]
    return listed(request, [each.shown() for each in rows])


def _is_near(state: TenantState, assignment: Assignment, scope: str) -> bool:
    azure = state.azure
    return covers(azure, assignment.scope, _lower(scope)) or covers(azure, scope or "/", _lower(assignment.scope))


def _lower(scope: str) -> str:
    return scope.lower().rstrip("/")


def get_assignment(state: TenantState, request: Request, scope: str, name: str) -> Answer:
    return Answer(200, _living(state, scope, name).shown())


def put_assignment(state: TenantState, request: Request, scope: str, name: str) -> Answer:
    """The same again is no error; another role or principal under a known name is."""
    given = properties_of(request)
    if not GUID.fullmatch(name):
        raise Refusal(
            400, "InvalidRoleAssignmentId", f"The role assignment ID '{name}' is not valid. It must be a GUID."
        )
    role = str(given.get("roleDefinitionId", "")).rpartition("/")[2].lower()
    principal_id = str(given.get("principalId", ""))
    _check(state, role, principal_id, given.get("principalType"))
    made_id = f"{scope.rstrip('/')}/providers/Microsoft.Authorization/roleAssignments/{name}"
    request.log_bodies["requestbody"] = _ordered(scope, name, given)
    known = state.azure.find_assignment(made_id)
    if known:
        return _same(known, role, principal_id)
    _refuse_second(state, scope, role, principal_id)
    made = Assignment(
        id=made_id,
        scope=scope or "/",
        principal_id=principal_id,
        principal_type=str(given.get("principalType") or type_of(state, principal_id)),
        role=role,
        condition=cast("str | None", given.get("condition")),
        created_at=state.now,
        rules_from=state.now + timedelta(seconds=follows_at(state)),
    )
    state.azure.assignments.append(made)
    return Answer(201, made.shown())


def _ordered(scope: str, name: str, given: JsonObject) -> JsonObject:
    """The order as the activity log spells it: with capitals."""
    properties = {key[:1].upper() + key[1:]: value for key, value in given.items() if value is not None}
    return {"Id": name, "Properties": {**properties, "Scope": scope or "/"}}


def _check(state: TenantState, role: str, principal_id: str, principal_type: object) -> None:
    if role not in state.azure.definitions:
        raise Refusal(
            404, "RoleDefinitionDoesNotExist", f"The specified role definition with ID '{role}' does not exist."
        )
    if not GUID.fullmatch(principal_id):
        raise bad_body("The principal ID is not valid. Principal ID must be a GUID.")
    known = state.directory.find(SERVICE_PRINCIPAL, principal_id) or any(
        each["id"] == principal_id for each in (*state.groups, *state.users)
    )
    if not known and principal_type is None:
        message = f"Principal {principal_id.replace('-', '')} does not exist in the directory {state.id}."
        raise Refusal(400, "PrincipalNotFound", message)


def _same(known: Assignment, role: str, principal_id: str) -> Answer:
    if (known.role, known.principal_id) != (role, principal_id):
        message = "Tenant ID, application ID, principal ID, and scope are not allowed to be updated."
        raise Refusal(400, "RoleAssignmentUpdateNotPermitted", message)
    return Answer(200, known.shown())


def _refuse_second(state: TenantState, scope: str, role: str, principal_id: str) -> None:
    wanted = (_lower(scope), role, principal_id)
    for each in state.azure.assignments:
        if each.removed_at is None and (_lower(each.scope), each.role, each.principal_id) == wanted:
            message = f"The role assignment already exists. The ID of the existing role assignment is {each.name}."
            raise Refusal(409, "RoleAssignmentExists", message)


def delete_assignment(state: TenantState, request: Request, scope: str, name: str) -> Answer:
    """Gone from every list at once. What it gave is given on for a while."""
    try:
        found = _living(state, scope, name)
    except Refusal:
        return Answer(NO_CONTENT)
    request.log_bodies["responseBody"] = found.shown()
    found.removed_at = state.now
    found.rules_until = state.now + timedelta(seconds=follows_at(state))
    return Answer(200, found.shown())


def _living(state: TenantState, scope: str, name: str) -> Assignment:
    found = state.azure.find_assignment(f"{scope.rstrip('/')}/providers/Microsoft.Authorization/roleAssignments/{name}")
    if found is None:
        raise Refusal(404, "RoleAssignmentNotFound", f"The role assignment '{name}' is not found.")
    return found


# --- definitions ----------------------------------------------------------------------------------------


def list_definitions(state: TenantState, request: Request, scope: str) -> Answer:
    del scope
    return listed(request, [each.shown() for each in state.azure.definitions.values()])


def get_definition(state: TenantState, request: Request, scope: str, name: str) -> Answer:
    found: RoleDefinition | None = state.azure.definitions.get(name.lower())
    if found is None:
        raise Refusal(
            404, "RoleDefinitionDoesNotExist", f"The specified role definition with ID '{name}' does not exist."
        )
    return Answer(200, found.shown())


_ASSIGNMENTS = "/Microsoft.Authorization/roleAssignments"
_DEFINITIONS = "/Microsoft.Authorization/roleDefinitions"
_READ_ASSIGNMENTS = ("Microsoft.Authorization/roleAssignments/read",)
_READ_DEFINITIONS = ("Microsoft.Authorization/roleDefinitions/read",)

ROUTES: tuple[Route[TenantState], ...] = (
    Route("GET", _ASSIGNMENTS, list_assignments, _READ_ASSIGNMENTS),
    Route("GET", f"{_ASSIGNMENTS}/{{name}}", get_assignment, _READ_ASSIGNMENTS),
    Route("PUT", f"{_ASSIGNMENTS}/{{name}}", put_assignment, (GIVE_ROLES,), write=True, lane=-1),
    Route("DELETE", f"{_ASSIGNMENTS}/{{name}}", delete_assignment, (TAKE_ROLES,), write=True, lane=-1),
    Route("GET", _DEFINITIONS, list_definitions, _READ_DEFINITIONS),
    Route("GET", f"{_DEFINITIONS}/{{name}}", get_definition, _READ_DEFINITIONS),
)
