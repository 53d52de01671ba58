"""Key Vault on the practice tenant, driven by the real SDK. Sources are the project's notes on Azure, section 3."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceResponseTimeoutError,
)
from azure.keyvault.certificates import CertificatePolicy, KeyVaultCertificate
from azure.keyvault.certificates.aio import CertificateClient
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from drill.practice import Behaviour
from tests.practice.desk import START, Desk, at_the_desk, payroll

PENDING = Behaviour.gentle(certificate_pending=(4.0, 4.0))


def policy() -> CertificatePolicy:
    return CertificatePolicy(
        issuer_name="Self",
        subject="CN=payroll-sync",
        exportable=False,
        key_type="RSA",
        key_size=2048,
        reuse_key=False,
        validity_in_months=12,
    )


async def create(client: CertificateClient, **options: Any) -> KeyVaultCertificate:
    """Make payroll-1 and wait for it."""
    made = await client.create_certificate("payroll-1", policy(), **options)
    assert isinstance(made, KeyVaultCertificate)
    return made


def test_a_certificate_is_born_in_the_vault_and_only_its_public_part_comes_out() -> None:
    """create is 202 and pending for seconds; then a real self-signed RSA certificate is there."""

    async def story(desk: Desk) -> None:
        made = await create(desk.certificates(), tags={"incident": "7"})
        assert made.cer is not None
        assert made.properties is not None
        certificate = x509.load_der_x509_certificate(bytes(made.cer))
        public = certificate.public_key()

        assert isinstance(public, rsa.RSAPublicKey)
        assert public.key_size == 2048
        certificate.verify_directly_issued_by(certificate)
        assert certificate.subject.rfc4514_string() == "CN=payroll-sync"
        assert certificate.not_valid_before_utc <= desk.tenant.now() < certificate.not_valid_after_utc
        assert made.properties.tags == {"incident": "7"}
        assert desk.tenant.now() - START >= timedelta(seconds=4)

    at_the_desk(story, behaviour=PENDING)


def test_the_first_call_is_answered_with_a_challenge() -> None:
    """401 without a body first, then the token for that vault (Azure 3.1); effects count the second leg only."""

    async def story(desk: Desk) -> None:
        client = desk.certificates()
        await client.create_certificate("payroll-1", policy())
        await client.get_certificate("payroll-1")

        seen = [(each.method, each.status) for each in desk.tenant.requests]
        assert seen[:2] == [("POST", 401), ("POST", 202)]
        assert [status for _, status in seen].count(401) == 1
        assert [each["status"] for each in desk.tenant.effects] == [202]

    at_the_desk(story)


def test_a_second_create_while_one_is_pending_is_409() -> None:
    """One operation per certificate (Azure 4)."""

    async def story(desk: Desk) -> None:
        client = desk.certificates()
        first = asyncio.create_task(create(client))
        await asyncio.sleep(1)
        with pytest.raises(ResourceExistsError):
            await client.create_certificate("payroll-1", policy())

        assert (await first).policy is not None
        assert len([each async for each in client.list_properties_of_certificate_versions("payroll-1")]) == 1

    at_the_desk(story, behaviour=PENDING)


def test_a_certificate_can_be_found_again_by_its_tags() -> None:
    """After a lost answer the responder looks at the list: names and tags are there."""

    async def story(desk: Desk) -> None:
        client = desk.certificates()
        with pytest.raises(ServiceResponseTimeoutError):
            await client.create_certificate("payroll-1", policy(), tags={"operation": "op-1"}, read_timeout=5)
        await asyncio.sleep(5)
        found = [(each.name, each.tags) async for each in client.list_properties_of_certificates()]

        assert found == [("payroll-1", {"operation": "op-1"})]
        assert [(each["applied"], each["answerLost"]) for each in desk.tenant.effects] == [(True, True)]

    faults = [{"service": "vault", "match": "POST /certificates/*/create", "kind": "timeout-applied", "count": 1}]
    at_the_desk(story, behaviour=PENDING, faults=faults)


def test_a_deleted_certificate_is_recoverable_and_its_name_is_taken() -> None:
    """Soft delete: 404, 409 ObjectIsDeletedButRecoverable, recover (Azure 3.1)."""

    async def story(desk: Desk) -> None:
        client = desk.certificates()
        await client.create_certificate("payroll-1", policy())
        await desk.certificates().delete_certificate("payroll-1")
        with pytest.raises(ResourceNotFoundError):
            await client.get_certificate("payroll-1")
        with pytest.raises(ResourceExistsError):
            await client.create_certificate("payroll-1", policy())
        assert (await client.get_deleted_certificate("payroll-1")).name == "payroll-1"
        recovered = await client.recover_deleted_certificate("payroll-1")

        assert recovered.name == "payroll-1"

    at_the_desk(story)


def test_only_roles_on_the_vault_let_in() -> None:
    """403 Forbidden, ForbiddenByRbac: the reader has no role, the executor may not read secrets."""

    async def story(desk: Desk) -> None:
        with pytest.raises(HttpResponseError) as reader:
            await desk.certificates("reader").create_certificate("payroll-1", policy())
        await desk.certificates().create_certificate("payroll-1", policy())
        with pytest.raises(HttpResponseError) as executor:
            await desk.secrets().get_secret("payroll-1")

        for refusal in (reader.value, executor.value):
            assert refusal.status_code == 403
            assert refusal.error is not None
            assert refusal.error.innererror == {"code": "ForbiddenByRbac"}

    at_the_desk(story)


def vaults(desk_role: str = "Key Vault Secrets Officer") -> dict[str, object]:
    from drill.practice import cordon_object_id

    scope = "/subscriptions/s1/resourceGroups/practice/providers/Microsoft.KeyVault/vaults/shop"
    return {
        "vaults": [
            {
                "name": "shop",
                "subscription": "s1",
                "secrets": [{"name": "db", "value": "planted-secret-value"}, {"name": "tls", "managed": True}],
            },
            {"name": "walled", "subscription": "s1", "firewall": True},
        ],
        "roleAssignments": [
            {"principalId": cordon_object_id("executor"), "roleDefinitionName": desk_role, "scope": scope}
        ],
    }


def test_reading_a_secret_is_logged_with_who_and_which() -> None:
    """SecretGet in the vault's AuditEvents, requestUri with port 8443, minutes late (Azure 3.4)."""

    async def story(desk: Desk) -> None:
        secret = await desk.secrets(vault="shop").get_secret("db")
        logs = [each for each in desk.tenant.state.vault_logs.everything() if each["operationName"] == "SecretGet"]

        assert secret.value == "planted-secret-value"
        assert logs[-1]["identity"]["claim"]["oid"] == desk.tenant.cordon["executor"].object_id
        assert logs[-1]["properties"]["requestUri"].startswith("https://shop.vault.azure.net:8443/secrets/db")

    at_the_desk(story, azure=vaults())


def test_a_new_value_is_a_new_version_and_managed_secrets_refuse_one() -> None:
    """PUT makes versions; a certificate's secret answers SecretManagedByKeyVault (Azure 3.1)."""

    async def story(desk: Desk) -> None:
        client = desk.secrets(vault="shop")
        await client.set_secret("db", "another-planted-value")
        versions = [each async for each in client.list_properties_of_secret_versions("db")]
        with pytest.raises(HttpResponseError) as refusal:
            await client.set_secret("tls", "x")

        assert len(versions) == 2
        assert refusal.value.error is not None
        assert refusal.value.error.innererror == {"code": "SecretManagedByKeyVault"}
        assert [each["body"] for each in desk.tenant.effects if each["applied"]] == [{"value": "***"}]

    at_the_desk(story, azure=vaults())


def test_a_disabled_latest_version_is_403_and_nothing_falls_back() -> None:
    """Only enabled=false blocks (Azure 3.1)."""

    async def story(desk: Desk) -> None:
        client = desk.secrets(vault="shop")
        await client.set_secret("db", "another-planted-value")
        await client.update_secret_properties("db", enabled=False)
        with pytest.raises(HttpResponseError) as refusal:
            await client.get_secret("db")

        assert refusal.value.error is not None
        assert refusal.value.error.innererror == {"code": "SecretDisabled"}

    at_the_desk(story, azure=vaults())


def test_a_firewalled_vault_lets_nobody_in() -> None:
    """403 ForbiddenByFirewall (Azure 3.1)."""

    async def story(desk: Desk) -> None:
        with pytest.raises(HttpResponseError) as refusal:
            await desk.secrets(vault="walled").get_secret("db")

        assert refusal.value.error is not None
        assert refusal.value.error.innererror == {"code": "ForbiddenByFirewall"}

    at_the_desk(story, azure=vaults())


def test_a_vault_takes_three_hundred_creations_in_ten_seconds() -> None:
    """Then 429 with Retry-After (Azure 3.2)."""

    async def story(desk: Desk) -> None:
        client = desk.secrets(vault="shop")
        for number in range(300):
            await client.set_secret("db", f"planted-{number}")
        with pytest.raises(HttpResponseError) as refusal:
            await client.set_secret("db", "one too many")

        assert refusal.value.status_code == 429
        assert desk.tenant.requests[-1].status == 429

    at_the_desk(story, payroll(), behaviour=Behaviour.gentle(throttling=True), azure=vaults())
