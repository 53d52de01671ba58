"""A tenant that fails, refuses and fights back while it is being cleaned up."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.case import FederatedCredential, Holder, HolderKind, IdentityState, Key, Known, Password
from shared.entries import Escalated, StepStopped, WorkStarted
from shared.errors import OutcomeUnknown, PermissionMissing, Throttled, Unreachable
from shared.incident import Status
from tests.fakes import certificate, federated, password, payroll
from tests.faults.attacks import DEPTH, hooked, is_clean
from tests.faults.test_crash_points import WITH_CERTIFICATE
from tests.stories.world import World, play, with_vault

STATE = payroll(application=[password(1), certificate(3), federated(4)], principal=[password(5)])
FAULTS: dict[str, tuple[str, Callable[[str], Exception]]] = {
    "timeout, not applied": ("before", lambda name: OutcomeUnknown(name, "timeout")),
    "timeout, applied": ("after", lambda name: OutcomeUnknown(name, "timeout")),
    "throttled, not applied": ("before", lambda name: Throttled(name, timedelta(seconds=5))),
    "throttled, applied": ("after", lambda name: Throttled(name, timedelta(seconds=5))),
    "reset": ("before", lambda name: Unreachable(name, "connection reset")),
}


def _is_effect(name: str) -> bool:
    return name.startswith("tenant") or name == "make certificate"


async def _contain_with(world: World, fault: str, at: Callable[[int], bool]) -> int:
    """Contain while the fault strikes effects at these places; gives how many effects there were."""
    when, error = FAULTS[fault]
    effects = 0

    async def before(name: str) -> None:
        nonlocal effects
        effects += _is_effect(name)
        if _is_effect(name) and when == "before" and at(effects):
            raise error(name)

    async def after(name: str) -> None:
        if _is_effect(name) and when == "after" and at(effects):
            raise error(name)

    struck = hooked(world, before, after)
    responder = struck.instance()
    await struck.hear_of_leak(responder)
    await struck.work_queue(responder)
    return effects


@pytest.mark.parametrize("fault", FAULTS)
def test_a_write_that_fails_once_is_made_good(fault: str) -> None:
    """Whichever write it is: contained at the end, with one certificate."""
    for place in range(1, 7):

        async def story(world: World, place: int = place) -> None:
            world = with_vault(world)
            effects = await _contain_with(world, fault, lambda n: n == place)
            assert world.vault is not None

            assert effects >= 6
            assert await world.status() is Status.CONTAINED, place
            assert is_clean(world, certificates=1), place
            assert world.vault.made == 1

        play(story, STATE, policy=WITH_CERTIFICATE)


def test_an_outage_does_not_use_up_the_attempts_faster_than_planned() -> None:
    """For a quarter of an hour no write gets through; the attempts last longer than that, whatever messages come."""

    async def story(world: World) -> None:
        end = world.clock() + timedelta(minutes=15)

        async def down(name: str) -> None:
            if _is_effect(name) and world.clock() < end:
                raise Unreachable(name, "connection refused")

        struck = hooked(world, down)
        responder = struck.instance()
        await struck.hear_of_leak(responder)
        await struck.work_queue(responder)
        chain = await world.chain()
        attempts = len(list(chain.all(WorkStarted)))

        assert await world.status() is Status.CONTAINED
        assert is_clean(world)
        assert attempts <= 8
        assert chain.last(Escalated) is None

    play(story, STATE)


@pytest.mark.parametrize("first", range(1, 7))
def test_a_permission_that_is_lost_midway_stops_what_is_left_and_says_so(first: int) -> None:
    """From some write on everything is refused: nothing is tried for ever, and nothing is called contained."""

    async def story(world: World) -> None:
        world, effects = with_vault(world), 0

        def refuse(name: str) -> None:
            nonlocal effects
            effects += 1
            if effects >= first:
                raise PermissionMissing(doing=name, needs="Application.ReadWrite.All", request_id="r")

        world.directory.before_write = refuse
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder)
        contained = is_clean(world, certificates=1)

        assert await world.status() is (Status.CONTAINED if contained else Status.NEEDS_ATTENTION)
        assert contained == (first > 6)
        assert contained or (await world.chain()).last(StepStopped) is not None
        assert effects <= 12

    play(story, STATE, policy=WITH_CERTIFICATE)


def _add(state: IdentityState, credential: Password | Key | FederatedCredential, where: HolderKind) -> IdentityState:
    def onto(holder: Holder) -> Holder:
        match credential:
            case Password():
                return replace(holder, passwords=(*holder.passwords, credential))
            case Key():
                return replace(holder, keys=(credential, *holder.keys))
            case FederatedCredential():
                known = holder.federated.value if isinstance(holder.federated, Known) else ()
                return replace(holder, federated=Known((*known, credential)))

    if where is HolderKind.APPLICATION and state.application is not None:
        return replace(state, application=onto(state.application))
    return replace(state, principals=tuple(onto(holder) for holder in state.principals))


async def _attack(world: World, chance: random.Random, period: float, twin: bool) -> None:
    """For ten minutes: add something somewhere, and switch sign-in on again."""
    end, number = world.clock() + timedelta(minutes=10), 1000
    while world.clock() < end:
        await asyncio.sleep(period)
        number += 1
        ours = world.vault is not None and world.vault.made > 0 and twin
        credential = chance.choice(
            [password(number), certificate(number, group=f"{1:040X}" if ours else None), federated(number)]
        )
        state = _add(world.directory.state, credential, chance.choice(list(HolderKind)))
        world.directory.state = replace(state, enabled=state.enabled or chance.random() < 0.5)


@pytest.mark.parametrize("twin", [False, True], ids=["plain", "with our certificate's identifier"])
@pytest.mark.parametrize("seed", range(DEPTH))
def test_an_attacker_who_keeps_adding_is_beaten_when_he_tires(seed: int, twin: bool) -> None:
    """Something is added every one to three seconds for ten minutes: contained at the end, and never before."""

    async def story(world: World) -> None:
        world, chance = with_vault(world), random.Random(seed)  # noqa: S311 - a test's dice
        responder = world.instance()
        attack = asyncio.ensure_future(_attack(world, chance, (3.0 if twin else 1.0) + seed % 3, twin))
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(hours=4))
        await attack
        application = world.directory.state.application
        assert application is not None

        assert is_clean(world, certificates=1)
        assert application.keys[0].key_id == certificate(900_001).key_id, "the attacker's certificate was kept"
        assert await world.status() is Status.CONTAINED

    play(story, STATE, policy=WITH_CERTIFICATE)
