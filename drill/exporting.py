"""
Writes what the practice tenant's logs and lists hold as one would export them from a real one: for trying a backtest.

    graph           Graph's lists, a page a file
    diagnostic      what a diagnostic setting sends to a storage account or an event hub: records, one a line
    log-analytics   rows of tables, as the API of Log Analytics answers a query

The tenant's objects are Graph's lists in each of them. Logs are whole: what would still be on its way is in them.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from drill.practice.shapes import JsonObject

Form = Literal["graph", "diagnostic", "log-analytics"]
FORMS: tuple[Form, ...] = get_args(Form)

_METADATA = "https://graph.microsoft.com/v1.0/$metadata#"
_GRAPH = {
    "directoryAudits": "auditLogs/directoryAudits",
    "signIns": "auditLogs/signIns",
    "servicePrincipalRiskDetections": "identityProtection/servicePrincipalRiskDetections",
    "riskyServicePrincipals": "identityProtection/riskyServicePrincipals",
}
_TIMES = {
    "directoryAudits": "activityDateTime",
    "signIns": "createdDateTime",
    "servicePrincipalRiskDetections": "lastUpdatedDateTime",
    "riskyServicePrincipals": "riskLastUpdatedDateTime",
}
_CATEGORIES = {
    "directoryAudits": "AuditLogs",
    "servicePrincipalRiskDetections": "ServicePrincipalRiskEvents",
    "riskyServicePrincipals": "RiskyServicePrincipals",
}
_TABLES = {
    "AuditLogs": "AuditLogs",
    "ServicePrincipalSignInLogs": "AADServicePrincipalSignInLogs",
    "ManagedIdentitySignInLogs": "AADManagedIdentitySignInLogs",
    "ServicePrincipalRiskEvents": "AADServicePrincipalRiskEvents",
    "RiskyServicePrincipals": "AADRiskyServicePrincipals",
}


def write_export(tenant: Mapping[str, Any], logs: Mapping[str, Sequence[JsonObject]], folder: Path, form: Form) -> None:
    """Write logs and objects into the folder; `tenant` is a snapshot in the scenario's shape."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, records in objects_of(tenant).items():
        _write(folder / f"{name}.json", {"@odata.context": f"{_METADATA}{name}", "value": records})
    write = {"graph": _write_graph, "diagnostic": _write_diagnostic, "log-analytics": _write_tables}[form]
    write(str(tenant["id"]), logs, folder)


def objects_of(tenant: Mapping[str, Any]) -> dict[str, list[JsonObject]]:
    """Graph's lists of the tenant's objects, with what hangs on each expanded."""
    owners, federated = tenant["owners"], tenant["federatedIdentityCredentials"]

    def expanded(record: JsonObject) -> JsonObject:
        id_ = record["id"]
        return {**record, "owners": owners.get(id_, []), "federatedIdentityCredentials": federated.get(id_, [])}

    roles = tenant["appRoleAssignments"]
    return {
        "applications": [expanded(each) for each in tenant["applications"]],
        "servicePrincipals": [
            {**expanded(each), "appRoleAssignments": [role for role in roles if role["principalId"] == each["id"]]}
            for each in tenant["servicePrincipals"]
        ],
        "oauth2PermissionGrants": tenant["oauth2PermissionGrants"],
        "roleAssignments": tenant["roleAssignments"],
        "domains": tenant["domains"],
    }


def _write_graph(_: str, logs: Mapping[str, Sequence[JsonObject]], folder: Path) -> None:
    """Lists of Graph show the last state of each row of risk."""
    for name, context in _GRAPH.items():
        records = list({str(each["id"]): each for each in logs[name]}.values())
        _write(folder / f"{name}.json", {"@odata.context": f"{_METADATA}{context}", "value": records[::-1]})


def _write_diagnostic(tenant_id: str, logs: Mapping[str, Sequence[JsonObject]], folder: Path) -> None:
    for category, rows in _by_category(logs).items():
        lines = [json.dumps(_diagnostic(tenant_id, category, at, each)) for at, each in rows]
        (folder / f"insights-logs-{category.lower()}.json").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _by_category(logs: Mapping[str, Sequence[JsonObject]]) -> dict[str, list[tuple[str, JsonObject]]]:
    found: dict[str, list[tuple[str, JsonObject]]] = {category: [] for category in _TABLES}
    for name, records in logs.items():
        for each in records:
            found[_category_of(name, each)].append((str(each[_TIMES[name]]), each))
    return found


def _category_of(name: str, record: JsonObject) -> str:
    if name != "signIns":
        return _CATEGORIES[name]
    managed = "managedIdentity" in record["signInEventTypes"]
    return "ManagedIdentitySignInLogs" if managed else "ServicePrincipalSignInLogs"


def _diagnostic(tenant_id: str, category: str, at: str, record: JsonObject) -> JsonObject:
    status: JsonObject = record.get("status") or {"errorCode": 0}
    return {
        "time": at,
        "resourceId": f"/tenants/{tenant_id}/providers/Microsoft.aadiam",
        "operationName": record.get("activityDisplayName", "Sign-in activity"),
        "category": category,
        "tenantId": tenant_id,
        "resultType": str(status["errorCode"]),
        "callerIpAddress": record.get("ipAddress"),
        "correlationId": record.get("correlationId"),
        "properties": {name: value for name, value in record.items() if name != "signInEventTypes"},
    }


def _write_tables(tenant_id: str, logs: Mapping[str, Sequence[JsonObject]], folder: Path) -> None:
    for category, rows in _by_category(logs).items():
        table = _TABLES[category]
        records = [_row(tenant_id, table, at, each) for at, each in rows]
        columns = sorted({name for each in records for name in each})
        answer = {
            "name": "PrimaryResult",
            "columns": [{"name": name, "type": "string"} for name in columns],
            "rows": [[_cell(each.get(name)) for name in columns] for each in records],
        }
        if records:
            _write(folder / f"{table}.json", {"tables": [answer]})


def _row(tenant_id: str, table: str, at: str, record: JsonObject) -> JsonObject:
    """`TenantId` is the workspace; the tables of sign-ins name some columns in their own way (facts: Graph 3)."""
    row: JsonObject = {name[:1].upper() + name[1:]: value for name, value in record.items()}
    row |= {"TimeGenerated": at, "Type": table, "TenantId": "77777777-0000-4000-8000-000000000000"}
    if table == "AuditLogs":
        return {**row, "AADTenantId": tenant_id, "OperationName": record.get("activityDisplayName")}
    if "SignIn" in table:
        status = record["status"]
        row |= {
            "IPAddress": row.pop("IpAddress", None),
            "LocationDetails": row.pop("Location", None),
            "ResourceIdentity": row.pop("ResourceId", None),
            "ResultType": str(status["errorCode"]),
        }
        for name in ("Status", "SignInEventTypes"):
            row.pop(name, None)
    return row


def _cell(value: object) -> object:
    """Dynamic columns come as text that holds JSON."""
    return json.dumps(value) if isinstance(value, dict | list) else value


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
