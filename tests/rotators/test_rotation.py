"""What every rotator keeps: one new credential, the exposed one dead, whatever line the process is killed on."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from shared.actions.interface import Proof
from shared.case import CouldNotLook
from shared.errors import CannotBeRead, OutcomeUnknown, TimeMayHelp, Unreachable
from shared.estate import OPERATION_TAG
from shared.rotators import rotator_named
from shared.rotators.interface import Minted
from tests.fakes import Crash
from tests.rotators.estate import Rounds, World, begin
from tests.rotators.kinds import KINDS, Kind, best_proof

pytestmark = pytest.mark.anyio

UNTIMED = ("service-bus-key", "event-hub-key", "redis-key")
VAULT_IS_THE_SOURCE = ("key-vault-certificate", "generated-value")
PARAMETERS = pytest.mark.parametrize("kind", KINDS, ids=lambda each: each.rotator)


async def exposed(kind: Kind) -> tuple[World, Rounds, str]:
    """A world with one exposed secret of this kind, its job, and the exposed value."""
    world = World()
    secret = kind.set_up(world)
    rounds = await begin(world, secret)
    return world, rounds, world.newest()[1]


def opens(kind: Kind, world: World, value: str) -> bool:
    """Whether a value opens the source now."""
    return any(live in value for live in kind.live(world))


def check_rotated(kind: Kind, world: World, rounds: Rounds, old: str) -> None:
    """One new version that works, the exposed value dead, and no value where people look."""
    (version,) = world.ours()
    assert world.newest()[0] == version
    assert version.enabled
    assert opens(kind, world, world.newest()[1])
    assert not opens(kind, world, old)
    assert not [value for value in world.values if value in f"{rounds.visible()} {world.topic.events}"]


@PARAMETERS
async def test_the_exposed_value_opens_nothing_and_the_new_one_does(kind: Kind) -> None:
    """The whole way of one secret, and the proof of it."""
    world, rounds, old = await exposed(kind)

    before = await rounds.before()
    minted = await rounds.make()
    assert isinstance(minted, Minted)
    await rounds.publish(minted)
    if kind.rotator in VAULT_IS_THE_SOURCE or rounds.rotator.keys == "two":
        assert opens(kind, world, old), "nobody may break before the grace is over"
        assert (await rounds.verify()).answer == "not-held"
    await rounds.retire()
    proof = await rounds.verify()

    assert rounds.rotator.name == kind.rotator
    assert "delegated" not in before
    assert proof.answer == best_proof(kind.rotator), proof
    check_rotated(kind, world, rounds, old)


@PARAMETERS
async def test_a_connection_string_stays_one(kind: Kind) -> None:
    """Only the credential in it is another."""
    world, rounds, old = await exposed(kind)
    await rounds.whole()

    new = world.newest()[1]
    before, _, behind = kind.form.partition("{}")
    assert new != old
    assert new.startswith(before)
    assert new.endswith(behind)


async def count_writes(kind: Kind) -> int:
    world, rounds, _ = await exposed(kind)
    await rounds.whole()
    return len(world.writes.done)


def dies_at(number: int, when: str) -> tuple[Callable[[str], None], Callable[[str], None]]:
    """Hooks that kill the process before or after the write of this number."""
    seen = iter(range(1, 100))

    def die(_: str) -> None:
        if next(seen) == number:
            raise Crash

    def go_on(_: str) -> None: ...

    return (die, go_on) if when == "before" else (go_on, die)


@pytest.mark.parametrize("when", ["before", "after"])
@PARAMETERS
async def test_killed_at_any_write_the_next_run_finishes_with_one_new_credential(kind: Kind, when: str) -> None:
    """Before and after each write: what was made is found again, or removed because its value is lost."""
    for number in range(1, await count_writes(kind) + 1):
        world, rounds, old = await exposed(kind)
        world.writes.before, world.writes.after = dies_at(number, when)
        with pytest.raises(Crash):
            await rounds.whole()
        proof = await rounds.whole()

        assert proof.answer == best_proof(kind.rotator), (number, proof)
        check_rotated(kind, world, rounds, old)
        check_nothing_is_left_over(kind, world)
        if kind.rotator not in UNTIMED:
            made = [name for name in world.writes.done if name.startswith("regenerate")]
            assert len(made) == len(set(made)), f"no key was made new twice: {made}"


def check_nothing_is_left_over(kind: Kind, world: World) -> None:
    """Of a client secret that nobody has there is no trace."""
    if kind.rotator == "entra-client-secret":
        named = [
            p for held in world.directory.state.holders for p in held.passwords if "cordon-" in str(p.display_name)
        ]
        assert len(named) == 1


@PARAMETERS
async def test_an_answer_that_was_lost_is_no_second_credential(kind: Kind) -> None:
    """Each write in turn is carried out, and its answer lost: the next attempt goes on from what is there."""
    for number in range(1, await count_writes(kind) + 1):
        world, rounds, old = await exposed(kind)
        world.writes.after = loses_answer(number)
        proof = await until_done(rounds.whole)

        assert proof.answer == best_proof(kind.rotator), (number, proof)
        check_rotated(kind, world, rounds, old)
        regenerated = [name for name in world.writes.done if name.startswith("regenerate")]
        assert len(regenerated) == len(set(regenerated))


def loses_answer(number: int) -> Callable[[str], None]:
    seen = iter(range(1, 100))

    def lose(name: str) -> None:
        if next(seen) == number:
            raise OutcomeUnknown(name, "no answer")

    return lose


async def until_done(run: Callable[[], Awaitable[Proof]]) -> Proof:
    """As the engine does: later again, as long as time may help."""
    for _ in range(3):
        try:
            return await run()
        except TimeMayHelp:
            continue
    raise AssertionError("it does not come to an end")


@PARAMETERS
async def test_retiring_twice_is_retiring_once(kind: Kind) -> None:
    """A second look at what is dead already changes nothing."""
    world, rounds, _ = await exposed(kind)
    await rounds.whole()
    writes = list(world.writes.done)
    again = await rounds.retire()

    assert world.writes.done == writes
    assert {each.outcome for each in again.writes} <= {"already"}


@PARAMETERS
async def test_a_second_round_of_the_same_secret_makes_another(kind: Kind) -> None:
    """What was read again while it was being rotated is rotated again: nothing of the first round is taken for it."""
    world, first, old = await exposed(kind)
    await first.whole()
    world.clock.forward(minutes=20)
    newest, second_value = world.newest()
    second = await begin(world, newest, str(newest.version), operation=f"{first.job.operation}/2")
    proof = await second.whole()

    assert proof.answer == best_proof(kind.rotator), proof
    assert not opens(kind, world, old)
    assert not opens(kind, world, second_value)
    assert opens(kind, world, world.newest()[1])
    assert [version.tags[OPERATION_TAG] for version in world.ours()] == [first.job.operation, second.job.operation]


@PARAMETERS
async def test_a_secret_of_an_unreadable_vault_is_not_taken_for_one_without_versions(kind: Kind) -> None:
    """No list is no empty list: nothing is made, and the error says who can help."""
    for may_help, error in ((True, Unreachable), (False, CannotBeRead)):
        world, rounds, _ = await exposed(kind)
        world.vaults.unreadable = CouldNotLook("the firewall", may_help_later=may_help)
        with pytest.raises(error):
            await rounds.whole()
        assert world.writes.done == []


async def test_a_tag_can_leave_any_secret_to_its_owner() -> None:
    """`cordon-rotator: delegated` stands above what the other tags say."""
    for kind in KINDS:
        world = World()
        secret = kind.set_up(world)
        chosen = replace(secret, tags={**secret.tags, "cordon-rotator": "delegated"})
        rounds = await begin(world, chosen)

        assert rounds.rotator is rotator_named("delegated"), kind.rotator
