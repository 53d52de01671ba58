"""
What Cordon does comes back as news. It must neither open an incident nor set one off again.

An audit record names who acted. Identity Protection does not: a confirmation as compromised looks alike
whoever made it. So it is never news from there; when a person confirms, the audit log says so and names
them, and that record counts.
"""

from collections.abc import Collection

from shared.risk import CONFIRMED_FOLDED
from shared.signal import JsonValue, Signal

_RISK_SOURCES = ("risk-detection", "risky-service-principal")


def is_own_doing(signal: Signal, own_ids: Collection[str]) -> bool:
    """Whether a signal tells of Cordon's own act. `own_ids`: client ids and object ids, in lower case."""
    if signal.source in _RISK_SOURCES:
        return is_confirmation(signal)
    initiator = signal.facts.get("initiatedBy")
    if signal.source != "directory-audit" or not isinstance(initiator, dict):
        return False
    return any(initiator.get(name) in own_ids for name in ("servicePrincipalId", "appId") if initiator.get(name))


def is_confirmation(signal: Signal) -> bool:
    """
    Whether it says that somebody confirmed the compromise. Where the request did not ask for newer enum
    members, the detail reads `unknownFutureValue`, and only the state tells.
    """
    facts = signal.facts
    if CONFIRMED_FOLDED in (_folded(facts.get("riskEventType")), _folded(facts.get("riskDetail"))):
        return True
    state, detail = _folded(facts.get("riskState")), _folded(facts.get("riskDetail"))
    return state == "confirmedcompromised" and detail == "unknownfuturevalue"


def _folded(value: JsonValue) -> str:
    return value.casefold() if isinstance(value, str) else ""
