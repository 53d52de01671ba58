"""The policy reference, docs/policy-reference.md: made from the catalogues, so that it says what the code does."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import cast

from shared.actions import ACTIONS, FOLLOW_UPS, option_schemas, policy_actions
from shared.actions.interface import Action, ChangesAzure, FollowUp, Tier
from shared.clock import read_duration
from shared.conditions import CONDITIONS, reads_of
from shared.conditions.interface import Catalogued
from shared.conditions.settings import DURATION_SCHEMA, GUID_PATTERN
from shared.described import one_line_of
from shared.part_needs import PART_NEEDS
from shared.policy import Limits
from shared.policy_schema import settings_schema
from shared.samples import Sample
from shared.signal import JsonObject, JsonValue

UNDONE: Mapping[str, str] = {
    "block-sign-in": "sign-in is opened again if it was open before",
    "deactivate-application": "the application is activated again if it was active before",
    "cut-vault-access": "assignments and entries come back under the same ids",
    "replace-credentials": (
        "certificates and trust come back, but for what detections accuse; secrets never do, for nobody knows their "
        "values"
    ),
    "remove-directory-roles": "assignments come back under new ids",
    "remove-app-roles": "assignments come back under new ids",
    "remove-delegated-grants": "grants come back under new ids",
    "custody": "owners, lock and tags are as they were",
    "revert-configuration": "addresses are as they were before it",
    "require-risk-policy": "it leaves the policy, which is deleted if it was made for it alone",
    "confirm-compromised": "by dismissing the risk, on a person's order",
    "dismiss-risk": "it cannot be: what was dismissed is told by the journal",
    "delete-application": "it is restored, within 30 days",
    "restore-application": "it is deleted again",
    "purge-application": "it cannot be",
    "rotate-secrets": "it cannot be: the exposed values stay worthless",
}
_TIERS: Mapping[Tier, str] = {
    Tier.REVERSIBLE: "undo brings back what was there",
    Tier.CREDENTIALS: "credentials are gone for good",
    Tier.GRANTS: "what it may do, and who rules it",
    Tier.IRREVERSIBLE: "for ever",
}
_HEAD = """\
# Policy reference

Made from the catalogues by `make generated`; a test compares. What it is all for, and how rules are written:
[policy](policy.md). Editors show the same by [the schema](../policies/policy.schema.json).
"""
_DURATION = cast("str", DURATION_SCHEMA["pattern"])
_ISO = re.compile(r"P(?:T?\d.*)")


def reference_text() -> str:
    """The page as the committed file holds it."""
    blocks = [_HEAD, *_conditions(), *_parts(), *_actions(), *_limits(), *_samples()]
    return "\n".join(block.rstrip() + "\n" for block in blocks)


# Conditions


def _conditions() -> Iterator[str]:
    yield (
        "## Conditions\n\nBeside `all`, `any` and `not`. Where a part that a condition needs was not read, its answer "
        "is unknown; what else leaves it unknown is said below. Unknown is never taken for a yes or a no: a person is "
        "asked."
    )
    for condition in sorted(CONDITIONS, key=lambda each: each.name):
        yield "\n\n".join(_condition(condition))


def _condition(condition: type[Catalogued]) -> Iterator[str]:
    yield f"### {condition.name}"
    yield one_line_of(condition.__doc__)
    properties = _properties(settings_schema(condition))
    if properties:
        yield _settings(properties, required=_required(settings_schema(condition)))
    needs = (
        ", ".join(_name(part.value) for part in condition.needs) or "nothing: it judges by the signals of the incident"
    )
    more = f" Reads with {_listed(reads_of(condition))} beside what every reader has." if reads_of(condition) else ""
    unknown = f" Unknown also where {condition.unknown_when}." if condition.unknown_when else ""
    yield f"Needs {needs}.{more}{unknown}"


def _settings(properties: Mapping[str, JsonObject], *, required: Sequence[str]) -> str:
    lines = ["| Setting | Takes | Default | |", "|---|---|---|---|"]
    for name, schema in properties.items():
        default = "required" if name in required else _default(schema)
        lines.append(f"| `{name}` | {_cell(_takes(schema))} | {_cell(default)} | {_cell(_described(schema))} |")
    return "\n".join(lines)


def _described(schema: JsonObject) -> str:
    text = schema.get("description")
    return text if isinstance(text, str) else ""


def _default(schema: JsonObject) -> str:
    if "default" not in schema:
        return ""
    given, choices = schema["default"], _choices(schema)
    if isinstance(given, list) and choices and [*given] == choices:
        return "all"
    return _shown(given)


def _shown(value: JsonValue) -> str:
    match value:
        case None:
            return ""
        case True | False:
            return "`true`" if value else "`false`"
        case str() if _ISO.fullmatch(value):
            return f"`{_length(value)}`"
        case list():
            return ", ".join(_shown(each) for each in value) or "none"
        case dict():
            return "" if not value else "`{…}`"
        case _:
            return f"`{value}`"


def _length(text: str) -> str:
    """A duration in its largest whole unit. An empty one is what offsets begin with."""
    if text in ("PT0S", "P0D"):
        return "0"
    length = read_duration(text)
    for unit, name in ((timedelta(days=1), "d"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "m")):
        if length % unit == timedelta():
            return f"{length // unit}{name}" if (name, length // unit) != ("d", 1) else "24h"
    return f"{length // timedelta(seconds=1)}s"


def _choices(schema: JsonObject) -> list[JsonValue]:
    items = schema.get("items")
    found = (items if isinstance(items, dict) else schema).get("enum")
    return found if isinstance(found, list) else []


def _takes(schema: JsonObject) -> str:
    """What may stand there, in words."""
    match schema:
        case {"anyOf": list(several)}:
            return " or ".join(dict.fromkeys(_takes(each) for each in several if isinstance(each, dict)))
        case {"const": value}:
            return f"`{value}`"
        case {"enum": list(values)}:
            return ", ".join(f"`{value}`" for value in values)
        case {"type": "array", "items": dict(items)}:
            return f"a list of {_plural(items)}"
        case {"type": "string"}:
            return _text(schema)
        case {"type": "boolean"}:
            return "`true` or `false`"
        case {"type": "integer" | "number"}:
            return f"a {'whole ' if schema['type'] == 'integer' else ''}number{_bounds(schema)}"
        case {"properties": dict(properties)}:
            return f"a mapping of {', '.join(f'`{name}`' for name in properties)}"
        case _:
            return "a mapping"


def _text(schema: JsonObject) -> str:
    match schema:
        case {"pattern": str(pattern)} if pattern == _DURATION:
            return "a duration"
        case {"pattern": str(pattern)} if pattern == GUID_PATTERN:
            return "a GUID"
        case {"examples": list(examples)}:
            return f"such as `{examples[0]}`"
        case _:
            return "a text"


def _plural(items: JsonObject) -> str:
    one = _takes(items)
    return {"a GUID": "GUIDs", "a text": "texts", "a duration": "durations"}.get(one, one)


def _bounds(schema: JsonObject) -> str:
    low = next((f"{word} {schema[key]}" for key, word in _LOW.items() if key in schema), "")
    high = next((f"{word} {schema[key]}" for key, word in _HIGH.items() if key in schema), "")
    both = ", ".join(each for each in (low, high) if each)
    return f", {both}" if both else ""


_LOW = {"minimum": "at least", "exclusiveMinimum": "more than"}
_HIGH = {"maximum": "at most", "exclusiveMaximum": "less than"}


# Parts of a case


def _parts() -> Iterator[str]:
    lines = ["| Part | Holds | Permissions of the reader | Licence | Late by |", "|---|---|---|---|---|"]
    for part, needs in PART_NEEDS.items():
        licence = f"{needs.licence}; without it {needs.without}" if needs.licence else ""
        cells = (_name(part.value), needs.what, _listed(needs.permissions), licence, needs.late or "")
        lines.append(f"| {' | '.join(map(_cell, cells))} |")
    table = "\n".join(lines)
    yield f"## What conditions need\n\nRead in this order, and only what can still change the decision.\n\n{table}"


# Actions


def _actions() -> Iterator[str]:
    allowed = policy_actions()
    yield (
        "## Actions\n\nA policy names them under `actions`; each is counted by the limit of its tier. The permissions "
        "are the executor's."
    )
    for action in ACTIONS:
        yield "\n\n".join(_action(action, _facts(action), by_policy=action.name in allowed))
    for action in FOLLOW_UPS:
        yield "\n\n".join(_action(action, (), by_policy=action.name in allowed))


def _action(action: Action | FollowUp, facts: Iterable[str], *, by_policy: bool) -> Iterator[str]:
    yield f"### {action.name}"
    only = "" if by_policy else " Only on a person's order, never by policy."
    yield f"{one_line_of(type(action).__doc__)}{only}"
    schema = option_schemas().get(action.name)
    if schema is not None:
        yield _settings(_properties(schema), required=()).replace("| Setting |", "| Option |")
    yield "\n".join([*facts, f"- Undone: {UNDONE[action.name]}"])


def _facts(action: Action) -> Iterator[str]:
    yield f"- Tier: {action.tier.value} ({_TIERS[action.tier]})"
    if action.permissions:
        yield f"- Takes {_listed(action.permissions)}; reads with {_listed(action.reads)}"
    if isinstance(action, ChangesAzure):
        yield f"- Takes in Azure {_listed(action.azure_permissions)}"
    if action.gives_back_with:
        yield f"- Undoing it takes {_listed(action.gives_back_with)} as well"
    if action.licence:
        yield f"- Licence: {action.licence}"
    if action.missing_in:
        yield f"- Not in the clouds {_listed(action.missing_in)}"


# Limits and samples


def _limits() -> Iterator[str]:
    properties = _properties(settings_schema(Limits))
    inner = properties["actions-per-hour"]
    yield "## Limits\n\nUnder `limits`; they hold in every mode, and cannot be switched off."
    yield _settings({name: each for name, each in properties.items() if each is not inner}, required=())
    yield f"Under `actions-per-hour`:\n\n{_settings(_properties(inner), required=())}"


def _samples() -> Iterator[str]:
    yield (
        "## Samples\n\nUnder `samples` of a rule, in `must-fire`, `must-not-fire` and `must-ask`. What is left out was "
        "read, and nothing is there."
    )
    yield _settings(_properties(settings_schema(Sample)), required=())


# All


def _properties(schema: JsonObject) -> Mapping[str, JsonObject]:
    found = schema.get("properties")
    return cast("Mapping[str, JsonObject]", found if isinstance(found, dict) else {})


def _required(schema: JsonObject) -> Sequence[str]:
    found = schema.get("required")
    return [str(each) for each in found] if isinstance(found, list) else ()


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _name(part: str) -> str:
    return part.replace("_", " ")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
