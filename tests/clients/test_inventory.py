"""The practice tenant at large: who answers for each application, and old consents in everybody's name."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from drill.practice import Behaviour
from shared.clients import graph_inventory
from shared.errors import PermissionMissing, PlatformRefused
from shared.hunting import consents_view, contacts_view, owners_view
from shared.inventory import Inventory
from shared.views import CandidateView, ConsentsView, ContactsView, OwnedView, OwnersView
from tests.clients.test_practice_tenant import Place, at
from tests.clients.test_tenant import SETTINGS

T = TypeVar("T")

TENANT = SETTINGS.tenant_id
FOREIGN = "9b0d4c77-8a3e-4c33-b7a1-0f6a2e4c5d11"
ALICE, BOB, GUEST, GONE = (f"a11ce000-0000-4000-8000-00000000000{n}" for n in range(1, 5))
READER = ["Application.Read.All", "Directory.Read.All", "User.Read.All"]


def app(number: int, name: str, **more: Any) -> dict[str, Any]:
    ids = {
        "id": f"5b0a11de-0000-4000-8000-00000000000{number}",
        "appId": f"c1a7c1de-0000-4000-8000-00000000000{number}",
    }
    return {**ids, "displayName": name, "appOwnerOrganizationId": TENANT, **more}


def sp(number: int) -> str:
    return f"5b0a11de-0000-4000-8000-00000000000{number}"


def tenant(**more: Any) -> dict[str, Any]:
    """One is owned well, one by nobody, by a blocked account, by a guest, by one that is gone; and a vendor's."""
    return {
        "id": TENANT,
        "users": [
            {"id": ALICE, "userPrincipalName": "alice@contoso.example"},
            {"id": BOB, "userPrincipalName": "bob@contoso.example", "accountEnabled": False},
            {"id": GUEST, "userPrincipalName": "guest@contoso.example", "userType": "Guest"},
            {"id": GONE, "userPrincipalName": "gone@contoso.example", "deletedDateTime": "2026-02-01T00:00:00Z"},
        ],
        "servicePrincipals": [
            app(1, "owned"),
            app(2, "orphan"),
            app(3, "blocked"),
            app(4, "guests"),
            app(5, "gone"),
            app(6, "0utlook Sync", appOwnerOrganizationId=FOREIGN),
        ],
        "owners": {sp(1): [ALICE, BOB], sp(3): [BOB], sp(4): [GUEST, sp(1)], sp(5): [GONE]},
        "permissions": {"reader": READER},
        **more,
    }


def asked(story: Callable[[Inventory], Awaitable[T]], given: dict[str, Any] | None = None) -> T:
    async def play(place: Place) -> T:
        assert place.tenant.inventory is not None
        return await story(place.tenant.inventory)

    return at(play, given or tenant(), behaviour=Behaviour.gentle())


async def every_owner(inventory: Inventory, limit: int = 2) -> list[OwnedView]:
    """All pages, as a responder would ask for them."""
    found, after = list[OwnedView](), None
    while True:
        page: OwnersView = owners_view(await inventory.owned("enterprise", limit, after), TENANT)
        found += page.applications
        after = page.next
        if after is None:
            return found


def test_every_application_is_listed_once_with_what_is_wrong_about_its_owners() -> None:
    """Page by page; Microsoft's and managed identities need no owner here."""
    found = {each.name: each for each in asked(every_owner)}

    assert set(found) >= {"owned", "orphan", "blocked", "guests", "gone", "0utlook Sync", "Microsoft Graph"}
    assert found["owned"].findings == ("owner-blocked",)
    assert found["orphan"].findings == ("orphan",)
    assert found["blocked"].findings == ("nobody-who-can-act", "owner-blocked")
    assert found["guests"].findings == ("owner-guest", "owner-workload")
    assert found["gone"].findings == ("nobody-who-can-act", "owner-gone")
    assert (found["0utlook Sync"].origin, found["0utlook Sync"].findings) == ("foreign", ("orphan",))
    assert (found["Microsoft Graph"].origin, found["Microsoft Graph"].findings) == ("microsoft", ())
    assert found["id-cordon-reader"].origin == "managed-identity"


def test_owners_that_cannot_be_looked_up_leave_nobody_clean() -> None:
    """The accounts are not known to be enabled; the list says why."""
    given = tenant(permissions={"reader": ["Application.Read.All"]})
    found = {each.name: each for each in asked(every_owner, given)}

    (owner,) = found["blocked"].owners
    assert owner.enabled is None
    assert any("User.Read.All" in each for each in found["blocked"].unseen)
    assert "nobody-who-can-act" not in found["blocked"].findings


def test_registrations_are_listed_by_themselves() -> None:
    """One without a service principal shows nowhere else."""
    registered = {"id": "a0a7c1de-0000-4000-8000-000000000001", "appId": sp(9), "displayName": "only registered"}
    given = tenant(applications=[registered], owners={str(registered["id"]): [ALICE]})

    async def story(inventory: Inventory) -> OwnersView:
        return owners_view(await inventory.owned("registered", 20, None), TENANT)

    (found,) = asked(story, given).applications
    assert (found.name, found.origin, [each.id for each in found.owners]) == ("only registered", "own", [ALICE])


def grant(number: int, scope: str, type_: str = "AllPrincipals") -> dict[str, Any]:
    user = {} if type_ == "AllPrincipals" else {"principalId": ALICE}
    return {"clientId": sp(number), "scope": scope, "consentType": type_, **user}


VERIFIED = {"displayName": "A vendor", "verifiedPublisherId": "6482881", "addedDateTime": "2024-01-01T00:00:00Z"}


async def every_candidate(inventory: Inventory) -> tuple[list[CandidateView], int]:
    found, looked_at, after = list[CandidateView](), 0, None
    while True:
        page: ConsentsView = consents_view(await inventory.consents(1, after), TENANT)
        found += page.candidates
        looked_at += page.looked_at
        after = page.next
        if after is None:
            return found, looked_at


def test_old_consents_are_hunted_through() -> None:
    """What is dangerous, of others, in everybody's name; own applications and single users' consents are left out."""
    given = tenant(
        servicePrincipals=[
            app(1, "own"),
            app(2, "Travel desk", appOwnerOrganizationId=FOREIGN, verifiedPublisher=VERIFIED),
            app(3, "Harmless", appOwnerOrganizationId=FOREIGN),
            app(4, "0utlook Sync", appOwnerOrganizationId=FOREIGN),
            app(5, "Microsoft 365 backup", appOwnerOrganizationId=FOREIGN, verifiedPublisher=VERIFIED),
        ],
        owners={},
        oauth2PermissionGrants=[
            grant(1, "Mail.ReadWrite"),
            grant(2, "User.Read Mail.ReadWrite"),
            grant(3, "User.Read"),
            grant(4, "Mail.ReadWrite offline_access"),
            grant(5, "User.Read"),
            grant(4, "Files.Read.All", "Principal"),
        ],
    )
    found, looked_at = asked(every_candidate, given)
    by_name = {each.name: each for each in found}

    assert looked_at == 5
    assert set(by_name) == {"Travel desk", "0utlook Sync", "Microsoft 365 backup"}
    assert (by_name["Travel desk"].tier, len(by_name["Travel desk"].reasons)) == ("data", 1)
    assert "nobody has verified who publishes it" in by_name["0utlook Sync"].reasons
    assert any("reads like Outlook" in each for each in by_name["0utlook Sync"].reasons)


def test_it_is_told_how_rare_a_consent_is() -> None:
    """How many people gave theirs, and with which scopes the application is alone in the tenant."""
    given = tenant(
        servicePrincipals=[
            app(2, "Travel desk", appOwnerOrganizationId=FOREIGN),
            app(4, "0utlook Sync", appOwnerOrganizationId=FOREIGN),
        ],
        owners={},
        oauth2PermissionGrants=[
            {**grant(2, "User.Read Mail.ReadWrite"), "resourceId": sp(9)},
            {**grant(4, "Mail.ReadWrite Files.Read.All"), "resourceId": sp(9)},
            {**grant(4, "Files.Read.All", "Principal"), "resourceId": sp(9)},
        ],
    )
    found = {each.name: each for each in asked(every_candidate, given)[0]}

    assert (found["0utlook Sync"].people, found["0utlook Sync"].alone_with) == (1, ("Files.Read.All",))
    assert (found["Travel desk"].people, found["Travel desk"].alone_with) == (0, ("User.Read",))


def test_where_consents_cannot_be_counted_nothing_is_called_rare(monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them than are counted: not known, with the reason."""
    monkeypatch.setattr(graph_inventory, "_LONGEST_PAGE", 1)
    monkeypatch.setattr(graph_inventory, "_MOST_PAGES", 1)
    wide = [grant(2, "Mail.ReadWrite"), grant(4, "Mail.ReadWrite")]
    apps = [app(each, f"app {each}", appOwnerOrganizationId=FOREIGN) for each in (2, 4)]
    given = tenant(servicePrincipals=apps, owners={}, oauth2PermissionGrants=wide)

    async def story(inventory: Inventory) -> ConsentsView:
        return consents_view(await inventory.consents(50, None), TENANT)

    page = asked(story, given)

    assert [each.alone_with for each in page.candidates] == [None, None]
    assert any("more than 1 consents" in each for each in page.uncounted)


def test_a_dangerous_scope_is_found_behind_many_others() -> None:
    """Whoever asks for the consent chooses what stands in front; Graph takes 3850 characters (facts: Graph docs)."""
    padded = " ".join(f"harmless.scope.number.{number}" for number in range(130))
    stranger = app(3, "Padded", appOwnerOrganizationId=FOREIGN)
    given = tenant(
        servicePrincipals=[stranger], owners={}, oauth2PermissionGrants=[grant(3, f"{padded} Mail.ReadWrite")]
    )
    found, _ = asked(every_candidate, given)

    assert [each.tier for each in found] == ["data"]


def test_a_list_that_may_not_be_read_is_no_empty_list() -> None:
    """The hunt names the permission that it lacks."""
    given = tenant(permissions={"reader": ["Application.Read.All"]})

    with pytest.raises(PermissionMissing, match=r"Directory\.Read\.All"):
        asked(every_candidate, given)


@pytest.mark.parametrize("token", ["x&$filter=displayName eq 'y'", "../../users", "https://evil.example/?$skiptoken=1"])
def test_a_token_is_a_value_of_the_query_and_nothing_else(token: str) -> None:
    """Graph refuses one that it did not give out; nobody is led anywhere by it."""

    async def story(inventory: Inventory) -> str:
        try:
            await inventory.owned("enterprise", 20, token)
        except PlatformRefused as refused:
            return str(refused)
        return "answered"

    assert "Skip token is not valid" in asked(story)


async def reached(inventory: Inventory, number: int) -> ContactsView:
    return contacts_view("20260302-1a2b3c4d5e6f", await inventory.reach(sp(number)), TENANT, "contained")


def test_owners_are_told_with_mail_and_manager() -> None:
    """Who is not there, or blocked, cannot answer; the manager may."""
    users = [
        {"id": ALICE, "userPrincipalName": "alice@contoso.example", "mail": "a@contoso.example", "manager": BOB},
        {"id": BOB, "userPrincipalName": "bob@contoso.example", "mail": "b@contoso.example", "accountEnabled": False},
        {"id": GONE, "userPrincipalName": "gone@contoso.example", "deletedDateTime": "2026-02-01T00:00:00Z"},
    ]
    given = tenant(users=users, owners={sp(1): [ALICE, GONE]})
    found = asked(lambda inventory: reached(inventory, 1), given)
    by_id = {each.id: each for each in found.owners}

    assert (found.origin, found.notice) == ("own", None)
    alice = by_id[ALICE]
    assert (alice.mail, alice.manager, alice.manager_mail) == (
        "a@contoso.example",
        "bob@contoso.example",
        "b@contoso.example",
    )
    assert by_id[GONE].gone
    assert found.unseen == ()


def test_a_third_party_is_told_with_its_publisher_and_a_draft() -> None:
    """Addresses are shown as text, and only https; the draft holds ids and no secret."""
    info = {"supportUrl": "https://vendor.example/help", "privacyStatementUrl": "javascript:alert(1)"}
    vendor = app(6, "Travel desk", appOwnerOrganizationId=FOREIGN, verifiedPublisher=VERIFIED, info=info)
    granted = {"reader": [*READER, "CrossTenantInformation.ReadBasic.All"]}
    given = tenant(servicePrincipals=[vendor], owners={}, permissions=granted)
    found = asked(lambda inventory: reached(inventory, 6), given)
    blind = asked(lambda inventory: reached(inventory, 6), tenant(servicePrincipals=[vendor], owners={}))

    assert (found.origin, found.publisher, found.tenant_name) == ("foreign", "A vendor", "Company 9b0d")
    assert found.addresses == {"support": "https://vendor.example/help"}
    assert found.notice is not None
    assert found.notice.startswith("To: A vendor\nSubject: Your application c1a7c1de-0000-4000-8000-000000000006")
    assert found.unseen == ()
    assert blind.tenant_name is None
    assert any("CrossTenantInformation.ReadBasic.All" in each for each in blind.unseen)
