"""
What a rotator is: it makes the exposed value of one secret worthless at the service that honours it.

A secret goes through four stages, each journaled before and after: a new credential is *made* at its source,
*published* as a new version in the vault, the exposed one *dies* at its source after the grace, and the exposed
versions are *disabled*. A rotator knows the source only; publishing, waiting and disabling are the engine's.
A new value in the vault alone is no rotation: what leaked would go on opening the door.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, Literal, Protocol, TypeAlias

from shared.actions.interface import Applied, Proof
from shared.clock import Clock
from shared.estate import Estate, SecretRef, SecretSeen, SecretValue
from shared.signal import JsonObject
from shared.tenant import Tenant

Keys: TypeAlias = Literal["two", "one", "certificate", "owner", "none"]
"""
How many credentials the source can honour at once. `two`: the idle one is made new and published, then the
exposed one as well. `one`: the old dies the moment the new is made, so that consumers break. `certificate`: the
vault makes it and publishes it by itself. `owner`: somebody else's machinery rotates. `none`: nothing is made.
"""


@dataclass(frozen=True, slots=True)
class Serves:
    """
    Yes. `resource` is the source: an ARM id, a client id, or "" where there is none; `key` which of its
    credentials the exposed version holds, in the source's word; both are lower-case text from tags or from the
    source itself, checked for their shape. `why` is one line for the report.
    """

    resource: str
    key: str
    why: str


@dataclass(frozen=True, slots=True)
class ServesNot:
    """No: it is another rotator's, or an owner's."""


@dataclass(frozen=True, slots=True)
class NeedsValue:
    """Perhaps: only the value tells. The engine reads it for `recognise`, and keeps it no longer than that."""


Served: TypeAlias = Serves | ServesNot | NeedsValue


@dataclass(frozen=True, slots=True)
class Job:
    """
    One exposed secret. `operation` is the same for every attempt at this round of it, and is what is found
    again at both ends after a crash. `exposed` are the ids of the versions that must die, newest first.

    Several secrets can hold credentials of one source: those with the same rotator and `serves.resource`. What was
    made for one of them serves the others (`beside` is its `made`, if `serves_too` says so), for a second new key would
    kill the first.
    `before` is asked for each before anything is made for the first, and nothing is retired at the source before
    each of them is published and has had its grace. Then `retire` and `verify` are called once for each key of the
    source that any of them, or an older version of them, exposed (`serves.key`); a key that `made` has renewed is
    dead by that, and is left alone.

    `made` is what an attempt at this very job has made, where the journal tells and the value was lost with the
    process before it was published: a source that gives its keys out gives that one again.
    """

    incident: str
    secret: SecretSeen  # the newest version when the exposure was found
    exposed: tuple[str, ...]
    serves: Serves
    operation: str
    options: JsonObject
    beside: JsonObject | None = None
    beside_at: tuple[SecretRef, str] | None = None  # where that is published: for what no source gives a second time
    made: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class Minted:
    """
    The new credential. `made` goes into the journal: ids, names of keys, times, never a value. `value` is None
    where nothing is to be published by us; `version` names the version where it stands in the vault already.
    `expires` is set where the source says how long it counts; else the new version lives as the newest one's tags
    and times say. `tags` replace those of the same name on the new version.
    """

    made: JsonObject
    value: SecretValue | None = None
    version: str | None = None
    expires: datetime | None = None
    tags: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Awaited:
    """Somebody else has to do it: who was asked and how, when to look again, and from when on to call a person."""

    made: JsonObject
    why: str
    look_again: timedelta
    remind_after: timedelta
    escalate_after: timedelta


@dataclass(frozen=True, slots=True)
class RotatorMeans:
    """
    What a rotator may use. Every write through `estate` and `tenant` is fenced: it raises RivalActs or
    StoppedBySwitch instead of being sent. `token` gives that many random bytes.
    """

    estate: Estate
    tenant: Tenant
    clock: Clock
    token: Callable[[int], bytes]


class Rotator(Protocol):
    """One entry of the catalogue; `name` is the word in tags, policy and report, and the file's name with dashes."""

    name: ClassVar[str]
    keys: ClassVar[Keys]
    permissions: ClassVar[tuple[str, ...]]  # Azure roles and Graph permissions that it needs, for docs and refusals
    renames_key: ClassVar[bool]  # whether the new version holds another of the source's keys than the old

    def serves(self, secret: SecretSeen) -> Served:
        """Whether this secret is its business: from tags, content type and flags alone. Pure."""
        ...

    async def recognise(self, secret: SecretSeen, value: SecretValue, means: RotatorMeans) -> Serves | ServesNot:
        """Asked only after NeedsValue. Raises as the tenant does; a doubt is ServesNot, never a guess."""
        ...

    async def before(self, job: Job, means: RotatorMeans) -> JsonObject:
        """
        What is at the source now: ids, names, creation times, never values. Journaled before `make` and given
        back to it, so that after a crash it can tell what it has made already.
        """
        ...

    async def make(self, job: Job, before: JsonObject, means: RotatorMeans) -> Minted | Awaited:
        """
        Make the new credential, or find the one that an attempt with the same `before` has made. May run again
        after a crash at any line, also after `published`; it never makes a second one where the first is usable.
        Raises OutcomeUnknown, Throttled, Unreachable for later, and what a person must mend as it is.
        """
        ...

    def serves_too(self, before: JsonObject, made: JsonObject) -> bool:
        """
        Whether what was `made` for another secret of the source is what the secret with this `before` gets as well. A
        source may have keys of two sorts, and of a secret that was dead already nothing was made. Pure.
        """
        ...

    async def awaited(
        self, job: Job, made: JsonObject, versions: Sequence[SecretSeen], means: RotatorMeans
    ) -> Minted | None:
        """Of what was `Awaited`: whether the owner has done it, told by the versions and the source. None: not yet."""
        ...

    async def retire(self, job: Job, before: JsonObject, made: JsonObject, means: RotatorMeans) -> Applied:
        """Let the exposed credential die at its source. May run again, and must not mind."""
        ...

    async def verify(self, job: Job, before: JsonObject, made: JsonObject, means: RotatorMeans) -> Proof:
        """
        Judge by a fresh read of the source whether the exposed credential is dead; unseen is unknown. Where only
        an owner can tell (`keys` is owner, or `make` was Awaited), unknown is the last word once the owner has
        stored a new version: no later read will know more, and the report says whose word the rest stands on.
        """
        ...
