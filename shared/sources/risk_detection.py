"""A risk detection of Identity Protection: from the poll, from an event, or from the diagnostic log."""

from typing import ClassVar

from shared.identity import ClientId, IdentityRef, PrincipalId
from shared.risk import detection_in
from shared.signal import JsonObject, NotASignal, Signal
from shared.untrusted import NAME, body_of, check_tenant, one_line


class RiskDetectionSource:
    """
    Reads one servicePrincipalRiskDetection.

    A detection whose state, level or time of update changed is a new fact; the same one by another route is
    not. The time counts to the second, because the routes write fractions differently.
    """

    name: ClassVar[str] = "risk-detection"
    event_types: ClassVar[tuple[str, ...]] = ("Cordon.Signal.RiskDetection",)
    categories: ClassVar[tuple[str, ...]] = ("ServicePrincipalRiskEvents",)

    def read(self, record: JsonObject, tenant_id: str) -> Signal | NotASignal:
        check_tenant(record, tenant_id, self.name)
        body = body_of(record, self.name)
        found = detection_in(body)
        principal, client = body.guid("servicePrincipalId"), body.optional_guid("appId")
        observed = found.updated_at or found.detected_at or found.activity_at or body.time("time")
        state = found.state.casefold()
        updated = f"{found.updated_at:%Y%m%dT%H%M%S}" if found.updated_at else "-"
        who = body.line("servicePrincipalDisplayName", NAME) or principal
        return Signal(
            source=self.name,
            record_id=f"{found.id}/{updated}/{state}/{found.level}",
            subject=IdentityRef(PrincipalId(principal), ClientId(client) if client else None),
            observed_at=observed,
            summary=one_line(f"Entra detected {found.type} ({found.level}, {found.state}) on “{who}”"),
            facts={
                "detectionId": found.id,
                "riskEventType": found.type,
                "riskLevel": found.level,
                "riskState": found.state,
                "riskDetail": found.detail,
                "keyIds": [*found.key_ids[:20]],
            },
        )
