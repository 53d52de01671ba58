"""
The data plane of any vault: its secrets, their versions, new ones, and the certificates behind managed ones.

The SDK's pipeline is used with its retries and redirects off (it would send a PUT again, and that makes another
version). A vault's host is built from its checked name and the configured domain, and from nothing else.
Facts: azure 3.1 and 3.2.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shared.case import Part
from shared.clients.azure_answers import Method, Order, Reply, as_part, read_reply, readable
from shared.clients.azure_http import exchange, learn, take_turns
from shared.clients.graph_shapes import Unreadable, flag_of, objects_of, optional_text_of, text_of
from shared.clients.guard import ForeignHost, origin_of
from shared.clients.pacing import Pace, Quota
from shared.clients.patience import Patience, Trouble, persist
from shared.clock import Clock
from shared.errors import (
    CordonError,
    Gone,
    IncompleteAnswer,
    OutcomeUnknown,
    PlatformRefused,
    Throttled,
    Unreachable,
)
from shared.estate import MOST_TAGS, OPERATION_TAG, SecretRef, SecretSeen, SecretValue
from shared.signal import JsonObject, JsonValue

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.pipeline.transport import AsyncHttpTransport
    from azure.core.rest import AsyncHttpResponse
    from azure.keyvault.secrets.aio import SecretClient

OFFICER = "the role Key Vault Secrets Officer on the vault"
CERTIFICATES = "the role Key Vault Certificates Officer on the vault"
_VAULT = re.compile(r"[a-z0-9-]{3,24}")
_SECRET = re.compile(r"[0-9a-zA-Z-]{1,127}")
_VERSION = re.compile(r"[0-9a-f]{32}")
_MOST_PAGES = 4_000  # of 25 secrets or versions
_PAUSE = 2.0  # seconds between two questions whether a certificate is made
_LONGEST = 120.0  # seconds for which it is waited for
# A little more than ten seconds, because two requests can arrive closer together than they left.
_SPAN = 10.25
_CREATIONS, _TRANSACTIONS = 300, 4_000  # of one vault in ten seconds
_ALL_CREATIONS = Quota("secrets made in all vaults", 5 * _CREATIONS, _SPAN)  # of one subscription; nobody tells which
_MANAGED = "SecretManagedByKeyVault"
_POLICY_PARTS = ("issuer", "key_props", "secret_props", "x509_props", "lifetime_actions")


class KeyVaultSecrets:
    """See `shared.estate.SecretVaults`. Goes as the rotator identity."""

    def __init__(
        self,
        domain: str,
        credential: "AsyncTokenCredential",
        *,
        transport: "Callable[[], AsyncHttpTransport[Any, Any]]",
        pacing: Pace,
        clock: Clock,
        random: Callable[[], float],
        patience: Patience | None = None,
    ) -> None:
        """`domain` is the host under which all vaults are, such as vault.azure.net."""
        self._domain, self._credential, self._transport = domain, credential, transport
        self._pacing, self._clock, self._random = pacing, clock, random
        self._patience = patience or Patience()
        self._clients: dict[str, SecretClient] = {}
        self._shared: AsyncHttpTransport[Any, Any] | None = None

    async def secrets(self, vault: str) -> Part[tuple[SecretSeen, ...]]:
        """See `SecretVaults`."""
        doing = f"listing the secrets of vault {vault}"
        return await as_part(self._listed(vault, "/secrets", doing))

    async def deleted(self, vault: str) -> Part[tuple[SecretSeen, ...]]:
        """See `SecretVaults`. Takes the same right as listing those that are there."""
        doing = f"listing the deleted secrets of vault {vault}"
        return await as_part(self._listed(vault, "/deletedsecrets", doing, _deleted))

    async def versions(self, ref: SecretRef) -> Part[tuple[SecretSeen, ...]]:
        """See `SecretVaults`."""
        return await as_part(self._versions(ref))

    async def value(self, ref: SecretRef, version: str) -> SecretValue:
        """See `SecretVaults`."""
        doing = f"reading a version of secret {ref.name} in vault {ref.vault}"
        order = self._order("GET", ref, doing, f"{_path(ref, doing)}/{_checked(version, doing)}")
        reply = await self._send(ref.vault, replace(order, bears_secret=True))
        return readable(doing, lambda: SecretValue(text_of(reply.body, "value")))

    async def publish(self, like: SecretSeen, value: SecretValue, *, operation: str, expires: datetime | None) -> str:
        """
        See `SecretVaults`. After an answer that was lost or may lie, the versions are read once: what carries the
        operation's tag was stored. Raises Throttled if the vault had too much to do and shows no such version.
        """
        ref, doing = like.ref, f"storing a new version of secret {like.ref.name} in vault {like.ref.vault}"
        order = replace(
            self._order("PUT", ref, doing, _path(ref, doing)),
            body=_new_version(like, value, operation, expires, doing),
            writes=True,
            bears_secret=True,
            quotas=(_creations(ref.vault), _ALL_CREATIONS),
        )
        try:
            reply = await self._attempt(ref.vault, order)
        except Trouble as trouble:
            if not trouble.lost:
                raise trouble.error from None
            return await self._find_published(ref, operation, trouble)
        try:
            return _version_of(reply.body)
        except Unreadable:
            raise OutcomeUnknown(doing, "the answer names no version") from None

    async def set_enabled(self, ref: SecretRef, version: str, enabled: bool) -> None:
        """See `SecretVaults`. A certificate's secret refuses it and follows its certificate, so that is asked then."""
        doing = f"{'enabling' if enabled else 'disabling'} a version of secret {ref.name} in vault {ref.vault}"
        try:
            await self._change(ref, version, {"enabled": enabled}, doing)
        except PlatformRefused as refused:
            if refused.code != _MANAGED:
                raise
            path = f"{_path(ref, doing, 'certificates')}/{_checked(version, doing)}"
            await self._send(ref.vault, self._patch(ref, doing, path, {"enabled": enabled}, CERTIFICATES))

    async def set_expiry(self, ref: SecretRef, version: str, expires: datetime) -> None:
        """See `SecretVaults`."""
        doing = f"setting the expiry of a version of secret {ref.name} in vault {ref.vault}"
        await self._change(ref, version, {"exp": int(expires.timestamp())}, doing)

    async def renew_certificate(self, ref: SecretRef, operation: str) -> str:
        """
        See `SecretVaults`. The policy is the certificate's own but for one thing: the key is never the old one
        again. Raises PlatformRefused where a person has to fetch the certificate from its issuer.
        """
        doing = f"renewing the certificate {ref.name} in vault {ref.vault}"
        await self._wait_until_made(ref, doing)
        if made := await self._find_certificate(ref, operation, doing):
            return made
        path = _path(ref, doing, "certificates")
        newest, policy = await self._certificate(ref, path, doing)
        tags: JsonObject = {**readable(doing, lambda: _tags(newest)), OPERATION_TAG: operation}
        _check_tags(tags, doing)
        order = replace(
            self._order("POST", ref, doing, f"{path}/create", CERTIFICATES),
            body={"policy": _policy(policy, doing), "tags": tags},
            writes=True,
            quotas=(_creations(ref.vault), _ALL_CREATIONS),
        )
        try:
            await self._attempt(ref.vault, order)
        except Trouble as trouble:
            if not trouble.lost:
                raise trouble.error from None
        await self._wait_until_made(ref, doing)
        if made := await self._find_certificate(ref, operation, doing):
            return made
        raise OutcomeUnknown(doing, "the vault shows no enabled certificate with the operation's tag")

    # --- parts ---------------------------------------------------------------------------------------------

    async def _versions(self, ref: SecretRef) -> tuple[SecretSeen, ...]:
        doing = f"listing the versions of secret {ref.name} in vault {ref.vault}"
        found = await self._listed(ref.vault, f"{_path(ref, doing)}/versions", doing)
        return tuple(sorted(found, key=lambda each: (each.created, each.version or ""), reverse=True))

    async def _find_published(self, ref: SecretRef, operation: str, trouble: Trouble) -> str:
        try:
            shown = await self._versions(ref)
        except CordonError:
            raise trouble.error from None
        found = [each.version for each in shown if each.tags.get(OPERATION_TAG) == operation and each.version]
        if found:
            return found[0]
        if isinstance(trouble.error, OutcomeUnknown) and trouble.error.why.startswith("429"):
            raise Throttled(trouble.error.doing, timedelta(seconds=trouble.wait) if trouble.wait else None)
        raise trouble.error

    async def _listed(
        self, vault: str, path: str, doing: str, read: Callable[[str, JsonObject], SecretSeen] | None = None
    ) -> tuple[SecretSeen, ...]:
        pages, read_one = await self._pages(vault, path, doing, OFFICER), read or _seen
        return readable(doing, lambda: tuple(read_one(vault, each) for each in pages))

    async def _pages(self, vault: str, path: str, doing: str, needs: str) -> list[JsonObject]:
        """All pages of a list, or an error: a list that breaks off is not a list."""
        found: list[JsonObject] = []
        seen = set[str]()
        while True:
            order = Order("GET", path, doing, needs, quotas=(_transactions(vault),))
            body = (await self._send(vault, order)).body
            found += readable(doing, lambda body=body: objects_of(body, "value"))
            link = body.get("nextLink")
            if link is None or link == "":
                return found
            path = self._path_of(link, vault, doing)
            if path in seen or len(seen) >= _MOST_PAGES:
                raise IncompleteAnswer(f"Not done: {doing}. The list has no end.")
            seen.add(path)

    def _path_of(self, link: object, vault: str, doing: str) -> str:
        try:
            if isinstance(link, str) and origin_of(link) == origin_of(self._url(vault)):
                parts = urlsplit(link)
                return f"{parts.path}?{parts.query}"
        except (ValueError, ForeignHost):
            pass
        raise IncompleteAnswer(f"Not done: {doing}. The next link leads to somewhere else.")

    async def _change(self, ref: SecretRef, version: str, attributes: JsonObject, doing: str) -> None:
        """Attributes that are not named stay, and so do tags where none are sent."""
        path = f"{_path(ref, doing)}/{_checked(version, doing)}"
        await self._send(ref.vault, self._patch(ref, doing, path, attributes, OFFICER))

    def _patch(self, ref: SecretRef, doing: str, path: str, attributes: JsonObject, needs: str) -> Order:
        return replace(self._order("PATCH", ref, doing, path, needs), body={"attributes": attributes}, writes=True)

    def _order(self, method: Method, ref: SecretRef, doing: str, path: str, needs: str = OFFICER) -> Order:
        return Order(method, path, doing, needs, quotas=(_transactions(ref.vault),))

    # --- certificates --------------------------------------------------------------------------------------

    async def _certificate(self, ref: SecretRef, path: str, doing: str) -> tuple[JsonObject, JsonObject]:
        """The newest version, and the policy by which the next one is made."""
        newest = await self._send(ref.vault, self._order("GET", ref, doing, path, CERTIFICATES))
        policy = await self._send(ref.vault, self._order("GET", ref, doing, f"{path}/policy", CERTIFICATES))
        return newest.body, policy.body

    async def _wait_until_made(self, ref: SecretRef, doing: str) -> None:
        """Until no operation is under way. How it ended is told by the versions."""
        order = self._order("GET", ref, doing, f"{_path(ref, doing, 'certificates')}/pending", CERTIFICATES)
        waited = 0.0
        while True:
            try:
                status = str((await self._send(ref.vault, order)).body.get("status")).lower()
            except Gone:
                return
            if status != "inprogress":
                return
            if waited >= _LONGEST:
                raise Unreachable(doing, f"a certificate is still being made after {_LONGEST:.0f} s")
            await asyncio.sleep(_PAUSE)
            waited += _PAUSE

    async def _find_certificate(self, ref: SecretRef, operation: str, doing: str) -> str | None:
        """
        The version that carries the operation's tag and is given out; None if there is none yet. One that failed, or
        that somebody disabled, serves nobody.
        """
        pages = await self._pages(ref.vault, f"{_path(ref, doing, 'certificates')}/versions", doing, CERTIFICATES)
        ours = readable(doing, lambda: [each for each in pages if _is_usable(each, operation)])
        return readable(doing, lambda: _version_of(max(ours, key=_created)) if ours else None)

    # --- the way there -------------------------------------------------------------------------------------

    async def _send(self, vault: str, order: Order) -> Reply:
        return await persist(lambda: self._attempt(vault, order), self._patience, self._random, order.doing)

    async def _attempt(self, vault: str, order: Order) -> Reply:
        await take_turns(self._pacing, order)
        answer = await self._exchange(vault, order)
        try:
            return read_reply(order, answer, self._clock)
        except Trouble as trouble:
            learn(self._pacing, order, trouble, answer.status_code)
            raise

    async def _exchange(self, vault: str, order: Order) -> "AsyncHttpResponse":
        from azure.core.rest import HttpRequest

        request = HttpRequest(order.method, order.path, json=order.body)
        return await exchange(order, request, self._client(vault, order.doing).send_request)

    def _client(self, vault: str, doing: str) -> "SecretClient":
        """One client for each vault, over one set of connections."""
        if vault not in self._clients:
            from azure.keyvault.secrets.aio import SecretClient

            if not _VAULT.fullmatch(vault):
                raise PlatformRefused(doing=doing, code="bad-name", why="this is not the name of a vault.")
            self._shared = self._shared or self._transport()
            self._clients[vault] = SecretClient(
                self._url(vault),
                self._credential,
                transport=self._shared,
                retry_total=0,
                permit_redirects=False,
                logging_enable=False,
            )
        return self._clients[vault]

    def _url(self, vault: str) -> str:
        return f"https://{vault}.{self._domain}"


def _transactions(vault: str) -> Quota:
    return Quota(f"requests to vault {vault}", _TRANSACTIONS, _SPAN)


def _creations(vault: str) -> Quota:
    return Quota(f"secrets made in vault {vault}", _CREATIONS, _SPAN)


def _path(ref: SecretRef, doing: str, kind: str = "secrets") -> str:
    if not _SECRET.fullmatch(ref.name):
        raise PlatformRefused(doing=doing, code="bad-name", why="names of secrets are letters, digits and dashes.")
    return f"/{kind}/{ref.name}"


def _checked(version: str, doing: str) -> str:
    if not _VERSION.fullmatch(version):
        raise PlatformRefused(doing=doing, code="bad-version", why="this is not a version of a secret.")
    return version


def _new_version(
    like: SecretSeen, value: SecretValue, operation: str, expires: datetime | None, doing: str
) -> JsonObject:
    """Nothing is inherited from the version before, so all that is to stay is sent."""
    tags: JsonObject = {**like.tags, OPERATION_TAG: operation}
    _check_tags(tags, doing)
    attributes: JsonObject = {"enabled": True}
    if expires is not None:
        attributes["exp"] = int(expires.timestamp())
    if like.not_before is not None and (expires is None or like.not_before < expires):
        attributes["nbf"] = int(like.not_before.timestamp())
    body: JsonObject = {"value": value.reveal(), "tags": tags, "attributes": attributes}
    return body if like.content_type is None else {**body, "contentType": like.content_type}


def _check_tags(tags: JsonObject, doing: str) -> None:
    if len(tags) > MOST_TAGS:
        why = f"with the tag {OPERATION_TAG} it would have more than {MOST_TAGS} tags. Remove one of them."
        raise PlatformRefused(doing=doing, code="too-many-tags", why=why)


def _seen(vault: str, item: JsonObject) -> SecretSeen:
    """An entry of a list: its id is https://VAULT/secrets/NAME, with /VERSION in a list of versions."""
    parts = urlsplit(text_of(item, "id")).path.strip("/").split("/")
    if len(parts) not in {2, 3} or parts[0] != "secrets" or not _SECRET.fullmatch(parts[1]):
        raise Unreadable("id is not a secret's")
    attributes = item.get("attributes")
    if not isinstance(attributes, dict):
        raise Unreadable("attributes is not there")
    return SecretSeen(
        ref=SecretRef(vault, parts[1].lower()),
        version=_version_of(item) if len(parts) > 2 else None,
        enabled=flag_of(attributes, "enabled"),
        created=_moment(attributes, "created"),
        updated=_moment(attributes, "updated"),
        expires=_optional_moment(attributes, "exp"),
        not_before=_optional_moment(attributes, "nbf"),
        content_type=optional_text_of(item, "contentType"),
        tags=_tags(item),
        managed=item.get("managed") is True,
    )


def _deleted(vault: str, item: JsonObject) -> SecretSeen:
    return replace(_seen(vault, item), deleted=_moment(item, "deletedDate"))


def _version_of(item: JsonObject) -> str:
    version = urlsplit(text_of(item, "id")).path.rpartition("/")[2]
    if not _VERSION.fullmatch(version):
        raise Unreadable("id names no version")
    return version


def _tags(item: JsonObject) -> dict[str, str]:
    """Tags are carried over to new versions, so none may be missing here."""
    tags = item.get("tags")
    if tags is None:
        return {}
    if not isinstance(tags, dict):
        raise Unreadable("tags is not an object")
    return {name: text_of(tags, name) for name in tags}


def _is_usable(item: JsonObject, operation: str) -> bool:
    attributes = item.get("attributes")
    enabled = isinstance(attributes, dict) and attributes.get("enabled") is True
    return enabled and _tags(item).get(OPERATION_TAG) == operation


def _created(item: JsonObject) -> float:
    attributes = item.get("attributes")
    created = attributes.get("created") if isinstance(attributes, dict) else None
    return float(created) if isinstance(created, int) else 0.0


def _moment(attributes: JsonObject, name: str) -> datetime:
    """Key Vault gives seconds since 1970."""
    value = attributes.get(name)
    if not isinstance(value, int):
        raise Unreadable(f"{name} is not there")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        raise Unreadable(f"attributes.{name} is no moment") from None


def _optional_moment(attributes: JsonObject, name: str) -> datetime | None:
    return None if attributes.get(name) is None else _moment(attributes, name)


def _policy(policy: JsonObject, doing: str) -> JsonObject:
    """The policy to make the next version by, with a key of its own: the exposed one must not come again."""
    issuer = policy.get("issuer")
    name = issuer.get("name") if isinstance(issuer, dict) else None
    if not isinstance(name, str):
        raise Unreachable(doing, "its policy names no issuer")
    if name == "Unknown":
        why = "its issuer is one that Key Vault does not know: its owner has to order and merge the new one."
        raise PlatformRefused(doing=doing, code="issuer-unknown", why=why)
    key = policy.get("key_props")
    own: dict[str, JsonValue] = {part: policy[part] for part in _POLICY_PARTS if policy.get(part) is not None}
    return {**own, "key_props": {**(key if isinstance(key, dict) else {}), "reuse_key": False}}
