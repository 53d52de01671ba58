"""
host.json, as far as this host honours it, with the platform's defaults.

A setting `AzureFunctionsJobHost__extensions__queues__batchSize` overrides the file, as it does in Azure
(facts: Functions docs, host.json). What is not read here changes nothing in a drill.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import cast

_OVERRIDE = "AzureFunctionsJobHost__"
_TIME = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2})(?:\.(\d{1,7}))?")
_LARGEST_BATCH = 32  # what one request to a storage queue can return

JsonMap = Mapping[str, object]


class HostJsonWrong(ValueError):
    """host.json cannot be used; the message names the value."""


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """`extensions.queues`. `visibility_timeout` is the wait after a failed attempt."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    visibility_timeout: timedelta = timedelta()
    max_polling_interval: timedelta = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class HostSettings:
    """What this host honours of host.json."""

    queues: QueueSettings
    function_timeout: timedelta = timedelta(minutes=5)
    route_prefix: str = "api"
    max_event_batch_size: int = 100

    @classmethod
    def read(cls, path: Path, environ: Mapping[str, str]) -> "HostSettings":
        """Read the file and the overrides. Raises HostJsonWrong."""
        try:
            given: object = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as problem:
            raise HostJsonWrong(f"{path} cannot be read: {problem}") from problem
        values = _Values(path.name, {**_flat(given), **_overrides(environ)})
        return cls(
            queues=_queue_settings(values),
            function_timeout=values.time("functionTimeout", timedelta(minutes=5)),
            route_prefix=values.text("extensions.http.routePrefix", "api").strip("/"),
            max_event_batch_size=values.number("extensions.eventHubs.maxEventBatchSize", 100, 1, 10_000),
        )


def _queue_settings(values: "_Values") -> QueueSettings:
    batch = values.number("extensions.queues.batchSize", 16, 1, _LARGEST_BATCH)
    return QueueSettings(
        batch_size=batch,
        new_batch_threshold=values.number("extensions.queues.newBatchThreshold", batch // 2, 0, 1000),
        max_dequeue_count=values.number("extensions.queues.maxDequeueCount", 5, 1, 1000),
        visibility_timeout=values.time("extensions.queues.visibilityTimeout", timedelta()),
        max_polling_interval=values.time("extensions.queues.maxPollingInterval", timedelta(minutes=1)),
    )


class _Values:
    """Values by their dotted path in lower case: names in host.json are read in any case."""

    def __init__(self, file: str, values: Mapping[str, object]) -> None:
        self._file = file
        self._values = {path.lower(): value for path, value in values.items()}

    def number(self, path: str, default: int, lowest: int, highest: int) -> int:
        value = self._values.get(path.lower(), default)
        if isinstance(value, bool) or not re.fullmatch(r"\d+", str(value)) or not lowest <= int(str(value)) <= highest:
            raise HostJsonWrong(f"{self._file}: {path} must be a number from {lowest} to {highest}, not {value!r}")
        return int(str(value))

    def text(self, path: str, default: str) -> str:
        return str(self._values.get(path.lower(), default))

    def time(self, path: str, default: timedelta) -> timedelta:
        value = self._values.get(path.lower())
        return default if value is None else read_time_span(value, f"{self._file}: {path}")


def read_time_span(value: object, where: str) -> timedelta:
    """`hh:mm:ss` or `d.hh:mm:ss`, as .NET writes spans of time. Raises HostJsonWrong."""
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise HostJsonWrong(f"{where} must be a span of time such as 00:00:30, not {value!r}")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups()[:4])
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds + float(f"0.{found.group(5) or 0}"))


def _flat(value: object, path: str = "") -> dict[str, object]:
    if not isinstance(value, dict):
        return {path: value}
    members = cast("dict[str, object]", value)
    return {
        key: leaf
        for name, member in members.items()
        for key, leaf in _flat(member, f"{path}.{name}" if path else name).items()
    }


def _overrides(environ: Mapping[str, str]) -> dict[str, object]:
    return {
        name.removeprefix(_OVERRIDE).replace("__", "."): value
        for name, value in environ.items()
        if name.startswith(_OVERRIDE)
    }
