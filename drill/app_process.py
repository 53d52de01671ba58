"""
The function app's process in a drill: built as in Azure from settings, driven by the local host, and mortal.

Killed at a write point, it is started again some seconds later with nothing but what the store and the
tenant hold, as the platform would start it.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, cast

from drill.host.host import LocalHost, Surroundings
from drill.host.routes import Keys
from drill.lifeline import Crash, Fate, Life, MortalAzure, MortalHttpx, TenantWrites, mortal_store
from drill.narrator import Narrator
from drill.practice import PracticeTenant
from drill.practice.asgi import AsgiApp
from drill.transports import PracticeAzureTransport, PracticeCredential, PracticeHttpxTransport
from shared.clock import Clock
from shared.journal import Journal, Record
from shared.settings import Settings
from shared.store import Store
from shared.wiring import Outside, build

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.journal import IncidentId
    from shared.responder import Responder

RESTARTS_AFTER = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Grounds:
    """What every process of a drill stands on, and what outlives it."""

    settings: Settings
    environ: Mapping[str, str]
    tenant: PracticeTenant
    network: AsgiApp  # the tenant, with the outgoing topic in front
    store: Store
    surroundings: Surroundings
    keys: Keys
    clock: Clock
    seed: int
    narrator: Narrator
    fate: Fate
    writes: "OwnWrites"

    def responder(self, instance: str, life: Life) -> "Responder":
        """A Responder with nothing in memory. Raises PolicyWrong."""
        writes = TenantWrites(self.writes.count, life)
        return build(
            self.settings,
            Outside(
                clock=self.clock,
                instance=instance,
                random=Random(f"{self.seed}:{instance}").random,
                credential_for=lambda client_id: PracticeCredential(self.tenant, client_id),
                store=mortal_store(self._told(self.store), life),
                graph_transport=MortalHttpx(PracticeHttpxTransport(self.network), writes),
                azure_transport=lambda: MortalAzure(PracticeAzureTransport(self.network), writes),
            ),
        )

    def _told(self, store: Store) -> Store:
        journal = ToldJournal(store.journal, self.narrator, self.tenant)
        return Store(journal, store.documents, store.evidence, store.queue, store.warm_up)


@dataclass(slots=True)
class OwnWrites:
    """Counts the writes of Cordon's that took effect in the tenant. `own`: the names under which they stand."""

    tenant: PracticeTenant
    own: frozenset[str]
    _seen: int = 0
    _counted: int = 0

    def count(self) -> int:
        fresh = self.tenant.effects[self._seen :]
        self._seen += len(fresh)
        self._counted += sum(1 for effect in fresh if effect["by"] in self.own and effect["applied"])
        return self._counted


@dataclass(frozen=True, slots=True)
class ToldJournal:
    """A journal whose records are told as they are appended."""

    inner: Journal
    narrator: Narrator
    tenant: PracticeTenant

    async def append(self, records: "Sequence[Record]") -> None:
        await self.inner.append(records)
        self.narrator.tell_attempts(self.tenant.attempts)
        self.narrator.tell_records(records)

    async def read(self, incident: "IncidentId") -> "Sequence[Record]":
        return await self.inner.read(incident)


class AppProcess:
    """Runs, dies, and is started again."""

    def __init__(self, grounds: Grounds) -> None:
        self._grounds = grounds
        self._starts = 0
        self._died = asyncio.Event()
        self._life: Life | None = None
        self._defect: BaseException | None = None
        self.host: LocalHost | None = None  # None while it is down

    async def keep_alive(self) -> None:
        """Start it, and start it again whenever it dies."""
        while True:
            await self._start()
            await self._died.wait()
            if self._defect:
                raise self._defect
            last = self._grounds.fate.points[-1] if self._grounds.fate.points else None
            where = f" after write {last.number} ({last.kind}: {last.what})" if last else ""
            self._grounds.narrator.tell("Host", f"the process was killed{where}; the platform starts another")
            await self.stop()
            await asyncio.sleep(RESTARTS_AFTER)

    def kill(self) -> None:
        """As a power cut would."""
        if self._life:
            self._life.kill()

    async def stop(self) -> None:
        """Cancel what it was doing."""
        host, self.host = self.host, None
        if host:
            with contextlib.suppress(Crash):
                await host.stop()

    async def _start(self) -> None:
        self._starts += 1
        self._died.clear()
        self._life = Life(self._grounds.fate, self._died.set)
        responder = self._grounds.responder(f"drill-{self._starts}", self._life)
        self.host = LocalHost(
            responder,
            self._grounds.surroundings,
            keys=self._grounds.keys,
            clock=self._grounds.clock,
            random=Random(f"{self._grounds.seed}:host-{self._starts}"),
            environ=self._grounds.environ,
            died=self._fall_over,
        )
        with contextlib.suppress(Crash):
            await self.host.start()

    def _fall_over(self, death: BaseException) -> None:
        """The host met something that no host survives; only a Crash is part of the play."""
        if not _is_crash(death):
            self._defect = self._defect or death
        self.kill()


def _is_crash(death: BaseException) -> bool:
    if isinstance(death, BaseExceptionGroup):
        return all(map(_is_crash, cast("tuple[BaseException, ...]", death.exceptions)))
    return isinstance(death, Crash)
