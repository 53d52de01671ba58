"""Hooks around everything that an instance of Cordon waits for: where a test pauses it, or lets it fail."""

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from shared.case import HolderKind, Known, PartName
from shared.identity import AppObjectId, IdentityRef, PrincipalId
from shared.journal import IncidentId, Journal, Record
from shared.signal import JsonObject
from shared.store import Document, Documents, DrivenQueue, LocalStore, Received
from shared.tenant import (
    AccessWrite,
    Check,
    CredentialWrite,
    Directory,
    Gathered,
    HandoverVault,
    NewCertificate,
    NewPassword,
    PolicyCovers,
    ReplaceKeys,
    WriteResult,
    unchecked,
)
from tests.stories.world import World

T = TypeVar("T")
Hook = Callable[[str], Awaitable[None]]

DEPTH = int(os.environ.get("CORDON_FAULT_DEPTH", "1"))  # 1: a bounded sample; more: closer to every cell


async def no_hook(name: str) -> None:
    """Nothing happens here."""


@dataclass
class Hooks:
    """What happens before and after each call, by the call's name."""

    before: Hook = no_hook
    after: Hook = no_hook

    async def around(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        await self.before(name)
        answer = await call()
        await self.after(name)
        return answer


@dataclass
class HookedJournal:
    """A journal with hooks around each call."""

    inner: Journal
    hooks: Hooks

    async def append(self, records: Sequence[Record]) -> None:
        kinds = "+".join(record.kind for record in records)
        await self.hooks.around(f"journal append {kinds}", lambda: self.inner.append(records))

    async def read(self, incident: IncidentId) -> Sequence[Record]:
        return await self.hooks.around("journal read", lambda: self.inner.read(incident))


@dataclass
class HookedDocuments:
    """Documents with hooks around each call."""

    inner: Documents
    hooks: Hooks

    async def insert(self, partition: str, key: str, body: JsonObject) -> bool:
        return await self.hooks.around(f"write insert {partition}", lambda: self.inner.insert(partition, key, body))

    async def insert_all(self, partition: str, bodies: Mapping[str, JsonObject]) -> frozenset[str]:
        return await self.hooks.around(f"write insert {partition}", lambda: self.inner.insert_all(partition, bodies))

    async def get(self, partition: str, key: str) -> Document | None:
        return await self.hooks.around(f"get {partition}", lambda: self.inner.get(partition, key))

    async def replace(self, partition: str, key: str, body: JsonObject, etag: str) -> bool:
        return await self.hooks.around(
            f"write replace {partition}", lambda: self.inner.replace(partition, key, body, etag)
        )

    async def remove(self, partition: str, key: str, etag: str) -> bool:
        return await self.hooks.around(f"write remove {partition}", lambda: self.inner.remove(partition, key, etag))

    async def query(
        self, partition: str, *, after: str = "", before: str | None = None, limit: int = 1000
    ) -> Sequence[Document]:
        return await self.inner.query(partition, after=after, before=before, limit=limit)


@dataclass
class HookedQueue:
    """A queue with hooks around sending; receiving is the host's."""

    inner: DrivenQueue
    hooks: Hooks

    async def send(self, message: JsonObject, delay: timedelta = timedelta()) -> None:
        await self.hooks.around(f"write send {message['because']}", lambda: self.inner.send(message, delay))

    async def put(self, body: bytes, delay: timedelta = timedelta()) -> None:
        await self.inner.put(body, delay)

    async def receive(self, most: int, hidden: timedelta) -> Sequence[Received]:
        return await self.inner.receive(most, hidden)

    async def delete(self, received: Received) -> bool:
        return await self.inner.delete(received)

    async def release(self, received: Received, delay: timedelta) -> bool:
        return await self.inner.release(received, delay)

    async def next_due(self) -> datetime | None:
        return await self.inner.next_due()

    def beside(self, name: str) -> DrivenQueue:
        return self.inner.beside(name)


@dataclass
class HookedDirectory:
    """A directory with hooks around each look and each single write."""

    inner: Directory
    hooks: Hooks

    async def look(self, subject: IdentityRef, parts: frozenset[PartName]) -> Gathered:
        return await self.hooks.around("look", lambda: self.inner.look(subject, parts))

    async def look_at_people(self, gathered: Gathered, parts: frozenset[PartName], now: datetime) -> Gathered:
        return await self.hooks.around("look", lambda: self.inner.look_at_people(gathered, parts, now))

    async def key_digests(self, application: AppObjectId) -> Mapping[str, str]:
        return await self.hooks.around("look", lambda: self.inner.key_digests(application))

    async def public_keys(self, holder: HolderKind, object_id: str) -> Mapping[str, str]:
        return await self.hooks.around("look", lambda: self.inner.public_keys(holder, object_id))

    async def leave_risk_policy(
        self, principal: PrincipalId, policy_id: str, *, delete_if_ours: bool, check: Check = unchecked
    ) -> None:
        await self.hooks.around(
            "tenant leave policy",
            lambda: self.inner.leave_risk_policy(principal, policy_id, delete_if_ours=delete_if_ours, check=check),
        )

    async def set_account_enabled(self, principal: PrincipalId, enabled: bool) -> None:
        await self.hooks.around("tenant block", lambda: self.inner.set_account_enabled(principal, enabled))

    async def confirm_compromised(self, principals: Sequence[PrincipalId]) -> None:
        await self.hooks.around("tenant confirm", lambda: self.inner.confirm_compromised(principals))

    async def set_application_disabled(self, application: AppObjectId, disabled: bool) -> None:
        await self.hooks.around("tenant deactivate", lambda: self.inner.set_application_disabled(application, disabled))

    async def dismiss_risk(self, principals: Sequence[PrincipalId]) -> None:
        await self.hooks.around("tenant dismiss", lambda: self.inner.dismiss_risk(principals))

    async def cover_by_risk_policy(
        self, principal: PrincipalId, state: str, *, sent_before: bool, check: Check = unchecked
    ) -> PolicyCovers:
        return await self.hooks.around(
            "tenant policy",
            lambda: self.inner.cover_by_risk_policy(principal, state, sent_before=sent_before, check=check),
        )

    async def add_password(
        self, holder: HolderKind, object_id: str, name: str, expires: datetime, check: Check = unchecked
    ) -> NewPassword:
        return await self.hooks.around(
            "tenant add password", lambda: self.inner.add_password(holder, object_id, name, expires, check)
        )

    async def write_access(self, writes: Sequence[AccessWrite]) -> Sequence[WriteResult]:
        return [await self._write_access(write) for write in writes]

    async def _write_access(self, write: AccessWrite) -> WriteResult:
        name = f"tenant {type(write).__name__}"
        (result,) = await self.hooks.around(name, lambda: self.inner.write_access((write,)))
        return result

    async def write_credentials(self, writes: Sequence[CredentialWrite]) -> Sequence[WriteResult]:
        return [await self._write(write) for write in writes]

    async def _write(self, write: CredentialWrite) -> WriteResult:
        name = f"tenant {type(write).__name__}{' add' if isinstance(write, ReplaceKeys) and write.add else ''}"
        (result,) = await self.hooks.around(name, lambda: self.inner.write_credentials((write,)))
        return result

    async def count_enabled_principals(self) -> int:
        return await self.hooks.around("count", self.inner.count_enabled_principals)


@dataclass
class HookedVault:
    """A hand-over vault with hooks around each call."""

    inner: HandoverVault
    hooks: Hooks

    async def find_certificate(self, name: str, operation: str) -> NewCertificate | None:
        return await self.hooks.around("find certificate", lambda: self.inner.find_certificate(name, operation))

    async def make_certificate(self, name: str, subject: str, operation: str) -> NewCertificate:
        return await self.hooks.around(
            "make certificate", lambda: self.inner.make_certificate(name, subject, operation)
        )


def hooked(world: World, before: Hook = no_hook, after: Hook = no_hook) -> World:
    """The same world seen by an instance that is paused or fails where the hooks say so."""
    hooks, store = Hooks(before, after), world.store
    return replace(
        world,
        store=LocalStore(
            HookedJournal(store.journal, hooks),
            HookedDocuments(store.documents, hooks),
            store.evidence,
            HookedQueue(store.queue, hooks),
        ),
        directory=HookedDirectory(world.directory, hooks),  # pyright: ignore[reportArgumentType]
        vault=HookedVault(world.vault, hooks) if world.vault else None,  # pyright: ignore[reportArgumentType]
    )


def is_clean(world: World, certificates: int = 0) -> bool:
    """Whether the tenant itself shows the identity blocked, with nothing on it but so many certificates of ours."""
    state = world.directory.state
    counts = [
        len(h.passwords) + len(h.federated.value if isinstance(h.federated, Known) else ()) for h in state.holders
    ]
    keys = [len(holder.keys) for holder in state.holders]
    return not state.enabled and not any(counts) and sum(keys) == certificates
