"""
Tell Identity Protection that the identity is compromised.

It contains nothing by itself: it raises the risk level to high and adds a detection, which feeds
risk-based Conditional Access and continuous access evaluation (facts: Graph confirmCompromised).
"""

from typing import ClassVar

from shared.actions.interface import Applied, Before, Earlier, Means, Planning, Proof, Tier
from shared.actions.no_way_back import NoWayBack
from shared.actions.shown import risk_before
from shared.case import CouldNotLook, IdentityState, Known, NotLooked, PartName, RiskState
from shared.entries import Change, NamedOutcome, PlannedStep, WriteOutcome
from shared.identity import IdentityKind, PrincipalId
from shared.look import Look, why_unread
from shared.signal import JsonObject
from shared.tenant import Tenant

_WRITE = "POST confirmCompromised"
_CONFIRMED = "confirmedcompromised"
_DETAIL = "adminconfirmedserviceprincipalcompromised"


class ConfirmCompromised(NoWayBack):
    """Confirm the service principal as compromised in Identity Protection."""

    name: ClassVar[str] = "confirm-compromised"
    lost: ClassVar[str] = (
        "A confirmed compromise is not taken back: a person judges the risk, by dismissing it if it was none."
    )
    permissions: ClassVar[tuple[str, ...]] = ("IdentityRiskyServicePrincipal.ReadWrite.All",)
    reads: ClassVar[tuple[str, ...]] = ("IdentityRiskyServicePrincipal.Read.All",)
    gives_back_with: ClassVar[tuple[str, ...]] = ()
    licence: ClassVar[str | None] = "Workload Identities Premium"
    tier: ClassVar[Tier] = Tier.REVERSIBLE
    missing_in: ClassVar[tuple[str, ...]] = ("china",)
    contains: ClassVar[bool] = False
    needs_vault: ClassVar[bool] = False
    rank: ClassVar[int] = 90
    parts_to_show: ClassVar[frozenset[PartName]] = frozenset({PartName.RISK})
    proof_part: ClassVar[PartName] = PartName.RISK

    def check_options(self, options: JsonObject) -> None:
        if options:
            raise ValueError("confirm-compromised has no options")

    def plan(self, state: IdentityState, options: JsonObject, means: Means) -> Planning:
        identity = state.identity
        if identity.kind in (IdentityKind.MANAGED_IDENTITY, IdentityKind.AGENT):
            return Planning(not_done=(_outside(self.name, identity.kind),))
        return Planning(
            (
                PlannedStep(
                    id=self.name,
                    action=self.name,
                    target_kind="service-principal",
                    target_id=identity.principal_id,
                    target_name=identity.display_name,
                    describe="Confirm the identity as compromised in Identity Protection (risk level high).",
                    changes=(
                        Change(property="riskState", before=risk_before(means.risk), after="confirmedCompromised"),
                    ),
                    permissions=self.permissions,
                    reversible=False,
                    cannot_be_undone=self.lost,
                    breaks="Nothing by itself; risk-based Conditional Access policies that cover it will block it.",
                    cannot_be_proven="That a policy acts on it: Conditional Access looks at token requests only.",
                    touches=(f"risk:{identity.principal_id}",),
                    contains=False,
                ),
            )
        )

    async def capture(self, step: PlannedStep, earlier: Earlier, look: Look) -> Before:
        """The risk as already gathered. It is not read for this: the bucket holds one request a second."""
        risk = look.gathered.risk
        if not isinstance(risk, Known):
            return Before({"riskState": None}, (_WRITE,))
        return Before({"riskState": risk.value.state if risk.value else "none"}, (_WRITE,))

    async def apply(self, step: PlannedStep, before: JsonObject, tenant: Tenant) -> Applied:
        if str(before.get("riskState")).lower() == _CONFIRMED:
            return Applied((WriteOutcome(write=_WRITE, outcome="already", detail="it was confirmed before"),))
        await tenant.directory.confirm_compromised((PrincipalId(step.target_id),))
        return Applied((WriteOutcome(write=_WRITE, outcome="accepted"),))

    async def verify(self, step: PlannedStep, earlier: Earlier, look: Look) -> Proof:
        match await look.risk():
            case Known(risk):
                return _judge(risk)
            case NotLooked() | CouldNotLook() as unread:
                return Proof("unknown", f"the risk state could not be read: {why_unread(unread)}")


def _judge(risk: RiskState | None) -> Proof:
    if risk is None:
        return Proof("not-held", "Identity Protection lists no risk for this identity")
    # Documented is the level; the state is inferred, and the detail newer than both (facts: Graph 1).
    confirmed = risk.state.lower() == _CONFIRMED or risk.detail.lower() == _DETAIL
    return Proof(
        "held" if confirmed else "not-held", f"Identity Protection shows risk state {risk.state}, level {risk.level}"
    )


def _outside(action: str, kind: IdentityKind) -> NamedOutcome:
    return NamedOutcome(
        action=action,
        outcome="outside-identity-protection",
        reason=f"Identity Protection does not cover a {kind.value.replace('-', ' ')}.",
    )
