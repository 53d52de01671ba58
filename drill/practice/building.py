"""From a scenario to a tenant: realistic values for whatever the scenario leaves out, the same for the same seed."""

import base64
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, cast

from drill.practice import pki
from drill.practice.behaviour import Behaviour
from drill.practice.chance import Canaries, Chance
from drill.practice.directory import APPLICATION, SERVICE_PRINCIPAL, Directory, Entry
from drill.practice.graph import (
    app_roles,
    delegated_grants,
    directory_roles,
    owners,
    permissions,
    policy_shape,
    risk,
    user_risk,
    users,
)
from drill.practice.graph.activity_log import complete_activity
from drill.practice.graph.credentials import new_password
from drill.practice.graph.navigation import APP_ROLES, CORDONS_APP_ROLES, GRANTS, ROLES
from drill.practice.graph.objects import DEFAULTS, completed
from drill.practice.graph.organization import completed_domain
from drill.practice.graph.workloads import new_federated
from drill.practice.shapes import JsonObject, ScenarioMistake, fine_time, graph_time, known_keys, objects
from drill.practice.sign_ins import complete_sign_in, load_sign_ins
from drill.practice.state import Cursors, TenantState
from drill.practice.tokens import GRAPH, CordonIdentity, Tokens
from drill.practice.web import Refusal

TENANT_KEYS = frozenset(
    {
        "id",
        "licences",
        "applications",
        "servicePrincipals",
        "federatedIdentityCredentials",
        "owners",
        "appRoleAssignments",
        "oauth2PermissionGrants",
        "roleAssignments",
        "roleDefinitions",
        "conditionalAccessPolicies",
        "users",
        "groups",
        "domains",
        "deletedItems",
        "riskyServicePrincipals",
        "servicePrincipalRiskDetections",
        "riskyUsers",
        "riskDetections",
        "permissions",
        "behaviour",
    }
)
_NAMESPACE = uuid.UUID("6f1d0c52-5f1c-4b5e-9a41-3f2f6f0c9d11")
_INITIAL: JsonObject = {"id": "practice.example", "isDefault": True, "isInitial": True}
IDENTITIES = ("reader", "executor", "rotator")
GRAPH_APP_ID = "00000003-0000-0000-c000-000000000000"


def cordon_client_id(role: str) -> str:
    """The client id of one of Cordon's own identities: the same in every practice tenant."""
    return str(uuid.uuid5(_NAMESPACE, f"{role} client"))


def cordon_object_id(role: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{role} object"))


def build_state(
    tenant: Mapping[str, Any],
    logs: Mapping[str, Any],
    behaviour: Behaviour,
    clock: Callable[[], datetime],
    seed: int,
) -> TenantState:
    """The state at the start of a drill, vaults excepted."""
    known_keys(tenant, TENANT_KEYS, "tenant")
    try:
        return _built(tenant, logs, behaviour, clock, seed)
    except Refusal as refusal:  # what Graph would not have taken cannot be there at the start either
        raise ScenarioMistake(f"tenant: {refusal.message}") from refusal


def _built(
    tenant: Mapping[str, Any],
    logs: Mapping[str, Any],
    behaviour: Behaviour,
    clock: Callable[[], datetime],
    seed: int,
) -> TenantState:
    chance = Chance(seed)
    canaries = Canaries(chance)
    state = TenantState(
        id=str(tenant.get("id") or chance.guid("tenant")),
        licences=frozenset(tenant.get("licences", ("WorkloadIdentitiesPremium",))),
        behaviour=behaviour,
        chance=chance,
        canaries=canaries,
        clock=clock,
        directory=Directory(behaviour, chance),
        tokens=Tokens(chance, canaries),
        cursors=Cursors(chance),
        started_at=clock(),
        users=[_user(each) for each in objects(tenant.get("users", []))],
        groups=objects(tenant.get("groups", [])),
        domains=[completed_domain(each) for each in objects(tenant.get("domains") or [_INITIAL])],
    )
    _add_objects(state, tenant)
    _add_cordon(state, tenant.get("permissions", {}))
    _add_policies(state, tenant)
    _add_risk(state, tenant)
    _add_logs(state, logs)
    return state


# --- objects ---------------------------------------------------------------------------------------


def _add_objects(state: TenantState, tenant: Mapping[str, Any]) -> None:
    for given in objects(tenant.get("applications", [])):
        add_object(state, APPLICATION, given, fresh=False)
    for given in objects(tenant.get("servicePrincipals", [])):
        add_object(state, SERVICE_PRINCIPAL, given, fresh=False)
    for given in objects(tenant.get("deletedItems", [])):
        kind = SERVICE_PRINCIPAL if _is_principal(given) else APPLICATION
        deleted_at = given.get("deletedDateTime") or graph_time(state.now - timedelta(days=3))
        add_object(state, kind, {**given, "deletedDateTime": deleted_at}, fresh=False)
    for holder, given in cast("Mapping[str, Any]", tenant.get("federatedIdentityCredentials", {})).items():
        attach(state, holder, "@fic", [new_federated(state, each) for each in objects(given)])
    for holder, given in cast("Mapping[str, Any]", tenant.get("owners", {})).items():
        attach(state, holder, "@owners", [_owner(state, each) for each in given])
    microsoft_graph(state, _id_of_graph(tenant))
    for given in objects(tenant.get("appRoleAssignments", [])):
        attach(state, given.get("principalId"), APP_ROLES, [_assignment(state, given)])
    for given in objects(tenant.get("oauth2PermissionGrants", [])):
        grant = delegated_grants.new_grant(state, {**given, "resourceId": _resource(state, given).id})
        attach(state, given.get("clientId"), GRANTS, [grant])
    _add_directory_roles(state, tenant)


def _add_directory_roles(state: TenantState, tenant: Mapping[str, Any]) -> None:
    for given in objects(tenant.get("roleDefinitions", [])):
        known_keys(given, {"id", "displayName", "rolePermissions"}, "tenant.roleDefinitions")
        state.role_definitions[str(given["id"])] = given
    for given in objects(tenant.get("roleAssignments", [])):
        made = directory_roles.new_assignment(state, given)
        if any(each["id"] == made["principalId"] for each in (*state.users, *state.groups)):
            state.people_roles.append(made)
        else:
            attach(state, given.get("principalId"), ROLES, [made])


def add_object(state: TenantState, kind: str, given: Mapping[str, Any], *, fresh: bool) -> JsonObject:
    """Put an application or service principal into the directory; returns it as Graph would keep it."""
    extra = {"servicePrincipalLockConfiguration"} if kind == SERVICE_PRINCIPAL else set[str]()
    known_keys(given, {*DEFAULTS[kind], *extra, "customSecurityAttributes", "@odata.type"}, kind)
    record = {**DEFAULTS[kind], **completed({name: value for name, value in given.items() if name != "@odata.type"})}
    if str(given.get("@odata.type", "")).endswith(("agentIdentity", "agentIdentityBlueprint", "BlueprintPrincipal")):
        record["@type"] = given["@odata.type"]
    record["id"] = record["id"] or state.chance.guid(kind)
    record["appId"] = record["appId"] or state.chance.guid("appId")
    record["createdDateTime"] = record["createdDateTime"] or graph_time(state.now - timedelta(days=400))
    if kind == SERVICE_PRINCIPAL:
        _complete_principal(state, record, given)
    past = state.now - timedelta(days=90)
    record["passwordCredentials"] = [new_password(state, each, past) for each in objects(record["passwordCredentials"])]
    record["keyCredentials"] = [_known_key(state, each) for each in objects(record["keyCredentials"])]
    if state.directory.any_kind(record["id"]):
        raise ScenarioMistake(f"{kind}: id {record['id']} is used twice")
    entry = state.directory.add(kind, record, state.now, fresh=fresh)
    entry.deleted = bool(record["deletedDateTime"])
    return record


def _complete_principal(state: TenantState, record: JsonObject, given: Mapping[str, Any]) -> None:
    application = state.directory.by_app_id(APPLICATION, record["appId"])
    managed = record["servicePrincipalType"] == "ManagedIdentity"
    if application:
        record["displayName"] = record["displayName"] or application.state["displayName"]
        record["signInAudience"] = given.get("signInAudience") or application.state["signInAudience"]
    record["appDisplayName"] = record["appDisplayName"] or (None if managed else record["displayName"])
    record["servicePrincipalNames"] = record["servicePrincipalNames"] or [record["appId"]]
    if "appOwnerOrganizationId" not in given and not managed:
        record["appOwnerOrganizationId"] = state.id if application else state.chance.guid("foreign tenant")
    # A foreign application's instance lock is not readable here, but it binds.
    record["@lock"] = record.pop("servicePrincipalLockConfiguration", None)


def _known_key(state: TenantState, given: JsonObject) -> JsonObject:
    """A certificate that the scenario starts with; real bytes unless it brought its own."""
    starts = state.now - timedelta(days=90)
    entry: JsonObject = {
        "customKeyIdentifier": None,
        "displayName": None,
        "endDateTime": graph_time(starts + timedelta(days=365)),
        "key": None,
        "keyId": state.chance.guid("keyId"),
        "startDateTime": graph_time(starts),
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
    }
    entry |= given
    if entry["key"] is None and entry["type"] != "Symmetric":
        key = pki.pooled_key(state.chance.stream("pool").randrange(24))
        state.canaries.adopt_raw(pki.private_bytes(key))
        serial = state.chance.stream("serial").getrandbits(128)
        certificate = pki.self_signed(
            key, f"CN={entry['displayName'] or 'practice'}", starts, starts + timedelta(days=730), serial
        )
        entry["key"] = base64.b64encode(pki.der(certificate)).decode()
        entry["customKeyIdentifier"] = entry["customKeyIdentifier"] or pki.thumbprint(pki.der(certificate))
    return entry


def _is_principal(given: Mapping[str, Any]) -> bool:
    return "servicePrincipal" in str(given.get("@odata.type")) or "servicePrincipalType" in given


def attach(state: TenantState, holder: object, name: str, more: list[JsonObject]) -> None:
    """Add to a navigation of an object without a trace, as if it had always been there."""
    entry = state.directory.any_kind(str(holder))
    if entry is None:
        raise ScenarioMistake(f"{name[1:]}: no object with id {holder}")
    written_at, record = entry.versions[-1]
    assert record is not None  # noqa: S101 - scenarios start with objects that are there
    entry.versions[-1] = (written_at, {**record, name: [*record.get(name, []), *more]})


def _user(given: JsonObject) -> JsonObject:
    """`manager` is a user's id."""
    known_keys(given, {*users.DEFAULTS, "manager", "deletedDateTime"}, "users")
    return given


def _owner(state: TenantState, given: object) -> JsonObject:
    """An owner by id (looked up among users and principals), or as a whole object. Users so named become known."""
    if not isinstance(given, dict) and (known := owners.as_owner(state, str(given))):
        return known
    user = cast("JsonObject", given) if isinstance(given, dict) else {"id": str(given), "displayName": None}
    owner: JsonObject = {"@odata.type": "#microsoft.graph.user", **user}
    if owner["@odata.type"].endswith("user") and owners.as_owner(state, owner["id"]) is None:
        state.users.append({name: value for name, value in owner.items() if name != "@odata.type"})
    return owner


def _assignment(state: TenantState, given: JsonObject) -> JsonObject:
    """An app role held, of Microsoft Graph unless the scenario says otherwise."""
    client = state.directory.any_kind(str(given.get("principalId")))
    if client is None:
        raise ScenarioMistake(f"appRoleAssignments: no object with id {given.get('principalId')}")
    made = app_roles.new_assignment(state, client, _resource(state, given), app_roles.DEFAULT_ACCESS)
    return {**made, "createdDateTime": graph_time(state.now - timedelta(days=300)), **given}


def _resource(state: TenantState, given: JsonObject) -> Entry:
    """The API that a grant is for: Graph unless it says otherwise, and made up when the scenario does not list it."""
    if not given.get("resourceId"):
        return microsoft_graph(state)
    found = state.directory.any_kind(given["resourceId"])
    if found is None:
        name = given.get("resourceDisplayName") or "An API"
        add_object(state, SERVICE_PRINCIPAL, {"id": given["resourceId"], "displayName": name}, fresh=False)
    return found or _resource(state, given)


def _id_of_graph(tenant: Mapping[str, Any]) -> str:
    """The one by which the scenario's app roles refer to it."""
    for given in objects(tenant.get("appRoleAssignments", [])):
        if given.get("resourceDisplayName") == "Microsoft Graph" and "resourceId" in given:
            return str(given["resourceId"])
    return str(uuid.uuid5(_NAMESPACE, "graph"))


def microsoft_graph(state: TenantState, object_id: str = "") -> Entry:
    """Graph's own service principal, which every tenant has."""
    known = state.directory.by_app_id(SERVICE_PRINCIPAL, GRAPH_APP_ID)
    if known:
        return known
    given: JsonObject = {
        "id": object_id,
        "appId": GRAPH_APP_ID,
        "displayName": "Microsoft Graph",
        "appOwnerOrganizationId": "f8cdef31-a31e-4b4a-93e4-5f571e91255a",
        "signInAudience": "AzureADMultipleOrgs",
        "servicePrincipalNames": [GRAPH_APP_ID, GRAPH],
        "appRoles": [_app_role(role, name) for role, name in permissions.BY_APP_ROLE_ID.items()],
    }
    add_object(state, SERVICE_PRINCIPAL, given, fresh=False)
    return microsoft_graph(state)


def _app_role(role: str, name: str) -> JsonObject:
    return {
        "id": role,
        "value": name,
        "displayName": name,
        "description": name,
        "allowedMemberTypes": ["Application"],
        "isEnabled": True,
        "origin": "Application",
    }


def _add_cordon(state: TenantState, granted: Mapping[str, Any]) -> None:
    """Cordon's own identities are service principals of the tenant like any other, and just as easy to hit."""
    known_keys(granted, IDENTITIES, "tenant.permissions")
    for role in IDENTITIES:
        client_id = cordon_client_id(role)
        entry = state.directory.by_app_id(SERVICE_PRINCIPAL, client_id)
        object_id = entry.id if entry else cordon_object_id(role)
        if entry is None:
            name = f"id-cordon-{role}"
            given: JsonObject = {
                "id": object_id,
                "appId": client_id,
                "displayName": name,
                "servicePrincipalType": "ManagedIdentity",
            }
            given["alternativeNames"] = [
                "isExplicit=True",
                f"/subscriptions/practice/resourcegroups/cordon/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}",
            ]
            add_object(state, SERVICE_PRINCIPAL, given, fresh=False)
        names = tuple(granted.get(role, permissions.CORDON[role]))
        state.cordon[role] = CordonIdentity(role, client_id, object_id, names)
        _give_cordon(state, object_id, names)


def _give_cordon(state: TenantState, object_id: str, names: tuple[str, ...]) -> None:
    """Its permissions, as the app roles that it can look up. What it may do is what the scenario says."""
    if unknown := set(names) - set(permissions.BY_APP_ROLE_ID.values()):
        raise ScenarioMistake(f"permissions: Graph has no {', '.join(sorted(unknown))}")
    roles = [role for role, name in permissions.BY_APP_ROLE_ID.items() if name in names]
    given = [_assignment(state, {"principalId": object_id, "appRoleId": role}) for role in roles]
    attach(state, object_id, CORDONS_APP_ROLES, given)


def _add_policies(state: TenantState, tenant: Mapping[str, Any]) -> None:
    for given in objects(tenant.get("conditionalAccessPolicies", [])):
        policy = policy_shape.new_policy(state, given)
        policy_shape.check(state, policy)
        state.add_policy(policy, fresh=False)


# --- risk and logs ---------------------------------------------------------------------------------


def _add_risk(state: TenantState, tenant: Mapping[str, Any]) -> None:
    detections = [
        risk.complete_detection(state, each) for each in objects(tenant.get("servicePrincipalRiskDetections", []))
    ]
    state.detections.load(detections)
    for given in objects(tenant.get("riskyServicePrincipals", [])):
        risk.set_risk(state, given)
    state.user_detections.load(
        user_risk.complete_detection(state, each) for each in objects(tenant.get("riskDetections", []))
    )
    for given in objects(tenant.get("riskyUsers", [])):
        user_risk.set_risk(state, given)


def _add_logs(state: TenantState, logs: Mapping[str, Any]) -> None:
    known_keys(logs, ("directoryAudits", "signIns", "keyVaultAudits", "graphActivity"), "logs")
    state.graph_activity.load(complete_activity(state, each) for each in objects(logs.get("graphActivity", [])))
    state.audits.load(complete_audit(state, each) for each in objects(logs.get("directoryAudits", [])))
    load_sign_ins(state, [complete_sign_in(state, each) for each in objects(logs.get("signIns", []))])
    state.vault_logs.load(complete_vault_log(state, each) for each in objects(logs.get("keyVaultAudits", [])))


def complete_audit(state: TenantState, given: JsonObject) -> JsonObject:
    """A directoryAudit with what a scenario left out."""
    made: JsonObject = {}
    if "id" not in given:
        made["id"] = f"Directory_{state.chance.guid('audit')}_SCENE_{state.chance.stream('shard').getrandbits(24)}"
    if "correlationId" not in given:
        made["correlationId"] = state.chance.guid("correlation")
    defaults: JsonObject = {
        **made,
        "category": "ApplicationManagement",
        "result": "success",
        "resultReason": "",
        "activityDateTime": fine_time(state.now),
        "loggedByService": "Core Directory",
        "operationType": "Update",
        "initiatedBy": {"user": None, "app": None},
        "targetResources": [],
        "additionalDetails": [],
    }
    return {**defaults, **given}


def complete_vault_log(state: TenantState, given: JsonObject) -> JsonObject:
    """A Key Vault AuditEvent with what a scenario left out."""
    return {"id": state.chance.guid("vault log"), "time": fine_time(state.now), "category": "AuditEvent", **given}
