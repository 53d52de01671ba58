"""
What is rotated, how, and in which order: values, their JSON, and the rules that need no asking. Pure.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import cast

from pydantic import TypeAdapter

from shared.actions.rotate_secrets import RotationOptions
from shared.estate import NOBODY, SecretRef, SecretSeen
from shared.exposure import Exposed, Tier
from shared.rotators.interface import Job, Keys, Serves
from shared.signal import JsonValue

_LONGEST_ID = 64  # of a version; what a log gives is shown to people
MOST_ROUNDS = 5  # so many times one secret is read again and rotated again; then a person is called


@dataclass(frozen=True, slots=True)
class PlannedSecret:
    """
    One secret as it is to be rotated. `exposed` are the ids of the versions that must die, newest first.

    `round` counts how often its source is rotated: a key of the second round is another, although the source calls
    it by the same name. `asks` is set where a person has to let it go: "single-credential" or "unrecognised".
    """

    step: str
    tier: Tier
    why: str
    seen: SecretSeen
    exposed: tuple[str, ...]
    rotator: str
    keys: Keys
    serves: Serves
    asks: str | None = None
    round: int = 1

    @property
    def ref(self) -> SecretRef:
        return self.seen.ref

    @property
    def source(self) -> tuple[str, str]:
        """Where its credential comes from; the secret itself, where there is no source that we know."""
        return (self.rotator, self.serves.resource) if self.serves.resource else ("", step_of(self.ref))

    @property
    def family(self) -> tuple[str, str, int] | None:
        """What secrets that hold credentials of one source share in a round; None where no source is known."""
        return (*self.source, self.round) if self.serves.resource else None

    def job(self, incident: str, options: RotationOptions) -> Job:
        """The work as its rotator gets it."""
        return Job(
            incident=incident,
            secret=self.seen,
            exposed=self.exposed,
            serves=self.serves,
            operation=operation_of(incident, self.step),
            options={
                "grace": f"PT{int(options.grace / timedelta(seconds=1))}S",
                "disable-old": options.disable_old,
            },
        )


def step_of(ref: SecretRef, number: int = 1) -> str:
    """The step of a secret's round in the journal."""
    name = f"{ref.vault}/{ref.name}"
    return name if number == 1 else f"{name}/{number}"


def round_of(step: str) -> int:
    """Which round of its secret a step is."""
    parts = step.split("/")
    return int(parts[2]) if len(parts) > 2 else 1


def ref_of(step: str) -> SecretRef:
    """The secret that a step is a round of."""
    vault, name, *_ = step.split("/")
    return SecretRef(vault, name)


def operation_of(incident: str, step: str) -> str:
    """The id by which the effects of one round are found again, at the source and in the vault."""
    return hashlib.sha256(f"{incident}|{step}".encode()).hexdigest()[:32]


def in_order(planned: Iterable[PlannedSecret]) -> tuple[PlannedSecret, ...]:
    """
    By tier; what came first stays first. Secrets of one source go with the highest tier of them; and an earlier round
    goes with the later ones that have to wait for it, or a secret of a higher tier would wait for a lower one for good.
    """
    planned = tuple(planned)
    highest: dict[tuple[str, str], dict[int, PlannedSecret]] = {}
    for each in planned:
        rounds = highest.setdefault(each.source, {})
        if each.round not in rounds or each.tier < rounds[each.round].tier:
            rounds[each.round] = each
    return tuple(sorted((_with_highest(each, highest[each.source]) for each in planned), key=lambda each: each.tier))


def _with_highest(each: PlannedSecret, rounds: Mapping[int, PlannedSecret]) -> PlannedSecret:
    first = min((one for round_, one in sorted(rounds.items()) if round_ >= each.round), key=lambda one: one.tier)
    if first.tier >= each.tier:
        return each
    because = (
        "it holds a key of the same source as" if first.round == each.round else "before it can be rotated again as"
    )
    return replace(each, tier=first.tier, why=f"{each.why}; {because} {first.step}, which is of tier {first.tier}")


def versions_exposed(
    exposed: Exposed, versions: Sequence[SecretSeen], *, untold_since: datetime | None = None
) -> tuple[SecretSeen, ...]:
    """
    The versions that must die: those that were read, and every other that could have been, newest first.

    A disabled version gives its value to nobody; one that was read before somebody disabled it was read. A read whose
    version the log does not name may have been of any that was there, and a backup holds them all. Where no log tells
    the reads (`untold_since` is the moment from which on they count), it may have been read while it was enabled.
    """
    return tuple(
        each
        for each in versions
        if each.version is not None
        and (
            each.enabled
            or was_read(exposed, each)
            or was_read(replace(exposed, reads=exposed.nobodys), each)
            or _was_enabled_since(each, untold_since)
        )
    )


def versions_gone(exposed: Exposed, versions: Sequence[SecretSeen]) -> tuple[str, ...]:
    """
    The ids of versions that were read and that the vault does not show any more: a secret was purged and made anew
    under its name. What such a version opens it opens still.
    """
    shown = {each.version for each in versions}
    read = exposed.reads.versions if exposed.reads is not None else ()
    return tuple(each for each in read if each not in shown and each.isalnum() and len(each) <= _LONGEST_ID)


def _was_enabled_since(seen: SecretSeen, moment: datetime | None) -> bool:
    """
    Whether a version that is disabled now may have been enabled at some time since then: the vault tells only when its
    attributes were changed last. One that was never changed was stored disabled.
    """
    return moment is not None and seen.updated >= moment and seen.updated > seen.created


def was_read(exposed: Exposed, seen: SecretSeen) -> bool:
    """Whether the identity read this version, or may have, by the log."""
    reads = exposed.reads
    if reads is None:
        return False
    tells_all = reads.versions and not reads.unnamed
    return seen.version in reads.versions or (not tells_all and seen.created <= reads.last)


def is_read_again(exposed: Exposed, version: str, published_at: datetime) -> bool:
    """
    Whether the identity has read the version that was published: by its id, or by none after it was there. Reads of
    which the log does not say whose they were are those of consumers as well.
    """
    if exposed.reads is None or exposed.reads.reader == NOBODY:
        return False
    tells_all = exposed.reads.versions and not exposed.reads.unnamed
    return version in exposed.reads.versions or (not tells_all and exposed.reads.last > published_at)


def hash_of(planned: Sequence[PlannedSecret]) -> str:
    """Covers what a person approves: which secrets, in which tier, by which rotator, which versions die."""
    shown = [
        [each.step, each.tier, each.rotator, each.serves.resource, each.serves.key, each.exposed] for each in planned
    ]
    return hashlib.sha256(json.dumps(shown, separators=(",", ":")).encode()).hexdigest()


def counted_by_tier(planned: Iterable[PlannedSecret]) -> dict[str, int]:
    return dict(sorted(Counter(str(each.tier) for each in planned).items()))


def counted_by_rotator(planned: Iterable[PlannedSecret]) -> dict[str, int]:
    return dict(sorted(Counter(each.rotator for each in planned).items()))


def as_bytes(planned: Sequence[PlannedSecret]) -> bytes:
    """The list as the store keeps it: names, ids, times and tags, never a value."""
    return _adapter().dump_json(tuple(planned))


def read_planned(content: bytes) -> tuple[PlannedSecret, ...]:
    """The list that `as_bytes` wrote."""
    return _adapter().validate_json(content)


@cache
def _adapter() -> TypeAdapter[tuple[PlannedSecret, ...]]:
    return TypeAdapter(tuple[PlannedSecret, ...])


def as_json(value: object) -> JsonValue:
    """Any of our values as plain JSON, for evidence that people and reports read."""
    if is_dataclass(value):
        return {each.name: as_json(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): as_json(each) for name, each in cast("Mapping[object, object]", value).items()}
    if isinstance(value, frozenset):
        return [as_json(each) for each in sorted(cast("frozenset[str]", value))]
    if isinstance(value, tuple | list):
        return [as_json(each) for each in cast("Sequence[object]", value)]
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, bool | int | float) or value is None else str(value)
