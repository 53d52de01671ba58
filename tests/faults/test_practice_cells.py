"""A sample of the matrix through the real doors, the real SDK and the practice tenant: no stand-in flatters there."""

from functools import cache
from pathlib import Path

import pytest

from drill.runner import Result, run_scenario
from drill.scenario import load_scenario, read_scenario
from tests.canary import Scanner
from tests.faults.attacks import DEPTH

SCENARIO = Path(__file__).resolve().parents[2] / "drill" / "scenarios" / "leaked-secret.yaml"
STRIKES = (
    "PATCH /servicePrincipals/*, timeout-applied",
    "PATCH /servicePrincipals/*, 429-applied",
    "POST /applications/*, timeout",
    "*, 503",
)


@cache
def undisturbed() -> Result:
    return run_scenario(load_scenario(SCENARIO))


def _ends(result: Result) -> tuple[list[str], object]:
    return [str(each["status"]) for each in result.incidents], sorted(result.tenant)


def _once(result: Result) -> list[str]:
    """What must not be made twice: certificates and policies that came to be."""
    made = [f"{each['method']} {each['path']}" for each in result.effects if int(each["status"]) < 300]
    return [each for each in made if each.endswith(("/create", "/policies")) and each.startswith("POST")]


def _check(result: Result) -> None:
    assert result.differences == ()
    assert _ends(result) == _ends(undisturbed())
    assert len(_once(result)) == len(_once(undisturbed()))
    assert Scanner(result.canaries).find(result.as_json() + result.as_markdown()) is None


@pytest.mark.parametrize("share", range(3 * DEPTH))
def test_a_process_killed_at_any_write_is_made_up_for(share: int) -> None:
    """Points spread over the whole drill; the end is what it would have been."""
    points = undisturbed().points
    number = points[(share * len(points)) // (3 * DEPTH)].number

    _check(run_scenario(load_scenario(SCENARIO), kill_at=frozenset({number})))


@pytest.mark.parametrize("strike", STRIKES)
def test_a_service_that_fails_once_is_made_up_for(strike: str) -> None:
    """What was applied is found by reading, what was not is done again."""
    match, kind = strike.split(", ")
    text = SCENARIO.read_text("utf-8")
    assert "\nfaults:" not in text
    fault = f'\nfaults:\n  - {{service: graph, match: "{match}", kind: {kind}, count: 1}}\n'

    _check(run_scenario(read_scenario((text + fault).encode(), SCENARIO)))
