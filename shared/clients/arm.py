"""
Azure Resource Manager: paths made of checked ARM ids, lists with all their pages, and operations that go on
after their answer. Facts: limits A.3 (buckets), azure 4 (which calls take their time).
"""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import quote

from shared.clients.azure_answers import Method, Order, Reply, readable
from shared.clients.azure_http import AzureHttp
from shared.clients.graph_shapes import objects_of
from shared.clients.pacing import Quota, check_if_late, loop_time
from shared.clients.patience import Trouble, persist, read_retry_after
from shared.errors import CordonError, IncompleteAnswer, OutcomeUnknown, PlatformRefused
from shared.signal import JsonObject

MOST_PAGES = 1_000
_SEGMENT = re.compile(r"[\w().\- ~]{1,260}")  # letters of any language, as in names of resource groups
_ACCEPTED = 202
_PAUSE = 5.0  # seconds between two questions how an operation goes, where the service names none
_LONGEST_PAUSE = 30.0
_LONGEST = 240.0  # seconds for which an operation is waited for; a function's run is bounded
_GOING_ON = frozenset({"inprogress", "running", "accepted", "updating", "pending", "enqueued", "creating", "started"})
_OPERATION = "azure-asyncoperation"


@dataclass(frozen=True, slots=True)
class Call:
    """One call on a resource. `tail` is fixed text and checked names; `needs` the role to give on 403."""

    resource: str  # ARM id; "" for the tenant
    version: str
    doing: str
    needs: str
    tail: str = ""
    query: str = ""  # already encoded

    @property
    def path(self) -> str:
        more = f"&{self.query}" if self.query else ""
        return f"{resource_path(self.resource, self.doing)}{self.tail}?api-version={self.version}{more}"


def resource_path(resource: str, doing: str) -> str:
    """
    The path of an ARM id, quoted. Ids come from tags and answers: one with anything else in it than names between
    slashes is refused.
    """
    if resource in {"", "/"}:
        return ""
    first, *segments = resource.split("/")
    if first or not segments or any(not _SEGMENT.fullmatch(each) or set(each) == {"."} for each in segments):
        raise PlatformRefused(doing=doing, code="bad-id", why="what should be an ARM id is none.")
    return "/" + "/".join(quote(each, safe="") for each in segments)


def quotas(path: str, *, writes: bool) -> tuple[Quota, ...]:
    """
    A bucket for each subscription, identity and kind: 250 reads, and 25 more a second; 200 writes, and 10 more a
    second (facts: limits A.3). A tenth is left, for what another process of ours may have taken.
    """
    parts = path.partition("?")[0].lower().split("/")
    subscription = parts[2] if len(parts) > 2 and parts[1] == "subscriptions" else "tenant"
    if writes:
        return (Quota(f"ARM writes of {subscription}", 180, 180 / 9.8),)
    return (Quota(f"ARM reads of {subscription}", 225, 225 / 24.5),)


class Arm:
    """One identity's way to Resource Manager."""

    def __init__(self, http: AzureHttp) -> None:
        self.http = http

    async def get(self, call: Call) -> JsonObject:
        return (await self.http.send(self._order("GET", call))).body

    async def list(self, call: Call) -> list[JsonObject]:
        """All pages of a list, or an error: a list that breaks off is not a list."""
        found: list[JsonObject] = []
        path, seen = call.path, set[str]()
        while True:
            order = replace(self._order("GET", call), path=path)
            body = (await self.http.send(order)).body
            found += readable(call.doing, lambda body=body: objects_of(body, "value"))
            link = body.get("nextLink")
            if link is None or link == "":
                return found
            path = self.http.path_of(link, call.doing)
            if path in seen or len(seen) >= MOST_PAGES:
                raise IncompleteAnswer(f"Not done: {call.doing}. The list has no end.")
            seen.add(path)

    async def ask(self, call: Call, body: JsonObject | None = None, *, bears_secret: bool = False) -> JsonObject:
        """A POST that changes nothing: it may be repeated."""
        order = replace(self._order("POST", call), body=body, bears_secret=bears_secret)
        return (await self.http.send(order)).body

    async def write(
        self, method: Method, call: Call, body: JsonObject | None = None, *, bears_secret: bool = False
    ) -> JsonObject:
        """A write that may be repeated, seen through to its end."""
        order, begun = self._write_order(method, call, body, bears_secret=bears_secret), loop_time()

        async def attempt() -> JsonObject:
            await check_if_late(begun)
            return await self._settled(order, await self.http.attempt(order))

        return await persist(attempt, self.http.patience, self.http.random, call.doing)

    async def write_once(self, method: Method, call: Call, body: JsonObject, *, bears_secret: bool) -> JsonObject:
        """A write that may not be repeated: sent once, and seen through to its end. Raises OutcomeUnknown."""
        order = self._write_order(method, call, body, bears_secret=bears_secret)
        try:
            return await self._settled(order, await self.http.attempt(order))
        except Trouble as trouble:
            raise trouble.error from None

    def _order(self, method: Method, call: Call) -> Order:
        path = call.path
        return Order(method, path, call.doing, call.needs, quotas=quotas(path, writes=False))

    def _write_order(self, method: Method, call: Call, body: JsonObject | None, *, bears_secret: bool) -> Order:
        path = call.path
        limits = quotas(path, writes=True)
        return Order(method, path, call.doing, call.needs, body, writes=True, bears_secret=bears_secret, quotas=limits)

    async def _settled(self, order: Order, reply: Reply) -> JsonObject:
        """The end of an operation that goes on behind its answer; {} where it ends without a body."""
        if not (link := _where_to_ask(reply)):
            return reply.body
        waited, pause = 0.0, self._pause(reply)
        while True:
            if waited >= _LONGEST:
                raise OutcomeUnknown(order.doing, f"it was accepted, and still goes on after {_LONGEST:.0f} s")
            await asyncio.sleep(pause)
            waited += pause
            told = await self._ask_how(order, link)
            if _is_over(order, told, by_status=_OPERATION in reply.headers):
                return told.body
            if next_ := _where_to_ask(told):
                reply, link = told, next_
            pause = self._pause(told)

    async def _ask_how(self, order: Order, link: str) -> Reply:
        try:
            path = self.http.path_of(link, order.doing)
            limits = quotas(path, writes=False)
            return await self.http.send(replace(order, method="GET", path=path, body=None, writes=False, quotas=limits))
        except CordonError as error:
            why = f"it was accepted, and nobody could ask how it ended: {type(error).__name__}"
            raise OutcomeUnknown(order.doing, why) from None

    def _pause(self, reply: Reply) -> float:
        said = read_retry_after(reply.headers.get("retry-after"), self.http.clock)
        return min(said or _PAUSE, _LONGEST_PAUSE)


def _where_to_ask(reply: Reply) -> str | None:
    """A success other than 202 may name an operation as well; only Azure-AsyncOperation says that it goes on."""
    asynchronous = reply.headers.get(_OPERATION)
    return asynchronous or (reply.headers.get("location") if reply.status == _ACCEPTED else None)


def _is_over(order: Order, reply: Reply, *, by_status: bool) -> bool:
    """
    Raises PlatformRefused if it ended badly. What answers for an operation (`by_status`) says "Succeeded" when it is
    over, and any other word of its own before that; what answers for the result says 202 while it goes on.
    """
    status = str(reply.body.get("status") or "").lower()
    if status in {"failed", "canceled", "cancelled"}:
        code = next(_codes(reply.body), status)
        raise PlatformRefused(doing=order.doing, code=code, why="the operation was accepted, and failed.")
    if by_status and status:
        return status == "succeeded"
    return reply.status != _ACCEPTED and status not in _GOING_ON


def _codes(body: JsonObject) -> Iterator[str]:
    error = body.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, str) and re.fullmatch(r"[A-Za-z]{1,60}", code):
        yield code
