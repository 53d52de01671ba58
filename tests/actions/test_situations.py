"""Every action in every situation: steps, or an outcome with a name. The table is what responders are promised."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from drill.virtual_time import run, virtual_clock
from shared.actions import ACTIONS, action_named
from shared.actions.no_way_back import NoWayBack
from shared.actions.people import for_deleted
from shared.case import CouldNotLook, Grants, IdentityState, Known, Owners, Part, RiskState
from shared.chain import Chain
from shared.entries import Applied, Planned, StepStopped
from shared.errors import (
    CordonError,
    InstanceLocked,
    LicenceMissing,
    PermissionMissing,
    PlatformRefused,
    UnavailableInCloud,
)
from shared.execution import Execution
from shared.identity import IdentityKind, IdentityRef
from shared.journal import IncidentId
from shared.plan import make_plan
from shared.policy import ActionChoice
from shared.signal import JsonObject
from shared.store import memory_store
from shared.tenant import Tenant
from tests.actions.scene import MEANS as BARE
from tests.fakes import (
    ADDRESSES,
    PAYROLL,
    START,
    VAULT,
    FakeAccess,
    FakeDirectory,
    FakeFeeds,
    FakeSwitch,
    address_added,
    app_role,
    certificate,
    delegated,
    directory_role,
    estate_of,
    federated,
    owner,
    password,
    payroll,
    role_grant,
)

MEANS = replace(BARE, now=START, audits=Known((address_added(),)), estate=True)
GRANTS = Known(Grants(Known((app_role(1),)), Known((delegated(2),)), Known((directory_role(3),))))
OWNERS = Known(Owners(Known((owner(1),)), Known((owner(2),))))
RISK = RiskState("high", "atRisk", "none", None)
OPTIONS: dict[str, JsonObject] = {"revert-configuration": {"change": "Directory_1"}}
NAMES = tuple(action.name for action in ACTIONS)

STEPS = "steps"
NO_APP, MANAGED, MICROSOFT, AGENT = "no-application-here", "managed-identity", "owned-by-microsoft", "agent-identity"
PROTECTION, ACCESS = "outside-identity-protection", "outside-conditional-access"
DELETED = "soft-deleted"
# foreign · own multi-tenant · managed identity · Microsoft's own · agent · soft-deleted
SITUATIONS = (
    IdentityKind.FOREIGN,
    IdentityKind.OWN_MULTI_TENANT,
    IdentityKind.MANAGED_IDENTITY,
    IdentityKind.MICROSOFT,
    IdentityKind.AGENT,
    DELETED,
)
TABLE: dict[str, tuple[str, ...]] = {
    "restore-application": (STEPS, STEPS, MANAGED, STEPS, AGENT, STEPS),
    "block-sign-in": (STEPS, STEPS, STEPS, STEPS, AGENT, DELETED),
    "deactivate-application": (NO_APP, STEPS, MANAGED, MICROSOFT, AGENT, DELETED),
    "cut-vault-access": (STEPS, STEPS, STEPS, MICROSOFT, STEPS, DELETED),
    "replace-credentials": (STEPS, STEPS, "platform-held-credentials", STEPS, AGENT, DELETED),
    "remove-directory-roles": (STEPS, STEPS, STEPS, MICROSOFT, AGENT, DELETED),
    "remove-app-roles": (STEPS, STEPS, STEPS, MICROSOFT, AGENT, DELETED),
    "remove-delegated-grants": (STEPS, STEPS, STEPS, MICROSOFT, AGENT, DELETED),
    "custody": (STEPS, STEPS, MANAGED, MICROSOFT, AGENT, DELETED),
    "revert-configuration": (NO_APP, STEPS, MANAGED, MICROSOFT, AGENT, DELETED),
    "require-risk-policy": (ACCESS, ACCESS, ACCESS, ACCESS, ACCESS, DELETED),
    "confirm-compromised": (STEPS, STEPS, PROTECTION, STEPS, PROTECTION, DELETED),
    "dismiss-risk": (STEPS, STEPS, PROTECTION, STEPS, PROTECTION, DELETED),
    "delete-application": (NO_APP, STEPS, MANAGED, MICROSOFT, AGENT, DELETED),
    "purge-application": (NO_APP, STEPS, MANAGED, MICROSOFT, AGENT, STEPS),
}


def identity(kind: IdentityKind = IdentityKind.OWN_SINGLE_TENANT, lock: JsonObject | None = None) -> IdentityState:
    saml = (certificate(3, "Sign", "saml"), certificate(4, "Verify", "saml"))
    credentials = (password(1), certificate(2), *saml, federated(5))
    state = payroll(application=credentials, principal=(password(6), *saml), kind=kind, lock=lock)
    own = state.application is not None
    return replace(state, deactivated=False, addresses=ADDRESSES) if own else state


def planned(name: str, state: IdentityState) -> Planned:
    return make_plan([ActionChoice(name, OPTIONS.get(name, {}))], state, MEANS, START)


def own(name: str) -> IdentityState:
    """An own single-tenant identity; among the deleted items for what is done there."""
    return replace(identity(), deleted_at=START) if for_deleted((name,)) else identity()


@pytest.mark.parametrize("column", range(len(SITUATIONS)), ids=[str(each) for each in SITUATIONS])
@pytest.mark.parametrize("name", NAMES)
def test_every_action_has_its_word_for_every_kind_of_identity(name: str, column: int) -> None:
    """Steps where it is possible, and otherwise the outcome that the table promises."""
    situation = SITUATIONS[column]
    kind = situation if isinstance(situation, IdentityKind) else IdentityKind.OWN_SINGLE_TENANT
    deleted = situation == DELETED or for_deleted((name,))
    plan = planned(name, replace(identity(kind), deleted_at=START) if deleted else identity(kind))
    expected = TABLE[name][column]

    if expected == STEPS:
        assert plan.steps
    else:
        assert not plan.steps
        assert expected in {each.outcome for each in plan.not_done}
    assert all(each.reason for each in plan.not_done)


def test_a_plan_names_what_it_takes_and_never_calls_none_what_was_not_read() -> None:
    """Whoever approves it reads which credentials and grants go, and which could not be looked at."""
    state, unread = identity(), CouldNotLook("the log is away")
    assert state.application is not None
    blind = replace(state, application=replace(state.application, federated=unread))

    def before(name: str, shown: IdentityState = state, grants: Part[Grants] = GRANTS) -> str:
        plan = make_plan([ActionChoice(name, {})], shown, replace(MEANS, grants=grants), START)
        return " | ".join(change.before for change in plan.steps[0].changes)

    assert all(each.key_id in before("replace-credentials") for each in state.application.passwords)
    assert "not known: the log is away" in before("replace-credentials", blind)
    assert app_role(1).role_id in before("remove-app-roles")
    assert delegated(2).scope in before("remove-delegated-grants")
    assert directory_role(3).role_id in before("remove-directory-roles")
    assert "not known: the log is away" in before("remove-app-roles", grants=unread)
    assert before("remove-app-roles", grants=Known(Grants(Known(()), Known(()), Known(())))) == "none"


@pytest.mark.parametrize("name", NAMES)
def test_a_plan_says_what_cannot_be_undone_where_undo_gives_nothing_back(name: str) -> None:
    """A step is shown as reversible, or with the words for why it is not; one without a way back never is."""
    steps = planned(name, own(name)).steps

    assert steps
    assert all(step.reversible or step.cannot_be_undone for step in steps)
    assert not (isinstance(action_named(name), NoWayBack) and any(step.reversible for step in steps))


def carried_out(
    name: str, error: CordonError | None = None, *, times: int = 1
) -> tuple[list[StepStopped], list[str], FakeDirectory]:
    """Carry the action out so many times; how steps stopped, what came of each write of the last time."""

    def refuse(write: str) -> None:
        if error is not None:
            raise error

    async def main() -> tuple[list[StepStopped], list[str], FakeDirectory]:
        clock = virtual_clock().now
        directory = FakeDirectory(identity(), clock, risk=RISK, grants=GRANTS, owners=OWNERS, before_write=refuse)
        directory.deleted = for_deleted((name,))
        access = FakeAccess((VAULT,), (role_grant(1),), effects=directory.effects, before_write=lambda _: refuse(""))
        tenant = Tenant(directory, FakeFeeds(), None, None, estate=estate_of(access))
        plan = planned(name, own(name))
        chain = Chain(memory_store(clock).journal, IncidentId(MEANS.incident), clock)
        for _ in range(times):
            chain = Chain(memory_store(clock).journal, IncidentId(MEANS.incident), clock)
            await chain.write(plan)
            execution = Execution(tenant, chain, FakeSwitch(), IdentityRef(PAYROLL), clock)
            look = execution.new_look()
            await look.risk()
            await execution.carry_out(plan, look)
        outcomes = [write.outcome for applied in chain.all(Applied) for write in applied.writes]
        return list(chain.all(StepStopped)), outcomes, directory

    return run(main, start=START)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_so_already_is_not_written_again(name: str) -> None:
    """The second time every write is "already", and nothing reaches the tenant."""
    before = len(carried_out(name)[2].effects)
    stopped, outcomes, directory = carried_out(name, times=2)

    assert stopped == []
    assert set(outcomes) == {"already"}
    assert len(directory.effects) == before


REFUSALS: dict[str, Callable[[], CordonError]] = {
    "permission-missing": lambda: PermissionMissing(doing="writing", needs="a permission"),
    "licence-missing": lambda: LicenceMissing(doing="writing", needs="Workload ID Premium"),
    "unavailable-in-cloud": lambda: UnavailableInCloud(doing="writing", cloud="china"),
    "instance-locked": lambda: InstanceLocked(doing="writing", code="CannotUpdateLocked", why="locked."),
    "refused-by-platform": lambda: PlatformRefused(doing="writing", code="Request_BadRequest", why="no."),
}


@pytest.mark.parametrize("outcome", REFUSALS)
@pytest.mark.parametrize("name", NAMES)
def test_a_refusal_ends_every_action_by_its_name(name: str, outcome: str) -> None:
    """No step is tried for ever, and each says what a person has to do."""
    stopped, _, directory = carried_out(name, REFUSALS[outcome]())

    assert stopped
    assert {each.outcome for each in stopped} == {outcome}
    assert all(each.todo for each in stopped)
    assert directory.effects == []


def test_the_instance_lock_is_lifted_only_where_it_is_in_the_way() -> None:
    """Credentials of the service principal alone are behind it, and the plan says so."""
    locked = identity(lock={"isEnabled": True, "allProperties": True})
    saying = {name for name in NAMES if any("lock is lifted" in s.describe for s in planned(name, locked).steps)}

    assert saying == {"replace-credentials"}


def test_saml_keys_are_told_by_the_one_action_that_meets_them() -> None:
    """Single sign-on of people goes on, and the report says which keys were kept."""
    telling = {name for name in NAMES if any("signing" in each.outcome for each in planned(name, own(name)).not_done)}

    assert telling == {"replace-credentials"}


def test_the_table_knows_every_action() -> None:
    """A new action has to say its words."""
    assert set(TABLE) == set(NAMES)
