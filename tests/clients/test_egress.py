"""Where requests may go: one origin, over TLS, never by redirect or proxy, and no more back than we can hold."""

import gzip
from collections.abc import AsyncIterator

import httpx
import pytest

from drill.virtual_time import virtual_clock
from shared.clients.guard import Failed, ForeignHost, Guard, TooLarge, origin_of
from tests.clients.fake_graph import GRAPH, FakeGraph, in_turn, ok, play


def through(guard_url: str, url: str, answer: httpx.Response | None = None, **more: object) -> httpx.Response:
    """Send a GET to `url` through a guard of `guard_url`."""
    guard = Guard(httpx.MockTransport(lambda _: answer or httpx.Response(200, content=b"{}")), guard_url, **more)  # type: ignore[arg-type]

    async def story() -> httpx.Response:
        async with httpx.AsyncClient(transport=guard, trust_env=False) as client:
            return await client.get(url)

    return play(story)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/v1.0/me",
        "https://graph.microsoft.com.evil.example/v1.0/me",
        "https://graph.microsoft.com:8443/v1.0/me",
        "http://graph.microsoft.com/v1.0/me",
        "https://user:pass@graph.microsoft.com/v1.0/me",
        "https://169.254.169.254/metadata",
        "https://127.0.0.1/v1.0/me",
    ],
)
def test_a_request_to_any_other_origin_does_not_leave(url: str) -> None:
    """Below every SDK the host is compared once more, as a whole and not as a prefix."""
    with pytest.raises(ForeignHost):
        through(GRAPH, url)


def test_a_request_with_another_host_header_does_not_leave() -> None:
    """The address is right, the header points elsewhere: some proxies go by the header."""
    guard = Guard(httpx.MockTransport(lambda _: httpx.Response(200)), GRAPH)

    async def story() -> None:
        async with httpx.AsyncClient(transport=guard) as client:
            await client.get(f"{GRAPH}/v1.0/me", headers={"host": "evil.example"})

    with pytest.raises(ForeignHost):
        play(story)


@pytest.mark.parametrize(
    "url", ["http://graph.microsoft.com", "ftp://graph.microsoft.com", "https://", "graph", "https://u@h"]
)
def test_an_address_that_may_never_be_called_is_refused_from_the_start(url: str) -> None:
    """Plain http is for this machine only, and credentials do not belong into addresses."""
    with pytest.raises(ForeignHost):
        origin_of(url)


def test_a_stand_in_on_this_machine_may_use_plain_http() -> None:
    """Drills serve Graph over loopback."""
    assert through("http://127.0.0.1:8801", "http://127.0.0.1:8801/v1.0/x").status_code == 200
    with pytest.raises(ForeignHost):
        through("http://127.0.0.1:8801", "http://127.0.0.1:8802/v1.0/x")


def test_a_redirect_ends_at_the_guard() -> None:
    """It is an answer like any other, and no success."""
    with pytest.raises(Failed) as told:
        through(GRAPH, f"{GRAPH}/v1.0/x", httpx.Response(307, headers={"location": "https://evil.example"}))

    assert told.value.answer.status == 307


def test_a_body_larger_than_we_hold_is_not_read_to_its_end() -> None:
    """Reading stops one chunk behind the limit."""
    given = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given
        while True:
            given += 1000
            yield b"x" * 1000

    with pytest.raises(TooLarge):
        through(GRAPH, f"{GRAPH}/v1.0/x", httpx.Response(200, content=endless()), largest=10_000)
    assert given <= 11_000


def test_a_small_body_that_unpacks_to_a_large_one_is_stopped() -> None:
    """Ten megabytes of blanks pack into ten kilobytes."""
    bomb = httpx.Response(
        200, headers={"content-encoding": "gzip"}, stream=_Raw(gzip.compress(b" " * 10_000_000, mtime=0))
    )

    with pytest.raises(TooLarge):
        through(GRAPH, f"{GRAPH}/v1.0/x", bomb, largest=1_000_000)


def test_a_packed_body_is_unpacked_once() -> None:
    """What the guard unpacked is not unpacked again by the client."""
    packed = httpx.Response(200, headers={"content-encoding": "gzip"}, stream=_Raw(gzip.compress(b'{"a": 1}', mtime=0)))

    assert through(GRAPH, f"{GRAPH}/v1.0/x", packed).json() == {"a": 1}


@pytest.mark.parametrize("content", [gzip.compress(b"x" * 5000, mtime=0)[:-9], b"not gzip at all"])
def test_a_packed_body_that_is_cut_or_broken_is_no_answer(content: bytes) -> None:
    """A cut stream would otherwise pass for a short one."""
    with pytest.raises(httpx.DecodingError):
        through(
            GRAPH, f"{GRAPH}/v1.0/x", httpx.Response(200, headers={"content-encoding": "gzip"}, stream=_Raw(content))
        )


def test_an_encoding_that_was_not_asked_for_is_refused() -> None:
    """Only gzip is asked for and only gzip is unpacked."""
    with pytest.raises(httpx.DecodingError):
        through(GRAPH, f"{GRAPH}/v1.0/x", httpx.Response(200, headers={"content-encoding": "br"}, stream=_Raw(b"x")))


def test_an_answer_that_drips_is_given_up_after_a_while() -> None:
    """Each byte comes in time and the whole does not: what counts is the whole."""
    import asyncio

    async def dripping() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(5)
            yield b" "

    async def story() -> float:
        guard = Guard(httpx.MockTransport(lambda _: httpx.Response(200, content=dripping())), GRAPH, seconds=60)
        async with httpx.AsyncClient(transport=guard) as client:
            with pytest.raises(TimeoutError):
                await client.get(f"{GRAPH}/v1.0/x")
        return virtual_clock().elapsed

    assert play(story) == 60.0


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that somebody set must not send our tokens through their machine."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://evil.example:3128")
    graph = FakeGraph(in_turn(ok({"value": []})))

    async def story() -> int:
        async for _ in graph.feeds().risk_detections():
            pass
        return len(graph.asked)

    assert play(story) == 1


class _Raw(httpx.AsyncByteStream):
    """A body as it comes off the wire."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content
