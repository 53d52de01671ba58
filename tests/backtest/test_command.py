"""`python -m drill backtest`: what it writes, what it says when it cannot, and how it exits."""

import json
import tracemalloc
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from drill.__main__ import AS_EXPECTED, OTHERWISE, UNUSABLE, main
from drill.backtest.runs import Runs, pack_audit, to_ticks, unpack_audit
from drill.backtest.sieve import sift
from shared.audit import read_audit
from tests.backtest.exported import (
    NOON,
    PAYROLL,
    POLICY,
    application,
    audit,
    credential_added,
    detection,
    export,
    principal,
    replayed,
)


def policy_file(place: Path, policy: dict[str, Any] | None = None, name: str = "policy.yaml") -> str:
    (place / name).write_text(json.dumps(policy or POLICY), encoding="utf-8")
    return str(place / name)


def run(*arguments: str) -> int:
    return main(["backtest", *arguments, "--complete-from", "2026-02-01", "--quiet"])


def test_what_came_of_it_is_written_for_people_and_for_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The printed text, the file, and JSON that says the same."""
    folder = export(tmp_path / "export", audits=[credential_added(NOON)], detections=[detection(NOON)])
    files = ["--json", str(tmp_path / "out.json"), "--markdown", str(tmp_path / "out.md")]

    code = run("--policy", policy_file(tmp_path), "--logs", str(folder), *files)

    told, found = (tmp_path / "out.md").read_text("utf-8"), json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert code == AS_EXPECTED
    assert told.strip() == capsys.readouterr().out.strip()
    assert "**1 identities would have been contained" in told
    (acting,) = found["policy"]["acting"]
    assert (acting["identity"], acting["verdict"], acting["rule"]) == (PAYROLL, "contain", "leaked")
    assert acting["plan"] == [f"block-sign-in on service-principal {PAYROLL}"]
    assert found["policy"]["hours"][0]["contained"] == 1


def test_two_policies_differ_where_one_of_them_would_do_otherwise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other one does not know the rule about leaks."""
    folder = export(tmp_path / "export", audits=[credential_added(NOON)], detections=[detection(NOON)])
    other = policy_file(tmp_path, {**POLICY, "rules": POLICY["rules"][1:]}, "other.yaml")

    run("--policy", policy_file(tmp_path), "--logs", str(folder), "--against", other)

    text = capsys.readouterr().out
    assert "## Against `other.yaml`" in text
    assert "contain by `leaked`, 2026-03-10 12:01 | ask by `new-credential`, 2026-03-10 12:01" in text


def test_the_same_policy_twice_makes_no_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each has limits and open incidents of its own."""
    folder = export(tmp_path / "export", detections=[detection(NOON)])
    file = policy_file(tmp_path)

    run("--policy", file, "--logs", str(folder), "--against", file)

    assert "Both policies would have done the same" in capsys.readouterr().out


def test_a_damaged_line_is_told_and_shows_in_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All else is replayed."""
    folder = export(tmp_path / "export", detections=[detection(NOON)])
    (folder / "more.jsonl").write_text('{"activityDisplayName": "Update user"}\n{"cut o\n', encoding="utf-8")

    code = run("--policy", policy_file(tmp_path), "--logs", str(folder))

    text = capsys.readouterr().out
    assert code == OTHERWISE
    assert "`more.jsonl:2: a line that is not JSON`" in text
    assert "**1 identities would have been contained" in text


@pytest.mark.parametrize(
    ("files", "remedy"),
    [
        (None, "does not exist"),
        ({}, "holds no file"),
        ({"notes.txt": "hello, world\n"}, "holds a log that is known"),
        ({"a.json": '{"id": 1}'}, "records of a sort not known here"),
    ],
)
def test_an_export_that_cannot_be_used_is_told_with_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], files: dict[str, str] | None, remedy: str
) -> None:
    """And nothing is printed as if there had been a backtest."""
    if files is not None:
        (tmp_path / "export").mkdir()
    for name, content in (files or {}).items():
        (tmp_path / "export" / name).write_text(content, encoding="utf-8")

    code = run("--policy", policy_file(tmp_path), "--logs", str(tmp_path / "export"))

    told = capsys.readouterr()
    assert code == UNUSABLE
    assert "Nothing was replayed" in told.err
    assert remedy in told.err
    assert "docs/backtest.md" in told.err
    assert told.out == ""


def test_a_wrong_policy_is_told_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is read."""
    (tmp_path / "policy.yaml").write_text("version: 1\nrules:\n  - name: x\n    when: nonsense\n    verdict: watch\n")

    code = run("--policy", str(tmp_path / "policy.yaml"), "--logs", str(tmp_path))

    assert code == UNUSABLE
    assert "policy.yaml:4:" in capsys.readouterr().err


def test_whose_tenant_it_is_has_to_be_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Own applications cannot be told from foreign ones without."""
    folder = export(tmp_path / "export", detections=[detection(NOON)], applications=[])

    code = run("--policy", policy_file(tmp_path), "--logs", str(folder))

    assert code == UNUSABLE
    assert "--tenant" in capsys.readouterr().err


def test_only_what_was_reported_in_the_time_that_is_asked_for_is_decided(tmp_path: Path) -> None:
    """What was before is still known."""
    hours = [NOON + timedelta(hours=number) for number in range(4)]
    found = [detection(at, number) for number, at in enumerate(hours, start=1)]
    folder = export(tmp_path / "export", detections=found, principals=[principal(n) for n in range(1, 5)])

    outcome = replayed(folder, since=hours[1], until=hours[3])

    assert [each.at for each in outcome.tally.acting] == [
        hours[1] + timedelta(minutes=1),
        hours[2] + timedelta(minutes=1),
    ]


def test_a_mass_at_once_is_held_by_the_limits_as_live(tmp_path: Path) -> None:
    """Seven at once, five an hour are allowed: nobody of the batch is touched, and the table tells."""
    numbers = range(1, 8)
    folder = export(
        tmp_path / "export",
        detections=[detection(NOON, number) for number in numbers],
        principals=[principal(number) for number in range(1, 400)],
    )

    outcome = replayed(folder)

    assert {each.held_by for each in outcome.tally.acting} == {"limits"}
    assert len(outcome.tally.acting) == 7


def test_a_contained_identity_is_not_contained_again_for_each_further_signal(tmp_path: Path) -> None:
    """Within its rechecks signals join; a later one is a repetition and no second identity."""
    later = [NOON + timedelta(minutes=30), NOON + timedelta(hours=5)]
    folder = export(
        tmp_path / "export",
        detections=[detection(NOON), *(detection(at, 1, id=f"{n:063x}f") for n, at in enumerate(later))],
    )

    outcome = replayed(folder)

    assert len(outcome.tally.acting) == 1
    assert outcome.tally.joined == 1
    assert outcome.tally.by_verdict == {"contain": 2}


def test_names_from_the_export_are_inert_in_the_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever chose the name chooses no markup and no line."""
    named = principal(displayName="x | y](https://evil.example)\n# owned")
    folder = export(tmp_path / "export", detections=[detection(NOON)], principals=[named])

    run("--policy", policy_file(tmp_path), "--logs", str(folder))

    text = capsys.readouterr().out
    assert "\n# owned" not in text
    assert "\\](https" in text
    assert "](https://" not in text


def test_cordons_own_doing_is_no_signal(tmp_path: Path) -> None:
    """As live: by the ids that are given."""
    own = "11111111-0000-4000-8000-00000000000c"
    by_cordon = {**credential_added(NOON), "initiatedBy": {"user": None, "app": {"servicePrincipalId": own}}}
    folder = export(tmp_path / "export", audits=[by_cordon])

    assert replayed(folder).signals == 1
    outcome = replayed(folder, own_ids=frozenset({own}))
    assert (outcome.signals, outcome.own) == (0, 1)


def test_what_is_sifted_out_quickly_is_what_a_full_reading_leaves_out(tmp_path: Path) -> None:
    """Of each activity and target, kept is exactly what concerns workloads or has one for a target."""
    from shared.audit import concerns_workloads

    kinds = ("User", "Application", "serviceprincipal", "Other")
    activities = (
        "Update user",
        "Update application",
        "Add owner to application",
        "Add member to group",
        "Consent to application",
    )
    records = [
        audit(activity, NOON + timedelta(seconds=number * 10 + place), PAYROLL, kind, {})
        for number, activity in enumerate(activities)
        for place, kind in enumerate(kinds)
    ]
    folder = export(tmp_path / "export", audits=records)
    (tmp_path / "runs").mkdir()

    sifted = sift([folder / "directoryAudits.json"], folder, tmp_path / "runs", None)

    read = [(raw, read_audit(raw)) for raw in records]
    expected = {
        record.id
        for raw, record in read
        if concerns_workloads(raw) or record.targets[0].type.casefold() in ("application", "serviceprincipal")
    }
    assert {entry[2] for entry in sifted.runs.in_order()} == expected
    assert sifted.covers


def test_a_record_comes_back_from_the_disk_as_it_was() -> None:
    """With its targets, properties and actor."""
    record = read_audit(credential_added(NOON))

    assert unpack_audit(to_ticks(record.at), record.id, pack_audit(record)) == record


def test_runs_come_together_in_order_however_many_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than may be open at once are merged first; they can be read twice."""
    monkeypatch.setattr("drill.backtest.runs.MOST_RUNS", 3)
    runs = Runs(tmp_path, "x", size=7)
    for number in range(200):
        runs.add((number * 7919 % 200, "sort", str(number), None))

    first, second = list(runs.in_order()), list(runs.in_order())

    assert [entry[0] for entry in first] == list(range(200))
    assert second == first


def test_memory_is_that_of_a_window_and_not_of_the_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four times the days, and the same window of seven: of what came more, less than a sixth is ever held."""
    monkeypatch.setattr("drill.backtest.runs.RUN", 50)
    monkeypatch.setattr("drill.backtest.runs.BLOCK", 2)

    def peak(days: int) -> tuple[int, int]:
        folder = export(tmp_path / str(days) / "export")
        with (folder / "directoryAudits.json").open("w", encoding="utf-8") as file:
            for number in range(days * 8):
                at, sides = NOON + timedelta(hours=3 * number), {"X": ("a" * 8000, str(number))}
                record = audit("Add owner to application", at, application()["id"], "Application", sides)
                file.write(json.dumps(record) + "\n")
        tracemalloc.start()
        outcome = replayed(folder, {**POLICY, "rules": POLICY["rules"][2:]})
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert outcome.tally.decisions == days * 8
        return highest, (folder / "directoryAudits.json").stat().st_size

    peak(1)
    (short, less), (long, more) = peak(10), peak(40)
    assert long - short < (more - less) / 6
