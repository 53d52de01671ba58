"""The OpenAPI 3.1 document, made from the endpoints: what checks the requests also describes them."""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, Literal, TypeAlias, cast

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from functions.answers import PROBLEM
from functions.contract import JSON, KEY_PARAMETER, Answer, Endpoint, HeaderParameter, Input, Nothing, without_null

Json: TypeAlias = dict[str, Any]
AnyEndpoint: TypeAlias = Endpoint[Any, Any]

INCIDENT_ID = r"^[A-Za-z0-9._:\-]{1,200}$"
_REF = "#/components/schemas/{model}"
_ALWAYS = (HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE)
_MEANINGS = {
    HTTPStatus.BAD_REQUEST: "The request is not acceptable; the answer names each mistake. Nothing was done.",
    HTTPStatus.NOT_FOUND: "There is no such incident, identity or plan.",
    HTTPStatus.NOT_ACCEPTABLE: "None of the media types that are asked for can be given.",
    HTTPStatus.CONFLICT: "Not as things stand now: another plan than the one seen, or a rival at work.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is not sent as JSON in UTF-8.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "The people who run Cordon must act; without a body: a defect, see the log.",
    HTTPStatus.BAD_GATEWAY: "The platform refuses what was asked of it.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Try again later (Retry-After), or Cordon's settings or policy need mending.",
}


def document(endpoints: Sequence[AnyEndpoint], version: str) -> Json:
    """Everything that the endpoints take and answer, every status included."""
    paths: dict[str, Json] = {}
    for each in endpoints:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Cordon",
            "version": version,
            "description": "Contains compromised Microsoft Entra workload identities, and proves that it did.",
        },
        "servers": [{"url": "/api"}],
        "security": [{"functionKey": []}, {"functionKeyInQuery": []}],
        "paths": paths,
        "components": {
            "schemas": {**_schemas(endpoints), "Problem": _PROBLEM_SCHEMA},
            "parameters": {"IncidentId": _INCIDENT_PARAMETER},
            "responses": {status.name: _refusal(status) for status in _MEANINGS},
            "securitySchemes": {
                "functionKey": {"type": "apiKey", "in": "header", "name": "x-functions-key"},
                "functionKeyInQuery": {"type": "apiKey", "in": "query", "name": KEY_PARAMETER},
            },
        },
    }


_PROBLEM_SCHEMA: Json = {
    "title": "Problem",
    "description": "Problem details (RFC 9457). `kind` tells problems of one status apart.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "kind"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "kind": {"type": "string"},
        "mistakes": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["at", "what"],
                "properties": {"at": {"type": "string"}, "what": {"type": "string"}},
            },
        },
    },
}

_INCIDENT_PARAMETER: Json = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The incident's id.",
    "schema": {"type": "string", "pattern": INCIDENT_ID},
}


def _operation(each: AnyEndpoint) -> Json:
    operation: Json = {
        "operationId": each.name,
        "summary": each.summary,
        "description": each.description,
        "parameters": [*_path_parameters(each), *_query_parameters(each.query), *map(_header, each.headers)],
        "responses": _responses(each),
    }
    if each.body is not Nothing:
        content: Json = {"schema": _ref(each.body)}
        if each.example is not None:
            content["example"] = each.example
        operation["requestBody"] = {"required": True, "content": {JSON: content}}
    return operation


def _path_parameters(each: AnyEndpoint) -> list[Json]:
    return [{"$ref": "#/components/parameters/IncidentId"}] if "{id}" in each.path else []


def _query_parameters(model: type[Input]) -> list[Json]:
    schema = model.model_json_schema()
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "description": value.pop("description", ""),
            "schema": value,
        }
        for name, value in ((name, without_null(each)) for name, each in schema.get("properties", {}).items())
    ]


def _header(header: HeaderParameter) -> Json:
    return {
        "name": header.name,
        "in": "header",
        "required": False,
        "description": header.description,
        "schema": {"type": "string", "pattern": header.pattern},
    }


def _responses(each: AnyEndpoint) -> Json:
    refused = {
        str(status.value): {"$ref": f"#/components/responses/{status.name}"} for status in (*_ALWAYS, *each.refusals)
    }
    good = {str(status.value): _answer(status, answer) for status, answer in each.answers.items()}
    no_key = {"401": {"description": "The function key is missing or wrong (answered by the Functions host)."}}
    return dict(sorted({**no_key, **refused, **good}.items()))


def _answer(status: HTTPStatus, answer: Answer) -> Json:
    content: Json = {
        media: {"schema": _ref(model) if model else {"type": "string"}} for media, model in answer.content.items()
    }
    if status in _MEANINGS:
        content[PROBLEM] = {"schema": {"$ref": _REF.format(model="Problem")}}
    headers = {name: {"description": text, "schema": {"type": "string"}} for name, text in answer.headers.items()}
    return {"description": answer.description, "content": content, **({"headers": headers} if headers else {})}


def _refusal(status: HTTPStatus) -> Json:
    return {
        "description": _MEANINGS[status],
        "headers": {
            "Retry-After": {"description": "Seconds to wait, where waiting helps.", "schema": {"type": "integer"}}
        },
        "content": {PROBLEM: {"schema": {"$ref": _REF.format(model="Problem")}}},
    }


def _ref(model: type[BaseModel]) -> Json:
    return {"$ref": _REF.format(model=model.__name__)}


def _schemas(endpoints: Iterable[AnyEndpoint]) -> Json:
    wanted: dict[tuple[type[BaseModel], Literal["validation", "serialization"]], None] = {}
    for each in endpoints:
        if each.body is not Nothing:
            wanted[(each.body, "validation")] = None
        models = (model for answer in each.answers.values() for model in answer.content.values() if model)
        wanted.update(((model, "serialization"), None) for model in models)
    _, schema = models_json_schema(list(wanted), ref_template=_REF)
    return cast("Json", schema["$defs"])
