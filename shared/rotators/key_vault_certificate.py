"""A secret that belongs to a certificate: the vault makes a new one by the certificate's own policy, with a new key."""

from typing import ClassVar

from shared.actions.interface import Proof
from shared.estate import SecretSeen
from shared.rotators.by_the_vault import ByTheVault
from shared.rotators.interface import Job, Keys, Minted, RotatorMeans, Served, Serves, ServesNot
from shared.rotators.reading import made_by_us, versions_of
from shared.rotators.tags import ROTATOR, tag
from shared.signal import JsonObject

_OF_CERTIFICATES = ("application/x-pkcs12", "application/x-pem-file")


class KeyVaultCertificate(ByTheVault):
    """See `Rotator`. The new version appears in the vault by itself; its secret cannot be set by hand."""

    name: ClassVar[str] = "key-vault-certificate"
    keys: ClassVar[Keys] = "certificate"
    permissions: ClassVar[tuple[str, ...]] = ("Key Vault Certificates Officer on the vault",)
    renames_key: ClassVar[bool] = False

    def serves(self, secret: SecretSeen) -> Served:
        if tag(secret, ROTATOR).lower() not in ("", self.name):
            return ServesNot()
        if not secret.managed or (secret.content_type or "").lower() not in _OF_CERTIFICATES:
            return ServesNot()
        return Serves("", secret.ref.name.lower(), "it belongs to a certificate of the vault")

    async def make(self, job: Job, before: JsonObject, means: RotatorMeans) -> Minted:
        if made := made_by_us(job, await versions_of(job, means)):
            return Minted({"certificateVersion": made.version}, version=made.version)
        version = await means.estate.vaults.renew_certificate(job.secret.ref, job.operation)
        return Minted({"certificateVersion": version}, version=version)

    def dead(self, job: Job, made: JsonObject) -> Proof:
        """Its private key is out: what the vault gives out says nothing of those who trust the certificate itself."""
        return Proof(
            "unknown",
            "the vault gives out no exposed version any more. Whoever trusts the old certificate by itself goes on "
            "until it expires: have its issuer revoke it, or take it out where it is pinned",
        )
