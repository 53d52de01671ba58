"""A person calls a rotation off: what was made is stored still, and only an order that lets the identity in does it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.chain import Chain
from shared.entries import Closed, Planned, RotationEnded, SecretDone, SecretStopped, UndoOrdered, WorkStarted
from shared.errors import Throttled, Unreachable
from shared.estate import SecretRef
from shared.report.model import SecretTold
from shared.responder import Responder
from tests.fakes import START, Crash
from tests.rotation.killing import Killer, with_killer
from tests.rotation.test_no_room import CONN, PASSWORD, sql_secret
from tests.rotation.test_told import told
from tests.rotation.world import RotationWorld, play, policy

ALL = policy(ask="[]", single_credential="break")
BESIDE = ALL.replace("[block-sign-in,", "[block-sign-in, custody,")
OTHER = SecretRef("shop", "other")
UNDONE = "a person has ordered the undo of 1-block-sign-in"
MINUTE = timedelta(minutes=1)
FAULTS = {
    "throttled": lambda: Throttled("storing a new version", MINUTE),
    "down": lambda: Unreachable("storing a new version", "503"),
}

CallsOff = Callable[[RotationWorld, Responder], Awaitable[None]]


async def undo(world: RotationWorld, responder: Responder, *steps: str) -> None:
    chain = await world.chain()
    named = tuple(s.id for plan in chain.all(Planned) for s in plan.steps if s.action in steps) if steps else None
    await responder.undo(chain.incident, UndoOrdered(by="ana", reason="a drill of ours", steps=named))


async def dismiss(world: RotationWorld, responder: Responder) -> None:
    chain = await world.chain()
    await chain.write(Closed(outcome="dismissed", reason="dismissed by ana: a drill of ours"))


def stores_nothing(world: RotationWorld, fault: str, until: timedelta) -> None:
    """No vault takes a new version until then."""

    def refuse(name: str) -> None:
        if name == "publish" and world.clock() < START + until:
            raise FAULTS[fault]()

    world.writes.before = refuse


async def with_password_in_hand(world: RotationWorld, fault: str = "throttled", lasts: timedelta = 3 * MINUTE) -> None:
    """A new password is set, and its vault does not take it for a while."""
    sql_secret(world)
    stores_nothing(world, fault, lasts)
    responder = world.instance()
    await world.hear_of_leak(responder)
    await world.work_queue(responder, timedelta(seconds=20))
    assert not world.is_alive(PASSWORD)


def opens(world: RotationWorld) -> str:
    """The password that the server takes now."""
    (value,) = (value for source in world.sources.held.values() for value, _ in source.keys.values())
    return value


async def only_secret(world: RotationWorld) -> SecretTold:
    _, report = await told(world, world.instance())
    assert report.secrets is not None
    (secret,) = report.secrets.secrets
    return secret


def taken_in_hand(chain: Chain) -> int:
    return sum(1 for _ in chain.all(WorkStarted))


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call_off", [undo, dismiss])
def test_a_password_that_waits_to_be_stored_is_stored_though_a_person_calls_it_off(
    fault: str, call_off: CallsOff
) -> None:
    """Without it everybody is locked out. Nothing else is done: what was exposed stays enabled in the vault."""

    async def story(world: RotationWorld) -> None:
        await with_password_in_hand(world, fault)
        responder = world.instance()
        await call_off(world, responder)
        await world.work_queue(responder)
        chain, secret = await world.secrets_chain(), await only_secret(world)
        ended, by = chain.last(RotationEnded), "undone on a person's order" if call_off is undo else "dismissed by ana"

        assert world.enabled(CONN) == [PASSWORD, opens(world)]
        assert [each.stage for each in chain.all(SecretDone)] == ["made", "published"]
        assert ended is not None
        assert not ended.whole
        assert by in ended.reason
        assert secret.state == "left"
        assert str(secret.open).startswith("its source took a new password, which the vault holds;")
        assert taken_in_hand(chain) < 8

    play(story, text=ALL)


def test_a_rotation_that_is_called_off_while_it_is_worked_goes_on_storing() -> None:
    """Another secret notices the order, in the very slice in which the password waits."""

    async def story(world: RotationWorld) -> None:
        sql_secret(world)
        world.storage_secret(OTHER, "acct01", read=True)
        stores_nothing(world, "throttled", 3 * MINUTE)
        stores = world.writes.before

        def refuse(name: str) -> None:
            stores(name)
            if name.startswith("regenerate") and world.clock() < START + timedelta(seconds=40):
                raise FAULTS["down"]()

        world.writes.before = refuse
        responder = world.instance()
        await world.hear_of_leak(responder)

        async def order() -> None:
            await asyncio.sleep(5)
            await undo(world, world.instance("two"))

        await asyncio.gather(world.work_queue(responder), order())

        password = world.sources.held[next(each for each in world.sources.held if "sql" in each)].keys["administrator"]
        assert password[0] in world.enabled(CONN)
        assert world.enabled(OTHER) == [world.vaults.held[OTHER][0][1]]
        assert world.is_alive(world.vaults.held[OTHER][0][1])
        assert not [each for each in world.writes.done if each.startswith("regenerate")]

    play(story, text=ALL)


def test_where_it_is_never_taken_the_rotation_ends_and_says_so() -> None:
    """It is given up after half an hour, as ever, and tried seldom until then."""

    async def story(world: RotationWorld) -> None:
        await with_password_in_hand(world, lasts=timedelta(days=1))
        responder = world.instance()
        await undo(world, responder)
        await world.work_queue(responder, timedelta(hours=12))
        chain, secret = await world.secrets_chain(), await only_secret(world)
        stopped, ended = chain.last(SecretStopped), chain.last(RotationEnded)

        assert stopped is not None
        assert "whoever uses it is locked out" in stopped.reason
        assert ended is not None
        assert str(secret.open).startswith("its source took a new password that is in no vault")
        assert chain.records[-1].time < START + timedelta(minutes=40)
        assert taken_in_hand(chain) < 40
        assert await world.store.queue.next_due() is None

    play(story, text=ALL)


def test_the_stop_switch_keeps_a_password_from_being_stored_until_it_is_released() -> None:
    async def story(world: RotationWorld) -> None:
        await with_password_in_hand(world)
        responder = world.instance()
        await undo(world, responder)
        world.switch.reason = "somebody looks"
        done = list(world.writes.done)
        await world.work_queue(responder, timedelta(hours=1))

        assert world.writes.done == done
        assert (await world.secrets_chain()).last(RotationEnded) is None

        world.switch.reason = None
        await world.work_queue(responder)

        assert opens(world) in world.enabled(CONN)
        assert (await world.secrets_chain()).last(RotationEnded) is not None

    play(story, text=ALL)


def test_where_cordon_may_change_nothing_any_more_it_is_left_to_a_person() -> None:
    async def story(world: RotationWorld) -> None:
        await with_password_in_hand(world)
        await undo(world, world.instance())
        watching = replace(world, mode="watch")
        done = list(world.writes.done)
        await world.work_queue(watching.instance("two"))
        secret = await only_secret(world)

        assert world.writes.done == done
        assert (await world.secrets_chain()).last(RotationEnded) is not None
        assert str(secret.open).startswith("its source took a new password that is in no vault; with a person")

    play(story, text=ALL)


@pytest.mark.parametrize("moment", range(1, 40))
def test_whoever_stores_it_may_be_killed_at_any_moment(moment: int) -> None:
    """Another one stores it: that it is called off does not make anything be lost."""

    async def story(world: RotationWorld) -> None:
        await with_password_in_hand(world, lasts=timedelta(seconds=70))
        stores = world.writes.before
        await undo(world, world.instance())
        killer = Killer(moment)
        world = with_killer(world, killer)
        dies = world.writes.before

        def refuse(name: str) -> None:
            dies(name)
            stores(name)

        world.writes.before = refuse
        for name in ("two", "three"):
            with suppress(Crash):
                await world.work_queue(world.instance(name))
            killer.revive()

        assert killer.died_at
        assert opens(world) in world.enabled(CONN)
        assert (await world.secrets_chain()).last(RotationEnded) is not None
        assert await world.store.queue.next_due() is None

    play(story, text=ALL)


def test_another_secret_with_the_same_password_gets_it_as_well() -> None:
    """Its readers hold what died when the password was set for the other one."""

    async def story(world: RotationWorld) -> None:
        seen = sql_secret(world)
        server = next(iter(world.sources.held.values()))
        server.tags["cordon-secret"] = "shop/conn shop/other"
        world.secret(OTHER, PASSWORD, read=True, tags=dict(seen.tags))
        stores_nothing(world, "throttled", 3 * MINUTE)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(seconds=20))
        await undo(world, responder)
        await world.work_queue(responder)

        assert opens(world) in world.enabled(CONN)
        assert opens(world) in world.enabled(OTHER)
        assert (await world.secrets_chain()).last(RotationEnded) is not None

    play(story, text=ALL)


def test_a_key_that_waits_to_be_stored_is_stored_and_the_exposed_one_lives_on() -> None:
    """Where a source has two, nobody is locked out by calling it off."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(CONN, "acct01", read=True)
        exposed = world.vaults.held[CONN][0][1]
        stores_nothing(world, "throttled", 3 * MINUTE)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(seconds=20))
        await undo(world, responder)
        await world.work_queue(responder)

        assert world.writes.done == ["regenerate key2", "publish"]
        assert world.is_alive(exposed)
        assert exposed in world.enabled(CONN)

    play(story, text=ALL)


@pytest.mark.parametrize("tells_times", [True, False])
def test_a_secret_whose_key_was_made_new_for_another_one_gets_it_as_well(tells_times: bool) -> None:
    """It holds the account's second key, which died when that was made new: nobody is left on a dead one."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(CONN, "acct01", "key1", read=True)
        world.storage_secret(OTHER, "acct01", "key2", read=True)
        (account,) = world.sources.held.values()
        account.tells_times = tells_times
        exposed = world.vaults.held[CONN][0][1]
        stores_nothing(world, "throttled", 3 * MINUTE)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(seconds=20))
        await undo(world, responder)
        await world.work_queue(responder)

        assert world.writes.done == ["regenerate key2", "publish", "publish"]
        assert world.is_alive(exposed)
        assert world.is_alive(world.enabled(OTHER)[-1])
        assert (await world.secrets_chain()).last(RotationEnded) is not None

    play(story, text=ALL)


@pytest.mark.parametrize("undone", [("custody",), ("block-sign-in",), ("block-sign-in", "custody"), ()])
def test_only_an_order_that_lets_the_identity_in_again_calls_the_rotation_off(undone: tuple[str, ...]) -> None:
    """Whoever takes back that its owners were watched leaves it compromised: what it read has to die all the same."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(CONN, "acct01", read=True)
        exposed = world.vaults.held[CONN][0][1]
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, 3 * MINUTE)
        await undo(world, responder, *undone)
        await world.work_queue(responder, timedelta(hours=12))
        ended = (await world.secrets_chain()).last(RotationEnded)
        why = "the incident is undone on a person's order" if not undone else UNDONE

        assert ended is not None
        assert ended.reason == ("1 rotated" if undone == ("custody",) else why)
        assert ended.whole is (undone == ("custody",))
        assert world.is_alive(exposed) is (undone != ("custody",))
        assert world.directory.state.enabled is (undone != ("custody",))

    play(story, text=BESIDE)


def test_an_order_for_more_steps_after_that_calls_it_off() -> None:
    """The newest order is not all that counts, nor the oldest."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(CONN, "acct01", read=True)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, 3 * MINUTE)
        await undo(world, responder, "custody")
        await world.work_queue(responder, 3 * MINUTE)
        await undo(world, responder, "block-sign-in")
        await world.work_queue(responder, timedelta(hours=12))
        ended = (await world.secrets_chain()).last(RotationEnded)

        assert ended is not None
        assert ended.reason == UNDONE
        assert world.is_alive(world.vaults.held[CONN][0][1])

    play(story, text=BESIDE)
