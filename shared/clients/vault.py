"""
The hand-over vault: certificates are made in Azure Key Vault, and their private keys never leave it.

Only the SDK's pipeline is used (challenge authentication, one host), with its retries and redirects off:
`send_request` shows each answer as it is, so that a create whose answer was lost is not taken for one
that failed. Facts: Key Vault REST, rest-error-codes.
"""

import asyncio
import hashlib
import json
import re
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

from shared.clients.azure_http import never_left
from shared.clients.graph_shapes import Unreadable, objects_of, text_of
from shared.clients.guard import ForeignHost, origin_of
from shared.clients.patience import Patience, Trouble, persist, read_retry_after
from shared.clients.text import fit
from shared.clock import Clock
from shared.errors import (
    CordonError,
    Gone,
    IncompleteAnswer,
    OutcomeUnknown,
    PermissionMissing,
    PlatformRefused,
    Throttled,
    Unreachable,
)
from shared.signal import JsonObject
from shared.tenant import NewCertificate

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.pipeline.transport import AsyncHttpTransport
    from azure.core.rest import AsyncHttpResponse
    from azure.keyvault.certificates.aio import CertificateClient

T = TypeVar("T")

OPERATION_TAG = "cordon-operation"
OFFICER = "the role Key Vault Certificates Officer on the hand-over vault"
_NAME = re.compile(r"[0-9A-Za-z-]{1,127}")
_PAUSE = 2.0  # seconds between two questions whether a certificate is made
_LONGEST = 120.0  # seconds for which we wait for it
_SECONDS = 60.0  # for one exchange
_MOST_PAGES = 40  # of 25 versions


class KeyVaultHandover:
    """See `shared.tenant.HandoverVault`."""

    def __init__(
        self,
        vault_url: str,
        credential: "AsyncTokenCredential",
        *,
        transport: "Callable[[], AsyncHttpTransport[Any, Any]]",
        clock: Clock,
        random: Callable[[], float],
        patience: Patience | None = None,
    ) -> None:
        self._url, self._credential, self._transport = vault_url, credential, transport
        self._origin = origin_of(vault_url)
        self._clock, self._random, self._patience = clock, random, patience or Patience()
        self._client: CertificateClient | None = None

    async def find_certificate(self, name: str, operation: str) -> NewCertificate | None:
        """See `HandoverVault`. A pending operation carries no tags, so it is waited for, whoever's it is."""
        await self._wait_until_made(name)
        doing = f"looking for the certificate {name}"
        try:
            versions = await self._versions(name, doing)
        except Gone:
            return None
        ours = [each for each in versions if _is_ours(each, operation)]
        if not ours:
            return None
        return await self._read(name, _version_of(max(ours, key=_created)), doing)

    async def make_certificate(self, name: str, subject: str, operation: str) -> NewCertificate:
        """See `HandoverVault`."""
        doing = f"making the certificate {name}"
        _check_name(name, doing)
        try:
            await self._exchange("POST", f"/certificates/{name}/create", doing, _order(subject, operation))
        except Trouble as trouble:
            raise trouble.error from None
        made = await self.find_certificate(name, operation)
        if made is None:
            raise OutcomeUnknown(doing, "the vault took the order, but shows no certificate with its tag")
        return made

    async def _wait_until_made(self, name: str) -> None:
        """Until no operation is under way. How it ended is told by the versions."""
        doing = f"waiting for the certificate {name}"
        _check_name(name, doing)
        waited = 0.0
        while True:
            try:
                pending = await self._get(f"/certificates/{name}/pending", doing)
            except Gone:
                return
            status = str(pending.get("status")).lower()
            if status != "inprogress":
                return
            if waited >= _LONGEST:
                raise Unreachable(doing, f"it is still being made after {_LONGEST:.0f} s")
            await asyncio.sleep(_PAUSE)
            waited += _PAUSE

    async def _versions(self, name: str, doing: str) -> list[JsonObject]:
        found: list[JsonObject] = []
        path, seen = f"/certificates/{name}/versions", set[str]()
        while True:
            body = await self._get(path, doing)
            found += _readable(doing, lambda body=body: objects_of(body, "value"))
            link = body.get("nextLink")
            if link is None:
                return found
            path = self._path_of(link, doing)
            if path in seen or len(seen) >= _MOST_PAGES:
                raise IncompleteAnswer(f"Not done: {doing}. The list of versions has no end.")
            seen.add(path)

    def _path_of(self, link: object, doing: str) -> str:
        try:
            if isinstance(link, str) and origin_of(link) == self._origin:
                parts = urlsplit(link)
                return f"{parts.path}?{parts.query}"
        except (ValueError, ForeignHost):
            pass
        raise IncompleteAnswer(f"Not done: {doing}. The next link leads somewhere else: {fit(link, 80)}")

    async def _read(self, name: str, version: str, doing: str) -> NewCertificate:
        body = await self._get(f"/certificates/{name}/{version}", doing)
        return _readable(doing, lambda: _certificate(name, version, body))

    async def _get(self, path: str, doing: str) -> JsonObject:
        async def attempt() -> JsonObject:
            return await self._exchange("GET", path, doing, None)

        return await persist(attempt, self._patience, self._random, doing)

    async def _exchange(self, method: str, path: str, doing: str, body: JsonObject | None) -> JsonObject:
        from azure.core.exceptions import AzureError
        from azure.core.rest import HttpRequest

        is_write = method != "GET"
        try:
            async with asyncio.timeout(_SECONDS):
                answer = await self._ready().send_request(HttpRequest(method, path, json=body))
        except (AzureError, TimeoutError, OSError) as problem:
            if never_left(problem):
                raise Trouble(Unreachable(doing, f"no connection: {type(problem).__name__}"), again=True) from None
            raise _lost(doing, type(problem).__name__, is_write=is_write) from None
        if answer.status_code >= HTTPStatus.MULTIPLE_CHOICES:
            wait = read_retry_after(answer.headers.get("retry-after"), self._clock)
            raise _trouble(doing, answer.status_code, _body_of(answer), wait, is_write=is_write)
        content = _body_of(answer)
        if content is None:
            raise _lost(doing, "the answer is cut off or is not JSON", is_write=is_write)
        return content

    def _ready(self) -> "CertificateClient":
        if self._client is None:
            from azure.keyvault.certificates.aio import CertificateClient

            self._client = CertificateClient(
                self._url,
                self._credential,
                transport=self._transport(),
                retry_total=0,
                permit_redirects=False,
                logging_enable=False,
            )
        return self._client


def _check_name(name: str, doing: str) -> None:
    if not _NAME.fullmatch(name):
        raise PlatformRefused(doing=doing, code="bad-name", why="certificate names are letters, digits and dashes.")


def _order(subject: str, operation: str) -> JsonObject:
    """A self-signed certificate with a new key that cannot be exported, for one year."""
    return {
        "policy": {
            "issuer": {"name": "Self"},
            "key_props": {"exportable": False, "kty": "RSA", "key_size": 2048, "reuse_key": False},
            "secret_props": {"contentType": "application/x-pkcs12"},
            "x509_props": {"subject": subject, "validity_months": 12},
        },
        "attributes": {"enabled": True},
        "tags": {OPERATION_TAG: operation},
    }


def _is_ours(version: JsonObject, operation: str) -> bool:
    tags, attributes = version.get("tags"), version.get("attributes")
    return (
        isinstance(tags, dict)
        and tags.get(OPERATION_TAG) == operation
        and isinstance(attributes, dict)
        and attributes.get("enabled") is True
    )


def _created(version: JsonObject) -> float:
    attributes = version.get("attributes")
    created = attributes.get("created") if isinstance(attributes, dict) else None
    return float(created) if isinstance(created, int) else 0.0


def _version_of(item: JsonObject) -> str:
    """The last segment of the id: https://VAULT/certificates/NAME/VERSION."""
    version = urlsplit(str(item.get("id"))).path.rpartition("/")[2]
    if not re.fullmatch(r"[0-9a-f]{32}", version):
        raise IncompleteAnswer("Not done: looking for a certificate. The vault names a version that is none.")
    return version


def _certificate(name: str, version: str, body: JsonObject) -> NewCertificate:
    cer = b64decode(text_of(body, "cer"), validate=True)
    return NewCertificate(
        name=name,
        version=version,
        cer=cer,
        thumbprint=hashlib.sha1(cer, usedforsecurity=False).hexdigest().upper(),
        not_before=_moment(body, "nbf"),
        expires=_moment(body, "exp"),
    )


def _moment(body: JsonObject, name: str) -> datetime:
    """Key Vault gives seconds since 1970."""
    attributes = body.get("attributes")
    value = attributes.get(name) if isinstance(attributes, dict) else None
    if not isinstance(value, int):
        raise Unreadable(f"attributes.{name} is not there")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        raise Unreadable(f"attributes.{name} is no moment") from None


def _readable(doing: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except (Unreadable, ValueError) as problem:
        raise Unreachable(doing, f"the vault's answer could not be read: {problem}") from None


def _body_of(answer: "AsyncHttpResponse") -> JsonObject | None:
    """The JSON object of an answer, {} where there is none at all, None where it is something else."""
    try:
        content = answer.content
        body: object = json.loads(content) if content else {}
    except (ValueError, RecursionError):
        return None
    return cast("JsonObject", body) if isinstance(body, dict) else None


def _lost(doing: str, why: str, *, is_write: bool) -> Trouble:
    error = OutcomeUnknown(doing, why) if is_write else Unreachable(doing, why)
    return Trouble(error, again=True, lost=is_write)


def _trouble(doing: str, status: int, body: JsonObject | None, wait: float | None, *, is_write: bool) -> Trouble:
    code, inner, message = _complaint(body or {})
    match status:
        case HTTPStatus.NOT_FOUND:
            return Trouble(Gone(doing))
        case HTTPStatus.UNAUTHORIZED:
            return Trouble(Unreachable(doing, f"401: the vault does not accept our token ({code})"))
        case HTTPStatus.FORBIDDEN:
            return Trouble(_forbidden(doing, inner or code, message))
        case HTTPStatus.TOO_MANY_REQUESTS if not is_write:
            return Trouble(Throttled(doing, timedelta(seconds=wait) if wait else None), again=True, wait=wait)
        case HTTPStatus.CONFLICT if inner != "ObjectIsDeletedButRecoverable":
            return Trouble(OutcomeUnknown(doing, "409: a certificate of this name is being made already"))
        case _ if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            trouble = _lost(doing, f"{status} {code}".strip(), is_write=is_write)
            trouble.wait = wait
            return trouble
        case _:
            return Trouble(PlatformRefused(doing=doing, code=inner or code or str(status), why=message))


def _complaint(body: JsonObject) -> tuple[str, str, str]:
    error = body.get("error")
    found: JsonObject = error if isinstance(error, dict) else {}
    inner = found.get("innererror")
    inner_code = inner.get("code") if isinstance(inner, dict) else None
    return fit(found.get("code") or "", 80), fit(inner_code or "", 80), fit(found.get("message") or "no reason given.")


def _forbidden(doing: str, code: str, message: str) -> CordonError:
    if code == "ForbiddenByFirewall":
        why = "the vault's firewall does not let this app in: allow its outbound subnet, or use a private endpoint."
        return PlatformRefused(doing=doing, code=code, why=why)
    if code in {"ForbiddenByRbac", "ForbiddenByPolicy", "AccessDenied", "Forbidden", ""}:
        return PermissionMissing(doing=doing, needs=OFFICER)
    return PlatformRefused(doing=doing, code=code, why=message)
