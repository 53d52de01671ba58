"""A small HTTP host over the app's own functions: routes, methods, route parameters, and one key over WSGI."""

import asyncio
import json
import re
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any
from urllib.parse import parse_qsl, unquote

import azure.functions as func

PREFIX = "/api/"
KEY = "a-key-of-the-test-host"
Function = Callable[..., Coroutine[Any, Any, Any]]


@lru_cache(maxsize=1)
def functions_of_the_app() -> Mapping[str, tuple[Function, list[dict[str, Any]]]]:
    """Every function by name, with its bindings. The app can be indexed once only, hence the cache."""
    app: func.FunctionApp = import_module("function_app").app
    return {str(each.get_function_name()): (each.get_user_function(), bindings(each)) for each in app.get_functions()}


def bindings(function: Any) -> list[dict[str, Any]]:
    return [binding.get_dict_repr() for binding in function.get_bindings()]


@dataclass(frozen=True, slots=True)
class Route:
    """One HTTP function and when it answers."""

    methods: frozenset[str]
    template: str
    function: Function

    def match(self, path: str) -> Mapping[str, str] | None:
        """The route's parameters, or None if the path is another's. A parameter never spans a slash."""
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(self.template))
        found = re.fullmatch(pattern, path)
        return {name: unquote(value) for name, value in found.groupdict().items()} if found else None


def routes() -> list[Route]:
    found: list[Route] = []
    for function, bound in functions_of_the_app().values():
        for trigger in (each for each in bound if each["type"] == "httpTrigger"):
            methods = frozenset(method.value for method in trigger["methods"])
            found.append(Route(methods, trigger["route"], function))
    return found


async def answer(
    method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> func.HttpResponse:
    """What the app answers to one request; 404 and 405 are the host's."""
    path, _, query = url.partition("?")
    matching = [(route, found) for route in routes() if (found := route.match(path.removeprefix(PREFIX))) is not None]
    for route, parameters in matching:
        if method in route.methods:
            request = func.HttpRequest(
                method=method,
                url=f"https://cordon.example{url}",
                headers=headers or {},
                params=dict(parse_qsl(query, keep_blank_values=True)),
                route_params=parameters,
                body=body,
            )
            return await route.function(request)
    if not matching:
        return func.HttpResponse(status_code=404)
    allowed = ", ".join(sorted(name for route, _ in matching for name in route.methods))
    return func.HttpResponse(status_code=405, headers={"Allow": allowed})


async def post(url: str, body: object, **headers: str) -> func.HttpResponse:
    """POST a body as JSON; header names with underscores for dashes."""
    sent = {"Content-Type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
    return await answer("POST", url, sent, json.dumps(body).encode())


def wsgi(environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], object]) -> Iterable[bytes]:
    """The same as a WSGI application, with the host's check of the function key before it."""
    headers = {name[5:].replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
    if environ.get("CONTENT_TYPE"):
        headers["Content-Type"] = environ["CONTENT_TYPE"]
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    # PATH_INFO is already decoded, but a slash inside a parameter must stay one.
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI") or environ["PATH_INFO"]
    url = raw.partition("?")[0] + (f"?{environ['QUERY_STRING']}" if environ.get("QUERY_STRING") else "")
    known = KEY in {
        headers.get("X-FUNCTIONS-KEY"),
        *(value for name, value in parse_qsl(url.partition("?")[2]) if name == "code"),
    }
    response = (
        asyncio.run(answer(environ["REQUEST_METHOD"], url, headers, body))
        if known
        else func.HttpResponse(status_code=401)
    )
    media = [("Content-Type", f"{response.mimetype}; charset=utf-8")] if response.get_body() else []
    start_response(f"{response.status_code} -", [*response.headers.items(), *media])
    return [response.get_body()]
