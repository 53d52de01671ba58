"""Subscriptions, management groups above them, and Log Analytics workspaces, as far as the caller may see them."""

from drill.practice.arm.access import is_allowed
from drill.practice.arm.shapes import listed, resource_not_found
from drill.practice.arm.state import Subscription, Workspace
from drill.practice.shapes import JsonObject
from drill.practice.state import TenantState
from drill.practice.web import Answer, Refusal, Request, Route

READ = "Microsoft.Resources/subscriptions/read"


def list_subscriptions(state: TenantState, request: Request, scope: str) -> Answer:
    """What one may not read is not in the list, and nothing says so."""
    del scope
    seen = [
        _shown(state, each)
        for each in state.azure.subscriptions.values()
        if is_allowed(state, request.principal_id, READ, f"/subscriptions/{each.id}")
    ]
    return listed(request, seen)


def get_subscription(state: TenantState, request: Request, scope: str, subscription: str) -> Answer:
    del scope
    found = state.azure.subscriptions.get(subscription.lower())
    if found is None:
        raise Refusal(404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found.")
    return Answer(200, _shown(state, found))


def _shown(state: TenantState, subscription: Subscription) -> JsonObject:
    return {
        "id": f"/subscriptions/{subscription.id}",
        "subscriptionId": subscription.id,
        "displayName": subscription.name,
        "tenantId": state.id,
        "state": "Enabled",
    }


def get_workspace(state: TenantState, request: Request, scope: str, name: str) -> Answer:
    found = _workspace(state, request, f"{scope}/providers/Microsoft.OperationalInsights/workspaces/{name}")
    properties: JsonObject = {
        "customerId": found.customer_id,
        "provisioningState": "Succeeded",
        "retentionInDays": found.retention_days,
    }
    if found.transforms:
        properties["defaultDataCollectionRuleResourceId"] = _rule_of(found)
    return Answer(
        200,
        {
            "id": found.resource_id,
            "name": found.name,
            "type": "Microsoft.OperationalInsights/workspaces",
            "location": "westeurope",
            "properties": properties,
        },
    )


def get_table(state: TenantState, request: Request, scope: str, name: str, table: str) -> Answer:
    """Every workspace has the tables of Azure's own logs, whether anything is in them or not."""
    found = _workspace(state, request, f"{scope}/providers/Microsoft.OperationalInsights/workspaces/{name}")
    days = found.table_days.get(table, found.retention_days)
    properties: JsonObject = {"retentionInDays": days, "totalRetentionInDays": days, "plan": "Analytics"}
    return Answer(200, {"id": f"{found.resource_id}/tables/{table}", "name": table, "properties": properties})


def get_rule(state: TenantState, request: Request, scope: str, name: str) -> Answer:
    """A workspace's own rule: what it lets into which table."""
    wanted = f"{scope}/providers/Microsoft.Insights/dataCollectionRules/{name}".lower()
    found = next((each for each in state.azure.workspaces.values() if _rule_of(each).lower() == wanted), None)
    if found is None or not found.transforms:
        raise resource_not_found(request.path)
    flows = [
        {"streams": [f"Microsoft-Table-{table}"], "destinations": [found.name], "transformKql": text}
        for table, text in found.transforms.items()
    ]
    rule: JsonObject = {"id": _rule_of(found), "kind": "WorkspaceTransforms", "properties": {"dataFlows": flows}}
    return Answer(200, rule)


def _workspace(state: TenantState, request: Request, resource_id: str) -> Workspace:
    wanted = resource_id.lower()
    found = next((each for each in state.azure.workspaces.values() if each.resource_id.lower() == wanted), None)
    if found is None:
        raise resource_not_found(request.path)
    return found


def _rule_of(workspace: Workspace) -> str:
    group = workspace.resource_id.partition("/providers/")[0]
    return f"{group}/providers/Microsoft.Insights/dataCollectionRules/{workspace.name}-rule"


_WORKSPACE = "/Microsoft.OperationalInsights/workspaces/{name}"
ROUTES: tuple[Route[TenantState], ...] = (
    Route("GET", "/subscriptions", list_subscriptions),
    Route("GET", "/subscriptions/{subscription}", get_subscription, (READ,)),
    Route("GET", _WORKSPACE, get_workspace, ("Microsoft.OperationalInsights/workspaces/read",)),
    Route(
        "GET", f"{_WORKSPACE}/tables/{{table}}", get_table, ("Microsoft.OperationalInsights/workspaces/tables/read",)
    ),
    Route(
        "GET",
        "/Microsoft.Insights/dataCollectionRules/{name}",
        get_rule,
        ("Microsoft.Insights/dataCollectionRules/read",),
    ),
)
