"""The host routes HTTP as the platform does, and asks for keys."""

from typing import Any

import azure.functions as func
import pytest

from drill.host.functions import Function
from drill.host.routes import HttpDoors, RouteWrong
from drill.host.web import Answer, Request
from tests.drill.play import KEYS, invoker

pytestmark = pytest.mark.anyio


def _route(name: str, route: str, methods: list[str] | None = None, level: str = "function") -> Function:
    async def call(given: Any) -> func.HttpResponse:
        said = {**given.route_params, "name": name}
        return func.HttpResponse(repr(sorted(said.items())), status_code=201, headers={"X-Test": "yes"})

    return Function(name, "httpTrigger", "given", {"route": route, "methods": methods, "authLevel": level}, None, call)


DOORS = (
    _route("one", "incidents/{id}", ["GET"]),
    _route("report", "incidents/{id}/report", ["GET"]),
    _route("new", "incidents/new", ["GET"]),
    _route("order", "incidents", ["POST"]),
    _route("open", "open", level="anonymous"),
    _route("admin", "admins", level="admin"),
    _route("typed", "typed/{id:guid}"),
    _route("rest", "files/{*path}"),
)


async def _call(method: str, path: str, key: str | None = "function", **headers: str) -> Answer:
    doors = HttpDoors.of(DOORS, "api", KEYS, invoker())
    given = {**headers, **({"x-functions-key": key} if key else {})}
    return await doors.answer(Request(method, path, f"http://localhost{path}", {}, given, b""))


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/api/incidents/7", "one"),
        ("GET", "/API/Incidents/7/", "one"),
        ("GET", "/api/incidents/7/report", "report"),
        ("GET", "/api/incidents/new", "new"),
        ("POST", "/api/incidents", "order"),
        ("GET", "/api/typed/5b0a11de-1111-4e2b-9c55-6f0d3b8e2a03", "typed"),
        ("GET", "/api/files/a/b/c", "rest"),
    ],
)
async def test_a_route_is_found_by_method_text_and_parameters(method: str, path: str, name: str) -> None:
    """A route's own text beats a parameter, and is compared in any case."""
    answer = await _call(method, path)

    assert answer.status == 201
    assert f"('name', '{name}')" in answer.body.decode()


async def test_parameters_and_headers_pass_through() -> None:
    """The function gets what stands in its place of the path; its headers go out, with a content type."""
    answer = await _call("GET", "/api/incidents/Seven")

    assert "('id', 'Seven')" in answer.body.decode()
    assert ("X-Test", "yes") in answer.headers
    assert ("content-type", "text/plain; charset=utf-8") in answer.headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/api/incidents/7"),
        ("GET", "/api/nowhere"),
        ("GET", "/incidents/7"),
        ("GET", "/api/typed/not-a-guid"),
    ],
)
async def test_what_no_route_takes_is_not_found(method: str, path: str) -> None:
    """Another method, another path and a parameter of another kind are all 404, as on the platform."""
    assert (await _call(method, path)).status == 404


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        ("/api/incidents/7", None, 401),
        ("/api/incidents/7", "wrong", 401),
        ("/api/incidents/7", "grid", 401),
        ("/api/incidents/7", "master", 201),
        ("/api/open", None, 201),
        ("/api/admins", "function", 401),
        ("/api/admins", "master", 201),
    ],
)
async def test_each_level_asks_for_its_key(path: str, key: str | None, status: int) -> None:
    """A function key opens functions, the master key everything, and nothing opens without."""
    assert (await _call("GET", path, key)).status == status


async def test_a_key_may_stand_in_the_query() -> None:
    """`?code=` does what the header does."""
    doors = HttpDoors.of(DOORS, "api", KEYS, invoker())

    answer = await doors.answer(Request("GET", "/api/incidents/7", "", {"code": "function"}, {}, b""))

    assert answer.status == 201


async def test_an_exception_is_a_bare_500() -> None:
    """What went wrong is the log's business, not the caller's."""

    async def call(given: object) -> None:
        raise RuntimeError("secret detail")

    failing = Function("failing", "httpTrigger", "given", {"route": "x", "authLevel": "anonymous"}, None, call)

    answer = await HttpDoors.of([failing], "api", KEYS, invoker()).answer(Request("GET", "/api/x", "", {}, {}, b""))

    assert (answer.status, answer.body) == (500, b"")


def test_a_template_that_cannot_be_read_is_an_error() -> None:
    """A route that this host would serve wrongly is not served at all."""
    with pytest.raises(RouteWrong, match="regex"):
        HttpDoors.of([_route("odd", "x/{id:regex}")], "api", KEYS, invoker())
