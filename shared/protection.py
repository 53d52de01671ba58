"""
Whom Cordon never touches, whatever policy says. Policy can only add to this list. Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from shared.case import CouldNotLook, Grants, IdentityState, Known, NotLooked, Part
from shared.identity import IdentityKind
from shared.policy import Protected
from shared.untrusted import one_line

# Directory synchronisation, as Microsoft documents it. First-party clients: the synchronisation service, the
# Connect wizard, cloud sync's provisioning (hybrid/connect/authenticate-application-id, cloud sync's Graph how-to).
_SYNC_CLIENTS = frozenset(
    {
        "6bf85cfa-ac8a-4be5-b5de-425a0d0dc016",
        "cb1056e2-e479-49de-ae31-7812af012ed8",
        "1a4721b3-e57f-4451-ae87-ef078703ec94",
    }
)
# Connect's own application in the tenant holds this app role of the synchronisation service:
# ADSynchronization.ReadWrite.All. The ids of app roles are the same in every tenant.
_SYNC_APP_ROLE = "ab43b826-2c7a-4aff-9ecd-d0629d0ca6a9"
# Directory roles (built-in, so template and definition id are one): Directory Synchronization Accounts, On
# Premises Directory Sync Account (role-based-access-control/permissions-reference).
_SYNC_ROLES = frozenset({"d29b2b05-8046-44ba-8758-1e26182fcf32", "a92aed5d-d78a-4d16-b381-09adb37eb3b0"})


@dataclass(frozen=True, slots=True)
class Doubt:
    """Whether an identity is protected could not be told: it is not touched, and a person is asked."""

    why: str
    may_help_later: bool = False  # nobody has to be asked yet


def why_synchronises(state: IdentityState, grants: Part[Grants]) -> str | Doubt | None:
    """
    Why this identity carries directory synchronisation and is never touched; None if it is known not to.

    Told by ids of clients, app roles and directory roles alone; a name proves nothing.
    """
    if state.identity.client_id in _SYNC_CLIENTS:
        return _SYNCHRONISES
    if not isinstance(grants, Known):
        return _doubt("what it holds", grants)
    app_roles, directory_roles = grants.value.app_roles, grants.value.directory_roles
    for role in app_roles.value if isinstance(app_roles, Known) else ():
        if role.role_id == _SYNC_APP_ROLE:
            since = f"{role.created:%Y-%m-%d %H:%M} UTC" if role.created else "a time that Graph does not tell"
            on = f"{one_line(role.resource_name, 100)} ({role.resource_id})"
            return _by_role(f"app role {role.role_id} on {on}, given at {since}")
    for role in directory_roles.value if isinstance(directory_roles, Known) else ():
        if role.role_id in _SYNC_ROLES:
            return _by_role(f"directory role {role.role_id} at {role.scope or role.app_scope}")
    if not isinstance(app_roles, Known):
        return _doubt("its app roles", app_roles)
    if not isinstance(directory_roles, Known):
        return _doubt("its directory roles", directory_roles)
    return None


_SYNCHRONISES = "it carries directory synchronisation, and every hybrid identity of the tenant depends on it"


def _by_role(told: str) -> str:
    """Whoever may give roles could hide behind one of these: a person has to see by what it is told."""
    return f"{_SYNCHRONISES}. That is told by {told}; if nobody of yours gave it that, it hides behind it"


def _doubt(what: str, part: CouldNotLook | NotLooked) -> Doubt:
    said = part.why if isinstance(part, CouldNotLook) else "nobody looked"
    return Doubt(
        f"{what} could not be read ({said}), so it cannot be told whether directory synchronisation depends on it",
        may_help_later=isinstance(part, CouldNotLook) and part.may_help_later,
    )


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
