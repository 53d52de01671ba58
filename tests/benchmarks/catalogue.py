"""The benchmarks by name."""

from collections.abc import Mapping

from tests.benchmarks.at_once import at_once
from tests.benchmarks.backtest import backtest
from tests.benchmarks.cold import cold_start, first_containment
from tests.benchmarks.containment import critical_path
from tests.benchmarks.evaluation import evaluation
from tests.benchmarks.growth import growth
from tests.benchmarks.rows import Benchmark
from tests.benchmarks.secrets import secrets
from tests.benchmarks.store_calls import store_calls
from tests.benchmarks.sweep import sweep
from tests.benchmarks.throttled import throttled

BENCHMARKS: Mapping[str, Benchmark] = {
    "critical-path": critical_path,
    "at-once": at_once,
    "throttled": throttled,
    "store-calls": store_calls,
    "first-containment": first_containment,
    "cold-start": cold_start,
    "sweep": sweep,
    "policy": evaluation,
    "growth": growth,
    "secrets": secrets,
    "backtest": backtest,
}
