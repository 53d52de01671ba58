"""risk-detection: a detection of Identity Protection becomes a signal."""

from datetime import UTC, datetime

from shared.signal import JsonObject
from shared.sources import source_for_category, source_for_event, source_named
from tests.fakes import PAYROLL, PAYROLL_CLIENT
from tests.sources.records import detection, diagnostic, read


def test_a_detection_becomes_a_signal_about_its_service_principal() -> None:
    """Both ids are taken, and what the service claims is kept for the report."""
    signal = read("risk-detection", detection())

    assert (signal.subject.principal_id, signal.subject.client_id) == (PAYROLL, PAYROLL_CLIENT)
    assert signal.observed_at == datetime(2026, 3, 2, 3, 0, 0, 123456, tzinfo=UTC)
    assert signal.summary == "Entra detected leakedCredentials (high, atRisk) on “payroll-sync”"
    assert signal.facts["keyIds"] == ["40000000-0000-4000-8000-000000000001"]


def test_the_same_fact_has_the_same_key_by_every_route() -> None:
    """Poll, event and stream differ in envelope, capitals and fractions of a second."""
    polled = read("risk-detection", detection())
    streamed = read("risk-detection", diagnostic("ServicePrincipalRiskEvents", detection()))
    shouted: JsonObject = {name[:1].upper() + name[1:]: value for name, value in detection().items()}
    exported = read("risk-detection", diagnostic("ServicePrincipalRiskEvents", shouted))
    rounded = read("risk-detection", detection(lastUpdatedDateTime="2026-03-02T03:00:00Z", riskLevel="High"))

    assert {signal.key for signal in (streamed, exported, rounded)} == {polled.key}


def test_a_detection_that_changed_is_a_new_fact() -> None:
    """Its state, its level or the time of its last update."""
    keys = {
        read("risk-detection", detection(**change)).key
        for change in (
            {},
            {"riskState": "dismissed"},
            {"riskLevel": "medium"},
            {"lastUpdatedDateTime": "2026-03-02T04:00:00Z"},
        )
    }

    assert len(keys) == 4


def test_many_nulls_are_normal() -> None:
    """Graph leaves most properties null; only ids, type, level and state are needed."""
    bare = dict.fromkeys(detection()) | {
        "id": "d",
        "riskEventType": "suspiciousSignins",
        "riskLevel": "low",
        "riskState": "atRisk",
        "servicePrincipalId": PAYROLL,
        "detectedDateTime": "2026-03-02T03:00:00Z",
    }
    signal = read("risk-detection", bare)

    assert signal.subject.client_id is None
    assert signal.observed_at == datetime(2026, 3, 2, 3, tzinfo=UTC)


def test_it_is_found_by_event_type_and_category() -> None:
    """Doors know only what the record says of itself."""
    source = source_named("risk-detection")

    assert source_for_event("Cordon.Signal.RiskDetection") is source
    assert source_for_category("ServicePrincipalRiskEvents") is source
