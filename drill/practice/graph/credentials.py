"""
Secrets and certificates on an application or service principal: what may be written, and what Graph refuses.

The same for both kinds of object, except that the instance lock protects only service principals.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from drill.practice import pki
from drill.practice.directory import APPLICATION, SERVICE_PRINCIPAL, Entry
from drill.practice.graph.audit_trail import AuditTrail
from drill.practice.graph.objects import to_write
from drill.practice.odata import bad_request
from drill.practice.shapes import JsonObject, graph_time, read_time
from drill.practice.state import TenantState
from drill.practice.web import NO_CONTENT, Answer, Refusal, Request

_KEY_FIELDS = frozenset(
    {"customKeyIdentifier", "displayName", "endDateTime", "key", "keyId", "startDateTime", "type", "usage"}
)
_PROOF_AUDIENCE = "00000002-0000-0000-c000-000000000000"  # facts: graph 5; not Graph's own 00000003-…
_PROOF_LIFE = 600  # seconds


# --- instance lock ---------------------------------------------------------------------------------


def check_lock(state: TenantState, entry: Entry, property_name: str, usage: str | None, *, removal: bool) -> None:
    """400 if the application's servicePrincipalLockConfiguration freezes this property (facts: graph 4)."""
    if entry.kind != SERVICE_PRINCIPAL or (removal and not state.behaviour.lock_covers_removal):
        return
    lock = _lock_of(state, entry)
    if not lock.get("isEnabled"):
        return
    by_property = {
        "tokenEncryptionKeyId": lock.get("tokenEncryptionKeyId"),
        "keyCredentials": lock.get(f"credentialsWithUsage{usage or 'Verify'}"),
        "passwordCredentials": lock.get(f"credentialsWithUsage{usage or 'Verify'}"),
    }
    if lock.get("allProperties") or by_property.get(property_name):
        raise Refusal(
            400,
            "CannotUpdateLockedServicePrincipalProperty",
            f"Property {property_name} is invalid.",
        )


def _lock_of(state: TenantState, entry: Entry) -> Mapping[str, Any]:
    """The lock stands on the application; a scenario gives a foreign one on the service principal."""
    application = state.directory.by_app_id(APPLICATION, str(entry.state.get("appId")))
    holder = application.state if application else entry.state
    return cast("Mapping[str, Any]", holder.get("servicePrincipalLockConfiguration") or holder.get("@lock") or {})


# --- secrets ---------------------------------------------------------------------------------------


def add_password(state: TenantState, request: Request, kind: str, object_id: str) -> Answer:
    """200 with `secretText`, which is shown this once."""
    given = cast("JsonObject", _only(request.json_object(), {"passwordCredential"}).get("passwordCredential") or {})
    entry = to_write(state, kind, object_id)
    check_lock(state, entry, "passwordCredentials", "Verify", removal=False)
    for name in sorted(set(given) - {"displayName", "endDateTime", "startDateTime"}):
        raise bad_request(f"Invalid property '{name}'.")
    made = new_password(state, given, state.now)
    before = entry.state
    state.directory.change(entry, state.now, passwordCredentials=[*before["passwordCredentials"], made])
    entry.password_added_at = state.now
    AuditTrail(state, request).credentials(entry, before, added=True)
    context = f"{request.base}/{request.version}/$metadata#microsoft.graph.passwordCredential"
    return Answer(200, {"@odata.context": context, **made, "secretText": state.secrets[made["keyId"]]})


def new_password(state: TenantState, given: Mapping[str, Any], now: datetime) -> JsonObject:
    """A passwordCredential as Graph keeps it; its value goes to state.secrets."""
    key_id = str(given.get("keyId") or state.chance.guid("keyId"))
    value = given.get("secretText")
    if value is None:
        value = state.canaries.make(lambda canary: f"{canary[:3]}8Q~{canary}")
    state.secrets[key_id] = state.canaries.adopt(str(value))
    two_years = graph_time(now + timedelta(days=730))
    return {
        "customKeyIdentifier": given.get("customKeyIdentifier"),
        "displayName": given.get("displayName"),
        "endDateTime": given.get("endDateTime") or two_years,
        "hint": str(value)[:3],
        "keyId": key_id,
        "secretText": None,
        "startDateTime": given.get("startDateTime") or graph_time(now),
    }


def remove_password(state: TenantState, request: Request, kind: str, object_id: str) -> Answer:
    """204; 400 for an unknown keyId, and for a while after addPassword (facts: graph 4 and 12)."""
    key_id = _only(request.json_object(), {"keyId"}).get("keyId")
    entry = to_write(state, kind, object_id)
    check_lock(state, entry, "passwordCredentials", "Verify", removal=True)
    settles = timedelta(seconds=state.behaviour.password_settles)
    if entry.password_added_at and state.now - entry.password_added_at < settles:
        raise bad_request("Another change to the credentials of this object is in progress. Please retry later.")
    kept = [each for each in entry.state["passwordCredentials"] if each["keyId"] != key_id]
    if len(kept) == len(entry.state["passwordCredentials"]):
        raise bad_request(f"No password credential found with keyId '{key_id}'.")
    before = entry.state
    state.directory.change(entry, state.now, passwordCredentials=kept)
    AuditTrail(state, request).credentials(entry, before, added=False)
    return Answer(NO_CONTENT)


# --- keyCredentials by PATCH -----------------------------------------------------------------------


def replaced_keys(state: TenantState, entry: Entry, wanted: object) -> list[JsonObject]:
    """
    The list that a PATCH of keyCredentials leaves: what is sent back unaltered stays (its `key` may be null),
    what is missing goes, what is new must be a whole certificate (facts: graph 5).
    """
    if not isinstance(wanted, list) or not all(isinstance(each, dict) for each in cast("list[object]", wanted)):
        raise bad_request("A collection was expected for property 'keyCredentials'.")
    existing = {each["keyId"]: each for each in entry.state["keyCredentials"]}
    result = [_kept_or_new(state, existing, each) for each in cast("list[JsonObject]", wanted)]
    key_ids = [each["keyId"] for each in result]
    if len(set(key_ids)) != len(key_ids):
        raise bad_request("Multiple credentials with the same KeyId were specified.")
    _check_lock_of_keys(state, entry, existing, {each["keyId"]: each for each in result})
    return result


def _kept_or_new(state: TenantState, existing: Mapping[str, JsonObject], given: JsonObject) -> JsonObject:
    for name in sorted(set(given) - _KEY_FIELDS - {"@odata.type"}):
        raise bad_request(f"Invalid property '{name}'.")
    for name in ("usage", "type"):
        if not given.get(name):
            raise bad_request(f"Required property '{name}' of keyCredential is missing or empty.")
    kept = existing.get(str(given.get("keyId")))
    if kept is None:
        return new_key(state, given)
    if any(not _same(name, kept.get(name), given[name]) for name in _KEY_FIELDS & set(given)):
        raise bad_request(f"Update to existing credential with KeyId '{kept['keyId']}' is not allowed.")
    return kept


def _same(name: str, kept: object, given: object) -> bool:
    if name == "key" and given is None:
        return True  # this is how it was read
    if name.endswith("DateTime") and isinstance(kept, str) and isinstance(given, str):
        return read_time(kept) == read_time(given)
    return kept == given


def new_key(state: TenantState, given: JsonObject) -> JsonObject:
    """A keyCredential made from a public certificate in base64 DER."""
    if given["type"] not in ("AsymmetricX509Cert", "X509CertAndPassword") or given["usage"] not in ("Verify", "Sign"):
        raise bad_request("Key credential has an invalid type or usage.")
    certificate = pki.read_certificate(str(given.get("key") or ""))
    if certificate is None:
        raise bad_request("Key credential must have a valid certificate in property 'key'.")
    if len(str(given.get("displayName") or "")) > 90:
        raise bad_request("The displayName of a key credential is limited to 90 characters.")
    ends = certificate.not_valid_after_utc
    if given.get("endDateTime") and read_time(given["endDateTime"]) > ends:
        raise bad_request("Key credential end date is invalid.")
    if (read_time(given["endDateTime"]) if given.get("endDateTime") else ends) <= state.now:
        raise bad_request("Key credential end date is in the past.")
    return _key_entry(state, given, certificate, str(given["key"]))


def _key_entry(state: TenantState, given: JsonObject, certificate: x509.Certificate, key: str) -> JsonObject:
    return {
        "customKeyIdentifier": pki.thumbprint(base64.b64decode(key)),
        "displayName": given.get("displayName") or certificate.subject.rfc4514_string(),
        "endDateTime": given.get("endDateTime") or graph_time(certificate.not_valid_after_utc),
        "key": key,
        "keyId": str(given.get("keyId") or state.chance.guid("keyId")),
        "startDateTime": given.get("startDateTime") or graph_time(certificate.not_valid_before_utc),
        "type": given["type"],
        "usage": given["usage"],
    }


def _check_lock_of_keys(
    state: TenantState, entry: Entry, before: Mapping[str, JsonObject], after: Mapping[str, JsonObject]
) -> None:
    for key_id in before.keys() - after.keys():
        check_lock(state, entry, "keyCredentials", before[key_id]["usage"], removal=True)
    for key_id in after.keys() - before.keys():
        check_lock(state, entry, "keyCredentials", after[key_id]["usage"], removal=False)


# --- addKey and removeKey, with proof --------------------------------------------------------------


def add_key(state: TenantState, request: Request, kind: str, object_id: str) -> Answer:
    body = _only(request.json_object(), {"keyCredential", "passwordCredential", "proof"})
    entry = to_write(state, kind, object_id)
    check_proof(state, entry, body.get("proof"))
    given = cast("JsonObject", body.get("keyCredential") or {})
    check_lock(state, entry, "keyCredentials", given.get("usage"), removal=False)
    made = _kept_or_new(state, {}, given)
    before = entry.state
    state.directory.change(entry, state.now, keyCredentials=[*before["keyCredentials"], made])
    AuditTrail(state, request).credentials(entry, before, added=True)
    context = f"{request.base}/{request.version}/$metadata#microsoft.graph.keyCredential"
    return Answer(200, {"@odata.context": context, **made, "key": None})


def remove_key(state: TenantState, request: Request, kind: str, object_id: str) -> Answer:
    body = _only(request.json_object(), {"keyId", "proof"})
    entry = to_write(state, kind, object_id)
    check_proof(state, entry, body.get("proof"))
    gone = [each for each in entry.state["keyCredentials"] if each["keyId"] == body.get("keyId")]
    if not gone:
        raise bad_request(f"No key credential found with keyId '{body.get('keyId')}'.")
    check_lock(state, entry, "keyCredentials", gone[0]["usage"], removal=True)
    before = entry.state
    kept = [each for each in before["keyCredentials"] if each is not gone[0]]
    state.directory.change(entry, state.now, keyCredentials=kept)
    AuditTrail(state, request).credentials(entry, before, added=False)
    return Answer(NO_CONTENT)


def check_proof(state: TenantState, entry: Entry, proof: object) -> None:
    """401 unless `proof` is a fresh RS256 JWT by the key of a valid certificate of this object (facts: graph 5)."""
    try:
        head, claims, signature = str(proof).split(".")
        certificate = _named_certificate(state, entry, _decoded(head))
        _rsa(certificate).verify(_unpadded(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
        _check_claims(_decoded(claims), entry.id, state.now.timestamp())
    except (ValueError, InvalidSignature, KeyError, TypeError) as problem:
        raise Refusal(
            401, "Authentication_MissingOrMalformed", "Access Token missing or malformed: proof-of-possession."
        ) from problem


def _rsa(certificate: x509.Certificate) -> rsa.RSAPublicKey:
    public = certificate.public_key()
    if not isinstance(public, rsa.RSAPublicKey):
        raise ValueError("not RSA")  # noqa: TRY004 - all defects of a proof are one refusal
    return public


def _named_certificate(state: TenantState, entry: Entry, header: JsonObject) -> x509.Certificate:
    if header.get("alg") != "RS256":
        raise ValueError("alg")
    for each in entry.state["keyCredentials"]:
        certificate = pki.read_certificate(str(each.get("key") or ""))
        if certificate and _names(header, pki.der(certificate)):
            if not certificate.not_valid_before_utc <= state.now < certificate.not_valid_after_utc:
                raise ValueError("expired")
            return certificate
    raise ValueError("no such certificate")


def _names(header: JsonObject, certificate_der: bytes) -> bool:
    digest = hashlib.sha1(certificate_der, usedforsecurity=False).digest()
    x5t = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return header.get("x5t") == x5t or str(header.get("kid")).upper() == digest.hex().upper()


def _check_claims(claims: JsonObject, object_id: str, now: float) -> None:
    if claims["aud"] != _PROOF_AUDIENCE or claims["iss"] != object_id:
        raise ValueError("aud or iss")
    if not claims["nbf"] <= now < claims["exp"] <= claims["nbf"] + _PROOF_LIFE:
        raise ValueError("times")


def _unpadded(part: str) -> bytes:
    if "=" in part:
        raise ValueError("padding")
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _decoded(part: str) -> JsonObject:
    found: object = json.loads(_unpadded(part))
    if not isinstance(found, dict):
        raise ValueError("not an object")  # noqa: TRY004 - all defects of a proof are one refusal
    return cast("JsonObject", found)


# --- SAML ------------------------------------------------------------------------------------------


def add_token_signing_certificate(state: TenantState, request: Request, kind: str, object_id: str) -> Answer:
    """
    Makes the SAML triple: a Sign key, a Verify key and a password under one customKeyIdentifier; the
    password shares its keyId with the Sign key (facts: graph 4).
    """
    body = _only(request.json_object(), {"displayName", "endDateTime"})
    subject = str(body.get("displayName") or "")
    if not subject.startswith("CN="):
        raise bad_request("Property displayName must start with 'CN='.")
    entry = to_write(state, kind, object_id)
    check_lock(state, entry, "keyCredentials", "Sign", removal=False)
    ends = read_time(body["endDateTime"]) if body.get("endDateTime") else state.now + timedelta(days=3 * 365)
    made = saml_triple(state, subject, state.now, min(ends, state.now + timedelta(days=3 * 365 + 1)))
    before = entry.state
    state.directory.change(
        entry,
        state.now,
        keyCredentials=[*before["keyCredentials"], made.signing, made.verifying],
        passwordCredentials=[*before["passwordCredentials"], made.password],
    )
    AuditTrail(state, request).credentials(entry, before, added=True)
    context = f"{request.base}/{request.version}/$metadata#microsoft.graph.selfSignedCertificate"
    return Answer(200, {"@odata.context": context, **made.verifying, "thumbprint": made.thumbprint})


@dataclass(frozen=True, slots=True)
class SamlTriple:
    """The three credentials that together sign SAML tokens."""

    signing: JsonObject
    verifying: JsonObject
    password: JsonObject
    thumbprint: str


def saml_triple(state: TenantState, subject: str, starts: datetime, ends: datetime) -> SamlTriple:
    """A fresh key pair of the pool, split over the three entries as Entra does."""
    key = pki.pooled_key(state.chance.stream("pool").randrange(24))
    state.canaries.adopt_raw(pki.private_bytes(key))
    certificate = pki.der(pki.self_signed(key, subject, starts, ends, state.chance.stream("serial").getrandbits(128)))
    identifier = base64.b64encode(hashlib.sha256(certificate).digest()).decode()
    shared: JsonObject = {
        "customKeyIdentifier": identifier,
        "displayName": subject,
        "endDateTime": graph_time(ends),
        "startDateTime": graph_time(starts),
    }
    public = base64.b64encode(certificate).decode()
    sign_id, verify_id = state.chance.guid("keyId"), state.chance.guid("keyId")
    signing = {**shared, "key": public, "keyId": sign_id, "type": "X509CertAndPassword", "usage": "Sign"}
    verifying = {**shared, "key": public, "keyId": verify_id, "type": "AsymmetricX509Cert", "usage": "Verify"}
    password = new_password(state, {**shared, "keyId": sign_id}, starts)
    return SamlTriple(signing, verifying, password, pki.thumbprint(certificate))


def _only(body: JsonObject, names: set[str]) -> JsonObject:
    """Action parameters: an unknown one is refused."""
    for name in sorted(set(body) - names):
        raise bad_request(
            f"The parameter '{name}' in the request payload is not a valid parameter for the operation.", "BadRequest"
        )
    return body
