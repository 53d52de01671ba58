"""Owners of applications and service principals: they may put back whatever is taken away (facts: graph 4, 5)."""

from functools import partial
from urllib.parse import urlsplit

from drill.practice.directory import APPLICATION, SERVICE_PRINCIPAL, Entry
from drill.practice.graph.audit_trail import OWNERS, AuditTrail, quoted
from drill.practice.graph.navigation import OWNED_BY, list_navigation, members, put, take
from drill.practice.graph.objects import NAMES, SETS, not_found, to_write
from drill.practice.graph.permissions import READ_APPLICATIONS, READ_DIRECTORY, WRITE_APPLICATIONS, WRITE_PRINCIPALS
from drill.practice.odata import bad_request
from drill.practice.shapes import JsonObject
from drill.practice.state import TenantState
from drill.practice.web import NO_CONTENT, Answer, Request, Route


def list_owners(state: TenantState, request: Request, kind: str, object_id: str) -> Answer:
    return list_navigation(state, request, kind, object_id, OWNED_BY, "directoryObjects")


def delete_owner(state: TenantState, request: Request, kind: str, object_id: str, owner_id: str) -> Answer:
    entry = to_write(state, kind, object_id)
    take(state, entry, OWNED_BY, owner_id)
    _audit(state, request, "Remove", entry, owner_id)
    return Answer(NO_CONTENT)


def add_owner(state: TenantState, request: Request, kind: str, object_id: str) -> Answer:
    """
    204. The body is `{"@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/<id>"}`.

    The link leads to the Graph that is asked: what another cloud's would do is documented nowhere, so it is refused.
    """
    body = request.json_object()
    reference = body.get("@odata.id")
    if set(body) != {"@odata.id"} or not isinstance(reference, str):
        raise bad_request("A reference in @odata.id was expected, and nothing else.")
    link = urlsplit(reference)
    if f"{link.scheme}://{link.netloc}" != request.base:
        raise bad_request("The reference in @odata.id leads to another service.")
    owner_id = link.path.rstrip("/").split("/")[-1]
    entry = to_write(state, kind, object_id)
    if any(each["id"] == owner_id for each in members(entry.state, OWNED_BY)):
        raise bad_request("One or more added object references already exist for the following modified properties.")
    owner = as_owner(state, owner_id)
    if owner is None:
        raise not_found(owner_id)
    put(state, entry, OWNED_BY, owner)
    _audit(state, request, "Add", entry, owner_id)
    return Answer(NO_CONTENT)


def as_owner(state: TenantState, owner_id: str) -> JsonObject | None:
    """A user or service principal of this tenant as owners are listed, or None."""
    principal = state.directory.find(SERVICE_PRINCIPAL, owner_id)
    if principal:
        name = principal.state["displayName"]
        return {"@odata.type": "#microsoft.graph.servicePrincipal", "id": owner_id, "displayName": name}
    user = next((user for user in state.users if user["id"] == owner_id), None)
    return {"@odata.type": "#microsoft.graph.user", **user} if user else None


def _audit(state: TenantState, request: Request, verb: str, entry: Entry, owner_id: str) -> None:
    values = (owner_id, None) if verb == "Remove" else (None, owner_id)
    direction, operation = {"Add": ("to", "Assign"), "Remove": ("from", "Unassign")}[verb]
    AuditTrail(state, request).write(
        f"{verb} owner {direction} {OWNERS[entry.kind]}",
        entry,
        [quoted(f"{NAMES[entry.kind]}.ObjectID", *values)],
        operation=operation,
    )


def _routes(kind: str, write: tuple[str, ...]) -> tuple[Route[TenantState], ...]:
    base = f"/{SETS[kind]}/{{object_id}}/owners"
    bucket = ("directory writes",)
    adding = partial(add_owner, kind=kind)
    return (
        Route("GET", base, partial(list_owners, kind=kind), READ_APPLICATIONS),
        # facts: graph 4, adding owners also needs to read the directory
        Route("POST", f"{base}/$ref", adding, write, bucket, write=True, also=(READ_DIRECTORY,)),
        Route("DELETE", f"{base}/{{owner_id}}/$ref", partial(delete_owner, kind=kind), write, bucket, write=True),
    )


ROUTES: tuple[Route[TenantState], ...] = (
    *_routes(SERVICE_PRINCIPAL, WRITE_PRINCIPALS),
    *_routes(APPLICATION, WRITE_APPLICATIONS),
)
