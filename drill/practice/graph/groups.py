"""What a service principal is a member of: groups, also through groups, and directory roles (facts: graph 4)."""

from functools import partial

from drill.practice.directory import SERVICE_PRINCIPAL
from drill.practice.graph.directory_roles import name_of
from drill.practice.graph.lists import first_page, resumed
from drill.practice.graph.navigation import PLAIN, ROLES, members
from drill.practice.graph.objects import to_read
from drill.practice.graph.permissions import READ_APPLICATIONS
from drill.practice.shapes import JsonObject, dump
from drill.practice.state import TenantState
from drill.practice.web import Answer, Request, Route


def list_memberships(state: TenantState, request: Request, object_id: str, *, transitive: bool) -> Answer:
    if page := resumed(state, request, PLAIN, "directoryObjects"):
        return page
    record = to_read(state, SERVICE_PRINCIPAL, object_id, request)
    groups = groups_of(state, {object_id}, transitive=transitive)
    found = [*map(shown, groups), *map(_role, members(record, ROLES))]
    return first_page(state, request, PLAIN, "directoryObjects", [dump(each) for each in found])


def groups_of(state: TenantState, inside: set[str], *, transitive: bool) -> list[JsonObject]:
    """The groups of which one of these is a member."""
    found = [each for each in state.groups if inside & set(each.get("members", []))]
    wider = inside | {each["id"] for each in found}
    return groups_of(state, wider, transitive=True) if transitive and wider != inside else found


def shown(group: JsonObject) -> JsonObject:
    known: JsonObject = {"displayName": None, "securityEnabled": True, "isAssignableToRole": None, "groupTypes": []}
    own = {name: value for name, value in group.items() if name != "members"}
    return {"@odata.type": "#microsoft.graph.group", **known, **own}


def _role(assignment: JsonObject) -> JsonObject:
    role = assignment["roleDefinitionId"]
    return {
        "@odata.type": "#microsoft.graph.directoryRole",
        "id": role,
        "displayName": name_of(role),
        "roleTemplateId": role,
    }


_EACH = "/servicePrincipals/{object_id}"

ROUTES: tuple[Route[TenantState], ...] = (
    Route("GET", f"{_EACH}/memberOf", partial(list_memberships, transitive=False), READ_APPLICATIONS),
    Route("GET", f"{_EACH}/transitiveMemberOf", partial(list_memberships, transitive=True), READ_APPLICATIONS),
)
