"""risky-service-principal: a row of the risk list becomes a signal."""

from datetime import UTC, datetime

from shared.sources import source_for_category, source_for_event, source_named
from tests.fakes import PAYROLL, PAYROLL_CLIENT
from tests.sources.records import diagnostic, read, risky


def test_a_row_becomes_a_signal_about_its_service_principal() -> None:
    """The row's id is the service principal's object id."""
    signal = read("risky-service-principal", risky())

    assert (signal.subject.principal_id, signal.subject.client_id) == (PAYROLL, PAYROLL_CLIENT)
    assert signal.observed_at == datetime(2026, 3, 2, 3, 0, 0, 765432, tzinfo=UTC)
    assert signal.summary == "Entra lists “payroll-sync” as risky: high, atRisk"


def test_the_same_row_is_the_same_fact_by_poll_and_stream() -> None:
    """Until it changes; then it is a new one, although its id never does."""
    first = read("risky-service-principal", risky())
    again = read("risky-service-principal", diagnostic("RiskyServicePrincipals", risky()))
    later = read("risky-service-principal", risky(riskLastUpdatedDateTime="2026-03-02T04:00:00Z"))
    dismissed = read("risky-service-principal", risky(riskState="dismissed"))

    assert first.key == again.key
    assert len({first.key, later.key, dismissed.key}) == 3


def test_it_is_found_by_event_type_and_category() -> None:
    """Doors know only what the record says of itself."""
    source = source_named("risky-service-principal")

    assert source_for_event("Cordon.Signal.RiskyServicePrincipal") is source
    assert source_for_category("RiskyServicePrincipals") is source
