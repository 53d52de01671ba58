"""
Owners with machinery of their own: they hear that a secret should be rotated, and do it after a while.

    owners: [{name: billing, vault: shop, secret: partner-key, hears: request, after: PT20M, grace: PT5M}]

`hears: request` waits for Cordon's event Cordon.Secret.RotationRequested about this secret, `near-expiry` for
a newest version that expires within 30 days, as Key Vault's own event tells. What they do: of a secret whose
value only their service knows, a new value that the service takes at once, and the old one until the grace is
over; of a storage account's key the other key, as the usual sample does, which leaves the exposed one alive. One who
`confirms` says in the end on the new version, by the tag that the request names, that the older ones are dead.
"""

import json
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from drill.practice.arm.sources import STORAGE, Key, Source, fresh_value
from drill.practice.shapes import JsonObject, ScenarioMistake, known_keys, seconds
from drill.practice.state import TenantState
from drill.practice.tokens import VAULT
from drill.practice.vault.granting import let_use_secrets
from drill.practice.vault.state import SecretVersion
from drill.practice.web import Request

Sleep = Callable[[float], Awaitable[None]]
REQUESTED = "Cordon.Secret.RotationRequested"
_KEYS = ("name", "vault", "secret", "hears", "after", "grace", "confirms")
_LOOKS_EVERY = 30.0  # seconds
_NEAR = timedelta(days=30)


@dataclass(slots=True)
class Owner:
    """One entry of `owners`. Durations are seconds."""

    state: TenantState
    sleep: Sleep
    serve_vault: Callable[[Request], Awaitable[Any]]
    name: str
    vault: str
    secret: str
    hears: str
    after: float
    grace: float
    confirms: bool
    identity: str
    _tag: str = ""  # by which the request wants to hear that the old value is dead
    _heard: int = 0
    _done_for: str = ""  # the version because of which it last acted

    @classmethod
    def begin(
        cls,
        state: TenantState,
        given: Mapping[str, Any],
        sleep: Sleep,
        serve_vault: Callable[[Request], Awaitable[Any]],
    ) -> "Owner":
        known_keys(given, _KEYS, "owners")
        owner = cls(
            state=state,
            sleep=sleep,
            serve_vault=serve_vault,
            name=str(given["name"]),
            vault=str(given["vault"]).lower(),
            secret=str(given["secret"]),
            hears=str(given.get("hears", "request")),
            after=seconds(given.get("after", 600), "owners.after"),
            grace=seconds(given.get("grace", 0), "owners.grace"),
            confirms=bool(given.get("confirms", False)),
            identity=str(uuid.uuid5(uuid.NAMESPACE_OID, f"owner {given['name']}")),
        )
        if owner.hears not in ("request", "near-expiry"):
            raise ScenarioMistake(f"owners: {owner.hears} is not one of request, near-expiry")
        if owner.vault not in state.vaults or owner.secret not in state.vaults[owner.vault].secrets:
            raise ScenarioMistake(f"owners: there is no secret {owner.vault}/{owner.secret}")
        vault = state.vaults[owner.vault]
        let_use_secrets(state, vault, owner.identity, "Key Vault Secrets Officer", "get", "list", "set")
        return owner

    async def work(self) -> None:
        """Until cancelled."""
        while True:
            await self.sleep(_LOOKS_EVERY)
            if self._is_asked():
                await self.sleep(self.after)
                await self._rotate()

    def _is_asked(self) -> bool:
        if self.hears == "near-expiry":
            return self._is_near_expiry()
        fresh, self._heard = self.state.heard[self._heard :], len(self.state.heard)
        told = [
            each for event in fresh if event.get("type") == REQUESTED and (each := self._is_mine(event.get("data")))
        ]
        self._tag = next((each["confirmByTag"] for each in told if "confirmByTag" in each), self._tag)
        return bool(told)

    def _is_mine(self, data: object) -> dict[str, str] | None:
        if not isinstance(data, dict):
            return None
        told = {str(name): str(value).lower() for name, value in data.items()}  # type: ignore[reportUnknownVariableType]
        return told if (told.get("vault"), told.get("secret")) == (self.vault, self.secret.lower()) else None

    def _is_near_expiry(self) -> bool:
        newest = self._versions[-1]
        expires = newest.attributes.get("exp")
        if not isinstance(expires, int) or newest.version == self._done_for:
            return False
        self._done_for = newest.version
        return expires <= (self.state.now + _NEAR).timestamp()

    async def _rotate(self) -> None:
        newest = self._versions[-1]
        source = self._account(newest)
        value = self._other_key(source, newest) if source else self._new_value()
        await self._publish(newest, value, source)
        await self.sleep(self.grace)
        if source is None:
            self.state.azure.accepted[self.vault, self.secret] = {value}
            await self._confirm()

    def _new_value(self) -> str:
        value = fresh_value(self.state.canaries, 32)
        self.state.azure.accepted.setdefault((self.vault, self.secret), set()).add(value)
        return value

    def _account(self, version: SecretVersion) -> Source | None:
        found = self.state.azure.sources.get(str(version.tags.get("ProviderAddress", "")).lower())
        return found if found and found.kind is STORAGE else None

    def _other_key(self, source: Source, version: SecretVersion) -> str:
        name = _other(str(version.tags.get("CredentialId")))
        source.keys[name] = Key(fresh_value(self.state.canaries, source.kind.octets), self.state.now)
        return source.keys[name].value

    async def _confirm(self) -> None:
        if not self.confirms or not self._tag:
            return
        newest = self._versions[-1]
        dead = " ".join(each.version for each in self._versions[:-1])
        body: JsonObject = {"tags": {**newest.tags, self._tag: dead}}
        await self._write("PATCH", f"/secrets/{self.secret}/{newest.version}", body)

    async def _publish(self, before: SecretVersion, value: str, source: Source | None) -> None:
        tags = {**before.tags, **({"CredentialId": _other(str(before.tags.get("CredentialId")))} if source else {})}
        await self._write(
            "PUT", f"/secrets/{self.secret}", {"value": value, "tags": tags, "contentType": before.content_type}
        )

    async def _write(self, method: str, path: str, body: JsonObject) -> None:
        token = self.state.tokens.issue(
            principal_id=self.identity,
            app_id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.identity} app")),
            audience=VAULT,
            roles=frozenset(),
            now=self.state.now,
            lifetime=(3600.0, 3600.0),
            by=f"owner:{self.name}",
        )
        await self.serve_vault(
            Request(
                method=method,
                host=f"{self.vault}.vault.azure.net",
                path=path,
                query={"api-version": "7.5"},
                headers={"authorization": f"Bearer {token.text}"},
                body=json.dumps(body).encode(),
                raw_query="api-version=7.5",
            )
        )

    @property
    def _versions(self) -> list[SecretVersion]:
        return self.state.vaults[self.vault].secrets[self.secret]


def _other(key: str) -> str:
    return "key1" if key == "key2" else "key2"
