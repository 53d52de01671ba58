"""
Take away the directory roles that are assigned to the identity itself.

What it has through a group, or may activate, stays and is said. Whoever may write role assignments can make
anybody Global Administrator, so the permission for this is granted only to who uses it (facts: Graph 6).
"""

from typing import ClassVar, Literal

from shared.actions.interface import Means, Planning, Tier
from shared.actions.removing import Held, RemovesGrants, each, plan_removal
from shared.case import DirectoryRole, Grants, IdentityState, Part, PartName
from shared.entries import PlannedStep
from shared.signal import JsonObject
from shared.tenant import RemoveDirectoryRole


class RemoveDirectoryRoles(RemovesGrants):
    """Delete the service principal's active role assignments."""

    name: ClassVar[str] = "remove-directory-roles"
    noun: ClassVar[str] = "directory role"
    sort: ClassVar[Literal["app-role", "delegated-grant", "directory-role"]] = "directory-role"
    same: ClassVar[tuple[str, ...]] = ("roleDefinitionId", "directoryScopeId", "appScopeId")
    permissions: ClassVar[tuple[str, ...]] = ("RoleManagement.ReadWrite.Directory",)
    reads: ClassVar[tuple[str, ...]] = ("RoleManagement.Read.Directory",)
    gives_back_with: ClassVar[tuple[str, ...]] = ()
    licence: ClassVar[str | None] = None
    tier: ClassVar[Tier] = Tier.GRANTS
    missing_in: ClassVar[tuple[str, ...]] = ()
    contains: ClassVar[bool] = True
    needs_vault: ClassVar[bool] = False
    rank: ClassVar[int] = 30
    proof_part: ClassVar[PartName] = PartName.GRANTS

    def plan(self, state: IdentityState, options: JsonObject, means: Means) -> Planning:
        return plan_removal(
            self.name,
            self.permissions,
            state,
            options,
            what=self.noun,
            holding=self.holding(means),
            dates="Graph gives no date of an assignment, so all of them count as added",
            breaks=(
                "Administration that this identity does stops. Roles that it has through a group, or is only "
                "eligible for, are not touched: look at its groups. Tokens issued before may keep the roles' ids "
                "until they end."
            ),
        )

    def held(self, grants: Grants) -> Part[tuple[Held, ...]]:
        return each(grants.directory_roles, _as_held)

    def removal(self, step: PlannedStep, id_: str) -> RemoveDirectoryRole:
        return RemoveDirectoryRole(id_)


def _as_held(role: DirectoryRole) -> Held:
    scope = role.app_scope or role.scope or "/"
    return Held(
        id=role.id,
        what=f"directory role {role.role_id} at {scope}",
        created=None,
        image={
            "id": role.id,
            "roleDefinitionId": role.role_id,
            "roleDisplayName": role.role_name,
            "directoryScopeId": role.scope,
            "appScopeId": role.app_scope,
        },
        named=role.role_name,
    )
