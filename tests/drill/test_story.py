"""What a scenario's timeline can do to Cordon directly."""

import json
from pathlib import Path

import pytest

from drill.runner import Result, run_scenario
from drill.scenario import ScenarioWrong, read_scenario

PRINCIPAL = "5b0a11de-1111-4e2b-9c55-6f0d3b8e2a03"
HEAD = f"""
name: story
clock: 2026-03-02T03:00:20Z
tenant:
  id: 3f8e6a10-52c4-4c8f-9d3b-0a6f5be1c7d2
  servicePrincipals: [{{id: {PRINCIPAL}, displayName: told}}]
  servicePrincipalRiskDetections:
    - id: d1
      servicePrincipalId: {PRINCIPAL}
      riskEventType: leakedCredentials
      riskLevel: high
      riskState: atRisk
run: {{until: PT2M}}
"""
# JSON is YAML: what stands here is what Event Grid or the diagnostic log would carry.
DETECTION = json.dumps(
    {
        "id": "d1",
        "servicePrincipalId": PRINCIPAL,
        "riskEventType": "leakedCredentials",
        "riskLevel": "high",
        "riskState": "atRisk",
        "detectedDateTime": "2026-03-02T02:40:00Z",
    }
)


def _play(timeline: str, behaviour: str = "") -> tuple[Result, str]:
    lines: list[str] = []
    head = HEAD.replace("\nrun:", f"\n  behaviour: {{{behaviour}}}\nrun:")
    scenario = read_scenario((head + timeline).encode(), Path("story.yaml"))
    return run_scenario(scenario, say=lines.append), "\n".join(lines)


def test_event_grid_delivers_and_cordon_acts_within_seconds() -> None:
    """No sweep is due yet: the event alone has the sign-in blocked."""
    result, _ = _play(
        f"timeline: [{{at: PT5S, eventGrid: [{{eventType: Cordon.Signal.RiskDetection, data: {DETECTION}}}]}}]"
    )

    (block, *_) = (effect for effect in result.effects if effect["method"] == "PATCH")
    assert block["path"] == f"/servicePrincipals/{PRINCIPAL}"
    assert "T03:00:25" <= str(block["at"])[10:] <= "T03:00:27"


def test_an_event_that_meets_a_dead_process_is_delivered_again() -> None:
    """Event Grid is answered 503, waits ten seconds, and gets through to the process that was started meanwhile."""
    result, told = _play(
        "timeline:\n"
        "  - {at: PT5S, kill: true}\n"
        f"  - {{at: PT6S, eventGrid: [{{specversion: '1.0', type: Cordon.Signal.RiskDetection, data: {DETECTION}}}]}}"
    )

    assert "the process was killed" in told
    assert "Event Grid was answered 503" in told
    assert [effect["path"] for effect in result.effects if effect["method"] == "PATCH"] == [
        f"/servicePrincipals/{PRINCIPAL}"
    ]


def test_what_a_vault_tells_reaches_the_app_by_event_grid() -> None:
    """A new version that an owner sets is told, again and again until somebody is there to hear it."""
    _, told = _play(
        "azure: {vaults: [{name: shop, secrets: [{name: partner}]}]}\n"
        "timeline:\n"
        "  - {at: PT5S, kill: true}\n"
        "  - {at: PT5.5S, azure: {setSecrets: [{vault: shop, secret: partner}]}}\n",
        behaviour="eventDelay: 100ms",
    )

    assert "somebody sets shop/partner" in told
    assert told.count("Event Grid was answered 503") == 1


def test_the_event_hub_carries_diagnostic_records() -> None:
    """A record of the category ServicePrincipalRiskEvents is a signal, too."""
    result, _ = _play(
        "timeline:\n"
        "  - at: PT5S\n"
        "    eventHub:\n"
        "      - category: ServicePrincipalRiskEvents\n"
        "        tenantId: 3f8e6a10-52c4-4c8f-9d3b-0a6f5be1c7d2\n"
        f"        properties: {DETECTION}"
    )

    assert [incident["verdict"] for incident in result.incidents] == ["contain"]


def test_an_answer_other_than_expected_is_a_difference() -> None:
    """A responder's call says which status it should get."""
    result, told = _play("timeline: [{at: PT5S, http: {path: /api/incidents/nothing, status: 200}}]")

    assert "GET /api/incidents/nothing: 404" in told
    assert len(result.differences) == 1
    assert "GET /api/incidents/nothing was answered 404, expected 200" in result.differences[0]


def test_a_store_that_loses_answers_changes_nothing_about_the_outcome() -> None:
    """Appends whose answer is lost, and a store out of reach for a while: the sign-in is blocked all the same."""
    event = f"{{eventType: Cordon.Signal.RiskDetection, data: {DETECTION}}}"
    result, _ = _play(
        "faults:\n"
        "  - {service: store, match: append journal, kind: timeout-applied, count: 2}\n"
        "  - {service: store, match: get documents/*, kind: 503, from: PT5S, until: PT12S}\n"
        f"timeline: [{{at: PT5S, eventGrid: [{event}]}}]"
    )

    (principal,) = (each for each in result.tenant["servicePrincipals"] if each["id"] == PRINCIPAL)
    assert principal["accountEnabled"] is False


def test_a_fault_that_a_store_cannot_have_is_a_mistake() -> None:
    """It would never strike, and the drill would look better than it is."""
    with pytest.raises(ScenarioWrong, match="a store knows no html-body"):
        _play("faults: [{service: store, match: append journal, kind: html-body}]")
