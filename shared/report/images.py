"""
Pre-images as the report shows them and reads them: what the steps wrote down before they changed anything.
"""

from collections.abc import Iterator

from pydantic import JsonValue

from shared.entries import Applied, Intended
from shared.history import StepStory
from shared.signal import JsonObject

# A pre-image has no secret in it, and the public part of a key helps nobody at 3 a.m. Should a field that can
# hold a value ever slip into one, the report does not pass it on.
_NEVER_SHOWN = frozenset({"secrettext", "key", "value", "hint", "password", "proof", "clientsecret", "secret"})


def shown(image: JsonObject) -> JsonObject:
    """The image without fields that could hold the value of a credential."""
    return {name: _shown(value) for name, value in image.items() if name.lower() not in _NEVER_SHOWN}


def _shown(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return shown(value)
    return [_shown(item) for item in value] if isinstance(value, list) else value


def first_image(step: StepStory) -> JsonObject | None:
    """What was there before the step's first write."""
    return next((dict(intended.before) for _, intended in step.all(Intended)), None)


def objects_in(step: StepStory, *names: str) -> Iterator[JsonObject]:
    """The entries of these lists in every round's image. Where only ids were written down, `{"id": …}`."""
    for _, intended in step.all(Intended):
        for name in names:
            value = intended.before.get(name)
            for entry in value if isinstance(value, list) else []:
                yield entry if isinstance(entry, dict) else {"id": entry}


def id_of(entry: JsonObject) -> str:
    """The id of a credential as Graph names it: keyId of secrets and certificates, id of federated ones."""
    return str(entry.get("keyId") or entry.get("id") or "")


def made_by(step: StepStory) -> JsonObject:
    """What the step made, over all rounds: the ids of a new certificate."""
    made: JsonObject = {}
    for _, applied in step.all(Applied):
        made |= applied.made
    return made


def changed_something(step: StepStory) -> bool:
    """True unless every round is known to have written nothing."""
    rounds = {intended.round: bool(intended.writes) for _, intended in step.all(Intended)}
    for _, applied in step.all(Applied):
        rounds[applied.round] = any(write.outcome in ("accepted", "unknown") for write in applied.writes)
    return any(rounds.values())
