"""An identity that read secrets, vaults and services whose values live or die, and the engine around them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import TypeVar

from drill.virtual_time import run, virtual_clock
from shared.actions import choosable
from shared.case import CouldNotLook, Known, Part
from shared.chain import Chain
from shared.clock import Clock
from shared.desk import Desk
from shared.entries import Entry
from shared.estate import (
    NO_LOG,
    OPERATION_TAG,
    DeletedVaults,
    Estate,
    Grant,
    Logging,
    Reach,
    Reached,
    SecretRead,
    SecretRef,
    SecretSeen,
    SecretValue,
    VaultSeen,
)
from shared.identity import ClientId, PrincipalId
from shared.policy import read_policy
from shared.rotation import secrets_of
from shared.store import memory_store
from tests.fakes import PAYROLL, START, FakeDirectory, password, payroll
from tests.rotators.estate import GROUP, SUBSCRIPTION, FakeSources, FakeVaults, Writes
from tests.stories.world import World, detection

T = TypeVar("T")
E = TypeVar("E", bound=Entry)

POLICY = """
version: 1
limits: {secrets-per-hour: 5000}
rules:
  - name: leaked-credential
    when: {risk-detection: {types: [leakedCredentials], levels: [medium, high]}}
    verdict: contain
    actions: [block-sign-in, {rotate-secrets: OPTIONS}]
"""


def policy(**options: object) -> str:
    """The usual policy with these options of rotate-secrets."""
    return POLICY.replace("OPTIONS", "{" + ", ".join(f"{k.replace('_', '-')}: {v}" for k, v in options.items()) + "}")


Touch = Callable[[str, str], None]


def nothing_touched(what: str, name: str) -> None:
    """Nobody takes note."""


@dataclass
class SlowVaults(FakeVaults):
    """Vaults that take their time, each write of a version counted against the vault's own bucket."""

    latency: float = 0.1
    touch: Touch = nothing_touched
    on_versions: Callable[[SecretRef], None] = lambda ref: None

    async def secrets(self, vault: str) -> Part[tuple[SecretSeen, ...]]:
        await asyncio.sleep(self.latency)
        return await super().secrets(vault)

    async def versions(self, ref: SecretRef) -> Part[tuple[SecretSeen, ...]]:
        self.on_versions(ref)
        await asyncio.sleep(self.latency)
        return await super().versions(ref)

    async def value(self, ref: SecretRef, version: str) -> SecretValue:
        await asyncio.sleep(self.latency)
        return await super().value(ref, version)

    async def publish(self, like: SecretSeen, value: SecretValue, *, operation: str, expires: datetime | None) -> str:
        self.touch("publish", f"{like.ref.vault}/{like.ref.name}")
        await asyncio.sleep(self.latency)
        return await super().publish(like, value, operation=operation, expires=expires)

    async def set_enabled(self, ref: SecretRef, version: str, enabled: bool) -> None:
        self.touch("disable", f"{ref.vault}/{ref.name}")
        await asyncio.sleep(self.latency)
        await super().set_enabled(ref, version, enabled)


@dataclass
class SlowSources(FakeSources):
    """Services that take their time."""

    latency: float = 0.1
    touch: Touch = nothing_touched

    async def regenerate(self, resource: str, what: str, key: str) -> SecretValue:
        self.touch(f"regenerate {key}", resource)
        await asyncio.sleep(self.latency)
        return await super().regenerate(resource, what, key)

    async def set_password(self, resource: str, what: str, value: SecretValue) -> None:
        self.touch("set password", resource)
        await asyncio.sleep(self.latency)
        await super().set_password(resource, what, value)


@dataclass
class FakeLogs:
    """The vaults' logs: who read which version when. They are late by ten minutes."""

    clock: Clock
    rows: list[tuple[SecretRef, str, datetime, str]] = field(default_factory=list[tuple[SecretRef, str, datetime, str]])
    late: timedelta = timedelta(minutes=10)

    async def reads_by(self, principal: PrincipalId, client: ClientId, since: datetime) -> Part[tuple[SecretRead, ...]]:
        return Known(tuple(_read(row) for row in self._told() if row[3] == principal))

    async def readers_of(self, secrets: Sequence[SecretRef], since: datetime) -> Part[tuple[SecretRead, ...]]:
        return Known(tuple(_read(row) for row in self._told() if row[0] in secrets))

    def _told(self) -> list[tuple[SecretRef, str, datetime, str]]:
        return [row for row in self.rows if row[2] + self.late <= self.clock()]


def _read(row: tuple[SecretRef, str, datetime, str]) -> SecretRead:
    """Without a version it was of what was the newest then."""
    ref, version, at, reader = row
    return SecretRead(ref, (version,) if version else (), at, at, 1, ("203.0.113.7",), reader, unnamed=not version)


@dataclass
class FakeAccess:
    """Which vaults the identity reaches, and whether their reads are logged."""

    vaults: dict[str, bool] = field(default_factory=dict[str, bool])
    unseen: tuple[str, ...] = ()
    blind: tuple[str, ...] = ()
    subscriptions: tuple[str, ...] = ()
    gone: DeletedVaults = field(default_factory=DeletedVaults)

    async def reach(
        self, principal: PrincipalId, groups: Part[tuple[str, ...]], since: datetime | None = None
    ) -> Reach:
        reached = tuple(Reached(seen_vault(name), (_grant(name),)) for name in self.vaults)
        return Reach(reached, (*self.unseen, *self.blind), blind=self.blind, subscriptions=self.subscriptions)

    async def logged(self, vault: VaultSeen, since: datetime) -> Part[Logging]:
        return Known(Logging() if self.vaults[vault.name] else Logging(NO_LOG, dark=True))

    async def deleted_vaults(self, since: datetime) -> Part[DeletedVaults]:
        return Known(self.gone)

    async def grants_on(self, vault: VaultSeen, holder: str) -> Part[tuple[Grant, ...]]:
        return CouldNotLook("nobody asks here")

    async def remove_grant(self, grant: Grant) -> None:
        raise AssertionError("nobody asks here")

    async def restore_grant(self, grant: Grant) -> None:
        raise AssertionError("nobody asks here")


def seen_vault(name: str) -> VaultSeen:
    return VaultSeen(f"{GROUP}/microsoft.keyvault/vaults/{name}".lower(), name, SUBSCRIPTION, rbac=True)


def _grant(name: str) -> Grant:
    return Grant("role-assignment", f"grant-{name}", PAYROLL, seen_vault(name).id, "Secrets User", True, False, {})


def account(name: str) -> str:
    return f"{GROUP}/Microsoft.Storage/storageAccounts/{name}"


@dataclass
class RotationWorld(World):
    """The usual world with vaults, services and logs around it."""

    vaults: SlowVaults = field(kw_only=True)
    sources: SlowSources = field(kw_only=True)
    access: FakeAccess = field(kw_only=True)
    logs: FakeLogs = field(kw_only=True)
    writes: Writes = field(kw_only=True)
    touched: list[tuple[datetime, str, str]] = field(default_factory=list[tuple[datetime, str, str]])

    def __post_init__(self) -> None:
        self.vaults.touch = self.sources.touch = self._touch
        self.estate = Estate(self.access, self.vaults, self.sources, self.logs, own_vault="cordon")

    def _touch(self, what: str, name: str) -> None:
        self.touched.append((self.clock(), what, name))

    def desk(self, name: str = "one") -> Desk:
        desk = super().desk(name)
        return replace(desk, token=Random(5).randbytes)  # noqa: S311

    # What there is

    def storage_secret(self, ref: SecretRef, name: str, key: str = "key1", *, read: bool = False) -> SecretSeen:
        """A secret with one of a storage account's keys."""
        if account(name).lower() not in self.sources.held:
            self.sources.has(account(name), "key1", "key2")
        value = self.sources.held[account(name).lower()].keys[key][0]
        return self.secret(ref, value, read=read, tags={"ProviderAddress": account(name), "CredentialId": key})

    def generated_secret(self, ref: SecretRef, *, read: bool = False) -> SecretSeen:
        """A secret that only has to be unguessable."""
        value = f"generated-{ref.vault}-{ref.name}-{'x' * 40}"
        return self.secret(ref, value, read=read, tags={"cordon-rotate": "generated"})

    def secret(
        self, ref: SecretRef, value: str, *, read: bool = False, tags: dict[str, str] | None = None
    ) -> SecretSeen:
        seen = self.vaults.store(ref, value, tags=tags or {})
        self.access.vaults.setdefault(ref.vault, True)
        if read:
            self.read(ref, seen.version or "")
        return seen

    def read(self, ref: SecretRef, version: str, at: datetime | None = None) -> None:
        """The identity reads a value."""
        self.logs.rows.append((ref, version, at or START - timedelta(hours=1), PAYROLL))

    # What became of it

    async def secrets_chain(self) -> Chain:
        chain = await self.chain()
        return await Chain.read(self.store.journal, secrets_of(chain.incident), self.clock)

    def is_alive(self, value: str) -> bool:
        """Whether this value still opens a service, or is given out by a vault."""
        return any(value == key for source in self.sources.held.values() for key, _ in source.keys.values())

    def made(self, ref: SecretRef) -> list[SecretSeen]:
        """The versions that Cordon stored."""
        return [seen for seen, _ in self.vaults.held[ref] if OPERATION_TAG in seen.tags]

    def enabled(self, ref: SecretRef) -> list[str]:
        return [value for seen, value in self.vaults.held[ref] if seen.enabled]


def play(
    story: Callable[[RotationWorld], Awaitable[T]],
    *,
    text: str | None = None,
    mode: str = "act",
    start: datetime = START,
    latency: float = 0.1,
) -> T:
    """Play a story under virtual time in a fresh world."""

    async def main() -> T:
        clock = virtual_clock().now
        directory = FakeDirectory(payroll(application=[password(1)]), clock, detections=(detection(),))
        read = read_policy(text or policy(), "story.yaml", choosable())
        writes = Writes()
        world = RotationWorld(
            directory,
            clock,
            read,
            memory_store(clock),
            mode,
            vaults=SlowVaults(clock, writes, latency=latency),
            sources=SlowSources(clock, writes, latency=latency),
            access=FakeAccess(),
            logs=FakeLogs(clock),
            writes=writes,
        )
        return await story(world)

    return run(main, start=start)
