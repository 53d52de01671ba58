"""Secrets: every PUT is a new version; those of certificates are managed and refuse to be set (facts: azure 3.1)."""

import base64
import re
from datetime import datetime, timedelta
from typing import cast

from drill.practice.shapes import JsonObject
from drill.practice.state import Taken, TenantState
from drill.practice.vault.bundles import attributes, not_found, page, vault_at
from drill.practice.vault.certificates import finish_all
from drill.practice.vault.events import tell_if_near_expiry, tell_new_version
from drill.practice.vault.roles import (
    BACK_UP_SECRETS,
    DELETE_SECRETS,
    GET_SECRETS,
    LIST_SECRETS,
    PURGE_SECRETS,
    RECOVER_SECRETS,
    SET_SECRETS,
    UPDATE_SECRETS,
)
from drill.practice.vault.state import SecretVersion, Vault
from drill.practice.web import NO_CONTENT, Answer, Handler, Refusal, Request, Route

_MOST_BYTES = 25 * 1024
_LONGEST = 255  # characters of a content type; azure 3.2
_MOST_TAGS, _LONGEST_TAG = 15, 256
_NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")
_RETENTION = timedelta(days=90)


def get_latest(state: TenantState, request: Request, name: str) -> Answer:
    """The newest version, and no falling back when that one is disabled."""
    vault, name, versions = _versions(state, request, name)
    return _given_out(state, request, vault, name, _readable(versions[-1]))


def get_version(state: TenantState, request: Request, name: str, version: str) -> Answer:
    vault, name, versions = _versions(state, request, name)
    return _given_out(state, request, vault, name, _readable(_one(vault, name, versions, version)))


def _given_out(state: TenantState, request: Request, vault: Vault, name: str, version: SecretVersion) -> Answer:
    state.taken.append(Taken(vault.name, name, version.version, request.principal_id))
    return Answer(200, _bundle(vault, name, version))


def list_all(state: TenantState, request: Request) -> Answer:
    """Names and metadata, never values."""
    vault = vault_at(state, request)
    finish_all(state, vault)
    living = [(name, versions[-1]) for name, versions in vault.secrets.items() if name not in vault.deleted]
    return page(request, vault.url, [_item(vault, name, newest) for name, newest in living])


def list_versions(state: TenantState, request: Request, name: str) -> Answer:
    """In no order that says anything: whoever needs one sorts by creation."""
    vault, name, versions = _versions(state, request, name)
    listed = sorted(versions, key=lambda each: each.version)
    return page(request, vault.url, [_item(vault, name, each, versioned=True) for each in listed])


def put(state: TenantState, request: Request, name: str) -> Answer:
    """A new version; tags, type and expiry of the one before are not inherited."""
    vault = vault_at(state, request)
    body = request.json_object()
    _check(name, body, {"value", "tags", "contentType", "attributes"})
    value = body.get("value")
    if not isinstance(value, str) or len(value.encode()) > _MOST_BYTES:
        raise Refusal(400, "BadParameter", "Property value has invalid value.")
    finish_all(state, vault)
    name = vault.known_name(name)
    if name in vault.deleted:
        raise _recoverable(name)
    if state.behaviour.managed_secrets_refuse_set:
        _refuse_managed(vault.secrets.get(name, []))
    made = new_version(state, value, body, state.now)
    vault.secrets.setdefault(name, []).append(made)
    tell_new_version(state, vault, name, made)
    return Answer(200, _bundle(vault, name, made))


def new_version(state: TenantState, value: str, given: JsonObject, at: datetime) -> SecretVersion:
    """A version as `given` says: tags, contentType, attributes."""
    return SecretVersion(
        version=state.chance.guid("secret version").replace("-", ""),
        value=state.canaries.adopt(value),
        created_at=at,
        updated_at=at,
        attributes={"enabled": True, **cast("JsonObject", given.get("attributes") or {})},
        content_type=given.get("contentType"),
        tags=cast("JsonObject", given.get("tags") or {}),
    )


def patch(state: TenantState, request: Request, name: str, version: str) -> Answer:
    """Attributes are merged, `tags` replaces the map."""
    vault, name, versions = _versions(state, request, name)
    found = _one(vault, name, versions, version)
    _refuse_managed([found])
    body = request.json_object()
    _check(name, body, {"tags", "contentType", "attributes"})
    found.attributes = {**found.attributes, **cast("JsonObject", body.get("attributes") or {})}
    found.tags = cast("JsonObject", body["tags"]) if "tags" in body else found.tags
    found.content_type = body.get("contentType", found.content_type)
    found.updated_at = state.now
    tell_if_near_expiry(state, vault, name)
    return Answer(200, _item(vault, name, found, versioned=True))


def patch_latest(state: TenantState, request: Request, name: str) -> Answer:
    _, name, versions = _versions(state, request, name)
    return patch(state, request, name, versions[-1].version)


def back_up(state: TenantState, request: Request, name: str) -> Answer:
    """All versions in one opaque text, which only another vault can read."""
    vault, name, versions = _versions(state, request, name)
    state.taken += [Taken(vault.name, name, each.version, request.principal_id) for each in versions]
    blob = base64.urlsafe_b64encode(f"backup of {name} {state.chance.guid('backup')}".encode()).decode()
    return Answer(200, {"value": state.canaries.adopt(blob)})


# --- soft deletion -------------------------------------------------------------------------------------


def delete(state: TenantState, request: Request, name: str) -> Answer:
    """All versions at once, and recoverable."""
    vault, name, versions = _versions(state, request, name)
    _refuse_managed(versions)
    vault.deleted[name] = state.now
    return Answer(200, _deleted(vault, name))


def list_deleted(state: TenantState, request: Request) -> Answer:
    vault = vault_at(state, request)
    return page(request, vault.url, [_deleted(vault, name) for name in sorted(vault.deleted)])


def get_deleted(state: TenantState, request: Request, name: str) -> Answer:
    vault, name = _gone(state, request, name)
    return Answer(200, _deleted(vault, name))


def recover(state: TenantState, request: Request, name: str) -> Answer:
    vault, name = _gone(state, request, name)
    del vault.deleted[name]
    return Answer(200, _item(vault, name, vault.secrets[name][-1], versioned=True))


def purge(state: TenantState, request: Request, name: str) -> Answer:
    vault, name = _gone(state, request, name)
    del vault.deleted[name], vault.secrets[name]
    return Answer(NO_CONTENT)


# --- parts ----------------------------------------------------------------------------------------------


def _check(name: str, body: JsonObject, known: set[str]) -> None:
    if not _NAME.fullmatch(name):
        raise Refusal(400, "BadParameter", f"The request URI contains an invalid name: {name}")
    for unknown in sorted(set(body) - known):
        raise Refusal(400, "BadParameter", f"Property {unknown} is not known.")
    if len(str(body.get("contentType") or "")) > _LONGEST:
        raise Refusal(400, "BadParameter", "Property contentType has invalid value: it is too long.")
    _check_tags(body.get("tags"))
    _check_attributes(body.get("attributes"))


def _check_tags(given: object) -> None:
    tags = cast("JsonObject", given or {})
    fits = all(isinstance(each, str) and len(each) <= _LONGEST_TAG for pair in tags.items() for each in pair)
    if len(tags) > _MOST_TAGS or not fits:
        raise Refusal(400, "BadParameter", f"Property tags has invalid value: {_MOST_TAGS} of 256 characters at most.")


def _check_attributes(given: object) -> None:
    attributes = cast("JsonObject", given or {})
    wrong = [name for name in ("nbf", "exp") if not isinstance(attributes.get(name), int | None)]
    if wrong or not isinstance(attributes.get("enabled", True), bool):
        raise Refusal(400, "BadParameter", "Property attributes has invalid value.")


def _versions(state: TenantState, request: Request, name: str) -> tuple[Vault, str, list[SecretVersion]]:
    """The vault, the name as it is kept, and the versions, oldest first."""
    vault = vault_at(state, request)
    finish_all(state, vault)
    name = vault.known_name(name)
    certificate = vault.certificates.get(name)
    if name not in vault.secrets or name in vault.deleted or (certificate and certificate.deleted_at):
        raise not_found("Secret", name, vault.url)
    return vault, name, vault.secrets[name]


def _gone(state: TenantState, request: Request, name: str) -> tuple[Vault, str]:
    vault = vault_at(state, request)
    name = vault.known_name(name)
    if name not in vault.deleted:
        raise not_found("Secret", name, vault.url)
    return vault, name


def _one(vault: Vault, name: str, versions: list[SecretVersion], version: str) -> SecretVersion:
    for each in versions:
        if each.version == version:
            return each
    raise not_found("Secret", f"{name}/{version}", vault.url)


def _readable(version: SecretVersion) -> SecretVersion:
    """Expiry does not matter: only disabling does."""
    if not version.attributes.get("enabled", True):
        message = "Operation get is not allowed on a disabled secret."
        raise Refusal(403, "Forbidden", message, inner_code="SecretDisabled")
    return version


def _refuse_managed(versions: list[SecretVersion]) -> None:
    if any(each.managed for each in versions):
        message = "Policy does not allow this operation on a secret managed by Key Vault."
        raise Refusal(403, "Forbidden", message, inner_code="SecretManagedByKeyVault")


def _recoverable(name: str) -> Refusal:
    message = f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused."
    return Refusal(409, "Conflict", message, inner_code="ObjectIsDeletedButRecoverable")


def _item(vault: Vault, name: str, version: SecretVersion, *, versioned: bool = False) -> JsonObject:
    base = f"{vault.url}/secrets/{name}"
    item: JsonObject = {
        "id": f"{base}/{version.version}" if versioned else base,
        "attributes": attributes(version.attributes, version.created_at, version.updated_at),
        "tags": version.tags,
    }
    if version.content_type is not None:
        item["contentType"] = version.content_type
    if version.managed:
        item["managed"] = True
        item["kid"] = f"{vault.url}/keys/{name}/{version.version}"
    return item


def _bundle(vault: Vault, name: str, version: SecretVersion) -> JsonObject:
    return {"value": version.value, **_item(vault, name, version, versioned=True)}


def _deleted(vault: Vault, name: str) -> JsonObject:
    since = vault.deleted[name]
    return {
        **_item(vault, name, vault.secrets[name][-1]),
        "recoveryId": f"{vault.url}/deletedsecrets/{name}",
        "deletedDate": int(since.timestamp()),
        "scheduledPurgeDate": int((since + _RETENTION).timestamp()),
    }


def _reading(template: str, handler: Handler, permission: str, operation: str) -> Route[TenantState]:
    return Route("GET", template, handler, (permission,), ("transactions",), operation=operation)


def _writing(
    method: str, template: str, handler: Handler, permission: str, operation: str, bucket: str = "transactions"
) -> Route[TenantState]:
    return Route(method, template, handler, (permission,), (bucket,), write=True, lane=-1, operation=operation)


_DELETED = "/deletedsecrets/{name}"
ROUTES: tuple[Route[TenantState], ...] = (
    _reading("/secrets", list_all, LIST_SECRETS, "SecretList"),
    _reading("/secrets/{name}", get_latest, GET_SECRETS, "SecretGet"),
    _reading("/secrets/{name}/versions", list_versions, LIST_SECRETS, "SecretListVersions"),
    _reading("/secrets/{name}/{version}", get_version, GET_SECRETS, "SecretGet"),
    _writing("PUT", "/secrets/{name}", put, SET_SECRETS, "SecretSet", "creations"),
    _writing("PATCH", "/secrets/{name}", patch_latest, UPDATE_SECRETS, "SecretUpdate"),
    _writing("PATCH", "/secrets/{name}/{version}", patch, UPDATE_SECRETS, "SecretUpdate"),
    Route("POST", "/secrets/{name}/backup", back_up, (BACK_UP_SECRETS,), ("transactions",), operation="SecretBackup"),
    _writing("DELETE", "/secrets/{name}", delete, DELETE_SECRETS, "SecretDelete"),
    _reading("/deletedsecrets", list_deleted, LIST_SECRETS, "SecretListDeleted"),
    _reading(_DELETED, get_deleted, GET_SECRETS, "SecretGetDeleted"),
    _writing("POST", f"{_DELETED}/recover", recover, RECOVER_SECRETS, "SecretRecover"),
    _writing("DELETE", _DELETED, purge, PURGE_SECRETS, "SecretPurge"),
)
