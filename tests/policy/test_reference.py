"""The reference and the schema say what the catalogues do: nothing is left to be kept in step by hand."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import cast

import pytest

from drill.reference import UNDONE, reference_text
from shared.actions import ACTIONS, FOLLOW_UPS, choosable, option_schemas, policy_actions
from shared.actions.interface import Action, FollowUp
from shared.conditions import CONDITIONS
from shared.conditions.interface import Catalogued
from shared.part_needs import PART_NEEDS
from shared.policy import Limits, Protected
from shared.policy_schema import policy_schema, settings_schema
from shared.samples import Sample
from shared.signal import JsonObject, JsonValue

FILE = Path(__file__).parents[2] / "docs" / "policy-reference.md"


def properties(schema: JsonValue, path: str = "") -> Iterator[tuple[str, JsonObject]]:
    """Every setting in a schema, by the way that leads to it."""
    match schema:
        case {"properties": dict(found)}:
            for name, each in found.items():
                yield f"{path}.{name}", cast("JsonObject", each)
                yield from properties(each, f"{path}.{name}")
        case {"anyOf": list(several)}:
            for each in several:
                yield from properties(each, path)
        case {"items": dict(items)}:
            yield from properties(items, path)
        case {"additionalProperties": dict(more)}:
            yield from properties(more, path)
        case _:
            return


@cache
def reference() -> str:
    """Made once: it takes a quarter of a second."""
    return reference_text()


def section(name: str) -> str:
    """What the reference says of one entry."""
    return reference().split(f"\n### {name}\n")[1].split("\n## ")[0].split("\n### ")[0]


def test_the_committed_reference_is_current() -> None:
    """If not: make generated."""
    assert FILE.read_text("utf-8") == reference()


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
def test_every_condition_is_in_it_with_every_setting(condition: type[Catalogued]) -> None:
    """What it takes, what holds where nothing is said, and what it needs."""
    told = section(condition.name)

    assert all(f"| `{path.strip('.')}` |" in told for path, _ in properties(settings_schema(condition)))
    assert all(part.value.replace("_", " ") in told for part in condition.needs)
    assert condition.unknown_when in told


@pytest.mark.parametrize("action", [*ACTIONS, *FOLLOW_UPS], ids=lambda action: action.name)
def test_every_action_is_in_it_with_every_option(action: Action | FollowUp) -> None:
    """And how it is undone, or that it cannot be."""
    told = section(action.name)

    assert f"- Undone: {UNDONE[action.name]}" in told
    assert all(f"| `{path.strip('.')}` |" in told for path, _ in properties(option_schemas().get(action.name)))
    assert ("never by policy" in told) is (action.name not in policy_actions())


@pytest.mark.parametrize("action", [*ACTIONS, *FOLLOW_UPS], ids=lambda action: action.name)
def test_what_editors_offer_as_options_is_what_the_action_takes(action: Action | FollowUp) -> None:
    """One that describes no options refuses all; one that does refuses what it does not describe."""
    known = [path.strip(".") for path, _ in properties(option_schemas().get(action.name))]

    with pytest.raises(ValueError, match="option"):
        action.check_options({"colour": "red"})
    assert "colour" not in known
    for path, schema in properties(option_schemas().get(action.name)):
        assert schema.get("description"), path


@pytest.mark.parametrize("owner", [*CONDITIONS, Limits, Protected, Sample], ids=lambda owner: owner.__name__)
def test_every_setting_is_described_in_the_schema(owner: type) -> None:
    """Also those of a sample's parts: editors show it beside the name."""
    bare = [path for path, schema in properties(settings_schema(owner)) if not schema.get("description")]

    assert bare == []


def test_every_condition_is_described_in_the_schema() -> None:
    """As a whole, and by its bare name where it needs no settings."""
    conditions = cast("list[JsonObject]", cast("JsonObject", policy_schema(choosable())["$defs"])["condition"]["anyOf"])  # pyright: ignore[reportArgumentType, reportCallIssue, reportIndexIssue, reportOptionalSubscript]
    named = {name: each for each in conditions for name, each in properties(each) if name.count(".") == 1}

    for condition in CONDITIONS:
        assert named[f".{condition.name}"]["description"]


def test_every_part_of_a_case_is_in_it() -> None:
    """With the permissions and the licence that it takes to read."""
    told = reference()

    for part, needs in PART_NEEDS.items():
        assert f"| {part.value.replace('_', ' ')} | {needs.what} |" in told


def test_the_way_back_of_every_action_is_told() -> None:
    """Nobody should have to try."""
    assert set(UNDONE) == set(choosable())
