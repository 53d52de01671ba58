"""The exposed versions are disabled and nothing new is made: only where policy says so, or a person."""

from typing import ClassVar

from shared.actions.interface import Applied, Proof
from shared.estate import SecretSeen
from shared.rotators.by_the_vault import ByTheVault
from shared.rotators.interface import Job, Keys, Minted, RotatorMeans, ServesNot
from shared.rotators.reading import disable_exposed, versions_of
from shared.signal import JsonObject


class DisableVersion(ByTheVault):
    """See `Rotator`. It serves nothing by tags, for a tag must not be enough to break whoever reads a secret."""

    name: ClassVar[str] = "disable-version"
    keys: ClassVar[Keys] = "none"
    permissions: ClassVar[tuple[str, ...]] = ("Key Vault Secrets Officer on the vault",)
    renames_key: ClassVar[bool] = False

    def serves(self, secret: SecretSeen) -> ServesNot:
        return ServesNot()

    async def make(self, job: Job, before: JsonObject, means: RotatorMeans) -> Minted:
        return Minted({}, version=(await versions_of(job, means))[0].version)

    async def retire(self, job: Job, before: JsonObject, made: JsonObject, means: RotatorMeans) -> Applied:
        """Disabling is all that it was chosen for."""
        return Applied(await disable_exposed(job, means))

    def dead(self, job: Job, made: JsonObject) -> Proof:
        return Proof(
            "unknown",
            "the vault gives out no exposed version any more; whether the value still opens something only its owner "
            "can tell",
        )
