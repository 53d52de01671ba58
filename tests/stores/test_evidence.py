"""What every store of evidence promises."""

import hashlib

import pytest

from shared.errors import JournalDamaged
from tests.stores.chains import new_name
from tests.stores.twins import Twin

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
async def test_evidence_is_found_under_its_digest(twin: Twin, size: int) -> None:
    """The name is the SHA-256 of the bytes, and any instance finds them by it."""
    content = (new_name("x").encode() * size)[:size]

    digest = await twin.store.evidence.keep(content)

    assert digest == hashlib.sha256(content).hexdigest()
    assert await (await twin.another()).evidence.fetch(digest) == content


async def test_the_same_bytes_may_be_kept_twice(twin: Twin) -> None:
    """A repeated attempt is no error."""
    content = new_name("twice").encode()

    assert await twin.store.evidence.keep(content) == await twin.store.evidence.keep(content)


async def test_evidence_that_is_not_there_is_none(twin: Twin) -> None:
    """None means that it was looked for and is not there."""
    assert await twin.store.evidence.fetch(hashlib.sha256(new_name("never").encode()).hexdigest()) is None


async def test_evidence_that_was_exchanged_is_noticed(twin: Twin) -> None:
    """Other bytes under the old name are never taken for what was stored."""
    digest = await twin.store.evidence.keep(new_name("truth").encode())
    await twin.overwrite_evidence(digest, b"lie")

    with pytest.raises(JournalDamaged, match=digest):
        await twin.store.evidence.fetch(digest)


@pytest.mark.parametrize("bad", ["", "../secrets", "A" * 64, "a" * 63, "a" * 65])
async def test_what_is_no_digest_is_refused(twin: Twin, bad: str) -> None:
    """A name from outside never becomes a path."""
    with pytest.raises(ValueError, match="SHA-256"):
        await twin.store.evidence.fetch(bad)
