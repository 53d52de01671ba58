"""The way back of a whole incident, as a person orders it."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from shared.case import HolderKind, IdentityState, Known, PartName
from shared.entries import Intended, SignalJoined, UndoApplied, UndoIntended, UndoOrdered, UndoStopped, UndoVerified
from shared.errors import RequestConflicts
from shared.identity import IdentityRef
from shared.incident import Status
from shared.orders import Order
from shared.policy import ActionChoice
from shared.tenant import Gathered
from tests.fakes import PAYROLL, START, Crash, FakeDirectory, certificate, federated, password, payroll
from tests.faults.test_crash_points import STATE, WITH_CERTIFICATE, Points, mortal
from tests.stories.world import World, detection, play, with_vault

ORDER = UndoOrdered(by="Ada", reason="a false alarm")


async def contained(world: World) -> str:
    """A leak, contained to its last look; the incident's id."""
    responder = world.instance()
    await world.hear_of_leak(responder)
    await world.work_queue(responder)
    return (await world.chain()).incident


async def undone(world: World, order: UndoOrdered = ORDER) -> str:
    id_ = await contained(world)
    await world.instance().undo(id_, order)
    await world.work_queue(world.instance())
    return id_


def test_undo_brings_back_what_can_come_back() -> None:
    """Sign-in, the certificate and the federated credential are as before; the secret is named as lost."""

    async def story(world: World) -> None:
        before = world.directory.state
        await undone(world)
        after, chain = world.directory.state, await world.chain()
        lost = [text for entry in chain.all(UndoIntended) for text in entry.lost]

        assert await world.status() is Status.RELEASED
        assert after.enabled
        assert [key.key_id for key in after.holders[0].keys] == [key.key_id for key in before.holders[0].keys]
        assert isinstance(after.holders[0].federated, Known)
        assert [trust.name for trust in after.holders[0].federated.value]
        assert any("Entra never shows its value" in text for text in lost)
        assert "Cordon.Incident.Released" in [type_ for type_, _ in world.topic.published]

    play(story, payroll(application=[password(1), certificate(2), federated(3)]))


def test_undo_twice_is_refused_in_words() -> None:
    """What is back is back; the second order is told so and does nothing."""

    async def story(world: World) -> None:
        id_ = await undone(world)
        effects = len(world.directory.effects)

        with pytest.raises(RequestConflicts, match="back already"):
            await world.instance().undo(id_, ORDER)
        assert len(world.directory.effects) == effects

    play(story, STATE)


def test_a_trust_that_somebody_made_anew_is_left_and_shown() -> None:
    """Under the same name stands another issuer by now: undo takes neither, and a person is told of both."""

    async def story(world: World) -> None:
        id_ = await contained(world)
        other = federated(1)
        other = replace(
            other, issuer="https://elsewhere.example", raw={**other.raw, "issuer": "https://elsewhere.example"}
        )
        application = world.directory.state.application
        assert application is not None
        mine = replace(application, federated=Known((other,)))
        world.directory.state = replace(world.directory.state, application=mine)
        await world.instance().undo(id_, ORDER)
        await world.work_queue(world.instance())
        (drift,) = [drift for entry in (await world.chain()).all(UndoIntended) for drift in entry.drifted]
        now = world.directory.state.application

        assert "https://token.example" in drift.before
        assert "https://elsewhere.example" in drift.now
        assert now is not None
        assert now.federated == Known((other,))
        assert await world.status() is Status.NEEDS_ATTENTION

    play(story, payroll(application=[federated(1)]))


def test_what_was_blocked_before_stays_blocked() -> None:
    """Undo never allows a sign-in that Cordon did not take away."""

    async def story(world: World) -> None:
        await undone(world)

        assert not world.directory.state.enabled
        assert "accountEnabled=True" not in world.directory.effects

    play(story, replace(payroll(application=[password(1)]), enabled=False))


def test_a_look_that_comes_after_the_order_does_not_fight_the_undo() -> None:
    """Messages for later looks are still in the queue when the undo is done; none of them contains again."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(seconds=30))
        id_ = (await world.chain()).incident
        await responder.undo(id_, ORDER)
        await world.work_queue(responder)

        assert world.directory.state.enabled
        assert await world.status() is Status.RELEASED

    play(story, STATE)


def test_a_new_signal_after_the_undo_is_decided_anew() -> None:
    """It opens an incident of its own, which contains the identity again."""

    async def story(world: World) -> None:
        await undone(world)
        await world.hear_of_leak(world.instance(), 2)
        await world.work_queue(world.instance())

        assert not world.directory.state.enabled
        assert len(await world.store.documents.query("incidents")) == 2

    play(story, STATE)


def test_an_undo_is_refused_while_another_incident_is_open() -> None:
    """The identity is in other hands: the order says whose."""

    async def story(world: World) -> None:
        id_ = await contained(world)
        await world.hear_of_leak(world.instance(), 2)

        with pytest.raises(RequestConflicts, match="is open on the same identity"):
            await world.instance().undo(id_, ORDER)

    play(story, STATE)


def test_the_certificate_that_cordon_made_goes_only_if_it_is_named() -> None:
    """Its owner may use it by now; the order that names the step takes it away."""

    async def story(world: World) -> None:
        world = with_vault(world)
        id_ = await undone(world)
        kept = len(world.directory.state.holders[0].keys)
        step = next(s.id for s in (await world.instance().incident(id_)).steps if "new-certificate" in s.id)
        await world.instance().undo(id_, UndoOrdered(by="Ada", reason="not wanted", steps=(step,)))
        await world.work_queue(world.instance())

        assert len(world.directory.state.holders[0].keys) == kept - 1
        assert await world.status() is Status.RELEASED

    play(story, STATE, policy=WITH_CERTIFICATE)


def test_an_undo_goes_through_where_nobody_knows_whether_a_certificate_was_made() -> None:
    """The process died while the vault made it, and the order came next: the rest comes back, and the doubt is told."""

    async def story(world: World) -> None:
        world = with_vault(world)
        assert world.vault is not None
        world.vault.after_make = _die
        with suppress(Crash):
            await world.hear_of_leak(world.instance())
        application = world.directory.state.application
        assert application is not None
        other = replace(
            application, keys=(*application.keys, replace(certificate(50), custom_key_identifier="AB" * 20))
        )
        world.directory.state = replace(world.directory.state, application=other)
        await world.instance("two").undo((await world.chain()).incident, ORDER)
        await world.work_queue(world.instance("two"))
        chain = await world.chain()

        assert world.directory.state.enabled
        assert await world.status() is Status.RELEASED
        assert any("may have been made" in text for entry in chain.all(UndoIntended) for text in entry.lost)

    play(story, STATE, policy=WITH_CERTIFICATE)


def _die() -> None:
    raise Crash("while the vault made it")


def test_wherever_an_undo_is_killed_the_end_is_the_same() -> None:
    """Each point where something becomes durable; the next life finishes, and gives nothing back twice."""

    def run(crash_at: int | None) -> tuple[object, list[str]]:
        points = Points()

        async def story(world: World) -> object:
            id_ = await contained(world)
            points.crash_at, points.passed = crash_at, []
            world = mortal(world, points)
            for life in range(3):
                responder = world.instance(f"life {life}")
                try:
                    if (await world.chain()).place(UndoOrdered) < 0:
                        await responder.undo(id_, ORDER)
                    await world.work_queue(responder)
                    break
                except Crash:
                    continue
            state, given = world.directory.state, [e for e in world.directory.effects if e.startswith("give")]
            keys = [[key.key_id for key in holder.keys] for holder in state.holders]
            return await world.status(), state.enabled, keys, sorted(given)

        return play(story, STATE), points.passed

    unhurt, points = run(None)

    assert len(points) > 20
    for crash_at, name in enumerate(points):
        assert run(crash_at)[0] == unhurt, f"killed at point {crash_at}, {name}"


def test_the_stop_switch_stops_an_undo() -> None:
    """Nothing more is written; the incident needs a person, and the order can be given again."""

    async def story(world: World) -> None:
        id_ = await contained(world)
        effects = len(world.directory.effects)
        await world.switch.set(stopped=True, reason="wait", by="Ada")
        await world.instance().undo(id_, ORDER)
        await world.work_queue(world.instance())

        assert len(world.directory.effects) == effects
        assert not list((await world.chain()).all(UndoApplied))
        assert await world.status() is Status.NEEDS_ATTENTION

        await world.switch.set(stopped=False, reason="", by="Ada")
        await world.instance().undo(id_, ORDER)
        await world.work_queue(world.instance())

        assert await world.status() is Status.RELEASED

    play(story, STATE)


@dataclass
class Busy(FakeDirectory):
    """Its quota for reading public keys is used up for the next minute."""

    async def public_keys(self, holder: HolderKind, object_id: str) -> Mapping[str, str]:
        await asyncio.sleep(60)
        return await super().public_keys(holder, object_id)


def test_no_credential_stays_because_the_way_back_has_to_wait() -> None:
    """What only undo needs is waited for two seconds; then the certificate goes, and undo names it as lost."""

    async def story(world: World) -> None:
        directory = world.directory
        busy = Busy(directory.state, world.clock, detections=directory.detections)
        world = replace(world, directory=busy)
        begun = world.clock()
        await world.hear_of_leak(world.instance())
        took = world.clock() - begun
        left = [key for holder in busy.state.holders for key in holder.keys]
        await world.work_queue(world.instance())
        await world.instance().undo((await world.chain()).incident, ORDER)
        await world.work_queue(world.instance())
        lost = [text for entry in (await world.chain()).all(UndoIntended) for text in entry.lost]

        assert left == []
        assert took < timedelta(seconds=4)
        assert any("its public part was not written down" in text for text in lost)

    play(story, payroll(application=[certificate(1)]))


def test_an_accused_certificate_comes_back_only_if_the_order_names_it() -> None:
    """A detection names its id: undo keeps it away and says so; a later order that names it brings it back."""
    accused = certificate(2).key_id

    async def story(world: World) -> None:
        world.directory.detections = (replace(detection(), key_ids=(accused,)),)
        id_ = await undone(world)
        kept_away = [text for entry in (await world.chain()).all(UndoIntended) for text in entry.lost]
        first = [key.key_id for key in world.directory.state.holders[0].keys]
        await world.instance().undo(id_, replace_order(accused))
        await world.work_queue(world.instance())

        assert any(accused in text and "kept away" in text for text in kept_away)
        assert first == [certificate(3).key_id]
        assert accused in [key.key_id for key in world.directory.state.holders[0].keys]

    play(story, payroll(application=[certificate(2), certificate(3)]))


def replace_order(accused: str) -> UndoOrdered:
    return UndoOrdered(by="Ada", reason="its owner has checked it", give_back=(accused,))


@dataclass
class Watched(FakeDirectory):
    """Shows public keys along, and remembers which looks asked for them, and what was asked for on its own."""

    along: list[bool] = field(default_factory=list[bool])
    alone: int = 0

    async def look(self, subject: IdentityRef, parts: frozenset[PartName]) -> Gathered:
        self.along.append(PartName.PUBLIC_KEYS in parts)
        gathered = await super().look(subject, parts)
        if PartName.PUBLIC_KEYS not in parts or self.state.application is None:
            return gathered
        held = self.state.application
        return replace(
            gathered, public_keys=Known({held.object_id: await super().public_keys(held.kind, held.object_id)})
        )

    async def public_keys(self, holder: HolderKind, object_id: str) -> Mapping[str, str]:
        self.alone += 1
        return await super().public_keys(holder, object_id)


@pytest.mark.parametrize(("mode", "along"), [("act", True), ("ask", False), ("watch", False)])
def test_the_look_that_decides_reads_what_undo_needs_only_where_it_may_be_acted_on(mode: str, along: bool) -> None:
    """Then nothing is read on its own, and the certificate can come back; elsewhere the small quota is left alone."""

    async def story(world: World) -> None:
        told = world.directory
        directory = Watched(told.state, world.clock, detections=told.detections)
        world = replace(world, directory=directory)
        await world.hear_of_leak(world.instance())
        images = [entry.before.get("publicKeys") for entry in (await world.chain()).all(Intended)]

        assert sum(directory.along) == along
        assert directory.alone == 0
        assert any(images) is along

    play(story, payroll(application=[certificate(1)]), mode=mode)


async def _disable_after(world: World, seconds: float, until: float | None = None) -> None:
    """Somebody blocks sign-in so long after Cordon has allowed it; `until` it is allowed again, if at all."""
    for _ in range(600):
        if "accountEnabled=True" in world.directory.effects:
            break
        await asyncio.sleep(0.1)
    await asyncio.sleep(seconds)
    world.directory.state = replace(world.directory.state, enabled=False)
    if until is not None:
        await asyncio.sleep(until - seconds)
        world.directory.state = replace(world.directory.state, enabled=True)


def test_released_rests_on_a_second_look_after_the_race_window() -> None:
    """As with containing: a fresh read after the write, and another five seconds later."""

    async def story(world: World) -> None:
        await undone(world)
        chain = await world.chain()
        written = {
            line.record.step: line.record.time
            for line in chain.lines
            if isinstance(line.entry, UndoApplied) and line.entry.writes
        }
        looks = {line.record.step: line.entry for line in chain.lines if isinstance(line.entry, UndoVerified)}
        later = {step: (looks[step].read_at or START) - at for step, at in written.items()}

        assert len(later) >= 2
        assert all(looks[step].again and after >= timedelta(seconds=5) for step, after in later.items())

    play(story, STATE)


def test_what_somebody_takes_away_again_is_not_called_released_and_not_fought_for() -> None:
    """Two seconds after sign-in was allowed somebody blocks it again: that is their word, and a person is told."""

    async def story(world: World) -> None:
        id_ = await contained(world)
        await world.instance().undo(id_, ORDER)
        await asyncio.gather(_disable_after(world, 2.0), world.work_queue(world.instance()))
        view = await world.instance().incident(id_)

        assert not world.directory.state.enabled
        assert world.directory.effects.count("accountEnabled=True") == 1
        assert view.status is Status.NEEDS_ATTENTION
        assert any("changed it since" in todo for todo in view.todo)

    play(story, STATE)


def test_a_replica_that_shows_the_old_state_for_a_while_is_no_change_of_somebody() -> None:
    """The second look may be older than the first; it is taken again for half a minute."""

    async def story(world: World) -> None:
        id_ = await contained(world)
        await world.instance().undo(id_, ORDER)
        await asyncio.gather(_disable_after(world, 4.0, 14.0), world.work_queue(world.instance()))

        assert world.directory.effects.count("accountEnabled=True") == 1
        assert await world.status() is Status.RELEASED

    play(story, STATE)


def test_what_a_replica_still_shows_is_brought_back_all_the_same() -> None:
    """The first look finds nothing missing, because its replica is older than the containment; another look follows."""

    async def story(world: World) -> None:
        before = world.directory.state
        id_ = await contained(world)
        after = world.directory.state
        await world.instance().undo(id_, ORDER)
        world.directory.state = before
        await asyncio.gather(_show_after(world, 4.0, after), world.work_queue(world.instance()))
        shown = world.directory.state

        assert shown.enabled
        assert [key.key_id for key in shown.holders[0].keys] == [key.key_id for key in before.holders[0].keys]
        assert await world.status() is Status.RELEASED

    play(story, payroll(application=[certificate(2)]))


async def _show_after(world: World, seconds: float, state: IdentityState) -> None:
    await asyncio.sleep(seconds)
    world.directory.state = state


def test_the_undo_of_what_was_deleted_meanwhile_says_so_at_once_and_works_once_it_is_restored() -> None:
    """Nobody waits an hour for what cannot be read; by name its steps come back, and the deletion does not."""

    async def story(world: World) -> None:
        id_ = await contained(world)
        world.directory.deleted = True
        preview = await world.instance().preview_undo(id_, ORDER)
        await world.instance().undo(id_, ORDER)
        await world.work_queue(world.instance(), timedelta(minutes=2))
        stopped = [*(await world.chain()).all(UndoStopped)]
        world.directory.deleted = False
        await world.instance().undo(id_, ORDER)
        await world.work_queue(world.instance())

        assert ["soft-deleted" in str(step.not_known) for step in preview.steps] == [True] * 3
        assert [each.outcome for each in stopped] == ["soft-deleted"] * 3
        assert "restore-application" in stopped[0].todo
        assert await world.status() is Status.RELEASED
        assert world.directory.state.enabled

    play(story, payroll(application=[password(1)]))


def test_a_signal_that_joined_the_containment_keeps_nobody_from_undoing_it() -> None:
    """What stands has answered it; whoever undoes that has seen it, and it does not contain again behind his back."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(seconds=30))
        await world.hear_of_leak(responder, 2)
        await world.work_queue(responder, timedelta(minutes=3))
        await responder.undo((await world.chain()).incident, ORDER)
        await world.work_queue(responder)

        assert world.directory.state.enabled
        assert await world.status() is Status.RELEASED

    play(story, payroll(application=[password(1)]))


def test_a_signal_that_nobody_has_looked_at_keeps_an_undo_back_for_that_moment() -> None:
    """It was not there when the person looked; once the containment was looked at again, the order is taken."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(seconds=30))
        chain = await world.chain()
        joined = chain.last(SignalJoined)
        assert joined is not None
        await chain.write(joined.model_copy(update={"record_id": "another"}))
        with pytest.raises(RequestConflicts, match="not decided on yet"):
            await responder.undo(chain.incident, ORDER)
        await responder.work({"incident": chain.incident, "because": "signal"})
        await responder.undo(chain.incident, ORDER)

        assert await world.status() is Status.RELEASING

    play(story, payroll(application=[password(1)]))


CUSTODY = """
version: 1
rules:
  - name: leaked-credential
    when: {risk-detection: {types: [leakedCredentials], levels: [medium, high]}}
    verdict: contain
    actions: [block-sign-in, custody]
"""


def test_the_lock_that_custody_put_on_stays_off_once_it_is_taken_back() -> None:
    """Credentials that went later found the lock on, which was Cordon's own: to put it back would undo the undo."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=2))
        id_ = (await world.chain()).incident
        more = tuple(ActionChoice(name, {}) for name in ("block-sign-in", "custody", "replace-credentials"))
        await responder.order(Order(IdentityRef(PAYROLL), "to be sure", "Ada", more, None, "order-1"))
        await world.work_queue(world.instance())
        locked = world.directory.state.instance_lock
        await world.instance().undo(id_, ORDER)
        await world.work_queue(world.instance())

        assert locked is not None
        assert locked["isEnabled"] is True
        assert not world.directory.state.holders[1].passwords
        assert not (world.directory.state.instance_lock or {}).get("isEnabled")
        assert await world.status() is Status.RELEASED

    play(story, payroll(principal=[password(5), certificate(6)]), policy=CUSTODY)
