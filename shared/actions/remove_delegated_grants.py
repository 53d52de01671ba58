"""
Take away what the identity may do in users' names: its delegated permission grants, with all their scopes.

Graph gives no date of a grant. Tokens that were issued before keep their scopes until they end.
"""

from typing import ClassVar, Literal

from shared.actions.interface import Means, Planning, Tier
from shared.actions.removing import Held, RemovesGrants, each, plan_removal
from shared.case import DelegatedGrant, Grants, IdentityState, Part, PartName
from shared.entries import PlannedStep
from shared.signal import JsonObject
from shared.tenant import RemoveDelegatedGrant


class RemoveDelegatedGrants(RemovesGrants):
    """Delete the service principal's oauth2PermissionGrants, those of the whole tenant and those of single users."""

    name: ClassVar[str] = "remove-delegated-grants"
    noun: ClassVar[str] = "delegated permission grant"
    sort: ClassVar[Literal["app-role", "delegated-grant", "directory-role"]] = "delegated-grant"
    same: ClassVar[tuple[str, ...]] = ("resourceId", "consentType", "principalId")
    valued: ClassVar[str | None] = "scope"
    permissions: ClassVar[tuple[str, ...]] = ("DelegatedPermissionGrant.ReadWrite.All",)
    reads: ClassVar[tuple[str, ...]] = ("Directory.Read.All",)
    gives_back_with: ClassVar[tuple[str, ...]] = ()
    licence: ClassVar[str | None] = None
    tier: ClassVar[Tier] = Tier.GRANTS
    missing_in: ClassVar[tuple[str, ...]] = ()
    contains: ClassVar[bool] = True
    needs_vault: ClassVar[bool] = False
    rank: ClassVar[int] = 32
    proof_part: ClassVar[PartName] = PartName.GRANTS

    def plan(self, state: IdentityState, options: JsonObject, means: Means) -> Planning:
        return plan_removal(
            self.name,
            self.permissions,
            state,
            options,
            what=self.noun,
            holding=self.holding(means),
            dates="Graph gives no date of a grant, so all of them count as added",
            breaks=(
                "People who use the application are asked for consent again, or refused; tokens issued before keep "
                "their scopes until they end, refresh tokens lose them at their next use."
            ),
        )

    def held(self, grants: Grants) -> Part[tuple[Held, ...]]:
        return each(grants.delegated, _as_held)

    def removal(self, step: PlannedStep, id_: str) -> RemoveDelegatedGrant:
        return RemoveDelegatedGrant(id_)


def _as_held(grant: DelegatedGrant) -> Held:
    for_whom = f"user {grant.user_id}" if grant.user_id else "all users"
    return Held(
        id=grant.id,
        what=f"delegated permissions on {grant.resource_id} for {for_whom}",
        created=None,
        image={
            "id": grant.id,
            "consentType": grant.consent_type,
            "principalId": grant.user_id,
            "resourceId": grant.resource_id,
            "scope": grant.scope,
        },
        named=grant.scope,
    )
