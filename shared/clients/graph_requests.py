"""The requests of a look: every path and filter that goes to Graph for reading is made here, from canonical ids."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from urllib.parse import quote

from shared.audit import LOOK_BACK
from shared.clients.answers import BETA, Call
from shared.clients.pacing import IDENTITY_PROTECTION, KEY_SELECTS, REPORTS
from shared.identity import IdentityRef, canonical_guid

READ_DIRECTORY = "Application.Read.All"
READ_DETECTIONS = "IdentityRiskEvent.Read.All"
READ_RISK = "IdentityRiskyServicePrincipal.Read.All"
READ_AUDITS = "AuditLog.Read.All"
READ_DELEGATED = "Directory.Read.All"  # there is no narrower one that cannot write (facts: Graph 6)
READ_ROLES = "RoleManagement.Read.Directory"
READ_POLICIES = "Policy.Read.All"
READ_DOMAINS = "Domain.Read.All"
PREMIUM = "Microsoft Entra Workload ID Premium"
AUDIT_LICENCE = "Microsoft Entra ID P1 or P2"
_AS_IS = "'()/:,"  # characters of a filter that need no escape in a query
POLICIES = "/identity/conditionalAccess/policies"
WITH_KEYS = "?$select=id,keyCredentials"  # `key` is null unless it is selected (facts: Graph application-get)
NEW_MEMBERS = {"Prefer": "include-unknown-enum-members"}  # else Graph hides newer enum members


# How far back sign-ins are asked for. The log keeps 30 days at most (facts: Graph 2, retention).
SIGN_INS_BACK, ATTEMPTS_BACK = timedelta(days=30), timedelta(days=1)


class Ask(StrEnum):
    """What can be asked for; each at most once, save for surprising 404s."""

    PRINCIPAL = "the service principal"
    PRINCIPALS = "the application's service principals"
    APPLICATION = "the application"
    APPLICATIONS = "the application, by a search"
    FEDERATED_PRINCIPAL = "federated credentials of the service principal"
    FEDERATED_APPLICATION = "federated credentials of the application"
    DETECTIONS = "risk detections"
    RISK = "the risk state"
    APP_ROLES = "the app roles that it holds"
    DELEGATED = "the delegated permissions that it holds"
    DIRECTORY_ROLES = "the directory roles that it holds"
    GROUPS = "the groups that it is in"
    OWNERS_PRINCIPAL = "owners of the service principal"
    OWNERS_APPLICATION = "owners of the application"
    CA_POLICIES = "Conditional Access policies"
    DOMAINS = "the tenant's domains"
    SIGN_INS = "sign-ins"
    ATTEMPTS = "attempts to sign in"
    KEY_USE = "the report on the use of credentials"
    AUDITS_PRINCIPAL = "audit records of the service principal"
    AUDITS_APPLICATION = "audit records of the application"
    AUDITS_APP_ROLES = "audit records of app roles given"
    AUDITS_DELEGATED = "audit records of delegated permissions given"
    PUBLIC_KEYS = "the public keys of the application"


# Everything else: READ_DIRECTORY
_READS = {Ask.DELEGATED: READ_DELEGATED, Ask.DIRECTORY_ROLES: READ_ROLES, Ask.DOMAINS: READ_DOMAINS}


@dataclass(frozen=True, slots=True)
class Ids:
    """The ids known so far; `client` may be a claim until Graph confirms it."""

    principal: str | None
    client: str | None
    application: str | None
    managed: bool | None = None  # whether it is a managed identity, once Graph has told

    @classmethod
    def of(cls, subject: IdentityRef) -> "Ids":
        """Raises ValueError for an id that is no GUID: it never gets into a path."""
        given = (subject.principal_id, subject.client_id, subject.app_object_id)
        principal, client, application = (canonical_guid(each) if each else None for each in given)
        return cls(principal, client, application)


def principal_path(ids: Ids) -> str | None:
    return _path("/servicePrincipals", ids.principal, ids.client)


def application_path(ids: Ids) -> str | None:
    return _path("/applications", ids.application, ids.client)


def _path(collection: str, object_id: str | None, client: str | None) -> str | None:
    if object_id:
        return f"{collection}/{object_id}"
    return f"{collection}(appId='{client}')" if client else None


def filtered(path: str, condition: str) -> str:
    """A path with a $filter. The condition is made of fixed text, canonical ids and times only."""
    return f"{path}?$filter={quote(condition, safe=_AS_IS)}"


def call_for(ask: Ask, ids: Ids, since: datetime) -> Call | None:
    """The request for this, or None while an id that it needs is not known. Audit records are read from `since` on."""
    if ask in (Ask.SIGN_INS, Ask.ATTEMPTS):
        return _sign_ins(ask, ids, since)
    path = _path_for(ask, ids, since)
    if path is None:
        return None
    match ask:
        case Ask.DETECTIONS | Ask.RISK:
            return _protection_call(ask, path)
        case Ask.AUDITS_PRINCIPAL | Ask.AUDITS_APPLICATION | Ask.AUDITS_APP_ROLES | Ask.AUDITS_DELEGATED:
            return _audits_call(ask, path)
        case Ask.KEY_USE:
            return _key_use_call(path)
        case Ask.CA_POLICIES:
            return policies_call()
        case Ask.PUBLIC_KEYS:
            return Call("GET", path, f"reading {ask.value}", READ_DIRECTORY, quota=KEY_SELECTS, rides=True)
        case _:
            return Call("GET", path, f"reading {ask.value}", _READS.get(ask, READ_DIRECTORY))


def federated_call(object_path: str) -> Call:
    path = f"{object_path}/federatedIdentityCredentials"
    return Call("GET", path, f"reading {Ask.FEDERATED_PRINCIPAL.value}", READ_DIRECTORY)


def _path_for(ask: Ask, ids: Ids, since: datetime) -> str | None:
    """A plain GET of an object shows the metadata of all its credentials (facts: Graph docs application-get)."""
    return _PATHS[ask](ids, since)


def _below(path: str | None, rest: str | None) -> str | None:
    return path + rest if path and rest else None


def _search(collection: str, client: str | None) -> str | None:
    return filtered(collection, f"appId eq '{client}'") if client else None


def _detections(principal: str | None) -> str | None:
    path = "/identityProtection/servicePrincipalRiskDetections"
    return filtered(path, f"servicePrincipalId eq '{principal}'") if principal else None


def _roles(principal: str | None) -> str | None:
    path = "/roleManagement/directory/roleAssignments"
    if principal is None:
        return None
    return filtered(path, f"principalId eq '{principal}'") + "&$expand=roleDefinition"


def group_roles_call(group: str) -> Call:
    """The directory roles of a group."""
    return Call("GET", f"{_roles(canonical_guid(group))}", f"reading the directory roles of group {group}", READ_ROLES)


def _audits(target: str | None, since: datetime) -> str | None:
    if target is None:
        return None
    about = f"targetResources/any(t:t/id eq '{target}')"
    return filtered("/auditLogs/directoryAudits", f"activityDateTime ge {graph_time(since)} and {about}")


def _audits_of(activity: str, since: datetime) -> str:
    """
    The whole tenant's records of an activity: a grant's only target is the API that is opened up, so those of one
    client cannot be asked for. By its beginning, because the log spells activities in several ways.
    """
    condition = f"activityDateTime ge {graph_time(since)} and startswith(activityDisplayName,'{activity}')"
    return filtered("/auditLogs/directoryAudits", condition)


def graph_time(moment: datetime) -> str:
    """A moment as filters spell it, UTC."""
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return f"{utc.isoformat(timespec='microseconds' if utc.microsecond else 'seconds')}Z"


def _sign_ins(ask: Ask, ids: Ids, audited_since: datetime) -> Call | None:
    """
    Tokens that were issued are asked for by their code: nobody without a credential can make that list long. What
    else was tried is anybody's to fill, so only the last day of it is read.
    """
    if ids.principal is None or ids.managed is None:
        return None
    now = audited_since + LOOK_BACK
    type_ = "managedIdentity" if ids.managed else "servicePrincipal"
    if ask is Ask.ATTEMPTS:
        return sign_ins_call(ids.principal, type_, None, now - ATTEMPTS_BACK)
    return sign_ins_call(ids.principal, type_, 0, now - SIGN_INS_BACK)


def sign_ins_call(
    principal: str, type_: str, error_code: int | None, since: datetime, until: datetime | None = None
) -> Call:
    """
    Workloads' sign-ins are in beta only, and only where they are asked for by type (facts: Graph docs
    signin-list). Asked for by code, the answer stays small whatever else an attacker makes the log hold.
    """
    condition = (
        f"signInEventTypes/any(t:t eq '{type_}') and createdDateTime ge {graph_time(since)} "
        f"and servicePrincipalId eq '{canonical_guid(principal)}'"
    )
    if error_code is not None:
        condition += f" and status/errorCode eq {error_code:d}"
    if until is not None:
        condition += f" and createdDateTime le {graph_time(until)}"
    return Call(
        "GET",
        filtered("/auditLogs/signIns", condition),
        "reading the sign-in log",
        READ_AUDITS,
        licence=AUDIT_LICENCE,
        quota=REPORTS,
        urgent=False,
        version=BETA,
    )


def all_sign_ins_call(type_: str, since: datetime, until: datetime) -> Call:
    """Of every workload of this type, between these times (both included)."""
    condition = (
        f"signInEventTypes/any(t:t eq '{type_}') and createdDateTime ge {graph_time(since)} "
        f"and createdDateTime le {graph_time(until)}"
    )
    return Call(
        "GET",
        filtered("/auditLogs/signIns", condition),
        "reading all sign-ins",
        READ_AUDITS,
        licence=AUDIT_LICENCE,
        quota=REPORTS,
        urgent=False,
        version=BETA,
    )


def _protection_call(ask: Ask, path: str) -> Call:
    return Call(
        "GET",
        path,
        f"reading {ask.value}",
        READ_DETECTIONS if ask is Ask.DETECTIONS else READ_RISK,
        licence=PREMIUM,
        headers=NEW_MEMBERS,
        quota=IDENTITY_PROTECTION,
    )


def _audits_call(ask: Ask, path: str) -> Call:
    return Call("GET", path, f"reading {ask.value}", READ_AUDITS, licence=AUDIT_LICENCE, quota=REPORTS)


def _key_use_call(path: str) -> Call:
    """In beta only (facts: Graph docs reportroot-list-appcredentialsigninactivities)."""
    return Call(
        "GET",
        path,
        f"reading {Ask.KEY_USE.value}",
        READ_AUDITS,
        licence=AUDIT_LICENCE,
        quota=REPORTS,
        urgent=False,
        version=BETA,
    )


def policies_call() -> Call:
    """
    All Conditional Access policies: at most 195 (facts: Graph 7). A search by name is not documented well
    enough to take its silence for "there is none".
    """
    doing = f"reading {Ask.CA_POLICIES.value}"
    return Call("GET", POLICIES, doing, READ_POLICIES, headers=NEW_MEMBERS, quota=IDENTITY_PROTECTION)


_PATHS: Mapping[Ask, Callable[[Ids, datetime], str | None]] = {
    Ask.PRINCIPAL: lambda ids, _: principal_path(ids),
    Ask.PRINCIPALS: lambda ids, _: _search("/servicePrincipals", ids.client),
    Ask.APPLICATION: lambda ids, _: application_path(ids),
    Ask.APPLICATIONS: lambda ids, _: _search("/applications", ids.client),
    Ask.FEDERATED_PRINCIPAL: lambda ids, _: _below(principal_path(ids), "/federatedIdentityCredentials"),
    Ask.FEDERATED_APPLICATION: lambda ids, _: _below(application_path(ids), "/federatedIdentityCredentials"),
    Ask.DETECTIONS: lambda ids, _: _detections(ids.principal),
    Ask.KEY_USE: lambda ids, _: _search("/reports/appCredentialSignInActivities", ids.client),
    Ask.RISK: lambda ids, _: _below("/identityProtection/riskyServicePrincipals/", ids.principal),
    Ask.AUDITS_PRINCIPAL: lambda ids, since: _audits(ids.principal, since),
    Ask.AUDITS_APPLICATION: lambda ids, since: _audits(ids.application, since),
    Ask.AUDITS_APP_ROLES: lambda _, since: _audits_of("Add app role assignment", since),
    Ask.AUDITS_DELEGATED: lambda _, since: _audits_of("Add delegated permission grant", since),
    Ask.APP_ROLES: lambda ids, _: _below(principal_path(ids), "/appRoleAssignments"),
    Ask.DELEGATED: lambda ids, _: _below(principal_path(ids), "/oauth2PermissionGrants"),
    Ask.DIRECTORY_ROLES: lambda ids, _: _roles(ids.principal),
    Ask.GROUPS: lambda ids, _: _below(principal_path(ids), "/transitiveMemberOf"),
    Ask.OWNERS_PRINCIPAL: lambda ids, _: _below(principal_path(ids), "/owners"),
    Ask.OWNERS_APPLICATION: lambda ids, _: _below(application_path(ids), "/owners"),
    Ask.CA_POLICIES: lambda _, __: POLICIES,
    Ask.DOMAINS: lambda _, __: "/domains",
    Ask.PUBLIC_KEYS: lambda ids, _: _below(application_path(ids), WITH_KEYS),
}
