"""
A client secret of an application: a new one is made and published, then the exposed one is removed.

Graph tells the value of a client secret once and never again, so that nothing proves that a secret in a vault holds one
of this application's. Whoever can write tags could have Cordon make a secret of any application, and put it where
he can read it. So the application must name the vault's secret as well, by the tag `cordon-secret:VAULT/NAME` on its
object. Without it the owner is asked.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from shared.actions.interface import Applied, Proof
from shared.case import CouldNotLook, HolderKind, IdentityState, Known, PartName, Password
from shared.entries import WriteOutcome
from shared.errors import CannotBeRead, Gone, Unreachable
from shared.estate import SecretRef, SecretSeen
from shared.identity import ClientId, IdentityRef
from shared.refusals import refusal_name
from shared.rotators.fallback import OrOwner
from shared.rotators.interface import Job, Keys, Minted, RotatorMeans, Served, Serves, ServesNot
from shared.rotators.reading import made_by_us, texts, versions_of
from shared.rotators.tags import CONSENT, CREDENTIAL, PROVIDER, consents, expiry, guid_in, is_for, spelled, tag
from shared.signal import JsonObject
from shared.tenant import RemovePassword, WriteDone, WriteRefused, WriteResult, WriteUnknown

_LIFETIME = timedelta(days=180)
_SKEW = timedelta(minutes=5)  # between the clocks of Graph and of a vault


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
        versions = await versions_of(job, means)
        named = {_key_id(each, job) for each in versions if each.version in job.exposed}
        exposed = sorted(key for key in named if key)
        holder = next((held for held in state.holders if {p.key_id for p in held.passwords} & {*exposed}), None)
        if not _wants(state, job.secret):
            return f"the application {job.serves.resource} does not name it by a tag {CONSENT}:VAULT/NAME on its object"
        if holder is None:
            if _is_dead_anyway(state, job, versions):
                return {"exposed": [*exposed], "dead": True, "untagged": None in named}
            return "its tags name a client secret that the application does not have (any more)"
        lifetime = next(p.end - p.start if p.end and p.start else None for p in holder.passwords if p.key_id in exposed)
        seconds = lifetime.total_seconds() if lifetime else None
        return {
            "holder": holder.kind.value,
            "objectId": holder.object_id,
            "exposed": [*exposed],
            "lifetime": seconds,
            "untagged": None in named,
        }

    async def mint(self, job: Job, before: JsonObject, means: RotatorMeans) -> Minted:
        """A secret of this operation that is in no version has lost its value: it is removed, and another one made."""
        versions = await versions_of(job, means)
        if before.get("dead"):
            return Minted({}, version=versions[0].version)
        if published := made_by_us(job, versions):
            return Minted({"keyId": tag(published, CREDENTIAL).lower()}, version=published.version)
        if job.beside is not None and job.beside_at is not None:
            return await self._the_same(job, job.beside, *job.beside_at, means)
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

    async def _the_same(
        self, job: Job, beside: JsonObject, ref: SecretRef, version: str, means: RotatorMeans
    ) -> Minted:
        """What was made for another secret of the vaults serves this one too; its value stands there."""
        value = await means.estate.vaults.value(ref, version)
        key_id = str(beside.get("keyId"))
        expires = expiry(job.secret, means.clock())
        return Minted({"keyId": key_id}, value=value, expires=expires, tags={spelled(job.secret, CREDENTIAL): key_id})

    async def end(self, job: Job, before: JsonObject, made: JsonObject, means: RotatorMeans) -> Applied:
        """The exposed secrets go, and whatever an attempt of this operation made that nobody has."""
        if before.get("dead"):
            return Applied(())
        state = await _look(job, means)
        held = _passwords(state, str(before["objectId"]))
        going = {*texts(before.get("exposed"))} | {p.key_id for p in held if p.display_name == _name(job)}
        going = sorted((going & {p.key_id for p in held}) - {str(made.get("keyId"))})
        results = await self._remove(before, going, means)
        return Applied(tuple(_outcome(key, result) for key, result in zip(going, results, strict=True)))

    async def prove(self, job: Job, before: JsonObject, made: JsonObject, means: RotatorMeans) -> Proof:
        try:
            state = await _look(job, means)
        except Gone:
            return Proof("held", f"the application {job.serves.resource} is gone, and its secrets with it")
        held = {p.key_id for holder in state.holders for p in holder.passwords}
        if left := sorted(held & {*texts(before.get("exposed"))}):
            return Proof("not-held", f"client secret {left[0]} is on the application still")
        if before.get("untagged"):
            return Proof("unknown", "an exposed version has no tag that names its client secret")
        return Proof("held", f"the exposed client secret is on neither object, read at {state.read_at:%H:%M:%S} UTC")

    async def _remove_or_raise(self, job: Job, before: JsonObject, keys: Sequence[str], means: RotatorMeans) -> None:
        for result in await self._remove(before, keys, means):
            match result:
                case WriteRefused(error):
                    raise error
                case WriteUnknown(why):
                    raise Unreachable(_doing(job), f"removing an unusable secret: {why}")
                case WriteDone():
                    pass

    async def _remove(self, before: JsonObject, keys: Sequence[str], means: RotatorMeans) -> Sequence[WriteResult]:
        kind, object_id = HolderKind(str(before["holder"])), str(before["objectId"])
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


def _is_dead_anyway(state: IdentityState, job: Job, versions: Sequence[SecretSeen]) -> bool:
    """
    Whether every secret that is left was made after the exposed versions were stored: it is none of theirs. Of an
    application that belongs to another tenant nobody here sees the secrets, so that nothing is known to be gone.
    """
    if state.application is None:
        return False
    stored = [each.created for each in versions if each.version in job.exposed]
    left = [password.start for held in state.holders for password in held.passwords]
    return bool(stored) and all(start is not None and start > max(stored) + _SKEW for start in left)


def _expiry(job: Job, before: JsonObject, now: datetime) -> datetime:
    """As the vault's secret asks for; else as long as the exposed one lived in all, which its owner chose."""
    seconds = before.get("lifetime")
    usual = timedelta(seconds=seconds) if isinstance(seconds, int | float) and seconds > 0 else _LIFETIME
    return expiry(job.secret, now) or now + usual


def _outcome(key: str, result: WriteResult) -> WriteOutcome:
    write = f"removePassword {key}"
    match result:
        case WriteDone(already=already):
            return WriteOutcome(write=write, outcome="already" if already else "accepted")
        case WriteRefused(error):
            return WriteOutcome(write=write, outcome="refused", detail=str(error), stop=refusal_name(error))
        case WriteUnknown(why):
            return WriteOutcome(write=write, outcome="unknown", detail=why)
