"""The OpenAPI document is valid, complete, and true."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from functions import api
from functions.answers import Mistake, Problem, as_response
from functions.openapi import document
from tests.doors.fake_responder import FakeResponder
from tests.doors.http_host import PREFIX, answer, routes

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def served() -> dict[str, Any]:
    return document(api.ENDPOINTS, api.VERSION)


async def test_the_document_that_is_served_is_valid_openapi(responder: FakeResponder) -> None:
    """A generator of clients can use it as it is."""
    response = await answer("GET", "/api/openapi.json")

    served = json.loads(response.get_body())
    assert response.status_code == 200
    assert [str(error.message) for error in OpenAPIV31SpecValidator(served).iter_errors()] == []
    assert responder.asked == []


def test_every_route_of_the_app_is_described_and_no_other(served: dict[str, Any]) -> None:
    """Routes are declared in one file and described in another; this holds them together."""
    registered = {(method, "/" + route.template) for route in routes() for method in route.methods}
    described = {(method.upper(), path) for path, each in served["paths"].items() for method in each}

    assert registered == described


def test_the_prefix_of_all_paths_is_the_hosts(served: dict[str, Any]) -> None:
    """host.json, the document and the Location of an order agree on /api."""
    host = json.loads(Path("host.json").read_text())

    assert f"/{host['extensions']['http']['routePrefix']}/" == PREFIX
    assert served["servers"] == [{"url": PREFIX.rstrip("/")}]


def test_the_version_is_the_projects(served: dict[str, Any]) -> None:
    """The deployed app has no pyproject.toml to read it from."""
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]

    assert served["info"]["version"] == project["version"]


def test_every_operation_says_what_it_does_and_how_it_fails(served: dict[str, Any]) -> None:
    """Bad request, missing key, our fault, try later: these can happen everywhere; others where they can."""
    operations = [each for path in served["paths"].values() for each in path.values()]

    assert all(each["summary"] and each["description"] for each in operations)
    assert all({"400", "401", "500", "503"} <= set(each["responses"]) for each in operations)
    assert all({"413", "415"} <= set(each["responses"]) for each in operations if "requestBody" in each)
    assert all(
        "example" in each["requestBody"]["content"]["application/json"] for each in operations if "requestBody" in each
    )
    assert {each["operationId"] for each in operations if "409" in each["responses"]} == {
        "preview_plan",
        "order_containment",
        "answer_plan",
        "judge_incident",
        "undo_incident",
        "set_switch",
    }


def test_every_operation_with_an_incident_can_miss_it(served: dict[str, Any]) -> None:
    """Paths with an id document 404."""
    with_id = [each for path, item in served["paths"].items() for each in item.values() if "{id}" in path]

    assert with_id
    assert all("404" in each["responses"] for each in with_id)


def test_a_function_key_is_asked_for_everywhere(served: dict[str, Any]) -> None:
    """No operation takes itself out of the security requirement."""
    assert served["security"] == [{"functionKey": []}, {"functionKeyInQuery": []}]
    assert not any("security" in each for path in served["paths"].values() for each in path.values())


def test_an_identity_is_described_as_exactly_one_id(served: dict[str, Any]) -> None:
    """The schema says what the check does: one property, and not null."""
    schema = served["components"]["schemas"]["IdentityBody"]

    assert (schema["minProperties"], schema["maxProperties"]) == (1, 1)
    assert set(schema["properties"]) == {"servicePrincipalId", "appId", "applicationObjectId"}
    assert all(each["type"] == "string" for each in schema["properties"].values())


def test_a_problem_has_the_fields_that_its_schema_names(served: dict[str, Any]) -> None:
    """The schema of problems is written by hand, so it is compared with a real one."""
    from http import HTTPStatus

    schema = served["components"]["schemas"]["Problem"]
    problem = Problem(HTTPStatus.BAD_REQUEST, "refusal", "no", mistakes=(Mistake("/reason", "too long"),))
    sent = json.loads(as_response(problem).get_body())

    assert set(sent) == set(schema["properties"])
    assert set(schema["required"]) == set(schema["properties"]) - {"mistakes"}
