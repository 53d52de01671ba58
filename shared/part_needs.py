"""
What it takes to read each part of a case that conditions judge by: permissions of the reader, a licence of the tenant,
and how late the service tells. For the reference and for whoever checks a policy; facts: Graph's own documents.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.case import PEOPLE_WINDOWS, PartName

PREMIUM = "Microsoft Entra Workload ID Premium"
P1 = "Microsoft Entra ID P1"
P2 = "Microsoft Entra ID P2"


@dataclass(frozen=True, slots=True)
class PartNeeds:
    """`without` says what a tenant without the licence gets; `late` how long a fact may take to show."""

    what: str
    permissions: tuple[str, ...]
    licence: str | None = None
    without: str | None = None
    late: str | None = None


_LOG = "up to some minutes, seen are 15"

PART_NEEDS: Mapping[PartName, PartNeeds] = {
    PartName.IDENTITY: PartNeeds(
        "the service principal, its application and the credentials of both", ("Application.Read.All",)
    ),
    PartName.GRANTS: PartNeeds(
        "app roles, delegated permissions and directory roles that it holds",
        ("Application.Read.All", "RoleManagement.Read.Directory"),
    ),
    PartName.OWNERS: PartNeeds("the owners of both objects", ("Application.Read.All",)),
    PartName.DOMAINS: PartNeeds("the tenant's verified domains", ("Domain.Read.All",)),
    PartName.DETECTIONS: PartNeeds(
        "risk detections of Identity Protection",
        ("IdentityRiskEvent.Read.All",),
        PREMIUM,
        "every type reads generic and every level hidden: rules that name one ask a person",
    ),
    PartName.RISK: PartNeeds(
        "the identity's row in the list of risky workload identities",
        ("IdentityRiskyServicePrincipal.Read.All",),
        PREMIUM,
        "the level reads hidden: rules that name one ask a person",
    ),
    PartName.AUDITS: PartNeeds(
        "the directory's audit log about the identity, 7 days back", ("AuditLog.Read.All",), late=_LOG
    ),
    PartName.GRANT_AUDITS: PartNeeds(
        "the audit log's records of permissions that it was given, 7 days back", ("AuditLog.Read.All",), late=_LOG
    ),
    PartName.SUSPECTS: PartNeeds("Cordon's own journal about the workloads that changed it", ()),
    PartName.ACTOR_RISK: PartNeeds(
        "the rows of those workloads in the list of risky workload identities",
        ("IdentityRiskyServicePrincipal.Read.All",),
        PREMIUM,
        "the level reads hidden: rules that name one ask a person",
    ),
    PartName.USER_RISK: PartNeeds(
        "the rows of the people who changed it in the list of risky users",
        ("IdentityRiskyUser.Read.All",),
        P2,
        "the list of risky users is refused: rules on it ask a person",
    ),
    PartName.KEY_USE: PartNeeds(
        "Graph's report on when each credential was last used (beta)",
        ("AuditLog.Read.All",),
        P1,
        "the report cannot be read: the sign-in log alone tells, as far back as it goes",
        "a day or two",
    ),
    PartName.SIGN_INS: PartNeeds(
        "tokens that were issued to it, as far back as the log is kept",
        ("AuditLog.Read.All",),
        P1,
        "Log Analytics is asked instead; without a workspace, rules that ask for it ask a person",
        "15 to 30 minutes",
    ),
    PartName.OLDER_SIGN_INS: PartNeeds(
        "the same in Log Analytics, where Graph gives none: a role on the workspaces of CORDON_LOG_WORKSPACES",
        (),
        late="15 to 30 minutes",
    ),
    PartName.GRAPH_ACTIVITY: PartNeeds(
        "the calls that it made to Graph, 90 days back, from Log Analytics: a role on the workspaces of "
        "CORDON_LOG_WORKSPACES, and a diagnostic setting of Entra's that sends MicrosoftGraphActivityLogs there",
        (),
        P1,
        "the log cannot be had: rules that ask for it ask a person",
        "15 to 30 minutes",
    ),
    PartName.ATTEMPTS: PartNeeds(
        "its sign-ins of the last day, refused ones among them",
        ("AuditLog.Read.All",),
        P1,
        "Log Analytics is asked instead; without a workspace, rules that ask for it ask a person",
        "15 to 30 minutes",
    ),
    PartName.PEOPLE: PartNeeds(
        "people behind it: owners, consenters, who added credentials; their accounts, roles and risk",
        ("User.Read.All", "RoleManagement.Read.Directory", "IdentityRiskyUser.Read.All", "IdentityRiskEvent.Read.All"),
        P2,
        "the list of risky users is refused, and the levels of detections are hidden: rules on them ask a person",
    ),
    **{
        name: PartNeeds(
            f"sign-ins and audit records of those people, {back.days} days back",
            ("AuditLog.Read.All", "LicenseAssignment.Read.All"),
            P1,
            "sign-ins cannot be read, and the audit log ends after 7 days: what is older is not covered",
            "15 to 30 minutes",
        )
        for name, back in PEOPLE_WINDOWS.items()
    },
}
