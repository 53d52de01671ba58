"""The whole responder on the practice tenant: preflight reads, through the real clients, what the tenant enforces."""

from pathlib import Path
from typing import Any

import pytest

from drill.runner import Result, run_scenario
from drill.scenario import load_scenario

APP, PRINCIPAL = "0b0b0b0b-0000-4000-8000-00000000bbbb", "0c0c0c0c-0000-4000-8000-00000000cccc"
APP_ID = "0a0a0a0a-0000-4000-8000-00000000aaaa"
SCENARIO = """
name: ahead
clock: 2026-03-02T03:00:00Z
tenant:
  licences: [{licences}]
  permissions: {{reader: [{reader}], executor: [{executor}]}}
  applications: [{{id: {app}, appId: {app_id}, displayName: payroll-sync}}]
  servicePrincipals: [{{id: {principal}, appId: {app_id}}}]
timeline:
  - at: PT7M
    servicePrincipalRiskDetections:
      - {{servicePrincipalId: {principal}, riskEventType: leakedCredentials, riskLevel: high, riskState: atRisk}}
run: {{until: PT30M, mode: act, policy: {policy}}}
"""
POLICY = """
version: 1
rules:
  - name: leak
    when: {risk-detection: {levels: [high]}}
    verdict: contain
    actions: [block-sign-in, remove-directory-roles]
"""
READS = (
    "Application.Read.All, AuditLog.Read.All, IdentityRiskEvent.Read.All, IdentityRiskyServicePrincipal.Read.All, "
    "LicenseAssignment.Read.All, RoleManagement.Read.Directory"
)


def play(folder: Path, executor: str, *, licences: str = "WorkloadIdentitiesPremium") -> Result:
    policy, scenario = folder / "policy.yaml", folder / "ahead.yaml"
    policy.write_text(POLICY)
    ids = {"app": APP, "principal": PRINCIPAL, "app_id": APP_ID}
    text = SCENARIO.format(licences=licences, reader=READS, executor=executor, policy=policy, **ids)
    scenario.write_text(text)
    return run_scenario(load_scenario(scenario), seed=3)


def outcomes(result: Result) -> dict[str, str]:
    (incident,) = result.incidents
    not_done: list[dict[str, Any]] = incident["not_done"]
    return {each["action"]: each["outcome"] for each in not_done}


def test_what_the_executor_lacks_is_named_in_the_plan_and_the_rest_contains(tmp_path: Path) -> None:
    """Nothing was sent that would have been refused."""
    result = play(tmp_path, "Application.ReadWrite.All")

    assert result.incidents[0]["status"] in ("proving", "contained")
    assert outcomes(result) == {"remove-directory-roles": "permission-missing"}


def test_without_any_right_nothing_is_tried_and_a_person_is_called(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Said at the start, held back by preflight, and not a single write was sent."""
    result = play(tmp_path, "AuditLog.Read.All")

    assert result.incidents[0]["status"] == "needs-attention"
    assert [each for each in result.effects if str(each["method"]) in ("PATCH", "DELETE")] == []
    assert any("preflight: block-sign-in (rule leak) cannot run" in record.getMessage() for record in caplog.records)
