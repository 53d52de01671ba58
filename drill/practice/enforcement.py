"""
Conditional Access at sign-in: which policies concern a service principal that asks for a token (facts: graph 7).

They are looked at only then: tokens that are out stay good. A change takes a while to be seen.
"""

from datetime import timedelta

from drill.practice.directory import Entry
from drill.practice.graph.policy_shape import EVERYONE_HERE, clients_of, is_about_workloads, is_in_scope
from drill.practice.shapes import JsonObject
from drill.practice.state import TenantState
from drill.practice.tokens import GRAPH, VAULT

_RESOURCES = {
    GRAPH: "00000003-0000-0000-c000-000000000000",
    VAULT: "cfa8b339-82a2-471a-a3c9-0fc0be7a4093",
}  # the applications that stand behind audiences
_RESULTS = {"enabled": "failure", "enabledForReportingButNotEnforced": "reportOnlyFailure"}


def applied_policies(state: TenantState, principal: Entry, audience: str) -> list[JsonObject]:
    """The policies that would block this sign-in, as a sign-in record lists them."""
    if not state.policies or not is_in_scope(state, principal):
        return []
    seen_at = state.now - timedelta(seconds=state.behaviour.policy_delay)
    known = [entry.as_of(seen_at) for entry in state.policies.values()]
    return [
        {
            "id": policy["id"],
            "displayName": policy["displayName"],
            "enforcedGrantControls": ["Block"],
            "enforcedSessionControls": [],
            "result": _RESULTS[policy["state"]],
        }
        for policy in known
        if policy and policy["state"] in _RESULTS and _concerns(state, policy, principal, audience)
    ]


def is_blocked(applied: list[JsonObject]) -> bool:
    return any(each["result"] == "failure" for each in applied)


def _concerns(state: TenantState, policy: JsonObject, principal: Entry, audience: str) -> bool:
    if not is_about_workloads(policy):
        return False
    clients, conditions = clients_of(policy), policy["conditions"]
    if clients["servicePrincipalFilter"] is not None:  # this tenant has no custom security attributes to match
        return False
    named = {principal.id, EVERYONE_HERE}
    if not named & set(clients["includeServicePrincipals"]) or principal.id in clients["excludeServicePrincipals"]:
        return False
    levels = conditions["servicePrincipalRiskLevels"]
    return (
        (not levels or _risk_of(state, principal) in levels)
        and _covers(conditions["applications"], _RESOURCES.get(audience))
        and _is_anywhere(conditions["locations"])
    )


def _risk_of(state: TenantState, principal: Entry) -> str:
    return str(state.risky.get(principal.id, {}).get("riskLevel", "none"))


def _covers(applications: JsonObject, resource: str | None) -> bool:
    included = {"All", resource} & set(applications["includeApplications"])
    return bool(included) and resource not in applications["excludeApplications"]


def _is_anywhere(locations: JsonObject | None) -> bool:
    """Sign-ins here come from no known place: only a policy for all places concerns them."""
    return locations is None or "All" in locations.get("includeLocations", [])
