"""What is taken in is worked on, however many signals there are and wherever a process dies."""

from datetime import timedelta

import pytest

from shared.chain import Chain
from shared.entries import SignalJoined
from shared.incident import Status
from shared.journal import IncidentId
from shared.signal import JsonObject
from shared.standing import waiting_plan
from tests.fakes import PAYROLL_APP, Crash, password, payroll
from tests.faults.attacks import hooked
from tests.stories.test_fight import heard, record
from tests.stories.world import World, play

STATE = payroll(application=[password(1)])
ON_LEAKS = """
version: 1
rules:
  - name: leaked-credential
    when: {risk-detection: {types: [leakedCredentials]}}
    verdict: contain
    actions: [block-sign-in]
"""


def _added(number: int, world: World) -> JsonObject:
    """A credential was added to the application."""
    at, changed = world.clock(), "KeyDescription"
    return record(number, at, "Update application", target=PAYROLL_APP, kind="Application", changed=changed)


def test_an_incident_with_more_signals_than_one_append_takes_is_handed_over_whole() -> None:
    """Whoever added a credential every few seconds, before a leak opened another incident: the handover never came."""

    async def story(world: World) -> None:
        records = [_added(n, world) for n in range(1, 61)]
        desk = world.instance()
        await heard(world, desk, *records)
        await world.hear_of_leak(desk)
        await world.work_queue(desk, timedelta(hours=1))
        listed = await world.store.documents.query("incidents")
        ids = [IncidentId(str(document.body["incident"])) for document in listed]
        chains = [await Chain.read(world.store.journal, id_, world.clock) for id_ in ids]
        joined = [len(list(chain.all(SignalJoined))) for chain in chains]

        assert sorted(joined) == [60, 61]
        assert not world.directory.state.enabled

    play(story, STATE, policy=ON_LEAKS)


@pytest.mark.parametrize("place", [1, 2], ids=["before the answer", "behind it"])
def test_an_answer_is_not_lost_where_its_process_dies_at_a_message(place: int) -> None:
    """The plan was approved, nobody was sent to carry it out, and a second answer was refused."""

    async def story(world: World) -> None:
        await world.hear_of_leak(world.instance())
        await world.work_queue(world.instance(), timedelta(minutes=5))
        chain = await world.chain()
        plan, sent = waiting_plan(chain), 0
        assert plan is not None

        async def dies(name: str) -> None:
            nonlocal sent
            sent += name == "write send order"
            if (name == "write send order") and sent == place:
                raise Crash

        with pytest.raises(Crash):
            await (
                hooked(world, dies)
                .instance()
                .approve(chain.incident, plan.hash, approved=True, reason="leaked", by="Ada")
            )
        if place == 1:  # nothing was written: the same answer is taken
            await world.instance("two").approve(chain.incident, plan.hash, approved=True, reason="leaked", by="Ada")
        await world.work_queue(world.instance("two"), timedelta(minutes=30))

        assert not world.directory.state.enabled
        assert await world.status() is Status.CONTAINED

    play(story, STATE, mode="ask")
