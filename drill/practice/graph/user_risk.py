"""
Identity protection for users: riskyUsers and riskDetections (facts: Graph docs riskyuser-get, riskdetection-list).

riskyUsers takes Entra ID P2. Detections take P1 or P2, and without P2 their details are hidden: what a premium
detection is reads `generic`. Documented filters are not listed on the page; by userId is what its samples use.
"""

from collections.abc import Mapping

from drill.practice.graph.lists import first_page, resumed
from drill.practice.graph.objects import not_found
from drill.practice.graph.permissions import READ_DETECTIONS, READ_RISKY_USERS
from drill.practice.odata import Documented, check_options, read_filter, read_select
from drill.practice.shapes import JsonObject, dump, fine_time
from drill.practice.state import TenantState
from drill.practice.web import Answer, Refusal, Request, Route

_CONTEXT = "identityProtection/riskyUsers"
_DETECTIONS = "identityProtection/riskDetections"
_PREMIUM_TYPES = frozenset({"unfamiliarFeatures", "anomalousToken", "suspiciousBrowser", "tokenIssuerAnomaly"})
RISKY: JsonObject = {
    "id": None,
    "isDeleted": False,
    "isProcessing": False,
    "riskDetail": "none",
    "riskLastUpdatedDateTime": None,
    "riskLevel": "none",
    "riskState": "none",
    "userDisplayName": None,
    "userPrincipalName": None,
}
DETECTION: JsonObject = {
    "id": None,
    "requestId": None,
    "correlationId": None,
    "riskEventType": "unfamiliarFeatures",
    "riskState": "atRisk",
    "riskLevel": "medium",
    "riskDetail": "none",
    "source": "IdentityProtection",
    "detectionTimingType": "realtime",
    "activity": "signin",
    "tokenIssuerType": "AzureAD",
    "ipAddress": None,
    "location": None,
    "activityDateTime": None,
    "detectedDateTime": None,
    "lastUpdatedDateTime": None,
    "userId": None,
    "userDisplayName": None,
    "userPrincipalName": None,
    "additionalInfo": None,
}
_ONE = Documented({}, frozenset(RISKY), (1, 1), frozenset({"$select"}))
_RULES = Documented(
    {"userId": frozenset({"eq"})},
    frozenset(DETECTION),
    (20, 500),
    frozenset({"$filter", "$select", "$top", "$skiptoken"}),
)


def _user(state: TenantState, user: object) -> JsonObject:
    return next((each for each in state.users if each["id"] == user), JsonObject())


def complete_detection(state: TenantState, given: Mapping[str, object]) -> JsonObject:
    """A detection of a user with what a scenario left out."""
    user = _user(state, given.get("userId"))
    now = fine_time(state.now)
    times = dict.fromkeys(("activityDateTime", "detectedDateTime", "lastUpdatedDateTime"), now)
    derived: JsonObject = {"id": state.chance.guid("user detection").replace("-", "")}
    derived |= {"userDisplayName": user.get("displayName"), "userPrincipalName": user.get("userPrincipalName")}
    return {**DETECTION, **times, **derived, **given}


def set_risk(state: TenantState, given: Mapping[str, object]) -> None:
    """A user's risk becomes this."""
    user = _user(state, given.get("id"))
    named: JsonObject = {
        "riskLastUpdatedDateTime": fine_time(state.now),
        "userDisplayName": user.get("displayName"),
        "userPrincipalName": user.get("userPrincipalName"),
    }
    state.risky_users[str(given["id"])] = {**RISKY, **named, **given}


def get_risky(state: TenantState, request: Request, user: str) -> Answer:
    check_options(request.query, _ONE)
    if not state.has_p2:
        raise _unlicensed()
    if user not in state.risky_users:
        raise not_found(user)
    selected = read_select(request.query, _ONE, "riskyUser")
    record = state.risky_users[user]
    shown = record if selected is None else {name: record[name] for name in sorted(selected)}
    return Answer(200, {"@odata.context": f"{request.base}/{request.version}/$metadata#{_CONTEXT}/$entity", **shown})


def list_detections(state: TenantState, request: Request) -> Answer:
    if page := resumed(state, request, _RULES, _DETECTIONS):
        return page
    if not state.has_sign_in_log:
        raise _unlicensed()
    selected = read_select(request.query, _RULES, "riskDetection")
    wanted = [kept.record for kept in reversed(state.user_detections.published(state.now))]
    if "$filter" in request.query:
        wanted = list(filter(read_filter(request.query["$filter"], _RULES).predicate, wanted))
    rows = [_shown(state, each) for each in wanted]
    picked = [each if selected is None else {name: each[name] for name in sorted(selected)} for each in rows]
    return first_page(state, request, _RULES, _DETECTIONS, [dump(each) for each in picked])


def _shown(state: TenantState, record: JsonObject) -> JsonObject:
    if state.has_p2:
        return record
    type_ = "generic" if record["riskEventType"] in _PREMIUM_TYPES else record["riskEventType"]
    return {**record, "riskEventType": type_, "riskLevel": "hidden", "riskDetail": "hidden"}


def _unlicensed() -> Refusal:
    """The real code is unverified."""
    return Refusal(403, "Forbidden", "Your tenant is not licensed for this feature.")


_BUCKET = ("identity protection",)

ROUTES: tuple[Route[TenantState], ...] = (
    Route("GET", "/identityProtection/riskyUsers/{user}", get_risky, READ_RISKY_USERS, _BUCKET),
    Route("GET", "/identityProtection/riskDetections", list_detections, READ_DETECTIONS, _BUCKET),
)
