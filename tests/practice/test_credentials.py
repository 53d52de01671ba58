"""Secrets, certificates, proofs, SAML and the instance lock on the practice tenant."""

import asyncio
import base64
import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from drill.practice import Behaviour, pki
from tests.practice.desk import APPLICATION, CERTIFICATE, PRINCIPAL, SECRET, START, Desk, at_the_desk, payroll

APP = f"/applications/{APPLICATION}"
SP = f"/servicePrincipals/{PRINCIPAL}"


def certificate(number: int = 40, subject: str = "CN=new") -> str:
    """A public certificate in base64 DER, as a client would send it."""
    made = pki.self_signed(pki.pooled_key(number), subject, START, START + timedelta(days=365), number)
    return base64.b64encode(pki.der(made)).decode()


def new_key(number: int = 40, **more: Any) -> dict[str, Any]:
    return {"type": "AsymmetricX509Cert", "usage": "Verify", "key": certificate(number), **more}


# --- secrets ---------------------------------------------------------------------------------------


def test_a_secret_is_shown_once() -> None:
    """addPassword answers 200 with secretText; later reads show null (Graph: serviceprincipal-addpassword)."""

    async def story(desk: Desk) -> None:
        made = await desk.raw("POST", f"{APP}/addPassword", {"passwordCredential": {"displayName": "new"}})
        read = (await desk.raw("GET", APP)).body["passwordCredentials"]

        assert made.status == 200
        assert made.body["secretText"].startswith(made.body["hint"])
        assert [each["keyId"] for each in read] == [SECRET, made.body["keyId"]]
        assert [each["secretText"] for each in read] == [None, None]
        assert desk.tenant.effects[0]["body"] == {"passwordCredential": {"displayName": "new"}}

    at_the_desk(story)


def test_removing_an_unknown_secret_is_400() -> None:
    """removePassword is 204 once; the second time its keyId is unknown (Graph: errors)."""

    async def story(desk: Desk) -> None:
        replies = [await desk.raw("POST", f"{APP}/removePassword", {"keyId": SECRET}) for _ in range(2)]

        assert [reply.status for reply in replies] == [204, 400]
        assert desk.application()["passwordCredentials"] == []

    at_the_desk(story)


def test_removing_right_after_adding_is_400_for_a_moment() -> None:
    """removePassword some 70 ms after addPassword was refused with 400 (Graph: races)."""

    async def story(desk: Desk) -> None:
        await desk.raw("POST", f"{APP}/addPassword", {"passwordCredential": {}})
        await asyncio.sleep(0.07)
        early = await desk.raw("POST", f"{APP}/removePassword", {"keyId": SECRET})
        await asyncio.sleep(0.1)
        late = await desk.raw("POST", f"{APP}/removePassword", {"keyId": SECRET})

        assert (early.status, late.status) == (400, 204)

    at_the_desk(story, behaviour=Behaviour.gentle(password_settles=0.1))


# --- PATCH keyCredentials --------------------------------------------------------------------------


def test_key_bytes_are_shown_only_to_those_who_select_them() -> None:
    """`key` is null unless $select=keyCredentials (Graph: application-get)."""

    async def story(desk: Desk) -> None:
        plain = (await desk.raw("GET", APP)).body["keyCredentials"][0]
        selected = (await desk.raw("GET", f"{APP}?$select=keyCredentials")).body["keyCredentials"][0]

        assert plain["key"] is None
        assert pki.thumbprint(base64.b64decode(selected["key"])) == selected["customKeyIdentifier"]

    at_the_desk(story)


def test_the_list_is_replaced_and_what_is_sent_back_as_read_stays() -> None:
    """An entry with its keyId and `key` null is kept whole; a new one joins in the same write (application-update)."""

    async def story(desk: Desk) -> None:
        as_read = (await desk.raw("GET", APP)).body["keyCredentials"]
        before = (await desk.raw("GET", f"{APP}?$select=keyCredentials")).body["keyCredentials"]
        reply = await desk.raw("PATCH", APP, {"keyCredentials": [*as_read, new_key()]})
        after = (await desk.raw("GET", f"{APP}?$select=keyCredentials")).body["keyCredentials"]

        assert reply.status == 204
        assert after[0] == before[0]
        assert after[1]["key"] == certificate()
        assert after[1]["customKeyIdentifier"] == pki.thumbprint(base64.b64decode(certificate()))

    at_the_desk(story)


def test_omitting_an_entry_deletes_it_and_an_empty_list_clears() -> None:
    """One PATCH swaps old for new; `[]` leaves none (Graph: PATCH keyCredentials)."""

    async def story(desk: Desk) -> None:
        swapped = await desk.raw("PATCH", APP, {"keyCredentials": [new_key()]})
        names = [each["displayName"] for each in desk.application()["keyCredentials"]]
        cleared = await desk.raw("PATCH", APP, {"keyCredentials": []})

        assert (swapped.status, cleared.status) == (204, 204)
        assert names == ["CN=new"]
        assert desk.application()["keyCredentials"] == []

    at_the_desk(story)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"displayName": "renamed"}, "is not allowed"),
        ({"endDateTime": "2030-01-01T00:00:00Z"}, "is not allowed"),
        ({"key": certificate()}, "is not allowed"),
        ({"usage": None}, "usage"),
        ({"comment": "hello"}, "Invalid property"),
    ],
)
def test_a_kept_entry_must_come_back_as_it_was(change: dict[str, Any], why: str) -> None:
    """Altering it, or sending it half, is 400 and leaves the list alone (Graph: PATCH keyCredentials)."""

    async def story(desk: Desk) -> None:
        as_read = (await desk.raw("GET", APP)).body["keyCredentials"][0]
        reply = await desk.raw("PATCH", APP, {"keyCredentials": [{**as_read, **change}]})

        assert (reply.status, reply.code) == (400, "Request_BadRequest")
        assert why in reply.body["error"]["message"]
        assert [each["keyId"] for each in desk.application()["keyCredentials"]] == [CERTIFICATE]

    at_the_desk(story)


@pytest.mark.parametrize(
    "wanted",
    [
        None,
        {"keyId": CERTIFICATE},
        ["x"],
        [new_key(key="AAAA")],
        [new_key(displayName="n" * 91)],
        [new_key(endDateTime="2040-01-01T00:00:00Z")],
        [new_key(endDateTime="2026-01-01T00:00:00Z")],
        [new_key(type="Symmetric")],
        [new_key(keyId=SECRET), new_key(keyId=SECRET)],
    ],
)
def test_a_list_that_is_none_is_400(wanted: object) -> None:
    """Always an array of whole, valid certificates."""

    async def story(desk: Desk) -> None:
        assert (await desk.raw("PATCH", APP, {"keyCredentials": wanted})).status == 400
        assert [each["keyId"] for each in desk.application()["keyCredentials"]] == [CERTIFICATE]

    at_the_desk(story)


# --- addKey and removeKey --------------------------------------------------------------------------


def proof(desk: Desk, object_id: str = APPLICATION, **changes: Any) -> str:
    """A proof by the key of the certificate that the application has."""
    held = base64.b64decode(desk.tenant.state.directory.any_kind(APPLICATION).state["keyCredentials"][0]["key"])  # type: ignore[union-attr]
    x5t = base64.urlsafe_b64encode(hashlib.sha1(held, usedforsecurity=False).digest()).decode().rstrip("=")
    now = desk.tenant.now().timestamp()
    claims = {"aud": "00000002-0000-0000-c000-000000000000", "iss": object_id, "nbf": now, "exp": now + 600} | changes
    parts = ".".join(_part(each) for each in ({"alg": "RS256", "typ": "JWT", "x5t": x5t}, claims))
    signature = _owner_of(held).sign(parts.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{parts}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _owner_of(held: bytes) -> Any:
    public = pki.read_certificate(base64.b64encode(held).decode()).public_key().public_numbers()  # type: ignore[union-attr]
    return next(key for key in map(pki.pooled_key, range(24)) if key.public_key().public_numbers() == public)


def test_add_and_remove_key_want_a_proof_by_a_certificate_that_is_there() -> None:
    """A JWT of at most ten minutes, for audience 00000002-…, issued by the object id (application-addkey)."""

    async def story(desk: Desk) -> None:
        good = await desk.raw("POST", f"{APP}/addKey", {"keyCredential": new_key(), "proof": proof(desk)})
        removed = await desk.raw("POST", f"{APP}/removeKey", {"keyId": CERTIFICATE, "proof": proof(desk)})

        assert (good.status, removed.status) == (200, 204)
        assert [each["keyId"] for each in desk.application()["keyCredentials"]] == [good.body["keyId"]]

    at_the_desk(story)


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "00000003-0000-0000-c000-000000000000"},
        {"iss": PRINCIPAL},
        {"exp": START.timestamp() + 601},
        {"nbf": START.timestamp() + 60},
    ],
)
def test_any_defect_of_the_proof_is_401(changes: dict[str, Any]) -> None:
    """401 Authentication_MissingOrMalformed, whatever is wrong with it."""

    async def story(desk: Desk) -> None:
        body = {"keyCredential": new_key(), "proof": proof(desk, **changes)}
        reply = await desk.raw("POST", f"{APP}/addKey", body)
        garbage = await desk.raw("POST", f"{APP}/addKey", {**body, "proof": "a.b.c"})

        assert (reply.status, reply.code) == (401, "Authentication_MissingOrMalformed")
        assert garbage.status == 401
        assert len(desk.application()["keyCredentials"]) == 1

    at_the_desk(story)


# --- SAML ------------------------------------------------------------------------------------------


def test_a_token_signing_certificate_is_a_triple() -> None:
    """Sign + Verify + password under one customKeyIdentifier; the password has the Sign key's keyId."""

    async def story(desk: Desk) -> None:
        made = await desk.raw("POST", f"{SP}/addTokenSigningCertificate", {"displayName": "CN=sso"})
        principal = desk.principal()
        keys, passwords = principal["keyCredentials"], principal["passwordCredentials"]

        assert made.status == 200
        assert [each["usage"] for each in keys] == ["Sign", "Verify"]
        assert len({each["customKeyIdentifier"] for each in [*keys, *passwords]}) == 1
        assert passwords[0]["keyId"] == keys[0]["keyId"]

    at_the_desk(story)


# --- instance lock ---------------------------------------------------------------------------------

LOCKED = {"servicePrincipalLockConfiguration": {"isEnabled": True, "allProperties": True}}


@pytest.mark.parametrize("tenant", [{"application": LOCKED}, {"principal": LOCKED}])
def test_a_locked_principal_refuses_every_change_of_its_credentials(tenant: dict[str, Any]) -> None:
    """400 CannotUpdateLockedServicePrincipalProperty; the application itself stays writable (Graph: instance lock)."""
    secret = "0d0d0d0d-0000-4000-8000-000000000002"
    tenant["principal"] = {**tenant.get("principal", {}), "passwordCredentials": [{"keyId": secret}]}

    async def story(desk: Desk) -> None:
        refused = [
            await desk.raw("POST", f"{SP}/addPassword", {"passwordCredential": {}}),
            await desk.raw("POST", f"{SP}/removePassword", {"keyId": secret}),
            await desk.raw("PATCH", SP, {"keyCredentials": [new_key()]}),
            await desk.raw("PATCH", SP, {"tokenEncryptionKeyId": None}),
        ]
        disabled = await desk.raw("PATCH", SP, {"accountEnabled": False})

        assert {reply.status for reply in refused} == {400}
        assert {reply.code for reply in refused} == {"CannotUpdateLockedServicePrincipalProperty"}
        assert disabled.status == 204

    if "application" in tenant:
        at_the_desk(story, payroll(**tenant))
    else:
        foreign = payroll(**tenant)
        at_the_desk(story, {**foreign, "applications": [], "federatedIdentityCredentials": {}})


def test_an_own_application_can_be_unlocked_cleaned_and_locked_again() -> None:
    """PATCH the lock off on the application, clean the principal, put the lock back."""
    secret = "0d0d0d0d-0000-4000-8000-000000000002"
    lock = LOCKED["servicePrincipalLockConfiguration"]

    async def story(desk: Desk) -> None:
        off = {"servicePrincipalLockConfiguration": {**lock, "isEnabled": False}}
        statuses = [
            (await desk.raw("PATCH", APP, off)).status,
            (await desk.raw("POST", f"{SP}/removePassword", {"keyId": secret})).status,
            (await desk.raw("PATCH", APP, LOCKED)).status,
            (await desk.raw("POST", f"{SP}/addPassword", {"passwordCredential": {}})).status,
        ]

        assert statuses == [204, 204, 204, 400]

    at_the_desk(story, payroll(application=LOCKED, principal={"passwordCredentials": [{"keyId": secret}]}))
