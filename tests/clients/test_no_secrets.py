"""Tokens and secrets stay where they are used: no error, no log record, no repr shows them."""

import json
import logging
import traceback

import httpx
import pytest

from shared.case import HolderKind, PartName
from shared.clients.tenant import quiet_logs
from shared.clients.text import fit
from shared.errors import CordonError
from shared.identity import ClientId, IdentityRef, PrincipalId
from shared.tenant import RemovePassword
from tests.clients.fake_graph import CLIENT, PRINCIPAL, SECRET, TOKEN, Answering, Asked, FakeGraph, play

VALUE = "3~q8Q~Z0canary7f3a9c1e5b2d4860Wsecretvalue"
SUBJECT = IdentityRef(PrincipalId(PRINCIPAL), ClientId(CLIENT))


def echo(status: int) -> Answering:
    """A hostile service: it repeats in its message everything it was sent, and a secret on top."""

    def answer(asked: Asked) -> httpx.Response:
        heard = json.dumps([dict(asked.headers), asked.body, f"Bearer {TOKEN}1", VALUE])
        body = {"error": {"code": f"Code-{TOKEN}1", "message": heard, "innerError": {"request-id": f"{TOKEN}1"}}}
        return httpx.Response(status, json=body, headers={"request-id": f"{TOKEN}1", "x-odd": VALUE})

    return answer


@pytest.mark.parametrize("status", [307, 400, 401, 403, 404, 405, 409, 429, 500, 503])
def test_a_service_that_repeats_what_it_heard_gives_nothing_away(
    status: int, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Errors, their tracebacks with all causes, results, and logs at the lowest level are searched for a token."""
    caplog.set_level(logging.DEBUG)
    quiet_logs()
    graph = FakeGraph(echo(status))

    async def story() -> list[str]:
        directory, said = graph.directory(), list[str]()
        said.append(repr(await directory.look(SUBJECT, frozenset(PartName))))
        write = RemovePassword(HolderKind.SERVICE_PRINCIPAL, PRINCIPAL, SECRET)
        said.append(repr(await directory.write_credentials([write, write])))
        try:
            await directory.set_account_enabled(PrincipalId(PRINCIPAL), False)
        except CordonError as error:
            said.append("".join(traceback.format_exception(error)))
        try:
            async for _ in graph.feeds().risk_detections():
                pass
        except CordonError as error:
            said.append("".join(traceback.format_exception(error)))
        return said

    said = play(story)
    captured = capsys.readouterr()
    everything = "\n".join((*said, caplog.text, captured.out, captured.err))

    assert len(said) == 4
    assert TOKEN not in everything
    assert TOKEN[8:30] not in everything
    assert VALUE not in everything
    assert "canary" not in everything


def test_the_search_would_find_a_token_if_there_were_one() -> None:
    """The hostile service does repeat it: what it sends holds the canary, what we show of it does not."""
    sent = echo(400)(Asked(0.0, "GET", "/", {"authorization": f"Bearer {TOKEN}1"}, None))

    assert isinstance(sent, httpx.Response)
    assert "canary" in sent.text
    assert "canary" not in fit(sent.text, 5000)


def test_bodies_and_addresses_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The SDKs' loggers are kept to warnings, whatever the root logger lets through."""
    caplog.set_level(logging.DEBUG)
    quiet_logs()
    graph = FakeGraph(lambda _: httpx.Response(200, json={"value": [{"displayName": "tenant text"}]}))

    async def story() -> None:
        async for _ in graph.feeds().risk_detections():
            pass

    play(story)

    assert "tenant text" not in caplog.text
    assert "graph.microsoft.com" not in caplog.text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Property servicePrincipalLockConfiguration is invalid.",) * 2,
        ("CannotUpdateLockedServicePrincipalPropertyWithEnforcementScope",) * 2,
        ("Resource '0c0c0c0c-0000-4000-8000-00000000cccc' does not exist.",) * 2,
        (f"token {VALUE} end", "token [masked] end"),
        ("Authorization: Bearer short", "Authorization: Bearer [masked]"),
        ("a\r\nb\x1b[2J\u202e\u2028", "a\\u000d\\u000ab\\u001b[2J\\u202e\\u2028"),
        ("x y " * 200, "x y " * 74 + "x y…"),
    ],
)
def test_what_a_service_says_is_shown_masked_escaped_and_short(text: str, shown: str) -> None:
    """Names and ids stay readable; long runs that could be keys do not."""
    assert fit(text) == shown
