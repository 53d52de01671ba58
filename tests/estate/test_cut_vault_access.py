"""Cutting vault access on the practice tenant: the real clients against Resource Graph, Resource Manager and groups."""

from dataclasses import replace
from typing import Any

from shared.chain import Chain
from shared.entries import Intended, Planned, StepStopped, UndoOrdered, UndoVerified, Verified
from shared.execution import Execution
from shared.journal import IncidentId
from shared.plan import make_plan
from shared.policy import ActionChoice
from shared.store import memory_store
from shared.tenant import Tenant
from shared.undo import Undoing
from tests.actions.scene import CALM, MEANS
from tests.clients.test_practice_tenant import REF, Place, at
from tests.estate.desk import estate_of
from tests.fakes import FakeSwitch
from tests.practice.desk import PRINCIPAL, payroll

SUBSCRIPTION = "22222222-3333-4333-8444-555555555555"
VAULT = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/practice/providers/Microsoft.KeyVault/vaults/shop"
ASSIGNMENT = f"{VAULT}/providers/Microsoft.Authorization/roleAssignments/0a0a0a0a-1111-4222-8333-444444444444"
GROUP = "0a0a0a0a-2222-4333-8444-555555555555"
GET = {"objectId": PRINCIPAL, "permissions": {"secrets": ["get", "list"]}}


def azure(*more: dict[str, Any], **whole: Any) -> dict[str, Any]:
    """One vault by roles, one by access policies, and what the identity has on both."""
    own = {"id": ASSIGNMENT, "principalId": PRINCIPAL, "roleDefinitionName": "Key Vault Secrets User", "scope": VAULT}
    vaults = [
        {"name": "shop", "subscription": SUBSCRIPTION, "secrets": [{"name": "db"}]},
        {"name": "old", "subscription": SUBSCRIPTION, "rbac": False, "accessPolicies": [GET], "secrets": []},
    ]
    return {
        "subscriptions": [{"subscriptionId": SUBSCRIPTION}],
        "vaults": vaults,
        "roleAssignments": [own, *more],
        **whole,
    }


class Cut:
    """One instance that carries the action out, and undoes it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.tenant: Tenant = replace(place.tenant, estate=estate_of(place.practice))
        self.chain = Chain(memory_store(place.clock.now).journal, IncidentId(MEANS.incident), place.clock.now)

    async def do(self, **options: Any) -> None:
        choice = ActionChoice("cut-vault-access", {name.replace("_", "-"): each for name, each in options.items()})
        state, means = await self.place.state(), replace(MEANS, estate=True)
        plan: Planned = make_plan([choice], state, means, self.place.clock.now())
        await self.chain.write(plan)
        await Execution(self.tenant, self.chain, FakeSwitch(), REF, self.place.clock.now).carry_out(plan)

    async def undo(self) -> bool:
        order = UndoOrdered(by="Ada", reason="a false alarm")
        await self.chain.write(order)
        return await Undoing(self.tenant, self.chain, FakeSwitch(), REF, self.place.clock.now).carry_out(order)

    @property
    def verified(self) -> Verified:
        found = self.chain.last(Verified)
        assert found is not None, self.chain.last(StepStopped)
        return found

    def assignments(self) -> set[str]:
        """The ids of what the identity or a group has, as the practice tenant knows it."""
        mine = (PRINCIPAL, GROUP)
        held = [each for each in self.place.practice.state.azure.assignments if each.removed_at is None]
        return {each.id.lower() for each in held if each.principal_id in mine}

    def policies(self) -> list[Any]:
        """Of the identity: Cordon has an entry of its own."""
        entries = self.place.practice.state.vaults["old"].policies.newest
        return [each["permissions"]["secrets"] for each in entries if each["objectId"] == PRINCIPAL]


def test_roles_and_policies_go_and_come_back_under_their_ids() -> None:
    """What ARM shows before, after, and after the undo."""

    async def story(place: Place) -> None:
        cut = Cut(place)
        before = cut.assignments()
        await cut.do()
        intended = cut.chain.last(Intended)

        assert before == {ASSIGNMENT.lower()}
        assert cut.assignments() == set()
        assert cut.policies() == []
        assert cut.verified.answer == "held", cut.verified.proof
        assert cut.verified.left == ()
        assert intended is not None
        assert len(intended.writes) == 2

        assert await cut.undo(), [each.proof for each in cut.chain.all(UndoVerified)]
        assert cut.assignments() == before
        assert cut.policies() == [["get", "list"]]

    at(story, payroll(), behaviour=CALM, azure=azure())


def test_a_group_is_told_and_stays_as_it_is() -> None:
    """The identity's own assignment goes; the group's opens the same door, for others as well."""
    shared = {"principalId": GROUP, "roleDefinitionName": "Key Vault Administrator", "scope": VAULT}

    async def story(place: Place) -> None:
        cut = Cut(place)
        await cut.do()

        assert len(cut.assignments()) == 1
        assert cut.verified.answer == "held", cut.verified.proof
        assert [each.outcome for each in cut.verified.left] == ["access-through-group"]
        assert GROUP in cut.verified.left[0].reason

    tenant = payroll(groups=[{"id": GROUP, "displayName": "vault readers", "members": [PRINCIPAL]}])
    at(story, tenant, behaviour=CALM, azure=azure(shared))


def test_a_role_that_gives_itself_access_goes_only_if_policy_says_so() -> None:
    """Owner of the subscription: kept and told, or removed."""
    owner = {"principalId": PRINCIPAL, "roleDefinitionName": "Owner", "scope": f"/subscriptions/{SUBSCRIPTION}"}

    async def kept(place: Place) -> None:
        cut = Cut(place)
        await cut.do()

        assert len(cut.assignments()) == 1
        assert [each.outcome for each in cut.verified.left] == ["can-grant-itself"]

    async def removed(place: Place) -> None:
        cut = Cut(place)
        await cut.do(self_granting="remove")

        assert cut.assignments() == set()
        assert cut.verified.left == ()

    at(kept, payroll(), behaviour=CALM, azure=azure(owner))
    at(removed, payroll(), behaviour=CALM, azure=azure(owner))


def test_without_the_right_the_step_stops_by_name() -> None:
    """The executor may change policies, and no role assignment."""
    rights = {"executor": [{"roleDefinitionName": "Key Vault Contributor"}]}

    async def story(place: Place) -> None:
        cut = Cut(place)
        await cut.do()
        stopped = cut.chain.last(StepStopped)

        assert stopped is not None
        assert stopped.outcome == "permission-missing"
        assert cut.assignments() == {ASSIGNMENT.lower()}
        assert cut.policies() == []

    at(story, payroll(), behaviour=CALM, azure=azure(permissions=rights))
