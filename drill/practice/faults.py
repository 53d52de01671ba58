"""
Faults on order: what goes wrong, where and how often.

    {service: graph, match: "PATCH /servicePrincipals/*", kind: timeout-applied, count: 1, after: 2}

`match` is a method (or *) and a glob over the path without its version. `share` draws from the seed;
`count` ends after so many strikes; `after` lets so many matching requests pass first; `from`/`until`
bound it in time since the start.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from drill.practice.chance import Chance
from drill.practice.shapes import ScenarioMistake, known_keys, seconds

# Those in the first line strike before the service acts, in the second after it, in the third while it answers.
REFUSING = frozenset({"401", "403", "404", "409", "429", "500", "502", "503", "504", "timeout", "reset", "html-body"})
APPLIED = frozenset({"429-applied", "503-applied", "504-applied", "timeout-applied", "reset-applied"})
ANSWERING = frozenset({"cut-body", "slow", "stale-read", "batch-missing", "partial"})
KINDS = REFUSING | APPLIED | ANSWERING
ELSEWHERE = frozenset({"store"})  # services whose faults are played by other parts of a drill


@dataclass(slots=True)
class Fault:
    """One entry of `faults`, with how often it has matched and struck."""

    service: str
    method: str
    pattern: str
    kind: str
    share: float
    count: int | None
    after: int
    starts: float
    ends: float
    retry_after: str | None
    delay: float  # seconds: how slow "slow" is, how stale "stale-read"
    matched: int = 0
    struck: int = 0

    @classmethod
    def from_scenario(cls, given: Mapping[str, Any]) -> "Fault":
        known_keys(
            given,
            ("service", "match", "kind", "share", "count", "after", "from", "until", "retryAfter", "delay"),
            "faults",
        )
        method, _, pattern = str(given.get("match", "* *")).partition(" ")
        kind = str(given.get("kind"))
        if kind not in KINDS and given.get("service") not in ELSEWHERE:
            raise ScenarioMistake(f"faults: unknown kind {kind}; known are {', '.join(sorted(KINDS))}")
        return cls(
            service=str(given.get("service", "graph")),
            method=method,
            pattern=pattern,
            kind=kind,
            share=float(given.get("share", 1.0)),
            count=given.get("count"),
            after=int(given.get("after", 0)),
            starts=seconds(given.get("from", 0), "faults.from"),
            ends=seconds(given["until"], "faults.until") if "until" in given else float("inf"),
            retry_after=str(given["retryAfter"]) if given.get("retryAfter") is not None else None,
            delay=seconds(given.get("delay", 30), "faults.delay"),
        )

    def concerns(self, service: str, method: str, path: str, elapsed: float) -> bool:
        return (
            self.service == service
            and self.method in ("*", method)
            and self.starts <= elapsed < self.ends
            and fnmatchcase(path, self.pattern)
        )


class Faults:
    """All faults of a drill. The first one that strikes decides."""

    def __init__(self, given: Iterable[Mapping[str, Any]], chance: Chance) -> None:
        self._faults = [Fault.from_scenario(each) for each in given]
        self._random = chance.stream("faults")

    def strike(self, service: str, method: str, path: str, elapsed: float) -> Fault | None:
        concerned = [fault for fault in self._faults if fault.concerns(service, method, path, elapsed)]
        for fault in concerned:
            fault.matched += 1
        return next((fault for fault in concerned if self._strikes(fault)), None)

    def _strikes(self, fault: Fault) -> bool:
        if fault.matched <= fault.after or (fault.count is not None and fault.struck >= fault.count):
            return False
        if fault.share < 1.0 and self._random.random() >= fault.share:
            return False
        fault.struck += 1
        return True
