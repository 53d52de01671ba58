"""What an export does not hold makes a question of what hangs on it, and the report says so by check and number."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from drill.backtest.hindsight import Hindsight
from drill.backtest.memory import Memory
from drill.backtest.snapshot import Snapshot
from drill.backtest.telling import as_markdown
from shared.case import CouldNotLook, PartName
from shared.identity import IdentityRef, PrincipalId
from shared.look import Look
from shared.policy import Limits
from shared.tenant import Directory
from tests.backtest.exported import NOON, PAYROLL, TENANT, audit, credential_added, detection, export, replayed

STRANGER: dict[str, Any] = {
    "version": 1,
    "rules": [
        {
            "name": "stranger",
            "when": {"new-sign-in": {"features": ["network"]}},
            "verdict": "contain",
            "actions": ["block-sign-in"],
        }
    ],
}


def test_without_sign_ins_a_check_of_sign_ins_is_not_clean(tmp_path: Path) -> None:
    """A person is asked, and the report tells which log is missing."""
    outcome = replayed(export(tmp_path / "export", audits=[credential_added(NOON)]), STRANGER)

    assert outcome.tally.last[PAYROLL][:2] == ("ask", "stranger")
    assert outcome.tally.hung == 1
    assert "the export holds no sign-ins of service principals" in next(iter(outcome.tally.hung_on)).why
    text = as_markdown(outcome, Limits())
    assert "1 of 1 decisions hung on a check that the export does not allow" in text
    assert "No sign-ins of service principals" in text


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("servicePrincipals", "identity"),
        ("servicePrincipalRiskDetections", "detections"),
        ("directoryAudits", "audits"),
    ],
)
def test_one_file_away_leaves_no_identity_clean(tmp_path: Path, name: str, part: str) -> None:
    """The same policy that would watch with everything there asks, or has nothing to decide on."""
    folder = export(tmp_path / "export", audits=[credential_added(NOON)], detections=[detection(NOON, riskLevel="low")])
    (folder / f"{name}.json").unlink()

    outcome = replayed(folder, {**_CALM})

    assert {said[0] for said in outcome.tally.last.values()} == {"ask"}
    assert any(part in each.why for each in outcome.tally.hung_on)


_CALM: dict[str, Any] = {
    "version": 1,
    "rules": [
        {
            "name": "all-three",
            "when": {
                "all": [
                    {"credential-excess": {"more-than": 50}},
                ]
            },
            "verdict": "watch",
        },
        {
            "name": "high",
            "when": {"all": [{"risk-detection": {"levels": ["high"]}}]},
            "verdict": "watch",
        },
        {
            "name": "someone",
            "when": {"audit-activity": {"activities": ["Add owner to application"]}},
            "verdict": "watch",
        },
    ],
}


def test_a_log_that_begins_too_late_proves_nothing_about_the_time_before(tmp_path: Path) -> None:
    """The policy asks 24 hours back; the export begins with the record itself."""
    folder = export(tmp_path / "export", audits=[credential_added(NOON), credential_added(NOON + timedelta(hours=30))])

    outcome = replayed(folder, _ADDED, complete_from=None)

    assert outcome.tally.by_verdict == {"ask": 1, "watch": 1}
    assert "begin less than" in next(iter(outcome.tally.hung_on)).why


_ADDED: dict[str, Any] = {
    "version": 1,
    "rules": [
        {
            "name": "by-a-stranger",
            "when": {"all": [{"credential-added": {"within": "24h", "holders": ["service-principal"]}}]},
            "verdict": "watch",
        }
    ],
}


def test_a_part_that_is_not_replayed_is_not_taken_for_empty(tmp_path: Path) -> None:
    """People behind an identity are in other logs."""
    policy: dict[str, Any] = {
        "version": 1,
        "rules": [{"name": "phished", "when": "people-at-risk", "verdict": "contain", "actions": ["block-sign-in"]}],
    }

    outcome = replayed(export(tmp_path / "export", audits=[credential_added(NOON)]), policy)

    assert outcome.tally.last[PAYROLL][0] == "ask"
    assert any("a backtest does not replay this part" in each.why for each in outcome.tally.hung_on)


@pytest.mark.parametrize("part", list(PartName))
def test_every_part_of_a_case_is_answered(part: PartName) -> None:
    """Known or not; a part that is new to the engine must not break a backtest, nor be left unanswered."""
    memory = Memory(Snapshot(), Hindsight(), {}, TENANT, timedelta())
    look = Look(cast("Directory", memory), IdentityRef(PrincipalId(PAYROLL)), lambda: NOON)

    gathered = asyncio.run(look.gather(frozenset({part})))

    assert isinstance(getattr(gathered, part.value), CouldNotLook)


def test_of_a_group_that_was_joined_nobody_can_tell_its_sort(tmp_path: Path) -> None:
    """An export holds no groups: a person would have been asked; people who join groups are no signal."""
    rule = {"name": "joined", "when": "group-joined", "verdict": "contain", "actions": ["block-sign-in"]}
    sides = {"Group.ObjectID": ("", '"9a000000-0000-4000-8000-000000000001"')}
    joined = [
        audit("Add member to group", NOON + timedelta(minutes=n), PAYROLL, kind, sides)
        for n, kind in enumerate(("ServicePrincipal", "User"))
    ]
    outcome = replayed(export(tmp_path / "export", audits=joined), {"version": 1, "rules": [rule]})

    assert outcome.signals == 1
    assert outcome.tally.last[PAYROLL][:2] == ("ask", "joined")
    assert "an export holds no groups" in as_markdown(outcome, Limits())
