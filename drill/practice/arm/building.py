"""Azure from the `azure` part of a scenario: subscriptions and their management groups, roles and who has them."""

import json
import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from drill.practice.arm.activity import event
from drill.practice.arm.roles import CORDON, RoleDefinition
from drill.practice.arm.sources import KINDS, Source, new_source
from drill.practice.arm.state import LONG_AGO, Assignment, DeletedVault, EntraSetting, Lock, Subscription, Workspace
from drill.practice.directory import SERVICE_PRINCIPAL
from drill.practice.shapes import JsonObject, ScenarioMistake, known_keys, objects, read_time
from drill.practice.state import TenantState

AZURE_KEYS = (
    "subscriptions",
    "roleDefinitions",
    "roleAssignments",
    "permissions",
    "workspaces",
    "entraDiagnosticSettings",
    "locks",
    "deletedVaults",
    "vaults",
    *(kind.name for kind in KINDS),
)
DEFAULT_SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"
_SUBSCRIPTION_KEYS = ("subscriptionId", "id", "displayName", "managementGroupAncestorsChain")
_ASSIGNMENT_KEYS = (
    "id",
    "name",
    "principalId",
    "principalType",
    "roleDefinitionId",
    "roleDefinitionName",
    "scope",
    "condition",
    "removedAt",
)
_DEFINITION_KEYS = ("id", "name", "roleName", "type", "permissions", "assignableScopes", "description")
_WORKSPACE_KEYS = (
    "name",
    "id",
    "subscription",
    "resourceGroup",
    "customerId",
    "retentionInDays",
    "tables",
    "transforms",
    "overQuota",
)
_SOURCE_KEYS = ("name", "id", "subscription", "resourceGroup", "authorizationRules", "tags")
_GROUP_SCOPE = "/providers/Microsoft.Management/managementGroups/"


def add_access(state: TenantState, azure: Mapping[str, Any]) -> None:
    """Everything that says who may what. Vaults and other resources come later."""
    known_keys(azure, AZURE_KEYS, "azure")
    for given in objects(azure.get("subscriptions", [])):
        _add_subscription(state, given)
    for given in objects(azure.get("vaults", [])):
        subscription_of(state, given)
    subscription_of(state, {})
    for given in objects(azure.get("roleDefinitions", [])):
        definition = _definition(given)
        state.azure.definitions[definition.id] = definition
    for given in objects(azure.get("roleAssignments", [])):
        state.azure.assignments.append(assignment(state, given))
    _give_cordon(state, azure.get("permissions", {}))
    _add_workspaces(state, objects(azure.get("workspaces", [])))
    state.azure.entra_settings += [_entra(state, each) for each in objects(azure.get("entraDiagnosticSettings", []))]
    state.azure.deleted_vaults += [_deleted_vault(state, each) for each in objects(azure.get("deletedVaults", []))]
    state.azure.locks += [_lock(each) for each in objects(azure.get("locks", []))]


def _deleted_vault(state: TenantState, given: JsonObject) -> DeletedVault:
    known_keys(given, ("name", "id", "subscription", "resourceGroup", "deletedAt"), "azure.deletedVaults")
    resource_id = resource_id_of(state, given, "Microsoft.KeyVault/vaults")
    return DeletedVault(
        str(given["name"]), resource_id, subscription_of(state, given), read_time(str(given["deletedAt"]))
    )


def _lock(given: JsonObject) -> Lock:
    known_keys(given, ("scope", "level"), "azure.locks")
    if given.get("level") not in ("ReadOnly", "CanNotDelete"):
        raise ScenarioMistake(f"azure.locks.level: {given.get('level')} is not one of ReadOnly, CanNotDelete")
    return Lock(str(given["scope"]).rstrip("/").lower(), read_only=given["level"] == "ReadOnly")


def add_sources(state: TenantState, azure: Mapping[str, Any]) -> None:
    """The services whose keys and passwords lie in vaults."""
    for kind in KINDS:
        for given in objects(azure.get(kind.name, [])):
            known_keys(given, _SOURCE_KEYS, f"azure.{kind.name}")
            resource_id = resource_id_of(state, given, kind.type)
            rules = tuple(given.get("authorizationRules", ("RootManageSharedAccessKey",)))
            tags = cast("JsonObject", given.get("tags", {}))
            source = new_source(state, kind, str(given["name"]).lower(), resource_id, rules, tags)
            state.azure.sources[resource_id.lower()] = source


def source_named(state: TenantState, name: str) -> Source:
    """By name or ARM id."""
    wanted = name.lower()
    found = [each for key, each in state.azure.sources.items() if wanted in (key, each.name)]
    if len(found) != 1:
        raise ScenarioMistake(f"azure: {len(found)} services are called {name}; give the ARM id of one that is listed")
    return found[0]


def _add_workspaces(state: TenantState, listed: list[JsonObject]) -> None:
    """At least one: the first is where vaults log to, unless they say otherwise."""
    for given in listed or [{"name": "practice-logs"}]:
        known_keys(given, _WORKSPACE_KEYS, "azure.workspaces")
        resource_id = resource_id_of(state, given, "Microsoft.OperationalInsights/workspaces")
        made = str(uuid.uuid5(uuid.NAMESPACE_URL, resource_id))
        workspace = Workspace(
            str(given["name"]),
            resource_id,
            str(given.get("customerId") or made),
            retention_days=int(given.get("retentionInDays", 90)),
            table_days=cast("dict[str, int]", given.get("tables", {})),
            transforms=cast("dict[str, str]", given.get("transforms", {})),
            full_at=tuple(read_time(str(each)) for each in cast("list[object]", given.get("overQuota", []))),
        )
        state.azure.workspaces[workspace.customer_id] = workspace


ENTRA_CATEGORIES = (
    "ServicePrincipalSignInLogs",
    "ManagedIdentitySignInLogs",
    "MicrosoftGraphActivityLogs",
    "AuditLogs",
)
"""Those of Entra's categories that this stand-in's workspaces can hold."""


def _entra(state: TenantState, given: JsonObject) -> EntraSetting:
    """All categories to the first workspace, unless it says otherwise. `since`: it was not there before."""
    known_keys(given, ("name", "workspaceId", "logs", "since"), "azure.entraDiagnosticSettings")
    everything = [{"category": each, "enabled": True} for each in ENTRA_CATEGORIES]
    listed = objects(given.get("logs", everything))
    if unknown := {str(each.get("category")) for each in listed} - {*ENTRA_CATEGORIES}:
        raise ScenarioMistake(f"azure.entraDiagnosticSettings: unknown category {', '.join(sorted(unknown))}")
    workspace = given.get("workspaceId") or next(iter(state.azure.workspaces.values())).resource_id
    return EntraSetting(
        str(workspace).lower(),
        frozenset(str(each["category"]) for each in listed if each.get("enabled")),
        read_time(str(given["since"])) if "since" in given else LONG_AGO,
    )


def _add_subscription(state: TenantState, given: JsonObject) -> None:
    known_keys(given, _SUBSCRIPTION_KEYS, "azure.subscriptions")
    subscription = str(given.get("subscriptionId") or given.get("id", "")).rpartition("/")[2].lower()
    if not subscription:
        raise ScenarioMistake("azure.subscriptions: one has no subscriptionId")
    chain = [str(each["name"]) for each in objects(given.get("managementGroupAncestorsChain", []))]
    if state.id not in chain:
        chain.append(state.id)  # the root group, which has the tenant's id
    name = str(given.get("displayName") or f"subscription {subscription}")
    state.azure.subscriptions[subscription] = Subscription(subscription, name, tuple(chain))


def subscription_of(state: TenantState, given: JsonObject) -> str:
    """The id of a resource's subscription, which exists by being named."""
    found = re.match(r"/subscriptions/([^/]+)", str(given.get("id", "")), re.IGNORECASE)
    named = found[1] if found else str(given.get("subscription") or DEFAULT_SUBSCRIPTION)
    subscription = named.lower()
    if subscription not in state.azure.subscriptions:
        _add_subscription(state, {"subscriptionId": subscription})
    return subscription


def resource_id_of(state: TenantState, given: JsonObject, kind: str) -> str:
    """The ARM id that a resource says it has, or one made from its name and subscription."""
    group = given.get("resourceGroup") or "practice"
    made = f"/subscriptions/{subscription_of(state, given)}/resourceGroups/{group}/providers/{kind}/{given['name']}"
    return str(given.get("id") or made)


def _definition(given: JsonObject) -> RoleDefinition:
    """Custom roles, as ARM shows them or with their properties at the top."""
    flat: JsonObject = {**given, **given.get("properties", {})}
    flat.pop("properties", None)
    known_keys(flat, _DEFINITION_KEYS, "azure.roleDefinitions")
    permissions = objects(flat.get("permissions", []))
    if not flat.get("roleName") or not permissions:
        raise ScenarioMistake("azure.roleDefinitions: roleName and permissions are needed")

    def all_of(name: str) -> tuple[str, ...]:
        return tuple(str(each) for permission in permissions for each in permission.get(name, ()))

    made = uuid.uuid5(uuid.NAMESPACE_URL, f"role {flat['roleName']}")  # ids of roles are GUIDs
    return RoleDefinition(
        str(flat.get("id") or made).rpartition("/")[2].lower(),
        str(flat["roleName"]),
        all_of("actions"),
        all_of("notActions"),
        all_of("dataActions"),
        all_of("notDataActions"),
        custom=True,
    )


def assignment(state: TenantState, given: JsonObject) -> Assignment:
    """
    One that has always been there; with `removedAt` one that was, until that moment before the drill, of which the
    activity log tells.
    """
    known_keys(given, _ASSIGNMENT_KEYS, "azure.roleAssignments")
    scope = str(given.get("scope", "/")).rstrip("/") or "/"
    name = str(given.get("name") or state.chance.guid("role assignment"))
    made_id = f"{scope.rstrip('/')}/providers/Microsoft.Authorization/roleAssignments/{name}"
    removed = read_time(str(given["removedAt"])) if "removedAt" in given else None
    made = Assignment(
        id=str(given.get("id") or made_id),
        scope=scope,
        principal_id=str(given["principalId"]),
        principal_type=str(given.get("principalType") or type_of(state, str(given["principalId"]))),
        role=role_by(state, given),
        condition=cast("str | None", given.get("condition")),
        created_at=LONG_AGO,
        rules_from=LONG_AGO,
        removed_at=removed,
        rules_until=removed,
    )
    if removed is not None:
        _log_removal(state, made, removed)
    return made


def _log_removal(state: TenantState, gone: Assignment, at: datetime) -> None:
    told = {"responseBody": json.dumps(gone.shown())} if state.behaviour.activity_bodies else {}
    more: JsonObject = {"properties": {"statusCode": "OK", "eventCategory": "Administrative", **told}}
    state.azure.activity.load([event(state, at, "Microsoft.Authorization/roleAssignments/delete", gone.id, more=more)])


def type_of(state: TenantState, principal_id: str) -> str:
    if any(each["id"] == principal_id for each in state.groups):
        return "Group"
    return "ServicePrincipal" if state.directory.find(SERVICE_PRINCIPAL, principal_id) else "User"


def role_by(state: TenantState, given: JsonObject) -> str:
    """The GUID of the role that is given by id or by name."""
    if "roleDefinitionId" in given:
        role = str(given["roleDefinitionId"]).rstrip("/").rpartition("/")[2].lower()
        if role in state.azure.definitions:
            return role
    wanted = str(given.get("roleDefinitionName") or "").casefold()
    found = next((each.id for each in state.azure.definitions.values() if each.name.casefold() == wanted), None)
    if found is None:
        named = given.get("roleDefinitionName") or given.get("roleDefinitionId")
        raise ScenarioMistake(f"azure.roleAssignments: there is no role {named}; describe it in roleDefinitions")
    return found


def _give_cordon(state: TenantState, given: Mapping[str, Any]) -> None:
    """Cordon's roles at the root management group, or just those that the scenario lists for an identity."""
    known_keys(given, CORDON, "azure.permissions")
    root = f"{_GROUP_SCOPE}{state.id}"
    for role, names in CORDON.items():
        listed = given.get(role, [{"roleDefinitionName": name} for name in names])
        for each in objects(listed):
            whole = {"scope": root, "principalId": state.cordon[role].object_id, **each}
            state.azure.assignments.append(assignment(state, whole))
