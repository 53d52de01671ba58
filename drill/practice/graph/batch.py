"""
POST /$batch (facts: graph 9): at most 20, each throttled and refused alone, answers in any order.

A request runs as soon as those it depends on are done; if one of them failed it gets 424. A fault that
breaks the connection of an inner request breaks the whole batch, but only after everything has run.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from drill.practice.service import NoAnswer
from drill.practice.shapes import JsonObject
from drill.practice.state import TenantState
from drill.practice.web import Answer, ConnectionLost, Refusal, Request, read_query, read_target

_MOST = 20
Serve = Callable[[Request], Awaitable[Answer]]


async def run_batch(state: TenantState, request: Request, serve: Serve) -> Answer:
    """200 with all inner answers, or 400 for the batch itself."""
    inner = _read(request)
    running: dict[str, asyncio.Task[Answer]] = {}
    for each in inner:  # dependencies stand before their dependants, so their tasks exist already
        before = [running[name] for name in each.get("dependsOn", [])]
        running[each["id"]] = asyncio.create_task(_one(request, each, before, serve))
    done = await asyncio.gather(*running.values(), return_exceptions=True)
    for outcome in done:
        if isinstance(outcome, BaseException):
            raise outcome
    responses = [_response(name, answer) for name, answer in zip(running, cast("list[Answer]", done), strict=True)]
    if state.behaviour.permute_batches:
        state.chance.stream("batch").shuffle(responses)
    return Answer(200, {"responses": responses}, {"content-type": "application/json"})


async def _one(outer: Request, given: Mapping[str, Any], before: list[asyncio.Task[Answer]], serve: Serve) -> Answer:
    for task in before:
        try:
            answer = await task
        except (NoAnswer, ConnectionLost):
            return _failed_dependency()
        if answer.status >= 400:
            return _failed_dependency()
    return await serve(_inner_request(outer, given))


def _inner_request(outer: Request, given: Mapping[str, Any]) -> Request:
    path, raw_query = read_target(str(given["url"]))
    headers = {
        str(name).lower(): str(value) for name, value in cast("dict[str, Any]", given.get("headers") or {}).items()
    }
    inherited = {name: outer.headers[name] for name in ("authorization", "user-agent") if name in outer.headers}
    body = given.get("body")
    return Request(
        method=str(given["method"]).upper(),
        host=outer.host,
        path=path if path.startswith("/") else f"/{path}",
        query=read_query(raw_query),
        headers={**headers, **inherited},
        body=b"" if body is None else json.dumps(body).encode(),
        in_batch=True,
        base=outer.base,
        version=outer.version,
        raw_query=raw_query,
    )


def _read(request: Request) -> list[JsonObject]:
    found = request.json_object().get("requests")
    if not isinstance(found, list) or not found:
        raise Refusal(400, "BadRequest", "Invalid batch payload format.")
    inner = cast("list[JsonObject]", found)
    if len(inner) > _MOST:
        raise Refusal(400, "BadRequest", f"Number of batch request steps exceeds the maximum value of {_MOST}.")
    seen: set[str] = set()
    for each in inner:
        _check(each, seen)
        seen.add(each["id"])
    return inner


def _check(each: JsonObject, seen: set[str]) -> None:
    if not all(isinstance(each.get(name), str) and each[name] for name in ("id", "method", "url")):
        raise Refusal(400, "BadRequest", "Invalid batch payload format: id, method and url are needed.")
    if each["id"] in seen:
        raise Refusal(400, "BadRequest", f"Duplicate request id '{each['id']}' in the batch.")
    if not set(each.get("dependsOn") or []) <= seen:
        raise Refusal(400, "BadRequest", "dependsOn names a request that does not stand before it.")
    if "$batch" in each["url"] or each["url"].startswith("http"):
        raise Refusal(400, "BadRequest", "Batch steps need relative URLs and cannot be batches.")
    given: JsonObject = each.get("headers") or {}
    headers = {name.lower() for name in given}
    if each.get("body") is not None and "content-type" not in headers:
        raise Refusal(
            400, "BadRequest", f"Write request id : {each['id']} does not contain Content-Type header or body."
        )


def _failed_dependency() -> Answer:
    error = {"code": "FailedDependency", "message": "A request that this one depends on has failed."}
    return Answer(424, {"error": error}, {"content-type": "application/json"})


def _response(name: str, answer: Answer) -> JsonObject:
    body: object = answer.body
    if isinstance(body, bytes):
        json_body = answer.headers.get("content-type", "").startswith("application/json")
        body = json.loads(body) if json_body else body.decode()
    headers = {"Cache-Control": "no-cache", **{_title(key): value for key, value in answer.headers.items()}}
    return {"id": name, "status": answer.status, "headers": headers, "body": body}


def _title(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-")) if not name.startswith("x-") else name
