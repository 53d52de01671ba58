"""Whom Cordon never touches, told by ids; and what it does where that cannot be told."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.case import CouldNotLook, DirectoryRole, Grants, Known, Part
from shared.entries import Decided, HeldBack
from shared.identity import ClientId
from shared.incident import Status
from shared.protection import Doubt, why_synchronises
from tests.fakes import START, app_role, directory_role, password, payroll
from tests.stories.world import World, play

STATE = payroll(application=[password(1)])
UNREAD = CouldNotLook("permission missing")
CONNECT = replace(app_role(1), role_id="ab43b826-2c7a-4aff-9ecd-d0629d0ca6a9")
SYNC_ROLES = ("d29b2b05-8046-44ba-8758-1e26182fcf32", "a92aed5d-d78a-4d16-b381-09adb37eb3b0")


def _role(role_id: str) -> DirectoryRole:
    return replace(directory_role(1), role_id=role_id)


def _grants(app_roles: Part[tuple[object, ...]], roles: Part[tuple[object, ...]] = Known(())) -> Known[Grants]:  # noqa: B008
    return Known(Grants(app_roles, Known(()), roles))  # pyright: ignore[reportArgumentType]


SYNCHRONISING = [_grants(Known((CONNECT,))), *(_grants(Known(()), Known((_role(id_),))) for id_ in SYNC_ROLES)]


@pytest.mark.parametrize("grants", [*SYNCHRONISING, _grants(Known((CONNECT,)), UNREAD)])
def test_who_holds_what_synchronisation_holds_is_protected(grants: Known[Grants]) -> None:
    """Connect's app role, or either directory role, also where the other list could not be read."""
    assert "directory synchronisation" in str(why_synchronises(STATE, grants))
    assert not isinstance(why_synchronises(STATE, grants), Doubt)


@pytest.mark.parametrize("client", ["6bf85cfa-ac8a-4be5-b5de-425a0d0dc016", "1a4721b3-e57f-4451-ae87-ef078703ec94"])
def test_synchronisations_own_clients_are_protected_unread(client: str) -> None:
    """Their client ids are documented; nothing else has to be read."""
    state = replace(STATE, identity=replace(STATE.identity, client_id=ClientId(client)))

    assert isinstance(why_synchronises(state, UNREAD), str)


@pytest.mark.parametrize("grants", [UNREAD, _grants(UNREAD), _grants(Known(()), UNREAD)])
def test_what_cannot_be_told_is_a_doubt(grants: Part[Grants]) -> None:
    """Neither list may be missing."""
    assert isinstance(why_synchronises(STATE, grants), Doubt)


def test_who_is_protected_by_a_role_is_told_with_the_role_and_since_when() -> None:
    """An intruder who may give roles hides behind one: whoever is called has to see that it is minutes old."""
    held = replace(CONNECT, created=START - timedelta(minutes=3), resource_name="Sync\nService")
    why = str(why_synchronises(STATE, _grants(Known((held,)))))

    assert "Sync Service" in why
    assert "given at 2026-03-02 02:57 UTC" in why
    assert "directory role d29b2b05" in str(why_synchronises(STATE, SYNCHRONISING[1]))


def test_a_name_protects_nobody() -> None:
    """Whoever calls himself like Connect is contained all the same."""
    named = replace(STATE, identity=replace(STATE.identity, display_name="ConnectSyncProvisioning_DC01"))

    assert why_synchronises(named, _grants(Known((app_role(1),)), Known((directory_role(1),)))) is None


@pytest.mark.parametrize("grants", [SYNCHRONISING[0], _grants(UNREAD)])
@pytest.mark.parametrize("mode", ["act", "ask"])
def test_neither_synchronisation_nor_a_doubt_is_touched(grants: Known[Grants], mode: str) -> None:
    """No effect, no plan that could be approved, and a person is told what to do."""

    async def story(world: World) -> None:
        world.directory.grants = grants
        await world.hear_of_leak(world.instance())
        held = (await world.chain()).last(HeldBack)

        assert world.directory.effects == []
        assert held is not None
        assert held.by == "protected"
        assert held.todo
        assert await world.status() is Status.NEEDS_ATTENTION

    play(story, STATE, mode=mode)


LATE = CouldNotLook("Graph is throttling", may_help_later=True)


@pytest.mark.parametrize("grants", [LATE, _grants(LATE)])
def test_a_grants_read_that_fails_in_passing_costs_half_a_minute_and_not_the_containment(grants: Part[Grants]) -> None:
    """Throttling is no reason to wake somebody: it is looked at again, and contained then."""

    async def story(world: World) -> None:
        none, world.directory.grants = world.directory.grants, grants
        responder = world.instance()
        await world.hear_of_leak(responder)
        early = (list(world.directory.effects), await world.status())
        world.directory.grants = none
        await world.work_queue(responder, timedelta(minutes=1))

        assert early == ([], Status.OPEN)
        assert not world.directory.state.enabled
        assert (await world.chain()).last(HeldBack) is None

    play(story, STATE)


def test_a_grants_read_that_never_comes_back_is_left_to_a_person() -> None:
    """Attempts have an end, and nothing was touched meanwhile."""

    async def story(world: World) -> None:
        world.directory.grants = LATE
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder)
        held = (await world.chain()).last(HeldBack)

        assert world.directory.effects == []
        assert held is not None
        assert held.by == "protected"
        assert await world.status() is Status.NEEDS_ATTENTION

    play(story, STATE)


def test_an_approval_outlives_a_grants_read_that_fails_in_passing() -> None:
    """The person's word is not used up by it: the plan is carried out when the read comes back."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        chain = await world.chain()
        plan = (await responder.incident(chain.incident)).plan_hash
        none, world.directory.grants = world.directory.grants, LATE
        await responder.approve(chain.incident, plan or "", approved=True, reason="ours", by="duty")
        await world.work_queue(responder, timedelta(seconds=10))
        early = list(world.directory.effects)
        world.directory.grants = none
        await world.work_queue(responder, timedelta(minutes=1))
        decided = [*(await world.chain()).all(Decided)]

        assert early == []
        assert not world.directory.state.enabled
        assert len(decided) == 1

    play(story, STATE, mode="ask")
