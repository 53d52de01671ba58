"""Does the identity hold a permission that does harm in the wrong hands?"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from pydantic import ConfigDict

from shared.audit_grants import GRANT_KINDS, GrantKind
from shared.case import AppRole, Case, CouldNotLook, DelegatedGrant, DirectoryRole, Grants, Known, NotLooked, PartName
from shared.conditions.interface import Finding, Met, NotMet, Unknown, unknown
from shared.conditions.settings import SETTINGS, Flag, Several, utc
from shared.privileges import VERSION, Privilege, Tier, Ungraded, app_role, role_held, scopes

Held: TypeAlias = tuple[Privilege, str]  # and how it holds it, in words


@dataclass(frozen=True, slots=True)
class HoldsDangerousPermission:
    """
    Met when the identity itself holds a permission of these tiers (tier-0 alone where nothing is said): an app
    role, a delegated scope, or a directory role over the whole tenant. `escalates: true` asks for those whose holder
    can make itself Global Administrator. A role of the tenant's own is graded by what its definition allows. One over a
    part of the tenant alone (an application, a group, an administrative unit) is unknown where it would count over all
    of it: what that part leads to is not looked up. Roles of the
    groups that it is in count, at whatever depth; one that may only be taken (Privileged Identity Management) is not
    seen. What a tier holds is
    in Cordon's catalogue of permissions, which has a version; a permission that is not in it counts as harmless.
    """

    name: ClassVar[str] = "dangerous-permission"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.GRANTS,)
    unknown_when: ClassVar[str] = (
        "one of the lists that it asks for could not be read, and nothing is in the others; it is not told what a role "
        "of the tenant's own allows; or a role reaches a part of the tenant only"
    )
    reads: ClassVar[tuple[str, ...]] = ("Directory.Read.All",)  # of delegated permissions
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    tiers: Several[Tier] = (Tier.ZERO,)
    """How far a permission reaches."""
    kinds: Several[GrantKind] = GRANT_KINDS
    """How it is held."""
    escalates: Flag = False
    """Only those whose holder can make itself Global Administrator."""

    def check(self, case: Case) -> Finding:
        part = case.grants
        if not isinstance(part, Known):
            return unknown(PartName.GRANTS, part)
        unread: CouldNotLook | NotLooked | None = None
        doubt: str | None = None
        for held in (each for kind in self.kinds for each in _lists_of(part.value, kind)):
            if not isinstance(held, Known):
                unread = unread or held
                continue
            for item in held.value:
                for privilege, how in _privileges(item):
                    if self._counts(privilege):
                        return Met(told(privilege, how))
                doubt = doubt or self._doubt(item)
        if unread is not None:
            return unknown(PartName.GRANTS, unread)
        if doubt:
            return Unknown(doubt)
        return NotMet(f"it holds nothing of {', '.join(self.tiers)} (catalogue {VERSION})")

    def _doubt(self, item: "_Item") -> str | None:
        """Why a directory role may be one of these although it is not known to be."""
        if not isinstance(item, DirectoryRole):
            return None
        held = graded(item)
        if isinstance(held, Ungraded):
            return f"it holds {held.why}"
        if held is None or is_whole(item) or not self._counts(held):
            return None
        part = item.scope if item.scope not in (None, "/") else item.app_scope
        return f"it holds {held.name} ({held.tier}) over {part} only, and what that leads to is not looked up"

    def _counts(self, privilege: Privilege) -> bool:
        return privilege.tier in self.tiers and (not self.escalates or privilege.path is not None)


def graded(role: DirectoryRole) -> Privilege | Ungraded | None:
    return role_held(role.role_id, role.role_name, role.built_in, role.actions)


def is_whole(role: DirectoryRole) -> bool:
    """Whether it reaches the whole tenant."""
    return role.scope in (None, "/") and role.app_scope in (None, "/")


def told(privilege: Privilege, how: str) -> str:
    """A privilege as a reason: what it is, how it is held, and where it leads."""
    path = f"; with it one {privilege.path}" if privilege.path and privilege.path != "is it" else ""
    return f"it holds {privilege.name} ({privilege.tier}), {how}{path} (catalogue {VERSION})"


_Item: TypeAlias = AppRole | DelegatedGrant | DirectoryRole
_Items: TypeAlias = (
    Known[tuple[AppRole, ...]]
    | Known[tuple[DelegatedGrant, ...]]
    | Known[tuple[DirectoryRole, ...]]
    | CouldNotLook
    | NotLooked
)


def _lists_of(grants: Grants, kind: GrantKind) -> tuple[_Items, ...]:
    match kind:
        case "app-role":
            return (grants.app_roles,)
        case "delegated":
            return (grants.delegated,)
        case "directory-role":
            return grants.directory_roles, grants.through_groups


def _privileges(item: _Item) -> Iterator[Held]:
    match item:
        case AppRole():
            if found := app_role(item.role_id):
                since = f" since {utc(item.created)}" if item.created else ""
                yield found, f"as an application on “{item.resource_name}”{since}"
        case DelegatedGrant():
            whom = "everybody's name" if item.consent_type == "AllPrincipals" else f"the name of user {item.user_id}"
            yield from ((each, f"in {whom}") for each in scopes(item.scope))
        case DirectoryRole():
            found = graded(item)
            if is_whole(item) and isinstance(found, Privilege):
                group = f" through group {item.through}" if item.through else ""
                yield found, f"as a directory role over the whole tenant{group}"
