"""Objects are as they were at the moment of a signal: changes since are taken back where the log tells them in full."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.case import Case
from shared.decision import decide
from shared.policy import Policy
from tests.backtest.exported import (
    APPLICATION,
    EVE,
    LATER,
    NOON,
    PAYROLL,
    SECRET,
    application,
    audit,
    credential_added,
    described,
    export,
    principal,
    put,
    replayed,
    secret,
)

HOUR = timedelta(hours=1)
ROBOT = "82000000-0000-4000-8000-000000000009"
EXCESS: dict[str, Any] = {
    "version": 1,
    "rules": [{"name": "two", "when": {"credential-excess": {"more-than": 1}}, "verdict": "watch"}],
}
BLOCKED: dict[str, Any] = {
    "version": 1,
    "rules": [{"name": "blocked", "when": "sign-in-blocked", "verdict": "watch"}],
}
OWNED: dict[str, Any] = {
    "version": 1,
    "rules": [
        {
            "name": "strangers",
            "when": {"owners": {"findings": ["unexpected"], "expected": [PAYROLL]}},
            "verdict": "watch",
        }
    ],
}
NOTHING = audit("Update application", NOON, APPLICATION, "Application", {"Notes": ('"a"', '"b"')})


def _told(folder: Path, policy: dict[str, Any]) -> tuple[str, str]:
    """What is said about the edit at noon."""
    return replayed(folder, policy, until=NOON + timedelta(minutes=5)).tally.last[PAYROLL][:2]


@pytest.mark.parametrize(
    ("records", "now", "expected"),
    [
        ([], [SECRET, LATER], "two"),
        ([credential_added(NOON + HOUR)], [SECRET, LATER], "no rule matched"),
        ([credential_added(NOON - HOUR)], [SECRET, LATER], "two"),
        ([credential_added(NOON + HOUR, described(SECRET, LATER), described(SECRET))], [SECRET], "two"),
        (
            [credential_added(NOON - HOUR), credential_added(NOON + HOUR, described(SECRET, LATER), described(SECRET))],
            [SECRET],
            "two",
        ),
    ],
)
def test_credentials_are_those_that_were_there(
    tmp_path: Path, records: list[dict[str, Any]], now: list[str], expected: str
) -> None:
    """Added later, added before, removed later, or both: the lists on either side of a change tell."""
    folder = export(
        tmp_path / "export",
        audits=[NOTHING, *records],
        applications=[application(passwordCredentials=[secret(each) for each in now])],
    )

    assert _told(folder, EXCESS)[1] == expected


def test_a_later_change_in_an_unknown_form_makes_a_question_of_it(tmp_path: Path) -> None:
    """What cannot be taken back is not known, and never what the export happens to show."""
    odd = credential_added(NOON + HOUR, '["something else"]', '["something new"]')
    folder = export(tmp_path / "export", audits=[NOTHING, odd])

    outcome = replayed(folder, EXCESS, until=NOON + timedelta(minutes=5))

    assert outcome.tally.last[PAYROLL][0] == "ask"
    assert [each.check for each in outcome.tally.hung_on] == ["credential-excess"]
    assert "is not certain" in next(iter(outcome.tally.hung_on)).why


@pytest.mark.parametrize(
    ("enabled", "old", "new", "expected"),
    [(False, "[true]", "[false]", "no rule matched"), (True, "[false]", "[true]", "blocked")],
)
def test_sign_in_was_as_the_later_switch_says(tmp_path: Path, enabled: bool, old: str, new: str, expected: str) -> None:
    """Who was blocked an hour later was not blocked yet."""
    switched = audit(
        "Update service principal", NOON + HOUR, PAYROLL, "ServicePrincipal", {"AccountEnabled": (old, new)}
    )
    folder = export(tmp_path / "export", audits=[NOTHING, switched], principals=[principal(accountEnabled=enabled)])

    assert _told(folder, BLOCKED)[1] == expected


@pytest.mark.parametrize(("when", "expected"), [(NOON - HOUR, "strangers"), (NOON + HOUR, "no rule matched")])
def test_an_owner_counts_from_when_it_was_added(tmp_path: Path, when: Any, expected: str) -> None:
    """The export shows the owner in either case."""
    added = audit(
        "Add owner to application", when, APPLICATION, "Application", {"Application.ObjectID": (None, f'"{EVE}"')}
    )
    owned = application(owners=[{"@odata.type": "#microsoft.graph.user", "id": EVE, "displayName": "eve"}])
    folder = export(tmp_path / "export", audits=[NOTHING, added], applications=[owned])

    assert _told(folder, OWNED)[1] == expected


@pytest.mark.parametrize(("named", "expected"), [(True, "no rule matched"), (False, "strangers")])
def test_an_owner_that_comes_later_is_not_one_yet_if_the_record_says_of_what(
    tmp_path: Path, named: bool, expected: str
) -> None:
    """Of two service principals the owner's property names the owned one; where it does not, it cannot be told."""
    property_ = {"displayName": "ServicePrincipal.ObjectID", "oldValue": None, "newValue": f'"{PAYROLL}"'}
    targets: list[Any] = [
        {"id": ROBOT, "type": "ServicePrincipal", "modifiedProperties": [property_] if named else []},
        {"id": PAYROLL, "type": "ServicePrincipal", "modifiedProperties": []},
    ]
    added = audit("Add owner to service principal", NOON + HOUR, PAYROLL, "", {}, targetResources=targets)
    robot = {"@odata.type": "#microsoft.graph.servicePrincipal", "id": ROBOT, "displayName": "robot"}
    folder = export(tmp_path / "export", audits=[NOTHING, added], principals=[principal(owners=[robot])])

    verdict, rule = _told(folder, OWNED)

    assert rule == expected
    assert (verdict == "ask") is (not named)


def test_an_object_that_comes_more_than_once_is_put_together(tmp_path: Path) -> None:
    """Graph expands one thing at a time: owners come from one list, federated credentials from another."""
    whole = application(owners=[{"@odata.type": "#microsoft.graph.user", "id": EVE, "displayName": "eve"}])
    folder = export(tmp_path / "export", audits=[NOTHING], applications=[])
    for number, left_out in enumerate(("owners", "federatedIdentityCredentials")):
        put(folder / str(number), "applications", [{name: each for name, each in whole.items() if name != left_out}])

    assert _told(folder, OWNED)[1] == "strangers"


def test_a_failed_attempt_changed_nothing(tmp_path: Path) -> None:
    """It is not taken back."""
    failed = {**credential_added(NOON + HOUR), "result": "failure"}
    now = [secret(SECRET), secret(LATER)]
    folder = export(tmp_path / "export", audits=[NOTHING, failed], applications=[application(passwordCredentials=now)])

    assert _told(folder, EXCESS)[1] == "two"


def test_what_is_decided_in_short_is_what_is_decided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words for the journal are left out of a backtest, and nothing else."""
    from drill.backtest import replay

    seen = list[Case]()
    weigh = replay.weigh

    def listening(policy: Policy, case: Case) -> Any:
        seen.append(case)
        found = weigh(policy, case)
        short, whole = replay.in_short(found), decide(policy, case)
        assert {name: getattr(short, name) for name in type(short).__slots__ if name != "rules"} == {
            name: getattr(whole, name) for name in type(whole).__slots__ if name != "rules"
        }
        return found

    monkeypatch.setattr(replay, "weigh", listening)
    replayed(export(tmp_path / "export", audits=[NOTHING, credential_added(NOON + HOUR)]))

    assert len(seen) >= 2


def test_an_application_that_was_closed_again_later_was_open_to_others_then(tmp_path: Path) -> None:
    """As a live look would have seen it, an hour after it was opened; the snapshot shows it closed."""
    opened: dict[str, Any] = {
        "version": 1,
        "rules": [
            {"name": "opened", "when": {"property-changed": {"properties": ["signInAudience"]}}, "verdict": "watch"}
        ],
    }
    sides, back = ("[false]", "[true]"), ("[true]", "[false]")
    change = [
        audit("Update application", at, APPLICATION, "Application", {"AvailableToOtherTenants": way})
        for at, way in ((NOON, sides), (NOON + 3 * HOUR, back))
    ]
    shown = [application(signInAudience="AzureADMyOrg")]
    still = replayed(export(tmp_path / "then", audits=change[:1], applications=shown), opened)
    then = replayed(export(tmp_path / "both", audits=change, applications=shown), opened)

    assert still.tally.last[PAYROLL][1] == "no rule matched"
    assert then.tally.by_rule["opened", "watch"] == 1
