"""The tenant's state in the shape of a scenario. Secret values are not kept there, so none can be shown."""

from collections.abc import Mapping, Sequence, Set

from drill.practice.arm.sources import KINDS, living_values, settle, shown, works
from drill.practice.arm.state import Assignment, Subscription
from drill.practice.directory import APPLICATION, SERVICE_PRINCIPAL, Entry
from drill.practice.graph.navigation import APP_ROLES, GRANTS, ROLES, members
from drill.practice.shapes import JsonObject
from drill.practice.state import TenantState
from drill.practice.vault.state import Vault


def snapshot(state: TenantState) -> JsonObject:
    living = [*state.directory.all(APPLICATION), *state.directory.all(SERVICE_PRINCIPAL)]
    deleted = [*state.directory.all(APPLICATION, deleted=True), *state.directory.all(SERVICE_PRINCIPAL, deleted=True)]
    return {
        "tenant": {
            "id": state.id,
            "licences": sorted(state.licences),
            "applications": [_shown(entry) for entry in living if entry.kind == APPLICATION],
            "servicePrincipals": [_shown(entry) for entry in living if entry.kind == SERVICE_PRINCIPAL],
            "federatedIdentityCredentials": _navigation(living, "@fic"),
            "owners": _navigation(living, "@owners"),
            "appRoleAssignments": _all(living, APP_ROLES),
            "oauth2PermissionGrants": _all(living, GRANTS),
            "roleAssignments": [*_all(living, ROLES), *state.people_roles],
            **({"roleDefinitions": [*state.role_definitions.values()]} if state.role_definitions else {}),
            "deletedItems": [{"@odata.type": f"#microsoft.graph.{entry.kind}", **_shown(entry)} for entry in deleted],
            "riskyServicePrincipals": [state.risky[key] for key in sorted(state.risky)],
            "servicePrincipalRiskDetections": state.detections.everything(),
            "riskyUsers": [state.risky_users[key] for key in sorted(state.risky_users)],
            "riskDetections": state.user_detections.everything(),
            "users": state.users,
            "groups": state.groups,
            "domains": state.domains,
            "conditionalAccessPolicies": [entry.state for entry in state.policies.values() if entry.exists],
        },
        "azure": _azure(state),
        "workloads": [dict(each) for each in state.workloads],
    }


def logs(state: TenantState) -> dict[str, list[JsonObject]]:
    """In the order of their time. A row of the risky list stands there once for each of its states."""
    past = [
        {name: value for name, value in each.items() if name not in ("initiatedBy", "activity")} | {"id": principal}
        for principal, states in state.risk_history.items()
        for each in states
    ]
    return {
        "directoryAudits": state.audits.everything(),
        "signIns": state.sign_ins.everything(),
        "servicePrincipalRiskDetections": state.detections.everything(),
        "riskyServicePrincipals": sorted(past, key=lambda each: str(each["riskLastUpdatedDateTime"])),
    }


def _azure(state: TenantState) -> JsonObject:
    azure = state.azure
    settle(state)
    living, taken = living_values(state), _taken(state)
    return {
        "subscriptions": [_subscription(each) for each in azure.subscriptions.values()],
        "roleAssignments": [_assignment(state, each) for each in azure.assignments if each.removed_at is None],
        **{
            kind.name: [shown(each) for each in azure.sources.values() if each.kind is kind]
            for kind in KINDS
            if any(each.kind is kind for each in azure.sources.values())
        },
        "consumers": state.consumers,
        "vaults": [_vault(state, state.vaults[name], living, taken) for name in sorted(state.vaults)],
    }


def _vault(
    state: TenantState, vault: Vault, living: Sequence[str], taken: Mapping[tuple[str, str, str], Set[str]]
) -> JsonObject:
    """With what came of its secrets: whether a version opens anything still, what, and who has got its value."""
    shown = vault.snapshot()
    for each, (name, version) in zip(shown["secrets"], vault.all_versions(), strict=True):
        each["works"] = works(state, vault.name, name, version.value, living)
        each["opens"] = state.azure.opens.get((vault.name, name))
        each["readBy"] = sorted(taken.get((vault.name, name, version.version), ()))
    return shown


def _taken(state: TenantState) -> Mapping[tuple[str, str, str], Set[str]]:
    """Who has got the value of which version."""
    found: dict[tuple[str, str, str], set[str]] = {}
    for each in state.taken:
        found.setdefault((each.vault, each.secret, each.version), set()).add(each.principal_id)
    return found


def _subscription(subscription: Subscription) -> JsonObject:
    chain = [{"name": name} for name in subscription.ancestors]
    return {
        "subscriptionId": subscription.id,
        "displayName": subscription.name,
        "managementGroupAncestorsChain": chain,
    }


def _assignment(state: TenantState, assignment: Assignment) -> JsonObject:
    return {
        "id": assignment.id,
        "name": assignment.name,
        "principalId": assignment.principal_id,
        "roleDefinitionId": assignment.role,
        "roleDefinitionName": state.azure.definitions[assignment.role].name,
        "scope": assignment.scope,
    }


def _shown(entry: Entry) -> JsonObject:
    """Without navigations; certificates without their bytes, which say no more than their thumbprints."""
    record = {name: value for name, value in entry.state.items() if name[0] != "@"}
    record["keyCredentials"] = [{**each, "key": None} for each in record["keyCredentials"]]
    return record


def _all(entries: list[Entry], name: str) -> list[JsonObject]:
    return [member for entry in entries for member in members(entry.state, name)]


def _navigation(entries: list[Entry], name: str) -> JsonObject:
    return {entry.id: entry.state[name] for entry in entries if entry.state.get(name)}
