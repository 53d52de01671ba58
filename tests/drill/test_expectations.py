"""What a scenario expects is held against everything that came of it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from drill.expect import NOTHING, Outcome, Taken, differences, look_up
from drill.scenario import ExpectPart

APP, NEIGHBOUR = "a0a7c1de-1111", "a0a7c1de-2222"
INCIDENT: Mapping[str, Any] = {
    "id": "i1",
    "status": "contained",
    "verdict": "contain",
    "rule": "leaked",
    "subject": f"application {APP}",
    "identity": {"principal_id": "sp", "client_id": "c", "app_object_id": APP, "display_name": "payroll"},
    "not_done": [{"action": "x", "outcome": "no-application-here", "reason": "…"}],
}
TENANT: Mapping[str, Any] = {
    "applications": [
        {"id": APP, "tags": [], "passwordCredentials": [{"keyId": "k1", "displayName": "prod"}]},
        {"id": NEIGHBOUR, "tags": ["a"], "passwordCredentials": []},
    ],
    "servicePrincipals": [],
    "owners": {APP: ["somebody"]},
}


DECISIONS = (
    Taken(timedelta(minutes=6), "ask", "strange", ("block-sign-in",)),
    Taken(timedelta(minutes=20), "contain", "leaked", ("block-sign-in", "replace-credentials")),
)
WORKLOAD = {"identity": "sp", "credential": "k1", "signIns": 9, "failed": 2, "works": False}


def _effect(by: str, method: str, path: str, *, applied: bool = True, body: object = None) -> Mapping[str, Any]:
    return {"at": "t", "by": by, "method": method, "path": path, "applied": applied, "body": body}


def _found(
    expect: Mapping[str, Any], *, tenant: Mapping[str, Any] = TENANT, effects: Any = (), incidents: Any = ()
) -> str:
    outcome = Outcome(
        incidents=incidents,
        effects=effects,
        before={"tenant": TENANT, "azure": {}},
        after={"tenant": tenant, "azure": {}, "workloads": [WORKLOAD]},
        events=[{"type": "Cordon.Incident.Opened"}],
        own=frozenset({"cordon"}),
        decisions={"i1": DECISIONS},
    )
    return "\n".join(differences(ExpectPart.model_validate(expect), outcome))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"applications.{APP}.passwordCredentials.k1.displayName", "prod"),
        (f"applications.{APP}.passwordCredentials.0.displayName", "prod"),
        (f"/applications/{APP}/passwordCredentials/0/displayName", "prod"),
        (f"owners.{APP}", ["somebody"]),
        ("applications.7", NOTHING),
        ("applications.0.id.more", NOTHING),
        ("nowhere.at.all", NOTHING),
    ],
)
def test_a_path_leads_by_name_place_or_id(path: str, value: object) -> None:
    """Dots and slashes mean the same; what is not there is nothing, not an error."""
    assert look_up(TENANT, path) == value


HOLDING: list[dict[str, Any]] = [
    {},
    {"incidents": []},
    {"tenant": [{"path": f"applications.{APP}.tags", "equals": []}]},
    {"tenant": [{"path": f"applications.{APP}.passwordCredentials", "count": 1}]},
    {"tenant": [{"path": "applications.gone", "equals": None}]},
    {"untouched": [NEIGHBOUR]},
    {"effects": [{"match": "PATCH *", "count": 0}]},
    {"events": ["Cordon.Incident.Opened"]},
    {"workloads": [{"identity": "sp", "credential": "k1", "failed": 2, "works": False}]},
]


@pytest.mark.parametrize("expect", HOLDING)
def test_what_came_as_expected_is_no_difference(expect: Mapping[str, Any]) -> None:
    """Nothing is said about what holds."""
    assert _found(expect) == ""


@pytest.mark.parametrize(
    ("expect", "difference"),
    [
        ({"tenant": [{"path": f"applications.{APP}.tags", "equals": ["b"]}]}, 'tags: is [], expected ["b"]'),
        ({"tenant": [{"path": "applications.gone", "equals": True}]}, "is nothing, expected true"),
        ({"tenant": [{"path": f"applications.{APP}.passwordCredentials", "count": 0}]}, "has 1 members, expected 0"),
        ({"tenant": [{"path": f"applications.{APP}.nothing", "count": 0}]}, "has no list there, expected 0"),
        ({"untouched": ["nobody"]}, "the tenant has no such object"),
        ({"effects": [{"match": "PATCH *", "count": 1}]}, "0 writes of Cordon's match PATCH *, expected 1"),
        ({"events": ["Cordon.Incident.Contained"]}, "no event Cordon.Incident.Contained was published"),
        ({"workloads": [{"identity": "sp", "failed": 1}]}, "workload sp: 2 of 9 sign-ins failed, expected 1 at most"),
        ({"workloads": [{"identity": "sp", "works": True}]}, "workload sp: does not work at the end"),
        ({"workloads": [{"identity": "c"}]}, "workload c: there is none"),
        ({"workloads": [{"identity": "sp", "credential": "k2"}]}, "workload sp: there is none"),
        ({"incidents": [{"identity": APP, "status": "contained"}]}, f"there is no incident about {APP}"),
    ],
)
def test_what_came_otherwise_is_told_in_a_sentence(expect: Mapping[str, Any], difference: str) -> None:
    """The sentence says what was found and what was expected."""
    assert difference in _found(expect)


@pytest.mark.parametrize("identity", ["sp", "c", APP])
def test_an_incident_is_known_by_any_of_its_ids(identity: str) -> None:
    """Entra gives one workload three ids, and a scenario may use any."""
    expected = {"identity": identity, "status": "contained", "rule": "leaked", "outcomes": ["no-application-here"]}
    expected["actions"] = ["block-sign-in", "replace-credentials"]

    assert _found({"incidents": [expected]}, incidents=[INCIDENT]) == ""


@pytest.mark.parametrize(
    ("more", "difference"),
    [
        ({"status": "watched"}, "its status is contained, expected watched"),
        ({"verdict": "ask"}, "its verdict is contain, expected ask"),
        ({"rule": "other"}, "its rule is leaked, expected other"),
        ({"outcomes": ["platform-held-credentials"]}, "no action came to platform-held-credentials"),
        ({"actions": ["block-sign-in"]}, "its actions are block-sign-in, replace-credentials, expected block-sign-in"),
        ({"decided": [{"by": "PT5M"}]}, "it was not decided as expected (anything until 5.0 min), but: ask by strange"),
        ({"decided": [{"rule": "leaked", "from": "PT21M"}]}, "(anything by leaked from 21.0 min on)"),
        ({"decided": [{"verdict": "contain"}, {"verdict": "ask"}]}, "it was not decided as expected (ask)"),
    ],
)
def test_an_incident_that_ended_otherwise_is_a_difference(more: Mapping[str, Any], difference: str) -> None:
    """Status, verdict, rule and named outcomes are each compared."""
    assert difference in _found({"incidents": [{"identity": APP, "status": "contained", **more}]}, incidents=[INCIDENT])


def test_decisions_are_looked_for_in_their_order() -> None:
    """Others may lie between them; each has its own time."""
    decided = [
        {"verdict": "ask", "rule": "strange", "by": "PT6M"},
        {"verdict": "contain", "from": "PT6M", "by": "PT20M"},
    ]

    expected = {"identity": APP, "status": "contained", "decided": decided}

    assert _found({"incidents": [expected]}, incidents=[INCIDENT]) == ""


def test_an_incident_that_nobody_expected_is_a_difference() -> None:
    """A list of incidents is complete."""
    assert "nobody expected incident i1 about payroll" in _found({"incidents": []}, incidents=[INCIDENT])


def test_any_write_of_cordons_to_an_untouched_object_is_a_difference() -> None:
    """Also one that was refused, and one that names it in its body only."""
    refused = _effect("cordon", "PATCH", f"/applications/{NEIGHBOUR}", applied=False)
    named = _effect("cordon", "POST", "/confirmCompromised", body={"ids": [NEIGHBOUR]})

    found = _found({"untouched": [NEIGHBOUR]}, effects=[refused, named, _effect("other", "PATCH", f"/x/{NEIGHBOUR}")])

    assert f"Cordon sent PATCH /applications/{NEIGHBOUR}" in found
    assert "Cordon sent POST /confirmCompromised" in found
    assert len(found.splitlines()) == 2


def test_a_changed_neighbour_is_a_difference_unless_the_timeline_changed_it() -> None:
    """Property by property, what the scenario itself did is allowed."""
    first, second = TENANT["applications"]
    changed = {**TENANT, "applications": [first, {**second, "tags": ["b"], "passwordCredentials": [{"keyId": "new"}]}]}
    by_timeline = _effect("timeline", "PATCH", f"/applications/{NEIGHBOUR}", body={"tags": ["b"]})

    found = _found({"untouched": [NEIGHBOUR]}, tenant=changed, effects=[by_timeline])

    assert "applications.passwordCredentials was []" in found
    assert "applications.tags" not in found


def test_only_writes_that_were_carried_out_are_counted() -> None:
    """A refused write changed nothing, and somebody else's is not Cordon's."""
    effects = [
        _effect("cordon", "PATCH", "/a"),
        _effect("cordon", "PATCH", "/a", applied=False),
        _effect("attacker:x", "PATCH", "/a"),
    ]

    assert _found({"effects": [{"match": "PATCH /a", "count": 1}]}, effects=effects) == ""
