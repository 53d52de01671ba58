"""Which versions of a secret must die, where somebody disabled one of them before Cordon looked."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.case import Known
from shared.entries import Planned, RotationEnded, SecretDone, SecretsBegun
from shared.estate import NOBODY, Reach, Reached, SecretRead, SecretRef, SecretSeen, VaultSeen
from shared.exposure import Exposed, Gathered, find_exposure
from shared.history import LAST_LOOK
from shared.rotation_message import rotation_message
from shared.rotation_plan import versions_exposed, versions_gone
from tests.fakes import START
from tests.rotation.world import RotationWorld, play, policy

READ = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
REF = SecretRef("shop", "db")
LONG = timedelta(days=60)
BEFORE, AFTER = READ - timedelta(minutes=5), READ + timedelta(minutes=5)


@pytest.mark.parametrize(
    ("versions", "unnamed", "created", "dies"),
    [
        (("old",), False, BEFORE, True),
        (("new",), False, BEFORE, False),  # the log names all that was read
        ((), True, BEFORE, True),
        (("new",), True, BEFORE, True),
        (("new",), True, AFTER, False),  # it was not there yet
    ],
)
def test_a_disabled_version_that_a_read_without_a_version_may_have_given_must_die(
    versions: tuple[str, ...], unnamed: bool, created: datetime, dies: bool
) -> None:
    """Its owner disabled it after it was read, or it was in a backup: the value is in other hands."""
    reads = SecretRead(REF, versions, READ, READ, 2, (), "who", unnamed=unnamed)
    new, old = SecretSeen(REF, "new", True, AFTER, AFTER), SecretSeen(REF, "old", False, created, AFTER)
    exposed = Exposed(new, 1, "read", reads)

    assert (old in versions_exposed(exposed, (new, old))) is dies


def test_a_disabled_version_that_a_nameless_row_names_must_die_also_where_its_own_reads_name_others() -> None:
    """The log does not say who read it: it may have been the identity, whose own rows are of another version."""
    new, old = SecretSeen(REF, "new", True, AFTER, AFTER), SecretSeen(REF, "old", False, BEFORE - LONG, AFTER)
    reads = tuple(SecretRead(REF, (v,), READ, READ, 1, (), who) for v, who in (("new", "1"), ("old", NOBODY)))
    vault = Reached(VaultSeen("/v", REF.vault, "s", rbac=True), ())
    found = find_exposure(Gathered(Known(reads), Reach((vault,)), {}, {REF.vault: Known((new,))}))

    assert [each.version for each in versions_exposed(found.secrets[0], (new, old))] == ["new", "old"]
    assert found.secrets[0].reads is not None
    assert found.secrets[0].reads.versions == ("new",)


@pytest.mark.parametrize(
    ("created", "updated", "untold_since", "dies"),
    [
        (BEFORE - LONG, AFTER, BEFORE, True),  # somebody disabled it after the exposure began
        (BEFORE - LONG, BEFORE - LONG / 2, BEFORE, False),  # it was disabled before
        (AFTER, AFTER, BEFORE, False),  # it was stored disabled, and never changed
        (BEFORE - LONG, AFTER, None, False),  # a log tells the reads, and there is none of it
    ],
)
def test_without_a_log_a_version_that_was_enabled_since_the_exposure_began_must_die(
    created: datetime, updated: datetime, untold_since: datetime | None, dies: bool
) -> None:
    """That it is disabled now says nothing of who read it before; what may have been enabled counts."""
    new, old = SecretSeen(REF, "new", True, AFTER, AFTER), SecretSeen(REF, "old", False, created, updated)
    exposed = Exposed(new, 1, "nobody can say that it was not read")

    assert (old in versions_exposed(exposed, (new, old), untold_since=untold_since)) is dies


@pytest.mark.parametrize(
    ("disabled", "counts"),
    [(timedelta(days=1), {"not-proven": 1, "rotated": 1}), (timedelta(days=60), {"rotated": 2})],
)
def test_a_version_that_was_disabled_after_the_theft_is_exposed_where_no_log_tells(
    disabled: timedelta, counts: dict[str, int]
) -> None:
    """
    It is a key of another account, which the newest version's account cannot prove dead: its owner has to. The other
    round is for whoever may have read the new version while its token lived.
    """

    async def story(world: RotationWorld) -> None:
        world.storage_secret(REF, "acct02")
        stolen, value = world.vaults.held[REF][0]
        world.vaults.held[REF][0] = (replace(stolen, enabled=False, updated=START - disabled), value)
        world.storage_secret(REF, "acct01")
        world.access.vaults[REF.vault] = False
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(hours=3))
        ended = (await world.secrets_chain()).last(RotationEnded)

        assert ended is not None
        assert ended.counts == counts

    play(story, text=policy(ask="[]"))


@pytest.mark.parametrize(("logged", "rounds"), [(False, 2), (True, 1)])
def test_where_no_log_tells_all_is_rotated_once_more_when_the_last_token_is_dead(logged: bool, rounds: int) -> None:
    """Nobody can say that the new version was not read with a token that lived on after the cut."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(REF, "acct01")
        world.access.vaults[REF.vault] = logged
        if logged:
            world.read(REF, str(world.vaults.held[REF][0][0].version))
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(hours=3))
        chain = await world.secrets_chain()
        published = [
            line.record.time
            for line in chain.lines
            if isinstance(line.entry, SecretDone) and line.entry.stage == "published"
        ]
        ended = chain.last(RotationEnded)

        assert ended is not None
        assert (ended.whole, ended.counts) == (True, {"rotated": rounds})
        assert logged or max(published) >= chain.records[0].time + LAST_LOOK

    play(story, text=policy(ask="[]"))


def test_when_it_is_begun_again_the_last_token_is_that_of_the_later_cut() -> None:
    """Nobody logs what is read: what the first one had rotated when its tokens were dead, later ones may have read."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(REF, "acct01")
        world.access.vaults[REF.vault] = False
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(hours=4))
        before, incident = world.enabled(REF)[-1], await world.chain()
        plan = incident.last(Planned)
        assert plan is not None
        await incident.write(plan, SecretsBegun(plan_hash=plan.hash))
        await world.store.queue.send(rotation_message(incident.incident), timedelta())
        await world.work_queue(responder, timedelta(hours=4))

        assert not world.is_alive(before)
        assert len(world.made(REF)) == 3

    play(story, text=policy(ask="[]"))


def test_a_version_that_was_read_and_is_not_in_the_vault_any_more_still_has_to_die() -> None:
    """The secret was purged and made anew: what was read opens what it opened. Text that is no id is nobody's."""
    reads = SecretRead(REF, ("old", "new", "", "../x", "f" * 65), READ, READ, 2, (), "who")
    new = SecretSeen(REF, "new", True, AFTER, AFTER)

    assert versions_gone(Exposed(new, 1, "read", reads), (new,)) == ("old",)
    assert versions_gone(Exposed(new, 1, "beside"), (new,)) == ()


@pytest.mark.parametrize("kind", ["storage", "generated"])
def test_a_rotation_is_not_whole_while_a_read_version_is_gone_from_the_vault(kind: str) -> None:
    """Whoever deletes what he has read, and puts another value there, would have it told dead."""

    async def story(world: RotationWorld) -> None:
        if kind == "storage":
            world.storage_secret(REF, "acct01", read=True)
        else:
            world.generated_secret(REF, read=True)
        world.read(REF, "e" * 32)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder)
        ended = (await world.secrets_chain()).last(RotationEnded)

        assert ended is not None
        assert (ended.whole, ended.counts) == (False, {"not-proven": 1})

    play(story, text=policy(ask="[]"))
