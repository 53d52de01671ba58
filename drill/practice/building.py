"""From a scenario to a tenant: realistic values for whatever the scenario leaves out, the same for the same seed."""

import base64
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, cast

from drill.practice import pki
from drill.practice.behaviour import Behaviour
from drill.practice.chance import Canaries, Chance
from drill.practice.directory import APPLICATION, SERVICE_PRINCIPAL, Directory
from drill.practice.graph import permissions, risk
from drill.practice.graph.credentials import new_password
from drill.practice.graph.objects import DEFAULTS
from drill.practice.graph.workloads import new_federated
from drill.practice.shapes import JsonObject, ScenarioMistake, fine_time, graph_time, known_keys, objects
from drill.practice.sign_ins import complete_sign_in
from drill.practice.state import Cursors, TenantState
from drill.practice.tokens import CordonIdentity, Tokens

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
        "conditionalAccessPolicies",
        "users",
        "deletedItems",
        "riskyServicePrincipals",
        "servicePrincipalRiskDetections",
        "permissions",
        "behaviour",
    }
)
_NAMESPACE = uuid.UUID("6f1d0c52-5f1c-4b5e-9a41-3f2f6f0c9d11")
ROLES = ("reader", "executor", "rotator")


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
        users=objects(tenant.get("users", [])),
    )
    state.kept = {name: tenant.get(name, []) for name in ("oauth2PermissionGrants", "conditionalAccessPolicies")}
    _add_objects(state, tenant)
    _add_cordon(state, tenant.get("permissions", {}))
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
    for given in objects(tenant.get("appRoleAssignments", [])):
        attach(state, given.get("principalId"), "@appRoleAssignments", [_assignment(state, given)])


def add_object(state: TenantState, kind: str, given: Mapping[str, Any], *, fresh: bool) -> JsonObject:
    """Put an application or service principal into the directory; returns it as Graph would keep it."""
    extra = {"servicePrincipalLockConfiguration"} if kind == SERVICE_PRINCIPAL else set[str]()
    known_keys(given, {*DEFAULTS[kind], *extra, "customSecurityAttributes", "@odata.type"}, kind)
    record = {**DEFAULTS[kind], **{name: value for name, value in given.items() if name != "@odata.type"}}
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


def _owner(state: TenantState, given: object) -> JsonObject:
    """An owner by id (looked up among users and principals), or as a whole object."""
    if isinstance(given, dict):
        return {"@odata.type": "#microsoft.graph.user", **cast("JsonObject", given)}
    known = next((user for user in state.users if user["id"] == given), None)
    principal = state.directory.find(SERVICE_PRINCIPAL, str(given))
    if known or principal is None:
        return {"@odata.type": "#microsoft.graph.user", **(known or {"id": given, "displayName": None})}
    name = principal.state["displayName"]
    return {"@odata.type": "#microsoft.graph.servicePrincipal", "id": given, "displayName": name}


def _assignment(state: TenantState, given: JsonObject) -> JsonObject:
    defaults: JsonObject = {
        "id": state.chance.guid("assignment"),
        "appRoleId": "00000000-0000-0000-0000-000000000000",
        "createdDateTime": graph_time(state.now - timedelta(days=300)),
        "principalType": "ServicePrincipal",
        "resourceDisplayName": "Microsoft Graph",
        "resourceId": str(uuid.uuid5(_NAMESPACE, "graph")),
    }
    return {**defaults, **given}


def _add_cordon(state: TenantState, granted: Mapping[str, Any]) -> None:
    """Cordon's own identities are service principals of the tenant like any other, and just as easy to hit."""
    known_keys(granted, ROLES, "tenant.permissions")
    for role in ROLES:
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


# --- risk and logs ---------------------------------------------------------------------------------


def _add_risk(state: TenantState, tenant: Mapping[str, Any]) -> None:
    detections = [
        risk.complete_detection(state, each) for each in objects(tenant.get("servicePrincipalRiskDetections", []))
    ]
    state.detections.load(detections)
    for given in objects(tenant.get("riskyServicePrincipals", [])):
        risk.set_risk(state, given)


def _add_logs(state: TenantState, logs: Mapping[str, Any]) -> None:
    known_keys(logs, ("directoryAudits", "signIns", "keyVaultAudits"), "logs")
    state.audits.load(complete_audit(state, each) for each in objects(logs.get("directoryAudits", [])))
    state.sign_ins.load(complete_sign_in(state, each) for each in objects(logs.get("signIns", [])))
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
