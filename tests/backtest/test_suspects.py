"""Whom a backtest holds suspect is whom Cordon's journal would accuse."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.backtest.exported import (
    NOON,
    PAYROLL,
    JsonObject,
    application,
    credential_added,
    detection,
    export,
    principal,
    replayed,
)

ACTOR, ITS_CLIENT = "10000000-0000-4000-8000-000000000002", "20000000-0000-4000-8000-000000000002"
LEAKED: JsonObject = {"risk-detection": {"types": ["leakedCredentials"]}}


def policy(when: JsonObject) -> JsonObject:
    """One rule about whoever was changed by an accused workload, and one that asks."""
    return {
        "version": 1,
        "rules": [
            {
                "name": "changed",
                "when": {"changed-by-suspect": {"suspicion": ["accused"], "who": ["identity"]}},
                "verdict": "contain",
                "actions": ["block-sign-in"],
            },
            {"name": "asks", "when": when, "verdict": "ask", "actions": ["block-sign-in"]},
        ],
    }


def decided(place: Path, when: JsonObject, by: JsonObject) -> str:
    """By which rule a workload is decided to which an asked-about one has given a credential."""
    changed = {**credential_added(NOON), "initiatedBy": {"user": None, "app": {"displayName": "workload 2", **by}}}
    folder = export(
        place / "export",
        audits=[changed],
        detections=[detection(NOON - timedelta(minutes=10), 2)],
        principals=[principal(1), principal(2)],
        applications=[application(1), application(2)],
    )
    return replayed(folder, policy(when)).tally.last[PAYROLL][1]


@pytest.mark.parametrize("by", [{"servicePrincipalId": ACTOR}, {"servicePrincipalId": None, "appId": ITS_CLIENT}])
def test_whoever_was_asked_about_for_what_is_known_is_accused_by_either_id(by: JsonObject, tmp_path: Path) -> None:
    """The journal is asked by whichever id the log names the actor."""
    assert decided(tmp_path, LEAKED, by) == "changed"


def test_whoever_was_asked_about_because_nothing_is_known_is_not_accused(tmp_path: Path) -> None:
    """As live: an export without sign-ins would otherwise make suspects of whoever it cannot judge."""
    unknown: JsonObject = {"all": [LEAKED, {"new-sign-in": {"features": ["network"]}}]}

    assert decided(tmp_path, unknown, {"servicePrincipalId": ACTOR}) != "changed"
