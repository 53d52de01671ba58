"""
What rotators read before they act: the versions of a secret, and the values of those that are exposed.

Values stay in memory for one comparison with what the source takes, and are held by what shows them to nobody.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from hmac import compare_digest
from urllib.parse import unquote

from shared.case import CouldNotLook, Known, NotLooked
from shared.entries import WriteOutcome
from shared.errors import CannotBeRead, Gone, Unreachable
from shared.estate import OPERATION_TAG, DatedKey, SecretRef, SecretSeen, SecretValue
from shared.rotators.forms import read_form
from shared.rotators.interface import Job, RotatorMeans
from shared.rotators.providers import read_provider
from shared.rotators.tags import PROVIDER, tag
from shared.signal import JsonObject, JsonValue
from shared.together import together

_SIDE_BY_SIDE = 32  # values that are read at once
_AT_ONCE = timedelta(seconds=2)  # Key Vault tells whole seconds
_MAY_BE_THEIRS = timedelta(days=30)  # for so long reads count: since then somebody else may have been at work


async def versions_of(job: Job, means: RotatorMeans) -> tuple[SecretSeen, ...]:
    """All versions, newest first. Raises Gone, Unreachable or CannotBeRead: no list is no empty list."""
    doing = f"looking at the versions of {job.secret.ref.vault}/{job.secret.ref.name}"
    match await means.estate.vaults.versions(job.secret.ref):
        case Known(versions) if versions:
            return versions
        case CouldNotLook(gone=True) | Known():
            raise Gone(doing)
        case CouldNotLook(why=why, may_help_later=True):
            raise Unreachable(doing, why)
        case CouldNotLook(why=why):
            raise CannotBeRead(doing, why)
        case NotLooked():
            raise CannotBeRead(doing, "nobody has looked")


def made_by_us(job: Job, versions: tuple[SecretSeen, ...]) -> SecretSeen | None:
    """The newest usable version that an attempt of this operation has stored."""
    return next((each for each in versions if each.enabled and each.tags.get(OPERATION_TAG) == job.operation), None)


def still_enabled(job: Job, versions: tuple[SecretSeen, ...]) -> tuple[str, ...]:
    """The exposed versions that the vault still gives out."""
    return tuple(each.version for each in versions if each.version in job.exposed and each.enabled and each.version)


class Values:
    """
    The value of the newest version, and those of the exposed ones. `unread` are exposed versions whose value the
    vault does not give out, because they are disabled or gone.
    """

    __slots__ = ("__exposed", "__newest", "unread")

    def __init__(self, newest: SecretValue | None, exposed: Mapping[str, SecretValue], unread: tuple[str, ...]) -> None:
        self.__newest, self.__exposed, self.unread = newest, exposed, unread

    @property
    def newest(self) -> str | None:
        return self.__newest.reveal() if self.__newest else None

    @property
    def exposed(self) -> tuple[str, ...]:
        return tuple(each.reveal() for each in self.__exposed.values())

    def of(self, version: str) -> str | None:
        """What this exposed version holds; None where the vault does not give it out."""
        value = self.__exposed.get(version)
        return value.reveal() if value else None

    def exposes(self, what: str, key: SecretValue) -> bool:
        """Whether an exposed value holds this key of such a source."""
        return any(holds(what, value, key) for value in self.exposed)

    def uses(self, what: str, key: SecretValue) -> bool:
        """Whether the newest version holds this key."""
        return self.newest is not None and holds(what, self.newest, key)

    def __repr__(self) -> str:
        return "Values(…)"


def tagged_for(resource: str, version: SecretSeen, now: datetime) -> bool | None:
    """
    Whether the version's tags name this source, or what it is a part of; None where they name none, and where they
    name it and prove nothing.
    """
    named = read_provider(tag(version, PROVIDER))
    if named is None:
        return None
    fits = f"{resource}/".startswith(f"{named.resource}/")
    return None if fits and changed_lately(version, now) is not None else fits


def changed_lately(version: SecretSeen, now: datetime) -> str | None:
    """
    Why the tags of a version prove nothing: it was changed since it was stored, within the time for which reads count.
    Whoever may store a secret may write the tags of every version, and Key Vault tells only that something was changed.
    """
    if version.updated - version.created <= _AT_ONCE or now - version.updated > _MAY_BE_THEIRS:
        return None
    return (
        f"it was changed at {version.updated:%Y-%m-%d %H:%M} UTC, after it was stored, so that its tags prove nothing"
    )


def called(version: str, versions: Sequence[SecretSeen], now: datetime) -> str:
    """An exposed version of which something is not sure, and what speaks against its tags."""
    seen = next((each for each in versions if each.version == version), None)
    changed = changed_lately(seen, now) if seen is not None else None
    return f"the exposed version {version}" + (f" ({changed})" if changed is not None else "")


def exposed_of(job: Job, versions: tuple[SecretSeen, ...]) -> Mapping[str, SecretSeen | None]:
    """The exposed versions by id, the newest first. None: the vault does not show it any more."""
    seen = {each.version: each for each in versions}
    return {version: seen.get(version) for version in job.exposed}


async def values_of(job: Job, versions: tuple[SecretSeen, ...], means: RotatorMeans) -> Values:
    """
    Reads each value once, some side by side: whoever may store secrets can store thousands of versions of one. A
    disabled version is not read: the vault would refuse.
    """
    newest, room = versions[0], asyncio.Semaphore(_SIDE_BY_SIDE)
    wanted = {newest.version, *job.exposed}

    async def one(ref: SecretRef, version: str) -> tuple[str, SecretValue]:
        async with room:
            return version, await means.estate.vaults.value(ref, version)

    given_out = ((each.ref, each.version) for each in versions if each.version in wanted and each.enabled)
    read = dict(await together(*(one(ref, version) for ref, version in given_out if version is not None)))
    exposed = {version: read[version] for version in job.exposed if version in read}
    unread = tuple(version for version in job.exposed if version not in read)
    return Values(read.get(newest.version or ""), exposed, unread)


def holds(what: str, value: str, key: SecretValue) -> bool:
    """Whether the value holds this key: as its credential, or anywhere in a value of unknown form."""
    wanted = key.reveal()
    if form := read_form(what, value):
        return compare_digest(form.credential.encode(), wanted.encode())
    return wanted in value or wanted in unquote(value)


def is_same(one: SecretValue, other: SecretValue) -> bool:
    return compare_digest(one.reveal().encode(), other.reveal().encode())


def texts(value: JsonValue) -> list[str]:
    """A list of texts from the journal, or none."""
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def inner(value: JsonValue) -> JsonObject:
    """An object from the journal, or an empty one."""
    return value if isinstance(value, dict) else {}


def times_of(keys: Mapping[str, DatedKey]) -> Mapping[str, str | None]:
    """When each key of a source was made, where it says so."""
    return {name: each.created for name, each in keys.items()}


def tags_in(facts: JsonObject, wanted: Callable[[str], bool]) -> list[str]:
    """The texts of the source's own tags whose names are wanted."""
    return [str(text) for name, text in inner(facts.get("tags")).items() if wanted(name)]


async def disable_exposed(job: Job, means: RotatorMeans) -> tuple[WriteOutcome, ...]:
    """Let the vault give none of the exposed versions out any more. What is disabled already is left alone."""
    enabled = still_enabled(job, await versions_of(job, means))
    for version in enabled:
        await means.estate.vaults.set_enabled(job.secret.ref, version, False)
    return tuple(
        WriteOutcome(write=f"disable version {version}", outcome="accepted" if version in enabled else "already")
        for version in job.exposed
    )
