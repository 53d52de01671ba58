"""What is in a vault. Values of secrets live only here, in memory."""

from dataclasses import dataclass, field
from datetime import datetime

from drill.practice.arm.state import Lagging
from drill.practice.shapes import JsonObject


@dataclass(slots=True)
class SecretVersion:
    """One version of a secret. `managed`: it belongs to a certificate of the same name."""

    version: str
    value: str = field(repr=False)
    created_at: datetime
    updated_at: datetime
    attributes: JsonObject  # enabled, nbf, exp
    content_type: str | None = None
    tags: JsonObject = field(default_factory=dict[str, object])
    managed: bool = False


@dataclass(slots=True)
class CertificateVersion:
    """One version of a certificate; its private key stays with the vault."""

    version: str
    der: bytes
    created_at: datetime
    updated_at: datetime
    attributes: JsonObject
    policy: JsonObject
    tags: JsonObject


@dataclass(slots=True)
class PendingCertificate:
    """A certificate that is being made."""

    request_id: str
    done_at: datetime
    policy: JsonObject
    tags: JsonObject
    attributes: JsonObject
    completed: bool = False
    cancelled: bool = False


@dataclass(slots=True)
class Certificate:
    """A name, its versions oldest first, and the last operation on it."""

    name: str
    versions: list[CertificateVersion] = field(default_factory=list[CertificateVersion])
    pending: PendingCertificate | None = None
    deleted_at: datetime | None = None


OPENED = ("enabledForTemplateDeployment", "enabledForDeployment", "enabledForDiskEncryption")
"""What may be set on a vault so that templates, machines and the encryption of disks take secrets out of it."""


def _is_dedicated(setting: JsonObject) -> bool:
    return setting.get("logAnalyticsDestinationType") == "Dedicated"


def _is_audit(log: JsonObject) -> bool:
    named = log.get("category") == "AuditEvent" or log.get("categoryGroup") in ("audit", "allLogs")
    return named and bool(log.get("enabled"))


@dataclass(slots=True)
class Vault:
    """
    One vault. `secrets` holds the versions of each, oldest first, by the name as it was first written.

    Where `rbac` is false, or null as in old vaults, `policies` are the entries of its access policies and Azure
    roles give nothing.
    """

    name: str
    resource_id: str
    subscription: str
    certificates: dict[str, Certificate] = field(default_factory=dict[str, Certificate])
    secrets: dict[str, list[SecretVersion]] = field(default_factory=dict[str, list[SecretVersion]])
    deleted: dict[str, datetime] = field(default_factory=dict[str, datetime])  # names of secrets, and since when
    # Diagnostic settings, with their properties at the top; what is written is followed a while later.
    settings: Lagging[tuple[JsonObject, ...]] = field(
        default_factory=lambda: Lagging[tuple[JsonObject, ...]].always(())
    )
    firewalled: bool = False
    tells: bool = True  # its events go to whoever listens
    told_near_expiry: set[str] = field(default_factory=set[str])  # versions
    rbac: bool | None = True
    policies: Lagging[tuple[JsonObject, ...]] = field(
        default_factory=lambda: Lagging[tuple[JsonObject, ...]].always(())
    )
    tags: JsonObject = field(default_factory=dict[str, object])
    opened: frozenset[str] = frozenset()  # of OPENED

    @property
    def url(self) -> str:
        return f"https://{self.name}.vault.azure.net"

    def workspaces(self, at: datetime) -> dict[str, str]:
        """ARM ids (lower case) of the workspaces that get what it logs then, and the table in which it lands there."""
        return {
            str(each["workspaceId"]).lower(): "AZKVAuditLogs" if _is_dedicated(each) else "AzureDiagnostics"
            for each in self.settings.followed(at)
            if each.get("workspaceId") and any(map(_is_audit, each.get("logs", [])))
        }

    def known_name(self, name: str) -> str:
        """Names differ in more than case, so that an object is found however its name is written."""
        return next((each for each in self.secrets if each.casefold() == name.casefold()), name)

    def all_versions(self) -> list[tuple[str, SecretVersion]]:
        """By the name of the secret, and of each the oldest first."""
        return [(name, each) for name, versions in sorted(self.secrets.items()) for each in versions]

    def snapshot(self) -> JsonObject:
        """In the scenario's shape, values masked."""
        return {
            "name": self.name,
            "id": self.resource_id,
            "subscription": self.subscription,
            "rbac": self.rbac,
            "accessPolicies": list(self.policies.newest),
            "diagnostics": list(self.settings.newest),
            "firewall": self.firewalled,
            "secrets": [
                {"name": name, "version": each.version, "value": "***", "attributes": each.attributes}
                | {"tags": each.tags, "contentType": each.content_type, "managed": each.managed}
                | ({"deleted": True} if name in self.deleted else {})
                for name, each in self.all_versions()
            ],
            "certificates": [
                {"name": name, "version": each.version, "attributes": each.attributes, "tags": each.tags}
                | {"deleted": certificate.deleted_at is not None}
                for name, certificate in sorted(self.certificates.items())
                for each in certificate.versions
            ],
        }
