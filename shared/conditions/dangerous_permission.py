"""Does the identity hold a permission that does harm in the wrong hands?"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from pydantic import ConfigDict

from shared.audit_grants import GRANT_KINDS, GrantKind
from shared.case import AppRole, Case, CouldNotLook, DelegatedGrant, DirectoryRole, Grants, Known, NotLooked, PartName
from shared.conditions.interface import Finding, Met, NotMet, unknown
from shared.conditions.settings import SETTINGS, Flag, Several, utc
from shared.privileges import VERSION, Privilege, Tier, app_role, directory_role, scopes

Held: TypeAlias = tuple[Privilege, str]  # and how it holds it, in words


@dataclass(frozen=True, slots=True)
class HoldsDangerousPermission:
    """
    Met when the identity itself holds a permission of these tiers (tier-0 alone where nothing is said): an app
    role, a delegated scope, or a directory role over the whole tenant. `escalates: true` asks for those whose holder
    can make itself Global Administrator. Roles that come through a group are not seen. What a tier holds is in
    Cordon's catalogue of permissions, which has a version; a permission that is not in it counts as harmless.
    """

    name: ClassVar[str] = "dangerous-permission"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.GRANTS,)
    unknown_when: ClassVar[str] = "one of the lists that it asks for could not be read, and nothing is in the others"
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
        for kind in self.kinds:
            held = _list_of(part.value, kind)
            if not isinstance(held, Known):
                unread = unread or held
                continue
            for item in held.value:
                for privilege, how in _privileges(item):
                    if self._counts(privilege):
                        return Met(told(privilege, how))
        if unread is not None:
            return unknown(PartName.GRANTS, unread)
        return NotMet(f"it holds nothing of {', '.join(self.tiers)} (catalogue {VERSION})")

    def _counts(self, privilege: Privilege) -> bool:
        return privilege.tier in self.tiers and (not self.escalates or privilege.path is not None)


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


def _list_of(grants: Grants, kind: GrantKind) -> _Items:
    match kind:
        case "app-role":
            return grants.app_roles
        case "delegated":
            return grants.delegated
        case "directory-role":
            return grants.directory_roles


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
            if item.scope in (None, "/") and item.app_scope in (None, "/") and (found := directory_role(item.role_id)):
                yield found, "as a directory role over the whole tenant"
