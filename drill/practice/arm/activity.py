"""
The activity log of subscriptions: who wrote what to Resource Manager in the last ninety days (facts: Activity Logs).

It is asked by time, and beside that by a resource group or a provider. Groups are spelled as whoever wrote spelled
them.
"""

import re
from datetime import datetime, timedelta

from drill.practice.arm.shapes import listed
from drill.practice.shapes import JsonObject, fine_time, read_time
from drill.practice.state import TenantState
from drill.practice.web import Answer, Refusal, Request, Route

_KEPT = timedelta(days=90)
_FILTER = re.compile(
    r"eventTimestamp ge '([^']+)' and eventTimestamp le '([^']+)'"
    r"(?: and (resourceGroupName|resourceProvider) eq '([^']+)')?"
)
_GROUP = re.compile(r"/subscriptions/([^/]+)/resourcegroups/([^/]+)(?:/.*)?", re.IGNORECASE)


def event(
    state: TenantState,
    at: datetime,
    operation: str,
    path: str,
    *,
    by: tuple[str, str] = ("somebody", ""),
    status: str = "Succeeded",
    more: JsonObject | None = None,
) -> JsonObject:
    """One event. `by` are the caller's object id and client id, `path` the ARM id of what was written to."""
    place = _GROUP.fullmatch(path)
    return {
        "id": (number := state.chance.guid("activity")),
        "eventDataId": number,
        "eventTimestamp": fine_time(at),
        "category": {"value": "Administrative"},
        "operationName": {"value": operation},
        "operationId": state.chance.guid("operation"),
        "authorization": {"action": operation, "scope": path},
        "status": {"value": status},
        "caller": by[0],
        "claims": {"appid": by[1]},
        "resourceId": path,
        "resourceGroupName": place[2] if place else "",
        "resourceProviderName": {"value": operation.partition("/")[0]},
        **(more or {}),
    }


def list_events(state: TenantState, request: Request, scope: str) -> Answer:
    """The newest first."""
    asked = _FILTER.fullmatch(request.query.get("$filter", ""))
    if asked is None:
        raise Refusal(400, "BadRequest", "The filter is missing, or is none of the few that are supported.")
    try:
        since, until = read_time(asked[1]), read_time(asked[2])
    except ValueError as problem:
        raise Refusal(400, "BadRequest", "The filter's times cannot be read.") from problem
    if since < state.now - _KEPT:
        raise Refusal(400, "BadRequest", "The start time cannot be more than 90 days in the past.")
    found = [
        kept.record
        for kept in state.azure.activity.published(state.now, since, until)
        if f"{kept.record['resourceId']}/".lower().startswith(f"{scope.lower()}/")
        and (asked[3] is None or _is_of(state, kept.record, asked[3], asked[4]))
    ]
    return listed(request, [_chosen(each, request.query.get("$select")) for each in reversed(found)])


def _is_of(state: TenantState, record: JsonObject, which: str, wanted: str) -> bool:
    if which == "resourceProvider":
        return str(record["resourceProviderName"]["value"]).lower() == wanted.lower()
    group = str(record["resourceGroupName"])
    if state.behaviour.activity_group_in_any_case:
        return group.lower() == wanted.lower()
    return group == wanted


def _chosen(record: JsonObject, select: str | None) -> JsonObject:
    return {name: record[name] for name in select.split(",") if name in record} if select else record


ROUTES: tuple[Route[TenantState], ...] = (
    Route(
        "GET",
        "/Microsoft.Insights/eventtypes/management/values",
        list_events,
        ("Microsoft.Insights/eventtypes/values/read",),
    ),
)
