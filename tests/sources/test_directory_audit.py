"""directory-audit: a change to an application or service principal becomes a signal."""

import json
from datetime import UTC, datetime

import pytest

from shared.errors import MalformedSignal
from shared.identity import AppObjectId, ClientId, IdentityRef, PrincipalId
from shared.signal import JsonObject, NotASignal
from shared.sources import source_for_category, source_for_event, source_named
from tests.fakes import PAYROLL, PAYROLL_APP, TENANT_ID
from tests.sources.records import ADMIN, application, audit, changed, diagnostic, read, service_principal, user

KEY = "40000000-0000-4000-8000-000000000009"
GRAPH = "88888888-0000-4000-8000-000000000001"
PORTAL = "Update application – Certificates and secrets management "


def key_description(*names: str) -> list[str]:
    return [f"[KeyIdentifier={KEY},KeyType=Password,KeyUsage=Verify,DisplayName={name}]" for name in names]


def test_a_credential_on_a_service_principal_becomes_a_signal() -> None:
    """What was added, by whom, and when stands in it."""
    signal = read("directory-audit", audit(properties=[changed("KeyDescription", [], key_description("x"))]))

    assert signal.subject == IdentityRef(principal_id=PrincipalId(PAYROLL))
    assert signal.observed_at == datetime(2026, 3, 2, 2, 59, 30, 123456, tzinfo=UTC)
    assert signal.summary == "Add service principal credentials on “payroll-sync” by admin@contoso.example"
    assert signal.facts["addedCredentials"] == [
        {"keyId": KEY, "type": "Password", "usage": "Verify", "holder": "service-principal"}
    ]
    assert signal.facts["initiatedBy"] == {"userId": ADMIN, "servicePrincipalId": None, "appId": None}


def test_the_portals_spelling_is_understood() -> None:
    """An en dash and a blank at the end; the target is the application."""
    signal = read("directory-audit", audit(PORTAL, target=application()))

    assert signal.subject == IdentityRef(app_object_id=AppObjectId(PAYROLL_APP))


def test_the_stream_carries_the_same_fact() -> None:
    """Lists and values may be strings there, or parsed already; the key is the record's own id."""
    plain = audit(properties=[changed("KeyDescription", [], key_description("x"))])
    targets = plain["targetResources"]
    assert isinstance(targets, list)
    (target,) = targets
    assert isinstance(target, dict)
    parsed: JsonObject = {"displayName": "KeyDescription", "oldValue": [], "newValue": [*key_description("x")]}
    as_strings: JsonObject = {
        **plain,
        "targetResources": json.dumps(targets),
        "initiatedBy": json.dumps(plain["initiatedBy"]),
    }
    as_values: JsonObject = {**plain, "targetResources": [{**target, "modifiedProperties": [parsed]}]}
    shouted: JsonObject = {name[:1].upper() + name[1:]: value for name, value in plain.items()}
    polled = read("directory-audit", plain)

    for body in (plain, as_strings, as_values, shouted):
        streamed = read("directory-audit", diagnostic("AuditLogs", body))
        assert (streamed.key, streamed.subject, streamed.facts) == (polled.key, polled.subject, polled.facts)


def test_switching_sign_in_on_is_said_so() -> None:
    """The reversal that everybody watches for."""
    on = read("directory-audit", audit("Update service principal", [changed("AccountEnabled", [False], [True])]))
    off = read("directory-audit", audit("Update service principal", [changed("AccountEnabled", [True], [False])]))

    assert (on.facts["accountEnabled"], off.facts["accountEnabled"]) == (True, False)
    assert "(sign-in switched on)" in on.summary


@pytest.mark.parametrize("activity", ["Add app role assignment to service principal", "Add delegated permission grant"])
def test_a_grant_is_about_the_client_that_gains_by_it(activity: str) -> None:
    """The target is the resource, Microsoft Graph as a rule, which is not what is to be contained."""
    client = [
        changed("ServicePrincipal.ObjectID", None, PAYROLL),
        changed("ServicePrincipal.AppId", None, "20000000-0000-4000-8000-000000000001"),
    ]
    signal = read("directory-audit", audit(activity, client, target=service_principal(GRAPH, "Microsoft Graph")))

    assert signal.subject == IdentityRef(PrincipalId(PAYROLL), ClientId("20000000-0000-4000-8000-000000000001"))


def test_a_grant_that_names_no_client_is_malformed() -> None:
    """To contain the resource instead would hit Microsoft Graph."""
    grant = audit("Add app role assignment to service principal", target=service_principal(GRAPH, "Microsoft Graph"))

    with pytest.raises(MalformedSignal, match="names no client"):
        source_named("directory-audit").read(grant, TENANT_ID)


@pytest.mark.parametrize("activity", ["Add service principal credentials", "Update application"])
@pytest.mark.parametrize("target", [service_principal() | {"type": None}, service_principal() | {"id": None}])
def test_a_change_that_names_no_workload_is_malformed(activity: str, target: JsonObject) -> None:
    """It says that it is about one; set aside with the reason it is seen, and as no signal it would be lost."""
    record = audit(activity, [changed("KeyDescription", [], ["x"])], target={**target})

    with pytest.raises(MalformedSignal, match="names no application or service principal"):
        source_named("directory-audit").read(record, TENANT_ID)


def test_with_owners_the_owned_object_counts() -> None:
    """A service principal can own an application: which is which follows from the activity."""
    owner = service_principal(GRAPH, "the owner")
    signal = read("directory-audit", audit("Add owner to application", target=owner, more_targets=[application()]))

    assert signal.subject == IdentityRef(app_object_id=AppObjectId(PAYROLL_APP))


def two_principals(*, named: str | None) -> JsonObject:
    """The new owner comes first."""
    owner = service_principal(GRAPH, "the owner")
    properties = [changed("ServicePrincipal.ObjectID", None, named)] if named else []
    return audit("Add owner to service principal", properties, target=owner, more_targets=[service_principal()])


def test_of_two_service_principals_the_one_that_the_other_names_is_owned() -> None:
    """The new owner stands first, and is not what was changed."""
    signal = read("directory-audit", two_principals(named=PAYROLL))

    assert signal.subject == IdentityRef(PrincipalId(PAYROLL))
    assert signal.others == ()


def test_where_nothing_says_which_of_two_is_owned_each_of_them_hears_of_it() -> None:
    """Told of one alone, the other would be looked at by nobody; and both are told why."""
    signal = read("directory-audit", two_principals(named=None))
    (other,) = signal.others

    assert {signal.subject.principal_id, other.subject.principal_id} == {GRAPH, PAYROLL}
    assert signal.key != other.key
    assert "the log does not say which of them is owned" in signal.summary
    assert "the log does not say which of them is owned" in other.summary


def test_an_owned_object_that_only_the_owner_s_property_names_is_found() -> None:
    """The record has a target for the person alone."""
    ann: JsonObject = {"id": "99999999-0000-4000-8000-000000000001", "type": "User"}
    record = audit("Add owner to application", [changed("Application.ObjectID", None, PAYROLL_APP)], target=ann)

    assert read("directory-audit", record).subject == IdentityRef(app_object_id=AppObjectId(PAYROLL_APP))


@pytest.mark.parametrize(
    "record",
    [
        audit("Update user", target=user()),
        audit("Add member to role", target=user()),
        audit("Add app role assignment grant to user", target=service_principal(GRAPH)),
        audit("Update service principal", [changed("Included Updated Properties", None, "KeyDescription")]),
        audit("Update application", target=application()),
        audit("An activity of tomorrow"),
    ],
)
def test_people_echoes_and_what_is_not_followed_are_no_signals(record: JsonObject) -> None:
    """Most of the log. An update that tells nothing accompanies every change that is told elsewhere."""
    found = source_named("directory-audit").read(record, TENANT_ID)

    assert isinstance(found, NotASignal)


def test_a_name_cannot_hide_or_forge_anything() -> None:
    """Direction marks, line breaks and lone surrogates in a display name are replaced; the record still counts."""
    nasty = "pay\u202eroll\r\nENTRA: all is well\u2028\ud800\x1b[2J"
    signal = read("directory-audit", audit(target=service_principal(name=nasty * 50)))

    assert signal.subject.principal_id == PAYROLL
    assert len(signal.summary) <= 300
    assert signal.summary.isprintable()
    signal.summary.encode()


def test_an_actor_that_cannot_be_read_does_not_hide_the_act() -> None:
    """Graph leaves the actor out at times; ids of strange form are kept as text."""
    nobody = read("directory-audit", audit(initiatedBy={"user": None, "app": None}))
    strange = read("directory-audit", audit(initiatedBy={"app": {"servicePrincipalId": "not a guid", "appId": None}}))

    assert nobody.summary.endswith("by somebody the log does not name")
    assert strange.summary.endswith("by service principal not a guid")


def test_it_is_found_by_event_type_and_category() -> None:
    """Doors know only what the record says of itself."""
    source = source_named("directory-audit")

    assert source_for_event("Cordon.Signal.DirectoryAudit") is source
    assert source_for_category("AuditLogs") is source
