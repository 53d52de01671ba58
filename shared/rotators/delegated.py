"""
A secret that only its owner can rotate: nobody but him knows what it opens.

He is asked by an event, and where somebody listens for Key Vault's own near-expiry event (tag `cordon-rotate:
near-expiry`), that one is set off. Then the vault is watched for a version that Cordon did not store. Microsoft's
samples make only the idle key new, which leaves the exposed one alive: they are set off once more (facts: Azure 4).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from shared.actions.interface import Applied, Proof
from shared.clock import read_duration
from shared.errors import OperatorMustAct, PlatformRefused
from shared.estate import OPERATION_TAG, SecretSeen, SecretValue
from shared.rotators.interface import Awaited, Job, Keys, Minted, RotatorMeans, Serves, ServesNot
from shared.rotators.providers import Provider, read_key, read_provider
from shared.rotators.reading import texts, values_of, versions_of
from shared.rotators.tags import CREDENTIAL, OLD_IS_DEAD, PROVIDER, ROTATE, tag
from shared.signal import JsonObject

EVENT = "Cordon.Secret.RotationRequested"
LOOK_AGAIN = timedelta(minutes=5)
REMIND_AFTER = timedelta(hours=1)
ESCALATE_AFTER = timedelta(hours=4)
_NEAR_EXPIRY = "near-expiry"
_NEAR = timedelta(days=30)  # Key Vault tells of a version that expires within so long
_SET_TO = timedelta(days=29)
_GRACE = timedelta(minutes=15)


class Delegated:
    """See `Rotator`. Serves what nobody else does."""

    name: ClassVar[str] = "delegated"
    keys: ClassVar[Keys] = "owner"
    permissions: ClassVar[tuple[str, ...]] = ("EventGrid Data Sender on the topic",)
    renames_key: ClassVar[bool] = False

    def serves(self, secret: SecretSeen) -> Serves:
        return Serves("", "", "nothing that Cordon can rotate was recognised in it, so its owner is asked")

    async def recognise(self, secret: SecretSeen, value: SecretValue, means: RotatorMeans) -> Serves | ServesNot:
        return self.serves(secret)

    async def before(self, job: Job, means: RotatorMeans) -> JsonObject:
        """When he was asked first: what he stored until then is no answer."""
        newest = (await versions_of(job, means))[0]
        return {"since": newest.created.isoformat(), "newest": newest.version, "askedAt": means.clock().isoformat()}

    async def make(self, job: Job, before: JsonObject, means: RotatorMeans) -> Awaited:
        """Ask him. Called again later it reminds him, by an event of its own."""
        how: list[str] = []
        if _has_listener(job.secret):
            await self._set_off(job, str(before["newest"]), means)
            how.append("Key Vault's near-expiry event")
        number = (means.clock() - _moment(before, "askedAt")) // REMIND_AFTER
        if means.tenant.publisher is not None:
            data = _request(job, before)
            subject = f"vaults/{job.secret.ref.vault}/secrets/{job.secret.ref.name}"
            await means.tenant.publisher.publish(EVENT, subject, f"{job.operation}-asked-{number}", data)
            how.append(f"the event {EVENT}")
        asked = f"its owner was asked by {' and '.join(how)}" if how else _NOBODY_ASKED
        why = "; ".join([*_reason(before), asked])
        escalate_after = ESCALATE_AFTER if how else timedelta()
        return Awaited({**before, "how": [*how]}, why, LOOK_AGAIN, REMIND_AFTER, escalate_after)

    def serves_too(self, before: JsonObject, made: JsonObject) -> bool:
        """See `Rotator`. What an owner made for one secret is his to store in others."""
        return False

    async def awaited(
        self, job: Job, made: JsonObject, versions: Sequence[SecretSeen], means: RotatorMeans
    ) -> Minted | None:
        """Done with his first new version; with two, where one renews only the key that is not exposed."""
        since = _moment(made, "since")
        fresh = sorted((each for each in versions if _is_owners(each, job, since)), key=lambda each: each.created)
        if not fresh:
            return None
        newest = fresh[-1]
        exposed = _key_of(job.secret) if _has_listener(job.secret) else None
        if exposed is None or any(_key_of(each) == exposed for each in fresh):
            return Minted({**made, "ownersVersion": newest.version}, version=newest.version)
        if means.clock() - newest.created >= _grace(job) and newest.version is not None:
            await self._set_off(job, newest.version, means)
        return None

    async def retire(self, job: Job, before: JsonObject, made: JsonObject, means: RotatorMeans) -> Applied:
        """His business: nothing is done at a source that Cordon does not know."""
        return Applied(())

    async def verify(self, job: Job, before: JsonObject, made: JsonObject, means: RotatorMeans) -> Proof:
        """
        By the source, where tags name one whose keys can be read, and else by his word on the new version: which is
        that of whoever may store secrets in this vault, and is never more than that.
        """
        versions = await versions_of(job, means)
        since = _moment(made, "since")
        fresh = [each for each in versions if _is_owners(each, job, since)]
        if not fresh:
            return Proof("not-held", "its owner has stored no new version")
        if (alive := await self._compare(job, versions, means)) is not None:
            return alive
        said = [each for each in fresh if _said(each)]
        if {*job.exposed} <= {word for each in said for word in _said(each)}:
            return Proof("held", f"{_who_said(said[0])}. Cordon has not seen it")
        return Proof(
            "unknown",
            f"its owner stored version {fresh[0].version} at {fresh[0].created:%H:%M} UTC; whether the exposed value "
            f"still opens something only he can tell (by the tag {OLD_IS_DEAD} on the new version)",
        )

    async def _compare(self, job: Job, versions: tuple[SecretSeen, ...], means: RotatorMeans) -> Proof | None:
        provider = read_provider(tag(job.secret, PROVIDER))
        if provider is None or not provider.whole:
            return None
        try:
            keys = await means.estate.sources.keys(provider.resource, provider.what)
        except (OperatorMustAct, PlatformRefused):
            return None  # it is no source of ours: nothing is known of it
        values = await values_of(job, versions, means)
        alive = [name for name, key in keys.items() if values.exposes(provider.what, key)]
        if alive:
            return Proof("not-held", f"the exposed value is {alive[0]} of {provider.what} {provider.name} still")
        return None  # a source that tags name may not be the one: that no key fits proves nothing

    async def _set_off(self, job: Job, version: str, means: RotatorMeans) -> None:
        """Let this version be near its expiry, unless it is."""
        versions = await versions_of(job, means)
        held = next((each for each in versions if each.version == version), None)
        if held is None or (held.expires is not None and held.expires <= means.clock() + _NEAR):
            return
        await means.estate.vaults.set_expiry(job.secret.ref, version, means.clock() + _SET_TO)


_NOBODY_ASKED = (
    "nobody could be asked, because no topic is configured (CORDON_TOPIC_ENDPOINT): ask its owner to rotate it"
)


def _request(job: Job, before: JsonObject) -> dict[str, object]:
    """Pointers for the owner's machinery, never a value."""
    asked = _moment(before, "askedAt")
    return {
        "incident": job.incident,
        "vault": job.secret.ref.vault,
        "secret": job.secret.ref.name,
        "version": before["newest"],
        "exposedVersions": [*job.exposed],
        "askedAt": asked.isoformat(),
        "deadline": (asked + ESCALATE_AFTER).isoformat(),
        "operation": job.operation,
        "confirmByTag": OLD_IS_DEAD,
    }


def _said(version: SecretSeen) -> frozenset[str]:
    """Of which versions this one says that their value is dead."""
    return frozenset(tag(version, OLD_IS_DEAD).lower().replace(",", " ").split())


def _who_said(version: SecretSeen) -> str:
    stored = f"version {version.version}, stored at {version.created:%Y-%m-%d %H:%M} UTC"
    word = "the word of whoever wrote that tag, as the vault's log names him"
    return f"{stored}, says by the tag {OLD_IS_DEAD} that the exposed value opens nothing any more: {word}"


def _reason(before: JsonObject) -> Iterable[str]:
    """Why another rotator left it to the owner, if one did."""
    return texts([before.get("delegated")])


def _is_owners(version: SecretSeen, job: Job, since: datetime) -> bool:
    """Stored since he was asked, and by somebody else than Cordon."""
    fresh = version.created > since and version.version not in job.exposed
    return fresh and version.enabled and version.tags.get(OPERATION_TAG) != job.operation


def _has_listener(secret: SecretSeen) -> bool:
    return tag(secret, ROTATE).lower() == _NEAR_EXPIRY


def _key_of(secret: SecretSeen) -> str | None:
    """Which of two keys it holds by its tags; None where it is none of two."""
    provider: Provider | None = read_provider(tag(secret, PROVIDER))
    return read_key(provider.what, tag(secret, CREDENTIAL)) if provider else None


def _grace(job: Job) -> timedelta:
    given = job.options.get("grace")
    return read_duration(given) if given is not None else _GRACE


def _moment(record: JsonObject, name: str) -> datetime:
    return datetime.fromisoformat(str(record[name]))
