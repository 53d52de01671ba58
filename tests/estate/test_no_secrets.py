"""Values of secrets, and tokens, stay where they are used: no error, log, repr or pickle shows them."""

import json
import logging
import pickle
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from random import Random

import pytest

from drill.virtual_time import virtual_clock
from shared.clients.azure_answers import Order, Reply
from shared.clients.estate import make_estate
from shared.clients.pacing import Pacing
from shared.clients.tenant import quiet_logs
from shared.errors import CordonError
from shared.estate import Estate, SecretRef, SecretSeen, SecretValue, VaultSeen
from shared.identity import ClientId, PrincipalId
from shared.settings import Settings
from tests.clients.fake_azure import Answering, FakeAzure, Said, Sent
from tests.clients.fake_graph import CLIENT, PRINCIPAL, TENANT, TOKEN, Credential, play
from tests.estate.test_sources import PLACES

VALUE = "Zcanary7f3a~short1"  # short, so that what masks long runs does not see it
LONG = "3~q8Q~Z0canary7f3a9c1e5b2d4860Wsecretvalue"
REF = SecretRef("shop", "db")
VERSION = "0" * 32
NOW = datetime(2026, 3, 2, tzinfo=UTC)
SEEN = SecretSeen(REF, None, True, NOW, NOW)
SHOP = VaultSeen("/subscriptions/s1/resourcegroups/g/providers/microsoft.keyvault/vaults/shop", "shop", "s1", rbac=True)


def calls(estate: Estate) -> list[Callable[[], Awaitable[object]]]:
    """Everything that the estate can be asked for; a value travels in the first nine."""
    vaults, sources, access, logs = estate.vaults, estate.sources, estate.access, estate.logs
    assert logs is not None
    return [
        lambda: vaults.publish(SEEN, SecretValue(VALUE), operation="op", expires=None),
        lambda: vaults.publish(SEEN, SecretValue(LONG), operation="op", expires=None),
        lambda: vaults.value(REF, VERSION),
        lambda: sources.keys(PLACES["storage"], "storage"),
        lambda: sources.keys(PLACES["redis"], "redis"),
        lambda: sources.regenerate(PLACES["storage"], "storage", "key1"),
        lambda: sources.regenerate(PLACES["cosmos"], "cosmos", "primary"),
        lambda: sources.set_password(PLACES["sql"], "sql", SecretValue(VALUE)),
        lambda: sources.set_password(PLACES["postgres"], "postgres", SecretValue(LONG)),
        lambda: sources.read(PLACES["storage"], "storage"),
        lambda: vaults.secrets("shop"),
        lambda: vaults.versions(REF),
        lambda: vaults.set_enabled(REF, VERSION, False),
        lambda: vaults.renew_certificate(REF, "op"),
        lambda: access.logged(SHOP, NOW),
        lambda: access.grants_on(SHOP, PRINCIPAL),
        lambda: logs.reads_by(PrincipalId(PRINCIPAL), ClientId(CLIENT), NOW),
    ]


def estate_of(answer: Answering) -> Estate:
    settings = Settings.read(
        {
            "CORDON_MODE": "act",
            "CORDON_TENANT_ID": TENANT,
            "CORDON_POLICY": "policies/default.yaml",
            "CORDON_STORE": "sqlite:unused.db",
            "CORDON_LOG_WORKSPACES": PRINCIPAL,
            **{f"CORDON_{role}_CLIENT_ID": CLIENT for role in ("READER", "EXECUTOR", "ROTATOR")},
        }
    )
    made = make_estate(
        settings,
        credential_for=lambda _: Credential(),  # type: ignore[arg-type]
        transport=lambda: FakeAzure(answer),
        pacing=Pacing(),
        clock=virtual_clock().now,
        random=Random(1).random,  # noqa: S311 - a test's dice
    )
    assert made is not None
    return made


def everything_said(answer: Answering, first: int | None = None) -> list[str]:
    """What comes of each call, as text: its result, or its error with all that led to it."""

    async def story() -> list[str]:
        said = list[str]()
        for call in calls(estate_of(answer))[:first]:
            try:
                said.append(repr(await call()))
            except CordonError as error:
                said.append("".join(traceback.format_exception(error)) + repr(error.__dict__))
        return said

    return play(story)


def echo(status: int) -> Answering:
    """A hostile service: it repeats in its message everything it was sent."""

    def answer(sent: Sent) -> Said:
        heard = json.dumps([sent.headers, sent.body, f"Bearer {TOKEN}1", VALUE, LONG])
        error = {"code": f"Code{VALUE}", "message": heard, "innererror": {"code": LONG}}
        return Said(status, {"error": error}, {"x-ms-request-id": LONG, "x-odd": VALUE})

    return answer


@pytest.mark.parametrize("status", [200, 202, 307, 400, 401, 403, 404, 405, 409, 429, 500, 503])
def test_a_service_that_repeats_what_it_heard_gives_no_value_away(
    status: int, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of calls that bear a value nothing of the service's words is shown, of the others nothing that is long."""
    caplog.set_level(logging.DEBUG)
    quiet_logs()

    bearing = everything_said(echo(status), first=9)
    others = everything_said(echo(status))[9:]

    captured = capsys.readouterr()
    everything = "\n".join((*bearing, caplog.text, captured.out, captured.err))
    assert len(bearing) == 9
    assert VALUE not in everything
    assert "canary" not in everything + "".join(others).replace(VALUE, "")
    assert TOKEN[8:30] not in everything + "".join(others)


@pytest.mark.parametrize("body", [b"{" + LONG.encode(), [LONG], {"value": {"x": VALUE}}, {"keys": [{"value": VALUE}]}])
def test_an_answer_that_cannot_be_read_is_not_shown(body: object) -> None:
    """The value that should have been there may stand anywhere in it."""
    said = everything_said(lambda _: Said(200, body))

    assert len(said) == 17
    assert "canary" not in "".join(said)


def test_a_connection_that_breaks_shows_nothing_of_the_request() -> None:
    """The SDK's exceptions hold the request, and with it the value."""

    class Broken(Exception):
        pass

    def broken(sent: Sent) -> Exception:
        from azure.core.exceptions import ServiceResponseError

        return ServiceResponseError(f"{sent.body}", error=Broken(LONG))

    assert "canary" not in "".join(everything_said(broken))


def test_values_do_not_show_themselves() -> None:
    """Not even to whoever tries."""
    value = SecretValue(VALUE)

    shown = [repr(value), str(value), f"{value}", f"{value!r:>30}", repr([value]), repr({"a": (value,)})]
    assert VALUE not in "".join(shown)
    assert VALUE not in repr(Order("PUT", "/x", "doing", "needs", {"value": VALUE}))
    assert VALUE not in repr(Reply(200, {"x": VALUE}, {"value": VALUE}))
    with pytest.raises(TypeError):
        pickle.dumps(value)
    with pytest.raises(TypeError):
        json.dumps({"value": value})


def test_the_search_would_find_a_value_if_there_were_one() -> None:
    """The hostile service does repeat it."""
    heard: list[object] = []

    def answer(sent: Sent) -> Said:
        said = echo(400)(sent)
        heard.append(said)
        assert isinstance(said, Said)
        return said

    everything_said(answer, first=1)

    assert VALUE in repr(heard)
