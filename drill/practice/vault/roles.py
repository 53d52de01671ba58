"""Azure RBAC roles of Key Vault's data plane (facts: azure 3.3), as sets of operations."""

READ_CERTIFICATES = "certificates/read"
MANAGE_CERTIFICATES = "certificates/manage"
PURGE_CERTIFICATES = "certificates/purge"
LIST_SECRETS = "secrets/readMetadata"
GET_SECRETS = "secrets/getSecret"
SET_SECRETS = "secrets/setSecret"
SIGN = "keys/sign"

_CERTIFICATES = frozenset({READ_CERTIFICATES, MANAGE_CERTIFICATES, PURGE_CERTIFICATES})
_SECRETS = frozenset({LIST_SECRETS, GET_SECRETS, SET_SECRETS})

ROLES: dict[str, frozenset[str]] = {
    "Key Vault Administrator": _CERTIFICATES | _SECRETS | {SIGN},
    "Key Vault Certificates Officer": _CERTIFICATES,
    "Key Vault Secrets Officer": _SECRETS,
    "Key Vault Secrets User": frozenset({GET_SECRETS}),
    "Key Vault Certificate User": frozenset({READ_CERTIFICATES, GET_SECRETS, LIST_SECRETS}),
    "Key Vault Reader": frozenset({READ_CERTIFICATES, LIST_SECRETS}),
    "Key Vault Crypto User": frozenset({SIGN}),
    "Key Vault Crypto Officer": frozenset({SIGN}),
}
ROLE_IDS = {
    "00482a5a-887f-4fb3-b363-3b7fe8e74483": "Key Vault Administrator",
    "a4417e6f-fecd-4de8-b567-7b0420556985": "Key Vault Certificates Officer",
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": "Key Vault Secrets Officer",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "db79e9a7-68ee-4b58-9aeb-b90e7c24fcba": "Key Vault Certificate User",
    "21090545-7ca7-4776-b22c-e363652d74d2": "Key Vault Reader",
    "12338af0-0e69-4776-bea7-57ae8d297424": "Key Vault Crypto User",
    "14b46e9e-c2b7-41b4-b07b-48a6ebf60603": "Key Vault Crypto Officer",
}


def operations_of(role_names: set[str]) -> frozenset[str]:
    return frozenset[str]().union(*(ROLES.get(name, frozenset()) for name in role_names))
