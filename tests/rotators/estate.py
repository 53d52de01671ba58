"""Vaults and services with keys in a few lines, and an engine that takes one secret through its stages."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

from shared.actions.interface import Applied, Proof
from shared.case import CouldNotLook, Known, Part
from shared.errors import CordonError, Gone, PlatformRefused
from shared.estate import OPERATION_TAG, DatedKey, Estate, SecretRef, SecretSeen, SecretValue
from shared.rotators import ROTATORS
from shared.rotators.interface import Awaited, Job, Minted, NeedsValue, Rotator, RotatorMeans, Serves
from shared.rotators.tags import carried, expiry
from shared.signal import JsonObject
from shared.tenant import Publisher, Tenant
from tests.fakes import START, FakeClock, FakeDirectory, FakeFeeds, payroll

SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/shop-rg/providers"
REF = SecretRef("shop", "conn")
OPERATION = "20260302-0123456789ab.secrets shop/conn"
LONG_AGO = START - timedelta(days=90)
Hook = Callable[[str], None]


def nothing(_: str) -> None:
    """No hook."""


@dataclass
class Writes:
    """What was written, in order. The hooks run around each write with its name, and may raise."""

    done: list[str] = field(default_factory=list[str])
    before: Hook = nothing
    after: Hook = nothing

    def write(self, name: str, change: Callable[[], None]) -> None:
        self.before(name)
        change()
        self.done.append(name)
        self.after(name)


@dataclass
class FakeVaults:
    """Secrets by reference, the oldest version first. A disabled one is not given out."""

    clock: Callable[[], datetime]
    writes: Writes
    held: dict[SecretRef, list[tuple[SecretSeen, str]]] = field(
        default_factory=dict[SecretRef, list[tuple[SecretSeen, str]]]
    )
    bin: list[SecretSeen] = field(default_factory=list[SecretSeen])  # what was deleted
    unreadable: CouldNotLook | None = None
    refusal: CordonError | None = None  # of whoever asks for a value

    def store(self, ref: SecretRef, value: str, **seen: Any) -> SecretSeen:
        """A version that somebody else stored."""
        number = sum(map(len, self.held.values())) + 1
        whole: dict[str, Any] = {"enabled": True, "created": LONG_AGO, "updated": LONG_AGO, **seen}
        version = SecretSeen(ref, f"{number:032x}", **whole)
        self.held.setdefault(ref, []).append((version, value))
        return version

    async def secrets(self, vault: str) -> Part[tuple[SecretSeen, ...]]:
        newest = [held[-1][0] for ref, held in self.held.items() if ref.vault == vault]
        return Known(tuple(replace(each, version=None) for each in newest))

    async def deleted(self, vault: str) -> Part[tuple[SecretSeen, ...]]:
        return Known(tuple(each for each in self.bin if each.ref.vault == vault))

    async def versions(self, ref: SecretRef) -> Part[tuple[SecretSeen, ...]]:
        if self.unreadable is not None:
            return self.unreadable
        return Known(tuple(version for version, _ in reversed(self.held.get(ref, []))))

    async def value(self, ref: SecretRef, version: str) -> SecretValue:
        if self.refusal is not None:
            raise self.refusal
        for each, value in self.held.get(ref, []):
            if each.version == version:
                if not each.enabled:
                    raise PlatformRefused(doing="reading", code="SecretDisabled", why="it is disabled.")
                return SecretValue(value)
        raise Gone("reading")

    async def publish(self, like: SecretSeen, value: SecretValue, *, operation: str, expires: datetime | None) -> str:
        made: list[SecretSeen] = []

        def change() -> None:
            tags = {**like.tags, OPERATION_TAG: operation}
            now = self.clock()
            kept = {"content_type": like.content_type, "not_before": like.not_before}
            made.append(
                self.store(like.ref, value.reveal(), tags=tags, created=now, updated=now, expires=expires, **kept)
            )

        self.writes.write("publish", change)
        return str(made[0].version)

    async def set_enabled(self, ref: SecretRef, version: str, enabled: bool) -> None:
        self._change(f"enabled={enabled}", ref, version, enabled=enabled)

    async def set_expiry(self, ref: SecretRef, version: str, expires: datetime) -> None:
        self._change("set expiry", ref, version, expires=expires)

    async def renew_certificate(self, ref: SecretRef, operation: str) -> str:
        def change() -> None:
            now, newest = self.clock(), self.held[ref][-1][0]
            tags = {**newest.tags, OPERATION_TAG: operation}
            self.store(
                ref,
                f"PFX {len(self.held[ref]) + 1}",
                managed=True,
                tags=tags,
                created=now,
                content_type=newest.content_type,
            )

        self.writes.write("renew certificate", change)
        return str(self.held[ref][-1][0].version)

    def _change(self, name: str, ref: SecretRef, version: str, **how: Any) -> None:
        def change() -> None:
            held = self.held[ref]
            changed = {"updated": self.clock(), **how}
            self.held[ref] = [(replace(e, **changed) if e.version == version else e, value) for e, value in held]

        self.writes.write(name, change)


@dataclass
class FakeSource:
    """One service: its keys with the time each was made, or the password of its administrator."""

    keys: dict[str, tuple[str, datetime]]
    tells_times: bool = True
    tags: dict[str, str] = field(default_factory=dict[str, str])
    login: str | None = None


@dataclass
class FakeSources:
    """Services by ARM id in lower case. Making a key new twice makes a third one."""

    clock: Callable[[], datetime]
    writes: Writes
    random: Random = field(default_factory=lambda: Random(7))  # noqa: S311
    held: dict[str, FakeSource] = field(default_factory=dict[str, FakeSource])
    made: list[str] = field(default_factory=list[str])  # every value that there ever was
    unseen: CouldNotLook | None = None  # why Resource Graph does not tell where services are

    def has(self, resource: str, *keys: str, **more: Any) -> FakeSource:
        source = FakeSource({key: (self.new(), LONG_AGO) for key in keys}, **more)
        self.held[resource.lower()] = source
        return source

    def new(self) -> str:
        self.made.append(base64.b64encode(self.random.randbytes(64)).decode())
        return self.made[-1]

    async def read(self, resource: str, what: str) -> JsonObject:
        source = self._at(resource)
        times = {key: at.isoformat() if source.tells_times else None for key, (_, at) in source.keys.items()}
        keys: JsonObject = {key: {"created": at} for key, at in times.items()}
        return {"keys": keys, "tags": {**source.tags}, "login": source.login}

    async def named(self, name: str, what: str) -> Part[tuple[str, ...]]:
        if self.unseen is not None:
            return self.unseen
        whole = {"/".join(each.split("/")[:9]) for each in self.held}
        return Known(tuple(sorted(each for each in whole if each.endswith(f"/{name}"))))

    async def keys(self, resource: str, what: str) -> Mapping[str, SecretValue]:
        source = self._at(resource)
        return {} if source.login else {key: SecretValue(value) for key, (value, _) in source.keys.items()}

    async def dated_keys(self, resource: str, what: str) -> Mapping[str, DatedKey]:
        times = {key: at.isoformat() for key, (_, at) in self._at(resource).keys.items()}
        tells = self._at(resource).tells_times
        found = await self.keys(resource, what)
        return {key: DatedKey(value, times[key] if tells else None) for key, value in found.items()}

    async def regenerate(self, resource: str, what: str, key: str) -> SecretValue:
        source = self._at(resource)

        def change() -> None:
            source.keys[key] = (self.new(), self.clock())

        self.writes.write(f"regenerate {key}", change)
        return SecretValue(source.keys[key][0])

    async def set_password(self, resource: str, what: str, value: SecretValue) -> None:
        def change() -> None:
            self.made.append(value.reveal())
            self._at(resource).keys["administrator"] = (value.reveal(), self.clock())

        self.writes.write("set password", change)

    def _at(self, resource: str) -> FakeSource:
        if resource not in self.held:
            raise Gone(f"looking at {resource}")
        return self.held[resource]


@dataclass
class Heard:
    """A topic that remembers what was published."""

    events: list[tuple[str, str, str, dict[str, object]]] = field(
        default_factory=list[tuple[str, str, str, dict[str, object]]]
    )

    async def publish(self, type: str, subject: str, id: str, data: Mapping[str, object]) -> None:
        self.events.append((type, subject, id, dict(data)))


class World:
    """Vault, services and directory, and what rotators get of them."""

    def __init__(self, *, topic: bool = True) -> None:
        self.clock, self.writes = FakeClock(), Writes()
        self.vaults = FakeVaults(self.clock, self.writes)
        self.sources = FakeSources(self.clock, self.writes)
        self.topic = Heard()
        self.directory = FakeDirectory(payroll(), self.clock)
        self.directory.before_write = lambda name: self.writes.before(name)
        self.directory.after_write = lambda name: (self.writes.done.append(name), self.writes.after(name))[1]
        publisher: Publisher | None = self.topic if topic else None
        # The Protocols' accesses are not asked for: rotators only use vaults and sources.
        estate = Estate(access=None, vaults=self.vaults, sources=self.sources)  # pyright: ignore[reportArgumentType]
        tenant = Tenant(self.directory, FakeFeeds(), None, publisher)
        self.means = RotatorMeans(estate, tenant, self.clock, Random(3).randbytes)  # noqa: S311

    @property
    def values(self) -> list[str]:
        """Every secret value that there ever was."""
        return [*self.sources.made, *(value for held in self.vaults.held.values() for _, value in held)]

    def newest(self, ref: SecretRef = REF) -> tuple[SecretSeen, str]:
        return self.vaults.held[ref][-1]

    def ours(self, ref: SecretRef = REF) -> list[SecretSeen]:
        """The versions that Cordon stored."""
        return [version for version, _ in self.vaults.held[ref] if OPERATION_TAG in version.tags]


async def served(means: RotatorMeans, secret: SecretSeen) -> tuple[Rotator, Serves]:
    """Which rotator serves a secret: as the engine asks them."""
    for rotator in ROTATORS:
        match rotator.serves(secret):
            case Serves() as serves:
                return rotator, serves
            case NeedsValue():
                value = await means.estate.vaults.value(secret.ref, str(secret.version))
                found = await rotator.recognise(secret, value, means)
                if isinstance(found, Serves):
                    return rotator, found
            case _:
                pass
    raise AssertionError("nobody serves it")


@dataclass
class Journal:
    """What survives a crash: JSON and nothing else."""

    text: dict[str, str] = field(default_factory=dict[str, str])

    def keep(self, name: str, value: object) -> None:
        self.text[name] = json.dumps(value)

    def get(self, name: str) -> Any:
        return json.loads(self.text[name]) if name in self.text else None


@dataclass
class Rounds:
    """An engine in small: one secret through its stages, resumed from the journal."""

    means: RotatorMeans
    rotator: Rotator
    job: Job
    journal: Journal = field(default_factory=Journal)
    told: list[str] = field(default_factory=list[str])  # every text that a person could see

    async def before(self) -> JsonObject:
        if self.journal.get("before") is None:
            self.journal.keep("before", await self.rotator.before(self.job, self.means))
        return self.journal.get("before")

    async def make(self) -> Minted | Awaited:
        job = replace(self.job, made=self.journal.get("minted"))
        minted = await self.rotator.make(job, await self.before(), self.means)
        self.told.append(repr(minted))
        if isinstance(minted, Minted):
            self.journal.keep("minted", minted.made)
        return minted

    async def publish(self, minted: Minted) -> None:
        version = minted.version
        if version is None and minted.value is not None:
            like = replace(self.job.secret, tags=carried(self.job.secret, minted.tags))
            vaults, operation = self.means.estate.vaults, self.job.operation
            expires = minted.expires or expiry(like, self.means.clock())
            version = await vaults.publish(like, minted.value, operation=operation, expires=expires)
        self.journal.keep("made", minted.made)
        self.journal.keep("version", version)

    async def retire(self) -> Applied:
        done = await self.rotator.retire(self.job, await self.before(), self.journal.get("made"), self.means)
        self.told.append(repr(done))
        return done

    async def verify(self) -> Proof:
        proof = await self.rotator.verify(self.job, await self.before(), self.journal.get("made"), self.means)
        self.told.append(repr(proof))
        return proof

    async def whole(self) -> Proof:
        """All stages, from wherever the last attempt was killed."""
        if self.journal.get("made") is None:
            minted = await self.make()
            assert isinstance(minted, Minted), minted
            await self.publish(minted)
        if self.journal.get("retired") is None:
            await self.retire()
            self.journal.keep("retired", True)
        return await self.verify()

    def visible(self) -> str:
        """What the journal and people get to see."""
        return "\n".join([*self.told, *self.journal.text.values()])


async def begin(
    world: World, secret: SecretSeen, *exposed: str, options: JsonObject | None = None, operation: str | None = None
) -> Rounds:
    """The job of one exposed secret, with the rotator that serves it."""
    return await begin_with(world.means, secret, *exposed, options=options, operation=operation)


async def begin_with(
    means: RotatorMeans,
    secret: SecretSeen,
    *exposed: str,
    options: JsonObject | None = None,
    operation: str | None = None,
) -> Rounds:
    """The same with any estate and tenant."""
    rotator, serves = await served(means, secret)
    versions: Sequence[str] = exposed or (str(secret.version),)
    found_by = operation or f"{OPERATION} {secret.ref.vault}/{secret.ref.name}"
    return Rounds(
        means, rotator, Job("20260302-0123456789ab", secret, tuple(versions), serves, found_by, options or {})
    )
