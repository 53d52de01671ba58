"""
A value that only has to be unguessable, and that both sides read from the vault: random text will do.

Only what says so by `cordon-rotate: generated` (or `cordon-rotator: generated-value`) is filled with random text;
`cordon-length` (32 to 256, default 64) and `cordon-alphabet` (alphanumeric, hex, base64url, printable) shape it.
"""

from typing import ClassVar

from shared.actions.interface import Proof
from shared.errors import PlatformRefused
from shared.estate import SecretSeen, SecretValue
from shared.rotators.by_the_vault import ByTheVault
from shared.rotators.interface import Job, Keys, Minted, RotatorMeans, Served, Serves, ServesNot
from shared.rotators.random_text import ALPHABETS, random_text
from shared.rotators.reading import changed_lately, exposed_of, made_by_us, texts, versions_of
from shared.rotators.tags import ROTATE, ROTATOR, check_room, is_for, tag
from shared.signal import JsonObject

_LENGTH, _ALPHABET = "cordon-length", "cordon-alphabet"
_SHORTEST, _USUAL, _LONGEST = 32, 64, 256


class GeneratedValue(ByTheVault):
    """See `Rotator`. The old value counts as long as somebody reads the version that holds it."""

    name: ClassVar[str] = "generated-value"
    keys: ClassVar[Keys] = "two"
    permissions: ClassVar[tuple[str, ...]] = ("Key Vault Secrets Officer on the vault",)
    renames_key: ClassVar[bool] = False

    def serves(self, secret: SecretSeen) -> Served:
        if not _is_chosen(secret) or not is_for(self.name, secret) or _shape(secret) is None:
            return ServesNot()
        return Serves("", "", "its tags say that random text will do")

    async def before(self, job: Job, means: RotatorMeans) -> JsonObject:
        """With the versions whose tags prove nothing: once they are disabled, all of them were changed."""
        now, seen = means.clock(), await versions_of(job, means)
        doubtful = [each.version for each in seen if changed_lately(each, now) is not None]
        return {"versions": [each.version for each in seen], "doubtful": [*doubtful]}

    async def make(self, job: Job, before: JsonObject, means: RotatorMeans) -> Minted:
        """Nothing is made at any source: what a crash lost was nowhere."""
        versions = await versions_of(job, means)
        if published := made_by_us(job, versions):
            return Minted({}, version=published.version)
        shape = _shape(job.secret)
        if shape is None:
            raise PlatformRefused(doing="generating a value", code="bad-shape", why="its tags do not say how.")
        check_room(versions[0], {}, "generating a value")
        value = SecretValue(random_text(*shape, means.token))
        return Minted({}, value=value)

    async def verify(self, job: Job, before: JsonObject, made: JsonObject, means: RotatorMeans) -> Proof:
        """
        Only a version that says so itself is random text: an older one may be a credential of some source, which opens
        that whatever the newest is tagged with, and whoever may write a secret may tag it.
        """
        proof = await super().verify(job, before, made, means)
        versions = exposed_of(job, await versions_of(job, means))
        doubtful = texts(before.get("doubtful"))
        others = [each for each, seen in versions.items() if each in doubtful or not (seen and _is_chosen(seen))]
        if proof.answer != "held" or not others:
            return proof
        said = (
            "was changed lately, so that its tags prove nothing,"
            if others[0] in doubtful
            else "has no tag that says so,"
        )
        why = (
            f"whether the exposed version {others[0]} is a generated value is not sure: it {said} and it may be another"
        )
        return Proof("unknown", f"{why}: let it die there, if it is a credential of something")


def _is_chosen(secret: SecretSeen) -> bool:
    return tag(secret, ROTATE).lower() == "generated" or tag(secret, ROTATOR).lower() == GeneratedValue.name


def _shape(secret: SecretSeen) -> tuple[int, str] | None:
    """Length and alphabet; None for tags that are not understood, because a default may not fit what reads it."""
    length, alphabet = tag(secret, _LENGTH) or str(_USUAL), tag(secret, _ALPHABET).lower() or "base64url"
    if not (length.isascii() and length.isdigit() and len(length) <= 3) or alphabet not in ALPHABETS:
        return None
    return (int(length), ALPHABETS[alphabet]) if _SHORTEST <= int(length) <= _LONGEST else None
