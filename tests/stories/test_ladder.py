"""A rule with a ladder, and what is told of who breaks: as the journal and the view show them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from shared.case import IdentityState, Known, PartName
from shared.entries import Decided, Foreseen, HeldBack, Planned, Rechecked
from shared.identity import IdentityKind, IdentityRef
from shared.incident import Status
from shared.tenant import Gathered
from tests.conditions.cases import UNREADABLE, added
from tests.fakes import FakeDirectory, payroll
from tests.policy.test_accusation import AWAY, BUSY, HOME, ROGUE, STILL_BUSY
from tests.policy.test_baseline import log
from tests.stories.world import POLICY, World, detection, play

LADDER = POLICY.replace("actions: [block-sign-in, replace-credentials]", "ladder: default")
SOON = timedelta(seconds=40)
NAMING = replace(detection(), key_ids=(ROGUE.key_id,))
STATE = payroll(application=[BUSY], principal=[ROGUE])
SIGN_INS = Known(log(AWAY, STILL_BUSY, *HOME))


def told(world: World) -> FakeDirectory:
    """The tenant shows who added the rogue secret, who it is, and what was done with it."""
    world.directory.detections = (NAMING,)
    world.directory.audits = (added(ROGUE.key_id),)
    world.directory.sign_ins = SIGN_INS
    return world.directory


def decided(story: Callable[[World], Awaitable[None]], kind: IdentityKind, **more: IdentityState) -> Decided:
    """What is decided about such an identity by a rule with the default ladder."""

    async def whole(world: World) -> Decided:
        responder = world.instance()
        await story(world)
        await world.hear_of_leak(responder)
        await world.work_queue(responder, SOON)
        found = (await world.chain()).last(Decided)
        assert found is not None
        return found

    return play(whole, more.get("state", payroll(kind=kind)), policy=LADDER)


async def as_told(world: World) -> None:
    told(world)


def test_the_rogue_credential_goes_alone_and_the_journal_tells_why() -> None:
    """The incident is contained by it; the busy one and the sign-in stay."""

    async def story(world: World) -> None:
        directory, responder = told(world), world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder)
        chain = await world.chain()
        entry, view = chain.last(Decided), await responder.incident(chain.incident)

        assert entry is not None
        assert entry.ladder is not None
        assert (entry.ladder.rung, entry.action_options) == (
            "remove-one-credential",
            {"replace-credentials": {"only": [ROGUE.key_id]}},
        )
        assert view.ladder == entry.ladder
        assert view.weighed == entry.weighed
        assert directory.state.enabled
        assert directory.state.application is not None
        assert directory.state.application.passwords == (BUSY,)
        assert await world.status() is Status.CONTAINED

    play(story, STATE, policy=LADDER)


def test_a_later_detection_of_what_is_gone_already_cuts_no_deeper() -> None:
    """Entra is late, and names the credential that was removed: the busy one does not pay for it."""

    async def story(world: World) -> None:
        directory, responder = told(world), world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, SOON)
        directory.detections = (NAMING, replace(NAMING, id="70000000-0000-4000-8000-000000000002"))
        await world.hear_of_leak(responder, 2)
        await world.work_queue(responder)
        entry = (await world.chain()).last(Decided)

        assert entry is not None
        assert entry.ladder is not None
        assert entry.ladder.rung == "remove-one-credential"
        assert directory.state.enabled
        assert directory.state.application is not None
        assert directory.state.application.passwords == (BUSY,)
        assert await world.status() is Status.CONTAINED

    play(story, STATE, policy=LADDER)


def test_a_managed_identity_is_blocked() -> None:
    """Its credentials are Azure's; each rung below says that it is not possible here."""
    entry = decided(as_told, IdentityKind.MANAGED_IDENTITY)

    assert entry.ladder is not None
    assert (entry.ladder.rung, entry.actions) == ("disable", ("block-sign-in",))
    assert {each.kind for each in entry.ladder.passed if each.rung != "revoke"} == {"not-applicable"}


def test_of_a_foreign_application_what_is_here_goes_or_the_sign_in() -> None:
    """A secret that was put on it here can be removed alone; its publisher's own cannot."""
    here = payroll(kind=IdentityKind.FOREIGN, principal=[ROGUE])

    one = decided(as_told, IdentityKind.FOREIGN, state=here)
    assert one.ladder is not None
    assert one.ladder.rung == "remove-one-credential"

    async def elsewhere(world: World) -> None:
        told(world).audits = ()
        world.directory.detections = (replace(NAMING, key_ids=(BUSY.key_id,)),)
        world.directory.sign_ins = Known(log(*HOME))

    blocked = decided(elsewhere, IdentityKind.FOREIGN)
    assert blocked.ladder is not None
    assert blocked.ladder.rung == "disable"


def test_hidden_risk_never_takes_the_mild_rung() -> None:
    """Where a rule acts on other grounds, a detection that withholds what was seen leads up."""
    by_audit = LADDER.replace(
        "{risk-detection: {types: [leakedCredentials], levels: [medium, high]}}", "credential-added"
    )

    async def story(world: World) -> Decided | None:
        told(world).detections = (NAMING, replace(NAMING, id="h", level="hidden"))
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, SOON)
        return (await world.chain()).last(Decided)

    entry = play(story, STATE, policy=by_audit)
    assert entry is not None
    assert entry.ladder is not None
    assert entry.ladder.rung == "disable"
    assert "withholds" in entry.ladder.passed[0].why


# Who breaks


@dataclass
class Asked(FakeDirectory):
    """Remembers which parts were asked for, and how many effects had reached the tenant by then."""

    asked: list[tuple[int, frozenset[PartName]]] = field(default_factory=list[tuple[int, frozenset[PartName]]])

    async def look(self, subject: IdentityRef, parts: frozenset[PartName]) -> Gathered:
        self.asked.append((len(self.effects), parts))
        return await super().look(subject, parts)


def test_the_first_cut_never_waits_for_the_forecast() -> None:
    """Not one look for it stands before the effects; a minute after the containment it is in the journal, once."""

    async def story(world: World) -> None:
        directory = Asked(world.directory.state, world.clock, detections=(detection(),), sign_ins=SIGN_INS)
        world = replace(world, directory=directory)
        responder = world.instance()
        await world.hear_of_leak(responder)
        before = list(directory.asked)
        await world.work_queue(responder)
        chain = await world.chain()
        foreseen = list(chain.all(Foreseen))

        assert directory.effects[0] == "accountEnabled=False"
        assert not any(PartName.SIGN_INS in parts for _, parts in before)
        assert len(foreseen) == 1
        assert {use.stops for use in foreseen[0].uses} == {True}
        assert chain.place(Foreseen) > chain.place(Planned)
        assert len([each for each in chain.all(Rechecked) if each.number == 2]) == 1

    play(story, STATE)


@pytest.mark.parametrize("readable", [True, False])
def test_a_plan_that_waits_for_a_person_says_who_breaks(readable: bool) -> None:
    """Beside it in journal and view; without the log, that it is not known and why."""

    async def story(world: World) -> None:
        world.directory.sign_ins = SIGN_INS if readable else UNREADABLE
        responder = world.instance()
        await world.hear_of_leak(responder)
        chain = await world.chain()
        view = await responder.incident(chain.incident)

        assert chain.place(Foreseen) < chain.place(HeldBack)
        assert view.status is Status.AWAITING_APPROVAL
        assert view.forecast is not None
        assert view.forecast.plan_hash == view.plan_hash
        if readable:
            assert {use.credential_id for use in view.forecast.uses} == {BUSY.key_id, ROGUE.key_id}
        else:
            assert str(view.forecast.not_known).startswith("It is not known who breaks, because")

    play(story, STATE, policy=POLICY.replace("verdict: contain", "verdict: ask"))


@dataclass
class Crowded(FakeDirectory):
    """Its sign-in log has a quota that is used up for an hour."""

    async def look(self, subject: IdentityRef, parts: frozenset[PartName]) -> Gathered:
        if PartName.SIGN_INS in parts:
            await asyncio.sleep(3600)
        return await super().look(subject, parts)


def test_a_plan_does_not_wait_long_for_who_breaks() -> None:
    """The person is asked within the half minute, and told why it is not known."""

    async def story(world: World) -> None:
        directory = Crowded(world.directory.state, world.clock, detections=(detection(),))
        world = replace(world, directory=directory)
        responder, begun = world.instance(), world.clock()
        await world.hear_of_leak(responder)
        foreseen = (await world.chain()).last(Foreseen)

        assert world.clock() - begun < timedelta(seconds=30)
        assert await world.status() is Status.AWAITING_APPROVAL
        assert foreseen is not None
        assert "did not come within 20 s" in str(foreseen.not_known)

    play(story, STATE, policy=POLICY.replace("verdict: contain", "verdict: ask"))
