"""A service principal that Identity Protection lists as risky."""

from typing import ClassVar

from shared.identity import ClientId, IdentityRef, PrincipalId
from shared.risk import risk_state_in
from shared.signal import JsonObject, NotASignal, Signal
from shared.untrusted import NAME, body_of, check_tenant, one_line


class RiskyServicePrincipal:
    """
    Reads one riskyServicePrincipal. Its row has one id for ever, so the key of a fact is the row with the
    time of its last change (to the second: the routes write fractions differently), its level and its state.
    """

    name: ClassVar[str] = "risky-service-principal"
    event_types: ClassVar[tuple[str, ...]] = ("Cordon.Signal.RiskyServicePrincipal",)
    categories: ClassVar[tuple[str, ...]] = ("RiskyServicePrincipals",)

    def read(self, record: JsonObject, tenant_id: str) -> Signal | NotASignal:
        check_tenant(record, tenant_id, self.name)
        body = body_of(record, self.name)
        risk = risk_state_in(body)
        principal, client = body.guid("id"), body.optional_guid("appId")
        updated = body.time("riskLastUpdatedDateTime")
        who = body.line("displayName", NAME) or principal
        return Signal(
            source=self.name,
            record_id=f"{principal}/{updated:%Y%m%dT%H%M%S}/{risk.state.casefold()}/{risk.level}",
            subject=IdentityRef(PrincipalId(principal), ClientId(client) if client else None),
            observed_at=updated,
            summary=one_line(f"Entra lists “{who}” as risky: {risk.level}, {risk.state}"),
            facts={"riskLevel": risk.level, "riskState": risk.state, "riskDetail": risk.detail},
        )
