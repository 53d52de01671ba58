"""Which versions of a secret must die, where somebody disabled one of them before Cordon looked."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.estate import SecretRead, SecretRef, SecretSeen
from shared.exposure import Exposed
from shared.rotation_plan import versions_exposed

READ = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
REF = SecretRef("shop", "db")
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
