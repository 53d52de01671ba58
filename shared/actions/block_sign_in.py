"""
Disable the service principal, so that Entra issues it no new tokens in this tenant.

Tokens it already holds live on: minutes at Microsoft Graph where it takes part in continuous access
evaluation, 60 to 90 minutes elsewhere (facts: Entra CAE for workload identities).
"""

from typing import ClassVar

from shared.actions.interface import Applied, Before, Earlier, Means, Planning, Proof, Tier, WayBack
from shared.case import CouldNotLook, IdentityState, Known, NotLooked, PartName
from shared.entries import Change, NamedOutcome, PlannedStep, WriteOutcome
from shared.errors import Unreachable
from shared.identity import IdentityKind, PrincipalId
from shared.look import Look, why_unread
from shared.signal import JsonObject
from shared.tenant import Tenant

_WRITE, _BACK = "PATCH accountEnabled=false", "PATCH accountEnabled=true"


class BlockSignIn:
    """Set accountEnabled to false on the service principal."""

    name: ClassVar[str] = "block-sign-in"
    permissions: ClassVar[tuple[str, ...]] = ("Application.ReadWrite.All",)
    reads: ClassVar[tuple[str, ...]] = ("Application.Read.All",)
    gives_back_with: ClassVar[tuple[str, ...]] = ()
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

    async def way_back(self, step: PlannedStep, earlier: Earlier, look: Look) -> WayBack:
        if (earlier.image or {}).get("accountEnabled") is not True:
            return WayBack((), {"enabled": False})
        match await look.identity():
            case Known(state) if state.disabled_by_microsoft not in (None, "NotDisabled"):
                why = f"Microsoft has disabled the identity meanwhile ({state.disabled_by_microsoft}); ask Microsoft."
                return WayBack((), {"enabled": False}, lost=(why,))
            case Known(state):
                return WayBack(() if state.enabled else (_BACK,), {"enabled": True, "now": state.enabled})
            case NotLooked() | CouldNotLook() as unread:
                raise Unreachable("writing down whether sign-in is blocked", why_unread(unread))

    async def put_back(self, step: PlannedStep, image: JsonObject, tenant: Tenant) -> Applied:
        await tenant.directory.set_account_enabled(PrincipalId(step.target_id), enabled=True)
        return Applied((WriteOutcome(write=_BACK, outcome="accepted"),))

    async def verify_back(self, step: PlannedStep, earlier: Earlier, image: JsonObject, look: Look) -> Proof:
        if image.get("enabled") is not True:
            return Proof("held", "sign-in was not blocked by Cordon alone, so it is not allowed by Cordon")
        match await self.verify(step, earlier, look):
            case Proof("unknown") as unknown:
                return unknown
            case Proof(answer, why):
                return Proof("not-held" if answer == "held" else "held", why)


def _agent(action: str) -> NamedOutcome:
    return NamedOutcome(
        action=action,
        outcome="agent-identity",
        reason=(
            "Agent identities have permissions of their own (AgentIdentity.EnableDisable.All), which Cordon does "
            "not hold. Block the agent in the Entra admin centre."
        ),
    )
