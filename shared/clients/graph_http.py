"""
One identity's way to Microsoft Graph: the SDK's adapter and transport, raw JSON, our own retries.

The SDK's middleware for retries and redirects is left out (it re-sends POST), and its typed models are
not used (facts: libraries 6). It is imported at first use, or ahead of that by `warm_up`.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

import httpx

from shared.clients.answers import VERSION, Answer, Call, check, lost, not_sent, read_object
from shared.clients.batch import MOST, NOT_TRIED, batch_body, read_batch
from shared.clients.guard import Failed, ForeignHost, Guard, TooLarge, origin_of
from shared.clients.pacing import Pace, check_if_late, loop_time
from shared.clients.patience import Patience, Trouble, persist
from shared.clients.text import fit
from shared.clients.tokens import TokenSource
from shared.clock import Clock
from shared.errors import CordonError, IncompleteAnswer, Unreachable
from shared.signal import JsonObject

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from msgraph.graph_request_adapter import GraphRequestAdapter

Outcome: TypeAlias = JsonObject | CordonError

MOST_PAGES = 10_000
_REST = 1.0  # seconds for which a quota rests after a 429 that does not say how long
_CONNECT_SECONDS = 5.0
_SECONDS = 30.0  # for one exchange, all of it: a hung write must be sent again while that still helps
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})  # which say so even when it is empty
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_PROBLEMS = (Failed, TooLarge, TimeoutError, httpx.HTTPError, httpx.StreamError, OSError, Unreachable)


class NotTried(Trouble):
    """424: a request before this one in its chain failed, so this one was not carried out."""

    def __init__(self, call: Call) -> None:
        super().__init__(Unreachable(call.doing, "424: a request before it failed"), again=True)


class GraphHttp:
    """
    Sends calls and gives their JSON, or raises our errors. Reads and writes alike are repeated within
    `patience`: every write that Cordon sends to Graph may be repeated.
    """

    def __init__(
        self,
        graph_url: str,
        credential: "AsyncTokenCredential",
        scope: str,
        *,
        transport: Callable[[], httpx.AsyncBaseTransport],
        pacing: Pace,
        clock: Clock,
        random: Callable[[], float],
        patience: Patience | None = None,
    ) -> None:
        self._host = graph_url.rstrip("/")
        self.root = self._host + VERSION  # of whatever a body links to: the Graph of this cloud, and of no other
        self._url = graph_url
        self._origin = origin_of(graph_url)
        self._tokens = TokenSource(credential, scope, clock)
        self._transport = transport
        self._adapter: GraphRequestAdapter | None = None
        self.pacing, self.clock, self.random = pacing, clock, random
        self.patience = patience or Patience()

    def warm_up(self) -> None:
        """Import the SDK and build what is needed; nothing is sent."""
        self._ready()

    async def send(self, call: Call) -> JsonObject:
        """The JSON object that Graph answers, {} for an empty answer."""
        begun = loop_time()

        async def attempt() -> JsonObject:
            await self._take_turn(call)
            if call.is_write:
                await check_if_late(begun)
            return read_object(call, await self._answer(call))

        return await persist(attempt, self.patience, self.random, call.doing)

    async def send_text(self, call: Call) -> str:
        """The same for an answer in plain text. Graph puts a byte order mark before it."""

        async def attempt() -> str:
            await self._take_turn(call)
            body = (await self._answer(call)).body
            return body.decode("utf-8-sig", "replace") if isinstance(body, bytes) else ""

        return await persist(attempt, self.patience, self.random, call.doing)

    async def send_all(self, calls: Sequence[Call]) -> list[Outcome]:
        """
        Independent calls in one `$batch`, one outcome each. Those for which a pause may help are asked
        again, and only those. Calls with a quota must have had their turn (`Pacing.try_take`).
        """
        results: dict[int, JsonObject | Trouble] = {}

        async def attempt() -> None:
            open_ones = [n for n, call in enumerate(calls) if n not in results or _is_tried_again(call, results[n])]
            for number in open_ones:
                if number in results:
                    await self._take_turn(calls[number])
            found = await self.try_all([calls[number] for number in open_ones])
            results.update(zip(open_ones, found, strict=True))
            again = [
                each
                for number, each in zip(open_ones, found, strict=True)
                if isinstance(each, Trouble) and _is_tried_again(calls[number], each)
            ]
            if again:
                soon = all(each.soon for each in again)
                raise Trouble(again[0].error, again=True, wait=_longest_wait(again), soon=soon)

        with suppress(CordonError):  # each call's own trouble is in its result
            await persist(attempt, self.patience, self.random, "reading")
        return [_outcome(results[number]) for number in range(len(calls))]

    async def try_all(self, calls: Sequence[Call], *, chain: bool = False) -> list[JsonObject | Trouble]:
        """
        One attempt, no repetition: one call goes alone, more go in a `$batch` (at most 20). In a chain
        they are carried out one after the other, and none after the first that fails.
        """
        if len(calls) == 1:
            return [await self._try(calls[0])]
        if len(calls) > MOST:
            raise ValueError(f"a batch holds at most {MOST} requests")
        outer = Call("POST", "/$batch", "", "", body=batch_body(calls, _priority(calls[0]), chain=chain))
        try:
            body = read_object(outer, await self._exchange(outer))
        except Failed as failed:
            return [self._trouble_of_batch(call, failed) for call in calls]
        except _PROBLEMS as problem:
            return [self._trouble(call, problem) for call in calls]
        except Trouble:
            return [lost(call, "the batch came back cut off") for call in calls]
        return [self._read_inner(*each) for each in zip(calls, read_batch(body, len(calls)), strict=True)]

    async def pages(self, call: Call, first: JsonObject | None = None) -> AsyncIterator[list[JsonObject]]:
        """
        The pages of a list, fetched one at a time; `first` is a first page that is there already. Raises
        IncompleteAnswer rather than giving out a list whose rest is missing.
        """
        seen: set[str] = set()
        body = await self.send(call) if first is None else first
        while True:
            yield read_page(call, body)
            link = body.get("@odata.nextLink")
            if link is None:
                return
            if not isinstance(link, str) or link in seen or len(seen) >= MOST_PAGES:
                raise IncompleteAnswer(f"Not done: {call.doing}. The next link repeats itself or is not a link.")
            seen.add(link)
            body = await self.send(self._next(call, link))

    def _next(self, call: Call, link: str) -> Call:
        """The call behind a next link, which must lead to the same host and version."""
        try:
            parts, origin = urlsplit(link), origin_of(link)
        except (ValueError, ForeignHost):
            parts, origin = urlsplit(""), None
        path = parts.path
        if origin != self._origin or not path.startswith(f"{call.version}/") or ".." in path or parts.fragment:
            raise IncompleteAnswer(f"Not done: {call.doing}. The next link leads somewhere else: {fit(link, 80)}")
        query = f"?{parts.query}" if parts.query else ""
        return Call(
            "GET",
            path.removeprefix(call.version) + query,
            call.doing,
            call.needs,
            licence=call.licence,
            headers=call.headers,
            quota=call.quota,
            urgent=call.urgent,
            version=call.version,
        )

    async def _take_turn(self, call: Call) -> None:
        if call.quota is not None:
            await self.pacing.take(call.quota, urgent=call.urgent)

    async def _try(self, call: Call) -> JsonObject | Trouble:
        try:
            return read_object(call, await self._answer(call))
        except Trouble as trouble:
            return trouble

    async def _answer(self, call: Call) -> Answer:
        try:
            return await self._exchange(call)
        except _PROBLEMS as problem:
            raise self._trouble(call, problem) from None

    def _read_inner(self, call: Call, answer: Answer | None) -> JsonObject | Trouble:
        if answer is None:
            return lost(call, "the batch came back without a usable answer to it")
        if answer.status == NOT_TRIED:
            return NotTried(call)
        try:
            self._check(call, answer)
            return read_object(call, answer)
        except Trouble as trouble:
            # The batch itself was let in with the same token, so a 401 inside it is a passing fault.
            trouble.again = trouble.again or answer.status == HTTPStatus.UNAUTHORIZED
            return trouble

    def _trouble_of_batch(self, call: Call, failed: Failed) -> Trouble:
        """A refusal of the whole batch. What it says of existence or of a mistake is not about any part of it."""
        if failed.answer.status in {HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST}:
            return lost(call, f"{failed.answer.status} to the whole batch")
        return self._trouble(call, failed)

    def _trouble(self, call: Call, problem: Exception) -> Trouble:
        """What went wrong on the way, for this call. Texts of exceptions are not passed on: they hold addresses."""
        if isinstance(problem, Failed):
            try:
                self._check(call, problem.answer)
            except Trouble as trouble:
                return trouble
        if isinstance(problem, Unreachable):  # no token
            return not_sent(call, problem.why)
        if isinstance(problem, _NOT_SENT):
            return not_sent(call, f"no connection: {type(problem).__name__}")
        return lost(call, type(problem).__name__)

    def _check(self, call: Call, answer: Answer) -> None:
        try:
            check(call, answer, self.clock)
        except Trouble as trouble:
            if answer.status == HTTPStatus.TOO_MANY_REQUESTS and call.quota is not None:
                self.pacing.refused(call.quota, trouble.wait or _REST)
            raise

    async def _exchange(self, call: Call) -> Answer:
        """One exchange; after a 401 once more with another token, because the service did nothing."""
        held = await self._tokens.get()
        try:
            return await self._once(call, held.text)
        except Failed as failed:
            if failed.answer.status != HTTPStatus.UNAUTHORIZED:
                raise
            challenge = failed.answer.headers.get("www-authenticate")
        return await self._once(call, (await self._tokens.replace(held, challenge)).text)

    async def _once(self, call: Call, token: str) -> Answer:
        from kiota_abstractions.method import Method
        from kiota_abstractions.request_information import RequestInformation

        adapter = self._ready()
        request = RequestInformation()
        request.http_method = Method[call.method]
        request.url = self._host + call.version + call.path
        for name, value in {**_priority(call), **call.headers, "Authorization": f"Bearer {token}"}.items():
            request.headers.add(name, value)
        if call.body is not None:
            request.set_stream_content(json.dumps(call.body).encode(), "application/json")
        content: object = await adapter.send_primitive_async(request, "bytes", None)
        return Answer(HTTPStatus.OK, body=content if isinstance(content, bytes) else b"")

    def _ready(self) -> "GraphRequestAdapter":
        if self._adapter is None:
            self._adapter = _make_adapter(Guard(self._transport(), self._url, seconds=_SECONDS), self.root)
        return self._adapter


class _NoCookies(httpx.Cookies):
    """No cookie is kept, and no answer is searched for any: that took a tenth of the time of a call."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Leave them where they are."""


class _Forgetful(httpx.AsyncClient):
    """
    A client that answers cannot make remember anything. It follows nothing and signs nothing, so that a request is
    made of what it is given, and goes straight to the transport: half of the time of a call went into looking.
    """

    @property
    def cookies(self) -> httpx.Cookies:  # pyright: ignore[reportIncompatibleMethodOverride] - nobody may set any
        return _NoCookies()

    @cached_property
    def _always(self) -> dict[str, str]:
        return dict(self.headers)

    def build_request(  # pyright: ignore[reportIncompatibleMethodOverride] - what the SDK's adapter gives
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        content: bytes | None = None,
    ) -> httpx.Request:
        to = _parsed(url)
        whole = {**self._always, **{name.lower(): value for name, value in headers.items()}}
        whole["host"] = to.netloc.decode("ascii")
        if content is not None or method in _WITH_BODY:
            whole["content-length"] = str(len(content or b""))
        stream = httpx.ByteStream(content or b"")
        return httpx.Request(method, to, headers=whole, stream=stream, extensions={"timeout": self.timeout.as_dict()})

    async def send(  # pyright: ignore[reportIncompatibleMethodOverride] - what the SDK's adapter gives
        self, request: httpx.Request
    ) -> httpx.Response:
        answer = await self._transport.handle_async_request(request)
        answer.request = request
        return answer


@lru_cache(maxsize=256)
def _parsed(url: str) -> httpx.URL:
    """Most calls go to the same few addresses."""
    return httpx.URL(url)


def _make_adapter(guard: Guard, base_url: str) -> "GraphRequestAdapter":
    """
    The SDK's adapter and transport without any middleware: paths are sent as they are made. Tokens are not its
    business either: they are put on each request here, and the guard keeps them from leaving for any other host.
    """
    from kiota_abstractions.authentication import AnonymousAuthenticationProvider
    from msgraph_core import GraphClientFactory  # pyright: ignore[reportMissingTypeStubs]

    from shared.clients.graph_adapter import untraced_adapter

    client = _Forgetful(
        transport=guard,
        trust_env=False,
        follow_redirects=False,
        timeout=httpx.Timeout(_SECONDS, connect=_CONNECT_SECONDS),
        headers={"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "Cordon"},
    )
    adapter = untraced_adapter()(
        AnonymousAuthenticationProvider(),
        GraphClientFactory.create_with_custom_middleware([], client=client),
    )
    adapter.base_url = base_url
    return adapter


def read_page(call: Call, body: JsonObject) -> list[JsonObject]:
    """The records of one page. A list answer without `value` is not an empty list."""
    value = body.get("value")
    if not isinstance(value, list):
        raise IncompleteAnswer(f"Not done: {call.doing}. The answer has no list of values.")
    records = [each for each in value if isinstance(each, dict)]
    if len(records) != len(value):
        raise IncompleteAnswer(f"Not done: {call.doing}. The answer's list holds things that are no objects.")
    return records


def _priority(call: Call) -> Mapping[str, str]:
    """Who is cut off last when the tenant is throttled (facts: Graph throttling limits)."""
    return {"x-ms-throttle-priority": "High" if call.urgent else "Low"}


def _is_tried_again(call: Call, result: JsonObject | Trouble) -> bool:
    return isinstance(result, Trouble) and result.again and not call.rides


def _longest_wait(troubles: Sequence[Trouble]) -> float | None:
    return max((each.wait for each in troubles if each.wait is not None), default=None)


def _outcome(result: JsonObject | Trouble) -> Outcome:
    return result.error if isinstance(result, Trouble) else result
