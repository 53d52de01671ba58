"""
Disable the service principal, so that Entra issues it no new tokens in this tenant.

Tokens it already holds live on: minutes at Microsoft Graph where it takes part in continuous access
evaluation, 60 to 90 minutes elsewhere (facts: Entra CAE for workload identities).
"""

from typing import ClassVar

from shared.actions.interface import Applied, Before, Earlier, Means, Planning, Proof, Tier
from shared.actions.no_way_back import NoWayBack
from shared.case import CouldNotLook, IdentityState, Known, NotLooked, PartName
from shared.entries import Change, NamedOutcome, PlannedStep, WriteOutcome
from shared.errors import Unreachable
from shared.identity import IdentityKind, PrincipalId
from shared.look import Look, why_unread
from shared.signal import JsonObject
from shared.tenant import Tenant

_WRITE = "PATCH accountEnabled=false"


class BlockSignIn(NoWayBack):
    """Set accountEnabled to false on the service principal."""

    name: ClassVar[str] = "block-sign-in"
    lost: ClassVar[str] = "Cordon does not put this back yet; the report names the calls to make by hand."
    permissions: ClassVar[tuple[str, ...]] = ("Application.ReadWrite.All",)
    reads: ClassVar[tuple[str, ...]] = ("Application.Read.All",)
    licence: ClassVar[str | None] = None
    tier: ClassVar[Tier] = Tier.REVERSIBLE
    missing_in: ClassVar[tuple[str, ...]] = ()
    contains: ClassVar[bool] = True
    needs_vault: ClassVar[bool] = False
    rank: ClassVar[int] = 10
    proof_part: ClassVar[PartName] = PartName.IDENTITY

    def check_options(self, options: JsonObject) -> None:
        if options:
            raise ValueError("block-sign-in has no options")

    def plan(self, state: IdentityState, options: JsonObject, means: Means) -> Planning:
        identity = state.identity
        if identity.kind is IdentityKind.AGENT:
            return Planning(not_done=(_agent(self.name),))
        enabled = str(state.enabled).lower()
        return Planning(
            (
                PlannedStep(
                    id=self.name,
                    action=self.name,
                    target_kind="service-principal",
                    target_id=identity.principal_id,
                    target_name=identity.display_name,
                    describe="Block sign-in: Entra issues no new tokens to this service principal in this tenant.",
                    changes=(Change(property="accountEnabled", before=enabled, after="false"),),
                    permissions=self.permissions,
                    reversible=True,
                    breaks="Everything that signs in as this identity stops when its present tokens end.",
                    cannot_be_proven=(
                        "That no token works any more: issued ones live on, and how fast Entra's token service "
                        "follows is not published."
                    ),
                    touches=(identity.principal_id,),
                ),
            )
        )

    async def capture(self, step: PlannedStep, earlier: Earlier, look: Look) -> Before:
        match await look.identity():
            case Known(state):
                writes = (_WRITE,) if state.enabled else ()
                return Before({"accountEnabled": state.enabled}, writes)
            case NotLooked() | CouldNotLook() as unread:
                raise Unreachable("writing down whether sign-in is blocked", why_unread(unread))

    async def apply(self, step: PlannedStep, before: JsonObject, tenant: Tenant) -> Applied:
        if before.get("accountEnabled") is False:
            return Applied((WriteOutcome(write=_WRITE, outcome="already", detail="it was blocked before"),))
        await tenant.directory.set_account_enabled(PrincipalId(step.target_id), enabled=False)
        return Applied((WriteOutcome(write=_WRITE, outcome="accepted"),))

    async def verify(self, step: PlannedStep, earlier: Earlier, look: Look) -> Proof:
        match await look.identity():
            case Known(state) if not state.enabled:
                return Proof("held", f"accountEnabled is false, read at {state.read_at:%H:%M:%S} UTC")
            case Known(state):
                return Proof("not-held", f"accountEnabled is true, read at {state.read_at:%H:%M:%S} UTC")
            case NotLooked() | CouldNotLook() as unread:
                return Proof("unknown", f"the service principal could not be read: {why_unread(unread)}")


def _agent(action: str) -> NamedOutcome:
    return NamedOutcome(
        action=action,
        outcome="agent-identity",
        reason=(
            "Agent identities have permissions of their own (AgentIdentity.EnableDisable.All), which Cordon does "
            "not hold. Block the agent in the Entra admin centre."
        ),
    )
