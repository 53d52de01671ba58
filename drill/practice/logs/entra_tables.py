"""
What Entra's diagnostic settings send to workspaces, as tables (facts: graph 3). Late, from the setting's day on, and
nothing at all where there is no setting: the table is there and empty.

    // cordon:coverage
    let t0=datetime(…);
    TABLE
    …                                   one row, of nulls where the table holds nothing

    // cordon:sign-ins
    let sp='…'; let codes=dynamic(["0"]); let t0=datetime(…);
    AADServicePrincipalSignInLogs or AADManagedIdentitySignInLogs
    … | top N by TimeGenerated desc …   no codes: any
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from drill.practice.arm.state import Workspace
from drill.practice.late_log import Kept, LateLog
from drill.practice.questions import Question, Row, guid, moment, most, table_of, words
from drill.practice.shapes import JsonObject, fine_time
from drill.practice.state import TenantState

_Span: TypeAlias = tuple[datetime | None, datetime | None]
_SIGN_INS = {
    "AADServicePrincipalSignInLogs": ("ServicePrincipalSignInLogs", "servicePrincipal"),
    "AADManagedIdentitySignInLogs": ("ManagedIdentitySignInLogs", "managedIdentity"),
}
_COVERAGE_COLUMNS = {"oldest": "datetime", "newest": "datetime"}
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
    times = [kept.at for kept in _held(state, table_of(query, _SIGN_INS), query, workspaces, span)]
    if not times:
        return [{"oldest": None, "newest": None}]
    return [{"oldest": fine_time(min(times)), "newest": fine_time(max(times))}]


def _sign_ins(state: TenantState, query: str, workspaces: Iterable[Workspace], span: _Span) -> Sequence[Row]:
    principal, codes = guid(query, "sp"), words(query, "codes", r"\d+")
    held = _held(state, table_of(query, _SIGN_INS), query, workspaces, span)
    wanted = [kept for kept in held if _is_wanted(kept.record, principal, codes)]
    return [_row(state, kept) for kept in reversed(wanted[-most(query) :])]


def _is_wanted(record: JsonObject, principal: str, codes: Sequence[str]) -> bool:
    code = str(record["status"].get("errorCode"))
    return str(record.get("servicePrincipalId")).lower() == principal and (not codes or code in codes)


def _held(state: TenantState, table: str, query: str, workspaces: Iterable[Workspace], span: _Span) -> Iterator[Kept]:
    """The table's records in these workspaces, oldest first."""
    category, type_ = _SIGN_INS[table]
    ids = {each.resource_id.lower() for each in workspaces}
    settings = [each for each in state.azure.entra_settings if each.workspace in ids and category in each.categories]
    if not settings:
        return
    earliest = max(moment(query, "t0"), min(each.since for each in settings), *([span[0]] if span[0] else []))
    log: LateLog = state.exported_sign_ins
    for kept in log.published(state.now, earliest, span[1]):
        if type_ in kept.record["signInEventTypes"]:
            yield kept


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
}
"""The columns of each, and what answers it."""
