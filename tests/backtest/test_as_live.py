"""A backtest decides as Cordon decided live: drills are exported in each form and held against their journals."""

import json
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random

import pytest

from drill.backtest.command import Asked, backtest
from drill.backtest.outcome import Outcome
from drill.exporting import FORMS, Form, write_export
from drill.grounds import DEFAULT_POLICY
from drill.practice import cordon_client_id, cordon_object_id
from drill.runner import Result, run_scenario
from drill.scenario import SHIPPED, Scenario, load_scenario

_SCENARIOS = ("leaked-secret", "rogue-credential", "rogue-beside-busy", "foreign-app", "second-look")
_OWN = frozenset(
    make(role) for role in ("reader", "executor", "rotator") for make in (cordon_client_id, cordon_object_id)
)
_LATEST = timedelta(minutes=6)  # after the event: the audit log's own delay, and the five minutes of a sweep


@cache
def played(name: str) -> tuple[Scenario, Result]:
    scenario = load_scenario(SHIPPED / f"{name}.yaml")
    return scenario, run_scenario(scenario)


def policy_of(scenario: Scenario, place: Path) -> Path:
    given = scenario.file.run.policy
    if isinstance(given, str):
        return (scenario.path.parent / given).resolve()
    if given is None:
        return DEFAULT_POLICY
    (place / "policy.yaml").write_text(json.dumps(given), encoding="utf-8")
    return place / "policy.yaml"


def replayed(name: str, form: Form, place: Path, **more: object) -> Outcome:
    scenario, result = played(name)
    folder = place / "export"
    write_export(result.tenant, result.logs, folder, form)
    asked = Asked(
        policy_of(scenario, place),
        folder,
        own_ids=_OWN,
        complete_from=scenario.file.clock - timedelta(days=60),
        handover_vault=scenario.file.run.handover_vault is not None,
    )
    return backtest(asked)[0]


_DECIDED: dict[tuple[str, Form], Outcome] = {}


def decided(name: str, form: Form, place: Path) -> Outcome:
    """What a replay decides, for all tests that look at it; the first of them has the files."""
    if (name, form) not in _DECIDED:
        _DECIDED[name, form] = replayed(name, form, place)
    return _DECIDED[name, form]


def live(name: str) -> dict[str, list[tuple[str, str, datetime]]]:
    """What the journal says of each identity: (verdict, rule, when), oldest first."""
    scenario, result = played(name)
    found: dict[str, list[tuple[str, str, datetime]]] = {}
    for view in result.incidents:
        for taken in result.decisions[str(view["id"])]:
            decided = (taken.verdict, taken.rule, scenario.file.clock + taken.after)
            found.setdefault(view["identity"]["principal_id"], []).append(decided)
    return found


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", _SCENARIOS)
def test_every_identity_gets_the_verdict_that_it_got_live(name: str, form: Form, tmp_path: Path) -> None:
    """The same verdict by the same rule about the same identities, in each form in which logs are exported."""
    outcome = decided(name, form, tmp_path)

    expected = {identity: decided[-1][:2] for identity, decided in live(name).items()}
    told = {identity: last[:2] for identity, last in outcome.tally.last.items()}
    since = {identity: last[2] for identity, last in outcome.tally.last.items()}
    begun = played(name)[0].file.clock
    assert {identity: said for identity, said in told.items() if since[identity] >= begun} == expected
    assert outcome.tally.hung == 0
    assert not outcome.damaged


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", _SCENARIOS)
def test_whoever_was_contained_is_contained_at_the_same_event(name: str, form: Form, tmp_path: Path) -> None:
    """After the event, and no later than live but for the minute in which signals are taken in together."""
    outcome = decided(name, form, tmp_path)

    acted = {each.identity: each for each in outcome.tally.acting}
    contained = {
        identity: (rule, at)
        for identity, said in live(name).items()
        for verdict, rule, at in said
        if verdict == "contain"
    }
    assert contained
    assert {each.identity: each.rule for each in outcome.tally.acting if each.held is None} == {
        identity: rule for identity, (rule, _) in contained.items()
    }
    for identity, (_, at) in contained.items():
        assert acted[identity].event_at <= at <= acted[identity].event_at + _LATEST
        assert acted[identity].at <= at + timedelta(minutes=1)


@pytest.mark.parametrize("name", ["leaked-secret", "rogue-beside-busy", "second-look"])
def test_the_plan_is_the_one_that_was_carried_out(name: str, tmp_path: Path) -> None:
    """Step by step what the journal's plan says, but for what only Azure around the directory can tell."""
    _, result = played(name)
    outcome = decided(name, "graph", tmp_path)

    carried_out = {
        report.who.principal_id: {step.action for step in report.done} for report in result.reports if report.done
    }
    planned = {each.identity: {step.split(" on ")[0] for step in each.plan} for each in outcome.tally.acting}
    azure = {"cut-vault-access", "rotate-secrets"}
    assert planned == {identity: actions - azure for identity, actions in carried_out.items()}


def test_order_and_duplicates_make_no_difference(tmp_path: Path) -> None:
    """Records twice, by two ways, over several files, in any order: decided is the same."""
    scenario, result = played("second-look")
    plain = replayed("second-look", "diagnostic", tmp_path / "a")
    folder = tmp_path / "b" / "export"
    for form in ("diagnostic", "log-analytics"):
        write_export(result.tenant, result.logs, folder / form, form)
    for path in (folder / "diagnostic").glob("insights-*.json"):
        lines = path.read_text("utf-8").splitlines()
        Random(3).shuffle(lines)  # noqa: S311 - a fixed seed is the point
        for number in range(3):
            (path.parent / f"{path.stem}-{number}.json").write_text("\n".join(lines[number::3] + lines[:5]), "utf-8")
        path.unlink()
    asked = Asked(
        policy_of(scenario, tmp_path),
        folder,
        own_ids=_OWN,
        complete_from=scenario.file.clock - timedelta(days=60),
        handover_vault=True,
    )

    shuffled, _ = backtest(asked)

    assert shuffled.duplicates > 100
    assert shuffled.signals == plain.signals
    assert shuffled.tally.last == plain.tally.last
    assert [(e.identity, e.rule, e.at, e.held) for e in shuffled.tally.acting] == [
        (e.identity, e.rule, e.at, e.held) for e in plain.tally.acting
    ]


def test_several_processes_find_the_same(tmp_path: Path) -> None:
    """What each read is put together again, in the order of its time."""
    alone = replayed("second-look", "log-analytics", tmp_path)
    scenario, _ = played("second-look")
    asked = Asked(
        policy_of(scenario, tmp_path),
        tmp_path / "export",
        own_ids=_OWN,
        complete_from=scenario.file.clock - timedelta(days=60),
        jobs=2,
    )

    shared, _ = backtest(asked)

    assert shared.tally.last == alone.tally.last
    assert (shared.records, shared.kept, shared.signals) == (alone.records, alone.kept, alone.signals)
