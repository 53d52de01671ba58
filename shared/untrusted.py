"""
Reading records from outside: a value is what was asked for, or MalformedSignal names the field.

Ids and enum members must be plain printable text, because they become keys. Names and other people's text
are never a reason to set a record aside (whoever chose the name would choose whether we look): they are
cleaned instead. Messages name the field and never repeat its value.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias, cast

from shared.errors import MalformedSignal
from shared.identity import canonical_guid
from shared.signal import JsonObject, JsonValue

LINE = 300  # characters of a summary
NAME = 80  # characters of a name within one

Values: TypeAlias = Mapping[str, object]

_DECODER = json.JSONDecoder(parse_constant=str)
_TOKEN = re.compile(r"[!-~]{1,200}")  # printable ASCII without blanks
_BLANKS = re.compile(r"[\s\u2028\u2029]+")
# Controls, invisible and direction-changing characters, lone surrogates: all that could forge or hide a line.
_UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\ud800-\udfff\U000e0000-\U000e007f]"
)


def one_line(text: str, limit: int = LINE) -> str:
    """The text as one line of visible characters, at most `limit` long."""
    if len(text) > 4 * limit:
        text = text[: 4 * limit]
    is_plain = text.isascii() and text.isprintable() and "  " not in text
    line = (text if is_plain else _UNSEEN.sub("\ufffd", _BLANKS.sub(" ", text))).strip()
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def parsed(value: object) -> object:
    """What a string of JSON holds; anything that is not one stays as it is."""
    if not isinstance(value, str):
        return value
    try:
        return cast("object", _DECODER.decode(value))
    except (ValueError, RecursionError):
        return value


def is_shallow(value: object, depth: int = 12) -> bool:
    """Whether a value of JSON can be compared and printed without exhausting the stack."""
    if not isinstance(value, list | dict):
        return True
    inner = cast("list[object]", value) if isinstance(value, list) else list(cast("Values", value).values())
    return depth > 0 and all(is_shallow(each, depth - 1) for each in inner)


@dataclass(frozen=True, slots=True)
class Fields:
    """One JSON object of a record, and who sent the record."""

    sender: str
    values: Values

    def wrong(self, name: str, why: str) -> MalformedSignal:
        return MalformedSignal(source=self.sender, why=f"{name} {why}")

    def token(self, name: str) -> str:
        """An id or an enum member: printable, without blanks, at most 200 characters."""
        found = self.values.get(name)
        if found is None:
            raise self.wrong(name, "is missing")
        if not isinstance(found, str) or not _TOKEN.fullmatch(found):
            raise self.wrong(name, "is not a plain text of 1 to 200 characters")
        return found

    def optional_token(self, name: str) -> str | None:
        return None if self.values.get(name) in (None, "") else self.token(name)

    def guid(self, name: str) -> str:
        if self.values.get(name) is None:
            raise self.wrong(name, "is missing")
        try:
            return canonical_guid(self.values[name])
        except ValueError as problem:
            raise self.wrong(name, "is not a GUID") from problem

    def optional_guid(self, name: str) -> str | None:
        """The services write "no id" as null and as an empty text."""
        return None if self.values.get(name) in (None, "") else self.guid(name)

    def time(self, name: str) -> datetime:
        """A time in UTC; the services write up to seven fractional digits, and none for UTC is meant as UTC."""
        found = self.values.get(name)
        if found is None:
            raise self.wrong(name, "is missing")
        try:
            moment = datetime.fromisoformat(found) if isinstance(found, str) and len(found) <= 40 else None
        except ValueError:
            moment = None
        if moment is None:
            raise self.wrong(name, "is not a time in ISO 8601")
        if not 2000 < moment.year < 2200:  # before arithmetic: the ends of the calendar overflow
            raise self.wrong(name, "is not a time of our century")
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)

    def optional_time(self, name: str) -> datetime | None:
        return None if self.values.get(name) in (None, "") else self.time(name)

    def line(self, name: str, limit: int = NAME) -> str | None:
        """Other people's text, cleaned; None if there is none."""
        found = self.values.get(name)
        if found is None:
            return None
        if not isinstance(found, str):
            raise self.wrong(name, "is not a text")
        return one_line(found, limit) or None

    def object(self, name: str) -> "Fields | None":
        """A JSON object, or a string that holds one."""
        found = parsed(self.values.get(name))
        if found is None or found == "":
            return None
        if not isinstance(found, dict):
            raise self.wrong(name, "is not an object")
        return Fields(self.sender, cast("Values", found))

    def nested(self, name: str) -> "Fields | None":
        """An object that is of use where it is one, and left out where it is anything else."""
        found = parsed(self.values.get(name))
        return Fields(self.sender, cast("Values", found)) if isinstance(found, dict) else None

    def list(self, name: str) -> "list[object]":
        """A JSON array, or a string that holds one; null is an empty one, as in Graph."""
        found = parsed(self.values.get(name))
        if found is None or found == "":
            return []
        if not isinstance(found, list):
            raise self.wrong(name, "is not a list")
        return cast("list[object]", found)

    def objects(self, name: str) -> "list[Fields]":
        found = self.list(name)
        if not all(isinstance(each, dict) for each in found):
            raise self.wrong(name, "is not a list of objects")
        return [Fields(self.sender, cast("Values", each)) for each in found]


def body_of(record: JsonObject, sender: str) -> Fields:
    """
    The record that Graph would give.

    A diagnostic record carries it in `properties`; exports spell its names with a capital. What only the
    envelope says (`time`, `operationName`, `correlationId`) is added where the body lacks it.
    """
    if "properties" not in record:
        return Fields(sender, record if "Id" not in record else {_camel(n): value for n, value in record.items()})
    properties = Fields(sender, record).object("properties")
    if properties is None:
        raise MalformedSignal(source=sender, why="properties is empty")
    body = {_camel(str(name)): value for name, value in properties.values.items()}
    for name in ("time", "operationName", "correlationId"):
        if name not in body and name in record:
            body[name] = record[name]
    return Fields(sender, body)


def check_tenant(record: JsonObject, tenant_id: str, sender: str) -> None:
    """Refuse a record that names another tenant, in its envelope or in its body."""
    if "tenantId" in record:
        _same_tenant(record["tenantId"], tenant_id, sender)
    if "resourceId" in record:
        _same_tenant(_tenant_in(record["resourceId"]), tenant_id, sender)
    inner = record.get("properties")
    if isinstance(inner, dict):
        for name in ("tenantId", "TenantId", "aadTenantId", "AADTenantId"):
            if name in inner:
                _same_tenant(inner[name], tenant_id, sender)


def _same_tenant(named: JsonValue, tenant_id: str, sender: str) -> None:
    if named is None or named == "":
        return
    if not isinstance(named, str) or named.casefold() != tenant_id.casefold():
        raise MalformedSignal(source=sender, why="it names another tenant")


def _tenant_in(resource_id: JsonValue) -> JsonValue:
    """Entra's records carry "/tenants/<id>/providers/Microsoft.aadiam"."""
    if not isinstance(resource_id, str):
        return resource_id
    parts = resource_id.split("/", 3)
    return parts[2] if len(parts) > 2 and parts[1].casefold() == "tenants" else None


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]
