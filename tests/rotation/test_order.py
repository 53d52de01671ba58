"""Nothing of a lower tier is touched while anything of a higher one could go on, whatever happens to it."""

from collections.abc import Callable
from datetime import datetime, timedelta

from shared.entries import Planned, RotationApproved, RotationEnded, RotationHeld, SecretFailed, SecretStopped
from shared.errors import PlatformRefused, Throttled, Unreachable
from shared.estate import SecretRef
from shared.incident import Status
from shared.journal import IncidentId
from tests.fakes import START
from tests.rotation.checker import faults
from tests.rotation.world import RotationWorld, play, policy

READ, BESIDE, REACHED = SecretRef("shop", "conn"), SecretRef("shop", "beside"), SecretRef("attic", "token")
ALL = policy(ask="[]")


def three_tiers(world: RotationWorld) -> None:
    world.storage_secret(READ, "acct01", read=True)
    world.storage_secret(BESIDE, "acct02")
    world.storage_secret(REACHED, "acct03")


def trouble(world: RotationWorld, error: Callable[[], Exception], until: datetime | None = None) -> None:
    """Storing a version of the secret that was read fails, for a while or for good."""
    plain = world.vaults.touch

    def touch(what: str, name: str) -> None:
        if (what, name) == ("publish", "shop/conn") and (until is None or world.clock() < until):
            raise error()
        plain(what, name)

    world.vaults.touch = touch


def touched(world: RotationWorld, name: str) -> list[datetime]:
    return [at for at, _, each in world.touched if each.endswith(name)]


async def whole(world: RotationWorld, until: timedelta = timedelta(hours=3)) -> RotationEnded | None:
    responder = world.instance()
    await world.hear_of_leak(responder)
    await world.work_queue(responder, until)
    return (await world.secrets_chain()).last(RotationEnded)


def test_a_throttled_secret_of_the_first_tier_keeps_the_others_waiting() -> None:
    """For ten minutes the vault is busy; nothing else is begun, and then all goes on in order."""

    async def story(world: RotationWorld) -> None:
        three_tiers(world)
        over = START + timedelta(minutes=10)
        trouble(world, lambda: Throttled("storing", timedelta(seconds=20)), over)
        ended = await whole(world)

        assert ended is not None
        assert ended.whole
        assert min(touched(world, "acct02") + touched(world, "acct03")) >= over
        assert await faults(world) == []
        failed = list((await world.secrets_chain()).all(SecretFailed))
        assert len(failed) == 1

    play(story, text=ALL)


def test_what_fails_for_half_an_hour_is_left_to_a_person_and_then_the_others_go_on() -> None:
    """Given up by name, with what state things are in; the rotation does not end whole."""

    async def story(world: RotationWorld) -> None:
        three_tiers(world)
        trouble(world, lambda: Unreachable("storing", "503"))
        ended = await whole(world)
        stopped = (await world.secrets_chain()).last(SecretStopped, "shop/conn")

        assert stopped is not None
        assert (stopped.outcome, stopped.stage) == ("budget-spent", "published")
        assert min(touched(world, "acct02")) >= START + timedelta(minutes=30)
        assert ended is not None
        assert (ended.whole, ended.counts) == (False, {"rotated": 2, "stopped": 1})
        assert await world.status() is Status.NEEDS_ATTENTION

    play(story, text=ALL)


def test_a_refusal_stops_one_secret_and_no_other_waits_for_it() -> None:
    """A person must mend it: it could not go on, so that the lower tiers may."""

    async def story(world: RotationWorld) -> None:
        three_tiers(world)
        trouble(world, lambda: PlatformRefused(doing="storing", code="ForbiddenByFirewall", why="not from here."))
        ended = await whole(world)

        assert ended is not None
        assert ended.counts == {"rotated": 2, "stopped": 1}
        assert min(touched(world, "acct02")) < START + timedelta(minutes=1)

    play(story, text=ALL)


def test_when_a_grace_ends_the_lower_tier_stops_between_two_effects() -> None:
    """Slow vaults, a short grace, sixty secrets beside: the exposed key dies on time, before more of them is done."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(READ, "acct01", read=True)
        for number in range(60):
            world.storage_secret(SecretRef("shop", f"b{number:02d}"), f"beside{number:02d}")
        ended = await whole(world)
        (published,) = [at for at, what, name in world.touched if (what, name) == ("publish", "shop/conn")]
        (died,) = [at for at, what, name in world.touched if what == "regenerate key1" and name.endswith("acct01")]

        assert ended is not None
        assert ended.whole
        assert died - published < timedelta(minutes=1, seconds=30)
        assert await faults(world, grace=timedelta(minutes=1)) == []

    play(story, text=policy(ask="[]", grace="PT1M"), latency=5.0)


def test_the_third_tier_waits_for_a_person_and_goes_on_with_his_word() -> None:
    """Tier 3 asks by default; the answer is bound to the plan's hash, and lets go what that plan holds."""

    async def story(world: RotationWorld) -> None:
        three_tiers(world)
        assert await whole(world) is None
        assert touched(world, "acct03") == []
        assert await world.status() is Status.AWAITING_APPROVAL

        chain = await world.secrets_chain()
        held = chain.last(RotationHeld)
        assert held is not None
        assert held.plan_hash is not None
        await chain.write(RotationApproved(plan_hash="another", tiers=(3,), by="ana", reason="mistaken"))
        await go_on(world)
        assert touched(world, "acct03") == []

        chain = await world.secrets_chain()
        await chain.write(RotationApproved(plan_hash=held.plan_hash, tiers=(3,), by="ana", reason="seen"))
        await go_on(world)

        ended = (await world.secrets_chain()).last(RotationEnded)
        assert ended is not None
        assert ended.whole
        assert await world.status() is Status.CONTAINED
        assert await faults(world) == []

    play(story)


def test_what_a_person_declines_is_given_up_and_ends_the_waiting() -> None:
    """Each secret of the tier is stopped by name; the rotation ends, and not whole."""

    async def story(world: RotationWorld) -> None:
        three_tiers(world)
        await whole(world)
        chain = await world.secrets_chain()
        declined = SecretStopped(outcome="declined", reason="declined by ana", todo="Let it die by hand.")
        await chain.write(declined, step="attic/token")
        await go_on(world)

        ended = (await world.secrets_chain()).last(RotationEnded)
        assert ended is not None
        assert (ended.whole, ended.counts) == (False, {"rotated": 2, "stopped": 1})
        assert touched(world, "acct03") == []

    play(story)


def test_in_mode_ask_nothing_is_touched_before_a_person_has_seen_the_secrets() -> None:
    """The approval of the containment is none of a list that nobody has seen yet."""

    async def story(world: RotationWorld) -> None:
        three_tiers(world)
        responder = world.instance()
        await world.hear_of_leak(responder)
        chain = await world.chain()
        plan = chain.last(Planned)
        assert plan is not None
        await responder.approve(chain.incident, plan.hash, approved=True, reason="seen", by="ana")
        await world.work_queue(responder)

        assert not world.directory.state.enabled
        assert world.touched == []
        tiers = {held.tier for held in (await world.secrets_chain()).all(RotationHeld)}
        assert tiers == {1, 2, 3}
        assert await world.status() is Status.AWAITING_APPROVAL

    play(story, text=ALL, mode="ask")


async def go_on(world: RotationWorld) -> None:
    """The message of a person's answer is worked."""
    incident: IncidentId = (await world.chain()).incident
    await world.store.queue.send({"incident": incident, "because": "rotation"})
    await world.work_queue(world.instance())


def test_over_the_limit_nothing_of_a_tier_is_touched_until_a_person_confirms() -> None:
    """Three were read, two an hour are allowed: none of the three is begun; the confirmed ones are counted."""

    async def story(world: RotationWorld) -> None:
        for number in range(3):
            world.storage_secret(SecretRef("shop", f"s{number}"), f"acct0{number}", read=True)
        await whole(world)
        held = (await world.secrets_chain()).last(RotationHeld)

        assert world.touched == []
        assert held is not None
        assert (held.by, held.secrets) == ("limits", 3)
        assert await world.status() is Status.AWAITING_APPROVAL

        chain = await world.secrets_chain()
        await chain.write(RotationApproved(plan_hash=held.plan_hash or "", tiers=(1,), by="ana", reason="seen"))
        await go_on(world)

        assert await faults(world) == []
        assert await world.status() is Status.CONTAINED

    play(story, text=ALL.replace("5000", "2"))
