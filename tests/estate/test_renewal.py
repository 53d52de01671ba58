"""By which policy a certificate is made anew: its own, but never with the exposed key again."""

from typing import Any

import pytest

from shared.errors import PlatformRefused
from shared.estate import OPERATION_TAG, SecretRef
from tests.clients.fake_azure import Said, Sent
from tests.clients.fake_graph import play
from tests.estate.test_no_secrets import estate_of

REF = SecretRef("shop", "tls")
BASE = "https://shop.vault.azure.net/certificates/tls"
OLD, NEW = "0" * 32, "1" * 32


class Vault:
    """A vault with one certificate, which keeps its key as long as its policy says so."""

    def __init__(self, **policy: Any) -> None:
        self.policy: dict[str, Any] = {
            "id": f"{BASE}/policy",
            "issuer": {"name": "Self"},
            "key_props": {"kty": "RSA", "key_size": 4096, "exportable": True, "reuse_key": True},
            "x509_props": {"subject": "CN=shop"},
            "attributes": {"enabled": True},
            **policy,
        }
        self.ordered: list[dict[str, Any]] = []
        self.there: list[dict[str, Any]] = [self.version(OLD, {"team": "web"})]

    def __call__(self, sent: Sent) -> Said:
        match sent.path.rpartition("/")[2]:
            case "pending":
                return Said(404, {"error": {"code": "PendingCertificateNotFound"}})
            case "policy":
                return Said(200, self.policy)
            case "create":
                self.ordered.append(sent.body)
                return Said(202, {"status": "inProgress"})
            case "versions":
                made = [self.version(NEW, self.ordered[-1]["tags"])] if self.ordered else []
                return Said(200, {"value": [*self.there, *made]})
            case _:
                return Said(200, self.version(OLD, {"team": "web"}))

    @staticmethod
    def version(version: str, tags: dict[str, str], *, enabled: bool = True, created: int = 1) -> dict[str, Any]:
        return {"id": f"{BASE}/{version}", "attributes": {"enabled": enabled, "created": created}, "tags": tags}


def renewed(vault: Vault) -> str:
    async def story() -> str:
        return await estate_of(vault).vaults.renew_certificate(REF, "op-1")

    return play(story)


def test_the_key_is_never_the_exposed_one_again() -> None:
    """A policy that keeps the key would make a new certificate for what was stolen; all else is its owner's."""
    vault = Vault()

    assert renewed(vault) == NEW
    (order,) = vault.ordered
    assert order["policy"]["key_props"] == {"kty": "RSA", "key_size": 4096, "exportable": True, "reuse_key": False}
    assert order["policy"]["x509_props"] == {"subject": "CN=shop"}
    assert set(order["policy"]) == {"issuer", "key_props", "x509_props"}
    assert order["tags"] == {"team": "web", OPERATION_TAG: "op-1"}


def test_a_certificate_that_a_person_has_to_fetch_is_not_ordered() -> None:
    """An order would wait for ever for somebody to merge what the issuer signs."""
    vault = Vault(issuer={"name": "Unknown"})

    with pytest.raises(PlatformRefused, match="issuer-unknown"):
        renewed(vault)
    assert not vault.ordered


@pytest.mark.parametrize("created", [0, 9])
def test_a_certificate_of_this_operation_that_is_disabled_serves_nobody(created: int) -> None:
    """It failed, or somebody disabled it: another one is made, also where the disabled one is the younger."""
    vault = Vault()
    vault.there.append(vault.version("2" * 32, {OPERATION_TAG: "op-1"}, enabled=False, created=created))

    assert renewed(vault) == NEW
    assert len(vault.ordered) == 1
