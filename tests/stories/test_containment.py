"""One compromised identity, from signal to proven containment."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.case import CouldNotLook, Grants, Known, PartName
from shared.entries import Applied, Closed, Decided, Planned, Rechecked, RechecksSet, Verified
from shared.fight import RECHECKS
from shared.identity import IdentityKind, IdentityRef
from shared.incident import Status
from shared.tenant import Gathered
from tests.fakes import app_role, certificate, federated, password, payroll
from tests.stories.world import World, play


def test_a_leaked_credential_is_cut_off_and_every_credential_is_gone() -> None:
    """Sign-in is blocked, and secrets, certificates and federated credentials of both objects are removed."""

    async def story(world: World) -> None:
        await world.hear_of_leak(world.instance())

        state = world.directory.state
        assert not state.enabled
        assert state.application is not None
        assert [len(h.passwords) + len(h.keys) for h in state.holders] == [0, 0]
        assert all(isinstance(h.federated, Known) and h.federated.value == () for h in state.holders)

    credentials = [password(1), password(2), certificate(3), federated(4)]
    play(story, payroll(application=credentials, principal=[password(5), certificate(6)]))


def test_the_reversible_cut_comes_first() -> None:
    """The first write that reaches the tenant blocks sign-in."""

    async def story(world: World) -> None:
        await world.hear_of_leak(world.instance())

        assert world.directory.effects[0] == "accountEnabled=False"

    play(story, payroll(application=[password(1)]))


def test_contained_is_said_only_after_a_second_read() -> None:
    """After the first proof the incident is proving; contained it is once the race window has passed."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        before = await world.status()
        await world.work_queue(responder, timedelta(seconds=10))
        after = await world.status()

        assert (before, after) == (Status.PROVING, Status.CONTAINED)

    play(story, payroll(application=[password(1)]))


def test_every_later_look_is_taken_and_then_the_incident_is_closed() -> None:
    """Rechecks follow after 5 s, 1, 5, 15 and 95 minutes; the last one closes the incident."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder)
        chain = await world.chain()
        looks = list(chain.all(Rechecked))

        assert [(look.number, look.answer) for look in looks] == [(n, "held") for n in (1, 2, 3, 4, 5)]
        assert [round(look.after_seconds) for look in looks] == [5, 60, 300, 900, 5700]
        assert await world.status() is Status.CONTAINED
        assert ("Cordon.Incident.Contained") in {type_ for type_, _ in world.topic.published}
        assert await world.store.documents.query("subjects") == ()

    play(story, payroll(application=[password(1)]))


def test_what_somebody_undoes_is_done_again() -> None:
    """An attacker who enables the identity again and adds a secret is cut off again at the next look."""

    async def story(world: World) -> None:
        from dataclasses import replace

        responder = world.instance()
        await world.hear_of_leak(responder)
        state = world.directory.state
        assert state.application is not None
        world.directory.state = replace(
            state, enabled=True, application=replace(state.application, passwords=(password(66),))
        )
        await world.work_queue(responder)

        assert not world.directory.state.enabled
        assert world.directory.state.application is not None
        assert world.directory.state.application.passwords == ()
        assert await world.status() is Status.CONTAINED
        assert "Cordon.Incident.Recontained" in {type_ for type_, _ in world.topic.published}
        assert (await world.chain()).last(RechecksSet, None) == RechecksSet(
            series=2, after=(5.0, 60.0, 300.0, 900.0, 5700.0)
        )

    play(story, payroll(application=[password(1)]))


def test_a_lagging_replica_is_waited_out() -> None:
    """A look that still shows the old state is repeated before anything is written again."""

    async def story(world: World) -> None:
        world.directory.after_write = lambda name: setattr(world.directory, "lag", 1)
        await world.hear_of_leak(world.instance())

        assert world.directory.effects == ["accountEnabled=False", f"removePassword {password(1).key_id}"]
        assert await world.status() is Status.PROVING

    play(story, payroll(application=[password(1)]))


def test_a_look_that_fails_is_never_a_proof() -> None:
    """If nothing can be read after the writes, the incident is not said to be contained."""

    async def story(world: World) -> None:
        def go_dark(name: str) -> None:
            world.directory.unreadable = CouldNotLook("the service does not answer", may_help_later=True)

        world.directory.after_write = go_dark
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder)
        chain = await world.chain()

        assert {v.answer for v in chain.all(Verified)} == {"unknown"}
        assert await world.status() is Status.NEEDS_ATTENTION

    play(story, payroll(application=[password(1)]))


def test_the_same_event_a_hundred_times_is_one_incident() -> None:
    """Duplicates end in the inbox, whatever comes of the first."""

    async def story(world: World) -> None:
        responder = world.instance()
        for _ in range(100):
            await world.hear_of_leak(responder)
        chain = await world.chain()

        assert len(list(chain.all(Decided))) == 1
        assert world.directory.effects == ["accountEnabled=False", f"removePassword {password(1).key_id}"]

    play(story, payroll(application=[password(1)]))


def test_four_calls_contain_an_identity() -> None:
    """One look to decide and to write down what is there, two writes, one look as proof."""

    async def story(world: World) -> None:
        responder = world.instance()
        await responder._own_ids()  # pyright: ignore[reportPrivateUsage] # noqa: SLF001 - what a warm instance knows
        world.directory.looks = 0
        await world.hear_of_leak(responder)
        chain = await world.chain()

        assert world.directory.looks == 2
        assert len(list(chain.all(Applied))) == 3
        assert chain.last(Planned) is not None

    play(story, payroll(application=[password(1), password(2), certificate(3)]))


def test_a_list_that_lags_behind_an_event_is_asked_again() -> None:
    """A pushed detection that the list does not show yet is waited for, not taken as absent."""

    async def story(world: World) -> None:
        shown, world.directory.detections = world.directory.detections, ()
        responder = world.instance()
        await world.hear_of_leak(responder)
        waiting = await world.status()
        world.directory.detections = shown
        await world.work_queue(responder, timedelta(minutes=5))

        assert waiting is Status.OPEN
        assert await world.status() is Status.CONTAINED

    play(story, payroll(application=[password(1)]))


def test_an_event_about_nothing_that_the_list_shows_asks_a_person() -> None:
    """A forged or vanished detection never contains anybody, and is not passed over in silence either."""

    async def story(world: World) -> None:
        world.directory.detections = ()
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder)

        assert world.directory.effects == []
        assert await world.status() in (Status.AWAITING_APPROVAL, Status.WATCHED)

    play(story, payroll(application=[password(1)]))


ROTATING = """
version: 1
rules:
  - name: leaked-credential
    when: {risk-detection: {types: [leakedCredentials]}}
    verdict: contain
    actions: [replace-credentials]
"""


def test_a_foreign_application_whose_own_credentials_work_on_is_not_called_contained() -> None:
    """They lie with its publisher: what its service principal held is gone, and yet it signs in until it is blocked."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=2))
        before = await responder.incident((await world.chain()).incident)
        world.directory.state = replace(world.directory.state, enabled=False)
        await world.work_queue(responder, timedelta(minutes=5))

        assert before.status is Status.NEEDS_ATTENTION
        assert any("Order block-sign-in" in todo for todo in before.todo)
        assert await world.status() is Status.CONTAINED

    play(story, payroll(principal=[password(1)], kind=IdentityKind.FOREIGN), policy=ROTATING)


REMOVING = ROTATING.replace("replace-credentials", "remove-app-roles")


def test_a_removal_that_found_nothing_to_remove_contains_nobody() -> None:
    """It held no app role, so nothing was taken from it: a person is told. Where it held one, it is contained."""

    def play_with(grants: Known[Grants]) -> tuple[Status, Closed | None, Sequence[str]]:
        async def story(world: World) -> tuple[Status, Closed | None, Sequence[str]]:
            world.directory.grants = grants
            await world.hear_of_leak(world.instance())
            await world.work_queue(world.instance())
            view = await world.instance().incident((await world.chain()).incident)
            return view.status, (await world.chain()).last(Closed), view.todo

        return play(story, payroll(application=[password(1)]), policy=REMOVING)

    empty, closed, todo = play_with(Known(Grants(Known(()), Known(()), Known(()))))
    held, contained, _ = play_with(Known(Grants(Known((app_role(1),)), Known(()), Known(()))))

    assert (empty, held) == (Status.NEEDS_ATTENTION, Status.CONTAINED)
    assert closed is not None
    assert contained is not None
    assert (closed.outcome, contained.outcome) == ("needs-attention", "contained")
    assert any("nothing of it cuts the identity off" in each for each in todo)


@pytest.mark.parametrize("looks", [1, 2, 3, 4])
def test_a_last_look_that_cannot_see_is_not_the_end_of_it(looks: int) -> None:
    """It is looked at again, written or not, until a look has seen it: nobody is left with an incident unsaid."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(seconds=RECHECKS[-1] - 60))
        seen, left = world.directory.look, [looks]

        async def blind(subject: IdentityRef, parts: frozenset[PartName]) -> Gathered:
            left[0] -= 1
            if left[0] >= 0:
                return Gathered(identity=CouldNotLook("the service does not answer", may_help_later=True))
            return await seen(subject, parts)

        world.directory.look = blind
        await world.work_queue(responder, timedelta(hours=5))
        closed = (await world.chain()).last(Closed)

        assert closed is not None
        assert closed.outcome == "contained"
        assert await world.status() is Status.CONTAINED

    play(story, payroll(application=[password(1)]))
