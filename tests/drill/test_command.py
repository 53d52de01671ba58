"""The command line: exit codes, files, and messages that help."""

import json
from pathlib import Path

import pytest

from drill.__main__ import main
from drill.scenario import shipped_scenarios

SMALL = """
name: small
clock: 2026-03-02T03:04:30Z
tenant:
  id: 3f8e6a10-52c4-4c8f-9d3b-0a6f5be1c7d2
  servicePrincipals:
    - {id: 5b0a11de-1111-4e2b-9c55-6f0d3b8e2a03, displayName: small}
run: {until: PT1M}
"""


def _write(folder: Path, text: str) -> str:
    file = folder / "small.yaml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def test_a_drill_that_ends_as_expected_exits_with_zero(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The report goes to stdout and to the file, what came of it to the result file."""
    scenario = _write(tmp_path, SMALL + "expect: {incidents: [], effects: [{match: '*', count: 0}]}")
    result, report = tmp_path / "result.json", tmp_path / "report.md"

    code = main(["run", scenario, "--quiet", "--result", str(result), "--report", str(report)])

    found = json.loads(result.read_text(encoding="utf-8"))
    assert code == 0
    assert {"scenario", "seed", "endedAt", "incidents", "effects", "tenant", "azure", "eventsOut"} <= found.keys()
    assert found["endedAt"] == "2026-03-02T03:05:30+00:00"
    assert report.read_text(encoding="utf-8").strip() == capsys.readouterr().out.strip()


def test_a_drill_that_ends_otherwise_exits_with_one_and_says_how(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each difference is a line."""
    scenario = _write(tmp_path, SMALL + "expect: {incidents: [{identity: nobody, status: contained}]}")

    code = main(["run", scenario, "--quiet"])

    assert code == 1
    assert "there is no incident about nobody, expected one that is contained" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "more", "message"),
    [
        (SMALL.replace("until", "untl"), (), "small.yaml:8: untl is not known here"),
        (SMALL, ("--policy", "nowhere.yaml"), "nowhere.yaml"),
        (SMALL.replace("run: {", "run: {policy: {version: 1, rles: []}, "), (), "rles"),
        (SMALL + "attackers: [{identity: nobody, does: use-token}]", (), "nobody"),
        (SMALL + "attackers: [{identity: x, does: dance}]", (), "dance"),
        (SMALL + "faults: [{kind: earthquake}]", (), "earthquake"),
        (SMALL.replace("3f8e6a10", "no-guid"), (), "CORDON_TENANT_ID"),
    ],
)
def test_what_cannot_be_played_exits_with_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, more: tuple[str, ...], message: str
) -> None:
    """The message names what is wrong, in the scenario, its policy or the settings that follow from it."""
    code = main(["run", _write(tmp_path, text), "--quiet", *more])

    assert code == 2
    assert message in capsys.readouterr().err


def test_a_missing_file_exits_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong path is told as such."""
    assert main(["run", "nowhere/at-all.yaml"]) == 2
    assert "nowhere/at-all.yaml: No such file or directory" in capsys.readouterr().err


def test_a_wrong_command_exits_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    """As every command line does."""
    with pytest.raises(SystemExit) as caught:
        main(["dance"])

    assert caught.value.code == 2
    assert "invalid choice" in capsys.readouterr().err


def test_the_shipped_scenarios_are_listed_one_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Each with its name and what it is about."""
    assert main(["scenarios"]) == 0

    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == [path.stem for path in shipped_scenarios()]


def test_progress_is_told_while_it_happens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --quiet, stderr tells the story and the verdict."""
    risky = "{id: 5b0a11de-1111-4e2b-9c55-6f0d3b8e2a03, riskLevel: low}"
    text = SMALL + f"timeline: [{{at: PT10S, riskyServicePrincipals: [{risky}]}}]"

    main(["run", _write(tmp_path, text)])

    told = capsys.readouterr().err
    assert "03:04:40Z  World    Entra lists small as risky: low" in told
    assert "The drill ended as the scenario expects." in told
