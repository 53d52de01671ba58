"""Directory roles that an identity holds through a group, at whatever depth, are seen; or it is said why not."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from drill.practice import Behaviour
from shared.case import Grants, Known, PartName
from shared.conditions.dangerous_permission import HoldsDangerousPermission
from shared.conditions.interface import Finding, Met, NotMet, Unknown
from tests.clients.test_practice_tenant import REF, Place, at, fault
from tests.conditions.cases import case
from tests.practice.desk import PRINCIPAL, payroll

GLOBAL_ADMIN = "62e90394-69f5-4237-9190-012177145e10"
OUTER, INNER = "9a000000-0000-4000-8000-000000000001", "9a000000-0000-4000-8000-000000000002"
HIDDEN = "9a000000-0000-4000-8000-000000000003"
ASKED = HoldsDangerousPermission()


def tenant(*, assignable: bool = True) -> dict[str, Any]:
    """Payroll is in a group, which is in one that is Global Administrator."""
    return {
        **payroll(),
        "groups": [
            {"id": OUTER, "displayName": "Operators", "members": [INNER], "isAssignableToRole": assignable},
            {"id": INNER, "displayName": "Batch", "members": [PRINCIPAL]},
        ],
        "roleAssignments": [{"principalId": OUTER, "roleDefinitionId": GLOBAL_ADMIN, "directoryScopeId": "/"}],
    }


def judged(of: dict[str, Any], faults: Sequence[dict[str, object]] = ()) -> tuple[Finding, Grants]:
    async def story(place: Place) -> Grants:
        found = (await place.tenant.directory.look(REF, frozenset({PartName.IDENTITY, PartName.GRANTS}))).grants
        assert isinstance(found, Known)
        return found.value

    grants = at(story, of, behaviour=Behaviour.gentle(), faults=list(faults))
    return ASKED.check(replace(case(), grants=Known(grants))), grants


def test_a_role_of_a_group_s_group_is_a_role() -> None:
    """The reason names the group; what a plan may take away is what it holds itself."""
    found, grants = judged(tenant())

    assert isinstance(found, Met)
    assert "Global Administrator" in found.reason
    assert OUTER in found.reason
    assert grants.directory_roles == Known(())


def test_a_group_that_no_role_can_be_assigned_to_is_not_asked_about() -> None:
    """Nearly all are of this sort."""
    found, grants = judged({**tenant(assignable=False), "roleAssignments": []})

    assert isinstance(found, NotMet)
    assert grants.through_groups == Known(())


def test_each_group_is_told_with_whether_roles_can_be_assigned_to_it() -> None:
    """Whatever the groups hold; of one whose name cannot be read, it is not known."""
    hidden = {"id": HIDDEN, "displayName": None, "members": [PRINCIPAL]}
    of = tenant()
    _, grants = judged({**of, "groups": [*of["groups"], hidden]})

    assert isinstance(grants.groups, Known)
    assert {each.id: each.assignable for each in grants.groups.value} == {OUTER: True, INNER: False, HIDDEN: None}


def test_groups_that_cannot_be_read_are_no_clean_answer() -> None:
    """The other lists were read, and are empty."""
    found, grants = judged(tenant(), [fault("GET *transitiveMemberOf*", "403")])

    assert isinstance(found, Unknown)
    assert not isinstance(grants.through_groups, Known)
    assert not isinstance(grants.groups, Known)


def test_more_groups_than_are_looked_at_are_no_clean_answer() -> None:
    """Whoever is in that many hides nothing by it."""
    many = [
        {
            "id": f"9b000000-0000-4000-8000-{n:012d}",
            "displayName": "x",
            "members": [PRINCIPAL],
            "isAssignableToRole": True,
        }
        for n in range(21)
    ]
    found, _ = judged({**tenant(), "groups": many, "roleAssignments": []})

    assert isinstance(found, Unknown)
    assert "21 groups" in found.reason
