"""
Azure roles: what they let their holder do, as patterns over actions and data actions (facts: azure 3.3).

A `*` stands for any characters, slashes too. What a definition takes away counts for itself alone: another
assignment may give it.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from drill.practice.shapes import JsonObject


@dataclass(frozen=True, slots=True)
class RoleDefinition:
    """One role, built in or custom. `id` is the GUID at the end of its ARM id."""

    id: str
    name: str
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    not_data_actions: tuple[str, ...] = ()
    custom: bool = False

    def gives(self, action: str, *, data: bool) -> bool:
        given, taken = (self.data_actions, self.not_data_actions) if data else (self.actions, self.not_actions)
        return _any(given, action) and not _any(taken, action)

    def shown(self) -> JsonObject:
        """As ARM shows it."""
        return {
            "id": f"/providers/Microsoft.Authorization/roleDefinitions/{self.id}",
            "type": "Microsoft.Authorization/roleDefinitions",
            "name": self.id,
            "properties": {
                "roleName": self.name,
                "type": "CustomRole" if self.custom else "BuiltInRole",
                "description": "",
                "assignableScopes": ["/"],
                "permissions": [
                    {
                        "actions": list(self.actions),
                        "notActions": list(self.not_actions),
                        "dataActions": list(self.data_actions),
                        "notDataActions": list(self.not_data_actions),
                    }
                ],
            },
        }


def _any(patterns: tuple[str, ...], action: str) -> bool:
    return any(_matches(pattern, action) for pattern in patterns)


@lru_cache(maxsize=4096)
def _matches(pattern: str, action: str) -> bool:
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(expression, action, re.IGNORECASE) is not None


_VAULT = "Microsoft.KeyVault/vaults"
_EVERYONE_MAY_ASK = ("Microsoft.Authorization/*/read",)
GIVE_ROLES = "Microsoft.Authorization/roleAssignments/write"
TAKE_ROLES = "Microsoft.Authorization/roleAssignments/delete"
WRITE_VAULTS = f"{_VAULT}/write"
WRITE_POLICIES = f"{_VAULT}/accessPolicies/write"

BUILT_IN: tuple[RoleDefinition, ...] = (
    RoleDefinition("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Owner", ("*",)),
    RoleDefinition(
        "b24988ac-6180-42a0-ab88-20f7382dd24c",
        "Contributor",
        ("*",),
        (
            "Microsoft.Authorization/*/Delete",
            "Microsoft.Authorization/*/Write",
            "Microsoft.Authorization/elevateAccess/Action",
        ),
    ),
    RoleDefinition("acdd72a7-3385-48ef-bd42-f606fba81ae7", "Reader", ("*/read",)),
    RoleDefinition(
        "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9", "User Access Administrator", ("*/read", "Microsoft.Authorization/*")
    ),
    RoleDefinition(
        "f58310d9-a9f6-439a-9e8d-f62e7b41a168",
        "Role Based Access Control Administrator",
        ("*/read", GIVE_ROLES, TAKE_ROLES),
    ),
    RoleDefinition(
        "f25e0fa2-a7c8-4377-a976-54943a77a395",
        "Key Vault Contributor",
        (*_EVERYONE_MAY_ASK, "Microsoft.KeyVault/*"),
        ("Microsoft.KeyVault/locations/deletedVaults/purge/action", "Microsoft.KeyVault/managedHsms/*"),
    ),
    RoleDefinition(
        "8b54135c-b56d-4d72-a534-26097cfdc8d8",
        "Key Vault Data Access Administrator",
        (GIVE_ROLES, TAKE_ROLES, *_EVERYONE_MAY_ASK, f"{_VAULT}/*/read", f"{_VAULT}/read"),
    ),
    RoleDefinition(
        "00482a5a-887f-4fb3-b363-3b7fe8e74483",
        "Key Vault Administrator",
        (*_EVERYONE_MAY_ASK, f"{_VAULT}/*/read", f"{_VAULT}/read"),
        data_actions=(f"{_VAULT}/*",),
    ),
    RoleDefinition(
        "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
        "Key Vault Secrets Officer",
        (*_EVERYONE_MAY_ASK, f"{_VAULT}/*/read", f"{_VAULT}/read"),
        data_actions=(f"{_VAULT}/secrets/*",),
    ),
    RoleDefinition(
        "4633458b-17de-408a-b874-0445c86b69e6",
        "Key Vault Secrets User",
        data_actions=(f"{_VAULT}/secrets/getSecret/action", f"{_VAULT}/secrets/readMetadata/action"),
    ),
    RoleDefinition(
        "a4417e6f-fecd-4de8-b567-7b0420556985",
        "Key Vault Certificates Officer",
        (*_EVERYONE_MAY_ASK, f"{_VAULT}/*/read", f"{_VAULT}/read"),
        data_actions=(f"{_VAULT}/certificates/*", f"{_VAULT}/certificatecas/*"),
    ),
    RoleDefinition(
        "db79e9a7-68ee-4b58-9aeb-b90e7c24fcba",
        "Key Vault Certificate User",
        data_actions=(
            f"{_VAULT}/certificates/read",
            f"{_VAULT}/secrets/getSecret/action",
            f"{_VAULT}/secrets/readMetadata/action",
            f"{_VAULT}/keys/read",
        ),
    ),
    RoleDefinition(
        "21090545-7ca7-4776-b22c-e363652d74d2",
        "Key Vault Reader",
        (*_EVERYONE_MAY_ASK, f"{_VAULT}/*/read", f"{_VAULT}/read"),
        data_actions=(f"{_VAULT}/*/read", f"{_VAULT}/secrets/readMetadata/action"),
    ),
    RoleDefinition(
        "14b46e9e-c2b7-41b4-b07b-48a6ebf60603", "Key Vault Crypto Officer", data_actions=(f"{_VAULT}/keys/*",)
    ),
    RoleDefinition(
        "12338af0-0e69-4776-bea7-57ae8d297424",
        "Key Vault Crypto User",
        data_actions=(f"{_VAULT}/keys/read", f"{_VAULT}/keys/sign/action", f"{_VAULT}/keys/verify/action"),
    ),
    RoleDefinition(
        "73c42c96-874c-492b-b04d-ab87d138a893",
        "Log Analytics Reader",
        ("*/read", "Microsoft.OperationalInsights/workspaces/analytics/query/action"),
        ("Microsoft.OperationalInsights/workspaces/sharedKeys/read",),
    ),
    RoleDefinition(
        "81a9662b-bebf-436f-a333-f67b29880f12",
        "Storage Account Key Operator Service Role",
        ("Microsoft.Storage/storageAccounts/listkeys/action", "Microsoft.Storage/storageAccounts/regeneratekey/action"),
    ),
    RoleDefinition(
        "17d1049b-9a84-46fb-8f53-869881c3d3ab",
        "Storage Account Contributor",
        (*_EVERYONE_MAY_ASK, "Microsoft.Storage/storageAccounts/*"),
    ),
    RoleDefinition(
        "5bd9cd88-fe45-4216-938b-f97437e15450",
        "DocumentDB Account Contributor",
        (*_EVERYONE_MAY_ASK, "Microsoft.DocumentDB/databaseAccounts/*"),
    ),
    RoleDefinition("090c5cfd-751d-490a-894a-3ce6f1109419", "Azure Service Bus Data Owner", ("Microsoft.ServiceBus/*",)),
    RoleDefinition("f526a384-b230-433a-b45c-95f59c4a2dec", "Azure Event Hubs Data Owner", ("Microsoft.EventHub/*",)),
    RoleDefinition(
        "e0f68234-74aa-48ed-b826-c38b57376e17",
        "Redis Cache Contributor",
        (*_EVERYONE_MAY_ASK, "Microsoft.Cache/redis/*"),
    ),
    RoleDefinition(
        "6d8ee4ec-f05a-4a1d-8b00-a9b17e38b437",
        "SQL Server Contributor",
        (*_EVERYONE_MAY_ASK, "Microsoft.Sql/servers/*", "Microsoft.Sql/locations/*/read"),
    ),
)

# What Cordon's identities may do in Azure unless a scenario says otherwise, at the root management group.
ROTATOR = RoleDefinition(
    "c0d0c0de-0000-4000-8000-00000000c0de",
    "Cordon Rotator",
    (
        "Microsoft.Storage/storageAccounts/read",
        "Microsoft.Storage/storageAccounts/listkeys/action",
        "Microsoft.Storage/storageAccounts/regeneratekey/action",
        "Microsoft.DocumentDB/databaseAccounts/read",
        "Microsoft.DocumentDB/databaseAccounts/listKeys/action",
        "Microsoft.DocumentDB/databaseAccounts/regenerateKey/action",
        "Microsoft.DocumentDB/locations/operationsStatus/read",
        "Microsoft.ServiceBus/namespaces/*/read",
        "Microsoft.ServiceBus/namespaces/authorizationRules/*/action",
        "Microsoft.ServiceBus/namespaces/*/authorizationRules/*/action",
        "Microsoft.EventHub/namespaces/*/read",
        "Microsoft.EventHub/namespaces/authorizationRules/*/action",
        "Microsoft.EventHub/namespaces/*/authorizationRules/*/action",
        "Microsoft.Cache/redis/read",
        "Microsoft.Cache/redis/listKeys/action",
        "Microsoft.Cache/redis/regenerateKey/action",
        "Microsoft.DBforPostgreSQL/flexibleServers/read",
        "Microsoft.DBforPostgreSQL/flexibleServers/write",
        "Microsoft.DBforPostgreSQL/locations/*/read",
        "Microsoft.Sql/servers/read",
        "Microsoft.Sql/servers/write",
        "Microsoft.Sql/locations/*/read",
    ),
    custom=True,
)
CORDON: dict[str, tuple[str, ...]] = {
    "reader": ("Reader", "Log Analytics Reader"),
    "executor": ("User Access Administrator", "Key Vault Contributor"),
    "rotator": ("Key Vault Secrets Officer", "Key Vault Certificates Officer", ROTATOR.name),
}
