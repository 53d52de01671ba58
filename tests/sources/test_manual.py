"""manual: a person's order becomes a signal."""

import pytest

from shared.errors import MalformedSignal
from shared.identity import AppObjectId, ClientId, IdentityRef, PrincipalId
from shared.signal import JsonObject, JsonValue
from shared.sources import SOURCES, source_named
from tests.fakes import PAYROLL, PAYROLL_APP, PAYROLL_CLIENT, TENANT_ID
from tests.sources.records import read


def order(**others: JsonValue) -> JsonObject:
    return {
        "identity": {"servicePrincipalId": PAYROLL},
        "reason": "seen in the proxy log",
        "by": "on call",
        "requestId": "request-1",
        **others,
    }


@pytest.mark.parametrize(
    ("identity", "subject"),
    [
        ({"servicePrincipalId": PAYROLL.upper()}, IdentityRef(principal_id=PrincipalId(PAYROLL))),
        ({"appId": PAYROLL_CLIENT}, IdentityRef(client_id=ClientId(PAYROLL_CLIENT))),
        ({"applicationObjectId": PAYROLL_APP}, IdentityRef(app_object_id=AppObjectId(PAYROLL_APP))),
    ],
)
def test_an_identity_is_named_by_any_one_id(identity: JsonObject, subject: IdentityRef) -> None:
    """Each of the three ids keeps its own meaning."""
    assert read("manual", order(identity=identity)).subject == subject


def test_an_order_keeps_what_was_asked_for() -> None:
    """Reason, person and actions with their options; the request id is the key."""
    actions: JsonValue = ["block-sign-in", {"replace-credentials": {"new-certificate": True}}]
    signal = read("manual", order(actions=actions, planHash="abc12345"))

    assert signal.record_id == "request-1"
    assert signal.facts == {
        "reason": "seen in the proxy log",
        "by": "on call",
        "actions": ["block-sign-in", {"replace-credentials": {"new-certificate": True}}],
        "planHash": "abc12345",
    }
    assert signal.summary == "on call ordered containment: seen in the proxy log"


REFUSED: list[JsonObject] = [
    {"identity": None},
    {"identity": {}},
    {"identity": {"displayName": "payroll-sync"}},
    {"identity": {"servicePrincipalId": PAYROLL, "appId": PAYROLL_CLIENT}},
    {"identity": {"servicePrincipalId": "payroll-sync"}},
    {"reason": None},
    {"by": 7},
    {"requestId": ""},
    {"requestId": "with a blank"},
    {"actions": []},
    {"actions": "block-sign-in"},
    {"actions": [{"a": {}, "b": {}}]},
    {"actions": [{"a": [1]}]},
    {"planHash": 7},
]


@pytest.mark.parametrize("others", REFUSED)
def test_an_order_that_is_not_one_is_refused(others: JsonObject) -> None:
    """Above all one that names no identity, or two."""
    with pytest.raises(MalformedSignal, match="A record from manual"):
        source_named("manual").read(order(**others), TENANT_ID)


def test_nothing_that_is_pushed_can_give_orders() -> None:
    """No event type and no log category leads to this source."""
    (manual,) = (source for source in SOURCES if source.name == "manual")

    assert manual.event_types == ()
    assert manual.categories == ()
