"""One plan, one identity and one pair of hands under virtual time: what the tests of the execution start from."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from drill.virtual_time import run, virtual_clock
from shared.actions.interface import Means
from shared.case import IdentityState
from shared.chain import Chain
from shared.clock import Clock
from shared.entries import Entry, Planned, PlannedStep, Verified, WorkStarted
from shared.execution import Execution
from shared.identity import IdentityRef, PrincipalId
from shared.journal import IncidentId, MemoryJournal
from shared.look import Look
from shared.plan import make_plan
from shared.policy import ActionChoice
from shared.precedence import Precedence
from shared.tenant import CredentialWrite, Tenant, WriteRefused, WriteResult
from tests.fakes import PAYROLL, PAYROLL_APP, PAYROLL_CLIENT, START, FakeDirectory, FakeFeeds, FakeSwitch, FakeVault

T = TypeVar("T")

INCIDENT = IncidentId("20260302-0123456789ab")
SUBJECT = IdentityRef(PAYROLL, PAYROLL_CLIENT, PAYROLL_APP)


@dataclass
class SlowDirectory(FakeDirectory):
    """The stand-in, which takes `takes` seconds for a block, and refuses credential writes if `refusal` says so."""

    takes: float = 0.0
    refusal: WriteRefused | None = None

    async def set_account_enabled(self, principal: PrincipalId, enabled: bool) -> None:
        await asyncio.sleep(self.takes)
        await super().set_account_enabled(principal, enabled)

    async def write_credentials(self, writes: Sequence[CredentialWrite]) -> Sequence[WriteResult]:
        if self.refusal is not None:
            return [self.refusal for _ in writes]
        return await super().write_credentials(writes)


@dataclass
class Bench:
    """The tenant, the incident's chain in this instance's hands, and the stop switch."""

    directory: SlowDirectory
    clock: Clock
    journal: MemoryJournal
    chain: Chain
    switch: FakeSwitch = field(default_factory=FakeSwitch)
    vault: FakeVault | None = None
    precedence: Precedence = field(default_factory=Precedence)

    async def plan(self, *names: str, **options: Any) -> Planned:
        """Plan these actions, as the identity is now, and write the plan down."""
        choices = [ActionChoice(name, dict(options)) for name in names]
        means = Means(INCIDENT, handover_vault=self.vault is not None)
        return await self.write_down(make_plan(choices, self.directory.state, means, self.clock()))

    async def write_down(self, plan: Planned) -> Planned:
        await self.chain.write(plan)
        return plan

    async def start(self, attempt: int = 1) -> None:
        """This instance takes the incident in hand."""
        await self.chain.write(WorkStarted(attempt=attempt, instance="one", because="signal"))

    def execution(self, planned_at: int | None = None) -> Execution:
        tenant = Tenant(self.directory, FakeFeeds(), self.vault, None)
        return Execution(tenant, self.chain, self.switch, SUBJECT, self.clock, planned_at, self.precedence)

    async def carry_out(self, plan: Planned, look: Look | None = None) -> bool:
        return await self.execution().carry_out(plan, look)

    async def rival(self) -> Chain:
        """The same incident in another instance's hands."""
        return await Chain.read(self.journal, INCIDENT, self.clock)

    def told(self, step: PlannedStep | None = None) -> list[Entry]:
        """What the journal says, of this step or of everything, oldest first."""
        return [line.entry for line in self.chain.lines if step is None or line.record.step == step.id]

    def kinds(self, step: PlannedStep | None = None) -> list[str]:
        return [entry.kind for entry in self.told(step)]

    def last_proof(self, step: PlannedStep) -> Verified:
        verified = self.chain.last(Verified, step.id)
        assert verified is not None
        return verified

    def seconds(self) -> float:
        """Since the story began."""
        return (self.clock() - START).total_seconds()


def play(story: Callable[[Bench], Awaitable[T]], state: IdentityState, *, vault: bool = False) -> T:
    """Play a story under virtual time around this identity."""

    async def main() -> T:
        clock = virtual_clock().now
        journal = MemoryJournal()
        chain = await Chain.read(journal, INCIDENT, clock)
        return await story(
            Bench(SlowDirectory(state, clock), clock, journal, chain, vault=FakeVault(clock) if vault else None)
        )

    return run(main, start=START)
