"""The catalogue of rotators: every kind of credential in a vault that Cordon can make worthless stands in this list."""

from shared.rotators.cosmos_key import CosmosKey
from shared.rotators.delegated import Delegated
from shared.rotators.disable_version import DisableVersion
from shared.rotators.entra_client_secret import EntraClientSecret
from shared.rotators.event_hub_key import EventHubKey
from shared.rotators.generated_value import GeneratedValue
from shared.rotators.interface import Rotator
from shared.rotators.key_vault_certificate import KeyVaultCertificate
from shared.rotators.postgres_password import PostgresPassword
from shared.rotators.redis_key import RedisKey
from shared.rotators.service_bus_key import ServiceBusKey
from shared.rotators.sql_password import SqlPassword
from shared.rotators.storage_account_key import StorageAccountKey

ROTATORS: tuple[Rotator, ...] = (
    KeyVaultCertificate(),
    EntraClientSecret(),
    StorageAccountKey(),
    CosmosKey(),
    ServiceBusKey(),
    EventHubKey(),
    RedisKey(),
    PostgresPassword(),
    SqlPassword(),
    GeneratedValue(),
    DisableVersion(),
    Delegated(),
)
"""In the order in which they are asked whether a secret is theirs; who serves what nobody else does comes last."""


def rotator_named(name: str) -> Rotator:
    """The rotator with this name; KeyError if the catalogue has none."""
    return {rotator.name: rotator for rotator in ROTATORS}[name]
