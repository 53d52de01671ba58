"""A scenario that is not one is refused, at the line where it goes wrong."""

from datetime import timedelta
from pathlib import Path

import pytest

from drill.scenario import ScenarioWrong, read_scenario, shipped_scenarios
from drill.yaml_text import TextWrong, read_yaml

HEAD = "name: small\nclock: 2026-03-02T03:00:00Z\n"
PATH = Path("small.yaml")


def _problems(text: str) -> tuple[str, ...]:
    with pytest.raises(ScenarioWrong) as caught:
        read_scenario(text.encode(), PATH)
    return caught.value.problems


def test_a_whole_scenario_is_read() -> None:
    """Graph's objects pass through as they stand; what is ours has types and defaults."""
    text = (
        HEAD
        + """
tenant:
  servicePrincipals:
    - {id: a, displayName: no, keyCredentials: [{startDateTime: 2026-01-01T00:00:00Z}]}
timeline:
  - {at: PT1M30S, servicePrincipalRiskDetections: [{riskLevel: high}]}
faults: [{kind: 503}]
run: {until: PT5M}
"""
    )

    scenario = read_scenario(text.encode(), PATH)

    (principal,) = scenario.world()["tenant"]["servicePrincipals"]
    assert principal["displayName"] == "no"
    assert principal["keyCredentials"] == [{"startDateTime": "2026-01-01T00:00:00Z"}]
    assert scenario.file.timeline[0].at == timedelta(seconds=90)
    assert scenario.world()["faults"] == [{"kind": "503"}]
    assert scenario.file.run.until == timedelta(minutes=5)
    assert scenario.file.run.mode == "act"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("tenant: {}\nrun: {untl: PT1M}", "small.yaml:4: untl is not known here; did you mean until?"),
        ("tenant: {servicePrincipls: []}", "small.yaml:3: servicePrincipls is not known here"),
        (
            "tenant:\n  applications:\n    - id: a\n      displayNam: x",
            "small.yaml:6: displayNam is not known here; did you mean displayName?",
        ),
        (
            "tenant: {}\ntimeline:\n  - {at: PT1M, patch: {servicePrincipals: {a: {accountEnabld: true}}}}",
            "small.yaml:5: accountEnabld is not known here; did you mean accountEnabled?",
        ),
        ("tenant: {}\nrun: {mode: atc}", "small.yaml:4: mode: input should be 'watch', 'ask' or 'act'"),
        ("tenant: {}\nrun: {until: 2h}", "small.yaml:4: until: "),
        ("tenant: {}\nrun: {until: PT0S}", "small.yaml:4: until: a drill takes some time"),
        ("tenant: {}\nexpect: {incidents: [{status: contained}]}", "expect.incidents.0.identity is missing"),
        ("tenant: {}\ntenant: {}", "small.yaml:4: tenant stands twice"),
        ("tenant: {users: [&a {id: x}, *a]}", "small.yaml:3: aliases are not allowed"),
        ("tenant: {id: !!python/name:os.system x}", "small.yaml:3: "),
        ("tenant: [", "small.yaml:"),
    ],
)
def test_a_mistake_names_file_and_line_and_what_was_meant(text: str, problem: str) -> None:
    """A typo cannot silently make a drill milder."""
    assert any(found.startswith(problem) or problem in found for found in _problems(HEAD + text))


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    """Nobody has to run a drill once for each typo."""
    found = _problems("nme: x\nclock: yesterday\ntenant: {}\nrun: {mode: 1}")

    assert [problem.split(":")[1] for problem in found] == ["1", "1", "2", "4"]


def test_a_time_needs_its_zone() -> None:
    """A drill that begins at some local three o'clock would not be the same drill everywhere."""
    assert any("needs its zone" in found for found in _problems("name: x\nclock: 2026-03-02T03:00:00\ntenant: {}"))


@pytest.mark.parametrize(
    "text", [b"\xff", b"", b"? [1]\n: 2", b"[" * 5000, b"a: 1e999", b"a: !!int x", b"--- a\n--- b\n"]
)
def test_text_that_is_no_plain_yaml_is_refused(text: bytes) -> None:
    """Bytes, nesting, tags and numbers that JSON could not hold end in one kind of error."""
    with pytest.raises(TextWrong):
        read_yaml(text)


def test_the_shipped_scenarios_are_there_and_each_says_what_it_is_about() -> None:
    """The list is what `python -m drill scenarios` shows."""
    scenarios = [read_scenario(path.read_bytes(), path) for path in shipped_scenarios()]

    assert {each.name for each in scenarios} >= {
        "credential-readding",
        "false-alarm",
        "foreign-app",
        "leaked-secret",
        "licence-lapse",
        "managed-identity",
        "mass-detection",
        "re-enable-fight",
        "rogue-credential",
        "stop-switch-in-mid-plan",
        "two-instances",
        "undo-after-drift",
    }
    assert all(each.file.about and each.file.expect.untouched for each in scenarios)
    assert all(each.path.stem == each.name for each in scenarios)
