"""
Azure's activity log: who wrote what to Resource Manager. The platform keeps it for ninety days; nobody can switch it
off or take anything out of it, and the role Reader is enough to read it. Events come in up to twenty minutes late.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

from shared.clients.arm import Arm, Call
from shared.clients.azure_answers import readable
from shared.clients.graph_shapes import Unreadable, optional_text_of, text_of
from shared.clients.memo import Memo
from shared.clients.resource_graph import READER
from shared.signal import JsonObject

KEPT = timedelta(days=89)  # ninety, without the hours in which the oldest go
_VERSION = "2015-04-01"
_GROUPS_VERSION = "2017-03-01-preview"  # the only one that is documented for management groups
_GROUPS = "/providers/microsoft.management/managementgroups/"
_VALUES = "/providers/Microsoft.Insights/eventtypes/management/values"
_SELECT = "eventDataId,eventTimestamp,operationName,operationId,status,authorization,resourceId,properties"
_FRESH = timedelta(seconds=60)  # one reading serves the many who ask in one look
_FAILED, _STARTED = "failed", "started"


@dataclass(frozen=True, slots=True)
class Written:
    """
    One write that was carried out, or may have been. Operation and resource are in lower case; `properties` are those
    of its beginning as well, where that is told.
    """

    at: datetime
    operation: str
    resource: str
    properties: JsonObject = field(repr=False)
    key: str  # the event's own id


@dataclass(frozen=True, slots=True)
class Odd:
    """An event that cannot be read whole: as much of it as can be, else None; and what is odd."""

    operation: str | None
    resource: str | None
    why: str

    def may_be(self, *operations: str) -> bool:
        """Whether it may be one of these operations, each by its beginning."""
        return self.operation is None or self.operation.startswith(operations)

    def may_be_in(self, place: str) -> bool:
        """Whether it may be about this resource, or what is below it."""
        return self.resource is None or f"{self.resource}/".startswith(f"{place}/")


@dataclass(frozen=True, slots=True)
class Log:
    """What was written, the oldest first; and the events among which there may be more."""

    written: tuple[Written, ...]
    odd: tuple[Odd, ...] = ()


class ActivityLog:
    """Goes as the reader identity."""

    def __init__(self, reader: Arm) -> None:
        self._reader = reader
        self._kept = Memo[Log](reader.http.clock, _FRESH)

    @property
    def now(self) -> datetime:
        return self._reader.http.clock()

    async def in_group(self, subscription: str, group: str, since: datetime) -> Log:
        """
        What was written in a resource group, the oldest first; of diagnostic settings what was written in all of the
        subscription. They are asked for both ways: whether a filter minds capitals is not documented, and whoever
        writes a setting chooses how he spells its group.
        """
        place = f"/subscriptions/{subscription}"
        by_group = await self._written(place, f"resourceGroupName eq '{group}'", since)
        by_provider = await self._written(place, "resourceProvider eq 'Microsoft.Insights'", since)
        found = {each.key: each for each in (*by_group.written, *by_provider.written)}
        odd = tuple(dict.fromkeys((*by_group.odd, *by_provider.odd)))
        return Log(tuple(sorted(found.values(), key=lambda each: each.at)), odd)

    async def of_roles(self, place: str, since: datetime) -> Log:
        """
        What was written of roles, the oldest first. `place` is the ARM id of a subscription, whose log tells of all
        below it; or of a management group, whose log tells of itself alone.
        """
        found = await self._written(place, "resourceProvider eq 'Microsoft.Authorization'", since)
        return replace(found, written=tuple(sorted(found.written, key=lambda each: each.at)))

    async def _written(self, place: str, which: str, since: datetime) -> Log:
        return await self._kept.get((place, which, since), lambda: self._read(place, which, since))

    async def _read(self, place: str, which: str, since: datetime) -> Log:
        of_group = place.lower().startswith(_GROUPS)
        kind = "management group" if of_group else "subscription"
        doing = f"reading what was changed in {kind} {place.rpartition('/')[2]}"
        times = f"eventTimestamp ge '{_iso(since)}' and eventTimestamp le '{_iso(self.now)}'"
        query = f"$filter={quote(f'{times} and {which}', safe='')}&$select={_SELECT}"
        version = _GROUPS_VERSION if of_group else _VERSION
        rows = await self._reader.list(Call(place, version, doing, READER, _VALUES, query))
        return readable(doing, lambda: _log(rows))


def _log(rows: Sequence[JsonObject]) -> Log:
    """One odd event says nothing of the others; what it may be about, whoever asked decides."""
    whole: list[JsonObject] = []
    odd: list[Odd] = []
    for row in rows:
        try:
            _event(row, {})
            whole.append(row)
        except (Unreadable, ValueError) as problem:
            if _unless_odd(_status, row) != _FAILED:
                why = str(problem) if isinstance(problem, Unreadable) else "its time is none"
                odd.append(Odd(_unless_odd(_operation, row), _unless_odd(_resource, row), why))
    return Log(tuple(_written(whole)), tuple(odd))


def _unless_odd(read: Callable[[JsonObject], str], row: JsonObject) -> str | None:
    try:
        return read(row)
    except Unreadable:
        return None


def _written(rows: Sequence[JsonObject]) -> Iterable[Written]:
    """
    Writes with the moment at which they ended. That one was begun is left out where its end is told: it is one write.
    """
    ended = {_operation_id(row) for row in rows if _status(row) != _STARTED}
    begun = {_operation_id(row): _properties(row) for row in rows if _status(row) == _STARTED}
    for row in rows:
        status = _status(row)
        if status == _FAILED or (status == _STARTED and _operation_id(row) in ended):
            continue
        yield _event(row, begun.get(_operation_id(row), {}))


def _event(row: JsonObject, begun: JsonObject) -> Written:
    """`begun` are the properties of its beginning. Raises Unreadable, or ValueError, where it is odd."""
    at, (operation, resource, order) = _moment(row), _operation_id(row)
    return Written(
        at=at,
        operation=operation,
        resource=resource,
        properties={**begun, **_properties(row)},
        key=_text(row, "eventDataId") or f"{_status(row)} {operation} {resource} {order} {at.isoformat()}",
    )


def _properties(row: JsonObject) -> JsonObject:
    properties = row.get("properties")
    return properties if isinstance(properties, dict) else {}


def _operation_id(row: JsonObject) -> tuple[str, str, str]:
    return _operation(row), _resource(row), _text(row, "operationId")


def _text(row: JsonObject, name: str) -> str:
    """Only tells events apart: where it is odd, the rest does."""
    found = row.get(name)
    return found if isinstance(found, str) else ""


def _operation(row: JsonObject) -> str:
    return _value(row, "operationName")


def _status(row: JsonObject) -> str:
    return _value(row, "status")


def _value(row: JsonObject, name: str) -> str:
    found = row.get(name)
    if not isinstance(found, dict):
        raise Unreadable(f"{name} is not there")
    return text_of(found, "value").lower()


def _resource(row: JsonObject) -> str:
    """What was written to: the event's own word, or that of the permission which it took."""
    authorization = row.get("authorization")
    scope = optional_text_of(authorization, "scope") if isinstance(authorization, dict) else None
    found = scope or optional_text_of(row, "resourceId")
    if not found:
        raise Unreadable("an event does not say what it is about")
    return re.sub("/+", "/", unquote(found).lower()).rstrip("/")


def _moment(row: JsonObject) -> datetime:
    moment = datetime.fromisoformat(text_of(row, "eventTimestamp"))
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
