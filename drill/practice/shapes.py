"""JSON as Graph and Azure speak it, their times, and mistakes in a scenario."""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias, cast

JsonObject: TypeAlias = dict[str, Any]

_DURATION = re.compile(
    r"P(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)


class ScenarioMistake(ValueError):
    """What was given as a scenario is not one; the message names the place."""


def known_keys(given: Mapping[str, Any], allowed: Iterable[str], where: str) -> None:
    """Refuse unknown keys: a typo in a scenario must not silently make it milder."""
    if unknown := sorted(set(given) - set(allowed)):
        raise ScenarioMistake(f"{where}: unknown {', '.join(unknown)}; known are {', '.join(sorted(allowed))}")


def seconds(given: object, where: str) -> float:
    """Seconds from a number, an ISO 8601 duration ("PT1M30S") or milliseconds ("60ms")."""
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        raise ScenarioMistake(f"{where}: {given!r} is not a duration")
    if isinstance(given, int | float):
        return float(given)
    if given.endswith("ms"):
        return float(given[:-2]) / 1000
    found = _DURATION.fullmatch(given)
    if not found or given in ("P", "PT"):
        raise ScenarioMistake(f"{where}: {given!r} is not an ISO 8601 duration such as PT1M30S")
    return timedelta(**{unit: float(value) for unit, value in found.groupdict(default="0").items()}).total_seconds()


def graph_time(at: datetime) -> str:
    """As the directory writes times: to the second."""
    return at.astimezone(UTC).isoformat(timespec="seconds").removesuffix("+00:00") + "Z"


def fine_time(at: datetime) -> str:
    """As the logs and identity protection write times: seven fractional digits (facts: graph 1)."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "0Z"


def read_time(text: str) -> datetime:
    """Reads what Graph accepts in a filter or body: a date or an RFC 3339 time, up to seven fractional digits."""
    at = datetime.fromisoformat(text.strip())  # which drops digits beyond the sixth
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def objects(value: object) -> list[JsonObject]:
    """A JSON array of objects, or a mistake."""
    listed = cast("list[object] | None", value if isinstance(value, list) else None)
    if listed is None or not all(isinstance(each, dict) for each in listed):
        raise ScenarioMistake("a list of objects was expected")
    return cast("list[JsonObject]", listed)
