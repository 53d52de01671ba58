"""The accusation that only Cordon makes: a credential lay in a secret that somebody else exposed."""

import pytest

from shared.errors import MalformedSignal
from shared.estate import SecretRef
from shared.signal import JsonObject, Signal
from shared.sources import SOURCES, source_for_category, source_for_event, source_named
from shared.sources.exposed_secret import exposed
from tests.fakes import PAYROLL_CLIENT, START, TENANT_ID

REF, VERSION = SecretRef("kv-pay", "partner-secret"), "0123456789abcdef0123456789abcdef"
INCIDENT = "20260302-0123456789ab"


def record(**more: object) -> JsonObject:
    whole = exposed(PAYROLL_CLIENT, REF, [VERSION], incident=INCIDENT, tier=1, why="it was read twice", at=START)
    return {**whole, **more}  # pyright: ignore[reportReturnType]


def read(**more: object) -> Signal:
    signal = source_named("exposed-secret").read(record(**more), TENANT_ID)
    assert isinstance(signal, Signal)
    return signal


def test_it_points_to_the_identity_and_links_to_the_incident() -> None:
    """By its client id, which is what the secret's tags know."""
    signal = read()

    assert signal.subject.client_id == PAYROLL_CLIENT
    assert signal.facts["incident"] == INCIDENT
    assert signal.facts["tier"] == 1
    assert "kv-pay/partner-secret" in signal.summary


def test_the_same_secret_and_version_are_one_signal_whoever_exposed_them() -> None:
    """Two incidents that expose each other's credentials cannot go round for ever."""
    other = read(incident="20260302-ffffffffffff", why="it was within reach", tier=3)

    assert read().key == other.key
    assert read().key != read(versions=["f" * 32]).key


def test_nothing_from_outside_leads_to_it() -> None:
    """No event type and no log category: an accusation cannot be pushed."""
    types = [type_ for source in SOURCES for type_ in source.event_types]

    assert source_for_event("Cordon.Signal.ExposedSecret") is None
    assert source_for_category("exposed-secret") is None
    assert not any("xposed" in type_ for type_ in types)


@pytest.mark.parametrize("wrong", [{"tier": 4}, {"tier": True}, {"appId": "payroll"}, {"versions": [1]}, {"vault": ""}])
def test_a_record_that_is_not_what_it_should_be_is_refused(wrong: JsonObject) -> None:
    """Also our own records are read with care: tags of secrets are tenant text."""
    with pytest.raises(MalformedSignal):
        read(**wrong)


def test_what_only_tags_say_is_told_as_that() -> None:
    """The summary is what people read first."""
    assert read(unsure="its value does not fit").summary.startswith("What is tagged as its credential")
    assert read().summary.startswith("Its credential")
    assert read().key == read(unsure="its value does not fit").key
