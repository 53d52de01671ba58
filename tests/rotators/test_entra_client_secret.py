"""Client secrets: made only where the application names the vault's secret, found by name when their value was lost."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.case import CouldNotLook, IdentityState, Password
from shared.errors import CannotBeRead, Gone, InstanceLocked, Unreachable
from shared.estate import SecretRef, SecretSeen
from shared.rotators import rotator_named
from shared.rotators.interface import Awaited, Minted, ServesNot
from shared.tenant import CredentialWrite, WriteRefused, WriteResult
from tests.fakes import PAYROLL_CLIENT, START, password, payroll, value_of
from tests.rotators.estate import LONG_AGO, REF, World, begin, served
from tests.rotators.kinds import kind

pytestmark = pytest.mark.anyio

KIND = kind("entra-client-secret")
ONE, TWO = password(1).key_id, password(2).key_id


def application(
    *passwords: Password, tags: tuple[str, ...] = ("cordon-secret:shop/conn",), **more: Any
) -> IdentityState:
    state = payroll(application=passwords, **more)
    assert state.application is not None
    return replace(state, application=replace(state.application, tags=tags))


def store(world: World, key_id: str = ONE, ref: SecretRef = REF, **more: Any) -> SecretSeen:
    tags = {"ProviderAddress": PAYROLL_CLIENT, "CredentialId": key_id}
    value = value_of(next(each for each in (password(1), password(2)) if each.key_id == key_id))
    return world.vaults.store(ref, value, **{"tags": tags, **more})


def held(world: World) -> dict[str, str | None]:
    return {p.key_id: p.display_name for holder in world.directory.state.holders for p in holder.passwords}


@pytest.mark.parametrize("tags", [(), ("cordon-secret:shop/other",), ("shop/conn",), ("cordon-secret:",)])
async def test_an_application_that_does_not_name_the_secret_gets_no_new_one(tags: tuple[str, ...]) -> None:
    """Else whoever writes tags in a vault could have a secret of any application made and put there."""
    world = World()
    world.directory.state = application(password(1), tags=tags)
    rounds = await begin(world, store(world))
    awaited = await rounds.make()

    assert isinstance(awaited, Awaited)
    assert "does not name it" in awaited.why
    assert world.writes.done == []
    assert len(world.topic.events) == 1


async def test_the_new_secret_lives_as_long_as_the_old_one_and_is_named_by_its_key_id() -> None:
    """The vault's tag names the new key id, so that the next rotation finds it."""
    world = World()
    secret = KIND.set_up(world)
    rounds = await begin(world, secret)
    await rounds.whole()
    (made,) = [p for holder in world.directory.state.holders for p in holder.passwords if p.key_id not in (ONE, TWO)]

    assert made.end == START + (START + timedelta(days=30) - LONG_AGO)
    assert world.newest()[0].tags["CredentialId"] == made.key_id
    assert world.newest()[0].expires == made.end
    assert set(held(world)) == {TWO, made.key_id}, "another secret of the application stays"


async def test_its_name_holds_nothing_of_the_tenants_text() -> None:
    """A display name is shown to people and in logs."""
    world = World()
    rounds = await begin(world, KIND.set_up(world))
    await rounds.whole()
    (name,) = [str(name) for name in held(world).values() if str(name).startswith("cordon-")]

    assert "shop" not in name
    assert len(name) <= 90


@pytest.mark.parametrize("tags", [{"CredentialId": ONE}, {"ProviderAddress": PAYROLL_CLIENT}, {}])
async def test_without_both_ids_it_is_nobodys_client_secret(tags: dict[str, str]) -> None:
    """No guess at which of an application's secrets it is."""
    world = World()

    assert KIND.rotator != (await served(world.means, world.vaults.store(REF, "x", tags=tags)))[0].name


async def test_ids_that_are_none_never_get_into_a_path() -> None:
    """Tags are anybody's text."""
    world = World()
    for bad in ("../users", f"{PAYROLL_CLIENT}/x", f"{PAYROLL_CLIENT}/..", "payroll", f"({PAYROLL_CLIENT})"):
        secret = world.vaults.store(REF, "x", tags={"ProviderAddress": bad, "CredentialId": ONE})
        assert (await served(world.means, secret))[0].name == "delegated"


async def test_a_secret_that_was_removed_meanwhile_is_dead_where_only_younger_ones_are_left() -> None:
    """Its identity was contained in an incident of its own: nothing is made, and nothing is left to remove."""
    world = World()
    world.directory.state = application(replace(password(2), start=START))
    rounds = await begin(world, store(world))
    proof = await rounds.whole()

    assert proof.answer == "held"
    assert world.writes.done == []


async def test_a_secret_of_another_tenants_application_is_not_dead_because_nobody_here_sees_it() -> None:
    """Only the service principal is here. It names the vault's secret, and has no secrets of its own."""
    world = World()
    state = application(password(1))
    principals = tuple(replace(each, tags=("cordon-secret:shop/conn",), passwords=()) for each in state.principals)
    world.directory.state = replace(state, application=None, principals=principals)
    rounds = await begin(world, store(world))

    assert isinstance(await rounds.make(), Awaited)


async def test_an_untagged_version_stays_open_also_where_the_tagged_ones_secret_is_gone() -> None:
    """It may be a secret of any application: that this one has only younger ones says nothing of it."""
    world = World()
    world.directory.state = application(replace(password(2), start=START))
    untagged = world.vaults.store(REF, "value of nobody knows what")
    newest = store(world)
    rounds = await begin(world, newest, str(newest.version), str(untagged.version))

    assert (await rounds.whole()).answer == "unknown"


YEARS = timedelta(days=730)
STARTS = pytest.mark.parametrize("start", [START + YEARS, LONG_AGO - YEARS], ids=["in-the-future", "long-ago"])


@STARTS
async def test_a_key_id_that_the_application_does_not_have_may_hide_the_secret_that_the_value_begins_as(
    start: datetime,
) -> None:
    """The tag is left over or forged, and the exposed secret lives, whatever start its maker gave it."""
    world = World()
    world.directory.state = application(replace(password(2), start=start))
    rounds = await begin(world, store(world, TWO, tags={"ProviderAddress": PAYROLL_CLIENT, "CredentialId": ONE}))
    awaited = await rounds.make()

    assert isinstance(awaited, Awaited)
    assert f"begins as secret {TWO} does" in awaited.why
    assert (await rounds.rotator.verify(rounds.job, await rounds.before(), awaited.made, world.means)).answer != "held"


@STARTS
async def test_a_value_that_begins_as_no_secret_of_the_application_is_none_of_them(start: datetime) -> None:
    """When the secrets that are left were made is their makers' claim: the value tells."""
    world = World()
    world.directory.state = application(replace(password(2), start=start))
    rounds = await begin(world, store(world))

    assert (await rounds.whole()).answer == "held"
    assert world.writes.done == []


async def test_a_forged_tag_does_not_let_another_secret_of_the_application_die() -> None:
    """The tag names an innocent one, which the exposed value does not begin as: a person is asked, nothing is done."""
    world = World()
    world.directory.state = application(password(1), password(2))
    rounds = await begin(world, store(world, ONE, tags={"ProviderAddress": PAYROLL_CLIENT, "CredentialId": TWO}))
    awaited = await rounds.make()

    assert isinstance(awaited, Awaited)
    assert f"name client secret {TWO}, and its value begins as secret {ONE} does" in awaited.why
    assert set(held(world)) == {ONE, TWO}


async def test_a_value_that_is_no_secret_of_the_application_lets_none_die() -> None:
    """It begins as neither: what leaked opens something else."""
    world = World()
    world.directory.state = application(password(1), password(2))
    tags = {"ProviderAddress": PAYROLL_CLIENT, "CredentialId": ONE}
    rounds = await begin(world, world.vaults.store(REF, "opens-something-else", tags=tags))
    awaited = await rounds.make()

    assert isinstance(awaited, Awaited)
    assert "does not begin as that one does" in awaited.why
    assert set(held(world)) == {ONE, TWO}


async def test_a_newest_version_that_is_not_surely_the_applications_is_not_stored_over() -> None:
    """An older one surely leaked; but whoever reads the newest needs what is in it, which nobody knows."""
    world = World()
    world.directory.state = application(password(1), password(2))
    older = store(world)
    tags = {"ProviderAddress": PAYROLL_CLIENT, "CredentialId": TWO}
    newest = world.vaults.store(REF, "opens-something-else", tags=tags, created=START, updated=START)
    rounds = await begin(world, newest, str(newest.version), str(older.version))

    assert isinstance(await rounds.make(), Awaited)
    assert world.writes.done == []


async def test_a_secret_that_was_gone_and_is_there_is_seen_to_live() -> None:
    """A late replica did not show it: the last read counts."""
    world = World()
    world.directory.state = application(password(2))
    rounds = await begin(world, store(world))
    assert (await rounds.whole()).answer == "held"
    world.directory.state = application(password(1), password(2))

    assert (await rounds.verify()).answer == "not-held"


async def test_secrets_that_begin_alike_are_told_apart_by_nobody() -> None:
    """Three characters fit two of them: removing the one that the tag names might leave the exposed one alive."""
    world = World()
    world.directory.state = application(password(1), replace(password(2), hint=password(1).hint))
    rounds = await begin(world, store(world))

    assert isinstance(await rounds.make(), Awaited)
    assert set(held(world)) == {ONE, TWO}


@pytest.mark.parametrize("hint", [None, "", "00"])
async def test_a_secret_of_which_graph_shows_no_beginning_is_its_owners(hint: str | None) -> None:
    """Nothing tells whether the exposed version holds it."""
    world = World()
    world.directory.state = application(replace(password(1), hint=hint))
    rounds = await begin(world, store(world))
    awaited = await rounds.make()

    assert isinstance(awaited, Awaited)
    assert "does not show how" in awaited.why
    assert set(held(world)) == {ONE}


async def test_beside_a_secret_of_which_graph_shows_no_beginning_none_is_taken_for_gone() -> None:
    """The exposed value may be that one."""
    world = World()
    world.directory.state = application(replace(password(2), hint=None))
    rounds = await begin(world, store(world))

    assert isinstance(await rounds.make(), Awaited)


async def test_an_older_version_whose_tag_does_not_fit_its_value_keeps_the_proof_open() -> None:
    """What surely leaked is removed; the innocent one that the older version's tag names stays."""
    world = World()
    world.directory.state = application(password(1), password(2))
    tags = {"ProviderAddress": PAYROLL_CLIENT, "CredentialId": TWO}
    older = world.vaults.store(REF, "opens-something-else", tags=tags)
    newest = store(world, created=START, updated=START)
    rounds = await begin(world, newest, str(newest.version), str(older.version))
    proof = await rounds.whole()

    assert ONE not in held(world)
    assert TWO in held(world)
    assert proof.answer == "unknown"
    assert str(older.version) in proof.why


async def test_a_disabled_version_lets_no_secret_die_by_its_tags_alone() -> None:
    """Nobody can compare it: whoever may store secrets can write any tag and disable any version."""
    world = World()
    world.directory.state = application(password(1), password(2))
    older = store(world, TWO, enabled=False)
    newest = store(world, created=START, updated=START)
    rounds = await begin(world, newest, str(newest.version), str(older.version))
    proof = await rounds.whole()

    assert TWO in held(world)
    assert proof.answer == "unknown"
    assert "cannot be compared" in proof.why


async def test_tags_that_were_changed_after_the_version_was_stored_prove_no_secret_gone() -> None:
    """Its value may open another application, and a tag that names this one is written in a second."""
    world = World()
    world.directory.state = application(password(2))
    rounds = await begin(world, store(world, updated=START - timedelta(days=3)))
    awaited = await rounds.make()

    assert isinstance(awaited, Awaited)
    assert "it was changed at 2026-02-27 03:00 UTC" in awaited.why


async def test_what_an_owner_stored_meanwhile_is_not_stored_over() -> None:
    """His newest version holds another secret, which nobody exposed: only the exposed one goes."""
    world = World()
    world.directory.state = application(password(1), password(2))
    older = store(world)
    theirs = store(world, TWO, created=START, updated=START)
    rounds = await begin(world, older)

    assert (await rounds.whole()).answer == "held"
    assert world.newest()[0].version == theirs.version
    assert set(held(world)) == {TWO}


async def test_an_owners_word_does_not_stand_against_a_secret_that_lives_on() -> None:
    """The application does not name the vault's secret, so its owner is asked; what he says is looked at."""
    world = World()
    world.directory.state = application(password(1), tags=())
    rounds = await begin(world, store(world))
    awaited = await rounds.make()
    assert isinstance(awaited, Awaited)
    said = {"cordon-old-is-dead": rounds.job.exposed[0]}
    theirs = world.vaults.store(REF, "new", created=START + timedelta(minutes=9), updated=START, tags=said)
    rounds.journal.keep("made", {**awaited.made, "ownersVersion": theirs.version})
    proof = await rounds.verify()

    assert proof.answer == "not-held"
    assert ONE in proof.why


async def test_exposed_versions_with_different_secrets_all_die() -> None:
    """Each version's own tags name its secret."""
    world = World()
    world.directory.state = application(password(1), password(2))
    older = store(world, TWO)
    newest = store(world, ONE, created=START)
    rounds = await begin(world, newest, str(newest.version), str(older.version))
    await rounds.whole()

    assert {ONE, TWO}.isdisjoint(held(world))
    assert (await rounds.verify()).answer == "held"


async def test_an_exposed_version_without_tags_leaves_the_proof_open() -> None:
    """Which secret it holds nobody can tell."""
    world = World()
    world.directory.state = application(password(1), password(2))
    older = store(world, TWO, tags={})
    newest = store(world, ONE, created=START)
    rounds = await begin(world, newest, str(newest.version), str(older.version))

    assert (await rounds.whole()).answer == "unknown"


async def test_exposed_secrets_go_from_both_objects() -> None:
    """A service principal has secrets of its own."""
    world = World()
    state = application(password(1), principal=[password(2)])
    world.directory.state = state
    older = store(world, TWO)
    newest = store(world, created=START, updated=START)
    rounds = await begin(world, newest, str(newest.version), str(older.version))

    assert (await rounds.whole()).answer == "held"
    assert {ONE, TWO}.isdisjoint(held(world))


async def test_an_instance_lock_is_a_named_refusal() -> None:
    """The exposed secret stays, and the report says who must act."""
    world = World()
    rounds = await begin(world, KIND.set_up(world))
    minted = await rounds.make()
    assert isinstance(minted, Minted)
    await rounds.publish(minted)

    async def refuse(writes: Sequence[CredentialWrite]) -> Sequence[WriteResult]:
        return [WriteRefused(InstanceLocked(doing="removing", code="locked", why="locked.")) for _ in writes]

    world.directory.write_credentials = refuse
    done = await rounds.retire()

    assert [(each.outcome, each.stop) for each in done.writes] == [("refused", "instance-locked")]
    assert (await rounds.verify()).answer == "not-held"


async def test_a_lost_secret_that_cannot_be_removed_is_not_joined_by_another() -> None:
    """Two unusable secrets are worse than one."""
    world = World()
    rounds = await begin(world, KIND.set_up(world))
    await rounds.make()

    async def refuse(writes: Sequence[CredentialWrite]) -> Sequence[WriteResult]:
        return [WriteRefused(InstanceLocked(doing="removing", code="locked", why="locked.")) for _ in writes]

    world.directory.write_credentials = refuse
    with pytest.raises(InstanceLocked):
        await rounds.make()
    assert sum(str(name).startswith("cordon-") for name in held(world).values()) == 1


async def test_a_secret_that_a_late_replica_hid_is_removed_in_the_end() -> None:
    """The look after a crash did not show it, so another one was made: one of them is left."""
    world = World()
    rounds = await begin(world, KIND.set_up(world))
    await rounds.make()
    world.directory.lag = 1
    proof = await rounds.whole()

    assert proof.answer == "held"
    assert sum(str(name).startswith("cordon-") for name in held(world).values()) == 1
    assert world.newest()[1] in KIND.live(world)


async def test_a_second_vaults_secret_gets_the_same_new_one() -> None:
    """One application, one new secret, in both places."""
    world = World()
    world.directory.state = application(password(1), tags=("cordon-secret:shop/conn", "cordon-secret:shop/copy"))
    other = SecretRef("shop", "copy")
    first, second = await begin(world, store(world)), await begin(world, store(world, ref=other))
    await second.before()
    minted = await first.make()
    assert isinstance(minted, Minted)
    await first.publish(minted)
    beside_at = (REF, str(first.journal.get("version")))
    second.job = replace(second.job, beside=first.journal.get("made"), beside_at=beside_at)

    assert (await second.whole()).answer == "held"
    assert (await first.whole()).answer == "held"
    assert world.newest(other)[1] == world.newest()[1] in KIND.live(world)
    assert len(held(world)) == 1


async def test_an_application_that_is_not_there_is_no_proof_before_it_was_seen() -> None:
    """A tag may name what never was; one that was seen and is gone took its secrets along."""
    world = World()
    rounds = await begin(world, KIND.set_up(world))
    world.directory.unreadable = CouldNotLook("no such application", gone=True)
    with pytest.raises(Gone):
        await rounds.before()

    world.directory.unreadable = None
    await rounds.before()
    rounds.journal.keep("made", {})
    world.directory.unreadable = CouldNotLook("no such application", gone=True)
    assert (await rounds.verify()).answer == "held"


@pytest.mark.parametrize(("later", "error"), [(True, Unreachable), (False, CannotBeRead)])
async def test_an_application_that_cannot_be_read_is_not_judged(later: bool, error: type[Exception]) -> None:
    """Could not look is never nothing there."""
    world = World()
    rounds = await begin(world, KIND.set_up(world))
    world.directory.unreadable = CouldNotLook("the network", may_help_later=later)

    with pytest.raises(error):
        await rounds.whole()
    assert world.writes.done == []


async def test_a_managed_secret_is_never_set_by_hand() -> None:
    """Whatever its tags say."""
    world = World()
    secret = replace(store(world), managed=True)

    for rotator in ("entra-client-secret", "generated-value", "storage-account-key", "sql-password"):
        assert rotator_named(rotator).serves(secret) == ServesNot()


async def test_removing_answers_are_told_one_by_one() -> None:
    """What the directory said of each removal."""
    world = World()
    rounds = await begin(world, KIND.set_up(world))
    minted = await rounds.make()
    assert isinstance(minted, Minted)
    await rounds.publish(minted)
    done = await rounds.retire()

    assert [(each.write, each.outcome) for each in done.writes] == [(f"removePassword {ONE}", "accepted")]
