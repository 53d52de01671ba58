"""Whatever the estate, the troubles and the moment of a death: dead, alive, once, in order, and no value told."""

from dataclasses import dataclass
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.entries import RotationEnded
from shared.errors import OutcomeUnknown, Throttled, Unreachable
from shared.estate import SecretRef
from tests.fakes import START
from tests.rotation.checker import faults
from tests.rotation.killing import Killer, play_with_deaths, with_killer
from tests.rotation.world import RotationWorld, play, policy

_GRACES = {"PT2M": timedelta(minutes=2), "PT15M": timedelta(minutes=15), "PT40M": timedelta(minutes=40)}


@dataclass(frozen=True)
class Given:
    """One secret of an estate: in which vault, of which account (None: generated) and key, and whether it was read."""

    vault: str
    account: str | None
    key: str
    read: bool


SECRETS = st.lists(
    st.builds(
        Given,
        vault=st.sampled_from(["alpha", "beta", "gamma"]),
        account=st.sampled_from([None, "acct01", "acct02", "acct03"]),
        key=st.sampled_from(["key1", "key2"]),
        read=st.booleans(),
    ),
    min_size=1,
    max_size=7,
)


def furnish(world: RotationWorld, secrets: list[Given]) -> None:
    for number, each in enumerate(secrets):
        ref = SecretRef(each.vault, f"s{number}")
        if each.account is None:
            world.generated_secret(ref, read=each.read)
        else:
            world.storage_secret(ref, each.account, each.key, read=each.read)


def disturb(world: RotationWorld, troubles: list[tuple[int, str]]) -> None:
    """The n-th write is refused for a while, or its answer is lost before or after it counts."""
    left, count = dict(troubles), 0

    def before(name: str) -> None:
        nonlocal count
        count += 1
        match left.get(count):
            case "throttled":
                raise Throttled("writing", timedelta(seconds=7))
            case "unreachable":
                raise Unreachable("writing", "503")
            case "lost":
                raise OutcomeUnknown("writing", "time-out")
            case _:
                pass

    def after(name: str) -> None:
        if left.get(count) == "lost-applied":
            raise OutcomeUnknown("writing", "time-out")

    world.writes.before, world.writes.after = before, after


TROUBLES = st.lists(
    st.tuples(st.integers(2, 20), st.sampled_from(["throttled", "unreachable", "lost", "lost-applied"])), max_size=4
)


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(secrets=SECRETS, troubles=TROUBLES, grace=st.sampled_from(sorted(_GRACES)), latency=st.sampled_from([0.05, 4.0]))
def test_in_any_estate_with_any_trouble_every_exposed_credential_dies_in_order(
    secrets: list[Given], troubles: list[tuple[int, str]], grace: str, latency: float
) -> None:
    """Shared accounts, both keys of one, several vaults, slow ones, lost answers and refusals for a while."""

    async def story(world: RotationWorld) -> None:
        furnish(world, secrets)
        disturb(world, troubles)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(hours=4))
        ended = (await world.secrets_chain()).last(RotationEnded)

        assert await faults(world, grace=_GRACES[grace]) == []
        assert ended is not None
        assert ended.whole

    play(story, text=policy(ask="[]", grace=grace), latency=latency)


@settings(max_examples=15, deadline=None, derandomize=True, database=None)
@given(secrets=SECRETS, moment=st.integers(20, 160))
def test_in_any_estate_a_death_at_any_moment_changes_nothing_of_the_end(secrets: list[Given], moment: int) -> None:
    """Another instance goes on; no key is made new more often than undisturbed."""

    async def story(world: RotationWorld, killer: Killer) -> list[str]:
        furnish(world, secrets)
        world = with_killer(world, killer)
        await play_with_deaths(world, killer)
        assert world.clock() > START
        assert await faults(world) == []
        return sorted(name for name in world.writes.done if name.startswith(("regenerate", "publish")))

    text = policy(ask="[]")
    undisturbed = play(lambda world: story(world, Killer()), text=text)
    killed = play(lambda world: story(world, Killer(moment)), text=text)

    assert killed == undisturbed
