"""
What a Conditional Access policy looks like, and what of it Graph refuses (facts: graph 7).

A policy is about people (`users`) or about workloads (`clientApplications`), never both. One about
workloads can only block, and names service principals by their object ids.
"""

from collections.abc import Iterable, Mapping
from typing import cast

from drill.practice.directory import APPLICATION, SERVICE_PRINCIPAL, Entry
from drill.practice.odata import bad_request
from drill.practice.shapes import JsonObject, fine_time
from drill.practice.state import TenantState
from drill.practice.web import Refusal

EVERYONE_HERE = "ServicePrincipalsInMyTenant"
CHANGEABLE = frozenset({"displayName", "state", "conditions", "grantControls", "sessionControls"})
_STATES = frozenset({"enabled", "disabled", "enabledForReportingButNotEnforced"})
_RISK_LEVELS = frozenset({"low", "medium", "high", "none"})
_CLIENT_TYPES = frozenset(
    {"all", "browser", "mobileAppsAndDesktopClients", "exchangeActiveSync", "easSupported", "other"}
)
_CONDITIONS: JsonObject = {
    "userRiskLevels": [],
    "signInRiskLevels": [],
    "servicePrincipalRiskLevels": [],
    "insiderRiskLevels": None,
    "clientAppTypes": ["all"],
    "platforms": None,
    "locations": None,
    "devices": None,
    "authenticationFlows": None,
    "applications": None,
    "users": None,
    "clientApplications": None,
}
_PARTS: dict[str, JsonObject] = {
    "applications": {
        "includeApplications": [],
        "excludeApplications": [],
        "includeUserActions": [],
        "includeAuthenticationContextClassReferences": [],
        "applicationFilter": None,
    },
    "clientApplications": {
        "includeServicePrincipals": [],
        "excludeServicePrincipals": [],
        "servicePrincipalFilter": None,
    },
    "users": {
        "includeUsers": [],
        "excludeUsers": [],
        "includeGroups": [],
        "excludeGroups": [],
        "includeRoles": [],
        "excludeRoles": [],
        "includeGuestsOrExternalUsers": None,
        "excludeGuestsOrExternalUsers": None,
    },
}
_GRANT: JsonObject = {
    "operator": "OR",
    "builtInControls": [],
    "customAuthenticationFactors": [],
    "termsOfUse": [],
    "authenticationStrength": None,
}
PROPERTIES = CHANGEABLE | {"id", "templateId", "createdDateTime", "modifiedDateTime"}


def new_policy(state: TenantState, given: Mapping[str, object]) -> JsonObject:
    """The record that Graph keeps, completed and not yet checked. A scenario may bring its own id and times."""
    return {
        "id": given.get("id") or state.chance.guid("policy"),
        "templateId": given.get("templateId"),
        "displayName": given.get("displayName"),
        "createdDateTime": given.get("createdDateTime") or fine_time(state.now),
        "modifiedDateTime": given.get("modifiedDateTime"),
        "state": given.get("state"),
        "conditions": completed_conditions(given.get("conditions")),
        "grantControls": completed_grant(given.get("grantControls")),
        "sessionControls": given.get("sessionControls"),
    }


def completed_conditions(given: object) -> JsonObject:
    conditions = _filled(given, _CONDITIONS, "conditions")
    for name, defaults in _PARTS.items():
        if conditions[name] is not None:
            conditions[name] = _filled(conditions[name], defaults, name)
    return conditions


def completed_grant(given: object) -> JsonObject | None:
    return None if given is None else _filled(given, _GRANT, "grantControls")


def is_about_workloads(policy: JsonObject) -> bool:
    return policy["conditions"]["clientApplications"] is not None


def clients_of(policy: JsonObject) -> JsonObject:
    """`clientApplications` of a policy about workloads."""
    return cast("JsonObject", policy["conditions"]["clientApplications"])


def check(state: TenantState, policy: JsonObject) -> None:
    """Refuse a policy that Graph would not take."""
    conditions: JsonObject = policy["conditions"]
    if not isinstance(policy["displayName"], str) or not policy["displayName"].strip():
        raise _refused("displayName is missing or empty.")
    if policy["state"] not in _STATES:
        raise _refused("state is not one of a policy's states.")
    if (conditions["users"] is None) == (conditions["clientApplications"] is None):
        raise _refused("Exactly one of users and clientApplications must be specified.")
    if not _listed(conditions["clientAppTypes"]) or not _within(conditions["clientAppTypes"], _CLIENT_TYPES):
        raise _refused("clientAppTypes is empty or names an unknown type.")
    if not _within(conditions["servicePrincipalRiskLevels"], _RISK_LEVELS):
        raise _refused("servicePrincipalRiskLevels names an unknown level.")
    applications = conditions["applications"]
    if applications is None or not any(_listed(applications[name]) for name in applications if name[:7] == "include"):
        raise _refused("applications must include something.")
    if is_about_workloads(policy):
        _check_workloads(state, policy)
    elif conditions["servicePrincipalRiskLevels"]:
        raise _refused("servicePrincipalRiskLevels needs clientApplications.")
    elif policy["grantControls"] is None and policy["sessionControls"] is None:
        raise _refused("grantControls or sessionControls must be specified.")


def is_in_scope(state: TenantState, principal: Entry) -> bool:
    """Policies reach single-tenant applications registered here, and no managed identities."""
    application = state.directory.by_app_id(APPLICATION, str(principal.state.get("appId")))
    return (
        application is not None
        and application.state.get("signInAudience") == "AzureADMyOrg"
        and principal.state.get("servicePrincipalType") == "Application"
    )


def _check_workloads(state: TenantState, policy: JsonObject) -> None:
    clients, grant = clients_of(policy), policy["grantControls"]
    if grant is None or grant["builtInControls"] != ["block"] or grant["operator"] not in ("OR", "AND"):
        raise _refused("For workload identities block is the only grant control.")
    if policy["sessionControls"] is not None:
        raise _refused("Session controls cannot be used with clientApplications.")
    included, excluded = clients["includeServicePrincipals"], clients["excludeServicePrincipals"]
    if not _listed(included) and clients["servicePrincipalFilter"] is None:
        raise _refused("includeServicePrincipals is empty.")
    for each in [*(each for each in _listed(included) if each != EVERYONE_HERE), *_listed(excluded)]:
        _check_principal(state, each)


def _check_principal(state: TenantState, object_id: object) -> None:
    """An application's client id is no service principal's object id, and so is not found."""
    principal = state.directory.find(SERVICE_PRINCIPAL, str(object_id))
    if principal is None:
        raise _refused(f"Service principal {object_id} does not exist in the directory.")
    if state.behaviour.policies_beyond_scope == "refused" and not is_in_scope(state, principal):
        raise _refused(f"Service principal {object_id} cannot be used in policies.")


def _filled(given: object, defaults: JsonObject, name: str) -> JsonObject:
    if not isinstance(given, dict):
        raise _refused(f"{name} must be an object.")
    found = {key: value for key, value in cast("JsonObject", given).items() if "@odata" not in key}
    for key in sorted(set(found) - set(defaults)):
        raise _refused(f"Invalid property '{key}' in {name}.")
    for key, value in found.items():
        if isinstance(defaults[key], list) and not isinstance(value, list):
            raise _refused(f"A collection was expected for '{key}'.")
    return {**defaults, **found}


def _listed(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _within(values: object, known: Iterable[str]) -> bool:
    return set(_listed(values)) <= set(known)


def _refused(why: str) -> Refusal:
    return bad_request(why, "BadRequest")
