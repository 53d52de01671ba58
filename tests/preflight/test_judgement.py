"""What can run here, judged from facts: the tables."""

from dataclasses import replace

import pytest

from shared.actions import ACTIONS
from shared.case import CouldNotLook, Known, NotLooked, Part
from shared.policy import Policy, read_policy
from shared.preflight import Facts, Role, Setting, judge, serves
from tests.fakes import START
from tests.preflight.rights import ACT, READS, WRITES

ALL = [action.name for action in ACTIONS]


def policy(actions: str = "block-sign-in", when: str = "{risk-detection: {levels: [high]}}") -> Policy:
    text = f"version: 1\nrules:\n  - {{name: leak, when: {when}, verdict: contain, actions: [{actions}]}}\n"
    return read_policy(text, "p.yaml", ALL)


HOLDS_READS, HOLDS_WRITES, LICENSED = Known(READS), Known(WRITES), Known(value=True)


def facts(
    reader: Part[frozenset[str]] = HOLDS_READS,
    executor: Part[frozenset[str]] = HOLDS_WRITES,
    premium: Part[bool] = LICENSED,
) -> Facts:
    held: dict[Role, Part[frozenset[str]]] = {"reader": reader, "executor": executor}
    return Facts(START, held, premium)


@pytest.mark.parametrize(
    ("action", "read", "setting", "state", "outcome"),
    [
        ("block-sign-in", facts(), ACT, "ready", None),
        ("block-sign-in", facts(executor=Known(frozenset())), ACT, "not-ready", "permission-missing"),
        ("block-sign-in", facts(executor=Known(frozenset({"directory role x"}))), ACT, "unknown", None),
        ("block-sign-in", facts(executor=Known(frozenset({"directory role through group x"}))), ACT, "unknown", None),
        ("block-sign-in", facts(executor=CouldNotLook("403")), ACT, "unknown", None),
        ("block-sign-in", facts(executor=NotLooked()), ACT, "unknown", None),
        ("block-sign-in", None, ACT, "unknown", None),
        ("block-sign-in", facts(premium=Known(value=False)), ACT, "ready", None),
        ("confirm-compromised", facts(premium=Known(value=False)), ACT, "not-ready", "licence-missing"),
        ("confirm-compromised", facts(premium=CouldNotLook("403")), ACT, "unknown", None),
        ("confirm-compromised", facts(), ACT, "ready", None),
        ("confirm-compromised", facts(), replace(ACT, cloud="usgov"), "ready", None),
        ("confirm-compromised", facts(), replace(ACT, cloud="china"), "not-ready", "unavailable-in-cloud"),
        ("require-risk-policy", None, replace(ACT, cloud="china"), "not-ready", "unavailable-in-cloud"),
        ("block-sign-in", facts(), replace(ACT, cloud="china"), "ready", None),
        ("block-sign-in", facts(), replace(ACT, executor=False), "not-ready", "no-executor"),
        ("replace-credentials", facts(), replace(ACT, handover_vault=False), "ready", None),
        ("remove-directory-roles", facts(), ACT, "not-ready", "permission-missing"),
    ],
)
def test_each_answer_has_its_reason(
    action: str, read: Facts | None, setting: Setting, state: str, outcome: str | None
) -> None:
    """Missing is not ready, unread is unknown, and neither is ever told as ready."""
    found = judge(policy(), setting, read).of(action)

    assert found.state == state
    assert [obstacle.outcome for obstacle in found.obstacles[:1]] == ([outcome] if outcome else [])
    assert found.doubts or state != "unknown"


def test_what_is_missing_is_named_with_the_identity_and_the_way_to_grant_it() -> None:
    """Whoever reads it at night knows which permission, for whom, and that a token may be a day old."""
    found = judge(policy(), ACT, facts(executor=Known(frozenset())))

    (problem,) = found.problems
    assert "block-sign-in (rule leak) cannot run: The executor lacks Application.ReadWrite.All." in problem
    assert "infra/grant.py executor" in problem
    assert "24 hours" in problem


def test_rights_beyond_what_is_needed_are_told() -> None:
    """More than is needed is no problem of the work, and is to be taken away all the same."""
    found = judge(policy(), ACT, facts(executor=Known(WRITES | {"RoleManagement.ReadWrite.Directory"})))

    (_, executor) = found.identities
    assert executor.beyond == ("RoleManagement.ReadWrite.Directory",)
    assert any("the executor holds more than its work needs" in hint for hint in found.hints)
    assert found.problems == ()


def test_what_an_undo_needs_is_not_beyond_where_its_action_is_armed() -> None:
    """Giving app roles back takes more than taking them did."""
    held = facts(executor=Known(WRITES | {"AppRoleAssignment.ReadWrite.All"}))

    (_, armed) = judge(policy("remove-app-roles"), ACT, held).identities
    (_, other) = judge(policy(), ACT, held).identities

    assert armed.beyond == ()
    assert other.beyond == ("AppRoleAssignment.ReadWrite.All",)


def test_one_identity_for_all_holds_what_both_need() -> None:
    """Giving up the separation is said in the settings; it is no excess of either role."""
    both = Known(READS | WRITES)
    found = judge(policy(), replace(ACT, one_identity=True), facts(both, both))

    assert [identity.beyond for identity in found.identities] == [(), ()]


@pytest.mark.parametrize(
    "when", ["{risk-detection: {levels: [high]}}", "{not: {any: [{risk-state: {states: [atRisk]}}]}}"]
)
def test_a_lapsed_licence_blinds_the_rules_that_ask_for_risk(when: str) -> None:
    """Levels turn hidden, which is unknown: a person is asked, and that is said beforehand."""
    lapsed = judge(policy(when=when), ACT, facts(premium=Known(value=False)))

    assert any("hidden" in blind and "rule leak" in blind for blind in lapsed.blind)
    assert lapsed.cannot_contain == ()


def test_china_tells_no_risk() -> None:
    """A rule that asks for what a cloud does not offer is named."""
    assert "china" in judge(policy(), replace(ACT, cloud="china"), facts()).blind[0]


@pytest.mark.parametrize(
    ("held", "name", "serves_it"),
    [
        ("Application.ReadWrite.All", "Application.Read.All", True),
        ("Directory.ReadWrite.All", "Application.ReadWrite.All", False),
        ("Directory.Read.All", "Application.ReadWrite.All", False),
        ("Application.Read.All", "Application.ReadWrite.All", False),
        ("Organization.Read.All", "LicenseAssignment.Read.All", True),
    ],
)
def test_a_wider_permission_serves_for_a_narrower_one(held: str, name: str, *, serves_it: bool) -> None:
    """Writing applications includes reading them; Directory.ReadWrite.All does not write applications."""
    assert serves(frozenset({held}), name) is serves_it
