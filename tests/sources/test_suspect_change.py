"""The accusation that only Cordon makes: an identity that it cut off had changed this one."""

import pytest

from shared.errors import MalformedSignal
from shared.identity import ClientId, IdentityRef
from shared.signal import JsonObject, Signal
from shared.sources import SOURCES, source_for_category, source_for_event, source_named
from shared.sources.suspect_change import changed_by
from tests.fakes import PAYROLL, PAYROLL_CLIENT, START, TENANT_ID

INCIDENT, ROOT = "20260302-0123456789ab", "20260302-aaaaaaaaaaaa"
ACTOR = "77777777-0000-4000-8000-000000000001"


def record(**more: object) -> JsonObject:
    whole = changed_by(
        IdentityRef(PAYROLL),
        incident=INCIDENT,
        root=ROOT,
        links=1,
        actor=ACTOR,
        record="Directory_1",
        activity="Add service principal credentials",
        at=START,
    )
    return {**whole, **more}  # pyright: ignore[reportReturnType]


def read(**more: object) -> Signal:
    signal = source_named("suspect-change").read(record(**more), TENANT_ID)
    assert isinstance(signal, Signal)
    return signal


def test_it_points_to_the_identity_and_links_to_the_incident_and_to_where_it_began() -> None:
    """By the id that the audit log knows it by; the actor by its id, and never by a name."""
    signal = read()

    assert signal.subject == IdentityRef(PAYROLL)
    assert (signal.facts["incident"], signal.facts["root"], signal.facts["links"]) == (INCIDENT, ROOT, 1)
    assert signal.facts["actor"] == ACTOR
    assert signal.observed_at == START


def test_in_one_case_an_identity_is_told_of_once_whoever_changed_it() -> None:
    """Circles end; another attack with another root is news again."""
    other = read(incident="20260302-ffffffffffff", links=3, record="Directory_9")

    assert read().key == other.key
    assert read().key != read(root="20260303-aaaaaaaaaaaa").key
    assert read().key != read(principalId=None, appId=ClientId(PAYROLL_CLIENT)).key


def test_nothing_from_outside_leads_to_it() -> None:
    """No event type and no log category: an accusation cannot be pushed."""
    types = [type_ for source in SOURCES for type_ in source.event_types]

    assert source_for_event("Cordon.Signal.SuspectChange") is None
    assert source_for_category("suspect-change") is None
    assert not any("uspect" in type_ for type_ in types)


@pytest.mark.parametrize(
    "wrong", [{"links": -1}, {"links": True}, {"links": "1"}, {"principalId": None}, {"actor": "payroll"}, {"root": ""}]
)
def test_a_record_that_is_not_what_it_should_be_is_refused(wrong: JsonObject) -> None:
    """Also our own records are read with care."""
    with pytest.raises(MalformedSignal):
        read(**wrong)
