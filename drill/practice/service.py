"""
What every service does with a request: the way of one request through faults, token, permission, throttle,
lane, handler and record. Graph, vaults and others differ in how they refuse and whom they let in.
"""

from collections.abc import Awaitable, Callable
from typing import NoReturn, Protocol

from drill.practice.faults import APPLIED, Fault, Faults
from drill.practice.masking import masked_body
from drill.practice.shapes import fine_time
from drill.practice.state import Seen, TenantState
from drill.practice.web import Answer, ConnectionLost, Refusal, Request, Route, RoutingTable

_UNAUTHENTICATED = 401  # nobody knows whose write it would have been; Key Vault clients ask this way first
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
CUT = "x-practice-cut"  # tells the ASGI side to break the connection halfway
Sleep = Callable[[float], Awaitable[None]]


class NoAnswer(Exception):
    """The client will never hear of this request: it must run into its own timeout."""


class Gate(Protocol):
    """What differs between services."""

    name: str  # as faults and effects call it: graph, vault
    routes: RoutingTable[TenantState]

    def authenticate(self, state: TenantState, request: Request) -> None:
        """Set who the caller is, or refuse with 401."""
        ...

    def find(self, state: TenantState, request: Request) -> tuple[Route[TenantState], dict[str, str]]:
        """The route and its parameters, or a refusal."""
        ...

    def authorise(
        self, state: TenantState, request: Request, route: Route[TenantState], parameters: dict[str, str]
    ) -> None:
        """Refuse with 403 what the caller may not do."""
        ...

    def throttle(self, state: TenantState, request: Request, route: Route[TenantState]) -> dict[str, str]:
        """Refuse with 429, or give headers for the answer."""
        ...

    def observe(self, state: TenantState, request: Request, status: int | None) -> None:
        """It is over: keep whatever logs this service keeps."""
        ...

    def refusal(self, state: TenantState, request: Request, refusal: Refusal) -> Answer:
        """The error body as this service writes it."""
        ...


class Service:
    """Carries requests of one kind to their handlers. `serve` is everything but the network."""

    def __init__(self, state: TenantState, gate: Gate, faults: Faults, sleep: Sleep) -> None:
        self._state = state
        self._gate = gate
        self._faults = faults
        self._sleep = sleep
        self._lanes: set[str] = set()

    async def serve(self, request: Request) -> Answer:
        """The answer, whatever it is; raises NoAnswer or ConnectionLost where there is none."""
        fault = self._fault(request)
        status: int | None = None
        try:
            answer = await self._answered(request, fault)
            status = answer.status
        except Refusal as refusal:
            answer = self._gate.refusal(self._state, request, refusal)
            status = answer.status
            if not _is_reading(request) and not request.applied and status != _UNAUTHENTICATED:
                self._record(request, status, applied=False)
        finally:
            self._see(request, status)
        return await _spoilt(answer, fault, self._sleep)

    def at_once(self, request: Request, *, as_anybody: bool = False) -> Answer:
        """
        What a request of somebody's does, without the time it takes, faults or throttling. Who asks stands in it
        already; `as_anybody` asks for no permission either. Raises Refusal, which the service's logs tell of as well.
        """
        status: int | None = None
        try:
            route, parameters = self._gate.find(self._state, request)
            request.operation = route.operation
            if not as_anybody:
                self._gate.authorise(self._state, request, route, parameters)
            answer = route.handler(self._state, request, **parameters)
            status = answer.status
            if route.write:
                self._record(request, status, applied=True)
        except Refusal as refusal:
            status = refusal.status
            raise
        finally:
            self._see(request, status)
        return answer

    async def serve_whole(self, request: Request, carry_out: Callable[[Request], Awaitable[Answer]]) -> Answer:
        """A request that holds others: they are let in, throttled and recorded one by one, it only authenticated."""
        fault = self._fault(request)
        status: int | None = None
        try:
            answer = await self._opened(request, fault, carry_out)
            status = answer.status
        except Refusal as refusal:
            answer = self._gate.refusal(self._state, request, refusal)
            status = answer.status
        finally:
            self._see(request, status)
        return await _spoilt(answer, fault, self._sleep)

    async def _opened(
        self, request: Request, fault: Fault | None, carry_out: Callable[[Request], Awaitable[Answer]]
    ) -> Answer:
        if fault:
            refuse_by(fault)
        self._gate.authenticate(self._state, request)
        answer = await carry_out(request)
        if fault and fault.kind in APPLIED:
            _lose(fault)
        if fault and fault.kind == "batch-missing" and isinstance(answer.body, dict):
            answer.body["responses"].pop()
        return answer

    def _see(self, request: Request, status: int | None) -> None:
        name, state = self._gate.name, self._state
        seen = Seen(state.now, request.by, name, request.method, request.path, status, request.in_batch)
        state.requests.append(seen)
        self._gate.observe(state, request, status)

    def _fault(self, request: Request) -> Fault | None:
        """A request without a token only fetches its challenge: no fault is wasted on it."""
        if "authorization" not in request.headers:
            return None
        return self._faults.strike(self._gate.name, request.method, request.path, self._state.elapsed)

    async def _answered(self, request: Request, fault: Fault | None) -> Answer:
        if fault:
            refuse_by(fault)
            if fault.kind == "html-body":
                return Answer(502, _PAGE, {"content-type": "text/html"})
            request.staleness = fault.delay if fault.kind == "stale-read" else 0.0
            request.partial = fault.kind == "partial"
        self._gate.authenticate(self._state, request)
        route, parameters = self._gate.find(self._state, request)
        request.operation, request.reads = route.operation, not route.write
        self._gate.authorise(self._state, request, route, parameters)
        headers = self._gate.throttle(self._state, request, route)
        if route.write:
            answer = await self._write(request, route, parameters, fault)
        else:
            await self._sleep_if(self._state.behaviour.service)
            answer = route.handler(self._state, request, **parameters)
        answer.headers |= headers
        return answer

    async def _write(
        self, request: Request, route: Route[TenantState], parameters: dict[str, str], fault: Fault | None
    ) -> Answer:
        """Writes to one object must not overlap (facts: limits A.3): the later one is refused."""
        lane = _lane(self._gate.name, request, route, parameters)
        if lane in self._lanes:
            raise concurrency_violation(self._state)
        self._lanes.add(lane)
        try:
            await self._sleep_if(self._state.behaviour.service)
            answer = route.handler(self._state, request, **parameters)
        finally:
            self._lanes.discard(lane)
        lost = fault is not None and fault.kind in APPLIED
        self._record(request, answer.status, applied=True, answer_lost=lost)
        if fault is not None and lost:
            _lose(fault)
        return answer

    def _record(self, request: Request, status: int, *, applied: bool, answer_lost: bool = False) -> None:
        request.applied = applied
        self._state.effects.append(
            {
                "at": fine_time(self._state.now),
                "by": request.by,
                "service": self._gate.name,
                "host": request.host,
                "method": request.method,
                "path": request.path,
                "status": status,
                "applied": applied,
                "answerLost": answer_lost,
                "body": masked_body(request.body),
            }
        )

    async def _sleep_if(self, delay: float) -> None:
        if delay > 0:
            await self._sleep(delay)


def _is_reading(request: Request) -> bool:
    """Some questions are sent by POST: refused, they are as little an attempt to write as answered."""
    return request.method in _SAFE or request.reads


def _lane(service: str, request: Request, route: Route[TenantState], parameters: dict[str, str]) -> str:
    """The object that is written, or the request itself where no object is named."""
    segments = [
        parameters.get(segment[1:-1], segment) if segment.startswith("{") else segment for segment in route.segments
    ]
    if not 0 <= route.lane < len(segments):
        return f"{service}:{id(request)}"
    return f"{service}:{request.host}:{'/'.join(segments[: route.lane + 1])}"


def concurrency_violation(state: TenantState) -> Refusal:
    """409 or 503, both have been seen (facts: limits A.3)."""
    status = state.chance.stream("concurrency").choice((409, 503))
    return Refusal(status, "Directory_ConcurrencyViolation", "A concurrency violation has occurred. Please retry.")


_TEXTS = {
    "401": ("Authentication_MissingOrMalformed", "Access Token missing or malformed."),
    "403": ("Authorization_RequestDenied", "Insufficient privileges to complete the operation."),
    "404": ("Request_ResourceNotFound", "Resource does not exist."),
    "409": ("Directory_ConcurrencyViolation", "A concurrency violation has occurred. Please retry."),
    "429": ("TooManyRequests", "Too many requests."),
    "500": ("InternalServerError", "An internal error occurred."),
    "502": ("BadGateway", "The gateway received an invalid response."),
    "503": ("ServiceUnavailable", "The service is temporarily unavailable."),
    "504": ("GatewayTimeout", "The request timed out on the way."),
}


def refuse_by(fault: Fault) -> None:
    """Strike before the service has done anything."""
    if fault.kind == "timeout":
        raise NoAnswer
    if fault.kind == "reset":
        raise ConnectionLost("connection reset by the practice tenant")
    if fault.kind in _TEXTS:
        _refuse(fault, fault.kind)


def _lose(fault: Fault) -> NoReturn:
    """Strike after the write was done."""
    kind = fault.kind.removesuffix("-applied")
    if kind == "timeout":
        raise NoAnswer
    if kind == "reset":
        raise ConnectionLost("connection reset by the practice tenant")
    _refuse(fault, kind)


def _refuse(fault: Fault, status: str) -> NoReturn:
    headers = {"retry-after": fault.retry_after} if fault.retry_after is not None else {}
    raise Refusal(int(status), *_TEXTS[status], headers=headers)


_PAGE = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


async def _spoilt(answer: Answer, fault: Fault | None, sleep: Sleep) -> Answer:
    """Strike while the answer is on its way."""
    if fault is None:
        return answer
    if fault.kind == "slow":
        await sleep(fault.delay)
    if fault.kind == "cut-body":
        return Answer(answer.status, answer.content(), {**answer.headers, CUT: "1"})
    return answer
