"""The requests of a look at people: every path and filter is made here, from canonical ids and times."""

from datetime import datetime

from shared.clients.answers import BETA, Call
from shared.clients.graph_requests import (
    AUDIT_LICENCE,
    NEW_MEMBERS,
    READ_AUDITS,
    READ_DETECTIONS,
    READ_ROLES,
    filtered,
    graph_time,
)
from shared.clients.graph_rights import READ_LICENCES
from shared.clients.pacing import IDENTITY_PROTECTION, REPORTS
from shared.identity import canonical_guid

READ_USERS = "User.Read.All"  # users, and what they are members of (facts: Graph docs user-list-transitivememberof)
READ_RISKY_USERS = "IdentityRiskyUser.Read.All"
OTHER_TENANTS = "CrossTenantInformation.ReadBasic.All"  # only for whom to call; nobody holds it unasked
RISK_LICENCE = "Microsoft Entra ID P2"
_ACCOUNT = "$select=id,displayName,userPrincipalName,accountEnabled,userType,mail"


def licences_call() -> Call:
    return Call("GET", "/subscribedSkus", "reading the tenant's licences", READ_LICENCES, urgent=False)


def account_call(user: str) -> Call:
    return _plain(f"/users/{canonical_guid(user)}?{_ACCOUNT}", "reading the accounts of people", READ_USERS)


def manager_call(user: str) -> Call:
    return _plain(f"/users/{canonical_guid(user)}/manager?{_ACCOUNT}", "reading the managers of people", READ_USERS)


def tenant_call(tenant: str) -> Call:
    """What another tenant calls itself (facts: Graph docs tenantrelationship-findtenantinformationbytenantid)."""
    path = f"/tenantRelationships/findTenantInformationByTenantId(tenantId='{canonical_guid(tenant)}')"
    return _plain(path, "reading whose tenant it is", OTHER_TENANTS)


def memberships_call(user: str) -> Call:
    """Groups, directory roles and administrative units. A group that may not be read shows its id alone."""
    path = f"/users/{canonical_guid(user)}/transitiveMemberOf"
    return _plain(path, "reading what people are members of", READ_USERS)


def roles_call(user: str) -> Call:
    path = filtered("/roleManagement/directory/roleAssignments", f"principalId eq '{canonical_guid(user)}'")
    return _plain(f"{path}&$expand=roleDefinition", "reading the directory roles of people", READ_ROLES)


def risk_call(user: str) -> Call:
    path = f"/identityProtection/riskyUsers/{canonical_guid(user)}"
    return _protection(path, "reading the risk of users", READ_RISKY_USERS)


def detections_call(user: str) -> Call:
    """A page holds 20 unless more are asked for, and at most 500 (facts: Graph docs riskdetection-list)."""
    path = filtered("/identityProtection/riskDetections", f"userId eq '{canonical_guid(user)}'") + "&$top=500"
    return _protection(path, "reading risk detections of users", READ_DETECTIONS)


def audits_call(target: str, since: datetime, until: datetime) -> Call:
    """Audit records whose target this object is, both times included."""
    condition = (
        f"activityDateTime ge {graph_time(since)} and activityDateTime le {graph_time(until)} "
        f"and targetResources/any(t:t/id eq '{canonical_guid(target)}')"
    )
    path = filtered("/auditLogs/directoryAudits", condition)
    doing = "reading audit records about people"
    return Call("GET", path, doing, READ_AUDITS, licence=AUDIT_LICENCE, quota=REPORTS, urgent=False)


def sign_ins_call(user: str, since: datetime, until: datetime) -> Call:
    """
    Interactive sign-ins of a user. In beta, because v1.0 tells neither the flow nor the network (facts: Graph 3).
    """
    condition = (
        f"signInEventTypes/any(t:t eq 'interactiveUser') and createdDateTime ge {graph_time(since)} "
        f"and createdDateTime le {graph_time(until)} and userId eq '{canonical_guid(user)}'"
    )
    return Call(
        "GET",
        filtered("/auditLogs/signIns", condition),
        "reading sign-ins of people",
        READ_AUDITS,
        licence=AUDIT_LICENCE,
        headers=NEW_MEMBERS,
        quota=REPORTS,
        urgent=False,
        version=BETA,
    )


def _plain(path: str, doing: str, needs: str) -> Call:
    return Call("GET", path, doing, needs, urgent=False)


def _protection(path: str, doing: str, needs: str) -> Call:
    return Call(
        "GET",
        path,
        doing,
        needs,
        licence=RISK_LICENCE,
        headers=NEW_MEMBERS,
        quota=IDENTITY_PROTECTION,
        urgent=False,
    )
