"""A rotator that is sure of its source, or leaves the secret to its owner: the machinery that both ways share."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

from shared.actions.interface import Applied, Proof
from shared.errors import OperatorMustAct, PlatformRefused
from shared.estate import SecretSeen, SecretValue
from shared.rotators.delegated import Delegated
from shared.rotators.interface import Awaited, Job, Minted, RotatorMeans, Serves, ServesNot
from shared.signal import JsonObject

_OWNER = Delegated()


class OrOwner(ABC):
    """
    The verbs of `Rotator`, for rotators whose `examine` may find that a secret is not surely theirs. Then the
    owner is asked, as by `delegated`; that way is told from the other by `delegated` in the journaled image.
    """

    @abstractmethod
    async def examine(self, job: Job, means: RotatorMeans) -> JsonObject | str:
        """What `before` journals, or why it is left to the owner."""
        ...

    @abstractmethod
    async def mint(self, job: Job, before: JsonObject, means: RotatorMeans) -> Minted:
        """As `Rotator.make`."""
        ...

    @abstractmethod
    async def end(self, job: Job, before: JsonObject, made: JsonObject, means: RotatorMeans) -> Applied:
        """As `Rotator.retire`."""
        ...

    @abstractmethod
    async def prove(self, job: Job, before: JsonObject, made: JsonObject, means: RotatorMeans) -> Proof:
        """As `Rotator.verify`."""
        ...

    async def alive(self, job: Job, means: RotatorMeans) -> str | None:
        """
        Of a secret that was left to the owner: what shows that the exposed value opens its source still. Raises what
        keeps it from looking.
        """
        return None

    async def recognise(self, secret: SecretSeen, value: SecretValue, means: RotatorMeans) -> Serves | ServesNot:
        return ServesNot()

    async def before(self, job: Job, means: RotatorMeans) -> JsonObject:
        found = await self.examine(job, means)
        if isinstance(found, str):
            return {**await _OWNER.before(job, means), "delegated": found}
        return found

    async def make(self, job: Job, before: JsonObject, means: RotatorMeans) -> Minted | Awaited:
        if is_owners(before):
            return await _OWNER.make(job, before, means)
        return await self.mint(job, before, means)

    def serves_too(self, before: JsonObject, made: JsonObject) -> bool:
        """See `Rotator`. Where there is but one credential, what was made for one secret is made for all."""
        return True

    async def awaited(
        self, job: Job, made: JsonObject, versions: Sequence[SecretSeen], means: RotatorMeans
    ) -> Minted | None:
        return await _OWNER.awaited(job, made, versions, means)

    async def retire(self, job: Job, before: JsonObject, made: JsonObject, means: RotatorMeans) -> Applied:
        if is_owners(before):
            return await _OWNER.retire(job, before, made, means)
        return await self.end(job, before, made, means)

    async def verify(self, job: Job, before: JsonObject, made: JsonObject, means: RotatorMeans) -> Proof:
        if is_owners(before):
            proof = await _OWNER.verify(job, before, made, means)
            return proof if proof.answer == "not-held" else await self._compared(proof, job, means)
        return await self.prove(job, before, made, means)

    async def _compared(self, proof: Proof, job: Job, means: RotatorMeans) -> Proof:
        """The owner's answer, held against the source; that nobody may look there is said beside his word."""
        try:
            alive = await self.alive(job, means)
        except (OperatorMustAct, PlatformRefused) as error:
            return replace(proof, why=f"{proof.why}; it could not be compared with its source: {error}")
        return Proof("not-held", alive) if alive is not None else proof


def is_owners(before: JsonObject) -> bool:
    """Whether it was left to the owner."""
    return "delegated" in before
