"""Whether a version that Cordon published was read by the accused: then the secret goes another round."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.estate import SecretRead, SecretRef, SecretSeen
from shared.exposure import Exposed
from shared.rotation_plan import is_read_again

PUBLISHED = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
REF = SecretRef("shop", "db")
BEFORE, AFTER = -timedelta(minutes=5), timedelta(minutes=5)


@pytest.mark.parametrize(
    ("versions", "unnamed", "last", "again"),
    [
        (("new",), False, AFTER, True),
        (("old",), False, AFTER, False),  # the old version, asked for by its id
        ((), False, AFTER, True),
        ((), False, BEFORE, False),
        (("old",), True, AFTER, True),  # some reads name no version: after the new one was there, they gave it
        (("old",), True, BEFORE, False),
    ],
)
def test_a_read_without_a_version_after_the_new_one_was_there_is_a_read_of_it(
    versions: tuple[str, ...], unnamed: bool, last: timedelta, again: bool
) -> None:
    """Versions that other reads name do not hide it."""
    at = PUBLISHED + last
    reads = SecretRead(REF, versions, at, at, 2, (), "who", unnamed=unnamed)
    exposed = Exposed(SecretSeen(REF, None, True, PUBLISHED, PUBLISHED), 1, "read", reads)

    assert is_read_again(exposed, "new", PUBLISHED) is again
