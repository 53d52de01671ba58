"""applications and servicePrincipals: read, list, PATCH, delete, credentials of all kinds."""

from collections.abc import Mapping
from functools import partial
from typing import cast

from drill.practice.directory import APPLICATION, SERVICE_PRINCIPAL, Entry
from drill.practice.graph import conditional_access, credentials
from drill.practice.graph.audit_trail import AuditTrail, changed
from drill.practice.graph.lists import first_page, resumed
from drill.practice.graph.navigation import list_navigation
from drill.practice.graph.objects import (
    COMPLEX,
    DEFAULTS,
    READ_ONLY,
    SETS,
    completed,
    documented,
    not_found,
    one,
    rendered,
    to_read,
    to_write,
)
from drill.practice.graph.permissions import READ_APPLICATIONS, WRITE_APPLICATIONS, WRITE_PRINCIPALS
from drill.practice.graph.property_changes import property_changes
from drill.practice.odata import bad_request, read_filter, read_select
from drill.practice.shapes import JsonObject
from drill.practice.state import TenantState
from drill.practice.web import NO_CONTENT, Answer, Handler, Refusal, Request, Route

# --- reading ---------------------------------------------------------------------------------------


def get_object(state: TenantState, request: Request, kind: str, object_id: str) -> Answer:
    return one(kind, to_read(state, kind, object_id, request), request)


def list_objects(state: TenantState, request: Request, kind: str) -> Answer:
    rules = documented(kind, state.behaviour.directory_page)
    if page := resumed(state, request, rules, SETS[kind]):
        return page
    selected = read_select(request.query, rules, kind)
    wanted = read_filter(request.query["$filter"], rules).predicate if "$filter" in request.query else _everything
    now = state.now
    rows = [
        rendered(kind, seen, selected)
        for entry in state.directory.all(kind)
        if (seen := state.directory.read(entry, now, request.staleness)) and wanted(seen)
    ]
    return first_page(state, request, rules, SETS[kind], rows)


def count_objects(state: TenantState, request: Request, kind: str) -> Answer:
    """Plain text, and only for callers that accept eventual consistency."""
    if request.headers.get("consistencylevel", "").casefold() != "eventual":
        raise bad_request("$count is not currently supported.")
    rules = documented(kind, (1, 1))
    wanted = read_filter(request.query["$filter"], rules).predicate if "$filter" in request.query else _everything
    number = sum(1 for entry in state.directory.all(kind) if wanted(entry.state))
    return Answer(200, str(number).encode(), {"content-type": "text/plain"})


def _everything(record: JsonObject) -> bool:
    return bool(record)


# --- PATCH -----------------------------------------------------------------------------------------


def patch_object(state: TenantState, request: Request, kind: str, object_id: str) -> Answer:
    """204 with no body. Unknown and read-only properties are refused before anything is changed."""
    body = {name: value for name, value in request.json_object().items() if name != "@odata.type"}
    for name, value in body.items():
        _check_property(kind, name, value)
    entry = to_write(state, kind, object_id)
    _check_nature(state, entry, body)
    changes = completed(body, entry.state if state.behaviour.complex_properties_merge else None)
    if "keyCredentials" in body:
        changes["keyCredentials"] = credentials.replaced_keys(state, entry, body["keyCredentials"])
    if kind == SERVICE_PRINCIPAL:
        changes = {**_refreshed(state, entry), **changes}
    if "tokenEncryptionKeyId" in body:
        credentials.check_lock(state, entry, "tokenEncryptionKeyId", None, removal=body["tokenEncryptionKeyId"] is None)
    before = entry.state
    state.directory.change(entry, state.now, **changes)
    if changes.get("accountEnabled") is False:
        state.tokens.revoke_continuous(entry.id)
    _write_audits(state, request, entry, before, changes)
    return Answer(NO_CONTENT)


def _refreshed(state: TenantState, entry: Entry) -> JsonObject:
    """Any PATCH of a service principal may bring it up to date with its application (facts: graph 4)."""
    application = state.directory.by_app_id(APPLICATION, entry.state["appId"])
    if application is None:
        return {}
    web: JsonObject = application.state["web"]
    shown: JsonObject = {
        "appDisplayName": application.state["displayName"],
        "replyUrls": list(web.get("redirectUris", [])),
        "logoutUrl": web.get("logoutUrl"),
    }
    return {name: value for name, value in shown.items() if entry.state[name] != value}


def _check_property(kind: str, name: str, value: object) -> None:
    if name == "passwordCredentials":
        raise bad_request("Property passwordCredentials cannot be updated. Use addPassword and removePassword.")
    if name not in DEFAULTS[kind] and name != "customSecurityAttributes":
        raise bad_request(f"Invalid property '{name}'.")
    if name in READ_ONLY[kind]:
        raise bad_request(f"Property '{name}' is read-only and cannot be set.")
    if name in ("accountEnabled", "isDisabled") and not isinstance(value, bool):
        raise bad_request(f"A value of type Edm.Boolean was expected for property '{name}'.")
    if name in _COLLECTIONS:
        _check_strings(name, value)
    if name in COMPLEX and value is not None:
        _check_complex(name, value)


_COLLECTIONS = ("tags", "replyUrls", "servicePrincipalNames", "identifierUris")


def _check_strings(name: str, value: object) -> None:
    listed = cast("list[object] | None", value if isinstance(value, list) else None)
    if listed is None or not all(isinstance(each, str) for each in listed):
        raise bad_request(f"A collection was expected for property '{name}', of strings.")
    if len(set(listed)) != len(listed):
        raise bad_request(f"Property '{name}' contains duplicate values.")


def _check_complex(name: str, value: object) -> None:
    if not isinstance(value, dict):
        raise bad_request(f"An object was expected for property '{name}'.")
    given = cast("JsonObject", value)
    for inner in sorted(set(given) - set(COMPLEX[name]) - {"@odata.type"}):
        raise bad_request(f"Invalid property '{inner}' in '{name}'.")
    if "redirectUris" in given:
        _check_strings("redirectUris", given["redirectUris"])
    if name == "servicePrincipalLockConfiguration" and not all(isinstance(each, bool) for each in given.values()):
        raise bad_request("A value of type Edm.Boolean was expected in the lock configuration.")


def _check_nature(state: TenantState, entry: Entry, body: Mapping[str, object]) -> None:
    """What cannot be written because of what the object is."""
    if entry.state.get("servicePrincipalType") == "ManagedIdentity":
        if set(body) - {"accountEnabled"} or not state.behaviour.managed_identity_patch:
            raise Refusal(403, "Authorization_RequestDenied", "A managed identity cannot be modified directly.")
        return
    if body.get("accountEnabled") is True and entry.state.get("disabledByMicrosoftStatus") not in (None, "NotDisabled"):
        raise bad_request("The service principal was disabled by Microsoft and cannot be enabled.")


def _write_audits(
    state: TenantState, request: Request, entry: Entry, before: JsonObject, changes: Mapping[str, object]
) -> None:
    trail = AuditTrail(state, request)
    if "keyCredentials" in changes and changes["keyCredentials"] != before["keyCredentials"]:
        trail.credentials(entry, before, added=len(entry.state["keyCredentials"]) >= len(before["keyCredentials"]))
    if properties := property_changes(before, entry.state, changes):
        trail.update(entry, properties)


# --- deletion --------------------------------------------------------------------------------------


def delete_object(state: TenantState, request: Request, kind: str, object_id: str) -> Answer:
    """204, soft. An application takes its service principal at home along (facts: graph 5)."""
    entry = to_write(state, kind, object_id)
    principal = state.directory.by_app_id(SERVICE_PRINCIPAL, entry.state["appId"]) if kind == APPLICATION else None
    for each in (entry, principal) if principal else (entry,):
        if each.state.get("disabledByMicrosoftStatus") not in (None, "NotDisabled"):
            raise bad_request("This object was disabled by Microsoft and cannot be deleted.")
    trail = AuditTrail(state, request)
    state.directory.delete(entry, state.now)
    trail.write(_DELETED[kind], entry, [], operation="Delete")
    for gone in (entry, principal) if principal else (entry,):
        state.tokens.revoke_continuous(gone.id)
        conditional_access.forget(state, gone.id)
    if principal:
        state.directory.delete(principal, state.now)
        trail.write(_DELETED[SERVICE_PRINCIPAL], principal, [], operation="Delete")
    return Answer(NO_CONTENT)


_DELETED = {APPLICATION: "Delete application", SERVICE_PRINCIPAL: "Remove service principal"}

# --- federated credentials -------------------------------------------------------------------------

_FEDERATED_FIELDS = frozenset({"name", "issuer", "subject", "audiences", "description", "claimsMatchingExpression"})
_FEDERATED_CONTEXT = "federatedIdentityCredentials"


def get_federated(state: TenantState, request: Request, kind: str, object_id: str, credential: str) -> Answer:
    record = to_read(state, kind, object_id, request)
    return Answer(200, _federated(record, credential))


def add_federated(state: TenantState, request: Request, kind: str, object_id: str) -> Answer:
    """201; issuer and subject together must be new on this object."""
    body = request.json_object()
    entry = to_write(state, kind, object_id)
    _check_federated(body, required=("name", "issuer", "audiences"))
    existing = _federated_list(entry.state)
    if any(each["name"] == body["name"] for each in existing):
        raise bad_request(f"FederatedIdentityCredential with name {body['name']} already exists.")
    if any((each["issuer"], each.get("subject")) == (body["issuer"], body.get("subject")) for each in existing):
        raise bad_request("FederatedIdentityCredential with this issuer and subject already exists.")
    made = new_federated(state, body)
    _set_federated(state, request, entry, [*existing, made])
    return Answer(201, made)


def patch_federated(state: TenantState, request: Request, kind: str, object_id: str, credential: str) -> Answer:
    body = request.json_object()
    entry = to_write(state, kind, object_id)
    _check_federated(body, required=())
    found = _federated(entry.state, credential)
    _set_federated(
        state, request, entry, [{**each, **body} if each is found else each for each in _federated_list(entry.state)]
    )
    return Answer(NO_CONTENT)


def delete_federated(state: TenantState, request: Request, kind: str, object_id: str, credential: str) -> Answer:
    entry = to_write(state, kind, object_id)
    found = _federated(entry.state, credential)
    _set_federated(state, request, entry, [each for each in _federated_list(entry.state) if each is not found])
    return Answer(NO_CONTENT)


def new_federated(state: TenantState, given: Mapping[str, object]) -> JsonObject:
    return {
        "id": given.get("id") or state.chance.guid("federated"),
        "name": given.get("name"),
        "issuer": given.get("issuer"),
        "subject": given.get("subject"),
        "description": given.get("description"),
        "audiences": given.get("audiences") or ["api://AzureADTokenExchange"],
    }


def _check_federated(body: Mapping[str, object], required: tuple[str, ...]) -> None:
    for name in sorted(set(body) - _FEDERATED_FIELDS - {"@odata.type"}):
        raise bad_request(f"Invalid property '{name}'.")
    for name in required:
        if not body.get(name):
            raise bad_request(f"Required property '{name}' is missing or empty.")
    audiences = body.get("audiences", [""])
    if not isinstance(audiences, list) or len(cast("list[object]", audiences)) != 1:
        raise bad_request("Property audiences must hold exactly one value.")


def _federated_list(record: JsonObject) -> list[JsonObject]:
    return cast("list[JsonObject]", record.get("@fic", []))


def _federated(record: JsonObject, credential: str) -> JsonObject:
    """By id, or by name as the alternate key."""
    for each in _federated_list(record):
        if credential in (each["id"], each["name"]):
            return each
    raise not_found(credential)


def _set_federated(state: TenantState, request: Request, entry: Entry, wanted: list[JsonObject]) -> None:
    names = [[each["name"] for each in listed] for listed in (_federated_list(entry.state), wanted)]
    state.directory.change(entry, state.now, **{"@fic": wanted})
    AuditTrail(state, request).update(entry, [changed("FederatedIdentityCredentials", *names)])


# --- routes ----------------------------------------------------------------------------------------


def _routes(kind: str, write: tuple[str, ...], units: int) -> tuple[Route[TenantState], ...]:
    base = f"/{SETS[kind]}"
    each = f"{base}/{{object_id}}"
    federated = f"{each}/federatedIdentityCredentials"

    def reading(template: str, handler: Handler, cost: int = 1) -> Route[TenantState]:
        return Route("GET", template, partial(handler, kind=kind), READ_APPLICATIONS, units=cost)

    def writing(method: str, template: str, handler: Handler) -> Route[TenantState]:
        bound = partial(handler, kind=kind)
        return Route(method, template, bound, write, ("directory writes",), write=True)

    listing = partial(list_navigation, name="@fic", context=_FEDERATED_CONTEXT)
    return (
        reading(base, list_objects, units),
        reading(f"{base}/$count", count_objects),
        reading(each, get_object, units),
        writing("PATCH", each, patch_object),
        writing("DELETE", each, delete_object),
        writing("POST", f"{each}/addPassword", credentials.add_password),
        writing("POST", f"{each}/removePassword", credentials.remove_password),
        writing("POST", f"{each}/addKey", credentials.add_key),
        writing("POST", f"{each}/removeKey", credentials.remove_key),
        reading(federated, listing),
        reading(f"{federated}/{{credential}}", get_federated),
        writing("POST", federated, add_federated),
        writing("PATCH", f"{federated}/{{credential}}", patch_federated),
        writing("DELETE", f"{federated}/{{credential}}", delete_federated),
    )


ROUTES: tuple[Route[TenantState], ...] = (
    *_routes(SERVICE_PRINCIPAL, WRITE_PRINCIPALS, 1),
    *_routes(APPLICATION, WRITE_APPLICATIONS, 2),
    Route(
        "POST",
        "/servicePrincipals/{object_id}/addTokenSigningCertificate",
        partial(credentials.add_token_signing_certificate, kind=SERVICE_PRINCIPAL),
        WRITE_PRINCIPALS,
        ("directory writes",),
        write=True,
    ),
)
