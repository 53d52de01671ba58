"""Rights that a story gives and takes, and what preflight makes of them."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

from shared.errors import CordonError, PermissionMissing
from shared.policy import Policy
from shared.preflight import Role, Setting
from shared.readiness import Asked, ReadinessCheck
from shared.responder import Responder
from tests.stories.world import World

READER, EXECUTOR = "the reader", "the executor"
CLIENTS: dict[Role, str] = {"reader": READER, "executor": EXECUTOR}
READS = frozenset(
    {
        "Application.Read.All",
        "AuditLog.Read.All",
        "IdentityRiskEvent.Read.All",
        "IdentityRiskyServicePrincipal.Read.All",
        "LicenseAssignment.Read.All",
        "RoleManagement.Read.Directory",
    }
)
WRITES = frozenset({"Application.ReadWrite.All", "IdentityRiskyServicePrincipal.ReadWrite.All"})
ACT = Setting(mode="act", cloud="public", executor=True, handover_vault=True)
TOO_OLD = timedelta(minutes=2)


@dataclass
class FakeRights:
    """See `shared.tenant.Rights`. With `error` set, nothing can be read."""

    held: dict[str, frozenset[str]] = field(default_factory=lambda: {READER: READS, EXECUTOR: WRITES})
    premium: bool = True
    error: CordonError | None = None
    asked: int = 0
    seconds: float = 0.0  # that an answer takes

    async def granted(self, client_id: str) -> frozenset[str]:
        await self._ask()
        return self.held[client_id]

    async def has_premium(self) -> bool:
        await self._ask()
        return self.premium

    async def _ask(self) -> None:
        self.asked += 1
        await asyncio.sleep(self.seconds)
        if self.error:
            raise self.error

    def revoke(self, client_id: str, *names: str) -> None:
        self.held[client_id] -= set(names)

    def grant(self, client_id: str, *names: str) -> None:
        self.held[client_id] |= set(names)


FORBIDDEN = PermissionMissing(doing="reading", needs="Application.Read.All")


def check(world: World, rights: FakeRights, setting: Setting = ACT, policy: Policy | None = None) -> ReadinessCheck:
    asked = Asked(rights, CLIENTS)
    return ReadinessCheck(policy or world.policy, setting, asked, world.store.documents, world.clock)


def instance(world: World, rights: FakeRights, setting: Setting = ACT) -> Responder:
    """An instance of Cordon that looks ahead."""
    return Responder(replace(world.desk(), readiness=check(world, rights, setting)))
