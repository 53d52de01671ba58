"""The JSON Schema of the policy file, for editors. Made from the catalogue; checking is done by policy.py."""

import json
from collections.abc import Sequence
from typing import cast

from pydantic import TypeAdapter, ValidationError

from shared.actions import option_schemas
from shared.conditions import CONDITIONS
from shared.conditions.interface import Condition
from shared.conditions.settings import kebab
from shared.described import parts_of, settings_described
from shared.origins import Origin
from shared.owner_question import AskOwners
from shared.policy import Limits, Protected, Verdict
from shared.rungs import Rung
from shared.samples import Sample
from shared.signal import JsonObject, JsonValue


def schema_text(action_names: Sequence[str]) -> str:
    """The schema as the committed file holds it, policies/policy.schema.json."""
    return json.dumps(policy_schema(action_names), indent=2, ensure_ascii=False) + "\n"


def policy_schema(action_names: Sequence[str]) -> JsonObject:
    """What may stand in a policy file, given the names of the actions in the catalogue."""
    limits = settings_schema(Limits)
    protected = settings_schema(Protected)
    top: dict[str, JsonValue] = {
        "version": {"const": 1},
        "limits": limits,
        "protected": {"type": "array", "items": protected},
        "rules": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/rule"}},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Cordon policy",
        **_object(top, ["version", "rules"]),
        "$defs": {
            "rule": _rule(),
            "condition": {"anyOf": _conditions()},
            "conditions": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/condition"}},
            "action": _action(action_names),
            "samples": _samples(),
            "sample": settings_schema(Sample),
        },
    }


def _rule() -> JsonObject:
    properties: dict[str, JsonValue] = {
        "name": {
            "type": "string",
            "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$",
            "maxLength": 80,
            "description": "What reports call it, such as leaked-credential.",
        },
        "when": {"$ref": "#/$defs/condition", "description": "The condition; the first rule whose is met decides."},
        "verdict": {
            "enum": [verdict.value for verdict in Verdict],
            "description": "ignore and watch do nothing, ask lets the plan wait for a person, contain carries it out.",
        },
        "actions": {
            "type": "array",
            "items": {"$ref": "#/$defs/action"},
            "description": "What is done, in the catalogue's order; ask and contain need some.",
        },
        "samples": {"$ref": "#/$defs/samples"},
        "ask-owners": {
            **settings_schema(AskOwners),
            "description": "Of rules that ask: owners are asked by an event, and this follows if nobody answers.",
        },
        "ladder": _ladder(),
        "independent": {
            "type": "integer",
            "minimum": 2,
            "maximum": len(Origin),
            "description": "How many independent sources have to speak before the rule contains; else it asks.",
        },
    }
    needs_actions: JsonObject = {"properties": {"verdict": {"enum": ["contain", "ask"]}}}
    some: JsonObject = {"required": ["actions"], "properties": {"actions": {"minItems": 1}}}
    return {
        **_object(properties, ["name", "when", "verdict"]),
        "if": needs_actions,
        "then": {"anyOf": [some, {"required": ["ladder"]}]},
        "else": {"properties": {"actions": {"maxItems": 0}, "ladder": False}},
    }


def _samples() -> JsonObject:
    several: JsonObject = {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/sample"}}
    texts = {
        "must-fire": "Cases on which this rule must decide.",
        "must-not-fire": "Cases that it must leave to other rules, or to none.",
        "must-ask": "Cases in which it cannot be judged, so that a person must be asked.",
    }
    sorts: dict[str, JsonValue] = {name: {**several, "description": text} for name, text in texts.items()}
    about = "Small cases that python -m drill check tries; they take no part in a decision."
    return {**_object(sorts, []), "description": about}


def _ladder() -> JsonObject:
    rungs: JsonObject = {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"enum": [*map(str, Rung)]}}
    said = "The first rung that ends the attack by what is known is taken; from the mildest to the strongest."
    return {"anyOf": [{"const": "default"}, rungs], "description": said}


def _conditions() -> list[JsonValue]:
    members: JsonObject = {"$ref": "#/$defs/conditions"}
    found: list[JsonValue] = [
        _object({"all": {**members, "description": "Met when every member is."}}, ["all"]),
        _object({"any": {**members, "description": "Met when one member is."}}, ["any"]),
        _object({"not": {"$ref": "#/$defs/condition"}}, ["not"]),
    ]
    found += [_object({condition.name: settings_schema(condition)}, [condition.name]) for condition in CONDITIONS]
    return [*found, {"enum": [condition.name for condition in CONDITIONS if _needs_no_settings(condition)]}]


def _needs_no_settings(condition: type[Condition]) -> bool:
    try:
        TypeAdapter(condition).validate_python({})
    except ValidationError:
        return False
    return True


def _action(names: Sequence[str]) -> JsonObject:
    known = option_schemas()
    by_name: dict[str, JsonValue] = {name: known.get(name, {"type": "object", "maxProperties": 0}) for name in names}
    with_options: JsonObject = {**_object(by_name, []), "minProperties": 1, "maxProperties": 1}
    return {"anyOf": [{"enum": [*names]}, with_options]}


def _object(properties: dict[str, JsonValue], required: Sequence[str]) -> JsonObject:
    return {"type": "object", "properties": properties, "required": [*required], "additionalProperties": False}


def settings_schema(owner: type) -> JsonObject:
    """
    Pydantic's schema of a dataclass, with references resolved, without the titles that it makes up from names, and
    with the text below each field as its description.
    """
    schema = cast("JsonObject", TypeAdapter(owner).json_schema(by_alias=True))
    definitions = schema.pop("$defs", {})
    known = cast("dict[str, JsonObject]", definitions)
    parts = parts_of(owner)
    for name, each in ((owner.__name__, schema), *known.items()):
        if name in parts:
            _describe(each, parts[name])
    return cast("JsonObject", _tidy(schema, cast("JsonObject", known)))


def _describe(schema: JsonObject, owner: type) -> None:
    properties = cast("dict[str, JsonObject]", schema.get("properties", {}))
    for name, text in settings_described(owner).items():
        if kebab(name) in properties:
            properties[kebab(name)]["description"] = text


def _tidy(value: JsonValue, definitions: JsonObject) -> JsonValue:
    match value:
        case {"$ref": str(path), **others}:  # what is said here goes before what is said of it everywhere
            whole = cast("JsonObject", definitions[path.rsplit("/", 1)[1]])
            return _tidy({**whole, **others}, definitions)
        case {"anyOf": [only, {"type": "null"}], **others}:  # "leave it out" is how one says nothing
            others.pop("default", None)
            return _tidy({**others, **cast("JsonObject", only)}, definitions)
        case dict():
            kept = {name: each for name, each in value.items() if not (name == "title" and isinstance(each, str))}
            return {name: _one_line(name, _tidy(each, definitions)) for name, each in kept.items()}
        case list():
            return [_tidy(each, definitions) for each in value]
        case _:
            return value


def _one_line(name: str, value: JsonValue) -> JsonValue:
    return " ".join(value.split()) if name == "description" and isinstance(value, str) else value
