"""
Certificates: made in the background, the key pair never leaves the vault (facts: azure 3 and 4).

create answers 202 and the operation stays `inProgress` for some seconds; a second create meanwhile is 409.
"""

import base64
import hashlib
from datetime import datetime, timedelta
from typing import cast

from drill.practice import pki
from drill.practice.shapes import JsonObject
from drill.practice.state import TenantState
from drill.practice.vault.bundles import attributes, not_found, page, vault_at
from drill.practice.vault.events import tell_new_version
from drill.practice.vault.roles import (
    CREATE_CERTIFICATES,
    DELETE_CERTIFICATES,
    PURGE_CERTIFICATES,
    READ_CERTIFICATES,
    RECOVER_CERTIFICATES,
    UPDATE_CERTIFICATES,
)
from drill.practice.vault.state import Certificate, CertificateVersion, PendingCertificate, SecretVersion, Vault
from drill.practice.web import NO_CONTENT, Answer, Handler, Refusal, Request, Route

ACCEPTED = 202


def create(state: TenantState, request: Request, name: str) -> Answer:
    vault = vault_at(state, request)
    body = request.json_object()
    _check_create(body)
    certificate = vault.certificates.setdefault(name, Certificate(name))
    _finish(state, vault, certificate)
    if certificate.deleted_at:
        raise Refusal(
            409,
            "Conflict",
            f"Certificate {name} is deleted but recoverable.",
            inner_code="ObjectIsDeletedButRecoverable",
        )
    if certificate.pending and not certificate.pending.completed and not certificate.pending.cancelled:
        raise Refusal(
            409, "Conflict", f"A new key vault certificate can not be created: {name} has a pending operation."
        )
    certificate.pending = PendingCertificate(
        request_id=state.chance.guid("certificate request").replace("-", ""),
        done_at=state.now + timedelta(seconds=state.chance.between("pending", state.behaviour.certificate_pending)),
        policy=cast("JsonObject", body.get("policy") or {}),
        tags=cast("JsonObject", body.get("tags") or {}),
        attributes=cast("JsonObject", body.get("attributes") or {}),
    )
    answer = _operation(vault, certificate, certificate.pending)
    answer.status = ACCEPTED
    return answer


def get_pending(state: TenantState, request: Request, name: str) -> Answer:
    vault, certificate = _living(state, request, name)
    if certificate.pending is None:
        raise Refusal(404, "PendingCertificateNotFound", f"Pending certificate not found: {name}.")
    return _operation(vault, certificate, certificate.pending)


def cancel_pending(state: TenantState, request: Request, name: str) -> Answer:
    vault, certificate = _living(state, request, name)
    pending = certificate.pending
    if pending is None or pending.completed:
        raise Refusal(403, "Forbidden", "There is nothing to cancel.")
    pending.cancelled = bool(request.json_object().get("cancellation_requested"))
    return _operation(vault, certificate, pending)


def delete_pending(state: TenantState, request: Request, name: str) -> Answer:
    vault, certificate = _living(state, request, name)
    if certificate.pending is None:
        raise Refusal(404, "PendingCertificateNotFound", f"Pending certificate not found: {name}.")
    answer = _operation(vault, certificate, certificate.pending)
    certificate.pending = None
    return answer


def get_latest(state: TenantState, request: Request, name: str) -> Answer:
    """The newest version; while the first one is being made, a disabled bundle without a certificate."""
    vault, certificate = _living(state, request, name)
    if certificate.versions:
        return Answer(200, _bundle(vault, certificate, certificate.versions[-1]))
    unmade = attributes({"enabled": False}, state.now, state.now)
    pending = {"id": f"{vault.url}/certificates/{name}/pending"}
    return Answer(200, {"id": f"{vault.url}/certificates/{name}", "attributes": unmade, "pending": pending})


def get_version(state: TenantState, request: Request, name: str, version: str) -> Answer:
    vault, certificate = _living(state, request, name)
    return Answer(200, _bundle(vault, certificate, _version(vault, certificate, version)))


def update_version(state: TenantState, request: Request, name: str, version: str) -> Answer:
    """`tags` replaces the whole map; attributes are merged."""
    vault, certificate = _living(state, request, name)
    found = _version(vault, certificate, version)
    body = request.json_object()
    _check_names(body, {"attributes", "tags", "policy"})
    found.tags = cast("JsonObject", body["tags"]) if "tags" in body else found.tags
    found.attributes = {**found.attributes, **cast("JsonObject", body.get("attributes") or {})}
    found.updated_at = state.now
    _tell_secret(vault, name, found)
    return Answer(200, _bundle(vault, certificate, found))


def _tell_secret(vault: Vault, name: str, version: CertificateVersion) -> None:
    """The secret that shows a certificate is enabled as that is, and tagged alike."""
    for secret in vault.secrets.get(name, []):
        if secret.version == version.version:
            secret.attributes, secret.tags, secret.updated_at = version.attributes, version.tags, version.updated_at


def update_latest(state: TenantState, request: Request, name: str) -> Answer:
    _, certificate = _living(state, request, name)
    newest = certificate.versions[-1].version if certificate.versions else ""
    return update_version(state, request, name, newest)


def list_all(state: TenantState, request: Request) -> Answer:
    vault = vault_at(state, request)
    living = [each for each in vault.certificates.values() if not each.deleted_at]
    for certificate in living:
        _finish(state, vault, certificate)
    items = [_item(vault, each, each.versions[-1]) for each in living if each.versions]
    return page(request, vault.url, items)


def list_versions(state: TenantState, request: Request, name: str) -> Answer:
    vault, certificate = _living(state, request, name)
    return page(request, vault.url, [_item(vault, certificate, each, versioned=True) for each in certificate.versions])


def get_policy(state: TenantState, request: Request, name: str) -> Answer:
    _, certificate = _living(state, request, name)
    policy = certificate.versions[-1].policy if certificate.versions else {}
    return Answer(200, policy)


def delete(state: TenantState, request: Request, name: str) -> Answer:
    """Soft: all versions go to deletedcertificates, and with them the secret that shows them."""
    vault, certificate = _living(state, request, name)
    certificate.deleted_at = state.now
    return Answer(200, _deleted(vault, certificate))


def get_deleted(state: TenantState, request: Request, name: str) -> Answer:
    vault = vault_at(state, request)
    return Answer(200, _deleted(vault, _gone(vault, name)))


def recover(state: TenantState, request: Request, name: str) -> Answer:
    vault = vault_at(state, request)
    certificate = _gone(vault, name)
    certificate.deleted_at = None
    return Answer(200, _bundle(vault, certificate, certificate.versions[-1]))


def purge(state: TenantState, request: Request, name: str) -> Answer:
    vault = vault_at(state, request)
    _gone(vault, name)
    del vault.certificates[name]
    vault.secrets.pop(name, None)
    return Answer(NO_CONTENT)


# --- parts -----------------------------------------------------------------------------------------


def _check_create(body: JsonObject) -> None:
    _check_names(body, {"policy", "attributes", "tags", "preserveCertOrder"})
    policy = cast("JsonObject", body.get("policy") or {})
    if not policy.get("issuer") or not cast("JsonObject", policy.get("x509_props") or {}).get("subject"):
        raise Refusal(400, "BadParameter", "Property policy has invalid value: issuer and subject are needed.")
    size = cast("JsonObject", policy.get("key_props") or {}).get("key_size", 2048)
    if size not in (2048, 3072, 4096):
        raise Refusal(400, "BadParameter", "Property policy.key_props.key_size has invalid value.")


def _check_names(body: JsonObject, names: set[str]) -> None:
    for name in sorted(set(body) - names):
        raise Refusal(400, "BadParameter", f"Property {name} is not known.")


def _finish(state: TenantState, vault: Vault, certificate: Certificate) -> None:
    """Make what has become due."""
    pending = certificate.pending
    if pending is None or pending.completed or pending.cancelled or state.now < pending.done_at:
        return
    pending.completed = True
    made = _new_version(state, vault, pending)
    certificate.versions.append(made)
    secret = SecretVersion(
        version=made.version,
        value=state.canaries.make(lambda canary: f"MIIPractice{canary}"),
        created_at=made.created_at,
        updated_at=made.created_at,
        attributes=made.attributes,
        content_type="application/x-pkcs12",
        tags=made.tags,
        managed=True,
    )
    vault.secrets.setdefault(certificate.name, []).append(secret)
    tell_new_version(state, vault, certificate.name, secret)


def finish_all(state: TenantState, vault: Vault) -> None:
    """Make every certificate that has become due."""
    for certificate in vault.certificates.values():
        _finish(state, vault, certificate)


def _new_version(state: TenantState, vault: Vault, pending: PendingCertificate) -> CertificateVersion:
    number = sum(len(each.versions) for each in vault.certificates.values())
    key = pki.pooled_key(number)
    state.canaries.adopt_raw(pki.private_bytes(key))
    properties = cast("JsonObject", pending.policy["x509_props"])
    starts = pending.done_at.replace(microsecond=0) - timedelta(minutes=10)
    ends = starts + timedelta(days=30 * int(properties.get("validity_months") or 12))
    serial = state.chance.stream("serial").getrandbits(128)
    certificate = pki.self_signed(key, str(properties["subject"]), starts, ends, serial)
    return CertificateVersion(
        version=state.chance.guid("certificate version").replace("-", ""),
        der=pki.der(certificate),
        created_at=pending.done_at,
        updated_at=pending.done_at,
        attributes={"enabled": True, **pending.attributes, "nbf": _epoch(starts), "exp": _epoch(ends)},
        policy=pending.policy,
        tags=pending.tags,
    )


def _epoch(at: datetime) -> int:
    return int(at.timestamp())


def _living(state: TenantState, request: Request, name: str) -> tuple[Vault, Certificate]:
    vault = vault_at(state, request)
    certificate = vault.certificates.get(name)
    if certificate is None or certificate.deleted_at:
        raise not_found("Certificate", name, vault.url)
    _finish(state, vault, certificate)
    return vault, certificate


def _gone(vault: Vault, name: str) -> Certificate:
    certificate = vault.certificates.get(name)
    if certificate is None or not certificate.deleted_at:
        raise not_found("Certificate", name, vault.url)
    return certificate


def _version(vault: Vault, certificate: Certificate, version: str) -> CertificateVersion:
    for each in certificate.versions:
        if each.version == version:
            return each
    raise not_found("Certificate", f"{certificate.name}/{version}", vault.url)


def _operation(vault: Vault, certificate: Certificate, pending: PendingCertificate) -> Answer:
    body: JsonObject = {
        "id": f"{vault.url}/certificates/{certificate.name}/pending",
        "issuer": pending.policy.get("issuer"),
        "csr": base64.b64encode(f"request {pending.request_id}".encode()).decode(),
        "cancellation_requested": pending.cancelled,
        "status": "completed" if pending.completed else "cancelled" if pending.cancelled else "inProgress",
        "request_id": pending.request_id,
    }
    if pending.completed:
        body["target"] = f"{vault.url}/certificates/{certificate.name}"
    else:
        body["status_details"] = "Pending certificate created. Certificate request is in progress."
    return Answer(200, body)


def _item(
    vault: Vault, certificate: Certificate, version: CertificateVersion, *, versioned: bool = False
) -> JsonObject:
    base = f"{vault.url}/certificates/{certificate.name}"
    digest = hashlib.sha1(version.der, usedforsecurity=False).digest()
    return {
        "id": f"{base}/{version.version}" if versioned else base,
        "x5t": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "attributes": attributes(version.attributes, version.created_at, version.updated_at),
        "tags": version.tags,
        "subject": "",
    }


def _bundle(vault: Vault, certificate: Certificate, version: CertificateVersion) -> JsonObject:
    tail = f"{certificate.name}/{version.version}"
    item = _item(vault, certificate, version, versioned=True)
    del item["subject"]
    return {
        **item,
        "kid": f"{vault.url}/keys/{tail}",
        "sid": f"{vault.url}/secrets/{tail}",
        "cer": base64.b64encode(version.der).decode(),
        "policy": {"id": f"{vault.url}/certificates/{certificate.name}/policy", **version.policy},
        "pending": {"id": f"{vault.url}/certificates/{certificate.name}/pending"},
    }


def _deleted(vault: Vault, certificate: Certificate) -> JsonObject:
    assert certificate.deleted_at is not None  # noqa: S101 - only called for deleted ones
    newest = certificate.versions[-1] if certificate.versions else None
    bundle = _bundle(vault, certificate, newest) if newest else {"id": f"{vault.url}/certificates/{certificate.name}"}
    return {
        **bundle,
        "recoveryId": f"{vault.url}/deletedcertificates/{certificate.name}",
        "deletedDate": _epoch(certificate.deleted_at),
        "scheduledPurgeDate": _epoch(certificate.deleted_at + timedelta(days=90)),
    }


_ANY = ("transactions",)
_CERTIFICATE = "/certificates/{name}"


def _reading(template: str, handler: Handler, operation: str) -> Route[TenantState]:
    return Route("GET", template, handler, (READ_CERTIFICATES,), _ANY, operation=operation)


def _writing(
    method: str,
    template: str,
    handler: Handler,
    operation: str,
    permission: str = UPDATE_CERTIFICATES,
    bucket: str = "transactions",
) -> Route[TenantState]:
    return Route(method, template, handler, (permission,), (bucket,), write=True, lane=-1, operation=operation)


ROUTES: tuple[Route[TenantState], ...] = (
    _reading("/certificates", list_all, "CertificateList"),
    _reading(_CERTIFICATE, get_latest, "CertificateGet"),
    _reading(f"{_CERTIFICATE}/pending", get_pending, "CertificatePendingGet"),
    _reading(f"{_CERTIFICATE}/versions", list_versions, "CertificateListVersions"),
    _reading(f"{_CERTIFICATE}/policy", get_policy, "CertificatePolicyGet"),
    _reading(f"{_CERTIFICATE}/{{version}}", get_version, "CertificateGet"),
    _writing("POST", f"{_CERTIFICATE}/create", create, "CertificateCreate", CREATE_CERTIFICATES, "creations"),
    _writing("PATCH", f"{_CERTIFICATE}/pending", cancel_pending, "CertificatePendingUpdate"),
    _writing("DELETE", f"{_CERTIFICATE}/pending", delete_pending, "CertificatePendingDelete"),
    _writing("PATCH", _CERTIFICATE, update_latest, "CertificateUpdate"),
    _writing("PATCH", f"{_CERTIFICATE}/{{version}}", update_version, "CertificateUpdate"),
    _writing("DELETE", _CERTIFICATE, delete, "CertificateDelete", DELETE_CERTIFICATES),
    _reading("/deletedcertificates/{name}", get_deleted, "CertificateGetDeleted"),
    _writing("POST", "/deletedcertificates/{name}/recover", recover, "CertificateRecover", RECOVER_CERTIFICATES),
    _writing("DELETE", "/deletedcertificates/{name}", purge, "CertificatePurge", PURGE_CERTIFICATES),
)
