"""
Policy evaluation: five clauses (equality, nested any and all, not-in, sort and level, age) on prepared cases.

The baseline is a loop over plain dicts, written by hand for just these clauses: it keeps no reasons and knows
no "unknown".
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from shared.actions import ACTIONS
from shared.case import Case, Known, RiskDetection
from shared.decision import decide, weigh
from shared.identity import IdentityKind
from shared.policy import read_policy
from tests.benchmarks.rows import Choices, Row, compared
from tests.fakes import START, TENANT_ID, payroll

_GOAL = 170_000  # cases a second; see docs/benchmarks.md
_EXCLUDED: tuple[str, ...] = ("microsoft", "agent", "managed-identity")
_POLICY = """
version: 1
rules:
  - name: bench
    when:
      all:
        - identity-kind: {kinds: [own-single-tenant]}
        - any:
            - risk-detection: {types: [leakedCredentials, maliciousApplication], levels: [medium, high]}
            - all:
                - risk-detection: {types: [suspiciousSignins], levels: [high]}
                - sign-in-blocked
        - not: {identity-kind: {kinds: [microsoft, agent, managed-identity]}}
        - risk-detection: {within: 24h}
    verdict: contain
    actions: [block-sign-in]
"""


def evaluation(choices: Choices) -> list[Row]:
    """A third of the cases are met; each decision comes with every condition's reason, as the journal keeps it."""
    count, times = choices.pick((100, 1), (5_000, 9))
    policy = read_policy(_POLICY, "bench.yaml", [action.name for action in ACTIONS])
    cases = [_case(number) for number in range(count)]
    plain = [_plain(case) for case in cases]
    assert [decide(policy, case).rule == "bench" for case in cases] == [_by_hand(each) for each in plain]
    weighed: list[float] = []
    decided: list[float] = []
    by_hand: list[float] = []
    for _ in range(times):
        weighed.append(_rate(lambda: [weigh(policy, case) for case in cases], count))
        decided.append(_rate(lambda: [decide(policy, case) for case in cases], count))
        by_hand.append(_rate(lambda: [_by_hand(each) for each in plain], count))
    rate = statistics.median(weighed)
    note = "baseline: by hand, without reasons"
    return [
        Row("policy: five clauses, reasons kept", rate, _GOAL, "/s", rate / _GOAL, 1.0, at_least=True),
        compared("policy: the same", weighed, by_hand, "/s", note=note),
        compared("policy: the same, put into the journal's words", decided, by_hand, "/s", note=note),
    ]


def _rate(run: Callable[[], object], count: int) -> float:
    begun = time.process_time()
    run()
    return count / (time.process_time() - begun)


def _case(number: int) -> Case:
    kind = (IdentityKind.OWN_SINGLE_TENANT, IdentityKind.FOREIGN)[number // 2 % 2]
    type_ = ("leakedCredentials", "suspiciousSignins")[number % 2]
    state = replace(payroll(kind=kind), enabled=number % 3 != 0)
    at = START - timedelta(hours=1)
    detection = RiskDetection(str(number), type_, "high", "atRisk", "none", (), at, at, at, None)
    case = Case(START, TENANT_ID, state.identity.ref, (), frozenset())
    return replace(case, identity=Known(state), detections=Known((detection,)))


def _plain(case: Case) -> Mapping[str, Any]:
    assert isinstance(case.identity, Known)
    assert isinstance(case.detections, Known)
    detection = case.detections.value[0]
    return {
        "kind": case.identity.value.identity.kind.value,
        "enabled": case.identity.value.enabled,
        "detection": {"type": detection.type, "level": detection.level, "at": detection.detected_at},
        "now": case.now,
    }


def _by_hand(record: Mapping[str, Any]) -> bool:
    detection = record["detection"]
    return (
        record["kind"] == "own-single-tenant"
        and (
            (
                detection["type"] in ("leakedCredentials", "maliciousApplication")
                and detection["level"] in ("medium", "high")
            )
            or (detection["type"] == "suspiciousSignins" and detection["level"] == "high" and not record["enabled"])
        )
        and record["kind"] not in _EXCLUDED
        and record["now"] - detection["at"] <= timedelta(hours=24)
    )
