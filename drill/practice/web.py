"""Requests, answers, refusals and the routing table: what every service of the practice tenant is made of."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeAlias, TypeVar, cast
from urllib.parse import parse_qsl, unquote

from drill.practice.shapes import JsonObject, dump

S = TypeVar("S")


_ADDRESSES = {"attacker": "198.51.100.66", "consumer": "10.4.0.11", "owner": "10.4.0.53", "somebody": "198.51.100.23"}


def address_of(by: str) -> str:
    """Where it seems to come from, for logs: attackers and owners' services sit elsewhere than Cordon."""
    return _ADDRESSES.get(by.partition(":")[0], "203.0.113.7")


class ConnectionLost(Exception):
    """The connection breaks now. In-process transports turn it into what their client would see."""


class Refusal(Exception):
    """A service says no. Becomes an error body in the shape of that service."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        inner_code: str | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})
        self.inner_code = inner_code  # Key Vault's innererror.code


@dataclass(slots=True)
class Request:
    """One request as it reached a host. `path` is decoded and without the version; header names are lower case."""

    method: str
    host: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""
    by: str = "nobody"  # who is behind it, for the records: a client id or "attacker:<id>"
    principal_id: str = ""  # service principal of the caller
    app_id: str = ""
    roles: frozenset[str] = frozenset()  # application permissions in the caller's token
    in_batch: bool = False
    base: str = "https://graph.microsoft.com"  # scheme and host that the caller used, for next links
    version: str = "v1.0"
    raw_query: str = ""
    operation: str = ""  # the route's, as the service's own log names it
    sign_in: str = ""  # the unique id of the caller's token, and when it was issued
    token_issued_at: datetime | None = None
    applied: bool = False  # it was a write and it was done
    reads: bool = False  # it was sent to an endpoint that changes nothing, whatever its method
    log_bodies: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])  # what the service's own log keeps
    staleness: float = 0.0  # seconds: a fault asked for a stale read
    partial: bool = False  # a fault asked for a part of the result

    @property
    def address(self) -> str:
        return address_of(self.by)

    @property
    def reads_new_enum_members(self) -> bool:
        """`Prefer: include-unknown-enum-members` (facts: graph 0)."""
        return "include-unknown-enum-members" in self.headers.get("prefer", "")

    def json_object(self) -> JsonObject:
        """The body, which must be one JSON object."""
        try:
            found: object = json.loads(self.body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Refusal(400, "BadRequest", "The request body is not a JSON object.")
        return cast("JsonObject", found)


@dataclass(slots=True)
class Answer:
    """What a handler gives back. A `dict` body becomes JSON; None is an empty body."""

    status: int = 200
    body: JsonObject | bytes | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])

    def content(self) -> bytes:
        if self.body is None:
            return b""
        return self.body if isinstance(self.body, bytes) else dump(self.body)


NO_CONTENT = 204

Handler: TypeAlias = Callable[..., Answer]  # (state, request, **path parameters)


@dataclass(frozen=True, slots=True)
class Route(Generic[S]):
    """
    One endpoint: `template` is a path with {parameters}, `permissions` any one of which suffices.

    `also` are further tuples of permissions; of each of them one is needed as well.

    `buckets` names throttle buckets; `units` is the base cost in resource units; `lane` is the index of
    the path segment that names the object written, on which overlapping writes collide.
    """

    method: str
    template: str
    handler: Handler
    permissions: tuple[str, ...] = ()
    buckets: tuple[str, ...] = ()
    write: bool = False
    units: int = 1
    beta_only: bool = False
    lane: int = 1
    operation: str = ""  # as the service's own log names it
    also: tuple[tuple[str, ...], ...] = ()

    @property
    def segments(self) -> tuple[str, ...]:
        return tuple(self.template.strip("/").split("/"))


class RoutingTable(Generic[S]):
    """Finds the route of a method and path."""

    def __init__(self, routes: tuple[Route[S], ...]) -> None:
        self._by_start: dict[tuple[int, str], list[tuple[tuple[str, ...], Route[S]]]] = {}
        for route in routes:
            start = (len(route.segments), route.segments[0].casefold())
            self._by_start.setdefault(start, []).append((route.segments, route))

    def matches(self, path: str) -> list[tuple[Route[S], dict[str, str]]]:
        """All routes of this path, whatever the method; literal segments win over parameters."""
        segments = tuple(path[1:].split("/"))
        found = [
            (route, parameters)
            for template, route in self._by_start.get((len(segments), segments[0].casefold()), ())
            if (parameters := _match(template, segments)) is not None
        ]
        return sorted(found, key=lambda each: len(each[1]))

    def find(self, method: str, path: str) -> tuple[Route[S], dict[str, str]] | None:
        return next((match for match in self.matches(path) if match[0].method == method), None)


def _match(template: tuple[str, ...], segments: tuple[str, ...]) -> dict[str, str] | None:
    parameters: dict[str, str] = {}
    for expected, given in zip(template, segments, strict=True):
        if expected[0] == "{":
            parameters[expected[1:-1]] = given
        elif expected != given and expected.casefold() != given.casefold():
            return None
    return parameters


def read_target(target: str) -> tuple[str, str]:
    """Path (decoded) and query (raw) of a request target such as an inner URL of a batch."""
    path, _, query = target.partition("?")
    return unquote(path), query


def read_query(query: str) -> dict[str, str]:
    return dict(parse_qsl(query, keep_blank_values=True))
