"""Checks about people: each log, licence or permission that is taken away makes a question, and never "clean"."""

from functools import cache

from drill.runner import run_scenario
from drill.scenario import SHIPPED, read_scenario

INVOICE, PAYSLIP = "5b0a11de-e111-4e2b-9c55-6f0d3b8e2a03", "5b0a11de-e211-4e2b-9c55-6f0d3b8e2a03"
SURVEY, TRAVEL = "5b0a11de-e311-4e2b-9c55-6f0d3b8e2a03", "5b0a11de-e411-4e2b-9c55-6f0d3b8e2a03"
STOCK, NIGHT = "5b0a11de-e511-4e2b-9c55-6f0d3b8e2a03", "5b0a11de-e611-4e2b-9c55-6f0d3b8e2a03"
READER = frozenset(
    {
        "Application.Read.All",
        "AuditLog.Read.All",
        "IdentityRiskEvent.Read.All",
        "IdentityRiskyServicePrincipal.Read.All",
        "IdentityRiskyUser.Read.All",
        "LicenseAssignment.Read.All",
        "RoleManagement.Read.Directory",
        "User.Read.All",
    }
)
FILE = SHIPPED / "people-behind.yaml"


@cache
def verdicts(licence: str = "AAD_PREMIUM_P2", lacking: str = "") -> dict[str, str]:
    """The last verdict about each identity, where the tenant has this licence and the reader lacks that permission."""
    granted = f"  permissions: {{reader: [{', '.join(sorted(READER - {lacking}))}]}}"
    text = FILE.read_text("utf-8").replace("until: PT2H40M", "until: PT50M")
    text = text.replace(
        "  licences: [WorkloadIdentitiesPremium, AAD_PREMIUM_P2]",
        f"  licences: [WorkloadIdentitiesPremium, {licence}]\n{granted}",
    )
    found = run_scenario(read_scenario(text.encode(), FILE)).incidents
    return {str(view["identity"]["principal_id"] if view["identity"] else None): str(view["verdict"]) for view in found}


def told(found: dict[str, str], *ids: str) -> list[str]:
    return [found[each] for each in ids]


def test_with_everything_to_be_seen_the_people_tell_attacks_from_twins() -> None:
    """The reader holds what the checks declare, and nothing wider."""
    found = verdicts()

    assert told(found, INVOICE, SURVEY, STOCK) == ["contain"] * 3
    assert told(found, PAYSLIP, TRAVEL, NIGHT) == ["watch"] * 3


def test_without_p2_nobodys_risk_is_called_none() -> None:
    """What sign-ins and audit records show is found as before."""
    found = verdicts(licence="AAD_PREMIUM")

    assert told(found, INVOICE, PAYSLIP) == ["contain", "ask"]
    assert told(found, SURVEY, TRAVEL, STOCK, NIGHT) == ["contain", "watch", "contain", "watch"]


def test_without_any_licence_no_week_is_known_and_no_month_is_covered() -> None:
    """The second factor is in the seven days of audit records that every tenant has."""
    found = verdicts(licence="OTHER")

    assert told(found, INVOICE, PAYSLIP) == ["contain", "ask"]
    assert told(found, STOCK, NIGHT) == ["ask", "ask"]


def test_without_the_groups_of_people_nobody_had_a_role_or_none() -> None:
    """A group that cannot be read may give one."""
    found = verdicts(lacking="User.Read.All")

    assert told(found, SURVEY, TRAVEL) == ["ask", "ask"]
    assert told(found, STOCK, NIGHT) == ["contain", "watch"]
