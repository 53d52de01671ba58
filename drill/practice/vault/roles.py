"""
What Key Vault's data plane asks for: data actions where Azure roles decide, and the permissions of access
policies that stand for the same (facts: azure 3.3).
"""

_VAULT = "Microsoft.KeyVault/vaults"

LIST_SECRETS = f"{_VAULT}/secrets/readMetadata/action"
GET_SECRETS = f"{_VAULT}/secrets/getSecret/action"
SET_SECRETS = f"{_VAULT}/secrets/setSecret/action"
UPDATE_SECRETS = f"{_VAULT}/secrets/update/action"
DELETE_SECRETS = f"{_VAULT}/secrets/delete"
RECOVER_SECRETS = f"{_VAULT}/secrets/recover/action"
PURGE_SECRETS = f"{_VAULT}/secrets/purge/action"
BACK_UP_SECRETS = f"{_VAULT}/secrets/backup/action"
READ_CERTIFICATES = f"{_VAULT}/certificates/read"
CREATE_CERTIFICATES = f"{_VAULT}/certificates/create/action"
UPDATE_CERTIFICATES = f"{_VAULT}/certificates/update/action"
DELETE_CERTIFICATES = f"{_VAULT}/certificates/delete"
RECOVER_CERTIFICATES = f"{_VAULT}/certificates/recover/action"
PURGE_CERTIFICATES = f"{_VAULT}/certificates/purge/action"

# Kind of object and permission of an access policy's entry. Changing attributes is `set` there.
BY_POLICY: dict[str, tuple[str, frozenset[str]]] = {
    LIST_SECRETS: ("secrets", frozenset({"list"})),
    GET_SECRETS: ("secrets", frozenset({"get"})),
    SET_SECRETS: ("secrets", frozenset({"set"})),
    UPDATE_SECRETS: ("secrets", frozenset({"set"})),
    DELETE_SECRETS: ("secrets", frozenset({"delete"})),
    RECOVER_SECRETS: ("secrets", frozenset({"recover"})),
    PURGE_SECRETS: ("secrets", frozenset({"purge"})),
    BACK_UP_SECRETS: ("secrets", frozenset({"backup"})),
    READ_CERTIFICATES: ("certificates", frozenset({"get", "list"})),
    CREATE_CERTIFICATES: ("certificates", frozenset({"create"})),
    UPDATE_CERTIFICATES: ("certificates", frozenset({"update"})),
    DELETE_CERTIFICATES: ("certificates", frozenset({"delete"})),
    RECOVER_CERTIFICATES: ("certificates", frozenset({"recover"})),
    PURGE_CERTIFICATES: ("certificates", frozenset({"purge"})),
}
