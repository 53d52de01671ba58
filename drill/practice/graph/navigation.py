"""What hangs on a service principal or application: lists of it, one more, one less."""

from typing import cast

from drill.practice.directory import Entry
from drill.practice.graph.lists import first_page, resumed
from drill.practice.graph.objects import not_found, to_read
from drill.practice.odata import Documented
from drill.practice.shapes import JsonObject, dump
from drill.practice.state import TenantState
from drill.practice.web import Answer, Request

APP_ROLES = "@appRoleAssignments"  # on the client that holds them
CORDONS_APP_ROLES = "@cordonAppRoles"  # on Cordon's own identities; a scenario says `permissions` instead
GRANTS = "@oauth2PermissionGrants"  # on the client that acts for users
ROLES = "@roleAssignments"  # on the principal that has the directory role
OWNED_BY = "@owners"

PLAIN = Documented({}, frozenset(), (100, 999), frozenset({"$top", "$skiptoken"}))


def members(record: JsonObject, name: str) -> list[JsonObject]:
    return cast("list[JsonObject]", record.get(name, []))


def list_navigation(state: TenantState, request: Request, kind: str, object_id: str, name: str, context: str) -> Answer:
    """The members as one replica shows them: what was given or removed a moment ago may be missing or still there."""
    if page := resumed(state, request, PLAIN, context):
        return page
    rows = [dump(each) for each in members(to_read(state, kind, object_id, request), name)]
    return first_page(state, request, PLAIN, context, rows)


def seen_members(state: TenantState, request: Request, kind: str, name: str) -> list[JsonObject]:
    """The members of all objects of this kind, each object as some replica shows it."""
    now = state.now
    shown = [state.directory.read(entry, now, request.staleness) for entry in state.directory.all(kind)]
    return [member for record in shown if record for member in members(record, name)]


def holder_of(state: TenantState, kind: str, name: str, member_id: str) -> Entry:
    """The object on which this member hangs, or 404."""
    for entry in state.directory.all(kind):
        if any(each["id"] == member_id for each in members(entry.state, name)):
            return entry
    raise not_found(member_id)


def take(state: TenantState, entry: Entry, name: str, member_id: str) -> JsonObject:
    """Remove one member and return it, or 404."""
    held = members(entry.state, name)
    found = next((each for each in held if each["id"] == member_id), None)
    if found is None:
        raise not_found(member_id)
    state.directory.change(entry, state.now, **{name: [each for each in held if each is not found]})
    return found


def put(state: TenantState, entry: Entry, name: str, member: JsonObject) -> None:
    state.directory.change(entry, state.now, **{name: [*members(entry.state, name), member]})
