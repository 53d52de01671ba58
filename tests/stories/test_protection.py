"""Whom Cordon never touches, told by ids; and what it does where that cannot be told."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.case import AppRole, CouldNotLook, DirectoryRole, Grants, IdentityState, Known, Part
from shared.entries import Decided, HeldBack
from shared.identity import ClientId, PrincipalId
from shared.incident import Status
from shared.protection import Doubt, Question, why_synchronises
from tests.fakes import GRAPH, START, app_role, directory_role, password, payroll
from tests.stories.world import World, play

STATE = payroll(application=[password(1)])
UNREAD = CouldNotLook("permission missing")
LONG_AGO = START - timedelta(days=400)
CONNECT = replace(app_role(1, LONG_AGO), role_id="ab43b826-2c7a-4aff-9ecd-d0629d0ca6a9")
SYNC_ROLES = ("d29b2b05-8046-44ba-8758-1e26182fcf32", "a92aed5d-d78a-4d16-b381-09adb37eb3b0")


def _named(client: str) -> IdentityState:
    """The service whose app role it is, as the tenant shows it."""
    identity = replace(STATE.identity, principal_id=PrincipalId(GRAPH), client_id=ClientId(client))
    return replace(STATE, identity=identity)


SERVICE = _named("6bf85cfa-ac8a-4be5-b5de-425a0d0dc016")
FORGED = _named("66666666-0000-4000-8000-000000000666")
READ = {GRAPH: Known(SERVICE)}


def _role(role_id: str) -> DirectoryRole:
    return replace(directory_role(1), role_id=role_id)


def _grants(app_roles: Part[tuple[object, ...]], roles: Part[tuple[object, ...]] = Known(())) -> Known[Grants]:  # noqa: B008
    return Known(Grants(app_roles, Known(()), roles))  # pyright: ignore[reportArgumentType]


SYNCHRONISING = [_grants(Known((CONNECT,))), *(_grants(Known(()), Known((_role(id_),))) for id_ in SYNC_ROLES)]


@pytest.mark.parametrize("grants", [*SYNCHRONISING, _grants(Known((CONNECT,)), UNREAD)])
def test_who_holds_what_synchronisation_holds_is_protected(grants: Known[Grants]) -> None:
    """Connect's app role, or either directory role, also where the other list could not be read."""
    assert "directory synchronisation" in str(why_synchronises(STATE, grants, READ))
    assert not isinstance(why_synchronises(STATE, grants, READ), Doubt)


@pytest.mark.parametrize("client", ["6bf85cfa-ac8a-4be5-b5de-425a0d0dc016", "1a4721b3-e57f-4451-ae87-ef078703ec94"])
def test_synchronisations_own_clients_are_protected_unread(client: str) -> None:
    """Their client ids are documented; nothing else has to be read."""
    state = replace(STATE, identity=replace(STATE.identity, client_id=ClientId(client)))

    assert isinstance(why_synchronises(state, UNREAD, {}), str)


@pytest.mark.parametrize("grants", [UNREAD, _grants(UNREAD), _grants(Known(()), UNREAD)])
def test_what_cannot_be_told_is_a_doubt(grants: Part[Grants]) -> None:
    """Neither list may be missing."""
    assert isinstance(why_synchronises(STATE, grants, READ), Doubt)


def test_who_is_protected_by_a_role_is_told_with_the_role_and_since_when() -> None:
    """An intruder who may give roles hides behind one: whoever is called has to see how old it is."""
    held = replace(CONNECT, created=START - timedelta(days=8), resource_name="Sync\nService")
    why = str(why_synchronises(STATE, _grants(Known((held,))), READ))

    assert "Sync Service" in why
    assert "given at 2026-02-22 03:00 UTC" in why
    assert "directory role d29b2b05" in str(why_synchronises(STATE, SYNCHRONISING[1], READ))


def test_a_name_protects_nobody() -> None:
    """Whoever calls himself like Connect is contained all the same."""
    named = replace(STATE, identity=replace(STATE.identity, display_name="ConnectSyncProvisioning_DC01"))

    assert why_synchronises(named, _grants(Known((app_role(1),)), Known((directory_role(1),))), READ) is None


@pytest.mark.parametrize("grants", [SYNCHRONISING[0], _grants(UNREAD)])
@pytest.mark.parametrize("mode", ["act", "ask"])
def test_neither_synchronisation_nor_a_doubt_is_touched(grants: Known[Grants], mode: str) -> None:
    """No effect, no plan that could be approved, and a person is told what to do."""

    async def story(world: World) -> None:
        world.directory.others = {SERVICE.identity.client_id: SERVICE}
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


def test_an_app_role_of_an_own_application_with_synchronisations_id_spares_nobody() -> None:
    """Whoever registers an application chooses the ids of its roles: he would be immune for the asking."""

    async def story(world: World) -> None:
        world.directory.others = {FORGED.identity.client_id: FORGED}
        world.directory.grants = _grants(Known((CONNECT,)))
        await world.hear_of_leak(world.instance())

        assert not world.directory.state.enabled

    play(story, STATE)


def _of_seven_applications(*others: AppRole) -> Known[Grants]:
    """Roles that all bear synchronisation's id, each of another application."""
    roles = [replace(CONNECT, resource_id=f"66666666-0000-4000-8000-{number:012}") for number in range(7)]
    return _grants(Known((*roles, *others)))


def test_roles_of_more_own_applications_than_are_read_spare_nobody_either() -> None:
    """Seven are as quickly registered as one: what was not read of them would else protect him, also from people."""

    async def story(world: World) -> None:
        world.directory.others = {SERVICE.identity.client_id: SERVICE}
        world.directory.grants = _of_seven_applications()
        await world.hear_of_leak(world.instance())

        assert not world.directory.state.enabled

    play(story, STATE)


@pytest.mark.parametrize("is_read", [True, False])
def test_the_services_own_role_is_found_among_however_many(is_read: bool) -> None:
    """Whoever gives Connect seven such roles has it cut off by nobody, also while the service cannot be read."""

    async def story(world: World) -> None:
        world.directory.others = {SERVICE.identity.client_id: SERVICE} if is_read else {}
        world.directory.grants = _of_seven_applications(CONNECT)
        if not is_read:
            world.directory.unread_clients = frozenset({SERVICE.identity.client_id})
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder)
        held = (await world.chain()).last(HeldBack)

        assert world.directory.effects == []
        assert held is not None
        assert held.by == "protected"

    play(story, STATE)


def test_a_custom_directory_role_spares_nobody() -> None:
    """Only the two built-in ones are synchronisation's."""
    custom = replace(_role(SYNC_ROLES[0]), built_in=False)

    assert why_synchronises(STATE, _grants(Known(()), Known((custom,))), {}) is None


@pytest.mark.parametrize("service", [CouldNotLook("throttled", may_help_later=True), None])
def test_a_role_whose_service_cannot_be_read_is_a_doubt(service: CouldNotLook | None) -> None:
    """It may be the real one; nobody is told apart by a name."""
    resources: dict[str, Part[IdentityState]] = {GRAPH: service} if service else {}
    found = why_synchronises(STATE, _grants(Known((CONNECT,))), resources)

    assert isinstance(found, Doubt)
    assert found.may_help_later is (service is not None)


def _of_yesterday() -> AppRole:
    return replace(CONNECT, created=START - timedelta(days=1))


HINTS = [
    _grants(Known((_of_yesterday(),))),
    Known(Grants(Known(()), Known(()), Known(()), Known((replace(_role(SYNC_ROLES[1]), through="group-1"),)))),
]


@pytest.mark.parametrize("grants", HINTS)
def test_what_only_hints_at_synchronisation_is_asked_about_and_a_person_may_contain_it(grants: Known[Grants]) -> None:
    """A role of the last days, or of a group whose owners choose its members, may be an intruder's cover."""
    assert isinstance(why_synchronises(STATE, grants, READ), Question)

    async def story(world: World) -> None:
        world.directory.others = {SERVICE.identity.client_id: SERVICE}
        world.directory.grants = grants
        responder = world.instance()
        await world.hear_of_leak(responder)
        chain, early = await world.chain(), list(world.directory.effects)
        asked, told = await world.status(), [type_ for type_, _ in world.topic.published]
        plan = (await responder.incident(chain.incident)).plan_hash
        await responder.approve(chain.incident, plan or "", approved=True, reason="not ours", by="duty")
        await world.work_queue(responder, timedelta(minutes=1))

        assert early == []
        assert asked is Status.AWAITING_APPROVAL
        assert "Cordon.Incident.AwaitingApproval" in told
        assert not world.directory.state.enabled

    play(story, STATE)


def test_who_is_protected_is_never_silently_so() -> None:
    """Whoever hides behind synchronisation's role: people are called at once, and told by what it is protected."""

    async def story(world: World) -> None:
        world.directory.grants = SYNCHRONISING[1]
        await world.hear_of_leak(world.instance())
        told = [type_ for type_, _ in world.topic.published]
        view = await world.instance().incident((await world.chain()).incident)

        assert "Cordon.Incident.NeedsAttention" in told
        assert view.status is Status.NEEDS_ATTENTION
        assert any("by hand" in todo or "yourself" in todo for todo in view.todo)

    play(story, STATE)


def test_who_is_contained_gains_nothing_by_the_role_of_synchronisation() -> None:
    """Given to it after the cut, it neither ends the looks nor keeps what is undone from being contained again."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(seconds=30))
        world.directory.grants = SYNCHRONISING[1]
        world.directory.state = replace(world.directory.state, enabled=True)
        await world.work_queue(responder)

        assert not world.directory.state.enabled
        assert await world.status() is Status.CONTAINED

    play(story, STATE)
