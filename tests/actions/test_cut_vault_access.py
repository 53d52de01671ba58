"""Cutting an identity's own access to the secrets in vaults: what goes, what is told, and how it comes back."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import pytest

from drill.virtual_time import run, virtual_clock
from shared.actions import action_named, check_options
from shared.case import CouldNotLook
from shared.chain import Chain
from shared.entries import (
    Applied,
    Intended,
    Planned,
    PlannedStep,
    StepStopped,
    UndoIntended,
    UndoOrdered,
    UndoVerified,
    Verified,
)
from shared.errors import OutcomeUnknown, PermissionMissing, PlatformRefused
from shared.estate import Grant
from shared.execution import Execution
from shared.identity import IdentityKind, IdentityRef
from shared.journal import IncidentId
from shared.plan import make_plan
from shared.policy import ActionChoice
from shared.signal import JsonObject
from shared.store import memory_store
from shared.tenant import Tenant
from shared.undo import Undoing
from tests.actions.scene import MEANS
from tests.fakes import (
    OTHER_VAULT,
    PAYROLL,
    START,
    VAULT,
    FakeAccess,
    FakeDirectory,
    FakeFeeds,
    FakeSwitch,
    estate_of,
    password,
    payroll,
    policy_grant,
    role_grant,
)

T = TypeVar("T")
NAME = "cut-vault-access"
GROUP, SOMEBODY = "60000000-0000-4000-8000-00000000000a", "70000000-0000-4000-8000-00000000000b"
SUBSCRIPTION = "/subscriptions/s1"
READS, POLICY = role_grant(1), policy_grant()
OWNER = role_grant(2, SUBSCRIPTION, "Owner", reads=False)


@dataclass
class Place:
    """One identity with what it holds on two vaults, and one instance that carries the action out."""

    access: FakeAccess
    options: JsonObject = field(default_factory=dict[str, object])  # pyright: ignore[reportAssignmentType]
    groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.clock = virtual_clock().now
        self.directory = FakeDirectory(payroll(), self.clock, groups=self.groups)
        self.tenant = Tenant(self.directory, FakeFeeds(), None, None, estate=estate_of(self.access))
        self.chain = Chain(memory_store(self.clock).journal, IncidentId(MEANS.incident), self.clock)

    async def cut(self) -> PlannedStep:
        plan = make_plan([ActionChoice(NAME, self.options)], self.directory.state, MEANS_HERE, self.clock())
        await self.chain.write(plan)
        await self._execution().carry_out(plan)
        return plan.steps[0]

    async def look_again(self) -> Verified:
        execution, plan = self._execution(), self.chain.last(Planned)
        assert plan is not None
        await execution.verify(plan.steps, execution.new_look())
        return self.verified

    async def undo(self) -> bool:
        order = UndoOrdered(by="Ada", reason="a false alarm")
        await self.chain.write(order)
        return await Undoing(self.tenant, self.chain, FakeSwitch(), REF, self.clock).carry_out(order)

    @property
    def verified(self) -> Verified:
        found = self.chain.last(Verified)
        assert found is not None
        return found

    @property
    def stopped(self) -> StepStopped:
        found = self.chain.last(StepStopped)
        assert found is not None, self.verified.proof
        return found

    def outcomes(self) -> list[str]:
        return [write.outcome for applied in self.chain.all(Applied) for write in applied.writes]

    def _execution(self) -> Execution:
        return Execution(self.tenant, self.chain, FakeSwitch(), REF, self.clock)


MEANS_HERE = replace(MEANS, estate=True)
REF = IdentityRef(PAYROLL)


def play(
    story: Callable[[Place], Awaitable[T]],
    *grants: Grant,
    options: JsonObject | None = None,
    groups: tuple[str, ...] = (),
    **more: object,
) -> T:
    async def main() -> T:
        access = FakeAccess((VAULT, OTHER_VAULT), grants, **more)  # pyright: ignore[reportArgumentType]
        return await story(Place(access, options or {}, groups))

    return run(main, start=START)


# --- cutting ---------------------------------------------------------------------------------------


def test_its_own_grants_go_and_those_of_others_stay() -> None:
    """A role assignment and an entry in a vault's policies; both are written down for the way back."""
    theirs = role_grant(9, holder=SOMEBODY)

    async def story(place: Place) -> None:
        await place.cut()

        assert place.access.grants == (theirs,)
        assert place.verified.answer == "held"
        assert "no grant of its own opens secrets of 2 vault(s)" in place.verified.proof
        assert place.verified.left == ()
        intended = place.chain.last(Intended)
        assert intended is not None
        removing = intended.before["removing"]
        assert isinstance(removing, list)
        assert [each["id"] for each in removing if isinstance(each, dict)] == [READS.id, POLICY.id]

    play(story, READS, POLICY, theirs)


def test_where_it_has_none_nothing_is_written() -> None:
    """Already so is no failure, and no write."""

    async def story(place: Place) -> None:
        await place.cut()

        assert place.outcomes() == ["already"]
        assert place.access.effects == []
        assert place.verified.answer == "held"

    play(story)


def test_its_own_assignment_at_a_subscription_goes_as_well() -> None:
    """It opens every vault below; taken once, it is gone for all of them."""
    wide = role_grant(3, SUBSCRIPTION, "Key Vault Administrator")

    async def story(place: Place) -> None:
        await place.cut()

        assert place.access.effects == ["remove Key Vault Administrator at /subscriptions/s1"]
        assert place.verified.answer == "held"

    play(story, wide)


def test_what_a_group_gives_is_told_and_left() -> None:
    """Others are in the group: a person takes the identity out, and the next look finds it out."""
    shared = role_grant(4, holder=GROUP)

    async def story(place: Place) -> None:
        await place.cut()
        (left,) = place.verified.left
        place.access.grants = ()
        later = await place.look_again()

        assert place.access.effects == ["remove Key Vault Secrets User at " + VAULT.id]
        assert left.outcome == "access-through-group"
        assert f"Group {GROUP}" in left.reason
        assert "kv-pay" in left.reason
        assert left.todo is not None
        assert f"Take service principal {PAYROLL} out of group {GROUP}" in left.todo
        assert later.left == ()

    play(story, READS, shared, groups=(GROUP,))


def test_a_role_by_which_it_could_give_itself_access_is_kept_and_told() -> None:
    """Owner reads no secret; whether it goes is for the policy to say."""

    async def story(place: Place) -> None:
        await place.cut()
        (left,) = place.verified.left

        assert place.access.grants == (OWNER,)
        assert (left.outcome, left.todo) == ("can-grant-itself", None)
        assert "Owner at /subscriptions/s1" in left.reason

    play(story, READS, OWNER)


def test_the_policy_may_have_such_a_role_removed() -> None:
    """self-granting: remove."""

    async def story(place: Place) -> None:
        await place.cut()

        assert place.access.grants == ()
        assert place.verified.left == ()

    play(story, READS, OWNER, options={"self-granting": "remove"})


def test_what_it_is_given_again_is_seen_though_resource_graph_lags() -> None:
    """Resource Graph shows the vault no more; the vaults that were written down are asked all the same."""

    async def story(place: Place) -> None:
        await place.cut()
        place.access.lagging = ()
        place.access.grants = (role_grant(7),)
        seen = await place.look_again()

        assert seen.answer == "not-held"
        assert "it still has the role Key Vault Secrets User" in seen.proof

    play(story, READS)


def test_a_grant_that_resource_graph_still_shows_does_not_fail_the_proof() -> None:
    """What counts is what ARM says now."""

    async def story(place: Place) -> None:
        await place.cut()

        assert place.verified.answer == "held"

    play(story, READS, lagging=(READS, POLICY))


# --- what cannot be seen ---------------------------------------------------------------------------


def test_what_could_not_be_looked_at_is_never_taken_for_no_access() -> None:
    """A subscription without a right for the reader: told, and for a person to mend."""

    async def story(place: Place) -> None:
        await place.cut()
        (left,) = place.verified.left

        assert left.outcome == "vaults-not-seen"
        assert "subscription s2" in left.reason
        assert left.todo is not None

    play(story, READS, unseen=("the reader has no role on subscription s2",))


@pytest.mark.parametrize("declared", ["5ab50001-0000-4000-8000-000000000001", "5ab50002-0000-4000-8000-000000000001"])
def test_a_policy_may_declare_its_subscriptions_to_be_all_and_the_proof_says_so(declared: str) -> None:
    """By name, and only while it is what the reader sees; then nobody is called for what nobody may look at."""
    blind = "subscriptions on which Cordon's reader has no role"

    async def story(place: Place) -> None:
        await place.cut()
        left = [each.outcome for each in place.verified.left]

        assert place.verified.answer == "held"
        assert left == ([] if declared.startswith("5ab50001") else ["vaults-not-seen"])
        assert ("is the policy's word" in place.verified.proof) is (left == [])

    play(
        story,
        READS,
        unseen=(blind,),
        blind=(blind,),
        subscriptions=("5ab50001-0000-4000-8000-000000000001",),
        options={"unseen": "accept", "subscriptions": [declared]},
    )


@pytest.mark.parametrize("action", ["cut-vault-access", "rotate-secrets"])
@pytest.mark.parametrize(
    "options",
    [
        {"unseen": "accept"},
        {"subscriptions": ["5ab50001-0000-4000-8000-000000000001"]},
        {"unseen": "accept", "subscriptions": []},
        {"unseen": "accept", "subscriptions": ["prod"]},
        {"unseen": "accept", "subscriptions": [7]},
        {"unseen": "yes", "subscriptions": ["5ab50001-0000-4000-8000-000000000001"]},
        {"unseen": "strict", "subscriptions": ["5ab50001-0000-4000-8000-000000000001"]},
    ],
)
def test_what_is_accepted_has_to_be_said_by_name(action: str, options: JsonObject) -> None:
    """Neither the word alone nor the list alone accepts anything."""
    with pytest.raises(ValueError, match=action):
        check_options(action, options)


def test_a_vault_that_cannot_be_read_now_keeps_the_proof_back_and_not_the_others() -> None:
    """What can be cut is cut; the rest is tried again, and its way back is told by hand."""

    async def story(place: Place) -> None:
        place.access.unread["kv-old"] = CouldNotLook("503", may_help_later=True)
        await place.cut()
        first = place.verified
        place.access.unread.clear()
        await place.cut()

        assert first.answer == "unknown"
        assert "kv-old" in first.proof
        assert place.access.grants == ()
        assert place.verified.answer == "held"

    play(story, READS, POLICY)


def test_a_vault_that_cannot_be_read_for_good_is_told_by_its_name() -> None:
    """No later try helps before somebody gives the right."""

    async def story(place: Place) -> None:
        place.access.unread["kv-pay"] = CouldNotLook("no role on the vault")
        await place.cut()
        (left,) = place.verified.left

        assert left.outcome == "vaults-not-seen"
        assert "the grants on vault kv-pay: no role on the vault" in left.reason

    play(story, READS)


# --- refused ---------------------------------------------------------------------------------------


def refusing(problem: Exception) -> Callable[[Grant], None]:
    def refuse(grant: Grant) -> None:
        if grant.kind == "role-assignment":
            raise problem

    return refuse


def test_a_missing_right_stops_the_step_by_name_and_the_rest_is_cut() -> None:
    """The policy's entry goes; of the assignment a person is told."""
    problem = PermissionMissing(doing="taking away a role", needs="the role User Access Administrator")

    async def story(place: Place) -> None:
        await place.cut()

        assert place.access.grants == (READS,)
        assert place.stopped.outcome == "permission-missing"
        assert "User Access Administrator" in place.stopped.reason

    play(story, READS, POLICY, before_write=refusing(problem))


def test_a_lock_on_the_resource_is_named() -> None:
    """A lock is its owner's to lift: no retry helps."""
    problem = PlatformRefused(doing="taking away a role", code="ScopeLocked", why="the scope is locked")

    async def story(place: Place) -> None:
        await place.cut()

        assert place.stopped.outcome == "resource-locked"
        assert "lock" in place.stopped.todo

    play(story, READS, before_write=refusing(problem))


def test_a_lost_answer_is_settled_by_looking() -> None:
    """The write may have happened; a fresh read tells, and a second one is sent."""
    calls: list[Grant] = []

    def lose(grant: Grant) -> None:
        calls.append(grant)
        if len(calls) == 1:
            raise OutcomeUnknown("taking away a role", "cut off")

    async def story(place: Place) -> None:
        await place.cut()

        assert place.outcomes() == ["unknown", "accepted"]
        assert place.verified.answer == "held"

    play(story, READS, before_write=lose)


# --- the way back ----------------------------------------------------------------------------------


def test_undo_gives_back_under_the_same_ids() -> None:
    """What was written down, as it was."""

    async def story(place: Place) -> None:
        await place.cut()
        done = await place.undo()

        assert done
        assert set(map(str, place.access.grants)) == {str(READS), str(POLICY)}
        verified = place.chain.last(UndoVerified)
        assert verified is not None
        assert verified.answer == "held"

    play(story, READS, POLICY)


def test_what_somebody_gave_meanwhile_is_left_and_told() -> None:
    """Another assignment of the same role, and a policy with other permissions: neither is overwritten."""
    other, fewer = role_grant(8), policy_grant(role="get")

    async def story(place: Place) -> None:
        await place.cut()
        place.access.grants = (other, fewer)
        await place.undo()

        intended = place.chain.last(UndoIntended)
        assert intended is not None
        assert place.access.grants == (other, fewer)
        assert [each.now for each in intended.drifted][1] == "get"
        assert "00000008" in intended.drifted[0].now

    play(story, READS, POLICY)


def test_a_vault_that_is_gone_is_told_as_lost_and_the_rest_comes_back() -> None:
    """What lay in it went with it; an assignment above it comes back."""
    wide = role_grant(3, SUBSCRIPTION, "Key Vault Administrator")

    async def story(place: Place) -> None:
        await place.cut()
        place.access.unread["kv-pay"] = CouldNotLook("404", gone=True)
        await place.undo()

        intended = place.chain.last(UndoIntended)
        assert intended is not None
        assert [each.id for each in place.access.grants] == [wide.id]
        assert "vault kv-pay is not there any more" in intended.lost[0]

    play(story, READS, wide)


# --- planning --------------------------------------------------------------------------------------


def test_without_azure_it_says_so_by_name() -> None:
    """The rest of the plan goes on."""
    (outcome,) = action_named(NAME).plan(payroll(), {}, MEANS).not_done

    assert outcome.outcome == "azure-not-configured"
    assert "CORDON_ROTATOR_CLIENT_ID" in outcome.reason


def test_microsofts_own_services_are_left_alone() -> None:
    """What they hold runs the tenant."""
    state = payroll(kind=IdentityKind.MICROSOFT)

    assert [each.outcome for each in action_named(NAME).plan(state, {}, MEANS_HERE).not_done] == ["owned-by-microsoft"]


def test_it_comes_after_the_block_and_before_the_credentials() -> None:
    """The cut that stops new tokens comes first; credentials may take their time."""
    names = ("replace-credentials", NAME, "deactivate-application", "block-sign-in")
    state = replace(payroll(application=[password(1)]), deactivated=False)
    plan = make_plan([ActionChoice(each, {}) for each in names], state, MEANS_HERE, START)

    order = list(dict.fromkeys(step.action for step in plan.steps))
    assert order == ["block-sign-in", "deactivate-application", NAME, "replace-credentials"]
