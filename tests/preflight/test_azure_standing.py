"""What Cordon itself may do in Azure, and what of the policy cannot run for lack of it."""

from dataclasses import replace

import pytest

from shared.actions import choosable
from shared.azure_standing import AzureStanding
from shared.case import CouldNotLook
from shared.identity import ClientId, PrincipalId
from shared.policy import read_policy
from shared.tenant import Tenant
from tests.fakes import VAULT, FakeAccess, FakeClock, FakeDirectory, FakeFeeds, estate_of, payroll, role_grant

pytestmark = pytest.mark.anyio

EXECUTOR, ROTATOR = ClientId("20000000-0000-4000-8000-0000000000e1"), ClientId("20000000-0000-4000-8000-0000000000a1")
MAY_CUT = replace(role_grant(1, holder="executor"), reads=False, grants_itself=True)
MAY_READ = role_grant(2, holder="rotator")
POLICY = """
version: 1
rules:
  - name: leak
    when: {risk-detection: {levels: [high]}}
    verdict: contain
    actions: [block-sign-in, cut-vault-access, rotate-secrets: {}]
"""


class Ours:
    """Cordon's executor and rotator, with what each holds."""

    def __init__(self, *grants: object, mode: str = "act", **access: object) -> None:
        self.clock, state = FakeClock(), payroll()
        self.directory = FakeDirectory(state, self.clock)
        self.directory.others = {
            client: replace(state, identity=replace(state.identity, principal_id=PrincipalId(name), client_id=client))
            for client, name in ((EXECUTOR, "executor"), (ROTATOR, "rotator"))
        }
        self.access = FakeAccess((VAULT,), grants, **access)  # pyright: ignore[reportArgumentType]
        tenant = Tenant(self.directory, FakeFeeds(), None, None, estate=estate_of(self.access))
        policy = read_policy(POLICY, "policy.yaml", choosable())
        clients = {"executor": EXECUTOR, "rotator": ROTATOR}
        self.standing = AzureStanding(policy, tenant, clients, mode, self.clock)


async def test_who_holds_what_it_takes_is_not_spoken_of() -> None:
    """The executor can take access away, the rotator reads secrets."""
    assert await Ours(MAY_CUT, MAY_READ).standing.told() == ()


async def test_what_cannot_run_is_told_with_its_rule_and_what_to_assign() -> None:
    """Whoever armed it finds out before the night in which it is needed."""
    cut, rotate = await Ours().standing.told()

    assert cut.startswith("cut-vault-access (rule leak) cannot run: the executor (CORDON_EXECUTOR_CLIENT_ID)")
    assert "Assign User Access Administrator" in cut
    assert rotate.startswith("rotate-secrets (rule leak) cannot run: the rotator (CORDON_ROTATOR_CLIENT_ID)")
    assert "Assign Key Vault Secrets Officer" in rotate


async def test_each_of_them_is_told_by_itself() -> None:
    """To cut takes other roles than to rotate."""
    (rotate,) = await Ours(MAY_CUT).standing.told()
    (cut,) = await Ours(MAY_READ).standing.told()

    assert rotate.startswith("rotate-secrets")
    assert cut.startswith("cut-vault-access")


async def test_roles_that_nobody_could_look_at_are_not_told_as_missing() -> None:
    """Unknown is neither ready nor not: it is said so, with the reason."""
    told = await Ours(unseen=("the roles that the identity has: 503",)).standing.told()

    assert len(told) == 2
    assert all("may not be able to run" in each and "503" in each for each in told)


async def test_a_reader_that_sees_some_subscriptions_tells_what_is_missing_there() -> None:
    """That there may be others is told elsewhere; here nothing is held."""
    blind = ("subscriptions on which Cordon's reader has no role",)
    told = await Ours(unseen=blind, blind=blind).standing.told()

    assert all("cannot run" in each for each in told)


async def test_identities_that_could_not_be_read_are_looked_at_again_soon() -> None:
    """What is known is good for an hour, what is not for five minutes."""
    ours = Ours(MAY_CUT, MAY_READ)
    others, ours.directory.others = ours.directory.others, {}
    ours.directory.unreadable = CouldNotLook("Graph says 403")
    assert all("Graph says 403" in each for each in await ours.standing.told())

    ours.directory.others = others
    assert len(await ours.standing.told()) == 2
    ours.clock.forward(minutes=6)
    assert await ours.standing.told() == ()

    ours.access.grants = ()
    ours.clock.forward(minutes=30)
    assert await ours.standing.told() == ()
    ours.clock.forward(minutes=31)
    assert len(await ours.standing.told()) == 2


async def test_in_mode_watch_nobody_looks() -> None:
    """Nothing is changed, so nothing is lacking."""
    assert await Ours(mode="watch").standing.told() == ()
