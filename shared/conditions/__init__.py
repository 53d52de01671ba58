"""The catalogue of conditions: every question that a policy can ask stands in this list."""

from shared.conditions.audit_activity import AuditShows
from shared.conditions.consent import Consented
from shared.conditions.credential_added import CredentialAdded
from shared.conditions.credential_excess import CredentialExcess
from shared.conditions.credential_exposed import CredentialExposed
from shared.conditions.dangerous_permission import HoldsDangerousPermission
from shared.conditions.declared_change import ExplainedByDeclaration
from shared.conditions.federated_trust_breadth import FederatedTrustTooWide
from shared.conditions.granted_recently import GrantedRecently
from shared.conditions.identity_kind import IsOfKind
from shared.conditions.interface import Condition
from shared.conditions.odd_hour import ChangedAtOddHour
from shared.conditions.risk_detection import RiskDetected
from shared.conditions.risk_state import RiskListed
from shared.conditions.sign_in_blocked import SignInBlocked

CONDITIONS: tuple[type[Condition], ...] = (
    RiskDetected,
    RiskListed,
    CredentialAdded,
    AuditShows,
    IsOfKind,
    SignInBlocked,
    CredentialExposed,
    HoldsDangerousPermission,
    CredentialExcess,
    FederatedTrustTooWide,
    GrantedRecently,
    Consented,
    ChangedAtOddHour,
    ExplainedByDeclaration,
)


def condition_named(name: str) -> type[Condition] | None:
    """The condition with this name, or None."""
    return {condition.name: condition for condition in CONDITIONS}.get(name)
