"""A sign-in that somebody points at becomes a signal; the stream of all of them does not."""

import pytest

from shared.errors import MalformedSignal
from shared.signal import JsonValue, NotASignal
from shared.sources import source_for_category, source_for_event, source_named
from tests.fakes import PAYROLL, PAYROLL_CLIENT, TENANT_ID
from tests.sources.records import diagnostic, read, sign_in


def test_a_sign_in_is_about_its_workload() -> None:
    """By its ids; the key that was shown is a fact, and who it was is read again."""
    found = read("sign-in", sign_in())

    assert (found.subject.principal_id, found.subject.client_id) == (PAYROLL, PAYROLL_CLIENT)
    assert found.summary == "“payroll-sync” got a token from 198.51.100.66"
    assert found.facts["keyId"] == "40000000-0000-4000-8000-000000000001"


def test_a_diagnostic_record_of_it_is_the_same_fact() -> None:
    """Published as it was exported: once is enough."""
    assert read("sign-in", diagnostic("ServicePrincipalSignInLogs", sign_in())).key == read("sign-in", sign_in()).key


def test_the_event_is_taken_and_the_stream_is_not() -> None:
    """Millions of ordinary sign-ins are nobody's signals."""
    assert source_for_event("Cordon.Signal.SignIn") is source_named("sign-in")
    assert source_for_category("ServicePrincipalSignInLogs") is None


def test_a_person_s_sign_in_is_no_signal() -> None:
    """It names no service principal."""
    assert isinstance(source_named("sign-in").read(sign_in(servicePrincipalId=""), TENANT_ID), NotASignal)


@pytest.mark.parametrize("status", [None, {}, {"errorCode": "0"}, {"errorCode": True}, {"errorCode": -1}])
def test_a_record_without_its_outcome_is_malformed(status: JsonValue) -> None:
    """Whether a token was issued is the point of it."""
    with pytest.raises(MalformedSignal, match="error code"):
        source_named("sign-in").read(sign_in(status=status), TENANT_ID)
