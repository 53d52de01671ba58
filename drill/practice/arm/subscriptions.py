"""Subscriptions, management groups above them, and Log Analytics workspaces, as far as the caller may see them."""

from drill.practice.arm.access import is_allowed
from drill.practice.arm.shapes import listed, resource_not_found
from drill.practice.arm.state import Subscription
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
    wanted = f"{scope}/providers/Microsoft.OperationalInsights/workspaces/{name}".lower()
    found = next((each for each in state.azure.workspaces.values() if each.resource_id.lower() == wanted), None)
    if found is None:
        raise resource_not_found(request.path)
    return Answer(
        200,
        {
            "id": found.resource_id,
            "name": found.name,
            "type": "Microsoft.OperationalInsights/workspaces",
            "location": "westeurope",
            "properties": {"customerId": found.customer_id, "provisioningState": "Succeeded", "retentionInDays": 90},
        },
    )


ROUTES: tuple[Route[TenantState], ...] = (
    Route("GET", "/subscriptions", list_subscriptions),
    Route("GET", "/subscriptions/{subscription}", get_subscription, (READ,)),
    Route(
        "GET",
        "/Microsoft.OperationalInsights/workspaces/{name}",
        get_workspace,
        ("Microsoft.OperationalInsights/workspaces/read",),
    ),
)
