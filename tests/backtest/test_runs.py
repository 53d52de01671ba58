"""Records sorted on disk: whole, or told as torn."""

from pathlib import Path

import pytest

from drill.backtest.runs import Entry, Runs, RunTorn


def _spilled(folder: Path) -> Runs:
    runs = Runs(folder, "a", size=2)
    for ticks in (5, 3, 4, 1):
        runs.add(_entry(ticks))
    return runs


def _entry(ticks: int) -> Entry:
    return (ticks, "audit", str(ticks), {})


def test_what_was_spilled_comes_back_by_time(tmp_path: Path) -> None:
    """Whatever order it came in, and as often as it is asked for."""
    runs = _spilled(tmp_path)

    assert [[entry[0] for entry in runs.in_order()] for _ in range(2)] == [[1, 3, 4, 5]] * 2


@pytest.mark.parametrize("kept", [0, 2, 7, -4])
def test_a_run_that_was_cut_short_does_not_pass_for_whole(tmp_path: Path, kept: int) -> None:
    """A full disk, say: no record may be missing. Cut to nothing, within a length, within a block, at a block's end."""
    runs = _spilled(tmp_path)
    runs.spill()
    whole = runs.paths[0].read_bytes()
    runs.paths[0].write_bytes(whole[:kept])

    with pytest.raises(RunTorn, match="Make room"):
        list(runs.in_order())
