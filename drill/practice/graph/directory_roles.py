"""
Directory roles of service principals (facts: graph 6).

Assignments are asked for by principal, with or without the role's definition beside them.
"""

from drill.practice.directory import SERVICE_PRINCIPAL, Entry
from drill.practice.graph.audit_trail import AuditTrail, quoted
from drill.practice.graph.lists import first_page, resumed
from drill.practice.graph.navigation import ROLES, holder_of, members, put, seen_members, take
from drill.practice.graph.objects import not_found
from drill.practice.graph.permissions import READ_ROLES, WRITE_ROLES
from drill.practice.odata import Documented, bad_request, read_filter
from drill.practice.shapes import JsonObject, dump
from drill.practice.state import TenantState
from drill.practice.web import NO_CONTENT, Answer, Request, Route

# Template ids; a built-in role's definition has its template's id.
NAMES = {
    "62e90394-69f5-4237-9190-012177145e10": "Global Administrator",
    "e8611ab8-c189-46e8-94e1-60213ab1f814": "Privileged Role Administrator",
    "7be44c8a-adaf-4e2a-84d6-ab2649e08a13": "Privileged Authentication Administrator",
    "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3": "Application Administrator",
    "158c047a-c907-4556-b7ef-446551a6b5f7": "Cloud Application Administrator",
    "cf1c38e5-3621-4004-a7cb-879624dced7c": "Application Developer",
    "8ac3fc64-6eca-42ea-9e69-59f4c7b60eb2": "Hybrid Identity Administrator",
    "8329153b-31d0-4727-b945-745eb3bc5f31": "Domain Name Administrator",
    "b1be1c3e-b65d-4f19-8427-f6fa0d97feb9": "Conditional Access Administrator",
    "194ae4cb-b126-40b2-bd5b-6091b380977d": "Security Administrator",
    "5d6b6bb7-de71-4623-b4af-96380a352509": "Security Reader",
    "f2ef992c-3afb-46b9-b7cf-a126ee74c451": "Global Reader",
    "fe930be7-5e62-47db-91af-98c3a49a38b1": "User Administrator",
    "9360feb5-f418-4baa-8175-e2a00bac4301": "Directory Writers",
    "29232cdf-9323-42fd-ade2-1d097af3e4de": "Exchange Administrator",
    "d29b2b05-8046-44ba-8758-1e26182fcf32": "Directory Synchronization Accounts",
}
_CONTEXT = "roleManagement/directory/roleAssignments"
_RULES = Documented(
    {"principalId": frozenset({"eq"})}, frozenset(), (100, 999), frozenset({"$filter", "$expand", "$skiptoken"})
)


def list_assignments(state: TenantState, request: Request) -> Answer:
    if page := resumed(state, request, _RULES, _CONTEXT):
        return page
    expanded = request.query.get("$expand")
    if expanded not in (None, "roleDefinition"):
        raise bad_request(f"Could not expand '{expanded}'.")
    asked = read_filter(request.query.get("$filter", ""), _RULES)
    if len(asked.all_of) != 1:
        raise bad_request("A filter on principalId is needed.")
    everybody = [*seen_members(state, request, SERVICE_PRINCIPAL, ROLES), *state.people_roles]
    found = filter(asked.predicate, everybody)
    rows = [dump(_with_definition(state, each) if expanded else each) for each in found]
    return first_page(state, request, _RULES, _CONTEXT, rows)


def get_assignment(state: TenantState, request: Request, assignment: str) -> Answer:
    for each in seen_members(state, request, SERVICE_PRINCIPAL, ROLES):
        if each["id"] == assignment:
            return Answer(200, each)
    raise not_found(assignment)


def delete_assignment(state: TenantState, request: Request, assignment: str) -> Answer:
    principal = holder_of(state, SERVICE_PRINCIPAL, ROLES, assignment)
    removed = take(state, principal, ROLES, assignment)
    _audit(state, request, "Remove member from role", principal, removed)
    return Answer(NO_CONTENT)


def add_assignment(state: TenantState, request: Request) -> Answer:
    """201. The same role for the same principal and scope is refused."""
    body = request.json_object()
    needed = {"principalId", "roleDefinitionId", "directoryScopeId"}
    if set(body) - {"@odata.type"} != needed or body["roleDefinitionId"] not in NAMES:
        raise bad_request("principalId, directoryScopeId and the roleDefinitionId of a role must be given.")
    principal = state.directory.find(SERVICE_PRINCIPAL, str(body["principalId"]))
    if principal is None:
        raise not_found(str(body["principalId"]))
    made = new_assignment(state, body)
    if any({**each, "id": made["id"]} == made for each in members(principal.state, ROLES)):
        raise bad_request("A conflicting object with one or more of the specified property values is present.")
    put(state, principal, ROLES, made)
    _audit(state, request, "Add member to role", principal, made)
    return Answer(201, made)


def new_assignment(state: TenantState, given: JsonObject) -> JsonObject:
    return {
        "id": given.get("id") or f"{state.chance.opaque_id('role')}-1",
        "principalId": given.get("principalId"),
        "directoryScopeId": given.get("directoryScopeId") or "/",
        "roleDefinitionId": given.get("roleDefinitionId"),
    }


def name_of(role: object) -> str:
    return NAMES.get(str(role), "A role of this tenant")


def _with_definition(state: TenantState, assignment: JsonObject) -> JsonObject:
    """What a built-in role may do is left out; the tenant's own are as the scenario has them."""
    role = assignment["roleDefinitionId"]
    definition: JsonObject = {
        "id": role,
        "templateId": role,
        "displayName": name_of(role),
        "description": None,
        "isBuiltIn": role in NAMES,
        "isEnabled": True,
        "resourceScopes": ["/"],
        "version": "1",
        "rolePermissions": [],
        **state.role_definitions.get(str(role), {}),
    }
    return {**assignment, "roleDefinition": definition}


def _audit(state: TenantState, request: Request, activity: str, principal: Entry, assignment: JsonObject) -> None:
    """Group and role events fill only the new value, removals too (facts: graph 2)."""
    role = assignment["roleDefinitionId"]
    properties = [
        quoted("Role.ObjectID", None, role),
        quoted("Role.DisplayName", None, name_of(role)),
        quoted("Role.TemplateId", None, role),
    ]
    target: JsonObject = {
        "id": role,
        "displayName": name_of(role),
        "type": "Role",
        "userPrincipalName": None,
        "groupType": None,
        "modifiedProperties": [],
    }
    operation = "Assign" if activity.startswith("Add") else "Unassign"
    AuditTrail(state, request).write(
        activity, principal, properties, operation=operation, category="RoleManagement", others=(target,)
    )


_ALL = "/roleManagement/directory/roleAssignments"
_EACH = f"{_ALL}/{{assignment}}"
_BUCKET = ("directory writes",)

ROUTES: tuple[Route[TenantState], ...] = (
    Route("GET", _ALL, list_assignments, READ_ROLES),
    Route("GET", _EACH, get_assignment, READ_ROLES),
    Route("POST", _ALL, add_assignment, WRITE_ROLES, _BUCKET, write=True, lane=-1),
    Route("DELETE", _EACH, delete_assignment, WRITE_ROLES, _BUCKET, write=True, lane=3),
)
