"""
Take away the app roles that the identity holds: its own permissions on Graph and on other APIs.

New tokens lack them; tokens that were issued before keep their roles until they end, and the removal is no
event of continuous access evaluation (facts: Graph 6, 7).
"""

from typing import ClassVar, Literal

from shared.actions.interface import Means, Planning, Tier
from shared.actions.removing import Held, RemovesGrants, each, plan_removal
from shared.case import AppRole, Grants, IdentityState, Part, PartName
from shared.entries import PlannedStep
from shared.privileges import app_role
from shared.signal import JsonObject
from shared.tenant import RemoveAppRole


class RemoveAppRoles(RemovesGrants):
    """Delete the service principal's appRoleAssignments."""

    name: ClassVar[str] = "remove-app-roles"
    noun: ClassVar[str] = "app role"
    sort: ClassVar[Literal["app-role", "delegated-grant", "directory-role"]] = "app-role"
    same: ClassVar[tuple[str, ...]] = ("resourceId", "appRoleId")
    permissions: ClassVar[tuple[str, ...]] = ("Application.ReadWrite.All",)
    reads: ClassVar[tuple[str, ...]] = ("Application.Read.All",)
    gives_back_with: ClassVar[tuple[str, ...]] = ("AppRoleAssignment.ReadWrite.All",)
    licence: ClassVar[str | None] = None
    tier: ClassVar[Tier] = Tier.GRANTS
    missing_in: ClassVar[tuple[str, ...]] = ()
    contains: ClassVar[bool] = True
    needs_vault: ClassVar[bool] = False
    rank: ClassVar[int] = 31
    proof_part: ClassVar[PartName] = PartName.GRANTS

    def plan(self, state: IdentityState, options: JsonObject, means: Means) -> Planning:
        return plan_removal(
            self.name,
            self.permissions,
            state,
            options,
            what=self.noun,
            holding=self.holding(means),
            dates="one without a date counts as added",
            breaks=(
                "Calls that need these roles fail once the present tokens end: tokens issued before keep their roles "
                "for 60 to 90 minutes, and for up to 24 hours with a managed identity or continuous access evaluation."
            ),
        )

    def held(self, grants: Grants) -> Part[tuple[Held, ...]]:
        return each(grants.app_roles, _as_held)

    def removal(self, step: PlannedStep, id_: str) -> RemoveAppRole:
        return RemoveAppRole(step.target_id, id_)


def _as_held(role: AppRole) -> Held:
    known = app_role(role.role_id)
    return Held(
        id=role.id,
        what=f"app role {role.role_id} on {role.resource_id}",
        created=role.created,
        image={
            "id": role.id,
            "appRoleId": role.role_id,
            "resourceId": role.resource_id,
            "resourceDisplayName": role.resource_name,
            "createdDateTime": role.created.isoformat() if role.created else None,
        },
        named=f"{known.name} of {role.resource_name}" if known else role.resource_name,
    )
