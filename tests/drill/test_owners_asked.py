"""On the practice tenant: owners are asked about a new resource, nobody answers, and the rule's word counts."""

import pytest

from drill.runner import Result, run_scenario
from drill.scenario import SHIPPED, read_scenario

REPORTS = "5b0a11de-f333-4e2b-9c55-6f0d3b8e2a03"
OWNER = "77777777-f333-4000-8000-000000000001"
SCENE = """
name: owners-asked
clock: 2026-03-02T03:00:00Z
tenant:
  id: 3f8e6a10-52c4-4c8f-9d3b-0a6f5be1c7d2
  licences: [WorkloadIdentitiesPremium, AAD_PREMIUM]
  applications:
    - id: a0a7c1de-f333-4e2b-9c55-6f0d3b8e2a01
      appId: c1a7c1de-f333-4e2b-9c55-6f0d3b8e2a02
      displayName: reports
      passwordCredentials:
        - {{keyId: 5ec7f333-0000-4a00-8a00-000000000001, displayName: prod, endDateTime: "2027-01-10T00:00:00Z"}}
  servicePrincipals:
    - {{id: 5b0a11de-f333-4e2b-9c55-6f0d3b8e2a03, appId: c1a7c1de-f333-4e2b-9c55-6f0d3b8e2a02, displayName: reports}}
  users: [{{id: 77777777-f333-4000-8000-000000000001, displayName: Owner, userPrincipalName: owner@contoso.example}}]
  owners: {{a0a7c1de-f333-4e2b-9c55-6f0d3b8e2a01: [77777777-f333-4000-8000-000000000001]}}
workloads:
  - {{identity: 5b0a11de-f333-4e2b-9c55-6f0d3b8e2a03, every: PT3H, since: P4D, from: PT3H}}
timeline:
  - at: PT2M
    signIns:
      - servicePrincipalId: 5b0a11de-f333-4e2b-9c55-6f0d3b8e2a03
        servicePrincipalCredentialKeyId: 5ec7f333-0000-4a00-8a00-000000000001
        resourceDisplayName: https://vault.azure.net
        resourceId: cfa8b339-82a2-471a-a3c9-0fc0be7a4093
run:
  until: PT30M
  mode: act
  policy:
    version: 1
    rules:
      - name: new-resource
        when:
          all: [{{signalled: {{sources: [sign-in]}}}}, {{new-sign-in: {{features: [resource]}}}}]
        verdict: ask
        actions: [block-sign-in]
        ask-owners: {{after: PT5M, then: {then}}}
"""


@pytest.mark.parametrize(("then", "enabled"), [("contain", False), ("escalate", True)])
def test_a_new_resource_is_asked_about_and_silence_ends_as_the_rule_says(then: str, enabled: bool) -> None:
    """The poll finds the sign-in, the question names the owner by id, and five minutes later time decides."""
    result = run_scenario(read_scenario(SCENE.format(then=then).encode(), SHIPPED / "second-look.yaml"))
    asked = [event for event in result.events_out if event["type"] == "Cordon.Owner.Asked"]

    assert [event["data"]["owners"] for event in asked] == [[OWNER]]
    assert _is_enabled(result) is enabled
    assert "nobody has answered" in result.as_markdown()


def _is_enabled(result: Result) -> bool:
    return next(each["accountEnabled"] for each in result.tenant["servicePrincipals"] if each["id"] == REPORTS)
