"""One exposed secret of each kind that a rotator serves, and what tells whether a value still opens its source."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from shared.case import Password
from shared.estate import SecretSeen
from tests.fakes import PAYROLL_CLIENT, START, password, payroll, value_of
from tests.rotators.estate import GROUP, LONG_AGO, REF, World

STORAGE = f"{GROUP}/Microsoft.Storage/storageAccounts/shopdata"
COSMOS = f"{GROUP}/Microsoft.DocumentDB/databaseAccounts/shop-db"
BUS = f"{GROUP}/Microsoft.ServiceBus/namespaces/shop-bus"
HUB = f"{GROUP}/Microsoft.EventHub/namespaces/shop-hub"
REDIS = f"{GROUP}/Microsoft.Cache/redis/shop-cache"
POSTGRES = f"{GROUP}/Microsoft.DBforPostgreSQL/flexibleServers/shop-pg"
SQL = f"{GROUP}/Microsoft.Sql/servers/shop-sql"
ALL_FOUR = ("primary", "secondary", "primaryreadonly", "secondaryreadonly")


@dataclass(frozen=True)
class Kind:
    """`set_up` puts the secret into a world; `live` are the values that open the source now."""

    rotator: str
    set_up: Callable[[World], SecretSeen]
    live: Callable[[World], list[str]]
    form: str = "{}"


def _keyed(name: str, address: str, key: str, form: str, keys: tuple[str, ...], *, times: bool = True) -> Kind:
    resource = address.lower()

    def set_up(world: World) -> SecretSeen:
        source = world.sources.has(resource, *keys, tells_times=times)
        tags = {"ProviderAddress": address, "CredentialId": key, "owner": "shop team"}
        return world.vaults.store(REF, form.format(source.keys[key.lower()][0]), tags=tags)

    return Kind(name, set_up, lambda world: [value for value, _ in world.sources.held[resource].keys.values()], form)


def _server(name: str, address: str, form: str) -> Kind:
    resource = address.lower()

    def set_up(world: World) -> SecretSeen:
        tags = {"cordon-secret": "shop/other, SHOP/conn"}
        source = world.sources.has(resource, "administrator", tags=tags, login="keeper")
        source.keys["administrator"] = ("S3cret-of-the-keeper", LONG_AGO)
        return world.vaults.store(REF, form.format("S3cret-of-the-keeper"), tags={"ProviderAddress": address})

    return Kind(name, set_up, lambda world: [world.sources.held[resource].keys["administrator"][0]], form)


def _client_secret(world: World) -> SecretSeen:
    state = payroll(application=[replace(password(1), start=LONG_AGO, end=START + timedelta(days=30)), password(2)])
    assert state.application is not None
    tagged = replace(state.application, tags=("HideApp", "cordon-secret:shop/conn"))
    world.directory.state = replace(state, application=tagged)
    tags = {"ProviderAddress": PAYROLL_CLIENT.upper(), "CredentialId": password(1).key_id}
    return world.vaults.store(REF, value_of(password(1)), tags=tags)


def _client_secrets(world: World) -> list[str]:
    held: list[Password] = [p for holder in world.directory.state.holders for p in holder.passwords]
    return [value_of(each) for each in held]


def _certificate(world: World) -> SecretSeen:
    return world.vaults.store(REF, "PFX 1", managed=True, content_type="application/x-pkcs12")


def _generated(world: World) -> SecretSeen:
    return world.vaults.store(REF, "h" * 64, tags={"cordon-rotate": "generated", "cordon-alphabet": "hex"})


def _given_out(world: World) -> list[str]:
    """Where the vault is the source: what it gives out."""
    return [value for version, value in world.vaults.held[REF] if version.enabled]


KINDS = (
    _keyed(
        "storage-account-key",
        STORAGE,
        "key1",
        "DefaultEndpointsProtocol=https;AccountName=shopdata;AccountKey={};EndpointSuffix=core.windows.net",
        ("key1", "key2"),
    ),
    _keyed("cosmos-key", COSMOS, "PrimaryReadonly", "{}", ALL_FOUR),
    _keyed(
        "service-bus-key",
        f"{BUS}/AuthorizationRules/sender",
        "Primary",
        "Endpoint=sb://shop-bus.servicebus.windows.net/;SharedAccessKeyName=sender;SharedAccessKey={};EntityPath=orders",
        ("primary", "secondary"),
        times=False,
    ),
    _keyed(
        "event-hub-key",
        f"{HUB}/eventhubs/clicks/authorizationRules/Reader",
        "secondary",
        "Endpoint=sb://shop-hub.servicebus.windows.net/;SharedAccessKeyName=Reader;SharedAccessKey={}",
        ("primary", "secondary"),
        times=False,
    ),
    _keyed(
        "redis-key",
        REDIS,
        "Primary",
        "shop-cache.redis.cache.windows.net:6380,password={},ssl=True,abortConnect=False",
        ("primary", "secondary"),
        times=False,
    ),
    _server(
        "postgres-password",
        POSTGRES,
        "postgresql://keeper:{}@shop-pg.postgres.database.azure.com/postgres?sslmode=require",
    ),
    _server(
        "sql-password", SQL, "Server=tcp:shop-sql.database.windows.net,1433;User ID=keeper;Password={};Encrypt=True"
    ),
    Kind("entra-client-secret", _client_secret, _client_secrets),
    Kind("key-vault-certificate", _certificate, _given_out),
    Kind("generated-value", _generated, _given_out),
)


def kind(name: str) -> Kind:
    return next(each for each in KINDS if each.rotator == name)


def best_proof(rotator: str) -> str:
    """What a rotation that went well comes to: nobody sees who trusts an old certificate by itself."""
    return "unknown" if rotator == "key-vault-certificate" else "held"
