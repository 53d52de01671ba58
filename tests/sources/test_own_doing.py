"""What Cordon does comes back as news, and is recognised."""

from shared.signal import JsonObject, JsonValue
from shared.sources import is_own_doing
from tests.fakes import CORDON_CLIENT, CORDON_PRINCIPAL
from tests.sources.records import audit, detection, read, risky

OWN = frozenset({CORDON_CLIENT, CORDON_PRINCIPAL})


def by_app(**app: JsonValue) -> JsonObject:
    return {"user": None, "app": {"displayName": "cordon", **app}}


def test_an_audit_by_cordon_is_its_own_doing() -> None:
    """By object id, because Graph may leave the client id null; by client id too."""
    by_object = audit(initiatedBy=by_app(appId=None, servicePrincipalId=CORDON_PRINCIPAL.upper()))
    by_client = audit(initiatedBy=by_app(appId=CORDON_CLIENT, servicePrincipalId=None))

    assert is_own_doing(read("directory-audit", by_object), OWN)
    assert is_own_doing(read("directory-audit", by_client), OWN)


def test_an_audit_by_anybody_else_is_not() -> None:
    """Whatever it calls itself, and also if the log names nobody."""
    stranger = audit(initiatedBy=by_app(appId=None, servicePrincipalId="77777777-0000-4000-8000-000000000001"))

    assert not is_own_doing(read("directory-audit", stranger), OWN)
    assert not is_own_doing(read("directory-audit", audit(initiatedBy=None)), OWN)
    assert not is_own_doing(read("directory-audit", audit("confirmServicePrincipalCompromised")), OWN)


def test_a_confirmation_in_identity_protection_is_never_news() -> None:
    """It does not say who confirmed; the audit log does, and counts instead."""
    confirmed = "adminConfirmedServicePrincipalCompromised"

    assert is_own_doing(read("risk-detection", detection(riskEventType=confirmed)), OWN)
    assert is_own_doing(read("risk-detection", detection(riskDetail=confirmed)), OWN)
    assert is_own_doing(read("risky-service-principal", risky(riskDetail=confirmed)), OWN)
    veiled = risky(riskDetail="unknownFutureValue", riskState="confirmedCompromised")
    assert is_own_doing(read("risky-service-principal", veiled), OWN)


def test_a_finding_of_identity_protection_is_news() -> None:
    """Also one whose detail is newer than this code, as long as nobody confirmed it."""
    assert not is_own_doing(read("risk-detection", detection()), OWN)
    assert not is_own_doing(read("risky-service-principal", risky()), OWN)
    assert not is_own_doing(read("risk-detection", detection(riskDetail="unknownFutureValue")), OWN)
