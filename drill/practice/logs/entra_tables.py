"""
What Entra's diagnostic settings send to workspaces, as tables (facts: graph 3). Late, from the setting's day on, and
nothing at all where there is no setting: then the workspace does not know the table, or it is there and empty.

    // cordon:coverage
    let t0=datetime(…);
    TABLE
    …                                   a row for each stretch of ten minutes with records, of which no two are half
                                        an hour apart: begun, ended, ticks; none where the table holds nothing

    // cordon:sign-ins
    let sp='…'; let codes=dynamic(["0"]); let t0=datetime(…);
    AADServicePrincipalSignInLogs or AADManagedIdentitySignInLogs
    … | top N by TimeGenerated desc …   no codes: any

    // cordon:all-sign-ins
    let t0=datetime(…); let t1=datetime(…);
    the same tables                     everybody's from t0 on, and before t1, with app and name

    // cordon:audits
    let ids=dynamic(["…", …]); let t0=datetime(…);
    AuditLogs
    … | top N by TimeGenerated desc …   whose targets name one of the ids anywhere

    // cordon:graph-calls
    let sp='…'; let t0=datetime(…);
    MicrosoftGraphActivityLogs
    … | top N by calls desc …           by method and path, whose ids are `*`

    // cordon:graph-tokens
    the same, | top N by last desc      by SignInActivityId
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from drill.practice.arm.state import Workspace
from drill.practice.late_log import Kept
from drill.practice.questions import NoTable, Question, Row, guid, moment, most, table_of, words
from drill.practice.shapes import JsonObject, fine_time
from drill.practice.state import TenantState

_Span: TypeAlias = tuple[datetime | None, datetime | None]
_SIGN_INS = {
    "AADServicePrincipalSignInLogs": ("ServicePrincipalSignInLogs", "servicePrincipal"),
    "AADManagedIdentitySignInLogs": ("ManagedIdentitySignInLogs", "managedIdentity"),
}
_ACTIVITY = "MicrosoftGraphActivityLogs"
_AUDITS = "AuditLogs"
_TABLES = (*_SIGN_INS, _ACTIVITY, _AUDITS)
_CALL_COLUMNS = {"method": "string", "path": "string", "calls": "long", "last": "datetime"}
_TOKEN_COLUMNS = {"token": "string", "first": "datetime", "last": "datetime", "issued": "datetime", "ip": "string"}
_COVERAGE_COLUMNS = {"begun": "datetime", "ended": "datetime", "ticks": "long"}
_TICK, _PAUSE = 600, 1800  # seconds of a bin, and between stretches
_SIGN_IN_COLUMNS = {
    "at": "datetime",
    **dict.fromkeys(
        (
            "id",
            "sp",
            "code",
            "ip",
            "key",
            "thumbprint",
            "federated",
            "kind",
            "resource",
            "resourceId",
            "network",
            "country",
            "agent",
            "token",
        ),
        "string",
    ),
}


def _coverage(state: TenantState, query: str, workspaces: Iterable[Workspace], span: _Span) -> Sequence[Row]:
    found: list[list[datetime]] = []
    for at in sorted(kept.at for kept in _held(state, table_of(query, _TABLES), query, workspaces, span)):
        if not found or ((at - found[-1][-1]).total_seconds() > _PAUSE and _tick(at) != _tick(found[-1][-1])):
            found.append([])
        found[-1].append(at)
    return [
        {"begun": fine_time(times[0]), "ended": fine_time(times[-1]), "ticks": len({*map(_tick, times)})}
        for times in found
    ]


def _tick(at: datetime) -> int:
    return int(at.timestamp() // _TICK)


def _sign_ins(state: TenantState, query: str, workspaces: Iterable[Workspace], span: _Span) -> Sequence[Row]:
    principal, codes = guid(query, "sp"), words(query, "codes", r"\d+")
    held = _held(state, table_of(query, _SIGN_INS), query, workspaces, span)
    wanted = [kept for kept in held if _is_wanted(kept.record, principal, codes)]
    return [_row(state, kept) for kept in reversed(wanted[-most(query) :])]


def _all_sign_ins(state: TenantState, query: str, workspaces: Iterable[Workspace], span: _Span) -> Sequence[Row]:
    held, until = _held(state, table_of(query, _SIGN_INS), query, workspaces, span), moment(query, "t1")
    wanted = [kept for kept in held if kept.at < until]
    return [_everybodys_row(state, kept) for kept in reversed(wanted[-most(query) :])]


def _everybodys_row(state: TenantState, kept: Kept) -> Row:
    more = {"app": kept.record.get("appId"), "name": kept.record.get("servicePrincipalName")}
    return {**_row(state, kept), **{column: str(value or "") for column, value in more.items()}}


def _is_wanted(record: JsonObject, principal: str, codes: Sequence[str]) -> bool:
    code = str(record["status"].get("errorCode"))
    return str(record.get("servicePrincipalId")).lower() == principal and (not codes or code in codes)


def _held(state: TenantState, table: str, query: str, workspaces: Iterable[Workspace], span: _Span) -> Iterator[Kept]:
    """The table's records in these workspaces, oldest first."""
    category, type_ = _SIGN_INS.get(table, (table, ""))
    ids = {each.resource_id.lower() for each in workspaces}
    settings = [each for each in state.azure.entra_settings if each.workspace in ids and category in each.categories]
    if not settings and state.behaviour.unsent_tables == "missing":
        raise NoTable(table)
    if not settings:
        return
    earliest = max(moment(query, "t0"), min(each.since for each in settings), *([span[0]] if span[0] else []))
    others = {_AUDITS: state.audits, _ACTIVITY: state.graph_activity}  # of audits unverified: as late as in Graph
    log = others.get(table, state.exported_sign_ins)
    for kept in log.published(state.now, earliest, span[1]):
        if not type_ or type_ in kept.record["signInEventTypes"]:
            yield kept


def _audits(state: TenantState, query: str, workspaces: Iterable[Workspace], span: _Span) -> Sequence[Row]:
    ids = words(query, "ids", r"[0-9a-f-]{36}")
    held = _held(state, table_of(query, (_AUDITS,)), query, workspaces, span)
    rows = [row for kept in held if any(each in (row := _audit_row(kept))["targets"].lower() for each in ids)]
    return [*reversed(rows[-most(query) :])]


def _audit_row(kept: Kept) -> dict[str, str]:
    record = kept.record
    return {
        "at": fine_time(kept.at),
        "id": str(record["id"]),
        "activity": str(record["activityDisplayName"]),
        "category": str(record.get("category") or ""),
        "result": str(record.get("result") or ""),
        "correlation": str(record.get("correlationId") or ""),
        "by": json.dumps(record.get("initiatedBy")),
        "targets": json.dumps(record.get("targetResources") or []),
    }


def _activity(state: TenantState, query: str, workspaces: Iterable[Workspace], span: _Span) -> list[Kept]:
    """What this service principal did in its own name."""
    principal = guid(query, "sp")
    held = _held(state, table_of(query, (_ACTIVITY,)), query, workspaces, span)
    return [kept for kept in held if str(kept.record["ServicePrincipalId"]).lower() == principal]


def _calls(state: TenantState, query: str, workspaces: Iterable[Workspace], span: _Span) -> Sequence[Row]:
    found: dict[tuple[str, str], list[datetime]] = {}
    for kept in _activity(state, query, workspaces, span):
        key = str(kept.record["RequestMethod"]), _shape(str(kept.record["RequestUri"]))
        found.setdefault(key, []).append(kept.at)
    rows = [
        {"method": method, "path": path, "calls": len(times), "last": fine_time(max(times))}
        for (method, path), times in found.items()
    ]
    return sorted(rows, key=lambda row: int(str(row["calls"])), reverse=True)[: most(query, "calls")]


def _shape(uri: str) -> str:
    """An address as the question asks for it: without version, query and ids."""
    path = re.sub(r"^https?://[^/]+/(v1\.0|beta)", "", uri.split("?")[0].lower())
    path = re.sub(r"/[^/]*[^a-z/$.][^/]*", "/*", re.sub(r"\([^)]*\)", "/*", path))
    return re.sub(r"^((/[^/]*){6}).*$", r"\1", path)


def _tokens(state: TenantState, query: str, workspaces: Iterable[Workspace], span: _Span) -> Sequence[Row]:
    found: dict[str, list[Kept]] = {}
    for kept in _activity(state, query, workspaces, span):
        found.setdefault(str(kept.record["SignInActivityId"]), []).append(kept)
    rows = [_token(name, kept) for name, kept in found.items()]
    return sorted(rows, key=lambda row: str(row["last"]), reverse=True)[: most(query, "last")]


def _token(name: str, kept: Sequence[Kept]) -> Row:
    issued = [str(each.record["TokenIssuedAt"]) for each in kept if each.record.get("TokenIssuedAt")]
    return {
        "token": name,
        "first": fine_time(min(each.at for each in kept)),
        "last": fine_time(max(each.at for each in kept)),
        "issued": min(issued) if issued else None,
        "ip": str(kept[0].record["IPAddress"]),
    }


def _row(state: TenantState, kept: Kept) -> Row:
    """Columns that the documents do not name are empty, as `column_ifexists` gives them."""
    record, more = kept.record, state.behaviour.sign_in_tables_tell_more
    place: JsonObject = record.get("location") or {}

    def text(name: str, told: bool = True) -> str:
        return str(record.get(name) or "") if told else ""

    return {
        "at": fine_time(kept.at),
        "id": text("id"),
        "sp": text("servicePrincipalId"),
        "code": str(record["status"].get("errorCode")),
        "ip": text("ipAddress"),
        "key": text("servicePrincipalCredentialKeyId"),
        "thumbprint": text("servicePrincipalCredentialThumbprint"),
        "federated": text("federatedCredentialId"),
        "kind": text("clientCredentialType", more),
        "resource": text("resourceDisplayName"),
        "resourceId": text("resourceId"),
        "network": text("autonomousSystemNumber", more),
        "country": str(place.get("countryOrRegion") or ""),
        "agent": text("userAgent", more),
        "token": text("uniqueTokenIdentifier"),
    }


QUESTIONS: Mapping[str, tuple[Mapping[str, str], Question]] = {
    "coverage": (_COVERAGE_COLUMNS, _coverage),
    "sign-ins": (_SIGN_IN_COLUMNS, _sign_ins),
    "all-sign-ins": ({**_SIGN_IN_COLUMNS, "app": "string", "name": "string"}, _all_sign_ins),
    "audits": (
        {
            "at": "datetime",
            **dict.fromkeys(("id", "activity", "category", "result", "correlation", "by", "targets"), "string"),
        },
        _audits,
    ),
    "graph-calls": (_CALL_COLUMNS, _calls),
    "graph-tokens": (_TOKEN_COLUMNS, _tokens),
}
"""The columns of each, and what answers it."""
