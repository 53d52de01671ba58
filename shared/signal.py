"""
A signal: one observed fact about an identity, from a source.

A signal only points. What it claims is kept for the report and for matching,
but facts are read again from Graph before anything is decided on them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from shared.identity import IdentityRef

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None"
JsonObject: TypeAlias = dict[str, "JsonValue"]


@dataclass(frozen=True, slots=True)
class Signal:
    """
    One observed fact.

    `record_id` is the sender's own id of the record: with `source` it is the key
    under which duplicates from any route are recognised. `observed_at` is the
    service's time, UTC. `facts` is small JSON, the sender's claim. `others` are the
    signals of the same record about each other identity that it may be about: where
    it does not tell them apart, all of them hear of it.
    """

    source: str
    record_id: str
    subject: IdentityRef
    observed_at: datetime
    summary: str  # one line, at most 300 characters, no control characters
    facts: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    others: tuple["Signal", ...] = ()

    @property
    def key(self) -> str:
        return f"{self.source}:{self.record_id}"


@dataclass(frozen=True, slots=True)
class NotASignal:
    """A well-formed record that is not about a workload identity, or not of a kind that we follow."""

    why: str


@dataclass(frozen=True, slots=True)
class PolicyTouched(NotASignal):
    """A Conditional Access policy was made, edited or deleted. `named`: the record shows the name of Cordon's own."""

    record_id: str = ""
    policy_ids: tuple[str, ...] = ()
    named: bool = False
    by: tuple[str, ...] = ()  # ids of who did it


@dataclass(frozen=True, slots=True)
class SecretTouched(NotASignal):
    """A vault tells of a new version of a secret, whoever stored it; the names in lower case."""

    vault: str = ""
    secret: str = ""
