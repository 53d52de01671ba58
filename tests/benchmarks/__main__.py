"""
Run the benchmarks, print a table and write build/bench.json.

    python -m tests.benchmarks [--only NAME]... [--quick] [--full]
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.catalogue import BENCHMARKS
from tests.benchmarks.rows import Choices, Row, as_table, keep

RESULTS = Path(__file__).resolve().parents[2] / "build" / "bench.json"


def main(arguments: Sequence[str] | None = None, results: Path = RESULTS) -> int:
    """Exit code 0 when everything ran; a missed goal is in the table, and no failure."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=sorted(BENCHMARKS), help="this one (may be repeated)")
    parser.add_argument("--quick", action="store_true", help="show that it runs; the figures mean nothing")
    parser.add_argument("--full", action="store_true", help="the largest sizes too")
    given = parser.parse_args(arguments)
    choices = Choices(quick=given.quick, full=given.full)
    rows: list[Row] = []
    seconds: dict[str, float] = {}
    for name in given.only or BENCHMARKS:
        print(f"{name} …", end=" ", file=sys.stderr, flush=True)
        begun = time.monotonic()
        rows += BENCHMARKS[name](choices)
        seconds[name] = round(time.monotonic() - begun, 1)
        print(f"{seconds[name]} s", file=sys.stderr, flush=True)
    print(as_table(rows))
    keep(rows, results, {**_about(), "seconds": seconds, "quick": choices.quick})
    return 0


def _about() -> dict[str, object]:
    """When and on what; load tells how far single figures can be trusted."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "load": [round(each, 2) for each in os.getloadavg()],
    }


if __name__ == "__main__":
    sys.exit(main())
