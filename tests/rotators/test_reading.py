"""What rotators read before they act: which version is ours, which source tags name, what a value holds."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.case import Known
from shared.errors import Gone
from shared.estate import OPERATION_TAG, SecretRef, SecretValue
from shared.rotators.reading import changed_lately, holds, made_by_us, tagged_for, values_of, versions_of
from tests.fakes import START
from tests.rotators.estate import LONG_AGO, REF, World, begin
from tests.rotators.kinds import STORAGE, kind

KEY = "dGhp/cyBpcyBhIGtleQ+Zm9y=="


@pytest.mark.parametrize(
    "value",
    [f'{{"key": "{KEY}"}}', "{'conn': 'AccountKey=dGhp%2FcyBpcyBhIGtleQ%2BZm9y%3D%3D'}", f"<key>{KEY}</key>%20"],
)
def test_a_key_is_found_in_values_of_unknown_form(value: str) -> None:
    """As it is, or percent-encoded: what is exposed must not be overlooked because nobody understands its form."""
    assert holds("storage", value, SecretValue(KEY))
    assert not holds("storage", value, SecretValue("another+key/of/the/account=="))


@pytest.mark.parametrize(
    ("named", "told"),
    [
        (STORAGE, True),
        (STORAGE[:-1], False),  # another account, whose name begins alike
        (f"{STORAGE}2", False),
        ("no address", None),
        ("", None),
    ],
)
def test_a_tag_names_a_source_by_its_whole_id(named: str, told: bool | None) -> None:
    """The beginning of an id is another source's."""
    world = World()
    version = world.vaults.store(REF, "x", tags={"ProviderAddress": named})

    assert tagged_for(STORAGE.lower(), version, START) is told


@pytest.mark.parametrize(
    ("stored_before", "changed_before", "told"),
    [
        (timedelta(days=90), timedelta(days=90), False),
        (timedelta(days=90), timedelta(days=90) - timedelta(seconds=1), False),  # one and the same second, rounded
        (timedelta(days=5), timedelta(days=5), False),
        (timedelta(days=90), timedelta(days=31), False),
        (timedelta(days=90), timedelta(days=30), True),
        (timedelta(days=5), timedelta(days=5) - timedelta(seconds=3), True),
    ],
)
def test_a_version_was_changed_lately_if_it_was_after_it_was_stored(
    stored_before: timedelta, changed_before: timedelta, told: bool
) -> None:
    """Storing it is no change of it."""
    version = World().vaults.store(REF, "x", created=START - stored_before, updated=START - changed_before)

    assert (changed_lately(version, START) is not None) is told


@pytest.mark.anyio
async def test_a_secret_without_versions_is_gone() -> None:
    """An empty list is not a secret on which nothing is exposed."""
    world = World()
    rounds = await begin(world, kind("generated-value").set_up(world))
    world.vaults.held.pop(REF)
    assert await world.vaults.versions(REF) == Known(())

    with pytest.raises(Gone):
        await versions_of(rounds.job, world.means)


@pytest.mark.anyio
async def test_a_version_of_ours_that_somebody_disabled_is_made_again() -> None:
    """Nobody can read it: consumers would find nothing."""
    world = World()
    rounds = await begin(world, kind("generated-value").set_up(world))
    seen = world.vaults.store(REF, "x", tags={OPERATION_TAG: rounds.job.operation}, created=LONG_AGO)

    assert made_by_us(rounds.job, (seen,)) == seen
    assert made_by_us(rounds.job, (replace(seen, enabled=False),)) is None
    assert made_by_us(replace(rounds.job, operation="another"), (seen,)) is None


@pytest.mark.anyio
async def test_many_versions_are_read_side_by_side_and_not_all_at_once() -> None:
    """Who may store secrets can make thousands of one: read one after the other they would outlast any slice."""
    world = World()
    rounds = await begin(world, kind("generated-value").set_up(world))
    ids = [str(world.vaults.store(REF, f"value {number}").version) for number in range(100)]
    under_way, most, value = 0, 0, world.vaults.value

    async def slow(ref: SecretRef, version: str) -> SecretValue:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return await value(ref, version)

    world.vaults.value = slow  # pyright: ignore[reportAttributeAccessIssue]
    job = replace(rounds.job, exposed=tuple(ids))
    values = await values_of(job, await versions_of(job, world.means), world.means)

    assert len(values.exposed) == 100
    assert 8 < most <= 32
