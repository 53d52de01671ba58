"""The practice tenant, the real clients and the real execution: what the story of an action is played on."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

from drill.practice import Behaviour
from drill.practice.tenant import PracticeTenant
from drill.virtual_time import run, virtual_clock
from shared.actions.interface import Means
from shared.case import IdentityState
from shared.chain import Chain
from shared.entries import Applied, Intended, Planned, PlannedStep, StepStopped, Verified
from shared.execution import Execution
from shared.journal import IncidentId
from shared.plan import make_plan
from shared.policy import ActionChoice
from shared.signal import JsonObject
from shared.store import memory_store
from shared.tenant import Tenant
from tests.clients.test_practice_tenant import REF as REF
from tests.clients.test_practice_tenant import Place, at
from tests.fakes import START, FakeDirectory, FakeFeeds, FakeSwitch
from tests.fakes import payroll as identity
from tests.practice.desk import APPLICATION, PRINCIPAL, payroll

T = TypeVar("T")
Given: TypeAlias = dict[str, Any]

MEANS = Means("20260302-0123456789ab", handover_vault=False)
ELSEWHERE = "99999999-0000-4000-8000-000000000009"
MAIL, WRITE_ALL = "e2a3a72e-5f79-4c64-b1b1-878b674786c9", "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9"
GLOBAL_ADMIN = "62e90394-69f5-4237-9190-012177145e10"
USER = "0a000000-0000-4000-8000-00000000000a"
LICENCES = ["WorkloadIdentitiesPremium"]
CALM = Behaviour.gentle()


def powerful(**more: Any) -> Given:
    """payroll-sync with two app roles, a delegated grant, a directory role and an owner of both its objects."""
    whole: Given = {
        "licences": LICENCES,
        "appRoleAssignments": [{"principalId": PRINCIPAL, "appRoleId": each} for each in (MAIL, WRITE_ALL)],
        "oauth2PermissionGrants": [{"clientId": PRINCIPAL, "scope": "Mail.Read Files.Read.All"}],
        "roleAssignments": [{"principalId": PRINCIPAL, "roleDefinitionId": GLOBAL_ADMIN}],
        "owners": {APPLICATION: [USER], PRINCIPAL: [USER]},
        **more,
    }
    return payroll(**whole)


def foreign(**more: Any) -> Given:
    """The same identity, registered in another tenant."""
    principal = {"appOwnerOrganizationId": ELSEWHERE}
    whole = powerful(principal=principal, owners={PRINCIPAL: [USER]}, **more)
    return {**whole, "applications": [], "federatedIdentityCredentials": {}}


def managed(**more: Any) -> Given:
    principal = {"servicePrincipalType": "ManagedIdentity", "appOwnerOrganizationId": None}
    whole = powerful(principal=principal, owners={}, **more)
    return {**whole, "applications": [], "federatedIdentityCredentials": {}}


class Scene:
    """One identity in the practice tenant, and one instance that carries out actions on it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.chain = Chain(memory_store(place.clock.now).journal, IncidentId(MEANS.incident), place.clock.now)

    @property
    def practice(self) -> PracticeTenant:
        return self.place.practice

    async def state(self) -> IdentityState:
        return await self.place.state()

    async def plan(self, *names: str, **options: Any) -> Planned:
        choices = [ActionChoice(name, dict(options)) for name in names]
        return make_plan(choices, await self.state(), MEANS, self.place.clock.now())

    async def do(self, *names: str, **options: Any) -> tuple[PlannedStep, ...]:
        """Plan these actions and carry them out, beginning with the look that the decision was made by."""
        plan = await self.plan(*names, **{name.replace("_", "-"): value for name, value in options.items()})
        await self.chain.write(plan)
        execution = Execution(self.place.tenant, self.chain, FakeSwitch(), REF, self.place.clock.now)
        look = execution.new_look()
        await look.identity()
        await execution.carry_out(plan, look)
        return plan.steps

    def proof(self, step: PlannedStep) -> str:
        verified = self.chain.last(Verified, step.id)
        return f"{verified.answer}: {verified.proof}" if verified else "none"

    def stopped(self, step: PlannedStep) -> StepStopped:
        stopped = self.chain.last(StepStopped, step.id)
        assert stopped is not None, self.proof(step)
        return stopped

    def image(self, step: PlannedStep) -> JsonObject:
        intended = self.chain.last(Intended, step.id)
        assert intended is not None
        return dict(intended.before)

    def removed(self, step: PlannedStep) -> list[JsonObject]:
        """What the step wrote down of each thing that it removes."""
        removing = self.image(step)["removing"]
        assert isinstance(removing, list)
        return [each for each in removing if isinstance(each, dict)]

    def outcomes(self, step: PlannedStep) -> list[str]:
        """What came of each write, over all rounds."""
        return [write.outcome for applied in self.chain.all(Applied, step.id) for write in applied.writes]

    def writes(self) -> list[str]:
        """Every write of Cordon that reached the tenant and was accepted."""
        effects = [each for each in self.practice.effects if int(each["status"]) < 300]
        return [f"{each['method']} {each['path']}" for each in effects]

    def tenant(self) -> Given:
        """The whole truth, as the practice tenant would write it down."""
        return self.practice.snapshot()["tenant"]


def play(story: Callable[[Scene], Awaitable[T]], tenant: Given | None = None, **parts: Any) -> T:
    """Play a story on the practice tenant, calm unless a behaviour is given."""

    async def begin(place: Place) -> T:
        return await story(Scene(place))

    given: dict[str, Any] = {"behaviour": CALM, **parts}
    return at(begin, tenant or powerful(), **given)


def on_fakes(
    name: str,
    prepare: Callable[[FakeDirectory], None],
    state: IdentityState | None = None,
    **options: Any,
) -> tuple[FakeDirectory, Verified]:
    """Carry one action out on the stand-in directory; what came of it, and the last proof."""

    async def main() -> tuple[FakeDirectory, Verified]:
        clock = virtual_clock().now
        directory = FakeDirectory(state or identity(), clock)
        prepare(directory)
        chain = Chain(memory_store(clock).journal, IncidentId(MEANS.incident), clock)
        plan = make_plan([ActionChoice(name, dict(options))], directory.state, MEANS, clock())
        await chain.write(plan)
        await Execution(Tenant(directory, FakeFeeds(), None, None), chain, FakeSwitch(), REF, clock).carry_out(plan)
        proof = chain.last(Verified)
        assert proof is not None
        return directory, proof

    return run(main, start=START)
