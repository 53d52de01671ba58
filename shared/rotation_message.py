"""The message that has a rotation begin or go on, and what it says of itself. Pure."""

from dataclasses import dataclass

from shared.journal import IncidentId
from shared.signal import JsonObject


@dataclass(frozen=True, slots=True)
class SetOff:
    """What a message sets off: what the plan with this hash asks for, said in the incident's journal behind a place."""

    plan_hash: str
    behind: int


def rotation_message(
    incident: IncidentId, *, woken: bool = False, at: str | None = None, sets_off: SetOff | None = None
) -> JsonObject:
    """
    The message that has a rotation go on. One that comes before its time is dropped, unless it is `woken`, the one
    that was sent for `at`, or one that sets off what is not set off yet.
    """
    message: JsonObject = {"incident": incident, "because": "rotation"}
    message |= {"woken": True} if woken else {}
    message |= {"plan": sets_off.plan_hash, "behind": sets_off.behind} if sets_off is not None else {}
    return message if at is None else {**message, "at": at}


def set_off_by(message: JsonObject) -> SetOff | None:
    """What a message sets off; None for one that has a rotation go on, and for those of older versions."""
    plan, behind = message.get("plan"), message.get("behind")
    return SetOff(plan, behind) if isinstance(plan, str) and isinstance(behind, int) else None
