"""
What a vault tells Event Grid, for whoever has subscribed to its system topic (facts: azure 2.3).

There is an event for a new version, and one when the newest version comes near its expiry; none for reading,
disabling or deleting. Events come late, in any order, and name a version by its URL. The documentation shows
their properties in two spellings, one of them with a blank at the end of a name.
"""

from datetime import timedelta

from drill.practice.shapes import JsonObject, fine_time
from drill.practice.state import TenantState
from drill.practice.vault.state import SecretVersion, Vault

_NEAR = timedelta(days=30)
_NAMES = {
    "pascal": ("Id", "VaultName", "ObjectType", "ObjectName ", "Version", "NBF", "EXP"),
    "camel": ("id", "vaultName", "objectType", "objectName", "version", "nbf", "exp"),
}


def tell_new_version(state: TenantState, vault: Vault, name: str, version: SecretVersion) -> None:
    """A version has come: of a certificate two events, one for each of the two things that it is."""
    if version.managed:
        _tell(state, vault, "Certificate", "NewVersionCreated", name, version)
    _tell(state, vault, "Secret", "NewVersionCreated", name, version)
    tell_if_near_expiry(state, vault, name)


def tell_if_near_expiry(state: TenantState, vault: Vault, name: str) -> None:
    """Once for each version, while it is the newest."""
    newest = vault.secrets[name][-1]
    expires = newest.attributes.get("exp")
    is_near = isinstance(expires, int) and expires <= (state.now + _NEAR).timestamp()
    if is_near and newest.version not in vault.told_near_expiry:
        vault.told_near_expiry.add(newest.version)
        _tell(state, vault, "Secret", "NearExpiry", name, newest)


def _tell(state: TenantState, vault: Vault, kind: str, what: str, name: str, version: SecretVersion) -> None:
    if not vault.tells:
        return
    values = (
        f"{vault.url}/{kind.lower()}s/{name}/{version.version}",
        vault.name,
        kind,
        name,
        version.version,
        version.attributes.get("nbf"),
        version.attributes.get("exp"),
    )
    event: JsonObject = {
        "id": state.chance.guid("vault event"),
        "topic": vault.resource_id,
        "subject": name,
        "eventType": f"Microsoft.KeyVault.{kind}{what}",
        "eventTime": fine_time(state.now),
        "data": dict(zip(_NAMES[state.behaviour.vault_events], values, strict=True)),
        "dataVersion": "1",
        "metadataVersion": "1",
    }
    delay = state.chance.between("vault event", state.behaviour.event_delay)
    for listener in state.listeners:
        listener(event, delay)
