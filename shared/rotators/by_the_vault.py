"""
Secrets whose source is the vault itself: the exposed value dies when the vault gives it to nobody any more.
"""

from collections.abc import Sequence

from shared.actions.interface import Applied, Proof
from shared.entries import WriteOutcome
from shared.estate import SecretSeen, SecretValue
from shared.rotators.interface import Job, Minted, RotatorMeans, Serves, ServesNot
from shared.rotators.reading import disable_exposed, still_enabled, versions_of
from shared.signal import JsonObject


class ByTheVault:
    """The verbs of `Rotator` that these have in common."""

    async def recognise(self, secret: SecretSeen, value: SecretValue, means: RotatorMeans) -> Serves | ServesNot:
        return ServesNot()

    async def before(self, job: Job, means: RotatorMeans) -> JsonObject:
        """The versions that are there: what a crash has made since is new among them."""
        return {"versions": [each.version for each in await versions_of(job, means)]}

    def serves_too(self, before: JsonObject, made: JsonObject) -> bool:
        """See `Rotator`. No two secrets of a vault hold the same."""
        return False

    async def awaited(
        self, job: Job, made: JsonObject, versions: Sequence[SecretSeen], means: RotatorMeans
    ) -> Minted | None:
        return None

    async def retire(self, job: Job, before: JsonObject, made: JsonObject, means: RotatorMeans) -> Applied:
        """The exposed versions are disabled, unless policy keeps Cordon from disabling any."""
        if job.options.get("disable-old") == "never":
            write = f"disable {len(job.exposed)} version(s)"
            detail = "the policy says `disable-old: never`"
            return Applied((WriteOutcome(write=write, outcome="refused", detail=detail, stop="kept-by-policy"),))
        return Applied(await disable_exposed(job, means))

    async def verify(self, job: Job, before: JsonObject, made: JsonObject, means: RotatorMeans) -> Proof:
        enabled = still_enabled(job, await versions_of(job, means))
        if enabled:
            return Proof("not-held", f"the vault still gives out the exposed version {enabled[0]}")
        return self.dead(job, made)

    def dead(self, job: Job, made: JsonObject) -> Proof:
        """What it proves that the vault gives out no exposed version."""
        return Proof("held", "the vault gives out none of the exposed versions any more")
