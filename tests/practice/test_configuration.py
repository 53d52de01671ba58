"""Changes of an application's own properties: deactivation, lock, tags, URIs. Sources are the notes on Graph."""

import asyncio
import json
from typing import Any

import pytest

from drill.practice import Behaviour, Credential, CredentialKind
from tests.practice.desk import APPLICATION, PRINCIPAL, SECRET, Desk, JsonObject, at_the_desk, payroll

APP = f"/applications/{APPLICATION}"
SP = f"/servicePrincipals/{PRINCIPAL}"
LEAKED = Credential(CredentialKind.SECRET, SECRET)
LOCKED = {"isEnabled": True, "allProperties": True}


def updates(desk: Desk) -> dict[str, tuple[Any, Any]]:
    """What the records of `Update application` say was changed: before and after, by property."""
    return {
        each["displayName"]: (json.loads(each["oldValue"] or "null"), json.loads(each["newValue"] or "null"))
        for record in desk.tenant.state.audits.everything()
        if record["activityDisplayName"] == "Update application"
        for each in record["targetResources"][0]["modifiedProperties"]
        if each["displayName"] != "Included Updated Properties"
    }


def test_a_deactivated_application_gets_no_tokens_and_is_activated_again() -> None:
    """PATCH {"isDisabled": true} stops new tokens in every tenant; issued ones live on (Graph 5)."""

    async def story(desk: Desk) -> None:
        token = desk.tenant.sign_in(PRINCIPAL, LEAKED).token
        off = await desk.raw("PATCH", APP, {"isDisabled": True})
        refused = desk.tenant.sign_in(PRINCIPAL, LEAKED).error_code
        odd = await desk.raw("PATCH", APP, {"isDisabled": "false"})
        on = await desk.raw("PATCH", APP, {"isDisabled": False})

        assert token is not None
        assert not token.revoked
        assert desk.principal()["accountEnabled"] is True
        assert (off.status, odd.status, on.status) == (204, 400, 204)
        assert refused == 7000112
        assert desk.tenant.sign_in(PRINCIPAL, LEAKED).succeeded
        assert "IsDisabled" in updates(desk)

    at_the_desk(story)


def test_only_the_application_is_deactivated() -> None:
    """Whether isDisabled can be written on a service principal is unverified; here it cannot (Graph 5)."""

    async def story(desk: Desk) -> None:
        assert (await desk.raw("PATCH", SP, {"isDisabled": True})).status == 400

    at_the_desk(story)


def test_the_instance_lock_is_turned_on_and_keeps_secrets_off_the_principal() -> None:
    """servicePrincipalLockConfiguration freezes the credentials of the service principal (Graph 4)."""
    body = {"passwordCredential": {"displayName": "sync"}}

    async def story(desk: Desk) -> None:
        on = await desk.raw("PATCH", APP, {"servicePrincipalLockConfiguration": LOCKED})
        shown = desk.application()["servicePrincipalLockConfiguration"]
        locked = await desk.raw("POST", f"{SP}/addPassword", body)
        elsewhere = await desk.raw("POST", f"{APP}/addPassword", body)
        off = await desk.raw("PATCH", APP, {"servicePrincipalLockConfiguration": {"isEnabled": False}})
        unlocked = await desk.raw("POST", f"{SP}/addPassword", body)

        assert (on.status, locked.status, elsewhere.status) == (204, 400, 200)
        assert "CannotUpdateLockedServicePrincipalProperty" in json.dumps(locked.body)
        assert shown["credentialsWithUsageSign"] is False
        assert (off.status, unlocked.status) == (204, 200)

    at_the_desk(story)


@pytest.mark.parametrize(
    "body",
    [
        {"servicePrincipalLockConfiguration": {"isEnabled": True, "everything": True}},
        {"servicePrincipalLockConfiguration": {"isEnabled": "yes"}},
        {"servicePrincipalLockConfiguration": True},
        {"web": {"redirectUrls": []}},
        {"web": {"redirectUris": "https://one.example"}},
        {"spa": []},
        {"identifierUris": ["api://one", "api://one"]},
        {"tags": [1]},
    ],
)
def test_half_understood_configuration_is_400(body: JsonObject) -> None:
    """Unknown inner properties and wrong types are refused (Graph: application-update)."""

    async def story(desk: Desk) -> None:
        before = desk.application()
        reply = await desk.raw("PATCH", APP, body)

        assert reply.status == 400
        assert desk.application() == before

    at_the_desk(story)


@pytest.mark.parametrize("path", [APP, SP])
def test_tags_are_replaced_as_a_whole(path: str) -> None:
    """A tag is kept by sending it along; both kinds of object have them (Graph 4, 5)."""

    async def story(desk: Desk) -> None:
        reply = await desk.raw("PATCH", path, {"tags": ["cordon-custody"]})

        assert reply.status == 204
        assert (await desk.raw("GET", path)).body["tags"] == ["cordon-custody"]

    at_the_desk(story, payroll(application={"tags": ["HideApp"]}, principal={"tags": ["HideApp"]}))


def test_redirect_uris_are_logged_as_reply_addresses() -> None:
    """`Update application` with AppAddress: the whole lists of all platforms (Graph 2)."""

    async def story(desk: Desk) -> None:
        await desk.raw("PATCH", APP, {"spa": {"redirectUris": ["https://evil.example/cb"]}})
        before, after = updates(desk)["AppAddress"]

        assert [each["Address"] for each in before] == ["https://ours.example/cb"]
        assert [each["Address"] for each in after] == ["https://ours.example/cb", "https://evil.example/cb"]
        assert set(after[0]) == {
            "AddressType",
            "Address",
            "ReplyAddressClientType",
            "ReplyAddressIndex",
            "IsReplyAddressDefault",
        }

    at_the_desk(story, payroll(application={"web": {"redirectUris": ["https://ours.example/cb"]}}))


def test_sign_out_url_and_identifier_uris_are_logged() -> None:
    """The names of both properties are unverified (Graph 2)."""
    web: JsonObject = {"redirectUris": [], "logoutUrl": "https://evil.example/out"}

    async def story(desk: Desk) -> None:
        await desk.raw("PATCH", APP, {"web": web, "identifierUris": ["api://payroll"]})

        assert updates(desk) == {
            "AppIdentifierUri": ([], ["api://payroll"]),
            "LogoutUrl": ([], ["https://evil.example/out"]),
        }

    at_the_desk(story)


@pytest.mark.parametrize(("merges", "logout"), [(False, None), (True, "https://ours.example/out")])
def test_whether_a_complex_property_merges_is_a_switch(merges: bool, logout: str | None) -> None:
    """Send complex properties whole: merging is unverified (Graph 5)."""
    web = {"redirectUris": ["https://ours.example/cb"], "logoutUrl": "https://ours.example/out"}

    async def story(desk: Desk) -> None:
        await desk.raw("PATCH", APP, {"web": {"redirectUris": []}})
        after = desk.application()["web"]

        assert after["redirectUris"] == after["redirectUriSettings"] == []
        assert after["logoutUrl"] == logout

    behaviour = Behaviour.gentle(complex_properties_merge=merges)
    at_the_desk(story, payroll(application={"web": web}), behaviour=behaviour)


def test_a_deleted_application_is_kept_for_thirty_days() -> None:
    """Until then it can be restored; after that it is neither listed nor there (Graph 5)."""
    items = f"/directory/deletedItems/{APPLICATION}"

    async def story(desk: Desk) -> None:
        await desk.raw("DELETE", APP)
        await asyncio.sleep(29 * 86_400)
        kept = await desk.raw("GET", items)
        await asyncio.sleep(2 * 86_400)
        listed = await desk.raw("GET", "/directory/deletedItems/microsoft.graph.application")

        assert (kept.status, listed.body["value"]) == (200, [])
        assert (await desk.raw("POST", f"{items}/restore")).status == 404

    at_the_desk(story)
