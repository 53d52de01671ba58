"""What the real client reads of Cordon's own rights, on the practice tenant with its replicas, pages and refusals."""

from typing import Any

import pytest

from drill.practice import Behaviour, ScenarioMistake
from shared.errors import PermissionMissing
from shared.tenant import Rights
from tests.clients.test_practice_tenant import Place, at
from tests.practice.desk import payroll

READS = ["Application.Read.All", "LicenseAssignment.Read.All"]


def rights(place: Place) -> Rights:
    assert place.tenant.rights is not None
    return place.tenant.rights


def read(role: str, permissions: dict[str, list[str]], *, behaviour: Behaviour | None = None) -> frozenset[str]:
    async def story(place: Place) -> frozenset[str]:
        return await rights(place).granted(place.practice.cordon[role].client_id)

    return at(story, payroll(permissions=permissions), behaviour=behaviour)


@pytest.mark.parametrize("page", [(100, 999), (1, 1)])
def test_what_is_granted_is_read_by_name_from_every_page(page: tuple[int, int]) -> None:
    """What the scenario gives an identity is what it is found to hold: the two come from one list."""
    given = ["Application.ReadWrite.All", "Policy.Read.All", "IdentityRiskyServicePrincipal.ReadWrite.All"]

    assert read("executor", {"executor": given}, behaviour=Behaviour(directory_page=page)) == frozenset(given)


def test_a_reader_that_may_not_read_applications_knows_nothing() -> None:
    """Refused is an error that names the permission, never an empty list."""
    with pytest.raises(PermissionMissing, match=r"Application.Read.All"):
        read("executor", {"reader": ["AuditLog.Read.All"]})


@pytest.mark.parametrize(
    ("licences", "premium"), [(["WorkloadIdentitiesPremium"], True), (["ENTERPRISEPREMIUM"], False)]
)
def test_the_licence_is_found_by_its_service_plans(licences: list[str], *, premium: bool) -> None:
    """Names of products are many; the plan that is in them counts."""

    async def story(place: Place) -> bool:
        return await rights(place).has_premium()

    tenant: dict[str, Any] = {**payroll(permissions={"reader": READS}), "licences": licences}
    assert at(story, tenant) is premium


def test_a_reader_that_may_not_read_licences_does_not_say_that_there_is_none() -> None:
    """403 on the licences is unknown, with the permission that is missing."""

    async def story(place: Place) -> bool:
        return await rights(place).has_premium()

    with pytest.raises(PermissionMissing, match=r"LicenseAssignment.Read.All"):
        at(story, payroll(permissions={"reader": ["Application.Read.All"]}))


def test_a_scenario_cannot_grant_what_graph_does_not_know() -> None:
    """A misspelled permission would be granted to the calls and shown to nobody."""
    with pytest.raises(ScenarioMistake, match=r"Application.Reed.All"):
        read("reader", {"reader": ["Application.Reed.All"]})


def test_a_role_assignable_group_above_another_group_is_seen() -> None:
    """Cordon's executor is in a group of a group that roles can be assigned to."""
    above = "0d0d0d0d-0000-4000-8000-000000000001"

    async def story(place: Place) -> frozenset[str]:
        cordon = place.practice.cordon["executor"]
        below: dict[str, Any] = {"id": "0d0d0d0d-0000-4000-8000-000000000002", "displayName": "plain"}
        place.practice.state.groups += [
            {**below, "members": [cordon.object_id]},
            {"id": above, "displayName": "admins", "isAssignableToRole": True, "members": [below["id"]]},
        ]
        return await rights(place).granted(cordon.client_id)

    assert f"directory role through group {above}" in at(
        story, payroll(permissions={"executor": ["Application.Read.All"]})
    )
