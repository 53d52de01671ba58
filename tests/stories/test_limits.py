"""Limits: what may be done in an hour, and what happens to a batch that is over."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.actions.interface import Tier
from shared.entries import HeldBack
from shared.errors import Unreachable
from shared.identity import ClientId, IdentityRef, PrincipalId
from shared.incident import Status, status_of
from shared.journal import IncidentId
from shared.limits import BURST, MOST_KEPT, Allowed, Batch, Deed, Over, Spent, Window, judge, spend
from shared.muster import Muster, claimed, may_contain
from shared.policy import ActionLimits, Limits, read_policy
from shared.reservations import WindowUnreadable, as_body, read_window
from shared.signal import Signal
from tests.fakes import PAYROLL, START, password, payroll
from tests.faults.attacks import hooked
from tests.stories.world import POLICY, World, play

STATE = payroll(application=[password(1)])
LIMITS = Limits(identities_per_hour=2, percent_of_enabled_per_hour=2)
ROOMY = Limits(identities_per_hour=100, percent_of_enabled_per_hour=100, actions_per_hour=ActionLimits(credentials=3))


def _spent(name: str, *deeds: Deed, minutes_ago: float = 0) -> Spent:
    return Spent(name, START - timedelta(minutes=minutes_ago), frozenset(deeds))


def _cut(name: str) -> Deed:
    return Deed(Tier.CREDENTIALS, name)


def _batch(*names: str) -> Batch:
    return Batch(frozenset(names))


def test_the_window_slides() -> None:
    """What is an hour old no longer counts; the same identity counts once."""
    old, recent = _spent("a", minutes_ago=60), _spent("b", minutes_ago=59)
    full = Window((recent, _spent("d")))

    assert isinstance(judge(LIMITS, Window((old, recent)), _spent("c"), enabled=500, now=START), Allowed)
    assert isinstance(judge(LIMITS, full, _spent("c"), enabled=500, now=START), Over)
    assert isinstance(judge(LIMITS, full, _spent("d"), enabled=500, now=START), Allowed)


def test_a_small_tenant_may_contain_one_and_an_uncounted_one_none() -> None:
    """Two percent of ten is still one; a count that is not known is never a yes."""
    one = Window((_spent("a"),))

    assert isinstance(judge(LIMITS, Window(), _spent("c"), enabled=10, now=START), Allowed)
    assert isinstance(judge(LIMITS, one, _spent("c"), enabled=10, now=START), Over)
    assert isinstance(judge(LIMITS, Window(), _spent("c"), enabled=None, now=START), Over)


def test_actions_are_counted_by_tier() -> None:
    """Deeds of another tier do not count, the same deed again does not either, and one too many is over."""
    done = Window((_spent("a", _cut("1"), _cut("2"), Deed(Tier.REVERSIBLE, "3")),))
    one, two = _spent("b", _cut("4")), _spent("b", _cut("4"), _cut("5"))

    assert isinstance(judge(ROOMY, done, one, enabled=500, now=START), Allowed)
    assert isinstance(judge(ROOMY, done, _spent("a", _cut("2"), _cut("6")), enabled=500, now=START), Allowed)
    over = judge(ROOMY, done, two, enabled=500, now=START)
    assert isinstance(over, Over)
    assert "“credentials”" in over.reason


def test_the_undecided_others_of_a_batch_count_with_their_likely_actions() -> None:
    """Two identities are allowed; the third that is reported together with them holds up the first."""
    assert isinstance(judge(LIMITS, Window(), _spent("a"), batch=_batch("b"), enabled=500, now=START), Allowed)
    assert isinstance(judge(LIMITS, Window(), _spent("a"), batch=_batch("b", "c"), enabled=500, now=START), Over)
    many = judge(ROOMY, Window(), _spent("a", _cut("1"), _cut("2")), batch=_batch("b"), enabled=500, now=START)
    assert isinstance(many, Over)
    assert many.by_batch


def test_a_burst_goes_on_until_nobody_was_held_for_five_minutes() -> None:
    """The last members of a batch find a short list, and the mark that was left before it became short."""
    over = judge(LIMITS, Window(), _spent("a"), batch=_batch("b", "c"), enabled=500, now=START)
    assert isinstance(over, Over)
    assert over.window is not None
    soon, late = START + BURST - timedelta(seconds=1), START + BURST

    assert isinstance(judge(LIMITS, over.window, _spent("c"), enabled=500, now=soon), Over)
    assert isinstance(judge(LIMITS, over.window, _spent("c"), enabled=500, now=late), Allowed)


def test_who_was_let_through_is_finished_whatever_comes_after() -> None:
    """A burst does not stop the second half of what the first half was begun for."""
    begun = spend(Window(), _spent("a", _cut("1")), START).window
    over = judge(LIMITS, begun, _spent("b"), batch=_batch("c", "d"), enabled=500, now=START)
    assert isinstance(over, Over)
    assert over.window is not None

    assert isinstance(judge(LIMITS, over.window, _spent("a", _cut("2")), enabled=500, now=START), Allowed)


def test_the_window_survives_the_store_and_stays_small_enough_for_it() -> None:
    """Read back as written, and never larger than a document may be, whatever people approve."""
    window = Window()
    for number in range(MOST_KEPT + 10):
        deeds = [Deed(tier, f"{number:08x}") for tier in (Tier.REVERSIBLE, Tier.CREDENTIALS, Tier.GRANTS)]
        window = spend(window, _spent(f"10000000-0000-4000-8000-{number:012d}", *deeds), START).window

    assert read_window(as_body(window)) == window
    assert len(window.spent) == MOST_KEPT
    assert len(json.dumps(as_body(window))) < 200_000


@pytest.mark.parametrize("body", [{}, {"spent": None}, {"spent": [{"id": "a"}]}, {"spent": [1]}, {"spent": {"a": 1}}])
def test_a_window_that_cannot_be_understood_is_no_empty_window(body: dict[str, object]) -> None:
    """A damaged record of the last hour never lets more through."""
    with pytest.raises(WindowUnreadable):
        read_window(body)  # pyright: ignore[reportArgumentType]


def test_the_window_of_an_earlier_version_is_understood() -> None:
    """It told neither actions nor bursts."""
    body = {"spent": [{"id": "a", "at": START.isoformat()}]}

    assert read_window(body) == Window((_spent("a"),))  # pyright: ignore[reportArgumentType]


def _told(number: int, level: str) -> Signal:
    facts = {"detectionId": f"d{number}", "riskEventType": "leakedCredentials", "riskLevel": level}
    subject = IdentityRef(PrincipalId(f"10000000-0000-4000-8000-{number:012d}"), ClientId(f"client-{number}"))
    return Signal("risk-detection", f"d{number}", subject, START, "told", {**facts, "riskState": "atRisk"})


def test_only_what_could_lead_to_containment_counts_as_a_batch() -> None:
    """A low risk is noted by this policy, whatever else is found; a hidden level may be anything."""
    policy = read_policy(POLICY, "p", ["block-sign-in", "replace-credentials"])
    answers = {level: may_contain(policy, claimed(_told(1, level), START)) for level in ("low", "high", "hidden")}

    assert answers == {"low": False, "high": True, "hidden": True}


async def _announce(world: World, numbers: Sequence[int], level: str = "high") -> Muster:
    muster = Muster(world.store.documents, world.policy, world.clock)
    await muster.announce([_told(number, level) for number in numbers])
    return muster


def test_a_batch_over_the_limit_is_held_before_its_first_effect_and_said_loudly() -> None:
    """Five others were reported and are not decided: the sixth waits some seconds for them, then for a person."""

    async def story(world: World) -> None:
        await _announce(world, range(2, 7))
        responder, begun = world.instance(), world.clock()
        await world.hear_of_leak(responder)
        held, health = (await world.chain()).last(HeldBack), await responder.health()

        assert world.directory.effects == []
        assert held is not None
        assert held.by == "limits"
        assert "5 others are reported with this one" in held.reason
        assert 15 < (world.clock() - begun).total_seconds() < 30
        assert "Cordon.Incident.AwaitingApproval" in {type_ for type_, _ in world.topic.published}
        assert health.status == "degraded"
        assert any("held back" in problem for problem in health.problems)

    play(story, STATE)


def test_a_single_identity_waits_for_nobody() -> None:
    """Low risks beside it, and a batch that fits, hold it up by no second."""

    async def story(world: World) -> None:
        await _announce(world, range(10, 60), level="low")
        await _announce(world, range(2, 6))
        begun = world.clock()
        times: list[timedelta] = []

        async def note(name: str) -> None:
            if name == "tenant block":
                times.append(world.clock() - begun)

        await world.hear_of_leak(hooked(world, note).instance())

        assert times == [timedelta()]

    play(story, STATE)


def test_others_that_turn_out_harmless_let_the_batch_go_on() -> None:
    """While it waits, one of them is decided otherwise: what is left fits."""

    async def story(world: World) -> None:
        muster = await _announce(world, range(2, 7))

        async def decide_one() -> None:
            await asyncio.sleep(3)
            await muster.settle(["10000000-0000-4000-8000-000000000002"])

        await asyncio.gather(world.hear_of_leak(world.instance()), decide_one())

        assert not world.directory.state.enabled

    play(story, STATE)


def test_who_is_decided_leaves_the_list() -> None:
    """Contained or held: it is nobody's batch any more."""

    async def story(world: World) -> None:
        await world.hear_of_leak(world.instance())
        left = await world.store.documents.query("undecided")

        assert left == ()

    play(story, STATE)


@pytest.mark.parametrize("name", ["get limits", "write insert limits"])
def test_a_store_of_limits_that_does_not_answer_stops_effects(name: str) -> None:
    """Whichever of its calls fails: nothing is done, and it is done once the store answers again."""

    async def story(world: World) -> None:
        broken = True

        async def fail(call: str) -> None:
            if call == name and broken:
                raise Unreachable("reading the limits", "the store does not answer")

        responder = hooked(world, fail).instance()
        await world.hear_of_leak(responder)
        effects = list(world.directory.effects)
        broken = False
        await world.work_queue(responder, timedelta(minutes=5))

        assert effects == []
        assert not world.directory.state.enabled

    play(story, STATE)


def test_a_damaged_window_holds_and_asks() -> None:
    """Nobody can tell what was contained in the last hour, so a person decides."""

    async def story(world: World) -> None:
        await world.store.documents.insert("limits", "identities", {"spent": "?"})
        await world.hear_of_leak(world.instance())

        assert world.directory.effects == []
        assert await world.status() is Status.AWAITING_APPROVAL

    play(story, STATE)


def test_limits_count_by_tier_in_a_story() -> None:
    """A plan with more credential removals than are left is held as a whole: sign-in is not blocked either."""
    policy = POLICY.replace("rules:", "limits: {actions-per-hour: {credentials: 1}}\nrules:")

    async def story(world: World) -> None:
        listed = replace(world, mode="act")
        await listed.hear_of_leak(listed.instance())
        (document,) = await listed.store.documents.query("incidents")
        records = await listed.store.journal.read(IncidentId(str(document.body["incident"])))

        assert listed.directory.effects == []
        assert status_of(records, listed.clock()) is Status.AWAITING_APPROVAL
        assert PAYROLL

    play(story, payroll(application=[password(1)], principal=[password(2)]), policy=policy)


def test_a_count_that_fails_for_a_moment_asks_nobody() -> None:
    """Entra is out of reach for one request: no person is waked up for what the next request answers."""
    failed: list[str] = []

    async def story(world: World) -> None:
        async def fail(name: str) -> None:
            if name == "count" and not failed:
                failed.append(name)
                raise Unreachable("counting the enabled service principals", "503")

        troubled = hooked(world, fail)
        await troubled.hear_of_leak(troubled.instance())
        await troubled.work_queue(troubled.instance())

        assert failed
        assert await world.status() is Status.CONTAINED

    play(story, STATE)


@pytest.mark.parametrize(("hours", "status"), [(23.9, Status.CONTAINED), (24, Status.AWAITING_APPROVAL)])
def test_an_old_count_stands_in_for_a_day_and_no_longer(hours: float, status: Status) -> None:
    """Throttling keeps nobody from being contained; what the tenant's size was last month is not known to be it."""

    async def story(world: World) -> None:
        at = (world.clock() - timedelta(hours=hours)).isoformat()
        await world.store.documents.insert("limits", "enabled", {"at": at, "count": 400})

        async def fail(name: str) -> None:
            if name == "count":
                raise Unreachable("counting the enabled service principals", "503")

        troubled = hooked(world, fail)
        await troubled.hear_of_leak(troubled.instance())
        await troubled.work_queue(troubled.instance())

        assert await world.status() is status

    play(story, STATE)


def test_a_count_that_cannot_be_understood_is_counted_afresh() -> None:
    """A damaged row must not fail every containment from now on."""

    async def story(world: World) -> None:
        await world.store.documents.insert("limits", "enabled", {"at": "yesterday", "count": None})
        await world.hear_of_leak(world.instance())
        kept = await world.store.documents.get("limits", "enabled")

        assert not world.directory.state.enabled
        assert kept is not None
        assert kept.body["count"] == 500

    play(story, STATE)


def test_a_later_signal_of_who_is_contained_holds_up_nobody_else() -> None:
    """It leads to a look and to no decision; counted as undecided for an hour, it was a batch to whoever came next."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=70))
        await world.hear_of_leak(responder, 2)
        await world.work_queue(responder, timedelta(minutes=1))
        muster = Muster(world.store.documents, world.policy, world.clock)

        assert (await muster.others(())).others == frozenset()

    play(story, STATE)
