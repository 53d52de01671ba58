"""Several secrets of one source: what was made for one of them goes to those whom it serves, and to no others."""

from dataclasses import replace

from shared.entries import RotationEnded
from shared.estate import SecretRef
from tests.fakes import PAYROLL_CLIENT, password, payroll, value_of
from tests.rotation.checker import faults
from tests.rotation.world import RotationWorld, play, policy
from tests.rotators.kinds import ALL_FOUR, COSMOS

ALL = policy(ask="[]")


async def rotated(world: RotationWorld) -> RotationEnded | None:
    responder = world.instance()
    await world.hear_of_leak(responder)
    await world.work_queue(responder)
    return (await world.secrets_chain()).last(RotationEnded)


def test_nobody_is_left_on_a_dead_key_where_an_account_has_keys_of_two_sorts() -> None:
    """Two may write and two only read: of each sort one is made new, once, whoever of the four comes first."""

    async def story(world: RotationWorld) -> None:
        source = world.sources.has(COSMOS, *ALL_FOUR)
        for name, key in zip("abcd", ("primary", "primaryreadonly", "primaryreadonly", "primary"), strict=True):
            tags = {"ProviderAddress": COSMOS, "CredentialId": key}
            world.secret(SecretRef("shop", name), source.keys[key][0], read=True, tags=tags)
        ended = await rotated(world)

        assert ended is not None
        assert ended.whole
        assert await faults(world) == []
        assert sorted(each for each in world.writes.done if each.startswith("regenerate")) == [
            f"regenerate {key}" for key in sorted(ALL_FOUR)
        ]

    play(story, text=ALL)


def test_a_secret_that_was_dead_already_gives_nothing_to_another_of_its_application() -> None:
    """Nothing was made for it. The other one gets a living client secret of its own, and both end proven."""
    old, new = SecretRef("shop", "a-old"), SecretRef("shop", "b-new")

    async def story(world: RotationWorld) -> None:
        state = payroll(application=[password(2)])
        assert state.application is not None
        wanted = ("cordon-secret:shop/a-old", "cordon-secret:shop/b-new")
        world.directory.state = replace(state, application=replace(state.application, tags=wanted))
        for ref, held in ((old, password(1)), (new, password(2))):
            tags = {"ProviderAddress": PAYROLL_CLIENT, "CredentialId": held.key_id}
            world.secret(ref, value_of(held), read=True, tags=tags)
        ended = await rotated(world)
        living = {value_of(each) for holder in world.directory.state.holders for each in holder.passwords}

        assert len(living) == 1
        assert world.enabled(new) == [*living]
        assert world.made(old) == []
        assert ended is not None
        assert (ended.whole, ended.counts) == (True, {"rotated": 2})

    play(story, text=ALL)


def test_a_secret_with_the_other_key_is_not_left_on_a_dead_one_where_the_policy_leaves_its_tier_alone() -> None:
    """Its key is made new for the one that was read, so that it gets it as well; what has another source stays."""
    copy, far = SecretRef("attic", "copy"), SecretRef("attic", "far")

    async def story(world: RotationWorld) -> None:
        world.storage_secret(SecretRef("shop", "conn"), "acct01", "key1", read=True)
        world.storage_secret(copy, "acct01", "key2")
        before = world.storage_secret(far, "acct02")
        ended = await rotated(world)
        newest, value = world.vaults.held[copy][-1]

        assert newest.enabled
        assert world.is_alive(value)
        assert world.vaults.held[far][-1][0] == before
        assert ended is not None
        assert ended.whole
        assert ended.reason.endswith("does not name their tier: 1 of tier 3")

    play(story, text=policy(tiers="[1]", ask="[]"))
