"""What audit records say, in all their spellings."""

import pytest

from shared.audit import (
    ACTIVITIES,
    CredentialChange,
    added_credentials,
    concerns_workloads,
    credential_change,
    is_echo,
    newly_disabled,
    newly_enabled,
    normalise_activity,
    read_audit,
)
from shared.case import HolderKind
from shared.signal import JsonObject, JsonValue
from tests.sources.records import audit, changed, diagnostic, service_principal, user

A, B = "40000000-0000-4000-8000-00000000000a", "40000000-0000-4000-8000-00000000000b"


def key(key_id: str, name: str = "x", type_: str = "Password", usage: str = "Verify") -> str:
    return f"[KeyIdentifier={key_id},KeyType={type_},KeyUsage={usage},DisplayName={name}]"


def credentials(old: list[str], new: list[str]) -> CredentialChange:
    return credential_change(read_audit(audit(properties=[changed("KeyDescription", old, new)])))


@pytest.mark.parametrize(
    "spelling",
    [
        "Update application – Certificates and secrets management ",
        "Update application - Certificates and secrets management",
        "UPDATE APPLICATION \u2212  certificates and secrets management.",
        "Update application \uff0d Certificates and secrets management",
        "Update application \u00e2\u20ac\u201c Certificates and secrets management ",
        "Update application \ufffd Certificates and secrets management",
        "Update application ? Certificates and secrets management",
        "Update application  Certificates and secrets\u200b management",
        " Update application\u2014Certificates and secrets management".replace("\u2014", " \u2014 "),
    ],
)
def test_one_activity_has_many_spellings(spelling: str) -> None:
    """Dashes, lost ones too, blanks, case and a dot at the end do not matter."""
    assert normalise_activity(spelling) == "update application - certificates and secrets management"


def test_older_documents_misspell_the_principal() -> None:
    """Both spellings name the same activity."""
    assert normalise_activity("Update Service Principle") == normalise_activity("Update service principal")


def test_normalising_twice_changes_nothing() -> None:
    """What is compared is its own spelling."""
    for activity in ACTIVITIES:
        assert normalise_activity(normalise_activity(activity)) == normalise_activity(activity)


def test_a_quick_look_lets_through_what_may_matter() -> None:
    """Records about people are told apart by their activity; what cannot be told is looked at in full."""
    assert not concerns_workloads(audit("Update user", target=user()))
    assert not concerns_workloads(diagnostic("AuditLogs", audit("Update user", target=user())))
    assert concerns_workloads(audit("Update application – Certificates and secrets management "))
    assert concerns_workloads(diagnostic("AuditLogs", audit()))
    assert concerns_workloads({"activityDisplayName": 7})
    assert concerns_workloads({})


def test_added_is_new_without_old() -> None:
    """Both sides hold the full list."""
    change = credentials([key(A)], [key(A), key(B, "rogue", "AsymmetricX509Cert")])

    assert [(each.key_id, each.type, each.display_name) for each in change.added] == [
        (B, "AsymmetricX509Cert", "rogue")
    ]
    assert change.added[0].holder is HolderKind.SERVICE_PRINCIPAL


def test_removing_adds_nothing() -> None:
    """An empty list is the empty set, not a missing value."""
    assert credentials([key(A)], []) == CredentialChange()


@pytest.mark.parametrize(
    "name",
    [
        "a, b] and [c",
        f"x],[KeyIdentifier={A},KeyType=Password,KeyUsage=Sign,DisplayName=y",
        "line\nbreak",
        "",
        '"quoted"',
    ],
)
def test_a_display_name_cannot_pretend_to_be_another_credential(name: str) -> None:
    """It stands last in its string and may hold anything; the id comes first."""
    (found,) = credentials([], [key(B, name)]).added

    assert (found.key_id, found.usage) == (B, "Verify")
    assert found.display_name.isprintable()


def test_saml_signing_keys_do_not_authenticate() -> None:
    """A token signing certificate comes as a Sign key, a Verify key and a password that shares the Sign key's id."""
    change = credentials(
        [],
        [
            key(A, "CN=sso", "AsymmetricX509Cert", "Sign"),
            key(B, "CN=sso", "AsymmetricX509Cert", "Verify"),
            key(A, "CN=sso", "Password"),
        ],
    )

    assert [each.key_id for each in change.added] == [B]


@pytest.mark.parametrize("strange", ["KeyIdentifier=x", "a form of tomorrow", ""])
def test_what_cannot_be_read_is_said_so(strange: str) -> None:
    """It is not taken for nothing."""
    assert credentials([], [strange]).unread
    assert credentials([strange], [key(A)]).unread


@pytest.mark.parametrize("properties", [[], [changed("KeyDescription", None, None)]])
def test_a_record_of_credentials_that_tells_of_none_is_no_proof_of_none(properties: list[JsonValue]) -> None:
    """A backdated secret would be seen nowhere else."""
    record = read_audit(audit(properties=properties))

    assert credential_change(record).unread == "it does not say which credentials"


@pytest.mark.parametrize("sent", ["Success", "SUCCESS"])
def test_an_outcome_is_known_in_any_case(sent: str) -> None:
    """Exports have capitals of their own, and a success is one all the same."""
    assert read_audit(audit(result=sent)).result == "success"


@pytest.mark.parametrize(
    "new", [f'["{key(A)}"]', [key(A)], key(A), f'"{key(A)}"'], ids=["list in a string", "list", "text", "quoted text"]
)
def test_values_may_be_strings_or_parsed(new: JsonValue) -> None:
    """Graph gives JSON in strings; exports give values."""
    change: JsonValue = {"displayName": "KeyDescription", "oldValue": "[]", "newValue": new}

    assert [each.key_id for each in added_credentials(read_audit(audit(properties=[change])))] == [A]


def test_a_key_on_a_user_is_none_of_ours() -> None:
    """Only applications and service principals hold credentials of workloads."""
    record = audit(target=user(), properties=[changed("KeyDescription", [], [key(A)])])

    assert added_credentials(read_audit(record)) == ()


def test_federated_credentials_are_compared_as_they_are() -> None:
    """Their form is not documented; what was there before is not new."""
    old: list[JsonObject] = [{"name": "ci", "issuer": "https://token.example"}]
    new: list[JsonObject] = [*old, {"name": "rogue", "issuer": "https://evil.example"}]
    record = audit("Update application", [changed("FederatedIdentityCredentials", old, new)])

    assert [each.key_id for each in added_credentials(read_audit(record))] == ["rogue"]


@pytest.mark.parametrize(
    ("old", "new", "enabled", "disabled"),
    [
        ("[false]", "[true]", True, False),
        ("[true]", "[false]", False, True),
        ("[]", "[true]", True, False),
        (None, '"True"', True, False),
        ("[true]", "[true]", False, False),
        (False, True, True, False),
        (None, None, False, False),
    ],
)
def test_switching_sign_in_on_or_off_is_recognised(
    old: JsonValue, new: JsonValue, enabled: bool, disabled: bool
) -> None:
    """In every form in which true and false were seen, and at any place of the list."""
    other: JsonValue = {"displayName": "DisplayName", "oldValue": None, "newValue": '"x"'}
    change: JsonValue = {"displayName": "AccountEnabled", "oldValue": old, "newValue": new}
    record = read_audit(audit("Update service principal", [other, change]))

    assert (newly_enabled(record), newly_disabled(record)) == (enabled, disabled)


def test_an_update_that_only_lists_names_is_an_echo() -> None:
    """So is one whose values are the same on both sides; a real change is none."""
    echo = audit("Update service principal", [changed("Included Updated Properties", None, "KeyDescription")])
    same = audit("Update service principal", [changed("Tags", ["a"], ["a"])])
    real = audit("Update service principal", [changed("Tags", ["a"], ["b"])])

    assert [is_echo(read_audit(record)) for record in (echo, same, real, audit())] == [True, True, False, False]


def test_the_envelope_fills_in_what_the_body_lacks() -> None:
    """Some diagnostic records carry time and operation only outside."""
    body = audit(target=service_principal())
    del body["activityDateTime"], body["activityDisplayName"]
    found = read_audit(diagnostic("AuditLogs", body, operationName="Add service principal credentials"))

    assert found.activity == "add service principal credentials"
    assert found.at.isoformat() == "2026-03-02T03:01:00+00:00"
