"""Vaults from the `azure` part of a scenario; the hand-over vault is always there."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast

from drill.practice.shapes import JsonObject, ScenarioMistake, known_keys, objects
from drill.practice.state import TenantState
from drill.practice.vault.roles import ROLE_IDS
from drill.practice.vault.state import SecretVersion, Vault

HANDOVER = "handover"
_SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"
_VAULT_KEYS = ("name", "subscription", "rbac", "diagnostics", "secrets", "firewall", "tags", "id")
_SECRET_KEYS = ("name", "value", "contentType", "attributes", "tags", "managed")


def add_vaults(state: TenantState, azure: Mapping[str, Any]) -> None:
    known_keys(azure, ("subscriptions", "roleAssignments", "vaults", "storageAccounts"), "azure")
    assignments = objects(azure.get("roleAssignments", []))
    given = objects(azure.get("vaults", []))
    if not any(each.get("name") == HANDOVER for each in given):
        given = [*given, {"name": HANDOVER}]
    for each in given:
        vault = _vault(state, each, assignments)
        state.vaults[vault.name] = vault
    _grant_handover(state)
    state.kept_azure = {name: azure.get(name, []) for name in ("subscriptions", "roleAssignments", "storageAccounts")}


def _vault(state: TenantState, given: JsonObject, assignments: list[JsonObject]) -> Vault:
    known_keys(given, _VAULT_KEYS, "azure.vaults")
    name = str(given["name"]).lower()
    subscription = str(given.get("subscription") or _SUBSCRIPTION)
    resource_id = str(
        given.get("id")
        or f"/subscriptions/{subscription}/resourceGroups/practice/providers/Microsoft.KeyVault/vaults/{name}"
    )
    vault = Vault(
        name,
        resource_id,
        subscription,
        _grants(resource_id, assignments),
        diagnostics=given.get("diagnostics", True),
        firewalled=bool(given.get("firewall", False)),
    )
    for secret in objects(given.get("secrets", [])):
        vault.secrets.setdefault(str(secret["name"]), []).append(_secret(state, secret))
    return vault


def _grants(resource_id: str, assignments: list[JsonObject]) -> dict[str, set[str]]:
    """Role names by principal, for assignments whose scope is the vault or something above it."""
    grants: dict[str, set[str]] = {}
    for each in assignments:
        scope = str(each.get("scope", "/")).rstrip("/").lower()
        if not (resource_id.lower() + "/").startswith(scope + "/"):
            continue
        role_id = str(each.get("roleDefinitionId", "")).rstrip("/").split("/")[-1].lower()
        role = each.get("roleDefinitionName") or ROLE_IDS.get(role_id, role_id)
        grants.setdefault(str(each["principalId"]), set()).add(str(role))
    return grants


def _grant_handover(state: TenantState) -> None:
    """Those of Cordon's identities that replace credentials may make certificates here."""
    for role in ("executor", "rotator"):
        principal = state.cordon[role].object_id
        state.vaults[HANDOVER].grants.setdefault(principal, set()).add("Key Vault Certificates Officer")


def _secret(state: TenantState, given: JsonObject) -> SecretVersion:
    known_keys(given, _SECRET_KEYS, "azure.vaults.secrets")
    if "/" in str(given.get("name", "/")):
        raise ScenarioMistake(f"azure.vaults.secrets: {given.get('name')!r} is not a secret's name")
    value = given.get("value")
    text = state.canaries.make(lambda canary: canary) if value is None else state.canaries.adopt(str(value))
    long_ago = state.now - timedelta(days=120)
    return SecretVersion(
        version=state.chance.guid("secret version").replace("-", ""),
        value=text,
        created_at=long_ago,
        updated_at=long_ago,
        attributes={"enabled": True, **cast("JsonObject", given.get("attributes", {}))},
        content_type=given.get("contentType"),
        tags=given.get("tags", {}),
        managed=bool(given.get("managed", False)),
    )
