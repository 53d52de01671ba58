"""
Users, and what they are members of (facts: Graph docs user-get, user-list-transitivememberof).

A user is what a scenario says, completed. Groups show no more than their id to who may read users only.
"""

import re
from functools import partial

from drill.practice.graph.directory_roles import name_of
from drill.practice.graph.groups import groups_of, shown
from drill.practice.graph.lists import first_page, resumed
from drill.practice.graph.navigation import PLAIN
from drill.practice.graph.objects import not_found
from drill.practice.graph.permissions import READ_GROUPS, READ_OTHER_TENANTS, READ_USERS
from drill.practice.odata import Documented, bad_request, check_options, read_select
from drill.practice.shapes import JsonObject, dump
from drill.practice.state import TenantState
from drill.practice.web import Answer, Request, Route

DEFAULTS: JsonObject = {
    "id": None,
    "displayName": None,
    "userPrincipalName": None,
    "mail": None,
    "accountEnabled": True,
    "userType": "Member",
    "createdDateTime": None,
    "jobTitle": None,
}
# What a plain GET shows; the rest must be selected (facts: Graph docs user).
_PLAIN = ("id", "displayName", "userPrincipalName", "mail", "jobTitle")
_ONE = Documented({}, frozenset(DEFAULTS), (1, 1), frozenset({"$select"}))


def find_user(state: TenantState, user: str) -> JsonObject:
    found = next((each for each in state.users if each["id"] == user), None)
    if found is None or found.get("deletedDateTime"):
        raise not_found(user)
    return {**DEFAULTS, **found}


def get_user(state: TenantState, request: Request, user: str) -> Answer:
    check_options(request.query, _ONE)
    record = find_user(state, user)
    selected = read_select(request.query, _ONE, "user")
    names = sorted(selected) if selected is not None else _PLAIN
    context = f"{request.base}/{request.version}/$metadata#users/$entity"
    return Answer(200, {"@odata.context": context, **{name: record[name] for name in names}})


def get_manager(state: TenantState, request: Request, user: str) -> Answer:
    """404 where nobody is set."""
    check_options(request.query, _ONE)
    find_user(state, user)
    manager = next((each.get("manager") for each in state.users if each["id"] == user), None)
    if manager is None:
        raise not_found(f"{user}/manager")
    record = find_user(state, str(manager))
    selected = read_select(request.query, _ONE, "user")
    names = sorted(selected) if selected is not None else _PLAIN
    return Answer(200, {"@odata.type": "#microsoft.graph.user", **{name: record[name] for name in names}})


def list_memberships(state: TenantState, request: Request, user: str, *, transitive: bool) -> Answer:
    if page := resumed(state, request, PLAIN, "directoryObjects"):
        return page
    find_user(state, user)
    may_read = bool(request.roles & set(READ_GROUPS))
    groups = groups_of(state, {user}, transitive=transitive)
    inside = {user, *(each["id"] for each in groups)}
    roles = [each for each in state.people_roles if each["principalId"] in inside]
    rows = [*(shown(each) if may_read else _hidden(each) for each in groups), *map(_role, roles)]
    return first_page(state, request, PLAIN, "directoryObjects", [dump(each) for each in rows])


def _hidden(group: JsonObject) -> JsonObject:
    """Type and id alone (facts: Graph docs, limited information for inaccessible members)."""
    return {"@odata.type": "#microsoft.graph.group", "id": group["id"], "displayName": None, "isAssignableToRole": None}


def _role(assignment: JsonObject) -> JsonObject:
    role = assignment["roleDefinitionId"]
    shape = {"id": role, "displayName": name_of(role), "roleTemplateId": role}
    return {"@odata.type": "#microsoft.graph.directoryRole", **shape}


def find_tenant(state: TenantState, request: Request, function: str) -> Answer:
    """What another tenant calls itself (facts: Graph docs tenantrelationship-findtenantinformationbytenantid)."""
    found = _TENANT.fullmatch(function)
    if found is None:
        raise bad_request(f"Resource not found for the segment '{function}'.", "BadRequest")
    tenant = found[1].lower()
    named: JsonObject = {
        "displayName": f"Company {tenant[:4]}",
        "defaultDomainName": f"{tenant[:8]}.onmicrosoft.example",
    }
    context = f"{request.base}/{request.version}/$metadata#microsoft.graph.tenantInformation"
    return Answer(200, {"@odata.context": context, "tenantId": tenant, "federationBrandName": None, **named})


_TENANT = re.compile(r"findTenantInformationByTenantId\(tenantId='([0-9a-fA-F-]{36})'\)")

ROUTES: tuple[Route[TenantState], ...] = (
    Route("GET", "/users/{user}", get_user, READ_USERS),
    Route("GET", "/users/{user}/manager", get_manager, READ_USERS),
    Route("GET", "/tenantRelationships/{function}", find_tenant, READ_OTHER_TENANTS),
    Route("GET", "/users/{user}/memberOf", partial(list_memberships, transitive=False), READ_USERS),
    Route("GET", "/users/{user}/transitiveMemberOf", partial(list_memberships, transitive=True), READ_USERS),
)
