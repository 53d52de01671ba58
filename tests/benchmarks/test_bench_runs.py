"""The benchmarks run and report; how fast anything is, is for `make bench` to say."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.rows import Row, as_table, compared, slope
from tests.benchmarks.store_calls import measure

_QUICK = """
import sys
from pathlib import Path
from tests.benchmarks.__main__ import main
sys.exit(main(["--quick", "--only", "critical-path", "--only", "policy", "--only", "at-once"], Path(sys.argv[1])))
"""


def test_the_quick_benchmarks_run_and_leave_a_table_and_a_file(tmp_path: Path) -> None:
    """
    The critical path is checked for identical work, so that it also holds the two clients to one end state.

    In a process of its own, as `make bench` runs: its connections end with it.
    """
    results = tmp_path / "bench.json"

    ran = subprocess.run([sys.executable, "-c", _QUICK, str(results)], capture_output=True, check=False, text=True)  # noqa: S603

    assert ran.returncode == 0, ran.stderr
    rows = json.loads(results.read_text(encoding="utf-8"))["rows"]
    calls = next(row for row in rows if "HTTP calls" in row["name"])
    assert calls["ours"] == 4
    assert all(row["ours"] > 0 for row in rows)
    assert calls["name"] in ran.stdout
    at_once = [row for row in rows if "practice tenant's clock" in row["name"]]
    assert [row["reached"] for row in at_once] == [True], "nobody waits for another, which is the same on every machine"


def test_at_most_twelve_store_calls_stand_one_after_the_other_before_the_block() -> None:
    """Under virtual time, so that it is the same on every machine: in Azure each of them is a round trip."""
    calls = measure()

    assert calls.depth <= 12
    assert calls.count >= calls.depth


def test_ratios_are_taken_between_neighbours() -> None:
    """A stretch of time in which everything was slow does not count against either side."""
    row = compared("x", [1.0, 30.0, 1.0], [1.0, 20.0, 0.9], "s", goal=1.2)

    assert row.ratio == pytest.approx(1.0 / 0.9)
    assert row.reached


def test_the_steepest_step_is_the_slope() -> None:
    """Linear growth has slope 1; one quadratic step is not averaged away."""
    assert slope({1: 1.0, 10: 10.0, 100: 1000.0}) == pytest.approx(2.0)


def test_the_table_says_what_was_missed() -> None:
    """A goal may be the least or the most that a ratio may be."""
    table = as_table([Row("slow", 3, 1, "s", 3.0, 2.0), Row("fast", 3, 1, "/s", 3.0, 2.0, at_least=True)])

    slow, fast = table.splitlines()[2:]
    assert "≤ 2" in slow
    assert "missed" in slow
    assert "≥ 2" in fast
    assert "reached" in fast
