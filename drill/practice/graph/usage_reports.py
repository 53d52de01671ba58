"""
reports/appCredentialSignInActivities: when each credential was last used (facts: Graph docs, in beta only).

Made about once a day from the sign-ins that are known by then; filters are those of the documents.
"""

from datetime import datetime, timedelta

from drill.practice.directory import APPLICATION, SERVICE_PRINCIPAL, Entry
from drill.practice.graph.lists import first_page, resumed
from drill.practice.graph.permissions import READ_AUDITS, READ_DIRECTORY
from drill.practice.graph.sign_in_logs import require_log
from drill.practice.odata import Documented, read_filter
from drill.practice.shapes import JsonObject, dump, fine_time
from drill.practice.state import TenantState
from drill.practice.web import Answer, Request, Route

_CONTEXT = "reports/appCredentialSignInActivities"
_EQ = frozenset({"eq"})
_RULES = Documented(
    {"appId": _EQ, "keyId": _EQ},
    frozenset(),
    (100, 999),
    frozenset({"$filter", "$top", "$orderby", "$skiptoken"}),
)


def list_key_use(state: TenantState, request: Request) -> Answer:
    if page := resumed(state, request, _RULES, _CONTEXT):
        return page
    require_log(state)
    rows = _report(state)
    if "$filter" in request.query:
        rows = list(filter(read_filter(request.query["$filter"], _RULES).predicate, rows))
    return first_page(state, request, _RULES, _CONTEXT, [dump(each) for each in rows])


def _report(state: TenantState) -> list[JsonObject]:
    """One entry for each credential of the directory; of those without a use only if the service lists them."""
    used, listed = _last_uses(state), list[JsonObject]()
    for kind, origin in ((APPLICATION, "application"), (SERVICE_PRINCIPAL, "servicePrincipal")):
        for entry in state.directory.all(kind):
            listed += [_entry(state, entry, origin, each, used) for each in entry.state["passwordCredentials"]]
            listed += [_entry(state, entry, origin, each, used) for each in entry.state["keyCredentials"]]
    unused = state.behaviour.usage_report_lists_unused
    return [each for each in listed if unused or each["signInActivity"]["lastSignInDateTime"]]


def _last_uses(state: TenantState) -> dict[str, tuple[datetime, str]]:
    """By key id: when, and by which sign-in."""
    made_at = state.now - timedelta(seconds=state.behaviour.usage_report_delay)
    found: dict[str, tuple[datetime, str]] = {}
    for kept in state.sign_ins.published(state.now, latest=made_at):
        if kept.record["status"].get("errorCode") == 0:
            found[str(kept.record.get("servicePrincipalCredentialKeyId"))] = kept.at, str(kept.record["id"])
    return found


def _entry(
    state: TenantState, entry: Entry, origin: str, credential: JsonObject, used: dict[str, tuple[datetime, str]]
) -> JsonObject:
    at, by = used.get(credential["keyId"], (None, None))
    is_key = "usage" in credential
    other = state.directory.by_app_id(SERVICE_PRINCIPAL, entry.state["appId"])
    return {
        "id": f"{credential['keyId']}|{origin}",
        "keyId": credential["keyId"],
        "keyType": "certificate" if is_key else "clientSecret",
        "keyUsage": str(credential.get("usage", "Verify")).lower(),
        "appId": entry.state["appId"],
        "appObjectId": entry.id if origin == "application" else None,
        "servicePrincipalObjectId": other.id if other else None,
        "resourceId": None,
        "credentialOrigin": origin,
        "createdDateTime": credential["startDateTime"],
        "expirationDateTime": credential["endDateTime"],
        "signInActivity": {"lastSignInDateTime": fine_time(at) if at else None, "lastSignInRequestId": by},
    }


ROUTES: tuple[Route[TenantState], ...] = (
    Route(
        "GET",
        "/reports/appCredentialSignInActivities",
        list_key_use,
        (*READ_AUDITS, *READ_DIRECTORY),
        ("reports",),
        beta_only=True,
    ),
)
