"""
Which plan of an incident was begun last. Pure.
"""

from collections.abc import Iterable

from shared.chain import Line
from shared.entries import Approved, FoundInPlace, HeldBack, Intended, Planned


def newest_begun(lines: Iterable[Line]) -> int:
    """
    The place of the newest plan of which a step was begun while nothing held it back, or -1. What is begun while it
    waits is a step of the plan before it, which is contained again.
    """
    newest, begun, hash_, held = -1, -1, "", False
    places = dict[str | None, int]()
    for line in lines:
        match line.entry:
            case Planned(hash=hash_):
                newest, held = line.record.sequence, False
                places[hash_] = newest
            case HeldBack(by=by) if by != "switch":
                held = True
            case Approved(plan_hash=approved) if approved == hash_:
                held = False
            case Intended(plan_hash=of) | FoundInPlace(plan_hash=of) if not held:
                begun = max(begun, places.get(of, newest))
            case _:
                pass
    return begun
