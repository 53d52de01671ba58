"""What a tenant does not show turns a check into a question, and never into "clean": one source is taken at a time."""

from functools import cache

import pytest

from drill.runner import run_scenario
from drill.scenario import SHIPPED, read_scenario

HR_PORTAL, HR_SANDBOX = "5b0a11de-d111-4e2b-9c55-6f0d3b8e2a03", "5b0a11de-d222-4e2b-9c55-6f0d3b8e2a03"
LEDGER, REPORTS = "5b0a11de-d333-4e2b-9c55-6f0d3b8e2a03", "5b0a11de-d444-4e2b-9c55-6f0d3b8e2a03"
STOCKS, PRICES = "5b0a11de-d555-4e2b-9c55-6f0d3b8e2a03", "5b0a11de-d666-4e2b-9c55-6f0d3b8e2a03"
READER = frozenset(
    {
        "Application.Read.All",
        "AuditLog.Read.All",
        "Directory.Read.All",
        "Domain.Read.All",
        "IdentityRiskEvent.Read.All",
        "IdentityRiskyServicePrincipal.Read.All",
        "LicenseAssignment.Read.All",
        "RoleManagement.Read.Directory",
    }
)
FILE = SHIPPED / "second-look.yaml"


@cache
def verdicts(*, licensed: bool = True, exported: bool = False, lacking: frozenset[str] = frozenset()) -> dict[str, str]:
    """
    The last verdict about each identity, where Graph gives the sign-in log or not, a workspace gets it or not, and the
    reader lacks this.
    """
    licences = "WorkloadIdentitiesPremium, AAD_PREMIUM" if licensed else "WorkloadIdentitiesPremium"
    granted = f"  permissions: {{reader: [{', '.join(sorted(READER - lacking))}]}}"
    text = FILE.read_text("utf-8").replace("until: PT2H40M", "until: PT16M")
    text = text.replace("  licences: [WorkloadIdentitiesPremium, AAD_PREMIUM]", f"  licences: [{licences}]\n{granted}")
    if exported:
        text = text.replace("\nlogs:\n", "\nazure: {entraDiagnosticSettings: [{}]}\n\nlogs:\n")
    played = read_scenario(text.encode(), FILE)
    found: dict[str, str] = {}
    for view in run_scenario(played).incidents:
        found[str(view["identity"]["principal_id"] if view["identity"] else None)] = str(view["verdict"])
    return found


def test_with_everything_to_be_seen_attacks_and_twins_are_told_apart() -> None:
    """The same reader as below, lacking nothing."""
    found = verdicts()

    assert [found[each] for each in (HR_PORTAL, LEDGER, STOCKS)] == ["contain"] * 3
    assert [found[each] for each in (HR_SANDBOX, REPORTS, PRICES)] == ["watch"] * 3


def test_without_the_sign_in_log_nobody_is_called_usual() -> None:
    """Both feeds become a question; what needs no sign-ins is decided as before."""
    found = verdicts(licensed=False)

    assert (found[STOCKS], found[PRICES]) == ("ask", "ask")
    assert (found[HR_PORTAL], found[REPORTS]) == ("contain", "watch")


def test_without_graph_s_sign_in_log_the_workspace_s_decides_the_same() -> None:
    """With both away both feeds are a question, as above."""
    found = verdicts(licensed=False, exported=True)

    assert (found[STOCKS], found[PRICES]) == ("contain", "watch")
    assert (found[HR_PORTAL], found[REPORTS]) == ("contain", "watch")


def test_without_the_domains_no_address_is_called_the_tenants_own() -> None:
    """Directory.Read.All would show them too."""
    found = verdicts(lacking=frozenset({"Domain.Read.All", "Directory.Read.All"}))

    assert (found[HR_PORTAL], found[HR_SANDBOX]) == ("ask", "ask")
    assert found[LEDGER] == "contain"


@pytest.mark.parametrize("identity", [HR_SANDBOX, PRICES])
def test_without_the_audit_log_nothing_is_called_unchanged(identity: str) -> None:
    """It is the source of the signals as well: what is heard of elsewhere becomes a question."""
    found = verdicts(lacking=frozenset({"AuditLog.Read.All"}))

    assert found.get(identity, "ask") == "ask"
