"""
What Identity Protection says about workload identities: detections and risk states.

Enum members are Graph's (facts: v1.0 CSDL). They grow: a text that is not in these lists is kept as it is
and means "unknown", never "no risk". `hidden` means that the tenant lacks the licence to see it.
"""

from typing import Literal, TypeAlias

from shared.case import RiskDetection, RiskState
from shared.identity import shown_at_sign_in
from shared.signal import JsonObject
from shared.untrusted import Fields, body_of

Level: TypeAlias = Literal["low", "medium", "high", "hidden", "none"]
State: TypeAlias = Literal["none", "confirmedSafe", "remediated", "dismissed", "atRisk", "confirmedCompromised"]
DetectionType: TypeAlias = Literal[
    "investigationsThreatIntelligence",
    "suspiciousSignins",
    "adminConfirmedServicePrincipalCompromised",
    "leakedCredentials",
    "maliciousApplication",
    "suspiciousApplication",
    "anomalousServicePrincipalActivity",
    "suspiciousAPITraffic",
    "generic",
]

CONFIRMED: DetectionType = "adminConfirmedServicePrincipalCompromised"  # also a riskDetail
CONFIRMED_FOLDED = CONFIRMED.casefold()

_SENDER = "identity protection"


def read_detection(record: JsonObject, sender: str = _SENDER) -> RiskDetection:
    """One servicePrincipalRiskDetection, from Graph or from a diagnostic record. Raises MalformedSignal."""
    return detection_in(body_of(record, sender))


def detection_in(body: Fields) -> RiskDetection:
    return RiskDetection(
        id=body.token("id"),
        type=body.token("riskEventType"),
        level=body.token("riskLevel").lower(),  # documents from 2021 say "High"
        state=body.token("riskState"),
        detail=body.optional_token("riskDetail") or "none",
        key_ids=_key_ids(body),
        activity_at=body.optional_time("activityDateTime"),
        detected_at=body.optional_time("detectedDateTime"),
        updated_at=body.optional_time("lastUpdatedDateTime"),
        ip_address=body.line("ipAddress"),
    )


def read_risk_state(record: JsonObject, sender: str = _SENDER) -> RiskState:
    """One riskyServicePrincipal, from Graph or from a diagnostic record. Raises MalformedSignal."""
    return risk_state_in(body_of(record, sender))


def risk_state_in(body: Fields) -> RiskState:
    return RiskState(
        level=body.token("riskLevel").lower(),
        state=body.token("riskState"),
        detail=body.optional_token("riskDetail") or "none",
        updated_at=body.optional_time("riskLastUpdatedDateTime"),
    )


def _key_ids(body: Fields) -> tuple[str, ...]:
    """The credentials that Entra suspects: Graph's keyIds, in the spelling that credentials are compared in."""
    found = body.list("keyIds")
    if not all(isinstance(each, str) and len(each) <= 200 and each.isprintable() for each in found):
        raise body.wrong("keyIds", "is not a list of ids")
    return tuple(key for each in found if (key := shown_at_sign_in(str(each).lower(), None)))
