"""`python -m drill check` tells whoever writes a policy whether it does what its samples say."""

import json
from pathlib import Path

import pytest

from drill.__main__ import AS_EXPECTED, OTHERWISE, UNUSABLE, main

SHIPPED = Path(__file__).parents[2] / "policies" / "default.yaml"
POLICY = """\
version: 1
rules:
  - name: blocked
    when: sign-in-blocked
    verdict: watch
  - name: leaked
    when: {all: [{risk-detection: {types: [leakedCredentials], levels: [high]}}, {not: sign-in-blocked}]}
    verdict: contain
    actions: [block-sign-in]
    samples:
      must-fire:
        - detections: [leakedCredentials]
        - about: of low risk
          detections: [{type: leakedCredentials, level: low}]
"""
BEHIND = "  - {name: behind, when: {all: [sign-in-blocked, risk-state]}, verdict: watch}\n"


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return tmp_path / "policy.yaml"


def test_the_shipped_policy_is_good(capsys: pytest.CaptureFixture[str]) -> None:
    """It says what its rules are for, what they read, and when they ask a person."""
    code = main(["check", str(SHIPPED)])
    told = capsys.readouterr().out

    assert code == AS_EXPECTED
    assert "All samples pass, and every rule can decide." in told
    assert "IdentityRiskEvent.Read.All" in told
    assert "licence: Microsoft Entra Workload ID Premium" in told
    assert "no samples" not in told


def test_a_sample_that_fails_is_told_with_line_and_what_each_condition_answered(
    written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Down to the member of a group that said no."""
    written.write_text(POLICY, encoding="utf-8")
    code = main(["check", str(written)])
    told = capsys.readouterr().out

    assert code == OTHERWISE
    assert "leaked (contain, line 6): 1 of 2 samples fail" in told
    assert (
        f"{written}:13: must-fire “of low risk”: no rule decides; this one does not hold: none of 1 detections" in told
    )
    assert "      leaked: all not met\n        risk-detection not met: none of 1 detections is of this sort" in told
    assert "blocked (watch, line 3): no samples" in told
    assert told.endswith("1 sample failed, 0 rules never decided.\n")


def test_a_rule_that_never_decides_is_told_with_the_one_before_it(
    written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its author did not mean it to be there for nothing."""
    written.write_text(POLICY.partition("    samples:")[0] + BEHIND, encoding="utf-8")
    code = main(["check", str(written)])
    told = capsys.readouterr().out

    assert code == OTHERWISE
    assert f"{written}:10: this rule never decides: blocked stands before it and holds whenever it does" in told


def test_programs_are_told_the_same(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With every rule's answer, and how far the case was read for it."""
    written.write_text(POLICY, encoding="utf-8")
    code = main(["check", str(written), "--json"])
    told = json.loads(capsys.readouterr().out)

    assert (code, told["holds"]) == (OTHERWISE, False)
    passed, failed = told["rules"][1]["samples"]
    assert (passed["passes"], passed["decidedBy"], passed["verdict"]) == (True, "leaked", "contain")
    assert passed["read"] == ["identity", "grants", "detections"]
    assert failed["answers"][1]["members"][0]["answer"] == "not met"
    assert told["needs"]["licences"] == ["Microsoft Entra Workload ID Premium"]
    assert told["rules"][1]["unknownWhen"][0]["condition"] == "risk-detection"


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_what_is_no_policy_is_said_so_by_another_code(
    written: Path, capsys: pytest.CaptureFixture[str], flags: list[str]
) -> None:
    """A pipeline can tell a wrong file from a policy that does not do what it says."""
    written.write_text(POLICY.replace("must-fire", "must-fires"), encoding="utf-8")
    code = main(["check", str(written), *flags])
    told = "".join(capsys.readouterr())

    assert code == UNUSABLE
    assert f"{written}:11: unknown key “must-fires”; did you mean must-fire?" in told
    assert main(["check", str(written.with_name("missing.yaml"))]) == UNUSABLE
