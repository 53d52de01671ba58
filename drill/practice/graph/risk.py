"""
Identity protection for workloads (facts: graph 1). Lists are newest first.

confirmCompromised contains nothing: it raises the risk and adds a detection, which comes back in the next poll.
"""

from collections.abc import Mapping
from typing import cast

from drill.practice.directory import SERVICE_PRINCIPAL
from drill.practice.graph.audit_trail import AuditTrail, changed
from drill.practice.graph.lists import first_page, resumed
from drill.practice.graph.objects import not_found
from drill.practice.graph.permissions import READ_DETECTIONS, READ_RISK, WRITE_RISK
from drill.practice.odata import Documented, bad_request, check_options, read_filter, read_select
from drill.practice.shapes import JsonObject, dump, fine_time
from drill.practice.state import TenantState
from drill.practice.web import NO_CONTENT, Answer, Refusal, Request, Route

_RISKY_CONTEXT = "identityProtection/riskyServicePrincipals"
_DETECTIONS_CONTEXT = "identityProtection/servicePrincipalRiskDetections"
_IDS_PER_CALL = 60
_TAIL_MEMBERS = {
    "riskDetail": frozenset(
        {
            "m365DAdminDismissedDetection",
            "adminConfirmedServicePrincipalCompromised",
            "adminDismissedAllRiskForServicePrincipal",
            "userChangedPasswordOnPremises",
            "adminDismissedRiskForSignIn",
            "adminConfirmedAccountSafe",
            "microsoftRevokedSessions",
        }
    ),
    "activity": frozenset({"servicePrincipal"}),
}  # members after unknownFutureValue: only for callers that send the Prefer header

RISKY_PROPERTIES = frozenset(
    {
        "id",
        "appId",
        "displayName",
        "isEnabled",
        "isProcessing",
        "riskDetail",
        "riskLastUpdatedDateTime",
        "riskLevel",
        "riskState",
        "servicePrincipalType",
    }
)
DETECTION_DEFAULTS: JsonObject = {
    "id": None,
    "requestId": None,
    "correlationId": None,
    "riskEventType": "generic",
    "riskState": "atRisk",
    "riskLevel": "low",
    "riskDetail": "none",
    "source": "IdentityProtection",
    "detectionTimingType": "offline",
    "activity": "servicePrincipal",
    "tokenIssuerType": "AzureAD",
    "ipAddress": None,
    "location": None,
    "activityDateTime": None,
    "detectedDateTime": None,
    "lastUpdatedDateTime": None,
    "servicePrincipalId": None,
    "servicePrincipalDisplayName": None,
    "appId": None,
    "keyIds": [],
    "additionalInfo": None,
}


# --- what scenarios and the service itself do ------------------------------------------------------


def complete_detection(state: TenantState, given: Mapping[str, object]) -> JsonObject:
    """A detection with everything that the scenario left out."""
    principal = state.directory.any_kind(str(given.get("servicePrincipalId")))
    now = fine_time(state.now)
    derived: JsonObject = {"id": given.get("id") or state.chance.guid("detection").replace("-", "")}
    if principal:
        derived |= {
            "servicePrincipalDisplayName": principal.state.get("displayName"),
            "appId": principal.state.get("appId"),
        }
    times = dict.fromkeys(("activityDateTime", "detectedDateTime", "lastUpdatedDateTime"), now)
    return {**DETECTION_DEFAULTS, **times, **derived, **given}


def detect(state: TenantState, given: Mapping[str, object]) -> JsonObject:
    """A detection appears, now."""
    detection = complete_detection(state, given)
    state.detections.add(detection, state.now, 0.0)
    return detection


def set_risk(state: TenantState, given: Mapping[str, object], initiated_by: str | None = None) -> JsonObject:
    """A service principal's risk becomes this; its history grows."""
    principal = state.directory.any_kind(str(given["id"]))
    known: JsonObject = {"isProcessing": False, "riskDetail": "none", "riskState": "atRisk", "riskLevel": "medium"}
    known["riskLastUpdatedDateTime"] = fine_time(state.now)
    if principal:
        known |= {name: principal.state.get(name) for name in ("appId", "displayName", "servicePrincipalType")}
    changes = {**given}
    if given["id"] in state.risky:
        changes.setdefault("riskLastUpdatedDateTime", fine_time(state.now))
    record: JsonObject = {**known, **state.risky.get(str(given["id"]), {}), **changes}
    state.risky[record["id"]] = record
    past = state.risk_history.setdefault(record["id"], [])
    past.append({**record, "id": f"{record['id']}{len(past)}", "initiatedBy": initiated_by, "activity": None})
    if record["riskLevel"] == "high":
        state.tokens.revoke_continuous(record["id"])
    return record


# --- endpoints -------------------------------------------------------------------------------------


def list_risky(state: TenantState, request: Request) -> Answer:
    rules = _risky_rules(state)
    if page := resumed(state, request, rules, _RISKY_CONTEXT):
        return page
    _require_licence(state)
    selected = read_select(request.query, rules, "riskyServicePrincipal")
    newest_first = sorted(state.risky.values(), key=lambda each: str(each["riskLastUpdatedDateTime"]), reverse=True)
    wanted = [_risky_shown(state, each) for each in newest_first]
    if "$filter" in request.query:
        wanted = list(filter(read_filter(request.query["$filter"], rules).predicate, wanted))
    rows = [dump(_picked(_for_caller(each, request), selected)) for each in wanted]
    return first_page(state, request, rules, _RISKY_CONTEXT, rows)


def get_risky(state: TenantState, request: Request, principal: str) -> Answer:
    check_options(request.query, _ONE)
    _require_licence(state)
    if principal not in state.risky:
        raise not_found(principal)
    selected = read_select(request.query, _risky_rules(state), "riskyServicePrincipal")
    shown = _picked(_for_caller(_risky_shown(state, state.risky[principal]), request), selected)
    return Answer(
        200, {"@odata.context": f"{request.base}/{request.version}/$metadata#{_RISKY_CONTEXT}/$entity", **shown}
    )


def list_history(state: TenantState, request: Request, principal: str) -> Answer:
    rules = _risky_rules(state)
    context = f"{_RISKY_CONTEXT}('{principal}')/history"
    if page := resumed(state, request, rules, context):
        return page
    _require_licence(state)
    past = [_for_caller(each, request) for each in reversed(state.risk_history.get(principal, []))]
    return first_page(state, request, rules, context, [dump(each) for each in past])


def confirm_compromised(state: TenantState, request: Request) -> Answer:
    """204. Raises risk and adds a detection; accountEnabled stays what it was."""
    for principal in _named_principals(state, request):
        set_risk(
            state,
            {
                "id": principal,
                "riskLevel": "high",
                "riskState": "confirmedCompromised",
                "riskDetail": "adminConfirmedServicePrincipalCompromised",
            },
            initiated_by=request.principal_id,
        )
        detect(
            state,
            {
                "servicePrincipalId": principal,
                "riskEventType": "adminConfirmedServicePrincipalCompromised",
                "riskLevel": "high",
                "riskState": "confirmedCompromised",
                "riskDetail": "adminConfirmedServicePrincipalCompromised",
            },
        )
        _audit(state, request, principal, "confirmServicePrincipalCompromised")
    return Answer(NO_CONTENT)


def dismiss(state: TenantState, request: Request) -> Answer:
    for principal in _named_principals(state, request):
        detail = "adminDismissedAllRiskForServicePrincipal"
        set_risk(
            state,
            {"id": principal, "riskLevel": "none", "riskState": "dismissed", "riskDetail": detail},
            initiated_by=request.principal_id,
        )
        _audit(state, request, principal, "DismissServicePrincipal")
    return Answer(NO_CONTENT)


def list_detections(state: TenantState, request: Request) -> Answer:
    rules = _detection_rules(state)
    if page := resumed(state, request, rules, _DETECTIONS_CONTEXT):
        return page
    if not state.has_premium and state.behaviour.unlicensed == "forbidden":
        raise _unlicensed()
    selected = read_select(request.query, rules, "servicePrincipalRiskDetection")
    wanted = list(reversed(state.detections.published(state.now)))
    if "$filter" in request.query:
        predicate = read_filter(request.query["$filter"], rules).predicate
        wanted = [kept for kept in wanted if predicate(kept.record)]
    if selected is not None or not state.has_premium:
        rows = [dump(_picked(_detection_shown(state, kept.record, request), selected)) for kept in wanted]
    else:
        new_members = request.reads_new_enum_members
        rows = [kept.content(new_members, lambda record: _for_caller(record, request)) for kept in wanted]
    return first_page(state, request, rules, _DETECTIONS_CONTEXT, rows)


def get_detection(state: TenantState, request: Request, detection: str) -> Answer:
    check_options(request.query, _ONE)
    found = state.detections.find(detection, state.now)
    if found is None:
        raise not_found(detection)
    selected = read_select(request.query, _detection_rules(state), "servicePrincipalRiskDetection")
    return Answer(200, _picked(_detection_shown(state, found.record, request), selected))


# --- parts -----------------------------------------------------------------------------------------

_ONE = Documented({}, frozenset(), (1, 1), frozenset({"$select"}))


def _risky_rules(state: TenantState) -> Documented:
    """Documented: riskLevel eq, riskLastUpdatedDateTime eq. Whether more works is unverified."""
    filters = {"riskLevel": frozenset({"eq"}), "riskLastUpdatedDateTime": frozenset({"eq"})}
    if state.behaviour.risk_filters == "generous":
        filters |= {"riskState": frozenset({"eq"}), "riskLastUpdatedDateTime": frozenset({"eq", "ge", "le"})}
    options = frozenset({"$count", "$filter", "$select", "$top", "$skiptoken"})
    return Documented(filters, RISKY_PROPERTIES, state.behaviour.risk_page, options)


def _detection_rules(state: TenantState) -> Documented:
    names = ("servicePrincipalId", "requestId", "riskEventType", "riskLevel")
    filters = {name: frozenset({"eq"}) for name in names}
    if state.behaviour.risk_filters == "generous":
        filters |= {name: frozenset({"eq", "ge", "le"}) for name in ("detectedDateTime", "activityDateTime")}
    options = frozenset({"$filter", "$select", "$top", "$skiptoken"})
    return Documented(filters, frozenset(DETECTION_DEFAULTS), state.behaviour.risk_page, options)


def _risky_shown(state: TenantState, record: JsonObject) -> JsonObject:
    """isEnabled is the truth of this moment, whatever was recorded with the risk."""
    principal = state.directory.find(SERVICE_PRINCIPAL, record["id"])
    enabled = bool(principal.state["accountEnabled"]) if principal else False
    return {**{name: record.get(name) for name in RISKY_PROPERTIES}, "isEnabled": enabled}


def _detection_shown(state: TenantState, record: JsonObject, request: Request) -> JsonObject:
    """Without the licence the details are `hidden`, which is unknown and not low (facts: graph 1)."""
    if not state.has_premium:
        hidden: JsonObject = {
            "riskLevel": "hidden",
            "riskDetail": "hidden",
            "additionalInfo": None,
            "keyIds": [],
            "ipAddress": None,
        }
        record = {**record, **hidden, "location": None}
    return _for_caller(record, request)


def _for_caller(record: JsonObject, request: Request) -> JsonObject:
    """Enum members beyond unknownFutureValue are only shown to those who ask for them."""
    if request.reads_new_enum_members:
        return record
    tails = {
        name: "unknownFutureValue"
        for name, members in _TAIL_MEMBERS.items()
        if isinstance(record.get(name), str) and record[name] in members
    }
    return {**record, **tails} if tails else record


def _picked(record: JsonObject, selected: frozenset[str] | None) -> JsonObject:
    return record if selected is None else {name: record.get(name) for name in sorted(selected)}


def _named_principals(state: TenantState, request: Request) -> list[str]:
    _require_licence(state)
    body = request.json_object()
    ids = body.get("servicePrincipalIds")
    listed = cast("list[object]", ids) if isinstance(ids, list) else []
    if set(body) != {"servicePrincipalIds"} or not listed or not all(isinstance(each, str) for each in listed):
        raise bad_request("servicePrincipalIds must be a non-empty collection of ids.", "BadRequest")
    if len(listed) > _IDS_PER_CALL:
        raise bad_request(f"At most {_IDS_PER_CALL} service principals can be named in one call.", "BadRequest")
    for principal in listed:
        entry = state.directory.find(SERVICE_PRINCIPAL, str(principal))
        if entry is None or entry.state["servicePrincipalType"] == "ManagedIdentity":
            raise not_found(str(principal))
    return [str(each) for each in listed]


def _require_licence(state: TenantState) -> None:
    if not state.has_premium:
        raise _unlicensed()


def _unlicensed() -> Refusal:
    """The real code is unverified."""
    return Refusal(403, "Forbidden", "Your tenant is not licensed for this feature.")


def _audit(state: TenantState, request: Request, principal: str, activity: str) -> None:
    entry = state.directory.any_kind(principal)
    assert entry is not None  # noqa: S101 - _named_principals has found it
    properties = [changed("RiskState", None, state.risky[principal]["riskState"])]
    AuditTrail(state, request).write(
        activity, entry, properties, category="Other", service="Identity Protection", operation="Update"
    )


_BUCKET = ("identity protection",)

ROUTES: tuple[Route[TenantState], ...] = (
    Route("GET", "/identityProtection/riskyServicePrincipals", list_risky, READ_RISK, _BUCKET),
    Route("GET", "/identityProtection/riskyServicePrincipals/{principal}", get_risky, READ_RISK, _BUCKET),
    Route("GET", "/identityProtection/riskyServicePrincipals/{principal}/history", list_history, READ_RISK, _BUCKET),
    Route(
        "POST",
        "/identityProtection/riskyServicePrincipals/confirmCompromised",
        confirm_compromised,
        WRITE_RISK,
        _BUCKET,
        write=True,
        lane=-1,
    ),
    Route(
        "POST", "/identityProtection/riskyServicePrincipals/dismiss", dismiss, WRITE_RISK, _BUCKET, write=True, lane=-1
    ),
    Route("GET", "/identityProtection/servicePrincipalRiskDetections", list_detections, READ_DETECTIONS, _BUCKET),
    Route(
        "GET", "/identityProtection/servicePrincipalRiskDetections/{detection}", get_detection, READ_DETECTIONS, _BUCKET
    ),
)
