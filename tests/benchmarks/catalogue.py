"""The benchmarks by name."""

from collections.abc import Mapping

from tests.benchmarks.containment import critical_path
from tests.benchmarks.rows import Benchmark

BENCHMARKS: Mapping[str, Benchmark] = {
    "critical-path": critical_path,
}
