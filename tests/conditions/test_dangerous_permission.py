"""dangerous-permission: what it holds, in tiers, and where that leads."""

from dataclasses import replace

import pytest

from shared.case import AppRole, Case, CouldNotLook, DelegatedGrant, DirectoryRole, Grants, Known, NotLooked, PartName
from shared.conditions.dangerous_permission import HoldsDangerousPermission
from shared.conditions.interface import Met, NotMet, Unknown
from shared.privileges import APP_ROLES, DIRECTORY_ROLES, SCOPES, Tier
from tests.conditions.cases import UNREADABLE, but, case, holding
from tests.fakes import GRAPH, START

MANAGES_ROLES = "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8"
READS_MAIL = "810c84a8-4a9e-49e6-bf7d-12d183f40d01"
FULL_ACCESS = "dc890d15-9560-4a4c-9b7f-a736ec74ec40"
OF_NO_CONCERN = "e1fe6dd8-ba31-4d61-89e7-88639da4683d"  # User.Read
GLOBAL = "62e90394-69f5-4237-9190-012177145e10"
NOTHING = Grants(Known(()), Known(()), Known(()))


def _role(id_: str) -> AppRole:
    return AppRole("r", id_, GRAPH, "Microsoft Graph", START)


def _holds(*, roles: str = "", scope: str = "", directory: str = "", over: str = "/") -> Case:
    grants = Grants(
        Known(tuple(_role(each) for each in roles.split())),
        Known((DelegatedGrant("g", "AllPrincipals", None, GRAPH, scope),) if scope else ()),
        Known((DirectoryRole("d", directory, None, over, None),) if directory else ()),
    )
    return holding(case(), grants)


@pytest.mark.parametrize(
    ("of", "tiers", "answer"),
    [
        (_holds(roles=MANAGES_ROLES), (Tier.ZERO,), Met),
        (_holds(roles=MANAGES_ROLES.upper()), (Tier.ZERO,), Met),
        (_holds(roles=READS_MAIL), (Tier.ZERO,), NotMet),
        (_holds(roles=READS_MAIL), (Tier.ZERO, Tier.DATA), Met),
        (_holds(roles=FULL_ACCESS), (Tier.DATA,), Met),
        (_holds(roles=OF_NO_CONCERN), tuple(Tier), NotMet),
        (_holds(scope="openid  mail.read"), (Tier.DATA,), Met),
        (_holds(scope="User.Read openid"), tuple(Tier), NotMet),
        (_holds(scope="Directory.AccessAsUser.All"), (Tier.ZERO,), Met),
        (_holds(directory=GLOBAL), (Tier.ZERO,), Met),
        (_holds(directory=GLOBAL, over="/administrativeUnits/1"), (Tier.ZERO,), Unknown),
        (_holds(directory=GLOBAL, over=f"/{GRAPH}"), (Tier.ZERO,), Unknown),
        (_holds(directory=GLOBAL, over=f"/{GRAPH}"), (Tier.DATA,), NotMet),
        (case(), tuple(Tier), NotMet),
    ],
)
def test_tier_and_reach_must_fit(of: Case, tiers: tuple[Tier, ...], answer: type) -> None:
    """By the role's id, the scope's name, the directory role's template; what one unit leads to nobody knows."""
    assert isinstance(HoldsDangerousPermission(tiers=tiers).check(of), answer)


def test_the_reason_tells_where_it_leads_and_by_which_catalogue() -> None:
    """A responder need not know the name to see what it means."""
    finding = HoldsDangerousPermission().check(_holds(roles=MANAGES_ROLES))

    assert finding == Met(
        "it holds RoleManagement.ReadWrite.Directory (tier-0), as an application on “Microsoft Graph” since "
        "2026-03-02 03:00 UTC; with it one assigns itself the role Global Administrator (catalogue 2026-11)"
    )


OWN_ROLE = DirectoryRole("d", "70000000-0000-4000-8000-000000000007", "Key keeper", "/", None, built_in=False)


def _may(*actions: str, **more: object) -> Case:
    role = replace(OWN_ROLE, actions=actions, **more)  # pyright: ignore[reportArgumentType]
    return holding(case(), replace(NOTHING, directory_roles=Known((role,))))


@pytest.mark.parametrize(
    ("action", "tier"),
    [
        ("microsoft.directory/applications/credentials/update", Tier.ZERO),
        ("microsoft.directory/applications.myOrganization/credentials/update", Tier.ZERO),
        ("microsoft.directory/servicePrincipals/owners/update", Tier.ZERO),
        ("microsoft.directory/servicePrincipals/managePermissionGrantsForAll.microsoft-company-admin", Tier.ZERO),
        ("microsoft.directory/roleAssignments/allProperties/allTasks", Tier.ZERO),
        ("microsoft.directory/groupsAssignableToRoles/members/update", Tier.ZERO),
        ("microsoft.directory/users/password/update", Tier.ZERO),
        ("microsoft.directory/users/basic/update", Tier.ONE),
        ("microsoft.directory/applications/authentication/update", Tier.ONE),
        ("microsoft.directory/conditionalAccessPolicies/basic/update", Tier.ONE),
        ("microsoft.directory/somethingNew/allTasks", Tier.ONE),
        ("microsoft.directory/applications/allProperties/read", None),
        ("microsoft.office365.supportTickets/allEntities/allTasks", None),
    ],
)
def test_a_role_of_the_tenants_own_is_what_it_may_do(action: str, tier: Tier | None) -> None:
    """Whatever its maker calls it."""
    of = _may("microsoft.directory/applications/standard/read", action)

    assert [each for each in Tier if isinstance(HoldsDangerousPermission((each,)).check(of), Met)] == [
        *([tier] if tier else [])
    ]
    assert isinstance(HoldsDangerousPermission(escalates=True).check(of), Met if tier is Tier.ZERO else NotMet)


def test_what_a_role_of_the_tenants_own_may_do_and_nobody_tells_is_unknown() -> None:
    """It is no built-in one, so it may be anything; over a part of the tenant as well."""
    untold = _may()
    assert isinstance(untold.grants, Known)
    dark = holding(untold, replace(NOTHING, directory_roles=Known((replace(OWN_ROLE, actions=None),))))
    partial = _may("microsoft.directory/applications/credentials/update", scope=f"/{GRAPH}")

    assert isinstance(HoldsDangerousPermission().check(dark), Unknown)
    assert isinstance(HoldsDangerousPermission(kinds=("app-role",)).check(dark), NotMet)
    assert isinstance(HoldsDangerousPermission().check(partial), Unknown)
    assert isinstance(HoldsDangerousPermission().check(untold), NotMet)


def test_kinds_and_paths_narrow_it() -> None:
    """What is not asked about does not count, however dangerous."""
    held = _holds(roles=MANAGES_ROLES)

    assert isinstance(HoldsDangerousPermission(kinds=("delegated",)).check(held), NotMet)
    assert isinstance(HoldsDangerousPermission(escalates=True).check(held), Met)
    assert isinstance(HoldsDangerousPermission((Tier.DATA,), escalates=True).check(_holds(roles=READS_MAIL)), NotMet)


def test_a_list_that_could_not_be_read_is_unknown_unless_another_decides() -> None:
    """Three lists, three permissions to read them: what is known decides where it can."""
    half = Grants(Known((_role(MANAGES_ROLES),)), UNREADABLE, Known(()))
    blind = replace(half, app_roles=Known(()))

    assert isinstance(HoldsDangerousPermission().check(holding(case(), half)), Met)
    assert isinstance(HoldsDangerousPermission().check(holding(case(), blind)), Unknown)
    assert isinstance(HoldsDangerousPermission(kinds=("app-role",)).check(holding(case(), blind)), NotMet)


def test_without_the_part_it_is_asked_for() -> None:
    """Not looked at: it wants the grants. Could not be read: a person."""
    unlooked = HoldsDangerousPermission().check(but(case(), grants=NotLooked()))

    assert isinstance(unlooked, Unknown)
    assert unlooked.wants == {PartName.GRANTS}
    assert HoldsDangerousPermission().check(but(case(), grants=CouldNotLook("no answer"))) == Unknown(
        "the grants could not be read: no answer"
    )


def test_every_entry_of_tier_zero_tells_its_way_to_global_administrator() -> None:
    """That is what the tier means; the lower ones lead there by no single hop."""
    for privilege in (*APP_ROLES.values(), *SCOPES.values(), *DIRECTORY_ROLES.values()):
        assert (privilege.path is not None) == (privilege.tier is Tier.ZERO), privilege.name


def test_ids_of_the_catalogue_are_canonical_and_stand_once() -> None:
    """Looked up in lower case, so kept in it."""
    for id_ in (*APP_ROLES, *DIRECTORY_ROLES):
        assert id_ == id_.lower()
        assert len(id_) == 36
    assert not APP_ROLES.keys() & DIRECTORY_ROLES.keys()
