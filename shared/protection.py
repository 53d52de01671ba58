"""
Whom Cordon never touches, whatever policy says. Policy can only add to this list. Pure, but for `synchronises`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared.case import AppRole, CouldNotLook, DirectoryRole, Grants, IdentityState, Known, NotLooked, Part
from shared.identity import ClientId, IdentityKind, IdentityRef, PrincipalId
from shared.look import Look
from shared.policy import Protected
from shared.together import together
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


_MOST_RESOURCES = 5  # that are read one by one
_SETTLED = timedelta(days=7)  # a role that was given later than that protects nobody by itself


@dataclass(frozen=True, slots=True)
class Doubt:
    """Whether an identity is protected could not be told: it is not touched, and a person is asked."""

    why: str
    may_help_later: bool = False  # nobody has to be asked yet


@dataclass(frozen=True, slots=True)
class Question:
    """It carries directory synchronisation, or hides behind that: only a person may decide that it is touched."""

    why: str


async def synchronises(state: IdentityState, look: Look) -> str | Doubt | Question | None:
    """
    As `why_synchronises`, by this look. The one more read is for the few that hold such a role. What is deleted holds
    nothing that could be read, and synchronises nothing.
    """
    if state.deleted_at is not None:
        return None
    grants = await look.grants()
    wanted = sync_resources(grants)
    if len(wanted) > _MOST_RESOURCES:
        return why_synchronises(state, grants, await _told_by_services(wanted, look))
    resources = await together(*(look.other(IdentityRef(PrincipalId(each))) for each in wanted))
    return why_synchronises(state, grants, dict(zip(wanted, resources, strict=True)))


async def _told_by_services(wanted: Sequence[str], look: Look) -> dict[str, Part[IdentityState]]:
    """
    Of many resources it is not asked what each is, but which of them are the services: whoever registered so many
    applications would else be spared for their number.
    """
    clients = sorted(_SYNC_CLIENTS)
    services = await together(*(look.other(IdentityRef(client_id=ClientId(client))) for client in clients))
    known = {each.value.identity.principal_id: each for each in services if isinstance(each, Known)}
    unread = (each for each in services if not isinstance(each, Known) and not _is_gone(each))
    others = next(unread, CouldNotLook("it is none of the services", gone=True))
    return {each: known.get(PrincipalId(each), others) for each in wanted}


def _is_gone(part: CouldNotLook | NotLooked) -> bool:
    return isinstance(part, CouldNotLook) and part.gone


def sync_resources(grants: Part[Grants]) -> tuple[str, ...]:
    """
    The resources of the app roles that bear the id of synchronisation's. Whoever registers an application chooses the
    ids of its roles, so that each of these has to be read: only the service's own role tells anything.
    """
    held = grants.value.app_roles if isinstance(grants, Known) else grants
    roles = held.value if isinstance(held, Known) else ()
    return tuple(dict.fromkeys(role.resource_id for role in roles if role.role_id == _SYNC_APP_ROLE))


def why_synchronises(
    state: IdentityState, grants: Part[Grants], resources: Mapping[str, Part[IdentityState]]
) -> str | Doubt | Question | None:
    """
    Why this identity carries directory synchronisation and is never touched; None if it is known not to. `resources`
    are those of `sync_resources`, as read now.

    Told by ids of clients, app roles and directory roles alone; a name proves nothing.
    """
    if state.identity.client_id in _SYNC_CLIENTS:
        return _SYNCHRONISES
    if not isinstance(grants, Known):
        return _doubt("what it holds", grants)
    app_roles, directory_roles = grants.value.app_roles, grants.value.directory_roles
    found = [
        *(_by_app_role(state, role, resources) for role in (app_roles.value if isinstance(app_roles, Known) else ())),
        *_by_directory_role(grants.value),
    ]
    told = [each for each in found if each is not None]
    certain = next((each for each in told if isinstance(each, str)), None)
    if certain is not None:
        return certain
    if not isinstance(app_roles, Known):
        return _doubt("its app roles", app_roles)
    if not isinstance(directory_roles, Known):
        return _doubt("its directory roles", directory_roles)
    return next((each for each in told if isinstance(each, Doubt)), None) or next(iter(told), None)


def _by_app_role(
    state: IdentityState, role: AppRole, resources: Mapping[str, Part[IdentityState]]
) -> str | Doubt | Question | None:
    if role.role_id != _SYNC_APP_ROLE:
        return None
    on = f"{one_line(role.resource_name, 100)} ({role.resource_id})"
    match resources.get(role.resource_id, NotLooked()):
        case Known(resource) if resource.identity.client_id not in _SYNC_CLIENTS:
            return None  # of somebody's own application, which may call its roles by any id
        case CouldNotLook(gone=True):
            return None
        case NotLooked() | CouldNotLook() as unread:
            return _doubt(f"the service {on}, whose app role {role.role_id} it holds,", unread)
        case Known():
            pass
    if role.created is None:
        return _by_role(f"app role {role.role_id} on {on}, given at a time that Graph does not tell")
    told = f"app role {role.role_id} on {on}, given at {role.created:%Y-%m-%d %H:%M} UTC"
    return _question(told) if state.read_at - role.created < _SETTLED else _by_role(told)


def _by_directory_role(grants: Grants) -> Iterator[str | Question]:
    """Held by the identity itself. Of a group its owners choose the members: that is no more than a hint."""
    for role in grants.directory_roles.value if isinstance(grants.directory_roles, Known) else ():
        if _is_sync_role(role):
            yield _by_role(f"directory role {role.role_id} at {role.scope or role.app_scope}")
    for role in grants.through_groups.value if isinstance(grants.through_groups, Known) else ():
        if _is_sync_role(role):
            yield _question(f"directory role {role.role_id} of group {role.through}")


def _is_sync_role(role: DirectoryRole) -> bool:
    return role.role_id in _SYNC_ROLES and role.built_in is not False


_SYNCHRONISES = "it carries directory synchronisation, and every hybrid identity of the tenant depends on it"


def _by_role(told: str) -> str:
    """Whoever may give roles could hide behind one of these: a person has to see by what it is told."""
    return f"{_SYNCHRONISES}. That is told by {told}; if nobody of yours gave it that, it hides behind it"


def _question(told: str) -> Question:
    return Question(
        "It may carry directory synchronisation, on which every hybrid identity of the tenant depends. That is told "
        f"by {told} alone, which also somebody who hides behind it could have arranged. Nothing was changed"
    )


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
