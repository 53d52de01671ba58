"""signalled: which source told of the identity."""

from dataclasses import replace

import pytest

from shared.conditions.interface import Met, NotMet
from shared.conditions.signalled import Signalled
from shared.identity import IdentityRef
from shared.signal import Signal
from tests.conditions.cases import UNREADABLE, case, unread
from tests.fakes import PAYROLL, START

HEARD = Signal("directory-audit", "Directory_1", IdentityRef(PAYROLL), START, "a change")


@pytest.mark.parametrize(
    ("signals", "answer"), [((), NotMet), ((HEARD,), Met), ((replace(HEARD, source="risk-detection"),), NotMet)]
)
def test_one_signal_of_the_source_is_enough(signals: tuple[Signal, ...], answer: type) -> None:
    """The incident's own signals, whatever could be read."""
    asked = Signalled(("directory-audit",))

    assert isinstance(asked.check(replace(case(), signals=signals)), answer)
    assert isinstance(asked.check(replace(unread(UNREADABLE), signals=signals)), answer)


def test_the_reason_names_the_record() -> None:
    """So that it can be found."""
    found = Signalled(("manual", "directory-audit")).check(replace(case(), signals=(HEARD,)))

    assert "Directory_1" in found.reason
