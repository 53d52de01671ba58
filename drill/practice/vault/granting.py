"""Rights on one vault that have always been there."""

from drill.practice.arm.building import role_by
from drill.practice.arm.state import LONG_AGO, Assignment
from drill.practice.shapes import JsonObject
from drill.practice.state import TenantState
from drill.practice.vault.state import Vault


def let_use_secrets(state: TenantState, vault: Vault, principal_id: str, role: str, *permissions: str) -> None:
    """By a role, or by permissions for secrets where access policies decide."""
    if vault.rbac:
        give_role(state, vault, principal_id, role)
        return
    given: JsonObject = {"keys": [], "secrets": [*permissions], "certificates": [], "storage": []}
    entry: JsonObject = {"tenantId": state.id, "objectId": principal_id, "permissions": given}
    vault.policies = vault.policies.always((*vault.policies.newest, entry))


def give_role(state: TenantState, vault: Vault, principal_id: str, role: str) -> None:
    name = state.chance.guid("role assignment")
    state.azure.assignments.append(
        Assignment(
            id=f"{vault.resource_id}/providers/Microsoft.Authorization/roleAssignments/{name}",
            scope=vault.resource_id,
            principal_id=principal_id,
            principal_type="ServicePrincipal",
            role=role_by(state, {"roleDefinitionName": role}),
            condition=None,
            created_at=LONG_AGO,
            rules_from=LONG_AGO,
        )
    )
