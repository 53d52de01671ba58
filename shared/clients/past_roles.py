"""
Roles that were given and taken away again, as Azure's activity log tells them: whoever had one could read with it.

Resource Graph and Resource Manager show what is held now. The log keeps every deletion of an assignment, and in its
answer what was deleted; where it is not told there, the order by which the same assignment was made may tell it.
Facts: Azure docs change-history-report, activity-log-schema.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.clients.activity_log import Written
from shared.clients.graph_shapes import optional_text_of
from shared.identity import canonical_guid
from shared.signal import JsonObject, JsonValue

_WRITE, _DELETE = "microsoft.authorization/roleassignments/write", "microsoft.authorization/roleassignments/delete"
_ASSIGNMENTS = "/providers/microsoft.authorization/roleassignments/"
_BODIES = ("requestbody", "responsebody")  # as text, each an assignment; the one spells its properties with capitals
_NOTHING = "NoContent"  # the answer where there was nothing to delete
UNTIL = "until"
"""The column, beside those of Resource Graph, that says until when an assignment was held."""


@dataclass(frozen=True, slots=True)
class Untold:
    """An assignment that was taken away, of which the log does not say whose it was."""

    scope: str
    at: datetime


def taken_away(log: Iterable[Written]) -> Iterator[tuple[JsonObject, datetime] | Untold]:
    """
    The assignments that were deleted, in Resource Graph's columns, and when. `log` is the oldest first. Ids are chosen
    by whoever writes, so that one may stand for several assignments, one after the other.
    """
    made: dict[str, list[JsonObject]] = {}
    for each in log:
        id_ = each.resource
        if _ASSIGNMENTS not in id_:
            continue
        if each.operation == _WRITE:
            made.setdefault(id_, []).extend(_told(each))
        elif each.operation == _DELETE and each.properties.get("statusCode") != _NOTHING:
            before = made.pop(id_, [])
            told = list(_told(each)) or before
            yield from ((row, each.at) for row in told)
            if not told:
                yield Untold(_scope(id_), each.at)


def _told(event: Written) -> Iterator[JsonObject]:
    """What an event says of its assignment. The scope is that of its path, for a body may say anything."""
    for name, text in event.properties.items():
        if name.lower() not in _BODIES:
            continue
        properties = _lowered(_lowered(_object(text)).get("properties"))
        principal, role = properties.get("principalid"), properties.get("roledefinitionid")
        try:
            holder, role_id = canonical_guid(principal), canonical_guid(str(role).rpartition("/")[2])
        except ValueError:
            continue
        yield {
            "id": event.resource,
            "principalId": holder,
            "principalType": optional_text_of(properties, "principaltype"),
            "scope": _scope(event.resource),
            "roleId": role_id,
            "cond": optional_text_of(properties, "condition"),
        }


def _scope(assignment: str) -> str:
    return assignment.rpartition(_ASSIGNMENTS)[0] or "/"


def _object(text: JsonValue) -> JsonValue:
    """A body that is no JSON (Azure cuts long ones) tells nothing."""
    try:
        return json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return None


def _lowered(value: JsonValue) -> JsonObject:
    return {name.lower(): each for name, each in value.items()} if isinstance(value, dict) else {}


def held_before(
    found: Iterable[tuple[JsonObject, datetime]], now: Iterable[JsonObject], holders: Sequence[str]
) -> Iterator[JsonObject]:
    """Those that one of the holders had, and has not now under the same id; of each the last time."""
    held = {_key(each) for each in now}
    last = {
        _key(row): (row, at) for row, at in sorted(found, key=lambda each: each[1]) if row["principalId"] in holders
    }
    for key, (row, at) in last.items():
        if key not in held:
            yield {**row, UNTIL: at.isoformat()}


def _key(row: Mapping[str, JsonValue]) -> tuple[str, ...]:
    return tuple(str(row.get(name)).lower() for name in ("id", "principalId", "roleId"))
