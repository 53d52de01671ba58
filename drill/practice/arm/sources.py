"""
Services whose credentials lie in vaults: what they are called, what their keys look like, which values work.

A regenerated key is another one from that moment on; where the platform does it in the background, from the
moment when the operation is done. Values are canaries.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from drill.practice.arm.state import LONG_AGO
from drill.practice.chance import Canaries
from drill.practice.shapes import JsonObject
from drill.practice.state import TenantState


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of service. `text` is a connection string's shape; `own` are the keys of each, or of each rule."""

    name: str  # as the scenario calls the list of them
    type: str
    own: tuple[str, ...]
    octets: int
    text: str


STORAGE = Kind(
    "storageAccounts",
    "Microsoft.Storage/storageAccounts",
    ("key1", "key2"),
    64,
    "DefaultEndpointsProtocol=https;AccountName={name};AccountKey={key};EndpointSuffix=core.windows.net",
)
COSMOS = Kind(
    "databaseAccounts",
    "Microsoft.DocumentDB/databaseAccounts",
    ("primary", "secondary", "primaryReadonly", "secondaryReadonly"),
    64,
    "AccountEndpoint=https://{name}.documents.azure.com:443/;AccountKey={key};",
)
_BUS = "Endpoint=sb://{name}.servicebus.windows.net/;SharedAccessKeyName={rule};SharedAccessKey={key}"
_BUS_KEYS = ("PrimaryKey", "SecondaryKey")
SERVICE_BUS = Kind("serviceBusNamespaces", "Microsoft.ServiceBus/namespaces", _BUS_KEYS, 32, _BUS)
EVENT_HUB = Kind("eventHubNamespaces", "Microsoft.EventHub/namespaces", _BUS_KEYS, 32, _BUS)
REDIS = Kind(
    "redisCaches",
    "Microsoft.Cache/redis",
    ("Primary", "Secondary"),
    32,
    "{name}.redis.cache.windows.net:6380,password={key},ssl=True,abortConnect=False",
)
POSTGRES = Kind(
    "postgresServers",
    "Microsoft.DBforPostgreSQL/flexibleServers",
    ("administrator",),
    24,
    "postgresql://keeper:{key}@{name}.postgres.database.azure.com/postgres?sslmode=require",
)
SQL = Kind(
    "sqlServers",
    "Microsoft.Sql/servers",
    ("administrator",),
    24,
    "Server=tcp:{name}.database.windows.net,1433;User ID=keeper;Password={key};Encrypt=True",
)
KINDS = (STORAGE, COSMOS, SERVICE_BUS, EVENT_HUB, REDIS, POSTGRES, SQL)


@dataclass(slots=True)
class Key:
    """One key or password as it is now."""

    value: str = field(repr=False)
    created_at: datetime


@dataclass(slots=True)
class Source:
    """
    One service. Keys of rules are named `RULE/PrimaryKey`, of a rule of a queue, topic or hub
    `queues/NAME/RULE/PrimaryKey`. `busy` is the id of an operation under way.
    """

    kind: Kind
    name: str
    resource_id: str
    keys: dict[str, Key]
    tags: JsonObject = field(default_factory=dict[str, object])
    busy: str | None = None

    @property
    def rules(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name.rpartition("/")[0] for name in self.keys if "/" in name))

    def text(self, key: str) -> str:
        """The connection string with this key."""
        entity, _, rule = key.rpartition("/")[0].rpartition("/")
        text = self.kind.text.format(name=self.name, rule=rule, key=self.keys[key].value)
        return f"{text};EntityPath={entity.partition('/')[2]}" if entity else text


@dataclass(slots=True)
class Operation:
    """Something that the platform does in the background."""

    id: str
    source: str  # ARM id in lower case
    started_at: datetime
    done_at: datetime
    carry_out: Callable[[datetime], None]
    done: bool = False


def fresh_value(canaries: Canaries, octets: int, *, for_urls: bool = False) -> str:
    """A key as these services make them: base64 of so many bytes. A password is part of URLs, so it is fit for them."""

    def shape(canary: str) -> str:
        made = hashlib.shake_256(canary.encode()).digest(octets)
        return (base64.urlsafe_b64encode(made) if for_urls else base64.b64encode(made)).decode()

    return canaries.make(shape)


def new_source(
    state: TenantState, kind: Kind, name: str, resource_id: str, rules: tuple[str, ...], tags: JsonObject
) -> Source:
    names = [f"{rule}/{key}" for rule in rules for key in kind.own] if kind.own == _BUS_KEYS else [*kind.own]
    is_password = names == ["administrator"]
    keys = {each: Key(fresh_value(state.canaries, kind.octets, for_urls=is_password), LONG_AGO) for each in names}
    return Source(kind, name, resource_id, keys, tags)


def settle(state: TenantState) -> None:
    """Finish what has become due in the background."""
    for operation in state.azure.operations.values():
        if not operation.done and operation.done_at <= state.now:
            operation.done = True
            operation.carry_out(operation.done_at)
            state.azure.sources[operation.source].busy = None


def works(state: TenantState, vault: str, secret: str, text: str, living: Sequence[str] | None = None) -> bool:
    """Whether what this secret once was opens anything today. `living` is `living_values`, for who asks often."""
    settle(state)
    origin = state.azure.origins.get((vault, secret), "service")
    if origin == "vault":
        versions = state.vaults[vault].secrets.get(secret, [])
        return any(each.value == text for each in versions if each.attributes.get("enabled", True))
    if origin == "source":
        return any(value in text for value in (living_values(state) if living is None else living))
    return text in state.azure.accepted.get((vault, secret), set())


def living_values(state: TenantState) -> list[str]:
    """Every key, password and client secret that opens something today."""
    keys = [key.value for source in state.azure.sources.values() for key in source.keys.values()]
    return [*keys, *_client_secrets(state)]


def _client_secrets(state: TenantState) -> list[str]:
    """Values of client secrets that the directory still takes."""
    holders = [*state.directory.all("application"), *state.directory.all("servicePrincipal")]
    key_ids = [each["keyId"] for holder in holders for each in holder.state.get("passwordCredentials", [])]
    return [state.secrets[each] for each in key_ids if each in state.secrets]


def shown(source: Source) -> JsonObject:
    """In the scenario's shape, without values."""
    keys = {name: {"value": "***", "creationTime": key.created_at.isoformat()} for name, key in source.keys.items()}
    return {"name": source.name, "id": source.resource_id, "keys": keys}
