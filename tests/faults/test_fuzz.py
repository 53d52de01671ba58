"""Every entry point bears some inputs that were made to hurt; `make faults` tries many more."""

import pytest

from tests.faults import fuzz as fuzzing
from tests.faults.attacks import DEPTH
from tests.faults.fuzz import ENTRIES, fuzz


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_entry_point_bears_what_is_thrown_at_it(entry: str) -> None:
    """Refused by name or taken in: no other exception, no second of time, no quarter of a gigabyte."""
    found = [each for each in fuzz(entry, range(1, 1 + 8 * DEPTH)) if each]

    assert found == []


@pytest.mark.parametrize("what", ["raises", "dawdles", "hoards"])
def test_what_is_not_borne_is_found(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """The guards themselves: an exception, time, memory."""

    def bad(_: object) -> None:
        if what == "raises":
            raise KeyError("planted")
        if what == "hoards":
            bytearray(2**21)
        sum(range(300_000))

    monkeypatch.setattr(fuzzing, "ENTRIES", {"planted": bad})
    monkeypatch.setattr(fuzzing, "LONGEST", 1e-6 if what == "dawdles" else 60.0)
    monkeypatch.setattr(fuzzing, "LARGEST", 2**20)

    (found,) = fuzz("planted", range(1 if what == "dawdles" else 0, 2 if what == "dawdles" else 1))

    assert found is not None
