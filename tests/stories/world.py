"""The engine with fakes around it, under virtual time: what every story starts from."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from drill.virtual_time import run, virtual_clock
from shared.actions import ACTIONS
from shared.case import IdentityState, RiskDetection
from shared.chain import Chain
from shared.clock import Clock
from shared.desk import Desk
from shared.entries import Entry
from shared.estate import Estate
from shared.inbox import Inbox, Stamp
from shared.incident import Status, status_of
from shared.journal import IncidentId
from shared.muster import Muster
from shared.outbox import Outbox
from shared.policy import Policy, read_policy
from shared.responder import Responder
from shared.signal import JsonObject
from shared.store import LocalStore, memory_store
from shared.tenant import Tenant
from tests.fakes import (
    CORDON_CLIENT,
    PAYROLL,
    PAYROLL_CLIENT,
    START,
    TENANT_ID,
    FakeDirectory,
    FakeFeeds,
    FakeSwitch,
    FakeTopic,
    FakeVault,
)

T = TypeVar("T")
E = TypeVar("E", bound=Entry)

POLICY = """
version: 1
rules:
  - name: leaked-credential
    when: {risk-detection: {types: [leakedCredentials], levels: [medium, high]}}
    verdict: contain
    actions: [block-sign-in, replace-credentials]
"""


def leak(number: int = 1) -> JsonObject:
    """A servicePrincipalRiskDetection as Graph shows it."""
    return {
        "id": f"70000000-0000-4000-8000-{number:012d}",
        "riskEventType": "leakedCredentials",
        "riskLevel": "high",
        "riskState": "atRisk",
        "riskDetail": "none",
        "servicePrincipalId": PAYROLL,
        "appId": PAYROLL_CLIENT,
        "servicePrincipalDisplayName": "payroll-sync",
        "keyIds": [],
        "activityDateTime": "2026-03-02T02:58:00Z",
        "detectedDateTime": "2026-03-02T02:59:00Z",
        "lastUpdatedDateTime": "2026-03-02T02:59:00Z",
    }


def detection() -> RiskDetection:
    """The same, as it is read again for the decision."""
    at = START - timedelta(minutes=1)
    return RiskDetection(
        "70000000-0000-4000-8000-000000000001", "leakedCredentials", "high", "atRisk", "none", (), at, at, at, None
    )


@dataclass
class World:
    """One tenant, one store, and as many instances of Cordon as a story asks for."""

    directory: FakeDirectory
    clock: Clock
    policy: Policy
    store: LocalStore
    mode: str = "act"
    vault: FakeVault | None = None
    estate: Estate | None = None
    feeds: FakeFeeds = field(default_factory=FakeFeeds)
    topic: FakeTopic = field(default_factory=FakeTopic)
    switch: FakeSwitch = field(default_factory=FakeSwitch)

    def instance(self, name: str = "one") -> Responder:
        """An instance of Cordon; it shares nothing with another but the store and the tenant."""
        return Responder(self.desk(name))

    def desk(self, name: str = "one") -> Desk:
        stamp = Stamp(TENANT_ID, self.mode, self.policy.digest)
        muster = Muster(self.store.documents, self.policy, self.clock)
        return Desk(
            tenant=Tenant(self.directory, self.feeds, self.vault, self.topic, estate=self.estate),
            store=self.store,
            inbox=Inbox(self.store, stamp, self.clock, muster.announce),
            muster=muster,
            outbox=Outbox(self.topic, self.clock),
            switch=self.switch,
            policy=self.policy,
            tenant_id=TENANT_ID,
            mode=self.mode,
            handover_vault=self.vault is not None,
            own_ids=frozenset({CORDON_CLIENT}),
            instance=name,
            clock=self.clock,
            warm_up=_nothing,
        )

    async def hear_of_leak(self, responder: Responder, number: int = 1) -> None:
        """A leaked credential is reported by Event Grid."""
        event: JsonObject = {
            "type": "Cordon.Signal.RiskDetection",
            "id": f"e{number}",
            "source": "t",
            "data": leak(number),
        }
        await responder.receive_events([event])

    async def work_queue(self, responder: Responder, until: timedelta = timedelta(hours=3)) -> None:
        """Do what the host does: hand over each message when it is due, until nothing is left or time is up."""
        end = self.clock() + until
        while (due := await self.store.queue.next_due()) is not None and due <= end:
            await asyncio.sleep(max(0.0, (due - self.clock()).total_seconds()))
            for received in await self.store.queue.receive(1, timedelta(minutes=10)):
                await responder.work(json.loads(received.body))
                await self.store.queue.delete(received)

    async def chain(self) -> Chain:
        """The journal of the only incident."""
        (listed,) = await self.store.documents.query("incidents")
        return await Chain.read(self.store.journal, IncidentId(str(listed.body["incident"])), self.clock)

    async def chain_of(self, incident: str) -> Chain:
        """The journal of this incident, where there are several."""
        return await Chain.read(self.store.journal, IncidentId(incident), self.clock)

    async def status(self) -> Status:
        return status_of((await self.chain()).records, self.clock())


async def _nothing() -> None:
    pass


def play(
    story: Callable[[World], Awaitable[T]],
    state: IdentityState,
    *,
    policy: str = POLICY,
    mode: str = "act",
    start: datetime = START,
) -> T:
    """Play a story under virtual time in a fresh world around this identity."""

    async def main() -> T:
        clock = virtual_clock().now
        directory = FakeDirectory(state, clock, detections=(detection(),))
        read = read_policy(policy, "story.yaml", [action.name for action in ACTIONS])
        return await story(World(directory, clock, read, memory_store(clock), mode))

    return run(main, start=start)


def with_vault(world: World) -> World:
    """The same world with a hand-over vault."""
    return replace(world, vault=FakeVault(world.clock))
