"""
What Microsoft Graph answers, and what it means in our words. Statuses become errors here and nowhere else.

The same rules hold for an answer of its own and for one inside a `$batch`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Literal, TypeAlias, cast

from shared.clients.pacing import Quota
from shared.clients.patience import Trouble, read_retry_after
from shared.clients.text import fit
from shared.clock import Clock
from shared.errors import (
    CordonError,
    Gone,
    InstanceLocked,
    LicenceMissing,
    OutcomeUnknown,
    PermissionMissing,
    PlatformRefused,
    Throttled,
    Unreachable,
)
from shared.signal import JsonObject, JsonValue

NO_SUCH_SEGMENT = "not found for the segment"  # what Graph says of a path that its model does not have

VERSION = "/v1.0"
BETA = "/beta"

Method: TypeAlias = Literal["GET", "POST", "PATCH", "DELETE"]


@dataclass(frozen=True, slots=True)
class Call:
    """
    One request to Graph. `path` starts with "/" and is made of fixed text and canonical ids only.

    `doing` begins the error message; `needs` is the permission to grant if Graph says 403, `licence` the
    one that may be missing. Every write that we send may be repeated: what may not is not sent to Graph.
    """

    method: Method
    path: str
    doing: str
    needs: str
    licence: str | None = None
    body: JsonObject | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    quota: Quota | None = None
    urgent: bool = True
    rides: bool = False  # asked along with others while its quota has plenty of room, and once: nothing waits for it
    version: str = VERSION  # of the API; what is only in beta is never sent in a batch

    @property
    def is_write(self) -> bool:
        return self.method != "GET"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (lower-case names) and body; bytes of an answer of its own, JSON of one in a batch."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: "bytes | JsonValue" = None

    @property
    def is_success(self) -> bool:
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    def json(self) -> JsonValue:
        """The body as JSON; None if it is empty. Raises ValueError if it is something else."""
        if isinstance(self.body, bytes):
            return cast("JsonValue", json.loads(self.body)) if self.body else None
        return self.body


@dataclass(frozen=True, slots=True)
class Complaint:
    """Code, message and request id of an error body; empty where it had none (an HTML page of a gateway)."""

    code: str
    message: str
    request_id: str | None

    def says(self, pattern: str) -> bool:
        return re.search(pattern, f"{self.code} {self.message}", re.IGNORECASE) is not None


def read_object(call: Call, answer: Answer) -> JsonObject:
    """The JSON object of a successful answer ({} if it is empty); raises Trouble for anything else."""
    try:
        body = answer.json()
    except (ValueError, RecursionError):
        raise lost(call, "the answer is cut off or is not JSON") from None
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise lost(call, "the answer is not a JSON object")
    return body


def check(call: Call, answer: Answer, clock: Clock) -> None:
    """Raise Trouble unless the answer is a success."""
    if not answer.is_success:
        raise _trouble(call, answer, complaint_of(answer), clock)


def lost(call: Call, why: str) -> Trouble:
    """No usable answer came: nothing is known of a write, and a read may be repeated."""
    error = OutcomeUnknown(call.doing, why) if call.is_write else Unreachable(call.doing, why)
    return Trouble(error, again=True, lost=call.is_write, soon=True)


def not_sent(call: Call, why: str) -> Trouble:
    """The request did not leave: nothing was changed."""
    return Trouble(Unreachable(call.doing, why), again=True, soon=True)


def complaint_of(answer: Answer) -> Complaint:
    try:
        body = answer.json()
    except (ValueError, RecursionError):
        body = None
    error = body.get("error") if isinstance(body, dict) else None
    found: JsonObject = error if isinstance(error, dict) else {}
    inner = found.get("innerError")
    ids: JsonObject = inner if isinstance(inner, dict) else {}
    request_id = ids.get("request-id") or answer.headers.get("request-id")
    return Complaint(
        code=fit(found.get("code") or "", 80),
        message=fit(found.get("message") or ""),
        request_id=fit(request_id, 80) if request_id else None,
    )


def _trouble(call: Call, answer: Answer, complaint: Complaint, clock: Clock) -> Trouble:
    wait = read_retry_after(answer.headers.get("retry-after"), clock)
    match answer.status:
        case HTTPStatus.TOO_MANY_REQUESTS:
            return _throttled(call, wait)
        case HTTPStatus.UNAUTHORIZED:
            return Trouble(Unreachable(call.doing, "401: our token was not accepted, a new one neither"))
        case HTTPStatus.FORBIDDEN:
            return Trouble(_forbidden(call, complaint))
        case HTTPStatus.NOT_FOUND if not complaint.says(NO_SUCH_SEGMENT):
            return Trouble(Gone(call.doing))
        case HTTPStatus.CONFLICT:
            return _collision(call, complaint, wait)
        case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return _failed(call, answer, complaint, wait)
        case status if status < HTTPStatus.BAD_REQUEST:
            return Trouble(Unreachable(call.doing, f"{status}: redirects are not followed"), lost=call.is_write)
        case _:
            return Trouble(_refused(call, answer, complaint))


def _throttled(call: Call, wait: float | None) -> Trouble:
    """A write that is answered 429 may have been applied all the same (facts: limits A.3)."""
    if call.is_write:
        return Trouble(OutcomeUnknown(call.doing, "429: the service is throttling"), again=True, wait=wait, lost=True)
    return Trouble(Throttled(call.doing, timedelta(seconds=wait) if wait else None), again=True, wait=wait)


def _collision(call: Call, complaint: Complaint, wait: float | None) -> Trouble:
    """Somebody writes to the same object at this moment; this write was not carried out."""
    error = PlatformRefused(doing=call.doing, code=complaint.code or "409", why=complaint.message or "a conflict.")
    return Trouble(error, again=True, wait=wait)


def _failed(call: Call, answer: Answer, complaint: Complaint, wait: float | None) -> Trouble:
    if complaint.says("Directory_ConcurrencyViolation"):
        return _collision(call, complaint, wait)
    trouble = lost(call, f"{answer.status} {complaint.code}".strip())
    trouble.wait = wait
    return trouble


def _forbidden(call: Call, complaint: Complaint) -> CordonError:
    """The codes for a missing licence are not documented for workload identities; the texts speak of it."""
    if call.licence and complaint.says(r"licen[cs]e|premium"):
        return LicenceMissing(doing=call.doing, needs=call.licence)
    if complaint.says("Request_QuotaExceeded"):
        return PlatformRefused(doing=call.doing, code=complaint.code, why=complaint.message)
    return PermissionMissing(doing=call.doing, needs=call.needs, request_id=complaint.request_id)


def _refused(call: Call, answer: Answer, complaint: Complaint) -> CordonError:
    code = complaint.code or str(answer.status)
    why = complaint.message or "it gives no reason."
    if complaint.says("CannotUpdateLockedServicePrincipalProperty"):
        return InstanceLocked(doing=call.doing, code=code, why=why)
    if call.licence and complaint.says(r"\b1150\b"):
        return LicenceMissing(doing=call.doing, needs=call.licence)
    return PlatformRefused(doing=call.doing, code=code, why=why)
