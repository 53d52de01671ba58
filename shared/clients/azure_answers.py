"""
What Azure's services answer beside the directory (Resource Manager, Log Analytics, Key Vault), and what it means
in our words. Statuses become errors here and nowhere else. Facts: azure 3 and 4, Key Vault rest-error-codes.
"""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar, cast

from shared.case import CouldNotLook, Known, Part
from shared.clients.graph_shapes import Unreadable
from shared.clients.pacing import Quota
from shared.clients.patience import Trouble, read_retry_after
from shared.clients.text import fit
from shared.clock import Clock
from shared.errors import (
    CordonError,
    Gone,
    OutcomeUnknown,
    PermissionMissing,
    PlatformRefused,
    Throttled,
    TimeMayHelp,
    Unreachable,
)
from shared.signal import JsonObject, JsonValue

if TYPE_CHECKING:
    from azure.core.rest import AsyncHttpResponse

T = TypeVar("T")
Method: TypeAlias = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

# Another write to the same resource is under way: this one was not begun.
_BUSY = frozenset({"Conflict", "AnotherOperationInProgress", "OperationInProgress", "ServerIsBusy", "ResourceBusy"})
_NO_RIGHT = frozenset(
    {
        "",
        "AccessDenied",
        "AuthorizationFailed",
        "Forbidden",
        "ForbiddenByPolicy",
        "ForbiddenByRbac",
        "InsufficientAccessError",
        "InsufficientAccess",
        "LinkedAuthorizationFailed",
    }
)
_FIREWALL = "the vault's firewall does not let this app in: allow its outbound subnet, or use a private endpoint."
_INNER = 4  # errors within an error, at most
_PLAIN_CODE = re.compile(r"[A-Za-z]{1,60}")


@dataclass(frozen=True, slots=True)
class Order:
    """
    One request. `path` begins with "/" and is made of fixed text and checked names only.

    `doing` begins the error message; `needs` is the role to give if the service says 403. `writes`: it changes
    something, so a lost answer leaves the outcome unknown. `bears_secret`: a value travels in it or in its answer,
    so nothing that the service says in an error is shown.
    """

    method: Method
    path: str
    doing: str
    needs: str
    body: JsonObject | None = field(default=None, repr=False)
    writes: bool = False
    bears_secret: bool = False
    quotas: tuple[Quota, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful answer. Header names are in lower case; the body may hold a value, so no repr shows it."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    body: JsonObject = field(default_factory=dict[str, JsonValue], repr=False)


def read_reply(order: Order, answer: "AsyncHttpResponse", clock: Clock) -> Reply:
    """The answer if it is a success and readable; raises Trouble for anything else."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    body = _body_of(answer)
    if not HTTPStatus.OK <= answer.status_code < HTTPStatus.MULTIPLE_CHOICES:
        raise _trouble(order, answer.status_code, body or {}, read_retry_after(headers.get("retry-after"), clock))
    if body is None:
        raise lost(order, "the answer is cut off or is not a JSON object")
    return Reply(answer.status_code, headers, body)


def lost(order: Order, why: str) -> Trouble:
    """No usable answer came: nothing is known of a write, and a read may be repeated."""
    error = OutcomeUnknown(order.doing, why) if order.writes else Unreachable(order.doing, why)
    return Trouble(error, again=True, lost=order.writes, soon=True)


def not_sent(order: Order, why: str) -> Trouble:
    """The request did not leave: nothing was changed."""
    return Trouble(Unreachable(order.doing, why), again=True, soon=True)


def readable(doing: str, read: Callable[[], T]) -> T:
    """What `read` makes of an answer. What it stumbles over is named by property, never shown."""
    try:
        return read()
    except (Unreadable, ValueError, LookupError, TypeError) as problem:
        why = str(problem) if isinstance(problem, Unreadable) else type(problem).__name__
        raise Unreachable(doing, f"the answer could not be read: {why}") from None


async def as_part(reading: Awaitable[T]) -> Part[T]:
    """What was read; an error of ours becomes the reason why it is not known."""
    try:
        return Known(await reading)
    except CordonError as error:
        return CouldNotLook(str(error), may_help_later=isinstance(error, TimeMayHelp), gone=isinstance(error, Gone))


def _body_of(answer: "AsyncHttpResponse") -> JsonObject | None:
    """The JSON object of an answer, {} where there is none at all, None where it is something else."""
    try:
        content = answer.content
        body: object = json.loads(content) if content else {}
    except (ValueError, RecursionError):
        return None
    return cast("JsonObject", body) if isinstance(body, dict) else None


def _trouble(order: Order, status: int, body: JsonObject, wait: float | None) -> Trouble:
    code, message = _complaint(order, body)
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return Trouble(Unreachable(order.doing, "401: our token was not accepted, a new one neither"))
        case HTTPStatus.FORBIDDEN:
            return Trouble(_forbidden(order, code, message))
        case HTTPStatus.NOT_FOUND:
            return Trouble(Gone(order.doing))
        case HTTPStatus.CONFLICT if code in _BUSY:
            busy = Unreachable(order.doing, f"409 {code}: another operation is under way, this one was not begun")
            return Trouble(busy, again=True, wait=wait)
        case HTTPStatus.TOO_MANY_REQUESTS:
            return _throttled(order, wait)
        case HTTPStatus.REQUEST_TIMEOUT:
            return lost(order, "408")
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            trouble = lost(order, f"{status} {code}".strip())
            trouble.wait = wait
            return trouble
        case _ if status < HTTPStatus.BAD_REQUEST:
            return Trouble(Unreachable(order.doing, f"{status}: redirects are not followed"), lost=order.writes)
        case _:
            return Trouble(PlatformRefused(doing=order.doing, code=code or str(status), why=message))


def _throttled(order: Order, wait: float | None) -> Trouble:
    """A write that is answered 429 may have been applied all the same (facts: limits A.3)."""
    if order.writes:
        return Trouble(OutcomeUnknown(order.doing, "429: the service is throttling"), again=True, wait=wait, lost=True)
    return Trouble(Throttled(order.doing, timedelta(seconds=wait) if wait else None), again=True, wait=wait)


def _forbidden(order: Order, code: str, message: str) -> CordonError:
    if code == "ForbiddenByFirewall":
        return PlatformRefused(doing=order.doing, code=code, why=_FIREWALL)
    if code in _NO_RIGHT:
        return PermissionMissing(doing=order.doing, needs=order.needs)
    return PlatformRefused(doing=order.doing, code=code, why=message)


def _complaint(order: Order, body: JsonObject) -> tuple[str, str]:
    """
    Code and message, the innermost, for they say most. Of what bears a secret only a code of plain letters is shown: a
    service may repeat what it was sent.
    """
    error = body.get("error")
    told: list[JsonObject] = [error] if isinstance(error, dict) else [{}]
    while len(told) <= _INNER and isinstance(inner := told[-1].get("innererror"), dict):
        told.append(inner)
    code = next((each["code"] for each in reversed(told) if each.get("code")), "")
    message = next((each["message"] for each in reversed(told) if each.get("message")), None)
    if order.bears_secret:
        plain = code if isinstance(code, str) and _PLAIN_CODE.fullmatch(code) else ""
        return plain, "what it says is not shown, because a secret's value was part of this call."
    return fit(code, 80), fit(message or "it gives no reason.")
