"""What the storage account's answers, and its silence, mean in our words; and how the account is found."""

import logging
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import pytest
from aiohttp import web

from shared.clients.azure_queue import AzureQueue
from shared.clients.azure_store import AzureDocuments, AzureEvidence, AzureJournal
from shared.clients.storage_account import (
    ByConnectionString,
    ByIdentity,
    StorageAccount,
    read_login,
)
from shared.errors import (
    OutcomeUnknown,
    PermissionMissing,
    PlatformRefused,
    SettingsWrong,
    Throttled,
    Unreachable,
)
from tests.stores.chains import chain, new_incident
from tests.stores.twins import no_credential

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[2]
KEY = "c2VjcmV0LWtleS1vZi10aGUtYWNjb3VudA=="

Answer: TypeAlias = Callable[[web.Request], web.Response]


class FakeService:
    """Says the same to everybody, and remembers what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(request.method)
        await request.read()
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return answer(request)

    @asynccontextmanager
    async def account(self, retries: int = 0) -> AsyncGenerator[StorageAccount]:
        """An account that is served here."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.handle)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield _account(int(str(site.name).rpartition(":")[2]), retries)
        finally:
            await runner.cleanup()


def _account(port: int, retries: int = 0) -> StorageAccount:
    endpoints = ";".join(f"{name}Endpoint=http://127.0.0.1:{port}/acc" for name in ("Blob", "Queue", "Table"))
    text = f"DefaultEndpointsProtocol=http;AccountName=acc;AccountKey={KEY};{endpoints}"
    return StorageAccount(ByConnectionString(text), no_credential, retries=retries)


def says(status: int, code: str = "", headers: dict[str, str] | None = None) -> Answer:
    body = {"odata.error": {"code": code, "message": {"lang": "en-US", "value": "text of the service"}}}
    return lambda _: web.json_response(body, status=status, headers={"x-ms-request-id": "r-1", **(headers or {})})


def hangs_up(request: web.Request) -> web.Response:
    """The request has arrived, and then the line breaks."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def garbles(_: web.Request) -> web.Response:
    """A success that cannot be read."""
    return web.Response(status=202, text="<html>", content_type="multipart/mixed", headers={"x": "y"})


@pytest.mark.parametrize(
    "answer", [says(500, "InternalError"), says(503), says(408), hangs_up], ids=["500", "503", "408", "no answer"]
)
async def test_a_write_without_a_clear_answer_is_of_unknown_outcome_and_is_sent_once(answer: Answer) -> None:
    """A repeated insert would meet its own first attempt and take it for a rival's."""
    service, incident = FakeService(answer), new_incident()

    async with service.account(retries=3) as account:
        journal, documents = AzureJournal(account, AzureEvidence(account)), AzureDocuments(account)
        with pytest.raises(OutcomeUnknown, match=incident):
            await journal.append(chain(incident, 1))
        with pytest.raises(OutcomeUnknown, match=incident):
            await journal.append(chain(incident, 2))
        with pytest.raises(OutcomeUnknown):
            await documents.insert("inbox", "a", {})
        with pytest.raises(OutcomeUnknown):
            await documents.replace("inbox", "a", {}, 'W/"1"')
        with pytest.raises(OutcomeUnknown):
            await documents.remove("inbox", "a", 'W/"1"')
        with pytest.raises(OutcomeUnknown):
            await documents.insert_all("inbox", {"a": {}, "b": {}})
        await journal.close()
        await documents.close()

    assert service.asked == ["POST"] * 6


async def test_an_answer_that_cannot_be_read_leaves_the_outcome_unknown() -> None:
    """A gateway's page is not the service's word."""
    service, incident = FakeService(garbles), new_incident()

    async with service.account() as account:
        journal = AzureJournal(account, AzureEvidence(account))
        with pytest.raises(OutcomeUnknown):
            await journal.append(chain(incident, 2))
        with pytest.raises(OutcomeUnknown):
            await journal.append(chain(incident, 1))
        await journal.close()


async def test_a_write_that_never_left_is_known_not_to_have_happened() -> None:
    """Nobody listens there: nothing was changed."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        account = _account(unused.getsockname()[1])
        journal, queue = AzureJournal(account, AzureEvidence(account)), AzureQueue(account)

        with pytest.raises(Unreachable):
            await journal.append(chain(new_incident(), 1))
        with pytest.raises(Unreachable):
            await queue.send({})
        await journal.close()
        await queue.close()


@pytest.mark.parametrize("answer", [says(500, "InternalError"), hangs_up], ids=["500", "no answer"])
async def test_a_read_that_fails_is_neither_empty_nor_none(answer: Answer) -> None:
    """Could not look is never nothing there."""
    service = FakeService(answer)

    async with service.account() as account:
        evidence, documents = AzureEvidence(account), AzureDocuments(account)
        journal = AzureJournal(account, evidence)
        with pytest.raises(Unreachable):
            await journal.read(new_incident())
        with pytest.raises(Unreachable):
            await documents.get("inbox", "a")
        with pytest.raises(Unreachable):
            await documents.query("inbox")
        with pytest.raises(Unreachable):
            await evidence.fetch("a" * 64)
        for part in (evidence, documents, journal):
            await part.close()


async def test_a_read_is_tried_again() -> None:
    """One bad moment of the service does not show."""
    empty: Answer = lambda _: web.json_response({"value": []})  # noqa: E731 - beside the other answers
    service = FakeService(says(500, "InternalError"), empty)

    async with service.account(retries=3) as account:
        documents = AzureDocuments(account)
        assert list(await documents.query("inbox")) == []
        await documents.close()

    assert service.asked == ["GET", "GET"]


async def test_a_refusal_names_the_role_to_grant() -> None:
    """403 is for whoever runs Cordon, and is not tried again."""
    service = FakeService(says(403, "AuthorizationPermissionMismatch"))

    async with service.account(retries=3) as account:
        journal = AzureJournal(account, AzureEvidence(account))
        with pytest.raises(PermissionMissing) as caught:
            await journal.append(chain(new_incident(), 1))
        with pytest.raises(PermissionMissing):
            await journal.read(new_incident())
        await journal.close()

    assert "Storage Table Data Contributor" in str(caught.value)
    assert caught.value.request_id == "r-1"
    assert service.asked == ["POST", "GET"]


async def test_a_busy_service_has_not_done_it() -> None:
    """ServerBusy is answered before the work, and says how long to wait."""
    service = FakeService(says(503, "ServerBusy", {"Retry-After": "7"}))

    async with service.account() as account:
        documents = AzureDocuments(account)
        with pytest.raises(Throttled) as caught:
            await documents.insert("inbox", "a", {})
        await documents.close()

    assert caught.value.retry_after == timedelta(seconds=7)


async def test_a_table_that_is_being_deleted_is_not_a_taken_key() -> None:
    """Both are 409; only one of them means that there is such a document already."""
    service = FakeService(says(409, "TableBeingDeleted"))

    async with service.account() as account:
        documents = AzureDocuments(account)
        with pytest.raises(Unreachable, match="TableBeingDeleted"):
            await documents.insert("inbox", "a", {})
        await documents.close()


async def test_any_other_refusal_is_a_named_outcome() -> None:
    """What no repeating helps is said with the service's own code."""
    service = FakeService(says(400, "InvalidInput"))

    async with service.account() as account:
        documents = AzureDocuments(account)
        with pytest.raises(PlatformRefused, match="InvalidInput"):
            await documents.insert("inbox", "a", {})
        await documents.close()


async def test_a_redirect_is_not_followed() -> None:
    """Only the configured host is spoken to."""
    service = FakeService(says(307, "", {"Location": "http://127.0.0.1:9/elsewhere"}))

    async with service.account() as account:
        documents = AzureDocuments(account)
        with pytest.raises(Unreachable):
            await documents.get("inbox", "a")
        await documents.close()

    assert service.asked == ["GET"]


async def test_a_missing_table_is_made_and_that_is_said_aloud(caplog: pytest.LogCaptureFixture) -> None:
    """Later than on the first day it means that somebody deleted what we remember."""
    empty: Answer = lambda _: web.json_response({"value": []})  # noqa: E731 - beside the other answers
    service = FakeService(says(404, "TableNotFound"), says(409, "TableAlreadyExists"), empty)

    with caplog.at_level(logging.WARNING, "cordon.store"):
        async with service.account() as account:
            documents = AzureDocuments(account)
            assert list(await documents.query("inbox")) == []
            await documents.close()

    assert service.asked == ["GET", "POST", "GET"]
    assert "cordondocuments did not exist" in caplog.text


async def test_no_error_shows_the_account_s_key() -> None:
    """Neither message nor representation nor chained cause."""
    service = FakeService(says(403, "AuthenticationFailed"))

    async with service.account() as account:
        documents = AzureDocuments(account)
        with pytest.raises(PermissionMissing) as caught:
            await documents.get("inbox", "a")
        await documents.close()

    assert caught.value.__cause__ is not None
    assert KEY not in f"{caught.value!r} {caught.value.__cause__!r} {ByConnectionString(KEY)!r}"


def test_a_connection_string_is_used_as_it_is() -> None:
    """It wins over the identity form, as in the Functions host."""
    environ = {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "AzureWebJobsStorage__accountName": "acc"}

    assert read_login(environ) == ByConnectionString("UseDevelopmentStorage=true")


def test_development_storage_is_known_to_all_three_services() -> None:
    """The short form stands for Azurite's own ports."""
    account = StorageAccount(ByConnectionString("UseDevelopmentStorage=true"), no_credential)

    assert ":10000/" in str(account.container("cordon-evidence").url)
    assert ":10001/" in str(account.queue("cordon-work").url)
    assert account.table("cordonjournal")


def test_an_account_name_gives_the_three_addresses() -> None:
    """In the public cloud the name is enough."""
    environ = {"AzureWebJobsStorage__accountName": "cordonstore", "AzureWebJobsStorage__clientId": "c-1"}

    assert read_login(environ) == ByIdentity(
        table="https://cordonstore.table.core.windows.net",
        blob="https://cordonstore.blob.core.windows.net",
        queue="https://cordonstore.queue.core.windows.net",
        client_id="c-1",
    )


def test_addresses_are_taken_for_other_clouds() -> None:
    """They win over the name; AZURE_CLIENT_ID stands in for the connection's own."""
    environ = {
        "AzureWebJobsStorage__accountName": "ignored",
        "AzureWebJobsStorage__tableServiceUri": "https://s.table.core.usgovcloudapi.net/",
        "AzureWebJobsStorage__blobServiceUri": "https://s.blob.core.usgovcloudapi.net/",
        "AzureWebJobsStorage__queueServiceUri": "https://s.queue.core.usgovcloudapi.net",
        "AZURE_CLIENT_ID": "c-2",
    }

    assert read_login(environ) == ByIdentity(
        table="https://s.table.core.usgovcloudapi.net",
        blob="https://s.blob.core.usgovcloudapi.net",
        queue="https://s.queue.core.usgovcloudapi.net",
        client_id="c-2",
    )


@pytest.mark.parametrize(
    ("environ", "problems"),
    [
        ({}, ["AzureWebJobsStorage is missing"]),
        ({"AzureWebJobsStorage__accountName": "acc"}, ["__clientId is missing"]),
        ({"AzureWebJobsStorage__accountName": "evil.example/"}, ["__accountName must be", "__clientId is missing"]),
        (
            {
                "AzureWebJobsStorage__tableServiceUri": "http://s.table.core.windows.net",
                "AzureWebJobsStorage__blobServiceUri": "https://s.blob.core.windows.net?sig=hush",
                "AzureWebJobsStorage__clientId": "c",
            },
            ["__tableServiceUri must be", "__blobServiceUri must be", "__queueServiceUri must be"],
        ),
    ],
)
def test_settings_that_name_no_account_are_all_reported_at_once(environ: dict[str, str], problems: list[str]) -> None:
    """Each by its name; no value is repeated, for it may be a secret."""
    with pytest.raises(SettingsWrong) as caught:
        read_login(environ)

    for problem in problems:
        assert problem in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_connection_string_that_lacks_something_is_reported_without_it() -> None:
    """The SDK's complaint might quote it."""
    account = StorageAccount(ByConnectionString(f"AccountKey={KEY}"), no_credential)

    for make in (account.table, account.container, account.queue):
        with pytest.raises(SettingsWrong) as caught:
            make("cordonjournal")
        assert KEY not in str(caught.value)


def test_opening_the_store_imports_no_sdk() -> None:
    """The queue's alone costs more than half a second, which a cold start does not have."""
    program = (
        "import sys; from shared.clients.azure_store import open_azure_store;"
        "open_azure_store({'AzureWebJobsStorage': 'UseDevelopmentStorage=true'}, lambda _: None);"
        "print([name for name in sys.modules if name.split('.')[0] in {'azure', 'aiohttp'}])"
    )

    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603

    assert done.stdout.strip() == "[]"
