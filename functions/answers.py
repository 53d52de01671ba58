"""
Our errors as HTTP answers: problem details (RFC 9457), told by who must act.

    CallerMustAct    400, 404 (NotFound), 409 (RequestConflicts), or what a Refusal names
    SenderMustAct    400
    RivalActs        409, with Retry-After
    TimeMayHelp      503, with Retry-After
    OperatorMustAct  503 while Cordon cannot start, else 500
    PlatformRefused  502

Only errors that Cordon raises on purpose are answered here: their texts hold no secret. Anything else is
a defect, and goes through to the host, which logs it and answers 500 without a word about it.
"""

import functools
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import TypeAlias

import azure.functions as func

from shared import errors

Door: TypeAlias = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]

PROBLEM = "application/problem+json"
_WAIT = timedelta(seconds=30)  # where the service that we wait for did not say
_RIVAL_WAIT = timedelta(seconds=5)  # a rival is done after a few calls
_LONGEST = 4000  # characters of a text that may name a policy's mistakes one by one


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong with a request: where (a JSON pointer, or a parameter's name), and what."""

    at: str
    what: str


class Refusal(errors.RequestRefused):
    """A request that HTTP itself has a status for."""

    def __init__(self, status: HTTPStatus, what: str, mistakes: tuple[Mistake, ...] = ()) -> None:
        super().__init__(what)
        self.status, self.mistakes = status, mistakes


@dataclass(frozen=True, slots=True)
class Problem:
    """What the answer says; `kind` tells errors of one status apart."""

    status: HTTPStatus
    kind: str
    detail: str
    retry_after: timedelta | None = None
    mistakes: tuple[Mistake, ...] = field(default=())


def answering_errors(door: Door) -> Door:
    """Answer what Cordon raises on purpose; let everything else through to the host."""

    @functools.wraps(door)
    async def answered(req: func.HttpRequest) -> func.HttpResponse:
        try:
            return await door(req)
        except errors.CordonError as error:
            return as_response(problem_of(error))

    return answered


def problem_of(error: errors.CordonError) -> Problem:
    """Choose the status by who must act."""
    return Problem(
        status=_status(error),
        kind=_kind(error),
        detail=str(error)[:_LONGEST],
        retry_after=_retry_after(error),
        mistakes=error.mistakes if isinstance(error, Refusal) else (),
    )


def as_response(problem: Problem) -> func.HttpResponse:
    """The problem as `application/problem+json`."""
    body: dict[str, object] = {
        "type": "about:blank",
        "title": problem.status.phrase,
        "status": problem.status.value,
        "detail": problem.detail,
        "kind": problem.kind,
    }
    if problem.mistakes:
        body["mistakes"] = [{"at": mistake.at, "what": mistake.what} for mistake in problem.mistakes]
    headers = {"Cache-Control": "no-store"}
    if problem.retry_after is not None:
        headers["Retry-After"] = str(max(1, round(problem.retry_after.total_seconds())))
    return func.HttpResponse(json.dumps(body), status_code=problem.status.value, headers=headers, mimetype=PROBLEM)


def _status(error: errors.CordonError) -> HTTPStatus:
    match error:
        case Refusal():
            return error.status
        case errors.NotFound():
            return HTTPStatus.NOT_FOUND
        case errors.RequestConflicts() | errors.RivalActs():
            return HTTPStatus.CONFLICT
        case errors.CallerMustAct() | errors.SenderMustAct():
            return HTTPStatus.BAD_REQUEST
        case errors.TimeMayHelp() | errors.SettingsWrong() | errors.PolicyWrong():
            return HTTPStatus.SERVICE_UNAVAILABLE
        case errors.PlatformRefused():
            return HTTPStatus.BAD_GATEWAY
        case _:
            return HTTPStatus.INTERNAL_SERVER_ERROR


def _retry_after(error: errors.CordonError) -> timedelta | None:
    match error:
        case errors.Throttled(retry_after=timedelta() as asked):
            return asked
        case errors.TimeMayHelp():
            return _WAIT
        case errors.RivalActs():
            return _RIVAL_WAIT
        case _:
            return None


def _kind(error: errors.CordonError) -> str:
    """The error's class as a word with dashes: SettingsWrong is settings-wrong."""
    name = type(error).__name__
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).strip("-")
