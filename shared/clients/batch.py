"""
`$batch`: many requests in one (facts: Graph json-batching).

The outer 200 says nothing. Answers come in any order; one may be missing or there twice, and then
nothing is known of its request. In a chain each request waits for the one before it, and whatever
follows a failed one is answered 424: it was not carried out.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from shared.clients.answers import Answer, Call
from shared.signal import JsonObject, JsonValue

MOST = 20
NOT_TRIED = HTTPStatus.FAILED_DEPENDENCY


def batch_body(calls: Sequence[Call], headers: Mapping[str, str], *, chain: bool) -> JsonObject:
    """The body of a `$batch` with these calls under the ids "1", "2", …"""
    return {"requests": [_inner(call, number, headers, chain=chain) for number, call in enumerate(calls, start=1)]}


def _inner(call: Call, number: int, headers: Mapping[str, str], *, chain: bool) -> JsonObject:
    inner: JsonObject = {"id": str(number), "method": call.method, "url": call.path}
    sent: JsonObject = {**headers, **call.headers}
    if call.body is not None:
        inner["body"] = call.body
        sent["Content-Type"] = "application/json"
    if sent:
        inner["headers"] = sent
    if chain and number > 1:
        inner["dependsOn"] = [str(number - 1)]
    return inner


def read_batch(body: JsonObject, count: int) -> list[Answer | None]:
    """The answers in the order of their calls; None where there is no single, readable one."""
    found: dict[str, list[Answer]] = {}
    responses = body.get("responses")
    for each in responses if isinstance(responses, list) else ():
        answer = _answer(each)
        if isinstance(each, dict) and answer is not None:
            found.setdefault(str(each.get("id")).strip(), []).append(answer)
    by_number = (found.get(str(number), []) for number in range(1, count + 1))
    return [answers[0] if len(answers) == 1 else None for answers in by_number]


def _answer(each: JsonValue) -> Answer | None:
    if not isinstance(each, dict):
        return None
    status, headers = each.get("status"), each.get("headers")
    if not isinstance(status, int):
        return None
    given: JsonObject = headers if isinstance(headers, dict) else {}
    return Answer(status, {name.lower(): str(value) for name, value in given.items()}, each.get("body"))
