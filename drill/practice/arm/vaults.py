"""Vaults in ARM: their properties, access policies and diagnostic settings (facts: azure 3.3-3.5)."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeAlias, cast

from drill.practice.arm.roles import WRITE_POLICIES, WRITE_VAULTS
from drill.practice.arm.shapes import bad_body, follows_at, listed, properties_of, resource_not_found
from drill.practice.arm.state import DeletedVault
from drill.practice.shapes import JsonObject, fine_time, objects
from drill.practice.state import TenantState
from drill.practice.vault.state import OPENED, Vault
from drill.practice.web import Answer, Refusal, Request, Route

_KINDS = ("keys", "secrets", "certificates", "storage")


def shown(state: TenantState, vault: Vault) -> JsonObject:
    """As ARM shows it."""
    return {
        "id": vault.resource_id,
        "name": vault.name,
        "type": "Microsoft.KeyVault/vaults",
        "location": "westeurope",
        "tags": vault.tags,
        "properties": {
            "sku": {"family": "A", "name": "standard"},
            "tenantId": state.id,
            "accessPolicies": list(vault.policies.newest),
            "enableRbacAuthorization": vault.rbac,
            **{name: name in vault.opened for name in OPENED},
            "enableSoftDelete": True,
            "softDeleteRetentionInDays": 90,
            "vaultUri": f"{vault.url}/",
            "provisioningState": "Succeeded",
            "publicNetworkAccess": "Disabled" if vault.firewalled else "Enabled",
        },
    }


def get_vault(state: TenantState, request: Request, scope: str, name: str) -> Answer:
    return Answer(200, shown(state, _at(state, request, scope, name)))


def list_vaults(state: TenantState, request: Request, scope: str) -> Answer:
    """Those of a subscription or resource group."""
    start = f"{scope.lower()}/"
    return listed(
        request, [shown(state, each) for each in state.vaults.values() if each.resource_id.lower().startswith(start)]
    )


def list_deleted(state: TenantState, request: Request, scope: str) -> Answer:
    """Of a subscription: names and times, and nothing of what is in them."""
    subscription = scope.rpartition("/")[2].lower()
    return listed(request, [_deleted(each) for each in state.azure.deleted_vaults if each.subscription == subscription])


def _deleted(vault: DeletedVault) -> JsonObject:
    where = f"/subscriptions/{vault.subscription}/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults"
    return {
        "id": f"{where}/{vault.name}",
        "name": vault.name,
        "type": "Microsoft.KeyVault/deletedVaults",
        "properties": {
            "vaultId": vault.resource_id,
            "location": "westeurope",
            "deletionDate": fine_time(vault.deleted_at),
            "scheduledPurgeDate": fine_time(vault.deleted_at + timedelta(days=90)),
            "tags": {},
        },
    }


def patch_vault(state: TenantState, request: Request, scope: str, name: str) -> Answer:
    """What is given replaces what was there, a list of policies as a whole."""
    vault = _at(state, request, scope, name)
    body = request.json_object()
    given = cast("JsonObject", body.get("properties") or {})
    if "accessPolicies" in given:
        _write(state, vault, [_entry(state, each) for each in _entries(given["accessPolicies"])])
    vault.rbac = bool(given.get("enableRbacAuthorization", vault.rbac))
    vault.opened = frozenset(name for name in OPENED if given.get(name, name in vault.opened))
    vault.tags = cast("JsonObject", body.get("tags", vault.tags))
    return Answer(200, shown(state, vault))


def change_policies(state: TenantState, request: Request, scope: str, name: str, kind: str) -> Answer:
    """add, replace or remove: entries are told by objectId and applicationId."""
    vault = _at(state, request, scope, name)
    given = [_entry(state, each) for each in _entries(properties_of(request).get("accessPolicies"))]
    if kind not in _CHANGES:
        raise bad_body(f"The operation kind '{kind}' is not one of add, replace, remove.")
    entries = {_key(each): each for each in vault.policies.newest}
    for each in given:
        changed = _CHANGES[kind](entries.get(_key(each)), each)
        entries.pop(_key(each), None)
        if changed:
            entries[_key(each)] = changed
    _write(state, vault, list(entries.values()))
    return Answer(
        200,
        {
            "id": f"{vault.resource_id}/accessPolicies/",
            "type": "Microsoft.KeyVault/vaults/accessPolicies",
            "properties": {"accessPolicies": list(vault.policies.newest)},
        },
    )


_Change: TypeAlias = Callable[[JsonObject | None, JsonObject], JsonObject | None]


def _add(known: JsonObject | None, given: JsonObject) -> JsonObject:
    have = known["permissions"] if known else dict.fromkeys(_KINDS, ())
    both = {kind: list(dict.fromkeys([*have[kind], *given["permissions"][kind]])) for kind in _KINDS}
    return {**given, "permissions": both}


def _remove(known: JsonObject | None, given: JsonObject) -> JsonObject | None:
    """Entries without any permission left go."""
    if known is None:
        return None
    taken = given["permissions"]
    left = {kind: [each for each in known["permissions"][kind] if each not in taken[kind]] for kind in _KINDS}
    return {**given, "permissions": left} if any(left.values()) else None


def _replace(_: JsonObject | None, given: JsonObject) -> JsonObject:
    return given


_CHANGES: dict[str, _Change] = {"add": _add, "remove": _remove, "replace": _replace}


def _key(entry: JsonObject) -> tuple[str, str]:
    return str(entry["objectId"]).lower(), str(entry.get("applicationId") or "").lower()


def _entries(given: object) -> list[JsonObject]:
    try:
        return objects(given)
    except ValueError as problem:
        raise bad_body("accessPolicies must be a list of entries.") from problem


def _entry(state: TenantState, given: JsonObject) -> JsonObject:
    """One entry with its permissions in lower case, as ARM gives them back."""
    permissions = given.get("permissions")
    if given.get("tenantId") != state.id or not given.get("objectId") or not isinstance(permissions, dict):
        raise Refusal(400, "BadRequest", "An access policy needs the vault's tenantId, an objectId and permissions.")
    asked = cast("JsonObject", permissions)
    kept = {kind: [str(each).lower() for each in cast("list[object]", asked.get(kind) or [])] for kind in _KINDS}
    return {**given, "permissions": kept}


def _write(state: TenantState, vault: Vault, entries: list[JsonObject]) -> None:
    vault.policies.write((*entries,), state.now, state.now + timedelta(seconds=follows_at(state)))


def _at(state: TenantState, request: Request, scope: str, name: str) -> Vault:
    wanted = f"{scope}/providers/Microsoft.KeyVault/vaults/{name}".lower()
    vault = state.vaults.get(name.lower())
    if vault is None or vault.resource_id.lower() != wanted:
        raise resource_not_found(request.path)
    return vault


# --- diagnostic settings ----------------------------------------------------------------------------------


def list_settings(state: TenantState, request: Request, scope: str) -> Answer:
    """Where a vault's log goes. Other resources have none here."""
    vault = _under(state, scope)
    return Answer(200, {"value": [_setting(vault, each) for each in vault.settings.newest]})


def put_setting(state: TenantState, request: Request, scope: str, name: str) -> Answer:
    """Made, or replaced as a whole."""
    vault, properties = _under(state, scope), properties_of(request)
    made: JsonObject = {"name": name, **{key: properties[key] for key in _SETTING if key in properties}}
    _write_settings(state, vault, (*_others(vault, name), made))
    return Answer(200, _setting(vault, made))


def delete_setting(state: TenantState, request: Request, scope: str, name: str) -> Answer:
    """Gone is no error."""
    del request
    vault = _under(state, scope)
    _write_settings(state, vault, _others(vault, name))
    return Answer(200)


_SETTING = ("workspaceId", "logAnalyticsDestinationType", "storageAccountId", "eventHubAuthorizationRuleId", "logs")


def _under(state: TenantState, scope: str) -> Vault:
    vault = next((each for each in state.vaults.values() if each.resource_id.lower() == scope.lower()), None)
    if vault is None:
        raise resource_not_found(scope)
    return vault


def _others(vault: Vault, name: str) -> tuple[JsonObject, ...]:
    return tuple(each for each in vault.settings.newest if str(each.get("name")).lower() != name.lower())


def _write_settings(state: TenantState, vault: Vault, settings: tuple[JsonObject, ...]) -> None:
    delay = state.chance.between("diagnostics delay", state.behaviour.diagnostics_delay)
    vault.settings.write(settings, state.now, state.now + timedelta(seconds=delay))


def _setting(vault: Vault, given: JsonObject) -> JsonObject:
    name = given.get("name", "audit")
    return {
        "id": f"{vault.resource_id.lower()}/providers/microsoft.insights/diagnosticSettings/{name}",
        "type": "Microsoft.Insights/diagnosticSettings",
        "name": name,
        "properties": {
            "workspaceId": given.get("workspaceId"),
            "logAnalyticsDestinationType": given.get("logAnalyticsDestinationType"),
            "storageAccountId": given.get("storageAccountId"),
            "eventHubAuthorizationRuleId": given.get("eventHubAuthorizationRuleId"),
            "eventHubName": None,
            "metrics": [],
            "logs": given.get("logs", []),
        },
    }


_SETTINGS = "/Microsoft.Insights/diagnosticSettings"
_VAULTS = "/Microsoft.KeyVault/vaults"
_VAULT = f"{_VAULTS}/{{name}}"
ROUTES: tuple[Route[TenantState], ...] = (
    Route("GET", "/Microsoft.KeyVault/deletedVaults", list_deleted, ("Microsoft.KeyVault/deletedVaults/read",)),
    Route("GET", _VAULTS, list_vaults, ("Microsoft.KeyVault/vaults/read",)),
    Route("GET", _VAULT, get_vault, ("Microsoft.KeyVault/vaults/read",)),
    Route("PATCH", _VAULT, patch_vault, (WRITE_VAULTS,), write=True, lane=-1),
    Route("PUT", f"{_VAULT}/accessPolicies/{{kind}}", change_policies, (WRITE_POLICIES,), write=True, lane=-1),
    Route("GET", _SETTINGS, list_settings, ("Microsoft.Insights/diagnosticSettings/read",)),
    Route(
        "PUT",
        f"{_SETTINGS}/{{name}}",
        put_setting,
        ("Microsoft.Insights/diagnosticSettings/write",),
        write=True,
        lane=-1,
    ),
    Route(
        "DELETE",
        f"{_SETTINGS}/{{name}}",
        delete_setting,
        ("Microsoft.Insights/diagnosticSettings/delete",),
        write=True,
        lane=-1,
    ),
)
