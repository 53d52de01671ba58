"""What an undo leaves standing, in this incident or in an older one: it is watched, told, and never forgotten."""

from datetime import timedelta

import pytest

from shared.entries import Rechecked, UndoOrdered
from shared.errors import RequestConflicts, Unreachable
from shared.identity import IdentityRef
from shared.incident import Status, status_of, what_stands
from shared.orders import Order
from shared.policy import ActionChoice
from tests.fakes import PAYROLL, password, payroll
from tests.stories.test_fight import enable, heard, record
from tests.stories.world import World, play

STATE = payroll(application=[password(1)])
ORDER = UndoOrdered(by="Ada", reason="a false alarm")
SOON, LATER = timedelta(minutes=2), timedelta(hours=3)


async def contained(world: World, number: int, until: timedelta = LATER) -> str:
    """A leak, contained (to its last look); the id of the incident that it opened."""
    known = {str(each.body["incident"]) for each in await world.store.documents.query("incidents")}
    await world.hear_of_leak(world.instance(), number)
    await world.work_queue(world.instance(), until)
    (new,) = {str(each.body["incident"]) for each in await world.store.documents.query("incidents")} - known
    return new


async def undo(world: World, id_: str, order: UndoOrdered = ORDER) -> None:
    await world.instance().undo(id_, order)
    await world.work_queue(world.instance(), timedelta(minutes=2))


async def strike(world: World, number: int) -> None:
    """Somebody allows sign-in again, and the audit log tells of it; no policy would contain it anew."""
    world.directory.detections = ()
    enable(world)
    await heard(world, world.instance(), record(number, world.clock()))
    await world.work_queue(world.instance(), timedelta(seconds=1))


async def looks(world: World, id_: str) -> list[str]:
    """What news made this incident see."""
    return [look.answer for look in (await world.chain_of(id_)).all(Rechecked) if look.trigger == "news"]


def test_news_reaches_the_older_incident_once_the_newer_is_undone() -> None:
    """The newest that contained the identity is told of news; undone, it gives that back to the one before."""

    async def story(world: World) -> None:
        older, newer = await contained(world, 1), await contained(world, 2)
        await undo(world, newer)
        await strike(world, 1)

        assert not world.directory.state.enabled
        assert await looks(world, older) == ["not-held"]
        assert await looks(world, newer) == []

    play(story, STATE)


def test_news_goes_back_over_several_that_were_undone() -> None:
    """Of three, the two newer are undone in the order that is asked for; the first goes on being told."""

    async def story(world: World) -> None:
        older, newer, newest = await contained(world, 1), await contained(world, 2), await contained(world, 3)
        await undo(world, newest)
        await undo(world, newer)
        await strike(world, 1)

        assert not world.directory.state.enabled
        assert await looks(world, older) == ["not-held"]

    play(story, STATE)


def test_nobody_fights_for_an_identity_whose_incidents_are_all_undone() -> None:
    """The older one is undone as well: sign-in stays allowed."""

    async def story(world: World) -> None:
        older, newer = await contained(world, 1), await contained(world, 2)
        await undo(world, newer)
        await undo(world, older)
        await strike(world, 1)

        assert world.directory.state.enabled

    play(story, STATE)


def test_an_incident_that_contains_again_after_its_undo_is_told_again() -> None:
    """A leak that came while the undo was under way joins the same incident; what it contains is watched as before."""

    async def story(world: World) -> None:
        older, newer = await contained(world, 1), await contained(world, 2)
        await world.instance().undo(newer, ORDER)
        await world.hear_of_leak(world.instance(), 3)
        await world.work_queue(world.instance(), LATER)
        assert not world.directory.state.enabled
        await strike(world, 1)

        assert not world.directory.state.enabled
        assert (await looks(world, older), await looks(world, newer)) == ([], ["not-held"])

    play(story, STATE)


def test_the_older_incident_cannot_be_undone_under_the_newer_one() -> None:
    """As before: the newer one stands, and would contain again what the older gives back."""

    async def story(world: World) -> None:
        older, _ = await contained(world, 1), await contained(world, 2)

        with pytest.raises(RequestConflicts, match="Undo that one first"):
            await world.instance().undo(older, ORDER)

    play(story, STATE)


WATCHING = """
version: 1
rules:
  - name: leaked-credential
    when: {all: [{risk-detection: {types: [leakedCredentials]}}]}
    verdict: contain
    actions: [block-sign-in, remove-app-roles]
"""


@pytest.mark.parametrize("kept", ["block-sign-in", "remove-app-roles"])
def test_what_a_partial_undo_left_still_stands_after_a_later_decision_to_watch(kept: str) -> None:
    """A new decision is no undo: what stands is told, and dismissing goes on being refused."""

    async def story(world: World) -> None:
        id_ = await contained(world, 1)
        steps = [step for step in (await world.instance().incident(id_)).steps if step.action != kept]
        order = ORDER.model_copy(update={"steps": tuple(step.id for step in steps)})
        await world.instance().undo(id_, order)
        world.directory.detections = ()
        await heard(world, world.instance(), record(1, world.clock(), "Update application"))
        await world.work_queue(world.instance())
        chain, view = await world.chain_of(id_), await world.instance().incident(id_)

        assert view.verdict == "watch"
        assert what_stands(chain.records, world.clock()) == (kept,)
        assert {step.action for step in view.steps} == {kept}
        assert status_of(chain.records, world.clock()) is Status.NEEDS_ATTENTION
        with pytest.raises(RequestConflicts, match=f"{kept} stands"):
            await world.instance().judge(id_, "dismissed", reason="a planned migration", by="Ada")

    play(story, STATE, policy=WATCHING)


def test_what_is_wholly_undone_and_then_watched_is_no_case_for_a_person() -> None:
    """Nothing of it stands: the word of the new decision is the incident's."""

    async def story(world: World) -> None:
        id_ = await contained(world, 1)
        await world.instance().undo(id_, ORDER)
        world.directory.detections = ()
        await heard(world, world.instance(), record(1, world.clock(), "Update application"))
        await world.work_queue(world.instance())
        chain = await world.chain_of(id_)

        assert what_stands(chain.records, world.clock()) == ()
        assert status_of(chain.records, world.clock()) is Status.WATCHED

    play(story, STATE, policy=WATCHING)


def test_during_a_partial_undo_only_what_is_not_back_is_said_to_stand() -> None:
    """What an undo has proven back stands no more, also while the incident as a whole needs a person."""

    async def story(world: World) -> None:
        id_ = await contained(world, 1)
        (block,) = [s.id for s in (await world.instance().incident(id_)).steps if s.action == "block-sign-in"]
        await undo(world, id_, ORDER.model_copy(update={"steps": (block,)}))
        chain = await world.chain_of(id_)

        assert world.directory.state.enabled
        assert what_stands(chain.records, world.clock()) == ("remove-app-roles",)

    play(story, STATE, policy=WATCHING)


async def undo_only(world: World, id_: str, *actions: str) -> None:
    """The order names the steps of these actions and no other."""
    steps = (await world.instance().incident(id_)).steps
    chosen = tuple(step.id for step in steps if step.action in actions)
    await undo(world, id_, ORDER.model_copy(update={"steps": chosen}))


@pytest.mark.parametrize("soon", [True, False])
def test_what_a_partial_undo_left_is_contained_again_when_somebody_undoes_it(soon: bool) -> None:
    """The app roles were given back, sign-in stays blocked: news of its being allowed are looked at as before."""

    async def story(world: World) -> None:
        id_ = await contained(world, 1, SOON if soon else LATER)
        await undo_only(world, id_, "remove-app-roles")
        await strike(world, 1)
        effects = world.directory.effects

        assert not world.directory.state.enabled
        assert effects.count("accountEnabled=False") == 2
        assert await looks(world, id_) == ["not-held"]

    play(story, STATE, policy=WATCHING)


def test_what_a_partial_undo_gave_back_is_nobodys_to_take_again() -> None:
    """Sign-in was allowed by a person's order: news of it and every later look leave it so, the rest is held."""

    async def story(world: World) -> None:
        id_ = await contained(world, 1)
        await undo_only(world, id_, "block-sign-in")
        await strike(world, 1)
        await world.work_queue(world.instance(), LATER)

        assert world.directory.state.enabled
        assert await looks(world, id_) == []
        assert what_stands((await world.chain_of(id_)).records, world.clock()) == ("remove-app-roles",)

    play(story, STATE, policy=WATCHING)


def test_what_a_partial_undo_left_is_looked_at_by_the_timetable_as_well() -> None:
    """Nobody tells of the change: the looks that follow the undo find it, and a rest that is undone later ends them."""

    async def story(world: World) -> None:
        id_ = await contained(world, 1)
        await undo_only(world, id_, "remove-app-roles")
        world.directory.detections = ()
        enable(world)
        await world.work_queue(world.instance(), LATER)
        blocked = not world.directory.state.enabled
        await undo_only(world, id_, "block-sign-in")
        await world.work_queue(world.instance(), LATER)

        assert blocked
        assert world.directory.state.enabled
        assert not await world.store.documents.query("watched")

    play(story, STATE, policy=WATCHING)


def test_a_partial_undo_of_the_newer_incident_does_not_wake_the_older_one() -> None:
    """What a person gave back in the newer is not contained again by the older, which holds the same action."""

    async def story(world: World) -> None:
        older, newer = await contained(world, 1), await contained(world, 2)
        await undo_only(world, newer, "block-sign-in")
        await strike(world, 1)
        await world.work_queue(world.instance(), LATER)

        assert world.directory.state.enabled
        assert (await looks(world, older), await looks(world, newer)) == ([], [])

    play(story, STATE, policy=WATCHING)


def test_a_rest_that_cannot_be_contained_again_at_once_is_tried_again() -> None:
    """The tenant refuses to answer while the rest is contained again: later attempts finish it."""

    async def story(world: World) -> None:
        id_ = await contained(world, 1)
        await undo_only(world, id_, "remove-app-roles")
        over = world.clock() + timedelta(minutes=2)

        def unreachable(write: str) -> None:
            if world.clock() < over:
                raise Unreachable(write, "no answer")

        world.directory.before_write = unreachable
        await strike(world, 1)
        await world.work_queue(world.instance(), timedelta(minutes=20))

        assert not world.directory.state.enabled

    play(story, STATE, policy=WATCHING)


def test_an_order_to_dismiss_is_refused_while_something_stands() -> None:
    """As a verdict is: a plan of the dismissal alone would end the looks at the roles that were taken."""

    async def story(world: World) -> None:
        id_ = await contained(world, 1, SOON)
        await undo_only(world, id_, "block-sign-in")
        subject, dismiss = IdentityRef(principal_id=PAYROLL), ActionChoice("dismiss-risk", {})

        with pytest.raises(RequestConflicts, match="remove-app-roles stands"):
            await world.instance().order(Order(subject, "it is harmless", "Ada", (dismiss,), None, "order-1"))
        await undo_only(world, id_, "remove-app-roles")
        assert await world.instance().order(Order(subject, "it is harmless", "Ada", (dismiss,), None, "order-2"))

    play(story, STATE, policy=WATCHING)
