"""
A client secret of an application: a new one is made and published, then the exposed one is removed.

Graph tells the value of a client secret once and never again, so that nothing proves that a secret in a vault holds one
of this application's. Whoever can write tags could have Cordon make a secret of any application, and put it where
he can read it. So the application must name the vault's secret as well, by the tag `cordon-secret:VAULT/NAME` on its
object. Without it the owner is asked.

Which of the application's secrets an exposed version holds, a tag alone does not tell either: it may be left over, or
written by whoever wants another one removed. Graph shows how each secret begins (`hint`, its first three characters).
A secret is removed only where a tag names it and the exposed value begins as it does, and as no other one. When a
secret was made Graph does not tell: whoever makes it chooses the start.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from shared.actions.interface import Applied, Proof
from shared.case import CouldNotLook, HolderKind, IdentityState, Known, PartName, Password
from shared.entries import WriteOutcome
from shared.errors import CannotBeRead, CordonError, Gone, Unreachable
from shared.estate import SecretRef, SecretSeen
from shared.identity import ClientId, IdentityRef
from shared.refusals import refusal_name
from shared.rotators.fallback import OrOwner
from shared.rotators.interface import Job, Keys, Minted, RotatorMeans, Served, Serves, ServesNot
from shared.rotators.reading import (
    changed_lately,
    exposed_of,
    inner,
    made_by_us,
    texts,
    values_of,
    versions_of,
)
from shared.rotators.tags import (
    CONSENT,
    CREDENTIAL,
    PROVIDER,
    after,
    check_room,
    consents,
    expiry,
    guid_in,
    is_for,
    spelled,
    tag,
)
from shared.signal import JsonObject
from shared.tenant import RemovePassword, WriteDone, WriteRefused, WriteResult, WriteUnknown

_LIFETIME = timedelta(days=180)
_HINT = 3  # characters of a hint; a shorter one would fit too much


@dataclass(frozen=True, slots=True)
class _Compared:
    """
    The exposed versions beside the application's secrets. `live` are key ids that are surely exposed; `gone` those that
    the application does not have any more; `doubts` tells of each other version why nothing is sure. `newest` is the
    doubt of the version that consumers read; `used` the live secret in it, where that one is not exposed.
    """

    live: tuple[str, ...]
    gone: tuple[str, ...]
    doubts: Mapping[str, str]
    newest: str | None
    used: str | None


class EntraClientSecret(OrOwner):
    """See `Rotator`. The source is the client id, the key the key id of the exposed secret."""

    name: ClassVar[str] = "entra-client-secret"
    keys: ClassVar[Keys] = "two"
    permissions: ClassVar[tuple[str, ...]] = ("Application.ReadWrite.All", "Application.Read.All")
    renames_key: ClassVar[bool] = True

    def serves(self, secret: SecretSeen) -> Served:
        client, key = guid_in(tag(secret, PROVIDER)), guid_in(tag(secret, CREDENTIAL))
        if client is None or key is None or not is_for(self.name, secret):
            return ServesNot()
        return Serves(client, key, f"its tags name client secret {key} of the application {client}")

    async def examine(self, job: Job, means: RotatorMeans) -> JsonObject | str:
        """On which object the exposed secrets are, and whether the application wants its secrets there."""
        state = await _look(job, means)
        if not _wants(state, job.secret):
            return f"the application {job.serves.resource} does not name it by a tag {CONSENT}:VAULT/NAME on its object"
        found = await _compare(job, state, await versions_of(job, means), means)
        if found.newest is not None:
            return found.newest
        if not found.live and not found.gone:
            return next(iter(found.doubts.values()), "no version of it is there that was exposed")
        told: JsonObject = {"exposed": [*found.live], "gone": [*found.gone], "doubts": {**found.doubts}}
        if not found.live:
            return {**told, "dead": True}
        holder = next(held for held in state.holders if {p.key_id for p in held.passwords} & {*found.live})
        lifetimes = (p.end - p.start if p.end and p.start else None for p in holder.passwords if p.key_id in found.live)
        lifetime = next(lifetimes)
        seconds = lifetime.total_seconds() if lifetime else None
        used: JsonObject = {"used": found.used} if found.used is not None else {}
        return {**told, **used, "holder": holder.kind.value, "objectId": holder.object_id, "lifetime": seconds}

    async def why_unsure(self, job: Job, means: RotatorMeans) -> str | None:
        """Why no exposed version is surely a credential that opens the application now; None where one is."""
        try:
            found = await _compare(job, await _look(job, means), await versions_of(job, means), means)
        except CordonError as error:
            return f"it could not be compared with the application's secrets: {error}"
        if found.live:
            return None
        return next(iter(found.doubts.values()), "the application does not have the client secret that its tags name")

    async def alive(self, job: Job, means: RotatorMeans) -> str | None:
        """See `OrOwner`."""
        try:
            found = await _compare(job, await _look(job, means), await versions_of(job, means), means)
        except Gone:
            return None  # without its application it opens nothing
        return f"client secret {found.live[0]} is on the application still" if found.live else None

    async def mint(self, job: Job, before: JsonObject, means: RotatorMeans) -> Minted:
        """A secret of this operation that is in no version has lost its value: it is removed, and another one made."""
        versions = await versions_of(job, means)
        if before.get("dead"):
            return Minted({}, version=versions[0].version)
        if "used" in before:  # what consumers read by now is not exposed
            return Minted({"keyId": before["used"]}, version=versions[0].version)
        if published := made_by_us(job, versions):
            return Minted({"keyId": tag(published, CREDENTIAL).lower()}, version=published.version)
        if job.beside is not None and job.beside_at is not None:
            return await self._the_same(job, job.beside, *job.beside_at, means)
        check_room(versions[0], {spelled(job.secret, CREDENTIAL): ""}, _doing(job))
        kind, object_id = HolderKind(str(before["holder"])), str(before["objectId"])
        lost = [p.key_id for p in _passwords(await _look(job, means), object_id) if p.display_name == _name(job)]
        await self._remove_or_raise(job, before, lost, means)
        expires = _expiry(job, before, means.clock())
        made = await means.tenant.directory.add_password(kind, object_id, _name(job), expires)
        return Minted(
            {"keyId": made.key_id},
            value=made.value,
            expires=made.expires or expires,
            tags={spelled(job.secret, CREDENTIAL): made.key_id},
        )

    def serves_too(self, before: JsonObject, made: JsonObject) -> bool:
        """See `Rotator`. Not of a secret that was gone already, and not one that the other secret exposes."""
        return made.get("keyId") is not None and made["keyId"] not in texts(before.get("exposed"))

    async def _the_same(
        self, job: Job, beside: JsonObject, ref: SecretRef, version: str, means: RotatorMeans
    ) -> Minted:
        """What was made for another secret of the vaults serves this one too; its value stands there."""
        value = await means.estate.vaults.value(ref, version)
        key_id = str(beside.get("keyId"))
        return Minted({"keyId": key_id}, value=value, tags={spelled(job.secret, CREDENTIAL): key_id})

    async def end(self, job: Job, before: JsonObject, made: JsonObject, means: RotatorMeans) -> Applied:
        """The exposed secrets go, and whatever an attempt of this operation made that nobody has."""
        if before.get("dead"):
            return Applied(())
        exposed, kept = {*texts(before.get("exposed"))}, str(made.get("keyId"))
        outcomes: list[WriteOutcome] = []
        for holder in (await _look(job, means)).holders:  # either object may have some of them
            named = {p.key_id for p in holder.passwords if p.key_id in exposed or p.display_name == _name(job)}
            going = sorted(named - {kept})
            results = await self._remove(holder.kind, holder.object_id, going, means)
            outcomes += [_outcome(key, result) for key, result in zip(going, results, strict=True)]
        return Applied(tuple(outcomes))

    async def prove(self, job: Job, before: JsonObject, made: JsonObject, means: RotatorMeans) -> Proof:
        try:
            state = await _look(job, means)
        except Gone:
            return Proof("held", f"the application {job.serves.resource} is gone, and its secrets with it")
        held = {p.key_id for holder in state.holders for p in holder.passwords}
        if left := sorted(held & {*texts(before.get("exposed")), *texts(before.get("gone"))}):
            return Proof("not-held", f"client secret {left[0]} is on the application still")
        for version, why in inner(before.get("doubts")).items():
            return Proof("unknown", f"of the exposed version {version} {why}: find out what it opens, and end that")
        if before.get("untagged"):  # as journals of before tell it
            return Proof("unknown", "an exposed version has no tag that names its client secret")
        return Proof("held", f"the exposed client secret is on neither object, read at {state.read_at:%H:%M:%S} UTC")

    async def _remove_or_raise(self, job: Job, before: JsonObject, keys: Sequence[str], means: RotatorMeans) -> None:
        kind, object_id = HolderKind(str(before["holder"])), str(before["objectId"])
        for result in await self._remove(kind, object_id, keys, means):
            match result:
                case WriteRefused(error):
                    raise error
                case WriteUnknown(why):
                    raise Unreachable(_doing(job), f"removing an unusable secret: {why}")
                case WriteDone():
                    pass

    async def _remove(
        self, kind: HolderKind, object_id: str, keys: Sequence[str], means: RotatorMeans
    ) -> Sequence[WriteResult]:
        writes = [RemovePassword(kind, object_id, key) for key in keys]
        return await means.tenant.directory.write_credentials(writes) if writes else ()


async def _look(job: Job, means: RotatorMeans) -> IdentityState:
    doing = f"looking at the application {job.serves.resource}"
    subject = IdentityRef(client_id=ClientId(job.serves.resource))
    match (await means.tenant.directory.look(subject, frozenset({PartName.IDENTITY}))).identity:
        case Known(state):
            return state
        case CouldNotLook(gone=True):
            raise Gone(doing)
        case CouldNotLook(why=why, may_help_later=True):
            raise Unreachable(doing, why)
        case CouldNotLook(why=why):
            raise CannotBeRead(doing, why)
        case _:
            raise Unreachable(doing, "nobody has looked")


def _name(job: Job) -> str:
    """The displayName by which a secret of this operation is found again; no text of the tenant is in it."""
    return f"cordon-{hashlib.sha256(job.operation.encode()).hexdigest()[:24]}"


def _doing(job: Job) -> str:
    return f"making a new client secret of {job.serves.resource} for {job.secret.ref.vault}/{job.secret.ref.name}"


def _key_id(version: SecretSeen, job: Job) -> str | None:
    """The client secret that a version holds, by its own tags."""
    if (guid_in(tag(version, PROVIDER)) or job.serves.resource) != job.serves.resource:
        return None
    return guid_in(tag(version, CREDENTIAL))


def _passwords(state: IdentityState, object_id: str) -> tuple[Password, ...]:
    return next((held.passwords for held in state.holders if held.object_id == object_id), ())


def _wants(state: IdentityState, secret: SecretSeen) -> bool:
    """Whether one of the identity's objects names this secret."""
    prefix = f"{CONSENT}:"
    said = [each for held in state.holders for each in held.tags if each.lower().startswith(prefix)]
    return consents([each[len(prefix) :] for each in said], secret)


async def _compare(job: Job, state: IdentityState, versions: tuple[SecretSeen, ...], means: RotatorMeans) -> _Compared:
    """Each exposed version's tags and value beside the application's secrets. The values are forgotten here."""
    values, newest = await values_of(job, versions, means), versions[0]
    secrets = {p.key_id: p for held in state.holders for p in held.passwords}
    keys, doubts = set[str](), dict[str, str]()
    for version, seen in exposed_of(job, versions).items():
        key, value = _key_id(seen, job) if seen else None, values.of(version)
        why = _why_doubtful(key, value, secrets) if seen is not None else "the vault does not show it any more"
        if why is None and key not in secrets:
            why = _why_not_gone(state, seen, means.clock())
        if why is not None:
            doubts[version] = why
        elif key is not None:
            keys.add(key)
    live, used = keys & {*secrets}, _key_id(newest, job)
    doubt = _why_doubtful(used, values.newest, secrets) if newest.enabled else None
    return _Compared(
        live=tuple(sorted(live)),
        gone=tuple(sorted(keys - live)),
        doubts=doubts,
        newest=doubts.get(str(newest.version), doubt) if newest.enabled else None,
        used=used if newest.enabled and used in {*secrets} - live else None,
    )


def _why_doubtful(key: str | None, value: str | None, secrets: Mapping[str, Password]) -> str | None:
    """Why it is not sure that a version holds this secret; None where it is, or holds none of these."""
    if key is None:
        return "no tag names its client secret"
    if value is None:
        return f"nothing but its tags says that it holds client secret {key}: it is disabled, and cannot be compared"
    blind = sorted(each for each, held in secrets.items() if len(held.hint or "") < _HINT)
    begins = sorted(each for each, held in secrets.items() if each not in blind and value.startswith(held.hint or ""))
    others = [each for each in begins if each != key]
    if key in blind or (key not in secrets and blind):
        return f"its tags name client secret {key}, and Graph does not show how secret {blind[0]} begins"
    if others:
        return f"its tags name client secret {key}, and its value begins as secret {others[0]} does"
    if key in secrets and not begins:
        return f"its tags name client secret {key}, and its value does not begin as that one does"
    return None


def _why_not_gone(state: IdentityState, seen: SecretSeen | None, now: datetime) -> str | None:
    """Why it proves nothing that the application has no secret that the version can be."""
    if state.application is None:
        return "its application belongs to another tenant, and nobody here sees that one's secrets"
    if seen is None or (changed := changed_lately(seen, now)) is None:
        return None
    return f"its tags name a client secret that the application does not have, and {changed}"


def _expiry(job: Job, before: JsonObject, now: datetime) -> datetime:
    """As the vault's secret asks for; else as long as the exposed one lived in all, which its owner chose."""
    seconds = before.get("lifetime")
    usual = timedelta(seconds=seconds) if isinstance(seconds, int | float) and seconds > 0 else _LIFETIME
    return expiry(job.secret, now) or after(now, usual)


def _outcome(key: str, result: WriteResult) -> WriteOutcome:
    write = f"removePassword {key}"
    match result:
        case WriteDone(already=already):
            return WriteOutcome(write=write, outcome="already" if already else "accepted")
        case WriteRefused(error):
            return WriteOutcome(write=write, outcome="refused", detail=str(error), stop=refusal_name(error))
        case WriteUnknown(why):
            return WriteOutcome(write=write, outcome="unknown", detail=why)
