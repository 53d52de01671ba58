"""
Azure around the tenant of a history: two vaults, what their secrets open, who lives on them, and a thief who reads.

Small and honest: a key that is made new is another one from then on, a published version is there, a read stands in
the log some minutes later. Whatever a value opens is told by `opens`, and every value that there ever was is known, so
that none of them may be found in what leaves the process.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random

from shared.case import Known, Part
from shared.errors import Gone, PlatformRefused
from shared.estate import (
    OPERATION_TAG,
    DatedKey,
    Estate,
    Grant,
    SecretRead,
    SecretRef,
    SecretSeen,
    SecretValue,
    VaultSeen,
)
from shared.identity import ClientId, PrincipalId
from shared.signal import JsonObject
from tests.fakes import PAYROLL, START, FakeAccess, role_grant

SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourcegroups/g/providers"
STORAGE = f"{GROUP}/microsoft.storage/storageaccounts/paydata"
REDIS = f"{GROUP}/microsoft.cache/redis/pay-cache"
LONG_AGO = START - timedelta(days=90)
LOGGED_AFTER = timedelta(minutes=4)
FOLLOWS_AFTER = timedelta(minutes=5)  # until a vault hears that a role is gone
REFRESH = timedelta(minutes=10)  # how long consumers keep a value; the grace is longer
READ, BESIDE, REACHED = SecretRef("pay", "storage"), SecretRef("pay", "cookie"), SecretRef("old", "cache")
TIERS: Mapping[SecretRef, int] = {READ: 1, BESIDE: 2, REACHED: 3}
_VAULTS = tuple(
    VaultSeen(f"{GROUP}/microsoft.keyvault/vaults/{name}", name, SUBSCRIPTION, True) for name in ("pay", "old")
)


@dataclass(frozen=True, slots=True)
class Moment:
    """What one write left behind: what each secret gives out, and every value that opens something."""

    at: float  # seconds since the history began
    name: str
    concerns: tuple[SecretRef, ...]
    newest: Mapping[SecretRef, str | None]
    living: frozenset[str]


@dataclass
class Azure:
    """
    The truth about it, and all that it ever was. `touched` hears of each write of Cordon's that concerns a secret.
    """

    clock: Callable[[], datetime]
    touched: Callable[[str], None] = lambda name: None
    random: Random = field(default_factory=lambda: Random(7))  # noqa: S311 - a history, no secret
    values: list[str] = field(default_factory=list[str])  # every one that there ever was
    versions: dict[SecretRef, list[tuple[SecretSeen, str]]] = field(
        default_factory=dict[SecretRef, list[tuple[SecretSeen, str]]]
    )
    keys: dict[str, dict[str, tuple[str, datetime]]] = field(default_factory=dict[str, dict[str, tuple[str, datetime]]])
    reads: list[tuple[datetime, SecretRead]] = field(default_factory=list[tuple[datetime, SecretRead]])
    stolen: dict[SecretRef, set[str]] = field(default_factory=dict[SecretRef, set[str]])
    cut_at: datetime | None = None
    moments: list[Moment] = field(default_factory=list[Moment])

    def __post_init__(self) -> None:
        for resource, names in ((STORAGE, ("key1", "key2")), (REDIS, ("primary", "secondary"))):
            self.keys[resource] = {name: (self.new_value(), LONG_AGO) for name in names}
        self.store(READ, self.keys[STORAGE]["key1"][0], LONG_AGO, {"ProviderAddress": STORAGE, "CredentialId": "key1"})
        self.store(BESIDE, self.new_value(), LONG_AGO, {"cordon-rotate": "generated"})
        address = {"ProviderAddress": REDIS, "CredentialId": "Primary"}
        self.store(REACHED, self.keys[REDIS]["primary"][0], LONG_AGO, address)
        self.access = FakeAccess(_VAULTS, (role_grant(1, GROUP.removesuffix("/providers")),))
        self.access.before_write = self._cut
        self.first = {ref: held[0][1] for ref, held in self.versions.items()}
        self.steal(READ, START - timedelta(days=1))
        self.keep("the beginning", ())

    def new_value(self) -> str:
        self.values.append(f"{self.random.getrandbits(256):064x}")
        return self.values[-1]

    def opens(self, ref: SecretRef, value: str) -> bool:
        """Whether what this secret was once opens anything now."""
        if ref == BESIDE:
            return any(value == held and seen.enabled for seen, held in self.versions[ref])
        resource = STORAGE if ref == READ else REDIS
        return any(value == key for key, _ in self.keys[resource].values())

    def newest(self, ref: SecretRef) -> str | None:
        """What whoever asks for the secret gets; None if it is refused."""
        seen, value = self.versions[ref][-1]
        return value if seen.enabled else None

    def store(self, ref: SecretRef, value: str, at: datetime, tags: Mapping[str, str]) -> SecretSeen:
        number = sum(map(len, self.versions.values())) + 1
        seen = SecretSeen(ref, f"{number:032x}", enabled=True, created=at, updated=at, tags=dict(tags))
        self.versions.setdefault(ref, []).append((seen, value))
        return seen

    # The thief

    def steal(self, ref: SecretRef, at: datetime | None = None) -> bool:
        """The identity reads the newest version, if it still may; the log tells of it later."""
        now = at or self.clock()
        if self.cut_at is not None and now >= self.cut_at + FOLLOWS_AFTER:
            return False
        seen, value = self.versions[ref][-1]
        if not seen.enabled:
            return False
        self.stolen.setdefault(ref, set()).add(value)
        read = SecretRead(ref, (str(seen.version),), now, now, 1, ("198.51.100.66",), PAYROLL)
        self.reads.append((now + LOGGED_AFTER, read))
        return True

    def _cut(self, grant: Grant) -> None:
        self.cut_at = self.clock()

    # What Cordon's clients do

    def change(self, name: str, refs: Sequence[SecretRef], change: Callable[[], None]) -> None:
        change()
        self.touched(name)
        self.keep(name, refs)

    def keep(self, name: str, refs: Sequence[SecretRef]) -> None:
        """Remember what this write left behind."""
        at = (self.clock() - START).total_seconds()
        newest = {ref: self.newest(ref) for ref in TIERS}
        living = {value for keys in self.keys.values() for value, _ in keys.values()}
        living |= {value for seen, value in self.versions[BESIDE] if seen.enabled}
        self.moments.append(Moment(at, name, tuple(refs), newest, frozenset(living)))


@dataclass(frozen=True, slots=True)
class Logs:
    """What the vaults' logs tell by now."""

    azure: Azure

    async def reads_by(self, principal: PrincipalId, client: ClientId, since: datetime) -> Part[tuple[SecretRead, ...]]:
        return Known(tuple(each for each in self._told() if each.reader == principal and each.last >= since))

    async def readers_of(self, secrets: Sequence[SecretRef], since: datetime) -> Part[tuple[SecretRead, ...]]:
        return Known(tuple(each for each in self._told() if each.secret in secrets and each.last >= since))

    def _told(self) -> list[SecretRead]:
        now = self.azure.clock()
        return [read for told_at, read in self.azure.reads if told_at <= now]


@dataclass(frozen=True, slots=True)
class Vaults:
    """The data plane."""

    azure: Azure

    async def secrets(self, vault: str) -> Part[tuple[SecretSeen, ...]]:
        held = self.azure.versions
        return Known(tuple(replace(each[-1][0], version=None) for ref, each in held.items() if ref.vault == vault))

    async def deleted(self, vault: str) -> Part[tuple[SecretSeen, ...]]:
        return Known(())

    async def versions(self, ref: SecretRef) -> Part[tuple[SecretSeen, ...]]:
        return Known(tuple(seen for seen, _ in reversed(self.azure.versions.get(ref, []))))

    async def value(self, ref: SecretRef, version: str) -> SecretValue:
        for seen, value in self.azure.versions.get(ref, []):
            if seen.version == version and not seen.enabled:
                raise PlatformRefused(doing="reading", code="SecretDisabled", why="it is disabled.")
            if seen.version == version:
                return SecretValue(value)
        raise Gone("reading a version")

    async def publish(self, like: SecretSeen, value: SecretValue, *, operation: str, expires: datetime | None) -> str:
        made: list[SecretSeen] = []

        def change() -> None:
            text = value.reveal()
            if text not in self.azure.values:
                self.azure.values.append(text)
            tags = {**like.tags, OPERATION_TAG: operation}
            made.append(self.azure.store(like.ref, text, self.azure.clock(), tags))

        self.azure.change(f"publish {like.ref.name}", [like.ref], change)
        return str(made[0].version)

    async def set_enabled(self, ref: SecretRef, version: str, enabled: bool) -> None:
        self._replace(f"enabled={enabled} {ref.name}", ref, version, enabled=enabled)

    async def set_expiry(self, ref: SecretRef, version: str, expires: datetime) -> None:
        self._replace(f"expiry {ref.name}", ref, version, expires=expires)

    async def renew_certificate(self, ref: SecretRef, operation: str) -> str:
        raise Gone("there are no certificates in this world")

    def _replace(self, name: str, ref: SecretRef, version: str, **how: object) -> None:
        def change() -> None:
            held = self.azure.versions[ref]
            changed = [
                (replace(seen, **how), value) if seen.version == version else (seen, value) for seen, value in held
            ]  # type: ignore[reportArgumentType]
            self.azure.versions[ref] = changed

        self.azure.change(name, [ref], change)


@dataclass(frozen=True, slots=True)
class Sources:
    """The services behind the secrets. To make a key new twice is to have a third one."""

    azure: Azure

    async def read(self, resource: str, what: str) -> JsonObject:
        keys: JsonObject = {name: {"created": at.isoformat()} for name, (_, at) in self._at(resource).items()}
        return {"keys": keys, "tags": {}, "login": None}

    async def keys(self, resource: str, what: str) -> Mapping[str, SecretValue]:
        return {name: SecretValue(value) for name, (value, _) in self._at(resource).items()}

    async def named(self, name: str, what: str) -> Part[tuple[str, ...]]:
        return Known(tuple(each for each in self.azure.keys if each.endswith(f"/{name}")))

    async def dated_keys(self, resource: str, what: str) -> Mapping[str, DatedKey]:
        return {name: DatedKey(SecretValue(value), at.isoformat()) for name, (value, at) in self._at(resource).items()}

    async def regenerate(self, resource: str, what: str, key: str) -> SecretValue:
        keys = self._at(resource)

        def change() -> None:  # two changes never bear one time: the service counts finer than it answers
            later = max(at for _, at in keys.values()) + timedelta(microseconds=1)
            keys[key] = (self.azure.new_value(), max(self.azure.clock(), later))

        refs = [READ if resource == STORAGE else REACHED]
        self.azure.change(f"regenerate {key} of {resource.rpartition('/')[2]}", refs, change)
        return SecretValue(keys[key][0])

    async def set_password(self, resource: str, what: str, value: SecretValue) -> None:
        raise Gone("there are no database servers in this world")

    def _at(self, resource: str) -> dict[str, tuple[str, datetime]]:
        if resource not in self.azure.keys:
            raise Gone(f"looking at {resource}")
        return self.azure.keys[resource]


def estate_of(azure: Azure) -> Estate:
    """The four ways to it, without a gate before them."""
    return Estate(azure.access, Vaults(azure), Sources(azure), Logs(azure))
