"""Secrets whose source is the vault itself: certificates, generated values, and what is only disabled."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.rotators import ROTATORS, rotator_named
from shared.rotators.interface import Serves, ServesNot
from shared.rotators.random_text import ALPHABETS
from tests.fakes import START
from tests.rotators.estate import REF, Rounds, World, begin
from tests.rotators.kinds import STORAGE, kind

pytestmark = pytest.mark.anyio


async def test_policy_can_keep_old_versions_from_being_disabled() -> None:
    """Then nothing is proven dead, and it says whose word that was."""
    for name in ("key-vault-certificate", "generated-value"):
        world = World()
        rounds = await begin(world, kind(name).set_up(world), options={"disable-old": "never"})
        proof = await rounds.whole()
        done = await rounds.retire()

        assert [(each.outcome, each.stop) for each in done.writes] == [("refused", "kept-by-policy")]
        assert proof.answer == "not-held"
        assert world.vaults.held[REF][0][0].enabled


@pytest.mark.parametrize(
    ("tags", "length", "alphabet"),
    [
        ({"cordon-rotate": "generated"}, 64, "base64url"),
        ({"cordon-rotator": "generated-value", "cordon-length": "32", "cordon-alphabet": "hex"}, 32, "hex"),
        ({"Cordon-Rotate": "Generated", "cordon-length": "256", "cordon-alphabet": "printable"}, 256, "printable"),
    ],
)
async def test_a_generated_value_has_the_shape_that_its_tags_ask_for(
    tags: dict[str, str], length: int, alphabet: str
) -> None:
    """Length and alphabet, and the tags go with it."""
    world = World()
    rounds = await begin(world, world.vaults.store(REF, "old", tags=tags))
    await rounds.whole()
    value = world.newest()[1]

    assert len(value) == length
    assert set(value) <= set(ALPHABETS[alphabet])
    assert tags.items() <= world.newest()[0].tags.items()


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"cordon-rotate": "random"},
        {"cordon-rotate": "generated", "cordon-length": "31"},
        {"cordon-rotate": "generated", "cordon-length": "1000"},
        {"cordon-rotate": "generated", "cordon-length": "٣٢"},
        {"cordon-rotate": "generated", "cordon-alphabet": "emoji"},
        {"cordon-rotate": "generated", "cordon-rotator": "delegated"},
    ],
)
async def test_nothing_is_filled_with_random_text_unasked(tags: dict[str, str]) -> None:
    """Whoever reads it would break, and what leaked would still open its source."""
    world = World()
    secret = world.vaults.store(REF, "old", tags=tags)

    assert rotator_named("generated-value").serves(secret) == ServesNot()
    assert (await begin(world, secret)).rotator.name == "delegated"


@pytest.mark.parametrize("tags", [{"ProviderAddress": STORAGE}, {}])
async def test_an_older_version_that_is_not_called_generated_is_not_dead_because_the_vault_keeps_it(
    tags: dict[str, str],
) -> None:
    """Somebody tagged the secret later; what it held before may open its source as ever, named by a tag or not."""
    world = World()
    older = world.vaults.store(REF, "a key of an account", tags=tags)
    newest = kind("generated-value").set_up(world)
    rounds = await begin(world, newest, str(newest.version), str(older.version))
    proof = await rounds.whole()

    assert proof.answer == "unknown"
    assert str(older.version) in proof.why
    await world.vaults.set_enabled(REF, str(newest.version), True)
    assert (await rounds.verify()).answer == "not-held"  # what is seen to live is no doubt


@pytest.mark.parametrize(("days", "answer"), [(1, "unknown"), (31, "held")])
async def test_a_version_that_was_called_generated_lately_may_be_a_credential(days: int, answer: str) -> None:
    """Whoever may store secrets can say by a tag that a key is random text, and have it told dead."""
    world = World()
    secret = kind("generated-value").set_up(world)
    world.vaults.held[REF][0] = (replace(secret, updated=START - timedelta(days=days)), "a key of an account")
    rounds = await begin(world, world.vaults.held[REF][0][0])
    proof = await rounds.whole()

    assert proof.answer == answer
    assert (str(secret.version) in proof.why) is (answer == "unknown")


async def test_what_belongs_to_a_storage_account_is_no_certificate() -> None:
    """Managed, but not by a certificate: its owner is asked."""
    world = World()
    secret = world.vaults.store(REF, "x", managed=True, content_type="application/vnd.ms-sastoken-storage")

    assert (await begin(world, secret)).rotator.name == "delegated"


async def test_a_certificates_proof_says_what_it_does_not_reach() -> None:
    """Who pinned the old certificate trusts it on, and no read of Cordon's shows who does."""
    world = World()
    rounds = await begin(world, kind("key-vault-certificate").set_up(world))
    proof = await rounds.whole()

    assert proof.answer == "unknown"
    assert "revoke" in proof.why


async def test_no_tag_is_enough_to_have_a_secret_disabled() -> None:
    """It would be a switch to break whoever reads it."""
    world = World()
    secret = world.vaults.store(REF, "x", tags={"cordon-rotator": "disable-version"})

    assert (await begin(world, secret)).rotator.name == "delegated"


async def test_disabled_by_policy_the_value_is_still_not_called_dead() -> None:
    """The vault gives it to nobody; what it opens only its owner knows."""
    world = World()
    secret = world.vaults.store(REF, "x")
    rounds = await begin(world, secret, options={"disable-old": "never"})
    chosen = rotator_named("disable-version")
    rounds = Rounds(world.means, chosen, replace(rounds.job, serves=Serves("", "", "policy")))
    proof = await rounds.whole()

    assert proof.answer == "unknown"
    assert world.writes.done == ["enabled=False"]
    assert not world.newest()[0].enabled


def test_who_serves_everything_is_asked_last() -> None:
    """Else nobody else would ever be asked."""
    world = World()
    secret = world.vaults.store(REF, "x")

    assert [each.name for each in ROTATORS if isinstance(each.serves(secret), Serves)] == ["delegated"]
    assert ROTATORS[-1].name == "delegated"
