"""The catalogue of conditions: every question that a policy can ask stands in this list."""

from shared.case import PartName
from shared.conditions.audit_activity import AuditShows
from shared.conditions.changed_by_suspect import ChangedBySuspect
from shared.conditions.consent import Consented
from shared.conditions.credential_added import CredentialAdded
from shared.conditions.credential_excess import CredentialExcess
from shared.conditions.credential_exposed import CredentialExposed
from shared.conditions.credential_first_use import FirstUse
from shared.conditions.dangerous_permission import HoldsDangerousPermission
from shared.conditions.declared_change import ExplainedByDeclaration
from shared.conditions.federated_trust_breadth import FederatedTrustTooWide
from shared.conditions.granted_recently import GrantedRecently
from shared.conditions.group_joined import GroupJoined
from shared.conditions.identifier_uri import IdentifierUriSuspect
from shared.conditions.identity_kind import IsOfKind
from shared.conditions.interface import Catalogued, Condition
from shared.conditions.new_sign_in import SignedInAsNever
from shared.conditions.odd_hour import ChangedAtOddHour
from shared.conditions.owner_added import OwnerAdded
from shared.conditions.owners import OwnersSuspect
from shared.conditions.people_at_risk import PeopleAtRisk
from shared.conditions.property_changed import PropertyChanged
from shared.conditions.publisher import PublisherSuspect
from shared.conditions.redirect_uri import RedirectUriSuspect
from shared.conditions.risk_detection import RiskDetected
from shared.conditions.risk_state import RiskListed
from shared.conditions.rogue_application import RogueApplication
from shared.conditions.sign_in_blocked import SignInBlocked
from shared.conditions.sign_in_failures import SignInsFail
from shared.conditions.sign_in_frequency import SignsInMoreOften
from shared.conditions.sign_in_odd_hour import SignsInAtOddHour
from shared.conditions.sign_out_url_changed import SignOutUrlChanged
from shared.conditions.signalled import Signalled
from shared.conditions.token_without_sign_in import TokenWithoutSignIn
from shared.conditions.unnecessary_role import RoleUnnecessary

CONDITIONS: tuple[type[Catalogued], ...] = (
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
    RedirectUriSuspect,
    SignOutUrlChanged,
    IdentifierUriSuspect,
    PublisherSuspect,
    OwnersSuspect,
    SignedInAsNever,
    SignInsFail,
    SignsInMoreOften,
    SignsInAtOddHour,
    PeopleAtRisk,
    Signalled,
    FirstUse,
    RoleUnnecessary,
    TokenWithoutSignIn,
    RogueApplication,
    ChangedBySuspect,
    PropertyChanged,
    OwnerAdded,
    GroupJoined,
)


def condition_named(name: str) -> type[Catalogued] | None:
    """The condition with this name, or None."""
    return {condition.name: condition for condition in CONDITIONS}.get(name)


def reads_of(condition: type[Condition]) -> tuple[str, ...]:
    """The permissions that a condition's parts take to read, beyond those that the reader always has."""
    return tuple(getattr(condition, "reads", ()))


def may_read(condition: type[Condition]) -> tuple[str, ...]:
    """The permissions that a condition takes to read under any settings, beyond those that the reader always has."""
    return (*reads_of(condition), *getattr(condition, "may_read", ()))


def reads_for(leaf: Condition) -> tuple[str, ...]:
    """The permissions that a condition takes as it is set in a policy: some settings ask for more."""
    also = getattr(leaf, "also_reads", None)
    return (*reads_of(type(leaf)), *(also() if also else ()))


def needs_for(leaf: Condition) -> tuple[PartName, ...]:
    """The parts that a condition may ask for as it is set in a policy: some settings ask for more."""
    entry, also = condition_named(leaf.name), getattr(leaf, "also_needs", None)
    return (*(entry.needs if entry else ()), *(also() if also else ()))
