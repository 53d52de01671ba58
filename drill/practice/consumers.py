"""
Services that live on secrets: they read one, keep it for a while and use it; what breaks them is counted.

    consumers: [{name: web, vault: shop, secret: storage, every: PT1M, refresh: PT1H}]

A consumer with a `version` reads that one and no other. Each has an identity of its own with the right to read
its secret, unless `identity` names one of the tenant's. In the tenant's state it is `azure.consumers`: how often
it used its secret, how often in vain (`failed`), how often in vain for longer than its refresh (`stranded`), and
whether it works now.
"""

import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from drill.practice.arm.sources import works
from drill.practice.service import NoAnswer
from drill.practice.shapes import JsonObject, ScenarioMistake, fine_time, known_keys, seconds
from drill.practice.state import TenantState
from drill.practice.tokens import VAULT
from drill.practice.vault.granting import let_use_secrets
from drill.practice.web import ConnectionLost, Request

Sleep = Callable[[float], Awaitable[None]]
_KEYS = ("name", "vault", "secret", "every", "refresh", "version", "identity", "from")
_FOREVER = (10.0**8, 10.0**8)  # consumers sign in again by themselves; what is practised is not that


@dataclass(slots=True)
class Habit:
    """One entry of `consumers`. Durations are seconds."""

    name: str
    vault: str
    secret: str
    every: float
    refresh: float
    version: str | None
    identity: str
    starts: float

    @classmethod
    def from_scenario(cls, given: Mapping[str, Any]) -> "Habit":
        known_keys(given, _KEYS, "consumers")
        name = str(given["name"])
        return cls(
            name=name,
            vault=str(given["vault"]).lower(),
            secret=str(given["secret"]),
            every=max(1.0, seconds(given.get("every", 60), "consumers.every")),
            refresh=seconds(given.get("refresh", 3600), "consumers.refresh"),
            version=cast("str | None", given.get("version")),
            identity=str(given.get("identity") or uuid.uuid5(uuid.NAMESPACE_OID, f"consumer {name}")),
            starts=seconds(given.get("from", 0), "consumers.from"),
        )


@dataclass(slots=True)
class Consumer:
    """One service. `kept` is the value that it read last, and `record` what the tenant's state shows of it."""

    state: TenantState
    habit: Habit
    sleep: Sleep
    serve_vault: Callable[[Request], Awaitable[Any]]
    record: JsonObject
    kept: str | None = field(default=None, repr=False)
    read_at: float = 0.0
    failing_since: float | None = None

    @property
    def name(self) -> str:
        return f"consumer:{self.habit.name}"

    @classmethod
    def begin(
        cls,
        state: TenantState,
        given: Mapping[str, Any],
        sleep: Sleep,
        serve_vault: Callable[[Request], Awaitable[Any]],
    ) -> "Consumer":
        """One that may read its secret and is listed in the tenant's state."""
        habit = Habit.from_scenario(given)
        vault = state.vaults.get(habit.vault)
        if vault is None or habit.secret not in vault.secrets:
            raise ScenarioMistake(f"consumers: there is no secret {habit.vault}/{habit.secret}")
        if "identity" not in given:
            let_use_secrets(state, vault, habit.identity, "Key Vault Secrets User", "get")
        record: JsonObject = {"name": habit.name, "vault": habit.vault, "secret": habit.secret, "version": None}
        record |= {"uses": 0, "failed": 0, "stranded": 0, "works": None}
        state.consumers.append(record)
        return cls(state, habit, sleep, serve_vault, record)

    async def live(self) -> None:
        """Until cancelled."""
        await self.sleep(self.habit.starts)
        while True:
            if self.kept is None or self.state.elapsed - self.read_at >= self.habit.refresh:
                await self._read()
            self._use()
            await self.sleep(self.habit.every)

    async def _read(self) -> None:
        """What cannot be read is not forgotten: the old value is used on."""
        token = self.state.tokens.issue(
            principal_id=self.habit.identity,
            app_id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.habit.identity} app")),
            audience=VAULT,
            roles=frozenset(),
            now=self.state.now,
            lifetime=_FOREVER,
            by=self.name,
        )
        version = f"/{self.habit.version}" if self.habit.version else ""
        request = Request(
            method="GET",
            host=f"{self.habit.vault}.vault.azure.net",
            path=f"/secrets/{self.habit.secret}{version}",
            query={"api-version": "7.5"},
            headers={"authorization": f"Bearer {token.text}", "user-agent": "azsdk-net-security.keyvault.secrets"},
            raw_query="api-version=7.5",
        )
        self.read_at = self.state.elapsed
        try:
            answer = await self.serve_vault(request)
        except (ConnectionLost, NoAnswer):
            return
        if answer.status == 200:
            self.kept = str(answer.body["value"])
            self.record["version"] = str(answer.body["id"]).rpartition("/")[2]

    def _use(self) -> None:
        fine = self.kept is not None and works(self.state, self.habit.vault, self.habit.secret, self.kept)
        self.record["uses"] += 1
        self.record["works"] = fine
        if fine:
            self.failing_since = None
            return
        self.failing_since = self.state.elapsed if self.failing_since is None else self.failing_since
        self.record["failed"] += 1
        self.record["stranded"] += self.state.elapsed - self.failing_since >= self.habit.refresh
        self.state.attempts.append(
            {
                "at": fine_time(self.state.now),
                "by": self.name,
                "does": "use-secret",
                "identity": self.habit.identity,
                "target": f"{self.habit.vault}/{self.habit.secret}",
                "status": 401,
                "hadToken": True,
            }
        )
