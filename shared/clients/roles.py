"""
Azure roles and scopes: whether a role gives the values of secrets, and what a scope covers. Pure.

Facts: azure 3.3. A `*` in a pattern stands for anything, slashes too; what a role takes away (notActions) it takes
from itself alone.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from shared.clients.graph_shapes import Unreadable, objects_of, text_of
from shared.estate import VaultSeen
from shared.signal import JsonObject

_VAULT = "microsoft.keyvault/vaults"
# A backup holds the values, and whoever has one can bring it back in a vault of their own.
READ_VALUES = (f"{_VAULT}/secrets/getsecret/action", f"{_VAULT}/secrets/backup/action")
# Who changes what a role allows that it has, or asks for one for a while, gives itself as much.
GIVE_ROLES = (
    "microsoft.authorization/roleassignments/write",
    "microsoft.authorization/roledefinitions/write",
    "microsoft.authorization/roleassignmentschedulerequests/write",
)
# Templates and machines get at secrets of a vault that is open to them; whoever deploys these sees what they got.
DEPLOY = (f"{_VAULT}/deploy/action",)
WRITE_VAULTS = (f"{_VAULT}/write",)
WRITE_POLICIES = (f"{_VAULT}/write", f"{_VAULT}/accesspolicies/write")
_READ_BY_POLICY = frozenset({"get", "all", "backup"})
_GROUPS = "/providers/microsoft.management/managementgroups/"


@dataclass(frozen=True, slots=True)
class Permission:
    """One entry of a role definition's permissions, in lower case."""

    actions: tuple[str, ...]
    not_actions: tuple[str, ...]
    data_actions: tuple[str, ...]
    not_data_actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Role:
    """What a role definition says."""

    name: str
    permissions: tuple[Permission, ...]

    def reads_values(self) -> bool:
        return any(_gives(each.data_actions, each.not_data_actions, READ_VALUES) for each in self.permissions)

    def gives_itself(self, *, rbac: bool) -> bool:
        """
        Whether its holder can take the right to read: by giving roles, also where access policies decide, since
        then it can give itself the role that writes those.
        """
        wanted = GIVE_ROLES if rbac else (*GIVE_ROLES, *WRITE_POLICIES)
        return self._allows(wanted)

    def deploys(self) -> bool:
        """Whether its holder can have a deployment read the secrets of a vault that is open to deployments."""
        return self._allows(DEPLOY)

    def opens_to_deployments(self) -> bool:
        """Whether its holder can open a vault to deployments."""
        return self._allows(WRITE_VAULTS)

    def _allows(self, wanted: tuple[str, ...]) -> bool:
        return any(_gives(each.actions, each.not_actions, wanted) for each in self.permissions)


def read_role(name: str, permissions: Iterable[JsonObject]) -> Role:
    return Role(name, tuple(map(_permission, permissions)))


def _permission(record: JsonObject) -> Permission:
    return Permission(
        *(_texts(record, name) for name in ("actions", "notActions", "dataActions", "notDataActions")),
    )


def _texts(record: JsonObject, name: str) -> tuple[str, ...]:
    value = record.get(name) or []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise Unreadable(f"{name} is not a list of texts")
    return tuple(str(each).lower() for each in value)


def _gives(given: tuple[str, ...], taken: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    """Any of the wanted actions, which are in lower case."""
    return any(_any(given, action) and not _any(taken, action) for action in wanted)


def _any(patterns: tuple[str, ...], action: str) -> bool:
    return any(_pattern(each).fullmatch(action) for each in patterns)


@lru_cache(maxsize=4096)
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")))


def covers(scope: str, vault: VaultSeen, chain: frozenset[str]) -> bool:
    """
    Whether what is given at this scope counts for the vault, or for one secret in it. All in lower case; `chain`
    are the names of the management groups above the vault's subscription.
    """
    place = scope.rstrip("/")
    if place.startswith(_GROUPS):
        return place.removeprefix(_GROUPS) in chain
    return f"{vault.id}/".startswith(f"{place}/") or secret_of(place, vault) is not None


def secret_of(scope: str, vault: VaultSeen) -> str | None:
    """The name of the secret, if the scope is one of this vault's."""
    start = f"{vault.id}/secrets/"
    name = scope.removeprefix(start)
    return name if scope.startswith(start) and name and "/" not in name else None


def policy_reads(entry: JsonObject) -> bool:
    """Whether an entry of a vault's access policies gives values of secrets."""
    return bool(_READ_BY_POLICY & set(policy_permissions(entry)))


def policy_permissions(entry: JsonObject) -> tuple[str, ...]:
    permissions = entry.get("permissions")
    return _texts(permissions, "secrets") if isinstance(permissions, dict) else ()


def policy_holder(entry: JsonObject) -> str | None:
    """Who an entry is for; None if it is for an application on behalf of users, which no identity is by itself."""
    return None if entry.get("applicationId") else text_of(entry, "objectId").lower()


def definitions_of(rows: Iterable[JsonObject]) -> Mapping[str, Role]:
    """Roles by id, from Resource Graph's rows."""
    return {
        text_of(row, "roleId").lower(): read_role(text_of(row, "roleName"), objects_of(row, "permissions"))
        for row in rows
    }
