"""A person's order to contain an identity, as the HTTP door hands it over."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import ClassVar, cast

from shared.errors import MalformedSignal
from shared.identity import AppObjectId, ClientId, IdentityRef, PrincipalId
from shared.signal import JsonObject, JsonValue, NotASignal, Signal
from shared.untrusted import Fields, is_shallow, one_line

_IDS = ("servicePrincipalId", "appId", "applicationObjectId")
_UNDATED = datetime(2000, 1, 1, tzinfo=UTC)


class Manual:
    """
    Reads {identity: {exactly one id}, reason, by, requestId, actions?, planHash?, verdict?, at?}.

    An order is dated by whoever takes it in; without `at` it is dated 2000-01-01, so that nobody mistakes it
    for news. The request id is the key: the same order sent twice is one order.
    """

    name: ClassVar[str] = "manual"
    event_types: ClassVar[tuple[str, ...]] = ()  # nothing that is pushed may give orders
    categories: ClassVar[tuple[str, ...]] = ()

    def read(self, record: JsonObject, tenant_id: str) -> Signal | NotASignal:
        body = Fields(self.name, record)
        reason, by = _text(body, "reason"), _text(body, "by")
        facts: dict[str, JsonValue] = {"reason": reason, "by": by}
        if record.get("actions") is not None:
            facts["actions"] = [*_actions(body)]
        if record.get("planHash") is not None:
            facts["planHash"] = body.token("planHash")
        if record.get("verdict") is not None:
            facts["verdict"] = body.token("verdict")
        return Signal(
            source=self.name,
            record_id=body.token("requestId"),
            subject=_subject(body),
            observed_at=body.optional_time("at") or _UNDATED,
            summary=one_line(f"{by or 'Somebody'} ordered containment: {reason or 'no reason given'}"),
            facts=facts,
        )


def _text(body: Fields, name: str) -> str:
    found = body.line(name, 500)
    if found is None and not isinstance(body.values.get(name), str):
        raise body.wrong(name, "is missing")
    return found or ""


def _subject(body: Fields) -> IdentityRef:
    named = body.object("identity")
    if named is None:
        raise body.wrong("identity", "is missing")
    if len(named.values) != 1 or next(iter(named.values)) not in _IDS:
        raise body.wrong("identity", f"must name exactly one of {', '.join(_IDS)}")
    (name,) = named.values
    id_ = named.guid(name)
    match name:
        case "servicePrincipalId":
            return IdentityRef(principal_id=PrincipalId(id_))
        case "appId":
            return IdentityRef(client_id=ClientId(id_))
        case _:
            return IdentityRef(app_object_id=AppObjectId(id_))


def _actions(body: Fields) -> list[JsonValue]:
    """Names, or one name with its options each. Whether such actions exist is not for a source to say."""
    found = body.list("actions")
    if not 1 <= len(found) <= 20:
        raise body.wrong("actions", "is not a list of 1 to 20 actions")
    return [_action(body, each) for each in found]


def _action(body: Fields, entry: object) -> JsonValue:
    if isinstance(entry, str):
        return Fields(body.sender, {"actions": entry}).token("actions")
    if not isinstance(entry, Mapping) or len(cast("JsonObject", entry)) != 1:
        raise MalformedSignal(source=body.sender, why="actions holds neither a name nor one name with its options")
    ((name, options),) = cast("JsonObject", entry).items()
    if not isinstance(options, dict) or not is_shallow(options, 4):
        raise MalformedSignal(source=body.sender, why="an action's options are not an object")
    return {Fields(body.sender, {"actions": name}).token("actions"): options}
