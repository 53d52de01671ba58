"""The scenarios that ship end as they say, the same way each time, and show no secret."""

import json
import os
import shutil
import subprocess
import sys
from base64 import b64encode
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import pytest

from drill.runner import Result, run_scenario
from drill.scenario import SHIPPED, Scenario, load_scenario, shipped_scenarios

_ROOT = Path(__file__).resolve().parent.parent.parent
_FEW = 200
_NAMES = [path.stem for path in shipped_scenarios()]


@cache
def _played(name: str) -> tuple[Result, tuple[str, ...]]:
    """A scenario's result and narration, played once for all tests."""
    lines: list[str] = []
    return run_scenario(_scenario(name), say=lines.append), tuple(lines)


def _scenario(name: str) -> Scenario:
    """As it ships; but of a crowd as many as tests have time for, under the same limits."""
    scenario = load_scenario(SHIPPED / f"{name}.yaml")
    crowd = scenario.file.crowd
    if crowd is None or crowd.count <= _FEW:
        return scenario
    few = crowd.model_copy(update={"count": _FEW})
    run = scenario.file.run.model_copy(update={"until": timedelta(minutes=15)})
    return replace(scenario, file=scenario.file.model_copy(update={"crowd": few, "run": run}))


@pytest.mark.parametrize("name", _NAMES)
def test_a_shipped_scenario_ends_as_it_expects(name: str) -> None:
    """Every expectation holds, under the policy that the scenario names."""
    result, _ = _played(name)

    assert list(result.differences) == []


@pytest.mark.parametrize("name", _NAMES)
def test_no_secret_or_token_shows_in_anything_that_comes_out(name: str) -> None:
    """Narration, report and result hold none of the tenant's canaries, as they are or in base64."""
    result, lines = _played(name)
    output = "\n".join((*lines, result.as_markdown(), result.as_json())).encode()

    assert len(result.canaries) >= 4
    assert [canary for canary in result.canaries if canary in output or b64encode(canary) in output] == []


def _own_writes(result: Result) -> list[datetime]:
    """When Cordon's writes reached the tenant."""
    own = (effect for effect in result.effects if not str(effect["by"]).startswith(("timeline", "attacker")))
    return [datetime.fromisoformat(str(effect["at"])) for effect in own]


def test_nothing_of_a_crowd_is_touched_and_everybody_is_asked_about() -> None:
    """Five an hour are allowed: not even five of two hundred are contained."""
    result, _ = _played("mass-detection")
    statuses = [incident["status"] for incident in result.incidents]

    assert _own_writes(result) == []
    assert statuses == ["awaiting-approval"] * _FEW


def test_the_stop_switch_stops_between_two_steps() -> None:
    """Something was written before it was set, nothing until it was released, and the rest after a person's order."""
    result, _ = _played("stop-switch-in-mid-plan")
    begun = result.ended_at - timedelta(hours=2, minutes=30)
    minutes = [(at - begun).total_seconds() / 60 for at in _own_writes(result)]

    assert [at for at in minutes if at < 1.01]
    assert [at for at in minutes if 1.05 < at < 31] == []
    assert [at for at in minutes if at > 31]


def test_the_narration_tells_the_story_to_a_stranger() -> None:
    """Who did what stands in order: the detection, the signal, the decision, the cut, its proof, the closing."""
    _, lines = _played("leaked-secret")
    told = "\n".join(lines)
    milestones = (
        "Entra detects leakedCredentials (high) on payroll-sync",
        "signal accepted:",
        "decides: contain",
        "PATCH accountEnabled=false: accepted",
        "1-block-sign-in: read back: accountEnabled is false",
        "looks again after",
        "Attacker sign-in as payroll-sync: refused (AADSTS7000112)",
        "closes the incident as contained",
    )

    places = [told.find(milestone) for milestone in milestones]

    assert -1 not in places
    assert places == sorted(places)


def test_what_the_readme_shows_of_the_first_run_is_what_one_sees() -> None:
    """Each line that it quotes is in the run, in this order."""
    quoted = (_ROOT / "README.md").read_text("utf-8").split("```text\n")[1].split("```")[0].splitlines()
    told = "\n".join(_played("leaked-secret")[1])
    places = [told.find(line) for line in quoted]

    assert [line for line, place in zip(quoted, places, strict=True) if place < 0] == []
    assert places == sorted(places)


def test_the_same_seed_leaves_the_same_trace_in_another_process(tmp_path: Path) -> None:
    """Byte for byte, although each process orders its sets otherwise; the other one runs a copy."""
    for name in ("shared", "drill", "functions", "policies"):
        shutil.copytree(_ROOT / name, tmp_path / name)
    for name in ("function_app.py", "host.json"):
        shutil.copy(_ROOT / name, tmp_path)

    here = run_scenario(load_scenario(SHIPPED / "leaked-secret.yaml")).as_json()

    assert json.loads(here)["scenario"] == "leaked-secret"
    assert here == _printed(tmp_path, "leaked-secret", "4711")


def _printed(root: Path, scenario: str, hash_seed: str) -> str:
    """The result of a scenario, played by the code under `root` in a process of its own."""
    done = subprocess.run(  # noqa: S603 - our own interpreter and words
        [sys.executable, "-c", _PRINT_RESULT, scenario],
        cwd=root,
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(root)},
        capture_output=True,
        check=True,
    )
    return done.stdout.decode()


_PRINT_RESULT = """
import sys
import shared
from pathlib import Path
assert Path(shared.__path__[0]).resolve().parent == Path.cwd().resolve(), "another copy of the code was imported"
from drill.runner import run_scenario
from drill.scenario import SHIPPED, load_scenario
sys.stdout.write(run_scenario(load_scenario(SHIPPED / f"{sys.argv[1]}.yaml")).as_json())
"""


def test_another_seed_leaves_another_trace_and_the_same_outcome() -> None:
    """Chance moves times and ids; it must not move what is contained."""
    first, _ = _played("foreign-app")

    other = run_scenario(load_scenario(SHIPPED / "foreign-app.yaml"), seed=99)

    assert other.as_json() != first.as_json()
    assert list(other.differences) == []


def test_watch_mode_changes_nothing() -> None:
    """The same story in mode watch: no write of Cordon's reaches the tenant, and the expectations do not hold."""
    result = run_scenario(load_scenario(SHIPPED / "leaked-secret.yaml"), mode="watch")

    assert [effect for effect in result.effects if not str(effect["by"]).startswith(("timeline", "attacker"))] == []
    assert {incident["status"] for incident in result.incidents} == {"watched"}
    assert result.differences


def test_a_process_killed_in_mid_containment_ends_in_the_same_state() -> None:
    """Killed right after it blocked sign-in, or right after the vault made the certificate: one certificate each."""
    undisturbed, _ = _played("leaked-secret")
    writes = [point for point in undisturbed.points if point.kind == "tenant"]
    blocked = next(point for point in writes if point.what.startswith("PATCH"))
    made = next(point for point in writes if point.what.startswith("POST") and "certificates" in point.what)

    early = run_scenario(load_scenario(SHIPPED / "leaked-secret.yaml"), kill_at=frozenset({blocked.number}))
    late = run_scenario(load_scenario(SHIPPED / "leaked-secret.yaml"), kill_at=frozenset({made.number}))

    assert list(early.differences) == []
    assert list(late.differences) == []


def test_a_killed_process_can_do_no_more() -> None:
    """After its last write point nothing of the dead process reaches store or tenant until the next one starts."""
    lines: list[str] = []
    undisturbed, _ = _played("foreign-app")
    (block, *_) = (point for point in undisturbed.points if point.kind == "tenant")

    result = run_scenario(
        load_scenario(SHIPPED / "foreign-app.yaml"), kill_at=frozenset({block.number}), say=lines.append
    )

    (killed,) = (line for line in lines if "the process was killed" in line)
    assert f"after write {block.number} (tenant: PATCH" in killed
    assert [point.number for point in result.points] == list(range(1, len(result.points) + 1))
    assert list(result.differences) == []
