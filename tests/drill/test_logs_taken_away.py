# ruff: noqa: E501 - records of a scenario, a line each
"""Graph's activity log and the sign-in log, one taken away at a time: its checks become questions, and never clean."""

from functools import cache

import pytest

from drill.runner import Result, run_scenario
from drill.scenario import SHIPPED, read_scenario

HAND_MADE, USUAL = "5b0a11de-e111-4e2b-9c55-6f0d3b8e2a03", "5b0a11de-e222-4e2b-9c55-6f0d3b8e2a03"
FILE = SHIPPED / "second-look.yaml"  # only its folder counts
SCENE = """
name: hand-made-token
clock: 2026-03-02T03:00:00Z
tenant:
  id: 3f8e6a10-52c4-4c8f-9d3b-0a6f5be1c7d2
  licences: [{licences}]
  servicePrincipals:
    - {{id: 5b0a11de-e111-4e2b-9c55-6f0d3b8e2a03, appId: c1a7c1de-e111-4e2b-9c55-6f0d3b8e2a02, displayName: one}}
    - {{id: 5b0a11de-e222-4e2b-9c55-6f0d3b8e2a03, appId: c1a7c1de-e222-4e2b-9c55-6f0d3b8e2a02, displayName: two}}
azure: {{entraDiagnosticSettings: [{settings}]}}
logs:
  signIns:
    - {{id: s1, createdDateTime: "2026-03-01T20:00:00Z", servicePrincipalId: 5b0a11de-e111-4e2b-9c55-6f0d3b8e2a03, uniqueTokenIdentifier: one, resourceId: 00000003-0000-0000-c000-000000000000}}
    {others}
    - {{id: s2, createdDateTime: "2026-03-01T20:00:00Z", servicePrincipalId: 5b0a11de-e222-4e2b-9c55-6f0d3b8e2a03, uniqueTokenIdentifier: two, resourceId: 00000003-0000-0000-c000-000000000000}}
  graphActivity:
    - {{TimeGenerated: "2026-03-01T01:00:00Z", ServicePrincipalId: 5b0a11de-e333-4e2b-9c55-6f0d3b8e2a03, SignInActivityId: before, RequestUri: "https://graph.microsoft.com/v1.0/users"}}
    - {{TimeGenerated: "2026-03-01T20:05:00Z", ServicePrincipalId: 5b0a11de-e111-4e2b-9c55-6f0d3b8e2a03, SignInActivityId: one, RequestUri: "https://graph.microsoft.com/v1.0/users"}}
    - {{TimeGenerated: "2026-03-01T21:05:00Z", ServicePrincipalId: 5b0a11de-e111-4e2b-9c55-6f0d3b8e2a03, SignInActivityId: forged, RequestUri: "https://graph.microsoft.com/v1.0/users"}}
    - {{TimeGenerated: "2026-03-01T20:05:00Z", ServicePrincipalId: 5b0a11de-e222-4e2b-9c55-6f0d3b8e2a03, SignInActivityId: two, RequestUri: "https://graph.microsoft.com/v1.0/users"}}
timeline:
  - at: PT1M
    servicePrincipalRiskDetections:
      - {{id: 4e5f8a3c5d7e9f1b9d3b7f0d2c9e6b21, servicePrincipalId: 5b0a11de-e111-4e2b-9c55-6f0d3b8e2a03, riskEventType: suspiciousAPITraffic, riskLevel: low}}
      - {{id: 4e5f8a3c5d7e9f1b9d3b7f0d2c9e6b22, servicePrincipalId: 5b0a11de-e222-4e2b-9c55-6f0d3b8e2a03, riskEventType: suspiciousAPITraffic, riskLevel: low}}
run:
  until: PT16M
  mode: watch
  policy:
    version: 1
    rules:
      - {{name: hand-made-token, when: token-without-sign-in, verdict: contain, actions: [block-sign-in]}}
"""
OTHER = "5b0a11de-e333-4e2b-9c55-6f0d3b8e2a03"  # works through the night, so that the log is seen to go on
HOURS = ("2026-03-01T21", "2026-03-01T22", "2026-03-01T23", "2026-03-02T00", "2026-03-02T01", "2026-03-02T02")
OTHERS = "\n    ".join(
    f'- {{id: o{n}, createdDateTime: "{hour}:00:00Z", servicePrincipalId: {OTHER}, uniqueTokenIdentifier: other-{n}}}'
    for n, hour in enumerate(HOURS)
)
EVERYTHING = "{}"
SIGN_INS = "{logs: [{category: ServicePrincipalSignInLogs, enabled: true}]}"
CALLS = "{logs: [{category: MicrosoftGraphActivityLogs, enabled: true}]}"


@cache
def verdicts(*, licensed: bool, settings: str) -> dict[str, str]:
    licences = "WorkloadIdentitiesPremium, AAD_PREMIUM" if licensed else "WorkloadIdentitiesPremium"
    scene = SCENE.format(licences=licences, settings=settings, others=OTHERS)
    played = read_scenario(scene.encode(), FILE)
    views = run_scenario(played).incidents
    return {str(view["identity"]["principal_id"]): str(view["verdict"]) for view in views if view["identity"]}


@pytest.mark.parametrize(("licensed", "settings"), [(True, EVERYTHING), (True, CALLS), (False, EVERYTHING)])
def test_with_both_logs_the_hand_made_token_is_told_from_the_usual_one(licensed: bool, settings: str) -> None:
    """Whether Graph gives the sign-ins, or a workspace does."""
    found = verdicts(licensed=licensed, settings=settings)

    assert (found[HAND_MADE], found[USUAL]) == ("contain", "watch")


@pytest.mark.parametrize(("licensed", "settings"), [(True, SIGN_INS), (False, CALLS), (True, "")])
def test_without_one_of_them_both_are_a_question(licensed: bool, settings: str) -> None:
    """Graph's calls are in no workspace, or the sign-ins are nowhere: nobody is called clean."""
    found = verdicts(licensed=licensed, settings=settings)

    assert (found[HAND_MADE], found[USUAL]) == ("ask", "ask")


def ways_back(lost: str) -> Result:
    """The four ways back and their twins, while the tenant refuses whoever reads this."""
    file = SHIPPED / "ways-back.yaml"
    fault = f"\nfaults:\n  - {{service: graph, match: 'GET {lost}*', kind: 403}}\n\nrun:\n"
    return run_scenario(read_scenario(file.read_text("utf-8").replace("\nrun:\n", fault).encode(), file))


def decided(result: Result) -> dict[str, tuple[str, str]]:
    views = [view for view in result.incidents if view["identity"]]
    return {str(view["identity"]["display_name"]): (str(view["verdict"]), str(view["status"])) for view in views}


def test_without_the_audit_log_nothing_is_cut_off_on_half_the_proof_and_the_report_says_what_was_not_checkable() -> (
    None
):
    """What is heard of at all is heard of by Entra's detection; who switched it on, and that anybody did, is not known."""
    result = ways_back("/auditLogs/directoryAudits")

    assert decided(result) == {"retired-sync": ("ask", "awaiting-approval")}
    assert "is not checkable, because the audits could not be read" in result.as_markdown()
    assert "could not be judged, so that a person is asked" in result.as_markdown()


def test_without_the_detections_no_twin_is_called_daily_work() -> None:
    """Each may be what a detection tells of: the first rule that asks for one leads to a person."""
    result = ways_back("/identityProtection/servicePrincipalRiskDetections")

    assert set(decided(result).values()) == {("ask", "awaiting-approval")}
    assert len(decided(result)) == 8
    assert "is not checkable, because the detections could not be read" in result.as_markdown()


def test_without_the_sign_in_log_the_ways_back_are_told_apart_as_with_it() -> None:
    """No rule that could decide on them asks for a sign-in; only who would break by a plan is not known."""
    result = ways_back("/auditLogs/signIns")

    assert not result.differences
    assert "It is not known who breaks" in result.as_markdown()
