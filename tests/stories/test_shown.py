"""A plan is shown with what is there before each of its steps; and nobody who is cut off at once waits for that."""

import asyncio
from collections.abc import Mapping

import pytest

from shared.case import CouldNotLook, Known, Owner, Owners, RiskPolicy, RiskState
from shared.entries import HeldBack, Planned
from shared.identity import IdentityRef, PrincipalId
from shared.orders import Order
from shared.policy import ActionChoice
from tests.fakes import (
    OTHER_VAULT,
    PAYROLL,
    VAULT,
    FakeAccess,
    estate_of,
    owner,
    password,
    payroll,
    policy_grant,
    role_grant,
)
from tests.stories.world import World, play

STATE = payroll(application=[password(1)])
ALL = ("block-sign-in", "cut-vault-access", "custody", "require-risk-policy", "confirm-compromised")
POLICY = f"""
version: 1
rules:
  - name: leaked-credential
    when: {{risk-detection: {{types: [leakedCredentials]}}}}
    verdict: contain
    actions: [{", ".join(ALL)}]
"""
OTHER = "10000000-0000-4000-8000-000000000077"
SHOWN = {
    "owners": f"of the application: user {owner(1).id} (evil x); of the service principal: none",
    "tags": "none",
    "state": "enabled",
    "includeServicePrincipals": OTHER,
    "riskState": "atRisk, level high",
    "access to secrets in vaults": (
        f"the access policy on {OTHER_VAULT.id}; the role Key Vault Secrets User at {VAULT.id}"
    ),
}


def furnished(world: World) -> World:
    """The identity is owned, at risk, reads two vaults, and Cordon's policy covers somebody else."""
    directory = world.directory
    directory.owners = Known(Owners(Known((Owner(owner(1).id, "user", "evil\nx"),)), Known(())))
    directory.risk = RiskState("high", "atRisk", "none", None)
    directory.policies = Known((RiskPolicy("p1", "enabled", (OTHER,), (), ("high",), ("All",), True, ()),))
    world.estate = estate_of(FakeAccess((VAULT, OTHER_VAULT), (role_grant(1), policy_grant())))
    return world


def befores(plan: Planned | None) -> Mapping[str, str]:
    assert plan is not None
    return {change.property: change.before for step in plan.steps for change in step.changes}


def order(*names: str, plan_hash: str | None = None) -> Order:
    choices = tuple(ActionChoice(name, {}) for name in names)
    return Order(IdentityRef(PrincipalId(PAYROLL)), "it leaked", "duty", choices, plan_hash, "r1")


def test_a_plan_that_waits_for_a_person_shows_what_is_there_before_each_step() -> None:
    """Owners, tags, the policy's state and members, the risk, and each grant that opens a vault."""

    async def story(world: World) -> None:
        await world.hear_of_leak(furnished(world).instance())
        shown = befores((await world.chain()).last(Planned))

        assert {name: shown[name] for name in SHOWN} == SHOWN
        assert "as found" not in shown.values()

    play(story, STATE, policy=POLICY, mode="ask")


@pytest.mark.parametrize(("mode", "limits"), [("watch", ""), ("act", "limits: {actions-per-hour: {reversible: 1}}")])
def test_a_plan_shows_what_is_there_whoever_has_held_it_back(mode: str, limits: str) -> None:
    """Whoever rehearses in mode watch, or is asked because of a limit, sees the same as who is asked by the policy."""

    async def story(world: World) -> None:
        await world.hear_of_leak(furnished(world).instance())
        chain = await world.chain()
        shown, held = befores(chain.last(Planned)), chain.last(HeldBack)

        assert {name: shown[name] for name in SHOWN} == SHOWN
        assert "as found" not in shown.values()
        assert held is not None
        assert held.by == ("limits" if limits else "mode")
        assert world.directory.effects == []

    play(story, STATE, policy=f"{POLICY}{limits}\n", mode=mode)


def test_a_plan_that_a_limit_holds_back_waits_two_seconds_at_most_for_what_is_only_shown() -> None:
    """In a wave each of them has a worker for as long as it waits; what did not come is told as not known."""

    async def story(world: World) -> None:
        look = furnished(world).directory.look

        async def slow(subject: IdentityRef, parts: frozenset[object]) -> object:
            if "ca_policy" in parts:
                await asyncio.sleep(3600)
            return await look(subject, parts)  # pyright: ignore[reportArgumentType]

        world.directory.look = slow  # pyright: ignore[reportAttributeAccessIssue]
        begun = world.clock()
        await world.hear_of_leak(world.instance())
        shown = befores((await world.chain()).last(Planned))

        assert shown["includeServicePrincipals"].startswith("not known: it did not come within 2 s")
        assert shown["owners"] == SHOWN["owners"]
        assert (world.clock() - begun).total_seconds() < 5

    play(story, STATE, policy=f"{POLICY}limits: {{actions-per-hour: {{reversible: 1}}}}\n")


def test_who_is_cut_off_at_once_waits_for_nothing_that_is_only_shown() -> None:
    """The journal's image holds what was there; risk and vaults are not read for a plan that nobody looks at."""

    async def story(world: World) -> None:
        await world.hear_of_leak(furnished(world).instance())
        shown = befores((await world.chain()).last(Planned))

        assert {shown[name] for name in ("owners", "riskState", "access to secrets in vaults")} == {"as found"}
        assert not world.directory.state.enabled

    play(story, STATE, policy=POLICY)


def test_what_is_shown_is_no_part_of_what_is_approved() -> None:
    """The risk moves, the policy covers one more: the plan that was looked at is still the one that is carried out."""

    async def story(world: World) -> None:
        responder = furnished(world).instance()
        preview = await responder.preview(order(*ALL))
        assert preview.plan is not None
        world.directory.risk = CouldNotLook("throttled", may_help_later=True)  # pyright: ignore[reportAttributeAccessIssue]
        world.directory.policies = Known(())
        await responder.order(order(*ALL, plan_hash=preview.plan.hash))
        await world.work_queue(responder)

        assert befores(preview.plan)["riskState"] == "atRisk, level high"
        assert not world.directory.state.enabled

    play(story, STATE, policy=POLICY)


@pytest.mark.parametrize(
    ("action", "shown"),
    [
        ("dismiss-risk", {"riskState": "none is listed"}),
        ("confirm-compromised", {"riskState": "none is listed"}),
        ("require-risk-policy", {"state": "no such policy", "includeServicePrincipals": "no such policy"}),
    ],
)
def test_that_nothing_is_there_is_shown_too(action: str, shown: Mapping[str, str]) -> None:
    """Nothing listed, and no policy yet."""

    async def story(world: World) -> None:
        found = befores((await world.instance().preview(order(action))).plan)

        assert {name: found[name] for name in shown} == shown

    play(story, STATE)


def test_no_grant_on_what_could_be_seen_is_told_with_what_could_not() -> None:
    """Nothing found is not nothing there."""

    async def story(world: World) -> None:
        world.estate = estate_of(FakeAccess((VAULT,), (), unseen=("subscription x: not allowed",)))
        shown = befores((await world.instance().preview(order("cut-vault-access"))).plan)

        assert shown["access to secrets in vaults"] == (
            "none (not everything could be looked at: subscription x: not allowed)"
        )

    play(story, STATE)


def test_what_cannot_be_read_for_a_plan_is_told_as_not_known() -> None:
    """A list that never answers holds the plan up by seconds, and is never told as empty."""

    async def story(world: World) -> None:
        furnished(world).directory.owners = CouldNotLook("Application.Read.All is missing")
        look = world.directory.look

        async def slow(subject: IdentityRef, parts: frozenset[object]) -> object:
            if "ca_policy" in parts:
                await asyncio.sleep(3600)
            return await look(subject, parts)  # pyright: ignore[reportArgumentType]

        world.directory.look = slow  # pyright: ignore[reportAttributeAccessIssue]
        begun = world.clock()
        await world.hear_of_leak(world.instance())
        shown = befores((await world.chain()).last(Planned))

        assert shown["owners"] == "not known: Application.Read.All is missing"
        assert shown["includeServicePrincipals"].startswith("not known: it did not come within 10 s")
        assert (world.clock() - begun).total_seconds() < 40

    play(story, STATE, policy=POLICY, mode="ask")
