"""
Whom Cordon never touches, whatever policy says. Policy can only add to this list. Pure.
"""

from collections.abc import Iterable

from shared.case import IdentityState
from shared.identity import IdentityKind
from shared.policy import Protected


def why_protected(state: IdentityState, protected: Iterable[Protected], own_ids: frozenset[str]) -> str | None:
    """Why this identity is never touched, or None. Compared are ids, never names."""
    identity = state.identity
    if identity.kind is IdentityKind.MICROSOFT:
        return "it belongs to Microsoft; report it to Microsoft and block it by hand if you must"
    return why_ids_protected((identity.principal_id, identity.client_id, identity.app_object_id), protected, own_ids)


def why_ids_protected(
    known: Iterable[str | None], protected: Iterable[Protected], own_ids: frozenset[str]
) -> str | None:
    """The same by ids alone, for a plan that stands already."""
    ids = set(known)
    if ids & own_ids:
        return "it is one of Cordon's own identities"
    for entry in protected:
        if entry.id in ids:
            return f"the policy protects it ({entry.reason})"
    return None
