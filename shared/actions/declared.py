"""
The subscriptions that a policy declares to be all: `unseen: accept`.

Who may not read at the root of the tenant cannot tell whether there are more subscriptions than he sees, and so nothing
is called whole. An operator may know better, and say so in the policy, by id. He is taken at his word only as long as
the reader sees exactly those, and every proof that rests on it says so. All else that nobody could look at is unseen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from shared.estate import Reach
from shared.identity import canonical_guid
from shared.signal import JsonObject, JsonValue

UNSEEN, SUBSCRIPTIONS = "unseen", "subscriptions"
_STRICT, _ACCEPT = "strict", "accept"
_MOST = 500
_SHOWN = 5

SCHEMA: JsonObject = {
    UNSEEN: {
        "enum": [_STRICT, _ACCEPT],
        "default": _STRICT,
        "description": "Whether it counts as seen that nobody may look for subscriptions beside those listed.",
    },
    SUBSCRIPTIONS: {
        "type": "array",
        "items": {"type": "string", "format": "uuid"},
        "minItems": 1,
        "maxItems": _MOST,
        "description": "With `unseen: accept`: the ids of all subscriptions of the tenant, by your word.",
    },
}


def read_declared(action: str, options: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """The subscriptions that are declared to be all; none where nothing is. Raises ValueError, with what is allowed."""
    word, listed = options.get(UNSEEN, _STRICT), options.get(SUBSCRIPTIONS)
    if word not in (_STRICT, _ACCEPT):
        raise ValueError(f"{UNSEEN} of {action} is {_STRICT} or {_ACCEPT}")
    if (word == _ACCEPT) is not (listed is not None):
        raise ValueError(f"{UNSEEN}: {_ACCEPT} of {action} and its {SUBSCRIPTIONS} go together: say which ones are all")
    if listed is None:
        return ()
    if not isinstance(listed, list) or not 1 <= len(listed) <= _MOST:
        raise ValueError(f"{SUBSCRIPTIONS} of {action} is a list of one to {_MOST} ids")
    return tuple(sorted({_id(each, action) for each in listed}))


def _id(text: JsonValue, action: str) -> str:
    try:
        return canonical_guid(str(UUID(text)) if isinstance(text, str) else text)
    except ValueError as problem:
        raise ValueError(f"{SUBSCRIPTIONS} of {action} holds what is no id of a subscription: {text}") from problem


def with_declared(reach: Reach, declared: Sequence[str]) -> Reach:
    """
    What the identity reaches, by the policy's word on what there is. `accepted` says what rests on that word; where the
    reader sees other subscriptions than the policy declares, it is not taken, and `unseen` says why.
    """
    if not declared or not reach.blind:
        return reach
    seen, said = {*reach.subscriptions}, {*declared}
    if seen == said:
        accepted = f"that there are no subscriptions beside {_some(declared)} is the policy's word (unseen: accept)"
        unseen = tuple(each for each in reach.unseen if each not in reach.blind)
        return replace(reach, unseen=unseen, blind=(), accepted=(accepted,))
    missing, more = sorted(said - seen), sorted(seen - said)
    why = [f"Cordon's reader does not see {_some(missing)}"] if missing else []
    why += [f"it sees {_some(more)} as well"] if more else []
    doubt = f"the policy's list of subscriptions (unseen: accept) is not what there is: {' and '.join(why)}"
    return replace(reach, unseen=(*reach.unseen, doubt))


def _some(ids: Sequence[str]) -> str:
    more = len(ids) - _SHOWN
    return ", ".join(ids[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
