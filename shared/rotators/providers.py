"""
The source that an address names: an ARM id of a known shape, in lower case, or nothing.

An address is text from a tag, which whoever writes secrets can choose. It is matched as a whole against shapes
that hold no character with a meaning in paths; what does not match is no source of ours.
"""

import re
from dataclasses import dataclass

from shared.estate import SOURCE_KEYS

_GUID = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_GROUP = r"[a-z0-9_()-](?:[a-z0-9._()-]{0,88}[a-z0-9_()-])?"
_RULE = r"[a-z0-9](?:[a-z0-9._-]{0,254}[a-z0-9])?"
_BASE = rf"/subscriptions/{_GUID}/resourcegroups/{_GROUP}/providers/"
_BUS = r"/namespaces/[a-z][a-z0-9-]{4,48}[a-z0-9]"

_SHAPES = {
    "storage": r"microsoft\.storage/storageaccounts/[a-z0-9]{3,24}",
    "cosmos": r"microsoft\.documentdb/databaseaccounts/[a-z0-9][a-z0-9-]{1,48}[a-z0-9]",
    "service-bus": rf"microsoft\.servicebus{_BUS}(?:/(?:queues|topics)/{_RULE})?",
    "event-hub": rf"microsoft\.eventhub{_BUS}(?:/eventhubs/{_RULE})?",
    "redis": r"microsoft\.cache/redis/[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?",
    "postgres": r"microsoft\.dbforpostgresql/flexibleservers/[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?",
    "sql": r"microsoft\.sql/servers/[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?",
}
_WITH_RULES = frozenset({"service-bus", "event-hub"})
_PATTERNS = {
    what: re.compile(_BASE + shape + (rf"(?P<rule>/authorizationrules/{_RULE})?" if what in _WITH_RULES else ""))
    for what, shape in _SHAPES.items()
}
_RULE_NAME = re.compile(_RULE)


@dataclass(frozen=True, slots=True)
class Provider:
    """A source by its kind and ARM id. `whole` is False where an authorization rule is still to be named."""

    what: str
    resource: str
    whole: bool = True

    @property
    def name(self) -> str:
        """The name of the account, namespace, cache or server."""
        return self.resource.split("/")[8]

    def with_rule(self, rule: str) -> "Provider | None":
        """With the authorization rule of this name, which may be any text."""
        name = rule.lower()
        if self.whole or not _RULE_NAME.fullmatch(name):
            return None
        return Provider(self.what, f"{self.resource}/authorizationrules/{name}")


def read_provider(text: str) -> Provider | None:
    """The source that this address names; None for all other text."""
    address = text.lower()
    for what, pattern in _PATTERNS.items():
        if found := pattern.fullmatch(address):
            return Provider(what, address, whole=what not in _WITH_RULES or found["rule"] is not None)
    return None


def read_key(what: str, text: str) -> str | None:
    """The key of such a source that this text names: key1, Primary, SecondaryKey, primaryReadonlyMasterKey."""
    word = text.lower()
    names = (word, word.removesuffix("key"), word.removesuffix("masterkey"))
    return next((name for name in names if name in SOURCE_KEYS[what]), None)


def idle_beside(what: str, key: str) -> str:
    """The other key of the pair: a read-only key's other is read-only as well."""
    pair = {"key1": "key2", "primary": "secondary", "primaryreadonly": "secondaryreadonly"}
    both = {**pair, **{second: first for first, second in pair.items()}}
    if both[key] not in SOURCE_KEYS[what]:
        raise ValueError(f"{what} has no key {key}")
    return both[key]
