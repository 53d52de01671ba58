"""
The storage account of the function app: how to reach it, and what its errors mean in our words.

It is the account that the Functions host uses, found through the same settings: a connection string in
`AzureWebJobsStorage` (Azurite's `UseDevelopmentStorage=true` included), or `AzureWebJobsStorage__accountName`
or the three `__*ServiceUri` with an identity. The SDKs are imported on first use: the queue's alone costs
more than half a second.

Reads are repeated by the SDK, writes never: a repeated insert would find its own first attempt and call it
a rival's (facts: azure-core sends a POST again after 500, 503, 504 and some broken connections).
"""

import json
import logging
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar, cast
from urllib.parse import urlsplit

from shared.errors import (
    CordonError,
    OutcomeUnknown,
    PermissionMissing,
    PlatformRefused,
    SettingsWrong,
    Throttled,
    Unreachable,
)

if TYPE_CHECKING:
    from collections.abc import Generator

    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.exceptions import AzureError, HttpResponseError
    from azure.core.pipeline.transport import AsyncHttpTransport
    from azure.data.tables import TableEntity
    from azure.storage.blob.aio import ContainerClient
    from azure.storage.queue.aio import QueueClient

T = TypeVar("T")

Entity: TypeAlias = dict[str, str]
Operation: TypeAlias = "tuple[str, Entity] | tuple[str, Entity, Mapping[str, object]]"

NAME = "AzureWebJobsStorage"
_BLOCK = 2**20  # bytes
_SERVICES = ("table", "blob", "queue")

_log = logging.getLogger("cordon.store")


@dataclass(frozen=True, slots=True)
class ByConnectionString:
    """Whoever holds the string owns the account, so that it is never shown."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ByIdentity:
    """The three services' addresses, and the client id of the managed identity that may use them."""

    table: str
    blob: str
    queue: str
    client_id: str


Login: TypeAlias = ByConnectionString | ByIdentity


def read_login(environ: Mapping[str, str]) -> Login:
    """How the settings say that the account is reached. Raises SettingsWrong; values are not repeated in it."""
    connection = environ.get(NAME, "").strip()
    if connection:
        return ByConnectionString(connection)
    account = environ.get(f"{NAME}__accountName", "").strip()
    addresses = {
        service: environ.get(f"{NAME}__{service}ServiceUri", "").strip()
        or (f"https://{account}.{service}.core.windows.net" if account else "")
        for service in _SERVICES
    }
    client_id = (environ.get(f"{NAME}__clientId") or environ.get("AZURE_CLIENT_ID") or "").strip()
    problems = _problems(addresses, account, client_id)
    if problems:
        raise SettingsWrong(problems)
    return ByIdentity(**{service: address.rstrip("/") for service, address in addresses.items()}, client_id=client_id)


def _problems(addresses: Mapping[str, str], account: str, client_id: str) -> tuple[str, ...]:
    if not any(addresses.values()):
        ways = f"a connection string, or {NAME}__accountName (public cloud), or all three of {NAME}__*ServiceUri"
        return (f"{NAME} is missing: {ways}",)
    problems: list[str] = []
    if account and not (account.isascii() and account.isalnum()):
        problems.append(f"{NAME}__accountName must be letters and digits")
    for service, address in addresses.items():
        parts = urlsplit(address)
        if parts.scheme != "https" or not parts.hostname or parts.username or parts.query or parts.fragment:
            problems.append(f"{NAME}__{service}ServiceUri must be an https address, without a query")
    if not client_id:
        problems.append(f"{NAME}__clientId is missing: the client id of the identity that may use the account")
    return tuple(problems)


class TableApi(Protocol):
    """What we use of the SDK's TableClient, whose own types leave much open."""

    async def get_entity(self, partition_key: str, row_key: str) -> "TableEntity": ...

    def query_entities(
        self, query_filter: str, *, results_per_page: int | None, parameters: dict[str, str]
    ) -> "AsyncIterable[TableEntity]": ...

    async def create_entity(self, entity: Mapping[str, str], *, retry_total: int) -> object: ...

    async def submit_transaction(self, operations: Sequence[Operation], *, retry_total: int) -> object: ...

    async def create_table(self) -> object: ...

    async def close(self) -> None: ...


class StorageAccount:
    """Makes the SDKs' clients, each when it is first asked for."""

    def __init__(
        self,
        login: Login,
        credential_for: "Callable[[str], AsyncTokenCredential]",
        *,
        transport: "Callable[[], AsyncHttpTransport[Any, Any]] | None" = None,
        retries: int = 3,
    ) -> None:
        self._login, self._credential_for = login, credential_for
        self._transport, self._retries = transport, retries

    def table(self, name: str) -> "TableApi":
        from azure.data.tables.aio import TableClient

        login, options = self._login, self._options()
        if isinstance(login, ByConnectionString):
            with _readable():
                return cast("TableApi", TableClient.from_connection_string(login.text, name, **options))
        credential = self._credential_for(login.client_id)
        return cast("TableApi", TableClient(login.table, name, credential=credential, **options))

    def container(self, name: str) -> "ContainerClient":
        from azure.storage.blob.aio import ContainerClient

        login, options = self._login, self._options()
        # Larger blobs go in blocks, which do not hold up the event loop.
        options |= {"max_single_put_size": _BLOCK, "max_block_size": _BLOCK}
        if isinstance(login, ByConnectionString):
            with _readable():
                return ContainerClient.from_connection_string(login.text, name, **options)
        return ContainerClient(login.blob, name, credential=self._credential_for(login.client_id), **options)

    def queue(self, name: str) -> "QueueClient":
        from azure.storage.queue import TextBase64DecodePolicy, TextBase64EncodePolicy
        from azure.storage.queue.aio import QueueClient

        login, options = self._login, self._options()
        # What the trigger expects (host.json: messageEncoding base64).
        options |= {
            "message_encode_policy": TextBase64EncodePolicy(),
            "message_decode_policy": TextBase64DecodePolicy(),
        }
        if isinstance(login, ByConnectionString):
            with _readable():
                return QueueClient.from_connection_string(login.text, name, **options)
        return QueueClient(login.queue, name, credential=self._credential_for(login.client_id), **options)

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {
            "retry_total": self._retries,
            "retry_backoff_factor": 0.4,  # tables: 0, 0.8, 1.6 s
            "initial_backoff": 1,  # blobs and queues: 1, 2, 3 s and some jitter
            "increment_base": 1,
            "connection_timeout": 5,
            "read_timeout": 15,
            "permit_redirects": False,  # only the configured hosts,
            "use_env_settings": False,  # and no proxy that somebody else has named
        }
        if self._transport:
            options["transport"] = self._transport()
        return options


@contextmanager
def _readable() -> "Generator[None]":
    """The SDKs raise ValueError for a connection string that lacks something."""
    try:
        yield
    except ValueError:
        raise SettingsWrong((f"{NAME} is not a usable connection string",)) from None


async def making_if_missing(
    what: str, code: str, make: Callable[[], Awaitable[object]], call: Callable[[], Awaitable[T]]
) -> T:
    """Make the call; if the service says `code`, because `what` is not there yet, make that and call again."""
    from azure.core.exceptions import HttpResponseError, ResourceExistsError

    try:
        return await _legible(call)
    except HttpResponseError as problem:
        if code_of(problem) != code:
            raise
    # Right on the first day only. Later it means that somebody has deleted what we remember.
    _log.warning("The %s did not exist and is made now.", what)
    try:
        await make()
    except ResourceExistsError:
        _log.info("The %s was made by another instance.", what)
    return await _legible(call)


async def _legible(call: Callable[[], Awaitable[T]]) -> T:
    """The SDKs stumble in their own ways over an answer that was cut off, or is a gateway's own page."""
    from azure.core.exceptions import ServiceResponseError

    try:
        return await call()
    except (AttributeError, LookupError, TypeError, ValueError) as problem:
        raise ServiceResponseError("the answer cannot be read") from problem


@contextmanager
def explaining(doing: str, needs: str, *, writes: bool = False) -> "Generator[None]":
    """Turn what the SDKs raise into our errors. `needs` is the role to grant if the account says 403."""
    from azure.core.exceptions import AzureError

    try:
        yield
    except (AzureError, HTTPException) as problem:
        raise _explained(doing, needs, writes, problem) from problem


def code_of(problem: "HttpResponseError") -> str:
    """The service's error code; "" if it gave none. Single-entity inserts leave it in the body."""
    code = cast("object", getattr(problem, "error_code", None))
    if code:
        return str(getattr(code, "value", code))
    if problem.response is None:
        return ""
    return _headers(problem).get("x-ms-error-code") or _code_in(problem.response.text())


def _headers(problem: "HttpResponseError") -> Mapping[str, str]:
    """By names in any case."""
    return cast("Mapping[str, str]", getattr(problem.response, "headers", {}))


def _code_in(body: str) -> str:
    try:
        said = cast("dict[str, dict[str, object]]", json.loads(body))
        return str(said["odata.error"]["code"])
    except (ValueError, KeyError, TypeError):
        return ""


_BUSY = {"ServerBusy", "TableServerBusy"}  # answered before anything was done
_NOT_NOW = {"TableBeingDeleted", "ContainerBeingDeleted", "QueueBeingDeleted", "AccountBeingCreated"}


def _explained(doing: str, needs: str, writes: bool, problem: "AzureError | HTTPException") -> CordonError:
    from azure.core.exceptions import HttpResponseError

    if isinstance(problem, HttpResponseError) and problem.status_code:
        return _answered(doing, needs, writes, problem, problem.status_code)
    why = type(problem).__name__
    return OutcomeUnknown(doing, why) if writes and not _was_never_sent(problem) else Unreachable(doing, why)


def _answered(doing: str, needs: str, writes: bool, problem: "HttpResponseError", status: int) -> CordonError:
    code = code_of(problem)
    headers = _headers(problem)
    if status in {401, 403}:
        what = f"the role {needs} on the storage account, or is kept out by its firewall ({code or status})"
        return PermissionMissing(doing=doing, needs=what, request_id=headers.get("x-ms-request-id"))
    if code in _BUSY or status == 429:
        return Throttled(doing, _seconds(headers.get("Retry-After")))
    if code in _NOT_NOW:
        return Unreachable(doing, code)
    if 400 <= status < 500 and status != 408:
        return PlatformRefused(doing=doing, code=code or str(status), why=f"the storage account answered {status}.")
    # 5xx, or a success that could not be read. The service may have done it all the same.
    why = f"the storage account answered {status} {code}".rstrip()
    return OutcomeUnknown(doing, why) if writes else Unreachable(doing, why)


def _was_never_sent(problem: "AzureError | HTTPException") -> bool:
    """True only if it is certain: azure-core files a connection that broke after sending under "request" too."""
    from aiohttp import ClientConnectorError
    from azure.core.exceptions import AzureError, ClientAuthenticationError, ServiceRequestTimeoutError

    if isinstance(problem, (ClientAuthenticationError, ServiceRequestTimeoutError)):
        return True  # no token, or no connection in time
    return isinstance(problem, AzureError) and isinstance(problem.inner_exception, ClientConnectorError)


def _seconds(text: str | None) -> timedelta | None:
    return timedelta(seconds=int(text)) if text and text.isascii() and text.isdigit() else None
