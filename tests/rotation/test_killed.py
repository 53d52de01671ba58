"""Killed at any moment, another instance finishes the rotation: one new credential a secret, the exposed one dead."""

import pytest

from shared.entries import RotationEnded
from shared.estate import SecretRef
from tests.rotation.checker import faults
from tests.rotation.killing import Killer, play_with_deaths, with_killer
from tests.rotation.world import RotationWorld, play, policy

ALL = policy(ask="[]")


def three_tiers(world: RotationWorld) -> None:
    """One secret of each tier, two of them from one storage account."""
    world.storage_secret(SecretRef("shop", "conn"), "acct01", read=True)
    world.storage_secret(SecretRef("shop", "copy"), "acct01")
    world.generated_secret(SecretRef("attic", "token"))


def killed_at(moment: int | None) -> tuple[Killer, list[str]]:
    killer = Killer(moment)

    async def story(world: RotationWorld) -> tuple[Killer, list[str]]:
        three_tiers(world)
        world = with_killer(world, killer)
        await play_with_deaths(world, killer)
        ended = (await world.secrets_chain()).last(RotationEnded)
        found = await faults(world)
        made_new = [name for name in world.writes.done if name.startswith("regenerate")]
        if sorted(made_new) != ["regenerate key1", "regenerate key2"]:
            found.append(f"keys were made new: {made_new}")
        if ended is None or not ended.whole:
            found.append(f"it ended as {ended}")
        return killer, found

    return play(story, text=ALL)


MOMENTS = killed_at(None)[0].seen


def test_undisturbed_all_is_well() -> None:
    """The checker finds nothing where nobody is killed."""
    killer, found = killed_at(None)

    assert killer.seen > 50
    assert found == []


@pytest.mark.parametrize("moment", range(1, MOMENTS + 1, 3))
def test_killed_at_any_moment_it_comes_to_the_same_end(moment: int) -> None:
    """Each third moment around appends and writes: another instance goes on, nothing is made twice or left alive."""
    killer, found = killed_at(moment)

    assert killer.died_at
    assert found == []
