"""
A quick look at a line of the audit log, which makes no objects of what nobody asks about: of a hundred records,
ninety-seven are about people, groups and devices, and are only counted.

It says something only of a whole and plain record in Graph's own form; of everything else it says nothing, and the line
is read in full, by the reader that says what is wrong with it. So it refuses more than that reader does, never less.
"""

from collections.abc import Callable
from typing import Any

from msgspec import UNSET, DecodeError, Struct, field
from msgspec.json import Decoder


class Target(Struct, gc=False):
    """All that is asked of a target."""

    type: str | None = None


class Glanced(Struct, gc=False):
    """The little of a record that says whether it can concern a workload."""

    activity: str = field(name="activityDisplayName")
    at: str = field(name="activityDateTime")
    targets: list[Target] = field(name="targetResources")
    # With any of these it is in another form, or a list.
    properties: Any = UNSET
    value: Any = UNSET
    records: Any = UNSET
    tables: Any = UNSET
    generated: Any = field(name="TimeGenerated", default=UNSET)


_decode: Callable[[bytes], Glanced] = Decoder(Glanced).decode


def glance(line: bytes) -> Glanced | None:
    """None where the line must be read in full. What is skipped is not checked for its encoding, so only ASCII is."""
    if not line.isascii():
        return None
    try:
        found = _decode(line)
    except (DecodeError, RecursionError):
        return None
    is_plain = (
        found.properties is UNSET
        and found.value is UNSET
        and found.records is UNSET
        and found.tables is UNSET
        and found.generated is UNSET
    )
    return found if is_plain and found.at else None
