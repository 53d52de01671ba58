"""
The management calls of the services whose credentials lie in vaults: what keys there are, a new one, a new
password. Facts: azure 4. Making a key new is not idempotent: it is sent once.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shared.clients.arm import Arm, Call
from shared.clients.azure_answers import readable
from shared.clients.graph_shapes import Unreadable, objects_of, optional_text_of, text_of
from shared.errors import OutcomeUnknown, PlatformRefused
from shared.estate import SecretValue
from shared.signal import JsonObject, JsonValue

_ID = r"/subscriptions/[0-9a-z-]{1,64}/resourcegroups/[^/]{1,90}/providers/"
_NAME = r"[0-9a-z.-]{1,80}"
_RULE = r"(?:/(?:queues|topics|eventhubs)/[^/]{1,260})?/authorizationrules/[0-9a-z._-]{1,256}"
_PRINT = 16  # hexadecimal digits: they tell two keys apart, and bring nobody nearer to a key of 256 random bits
ROOT_RULE = "RootManageSharedAccessKey"

_Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Kind:
    """
    One kind of service. `keys` are the names by which a new key is asked for, with the property of listKeys'
    answer that holds its value; `asked` is the body's property that names the key. Without keys there is one
    administrator, whose password is set.
    """

    type: str
    version: str
    role: str
    tail: str = ""  # of the id, as a pattern
    regenerate: str = ""
    asked: str = ""
    keys: Mapping[str, str] | None = None


_BUS_KEYS = {"PrimaryKey": "primaryKey", "SecondaryKey": "secondaryKey"}
KINDS: Mapping[str, Kind] = {
    "storage": Kind(
        "microsoft.storage/storageaccounts",
        "2026-09-01",
        "the role Storage Account Key Operator Service Role on the storage account",
        regenerate="/regenerateKey",
        asked="keyName",
        keys={"key1": "key1", "key2": "key2"},
    ),
    "cosmos": Kind(
        "microsoft.documentdb/databaseaccounts",
        "2026-03-15",
        "the role DocumentDB Account Contributor on the Cosmos account",
        regenerate="/regenerateKey",
        asked="keyKind",
        keys={
            "primary": "primaryMasterKey",
            "secondary": "secondaryMasterKey",
            "primaryReadonly": "primaryReadonlyMasterKey",
            "secondaryReadonly": "secondaryReadonlyMasterKey",
        },
    ),
    "service-bus": Kind(
        "microsoft.servicebus/namespaces",
        "2026-01-01",
        "the role Azure Service Bus Data Owner on the namespace",
        tail=f"(?:{_RULE})?",
        regenerate="/regenerateKeys",
        asked="keyType",
        keys=_BUS_KEYS,
    ),
    "event-hub": Kind(
        "microsoft.eventhub/namespaces",
        "2026-01-01",
        "the role Azure Event Hubs Data Owner on the namespace",
        tail=f"(?:{_RULE})?",
        regenerate="/regenerateKeys",
        asked="keyType",
        keys=_BUS_KEYS,
    ),
    "redis": Kind(
        "microsoft.cache/redis",
        "2024-11-01",
        "the role Redis Cache Contributor on the cache",
        regenerate="/regenerateKey",
        asked="keyType",
        keys={"Primary": "primaryKey", "Secondary": "secondaryKey"},
    ),
    "postgres": Kind(
        "microsoft.dbforpostgresql/flexibleservers",
        "2026-10-01",
        "Microsoft.DBforPostgreSQL/flexibleServers/write on the server",
    ),
    "sql": Kind("microsoft.sql/servers", "2025-01-01", "the role SQL Server Contributor on the server"),
}
_CREATED: Mapping[str, Callable[[JsonObject, str], str | None]] = {
    "storage": lambda properties, key: optional_text_of(_object(properties, "keyCreationTime"), key),
    "cosmos": lambda properties, key: optional_text_of(
        _object(_object(properties, "keysMetadata"), KINDS["cosmos"].keys[key]),  # type: ignore[index]
        "generationTime",
    ),
}


class AzureSources:
    """See `shared.estate.Sources`. Goes through the rotator identity."""

    def __init__(self, arm: Arm) -> None:
        self._arm = arm

    async def read(self, resource: str, what: str) -> JsonObject:
        """
        See `Sources`: `{"id", "keys": {name: {"created": …, "print": …}}}`, or `{"id", "administrator"}` of a
        database server. `created` is null where the service tells no time; then `print`, which is null elsewhere,
        changes with the key.
        """
        place = _place(resource, what, f"reading the keys of {what}")
        if what in _CREATED:
            properties = await self._properties(place)
            return {"id": resource, "keys": readable(place.doing, lambda: _by_time(place, properties))}
        if place.kind.keys:
            values = await self._values(place)
            return {"id": resource, "keys": {name: _printed(value) for name, value in values.items()}}
        properties = await self._properties(place)
        return {"id": resource, "administrator": optional_text_of(properties, "administratorLogin")}

    async def regenerate(self, resource: str, what: str, key: str) -> SecretValue:
        """See `Sources`. Where the service takes its time, its end is waited for."""
        place = _place(resource, what, f"making a new key of {what}", key)
        body: JsonObject = {place.kind.asked: place.key}
        answer = await self._arm.write_once("POST", place.call(place.kind.regenerate), body, bears_secret=True)
        try:
            values = _read_values(place, answer) if _holds_keys(answer) else await self._values(place)
        except Exception as error:
            raise OutcomeUnknown(place.doing, f"it was made, and could not be read: {type(error).__name__}") from None
        return SecretValue(values[place.key])

    async def current(self, resource: str, what: str, key: str) -> SecretValue:
        """See `Sources`."""
        place = _place(resource, what, f"reading a key of {what}", key)
        return SecretValue((await self._values(place))[place.key])

    async def set_password(self, resource: str, what: str, value: SecretValue) -> None:
        """See `Sources`."""
        place = _place(resource, what, f"setting the administrator's password of {what}")
        if place.kind.keys:
            raise PlatformRefused(doing=place.doing, code="no-password", why="this service has keys, and no password.")
        body: JsonObject = {"properties": {"administratorLoginPassword": value.reveal()}}
        await self._arm.write("PATCH", place.call(), body, bears_secret=True)

    async def _properties(self, place: "_Place") -> JsonObject:
        body = await self._arm.get(place.call())
        return readable(place.doing, lambda: _object(body, "properties"))

    async def _values(self, place: "_Place") -> _Values:
        return _read_values(place, await self._arm.ask(place.call("/listKeys"), bears_secret=True))


@dataclass(frozen=True, slots=True)
class _Place:
    """One service, checked; `key` is spelled as the service does."""

    resource: str
    kind: Kind
    doing: str
    key: str = ""

    def call(self, tail: str = "") -> Call:
        return Call(self.resource, self.kind.version, self.doing, self.kind.role, tail)


def _place(resource: str, what: str, doing: str, key: str | None = None) -> _Place:
    """`resource` and `key` come from a tag, so they are text: only what such a service can be called is let through."""
    kind = KINDS.get(what)
    if kind is None:
        raise PlatformRefused(doing=doing, code="unknown-source", why="there is no such kind of source.")
    if not re.fullmatch(f"{_ID}{re.escape(kind.type)}/{_NAME}{kind.tail}", resource.lower()):
        raise PlatformRefused(doing=doing, code="bad-id", why=f"this is not the ARM id of a {kind.type}.")
    rule, name = _rule_and_name(kind, resource.lower(), key)
    if key is not None and name is None:
        raise PlatformRefused(doing=doing, code="bad-key", why=f"a {kind.type} has no key of this name.")
    return _Place(resource.lower() + rule, kind, doing, name or "")


def _rule_and_name(kind: Kind, resource: str, key: str | None) -> tuple[str, str | None]:
    """
    Keys of a namespace belong to one of its rules: the id's own, else the one that the key names (RULE/KEY), else
    the one that every namespace is made with.
    """
    rule, _, plain = (key or "").rpartition("/")
    name = next((each for each in kind.keys or () if each.lower() == plain.lower()), None)
    if not kind.tail or "/authorizationrules/" in resource:
        return "", name if not rule else None
    if rule and not re.fullmatch(r"[0-9A-Za-z._-]{1,256}", rule):
        return "", None
    return f"/authorizationRules/{rule or ROOT_RULE}", name


def _object(record: JsonObject, name: str) -> JsonObject:
    value = record.get(name)
    if not isinstance(value, dict):
        raise Unreadable(f"{name} is not there")
    return value


def _by_time(place: _Place, properties: JsonObject) -> JsonObject:
    what = next(name for name, kind in KINDS.items() if kind is place.kind)
    return {name: {"created": _CREATED[what](properties, name), "print": None} for name in place.kind.keys or ()}


def _printed(value: str) -> JsonValue:
    return {"created": None, "print": hashlib.sha256(value.encode()).hexdigest()[:_PRINT]}


def _holds_keys(answer: JsonObject) -> bool:
    return "keys" in answer or "primaryKey" in answer


def _read_values(place: _Place, answer: JsonObject) -> _Values:
    """The values by the names of the keys; storage lists them, the others have a property for each."""
    keys = place.kind.keys or {}

    def read() -> _Values:
        if place.kind is KINDS["storage"]:
            listed = {text_of(each, "keyName"): text_of(each, "value") for each in objects_of(answer, "keys")}
            return {name: text_of(dict(listed), name) for name in keys}
        return {name: text_of(answer, shown) for name, shown in keys.items()}

    return readable(place.doing, read)
