"""
What a scenario expects, held against what came of it. Differences are sentences.

`path` leads through the final state in the scenario's own shape: names separated by dots, or a JSON
pointer with slashes. A member of a list is named by its place, or by its `id`, `appId`, `keyId` or `name`:

    servicePrincipals.5f0c….accountEnabled
    /applications/90aa…/passwordCredentials/0/displayName

`untouched` means: the object is at the end what it was at the beginning, but for what the timeline itself
did to it, and no write of Cordon's was sent to it, not even one that was refused.

Secrets, their consumers and the order in which they were touched: see expect_secrets.py.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any, cast

from drill.expect_secrets import about_secrets
from drill.scenario import (
    ExpectedDecision,
    ExpectedEffect,
    ExpectedIncident,
    ExpectedValue,
    ExpectedWorkload,
    ExpectPart,
    as_json,
)

_NAMES = ("id", "appId", "keyId", "name")


@dataclass(frozen=True, slots=True)
class Taken:
    """A decision about an incident: how long after the start, and what it says."""

    after: timedelta
    verdict: str
    rule: str
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What came of a drill, as far as it can be expected. `own` are the names under which Cordon's writes stand,
    `decisions` those about each incident by its id, oldest first.
    """

    incidents: Sequence[Mapping[str, Any]]
    effects: Sequence[Mapping[str, Any]]
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    events: Sequence[Mapping[str, Any]]
    own: frozenset[str]
    decisions: Mapping[str, Sequence[Taken]] = field(default_factory=dict[str, Sequence[Taken]])


class _Nothing:
    """There is no such place."""

    def __repr__(self) -> str:
        return "nothing"


NOTHING = _Nothing()


def differences(expect: ExpectPart, outcome: Outcome) -> list[str]:
    """Everything that did not come as expected, one sentence each."""
    found = list(_about_incidents(expect.incidents, outcome)) if expect.incidents is not None else []
    for part, values in (("tenant", expect.tenant), ("azure", expect.azure)):
        found += filter(None, (_about_value(part, value, outcome.after[part]) for value in values))
    for object_id in expect.untouched:
        found += _about_untouched(object_id, outcome)
    found += filter(None, (_about_effect(each, outcome) for each in expect.effects))
    accused = set[str]().union(*map(_ids, outcome.incidents))
    own = [effect for effect in _own_effects(outcome) if effect.get("applied")]
    found += about_secrets(expect, outcome.before["azure"], outcome.after["azure"], own, accused)
    for each in expect.workloads:
        found += _about_workload(each, outcome.after.get("workloads", ()))
    sent = {str(event.get("type")) for event in outcome.events}
    found += [f"no event {name} was published" for name in expect.events or () if name not in sent]
    return found


def look_up(root: object, path: str) -> object:
    """The value at a path, or NOTHING."""
    value = root
    for step in path.strip("/").split("/") if path.startswith("/") else path.split("."):
        value = _step(value, step.replace("~1", "/").replace("~0", "~"))
    return value


def _step(value: object, step: str) -> object:
    if isinstance(value, dict):
        return cast("dict[str, object]", value).get(step, NOTHING)
    return _member(cast("list[object]", value), step) if isinstance(value, list) else NOTHING


def _member(members: list[object], step: str) -> object:
    if step.isdigit() and int(step) < len(members):
        return members[int(step)]
    return next((member for member in members if _is_named(member, step)), NOTHING)


def _is_named(member: object, name: str) -> bool:
    return isinstance(member, dict) and name in (cast("dict[str, object]", member).get(key) for key in _NAMES)


# --- incidents ----------------------------------------------------------------------------------------


def _about_incidents(expected: Sequence[ExpectedIncident], outcome: Outcome) -> Iterator[str]:
    """Each expectation is met by an incident, and each incident meets an expectation."""
    found = outcome.incidents
    wrong = {
        (n, m): [*_wrong(each, one), *_decided_otherwise(each, outcome.decisions.get(str(one.get("id")), ()))]
        for n, each in enumerate(expected)
        for m, one in enumerate(found)
    }
    for n, each in enumerate(expected):
        about = [m for m, one in enumerate(found) if each.identity in _ids(one)]
        if not about:
            yield f"there is no incident about {each.identity}, expected one that is {each.status}"
        elif all(wrong[n, m] for m in about):
            nearest = min(about, key=lambda m: len(wrong[n, m]))
            yield f"incident {found[nearest]['id']} about {_name(found[nearest])}: {'; '.join(wrong[n, nearest])}"
    for m, one in enumerate(found):
        if not any(each.identity in _ids(one) and not wrong[n, m] for n, each in enumerate(expected)):
            yield f"nobody expected incident {one['id']} about {_name(one)}, which is {one['status']}"


def _wrong(expected: ExpectedIncident, found: Mapping[str, Any]) -> Iterator[str]:
    for what, wanted in (("status", expected.status), ("verdict", expected.verdict), ("rule", expected.rule)):
        if wanted is not None and found.get(what) != wanted:
            yield f"its {what} is {found.get(what)}, expected {wanted}"
    outcomes = {str(each.get("outcome")) for each in found.get("not_done", ())}
    for wanted in expected.outcomes or ():
        if wanted not in outcomes:
            yield f"no action came to {wanted}; named outcomes are {', '.join(sorted(outcomes)) or 'none'}"


def _decided_otherwise(expected: ExpectedIncident, taken: Sequence[Taken]) -> Iterator[str]:
    if expected.actions is not None and (actions := taken[-1].actions if taken else ()) != tuple(expected.actions):
        yield f"its actions are {', '.join(actions) or 'none'}, expected {', '.join(expected.actions) or 'none'}"
    left = iter(taken)
    for wanted in expected.decided:
        if not any(_is_such(wanted, each) for each in left):
            told = "; ".join(f"{each.verdict} by {each.rule} after {_minutes(each.after)}" for each in taken)
            yield f"it was not decided as expected ({_wanted(wanted)}), but: {told or 'not at all'}"
            return


def _is_such(wanted: ExpectedDecision, taken: Taken) -> bool:
    return (
        wanted.verdict in (None, taken.verdict)
        and wanted.rule in (None, taken.rule)
        and (wanted.by is None or taken.after <= wanted.by)
        and (wanted.from_ is None or taken.after >= wanted.from_)
    )


def _wanted(wanted: ExpectedDecision) -> str:
    parts = [wanted.verdict or "anything", f"by {wanted.rule}" if wanted.rule else ""]
    parts += [f"from {_minutes(wanted.from_)} on" if wanted.from_ is not None else ""]
    parts += [f"until {_minutes(wanted.by)}" if wanted.by is not None else ""]
    return " ".join(filter(None, parts))


def _minutes(length: timedelta) -> str:
    return f"{length.total_seconds() / 60:.1f} min"


def _about_workload(wanted: ExpectedWorkload, workloads: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    named = [each for each in workloads if each["identity"] == wanted.identity]
    found = [each for each in named if wanted.credential in (None, each["credential"])]
    if not found:
        yield f"workload {wanted.identity}: there is none"
    for each in found:
        if wanted.failed is not None and each["failed"] > wanted.failed:
            yield (
                f"workload {wanted.identity}: {each['failed']} of {each['signIns']} sign-ins failed, "
                f"expected {wanted.failed} at most"
            )
        if wanted.works not in (None, each["works"]):
            yield f"workload {wanted.identity}: {'works' if each['works'] else 'does not work'} at the end"


def _ids(incident: Mapping[str, Any]) -> set[str]:
    identity: Mapping[str, Any] = incident.get("identity") or {}
    ids = {str(identity.get(name)) for name in ("principal_id", "client_id", "app_object_id")}
    return ids | set(str(incident.get("subject", "")).replace(",", " ").split())


def _name(incident: Mapping[str, Any]) -> str:
    identity: Mapping[str, Any] = incident.get("identity") or {}
    return str(identity.get("display_name") or incident.get("subject"))


# --- the final state -------------------------------------------------------------------------------------


def _about_value(part: str, expected: ExpectedValue, root: object) -> str | None:
    value = look_up(root, expected.path)
    where, given = f"{part} {expected.path}", expected.model_fields_set
    if "count" in given and (size := _size(value)) != expected.count:
        return f"{where}: has {'no list there' if size is None else f'{size} members'}, expected {expected.count}"
    only_counted = "count" in given and "equals" not in given
    if only_counted or (None if value is NOTHING else value) == expected.equals:
        return None
    return f"{where}: is {_short(value)}, expected {_short(expected.equals)}"


def _size(value: object) -> int | None:
    return len(cast("Sequence[object]", value)) if isinstance(value, list | dict) else None


def _about_untouched(object_id: str, outcome: Outcome) -> Iterator[str]:
    before, after = _parts_of(object_id, outcome.before["tenant"]), _parts_of(object_id, outcome.after["tenant"])
    if not before and not after:
        yield f"untouched {object_id}: the tenant has no such object"
    theirs = _changed_by_the_timeline(object_id, outcome.effects)
    for place in sorted({*before, *after}):
        if before.get(place) != after.get(place) and place.rsplit(".", 1)[-1] not in theirs:
            yield f"untouched {object_id}: {place} was {_short(before.get(place))}, and is {_short(after.get(place))}"
    for effect in _own_effects(outcome):
        if object_id in str(effect["path"]) or object_id in as_json(effect.get("body")):
            yield f"untouched {object_id}: Cordon sent {effect['method']} {effect['path']} at {effect['at']}"


def _parts_of(object_id: str, tenant: Mapping[str, Any]) -> dict[str, object]:
    """Everything that the tenant says of an object, property by property."""
    found: dict[str, object] = {}
    for kind in ("applications", "servicePrincipals", "deletedItems"):
        for each in tenant.get(kind, ()):
            if each.get("id") == object_id:
                found |= {f"{kind}.{name}": value for name, value in each.items()}
    for kind in ("federatedIdentityCredentials", "owners"):
        if object_id in tenant.get(kind, {}):
            found[kind] = tenant[kind][object_id]
    assignments = [each for each in tenant.get("appRoleAssignments", ()) if each.get("principalId") == object_id]
    return {**found, **({"appRoleAssignments": assignments} if assignments else {})}


def _changed_by_the_timeline(object_id: str, effects: Iterable[Mapping[str, Any]]) -> set[str]:
    bodies = (each.get("body") for each in effects if each["by"] == "timeline" and object_id in str(each["path"]))
    return {name for body in bodies if isinstance(body, dict) for name in cast("dict[str, object]", body)}


def _own_effects(outcome: Outcome) -> Iterator[Mapping[str, Any]]:
    return (effect for effect in outcome.effects if effect["by"] in outcome.own)


def _about_effect(expected: ExpectedEffect, outcome: Outcome) -> str | None:
    found = sum(
        1
        for effect in _own_effects(outcome)
        if effect.get("applied") and fnmatchcase(f"{effect['method']} {effect['path']}", expected.match)
    )
    if found == expected.count:
        return None
    return f"{found} writes of Cordon's match {expected.match}, expected {expected.count}"


def _short(value: object) -> str:
    text = repr(value) if value is NOTHING else as_json(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
