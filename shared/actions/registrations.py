"""
Why an action on the application object has none to work on: by name, for every kind of identity.
"""

from shared.case import Holder, IdentityState
from shared.entries import NamedOutcome
from shared.identity import IdentityKind

_WHY = {
    IdentityKind.FOREIGN: (
        "no-application-here",
        "The application is registered in another tenant; only its owner can do this. Tell the publisher.",
    ),
    IdentityKind.MANAGED_IDENTITY: (
        "managed-identity",
        "A managed identity has no application object; Azure rules it. Detach it from its resource instead.",
    ),
    IdentityKind.MICROSOFT: (
        "owned-by-microsoft",
        "The application is Microsoft's own; report it to Microsoft.",
    ),
    IdentityKind.AGENT: (
        "agent-identity",
        "An agent is ruled by its blueprint, with permissions that Cordon does not hold. Block both by hand.",
    ),
}
_ELSEWHERE = ("no-application-here", "There is no application object of this identity in this tenant.")


def ruled_application(action: str, state: IdentityState) -> Holder | NamedOutcome:
    """The application, or by name why this tenant does not rule it."""
    kind = state.identity.kind
    if kind not in _WHY and state.application is not None:
        return state.application
    outcome, reason = _WHY.get(kind, _ELSEWHERE)
    return NamedOutcome(action=action, outcome=outcome, reason=reason)
