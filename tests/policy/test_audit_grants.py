"""What audit records tell of grants and consents, in the shapes that real tenants were seen to write."""

import json
from dataclasses import replace

import pytest

from shared.audit import is_counter_move
from shared.audit_changes import ChangeKind, kinds_of
from shared.audit_grants import Given, giving, is_by_admin
from shared.case import AuditRecord, AuditTarget
from shared.privileges import Tier
from shared.signal import JsonValue
from tests.conditions.cases import audit
from tests.fakes import GRAPH, PAYROLL

MANAGES_ROLES = "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8"
USER = "82000000-0000-4000-8000-000000000007"


def prop(name: str, new: object, old: object = None) -> JsonValue:
    """A modified property: its values are JSON inside a string."""
    return {
        "displayName": name,
        "oldValue": None if old is None else json.dumps(old),
        "newValue": None if new is None else json.dumps(new),
    }


def entry(scope: str, type_: str = "AllPrincipals", user: str = "") -> str:
    return (
        f"[Id: abc-1_X, ClientId: {PAYROLL}, PrincipalId: {user}, ResourceId: {GRAPH}, ConsentType: {type_}, "
        f"Scope:  {scope}, CreatedDateTime: , ExpiryTime: ]"
    )


def consent(text: str | None, *, admin: str = "True", for_all: str = "True") -> AuditRecord:
    properties = [
        prop("ConsentContext.IsAdminConsent", admin),
        prop("ConsentContext.OnBehalfOfAll", for_all),
        prop("ConsentAction.Permissions", text),
    ]
    return audit("Consent to application", properties, user=USER)


def names(record: AuditRecord) -> list[tuple[str, bool | None]]:
    return [(each.name, each.everybody) for each in giving(record).given]


def test_an_app_role_is_told_by_its_id_and_its_value() -> None:
    """The id counts: the value of a role of somebody's own API is its maker's choice."""
    properties = [prop("AppRole.Id", MANAGES_ROLES), prop("AppRole.Value", "Harmless.Read")]
    (given,) = giving(audit("Add app role assignment to service principal", properties)).given

    assert (given.kind, given.name, given.everybody) == ("app-role", "Harmless.Read", True)
    assert given.privilege is not None
    assert given.privilege.tier is Tier.ZERO


def test_of_a_widened_grant_only_the_new_scopes_are_given() -> None:
    """Both sides are written in full."""
    properties = [
        prop("DelegatedPermissionGrant.Scope", " User.Read Mail.Read", " user.read"),
        prop("DelegatedPermissionGrant.ConsentType", "AllPrincipals"),
    ]

    assert names(audit("Add delegated permission grant", properties)) == [("Mail.Read", True)]


def test_a_directory_role_is_told_by_its_template() -> None:
    """Its object id may be the tenant's own."""
    properties = [
        prop("Role.ObjectID", "aaaaaaaa-5b81-4f36-8c0a-3e9b1d6f7a25"),
        prop("Role.DisplayName", "Global Administrator"),
        prop("Role.TemplateId", "62e90394-69f5-4237-9190-012177145e10"),
    ]
    (given,) = giving(audit("Add member to role", properties)).given

    assert given.privilege is not None
    assert given.privilege.name == "Global Administrator"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"[] => [{entry('openid Mail.Read')}]", [("openid", True), ("Mail.Read", True)]),
        (f"[{entry('openid')}] => [{entry('openid Mail.Read')}]", [("Mail.Read", True)]),
        (f"[{entry('Mail.Read')}] => [{entry('Mail.Read')}]", []),
        (f"[] => [{entry('Mail.Read', 'Principal', USER)}]", [("Mail.Read", False)]),
        (
            f"[{entry('Mail.Read', 'Principal', USER)}] => [{entry('Mail.Read')}]",
            [("Mail.Read", True)],
        ),
        (f"[{entry('Mail.Read')}]", [("Mail.Read", True)]),
        ("[] => [[Id: x, ClientId: y, ConsentType: AllPrincipals, Scope: Mail.Read]]", [("Mail.Read", True)]),
        ('["offline_access", "Files.Read.All"]', [("offline_access", True), ("Files.Read.All", True)]),
        ("Mail.ReadWrite Files.Read.All", [("Mail.ReadWrite", True), ("Files.Read.All", True)]),
    ],
)
def test_what_a_consent_adds_is_read_from_its_text(text: str, found: list[tuple[str, bool | None]]) -> None:
    """Entries before and after, entries alone, a list of names, or names: what was there already is not new."""
    assert names(consent(text)) == found


@pytest.mark.parametrize("text", [None, "", "{something else}", "[] => [Permissions: 12 entries]"])
def test_a_consent_that_cannot_be_read_may_hold_anything(text: str | None) -> None:
    """It is said so, and never taken for nothing."""
    found = giving(consent(text))

    assert found.unread
    assert not found.given


def test_an_administrator_may_consent_for_himself_alone() -> None:
    """IsAdminConsent says who agreed; for whom stands elsewhere."""
    record = consent(f"[] => [{entry('Mail.Read', 'Principal', USER)}]", admin="True", for_all="False")

    assert is_by_admin(record) is True
    assert giving(record).given == (
        Given("delegated", "Mail.Read", giving(record).given[0].privilege, everybody=False, user_id=USER),
    )


def test_other_activities_give_nothing() -> None:
    """Removals and edits are no grants."""
    assert giving(audit("Remove app role assignment from service principal", [])).given == ()
    assert giving(audit("Update application", [])).unread is None


@pytest.mark.parametrize(
    ("activity", "gives"),
    [
        ("Add role assignment to role definition", True),
        ("Add member to role in PIM completed (timebound)", True),
        ("Add member to role in PIM completed (time bound)", True),
        ("Add member to role completed (PIM activation)", True),
        ("Add member to role outside of PIM (permanent)", True),
        ("Add eligible member to role in PIM completed (permanent)", True),
        ("Add member to role scoped over Restricted Management Administrative Unit", True),
        ("Add member to role in PIM requested (permanent)", False),
        ("Add member to role request denied (PIM activation)", False),
        ("Remove member from role (PIM activation expired)", False),
    ],
)
def test_every_spelling_of_a_role_that_is_given_is_one(activity: str, gives: bool) -> None:
    """Through Privileged Identity Management, or by the newer interface for roles."""
    record = audit(activity, [prop("RoleDefinitionOriginId", "62e90394-69f5-4237-9190-012177145e10")])
    names_ = [each.privilege.name for each in giving(record).given if each.privilege]

    assert names_ == (["Global Administrator"] if gives else [])
    assert (ChangeKind.GRANTS in kinds_of(record)) == gives
    assert is_counter_move(record) == gives


def test_a_role_that_only_the_target_names_is_told_by_it() -> None:
    """Privileged Identity Management has it as a target; a name alone is nothing that the catalogue goes by."""
    record = audit("Add member to role in PIM completed (permanent)", [])
    role = AuditTarget("x", "Role", "Global Administrator", ())
    (given,) = giving(replace(record, targets=(*record.targets, role))).given

    assert (given.name, given.privilege) == ("Global Administrator", None)
