"""MicrosoftGraphActivityLogs: every request that reached Graph, by the columns of the table (facts: graph 3). Late."""

from drill.practice.shapes import JsonObject, fine_time
from drill.practice.state import TenantState
from drill.practice.web import Request

CATEGORY = "MicrosoftGraphActivityLogs"


def record(state: TenantState, request: Request, status: int) -> None:
    """Requests in a batch are told each for itself. What was not let in has no caller, and is not told."""
    if not request.principal_id:
        return
    query = f"?{request.raw_query}" if request.raw_query else ""
    made: JsonObject = {
        "AppId": request.app_id,
        "ServicePrincipalId": request.principal_id,
        "SignInActivityId": request.sign_in,
        "TokenIssuedAt": fine_time(request.token_issued_at) if request.token_issued_at else None,
        "RequestMethod": request.method,
        "RequestUri": f"{request.base}/{request.version}{request.path}{query}",
        "ResponseStatusCode": status,
        "IPAddress": request.address,
        "Roles": " ".join(sorted(request.roles)),
    }
    late = state.chance.between("activity log delay", state.behaviour.workspace_delay)
    state.graph_activity.add(complete_activity(state, made), state.now, late)


def complete_activity(state: TenantState, given: JsonObject) -> JsonObject:
    """A row with what a scenario left out. Its token is as old as the call, unless it says otherwise."""
    defaults: JsonObject = {
        "RequestId": state.chance.guid("graph request"),
        "TimeGenerated": fine_time(state.now),
        "RequestMethod": "GET",
        "ResponseStatusCode": 200,
        "IPAddress": "203.0.113.7",
        "ServicePrincipalId": "",
        "SignInActivityId": "",
        "UserId": "",
    }
    made = {**defaults, **given}
    return {"TokenIssuedAt": made["TimeGenerated"], **made, "id": made["RequestId"]}
