"""
Which log a record is of, told by what it holds; and the shape that Graph would have given it.

Facts: Graph's lists; diagnostic records carry Graph's record in `properties`, with `category` beside it; Log Analytics
has a table for each category, with columns of capitalised names and JSON as text. `TenantId` there is the workspace.
Not verified are the columns of user agent and network in the tables of sign-ins, and all columns of the two tables of
risk: what is there is read, and what is not is left empty, which a case takes for "not told".
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import cast

from shared.signal import JsonObject, JsonValue
from shared.untrusted import parsed


class Sort(StrEnum):
    """What a record is of. The values are how the report names it."""

    AUDIT = "directory audits"
    SIGN_IN = "sign-ins of service principals"
    MANAGED_SIGN_IN = "sign-ins of managed identities"
    DETECTION = "risk detections"
    RISK = "risky service principals"
    PRINCIPAL = "service principals"
    APPLICATION = "applications"
    APP_ROLE = "app role assignments"
    DELEGATED = "delegated grants"
    DIRECTORY_ROLE = "directory role assignments"
    DOMAIN = "domains"


LOGS = (Sort.AUDIT, Sort.SIGN_IN, Sort.MANAGED_SIGN_IN, Sort.DETECTION, Sort.RISK)

_CATEGORIES = {
    "auditlogs": Sort.AUDIT,
    "serviceprincipalsigninlogs": Sort.SIGN_IN,
    "managedidentitysigninlogs": Sort.MANAGED_SIGN_IN,
    "serviceprincipalriskevents": Sort.DETECTION,
    "riskyserviceprincipals": Sort.RISK,
}
_TABLES = {
    "auditlogs": Sort.AUDIT,
    "aadserviceprincipalsigninlogs": Sort.SIGN_IN,
    "aadmanagedidentitysigninlogs": Sort.MANAGED_SIGN_IN,
    "aadserviceprincipalriskevents": Sort.DETECTION,
    "aadriskyserviceprincipals": Sort.RISK,
}
_CONTEXTS = {
    "auditlogs/directoryaudits": Sort.AUDIT,
    "serviceprincipalriskdetections": Sort.DETECTION,
    "riskyserviceprincipals": Sort.RISK,
    "serviceprincipals": Sort.PRINCIPAL,
    "applications": Sort.APPLICATION,
    "oauth2permissiongrants": Sort.DELEGATED,
    "roleassignments": Sort.DIRECTORY_ROLE,
    "domains": Sort.DOMAIN,
}


def sort_of(record: JsonObject, context: str = "", name: str = "") -> Sort | str:
    """
    The sort of a record, or, as text, what else it seems to be. An empty record stands for a list that holds none.
    `name` is its file's, which tells two tables apart whose rows look alike.
    """
    if "activityDisplayName" in record:
        return Sort.AUDIT
    if "TimeGenerated" in record:
        return _of_table(record, name)
    if "category" in record and ("properties" in record or "operationName" in record):
        category = str(record["category"])
        return _CATEGORIES.get(category.casefold(), f"diagnostic records of category {category[:60]}")
    if not record:
        return _of_context(context) or "an empty list that does not say of what"
    return _of_graph(record) or _of_context(context) or "records of a sort not known here"


def _of_context(context: str) -> Sort | None:
    """The end of `…/$metadata#auditLogs/directoryAudits`, with or without what was selected."""
    said = context.rpartition("#")[2].partition("(")[0].casefold()
    return next((sort for ending, sort in _CONTEXTS.items() if said.endswith(ending)), None)


def _of_table(record: JsonObject, name: str) -> Sort | str:
    said = str(record.get("Type") or record.get("$table") or "").casefold()
    if said:
        return _TABLES.get(said, f"rows of table {said[:60]}")
    if "ActivityDisplayName" in record or "TargetResources" in record:
        return Sort.AUDIT
    if "RiskEventType" in record and "ServicePrincipalId" in record:
        return Sort.DETECTION
    if "RiskState" in record and "ServicePrincipalType" in record:
        return Sort.RISK
    category = str(record.get("Category") or "").casefold()
    if found := _CATEGORIES.get(category):
        return found
    if "ServicePrincipalId" in record and "ResultType" in record:
        return Sort.MANAGED_SIGN_IN if "managedidentity" in name.casefold() else Sort.SIGN_IN
    return "rows of a table that is not known here"


def _of_graph(record: JsonObject) -> Sort | str | None:
    if "signInEventTypes" in record:
        types = record["signInEventTypes"]
        known = types if isinstance(types, list) else []
        if "servicePrincipal" in known:
            return Sort.SIGN_IN
        return Sort.MANAGED_SIGN_IN if "managedIdentity" in known else "sign-ins of users"
    if "riskEventType" in record:
        return Sort.DETECTION if "servicePrincipalId" in record else "risk detections of users"
    if "riskLastUpdatedDateTime" in record:
        return "risky users" if "userPrincipalName" in record else Sort.RISK
    return _of_snapshot(record)


def _of_snapshot(record: JsonObject) -> Sort | None:
    """Objects of the tenant, each by the property that no other has."""
    marks = (
        ("servicePrincipalType", Sort.PRINCIPAL),
        ("appOwnerOrganizationId", Sort.PRINCIPAL),
        ("appRoleId", Sort.APP_ROLE),
        ("consentType", Sort.DELEGATED),
        ("roleDefinitionId", Sort.DIRECTORY_ROLE),
        ("isVerified", Sort.DOMAIN),
        ("publisherDomain", Sort.APPLICATION),
        ("requiredResourceAccess", Sort.APPLICATION),
    )
    found = next((sort for mark, sort in marks if mark in record), None)
    if found is None and "appId" in record and "passwordCredentials" in record:
        return Sort.APPLICATION
    return found


def as_graph(record: JsonObject, sort: Sort) -> JsonObject:
    """
    The record with the names that Graph gives it. Audits and risk in their diagnostic form stay as they are, for those
    who read them take either.
    """
    is_row = "TimeGenerated" in record
    if sort in (Sort.SIGN_IN, Sort.MANAGED_SIGN_IN):
        return _sign_in_row(record) if is_row else _sign_in(record)
    return _row(record) if is_row else record


def _row(record: JsonObject) -> JsonObject:
    """A row of Log Analytics. Its tenant is named by AADTenantId."""
    found = {name[:1].lower() + name[1:]: value for name, value in record.items() if name != "TenantId"}
    tenant = found.pop("aADTenantId", None)
    if tenant:
        found["tenantId"] = tenant
    if not found.get("activityDateTime"):
        found["activityDateTime"] = found.get("timeGenerated")
    if not found.get("activityDisplayName"):
        found["activityDisplayName"] = found.get("operationName")
    if "riskState" in found and not found.get("riskLastUpdatedDateTime"):
        found["riskLastUpdatedDateTime"] = found.get("timeGenerated")
    found.pop("resourceId", None)  # the workspace's, or the tenant's in another spelling
    return found


def _sign_in(record: JsonObject) -> JsonObject:
    """Of a diagnostic record what Graph would give; only the envelope may tell how it ended, as a text."""
    body = dict(_object(record.get("properties")))
    if not body:
        return record
    if not isinstance(body.get("status"), dict):
        body["status"] = {"errorCode": _number(record.get("resultType"))}
    for name, outer in (("createdDateTime", "time"), ("ipAddress", "callerIpAddress")):
        if body.get(name) is None:
            body[name] = record.get(outer)
    return body


_COLUMNS: Mapping[str, str] = {
    "id": "Id",
    "createdDateTime": "CreatedDateTime",
    "appId": "AppId",
    "servicePrincipalId": "ServicePrincipalId",
    "servicePrincipalCredentialKeyId": "ServicePrincipalCredentialKeyId",
    "servicePrincipalCredentialThumbprint": "ServicePrincipalCredentialThumbprint",
    "federatedCredentialId": "FederatedCredentialId",
    "clientCredentialType": "ClientCredentialType",
    "resourceDisplayName": "ResourceDisplayName",
    "resourceId": "ResourceIdentity",
    "ipAddress": "IPAddress",
    "userAgent": "UserAgent",
    "uniqueTokenIdentifier": "UniqueTokenIdentifier",
}


def _sign_in_row(record: JsonObject) -> JsonObject:
    body: JsonObject = {name: record.get(column) or None for name, column in _COLUMNS.items()}
    body["createdDateTime"] = body["createdDateTime"] or record.get("TimeGenerated")
    body["status"] = {"errorCode": _number(record.get("ResultType"))}
    body["autonomousSystemNumber"] = _number(record.get("AutonomousSystemNumber"))
    country = _object(record.get("LocationDetails")).get("countryOrRegion")
    body["location"] = {"countryOrRegion": country or record.get("Location") or None}
    return body


def _object(value: JsonValue) -> JsonObject:
    """An object, or a text that holds one; {} for anything else."""
    found = parsed(value)
    return cast("JsonObject", found) if isinstance(found, dict) else {}


def _number(value: JsonValue) -> JsonValue:
    """Codes are texts in logs; what is no number stays as it is, and is told as such."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value
