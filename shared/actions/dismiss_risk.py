"""
Tell Identity Protection that the risk of the identity is none.

It is the opposite of containing: risk-based Conditional Access lets the identity in again. So it is never
done beside another action, nor while the identity is cut off: who is contained is let go first.
"""

from typing import ClassVar

from shared.actions.interface import Applied, Before, Earlier, Means, Planning, Proof, Tier
from shared.actions.no_way_back import NoWayBack
from shared.actions.shown import risk_before
from shared.case import CouldNotLook, IdentityState, Known, NotLooked, PartName, RiskState
from shared.entries import Change, NamedOutcome, PlannedStep, WriteOutcome
from shared.identity import IdentityKind, PrincipalId
from shared.look import Look, no_image, why_unread
from shared.signal import JsonObject
from shared.tenant import Tenant

_WRITE = "POST dismiss"
_DETAIL = "admindismissedallriskforserviceprincipal"
_HARMLESS = frozenset({"none", "dismissed", "remediated", "confirmedsafe"})
_OUTSIDE = (IdentityKind.MANAGED_IDENTITY, IdentityKind.AGENT)


class DismissRisk(NoWayBack):
    """Dismiss the risk of the service principal in Identity Protection."""

    name: ClassVar[str] = "dismiss-risk"
    lost: ClassVar[str] = "A dismissed risk does not come back; confirming the compromise raises a new one."
    permissions: ClassVar[tuple[str, ...]] = ("IdentityRiskyServicePrincipal.ReadWrite.All",)
    reads: ClassVar[tuple[str, ...]] = ("IdentityRiskyServicePrincipal.Read.All",)
    gives_back_with: ClassVar[tuple[str, ...]] = ()
    licence: ClassVar[str | None] = "Workload Identities Premium"
    tier: ClassVar[Tier] = Tier.REVERSIBLE
    missing_in: ClassVar[tuple[str, ...]] = ("china",)
    contains: ClassVar[bool] = False
    needs_vault: ClassVar[bool] = False
    rank: ClassVar[int] = 95
    proof_part: ClassVar[PartName] = PartName.RISK

    def check_options(self, options: JsonObject) -> None:
        if options:
            raise ValueError("dismiss-risk has no options")

    def parts_to_plan(self, options: JsonObject) -> frozenset[PartName]:
        """
        The very risk is dismissed that was looked at: that lets in again, and cannot be undone. No cut waits for it.
        """
        return frozenset({PartName.RISK})

    def plan(self, state: IdentityState, options: JsonObject, means: Means) -> Planning:
        identity = state.identity
        if identity.kind in _OUTSIDE:
            return Planning(not_done=(_outside(self.name, identity.kind),))
        if why := _contradiction(state, means.beside - {self.name}):
            return Planning(not_done=(NamedOutcome(action=self.name, outcome="contradicts-containment", reason=why),))
        step = PlannedStep(
            id=self.name,
            action=self.name,
            target_kind="service-principal",
            target_id=identity.principal_id,
            target_name=identity.display_name,
            describe="Dismiss the risk of the identity in Identity Protection.",
            changes=(Change(property="riskState", before=risk_before(means.dismissed), after="dismissed"),),
            permissions=self.permissions,
            reversible=False,
            cannot_be_undone="A dismissed risk does not come back; confirming the compromise raises a new one.",
            breaks="Nothing; risk-based Conditional Access policies that block the identity let it in again.",
            cannot_be_proven="That the identity is clean: the dismissal is a person's word.",
            touches=(f"risk:{identity.principal_id}",),
            watched=False,  # a new detection is news, and not to be dismissed as well
            contains=False,
        )
        return Planning((step,))

    async def capture(self, step: PlannedStep, earlier: Earlier, look: Look) -> Before:
        match await look.risk():
            case Known(risk):
                writes = (_WRITE,) if _is_at_risk(risk) else ()
                return Before({"riskState": risk.state if risk else "none", "open": bool(writes)}, writes)
            case NotLooked() | CouldNotLook() as unread:
                raise no_image("writing down the risk that is to be dismissed", unread)

    async def apply(self, step: PlannedStep, before: JsonObject, tenant: Tenant) -> Applied:
        if before.get("open") is False:
            return Applied((WriteOutcome(write=_WRITE, outcome="already", detail="no risk stood open"),))
        await tenant.directory.dismiss_risk((PrincipalId(step.target_id),))
        return Applied((WriteOutcome(write=_WRITE, outcome="accepted"),))

    async def verify(self, step: PlannedStep, earlier: Earlier, look: Look) -> Proof:
        match await look.risk():
            case Known(risk):
                shown = (
                    f"shows risk state {risk.state}, level {risk.level}" if risk else "lists no risk for this identity"
                )
                return Proof("not-held" if _is_at_risk(risk) else "held", f"Identity Protection {shown}")
            case NotLooked() | CouldNotLook() as unread:
                return Proof("unknown", f"the risk state could not be read: {why_unread(unread)}")


def _is_at_risk(risk: RiskState | None) -> bool:
    """Any state that is not known to be harmless stands open: states grow."""
    if risk is None or risk.detail.lower() == _DETAIL:
        return False
    return risk.state.lower() not in _HARMLESS


def _outside(action: str, kind: IdentityKind) -> NamedOutcome:
    return NamedOutcome(
        action=action,
        outcome="outside-identity-protection",
        reason=f"Identity Protection does not cover a {kind.value.replace('-', ' ')}.",
    )


def _contradiction(state: IdentityState, others: frozenset[str]) -> str | None:
    """Why dismissing would contradict what is done or stands, or None."""
    if others:
        return (
            f"The same plan holds {', '.join(sorted(others))}: what is contained as compromised is not dismissed as "
            "harmless in one go. Order one or the other."
        )
    if not state.enabled or state.deactivated:
        return "The identity is cut off. Let it go first, if it is harmless, then dismiss its risk."
    return None
