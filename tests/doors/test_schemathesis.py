"""Requests that nobody thought of: schemathesis makes them from the OpenAPI document."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# The case type of schemathesis is generic in what it does not name.

from functools import cache
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.schemas import OpenApiSchema

from functions import api
from functions.openapi import document
from tests.doors.fake_responder import FakeResponder
from tests.doors.http_host import KEY, wsgi

SCHEMA = document(api.ENDPOINTS, api.VERSION)
SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much]
HEADERS = {"x-functions-key": KEY}
OPERATIONS = [(method.upper(), path) for path, item in SCHEMA["paths"].items() for method in item]


@cache
def served() -> OpenApiSchema:
    """The document as the door gives it, fetched once: making it takes as long as the requests."""
    return schemathesis.openapi.from_wsgi("/api/openapi.json", wsgi, headers=HEADERS)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_no_request_breaks_the_contract(method: str, path: str, mode: GenerationMode, responder: FakeResponder) -> None:
    """Every answer is one that the document promises, and nothing that it forbids is accepted."""
    schema = served()

    @given(case=schema[path][method].as_strategy(generation_mode=mode))
    @settings(max_examples=6, deadline=None, derandomize=True, database=None, suppress_health_check=SLOW)
    def holds(case: Case[Any]) -> None:
        case.call_and_validate(headers=HEADERS)

    holds()
