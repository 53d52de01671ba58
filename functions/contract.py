"""
What an HTTP endpoint takes and answers, said once: it checks each request, and it is the OpenAPI document.

A request is checked in the order of cost: media type, size, JSON, depth, then the model. Each refusal
names what is wrong, and repeats nothing of what was sent but the names of fields.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Generic, TypeAlias, TypeVar, cast

import azure.functions as func
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError
from pydantic.alias_generators import to_camel

from functions.answers import Mistake, Refusal, answering_errors

JSON = "application/json"
LARGEST_BODY = 64 * 1024  # bytes; the largest sensible order is a hundredth of it
DEEPEST = 16  # levels of objects and lists
BRANCH = "|"  # how the tag of a union's branch begins
KEY_PARAMETER = "code"  # the host's: a function key may stand in the query instead of in a header


class Input(BaseModel):
    """
    The base of what is taken in: unknown fields are refused, and text is never taken for a number.

    Fields are camelCase outside, as in Microsoft Graph.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel)


class Nothing(Input):
    """No body, or no parameters."""


B = TypeVar("B", bound=Input)
Q = TypeVar("Q", bound=Input)


@dataclass(frozen=True, slots=True)
class Call(Generic[B, Q]):
    """A checked request. `headers` keeps its names in any case, `path` holds what the route names."""

    body: B
    query: Q
    path: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """What an endpoint answers: a model as JSON, or text of another media type."""

    content: BaseModel | str
    status: HTTPStatus = HTTPStatus.OK
    media: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Answer:
    """One documented answer: by media type, the model of the JSON, or None for text."""

    description: str
    content: Mapping[str, type[BaseModel] | None]
    headers: Mapping[str, str] = field(default_factory=dict[str, str])  # name: description


@dataclass(frozen=True, slots=True)
class HeaderParameter:
    """A request header that the endpoint reads."""

    name: str
    description: str
    pattern: str


Handler: TypeAlias = Callable[[Call[B, Q]], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[B, Q]):
    """One method on one path; calling it answers a request."""

    name: str
    method: str
    path: str
    summary: str
    description: str
    body: type[B]
    query: type[Q]
    answers: Mapping[HTTPStatus, Answer]
    refusals: frozenset[HTTPStatus]
    headers: Sequence[HeaderParameter]
    example: JsonValue
    handle: Handler[B, Q]

    async def __call__(self, req: func.HttpRequest) -> func.HttpResponse:
        return await answering_errors(self._answer)(req)

    async def _answer(self, req: func.HttpRequest) -> func.HttpResponse:
        call = Call(
            body=check_body(self.body, req),
            query=check_query(self.query, req.params),
            path=req.route_params,
            headers=req.headers,
        )
        return as_response(await self.handle(call))


def endpoint(
    method: str,
    path: str,
    *,
    summary: str,
    body: type[B],
    query: type[Q],
    answers: Mapping[HTTPStatus, Answer],
    refusals: Sequence[HTTPStatus] = (),
    headers: Sequence[HeaderParameter] = (),
    example: JsonValue = None,
) -> Callable[[Handler[B, Q]], Endpoint[B, Q]]:
    """
    Declare an endpoint. Its name and description are the function's name and docstring.

    `answers` are the good ones; `refusals` are the statuses that its errors can have beyond those that any
    endpoint has (400, 401, 500, 503) and that a body brings with it (413, 415).
    """

    def declare(handle: Handler[B, Q]) -> Endpoint[B, Q]:
        with_body = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        return Endpoint(
            name=getattr(handle, "__name__", ""),
            method=method,
            path=path,
            summary=summary,
            description=" ".join((handle.__doc__ or "").split()),
            body=body,
            query=query,
            answers=answers,
            refusals=frozenset((*refusals, *(() if body is Nothing else with_body))),
            headers=headers,
            example=example,
            handle=handle,
        )

    return declare


def as_response(reply: Reply) -> func.HttpResponse:
    """Answers are about one moment, and may name what is none of a cache's business."""
    text = reply.content if isinstance(reply.content, str) else reply.content.model_dump_json(by_alias=True)
    return func.HttpResponse(
        text,
        status_code=reply.status.value,
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **reply.headers},
        mimetype=reply.media,
        charset="utf-8",
    )


def check_body(model: type[B], req: func.HttpRequest) -> B:
    """The body as the model. Raises Refusal."""
    if model is Nothing:
        return model()
    _check_media_type(cast("Mapping[str, str]", req.headers).get("content-type", ""))
    content = req.get_body()
    if len(content) > LARGEST_BODY:
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A body may have {LARGEST_BODY} bytes at most.")
    value = read_json(content)
    try:
        # Once more from JSON: only there does a strict model take a list for a tuple.
        return model.model_validate_json(json.dumps(value))
    except ValidationError as problem:
        raise _mistakes(problem, _pointer) from None


def check_query(model: type[Q], parameters: Mapping[str, str]) -> Q:
    """The query as the model; only here may text be a number. A misspelled parameter is refused. Raises Refusal."""
    given = {name: value for name, value in parameters.items() if name != KEY_PARAMETER}
    try:
        return model.model_validate(given, strict=False)
    except ValidationError as problem:
        raise _mistakes(problem, _parameter) from None


def read_json(content: bytes) -> object:
    """JSON that means one thing only: UTF-8, no key twice, no infinity, not too deep. Raises Refusal."""
    try:
        value: object = json.loads(content.decode(), object_pairs_hook=_unique)
        # Python reads more than JSON is: NaN, 1e999, half a surrogate pair. None of it can be written again.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as problem:
        raise Refusal(HTTPStatus.BAD_REQUEST, "The body is not JSON in UTF-8 with each key once.") from problem
    if _deeper_than(DEEPEST, value):
        raise Refusal(HTTPStatus.BAD_REQUEST, f"The body is nested deeper than {DEEPEST} levels.")
    return value


def without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a field that may be left out, but not given as null."""
    if "anyOf" not in schema:
        return schema
    (given,) = (kind for kind in schema["anyOf"] if kind.get("type") != "null")
    return {**given, "description": schema.get("description", "")}


def _check_media_type(text: str) -> None:
    media, _, parameters = text.partition(";")
    charset = parameters.replace(" ", "").replace('"', "").lower()
    if media.strip().lower() != JSON or charset not in {"", "charset=utf-8"}:
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"A body must be sent as {JSON}, in UTF-8.")


def _unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def _deeper_than(levels: int, value: object) -> bool:
    if isinstance(value, dict):
        members: list[object] = list(cast("dict[str, object]", value).values())
    elif isinstance(value, list):
        members = cast("list[object]", value)
    else:
        return False
    return levels == 0 or any(_deeper_than(levels - 1, member) for member in members)


def _mistakes(problem: ValidationError, where: Callable[[Sequence[int | str]], str]) -> Refusal:
    mistakes = tuple(
        Mistake(where(error["loc"]), error["msg"])
        for error in problem.errors(include_url=False, include_context=False, include_input=False)
    )
    listed = "; ".join(f"{mistake.at or 'the body'}: {mistake.what}" for mistake in mistakes[:5])
    return Refusal(HTTPStatus.BAD_REQUEST, f"The request was refused, and nothing was done. {listed}.", mistakes)


def _pointer(location: Sequence[int | str]) -> str:
    """A JSON pointer. Pydantic also names the branch of a union that it took, which is no place in the body."""
    return "".join(f"/{part}" for part in location if not str(part).startswith(BRANCH))


def _parameter(location: Sequence[int | str]) -> str:
    return f"?{location[0]}" if location else "?"
