"""
The management calls of the services whose credentials lie in vaults: what keys there are, a new one, a new
password. Facts: azure 4. Making a key new is not idempotent: it is sent once.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.case import Part
from shared.clients.arm import Arm, Call
from shared.clients.azure_answers import as_part, readable
from shared.clients.graph_shapes import Unreadable, objects_of, optional_text_of, text_of
from shared.clients.resource_graph import ResourceGraph
from shared.clock import Clock
from shared.errors import CordonError, OutcomeUnknown, PlatformRefused
from shared.estate import SOURCE_KEYS, DatedKey, SecretValue
from shared.signal import JsonObject
from shared.together import together

_LISTED_FOR = timedelta(minutes=5)
_GROUP = r"[0-9a-z_()-](?:[0-9a-z._()-]{0,88}[0-9a-z_()-])?"
_ID = rf"/subscriptions/[0-9a-z-]{{1,64}}/resourcegroups/{_GROUP}/providers/"
_NAME = r"/[0-9a-z][0-9a-z.-]{0,79}"
_WORD = r"[0-9a-z][0-9a-z._-]{0,259}"
_RULE = rf"(?:/(?:queues|topics|eventhubs)/{_WORD})?/authorizationrules/{_WORD}"


@dataclass(frozen=True, slots=True)
class Kind:
    """
    One kind of service. `new` is the call that makes a key new, `asked` the property of its body that names the
    key, and `keys` gives for our word of a key the service's, with the property that holds its value. `created`
    is the property that tells when keys were made. Without keys there is one administrator, whose password is set.
    """

    type: str
    version: str
    role: str
    tail: str = ""
    new: str = "/regenerateKey"
    asked: str = "keyType"
    keys: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    created: str | None = None


_DATABASE = {
    "primary": ("primary", "primaryMasterKey"),
    "secondary": ("secondary", "secondaryMasterKey"),
    "primaryreadonly": ("primaryReadonly", "primaryReadonlyMasterKey"),
    "secondaryreadonly": ("secondaryReadonly", "secondaryReadonlyMasterKey"),
}
_BUS = {"primary": ("PrimaryKey", "primaryKey"), "secondary": ("SecondaryKey", "secondaryKey")}
KINDS: Mapping[str, Kind] = {
    "storage": Kind(
        "microsoft.storage/storageaccounts",
        "2026-09-01",
        "the roles Reader and Storage Account Key Operator Service Role on the storage account",
        asked="keyName",
        keys={"key1": ("key1", "key1"), "key2": ("key2", "key2")},
        created="keyCreationTime",
    ),
    "cosmos": Kind(
        "microsoft.documentdb/databaseaccounts",
        "2026-03-15",
        "the role DocumentDB Account Contributor on the Cosmos account",
        asked="keyKind",
        keys=_DATABASE,
        created="keysMetadata",
    ),
    "service-bus": Kind(
        "microsoft.servicebus/namespaces",
        "2026-01-01",
        "the role Azure Service Bus Data Owner on the namespace",
        tail=_RULE,
        new="/regenerateKeys",
        keys=_BUS,
    ),
    "event-hub": Kind(
        "microsoft.eventhub/namespaces",
        "2026-01-01",
        "the role Azure Event Hubs Data Owner on the namespace",
        tail=_RULE,
        new="/regenerateKeys",
        keys=_BUS,
    ),
    "redis": Kind(
        "microsoft.cache/redis",
        "2024-11-01",
        "the role Redis Cache Contributor on the cache",
        keys={"primary": ("Primary", "primaryKey"), "secondary": ("Secondary", "secondaryKey")},
    ),
    "postgres": Kind(
        "microsoft.dbforpostgresql/flexibleservers",
        "2026-10-01",
        "a role with Microsoft.DBforPostgreSQL/flexibleServers/read and write on the server",
    ),
    "sql": Kind("microsoft.sql/servers", "2025-01-01", "the role SQL Server Contributor on the server"),
}


class AzureSources:
    """See `shared.estate.Sources`. `arm` goes as the rotator identity, `graph` as the reader."""

    def __init__(self, arm: Arm, graph: ResourceGraph, clock: Clock) -> None:
        self._arm, self._graph, self._clock = arm, graph, clock
        self._listed: dict[str, tuple[datetime, Mapping[str, tuple[str, ...]]]] = {}
        self._listing = asyncio.Lock()

    async def named(self, name: str, what: str) -> Part[tuple[str, ...]]:
        """See `Sources`. One list of a kind serves all who ask within a few minutes: no name gets into a question."""
        return await as_part(self._named(name.lower(), KINDS[what]))

    async def _named(self, name: str, kind: Kind) -> tuple[str, ...]:
        async with self._listing:
            at, names = self._listed.get(kind.type, (None, None))
            if at is None or names is None or self._clock() - at > _LISTED_FOR:
                rows = await self._graph.services(kind.type)
                names = readable(f"listing what there is of {kind.type}", lambda: _by_name(rows))
                self._listed[kind.type] = (self._clock(), names)
        return names.get(name, ())

    async def read(self, resource: str, what: str) -> JsonObject:
        """See `Sources`."""
        place = _place(resource, what, f"reading what is there of a {what} source")
        body = await self._arm.get(place.call())

        def read() -> JsonObject:
            created: JsonObject = {name: {"created": _created(place, body, name)} for name in SOURCE_KEYS[what]}
            shown: JsonObject = {"id": resource.lower(), "keys": created}
            if not place.kind.keys:
                shown["login"] = text_of(_object(body, "properties"), "administratorLogin")
            return {**shown, "tags": _object(body, "tags") if body.get("tags") else {}}

        return readable(place.doing, read)

    async def keys(self, resource: str, what: str) -> Mapping[str, SecretValue]:
        """See `Sources`."""
        place = _place(resource, what, f"reading the keys of a {what} source")
        return await self._values(place) if place.kind.keys else {}

    async def dated_keys(self, resource: str, what: str) -> Mapping[str, DatedKey]:
        """See `Sources`. Storage tells the times along with the keys; a database account has them elsewhere."""
        place = _place(resource, what, f"reading the keys of a {what} source")
        if what == "storage":
            answer = await self._arm.ask(place.call("/listKeys"), bears_secret=True)
            values, times = _values_in(place, answer), readable(place.doing, lambda: _times_in(answer))
        elif place.kind.created is not None:
            body, values = await together(self._arm.get(place.call()), self._values(place))
            times = readable(place.doing, lambda: {name: _created(place, body, name) for name in place.kind.keys})
        else:
            values, times = await self.keys(resource, what), dict[str, str | None]()
        return {name: DatedKey(value, times.get(name)) for name, value in values.items()}

    async def regenerate(self, resource: str, what: str, key: str) -> SecretValue:
        """See `Sources`."""
        place = _place(resource, what, f"making the {what} key {key} new", key)
        body: JsonObject = {place.kind.asked: place.kind.keys[key][0]}
        answer = await self._arm.write_once("POST", place.call(place.kind.new), body, bears_secret=True)
        try:
            values = _values_in(place, answer) if _holds_keys(answer) else await self._values(place)
        except CordonError as error:
            raise OutcomeUnknown(place.doing, f"it was made, and could not be read: {type(error).__name__}") from None
        return values[key]

    async def set_password(self, resource: str, what: str, value: SecretValue) -> None:
        """See `Sources`."""
        place = _place(resource, what, f"setting the administrator's password of a {what} server")
        if place.kind.keys:
            raise PlatformRefused(doing=place.doing, code="no-password", why="this service has keys, and no password.")
        body: JsonObject = {"properties": {"administratorLoginPassword": value.reveal()}}
        await self._arm.write("PATCH", place.call(), body, bears_secret=True)

    async def _values(self, place: "_Place") -> Mapping[str, SecretValue]:
        return _values_in(place, await self._arm.ask(place.call("/listKeys"), bears_secret=True))


@dataclass(frozen=True, slots=True)
class _Place:
    """One service whose id was checked."""

    resource: str
    what: str
    kind: Kind
    doing: str

    def call(self, tail: str = "") -> Call:
        return Call(self.resource, self.kind.version, self.doing, self.kind.role, tail)


def _place(resource: str, what: str, doing: str, key: str | None = None) -> _Place:
    """`resource` comes from a tag, so it is anybody's text: only what such a service can be called is let through."""
    kind = KINDS.get(what)
    if kind is None:
        raise PlatformRefused(doing=doing, code="unknown-source", why="there is no such kind of source.")
    if not re.fullmatch(f"{_ID}{re.escape(kind.type)}{_NAME}{kind.tail}", resource.lower()):
        raise PlatformRefused(doing=doing, code="bad-id", why=f"this is not the ARM id of such a {kind.type}.")
    if key is not None and key not in kind.keys:
        raise PlatformRefused(doing=doing, code="bad-key", why=f"a {kind.type} has no such key.")
    return _Place(resource.lower(), what, kind, doing)


def _by_name(rows: Sequence[JsonObject]) -> Mapping[str, tuple[str, ...]]:
    """ARM ids by name, all in lower case."""
    found = dict[str, tuple[str, ...]]()
    for row in rows:
        name = text_of(row, "name").lower()
        found[name] = (*found.get(name, ()), text_of(row, "id").lower())
    return found


def _object(record: JsonObject, name: str) -> JsonObject:
    value = record.get(name)
    if not isinstance(value, dict):
        raise Unreadable(f"{name} is not there")
    return value


def _times_in(answer: JsonObject) -> Mapping[str, str | None]:
    """When each of a storage account's keys was made, from their list."""
    return {text_of(each, "keyName"): optional_text_of(each, "creationTime") for each in objects_of(answer, "keys")}


def _created(place: _Place, body: JsonObject, key: str) -> str | None:
    """An ISO time; null where the service tells none. A key that was never made new may have none either."""
    if place.kind.created is None:
        return None
    times = _object(_object(body, "properties"), place.kind.created)
    if place.what == "storage":
        return optional_text_of(times, key)
    shown = times.get(place.kind.keys[key][1])
    return optional_text_of(shown, "generationTime") if isinstance(shown, dict) else None


def _holds_keys(answer: JsonObject) -> bool:
    return "keys" in answer or "primaryKey" in answer


def _values_in(place: _Place, answer: JsonObject) -> Mapping[str, SecretValue]:
    """The values by our words. Storage lists its keys, the others have a property for each."""

    def read() -> Mapping[str, SecretValue]:
        shown = answer
        if place.what == "storage":
            shown = {text_of(each, "keyName"): each.get("value") for each in objects_of(answer, "keys")}
        return {word: SecretValue(text_of(shown, name)) for word, (_, name) in place.kind.keys.items()}

    return readable(place.doing, read)
