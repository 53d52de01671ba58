"""
What the settings of conditions have in common: how they are spelled in the policy file, and their types.

A condition's settings are its fields; pydantic checks them, and says what may stand there in the schema.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Annotated, TypeVar, get_args

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema

from shared.audit import LOOK_BACK
from shared.clock import read_duration
from shared.identity import canonical_guid

T = TypeVar("T")


class NotAmong(ValueError):
    """A name that is none of the choices; whoever tells people names the nearest."""

    def __init__(self, what: str, choices: Sequence[str]) -> None:
        super().__init__(what)
        self.choices = tuple(choices)


def _within_look_back(length: timedelta) -> timedelta:
    if length > LOOK_BACK:
        raise ValueError(f"must be at most {LOOK_BACK.days}d: the audit log is not read further back")
    return length


def _read_guid(value: object) -> str:
    try:
        return canonical_guid(value)
    except ValueError as problem:
        raise ValueError("is not a GUID, such as 11111111-2222-3333-4444-555555555555") from problem


def kebab(name: str) -> str:
    """How a field is spelled in the policy file."""
    return name.rstrip("_").replace("_", "-")


SETTINGS = ConfigDict(extra="forbid", alias_generator=kebab, str_max_length=200)

DURATION_SCHEMA = {
    "type": "string",
    "pattern": r"^([0-9]{1,6}[smhd]|P([0-9]{1,6}D)?(T([0-9]{1,6}H)?([0-9]{1,6}M)?([0-9]{1,6}S)?)?)$",
    "examples": ["90m", "24h", "7d"],
}
GUID_PATTERN = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_GUID_SCHEMA = {"type": "string", "pattern": GUID_PATTERN}

Duration = Annotated[timedelta, BeforeValidator(read_duration), WithJsonSchema(DURATION_SCHEMA)]
_AUDITED = AfterValidator(_within_look_back)
AuditDuration = Annotated[Duration, _AUDITED, WithJsonSchema(DURATION_SCHEMA)]
Guid = Annotated[str, BeforeValidator(_read_guid), WithJsonSchema(_GUID_SCHEMA)]
Flag = Annotated[bool, Field(strict=True)]
Several = Annotated[tuple[T, ...], Field(min_length=1, max_length=100)]
"""A list that names at least one: an empty one could never match, or never fail to."""


@lru_cache(maxsize=1024)  # one case is asked by many rules, and formatting is half of an answer's cost
def utc(moment: datetime) -> str:
    """A moment of a case, which is in UTC, to the minute."""
    return f"{moment.isoformat(' ', 'minutes')[:16]} UTC"


def asks_audit_log(hint: object) -> bool:
    """Whether a setting of this annotated type says how far back the audit log is asked."""
    return _AUDITED in getattr(hint, "__metadata__", ()) or any(map(asks_audit_log, get_args(hint)))
