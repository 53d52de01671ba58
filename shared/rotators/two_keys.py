"""
Services that honour two keys at once: the idle one is made new and published, then the exposed one is made new too.

Making only the idle key new, as Microsoft's samples do, leaves what leaked alive. What is compared is always the
exposed value with the keys that the source has now, in memory: a tag may name a source to which the secret never
belonged, and whoever can write tags must not make Cordon hand out another service's key.

Whether a key was made new before a crash is told by the time that the source gives for it, or by the journal. Where
neither knows (a bus or a cache, killed between the answer and its record), the idle key is made new once more:
nobody has it yet.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar, TypeAlias

from shared.actions.interface import Applied, Proof
from shared.entries import WriteOutcome
from shared.errors import Gone, OutcomeUnknown, PlatformRefused, TimeMayHelp
from shared.estate import SecretSeen, SecretValue
from shared.rotators.by_shape import may_tell_by_shape, providers_in, with_rules
from shared.rotators.fallback import OrOwner
from shared.rotators.forms import Form, read_form, source_named_in
from shared.rotators.interface import Job, Keys, Minted, NeedsValue, RotatorMeans, Served, Serves, ServesNot
from shared.rotators.providers import Provider, idle_beside, read_key, read_provider
from shared.rotators.reading import (
    Values,
    called,
    exposed_of,
    holds,
    inner,
    is_same,
    made_by_us,
    tagged_for,
    texts,
    times_of,
    values_of,
    versions_of,
)
from shared.rotators.tags import CREDENTIAL, PROVIDER, check_room, is_for, spelled, tag
from shared.signal import JsonObject

_Place: TypeAlias = tuple[str, str, str]
"""The names of an account or namespace, of the rule there, and of the queue, topic or hub; "" for none."""


class TwoKeys(OrOwner):
    """See `Rotator`. An entry of the catalogue says which kind of source it is (`what`) and what it needs."""

    name: ClassVar[str]
    what: ClassVar[str]
    keys: ClassVar[Keys] = "two"
    renames_key: ClassVar[bool] = True

    def serves(self, secret: SecretSeen) -> Served:
        if may_tell_by_shape(self.name, secret):
            return NeedsValue()
        provider = self._provider(secret)
        if provider is None:
            return ServesNot()
        key = read_key(self.what, tag(secret, CREDENTIAL))
        if key is None or not provider.whole:
            return NeedsValue()
        return Serves(provider.resource, key, f"its tags name {key} of {self.what} {provider.name}")

    async def recognise(self, secret: SecretSeen, value: SecretValue, means: RotatorMeans) -> Serves | ServesNot:
        """Of which source it is tags or the value itself say; which of its keys, and whether at all, its keys do."""
        for provider in await self._candidates(secret, value, means):
            try:
                keys = await means.estate.sources.keys(provider.resource, self.what)
            except Gone:
                continue  # a rule of the namespace that is one of a queue, or the other way round
            found = [name for name, key in keys.items() if holds(self.what, value.reveal(), key)]
            if len(found) == 1:
                return Serves(provider.resource, found[0], f"its value is {found[0]} of {self.what} {provider.name}")
        return ServesNot()

    async def _candidates(self, secret: SecretSeen, value: SecretValue, means: RotatorMeans) -> tuple[Provider, ...]:
        provider, form = self._provider(secret), read_form(self.what, value.reveal())
        if provider is not None and provider.whole:
            return (provider,)
        if form is None:
            return ()
        return with_rules(provider, form) if provider else await providers_in(form, self.what, means)

    def _provider(self, secret: SecretSeen) -> Provider | None:
        provider = read_provider(tag(secret, PROVIDER))
        return provider if provider and provider.what == self.what and is_for(self.name, secret) else None

    async def alive(self, job: Job, means: RotatorMeans) -> str | None:
        """See `OrOwner`."""
        keys = await means.estate.sources.keys(job.serves.resource, self.what)
        values = await values_of(job, await versions_of(job, means), means)
        alive = next((name for name, key in keys.items() if values.exposes(self.what, key)), None)
        source = f"{self.what} {_short(job.serves.resource)}"
        return f"the exposed value is {alive} of {source} still" if alive is not None else None

    async def examine(self, job: Job, means: RotatorMeans) -> JsonObject | str:
        """Which keys are exposed, by their values, which one the newest version uses, and which is the idle one."""
        resource, sources = job.serves.resource, means.estate.sources
        versions = await versions_of(job, means)
        values = await values_of(job, versions, means)
        dated = await sources.dated_keys(resource, self.what)
        keys = {name: each.value for name, each in dated.items()}
        used = next((name for name in keys if values.uses(self.what, keys[name])), None)
        found = {name for name in keys if values.exposes(self.what, keys[name])}
        if used is not None:  # so the source is the right one
            found |= self._held_by_unread(job, versions, values, used)
        exposed = sorted(found)
        if used is None and not exposed:
            return f"it is said to hold a key of {self.what} {_short(resource)}, none of whose keys is in its value"
        if used in exposed and (values.newest is None or read_form(self.what, values.newest) is None):
            return f"it holds {used} of {self.what} {_short(resource)} in a form that Cordon cannot write anew"
        idle = idle_beside(self.what, used) if used is not None and used in exposed else None
        known = [version for version in job.exposed if self._is_one_of(values.of(version), keys)]
        return {"exposed": [*exposed], "used": used, "idle": idle, "created": {**times_of(dated)}, "known": [*known]}

    def _is_one_of(self, value: str | None, keys: Mapping[str, SecretValue]) -> bool:
        """Whether the value is one of these keys, in a form that surely holds nothing else."""
        if value is None or read_form(self.what, value) is None:
            return False
        return any(holds(self.what, value, key) for key in keys.values())

    def _held_by_unread(self, job: Job, versions: tuple[SecretSeen, ...], values: Values, used: str) -> frozenset[str]:
        """What exposed versions hold that nobody can read any more: by their tags, else any key of the pair."""
        found: list[str] = []
        for each in (version for version in versions if version.version in values.unread):
            key = read_key(self.what, tag(each, CREDENTIAL))
            found += [key] if key else [used, idle_beside(self.what, used)]
        return frozenset(found)

    async def mint(self, job: Job, before: JsonObject, means: RotatorMeans) -> Minted:
        versions = await versions_of(job, means)
        key = _key_to_publish(job, before)
        if key is None:  # what consumers use now is not exposed
            return Minted({"used": before.get("used")}, version=versions[0].version)
        if published := made_by_us(job, versions):
            return Minted({"key": key}, version=published.version)
        tags = {spelled(job.secret, CREDENTIAL): key} if tag(job.secret, PROVIDER) else {}
        check_room(versions[0], tags, _doing(job, key))
        fresh = await self._fresh(job, before, key, means)
        values = await values_of(job, versions, means)
        form = read_form(self.what, values.newest or "")
        if form is None:
            raise PlatformRefused(doing=_doing(job, key), code="changed-meanwhile", why=_CHANGED)
        return Minted(
            {"key": key},
            value=SecretValue(form.holding(fresh.reveal())),
            tags=tags,
        )

    def serves_too(self, before: JsonObject, made: JsonObject) -> bool:
        """See `Rotator`. Who may only read gets no key by which to write, nor the other way round."""
        return made.get("key") is not None and made["key"] in (before.get("idle"), before.get("used"))

    async def _fresh(self, job: Job, before: JsonObject, key: str, means: RotatorMeans) -> SecretValue:
        """The idle key, made new by this operation: now, or before a crash."""
        sources, resource = means.estate.sources, job.serves.resource
        was = inner(before.get("created")).get(key)
        now = (await sources.dated_keys(resource, self.what))[key]
        made_already = was != now.created and now.created is not None
        if made_already or _was_made_before(job, key):
            return now.value
        return await self._regenerate(resource, key, now.value, means)

    async def _regenerate(self, resource: str, key: str, old: SecretValue, means: RotatorMeans) -> SecretValue:
        """Sent once. If the answer was lost, the source tells by another value that it was done."""
        try:
            return await means.estate.sources.regenerate(resource, self.what, key)
        except OutcomeUnknown as unknown:
            try:
                now = (await means.estate.sources.keys(resource, self.what))[key]
            except TimeMayHelp:
                raise unknown from None
            if is_same(now, old):
                raise
            return now

    async def end(self, job: Job, before: JsonObject, made: JsonObject, means: RotatorMeans) -> Applied:
        """The exposed keys are made new as well, one after the other. The idle one was, when it was published."""
        exposed = [key for key in texts(before.get("exposed")) if key != made.get("key")]
        return Applied(tuple([await self._end_one(job, before, made, key, means) for key in exposed]))

    async def _end_one(
        self, job: Job, before: JsonObject, made: JsonObject, key: str, means: RotatorMeans
    ) -> WriteOutcome:
        resource, write = job.serves.resource, f"make {key} of {self.what} {_short(job.serves.resource)} new"
        keys, versions = await means.estate.sources.keys(resource, self.what), await versions_of(job, means)
        values = await values_of(job, versions, means)
        if not await self._is_alive(job, before, key, keys, values, means):
            return WriteOutcome(write=write, outcome="already")
        if values.uses(self.what, keys[key]):
            raise PlatformRefused(doing=_doing(job, key), code="still-in-use", why=_IN_USE)
        published = keys.get(str(made.get("key")))
        if published and made_by_us(job, versions) == versions[0] and not values.uses(self.what, published):
            raise PlatformRefused(doing=_doing(job, key), code="published-is-dead", why=_OVERTAKEN)
        await self._regenerate(resource, key, keys[key], means)
        return WriteOutcome(write=write, outcome="accepted")

    async def _is_alive(
        self,
        job: Job,
        before: JsonObject,
        key: str,
        keys: Mapping[str, SecretValue],
        values: Values,
        means: RotatorMeans,
    ) -> bool:
        """Whether the key is still the one that was exposed. Where that cannot be told, it is taken for it."""
        if values.exposes(self.what, keys[key]):
            return True
        if not values.unread:
            return False
        was = inner(before.get("created")).get(key)
        is_now = (await means.estate.sources.dated_keys(job.serves.resource, self.what))[key].created
        return is_now is None or was == is_now

    async def prove(self, job: Job, before: JsonObject, made: JsonObject, means: RotatorMeans) -> Proof:
        """No key of the source is the exposed value any more. Versions that nobody can read are told by times."""
        source = f"{self.what} {_short(job.serves.resource)}"
        keys = await means.estate.sources.keys(job.serves.resource, self.what)
        versions = await versions_of(job, means)
        values = await values_of(job, versions, means)
        if alive := [name for name, key in keys.items() if values.exposes(self.what, key)]:
            return Proof("not-held", f"the exposed value is {alive[0]} of {source} still")
        now = means.clock()
        if (doubtful := self._doubtful(job, before, versions, values, now)) is not None:
            return Proof(
                "unknown",
                f"{called(doubtful, versions, now)} is not surely a key of {source}, and may open something else "
                "still: find out what, and let it die there",
            )
        if not values.unread:
            return Proof("held", f"no key of {source} is the exposed value any more")
        was = inner(before.get("created"))
        is_now = times_of(await means.estate.sources.dated_keys(job.serves.resource, self.what))
        exposed = texts(before.get("exposed"))
        if exposed and all(is_now.get(key) and is_now[key] != was.get(key) for key in exposed):
            return Proof("held", f"{' and '.join(exposed)} of {source} was made new since it was exposed")
        return Proof("unknown", f"an exposed version is disabled, so it cannot be compared with the keys of {source}")

    def _doubtful(
        self, job: Job, before: JsonObject, versions: tuple[SecretSeen, ...], values: Values, now: datetime
    ) -> str | None:
        """
        The first exposed version that may be of another source: what is dead at this one says nothing of that. Sure is
        what was seen to be a key of this source before one was made new, what names it, and what the tags say is of it.
        """
        own, known = [_place_of(job.serves.resource)], texts(before.get("known"))
        form = read_form(self.what, values.newest or "")
        if before.get("used") is not None and form:  # what it calls the source, whose key it was seen to hold
            own.append(_place_in(form))
        return next(
            (
                version
                for version, seen in exposed_of(job, versions).items()
                if not (version in known or self._is_surely(job, seen, values.of(version), own, now))
            ),
            None,
        )

    def _is_surely(
        self, job: Job, seen: SecretSeen | None, value: str | None, own: Sequence[_Place], now: datetime
    ) -> bool:
        """By tags and value, as far as each of them tells. Where they tell nothing, it is not sure."""
        tagged = tagged_for(job.serves.resource, seen, now) if seen is not None else None
        if tagged is False or value is None:
            return tagged is True
        form = read_form(self.what, value)
        if form is None:
            return False
        return _place_in(form) in own if source_named_in(form) else tagged is True


_CHANGED = "the newest version was changed meanwhile, and its form is not understood. Ask its owner to rotate it."
_IN_USE = (
    "the newest version of the secret still holds the exposed key, so that its consumers would break. Store a version "
    "with the other key, or have its owner do so, then order the rotation again."
)
_OVERTAKEN = (
    "the key that was published for it is none of its source's any more: somebody has made it new since. Without the "
    "exposed one its consumers would have none. Store a version with the present key, then order the rotation again."
)


def _key_to_publish(job: Job, before: JsonObject) -> str | None:
    """The idle key; or the one that was made new in this rotation for another secret of the same source."""
    idle, used = before.get("idle"), before.get("used")
    beside = job.beside.get("key") if job.beside is not None else None
    key = beside if beside is not None and beside in (idle, used) else idle
    return str(key) if key is not None else None


def _was_made_before(job: Job, key: str) -> bool:
    """Made new in this rotation by the journal: for another secret of the source, or for this one before a crash."""
    return any(made is not None and made.get("key") == key for made in (job.beside, job.made))


def _doing(job: Job, key: str) -> str:
    return f"making {key} of {_short(job.serves.resource)} new for {job.secret.ref.vault}/{job.secret.ref.name}"


def _short(resource: str) -> str:
    """The name in an ARM id."""
    return resource.split("/")[8]


def _place_of(resource: str) -> _Place:
    """Where an ARM id points to: of a bus the rule, which is the namespace's or that of something in it."""
    _, _, below = resource.partition(f"/{_short(resource)}")
    path, _, rule = below.partition("/authorizationrules/")
    return _short(resource), rule, path.rpartition("/")[2]


def _place_in(form: Form) -> _Place:
    """Where a value says that it is from."""
    rule, entity = form.names.get("sharedaccesskeyname", ""), form.names.get("entitypath", "")
    return source_named_in(form), rule.lower(), entity.lower()
