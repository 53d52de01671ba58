"""Secrets: every PUT is a new version; those of certificates are managed and refuse to be set (facts: azure 3.1)."""

from typing import cast

from drill.practice.shapes import JsonObject
from drill.practice.state import TenantState
from drill.practice.vault.bundles import attributes, not_found, page, vault_at
from drill.practice.vault.certificates import finish_all
from drill.practice.vault.roles import GET_SECRETS, LIST_SECRETS, SET_SECRETS
from drill.practice.vault.state import SecretVersion, Vault
from drill.practice.web import Answer, Handler, Refusal, Request, Route

_MOST_BYTES = 25 * 1024


def get_latest(state: TenantState, request: Request, name: str) -> Answer:
    """The newest version, and no falling back when that one is disabled."""
    vault, versions = _versions(state, request, name)
    return Answer(200, _bundle(vault, name, _readable(versions[-1])))


def get_version(state: TenantState, request: Request, name: str, version: str) -> Answer:
    vault, versions = _versions(state, request, name)
    return Answer(200, _bundle(vault, name, _readable(_one(vault, name, versions, version))))


def list_all(state: TenantState, request: Request) -> Answer:
    """Names and metadata, never values."""
    vault = vault_at(state, request)
    finish_all(state, vault)
    return page(request, vault.url, [_item(vault, name, versions[-1]) for name, versions in vault.secrets.items()])


def list_versions(state: TenantState, request: Request, name: str) -> Answer:
    vault, versions = _versions(state, request, name)
    return page(request, vault.url, [_item(vault, name, each, versioned=True) for each in versions])


def put(state: TenantState, request: Request, name: str) -> Answer:
    """A new version; tags, type and expiry of the one before are not inherited."""
    vault = vault_at(state, request)
    body = request.json_object()
    for unknown in sorted(set(body) - {"value", "tags", "contentType", "attributes"}):
        raise Refusal(400, "BadParameter", f"Property {unknown} is not known.")
    value = body.get("value")
    if not isinstance(value, str) or len(value.encode()) > _MOST_BYTES:
        raise Refusal(400, "BadParameter", "Property value has invalid value.")
    _refuse_managed(vault.secrets.get(name, []))
    made = SecretVersion(
        version=state.chance.guid("secret version").replace("-", ""),
        value=state.canaries.adopt(value),
        created_at=state.now,
        updated_at=state.now,
        attributes={"enabled": True, **cast("JsonObject", body.get("attributes") or {})},
        content_type=body.get("contentType"),
        tags=cast("JsonObject", body.get("tags") or {}),
    )
    vault.secrets.setdefault(name, []).append(made)
    return Answer(200, _bundle(vault, name, made))


def patch(state: TenantState, request: Request, name: str, version: str) -> Answer:
    """Attributes are merged, `tags` replaces the map."""
    vault, versions = _versions(state, request, name)
    found = _one(vault, name, versions, version)
    _refuse_managed([found])
    body = request.json_object()
    found.attributes = {**found.attributes, **cast("JsonObject", body.get("attributes") or {})}
    found.tags = cast("JsonObject", body["tags"]) if "tags" in body else found.tags
    found.content_type = body.get("contentType", found.content_type)
    found.updated_at = state.now
    return Answer(200, _item(vault, name, found, versioned=True))


def patch_latest(state: TenantState, request: Request, name: str) -> Answer:
    _, versions = _versions(state, request, name)
    return patch(state, request, name, versions[-1].version)


def _versions(state: TenantState, request: Request, name: str) -> tuple[Vault, list[SecretVersion]]:
    vault = vault_at(state, request)
    finish_all(state, vault)
    certificate = vault.certificates.get(name)
    if name not in vault.secrets or (certificate and certificate.deleted_at):
        raise not_found("Secret", name, vault.url)
    return vault, vault.secrets[name]


def _one(vault: Vault, name: str, versions: list[SecretVersion], version: str) -> SecretVersion:
    for each in versions:
        if each.version == version:
            return each
    raise not_found("Secret", f"{name}/{version}", vault.url)


def _readable(version: SecretVersion) -> SecretVersion:
    if not version.attributes.get("enabled", True):
        message = "Operation get is not allowed on a disabled secret."
        raise Refusal(403, "Forbidden", message, inner_code="SecretDisabled")
    return version


def _refuse_managed(versions: list[SecretVersion]) -> None:
    if any(each.managed for each in versions):
        message = "Policy does not allow this operation on a secret managed by Key Vault."
        raise Refusal(403, "Forbidden", message, inner_code="SecretManagedByKeyVault")


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


def _reading(template: str, handler: Handler, permission: str, operation: str) -> Route[TenantState]:
    return Route("GET", template, handler, (permission,), ("transactions",), operation=operation)


def _writing(method: str, template: str, handler: Handler, bucket: str, operation: str) -> Route[TenantState]:
    return Route(method, template, handler, (SET_SECRETS,), (bucket,), write=True, lane=-1, operation=operation)


ROUTES: tuple[Route[TenantState], ...] = (
    _reading("/secrets", list_all, LIST_SECRETS, "SecretList"),
    _reading("/secrets/{name}", get_latest, GET_SECRETS, "SecretGet"),
    _reading("/secrets/{name}/versions", list_versions, LIST_SECRETS, "SecretListVersions"),
    _reading("/secrets/{name}/{version}", get_version, GET_SECRETS, "SecretGet"),
    _writing("PUT", "/secrets/{name}", put, "creations", "SecretSet"),
    _writing("PATCH", "/secrets/{name}", patch_latest, "transactions", "SecretUpdate"),
    _writing("PATCH", "/secrets/{name}/{version}", patch, "transactions", "SecretUpdate"),
)
