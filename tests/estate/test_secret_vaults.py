"""Secrets in vaults: listed whole, stored once and found again, with all that consumers rely on. Azure notes 3.1."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from drill.practice import Behaviour
from shared.case import CouldNotLook
from shared.errors import Gone, OutcomeUnknown, PermissionMissing, PlatformRefused, Throttled
from shared.estate import OPERATION_TAG, Estate, SecretRef, SecretSeen, SecretValue
from tests.estate.desk import SUBSCRIPTION, known, why_not, with_estate
from tests.practice.desk import Desk

DB = SecretRef("shop", "db")
EXPIRES = datetime(2026, 9, 1, tzinfo=UTC)
NEW = "the-new-value-canary-7f3a9c1e5b2d"


def shop(*secrets: dict[str, Any], **more: Any) -> dict[str, Any]:
    listed = secrets or ({"name": "db", "value": "old", "tags": {"owner": "shop"}, "contentType": "text/plain"},)
    return {"vaults": [{"name": "shop", "subscription": SUBSCRIPTION, "secrets": [*listed], **more}]}


async def newest(estate: Estate, ref: SecretRef = DB) -> SecretSeen:
    return known(await estate.vaults.versions(ref))[0]


def test_a_vault_s_secrets_are_listed_over_all_pages() -> None:
    """Twenty-five a page; a secret that is missing from the list would never be rotated."""

    async def story(estate: Estate, _: Desk) -> None:
        listed = known(await estate.vaults.secrets("shop"))

        assert {each.ref.name for each in listed} == {f"s{n}" for n in range(60)}
        assert {each.version for each in listed} == {None}

    with_estate(story, shop(*({"name": f"S{n}"} for n in range(60))))


def test_what_a_vault_says_of_a_secret_is_read_without_its_value() -> None:
    """Tags decide which rotator serves it; the content type and expiry are carried over."""

    async def story(estate: Estate, _: Desk) -> None:
        (seen,) = known(await estate.vaults.secrets("shop"))

        assert (seen.ref, seen.enabled, seen.managed) == (DB, True, False)
        assert (seen.tags, seen.content_type, seen.expires) == ({"owner": "shop"}, "text/plain", EXPIRES)

    secret = {"name": "db", "tags": {"owner": "shop"}, "contentType": "text/plain"}
    with_estate(story, shop({**secret, "attributes": {"exp": int(EXPIRES.timestamp())}}))


def test_a_firewalled_vault_is_not_an_empty_one() -> None:
    """It says what to open, and for whom."""

    async def story(estate: Estate, _: Desk) -> None:
        part = await estate.vaults.secrets("shop")

        assert "ForbiddenByFirewall" in why_not(part)
        assert "private endpoint" in why_not(part)
        assert isinstance(part, CouldNotLook)
        assert not part.may_help_later

    with_estate(story, shop(firewall=True))


def test_a_missing_role_is_named() -> None:
    """Whoever reads it at night knows what to give."""

    async def story(estate: Estate, _: Desk) -> None:
        assert "Key Vault Secrets Officer" in why_not(await estate.vaults.secrets("shop"))
        with pytest.raises(PermissionMissing):
            await estate.vaults.value(DB, "0" * 32)

    with_estate(story, {**shop(), "permissions": {"rotator": []}})


def test_a_new_version_keeps_what_consumers_rely_on() -> None:
    """Nothing is inherited by a new version: tags and content type are sent again, and the operation's tag beside."""

    async def story(estate: Estate, _: Desk) -> None:
        (seen,) = known(await estate.vaults.secrets("shop"))
        before = await newest(estate)
        await asyncio.sleep(2)
        version = await estate.vaults.publish(seen, SecretValue(NEW), operation="op-1", expires=EXPIRES)
        made = await newest(estate)

        assert (made.version, made.enabled, made.expires) == (version, True, EXPIRES)
        assert made.tags == {"owner": "shop", OPERATION_TAG: "op-1"}
        assert made.content_type == "text/plain"
        assert (await estate.vaults.value(DB, version)).reveal() == NEW
        assert (await estate.vaults.value(DB, before.version or "")).reveal() == "old"

    with_estate(story, shop())


@pytest.mark.parametrize("kind", ["timeout-applied", "reset-applied", "503-applied", "429-applied", "cut-body"])
def test_a_version_whose_answer_was_lost_is_found_by_its_tag(kind: str) -> None:
    """It was stored, so it is not stored again; also where the service said that it was too busy."""
    fault = {"service": "vault", "match": "PUT /secrets/*", "kind": kind, "count": 1}

    async def story(estate: Estate, desk: Desk) -> None:
        seen = await newest(estate)
        await asyncio.sleep(2)
        version = await estate.vaults.publish(seen, SecretValue(NEW), operation="op-1", expires=None)
        versions = known(await estate.vaults.versions(DB))

        assert [each.version for each in versions] == [version, seen.version]
        assert len([each for each in desk.tenant.effects if each["method"] == "PUT"]) == 1

    with_estate(story, shop(), faults=[fault])


def test_a_lost_answer_without_a_version_leaves_the_outcome_unknown_and_sends_nothing_again() -> None:
    """It may yet arrive: whoever repeats it now could have two versions."""
    fault = {"service": "vault", "match": "PUT /secrets/*", "kind": "reset", "count": 1}

    async def story(estate: Estate, desk: Desk) -> None:
        seen = await newest(estate)
        with pytest.raises(OutcomeUnknown):
            await estate.vaults.publish(seen, SecretValue(NEW), operation="op-1", expires=None)

        assert len([each for each in desk.tenant.requests if each.method == "PUT"]) == 1

    with_estate(story, shop(), faults=[fault])


def test_a_vault_that_had_too_much_to_do_and_shows_nothing_may_be_asked_again() -> None:
    """429 that was none: no version is there, so it is throttling and not a riddle."""
    fault = {"service": "vault", "match": "PUT /secrets/*", "kind": "429", "count": 1, "retryAfter": 7}

    async def story(estate: Estate, _: Desk) -> None:
        seen = await newest(estate)
        with pytest.raises(Throttled) as caught:
            await estate.vaults.publish(seen, SecretValue(NEW), operation="op-1", expires=None)
        assert caught.value.retry_after is not None
        assert caught.value.retry_after.total_seconds() == 7

        assert await estate.vaults.publish(seen, SecretValue(NEW), operation="op-1", expires=None)

    with_estate(story, shop(), faults=[fault])


def test_disabling_a_version_leaves_its_tags_and_its_expiry() -> None:
    """Only what is sent is changed."""

    async def story(estate: Estate, _: Desk) -> None:
        seen = await newest(estate)
        await estate.vaults.set_enabled(DB, seen.version or "", False)
        disabled = await newest(estate)
        await estate.vaults.set_expiry(DB, seen.version or "", EXPIRES)
        expiring = await newest(estate)

        assert replace(disabled, updated=seen.updated) == replace(seen, enabled=False)
        assert (expiring.enabled, expiring.expires, expiring.tags) == (False, EXPIRES, seen.tags)
        with pytest.raises(PlatformRefused, match="SecretDisabled"):
            await estate.vaults.value(DB, seen.version or "")

    with_estate(story, shop())


def test_a_change_is_repeated_until_it_is_through() -> None:
    """Setting the same again is no second effect."""
    faults = [
        {"service": "vault", "match": "PATCH *", "kind": kind, "count": 1, "after": n}
        for n, kind in enumerate(("429", "503", "reset-applied"))
    ]

    async def story(estate: Estate, _: Desk) -> None:
        seen = await newest(estate)
        await estate.vaults.set_enabled(DB, seen.version or "", False)

        assert not (await newest(estate)).enabled

    with_estate(story, shop(), faults=faults)


def test_a_certificate_s_secret_is_renewed_and_disabled_through_its_certificate() -> None:
    """The vault refuses to set it; the version of secret and certificate is one."""
    ref = SecretRef("shop", "tls")

    async def story(estate: Estate, desk: Desk) -> None:
        old = await newest(estate, ref)
        version = await estate.vaults.renew_certificate(ref, "op-1")
        again = await estate.vaults.renew_certificate(ref, "op-1")
        await estate.vaults.set_enabled(ref, old.version or "", False)
        shown = {each.version: each for each in known(await estate.vaults.versions(ref))}

        assert again == version
        assert old.managed
        assert shown[version].enabled
        assert shown[version].tags == {"team": "web", OPERATION_TAG: "op-1"}
        assert not shown[old.version].enabled
        assert len([each for each in desk.tenant.effects if each["path"].endswith("/create")]) == 1

    behaviour = Behaviour.gentle(certificate_pending=(5.0, 5.0))
    with_estate(story, shop({"name": "tls", "managed": True, "tags": {"team": "web"}}), behaviour=behaviour)


def test_an_order_for_a_certificate_whose_answer_was_lost_is_found_by_its_tag() -> None:
    """One certificate, however often it is asked for."""
    ref = SecretRef("shop", "tls")
    fault = {"service": "vault", "match": "POST *", "kind": "timeout-applied", "count": 1}

    async def story(estate: Estate, _: Desk) -> None:
        version = await estate.vaults.renew_certificate(ref, "op-1")
        versions = known(await estate.vaults.versions(ref))

        assert version in {each.version for each in versions}
        assert len(versions) == 2

    with_estate(story, shop({"name": "tls", "managed": True}), faults=[fault])


@pytest.mark.parametrize("vault", ["", "ab", "Shop", "shop.evil", "shop/x", "shop@evil", "a" * 25, "shop#", "shöp"])
def test_no_host_is_made_of_what_is_not_a_vault_s_name(vault: str) -> None:
    """Names come from logs and from the tenant."""

    async def story(estate: Estate, desk: Desk) -> None:
        assert "not the name of a vault" in why_not(await estate.vaults.secrets(vault))
        assert not desk.tenant.requests

    with_estate(story, shop())


@pytest.mark.parametrize("name", ["", "../keys/x", "a/b", "a?x", "a b", "x" * 128])
def test_no_path_is_made_of_what_is_not_a_secret_s_name(name: str) -> None:
    """Nor of what is not a version."""

    async def story(estate: Estate, desk: Desk) -> None:
        part = await estate.vaults.versions(SecretRef("shop", name))
        with pytest.raises(PlatformRefused):
            await estate.vaults.value(DB, f"../{name}")

        assert "letters, digits and dashes" in why_not(part)
        assert not desk.tenant.requests

    with_estate(story, shop())


def test_what_is_gone_is_gone() -> None:
    """A deleted secret has no versions, and says so."""

    async def story(estate: Estate, _: Desk) -> None:
        part = await estate.vaults.versions(SecretRef("shop", "never"))
        assert isinstance(part, CouldNotLook)
        assert part.gone
        with pytest.raises(Gone):
            await estate.vaults.value(SecretRef("shop", "never"), "0" * 32)

    with_estate(story, shop())


def test_a_secret_that_is_full_of_tags_is_not_stored_without_one_of_them() -> None:
    """Fifteen are the most; which of the owner's to drop is not for Cordon to say."""

    async def story(estate: Estate, desk: Desk) -> None:
        seen = await newest(estate)
        with pytest.raises(PlatformRefused, match="too-many-tags"):
            await estate.vaults.publish(seen, SecretValue(NEW), operation="op-1", expires=None)

        assert not desk.tenant.effects

    with_estate(story, shop({"name": "db", "tags": {f"t{n}": "x" for n in range(15)}}))


def test_many_new_versions_keep_to_the_vault_s_bucket() -> None:
    """At the pace of the vault, whose bucket takes 300 in ten seconds: in nearly the shortest time, nothing refused."""
    behaviour = Behaviour.gentle(throttling=True, network=0.06, service=0.04)

    async def story(estate: Estate, desk: Desk) -> None:
        seen = known(await estate.vaults.secrets("shop"))
        started = desk.tenant.state.elapsed
        await asyncio.gather(
            *(estate.vaults.publish(each, SecretValue(NEW), operation="op-1", expires=None) for each in seen)
        )
        took = desk.tenant.state.elapsed - started
        refused = [each for each in desk.tenant.requests if each.status == 429]

        assert len(desk.tenant.effects) == 420
        assert took < 1.15 * 10.0
        assert len(refused) <= 0.02 * 420

    with_estate(story, shop(*({"name": f"s{n}"} for n in range(420))), behaviour=behaviour)


def test_two_vaults_do_not_wait_for_each_other() -> None:
    """Each has a bucket of its own."""
    vaults = [
        {"name": f"vault{n}", "subscription": SUBSCRIPTION, "secrets": [{"name": f"s{m}"} for m in range(200)]}
        for n in range(2)
    ]

    async def story(estate: Estate, desk: Desk) -> None:
        parts = await asyncio.gather(*(estate.vaults.secrets(f"vault{n}") for n in range(2)))
        seen = [each for part in parts for each in known(part)]
        started = desk.tenant.state.elapsed
        await asyncio.gather(
            *(estate.vaults.publish(each, SecretValue(NEW), operation="op-1", expires=None) for each in seen)
        )

        assert desk.tenant.state.elapsed - started < 1.0

    with_estate(story, {"vaults": vaults}, behaviour=Behaviour.gentle(throttling=True))
