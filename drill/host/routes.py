"""
HTTP triggers: routes under the prefix, methods, and function keys.

As in Azure, a method that a route does not list is a 404, a route's own text beats a parameter, and text
is compared in any case. Unlike Core Tools on a laptop, this host asks for keys, so that a drill finds
out when a call would be refused.
"""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import azure.functions as func

from drill.host.functions import Function
from drill.host.invocation import Invoker, say_failed
from drill.host.payloads import HttpCall, http_request
from drill.host.web import Answer, Request

_SEGMENT = re.compile(r"\{(?P<rest>\*)?(?P<name>\w+)(?::(?P<constraint>\w+))?(?P<optional>\?)?\}|(?P<text>[^{}]+)")
_CONSTRAINTS = {
    None: r"[^/]+",
    "alpha": r"[A-Za-z]+",
    "int": r"-?\d+",
    "guid": r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
}


class RouteWrong(ValueError):
    """A route's template says something that this host does not know."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The host's keys. `function` opens every function, `master` also what is for administrators."""

    master: str
    function: str
    event_grid: str  # the system key eventgrid_extension

    def __repr__(self) -> str:
        return "Keys(…)"


@dataclass(frozen=True, slots=True)
class Route:
    """One HTTP function with its compiled template."""

    function: Function
    pattern: re.Pattern[str]
    methods: frozenset[str]  # empty: all
    level: str  # anonymous, function, admin
    rank: tuple[int, ...]  # for sorting: text before parameters before the rest of a path

    @classmethod
    def of(cls, function: Function, prefix: str) -> "Route":
        template = str(function.trigger["route"]).strip("/")
        segments = [*filter(None, prefix.split("/")), *filter(None, template.split("/"))]
        found = [_segment(segment, template) for segment in segments]
        methods = cast("Sequence[object] | None", function.trigger.get("methods")) or ()
        return cls(
            function=function,
            pattern=re.compile("".join(pattern for pattern, _ in found) or "/"),
            methods=frozenset(str(method).upper() for method in methods),
            level=str(function.trigger.get("authLevel") or "function").lower(),
            rank=tuple(rank for _, rank in found),
        )

    def match(self, request: Request) -> Mapping[str, str] | None:
        """The route's parameters, or None if the request is not for this route."""
        if self.methods and request.method not in self.methods:
            return None
        found = self.pattern.fullmatch(request.path.rstrip("/") or "/")
        return {name: value for name, value in found.groupdict().items() if value is not None} if found else None


@dataclass(frozen=True, slots=True)
class HttpDoors:
    """All HTTP functions."""

    routes: Sequence[Route]
    keys: Keys
    invoker: Invoker

    @classmethod
    def of(cls, functions: Sequence[Function], prefix: str, keys: Keys, invoker: Invoker) -> "HttpDoors":
        routes = [Route.of(function, prefix) for function in functions]
        return cls(sorted(routes, key=lambda route: route.rank), keys, invoker)

    async def answer(self, request: Request) -> Answer:
        """Route the request, check its key, call the function."""
        for route in self.routes:
            if (parameters := route.match(request)) is not None:
                return await self._call(route, request, parameters) if self._may(route, request) else Answer(401)
        return Answer(404)

    def _may(self, route: Route, request: Request) -> bool:
        accepted = {"anonymous": None, "function": (self.keys.function, self.keys.master)}.get(
            route.level, (self.keys.master,)
        )
        return accepted is None or holds_key(request, accepted)

    async def _call(self, route: Route, request: Request, parameters: Mapping[str, str]) -> Answer:
        call = HttpCall(request.method, request.url, request.headers, request.query, parameters, request.body)
        try:
            answer = await self.invoker.call(route.function, http_request(call))
        except Exception as problem:  # noqa: BLE001 - the platform too answers 500 without a word
            say_failed(route.function, problem, "the caller got a 500")
            return Answer(500)
        return _as_answer(answer)


def holds_key(request: Request, accepted: Sequence[str]) -> bool:
    """Whether the header `x-functions-key` or `?code=` holds one of the keys."""
    given = request.headers.get("x-functions-key") or request.query.get("code") or ""
    return any(secrets.compare_digest(given.encode(), key.encode()) for key in accepted)


def _segment(segment: str, template: str) -> tuple[str, int]:
    """A regular expression for one segment, slash included, and its rank."""
    found = _SEGMENT.fullmatch(segment)
    if not found or (found["name"] and found["constraint"] not in _CONSTRAINTS):
        raise RouteWrong(f"the route {template!r} has a segment {segment!r} that this host cannot read")
    if found["text"]:
        return f"(?i:/{re.escape(segment)})", 0
    if found["rest"]:
        return f"(?:/(?P<{found['name']}>.*))?", 2
    value = f"/(?P<{found['name']}>{_CONSTRAINTS[found['constraint']]})"
    return (f"(?:{value})?" if found["optional"] else value), 1


def _as_answer(answer: object) -> Answer:
    """What a function returned, as the worker would send it."""
    if isinstance(answer, str):
        return Answer(200, answer.encode(), (("content-type", "text/plain; charset=utf-8"),))
    if not isinstance(answer, func.HttpResponse):
        return Answer(500)
    headers = [(name, value) for name, value in answer.headers.items() if name.lower() != "content-length"]
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("content-type", f"{answer.mimetype}; charset={answer.charset}"))
    return Answer(answer.status_code, answer.get_body(), tuple(headers))
