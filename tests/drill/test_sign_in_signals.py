"""A sign-in that nobody pointed at opens an incident by the poll; without a log to poll nothing is called usual."""

from datetime import timedelta
from functools import cache

import pytest

from drill.runner import Result, run_scenario
from drill.scenario import SHIPPED, read_scenario

FEED = "5b0a11de-f111-4e2b-9c55-6f0d3b8e2a03"
FILE = SHIPPED / "second-look.yaml"  # only its folder counts
SCENE = """
name: unannounced-sign-in
clock: 2026-03-02T03:00:00Z
tenant:
  id: 3f8e6a10-52c4-4c8f-9d3b-0a6f5be1c7d2
  licences: [{licences}]
  applications:
    - id: a0a7c1de-f111-4e2b-9c55-6f0d3b8e2a01
      appId: c1a7c1de-f111-4e2b-9c55-6f0d3b8e2a02
      displayName: feed
      passwordCredentials:
        - {{keyId: 5ec7f111-0000-4a00-8a00-000000000001, displayName: prod, endDateTime: "2027-01-10T00:00:00Z"}}
  servicePrincipals:
    - {{id: 5b0a11de-f111-4e2b-9c55-6f0d3b8e2a03, appId: c1a7c1de-f111-4e2b-9c55-6f0d3b8e2a02, displayName: feed}}
    - id: 5b0a11de-f222-4e2b-9c55-6f0d3b8e2a03
      appId: c1a7c1de-f222-4e2b-9c55-6f0d3b8e2a02
      displayName: machine
      servicePrincipalType: ManagedIdentity
azure: {{entraDiagnosticSettings: [{settings}]}}
workloads:
  - {{identity: 5b0a11de-f111-4e2b-9c55-6f0d3b8e2a03, every: PT1H, since: P3D, from: PT5M, resource: https://vault.azure.net}}
timeline:
  - at: PT12M
    signIns:
      - servicePrincipalId: 5b0a11de-f111-4e2b-9c55-6f0d3b8e2a03
        servicePrincipalCredentialKeyId: 5ec7f111-0000-4a00-8a00-000000000001
        resourceDisplayName: https://vault.azure.net
        ipAddress: 198.51.100.66
        userAgent: python-requests/2.31
run:
  until: PT34M
  mode: watch
  policy:
    version: 1
    rules:
      - name: stolen-key-elsewhere
        when:
          all:
            - signalled: {{sources: [sign-in]}}
            - new-sign-in: {{features: [network, country], at-least: 2}}
        verdict: contain
        actions: [block-sign-in]
"""
LICENSED, UNLICENSED = "WorkloadIdentitiesPremium, AAD_PREMIUM", "WorkloadIdentitiesPremium"


@cache
def played(*, licences: str, settings: str) -> tuple[Result, str]:
    lines: list[str] = []
    scene = read_scenario(SCENE.format(licences=licences, settings=settings).encode(), FILE)
    until = None if licences == LICENSED or settings else timedelta(minutes=9)
    return run_scenario(scene, say=lines.append, until=until), "\n".join(lines)


@pytest.mark.parametrize(("licences", "settings"), [(LICENSED, ""), (UNLICENSED, "{}")])
def test_a_sign_in_as_never_before_is_found_and_decided_on_whoever_keeps_the_log(licences: str, settings: str) -> None:
    """Nobody pointed at it: Graph's log tells, or a workspace's without the licence. The usual ones are no incident."""
    found = [
        (view["identity"]["principal_id"], view["verdict"])
        for view in played(licences=licences, settings=settings)[0].incidents
    ]

    assert found == [(FEED, "contain")]


def test_without_any_log_it_is_said_that_sign_ins_are_not_read() -> None:
    """No incident then is no proof that there was nothing: each sweep fails, and names both sources."""
    result, told = played(licences=UNLICENSED, settings="")

    assert result.incidents == []
    assert "reading all sign-ins" in told
    assert "Instead of Graph, Log Anal" in told
